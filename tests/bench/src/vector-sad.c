/* SPDX-License-Identifier: MIT */
/* Sums of absolute differences of 16x16 blocks, as video encoders search. */
#include "bench.h"

enum { WIDTH = 320, HEIGHT = 192 };

static uint32_t sad(const uint8_t *a, const uint8_t *b)
{
    uint32_t sum = 0;
    for (int y = 0; y < 16; y++) {
        for (int x = 0; x < 16; x++) {
            sum += abs(a[y * WIDTH + x] - b[y * WIDTH + x]);
        }
    }
    return sum;
}

int main(int argc, char **argv)
{
    static uint8_t a[WIDTH * HEIGHT], b[WIDTH * HEIGHT];
    uint64_t seed = 59, sum = 0;
    for (int i = 0; i < WIDTH * HEIGHT; i++) {
        a[i] = bench_random(&seed);
        b[i] = a[i] + bench_random(&seed) % 9;
    }
    for (long n = bench_count(argc, argv, 500); n > 0; n--) {
        for (int y = 0; y + 17 < HEIGHT; y += 4) {
            for (int x = 0; x + 17 < WIDTH; x += 2) {
                sum += sad(a + y * WIDTH + x, b + (y + 1) * WIDTH + x + n % 2);
            }
        }
    }
    return bench_result(sum);
}
