/* SPDX-License-Identifier: MIT */
/*
 * A64 Advanced SIMD on floating-point numbers (DDI 0487, C4.1). Lanes that are not part of an
 * instruction must raise no flags: see simd_fp_in(). The frequent scalar forms use scalar ops, the
 * others one lane of the vector ops.
 */
#include "target/arm/translate-simd.h"

/* --- three same ------------------------------------------------------------------------ */

bool trans_simd_fp2(DisasContext *s, arg_simd_fp2 *a)
{
    unsigned size = simd_fp_size(a->half, a->sz), keep = SIMD_KEEP(a->scalar, a->q, size);
    TCGv_vec n, m, d;

    if (!simd_size_ok(size, 0, a->q, a->scalar)) {
        return false;
    }
    if (a->scalar && a->post) { /* FABD */
        TCGv_f64 diff = tcg_temp_f64(s->tcg);
        tcg_gen(fsub, s->tcg, size, diff, reg_f(a->rn), reg_f(a->rm));
        tcg_gen(fabs, s->tcg, size, diff, diff);
        write_f(s, size, a->rd, diff);
        return true;
    }
    n = simd_fp_in(s, a->rn, keep);
    m = simd_fp_in(s, a->rm, keep);
    if (a->pre) {
        n = vec_v(s, a->pre, size, n);
        m = vec_v(s, a->pre, size, m);
    }
    d = vec_emit(s, a->op, size, a->cond, 0, n, m, VEC_NONE);
    if (a->post) {
        d = vec_v(s, a->post, size, d);
    }
    simd_write(s, a->rd, keep, d);
    return true;
}

/* n * m + the accumulator in rd */
static TCGv_vec muladd(DisasContext *s, unsigned size, int neg, TCGv_vec n, TCGv_vec m, TCGv_vec d)
{
    return vec_emit(s, TCG_OP_vfmadd, size, 0, neg, n, m, d);
}

bool trans_simd_fmla(DisasContext *s, arg_simd_fmla *a)
{
    unsigned size = simd_fp_size(a->half, a->sz), keep = SIMD_KEEP(0, a->q, size);
    TCGv_vec n, m, d;

    if (!simd_size_ok(size, 0, a->q, 0)) {
        return false;
    }
    n = simd_fp_in(s, a->rn, keep);
    m = simd_fp_in(s, a->rm, keep);
    d = simd_fp_in(s, a->rd, keep);
    simd_write(s, a->rd, keep, muladd(s, size, a->neg, n, m, d));
    return true;
}

bool trans_simd_fpair(DisasContext *s, arg_simd_fpair *a)
{
    unsigned size = simd_fp_size(a->half, a->sz);
    TCGv_vec n = reg_v(a->rn), m = reg_v(a->rm), even, odd;

    if (!simd_size_ok(size, 0, a->q, 0)) {
        return false;
    }
    if (!a->q) {
        n = m = vec_join(s, n, m);
    }
    even = vec_vv(s, TCG_OP_vuzp1, size, n, m);
    odd = vec_vv(s, TCG_OP_vuzp2, size, n, m);
    simd_write(s, a->rd, SIMD_KEEP(0, a->q, size), vec_vv(s, a->op, size, even, odd));
    return true;
}

bool trans_simd_fpair_s(DisasContext *s, arg_simd_fpair_s *a)
{
    unsigned size = simd_fp_size(a->half, a->sz);
    TCGv_f64 d = tcg_temp_f64(s->tcg);
    TCGOp *op;
    TCGv_vec odd = vec_dup(s, size, reg_v(a->rn), 1);

    op = tcg_emit_op(s->tcg, a->op);
    op->sz = size;
    op->arg[0] = d.i;
    op->arg[1] = reg_v(a->rn).i;
    op->arg[2] = odd.i;
    write_f(s, size, a->rd, d);
    return true;
}

