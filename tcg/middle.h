/* SPDX-License-Identifier: MIT */
/* What the passes over op lists share: operands of any op, and small predicates. */
#ifndef TCG_MIDDLE_H
#define TCG_MIDDLE_H

#include "tcg/tcg.h"

/* Where an op's operands are in arg[]: outputs first. */
typedef struct TCGOperands {
    uint8_t nb_out, nb_in;
    uint8_t first_in;
    const char *in; /* classes of the inputs; NULL: all are integers (call) */
} TCGOperands;

static inline TCGOperands tcg_op_operands(const TCGOp *op)
{
    if (op->opc == TCG_OP_call) {
        return (TCGOperands){ op->arg[0] != TCG_NONE, op->sz, 1, NULL };
    }
    const TCGOpDef *def = &tcg_op_defs[op->opc];
    return (TCGOperands){ def->nb_out, def->nb_in, def->nb_out, def->in };
}

static inline unsigned tcg_op_flags(const TCGOp *op)
{
    return tcg_op_defs[op->opc].flags;
}

static inline bool tcg_is_global(const TCGContext *s, unsigned temp)
{
    return temp - 1u < (unsigned)s->nb_globals;
}

static inline bool tcg_is_const(const TCGContext *s, unsigned temp)
{
    return s->temps[temp].kind == TEMP_CONST;
}

/* Never written: a constant, or an address whose value no pass may look at. */
static inline bool tcg_is_fixed(const TCGContext *s, unsigned temp)
{
    return s->temps[temp].kind == TEMP_CONST || s->temps[temp].kind == TEMP_PC;
}

/* Moves of the whole value. */
static inline bool tcg_op_is_move(const TCGOp *op)
{
    return (op->opc == TCG_OP_mov && op->sz == MO_64) || op->opc == TCG_OP_vmov ||
           op->opc == TCG_OP_fmov || op->opc == TCG_OP_ccmov;
}

/* Ops that go to label imm. */
static inline bool tcg_op_branches(const TCGOp *op)
{
    return op->opc == TCG_OP_br || op->opc == TCG_OP_brcond || op->opc == TCG_OP_brcc;
}

/* Ops whose last two inputs are an address: base and an index that may be absent. */
static inline bool tcg_op_has_index(unsigned opc)
{
    return opc == TCG_OP_ld || opc == TCG_OP_st || opc == TCG_OP_ldv || opc == TCG_OP_stv;
}

/* An operand class of the table against a temp's type. */
static inline bool tcg_class_accepts(char class, TCGType type, bool input)
{
    switch (class) {
    case 'i':
        return type == TCG_TYPE_I64;
    case 'c':
        return type == TCG_TYPE_CC;
    case 'f':
        return type == TCG_TYPE_F64 || (input && type == TCG_TYPE_V128);
    default:
        return type == TCG_TYPE_V128;
    }
}

static inline uint64_t tcg_mask(unsigned bits)
{
    return bits >= 64 ? ~0ull : (1ull << bits) - 1;
}

/* The passes' own data, kept by the context so that no block has to allocate it. */
typedef struct TCGOptimizer TCGOptimizer;
TCGOptimizer *tcg_optimizer_new(void);
void tcg_optimizer_free(TCGOptimizer *o);

#endif
