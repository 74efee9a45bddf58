/* SPDX-License-Identifier: MIT */
/* Rays against spheres in single precision: dot products, square roots, selects. */
#include "bench.h"

typedef struct Sphere {
    float x, y, z, r;
} Sphere;

int main(int argc, char **argv)
{
    static Sphere s[32];
    uint64_t seed = 31, hits = 0;
    for (int i = 0; i < 32; i++) {
        s[i] = (Sphere){ (float)(bench_random(&seed) % 100) - 50,
                         (float)(bench_random(&seed) % 100) - 50,
                         (float)(bench_random(&seed) % 100) + 20,
                         (float)(bench_random(&seed) % 9) + 1 };
    }
    for (long n = bench_count(argc, argv, 2500000); n > 0; n--) {
        float dx = (float)(n % 1000) / 1000 - .5f, dy = (float)(n / 1000 % 1000) / 1000 - .5f;
        float scale = 1 / sqrtf(dx * dx + dy * dy + 1), best = 1e9f;
        dx *= scale;
        dy *= scale;
        for (int i = 0; i < 32; i++) {
            float b = s[i].x * dx + s[i].y * dy + s[i].z * scale;
            float c = s[i].x * s[i].x + s[i].y * s[i].y + s[i].z * s[i].z - s[i].r * s[i].r;
            float d = b * b - c;
            if (d > 0) {
                float t = b - sqrtf(d);
                best = t < best ? t : best;
            }
        }
        hits += best < 1e9f ? (int)best : 0;
    }
    return bench_result(hits);
}