/* Neighbours first, as the manual's Reduce does: it matters which NaN is met first. */
bool trans_simd_freduce(DisasContext *s, arg_simd_freduce *a)
{
    unsigned size = simd_fp_size(a->half, 0);
    TCGv_vec d = simd_fp_in(s, a->rn, SIMD_KEEP(0, a->q, size));

    for (unsigned len = MO_64 + a->q; len > size; len--) {
        TCGv_vec even = vec_vv(s, TCG_OP_vuzp1, size, d, d);
        TCGv_vec odd = vec_vv(s, TCG_OP_vuzp2, size, d, d);

        d = vec_vv(s, a->op, size, even, odd);
    }
    simd_write(s, a->rd, size, d);
    return true;
}

/* --- helpers over the state ------------------------------------------------------------ */

bool trans_simd_fhelp3(DisasContext *s, arg_simd_fhelp3 *a)
{
    unsigned size = simd_fp_size(a->half, a->sz);

    if (!simd_size_ok(size, 0, a->q, a->scalar)) {
        return false;
    }
    simd_call(s, (SimdDesc){ .func = a->func,
                             .rd = a->rd,
                             .rn = a->rn,
                             .rm = a->rm,
                             .size = size,
                             .keep = SIMD_KEEP(a->scalar, a->q, size) });
    return true;
}

bool trans_simd_fhelp2(DisasContext *s, arg_simd_fhelp2 *a)
{
    unsigned size = simd_fp_size(a->half, a->sz);

    if (!simd_size_ok(size, 0, a->q, a->scalar)) {
        return false;
    }
    simd_call(s, (SimdDesc){ .func = a->func,
                             .rd = a->rd,
                             .rn = a->rn,
                             .size = size,
                             .keep = SIMD_KEEP(a->scalar, a->q, size) });
    return true;
}

bool trans_simd_narrow_help(DisasContext *s, arg_simd_narrow_help *a)
{
    simd_call(s, (SimdDesc){ .func = a->func,
                             .rd = a->rd,
                             .rn = a->rn,
                             .keep = SIMD_KEEP(a->scalar, a->q, MO_32) });
    return true;
}

/* x: 1 for the upper half of the register, 2 for subtraction */
static bool fmlal(DisasContext *s, int rd, int rn, SimdElem m, int q, int top, int neg)
{
    simd_call(s, (SimdDesc){ .func = SIMD_FMLAL,
                             .rd = rd,
                             .rn = rn,
                             .rm = m.reg,
                             .x = top | neg << 1,
                             .keep = MO_64 + q,
                             .lane = m.lane });
    return true;
}

bool trans_simd_fmlal(DisasContext *s, arg_simd_fmlal *a)
{
    return fmlal(s, a->rd, a->rn, (SimdElem){ a->rm, 0 }, a->q, a->top, a->neg);
}

bool trans_simd_fmlal_e(DisasContext *s, arg_simd_fmlal_e *a)
{
    SimdElem e = { a->rm, (a->h << 2 | a->l << 1 | a->m) + 1 };

    return fmlal(s, a->rd, a->rn, e, a->q, a->top, a->neg);
}

bool trans_simd_bfdot_e(DisasContext *s, arg_simd_bfdot_e *a)
{
    simd_call(s, (SimdDesc){ .func = SIMD_BFDOT,
                             .rd = a->rd,
                             .rn = a->rn,
                             .rm = a->m << 4 | a->rm,
                             .keep = MO_64 + a->q,
                             .lane = (a->h << 1 | a->l) + 1 });
    return true;
}

/* --- bfloat16 -------------------------------------------------------------------------- */

/* The even (B) or odd (T) elements as singles, exactly. */
static TCGv_vec bfloat_part(DisasContext *s, int top, TCGv_vec v)
{
    return top ? vec_vv(s, TCG_OP_vand, 0, v, vec_const(s, MO_32, 0xffff0000))
               : vec_vi(s, TCG_OP_vshli, MO_32, v, 16);
}

/* q tells odd from even. */
bool trans_simd_bfmlal(DisasContext *s, arg_simd_bfmlal *a)
{
    simd_write(s, a->rd, MO_128,
               muladd(s, MO_32, 0, bfloat_part(s, a->q, reg_v(a->rn)),
                      bfloat_part(s, a->q, reg_v(a->rm)), reg_v(a->rd)));
    return true;
}

