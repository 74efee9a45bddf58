/* SPDX-License-Identifier: MIT */
/*
 * Integer vector ops as host instructions: a table for the ops that are one instruction, and a
 * short sequence each for the rest. An op without a rule is evaluated out of line.
 */
#include "tcg/x86_64/vec.h"

#define P66(op)   VOP(VPP_66, VMAP_0F, op, 0)
#define P66W(op)  VOP(VPP_66, VMAP_0F, op, VOP_EW)
#define P38(op)   VOP(VPP_66, VMAP_0F38, op, 0)
#define P38E(op)  VOP(VPP_66, VMAP_0F38, op, VOP_EVEX)
#define P38EW(op) VOP(VPP_66, VMAP_0F38, op, VOP_EVEX | VOP_EW)

/* Ops that are one instruction of the same operands, by element size; 0: not on this host or any.
 */
typedef struct SimpleOp {
    uint8_t opc;
    X86VOp insn[4];
} SimpleOp;

/* clang-format off */
static const SimpleOp simple_ops[] = {
    { TCG_OP_vadd,    { P66(0xfc), P66(0xfd), P66(0xfe), P66W(0xd4) } },
    { TCG_OP_vsub,    { P66(0xf8), P66(0xf9), P66(0xfa), P66W(0xfb) } },
    { TCG_OP_vmul,    { 0,         P66(0xd5), P38(0x40), P38EW(0x40) } },
    { TCG_OP_vand,    { VOP_PAND,  VOP_PAND,  VOP_PAND,  VOP_PAND } },
    { TCG_OP_vor,     { VOP_POR,   VOP_POR,   VOP_POR,   VOP_POR } },
    { TCG_OP_vxor,    { VOP_PXOR,  VOP_PXOR,  VOP_PXOR,  VOP_PXOR } },
    { TCG_OP_vsqadd,  { P66(0xec), P66(0xed), 0, 0 } },
    { TCG_OP_vuqadd,  { P66(0xdc), P66(0xdd), 0, 0 } },
    { TCG_OP_vsqsub,  { P66(0xe8), P66(0xe9), 0, 0 } },
    { TCG_OP_vuqsub,  { P66(0xd8), P66(0xd9), 0, 0 } },
    { TCG_OP_vurhadd, { P66(0xe0), P66(0xe3), 0, 0 } },
    { TCG_OP_vsmin,   { P38(0x38), P66(0xea), P38(0x39), P38EW(0x39) } },
    { TCG_OP_vsmax,   { P38(0x3c), P66(0xee), P38(0x3d), P38EW(0x3d) } },
    { TCG_OP_vumin,   { P66(0xda), P38(0x3a), P38(0x3b), P38EW(0x3b) } },
    { TCG_OP_vumax,   { P66(0xde), P38(0x3e), P38(0x3f), P38EW(0x3f) } },
    { TCG_OP_vzip1,   { P66(0x60), P66(0x61), P66(0x62), P66W(0x6c) } },
    { TCG_OP_vzip2,   { P66(0x68), P66(0x69), P66(0x6a), P66W(0x6d) } },
};

/* One operand in, one instruction. */
static const SimpleOp simple_unary[] = {
    { TCG_OP_vabs,  { P38(0x1c), P38(0x1d), P38(0x1e), P38EW(0x1f) } },
    { TCG_OP_vsxl,  { P38(0x20), P38(0x23), P38(0x25), 0 } },
    { TCG_OP_vuxl,  { P38(0x30), P38(0x33), P38(0x35), 0 } },
};
/* clang-format on */

static X86VOp simple_table[TCG_OP_COUNT][4];

/* A 64-bit element form that only EVEX has is a rule only where AVX-512 is. */
static bool usable(X86VOp insn)
{
    return insn && (!(insn & VOP_EVEX) || x86_has(X86_AVX512));
}

void x86_vec_simple(X86Gen *g, unsigned opc, unsigned sz, unsigned d, unsigned a, unsigned b)
{
    x86_v3(g, simple_table[opc][sz], d, a, b);
}

static void emit_binary(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    x86_v3o(g, simple_table[op->opc][op->sz], o[0].reg, o[1].reg, &o[2]);
}

static void emit_unary(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    x86_v3o(g, simple_table[op->opc][op->sz], o[0].reg, X86_NO_REG, &o[1]);
}

/* ---- constants
 * ----------------------------------------------------------------------------------- */

static uint64_t dup_const(unsigned sz, uint64_t v)
{
    switch (sz) {
    case MO_8:
        return 0x0101010101010101ull * (uint8_t)v;
    case MO_16:
        return 0x0001000100010001ull * (uint16_t)v;
    case MO_32:
        return 0x0000000100000001ull * (uint32_t)v;
    default:
        return v;
    }
}

int x86_vec_const(X86Gen *g, unsigned sz, uint64_t v)
{
    uint64_t c = dup_const(sz, v);

    return x86_const128(g, c, c);
}

static void zero(X86Gen *g, unsigned d)
{
    x86_v3(g, VOP_PXOR, d, d, d);
}

static void ones(X86Gen *g, unsigned d)
{
    if (d > 15) {
        x86_v3i(g, VOP_PTERNLOG, d, d, d, 0xff);
    } else {
        x86_v3(g, P66(0x76), d, d, d);
    }
}

/* ---- logic
 * ------------------------------------------------------------------------------------------ */

static void emit_vandc(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    (void)op;
    x86_v3o(g, VOP_PANDN, o[0].reg, o[2].reg, &o[1]);
}

static void emit_vnot(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    (void)op;
    if (x86_has(X86_AVX512)) {
        x86_v3i(g, VOP_PTERNLOG, o[0].reg, o[1].reg, o[1].reg, 0x55);
    } else {
        ones(g, o[2].reg);
        x86_v3(g, VOP_PXOR, o[0].reg, o[1].reg, o[2].reg);
    }
}

