/* SPDX-License-Identifier: MIT */
/* A product of double matrices, the textbook's three loops, scalar. */
#include "bench.h"

int main(int argc, char **argv)
{
    enum { N = 400 };
    static double a[N][N], b[N][N], c[N][N];
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            a[i][j] = (i * 3 + j) % 11;
            b[i][j] = (i + j * 5) % 13;
        }
    }
    for (long n = bench_count(argc, argv, 5); n > 0; n--) {
        for (int i = 0; i < N; i++) {
            for (int j = 0; j < N; j++) {
                double sum = c[i][j] / 2;
                for (int k = 0; k < N; k++) {
                    sum += a[i][k] * b[k][j];
                }
                c[i][j] = sum;
            }
        }
    }
    return bench_result_double(c[17][23] + c[N - 1][N - 1]);
}
