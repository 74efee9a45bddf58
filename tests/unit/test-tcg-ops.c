/* SPDX-License-Identifier: MIT */
/*
 * Each op, in each size, on operands near the limits: every engine must give what the interpreter
 * gives, and the interpreter what a plain formula gives (integers and flags).
 */
#include <glib.h>
#include <inttypes.h>

#include "tcg-harness.h"
#include "tcg/middle.h"

/* ---- plain formulas, on numbers of `bits` bits in 128-bit arithmetic ---- */

typedef __int128 Wide;
typedef unsigned __int128 UWide;

typedef struct Ref {
    uint64_t a, b; /* zero-extended from bits */
    Wide sa, sb;   /* sign-extended from bits */
    int bits, pos, len;
    int64_t imm;
    bool carry;
} Ref;

static Wide ref_signed(uint64_t v, int bits)
{
    Wide x = v & (uint64_t)(((UWide)1 << bits) - 1);
    return x >> (bits - 1) & 1 ? x - ((Wide)1 << bits) : x;
}

static uint64_t ref_bit_loop(const Ref *r, int what)
{
    uint64_t out = 0;
    int n = 0;

    switch (what) {
    case 'l': /* clz */
        while (n < r->bits && !(r->a >> (r->bits - 1 - n) & 1)) {
            n++;
        }
        return n;
    case 't': /* ctz */
        while (n < r->bits && !(r->a >> n & 1)) {
            n++;
        }
        return n;
    case 's': /* cls */
        while (n < r->bits - 1 && (r->a >> (r->bits - 2 - n) & 1) == (r->a >> (r->bits - 1) & 1)) {
            n++;
        }
        return n;
    case 'p':
        for (; n < r->bits; n++) {
            out += r->a >> n & 1;
        }
        return out;
    default: /* reverse */
        for (; n < r->bits; n++) {
            out |= (r->a >> n & 1) << (r->bits - 1 - n);
        }
        return out;
    }
}

static uint64_t ref_bytes(const Ref *r, int group)
{
    uint64_t out = 0;

    for (int i = 0; i < r->bits / 8; i++) {
        int to = (i / group) * group + (group - 1 - i % group);
        out |= (r->a >> 8 * i & 0xff) << 8 * to;
    }
    return out;
}

#define FIELD ((UWide)r->a >> r->pos & (((UWide)1 << r->len) - 1))
#define LOW   ((UWide)r->a & (((UWide)1 << r->len) - 1))
#define MASK  ((((UWide)1 << r->len) - 1) << r->pos)
#define BY    (r->b % r->bits)

