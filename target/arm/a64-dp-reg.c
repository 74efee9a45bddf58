/* SPDX-License-Identifier: MIT */
/* A64 data processing, register (DDI 0487 C4.1.95), without pointer authentication. */
#include "target/arm/translate.h"

bool trans_alu2(DisasContext *s, arg_alu2 *a)
{
    gen_op2(s, a->op, sf_size(a->sf), reg_dest(s, a->rd), reg_x(s, a->rn), reg_x(s, a->rm));
    return true;
}

bool trans_alu1(DisasContext *s, arg_alu1 *a)
{
    gen_op1(s, a->op, sf_size(a->sf), reg_dest(s, a->rd), reg_x(s, a->rn));
    return true;
}

bool trans_abs(DisasContext *s, arg_abs *a)
{
    unsigned sz = sf_size(a->sf);
    TCGv_i64 n = reg_x(s, a->rn), neg = tcg_temp_i64(s->tcg), t = tcg_temp_i64(s->tcg);

    tcg_gen(neg, s->tcg, sz, neg, n);
    tcg_gen_cond(movcond, s->tcg, sz, TCG_COND_LT, t, n, imm64(s, 0), neg, n);
    gen_mov_sf(s, a->sf, reg_dest(s, a->rd), t);
    return true;
}

bool trans_crc32(DisasContext *s, arg_crc32 *a)
{
    tcg_gen_imm(crc32, s->tcg, a->sz, a->c, reg_dest(s, a->rd), reg_x(s, a->rn), reg_x(s, a->rm));
    return true;
}

/* --- logical and arithmetic with a shifted or extended register
 * ----------------------------------------- */

/* rm shifted: LSL LSR ASR ROR by imm. */
static TCGv_i64 shifted_reg(DisasContext *s, unsigned sz, int rm, int shift, int imm)
{
    static const uint8_t ops[] = { TCG_OP_shl, TCG_OP_shr, TCG_OP_sar, TCG_OP_rotr };

    if (!imm) {
        return reg_x(s, rm);
    }
    TCGv_i64 t = tcg_temp_i64(s->tcg);
    gen_op2(s, ops[shift], sz, t, reg_x(s, rm), imm64(s, imm));
    return t;
}

bool trans_logic_reg(DisasContext *s, arg_logic_reg *a)
{
    unsigned sz = sf_size(a->sf);

    if (!a->sf && a->imm > 31) {
        return false;
    }
    TCGv_i64 d = reg_dest(s, a->rd), m = shifted_reg(s, sz, a->rm, a->shift, a->imm);
    if (a->rn == 31 && a->op == TCG_OP_or) { /* MOV */
        tcg_gen(mov, s->tcg, sz, d, m);
    } else if (a->rn == 31 && a->op == TCG_OP_orc) { /* MVN */
        tcg_gen(not, s->tcg, sz, d, m);
    } else {
        gen_op2(s, a->op, sz, d, reg_x(s, a->rn), m);
    }
    return true;
}

bool trans_ands_reg(DisasContext *s, arg_ands_reg *a)
{
    unsigned sz = sf_size(a->sf);

    if (!a->sf && a->imm > 31) {
        return false;
    }
    TCGv_i64 m = shifted_reg(s, sz, a->rm, a->shift, a->imm);
    if (a->invert) {
        TCGv_i64 t = tcg_temp_i64(s->tcg);
        tcg_gen(not, s->tcg, sz, t, m);
        m = t;
    }
    tcg_gen(and_cc, s->tcg, sz, reg_dest(s, a->rd), reg_cc(), reg_x(s, a->rn), m);
    return true;
}

static void addsub(DisasContext *s, unsigned sz, bool sub, bool setflags, TCGv_i64 d, TCGv_i64 n,
                   TCGv_i64 m)
{
    if (setflags && sub) {
        tcg_gen(sub_cc, s->tcg, sz, d, reg_cc(), n, m);
    } else if (setflags) {
        tcg_gen(add_cc, s->tcg, sz, d, reg_cc(), n, m);
    } else if (sub) {
        tcg_gen(sub, s->tcg, sz, d, n, m);
    } else {
        tcg_gen(add, s->tcg, sz, d, n, m);
    }
}

