/* SPDX-License-Identifier: MIT */
/*
 * Floating ops as host instructions. Two ways to be exact where host and guest differ (docs/tcg.md,
 * "Floating point on x86-64"): in plain blocks the host's traps leave to a careful block; in
 * CF_FP_CHECK blocks the result is compared with itself and a slow path evaluates the op. FMA is
 * always checked. What the host does not do exactly is evaluated out of line.
 *
 * The host decides after rounding what is too small, the guest before: so a result that was rounded
 * up to the smallest normal number is looked for, by a trap or with the comparison.
 *
 * Where the guest flushes denormals to zero (s->fp_flush) traps find them, but not beside a NaN, so
 * that results are compared as well (fp-mode.c).
 */
#include "tcg/x86_64/asm-vec.h"
#include "tcg/x86_64/asm.h"
#include "fpu/softfloat.h"

enum { JP = 0xa, JNE = 0x5, JE = 0x4, JO = 0x0, JS = 0x8, JAE = 0x3 }; /* x86 condition codes */

/* Scalar and packed opcode of an operation share a byte; prefix and EVEX.W say format and width. */
static X86VOp fp_op(unsigned opcode, unsigned sz, bool packed)
{
    if (packed) {
        return sz == MO_64 ? VOP(VPP_66, VMAP_0F, opcode, VOP_EW)
                           : VOP(VPP_NONE, VMAP_0F, opcode, 0);
    }
    return sz == MO_64 ? VOP(VPP_F2, VMAP_0F, opcode, VOP_EW) : VOP(VPP_F3, VMAP_0F, opcode, 0);
}

static bool host_traps(const X86Gen *g)
{
    return !(g->tb->cflags & CF_FP_CHECK);
}

/* The next vector instruction may trap, if blocks like this one rely on traps. */
static void may_trap(X86Gen *g)
{
    g->trap_next = host_traps(g) || g->s->fp_flush;
}

/* The same operation on lane 0, with zeros above it, where g->zero_above asks for that. */
static X86VOp scalar_op(const X86Gen *g, unsigned opcode, unsigned sz)
{
    return g->zero_above ? fp_op(opcode, sz, true) | VOP_EVEX | VOP_K_ONE
                         : fp_op(opcode, sz, false);
}

static bool is_packed(const TCGOp *op)
{
    return tcg_op_defs[op->opc].out[0] == 'v';
}

/* "If any lane of a or b, of format sz, is a NaN, evaluate instead"; u is free. Destroys EFLAGS. */
static void slow_if_unordered(X86Gen *g, const TCGOp *op, const X86Operand *o, unsigned sz,
                              unsigned a, unsigned b, unsigned u)
{
    if (!is_packed(op)) {
        x86_v3(g, sz == MO_64 ? VOP_UCOMISD : VOP_UCOMISS, a, X86_NO_REG, b);
        x86_slow_path(g, JP, op, o);
        return;
    }
    X86VOp cmp = sz == MO_64 ? VOP(VPP_66, VMAP_0F, 0xc2, VOP_EW) : VOP(VPP_NONE, VMAP_0F, 0xc2, 0);
    if (x86_has(X86_AVX512)) {
        x86_v3k(g, cmp, X86_K1, a, b, 0, false, 3);
        x86_kortestb(g, X86_K1);
    } else {
        x86_v3i(g, cmp, u, a, b, 3);
        x86_v3(g, VOP_PTEST, u, X86_NO_REG, u);
    }
    x86_slow_path(g, JNE, op, o);
}

static void slow_if_nan(X86Gen *g, const TCGOp *op, const X86Operand *o, unsigned sz, unsigned t,
                        unsigned u)
{
    slow_if_unordered(g, op, o, sz, t, t, u);
}

/* ---- flushing to zero
 * ------------------------------------------------------------------------------ */

static uint64_t lanes(unsigned sz, uint64_t v)
{
    return sz == MO_64 ? v : v << 32 | v;
}

/* The next instruction raises nothing but inexact; the first time that traps (fp-mode.c). */
static void may_be_inexact(X86Gen *g)
{
    g->trap_next = g->s->fp_flush;
}

static void multiply_by(X86Gen *g, unsigned sz, bool packed, unsigned d, unsigned a, uint64_t c)
{
    may_trap(g);
    x86_v3c(g, fp_op(0x59, sz, packed), d, a, x86_const128(g, c, c));
}

/* Rounding and conversion to integers do not look at denormals; a product with 1 does. t != a */
static void catch_denormal(X86Gen *g, unsigned sz, bool packed, unsigned a, unsigned t)
{
    if (g->s->fp_flush) {
        multiply_by(g, sz, packed, t, a, lanes(sz, sz == MO_64 ? 0x3ffull << 52 : 0x3f800000));
    }
}

/*
 * Of two operands of a comparison: beside a NaN the host does not look at them, so each is compared
 * with itself. t is free, or b.
 */
static void catch_denormals_alone(X86Gen *g, unsigned sz, bool packed, unsigned a, unsigned b,
                                  unsigned t)
{
    X86VOp cmp = VOP(sz == MO_64 ? VPP_66 : VPP_NONE, VMAP_0F, 0xc2, sz == MO_64 ? VOP_EW : 0);

    for (int n = 0; n < 2 && g->s->fp_flush; n++) {
        unsigned operand = n ? a : b;

        may_trap(g);
        if (packed) {
            x86_v3i(g, cmp | VOP_NO_EVEX, t, operand, operand, 3);
        } else {
            x86_v3(g, sz == MO_64 ? VOP_UCOMISD : VOP_UCOMISS, operand, X86_NO_REG, operand);
        }
    }
}

