/* SPDX-License-Identifier: MIT */
/* The optimiser's rules for integers and conditions. */
#include <glib.h>

#include "exec/cpu.h"
#include "tcg/backend.h"
#include "tcg/optimize.h"

/* ---- identities: op, when, what it then is ---- */

enum { B_ZERO = 1, B_ONE, B_ONES, A_ZERO, A_ONES, SAME, B_NO_SHIFT };
enum { IS_A, IS_B, IS_ZERO, IS_ONES, IS_NOT_A, IS_NOT_B, IS_NEG_A, IS_NEG_B };

/* In the order of the opcodes. A constant operand of a commutative op has become b before. */
static const struct Identity {
    uint16_t opc;
    uint8_t when, is;
} identities[] = {
    { 0, 0, 0 },
    { TCG_OP_add, B_ZERO, IS_A },
    { TCG_OP_sub, B_ZERO, IS_A },
    { TCG_OP_sub, SAME, IS_ZERO },
    { TCG_OP_sub, A_ZERO, IS_NEG_B },
    { TCG_OP_mul, B_ZERO, IS_ZERO },
    { TCG_OP_mul, B_ONE, IS_A },
    { TCG_OP_mul, B_ONES, IS_NEG_A },
    { TCG_OP_mulsh, B_ZERO, IS_ZERO },
    { TCG_OP_muluh, B_ZERO, IS_ZERO },
    { TCG_OP_muluh, B_ONE, IS_ZERO },
    { TCG_OP_divs, B_ONE, IS_A },
    { TCG_OP_divs, B_ZERO, IS_ZERO },
    { TCG_OP_divs, B_ONES, IS_NEG_A },
    { TCG_OP_divs, A_ZERO, IS_ZERO },
    { TCG_OP_divu, B_ONE, IS_A },
    { TCG_OP_divu, B_ZERO, IS_ZERO },
    { TCG_OP_divu, A_ZERO, IS_ZERO },
    { TCG_OP_rems, B_ZERO, IS_A },
    { TCG_OP_rems, B_ONE, IS_ZERO },
    { TCG_OP_rems, B_ONES, IS_ZERO },
    { TCG_OP_remu, B_ZERO, IS_A },
    { TCG_OP_remu, B_ONE, IS_ZERO },
    { TCG_OP_and, B_ZERO, IS_ZERO },
    { TCG_OP_and, B_ONES, IS_A },
    { TCG_OP_and, SAME, IS_A },
    { TCG_OP_or, B_ZERO, IS_A },
    { TCG_OP_or, B_ONES, IS_ONES },
    { TCG_OP_or, SAME, IS_A },
    { TCG_OP_xor, B_ZERO, IS_A },
    { TCG_OP_xor, B_ONES, IS_NOT_A },
    { TCG_OP_xor, SAME, IS_ZERO },
    { TCG_OP_andc, B_ZERO, IS_A },
    { TCG_OP_andc, B_ONES, IS_ZERO },
    { TCG_OP_andc, A_ZERO, IS_ZERO },
    { TCG_OP_andc, A_ONES, IS_NOT_B },
    { TCG_OP_andc, SAME, IS_ZERO },
    { TCG_OP_orc, B_ZERO, IS_ONES },
    { TCG_OP_orc, B_ONES, IS_A },
    { TCG_OP_orc, A_ZERO, IS_NOT_B },
    { TCG_OP_orc, A_ONES, IS_ONES },
    { TCG_OP_orc, SAME, IS_ONES },
    { TCG_OP_eqv, B_ZERO, IS_NOT_A },
    { TCG_OP_eqv, B_ONES, IS_A },
    { TCG_OP_eqv, SAME, IS_ONES },
    { TCG_OP_shl, B_NO_SHIFT, IS_A },
    { TCG_OP_shl, A_ZERO, IS_ZERO },
    { TCG_OP_shr, B_NO_SHIFT, IS_A },
    { TCG_OP_shr, A_ZERO, IS_ZERO },
    { TCG_OP_sar, B_NO_SHIFT, IS_A },
    { TCG_OP_sar, A_ZERO, IS_ZERO },
    { TCG_OP_sar, A_ONES, IS_ONES },
    { TCG_OP_rotr, B_NO_SHIFT, IS_A },
    { TCG_OP_rotr, A_ZERO, IS_ZERO },
    { TCG_OP_rotr, A_ONES, IS_ONES },
};

