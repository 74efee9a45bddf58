/* SPDX-License-Identifier: MIT */
/* Integers and condition flags. */
#include "tcg/tci/eval.h"

#define D   args[0].u64[0]
#define A   args[1].u64[0]
#define B   args[2].u64[0]
#define C   args[3].u64[0]
#define A32 args[1].u32[0]
#define B32 args[2].u32[0]

/* An op whose 32-bit form is the same formula on uint32_t. */
#define INT_OP(name, expr)                                       \
    static inline uint32_t name##_32(uint32_t a, uint32_t b)     \
    {                                                            \
        typedef uint32_t T;                                      \
        typedef int32_t S;                                       \
        (void)b;                                                 \
        (void)(S)0;                                              \
        return (T)(expr);                                        \
    }                                                            \
    static inline uint64_t name##_64(uint64_t a, uint64_t b)     \
    {                                                            \
        typedef uint64_t T;                                      \
        typedef int64_t S;                                       \
        (void)b;                                                 \
        (void)(S)0;                                              \
        return (T)(expr);                                        \
    }                                                            \
    EVAL(name)                                                   \
    {                                                            \
        UNUSED;                                                  \
        D = op->sz == MO_32 ? name##_32(A, B) : name##_64(A, B); \
    }

#define BITS   (sizeof(T) * 8)
#define LOW(n) ((n) & (BITS - 1))
#define SMIN   ((S)((T)1 << (BITS - 1)))

INT_OP(mov, a)
INT_OP(add, a + b)
INT_OP(sub, a - b)
INT_OP(neg, -a)
INT_OP(mul, a *b)
INT_OP(divu, b ? a / b : 0)
INT_OP(remu, b ? a % b : a)
INT_OP(divs, b == 0 ? 0 : (S)a == SMIN && (S)b == -1 ? a : (T)((S)a / (S)b))
INT_OP(rems, b == 0 ? a : (S)a == SMIN && (S)b == -1 ? 0 : (T)((S)a % (S)b))
INT_OP(and, a &b)
INT_OP(or, a | b)
INT_OP(xor, a ^ b)
INT_OP(andc, a & ~b)
INT_OP(orc, a | ~b)
INT_OP(eqv, a ^ ~b)
INT_OP(not, ~a)
INT_OP(shl, a << LOW(b))
INT_OP(shr, a >> LOW(b))
INT_OP(sar, (S)a >> LOW(b))
INT_OP(rotr, a >> LOW(b) | a << LOW(-b))

EVAL(mulsh)
{
    UNUSED;
    D = op->sz == MO_32 ? (uint32_t)((int64_t)(int32_t)A * (int32_t)B >> 32)
                        : (uint64_t)((__int128)(int64_t)A * (int64_t)B >> 64);
}

EVAL(muluh)
{
    UNUSED;
    D = op->sz == MO_32 ? (uint64_t)A32 * B32 >> 32 : (uint64_t)((unsigned __int128)A * B >> 64);
}

static unsigned clz(uint64_t a, unsigned bits)
{
    return a ? __builtin_clzll(a) - (64 - bits) : bits;
}

EVAL(clz)
{
    UNUSED;
    D = clz(eval_size(op, A), 8 << op->sz);
}

EVAL(cls)
{
    UNUSED;
    D = op->sz == MO_32 ? clz((A32 ^ (uint32_t)((int32_t)A32 >> 1)) & INT32_MAX, 31)
                        : clz((A ^ (uint64_t)((int64_t)A >> 1)) & INT64_MAX, 63);
}

EVAL(ctz)
{
    uint64_t a = eval_size(op, A);

    UNUSED;
    D = a ? __builtin_ctzll(a) : 8 << op->sz;
}

EVAL(popcnt)
{
    UNUSED;
    D = __builtin_popcountll(eval_size(op, A));
}

EVAL(bswap)
{
    UNUSED;
    D = op->sz == MO_32 ? __builtin_bswap32(A32) : __builtin_bswap64(A);
}

