/* SPDX-License-Identifier: MIT */
/* Synchronous faults: signal, si_code, si_addr, and exact registers in the frame. */
#include "test.h"
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>

static struct {
    int count, signal, code;
    uintptr_t address, pc, sp, pstate;
    uint64_t x[31];
} seen;
static uintptr_t resume;

static void handler(int signal, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    seen.count++;
    seen.signal = signal;
    seen.code = info->si_code;
    seen.address = (uintptr_t)info->si_addr;
    seen.pc = uc->uc_mcontext.pc;
    seen.sp = uc->uc_mcontext.sp;
    seen.pstate = uc->uc_mcontext.pstate;
    memcpy(seen.x, uc->uc_mcontext.regs, sizeof seen.x);
    uc->uc_mcontext.pc = resume ? resume : uc->uc_mcontext.pc + 4;
}

/* Runs one instruction that faults at label 1, with x9 = VALUE; the handler steps over it. */
#define FAULT(text, value)                                                          \
    ({                                                                              \
        uintptr_t at_;                                                              \
        register uintptr_t x9_ __asm__("x9") = (uintptr_t)(value);                  \
        seen.count = 0;                                                             \
        __asm__ volatile("adr %0, 1f\n1: " text "\n"                                \
                         : "=&r"(at_), "+r"(x9_)                                    \
                         :                                                          \
                         : "x10", "x11", "x12", "x13", "v0", "v1", "memory", "cc"); \
        EQUAL(seen.count, 1);                                                       \
        EQUAL(seen.pc, at_);                                                        \
        x9_;                                                                        \
    })

static void test_unmapped(char *hole)
{
    FAULT("ldr x10, [x9]", hole);
    EQUAL(seen.signal, SIGSEGV);
    EQUAL(seen.code, SEGV_MAPERR);
    EQUAL(seen.address, (uintptr_t)hole);
    EQUAL(seen.x[9], (uintptr_t)hole);

    FAULT("strb w9, [x9, #5]", hole);
    EQUAL(seen.address, (uintptr_t)hole + 5);

    /* A write-back that faults leaves the base alone. */
    EQUAL(FAULT("ldr x10, [x9, #8]!", hole), (uintptr_t)hole);
    EQUAL(FAULT("str x10, [x9], #16", hole), (uintptr_t)hole);
    EQUAL(FAULT("ldp x10, x11, [x9, #-16]!", hole + 64), (uintptr_t)hole + 64);
    EQUAL(seen.address, (uintptr_t)hole + 48);
    FAULT("ldr q0, [x9, #32]", hole);
    EQUAL(seen.address, (uintptr_t)hole + 32);
    FAULT("ldxr x10, [x9]", hole);
    FAULT(".arch_extension lse; ldadd x10, x11, [x9]", hole);
    FAULT("ld1 {v0.4s, v1.4s}, [x9]", hole);
    EQUAL(seen.code, SEGV_MAPERR);
    FAULT("ldr x10, [x9]", NULL);
    EQUAL(seen.address, 0);
}

static void test_protected(char *page)
{
    NEED(mprotect(page, 4096, PROT_READ) == 0);
    FAULT("str w10, [x9]", page + 16);
    EQUAL(seen.signal, SIGSEGV);
    EQUAL(seen.code, SEGV_ACCERR);
    EQUAL(seen.address, (uintptr_t)page + 16);
}

/* An access over a page's end: the first byte of the missing page is what faults. */
static void test_straddle(char *page, char *hole)
{
    NEED(mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0);
    memset(page, 0x11, 4096);
    FAULT("ldr x10, [x9]", hole - 3);
    CHECK(seen.address == (uintptr_t)hole || seen.address == (uintptr_t)hole - 3);
    FAULT("str x10, [x9]", hole - 3);
    for (int i = 1; i <= 3; i++) {
        EQUAL(hole[-i], 0x11); /* nothing was stored */
    }
}

/*
 * Pairs, structures and vectors whose second half is missing. The base is never changed; a store's
 * first half may have been made (constrained unpredictable), other registers keep their values.
 */