static bool applies(const TCGOptimizer *o, int when)
{
    const TCGOp *op = o->op;
    unsigned a = op->arg[1], b = op->arg[2];
    uint64_t v;

    switch (when) {
    case B_ZERO:
        return opt_is_value(o, b, 0, op->sz);
    case B_ONE:
        return opt_is_value(o, b, 1, op->sz);
    case B_ONES:
        return opt_is_value(o, b, ~0ull, op->sz);
    case A_ZERO:
        return opt_is_value(o, a, 0, op->sz);
    case A_ONES:
        return opt_is_value(o, a, ~0ull, op->sz);
    case SAME:
        return a == b;
    default:
        return opt_value(o, b, &v) && !(v & ((8 << op->sz) - 1));
    }
}

static bool rewrite(TCGOptimizer *o, int is)
{
    unsigned a = o->op->arg[1], b = o->op->arg[2];

    switch (is) {
    case IS_A:
        return opt_to_copy(o, a);
    case IS_B:
        return opt_to_copy(o, b);
    case IS_ZERO:
        return opt_to_const(o, 0);
    case IS_ONES:
        return opt_to_const(o, ~0ull);
    case IS_NOT_A:
        return opt_to_op1(o, TCG_OP_not, a, 0);
    case IS_NOT_B:
        return opt_to_op1(o, TCG_OP_not, b, 0);
    case IS_NEG_A:
        return opt_to_op1(o, TCG_OP_neg, a, 0);
    default:
        return opt_to_op1(o, TCG_OP_neg, b, 0);
    }
}

static bool identity(TCGOptimizer *o)
{
    int i = o->first_rule[o->op->opc];

    for (; i && i < (int)G_N_ELEMENTS(identities) && identities[i].opc == o->op->opc; i++) {
        if (applies(o, identities[i].when)) {
            return rewrite(o, identities[i].is);
        }
    }
    return false;
}

/* ---- strength reduction and combinations of two ops ---- */

/* Constants go to the right. */
static bool commute(TCGOptimizer *o)
{
    const TCGOpDef *def = &tcg_op_defs[o->op->opc];
    uint16_t *in = &o->op->arg[def->nb_out];
    uint64_t v;

    if (def->nb_in >= 2 && opt_value(o, in[0], &v) && !opt_value(o, in[1], &v)) {
        uint16_t t = in[0];
        in[0] = in[1];
        in[1] = t;
        return true;
    }
    return false;
}

static int log2_of(uint64_t v)
{
    return v && !(v & (v - 1)) ? __builtin_ctzll(v) : -1;
}

/* The operand b as a constant of the op's size. */
static bool const_b(const TCGOptimizer *o, uint64_t *v)
{
    if (!opt_value(o, o->op->arg[2], v)) {
        return false;
    }
    *v &= tcg_mask(8 << o->op->sz);
    return true;
}

static uint64_t sign_extend(uint64_t v, unsigned sz)
{
    return sz == MO_32 ? (uint64_t)(int32_t)v : v;
}

/* a + c1 + c2; constants of 32-bit sums are kept zero-extended. */
static bool rule_add(TCGOptimizer *o)
{
    const TCGOp *inner = opt_def(o, o->op->arg[1], TCG_OP_add, o->op->sz);
    uint64_t outer_c, inner_c;

    if (!const_b(o, &outer_c)) {
        return false;
    }
    const TCGTemp *a = &o->s->temps[opt_canon(o, o->op->arg[1])];
    if (a->kind == TEMP_PC && o->op->sz == MO_64) { /* ADRP and ADD */
        return opt_to_full_copy(o, tcg_const_pc(o->s, a->val + outer_c).i);
    }
    if (!inner || !opt_value(o, inner->arg[2], &inner_c)) {
        return false;
    }
    uint64_t sum = (outer_c + inner_c) & tcg_mask(8 << o->op->sz);
    int64_t as_signed = sign_extend(sum, o->op->sz);
    if (as_signed != (int32_t)as_signed) {
        return false;
    }
    return opt_to_op2(o, TCG_OP_add, inner->arg[1], opt_new_const(o, sum), 0);
}

