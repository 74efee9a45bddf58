/* SPDX-License-Identifier: MIT */
/* sin, cos, tan and atan2 of the C library. */
#include "bench.h"

int main(int argc, char **argv)
{
    double sum = 0;
    for (long n = bench_count(argc, argv, 3000000); n > 0; n--) {
        double x = (double)(n % 10007) / 100;
        sum += sin(x) * cos(x) + tan(x / 100) + atan2(x, n % 13 + 1);
    }
    return bench_result(llround(sum * 1e3));
}
