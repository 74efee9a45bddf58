/* SPDX-License-Identifier: MIT */
/* What vec.c, the table of single instructions, offers to the files of longer sequences. */
#ifndef TCG_X86_64_VEC_H
#define TCG_X86_64_VEC_H

#include "tcg/x86_64/asm-vec.h"

/* modrm.reg of the shift groups */
enum { X86_SHIFT_SHR = 2, X86_SHIFT_SAR = 4, X86_SHIFT_SHL = 6 };

/* The op's one instruction for lanes of size sz; for a unary one a is X86_NO_REG, b the operand. */
void x86_vec_simple(X86Gen *g, unsigned opc, unsigned sz, unsigned d, unsigned a, unsigned b);
/* Comparisons that leave ones or zeros, by size. */
extern const X86VOp x86_vec_cmpeq[4], x86_vec_cmpgt[4];
/* The constant v in every lane, for x86_v3c. */
int x86_vec_const(X86Gen *g, unsigned sz, uint64_t v);
/* MO_16 to MO_64, by 1 to size - 1; SAR of MO_64 needs AVX-512. */
void x86_vec_shift(X86Gen *g, unsigned kind, unsigned sz, unsigned d, unsigned a, unsigned n);
/* Any size, 0 <= n <= size; t is free and not a. */
void x86_vec_shift_imm(X86Gen *g, unsigned kind, unsigned sz, unsigned d, unsigned a, unsigned n,
                       unsigned t);
/* Emitters of vec.c for some sizes of their ops. */
X86EmitFn x86_vec_mul, x86_vec_shl_var;
/* The op has this rule for the sizes (bit n: MO_n; 0: it has none). */
void x86_vec_rule(unsigned opc, unsigned sizes, X86EmitFn *emit, unsigned vscratch);

#endif