/*
 * Only products and narrowing can end below the smallest normal number and be rounded up to it: a
 * sum that small is exact, and a quotient is never as near.
 */
static bool may_round_up_to_normal(const TCGOp *op)
{
    static const uint8_t can[TCG_OP_COUNT] = {
        [TCG_OP_fmul] = 1,   [TCG_OP_vfmul] = 1, [TCG_OP_fmadd] = 1,
        [TCG_OP_vfmadd] = 1, [TCG_OP_fcvt] = 1,  [TCG_OP_vfcvtn] = 1,
    };
    bool converts = op->opc == TCG_OP_fcvt || op->opc == TCG_OP_vfcvtn;

    return can[op->opc] && !(converts && op->sz == MO_64);
}

/* Evaluates if any lane of t is the smallest normal number, that negated, or a NaN; u is free. */
static void slow_if_smallest_normal(X86Gen *g, const TCGOp *op, const X86Operand *o, unsigned t,
                                    unsigned u)
{
    enum { EQUAL_OR_UNORDERED = 8 };
    static const struct {
        uint64_t number, smallest;
        X86VOp compare, equal; /* as floating numbers, as integers */
    } of_size[] = {
        [MO_16] = { 0x7fff7fff7fff7fff, 0x0400040004000400, 0, VOP(VPP_66, VMAP_0F, 0x75, 0) },
        [MO_32] = { 0x7fffffff7fffffff, 0x0080000000800000, VOP(VPP_NONE, VMAP_0F, 0xc2, 0),
                    VOP(VPP_66, VMAP_0F, 0x76, 0) },
        [MO_64] = { ~(1ull << 63), 1ull << 52, VOP(VPP_66, VMAP_0F, 0xc2, VOP_EW),
                    VOP(VPP_66, VMAP_0F38, 0x29, 0) },
    };
    unsigned sz = op->sz;
    uint64_t number = of_size[sz].number, smallest = of_size[sz].smallest;
    X86VOp compare = of_size[sz].compare;
    int min = x86_const128(g, smallest, smallest);

    if (is_packed(op) && compare && !x86_has(X86_AVX)) { /* without that predicate */
        slow_if_nan(g, op, o, sz, t, u);
        compare = 0;
    }
    x86_v3c(g, VOP_PAND, u, t, x86_const128(g, number, number));
    if (!is_packed(op) && compare) {
        x86_v3c(g, sz == MO_64 ? VOP_UCOMISD : VOP_UCOMISS, u, X86_NO_REG, min);
        x86_slow_path(g, JE, op, o); /* equal, or unordered */
        return;
    }
    if (compare && x86_has(X86_AVX512)) {
        x86_v3kc(g, compare, X86_K1, u, min, EQUAL_OR_UNORDERED);
        x86_kortestb(g, X86_K1);
        x86_slow_path(g, JNE, op, o);
        return;
    }
    if (compare) {
        x86_v3ci(g, compare, u, u, min, EQUAL_OR_UNORDERED);
    } else {
        x86_v3c(g, of_size[sz].equal | VOP_NO_EVEX, u, u, min);
    }
    x86_v3(g, VOP_PTEST, u, X86_NO_REG, u);
    x86_slow_path(g, JNE, op, o);
}

/* In blocks that rely on traps: half of the smallest normal number, which is exact, traps. */
static void trap_if_smallest_normal(X86Gen *g, const TCGOp *op, unsigned t, unsigned u)
{
    multiply_by(g, op->sz, is_packed(op), u, t,
                lanes(op->sz, op->sz == MO_64 ? 0x3feull << 52 : 0x3f000000));
}

/* ---- arithmetic
 * ------------------------------------------------------------------------------------ */

/* Whether results are compared: a slow path evaluates the op. */
static bool compares(const X86Gen *g, const TCGOp *op)
{
    return x86_fp_check(g) ||
           (may_round_up_to_normal(op) && (g->tb->cflags & CF_FP_TININESS || op->sz == MO_16));
}

/* Whether the result is looked at before the op's output may be written. */
static bool looks_at_result(const X86Gen *g, const TCGOp *op)
{
    return x86_fp_check(g) || may_round_up_to_normal(op);
}

/* The result is t, of the op's format; u is free. It goes to the output if all is well. */
static void checked_result(X86Gen *g, const TCGOp *op, const X86Operand *o, unsigned sz, unsigned t,
                           unsigned u)
{
    if (!may_round_up_to_normal(op)) {
        slow_if_nan(g, op, o, sz, t, u);
    } else if (compares(g, op)) {
        slow_if_smallest_normal(g, op, o, t, u);
    } else {
        trap_if_smallest_normal(g, op, t, u);
    }
    x86_vmov(g, o[0].reg, t);
}

static const uint8_t arith_opcode[TCG_OP_COUNT] = {
    [TCG_OP_fadd] = 0x58,  [TCG_OP_fsub] = 0x5c,   [TCG_OP_fmul] = 0x59,  [TCG_OP_fdiv] = 0x5e,
    [TCG_OP_fsqrt] = 0x51, [TCG_OP_vfadd] = 0x58,  [TCG_OP_vfsub] = 0x5c, [TCG_OP_vfmul] = 0x59,
    [TCG_OP_vfdiv] = 0x5e, [TCG_OP_vfsqrt] = 0x51,
};

static void emit_arith(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned opcode = arith_opcode[op->opc];
    X86VOp insn = is_packed(op) ? fp_op(opcode, op->sz, true) : scalar_op(g, opcode, op->sz);
    unsigned d = looks_at_result(g, op) ? o[3].reg : o[0].reg;

    if (opcode == 0x5e && !host_traps(g)) { /* a divisor of 0 would hide the dividend */
        catch_denormal(g, op->sz, is_packed(op), o[1].reg, o[4].reg);
    }
    may_trap(g);
    x86_v3o(g, insn, d, o[1].reg, &o[2]);
    if (looks_at_result(g, op)) {
        checked_result(g, op, o, op->sz, d, o[4].reg);
    }
}

