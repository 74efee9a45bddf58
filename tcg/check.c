/* SPDX-License-Identifier: MIT */
/*
 * The checker: every rule of docs/tcg.md about op lists. Run after the front end and after each
 * pass in debug builds. It allocates nothing and stops at the first breach, showing the list.
 */
#include <glib.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "exec/cpu.h"
#include "tcg/middle.h"
#include "tcg/tcg.h"

typedef struct Checker {
    TCGContext *s;
    const char *when;
    int at; /* index of the op being looked at */
    bool label_seen[TCG_MAX_LABELS];
    /* An EBB temp is defined when its mark is the number of the present stretch without labels. */
    uint16_t defined[TCG_MAX_TEMPS];
    uint16_t stretch;
    /* For the rule on globals and faults: op indices + 1, within one guest instruction. */
    int insn, last_fault;
    int loaded[TCG_MAX_TEMPS]; /* this global was written by a load of the instruction `insn` */
} Checker;

static G_GNUC_PRINTF(2, 3) G_NORETURN void breach(const Checker *c, const char *fmt, ...)
{
    va_list ap;

    fflush(stdout);
    fprintf(stderr, "tcg_check, %s: op %d (%s): ", c->when, c->at,
            c->s->ops[c->at].opc < TCG_OP_COUNT ? tcg_op_defs[c->s->ops[c->at].opc].name : "?");
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    if (c->s->ops[c->at].opc < TCG_OP_COUNT) {
        tcg_dump_ops(c->s, stderr, false);
    }
    abort();
}

/* ---- single fields ---- */

