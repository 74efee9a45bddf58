/* SPDX-License-Identifier: MIT */
/*
 * Op lists as text, one line an op:
 *     ---- 0x400120
 *     add.64 x0, x1, $0x10
 *     ld.s32 x2, [x0 + x1 << 2 + 0x18]
 *     exit_cond.64.ne x2, $0x0, #0 jump 0x400180
 * Temps are t7 (EBB) or l7 (LOCAL), with c, f or v before the number for flags, floats and vectors.
 */
#include <inttypes.h>
#include <stdio.h>

#include "exec/cpu.h"
#include "tcg/middle.h"
#include "tcg/tcg.h"

static const char *const cond_names[] = { "eq",  "ne",  "lt",  "ge",  "le",    "gt",
                                          "ltu", "geu", "leu", "gtu", "tsteq", "tstne" };
static const char *const cc_names[] = { "eq", "ne", "cs", "cc", "mi", "pl", "vs",
                                        "vc", "hi", "ls", "ge", "lt", "gt", "le" };
static const char *const exit_names[] = { "jump", "call", "jump_ind", "call_ind",
                                          "ret",  "main", "main_ind" };
static const char *const atomic_names[] = { "add",  "and",  "or",   "xor", "xchg",
                                            "smax", "smin", "umax", "umin" };

static const char *pick(const char *const *names, size_t count, uint64_t i)
{
    return i < count ? names[i] : "?";
}
#define PICK(names, i) pick(names, sizeof(names) / sizeof(*(names)), i)

const char *tcg_temp_name(const TCGContext *s, int temp, char buf[32])
{
    static const char *const type_letter[] = { "", "c", "f", "v" };
    const TCGTemp *t = &s->temps[temp];

    if (temp == TCG_NONE) {
        return "_";
    }
    if (temp >= s->nb_temps) {
        snprintf(buf, 32, "?%d", temp);
        return buf;
    }
    if (tcg_is_global(s, temp)) {
        return s->target->globals[temp - 1].name;
    }
    if (t->kind == TEMP_PC) {
        snprintf(buf, 32, "$pc:0x%" PRIx64, t->val);
    } else if (t->kind != TEMP_CONST) {
        snprintf(buf, 32, "%c%s%d", t->kind == TEMP_LOCAL ? 'l' : 't', PICK(type_letter, t->type),
                 temp);
    } else if (t->type == TCG_TYPE_CC) {
        snprintf(buf, 32, "$cc%d", tcg_cc_unpack(t->val));
    } else if (t->type == TCG_TYPE_V128) {
        snprintf(buf, 32, "$v%d", temp); /* too long for its value; dump_temp prints that */
    } else {
        snprintf(buf, 32, "$0x%" PRIx64, t->val);
    }
    return buf;
}

static void dump_temp(const TCGContext *s, int temp, FILE *f)
{
    const TCGTemp *t = &s->temps[temp];
    char buf[32];

    if (temp != TCG_NONE && temp < s->nb_temps && t->kind == TEMP_CONST &&
        t->type == TCG_TYPE_V128) {
        fprintf(f, "$v0x%" PRIx64 ":0x%" PRIx64, t->val2, t->val);
    } else {
        fputs(tcg_temp_name(s, temp, buf), f);
    }
}

static void dump_exit(const TCGExit *e, FILE *f)
{
    fprintf(f, " %s", PICK(exit_names, e->kind));
    if (e->kind == TCG_EXIT_JUMP || e->kind == TCG_EXIT_CALL || e->kind == TCG_EXIT_MAIN) {
        fprintf(f, " 0x%" PRIx64, e->pc);
    }
    if (e->kind == TCG_EXIT_CALL || e->kind == TCG_EXIT_CALL_IND) {
        fprintf(f, " ret 0x%" PRIx64, e->ret_pc);
    }
    fprintf(f, "%s%s%s", e->poll ? " poll" : "", e->cc_dead ? " cc_dead" : "",
            e->careful ? " careful" : "");
}

