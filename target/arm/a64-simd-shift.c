/* SPDX-License-Identifier: MIT */
/*
 * A64 Advanced SIMD shift by immediate (DDI 0487, C4.1), and conversions to and from fixed point,
 * which share its encoding. `imm` is immh:immb: its leading one tells the element size, and it is
 * the size in bits + a left shift, or twice that - a right shift.
 */
#include "target/arm/translate-simd.h"

typedef struct ShiftImm {
    int size; /* MO_8…MO_64, or negative */
    int bits, left, right;
    unsigned keep;
} ShiftImm;

/* False: unallocated. */
static bool shift_imm(ShiftImm *sh, int imm, int q, int scalar)
{
    sh->size = 28 - __builtin_clz(imm | 1);
    if (sh->size < 0 || !simd_size_ok(sh->size, 0, q, scalar)) {
        return false;
    }
    sh->bits = 8 << sh->size;
    sh->left = imm - sh->bits;
    sh->right = 2 * sh->bits - imm;
    sh->keep = SIMD_KEEP(scalar, q, sh->size);
    return true;
}
/* The scalar forms of plain shifts exist for 64 bits only. */
static bool shift_imm_d(ShiftImm *sh, int imm, int q, int scalar)
{
    return shift_imm(sh, imm, q, scalar) && (!scalar || sh->size == MO_64);
}

bool trans_simd_shr(DisasContext *s, arg_simd_shr *a)
{
    ShiftImm sh;
    TCGv_vec d;

    if (!shift_imm_d(&sh, a->imm, a->q, a->scalar)) {
        return false;
    }
    d = vec_vi(s, a->op, sh.size, reg_v(a->rn), sh.right);
    if (a->acc) {
        d = vec_vv(s, TCG_OP_vadd, sh.size, reg_v(a->rd), d);
    }
    simd_write(s, a->rd, sh.keep, d);
    return true;
}

bool trans_simd_shl(DisasContext *s, arg_simd_shl *a)
{
    ShiftImm sh;

    if (!shift_imm_d(&sh, a->imm, a->q, a->scalar)) {
        return false;
    }
    simd_write(s, a->rd, sh.keep, vec_vi(s, TCG_OP_vshli, sh.size, reg_v(a->rn), sh.left));
    return true;
}

/* Bits of rd where `mask` (of one lane) has ones stay. */
static void insert_shifted(DisasContext *s, int rd, const ShiftImm *sh, uint64_t mask, TCGv_vec v)
{
    TCGv_vec rest = vec_vv(s, TCG_OP_vand, 0, reg_v(rd), vec_const(s, sh->size, mask));

    simd_write(s, rd, sh->keep, vec_vv(s, TCG_OP_vor, 0, rest, v));
}

bool trans_simd_sli(DisasContext *s, arg_simd_sli *a)
{
    ShiftImm sh;
    TCGv_vec v;

    if (!shift_imm_d(&sh, a->imm, a->q, a->scalar)) {
        return false;
    }
    v = vec_vi(s, TCG_OP_vshli, sh.size, reg_v(a->rn), sh.left);
    insert_shifted(s, a->rd, &sh, (1ull << sh.left) - 1, v);
    return true;
}

bool trans_simd_sri(DisasContext *s, arg_simd_sri *a)
{
    ShiftImm sh;
    TCGv_vec v;

    if (!shift_imm_d(&sh, a->imm, a->q, a->scalar)) {
        return false;
    }
    v = vec_vi(s, TCG_OP_vshri, sh.size, reg_v(a->rn), sh.right);
    insert_shifted(s, a->rd, &sh, -1ull << (sh.bits - sh.right), v);
    return true;
}

/* --- saturating to the left ------------------------------------------------------------ */

/*
 * Signed: where shifting back does not give the operand it saturates to the end of its sign.
 */
bool trans_simd_sqshl(DisasContext *s, arg_simd_sqshl *a)
{
    ShiftImm sh;
    TCGv_vec n = reg_v(a->rn), wrapped, back, same, limit, d;

    if (!shift_imm(&sh, a->imm, a->q, a->scalar)) {
        return false;
    }
    wrapped = vec_vi(s, TCG_OP_vshli, sh.size, n, sh.left);
    back = vec_vi(s, TCG_OP_vsari, sh.size, wrapped, sh.left);
    same = vec_cmp(s, TCG_COND_EQ, sh.size, back, n);
    limit = vec_vv(s, TCG_OP_vxor, 0, vec_vi(s, TCG_OP_vsari, sh.size, n, sh.bits - 1),
                   vec_const(s, sh.size, sign_bit(sh.size) - 1));
    d = vec_vvv(s, TCG_OP_vbsl, 0, same, wrapped, limit);
    simd_set_qc(s, sh.keep, vec_v(s, TCG_OP_vnot, 0, same), vec_zero(s));
    simd_write(s, a->rd, sh.keep, d);
    return true;
}

