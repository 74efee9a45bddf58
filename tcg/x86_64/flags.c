/* SPDX-License-Identifier: MIT */
/*
 * Condition flags: which flags temp EFLAGS hold and in what form, tests of them, and the packed
 * form (TCG_CCR_*: LAHF's AH and SETO's AL in EAX).
 */
#include "tcg/x86_64/asm.h"

static bool held(const X86Gen *g, int temp)
{
    return g->flags_temp == temp && temp != TCG_NONE;
}

void x86_emit_pack(X86Gen *g, X86FlagsForm form)
{
    static const uint32_t fcmp[2][4] = {
        { TCG_CCR_C | TCG_CCR_V, TCG_CCR_N, TCG_CCR_Z | TCG_CCR_C, TCG_CCR_C },
        { TCG_CCR_C | TCG_CCR_V, TCG_CCR_C, TCG_CCR_Z | TCG_CCR_C, TCG_CCR_N },
    };
    static const uint8_t cc[3] = { X_P, X_B, X_E };
    uint8_t *done[3];

    if (form <= X86_FL_BORROW) {
        if (form == X86_FL_BORROW) {
            x86_put8(g, X_CMC);
        }
        x86_put8(g, X_LAHF);
        x86_rr(g, X_SETCC + X_O, 0, RAX);
        return;
    }
    for (int i = 0; i < 4; i++) {
        x86_mov_ri(g, RAX, fcmp[form - X86_FL_FCMP][i]);
        if (i < 3) {
            done[i] = x86_jcc8(g, cc[i]);
        }
    }
    for (int i = 0; i < 3; i++) {
        x86_bind8(g, done[i]);
    }
}

void x86_flags_pack(X86Gen *g)
{
    int temp = g->flags_temp;

    if (g->t[temp].in_mem || g->t[temp].reg != X86_NO_REG) {
        return;
    }
    x86_reg_claim(g, RAX);
    x86_emit_pack(g, g->flags_form);
    if (g->flags_form == X86_FL_BORROW) {
        g->flags_form = X86_FL_CARRY; /* CMC */
    }
    x86_temp_set(g, temp, RAX);
}

void x86_flags_clobber(X86Gen *g)
{
    if (g->flags_temp != TCG_NONE && g->flags_temp != X86_FLAGS_BUSY) {
        x86_flags_pack(g);
    }
    g->flags_temp = TCG_NONE;
}

void x86_flags_clobber_by(X86Gen *g, const TCGOp *op)
{
    const TCGOpDef *d = &tcg_op_defs[op->opc];

    if (g->flags_temp == TCG_NONE || g->flags_temp == X86_FLAGS_BUSY) {
        return;
    }
    for (int n = 0; n < d->nb_out + d->nb_in; n++) {
        if (op->arg[n] == g->flags_temp && (n < d->nb_out || x86_arg_dies(op, n))) {
            return;
        }
    }
    x86_flags_pack(g);
}

void x86_flags_output(X86Gen *g, const TCGOp *op, int n)
{
    int temp = op->arg[n], form = g->flags_new;

    g->flags_new = -1;
    x86_temp_dead(g, temp);
    if (!x86_arg_dies(op, n)) {
        g_assert(form >= 0);
        g->flags_temp = (uint16_t)temp;
        g->flags_form = (X86FlagsForm)form;
        g->t[temp].in_mem = false;
        g->t[temp].next = g->next[g->index][n];
    }
}

X86Cond x86_form_cond(X86FlagsForm form, TCGCC cond)
{
    /* [form][cond / 2]: x86 condition; 0x80: and with NP, 0x40: or with P. */
    static const uint8_t table[4][7] = {
        { X_E, X_B, X_S, X_O, X_A, X_GE, X_G },
        { X_E, X_AE, X_S, X_O, X_A, X_GE, X_G },
        { X_E | 0x80, X_AE | 0x40, X_B | 0x80, X_P, X_A | 0x40, X_AE, X_A },
        { X_E | 0x80, X_BE, X_A, X_P, X_B, X_BE | 0x80, X_B | 0x80 },
    };
    unsigned t = table[form][cond >> 1];
    X86Cond c = { t & 15, -1, false };

    if (t & 0x80) {
        c = (X86Cond){ t & 15, X_NP, true };
    } else if (t & 0x40) {
        c = (X86Cond){ t & 15, X_P, false };
    }
    return cond & 1 ? x86_cond_not(c) : c;
}

/* The packed flags become EFLAGS in CARRY form. */
static void unpack(X86Gen *g, int temp)
{
    x86_flags_clobber(g);
    x86_reg_claim(g, RAX);
    x86_temp_copy(g, temp, RAX);
    x86_rr(g, 0xc0 | X_MB, X_SHL, RAX); /* shl al, 7: the other bits are junk */
    x86_put8(g, 7);
    x86_rr(g, 0x00 | X_RB | X_MB, RAX, RAX); /* add al, al: OF */
    x86_put8(g, X_SAHF);
    g->flags_temp = (uint16_t)temp;
    g->flags_form = X86_FL_CARRY;
}

