/* SPDX-License-Identifier: MIT */
/* Addition, multiplication, division, square root, fused multiply-add, comparison, extrema. */
#include "fpu/parts.h"

/* A fraction of 256 bits, for exact products: hi * 2^(exp - 127) + lo * 2^(exp - 255) */
typedef struct Wide {
    uint128 hi, lo;
    int32_t exp;
    bool sign;
} Wide;

static Wide wide_from_parts(FloatParts p)
{
    return (Wide){ .hi = p.frac, .exp = p.exp, .sign = p.sign };
}

static Wide wide_shift_left(Wide w, int n) /* 0 <= n < 256; the value stays */
{
    w.exp -= n;
    if (n >= 128) {
        w.hi = w.lo << (n - 128);
        w.lo = 0;
    } else if (n > 0) {
        w.hi = w.hi << n | w.lo >> (128 - n);
        w.lo <<= n;
    }
    return w;
}

static Wide wide_shift_right_jam(Wide w, int n)
{
    bool lost = false;

    if (n >= 128) {
        lost = w.lo != 0;
        w.lo = w.hi;
        w.hi = 0;
        n -= 128;
    }
    if (n >= 128) {
        lost |= w.lo != 0;
        w.lo = 0;
    } else if (n > 0) {
        lost |= (w.lo << (128 - n)) != 0;
        w.lo = w.lo >> n | w.hi << (128 - n);
        w.hi >>= n;
    }
    w.lo |= lost;
    return w;
}

static FloatParts wide_to_parts(Wide w) /* hi or lo != 0 */
{
    w = wide_shift_left(w, w.hi ? uint128_clz(w.hi) : 128 + uint128_clz(w.lo));
    return (FloatParts){
        .cls = CLASS_NORMAL, .frac = w.hi | (w.lo != 0), .exp = w.exp, .sign = w.sign
    };
}

static Wide wide_product(FloatParts a, FloatParts b)
{
    uint64_t ah = a.frac >> 64, al = a.frac, bh = b.frac >> 64, bl = b.frac;
    uint128 low = (uint128)al * bl, mid1 = (uint128)ah * bl, mid2 = (uint128)al * bh;
    uint128 carry = (low >> 64) + (uint64_t)mid1 + (uint64_t)mid2;

    return (Wide){ .hi = (uint128)ah * bh + (mid1 >> 64) + (mid2 >> 64) + (carry >> 64),
                   .lo = carry << 64 | (uint64_t)low,
                   .exp = a.exp + b.exp + 1,
                   .sign = a.sign ^ b.sign };
}

static bool exact_zero_sign(const FloatStatus *s)
{
    return s->round_mode == FLOAT_ROUND_DOWN;
}

/* Both have a bit among the two highest set, and more than one zero at the bottom. */
static FloatParts wide_add(Wide a, Wide b, const FloatStatus *s)
{
    Wide sum;

    if (a.exp < b.exp) {
        Wide t = a;
        a = b;
        b = t;
    }
    b = wide_shift_right_jam(b, a.exp - b.exp + 1);
    sum = wide_shift_right_jam(a, 1); /* makes room for the carry */
    sum.exp = a.exp + 1;
    if (a.sign == b.sign) {
        sum.lo += b.lo;
        sum.hi += b.hi + (sum.lo < b.lo);
    } else {
        uint128 lo = sum.lo;
        sum.lo -= b.lo;
        sum.hi -= b.hi + (lo < b.lo);
        if (sum.hi >> 127) { /* b was the larger */
            sum.hi = ~sum.hi + (sum.lo == 0);
            sum.lo = -sum.lo;
            sum.sign = b.sign;
        }
        if (sum.hi == 0 && sum.lo == 0) {
            return parts_zero(exact_zero_sign(s));
        }
    }
    return wide_to_parts(sum);
}

