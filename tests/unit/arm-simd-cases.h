/* SPDX-License-Identifier: MIT */
/*
 * Inputs for one A64 floating-point, SIMD or crypto instruction and a digest of what it makes of
 * them. tests/diff/arm-simd-oracle.c records digests on another implementation, test-arm-simd.c
 * compares with them; both make the same inputs from the instruction word and a number.
 * Instructions use X0…X7 and V0…V7 only (and what follows V7 in structures).
 */
#ifndef ARM_SIMD_CASES_H
#define ARM_SIMD_CASES_H

#include <stdint.h>
#include <string.h>

enum {
    SIMD_CASES = 32,         /* inputs for each instruction */
    SIMD_SEQUENCE = 16,      /* instructions of a sequence; its inputs are those of the first */
    SIMD_SEQUENCE_CASES = 4, /* so many of them */
    SIMD_MEM_SIZE = 128,
};
/* Where code and data are put, by both sides, so that addresses are the same. */
#define SIMD_CODE_ADDR 0x30000000ul
#define SIMD_MEM_ADDR  0x30010000ul

typedef struct SimdCase {
    uint64_t x[8];
    uint64_t v[8][2]; /* V8…V31 are copies: V(n) = V(n & 7) */
    uint32_t fpcr, nzcv;
    uint8_t mem[SIMD_MEM_SIZE];
} SimdCase;

typedef struct SimdResult {
    uint64_t x[8];
    uint64_t v[8][2];
    uint32_t fpsr, nzcv;
    uint8_t mem[SIMD_MEM_SIZE];
} SimdResult;

static inline uint64_t simd_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * 0x2545f4914f6cdd1d;
}

/* Integers and floats at the edges, of 8 << size bits. */
static inline uint64_t simd_edge(unsigned size, unsigned n)
{
    static const uint64_t edges[4][28] = {
        { 0, 1, 0x7f, 0x80, 0x81, 0xff, 0x40, 8,  7,  0xf8, 16,   15,   0x55, 0xfe,
          2, 3, 9,    31,   32,   33,   47,   48, 63, 64,   0xf0, 0x11, 0x99, 5 },
        { 0,      1,      0x7fff, 0x8000, 0xffff, 0x3c00, 0xbc00, 0x7c00, 0xfc00, 0x7e00,
          0x7d00, 0xfe01, 0x8001, 0x83ff, 0x0400, 0x7bff, 0x4000, 0x4248, 0x3800, 0xb800,
          0x3555, 0xfd01, 0x00ff, 0x0200, 0x5640, 0x4900, 16,     0xfff0 },
        { 0,          1,          0x7fffffff, 0x80000000, 0xffffffff, 0x3f800000, 0xbf800000,
          0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0xffc00001, 0xff900000, 0x80000001,
          0x807fffff, 0x00800000, 0x7f7fffff, 0x40490fdb, 0x4f000000, 0xcf000000, 0x4f800000,
          0x5f000000, 0x3f000000, 0x33000000, 0x477fe000, 0x387fffff, 32,         0xffffffe0 },
        { 0,
          1,
          0x7fffffffffffffff,
          0x8000000000000000,
          0xffffffffffffffff,
          0x3ff0000000000000,
          0xbff0000000000000,
          0x7ff0000000000000,
          0xfff0000000000000,
          0x7ff8000000000000,
          0x7ff0000000000001,
          0xfff8000000000001,
          0xfff4000000000000,
          0x8000000000000001,
          0x0010000000000000,
          0x7fefffffffffffff,
          0x400921fb54442d18,
          0x41dfffffffc00000,
          0xc1e0000000000000,
          0x41f0000000000000,
          0x43e0000000000000,
          0x43f0000000000000,
          0x3fe0000000000000,
          0x36a0000000000000,
          0x47efffffe0000000,
          0x380fffffe0000000,
          64,
          0xffffffffffffffc0 },
    };
    return edges[size][n % 28];
}

/* A lane: mostly an edge, else a moderate float or anything. */
static inline uint64_t simd_lane(uint64_t *state, unsigned size)
{
    static const uint64_t one[4] = { 0, 0x3c00, 0x3f800000, 0x3ff0000000000000 };
    uint64_t r = simd_random(state), any = simd_random(state);

    switch (r & 7) {
    case 0:
        return any;
    case 1:
    case 2:
        return one[size] ^ (any >> (70 - (8 << size)));
    default:
        return simd_edge(size, r >> 8 & 0xffff);
    }
}

/* The n-th inputs for insn. */
static inline void simd_case(SimdCase *c, uint32_t insn, int n)
{
    uint64_t state = insn * 0x9e3779b97f4a7c15 + n + 1;
    unsigned size = n & 3;

    memset(c, 0, sizeof(*c));
    for (int i = 0; i < 8; i++) {
        c->x[i] = simd_lane(&state, size < 2 ? 3 : size);
        for (int k = 0; k < 16 >> size; k++) {
            uint64_t lane = simd_lane(&state, size);
            memcpy((uint8_t *)c->v[i] + (k << size), &lane, 1 << size);
        }
    }
    for (int i = 0; i < SIMD_MEM_SIZE; i++) {
        c->mem[i] = simd_random(&state);
    }
    if ((insn >> 25 & 5) == 4) { /* loads and stores */
        c->x[insn >> 5 & 7] = SIMD_MEM_ADDR + (n & 31);
    }
    c->nzcv = (uint32_t)simd_random(&state) & 0xf0000000;
    if (n >= 16) { /* RMode; FZ16, FZ, DN, AHP */
        c->fpcr = (n & 3) << 22;
    }
    if (n >= 20) {
        c->fpcr |= simd_random(&state) & (1 << 19 | 1 << 24 | 1 << 25 | 1 << 26);
    }
    if ((insn & 0xfffffc00) == 0x1e7e0000) { /* FJCVTZS: the oracle's Z is wrong with FZ */
        c->fpcr &= ~(1 << 24);
    }
}

static inline uint32_t simd_digest(uint32_t digest, const SimdResult *r)
{
    const uint8_t *p = (const uint8_t *)r;

    for (size_t i = 0; i < sizeof(*r); i++) { /* FNV-1a */
        digest = (digest ^ p[i]) * 16777619;
    }
    return digest;
}
#define SIMD_DIGEST_START 2166136261u

#endif
