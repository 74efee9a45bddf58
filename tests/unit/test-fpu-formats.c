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

#if defined(__SIZEOF_FLOAT128__) && defined(__x86_64__)

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

#else

static void test_float128(void)
{
    g_test_skip("this compiler has no __float128 to compare with");
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
    g_test_add_func("/fpu/formats/scalbn", test_scalbn);
    return g_test_run();
}
