/* SPDX-License-Identifier: MIT */
/*
 * Code memory: one memfd mapped twice, writable and executable, cut into regions. A thread owns the
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

enum { ARENA_CHUNK = 64 * 1024, PROLOGUE_SIZE = 16384, DEFAULT_BUFFER = 256 * 1024 * 1024 };

TCGEngine engine = { .lock = PTHREAD_MUTEX_INITIALIZER, .code_min = UINT64_MAX };

static bool map_buffer(int fd, void *rw_at, void *rx_at)
{
    int fixed = rw_at ? MAP_FIXED : 0;

    engine.rw =
        mmap(rw_at, engine.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | fixed, fd, 0);
    engine.rx =
        mmap(rx_at, engine.size, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_NORESERVE | fixed, fd, 0);
    return engine.rw != MAP_FAILED && engine.rx != MAP_FAILED;
}

static int make_memfd(void)
{
    int fd = memfd_create("latimer-code", MFD_CLOEXEC);

    if (fd >= 0) {
        /* out of the way of the guest, which expects low numbers */
        int high = fcntl(fd, F_DUPFD_CLOEXEC, 1000);
        if (high >= 0) {
            close(fd);
            fd = high;
        }
        if (ftruncate(fd, engine.size) < 0) {
            close(fd);
            fd = -1;
        }
    }
    return fd;
}

