/* SPDX-License-Identifier: MIT */
/*
 * A64 loads and stores of one general or FP register (DDI 0487 C4.1.94): literal and all addressing
 * modes. No global is written before the last access, but load destinations that nothing reads
 * later.
 */
#include "target/arm/translate.h"

static unsigned load_memop(int sz, int sign, int w)
{
    return sz | (sign ? MO_SIGN | (w ? MO_SEXT32 : 0) : 0);
}

/* --- one general register
 * ------------------------------------------------------------------------------------ */

bool trans_ldst_uimm(DisasContext *s, arg_ldst_uimm *a)
{
    MemAddr addr = mem_addr(a->rn, (int64_t)a->imm << a->sz);

    if (a->load) {
        mem_ld(s, load_memop(a->sz, a->sign, a->w), reg_dest(s, a->rt), addr);
    } else {
        mem_st(s, a->sz, reg_x(s, a->rt), addr);
    }
    return true;
}

bool trans_ldst_simm(DisasContext *s, arg_ldst_simm *a)
{
    MemAddr addr = mem_mode_addr(a->rn, a->mode, a->imm);

    if (a->unpriv) {
        mem_unprivileged(s);
    }
    if (a->load) {
        mem_ld(s, load_memop(a->sz, a->sign, a->w), reg_dest(s, a->rt), addr);
        if (mem_base_is(a->rn, a->rt)) {
            return true;
        }
    } else {
        mem_st(s, a->sz, reg_x(s, a->rt), addr);
    }
    mem_write_back(s, a->rn, a->mode, a->imm);
    return true;
}

/* base + extended index; false for the reserved extensions. */
static bool reg_addr(DisasContext *s, int rn, int rm, int option, unsigned shift, MemAddr *addr)
{
    if (!(option & 2)) {
        return false;
    }
    *addr = mem_addr(rn, 0);
    if (rm == 31) {
        return true;
    }
    addr->index = reg_x(s, rm);
    addr->shift = shift;
    if (!(option & 1)) {
        TCGv_i64 t = tcg_temp_i64(s->tcg);
        if (option & 4) {
            tcg_gen_imm(sextract, s->tcg, MO_64, TCG_FIELD(0, 32), t, addr->index);
        } else {
            tcg_gen(mov, s->tcg, MO_32, t, addr->index);
        }
        addr->index = t;
    }
    return true;
}

bool trans_ldst_reg(DisasContext *s, arg_ldst_reg *a)
{
    MemAddr addr;

    if (!reg_addr(s, a->rn, a->rm, a->opt, a->s ? a->sz : 0, &addr)) {
        return false;
    }
    if (a->load) {
        mem_ld(s, load_memop(a->sz, a->sign, a->w), reg_dest(s, a->rt), addr);
    } else {
        mem_st(s, a->sz, reg_x(s, a->rt), addr);
    }
    return true;
}

bool trans_ldr_lit(DisasContext *s, arg_ldr_lit *a)
{
    unsigned memop = load_memop(a->sign ? MO_32 : MO_32 + a->sz, a->sign, 0);
    TCGv_i64 base = tcg_const_pc(s->tcg, s->pc + (int64_t)a->imm * 4);

    mem_ld(s, memop, reg_dest(s, a->rt), mem_addr_base(base, 0));
    return true;
}

/* --- FP and SIMD registers
 * ------------------------------------------------------------------------------------------ */

static void ldst_v(DisasContext *s, unsigned sz, bool load, int rt, MemAddr addr)
{
    if (load) {
        mem_ldv(s, sz, reg_v(rt), addr);
    } else {
        mem_stv(s, sz, reg_v(rt), addr);
    }
}

bool trans_ldst_uimm_v(DisasContext *s, arg_ldst_uimm_v *a)
{
    ldst_v(s, a->sz, a->load, a->rt, mem_addr(a->rn, (int64_t)a->imm << a->sz));
    return true;
}

bool trans_ldst_simm_v(DisasContext *s, arg_ldst_simm_v *a)
{
    ldst_v(s, a->sz, a->load, a->rt, mem_mode_addr(a->rn, a->mode, a->imm));
    mem_write_back(s, a->rn, a->mode, a->imm);
    return true;
}

bool trans_ldst_reg_v(DisasContext *s, arg_ldst_reg_v *a)
{
    MemAddr addr;

    if (!reg_addr(s, a->rn, a->rm, a->opt, a->s ? a->sz : 0, &addr)) {
        return false;
    }
    ldst_v(s, a->sz, a->load, a->rt, addr);
    return true;
}

bool trans_ldr_lit_v(DisasContext *s, arg_ldr_lit_v *a)
{
    if (a->sz == 3) {
        return false;
    }
    TCGv_i64 base = tcg_const_pc(s->tcg, s->pc + (int64_t)a->imm * 4);
    mem_ldv(s, MO_32 + a->sz, reg_v(a->rt), mem_addr_base(base, 0));
    return true;
}

/* --- ordered
 * ------------------------------------------------------------------------------------------------------------
 */

bool trans_ldar(DisasContext *s, arg_ldar *a)
{
    mem_ld(s, a->sz | MO_ACQUIRE, reg_dest(s, a->rt), mem_addr(a->rn, 0));
    return true;
}

bool trans_stlr(DisasContext *s, arg_stlr *a)
{
    mem_st(s, a->sz | MO_RELEASE, reg_x(s, a->rt), mem_addr(a->rn, 0));
    return true;
}

/* LDAPR may pass an earlier store-release to another address; ours does not need to know. */
bool trans_ldapr(DisasContext *s, arg_ldapr *a)
{
    mem_ld(s, a->sz | MO_ACQUIRE, reg_dest(s, a->rt), mem_addr(a->rn, 0));
    return true;
}

bool trans_ldapur(DisasContext *s, arg_ldapur *a)
{
    mem_ld(s, load_memop(a->sz, a->sign, a->w) | MO_ACQUIRE, reg_dest(s, a->rt),
           mem_addr(a->rn, a->imm));
    return true;
}

bool trans_stlur(DisasContext *s, arg_stlur *a)
{
    mem_st(s, a->sz | MO_RELEASE, reg_x(s, a->rt), mem_addr(a->rn, a->imm));
    return true;
}

bool trans_ldapr_post(DisasContext *s, arg_ldapr_post *a)
{
    mem_ld(s, (MO_32 + a->sz) | MO_ACQUIRE, reg_dest(s, a->rt), mem_addr(a->rn, 0));
    if (!mem_base_is(a->rn, a->rt)) {
        mem_write_back(s, a->rn, MODE_POST, 4 << a->sz);
    }
    return true;
}

bool trans_stlr_pre(DisasContext *s, arg_stlr_pre *a)
{
    int64_t imm = -(4 << a->sz);

    mem_st(s, (MO_32 + a->sz) | MO_RELEASE, reg_x(s, a->rt), mem_addr(a->rn, imm));
    mem_write_back(s, a->rn, MODE_PRE, imm);
    return true;
}

bool trans_ldapur_v(DisasContext *s, arg_ldapur_v *a)
{
    TCGv_i64 addr = mem_flat(s, mem_addr(a->rn, a->imm), 1 << a->sz);

    if (a->load) {
        tcg_gen_ldv(s->tcg, a->sz, reg_v(a->rt), addr, TCG_NO_INDEX, 0);
        tcg_gen_mb(s->tcg, TCG_MB_LD_LD | TCG_MB_LD_ST);
    } else {
        tcg_gen_stv(s->tcg, a->sz | MO_RELEASE, reg_v(a->rt), addr, TCG_NO_INDEX, 0);
    }
    return true;
}
