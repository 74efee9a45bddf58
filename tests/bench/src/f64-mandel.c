/* SPDX-License-Identifier: MIT */
/* A Mandelbrot set: short chains of multiply and add, compares and branches. */
#include "bench.h"

int main(int argc, char **argv)
{
    long size = bench_count(argc, argv, 900), inside = 0;
    for (long py = 0; py < size; py++) {
        for (long px = 0; px < size; px++) {
            double cx = 3.0 * px / size - 2, cy = 2.0 * py / size - 1, x = 0, y = 0;
            int k = 0;
            while (k < 200 && x * x + y * y < 4) {
                double t = x * x - y * y + cx;
                y = 2 * x * y + cy;
                x = t;
                k++;
            }
            inside += k;
        }
    }
    return bench_result(inside);
}