bool trans_addsub_reg(DisasContext *s, arg_addsub_reg *a)
{
    unsigned sz = sf_size(a->sf);

    if (a->shift == 3 || (!a->sf && a->imm > 31)) {
        return false;
    }
    TCGv_i64 d = reg_dest(s, a->rd), m = shifted_reg(s, sz, a->rm, a->shift, a->imm);
    if (a->rn == 31 && a->sub && !a->setflags) {
        tcg_gen(neg, s->tcg, sz, d, m);
    } else {
        addsub(s, sz, a->sub, a->setflags, d, reg_x(s, a->rn), m);
    }
    return true;
}

/* rm extended as option says (UXTB…SXTX), shifted left by 0…4. */
static TCGv_i64 extended_reg(DisasContext *s, unsigned sz, int rm, int option, int shift)
{
    int len = 8 << (option & 3);
    TCGv_i64 m = reg_x(s, rm), t = tcg_temp_i64(s->tcg);

    if (len >= (sz == MO_64 ? 64 : 32)) {
        if (!shift) {
            return m;
        }
        tcg_gen(shl, s->tcg, sz, t, m, imm64(s, shift));
    } else if (option & 4) {
        tcg_gen_imm(sdepositz, s->tcg, sz, TCG_FIELD(shift, len), t, m);
    } else {
        tcg_gen_imm(depositz, s->tcg, sz, TCG_FIELD(shift, len), t, m);
    }
    return t;
}

bool trans_addsub_ext(DisasContext *s, arg_addsub_ext *a)
{
    unsigned sz = sf_size(a->sf);

    if (a->imm > 4) {
        return false;
    }
    TCGv_i64 m = extended_reg(s, sz, a->rm, a->opt, a->imm);
    addsub(s, sz, a->sub, a->setflags, a->setflags ? reg_dest(s, a->rd) : reg_xsp(a->rd),
           reg_xsp(a->rn), m);
    return true;
}

bool trans_adc(DisasContext *s, arg_adc *a)
{
    unsigned sz = sf_size(a->sf);
    TCGv_i64 d = reg_dest(s, a->rd), n = reg_x(s, a->rn), m = reg_x(s, a->rm);

    if (a->setflags && a->sub) {
        tcg_gen(sbc_cc, s->tcg, sz, d, reg_cc(), n, m, reg_cc());
    } else if (a->setflags) {
        tcg_gen(adc_cc, s->tcg, sz, d, reg_cc(), n, m, reg_cc());
    } else if (a->sub) {
        tcg_gen(sbc, s->tcg, sz, d, n, m, reg_cc());
    } else {
        tcg_gen(adc, s->tcg, sz, d, n, m, reg_cc());
    }
    return true;
}

/* --- flags
 * -------------------------------------------------------------------------------------------------
 */

bool trans_rmif(DisasContext *s, arg_rmif *a)
{
    TCGv_i64 t = tcg_temp_i64(s->tcg), old = tcg_temp_i64(s->tcg);

    tcg_gen(rotr, s->tcg, MO_64, t, reg_x(s, a->rn), imm64(s, a->imm));
    tcg_gen(and, s->tcg, MO_64, t, t, imm64(s, a->mask));
    tcg_gen(cc_get, s->tcg, 0, old, reg_cc());
    tcg_gen(and, s->tcg, MO_64, old, old, imm64(s, ~a->mask & 15));
    tcg_gen(or, s->tcg, MO_64, t, t, old);
    tcg_gen(cc_set, s->tcg, 0, reg_cc(), t);
    return true;
}

