/* SPDX-License-Identifier: MIT */
/* A64 Advanced SIMD copy, permute, extract, table look-up, modified immediate (DDI 0487, C4.1). */
#include "target/arm/translate-simd.h"

/* --- copy ------------------------------------------------------------------------------ */

/* imm5: the lowest one tells the size, above it is the lane. */
static int copy_size(int imm)
{
    return imm & 15 ? __builtin_ctz(imm) : -1;
}
static int copy_lane(int imm, int size)
{
    return imm >> (size + 1);
}

bool trans_dup_elem(DisasContext *s, arg_dup_elem *a)
{
    int size = copy_size(a->imm);
    TCGv_vec d;

    if (size < 0 || !simd_size_ok(size, 0, a->q, a->scalar)) {
        return false;
    }
    d = a->scalar && !copy_lane(a->imm, size)
            ? reg_v(a->rn)
            : vec_dup(s, size, reg_v(a->rn), copy_lane(a->imm, size));
    simd_write(s, a->rd, SIMD_KEEP(a->scalar, a->q, size), d);
    return true;
}

bool trans_dup_gen(DisasContext *s, arg_dup_gen *a)
{
    int size = copy_size(a->imm);
    TCGv_vec d;

    if (size < 0 || !simd_size_ok(size, 0, a->q, 0)) {
        return false;
    }
    d = tcg_temp_vec(s->tcg);
    tcg_gen(vdup_i, s->tcg, size, d, reg_x(s, a->rn));
    simd_write(s, a->rd, SIMD_KEEP(0, a->q, size), d);
    return true;
}

bool trans_smov(DisasContext *s, arg_smov *a)
{
    int size = copy_size(a->imm);
    TCGv_i64 t;

    if (size < 0 || size > (a->q ? MO_32 : MO_16)) {
        return false;
    }
    t = tcg_temp_i64(s->tcg);
    tcg_gen_imm(v_to_i, s->tcg, size, copy_lane(a->imm, size), t, reg_v(a->rn));
    tcg_gen_imm(sextract, s->tcg, sf_size(a->q), TCG_FIELD(0, 8 << size), reg_dest(s, a->rd), t);
    return true;
}

/* To X only 64 bits, to W all smaller ones. */
bool trans_umov(DisasContext *s, arg_umov *a)
{
    int size = copy_size(a->imm);

    if (size < 0 || (size == MO_64) != a->q) {
        return false;
    }
    tcg_gen_imm(v_to_i, s->tcg, size, copy_lane(a->imm, size), reg_dest(s, a->rd), reg_v(a->rn));
    return true;
}

bool trans_ins_gen(DisasContext *s, arg_ins_gen *a)
{
    int size = copy_size(a->imm);

    if (size < 0) {
        return false;
    }
    tcg_gen_imm(vins_i, s->tcg, size, copy_lane(a->imm, size), reg_v(a->rd), reg_v(a->rd),
                reg_x(s, a->rn));
    return true;
}

bool trans_ins_elem(DisasContext *s, arg_ins_elem *a)
{
    int size = copy_size(a->imm);

    if (size < 0) {
        return false;
    }
    tcg_gen_imm(vins_v, s->tcg, size, copy_lane(a->imm, size) | a->imm4 >> size << 4, reg_v(a->rd),
                reg_v(a->rd), reg_v(a->rn));
    return true;
}

/* --- permute --------------------------------------------------------------------------- */

/* Of 64-bit vectors: UZP takes both as one; ZIP2 is the half that ZIP1 leaves over. */
bool trans_simd_permute(DisasContext *s, arg_simd_permute *a)
{
    TCGv_vec n = reg_v(a->rn), m = reg_v(a->rm), d;

    if (!simd_size_ok(a->size, 0, a->q, 0)) {
        return false;
    }
    if (a->q) {
        d = vec_vv(s, a->op, a->size, n, m);
    } else if (a->op == TCG_OP_vzip2) {
        d = vec_dup(s, MO_64, vec_vv(s, TCG_OP_vzip1, a->size, n, m), 1);
    } else if (a->op == TCG_OP_vuzp1 || a->op == TCG_OP_vuzp2) {
        d = vec_join(s, n, m);
        d = vec_vv(s, a->op, a->size, d, d);
    } else {
        d = vec_vv(s, a->op, a->size, n, m);
    }
    simd_write(s, a->rd, SIMD_KEEP(0, a->q, 0), d);
    return true;
}

