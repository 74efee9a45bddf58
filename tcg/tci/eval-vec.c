/* SPDX-License-Identifier: MIT */
/* Vectors of integers, and moves between the register files. */
#include "tcg/tci/eval.h"

static uint64_t get_lane(const TCGValue *v, unsigned sz, unsigned lane)
{
    switch (sz) {
    case MO_8:
        return v->u8[lane];
    case MO_16:
        return v->u16[lane];
    case MO_32:
        return v->u32[lane];
    default:
        return v->u64[lane];
    }
}

static void set_lane(TCGValue *v, unsigned sz, unsigned lane, uint64_t x)
{
    switch (sz) {
    case MO_8:
        v->u8[lane] = x;
        break;
    case MO_16:
        v->u16[lane] = x;
        break;
    case MO_32:
        v->u32[lane] = x;
        break;
    default:
        v->u64[lane] = x;
    }
}

/* ---- moves ---- */

EVAL(vmov)
{
    UNUSED;
    args[0] = args[1];
}

EVAL(vzext)
{
    TCGValue d = { 0 };

    UNUSED;
    set_lane(&d, op->sz, 0, args[1].u64[0]);
    args[0] = d;
}

EVAL(v_from_i)
{
    tcg_eval_vzext(op, args, cpu);
}

EVAL(v_to_i)
{
    UNUSED;
    args[0].u64[0] = get_lane(&args[1], op->sz, op->imm);
}

EVAL(vins_i)
{
    UNUSED;
    args[0] = args[1];
    set_lane(&args[0], op->sz, op->imm, args[2].u64[0]);
}

EVAL(vins_v)
{
    UNUSED;
    args[0] = args[1];
    set_lane(&args[0], op->sz, op->imm & 15, get_lane(&args[2], op->sz, op->imm >> 4));
}

static void fill(TCGValue *d, unsigned sz, uint64_t x)
{
    for (int i = 0; i < 16 >> sz; i++) {
        set_lane(d, sz, i, x);
    }
}

EVAL(vdup_i)
{
    UNUSED;
    fill(&args[0], op->sz, args[1].u64[0]);
}

EVAL(vdup_v)
{
    UNUSED;
    fill(&args[0], op->sz, get_lane(&args[1], op->sz, op->imm));
}

/* ---- lane by lane ---- */

/*
 * In a formula: T and S are the lane's unsigned and signed types, W and SW wide ones that hold a
 * sum or product of two lanes; a, b are the lanes as T, sa, sb as SW; n is an immediate.
 */
#define LANES(T_, S_, W_, SW_, field, expr)               \
    {                                                     \
        typedef T_ T;                                     \
        typedef S_ S;                                     \
        typedef W_ W;                                     \
        typedef SW_ SW;                                   \
        for (unsigned i = 0; i < 16 / sizeof(T); i++) {   \
            T a = args[1].field[i], b = args[2].field[i]; \
            SW sa = (S)a, sb = (S)b;                      \
            (void)b, (void)sa, (void)sb, (void)(W)0;      \
            args[0].field[i] = (T)(expr);                 \
        }                                                 \
    }
#define LANE_OP(name, expr)                                                   \
    EVAL(name)                                                                \
    {                                                                         \
        int n = op->imm;                                                      \
        (void)n;                                                              \
        UNUSED;                                                               \
        switch (op->sz) {                                                     \
        case MO_8:                                                            \
            LANES(uint8_t, int8_t, uint64_t, int64_t, u8, expr);              \
            break;                                                            \
        case MO_16:                                                           \
            LANES(uint16_t, int16_t, uint64_t, int64_t, u16, expr);           \
            break;                                                            \
        case MO_32:                                                           \
            LANES(uint32_t, int32_t, unsigned __int128, __int128, u32, expr); \
            break;                                                            \
        default:                                                              \
            LANES(uint64_t, int64_t, unsigned __int128, __int128, u64, expr); \
        }                                                                     \
    }
#define BITS ((int)sizeof(T) * 8)
#define SMAX (((SW)1 << (BITS - 1)) - 1)
#define SMIN (-SMAX - 1)
#define UMAX ((SW)(T)-1)
#define SAT(x, lo, hi)                       \
    ({                                       \
        SW x_ = (x), lo_ = (lo), hi_ = (hi); \
        x_<lo_ ? lo_ : x_> hi_ ? hi_ : x_;   \
    })
