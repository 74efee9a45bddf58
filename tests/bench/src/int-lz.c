/* SPDX-License-Identifier: MIT */
/* A small LZ77 packer and unpacker: byte copies, hashing, bit tests. */
#include "bench.h"

enum { SIZE = 1 << 20 };

static size_t pack(const uint8_t *in, size_t n, uint8_t *out)
{
    static uint32_t head[1 << 14];
    size_t o = 0;
    memset(head, 0, sizeof head);
    for (size_t i = 0; i + 4 < n;) {
        uint32_t h = (in[i] | in[i + 1] << 8 | (uint32_t)in[i + 2] << 16) * 2654435761u >> 18;
        size_t at = head[h], length = 0;
        head[h] = i;
        if (at && i - at < 65536) {
            while (length < 255 && i + length < n && in[at + length] == in[i + length]) {
                length++;
            }
        }
        if (length >= 4) {
            out[o++] = 1;
            out[o++] = length;
            out[o++] = (i - at) & 255;
            out[o++] = (i - at) >> 8;
            i += length;
        } else {
            out[o++] = 0;
            out[o++] = in[i++];
        }
    }
    return o;
}

static size_t unpack(const uint8_t *in, size_t n, uint8_t *out)
{
    size_t o = 0;
    for (size_t i = 0; i < n;) {
        if (in[i] == 0) {
            out[o++] = in[i + 1];
            i += 2;
        } else {
            const uint8_t *from = out + o - (in[i + 2] | in[i + 3] << 8);
            for (int k = in [i + 1]; k > 0; k--) {
                out[o++] = *from++;
            }
            i += 4;
        }
    }
    return o;
}

int main(int argc, char **argv)
{
    static uint8_t text[SIZE], packed[2 * SIZE], again[SIZE];
    uint64_t seed = 11, sum = 0;
    for (size_t i = 0; i < SIZE; i++) {
        uint64_t r = bench_random(&seed);
        text[i] = i > 64 && r % 8 ? text[i - 1 - r / 8 % 2 * 20] : 'a' + r / 16 % 20;
    }
    for (long n = bench_count(argc, argv, 30); n > 0; n--) {
        size_t size = pack(text, SIZE, packed);
        sum = sum * 31 + size + unpack(packed, size, again) + again[n];
    }
    return bench_result(sum);
}
