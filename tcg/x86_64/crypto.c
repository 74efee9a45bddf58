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
    VOP_AESDECLAST = VOP(VPP_66, VMAP_0F38, 0xdf, VOP_NO_EVEX),
};

/* o: d, a, b, then two scratch registers */
static void emit_aes_round(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned t = o[3].reg, zero = o[4].reg;

    x86_v3(g, VOP_PXOR, t, o[1].reg, o[2].reg);
    x86_v3(g, VOP_PXOR, zero, zero, zero);
    x86_v3(g, op->opc == TCG_OP_aese ? VOP_AESENCLAST : VOP_AESDECLAST, t, t, zero);
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
}
