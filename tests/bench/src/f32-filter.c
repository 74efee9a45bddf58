/* SPDX-License-Identifier: MIT */
/* A bank of recursive filters in single precision: dependent multiply-adds. */
#include "bench.h"

int main(int argc, char **argv)
{
    static float in[4096];
    uint64_t seed = 37;
    for (int i = 0; i < 4096; i++) {
        in[i] = (float)(bench_random(&seed) % 2000) / 1000 - 1;
    }
    float sum = 0;
    for (long n = bench_count(argc, argv, 20000); n > 0; n--) {
        float x1 = 0, x2 = 0, y1 = 0, y2 = 0;
        for (int i = 0; i < 4096; i++) {
            float y = .2f * in[i] + .4f * x1 + .2f * x2 + .3f * y1 - .1f * y2;
            x2 = x1;
            x1 = in[i];
            y2 = y1;
            y1 = y;
        }
        sum += y1;
    }
    return bench_result_double((double)sum);
}