static void emit_vorc(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    (void)op;
    ones(g, o[3].reg);
    x86_v3(g, VOP_PXOR, o[3].reg, o[3].reg, o[2].reg);
    x86_v3(g, VOP_POR, o[0].reg, o[1].reg, o[3].reg);
}

static void emit_vbsl(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned d = o[0].reg, a = o[1].reg, b = o[2].reg, c = o[3].reg, t = o[4].reg;

    (void)op;
    if (x86_has(X86_AVX512)) {
        if (d == a) {
            x86_v3i(g, VOP_PTERNLOG, d, b, c, 0xca);
        } else if (d == b) {
            x86_v3i(g, VOP_PTERNLOG, d, a, c, 0xe2);
        } else if (d == c) {
            x86_v3i(g, VOP_PTERNLOG, d, a, b, 0xb8);
        } else {
            x86_vmov(g, d, a);
            x86_v3i(g, VOP_PTERNLOG, d, b, c, 0xca);
        }
        return;
    }
    /* c ^ (a & (b ^ c)) */
    x86_v3(g, VOP_PXOR, t, b, c);
    x86_v3(g, VOP_PAND, t, t, a);
    x86_v3(g, VOP_PXOR, d, t, c);
}

static void emit_vneg(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    zero(g, o[2].reg);
    x86_v3(g, simple_table[TCG_OP_vsub][op->sz], o[2].reg, o[2].reg, o[1].reg);
    x86_vmov(g, o[0].reg, o[2].reg);
}

/* ---- arithmetic that takes a few
 * ------------------------------------------------------------------------ */

static void emit_vmul8(X86Gen *g, const X86Operand *o)
{
    unsigned d = o[0].reg, a = o[1].reg, b = o[2].reg, t = o[3].reg, u = o[4].reg;
    int low = x86_vec_const(g, MO_16, 0xff);

    x86_v3(g, VOP_PMULLW, t, a, b); /* even bytes right in their low halves */
    x86_v3c(g, VOP_PAND, t, t, low);
    x86_vshift(g, P66(0x71), 2, u, a, 8);
    x86_vshift(g, P66(0x71), 2, d, b, 8);
    x86_v3(g, VOP_PMULLW, u, u, d);
    x86_vshift(g, P66(0x71), 6, u, u, 8);
    x86_v3(g, VOP_POR, d, t, u);
}

void x86_vec_mul(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    if (op->sz == MO_8) {
        emit_vmul8(g, o);
    } else {
        x86_v3(g, simple_table[TCG_OP_vmul][op->sz], o[0].reg, o[1].reg, o[2].reg);
    }
}

/* |a - b| = max - min; bytes and halfwords unsigned by saturating subtractions */
static void emit_vabd(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    bool sign = op->opc == TCG_OP_vsabd;
    unsigned d = o[0].reg, a = o[1].reg, b = o[2].reg, t = o[3].reg;

    if (!sign && op->sz <= MO_16) {
        X86VOp sub = op->sz == MO_8 ? VOP_PSUBUSB : VOP_PSUBUSW;
        x86_v3(g, sub, t, a, b);
        x86_v3(g, sub, o[4].reg, b, a);
        x86_v3(g, VOP_POR, d, t, o[4].reg);
        return;
    }
    x86_v3(g, simple_table[sign ? TCG_OP_vsmax : TCG_OP_vumax][op->sz], t, a, b);
    x86_v3(g, simple_table[sign ? TCG_OP_vsmin : TCG_OP_vumin][op->sz], o[4].reg, a, b);
    x86_v3(g, simple_table[TCG_OP_vsub][op->sz], d, t, o[4].reg);
}

/* ---- comparison
 * ------------------------------------------------------------------------------------------- */

static void emit_vcmp_evex(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    /* predicate of VPCMP: 0 EQ, 1 LT, 2 LE, 4 NE, 5 GE, 6 GT; signed and unsigned are two opcodes
     */
    static const int8_t predicate[] = {
        [TCG_COND_EQ] = 0,  [TCG_COND_NE] = 4,  [TCG_COND_LT] = 1,  [TCG_COND_GE] = 5,
        [TCG_COND_LE] = 2,  [TCG_COND_GT] = 6,  [TCG_COND_LTU] = 1, [TCG_COND_GEU] = 5,
        [TCG_COND_LEU] = 2, [TCG_COND_GTU] = 6,
    };
    static const X86VOp to_lanes[] = {
        VOP(VPP_F3, VMAP_0F38, 0x28, VOP_EVEX),
        VOP(VPP_F3, VMAP_0F38, 0x28, VOP_EVEX | VOP_EW),
        VOP(VPP_F3, VMAP_0F38, 0x38, VOP_EVEX),
        VOP(VPP_F3, VMAP_0F38, 0x38, VOP_EVEX | VOP_EW),
    };
    unsigned w = op->sz & 1 ? VOP_EW : 0, cond = op->cond;

    if (cond >= TCG_COND_TSTEQ) { /* VPTESTM, VPTESTNM */
        unsigned pp = cond == TCG_COND_TSTNE ? VPP_66 : VPP_F3;
        x86_v3k(g, VOP(pp, VMAP_0F38, op->sz <= MO_16 ? 0x26 : 0x27, VOP_EVEX | w), X86_K1,
                o[1].reg, o[2].reg, 0, false, -1);
    } else {
        bool uns = cond >= TCG_COND_LTU;
        unsigned opcode = (op->sz <= MO_16 ? 0x3f : 0x1f) - uns;
        x86_v3k(g, VOP(VPP_66, VMAP_0F3A, opcode, VOP_EVEX | w), X86_K1, o[1].reg, o[2].reg, 0,
                false, predicate[cond]);
    }
    x86_v3k(g, to_lanes[op->sz], o[0].reg, X86_NO_REG, X86_K1, 0, false, -1);
}

