/* SPDX-License-Identifier: MIT */
/*
 * Runs each instruction of a list (insn-*.S) on many inputs, extreme ones and random ones, and
 * prints a digest of what it did to registers, flags, FPSR and memory. NAME.out holds the
 * right digests. With an instruction as argument, it prints every input and output instead:
 * run that on two emulators and compare.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "insn-kind.h"

typedef struct State {
    uint64_t v[4][2];
    uint64_t x[7]; /* x[0] is not used */
    uint64_t nzcv;
    uint64_t fpcr, fpsr;
} State;

typedef struct Insn {
    const char *text;
    void (*code)(void);
} Insn;

extern const Insn insn_begin[], insn_end[];
extern const uint32_t insn_kind;

void run_insn(State *state, void (*code)(void));

__asm__(".globl run_insn\n"
        "run_insn: stp x29, x30, [sp, #-32]!\n"
        "    str x19, [sp, #16]\n"
        "    mov x19, x0\n"
        "    mov x7, x1\n"
        "    ldp q0, q1, [x19]\n"
        "    ldp q2, q3, [x19, #32]\n"
        "    ldr x8, [x19, #128]\n"
        "    msr fpcr, x8\n"
        "    ldr x8, [x19, #136]\n"
        "    msr fpsr, x8\n"
        "    ldr x8, [x19, #120]\n"
        "    msr nzcv, x8\n"
        "    ldp x1, x2, [x19, #72]\n"
        "    ldp x3, x4, [x19, #88]\n"
        "    ldp x5, x6, [x19, #104]\n"
        "    blr x7\n"
        "    stp x1, x2, [x19, #72]\n"
        "    stp x3, x4, [x19, #88]\n"
        "    stp x5, x6, [x19, #104]\n"
        "    mrs x8, nzcv\n"
        "    str x8, [x19, #120]\n"
        "    mrs x8, fpsr\n"
        "    str x8, [x19, #136]\n"
        "    msr fpcr, xzr\n"
        "    stp q0, q1, [x19]\n"
        "    stp q2, q3, [x19, #32]\n"
        "    ldr x19, [sp, #16]\n"
        "    ldp x29, x30, [sp], #32\n"
        "    ret\n");

static uint64_t seed;

static uint64_t random64(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * 0x2545f4914f6cdd1d;
}

static const uint64_t integers[] = {
    0,
    1,
    2,
    63,
    64,
    255,
    0x7fff,
    0x8000,
    0x7fffffff,
    0x80000000,
    0xffffffff,
    0x100000000,
    0x7fffffffffffffff,
    0x8000000000000000,
    0xffffffffffffffff,
    0x8000000080000000,
    0x7f807f007fff80ff,
    0x0102040810204080,
};

/* Zero, the least and the largest denormal, the least normal, 1, 1.5, 3, integer limits, the
   largest, infinity, quiet and signalling NaNs; each is used with both signs. */
static const uint16_t halves[] = {
    0,      1,      0x3ff,  0x400,  0x3c00, 0x3e00, 0x4200, 0x77ff, 0x7800,
    0x7bff, 0x7c00, 0x7e00, 0x7e12, 0x7c01, 0x7d34, 0x3800, 0x3801, 0x5640,
};
static const uint32_t singles[] = {
    0,          1,          0x7fffff,   0x800000,   0x3f800000, 0x3fc00000, 0x40400000,
    0x4effffff, 0x4f000000, 0x4f800000, 0x5effffff, 0x5f000000, 0x5f800000, 0x7f7fffff,
    0x7f800000, 0x7fc00000, 0x7fc12345, 0x7f800001, 0x7fa54321, 0x3f000000, 0x3f000001,
    0x3effffff, 0x33800000, 0x387fc000, 0x477ff000, 0x41200000,
};
static const uint64_t doubles[] = {
    0,
    1,
    0xfffffffffffff,
    0x10000000000000,
    0x3ff0000000000000,
    0x3ff8000000000000,
    0x4008000000000000,
    0x41dfffffffc00000,
    0x41e0000000000000,
    0x41efffffffe00000,
    0x43dfffffffffffff,
    0x43e0000000000000,
    0x43f0000000000000,
    0x7fefffffffffffff,
    0x7ff0000000000000,
    0x7ff8000000000000,
    0x7ff8123456789abc,
    0x7ff0000000000001,
    0x7ff4321000000000,
    0x3fe0000000000000,
    0x3fe0000000000001,
    0x380fffffe0000000,
    0x36a0000000000000,
    0x47efffffe0000000,
    0x40ea000000000000,
};

#define PICK(array) (array)[random64() % (sizeof(array) / sizeof *(array))]

