/* SPDX-License-Identifier: MIT */
/*
 * Emitters: one inline function for each op of tcg/ops.h.inc, made from its signature, and four
 * macros that call them. Operands are in the table's order, outputs first:
 *     tcg_gen(add, s, MO_64, d, a, b);
 *     tcg_gen_imm(extract, s, MO_64, TCG_FIELD(4, 8), d, a);
 *     tcg_gen_cond(setcond, s, MO_32, TCG_COND_EQ, d, a, b);
 *     tcg_gen_cond_imm(exit_cond, s, MO_64, TCG_COND_NE, exit, a, b);
 * Pass 0 for the size where the table names none.
 */
#ifndef TCG_TCG_OP_H
#define TCG_TCG_OP_H

#include "tcg/tcg.h"

/* --- generated: tcg_emit_NAME(s, sz, operands…, cond, imm) --- */

#define TCG_EMIT(opcode, ...)                                        \
    TCGOp *op = tcg_emit_op(s, opcode);                              \
    op->sz = sz;                                                     \
    op->cond = cond;                                                 \
    op->imm = imm;                                                   \
    const uint16_t args_[] = { __VA_ARGS__ };                        \
    for (unsigned n_ = 0; n_ < sizeof(args_) / sizeof(*args_); n_++) \
    op->arg[n_] = args_[n_]

#define T_i TCGv_i64
#define T_c TCGv_cc
#define T_f TCGv_f64
#define T_v TCGv_vec

