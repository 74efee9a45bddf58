/* SPDX-License-Identifier: MIT */
/*
 * A64 Advanced SIMD arithmetic that saturates (DDI 0487, C4.1). FPSR.QC is a vector, of which any
 * bit means QC: what saturated differs from what wrapped around.
 */
#include "target/arm/translate-simd.h"

static void write_sat(DisasContext *s, int rd, unsigned keep, TCGv_vec sat, TCGv_vec wrapped)
{
    simd_write(s, rd, keep, sat);
    simd_set_qc(s, keep, reg_v(rd), wrapped);
}

bool trans_simd_sat3(DisasContext *s, arg_simd_sat3 *a)
{
    unsigned keep = SIMD_KEEP(a->scalar, a->q, a->size);
    TCGv_vec n = reg_v(a->rn), m = reg_v(a->rm), sat, wrapped;

    if (!simd_size_ok(a->size, 0, a->q, a->scalar)) {
        return false;
    }
    wrapped = vec_vv(s, a->wrap, a->size, n, m);
    sat = vec_vv(s, a->op, a->size, n, m);
    write_sat(s, a->rd, keep, sat, wrapped);
    return true;
}

/* Only the product of the two most negative numbers saturates. */
static void sqdmulh(DisasContext *s, TCGOpcode op, int rd, unsigned size, unsigned keep, TCGv_vec n,
                    TCGv_vec m)
{
    TCGv_vec min = vec_const(s, size, sign_bit(size));
    TCGv_vec n_min = vec_cmp(s, TCG_COND_EQ, size, n, min);
    TCGv_vec both = vec_vv(s, TCG_OP_vand, 0, n_min, vec_cmp(s, TCG_COND_EQ, size, n, m));

    simd_set_qc(s, keep, both, vec_zero(s));
    simd_write(s, rd, keep, vec_vv(s, op, size, n, m));
}

bool trans_simd_sqdmulh(DisasContext *s, arg_simd_sqdmulh *a)
{
    if (a->size != MO_16 && a->size != MO_32) {
        return false;
    }
    sqdmulh(s, a->op, a->rd, a->size, SIMD_KEEP(a->scalar, a->q, a->size), reg_v(a->rn),
            reg_v(a->rm));
    return true;
}

bool trans_simd_sqdmulh_e(DisasContext *s, arg_simd_sqdmulh_e *a)
{
    TCGv_vec m;

    if (!simd_int_elem(s, &m, a->size, a->l, a->m, a->rm, a->h)) {
        return false;
    }
    sqdmulh(s, a->op, a->rd, a->size, SIMD_KEEP(a->scalar, a->q, a->size), reg_v(a->rn), m);
    return true;
}

/* Twice the product saturates, and then the sum with (or difference to) rd. */
static void sqdmull(DisasContext *s, int rd, unsigned size, unsigned keep, int high, int acc,
                    int wrap, TCGv_vec n, TCGv_vec m)
{
    unsigned wide = size + 1;
    TCGv_vec product = vec_vv(s, high ? TCG_OP_vsmull2 : TCG_OP_vsmull, size, n, m);
    TCGv_vec wrapped = vec_vv(s, TCG_OP_vadd, wide, product, product);
    TCGv_vec sat = vec_vv(s, TCG_OP_vsqadd, wide, product, product);

    if (acc) {
        simd_set_qc(s, keep, sat, wrapped);
        wrapped = vec_vv(s, wrap, wide, reg_v(rd), sat);
        sat = vec_vv(s, acc, wide, reg_v(rd), sat);
    }
    write_sat(s, rd, keep, sat, wrapped);
}

bool trans_simd_sqdmull(DisasContext *s, arg_simd_sqdmull *a)
{
    if (a->size != MO_16 && a->size != MO_32) {
        return false;
    }
    sqdmull(s, a->rd, a->size, SIMD_KEEP(a->scalar, 1, a->size + 1), a->q, a->acc, a->wrap,
            reg_v(a->rn), reg_v(a->rm));
    return true;
}

bool trans_simd_sqdmull_e(DisasContext *s, arg_simd_sqdmull_e *a)
{
    TCGv_vec m;

    if (!simd_int_elem(s, &m, a->size, a->l, a->m, a->rm, a->h)) {
        return false;
    }
    sqdmull(s, a->rd, a->size, SIMD_KEEP(a->scalar, 1, a->size + 1), a->q, a->acc, a->wrap,
            reg_v(a->rn), m);
    return true;
}

