/* SPDX-License-Identifier: MIT */
/*
 * Vector instructions of the host: one description word each, one encoder that picks legacy SSE,
 * VEX or EVEX by the host's features and the registers' numbers. Source: Intel SDM volume 2,
 * chapter 2.
 *
 * Some registers belong to the encoder: with X86_AVX512 X86_VTMP0 and X86_VTMP1, through which
 * operands above 15 of instructions without an EVEX form go; without it X86_VTMP_SSE, for a
 * destination that is the second source of a two-operand instruction.
 */
#ifndef TCG_X86_64_ASM_VEC_H
#define TCG_X86_64_ASM_VEC_H

#include "tcg/x86_64/gen.h"

typedef uint32_t X86VOp;

enum {
    VPP_NONE = 0,
    VPP_66 = 1,
    VPP_F3 = 2,
    VPP_F2 = 3,
    VMAP_0F = 1,
    VMAP_0F38 = 2,
    VMAP_0F3A = 3,
    VOP_VW = 1 << 16,        /* VEX.W = 1 */
    VOP_EW = 1 << 17,        /* EVEX.W = 1 */
    VOP_W = VOP_VW | VOP_EW, /* both; REX.W in the legacy form */
    VOP_NO_EVEX = 1 << 18,
    VOP_EVEX = 1 << 19,   /* EVEX form only */
    VOP_LEGACY = 1 << 20, /* legacy form only (SHA) */
    VOP_K_ONE = 1 << 22,  /* EVEX: lane 0 only, the others become zero */
    VOP_RN_SAE =
        1 << 21, /* EVEX: rounds to nearest whatever MXCSR says, raises nothing (scalars) */
};
#define VOP(pp, map, op, flags) ((X86VOp)((op) | (map) << 8 | (pp) << 12 | (flags)))

enum { X86_VTMP0 = 14, X86_VTMP1 = 15, X86_VTMP_SSE = 7, X86_K1 = 1 };
/* X86_K_ONE (gen.h) always holds 1 where there is AVX-512; the prologue and its thunks see to it.
 */

/* dst = op(a, b); a = X86_NO_REG for two-operand instructions. Legacy form: copies a to dst first,
 * so dst must not be b unless it is a too (X86R_EARLY). */
void x86_v3(X86Gen *g, X86VOp op, unsigned dst, unsigned a, unsigned b);
void x86_v3i(X86Gen *g, X86VOp op, unsigned dst, unsigned a, unsigned b, unsigned imm);
/* b may be X86_MEM */
void x86_v3o(X86Gen *g, X86VOp op, unsigned dst, unsigned a, const X86Operand *b);
void x86_v3oi(X86Gen *g, X86VOp op, unsigned dst, unsigned a, const X86Operand *b, unsigned imm);
/* b is constant id (x86_const128) */
void x86_v3c(X86Gen *g, X86VOp op, unsigned dst, unsigned a, int id);
void x86_v3ci(X86Gen *g, X86VOp op, unsigned dst, unsigned a, int id, unsigned imm);
/* Shift by immediate, group opcodes 71 72 73: ext is modrm.reg. */
void x86_vshift(X86Gen *g, X86VOp op, unsigned ext, unsigned dst, unsigned a, unsigned imm);
/* EVEX with mask register k as destination, or as (zeroing, z) write mask. */
void x86_v3k(X86Gen *g, X86VOp op, unsigned dst, unsigned a, unsigned b, unsigned k, bool z,
             int imm);
/* EVEX comparison of a with constant id into mask register k */
void x86_v3kc(X86Gen *g, X86VOp op, unsigned k, unsigned a, int id, int imm);
/* An instruction between a general register (as modrm.rm) and a vector register (modrm.reg). */
void x86_v_gpr(X86Gen *g, X86VOp op, unsigned vec, unsigned a, unsigned gpr, int imm);
/* kortestb k1, k1 */
void x86_kortestb(X86Gen *g, unsigned k);

/* Moves between registers, no flags; nothing if equal. */
void x86_vmov(X86Gen *g, unsigned dst, unsigned src);