/* Neither is a NaN; one at least is no CLASS_NORMAL. */
static FloatParts add_special(FloatParts a, FloatParts b, FloatStatus *s)
{
    if (a.cls == CLASS_INF || b.cls == CLASS_INF) {
        if (a.cls == b.cls && a.sign != b.sign) {
            return parts_invalid(s);
        }
        return a.cls == CLASS_INF ? a : b;
    }
    if (a.cls == b.cls) {
        return parts_zero(a.sign == b.sign ? a.sign : exact_zero_sign(s));
    }
    return a.cls == CLASS_ZERO ? b : a;
}

FloatParts parts_add(FloatParts a, FloatParts b, bool subtract, FloatStatus *s)
{
    if (parts_is_nan(a) || parts_is_nan(b)) {
        return parts_propagate2(a, b, s);
    }
    b.sign ^= subtract;
    if (a.cls != CLASS_NORMAL || b.cls != CLASS_NORMAL) {
        return add_special(a, b, s);
    }
    return wide_add(wide_from_parts(a), wide_from_parts(b), s);
}

/* Neither is a NaN; one at least is no CLASS_NORMAL. */
static FloatParts mul_special(FloatParts a, FloatParts b, FloatStatus *s)
{
    bool sign = a.sign ^ b.sign;

    if (is_inf_times_zero(a, b)) {
        return parts_invalid(s);
    }
    return a.cls == CLASS_INF || b.cls == CLASS_INF ? parts_inf(sign) : parts_zero(sign);
}

FloatParts parts_mul(FloatParts a, FloatParts b, FloatStatus *s)
{
    if (parts_is_nan(a) || parts_is_nan(b)) {
        return parts_propagate2(a, b, s);
    }
    if (a.cls != CLASS_NORMAL || b.cls != CLASS_NORMAL) {
        return mul_special(a, b, s);
    }
    return wide_to_parts(wide_product(a, b));
}

FloatParts parts_muladd(FloatParts a, FloatParts b, FloatParts c, int flags, FloatStatus *s)
{
    bool negate_product = flags & FLOAT_MULADD_NEG_PRODUCT;
    bool negate_addend = flags & FLOAT_MULADD_NEG_ADDEND;
    FloatParts product;

    if (parts_is_nan(a) || parts_is_nan(b) || parts_is_nan(c)) {
        if (nan_rule_negates(s)) {
            a.sign ^= negate_product;
            c.sign ^= negate_addend;
        }
        return parts_propagate3(a, b, c, s);
    }
    a.sign ^= negate_product;
    c.sign ^= negate_addend;
    if (a.cls != CLASS_NORMAL || b.cls != CLASS_NORMAL) {
        product = mul_special(a, b, s);
        return parts_is_nan(product) ? product : add_special(product, c, s);
    }
    if (c.cls == CLASS_NORMAL) {
        return wide_add(wide_product(a, b), wide_from_parts(c), s);
    }
    return add_special(wide_to_parts(wide_product(a, b)), c, s);
}

FloatParts parts_div(FloatParts a, FloatParts b, int bits, FloatStatus *s)
{
    bool sign = a.sign ^ b.sign;
    uint128 rest, divisor, quotient = 0;
    int exp = a.exp - b.exp;

    if (parts_is_nan(a) || parts_is_nan(b)) {
        return parts_propagate2(a, b, s);
    }
    if (a.cls == b.cls && a.cls != CLASS_NORMAL) {
        return parts_invalid(s);
    }
    if (a.cls == CLASS_INF || b.cls == CLASS_ZERO) {
        if (a.cls != CLASS_INF) {
            s->flags |= FLOAT_FLAG_DIVBYZERO;
        }
        return parts_inf(sign);
    }
    if (a.cls == CLASS_ZERO || b.cls == CLASS_INF) {
        return parts_zero(sign);
    }
    /* Long division; 2 * rest has room, and the bits shifted out here are zeros. */
    rest = a.frac >> 2;
    divisor = b.frac >> 2;
    if (rest < divisor) {
        rest <<= 1;
        exp--;
    }
    for (int i = 127; i > 127 - bits; i--) {
        if (rest >= divisor) {
            rest -= divisor;
            quotient |= (uint128)1 << i;
        }
        rest <<= 1;
    }
    return (FloatParts){
        .cls = CLASS_NORMAL, .frac = quotient | (rest != 0), .exp = exp, .sign = sign
    };
}

