/* SPDX-License-Identifier: MIT */
/*
 * The register allocator: one forward pass together with the emitters. It knows for each temp where
 * its value is and which op uses it next (gen.c's backward pass), and evicts what is needed last.
 * A global without a register of its own is written through to its field unless the block writes it
 * again before anybody can look there.
 */
#include "tcg/x86_64/asm.h"

static X86RegMask class_mask(int type)
{
    return type == TCG_TYPE_I64 || type == TCG_TYPE_CC ? X86_INT_MASK : X86_VEC_MASK;
}

static bool is_global(const X86Gen *g, int temp)
{
    return temp <= g->s->nb_globals;
}

/* It can be made again at any time. */
static bool is_const(X86Gen *g, int temp)
{
    return x86_temp(g, temp)->kind == TEMP_CONST || x86_temp(g, temp)->kind == TEMP_PC;
}

void x86_alloc_start(X86Gen *g)
{
    int n = x86_layout.nb_globals + 1;

    g->free = x86_layout.alloc;
    g->locked = 0;
    g->spills = (UINT64_C(1) << X86_NB_SPILLS) - 1;
    g->flags_temp = TCG_NONE;
    g->flags_new = -1;
    g->movi_reg = -1;
    memcpy(g->holder, x86_layout.pinned, sizeof(g->holder));
    memcpy(g->t, x86_layout.globals, (size_t)n * sizeof(g->t[0]));
    for (int i = n; i < g->s->nb_temps; i++) {
        g->t[i] = (X86Temp){ .reg = X86_NO_REG,
                             .in_mem = g->s->temps[i].kind != TEMP_EBB,
                             .next = X86_NEXT_NONE,
                             .disp = X86_NO_DISP };
    }
}

/* ---- moving values ---- */

void x86_load(X86Gen *g, int reg, int type, int32_t disp)
{
    if (reg >= X86_VREG0) {
        x86_vload(g, 0, reg - X86_VREG0, MO_128, x86_env(disp));
    } else {
        x86_rm(g, X_MOV_LOAD | (type == TCG_TYPE_CC ? 0 : X_W), reg, x86_env(disp));
    }
}

void x86_store(X86Gen *g, int reg, int type, int32_t disp)
{
    if (reg >= X86_VREG0) {
        x86_vstore(g, 0, reg - X86_VREG0, MO_128, x86_env(disp));
    } else {
        x86_rm(g, X_MOV_STORE | (type == TCG_TYPE_CC ? 0 : X_W), reg, x86_env(disp));
    }
}

void x86_move(X86Gen *g, int dst, int src)
{
    if (dst == src) {
        return;
    }
    if (dst >= X86_VREG0) {
        x86_vmov(g, (unsigned)(dst - X86_VREG0), (unsigned)(src - X86_VREG0));
    } else {
        x86_mov_rr(g, X_W, dst, src);
    }
}

void x86_movi(X86Gen *g, int reg, uint64_t val)
{
    if (val == 0 && g->flags_temp == TCG_NONE) {
        x86_rr(g, 0x33, reg, reg);
    } else {
        x86_mov_ri(g, reg, val);
    }
}

static void load_const(X86Gen *g, const TCGTemp *c, int reg)
{
    if (c->kind == TEMP_PC) {
        x86_mov_pc(g, reg, c->val);
        return;
    }
    if (reg < X86_VREG0) {
        x86_movi(g, reg, c->val);
        return;
    }
    reg -= X86_VREG0;
    if (c->val == 0 && c->val2 == 0) {
        x86_vzero(g, reg);
    } else {
        int id = x86_const128(g, c->val, c->val2);
        X86Mem m = x86_at(X86_NO_REG, 0);

        /* the same instruction with an absolute address is one byte longer: SIB; rewrite as
         * RIP-relative */
        x86_vload(g, 0, reg, MO_128, m);
        g->p -= 5;
        g->p[-1] = (uint8_t)((g->p[-1] & 0x38) | 5);
        x86_put_const_disp(g, id, 0);
    }
}

