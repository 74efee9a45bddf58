/* SPDX-License-Identifier: MIT */
/* A product of float matrices whose inner loop the compiler vectorises. */
#include "bench.h"

int main(int argc, char **argv)
{
    enum { N = 512 };
    static float a[N][N], b[N][N], c[N][N];
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            a[i][j] = (float)((i * 3 + j) % 11);
            b[i][j] = (float)((i + j * 5) % 13);
        }
    }
    for (long n = bench_count(argc, argv, 8); n > 0; n--) {
        for (int i = 0; i < N; i++) {
            for (int k = 0; k < N; k++) {
                for (int j = 0; j < N; j++) {
                    c[i][j] += a[i][k] * b[k][j];
                }
            }
        }
    }
    return bench_result_double((double)c[17][23] + (double)c[N - 1][N - 1]);
}