bool trans_simd_ext(DisasContext *s, arg_simd_ext *a)
{
    TCGv_vec n = reg_v(a->rn), m = reg_v(a->rm);

    if (!a->q) {
        if (a->imm > 7) {
            return false;
        }
        n = m = vec_join(s, n, m);
    }
    simd_write(s, a->rd, SIMD_KEEP(0, a->q, 0),
               vec_emit(s, TCG_OP_vext, 0, 0, a->imm, n, m, VEC_NONE));
    return true;
}

/* One part of a table of up to four registers: `count` of them from register r. */
static TCGv_vec table_part(DisasContext *s, int r, int count, TCGv_vec index)
{
    return count == 1 ? vec_vv(s, TCG_OP_vtbl, 0, reg_v(r), index)
                      : vec_vvv(s, TCG_OP_vtbl2, 0, reg_v(r), reg_v((r + 1) & 31), index);
}

/* An index outside a part gives 0 there, and TBX leaves the byte of rd if it is outside all. */
bool trans_simd_tbl(DisasContext *s, arg_simd_tbl *a)
{
    int regs = a->len + 1;
    TCGv_vec index = reg_v(a->rm), d = table_part(s, a->rn, regs > 2 ? 2 : regs, index), rest;

    if (regs > 2) {
        rest = vec_vv(s, TCG_OP_vsub, MO_8, index, vec_const(s, MO_8, 32));
        rest = table_part(s, (a->rn + 2) & 31, regs - 2, rest);
        d = vec_vv(s, TCG_OP_vor, 0, d, rest);
    }
    if (a->x) {
        TCGv_vec in = vec_cmp(s, TCG_COND_LTU, MO_8, index, vec_const(s, MO_8, regs * 16));
        d = vec_vvv(s, TCG_OP_vbsl, 0, in, d, reg_v(a->rd));
    }
    simd_write(s, a->rd, SIMD_KEEP(0, a->q, 0), d);
    return true;
}

/* --- modified immediate ---------------------------------------------------------------- */

/* AdvSIMDExpandImm of the manual. */
static uint64_t expand_imm(int op, int cmode, unsigned imm8)
{
    uint64_t val = 0;

    switch (cmode >> 1) {
    case 0 ... 3: /* a byte of each word */
        return splat(MO_32, (uint64_t)imm8 << (cmode >> 1) * 8);
    case 4 ... 5: /* a byte of each halfword */
        return splat(MO_16, imm8 << (cmode >> 1 & 1) * 8);
    case 6: /* ones shifted in below */
        return splat(MO_32, cmode & 1 ? imm8 << 16 | 0xffff : imm8 << 8 | 0xff);
    default:
        if (cmode == 14 && !op) {
            return splat(MO_8, imm8);
        }
        if (cmode == 14) { /* each bit eight times */
            for (int i = 0; i < 8; i++) {
                val |= imm8 >> i & 1 ? 0xffull << i * 8 : 0;
            }
            return val;
        }
        return op ? fp_expand_imm(MO_64, imm8) : splat(MO_32, fp_expand_imm(MO_32, imm8));
    }
}

/*
 * ORR and BIC have an odd cmode below 12; op is then the choice, as it is between MOVI and MVNI
 * where cmode is below 14. One lane of a double is no vector.
 */
bool trans_simd_modimm(DisasContext *s, arg_simd_modimm *a)
{
    unsigned imm8 = a->abc << 5 | a->defgh;
    uint64_t val;
    TCGv_vec v;

    if (a->cmode == 15 && a->op && !a->q) {
        return false;
    }
    val = a->half ? splat(MO_16, fp_expand_imm(MO_16, imm8)) : expand_imm(a->op, a->cmode, imm8);
    if (a->cmode < 12 && (a->cmode & 1)) {
        v = tcg_const_vec(s->tcg, val, val);
        v = vec_vv(s, a->op ? TCG_OP_vandc : TCG_OP_vor, 0, reg_v(a->rd), v);
        simd_write(s, a->rd, SIMD_KEEP(0, a->q, 0), v);
        return true;
    }
    if (a->op && a->cmode < 14) {
        val = ~val;
    }
    tcg_gen_vmov(s->tcg, reg_v(a->rd), tcg_const_vec(s->tcg, val, a->q ? val : 0));
    return true;
}
