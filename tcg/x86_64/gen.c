/* SPDX-License-Identifier: MIT */
/*
 * tcg_gen_code: a backward pass over the ops for next uses, then one forward pass that allocates
 * and emits; behind the block its out-of-line code and constants.
 */
#include "tcg/x86_64/asm.h"

X86OpRule x86_rules[TCG_OP_COUNT];

/* ---- code pointer, jumps, constants ---- */

uint8_t *x86_jump_later(X86Gen *g, int cc)
{
    if (cc < 0) {
        x86_put8(g, 0xe9);
    } else {
        x86_put8(g, 0x0f);
        x86_put8(g, 0x80 | cc);
    }
    x86_put32(g, 0);
    return g->p - 4;
}

void x86_patch_rel32(uint8_t *field, const uint8_t *to)
{
    int32_t rel = (int32_t)(to - (field + 4));

    memcpy(field, &rel, 4);
}

X86Ool *x86_new_ool(X86Gen *g, X86OolFn *fn, uint8_t *from)
{
    X86Ool *ool = &g->ool[g->nb_ool];

    if (g->nb_ool == X86_MAX_OOL - 1) {
        g->error = TCG_GEN_TOO_LARGE;
    } else {
        g->nb_ool++;
    }
    *ool = (X86Ool){ .fn = fn };
    if (from) {
        ool->from[ool->nb_from++] = from;
    }
    return ool;
}

static void add_fixup(X86Gen *g, uint8_t *at, int target)
{
    if (g->nb_fixups == G_N_ELEMENTS(g->fixups)) {
        g->error = TCG_GEN_TOO_LARGE;
        return;
    }
    g->fixups[g->nb_fixups].at = at;
    g->fixups[g->nb_fixups++].target = target;
}

int x86_new_local(X86Gen *g)
{
    int n = g->nb_locals;

    if (n == X86_MAX_LOCALS - 1) {
        g->error = TCG_GEN_TOO_LARGE;
        return n;
    }
    g->local_at[g->nb_locals++] = NULL;
    return n;
}

void x86_jcc_local(X86Gen *g, unsigned x86_cc, int local)
{
    add_fixup(g, x86_jump_later(g, (int)x86_cc), TCG_MAX_LABELS + local);
}

void x86_jmp_local(X86Gen *g, int local)
{
    add_fixup(g, x86_jump_later(g, -1), TCG_MAX_LABELS + local);
}

void x86_bind_local(X86Gen *g, int local)
{
    g->local_at[local] = g->p;
}

void x86_jcc_label(X86Gen *g, int cc, int label)
{
    add_fixup(g, x86_jump_later(g, cc), label);
}

int x86_const128(X86Gen *g, uint64_t lo, uint64_t hi)
{
    int n;

    for (n = 0; n < g->nb_consts; n++) {
        if (g->consts[n].lo == lo && g->consts[n].hi == hi) {
            return n;
        }
    }
    if (n == X86_MAX_CONSTS) {
        g->error = TCG_GEN_TOO_LARGE;
        return 0;
    }
    g->consts[n].lo = lo;
    g->consts[n].hi = hi;
    g->nb_consts++;
    return n;
}

void x86_put_const_disp(X86Gen *g, int id, int trailing)
{
    if (g->nb_const_refs == G_N_ELEMENTS(g->const_refs)) {
        g->error = TCG_GEN_TOO_LARGE;
        g->nb_const_refs--;
    }
    g->const_refs[g->nb_const_refs].at = g->p;
    g->const_refs[g->nb_const_refs++].id = id;
    x86_put32(g, (uint32_t)-trailing);
}

static void emit_consts(X86Gen *g)
{
    uint8_t *base, *end_of_code = g->p;

    if (!g->nb_consts) {
        return;
    }
    while ((uintptr_t)x86_rx(g, g->p) & 15) {
        x86_put8(g, 0xcc);
    }
    base = g->p;
    for (int i = 0; i < g->nb_consts; i++) {
        if (g->p + 16 > g->limit + X86_OP_ROOM / 2) {
            g->error = TCG_GEN_BUFFER_FULL;
            return;
        }
        x86_put64(g, g->consts[i].lo);
        x86_put64(g, g->consts[i].hi);
    }
    g->tb->consts_size = (uint32_t)(g->p - end_of_code);
    for (int i = 0; i < g->nb_const_refs; i++) {
        uint8_t *at = g->const_refs[i].at;
        int32_t trailing;

        memcpy(&trailing, at, 4);
        x86_patch_rel32(at, base + 16 * g->const_refs[i].id + trailing);
    }
}

