/* SPDX-License-Identifier: MIT */
/* Blending of 8-bit pixels: widening multiplies, shifts, narrowing. */
#include "bench.h"

int main(int argc, char **argv)
{
    enum { N = 16384 };
    static uint8_t a[N], b[N], alpha[N];
    uint64_t seed = 43, sum = 0;
    for (int i = 0; i < N; i++) {
        a[i] = bench_random(&seed);
        b[i] = bench_random(&seed);
        alpha[i] = bench_random(&seed);
    }
    for (long n = bench_count(argc, argv, 30000); n > 0; n--) {
        for (int i = 0; i < N; i++) {
            a[i] = (a[i] * alpha[i] + b[i] * (255 - alpha[i]) + 128) >> 8;
        }
        __asm__ volatile("" ::: "memory");
    }
    for (int i = 0; i < N; i++) {
        sum = sum * 31 + a[i];
    }
    return bench_result(sum);
}