static void set_holder(X86Gen *g, int reg, int temp)
{
    g->holder[reg] = (uint16_t)temp;
    g->free &= ~X86_MASK(reg);
}

static void release(X86Gen *g, int reg)
{
    if (x86_layout.alloc & X86_MASK(reg)) {
        g->holder[reg] = TCG_NONE;
        g->free |= X86_MASK(reg);
    }
}

/* ---- homes ---- */

void x86_temp_home(X86Gen *g, int temp)
{
    X86Temp *t = &g->t[temp];
    bool vec = class_mask(x86_temp(g, temp)->type) == X86_VEC_MASK;
    uint64_t fit = vec ? g->spills & g->spills >> 1 & UINT64_C(0x5555555555555555) : g->spills;
    int slot;

    if (t->disp != X86_NO_DISP) {
        return;
    }
    if (!fit) {
        g->error = TCG_GEN_TOO_LARGE;
        t->disp = x86_spill_disp(0);
        return;
    }
    slot = __builtin_ctzll(fit);
    g->spills &= ~((vec ? UINT64_C(3) : UINT64_C(1)) << slot);
    t->disp = x86_spill_disp(slot);
}

static void free_home(X86Gen *g, int temp)
{
    X86Temp *t = &g->t[temp];

    if (t->disp != X86_NO_DISP && x86_temp(g, temp)->kind == TEMP_EBB) {
        bool vec = class_mask(x86_temp(g, temp)->type) == X86_VEC_MASK;

        g->spills |= (vec ? UINT64_C(3) : UINT64_C(1)) << (t->disp - x86_spill_disp(0)) / 8;
        t->disp = X86_NO_DISP;
    }
}

static void sync_temp(X86Gen *g, int temp)
{
    X86Temp *t = &g->t[temp];

    if (!t->in_mem && t->reg != X86_NO_REG) {
        x86_temp_home(g, temp);
        x86_store(g, t->reg, x86_temp(g, temp)->type, t->disp);
        t->in_mem = true;
    }
}

void x86_reg_sync(X86Gen *g, int reg)
{
    if (g->holder[reg] != TCG_NONE && !is_const(g, g->holder[reg])) {
        sync_temp(g, g->holder[reg]);
    }
}

static void drop_reg(X86Gen *g, int reg)
{
    int temp = g->holder[reg];

    if (temp != TCG_NONE) {
        x86_reg_sync(g, reg);
        g->t[temp].reg = X86_NO_REG;
        g->holder[reg] = TCG_NONE;
        g->free |= X86_MASK(reg);
    }
}

/* ---- registers ---- */

static int pick(X86RegMask avail)
{
    /* integers from RDI down: RAX is wanted for flags; vectors from 0 up: shorter encodings */
    return avail & X86_INT_MASK ? 63 - __builtin_clzll(avail & X86_INT_MASK)
                                : __builtin_ctzll(avail);
}

int x86_reg_alloc(X86Gen *g, X86RegMask mask, X86RegMask prefer)
{
    X86RegMask avail = g->free & mask & ~g->locked;
    int best = -1;
    unsigned best_score = 0;

    if (avail) {
        return pick(avail & prefer ? avail & prefer : avail);
    }
    for (X86RegMask m = x86_layout.alloc & mask & ~g->locked; m; m &= m - 1) {
        int reg = __builtin_ctzll(m);
        const X86Temp *t = &g->t[g->holder[reg]];
        unsigned score = t->next * 2u + t->in_mem + 1;

        if (score > best_score) {
            best = reg;
            best_score = score;
        }
    }
    g_assert(best >= 0);
    drop_reg(g, best);
    return best;
}

void x86_reg_claim(X86Gen *g, int reg)
{
    int temp = g->holder[reg];
    X86RegMask to;

    if (temp == TCG_NONE) {
        return;
    }
    to = g->free & ~g->locked & class_mask(x86_temp(g, temp)->type) & ~X86_MASK(reg);
    if (to && !is_const(g, temp) && !(g->t[temp].in_mem && g->t[temp].next == X86_NEXT_NONE)) {
        int dst = pick(to);

        x86_move(g, dst, reg);
        g->t[temp].reg = (uint8_t)dst;
        set_holder(g, dst, temp);
        release(g, reg);
    } else {
        drop_reg(g, reg);
    }
}

