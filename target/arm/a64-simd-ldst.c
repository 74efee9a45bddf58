/* SPDX-License-Identifier: MIT */
/*
 * A64 Advanced SIMD loads and stores of structures: LD1…LD4, ST1…ST4, multiple, single lane,
 * replicating, with and without post-index (DDI 0487, C4.1 "Loads and Stores").
 *
 * Memory is read and written in whole vectors; lanes are sorted in registers. All memory accesses
 * of a load that could change the base or that are sorted come before the first write.
 */
#include "target/arm/translate-simd.h"

/* The base after a post-index: by register, or for 31 by the bytes that were moved. */
static void post_index(DisasContext *s, int post, int rn, int rm, int bytes)
{
    if (post) {
        tcg_gen(add, s->tcg, MO_64, reg_xsp(rn), reg_xsp(rn),
                rm == 31 ? imm64(s, bytes) : reg_x(s, rm));
    }
}

/* --- sorting of lanes ------------------------------------------------------------------ */

/*
 * Two and four registers: a transposition by steps of unzipping (to registers) or zipping (to
 * memory). v[] is in memory order on one side and in register order on the other.
 */
static void unzip2(DisasContext *s, unsigned size, TCGv_vec v[2])
{
    TCGv_vec a = v[0], b = v[1];

    v[0] = vec_vv(s, TCG_OP_vuzp1, size, a, b);
    v[1] = vec_vv(s, TCG_OP_vuzp2, size, a, b);
}
static void zip2(DisasContext *s, unsigned size, TCGv_vec v[2])
{
    TCGv_vec a = v[0], b = v[1];

    v[0] = vec_vv(s, TCG_OP_vzip1, size, a, b);
    v[1] = vec_vv(s, TCG_OP_vzip2, size, a, b);
}
static void unzip4(DisasContext *s, unsigned size, TCGv_vec v[4])
{
    TCGv_vec even[2], odd[2];

    unzip2(s, size, v);
    unzip2(s, size, v + 2);
    even[0] = v[0], even[1] = v[2];
    odd[0] = v[1], odd[1] = v[3];
    unzip2(s, size, even);
    unzip2(s, size, odd);
    v[0] = even[0], v[1] = odd[0], v[2] = even[1], v[3] = odd[1];
}
static void zip4(DisasContext *s, unsigned size, TCGv_vec v[4])
{
    TCGv_vec even[2] = { v[0], v[2] }, odd[2] = { v[1], v[3] };

    zip2(s, size, even);
    zip2(s, size, odd);
    v[0] = even[0], v[1] = odd[0], v[2] = even[1], v[3] = odd[1];
    zip2(s, size, v);
    zip2(s, size, v + 2);
}

/* Three: each result is a table look-up in the three vectors; from[i] is the source of byte i. */
static TCGv_vec gather3(DisasContext *s, const TCGv_vec v[3], const uint8_t from[16])
{
    uint64_t low[2] = { 0, 0 }, high[2] = { 0, 0 };
    TCGv_vec a, b;

    for (int i = 0; i < 16; i++) {
        low[i / 8] |= (uint64_t)(from[i] < 32 ? from[i] : 0xff) << i % 8 * 8;
        high[i / 8] |= (uint64_t)(from[i] >= 32 ? from[i] - 32 : 0xff) << i % 8 * 8;
    }
    a = vec_vvv(s, TCG_OP_vtbl2, 0, v[0], v[1], tcg_const_vec(s->tcg, low[0], low[1]));
    if ((high[0] & high[1]) == UINT64_MAX) {
        return a;
    }
    b = vec_vv(s, TCG_OP_vtbl, 0, v[2], tcg_const_vec(s->tcg, high[0], high[1]));
    return vec_vv(s, TCG_OP_vor, 0, a, b);
}

/* Lane e of register k (of `len` bytes, in 16) is element e * 3 + k in memory. */
static void sort3(DisasContext *s, bool load, unsigned size, int len, TCGv_vec v[3])
{
    TCGv_vec out[3];
    uint8_t from[48];

    for (int i = 0; i < 48; i++) {
        from[i] = 0xff;
    }
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < len; i++) {
            int lane = i >> size, byte = i & ((1 << size) - 1);
            int mem = ((lane * 3 + k) << size) + byte, reg = k * 16 + i;

            from[load ? reg : mem] = load ? mem : reg;
        }
    }
    for (int k = 0; k < 3; k++) {
        out[k] = gather3(s, v, from + 16 * k);
    }
    for (int k = 0; k < 3; k++) {
        v[k] = out[k];
    }
}

/* --- multiple structures --------------------------------------------------------------- */

/* Loads or stores `bytes` at the base in pieces of up to 16, each the next of v[]. */
static void move_pieces(DisasContext *s, bool load, int rn, int bytes, TCGv_vec v[4])
{
    for (int at = 0, i = 0; at < bytes; i++) {
        unsigned memop = bytes - at >= 16 ? MO_128 : MO_64;

        if (load) {
            v[i] = tcg_temp_vec(s->tcg);
            mem_ldv(s, memop, v[i], mem_addr(rn, at));
        } else {
            mem_stv(s, memop, v[i], mem_addr(rn, at));
        }
        at += 1 << memop;
    }
}

