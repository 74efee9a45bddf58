/* SPDX-License-Identifier: MIT */
/*
 * Inside the engine: code memory in regions (code-buffer.c), the set of blocks (tb-cache.c),
 * translation (translate-all.c), the loop (cpu-exec.c), host signals (user-signal.c).
 *
 * One lock, engine.lock, guards the hash and page lists, the chains between blocks, the regions'
 * owners and the list of CPUs. Look-ups read without it. Memory that a reader might still see is
 * freed only when every CPU has been at a quiet point (top of cpu_exec's loop) since it was
 * unlinked.
 */
#ifndef ACCEL_TCG_INTERNAL_H
#define ACCEL_TCG_INTERNAL_H

#include <pthread.h>
#include <inttypes.h>
#include <stdatomic.h>

#include "exec/exec.h"
#include "tcg/backend.h"
#include "util/round.h"

enum {
    REGION_SIZE_MAX = 512 * 1024,
    REGION_SIZE_MIN = 64 * 1024,
    REGION_MAX_TBS = 8192,
    TB_HASH_BITS = 13, /* at first */
    PAGE_HASH_BITS = 12,
    GUEST_PAGE_BITS = 12,
    RET_STACK_ROOM = 256 * 1024, /* what helpers and signal-free C may use below the limit */
    RET_STACK_SIZE = RET_STACK_ROOM + 512 * 1024,
    FP_TRAP_LIMIT = 1000,    /* floating traps within … */
    FP_TRAP_WINDOW_MS = 100, /* … this time: then results are checked inline */
};

typedef struct TBPageNode {
    TranslationBlock *tb;
    uint64_t page;                    /* guest (system mode: ram) address >> GUEST_PAGE_BITS */
    struct TBPageNode *next, *before; /* in the list of the page's hash; before the first: NULL */
} TBPageNode;

typedef struct ArenaChunk {
    struct ArenaChunk *next;
    size_t used, size;
    uint8_t data[] __attribute__((aligned(16)));
} ArenaChunk;

/*
 * A piece of the code buffer: one thread at a time appends blocks to it. A thread keeps its region
 * from one translation to the next, but another thread that finds none may take it in between.
 */
typedef struct ThreadCode ThreadCode;
typedef struct CodeRegion {
    enum { REGION_FREE, REGION_OWNED, REGION_IDLE, REGION_FULL, REGION_RETIRED } state;
    uint8_t *rw;            /* start, writable address */
    ThreadCode *owner;      /* with OWNED */
    bool busy;              /* the owner is translating into it */
    uint8_t *ptr;           /* end of what is used, while not busy */
    uint8_t *present;       /* up to here its pages were asked for */
    uint64_t born;          /* order in which regions were filled */
    uint64_t retired_epoch; /* with RETIRED: free when every CPU has seen this epoch */
    TranslationBlock **tbs; /* in the order of their code */
    _Atomic uint32_t nb_tbs;
    uint32_t nb_saved; /* of those, looked at by persist_save */
    ArenaChunk *arena; /* slots, side tables, the TranslationBlocks themselves */
} CodeRegion;

/* What a thread that translates has beside its CPU; found from TCGContext.code. */
struct ThreadCode {
    TCGCodeRegion code; /* first: TCGContext.code points here */
    CodeRegion *region; /* while translating; else perhaps lost to another thread */
    int settling;       /* instructions, + 1, to be run one by one before what asks is heard */
    uint32_t tb_flags;  /* those that the jump cache and the return stack were filled under */
    /*
     * While guest code is read for a translation. It may go meanwhile: unmapped by another thread,
     * or the file made shorter.
     */
    bool reading;
    sigjmp_buf read_failed;
    bool running; /* compiled code or the interpreter is under way: its faults are the guest's */
    bool careful; /* the block is a CF_CAREFUL one */
    struct Verify *verify; /* verify.c's own */
};

static inline ThreadCode *thread_code(const CPUState *cpu)
{
    return (ThreadCode *)cpu->tcg->code;
}

typedef struct TBHash {
    unsigned bits;
    _Atomic(TranslationBlock *) heads[]; /* 1 << bits */
} TBHash;

typedef struct TCGEngine {
    TCGConfig config;
    const TargetOps *target;
    pthread_mutex_t lock;
    _Atomic uint32_t cflags; /* CF_* of every new block */
    /*
     * CF_* that all blocks are to have from now on: after too many floating traps, and what the
     * guest's doings ask.
     */
    _Atomic uint32_t wanted_cflags;
    _Atomic bool stores_counted; /* tcg_stores_counted */
    int64_t fp_window;           /* when the current FP_TRAP_LIMIT traps began, ms */
    _Atomic uint64_t epoch;
    _Atomic uint64_t generation; /* counts invalidations of guest code */
    CPUState *cpus;

    uint8_t *rx, *rw; /* the two mappings */
    size_t size, region_size;
    uint8_t *fork_copy; /* the child's code, between tcg_fork_prepare and its end */
    CodeRegion *regions;
    int nb_regions;
    uint64_t births;
    uint8_t *prologue_end; /* rw; regions begin after it */

    _Atomic(TBHash *) hash;
    /* By guest address; in system mode by ram address. */
    TBPageNode *_Atomic pages[1 << PAGE_HASH_BITS];
    _Atomic uint64_t code_min, code_max; /* guest code lies in between; for a quick no */
    JumpCacheEntry *empty_jump_cache;
    TCGStats stats;
} TCGEngine;
extern TCGEngine engine;

