/* SPDX-License-Identifier: MIT */
/* The machine is the one this program runs on: an Arm64, real or emulated. */
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "runner.h"

enum { ALT_STACK_SIZE = 65536 };

static Outcome outcome;

extern const uint32_t blob[], blob_insn[], blob_after[], blob_end[];

/* x0: State *. Runs at CODE; the word at blob_insn becomes a branch to SLOT, which comes back. */
__asm__(
    ".global blob, blob_insn, blob_after, blob_end\n"
    ".balign 16\n"
    "blob:\n"
    "stp x29, x30, [sp, #-176]!\n"
    "stp x19, x20, [sp, #16]\n"
    "stp x21, x22, [sp, #32]\n"
    "stp x23, x24, [sp, #48]\n"
    "stp x25, x26, [sp, #64]\n"
    "stp x27, x28, [sp, #80]\n"
    "stp d8, d9, [sp, #96]\n"
    "stp d10, d11, [sp, #112]\n"
    "stp d12, d13, [sp, #128]\n"
    "stp d14, d15, [sp, #144]\n"
    "mov x26, x0\n"
    "mov x1, sp\n"
    "str x1, [x26, #792]\n"
    "ldr x1, [x26, #784]\n"
    "msr fpcr, x1\n"
    "ldr x1, [x26, #776]\n"
    "msr fpsr, x1\n"
    "ldr x1, [x26, #768]\n"
    "msr nzcv, x1\n"
    "ldr x1, [x26, #248]\n"
    "mov sp, x1\n"
    ".irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
    "ldr q\\r, [x26, #(256 + 16 * \\r)]\n"
    ".endr\n"
    "ldp x0, x1, [x26, #0]\n"
    "ldp x2, x3, [x26, #16]\n"
    "ldp x4, x5, [x26, #32]\n"
    "ldp x6, x7, [x26, #48]\n"
    "ldp x8, x9, [x26, #64]\n"
    "ldp x10, x11, [x26, #80]\n"
    "ldp x12, x13, [x26, #96]\n"
    "ldp x14, x15, [x26, #112]\n"
    "ldp x16, x17, [x26, #128]\n"
    "ldp x18, x19, [x26, #144]\n"
    "ldp x20, x21, [x26, #160]\n"
    "ldp x22, x23, [x26, #176]\n"
    "ldp x24, x25, [x26, #192]\n"
    "ldp x27, x28, [x26, #216]\n"
    "ldp x29, x30, [x26, #232]\n"
    "clrex\n"
    "blob_insn: .word 0\n"
    "blob_after:\n"
    "stp x0, x1, [x26, #0]\n"
    "stp x2, x3, [x26, #16]\n"
    "stp x4, x5, [x26, #32]\n"
    "stp x6, x7, [x26, #48]\n"
    "stp x8, x9, [x26, #64]\n"
    "stp x10, x11, [x26, #80]\n"
    "stp x12, x13, [x26, #96]\n"
    "stp x14, x15, [x26, #112]\n"
    "stp x16, x17, [x26, #128]\n"
    "stp x18, x19, [x26, #144]\n"
    "stp x20, x21, [x26, #160]\n"
    "stp x22, x23, [x26, #176]\n"
    "stp x24, x25, [x26, #192]\n"
    "stp x27, x28, [x26, #216]\n"
    "stp x29, x30, [x26, #232]\n"
    "mov x1, sp\n"
    "str x1, [x26, #248]\n"
    "mrs x1, nzcv\n"
    "str x1, [x26, #768]\n"
    "mrs x1, fpsr\n"
    "str x1, [x26, #776]\n"
    "mrs x1, fpcr\n"
    "str x1, [x26, #784]\n"
    "msr fpcr, xzr\n"
    ".irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
    "str q\\r, [x26, #(256 + 16 * \\r)]\n"
    ".endr\n"
    "ldr x1, [x26, #792]\n"
    "mov sp, x1\n"
    "ldp x19, x20, [sp, #16]\n"
    "ldp x21, x22, [sp, #32]\n"
    "ldp x23, x24, [sp, #48]\n"
    "ldp x25, x26, [sp, #64]\n"
    "ldp x27, x28, [sp, #80]\n"
    "ldp d8, d9, [sp, #96]\n"
    "ldp d10, d11, [sp, #112]\n"
    "ldp d12, d13, [sp, #128]\n"
    "ldp d14, d15, [sp, #144]\n"
    "ldp x29, x30, [sp], #176\n"
    "ret\n"
    "blob_end:\n");

static void on_signal(int sig, siginfo_t *info, void *ucontext)
{
    ucontext_t *uc = ucontext;
    bool memory = sig == SIGSEGV || sig == SIGBUS;

    outcome_add(&outcome, sig, uc->uc_mcontext.pc, memory ? (uintptr_t)info->si_addr : 0);
    uc->uc_mcontext.pc += 4;
}

static uint32_t branch(const uint32_t *from, const uint32_t *to)
{
    return 0x14000000 | ((uint32_t)(to - from) & 0x3ffffff);
}

void machine_init(void)
{
    static const int signals[] = { SIGILL, SIGSEGV, SIGBUS, SIGTRAP, SIGFPE };
    /* where hardly a random SP points: there it would count as on this stack already */
    void *alt_stack = mmap((void *)0x5a5a00000000, ALT_STACK_SIZE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint32_t *insn = CODE + (blob_insn - blob);

    memcpy(CODE, blob, (blob_end - blob) * 4);
    *insn = branch(insn, SLOT);
    __builtin___clear_cache((char *)CODE, (char *)CODE + CODE_SIZE);
    sigaltstack(&(stack_t){ .ss_sp = alt_stack, .ss_size = ALT_STACK_SIZE }, NULL);
    for (unsigned i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
        sigaction(
            signals[i],
            &(struct sigaction){ .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK },
            NULL);
    }
}

/* DIT and SSBS are 0 where there are any. */
static void clear_pstate(void)
{
    uint64_t pfr0, pfr1;

    __asm__("mrs %0, s3_0_c0_c4_0\n mrs %1, s3_0_c0_c4_1" : "=r"(pfr0), "=r"(pfr1));
    if (pfr0 >> 48 & 15) {
        __asm__ volatile("msr s3_3_c4_c2_5, xzr");
    }
    if ((pfr1 >> 4 & 15) >= 2) {
        __asm__ volatile("msr s3_3_c4_c2_6, xzr");
    }
}

Outcome machine_run(State *st, const uint32_t *insns, int n)
{
    outcome = (Outcome){ 0, 0, 0 };
    clear_pstate();
    memcpy(SLOT, insns, n * sizeof(*insns));
    SLOT[n] = branch(SLOT + n, CODE + (blob_after - blob));
    __builtin___clear_cache((char *)SLOT, (char *)(SLOT + n + 1));
    ((void (*)(State *))CODE)(st);
    return outcome;
}