static bool rule_sub(TCGOptimizer *o)
{
    uint64_t c;

    if (!tcg_is_const(o->s, o->op->arg[2]) || !const_b(o, &c)) {
        return false;
    }
    uint64_t negated = -c & tcg_mask(8 << o->op->sz);
    return opt_to_op2(o, TCG_OP_add, o->op->arg[1], opt_new_const(o, negated), 0);
}

static bool rule_mul(TCGOptimizer *o)
{
    uint64_t c;
    int shift;

    if (!const_b(o, &c) || (shift = log2_of(c)) < 0) {
        return false;
    }
    return opt_to_op2(o, TCG_OP_shl, o->op->arg[1], opt_new_const(o, shift), 0);
}

static bool rule_divu(TCGOptimizer *o)
{
    uint64_t c;
    int shift;

    if (!const_b(o, &c) || (shift = log2_of(c)) < 0) {
        return false;
    }
    return opt_to_op2(o, TCG_OP_shr, o->op->arg[1], opt_new_const(o, shift), 0);
}

static bool rule_remu(TCGOptimizer *o)
{
    uint64_t c;

    if (!const_b(o, &c) || log2_of(c) < 0) {
        return false;
    }
    return opt_to_op2(o, TCG_OP_and, o->op->arg[1], opt_new_const(o, c - 1), 0);
}

static bool rule_muluh(TCGOptimizer *o)
{
    uint64_t c;
    int shift;

    if (!const_b(o, &c) || (shift = log2_of(c)) < 1) {
        return false;
    }
    return opt_to_op2(o, TCG_OP_shr, o->op->arg[1], opt_new_const(o, (8 << o->op->sz) - shift), 0);
}

/* Masks: none needed; a field's; what an immediate cannot hold. */
static bool rule_and(TCGOptimizer *o)
{
    unsigned a = o->op->arg[1], bits = 8 << o->op->sz;
    uint64_t c, shift;

    if (!const_b(o, &c)) {
        return false;
    }
    if (!(opt_zmask(o, a) & tcg_mask(bits) & ~c)) {
        return opt_to_copy(o, a);
    }
    int len = log2_of(c + 1);
    if (len < 0) {
        return false;
    }
    const TCGOp *shr = opt_def(o, a, TCG_OP_shr, o->op->sz);
    if (shr && opt_value(o, shr->arg[2], &shift) && (shift &= bits - 1) + len <= bits) {
        return opt_to_op1(o, TCG_OP_extract, shr->arg[1], TCG_FIELD(shift, len));
    }
    if (len == 8 || len == 16 || len > 31) {
        return opt_to_op1(o, TCG_OP_extract, a, TCG_FIELD(0, len));
    }
    return false;
}

static bool rule_mov(TCGOptimizer *o)
{
    return o->op->sz == MO_32 && !(opt_zmask(o, o->op->arg[1]) >> 32) &&
           opt_to_full_copy(o, o->op->arg[1]);
}

static bool rule_extract(TCGOptimizer *o)
{
    unsigned a = o->op->arg[1], bits = 8 << o->op->sz;
    unsigned pos = TCG_FIELD_POS(o->op->imm), len = TCG_FIELD_LEN(o->op->imm);
    uint64_t shift;
    const TCGOp *inner;

    if (pos == 0 && !(opt_zmask(o, a) & tcg_mask(bits) & ~tcg_mask(len))) {
        return opt_to_copy(o, a);
    }
    if (pos == 0 && len == 32) {
        o->op->sz = MO_32;
        return opt_to_copy(o, a);
    }
    if (!(opt_zmask(o, a) >> pos & tcg_mask(len))) {
        return opt_to_const(o, 0);
    }
    inner = opt_def(o, a, TCG_OP_shr, o->op->sz);
    if (inner && opt_value(o, inner->arg[2], &shift) && (shift &= bits - 1) + pos + len <= bits) {
        return opt_to_op1(o, TCG_OP_extract, inner->arg[1], TCG_FIELD(shift + pos, len));
    }
    inner = opt_def(o, a, TCG_OP_extract, o->op->sz);
    if (inner && pos < (unsigned)TCG_FIELD_LEN(inner->imm)) {
        unsigned inner_len = TCG_FIELD_LEN(inner->imm) - pos;
        return opt_to_op1(
            o, TCG_OP_extract, inner->arg[1],
            TCG_FIELD(TCG_FIELD_POS(inner->imm) + pos, len < inner_len ? len : inner_len));
    }
    return false;
}

