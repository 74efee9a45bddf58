/* SPDX-License-Identifier: MIT */
/*
 * fpu/ against the host's own floating point, bit for bit and flag for flag: binary32 and binary64,
 * in the four rounding modes, with and without flushed operands, under x86's rules for NaNs and
 * tininess. Random operands, and by Berkeley TestFloat's method every combination of operands with
 * the exponents and fractions at which arithmetic goes wrong: its level 1, or 2 with `-m slow`,
 * which also runs a hundred times as many random cases.
 */
#include <glib.h>
#include <inttypes.h>

#include "fpu/softfloat.h"
#include "fpu-operands.h"

#ifdef __x86_64__
#include <cpuid.h>

typedef uint64_t Operands[3];

enum {
    MXCSR_DEFAULT = 0x1f80, /* all exceptions masked, round to nearest */
    MXCSR_DAZ = 0x40,
    MXCSR_FLAGS = 0x3f,
};

typedef enum HostFeature {
    HOST_SSE2,
    HOST_SSE41,
    HOST_FMA,
    HOST_F16C,
} HostFeature;

typedef struct HostTest {
    const char *name;
    HostFeature needs;
    uint8_t exp_bits, frac_bits; /* of the operands; 0: integers */
    uint64_t (*soft)(const Operands v, FloatStatus *s);
    uint64_t (*host)(const Operands v, uint32_t *mxcsr);
} HostTest;

static bool host_has(HostFeature feature)
{
    unsigned eax, ebx, ecx = 0, edx;

    switch (feature) {
    case HOST_SSE2:
        return true;
    case HOST_SSE41:
        return __builtin_cpu_supports("sse4.1");
    case HOST_FMA:
        return __builtin_cpu_supports("fma");
    case HOST_F16C:
        __get_cpuid(1, &eax, &ebx, &ecx, &edx); /* clang 14 has no name for it */
        return __builtin_cpu_supports("avx") && ecx & bit_F16C;
    }
    g_assert_not_reached();
}

/* Runs `code`, which leaves its result in %0, with a, b, c in xmm0, xmm1, xmm2 and %1, %2, %3. */
#define HOST_ASM(code)                                                \
    uint64_t r = 0, a = v[0], b = v[1], c = v[2];                     \
    uint32_t dflt = MXCSR_DEFAULT;                                    \
    __asm__ volatile("ldmxcsr %4\n\t"                                 \
                     "movq %1, %%xmm0\n\t"                            \
                     "movq %2, %%xmm1\n\t"                            \
                     "movq %3, %%xmm2\n\t" code "\n\t"                \
                     "stmxcsr %4\n\t"                                 \
                     "ldmxcsr %5"                                     \
                     : "+&r"(r)                                       \
                     : "r"(a), "r"(b), "r"(c), "m"(*mxcsr), "m"(dflt) \
                     : "rax", "xmm0", "xmm1", "xmm2", "memory", "cc")

#define TO_64 "movq %%xmm0, %0"
#define TO_32 "movd %%xmm0, %k0"

#define SOFT(id, expr)                                          \
    static uint64_t soft_##id(const Operands v, FloatStatus *s) \
    {                                                           \
        return expr;                                            \
    }
#define HOST(id, code)                                           \
    static uint64_t host_##id(const Operands v, uint32_t *mxcsr) \
    {                                                            \
        HOST_ASM(code);                                          \
        return r;                                                \
    }

/* A conversion to a signed integer: where the host says INVALID, put Arm's answer. */
#define HOST_TO_INTEGER(id, code, type, exp_bits, frac_bits, min, max)     \
    static uint64_t host_##id(const Operands v, uint32_t *mxcsr)           \
    {                                                                      \
        uint64_t magnitude = v[0] & low_bits(exp_bits + frac_bits);        \
        HOST_ASM(code);                                                    \
        if (!(*mxcsr & 1)) {                                               \
            return (type)r;                                                \
        } else if (magnitude > low_bits(exp_bits) << frac_bits) {          \
            return 0;                                                      \
        }                                                                  \
        return v[0] >> (exp_bits + frac_bits) & 1 ? (type)min : (type)max; \
    }

