/* SPDX-License-Identifier: MIT */
/* A64 exclusives and atomics (DDI 0487 C4.1.94, B2.12). exclusive.c says how exclusives work. */
#include "target/arm/translate.h"

#define EXCL(field) offsetof(CPUArmState, excl_##field)

void forget_reservation(DisasContext *s)
{
    tcg_gen_st_env(s->tcg, MO_64, imm64(s, ~(uint64_t)0), EXCL(addr));
}

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
    gen_helper(s, &arm_reserve_info, TCG_NO_INDEX, tcg_env(s->tcg), addr, imm64(s, size),
               TCG_NO_INDEX);
}

/* The load-exclusive is done; what the block does next comes between it and the store-exclusive. */
static void reserved(DisasContext *s)
{
    s->ops_at_reserve = s->tcg->nb_ops;
}

/*
 * Whether anybody can tell that others stored between the load-exclusive and the store-exclusive.
 * Not if the block has nothing but arithmetic and branches between the two: then the load might as
 * well have come just before the store, and comparing the value is all that is wanted.
 */
typedef enum Between { BETWEEN_NOTHING, BETWEEN_OURS, BETWEEN_WATCHED } Between;

static bool only_arithmetic(const DisasContext *s)
{
    for (int i = s->ops_at_reserve; s->ops_at_reserve && i < s->tcg->nb_ops; i++) {
        switch (s->tcg->ops[i].opc) {
        case TCG_OP_ld:
        case TCG_OP_st:
        case TCG_OP_ldv:
        case TCG_OP_stv:
        case TCG_OP_atomic_rmw:
        case TCG_OP_atomic_cas:
        case TCG_OP_atomic_cas128:
        case TCG_OP_call:
        case TCG_OP_label:
            return false;
        }
    }
    return s->ops_at_reserve;
}

static Between what_is_between(const DisasContext *s)
{
    if (s->tb->cflags & (CF_SINGLE | CF_CAREFUL)) {
        return BETWEEN_OURS; /* it is our doing that the two are apart */
    }
    if (!only_arithmetic(s)) {
        return BETWEEN_WATCHED;
    }
    return s->tb->cflags & CF_STORES_COUNTED ? BETWEEN_OURS : BETWEEN_NOTHING;
}

bool trans_ldxr(DisasContext *s, arg_ldxr *a)
{
    TCGv_i64 addr = mem_flat(s, mem_addr(a->rn, 0), 1 << a->sz), val = tcg_temp_i64(s->tcg);

    reserve(s, addr, 1u << a->sz);
    tcg_gen_ld(s->tcg, a->sz | (a->acq ? MO_ACQUIRE : 0), val, addr, TCG_NO_INDEX, 0);
    tcg_gen_st_env(s->tcg, MO_64, addr, EXCL(addr));
    tcg_gen_st_env(s->tcg, MO_64, val, EXCL(val));
    tcg_gen_mov(s->tcg, reg_dest(s, a->rt), val);
    reserved(s);
    return true;
}

/*
 * rs = result of what comes between begin_store and end_store if addr is still reserved, else 1. A
 * fault is raised before the granule is held.
 */
static TCGv_i64 begin_store(DisasContext *s, TCGv_i64 *addr, unsigned sz, int *label,
                            Between between)
{
    TCGv_i64 failed = tcg_local_i64(s->tcg), at = tcg_local_i64(s->tcg);
    TCGv_i64 reserved = tcg_temp_i64(s->tcg);

    *label = tcg_new_label(s->tcg);
    tcg_gen_movi(s->tcg, failed, 1);
    tcg_gen_mov(s->tcg, at, *addr);
    *addr = at;
    tcg_gen_ld_env(s->tcg, MO_64, reserved, EXCL(addr));
    tcg_gen_cond_imm(brcond, s->tcg, MO_64, TCG_COND_NE, *label, at, reserved);
    if (between != BETWEEN_NOTHING) {
        TCGv_i64 old = tcg_temp_i64(s->tcg), held = tcg_temp_i64(s->tcg);

        s->tcg->store_guard = NULL; /* it holds the granule itself */
        tcg_gen_atomic_rmw(s->tcg, sz, TCG_ATOMIC_OR, old, at, imm64(s, 0));
        gen_helper(s,
                   between == BETWEEN_WATCHED ? &arm_begin_watched_info : &arm_begin_exclusive_info,
                   held, tcg_env(s->tcg), at, TCG_NO_INDEX, TCG_NO_INDEX);
        tcg_gen_cond_imm(brcond, s->tcg, MO_64, TCG_COND_EQ, *label, held, imm64(s, 0));
    }
    return failed;
}

static void end_store(DisasContext *s, int rs, TCGv_i64 failed, int label, Between between)
{
    if (between != BETWEEN_NOTHING) {
        gen_helper(s, &arm_end_exclusive_info, TCG_NO_INDEX, tcg_env(s->tcg), TCG_NO_INDEX,
                   TCG_NO_INDEX, TCG_NO_INDEX);
        s->tcg->store_guard = arm_store_guard(s->tb);
    }
    s->ops_at_reserve = 0;
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
    Between between = what_is_between(s);
    TCGv_i64 addr = mem_flat(s, mem_addr(a->rn, 0), 1 << a->sz);
    TCGv_i64 failed = begin_store(s, &addr, a->sz, &label, between);

    store_if_same(s, a->sz, failed, addr, reg_x(s, a->rt));
    end_store(s, a->rs, failed, label, between);
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
    reserved(s);
    return true;
}

bool trans_stxp(DisasContext *s, arg_stxp *a)
{
    int label;
    Between between = what_is_between(s);
    TCGv_i64 addr = mem_flat(s, mem_addr(a->rn, 0), 8 << a->sz);
    TCGv_i64 failed = begin_store(s, &addr, MO_64, &label, between);

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
    end_store(s, a->rs, failed, label, between);
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
