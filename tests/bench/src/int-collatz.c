/* SPDX-License-Identifier: MIT */
/* Collatz lengths: branches on single bits, short dependent loops. */
#include "bench.h"

int main(int argc, char **argv)
{
    long n = bench_count(argc, argv, 1000000);
    uint64_t sum = 0;
    for (long i = 1; i < n; i++) {
        uint64_t x = i;
        while (x != 1) {
            x = x & 1 ? 3 * x + 1 : x / 2;
            sum++;
        }
    }
    return bench_result(sum);
}
