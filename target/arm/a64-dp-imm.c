/* SPDX-License-Identifier: MIT */
/* A64 data processing, immediate (DDI 0487 C4.1.92). */
#include "target/arm/translate.h"

bool trans_adr(DisasContext *s, arg_adr *a)
{
    int64_t imm = (int64_t)a->immhi * 4 | a->immlo;
    uint64_t val = a->page ? (s->pc & ~(uint64_t)0xfff) + (uint64_t)imm * 4096 : s->pc + imm;

    tcg_gen_mov(s->tcg, reg_dest(s, a->rd), tcg_const_pc(s->tcg, val));
    return true;
}

bool trans_addsub_imm(DisasContext *s, arg_addsub_imm *a)
{
    unsigned sz = sf_size(a->sf);
    int64_t imm = (int64_t)a->imm << (a->sh ? 12 : 0);
    TCGv_i64 n = reg_xsp(a->rn);

    if (a->setflags) {
        TCGv_i64 d = reg_dest(s, a->rd);
        if (a->sub) {
            tcg_gen(sub_cc, s->tcg, sz, d, reg_cc(), n, imm64(s, imm));
        } else {
            tcg_gen(add_cc, s->tcg, sz, d, reg_cc(), n, imm64(s, imm));
        }
    } else if (!imm) {
        gen_mov_sf(s, a->sf, reg_xsp(a->rd), n);
    } else {
        tcg_gen_addi(s->tcg, sz, reg_xsp(a->rd), n, a->sub ? -imm : imm);
    }
    return true;
}

/* d = n cond m ? n : m */
static bool minmax(DisasContext *s, int sf, int cond, int rd, TCGv_i64 n, TCGv_i64 m)
{
    TCGv_i64 t = tcg_temp_i64(s->tcg);

    tcg_gen_cond(movcond, s->tcg, sf_size(sf), cond, t, n, m, n, m);
    gen_mov_sf(s, sf, reg_dest(s, rd), t);
    return true;
}

bool trans_minmax_imm(DisasContext *s, arg_minmax_imm *a)
{
    uint64_t imm = a->sf ? (uint64_t)a->imm : (uint32_t)a->imm;
    return minmax(s, a->sf, a->cond, a->rd, reg_x(s, a->rn), imm64(s, imm));
}

bool trans_minmax_reg(DisasContext *s, arg_minmax_reg *a)
{
    return minmax(s, a->sf, a->cond, a->rd, reg_x(s, a->rn), reg_x(s, a->rm));
}

/* A run of imms+1 ones, rotated right by immr, repeated in elements whose size the leading bits of
 * n:NOT(imms) give. */
bool a64_logic_mask(int n, int imms, int immr, uint64_t *mask)
{
    int key = n << 6 | (~imms & 0x3f);
    if (key < 2) {
        return false;
    }
    int size = 1 << (31 - __builtin_clz(key));
    int ones = (imms & (size - 1)) + 1, rot = immr & (size - 1);
    if (ones == size) {
        return false;
    }
    uint64_t elem = (1ull << ones) - 1;
    if (rot) {
        elem = elem >> rot | elem << (size - rot);
    }
    if (size < 64) {
        elem &= (1ull << size) - 1;
    }
    for (; size < 64; size *= 2) {
        elem |= elem << size;
    }
    *mask = elem;
    return true;
}

bool trans_logic_imm(DisasContext *s, arg_logic_imm *a)
{
    unsigned sz = sf_size(a->sf);
    uint64_t mask;

    if ((!a->sf && a->n) || !a64_logic_mask(a->n, a->imms, a->immr, &mask)) {
        return false;
    }
    if (!a->sf) {
        mask = (uint32_t)mask;
    }
    if (a->op == TCG_OP_and_cc) {
        TCGv_i64 d = reg_dest(s, a->rd);
        tcg_gen(and_cc, s->tcg, sz, d, reg_cc(), reg_x(s, a->rn), imm64(s, mask));
    } else if (a->rn == 31) {
        tcg_gen_movi(s->tcg, reg_xsp(a->rd), a->op == TCG_OP_and ? 0 : mask);
    } else {
        gen_op2(s, a->op, sz, reg_xsp(a->rd), reg_x(s, a->rn), imm64(s, mask));
    }
    return true;
}