static bool rule_sextract(TCGOptimizer *o)
{
    unsigned a = o->op->arg[1], bits = 8 << o->op->sz;
    unsigned pos = TCG_FIELD_POS(o->op->imm), len = TCG_FIELD_LEN(o->op->imm);

    if (pos == 0 && len == bits) {
        return opt_to_copy(o, a);
    }
    if (!(opt_zmask(o, a) >> (pos + len - 1) & 1)) { /* the sign is known to be clear */
        return opt_to_op1(o, TCG_OP_extract, a, o->op->imm);
    }
    return false;
}

static bool rule_depositz(TCGOptimizer *o)
{
    unsigned pos = TCG_FIELD_POS(o->op->imm), len = TCG_FIELD_LEN(o->op->imm);

    if (pos == 0) {
        return opt_to_op1(o, o->op->opc == TCG_OP_depositz ? TCG_OP_extract : TCG_OP_sextract,
                          o->op->arg[1], TCG_FIELD(0, len));
    }
    if (pos + len == 8u << o->op->sz) {
        return opt_to_op2(o, TCG_OP_shl, o->op->arg[1], opt_new_const(o, pos), 0);
    }
    return false;
}

static bool rule_deposit(TCGOptimizer *o)
{
    unsigned len = TCG_FIELD_LEN(o->op->imm);
    int64_t imm = o->op->imm;

    if (len == 8u << o->op->sz) {
        return opt_to_copy(o, o->op->arg[2]);
    }
    if (opt_is_value(o, o->op->arg[1], 0, o->op->sz)) {
        return opt_to_op1(o, TCG_OP_depositz, o->op->arg[2], imm);
    }
    return false;
}

static bool rule_extr(TCGOptimizer *o)
{
    if (o->op->imm == 0) {
        return opt_to_copy(o, o->op->arg[2]);
    }
    if (o->op->arg[1] == o->op->arg[2]) {
        return opt_to_op2(o, TCG_OP_rotr, o->op->arg[1], opt_new_const(o, o->op->imm), 0);
    }
    if (opt_is_value(o, o->op->arg[1], 0, o->op->sz)) {
        return opt_to_op2(o, TCG_OP_shr, o->op->arg[2], opt_new_const(o, o->op->imm), 0);
    }
    return false;
}

static bool (*const rules[TCG_OP_COUNT])(TCGOptimizer *) = {
    [TCG_OP_mov] = rule_mov,           [TCG_OP_add] = rule_add,
    [TCG_OP_sub] = rule_sub,           [TCG_OP_mul] = rule_mul,
    [TCG_OP_muluh] = rule_muluh,       [TCG_OP_divu] = rule_divu,
    [TCG_OP_remu] = rule_remu,         [TCG_OP_and] = rule_and,
    [TCG_OP_extract] = rule_extract,   [TCG_OP_sextract] = rule_sextract,
    [TCG_OP_depositz] = rule_depositz, [TCG_OP_sdepositz] = rule_depositz,
    [TCG_OP_deposit] = rule_deposit,   [TCG_OP_extr] = rule_extr,
};