EVAL(bswap16)
{
    const uint64_t even = 0x00ff00ff00ff00ffull;

    UNUSED;
    D = eval_size(op, (A >> 8 & even) | (A & even) << 8);
}

EVAL(bswap32)
{
    UNUSED;
    D = eval_size(op, (uint64_t)__builtin_bswap32(A >> 32) << 32 | __builtin_bswap32(A32));
}

EVAL(rbit)
{
    uint64_t a = __builtin_bswap64(A);

    UNUSED;
    a = (a >> 4 & 0x0f0f0f0f0f0f0f0full) | (a & 0x0f0f0f0f0f0f0f0full) << 4;
    a = (a >> 2 & 0x3333333333333333ull) | (a & 0x3333333333333333ull) << 2;
    a = (a >> 1 & 0x5555555555555555ull) | (a & 0x5555555555555555ull) << 1;
    D = op->sz == MO_32 ? a >> 32 : a;
}

/* ---- fields ---- */

static uint64_t low_bits(uint64_t a, int len)
{
    return len == 64 ? a : a & ((1ull << len) - 1);
}

static uint64_t sign_extend(uint64_t a, int len)
{
    return (uint64_t)((int64_t)(a << (64 - len)) >> (64 - len));
}

#define POS TCG_FIELD_POS(op->imm)
#define LEN TCG_FIELD_LEN(op->imm)

EVAL(extract)
{
    UNUSED;
    D = low_bits(A >> POS, LEN);
}

EVAL(sextract)
{
    UNUSED;
    D = eval_size(op, sign_extend(A >> POS, LEN));
}

EVAL(deposit)
{
    uint64_t mask = low_bits(~0ull, LEN) << POS;

    UNUSED;
    D = eval_size(op, (A & ~mask) | (B << POS & mask));
}

EVAL(depositz)
{
    UNUSED;
    D = eval_size(op, low_bits(A, LEN) << POS);
}

EVAL(sdepositz)
{
    UNUSED;
    D = eval_size(op, sign_extend(A, LEN) << POS);
}

EVAL(extr)
{
    UNUSED;
    if (op->sz == MO_32) {
        D = (uint32_t)(((uint64_t)A32 << 32 | B32) >> op->imm);
    } else {
        D = op->imm ? A << (64 - op->imm) | B >> op->imm : B;
    }
}

EVAL(crc32)
{
    /* both polynomials with their bits in reverse order: the least significant bit goes first */
    const uint32_t poly = op->imm ? 0x82f63b78 : 0xedb88320;
    uint64_t data = low_bits(B, 8 << op->sz);
    uint32_t crc = A;

    UNUSED;
    for (int bit = 0; bit < 8 << op->sz; bit++, data >>= 1) {
        crc = crc >> 1 ^ (((crc ^ data) & 1) ? poly : 0);
    }
    D = crc;
}

/* ---- conditions on integers ---- */

bool tcg_eval_cond(TCGCond cond, unsigned sz, uint64_t a, uint64_t b)
{
    int64_t sa = sz == MO_32 ? (int32_t)a : (int64_t)a;
    int64_t sb = sz == MO_32 ? (int32_t)b : (int64_t)b;
    uint64_t ua = sz == MO_32 ? (uint32_t)a : a;
    uint64_t ub = sz == MO_32 ? (uint32_t)b : b;
    bool holds;

    switch (cond & ~1) {
    case TCG_COND_EQ:
        holds = ua == ub;
        break;
    case TCG_COND_LT:
        holds = sa < sb;
        break;
    case TCG_COND_LE:
        holds = sa <= sb;
        break;
    case TCG_COND_LTU:
        holds = ua < ub;
        break;
    case TCG_COND_LEU:
        holds = ua <= ub;
        break;
    default:
        holds = (ua & ub) == 0;
    }
    return holds ^ (cond & 1);
}

EVAL(setcond)
{
    UNUSED;
    D = tcg_eval_cond(op->cond, op->sz, A, B);
}

EVAL(movcond)
{
    UNUSED;
    D = tcg_eval_cond(op->cond, op->sz, A, B) ? C : args[4].u64[0];
}