const X86VOp x86_vec_cmpeq[4] = { P66(0x74) | VOP_NO_EVEX, P66(0x75) | VOP_NO_EVEX,
                                  P66(0x76) | VOP_NO_EVEX, P38(0x29) | VOP_NO_EVEX };
const X86VOp x86_vec_cmpgt[4] = { P66(0x64) | VOP_NO_EVEX, P66(0x65) | VOP_NO_EVEX,
                                  P66(0x66) | VOP_NO_EVEX, P38(0x37) | VOP_NO_EVEX };

/* unsigned >= : max(a, b) == a, where there is such a max; else through the sign bit */
static void cmp_geu(X86Gen *g, unsigned sz, unsigned d, unsigned a, unsigned b, unsigned t)
{
    if (sz < MO_64) {
        x86_v3(g, simple_table[TCG_OP_vumax][sz], t, a, b);
        x86_v3(g, x86_vec_cmpeq[sz], d, t, a);
        return;
    }
    int sign = x86_vec_const(g, MO_64, 1ull << 63);
    x86_v3c(g, VOP_PXOR, t, b, sign);
    x86_v3c(g, VOP_PXOR, d, a, sign);
    x86_v3(g, x86_vec_cmpgt[sz], t, t, d);
    ones(g, d);
    x86_v3(g, VOP_PXOR, d, d, t);
}

static void emit_vcmp_vex(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned d = o[0].reg, a = o[1].reg, b = o[2].reg, t = o[3].reg, u = o[4].reg, sz = op->sz;
    bool invert = false;

    switch (op->cond) {
    case TCG_COND_NE:
        invert = true; /* fall through */
    case TCG_COND_EQ:
        x86_v3(g, x86_vec_cmpeq[sz], t, a, b);
        break;
    case TCG_COND_LE:
        invert = true; /* fall through */
    case TCG_COND_GT:
        x86_v3(g, x86_vec_cmpgt[sz], t, a, b);
        break;
    case TCG_COND_GE:
        invert = true; /* fall through */
    case TCG_COND_LT:
        x86_v3(g, x86_vec_cmpgt[sz], t, b, a);
        break;
    case TCG_COND_LTU:
        invert = true; /* fall through */
    case TCG_COND_GEU:
        cmp_geu(g, sz, u, a, b, t);
        x86_vmov(g, t, u);
        break;
    case TCG_COND_GTU:
        invert = true; /* fall through */
    case TCG_COND_LEU:
        cmp_geu(g, sz, u, b, a, t);
        x86_vmov(g, t, u);
        break;
    case TCG_COND_TSTEQ:
    case TCG_COND_TSTNE:
        x86_v3(g, VOP_PAND, t, a, b);
        zero(g, u);
        x86_v3(g, x86_vec_cmpeq[sz], t, t, u);
        invert = op->cond == TCG_COND_TSTNE;
        break;
    }
    if (invert) {
        ones(g, u);
        x86_v3(g, VOP_PXOR, d, t, u);
    } else {
        x86_vmov(g, d, t);
    }
}

static bool all_low(const X86Operand *o)
{
    return o[0].reg < 16 && o[1].reg < 16 && o[2].reg < 16;
}

static void emit_vcmp(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    if (all_low(o) && op->cond == TCG_COND_EQ) {
        x86_v3(g, x86_vec_cmpeq[op->sz], o[0].reg, o[1].reg, o[2].reg);
    } else if (all_low(o) && op->cond == TCG_COND_GT) {
        x86_v3(g, x86_vec_cmpgt[op->sz], o[0].reg, o[1].reg, o[2].reg);
    } else if (all_low(o) && op->cond == TCG_COND_LT && x86_has(X86_AVX)) {
        x86_v3(g, x86_vec_cmpgt[op->sz], o[0].reg, o[2].reg, o[1].reg);
    } else if (x86_has(X86_AVX512)) {
        emit_vcmp_evex(g, op, o);
    } else {
        emit_vcmp_vex(g, op, o);
    }
}

/* ---- shifts by immediates
 * ------------------------------------------------------------------------------------ */

enum { SHR = X86_SHIFT_SHR, SAR = X86_SHIFT_SAR, SHL = X86_SHIFT_SHL };

void x86_vec_shift(X86Gen *g, unsigned kind, unsigned sz, unsigned d, unsigned a, unsigned n)
{
    static const X86VOp group[] = { 0, P66(0x71), P66(0x72), P66W(0x73) };
    X86VOp insn =
        sz == MO_64 && kind == SAR ? VOP(VPP_66, VMAP_0F, 0x72, VOP_EVEX | VOP_EW) : group[sz];

    x86_vshift(g, insn, kind, d, a, n);
}

/* Bytes: shift halfwords and mask off what came from the neighbour. t is free and not a. */
static void shift_bytes(X86Gen *g, unsigned kind, unsigned d, unsigned a, unsigned n, unsigned t)
{
    unsigned mask = kind == SHL ? 0xff << n & 0xff : 0xff >> n;

    x86_vshift(g, P66(0x71), kind == SHL ? SHL : SHR, t, a, n);
    x86_v3c(g, VOP_PAND, kind == SAR ? t : d, t, x86_vec_const(g, MO_8, mask));
    if (kind == SAR) {
        int sign = x86_vec_const(g, MO_8, 0x80 >> n);
        x86_v3c(g, VOP_PXOR, t, t, sign);
        x86_v3c(g, P66(0xf8), d, t, sign);
    }
}