bool trans_movw(DisasContext *s, arg_movw *a)
{
    uint64_t val = (uint64_t)a->imm << (a->hw * 16);

    if (!a->sf && a->hw > 1) {
        return false;
    }
    val = a->invert ? ~val : val;
    tcg_gen_movi(s->tcg, reg_dest(s, a->rd), a->sf ? val : (uint32_t)val);
    return true;
}

bool trans_movk(DisasContext *s, arg_movk *a)
{
    if (!a->sf && a->hw > 1) {
        return false;
    }
    tcg_gen_imm(deposit, s->tcg, sf_size(a->sf), TCG_FIELD(a->hw * 16, 16), reg_dest(s, a->rd),
                reg_x(s, a->rd), imm64(s, a->imm));
    return true;
}

/* --- bitfields: a field of rn to the bottom of rd (immr <= imms), or its bottom to a field of rd
 * ------- */

static bool reserved_bitfield(int sf, int n, int immr, int imms)
{
    return n != sf || (!sf && (immr > 31 || imms > 31));
}

bool trans_sbfm(DisasContext *s, arg_sbfm *a)
{
    unsigned sz = sf_size(a->sf);
    int size = a->sf ? 64 : 32;

    if (reserved_bitfield(a->sf, a->n, a->immr, a->imms)) {
        return false;
    }
    TCGv_i64 d = reg_dest(s, a->rd), n = reg_x(s, a->rn);
    if (a->imms == size - 1) {
        tcg_gen(sar, s->tcg, sz, d, n, imm64(s, a->immr));
    } else if (a->imms >= a->immr) {
        tcg_gen_imm(sextract, s->tcg, sz, TCG_FIELD(a->immr, a->imms - a->immr + 1), d, n);
    } else {
        tcg_gen_imm(sdepositz, s->tcg, sz, TCG_FIELD(size - a->immr, a->imms + 1), d, n);
    }
    return true;
}

bool trans_ubfm(DisasContext *s, arg_ubfm *a)
{
    unsigned sz = sf_size(a->sf);
    int size = a->sf ? 64 : 32;

    if (reserved_bitfield(a->sf, a->n, a->immr, a->imms)) {
        return false;
    }
    TCGv_i64 d = reg_dest(s, a->rd), n = reg_x(s, a->rn);
    if (a->imms == size - 1) {
        tcg_gen(shr, s->tcg, sz, d, n, imm64(s, a->immr));
    } else if (a->imms + 1 == a->immr) {
        tcg_gen(shl, s->tcg, sz, d, n, imm64(s, size - a->immr));
    } else if (a->imms >= a->immr) {
        tcg_gen_imm(extract, s->tcg, sz, TCG_FIELD(a->immr, a->imms - a->immr + 1), d, n);
    } else {
        tcg_gen_imm(depositz, s->tcg, sz, TCG_FIELD(size - a->immr, a->imms + 1), d, n);
    }
    return true;
}

bool trans_bfm(DisasContext *s, arg_bfm *a)
{
    unsigned sz = sf_size(a->sf);
    int size = a->sf ? 64 : 32, pos = 0, len = a->imms + 1;

    if (reserved_bitfield(a->sf, a->n, a->immr, a->imms)) {
        return false;
    }
    TCGv_i64 d = reg_dest(s, a->rd), n = reg_x(s, a->rn), field = n;
    if (a->imms < a->immr) {
        pos = size - a->immr;
    } else if (a->immr) {
        len = a->imms - a->immr + 1;
        field = tcg_temp_i64(s->tcg);
        tcg_gen(shr, s->tcg, sz, field, n, imm64(s, a->immr));
    }
    tcg_gen_imm(deposit, s->tcg, sz, TCG_FIELD(pos, len), d, reg_x(s, a->rd), field);
    return true;
}

bool trans_extr(DisasContext *s, arg_extr *a)
{
    unsigned sz = sf_size(a->sf);

    if (a->n != a->sf || (!a->sf && a->imms > 31)) {
        return false;
    }
    TCGv_i64 d = reg_dest(s, a->rd), n = reg_x(s, a->rn);
    if (a->rn == a->rm) {
        tcg_gen(rotr, s->tcg, sz, d, n, imm64(s, a->imms));
    } else {
        tcg_gen_imm(extr, s->tcg, sz, a->imms, d, n, reg_x(s, a->rm));
    }
    return true;
}
