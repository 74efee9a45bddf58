/* SPDX-License-Identifier: MIT */
/*
 * Encodings of general-register instructions. Source: Intel SDM volume 2. An instruction is an X_*
 * word: opcode byte, map, mandatory prefix and widths; the functions add REX or VEX, ModRM, SIB.
 */
#ifndef TCG_X86_64_ASM_H
#define TCG_X86_64_ASM_H

#include "tcg/x86_64/asm-vec.h"
#include "tcg/x86_64/gen.h"

enum {
    X_0F = 0x100,
    X_0F38 = 0x200,
    X_0F3A = 0x300,
    X_66 = 0x400,
    X_F3 = 0x800,
    X_F2 = 0xc00,
    X_W = 0x1000,
    X_RB = 0x2000, /* the reg field is a byte register */
    X_MB = 0x4000, /* the r/m field is a byte register */
    X_GS = 0x8000, /* guest_base is in GS */
    X_LOCK = 0x10000,
};
static inline unsigned x_w(int sz)
{
    return sz == MO_64 ? X_W : 0;
}

/* Opcodes as `reg, r/m` unless the name says otherwise. */
enum {
    X_MOV_LOAD = 0x8b,
    X_MOV_STORE = 0x89,
    X_MOV_STORE8 = 0x88 | X_RB,
    X_MOV_STORE16 = 0x89 | X_66,
    X_MOV_IMM = 0xc7, /* /0 */
    X_MOV_IMM8 = 0xc6,
    X_MOVZX8 = 0xb6 | X_0F,
    X_MOVZX16 = 0xb7 | X_0F,
    X_MOVSX8 = 0xbe | X_0F,
    X_MOVSX16 = 0xbf | X_0F,
    X_MOVSXD = 0x63 | X_W,
    X_LEA = 0x8d,
    X_TEST = 0x85,
    X_TEST8 = 0x84 | X_RB | X_MB,
    X_GRP3 = 0xf7, /* /0 test imm, /2 not, /3 neg, /4 mul, /5 imul, /6 div, /7 idiv */
    X_GRP3_8 = 0xf6,
    X_GRP5 = 0xff, /* /2 call, /4 jmp, /6 push */
    X_XCHG = 0x87,
    X_IMUL = 0xaf | X_0F,
    X_IMUL_I8 = 0x6b,
    X_IMUL_I32 = 0x69,
    X_SHIFT_1 = 0xd1, /* /n: X_SHL … */
    X_SHIFT_I = 0xc1,
    X_SHIFT_CL = 0xd3,
    X_SHRD_I = 0xac | X_0F, /* r/m:reg >> imm */
    X_SHLD_I = 0xa4 | X_0F,
    X_CMOV = 0x40 | X_0F, /* + cc */
    X_SETCC = 0x90 | X_0F | X_MB,
    X_BT = 0xa3 | X_0F,     /* r/m bit reg */
    X_GRP8_I = 0xba | X_0F, /* /4 bt, /5 bts, /6 btr, /7 btc */
    X_BSF = 0xbc | X_0F,
    X_BSR = 0xbd | X_0F,
    X_TZCNT = 0xbc | X_0F | X_F3,
    X_LZCNT = 0xbd | X_0F | X_F3,
    X_POPCNT = 0xb8 | X_0F | X_F3,
    X_CRC32_8 = 0xf0 | X_0F38 | X_F2 | X_MB,
    X_CRC32 = 0xf1 | X_0F38 | X_F2,
    X_MOVBE_LOAD = 0xf0 | X_0F38,
    X_MOVBE_STORE = 0xf1 | X_0F38,
    X_CMPXCHG8 = 0xb0 | X_0F | X_RB,
    X_CMPXCHG = 0xb1 | X_0F,
    X_XADD8 = 0xc0 | X_0F | X_RB,
    X_XADD = 0xc1 | X_0F,
    X_CMPXCHG16B = 0xc7 | X_0F | X_W, /* /1 */
    /* with VEX: reg, vvvv, r/m */
    X_ANDN = 0xf2 | X_0F38,
    X_SHLX = 0xf7 | X_0F38 | X_66, /* reg = r/m << vvvv */
    X_SHRX = 0xf7 | X_0F38 | X_F2,
    X_SARX = 0xf7 | X_0F38 | X_F3,
    X_BZHI = 0xf5 | X_0F38,
    X_MULX = 0xf6 | X_0F38 | X_F2, /* reg (high), vvvv (low) = RDX * r/m */
    X_RORX = 0xf0 | X_0F3A | X_F2,
};
enum { X_ADD, X_OR, X_ADC, X_SBB, X_AND, X_SUB, X_XOR, X_CMP }; /* ALU group 1 */
enum { X_ROL = 0, X_ROR = 1, X_SHL = 4, X_SHR = 5, X_SAR = 7 };
enum { X_O, X_NO, X_B, X_AE, X_E, X_NE, X_BE, X_A, X_S, X_NS, X_P, X_NP, X_L, X_GE, X_LE, X_G };
enum { X_LAHF = 0x9f, X_SAHF = 0x9e, X_CMC = 0xf5, X_CDQ = 0x99 };

