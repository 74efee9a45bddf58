/* SPDX-License-Identifier: MIT */
/*
 * Which A64 encodings are instructions? encodings LOW FILE: for every value of bits 31:10, with LOW
 * in bits 9:0, executes the word once and writes to FILE the number of the signal that it raised, a
 * byte each, 0 for none. Run on two machines, tests/diff/encodings.py compares. Direct branches and
 * what would disturb this program are not executed. If the emulator dies of a word, run it again:
 * that word is marked, and it goes on behind.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum {
    NOT_RUN = 255,
    DIED = 254,
    NOT_YET = 253,
    COUNT = 1 << 22,
    BATCH = 2048 /* words translated at a time */
};
#define CODE    ((uint32_t *)0x6000000)
#define SCRATCH 0x20000000ul

static volatile int signo;
extern const uint32_t come_back[];
void execute(const uint32_t *code, uint64_t scratch);
uint64_t saved_sp;

/* Zero registers but X25, the code, and X28 and SP, the scratch memory. */
__asm__(".globl execute, come_back, saved_sp\n"
        "execute: stp x29, x30, [sp, #-176]!\n"
        "stp x19, x20, [sp, #16]\n"
        "stp x21, x22, [sp, #32]\n"
        "stp x23, x24, [sp, #48]\n"
        "stp x25, x26, [sp, #64]\n"
        "stp x27, x28, [sp, #80]\n"
        "stp d8, d9, [sp, #96]\n"
        "stp d10, d11, [sp, #112]\n"
        "stp d12, d13, [sp, #128]\n"
        "stp d14, d15, [sp, #144]\n"
        "adrp x2, saved_sp\n"
        "mov x3, sp\n"
        "str x3, [x2, :lo12:saved_sp]\n"
        "mov x25, x0\n"
        "mov x28, x1\n"
        "mov sp, x1\n"
        ".irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,26,27,29,30\n"
        "mov x\\r, #0\n"
        ".endr\n"
        "br x25\n"
        "come_back: adrp x2, saved_sp\n"
        "ldr x3, [x2, :lo12:saved_sp]\n"
        "mov sp, x3\n"
        "msr fpcr, xzr\n"
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
        "ret\n");

static void on_signal(int sig, siginfo_t *info, void *ucontext)
{
    (void)info;
    signo = sig;
    ((ucontext_t *)ucontext)->uc_mcontext.pc = (uintptr_t)come_back;
}

/* B BL, CBZ CBNZ, TBZ TBNZ, B.cond BC.cond; SVC; MSR TPIDR_EL0, TPIDR2_EL0; WFE WFI; YIELD's kin.
 */
static bool leave_out(uint32_t w)
{
    static const uint32_t rows[][2] = {
        { 0x7c000000, 0x14000000 }, { 0x7c000000, 0x34000000 }, { 0xff000000, 0x54000000 },
        { 0xffe0001f, 0xd4000001 }, { 0xffffffe0, 0xd51bd040 }, { 0xffffffe0, 0xd51bd0a0 },
        { 0xffffffdf, 0xd503205f },
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if ((w & rows[i][0]) == rows[i][1]) {
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    static const int signals[] = { SIGILL, SIGSEGV, SIGBUS, SIGTRAP, SIGFPE };
    static uint8_t alt_stack[65536];
    uint8_t *results;
    int fd = argc == 3 ? open(argv[2], O_RDWR | O_CREAT, 0666) : -1;
    uint32_t low = argc > 1 ? strtoul(argv[1], NULL, 0) & 0x3ff : 0;

    if (fd < 0) {
        fprintf(stderr, "usage: encodings LOW FILE\n");
        return 2;
    }
    if (mmap(CODE, 8 * BATCH, PROT_READ | PROT_WRITE | PROT_EXEC,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != CODE ||
        mmap((void *)SCRATCH, 1 << 20, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != (void *)SCRATCH) {
        perror("mmap");
        return 1;
    }
    bool fresh = lseek(fd, 0, SEEK_END) != COUNT;
    if ((fresh && ftruncate(fd, COUNT) < 0) ||
        (results = mmap(NULL, COUNT, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED) {
        perror(argv[2]);
        return 1;
    }
    if (fresh) {
        memset(results, NOT_YET, COUNT);
    }
    sigaltstack(&(stack_t){ .ss_sp = alt_stack, .ss_size = sizeof(alt_stack) }, NULL);
    for (unsigned i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
        sigaction(
            signals[i],
            &(struct sigaction){ .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK },
            NULL);
    }
    for (uint32_t high = 0; high < COUNT; high += BATCH) {
        if (results[high + BATCH - 1] != NOT_YET) {
            continue;
        }
        for (int i = 0; i < BATCH; i++) {
            uint32_t word = (high + i) << 10 | low, *at = CODE + 2 * i;
            at[0] = leave_out(word) ? 0xd503201f : word;
            at[1] = 0x14000000 | ((uint32_t)(come_back - at - 1) & 0x3ffffff);
        }
        __builtin___clear_cache((char *)CODE, (char *)(CODE + 2 * BATCH));
        for (int i = 0; i < BATCH; i++) {
            if (results[high + i] != NOT_YET) {
                continue;
            }
            signo = 0;
            results[high + i] = DIED;
            execute(CODE + 2 * i, SCRATCH + (1 << 19));
            results[high + i] = leave_out((high + i) << 10 | low) ? NOT_RUN : signo;
        }
    }
    return 0;
}