static void check_size(const Checker *c, const TCGOp *op, unsigned flags)
{
    static const struct {
        unsigned flag;
        uint8_t min, max;
    } ranges[] = {
        { TCG_OPF_SZ_INT, MO_32, MO_64 },
        { TCG_OPF_SZ_EL, MO_8, MO_64 },
        { TCG_OPF_SZ_FP, MO_16, MO_64 },
        { TCG_OPF_SZ_MEM, MO_8, MO_128 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(ranges); i++) {
        if (flags & ranges[i].flag && (op->sz < ranges[i].min || op->sz > ranges[i].max)) {
            breach(c, "size %d is out of range", op->sz);
        }
    }
}

/* Ops whose element has to have a neighbour of the other width, or a width of its own. */
static void check_element(const Checker *c, const TCGOp *op)
{
    switch (op->opc) {
    case TCG_OP_vsxl ... TCG_OP_vumull2:
    case TCG_OP_vfcvtl:
    case TCG_OP_vfcvtn:
        if (op->sz > MO_32) {
            breach(c, "no element is twice as wide as size %d", op->sz);
        }
        break;
    case TCG_OP_vsqdmulh:
    case TCG_OP_vsqrdmulh:
        if (op->sz != MO_16 && op->sz != MO_32) {
            breach(c, "size %d: only 16 and 32 bits exist", op->sz);
        }
        break;
    case TCG_OP_vpmull:
    case TCG_OP_vpmull2:
        if (op->sz != MO_8 && op->sz != MO_64) {
            breach(c, "size %d: only 8 and 64 bits exist", op->sz);
        }
        break;
    }
}

static void check_memop(const Checker *c, const TCGOp *op)
{
    unsigned m = op->memop;
    bool vec = op->opc == TCG_OP_ldv || op->opc == TCG_OP_stv || op->opc == TCG_OP_ldv_env ||
               op->opc == TCG_OP_stv_env;
    bool load = op->opc == TCG_OP_ld || op->opc == TCG_OP_ld_env;

    if ((m & MO_SIZE) != op->sz) {
        breach(c, "sz %d is not the memop's size %d", op->sz, m & MO_SIZE);
    }
    if (op->sz > (vec ? MO_128 : MO_64)) {
        breach(c, "memop size %d is out of range", op->sz);
    }
    if (m & MO_SIGN && !load) {
        breach(c, "only integer loads extend");
    }
    if (m & MO_SEXT32 && (!(m & MO_SIGN) || op->sz > MO_16)) {
        breach(c, "MO_SEXT32 goes with MO_SIGN and 8 or 16 bits");
    }
    if (MO_GET_SHIFT(m) > 4 || (MO_GET_SHIFT(m) && !tcg_op_has_index(op->opc))) {
        breach(c, "index shift %d", MO_GET_SHIFT(m));
    }
    if (tcg_op_has_index(op->opc) && MO_GET_SHIFT(m) && !op->arg[2]) {
        breach(c, "an index shift without an index");
    }
    if (m & MO_PAIR && op->sz != MO_64 && (op->sz != MO_128 || !vec)) {
        breach(c, "MO_PAIR is for 8 and 16 bytes");
    }
    if (m & MO_ACQUIRE && (op->opc == TCG_OP_st || op->opc == TCG_OP_stv)) {
        breach(c, "a store cannot acquire");
    }
    if (m & MO_RELEASE && (op->opc == TCG_OP_ld || op->opc == TCG_OP_ldv)) {
        breach(c, "a load cannot release");
    }
}

static void check_cond(const Checker *c, const TCGOp *op)
{
    unsigned max = tcg_op_cond_on_flags(op->opc) ? TCG_CC_LE : TCG_COND_TSTNE;

    if (op->cond > max) {
        breach(c, "condition %d does not exist", op->cond);
    }
    if (op->opc == TCG_OP_vcmp && op->cond == TCG_COND_TSTEQ) {
        breach(c, "vcmp has no TSTEQ");
    }
    if (op->opc == TCG_OP_vfcmp && op->cond != TCG_COND_EQ && op->cond != TCG_COND_GE &&
        op->cond != TCG_COND_GT) {
        breach(c, "vfcmp has EQ, GE and GT only");
    }
}

static void in_range(const Checker *c, const char *what, int64_t v, int64_t min, int64_t max)
{
    if (v < min || v > max) {
        breach(c, "%s %" PRId64 " is not in %" PRId64 "..%" PRId64, what, v, min, max);
    }
}

static void check_exit(const Checker *c, const TCGOp *op)
{
    in_range(c, "exit", op->imm, 0, c->s->nb_exits - 1);
    int kind = c->s->exits[op->imm].kind;
    bool indirect = kind == TCG_EXIT_JUMP_IND || kind == TCG_EXIT_CALL_IND ||
                    kind == TCG_EXIT_RET || kind == TCG_EXIT_MAIN_IND;
    if (kind > TCG_EXIT_MAIN_IND) {
        breach(c, "exit kind %d does not exist", kind);
    }
    if (indirect != (op->opc == TCG_OP_exit_ind)) {
        breach(c, "the exit's kind and the op do not agree on whether there is an operand");
    }
}

static void check_imm(const Checker *c, const TCGOp *op)
{
    int bits = 8 << op->sz, lanes = op->sz <= MO_64 ? 16 >> op->sz : 1;
    int pos = TCG_FIELD_POS(op->imm), len = TCG_FIELD_LEN(op->imm);

    switch (op->opc) {
    case TCG_OP_label:
    case TCG_OP_br:
    case TCG_OP_brcond:
    case TCG_OP_brcc:
        in_range(c, "label", op->imm, 0, c->s->nb_labels - 1);
        break;
    case TCG_OP_exit:
    case TCG_OP_exit_cond:
    case TCG_OP_exit_cc:
    case TCG_OP_exit_ind:
        check_exit(c, op);
        break;
    case TCG_OP_extract:
    case TCG_OP_sextract:
    case TCG_OP_deposit:
    case TCG_OP_depositz:
    case TCG_OP_sdepositz:
        in_range(c, "field length", len, 1, bits);
        in_range(c, "field end", pos + len, 1, bits);
        break;
    case TCG_OP_extr:
    case TCG_OP_vext:
        in_range(c, "shift", op->imm, 0, op->opc == TCG_OP_vext ? 15 : bits - 1);
        break;
    case TCG_OP_crc32:
        in_range(c, "polynomial", op->imm, 0, 1);
        break;
    case TCG_OP_ccmp_sub:
    case TCG_OP_ccmp_add:
        in_range(c, "flags", op->imm, 0, 15);
        break;
    case TCG_OP_ld:
    case TCG_OP_st:
    case TCG_OP_ldv:
    case TCG_OP_stv:
        in_range(c, "displacement", op->imm, INT32_MIN, INT32_MAX);
        break;
    case TCG_OP_ld_env:
    case TCG_OP_st_env:
    case TCG_OP_ldv_env:
    case TCG_OP_stv_env:
        in_range(c, "offset", op->imm, 0, (int64_t)c->s->target->cpu_size - (1 << op->sz));
        break;
    case TCG_OP_env_addr:
        in_range(c, "offset", op->imm, 0, (int64_t)c->s->target->cpu_size);
        break;
    case TCG_OP_atomic_rmw:
        in_range(c, "operation", op->imm, 0, TCG_ATOMIC_UMIN);
        break;
    case TCG_OP_mb:
        in_range(c, "fence", op->imm, 1, TCG_MB_ALL);
        break;
    case TCG_OP_v_to_i:
    case TCG_OP_vins_i:
    case TCG_OP_vdup_v:
        in_range(c, "lane", op->imm, 0, lanes - 1);
        break;
    case TCG_OP_vins_v:
        in_range(c, "lane", op->imm & 15, 0, lanes - 1);
        in_range(c, "lane", op->imm >> 4, 0, lanes - 1);
        break;
    case TCG_OP_vshli:
    case TCG_OP_vshri:
    case TCG_OP_vsari:
        in_range(c, "shift", op->imm, 0, bits);
        break;
    case TCG_OP_vrshri:
    case TCG_OP_vrsari:
        in_range(c, "shift", op->imm, 1, bits);
        break;
    case TCG_OP_vrev:
        in_range(c, "container size", op->imm, op->sz + 1, MO_64);
        break;
    case TCG_OP_fcvt:
        in_range(c, "format", op->imm, MO_16, MO_64);
        break;
    case TCG_OP_ftoi:
    case TCG_OP_vftoi:
        in_range(c, "fraction bits", TCG_FTOI_FBITS(op->imm), 0, 64);
        in_range(c, "format", op->opc == TCG_OP_ftoi ? TCG_FTOI_FMT(op->imm) : op->sz, MO_16,
                 MO_64);
        break;
    case TCG_OP_itof:
        in_range(c, "integer size", TCG_ITOF_SIZE(op->imm), MO_32, MO_64);
        in_range(c, "fraction bits", TCG_ITOF_FBITS(op->imm), 0, 64);
        break;
    case TCG_OP_fcmp:
        in_range(c, "signalling", op->imm, 0, 1);
        break;
    case TCG_OP_call:
        if (!op->imm) {
            breach(c, "no helper");
        }
        break;
    }
}

static void check_call(const Checker *c, const TCGOp *op)
{
    const TCGHelperInfo *info = (const TCGHelperInfo *)(intptr_t)op->imm;

    if (!info) {
        breach(c, "no helper");
    }
    if (op->sz > 6 || op->sz != info->nargs) {
        breach(c, "%d inputs for helper %s", op->sz, info->name);
    }
    if (op->arg[0] && !info->has_ret) {
        breach(c, "helper %s has no result", info->name);
    }
    if (info->flags & TCG_CALL_NO_SE && !(info->flags & TCG_CALL_NO_WG)) {
        breach(c, "helper %s: NO_SE without NO_WG", info->name);
    }
}

/* ---- operands ---- */

static void check_temp(const Checker *c, unsigned t, char class, bool input)
{
    char buf[32];

    if (t == TCG_NONE || t >= (unsigned)c->s->nb_temps) {
        breach(c, "temp %u does not exist", t);
    }
    if (!tcg_class_accepts(class, c->s->temps[t].type, input)) {
        breach(c, "%s is not of class %c", tcg_temp_name(c->s, t, buf), class);
    }
}

static void check_input(const Checker *c, unsigned t, char class)
{
    char buf[32];

    check_temp(c, t, class, true);
    if (c->s->temps[t].kind == TEMP_EBB && c->defined[t] != c->stretch) {
        breach(c, "%s is read before it is written%s", tcg_temp_name(c->s, t, buf),
               c->defined[t] ? " (or across a label)" : "");
    }
    if (c->s->temps[t].kind == TEMP_LOCAL && !c->defined[t]) {
        breach(c, "%s is never written before", tcg_temp_name(c->s, t, buf));
    }
    /* Only later ops of the same guest instruction: another one sees the loaded value by right. */
    if (tcg_is_global(c->s, t) && c->loaded[t] > c->insn && c->last_fault >= c->at + 1) {
        breach(c, "%s was overwritten by a load of this guest instruction, which may still fault",
               tcg_temp_name(c->s, t, buf));
    }
}

static void check_output(Checker *c, const TCGOp *op, unsigned t, char class)
{
    char buf[32];

    check_temp(c, t, class, false);
    if (tcg_is_fixed(c->s, t)) {
        breach(c, "constant %s is written", tcg_temp_name(c->s, t, buf));
    }
    c->defined[t] = c->stretch;
    if (tcg_is_global(c->s, t) && c->last_fault > c->at + 1) {
        if (op->opc != TCG_OP_ld && op->opc != TCG_OP_ldv) {
            breach(c, "%s is written before the guest instruction's last op that may fault (op %d)",
                   tcg_temp_name(c->s, t, buf), c->last_fault - 1);
        }
        c->loaded[t] = c->at + 1;
    }
}

static void check_operands(Checker *c, const TCGOp *op)
{
    const TCGOpDef *def = &tcg_op_defs[op->opc];
    TCGOperands o = tcg_op_operands(op);

    for (int i = 0; i < o.nb_in; i++) {
        unsigned t = op->arg[o.first_in + i];
        if (t == TCG_NONE && i == o.nb_in - 1 && tcg_op_has_index(op->opc)) {
            continue;
        }
        check_input(c, t, o.in ? o.in[i] : 'i');
    }
    for (int i = 0; i < o.nb_out; i++) {
        check_output(c, op, op->arg[i], op->opc == TCG_OP_call ? 'i' : def->out[i]);
        for (int j = 0; j < i; j++) {
            if (op->arg[i] == op->arg[j]) {
                breach(c, "the two outputs are the same temp");
            }
        }
    }
}

/* ---- the list ---- */

/* A new guest instruction begins: where is its last op that may fault? */
static void begin_insn(Checker *c)
{
    c->insn = c->at + 1;
    c->last_fault = 0;
    for (int i = c->at + 1; i < c->s->nb_ops && c->s->ops[i].opc != TCG_OP_insn_start; i++) {
        if (c->s->ops[i].opc < TCG_OP_COUNT && tcg_op_flags(&c->s->ops[i]) & TCG_OPF_FAULT) {
            c->last_fault = i + 1;
        }
    }
}

static void check_op(Checker *c, const TCGOp *op)
{
    if (op->opc >= TCG_OP_COUNT) {
        breach(c, "opcode %d does not exist", op->opc);
    }
    unsigned flags = tcg_op_flags(op);
    if (op->opc == TCG_OP_call) {
        check_call(c, op);
    }
    check_size(c, op, flags);
    check_element(c, op);
    if (flags & TCG_OPF_SZ_MEM) {
        check_memop(c, op);
    }
    if (flags & TCG_OPF_COND) {
        check_cond(c, op);
    }
    check_imm(c, op);
    check_operands(c, op);
    if (op->opc == TCG_OP_insn_start) {
        begin_insn(c);
    } else if (op->opc == TCG_OP_discard &&
               (!op->arg[0] || op->arg[0] >= c->s->nb_temps || tcg_is_fixed(c->s, op->arg[0]))) {
        breach(c, "temp %d cannot be discarded", op->arg[0]);
    } else if (op->opc == TCG_OP_label) {
        if (c->label_seen[op->imm]) {
            breach(c, "label %" PRId64 " is placed twice", op->imm);
        }
        c->label_seen[op->imm] = true;
        c->stretch++;
        /* The rule on globals and faults is for straight lines; inner loops restart their
         * instruction. */
        c->last_fault = 0;
    }
    int next = c->at + 1;
    while (next < c->s->nb_ops && c->s->ops[next].opc == TCG_OP_nop) {
        next++;
    }
    if (next == c->s->nb_ops && !(flags & TCG_OPF_END) && op->opc != TCG_OP_nop) {
        breach(c, "the list does not end with an op that leaves");
    }
    if (next < c->s->nb_ops && flags & TCG_OPF_END && c->s->ops[next].opc != TCG_OP_label) {
        breach(c, "nothing can reach the next op");
    }
}

void tcg_check(TCGContext *s, const char *when)
{
    Checker c = { .s = s, .when = when, .stretch = 1 };

    if (s->nb_ops == 0) {
        fprintf(stderr, "tcg_check, %s: no ops\n", when);
        abort();
    }
    for (int i = 0; i < s->nb_ops; i++) {
        c.at = i;
        check_op(&c, &s->ops[i]);
    }
    for (c.at = 0; c.at < s->nb_ops; c.at++) {
        const TCGOp *op = &s->ops[c.at];
        if (tcg_op_branches(op) && !c.label_seen[op->imm]) {
            breach(&c, "label %" PRId64 " is nowhere", op->imm);
        }
    }
}
