/* SPDX-License-Identifier: MIT */
/*
 * binary16 arithmetic of fpu/ against the definition of rounding. The oracle knows nothing of
 * fractions and guard bits: all binary16 magnitudes are in a sorted table, the exact result of an
 * operation is known by a function that compares a number with it, and rounding is to search the
 * table. All six rounding modes, both ways to detect tininess, results and flags. Operations of
 * one operand are tried with every operand; `-m slow` tries fifty times as many pairs.
 */
#include <glib.h>
#include <inttypes.h>

#include "fpu/softfloat.h"
#include "fpu-operands.h"

typedef __int128 Int128;

enum {
    UNIT = 26, /* magnitudes are counted in 2^-26: half of the lowest midpoint */
    MAX_HALF = 0x7bff,
    INF = 0x7c00,
    MODES = FLOAT_ROUND_TO_ODD + 1,
};

/* in units; that of INF is 2^16, what it would be if the exponent range went on */
static Int128 magnitude_of(unsigned half)
{
    unsigned exp = half >> 10, frac = half & 0x3ff;

    return exp == 0 ? (Int128)frac << (UNIT - 24) : (Int128)(frac | 0x400) << (exp - 1 + UNIT - 24);
}

/* The magnitude of an exact result is num / den, or the square root of it. */
typedef struct Exact {
    Int128 num, den; /* den > 0 */
    int scale;       /* num / den is in 2^-scale; for a root, so is its square */
    bool root, sign;
} Exact;

/* The sign of x - exact, x in units */
static int compare_exact(Int128 x, const Exact *e)
{
    int up = e->scale - (e->root ? 2 * UNIT : UNIT);
    Int128 lhs = (e->root ? x * x : x) * e->den, rhs = e->num;

    if (up >= 0) {
        lhs <<= up;
    } else {
        rhs <<= -up;
    }
    return (lhs > rhs) - (lhs < rhs);
}

/* Rounds up between neighbours of which the lower one has the last bit `odd`? */
static bool rounds_up(const Exact *e, Int128 low, Int128 high, bool odd, FloatRoundMode mode)
{
    int middle = compare_exact((low + high) / 2, e);

    switch (mode) {
    case FLOAT_ROUND_NEAREST_EVEN:
        return middle < 0 || (middle == 0 && odd);
    case FLOAT_ROUND_UP:
        return !e->sign;
    case FLOAT_ROUND_DOWN:
        return e->sign;
    case FLOAT_ROUND_TO_ZERO:
        return false;
    case FLOAT_ROUND_TIES_AWAY:
        return middle <= 0;
    case FLOAT_ROUND_TO_ODD:
        return !odd;
    }
    g_assert_not_reached();
}

static bool is_tiny(const Exact *e, const FloatStatus *s)
{
    Int128 least = magnitude_of(0x400), below = least - 2; /* with a bit more than denormals have */

    if (compare_exact(least, e) <= 0) {
        return false;
    }
    return s->tininess_before_rounding || compare_exact(below, e) >= 0 ||
           !rounds_up(e, below, least, true, s->round_mode);
}

static float16 oracle_round(const Exact *e, FloatStatus *s)
{
    unsigned low = 0, high = INF, sign = e->sign ? 0x8000 : 0;

    while (low + 1 < high) { /* the largest not above the exact result */
        unsigned middle = (low + high) / 2;
        if (compare_exact(magnitude_of(middle), e) <= 0) {
            low = middle;
        } else {
            high = middle;
        }
    }
    if (compare_exact(magnitude_of(low), e) == 0) {
        return sign | low;
    }
    s->flags |= FLOAT_FLAG_INEXACT;
    if (is_tiny(e, s)) {
        s->flags |= FLOAT_FLAG_UNDERFLOW;
    }
    if (compare_exact(magnitude_of(INF), e) <= 0) {
        s->flags |= FLOAT_FLAG_OVERFLOW;
        return sign | (MAX_HALF + rounds_up(e, 0, 2, true, s->round_mode));
    }
    low += rounds_up(e, magnitude_of(low), magnitude_of(low + 1), low & 1, s->round_mode);
    if (low == INF) {
        s->flags |= FLOAT_FLAG_OVERFLOW;
    }
    return sign | low;
}

static bool is_finite(float16 a)
{
    return (a & 0x7fff) < INF;
}

static Int128 value_of(float16 a) /* in 2^-24 */
{
    Int128 m = magnitude_of(a & 0x7fff) >> (UNIT - 24);

    return a & 0x8000 ? -m : m;
}

static float16 oracle_value(Int128 v, int scale, bool zero_sign, FloatStatus *s)
{
    Exact e = { .num = v < 0 ? -v : v, .den = 1, .scale = scale, .sign = v < 0 };

    if (v == 0) {
        return zero_sign ? 0x8000 : 0;
    }
    return oracle_round(&e, s);
}

static bool sum_zero_sign(bool a, bool b, const FloatStatus *s)
{
    return a == b ? a : s->round_mode == FLOAT_ROUND_DOWN;
}

/* The oracle's operations take finite operands only; the rest is in test-fpu-arm. */

static float16 oracle_add(const float16 *v, FloatStatus *s)
{
    return oracle_value(value_of(v[0]) + value_of(v[1]), 24,
                        sum_zero_sign(v[0] >> 15, v[1] >> 15, s), s);
}

static float16 oracle_sub(const float16 *v, FloatStatus *s)
{
    return oracle_add((float16[]){ v[0], v[1] ^ 0x8000 }, s);
}

static float16 oracle_mul(const float16 *v, FloatStatus *s)
{
    return oracle_value(value_of(v[0]) * value_of(v[1]), 48, (v[0] ^ v[1]) >> 15, s);
}

