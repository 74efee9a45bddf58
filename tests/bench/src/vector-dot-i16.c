/* SPDX-License-Identifier: MIT */
/* Dot products of 16-bit samples into 32-bit sums. */
#include "bench.h"

int main(int argc, char **argv)
{
    enum { N = 8192 };
    static int16_t a[N], b[N];
    uint64_t seed = 47, sum = 0;
    for (int i = 0; i < N; i++) {
        a[i] = bench_random(&seed);
        b[i] = bench_random(&seed);
    }
    for (long n = bench_count(argc, argv, 250000); n > 0; n--) {
        uint32_t dot = 0;
        for (int i = 0; i < N; i++) {
            dot += (uint32_t)(a[i] * b[i]);
        }
        sum += dot;
        a[n % N]++;
    }
    return bench_result(sum);
}
