/* SPDX-License-Identifier: MIT */
/*
 * Integer vector arithmetic that takes a sequence of host instructions: dot products, halving and
 * saturating sums, high halves of products, shifts of bytes by vectors, counts of bits.
 */
#include "tcg/x86_64/vec.h"

enum { SHR = X86_SHIFT_SHR, SAR = X86_SHIFT_SAR, SHL = X86_SHIFT_SHL };

static void zero(X86Gen *g, unsigned d)
{
    x86_v3(g, VOP_PXOR, d, d, d);
}

static void load_const(X86Gen *g, unsigned d, uint64_t lo, uint64_t hi)
{
    x86_v3c(g, VOP_MOVDQA, d, X86_NO_REG, x86_const128(g, lo, hi));
}

static void and_const(X86Gen *g, unsigned sz, unsigned d, unsigned a, uint64_t c)
{
    x86_v3c(g, VOP_PAND, d, a, x86_vec_const(g, sz, c));
}

static void xor_const(X86Gen *g, unsigned sz, unsigned d, unsigned a, uint64_t c)
{
    x86_v3c(g, VOP_PXOR, d, a, x86_vec_const(g, sz, c));
}

static uint64_t sign_bit(unsigned sz)
{
    return 1ull << ((8 << sz) - 1);
}

/* ---- dot products of bytes ---- */

/* The even, or odd, bytes of x as halfwords. */
static void widen(X86Gen *g, bool odd, bool sign, unsigned d, unsigned x)
{
    if (odd) {
        x86_vec_shift(g, sign ? SAR : SHR, MO_16, d, x, 8);
    } else if (sign) {
        x86_vec_shift(g, SHL, MO_16, d, x, 8);
        x86_vec_shift(g, SAR, MO_16, d, d, 8);
    } else {
        and_const(g, MO_16, d, x, 0xff);
    }
}

static void emit_dot(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    bool sign_b = op->opc == TCG_OP_vsdot, sign_c = op->opc != TCG_OP_vudot;
    unsigned b = o[2].reg, c = o[3].reg, t = o[4].reg, u = o[5].reg, n = o[6].reg;

    widen(g, false, sign_b, t, b);
    widen(g, false, sign_c, u, c);
    x86_v3(g, VOP_PMADDWD, t, t, u);
    widen(g, true, sign_b, u, b);
    widen(g, true, sign_c, n, c);
    x86_v3(g, VOP_PMADDWD, u, u, n);
    x86_vec_simple(g, TCG_OP_vadd, MO_32, t, t, u);
    x86_vec_simple(g, TCG_OP_vadd, MO_32, o[0].reg, t, o[1].reg);
}

/*
 * VPDPBUSD adds products of unsigned by signed bytes to its destination. Two unsigned ones:
 * b * c = b * (c - 128) + 128 b; two signed ones: b * c = (b + 128) * c - 128 c.
 */
static void emit_dot_vnni(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    const X86VOp vpdpbusd = VOP(VPP_66, VMAP_0F38, 0x50, VOP_EVEX);
    unsigned b = o[2].reg, c = o[3].reg, t = o[4].reg, u = o[5].reg, n = o[6].reg;

    zero(g, t); /* the sum is added last: loops wait for it alone */
    if (op->opc == TCG_OP_vusdot) {
        x86_v3(g, vpdpbusd, t, b, c);
    } else if (op->opc == TCG_OP_vudot) {
        xor_const(g, MO_8, u, c, 0x80);
        x86_v3(g, vpdpbusd, t, b, u);
        x86_v3c(g, VOP_MOVDQA, u, X86_NO_REG, x86_vec_const(g, MO_8, 64));
        x86_v3(g, vpdpbusd, t, b, u);
        x86_v3(g, vpdpbusd, t, b, u);
    } else {
        xor_const(g, MO_8, u, b, 0x80);
        x86_v3(g, vpdpbusd, t, u, c);
        x86_v3c(g, VOP_MOVDQA, u, X86_NO_REG, x86_vec_const(g, MO_8, 0x80));
        zero(g, n);
        x86_v3(g, vpdpbusd, n, u, c);
        x86_vec_simple(g, TCG_OP_vsub, MO_32, t, t, n);
    }
    x86_vec_simple(g, TCG_OP_vadd, MO_32, o[0].reg, t, o[1].reg);
}

