// SPDX-License-Identifier: MIT
fn main() {
    println!("{:?}", crate1::count(4));
    let sum: f64 = (1..1000).map(|n| (n as f64).sqrt()).sum();
    println!("{sum:.9}");
}
