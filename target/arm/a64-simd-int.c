/* SPDX-License-Identifier: MIT */
/*
 * A64 Advanced SIMD on integers: three same, three different, two registers, across lanes, and by
 * element (DDI 0487, C4.1). What saturates is in a64-simd-sat.c, shifts by an immediate in
 * a64-simd-shift.c.
 */
#include "target/arm/translate-simd.h"

void simd_call(DisasContext *s, SimdDesc desc)
{
    gen_helper(s, &helper_simd_info, TCG_NO_INDEX, tcg_env(s->tcg), imm64(s, desc.raw),
               TCG_NO_INDEX, TCG_NO_INDEX);
}

/* --- three same ------------------------------------------------------------------------ */

bool trans_simd_int3(DisasContext *s, arg_simd_int3 *a)
{
    TCGv_vec d;

    if (!simd_size_ok(a->size, a->max, a->q, a->scalar)) {
        return false;
    }
    d = vec_emit(s, a->op, a->size, a->cond, 0, reg_v(a->rn), reg_v(a->rm), VEC_NONE);
    if (a->acc) {
        d = vec_vv(s, a->acc, a->size, reg_v(a->rd), d);
    }
    simd_write(s, a->rd, SIMD_KEEP(a->scalar, a->q, a->size), d);
    return true;
}

/* BSL: where d has ones n, else m. BIT: n goes where m has ones; BIF: where it has zeros. */
static bool select_bits(DisasContext *s, int rd, int q, int mask, int ones, int zeros)
{
    simd_write(s, rd, SIMD_KEEP(0, q, 0),
               vec_vvv(s, TCG_OP_vbsl, 0, reg_v(mask), reg_v(ones), reg_v(zeros)));
    return true;
}

bool trans_simd_bsl(DisasContext *s, arg_simd_bsl *a)
{
    return select_bits(s, a->rd, a->q, a->rd, a->rn, a->rm);
}

bool trans_simd_bit(DisasContext *s, arg_simd_bit *a)
{
    return select_bits(s, a->rd, a->q, a->rm, a->rn, a->rd);
}

bool trans_simd_bif(DisasContext *s, arg_simd_bif *a)
{
    return select_bits(s, a->rd, a->q, a->rm, a->rd, a->rn);
}

bool trans_simd_pair(DisasContext *s, arg_simd_pair *a)
{
    TCGv_vec n = reg_v(a->rn), m = reg_v(a->rm), even, odd;

    if (!simd_size_ok(a->size, a->max, a->q, 0)) {
        return false;
    }
    if (!a->q) {
        n = m = vec_join(s, n, m);
    }
    if (n.i == m.i && a->size != MO_64) { /* even lanes with the odd ones beside them */
        odd = vec_vi(s, TCG_OP_vshri, a->size + 1, n, 8 << a->size);
        n = vec_vv(s, a->op, a->size, n, odd);
        simd_write(s, a->rd, SIMD_KEEP(0, a->q, 0), vec_vv(s, TCG_OP_vuzp1, a->size, n, n));
        return true;
    }
    even = vec_vv(s, TCG_OP_vuzp1, a->size, n, m);
    odd = vec_vv(s, TCG_OP_vuzp2, a->size, n, m);
    simd_write(s, a->rd, SIMD_KEEP(0, a->q, 0), vec_vv(s, a->op, a->size, even, odd));
    return true;
}

bool trans_simd_addp_s(DisasContext *s, arg_simd_addp_s *a)
{
    simd_write(s, a->rd, MO_128, vec_v(s, TCG_OP_vaddv, MO_64, reg_v(a->rn)));
    return true;
}

bool trans_simd_dot(DisasContext *s, arg_simd_dot *a)
{
    simd_write(s, a->rd, SIMD_KEEP(0, a->q, 0),
               vec_vvv(s, a->op, 0, reg_v(a->rd), reg_v(a->rn), reg_v(a->rm)));
    return true;
}

/* --- helpers over the state ------------------------------------------------------------ */

