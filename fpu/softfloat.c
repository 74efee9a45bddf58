/* SPDX-License-Identifier: MIT */
/* The public functions: each unpacks, calls one operation on parts, rounds and packs. */
#include "fpu/parts.h"

#define RAW_IS_INTEGER(T)                     \
    static inline uint128 T##_to_raw(T a)     \
    {                                         \
        return a;                             \
    }                                         \
    static inline T T##_from_raw(uint128 raw) \
    {                                         \
        return (T)raw;                        \
    }

RAW_IS_INTEGER(float16)
RAW_IS_INTEGER(bfloat16)
RAW_IS_INTEGER(float32)
RAW_IS_INTEGER(float64)

static inline uint128 float128_to_raw(float128 a)
{
    return (uint128)a.hi << 64 | a.lo;
}

static inline float128 float128_from_raw(uint128 raw)
{
    return (float128){ .lo = (uint64_t)raw, .hi = (uint64_t)(raw >> 64) };
}

#define UNPACK(T, a) parts_unpack(&T##_format, T##_to_raw(a), s)
#define PACK(T, p)   T##_from_raw(parts_round_pack(&T##_format, p, s))

#define DEFINE_1(T, name, expr)        \
    T T##_##name(T a_, FloatStatus *s) \
    {                                  \
        FloatParts a = UNPACK(T, a_);  \
        return PACK(T, expr);          \
    }

/* The operands are unpacked in order, so that their flags are raised whatever comes of them. */
#define DEFINE_2(T, name, expr)                          \
    T T##_##name(T a_, T b_, FloatStatus *s)             \
    {                                                    \
        FloatParts a = UNPACK(T, a_), b = UNPACK(T, b_); \
        return PACK(T, expr);                            \
    }

#define DEFINE_COMPARE(T, name, quiet)                   \
    FloatRelation T##_##name(T a_, T b_, FloatStatus *s) \
    {                                                    \
        FloatParts a = UNPACK(T, a_), b = UNPACK(T, b_); \
        return parts_compare(a, b, quiet, s);            \
    }

#define DEFINE_TO_INTEGER(T, I, type, min, max)                                   \
    type T##_to_##I##_scalbn(T a, FloatRoundMode mode, int fbits, FloatStatus *s) \
    {                                                                             \
        return (type)parts_to_integer(UNPACK(T, a), mode, fbits, min, max, s);    \
    }                                                                             \
    type T##_to_##I(T a, FloatRoundMode mode, FloatStatus *s)                     \
    {                                                                             \
        return T##_to_##I##_scalbn(a, mode, 0, s);                                \
    }

static FloatParts parts_scalbn(FloatParts a, int n, FloatStatus *s)
{
    enum { LIMIT = 1 << 17 }; /* far beyond every format's range */

    if (parts_is_nan(a)) {
        return parts_propagate1(a, s);
    }
    a.exp += n < -LIMIT ? -LIMIT : n > LIMIT ? LIMIT : n;
    return a;
}

/* The factors have one format, the addend and the result the same or a wider one. */
static uint128 muladd(const FloatFormat *factors, uint128 a_, uint128 b_, const FloatFormat *sum,
                      uint128 c_, int flags, FloatStatus *s)
{
    FloatParts a = parts_unpack(factors, a_, s), b = parts_unpack(factors, b_, s);
    FloatParts p = parts_muladd(a, b, parts_unpack(sum, c_, s), flags, s);
    bool negate = flags & FLOAT_MULADD_NEG_RESULT && !parts_is_nan(p);

    return parts_round_pack(sum, p, s) ^ (uint128)negate << (sum->exp_bits + sum->frac_bits);
}

