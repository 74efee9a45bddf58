/* SPDX-License-Identifier: MIT */
/*
 * What another thread does between a load-exclusive and its store-exclusive, when the first thread
 * can see that it was done: a store-exclusive that succeeds then is wrong, even if the word has its
 * value again (DDI 0487 B2.12, the global monitor).
 */
#include "test.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/auxv.h>

enum { HWCAP_ATOMICS_BIT = 1 << 8, ROUNDS = 300 };

static uint64_t line[32] __attribute__((aligned(256)));
static uint64_t *const word = &line[8];
static atomic_int turn;
static void (*other)(void); /* what the other thread does in its turn */

/* --- ways to change the word and change it back ---------------------------------------- */

#define WAY(name, insns)                                                                       \
    static void name(void)                                                                     \
    {                                                                                          \
        __asm__ volatile(".arch armv8.4-a\n mov x10, #1\n mov x11, #2\n" insns                 \
                         :                                                                     \
                         : "r"(word)                                                           \
                         : "x9", "x10", "x11", "x12", "v0", "v1", "v2", "v3", "cc", "memory"); \
    }

WAY(nothing, "")
WAY(elsewhere, "str x11, [%0, #-64]\n str x10, [%0, #-64]")
WAY(plain, "str x11, [%0]\n str x10, [%0]")
WAY(byte, "strb w11, [%0]\n strb w10, [%0]")
WAY(same_value, "str x10, [%0]\n str x10, [%0]")
WAY(indexed,
    "mov x12, #8\n sub x9, %0, #64\n str x11, [x9, x12, lsl #3]\n str x10, [x9, x12, lsl #3]")
WAY(written_back, "mov x9, %0\n str x11, [x9], #8\n str x10, [x9, #-8]!")
WAY(pair, "stp x11, x11, [%0]\n stp x10, x11, [%0]")
WAY(second_of_pair, "stp x11, x11, [%0, #-8]\n stp x11, x10, [%0, #-8]")
WAY(straddling, "sub x9, %0, #4\n ldr x12, [x9]\n str xzr, [x9]\n str x12, [x9]")
WAY(released, "stlr x11, [%0]\n stlr x10, [%0]")
WAY(vector, "ldr q0, [%0]\n movi v1.2d, #0\n str q1, [%0]\n str q0, [%0]")
WAY(vector_pair, "ldp q0, q1, [%0]\n stp q1, q1, [%0]\n stp q0, q1, [%0]")
WAY(structures, "ld4 {v0.2d-v3.2d}, [%0]\n st1 {v1.2d}, [%0]\n st4 {v0.2d-v3.2d}, [%0]")
WAY(lane, "ldr q0, [%0]\n movi v1.2d, #0\n st1 {v1.d}[0], [%0]\n st1 {v0.d}[0], [%0]")
WAY(zeroed, "dc zva, %0\n str x10, [%0]")
WAY(exclusive, "1: ldxr x9, [%0]\n stxr w9, x11, [%0]\n cbnz w9, 1b\n"
               "2: ldxr x9, [%0]\n stxr w9, x10, [%0]\n cbnz w9, 2b")
WAY(swapped, "swp x11, x9, [%0]\n swp x9, x11, [%0]")
WAY(compared, "mov x9, x10\n cas x9, x11, [%0]\n mov x9, x11\n cas x9, x10, [%0]")
WAY(added, "ldadd x10, x9, [%0]\n neg x12, x10\n stadd x12, [%0]")

/* --- the two threads ------------------------------------------------------------------- */

static void wait_for(int who)
{
    for (int spins = 0; atomic_load(&turn) != who; spins++) {
        if (spins > 1000) {
            sched_yield();
        }
    }
}

static void *second_thread(void *arg)
{
    for (;;) {
        wait_for(1);
        if (!other) {
            return arg;
        }
        other();
        atomic_store(&turn, 0);
    }
}

/* Loads and stores only, so that the monitor stays: no call, no system call. */
static bool exclusive_around_turn(void)
{
    uint64_t value;
    uint32_t failed, seen;

    __asm__ volatile("ldaxr %0, [%3]\n"
                     "mov %w1, #1\n stlr %w1, [%4]\n"
                     "1: ldar %w1, [%4]\n cbnz %w1, 1b\n"
                     "stlxr %w2, %0, [%3]"
                     : "=&r"(value), "=&r"(seen), "=&r"(failed)
                     : "r"(word), "r"(&turn)
                     : "memory");
    return !failed;
}

static int successes(void (*way)(void))
{
    int n = 0;

    other = way;
    for (int i = 0; i < ROUNDS; i++) {
        *word = 1;
        n += exclusive_around_turn();
        CHECK(*word == 1 || way == zeroed);
    }
    return n;
}

/* A system call's return clears the local monitor. */
static void test_system_call(void)
{
    int n = 0;

    for (int i = 0; i < 100; i++) {
        register uint64_t number __asm__("x8") = 178, result __asm__("x0"); /* gettid */
        uint32_t failed;
        uint64_t value;
        __asm__ volatile("ldxr %0, [%4]\n svc #0\n stxr %w1, %0, [%4]"
                         : "=&r"(value), "=&r"(failed), "=r"(result)
                         : "r"(number), "r"(word)
                         : "memory");
        n += !failed;
    }
    EQUAL(n, 0);
}

int main(void)
{
    static const struct {
        const char *name;
        void (*way)(void);
        bool atomics; /* FEAT_LSE */
    } ways[] = {
        { "str", plain, false },
        { "strb", byte, false },
        { "the same value", same_value, false },
        { "indexed", indexed, false },
        { "written back", written_back, false },
        { "stp", pair, false },
        { "stp's second", second_of_pair, false },
        { "straddling", straddling, false },
        { "stlr", released, false },
        { "str q", vector, false },
        { "stp q", vector_pair, false },
        { "st4", structures, false },
        { "st1 lane", lane, false },
        { "dc zva", zeroed, false },
        { "stxr", exclusive, false },
        { "swp", swapped, true },
        { "cas", compared, true },
        { "ldadd", added, true },
    };
    bool atomics = getauxval(AT_HWCAP) & HWCAP_ATOMICS_BIT;
    pthread_t thread;

    test_system_call();
    NEED(!pthread_create(&thread, NULL, second_thread, NULL));
    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
        int n = ways[i].atomics && !atomics ? 0 : successes(ways[i].way);
        if (n) {
            printf("%s: %d of %d store-exclusives succeeded\n", ways[i].name, n, ROUNDS);
            test_failed();
        }
    }
    CHECK(successes(nothing) > 0);
    CHECK(successes(elsewhere) > 0);
    test_system_call();
    other = NULL;
    atomic_store(&turn, 1);
    pthread_join(thread, NULL);
    return test_end();
}
