/* SPDX-License-Identifier: MIT */
/*
 * What the host's SSE cannot answer for: binary128 against the compiler's __float128 and the C
 * library, and each narrower format against a wider one: an operation in the wider format rounded
 * to odd, then rounded to the narrower one, is the operation in the narrower format (Boldo and
 * Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
 */
#include <fenv.h>
#include <glib.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "fpu/softfloat.h"
#include "fpu-operands.h"

typedef enum Op {
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_SQRT,
    OP_MULADD,
    OPS,
} Op;

#define MODES (FLOAT_ROUND_TO_ODD + 1)

static const char *const op_names[OPS] = { "add", "sub", "mul", "div", "sqrt", "muladd" };

#define DEFINE_RUN(T)                                   \
    static T run_##T(Op op, const T *v, FloatStatus *s) \
    {                                                   \
        switch (op) {                                   \
        case OP_ADD:                                    \
            return T##_add(v[0], v[1], s);              \
        case OP_SUB:                                    \
            return T##_sub(v[0], v[1], s);              \
        case OP_MUL:                                    \
            return T##_mul(v[0], v[1], s);              \
        case OP_DIV:                                    \
            return T##_div(v[0], v[1], s);              \
        case OP_SQRT:                                   \
            return T##_sqrt(v[0], s);                   \
        case OP_MULADD:                                 \
            return T##_muladd(v[0], v[1], v[2], 0, s);  \
        case OPS:                                       \
            break;                                      \
        }                                               \
        g_assert_not_reached();                         \
    }

DEFINE_RUN(float16)
DEFINE_RUN(bfloat16)
DEFINE_RUN(float32)
DEFINE_RUN(float64)
DEFINE_RUN(float128)

static float32 widen_bfloat16(bfloat16 a, FloatStatus *s)
{
    return float32_add(bfloat16_to_float32(a), 0x80000000, s); /* quiets NaNs as the others do */
}

/*
 * Default NaNs, since widening loses which one was signalling. An exact zero sum has the sign of
 * the mode, not of rounding to odd.
 */
#define DEFINE_TEST(N, exp_bits, frac_bits, W, widen, narrow, is_zero)                    \
    static void check_##N(Op op, const N *v, FloatRoundMode mode)                         \
    {                                                                                     \
        FloatStatus s = { .round_mode = mode,                                             \
                          .default_nan = true,                                            \
                          .tininess_before_rounding = true };                             \
        FloatStatus odd = s;                                                              \
        N want, got = run_##N(op, v, &s);                                                 \
        W wide[3], r;                                                                     \
                                                                                          \
        odd.round_mode = FLOAT_ROUND_TO_ODD;                                              \
        for (int i = 0; i < 3; i++) {                                                     \
            wide[i] = widen(v[i], &odd);                                                  \
        }                                                                                 \
        r = run_##W(op, wide, &odd);                                                      \
        if (is_zero(r)) {                                                                 \
            odd.round_mode = mode;                                                        \
            r = run_##W(op, wide, &odd);                                                  \
        }                                                                                 \
        odd.round_mode = mode;                                                            \
        want = narrow(r, &odd);                                                           \
        if (got != want || s.flags != odd.flags) {                                        \
            g_error(#N "_%s(%#" PRIx64 ", %#" PRIx64 ", %#" PRIx64 ") mode %d: %#" PRIx64 \
                       " flags %#x, by way of " #W " %#" PRIx64 " flags %#x",             \
                    op_names[op], (uint64_t)v[0], (uint64_t)v[1], (uint64_t)v[2], mode,   \
                    (uint64_t)got, s.flags, (uint64_t)want, odd.flags);                   \
        }                                                                                 \
    }                                                                                     \
                                                                                          \
    static void test_##N(void)                                                            \
    {                                                                                     \
        uint64_t count = g_test_slow() ? 1000000 : 10000;                                 \
        Random r = { 0 };                                                                 \
                                                                                          \
        for (uint64_t i = 0; i < count * OPS; i++) {                                      \
            Op op = i % OPS;                                                              \
            N v[3] = { 0 };                                                               \
            for (int j = 0; j < (op == OP_SQRT ? 1 : op == OP_MULADD ? 3 : 2); j++) {     \
                v[j] = random_operand(&r, exp_bits, frac_bits, v[j ? j - 1 : 0]);         \
            }                                                                             \
            for (FloatRoundMode mode = 0; mode < MODES; mode++) {                         \
                check_##N(op, v, mode);                                                   \
            }                                                                             \
        }                                                                                 \
    }

