/* SPDX-License-Identifier: MIT */
/*
 * Liveness: one backward pass over the op list. It
 *   - removes ops whose results nobody reads and that have no effect and cannot fault,
 *   - turns flag-setting ops whose flags are dead into plain ones,
 *   - lets an op write directly what a `mov` behind it would copy its result to,
 *   - sets life in every op that is left.
 *
 * A global is live wherever the state may be looked at: at exits, at labels and branches, at calls
 * that may read or write globals, and at ops that may fault. Two exceptions are the flags': not at
 * exits that say cc_dead, and not at floating ops, whose traps the guest does not see.
 */
#include <string.h>

#include "exec/cpu.h"
#include "tcg/middle.h"
#include "tcg/tcg.h"

enum { WORDS = TCG_MAX_TEMPS / 64 };

typedef struct Liveness {
    TCGContext *s;
    unsigned cc;            /* the flags' temp, or 0 */
    int words, state_words; /* of the bitmaps that are in use; of those that hold globals */
    uint64_t live[WORDS];
    uint64_t state[WORDS]; /* all globals but the flags */
    uint64_t locals[WORDS];
    TCGOp *move; /* see note_move; NULL: none */
} Liveness;

static inline bool is_live(const Liveness *l, unsigned t)
{
    return l->live[t / 64] >> (t % 64) & 1;
}

static inline void set_live(Liveness *l, unsigned t)
{
    l->live[t / 64] |= 1ull << (t % 64);
}

static inline void set_dead(Liveness *l, unsigned t)
{
    l->live[t / 64] &= ~(1ull << (t % 64));
}

static void add_state(Liveness *l, bool with_cc)
{
    for (int i = 0; i < l->state_words; i++) {
        l->live[i] |= l->state[i];
    }
    if (with_cc && l->cc) {
        set_live(l, l->cc);
    }
}

static void add_locals(Liveness *l)
{
    for (int i = 0; i < l->words; i++) {
        l->live[i] |= l->locals[i];
    }
}

static void clear(Liveness *l)
{
    memset(l->live, 0, l->words * sizeof(*l->live));
}

static void start(Liveness *l, TCGContext *s)
{
    l->s = s;
    l->move = NULL;
    l->cc = s->target->cc_global + 1;
    l->words = (s->nb_temps + 63) / 64;
    l->state_words = (s->nb_globals + 1 + 63) / 64;
    for (int i = 0; i < l->state_words; i++) {
        l->state[i] = ~0ull;
    }
    l->state[0] &= ~1ull; /* temp 0 is none */
    l->state[l->state_words - 1] &= tcg_mask(s->nb_globals % 64 + 1);
    l->state[l->cc / 64] &= ~(1ull << (l->cc % 64));
    memset(l->locals, 0, l->words * sizeof(*l->locals));
    if (s->nb_labels) {
        for (int t = s->nb_globals + 1; t < s->nb_temps; t++) {
            if (s->temps[t].kind == TEMP_LOCAL) {
                l->locals[t / 64] |= 1ull << (t % 64);
            }
        }
    }
    clear(l);
}

static void remove_op(TCGOp *op)
{
    *op = (TCGOp){ .opc = TCG_OP_nop };
}

/* The op without flags that computes the same, when op's are dead. */
static void drop_flags(const Liveness *l, TCGOp *op)
{
    static const struct {
        uint16_t with, without;
    } pairs[] = {
        { TCG_OP_add_cc, TCG_OP_add }, { TCG_OP_sub_cc, TCG_OP_sub }, { TCG_OP_adc_cc, TCG_OP_adc },
        { TCG_OP_sbc_cc, TCG_OP_sbc }, { TCG_OP_and_cc, TCG_OP_and },
    };

    if (op->opc < TCG_OP_add_cc || op->opc > TCG_OP_and_cc || is_live(l, op->arg[1])) {
        return;
    }
    for (unsigned i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        if (pairs[i].with == op->opc) {
            op->opc = pairs[i].without;
            memmove(&op->arg[1], &op->arg[2], 3 * sizeof(op->arg[0]));
            op->arg[4] = TCG_NONE;
            return;
        }
    }
}

