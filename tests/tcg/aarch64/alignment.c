/* SPDX-License-Identifier: MIT */
/*
 * Which misaligned accesses fault (DDI 0487 B2.5, D1.3.3): exclusive, atomic and ordered ones if
 * they leave 16 aligned bytes, before FEAT_LSE2 if they are misaligned at all; any access by a
 * misaligned SP.
 */
#include "test.h"
#include <signal.h>
#include <sys/auxv.h>
#include <ucontext.h>

static struct {
    int count, signal, code;
    uintptr_t address, pc;
} seen;

static void handler(int signal, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    seen.count++;
    seen.signal = signal;
    seen.code = info->si_code;
    seen.address = (uintptr_t)info->si_addr;
    seen.pc = uc->uc_mcontext.pc;
    uc->uc_mcontext.pc += 4;
}

static uint8_t memory[64] __attribute__((aligned(64)));
static uint8_t wanted[64];

/* An instruction that accesses `size` bytes at X9; X10 and X11 are its data, X12 its status. */
typedef struct Access {
    const char *text;
    int size, part; /* part: the half of a pair that must be aligned for the pair to need nothing */
    unsigned long caps, caps2;
    void (*run)(void *at);
} Access;

#define CAPS_LSE     (1 << 8)
#define CAPS_LRCPC   (1 << 15)
#define CAPS_USCAT   (1 << 25)
#define CAPS_ILRCPC  (1 << 26)
#define CAPS2_LRCPC3 (1ul << 46)
#define CAPS2_LSE128 (1ul << 47)

#define RUN(name, text)                                                               \
    static void name(void *at)                                                        \
    {                                                                                 \
        register void *x9 __asm__("x9") = at;                                         \
        __asm__ volatile("mov x10, #0x55\n mov x11, #0\n mov x12, #0\n mov x13, #0\n" \
                         ".arch armv8.5-a\n" text "\n"                                \
                         : "+r"(x9)                                                   \
                         :                                                            \
                         : "x10", "x11", "x12", "x13", "v0", "memory", "cc");         \
    }
#define ACCESSES                                                                         \
    A(ldxrb, "ldxrb w10, [x9]", 1, 1, 0, 0)                                              \
    A(ldxrh, "ldxrh w10, [x9]", 2, 2, 0, 0)                                              \
    A(ldxr_w, "ldxr w10, [x9]", 4, 4, 0, 0)                                              \
    A(ldaxr, "ldaxr x10, [x9]", 8, 8, 0, 0)                                              \
    A(stxr, "stlxr w12, x10, [x9]", 8, 8, 0, 0)                                          \
    A(ldxp_w, "ldxp w10, w11, [x9]", 8, 8, 0, 0)                                         \
    A(ldxp, "ldxp x10, x11, [x9]", 16, 16, 0, 0)                                         \
    A(stxp, "stxp w12, x10, x11, [x9]", 16, 16, 0, 0)                                    \
    A(ldarb, "ldarb w10, [x9]", 1, 1, 0, 0)                                              \
    A(ldarh, "ldarh w10, [x9]", 2, 2, 0, 0)                                              \
    A(ldar, "ldar x10, [x9]", 8, 8, 0, 0)                                                \
    A(stlr_w, "stlr w11, [x9]", 4, 4, 0, 0)                                              \
    A(stlr, "stlr x11, [x9]", 8, 8, 0, 0)                                                \
    A(swp, "swpal x11, x10, [x9]", 8, 8, CAPS_LSE, 0)                                    \
    A(ldaddh, "ldaddh w11, w10, [x9]", 2, 2, CAPS_LSE, 0)                                \
    A(ldclr, "ldclra w11, w10, [x9]", 4, 4, CAPS_LSE, 0)                                 \
    A(stadd, "stadd x11, [x9]", 8, 8, CAPS_LSE, 0)                                       \
    A(cas, "cas x11, x11, [x9]", 8, 8, CAPS_LSE, 0)                                      \
    A(casp_w, "casp w10, w11, w12, w13, [x9]", 8, 8, CAPS_LSE, 0)                        \
    A(casp, "caspal x10, x11, x12, x13, [x9]", 16, 16, CAPS_LSE, 0)                      \
    A(ldapr, "ldapr x10, [x9]", 8, 8, CAPS_LRCPC, 0)                                     \
    A(ldapur, "ldapur w10, [x9, #0]", 4, 4, CAPS_ILRCPC, 0)                              \
    A(stlur, "stlur x11, [x9, #0]", 8, 8, CAPS_ILRCPC, 0)                                \
    A(ldiapp, ".inst 0xd94b192a", 16, 8, 0, CAPS2_LRCPC3)    /* ldiapp x10, x11, [x9] */ \
    A(ldiapp_w, ".inst 0x994b192a", 8, 4, 0, CAPS2_LRCPC3)   /* the same of words */     \
    A(ldapur_q, ".inst 0x1dc00920", 16, 16, 0, CAPS2_LRCPC3) /* ldapur q0, [x9] */       \
    A(ldclrp, ".inst 0x192b112d", 16, 16, 0, CAPS2_LSE128)   /* ldclrp x13, x11, [x9] */

