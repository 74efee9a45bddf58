/* SPDX-License-Identifier: MIT */
/*
 * Op lists from text as tcg_dump_ops prints it. Temps come to be when they are first named: t… is
 * an EBB temp, l… a LOCAL one, and c, f or v as the second letter gives the type.
 */
#include "tcg-parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec/cpu.h"
#include "tcg/middle.h"

static const char *const cond_names[] = { "eq",  "ne",  "lt",  "ge",  "le",    "gt",
                                          "ltu", "geu", "leu", "gtu", "tsteq", "tstne" };
static const char *const cc_names[] = { "eq", "ne", "cs", "cc", "mi", "pl", "vs",
                                        "vc", "hi", "ls", "ge", "lt", "gt", "le" };
static const char *const exit_names[] = { "jump", "call", "jump_ind", "call_ind",
                                          "ret",  "main", "main_ind" };
static const char *const atomic_names[] = { "add",  "and",  "or",   "xor", "xchg",
                                            "smax", "smin", "umax", "umin" };

void tcg_parser_init(TCGParser *p, TCGContext *s)
{
    p->s = s;
    p->temps = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    p->names = g_new0(char *, TCG_MAX_TEMPS);
}

void tcg_parser_clear(TCGParser *p)
{
    g_hash_table_destroy(p->temps);
    g_free(p->names);
}

static int find(const char *const *names, int count, const char *name)
{
    for (int i = 0; i < count; i++) {
        if (!strcmp(names[i], name)) {
            return i;
        }
    }
    return -1;
}
#define FIND(names, name) find(names, G_N_ELEMENTS(names), name)

static int find_opcode(const char *name)
{
    for (int i = 0; i < TCG_OP_COUNT; i++) {
        if (!strcmp(tcg_op_defs[i].name, name)) {
            return i;
        }
    }
    return -1;
}

/* ---- operands ---- */

static int new_temp(TCGParser *p, const char *name)
{
    TCGContext *s = p->s;
    bool local = name[0] == 'l';

    if (local) {
        return name[1] == 'v' ? tcg_local_vec(s).i : tcg_local_i64(s).i;
    }
    switch (name[1]) {
    case 'c':
        return tcg_temp_cc(s).i;
    case 'f':
        return tcg_temp_f64(s).i;
    case 'v':
        return tcg_temp_vec(s).i;
    default:
        return tcg_temp_i64(s).i;
    }
}

static int parse_const(TCGParser *p, const char *name)
{
    char *end;

    if (g_str_has_prefix(name, "$cc")) {
        return tcg_const_cc(p->s, atoi(name + 3)).i;
    }
    if (name[1] == 'v') {
        uint64_t hi = strtoull(name + 2, &end, 0);
        return *end == ':' ? (int)tcg_const_vec(p->s, strtoull(end + 1, NULL, 0), hi).i : -1;
    }
    uint64_t v = strtoull(name + 1, &end, 0);
    return *end ? -1 : (int)tcg_const(p->s, v).i;
}

/* A temp's index, 0 for "_", -1 for what is no operand. */
static int parse_temp(TCGParser *p, const char *name)
{
    gpointer known;

    if (!strcmp(name, "_")) {
        return TCG_NONE;
    }
    if (name[0] == '$') {
        return parse_const(p, name);
    }
    for (int i = 0; i < p->s->nb_globals; i++) {
        if (!strcmp(p->s->target->globals[i].name, name)) {
            return TCG_GLOBAL_TEMP(i);
        }
    }
    if (name[0] != 't' && name[0] != 'l') {
        return -1;
    }
    if (g_hash_table_lookup_extended(p->temps, name, NULL, &known)) {
        return GPOINTER_TO_INT(known);
    }
    int t = new_temp(p, name);
    p->names[t] = g_strdup(name);
    g_hash_table_insert(p->temps, p->names[t], GINT_TO_POINTER(t));
    return t;
}

/* ---- suffixes: .32 .eq .s16x32 .bswap ---- */

static const char *memop_suffix(TCGOp *op, const char *word)
{
    static const struct {
        const char *name;
        unsigned bit;
    } flags[] = {
        { "bswap", MO_BSWAP }, { "acq", MO_ACQUIRE }, { "rel", MO_RELEASE }, { "pair", MO_PAIR }
    };
    int bits;

    for (unsigned i = 0; i < G_N_ELEMENTS(flags); i++) {
        if (!strcmp(flags[i].name, word)) {
            op->memop |= flags[i].bit;
            return NULL;
        }
    }
    if ((word[0] != 'u' && word[0] != 's') || (bits = atoi(word + 1)) < 8 || bits > 128) {
        return "memory access";
    }
    op->sz = __builtin_ctz(bits / 8);
    op->memop |= op->sz | (word[0] == 's' ? MO_SIGN : 0);
    op->memop |= g_str_has_suffix(word, "x32") ? MO_SEXT32 : 0;
    return NULL;
}

