/* SPDX-License-Identifier: MIT */
/*
 * The optimiser: one forward pass over the op list, in place. For each op it
 *   1. replaces inputs by constants or by the temps they are copies of,
 *   2. evaluates it if all inputs are constant (by the interpreter's own evaluators),
 *   3. tries the rules of opt-int.c, opt-mem.c and opt-vec.c until none applies,
 *   4. notes what is then known of its outputs.
 * Nothing is removed but ops after an exit that is always taken; liveness takes away what has
 * become useless. Constants of globals are put in only where they fit an immediate: a register that
 * holds a wide constant already is better than the constant.
 */
#include <glib.h>

#include "exec/cpu.h"
#include "tcg/backend.h"
#include "tcg/optimize.h"

TCGOptimizer *tcg_optimizer_new(void)
{
    TCGOptimizer *o = g_malloc0(sizeof(*o));

    for (int opc = 0; opc < TCG_OP_COUNT; opc++) {
        const TCGOpDef *def = &tcg_op_defs[opc];
        if (tcg_eval_fn[opc] && !(def->flags & (TCG_OPF_FAULT | TCG_OPF_SZ_FP)) &&
            def->out[0] != 'f' && def->nb_in > 0 && opc != TCG_OP_vmov && opc != TCG_OP_ccmov) {
            o->kind[opc] |= OPT_FOLD;
        }
    }
    opt_int_init(o);
    opt_mem_init(o);
    opt_vec_init(o);
    return o;
}

void tcg_optimizer_free(TCGOptimizer *o)
{
    g_free(o);
}

/* ---- questions ---- */

bool opt_value(const TCGOptimizer *o, unsigned t, uint64_t *val)
{
    t = opt_canon(o, t);
    *val = o->s->temps[t].val;
    return tcg_is_const(o->s, t);
}

bool opt_is_value(const TCGOptimizer *o, unsigned t, uint64_t val, unsigned sz)
{
    uint64_t v;

    return opt_value(o, t, &v) && !((v ^ val) & tcg_mask(8 << sz));
}

uint64_t opt_zmask(const TCGOptimizer *o, unsigned t)
{
    uint64_t v;

    return opt_value(o, t, &v) ? v : tcg_is_fixed(o->s, t) ? ~0ull : ~o->info[t].zeros;
}

unsigned opt_vec_bytes(const TCGOptimizer *o, unsigned t)
{
    t = opt_canon(o, t);
    if (tcg_is_const(o->s, t)) {
        const TCGTemp *c = &o->s->temps[t];
        return c->val2 ? 16 : c->val ? 8 : 1;
    }
    return o->s->temps[t].type == TCG_TYPE_V128 ? 16 - o->info[t].zero_bytes : 16;
}

const TCGOp *opt_def(const TCGOptimizer *o, unsigned t, unsigned opc, unsigned sz)
{
    if (tcg_is_fixed(o->s, t) || !o->info[t].def) {
        return NULL;
    }
    const TempInfo *info = &o->info[t];
    const TCGOp *op = &o->s->ops[info->def - 1];
    if (op->opc != opc || op->sz != sz) {
        return NULL;
    }
    const TCGOpDef *def = &tcg_op_defs[opc];
    for (int i = 0; i < def->nb_in && i < 2; i++) {
        if (opt_version(o, op->arg[def->nb_out + i]) != info->in_version[i]) {
            return NULL;
        }
    }
    return op;
}

/* ---- rewriting ---- */

static void become(TCGOp *op, unsigned opc, unsigned sz, unsigned a, unsigned b, int64_t imm)
{
    op->opc = opc;
    op->sz = sz;
    op->cond = 0;
    op->memop = 0;
    op->imm = imm;
    op->arg[1] = a;
    op->arg[2] = b;
    op->arg[3] = op->arg[4] = TCG_NONE;
}

bool opt_to_full_copy(TCGOptimizer *o, unsigned t)
{
    static const uint16_t moves[] = {
        [TCG_TYPE_I64] = TCG_OP_mov,
        [TCG_TYPE_CC] = TCG_OP_ccmov,
        [TCG_TYPE_F64] = TCG_OP_fmov,
        [TCG_TYPE_V128] = TCG_OP_vmov,
    };
    TCGType type = o->s->temps[o->op->arg[0]].type;

    become(o->op, moves[type], type == TCG_TYPE_I64 ? MO_64 : 0, t, TCG_NONE, 0);
    return true;
}

bool opt_to_copy(TCGOptimizer *o, unsigned t)
{
    if (o->op->sz == MO_32 && opt_zmask(o, t) >> 32) {
        become(o->op, TCG_OP_mov, MO_32, t, TCG_NONE, 0);
        return true;
    }
    return opt_to_full_copy(o, t);
}

unsigned opt_new_const(TCGOptimizer *o, uint64_t val)
{
    return tcg_const(o->s, val).i;
}

bool opt_to_const(TCGOptimizer *o, uint64_t val)
{
    bool word = tcg_op_flags(o->op) & TCG_OPF_SZ_INT && o->op->sz == MO_32;

    return opt_to_full_copy(o, opt_new_const(o, word ? (uint32_t)val : val));
}