static void emit_sqrt(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    bool packed = is_packed(op);
    X86VOp insn = packed ? fp_op(0x51, op->sz, true) : scalar_op(g, 0x51, op->sz);
    unsigned a = o[1].reg, vvvv = packed || g->zero_above ? X86_NO_REG : a;
    unsigned d = looks_at_result(g, op) ? o[2].reg : o[0].reg;

    if (!host_traps(g)) { /* a negative denormal is invalid for the host */
        catch_denormal(g, op->sz, packed, a, o[3].reg);
    }
    may_trap(g);
    x86_v3(g, insn, d, vvvv, a);
    if (looks_at_result(g, op)) {
        checked_result(g, op, o, op->sz, d, o[3].reg);
    }
}

/*
 * The host prefers the multiplicands' NaN, the guest the addend's, and inf * 0 + NaN differs:
 * always checked. VFMADD231 and its negated forms: t = ±(a * b) ± t.
 */
static void emit_fmadd(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    bool packed = is_packed(op);
    unsigned neg_product = op->imm & FLOAT_MULADD_NEG_PRODUCT ? 4 : 0;
    unsigned neg_addend = op->imm & FLOAT_MULADD_NEG_ADDEND ? 2 : 0;
    bool lanes = packed || g->zero_above;
    unsigned opcode = 0xb8 + neg_product + neg_addend + !lanes;
    X86VOp insn = VOP(VPP_66, VMAP_0F38, opcode, op->sz == MO_64 ? VOP_W : 0);
    unsigned d = o[0].reg, t = o[4].reg;
    X86Operand in[4] = { o[0], o[1], o[2], o[3] };

    if (g->zero_above) {
        insn |= VOP_EVEX | VOP_K_ONE;
    }
    if (d != o[3].reg || d == o[1].reg || d == o[2].reg) {
        x86_vmov(g, t, o[3].reg);
        may_trap(g);
        x86_v3(g, insn, t, o[1].reg, o[2].reg);
        slow_if_smallest_normal(g, op, o, t, o[5].reg);
        x86_vmov(g, d, t);
        return;
    }
    /* in place: the slow path finds the addend in t */
    in[3].reg = (uint8_t)t;
    x86_vmov(g, t, d);
    may_trap(g);
    x86_v3(g, insn, d, o[1].reg, o[2].reg);
    slow_if_smallest_normal(g, op, in, d, o[5].reg);
}

/* A logic instruction with g->zero_above. */
static X86VOp mask_op(const X86Gen *g, X86VOp insn, unsigned sz)
{
    return !g->zero_above ? insn : insn | VOP_EVEX | VOP_K_ONE | (sz == MO_64 ? VOP_EW : 0);
}

/*
 * MINSD gives its second operand for two zeros and for NaNs: for zeros both orders are merged (OR
 * keeps a sign for min, AND drops it for max); NaNs, quiet ones too, raise invalid.
 */
static void emit_minmax(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    bool packed = is_packed(op);
    bool min = op->opc == TCG_OP_fmin || op->opc == TCG_OP_fminnm || op->opc == TCG_OP_vfmin ||
               op->opc == TCG_OP_vfminnm;
    X86VOp insn = fp_op(min ? 0x5d : 0x5f, op->sz, packed);
    unsigned a = o[1].reg, b = o[2].reg, t = o[3].reg, u = o[4].reg;

    if (x86_fp_check(g)) {
        /* before the host can raise its own flag for quiet NaNs */
        may_trap(g);
        slow_if_unordered(g, op, o, op->sz, a, b, t);
    }
    may_trap(g);
    x86_v3(g, insn, t, a, b);
    x86_v3(g, insn, u, b, a);
    x86_v3(g, mask_op(g, min ? VOP_POR : VOP_PAND, op->sz), o[0].reg, t, u);
}

/* ---- signs
 * ------------------------------------------------------------------------------------------------
 */

static void emit_sign(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    bool neg = op->opc == TCG_OP_fneg || op->opc == TCG_OP_vfneg;
    uint64_t sign = op->sz == MO_64   ? 1ull << 63
                    : op->sz == MO_32 ? 0x8000000080000000ull
                                      : 0x8000800080008000ull;
    uint64_t c = neg ? sign : ~sign;

    if (g->zero_above && !neg) {
        uint64_t lane = op->sz == MO_64 ? c : (uint32_t)c;

        x86_v3c(g, VOP_PAND, o[0].reg, o[1].reg, x86_const128(g, lane, 0));
        return;
    }
    x86_v3c(g, mask_op(g, neg ? VOP_PXOR : VOP_PAND, op->sz), o[0].reg, o[1].reg,
            x86_const128(g, c, c));
}

/* ---- rounding and conversions
 * --------------------------------------------------------------------------------- */

enum { ROUND_QUIET = 8 }; /* ROUNDSD's immediate: no inexact flag */

/* FloatRoundMode -> ROUNDSD's immediate; 0xff: not there */
static unsigned round_imm(int mode)
{
    static const uint8_t imm[] = {
        [FLOAT_ROUND_NEAREST_EVEN] = 0,
        [FLOAT_ROUND_UP] = 2,
        [FLOAT_ROUND_DOWN] = 1,
        [FLOAT_ROUND_TO_ZERO] = 3,
    };

    return mode == TCG_ROUND_CURRENT ? 4 : mode <= FLOAT_ROUND_TO_ZERO ? imm[mode] : 0xff;
}