static void fill_floats(uint64_t *v)
{
    unsigned width = 16 << random64() % 3;
    for (unsigned bit = 0; bit < 128; bit += width) {
        uint64_t r = random64(), lane = random64();
        if (r % 4 == 0) {
            /* A random significand with an exponent near one, so that sums and products meet. */
            lane = width == 64   ? (lane & 0x800fffffffffffff) | (0x3f8 + (r >> 8) % 16) << 52
                   : width == 32 ? (lane & 0x807fffff) | (0x78 + (r >> 8) % 16) << 23
                                 : (lane & 0x83ff) | (10 + (r >> 8) % 12) << 10;
        } else if (r % 4 != 1) {
            lane = width == 64 ? PICK(doubles) : width == 32 ? PICK(singles) : PICK(halves);
            lane |= (r >> 8 & 1) << (width - 1);
        }
        if (width < 64) {
            lane &= (1ull << width) - 1;
        }
        v[bit / 64] |= lane << bit % 64;
    }
}

static uint64_t integer(void)
{
    uint64_t r = random64();
    return r % 2 ? random64() : r % 4 ? PICK(integers) : random64() >> (r >> 8) % 64;
}

/* FPCR: rounding mode in bits 22-23, FZ 24, DN 25, FZ16 19. */
static const uint32_t fpcr_modes[] = {
    0, 0x400000, 0x800000, 0xc00000, 0x1000000, 0x2000000, 0x3080000, 0x1880000,
};

static uint64_t buffer[64] __attribute__((aligned(64)));

static void make_input(State *s, int round)
{
    memset(s, 0, sizeof *s);
    for (int i = 0; i < 4; i++) {
        if (insn_kind == KIND_FLOAT) {
            fill_floats(s->v[i]);
        } else {
            s->v[i][0] = integer();
            s->v[i][1] = integer();
        }
    }
    for (int i = 1; i < 7; i++) {
        s->x[i] = integer();
    }
    s->nzcv = (random64() & 15) << 28;
    if (insn_kind == KIND_FLOAT) {
        s->fpcr = fpcr_modes[round % 8];
    } else if (insn_kind == KIND_MEMORY) {
        for (int i = 0; i < 64; i++) {
            buffer[i] = random64();
        }
        s->x[3] = random64() % 16 - 8;
        s->x[4] = (uintptr_t)&buffer[32];
        s->x[5] = random64() << 32 | random64() % 8;
        s->x[6] = random64() << 32 | (uint32_t)(random64() % 16 - 8);
    }
}

static uint64_t digest(uint64_t hash, const void *data, size_t size)
{
    for (const uint8_t *p = data; size; size--) {
        hash = (hash ^ *p++) * 0x100000001b3;
    }
    return hash;
}

static void show(const char *what, const State *s)
{
    printf("%s", what);
    for (int i = 0; i < 4; i++) {
        printf(" v%d=%016llx_%016llx", i, (unsigned long long)s->v[i][1],
               (unsigned long long)s->v[i][0]);
    }
    for (int i = 1; i < 7; i++) {
        printf(" x%d=%llx", i, (unsigned long long)s->x[i]);
    }
    printf(" nzcv=%x fpcr=%x fpsr=%x\n", (unsigned)(s->nzcv >> 28), (unsigned)s->fpcr,
           (unsigned)s->fpsr);
}

static sigjmp_buf undefined;

static void on_undefined(int signal)
{
    siglongjmp(undefined, signal);
}

/* Runs INSN on every input and prints its digest. */
static void test_insn(const Insn *insn, bool verbose)
{
    uint64_t hash = 0xcbf29ce484222325;
    seed = 88172645463325252;
    for (int round = 0; round < 160; round++) {
        State s;
        make_input(&s, round);
        if (verbose) {
            show("in ", &s);
        }
        run_insn(&s, insn->code);
        if (insn_kind == KIND_MEMORY) {
            s.x[4] -= (uintptr_t)buffer;
            hash = digest(hash, buffer, sizeof buffer);
        }
        if (verbose) {
            show("out", &s);
        }
        hash = digest(hash, &s, sizeof s);
    }
    printf("%-48s %016llx\n", insn->text, (unsigned long long)hash);
}

int main(int argc, char **argv)
{
    signal(SIGILL, on_undefined);
    for (const Insn *volatile insn = insn_begin; insn < insn_end; insn++) {
        if (argc > 1 && strncmp(insn->text, argv[1], strlen(argv[1])) != 0) {
            continue;
        }
        if (sigsetjmp(undefined, 1) == 0) {
            test_insn(insn, argc > 1);
        } else {
            printf("%-48s SIGILL\n", insn->text);
        }
    }
    return 0;
}