#define A(name, text, size, part, caps, caps2) RUN(run_##name, text)
ACCESSES
#undef A
static const Access accesses[] = {
#define A(name, text, size, part, caps, caps2) { text, size, part, caps, caps2, run_##name },
    ACCESSES
#undef A
};

static bool faults(const Access *a, int at)
{
    if (at % a->part == 0) {
        return false;
    }
    return !(getauxval(AT_HWCAP) & CAPS_USCAT) || at % 16 + a->size > 16;
}

static void test_access(const Access *a)
{
    if ((getauxval(AT_HWCAP) & a->caps) != a->caps ||
        (getauxval(AT_HWCAP2) & a->caps2) != a->caps2) {
        return;
    }
    for (int at = 0; at < 32; at++) {
        memset(memory, 0x11, sizeof(memory));
        seen.count = 0;
        a->run(memory + at);
        if (seen.count != faults(a, at)) {
            printf("%s at %d: %d faults\n", a->text, at, seen.count);
            test_failed();
        }
        if (seen.count) {
            EQUAL(seen.signal, SIGBUS);
            EQUAL(seen.code, BUS_ADRALN);
            EQUAL(seen.address, (uintptr_t)memory + at);
        }
    }
}

/* What is allowed is done right. */
static void test_inside_16(void)
{
    if (!(getauxval(AT_HWCAP) & CAPS_USCAT)) {
        return;
    }
    uint64_t old = 0, status = 1;
    for (int i = 0; i < 64; i++) {
        memory[i] = wanted[i] = i;
    }
    __asm__ volatile("ldadd %1, %0, [%2]"
                     : "=r"(old)
                     : "r"(0x0101010101010101), "r"(memory + 5)
                     : "memory");
    EQUAL(old, 0x0c0b0a0908070605);
    __asm__ volatile("ldxr %0, [%2]\n stxr %w1, xzr, [%2]\n"
                     : "=&r"(old), "=&r"(status)
                     : "r"(memory + 23)
                     : "memory");
    EQUAL(status, 0);
    EQUAL(old, 0x1e1d1c1b1a191817);
    for (int i = 0; i < 8; i++) {
        wanted[5 + i]++;
        wanted[23 + i] = 0;
    }
    EQUAL(memcmp(memory, wanted, sizeof(memory)), 0);
}

#define WITH_SP(offset, text)                                                               \
    ({                                                                                      \
        uintptr_t sp_, at_;                                                                 \
        seen.count = 0;                                                                     \
        __asm__ volatile("mov x13, sp\n and x14, x13, #-64\n sub x14, x14, #512\n"          \
                         "add x14, x14, %2\n mov sp, x14\n mov %0, x14\n adr %1, 1f\n"      \
                         "1: " text "\n mov sp, x13\n"                                      \
                         : "=&r"(sp_), "=&r"(at_)                                           \
                         : "r"((long)(offset))                                              \
                         : "x9", "x10", "x11", "x12", "x13", "x14", "x15", "v0", "memory"); \
        if (seen.count) {                                                                   \
            EQUAL(seen.signal, SIGBUS);                                                     \
            EQUAL(seen.code, BUS_ADRALN);                                                   \
            EQUAL(seen.address, sp_);                                                       \
            EQUAL(seen.pc, at_);                                                            \
        }                                                                                   \
        seen.count;                                                                         \
    })

static void test_sp(void)
{
    for (int at = 0; at < 32; at++) {
        bool odd = at % 16;
        EQUAL(WITH_SP(at, "ldr x10, [sp]"), odd);
        EQUAL(WITH_SP(at, "str x10, [sp, #8]"), odd);
        EQUAL(WITH_SP(at, "ldrb w10, [sp, #1]"), odd);
        EQUAL(WITH_SP(at, "stp x10, x11, [sp, #-32]!"), odd);
        EQUAL(WITH_SP(at, "ldr q0, [sp], #16"), odd);
        EQUAL(WITH_SP(at, "ld1 {v0.16b}, [sp]"), odd);
        EQUAL(WITH_SP(at, "ldr x10, [sp, xzr]"), odd);
        EQUAL(WITH_SP(at, "ldxrb w10, [sp]"), odd);
        EQUAL(WITH_SP(at, "prfm pldl1keep, [sp]"), 0);
        EQUAL(WITH_SP(at, "add x10, sp, #3"), 0);
    }
    /* the write that makes it odd is not at fault, and one that makes it even again is enough */
    EQUAL(WITH_SP(0, "sub sp, sp, #8\n add sp, sp, #8\n ldr x10, [sp]"), 0);
    EQUAL(WITH_SP(0, "ldr x10, [sp], #8\n and x15, x14, #-16\n mov sp, x15\n ldr x11, [sp]"), 0);
    EQUAL(WITH_SP(8, "add sp, sp, #8\n str x11, [sp, #-16]!"), 0);
}

int main(void)
{
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
    sigaction(SIGBUS, &action, NULL);
    for (unsigned i = 0; i < sizeof(accesses) / sizeof(*accesses); i++) {
        test_access(&accesses[i]);
    }
    test_inside_16();
    test_sp();
    return test_end();
}
