/* SPDX-License-Identifier: MIT */
/*
 * A64 exclusives and atomics (DDI 0487 C4.1.94, B2.12).
 *
 * Load-exclusive keeps the address, the value and the count of its granule: how many
 * store-exclusives have succeeded there. Store-exclusive succeeds if the address and the count are
 * the same and an atomic compare-and-swap of the value does. So a word that store-exclusives have
 * changed and changed back is noticed; if plain stores alone or LSE atomics did it, it is not.
 */
#include <stdatomic.h>
#include <sys/mman.h>

#include "target/arm/translate.h"

#define EXCL(field) offsetof(CPUArmState, excl_##field)

static void forget_reservation(DisasContext *s)
{
    tcg_gen_st_env(s->tcg, MO_64, imm64(s, ~(uint64_t)0), EXCL(addr));
}

/* --- the counts of granules
 * -----------------------------------------------------------------------------------------------
 */

enum { GRANULE_BITS = 4, COUNT_BITS = 12 };

/* Odd while a store-exclusive is under way. Granules share counts, which only makes some fail. */
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

static _Atomic uint32_t *granule_count(uint64_t addr)
{
    uint64_t granule = addr >> GRANULE_BITS;

    return &granule_counts[(granule ^ granule >> COUNT_BITS) & ((1 << COUNT_BITS) - 1)];
}

/* A store-exclusive that faulted has left its count odd. */
void arm_exclusive_let_go(CPUArmState *env)
{
    if (env->excl_held) {
        atomic_fetch_add((_Atomic uint32_t *)env->excl_held, 1);
        env->excl_held = NULL;
    }
}

static void helper_reserve(uint64_t env_, uint64_t addr, uint64_t size)
{
    CPUArmState *env = (CPUArmState *)(uintptr_t)env_;

    arm_exclusive_let_go(env);
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
    env->excl_held = count;
    return 1;
}

static void helper_end_exclusive(uint64_t env_)
{
    arm_exclusive_let_go((CPUArmState *)(uintptr_t)env_);
}

#define EXCLUSIVE_HELPER(id, n, ret)                              \
    static const TCGHelperInfo id##_info = { .name = #id,         \
                                             .func = helper_##id, \
                                             .nargs = n,          \
                                             .has_ret = ret,      \
                                             .flags = TCG_CALL_NO_RG | TCG_CALL_NO_WG }
EXCLUSIVE_HELPER(reserve, 3, false);
EXCLUSIVE_HELPER(begin_exclusive, 2, true);
EXCLUSIVE_HELPER(end_exclusive, 1, false);

/* --- single registers
 * -----------------------------------------------------------------------------------------------
 */

bool trans_clrex(DisasContext *s, G_GNUC_UNUSED arg_clrex *a)
{
    forget_reservation(s);
    return true;
}

static void reserve(DisasContext *s, TCGv_i64 addr, unsigned size)
{
    gen_helper(s, &reserve_info, TCG_NO_INDEX, tcg_env(s->tcg), addr, imm64(s, size), TCG_NO_INDEX);
}

bool trans_ldxr(DisasContext *s, arg_ldxr *a)
{
    TCGv_i64 addr = mem_flat(s, mem_addr(a->rn, 0), 1 << a->sz), val = tcg_temp_i64(s->tcg);

    reserve(s, addr, 1u << a->sz);
    tcg_gen_ld(s->tcg, a->sz | (a->acq ? MO_ACQUIRE : 0), val, addr, TCG_NO_INDEX, 0);
    tcg_gen_st_env(s->tcg, MO_64, addr, EXCL(addr));
    tcg_gen_st_env(s->tcg, MO_64, val, EXCL(val));
    tcg_gen_mov(s->tcg, reg_dest(s, a->rt), val);
    return true;
}

/*
 * rs = result of what comes between begin_store and end_store if addr is still reserved, else 1. A
 * fault is raised before the granule is held.
 */
static TCGv_i64 begin_store(DisasContext *s, TCGv_i64 *addr, unsigned sz, int *label)
{
    TCGv_i64 failed = tcg_local_i64(s->tcg), at = tcg_local_i64(s->tcg);
    TCGv_i64 reserved = tcg_temp_i64(s->tcg), held = tcg_temp_i64(s->tcg);
    TCGv_i64 old = tcg_temp_i64(s->tcg);

    *label = tcg_new_label(s->tcg);
    tcg_gen_movi(s->tcg, failed, 1);
    tcg_gen_mov(s->tcg, at, *addr);
    tcg_gen_ld_env(s->tcg, MO_64, reserved, EXCL(addr));
    tcg_gen_cond_imm(brcond, s->tcg, MO_64, TCG_COND_NE, *label, at, reserved);
    tcg_gen_atomic_rmw(s->tcg, sz, TCG_ATOMIC_OR, old, at, imm64(s, 0));
    gen_helper(s, &begin_exclusive_info, held, tcg_env(s->tcg), at, TCG_NO_INDEX, TCG_NO_INDEX);
    tcg_gen_cond_imm(brcond, s->tcg, MO_64, TCG_COND_EQ, *label, held, imm64(s, 0));
    *addr = at;
    return failed;
}