/* ---- halving sums ---- */

/*
 * a + b = 2 (a & b) + (a ^ b) = 2 (a | b) - (a ^ b), and a - b = (a ^ b) - 2 (~a & b). PAVG is
 * there for two sizes.
 */
static void emit_halving(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    bool sign = op->opc == TCG_OP_vshadd || op->opc == TCG_OP_vsrhadd || op->opc == TCG_OP_vshsub;
    unsigned d = o[0].reg, a = o[1].reg, b = o[2].reg, t = o[3].reg, u = o[4].reg;

    if (op->opc == TCG_OP_vurhadd && op->sz <= MO_16) {
        x86_vec_simple(g, op->opc, op->sz, d, a, b);
        return;
    }
    x86_v3(g, VOP_PXOR, t, a, b);
    x86_vec_shift_imm(g, sign ? SAR : SHR, op->sz, t, t, 1, u);
    switch (op->opc) {
    case TCG_OP_vshadd:
    case TCG_OP_vuhadd:
        x86_v3(g, VOP_PAND, u, a, b);
        x86_vec_simple(g, TCG_OP_vadd, op->sz, d, u, t);
        break;
    case TCG_OP_vsrhadd:
    case TCG_OP_vurhadd:
        x86_v3(g, VOP_POR, u, a, b);
        x86_vec_simple(g, TCG_OP_vsub, op->sz, d, u, t);
        break;
    default:
        x86_v3(g, VOP_PANDN, u, a, b);
        x86_vec_simple(g, TCG_OP_vsub, op->sz, d, t, u);
        break;
    }
}

/* ---- saturation of words and doublewords; the host has it for less ---- */

static void emit_signed_sat(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    bool add = op->opc == TCG_OP_vsqadd;
    unsigned sz = op->sz, a = o[1].reg, b = o[2].reg, sum = o[3].reg, u = o[4].reg, n = o[5].reg;

    if (sz <= MO_16) {
        x86_vec_simple(g, op->opc, sz, o[0].reg, a, b);
        return;
    }
    x86_vec_simple(g, add ? TCG_OP_vadd : TCG_OP_vsub, sz, sum, a, b);
    x86_v3(g, VOP_PXOR, u, a, sum);
    x86_v3(g, VOP_PXOR, n, a, b);
    x86_v3(g, add ? VOP_PANDN : VOP_PAND, n, n, u); /* negative: overflow */
    zero(g, u);
    x86_v3(g, x86_vec_cmpgt[sz], u, u, n);
    zero(g, n);
    x86_v3(g, x86_vec_cmpgt[sz], n, n, a);
    xor_const(g, sz, n, n, sign_bit(sz) - 1); /* the limit on a's side */
    x86_v3(g, VOP_PXOR, n, n, sum);
    x86_v3(g, VOP_PAND, n, n, u);
    x86_v3(g, VOP_PXOR, o[0].reg, sum, n);
}

/* By the minimum and maximum of words; doublewords by a comparison, of values less the sign. */
static void emit_unsigned_sat(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    bool add = op->opc == TCG_OP_vuqadd;
    unsigned sz = op->sz, d = o[0].reg, a = o[1].reg, b = o[2].reg, t = o[3].reg, u = o[4].reg,
             n = o[5].reg;

    if (sz <= MO_16) {
        x86_vec_simple(g, op->opc, sz, d, a, b);
    } else if (sz == MO_32 || x86_has(X86_AVX512)) {
        if (add) {
            xor_const(g, sz, t, a, ~0ull);
            x86_vec_simple(g, TCG_OP_vumin, sz, t, t, b);
            x86_vec_simple(g, TCG_OP_vadd, sz, d, a, t);
        } else {
            x86_vec_simple(g, TCG_OP_vumax, sz, t, a, b);
            x86_vec_simple(g, TCG_OP_vsub, sz, d, t, b);
        }
    } else {
        x86_vec_simple(g, add ? TCG_OP_vadd : TCG_OP_vsub, sz, t, a, b);
        xor_const(g, sz, u, add ? t : a, sign_bit(sz));
        xor_const(g, sz, n, add ? a : b, sign_bit(sz));
        x86_v3(g, x86_vec_cmpgt[sz], n, n, u);
        x86_v3(g, add ? VOP_POR : VOP_PANDN, d, n, t);
    }
}