static void test_bit(X86Gen *g, int temp, uint32_t bit)
{
    const X86Temp *t = &g->t[temp];
    int shift = bit >= 0x100 ? 8 : 0;

    x86_flags_clobber(g);
    if (t->reg == X86_NO_REG && t->in_mem && t->disp != X86_NO_DISP) {
        x86_rm(g, X_GRP3_8, 0, x86_env(t->disp + shift / 8));
        x86_put8(g, bit >> shift);
    } else {
        int reg = x86_temp_reg(g, temp, X86_INT_MASK);

        x86_rr(g, X_GRP3, 0, reg);
        x86_put32(g, bit);
    }
    g->flags_temp = X86_FLAGS_BUSY;
}

X86Cond x86_flags_test(X86Gen *g, int temp, TCGCC cond)
{
    static const uint32_t bits[] = { TCG_CCR_Z, TCG_CCR_C, TCG_CCR_N, TCG_CCR_V };

    if (!held(g, temp) && cond <= TCG_CC_VC) {
        test_bit(g, temp, bits[cond >> 1]);
        return x86_cond1(cond & 1 ? X_E : X_NE);
    }
    if (!held(g, temp)) {
        unpack(g, temp);
    }
    if (g->flags_form == X86_FL_CARRY && (cond | 1) == TCG_CC_LS) {
        x86_put8(g, X_CMC);
        g->flags_form = X86_FL_BORROW;
    }
    return x86_form_cond(g->flags_form, cond);
}

void x86_flags_carry(X86Gen *g, int temp, bool inverse)
{
    if (held(g, temp) && g->flags_form > X86_FL_BORROW) {
        x86_flags_pack(g);
        g->flags_temp = TCG_NONE;
    }
    if (!held(g, temp)) {
        const X86Temp *t = &g->t[temp];

        x86_flags_clobber(g);
        if (t->reg == X86_NO_REG && t->in_mem && t->disp != X86_NO_DISP) {
            x86_rm(g, X_GRP8_I, 4, x86_env(t->disp));
        } else {
            x86_rr(g, X_GRP8_I, 4, x86_temp_reg(g, temp, X86_INT_MASK));
        }
        x86_put8(g, 8); /* bt: TCG_CCR_C */
        if (inverse) {
            x86_put8(g, X_CMC);
        }
        g->flags_temp = X86_FLAGS_BUSY;
    } else if ((g->flags_form == X86_FL_BORROW) != inverse) {
        x86_put8(g, X_CMC);
        g->flags_form = inverse ? X86_FL_BORROW : X86_FL_CARRY;
    }
}

int x86_jump_cond(X86Gen *g, X86Cond c, uint8_t *fields[2])
{
    uint8_t *skip;

    if (c.second < 0) {
        fields[0] = x86_jump_later(g, c.cc);
        return 1;
    }
    if (!c.both) {
        fields[0] = x86_jump_later(g, c.cc);
        fields[1] = x86_jump_later(g, c.second);
        return 2;
    }
    skip = x86_jcc8(g, c.second ^ 1);
    fields[0] = x86_jump_later(g, c.cc);
    x86_bind8(g, skip);
    return 1;
}

void x86_bind_fields(X86Gen *g, uint8_t *fields[], int nb)
{
    for (int i = 0; i < nb; i++) {
        x86_patch_rel32(fields[i], g->p);
    }
}

/* ---- ops ---- */

static void emit_setcc(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    int d = o[0].reg, nb;
    uint8_t *fields[2], *end;

    (void)op;
    if (g->cond.second < 0) {
        x86_rr(g, (unsigned)X_SETCC + (unsigned)g->cond.cc, 0, d);
        x86_rr(g, X_MOVZX8 | X_MB, d, d);
        return;
    }
    nb = x86_jump_cond(g, g->cond, fields);
    x86_mov_ri(g, d, 0);
    end = x86_jmp8(g);
    x86_bind_fields(g, fields, nb);
    x86_mov_ri(g, d, 1);
    x86_bind8(g, end);
}

static void emit_movcc(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    int d = o[0].reg, a = o[2].reg, b = o[3].reg;
    unsigned w = op->sz == MO_64 ? X_W : 0; /* of 32 bits it clears the others in any case */
    X86Cond c = g->cond;
    uint8_t *fields[2], *end;
    int nb;

    if (c.second < 0) {
        if (d == a) {
            x86_rr(g, ((unsigned)X_CMOV + (unsigned)(c.cc ^ 1)) | w, d, b);
            return;
        }
        x86_move(g, d, b);
        x86_rr(g, ((unsigned)X_CMOV + (unsigned)c.cc) | w, d, a);
        return;
    }
    nb = x86_jump_cond(g, c, fields);
    x86_move(g, d, b);
    end = x86_jmp8(g);
    x86_bind_fields(g, fields, nb);
    x86_move(g, d, a);
    x86_bind8(g, end);
    if (!w) {
        x86_mov_rr(g, 0, d, d);
    }
}

