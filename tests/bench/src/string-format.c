/* SPDX-License-Identifier: MIT */
/* snprintf and strtod: the C library's formatting. */
#include "bench.h"

int main(int argc, char **argv)
{
    uint64_t seed = 29, sum = 0;
    char line[128];
    for (long n = bench_count(argc, argv, 300000); n > 0; n--) {
        uint64_t r = bench_random(&seed);
        snprintf(line, sizeof line, "%u %s %#x %.6f", (unsigned)(r >> 40), "word", (unsigned)r,
                 (double)(r >> 32) / 1e5);
        sum += strlen(line) + (uint64_t)(strtod(strrchr(line, ' '), NULL) * 10);
        sum += strtoul(line, NULL, 10);
    }
    return bench_result(sum);
}