/* ---- flags ---- */

typedef struct Sum {
    uint64_t value;
    uint32_t flags; /* packed */
} Sum;

/* a + b + carry and its flags; a subtraction is a + ~b + 1. */
static Sum add_flags(unsigned sz, uint64_t a, uint64_t b, bool carry)
{
    unsigned sign = (8 << sz) - 1;
    uint64_t mask = low_bits(~0ull, sign + 1);

    a &= mask;
    b &= mask;
    unsigned __int128 wide = (unsigned __int128)a + b + carry;
    uint64_t r = wide & mask;
    bool n = r >> sign & 1, c = wide >> (sign + 1) & 1, v = ((a ^ r) & (b ^ r)) >> sign & 1;
    return (Sum){ r, tcg_cc_pack(n << 3 | (r == 0) << 2 | c << 1 | v) };
}

static bool cc_holds(TCGCC cond, const TCGValue *flags)
{
    return tcg_cc_holds(cond, tcg_cc_unpack(flags->u32[0]));
}

static bool carry_of(const TCGValue *flags)
{
    return flags->u32[0] & TCG_CCR_C;
}

static void set_sum(TCGValue *args, Sum s)
{
    args[0].u64[0] = s.value;
    args[1].u64[0] = s.flags;
}

EVAL(add_cc)
{
    UNUSED;
    set_sum(args, add_flags(op->sz, args[2].u64[0], args[3].u64[0], 0));
}

EVAL(sub_cc)
{
    UNUSED;
    set_sum(args, add_flags(op->sz, args[2].u64[0], ~args[3].u64[0], 1));
}

EVAL(adc_cc)
{
    UNUSED;
    set_sum(args, add_flags(op->sz, args[2].u64[0], args[3].u64[0], carry_of(&args[4])));
}

EVAL(sbc_cc)
{
    UNUSED;
    set_sum(args, add_flags(op->sz, args[2].u64[0], ~args[3].u64[0], carry_of(&args[4])));
}

EVAL(and_cc)
{
    uint64_t r = eval_size(op, args[2].u64[0] & args[3].u64[0]);
    bool n = r >> ((8 << op->sz) - 1) & 1;

    UNUSED;
    set_sum(args, (Sum){ r, tcg_cc_pack(n << 3 | (r == 0) << 2) });
}

EVAL(adc)
{
    UNUSED;
    D = add_flags(op->sz, A, B, carry_of(&args[3])).value;
}

EVAL(sbc)
{
    UNUSED;
    D = add_flags(op->sz, A, ~B, carry_of(&args[3])).value;
}

EVAL(ccmp_sub)
{
    UNUSED;
    D = cc_holds(op->cond, &args[1]) ? add_flags(op->sz, args[2].u64[0], ~args[3].u64[0], 1).flags
                                     : tcg_cc_pack(op->imm);
}

EVAL(ccmp_add)
{
    UNUSED;
    D = cc_holds(op->cond, &args[1]) ? add_flags(op->sz, args[2].u64[0], args[3].u64[0], 0).flags
                                     : tcg_cc_pack(op->imm);
}

EVAL(setcc)
{
    UNUSED;
    D = cc_holds(op->cond, &args[1]);
}

EVAL(movcc)
{
    UNUSED;
    D = cc_holds(op->cond, &args[1]) ? args[2].u64[0] : args[3].u64[0];
    D = op->sz == MO_32 ? (uint32_t)D : D;
}

EVAL(ccmov)
{
    UNUSED;
    D = A & TCG_CCR_MASK;
}

EVAL(ccsel)
{
    UNUSED;
    D = (cc_holds(op->cond, &args[1]) ? args[2].u64[0] : args[3].u64[0]) & TCG_CCR_MASK;
}

EVAL(cc_get)
{
    UNUSED;
    D = tcg_cc_unpack(A);
}

EVAL(cc_set)
{
    UNUSED;
    D = tcg_cc_pack(A & 15);
}
