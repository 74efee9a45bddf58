/* SPDX-License-Identifier: MIT */
/* Minimum, maximum and clamping of 32-bit integers with selects. */
#include "bench.h"

int main(int argc, char **argv)
{
    enum { N = 8192 };
    static int32_t a[N], b[N];
    uint64_t seed = 53, sum = 0;
    for (int i = 0; i < N; i++) {
        a[i] = bench_random(&seed);
        b[i] = bench_random(&seed);
    }
    for (long n = bench_count(argc, argv, 100000); n > 0; n--) {
        int32_t low = INT32_MAX, high = INT32_MIN;
        for (int i = 0; i < N; i++) {
            int32_t x = a[i] > b[i] ? a[i] - 3 : b[i] / 2;
            low = x < low ? x : low;
            high = x > high ? x : high;
            a[i] = x;
        }
        sum += (uint32_t)low ^ (uint32_t)high;
    }
    return bench_result(sum);
}