/* ---- the backward pass ---- */

static int nb_args(const TCGOp *op, int *nb_out)
{
    const TCGOpDef *d = &tcg_op_defs[op->opc];

    if (op->opc == TCG_OP_call) {
        *nb_out = 1;
        return 1 + op->sz;
    }
    *nb_out = d->nb_out;
    return d->nb_out + d->nb_in;
}

static void forget_uses(X86Gen *g, uint8_t *written)
{
    for (int t = 0; t < g->s->nb_temps; t++) {
        g->t[t].next = X86_NEXT_NONE;
    }
    memset(written, 0, (size_t)g->s->nb_globals + 1);
}

static void find_next_uses(X86Gen *g)
{
    TCGContext *s = g->s;
    uint8_t written[TCG_MAX_TEMPS]; /* global is written later, before it must be in memory */

    g->nb_slots_max = 0;
    forget_uses(g, written);
    for (int i = s->nb_ops - 1; i >= 0; i--) {
        const TCGOp *op = &s->ops[i];
        uint16_t *next = g->next[i];
        int nb_out, nb = nb_args(op, &nb_out);
        unsigned redef = 0;

        switch (op->opc) {
        case TCG_OP_nop:
        case TCG_OP_insn_start:
        case TCG_OP_discard:
            continue;
        case TCG_OP_label:
        case TCG_OP_br:
            forget_uses(g, written);
            continue;
        case TCG_OP_call:
            memset(written, 0, (size_t)s->nb_globals + 1);
            break;
        case TCG_OP_brcond:
        case TCG_OP_brcc:
            memset(written, 0, (size_t)s->nb_globals + 1);
            break;
        default:
            break;
        }
        if (tcg_op_defs[op->opc].flags & TCG_OPF_EXIT) {
            unsigned kind = s->exits[op->imm].kind;

            g->nb_slots_max +=
                kind == TCG_EXIT_CALL ? 2 : kind == TCG_EXIT_JUMP || kind == TCG_EXIT_CALL_IND;
        }
        for (int n = 0; n < nb_out; n++) {
            int temp = op->arg[n];

            next[n] = g->t[temp].next;
            if (temp <= s->nb_globals) {
                redef |= (unsigned)written[temp] << n;
                written[temp] = 1;
            }
            g->t[temp].next = X86_NEXT_NONE;
        }
        for (int n = nb_out; n < nb; n++) {
            next[n] = g->t[op->arg[n]].next;
        }
        for (int n = nb_out; n < nb; n++) {
            g->t[op->arg[n]].next = (uint16_t)i;
        }
        g->redef[i] = (uint8_t)redef;
    }
}

/* ---- ops with code of their own here ---- */

/* Moves cost nothing when the source dies in a register, and need none when nobody reads the copy
 * here. */
static void gen_mov(X86Gen *g, const TCGOp *op)
{
    int d = op->arg[0], a = op->arg[1];
    const X86Temp *td = &g->t[d], *ta = &g->t[a];
    const TCGTemp *tt = x86_temp(g, a);
    bool pinned = td->reg != X86_NO_REG && !(x86_layout.alloc & X86_MASK(td->reg));
    bool whole = op->opc != TCG_OP_mov || op->sz == MO_64;
    uint64_t val = op->sz == MO_64 ? tt->val : (uint32_t)tt->val;

    if (d == a && whole) { /* not even the end of the old value */
        g->t[a].next = g->next[g->index][0];
        return;
    }
    if (whole && !pinned && tt->kind != TEMP_CONST && x86_arg_dies(op, 1) &&
        ta->reg != X86_NO_REG && (x86_layout.alloc & X86_MASK(ta->reg))) {
        int reg = ta->reg;

        x86_inputs_done(g, op, 1, 1);
        x86_output(g, op, 0, reg);
        return;
    }
    if (!pinned && d <= g->s->nb_globals && !(g->redef[g->index] & 1) && op->opc == TCG_OP_mov &&
        g->next[g->index][0] == X86_NEXT_NONE && !x86_arg_dies(op, 0)) {
        bool imm = tt->kind == TEMP_CONST && (int64_t)val == (int32_t)val;

        if (imm || (whole && ta->reg != X86_NO_REG)) {
            int32_t disp = td->disp;

            if (imm) {
                x86_mov_mi(g, MO_64, 0, x86_env(disp), (int32_t)val);
            } else {
                x86_store(g, ta->reg, tt->type, disp);
            }
            x86_inputs_done(g, op, 1, 1);
            x86_temp_dead(g, d);
            return;
        }
    }
    x86_gen_rule(g, op);
    if (pinned && op->opc == TCG_OP_mov && (tt->kind == TEMP_CONST || tt->kind == TEMP_PC)) {
        g->movi_reg = td->reg;
        g->movi_val = val;
        g->movi_pc = tt->kind == TEMP_PC && whole;
    }
}

