/* SPDX-License-Identifier: MIT */
/* A64 scalar floating point (DDI 0487, C4.1 "Data Processing -- Scalar Floating-Point"). */
#include "target/arm/translate-simd.h"

int fp_type_size(DisasContext *s, int type)
{
    static const int8_t sizes[] = { MO_32, MO_64, -1, MO_16 };

    return type == 3 && !dc_feature(s, ARM_FEAT_FP16) ? -1 : sizes[type];
}

/* Appends a floating op whose opcode comes from the pattern and returns its result. */
static TCGv_f64 fp_emit(DisasContext *s, TCGOpcode opc, unsigned sz, int64_t imm, TCGv_f64 a,
                        TCGv_f64 b, TCGv_f64 c)
{
    TCGv_f64 d = tcg_temp_f64(s->tcg);
    TCGOp *op = tcg_emit_op(s->tcg, opc);

    op->sz = sz;
    op->imm = imm;
    op->arg[0] = d.i;
    op->arg[1] = a.i;
    op->arg[2] = b.i;
    op->arg[3] = c.i;
    return d;
}
#define FP_NONE ((TCGv_f64){ TCG_NONE })

/* --- arithmetic ------------------------------------------------------------------------ */

bool trans_fp1(DisasContext *s, arg_fp1 *a)
{
    int sz = fp_type_size(s, a->type);

    if (sz < 0) {
        return false;
    }
    write_f(s, sz, a->rd,
            a->op == TCG_OP_fmov ? reg_f(a->rn)
                                 : fp_emit(s, a->op, sz, 0, reg_f(a->rn), FP_NONE, FP_NONE));
    return true;
}

bool trans_fp2(DisasContext *s, arg_fp2 *a)
{
    int sz = fp_type_size(s, a->type);
    TCGv_f64 d;

    if (sz < 0) {
        return false;
    }
    d = fp_emit(s, a->op, sz, 0, reg_f(a->rn), reg_f(a->rm), FP_NONE);
    if (a->neg) {
        d = fp_emit(s, TCG_OP_fneg, sz, 0, d, FP_NONE, FP_NONE);
    }
    write_f(s, sz, a->rd, d);
    return true;
}

bool trans_fp3(DisasContext *s, arg_fp3 *a)
{
    int sz = fp_type_size(s, a->type);

    if (sz < 0) {
        return false;
    }
    write_f(s, sz, a->rd,
            fp_emit(s, TCG_OP_fmadd, sz, a->neg, reg_f(a->rn), reg_f(a->rm), reg_f(a->ra)));
    return true;
}

bool trans_frint(DisasContext *s, arg_frint *a)
{
    int sz = fp_type_size(s, a->type);

    if (sz < 0) {
        return false;
    }
    write_f(s, sz, a->rd,
            fp_emit(s, TCG_OP_fround, sz, TCG_ROUND(a->mode, a->exact), reg_f(a->rn), FP_NONE,
                    FP_NONE));
    return true;
}

bool trans_frint_sized(DisasContext *s, arg_frint_sized *a)
{
    unsigned sz = MO_32 + a->sz;

    simd_call(s, (SimdDesc){ .func = a->func, .rd = a->rd, .rn = a->rn, .size = sz, .keep = sz });
    return true;
}

/* --- comparison, selection, moves ------------------------------------------------------ */

/* The scalar zero: +0 of any format. */
static TCGv_f64 fp_zero(DisasContext *s)
{
    return tcg_vec_low(vec_zero(s));
}

bool trans_fcmp(DisasContext *s, arg_fcmp *a)
{
    int sz = fp_type_size(s, a->type);

    if (sz < 0) {
        return false;
    }
    tcg_gen_imm(fcmp, s->tcg, sz, a->e, reg_cc(), reg_f(a->rn),
                a->zero ? fp_zero(s) : reg_f(a->rm));
    return true;
}

/*
 * If the condition does not hold nothing is compared and no flag raised. Comparing zeros then is
 * as good, and needs no branch.
 */
bool trans_fccmp(DisasContext *s, arg_fccmp *a)
{
    TCGContext *t = s->tcg;
    int sz = fp_type_size(s, a->type);
    TCGv_f64 n = reg_f(a->rn), m = reg_f(a->rm);
    TCGv_cc cc;

    if (sz < 0) {
        return false;
    }
    if (a->cond >= 14) { /* always */
        tcg_gen_imm(fcmp, t, sz, a->e, reg_cc(), n, m);
        return true;
    }
    n = tcg_temp_f64(t);
    m = tcg_temp_f64(t);
    cc = tcg_temp_cc(t);
    tcg_gen_cond(fsel, t, 0, a->cond, n, reg_cc(), reg_f(a->rn), fp_zero(s));
    tcg_gen_cond(fsel, t, 0, a->cond, m, reg_cc(), reg_f(a->rm), fp_zero(s));
    tcg_gen_imm(fcmp, t, sz, a->e, cc, n, m);
    tcg_gen_cond(ccsel, t, 0, a->cond, reg_cc(), reg_cc(), cc, tcg_const_cc(t, a->nzcv));
    return true;
}