/* EFLAGS = imm (N Z C V in bits 3..0) in that form; destroys RAX. */
static void emit_flags_const(X86Gen *g, unsigned nzcv, X86FlagsForm form)
{
    unsigned carry = (nzcv >> 1 & 1) ^ (form == X86_FL_BORROW);

    x86_mov_ri(g, RAX,
               (nzcv & 8 ? 0x8000u : 0) | (nzcv & 4 ? 0x4000u : 0) | carry << 8 | (nzcv & 1));
    x86_put8(g, 0x04); /* add al, 0x7f: OF */
    x86_put8(g, 0x7f);
    x86_put8(g, X_SAHF);
}

/* The next op, if it is a branch or exit on out, where out ends. */
static const TCGOp *fusable_branch(X86Gen *g, int out)
{
    const TCGOp *op = &g->s->ops[g->index + 1];

    if (op->opc == TCG_OP_insn_start) {
        op++;
    }
    if (op->opc == TCG_OP_exit_cc && op->arg[0] == out && x86_arg_dies(op, 0) &&
        (out != x86_layout.cc_temp || g->s->exits[op->imm].cc_dead)) {
        return op;
    }
    return NULL;
}

static void emit_ccmp_compare(X86Gen *g, const TCGOp *op, const X86Operand o[2])
{
    if (op->opc == TCG_OP_ccmp_sub) {
        x86_emit_compare(g, op->sz, TCG_COND_GEU, &o[0], &o[1]);
    } else {
        x86_alu_ro(g, X_ADD, x_w(op->sz), RAX, &o[1]); /* a was copied there */
    }
}

void x86_gen_ccmp(X86Gen *g, const TCGOp *op)
{
    X86FlagsForm form = op->opc == TCG_OP_ccmp_sub ? X86_FL_BORROW : X86_FL_CARRY;
    const TCGOp *branch = fusable_branch(g, op->arg[0]);
    uint8_t *fields[2], *done;
    X86Operand o[2];
    X86Cond c;
    int nb;

    x86_flags_clobber_by(g, op);
    c = x86_flags_test(g, op->arg[1], (TCGCC)op->cond);
    x86_reg_claim(g, RAX);
    g->locked |= X86_MASK(RAX);
    x86_compare_operands(g, op, 2, o);
    if (op->opc == TCG_OP_ccmp_add) {
        x86_temp_copy(g, op->arg[2], RAX);
        branch = NULL;
    }
    nb = x86_jump_cond(g, x86_cond_not(c), fields);
    emit_ccmp_compare(g, op, o);
    x86_inputs_done(g, op, 1, 3);
    g->flags_temp = TCG_NONE;
    if (branch) {
        bool taken = tcg_cc_holds((TCGCC)branch->cond, (unsigned)op->imm);

        g->locked = 0;
        g->index += (int)(branch - &g->s->ops[g->index]);
        x86_temp_dead(g, op->arg[0]);
        x86_side_exit(g, x86_form_cond(form, (TCGCC)branch->cond), &g->s->exits[branch->imm],
                      fields, taken ? nb : 0);
        if (!taken) {
            x86_bind_fields(g, fields, nb);
        }
        return;
    }
    done = x86_jmp8(g);
    x86_bind_fields(g, fields, nb);
    emit_flags_const(g, (unsigned)op->imm, form);
    x86_bind8(g, done);
    x86_flags_set(g, form);
    x86_flags_output(g, op, 0);
    g->locked = 0;
}

/* The two flags packed in registers, and a conditional move. */
void x86_gen_ccsel(X86Gen *g, const TCGOp *op)
{
    X86Cond c;
    uint8_t *fields[2];
    int d, e, nb, out;

    for (int n = 2; n < 4; n++) { /* EFLAGS may hold one of the values: it is packed first */
        if (held(g, op->arg[n])) {
            x86_flags_pack(g);
        }
    }
    x86_flags_clobber_by(g, op);
    c = x86_flags_test(g, op->arg[1], (TCGCC)op->cond);
    d = x86_temp_reg(g, op->arg[2], X86_INT_MASK);
    g->locked |= X86_MASK(d);
    e = x86_temp_reg(g, op->arg[3], X86_INT_MASK);
    g->locked |= X86_MASK(e);
    out = x86_reg_alloc(g, X86_INT_MASK, 0);
    x86_move(g, out, d);
    nb = x86_jump_cond(g, c, fields);
    x86_move(g, out, e);
    x86_bind_fields(g, fields, nb);
    x86_inputs_done(g, op, 1, 3);
    if (g->flags_temp == X86_FLAGS_BUSY || g->flags_temp == op->arg[0]) {
        g->flags_temp = TCG_NONE;
    }
    x86_output(g, op, 0, out);
    g->locked = 0;
}

void x86_flags_rules_init(void)
{
    x86_rules[TCG_OP_setcc] = (X86OpRule){ .emit = emit_setcc, .flags = X86R_CC_IN };
    x86_rules[TCG_OP_movcc] = (X86OpRule){ .emit = emit_movcc, .flags = X86R_CC_IN };
}
