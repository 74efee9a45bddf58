/* SPDX-License-Identifier: MIT */
/* Power iteration over a matrix computed on the fly: divisions and sums. */
#include "bench.h"

static double element(int i, int j)
{
    return 1.0 / ((i + j) * (i + j + 1) / 2 + i + 1);
}

int main(int argc, char **argv)
{
    enum { N = 1000 };
    static double u[N], v[N];
    for (int i = 0; i < N; i++) {
        u[i] = 1;
    }
    for (long n = bench_count(argc, argv, 180); n > 0; n--) {
        for (int i = 0; i < N; i++) {
            double sum = 0;
            for (int j = 0; j < N; j++) {
                sum += element(i, j) * u[j];
            }
            v[i] = sum;
        }
        for (int i = 0; i < N; i++) {
            u[i] = v[i] / v[0];
        }
    }
    return bench_result_double(u[N / 2]);
}