void x86_vec_shift_imm(X86Gen *g, unsigned kind, unsigned sz, unsigned d, unsigned a, unsigned n,
                       unsigned t)
{
    unsigned size = 8u << sz;

    if (n >= size && kind != SAR) {
        zero(g, d);
        return;
    }
    n = n >= size ? size - 1 : n;
    if (n == 0) {
        x86_vmov(g, d, a);
    } else if (sz == MO_8) {
        shift_bytes(g, kind, d, a, n, t);
    } else if (sz == MO_64 && kind == SAR && !x86_has(X86_AVX512)) {
        /* extend the sign after a logical shift: (x ^ m) - m, m the sign's new place */
        int sign = x86_vec_const(g, MO_64, 1ull << (63 - n));
        x86_vec_shift(g, SHR, sz, t, a, n);
        x86_v3c(g, VOP_PXOR, t, t, sign);
        x86_v3c(g, P66W(0xfb), d, t, sign);
    } else {
        x86_vec_shift(g, kind, sz, d, a, n);
    }
}

static void emit_vshift_imm(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned kind = op->opc == TCG_OP_vshli ? SHL : op->opc == TCG_OP_vshri ? SHR : SAR;

    x86_vec_shift_imm(g, kind, op->sz, o[0].reg, o[1].reg, op->imm, o[2].reg);
}

/* (a >> n) + bit n-1 of a */
static void emit_vrshift_imm(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned kind = op->opc == TCG_OP_vrshri ? SHR : SAR;
    unsigned d = o[0].reg, a = o[1].reg, t = o[2].reg, u = o[3].reg;

    x86_vec_shift_imm(g, SHR, op->sz, t, a, op->imm - 1, u);
    x86_v3c(g, VOP_PAND, t, t, x86_vec_const(g, op->sz, 1));
    x86_vec_shift_imm(g, kind, op->sz, d, a, op->imm, u);
    x86_v3(g, simple_table[TCG_OP_vadd][op->sz], d, d, t);
}

/* ---- shifts by vectors: |count| as a logical amount; amounts past the size give zero on x86
 * --------------------- */

void x86_vec_shl_var(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    static const X86VOp sll[] = { 0, P38EW(0x12), P38(0x47), VOP(VPP_66, VMAP_0F38, 0x47, VOP_W) };
    static const X86VOp srl[] = { 0, P38EW(0x10), P38(0x45), VOP(VPP_66, VMAP_0F38, 0x45, VOP_W) };
    static const X86VOp sra[] = { 0, P38EW(0x11), P38(0x46), P38EW(0x46) };
    static const X86VOp to_mask[] = { 0, VOP(VPP_F3, VMAP_0F38, 0x29, VOP_EVEX | VOP_EW),
                                      VOP(VPP_F3, VMAP_0F38, 0x39, VOP_EVEX),
                                      VOP(VPP_F3, VMAP_0F38, 0x39, VOP_EVEX | VOP_EW) };
    bool sign = op->opc == TCG_OP_vsshl || op->opc == TCG_OP_vsrshl;
    bool round = op->opc == TCG_OP_vurshl || op->opc == TCG_OP_vsrshl;
    unsigned d = o[0].reg, a = o[1].reg, b = o[2].reg, left = o[3].reg, right = o[4].reg,
             n = o[5].reg, sz = op->sz;
    int low = x86_vec_const(g, sz, 0xff);

    zero(g, n);
    x86_v3(g, simple_table[TCG_OP_vsub][sz], n, n, b);
    x86_v3c(g, VOP_PAND, n, n, low);
    x86_v3(g, sign ? sra[sz] : srl[sz], right, a, n);
    if (round) { /* the last bit that goes */
        unsigned bit = o[6].reg;

        x86_v3c(g, simple_table[TCG_OP_vsub][sz], n, n, x86_vec_const(g, sz, 1));
        x86_v3(g, sign ? sra[sz] : srl[sz], bit, a, n);
        x86_v3c(g, VOP_PAND, bit, bit, x86_vec_const(g, sz, 1));
        x86_v3(g, simple_table[TCG_OP_vadd][sz], right, right, bit);
    }
    x86_v3c(g, VOP_PAND, n, b, low);
    x86_v3(g, sll[sz], left, a, n);
    if (!sign) {
        x86_v3(g, VOP_POR, d, left, right);
        return;
    }
    /* choose by the sign of the count's low byte */
    x86_vec_shift(g, SHL, sz, n, b, (8u << sz) - 8);
    x86_v3k(g, to_mask[sz], X86_K1, X86_NO_REG, n, 0, false, -1);
    x86_vmov(g, d, left);
    x86_v3k(g,
            VOP(VPP_66, VMAP_0F38, sz == MO_16 ? 0x66 : 0x64, /* VPBLENDM */
                VOP_EVEX | (sz != MO_32 ? VOP_EW : 0)),
            d, left, right, X86_K1, false, -1);
}

/* ---- permutations
 * -------------------------------------------------------------------------------------------------
 */

static void emit_vext(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    if (op->imm == 0) {
        x86_vmov(g, o[0].reg, o[1].reg);
    } else {
        x86_v3i(g, VOP_PALIGNR, o[0].reg, o[2].reg, o[1].reg, op->imm);
    }
}

static void emit_vrev(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned unit = 1u << op->sz, group = 1u << op->imm;
    uint64_t c[2] = { 0, 0 };

    for (unsigned n = 0; n < 16; n++) {
        unsigned base = n & ~(group - 1), element = (n & (group - 1)) / unit;
        unsigned from = base + (group / unit - 1 - element) * unit + n % unit;
        c[n / 8] |= (uint64_t)from << n % 8 * 8;
    }
    x86_v3c(g, VOP_PSHUFB, o[0].reg, o[1].reg, x86_const128(g, c[0], c[1]));
}