/* The unsigned result of n << left, where n holds no negative lane; QC also where `also` differs.
 */
static void shift_left_unsigned(DisasContext *s, int rd, const ShiftImm *sh, TCGv_vec n,
                                TCGv_vec also)
{
    TCGv_vec wrapped = vec_vi(s, TCG_OP_vshli, sh->size, n, sh->left);
    TCGv_vec back = vec_vi(s, TCG_OP_vshri, sh->size, wrapped, sh->left);
    TCGv_vec same = vec_cmp(s, TCG_COND_EQ, sh->size, back, n);
    TCGv_vec d = vec_vv(s, TCG_OP_vorc, 0, wrapped, same);

    simd_set_qc(s, sh->keep, back, also);
    simd_write(s, rd, sh->keep, d);
}

bool trans_simd_uqshl(DisasContext *s, arg_simd_uqshl *a)
{
    ShiftImm sh;

    if (!shift_imm(&sh, a->imm, a->q, a->scalar)) {
        return false;
    }
    shift_left_unsigned(s, a->rd, &sh, reg_v(a->rn), reg_v(a->rn));
    return true;
}

bool trans_simd_sqshlu(DisasContext *s, arg_simd_sqshlu *a)
{
    ShiftImm sh;
    TCGv_vec n;

    if (!shift_imm(&sh, a->imm, a->q, a->scalar)) {
        return false;
    }
    n = vec_vv(s, TCG_OP_vsmax, sh.size, reg_v(a->rn), vec_zero(s));
    shift_left_unsigned(s, a->rd, &sh, n, reg_v(a->rn));
    return true;
}

/* --- narrowing ------------------------------------------------------------------------- */

/* `sat`: a narrowing that saturates, `uns` to unsigned results; absent: truncation. */
bool trans_simd_shrn(DisasContext *s, arg_simd_shrn *a)
{
    ShiftImm sh;
    TCGv_vec v, d, wide;

    if (!shift_imm(&sh, a->imm, 1, a->scalar) || sh.size == MO_64) {
        return false;
    }
    v = vec_vi(s, a->op, sh.size + 1, reg_v(a->rn), sh.right);
    d = vec_v(s, a->sat ? (TCGOpcode)a->sat : TCG_OP_vxtn, sh.size, v);
    if (a->sat) {
        wide = vec_v(s, a->uns ? TCG_OP_vuxl : TCG_OP_vsxl, sh.size, d);
        simd_set_qc(s, a->scalar ? sh.size + 1 : MO_128, wide, v);
    }
    if (a->scalar) {
        simd_write(s, a->rd, sh.size, d);
    } else {
        simd_write_narrow(s, a->rd, a->q, d);
    }
    return true;
}

/* --- fixed point ----------------------------------------------------------------------- */

/* The size must be that of a floating format. */
static bool shift_imm_fp(DisasContext *s, ShiftImm *sh, int imm, int q, int scalar)
{
    return shift_imm(sh, imm, q, scalar) && sh->size != MO_8 &&
           (sh->size != MO_16 || dc_feature(s, ARM_FEAT_ASIMDHP));
}

bool trans_simd_itof_fix(DisasContext *s, arg_simd_itof_fix *a)
{
    ShiftImm sh;

    if (!shift_imm_fp(s, &sh, a->imm, a->q, a->scalar)) {
        return false;
    }
    simd_itof(s, a->rd, a->rn, sh.size, sh.keep, a->uns, sh.right);
    return true;
}

bool trans_simd_ftoi_fix(DisasContext *s, arg_simd_ftoi_fix *a)
{
    ShiftImm sh;

    if (!shift_imm_fp(s, &sh, a->imm, a->q, a->scalar)) {
        return false;
    }
    simd_ftoi(s, a->rd, a->rn, sh.size, sh.keep, FLOAT_ROUND_TO_ZERO, a->uns, sh.right);
    return true;
}