bool trans_simd_help3(DisasContext *s, arg_simd_help3 *a)
{
    if (!simd_size_ok(a->size, a->max, a->q, a->scalar) || a->size < a->min) {
        return false;
    }
    simd_call(s, (SimdDesc){ .func = a->func,
                             .rd = a->rd,
                             .rn = a->rn,
                             .rm = a->rm,
                             .size = a->size,
                             .keep = SIMD_KEEP(a->scalar, a->q, a->size) });
    return true;
}

bool trans_simd_help2(DisasContext *s, arg_simd_help2 *a)
{
    simd_call(s, (SimdDesc){ .func = a->func,
                             .rd = a->rd,
                             .rn = a->rn,
                             .size = a->size,
                             .keep = SIMD_KEEP(0, a->q, 0) });
    return true;
}

bool trans_simd_state(DisasContext *s, arg_simd_state *a)
{
    simd_call(s, (SimdDesc){ .func = a->func,
                             .rd = a->rd,
                             .rn = a->rn,
                             .rm = a->rm,
                             .x = a->ra | a->imm,
                             .keep = MO_64 + a->q });
    return true;
}

/* --- three different ------------------------------------------------------------------- */

/* The low half's elements, or the high half's, at twice their size. */
static TCGv_vec widen(DisasContext *s, int uns, int high, unsigned size, TCGv_vec v)
{
    static const TCGOpcode ops[2][2] = { { TCG_OP_vsxl, TCG_OP_vsxh },
                                         { TCG_OP_vuxl, TCG_OP_vuxh } };

    return vec_v(s, ops[uns][high], size, v);
}

static TCGv_vec accumulate(DisasContext *s, int acc, unsigned size, int rd, TCGv_vec v)
{
    return acc ? vec_vv(s, acc, size, reg_v(rd), v) : v;
}

bool trans_simd_long(DisasContext *s, arg_simd_long *a)
{
    unsigned wide = a->size + 1;
    TCGv_vec n, m, d;

    if (a->size == MO_64) {
        return false;
    }
    n = widen(s, a->uns, a->q, a->size, reg_v(a->rn));
    m = widen(s, a->uns, a->q, a->size, reg_v(a->rm));
    d = vec_vv(s, a->op, wide, n, m);
    simd_write(s, a->rd, MO_128, accumulate(s, a->acc, wide, a->rd, d));
    return true;
}

bool trans_simd_wide(DisasContext *s, arg_simd_wide *a)
{
    TCGv_vec m;

    if (a->size == MO_64) {
        return false;
    }
    m = widen(s, a->uns, a->q, a->size, reg_v(a->rm));
    simd_write(s, a->rd, MO_128, vec_vv(s, a->op, a->size + 1, reg_v(a->rn), m));
    return true;
}

static void mull(DisasContext *s, int uns, int high, unsigned size, int acc, int rd, TCGv_vec n,
                 TCGv_vec m)
{
    static const TCGOpcode ops[2][2] = { { TCG_OP_vsmull, TCG_OP_vsmull2 },
                                         { TCG_OP_vumull, TCG_OP_vumull2 } };
    TCGv_vec d = vec_vv(s, ops[uns][high], size, n, m);

    simd_write(s, rd, MO_128, accumulate(s, acc, size + 1, rd, d));
}

bool trans_simd_mull(DisasContext *s, arg_simd_mull *a)
{
    if (a->size == MO_64) {
        return false;
    }
    mull(s, a->uns, a->q, a->size, a->acc, a->rd, reg_v(a->rn), reg_v(a->rm));
    return true;
}

bool trans_simd_pmull(DisasContext *s, arg_simd_pmull *a)
{
    simd_write(
        s, a->rd, MO_128,
        vec_vv(s, a->q ? TCG_OP_vpmull2 : TCG_OP_vpmull, a->size, reg_v(a->rn), reg_v(a->rm)));
    return true;
}

void simd_write_narrow(DisasContext *s, int rd, int q, TCGv_vec val)
{
    simd_write(s, rd, MO_128, q ? vec_join(s, reg_v(rd), val) : val);
}