#define IS_ZERO(a)          ((a) << 1 == 0)
#define IS_ZERO_FLOAT128(a) ((a).lo == 0 && IS_ZERO((a).hi))

DEFINE_TEST(bfloat16, 8, 7, float32, widen_bfloat16, float32_to_bfloat16, IS_ZERO)
DEFINE_TEST(float16, 5, 10, float32, float16_to_float32, float32_to_float16, IS_ZERO)
DEFINE_TEST(float32, 8, 23, float64, float32_to_float64, float64_to_float32, IS_ZERO)
DEFINE_TEST(float64, 11, 52, float128, float64_to_float128, float128_to_float64, IS_ZERO_FLOAT128)

/* Multiplying by a power of two that the format has is scalbn. */
static void test_scalbn(void)
{
    Random r = { 0 };

    for (int i = 0; i < 100000; i++) {
        FloatStatus s = { .round_mode = i % MODES }, want_s = s;
        float64 a = random_operand(&r, 11, 52, 0);
        int n = (int)random_below(&r, 2046) - 1022;
        float64 want = float64_mul(a, (uint64_t)(n + 1023) << 52, &want_s);
        g_assert_cmphex(float64_scalbn(a, n, &s), ==, want);
        g_assert_cmphex(s.flags, ==, want_s.flags);
    }
}