bool trans_simd_bfmlal_e(DisasContext *s, arg_simd_bfmlal_e *a)
{
    TCGv_vec m = vec_dup(s, MO_16, reg_v(a->rm), a->h << 2 | a->l << 1 | a->m);

    simd_write(s, a->rd, MO_128,
               muladd(s, MO_32, 0, bfloat_part(s, a->q, reg_v(a->rn)), bfloat_part(s, 1, m),
                      reg_v(a->rd)));
    return true;
}

/* --- by element ------------------------------------------------------------------------ */

bool trans_simd_fmla_e(DisasContext *s, arg_simd_fmla_e *a)
{
    unsigned size = simd_fp_size(a->half, a->sz), keep = SIMD_KEEP(a->scalar, a->q, size);
    TCGv_vec n, m, d;
    SimdElem e;

    if (!simd_size_ok(size, 0, a->q, a->scalar) || !simd_elem(&e, size, a->l, a->m, a->rm, a->h)) {
        return false;
    }
    m = a->scalar && !e.lane ? reg_v(e.reg) : vec_dup(s, size, reg_v(e.reg), e.lane);
    if (a->scalar) {
        TCGv_f64 r = tcg_temp_f64(s->tcg);
        tcg_gen_imm(fmadd, s->tcg, size, a->neg, r, reg_f(a->rn), tcg_vec_low(m), reg_f(a->rd));
        write_f(s, size, a->rd, r);
        return true;
    }
    n = simd_fp_in(s, a->rn, keep);
    d = simd_fp_in(s, a->rd, keep);
    simd_write(s, a->rd, keep, muladd(s, size, a->neg, n, m, d));
    return true;
}

bool trans_simd_fmul_e(DisasContext *s, arg_simd_fmul_e *a)
{
    unsigned size = simd_fp_size(a->half, a->sz), keep = SIMD_KEEP(a->scalar, a->q, size);
    TCGv_vec m;
    SimdElem e;

    if (!simd_size_ok(size, 0, a->q, a->scalar) || !simd_elem(&e, size, a->l, a->m, a->rm, a->h)) {
        return false;
    }
    m = a->scalar && !e.lane ? reg_v(e.reg) : vec_dup(s, size, reg_v(e.reg), e.lane);
    if (a->scalar) {
        TCGv_f64 r = tcg_temp_f64(s->tcg);
        tcg_gen(fmul, s->tcg, size, r, reg_f(a->rn), tcg_vec_low(m));
        write_f(s, size, a->rd, r);
        return true;
    }
    simd_write(s, a->rd, keep, vec_vv(s, TCG_OP_vfmul, size, simd_fp_in(s, a->rn, keep), m));
    return true;
}

bool trans_simd_fmulx_e(DisasContext *s, arg_simd_fmulx_e *a)
{
    unsigned size = simd_fp_size(a->half, a->sz);
    SimdElem e;

    if (!simd_size_ok(size, 0, a->q, a->scalar) || !simd_elem(&e, size, a->l, a->m, a->rm, a->h)) {
        return false;
    }
    simd_call(s, (SimdDesc){ .func = SIMD_MULX,
                             .rd = a->rd,
                             .rn = a->rn,
                             .rm = e.reg,
                             .size = size,
                             .keep = SIMD_KEEP(a->scalar, a->q, size),
                             .lane = e.lane + 1 });
    return true;
}

/* --- complex numbers: even lanes real, odd lanes imaginary ----------------------------- */

static bool complex_size_ok(DisasContext *s, int size, int q)
{
    return size != MO_8 && (size != MO_16 || dc_feature(s, ARM_FEAT_ASIMDHP)) &&
           simd_size_ok(size, 0, q, 0);
}

