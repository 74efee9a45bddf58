/* SPDX-License-Identifier: MIT */
/* Recursion 20,000 levels deep and back, further than a return predictor sees. */
#include "bench.h"

__attribute__((noinline)) static uint64_t deep(uint64_t level, uint64_t x)
{
    if (level == 0) {
        return x;
    }
    x = deep(level - 1, x * 3 + level);
    __asm__ volatile("" : "+r"(x));
    return x ^ level;
}

int main(int argc, char **argv)
{
    uint64_t sum = 0;
    for (long n = bench_count(argc, argv, 4000); n > 0; n--) {
        sum += deep(20000, n);
    }
    return bench_result(sum);
}
