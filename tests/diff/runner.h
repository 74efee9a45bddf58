/* SPDX-License-Identifier: MIT */
/* What the two kinds of machine that the runner of random instructions knows have in common. */
#ifndef RUNNER_H
#define RUNNER_H

#include <stdint.h>

#define CODE         ((uint32_t *)0x6000000)
#define SCRATCH      ((uint8_t *)0x20000000)
#define SCRATCH_SIZE 0x40000

typedef struct State {
    uint64_t x[32]; /* x[31] is SP */
    uint64_t v[32][2];
    uint64_t nzcv, fpsr, fpcr;
    uint64_t host_sp;
} State; /* the assembly in machine-native.c knows the offsets */

/* What an instruction did beside the state: 0 or the signal, and the address of a fault. */
typedef struct Outcome {
    int signo;
    uint64_t fault_addr;
} Outcome;

/* CODE and SCRATCH are mapped. */
void machine_init(void);
/* Runs 1..MAX_INSNS instructions at CODE. */
enum { MAX_INSNS = 32 };
Outcome machine_run(State *st, const uint32_t *insns, int n);

#endif