static void round_insn(X86Gen *g, unsigned sz, bool packed, unsigned d, unsigned a, unsigned imm)
{
    unsigned opcode = 0x08 + (sz == MO_64) + (packed ? 0 : 2);
    X86VOp insn = VOP(VPP_66, VMAP_0F3A, opcode, sz == MO_64 ? VOP_EW : 0);

    x86_v3i(g, insn, d, packed ? X86_NO_REG : a, a, imm);
}

static bool has_rounding(int mode)
{
    return mode == FLOAT_ROUND_TIES_AWAY || round_imm(mode) != 0xff;
}

/*
 * To nearest, ties away, for scalars with AVX-512: truncates a plus the largest number below one
 * half with a's sign. The sum is exact enough in nearest mode only, and must not raise inexact; a
 * signalling NaN is found by the comparison.
 */
static void round_away_evex(X86Gen *g, unsigned sz, unsigned d, unsigned a, unsigned t)
{
    uint64_t below_half = lanes(sz, sz == MO_64 ? 0x3fdfffffffffffffull : 0x3effffff);
    uint64_t sign = lanes(sz, sz == MO_64 ? 1ull << 63 : 0x80000000u);

    may_trap(g);
    x86_v3(g, sz == MO_64 ? VOP_UCOMISD : VOP_UCOMISS, a, X86_NO_REG, a);
    x86_v3c(g, VOP_PAND, t, a, x86_const128(g, sign, sign));
    x86_v3c(g, VOP_POR, t, t, x86_const128(g, below_half, below_half));
    x86_v3(g, fp_op(0x58, sz, false) | VOP_EVEX | VOP_RN_SAE, t, a, t);
    round_insn(g, sz, false, d, t, 3 | ROUND_QUIET);
}

/*
 * The same by exact steps: i = trunc(a), i + trunc(2 (a - i)), with a's sign for zeros. Infinities
 * are invalid here.
 */
static void round_away_exact(X86Gen *g, unsigned sz, bool packed, unsigned d, unsigned a,
                             unsigned t, unsigned u)
{
    uint64_t sign = lanes(sz, sz == MO_64 ? 1ull << 63 : 0x80000000u);

    may_trap(g);
    round_insn(g, sz, packed, t, a, 3 | ROUND_QUIET);
    may_trap(g);
    x86_v3(g, fp_op(0x5c, sz, packed), u, a, t);
    x86_v3(g, fp_op(0x58, sz, packed), u, u, u);
    round_insn(g, sz, packed, u, u, 3 | ROUND_QUIET);
    x86_v3(g, fp_op(0x58, sz, packed), t, t, u);
    /* zeros keep a's sign, whatever the rounding mode made of x - x */
    x86_v3c(g, VOP_PAND, t, t, x86_const128(g, ~sign, ~sign));
    x86_v3c(g, VOP_PAND, u, a, x86_const128(g, sign, sign));
    x86_v3(g, VOP_POR, d, t, u);
}

static void slow_if_infinite(X86Gen *g, const TCGOp *op, const X86Operand *o, unsigned sz,
                             bool packed, unsigned a, unsigned t)
{
    uint64_t number = lanes(sz, sz == MO_64 ? ~(1ull << 63) : 0x7fffffff);
    uint64_t infinity = lanes(sz, sz == MO_64 ? 0x7ff0000000000000ull : 0x7f800000);
    int inf = x86_const128(g, infinity, infinity);

    x86_v3c(g, VOP_PAND, t, a, x86_const128(g, number, number));
    if (!packed) {
        may_trap(g);
        x86_v3c(g, sz == MO_64 ? VOP_UCOMISD : VOP_UCOMISS, t, X86_NO_REG, inf);
        x86_slow_path(g, JE, op, o); /* equal, or unordered */
        return;
    }
    /* as integers: above all finite numbers */
    x86_v3c(g,
            (sz == MO_64 ? VOP(VPP_66, VMAP_0F38, 0x29, 0) : VOP(VPP_66, VMAP_0F, 0x76, 0)) |
                VOP_NO_EVEX,
            t, t, inf);
    x86_v3(g, VOP_PTEST, t, X86_NO_REG, t);
    x86_slow_path(g, JNE, op, o);
}

static bool is_rounding(const TCGOp *op)
{
    return op->opc == TCG_OP_fround || op->opc == TCG_OP_vfround;
}

/* Without the inexact flag. d may be t, not a. In checked blocks a NaN result means: evaluate. */
static void round_quietly(X86Gen *g, const TCGOp *op, const X86Operand *o, unsigned sz, bool packed,
                          unsigned d, unsigned a, unsigned t, unsigned u)
{
    int mode = is_rounding(op) ? TCG_ROUND_MODE(op->imm) : TCG_FTOI_MODE(op->imm);

    if (!is_rounding(op) && g->s->fp_flush) { /* or the flag is set anyway: before any output */
        may_trap(g);
        round_insn(g, sz, packed, t, a, 3);
    }
    if (mode != FLOAT_ROUND_TIES_AWAY) {
        may_trap(g);
        round_insn(g, sz, packed, d, a, round_imm(mode) | ROUND_QUIET);
    } else if (!packed && x86_has(X86_AVX512)) {
        round_away_evex(g, sz, d, a, t);
    } else {
        if (x86_fp_check(g)) {
            slow_if_infinite(g, op, o, sz, packed, a, t);
        }
        round_away_exact(g, sz, packed, d, a, t, u);
    }
}