static void emit_vuzp(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    bool odd = op->opc == TCG_OP_vuzp2;
    unsigned d = o[0].reg, a = o[1].reg, b = o[2].reg, t = o[3].reg, u = o[4].reg;

    if (op->sz == MO_64) {
        x86_v3(g, odd ? VOP_PUNPCKHQDQ : VOP_PUNPCKLQDQ, d, a, b);
        return;
    }
    if (op->sz == MO_32) {
        x86_v3i(g, VOP_SHUFPS, d, a, b, odd ? 0xdd : 0x88);
        return;
    }
    if (odd) {
        x86_vec_shift(g, SHR, op->sz + 1, t, a, 8u << op->sz);
        x86_vec_shift(g, SHR, op->sz + 1, u, b, 8u << op->sz);
    } else {
        int mask = x86_vec_const(g, op->sz + 1, (1u << (8u << op->sz)) - 1);
        x86_v3c(g, VOP_PAND, t, a, mask);
        x86_v3c(g, VOP_PAND, u, b, mask);
    }
    x86_v3(g, op->sz == MO_8 ? VOP_PACKUSWB : VOP_PACKUSDW, d, t, u);
}

static void emit_vtrn(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    bool odd = op->opc == TCG_OP_vtrn2;
    unsigned d = o[0].reg, a = o[1].reg, b = o[2].reg, t = o[3].reg, u = o[4].reg;
    unsigned bits = 8u << op->sz;

    if (op->sz == MO_64) {
        x86_v3(g, odd ? VOP_PUNPCKHQDQ : VOP_PUNPCKLQDQ, d, a, b);
        return;
    }
    uint64_t low = bits == 32 ? 0xffffffffu : (1ull << bits) - 1;
    if (odd) {
        x86_vec_shift(g, SHR, op->sz + 1, t, a, bits);
        x86_v3c(g, VOP_PAND, u, b, x86_vec_const(g, op->sz + 1, low << bits));
    } else {
        x86_v3c(g, VOP_PAND, t, a, x86_vec_const(g, op->sz + 1, low));
        x86_vec_shift(g, SHL, op->sz + 1, u, b, bits);
    }
    x86_v3(g, VOP_POR, d, t, u);
}

/* Saturating 0x70 moves indices above 15 to where PSHUFB gives zero. */
static void emit_vtbl(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    (void)op;
    x86_v3c(g, VOP_PADDUSB, o[3].reg, o[2].reg, x86_vec_const(g, MO_8, 0x70));
    x86_v3(g, VOP_PSHUFB, o[0].reg, o[1].reg, o[3].reg);
}

static void emit_vtbl2(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned t = o[4].reg, u = o[5].reg;
    int c70 = x86_vec_const(g, MO_8, 0x70);

    (void)op;
    x86_v3c(g, VOP_PADDUSB, t, o[3].reg, c70);
    x86_v3(g, VOP_PSHUFB, o[0].reg, o[1].reg, t);
    x86_v3c(g, P66(0xf8), u, o[3].reg, x86_vec_const(g, MO_8, 16));
    x86_v3c(g, VOP_PADDUSB, u, u, c70);
    x86_v3(g, VOP_PSHUFB, t, o[2].reg, u);
    x86_v3(g, VOP_POR, o[0].reg, o[0].reg, t);
}

static void emit_vdup_v(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned d = o[0].reg, a = o[1].reg, lane = op->imm;

    if (op->sz == MO_64) {
        x86_v3i(g, VOP_PSHUFD, d, X86_NO_REG, a, lane ? 0xee : 0x44);
    } else if (op->sz == MO_32) {
        x86_v3i(g, VOP_PSHUFD, d, X86_NO_REG, a, lane * 0x55);
    } else if (lane == 0 && x86_has(X86_AVX2)) {
        x86_v3(g, P38(op->sz == MO_8 ? 0x78 : 0x79), d, X86_NO_REG, a);
    } else {
        uint64_t c = op->sz == MO_8 ? dup_const(MO_8, lane)
                                    : dup_const(MO_16, lane * 2 | (lane * 2 + 1) << 8);
        x86_v3c(g, VOP_PSHUFB, d, a, x86_const128(g, c, c));
    }
}

static void emit_vdup_i(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    static const X86VOp broadcast[] = { P38E(0x7a), P38E(0x7b), P38E(0x7c), P38EW(0x7c) };
    unsigned d = o[0].reg;

    if (x86_has(X86_AVX512)) {
        x86_v_gpr(g, broadcast[op->sz], d, X86_NO_REG, o[1].reg, -1);
        return;
    }
    x86_v_gpr(g, op->sz == MO_64 ? VOP_MOVQ_R : VOP_MOVD_R, d, X86_NO_REG, o[1].reg, -1);
    X86Operand moved[2] = { o[0], o[0] };
    TCGOp dup = { .sz = op->sz, .imm = 0 };
    emit_vdup_v(g, &dup, moved);
}

static void emit_vins_i(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    static const X86VOp pinsr[] = { VOP(VPP_66, VMAP_0F3A, 0x20, 0), P66(0xc4),
                                    VOP(VPP_66, VMAP_0F3A, 0x22, 0),
                                    VOP(VPP_66, VMAP_0F3A, 0x22, VOP_W) };

    x86_v_gpr(g, pinsr[op->sz], o[0].reg, o[1].reg, o[2].reg, op->imm);
}

