/* SPDX-License-Identifier: MIT */
/* a * x + y over arrays of doubles in the cache, then their sum of absolutes. */
#include "bench.h"

int main(int argc, char **argv)
{
    enum { N = 2048 };
    static double x[N], y[N];
    for (int i = 0; i < N; i++) {
        x[i] = i % 7;
        y[i] = i % 5;
    }
    for (long n = bench_count(argc, argv, 250000); n > 0; n--) {
        for (int i = 0; i < N; i++) {
            y[i] = y[i] * .5 + x[i];
        }
        __asm__ volatile("" ::: "memory");
    }
    double sum = 0;
    for (int i = 0; i < N; i++) {
        sum += fabs(y[i]);
    }
    return bench_result_double(sum);
}