/* Inverts the signs of the real or of the imaginary lanes. */
static TCGv_vec negate_parts(DisasContext *s, unsigned size, bool real, bool imag, TCGv_vec v)
{
    uint64_t even = real ? sign_bit(size) : 0, odd = imag ? sign_bit(size) : 0;
    uint64_t pair = size == MO_64 ? 0 : splat(size + 1, odd << ((8 << size) & 63) | even);

    if (!real && !imag) {
        return v;
    }
    return vec_vv(s, TCG_OP_vxor, 0, v,
                  size == MO_64 ? tcg_const_vec(s->tcg, even, odd)
                                : tcg_const_vec(s->tcg, pair, pair));
}

static TCGv_vec swap_parts(DisasContext *s, unsigned size, TCGv_vec v)
{
    return size == MO_64 ? vec_emit(s, TCG_OP_vext, 0, 0, 8, v, v, VEC_NONE)
                         : vec_vi(s, TCG_OP_vrev, size, v, size + 1);
}

/* n + i * m, or with rot n - i * m */
bool trans_simd_fcadd(DisasContext *s, arg_simd_fcadd *a)
{
    unsigned keep = SIMD_KEEP(0, a->q, a->size);
    TCGv_vec n, m;

    if (!complex_size_ok(s, a->size, a->q)) {
        return false;
    }
    n = simd_fp_in(s, a->rn, keep);
    m = swap_parts(s, a->size, simd_fp_in(s, a->rm, keep));
    m = negate_parts(s, a->size, !a->rot, a->rot, m);
    simd_write(s, a->rd, keep, vec_vv(s, TCG_OP_vfadd, a->size, n, m));
    return true;
}

/* Half of a complex multiply-add: the real (even rot) or imaginary part of n times m turned. */
static void fcmla(DisasContext *s, int rd, int rn, TCGv_vec m, unsigned size, unsigned keep,
                  int rot)
{
    TCGv_vec n = simd_fp_in(s, rn, keep), d = simd_fp_in(s, rd, keep);

    n = vec_vv(s, rot & 1 ? TCG_OP_vtrn2 : TCG_OP_vtrn1, size, n, n);
    if (rot & 1) {
        m = swap_parts(s, size, m);
    }
    m = negate_parts(s, size, rot == 1 || rot == 2, rot >= 2, m);
    simd_write(s, rd, keep, muladd(s, size, 0, n, m, d));
}

bool trans_simd_fcmla(DisasContext *s, arg_simd_fcmla *a)
{
    unsigned keep = SIMD_KEEP(0, a->q, a->size);

    if (!complex_size_ok(s, a->size, a->q)) {
        return false;
    }
    fcmla(s, a->rd, a->rn, simd_fp_in(s, a->rm, keep), a->size, keep, a->rot);
    return true;
}

/* An element is a pair: of halves by h:l, of singles by h (whole registers only). */
bool trans_simd_fcmla_e(DisasContext *s, arg_simd_fcmla_e *a)
{
    int reg = a->m << 4 | a->rm, lane = a->size == MO_16 ? a->h << 1 | a->l : a->h;

    if (a->size == MO_8 || a->size == MO_64 || !complex_size_ok(s, a->size, 1) ||
        (a->size == MO_16 && a->h && !a->q) || (a->size == MO_32 && (a->l || !a->q))) {
        return false;
    }
    fcmla(s, a->rd, a->rn, vec_dup(s, a->size + 1, reg_v(reg), lane), a->size,
          SIMD_KEEP(0, a->q, a->size), a->rot);
    return true;
}

/* --- two registers --------------------------------------------------------------------- */

bool trans_simd_fp1(DisasContext *s, arg_simd_fp1 *a)
{
    unsigned size = simd_fp_size(a->half, a->sz), keep = SIMD_KEEP(0, a->q, size);

    if (!simd_size_ok(size, 0, a->q, 0)) {
        return false;
    }
    simd_write(
        s, a->rd, keep,
        vec_v(s, a->op, size, a->op == TCG_OP_vfsqrt ? simd_fp_in(s, a->rn, keep) : reg_v(a->rn)));
    return true;
}

