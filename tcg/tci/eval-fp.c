/* SPDX-License-Identifier: MIT */
/*
 * Floating point, by fpu/. An operation is written once, for one lane; its scalar op applies it
 * to lane 0 and leaves zeros above, its vector op to all lanes.
 */
#include "fpu/softfloat.h"
#include "tcg/tci/eval.h"

typedef uint64_t LaneFn(uint64_t a, uint64_t b, uint64_t c, int64_t imm, FloatStatus *st);

static uint64_t get_lane(const TCGValue *v, unsigned sz, unsigned lane)
{
    return sz == MO_16 ? v->u16[lane] : sz == MO_32 ? v->u32[lane] : v->u64[lane];
}

static void set_lane(TCGValue *v, unsigned sz, unsigned lane, uint64_t x)
{
    if (sz == MO_16) {
        v->u16[lane] = x;
    } else if (sz == MO_32) {
        v->u32[lane] = x;
    } else {
        v->u64[lane] = x;
    }
}

/* fn[]: for binary16, 32, 64. */
static void on_lanes(const TCGOp *op, TCGValue *args, CPUState *cpu, int bytes, LaneFn *const fn[3])
{
    FloatStatus *st = cpu ? &cpu->fp_status : NULL; /* NULL: a sign op is folded */
    TCGValue d = { 0 };

    for (int i = 0; i < bytes >> op->sz; i++) {
        set_lane(&d, op->sz, i,
                 fn[op->sz - MO_16](get_lane(&args[1], op->sz, i), get_lane(&args[2], op->sz, i),
                                    get_lane(&args[3], op->sz, i), op->imm, st));
    }
    args[0] = d;
}

/* One formula on a, b, c, imm and st, in three formats: F##bits, I##bits are its types' names. */
#define LANE_FN(name, bits, expr)                                                  \
    static uint64_t name##_##bits(uint64_t a, uint64_t b, uint64_t c, int64_t imm, \
                                  FloatStatus *st)                                 \
    {                                                                              \
        (void)a, (void)b, (void)c, (void)imm, (void)st;                            \
        return expr;                                                               \
    }
#define FP_OP(name, expr16, expr32, expr64) \
    LANE_FN(name, 16, expr16)               \
    LANE_FN(name, 32, expr32)               \
    LANE_FN(name, 64, expr64)               \
    static LaneFn *const name##_fn[] = { name##_16, name##_32, name##_64 };