/* [base + index << shift + disp]; base or index may be X86_NO_REG. */
typedef struct X86Mem {
    uint8_t base, index, shift;
    int32_t disp;
} X86Mem;
static inline X86Mem x86_at(int base, int32_t disp)
{
    return (X86Mem){ .base = (uint8_t)base, .index = X86_NO_REG, .disp = disp };
}
static inline X86Mem x86_env(int32_t disp)
{
    return x86_at(X86_ENV, disp);
}

void x86_rr(X86Gen *g, unsigned op, int reg, int rm);
void x86_rm(X86Gen *g, unsigned op, int reg, X86Mem m);
/* r/m operand o: a register or a place in the state. */
void x86_ro(X86Gen *g, unsigned op, int reg, const X86Operand *o);
/* ModRM, SIB and displacement only. disp8_shift: EVEX's scaling. */
void x86_put_mem(X86Gen *g, int reg, X86Mem m, int disp8_shift);
void x86_vex_rr(X86Gen *g, unsigned op, int reg, int vvvv, int rm);
void x86_vex_ro(X86Gen *g, unsigned op, int reg, int vvvv, const X86Operand *o);

/* alu: X_ADD …; w: X_W, X_LOCK … */
void x86_alu_ri(X86Gen *g, int alu, unsigned w, int reg, int32_t imm);
void x86_alu_mi(X86Gen *g, int alu, unsigned w, X86Mem m, int32_t imm);
/* The second operand of any kind; X86_IMM fits 32 bits. */
void x86_alu_ro(X86Gen *g, int alu, unsigned w, int reg, const X86Operand *o);
static inline void x86_alu_rr(X86Gen *g, int alu, unsigned w, int reg, int rm)
{
    x86_rr(g, (unsigned)alu * 8 + 3 + w, reg, rm);
}
static inline void x86_mov_rr(X86Gen *g, unsigned w, int dst, int src)
{
    x86_rr(g, X_MOV_LOAD | w, dst, src);
}
void x86_shift_i(X86Gen *g, int shift, unsigned w, int reg, int count);
/* mov [m], imm32 of sz (sign-extended for MO_64). */
void x86_mov_mi(X86Gen *g, int sz, unsigned flags, X86Mem m, int32_t imm);
/* A constant into a register by the shortest mov; leaves EFLAGS alone. */
void x86_mov_ri(X86Gen *g, int reg, uint64_t val);
/* Short forward jump: returns the place for x86_bind8. */
uint8_t *x86_jcc8(X86Gen *g, int cc);
uint8_t *x86_jmp8(X86Gen *g);
void x86_bind8(X86Gen *g, uint8_t *at);
/* Fills n bytes with the fewest no-ops. */
void x86_nops(X86Gen *g, unsigned n);

/* Vector moves, by whatever the host has (asm.c): 128 bits, or the low size bytes with zeros above.
 */
/* One element into all lanes; needs AVX2. */
void x86_vbroadcast(X86Gen *g, unsigned flags, int reg, int size_log2, X86Mem m);
void x86_vload(X86Gen *g, unsigned flags, int reg, int size_log2, X86Mem m);
void x86_vstore(X86Gen *g, unsigned flags, int reg, int size_log2, X86Mem m);
void x86_vzero(X86Gen *g, int reg);
/* GPR -> low lane, zero above; low lane -> GPR. w: X_W or 0. */
void x86_vmov_from_gpr(X86Gen *g, unsigned w, int vreg, int gpr);
void x86_vmov_to_gpr(X86Gen *g, unsigned w, int gpr, int vreg);
/*
 * A 128-bit vector instruction: legacy SSE (then vvvv must be reg or -1 for none), VEX, or EVEX
 * when a register is 16 or above. X_W is VEX.W and EVEX.W. disp8_shift: log2 of the EVEX memory
 * operand's size.
 */
void x86_vec_rr(X86Gen *g, unsigned op, int reg, int vvvv, int rm);
void x86_vec_rm(X86Gen *g, unsigned op, int reg, int vvvv, X86Mem m, int disp8_shift);

/* ---- softmmu.c ---- */
X86Mem x86_softmmu_address(X86Gen *g, const TCGOp *op, const X86Operand *o, int first);
/* The same with given scratch registers t (in use until the access) and u. */
X86Mem x86_softmmu_address_in(X86Gen *g, const TCGOp *op, const X86Operand *o, int first, int t,
                              int u);
/* Operands as x86_gen_cas128 places them: RDI becomes a host address. The slow path comes back to
 * g->slow_local with the result in RDX:RAX. */
void x86_softmmu_cas128(X86Gen *g, const TCGOp *op);
void x86_softmmu_thunk(X86Gen *g);
/* Before anything is compiled: finds pairs (ld2, st2, ldv2, stv2). */
void x86_softmmu_pairs(TCGContext *s);

/* ---- prologue.c: pieces of thunks ---- */
void x86_push_pop(X86Gen *g, bool push, int reg);
/* All vector registers to, or from, RSP upwards. */
void x86_save_vectors(X86Gen *g, bool store);
void x86_align16(X86Gen *g);
/* X86_K_ONE = 1; destroys RCX. C may have used it. */
void x86_set_mask(X86Gen *g);

#endif