void x86_temp_copy(X86Gen *g, int temp, int reg)
{
    const X86Temp *t = &g->t[temp];
    const TCGTemp *tt = x86_temp(g, temp);

    if (t->reg != X86_NO_REG) {
        x86_move(g, reg, t->reg);
    } else if (is_const(g, temp)) {
        load_const(g, tt, reg);
    } else if (t->disp == X86_NO_DISP) {
        /* never written: any value will do */
    } else {
        x86_load(g, reg, tt->type, t->disp);
    }
}

int x86_temp_reg(X86Gen *g, int temp, X86RegMask mask)
{
    X86Temp *t = &g->t[temp];

    if (t->reg == X86_NO_REG || !(mask & X86_MASK(t->reg))) {
        int reg = x86_reg_alloc(g, mask & class_mask(x86_temp(g, temp)->type), 0);

        x86_temp_copy(g, temp, reg);
        if (t->reg != X86_NO_REG) {
            release(g, t->reg);
        }
        t->reg = (uint8_t)reg;
        set_holder(g, reg, temp);
    }
    return t->reg;
}

void x86_temp_set(X86Gen *g, int temp, int reg)
{
    X86Temp *t = &g->t[temp];

    if (t->reg != X86_NO_REG && t->reg != reg) {
        release(g, t->reg);
    }
    t->reg = (uint8_t)reg;
    t->in_mem = false;
    set_holder(g, reg, temp);
}

void x86_temp_dead(X86Gen *g, int temp)
{
    X86Temp *t = &g->t[temp];

    if (g->flags_temp == temp) {
        g->flags_temp = TCG_NONE;
    }
    if (t->reg != X86_NO_REG && (x86_layout.alloc & X86_MASK(t->reg))) {
        release(g, t->reg);
        t->reg = X86_NO_REG;
    }
    t->in_mem = true;
    free_home(g, temp);
}

/* ---- around an op ---- */

void x86_inputs_done(X86Gen *g, const TCGOp *op, int first, int count)
{
    for (int n = first; n < first + count; n++) {
        int temp = op->arg[n];

        if (temp == TCG_NONE) {
            continue;
        }
        g->t[temp].next = g->next[g->index][n];
        if (x86_arg_dies(op, n) && !is_const(g, temp)) {
            x86_temp_dead(g, temp);
        }
    }
}

void x86_output(X86Gen *g, const TCGOp *op, int n, int reg)
{
    int temp = op->arg[n];
    X86Temp *t = &g->t[temp];

    if (is_global(g, temp) && t->reg != X86_NO_REG && !(x86_layout.alloc & X86_MASK(t->reg))) {
        x86_move(g, t->reg, reg);
        if (g->movi_reg == t->reg) {
            g->movi_reg = -1;
        }
        return;
    }
    if (x86_arg_dies(op, n)) {
        x86_temp_dead(g, temp);
        return;
    }
    x86_temp_set(g, temp, reg);
    t->next = g->next[g->index][n];
    if (is_global(g, temp) && !(g->redef[g->index] >> n & 1)) {
        sync_temp(g, temp);
        if (t->next == X86_NEXT_NONE) {
            release(g, reg);
            t->reg = X86_NO_REG;
        }
    }
}

void x86_sync_all(X86Gen *g, bool drop)
{
    if (g->flags_temp != TCG_NONE && g->flags_temp != X86_FLAGS_BUSY &&
        is_global(g, g->flags_temp) && !g->t[g->flags_temp].in_mem) {
        x86_flags_pack(g);
    }
    for (X86RegMask m = x86_layout.alloc & ~g->free; m; m &= m - 1) {
        int reg = __builtin_ctzll(m), temp = g->holder[reg];

        if (temp != TCG_NONE) {
            if (x86_temp(g, temp)->kind == TEMP_GLOBAL || x86_temp(g, temp)->kind == TEMP_LOCAL) {
                x86_reg_sync(g, reg);
            }
            if (drop) {
                g->t[temp].reg = X86_NO_REG;
                release(g, reg);
            }
        }
    }
    if (drop) {
        g->flags_temp = TCG_NONE;
        g->movi_reg = -1;
    }
}