/* ---- code-buffer.c ---- */
bool code_buffer_init(GError **err);
/*
 * Around a translation, at a quiet point: the thread's region with room, or another one; old code
 * is freed when there is none. The CPU may have to pass an epoch meanwhile (cpu_pass_epoch).
 */
void code_region_begin(CPUState *cpu);
void code_region_end(CPUState *cpu);
/* The region is full: another one. Between begin and end. */
void code_region_next(CPUState *cpu);
/* The thread ends. */
void code_region_release(CPUState *cpu);
/* After the block was emitted: makes it findable by host pc. */
void code_region_add_tb(ThreadCode *tc, TranslationBlock *tb);
bool code_buffer_contains(uintptr_t pc);
/* Copies the code for the child, false without memory; the lock is held. */
bool code_buffer_fork_prepare(void);
void code_buffer_fork_parent(void);
void code_buffer_fork_child(CPUState *cpu);
/* Retires every region; the caller holds the lock. */
void code_buffer_retire_all(void);

/* Marks and gives back what a failed translation took from the arena. */
typedef struct ArenaMark {
    ArenaChunk *chunk;
    size_t used;
} ArenaMark;
ArenaMark arena_mark(ThreadCode *tc);
void arena_release(ThreadCode *tc, ArenaMark mark);

/* ---- tb-cache.c ---- */
void tb_hash_init(void);
TranslationBlock *tb_lookup(vaddr pc, uint64_t phys, uint32_t flags, uint32_t cflags);
/*
 * Publishes tb; returns it, or the equal one that another thread was quicker with, or NULL if guest
 * code was invalidated since engine.generation was `generation`: translate again.
 */
TranslationBlock *tb_insert(TCGContext *s, TranslationBlock *tb, uint64_t generation);
void tb_link(TBSlot *slot, TranslationBlock *target);
/* Chains the likely ways out that can be chained now; those to blocks that are not there: how many.
 */
int tb_link_likely(TranslationBlock *tb, TBSlot **unknown);
void tb_invalidate_locked(TranslationBlock *tb);
void jump_cache_clear(CPUState *cpu);

/* ---- translate-all.c ---- */
TranslationBlock *tb_gen_code(CPUState *cpu, vaddr pc, uint64_t phys, uint32_t flags,
                              uint32_t cflags);

/* ---- persist.c ---- */
void persist_init(void);
/*
 * The block from the persistent cache, in the thread's region but not yet inserted; NULL: it has to
 * be translated. Between code_region_begin and its end.
 */
TranslationBlock *persist_load(CPUState *cpu, vaddr pc, uint64_t phys, uint32_t flags,
                               uint32_t cflags);
/* A block is going to be translated: sets the context up for what can be kept. */
void persist_begin_block(TCGContext *s, vaddr pc, uint64_t phys, uint32_t flags, uint32_t cflags);
/* A block was translated: will it be kept? */
void persist_new_block(TCGContext *s, TranslationBlock *tb);
void persist_fork_prepare(void);
void persist_fork_parent(void);
void persist_fork_child(void);

/* ---- count.c ---- */
bool tb_counts(const TranslationBlock *tb);
/* The ops at such a block's top; count_end, once it is known how many instructions it has. */
int count_begin(TCGContext *s, const TranslationBlock *tb);
void count_end(TCGContext *s, const TranslationBlock *tb, int size);
/* Compiled code was left, with the CPU's state exact; to_the_end: by a way out, else wherever pc
 * is.
 */
void count_left(CPUState *cpu, bool to_the_end);

/* ---- cpu-exec.c ---- */
/* The CPU is at a quiet point: it forgets every address of code that may be gone. */
void cpu_pass_epoch(CPUState *cpu);
/* Asks every other CPU to leave compiled code; the caller holds the lock. */
void kick_others(CPUState *self);

/* ---- debug.c ---- */
/* The check at the top of such a block. */
void gen_breakpoint(TCGContext *s, vaddr pc);
/* Has any CPU one, a debugger's or its own? Then blocks are not those of other runs. */
bool breakpoints_exist(void);
void breakpoints_fork_prepare(void);
void breakpoints_fork_done(void); /* in both processes */

/* ---- user-signal.c ---- */
/* Where this thread goes on when guest code that it reads is not there; NULL: it reads none. */
extern __thread sigjmp_buf *code_read_guard;

/* ---- perfmap.c ---- */
void perfmap_add(const TranslationBlock *tb);

/* ---- verify.c ---- */
TBSlot *verify_run(CPUState *cpu, TranslationBlock *tb);
void verify_free(CPUState *cpu);
/* After a way out of it by cpu_loop_exit, and in a fork's child. */
void verify_left(void);
void verify_fork_child(void);

#endif