static bool reference(unsigned opc, const Ref *r, uint64_t *out)
{
    UWide d;

    switch (opc) {
    case TCG_OP_mov:
        d = r->a;
        break;
    case TCG_OP_add:
        d = r->sa + r->sb;
        break;
    case TCG_OP_sub:
        d = r->sa - r->sb;
        break;
    case TCG_OP_neg:
        d = -r->sa;
        break;
    case TCG_OP_mul:
        d = (UWide)r->a * r->b;
        break;
    case TCG_OP_mulsh:
        d = r->sa * r->sb >> r->bits;
        break;
    case TCG_OP_muluh:
        d = (UWide)r->a * r->b >> r->bits;
        break;
    case TCG_OP_divs:
        d = r->b ? r->sa / r->sb : 0;
        break;
    case TCG_OP_divu:
        d = r->b ? r->a / r->b : 0;
        break;
    case TCG_OP_rems:
        d = r->b ? r->sa % r->sb : r->sa;
        break;
    case TCG_OP_remu:
        d = r->b ? r->a % r->b : r->a;
        break;
    case TCG_OP_and:
        d = r->a & r->b;
        break;
    case TCG_OP_or:
        d = r->a | r->b;
        break;
    case TCG_OP_xor:
        d = r->a ^ r->b;
        break;
    case TCG_OP_andc:
        d = r->a & ~r->b;
        break;
    case TCG_OP_orc:
        d = r->a | ~r->b;
        break;
    case TCG_OP_eqv:
        d = ~(r->a ^ r->b);
        break;
    case TCG_OP_not:
        d = -r->sa - 1;
        break;
    case TCG_OP_shl:
        d = (UWide)r->a << BY;
        break;
    case TCG_OP_shr:
        d = r->a >> BY;
        break;
    case TCG_OP_sar:
        d = r->sa >> BY;
        break;
    case TCG_OP_rotr:
        d = ((UWide)r->a << r->bits | r->a) >> BY;
        break;
    case TCG_OP_clz:
        d = ref_bit_loop(r, 'l');
        break;
    case TCG_OP_cls:
        d = ref_bit_loop(r, 's');
        break;
    case TCG_OP_ctz:
        d = ref_bit_loop(r, 't');
        break;
    case TCG_OP_popcnt:
        d = ref_bit_loop(r, 'p');
        break;
    case TCG_OP_rbit:
        d = ref_bit_loop(r, 'r');
        break;
    case TCG_OP_bswap:
        d = ref_bytes(r, r->bits / 8);
        break;
    case TCG_OP_bswap16:
        d = ref_bytes(r, 2);
        break;
    case TCG_OP_bswap32:
        d = ref_bytes(r, 4);
        break;
    case TCG_OP_extract:
        d = FIELD;
        break;
    case TCG_OP_sextract:
        d = ref_signed(FIELD, r->len);
        break;
    case TCG_OP_deposit:
        d = (r->a & ~MASK) | ((UWide)r->b << r->pos & MASK);
        break;
    case TCG_OP_depositz:
        d = LOW << r->pos;
        break;
    case TCG_OP_sdepositz:
        d = (UWide)ref_signed(LOW, r->len) << r->pos;
        break;
    case TCG_OP_extr:
        d = ((UWide)r->a << r->bits | r->b) >> r->imm;
        break;
    case TCG_OP_adc:
        d = r->sa + r->sb + r->carry;
        break;
    case TCG_OP_sbc:
        d = r->sa - r->sb - !r->carry;
        break;
    case TCG_OP_add_cc:
        d = r->sa + r->sb;
        break;
    case TCG_OP_sub_cc:
        d = r->sa - r->sb;
        break;
    case TCG_OP_adc_cc:
        d = r->sa + r->sb + r->carry;
        break;
    case TCG_OP_sbc_cc:
        d = r->sa - r->sb - !r->carry;
        break;
    case TCG_OP_and_cc:
        d = r->a & r->b;
        break;
    default:
        return false;
    }
    *out = (uint64_t)d & tcg_mask(r->bits);
    return true;
}

/* N Z C V by comparing the result with what infinitely many bits would have given. */
static bool reference_flags(unsigned opc, const Ref *r, uint64_t d, unsigned *nzcv)
{
    Wide exact, exact_unsigned;
    bool borrow = false;

    switch (opc) {
    case TCG_OP_add_cc:
        exact = r->sa + r->sb;
        exact_unsigned = (Wide)r->a + r->b;
        break;
    case TCG_OP_adc_cc:
        exact = r->sa + r->sb + r->carry;
        exact_unsigned = (Wide)r->a + r->b + r->carry;
        break;
    case TCG_OP_sub_cc:
        exact = r->sa - r->sb;
        exact_unsigned = (Wide)r->a - r->b;
        borrow = true;
        break;
    case TCG_OP_sbc_cc:
        exact = r->sa - r->sb - !r->carry;
        exact_unsigned = (Wide)r->a - r->b - !r->carry;
        borrow = true;
        break;
    case TCG_OP_and_cc:
        *nzcv = (d >> (r->bits - 1)) << 3 | (d == 0) << 2;
        return true;
    default:
        return false;
    }
    bool c = borrow ? exact_unsigned >= 0 : exact_unsigned >> r->bits;
    bool v = exact != ref_signed(d, r->bits);
    *nzcv = (d >> (r->bits - 1)) << 3 | (d == 0) << 2 | c << 1 | v;
    return true;
}

/* ---- one op in a list of its own ---- */

enum {
    CONST_FIRST = 1,
    CONST_LAST = 2,
    CONST_ALL = 4,
    IN_PLACE = 8,
    ANY_PLACE = 16, /* any input and the output may be one register */
    NB_SHAPES = 32
};

