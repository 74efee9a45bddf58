/* SPDX-License-Identifier: MIT */
/*
 * What load- and store-exclusive share between CPUs: a count for each granule, odd while somebody
 * stores there. A load-exclusive keeps the address, the value and the count; a store-exclusive
 * succeeds if address and count are the same and an atomic compare-and-swap of the value does.
 *
 * Nobody looks at counts, and nobody counts, before the first store-exclusive of which anybody
 * could tell whether others' stores came before its load-exclusive or after (a64-atomic.c,
 * Between); compilers make none such. From then on all store-exclusives count, and in a process's
 * code other stores do too (plain ones, LSE atomics), which makes them slow (CF_STORES_COUNTED).
 * Until all CPUs run code that counts, such store-exclusives fail, as they may at any time.
 */
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "exec/exec.h"
#include "target/arm/translate.h"

/* Granules share counts, which only makes some store-exclusives fail. */
enum { GRANULE_BITS = 6, COUNT_BITS = 12, SPINS = 100 };

static _Atomic uint32_t *granule_counts;

/* A forked child's are all even again, whatever the parent's other threads were doing. */
static void *make_granule_counts(G_GNUC_UNUSED void *unused)
{
    size_t size = sizeof(*granule_counts) << COUNT_BITS;
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    g_assert(p != MAP_FAILED && !madvise(p, size, MADV_WIPEONFORK));
    granule_counts = p;
    return NULL;
}

void arm_exclusive_init(void)
{
    static GOnce once = G_ONCE_INIT;

    g_once(&once, make_granule_counts, NULL);
}

/* Tags of addresses (bits 63:56) make no difference. */
static _Atomic uint32_t *granule_count(uint64_t addr)
{
    uint64_t granule = addr << 8 >> (8 + GRANULE_BITS);

    return &granule_counts[(granule ^ granule >> COUNT_BITS) & ((1 << COUNT_BITS) - 1)];
}

void arm_exclusive_let_go(CPUArmState *env)
{
    for (int i = 0; i < 2; i++) {
        if (env->excl_held[i]) {
            atomic_fetch_add((_Atomic uint32_t *)env->excl_held[i], 1);
            env->excl_held[i] = NULL;
        }
    }
}

static void helper_reserve(uint64_t env_, uint64_t addr, uint64_t size)
{
    CPUArmState *env = (CPUArmState *)(uintptr_t)env_;

    arm_exclusive_let_go(env);
    env->excl_watched = tcg_stores_counted();
    env->excl_count = atomic_load(granule_count(addr));
    env->excl_size = (uint32_t)size;
}

/* 1 if nobody has stored since; then nobody else does until helper_end_exclusive. */
static uint64_t helper_begin_exclusive(uint64_t env_, uint64_t addr)
{
    CPUArmState *env = (CPUArmState *)(uintptr_t)env_;
    _Atomic uint32_t *count = granule_count(addr);
    uint32_t seen = env->excl_count;

    arm_exclusive_let_go(env);
    if (seen & 1 || !atomic_compare_exchange_strong(count, &seen, seen + 1)) {
        return 0;
    }
    env->excl_held[0] = count;
    return 1;
}

static uint64_t helper_begin_watched(uint64_t env_, uint64_t addr)
{
    CPUArmState *env = (CPUArmState *)(uintptr_t)env_;

    if (!env->excl_watched && tcg_count_stores()) {
        return 0;
    }
    return helper_begin_exclusive(env_, addr);
}

static void helper_end_exclusive(uint64_t env_)
{
    arm_exclusive_let_go((CPUArmState *)(uintptr_t)env_);
}

static void hold(CPUArmState *env, int i, _Atomic uint32_t *count)
{
    uint32_t seen = atomic_load(count) & ~1u;

    for (int n = 1; !atomic_compare_exchange_weak(count, &seen, seen + 1); n++) {
        seen &= ~1u;
        if (n % SPINS == 0) {
            sched_yield(); /* whoever holds it has been put aside */
        }
    }
    env->excl_held[i] = count;
}

/* size: 1 to 64. Nobody waits for one count while holding a higher one. */
void arm_begin_store(CPUArmState *env, uint64_t addr, uint64_t size)
{
    _Atomic uint32_t *first = granule_count(addr), *last = granule_count(addr + size - 1);

    arm_exclusive_let_go(env);
    hold(env, 0, MIN(first, last));
    if (first != last) {
        hold(env, 1, MAX(first, last));
    }
}

static void helper_begin_store(uint64_t env, uint64_t addr, uint64_t size)
{
    arm_begin_store((CPUArmState *)(uintptr_t)env, addr, size);
}

#define EXCLUSIVE_HELPER(id, n, ret)                             \
    const TCGHelperInfo arm_##id##_info = { .name = #id,         \
                                            .func = helper_##id, \
                                            .nargs = n,          \
                                            .has_ret = ret,      \
                                            .flags = TCG_CALL_NO_RG | TCG_CALL_NO_WG }
EXCLUSIVE_HELPER(reserve, 3, false);
EXCLUSIVE_HELPER(begin_exclusive, 2, true);
EXCLUSIVE_HELPER(begin_watched, 2, true);
EXCLUSIVE_HELPER(end_exclusive, 1, false);
static EXCLUSIVE_HELPER(begin_store, 3, false);

const TCGStoreGuard *arm_store_guard(const TranslationBlock *tb)
{
    static const TCGStoreGuard guard = { &arm_begin_store_info, &arm_end_exclusive_info };

    return tb->cflags & CF_STORES_COUNTED && !(tb->flags & ARM_TBF_SYSTEM) ? &guard : NULL;
}
