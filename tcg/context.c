/* SPDX-License-Identifier: MIT */
/* The context in which one block is built: temps, shared constants, labels, exits, ops. */
#include <glib.h>

#include "exec/cpu.h"
#include "tcg/backend.h"
#include "tcg/middle.h"
#include "tcg/tcg.h"

TCGContext *tcg_context_new(const TargetOps *target)
{
    /* Big arrays that are touched only as far as blocks need them. */
    TCGContext *s = g_malloc0(sizeof(*s));

    s->target = target;
    s->nb_globals = target->nb_globals;
    for (int i = 0; i < target->nb_globals; i++) {
        s->temps[TCG_GLOBAL_TEMP(i)] =
            (TCGTemp){ .kind = TEMP_GLOBAL, .type = target->globals[i].type };
    }
    s->optimizer = tcg_optimizer_new();
    tcg_context_start(s, NULL);
    return s;
}

void tcg_context_free(TCGContext *s)
{
    if (s) {
        tcg_optimizer_free(s->optimizer);
        g_free(s);
    }
}

void tcg_context_start(TCGContext *s, TranslationBlock *tb)
{
    s->tb = tb;
    s->overflow = false;
    s->nb_ops = 0;
    s->nb_temps = s->nb_globals + 1;
    s->nb_labels = 0;
    s->nb_exits = 0;
    memset(s->const_hash, 0, sizeof(s->const_hash));
}

/*
 * After an overflow everything that is made lands on the last temp, label, exit or op: the front
 * end goes on unharmed until it looks at s->overflow, and nobody uses the list.
 */
static int take(TCGContext *s, int *count, int max)
{
    if (G_UNLIKELY(*count == max)) {
        s->overflow = true;
        return max - 1;
    }
    return (*count)++;
}

static uint16_t new_temp(TCGContext *s, TCGTempKind kind, TCGType type)
{
    int i = take(s, &s->nb_temps, TCG_MAX_TEMPS);

    s->temps[i].kind = kind;
    s->temps[i].type = type;
    return i;
}

TCGv_i64 tcg_temp_i64(TCGContext *s)
{
    return (TCGv_i64){ new_temp(s, TEMP_EBB, TCG_TYPE_I64) };
}

TCGv_cc tcg_temp_cc(TCGContext *s)
{
    return (TCGv_cc){ new_temp(s, TEMP_EBB, TCG_TYPE_CC) };
}

TCGv_f64 tcg_temp_f64(TCGContext *s)
{
    return (TCGv_f64){ new_temp(s, TEMP_EBB, TCG_TYPE_F64) };
}

TCGv_vec tcg_temp_vec(TCGContext *s)
{
    return (TCGv_vec){ new_temp(s, TEMP_EBB, TCG_TYPE_V128) };
}

TCGv_i64 tcg_local_i64(TCGContext *s)
{
    return (TCGv_i64){ new_temp(s, TEMP_LOCAL, TCG_TYPE_I64) };
}

TCGv_vec tcg_local_vec(TCGContext *s)
{
    return (TCGv_vec){ new_temp(s, TEMP_LOCAL, TCG_TYPE_V128) };
}

static uint16_t intern(TCGContext *s, TCGTempKind kind, TCGType type, uint64_t val, uint64_t val2)
{
    uint64_t mix = (val ^ val2 * 31 ^ type) * 0x9e3779b97f4a7c15ull;
    uint16_t *head = &s->const_hash[mix >> 56];

    for (int i = *head; i; i = s->const_next[i]) {
        const TCGTemp *t = &s->temps[i];
        if (t->val == val && t->val2 == val2 && t->type == type && t->kind == kind) {
            return i;
        }
    }
    int i = take(s, &s->nb_temps, TCG_MAX_TEMPS);
    s->temps[i] = (TCGTemp){ kind, type, val, val2 };
    if (!s->overflow) {
        s->const_next[i] = *head;
        *head = i;
    }
    return i;
}

TCGv_i64 tcg_const(TCGContext *s, uint64_t val)
{
    return (TCGv_i64){ intern(s, TEMP_CONST, TCG_TYPE_I64, val, 0) };
}

TCGv_i64 tcg_const_pc(TCGContext *s, vaddr addr)
{
    return (TCGv_i64){ intern(s, s->pc_relative ? TEMP_PC : TEMP_CONST, TCG_TYPE_I64, addr, 0) };
}

TCGv_vec tcg_const_vec(TCGContext *s, uint64_t lo, uint64_t hi)
{
    return (TCGv_vec){ intern(s, TEMP_CONST, TCG_TYPE_V128, lo, hi) };
}

TCGv_cc tcg_const_cc(TCGContext *s, unsigned nzcv)
{
    return (TCGv_cc){ intern(s, TEMP_CONST, TCG_TYPE_CC, tcg_cc_pack(nzcv), 0) };
}

TCGOp *tcg_emit_op(TCGContext *s, TCGOpcode opc)
{
    TCGOp *op = &s->ops[take(s, &s->nb_ops, TCG_MAX_OPS)];

    *op = (TCGOp){ .opc = opc };
    return op;
}

int tcg_new_label(TCGContext *s)
{
    return take(s, &s->nb_labels, TCG_MAX_LABELS);
}

int tcg_new_exit(TCGContext *s, TCGExit exit)
{
    int i = take(s, &s->nb_exits, TCG_MAX_EXITS);

    s->exits[i] = exit;
    return i;
}