bool opt_to_op1(TCGOptimizer *o, unsigned opc, unsigned a, int64_t imm)
{
    become(o->op, opc, o->op->sz, a, TCG_NONE, imm);
    return true;
}

bool opt_to_op2(TCGOptimizer *o, unsigned opc, unsigned a, unsigned b, int64_t imm)
{
    become(o->op, opc, o->op->sz, a, b, imm);
    return true;
}

/* ---- inputs ---- */

/* May constant val stand where a register stood that has it already? */
static bool const_fits(const TCGOp *op, unsigned arg, uint64_t val)
{
    if (op->opc == TCG_OP_call) {
        return true;
    }
    if (tcg_op_has_index(op->opc) && arg >= 1) {
        return false;
    }
    unsigned flags = tcg_op_flags(op);
    return (int64_t)val == (int32_t)val ||
           (flags & TCG_OPF_SZ_INT && op->sz == MO_32 && val >> 32 == 0);
}

static void replace_inputs(TCGOptimizer *o, const TCGOperands *p)
{
    for (int i = p->first_in; i < p->first_in + p->nb_in; i++) {
        unsigned t = o->op->arg[i], c;
        if (t == TCG_NONE || (c = opt_canon(o, t)) == t) {
            continue;
        }
        const TCGTemp *temp = &o->s->temps[c];
        if (!tcg_is_fixed(o->s, c) || !tcg_is_global(o->s, t) ||
            (temp->kind == TEMP_CONST && temp->type == TCG_TYPE_I64 &&
             const_fits(o->op, i, temp->val))) {
            o->op->arg[i] = c;
        }
    }
}

/* ---- evaluation ---- */

/* The operands' values in args; false if one is not constant. */
static bool const_inputs(const TCGOptimizer *o, const TCGOpDef *def, TCGValue *args)
{
    for (int i = def->nb_out; i < def->nb_out + def->nb_in; i++) {
        const TCGTemp *t = &o->s->temps[opt_canon(o, o->op->arg[i])];
        if (t->kind != TEMP_CONST) {
            return false;
        }
        args[i].u64[0] = t->val;
        args[i].u64[1] = t->val2;
    }
    return true;
}

static unsigned const_of(TCGOptimizer *o, TCGType type, const TCGValue *v)
{
    switch (type) {
    case TCG_TYPE_I64:
        return tcg_const(o->s, v->u64[0]).i;
    case TCG_TYPE_CC:
        return tcg_const_cc(o->s, tcg_cc_unpack(v->u32[0])).i;
    default:
        return tcg_const_vec(o->s, v->u64[0], v->u64[1]).i;
    }
}

/* An op with one output becomes a move of the constant. */
static bool fold(TCGOptimizer *o)
{
    const TCGOpDef *def = &tcg_op_defs[o->op->opc];
    TCGValue args[TCG_MAX_ARGS];

    if (def->nb_out != 1 || !const_inputs(o, def, args) || tcg_op_is_move(o->op)) {
        return false;
    }
    tcg_eval_fn[o->op->opc](o->op, args, NULL);
    return opt_to_full_copy(o, const_of(o, o->s->temps[o->op->arg[0]].type, &args[0]));
}

/* ---- outputs ---- */

static void forget(TCGOptimizer *o, unsigned t)
{
    o->info[t] = (TempInfo){ .version = o->info[t].version + 1 };
}

static void forget_globals(TCGOptimizer *o)
{
    for (int t = 1; t <= o->s->nb_globals; t++) {
        forget(o, t);
    }
}

static void forget_all(TCGOptimizer *o)
{
    for (int t = 1; t < o->s->nb_temps; t++) {
        if (!tcg_is_fixed(o->s, t)) {
            forget(o, t);
        }
    }
}

static void set_copy(TCGOptimizer *o, unsigned t, unsigned of)
{
    o->info[t].copy = of;
    o->info[t].copy_version = opt_version(o, of);
}

/* After `d = t`: one of the two is from now on known as the other. */
static void note_move(TCGOptimizer *o)
{
    unsigned d = o->op->arg[0], t = opt_canon(o, o->op->arg[1]);

    if (opt_canon(o, d) == t) { /* it has that value already */
        *o->op = (TCGOp){ .opc = TCG_OP_nop };
        return;
    }
    if (tcg_is_fixed(o->s, t)) {
        forget(o, d);
        set_copy(o, d, t);
        return;
    }
    TempInfo same = o->info[t];
    forget(o, d);
    uint32_t version = o->info[d].version;
    if (o->s->temps[d].type == o->s->temps[t].type) {
        o->info[d] = same;
        o->info[d].version = version;
        o->info[d].copy = TCG_NONE;
    }
    if (tcg_is_global(o->s, d) && !tcg_is_global(o->s, t)) {
        set_copy(o, t, d); /* the temp may then die */
    } else {
        set_copy(o, d, t);
    }
}

