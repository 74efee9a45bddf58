/* SPDX-License-Identifier: MIT */
/* What the two kinds of machine that the runner of random instructions knows have in common. */
#ifndef RUNNER_H
#define RUNNER_H

#include <stdint.h>

#define CODE         ((uint32_t *)0x6000000)
#define CODE_SIZE    8192
#define SLOT         (CODE + 1024) /* where the instructions stand, in a page of their own */
#define LITERALS     34            /* words from SLOT to where literals begin; generate.py knows */
#define SCRATCH      ((uint8_t *)0x20000000)
#define SCRATCH_SIZE 0x40000

typedef struct State {
    uint64_t x[32]; /* x[31] is SP */
    uint64_t v[32][2];
    uint64_t nzcv, fpsr, fpcr;
    uint64_t host_sp;
} State; /* the assembly in machine-native.c knows the offsets */

/*
 * What the instructions did beside the state: how many signals they raised, the last one, and a
 * hash of each one's number, place and faulting address. A run goes on behind an instruction that
 * raises one.
 */
typedef struct Outcome {
    int nb, signo;
    uint64_t hash;
} Outcome;

static inline void outcome_add(Outcome *out, int signo, uint64_t pc, uint64_t addr)
{
    out->nb++;
    out->signo = signo;
    out->hash = (out->hash ^ (uint64_t)signo ^ pc << 8 ^ addr << 20) * 0x9e3779b97f4a7c15;
}

/* CODE and SCRATCH are mapped. */
void machine_init(void);
/* Runs 1..MAX_INSNS instructions at SLOT. */
enum { MAX_INSNS = 32 };
Outcome machine_run(State *st, const uint32_t *insns, int n);

#endif