/* ---- high halves of doubled products ---- */

/* MIN * MIN is the only product that does not fit; it comes out as MIN, and nothing else does. */
static void saturate_min(X86Gen *g, unsigned sz, unsigned d, unsigned x, unsigned t)
{
    x86_v3c(g, VOP_MOVDQA, t, X86_NO_REG, x86_vec_const(g, sz, sign_bit(sz)));
    x86_v3(g, x86_vec_cmpeq[sz], t, t, x);
    x86_v3(g, VOP_PXOR, d, x, t);
}

/* Doubles the product x and adds the rounding bit. */
static void double_product(X86Gen *g, bool round, unsigned x)
{
    x86_vec_simple(g, TCG_OP_vadd, MO_64, x, x, x);
    if (round) {
        x86_v3c(g, VOP_PADDQ, x, x, x86_vec_const(g, MO_64, 1ull << 31));
    }
}

static void emit_mulh(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    const X86VOp pmuldq = VOP(VPP_66, VMAP_0F38, 0x28, VOP_EW);
    bool round = op->opc == TCG_OP_vsqrdmulh;
    unsigned a = o[1].reg, b = o[2].reg, t = o[3].reg, u = o[4].reg, n = o[5].reg;

    if (op->sz == MO_16 && round) {
        x86_v3(g, VOP_PMULHRSW, t, a, b);
    } else if (op->sz == MO_16) {
        x86_v3(g, VOP_PMULHW, t, a, b);
        x86_v3(g, VOP_PMULLW, u, a, b);
        x86_vec_shift(g, SHL, MO_16, t, t, 1);
        x86_vec_shift(g, SHR, MO_16, u, u, 15);
        x86_v3(g, VOP_POR, t, t, u);
    } else {
        x86_v3(g, pmuldq, t, a, b);
        x86_v3i(g, VOP_PSHUFD, u, X86_NO_REG, a, 0xf5);
        x86_v3i(g, VOP_PSHUFD, n, X86_NO_REG, b, 0xf5);
        x86_v3(g, pmuldq, u, u, n);
        double_product(g, round, t);
        double_product(g, round, u);
        x86_vec_shift(g, SHR, MO_64, t, t, 32);
        and_const(g, MO_64, u, u, ~0ull << 32);
        x86_v3(g, VOP_POR, t, t, u);
    }
    saturate_min(g, op->sz, o[0].reg, t, u);
}

/* Doublewords from three products of words. */
static void emit_mul64(X86Gen *g, const X86Operand *o)
{
    unsigned a = o[1].reg, b = o[2].reg, t = o[3].reg, u = o[4].reg;

    x86_vec_shift(g, SHR, MO_64, t, a, 32);
    x86_v3(g, VOP_PMULUDQ, t, t, b);
    x86_vec_shift(g, SHR, MO_64, u, b, 32);
    x86_v3(g, VOP_PMULUDQ, u, u, a);
    x86_vec_simple(g, TCG_OP_vadd, MO_64, t, t, u);
    x86_vec_shift(g, SHL, MO_64, t, t, 32);
    x86_v3(g, VOP_PMULUDQ, u, a, b);
    x86_vec_simple(g, TCG_OP_vadd, MO_64, o[0].reg, t, u);
}

static void emit_vmul(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    if (op->sz == MO_64 && !x86_has(X86_AVX512)) {
        emit_mul64(g, o);
    } else {
        x86_vec_mul(g, op, o);
    }
}