static void emit_fround(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned sz = op->sz, mode = TCG_ROUND_MODE(op->imm), a = o[1].reg, t = o[2].reg, u = o[3].reg;
    bool packed = is_packed(op), check = x86_fp_check(g);
    unsigned d = check ? t : o[0].reg;

    catch_denormal(g, sz, packed, a, t);
    if (TCG_ROUND_EXACT(op->imm)) {
        may_trap(g);
        round_insn(g, sz, packed, d, a, round_imm(mode));
    } else {
        round_quietly(g, op, o, sz, packed, d, a, t, u);
    }
    if (check) {
        slow_if_nan(g, op, o, sz, t, u);
        x86_vmov(g, o[0].reg, t);
    }
}

/*
 * Half precision by F16C, never flushed. A scalar has junk above it, which must raise nothing. What
 * becomes a NaN is told from the wider side.
 */
static void emit_half(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    const X86VOp to_single = VOP(VPP_66, VMAP_0F38, 0x13, 0),
                 to_half = VOP(VPP_66, VMAP_0F3A, 0x1d, 0);
    bool packed = is_packed(op), widen = packed ? op->opc == TCG_OP_vfcvtl : op->sz != MO_16;
    unsigned a = o[1].reg, t = o[2].reg, u = o[3].reg;

    if (!packed && widen) {
        x86_v3c(g, VOP_PAND, t, a, x86_const128(g, 0xffff, 0));
        a = t;
    } else if (!packed) { /* INSERTPS: lanes 1 to 3 become zero */
        x86_v3i(g, VOP(VPP_66, VMAP_0F3A, 0x21, 0), t, a, a, 0x0e);
        a = t;
    }
    if (!widen) {
        if (x86_fp_check(g)) {
            may_trap(g);
            slow_if_unordered(g, op, o, MO_32, a, a, u);
        }
        may_trap(g);
        x86_v3i(g, to_half, a, X86_NO_REG, u, 4); /* modrm.reg is the source */
        slow_if_smallest_normal(g, op, o, u, t);
        x86_vmov(g, o[0].reg, u);
        return;
    }
    may_trap(g);
    x86_v3(g, to_single, t, X86_NO_REG, a);
    if (x86_fp_check(g)) {
        X86VOp cmp = VOP(VPP_NONE, VMAP_0F, 0xc2, 0) | VOP_NO_EVEX;

        x86_v3i(g, cmp, u, t, t, 3);
        x86_v3(g, VOP_PTEST, u, X86_NO_REG, u);
        x86_slow_path(g, JNE, op, o);
    }
    if (!packed && op->sz == MO_64) {
        x86_v3(g, VOP(VPP_NONE, VMAP_0F, 0x5a, 0), o[0].reg, X86_NO_REG, t);
    } else {
        x86_vmov(g, o[0].reg, t);
    }
}

/* float <-> double; NaN payloads are carried as the guest carries them */
static void emit_fcvt(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    if (op->sz == MO_16 || op->imm == MO_16) {
        emit_half(g, op, o);
        return;
    }
    X86VOp insn = scalar_op(g, 0x5a, op->imm);
    unsigned a = o[1].reg, vvvv = g->zero_above ? X86_NO_REG : a;
    unsigned d = looks_at_result(g, op) ? o[2].reg : o[0].reg;

    may_trap(g);
    x86_v3(g, insn, d, vvvv, a);
    if (looks_at_result(g, op)) {
        checked_result(g, op, o, op->sz, d, o[3].reg);
    }
}

static void emit_vfcvt(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    if (op->sz == MO_16) {
        emit_half(g, op, o);
        return;
    }
    bool widen = op->opc == TCG_OP_vfcvtl;
    X86VOp insn = widen ? VOP(VPP_NONE, VMAP_0F, 0x5a, 0) : VOP(VPP_66, VMAP_0F, 0x5a, VOP_EW);
    unsigned d = looks_at_result(g, op) ? o[2].reg : o[0].reg;

    may_trap(g);
    x86_v3(g, insn, d, X86_NO_REG, o[1].reg);
    if (looks_at_result(g, op)) {
        checked_result(g, op, o, widen ? MO_64 : MO_32, d, o[3].reg);
    }
}

static void test_reg(X86Gen *g, unsigned reg)
{
    x86_rr(g, X_TEST | X_W, (int)reg, (int)reg);
}

/* cmp r, imm8 sign-extended */
static void cmp_imm8(X86Gen *g, bool wide, unsigned r, int imm)
{
    unsigned rex = (wide ? 8 : 0) | (r & 8) >> 3;

    if (rex) {
        x86_put8(g, 0x40 | rex);
    }
    x86_put8(g, 0x83);
    x86_put8(g, 0xf8 | (r & 7));
    x86_put8(g, imm & 0xff);
}

/*
 * Truncation of a value that was rounded before if the mode asks for it. Out of range and NaN give
 * the host's "indefinite" integer and raise invalid; the guest saturates.
 */
static void scale_up(X86Gen *g, unsigned sz, unsigned d, unsigned a, unsigned fbits)
{
    uint64_t c = lanes(sz, sz == MO_64 ? (uint64_t)(1023 + fbits) << 52 : (127 + fbits) << 23);

    /* too large a product is no overflow: it raises nothing here, and invalid as an integer */
    x86_v3c(g, VOP_MOVDQA, d, X86_NO_REG, x86_const128(g, c, c));
    x86_v3(g, fp_op(0x59, sz, false) | VOP_EVEX | VOP_RN_SAE, d, a, d);
}

