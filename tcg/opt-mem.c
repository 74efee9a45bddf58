/* SPDX-License-Identifier: MIT */
/* The optimiser's rules for guest addresses and for fields of CPUState. */
#include "exec/cpu.h"
#include "tcg/optimize.h"

/* ---- addresses: base + (index << shift) + displacement ---- */

/* t is a temp of the block, so that folding it away may make the op that computed it dead. */
static bool is_temp(const TCGOptimizer *o, unsigned t)
{
    return t && !tcg_is_const(o->s, t) && !tcg_is_global(o->s, t);
}

static bool add_displacement(TCGOp *op, uint64_t more)
{
    int64_t disp = op->imm + more;

    if ((int64_t)more != (int32_t)more || disp != (int32_t)disp) {
        return false;
    }
    op->imm = disp;
    return true;
}

/* The base is x + constant, or x + y while there is no index yet. */
static bool fold_base(TCGOptimizer *o)
{
    TCGOp *op = o->op;
    uint64_t c;
    const TCGOp *add = is_temp(o, op->arg[1]) ? opt_def(o, op->arg[1], TCG_OP_add, MO_64) : NULL;

    if (!add) {
        return false;
    }
    if (opt_value(o, add->arg[2], &c)) {
        if (!add_displacement(op, c)) {
            return false;
        }
        op->arg[1] = add->arg[1];
        return true;
    }
    if (op->arg[2] || tcg_is_const(o->s, add->arg[1])) {
        return false;
    }
    op->arg[1] = add->arg[1];
    op->arg[2] = add->arg[2];
    return true;
}

/* The index is a constant, or x << 0..3: what hosts can scale. */
static bool fold_index(TCGOptimizer *o)
{
    TCGOp *op = o->op;
    unsigned shift = MO_GET_SHIFT(op->memop);
    uint64_t c;

    if (!op->arg[2]) {
        return false;
    }
    if (opt_value(o, op->arg[2], &c)) {
        if (c << shift >> shift != c || !add_displacement(op, c << shift)) {
            return false;
        }
        op->arg[2] = TCG_NONE;
        op->memop &= ~MO_SHIFT(7);
        return true;
    }
    const TCGOp *shl = is_temp(o, op->arg[2]) ? opt_def(o, op->arg[2], TCG_OP_shl, MO_64) : NULL;
    if (shl && opt_value(o, shl->arg[2], &c) && c + shift <= 3) {
        op->arg[2] = shl->arg[1];
        op->memop = (op->memop & ~MO_SHIFT(7)) | MO_SHIFT(c + shift);
        return true;
    }
    return false;
}

bool opt_address(TCGOptimizer *o)
{
    return fold_base(o) || fold_index(o);
}

/* ---- fields of CPUState ---- */

static bool is_env_load(unsigned opc)
{
    return opc == TCG_OP_ld_env || opc == TCG_OP_ldv_env;
}

static bool is_env_store(unsigned opc)
{
    return opc == TCG_OP_st_env || opc == TCG_OP_stv_env;
}

static EnvField *find_field(TCGOptimizer *o, uint32_t offset, uint32_t size)
{
    for (int i = 0; i < o->nb_env; i++) {
        if (o->env[i].offset == offset && o->env[i].size == size) {
            return &o->env[i];
        }
    }
    return NULL;
}

static bool still_known(const TCGOptimizer *o, const EnvField *f, TCGType type)
{
    return opt_version(o, f->temp) == f->version && o->s->temps[f->temp].type == type;
}

/* The low bytes of t, extended as a load with the op's memop would. */
static bool to_extension(TCGOptimizer *o, unsigned t)
{
    unsigned memop = o->op->memop, size = memop & MO_SIZE;

    if (o->op->opc == TCG_OP_ldv_env) {
        o->op->sz = size;
        return size == MO_128 ? opt_to_full_copy(o, t) : opt_to_op1(o, TCG_OP_vzext, t, 0);
    }
    if (size == MO_64) {
        return opt_to_full_copy(o, t);
    }
    o->op->sz = memop & MO_SEXT32 ? MO_32 : MO_64;
    return opt_to_op1(o, memop & MO_SIGN ? TCG_OP_sextract : TCG_OP_extract, t,
                      TCG_FIELD(0, 8 << size));
}

