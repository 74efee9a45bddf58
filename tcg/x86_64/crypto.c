/* SPDX-License-Identifier: MIT */
/*
 * AES and SHA steps by the host's instructions. The host adds the round key last, the guest first,
 * and the host's last-round forms have no MixColumns; SHA's state is arranged differently (SDM
 * volume 2, SHA256RNDS2: {A B E F}, {C D G H}).
 */
#include "asm-vec.h"

enum {
    VOP_AESIMC = VOP(VPP_66, VMAP_0F38, 0xdb, VOP_NO_EVEX),
    VOP_AESENC = VOP(VPP_66, VMAP_0F38, 0xdc, VOP_NO_EVEX),
    VOP_AESENCLAST = VOP(VPP_66, VMAP_0F38, 0xdd, VOP_NO_EVEX),
    VOP_AESDEC = VOP(VPP_66, VMAP_0F38, 0xde, VOP_NO_EVEX),
    VOP_AESDECLAST = VOP(VPP_66, VMAP_0F38, 0xdf, VOP_NO_EVEX),
    VOP_SHA1RNDS4 = VOP(VPP_NONE, VMAP_0F3A, 0xcc, VOP_LEGACY),
    VOP_SHA256RNDS2 = VOP(VPP_NONE, VMAP_0F38, 0xcb, VOP_LEGACY), /* third operand: XMM0 */
    VOP_SHA256MSG1 = VOP(VPP_NONE, VMAP_0F38, 0xcc, VOP_LEGACY),
    VOP_SHA256MSG2 = VOP(VPP_NONE, VMAP_0F38, 0xcd, VOP_LEGACY),
    VOP_PADDD = VOP(VPP_66, VMAP_0F, 0xfe, 0),
    VOP_PSUBD = VOP(VPP_66, VMAP_0F, 0xfa, 0),
    VOP_SHIFT_D = VOP(VPP_66, VMAP_0F, 0x72, 0), /* ext 6: left, 2: right */
    REVERSE = 0x1b,                              /* PSHUFD: the four words the other way round */
};

/*
 * o: d, a, b, then two scratch registers. With g->mix the next op, MixColumns or its inverse, is
 * done as well: the host's full round.
 */
static void emit_aes_round(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    static const X86VOp rounds[2][2] = { { VOP_AESENCLAST, VOP_AESENC },
                                         { VOP_AESDECLAST, VOP_AESDEC } };
    unsigned t = o[3].reg, zero = o[4].reg;

    x86_v3(g, VOP_PXOR, t, o[1].reg, o[2].reg);
    x86_v3(g, VOP_PXOR, zero, zero, zero);
    x86_v3(g, rounds[op->opc == TCG_OP_aesd][g->mix], t, t, zero);
    x86_vmov(g, o[0].reg, t);
}

/* MixColumns alone: undo the substitution and the shift of rows, then a whole round with key zero.
 */
static void emit_aesmc(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned t = o[2].reg, zero = o[3].reg;

    (void)op;
    x86_v3(g, VOP_PXOR, zero, zero, zero);
    x86_v3(g, VOP_AESDECLAST, t, o[1].reg, zero);
    x86_v3(g, VOP_AESENC, t, t, zero);
    x86_vmov(g, o[0].reg, t);
}

static void emit_aesimc(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    (void)op;
    x86_v3(g, VOP_AESIMC, o[0].reg, X86_NO_REG, o[1].reg);
}

/* ---- SHA: a, b, c are o[1..3] -----------------------------------------------------------------
 */

/* d = a rotated left by n; t is free and not a. */
static void rotate_words(X86Gen *g, unsigned d, unsigned a, unsigned n, unsigned t)
{
    x86_vshift(g, VOP_SHIFT_D, 2, t, a, 32 - n);
    x86_vshift(g, VOP_SHIFT_D, 6, d, a, n);
    x86_v3(g, VOP_POR, d, d, t);
}

/* The host adds the round constant, which the guest has in c already, and has A and W0 on top. */
static void emit_sha1_rounds(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    static const uint32_t constant[] = { 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc };
    unsigned function = op->opc - TCG_OP_sha1c, state = o[4].reg, w = o[5].reg, e = o[6].reg;
    uint64_t k = constant[function] * 0x100000001ull;

    x86_v3i(g, VOP_PSHUFD, w, X86_NO_REG, o[3].reg, REVERSE);
    x86_v3c(g, VOP_PSUBD, w, w, x86_const128(g, k, k));
    x86_vshift(g, VOP_PSLLDQ, 7, e, o[2].reg, 12);
    x86_v3(g, VOP_PADDD, w, w, e);
    x86_v3i(g, VOP_PSHUFD, state, X86_NO_REG, o[1].reg, REVERSE);
    x86_v3i(g, VOP_SHA1RNDS4, state, state, w, function);
    x86_v3i(g, VOP_PSHUFD, o[0].reg, X86_NO_REG, state, REVERSE);
}

