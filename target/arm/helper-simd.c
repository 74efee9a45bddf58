/* SPDX-License-Identifier: MIT */
/* The helper for SIMD instructions without ops, and its functions on integers. */
#include "target/arm/helper-simd.h"

static SimdHelper *const simd_funcs[SIMD_FUNC_COUNT] = {
#define SIMD_FUNC(name, func) func,
#include "target/arm/helper-simd.h.inc"
#undef SIMD_FUNC
};

static void helper_simd(CPUArmState *env, uint64_t raw)
{
    SimdDesc d = { .raw = raw };

    simd_funcs[d.func](env, d);
}

const TCGHelperInfo helper_simd_info = { "simd", helper_simd, 2, false, 0 };

/* --- lanes ----------------------------------------------------------------------------- */

static uint64_t get_lane(const ARMVReg *v, unsigned size, int lane)
{
    switch (size) {
    case MO_8:
        return v->b[lane];
    case MO_16:
        return v->h[lane];
    case MO_32:
        return v->s[lane];
    default:
        return v->d[lane];
    }
}

static void set_lane(ARMVReg *v, unsigned size, int lane, uint64_t val)
{
    switch (size) {
    case MO_8:
        v->b[lane] = val;
        break;
    case MO_16:
        v->h[lane] = val;
        break;
    case MO_32:
        v->s[lane] = val;
        break;
    default:
        v->d[lane] = val;
    }
}

static int64_t sext(uint64_t val, int bits)
{
    return (int64_t)(val << (64 - bits)) >> (64 - bits);
}

/* A lane of `bits` from the destination's old one and two operands; *sat is set if it saturated. */
typedef uint64_t LaneFn(uint64_t d, uint64_t n, uint64_t m, int bits, bool *sat);

static void each_lane(CPUArmState *env, SimdDesc d, LaneFn *fn)
{
    ARMVReg out = env->v[d.rd], *n = &env->v[d.rn], *m = &env->v[d.rm];
    bool sat = false;

    for (int i = 0; i < 1 << (d.keep - d.size); i++) {
        uint64_t mv = get_lane(m, d.size, d.lane ? d.lane - 1 : i);

        set_lane(&out, d.size, i,
                 fn(get_lane(&out, d.size, i), get_lane(n, d.size, i), mv, 8 << d.size, &sat));
    }
    env->v[d.rd] = out;
    env->qc.d[0] |= sat;
    simd_finish(env, d);
}

/* val as a number of so many bits, the nearest there is. */
static uint64_t saturate(__int128 val, int bits, bool uns, bool *sat)
{
    __int128 one = 1, max = uns ? (one << bits) - 1 : (one << (bits - 1)) - 1;
    __int128 min = uns ? 0 : -max - 1;
    __int128 out = val < min ? min : val > max ? max : val;

    *sat |= out != val;
    return out;
}

/* --- shifts by a register: the low byte of m, signed; to the right if negative --------- */

static uint64_t shift_sat(uint64_t n, uint64_t m, int bits, bool uns, bool round, bool *sat)
{
    __int128 val = uns ? (__int128)n : sext(n, bits), one = 1;
    int shift = (int8_t)m;

    if (shift >= bits) { /* as good as infinite */
        val = val < 0 ? -(one << 100) : val ? one << 100 : 0;
    } else if (shift >= 0) {
        val *= one << shift;
    } else if (-shift > bits) {
        val = val < 0 && !round ? -1 : 0;
    } else {
        val = (val + (round ? one << (-shift - 1) : 0)) >> -shift;
    }
    return saturate(val, bits, uns, sat);
}

#define SHIFT(name, uns, round)                                                          \
    static uint64_t name##_lane(uint64_t d, uint64_t n, uint64_t m, int bits, bool *sat) \
    {                                                                                    \
        (void)d;                                                                         \
        return shift_sat(n, m, bits, uns, round, sat);                                   \
    }                                                                                    \
    void simd_##name(CPUArmState *env, SimdDesc d)                                       \
    {                                                                                    \
        each_lane(env, d, name##_lane);                                                  \
    }
SHIFT(sqshl, false, false)
SHIFT(uqshl, true, false)
SHIFT(sqrshl, false, true)
SHIFT(uqrshl, true, true)

/* --- multiplication -------------------------------------------------------------------- */

static uint64_t rdml(uint64_t d, uint64_t n, uint64_t m, int bits, int sign, bool *sat)
{
    __int128 product = (__int128)sext(n, bits) * sext(m, bits) * 2 * sign;
    __int128 sum = sext(d, bits) * ((__int128)1 << bits) + product + ((__int128)1 << (bits - 1));

    return saturate(sum >> bits, bits, false, sat);
}

static uint64_t sqrdmlah_lane(uint64_t d, uint64_t n, uint64_t m, int bits, bool *sat)
{
    return rdml(d, n, m, bits, 1, sat);
}
static uint64_t sqrdmlsh_lane(uint64_t d, uint64_t n, uint64_t m, int bits, bool *sat)
{
    return rdml(d, n, m, bits, -1, sat);
}

void simd_sqrdmlah(CPUArmState *env, SimdDesc d)
{
    each_lane(env, d, sqrdmlah_lane);
}
void simd_sqrdmlsh(CPUArmState *env, SimdDesc d)
{
    each_lane(env, d, sqrdmlsh_lane);
}

/* Two rows of eight bytes by two columns, added to a matrix of four words. */
static void matrix(CPUArmState *env, SimdDesc d, bool n_signed, bool m_signed)
{
    ARMVReg out = env->v[d.rd], *n = &env->v[d.rn], *m = &env->v[d.rm];

    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 8; k++) {
            uint8_t a = n->b[(i & 2) * 4 + k], b = m->b[(i & 1) * 8 + k];

            out.s[i] += (n_signed ? (int8_t)a : a) * (m_signed ? (int8_t)b : b);
        }
    }
    env->v[d.rd] = out;
}

void simd_smmla(CPUArmState *env, SimdDesc d)
{
    matrix(env, d, true, true);
}
void simd_ummla(CPUArmState *env, SimdDesc d)
{
    matrix(env, d, false, false);
}
void simd_usmmla(CPUArmState *env, SimdDesc d)
{
    matrix(env, d, false, true);
}

/* --- estimates of fractions ------------------------------------------------------------ */

static uint64_t urecpe_lane(uint64_t d, uint64_t n, uint64_t m, int bits, bool *sat)
{
    (void)d, (void)m, (void)bits, (void)sat;
    return uint32_recpe(n);
}
static uint64_t ursqrte_lane(uint64_t d, uint64_t n, uint64_t m, int bits, bool *sat)
{
    (void)d, (void)m, (void)bits, (void)sat;
    return uint32_rsqrte(n);
}

void simd_urecpe(CPUArmState *env, SimdDesc d)
{
    each_lane(env, d, urecpe_lane);
}
void simd_ursqrte(CPUArmState *env, SimdDesc d)
{
    each_lane(env, d, ursqrte_lane);
}
