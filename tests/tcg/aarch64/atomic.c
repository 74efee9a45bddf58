/* SPDX-License-Identifier: MIT */
/* Atomics under contention: LL/SC loops, LSE, 128 bits, and the order of messages. */
#include "test.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { THREADS = 4, ROUNDS = 30000 };

static struct {
    uint64_t llsc, lse, cas, pair[2] __attribute__((aligned(16)));
    uint32_t word;
    uint16_t half;
    uint8_t byte;
} shared __attribute__((aligned(64)));

static void *add(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t old, new, a, b;
        uint32_t failed;
        __asm__ volatile("1: ldaxr %0, [%2]\n"
                         "   add %0, %0, #3\n"
                         "   stlxr %w1, %0, [%2]\n"
                         "   cbnz %w1, 1b\n"
                         : "=&r"(old), "=&r"(failed)
                         : "r"(&shared.llsc)
                         : "memory");
        __asm__ volatile(".arch_extension lse\n ldaddal %0, %1, [%2]\n"
                         : "+r"((uint64_t){ 5 }), "=r"(old)
                         : "r"(&shared.lse)
                         : "memory");
        do {
            old = *(volatile uint64_t *)&shared.cas;
            new = old;
            __asm__ volatile("casal %0, %1, [%2]\n"
                             : "+r"(new)
                             : "r"(old + 7), "r"(&shared.cas)
                             : "memory");
        } while (new != old);
        __asm__ volatile("1: ldaxp %0, %1, [%3]\n"
                         "   adds %0, %0, #1\n"
                         "   adc %1, %1, %0\n"
                         "   stlxp %w2, %0, %1, [%3]\n"
                         "   cbnz %w2, 1b\n"
                         : "=&r"(a), "=&r"(b), "=&r"(failed)
                         : "r"(shared.pair)
                         : "memory", "cc");
        __asm__ volatile("1: ldxrh %w0, [%2]\n"
                         "   add %w0, %w0, #1\n"
                         "   stxrh %w1, %w0, [%2]\n"
                         "   cbnz %w1, 1b\n"
                         : "=&r"(old), "=&r"(failed)
                         : "r"(&shared.half)
                         : "memory");
        __asm__ volatile("ldaddb %w0, wzr, [%1]\n" : : "r"(1), "r"(&shared.byte) : "memory");
        __asm__ volatile("stadd %w0, [%1]\n" : : "r"(2), "r"(&shared.word) : "memory");
    }
    return arg;
}

static void test_contention(void)
{
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++) {
        NEED(pthread_create(&thread[i], NULL, add, NULL) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
    }
    uint64_t n = THREADS * ROUNDS;
    EQUAL(shared.llsc, 3 * n);
    EQUAL(shared.lse, 5 * n);
    EQUAL(shared.cas, 7 * n);
    EQUAL(shared.pair[0], n);
    EQUAL(shared.pair[1], n * (n + 1) / 2);
    EQUAL(shared.half, (uint16_t)n);
    EQUAL(shared.byte, (uint8_t)n);
    EQUAL(shared.word, (uint32_t)(2 * n));
}

/* Data, then a flag with release; whoever acquires the flag sees the data. */
static struct {
    uint64_t data[8];
    atomic_ulong flag __attribute__((aligned(128)));
} message;

/* On a machine with one CPU the other thread runs only if this one lets it. */
static void wait_for_flag(uint64_t val)
{
    for (int spins = 1; atomic_load_explicit(&message.flag, memory_order_acquire) != val; spins++) {
        if (spins % 1000 == 0) {
            sched_yield();
        }
    }
}

static void *sender(void *arg)
{
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        wait_for_flag(2 * i - 2);
        for (int k = 0; k < 8; k++) {
            message.data[k] = i * 8 + k;
        }
        atomic_store_explicit(&message.flag, 2 * i - 1, memory_order_release);
    }
    return arg;
}

static void test_messages(void)
{
    pthread_t thread;
    int wrong = 0;
    pthread_create(&thread, NULL, sender, NULL);
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        wait_for_flag(2 * i - 1);
        for (int k = 0; k < 8; k++) {
            wrong += message.data[k] != i * 8 + k;
        }
        atomic_store_explicit(&message.flag, 2 * i, memory_order_release);
    }
    pthread_join(thread, NULL);
    EQUAL(wrong, 0);
}

/* Store buffering: with sequential consistency both threads cannot miss the other's store. */
static atomic_int x, y, seen_x, seen_y;
static pthread_barrier_t barrier;

static void *store_x(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        pthread_barrier_wait(&barrier);
        atomic_store(&x, 1);
        seen_y = atomic_load(&y);
        pthread_barrier_wait(&barrier);
    }
    return arg;
}

static void test_sequential(void)
{
    pthread_t thread;
    int both_missed = 0;
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, store_x, NULL);
    for (int i = 0; i < 2000; i++) {
        x = y = 0;
        pthread_barrier_wait(&barrier);
        __asm__ volatile("stlr %w0, [%1]\n" : : "r"(1), "r"(&y) : "memory");
        __asm__ volatile("ldar %w0, [%1]\n" : "=r"(*(int *)&seen_x) : "r"(&x) : "memory");
        pthread_barrier_wait(&barrier);
        both_missed += !seen_x && !seen_y;
    }
    pthread_join(thread, NULL);
    EQUAL(both_missed, 0);
}

int main(void)
{
    test_contention();
    test_messages();
    test_sequential();
    return test_end();
}
