/* SPDX-License-Identifier: MIT */
/* Formats taken apart and put together again: unpacking, rounding, NaNs. */
#include <stddef.h>

#include "fpu/parts.h"

/* clang-format off */
const FloatFormat float16_format      = {  5,  10, FLUSH_BY_FZ16, false };
const FloatFormat float16_convert     = {  5,  10, FLUSH_NEVER,   false };
const FloatFormat float16_alternative = {  5,  10, FLUSH_NEVER,   true  };
const FloatFormat bfloat16_format     = {  8,   7, FLUSH_BY_FZ,   false };
const FloatFormat float32_format      = {  8,  23, FLUSH_BY_FZ,   false };
const FloatFormat float64_format      = { 11,  52, FLUSH_BY_FZ,   false };
const FloatFormat float128_format     = { 15, 112, FLUSH_BY_FZ,   false };

typedef enum InvalidProduct { /* what infinity * 0 + a quiet NaN is */
    PRODUCT_WINS,             /* the default NaN and INVALID */
    PRODUCT_RAISES,           /* the quiet NaN and INVALID */
    PRODUCT_IGNORED,          /* the quiet NaN */
} InvalidProduct;

typedef struct NaNRule {
    bool default_negative;
    bool signaling_first;
    bool negates;              /* see nan_rule_negates */
    uint8_t invalid_product;   /* InvalidProduct */
    uint8_t order[3];          /* in which the operands of a * b + c are looked at */
} NaNRule;

static const NaNRule nan_rules[] = {
    [FLOAT_NAN_ARM] = { false, true,  true,  PRODUCT_WINS,    { 2, 0, 1 } },
    [FLOAT_NAN_X86] = { true,  false, false, PRODUCT_IGNORED, { 0, 1, 2 } },
    [FLOAT_NAN_PPC] = { false, false, false, PRODUCT_RAISES,  { 0, 2, 1 } },
};
/* clang-format on */

bool nan_rule_negates(const FloatStatus *s)
{
    return nan_rules[s->nan_rule].negates;
}

FloatParts parts_default_nan(const FloatStatus *s)
{
    return (FloatParts){ .cls = CLASS_QNAN,
                         .frac = FRAC_ONE >> 1,
                         .sign = nan_rules[s->nan_rule].default_negative };
}

FloatParts parts_invalid(FloatStatus *s)
{
    s->flags |= FLOAT_FLAG_INVALID;
    return parts_default_nan(s);
}

static FloatParts propagate(const FloatParts *ops, int n, FloatStatus *s)
{
    const FloatParts *quiet = NULL, *signaling = NULL, *nan;

    for (int i = n - 1; i >= 0; i--) {
        if (ops[i].cls == CLASS_SNAN) {
            signaling = &ops[i];
        } else if (ops[i].cls == CLASS_QNAN) {
            quiet = &ops[i];
        }
    }
    if (signaling) {
        s->flags |= FLOAT_FLAG_INVALID;
    }
    if (s->default_nan) {
        return parts_default_nan(s);
    }
    if (!signaling || !quiet) {
        nan = signaling ? signaling : quiet;
    } else if (nan_rules[s->nan_rule].signaling_first) {
        nan = signaling;
    } else {
        nan = signaling < quiet ? signaling : quiet;
    }
    return (FloatParts){ .cls = CLASS_QNAN, .frac = nan->frac | FRAC_ONE >> 1, .sign = nan->sign };
}

FloatParts parts_propagate1(FloatParts a, FloatStatus *s)
{
    return propagate(&a, 1, s);
}

FloatParts parts_propagate2(FloatParts a, FloatParts b, FloatStatus *s)
{
    return propagate((FloatParts[]){ a, b }, 2, s);
}

FloatParts parts_propagate3(FloatParts a, FloatParts b, FloatParts c, FloatStatus *s)
{
    const NaNRule *rule = &nan_rules[s->nan_rule];
    const FloatParts ops[3] = { a, b, c };
    FloatParts ordered[3];

    if (c.cls == CLASS_QNAN && is_inf_times_zero(a, b) &&
        rule->invalid_product != PRODUCT_IGNORED) {
        s->flags |= FLOAT_FLAG_INVALID;
        if (rule->invalid_product == PRODUCT_WINS) {
            return parts_default_nan(s);
        }
    }
    for (int i = 0; i < 3; i++) {
        ordered[i] = ops[rule->order[i]];
    }
    return propagate(ordered, 3, s);
}

FloatParts parts_from_uint128(uint128 v, int fbits, bool sign)
{
    int shift;

    if (v == 0) {
        return parts_zero(sign);
    }
    shift = uint128_clz(v);
    return (FloatParts){
        .cls = CLASS_NORMAL, .frac = v << shift, .exp = 127 - shift - fbits, .sign = sign
    };
}

static int bias(const FloatFormat *f)
{
    return (1 << (f->exp_bits - 1)) - 1;
}

