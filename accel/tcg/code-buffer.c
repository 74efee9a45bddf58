/* SPDX-License-Identifier: MIT */
/*
 * Code memory: one piece mapped twice, writable and executable, cut into regions. A thread owns the
 * region that it appends to, so emitting needs no lock. When no region is free the oldest half of
 * the full ones is retired: its blocks are unlinked at once, its memory is used again when every
 * CPU has been at a quiet point since, because until then a thread may be in that code or have its
 * return stack point into it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

enum {
    STEP_MIN = 32 * 1024, /* memory is made present in steps, at first small ones */
    STEP_MAX = 128 * 1024,
    PROLOGUE_SIZE = 16384,
    DEFAULT_BUFFER = 256 * 1024 * 1024
};

TCGEngine engine = { .lock = PTHREAD_MUTEX_INITIALIZER, .code_min = UINT64_MAX };

/*
 * Shared anonymous memory, which the kernel maps a second time if it is "moved" with an old size of
 * 0 (mremap(2)). A memfd would fall under the guest's limit on the size of files.
 */
static uint8_t *make_memory(void)
{
    return mmap(NULL, engine.size, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static bool map_executable(int flags, void *at)
{
    engine.rx = mremap(engine.rw, 0, engine.size, MREMAP_MAYMOVE | flags, at);
    return engine.rx != MAP_FAILED && !mprotect(engine.rx, engine.size, PROT_READ | PROT_EXEC);
}

bool code_buffer_init(GError **err)
{
    TCGCodeRegion prologue;

    engine.size = engine.config.buffer_size ? engine.config.buffer_size : DEFAULT_BUFFER;
    engine.region_size =
        ROUND_UP(CLAMP(engine.size / 64, REGION_SIZE_MIN, REGION_SIZE_MAX), REGION_SIZE_MIN);
    engine.size = ROUND_UP(MAX(engine.size, 8 * engine.region_size), engine.region_size);
    engine.rw = make_memory();
    if (engine.rw == MAP_FAILED || !map_executable(0, NULL)) {
        g_set_error(err, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "tb-size=%zu: no memory for translated code: %s", engine.size >> 20,
                    strerror(errno));
        return false;
    }
    engine.nb_regions = engine.size / engine.region_size;
    engine.regions = g_new0(CodeRegion, engine.nb_regions);
    for (int n = 0; n < engine.nb_regions; n++) {
        engine.regions[n].rw = engine.rw + (size_t)n * engine.region_size;
        engine.regions[n].ptr = engine.regions[n].present = engine.regions[n].rw;
    }
    prologue = (TCGCodeRegion){ engine.rw, engine.rw + PROLOGUE_SIZE, engine.rx - engine.rw };
    tcg_backend_prologue(&prologue);
    engine.prologue_end = prologue.ptr;
    engine.regions[0].ptr = engine.rw + PROLOGUE_SIZE;
    return true;
}

/* ---- memory that lives as long as a region's blocks ----------------------------------------- */

static void *arena_alloc(CodeRegion *region, size_t size)
{
    ArenaChunk *chunk = region->arena;

    size = ROUND_UP(size, 16);
    if (!chunk || chunk->size - chunk->used < size) {
        size_t room = ROUND_UP(sizeof(*chunk) + size, (size_t)(chunk ? STEP_MAX : STEP_MIN));
        chunk = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
                     -1, 0);
        if (chunk == MAP_FAILED) {
            g_error("no memory for what belongs to translated code: %s", strerror(errno));
        }
        chunk->next = region->arena;
        chunk->used = 0;
        chunk->size = room - sizeof(*chunk);
        region->arena = chunk;
    }
    void *p = chunk->data + chunk->used;
    chunk->used += size;
    return p;
}

void *tb_alloc(TCGContext *s, size_t size)
{
    return arena_alloc(((ThreadCode *)s->code)->region, size);
}

void tb_alloc_trim(TCGContext *s, const void *end, const void *used_end)
{
    ArenaChunk *chunk = ((ThreadCode *)s->code)->region->arena;
    size_t used = (size_t)((const uint8_t *)used_end - chunk->data);

    if (chunk->data + chunk->used == end && used <= chunk->used) {
        chunk->used = ROUND_UP(used, 16);
    }
}

static void arena_pop_to(CodeRegion *region, ArenaChunk *keep)
{
    while (region->arena != keep) {
        ArenaChunk *chunk = region->arena;
        region->arena = chunk->next;
        munmap(chunk, sizeof(*chunk) + chunk->size);
    }
}

ArenaMark arena_mark(ThreadCode *tc)
{
    ArenaChunk *chunk = tc->region->arena;

    return (ArenaMark){ chunk, chunk ? chunk->used : 0 };
}

void arena_release(ThreadCode *tc, ArenaMark mark)
{
    arena_pop_to(tc->region, mark.chunk);
    if (mark.chunk) {
        mark.chunk->used = mark.used;
    }
}

/* ---- regions ------------------------------------------------------------------------------------
 */

static void region_clear(CodeRegion *region)
{
    arena_pop_to(region, NULL);
    atomic_store(&region->nb_tbs, 0);
    region->nb_saved = 0;
    region->ptr = region->rw + (region == engine.regions ? PROLOGUE_SIZE : 0);
    region->present = NULL; /* its pages are there */
    region->state = REGION_FREE;
}

/*
 * The epoch begins only when the caller has retired all that it wants to: a CPU that has seen it
 * cannot have looked a block up meanwhile that was still to be unlinked.
 */
static void region_retire(CodeRegion *region)
{
    uint32_t n = atomic_load(&region->nb_tbs);

    while (n--) {
        tb_invalidate_locked(region->tbs[n]);
    }
    region->state = REGION_RETIRED;
    region->retired_epoch = engine.epoch + 1;
}

static bool all_cpus_saw(uint64_t epoch)
{
    for (CPUState *cpu = engine.cpus; cpu; cpu = cpu->next_cpu) {
        if (atomic_load((_Atomic bool *)&cpu->in_code) &&
            atomic_load((_Atomic uint64_t *)&cpu->epoch) < epoch) {
            return false;
        }
    }
    return true;
}

/* Free ones first, then partly used ones, then one that its owner is not using now. */
static CodeRegion *find_region(void)
{
    CodeRegion *idle = NULL, *owned = NULL;

    for (int n = 0; n < engine.nb_regions; n++) {
        CodeRegion *region = &engine.regions[n];
        if (region->state == REGION_RETIRED && all_cpus_saw(region->retired_epoch)) {
            region_clear(region);
        }
        if (region->state == REGION_FREE) {
            return region;
        }
        if (region->state == REGION_IDLE) {
            idle = region;
        } else if (region->state == REGION_OWNED && !region->busy) {
            owned = region;
        }
    }
    return idle ? idle : owned;
}

static int by_birth(const void *a, const void *b)
{
    const CodeRegion *x = *(CodeRegion *const *)a, *y = *(CodeRegion *const *)b;

    return x->born < y->born ? -1 : x->born > y->born;
}

/* Unlinks the older half of what is full. Its memory comes back when all have passed a quiet point.
 */
static void retire_oldest(void)
{
    g_autofree CodeRegion **full = g_new(CodeRegion *, engine.nb_regions);
    int n = 0;

    for (int i = 0; i < engine.nb_regions; i++) {
        if (engine.regions[i].state == REGION_FULL) {
            full[n++] = &engine.regions[i];
        }
    }
    qsort(full, n, sizeof(*full), by_birth);
    for (int i = 0; i < (n + 1) / 2; i++) {
        region_retire(full[i]);
    }
    engine.epoch++;
    engine.stats.flushes++;
}

void code_buffer_retire_all(void)
{
    for (int n = 0; n < engine.nb_regions; n++) {
        CodeRegion *region = &engine.regions[n];
        if (region->state == REGION_FULL || region->state == REGION_IDLE) {
            region_retire(region);
        } else if (region->state == REGION_OWNED) {
            /* its owner goes on filling it; only what is there is dropped */
            for (uint32_t i = atomic_load(&region->nb_tbs); i--;) {
                tb_invalidate_locked(region->tbs[i]);
            }
        }
    }
    engine.epoch++;
    engine.stats.flushes++;
}

static int count_state(int state)
{
    int count = 0;

    for (int n = 0; n < engine.nb_regions; n++) {
        count += (int)engine.regions[n].state == state;
    }
    return count;
}

/* A region for tc, with the lock held (and let go for moments while waiting). */
static CodeRegion *acquire(CPUState *cpu)
{
    CodeRegion *region;

    for (;;) {
        /* Half the memory may be on its way back before code that runs is taken away. */
        if (!count_state(REGION_FREE) && !count_state(REGION_RETIRED) &&
            count_state(REGION_FULL) >= engine.nb_regions / 2) {
            retire_oldest();
        }
        cpu_pass_epoch(cpu); /* this thread is at a quiet point, and must not be waited for */
        region = find_region();
        if (region) {
            break;
        }
        /* the others leave their code, or end their translation, within microseconds */
        kick_others(cpu);
        pthread_mutex_unlock(&engine.lock);
        usleep(50);
        pthread_mutex_lock(&engine.lock);
    }
    if (!region->tbs) {
        region->tbs = mmap(NULL, REGION_MAX_TBS * sizeof(*region->tbs), PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        g_assert(region->tbs != MAP_FAILED);
    }
    if (region->state == REGION_FREE) {
        region->born = ++engine.births;
    }
    return region;
}

/*
 * Pages by the dozen are much cheaper than by one fault each, of which every one would need two.
 * Before Linux 5.14 there are the faults.
 */
static void madvise_present(uint8_t *start, size_t size)
{
#ifdef MADV_POPULATE_WRITE
    uintptr_t first = (uintptr_t)start & ~(uintptr_t)4095;

    madvise((void *)first, (uintptr_t)start + size - first, MADV_POPULATE_WRITE);
#endif
}

static void make_present(CodeRegion *region)
{
#ifdef MADV_POPULATE_WRITE
    uint8_t *start = region->present, *end = region->rw + engine.region_size;

    if (start && region->ptr + STEP_MIN / 2 > start && start < end) {
        size_t size = CLAMP((size_t)(start - region->rw), (size_t)STEP_MIN, (size_t)STEP_MAX);

        size = MIN(size, (size_t)(end - start));

        madvise_present(start, size);
        madvise(start + (engine.rx - engine.rw), size, MADV_POPULATE_READ);
        region->present = start + size;
    }
#endif
}

static void take(CPUState *cpu, CodeRegion *region)
{
    ThreadCode *tc = thread_code(cpu);

    region->state = REGION_OWNED;
    region->owner = tc;
    region->busy = true;
    make_present(region);
    tc->region = region;
    tc->code =
        (TCGCodeRegion){ region->ptr, region->rw + engine.region_size, engine.rx - engine.rw };
}

static bool owns(const ThreadCode *tc)
{
    return tc->region && tc->region->state == REGION_OWNED && tc->region->owner == tc;
}

void code_region_begin(CPUState *cpu)
{
    ThreadCode *tc = thread_code(cpu);

    pthread_mutex_lock(&engine.lock);
    take(cpu, owns(tc) ? tc->region : acquire(cpu));
    pthread_mutex_unlock(&engine.lock);
}

void code_region_end(CPUState *cpu)
{
    ThreadCode *tc = thread_code(cpu);

    pthread_mutex_lock(&engine.lock);
    tc->region->ptr = tc->code.ptr;
    tc->region->busy = false;
    pthread_mutex_unlock(&engine.lock);
}

void code_region_next(CPUState *cpu)
{
    ThreadCode *tc = thread_code(cpu);

    pthread_mutex_lock(&engine.lock);
    tc->region->ptr = tc->code.ptr;
    tc->region->busy = false;
    tc->region->state = REGION_FULL;
    take(cpu, acquire(cpu));
    pthread_mutex_unlock(&engine.lock);
}

void code_region_release(CPUState *cpu)
{
    ThreadCode *tc = thread_code(cpu);

    pthread_mutex_lock(&engine.lock);
    if (owns(tc)) {
        tc->region->state = REGION_IDLE;
    }
    pthread_mutex_unlock(&engine.lock);
    tc->region = NULL;
}

void code_region_add_tb(ThreadCode *tc, TranslationBlock *tb)
{
    CodeRegion *region = tc->region;
    uint32_t n = atomic_load_explicit(&region->nb_tbs, memory_order_relaxed);

    region->tbs[n] = tb;
    atomic_store_explicit(&region->nb_tbs, n + 1, memory_order_release);
}

bool code_buffer_contains(uintptr_t pc)
{
    return engine.rx && pc - (uintptr_t)engine.rx < engine.size;
}

TranslationBlock *tb_find_by_host_pc(uintptr_t pc)
{
    if (!code_buffer_contains(pc) || engine.config.interp) {
        return NULL;
    }
    CodeRegion *region = &engine.regions[(pc - (uintptr_t)engine.rx) / engine.region_size];
    uint32_t lo = 0, hi = atomic_load_explicit(&region->nb_tbs, memory_order_acquire);

    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        TranslationBlock *tb = region->tbs[mid];
        if (pc < (uintptr_t)tb->tc) {
            hi = mid;
        } else if (pc - (uintptr_t)tb->tc >= tb->tc_size) {
            lo = mid + 1;
        } else {
            return tb;
        }
    }
    return NULL;
}

/* ---- fork
 * ---------------------------------------------------------------------------------------- */

/* Where what a region holds ends, without what its owner may just be emitting. */
static uint8_t *region_end(const CodeRegion *region)
{
    uint32_t nb = atomic_load(&region->nb_tbs);

    if (!region->busy || !nb) {
        return region->busy ? region->rw : region->ptr;
    }
    const TranslationBlock *last = region->tbs[nb - 1];
    return (uint8_t *)last->tc + last->tc_size + (engine.rw - engine.rx);
}

/*
 * The buffer is shared memory, so a child of fork needs its own. It is copied before the fork, with
 * the lock held: afterwards the parent's threads go on patching.
 */
bool code_buffer_fork_prepare(void)
{
    uint8_t *copy = make_memory();

    if (copy == MAP_FAILED) {
        return false;
    }
    memcpy(copy, engine.rw, (size_t)(engine.prologue_end - engine.rw));
    for (int n = 0; n < engine.nb_regions; n++) {
        const CodeRegion *region = &engine.regions[n];
        const uint8_t *start = region->rw + (n ? 0 : PROLOGUE_SIZE), *end = region_end(region);

        if (start < end) {
            madvise_present(copy + (start - engine.rw), (size_t)(end - start));
            memcpy(copy + (start - engine.rw), start, (size_t)(end - start));
        }
    }
    engine.fork_copy = copy;
    return true;
}

void code_buffer_fork_parent(void)
{
    munmap(engine.fork_copy, engine.size);
}

void code_buffer_fork_child(CPUState *cpu)
{
    for (int n = 0; n < engine.nb_regions; n++) {
        CodeRegion *region = &engine.regions[n];
        if (region->state == REGION_OWNED && region->owner != thread_code(cpu)) {
            region->ptr = region_end(region); /* its thread is not here */
            region->state = REGION_FULL;
        }
    }
    if (mremap(engine.fork_copy, engine.size, engine.size, MREMAP_MAYMOVE | MREMAP_FIXED,
               engine.rw) == MAP_FAILED ||
        !map_executable(MREMAP_FIXED, engine.rx)) {
        g_error("fork: cannot map translated code: %s", strerror(errno));
    }
}