static void note_result(TCGOptimizer *o, const TCGOpDef *def)
{
    const TCGOp *op = o->op;
    uint32_t in_version[2] = { 0 };
    uint64_t zmask = ~0ull;
    unsigned bytes = 16;

    for (int i = 0; i < def->nb_in && i < 2; i++) {
        in_version[i] = opt_version(o, op->arg[def->nb_out + i]);
    }
    if (def->out[0] == 'i') {
        zmask = opt_int_zmask(o, op);
    } else if (def->out[0] == 'v') {
        bytes = opt_vec_result_bytes(o, op);
    }
    for (int i = 0; i < def->nb_out; i++) {
        forget(o, op->arg[i]);
    }
    TempInfo *info = &o->info[op->arg[0]];
    info->zeros = ~zmask;
    info->zero_bytes = 16 - bytes;
    if (!(def->flags & TCG_OPF_FX)) {
        info->def = op - o->s->ops + 1;
        memcpy(info->in_version, in_version, sizeof(in_version));
    }
    if (op->opc == TCG_OP_vzext && (!o->s->scalars_extend || tcg_is_global(o->s, op->arg[1]))) {
        info->low = op->arg[1];
        info->low_version = in_version[0];
        info->low_sz = op->sz;
    }
}

/* Ops with two outputs stay, but the values may be known. */
static void note_two_results(TCGOptimizer *o, const TCGOpDef *def)
{
    TCGValue args[TCG_MAX_ARGS];
    bool known = o->kind[o->op->opc] & OPT_FOLD && const_inputs(o, def, args);

    note_result(o, def);
    if (known) {
        tcg_eval_fn[o->op->opc](o->op, args, NULL);
        for (int i = 0; i < def->nb_out; i++) {
            unsigned t = o->op->arg[i];
            set_copy(o, t, const_of(o, o->s->temps[t].type, &args[i]));
        }
    }
}

static void note_call(TCGOptimizer *o)
{
    unsigned flags = ((const TCGHelperInfo *)(intptr_t)o->op->imm)->flags;

    if (!(flags & (TCG_CALL_NO_WG | TCG_CALL_NO_SE))) {
        forget_globals(o);
    }
    if (o->op->arg[0]) {
        forget(o, o->op->arg[0]);
    }
}

static void note(TCGOptimizer *o)
{
    const TCGOpDef *def = &tcg_op_defs[o->op->opc];

    if (o->op->opc == TCG_OP_call) {
        note_call(o);
    } else if (o->op->opc == TCG_OP_label) {
        forget_all(o);
    } else if (o->op->opc == TCG_OP_discard) {
        forget(o, o->op->arg[0]);
    } else if (tcg_op_is_move(o->op)) {
        note_move(o);
    } else if (def->nb_out == 1) {
        note_result(o, def);
    } else if (def->nb_out == 2) {
        note_two_results(o, def);
    }
}

/* ---- the pass ---- */

/* Everything from op `at` up to the next label can no longer be reached. */
static void drop_unreachable(TCGContext *s, int at)
{
    for (int i = at; i < s->nb_ops; i++) {
        if (s->ops[i].opc == TCG_OP_label) {
            return;
        }
        s->ops[i] = (TCGOp){ .opc = TCG_OP_nop };
    }
    s->nb_ops = at;
}

/* One rule that applies; false when none does. */
static bool improve(TCGOptimizer *o)
{
    unsigned kind = o->kind[o->op->opc];

    return (kind & OPT_FOLD && fold(o)) || (kind & OPT_INT && opt_int(o)) ||
           (kind & OPT_COND && opt_cond(o)) || (kind & OPT_ADDRESS && opt_address(o)) ||
           (kind & OPT_ENV && opt_env(o)) || (kind & OPT_VEC && opt_vec(o));
}

static void visit(TCGOptimizer *o)
{
    TCGOperands p = tcg_op_operands(o->op);

    replace_inputs(o, &p);
    /* every rule makes the op simpler; the bound is for the day when two of them disagree */
    for (int turn = 0; turn < 8 && improve(o); turn++) {
    }
    if (o->kind[o->op->opc] & OPT_LOW) {
        opt_forward_low(o);
    }
    if (o->kind[o->op->opc] & OPT_ENV || o->nb_env) {
        opt_env_after(o);
    }
    note(o);
}

void tcg_optimize(TCGContext *s)
{
    TCGOptimizer *o = s->optimizer;

    o->s = s;
    o->nb_env = 0;
    memset(o->info, 0, s->nb_temps * sizeof(*o->info));
    for (int i = 0; i < s->nb_ops; i++) {
        if (s->nb_temps > TCG_MAX_TEMPS - 16) {
            return; /* no room for constants; what is left is right as it is */
        }
        o->op = &s->ops[i];
        if (o->op->opc != TCG_OP_nop && o->op->opc != TCG_OP_insn_start) {
            visit(o);
            if (tcg_op_flags(o->op) & TCG_OPF_END) {
                drop_unreachable(s, i + 1);
            }
        }
    }
}
