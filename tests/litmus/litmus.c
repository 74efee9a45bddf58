/* SPDX-License-Identifier: MIT */
/*
 * Litmus tests of the Arm memory model (DDI 0487 B2.3): MP, SB, LB, WRC, 2+2W and IRIW with every
 * barrier, acquire and release form and dependency that forbids their weak outcome. litmus [RUNS
 * [REGEX [MS]]]: each test RUNS times, and on until its threads have met: until every hundredth run
 * had another outcome than the one before, but at most MS milliseconds [0] more. A forbidden
 * outcome is a failure. SB without any barrier is run as well: its outcome is allowed, and how
 * often it was seen tells how much the others prove.
 *
 * Each thread's part is assembled here into a loop over an array of pairs of variables. Each takes
 * them in another order within blocks of 32, so that threads which do not begin at quite the same
 * time meet all the same.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <regex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>

enum { BATCH = 20000, MAX_SPINS = 3000000, MAX_THREADS = 4, CODE_WORDS = 64 };

typedef struct Cell {
    _Alignas(64) uint32_t x;
    _Alignas(64) uint32_t y;
} Cell;

static Cell cells[BATCH];
static uint32_t results[MAX_THREADS][BATCH][2];
static uint32_t order[MAX_THREADS][BATCH]; /* in which each thread takes the cells */
static uint32_t *code;                     /* CODE_WORDS a thread */
static pthread_barrier_t barrier;
static atomic_int nb_arrived;
static volatile int nb_threads; /* of the test that is running; 0: end */

/* ---- the pieces ---------------------------------------------------------------------- */

typedef enum Form {
    STR,
    STLR,
    STLUR,
    STLUR_S,
    STILP,
    STLXR,
    SWPL,
    SWPAL,
    CASL,
    CASAL,
    LDR,
    LDAR,
    LDAPR,
    LDAPUR,
    LDAPUR_S,
    LDIAPP,
    LDAXR,
    LDADDA,
} Form;

/* Registers: X3 and X4 the addresses of x and y; W5 = 1, W6 = 2; loads go to W7 and W8. */
enum { X = 3, Y = 4, ONE = 5, TWO = 6, FIRST = 7, SECOND = 8 };

static uint32_t *emit_access(uint32_t *p, Form form, int addr, int reg)
{
    static const uint32_t words[] = {
        [STR] = 0xb9000000,    [STLR] = 0x889ffc00,  [STLUR] = 0x99000000,  [SWPL] = 0xb8608000,
        [SWPAL] = 0xb8e08000,  [CASL] = 0x88bffc00,  [CASAL] = 0x88fffc00,  [LDR] = 0xb9400000,
        [LDAR] = 0x88dffc00,   [LDAPR] = 0xb8bfc000, [LDAPUR] = 0x99400000, [LDAXR] = 0x885ffc00,
        [LDADDA] = 0xb8bf0000,
    };
    switch (form) {
    case STLXR:
        *p++ = 0x885f7c00 | addr << 5 | 9;                      /* 1: ldxr w9, [addr] */
        *p++ = 0x8800fc00 | 10 << 16 | addr << 5 | reg;         /* stlxr w10, reg, [addr] */
        *p++ = 0x35000000 | (uint32_t)(-2 & 0x7ffff) << 5 | 10; /* cbnz w10, 1b */
        break;
    case STLUR_S:
        *p++ = 0x1e270000 | reg << 5;  /* fmov s0, reg */
        *p++ = 0x9d000800 | addr << 5; /* stlur s0, [addr] */
        break;
    case LDAPUR_S:
        *p++ = 0x9d400800 | addr << 5; /* ldapur s0, [addr] */
        *p++ = 0x1e260000 | reg;       /* fmov reg, s0 */
        break;
    case STILP: /* the word behind a variable is free */
        *p++ = 0x99001800 | reg << 16 | addr << 5 | reg;
        break;
    case LDIAPP:
        *p++ = 0x99401800 | 9 << 16 | addr << 5 | reg;
        break;
    case SWPL:
    case SWPAL:
        *p++ = words[form] | reg << 16 | addr << 5 | 9;
        break;
    default:
        *p++ = words[form] | addr << 5 | reg;
    }
    return p;
}

typedef enum Dependency { NONE, ADDRESS, DATA, CONTROL_ISB } Dependency;

/* How two accesses of a thread are kept in order. */
typedef struct Order {
    const char *name;
    Form first;
    uint32_t fence; /* 0: none */
    Form second;
    Dependency dependency;
} Order;