/* ---- shifts of bytes by vectors: as products with powers of two ---- */

/* The low, or high, bytes of the products of a's and p's bytes. n and m are free. */
static void byte_products(X86Gen *g, bool high, bool sign, unsigned d, unsigned a, unsigned p,
                          unsigned n, unsigned m)
{
    widen(g, true, false, m, p);
    widen(g, true, sign, n, a);
    x86_v3(g, VOP_PMULLW, n, n, m);
    widen(g, false, false, m, p);
    widen(g, false, sign, d, a);
    x86_v3(g, VOP_PMULLW, d, d, m);
    if (high) {
        x86_vec_shift(g, SHR, MO_16, d, d, 8);
        and_const(g, MO_16, n, n, 0xff00);
    } else {
        and_const(g, MO_16, d, d, 0xff);
        x86_vec_shift(g, SHL, MO_16, n, n, 8);
    }
    x86_v3(g, VOP_POR, d, d, n);
}

static void emit_shl8(X86Gen *g, const X86Operand *o, bool sign)
{
    unsigned left = o[0].reg, a = o[1].reg, b = o[2].reg, right = o[3].reg, p = o[4].reg,
             n = o[5].reg, m = o[6].reg;

    /* 1 << b, or 0; PADDUSB moves counts above 15 to where PSHUFB gives zero */
    x86_v3c(g, VOP_PADDUSB, n, b, x86_vec_const(g, MO_8, 0x70));
    load_const(g, p, 0x8040201008040201ull, 0);
    x86_v3(g, VOP_PSHUFB, p, p, n);
    byte_products(g, false, false, left, a, p, n, m);
    /* 256 >> -b, and 1 for all of 8 and more: nothing is left then but the sign */
    zero(g, n);
    x86_vec_simple(g, TCG_OP_vsub, MO_8, n, n, b);
    x86_v3c(g, VOP_PMINUB, n, n, x86_vec_const(g, MO_8, 8));
    load_const(g, p, 0x0204081020408000ull, 1);
    x86_v3(g, VOP_PSHUFB, p, p, n);
    byte_products(g, true, sign, right, a, p, n, m);
    zero(g, n);
    x86_v3(g, x86_vec_cmpgt[MO_8], n, n, b);
    x86_v3(g, VOP_PAND, right, right, n);
    x86_v3(g, VOP_PANDN, n, n, left);
    x86_v3(g, VOP_POR, o[0].reg, n, right);
}

static void emit_shl_var(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    if (op->sz == MO_8) {
        emit_shl8(g, o, op->opc == TCG_OP_vsshl);
    } else {
        x86_vec_shl_var(g, op, o);
    }
}

/* ---- narrowing ---- */

/* Doublewords; the ones that do not fit get ones in their low halves. */
static void clamp64(X86Gen *g, unsigned t, unsigned a, unsigned u)
{
    x86_vec_shift(g, SHR, MO_64, t, a, 32);
    zero(g, u);
    x86_v3(g, x86_vec_cmpeq[MO_32], t, t, u);
    xor_const(g, MO_64, t, t, ~0ull);
    x86_v3(g, VOP_POR, t, t, a);
}

static void pack_low_words(X86Gen *g, unsigned d, unsigned a)
{
    x86_v3i(g, VOP_PSHUFD, d, X86_NO_REG, a, 0x08);
    x86_v3(g, VOP_MOVQ, d, X86_NO_REG, d);
}

static void emit_uqxtn(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned t = o[2].reg, u = o[3].reg;

    if (op->sz == MO_32) {
        clamp64(g, t, o[1].reg, u);
        pack_low_words(g, o[0].reg, t);
        return;
    }
    x86_v3c(g, op->sz == MO_8 ? VOP_PMINUW : VOP_PMINUD, t, o[1].reg,
            x86_vec_const(g, op->sz + 1, op->sz == MO_8 ? 0xff : 0xffff));
    zero(g, u);
    x86_v3(g, op->sz == MO_8 ? VOP_PACKUSWB : VOP_PACKUSDW, o[0].reg, t, u);
}

