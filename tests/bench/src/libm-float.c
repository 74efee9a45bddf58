/* SPDX-License-Identifier: MIT */
/* sinf, expf, logf, powf and floorf of the C library. */
#include "bench.h"

int main(int argc, char **argv)
{
    double sum = 0;
    for (long n = bench_count(argc, argv, 8000000); n > 0; n--) {
        float x = (float)(n % 10007) / 1000 + .1f;
        sum += (double)(sinf(x) + expf(-x) + logf(x) + powf(x, .3f) + floorf(x));
    }
    return bench_result(llround(sum));
}