static uint16_t input_temp(TCGContext *s, char class, int n, bool constant, unsigned sz, bool fp)
{
    if (constant && class == 'i') {
        return tcg_const(s, test_random()).i;
    }
    if (constant && class == 'c') {
        return tcg_const_cc(s, g_test_rand_int_range(0, 16)).i;
    }
    if (constant) {
        TCGValue v = test_random_vec(sz, fp);
        return tcg_const_vec(s, v.u64[0], v.u64[1]).i;
    }
    return TCG_GLOBAL_TEMP(class == 'i' ? TEST_R + n : class == 'c' ? TEST_CC : TEST_V + n);
}

/* Output n goes to r6, r5, cc or v6, or where the first input is; a floating scalar to v6. */
static uint16_t output_temp(TCGContext *s, char class, int n, bool in_place)
{
    switch (class) {
    case 'i':
        return TCG_GLOBAL_TEMP(TEST_R + (in_place ? n : 6 - n));
    case 'c':
        return TCG_GLOBAL_TEMP(TEST_CC);
    case 'f':
        return tcg_temp_f64(s).i;
    default:
        return TCG_GLOBAL_TEMP(TEST_V + (in_place ? n : 6));
    }
}

static unsigned float_size(unsigned opc, unsigned sz, int64_t imm)
{
    if (opc == TCG_OP_fcvt) {
        return imm;
    }
    if (opc == TCG_OP_ftoi) {
        return TCG_FTOI_FMT(imm);
    }
    return opc == TCG_OP_vfcvtn ? sz + 1 : sz;
}

static bool is_floating(const TCGOpDef *def)
{
    return def->flags & TCG_OPF_SZ_FP || strchr(def->in, 'f');
}

static int place(int n, unsigned shape)
{
    return shape & ANY_PLACE ? g_test_rand_int_range(0, 3) : n;
}

static TCGOp build(TCGContext *s, unsigned opc, unsigned sz, unsigned shape)
{
    const TCGOpDef *def = &tcg_op_defs[opc];
    TCGOp op = { .opc = opc, .sz = sz };

    op.cond = test_random_cond(opc);
    op.imm = test_random_imm(opc, sz);
    for (int i = 0; i < def->nb_out; i++) {
        op.arg[i] = output_temp(s, def->out[i], place(i, shape), shape & (IN_PLACE | ANY_PLACE));
    }
    for (int i = 0; i < def->nb_in; i++) {
        bool constant = shape & CONST_ALL || (shape & CONST_FIRST && i == 0) ||
                        (shape & CONST_LAST && i == def->nb_in - 1);
        op.arg[def->nb_out + i] = input_temp(s, def->in[i], place(i, shape), constant,
                                             float_size(opc, sz, op.imm), is_floating(def));
    }
    *tcg_emit_op(s, opc) = op;
    if (def->out[0] == 'f') {
        unsigned out_sz = def->flags & TCG_OPF_SZ_FP ? sz : MO_64;
        tcg_gen(vzext, s, out_sz, tcg_global_vec(TEST_V + 6), (TCGv_f64){ op.arg[0] });
    }
    return op;
}

static uint64_t value_of(const TCGContext *s, const TestCPU *cpu, unsigned temp)
{
    return s->temps[temp].kind == TEMP_CONST ? s->temps[temp].val
                                             : cpu->r[temp - TCG_GLOBAL_TEMP(TEST_R)];
}

