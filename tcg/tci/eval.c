/* SPDX-License-Identifier: MIT */
/* The table of evaluators. */
#include "tcg/tci/eval.h"

/* What has no evaluator: control, memory, the state, and bookkeeping. */
#define tcg_eval_nop           NULL
#define tcg_eval_insn_start    NULL
#define tcg_eval_discard       NULL
#define tcg_eval_label         NULL
#define tcg_eval_call          NULL
#define tcg_eval_br            NULL
#define tcg_eval_brcond        NULL
#define tcg_eval_brcc          NULL
#define tcg_eval_exit          NULL
#define tcg_eval_exit_cond     NULL
#define tcg_eval_exit_cc       NULL
#define tcg_eval_exit_ind      NULL
#define tcg_eval_ld            NULL
#define tcg_eval_st            NULL
#define tcg_eval_ld2           NULL
#define tcg_eval_st2           NULL
#define tcg_eval_ldv2          NULL
#define tcg_eval_stv2          NULL
#define tcg_eval_ldv           NULL
#define tcg_eval_stv           NULL
#define tcg_eval_atomic_rmw    NULL
#define tcg_eval_atomic_cas    NULL
#define tcg_eval_atomic_cas128 NULL
#define tcg_eval_mb            NULL
#define tcg_eval_ld_env        NULL
#define tcg_eval_st_env        NULL
#define tcg_eval_ldv_env       NULL
#define tcg_eval_stv_env       NULL
#define tcg_eval_env_addr      NULL

TCGEvalFn *const tcg_eval_fn[TCG_OP_COUNT] = {
#define DEF(name, sig, flags, doc) [TCG_OP_##name] = tcg_eval_##name,
#include "tcg/ops.h.inc"
#undef DEF
};
