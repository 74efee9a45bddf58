/* SPDX-License-Identifier: MIT */
/*
 * Inside of fpu/: floating-point numbers taken apart, whatever their format.
 *
 * An operation unpacks its operands, computes a result exactly but for a sticky last bit, and has
 * that rounded and packed once. So each operation is written once, and a format is a table row.
 */
#ifndef FPU_PARTS_H
#define FPU_PARTS_H

#include "fpu/softfloat.h"

typedef unsigned __int128 uint128;

typedef enum FlushRule {
    FLUSH_BY_FZ,   /* FloatStatus.flush_to_zero, flush_inputs_to_zero */
    FLUSH_BY_FZ16, /* FloatStatus.flush_fp16 */
    FLUSH_NEVER,
} FlushRule;

typedef struct FloatFormat {
    uint8_t exp_bits, frac_bits;
    uint8_t flush; /* FlushRule */
    bool finite;   /* the largest exponent is an ordinary one: no infinities, no NaNs */
} FloatFormat;

/* float16_convert and float16_alternative are what conversions between formats use. */
extern const FloatFormat float16_format, float16_convert, float16_alternative, bfloat16_format,
    float32_format, float64_format, float128_format;

typedef enum FloatClass { /* in this order: what is >= CLASS_QNAN is a NaN */
                          CLASS_ZERO,
                          CLASS_NORMAL,
                          CLASS_INF,
                          CLASS_QNAN,
                          CLASS_SNAN,
} FloatClass;

/*
 * A CLASS_NORMAL is frac * 2^(exp - 127), bit 127 of frac being set; denormals are normalised. At
 * least the 14 lowest bits of an operand's frac are zero. In a result the lowest may be sticky:
 * it stands for anything nonzero below. A NaN has its payload below bit 127, bit 126 says quiet.
 */
typedef struct FloatParts {
    uint128 frac;
    int32_t exp;
    uint8_t cls; /* FloatClass */
    bool sign;
} FloatParts;

#define FRAC_ONE ((uint128)1 << 127)

static inline int uint128_clz(uint128 x) /* x != 0 */
{
    uint64_t hi = x >> 64;

    return hi ? __builtin_clzll(hi) : 64 + __builtin_clzll((uint64_t)x);
}

/* Shifts right by n >= 0; what falls out is kept as a sticky last bit. */
static inline uint128 shift_right_jam(uint128 x, int n)
{
    if (n == 0) {
        return x;
    }
    return n < 128 ? x >> n | ((x << (128 - n)) != 0) : x != 0;
}

static inline bool parts_is_nan(FloatParts p)
{
    return p.cls >= CLASS_QNAN;
}

static inline bool is_inf_times_zero(FloatParts a, FloatParts b)
{
    return (a.cls == CLASS_INF && b.cls == CLASS_ZERO) ||
           (a.cls == CLASS_ZERO && b.cls == CLASS_INF);
}

static inline FloatParts parts_zero(bool sign)
{
    return (FloatParts){ .cls = CLASS_ZERO, .sign = sign };
}

static inline FloatParts parts_inf(bool sign)
{
    return (FloatParts){ .cls = CLASS_INF, .sign = sign };
}

/* v * 2^-fbits with a sign */
FloatParts parts_from_uint128(uint128 v, int fbits, bool sign);

FloatParts parts_unpack(const FloatFormat *f, uint128 raw, FloatStatus *s);
uint128 parts_round_pack(const FloatFormat *f, FloatParts p, FloatStatus *s);

/* Rounds x >> drop (0 < drop < 128) and says if that lost anything. */
uint128 round_shift(uint128 x, int drop, bool sign, FloatRoundMode mode, bool *inexact);

/* The NaN that comes of an operation with no NaN operand; raises INVALID. */
FloatParts parts_invalid(FloatStatus *s);
FloatParts parts_default_nan(const FloatStatus *s);

/* The NaN that comes of operands of which one or more is a NaN. */
FloatParts parts_propagate1(FloatParts a, FloatStatus *s);
FloatParts parts_propagate2(FloatParts a, FloatParts b, FloatStatus *s);
FloatParts parts_propagate3(FloatParts a, FloatParts b, FloatParts c, FloatStatus *s);

/* True if the negations of T_muladd reach NaN operands. */
bool nan_rule_negates(const FloatStatus *s);

/*
 * Arithmetic: the results are still to be rounded. `bits` is the number of result bits wanted
 * ahead of the sticky one, see result_bits.
 */
FloatParts parts_add(FloatParts a, FloatParts b, bool subtract, FloatStatus *s);
FloatParts parts_mul(FloatParts a, FloatParts b, FloatStatus *s);
FloatParts parts_div(FloatParts a, FloatParts b, int bits, FloatStatus *s);
FloatParts parts_sqrt(FloatParts a, int bits, FloatStatus *s);
FloatParts parts_muladd(FloatParts a, FloatParts b, FloatParts c, int flags, FloatStatus *s);

static inline int result_bits(const FloatFormat *f)
{
    return f->frac_bits + 3; /* the leading one, a bit to round by, one to spare */
}

FloatRelation parts_compare(FloatParts a, FloatParts b, bool quiet, FloatStatus *s);

enum {
    MINMAX_MAX = 1,
    MINMAX_NUMBER = 2, /* a number wins over a quiet NaN */
};
FloatParts parts_minmax(FloatParts a, FloatParts b, int flags, FloatStatus *s);

FloatParts parts_round_to_int(FloatParts a, FloatRoundMode mode, bool exact, FloatStatus *s);
FloatParts parts_round_to_sized_int(FloatParts a, FloatRoundMode mode, int bits, FloatStatus *s);

/* a * 2^fbits as an integer from -min to max, saturated; two's complement */
uint64_t parts_to_integer(FloatParts a, FloatRoundMode mode, int fbits, uint64_t min, uint64_t max,
                          FloatStatus *s);

FloatParts parts_mulx(FloatParts a, FloatParts b, FloatStatus *s);
FloatParts parts_recps(FloatParts a, FloatParts b, FloatStatus *s);
FloatParts parts_rsqrts(FloatParts a, FloatParts b, FloatStatus *s);
FloatParts parts_recpe(FloatParts a, FloatStatus *s);
FloatParts parts_rsqrte(FloatParts a, FloatStatus *s);
uint64_t float_recpx(const FloatFormat *f, uint64_t raw, FloatStatus *s);

#endif