/* N and Z of the low byte or halfword, V where its top bit and the next differ; C stays. */
bool trans_setf(DisasContext *s, arg_setf *a)
{
    TCGv_i64 n = reg_x(s, a->rn), nzcv = tcg_temp_i64(s->tcg), t = tcg_temp_i64(s->tcg);

    tcg_gen(cc_get, s->tcg, 0, nzcv, reg_cc());
    tcg_gen(and, s->tcg, MO_64, nzcv, nzcv, imm64(s, 2));
    tcg_gen_imm(extract, s->tcg, MO_64, TCG_FIELD(a->bits - 1, 1), t, n);
    tcg_gen_imm(deposit, s->tcg, MO_64, TCG_FIELD(3, 1), nzcv, nzcv, t);
    tcg_gen_cond(setcond, s->tcg, MO_64, TCG_COND_TSTEQ, t, n, imm64(s, (1 << a->bits) - 1));
    tcg_gen_imm(deposit, s->tcg, MO_64, TCG_FIELD(2, 1), nzcv, nzcv, t);
    tcg_gen(shr, s->tcg, MO_64, t, n, imm64(s, 1));
    tcg_gen(xor, s->tcg, MO_64, t, t, n);
    tcg_gen_imm(extract, s->tcg, MO_64, TCG_FIELD(a->bits - 1, 1), t, t);
    tcg_gen(or, s->tcg, MO_64, nzcv, nzcv, t);
    tcg_gen(cc_set, s->tcg, 0, reg_cc(), nzcv);
    return true;
}

bool trans_cfinv(DisasContext *s, G_GNUC_UNUSED arg_cfinv *a)
{
    TCGv_i64 t = tcg_temp_i64(s->tcg);

    tcg_gen(cc_get, s->tcg, 0, t, reg_cc());
    tcg_gen(xor, s->tcg, MO_64, t, t, imm64(s, 2));
    tcg_gen(cc_set, s->tcg, 0, reg_cc(), t);
    return true;
}

/* The four bits of a table, indexed by N Z C V, as the new N Z C V. */
static void map_flags(DisasContext *s, uint64_t table)
{
    TCGv_i64 t = tcg_temp_i64(s->tcg);

    tcg_gen(cc_get, s->tcg, 0, t, reg_cc());
    tcg_gen(shl, s->tcg, MO_64, t, t, imm64(s, 2));
    tcg_gen(shr, s->tcg, MO_64, t, imm64(s, table), t);
    tcg_gen(and, s->tcg, MO_64, t, t, imm64(s, 15));
    tcg_gen(cc_set, s->tcg, 0, reg_cc(), t);
}

/* From the flags of a floating comparison to x86's manner, and back. */
bool trans_axflag(DisasContext *s, G_GNUC_UNUSED arg_axflag *a)
{
    uint64_t table = 0;

    for (int f = 0; f < 16; f++) {
        bool z = f & 4, c = f & 2, v = f & 1;
        table |= (uint64_t)((z || v) << 2 | (c && !v) << 1) << (f * 4);
    }
    map_flags(s, table);
    return true;
}

bool trans_xaflag(DisasContext *s, G_GNUC_UNUSED arg_xaflag *a)
{
    uint64_t table = 0;

    for (int f = 0; f < 16; f++) {
        bool z = f & 4, c = f & 2;
        table |= (uint64_t)((!c && !z) << 3 | (z && c) << 2 | (c || z) << 1 | (!c && z)) << (f * 4);
    }
    map_flags(s, table);
    return true;
}

/* --- conditional
 * ---------------------------------------------------------------------------------------------- */

static bool ccmp(DisasContext *s, int sf, bool sub, int cond, int nzcv, TCGv_i64 n, TCGv_i64 m)
{
    unsigned sz = sf_size(sf);

    if (cond >= 14) {
        addsub(s, sz, sub, true, tcg_temp_i64(s->tcg), n, m);
    } else if (sub) {
        tcg_gen_cond_imm(ccmp_sub, s->tcg, sz, cond, nzcv, reg_cc(), reg_cc(), n, m);
    } else {
        tcg_gen_cond_imm(ccmp_add, s->tcg, sz, cond, nzcv, reg_cc(), reg_cc(), n, m);
    }
    return true;
}

bool trans_ccmp(DisasContext *s, arg_ccmp *a)
{
    return ccmp(s, a->sf, a->sub, a->cond, a->nzcv, reg_x(s, a->rn), reg_x(s, a->rm));
}

