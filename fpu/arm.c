/* SPDX-License-Identifier: MIT */
/*
 * What Arm has beyond IEEE 754: reciprocal estimates and steps, FMULX, bfloat16 dot products
 * (Arm ARM DDI 0487, J1, shared/functions/float: fprecipestimate and its neighbours, and bfloat).
 */
#include "fpu/parts.h"

FloatParts parts_mulx(FloatParts a, FloatParts b, FloatStatus *s)
{
    return is_inf_times_zero(a, b) ? parts_from_uint128(2, 0, a.sign ^ b.sign) : parts_mul(a, b, s);
}

/* constant - a * b; if a * b is infinity times zero, the constant */
static FloatParts step(FloatParts a, FloatParts b, FloatParts constant, FloatStatus *s)
{
    a.sign = !a.sign; /* that of a NaN as well */
    if (parts_is_nan(a) || parts_is_nan(b)) {
        return parts_propagate2(a, b, s);
    }
    return is_inf_times_zero(a, b) ? constant : parts_muladd(a, b, constant, 0, s);
}

FloatParts parts_recps(FloatParts a, FloatParts b, FloatStatus *s)
{
    return step(a, b, parts_from_uint128(2, 0, false), s);
}

FloatParts parts_rsqrts(FloatParts a, FloatParts b, FloatStatus *s)
{
    FloatParts r = step(a, b, parts_from_uint128(3, 0, false), s);

    r.exp--; /* means nothing unless it is a number */
    return r;
}

/* 1/x for 0.5 <= x < 1, x in units of 1/512, the result in 1/256 */
static uint32_t recip_estimate(uint32_t x)
{
    return ((1 << 19) / (2 * x + 1) + 1) / 2;
}

/* 1/sqrt(x) for 0.25 <= x < 1, in the same units */
static uint32_t rsqrt_estimate(uint32_t x)
{
    uint32_t a = x < 256 ? 2 * x + 1 : 2 * ((x & ~1u) + 1), b = 512;

    while (a * (b + 1) * (b + 1) < 1u << 28) {
        b++;
    }
    return (b + 1) / 2;
}

/* estimate is from 256 to 511; the result is exact in every format */
static FloatParts parts_from_estimate(uint32_t estimate, int exp, bool sign)
{
    return parts_from_uint128(estimate, 8 - exp, sign);
}

FloatParts parts_recpe(FloatParts a, FloatStatus *s)
{
    if (parts_is_nan(a)) {
        return parts_propagate1(a, s);
    }
    if (a.cls == CLASS_INF) {
        return parts_zero(a.sign);
    }
    if (a.cls == CLASS_ZERO) {
        s->flags |= FLOAT_FLAG_DIVBYZERO;
        return parts_inf(a.sign);
    }
    return parts_from_estimate(recip_estimate((uint32_t)(a.frac >> 119)), -1 - a.exp, a.sign);
}

FloatParts parts_rsqrte(FloatParts a, FloatStatus *s)
{
    uint32_t x;

    if (parts_is_nan(a)) {
        return parts_propagate1(a, s);
    }
    if (a.cls == CLASS_ZERO) {
        s->flags |= FLOAT_FLAG_DIVBYZERO;
        return parts_inf(a.sign);
    }
    if (a.sign) {
        return parts_invalid(s);
    }
    if (a.cls == CLASS_INF) {
        return parts_zero(false);
    }
    x = (uint32_t)(a.frac >> (a.exp & 1 ? 119 : 120));
    return parts_from_estimate(rsqrt_estimate(x), (-1 - a.exp) >> 1, false);
}

uint64_t float_recpx(const FloatFormat *f, uint64_t raw, FloatStatus *s)
{
    FloatParts a = parts_unpack(f, raw, s);
    uint64_t exp_mask = ((UINT64_C(1) << f->exp_bits) - 1) << f->frac_bits;
    uint64_t sign = raw & (UINT64_C(1) << (f->exp_bits + f->frac_bits)), exp = raw & exp_mask;

    if (parts_is_nan(a)) {
        return (uint64_t)parts_round_pack(f, parts_propagate1(a, s), s);
    }
    return sign | (exp == 0 ? exp_mask - (UINT64_C(1) << f->frac_bits) : exp ^ exp_mask);
}

uint32_t uint32_recpe(uint32_t a)
{
    return a >> 31 ? recip_estimate(a >> 23) << 23 : UINT32_MAX;
}

uint32_t uint32_rsqrte(uint32_t a)
{
    return a >> 30 ? rsqrt_estimate(a >> 23) << 23 : UINT32_MAX;
}

/* Rounds one step of a dot product. */
static FloatParts dot_round(FloatParts p, FloatStatus *s)
{
    float32 r;

    s->flags = 0;
    r = (float32)parts_round_pack(&float32_format, p, s);
    return s->flags & FLOAT_FLAG_OVERFLOW ? parts_inf(p.sign) : parts_unpack(&float32_format, r, s);
}

float32 bfloat16_dot_add(float32 sum, uint32_t a, uint32_t b)
{
    FloatStatus s = { .round_mode = FLOAT_ROUND_TO_ODD,
                      .default_nan = true,
                      .flush_to_zero = true,
                      .flush_inputs_to_zero = true };
    FloatParts products[2], acc;

    for (int i = 0; i < 2; i++) {
        FloatParts x = parts_unpack(&bfloat16_format, a >> (16 * i), &s);
        FloatParts y = parts_unpack(&bfloat16_format, b >> (16 * i), &s);
        products[i] = dot_round(parts_mul(x, y, &s), &s);
    }
    acc = dot_round(parts_add(products[0], products[1], false, &s), &s);
    acc = parts_add(parts_unpack(&float32_format, sum, &s), acc, false, &s);
    return (float32)parts_round_pack(&float32_format, dot_round(acc, &s), &s);
}
