/* SPDX-License-Identifier: MIT */
/* Plain recursion: calls, returns, stack pairs. */
#include "bench.h"

__attribute__((noinline)) static uint64_t fib(uint64_t n)
{
    __asm__ volatile(""); /* keeps the compiler from unrolling the recursion */
    if (n < 2) {
        return n;
    }
    uint64_t a = fib(n - 1);
    __asm__ volatile("");
    return a + fib(n - 2);
}

int main(int argc, char **argv)
{
    uint64_t sum = 0;
    for (long n = bench_count(argc, argv, 500); n > 0; n--) {
        sum += fib(26 + (n & 1));
    }
    return bench_result(sum);
}