static void emit_v_to_i(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    static const X86VOp pextr[] = { VOP(VPP_66, VMAP_0F3A, 0x14, 0),
                                    VOP(VPP_66, VMAP_0F3A, 0x15, 0),
                                    VOP(VPP_66, VMAP_0F3A, 0x16, 0),
                                    VOP(VPP_66, VMAP_0F3A, 0x16, VOP_W) };

    if (op->imm == 0 && op->sz >= MO_32) {
        x86_v_gpr(g, op->sz == MO_64 ? VOP_MOVQ_TO : VOP_MOVD_TO, o[1].reg, X86_NO_REG, o[0].reg,
                  -1);
    } else {
        x86_v_gpr(g, pextr[op->sz], o[1].reg, X86_NO_REG, o[0].reg, op->imm);
    }
}

/* One lane of b into a: words by INSERTPS, doublewords by unpack or blend, less by a shuffle and a
 * mask. */
static void emit_vins_v(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned to = op->imm & 15, from = op->imm >> 4, d = o[0].reg, a = o[1].reg, b = o[2].reg,
             t = o[3].reg;

    if (op->sz == MO_64) {
        if (to == 1) {
            if (from == 0) {
                x86_v3(g, VOP_PUNPCKLQDQ, d, a, b);
            } else { /* SHUFPD */
                x86_v3i(g, VOP(VPP_66, VMAP_0F, 0xc6, VOP_EW), d, a, b, 2);
            }
        } else { /* low from b, high from a */
            x86_v3i(g, VOP(VPP_66, VMAP_0F, 0xc6, VOP_EW), d, b, a, 2 | from);
        }
        return;
    }
    if (op->sz == MO_32) { /* INSERTPS */
        x86_v3i(g, VOP(VPP_66, VMAP_0F3A, 0x21, 0), d, a, b, from << 6 | to << 4);
        return;
    }
    unsigned unit = 1u << op->sz;
    uint64_t sel[2] = { ~0ull, ~0ull }, keep[2] = { ~0ull, ~0ull };
    for (unsigned n = 0; n < unit; n++) {
        unsigned at = to * unit + n, shift = at % 8 * 8;
        sel[at / 8] ^= (uint64_t)(0xff ^ (from * unit + n)) << shift;
        keep[at / 8] &= ~(0xffull << shift);
    }
    x86_v3c(g, VOP_PSHUFB, t, b, x86_const128(g, sel[0], sel[1]));
    x86_v3c(g, VOP_PAND, d, a, x86_const128(g, keep[0], keep[1]));
    x86_v3(g, VOP_POR, d, d, t);
}

static void vzext(X86Gen *g, unsigned sz, unsigned d, unsigned a)
{
    if (sz == MO_64) {
        x86_v3(g, VOP_MOVQ, d, X86_NO_REG, a);
    } else if (sz == MO_32) { /* INSERTPS lane 0, lanes 1..3 zeroed */
        x86_v3i(g, VOP(VPP_66, VMAP_0F3A, 0x21, 0), d, a, a, 0x0e);
    } else {
        x86_v3c(g, VOP_PAND, d, a, x86_const128(g, sz == MO_8 ? 0xff : 0xffff, 0));
    }
}

static void emit_vzext(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    vzext(g, op->sz, o[0].reg, o[1].reg);
}

static void emit_v_from_i(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    x86_v_gpr(g, op->sz == MO_64 ? VOP_MOVQ_R : VOP_MOVD_R, o[0].reg, X86_NO_REG, o[1].reg, -1);
    if (op->sz < MO_32) {
        vzext(g, op->sz, o[0].reg, o[0].reg);
    }
}

static void emit_vmov(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    (void)op;
    x86_v3o(g, VOP_MOVAPS, o[0].reg, X86_NO_REG, &o[1]);
}

/* ---- widening and narrowing
 * ------------------------------------------------------------------------------------------ */

static void emit_vext_high(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned low = op->opc == TCG_OP_vsxh ? TCG_OP_vsxl : TCG_OP_vuxl;

    x86_v3i(g, VOP_PSHUFD, o[2].reg, X86_NO_REG, o[1].reg, 0xee);
    x86_v3(g, simple_table[low][op->sz], o[0].reg, X86_NO_REG, o[2].reg);
}

/* VPMOV*: the destination is modrm.rm */
static void emit_narrow_evex(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned base = op->opc == TCG_OP_vxtn ? 0x30 : op->opc == TCG_OP_vsqxtn ? 0x20 : 0x10;
    static const uint8_t size_code[] = { 0, 3, 5 };

    x86_v3k(g, VOP(VPP_F3, VMAP_0F38, base + size_code[op->sz], VOP_EVEX), o[1].reg, X86_NO_REG,
            o[0].reg, 0, false, -1);
}

static void emit_vxtn(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned d = o[0].reg, a = o[1].reg, t = o[2].reg, u = o[3].reg;

    if (x86_has(X86_AVX512)) {
        emit_narrow_evex(g, op, o);
    } else if (op->sz == MO_32) {
        x86_v3i(g, VOP_PSHUFD, d, X86_NO_REG, a, 0x08);
        x86_v3(g, VOP_MOVQ, d, X86_NO_REG, d);
    } else {
        int mask = x86_vec_const(g, op->sz + 1, op->sz == MO_8 ? 0xff : 0xffff);
        x86_v3c(g, VOP_PAND, t, a, mask);
        zero(g, u);
        x86_v3(g, op->sz == MO_8 ? VOP_PACKUSWB : VOP_PACKUSDW, d, t, u);
    }
}

static void pack_zero(X86Gen *g, X86VOp pack, const X86Operand *o)
{
    zero(g, o[2].reg);
    x86_v3(g, pack, o[3].reg, o[1].reg, o[2].reg);
    x86_vmov(g, o[0].reg, o[3].reg);
}

static void emit_vsqxtn(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    if (x86_has(X86_AVX512)) {
        emit_narrow_evex(g, op, o);
    } else {
        pack_zero(g, op->sz == MO_8 ? VOP_PACKSSWB : VOP_PACKSSDW, o);
    }
}