void x86_drop_all(X86Gen *g)
{
    for (X86RegMask m = x86_layout.alloc & ~g->free; m; m &= m - 1) {
        int reg = __builtin_ctzll(m), temp = g->holder[reg];

        if (temp != TCG_NONE) {
            g->t[temp].reg = X86_NO_REG;
            release(g, reg);
        }
    }
}

int x86_dirty_list(X86Gen *g, X86Dirty *out, bool cc_dead)
{
    int n = 0;

    for (X86RegMask m = x86_layout.alloc & ~g->free; m; m &= m - 1) {
        int reg = __builtin_ctzll(m), temp = g->holder[reg];

        if (temp != TCG_NONE && is_global(g, temp) && !g->t[temp].in_mem &&
            !(cc_dead && temp == x86_layout.cc_temp)) {
            out[n++] = (X86Dirty){ .temp = (uint16_t)temp, .loc = (uint8_t)reg };
        }
    }
    if (!cc_dead && g->flags_temp == x86_layout.cc_temp && g->flags_temp != TCG_NONE &&
        !g->t[g->flags_temp].in_mem && g->t[g->flags_temp].reg == X86_NO_REG) {
        out[n++] =
            (X86Dirty){ .temp = g->flags_temp, .loc = (uint8_t)(X86_LOC_FLAGS + g->flags_form) };
    }
    return n;
}

/* ---- ops that have a rule ---- */

typedef struct RuleState {
    const TCGOp *op;
    const X86OpRule *rule;
    const TCGOpDef *def;
    uint16_t in[TCG_MAX_ARGS];
    bool dies[TCG_MAX_ARGS];
    uint16_t next[TCG_MAX_ARGS];
    X86Operand *o;
    X86RegMask fixed; /* registers that the rule names */
    X86RegMask dying; /* registers of inputs that end here */
} RuleState;

static bool fits_imm(const TCGOp *op, const TCGOpDef *def, uint64_t val)
{
    int sz = def->flags & TCG_OPF_SZ_MEM ? op->memop & MO_SIZE : op->sz;
    bool test = def->flags & TCG_OPF_COND && op->cond >= TCG_COND_TSTEQ;

    return sz != MO_64 || (int64_t)val == (int32_t)val || (test && (val & (val - 1)) == 0);
}

static bool fits_bit(int opc, uint64_t val)
{
    if (opc == TCG_OP_and) {
        return val == UINT32_MAX || (~val & (~val - 1)) == 0;
    }
    return (val & (val - 1)) == 0;
}

static bool may_be_imm(X86Gen *g, const RuleState *r, int n)
{
    unsigned flags = r->rule->flags;
    bool last = n == r->def->nb_in - 1;
    uint64_t val;

    if (r->in[n] == TCG_NONE || x86_temp(g, r->in[n])->kind != TEMP_CONST) {
        return false;
    }
    val = x86_temp(g, r->in[n])->val;
    if ((flags & X86R_IMM_ANY) || (flags & X86R_IMM_BIT && last && fits_bit(r->op->opc, val))) {
        return true;
    }
    return ((flags & X86R_IMM_LAST && last) || (flags & X86R_IMM_FIRST && n == 0) ||
            (flags & X86R_IMM_1 && n == 1)) &&
           fits_imm(r->op, r->def, val);
}

static bool may_be_mem(X86Gen *g, const RuleState *r, int n)
{
    unsigned flags = r->rule->flags;
    const X86Temp *t = &g->t[r->in[n]];

    return ((flags & X86R_MEM_ANY) || (flags & X86R_MEM_LAST && n == r->def->nb_in - 1) ||
            (flags & X86R_MEM_1 && n == 1)) &&
           t->reg == X86_NO_REG && t->in_mem && t->disp != X86_NO_DISP &&
           r->next[n] == X86_NEXT_NONE && !is_const(g, r->in[n]);
}

