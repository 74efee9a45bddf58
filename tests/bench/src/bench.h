/* SPDX-License-Identifier: MIT */
/* What the benchmark programs share: a work count, random numbers, a checksum line. */
#ifndef BENCH_H
#define BENCH_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The default amount of work, or argv[1] percent of it. */
static inline long bench_count(int argc, char **argv, long count)
{
    return argc > 1 ? count * atol(argv[1]) / 100 : count;
}

/* xorshift64: the same numbers on every machine. */
static inline uint64_t bench_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* The runner compares this line between the native and the emulated run. */
static inline int bench_result(uint64_t sum)
{
    printf("%016llx\n", (unsigned long long)sum);
    return 0;
}

static inline int bench_result_double(double sum)
{
    printf("%.9e\n", sum);
    return 0;
}

#endif