void opt_int_init(TCGOptimizer *o)
{
    static const uint8_t conditional[] = {
        TCG_OP_movcond, TCG_OP_setcond, TCG_OP_brcond, TCG_OP_exit_cond, TCG_OP_movcc,
        TCG_OP_ccsel,   TCG_OP_fsel,    TCG_OP_setcc,  TCG_OP_brcc,      TCG_OP_exit_cc,
    };

    for (unsigned i = G_N_ELEMENTS(identities); i-- > 1;) {
        o->first_rule[identities[i].opc] = i;
    }
    for (int opc = 0; opc < TCG_OP_COUNT; opc++) {
        if (o->first_rule[opc] || rules[opc] || tcg_op_defs[opc].flags & TCG_OPF_COMM) {
            o->kind[opc] |= OPT_INT;
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(conditional); i++) {
        o->kind[conditional[i]] |= OPT_COND;
    }
}

/* Two different operands, neither of them constant: no rule here is about that. */
static bool nothing_known(const TCGOptimizer *o)
{
    const TCGOpDef *def = &tcg_op_defs[o->op->opc];
    const uint16_t *in = &o->op->arg[def->nb_out];

    return def->nb_in == 2 && !(def->flags & TCG_OPF_IMM) && in[0] != in[1] &&
           !tcg_is_const(o->s, opt_canon(o, in[0])) && !tcg_is_const(o->s, opt_canon(o, in[1]));
}

bool opt_int(TCGOptimizer *o)
{
    unsigned opc = o->op->opc;

    if (nothing_known(o)) {
        return false;
    }
    return (tcg_op_flags(o->op) & TCG_OPF_COMM && commute(o)) || identity(o) ||
           (rules[opc] && rules[opc](o));
}

/* ---- conditions ---- */

/* 1: always, 0: never, -1: it depends. */
static int decide(const TCGOptimizer *o)
{
    const TCGOp *op = o->op;
    unsigned first = tcg_op_defs[op->opc].nb_out;
    unsigned a = op->arg[first], b = op->arg[first + 1];
    uint64_t mask = tcg_mask(8 << op->sz), za = opt_zmask(o, a) & mask, zb = opt_zmask(o, b) & mask;

    switch (op->cond) {
    case TCG_COND_EQ:
    case TCG_COND_LE:
    case TCG_COND_GE:
    case TCG_COND_LEU:
        return a == b ? 1 : -1;
    case TCG_COND_NE:
    case TCG_COND_LT:
    case TCG_COND_GT:
        return a == b ? 0 : -1;
    case TCG_COND_GTU:
        return a == b || za == 0 ? 0 : -1;
    case TCG_COND_LTU:
        return a == b || zb == 0 ? 0 : -1;
    case TCG_COND_GEU:
        return a == b || zb == 0 ? 1 : -1;
    case TCG_COND_TSTEQ:
        return za & zb ? -1 : 1;
    default:
        return za & zb ? -1 : 0;
    }
}

static int decide_const(const TCGOptimizer *o)
{
    TCGOp op = { .opc = TCG_OP_setcond, .sz = o->op->sz, .cond = o->op->cond };
    unsigned first = tcg_op_defs[o->op->opc].nb_out;
    TCGValue args[TCG_MAX_ARGS];

    if (!opt_value(o, o->op->arg[first], &args[1].u64[0]) ||
        !opt_value(o, o->op->arg[first + 1], &args[2].u64[0])) {
        return -1;
    }
    tcg_eval_fn[TCG_OP_setcond](&op, args, NULL);
    return args[0].u64[0];
}

/* a constant left operand: a < b is b > a */
static bool swap_cond(TCGOptimizer *o)
{
    static const uint8_t swapped[] = {
        TCG_COND_EQ,  TCG_COND_NE,  TCG_COND_GT,  TCG_COND_LE,  TCG_COND_GE,    TCG_COND_LT,
        TCG_COND_GTU, TCG_COND_LEU, TCG_COND_GEU, TCG_COND_LTU, TCG_COND_TSTEQ, TCG_COND_TSTNE,
    };

    if (commute(o)) {
        o->op->cond = swapped[o->op->cond];
        return true;
    }
    return false;
}

/* The condition under which the op acts was itself computed by a comparison. */
static bool unwrap_compare(TCGOptimizer *o)
{
    TCGOp *op = o->op;
    uint16_t *in = &op->arg[tcg_op_defs[op->opc].nb_out];
    const TCGOp *inner;

    if ((op->cond != TCG_COND_EQ && op->cond != TCG_COND_NE) ||
        !opt_is_value(o, in[1], 0, op->sz)) {
        return false;
    }
    for (unsigned sz = MO_32; sz <= MO_64; sz++) {
        if ((inner = opt_def(o, in[0], TCG_OP_setcond, sz))) {
            op->cond = inner->cond ^ (op->cond == TCG_COND_EQ);
            op->sz = sz;
            in[0] = inner->arg[1];
            in[1] = inner->arg[2];
            return true;
        }
    }
    if ((inner = opt_def(o, in[0], TCG_OP_and, op->sz))) {
        op->cond = op->cond == TCG_COND_EQ ? TCG_COND_TSTEQ : TCG_COND_TSTNE;
        in[0] = inner->arg[1];
        in[1] = inner->arg[2];
        return true;
    }
    return false;
}

/* Unsigned comparisons with 0 and 1 as equalities. */
static bool simplify_compare(TCGOptimizer *o)
{
    TCGOp *op = o->op;
    uint16_t *in = &op->arg[tcg_op_defs[op->opc].nb_out];
    unsigned cond = op->cond;

    if (opt_is_value(o, in[1], 0, op->sz) && (cond == TCG_COND_LEU || cond == TCG_COND_GTU)) {
        op->cond = cond == TCG_COND_LEU ? TCG_COND_EQ : TCG_COND_NE;
        return true;
    }
    if (opt_is_value(o, in[1], 1, op->sz) && (cond == TCG_COND_LTU || cond == TCG_COND_GEU)) {
        op->cond = cond == TCG_COND_LTU ? TCG_COND_EQ : TCG_COND_NE;
        in[1] = opt_new_const(o, 0);
        return true;
    }
    if (opt_is_value(o, in[1], ~0ull, op->sz) &&
        (cond == TCG_COND_TSTEQ || cond == TCG_COND_TSTNE)) {
        op->cond = cond == TCG_COND_TSTEQ ? TCG_COND_EQ : TCG_COND_NE;
        in[1] = opt_new_const(o, 0);
        return true;
    }
    return false;
}

/* The condition is known: the op becomes what it then does. */
static bool decided(TCGOptimizer *o, bool holds)
{
    TCGOp *op = o->op;
    int64_t imm = op->imm;
    bool exits = tcg_op_flags(op) & TCG_OPF_EXIT;

    switch (op->opc) {
    case TCG_OP_setcond:
    case TCG_OP_setcc:
        return opt_to_full_copy(o, opt_new_const(o, holds));
    case TCG_OP_movcond:
        return opt_to_full_copy(o, op->arg[holds ? 3 : 4]);
    case TCG_OP_movcc:
        return opt_to_copy(o, op->arg[holds ? 2 : 3]);
    case TCG_OP_ccsel:
    case TCG_OP_fsel:
        return opt_to_full_copy(o, op->arg[holds ? 2 : 3]);
    default:
        *op = (TCGOp){ .opc = TCG_OP_nop };
        if (holds) {
            op->opc = exits ? TCG_OP_exit : TCG_OP_br;
            op->imm = imm;
        }
        return true;
    }
}

static bool opt_int_cond(TCGOptimizer *o)
{
    int holds = decide_const(o);

    if (holds < 0) {
        holds = decide(o);
    }
    if (holds >= 0) {
        return decided(o, holds);
    }
    return swap_cond(o) || simplify_compare(o) || unwrap_compare(o);
}

static bool opt_flags_cond(TCGOptimizer *o)
{
    uint16_t flags = o->op->arg[tcg_op_defs[o->op->opc].nb_out];
    uint64_t packed;

    if (opt_value(o, flags, &packed)) {
        return decided(o, tcg_cc_holds(o->op->cond, tcg_cc_unpack(packed)));
    }
    return false;
}

static bool same_choices(TCGOptimizer *o, int first)
{
    return o->op->arg[first] == o->op->arg[first + 1] && opt_to_full_copy(o, o->op->arg[first]);
}

bool opt_cond(TCGOptimizer *o)
{
    switch (o->op->opc) {
    case TCG_OP_movcond:
        return same_choices(o, 3) || opt_int_cond(o);
    case TCG_OP_setcond:
    case TCG_OP_brcond:
    case TCG_OP_exit_cond:
        return opt_int_cond(o);
    case TCG_OP_movcc:
        return (o->op->arg[2] == o->op->arg[3] && opt_to_copy(o, o->op->arg[2])) ||
               opt_flags_cond(o);
    case TCG_OP_ccsel:
    case TCG_OP_fsel:
        return same_choices(o, 2) || opt_flags_cond(o);
    case TCG_OP_setcc:
    case TCG_OP_brcc:
    case TCG_OP_exit_cc:
        return opt_flags_cond(o);
    default:
        return false;
    }
}

/* ---- which bits a result can have ---- */

/* All bits up to the highest of z. */
static uint64_t below(uint64_t z)
{
    return z ? ~0ull >> __builtin_clzll(z) : 0;
}

static uint64_t zmask_shift(const TCGOptimizer *o, const TCGOp *op, uint64_t za)
{
    unsigned bits = 8 << op->sz;
    uint64_t n, mask = tcg_mask(bits);

    za &= mask;
    if (!opt_value(o, op->arg[2], &n)) {
        return op->opc == TCG_OP_shr ? below(za) : mask;
    }
    n &= bits - 1;
    return op->opc == TCG_OP_shr ? za >> n : za << n & mask;
}

static uint64_t zmask_load(unsigned memop)
{
    return memop & MO_SIGN ? (memop & MO_SEXT32 ? UINT32_MAX : ~0ull)
                           : tcg_mask(8 << (memop & MO_SIZE));
}

uint64_t opt_int_zmask(const TCGOptimizer *o, const TCGOp *op)
{
    unsigned flags = tcg_op_flags(op);
    uint64_t mask = flags & TCG_OPF_SZ_INT && op->sz == MO_32 ? UINT32_MAX : ~0ull;
    uint64_t za = ~0ull, zb = ~0ull;
    int pos = TCG_FIELD_POS(op->imm), len = TCG_FIELD_LEN(op->imm);

    if (op->opc >= TCG_OP_mov && op->opc <= TCG_OP_extr) {
        za = opt_zmask(o, op->arg[1]);
        zb = tcg_op_defs[op->opc].nb_in > 1 ? opt_zmask(o, op->arg[2]) : 0;
    }
    switch (op->opc) {
    case TCG_OP_mov:
    case TCG_OP_andc:
        return za & mask;
    case TCG_OP_divu:
    case TCG_OP_remu:
        return below(za & mask);
    case TCG_OP_and:
        return za & zb & mask;
    case TCG_OP_or:
    case TCG_OP_xor:
        return (za | zb) & mask;
    case TCG_OP_shl:
    case TCG_OP_shr:
        return zmask_shift(o, op, za);
    case TCG_OP_clz:
    case TCG_OP_cls:
    case TCG_OP_ctz:
    case TCG_OP_popcnt:
        return 0x7f;
    case TCG_OP_extract:
        return za >> pos & tcg_mask(len);
    case TCG_OP_depositz:
        return (za & tcg_mask(len)) << pos & mask;
    case TCG_OP_deposit:
        return ((za & ~(tcg_mask(len) << pos)) | (zb & tcg_mask(len)) << pos) & mask;
    case TCG_OP_crc32:
        return UINT32_MAX;
    case TCG_OP_setcond:
    case TCG_OP_setcc:
        return 1;
    case TCG_OP_movcond:
        return opt_zmask(o, op->arg[3]) | opt_zmask(o, op->arg[4]);
    case TCG_OP_movcc:
        return (opt_zmask(o, op->arg[2]) | opt_zmask(o, op->arg[3])) & tcg_mask(8 << op->sz);
    case TCG_OP_cc_get:
        return 15;
    case TCG_OP_v_to_i:
    case TCG_OP_atomic_rmw:
    case TCG_OP_atomic_cas:
        return tcg_mask(8 << op->sz);
    case TCG_OP_ld:
    case TCG_OP_ld_env:
        return zmask_load(op->memop);
    default:
        return mask;
    }
}