static void emit_vmull(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    bool sign = op->opc == TCG_OP_vsmull || op->opc == TCG_OP_vsmull2;
    bool high = op->opc == TCG_OP_vsmull2 || op->opc == TCG_OP_vumull2;
    unsigned d = o[0].reg, a = o[1].reg, b = o[2].reg, t = o[3].reg, u = o[4].reg;

    if (op->sz == MO_32) {
        x86_v3i(g, VOP_PSHUFD, t, X86_NO_REG, a, high ? 0xfa : 0x50);
        x86_v3i(g, VOP_PSHUFD, u, X86_NO_REG, b, high ? 0xfa : 0x50);
        x86_v3(g, sign ? VOP(VPP_66, VMAP_0F38, 0x28, VOP_EW) : P66W(0xf4), d, t, u);
    } else if (op->sz == MO_16) {
        x86_v3(g, VOP_PMULLW, t, a, b);
        x86_v3(g, P66(sign ? 0xe5 : 0xe4), u, a, b);
        x86_v3(g, P66(high ? 0x69 : 0x61), d, t, u);
    } else {
        X86VOp widen = simple_table[sign ? TCG_OP_vsxl : TCG_OP_vuxl][MO_8];
        if (high) {
            x86_v3i(g, VOP_PSHUFD, t, X86_NO_REG, a, 0xee);
            x86_v3i(g, VOP_PSHUFD, u, X86_NO_REG, b, 0xee);
        }
        x86_v3(g, widen, t, X86_NO_REG, high ? t : a);
        x86_v3(g, widen, u, X86_NO_REG, high ? u : b);
        x86_v3(g, VOP_PMULLW, d, t, u);
    }
}

/* Across lanes: halve, combine, until one is left. */
static void emit_reduce(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned combine = op->opc == TCG_OP_vaddv    ? TCG_OP_vadd
                       : op->opc == TCG_OP_vsmaxv ? TCG_OP_vsmax
                       : op->opc == TCG_OP_vsminv ? TCG_OP_vsmin
                       : op->opc == TCG_OP_vumaxv ? TCG_OP_vumax
                                                  : TCG_OP_vumin;
    unsigned d = o[0].reg, x = o[2].reg, t = o[3].reg, from = o[1].reg;

    if (op->opc == TCG_OP_vaddv && op->sz == MO_8) {
        zero(g, t);
        x86_v3(g, VOP_PSADBW, x, from, t);
        x86_v3i(g, VOP_PSHUFD, t, X86_NO_REG, x, 0xee);
        x86_v3(g, simple_table[TCG_OP_vadd][MO_64], x, x, t);
        vzext(g, MO_8, d, x);
        return;
    }
    for (unsigned width = 8; width >= 1u << op->sz; width /= 2) {
        if (width >= 4) {
            x86_v3i(g, VOP_PSHUFD, t, X86_NO_REG, from, width == 8 ? 0xee : 0x55);
        } else {
            x86_vshift(g, P66W(0x73), SHR, t, from, width * 8);
        }
        x86_v3(g, simple_table[combine][op->sz], x, from, t);
        from = x;
    }
    vzext(g, op->sz, d, x);
}

/* ---- bit counting
 * --------------------------------------------------------------------------------------------------------
 */

static void emit_vcnt(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned d = o[0].reg, a = o[1].reg, t = o[2].reg, u = o[3].reg, table = o[4].reg;

    (void)op;
    if (x86_has(X86_AVX512BITALG)) {
        x86_v3(g, P38E(0x54), d, X86_NO_REG, a);
        return;
    }
    int nibble = x86_vec_const(g, MO_8, 15);
    x86_v3c(g, VOP_MOVDQA, table, X86_NO_REG,
            x86_const128(g, 0x0302020102010100ull, 0x0403030203020201ull));
    x86_v3c(g, VOP_PAND, t, a, nibble);
    x86_v3(g, VOP_PSHUFB, u, table, t);
    x86_vshift(g, P66(0x71), SHR, t, a, 4);
    x86_v3c(g, VOP_PAND, t, t, nibble);
    x86_v3(g, VOP_PSHUFB, table, table, t);
    x86_v3(g, P66(0xfc), d, u, table);
}

static void emit_vrbit(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    (void)op;
    x86_v3c(g, VOP_MOVDQA, o[2].reg, X86_NO_REG, x86_vec_const(g, MO_64, 0x8040201008040201ull));
    x86_v3i(g, VOP(VPP_66, VMAP_0F3A, 0xce, VOP_W), o[0].reg, o[1].reg, o[2].reg, 0);
}

static void emit_vpmull64(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    x86_v3i(g, VOP(VPP_66, VMAP_0F3A, 0x44, 0), o[0].reg, o[1].reg, o[2].reg,
            op->opc == TCG_OP_vpmull2 ? 0x11 : 0);
}

/* ---- the rules
 * --------------------------------------------------------------------------------------------------------------
 */

/* Which element sizes a rule holds for is asked at each op: x86_rule_applies. */
static uint8_t rule_sizes[TCG_OP_COUNT];

bool x86_vec_rule_applies(const TCGOp *op)
{
    return !rule_sizes[op->opc] || rule_sizes[op->opc] >> op->sz & 1;
}

enum { S8 = 1, S16 = 2, S32 = 4, S64 = 8, S_ALL = 15, S_NOT64 = 7, S_NOT8 = 14 };

static void rule(unsigned opc, unsigned sizes, X86EmitFn *emit, unsigned vscratch, unsigned flags)
{
    if (!x86_has(X86_AVX)) {
        flags = (flags & ~(X86R_MEM_LAST | X86R_COMM)) | X86R_EARLY;
    }
    x86_rules[opc] = (X86OpRule){ .emit = emit, .flags = flags, .vscratch = vscratch };
    rule_sizes[opc] = sizes;
}