#define UW(x) ((SW)(x)) /* an unsigned lane in the wide signed type */

static bool lane_cond(unsigned cond, int64_t sa, int64_t sb, uint64_t a, uint64_t b)
{
    return cond == TCG_COND_LTU || cond == TCG_COND_GEU || cond == TCG_COND_LEU ||
                   cond == TCG_COND_GTU || cond == TCG_COND_TSTNE
               ? tcg_eval_cond(cond, MO_64, a, b)
               : tcg_eval_cond(cond, MO_64, sa, sb);
}

LANE_OP(vadd, a + b)
LANE_OP(vsub, a - b)
LANE_OP(vmul, (W)a *b)
LANE_OP(vneg, -a)
LANE_OP(vabs, sa < 0 ? -sa : sa)
LANE_OP(vsqadd, SAT(sa + sb, SMIN, SMAX))
LANE_OP(vuqadd, SAT(UW(a) + UW(b), 0, UMAX))
LANE_OP(vsqsub, SAT(sa - sb, SMIN, SMAX))
LANE_OP(vuqsub, SAT(UW(a) - UW(b), 0, UMAX))
LANE_OP(vshadd, (sa + sb) >> 1)
LANE_OP(vuhadd, (UW(a) + UW(b)) >> 1)
LANE_OP(vsrhadd, (sa + sb + 1) >> 1)
LANE_OP(vurhadd, (UW(a) + UW(b) + 1) >> 1)
LANE_OP(vshsub, (sa - sb) >> 1)
LANE_OP(vuhsub, (UW(a) - UW(b)) >> 1)
LANE_OP(vsmin, sa < sb ? a : b)
LANE_OP(vsmax, sa > sb ? a : b)
LANE_OP(vumin, a < b ? a : b)
LANE_OP(vumax, a > b ? a : b)
LANE_OP(vsabd, sa > sb ? sa - sb : sb - sa)
LANE_OP(vuabd, a > b ? a - b : b - a)
LANE_OP(vcmp, lane_cond(op->cond, sa, sb, a, b) ? -1 : 0)
LANE_OP(vcnt, __builtin_popcountll(a))
LANE_OP(vclz, a ? __builtin_clzll(a) - (64 - BITS) : BITS)
LANE_OP(vcls, __builtin_clrsbll(sa) - (64 - BITS))

/* ---- shifts ---- */

LANE_OP(vshli, n == BITS ? 0 : (W)a << n)
LANE_OP(vshri, n == BITS ? 0 : a >> n)
LANE_OP(vsari, sa >> n)
LANE_OP(vrshri, ((W)a + ((W)1 << (n - 1))) >> n)
LANE_OP(vrsari, (sa + ((SW)1 << (n - 1))) >> n)

/* By the signed low byte of b: left, or right when it is negative. */
#define BY       ((int8_t)b)
#define LEFT     (BY >= BITS ? 0 : (W)a << BY)
#define ROUND(x) (-BY > BITS ? 0 : ((x) + ((SW)1 << (-BY - 1))) >> -BY)
LANE_OP(vushl, BY >= 0 ? LEFT : -BY >= BITS ? 0 : (W)a >> -BY)
LANE_OP(vsshl, BY >= 0 ? LEFT : (W)(sa >> (-BY >= BITS ? BITS - 1 : -BY)))
LANE_OP(vurshl, BY >= 0 ? LEFT : (W)ROUND(UW(a)))
LANE_OP(vsrshl, BY >= 0 ? LEFT : (W)ROUND(sa))

/* ---- Arm's doubling high multiplications ---- */

LANE_OP(vsqdmulh, SAT((2 * sa * sb) >> BITS, SMIN, SMAX))
LANE_OP(vsqrdmulh, SAT((2 * sa * sb + ((SW)1 << (BITS - 1))) >> BITS, SMIN, SMAX))

/* ---- bits ---- */

