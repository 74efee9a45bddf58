/* SPDX-License-Identifier: MIT */
/*
 * The optimiser's rules for vectors. Most of what they do comes from one fact kept for each vector:
 * how many of its bytes can be other than zero. Arm's 64-bit forms are 128-bit ops with a vzext
 * behind them, and that vzext is idle when the inputs had zeros there and the op keeps them.
 */
#include <string.h>

#include "exec/cpu.h"
#include "tcg/optimize.h"

/* Lanes that are zero in all inputs are zero in the result. */
static const bool keeps_zeros[TCG_OP_COUNT] = {
    [TCG_OP_vmov] = true,     [TCG_OP_vadd] = true,      [TCG_OP_vsub] = true,
    [TCG_OP_vmul] = true,     [TCG_OP_vneg] = true,      [TCG_OP_vabs] = true,
    [TCG_OP_vor] = true,      [TCG_OP_vxor] = true,      [TCG_OP_vsqadd] = true,
    [TCG_OP_vuqadd] = true,   [TCG_OP_vsqsub] = true,    [TCG_OP_vuqsub] = true,
    [TCG_OP_vshadd] = true,   [TCG_OP_vuhadd] = true,    [TCG_OP_vshsub] = true,
    [TCG_OP_vuhsub] = true,   [TCG_OP_vsmin] = true,     [TCG_OP_vsmax] = true,
    [TCG_OP_vumin] = true,    [TCG_OP_vumax] = true,     [TCG_OP_vsabd] = true,
    [TCG_OP_vuabd] = true,    [TCG_OP_vshli] = true,     [TCG_OP_vshri] = true,
    [TCG_OP_vsari] = true,    [TCG_OP_vrshri] = true,    [TCG_OP_vrsari] = true,
    [TCG_OP_vushl] = true,    [TCG_OP_vsshl] = true,     [TCG_OP_vurshl] = true,
    [TCG_OP_vsrshl] = true,   [TCG_OP_vcnt] = true,      [TCG_OP_vrbit] = true,
    [TCG_OP_vsqdmulh] = true, [TCG_OP_vsqrdmulh] = true, [TCG_OP_vpmul] = true,
    [TCG_OP_vbsl] = true,
};

unsigned opt_vec_result_bytes(const TCGOptimizer *o, const TCGOp *op)
{
    const TCGOpDef *def = &tcg_op_defs[op->opc];
    unsigned most = 1, a, b;

    switch (op->opc) {
    case TCG_OP_vzext:
    case TCG_OP_v_from_i:
    case TCG_OP_vaddv ... TCG_OP_vuminv:
    case TCG_OP_ldv:
    case TCG_OP_ldv_env:
        return 1u << op->sz;
    case TCG_OP_vxtn ... TCG_OP_vsqxtun:
    case TCG_OP_vfcvtn:
        return 8;
    case TCG_OP_vand:
        a = opt_vec_bytes(o, op->arg[1]);
        b = opt_vec_bytes(o, op->arg[2]);
        return a < b ? a : b;
    case TCG_OP_vandc:
        return opt_vec_bytes(o, op->arg[1]);
    }
    if (!keeps_zeros[op->opc]) {
        return 16;
    }
    for (int i = 0; i < def->nb_in; i++) {
        a = opt_vec_bytes(o, op->arg[1 + i]);
        most = a > most ? a : most;
    }
    /* a lane that has any byte may have all */
    if (def->flags & TCG_OPF_SZ_EL && most < 1u << op->sz) {
        most = 1u << op->sz;
    }
    return most;
}

static bool rule_vzext(TCGOptimizer *o)
{
    unsigned a = o->op->arg[1];

    return o->s->temps[a].type == TCG_TYPE_V128 && opt_vec_bytes(o, a) <= 1u << o->op->sz &&
           opt_to_full_copy(o, a);
}