static void swap_inputs(X86Gen *g, RuleState *r)
{
    int a = r->def->nb_in - 2, b = a + 1;

    bool fixed = r->rule->fix_in[0] && g->t[r->in[b]].reg == r->rule->fix_in[0] - 1;

    if (is_const(g, r->in[b]) && !fixed) {
        return;
    }
    if (is_const(g, r->in[a]) || fixed ||
        (g->t[r->in[a]].reg == X86_NO_REG && g->t[r->in[b]].reg != X86_NO_REG)) {
        uint16_t t = r->in[a], next = r->next[a];
        bool d = r->dies[a];

        r->in[a] = r->in[b];
        r->dies[a] = r->dies[b];
        r->next[a] = r->next[b];
        r->in[b] = t;
        r->dies[b] = d;
        r->next[b] = next;
    }
}

static int fixed_reg(const RuleState *r, int n)
{
    return n < 2 && r->rule->fix_in[n] ? r->rule->fix_in[n] - 1 : -1;
}

/* What is in the fixed register does not outlive the op. */
static bool is_lost(const RuleState *r, int reg)
{
    return (r->rule->clobber >> reg & 1) || r->rule->fix_out == X86R_IN(reg);
}

static void place_fixed(X86Gen *g, RuleState *r)
{
    for (int n = 0; n < 2; n++) {
        if (n < r->def->nb_in && fixed_reg(r, n) >= 0 && !may_be_imm(g, r, n)) {
            r->fixed |= X86_MASK(fixed_reg(r, n));
        }
    }
    r->fixed |= r->rule->clobber;
    if (r->rule->fix_out) {
        r->fixed |= X86_MASK(r->rule->fix_out - 1);
    }
    if (!r->fixed) {
        return;
    }
    g->locked |= r->fixed;
    for (X86RegMask m = r->fixed; m; m &= m - 1) {
        int reg = __builtin_ctzll(m), temp = g->holder[reg];
        bool stays = false;

        for (int n = 0; n < 2 && n < r->def->nb_in; n++) {
            stays |= fixed_reg(r, n) == reg && r->in[n] == temp && (r->dies[n] || !is_lost(r, reg));
        }
        if (!stays) {
            x86_reg_claim(g, reg);
        }
    }
    for (int n = 0; n < 2 && n < r->def->nb_in; n++) {
        int reg = fixed_reg(r, n);

        if (reg >= 0 && !may_be_imm(g, r, n)) {
            x86_temp_copy(g, r->in[n], reg);
            if (g->t[r->in[n]].reg == X86_NO_REG && g->holder[reg] == TCG_NONE &&
                !is_lost(r, reg)) { /* more than a copy: it may be wanted there again */
                g->t[r->in[n]].reg = (uint8_t)reg;
                set_holder(g, reg, r->in[n]);
            }
            r->o[r->def->nb_out + n] = (X86Operand){ .kind = X86_REG, .reg = (uint8_t)reg };
        }
    }
}

static void place_inputs(X86Gen *g, RuleState *r)
{
    X86Operand *o = r->o + r->def->nb_out;
    bool mem_used = false;

    for (int n = 0; n < r->def->nb_in; n++) {
        int temp = r->in[n];
        const X86Temp *t = &g->t[temp];

        if (temp != TCG_NONE && t->reg != X86_NO_REG && r->def->in[n] != 'c' &&
            (fixed_reg(r, n) < 0 || t->reg == fixed_reg(r, n))) {
            g->locked |= X86_MASK(t->reg); /* not to be evicted for another input */
        }
    }
    for (int n = 0; n < r->def->nb_in; n++) {
        int temp = r->in[n], reg;

        if (r->def->in[n] == 'c') {
            continue;
        }
        if (temp == TCG_NONE) {
            o[n] = (X86Operand){ .kind = X86_REG, .reg = X86_NO_REG };
        } else if (may_be_imm(g, r, n)) {
            int64_t val = (int64_t)x86_temp(g, temp)->val;

            o[n] = (X86Operand){ .kind = X86_IMM, .imm = val };
        } else if (fixed_reg(r, n) >= 0) {
            continue;
        } else if (!mem_used && may_be_mem(g, r, n)) {
            mem_used = true;
            o[n] = (X86Operand){ .kind = X86_MEM, .disp = g->t[temp].disp };
        } else {
            reg = x86_temp_reg(g, temp, ~r->fixed);
            g->locked |= X86_MASK(reg);
            o[n] = (X86Operand){ .kind = X86_REG,
                                 .reg = (uint8_t)(reg & (reg >= X86_VREG0 ? 0xff : 15)) };
            if (reg >= X86_VREG0) {
                o[n].reg = (uint8_t)(reg - X86_VREG0);
            }
        }
    }
}