static const char *suffix(TCGOp *op, const char *word)
{
    unsigned flags = tcg_op_defs[op->opc].flags;
    int c;

    if (flags & TCG_OPF_SZ_MEM) {
        return memop_suffix(op, word);
    }
    if (g_ascii_isdigit(word[0])) {
        op->sz = __builtin_ctz(atoi(word) / 8);
        return NULL;
    }
    c = tcg_op_cond_on_flags(op->opc) ? FIND(cc_names, word) : FIND(cond_names, word);
    op->cond = c;
    return c < 0 ? "condition" : NULL;
}

/* ---- the line ---- */

static const char *parse_exit(TCGParser *p, TCGOp *op, char **word)
{
    TCGExit e = { 0 };
    int kind = *word ? FIND(exit_names, *word) : -1;

    if (kind < 0) {
        return "exit kind";
    }
    e.kind = kind;
    for (word++; *word; word++) {
        if (!strcmp(*word, "poll")) {
            e.poll = true;
        } else if (!strcmp(*word, "cc_dead")) {
            e.cc_dead = true;
        } else if (!strcmp(*word, "careful")) {
            e.careful = true;
        } else if (!strcmp(*word, "ret") && word[1]) {
            e.ret_pc = strtoull(*++word, NULL, 0);
        } else {
            e.pc = strtoull(*word, NULL, 0);
        }
    }
    op->imm = tcg_new_exit(p->s, e);
    return NULL;
}

static const char *parse_operands(TCGParser *p, TCGOp *op, char **word)
{
    int n = 0, t;
    bool negative = false;

    for (; *word; word++) {
        char *end;
        if (!strcmp(*word, "<<") && word[1]) {
            op->memop |= MO_SHIFT(atoi(*++word));
        } else if (!strcmp(*word, "-")) {
            negative = true;
        } else if ((*word)[0] == '#' || g_ascii_isdigit((*word)[0])) {
            op->imm = strtoll(*word + ((*word)[0] == '#'), &end, 0);
            op->imm = negative ? -op->imm : op->imm;
            if (*end == ':') {
                op->imm = TCG_FIELD(op->imm, strtoll(end + 1, NULL, 0));
            }
            if (tcg_op_defs[op->opc].flags & TCG_OPF_EXIT) {
                return parse_exit(p, op, word + 1);
            }
            if (tcg_op_branches(op) || op->opc == TCG_OP_label) {
                while (p->s->nb_labels <= op->imm) {
                    tcg_new_label(p->s);
                }
            }
        } else if (op->opc == TCG_OP_atomic_rmw && FIND(atomic_names, *word) >= 0) {
            op->imm = FIND(atomic_names, *word);
        } else if ((t = parse_temp(p, *word)) < 0 || n == TCG_MAX_ARGS) {
            return "operand";
        } else {
            op->arg[n++] = t;
        }
    }
    return NULL;
}

const char *tcg_parse_line(TCGParser *p, const char *line)
{
    g_auto(GStrv) all = g_strsplit_set(line, " \t,[]+", -1);
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    TCGOp op = { 0 };
    int opc;

    for (char **w = all; *w && (*w)[0] != ';'; w++) {
        if (**w) {
            g_ptr_array_add(words, *w);
        }
    }
    g_ptr_array_add(words, NULL);
    char **word = (char **)words->pdata;
    if (!*word) {
        return NULL;
    }
    if (!strcmp(*word, "----") && word[1]) {
        op.opc = TCG_OP_insn_start;
        op.imm = strtoull(word[1], NULL, 0);
        *tcg_emit_op(p->s, op.opc) = op;
        return NULL;
    }
    g_auto(GStrv) head = g_strsplit(*word, ".", -1);
    if ((opc = find_opcode(head[0])) < 0) {
        return "opcode";
    }
    op.opc = opc;
    for (char **w = head + 1; *w; w++) {
        const char *err = suffix(&op, *w);
        if (err) {
            return err;
        }
    }
    const char *err = parse_operands(p, &op, word + 1);
    *tcg_emit_op(p->s, op.opc) = op;
    return err;
}

/* ---- back to text ---- */

static gboolean own_name(const GMatchInfo *match, GString *out, gpointer data)
{
    TCGParser *p = data;
    g_autofree char *word = g_match_info_fetch(match, 0);
    int t = atoi(word + strcspn(word, "0123456789"));

    g_string_append(out, t < TCG_MAX_TEMPS && p->names[t] ? p->names[t] : word);
    return FALSE;
}

char *tcg_parser_dump(TCGParser *p, bool with_life)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    tcg_dump_ops(p->s, f, with_life);
    fclose(f);
    g_autoptr(GRegex) temp = g_regex_new("\\b[tl][cfv]?[0-9]+\\b", 0, 0, NULL);
    char *named = g_regex_replace_eval(temp, text, -1, 0, 0, own_name, p, NULL);
    free(text);
    return named;
}
