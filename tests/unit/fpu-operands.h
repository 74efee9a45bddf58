/* SPDX-License-Identifier: MIT */
/*
 * Operands for the tests of fpu/: random, but leaning to where arithmetic goes wrong: the edges of
 * the exponent range, fractions that are runs of ones or zeros, operands near each other.
 * A generator is deterministic: the recorder of fpu-arm.txt and its test make the same operands.
 */
#ifndef TESTS_FPU_OPERANDS_H
#define TESTS_FPU_OPERANDS_H

#include <stdint.h>

typedef struct Random {
    uint64_t state; /* any value */
} Random;

static inline uint64_t random_next(Random *r) /* splitmix64 */
{
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static inline uint64_t random_below(Random *r, uint64_t n)
{
    return random_next(r) % n;
}

static inline uint64_t low_bits(int n) /* 0 <= n < 64 */
{
    return (UINT64_C(1) << n) - 1;
}

/* A fraction of `bits` bits: anything, a run of ones, its complement, few bits set */
static inline uint64_t random_fraction(Random *r, int bits)
{
    uint64_t run = low_bits(random_below(r, bits + 1)) ^ low_bits(random_below(r, bits + 1));

    switch (random_below(r, 6)) {
    case 0:
        return 0;
    case 1:
        return run;
    case 2:
        return run ^ low_bits(bits);
    case 3:
        return run ^ (UINT64_C(1) << random_below(r, bits));
    case 4:
        return low_bits(bits) - random_below(r, 4);
    default:
        return random_next(r) & low_bits(bits);
    }
}

static inline uint64_t random_exponent(Random *r, int bits, int frac_bits, uint64_t near)
{
    uint64_t max = low_bits(bits), bias = max >> 1;

    switch (random_below(r, 8)) {
    case 0:
        return random_below(r, 3);
    case 1:
        return max - random_below(r, 3);
    case 2:
        return bias - 2 + random_below(r, frac_bits < 4 ? 4 : frac_bits + 4);
    case 3:
        return bias - 2 + random_below(r, 5);
    case 4:
    case 5:
        return (near + random_below(r, 5) - 2) & max;
    case 6:
        return (near + random_below(r, 2 * frac_bits) - frac_bits) & max;
    default:
        return random_below(r, max + 1);
    }
}

/* One operand; pass the operand before it as `other`, to make something close to it now and then.
 */
static inline uint64_t random_operand(Random *r, int exp_bits, int frac_bits, uint64_t other)
{
    uint64_t near = other >> frac_bits & low_bits(exp_bits);
    uint64_t sign = random_next(r) >> 63;
    uint64_t v;

    if (random_below(r, 16) == 0) {
        v = (other & low_bits(exp_bits + frac_bits)) + random_below(r, 3) - 1;
        v &= low_bits(exp_bits + frac_bits);
    } else {
        v = random_exponent(r, exp_bits, frac_bits, near) << frac_bits |
            random_fraction(r, frac_bits);
    }
    return v | sign << (exp_bits + frac_bits);
}

/* An integer: of any size, near powers of two, with runs */
static inline uint64_t random_integer(Random *r)
{
    uint64_t v = random_fraction(r, 63) ^ random_next(r) << 63;

    return (int64_t)v >> random_below(r, 64);
}

#endif
