/* SPDX-License-Identifier: MIT */
/*
 * Prints what an Arm processor, or what stands in for one, computes, for test-fpu-arm. To record
 * again:
 *
 *   aarch64-linux-gnu-gcc -O2 -static -march=armv8.6-a+fp16+fp16fml+bf16 -Itests/unit \
 *       -o fpu-arm-record tests/unit/data/fpu-arm-record.c
 *   fpu-arm-record > tests/unit/data/fpu-arm.txt
 *
 * With arguments, `fpu-arm-record CASES [OP]`, it prints the cases one by one instead, for
 * FPU_ARM_CASES (see the test).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fpu-arm-cases.h"

typedef struct ArmOp {
    const char *name, *kinds;
    uint64_t (*run)(const uint64_t v[3], uint64_t fpcr, uint64_t *fpsr);
} ArmOp;

#define OP(id, kinds, code, expr)                                                \
    static uint64_t run_##id(const uint64_t v[3], uint64_t fpcr, uint64_t *fpsr) \
    {                                                                            \
        uint64_t r;                                                              \
        __asm__ volatile("msr fpsr, xzr\n\t"                                     \
                         "msr fpcr, %5\n\t"                                      \
                         "fmov d0, %2\n\t"                                       \
                         "fmov d1, %3\n\t"                                       \
                         "fmov d2, %4\n\t" code "\n\t"                           \
                         "fmov %0, d0\n\t"                                       \
                         "mrs %1, fpsr\n\t"                                      \
                         "msr fpcr, xzr"                                         \
                         : "=&r"(r), "=&r"(*fpsr)                                \
                         : "r"(v[0]), "r"(v[1]), "r"(v[2]), "r"(fpcr)            \
                         : "v0", "v1", "v2", "x9", "x10", "cc", "memory");       \
        return r;                                                                \
    }
#include "fpu-arm-ops.h.inc"
#undef OP

static const ArmOp ops[] = {
#define OP(id, kinds, code, expr) { #id, kinds, run_##id },
#include "fpu-arm-ops.h.inc"
#undef OP
};

static void print_cases(const ArmOp *op, int config, int count)
{
    Random r = { .state = config };
    uint64_t v[3], fpsr, result;

    for (int i = 0; i < count; i++) {
        arm_operands(&r, op->kinds, v);
        result = op->run(v, arm_fpcr(config), &fpsr);
        printf("%s %08" PRIx32 " %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64 " %02x\n", op->name,
               arm_fpcr(config), v[0], v[1], v[2], result, (unsigned)fpsr & FPSR_FLAGS);
    }
}

static void print_hash(const ArmOp *op, int config)
{
    Random r = { .state = config };
    uint64_t v[3], fpsr, result;
    uint32_t hash = 0;

    for (int i = 0; i < ARM_CASES; i++) {
        arm_operands(&r, op->kinds, v);
        result = op->run(v, arm_fpcr(config), &fpsr);
        hash = arm_hash(hash, result, (uint32_t)fpsr & FPSR_FLAGS);
    }
    printf(" %08" PRIx32, hash);
}

int main(int argc, char **argv)
{
    for (const ArmOp *op = ops; op < ops + sizeof(ops) / sizeof(ops[0]); op++) {
        if (argc > 2 && strcmp(argv[2], op->name) != 0) {
            continue;
        }
        if (argc < 2) {
            printf("%s", op->name);
        }
        for (int config = 0; config < ARM_CONFIGS; config++) {
            if (argc < 2) {
                print_hash(op, config);
            } else {
                print_cases(op, config, atoi(argv[1]));
            }
        }
        if (argc < 2) {
            printf("\n");
        }
    }
    return 0;
}
