/* SPDX-License-Identifier: MIT */
/* Conversions between integers and floats of both sizes, and rounding. */
#include "bench.h"

int main(int argc, char **argv)
{
    uint64_t seed = 41, sum = 0;
    for (long n = bench_count(argc, argv, 30000000); n > 0; n--) {
        uint64_t r = bench_random(&seed);
        double d = (double)(int64_t)r / 1e6;
        float f = (float)(uint32_t)r / 3;
        sum += (int64_t)d + (uint32_t)f + (int32_t)(float)(d / 1e6) % 7;
        sum ^= (uint64_t)(d < 0 ? -d : d);
    }
    return bench_result(sum);
}
