/* SPDX-License-Identifier: MIT */
/*
 * Evaluators: one function for each op that only computes. args are the op's operands, outputs
 * first. An integer is u64[0]; flags are the packed form in u32[0]; a floating scalar is lane 0.
 */
#ifndef TCG_TCI_EVAL_H
#define TCG_TCI_EVAL_H

#include "exec/cpu.h"
#include "tcg/backend.h"
#include "tcg/tcg.h"

#define DEF(name, sig, flags, doc) TCGEvalFn tcg_eval_##name;
#include "tcg/ops.h.inc"
#undef DEF

/* Whether a cond b, of size MO_32 or MO_64. */
bool tcg_eval_cond(TCGCond cond, unsigned sz, uint64_t a, uint64_t b);

#define EVAL(name) void tcg_eval_##name(const TCGOp *op, TCGValue *args, CPUState *cpu)
#define UNUSED     (void)op, (void)cpu

static inline uint64_t eval_size(const TCGOp *op, uint64_t v)
{
    return op->sz == MO_32 ? (uint32_t)v : v;
}

#endif