static void test_second_half(char *page, char *hole)
{
    memset(page, 0x22, 4096);
#define SECOND_HALF(text, from)                                      \
    do {                                                             \
        EQUAL(FAULT(text, hole + (from)), (uintptr_t)hole + (from)); \
        EQUAL(seen.signal, SIGSEGV);                                 \
        EQUAL(seen.code, SEGV_MAPERR);                               \
        EQUAL(seen.address, (uintptr_t)hole);                        \
    } while (0)
    SECOND_HALF("ldp x10, x11, [x9]", -8);
    SECOND_HALF("ldp x9, x11, [x9]", -8); /* the base is the first destination: it must be kept */
    SECOND_HALF("ldp x11, x9, [x9]", -8);
    SECOND_HALF("stp x10, x11, [x9]", -8);
    SECOND_HALF("ldp w10, w11, [x9], #8", -4);
    SECOND_HALF("ldpsw x10, x11, [x9, #0]!", -4);
    SECOND_HALF("stp x10, x11, [x9], #-16", -8);
    SECOND_HALF("ldp q0, q1, [x9]", -16);
    SECOND_HALF("stp d0, d1, [x9], #16", -8);
    SECOND_HALF("ldnp x10, x11, [x9]", -8);
    SECOND_HALF("ld1 {v0.16b, v1.16b}, [x9]", -16);
    SECOND_HALF("ld1 {v0.16b, v1.16b}, [x9], #32", -16);
    SECOND_HALF("st1 {v0.16b, v1.16b}, [x9], #32", -16);
    SECOND_HALF("ld2 {v0.8h, v1.8h}, [x9], #32", -16);
    SECOND_HALF("st2 {v0.8h, v1.8h}, [x9], #32", -16);
    SECOND_HALF("ldxp x10, x11, [x9]", 0);
#undef SECOND_HALF
    /* an access that straddles: the first byte that is missing, or where it begins */
    memset(page, 0x22, 4096);
    for (int k = 1; k < 16; k++) {
        FAULT("ldr q0, [x9]", hole - k);
        CHECK(seen.address == (uintptr_t)hole || seen.address == (uintptr_t)hole - k);
        FAULT("str q0, [x9]", hole - k);
        for (int i = 1; i <= k; i++) {
            EQUAL(hole[-i], 0x22);
        }
        memset(page, 0x22, 4096);
    }
}

static void test_values(char *hole)
{
    /* Values that were computed just before, flags too, must be in the frame. */
    uintptr_t at;
    volatile long three = 3;
    seen.count = 0;
    __asm__ volatile("adr %0, 1f\n"
                     "mov x10, %2\n" /* not a constant: that would be folded */
                     "add x11, x10, #4\n"
                     "mul x12, x11, x10\n"
                     "subs x13, x10, x11\n"
                     "lsl x14, x12, #40\n"
                     "1: ldr x15, [%1]\n"
                     "cinc x10, x10, mi\n" /* flags that nobody reads any more may be stale */
                     : "=&r"(at)
                     : "r"(hole), "r"(three)
                     : "x10", "x11", "x12", "x13", "x14", "x15", "cc", "memory");
    EQUAL(seen.count, 1);
    EQUAL(seen.pc, at);
    EQUAL(seen.x[10], 3);
    EQUAL(seen.x[11], 7);
    EQUAL(seen.x[12], 21);
    EQUAL(seen.x[13], -4);
    EQUAL(seen.x[14], 21ull << 40);
    EQUAL(seen.pstate >> 28 & 15, 8); /* N */
}

static void test_jumps(char *hole, char *page)
{
    uintptr_t target;
    __asm__ volatile("adr %0, 1f" : "=r"(target)); /* only to have a code address at hand */
    void (*volatile call)(void) = (void (*)(void))hole;
    seen.count = 0;
    __asm__ volatile("adr x9, 1f\n str x9, [%0]\n blr %1\n1:\n"
                     :
                     : "r"(&resume), "r"(call)
                     : "x9", "x30", "memory");
    resume = 0;
    EQUAL(seen.count, 1);
    EQUAL(seen.signal, SIGSEGV);
    EQUAL(seen.code, SEGV_MAPERR);
    EQUAL(seen.address, (uintptr_t)hole);
    EQUAL(seen.pc, (uintptr_t)hole);

    /* Data is not code. */
    seen.count = 0;
    *(uint32_t *)page = 0xd65f03c0; /* ret */
    __asm__ volatile("adr x9, 1f\n str x9, [%0]\n blr %1\n1:\n"
                     :
                     : "r"(&resume), "r"(page)
                     : "x9", "x30", "memory");
    resume = 0;
    EQUAL(seen.count, 1);
    EQUAL(seen.signal, SIGSEGV);
    EQUAL(seen.code, SEGV_ACCERR);
    EQUAL(seen.address, (uintptr_t)page);

    seen.count = 0;
    __asm__ volatile("adr x9, 1f\n str x9, [%0]\n add x10, x9, #2\n br x10\n1:\n"
                     :
                     : "r"(&resume)
                     : "x9", "x10", "memory");
    resume = 0;
    EQUAL(seen.count, 1);
    EQUAL(seen.signal, SIGBUS);
    EQUAL(seen.code, BUS_ADRALN);
}

