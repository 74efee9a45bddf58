/* SPDX-License-Identifier: MIT */
/* Pointer authentication and branch targets, where the CPU model has them. */
#include "test.h"
#include <asm/hwcap.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#ifndef PROT_BTI
#define PROT_BTI 0x10
#endif

static sigjmp_buf escape;
static volatile int code;

static void handler(int signal, siginfo_t *info, void *context)
{
    (void)context;
    code = info->si_code;
    siglongjmp(escape, signal);
}

/* The forms in the hint space do nothing on a CPU without the feature. */
__attribute__((noinline)) static uint64_t hinted(uint64_t x)
{
    __asm__ volatile("hint #25\n" /* paciasp */
                     "hint #29\n" /* autiasp */
                     "hint #34\n" /* bti c */
                     "hint #36\n" /* bti j */
                     ::);
    return x * 3;
}

static void test_pauth(void)
{
    uint64_t pointer = (uintptr_t)test_pauth, signed_a, signed_b, back, stripped, generic;
    register uint64_t modifier __asm__("x10") = 0x1234;
    __asm__(".arch_extension pauth\n mov %0, %1\n pacia %0, %2\n"
            : "=&r"(signed_a)
            : "r"(pointer), "r"(modifier));
    __asm__("mov %0, %1\n pacdb %0, %2\n" : "=&r"(signed_b) : "r"(pointer), "r"(modifier));
    CHECK(signed_a != pointer || signed_b != pointer);
    CHECK((signed_a & 0xffffffffffff) == pointer);
    __asm__("mov %0, %1\n autia %0, %2\n" : "=&r"(back) : "r"(signed_a), "r"(modifier));
    EQUAL(back, pointer);
    __asm__("mov %0, %1\n autdb %0, %2\n" : "=&r"(back) : "r"(signed_b), "r"(modifier));
    EQUAL(back, pointer);
    __asm__("mov %0, %1\n xpaci %0\n" : "=&r"(stripped) : "r"(signed_a));
    EQUAL(stripped, pointer);
    __asm__("pacga %0, %1, %2\n" : "=r"(generic) : "r"(pointer), "r"(modifier));
    EQUAL(generic & 0xffffffff, 0);
    /* A wrong modifier gives a pointer that cannot be used. */
    int caught = 0;
    for (uint64_t i = 1; i <= 8; i++) {
        __asm__("mov %0, %1\n autia %0, %2\n" : "=&r"(back) : "r"(signed_a), "r"(modifier + i));
        caught += back != pointer;
    }
    CHECK(caught >= 6);
}

/* Signs X17 (by X16) or X30 (by 0 or SP) with one hint and takes the code off with another. */
#define HINTS(sign, auth)                                                                        \
    ({                                                                                           \
        uint64_t x17_, x30_;                                                                     \
        __asm__ volatile("mov x9, x30\n mov x16, #77\n mov x17, %2\n mov x30, %2\n" sign "\n"    \
                         "eor x10, x17, x30\n" auth "\n mov %0, x17\n mov %1, x30\n mov x30, x9" \
                         : "=r"(x17_), "=r"(x30_)                                                \
                         : "r"((uintptr_t)test_hints)                                            \
                         : "x9", "x10", "x16", "x17");                                           \
        EQUAL(x17_, (uintptr_t)test_hints);                                                      \
        EQUAL(x30_, (uintptr_t)test_hints);                                                      \
    })

static void test_hints(void)
{
    HINTS("pacia1716", "autia1716");
    HINTS("pacib1716", "autib1716");
    HINTS("paciaz", "autiaz");
    HINTS("pacibz", "autibz");
    HINTS("paciasp", "autiasp");
    HINTS("pacibsp", "autibsp");
    HINTS("pacibsp", "xpaclri");
}

#define ZERO(key)                                                                             \
    ({                                                                                        \
        uint64_t back_;                                                                       \
        __asm__ volatile("mov %0, %1\n pac" key "za %0\n aut" key "za %0\n pac" key "zb %0\n" \
                         "aut" key "zb %0"                                                    \
                         : "=&r"(back_)                                                       \
                         : "r"((uintptr_t)test_hints));                                       \
        EQUAL(back_, (uintptr_t)test_hints);                                                  \
    })

static uint64_t table[4] = { 5, 6, 7, 8 };

/* Branches and loads that check a code themselves. */
static void test_combined(void)
{
    uint64_t count, loaded, base = (uintptr_t)(table + 1);

    ZERO("i");
    ZERO("d");
    __asm__ volatile("mov %0, #0\n mov x9, x30\n mov x11, #99\n"
                     "adr x10, 1f\n paciza x10\n braaz x10\n b 9f\n1: add %0, %0, #1\n"
                     "adr x10, 2f\n pacizb x10\n brabz x10\n b 9f\n2: add %0, %0, #1\n"
                     "adr x10, 3f\n pacia x10, x11\n braa x10, x11\n b 9f\n3: add %0, %0, #1\n"
                     "adr x10, 4f\n paciza x10\n blraaz x10\n b 9f\n4: add %0, %0, #1\n"
                     "adr x10, 5f\n pacib x10, x11\n blrab x10, x11\n b 9f\n5: add %0, %0, #1\n"
                     "adr x30, 6f\n paciasp\n retaa\n b 9f\n6: add %0, %0, #1\n"
                     "adr x30, 7f\n pacibsp\n retab\n b 9f\n7: add %0, %0, #1\n"
                     "9: mov x30, x9"
                     : "=&r"(count)
                     :
                     : "x9", "x10", "x11");
    EQUAL(count, 7);
    __asm__ volatile("pacdza %1\n ldraa %0, [%1, #8]" : "=&r"(loaded), "+r"(base));
    EQUAL(loaded, 7);
    base = (uintptr_t)(table + 1);
    __asm__ volatile("pacdzb %1\n ldrab %0, [%1, #-8]!" : "=&r"(loaded), "+r"(base));
    EQUAL(loaded, 5);
    EQUAL(base, (uintptr_t)table);
}

static void test_bti(void)
{
    uint32_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(page != MAP_FAILED);
    page[0] = 0xd503245f; /* bti c */
    page[1] = 0xd65f03c0; /* ret */
    page[2] = 0xd2800000; /* mov x0, #0 */
    page[3] = 0xd65f03c0;
    NEED(mprotect(page, 4096, PROT_READ | PROT_EXEC | PROT_BTI) == 0);
    __builtin___clear_cache((char *)page, (char *)(page + 4));
    int signal = sigsetjmp(escape, 1);
    if (signal == 0) {
        ((void (*volatile)(void))page)();
    }
    EQUAL(signal, 0);
    signal = sigsetjmp(escape, 1);
    if (signal == 0) {
        ((void (*volatile)(void))(page + 2))();
        code = 0;
    }
    EQUAL(signal, SIGILL);
    EQUAL(code, ILL_ILLOPC);
}

int main(void)
{
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
    sigaction(SIGILL, &action, NULL);
    EQUAL(hinted(14), 42);
    if (getauxval(AT_HWCAP) & HWCAP_PACA) {
        test_pauth();
        test_hints();
        test_combined();
    }
    if (getauxval(AT_HWCAP2) & HWCAP2_BTI) {
        test_bti();
    }
    return test_end();
}