#define FULL_FENCES(a, b)                                                            \
    { "dmb.sy", a, 0xd5033fbf, b, NONE }, { "dmb.ish", a, 0xd5033bbf, b, NONE },     \
        { "dmb.osh", a, 0xd50333bf, b, NONE }, { "dsb.sy", a, 0xd5033f9f, b, NONE }, \
    {                                                                                \
        "dsb.ish", a, 0xd5033b9f, b, NONE                                            \
    }
#define LOAD_FENCES(b)                                                                 \
    { "dmb.ld", LDR, 0xd5033dbf, b, NONE }, { "dmb.ishld", LDR, 0xd50339bf, b, NONE }, \
    {                                                                                  \
        "dsb.ishld", LDR, 0xd503399f, b, NONE                                          \
    }
#define ACQUIRES(b)                                                             \
    { "ldar", LDAR, 0, b, NONE }, { "ldapr", LDAPR, 0, b, NONE },               \
        { "ldapur", LDAPUR, 0, b, NONE }, { "ldapur.s", LDAPUR_S, 0, b, NONE }, \
        { "ldiapp", LDIAPP, 0, b, NONE }, { "ldaxr", LDAXR, 0, b, NONE },       \
    {                                                                           \
        "ldadda", LDADDA, 0, b, NONE                                            \
    }
#define RELEASES(a)                                                         \
    { "stlr", a, 0, STLR, NONE }, { "stlur", a, 0, STLUR, NONE },           \
        { "stlur.s", a, 0, STLUR_S, NONE }, { "stilp", a, 0, STILP, NONE }, \
        { "stlxr", a, 0, STLXR, NONE },                                     \
    {                                                                       \
        "swpl", a, 0, SWPL, NONE                                            \
    }

static const Order write_write[] = {
    FULL_FENCES(STR, STR),
    { "dmb.st", STR, 0xd5033ebf, STR, NONE },
    { "dmb.ishst", STR, 0xd5033abf, STR, NONE },
    { "dsb.ishst", STR, 0xd5033a9f, STR, NONE },
    RELEASES(STR),
    { NULL, 0, 0, 0, 0 },
};
static const Order read_read[] = {
    FULL_FENCES(LDR, LDR),
    LOAD_FENCES(LDR),
    ACQUIRES(LDR),
    { "address", LDR, 0, LDR, ADDRESS },
    { "control+isb", LDR, 0, LDR, CONTROL_ISB },
    { NULL, 0, 0, 0, 0 },
};
static const Order read_write[] = {
    FULL_FENCES(LDR, STR),         LOAD_FENCES(STR),     ACQUIRES(STR), RELEASES(LDR),
    { "data", LDR, 0, STR, DATA }, { NULL, 0, 0, 0, 0 },
};
static const Order write_read[] = {
    FULL_FENCES(STR, LDR),
    { "stlr+ldar", STLR, 0, LDAR, NONE },
    { "stlur+ldar", STLUR, 0, LDAR, NONE },
    { "stlxr+ldar", STLXR, 0, LDAR, NONE },
    { "stlr+ldaxr", STLR, 0, LDAXR, NONE },
    { "stlur.s+ldar", STLUR_S, 0, LDAR, NONE },
    { "stilp+ldar", STILP, 0, LDAR, NONE },
    { "swpal", SWPAL, 0, LDR, NONE },
    { "casal", CASAL, 0, LDR, NONE },
    { "swpl+ldar", SWPL, 0, LDAR, NONE },
    { "casl+ldar", CASL, 0, LDAR, NONE },
    { NULL, 0, 0, 0, 0 },
};
static const Order no_order = { "none", STR, 0, LDR, NONE };
static const Order one_write = { "one", STR, 0, STR, NONE };

/* ---- a thread's loop ----------------------------------------------------------------- */

/* The registers of the two accesses: a store's value, a load's result. */
typedef struct Access {
    int addr, reg;
} Access;