void x86_vec_rule(unsigned opc, unsigned sizes, X86EmitFn *emit, unsigned vscratch)
{
    rule(opc, sizes, emit, vscratch, 0);
}

static void simple_rules(const SimpleOp *table, size_t n, X86EmitFn *emit)
{
    for (; n--; table++) {
        unsigned sizes = 0;
        for (unsigned sz = 0; sz < 4; sz++) {
            simple_table[table->opc][sz] = table->insn[sz];
            sizes |= usable(table->insn[sz]) << sz;
        }
        rule(table->opc, sizes, emit, 0,
             X86R_MEM_LAST | (tcg_op_defs[table->opc].flags & TCG_OPF_COMM ? X86R_COMM : 0));
    }
}

void x86_vec_rules_init(void)
{
    bool avx512 = x86_has(X86_AVX512);

    simple_rules(simple_ops, G_N_ELEMENTS(simple_ops), emit_binary);
    simple_rules(simple_unary, G_N_ELEMENTS(simple_unary), emit_unary);
    rule(TCG_OP_vandc, 0, emit_vandc, 0, 0);
    rule(TCG_OP_vnot, 0, emit_vnot, 1, 0);
    rule(TCG_OP_vorc, 0, emit_vorc, 1, 0);
    rule(TCG_OP_vbsl, 0, emit_vbsl, 1, 0);
    rule(TCG_OP_vneg, S_ALL, emit_vneg, 1, 0);
    rule(TCG_OP_vsabd, avx512 ? S_ALL : S_NOT64, emit_vabd, 2, 0);
    rule(TCG_OP_vuabd, avx512 ? S_ALL : S_NOT64, emit_vabd, 2, 0);
    rule(TCG_OP_vcmp, S_ALL, emit_vcmp, avx512 ? 0 : 2, 0);
    rule(TCG_OP_vshli, S_ALL, emit_vshift_imm, 1, 0);
    rule(TCG_OP_vshri, S_ALL, emit_vshift_imm, 1, 0);
    rule(TCG_OP_vsari, S_ALL, emit_vshift_imm, 1, 0);
    rule(TCG_OP_vrshri, S_ALL, emit_vrshift_imm, 2, 0);
    rule(TCG_OP_vrsari, S_ALL, emit_vrshift_imm, 2, 0);
    rule(TCG_OP_vext, 0, emit_vext, 0, 0);
    rule(TCG_OP_vrev, S_ALL, emit_vrev, 0, 0);
    rule(TCG_OP_vuzp1, S_ALL, emit_vuzp, 2, 0);
    rule(TCG_OP_vuzp2, S_ALL, emit_vuzp, 2, 0);
    rule(TCG_OP_vtrn1, S_ALL, emit_vtrn, 2, 0);
    rule(TCG_OP_vtrn2, S_ALL, emit_vtrn, 2, 0);
    rule(TCG_OP_vtbl, 0, emit_vtbl, 1, 0);
    rule(TCG_OP_vtbl2, 0, emit_vtbl2, 2, X86R_EARLY);
    rule(TCG_OP_vdup_v, S_ALL, emit_vdup_v, 0, 0);
    rule(TCG_OP_vdup_i, S_ALL, emit_vdup_i, 0, 0);
    rule(TCG_OP_vins_i, S_ALL, emit_vins_i, 0, 0);
    rule(TCG_OP_vins_v, S_ALL, emit_vins_v, 1, 0);
    rule(TCG_OP_v_to_i, S_ALL, emit_v_to_i, 0, 0);
    rule(TCG_OP_v_from_i, S_ALL, emit_v_from_i, 0, 0);
    rule(TCG_OP_vzext, S_ALL, emit_vzext, 0, 0);
    rule(TCG_OP_vmov, 0, emit_vmov, 0, X86R_MEM_LAST);
    rule(TCG_OP_fmov, 0, emit_vmov, 0, 0);
    rule(TCG_OP_vsxh, S_NOT64, emit_vext_high, 1, 0);
    rule(TCG_OP_vuxh, S_NOT64, emit_vext_high, 1, 0);
    rule(TCG_OP_vxtn, S_NOT64, emit_vxtn, 2, 0);
    rule(TCG_OP_vsqxtn, avx512 ? S_NOT64 : S8 | S16, emit_vsqxtn, 2, 0);
    if (avx512) {
        rule(TCG_OP_vuqxtn, S_NOT64, emit_narrow_evex, 0, 0);
    }
    rule(TCG_OP_vsmull, S_NOT64, emit_vmull, 2, 0);
    rule(TCG_OP_vumull, S_NOT64, emit_vmull, 2, 0);
    rule(TCG_OP_vsmull2, S_NOT64, emit_vmull, 2, 0);
    rule(TCG_OP_vumull2, S_NOT64, emit_vmull, 2, 0);
    rule(TCG_OP_vaddv, S_NOT64, emit_reduce, 2, 0);
    for (unsigned opc = TCG_OP_vsmaxv; opc <= TCG_OP_vuminv; opc++) {
        rule(opc, S_NOT64, emit_reduce, 2, 0);
    }
    rule(TCG_OP_vcnt, S8, emit_vcnt, 3, 0);
    if (x86_has(X86_GFNI | X86_AVX)) {
        rule(TCG_OP_vrbit, 0, emit_vrbit, 1, 0);
    }
    if (x86_has(X86_PCLMUL)) {
        rule(TCG_OP_vpmull, S64, emit_vpmull64, 0, 0);
        rule(TCG_OP_vpmull2, S64, emit_vpmull64, 0, 0);
    }
}
