/* SPDX-License-Identifier: MIT */
/* Functions of helper_simd on floating-point numbers, and FJCVTZS. All by fpu/. */
#include "target/arm/helper-simd.h"

static uint64_t helper_fjcvtzs(CPUArmState *env, uint64_t a)
{
    bool z;
    uint32_t val = float64_to_int32_js(a, &z, &env->parent.fp_status);

    return val | (uint64_t)z << 32;
}

const TCGHelperInfo helper_fjcvtzs_info = { "fjcvtzs", helper_fjcvtzs, 2, true,
                                            TCG_CALL_NO_RG | TCG_CALL_NO_WG };

/* --- lane by lane, in the format of d.size --------------------------------------------- */

/* One and the same expression for each format T; F is the lanes' member of ARMVReg. */
#define EACH_LANE(expr)                                                 \
    ARMVReg out = env->v[d.rd], *n = &env->v[d.rn], *m = &env->v[d.rm]; \
    FloatStatus *st = &env->parent.fp_status;                           \
    (void)m;                                                            \
    for (int i = 0; i < 1 << (d.keep - d.size); i++) {                  \
        int e = d.lane ? d.lane - 1 : i;                                \
        (void)e;                                                        \
        switch (d.size) {                                               \
        case MO_16:                                                     \
            out.h[i] = expr(float16, h);                                \
            break;                                                      \
        case MO_32:                                                     \
            out.s[i] = expr(float32, s);                                \
            break;                                                      \
        default:                                                        \
            out.d[i] = expr(float64, d);                                \
        }                                                               \
    }                                                                   \
    env->v[d.rd] = out;                                                 \
    simd_finish(env, d)

#define MULX(T, F)     T##_mulx(n->F[i], m->F[e], st)
#define RECPS(T, F)    T##_recps(n->F[i], m->F[e], st)
#define RSQRTS(T, F)   T##_rsqrts(n->F[i], m->F[e], st)
#define RECPE(T, F)    T##_recpe(n->F[i], st)
#define RSQRTE(T, F)   T##_rsqrte(n->F[i], st)
#define RECPX(T, F)    T##_recpx(n->F[i], st)
#define FRINT32Z(T, F) T##_round_to_sized_int(n->F[i], FLOAT_ROUND_TO_ZERO, 32, st)
#define FRINT32X(T, F) T##_round_to_sized_int(n->F[i], st->round_mode, 32, st)
#define FRINT64Z(T, F) T##_round_to_sized_int(n->F[i], FLOAT_ROUND_TO_ZERO, 64, st)
#define FRINT64X(T, F) T##_round_to_sized_int(n->F[i], st->round_mode, 64, st)

void simd_mulx(CPUArmState *env, SimdDesc d)
{
    EACH_LANE(MULX);
}
void simd_recps(CPUArmState *env, SimdDesc d)
{
    EACH_LANE(RECPS);
}
void simd_rsqrts(CPUArmState *env, SimdDesc d)
{
    EACH_LANE(RSQRTS);
}
void simd_recpe(CPUArmState *env, SimdDesc d)
{
    EACH_LANE(RECPE);
}
void simd_rsqrte(CPUArmState *env, SimdDesc d)
{
    EACH_LANE(RSQRTE);
}
void simd_recpx(CPUArmState *env, SimdDesc d)
{
    EACH_LANE(RECPX);
}
void simd_frint32z(CPUArmState *env, SimdDesc d)
{
    EACH_LANE(FRINT32Z);
}
void simd_frint32x(CPUArmState *env, SimdDesc d)
{
    EACH_LANE(FRINT32X);
}
void simd_frint64z(CPUArmState *env, SimdDesc d)
{
    EACH_LANE(FRINT64Z);
}
void simd_frint64x(CPUArmState *env, SimdDesc d)
{
    EACH_LANE(FRINT64X);
}

/* --- between formats ------------------------------------------------------------------- */

/* Two results of 32 bits become the low half of rd, or with keep MO_128 the high half. */
static void write_narrow(CPUArmState *env, SimdDesc d, uint64_t val)
{
    if (d.keep == MO_128) {
        env->v[d.rd].d[1] = val;
    } else {
        env->v[d.rd].d[0] = val;
        simd_finish(env, d);
    }
}

void simd_fcvtxn(CPUArmState *env, SimdDesc d)
{
    FloatStatus st = env->parent.fp_status;
    ARMVReg n = env->v[d.rn];
    uint64_t val;

    st.round_mode = FLOAT_ROUND_TO_ODD;
    val = float64_to_float32(n.d[0], &st);
    if (d.keep != MO_32) {
        val |= (uint64_t)float64_to_float32(n.d[1], &st) << 32;
    }
    env->parent.fp_status.flags = st.flags;
    write_narrow(env, d, val);
}

void simd_bfcvtn(CPUArmState *env, SimdDesc d)
{
    ARMVReg n = env->v[d.rn], val;

    for (int i = 0; i < 4; i++) {
        val.h[i] = float32_to_bfloat16(n.s[i], &env->parent.fp_status);
    }
    write_narrow(env, d, val.d[0]);
}

void simd_bfcvt(CPUArmState *env, SimdDesc d)
{
    uint64_t val = float32_to_bfloat16(env->v[d.rn].s[0], &env->parent.fp_status);

    env->v[d.rd] = (ARMVReg){ .d = { val, 0 } };
}

/* The number as a single, exactly; a signalling NaN stays one for the multiply-add to see. */
static float32 half_to_single(float16 a, const FloatStatus *st)
{
    FloatStatus exact = { 0 };
    bool denormal = !(a & 0x7c00);

    if (float16_is_any_nan(a)) {
        return (uint32_t)(a & 0x8000) << 16 | 0x7f800000 | (uint32_t)(a & 0x3ff) << 13;
    }
    return float16_to_float32(denormal && st->flush_fp16 ? a & 0x8000 : a, &exact);
}

void simd_fmlal(CPUArmState *env, SimdDesc d)
{
    FloatStatus *st = &env->parent.fp_status;
    ARMVReg out = env->v[d.rd], n = env->v[d.rn], m = env->v[d.rm];
    int lanes = 1 << (d.keep - MO_32), first = d.x & 1 ? lanes : 0;

    for (int i = 0; i < lanes; i++) {
        uint16_t a = n.h[first + i] ^ (d.x & 2 ? 0x8000 : 0);
        uint16_t b = m.h[d.lane ? d.lane - 1 : first + i];

        out.s[i] = float32_muladd(half_to_single(a, st), half_to_single(b, st), out.s[i], 0, st);
    }
    env->v[d.rd] = out;
    simd_finish(env, d);
}

/* --- bfloat16 -------------------------------------------------------------------------- */

void simd_bfdot(CPUArmState *env, SimdDesc d)
{
    ARMVReg out = env->v[d.rd], n = env->v[d.rn], m = env->v[d.rm];

    for (int i = 0; i < 1 << (d.keep - MO_32); i++) {
        out.s[i] = bfloat16_dot_add(out.s[i], n.s[i], m.s[d.lane ? d.lane - 1 : i]);
    }
    env->v[d.rd] = out;
    simd_finish(env, d);
}

/* Two rows of four numbers by two columns. */
void simd_bfmmla(CPUArmState *env, SimdDesc d)
{
    ARMVReg out = env->v[d.rd], n = env->v[d.rn], m = env->v[d.rm];

    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 2; k++) {
            out.s[i] = bfloat16_dot_add(out.s[i], n.s[(i & 2) + k], m.s[(i & 1) * 2 + k]);
        }
    }
    env->v[d.rd] = out;
}
