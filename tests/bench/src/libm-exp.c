/* SPDX-License-Identifier: MIT */
/* exp, log, pow, sqrt and cbrt of the C library. */
#include "bench.h"

int main(int argc, char **argv)
{
    double sum = 0;
    for (long n = bench_count(argc, argv, 4000000); n > 0; n--) {
        double x = (double)(n % 10007) / 1000 + .1;
        sum += exp(-x) + log(x) + pow(x, .7) + sqrt(x) + cbrt(x);
    }
    return bench_result(llround(sum * 1e3));
}