static void end_store(DisasContext *s, int rs, TCGv_i64 failed, int label)
{
    gen_helper(s, &end_exclusive_info, TCG_NO_INDEX, tcg_env(s->tcg), TCG_NO_INDEX, TCG_NO_INDEX,
               TCG_NO_INDEX);
    tcg_gen_label(s->tcg, label);
    forget_reservation(s);
    tcg_gen_mov(s->tcg, reg_dest(s, rs), failed);
}

static void store_if_same(DisasContext *s, unsigned sz, TCGv_i64 failed, TCGv_i64 addr,
                          TCGv_i64 val)
{
    TCGv_i64 seen = tcg_temp_i64(s->tcg), old = tcg_temp_i64(s->tcg);

    tcg_gen_ld_env(s->tcg, MO_64, seen, EXCL(val));
    tcg_gen_atomic_cas(s->tcg, sz, old, addr, seen, val);
    tcg_gen_cond(setcond, s->tcg, MO_64, TCG_COND_NE, failed, old, seen);
}

bool trans_stxr(DisasContext *s, arg_stxr *a)
{
    int label;
    TCGv_i64 addr = mem_flat(s, mem_addr(a->rn, 0), 1 << a->sz);
    TCGv_i64 failed = begin_store(s, &addr, a->sz, &label);

    store_if_same(s, a->sz, failed, addr, reg_x(s, a->rt));
    end_store(s, a->rs, failed, label);
    return true;
}

/* --- pairs: two words as one 64-bit value, two doublewords as 16 bytes
 * ---------------------------------------- */

static TCGv_i64 join_words(DisasContext *s, int lo, int hi)
{
    TCGv_i64 t = tcg_temp_i64(s->tcg);

    tcg_gen_imm(deposit, s->tcg, MO_64, TCG_FIELD(32, 32), t, reg_x(s, lo), reg_x(s, hi));
    return t;
}

static void split_words(DisasContext *s, TCGv_i64 pair, int lo, int hi)
{
    tcg_gen(mov, s->tcg, MO_32, reg_dest(s, lo), pair);
    tcg_gen(shr, s->tcg, MO_64, reg_dest(s, hi), pair, imm64(s, 32));
}

/* old:old_high = 16 bytes at addr; if they equal expected they become desired. */
static void cas128(DisasContext *s, TCGv_i64 old[2], TCGv_i64 addr, const TCGv_i64 expected[2],
                   const TCGv_i64 desired[2])
{
    old[0] = tcg_temp_i64(s->tcg);
    old[1] = tcg_temp_i64(s->tcg);
    tcg_gen_atomic_cas128(s->tcg, old, addr, expected, desired);
}

/* d = 1 unless the pairs are equal */
static void pairs_differ(DisasContext *s, TCGv_i64 d, const TCGv_i64 a[2], const TCGv_i64 b[2])
{
    TCGv_i64 lo = tcg_temp_i64(s->tcg), hi = tcg_temp_i64(s->tcg);

    tcg_gen(xor, s->tcg, MO_64, lo, a[0], b[0]);
    tcg_gen(xor, s->tcg, MO_64, hi, a[1], b[1]);
    tcg_gen(or, s->tcg, MO_64, lo, lo, hi);
    tcg_gen_cond(setcond, s->tcg, MO_64, TCG_COND_NE, d, lo, imm64(s, 0));
}

/* The two doublewords need not be one atomic access: the store-exclusive checks both. */
bool trans_ldxp(DisasContext *s, arg_ldxp *a)
{
    TCGv_i64 addr = mem_flat(s, mem_addr(a->rn, 0), 8 << a->sz), val = tcg_temp_i64(s->tcg);
    unsigned memop = MO_64 | (a->acq ? MO_ACQUIRE : 0);
    TCGv_i64 high = tcg_temp_i64(s->tcg);

    reserve(s, addr, 8);
    tcg_gen_ld(s->tcg, memop, val, addr, TCG_NO_INDEX, 0);
    if (a->sz) {
        tcg_gen_ld(s->tcg, memop, high, addr, TCG_NO_INDEX, 8);
    }
    tcg_gen_st_env(s->tcg, MO_64, addr, EXCL(addr));
    tcg_gen_st_env(s->tcg, MO_64, val, EXCL(val));
    if (a->sz) {
        tcg_gen_st_env(s->tcg, MO_64, high, EXCL(high));
        tcg_gen_mov(s->tcg, reg_dest(s, a->rt), val);
        tcg_gen_mov(s->tcg, reg_dest(s, a->rt2), high);
    } else {
        split_words(s, val, a->rt, a->rt2);
    }
    return true;
}

