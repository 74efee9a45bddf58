/* SPDX-License-Identifier: MIT */
/*
 * Runs A64 instructions on made-up states and prints what they did, so that two machines can be
 * compared: runner INSTRUCTIONS [FIRST [LAST]]; SEQ=n in the environment: runs of n instructions.
 *
 * INSTRUCTIONS is a file of 32-bit words (tests/diff/generate.py). For each run a line is printed:
 * index, first word, last signal, a hash of all that changed; with FIRST the whole state of those
 * from FIRST to LAST. X24, X28 and SP point into memory, X27 is a small offset, X25 the address
 * behind the run; X26 is the runner's own. FPCR=hex in the environment is the mode of all runs;
 * with BY_WORD set a run's state follows from its first word, not from the index.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "runner.h"

static State state, before;
static uint8_t mem_before[SCRATCH_SIZE];
static uint64_t seed = 1;

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
        0,
        1,
        2,
        0x7f,
        0x80,
        0xff,
        0x7fff,
        0x8000,
        0xffff,
        0x7fffffff,
        0x80000000,
        0xffffffff,
        0x100000000,
        0x7fffffffffffffff,
        0x8000000000000000,
        ~0ull,
        0x8000000080000000,
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
        0,
        0x8000000000000000,
        0x3ff0000000000000,
        0xbff8000000000000,
        0x7ff0000000000000,
        0xfff0000000000000,
        0x7ff8000000000001,
        0x7ff0000000000001,
        1,
        0x000fffffffffffff,
        0x0010000000000000,
        0x7fefffffffffffff,
        0x43e0000000000000,
        0x41e0000000000000,
        0x3fe0000000000000,
        0x41dfffffffc00000,
    };
    static const uint32_t singles[] = {
        0, 0x80000000, 0x3f800000, 0xbfc00000, 0x7f800000, 0xff800000, 0x7fc00001, 0x7f800001,
        1, 0x007fffff, 0x00800000, 0x7f7fffff, 0x4f000000, 0x5f000000, 0x3f000000, 0x4effffff,
    };
    static const uint16_t halves[] = {
        0,      0x8000, 0x3c00, 0xbe00, 0x7c00, 0xfc00, 0x7e01,
        0x7c01, 1,      0x03ff, 0x0400, 0x7bff, 0x3800, 0x7800,
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

/* Rounding modes, FZ16, FZ, DN, AHP; half of the runs have none of them. */
static uint32_t random_fpcr(void)
{
    uint32_t r = rnd() >> 32;

    return r & 1 ? r & 0x07c80000 & rnd() : 0;
}

/* Memory begins as random as it can be had for a copy: at another place of one long table each
 * time. */
static void fill_memory(void)
{
    enum { WORDS = 1024, PLACES = 512 };
    static uint64_t table[WORDS + PLACES];
    uint64_t place = rnd() >> 32;

    if (!table[0]) {
        uint64_t keep = seed;
        seed = 1;
        for (int i = 0; i < WORDS + PLACES; i++) {
            table[i] = rnd() & 1 ? rnd() | 1 : edgy_float();
        }
        table[0] |= 1;
        seed = keep;
    }
    memcpy(SCRATCH + SCRATCH_SIZE / 2 - WORDS * 4, table + place % PLACES, WORDS * 8);
}

static void make_state(uint64_t which, int n)
{
    seed = 0x9e3779b97f4a7c15 * (which + 1);
    for (int i = 0; i < 31; i++) {
        state.x[i] = edgy();
    }
    state.x[24] = (uintptr_t)SCRATCH + SCRATCH_SIZE / 2 - 512;
    state.x[25] = (uintptr_t)(SLOT + n);
    state.x[27] = (int64_t)(rnd() % 512) - 256;
    state.x[28] = (uintptr_t)SCRATCH + SCRATCH_SIZE / 2 + (rnd() & 3 ? 0 : rnd() % 64);
    state.x[31] = (uintptr_t)SCRATCH + SCRATCH_SIZE / 2 + 256;
    for (int i = 0; i < 32; i++) {
        state.v[i][0] = edgy_float();
        state.v[i][1] = edgy_float();
    }
    state.nzcv = rnd() & 0xf0000000;
    state.fpsr = 0;
    state.fpcr = getenv("FPCR") ? strtoull(getenv("FPCR"), NULL, 16) : random_fpcr();
    fill_memory();
}