/* (b:a >> 64) ^ a ^ c */
static void emit_sha1su0(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned t = o[4].reg;

    (void)op;
    x86_v3i(g, VOP_PALIGNR, t, o[2].reg, o[1].reg, 8);
    x86_v3(g, VOP_PXOR, t, t, o[1].reg);
    x86_v3(g, VOP_PXOR, t, t, o[3].reg);
    x86_vmov(g, o[0].reg, t);
}

/* t = a ^ (b >> 32); words rotated by 1, and into the last one t's first rotated by 2. */
static void emit_sha1su1(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned t = o[3].reg, u = o[4].reg, v = o[5].reg;

    (void)op;
    x86_vshift(g, VOP_PSLLDQ, 3, t, o[2].reg, 4);
    x86_v3(g, VOP_PXOR, t, t, o[1].reg);
    rotate_words(g, u, t, 1, v);
    x86_vshift(g, VOP_PSLLDQ, 7, v, u, 12);
    rotate_words(g, t, v, 1, o[6].reg);
    x86_v3(g, VOP_PXOR, o[0].reg, u, t);
}

/*
 * Four rounds. The host's halves of the state are ABEF and CDGH, A on top; after two rounds CDGH is
 * what ABEF was. SHUFPS selectors: LOW makes {f, e, b, a} of {e, f, ..}, {a, b, ..}; HIGH the rest.
 */
static void emit_sha256_rounds(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    enum { LOW = 0x11, HIGH = 0xbb };
    bool second = op->opc == TCG_OP_sha256h2;
    unsigned abcd = o[second ? 2 : 1].reg, efgh = o[second ? 1 : 2].reg;
    unsigned abef = o[4].reg, cdgh = o[5].reg, keep = o[6].reg, wk = o[7].reg;

    x86_v3i(g, VOP_SHUFPS, abef, efgh, abcd, LOW);
    x86_v3i(g, VOP_SHUFPS, cdgh, efgh, abcd, HIGH);
    x86_vmov(g, wk, o[3].reg);
    x86_vmov(g, keep, 0); /* XMM0 is the implicit operand, and may be somebody's */
    if (abef == 0) {
        abef = keep;
    } else if (cdgh == 0) {
        cdgh = keep;
    }
    x86_vmov(g, 0, wk);
    x86_v3(g, VOP_SHA256RNDS2, cdgh, cdgh, abef); /* now the new ABEF; abef the new CDGH */
    x86_v3i(g, VOP_PSHUFD, 0, X86_NO_REG, 0, 0xee);
    x86_v3(g, VOP_SHA256RNDS2, abef, abef, cdgh);
    if (abef != keep && cdgh != keep) {
        x86_vmov(g, 0, keep);
    }
    x86_v3i(g, VOP_SHUFPS, o[0].reg, abef, cdgh, second ? LOW : HIGH);
}

static void emit_sha256su0(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned t = o[3].reg;

    (void)op;
    x86_vmov(g, t, o[1].reg);
    x86_v3(g, VOP_SHA256MSG1, t, t, o[2].reg);
    x86_vmov(g, o[0].reg, t);
}

static void emit_sha256su1(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned t = o[4].reg;

    (void)op;
    x86_v3i(g, VOP_PALIGNR, t, o[3].reg, o[2].reg, 4);
    x86_v3(g, VOP_PADDD, t, t, o[1].reg);
    x86_v3(g, VOP_SHA256MSG2, t, t, o[3].reg);
    x86_vmov(g, o[0].reg, t);
}

static void sha_rule(unsigned opc, X86EmitFn *emit, unsigned vscratch)
{
    x86_rules[opc] = (X86OpRule){ .emit = emit, .vscratch = (uint8_t)vscratch };
    if (!x86_has(X86_AVX)) {
        x86_rules[opc].flags = X86R_EARLY;
    }
}

void x86_crypto_rules_init(void)
{
    unsigned early = x86_has(X86_AVX) ? 0 : X86R_EARLY;

    if (x86_has(X86_AES)) {
        x86_rules[TCG_OP_aese] =
            (X86OpRule){ .emit = emit_aes_round, .flags = early, .vscratch = 2 };
        x86_rules[TCG_OP_aesd] =
            (X86OpRule){ .emit = emit_aes_round, .flags = early, .vscratch = 2 };
        x86_rules[TCG_OP_aesmc] = (X86OpRule){ .emit = emit_aesmc, .flags = early, .vscratch = 2 };
        x86_rules[TCG_OP_aesimc] =
            (X86OpRule){ .emit = emit_aesimc, .flags = early, .vscratch = 0 };
    }
    sha_rule(TCG_OP_sha1su0, emit_sha1su0, 1);
    sha_rule(TCG_OP_sha1su1, emit_sha1su1, 4);
    if (x86_has(X86_SHA)) {
        for (unsigned opc = TCG_OP_sha1c; opc <= TCG_OP_sha1m; opc++) {
            sha_rule(opc, emit_sha1_rounds, 3);
        }
        sha_rule(TCG_OP_sha256h, emit_sha256_rounds, 4);
        sha_rule(TCG_OP_sha256h2, emit_sha256_rounds, 4);
        sha_rule(TCG_OP_sha256su0, emit_sha256su0, 1);
        sha_rule(TCG_OP_sha256su1, emit_sha256su1, 1);
    }
}