static void find_dying(X86Gen *g, RuleState *r)
{
    if (r->rule->flags & X86R_EARLY) {
        return;
    }
    for (int n = 0; n < r->def->nb_in; n++) {
        int temp = r->in[n];

        if (temp != TCG_NONE && g->t[temp].reg != X86_NO_REG &&
            (r->dies[n] || (is_const(g, temp) && r->next[n] == X86_NEXT_NONE))) {
            r->dying |= X86_MASK(g->t[temp].reg);
        }
    }
    r->dying &= x86_layout.alloc;
}

/* A register for output n, in the allocator's numbering. */
static int place_output(X86Gen *g, RuleState *r, int n)
{
    int temp = r->op->arg[n];
    const X86Temp *t = &g->t[temp];
    X86RegMask cls = class_mask(x86_temp(g, temp)->type), dying = r->dying & cls & ~r->fixed;
    X86RegMask own = t->reg != X86_NO_REG ? X86_MASK(t->reg) : 0;
    const X86Operand *a = &r->o[r->def->nb_out];
    X86RegMask not = 0;
    int reg;

    if (n == 0 && r->rule->flags & X86R_NOT_IN1 && a[1].kind == X86_REG &&
        (a[0].kind != X86_REG || a[0].reg != a[1].reg)) {
        not = X86_MASK(a[1].reg + (cls == X86_VEC_MASK ? X86_VREG0 : 0));
        dying &= ~not ;
    }

    if (n == 0 && r->rule->fix_out) {
        return r->rule->fix_out - 1;
    }
    if (own & ~x86_layout.alloc) { /* pinned */
        if ((!(r->rule->flags & X86R_EARLY) || !(g->locked & own)) && !(own & not )) {
            return t->reg;
        }
    } else if (own & (dying | ~g->locked)) {
        reg = t->reg;
        r->dying &= ~own;
        return reg;
    }
    if (dying) {
        X86RegMask first = 0;

        if (r->def->nb_in && a->kind == X86_REG && a->reg != X86_NO_REG) {
            first = X86_MASK(a->reg + (cls == X86_VEC_MASK ? X86_VREG0 : 0)) & dying;
        }
        reg = first ? __builtin_ctzll(first) : pick(dying);
        r->dying &= ~X86_MASK(reg);
        return reg;
    }
    return x86_reg_alloc(g, cls & ~r->fixed, 0);
}

/* Some forms of ops with X86R_FLAGS do not touch EFLAGS, or need not when they hold something. */
static bool keeps_flags(X86Gen *g, const RuleState *r)
{
    const TCGOp *op = r->op;

    if (g->flags_temp == TCG_NONE) {
        return false;
    }
    switch (op->opc) {
    case TCG_OP_add:
        return !may_be_mem(g, r, 1);
    case TCG_OP_neg:
        return true;
    case TCG_OP_shl:
    case TCG_OP_shr:
    case TCG_OP_sar:
        return x86_has(X86_BMI2);
    case TCG_OP_rotr:
        return x86_has(X86_BMI2) && may_be_imm(g, r, 1);
    case TCG_OP_ld:
    case TCG_OP_st:
    case TCG_OP_stv:
        return !(op->memop & (MO_BSWAP | MO_RELEASE)) && !x86_config.softmmu;
    case TCG_OP_ld_env:
        return !(op->memop & MO_BSWAP);
    case TCG_OP_extract:
    case TCG_OP_sextract:
        return TCG_FIELD_POS(op->imm) == 0 &&
               (TCG_FIELD_LEN(op->imm) == 8 || TCG_FIELD_LEN(op->imm) == 16 ||
                (TCG_FIELD_LEN(op->imm) == 32 && op->sz == MO_64));
    default:
        return x86_fp_keeps_flags(g, op);
    }
}