#define TCG_GEN0(n, A)                                                                           \
    static inline void tcg_emit_##n(TCGContext *s, unsigned sz, A a, unsigned cond, int64_t imm) \
    {                                                                                            \
        TCG_EMIT(TCG_OP_##n, a.i);                                                               \
    }
#define TCG_GEN2(n, A, B)                                                                \
    static inline void tcg_emit_##n(TCGContext *s, unsigned sz, A a, B b, unsigned cond, \
                                    int64_t imm)                                         \
    {                                                                                    \
        TCG_EMIT(TCG_OP_##n, a.i, b.i);                                                  \
    }
#define TCG_GEN3(n, A, B, C)                                                                  \
    static inline void tcg_emit_##n(TCGContext *s, unsigned sz, A a, B b, C c, unsigned cond, \
                                    int64_t imm)                                              \
    {                                                                                         \
        TCG_EMIT(TCG_OP_##n, a.i, b.i, c.i);                                                  \
    }
#define TCG_GEN4(n, A, B, C, D)                                                                    \
    static inline void tcg_emit_##n(TCGContext *s, unsigned sz, A a, B b, C c, D d, unsigned cond, \
                                    int64_t imm)                                                   \
    {                                                                                              \
        TCG_EMIT(TCG_OP_##n, a.i, b.i, c.i, d.i);                                                  \
    }
#define TCG_GEN5(n, A, B, C, D, E)                                                       \
    static inline void tcg_emit_##n(TCGContext *s, unsigned sz, A a, B b, C c, D d, E e, \
                                    unsigned cond, int64_t imm)                          \
    {                                                                                    \
        TCG_EMIT(TCG_OP_##n, a.i, b.i, c.i, d.i, e.i);                                   \
    }
#define TCG_GEN7(n, A, B, C, D, E, F, G)                                                           \
    static inline void tcg_emit_##n(TCGContext *s, unsigned sz, A a, B b, C c, D d, E e, F f, G g, \
                                    unsigned cond, int64_t imm)                                    \
    {                                                                                              \
        TCG_EMIT(TCG_OP_##n, a.i, b.i, c.i, d.i, e.i, f.i, g.i);                                   \
    }

#define GEN_special(n)
#define GEN_i_0(n)    TCG_GEN0(n, T_i)
#define GEN_0_i(n)    TCG_GEN0(n, T_i)
#define GEN_0_c(n)    TCG_GEN0(n, T_c)
#define GEN_v_0(n)    TCG_GEN0(n, T_v)
#define GEN_0_v(n)    TCG_GEN0(n, T_v)
#define GEN_0_ii(n)   TCG_GEN2(n, T_i, T_i)
#define GEN_i_i(n)    TCG_GEN2(n, T_i, T_i)
#define GEN_i_c(n)    TCG_GEN2(n, T_i, T_c)
#define GEN_c_i(n)    TCG_GEN2(n, T_c, T_i)
#define GEN_c_c(n)    TCG_GEN2(n, T_c, T_c)
#define GEN_f_f(n)    TCG_GEN2(n, T_f, T_f)
#define GEN_i_f(n)    TCG_GEN2(n, T_i, T_f)
#define GEN_f_i(n)    TCG_GEN2(n, T_f, T_i)
#define GEN_v_f(n)    TCG_GEN2(n, T_v, T_f)
#define GEN_v_i(n)    TCG_GEN2(n, T_v, T_i)
#define GEN_i_v(n)    TCG_GEN2(n, T_i, T_v)
#define GEN_v_v(n)    TCG_GEN2(n, T_v, T_v)
#define GEN_i_ii(n)   TCG_GEN3(n, T_i, T_i, T_i)
#define GEN_0_iii(n)  TCG_GEN3(n, T_i, T_i, T_i)
#define GEN_v_ii(n)   TCG_GEN3(n, T_v, T_i, T_i)
#define GEN_0_vii(n)  TCG_GEN3(n, T_v, T_i, T_i)
#define GEN_f_ff(n)   TCG_GEN3(n, T_f, T_f, T_f)
#define GEN_c_ff(n)   TCG_GEN3(n, T_c, T_f, T_f)
#define GEN_v_vi(n)   TCG_GEN3(n, T_v, T_v, T_i)
#define GEN_v_vv(n)   TCG_GEN3(n, T_v, T_v, T_v)
#define GEN_ic_ii(n)  TCG_GEN4(n, T_i, T_c, T_i, T_i)
#define GEN_i_iic(n)  TCG_GEN4(n, T_i, T_i, T_i, T_c)
#define GEN_i_iii(n)  TCG_GEN4(n, T_i, T_i, T_i, T_i)
#define GEN_i_cii(n)  TCG_GEN4(n, T_i, T_c, T_i, T_i)
#define GEN_c_cii(n)  TCG_GEN4(n, T_c, T_c, T_i, T_i)
#define GEN_c_ccc(n)  TCG_GEN4(n, T_c, T_c, T_c, T_c)
#define GEN_f_fff(n)  TCG_GEN4(n, T_f, T_f, T_f, T_f)
#define GEN_f_cff(n)  TCG_GEN4(n, T_f, T_c, T_f, T_f)
#define GEN_v_vvv(n)  TCG_GEN4(n, T_v, T_v, T_v, T_v)
#define GEN_i_iiii(n) TCG_GEN5(n, T_i, T_i, T_i, T_i, T_i)
#define GEN_ic_iic(n) TCG_GEN5(n, T_i, T_c, T_i, T_i, T_c)
#define GEN_ii_ii(n)  /* ld2 and its like: backends only */
#define GEN_0_iiii(n)
#define GEN_vv_ii(n)
#define GEN_0_vvii(n)
#define GEN_ii_iiiii(n)            TCG_GEN7(n, T_i, T_i, T_i, T_i, T_i, T_i, T_i)
#define DEF(name, sig, flags, doc) GEN_##sig(name)
#include "tcg/ops.h.inc"
#undef DEF

#define tcg_gen(name, s, sz, ...)                     tcg_emit_##name(s, sz, __VA_ARGS__, 0, 0)
#define tcg_gen_imm(name, s, sz, imm, ...)            tcg_emit_##name(s, sz, __VA_ARGS__, 0, imm)
#define tcg_gen_cond(name, s, sz, cond, ...)          tcg_emit_##name(s, sz, __VA_ARGS__, cond, 0)
#define tcg_gen_cond_imm(name, s, sz, cond, imm, ...) tcg_emit_##name(s, sz, __VA_ARGS__, cond, imm)

/* --- written out: what has no signature, or deserves a shorter call
 * -------------------------------- */

void tcg_gen_insn_start(TCGContext *s, vaddr pc);
void tcg_gen_label(TCGContext *s, int label);
void tcg_gen_br(TCGContext *s, int label);
void tcg_gen_exit(TCGContext *s, int exit);
void tcg_gen_mb(TCGContext *s, int mask);
void tcg_gen_discard(TCGContext *s, uint16_t temp);
/* The result goes to ret, or TCG_NO_INDEX for none. Arguments as info->nargs says. */
void tcg_gen_call(TCGContext *s, const TCGHelperInfo *info, TCGv_i64 ret, const TCGv_i64 *args);

/* Guest memory: address = base + (index << shift in memop) + disp; index may be TCG_NO_INDEX. */
void tcg_gen_ld(TCGContext *s, unsigned memop, TCGv_i64 d, TCGv_i64 base, TCGv_i64 index,
                int64_t disp);
void tcg_gen_st(TCGContext *s, unsigned memop, TCGv_i64 v, TCGv_i64 base, TCGv_i64 index,
                int64_t disp);
void tcg_gen_ldv(TCGContext *s, unsigned memop, TCGv_vec d, TCGv_i64 base, TCGv_i64 index,
                 int64_t disp);
void tcg_gen_stv(TCGContext *s, unsigned memop, TCGv_vec v, TCGv_i64 base, TCGv_i64 index,
                 int64_t disp);
void tcg_gen_atomic_rmw(TCGContext *s, unsigned memop, TCGAtomicOp op, TCGv_i64 old, TCGv_i64 addr,
                        TCGv_i64 val);
void tcg_gen_atomic_cas(TCGContext *s, unsigned memop, TCGv_i64 old, TCGv_i64 addr,
                        TCGv_i64 expected, TCGv_i64 desired);
void tcg_gen_atomic_cas128(TCGContext *s, const TCGv_i64 old[2], TCGv_i64 addr,
                           const TCGv_i64 expected[2], const TCGv_i64 desired[2]);
/* Fields of CPUState that are not globals; offset from the start of CPUState. */
void tcg_gen_ld_env(TCGContext *s, unsigned memop, TCGv_i64 d, uint32_t offset);
void tcg_gen_st_env(TCGContext *s, unsigned memop, TCGv_i64 v, uint32_t offset);
void tcg_gen_ldv_env(TCGContext *s, unsigned memop, TCGv_vec d, uint32_t offset);
void tcg_gen_stv_env(TCGContext *s, unsigned memop, TCGv_vec v, uint32_t offset);
/* The host address of CPUState, for helpers. */
TCGv_i64 tcg_env(TCGContext *s);

/* Moves of whole registers. */
void tcg_gen_mov(TCGContext *s, TCGv_i64 d, TCGv_i64 a);
void tcg_gen_movi(TCGContext *s, TCGv_i64 d, uint64_t val);
void tcg_gen_vmov(TCGContext *s, TCGv_vec d, TCGv_vec a);
static inline void tcg_gen_addi(TCGContext *s, unsigned sz, TCGv_i64 d, TCGv_i64 a, int64_t b)
{
    tcg_gen(add, s, sz, d, a, tcg_const(s, sz == MO_32 ? (uint32_t)b : (uint64_t)b));
}

#endif
