/* SPDX-License-Identifier: MIT */
/* Schoolbook multiplication of big numbers: 64x64 to 128 bits, carries. */
#include "bench.h"

enum { WORDS = 256 };

int main(int argc, char **argv)
{
    static uint64_t a[WORDS], b[WORDS], r[2 * WORDS];
    uint64_t seed = 5, sum = 0;
    for (int i = 0; i < WORDS; i++) {
        a[i] = bench_random(&seed);
        b[i] = bench_random(&seed);
    }
    for (long n = bench_count(argc, argv, 6000); n > 0; n--) {
        memset(r, 0, sizeof r);
        for (int i = 0; i < WORDS; i++) {
            uint64_t carry = 0;
            for (int j = 0; j < WORDS; j++) {
                unsigned __int128 t = (unsigned __int128)a[i] * b[j] + r[i + j] + carry;
                r[i + j] = t;
                carry = t >> 64;
            }
            r[i + WORDS] = carry;
        }
        a[n % WORDS] ^= r[WORDS];
        sum += r[2 * WORDS - 1];
    }
    return bench_result(sum);
}