/* single: only the first access */
static void assemble(int thread, const Order *o, Access a, Access b, bool single)
{
    uint32_t *start = code + thread * CODE_WORDS, *p = start, *loop;

    *p++ = 0x52800025; /* mov w5, #1 */
    *p++ = 0x52800046; /* mov w6, #2 */
    *p++ = 0xaa0303ec; /* mov x12, x3 */
    loop = p;
    *p++ = 0xb840458b; /* ldr w11, [x12], #4 */
    *p++ = 0x8b0b1c03; /* add x3, x0, x11, lsl #7 */
    *p++ = 0x91010064; /* add x4, x3, #64 */
    p = emit_access(p, o->first, a.addr, a.reg);
    if (o->fence) {
        *p++ = o->fence;
    }
    if (o->dependency == CONTROL_ISB) {
        *p++ = 0x35000020 | a.reg; /* cbnz reg, the next */
        *p++ = 0xd5033fdf;         /* isb */
    } else if (o->dependency != NONE) {
        *p++ = 0x4a000009 | a.reg << 16 | a.reg << 5; /* eor w9, reg, reg */
    }
    if (o->dependency == ADDRESS) {
        *p++ = 0xb8604800 | 9 << 16 | b.addr << 5 | b.reg; /* ldr reg, [addr, w9, uxtw] */
    } else if (o->dependency == DATA) {
        *p++ = 0x0b000129 | b.reg << 16; /* add w9, w9, reg */
        p = emit_access(p, o->second, b.addr, 9);
    } else if (!single) {
        p = emit_access(p, o->second, b.addr, b.reg);
    }
    *p++ = 0x8b0b0c2d;                                       /* add x13, x1, x11, lsl #3 */
    *p++ = 0x290021a7;                                       /* stp w7, w8, [x13] */
    *p++ = 0xf1000442;                                       /* subs x2, x2, #1 */
    *p = 0x54000001 | (uint32_t)((loop - p) & 0x7ffff) << 5; /* b.ne loop */
    p++;
    *p++ = 0xd65f03c0; /* ret */
    __builtin___clear_cache((char *)start, (char *)p);
}

/* All threads of the test leave here at once, if there are processors for them. */
static void meet(void)
{
    atomic_fetch_add(&nb_arrived, 1);
    for (int spins = 0; atomic_load(&nb_arrived) < nb_threads; spins++) {
        if (spins > MAX_SPINS) {
            sched_yield();
        }
    }
}

typedef void Loop(Cell *cells, uint32_t (*results)[2], long count, const uint32_t *order);

/* Neighbours run on different processors. */
static void pin(int thread)
{
    cpu_set_t all, one;
    int nth;

    if (sched_getaffinity(0, sizeof(all), &all)) {
        return;
    }
    nth = thread % CPU_COUNT(&all);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &all) && nth-- == 0) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            sched_setaffinity(0, sizeof(one), &one);
            return;
        }
    }
}

static void *worker(void *arg)
{
    int self = (int)(intptr_t)arg;

    pin(self);

    for (;;) {
        pthread_barrier_wait(&barrier);
        if (!nb_threads) {
            return NULL;
        }
        if (self < nb_threads) {
            meet();
            Loop *loop = (Loop *)(code + self * CODE_WORDS);
            loop(cells, results[self], BATCH, order[self]);
        }
        pthread_barrier_wait(&barrier);
    }
}

/* ---- the tests ----------------------------------------------------------------------- */

static bool weak_mp(int i)
{
    return results[1][i][0] == 1 && results[1][i][1] == 0;
}
static bool weak_sb(int i)
{
    return results[0][i][1] == 0 && results[1][i][1] == 0;
}
static bool weak_lb(int i)
{
    return results[0][i][0] == 1 && results[1][i][0] == 1;
}
static bool weak_wrc(int i)
{
    return results[1][i][0] == 1 && results[2][i][0] == 1 && results[2][i][1] == 0;
}
static bool weak_2_2w(int i)
{
    return cells[i].x == 1 && cells[i].y == 1;
}
static bool weak_iriw(int i)
{
    return results[2][i][0] == 1 && results[2][i][1] == 0 && results[3][i][0] == 1 &&
           results[3][i][1] == 0;
}

static regex_t chosen;
static int nb_tests, nb_failed;
static bool has_lrcpc3;

static long runs = 1000000, extra_ms;

/* What all threads saw and left in cell i, two bits each. */
static unsigned outcome(int threads, int i)
{
    unsigned bits = cells[i].x << 2 | cells[i].y;

    for (int t = 0; t < threads; t++) {
        bits = bits << 4 | (results[t][i][0] & 3) << 2 | (results[t][i][1] & 3);
    }
    return bits;
}

static long now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

typedef struct Seen {
    long runs, weak, outcomes, changes;
} Seen;

static Seen weak_outcomes(int threads, bool (*weak)(int i))
{
    static uint8_t known[1 << 20];
    Seen seen = { 0, 0, 0, 0 };
    long end = 0;

    memset(known, 0, sizeof(known));
    memset(results, 0, sizeof(results));
    nb_threads = threads;
    while (seen.runs < runs || (seen.changes < runs / 100 && now_ms() < end)) {
        memset(cells, 0, sizeof(cells));
        nb_arrived = 0;
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
        for (int i = 0; i < BATCH; i++) {
            unsigned now = outcome(threads, i);

            seen.weak += weak(i);
            seen.outcomes += !known[now];
            seen.changes += i && now != outcome(threads, i - 1);
            known[now] = 1;
        }
        seen.runs += BATCH;
        if (seen.runs == runs) {
            end = now_ms() + extra_ms;
        }
    }
    return seen;
}

static bool uses_lrcpc3(const char *name)
{
    return strstr(name, "ur.s") || strstr(name, "stilp") || strstr(name, "ldiapp");
}