void opt_mem_init(TCGOptimizer *o)
{
    for (int opc = 0; opc < TCG_OP_COUNT; opc++) {
        if (tcg_op_has_index(opc)) {
            o->kind[opc] |= OPT_ADDRESS;
        }
        if (is_env_load(opc) || is_env_store(opc)) {
            o->kind[opc] |= OPT_ENV;
        }
    }
}

/* Loads of what is known; stores of what is there already. */
bool opt_env(TCGOptimizer *o)
{
    TCGOp *op = o->op;
    bool load = is_env_load(op->opc);

    if (op->memop & MO_BSWAP) {
        return false;
    }
    EnvField *f = find_field(o, op->imm, 1u << op->sz);
    if (!f || !still_known(o, f, o->s->temps[op->arg[0]].type)) {
        return false;
    }
    if (load) {
        return to_extension(o, f->temp);
    }
    if (f->temp == op->arg[0]) {
        *op = (TCGOp){ .opc = TCG_OP_nop };
        return true;
    }
    return false;
}

static bool overlaps(const EnvField *f, uint32_t offset, uint32_t size)
{
    return f->offset < offset + size && offset < f->offset + f->size;
}

static void forget_field(TCGOptimizer *o, int i)
{
    o->env[i] = o->env[--o->nb_env];
}

static void note_field(TCGOptimizer *o, uint32_t offset, uint32_t size, unsigned temp,
                       uint32_t version, int store)
{
    if (o->nb_env == MAX_ENV_FIELDS) {
        forget_field(o, 0);
    }
    o->env[o->nb_env++] = (EnvField){ offset, size, version, temp, store };
}

static void env_stored(TCGOptimizer *o)
{
    TCGOp *op = o->op;
    uint32_t offset = op->imm, size = 1u << op->sz;

    for (int i = o->nb_env; i-- > 0;) {
        EnvField *f = &o->env[i];
        if (!overlaps(f, offset, size)) {
            continue;
        }
        if (f->store >= 0 && offset <= f->offset && f->offset + f->size <= offset + size) {
            o->s->ops[f->store] = (TCGOp){ .opc = TCG_OP_nop }; /* nobody saw it */
        }
        forget_field(o, i);
    }
    if (!(op->memop & MO_BSWAP)) {
        note_field(o, offset, size, op->arg[0], opt_version(o, op->arg[0]), op - o->s->ops);
    }
}

static void env_loaded(TCGOptimizer *o)
{
    TCGOp *op = o->op;
    uint32_t offset = op->imm, size = 1u << op->sz;

    for (int i = 0; i < o->nb_env; i++) {
        if (overlaps(&o->env[i], offset, size)) {
            o->env[i].store = -1;
        }
    }
    if (!(op->memop & (MO_BSWAP | MO_SIGN)) && !find_field(o, offset, size)) {
        /* the version that the output is about to get */
        note_field(o, offset, size, op->arg[0], opt_version(o, op->arg[0]) + 1, -1);
    }
}

void opt_env_after(TCGOptimizer *o)
{
    const TCGOp *op = o->op;

    if (op->opc == TCG_OP_label) {
        o->nb_env = 0;
    } else if (is_env_load(op->opc)) {
        env_loaded(o);
    } else if (is_env_store(op->opc)) {
        env_stored(o);
    } else if (op->opc == TCG_OP_call &&
               !(((const TCGHelperInfo *)(intptr_t)op->imm)->flags & TCG_CALL_NO_SE)) {
        o->nb_env = 0; /* NO_WG is about globals; what is outside them may have changed */
    } else if (op->opc == TCG_OP_call || tcg_op_branches(op) ||
               tcg_op_flags(op) & (TCG_OPF_FAULT | TCG_OPF_EXIT)) {
        for (int i = 0; i < o->nb_env; i++) {
            o->env[i].store = -1;
        }
    }
}
