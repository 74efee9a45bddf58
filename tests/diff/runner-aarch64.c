/* SPDX-License-Identifier: MIT */
/*
 * A guest program that runs single A64 instructions on made-up states and prints what they did, so that
 * two machines can be compared: runner-aarch64 INSTRUCTIONS [FIRST [LAST]]
 *
 * INSTRUCTIONS is a file of 32-bit words (tests/diff/generate.py). For each one a line is printed: index,
 * word, signal, a hash of all that changed; with FIRST the whole state of those from FIRST to LAST.
 * X28 and SP point into memory; X27 is a small offset; X26 is the runner's own.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define CODE    ((uint32_t *)0x6000000)
#define SCRATCH ((uint8_t *)0x20000000)
#define SCRATCH_SIZE 0x40000

typedef struct State {
    uint64_t x[32]; /* x[31] is SP */
    uint64_t v[32][2];
    uint64_t nzcv, fpsr, fpcr;
    uint64_t host_sp;
} State;

static State state, before;
static uint8_t mem_before[SCRATCH_SIZE];
static volatile int signo;
static volatile uint64_t fault_addr;

extern const uint32_t blob[], blob_insn[], blob_after[], blob_end[];

/* x0: State *. Runs at CODE; the word at blob_insn is replaced. */
__asm__(".balign 16\n"
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

    signo = sig;
    fault_addr = sig == SIGSEGV || sig == SIGBUS ? (uintptr_t)info->si_addr : 0;
    uc->uc_mcontext.pc = (uintptr_t)(CODE + (blob_after - blob));
}

static uint64_t seed;

static uint64_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * 0x2545f4914f6cdd1d;
}

/* Values at the edges of the sizes, now and then. */
static uint64_t edgy(void)
{
    static const uint64_t edges[] = {
        0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
        0x100000000, 0x7fffffffffffffff, 0x8000000000000000, ~0ull, 0x8000000080000000,
    };
    uint64_t r = rnd();
    switch (r & 3) {
    case 0:
        return edges[r / 4 % (sizeof(edges) / sizeof(*edges))];
    case 1:
        return rnd() >> (r >> 8 & 63);
    default:
        return rnd();
    }
}

/* Floating values likewise: half, single and double patterns in turn. */
static uint64_t edgy_float(void)
{
    static const uint64_t doubles[] = {
        0, 0x8000000000000000, 0x3ff0000000000000, 0xbff8000000000000, 0x7ff0000000000000,
        0xfff0000000000000, 0x7ff8000000000001, 0x7ff0000000000001, 1, 0x000fffffffffffff,
        0x0010000000000000, 0x7fefffffffffffff, 0x43e0000000000000, 0x41e0000000000000,
        0x3fe0000000000000, 0x41dfffffffc00000,
    };
    static const uint32_t singles[] = {
        0, 0x80000000, 0x3f800000, 0xbfc00000, 0x7f800000, 0xff800000, 0x7fc00001, 0x7f800001,
        1, 0x007fffff, 0x00800000, 0x7f7fffff, 0x4f000000, 0x5f000000, 0x3f000000, 0x4effffff,
    };
    static const uint16_t halves[] = {
        0, 0x8000, 0x3c00, 0xbe00, 0x7c00, 0xfc00, 0x7e01, 0x7c01, 1, 0x03ff, 0x0400, 0x7bff, 0x3800, 0x7800,
    };
    uint64_t r = rnd();
    switch (r & 7) {
    case 0:
        return doubles[r / 8 % 16];
    case 1:
        return (uint64_t)singles[r / 8 % 16] << 32 | singles[r / 1024 % 16];
    case 2: {
        uint64_t v = 0;
        for (int i = 0; i < 4; i++) {
            v = v << 16 | halves[rnd() % 14];
        }
        return v;
    }
    case 3: /* doubles near 1 */
        return 0x3f00000000000000 + (rnd() >> 8) + (r & 0x8000000000000000);
    case 4: /* singles near 1 */
        return (0x3f0000003f000000 + (rnd() & 0x01ffffff01ffffff)) | (r & 0x8000000080000000);
    default:
        return edgy();
    }
}

