/* SPDX-License-Identifier: MIT */
/* Rounding to integers, as numbers and as integer types. */
#include "fpu/parts.h"

/* |a| * 2^fbits rounded; less than 2^124 is asked of it */
static uint128 round_magnitude(FloatParts a, int fbits, FloatRoundMode mode, bool *inexact)
{
    int exp = a.exp + fbits;

    if (a.cls == CLASS_ZERO) {
        *inexact = false;
        return 0;
    }
    if (exp < -2) {
        exp = -2; /* as good as anything else between zero and a half */
    }
    return round_shift(a.frac >> 2, 125 - exp, a.sign, mode, inexact);
}

FloatParts parts_round_to_int(FloatParts a, FloatRoundMode mode, bool exact, FloatStatus *s)
{
    bool inexact;
    uint128 v;

    if (parts_is_nan(a)) {
        return parts_propagate1(a, s);
    }
    if (a.cls != CLASS_NORMAL || a.exp >= 124) { /* no format has that many fraction bits */
        return a;
    }
    v = round_magnitude(a, 0, mode, &inexact);
    if (inexact && exact) {
        s->flags |= FLOAT_FLAG_INEXACT;
    }
    return parts_from_uint128(v, 0, a.sign);
}

FloatParts parts_round_to_sized_int(FloatParts a, FloatRoundMode mode, int bits, FloatStatus *s)
{
    uint128 limit = (uint128)1 << (bits - 1), v = 0;
    bool inexact = false, fits = !parts_is_nan(a) && a.cls != CLASS_INF && a.exp <= bits;

    if (fits) {
        v = round_magnitude(a, 0, mode, &inexact);
        fits = v < limit + a.sign;
    }
    if (!fits) {
        s->flags |= FLOAT_FLAG_INVALID;
        return parts_from_uint128(limit, 0, true);
    }
    if (inexact) {
        s->flags |= FLOAT_FLAG_INEXACT;
    }
    return parts_from_uint128(v, 0, a.sign);
}

uint64_t parts_to_integer(FloatParts a, FloatRoundMode mode, int fbits, uint64_t min, uint64_t max,
                          FloatStatus *s)
{
    uint64_t limit = a.sign ? min : max;
    bool inexact;
    uint128 v;

    if (parts_is_nan(a)) {
        s->flags |= FLOAT_FLAG_INVALID;
        return 0;
    }
    if (a.cls == CLASS_INF || (a.cls == CLASS_NORMAL && a.exp + fbits > 63)) {
        s->flags |= FLOAT_FLAG_INVALID;
        return a.sign ? -limit : limit;
    }
    v = round_magnitude(a, fbits, mode, &inexact);
    if (v > limit) {
        s->flags |= FLOAT_FLAG_INVALID;
        return a.sign ? -limit : limit;
    }
    if (inexact) {
        s->flags |= FLOAT_FLAG_INEXACT;
    }
    return a.sign ? -(uint64_t)v : (uint64_t)v;
}

int32_t float64_to_int32_js(float64 raw, bool *z, FloatStatus *s)
{
    FloatParts a = parts_unpack(&float64_format, raw, s);
    bool inexact = false, out_of_range;
    uint64_t low = 0;

    *z = false;
    if (parts_is_nan(a) || a.cls == CLASS_INF) {
        s->flags |= FLOAT_FLAG_INVALID;
        return 0;
    }
    if (a.exp < 124) {
        uint128 v = round_magnitude(a, 0, FLOAT_ROUND_TO_ZERO, &inexact);
        low = a.sign ? -(uint64_t)v : (uint64_t)v;
        out_of_range = v > (uint128)INT32_MAX + a.sign;
    } else {
        out_of_range = true; /* and a multiple of 2^32 */
    }
    if (out_of_range) {
        s->flags |= FLOAT_FLAG_INVALID;
    } else if (inexact) {
        s->flags |= FLOAT_FLAG_INEXACT;
    } else {
        *z = a.cls != CLASS_ZERO || raw == 0; /* neither -0 nor a denormal flushed */
    }
    return (int32_t)(uint32_t)low;
}
