/* SPDX-License-Identifier: MIT */
/* Calls through function pointers chosen by data, as C++ virtual calls are. */
#include "bench.h"

typedef struct Shape {
    uint64_t (*area)(const struct Shape *);
    uint64_t a, b;
} Shape;

static uint64_t square(const Shape *s)
{
    return s->a * s->a;
}
static uint64_t box(const Shape *s)
{
    return s->a * s->b;
}
static uint64_t triangle(const Shape *s)
{
    return s->a * s->b / 2;
}
static uint64_t point(const Shape *s)
{
    return s->a ^ s->b;
}

int main(int argc, char **argv)
{
    static uint64_t (*const kinds[])(const Shape *) = { square, box, triangle, point };
    static Shape shapes[1000];
    uint64_t seed = 13, sum = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t r = bench_random(&seed);
        shapes[i] = (Shape){ kinds[r % 4], r >> 40, r >> 50 };
    }
    for (long n = bench_count(argc, argv, 100000); n > 0; n--) {
        for (int i = 0; i < 1000; i++) {
            sum += shapes[i].area(&shapes[i]);
        }
    }
    return bench_result(sum);
}
