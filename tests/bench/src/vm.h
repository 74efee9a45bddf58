/* SPDX-License-Identifier: MIT */
/* A toy register machine and its program, which counts primes; both interpreters run it. */
#ifndef VM_H
#define VM_H

#include <stdint.h>

typedef enum VmOp { LOADI, ADDI, MUL, MOD, XOR, SHL, JUMP, JZERO, JGREATER, JLESS, HALT } VmOp;

typedef struct VmInsn {
    uint8_t op, a, b, c;
    int32_t imm; /* a number, or the index to jump to */
} VmInsn;

/* r0 candidate, r1 divisor, r5 count, r6 limit (given), r7 checksum (the result) */
static const VmInsn vm_program[] = {
    { LOADI, 0, 0, 0, 2 }, { LOADI, 1, 0, 0, 2 },  { MUL, 2, 1, 1, 0 },  { JGREATER, 2, 0, 0, 8 },
    { MOD, 3, 0, 1, 0 },   { JZERO, 3, 0, 0, 11 }, { ADDI, 1, 1, 0, 1 }, { JUMP, 0, 0, 0, 2 },
    { ADDI, 5, 5, 0, 1 },  { SHL, 4, 7, 0, 1 },    { XOR, 7, 4, 0, 0 },  { ADDI, 0, 0, 0, 1 },
    { JLESS, 0, 6, 0, 1 }, { HALT, 0, 0, 0, 0 },
};

#endif