bool trans_simd_satxtn(DisasContext *s, arg_simd_satxtn *a)
{
    TCGv_vec n = reg_v(a->rn), d, wide;

    if (a->size == MO_64) {
        return false;
    }
    d = vec_v(s, a->op, a->size, n);
    wide = vec_v(s, a->uns ? TCG_OP_vuxl : TCG_OP_vsxl, a->size, d);
    simd_set_qc(s, a->scalar ? a->size + 1u : MO_128, wide, n);
    if (a->scalar) {
        simd_write(s, a->rd, a->size, d);
    } else {
        simd_write_narrow(s, a->rd, a->q, d);
    }
    return true;
}

/* |MIN| as an unsigned number is one more than the maximum. */
bool trans_simd_sqabs(DisasContext *s, arg_simd_sqabs *a)
{
    unsigned keep = SIMD_KEEP(a->scalar, a->q, a->size);
    TCGv_vec wrapped, sat;

    if (!simd_size_ok(a->size, 0, a->q, a->scalar)) {
        return false;
    }
    wrapped = vec_v(s, TCG_OP_vabs, a->size, reg_v(a->rn));
    sat = vec_vv(s, TCG_OP_vumin, a->size, wrapped, vec_const(s, a->size, sign_bit(a->size) - 1));
    write_sat(s, a->rd, keep, sat, wrapped);
    return true;
}

bool trans_simd_sqneg(DisasContext *s, arg_simd_sqneg *a)
{
    unsigned keep = SIMD_KEEP(a->scalar, a->q, a->size);
    TCGv_vec wrapped, sat;

    if (!simd_size_ok(a->size, 0, a->q, a->scalar)) {
        return false;
    }
    wrapped = vec_v(s, TCG_OP_vneg, a->size, reg_v(a->rn));
    sat = vec_vv(s, TCG_OP_vsqsub, a->size, vec_zero(s), reg_v(a->rn));
    write_sat(s, a->rd, keep, sat, wrapped);
    return true;
}

/*
 * rd (signed) + rn (unsigned) to signed: in three steps none of which is more than a signed number
 * can hold; once saturated, the sum stays so.
 */
bool trans_simd_suqadd(DisasContext *s, arg_simd_suqadd *a)
{
    unsigned keep = SIMD_KEEP(a->scalar, a->q, a->size);
    TCGv_vec n = reg_v(a->rn), wrapped, half, bit, sat;

    if (!simd_size_ok(a->size, 0, a->q, a->scalar)) {
        return false;
    }
    wrapped = vec_vv(s, TCG_OP_vadd, a->size, reg_v(a->rd), n);
    half = vec_vi(s, TCG_OP_vshri, a->size, n, 1);
    bit = vec_vv(s, TCG_OP_vand, 0, n, vec_const(s, a->size, 1));
    sat = vec_vv(s, TCG_OP_vsqadd, a->size, reg_v(a->rd), half);
    sat = vec_vv(s, TCG_OP_vsqadd, a->size, sat, half);
    sat = vec_vv(s, TCG_OP_vsqadd, a->size, sat, bit);
    write_sat(s, a->rd, keep, sat, wrapped);
    return true;
}

/* rd (unsigned) + rn (signed) to unsigned: rn's positive and negative parts, one of which is 0. */
bool trans_simd_usqadd(DisasContext *s, arg_simd_usqadd *a)
{
    unsigned keep = SIMD_KEEP(a->scalar, a->q, a->size);
    TCGv_vec n = reg_v(a->rn), wrapped, pos, neg, sat;

    if (!simd_size_ok(a->size, 0, a->q, a->scalar)) {
        return false;
    }
    wrapped = vec_vv(s, TCG_OP_vadd, a->size, reg_v(a->rd), n);
    pos = vec_vv(s, TCG_OP_vsmax, a->size, n, vec_zero(s));
    neg = vec_v(s, TCG_OP_vneg, a->size, vec_vv(s, TCG_OP_vsmin, a->size, n, vec_zero(s)));
    sat = vec_vv(s, TCG_OP_vuqadd, a->size, reg_v(a->rd), pos);
    sat = vec_vv(s, TCG_OP_vuqsub, a->size, sat, neg);
    write_sat(s, a->rd, keep, sat, wrapped);
    return true;
}