bool trans_stxp(DisasContext *s, arg_stxp *a)
{
    int label;
    TCGv_i64 addr = mem_flat(s, mem_addr(a->rn, 0), 8 << a->sz);
    TCGv_i64 failed = begin_store(s, &addr, MO_64, &label);

    if (a->sz) {
        TCGv_i64 seen[2] = { tcg_temp_i64(s->tcg), tcg_temp_i64(s->tcg) }, old[2];
        const TCGv_i64 val[2] = { reg_x(s, a->rt), reg_x(s, a->rt2) };
        tcg_gen_ld_env(s->tcg, MO_64, seen[0], EXCL(val));
        tcg_gen_ld_env(s->tcg, MO_64, seen[1], EXCL(high));
        cas128(s, old, addr, seen, val);
        pairs_differ(s, failed, old, seen);
    } else {
        store_if_same(s, MO_64, failed, addr, join_words(s, a->rt, a->rt2));
    }
    end_store(s, a->rs, failed, label);
    return true;
}

/* --- LSE
 * -----------------------------------------------------------------------------------------------------------
 */

bool trans_cas(DisasContext *s, arg_cas *a)
{
    TCGv_i64 addr = mem_flat(s, mem_addr(a->rn, 0), 1 << a->sz), expected = reg_x(s, a->rs);

    if (a->sz != MO_64) {
        expected = tcg_temp_i64(s->tcg);
        tcg_gen_imm(extract, s->tcg, MO_64, TCG_FIELD(0, 8 << a->sz), expected, reg_x(s, a->rs));
    }
    tcg_gen_atomic_cas(s->tcg, a->sz, reg_dest(s, a->rs), addr, expected, reg_x(s, a->rt));
    return true;
}

bool trans_casp(DisasContext *s, arg_casp *a)
{
    if ((a->rs | a->rt) & 1) {
        return false;
    }
    TCGv_i64 addr = mem_flat(s, mem_addr(a->rn, 0), 8 << a->sz);
    if (a->sz) {
        const TCGv_i64 expected[2] = { reg_x(s, a->rs), reg_x(s, a->rs + 1) };
        const TCGv_i64 desired[2] = { reg_x(s, a->rt), reg_x(s, a->rt + 1) };
        TCGv_i64 old[2];
        cas128(s, old, addr, expected, desired);
        tcg_gen_mov(s->tcg, reg_dest(s, a->rs), old[0]);
        tcg_gen_mov(s->tcg, reg_dest(s, a->rs + 1), old[1]);
    } else {
        TCGv_i64 old = tcg_temp_i64(s->tcg);
        tcg_gen_atomic_cas(s->tcg, MO_64, old, addr, join_words(s, a->rs, a->rs + 1),
                           join_words(s, a->rt, a->rt + 1));
        split_words(s, old, a->rs, a->rs + 1);
    }
    return true;
}

bool trans_atomic(DisasContext *s, arg_atomic *a)
{
    TCGv_i64 addr = mem_flat(s, mem_addr(a->rn, 0), 1 << a->sz), val = reg_x(s, a->rs);

    if (a->invert) {
        val = tcg_temp_i64(s->tcg);
        tcg_gen(not, s->tcg, MO_64, val, reg_x(s, a->rs));
    }
    tcg_gen_atomic_rmw(s->tcg, a->sz, a->op, reg_dest(s, a->rt), addr, val);
    return true;
}

/* LDCLRP LDSETP SWPP: a loop around compare-and-swap. */
bool trans_atomic128(DisasContext *s, arg_atomic128 *a)
{
    if (a->rt == 31 || a->rt2 == 31) {
        return false;
    }
    TCGv_i64 addr = tcg_local_i64(s->tcg), lost = tcg_temp_i64(s->tcg), next[2], old[2];
    TCGv_i64 seen[2] = { tcg_local_i64(s->tcg), tcg_local_i64(s->tcg) };
    const int regs[2] = { a->rt, a->rt2 };
    int again = tcg_new_label(s->tcg);

    tcg_gen_mov(s->tcg, addr, mem_flat(s, mem_addr(a->rn, 0), 16));
    tcg_gen_ld(s->tcg, MO_64, seen[0], addr, TCG_NO_INDEX, 0);
    tcg_gen_ld(s->tcg, MO_64, seen[1], addr, TCG_NO_INDEX, 8);
    tcg_gen_label(s->tcg, again);
    for (int i = 0; i < 2; i++) {
        next[i] = reg_x(s, regs[i]);
        if (a->op != TCG_OP_mov) {
            next[i] = tcg_temp_i64(s->tcg);
            gen_op2(s, a->op, MO_64, next[i], seen[i], reg_x(s, regs[i]));
        }
    }
    cas128(s, old, addr, seen, next);
    pairs_differ(s, lost, old, seen);
    tcg_gen_mov(s->tcg, seen[0], old[0]);
    tcg_gen_mov(s->tcg, seen[1], old[1]);
    tcg_gen_cond_imm(brcond, s->tcg, MO_64, TCG_COND_NE, again, lost, imm64(s, 0));
    tcg_gen_mov(s->tcg, reg_dest(s, a->rt), seen[0]);
    tcg_gen_mov(s->tcg, reg_dest(s, a->rt2), seen[1]);
    return true;
}