/* LD1, ST1 of several registers: no sorting. */
static void ldst_plain(DisasContext *s, arg_ldst_multi *a)
{
    unsigned memop = MO_64 + a->q;

    for (int i = 0; i < a->regs; i++) {
        TCGv_vec v = reg_v((a->rd + i) & 31);
        MemAddr addr = mem_addr(a->rn, i << memop);

        if (a->load) {
            mem_ldv(s, memop, v, addr);
        } else {
            mem_stv(s, memop, v, addr);
        }
    }
}

/*
 * Lets the op that made val write Vr instead. Nothing since has read Vr, and no access can fault
 * after the first of these ops.
 */
static void deliver(DisasContext *s, int r, TCGv_vec val)
{
    TCGOp *op = &s->tcg->ops[s->tcg->nb_ops - 1];

    if (s->tcg->overflow) { /* it may be missing, and the block is given up anyway */
        return;
    }
    while (op->arg[0] != val.i) {
        op--;
    }
    op->arg[0] = reg_v(r).i;
}

/*
 * Two or four registers of 8 bytes are one or two vectors in memory: unzipping those with zero
 * leaves each register's lanes in a low half; stores zip the low halves.
 */
static void load_sorted(DisasContext *s, arg_ldst_multi *a)
{
    int len = a->q ? 16 : 8;
    TCGv_vec v[4], zero = vec_zero(s);

    for (int i = 0; i < 4; i++) {
        v[i] = zero;
    }
    move_pieces(s, true, a->rn, len * a->regs, v);
    if (a->regs == 3) {
        sort3(s, true, a->size, len, v);
    } else if (a->regs == 2) {
        unzip2(s, a->size, v); /* v[1] is zero if there was but one vector */
    } else if (a->q) {
        unzip4(s, a->size, v);
    } else {
        TCGv_vec even[2], odd[2];

        unzip2(s, a->size, v);
        even[0] = v[0], odd[0] = v[1];
        even[1] = odd[1] = zero;
        unzip2(s, a->size, even);
        unzip2(s, a->size, odd);
        v[0] = even[0], v[1] = odd[0], v[2] = even[1], v[3] = odd[1];
    }
    for (int i = 0; i < a->regs; i++) {
        deliver(s, (a->rd + i) & 31, v[i]);
    }
}

static void store_sorted(DisasContext *s, arg_ldst_multi *a)
{
    int len = a->q ? 16 : 8;
    TCGv_vec v[4];

    for (int i = 0; i < a->regs; i++) {
        v[i] = reg_v((a->rd + i) & 31);
    }
    if (a->regs == 3) {
        sort3(s, false, a->size, len, v);
    } else if (a->q) {
        (a->regs == 2 ? zip2 : zip4)(s, a->size, v);
    } else if (a->regs == 2) {
        v[0] = vec_vv(s, TCG_OP_vzip1, a->size, v[0], v[1]);
    } else {
        v[0] = vec_vv(s, TCG_OP_vzip1, a->size, v[0], v[2]);
        v[1] = vec_vv(s, TCG_OP_vzip1, a->size, v[1], v[3]);
        zip2(s, a->size, v);
    }
    move_pieces(s, false, a->rn, len * a->regs, v);
}

/* `regs` registers, structures of `step` elements. */
bool trans_ldst_multi(DisasContext *s, arg_ldst_multi *a)
{
    if (a->step > 1 && a->size == MO_64 && !a->q) {
        return false;
    }
    if (a->step == 1) {
        ldst_plain(s, a);
    } else if (a->load) {
        load_sorted(s, a);
    } else {
        store_sorted(s, a);
    }
    post_index(s, a->post, a->rn, a->rm, a->regs * (a->q ? 16 : 8));
    return true;
}

/* --- single structures ----------------------------------------------------------------- */

/* The number of elements is in two bits: R (r) below opcode<0> (more). */
bool trans_ldst_lane(DisasContext *s, arg_ldst_lane *a)
{
    TCGContext *t = s->tcg;
    int elems = 1 + (a->more << 1 | a->r), lane = a->idx;
    TCGv_i64 val[4];

    lane |= a->q << (3 - a->size);
    for (int i = 0; i < elems; i++) {
        TCGv_vec v = reg_v((a->rd + i) & 31);
        MemAddr addr = mem_addr(a->rn, i << a->size);

        val[i] = tcg_temp_i64(t);
        if (a->load) {
            mem_ld(s, a->size, val[i], addr);
        } else if (!lane) {
            mem_stv(s, a->size, v, addr);
        } else {
            tcg_gen_imm(v_to_i, t, a->size, lane, val[i], v);
            mem_st(s, a->size, val[i], addr);
        }
    }
    for (int i = 0; a->load && i < elems; i++) {
        TCGv_vec v = reg_v((a->rd + i) & 31);

        tcg_gen_imm(vins_i, t, a->size, lane, v, v, val[i]);
    }
    post_index(s, a->post, a->rn, a->rm, elems << a->size);
    return true;
}

bool trans_ld_rep(DisasContext *s, arg_ld_rep *a)
{
    int elems = 1 + (a->more << 1 | a->r);
    TCGv_vec v[4];

    for (int i = 0; i < elems; i++) {
        v[i] = tcg_temp_vec(s->tcg);
        mem_ldv(s, a->size, v[i], mem_addr(a->rn, i << a->size));
    }
    for (int i = 0; i < elems; i++) {
        simd_write(s, (a->rd + i) & 31, SIMD_KEEP(0, a->q, 0), vec_dup(s, a->size, v[i], 0));
    }
    post_index(s, a->post, a->rn, a->rm, elems << a->size);
    return true;
}