static void set_operand(X86Operand *o, int reg)
{
    o->kind = X86_REG;
    o->reg = (uint8_t)(reg >= X86_VREG0 ? reg - X86_VREG0 : reg);
}

void x86_gen_rule(X86Gen *g, const TCGOp *op)
{
    x86_gen_by_rule(g, op, &x86_rules[op->opc]);
}

void x86_gen_by_rule(X86Gen *g, const TCGOp *op, const X86OpRule *rule)
{
    X86Operand o[TCG_MAX_ARGS + 8];
    RuleState r = { .op = op, .rule = rule, .def = &tcg_op_defs[op->opc], .o = o };
    unsigned nb_out = r.def->nb_out, nb_in = r.def->nb_in, flags = r.rule->flags;
    X86Operand *scratch = o + nb_out + nb_in;
    int out[4], cc_out = -1;

    for (unsigned n = 0; n < nb_in; n++) {
        r.in[n] = op->arg[nb_out + n];
        r.dies[n] = x86_arg_dies(op, (int)(nb_out + n));
        r.next[n] = g->next[g->index][nb_out + n];
    }
    if (flags & X86R_COMM) {
        swap_inputs(g, &r);
    }
    if (keeps_flags(g, &r)) {
        flags &= ~(unsigned)X86R_FLAGS;
    }
    if (flags & X86R_FLAGS) {
        x86_flags_clobber_by(g, op);
    }
    if (flags & (X86R_CC_IN | X86R_CC_ADC | X86R_CC_SBB)) {
        int cc = op->arg[strchr(r.def->in, 'c') - r.def->in + nb_out];

        if (flags & X86R_CC_IN) {
            g->cond = x86_flags_test(g, cc, (TCGCC)op->cond);
        } else {
            x86_flags_carry(g, cc, flags & X86R_CC_SBB);
        }
    }
    place_fixed(g, &r);
    place_inputs(g, &r);
    for (unsigned n = 0; n < r.rule->vscratch + (unsigned)r.rule->iscratch; n++) {
        int reg =
            x86_reg_alloc(g, n < r.rule->vscratch ? X86_VEC_MASK : X86_INT_MASK & ~r.fixed, 0);

        g->locked |= X86_MASK(reg);
        set_operand(&scratch[n], reg);
    }
    find_dying(g, &r);
    for (unsigned n = 0; n < nb_out; n++) {
        out[n] = -1;
        if (r.def->out[n] == 'c') {
            cc_out = (int)n;
        } else if (n != 0 || !(flags & X86R_OUT_OPT) || !x86_arg_dies(op, 0)) {
            out[n] = place_output(g, &r, (int)n);
            g->locked |= X86_MASK(out[n]);
            set_operand(&o[n], out[n]);
        }
    }
    g->slow_local = -1;
    r.rule->emit(g, op, o);
    if (g->slow_local >= 0) {
        x86_bind_local(g, g->slow_local);
    }
    x86_inputs_done(g, op, (int)nb_out, (int)nb_in);
    if (flags & X86R_FLAGS) {
        g->flags_temp = TCG_NONE;
    }
    for (unsigned n = 0; n < nb_out; n++) {
        /* a constant's register may have been taken */
        if (out[n] >= 0 && g->holder[out[n]] != TCG_NONE && is_const(g, g->holder[out[n]])) {
            g->t[g->holder[out[n]]].reg = X86_NO_REG;
            release(g, out[n]);
        }
        if (out[n] >= 0) {
            x86_output(g, op, (int)n, out[n]);
        }
    }
    if (cc_out >= 0) {
        x86_flags_output(g, op, cc_out);
    }
    if (g->flags_temp == X86_FLAGS_BUSY) {
        g->flags_temp = TCG_NONE;
    }
    g->locked = 0;
}
