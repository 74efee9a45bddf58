/* SPDX-License-Identifier: MIT */
/*
 * Software floating point: IEEE 754-2019 binary16/32/64/128 and bfloat16, exact, with integer
 * instructions only. This is what every guest uses off the fast path and what the fast path is
 * tested against.
 *
 * Values are passed as their raw bits. A function reads the modes of *s and adds to s->flags (it
 * never clears one). Nothing allocates, blocks, fails or touches the host's floating point or
 * vector registers, so that translated code may call in with its own MXCSR and live vectors.
 *
 * Where IEEE 754 leaves a choice the FloatStatus decides; the names FLOAT_NAN_ARM and "Arm" below
 * refer to the Arm Architecture Reference Manual (DDI 0487), chapter J1, shared/functions/float.
 */
#ifndef FPU_SOFTFLOAT_H
#define FPU_SOFTFLOAT_H

#include <stdbool.h>
#include <stdint.h>

typedef uint16_t float16;
typedef uint32_t float32;
typedef uint64_t float64;
typedef uint16_t bfloat16;
typedef struct float128 {
    uint64_t lo, hi; /* hi holds sign and exponent */
} float128;

typedef enum FloatRoundMode { /* the first four in the order of Arm's FPCR.RMode */
                              FLOAT_ROUND_NEAREST_EVEN,
                              FLOAT_ROUND_UP,
                              FLOAT_ROUND_DOWN,
                              FLOAT_ROUND_TO_ZERO,
                              FLOAT_ROUND_TIES_AWAY,
                              FLOAT_ROUND_TO_ODD, /* truncate, then set the last bit if inexact;
                                                     never to infinity */
} FloatRoundMode;

enum { /* the bits of Arm's FPSR */
       FLOAT_FLAG_INVALID = 1,
       FLOAT_FLAG_DIVBYZERO = 2,
       FLOAT_FLAG_OVERFLOW = 4,
       FLOAT_FLAG_UNDERFLOW = 8,
       FLOAT_FLAG_INEXACT = 16,
       FLOAT_FLAG_INPUT_DENORMAL = 128, /* a denormal operand was flushed to zero */
};

/* Which NaN operand becomes the result, and what the default NaN looks like. */
typedef enum FloatNaNRule {
    FLOAT_NAN_ARM, /* signalling first, then quiet, in operand order; addend before factors */
    FLOAT_NAN_X86, /* SSE, AVX, FMA: the first NaN in operand order; default NaN is negative */
    FLOAT_NAN_PPC, /* the first NaN in the order FRA FRB FRC, FRB being the addend */
} FloatNaNRule;

/* All zero: round to nearest, no flags, Arm's NaNs, denormals kept, tininess after rounding. */
typedef struct FloatStatus {
    uint8_t round_mode;            /* FloatRoundMode */
    uint8_t flags;                 /* FLOAT_FLAG_*, sticky */
    uint8_t nan_rule;              /* FloatNaNRule */
    bool default_nan;              /* every NaN result is the default NaN (FPCR.DN) */
    bool flush_to_zero;            /* denormal results, before rounding: zero and UNDERFLOW */
    bool flush_inputs_to_zero;     /* denormal operands: zero and INPUT_DENORMAL */
    bool flush_fp16;               /* as both above for binary16, no INPUT_DENORMAL (FPCR.FZ16) */
    bool tininess_before_rounding; /* Arm: true; x86, IEEE's other choice: false */
    bool ahp;                      /* conversions to and from Arm's alternative half precision */
} FloatStatus;

typedef enum FloatRelation {
    FLOAT_RELATION_LESS = -1,
    FLOAT_RELATION_EQUAL = 0,
    FLOAT_RELATION_GREATER = 1,
    FLOAT_RELATION_UNORDERED = 2,
} FloatRelation;