static void emit_ftoi(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned fmt = TCG_FTOI_FMT(op->imm), mode = TCG_FTOI_MODE(op->imm), a = o[1].reg, t = o[2].reg;
    bool uns = TCG_FTOI_UNSIGNED(op->imm), wide = op->sz == MO_64;
    bool by_signed = uns && !x86_has(X86_AVX512);
    unsigned pp = fmt == MO_64 ? VPP_F2 : VPP_F3, d = o[0].reg, rounded = a;
    X86VOp insn =
        by_signed ? VOP(pp, VMAP_0F, 0x2c, VOP_W)
                  : VOP(pp, VMAP_0F, uns ? 0x78 : 0x2c, (wide ? VOP_W : 0) | (uns ? VOP_EVEX : 0));

    catch_denormal(g, fmt, false, a, t);
    if (TCG_FTOI_FBITS(op->imm)) {
        scale_up(g, fmt, t, a, TCG_FTOI_FBITS(op->imm));
        a = rounded = t;
    }
    if (by_signed ||
        mode != FLOAT_ROUND_TO_ZERO) { /* quietly: what is out of range is not inexact too */
        round_quietly(g, op, o, fmt, false, t, a, t, o[3].reg);
        rounded = t;
    }
    if (by_signed && wide) { /* what is invalid only for the host */
        uint64_t limit = lanes(fmt, fmt == MO_64 ? 0x43e0ull << 48 : 0x5f000000);

        may_trap(g);
        x86_v3c(g, fmt == MO_64 ? VOP_UCOMISD : VOP_UCOMISS, rounded, X86_NO_REG,
                x86_const128(g, limit, limit));
        x86_slow_path(g, JAE, op, o);
    }
    may_trap(g);
    /* modrm.reg is the general register here, modrm.rm the vector one */
    if (uns) {
        x86_v3k(g, insn, d, X86_NO_REG, rounded, 0, false, -1);
    } else {
        x86_v3(g, insn, d, X86_NO_REG, rounded);
    }
    if (by_signed) { /* negative, or indefinite; or more than 32 bits */
        unsigned n = d;

        if (!wide) {
            n = o[4].reg;
            x86_mov_rr(g, X_W, (int)n, (int)d);
            x86_shift_i(g, X_SHR, X_W, (int)n, 32);
        }
        test_reg(g, n);
        x86_slow_path(g, wide ? JS : JNE, op, o);
    } else if (x86_fp_check(g)) {
        cmp_imm8(g, wide, d, uns ? -1 : 1); /* x - 1 overflows for MIN only */
        x86_slow_path(g, uns ? JE : JO, op, o);
    }
    if (rounded != a && !g->s->fp_flush) {
        round_insn(g, fmt, false, t, a, 3); /* for the inexact flag */
    }
}

/* d = a * 2^-fbits: exact, for a is an integer */
static void scale_down(X86Gen *g, unsigned sz, bool packed, unsigned d, unsigned a, unsigned fbits)
{
    if (fbits) {
        uint64_t c = lanes(sz, sz == MO_64 ? (uint64_t)(1023 - fbits) << 52 : (127 - fbits) << 23);

        x86_v3c(g, fp_op(0x59, sz, packed), d, a, x86_const128(g, c, c));
    } else {
        x86_vmov(g, d, a);
    }
}

static void emit_itof(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    bool uns = TCG_ITOF_UNSIGNED(op->imm), wide = TCG_ITOF_SIZE(op->imm) == MO_64;
    unsigned pp = op->sz == MO_64 ? VPP_F2 : VPP_F3, d = o[0].reg, a = o[1].reg;

    unsigned t = g->s->fp_flush ? o[2].reg : d; /* a trap must find d as it was */

    if (uns && !x86_has(X86_AVX512)) {
        if (wide) { /* the upper half of them is rare */
            test_reg(g, a);
            x86_slow_path(g, JS, op, o);
        } else {
            x86_rr(g, X_MOV_LOAD, o[3].reg, (int)a);
            a = o[3].reg;
            wide = true;
        }
        uns = false;
    }
    X86VOp insn = VOP(pp, VMAP_0F, uns ? 0x7b : 0x2a, (wide ? VOP_W : 0) | (uns ? VOP_EVEX : 0));

    x86_v3(g, VOP_PXOR, t, t, t); /* the upper lanes come from the first source: no dependence */
    may_be_inexact(g);
    x86_v_gpr(g, insn, t, t, (int)a, -1);
    scale_down(g, op->sz, false, d, t, TCG_ITOF_FBITS(op->imm));
}

static void emit_vfcmp(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    /* EQ_OQ, GE_OS, GT_OS; the last two by swapped LE_OS, LT_OS that legacy SSE has too */
    unsigned predicate = op->cond == TCG_COND_EQ ? 0 : op->cond == TCG_COND_GE ? 2 : 1;
    bool swap = predicate != 0;

    catch_denormals_alone(g, op->sz, true, o[1].reg, o[2].reg, o[3].reg);
    X86VOp insn =
        (op->sz == MO_64 ? VOP(VPP_66, VMAP_0F, 0xc2, VOP_EW) : VOP(VPP_NONE, VMAP_0F, 0xc2, 0)) |
        VOP_NO_EVEX;
    unsigned a = o[swap ? 2 : 1].reg, b = o[swap ? 1 : 2].reg, d = o[0].reg;

    may_trap(g);
    x86_v3i(g, insn, d, a, b, predicate);
}

