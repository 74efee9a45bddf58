/* SPDX-License-Identifier: MIT */
/* A hash table with open addressing: multiplies, masks, random loads. */
#include "bench.h"

enum { SIZE = 1 << 16 };

int main(int argc, char **argv)
{
    static uint64_t key[SIZE], value[SIZE];
    uint64_t seed = 3, hits = 0;
    for (long n = bench_count(argc, argv, 60000000); n > 0; n--) {
        uint64_t k = bench_random(&seed) % 40000 + 1;
        uint32_t slot = k * 0x9e3779b97f4a7c15 >> 48;
        while (key[slot] && key[slot] != k) {
            slot = (slot + 1) % SIZE;
        }
        key[slot] = k;
        hits += value[slot]++;
    }
    return bench_result(hits);
}