/*
 * For T_muladd. Under FLOAT_NAN_ARM the first two negate the operand before everything else, a NaN
 * too (the product by its first factor), as FMSUB and FNMADD do; under other rules NaNs keep their
 * sign. NEG_RESULT negates after rounding and leaves NaNs alone.
 */
enum {
    FLOAT_MULADD_NEG_PRODUCT = 1,
    FLOAT_MULADD_NEG_ADDEND = 2,
    FLOAT_MULADD_NEG_RESULT = 4,
};

/*
 * The operations that every format has. T_muladd is a * b + c rounded once.
 *
 * min max: Arm's FMIN FMAX: a NaN operand gives a NaN, -0 < +0. minnum maxnum: FMINNM FMAXNM: the
 * number wins over a quiet NaN. mulx: FMULX, infinity times zero is 2. recps rsqrts: FRECPS
 * 2 - a*b, FRSQRTS (3 - a*b)/2, rounded once. compare raises INVALID for any NaN, compare_quiet
 * for a signalling one. round_to_int raises INEXACT only if `exact`. round_to_sized_int: Arm's
 * FRINT32x/FRINT64x, `bits` is 32 or 64, what does not fit becomes -2^(bits-1) and INVALID.
 *
 * To integers: the operand is multiplied by 2^fbits first (0 <= fbits <= 64); a NaN gives 0, what
 * is out of range the nearest integer of the type, both INVALID and not INEXACT. From integers:
 * the operand is divided by 2^fbits. scalbn: times 2^n.
 */
#define FLOAT_DECLARE(T)                                                                \
    T T##_add(T a, T b, FloatStatus *s);                                                \
    T T##_sub(T a, T b, FloatStatus *s);                                                \
    T T##_mul(T a, T b, FloatStatus *s);                                                \
    T T##_div(T a, T b, FloatStatus *s);                                                \
    T T##_sqrt(T a, FloatStatus *s);                                                    \
    T T##_muladd(T a, T b, T c, int flags, FloatStatus *s);                             \
    T T##_min(T a, T b, FloatStatus *s);                                                \
    T T##_max(T a, T b, FloatStatus *s);                                                \
    T T##_minnum(T a, T b, FloatStatus *s);                                             \
    T T##_maxnum(T a, T b, FloatStatus *s);                                             \
    T T##_mulx(T a, T b, FloatStatus *s);                                               \
    T T##_recps(T a, T b, FloatStatus *s);                                              \
    T T##_rsqrts(T a, T b, FloatStatus *s);                                             \
    FloatRelation T##_compare(T a, T b, FloatStatus *s);                                \
    FloatRelation T##_compare_quiet(T a, T b, FloatStatus *s);                          \
    T T##_round_to_int(T a, FloatRoundMode mode, bool exact, FloatStatus *s);           \
    T T##_round_to_sized_int(T a, FloatRoundMode mode, int bits, FloatStatus *s);       \
    T T##_scalbn(T a, int n, FloatStatus *s);                                           \
    int16_t T##_to_int16(T a, FloatRoundMode mode, FloatStatus *s);                     \
    int32_t T##_to_int32(T a, FloatRoundMode mode, FloatStatus *s);                     \
    int64_t T##_to_int64(T a, FloatRoundMode mode, FloatStatus *s);                     \
    uint16_t T##_to_uint16(T a, FloatRoundMode mode, FloatStatus *s);                   \
    uint32_t T##_to_uint32(T a, FloatRoundMode mode, FloatStatus *s);                   \
    uint64_t T##_to_uint64(T a, FloatRoundMode mode, FloatStatus *s);                   \
    int16_t T##_to_int16_scalbn(T a, FloatRoundMode mode, int fbits, FloatStatus *s);   \
    int32_t T##_to_int32_scalbn(T a, FloatRoundMode mode, int fbits, FloatStatus *s);   \
    int64_t T##_to_int64_scalbn(T a, FloatRoundMode mode, int fbits, FloatStatus *s);   \
    uint16_t T##_to_uint16_scalbn(T a, FloatRoundMode mode, int fbits, FloatStatus *s); \
    uint32_t T##_to_uint32_scalbn(T a, FloatRoundMode mode, int fbits, FloatStatus *s); \
    uint64_t T##_to_uint64_scalbn(T a, FloatRoundMode mode, int fbits, FloatStatus *s); \
    T int64_to_##T(int64_t v, int fbits, FloatStatus *s);                               \
    T uint64_to_##T(uint64_t v, int fbits, FloatStatus *s);                             \
    T T##_default_nan(const FloatStatus *s);                                            \
    bool T##_is_any_nan(T a);                                                           \
    bool T##_is_signaling_nan(T a)

