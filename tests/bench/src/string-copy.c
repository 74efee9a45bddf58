/* SPDX-License-Identifier: MIT */
/* memcpy, memset, memmove and memcmp of 1 to 4096 bytes. */
#include "bench.h"

int main(int argc, char **argv)
{
    static uint8_t a[8192], b[8192];
    uint64_t seed = 23, sum = 0;
    for (long n = bench_count(argc, argv, 3000000); n > 0; n--) {
        uint64_t r = bench_random(&seed);
        size_t size = (r & 4095) >> (r >> 12 & 7), at = r >> 16 & 1023;
        memcpy(a + at, b + (r >> 32 & 1023), size);
        memset(b + at, r >> 40, size / 2 + 1);
        memmove(a + at + 3, a + at, size);
        sum += (memcmp(a, b, size) > 0) + a[at + 5];
    }
    return bench_result(sum);
}