static void check_reference(const TCGContext *s, const TCGOp *op, const TestCPU *before,
                            const TestCPU *after)
{
    const TCGOpDef *def = &tcg_op_defs[op->opc];
    Ref r = { .bits = 8 << op->sz,
              .pos = TCG_FIELD_POS(op->imm),
              .len = TCG_FIELD_LEN(op->imm),
              .imm = op->imm };
    uint64_t expected;
    unsigned nzcv;

    if (!(def->flags & TCG_OPF_SZ_INT) || def->out[0] != 'i' || def->in[0] != 'i') {
        return;
    }
    r.a = value_of(s, before, op->arg[def->nb_out]) & tcg_mask(r.bits);
    r.sa = ref_signed(r.a, r.bits);
    if (def->nb_in > 1) {
        r.b = value_of(s, before, op->arg[def->nb_out + 1]) & tcg_mask(r.bits);
        r.sb = ref_signed(r.b, r.bits);
    }
    if (def->nb_in > 2 && def->in[2] == 'c') {
        unsigned t = op->arg[def->nb_out + 2];
        r.carry = (s->temps[t].kind == TEMP_CONST ? s->temps[t].val : before->cc) & TCG_CCR_C;
    }
    if (reference(op->opc, &r, &expected)) {
        uint64_t got = after->r[op->arg[0] - TCG_GLOBAL_TEMP(TEST_R)];
        if (got != expected) {
            g_error("%s.%d of 0x%" PRIx64 ", 0x%" PRIx64 " imm %" PRId64 ": 0x%" PRIx64
                    ", formula: 0x%" PRIx64,
                    def->name, r.bits, r.a, r.b, op->imm, got, expected);
        }
        if (reference_flags(op->opc, &r, expected, &nzcv)) {
            g_assert_cmpuint(tcg_cc_unpack(after->cc), ==, nzcv);
        }
    }
}

static bool testable(unsigned opc)
{
    return tcg_eval_fn[opc] != NULL;
}

enum { MODE_FLUSH = 1, MODE_DEFAULT_NAN = 2, NB_MODES = 4 };

/* Which are set already decides what traps. */
enum {
    FLAGS = FLOAT_FLAG_UNDERFLOW | FLOAT_FLAG_INEXACT | FLOAT_FLAG_INPUT_DENORMAL,
};

static void set_mode(TCGContext *s, TestCPU *cpu, unsigned mode)
{
    FloatStatus *st = &cpu->parent.fp_status;

    s->fp_flush = st->flush_to_zero = st->flush_inputs_to_zero = mode & MODE_FLUSH;
    s->fp_default_nan = st->default_nan = mode & MODE_DEFAULT_NAN;
    st->flags = g_test_rand_bit() ? g_test_rand_int() & FLAGS : 0;
    st->round_mode = mode || g_test_rand_bit() ? g_test_rand_int_range(0, 4) : 0;
}

static void one_size(unsigned opc, unsigned sz, unsigned mode)
{
    const TCGOpDef *def = &tcg_op_defs[opc];
    char what[64];

    snprintf(what, sizeof(what), "%s, size %d, mode %u", def->name, 8 << sz, mode);
    for (unsigned n = 0; n < (mode ? NB_SHAPES : 2 * NB_SHAPES); n++) {
        TCGContext *s = test_start();
        TestCPU cpu[TEST_MAX_STATES], before[TEST_MAX_STATES];
        TCGOp op = build(s, opc, sz, n % NB_SHAPES);
        test_end(s);
        for (int i = 0; i < TEST_MAX_STATES; i++) {
            test_randomize(&cpu[i], float_size(opc, sz, op.imm), is_floating(def));
            set_mode(s, &cpu[i], mode);
        }
        memcpy(before, cpu, sizeof(cpu));
        test_run_all(s, cpu, TEST_MAX_STATES, what);
        for (int i = 0; i < TEST_MAX_STATES; i++) {
            check_reference(s, &op, &before[i], &cpu[i]);
        }
    }
}

static void test_op(gconstpointer data)
{
    unsigned opc = GPOINTER_TO_UINT(data), first, last;

    test_sizes(opc, &first, &last);
    for (unsigned sz = first; sz <= last; sz++) {
        unsigned modes = is_floating(&tcg_op_defs[opc]) ? NB_MODES : 1;

        for (unsigned mode = 0; mode < modes && test_size_exists(opc, sz); mode++) {
            one_size(opc, sz, mode);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned opc = 0; opc < TCG_OP_COUNT; opc++) {
        if (testable(opc)) {
            char *path = g_strdup_printf("/tcg/ops/%s", tcg_op_defs[opc].name);
            g_test_add_data_func(path, GUINT_TO_POINTER(opc), test_op);
            g_free(path);
        }
    }
    return g_test_run();
}
