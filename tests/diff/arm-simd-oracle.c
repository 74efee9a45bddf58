/* SPDX-License-Identifier: MIT */
/*
 * Runs on Arm (or an emulator of it): reads instruction words in hexadecimal from standard input
 * and writes the digest of the results of each, for the inputs of tests/unit/arm-simd-cases.h.
 * usage: arm-simd-oracle LENGTH [-v]   LENGTH words are run one after the other; -v: all results
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "tests/unit/arm-simd-cases.h"

struct Regs {
    uint64_t x[8];
    uint64_t v[8][2];
    uint64_t fpcr, fpsr, nzcv;
};
void run_at(struct Regs *regs, void *code);

__asm__(".text\n.global run_at\n"
        "run_at:\n"
        "    stp x29, x30, [sp, #-112]!\n"
        "    stp x19, x20, [sp, #16]\n"
        "    stp d8, d9, [sp, #32]\n"
        "    stp d10, d11, [sp, #48]\n"
        "    stp d12, d13, [sp, #64]\n"
        "    stp d14, d15, [sp, #80]\n"
        "    mov x19, x0\n"
        "    mov x20, x1\n"
        "    ldr x9, [x19, #192]\n"
        "    msr fpcr, x9\n"
        "    ldr x9, [x19, #200]\n"
        "    msr fpsr, x9\n"
        "    ldr x9, [x19, #208]\n"
        "    msr nzcv, x9\n"
        "    add x9, x19, #64\n"
        "    ldp q0, q1, [x9]\n"
        "    ldp q2, q3, [x9, #32]\n"
        "    ldp q4, q5, [x9, #64]\n"
        "    ldp q6, q7, [x9, #96]\n"
        "    .irp base, 8, 16, 24\n"
        "    .irp n, 0, 1, 2, 3, 4, 5, 6, 7\n"
        "    .inst 0x4ea01c00 | \\n << 16 | \\n << 5 | (\\base + \\n)\n" /* mov v(base + n), v(n) */
        "    .endr\n"
        "    .endr\n"
        "    ldp x0, x1, [x19]\n"
        "    ldp x2, x3, [x19, #16]\n"
        "    ldp x4, x5, [x19, #32]\n"
        "    ldp x6, x7, [x19, #48]\n"
        "    blr x20\n"
        "    stp x0, x1, [x19]\n"
        "    stp x2, x3, [x19, #16]\n"
        "    stp x4, x5, [x19, #32]\n"
        "    stp x6, x7, [x19, #48]\n"
        "    add x9, x19, #64\n"
        "    stp q0, q1, [x9]\n"
        "    stp q2, q3, [x9, #32]\n"
        "    stp q4, q5, [x9, #64]\n"
        "    stp q6, q7, [x9, #96]\n"
        "    mrs x9, nzcv\n"
        "    str x9, [x19, #208]\n"
        "    mrs x9, fpsr\n"
        "    str x9, [x19, #200]\n"
        "    msr fpcr, xzr\n"
        "    ldp x19, x20, [sp, #16]\n"
        "    ldp d8, d9, [sp, #32]\n"
        "    ldp d10, d11, [sp, #48]\n"
        "    ldp d12, d13, [sp, #64]\n"
        "    ldp d14, d15, [sp, #80]\n"
        "    ldp x29, x30, [sp], #112\n"
        "    ret\n");

static void *map_at(uintptr_t addr, int prot)
{
    void *p = mmap((void *)addr, 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

    if (p == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    return p;
}

static void run(uint32_t first, int n, uint8_t *mem, SimdResult *out)
{
    SimdCase c;
    struct Regs regs = { .fpsr = 0 };

    simd_case(&c, first, n);
    memcpy(regs.x, c.x, sizeof(c.x));
    memcpy(regs.v, c.v, sizeof(c.v));
    regs.fpcr = c.fpcr;
    regs.nzcv = c.nzcv;
    memcpy(mem, c.mem, sizeof(c.mem));
    run_at(&regs, (void *)SIMD_CODE_ADDR);
    memcpy(out->x, regs.x, sizeof(regs.x));
    memcpy(out->v, regs.v, sizeof(regs.v));
    memcpy(out->mem, mem, sizeof(out->mem));
    out->fpsr = regs.fpsr;
    out->nzcv = regs.nzcv;
}

static void print(int n, const SimdResult *r)
{
    printf("%2d fpsr %08x nzcv %x", n, r->fpsr, r->nzcv >> 28);
    for (int i = 0; i < 8; i++) {
        printf(" x%d %016lx v%d %016lx:%016lx", i, (long)r->x[i], i, (long)r->v[i][1],
               (long)r->v[i][0]);
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    uint32_t *code = map_at(SIMD_CODE_ADDR, PROT_READ | PROT_WRITE | PROT_EXEC);
    uint8_t *mem = map_at(SIMD_MEM_ADDR, PROT_READ | PROT_WRITE);
    int length = argc > 1 ? atoi(argv[1]) : 1, have = 0;

    while (length > 0 && length < 1000 && scanf("%x", &code[have]) == 1) {
        uint32_t digest = SIMD_DIGEST_START;

        if (++have < length) {
            continue;
        }
        have = 0;
        code[length] = 0xd65f03c0; /* ret */
        __builtin___clear_cache((char *)code, (char *)(code + length + 1));
        for (int n = 0; n < (length > 1 ? SIMD_SEQUENCE_CASES : SIMD_CASES); n++) {
            SimdResult r;

            run(code[0], n, mem, &r);
            digest = simd_digest(digest, &r);
            if (argc > 2) {
                print(n, &r);
            }
        }
        printf("%08x\n", digest);
    }
    return 0;
}
