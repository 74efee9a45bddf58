/* SPDX-License-Identifier: MIT */
/* Atomics that nobody disputes, in one thread: add, swap, or, compare-and-swap. */
#include "bench.h"
#include <stdatomic.h>

int main(int argc, char **argv)
{
    static atomic_ulong a, b;
    static atomic_uint c;
    for (long n = bench_count(argc, argv, 12000000); n > 0; n--) {
        unsigned long seen = atomic_fetch_add(&a, n);
        atomic_compare_exchange_strong(&b, &seen, seen + 1);
        atomic_fetch_or_explicit(&c, 1u << (n & 31), memory_order_release);
        atomic_exchange_explicit(&b, a + n, memory_order_acquire);
    }
    return bench_result(a + b + c);
}