enum { HASHED = 8192 }; /* bytes of memory on each side of the middle */

/* Four chains at once; size is a multiple of 8 */
static uint64_t hash(uint64_t h, const void *data, size_t size)
{
    const uint64_t *p = data, prime = 0x9e3779b97f4a7c15;
    uint64_t lane[4] = { h, h + 1, h + 2, h + 3 };
    size_t n = size / 8, i = 0;

    for (; i + 4 <= n; i += 4) {
        for (int k = 0; k < 4; k++) {
            lane[k] = (lane[k] ^ p[i + k] ^ lane[k] >> 31) * prime;
        }
    }
    for (; i < n; i++) {
        lane[0] = (lane[0] ^ p[i] ^ lane[0] >> 31) * prime;
    }
    h = lane[0];
    for (int k = 1; k < 4; k++) {
        h = (h ^ lane[k] ^ h >> 29) * prime;
    }
    return h;
}

static void print_state(const Outcome *out)
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
    printf("  nzcv %08lx -> %08lx, fpsr %08lx, fpcr %08lx, %d signals (%016lx)\n", before.nzcv,
           state.nzcv, state.fpsr, state.fpcr, out->nb, out->hash);
    for (int i = 0; i < SCRATCH_SIZE; i += 8) {
        uint64_t *was = (uint64_t *)(mem_before + i), *is = (uint64_t *)(SCRATCH + i);
        if (*was != *is) {
            printf("  mem %08x: %016lx -> %016lx\n", i, *was, *is);
        }
    }
}

static void run(long index, const uint32_t *insns, int n, int print)
{
    make_state(getenv("BY_WORD") ? insns[0] : (uint64_t)index, n);
    if (print) {
        before = state;
        memcpy(mem_before, SCRATCH, SCRATCH_SIZE);
    }
    Outcome out = machine_run(&state, insns, n);
    uint64_t h = hash(out.hash, state.x, 26 * 8);
    h = hash(h, state.x + 27, 5 * 8);
    h = hash(h, state.v, sizeof(state.v) + 24);
    h = hash(h, SCRATCH + SCRATCH_SIZE / 2 - HASHED, 2 * HASHED);
    printf("%ld %08x %d %016lx\n", index, insns[0], out.signo, h);
    if (print) {
        print_state(&out);
    }
}

int main(int argc, char **argv)
{
    FILE *f = argc > 1 ? fopen(argv[1], "rb") : NULL;
    long first = argc > 2 ? atol(argv[2]) : 0, last = argc > 3 ? atol(argv[3]) : first;
    int n = getenv("SEQ") ? atoi(getenv("SEQ")) : 1;
    uint32_t insns[MAX_INSNS];

    if (n < 1 || n > MAX_INSNS) {
        fprintf(stderr, "%s: SEQ is 1 to %d\n", argv[0], MAX_INSNS);
        return 2;
    }
    if (!f) {
        fprintf(stderr, "usage: %s INSTRUCTIONS [FIRST [LAST]]\n", argv[0]);
        return 2;
    }
    if (mmap(CODE, CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != CODE ||
        mmap(SCRATCH, SCRATCH_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
             -1, 0) != SCRATCH) {
        perror("mmap");
        return 1;
    }
    machine_init();
    for (int i = LITERALS; i < 1024; i++) {
        SLOT[i] = (uint32_t)rnd();
    }
    for (long i = 0; fread(insns, 4 * n, 1, f) == 1; i++) {
        if (argc <= 2 || (i >= first && i <= last)) {
            run(i, insns, n, argc > 2);
        }
    }
    return 0;
}