#define BIT_OP(name, expr)                                                       \
    EVAL(name)                                                                   \
    {                                                                            \
        UNUSED;                                                                  \
        for (int i = 0; i < 2; i++) {                                            \
            uint64_t a = args[1].u64[i], b = args[2].u64[i], c = args[3].u64[i]; \
            (void)b, (void)c;                                                    \
            args[0].u64[i] = (expr);                                             \
        }                                                                        \
    }

BIT_OP(vand, a &b)
BIT_OP(vor, a | b)
BIT_OP(vxor, a ^ b)
BIT_OP(vandc, a & ~b)
BIT_OP(vorc, a | ~b)
BIT_OP(vnot, ~a)
BIT_OP(vbsl, (a & b) | (~a & c))

EVAL(vrbit)
{
    UNUSED;
    for (int i = 0; i < 16; i++) {
        unsigned a = args[1].u8[i];
        a = a >> 4 | a << 4;
        a = (a >> 2 & 0x33) | (a & 0x33) << 2;
        args[0].u8[i] = (a >> 1 & 0x55) | (a & 0x55) << 1;
    }
}

/* ---- permutations: result lane i is lane `index` of vector `from` (0: a, 1: b) ---- */

#define PERM_OP(name, from, index)                                               \
    EVAL(name)                                                                   \
    {                                                                            \
        const int n = 16 >> op->sz, half = n / 2;                                \
        TCGValue d;                                                              \
        UNUSED;                                                                  \
        (void)half;                                                              \
        for (int i = 0; i < n; i++) {                                            \
            set_lane(&d, op->sz, i, get_lane(&args[1 + (from)], op->sz, index)); \
        }                                                                        \
        args[0] = d;                                                             \
    }

PERM_OP(vzip1, i & 1, i / 2)
PERM_OP(vzip2, i & 1, i / 2 + half)
PERM_OP(vuzp1, i >= half, 2 * (i % half))
PERM_OP(vuzp2, i >= half, 2 * (i % half) + 1)
PERM_OP(vtrn1, i & 1, i & ~1)
PERM_OP(vtrn2, i & 1, i | 1)
PERM_OP(vrev, 0, i ^ ((1 << (op->imm - op->sz)) - 1))

EVAL(vext)
{
    TCGValue d;

    UNUSED;
    for (int i = 0; i < 16; i++) {
        int from = i + op->imm;
        d.u8[i] = args[1 + (from >= 16)].u8[from & 15];
    }
    args[0] = d;
}

static void table(TCGValue *args, int vectors)
{
    const TCGValue *index = &args[1 + vectors];
    TCGValue d;

    for (int i = 0; i < 16; i++) {
        int from = index->u8[i];
        d.u8[i] = from < 16 * vectors ? args[1 + from / 16].u8[from % 16] : 0;
    }
    args[0] = d;
}

EVAL(vtbl)
{
    UNUSED;
    table(args, 1);
}

EVAL(vtbl2)
{
    UNUSED;
    table(args, 2);
}

/* ---- between widths; sz is the narrow one ---- */

static int64_t get_signed(const TCGValue *v, unsigned sz, unsigned lane)
{
    unsigned unused = 64 - (8 << sz);

    return (int64_t)(get_lane(v, sz, lane) << unused) >> unused;
}

/* a and b are lanes of the low or high half, sa and sb the same as signed numbers */
#define WIDEN_OP(name, first, expr)                                 \
    EVAL(name)                                                      \
    {                                                               \
        const int half = 8 >> op->sz;                               \
        TCGValue d;                                                 \
        UNUSED;                                                     \
        (void)half;                                                 \
        for (int i = 0; i < half; i++) {                            \
            uint64_t a = get_lane(&args[1], op->sz, i + (first));   \
            uint64_t b = get_lane(&args[2], op->sz, i + (first));   \
            int64_t sa = get_signed(&args[1], op->sz, i + (first)); \
            int64_t sb = get_signed(&args[2], op->sz, i + (first)); \
            (void)a, (void)b, (void)sa, (void)sb;                   \
            set_lane(&d, op->sz + 1, i, expr);                      \
        }                                                           \
        args[0] = d;                                                \
    }

