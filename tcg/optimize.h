/* SPDX-License-Identifier: MIT */
/*
 * Inside the optimiser: what is known of each temp at the present op, and how the rule files
 * (opt-int.c, opt-mem.c, opt-vec.c) ask for it and rewrite the op.
 */
#ifndef TCG_OPTIMIZE_H
#define TCG_OPTIMIZE_H

#include "tcg/middle.h"
#include "tcg/tcg.h"

/*
 * What is known of the value that a temp has now. Every write gives a temp a new version; whatever
 * was noted about another temp holds as long as that one still has the version noted with it. All
 * zero: nothing is known.
 */
typedef struct TempInfo {
    uint32_t version;
    uint32_t copy_version, low_version;
    uint32_t in_version[2]; /* of the defining op's inputs when it was reached */
    uint16_t copy;          /* a temp with the same value, or TCG_NONE */
    uint16_t def;           /* index + 1 of the op that computed it, or 0 */
    uint16_t low;           /* vectors: a temp with the same low lane of low_sz, or TCG_NONE */
    uint8_t low_sz;
    uint8_t zero_bytes; /* vectors: so many bytes at the top are zero */
    uint64_t zeros;     /* integers: these bits are clear */
} TempInfo;

/* A field of CPUState whose value is known to be that of a temp. */
typedef struct EnvField {
    uint32_t offset, size;
    uint32_t version;
    uint16_t temp;
    int store; /* index of the store that nothing has looked at since, or -1 */
} EnvField;

enum { MAX_ENV_FIELDS = 8 };

/* Which rules an opcode can meet; found once, so that most ops pass by most rules. */
enum {
    OPT_FOLD = 1,    /* the evaluators */
    OPT_INT = 2,     /* opt_int */
    OPT_COND = 4,    /* opt_cond */
    OPT_ADDRESS = 8, /* opt_address */
    OPT_ENV = 16,    /* opt_env, opt_env_after */
    OPT_VEC = 32,    /* opt_vec */
    OPT_LOW = 64,    /* opt_forward_low */
};

struct TCGOptimizer {
    TCGContext *s;
    TCGOp *op; /* the op being looked at */
    int nb_env;
    EnvField env[MAX_ENV_FIELDS];
    uint8_t kind[TCG_OP_COUNT];       /* OPT_* */
    uint8_t first_rule[TCG_OP_COUNT]; /* opt-int.c: its identities for an op, 0: none */
    TempInfo info[TCG_MAX_TEMPS];
};

/* ---- questions ---- */

static inline uint32_t opt_version(const TCGOptimizer *o, unsigned t)
{
    return tcg_is_fixed(o->s, t) ? 0 : o->info[t].version;
}
/* The temp that should stand for t: a constant, a global, or the first that had the value. */
static inline unsigned opt_canon(const TCGOptimizer *o, unsigned t)
{
    while (!tcg_is_fixed(o->s, t) && o->info[t].copy &&
           opt_version(o, o->info[t].copy) == o->info[t].copy_version) {
        t = o->info[t].copy;
    }
    return t;
}
/* True, and the value, if t is known to be constant (its low half, for a vector). */
bool opt_value(const TCGOptimizer *o, unsigned t, uint64_t *val);
bool opt_is_value(const TCGOptimizer *o, unsigned t, uint64_t val, unsigned sz);
uint64_t opt_zmask(const TCGOptimizer *o, unsigned t);
unsigned opt_vec_bytes(const TCGOptimizer *o, unsigned t);
/* The op that computed t, if it is opc of size sz and its inputs still have their values. */
const TCGOp *opt_def(const TCGOptimizer *o, unsigned t, unsigned opc, unsigned sz);

/* ---- rewriting o->op, whose output 0 stays; all return true ---- */

bool opt_to_copy(TCGOptimizer *o, unsigned t); /* by the op's size: a 32-bit one clears the top */
bool opt_to_full_copy(TCGOptimizer *o, unsigned t);
bool opt_to_const(TCGOptimizer *o, uint64_t val);
bool opt_to_op1(TCGOptimizer *o, unsigned opc, unsigned a, int64_t imm);
bool opt_to_op2(TCGOptimizer *o, unsigned opc, unsigned a, unsigned b, int64_t imm);
unsigned opt_new_const(TCGOptimizer *o, uint64_t val);

/* ---- rules: true if o->op was changed; then it is looked at again ---- */

bool opt_int(TCGOptimizer *o);
bool opt_cond(TCGOptimizer *o);
bool opt_address(TCGOptimizer *o);
bool opt_env(TCGOptimizer *o);
bool opt_vec(TCGOptimizer *o);

/* Each file's part of o->kind. */
void opt_int_init(TCGOptimizer *o);
void opt_mem_init(TCGOptimizer *o);
void opt_vec_init(TCGOptimizer *o);
/* The bits that the integer op can set in its result. */
uint64_t opt_int_zmask(const TCGOptimizer *o, const TCGOp *op);
/* Inputs of class f: reads what was zero-extended into a vector, not the vector. */
void opt_forward_low(TCGOptimizer *o);
/* The bytes that the vector op can set in its result. */
unsigned opt_vec_result_bytes(const TCGOptimizer *o, const TCGOp *op);
/* Notes what the op, as it is left, says about fields of CPUState. */
void opt_env_after(TCGOptimizer *o);

#endif