#define DEFINE(T)                                                                             \
    DEFINE_2(T, add, parts_add(a, b, false, s))                                               \
    DEFINE_2(T, sub, parts_add(a, b, true, s))                                                \
    DEFINE_2(T, mul, parts_mul(a, b, s))                                                      \
    DEFINE_2(T, div, parts_div(a, b, result_bits(&T##_format), s))                            \
    DEFINE_1(T, sqrt, parts_sqrt(a, result_bits(&T##_format), s))                             \
    T T##_muladd(T a, T b, T c, int flags, FloatStatus *s)                                    \
    {                                                                                         \
        return T##_from_raw(muladd(&T##_format, T##_to_raw(a), T##_to_raw(b), &T##_format,    \
                                   T##_to_raw(c), flags, s));                                 \
    }                                                                                         \
    DEFINE_2(T, min, parts_minmax(a, b, 0, s))                                                \
    DEFINE_2(T, max, parts_minmax(a, b, MINMAX_MAX, s))                                       \
    DEFINE_2(T, minnum, parts_minmax(a, b, MINMAX_NUMBER, s))                                 \
    DEFINE_2(T, maxnum, parts_minmax(a, b, MINMAX_MAX | MINMAX_NUMBER, s))                    \
    DEFINE_2(T, mulx, parts_mulx(a, b, s))                                                    \
    DEFINE_2(T, recps, parts_recps(a, b, s))                                                  \
    DEFINE_2(T, rsqrts, parts_rsqrts(a, b, s))                                                \
    DEFINE_COMPARE(T, compare, false)                                                         \
    DEFINE_COMPARE(T, compare_quiet, true)                                                    \
    T T##_round_to_int(T a, FloatRoundMode mode, bool exact, FloatStatus *s)                  \
    {                                                                                         \
        return PACK(T, parts_round_to_int(UNPACK(T, a), mode, exact, s));                     \
    }                                                                                         \
    T T##_round_to_sized_int(T a, FloatRoundMode mode, int bits, FloatStatus *s)              \
    {                                                                                         \
        return PACK(T, parts_round_to_sized_int(UNPACK(T, a), mode, bits, s));                \
    }                                                                                         \
    T T##_scalbn(T a, int n, FloatStatus *s)                                                  \
    {                                                                                         \
        return PACK(T, parts_scalbn(UNPACK(T, a), n, s));                                     \
    }                                                                                         \
    DEFINE_TO_INTEGER(T, int16, int16_t, (uint64_t)INT16_MAX + 1, INT16_MAX)                  \
    DEFINE_TO_INTEGER(T, int32, int32_t, (uint64_t)INT32_MAX + 1, INT32_MAX)                  \
    DEFINE_TO_INTEGER(T, int64, int64_t, (uint64_t)INT64_MAX + 1, INT64_MAX)                  \
    DEFINE_TO_INTEGER(T, uint16, uint16_t, 0, UINT16_MAX)                                     \
    DEFINE_TO_INTEGER(T, uint32, uint32_t, 0, UINT32_MAX)                                     \
    DEFINE_TO_INTEGER(T, uint64, uint64_t, 0, UINT64_MAX)                                     \
    T int64_to_##T(int64_t v, int fbits, FloatStatus *s)                                      \
    {                                                                                         \
        return PACK(T, parts_from_uint128(v < 0 ? -(uint64_t)v : (uint64_t)v, fbits, v < 0)); \
    }                                                                                         \
    T uint64_to_##T(uint64_t v, int fbits, FloatStatus *s)                                    \
    {                                                                                         \
        return PACK(T, parts_from_uint128(v, fbits, false));                                  \
    }                                                                                         \
    T T##_default_nan(const FloatStatus *status)                                              \
    {                                                                                         \
        FloatStatus copy = *status, *s = &copy;                                               \
        return PACK(T, parts_default_nan(s));                                                 \
    }                                                                                         \
    bool T##_is_any_nan(T a)                                                                  \
    {                                                                                         \
        FloatStatus copy = { 0 }, *s = &copy;                                                 \
        return parts_is_nan(UNPACK(T, a));                                                    \
    }                                                                                         \
    bool T##_is_signaling_nan(T a)                                                            \
    {                                                                                         \
        FloatStatus copy = { 0 }, *s = &copy;                                                 \
        return UNPACK(T, a).cls == CLASS_SNAN;                                                \
    }

DEFINE(float16)
DEFINE(bfloat16)
DEFINE(float32)
DEFINE(float64)
DEFINE(float128)

float32 float16_muladd_float32(float16 a, float16 b, float32 c, int flags, FloatStatus *s)
{
    return (float32)muladd(&float16_format, a, b, &float32_format, c, flags, s);
}

#define DEFINE_ESTIMATES(T)                       \
    DEFINE_1(T, recpe, parts_recpe(a, s))         \
    DEFINE_1(T, rsqrte, parts_rsqrte(a, s))       \
    T T##_recpx(T a, FloatStatus *s)              \
    {                                             \
        return (T)float_recpx(&T##_format, a, s); \
    }

DEFINE_ESTIMATES(float16)
DEFINE_ESTIMATES(float32)
DEFINE_ESTIMATES(float64)

static uint128 convert(const FloatFormat *to, const FloatFormat *from, uint128 raw, FloatStatus *s)
{
    FloatParts p = parts_unpack(from, raw, s);

    if (parts_is_nan(p) && !to->finite) {
        p = parts_propagate1(p, s);
    }
    return parts_round_pack(to, p, s);
}

static const FloatFormat *half_format(const FloatStatus *s)
{
    return s->ahp ? &float16_alternative : &float16_convert;
}

#define DEFINE_CONVERT(A, B, format_a, format_b)                            \
    B A##_to_##B(A a, FloatStatus *s)                                       \
    {                                                                       \
        return B##_from_raw(convert(format_b, format_a, A##_to_raw(a), s)); \
    }

DEFINE_CONVERT(float16, float32, half_format(s), &float32_format)
DEFINE_CONVERT(float16, float64, half_format(s), &float64_format)
DEFINE_CONVERT(float16, float128, half_format(s), &float128_format)
DEFINE_CONVERT(float32, float16, &float32_format, half_format(s))
DEFINE_CONVERT(float32, bfloat16, &float32_format, &bfloat16_format)
DEFINE_CONVERT(float32, float64, &float32_format, &float64_format)
DEFINE_CONVERT(float32, float128, &float32_format, &float128_format)
DEFINE_CONVERT(float64, float16, &float64_format, half_format(s))
DEFINE_CONVERT(float64, float32, &float64_format, &float32_format)
DEFINE_CONVERT(float64, float128, &float64_format, &float128_format)
DEFINE_CONVERT(float128, float16, &float128_format, half_format(s))
DEFINE_CONVERT(float128, float32, &float128_format, &float32_format)
DEFINE_CONVERT(float128, float64, &float128_format, &float64_format)