static void emit_vftoi(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned mode = TCG_FTOI_MODE(op->imm), a = o[1].reg, t = o[2].reg, u = o[3].reg, rounded = a;
    bool uns = TCG_FTOI_UNSIGNED(op->imm), wide = op->sz == MO_64;
    X86VOp insn = wide  ? VOP(VPP_66, VMAP_0F, uns ? 0x78 : 0x7a, VOP_EVEX | VOP_EW)
                  : uns ? VOP(VPP_NONE, VMAP_0F, 0x78, VOP_EVEX)
                        : VOP(VPP_F3, VMAP_0F, 0x5b, 0);
    uint64_t bad = uns ? ~0ull : wide ? 1ull << 63 : 0x8000000080000000ull;

    catch_denormal(g, op->sz, true, a, t);
    if (mode != FLOAT_ROUND_TO_ZERO) {
        round_quietly(g, op, o, op->sz, true, u, a, t, u);
        rounded = u;
    }
    may_trap(g);
    x86_v3(g, insn, t, X86_NO_REG, rounded);
    if (x86_fp_check(g)) {
        X86VOp cmpeq = wide ? VOP(VPP_66, VMAP_0F38, 0x29, VOP_NO_EVEX)
                            : VOP(VPP_66, VMAP_0F, 0x76, VOP_NO_EVEX);
        x86_v3c(g, VOP_MOVDQA, u, X86_NO_REG, x86_const128(g, bad, bad));
        x86_v3(g, cmpeq, u, u, t);
        x86_v3(g, VOP_PTEST, u, X86_NO_REG, u);
        x86_slow_path(g, JNE, op, o);
    }
    if (rounded != a && !g->s->fp_flush) {
        round_insn(g, op->sz, true, u, a, 3); /* for the inexact flag */
    }
    x86_vmov(g, o[0].reg, t);
}

static void emit_vitof(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    bool uns = TCG_ITOF_UNSIGNED(op->imm);
    X86VOp insn = op->sz == MO_64 ? VOP(VPP_F3, VMAP_0F, uns ? 0x7a : 0xe6, VOP_EVEX | VOP_EW)
                  : uns           ? VOP(VPP_F2, VMAP_0F, 0x7a, VOP_EVEX)
                                  : VOP(VPP_NONE, VMAP_0F, 0x5b, 0);

    may_be_inexact(g);
    x86_v3(g, insn, o[0].reg, X86_NO_REG, o[1].reg);
    scale_down(g, op->sz, true, o[0].reg, o[0].reg, TCG_ITOF_FBITS(op->imm));
}

/* COMIS raises invalid for quiet NaNs too, UCOMIS for signalling ones only: as the guest's two
 * kinds. */
static void emit_fcmp(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned opcode = op->imm & 1 ? 0x2f : 0x2e;
    X86VOp insn =
        op->sz == MO_64 ? VOP(VPP_66, VMAP_0F, opcode, VOP_EW) : VOP(VPP_NONE, VMAP_0F, opcode, 0);

    if (g->s->fp_flush) {
        unsigned b = o[2].reg;

        if (o[2].kind != X86_REG) {
            b = o[3].reg;
            x86_v3o(g, VOP_MOVDQA, b, X86_NO_REG, &o[2]);
        }
        catch_denormals_alone(g, op->sz, false, o[1].reg, b, o[3].reg);
    }
    may_trap(g);
    x86_v3o(g, insn, o[1].reg, X86_NO_REG, &o[2]);
    x86_flags_set(g, X86_FL_FCMP);
}

static void emit_fsel(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    X86Cond c = g->cond;
    unsigned t = o[4].reg;
    int chosen = x86_new_local(g), other = x86_new_local(g);

    (void)op;
    x86_vmov(g, t, o[2].reg);
    if (c.second >= 0 && c.both) {
        x86_jcc_local(g, c.cc ^ 1, other);
        x86_jcc_local(g, c.second, chosen);
    } else {
        x86_jcc_local(g, c.cc, chosen);
        if (c.second >= 0) {
            x86_jcc_local(g, c.second, chosen);
        }
    }
    x86_bind_local(g, other);
    x86_vmov(g, t, o[3].reg);
    x86_bind_local(g, chosen);
    if (g->zero_above == 1 + MO_64) {
        x86_v3(g, VOP_MOVQ, o[0].reg, X86_NO_REG, t);
    } else if (g->zero_above) { /* INSERTPS: all lanes but 0 become zero */
        x86_v3i(g, VOP(VPP_66, VMAP_0F3A, 0x21, 0), o[0].reg, t, t, 0x0e);
    } else {
        x86_vmov(g, o[0].reg, t);
    }
}

bool x86_fp_check(const X86Gen *g)
{
    return g->tb->cflags & CF_FP_CHECK || g->s->fp_default_nan || g->s->fp_flush;
}

/* ---- what this host does exactly
 * --------------------------------------------------------------------------------- */

bool x86_is_fp_op(const TCGOp *op)
{
    return tcg_op_defs[op->opc].flags & TCG_OPF_SZ_FP || op->opc == TCG_OP_ftoi;
}

bool x86_fp_rule_applies(const TCGOp *op)
{
    bool avx512 = x86_has(X86_AVX512);

    bool f16c = x86_has(X86_F16C);

    switch (op->opc) {
    case TCG_OP_fneg:
    case TCG_OP_fabs:
    case TCG_OP_vfneg:
    case TCG_OP_vfabs:
        return true;
    case TCG_OP_vfcvtl:
    case TCG_OP_vfcvtn:
        return op->sz == MO_32 || f16c;
    case TCG_OP_fcvt: /* from double to half would round twice */
        return (op->sz != MO_16 && op->imm != MO_16) ||
               (f16c && (op->imm == MO_16 || op->imm == MO_32));
    default:
        break;
    }
    if (op->sz == MO_16) {
        return false;
    }
    switch (op->opc) {
    case TCG_OP_fround:
    case TCG_OP_vfround:
        return TCG_ROUND_MODE(op->imm) == FLOAT_ROUND_TIES_AWAY
                   ? !TCG_ROUND_EXACT(op->imm)
                   : has_rounding(TCG_ROUND_MODE(op->imm));
    case TCG_OP_ftoi:
        return TCG_FTOI_FMT(op->imm) != MO_16 && has_rounding(TCG_FTOI_MODE(op->imm)) &&
               (!TCG_FTOI_FBITS(op->imm) ||
                (avx512 && TCG_FTOI_MODE(op->imm) == FLOAT_ROUND_TO_ZERO));
    case TCG_OP_vftoi:
        return !TCG_FTOI_FBITS(op->imm) && has_rounding(TCG_FTOI_MODE(op->imm)) &&
               (avx512 || (op->sz == MO_32 && !TCG_FTOI_UNSIGNED(op->imm)));
    case TCG_OP_vitof:
        return avx512 || (op->sz == MO_32 && !TCG_ITOF_UNSIGNED(op->imm));
    default:
        return true;
    }
}