bool trans_ccmp_imm(DisasContext *s, arg_ccmp_imm *a)
{
    return ccmp(s, a->sf, a->sub, a->cond, a->nzcv, reg_x(s, a->rn), imm64(s, a->imm));
}

/* CSET and CSETM: constants 0 and 1, or 0 and -1. */
static void setcc(DisasContext *s, arg_csel *a)
{
    TCGv_i64 d = reg_dest(s, a->rd);

    if (a->op) {
        TCGv_i64 t = tcg_temp_i64(s->tcg);
        tcg_gen_cond(setcc, s->tcg, 0, a->cond ^ 1, t, reg_cc());
        tcg_gen(neg, s->tcg, sf_size(a->sf), d, t);
    } else {
        tcg_gen_cond(setcc, s->tcg, 0, a->cond ^ 1, d, reg_cc());
    }
}

/* CSEL CSINC CSINV CSNEG: rn, or rm changed as op:op2 says. */
bool trans_csel(DisasContext *s, arg_csel *a)
{
    unsigned sz = sf_size(a->sf);
    TCGv_i64 n = reg_x(s, a->rn), m = reg_x(s, a->rm);

    if (a->cond >= 14) {
        gen_mov_sf(s, a->sf, reg_dest(s, a->rd), n);
        return true;
    }
    if (a->rn == 31 && a->rm == 31 && a->op != a->op2) {
        setcc(s, a);
        return true;
    }
    if (a->op || a->op2) {
        TCGv_i64 t = tcg_temp_i64(s->tcg);
        if (!a->op) {
            tcg_gen_addi(s->tcg, sz, t, m, 1);
        } else if (a->op2) {
            tcg_gen(neg, s->tcg, sz, t, m);
        } else {
            tcg_gen(not, s->tcg, sz, t, m);
        }
        m = t;
    }
    tcg_gen_cond(movcc, s->tcg, sz, a->cond, reg_dest(s, a->rd), reg_cc(), n, m);
    return true;
}

/* --- multiply
 * ---------------------------------------------------------------------------------------------------
 */

bool trans_madd(DisasContext *s, arg_madd *a)
{
    unsigned sz = sf_size(a->sf);
    TCGv_i64 d = reg_dest(s, a->rd), n = reg_x(s, a->rn), m = reg_x(s, a->rm);

    if (a->ra == 31 && !a->sub) {
        tcg_gen(mul, s->tcg, sz, d, n, m);
        return true;
    }
    TCGv_i64 t = tcg_temp_i64(s->tcg);
    tcg_gen(mul, s->tcg, sz, t, n, m);
    if (a->ra == 31) {
        tcg_gen(neg, s->tcg, sz, d, t);
    } else {
        addsub(s, sz, a->sub, false, d, reg_x(s, a->ra), t);
    }
    return true;
}

/* The low half of register r, extended. */
static TCGv_i64 word_reg(DisasContext *s, int r, bool sign)
{
    TCGv_i64 t = tcg_temp_i64(s->tcg);

    if (sign) {
        tcg_gen_imm(sextract, s->tcg, MO_64, TCG_FIELD(0, 32), t, reg_x(s, r));
    } else {
        tcg_gen(mov, s->tcg, MO_32, t, reg_x(s, r));
    }
    return t;
}

bool trans_maddl(DisasContext *s, arg_maddl *a)
{
    TCGv_i64 d = reg_dest(s, a->rd);
    TCGv_i64 n = word_reg(s, a->rn, a->sign), m = word_reg(s, a->rm, a->sign);

    if (a->ra == 31 && !a->sub) {
        tcg_gen(mul, s->tcg, MO_64, d, n, m);
    } else {
        TCGv_i64 t = tcg_temp_i64(s->tcg);
        tcg_gen(mul, s->tcg, MO_64, t, n, m);
        addsub(s, MO_64, a->sub, false, d, reg_x(s, a->ra), t);
    }
    return true;
}

bool trans_mulh(DisasContext *s, arg_mulh *a)
{
    gen_op2(s, a->op, MO_64, reg_dest(s, a->rd), reg_x(s, a->rn), reg_x(s, a->rm));
    return true;
}