WIDEN_OP(vsxl, 0, sa)
WIDEN_OP(vsxh, half, sa)
WIDEN_OP(vuxl, 0, a)
WIDEN_OP(vuxh, half, a)
WIDEN_OP(vsmull, 0, sa *sb)
WIDEN_OP(vumull, 0, a *b)
WIDEN_OP(vsmull2, half, sa *sb)
WIDEN_OP(vumull2, half, a *b)

static int64_t clamp64(int64_t v, int64_t lo, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

/* a and sa are a wide lane; max is the greatest unsigned narrow one */
#define NARROW_OP(name, expr)                                 \
    EVAL(name)                                                \
    {                                                         \
        const int64_t max = (1ll << (8 << op->sz)) - 1;       \
        TCGValue d = { 0 };                                   \
        UNUSED;                                               \
        (void)max;                                            \
        for (int i = 0; i < 8 >> op->sz; i++) {               \
            uint64_t a = get_lane(&args[1], op->sz + 1, i);   \
            int64_t sa = get_signed(&args[1], op->sz + 1, i); \
            (void)a, (void)sa;                                \
            set_lane(&d, op->sz, i, expr);                    \
        }                                                     \
        args[0] = d;                                          \
    }

NARROW_OP(vxtn, a)
NARROW_OP(vsqxtn, clamp64(sa, -(max >> 1) - 1, max >> 1))
NARROW_OP(vuqxtn, a > (uint64_t)max ? (uint64_t)max : a)
NARROW_OP(vsqxtun, clamp64(sa, 0, max))

/* ---- across lanes ---- */

#define REDUCE_OP(name, get, type, expr)         \
    EVAL(name)                                   \
    {                                            \
        type acc = get(&args[1], op->sz, 0);     \
        UNUSED;                                  \
        for (int i = 1; i < 16 >> op->sz; i++) { \
            type x = get(&args[1], op->sz, i);   \
            acc = (expr);                        \
        }                                        \
        args[0] = (TCGValue){ 0 };               \
        set_lane(&args[0], op->sz, 0, acc);      \
    }

REDUCE_OP(vaddv, get_lane, uint64_t, acc + x)
REDUCE_OP(vsmaxv, get_signed, int64_t, x > acc ? x : acc)
REDUCE_OP(vsminv, get_signed, int64_t, x < acc ? x : acc)
REDUCE_OP(vumaxv, get_lane, uint64_t, x > acc ? x : acc)
REDUCE_OP(vuminv, get_lane, uint64_t, x < acc ? x : acc)

#define DOT_OP(name, x, y)                            \
    EVAL(name)                                        \
    {                                                 \
        UNUSED;                                       \
        for (int i = 0; i < 4; i++) {                 \
            uint32_t sum = args[1].u32[i];            \
            for (int j = 4 * i; j < 4 * i + 4; j++) { \
                sum += args[2].x[j] * args[3].y[j];   \
            }                                         \
            args[0].u32[i] = sum;                     \
        }                                             \
    }

DOT_OP(vsdot, s8, s8)
DOT_OP(vudot, u8, u8)
DOT_OP(vusdot, u8, s8)

/* ---- polynomials over GF(2) ---- */

static unsigned __int128 carryless(uint64_t a, uint64_t b)
{
    unsigned __int128 product = 0;

    for (; b; b &= b - 1) {
        product ^= (unsigned __int128)a << __builtin_ctzll(b);
    }
    return product;
}

EVAL(vpmul)
{
    UNUSED;
    for (int i = 0; i < 16; i++) {
        args[0].u8[i] = carryless(args[1].u8[i], args[2].u8[i]);
    }
}

static void carryless_half(unsigned sz, TCGValue *args, int half)
{
    TCGValue d;

    if (sz == MO_8) {
        for (int i = 0; i < 8; i++) {
            d.u16[i] = carryless(args[1].u8[i + 8 * half], args[2].u8[i + 8 * half]);
        }
    } else {
        unsigned __int128 product = carryless(args[1].u64[half], args[2].u64[half]);
        d.u64[0] = product;
        d.u64[1] = product >> 64;
    }
    args[0] = d;
}

EVAL(vpmull)
{
    UNUSED;
    carryless_half(op->sz, args, 0);
}

EVAL(vpmull2)
{
    UNUSED;
    carryless_half(op->sz, args, 1);
}