bool trans_simd_addhn(DisasContext *s, arg_simd_addhn *a)
{
    unsigned wide = a->size + 1, bits = 8 << a->size;
    TCGv_vec d;

    if (a->size == MO_64) {
        return false;
    }
    d = vec_vv(s, a->op, wide, reg_v(a->rn), reg_v(a->rm));
    if (a->round) {
        d = vec_vv(s, TCG_OP_vadd, wide, d, vec_const(s, wide, 1ull << (bits - 1)));
    }
    d = vec_vi(s, TCG_OP_vshri, wide, d, bits);
    simd_write_narrow(s, a->rd, a->q, vec_v(s, TCG_OP_vxtn, a->size, d));
    return true;
}

/* --- two registers --------------------------------------------------------------------- */

bool trans_simd_int2(DisasContext *s, arg_simd_int2 *a)
{
    if (!simd_size_ok(a->size, a->max, a->q, a->scalar)) {
        return false;
    }
    simd_write(s, a->rd, SIMD_KEEP(a->scalar, a->q, a->size),
               vec_vi(s, a->op, a->size, reg_v(a->rn), a->imm));
    return true;
}

bool trans_simd_cmp0(DisasContext *s, arg_simd_cmp0 *a)
{
    if (!simd_size_ok(a->size, 0, a->q, a->scalar)) {
        return false;
    }
    simd_write(s, a->rd, SIMD_KEEP(a->scalar, a->q, a->size),
               vec_cmp(s, a->cond, a->size, reg_v(a->rn), vec_zero(s)));
    return true;
}

/* Sums of pairs of neighbours, at twice their size. */
static TCGv_vec add_neighbours(DisasContext *s, int uns, unsigned size, TCGv_vec v)
{
    unsigned wide = size + 1, bits = 8 << size;
    TCGv_vec even, odd;

    if (uns) {
        even = vec_vv(s, TCG_OP_vand, 0, v, vec_const(s, wide, (1ull << bits) - 1));
        odd = vec_vi(s, TCG_OP_vshri, wide, v, bits);
    } else {
        even = vec_vi(s, TCG_OP_vsari, wide, vec_vi(s, TCG_OP_vshli, wide, v, bits), bits);
        odd = vec_vi(s, TCG_OP_vsari, wide, v, bits);
    }
    return vec_vv(s, TCG_OP_vadd, wide, even, odd);
}

bool trans_simd_addlp(DisasContext *s, arg_simd_addlp *a)
{
    TCGv_vec d;

    if (a->size == MO_64) {
        return false;
    }
    d = add_neighbours(s, a->uns, a->size, reg_v(a->rn));
    if (a->acc) {
        d = vec_vv(s, TCG_OP_vadd, a->size + 1, reg_v(a->rd), d);
    }
    simd_write(s, a->rd, SIMD_KEEP(0, a->q, 0), d);
    return true;
}

bool trans_simd_xtn(DisasContext *s, arg_simd_xtn *a)
{
    if (a->size == MO_64) {
        return false;
    }
    simd_write_narrow(s, a->rd, a->q, vec_v(s, a->op, a->size, reg_v(a->rn)));
    return true;
}

/* SHLL: by exactly the element's bits. */
bool trans_simd_shll(DisasContext *s, arg_simd_shll *a)
{
    TCGv_vec d;

    if (a->size == MO_64) {
        return false;
    }
    d = widen(s, 1, a->q, a->size, reg_v(a->rn));
    simd_write(s, a->rd, MO_128, vec_vi(s, TCG_OP_vshli, a->size + 1, d, 8 << a->size));
    return true;
}

bool trans_simd_shll_imm(DisasContext *s, arg_simd_shll_imm *a)
{
    int size = 28 - __builtin_clz(a->imm | 1);
    TCGv_vec d;

    if (size < 0 || size == MO_64) {
        return false;
    }
    d = widen(s, a->uns, a->q, size, reg_v(a->rn));
    if (a->imm != 8 << size) {
        d = vec_vi(s, TCG_OP_vshli, size + 1, d, a->imm - (8 << size));
    }
    simd_write(s, a->rd, MO_128, d);
    return true;
}

/* --- across lanes ---------------------------------------------------------------------- */