static void dump_suffixes(const TCGOp *op, const TCGOpDef *def, FILE *f)
{
    if (def->flags & TCG_OPF_SZ_MEM) {
        unsigned m = op->memop;
        fprintf(f, ".%c%d%s%s%s%s%s", m & MO_SIGN ? 's' : 'u', 8 << (m & MO_SIZE),
                m & MO_SEXT32 ? "x32" : "", m & MO_BSWAP ? ".bswap" : "",
                m & MO_ACQUIRE ? ".acq" : "", m & MO_RELEASE ? ".rel" : "",
                m & MO_PAIR ? ".pair" : "");
    } else if (def->flags & (TCG_OPF_SZ_INT | TCG_OPF_SZ_EL | TCG_OPF_SZ_FP)) {
        fprintf(f, ".%d", 8 << op->sz);
    }
    if (def->flags & TCG_OPF_COND) {
        fprintf(f, ".%s",
                tcg_op_cond_on_flags(op->opc) ? PICK(cc_names, op->cond)
                                              : PICK(cond_names, op->cond));
    }
}

static void dump_imm(const TCGContext *s, const TCGOp *op, FILE *f)
{
    switch (op->opc) {
    case TCG_OP_extract:
    case TCG_OP_sextract:
    case TCG_OP_deposit:
    case TCG_OP_depositz:
    case TCG_OP_sdepositz:
        fprintf(f, "%d:%d", TCG_FIELD_POS(op->imm), TCG_FIELD_LEN(op->imm));
        break;
    case TCG_OP_atomic_rmw:
        fprintf(f, "%s", PICK(atomic_names, (uint64_t)op->imm));
        break;
    case TCG_OP_call:
        fprintf(f, "%s", ((const TCGHelperInfo *)(intptr_t)op->imm)->name);
        break;
    default:
        fprintf(f, "#%" PRId64, op->imm);
    }
    if (tcg_op_flags(op) & TCG_OPF_EXIT && op->imm >= 0 && op->imm < s->nb_exits) {
        dump_exit(&s->exits[op->imm], f);
    }
}

static void dump_address(const TCGContext *s, const TCGOp *op, int base, FILE *f)
{
    fputc('[', f);
    dump_temp(s, op->arg[base], f);
    if (op->arg[base + 1]) {
        fputs(" + ", f);
        dump_temp(s, op->arg[base + 1], f);
        if (MO_GET_SHIFT(op->memop)) {
            fprintf(f, " << %d", MO_GET_SHIFT(op->memop));
        }
    }
    if (op->imm) {
        fprintf(f, " %c 0x%" PRIx64, op->imm < 0 ? '-' : '+',
                op->imm < 0 ? -(uint64_t)op->imm : (uint64_t)op->imm);
    }
    fputc(']', f);
}

static void dump_life(const TCGContext *s, const TCGOp *op, const TCGOperands *o, FILE *f)
{
    char buf[32];
    int nb_out = op->opc == TCG_OP_call ? 1 : o->nb_out;
    const char *sep = "  ; ";

    for (int i = 0; i < o->first_in + o->nb_in; i++) {
        if (op->life >> i & 1) {
            fprintf(f, "%s%s%s", sep, i < nb_out ? "dead " : "last ",
                    tcg_temp_name(s, op->arg[i], buf));
            sep = ", ";
        }
    }
}

static void dump_operands(const TCGContext *s, const TCGOp *op, const TCGOperands *o, FILE *f)
{
    const char *sep = " ";
    bool mem = tcg_op_has_index(op->opc);
    int end = mem ? 1 : o->first_in + o->nb_in;

    if (op->opc == TCG_OP_discard) {
        end = 1;
    }
    for (int i = op->opc == TCG_OP_call && !o->nb_out; i < end; i++, sep = ", ") {
        fputs(sep, f);
        dump_temp(s, op->arg[i], f);
    }
    if (mem) {
        fputs(sep, f);
        dump_address(s, op, 1, f);
    } else if (tcg_op_flags(op) & TCG_OPF_IMM) {
        fputs(sep, f);
        dump_imm(s, op, f);
    }
}

static void dump_op(const TCGContext *s, const TCGOp *op, bool with_life, FILE *f)
{
    TCGOperands o = tcg_op_operands(op);

    if (op->opc == TCG_OP_insn_start) {
        fprintf(f, "---- 0x%" PRIx64 "\n", (uint64_t)op->imm);
        return;
    }
    fputs(tcg_op_defs[op->opc].name, f);
    dump_suffixes(op, &tcg_op_defs[op->opc], f);
    dump_operands(s, op, &o, f);
    if (with_life) {
        dump_life(s, op, &o, f);
    }
    fputc('\n', f);
}

void tcg_dump_ops(const TCGContext *s, void *file, bool with_life)
{
    for (int i = 0; i < s->nb_ops; i++) {
        if (s->ops[i].opc != TCG_OP_nop) {
            dump_op(s, &s->ops[i], with_life, file);
        }
    }
}