static void gen_label(X86Gen *g, const TCGOp *op)
{
    x86_sync_all(g, true);
    g->label_at[op->imm] = g->p;
}

static void gen_br(X86Gen *g, const TCGOp *op)
{
    x86_sync_all(g, false);
    x86_jcc_label(g, -1, (int)op->imm);
}

static void gen_brcond(X86Gen *g, const TCGOp *op)
{
    X86Operand o[2];
    int cc;

    x86_sync_all(g, false);
    x86_flags_clobber_by(g, op);
    x86_compare_operands(g, op, 0, o);
    cc = x86_emit_compare(g, op->sz, (TCGCond)op->cond, &o[0], &o[1]);
    x86_jcc_label(g, cc, (int)op->imm);
    x86_inputs_done(g, op, 0, 2);
    g->flags_temp = TCG_NONE;
    g->locked = 0;
}

static void gen_brcc(X86Gen *g, const TCGOp *op)
{
    X86Cond c;

    x86_sync_all(g, false);
    c = x86_flags_test(g, op->arg[0], (TCGCC)op->cond);
    if (c.second >= 0 && c.both) {
        uint8_t *skip = x86_jcc8(g, c.second ^ 1);

        x86_jcc_label(g, c.cc, (int)op->imm);
        x86_bind8(g, skip);
    } else {
        x86_jcc_label(g, c.cc, (int)op->imm);
        if (c.second >= 0) {
            x86_jcc_label(g, c.second, (int)op->imm);
        }
    }
    x86_inputs_done(g, op, 0, 1);
    if (g->flags_temp == X86_FLAGS_BUSY) {
        g->flags_temp = TCG_NONE;
    }
}

static void gen_ccmov(X86Gen *g, const TCGOp *op)
{
    int reg;

    if (op->arg[0] == op->arg[1]) {
        return;
    }
    if (g->flags_temp == op->arg[1] && x86_arg_dies(op, 1)) { /* EFLAGS change their name */
        X86FlagsForm form = g->flags_form;

        x86_inputs_done(g, op, 1, 1);
        x86_flags_set(g, form);
        x86_flags_output(g, op, 0);
        return;
    }
    if (g->flags_temp == op->arg[0]) {
        g->flags_temp = TCG_NONE;
    }
    if (g->flags_temp == op->arg[1]) {
        x86_flags_pack(g);
    }
    reg = x86_reg_alloc(g, X86_INT_MASK, 0);
    x86_temp_copy(g, op->arg[1], reg);
    x86_inputs_done(g, op, 1, 1);
    x86_output(g, op, 0, reg);
}

static void gen_discard(X86Gen *g, const TCGOp *op)
{
    x86_temp_dead(g, op->arg[0]);
}

static void gen_nop(X86Gen *g, const TCGOp *op)
{
    (void)g;
    (void)op;
}

static void gen_insn_start(X86Gen *g, const TCGOp *op)
{
    g->pc = (vaddr)op->imm;
}

typedef void GenFn(X86Gen *g, const TCGOp *op);

static GenFn *const special[TCG_OP_COUNT] = {
    [TCG_OP_nop] = gen_nop,
    [TCG_OP_insn_start] = gen_insn_start,
    [TCG_OP_discard] = gen_discard,
    [TCG_OP_label] = gen_label,
    [TCG_OP_br] = gen_br,
    [TCG_OP_brcond] = gen_brcond,
    [TCG_OP_brcc] = gen_brcc,
    [TCG_OP_call] = x86_gen_call,
    [TCG_OP_mul] = x86_gen_mul,
    [TCG_OP_shl] = x86_gen_shl,
    [TCG_OP_mov] = gen_mov,
    [TCG_OP_vmov] = gen_mov,
    [TCG_OP_fmov] = gen_mov,
    [TCG_OP_ccmov] = gen_ccmov,
    [TCG_OP_ccmp_sub] = x86_gen_ccmp,
    [TCG_OP_ccmp_add] = x86_gen_ccmp,
    [TCG_OP_ccsel] = x86_gen_ccsel,
    [TCG_OP_exit] = x86_gen_exit,
    [TCG_OP_exit_cond] = x86_gen_exit_cond,
    [TCG_OP_exit_cc] = x86_gen_exit_cond,
    [TCG_OP_exit_ind] = x86_gen_exit_ind,
    [TCG_OP_atomic_cas128] = x86_gen_cas128,
    [TCG_OP_atomic_rmw] = x86_gen_atomic_rmw,
    [TCG_OP_mb] = x86_gen_mb,
};