FLOAT_DECLARE(float16);
FLOAT_DECLARE(bfloat16);
FLOAT_DECLARE(float32);
FLOAT_DECLARE(float64);
FLOAT_DECLARE(float128);

/*
 * Arm's estimates, bit for bit (8 fraction bits): FRECPE, FRSQRTE, and FRECPX's exponent
 * reciprocal. bfloat16 and binary128 have none.
 */
#define FLOAT_DECLARE_ESTIMATES(T)     \
    T T##_recpe(T a, FloatStatus *s);  \
    T T##_rsqrte(T a, FloatStatus *s); \
    T T##_recpx(T a, FloatStatus *s)

FLOAT_DECLARE_ESTIMATES(float16);
FLOAT_DECLARE_ESTIMATES(float32);
FLOAT_DECLARE_ESTIMATES(float64);

/* Arm's URECPE and URSQRTE: the operand is a fraction of 2^32, the result of 2^31. */
uint32_t uint32_recpe(uint32_t a);
uint32_t uint32_rsqrte(uint32_t a);

/*
 * Between formats, rounding in s->round_mode (TO_ODD for Arm's FCVTXN). Those from and to float16
 * obey s->ahp and, as Arm has it, never flush on the binary16 side.
 */
float32 float16_to_float32(float16 a, FloatStatus *s);
float64 float16_to_float64(float16 a, FloatStatus *s);
float128 float16_to_float128(float16 a, FloatStatus *s);
float16 float32_to_float16(float32 a, FloatStatus *s);
bfloat16 float32_to_bfloat16(float32 a, FloatStatus *s);
float64 float32_to_float64(float32 a, FloatStatus *s);
float128 float32_to_float128(float32 a, FloatStatus *s);
float16 float64_to_float16(float64 a, FloatStatus *s);
float32 float64_to_float32(float64 a, FloatStatus *s);
float128 float64_to_float128(float64 a, FloatStatus *s);
float16 float128_to_float16(float128 a, FloatStatus *s);
float32 float128_to_float32(float128 a, FloatStatus *s);
float64 float128_to_float64(float128 a, FloatStatus *s);

/* Exact, and a signalling NaN stays one: how Arm and x86 read a bfloat16 operand. */
static inline float32 bfloat16_to_float32(bfloat16 a)
{
    return (float32)a << 16;
}

/* Arm's FMLAL: binary16 factors, the product added to a binary32, rounded once. */
float32 float16_muladd_float32(float16 a, float16 b, float32 c, int flags, FloatStatus *s);

/*
 * Arm's FJCVTZS, JavaScript's ToInt32: truncated, modulo 2^32. *z, where the instruction's Z flag
 * goes, is true if the conversion was exact and in range (and of no -0).
 */
int32_t float64_to_int32_js(float64 a, bool *z, FloatStatus *s);

/*
 * One element of Arm's BFDOT, and the step of BFMMLA, without FEAT_EBF16: sum + (a0*b0 + a1*b1),
 * a0 and b0 in the low halves. Each of the four operations rounds to odd, takes and makes
 * denormals as zeros, overflows to infinity, makes only default NaNs and raises no flag.
 */
float32 bfloat16_dot_add(float32 sum, uint32_t a, uint32_t b);

#endif