static float16 oracle_div(const float16 *v, FloatStatus *s)
{
    Int128 a = value_of(v[0] & 0x7fff), b = value_of(v[1] & 0x7fff);
    Exact e = { .num = a, .den = b, .sign = (v[0] ^ v[1]) >> 15 };
    float16 sign = (v[0] ^ v[1]) & 0x8000;

    if (b == 0) {
        s->flags |= a == 0 ? FLOAT_FLAG_INVALID : FLOAT_FLAG_DIVBYZERO;
        return a == 0 ? 0x7e00 : sign | INF;
    }
    return a == 0 ? sign : oracle_round(&e, s);
}

static float16 oracle_muladd(const float16 *v, FloatStatus *s)
{
    return oracle_value(value_of(v[0]) * value_of(v[1]) + value_of(v[2]) * (1 << 24), 48,
                        sum_zero_sign((v[0] ^ v[1]) >> 15, v[2] >> 15, s), s);
}

static float16 oracle_sqrt(const float16 *v, FloatStatus *s)
{
    Exact e = { .num = value_of(v[0]), .den = 1, .scale = 24, .root = true };

    if (e.num == 0) {
        return v[0];
    }
    if (e.num < 0) {
        s->flags |= FLOAT_FLAG_INVALID;
        return 0x7e00;
    }
    return oracle_round(&e, s);
}

static float16 soft_add(const float16 *v, FloatStatus *s)
{
    return float16_add(v[0], v[1], s);
}

static float16 soft_sub(const float16 *v, FloatStatus *s)
{
    return float16_sub(v[0], v[1], s);
}

static float16 soft_mul(const float16 *v, FloatStatus *s)
{
    return float16_mul(v[0], v[1], s);
}

static float16 soft_div(const float16 *v, FloatStatus *s)
{
    return float16_div(v[0], v[1], s);
}

static float16 soft_muladd(const float16 *v, FloatStatus *s)
{
    return float16_muladd(v[0], v[1], v[2], 0, s);
}

static float16 soft_sqrt(const float16 *v, FloatStatus *s)
{
    return float16_sqrt(v[0], s);
}

typedef float16 (*HalfOp)(const float16 *v, FloatStatus *s);

typedef struct HalfTest {
    const char *name;
    int operands;
    HalfOp soft, oracle;
} HalfTest;

static const HalfTest half_tests[] = {
    { "add", 2, soft_add, oracle_add },    { "sub", 2, soft_sub, oracle_sub },
    { "mul", 2, soft_mul, oracle_mul },    { "div", 2, soft_div, oracle_div },
    { "sqrt", 1, soft_sqrt, oracle_sqrt }, { "muladd", 3, soft_muladd, oracle_muladd },
};

static void check(const HalfTest *t, const float16 *v, int mode, bool before)
{
    FloatStatus got = { .round_mode = mode, .tininess_before_rounding = before }, want = got;
    float16 r = t->soft(v, &got), r_want = t->oracle(v, &want);

    if (r != r_want || got.flags != want.flags) {
        g_error("%s(%#x, %#x, %#x) mode %d before %d: want %#x flags %#x, got %#x flags %#x",
                t->name, v[0], v[1], v[2], mode, before, r_want, want.flags, r, got.flags);
    }
}

static void test_half(const void *opaque)
{
    const HalfTest *t = opaque;
    uint64_t count = t->operands == 1 ? 0x10000 : g_test_slow() ? 5000000 : 100000;
    Random r = { 0 };

    for (uint64_t i = 0; i < count; i++) {
        float16 v[3] = { i };
        bool finite = true;
        for (int j = 0; j < t->operands; j++) {
            if (t->operands > 1) {
                v[j] = random_operand(&r, 5, 10, v[j ? j - 1 : 0]);
            }
            finite &= is_finite(v[j]);
        }
        for (int mode = 0; finite && mode < MODES; mode++) {
            check(t, v, mode, i & 1);
            if (t->operands == 1) {
                check(t, v, mode, !(i & 1));
            }
        }
    }
}

/* x in 2^-36 */
static void check_narrow(uint64_t x, bool sign, int mode, bool before)
{
    FloatStatus got = { .round_mode = mode, .tininess_before_rounding = before };
    FloatStatus want = got, exact = { 0 };
    float64 wide = uint64_to_float64(x, 36, &exact) | (uint64_t)sign << 63;
    float16 r_want = oracle_value(sign ? -(Int128)x : (Int128)x, 36, sign, &want);
    float16 r = float64_to_float16(wide, &got);

    if (exact.flags || r != r_want || got.flags != want.flags) {
        g_error("to binary16(%#" PRIx64 ") mode %d: want %#x flags %#x, got %#x flags %#x", wide,
                mode, r_want, want.flags, r, got.flags);
    }
}

/* Narrowing: every binary16, the middle to the next one, and what is next to these */
static void test_narrow(void)
{
    for (unsigned half = 0; half < INF; half++) {
        uint64_t x = (uint64_t)magnitude_of(half) << (36 - UNIT);
        uint64_t middle = (x + ((uint64_t)magnitude_of(half + 1) << (36 - UNIT))) / 2;
        uint64_t cases[] = { x, x + 1, middle - 1, middle, middle + 1, 2 * middle - x - 1 };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
            for (int mode = 0; mode < MODES; mode++) {
                check_narrow(cases[i], false, mode, half & 1);
                check_narrow(cases[i], true, mode, !(half & 1));
            }
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(half_tests); i++) {
        char *path = g_strdup_printf("/fpu/half/%s", half_tests[i].name);
        g_test_add_data_func(path, &half_tests[i], test_half);
        g_free(path);
    }
    g_test_add_func("/fpu/half/narrow", test_narrow);
    return g_test_run();
}