FloatParts parts_unpack(const FloatFormat *f, uint128 raw, FloatStatus *s)
{
    uint128 frac = raw & (((uint128)1 << f->frac_bits) - 1);
    int max_exp = (1 << f->exp_bits) - 1;
    int exp = (int)(raw >> f->frac_bits) & max_exp;
    bool sign = raw >> (f->frac_bits + f->exp_bits) & 1;
    FloatParts p;

    if (exp == max_exp && !f->finite) {
        if (frac == 0) {
            return parts_inf(sign);
        }
        frac <<= 127 - f->frac_bits;
        return (
            FloatParts){ .cls = frac >> 126 ? CLASS_QNAN : CLASS_SNAN, .frac = frac, .sign = sign };
    }
    if (exp != 0) {
        return (FloatParts){ .cls = CLASS_NORMAL,
                             .frac = FRAC_ONE | frac << (127 - f->frac_bits),
                             .exp = exp - bias(f),
                             .sign = sign };
    }
    p = parts_from_uint128(frac, bias(f) - 1 + f->frac_bits, sign);
    if (p.cls == CLASS_NORMAL) {
        if (f->flush == FLUSH_BY_FZ && s->flush_inputs_to_zero) {
            s->flags |= FLOAT_FLAG_INPUT_DENORMAL;
            return parts_zero(sign);
        }
        if (f->flush == FLUSH_BY_FZ16 && s->flush_fp16) {
            return parts_zero(sign);
        }
    }
    return p;
}

uint128 round_shift(uint128 x, int drop, bool sign, FloatRoundMode mode, bool *inexact)
{
    uint128 rest = x & (((uint128)1 << drop) - 1), half = (uint128)1 << (drop - 1), v = x >> drop;

    *inexact = rest != 0;
    switch (mode) {
    case FLOAT_ROUND_NEAREST_EVEN:
        return v + (rest > half || (rest == half && (v & 1)));
    case FLOAT_ROUND_UP:
        return v + (*inexact && !sign);
    case FLOAT_ROUND_DOWN:
        return v + (*inexact && sign);
    case FLOAT_ROUND_TO_ZERO:
        return v;
    case FLOAT_ROUND_TIES_AWAY:
        return v + (rest >= half);
    case FLOAT_ROUND_TO_ODD:
        return v | *inexact;
    }
    __builtin_unreachable();
}

static bool overflows_to_inf(FloatRoundMode mode, bool sign)
{
    switch (mode) {
    case FLOAT_ROUND_NEAREST_EVEN:
    case FLOAT_ROUND_TIES_AWAY:
        return true;
    case FLOAT_ROUND_UP:
        return !sign;
    case FLOAT_ROUND_DOWN:
        return sign;
    case FLOAT_ROUND_TO_ZERO:
    case FLOAT_ROUND_TO_ODD:
        return false;
    }
    __builtin_unreachable();
}

/* The result is too large, or an infinity or NaN in a format that has none. */
static uint128 pack_overflow(const FloatFormat *f, bool sign, FloatStatus *s)
{
    uint128 inf = ((((uint128)1 << f->exp_bits) - 1) << f->frac_bits);

    if (f->finite) {
        s->flags |= FLOAT_FLAG_INVALID;
        return ((uint128)1 << (f->exp_bits + f->frac_bits)) - 1;
    }
    s->flags |= FLOAT_FLAG_OVERFLOW | FLOAT_FLAG_INEXACT;
    return inf - !overflows_to_inf(s->round_mode, sign);
}

static bool flushes_results(const FloatFormat *f, const FloatStatus *s)
{
    return f->flush == FLUSH_BY_FZ ? s->flush_to_zero : f->flush == FLUSH_BY_FZ16 && s->flush_fp16;
}

/* A number without its sign; exponents far out of range are welcome. */
static uint128 pack_normal(const FloatFormat *f, FloatParts p, FloatStatus *s)
{
    int drop = 127 - f->frac_bits, min_exp = 1 - bias(f);
    int max_exp = bias(f) + f->finite, exp = p.exp;
    bool inexact, tiny = exp < min_exp;
    uint128 frac = p.frac, raw;

    if (tiny) {
        if (flushes_results(f, s)) {
            s->flags |= FLOAT_FLAG_UNDERFLOW;
            return 0;
        }
        if (exp == min_exp - 1 && !s->tininess_before_rounding) {
            tiny =
                round_shift(frac, drop, p.sign, s->round_mode, &inexact) >> (f->frac_bits + 1) == 0;
        }
        frac = shift_right_jam(frac, min_exp - exp);
        exp = min_exp;
    } else if (exp > max_exp) {
        return pack_overflow(f, p.sign, s);
    }
    /* The leading one, if there, adds 1 to the exponent; so does a carry out of the fraction. */
    raw = ((uint128)(exp - min_exp) << f->frac_bits) +
          round_shift(frac, drop, p.sign, s->round_mode, &inexact);
    if (raw >> f->frac_bits > (uint128)(max_exp - min_exp + 1)) {
        return pack_overflow(f, p.sign, s);
    }
    if (inexact) {
        s->flags |= FLOAT_FLAG_INEXACT | (tiny ? FLOAT_FLAG_UNDERFLOW : 0);
    }
    return raw;
}

uint128 parts_round_pack(const FloatFormat *f, FloatParts p, FloatStatus *s)
{
    uint128 sign = (uint128)p.sign << (f->exp_bits + f->frac_bits);
    uint128 inf = ((((uint128)1 << f->exp_bits) - 1) << f->frac_bits);

    switch ((FloatClass)p.cls) {
    case CLASS_ZERO:
        return sign;
    case CLASS_NORMAL:
        return sign | pack_normal(f, p, s);
    case CLASS_INF:
        return sign | (f->finite ? pack_overflow(f, p.sign, s) : inf);
    case CLASS_QNAN:
    case CLASS_SNAN:
        if (f->finite) { /* Arm: a NaN becomes a zero of its sign */
            s->flags |= FLOAT_FLAG_INVALID;
            return sign;
        }
        return sign | inf | p.frac >> (127 - f->frac_bits);
    }
    __builtin_unreachable();
}