/* a * b + c on Power: operands FRA FRC FRB, Power ISA 3.1, 4.3.2. x86 and Arm are tested live. */
static void test_nan_rules(void)
{
    enum {
        ONE = 0x3f800000,
        INF = 0x7f800000,
        QNAN_1 = 0x7fc00001,
        QNAN_2 = 0x7fc00002,
        SNAN_3 = 0x7f800003,
        DEFAULT = 0x7fc00000,
    };
    static const struct {
        float32 a, b, c, want;
        int muladd_flags;
        uint8_t flags;
    } rows[] = {
        { QNAN_1, SNAN_3, QNAN_2, QNAN_1, 0, FLOAT_FLAG_INVALID },
        { ONE, QNAN_1, QNAN_2, QNAN_2, 0, 0 },
        { ONE, SNAN_3, ONE, SNAN_3 | 0x400000, 0, FLOAT_FLAG_INVALID },
        { ONE, ONE, QNAN_1, QNAN_1, FLOAT_MULADD_NEG_ADDEND | FLOAT_MULADD_NEG_RESULT, 0 },
        { INF, 0, QNAN_1, QNAN_1, 0, FLOAT_FLAG_INVALID },
        { INF, 0, ONE, DEFAULT, FLOAT_MULADD_NEG_RESULT, FLOAT_FLAG_INVALID },
        { ONE, ONE, ONE, 0xc0000000, FLOAT_MULADD_NEG_RESULT, 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        FloatStatus s = { .nan_rule = FLOAT_NAN_PPC };
        g_assert_cmphex(float32_muladd(rows[i].a, rows[i].b, rows[i].c, rows[i].muladd_flags, &s),
                        ==, rows[i].want);
        g_assert_cmphex(s.flags, ==, rows[i].flags);
    }
}

#if defined(__SIZEOF_FLOAT128__) && defined(__x86_64__)

/* The C library has these for every compiler, but its headers hide them from clang. */
__float128 sqrtf128(__float128 x);
__float128 fmaf128(__float128 x, __float128 y, __float128 z);
__float128 rintf128(__float128 x);
int64_t __fixtfdi(__float128 x); /* the cast, which C leaves undefined out of range */

static const int host_modes[] = {
    [FLOAT_ROUND_NEAREST_EVEN] = FE_TONEAREST,
    [FLOAT_ROUND_UP] = FE_UPWARD,
    [FLOAT_ROUND_DOWN] = FE_DOWNWARD,
    [FLOAT_ROUND_TO_ZERO] = FE_TOWARDZERO,
};

static uint8_t host_flags(void)
{
    int f = fetestexcept(FE_ALL_EXCEPT);

    return (f & FE_INVALID ? FLOAT_FLAG_INVALID : 0) |
           (f & FE_DIVBYZERO ? FLOAT_FLAG_DIVBYZERO : 0) |
           (f & FE_OVERFLOW ? FLOAT_FLAG_OVERFLOW : 0) |
           (f & FE_UNDERFLOW ? FLOAT_FLAG_UNDERFLOW : 0) |
           (f & FE_INEXACT ? FLOAT_FLAG_INEXACT : 0);
}

static __float128 host_run(Op op, volatile __float128 *v)
{
    switch (op) {
    case OP_ADD:
        return v[0] + v[1];
    case OP_SUB:
        return v[0] - v[1];
    case OP_MUL:
        return v[0] * v[1];
    case OP_DIV:
        return v[0] / v[1];
    case OP_SQRT:
        return sqrtf128(v[0]);
    case OP_MULADD:
        return fmaf128(v[0], v[1], v[2]);
    case OPS:
        break;
    }
    g_assert_not_reached();
}

/* Operations of one operand, or with an operand or result of another type */
typedef enum MixedOp {
    MIXED_RINT,
    MIXED_TO_INT64,
    MIXED_FROM_INT64,
    MIXED_FROM_UINT64,
    MIXED_TO_FLOAT64,
    MIXED_FROM_FLOAT64,
    MIXED_TO_FLOAT32,
    MIXED_FROM_FLOAT32,
    MIXED_COMPARE,
    MIXED_OPS,
} MixedOp;

static float128 soft_mixed(MixedOp op, const float128 *v, FloatStatus *s)
{
    switch (op) {
    case MIXED_RINT:
        return float128_round_to_int(v[0], s->round_mode, true, s);
    case MIXED_TO_INT64:
        return (float128){ .lo = float128_to_int64(v[0], FLOAT_ROUND_TO_ZERO, s) };
    case MIXED_FROM_INT64:
        return int64_to_float128(v[0].lo, 0, s);
    case MIXED_FROM_UINT64:
        return uint64_to_float128(v[0].lo, 0, s);
    case MIXED_TO_FLOAT64:
        return (float128){ .lo = float128_to_float64(v[0], s) };
    case MIXED_FROM_FLOAT64:
        return float64_to_float128(v[0].hi, s);
    case MIXED_TO_FLOAT32:
        return (float128){ .lo = float128_to_float32(v[0], s) };
    case MIXED_FROM_FLOAT32:
        return float32_to_float128(v[0].hi, s);
    case MIXED_COMPARE:
        return (float128){ .lo = float128_compare(v[0], v[1], s) };
    case MIXED_OPS:
        break;
    }
    g_assert_not_reached();
}

#define BITS_OF(x)                       \
    ({                                   \
        __typeof__(x) x_ = (x);          \
        float128 bits_ = { 0 };          \
        memcpy(&bits_, &x_, sizeof(x_)); \
        bits_;                           \
    })

/* Not inlined, so that no call to the compiler's library moves past the reading of the flags. */
__attribute__((noinline)) static float128 host_mixed(MixedOp op, const float128 *v)
{
    volatile __float128 a, b;
    volatile double d;
    volatile float f;

    memcpy((void *)&a, &v[0], sizeof(a));
    memcpy((void *)&b, &v[1], sizeof(b));
    memcpy((void *)&d, &v[0].hi, sizeof(d));
    memcpy((void *)&f, &v[0].hi, sizeof(f));
    switch (op) {
    case MIXED_RINT:
        return BITS_OF((__float128)rintf128(a));
    case MIXED_TO_INT64:
        return BITS_OF(__fixtfdi(a));
    case MIXED_FROM_INT64:
        return BITS_OF((__float128)(int64_t)v[0].lo);
    case MIXED_FROM_UINT64:
        return BITS_OF((__float128)v[0].lo);
    case MIXED_TO_FLOAT64:
        return BITS_OF((double)a);
    case MIXED_FROM_FLOAT64:
        return BITS_OF((__float128)d);
    case MIXED_TO_FLOAT32:
        return BITS_OF((float)a);
    case MIXED_FROM_FLOAT32:
        return BITS_OF((__float128)f);
    case MIXED_COMPARE:
        return BITS_OF((int64_t)(a < b    ? FLOAT_RELATION_LESS
                                 : a == b ? FLOAT_RELATION_EQUAL
                                 : a > b  ? FLOAT_RELATION_GREATER
                                          : FLOAT_RELATION_UNORDERED));
    case MIXED_OPS:
        break;
    }
    g_assert_not_reached();
}

static void check_mixed(MixedOp op, const float128 *v, FloatRoundMode mode)
{
    FloatStatus s = { .round_mode = mode, .nan_rule = FLOAT_NAN_X86 };
    float128 want, got = soft_mixed(op, v, &s);
    uint8_t flags;

    fesetround(host_modes[mode]);
    feclearexcept(FE_ALL_EXCEPT);
    want = host_mixed(op, v);
    flags = host_flags();
    fesetround(FE_TONEAREST);
    if (op == MIXED_TO_INT64 && flags & FLOAT_FLAG_INVALID) {
        want = got; /* C leaves it open; parts_to_integer is the same for all formats */
    }
    if (got.hi != want.hi || got.lo != want.lo || s.flags != flags) {
        g_error("mixed operation %d(%016" PRIx64 "%016" PRIx64 ", %016" PRIx64 "%016" PRIx64
                ") mode %d: %016" PRIx64 "%016" PRIx64 " flags %#x, host %016" PRIx64 "%016" PRIx64
                " flags %#x",
                op, v[0].hi, v[0].lo, v[1].hi, v[1].lo, mode, got.hi, got.lo, s.flags, want.hi,
                want.lo, flags);
    }
}

static float128 random_float128(Random *r, float128 other)
{
    uint64_t hi = random_operand(r, 15, 48, other.hi);
    uint64_t lo = random_fraction(r, 63) << 1 | random_below(r, 2);

    return (float128){ .hi = hi, .lo = random_below(r, 3) ? lo : -random_below(r, 2) };
}

static void check_float128(Op op, const float128 *v, FloatRoundMode mode)
{
    FloatStatus s = { .round_mode = mode };
    float128 want, got = run_float128(op, v, &s);
    volatile __float128 host[3], host_result;
    uint8_t flags;

    memcpy((void *)host, v, sizeof(host));
    fesetround(host_modes[mode]);
    feclearexcept(FE_ALL_EXCEPT);
    host_result = host_run(op, host);
    flags = host_flags();
    fesetround(FE_TONEAREST);
    memcpy(&want, (void *)&host_result, sizeof(want));
    if (float128_is_any_nan(want) && float128_is_any_nan(got)) {
        want = got; /* the host chooses among NaNs in a way of its own */
    }
    if (got.hi != want.hi || got.lo != want.lo || s.flags != flags) {
        g_error("float128_%s(%016" PRIx64 "%016" PRIx64 ", %016" PRIx64 "%016" PRIx64
                ", %016" PRIx64 "%016" PRIx64 ") mode %d: %016" PRIx64 "%016" PRIx64
                " flags %#x, host %016" PRIx64 "%016" PRIx64 " flags %#x",
                op_names[op], v[0].hi, v[0].lo, v[1].hi, v[1].lo, v[2].hi, v[2].lo, mode, got.hi,
                got.lo, s.flags, want.hi, want.lo, flags);
    }
}

static void test_float128(void)
{
    uint64_t count = g_test_slow() ? 1000000 : 10000;
    Random r = { 0 };

    for (uint64_t i = 0; i < count * OPS; i++) {
        float128 v[3] = { 0 };
        for (int j = 0; j < 3; j++) {
            v[j] = random_float128(&r, v[j ? j - 1 : 0]);
        }
        for (FloatRoundMode mode = 0; mode < G_N_ELEMENTS(host_modes); mode++) {
            check_float128(i % OPS, v, mode);
        }
    }
}

static void test_float128_mixed(void)
{
    uint64_t count = g_test_slow() ? 1000000 : 10000;
    Random r = { 0 };

    for (uint64_t i = 0; i < count * MIXED_OPS; i++) {
        float128 v[2];
        v[0] = random_float128(&r, (float128){ .hi = UINT64_C(0x3fff) << 48 });
        v[1] = random_float128(&r, v[0]);
        if (i % MIXED_OPS == MIXED_FROM_FLOAT64) {
            v[0].hi = random_operand(&r, 11, 52, 0);
        } else if (i % MIXED_OPS == MIXED_FROM_FLOAT32) {
            v[0].hi = random_operand(&r, 8, 23, 0);
        }
        for (FloatRoundMode mode = 0; mode < G_N_ELEMENTS(host_modes); mode++) {
            check_mixed(i % MIXED_OPS, v, mode);
        }
    }
}

#else

static void test_float128(void)
{
    g_test_skip("this compiler has no __float128 to compare with");
}

static void test_float128_mixed(void)
{
    test_float128();
}

#endif

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fpu/formats/bfloat16", test_bfloat16);
    g_test_add_func("/fpu/formats/float16", test_float16);
    g_test_add_func("/fpu/formats/float32", test_float32);
    g_test_add_func("/fpu/formats/float64", test_float64);
    g_test_add_func("/fpu/formats/float128", test_float128);
    g_test_add_func("/fpu/formats/float128-mixed", test_float128_mixed);
    g_test_add_func("/fpu/formats/nan-rules", test_nan_rules);
    g_test_add_func("/fpu/formats/scalbn", test_scalbn);
    return g_test_run();
}