/* Reductions of integers exist of at least four lanes (eight bytes). */
static bool across_ok(int size, int q)
{
    return size < MO_32 || (size == MO_32 && q);
}

/* For sums the missing half is zero, for extremes it is the other one again. */
bool trans_simd_reduce(DisasContext *s, arg_simd_reduce *a)
{
    TCGv_vec n = reg_v(a->rn);

    if (!across_ok(a->size, a->q)) {
        return false;
    }
    if (!a->q) {
        n = a->op == TCG_OP_vaddv ? vec_zext(s, MO_64, n) : vec_dup(s, MO_64, n, 0);
    }
    simd_write(s, a->rd, MO_128, vec_v(s, a->op, a->size, n));
    return true;
}

bool trans_simd_addlv(DisasContext *s, arg_simd_addlv *a)
{
    TCGv_vec d;

    if (!across_ok(a->size, a->q)) {
        return false;
    }
    d = a->q ? add_neighbours(s, a->uns, a->size, reg_v(a->rn))
             : widen(s, a->uns, 0, a->size, reg_v(a->rn));
    simd_write(s, a->rd, MO_128, vec_v(s, TCG_OP_vaddv, a->size + 1, d));
    return true;
}

/* --- by element ------------------------------------------------------------------------ */

bool simd_elem(SimdElem *e, unsigned size, int l, int m, int rm, int h)
{
    switch (size) {
    case MO_16: /* V0…V15 only: m is the index's low bit */
        *e = (SimdElem){ rm, h << 2 | l << 1 | m };
        return true;
    case MO_32:
        *e = (SimdElem){ m << 4 | rm, h << 1 | l };
        return true;
    case MO_64:
        *e = (SimdElem){ m << 4 | rm, h };
        return !l;
    default:
        return false;
    }
}

bool simd_int_elem(DisasContext *s, TCGv_vec *v, unsigned size, int l, int m, int rm, int h)
{
    SimdElem e;

    if (size == MO_64 || !simd_elem(&e, size, l, m, rm, h)) {
        return false;
    }
    *v = vec_dup(s, size, reg_v(e.reg), e.lane);
    return true;
}

bool trans_simd_mul_e(DisasContext *s, arg_simd_mul_e *a)
{
    TCGv_vec m, d;

    if (!simd_int_elem(s, &m, a->size, a->l, a->m, a->rm, a->h)) {
        return false;
    }
    d = vec_vv(s, TCG_OP_vmul, a->size, reg_v(a->rn), m);
    simd_write(s, a->rd, SIMD_KEEP(0, a->q, 0), accumulate(s, a->acc, a->size, a->rd, d));
    return true;
}

bool trans_simd_mull_e(DisasContext *s, arg_simd_mull_e *a)
{
    TCGv_vec m;

    if (!simd_int_elem(s, &m, a->size, a->l, a->m, a->rm, a->h)) {
        return false;
    }
    mull(s, a->uns, a->q, a->size, a->acc, a->rd, reg_v(a->rn), m);
    return true;
}

/* SUDOT is USDOT with the factors exchanged. */
bool trans_simd_dot_e(DisasContext *s, arg_simd_dot_e *a)
{
    TCGv_vec n = reg_v(a->rn), m = vec_dup(s, MO_32, reg_v(a->m << 4 | a->rm), a->h << 1 | a->l);

    simd_write(s, a->rd, SIMD_KEEP(0, a->q, 0),
               vec_vvv(s, a->op, 0, reg_v(a->rd), a->swap ? m : n, a->swap ? n : m));
    return true;
}

bool trans_simd_help3_e(DisasContext *s, arg_simd_help3_e *a)
{
    SimdElem e;

    if (a->size == MO_64 || !simd_elem(&e, a->size, a->l, a->m, a->rm, a->h)) {
        return false;
    }
    simd_call(s, (SimdDesc){ .func = a->func,
                             .rd = a->rd,
                             .rn = a->rn,
                             .rm = e.reg,
                             .size = a->size,
                             .keep = SIMD_KEEP(a->scalar, a->q, a->size),
                             .lane = e.lane + 1 });
    return true;
}