/* comis raises INVALID for any NaN, ucomis for a signalling one; AH gets 4 PF, 64 ZF, 1 CF. */
#define HOST_COMPARE(id, insn)                                                            \
    static uint64_t host_##id(const Operands v, uint32_t *mxcsr)                          \
    {                                                                                     \
        HOST_ASM(insn " %%xmm1, %%xmm0\n\tlahf\n\tmovzbl %%ah, %%eax\n\tmovq %%rax, %0"); \
        return r & 4    ? FLOAT_RELATION_UNORDERED                                        \
               : r & 64 ? FLOAT_RELATION_EQUAL                                            \
               : r & 1  ? (uint64_t)FLOAT_RELATION_LESS                                   \
                        : FLOAT_RELATION_GREATER;                                          \
    }

#define BOTH(T, x, to)                                                                        \
    SOFT(T##_add, T##_add(v[0], v[1], s))                                                     \
    HOST(T##_add, "adds" x " %%xmm1, %%xmm0\n\t" to)                                          \
    SOFT(T##_sub, T##_sub(v[0], v[1], s))                                                     \
    HOST(T##_sub, "subs" x " %%xmm1, %%xmm0\n\t" to)                                          \
    SOFT(T##_mul, T##_mul(v[0], v[1], s))                                                     \
    HOST(T##_mul, "muls" x " %%xmm1, %%xmm0\n\t" to)                                          \
    SOFT(T##_div, T##_div(v[0], v[1], s))                                                     \
    HOST(T##_div, "divs" x " %%xmm1, %%xmm0\n\t" to)                                          \
    SOFT(T##_sqrt, T##_sqrt(v[0], s))                                                         \
    HOST(T##_sqrt, "sqrts" x " %%xmm0, %%xmm0\n\t" to)                                        \
    SOFT(T##_madd, T##_muladd(v[0], v[1], v[2], 0, s))                                        \
    HOST(T##_madd, "vfmadd231s" x " %%xmm1, %%xmm0, %%xmm2\n\tmovq %%xmm2, %%xmm0\n\t" to)    \
    SOFT(T##_msub, T##_muladd(v[0], v[1], v[2], FLOAT_MULADD_NEG_ADDEND, s))                  \
    HOST(T##_msub, "vfmsub231s" x " %%xmm1, %%xmm0, %%xmm2\n\tmovq %%xmm2, %%xmm0\n\t" to)    \
    SOFT(T##_nmadd, T##_muladd(v[0], v[1], v[2], FLOAT_MULADD_NEG_PRODUCT, s))                \
    HOST(T##_nmadd, "vfnmadd231s" x " %%xmm1, %%xmm0, %%xmm2\n\tmovq %%xmm2, %%xmm0\n\t" to)  \
    SOFT(T##_nmsub,                                                                           \
         T##_muladd(v[0], v[1], v[2], FLOAT_MULADD_NEG_PRODUCT | FLOAT_MULADD_NEG_ADDEND, s)) \
    HOST(T##_nmsub, "vfnmsub231s" x " %%xmm1, %%xmm0, %%xmm2\n\tmovq %%xmm2, %%xmm0\n\t" to)  \
    SOFT(T##_compare, T##_compare(v[0], v[1], s))                                             \
    HOST_COMPARE(T##_compare, "comis" x)                                                      \
    SOFT(T##_compare_quiet, T##_compare_quiet(v[0], v[1], s))                                 \
    HOST_COMPARE(T##_compare_quiet, "ucomis" x)                                               \
    SOFT(T##_rint, T##_round_to_int(v[0], s->round_mode, true, s))                            \
    HOST(T##_rint, "rounds" x " $4, %%xmm0, %%xmm0\n\t" to)                                   \
    SOFT(T##_nearbyint, T##_round_to_int(v[0], s->round_mode, false, s))                      \
    HOST(T##_nearbyint, "rounds" x " $12, %%xmm0, %%xmm0\n\t" to)                             \
    SOFT(T##_trunc, T##_round_to_int(v[0], FLOAT_ROUND_TO_ZERO, true, s))                     \
    HOST(T##_trunc, "rounds" x " $3, %%xmm0, %%xmm0\n\t" to)                                  \
    SOFT(T##_to_int32, T##_to_int32(v[0], s->round_mode, s))                                  \
    SOFT(T##_to_int64, T##_to_int64(v[0], s->round_mode, s))                                  \
    SOFT(T##_to_int64_trunc, T##_to_int64(v[0], FLOAT_ROUND_TO_ZERO, s))                      \
    SOFT(T##_from_int64, int64_to_##T(v[0], 0, s))                                            \
    HOST(T##_from_int64, "pxor %%xmm0, %%xmm0\n\tcvtsi2s" x "q %1, %%xmm0\n\t" to)

BOTH(float32, "s", TO_32)
BOTH(float64, "d", TO_64)

HOST_TO_INTEGER(float32_to_int32, "cvtss2sil %%xmm0, %k0", int32_t, 8, 23, INT32_MIN, INT32_MAX)
HOST_TO_INTEGER(float32_to_int64, "cvtss2siq %%xmm0, %0", int64_t, 8, 23, INT64_MIN, INT64_MAX)
HOST_TO_INTEGER(float32_to_int64_trunc, "cvttss2siq %%xmm0, %0", int64_t, 8, 23, INT64_MIN,
                INT64_MAX)
HOST_TO_INTEGER(float64_to_int32, "cvtsd2sil %%xmm0, %k0", int32_t, 11, 52, INT32_MIN, INT32_MAX)
HOST_TO_INTEGER(float64_to_int64, "cvtsd2siq %%xmm0, %0", int64_t, 11, 52, INT64_MIN, INT64_MAX)
HOST_TO_INTEGER(float64_to_int64_trunc, "cvttsd2siq %%xmm0, %0", int64_t, 11, 52, INT64_MIN,
                INT64_MAX)

SOFT(float32_to_float64, float32_to_float64(v[0], s))
HOST(float32_to_float64, "cvtss2sd %%xmm0, %%xmm0\n\t" TO_64)
SOFT(float64_to_float32, float64_to_float32(v[0], s))
HOST(float64_to_float32, "cvtsd2ss %%xmm0, %%xmm0\n\t" TO_32)
SOFT(float16_to_float32, float16_to_float32(v[0], s))
HOST(float16_to_float32, "vcvtph2ps %%xmm0, %%xmm0\n\t" TO_32)
SOFT(float32_to_float16, float32_to_float16(v[0], s))
HOST(float32_to_float16, "vcvtps2ph $4, %%xmm0, %%xmm0\n\t" TO_64)

#define ROW(id, needs, exp_bits, frac_bits)                   \
    {                                                         \
#id, needs, exp_bits, frac_bits, soft_##id, host_##id \
    }
#define ROWS(T, e, f)                                                                            \
    ROW(T##_add, HOST_SSE2, e, f), ROW(T##_sub, HOST_SSE2, e, f), ROW(T##_mul, HOST_SSE2, e, f), \
        ROW(T##_div, HOST_SSE2, e, f), ROW(T##_sqrt, HOST_SSE2, e, f),                           \
        ROW(T##_madd, HOST_FMA, e, f), ROW(T##_msub, HOST_FMA, e, f),                            \
        ROW(T##_nmadd, HOST_FMA, e, f), ROW(T##_nmsub, HOST_FMA, e, f),                          \
        ROW(T##_compare, HOST_SSE2, e, f), ROW(T##_compare_quiet, HOST_SSE2, e, f),              \
        ROW(T##_rint, HOST_SSE41, e, f), ROW(T##_nearbyint, HOST_SSE41, e, f),                   \
        ROW(T##_trunc, HOST_SSE41, e, f), ROW(T##_to_int32, HOST_SSE2, e, f),                    \
        ROW(T##_to_int64, HOST_SSE2, e, f), ROW(T##_to_int64_trunc, HOST_SSE2, e, f),            \
        ROW(T##_from_int64, HOST_SSE2, 0, 0)

static const HostTest host_tests[] = {
    ROWS(float32, 8, 23),
    ROWS(float64, 11, 52),
    ROW(float32_to_float64, HOST_SSE2, 8, 23),
    ROW(float64_to_float32, HOST_SSE2, 11, 52),
    ROW(float16_to_float32, HOST_F16C, 5, 10),
    ROW(float32_to_float16, HOST_F16C, 8, 23),
};

static const uint32_t mxcsr_of_mode[] = {
    [FLOAT_ROUND_NEAREST_EVEN] = 0,
    [FLOAT_ROUND_UP] = 0x4000,
    [FLOAT_ROUND_DOWN] = 0x2000,
    [FLOAT_ROUND_TO_ZERO] = 0x6000,
};

/* MXCSR: IE DE ZE OE UE PE; there is no counterpart to DE */
static uint8_t flags_of_mxcsr(uint32_t mxcsr)
{
    return (mxcsr & 1) | (mxcsr >> 1 & 0x1e);
}

static bool same_result(const HostTest *t, const Operands v, FloatRoundMode mode, bool flush_inputs)
{
    FloatStatus s = { .round_mode = mode,
                      .nan_rule = FLOAT_NAN_X86,
                      .flush_inputs_to_zero = flush_inputs };
    uint32_t mxcsr = MXCSR_DEFAULT | mxcsr_of_mode[mode] | (flush_inputs ? MXCSR_DAZ : 0);
    uint64_t want = t->host(v, &mxcsr), got = t->soft(v, &s);
    uint8_t want_flags = flags_of_mxcsr(mxcsr), got_flags = s.flags & ~FLOAT_FLAG_INPUT_DENORMAL;

    if (want == got && want_flags == got_flags) {
        return true;
    }
    g_test_message("%s(%#" PRIx64 ", %#" PRIx64 ", %#" PRIx64 ") mode %d flush %d: host %#" PRIx64
                   " flags %#x, fpu %#" PRIx64 " flags %#x",
                   t->name, v[0], v[1], v[2], mode, flush_inputs, want, want_flags, got, got_flags);
    return false;
}

static bool run_host_test(const HostTest *t, FloatRoundMode mode, bool flush_inputs, uint64_t count)
{
    Random r = { .state = mode };

    for (uint64_t i = 0; i < count; i++) {
        Operands v = { 0 };

        for (int j = 0; j < 3; j++) {
            v[j] = t->exp_bits == 0
                       ? random_integer(&r)
                       : random_operand(&r, t->exp_bits, t->frac_bits, v[j ? j - 1 : 0]);
        }
        if (!same_result(t, v, mode, flush_inputs)) {
            return false;
        }
    }
    return true;
}

/* --- TestFloat's combinations
 * ----------------------------------------------------------------------------- */

static int operands_of(const HostTest *t)
{
    static const char *const two[] = { "_add", "_sub", "_mul", "_div", "_compare", "_quiet" };

    if (t->needs == HOST_FMA) {
        return 3;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(two); i++) {
        if (g_str_has_suffix(t->name, two[i])) {
            return 2;
        }
    }
    return 1;
}

/* How fine the set of operands is: P1 of TestFloat, P2, or P2 with all exponents. */
typedef enum Density { COARSE, P1, P2, ALL } Density;

static void add_fractions(GArray *set, uint64_t high, int bits, Density density)
{
    uint64_t ones = low_bits(bits), p1[] = { 0, ones, 1, ones - 1 };

    for (int i = 0; i < (density == COARSE ? 2 : 4); i++) {
        uint64_t v = high | p1[i];
        g_array_append_val(set, v);
    }
    for (int k = 1; density >= P2 && k < bits; k++) {
        uint64_t more[] = { 1ull << k, ones >> k, ones ^ ones >> k, ones ^ 1ull << k };
        for (unsigned i = 0; i < G_N_ELEMENTS(more); i++) {
            uint64_t v = high | more[i];
            g_array_append_val(set, v);
        }
    }
}

static void add_integers(GArray *set)
{
    for (int k = 0; k < 64; k++) {
        for (int64_t d = -2; d <= 2; d++) {
            uint64_t v = (1ull << k) + (uint64_t)d, negative = -v;
            g_array_append_val(set, v);
            g_array_append_val(set, negative);
        }
    }
}

static GArray *operand_set(const HostTest *t, Density density)
{
    GArray *set = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    int e = t->exp_bits, f = t->frac_bits, bias = e ? (1 << (e - 1)) - 1 : 0, max = (1 << e) - 1;
    const int some[] = { 0,   1,        bias - f - 1, bias - 1,     bias, bias + f, max - 1,
                         max, bias - f, bias + 1,     bias + f + 1, 2,    max - 2 };
    int count = density == COARSE ? 8 : density == ALL ? max + 1 : (int)G_N_ELEMENTS(some);

    if (e == 0) {
        add_integers(set);
        return set;
    }
    for (int i = 0; i < count; i++) {
        uint64_t exp = density == ALL ? (uint64_t)i : (uint64_t)some[i];
        add_fractions(set, exp << f, f, density);
        add_fractions(set, exp << f | 1ull << (e + f), f, density);
    }
    return set;
}

static bool run_combinations(const HostTest *t, FloatRoundMode mode, bool flush_inputs)
{
    static const Density densities[2][4] = { { 0, ALL, P1, COARSE }, { 0, ALL, P2, P1 } };
    int n = operands_of(t);
    g_autoptr(GArray) set = operand_set(t, densities[g_test_slow()][n]);
    const uint64_t *v = (const uint64_t *)set->data;
    guint second = n > 1 ? set->len : 1, third = n > 2 ? set->len : 1;

    for (guint i = 0; i < set->len; i++) {
        for (guint j = 0; j < second; j++) {
            for (guint k = 0; k < third; k++) {
                Operands operands = { v[i], n > 1 ? v[j] : 0, n > 2 ? v[k] : 0 };
                if (!same_result(t, operands, mode, flush_inputs)) {
                    return false;
                }
            }
        }
    }
    return true;
}

static void test_host(const void *opaque)
{
    const HostTest *t = opaque;
    uint64_t count = g_test_slow() ? 1000000 : 10000;

    if (!host_has(t->needs)) {
        g_test_skip("this host's processor lacks the instruction");
        return;
    }
    for (FloatRoundMode mode = 0; mode < G_N_ELEMENTS(mxcsr_of_mode); mode++) {
        if (!run_host_test(t, mode, false, count) || !run_host_test(t, mode, true, count) ||
            !run_combinations(t, mode, false) || !run_combinations(t, mode, true)) {
            g_test_fail();
            return;
        }
    }
    g_test_message("%" PRIu64 " cases", 2 * G_N_ELEMENTS(mxcsr_of_mode) * count);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(host_tests); i++) {
        char *path = g_strdup_printf("/fpu/host/%s", host_tests[i].name);
        g_test_add_data_func(path, &host_tests[i], test_host);
        g_free(path);
    }
    return g_test_run();
}

#else

static void test_none(void)
{
    g_test_skip("compares with SSE2, which this host has not");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fpu/host", test_none);
    return g_test_run();
}

#endif