/* Whether the host has code for the op with this size and these immediates in this kind of block.
 */
static bool has_rule(const X86Gen *g, const TCGOp *op)
{
    if (!x86_rules[op->opc].emit) {
        return false;
    }
    if (x86_is_fp_op(op)) {
        return x86_fp_rule_applies(op) &&
               !(g->s->fp_soft && (tcg_op_defs[op->opc].flags & TCG_OPF_FAULT));
    }
    return x86_vec_rule_applies(op) && !(op->opc == TCG_OP_crc32 && op->imm == 0);
}

/*
 * A scalar floating op whose result goes to a vector register with zeros above it: many forms give
 * the zeros for nothing. Returns the vzext's index, or 0.
 */
static int zero_extended_by(const X86Gen *g, const TCGOp *op)
{
    int i = g->index + 1;

    if (!x86_fp_zeroes_above(g, op) || !has_rule(g, op)) {
        return 0;
    }
    while (i < g->s->nb_ops && g->s->ops[i].opc == TCG_OP_nop) {
        i++;
    }
    const TCGOp *z = &g->s->ops[i];
    bool same = i < g->s->nb_ops && z->opc == TCG_OP_vzext && z->arg[1] == op->arg[0] &&
                x86_arg_dies(z, 1) && (z->sz == op->sz || op->opc == TCG_OP_fsel) && z->sz >= MO_32;
    return same ? i : 0;
}

/* A load of one element into all lanes. */
static int broadcast_by(const X86Gen *g, const TCGOp *op)
{
    int i = g->index + 1;

    if (op->opc != TCG_OP_ldv || !x86_has(X86_AVX2) || op->memop & MO_BSWAP ||
        (op->memop & MO_SIZE) > MO_64 || i >= g->s->nb_ops) {
        return 0;
    }
    const TCGOp *z = &g->s->ops[i];
    bool pair = z->opc == TCG_OP_vdup_v && z->imm == 0 && z->sz == (op->memop & MO_SIZE) &&
                z->arg[1] == op->arg[0] && x86_arg_dies(z, 1);
    return pair ? i : 0;
}

/*
 * Pairs of guest instructions of which the host makes one: AESE and AESMC, AESD and AESIMC, RBIT
 * and CLZ. Neither can fault, and nobody else sees what is between them. Returns the second's
 * index.
 */
static int paired_with(const X86Gen *g, const TCGOp *op)
{
    static const uint8_t second[TCG_OP_COUNT] = {
        [TCG_OP_aese] = TCG_OP_aesmc,
        [TCG_OP_aesd] = TCG_OP_aesimc,
        [TCG_OP_rbit] = TCG_OP_clz,
    };
    int i = g->index + 1;

    if (!second[op->opc] || !has_rule(g, op)) {
        return 0;
    }
    while (i < g->s->nb_ops &&
           (g->s->ops[i].opc == TCG_OP_nop || g->s->ops[i].opc == TCG_OP_insn_start)) {
        i++;
    }
    const TCGOp *z = &g->s->ops[i];
    bool pair = i < g->s->nb_ops && z->opc == second[op->opc] && z->sz == op->sz &&
                z->arg[1] == op->arg[0] && (z->arg[0] == op->arg[0] || x86_arg_dies(z, 1));
    return pair ? i : 0;
}

static void gen_fused(X86Gen *g, const TCGOp *op, int last)
{
    const TCGOp *end = &g->s->ops[last];
    TCGOp fused = *op;

    if (op->opc == TCG_OP_rbit) { /* leading zeros of the reversed: trailing zeros */
        fused.opc = TCG_OP_ctz;
    }
    fused.arg[0] = end->arg[0];
    fused.life = (uint16_t)((op->life & ~1u) | (end->life & 1));
    g->next[g->index][0] = g->next[last][0];
    g->redef[g->index] = g->redef[last];
    x86_gen_rule(g, &fused);
    for (int i = g->index; i < last; i++) {
        if (g->s->ops[i].opc == TCG_OP_insn_start) {
            g->pc = (vaddr)g->s->ops[i].imm;
        }
    }
    g->index = last;
}

