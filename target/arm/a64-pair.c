/* SPDX-License-Identifier: MIT */
/*
 * A64 loads and stores of pairs of registers (DDI 0487 C4.1.94).
 *
 * With FEAT_LSE2 a pair of general registers inside 16 aligned bytes is one single-copy atomic
 * access (B2.2.1; LDPSW and pairs of SIMD registers stay two). So it is one access of the host (64
 * bits, or an SSE one of 128, which is atomic where it is aligned, Intel SDM volume 3, 9.1.1) once
 * anybody else sees the guest's memory. Before, and without the feature, two are cheaper.
 */
#include "target/arm/translate.h"

static bool is_one_access(const DisasContext *s, unsigned sz, MemAddr a)
{
    bool straddles =
        sz == MO_64 && a.base.i == reg_xsp(31).i && a.disp & 15 && !(s->tb->flags & ARM_TBF_SP_ODD);

    return s->tb->cflags & CF_SHARED && dc_feature(s, ARM_FEAT_LSE2) && !straddles;
}

/* sz: MO_32 or MO_64. Nothing is written before the access; d2 is the later one. */
static void load_pair(DisasContext *s, unsigned sz, bool sign, TCGv_i64 d1, TCGv_i64 d2, MemAddr a)
{
    if (sign || !is_one_access(s, sz, a)) {
        unsigned memop = sz | (sign ? MO_SIGN : 0);

        mem_ld(s, memop, d1, a);
        a.disp += 1 << sz;
        mem_ld(s, memop, d2, a);
    } else if (sz == MO_32) {
        TCGv_i64 t = tcg_temp_i64(s->tcg);

        mem_ld(s, MO_64 | MO_PAIR, t, a);
        tcg_gen(mov, s->tcg, MO_32, d1, t);
        tcg_gen_imm(extract, s->tcg, MO_64, TCG_FIELD(32, 32), d2, t);
    } else {
        TCGv_vec t = tcg_temp_vec(s->tcg);

        mem_ldv(s, MO_128 | MO_PAIR, t, a);
        tcg_gen_imm(v_to_i, s->tcg, MO_64, 0, d1, t);
        tcg_gen_imm(v_to_i, s->tcg, MO_64, 1, d2, t);
    }
}

static void store_pair(DisasContext *s, unsigned sz, int rt, int rt2, MemAddr a)
{
    TCGv_i64 first = reg_x(s, rt), second = reg_x(s, rt2);

    if (!is_one_access(s, sz, a)) {
        mem_st(s, sz, first, a);
        a.disp += 1 << sz;
        mem_st(s, sz, second, a);
    } else if (sz == MO_32) {
        TCGv_i64 t = tcg_temp_i64(s->tcg);

        tcg_gen_imm(deposit, s->tcg, MO_64, TCG_FIELD(32, 32), t, first, second);
        mem_st(s, MO_64 | MO_PAIR, t, a);
    } else {
        TCGv_vec low = tcg_temp_vec(s->tcg), both = tcg_temp_vec(s->tcg);

        tcg_gen(v_from_i, s->tcg, MO_64, low, first);
        tcg_gen_imm(vins_i, s->tcg, MO_64, 1, both, low, second);
        mem_stv(s, MO_128 | MO_PAIR, both, a);
    }
}

/* --- general registers
 * --------------------------------------------------------------------------------------- */

bool trans_stp(DisasContext *s, arg_stp *a)
{
    unsigned sz = a->x ? MO_64 : MO_32;
    int64_t imm = (int64_t)a->imm * (1 << sz);

    store_pair(s, sz, a->rt, a->rt2, mem_mode_addr(a->rn, a->mode, imm));
    mem_write_back(s, a->rn, a->mode, imm);
    return true;
}

bool trans_ldp(DisasContext *s, arg_ldp *a)
{
    unsigned sz = a->x ? MO_64 : MO_32;
    int64_t imm = (int64_t)a->imm * (1 << sz);
    bool clash = mem_base_is(a->rn, a->rt);
    TCGv_i64 first = clash ? tcg_temp_i64(s->tcg) : reg_dest(s, a->rt);

    load_pair(s, sz, a->sign, first, reg_dest(s, a->rt2), mem_mode_addr(a->rn, a->mode, imm));
    if (clash) {
        tcg_gen_mov(s->tcg, reg_x(s, a->rt), first);
    } else if (!mem_base_is(a->rn, a->rt2)) {
        mem_write_back(s, a->rn, a->mode, imm);
    }
    return true;
}

/* --- FP and SIMD registers
 * ----------------------------------------------------------------------------------- */

static void ldst_one_v(DisasContext *s, unsigned sz, bool load, int rt, MemAddr a)
{
    if (load) {
        mem_ldv(s, sz, reg_v(rt), a);
    } else {
        mem_stv(s, sz, reg_v(rt), a);
    }
}

bool trans_ldstp_v(DisasContext *s, arg_ldstp_v *a)
{
    if (a->opc == 3) {
        return false;
    }
    unsigned sz = MO_32 + a->opc;
    int64_t imm = (int64_t)a->imm * (1 << sz);
    MemAddr addr = mem_mode_addr(a->rn, a->mode, imm);

    ldst_one_v(s, sz, a->load, a->rt, addr);
    addr.disp += 1 << sz;
    ldst_one_v(s, sz, a->load, a->rt2, addr);
    mem_write_back(s, a->rn, a->mode, imm);
    return true;
}

/* --- ordered
 * -------------------------------------------------------------------------------------------------
 */

bool trans_ldiapp(DisasContext *s, arg_ldiapp *a)
{
    unsigned sz = MO_32 + a->sz;
    bool clash = mem_base_is(a->rn, a->rt);
    TCGv_i64 first = clash ? tcg_temp_i64(s->tcg) : reg_dest(s, a->rt);
    TCGv_i64 addr = mem_flat_pair(s, mem_addr(a->rn, 0), 1 << sz);

    load_pair(s, sz, false, first, reg_dest(s, a->rt2), mem_addr_base(addr, 0));
    tcg_gen_mb(s->tcg, TCG_MB_LD_LD | TCG_MB_LD_ST);
    if (clash) {
        tcg_gen_mov(s->tcg, reg_x(s, a->rt), first);
    } else if (a->post && !mem_base_is(a->rn, a->rt2)) {
        mem_write_back(s, a->rn, MODE_POST, 2 << sz);
    }
    return true;
}

/* As a store-release is ordered before a later load-acquire, which the host's loads are. */
bool trans_stilp(DisasContext *s, arg_stilp *a)
{
    unsigned sz = MO_32 + a->sz;
    int64_t imm = a->pre ? -(2 << sz) : 0;
    TCGv_i64 addr = mem_flat_pair(s, mem_addr(a->rn, imm), 1 << sz);

    tcg_gen_mb(s->tcg, TCG_MB_LD_ST | TCG_MB_ST_ST);
    store_pair(s, sz, a->rt, a->rt2, mem_addr_base(addr, 0));
    tcg_gen_mb(s->tcg, TCG_MB_ST_LD);
    if (a->pre) {
        mem_write_back(s, a->rn, MODE_PRE, imm);
    }
    return true;
}