FloatParts parts_sqrt(FloatParts a, int bits, FloatStatus *s)
{
    uint128 rest, root = 0;

    if (parts_is_nan(a)) {
        return parts_propagate1(a, s);
    }
    if (a.cls == CLASS_ZERO) {
        return a;
    }
    if (a.sign) {
        return parts_invalid(s);
    }
    if (a.cls == CLASS_INF) {
        return a;
    }
    /*
     * Digit by digit, 1.0 being bit 124 of root. Trying digit d, (root + d)^2 <= a is the same as
     * 2 * root + d <= (a - root^2) / d, and that right-hand side is kept in rest.
     */
    rest = a.frac >> (a.exp & 1 ? 2 : 3);
    for (uint128 digit = (uint128)1 << 124; bits > 0; bits--, digit >>= 1) {
        uint128 need = 2 * root + digit;
        if (rest >= need) {
            rest -= need;
            root |= digit;
        }
        rest <<= 1;
    }
    return (FloatParts){ .cls = CLASS_NORMAL, .frac = root << 3 | (rest != 0), .exp = a.exp >> 1 };
}

/* Of two CLASS_NORMALs without their signs */
static int compare_magnitudes(FloatParts a, FloatParts b)
{
    if (a.exp != b.exp) {
        return a.exp < b.exp ? -1 : 1;
    }
    return a.frac < b.frac ? -1 : a.frac > b.frac;
}

/* Neither is a NaN. */
static FloatRelation compare_ordered(FloatParts a, FloatParts b)
{
    int less = a.sign ? FLOAT_RELATION_GREATER : FLOAT_RELATION_LESS, magnitudes;

    if (a.cls == CLASS_ZERO && b.cls == CLASS_ZERO) {
        return FLOAT_RELATION_EQUAL;
    }
    if (a.sign != b.sign) {
        return a.sign ? FLOAT_RELATION_LESS : FLOAT_RELATION_GREATER;
    }
    if (a.cls == CLASS_NORMAL && b.cls == CLASS_NORMAL) {
        magnitudes = compare_magnitudes(a, b);
    } else {
        magnitudes = (int)a.cls - b.cls; /* zero < normal < infinity */
    }
    return magnitudes == 0 ? FLOAT_RELATION_EQUAL : magnitudes < 0 ? less : -less;
}

FloatRelation parts_compare(FloatParts a, FloatParts b, bool quiet, FloatStatus *s)
{
    if (parts_is_nan(a) || parts_is_nan(b)) {
        if (!quiet || a.cls == CLASS_SNAN || b.cls == CLASS_SNAN) {
            s->flags |= FLOAT_FLAG_INVALID;
        }
        return FLOAT_RELATION_UNORDERED;
    }
    return compare_ordered(a, b);
}

FloatParts parts_minmax(FloatParts a, FloatParts b, int flags, FloatStatus *s)
{
    FloatRelation want = flags & MINMAX_MAX ? FLOAT_RELATION_GREATER : FLOAT_RELATION_LESS;

    if (flags & MINMAX_NUMBER && a.cls == CLASS_QNAN && !parts_is_nan(b)) {
        return b;
    }
    if (flags & MINMAX_NUMBER && b.cls == CLASS_QNAN && !parts_is_nan(a)) {
        return a;
    }
    if (parts_is_nan(a) || parts_is_nan(b)) {
        return parts_propagate2(a, b, s);
    }
    if (a.cls == CLASS_ZERO && b.cls == CLASS_ZERO) {
        return parts_zero(flags & MINMAX_MAX ? a.sign && b.sign : a.sign || b.sign);
    }
    return compare_ordered(a, b) == want ? a : b;
}
