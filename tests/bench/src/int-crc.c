/* SPDX-License-Identifier: MIT */
/* Table-driven CRC-32: byte loads, shifts, a dependent chain. */
#include "bench.h"

int main(int argc, char **argv)
{
    static uint32_t table[256];
    static uint8_t data[65536];
    uint64_t seed = 7;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++) {
            c = c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1;
        }
        table[i] = c;
    }
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = bench_random(&seed);
    }
    uint32_t crc = ~0u;
    for (long n = bench_count(argc, argv, 2000); n > 0; n--) {
        for (size_t i = 0; i < sizeof data; i++) {
            crc = table[(crc ^ data[i]) & 255] ^ crc >> 8;
        }
    }
    return bench_result(crc);
}
