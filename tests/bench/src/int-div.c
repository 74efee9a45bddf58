/* SPDX-License-Identifier: MIT */
/* Division and remainder, signed and unsigned, 32 and 64 bits. */
#include "bench.h"

int main(int argc, char **argv)
{
    uint64_t seed = 9, sum = 0;
    for (long n = bench_count(argc, argv, 24000000); n > 0; n--) {
        uint64_t a = bench_random(&seed), b = (a >> 40) + 1;
        sum += a / b + a % b;
        sum += (int32_t)a / (int32_t)b;
        sum ^= (int64_t)a % (int64_t)(b + 3);
    }
    return bench_result(sum);
}