static bool gen_pair(X86Gen *g, const TCGOp *op)
{
    int last = 0;

    if (x86_config.no_peepholes) {
        return false;
    }
    if ((last = zero_extended_by(g, op))) {
        g->zero_above = 1 + g->s->ops[last].sz;
        gen_fused(g, op, last);
        g->zero_above = 0;
    } else if ((last = broadcast_by(g, op))) {
        g->broadcast = true;
        gen_fused(g, op, last);
        g->broadcast = false;
    } else if ((last = paired_with(g, op))) {
        g->mix = op->opc != TCG_OP_rbit;
        gen_fused(g, op, last);
        g->mix = false;
    }
    return last != 0;
}

static void gen_op(X86Gen *g, const TCGOp *op)
{
    if (gen_pair(g, op)) {
        return;
    }
    if (special[op->opc]) {
        special[op->opc](g, op);
    } else if (has_rule(g, op)) {
        x86_gen_rule(g, op);
    } else {
        x86_gen_eval(g, op);
    }
}

/* ---- the block ---- */

static void start(X86Gen *g, TCGContext *s, TranslationBlock *tb)
{
    TCGCodeRegion *region = s->code;

    while ((uintptr_t)(region->ptr + region->rx_delta) & 15 && region->ptr < region->end) {
        *region->ptr++ = 0xcc;
    }
    g->p = g->start = region->ptr;
    g->limit = region->end - X86_OP_ROOM;
    g->rx_delta = region->rx_delta;
    g->s = s;
    g->tb = tb;
    g->error = 0;
    g->zero_above = 0;
    g->trap_next = g->mix = g->broadcast = false;
    g->pc = tb->pc;
    g->nb_ool = g->nb_locals = g->nb_fixups = g->nb_consts = g->nb_const_refs = 0;
    g->nb_slots = g->nb_dirty_pool = g->nb_o_pool = 0;
    if (x86_config.softmmu) {
        x86_softmmu_pairs(s);
    }
    find_next_uses(g);
    x86_alloc_start(g);
    x86_side_start(g);
    x86_moves_start(g);
    g->tb_slots = g->nb_slots_max ? tb_alloc(s, (size_t)g->nb_slots_max * sizeof(TBSlot)) : NULL;
}

static void resolve_fixups(X86Gen *g)
{
    for (int i = 0; i < g->nb_fixups; i++) {
        int target = g->fixups[i].target;

        x86_patch_rel32(g->fixups[i].at, target >= TCG_MAX_LABELS
                                             ? g->local_at[target - TCG_MAX_LABELS]
                                             : g->label_at[target]);
    }
}

static void finish(X86Gen *g)
{
    TranslationBlock *tb = g->tb;

    x86_moves_trim(g);
    tb->tc = x86_rx(g, g->start);
    tb->tc_size = (uint32_t)(g->p - g->start);
    tb->side_size = (uint32_t)g->side_len;
    tb->side_table = tb_alloc(g->s, (size_t)g->side_len + 1);
    memcpy(tb->side_table, g->side, (size_t)g->side_len);
    tb->slots = g->tb_slots;
    tb->nb_slots = (uint16_t)g->nb_slots;
    if (g->nb_slots) {
        memcpy(tb->slots, g->slots, (size_t)g->nb_slots * sizeof(TBSlot));
    }
    x86_moves_finish(g);
    g->s->code->ptr = g->p;
}

int tcg_gen_code(TCGContext *s, TranslationBlock *tb)
{
    X86Gen *g = s->backend;

    start(g, s, tb);
    for (g->index = 0; g->index < s->nb_ops; g->index++) {
        if (g->p > g->limit) {
            return TCG_GEN_BUFFER_FULL;
        }
        gen_op(g, &s->ops[g->index]);
        if (g->error) {
            return g->error;
        }
    }
    for (int i = 0; i < g->nb_ool; i++) {
        X86Ool *ool = &g->ool[i];

        if (g->p > g->limit) {
            return TCG_GEN_BUFFER_FULL;
        }
        for (int n = 0; n < ool->nb_from; n++) {
            x86_patch_rel32(ool->from[n], g->p);
        }
        ool->fn(g, ool);
    }
    emit_consts(g);
    if (g->error) {
        return g->error;
    }
    resolve_fixups(g);
    finish(g);
    return TCG_GEN_OK;
}

void *tcg_backend_context_new(TCGContext *s)
{
    s->scalars_extend = x86_has(X86_AVX512);
    return g_malloc(sizeof(X86Gen));
}

void tcg_backend_context_free(void *backend)
{
    g_free(backend);
}