static void report(const char *test, const char *first, const char *second, int threads,
                   bool (*weak)(int i))
{
    char name[80];

    snprintf(name, sizeof(name), "%s %s %s", test, first, second);
    if (regexec(&chosen, name, 0, NULL, 0) || (!has_lrcpc3 && uses_lrcpc3(name))) {
        return;
    }
    Seen seen = weak_outcomes(threads, weak);
    nb_tests++;
    nb_failed += seen.weak != 0;
    printf("%sok %d - %s: %ld of %ld; %ld outcomes, %ld changes\n", seen.weak ? "not " : "",
           nb_tests, name, seen.weak, seen.runs, seen.outcomes, seen.changes);
}

static const Access wx = { X, ONE }, wy = { Y, ONE }, wx2 = { X, TWO }, wy2 = { Y, TWO };
static const Access rx = { X, FIRST }, ry = { Y, FIRST }, rx_then = { X, SECOND },
                    ry_then = { Y, SECOND };

static void message_passing(const Order *w, const Order *r)
{
    assemble(0, w, wx, wy, false);
    assemble(1, r, ry, rx_then, false);
    report("MP", w->name, r->name, 2, weak_mp);
}

static void write_to_read_causality(const Order *w, const Order *r)
{
    assemble(0, &one_write, wx, wy, true);
    assemble(1, w, rx, wy, false);
    assemble(2, r, ry, rx_then, false);
    report("WRC", w->name, r->name, 3, weak_wrc);
}

/* Every form of one thread with the plainest of the other, and the other way round. */
static void crossed(void (*test)(const Order *, const Order *), const Order *a, const Order *b)
{
    for (const Order *o = a; o->name; o++) {
        test(o, b);
    }
    for (const Order *o = b + 1; o->name; o++) {
        test(a, o);
    }
}

static void symmetric(void)
{
    for (const Order *o = write_read; o->name; o++) {
        assemble(0, o, wx, ry_then, false);
        assemble(1, o, wy, rx_then, false);
        report("SB", o->name, o->name, 2, weak_sb);
    }
    for (const Order *o = read_write; o->name; o++) {
        assemble(0, o, rx, wy, false);
        assemble(1, o, ry, wx, false);
        report("LB", o->name, o->name, 2, weak_lb);
    }
    for (const Order *o = write_write; o->name; o++) {
        assemble(0, o, wx, wy2, false);
        assemble(1, o, wy, wx2, false);
        report("2+2W", o->name, o->name, 2, weak_2_2w);
    }
    for (const Order *o = read_read; o->name; o++) {
        assemble(0, &one_write, wx, wy, true);
        assemble(1, &one_write, wy, wx, true);
        assemble(2, o, rx, ry_then, false);
        assemble(3, o, ry, rx_then, false);
        report("IRIW", o->name, o->name, 4, weak_iriw);
    }
}

int main(int argc, char **argv)
{
    pthread_t threads[MAX_THREADS];

    runs = argc > 1 ? atol(argv[1]) : runs;
    extra_ms = argc > 3 ? atol(argv[3]) : 0;
    if (runs < 1 || regcomp(&chosen, argc > 2 ? argv[2] : "", REG_EXTENDED | REG_NOSUB)) {
        fprintf(stderr, "usage: litmus [RUNS [REGEX [MS]]]\n");
        return 2;
    }
    runs = (runs + BATCH - 1) / BATCH * BATCH;
    code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    for (int i = 0; i < MAX_THREADS * BATCH; i++) {
        static const int mix[MAX_THREADS] = { 0, 31, 21, 10 };
        order[i / BATCH][i % BATCH] = (i % BATCH) ^ mix[i / BATCH];
    }
    has_lrcpc3 = getauxval(AT_HWCAP2) >> 46 & 1;
    pthread_barrier_init(&barrier, NULL, MAX_THREADS + 1);
    for (int i = 0; i < MAX_THREADS; i++) {
        if (pthread_create(&threads[i], NULL, worker, (void *)(intptr_t)i)) {
            perror("pthread_create");
            return 1;
        }
    }
    assemble(0, &no_order, wx, ry_then, false);
    assemble(1, &no_order, wy, rx_then, false);
    Seen seen = weak_outcomes(2, weak_sb);
    printf("# SB without order, which is allowed: %ld of %ld; %ld outcomes, %ld changes\n",
           seen.weak, seen.runs, seen.outcomes, seen.changes);
    crossed(message_passing, write_write, read_read);
    crossed(write_to_read_causality, read_write, read_read);
    symmetric();
    nb_threads = 0;
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < MAX_THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    printf("1..%d\n", nb_tests);
    return nb_failed != 0;
}