static void emit_sqxtun(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned t = o[2].reg, u = o[3].reg;

    if (op->sz < MO_32) {
        zero(g, u);
        x86_v3(g, op->sz == MO_8 ? VOP_PACKUSWB : VOP_PACKUSDW, t, o[1].reg, u);
        x86_vmov(g, o[0].reg, t);
        return;
    }
    clamp64(g, t, o[1].reg, u);
    x86_v3(g, x86_vec_cmpgt[MO_64], u, u, o[1].reg); /* u is still zero */
    x86_v3(g, VOP_PANDN, u, u, t);
    pack_low_words(g, o[0].reg, u);
}

/* ---- counts of bits ---- */

/* The nibbles of a: low ones in t, high ones in u, which may be a. */
static void nibbles(X86Gen *g, unsigned a, unsigned t, unsigned u)
{
    and_const(g, MO_8, t, a, 15);
    x86_vec_shift(g, SHR, MO_16, u, a, 4);
    and_const(g, MO_8, u, u, 15);
}

/* By tables for nibbles, the smaller of two counts; then two counts make one of twice the size. */
static void count_leading(X86Gen *g, unsigned sz, unsigned d, unsigned a, unsigned t, unsigned u,
                          unsigned n)
{
    nibbles(g, a, t, u);
    load_const(g, n, 0x0505050506060708ull, 0x0404040404040404ull);
    x86_v3(g, VOP_PSHUFB, n, n, t);
    load_const(g, t, 0x0101010102020308ull, 0);
    x86_v3(g, VOP_PSHUFB, t, t, u);
    x86_v3(g, VOP_PMINUB, t, t, n);
    for (unsigned half = MO_8; half < sz; half++) {
        unsigned bits = 8 << half;

        x86_vec_shift(g, SHR, half + 1, u, t, bits);
        x86_v3c(g, VOP_MOVDQA, n, X86_NO_REG, x86_vec_const(g, half + 1, bits));
        x86_v3(g, x86_vec_cmpeq[half + 1], n, n, u); /* the high half is zero */
        and_const(g, half + 1, t, t, (1ull << bits) - 1);
        x86_v3(g, VOP_PAND, t, t, n);
        x86_vec_simple(g, TCG_OP_vadd, half + 1, t, t, u);
    }
    x86_vmov(g, d, t);
}

static void clz(X86Gen *g, unsigned sz, unsigned d, unsigned a, const X86Operand *scratch)
{
    if (sz >= MO_32 && x86_has(X86_AVX512)) {
        x86_v3(g, VOP(VPP_66, VMAP_0F38, 0x44, VOP_EVEX | (sz == MO_64 ? VOP_EW : 0)), d,
               X86_NO_REG, a);
    } else {
        count_leading(g, sz, d, a, scratch[0].reg, scratch[1].reg, scratch[2].reg);
    }
}

static void emit_vclz(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    clz(g, op->sz, o[0].reg, o[1].reg, &o[2]);
}

/* Leading bits equal to the sign, which itself does not count: those of a ^ sign, less 1. */
static void emit_vcls(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned t = o[2].reg, u = o[3].reg;

    zero(g, t);
    x86_v3(g, x86_vec_cmpgt[op->sz], t, t, o[1].reg);
    x86_v3(g, VOP_PXOR, u, t, o[1].reg);
    clz(g, op->sz, t, u, &o[2]);
    x86_v3c(g, VOP_MOVDQA, u, X86_NO_REG, x86_vec_const(g, op->sz, 1));
    x86_vec_simple(g, TCG_OP_vsub, op->sz, o[0].reg, t, u);
}

static void emit_vrbit(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned t = o[2].reg, u = o[3].reg, n = o[4].reg;

    (void)op;
    nibbles(g, o[1].reg, t, u);
    load_const(g, n, 0xe060a020c0408000ull, 0xf070b030d0509010ull);
    x86_v3(g, VOP_PSHUFB, n, n, t);
    load_const(g, t, 0x0e060a020c040800ull, 0x0f070b030d050901ull);
    x86_v3(g, VOP_PSHUFB, t, t, u);
    x86_v3(g, VOP_POR, o[0].reg, n, t);
}

