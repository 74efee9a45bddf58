/* SPDX-License-Identifier: MIT */
/*
 * What the recorder of fpu-arm.txt and the test that reads it share: the values of FPCR, and for
 * each of them and each operation of fpu-arm-ops.h.inc a sequence of operands.
 */
#ifndef TESTS_FPU_ARM_CASES_H
#define TESTS_FPU_ARM_CASES_H

#include "fpu-operands.h"

enum {
    FPCR_FZ16 = 1 << 19,
    FPCR_RMODE_SHIFT = 22,
    FPCR_FZ = 1 << 24,
    FPCR_DN = 1 << 25,
    FPCR_AHP = 1 << 26,
    FPSR_FLAGS = 0x9f,
    ARM_CONFIGS = 24,
    ARM_CASES = 2000, /* of each operation in each configuration, in one hash */
};

static inline uint32_t arm_fpcr(int config)
{
    static const uint32_t modes[ARM_CONFIGS / 4] = {
        0, FPCR_DN, FPCR_FZ, FPCR_FZ16, FPCR_AHP, FPCR_AHP | FPCR_DN | FPCR_FZ | FPCR_FZ16,
    };

    return modes[config / 4] | (uint32_t)(config % 4) << FPCR_RMODE_SHIFT;
}

static inline uint64_t arm_operand(Random *r, char kind, uint64_t other)
{
    uint64_t v = 0;

    switch (kind) {
    case 'h':
        return random_operand(r, 5, 10, other);
    case 's':
        return random_operand(r, 8, 23, other);
    case 'd':
        return random_operand(r, 11, 52, other);
    case 'n':
        v = random_operand(r, 11, 52, other);
        return v << 1 == 0 || v << 1 >> 53 ? v : v | UINT64_C(1) << 52;
    case 'b':
    case 'q':
        for (int shift = 0; shift < (kind == 'b' ? 32 : 64); shift += 16) {
            v |= random_operand(r, 8, 7, other >> shift) << shift;
        }
        return v;
    default:
        return random_integer(r);
    }
}

static inline void arm_operands(Random *r, const char *kinds, uint64_t v[3])
{
    v[0] = v[1] = v[2] = 0;
    for (int i = 0; kinds[i]; i++) {
        v[i] = arm_operand(r, kinds[i], i ? v[i - 1] : random_next(r));
    }
}

static inline uint32_t arm_hash(uint32_t hash, uint64_t result, uint32_t fpsr)
{
    uint64_t h = (result ^ (uint64_t)fpsr << 56 ^ hash) * UINT64_C(0x9e3779b97f4a7c15);

    return (uint32_t)(h >> 32 ^ h);
}

#endif
