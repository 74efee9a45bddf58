/* SPDX-License-Identifier: MIT */
/*
 * Single-copy atomicity with FEAT_LSE2 (DDI 0487 B2.2.1): one thread stores zeros and ones in turn,
 * another loads; what is half of one and half of the other is a tear. atomicity [CHANGES [MS]]: of
 * each form and place, until a load has given another value than the one before CHANGES times
 * [10000], which shows that both ran at the same time, but at most MS milliseconds [1000]. Two
 * stores in place of one are run as well: they may be seen torn. (LDXP alone promises nothing for
 * two X registers: the store-exclusive behind it tells.)
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <time.h>

enum { HWCAP_USCAT_BIT = 1 << 25 };

typedef struct Form {
    const char *name;
    int first, last, step; /* places in the 16 bytes */
    void (*store)(void *p, uint64_t val);
    void (*load)(const void *p, int64_t val[2]); /* both halves, or one value twice */
} Form;

#define STORE(name, text)                                                               \
    static void name(void *p, uint64_t val)                                             \
    {                                                                                   \
        __asm__ volatile("dup v0.2d, %1\n" text : : "r"(p), "r"(val) : "memory", "v0"); \
    }
#define LOAD(name, text)                                      \
    static void name(const void *p, int64_t val[2])           \
    {                                                         \
        __asm__ volatile(text                                 \
                         : "=&r"(val[0]), "=&r"(val[1])       \
                         : "r"(p)                             \
                         : "memory", "v0", "v1", "x2", "x3"); \
    }

STORE(stp_x, "stp %1, %1, [%0]")
STORE(stp_w, "stp %w1, %w1, [%0]")
STORE(str_x, "str %1, [%0]")
STORE(str_w, "str %w1, [%0]")
STORE(str_h, "strh %w1, [%0]")
STORE(str_q, "str q0, [%0]")
STORE(str_twice, "str %1, [%0]\nstr %1, [%0, #8]")
LOAD(ldp_x, "ldp %0, %1, [%2]")
LOAD(ldnp_x, "ldnp %0, %1, [%2]")
LOAD(ldp_w, "ldp w2, w3, [%2]\nsxtw %0, w2\nsxtw %1, w3")
LOAD(ldr_x, "ldr %0, [%2]\nmov %1, %0")
LOAD(ldr_w, "ldrsw %0, [%2]\nmov %1, %0")
LOAD(ldr_h, "ldrsh %0, [%2]\nmov %1, %0")
LOAD(ldr_q, "ldr q0, [%2]\nmov %0, v0.d[0]\nmov %1, v0.d[1]")

static const Form forms[] = {
    { "STP X, LDP X", 0, 0, 16, stp_x, ldp_x }, { "STP X, LDNP X", 0, 0, 16, stp_x, ldnp_x },
    { "STP X, LDR Q", 0, 0, 16, stp_x, ldr_q }, { "STR Q, LDP X", 0, 0, 16, str_q, ldp_x },
    { "STP W, LDP W", 0, 8, 1, stp_w, ldp_w },  { "STP W, LDR X", 0, 8, 1, stp_w, ldr_x },
    { "STR X, LDP W", 0, 8, 1, str_x, ldp_w },  { "STR X, LDR X", 0, 8, 1, str_x, ldr_x },
    { "STR W, LDRSW", 0, 12, 1, str_w, ldr_w }, { "STRH, LDRSH", 0, 14, 1, str_h, ldr_h },
};
static const Form control = { "two STR, LDP X", 0, 0, 16, str_twice, ldp_x };

/* In a cache line of its own; the 16 bytes are its second quarter. */
static struct {
    _Alignas(64) uint8_t bytes[64];
} line;

static const Form *current;
static void *place;
static atomic_bool stop;
static pthread_barrier_t barrier;

static void *writer(void *arg)
{
    for (;;) {
        pthread_barrier_wait(&barrier);
        if (!current) {
            return arg;
        }
        for (uint64_t val = 0; !atomic_load_explicit(&stop, memory_order_relaxed); val = ~val) {
            current->store(place, val);
        }
        pthread_barrier_wait(&barrier);
    }
}

static long now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

typedef struct Count {
    long loads, changes, torn;
} Count;

static void run(const Form *form, int at, long changes, long ms, Count *count)
{
    long end = now_ms() + ms;
    int64_t before = 0;

    current = form;
    place = line.bytes + 16 + at;
    atomic_store(&stop, false);
    form->store(place, 0);
    changes += count->changes;
    pthread_barrier_wait(&barrier);
    while (count->changes < changes && now_ms() < end) {
        for (int n = 0; n < 10000; n++) {
            int64_t val[2];

            form->load(place, val);
            count->torn += val[0] != val[1] || (val[0] != 0 && val[0] != -1);
            count->changes += val[0] != before;
            before = val[0];
        }
        count->loads += 10000;
    }
    atomic_store(&stop, true);
    pthread_barrier_wait(&barrier);
}

int main(int argc, char **argv)
{
    long changes = argc > 1 ? atol(argv[1]) : 10000, ms = argc > 2 ? atol(argv[2]) : 1000;
    bool failed = false;
    Count count = { 0, 0, 0 };
    pthread_t thread;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!(getauxval(AT_HWCAP) & HWCAP_USCAT_BIT)) {
        printf("1..0 # SKIP this CPU has no FEAT_LSE2\n");
        return 0;
    }
    pthread_barrier_init(&barrier, NULL, 2);
    if (pthread_create(&thread, NULL, writer, NULL)) {
        perror("pthread_create");
        return 1;
    }
    for (unsigned i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
        const Form *f = &forms[i];

        count = (Count){ 0, 0, 0 };
        for (int at = f->first; at <= f->last; at += f->step) {
            run(f, at, changes, ms, &count);
        }
        failed |= count.torn != 0;
        printf("%sok %u - %s: %ld loads, %ld changes, %ld torn\n", count.torn ? "not " : "", i + 1,
               f->name, count.loads, count.changes, count.torn);
    }
    count = (Count){ 0, 0, 0 };
    run(&control, 0, changes, ms, &count);
    printf("# %s: %ld loads, %ld changes, %ld torn\n", control.name, count.loads, count.changes,
           count.torn);
    printf("1..%zu\n", sizeof(forms) / sizeof(*forms));
    current = NULL;
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    return failed;
}