static void emit_vabs(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned t = o[2].reg, u = o[3].reg;

    if (op->sz < MO_64) {
        x86_vec_simple(g, TCG_OP_vabs, op->sz, o[0].reg, X86_NO_REG, o[1].reg);
        return;
    }
    zero(g, t);
    x86_v3(g, x86_vec_cmpgt[MO_64], t, t, o[1].reg);
    x86_v3(g, VOP_PXOR, u, t, o[1].reg);
    x86_vec_simple(g, TCG_OP_vsub, MO_64, o[0].reg, u, t);
}

void x86_vec_arith_rules_init(void)
{
    enum { S8 = 1, S16 = 2, S32 = 4, S64 = 8, ALL = 15 };
    static const uint8_t halving[] = { TCG_OP_vshadd,  TCG_OP_vuhadd, TCG_OP_vsrhadd,
                                       TCG_OP_vurhadd, TCG_OP_vshsub, TCG_OP_vuhsub };
    bool avx512 = x86_has(X86_AVX512), avx2 = x86_has(X86_AVX2);
    X86EmitFn *dot = x86_has(X86_AVX512VNNI) ? emit_dot_vnni : emit_dot;

    x86_vec_rule(TCG_OP_vsdot, 0, dot, 3);
    x86_vec_rule(TCG_OP_vudot, 0, dot, 3);
    x86_vec_rule(TCG_OP_vusdot, 0, dot, 3);
    for (size_t n = 0; n < G_N_ELEMENTS(halving); n++) {
        x86_vec_rule(halving[n], ALL, emit_halving, 2);
    }
    x86_vec_rule(TCG_OP_vsqadd, ALL, emit_signed_sat, 3);
    x86_vec_rule(TCG_OP_vsqsub, ALL, emit_signed_sat, 3);
    x86_vec_rule(TCG_OP_vuqadd, ALL, emit_unsigned_sat, 3);
    x86_vec_rule(TCG_OP_vuqsub, ALL, emit_unsigned_sat, 3);
    x86_vec_rule(TCG_OP_vsqdmulh, S16 | S32, emit_mulh, 3);
    x86_vec_rule(TCG_OP_vsqrdmulh, S16 | S32, emit_mulh, 3);
    x86_vec_rule(TCG_OP_vmul, ALL, emit_vmul, 2);
    x86_vec_rule(TCG_OP_vushl, avx512 ? ALL : avx2 ? S8 | S32 | S64 : S8, emit_shl_var, 4);
    x86_vec_rule(TCG_OP_vsshl, avx512 ? ALL : S8, emit_shl_var, 4);
    x86_rules[TCG_OP_vushl].flags |= X86R_EARLY; /* the output is a scratch register too */
    x86_rules[TCG_OP_vsshl].flags |= X86R_EARLY;
    x86_vec_rule(TCG_OP_vclz, ALL, emit_vclz, 3);
    x86_vec_rule(TCG_OP_vcls, ALL, emit_vcls, 3);
    if (avx512) {
        x86_vec_rule(TCG_OP_vurshl, S16 | S32 | S64, x86_vec_shl_var, 4);
        x86_vec_rule(TCG_OP_vsrshl, S16 | S32 | S64, x86_vec_shl_var, 4);
    } else {
        x86_vec_rule(TCG_OP_vuqxtn, S8 | S16 | S32, emit_uqxtn, 2);
        x86_vec_rule(TCG_OP_vabs, ALL, emit_vabs, 2);
    }
    x86_vec_rule(TCG_OP_vsqxtun, S8 | S16 | S32, emit_sqxtun, 2);
    if (!x86_has(X86_GFNI | X86_AVX)) {
        x86_vec_rule(TCG_OP_vrbit, 0, emit_vrbit, 3);
    }
}