static void make_state(uint64_t index)
{
    seed = 0x9e3779b97f4a7c15 * (index + 1);
    for (int i = 0; i < 31; i++) {
        state.x[i] = edgy();
    }
    state.x[27] = (int64_t)(rnd() % 512) - 256;
    state.x[28] = (uintptr_t)SCRATCH + SCRATCH_SIZE / 2 + (rnd() & 3 ? 0 : rnd() % 64);
    state.x[31] = (uintptr_t)SCRATCH + SCRATCH_SIZE / 2 + 256;
    for (int i = 0; i < 32; i++) {
        state.v[i][0] = edgy_float();
        state.v[i][1] = edgy_float();
    }
    state.nzcv = rnd() & 0xf0000000;
    state.fpsr = 0;
    state.fpcr = getenv("FPCR") ? strtoull(getenv("FPCR"), NULL, 16) : 0;
    for (int i = -512; i < 512; i++) {
        ((uint64_t *)(SCRATCH + SCRATCH_SIZE / 2))[i] = rnd() & 1 ? rnd() : edgy_float();
    }
}

static uint64_t hash(uint64_t h, const void *data, size_t size)
{
    const uint64_t *p = data;

    for (size_t i = 0; i < size / 8; i++) {
        h = (h ^ p[i]) * 0x100000001b3;
        h ^= h >> 29;
    }
    return h;
}

static void print_state(void)
{
    for (int i = 0; i < 32; i++) {
        if (i != 26) {
            printf("  x%d %016lx -> %016lx\n", i, before.x[i], state.x[i]);
        }
    }
    for (int i = 0; i < 32; i++) {
        printf("  v%d %016lx:%016lx -> %016lx:%016lx\n", i, before.v[i][1], before.v[i][0],
               state.v[i][1], state.v[i][0]);
    }
    printf("  nzcv %08lx -> %08lx, fpsr %08lx, fault at %lx\n", before.nzcv, state.nzcv, state.fpsr,
           fault_addr);
    for (int i = 0; i < SCRATCH_SIZE; i += 8) {
        uint64_t *was = (uint64_t *)(mem_before + i), *is = (uint64_t *)(SCRATCH + i);
        if (*was != *is) {
            printf("  mem %08x: %016lx -> %016lx\n", i, *was, *is);
        }
    }
}

static void run(long index, uint32_t insn, int print)
{
    signo = 0;
    fault_addr = 0;
    make_state(index);
    before = state;
    memcpy(mem_before, SCRATCH, SCRATCH_SIZE);
    uint32_t *slot = CODE + (blob_insn - blob);
    *slot = insn;
    __builtin___clear_cache((char *)slot, (char *)(slot + 1));
    ((void (*)(State *))CODE)(&state);
    uint64_t h = hash(signo, state.x, 26 * 8);
    h = hash(h, state.x + 27, 5 * 8);
    h = hash(h, state.v, sizeof(state.v) + 16);
    h = hash(h, SCRATCH, SCRATCH_SIZE);
    printf("%ld %08x %d %016lx\n", index, insn, signo, h ^ fault_addr);
    if (print) {
        print_state();
    }
}

int main(int argc, char **argv)
{
    static const int signals[] = { SIGILL, SIGSEGV, SIGBUS, SIGTRAP, SIGFPE };
    static uint8_t alt_stack[65536];
    FILE *f = argc > 1 ? fopen(argv[1], "rb") : NULL;
    long first = argc > 2 ? atol(argv[2]) : 0, last = argc > 3 ? atol(argv[3]) : first;
    uint32_t insn;

    if (!f) {
        fprintf(stderr, "usage: %s INSTRUCTIONS [FIRST [LAST]]\n", argv[0]);
        return 2;
    }
    if (mmap(CODE, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
             0) != CODE ||
        mmap(SCRATCH, SCRATCH_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
             0) != SCRATCH) {
        perror("mmap");
        return 1;
    }
    memcpy(CODE, blob, (blob_end - blob) * 4);
    __builtin___clear_cache((char *)CODE, (char *)CODE + 4096);
    sigaltstack(&(stack_t){ .ss_sp = alt_stack, .ss_size = sizeof(alt_stack) }, NULL);
    for (unsigned i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
        sigaction(signals[i],
                  &(struct sigaction){ .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK },
                  NULL);
    }
    for (long i = 0; fread(&insn, 4, 1, f) == 1; i++) {
        if (argc <= 2 || (i >= first && i <= last)) {
            run(i, insn, argc > 2);
        }
    }
    return 0;
}