enum {
    VOP_MOVAPS = VOP(VPP_NONE, VMAP_0F, 0x28, 0),
    VOP_MOVDQA = VOP(VPP_66, VMAP_0F, 0x6f, 0), /* as vmovdqa32 with EVEX */
    VOP_MOVQ = VOP(VPP_F3, VMAP_0F, 0x7e, VOP_EW),
    VOP_MOVD_R = VOP(VPP_66, VMAP_0F, 0x6e, 0),      /* xmm <- r32 */
    VOP_MOVQ_R = VOP(VPP_66, VMAP_0F, 0x6e, VOP_W),  /* xmm <- r64 */
    VOP_MOVD_TO = VOP(VPP_66, VMAP_0F, 0x7e, 0),     /* r32 <- xmm */
    VOP_MOVQ_TO = VOP(VPP_66, VMAP_0F, 0x7e, VOP_W), /* r64 <- xmm */
    VOP_PAND = VOP(VPP_66, VMAP_0F, 0xdb, 0),
    VOP_PANDN = VOP(VPP_66, VMAP_0F, 0xdf, 0),
    VOP_POR = VOP(VPP_66, VMAP_0F, 0xeb, 0),
    VOP_PXOR = VOP(VPP_66, VMAP_0F, 0xef, 0),
    VOP_PTERNLOG = VOP(VPP_66, VMAP_0F3A, 0x25, VOP_EVEX),
    VOP_PSHUFB = VOP(VPP_66, VMAP_0F38, 0x00, 0),
    VOP_PSHUFD = VOP(VPP_66, VMAP_0F, 0x70, 0),
    VOP_PALIGNR = VOP(VPP_66, VMAP_0F3A, 0x0f, 0),
    VOP_SHUFPS = VOP(VPP_NONE, VMAP_0F, 0xc6, 0),
    VOP_PTEST = VOP(VPP_66, VMAP_0F38, 0x17, VOP_NO_EVEX),
    VOP_PADDUSB = VOP(VPP_66, VMAP_0F, 0xdc, 0),
    VOP_PSUBUSB = VOP(VPP_66, VMAP_0F, 0xd8, 0),
    VOP_PSUBUSW = VOP(VPP_66, VMAP_0F, 0xd9, 0),
    VOP_PSADBW = VOP(VPP_66, VMAP_0F, 0xf6, 0),
    VOP_PACKUSWB = VOP(VPP_66, VMAP_0F, 0x67, 0),
    VOP_PACKUSDW = VOP(VPP_66, VMAP_0F38, 0x2b, 0),
    VOP_PACKSSWB = VOP(VPP_66, VMAP_0F, 0x63, 0),
    VOP_PACKSSDW = VOP(VPP_66, VMAP_0F, 0x6b, 0),
    VOP_PUNPCKLQDQ = VOP(VPP_66, VMAP_0F, 0x6c, VOP_EW),
    VOP_PUNPCKHQDQ = VOP(VPP_66, VMAP_0F, 0x6d, VOP_EW),
    VOP_PSLLDQ = VOP(VPP_66, VMAP_0F, 0x73, 0), /* ext 7; ext 3: PSRLDQ */
    VOP_PMULHW = VOP(VPP_66, VMAP_0F, 0xe5, 0),
    VOP_PMULHRSW = VOP(VPP_66, VMAP_0F38, 0x0b, 0),
    VOP_PMULUDQ = VOP(VPP_66, VMAP_0F, 0xf4, VOP_EW),
    VOP_PMADDWD = VOP(VPP_66, VMAP_0F, 0xf5, 0),
    VOP_PADDQ = VOP(VPP_66, VMAP_0F, 0xd4, VOP_EW),
    VOP_PMINUB = VOP(VPP_66, VMAP_0F, 0xda, 0),
    VOP_PMINUW = VOP(VPP_66, VMAP_0F38, 0x3a, 0),
    VOP_PMINUD = VOP(VPP_66, VMAP_0F38, 0x3b, 0),
    VOP_PMULLW = VOP(VPP_66, VMAP_0F, 0xd5, 0),
    VOP_UCOMISS = VOP(VPP_NONE, VMAP_0F, 0x2e, 0),
    VOP_UCOMISD = VOP(VPP_66, VMAP_0F, 0x2e, VOP_EW),
};

#endif