#define SCALAR(op_name, name)                            \
    EVAL(op_name)                                        \
    {                                                    \
        on_lanes(op, args, cpu, 1 << op->sz, name##_fn); \
    }
#define VECTOR(op_name, name)                   \
    EVAL(op_name)                               \
    {                                           \
        on_lanes(op, args, cpu, 16, name##_fn); \
    }
#define BOTH(name) SCALAR(f##name, name) VECTOR(vf##name, name)
#define ARITH(name, call)                                       \
    FP_OP(name, float16_##call, float32_##call, float64_##call) \
    BOTH(name)

static FloatRoundMode mode_of(int64_t imm, const FloatStatus *st)
{
    int mode = TCG_ROUND_MODE(imm);

    return mode == TCG_ROUND_CURRENT ? st->round_mode : (FloatRoundMode)mode;
}

ARITH(add, add(a, b, st))
ARITH(sub, sub(a, b, st))
ARITH(mul, mul(a, b, st))
ARITH(div, div(a, b, st))
ARITH(sqrt, sqrt(a, st))
ARITH(madd, muladd(a, b, c, imm, st))
ARITH(min, min(a, b, st))
ARITH(max, max(a, b, st))
ARITH(minnm, minnum(a, b, st))
ARITH(maxnm, maxnum(a, b, st))
ARITH(round, round_to_int(a, mode_of(imm, st), TCG_ROUND_EXACT(imm), st))
FP_OP(neg, a ^ 1u << 15, a ^ 1u << 31, a ^ 1ull << 63)
BOTH(neg)
FP_OP(abs, a & 0x7fff, a & 0x7fffffff, a & ~(1ull << 63))
BOTH(abs)

/* ---- comparison ---- */

static unsigned nzcv(FloatRelation r)
{
    switch (r) {
    case FLOAT_RELATION_LESS:
        return 8;
    case FLOAT_RELATION_EQUAL:
        return 6;
    case FLOAT_RELATION_GREATER:
        return 2;
    default:
        return 3;
    }
}

#define COMPARE(t) tcg_cc_pack(nzcv(imm ? t##_compare(a, b, st) : t##_compare_quiet(a, b, st)))
FP_OP(cmp, COMPARE(float16), COMPARE(float32), COMPARE(float64))

EVAL(fcmp)
{
    args[0].u64[0] = cmp_fn[op->sz - MO_16](
        get_lane(&args[1], op->sz, 0), get_lane(&args[2], op->sz, 0), 0, op->imm, &cpu->fp_status);
}

#define TRUE_IF(cond) ((cond) ? ~0ull : 0)
#define EQ(t)         TRUE_IF(t##_compare_quiet(a, b, st) == FLOAT_RELATION_EQUAL)
#define GT(t)         TRUE_IF(t##_compare(a, b, st) == FLOAT_RELATION_GREATER)
#define GE(t)         ge(t##_compare(a, b, st))

static uint64_t ge(FloatRelation r)
{
    return TRUE_IF(r == FLOAT_RELATION_GREATER || r == FLOAT_RELATION_EQUAL);
}

FP_OP(eq, EQ(float16), EQ(float32), EQ(float64))
FP_OP(gt, GT(float16), GT(float32), GT(float64))
FP_OP(ge, GE(float16), GE(float32), GE(float64))

EVAL(vfcmp)
{
    on_lanes(op, args, cpu, 16,
             op->cond == TCG_COND_EQ   ? eq_fn
             : op->cond == TCG_COND_GT ? gt_fn
                                       : ge_fn);
}

/* ---- to and from integers ---- */

#define TO_INT(t, bits)                                                                           \
    (TCG_FTOI_UNSIGNED(imm) ? (uint##bits##_t)t##_to_uint##bits##_scalbn(a, mode_of(imm, st),     \
                                                                         TCG_FTOI_FBITS(imm), st) \
                            : (uint##bits##_t)t##_to_int##bits##_scalbn(a, mode_of(imm, st),      \
                                                                        TCG_FTOI_FBITS(imm), st))
FP_OP(ftoi_lane, TO_INT(float16, 16), TO_INT(float32, 32), TO_INT(float64, 64))
VECTOR(vftoi, ftoi_lane)
FP_OP(ftoi32, TO_INT(float16, 32), TO_INT(float32, 32), TO_INT(float64, 32))
FP_OP(ftoi64, TO_INT(float16, 64), TO_INT(float32, 64), TO_INT(float64, 64))

EVAL(ftoi)
{
    int fmt = TCG_FTOI_FMT(op->imm);
    LaneFn *fn = op->sz == MO_32 ? ftoi32_fn[fmt - MO_16] : ftoi64_fn[fmt - MO_16];

    args[0].u64[0] = fn(get_lane(&args[1], fmt, 0), 0, 0, op->imm, &cpu->fp_status);
}

#define FROM_INT(t, bits)                                               \
    (TCG_ITOF_UNSIGNED(imm) ? uint64_to_##t(a, TCG_ITOF_FBITS(imm), st) \
                            : int64_to_##t((int##bits##_t)a, TCG_ITOF_FBITS(imm), st))
FP_OP(itof_lane, FROM_INT(float16, 16), FROM_INT(float32, 32), FROM_INT(float64, 64))
VECTOR(vitof, itof_lane)
FP_OP(itof_any, FROM_INT(float16, 64), FROM_INT(float32, 64), FROM_INT(float64, 64))

EVAL(itof)
{
    uint64_t a = args[1].u64[0];

    if (TCG_ITOF_SIZE(op->imm) == MO_32) {
        a = TCG_ITOF_UNSIGNED(op->imm) ? (uint32_t)a : (uint64_t)(int32_t)a;
    }
    uint64_t d = itof_any_fn[op->sz - MO_16](a, 0, 0, op->imm, &cpu->fp_status);
    args[0] = (TCGValue){ 0 };
    set_lane(&args[0], op->sz, 0, d);
}

/* ---- between formats ---- */

static uint64_t convert(unsigned to, unsigned from, uint64_t a, FloatStatus *st)
{
    switch (from * 4 + to) {
    case MO_16 * 4 + MO_32:
        return float16_to_float32(a, st);
    case MO_16 * 4 + MO_64:
        return float16_to_float64(a, st);
    case MO_32 * 4 + MO_16:
        return float32_to_float16(a, st);
    case MO_32 * 4 + MO_64:
        return float32_to_float64(a, st);
    case MO_64 * 4 + MO_16:
        return float64_to_float16(a, st);
    case MO_64 * 4 + MO_32:
        return float64_to_float32(a, st);
    default: /* the same format */
        return a;
    }
}

static void convert_lanes(TCGValue *args, unsigned to, unsigned from, int lanes, FloatStatus *st)
{
    TCGValue d = { 0 };

    for (int i = 0; i < lanes; i++) {
        set_lane(&d, to, i, convert(to, from, get_lane(&args[1], from, i), st));
    }
    args[0] = d;
}

EVAL(fcvt)
{
    convert_lanes(args, op->sz, op->imm, 1, &cpu->fp_status);
}

EVAL(vfcvtl)
{
    convert_lanes(args, op->sz + 1, op->sz, 8 >> op->sz, &cpu->fp_status);
}

EVAL(vfcvtn)
{
    convert_lanes(args, op->sz, op->sz + 1, 8 >> op->sz, &cpu->fp_status);
}

/* ---- moves ---- */

EVAL(fmov)
{
    UNUSED;
    args[0] = args[1];
}

EVAL(fsel)
{
    UNUSED;
    args[0] = tcg_cc_holds(op->cond, tcg_cc_unpack(args[1].u32[0])) ? args[2] : args[3];
}
