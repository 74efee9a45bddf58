/* SPDX-License-Identifier: MIT */
/*
 * What the floating-point and SIMD translators share: expressions of vector ops, whose opcodes come
 * from the pattern files, and the writing of their results.
 *
 * Each `vec_` function appends one op and returns its result, a new temp; simd_write() puts the
 * last one into a register without another move where it can.
 */
#ifndef TARGET_ARM_TRANSLATE_SIMD_H
#define TARGET_ARM_TRANSLATE_SIMD_H

#include "target/arm/helper-simd.h"
#include "target/arm/translate.h"

/* --- vector expressions ---------------------------------------------------------------- */

static inline TCGv_vec vec_emit(DisasContext *s, TCGOpcode opc, unsigned sz, unsigned cond,
                                int64_t imm, TCGv_vec a, TCGv_vec b, TCGv_vec c)
{
    TCGv_vec d = tcg_temp_vec(s->tcg);
    TCGOp *op = tcg_emit_op(s->tcg, opc);

    op->sz = sz;
    op->cond = cond;
    op->imm = imm;
    op->arg[0] = d.i;
    op->arg[1] = a.i;
    op->arg[2] = b.i;
    op->arg[3] = c.i;
    return d;
}
#define VEC_NONE ((TCGv_vec){ TCG_NONE })

static inline TCGv_vec vec_v(DisasContext *s, TCGOpcode opc, unsigned sz, TCGv_vec a)
{
    return vec_emit(s, opc, sz, 0, 0, a, VEC_NONE, VEC_NONE);
}
static inline TCGv_vec vec_vi(DisasContext *s, TCGOpcode opc, unsigned sz, TCGv_vec a, int64_t imm)
{
    return vec_emit(s, opc, sz, 0, imm, a, VEC_NONE, VEC_NONE);
}
static inline TCGv_vec vec_vv(DisasContext *s, TCGOpcode opc, unsigned sz, TCGv_vec a, TCGv_vec b)
{
    return vec_emit(s, opc, sz, 0, 0, a, b, VEC_NONE);
}
static inline TCGv_vec vec_vvv(DisasContext *s, TCGOpcode opc, unsigned sz, TCGv_vec a, TCGv_vec b,
                               TCGv_vec c)
{
    return vec_emit(s, opc, sz, 0, 0, a, b, c);
}
static inline TCGv_vec vec_cmp(DisasContext *s, TCGCond cond, unsigned sz, TCGv_vec a, TCGv_vec b)
{
    return vec_emit(s, TCG_OP_vcmp, sz, cond, 0, a, b, VEC_NONE);
}
/* The low 1 << sz bytes of a, zero above. */
static inline TCGv_vec vec_zext(DisasContext *s, unsigned sz, TCGv_vec a)
{
    return sz == MO_128 ? a : vec_v(s, TCG_OP_vzext, sz, a);
}
static inline TCGv_vec vec_dup(DisasContext *s, unsigned sz, TCGv_vec a, int lane)
{
    return vec_vi(s, TCG_OP_vdup_v, sz, a, lane);
}
/* The low halves of a and b, a's below. */
static inline TCGv_vec vec_join(DisasContext *s, TCGv_vec a, TCGv_vec b)
{
    return vec_vv(s, TCG_OP_vzip1, MO_64, a, b);
}

/* --- constants ------------------------------------------------------------------------- */

/* The low 1 << sz bytes of val in each lane of 64 bits. */
static inline uint64_t splat(unsigned sz, uint64_t val)
{
    static const uint64_t ones[] = { 0x0101010101010101, 0x0001000100010001, 0x0000000100000001,
                                     1 };

    return sz == MO_64 ? val : (val & ((1ull << (8 << sz)) - 1)) * ones[sz];
}
static inline TCGv_vec vec_const(DisasContext *s, unsigned sz, uint64_t val)
{
    return tcg_const_vec(s->tcg, splat(sz, val), splat(sz, val));
}
static inline TCGv_vec vec_zero(DisasContext *s)
{
    return tcg_const_vec(s->tcg, 0, 0);
}
/* The most negative integer of a size, which is also the sign bit of a float. */
static inline uint64_t sign_bit(unsigned sz)
{
    return 1ull << ((8 << sz) - 1);
}

