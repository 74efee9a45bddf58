/* SPDX-License-Identifier: MIT */
/*
 * The flags in the frame of a fault, where nothing that goes on executing can read them any more:
 * what set them, ways to the load that faults, and an instruction behind it that sets them anew.
 */
#include "test.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>

static uint64_t seen;
static int count;

static void handler(int signal, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    (void)signal;
    (void)info;
    seen = uc->uc_mcontext.pstate & 0xf0000000;
    count++;
    uc->uc_mcontext.pc += 4;
}

#define CLOBBERS "x10", "x11", "x12", "x13", "x14", "x15", "x30", "v0", "v1", "v2", "cc", "memory"

/* As it is told by MRS, and as the frame has it. */
#define TRY(name, set, way)                                                            \
    do {                                                                               \
        uint64_t flags_;                                                               \
        __asm__ volatile(set "\n" way "\nmrs %0, nzcv\n"                               \
                         : "=&r"(flags_)                                               \
                         : "r"(a), "r"(b), "r"(good)                                   \
                         : CLOBBERS);                                                  \
        count = 0;                                                                     \
        __asm__ volatile(set "\n" way "\nldr x15, [%0]\ncmp %0, #1\ncset x15, eq\n"    \
                         :                                                             \
                         : "r"(hole), "r"(a), "r"(b), "r"(good)                        \
                         : CLOBBERS);                                                  \
        if (count != 1 || seen != flags_) {                                            \
            printf("%s, %s: %d faults, %#lx for %#lx\n", name, way, count, (long)seen, \
                   (long)flags_);                                                      \
        }                                                                              \
        EQUAL(count, 1);                                                               \
        EQUAL(seen, flags_);                                                           \
    } while (0)

#define WAYS(name, set)                                                                 \
    TRY(name, set, "nop");                                                              \
    TRY(name, set, "add x10, x10, #5\n lsl x11, x10, #3\n mul x12, x10, x11");          \
    TRY(name, set, "ldr x10, [%3]");                                                    \
    TRY(name, set, "str x10, [%3]\n sub x10, x10, x11\n ldr x12, [%3, #8]");            \
    TRY(name, set, "ldr x10, [%3]\n and x11, x10, #7\n eor x12, x11, x10");             \
    TRY(name, set, "b 3f\n nop\n 3:");                                                  \
    TRY(name, set, "bl 3f\n nop\n 3:");                                                 \
    TRY(name, set, "b.eq 3f\n nop\n 3:");                                               \
    TRY(name, set, "b.ne 3f\n nop\n 3:");                                               \
    TRY(name, set, "b.hi 3f\n nop\n 3:");                                               \
    TRY(name, set, "b.lt 3f\n nop\n 3: add x10, x10, x11, lsl #3");                     \
    TRY(name, set, "cbz xzr, 3f\n nop\n 3:");                                           \
    TRY(name, set, "tbnz x10, #0, 3f\n nop\n 3:");                                      \
    TRY(name, set, "mov x14, #5\n 3: sub x14, x14, #1\n ldr x10, [%3]\n cbnz x14, 3b"); \
    TRY(name, set, "adr x14, 3f\n br x14\n nop\n 3:");                                  \
    TRY(name, set, "scvtf d0, x10\n fadd d0, d0, d0\n fcvtzs x11, d0");                 \
    TRY(name, set, "cset x10, lt\n csel x11, x10, x12, hi");                            \
    TRY(name, set, "mov x14, #3\n 3: cbz x14, 4f\n sub x14, x14, #1\n b 3b\n 4:")

static char *good, *hole;

static void each(long a, long b)
{
#define A "%1"
#define B "%2"
    /* %0 is a result in one of the two and the hole in the other */
    WAYS("cmp", "cmp " A ", " B);
    WAYS("cmp w", "cmp %w1, %w2");
    WAYS("cmn", "cmn " A ", " B);
    WAYS("adds w", "adds w10, %w1, %w2");
    WAYS("subs imm", "subs x10, " A ", #1");
    WAYS("negs", "negs x10, " A);
    WAYS("ands", "ands x10, " A ", " B);
    WAYS("bics", "bics w10, %w1, %w2");
    WAYS("tst", "tst " A ", #0xff00");
    WAYS("adcs", "cmp " A ", " B "\n adcs x10, " A ", " B);
    WAYS("sbcs", "cmp " A ", " B "\n sbcs x10, " B ", " A);
    WAYS("ccmp", "cmp " A ", #0\n ccmp " A ", " B ", #5, ge");
    WAYS("ccmn", "cmp " B ", #0\n ccmn " A ", " B ", #10, lt");
    WAYS("fcmp", "scvtf d0, " A "\n scvtf d1, " B "\n fcmp d0, d1");
    WAYS("fcmp nan", "movi d0, #-1\n fcmp d0, #0.0");
    WAYS("msr", "lsl x10, " A ", #28\n and x10, x10, #0xf0000000\n msr nzcv, x10");
}