bool x86_fp_zeroes_above(const X86Gen *g, const TCGOp *op)
{
    switch (op->opc) {
    case TCG_OP_itof: /* converts into a zeroed register */
    case TCG_OP_fabs:
    case TCG_OP_fsel:
        return true;
    case TCG_OP_fadd ... TCG_OP_fmaxnm:
    case TCG_OP_fneg:
    case TCG_OP_fcvt:
        return x86_has(X86_AVX512) && !x86_fp_check(g);
    default:
        return false;
    }
}

/* Where the host traps, these are not followed by a comparison. */
bool x86_fp_keeps_flags(const X86Gen *g, const TCGOp *op)
{
    static const uint8_t plain[TCG_OP_COUNT] = {
        [TCG_OP_fadd... TCG_OP_fsqrt] = 1,
        [TCG_OP_fmin... TCG_OP_fmaxnm] = 1,
        [TCG_OP_fcvt] = 1,
        [TCG_OP_vfadd... TCG_OP_vfsqrt] = 1,
        [TCG_OP_vfmin... TCG_OP_vfmaxnm] = 1,
    };

    return plain[op->opc] && !compares(g, op);
}

static void rule(unsigned opc, X86EmitFn *emit, unsigned vscratch, unsigned flags)
{
    if (!x86_has(X86_AVX)) {
        flags = (flags & ~X86R_MEM_LAST) | X86R_EARLY;
    }
    x86_rules[opc] = (X86OpRule){ .emit = emit, .flags = flags, .vscratch = vscratch };
}

void x86_fp_rules_init(void)
{
    static const uint8_t arith[] = { TCG_OP_fadd,  TCG_OP_fsub,  TCG_OP_fmul,  TCG_OP_fdiv,
                                     TCG_OP_vfadd, TCG_OP_vfsub, TCG_OP_vfmul, TCG_OP_vfdiv };
    static const uint8_t minmax[] = { TCG_OP_fmin,  TCG_OP_fmax,  TCG_OP_fminnm,  TCG_OP_fmaxnm,
                                      TCG_OP_vfmin, TCG_OP_vfmax, TCG_OP_vfminnm, TCG_OP_vfmaxnm };

    for (size_t n = 0; n < G_N_ELEMENTS(arith); n++) {
        rule(arith[n], emit_arith, 2, X86R_MEM_LAST | X86R_FLAGS);
    }
    for (size_t n = 0; n < G_N_ELEMENTS(minmax); n++) {
        rule(minmax[n], emit_minmax, 2, X86R_FLAGS);
    }
    rule(TCG_OP_fsqrt, emit_sqrt, 2, X86R_FLAGS);
    rule(TCG_OP_vfsqrt, emit_sqrt, 2, X86R_FLAGS);
    if (x86_has(X86_FMA)) {
        rule(TCG_OP_fmadd, emit_fmadd, 2, X86R_FLAGS);
        rule(TCG_OP_vfmadd, emit_fmadd, 2, X86R_FLAGS);
    }
    rule(TCG_OP_fneg, emit_sign, 0, 0);
    rule(TCG_OP_fabs, emit_sign, 0, 0);
    rule(TCG_OP_vfneg, emit_sign, 0, 0);
    rule(TCG_OP_vfabs, emit_sign, 0, 0);
    rule(TCG_OP_fround, emit_fround, 2, X86R_FLAGS);
    rule(TCG_OP_vfround, emit_fround, 2, X86R_FLAGS);
    rule(TCG_OP_fcvt, emit_fcvt, 2, X86R_FLAGS);
    rule(TCG_OP_vfcvtl, emit_vfcvt, 2, X86R_FLAGS);
    rule(TCG_OP_vfcvtn, emit_vfcvt, 2, X86R_FLAGS);
    rule(TCG_OP_ftoi, emit_ftoi, 2, X86R_FLAGS);
    rule(TCG_OP_itof, emit_itof, 1, 0);
    if (!x86_has(X86_AVX512)) { /* unsigned ones by signed ones of 64 bits */
        x86_rules[TCG_OP_itof].flags |= X86R_FLAGS;
        x86_rules[TCG_OP_itof].iscratch = x86_rules[TCG_OP_ftoi].iscratch = 1;
    }
    rule(TCG_OP_vftoi, emit_vftoi, 2, X86R_FLAGS);
    rule(TCG_OP_vitof, emit_vitof, 0, 0);
    rule(TCG_OP_vfcmp, emit_vfcmp, 1, 0);
    rule(TCG_OP_fcmp, emit_fcmp, 1, X86R_MEM_LAST | X86R_FLAGS | X86R_CC_OUT);
    rule(TCG_OP_fsel, emit_fsel, 1, X86R_CC_IN);
}