bool code_buffer_init(GError **err)
{
    TCGCodeRegion prologue;
    int fd;

    engine.size = engine.config.buffer_size ? engine.config.buffer_size : DEFAULT_BUFFER;
    engine.size = ROUND_UP(MAX(engine.size, 4 * REGION_SIZE), REGION_SIZE);
    fd = make_memfd();
    if (fd < 0 || !map_buffer(fd, NULL, NULL)) {
        g_set_error(err, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "tb-size=%zu: no memory for translated code: %s", engine.size >> 20,
                    strerror(errno));
        return false;
    }
    /* The mappings keep the memory; no descriptor of ours stays where the guest could see it. */
    close(fd);

    engine.nb_regions = engine.size / REGION_SIZE;
    engine.regions = g_new0(CodeRegion, engine.nb_regions);
    for (int n = 0; n < engine.nb_regions; n++) {
        engine.regions[n].rw = engine.rw + (size_t)n * REGION_SIZE;
        engine.regions[n].ptr = engine.regions[n].rw;
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
        size_t room = MAX(size, (size_t)ARENA_CHUNK);
        chunk = g_malloc(sizeof(*chunk) + room);
        chunk->next = region->arena;
        chunk->used = 0;
        chunk->size = room;
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

static void arena_pop_to(CodeRegion *region, ArenaChunk *keep)
{
    while (region->arena != keep) {
        ArenaChunk *chunk = region->arena;
        region->arena = chunk->next;
        g_free(chunk);
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
    region->ptr = region->rw + (region == engine.regions ? PROLOGUE_SIZE : 0);
    region->state = REGION_FREE;
}

static void region_retire(CodeRegion *region)
{
    uint32_t n = atomic_load(&region->nb_tbs);

    while (n--) {
        tb_invalidate_locked(region->tbs[n]);
    }
    region->state = REGION_RETIRED;
    region->retired_epoch = engine.epoch;
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

static CodeRegion *find_region(void)
{
    CodeRegion *found = NULL;

    for (int n = 0; n < engine.nb_regions; n++) {
        CodeRegion *region = &engine.regions[n];
        if (region->state == REGION_IDLE) {
            return region;
        }
        if (region->state == REGION_RETIRED && all_cpus_saw(region->retired_epoch)) {
            region_clear(region);
        }
        if (region->state == REGION_FREE && !found) {
            found = region;
        }
    }
    return found;
}

static int by_birth(const void *a, const void *b)
{
    const CodeRegion *x = *(CodeRegion *const *)a, *y = *(CodeRegion *const *)b;

    return x->born < y->born ? -1 : x->born > y->born;
}

/* Unlinks the older half of what is full. Its memory comes back when all have passed a quiet point.
 */
static void retire_oldest(CPUState *self)
{
    g_autofree CodeRegion **full = g_new(CodeRegion *, engine.nb_regions);
    int n = 0;

    engine.epoch++;
    self->epoch = engine.epoch;
    tcg_backend_reset_ret_stack(self);
    for (int i = 0; i < engine.nb_regions; i++) {
        if (engine.regions[i].state == REGION_FULL) {
            full[n++] = &engine.regions[i];
        }
    }
    qsort(full, n, sizeof(*full), by_birth);
    for (int i = 0; i < (n + 1) / 2; i++) {
        region_retire(full[i]);
    }
    engine.stats.flushes++;
    kick_others(self);
}

void code_buffer_retire_all(void)
{
    engine.epoch++;
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
    engine.stats.flushes++;
}

void code_region_acquire(CPUState *cpu)
{
    ThreadCode *tc = thread_code(cpu);
    CodeRegion *region;

    pthread_mutex_lock(&engine.lock);
    while (!(region = find_region())) {
        bool waiting = false;
        for (int n = 0; n < engine.nb_regions; n++) {
            waiting |= engine.regions[n].state == REGION_RETIRED;
        }
        if (!waiting) {
            retire_oldest(cpu);
            continue;
        }
        /* the others leave their code within microseconds; let them take the lock */
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
    region->state = REGION_OWNED;
    pthread_mutex_unlock(&engine.lock);
    tc->region = region;
    tc->code = (TCGCodeRegion){ region->ptr, region->rw + REGION_SIZE, engine.rx - engine.rw };
}

static void let_go(CPUState *cpu, int state)
{
    ThreadCode *tc = thread_code(cpu);

    if (tc->region) {
        pthread_mutex_lock(&engine.lock);
        tc->region->ptr = tc->code.ptr;
        tc->region->state = state;
        pthread_mutex_unlock(&engine.lock);
        tc->region = NULL;
    }
}

void code_region_release(CPUState *cpu)
{
    let_go(cpu, REGION_IDLE);
}

void code_region_next(CPUState *cpu)
{
    let_go(cpu, REGION_FULL);
    code_region_acquire(cpu);
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
    CodeRegion *region = &engine.regions[(pc - (uintptr_t)engine.rx) / REGION_SIZE];
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

static void copy_used(int fd, const uint8_t *start, const uint8_t *end)
{
    while (start < end) {
        ssize_t n = pwrite(fd, start, end - start, start - engine.rw);
        if (n <= 0) {
            g_error("fork: cannot copy translated code: %s", strerror(errno));
        }
        start += n;
    }
}

/* Where what a region holds ends, without what its owner may just be emitting. */
static uint8_t *region_end(const CodeRegion *region)
{
    uint32_t nb = atomic_load(&region->nb_tbs);

    if (region->state != REGION_OWNED || !nb) {
        return region->state == REGION_OWNED ? region->rw : region->ptr;
    }
    const TranslationBlock *last = region->tbs[nb - 1];
    return (uint8_t *)last->tc + last->tc_size + (engine.rw - engine.rx);
}

/*
 * The buffer is shared memory, so a child of fork needs its own. It is copied before the fork, with
 * the lock held: afterwards the parent's threads go on patching.
 */
int code_buffer_fork_prepare(void)
{
    int fd = make_memfd();

    if (fd < 0) {
        g_error("fork: no memory for translated code: %s", strerror(errno));
    }
    copy_used(fd, engine.rw, engine.prologue_end);
    for (int n = 0; n < engine.nb_regions; n++) {
        CodeRegion *region = &engine.regions[n];
        copy_used(fd, region->rw + (n ? 0 : PROLOGUE_SIZE), region_end(region));
    }
    return fd;
}

void code_buffer_fork_child(CPUState *cpu, int fd)
{
    for (int n = 0; n < engine.nb_regions; n++) {
        CodeRegion *region = &engine.regions[n];
        if (region->state == REGION_OWNED && region != thread_code(cpu)->region) {
            region->ptr = region_end(region); /* its thread is not here */
            region->state = REGION_FULL;
        }
    }
    if (!map_buffer(fd, engine.rw, engine.rx)) {
        g_error("fork: cannot map translated code: %s", strerror(errno));
    }
    close(fd);
}