/* The load at the head of a loop that counts down with SUBS: chained blocks, then the fault. */
static void loops(int rounds)
{
    for (int fail = 0; fail < rounds; fail++) {
        uint64_t flags;
        long left = rounds - fail, where = (long)good;
        count = 0;
        __asm__ volatile("mov x14, %1\n"
                         "cmp xzr, xzr\n"
                         "1: cmp x14, %2\n"
                         "csel x12, %4, %3, ne\n"
                         "subs x13, x14, %2\n" /* what the frame must have */
                         "b.lt 2f\n"
                         "2: ldr x15, [x12]\n"
                         "subs x14, x14, #1\n"
                         "b.ne 1b\n"
                         :
                         : "r"(0), "r"((long)rounds), "r"(left), "r"(hole), "r"(where)
                         : CLOBBERS);
        EQUAL(count, 1);
        __asm__ volatile("subs x13, %1, %1\n mrs %0, nzcv\n"
                         : "=r"(flags)
                         : "r"(left)
                         : "x13", "cc");
        EQUAL(seen, flags);

        /* the flags of the loop's own SUBS */
        count = 0;
        __asm__ volatile("mov x14, %1\n"
                         "mov x12, %4\n"
                         "b 2f\n"
                         "1: sub x13, x14, %2\n"
                         "cbnz x13, 2f\n"
                         "mov x12, %3\n"
                         "2: ldr x15, [x12]\n"
                         "mov x12, %4\n"
                         "subs x14, x14, #1\n"
                         "b.ne 1b\n"
                         :
                         : "r"(0), "r"((long)rounds + 1), "r"(left), "r"(hole), "r"(where)
                         : CLOBBERS);
        EQUAL(count, 1);
        __asm__ volatile("subs x13, %1, #1\n mrs %0, nzcv\n"
                         : "=r"(flags)
                         : "r"(left + 1)
                         : "x13", "cc");
        EQUAL(seen, flags);
    }
}

/*
 * Signals from a timer into a loop: the flags are what the operands of the instruction that wrote
 * them, which are still there, tell; nothing ever reads them.
 */
static volatile uintptr_t places[4]; /* the loop, after its SUBS, after its CMP, its end */
static int wrong, inside;

static void tick(int signal, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    uint64_t pc = uc->uc_mcontext.pc, *x = (uint64_t *)uc->uc_mcontext.regs, flags;
    (void)signal;
    (void)info;
    if (pc < places[0] || pc >= places[3]) {
        return;
    }
    bool by_first = pc >= places[1] && pc < places[2];
    uint64_t a = by_first ? x[10] : x[12], b = by_first ? x[11] : x[13];
    __asm__("cmp %1, %2\n mrs %0, nzcv" : "=r"(flags) : "r"(a), "r"(b) : "cc");
    if ((uc->uc_mcontext.pstate & 0xf0000000) != flags) {
        wrong++;
    }
    x[14] = ++inside >= 200;
}

static void interrupts(void)
{
    struct sigaction sa = { .sa_sigaction = tick, .sa_flags = SA_SIGINFO };
    struct itimerval often = { { 0, 500 }, { 0, 500 } }, never = { { 0, 0 }, { 0, 0 } };
    NEED(sigaction(SIGALRM, &sa, NULL) == 0);
    NEED(setitimer(ITIMER_REAL, &often, NULL) == 0);
    __asm__ volatile("adr x9, 1f\n str x9, [%0]\n"
                     "adr x9, 2f\n str x9, [%0, #8]\n"
                     "adr x9, 3f\n str x9, [%0, #16]\n"
                     "adr x9, 4f\n str x9, [%0, #24]\n"
                     "mov x14, #0\n mov x10, #0\n mov x11, #7\n mov x12, #0\n mov x13, #-1\n"
                     "b 5f\n"
                     "1: add x9, x10, x11\n" /* the only place where a signal is taken by us */
                     "subs xzr, x10, x11\n"
                     "2: add x12, x12, #0x111\n"
                     "eor x13, x12, x10\n"
                     "b 5f\n"
                     "nop\n"
                     "5: cmp x12, x13\n"
                     "3: ror x10, x10, #5\n"
                     "sub x10, x10, #3\n"
                     "eor x11, x10, x13\n"
                     "cbz x14, 1b\n"
                     "4: nop\n"
                     :
                     : "r"(places)
                     : "x9", "x10", "x11", "x12", "x13", "x14", "cc", "memory");
    NEED(setitimer(ITIMER_REAL, &never, NULL) == 0);
    CHECK(inside >= 200);
    EQUAL(wrong, 0);
}

int main(void)
{
    static const long values[][2] = {
        { 0, 0 },
        { 1, 2 },
        { 2, 1 },
        { -1, 1 },
        { 1, -1 },
        { 0x7fffffff, -1 },
        { (long)0x8000000000000000, 1 },
        { 0x7fffffffffffffff, (long)0x8000000000000000 },
        { 0x80000000, 0x80000000 },
    };
    struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
    NEED(sigaction(SIGSEGV, &sa, NULL) == 0);
    good = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(good != MAP_FAILED);
    hole = good + 4096;
    NEED(munmap(hole, 4096) == 0);
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
        each(values[i][0], values[i][1]);
    }
    loops(20);
    interrupts();
    return test_end();
}