bool trans_fcsel(DisasContext *s, arg_fcsel *a)
{
    int sz = fp_type_size(s, a->type);
    TCGv_f64 d = reg_f(a->rn);

    if (sz < 0) {
        return false;
    }
    if (a->cond < 14) {
        d = tcg_temp_f64(s->tcg);
        tcg_gen_cond(fsel, s->tcg, 0, a->cond, d, reg_cc(), reg_f(a->rn), reg_f(a->rm));
    }
    write_f(s, sz, a->rd, d);
    return true;
}

uint64_t fp_expand_imm(unsigned sz, unsigned imm8)
{
    unsigned bits = 8 << sz, exp_bits = sz == MO_16 ? 5 : sz == MO_32 ? 8 : 11;
    unsigned frac_bits = bits - 1 - exp_bits;
    uint64_t sign = imm8 >> 7, b6 = imm8 >> 6 & 1;
    uint64_t exp =
        (b6 ^ 1) << (exp_bits - 1) | (b6 ? (1u << (exp_bits - 3)) - 1 : 0) << 2 | (imm8 >> 4 & 3);

    return sign << (bits - 1) | exp << frac_bits | (uint64_t)(imm8 & 15) << (frac_bits - 4);
}

bool trans_fmov_imm(DisasContext *s, arg_fmov_imm *a)
{
    int sz = fp_type_size(s, a->type);

    if (sz < 0) {
        return false;
    }
    tcg_gen_vmov(s->tcg, reg_v(a->rd), tcg_const_vec(s->tcg, fp_expand_imm(sz, a->imm), 0));
    return true;
}

bool trans_fmov_to_gp(DisasContext *s, arg_fmov_to_gp *a)
{
    tcg_gen_imm(v_to_i, s->tcg, a->size, a->lane, reg_dest(s, a->rd), reg_v(a->rn));
    return true;
}

bool trans_fmov_from_gp(DisasContext *s, arg_fmov_from_gp *a)
{
    tcg_gen(v_from_i, s->tcg, a->size, reg_v(a->rd), reg_x(s, a->rn));
    return true;
}

bool trans_fmov_top(DisasContext *s, arg_fmov_top *a)
{
    tcg_gen_imm(vins_i, s->tcg, MO_64, 1, reg_v(a->rd), reg_v(a->rd), reg_x(s, a->rn));
    return true;
}

/* --- conversion ------------------------------------------------------------------------ */

bool trans_fcvt(DisasContext *s, arg_fcvt *a)
{
    static const int8_t sizes[] = { MO_32, MO_64, -1, MO_16 };
    int from = sizes[a->type], to = sizes[a->to];

    if (from < 0 || to < 0 || from == to) {
        return false;
    }
    write_f(s, to, a->rd, fp_emit(s, TCG_OP_fcvt, to, from, reg_f(a->rn), FP_NONE, FP_NONE));
    return true;
}

bool trans_bfcvt(DisasContext *s, arg_bfcvt *a)
{
    simd_call(s, (SimdDesc){ .func = SIMD_BFCVT, .rd = a->rd, .rn = a->rn });
    return true;
}

/* scale is 64 - fraction bits; a W register has no more than 32 of them. */
bool trans_ftoi_gp(DisasContext *s, arg_ftoi_gp *a)
{
    int sz = fp_type_size(s, a->type);

    if (sz < 0 || (!a->sf && a->scale < 32)) {
        return false;
    }
    tcg_gen_imm(ftoi, s->tcg, sf_size(a->sf), TCG_FTOI(sz, a->mode, a->uns, 64 - a->scale),
                reg_dest(s, a->rd), reg_f(a->rn));
    return true;
}

bool trans_itof_gp(DisasContext *s, arg_itof_gp *a)
{
    int sz = fp_type_size(s, a->type);
    TCGv_f64 d;

    if (sz < 0 || (!a->sf && a->scale < 32)) {
        return false;
    }
    d = tcg_temp_f64(s->tcg);
    tcg_gen_imm(itof, s->tcg, sz, TCG_ITOF(sf_size(a->sf), a->uns, 64 - a->scale), d,
                reg_x(s, a->rn));
    write_f(s, sz, a->rd, d);
    return true;
}

/* The helper's result has the Z flag in bit 32; N, C and V become 0. */
bool trans_fjcvtzs(DisasContext *s, arg_fjcvtzs *a)
{
    TCGContext *t = s->tcg;
    TCGv_i64 in = tcg_temp_i64(t), out = tcg_temp_i64(t), z = tcg_temp_i64(t);

    tcg_gen_imm(v_to_i, t, MO_64, 0, in, reg_v(a->rn));
    gen_helper(s, &helper_fjcvtzs_info, out, tcg_env(t), in, TCG_NO_INDEX, TCG_NO_INDEX);
    tcg_gen_imm(extract, t, MO_64, TCG_FIELD(32, 1), z, out);
    tcg_gen_imm(depositz, t, MO_64, TCG_FIELD(2, 1), z, z);
    tcg_gen(cc_set, t, 0, reg_cc(), z);
    tcg_gen(mov, t, MO_32, reg_dest(s, a->rd), out);
    return true;
}
