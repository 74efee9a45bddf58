// SPDX-License-Identifier: MIT
use std::collections::BTreeMap;
use std::sync::{mpsc, Arc, Mutex};
use std::thread;

pub fn count(threads: u64) -> BTreeMap<u64, u64> {
    let total = Arc::new(Mutex::new(BTreeMap::new()));
    let (tx, rx) = mpsc::channel();
    let handles: Vec<_> = (0..threads)
        .map(|t| {
            let (total, tx) = (Arc::clone(&total), tx.clone());
            thread::spawn(move || {
                for n in 0..5000u64 {
                    *total.lock().unwrap().entry((n * t) % 17).or_insert(0) += 1;
                }
                tx.send(t).unwrap();
            })
        })
        .collect();
    drop(tx);
    let order: u64 = rx.iter().sum();
    handles.into_iter().for_each(|h| h.join().unwrap());
    let mut map = Arc::try_unwrap(total).unwrap().into_inner().unwrap();
    map.insert(100, order);
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        let map = count(8);
        assert_eq!(map[&100], 28);
        assert_eq!(map.values().sum::<u64>(), 40028);
    }

    #[test]
    #[should_panic(expected = "index out of bounds")]
    fn panics() {
        let v = vec![1, 2, 3];
        let n: usize = "7".parse().unwrap();
        assert_eq!(v[n], 0);
    }

    #[test]
    fn catches() {
        assert!(std::panic::catch_unwind(|| panic!("on purpose")).is_err());
    }
}
