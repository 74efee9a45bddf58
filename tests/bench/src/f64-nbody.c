/* SPDX-License-Identifier: MIT */
/* Planets around a sun: double arithmetic, square roots, divisions. */
#include "bench.h"

typedef struct Body {
    double x, y, z, vx, vy, vz, mass;
} Body;

enum { BODIES = 5 };

static void advance(Body *b, double dt)
{
    for (int i = 0; i < BODIES; i++) {
        for (int j = i + 1; j < BODIES; j++) {
            double dx = b[i].x - b[j].x, dy = b[i].y - b[j].y, dz = b[i].z - b[j].z;
            double d2 = dx * dx + dy * dy + dz * dz, mag = dt / (d2 * sqrt(d2));
            b[i].vx -= dx * b[j].mass * mag;
            b[i].vy -= dy * b[j].mass * mag;
            b[i].vz -= dz * b[j].mass * mag;
            b[j].vx += dx * b[i].mass * mag;
            b[j].vy += dy * b[i].mass * mag;
            b[j].vz += dz * b[i].mass * mag;
        }
    }
    for (int i = 0; i < BODIES; i++) {
        b[i].x += dt * b[i].vx;
        b[i].y += dt * b[i].vy;
        b[i].z += dt * b[i].vz;
    }
}

int main(int argc, char **argv)
{
    Body body[BODIES] = {
        { 0, 0, 0, 0, 0, 0, 40 },
        { 4.8, -1.2, -.1, .6, 2.8, 0, .04 },
        { 8.3, 4.1, -.4, -1, 1.8, 0, .01 },
        { 12.9, -15.1, -.2, 1.1, .9, 0, .002 },
        { 15.4, -25.9, .2, 1, .6, 0, .002 },
    };
    for (long n = bench_count(argc, argv, 3000000); n > 0; n--) {
        advance(body, 0.001);
    }
    return bench_result_double(body[1].x + body[2].y);
}
