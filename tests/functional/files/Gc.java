// SPDX-License-Identifier: MIT
// Threads that allocate, share maps and locks; the result does not depend on their order.
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import java.util.stream.*;

public class Gc {
    static final ConcurrentHashMap<String, LongAdder> counts = new ConcurrentHashMap<>();
    static final Object lock = new Object();
    static long guarded;

    record Node(Node left, Node right, int value) {
        int sum() {
            return value + (left == null ? 0 : left.sum()) + (right == null ? 0 : right.sum());
        }
    }

    static Node tree(int depth) {
        return depth == 0 ? new Node(null, null, 1) : new Node(tree(depth - 1), tree(depth - 1), depth);
    }

    static long churn(int seed) {
        List<byte[]> kept = new ArrayList<>();
        long sum = 0;
        for (int i = 0; i < 60; i++) {
            sum += tree(12).sum();
            kept.add(new byte[20000 + (seed + i) % 977]);
            if (kept.size() > 20) {
                sum += kept.remove(0).length;
            }
            counts.computeIfAbsent("k" + (seed * 31 + i) % 53, k -> new LongAdder()).increment();
            synchronized (lock) {
                guarded += i;
            }
        }
        return sum;
    }

    public static void main(String[] args) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(4);
        List<Future<Long>> results = new ArrayList<>();
        for (int n = 0; n < 24; n++) {
            int seed = n;
            results.add(pool.submit(() -> churn(seed)));
        }
        long sum = 0;
        for (Future<Long> f : results) {
            sum += f.get();
        }
        pool.shutdown();
        System.out.println("sum " + sum + " guarded " + guarded + " keys " + counts.size());
        System.out.println(IntStream.rangeClosed(1, 200000).parallel().filter(x -> x % 7 == 3).mapToLong(x -> (long) x * x).sum());
        String s = IntStream.range(0, 2000).mapToObj(Integer::toHexString).collect(Collectors.joining(","));
        System.out.println(s.hashCode() + " " + String.format("%.6f %s", Math.sin(1e3), new java.math.BigInteger("7").pow(200).mod(java.math.BigInteger.valueOf(1000003))));
        int[] none = args.length > 5 ? new int[1] : null;
        for (int n = 0; n < 20000; n++) { // compiled code finds null by its SIGSEGV
            try {
                n += none.length;
            } catch (NullPointerException e) {
                guarded++;
            }
        }
        try {
            deep(0);
        } catch (StackOverflowError e) {
            System.out.println("stack overflow caught");
        }
        System.out.println("guarded " + guarded);
        System.out.println(none.length); // uncaught
    }

    static int deep(int n) {
        return deep(n + 1) + 1;
    }
}