/* A lane that is zero, or that came from an integer. */
static bool rule_v_to_i(TCGOptimizer *o)
{
    unsigned a = o->op->arg[1], bits = 8 << o->op->sz;
    const TCGOp *from;

    if (o->op->imm << o->op->sz >= opt_vec_bytes(o, a)) {
        return opt_to_full_copy(o, opt_new_const(o, 0));
    }
    if (o->op->imm || (!(from = opt_def(o, a, TCG_OP_v_from_i, o->op->sz)) &&
                       !(from = opt_def(o, a, TCG_OP_v_from_i, MO_64)))) {
        return false;
    }
    o->op->sz = MO_64;
    return bits == 64 ? opt_to_full_copy(o, from->arg[1])
                      : opt_to_op1(o, TCG_OP_extract, from->arg[1], TCG_FIELD(0, bits));
}

static bool is_all(const TCGOptimizer *o, unsigned t, uint64_t val)
{
    const TCGTemp *c = &o->s->temps[opt_canon(o, t)];

    return c->kind == TEMP_CONST && c->val == val && c->val2 == val;
}

static bool to_zero(TCGOptimizer *o)
{
    return opt_to_full_copy(o, tcg_const_vec(o->s, 0, 0).i);
}

/* Constants to the right is what opt_int does for all ops that commute. */
static bool rule_bits(TCGOptimizer *o)
{
    unsigned a = o->op->arg[1], b = o->op->arg[2];

    switch (o->op->opc) {
    case TCG_OP_vand:
        if (a == b || is_all(o, b, ~0ull)) {
            return opt_to_full_copy(o, a);
        }
        return is_all(o, b, 0) && opt_to_full_copy(o, b);
    case TCG_OP_vor:
        return (a == b || is_all(o, b, 0)) && opt_to_full_copy(o, a);
    case TCG_OP_vxor:
    case TCG_OP_vsub:
        return a == b ? to_zero(o) : is_all(o, b, 0) && opt_to_full_copy(o, a);
    default: /* vadd, vandc */
        return is_all(o, b, 0) && opt_to_full_copy(o, a);
    }
}

static bool (*const rules[TCG_OP_COUNT])(TCGOptimizer *) = {
    [TCG_OP_vzext] = rule_vzext, [TCG_OP_v_to_i] = rule_v_to_i, [TCG_OP_vand] = rule_bits,
    [TCG_OP_vor] = rule_bits,    [TCG_OP_vxor] = rule_bits,     [TCG_OP_vandc] = rule_bits,
    [TCG_OP_vadd] = rule_bits,   [TCG_OP_vsub] = rule_bits,
};

bool opt_vec(TCGOptimizer *o)
{
    return rules[o->op->opc](o);
}

void opt_vec_init(TCGOptimizer *o)
{
    for (int opc = 0; opc < TCG_OP_COUNT; opc++) {
        if (rules[opc]) {
            o->kind[opc] |= OPT_VEC;
        }
        if (strchr(tcg_op_defs[opc].in, 'f') &&
            (opc == TCG_OP_vzext || tcg_op_defs[opc].flags & TCG_OPF_FAULT ||
             tcg_op_defs[opc].flags & TCG_OPF_SZ_FP)) {
            o->kind[opc] |= OPT_LOW;
        }
    }
}

/* ---- floating scalars ---- */

/* The size of the lane that the op reads from its inputs of class f. */
static unsigned read_size(const TCGOp *op)
{
    switch (op->opc) {
    case TCG_OP_fcvt:
        return op->imm;
    case TCG_OP_ftoi:
        return TCG_FTOI_FMT(op->imm);
    default:
        return op->sz;
    }
}

void opt_forward_low(TCGOptimizer *o)
{
    const TCGOpDef *def = &tcg_op_defs[o->op->opc];
    unsigned size = read_size(o->op);

    for (int i = 0; i < def->nb_in; i++) {
        uint16_t *t = &o->op->arg[def->nb_out + i];
        if (def->in[i] != 'f' || tcg_is_const(o->s, *t)) {
            continue;
        }
        const TempInfo *info = &o->info[*t];
        if (info->low && info->low_sz >= size && opt_version(o, info->low) == info->low_version) {
            *t = info->low;
        }
    }
}