static void test_undefined(void)
{
    FAULT(".inst 0x00000000", 0); /* udf #0 */
    EQUAL(seen.signal, SIGILL);
    EQUAL(seen.code, ILL_ILLOPC);
    EQUAL(seen.address, seen.pc);
    FAULT(".inst 0xffffffff", 0);
    EQUAL(seen.signal, SIGILL);
    FAULT("msr daifset, #2", 0);
    EQUAL(seen.signal, SIGILL);
    FAULT("mrs x10, ttbr0_el1", 0);
    EQUAL(seen.signal, SIGILL);
    FAULT("brk #0x123", 0);
    EQUAL(seen.signal, SIGTRAP);
    EQUAL(seen.code, TRAP_BRKPT);
    EQUAL(seen.address, seen.pc);
}

/* Exclusive accesses and atomics must not cross 16 bytes. */
static void test_alignment(void)
{
    static char space[64] __attribute__((aligned(64)));

    FAULT("ldaxr x10, [x9]", space + 12);
    EQUAL(seen.signal, SIGBUS);
    EQUAL(seen.code, BUS_ADRALN);
    EQUAL(seen.address, (uintptr_t)space + 12);
    if (!(getauxval(AT_HWCAP) & HWCAP_ATOMICS)) {
        return;
    }
    FAULT(".arch_extension lse\n caspal x10, x11, x12, x13, [x9]", space + 8);
    EQUAL(seen.signal, SIGBUS);
    EQUAL(seen.code, BUS_ADRALN);
    EQUAL(seen.address, (uintptr_t)space + 8);
}

static void test_file_end(void)
{
    FILE *file = tmpfile();
    NEED(file && ftruncate(fileno(file), 100) == 0);
    char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
    NEED(map != MAP_FAILED);
    map[99] = 1;
    FAULT("ldrb w10, [x9]", map + 4096 + 7);
    EQUAL(seen.signal, SIGBUS);
    EQUAL(seen.code, BUS_ADRERR);
    EQUAL(seen.address, (uintptr_t)map + 4096 + 7);
}

/* Calls code; the value that it leaves in x0, also when it ends in the handler. */
static long call_code(void *code)
{
    register long x0 __asm__("x0") = 0;

    seen.count = 0;
    __asm__ volatile("adr x9, 1f\n str x9, [%1]\n blr %2\n1:\n"
                     : "+r"(x0)
                     : "r"(&resume), "r"(code)
                     : "x9", "x30", "memory");
    resume = 0;
    return x0;
}

/* Code in a file that is made shorter while it is mapped. */
static void test_file_gone(void)
{
    FILE *file = tmpfile();
    NEED(file && ftruncate(fileno(file), 8192) == 0);
    char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED, fileno(file), 0);
    NEED(map != MAP_FAILED);
    uint32_t *code = (uint32_t *)(map + 4096);
    code[-2] = 0x91000400; /* add x0, x0, #1 */
    code[-1] = 0x91000400;
    code[0] = 0xd65f03c0; /* ret */
    __builtin___clear_cache(map, map + 8192);
    EQUAL(ftruncate(fileno(file), 4096), 0);
    EQUAL(call_code(code - 2), 2);
    EQUAL(seen.count, 1);
    EQUAL(seen.signal, SIGBUS);
    EQUAL(seen.code, BUS_ADRERR);
    EQUAL(seen.pc, (uintptr_t)code);
    EQUAL(seen.address, (uintptr_t)code);
    EQUAL(ftruncate(fileno(file), 0), 0);
    EQUAL(call_code(map + 16), 0);
    EQUAL(seen.count, 1);
    EQUAL(seen.signal, SIGBUS);
    EQUAL(seen.pc, (uintptr_t)map + 16);
    fclose(file);
}

int main(void)
{
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    sigaction(SIGILL, &action, NULL);
    sigaction(SIGTRAP, &action, NULL);
    char *page = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(page != MAP_FAILED && munmap(page + 4096, 12288) == 0);
    char *hole = page + 4096;
    test_unmapped(hole);
    test_protected(page);
    test_straddle(page, hole);
    test_second_half(page, hole);
    /* once others see its memory, pairs are made in another way */
    NEED(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
    test_unmapped(hole);
    test_second_half(page, hole);
    test_values(hole);
    test_jumps(hole, page);
    test_undefined();
    test_alignment();
    test_file_end();
    test_file_gone();
    return test_end();
}