/*
 * `op t; mov d, t` with t dead behind it becomes `op d`. The move is pending while only ops that
 * have been removed lie between. It is sound even when op may fault: nothing is there to see d.
 */
static void note_move(Liveness *l, TCGOp *mov)
{
    unsigned d = mov->arg[0], t = mov->arg[1];

    if (mov->life & 2 && !tcg_is_global(l->s, t) && l->s->temps[t].type == l->s->temps[d].type) {
        l->move = mov;
    }
}

static void absorb_move(Liveness *l, TCGOp *op, int nb_out)
{
    unsigned d = l->move->arg[0], t = l->move->arg[1];

    for (int i = 0; i < nb_out; i++) {
        if (op->arg[i] == t && (nb_out < 2 || op->arg[!i] != d)) {
            op->arg[i] = d;
            set_dead(l, t);
            set_live(l, d);
            remove_op(l->move);
        }
    }
}

/* Globals and locals that are looked at when op is reached. Called before its inputs are set live.
 */
static void effects(Liveness *l, const TCGOp *op, unsigned flags)
{
    if (flags & TCG_OPF_EXIT) {
        bool cc_dead = l->s->exits[op->imm].cc_dead;
        if (flags & TCG_OPF_END) {
            clear(l);
        }
        add_state(l, !cc_dead);
    } else if (flags & TCG_OPF_FAULT) {
        add_state(l, flags & TCG_OPF_SZ_MEM);
    } else if (op->opc == TCG_OP_call) {
        unsigned f = ((const TCGHelperInfo *)(intptr_t)op->imm)->flags;
        if (!(f & TCG_CALL_NO_RG) || !(f & (TCG_CALL_NO_WG | TCG_CALL_NO_SE))) {
            add_state(l, true);
        }
    } else if (op->opc == TCG_OP_label || op->opc == TCG_OP_br) {
        clear(l);
        add_state(l, true);
        add_locals(l);
    } else if (tcg_op_branches(op)) {
        add_state(l, true);
        add_locals(l);
    } else if (op->opc == TCG_OP_discard) {
        set_dead(l, op->arg[0]);
    }
}

static bool may_remove(const TCGOp *op, unsigned flags)
{
    if (op->opc == TCG_OP_call) {
        return ((const TCGHelperInfo *)(intptr_t)op->imm)->flags & TCG_CALL_NO_SE;
    }
    return !(flags & (TCG_OPF_FX | TCG_OPF_FAULT)) && op->opc != TCG_OP_discard;
}

/* An input ends here if nothing behind the op reads it; who leaves at the op has it still. */
static void note_deaths(const Liveness *l, TCGOp *op, const TCGOperands *o)
{
    for (int i = o->first_in; i < o->first_in + o->nb_in; i++) {
        unsigned t = op->arg[i];
        if (t && !is_live(l, t) && !tcg_is_fixed(l->s, t)) {
            op->life |= 1u << i;
        }
    }
}

static void visit(Liveness *l, TCGOp *op)
{
    unsigned flags = tcg_op_flags(op);
    TCGOperands o = tcg_op_operands(op);
    int dead = 0;

    if (l->move) {
        absorb_move(l, op, o.nb_out);
    }
    op->life = 0;
    for (int i = 0; i < o.nb_out; i++) {
        if (!is_live(l, op->arg[i])) {
            op->life |= 1u << i;
            dead++;
        }
    }
    if (dead == o.nb_out && may_remove(op, flags)) {
        remove_op(op);
        return;
    }
    l->move = NULL;
    for (int i = 0; i < o.nb_out; i++) {
        set_dead(l, op->arg[i]);
    }
    note_deaths(l, op, &o);
    effects(l, op, flags);
    for (int i = o.first_in; i < o.first_in + o.nb_in; i++) {
        set_live(l, op->arg[i]);
    }
    if (tcg_op_is_move(op)) {
        note_move(l, op);
    }
}

void tcg_liveness(TCGContext *s)
{
    Liveness l;

    start(&l, s);
    for (int i = s->nb_ops; i-- > 0;) {
        TCGOp *op = &s->ops[i];
        if (op->opc != TCG_OP_nop) {
            drop_flags(&l, op);
            visit(&l, op);
        }
    }
}