/* --- instructions' common parts -------------------------------------------------------- */

/*
 * How much of its register a result fills, as a size: `size` for the scalar forms, else half or all
 * of it. The rest becomes zero.
 */
#define SIMD_KEEP(scalar, q, size) ((scalar) ? (unsigned)(size) : (q) ? MO_128 : MO_64)

/* One lane of 64 bits is no vector. */
static inline bool simd_size_ok(int size, int max, int q, int scalar)
{
    return size <= (max ? max : MO_64) && (size != MO_64 || q || scalar);
}
/* The element size of floating SIMD patterns, from key half and field sz. */
static inline unsigned simd_fp_size(int half, int sz)
{
    return half ? MO_16 : MO_32 + sz;
}

/*
 * Vr = the low 1 << keep bytes of val, zero above. A temp that the last op has just made goes
 * straight into the register: nothing else reads it.
 */
static inline void simd_write(DisasContext *s, int r, unsigned keep, TCGv_vec val)
{
    TCGContext *t = s->tcg;

    if (keep != MO_128) {
        tcg_gen(vzext, t, keep, reg_v(r), tcg_vec_low(val));
    } else if (t->temps[val.i].kind == TEMP_EBB && t->ops[t->nb_ops - 1].arg[0] == val.i) {
        t->ops[t->nb_ops - 1].arg[0] = reg_v(r).i;
    } else {
        tcg_gen_vmov(t, reg_v(r), val);
    }
}
/* FPSR.QC is set if what saturation gave and what wrapping would have differ, in the kept part. */
static inline void simd_set_qc(DisasContext *s, unsigned keep, TCGv_vec sat, TCGv_vec wrapped)
{
    TCGv_vec diff = vec_zext(s, keep, vec_vv(s, TCG_OP_vxor, 0, sat, wrapped));

    tcg_gen(vor, s->tcg, 0, reg_qc(), reg_qc(), diff);
}
/*
 * A floating operand: lanes that are not part of the instruction are made copies of those that
 * are, lest they raise flags.
 */
static inline TCGv_vec simd_fp_in(DisasContext *s, int r, unsigned keep)
{
    return keep == MO_128 ? reg_v(r) : vec_dup(s, keep, reg_v(r), 0);
}
/* The register and lane of a by-element form. False if there is none of this size. */
typedef struct SimdElem {
    int reg, lane;
} SimdElem;
bool simd_elem(SimdElem *e, unsigned size, int l, int m, int rm, int h);
/* That element in every lane, for integers of 16 and 32 bits. */
bool simd_int_elem(DisasContext *s, TCGv_vec *v, unsigned size, int l, int m, int rm, int h);

/* Narrowed elements, in val's low half and zero above, become Vd, or with q Vd's high half. */
void simd_write_narrow(DisasContext *s, int rd, int q, TCGv_vec val);

/*
 * Conversions between floats and integers of one size, also scalar (keep == size); fbits: of the
 * fraction.
 */
void simd_ftoi(DisasContext *s, int rd, int rn, unsigned size, unsigned keep, int mode, int uns,
               int fbits);
void simd_itof(DisasContext *s, int rd, int rn, unsigned size, unsigned keep, int uns, int fbits);

/* VFPExpandImm of the manual: the floating number of format sz for an 8-bit immediate. */
uint64_t fp_expand_imm(unsigned sz, unsigned imm8);
/* The size of a scalar floating register from its type field, or -1 if there is none. */
int fp_type_size(DisasContext *s, int type);

/* Calls the helper over the state that desc.func names. */
void simd_call(DisasContext *s, SimdDesc desc);

#endif