bool trans_simd_frint(DisasContext *s, arg_simd_frint *a)
{
    unsigned size = simd_fp_size(a->half, a->sz), keep = SIMD_KEEP(0, a->q, size);

    if (!simd_size_ok(size, 0, a->q, 0)) {
        return false;
    }
    simd_write(
        s, a->rd, keep,
        vec_vi(s, TCG_OP_vfround, size, simd_fp_in(s, a->rn, keep), TCG_ROUND(a->mode, a->exact)));
    return true;
}

bool trans_simd_fcmp0(DisasContext *s, arg_simd_fcmp0 *a)
{
    unsigned size = simd_fp_size(a->half, a->sz), keep = SIMD_KEEP(a->scalar, a->q, size);
    TCGv_vec n, zero = vec_zero(s);

    if (!simd_size_ok(size, 0, a->q, a->scalar)) {
        return false;
    }
    n = simd_fp_in(s, a->rn, keep);
    simd_write(s, a->rd, keep,
               vec_emit(s, TCG_OP_vfcmp, size, a->cond, 0, a->swap ? zero : n, a->swap ? n : zero,
                        VEC_NONE));
    return true;
}

void simd_ftoi(DisasContext *s, int rd, int rn, unsigned size, unsigned keep, int mode, int uns,
               int fbits)
{
    int64_t imm = TCG_FTOI(size, mode, uns, fbits);

    if (keep == size && size != MO_16) {
        TCGv_i64 t = tcg_temp_i64(s->tcg);
        tcg_gen_imm(ftoi, s->tcg, size, imm, t, reg_f(rn));
        tcg_gen(v_from_i, s->tcg, size, reg_v(rd), t);
        return;
    }
    simd_write(s, rd, keep, vec_vi(s, TCG_OP_vftoi, size, simd_fp_in(s, rn, keep), imm));
}

void simd_itof(DisasContext *s, int rd, int rn, unsigned size, unsigned keep, int uns, int fbits)
{
    int64_t imm = TCG_ITOF(size, uns, fbits);

    if (keep == size && size != MO_16) {
        TCGv_i64 t = tcg_temp_i64(s->tcg);
        TCGv_f64 d = tcg_temp_f64(s->tcg);
        tcg_gen(v_to_i, s->tcg, size, t, reg_v(rn));
        tcg_gen_imm(itof, s->tcg, size, imm, d, t);
        write_f(s, size, rd, d);
        return;
    }
    simd_write(s, rd, keep, vec_vi(s, TCG_OP_vitof, size, simd_fp_in(s, rn, keep), imm));
}

bool trans_simd_ftoi(DisasContext *s, arg_simd_ftoi *a)
{
    unsigned size = simd_fp_size(a->half, a->sz);

    if (!simd_size_ok(size, 0, a->q, a->scalar)) {
        return false;
    }
    simd_ftoi(s, a->rd, a->rn, size, SIMD_KEEP(a->scalar, a->q, size), a->mode, a->uns, 0);
    return true;
}

bool trans_simd_itof(DisasContext *s, arg_simd_itof *a)
{
    unsigned size = simd_fp_size(a->half, a->sz);

    if (!simd_size_ok(size, 0, a->q, a->scalar)) {
        return false;
    }
    simd_itof(s, a->rd, a->rn, size, SIMD_KEEP(a->scalar, a->q, size), a->uns, 0);
    return true;
}

/* From half to single (sz 0) or single to double. */
bool trans_simd_fcvtl(DisasContext *s, arg_simd_fcvtl *a)
{
    TCGv_vec n = reg_v(a->rn);

    if (a->q) {
        n = vec_dup(s, MO_64, n, 1);
    }
    simd_write(s, a->rd, MO_128, vec_v(s, TCG_OP_vfcvtl, MO_16 + a->sz, n));
    return true;
}

bool trans_simd_fcvtn(DisasContext *s, arg_simd_fcvtn *a)
{
    simd_write_narrow(s, a->rd, a->q, vec_v(s, TCG_OP_vfcvtn, MO_16 + a->sz, reg_v(a->rn)));
    return true;
}
