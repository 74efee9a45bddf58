/* SPDX-License-Identifier: MIT */
/*
 * Integer ops. Emitters take three addresses and choose the form: the register allocator copies
 * nothing for them. An output may be the register of any input unless the rule says EARLY.
 */
#include "tcg/x86_64/asm.h"

static bool is_reg(const X86Operand *o, int reg)
{
    return o->kind == X86_REG && o->reg == reg;
}

static void load_operand(X86Gen *g, unsigned w, int reg, const X86Operand *o)
{
    if (o->kind == X86_IMM) {
        x86_mov_ri(g, reg, w ? (uint64_t)o->imm : (uint32_t)o->imm);
    } else if (!is_reg(o, reg)) {
        x86_ro(g, X_MOV_LOAD | w, reg, o);
    }
}

static void move_if(X86Gen *g, unsigned w, int d, int a)
{
    if (d != a) {
        x86_mov_rr(g, w, d, a);
    }
}

/* A shift that leaves the upper half zero for 32 bits, also by 0. */
static void shift_i(X86Gen *g, int shift, unsigned w, int d, int count)
{
    if (count) {
        x86_shift_i(g, shift, w, d, count);
    } else if (!w) {
        x86_mov_rr(g, 0, d, d);
    }
}

/* ---- moves, arithmetic ---- */

static void emit_mov(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    if (o[1].kind == X86_IMM) {
        x86_movi(g, o[0].reg, op->sz == MO_64 ? (uint64_t)o[1].imm : (uint32_t)o[1].imm);
    } else {
        x86_ro(g, X_MOV_LOAD | x_w(op->sz), o[0].reg, &o[1]);
    }
}

static void emit_add(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned w = x_w(op->sz);
    int d = o[0].reg, a = o[1].reg;

    bool keep = g->flags_temp != TCG_NONE; /* then only LEA will do */

    if (d == a && !keep) {
        x86_alu_ro(g, X_ADD, w, d, &o[2]);
    } else if (is_reg(&o[2], d) && !keep) {
        x86_alu_rr(g, X_ADD, w, d, a);
    } else if (o[2].kind == X86_IMM) {
        x86_rm(g, X_LEA | w, d, x86_at(a, (int32_t)o[2].imm));
    } else if (o[2].kind == X86_REG) {
        bool swap = (a & 7) == RBP && a != o[2].reg; /* such a base needs a displacement byte */

        x86_rm(g, X_LEA | w, d,
               (X86Mem){ .base = (uint8_t)(swap ? o[2].reg : a),
                         .index = (uint8_t)(swap ? a : o[2].reg) });
    } else {
        x86_mov_rr(g, w, d, a);
        x86_alu_ro(g, X_ADD, w, d, &o[2]);
    }
}

/* d = a + (b << imm), imm 1..3 */
static void emit_add_shifted(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    x86_rm(g, X_LEA | x_w(op->sz), o[0].reg,
           (X86Mem){ .base = o[1].reg, .index = o[2].reg, .shift = (uint8_t)op->imm });
}

/* The addition behind shl, which is all that reads the shifted value; which: its place there. */
static TCGOp *shifted_add(X86Gen *g, const TCGOp *shl, int *which)
{
    TCGOp *add = &g->s->ops[g->index + 1];
    const TCGTemp *count = x86_temp(g, shl->arg[2]);
    int t = shl->arg[0];

    if (add->opc != TCG_OP_add || add->sz != shl->sz || count->kind != TEMP_CONST ||
        count->val - 1 > 2 || x86_temp(g, t)->kind != TEMP_EBB || add->arg[1] == add->arg[2] ||
        (add->arg[1] != t && add->arg[2] != t)) {
        return NULL;
    }
    *which = add->arg[1] == t ? 1 : 2;
    return x86_arg_dies(add, *which) && x86_temp(g, add->arg[3 - *which])->kind != TEMP_CONST
               ? add
               : NULL;
}

void x86_gen_shl(X86Gen *g, const TCGOp *op)
{
    static const X86OpRule rule = { .emit = emit_add_shifted };
    int which, i = g->index;
    TCGOp *add = x86_config.no_peepholes ? NULL : shifted_add(g, op, &which), fused;
    unsigned other;

    if (!add) {
        x86_gen_rule(g, op);
        return;
    }
    other = 3u - (unsigned)which;
    fused = *add;
    fused.imm = (int64_t)x86_temp(g, op->arg[2])->val;
    fused.arg[1] = add->arg[other];
    fused.arg[2] = op->arg[1];
    fused.life =
        (uint16_t)((add->life & 1) | (add->life >> other & 1) << 1 | (op->life >> 1 & 1) << 2);
    g->next[i + 1][1] = g->next[i + 1][other];
    g->next[i + 1][2] = g->next[i][1] == i + 1 ? g->next[i + 1][1] : g->next[i][1];
    if (fused.arg[1] == fused.arg[2]) { /* x + (x << n): one life */
        fused.life = (uint16_t)((fused.life & 3) | (fused.life & 2) << 1);
    }
    g->index++;
    x86_gen_by_rule(g, &fused, &rule);
}

static void emit_sub(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned w = x_w(op->sz);
    int d = o[0].reg;

    if (o[1].kind == X86_IMM) { /* constant - x */
        load_operand(g, w, d, &o[2]);
        x86_rr(g, X_GRP3 | w, 3, d);
        if (o[1].imm) {
            x86_alu_ri(g, X_ADD, w, d, (int32_t)o[1].imm);
        }
    } else if (is_reg(&o[2], d) && o[1].reg != d) {
        x86_rr(g, X_GRP3 | w, 3, d);
        x86_alu_rr(g, X_ADD, w, d, o[1].reg);
    } else if (o[2].kind == X86_IMM && d != o[1].reg && (int32_t)o[2].imm != INT32_MIN) {
        x86_rm(g, X_LEA | w, d, x86_at(o[1].reg, -(int32_t)o[2].imm));
    } else {
        move_if(g, w, d, o[1].reg);
        x86_alu_ro(g, X_SUB, w, d, &o[2]);
    }
}

/* An operation of group 3 or BSWAP in place. */
static void emit_unary(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned w = x_w(op->sz);

    if (!is_reg(&o[1], o[0].reg)) {
        load_operand(g, w, o[0].reg, &o[1]);
    }
    if (op->opc == TCG_OP_neg && g->flags_temp != TCG_NONE) { /* ~a + 1 leaves EFLAGS alone */
        x86_rr(g, X_GRP3 | w, 2, o[0].reg);
        x86_rm(g, X_LEA | w, o[0].reg, x86_at(o[0].reg, 1));
        return;
    }
    x86_rr(g, X_GRP3 | w, op->opc == TCG_OP_neg ? 3 : 2, o[0].reg);
}

static void emit_mul(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned w = x_w(op->sz);
    int d = o[0].reg;

    if (o[2].kind == X86_IMM) {
        int32_t imm = (int32_t)o[2].imm;

        x86_rr(g, (imm == (int8_t)imm ? X_IMUL_I8 : X_IMUL_I32) | w, d, o[1].reg);
        if (imm == (int8_t)imm) {
            x86_put8(g, (unsigned)imm);
        } else {
            x86_put32(g, (uint32_t)imm);
        }
    } else if (is_reg(&o[2], d)) {
        x86_rr(g, X_IMUL | w, d, o[1].reg);
    } else {
        move_if(g, w, d, o[1].reg);
        x86_ro(g, X_IMUL | w, d, &o[2]);
    }
}

/* The low half without EFLAGS. Input 0 in RDX; the scratch register takes the high half. */
static void emit_mul_bmi2(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    x86_vex_ro(g, X_MULX | x_w(op->sz), o[3].reg, o[0].reg, &o[2]);
}

void x86_gen_mul(X86Gen *g, const TCGOp *op)
{
    static const X86OpRule keep = {
        .emit = emit_mul_bmi2,
        .flags = X86R_COMM | X86R_MEM_LAST,
        .iscratch = 1,
        .fix_in = { X86R_IN(RDX) },
    };

    x86_gen_by_rule(g, op,
                    g->flags_temp != TCG_NONE && x86_has(X86_BMI2) ? &keep : &x86_rules[op->opc]);
}

/* Input 0 in RDX: MULX leaves the others alone. */
static void emit_muluh_bmi2(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    x86_vex_ro(g, X_MULX | x_w(op->sz), o[0].reg, o[0].reg, &o[2]);
}

/* Input 0 in RAX; the result comes in RDX. */
static void emit_mulh(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    x86_ro(g, X_GRP3 | x_w(op->sz), op->opc == TCG_OP_mulsh ? 5 : 4, &o[2]);
}

/* Input 0 in RAX, RDX free; quotient in RAX or remainder in RDX. x86 faults where the op is
 * defined. */
static void emit_div(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned w = x_w(op->sz);
    bool sign = op->opc == TCG_OP_divs || op->opc == TCG_OP_rems;
    bool rem = op->opc == TCG_OP_rems || op->opc == TCG_OP_remu;
    uint8_t *zero, *minus = NULL, *end, *end2 = NULL;
    int b = o[2].reg;

    x86_rr(g, X_TEST | w, b, b);
    zero = x86_jcc8(g, X_E);
    if (sign) {
        x86_alu_ri(g, X_CMP, w, b, -1);
        minus = x86_jcc8(g, X_E);
        if (w) {
            x86_put8(g, 0x48);
        }
        x86_put8(g, X_CDQ);
    } else {
        x86_rr(g, 0x33, RDX, RDX);
    }
    x86_rr(g, X_GRP3 | w, sign ? 7 : 6, b);
    end = x86_jmp8(g);
    if (sign) {
        x86_bind8(g, minus);
        if (rem) {
            x86_rr(g, 0x33, RDX, RDX);
        } else {
            x86_rr(g, X_GRP3 | w, 3, RAX);
        }
        end2 = x86_jmp8(g);
    }
    x86_bind8(g, zero);
    if (rem) {
        x86_mov_rr(g, w, RDX, RAX);
    } else {
        x86_rr(g, 0x33, RAX, RAX);
    }
    x86_bind8(g, end);
    if (sign) {
        x86_bind8(g, end2);
    }
}

/* ---- logic ---- */

static bool power_of_two(uint64_t v)
{
    return v && !(v & (v - 1));
}

static void emit_bit_insn(X86Gen *g, int which, int d, const X86Operand *a, uint64_t bit)
{
    load_operand(g, X_W, d, a);
    x86_rr(g, X_GRP8_I | X_W, which, d);
    x86_put8(g, (unsigned)__builtin_ctzll(bit));
}

/* and, or, xor with a 64-bit constant that no imm32 can hold (X86R_IMM_BIT). */
static void emit_logic_wide(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    uint64_t imm = (uint64_t)o[2].imm;
    int d = o[0].reg;

    if (op->opc == TCG_OP_and && imm == UINT32_MAX) {
        x86_ro(g, X_MOV_LOAD, d, &o[1]);
    } else if (op->opc == TCG_OP_and) {
        emit_bit_insn(g, 6, d, &o[1], ~imm);
    } else {
        emit_bit_insn(g, op->opc == TCG_OP_or ? 5 : 7, d, &o[1], imm);
    }
}

static int logic_alu(int opc)
{
    return opc == TCG_OP_and ? X_AND : opc == TCG_OP_or ? X_OR : X_XOR;
}

static void emit_logic(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned w = x_w(op->sz);
    int d = o[0].reg, alu = logic_alu(op->opc);
    X86Operand b = o[2];

    if (b.kind == X86_IMM) {
        if (!w) {
            b.imm = (int32_t)b.imm;
        }
        if (alu == X_AND && (b.imm == 0xff || b.imm == 0xffff)) {
            x86_ro(g, (b.imm == 0xff ? X_MOVZX8 : X_MOVZX16) | X_MB, d, &o[1]);
            return;
        }
        if (w && b.imm != (int32_t)b.imm) {
            emit_logic_wide(g, op, o);
            return;
        }
        if (alu == X_AND && b.imm >= 0) {
            w = 0;
        }
    }
    if (is_reg(&b, d)) {
        x86_alu_rr(g, alu, w, d, o[1].reg);
    } else {
        move_if(g, w, d, o[1].reg);
        x86_alu_ro(g, alu, w, d, &b);
    }
}

/* andc, orc, eqv; o[3]: scratch unless ANDN is there */
static void emit_andn(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    x86_vex_rr(g, X_ANDN | x_w(op->sz), o[0].reg, o[2].reg, o[1].reg);
}

static void emit_logic_not(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned w = x_w(op->sz);
    int alu = op->opc == TCG_OP_andc ? X_AND : op->opc == TCG_OP_orc ? X_OR : X_XOR;
    int d = o[0].reg;

    if (alu == X_XOR || is_reg(&o[2], d)) { /* ~(a ^ b) */
        if (d == o[1].reg) {
            x86_alu_rr(g, alu, w, d, o[2].reg);
            x86_rr(g, X_GRP3 | w, 2, d);
            if (alu != X_XOR) { /* all three the same */
                x86_mov_ri(g, d, alu == X_AND ? 0 : w ? ~UINT64_C(0) : UINT32_MAX);
            }
            return;
        }
        move_if(g, w, d, o[2].reg);
        x86_rr(g, X_GRP3 | w, 2, d);
        x86_alu_rr(g, alu, w, d, o[1].reg);
        return;
    }
    if (d != o[1].reg) {
        x86_mov_rr(g, w, d, o[2].reg);
        x86_rr(g, X_GRP3 | w, 2, d);
        x86_alu_rr(g, alu, w, d, o[1].reg);
        return;
    }
    x86_mov_rr(g, w, o[3].reg, o[2].reg);
    x86_rr(g, X_GRP3 | w, 2, o[3].reg);
    x86_alu_rr(g, alu, w, d, o[3].reg);
}

/* ---- shifts ---- */

static int shift_ext(int opc)
{
    return opc == TCG_OP_shl   ? X_SHL
           : opc == TCG_OP_shr ? X_SHR
           : opc == TCG_OP_sar ? X_SAR
                               : X_ROR;
}

/* d = a rotated right by n; EFLAGS survive with BMI2 */
static void emit_ror_i(X86Gen *g, unsigned w, int d, const X86Operand *a, int n)
{
    if (x86_has(X86_BMI2) && n && (!is_reg(a, d) || g->flags_temp != TCG_NONE)) {
        x86_vex_ro(g, X_RORX | w, d, -1, a);
        x86_put8(g, (unsigned)n);
    } else {
        load_operand(g, w, d, a);
        shift_i(g, X_ROR, w, d, n);
    }
}

/* With BMI2, EFLAGS survive if they hold something. */
static void emit_shift_const(X86Gen *g, const TCGOp *op, const X86Operand *o, unsigned w, int n)
{
    static const unsigned opx[] = { X_SHLX, X_SHRX, X_SARX };
    bool keep = g->flags_temp != TCG_NONE && x86_has(X86_BMI2);
    int d = o[0].reg, ext = shift_ext(op->opc);

    if (ext == X_ROR) {
        emit_ror_i(g, w, d, &o[1], n);
    } else if (ext == X_SHL && n <= 3 && n && o[1].kind == X86_REG && (d != o[1].reg || keep)) {
        x86_rm(g, X_LEA | w, d,
               n == 1 ? (X86Mem){ .base = o[1].reg, .index = o[1].reg }
                      : (X86Mem){ .base = X86_NO_REG, .index = o[1].reg, .shift = (uint8_t)n });
    } else if (keep && n) {
        int t = x86_reg_alloc(g, X86_INT_MASK, 0);

        x86_mov_ri(g, t, (uint64_t)n);
        x86_vex_ro(g, opx[op->opc - TCG_OP_shl] | w, d, t, &o[1]);
    } else {
        load_operand(g, w, d, &o[1]);
        shift_i(g, ext, w, d, n);
    }
}

static void emit_shift_bmi2(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    static const unsigned opx[] = { X_SHLX, X_SHRX, X_SARX };
    unsigned w = x_w(op->sz);

    if (o[2].kind == X86_IMM) {
        emit_shift_const(g, op, o, w, (int)o[2].imm & (w ? 63 : 31));
    } else {
        x86_vex_ro(g, opx[op->opc - TCG_OP_shl] | w, o[0].reg, o[2].reg, &o[1]);
    }
}

/* The count in RCX, or a constant. */
static void emit_shift_cl(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned w = x_w(op->sz);

    if (o[2].kind == X86_IMM) {
        emit_shift_const(g, op, o, w, (int)o[2].imm & (w ? 63 : 31));
    } else {
        load_operand(g, w, o[0].reg, &o[1]);
        x86_rr(g, X_SHIFT_CL | w, shift_ext(op->opc), o[0].reg);
    }
}

/* ---- bit fields ---- */

static void emit_extract(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    int pos = TCG_FIELD_POS(op->imm), len = TCG_FIELD_LEN(op->imm), d = o[0].reg;
    int size = op->sz == MO_64 ? 64 : 32;
    unsigned w = pos + len > 32 ? X_W : 0;

    if (pos == 0 && (len == 8 || len == 16)) {
        x86_ro(g, (len == 8 ? X_MOVZX8 : X_MOVZX16) | X_MB, d, &o[1]);
    } else if (pos == 0 && len == 32) {
        x86_ro(g, X_MOV_LOAD, d, &o[1]);
    } else if (pos + len == size || pos + len == 32) {
        load_operand(g, w, d, &o[1]);
        shift_i(g, X_SHR, w, d, pos);
    } else if (len < 32) {
        if (pos) {
            emit_ror_i(g, w, d, &o[1], pos);
        } else {
            load_operand(g, 0, d, &o[1]);
        }
        if (len == 8 || len == 16) {
            x86_rr(g, (len == 8 ? X_MOVZX8 : X_MOVZX16) | X_MB, d, d);
        } else {
            x86_alu_ri(g, X_AND, 0, d, (int32_t)((UINT32_C(1) << len) - 1));
        }
    } else {
        emit_ror_i(g, X_W, d, &o[1], pos + len);
        x86_shift_i(g, X_SHR, X_W, d, 64 - len);
    }
}

static void emit_movsx(X86Gen *g, unsigned w, int d, const X86Operand *a, int len)
{
    if (len == 32) {
        x86_ro(g, X_MOVSXD, d, a);
    } else {
        x86_ro(g, (len == 8 ? X_MOVSX8 : X_MOVSX16) | X_MB | w, d, a);
    }
}

static void emit_sextract(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    int pos = TCG_FIELD_POS(op->imm), len = TCG_FIELD_LEN(op->imm), d = o[0].reg;
    int size = op->sz == MO_64 ? 64 : 32;
    unsigned w = x_w(op->sz);

    if (pos == 0 && (len == 8 || len == 16 || (len == 32 && w))) {
        emit_movsx(g, w, d, &o[1], len);
    } else if (pos + len == size) {
        load_operand(g, w, d, &o[1]);
        shift_i(g, X_SAR, w, d, pos);
    } else {
        emit_ror_i(g, w, d, &o[1], pos + len);
        x86_shift_i(g, X_SAR, w, d, size - len);
    }
}

static void emit_depositz(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    int pos = TCG_FIELD_POS(op->imm), len = TCG_FIELD_LEN(op->imm), d = o[0].reg;
    int size = op->sz == MO_64 ? 64 : 32;
    unsigned w = x_w(op->sz);

    if (pos + len == size) {
        load_operand(g, w, d, &o[1]);
    } else if (len == 8 || len == 16) {
        x86_ro(g, (len == 8 ? X_MOVZX8 : X_MOVZX16) | X_MB, d, &o[1]);
    } else if (len == 32) {
        x86_ro(g, X_MOV_LOAD, d, &o[1]);
    } else if (len < 32) {
        load_operand(g, 0, d, &o[1]);
        x86_alu_ri(g, X_AND, 0, d, (int32_t)((UINT32_C(1) << len) - 1));
    } else {
        load_operand(g, w, d, &o[1]);
        x86_shift_i(g, X_SHL, w, d, size - len);
        x86_shift_i(g, X_SHR, w, d, size - len - pos);
        return;
    }
    shift_i(g, X_SHL, w, d, pos);
}

static void emit_sdepositz(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    int pos = TCG_FIELD_POS(op->imm), len = TCG_FIELD_LEN(op->imm), d = o[0].reg;
    int size = op->sz == MO_64 ? 64 : 32;
    unsigned w = x_w(op->sz);

    if (pos + len == size) {
        load_operand(g, w, d, &o[1]);
    } else if (len == 8 || len == 16 || (len == 32 && w)) {
        emit_movsx(g, w, d, &o[1], len);
    } else {
        load_operand(g, w, d, &o[1]);
        x86_shift_i(g, X_SHL, w, d, size - len);
        x86_shift_i(g, X_SAR, w, d, size - len - pos);
        return;
    }
    shift_i(g, X_SHL, w, d, pos);
}

/* o[3]: scratch; d is not b's register */
static void emit_deposit(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    int pos = TCG_FIELD_POS(op->imm), len = TCG_FIELD_LEN(op->imm);
    int d = o[0].reg, a = o[1].reg, b = o[2].reg, t = o[3].reg;
    int size = op->sz == MO_64 ? 64 : 32;
    unsigned w = x_w(op->sz);

    if (len == size) {
        x86_mov_rr(g, w, d, b);
    } else if (pos == 0 && (len == 8 || len == 16)) {
        x86_mov_rr(g, w, d, a);
        x86_rr(g, len == 8 ? 0x88 | X_RB | X_MB : X_MOV_STORE16, b, d);
    } else {
        /* the low len bits of b at the top of t, what stays of a rotated below */
        x86_mov_rr(g, w, t, b);
        x86_shift_i(g, X_SHL, w, t, size - len);
        emit_ror_i(g, w, d, &o[1], pos);
        x86_shift_i(g, X_SHR, w, d, len);
        x86_rr(g, X_SHLD_I | w, t, d);
        x86_put8(g, (unsigned)len);
        x86_shift_i(g, X_ROL, w, d, pos);
    }
}

static void emit_extr(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned w = x_w(op->sz);
    int n = (int)op->imm, d = o[0].reg, a = o[1].reg, b = o[2].reg;

    if (a == b) {
        emit_ror_i(g, w, d, &o[1], n);
        if (!w && !n) {
            x86_mov_rr(g, w, d, b);
        }
    } else if (n == 0) {
        x86_mov_rr(g, w, d, b);
    } else if (d == a) { /* a:b >> n == the top of a:b << size - n */
        x86_rr(g, X_SHLD_I | w, b, d);
        x86_put8(g, (unsigned)((w ? 64 : 32) - n));
    } else {
        move_if(g, w, d, b);
        x86_rr(g, X_SHRD_I | w, a, d);
        x86_put8(g, (unsigned)n);
    }
}

/* ---- counting and reversing bits ---- */

static void emit_count(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned opx = op->opc == TCG_OP_clz ? X_LZCNT : op->opc == TCG_OP_ctz ? X_TZCNT : X_POPCNT;

    /* the false dependency of POPCNT on its output is not worth a move */
    x86_ro(g, opx | x_w(op->sz), o[0].reg, &o[1]);
}

/* Without LZCNT and TZCNT: BSR and BSF of zero leave ZF. o[2]: scratch */
static void emit_count_bs(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned w = x_w(op->sz);
    int size = w ? 64 : 32, d = o[0].reg, t = o[2].reg;
    bool clz = op->opc == TCG_OP_clz;

    x86_mov_ri(g, t, (uint64_t)(clz ? 2 * size - 1 : size));
    x86_ro(g, (clz ? X_BSR : X_BSF) | w, d, &o[1]);
    x86_rr(g, (X_CMOV + X_E) | X_W, d, t);
    if (clz) {
        x86_alu_ri(g, X_XOR, 0, d, size - 1);
    }
}

/* o[2]: scratch */
static void emit_cls(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned w = x_w(op->sz);
    int size = w ? 64 : 32, d = o[0].reg, t = o[2].reg;

    x86_mov_rr(g, w, t, o[1].reg);
    x86_shift_i(g, X_SAR, w, t, size - 1);
    x86_alu_rr(g, X_XOR, w, t, o[1].reg);
    if (x86_has(X86_LZCNT)) {
        x86_rr(g, X_LZCNT | w, d, t);
        x86_alu_ri(g, X_SUB, 0, d, 1);
    } else { /* of 2t + 1, which is not zero */
        x86_rm(g, X_LEA | w, t, (X86Mem){ .base = (uint8_t)t, .index = (uint8_t)t, .disp = 1 });
        x86_rr(g, X_BSR | w, d, t);
        x86_alu_ri(g, X_XOR, 0, d, size - 1);
    }
}

static void emit_bswap(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned w = x_w(op->sz);
    int d = o[0].reg;

    if (!is_reg(&o[1], d)) {
        load_operand(g, w, d, &o[1]);
    }
    if (w || d >= 8) {
        x86_put8(g, 0x40u | (w ? 8 : 0) | (unsigned)d >> 3);
    }
    x86_put8(g, 0x0f);
    x86_put8(g, 0xc8u | (unsigned)(d & 7));
    if (op->opc == TCG_OP_bswap32 && w) {
        x86_shift_i(g, X_ROR, w, d, 32);
    } else if (op->opc == TCG_OP_bswap16) { /* MO_32 */
        x86_shift_i(g, X_ROR, w, d, 16);
    }
}

/* d = (d & mask) << n | d >> n & mask; t1, t2: scratch */
static void emit_swap_fields(X86Gen *g, unsigned w, int d, int n, uint64_t mask, int t1, int t2)
{
    x86_mov_ri(g, t2, w ? mask : (uint32_t)mask);
    x86_mov_rr(g, w, t1, d);
    x86_shift_i(g, X_SHR, w, t1, n);
    x86_alu_rr(g, X_AND, w, t1, t2);
    x86_alu_rr(g, X_AND, w, d, t2);
    x86_shift_i(g, X_SHL, w, d, n);
    x86_alu_rr(g, X_OR, w, d, t1);
}

static void emit_bswap16(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    if (op->sz == MO_32) {
        emit_bswap(g, op, o);
    } else {
        move_if(g, X_W, o[0].reg, o[1].reg);
        emit_swap_fields(g, X_W, o[0].reg, 8, UINT64_C(0x00ff00ff00ff00ff), o[2].reg, o[3].reg);
    }
}

static void emit_rbit(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned w = x_w(op->sz);
    int d = o[0].reg;

    emit_bswap(g, op, o);
    emit_swap_fields(g, w, d, 4, UINT64_C(0x0f0f0f0f0f0f0f0f), o[2].reg, o[3].reg);
    emit_swap_fields(g, w, d, 2, UINT64_C(0x3333333333333333), o[2].reg, o[3].reg);
    emit_swap_fields(g, w, d, 1, UINT64_C(0x5555555555555555), o[2].reg, o[3].reg);
}

/* SSE4.2's polynomial, imm 1; o[3]: scratch. The other one is evaluated (x86_gen_eval). */
static void emit_crc32(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    int d = o[0].reg, t = o[3].reg;

    x86_mov_rr(g, X_W, t, o[2].reg);
    x86_mov_rr(g, 0, d, o[1].reg);
    if (op->sz == MO_16) {
        x86_put8(g, 0x66);
    }
    x86_rr(g, op->sz == MO_8 ? X_CRC32_8 : X_CRC32 | x_w(op->sz), d, t);
}

/* ---- comparisons ---- */

static int host_cond(TCGCond cond)
{
    static const uint8_t cc[] = {
        X_E, X_NE, X_L, X_GE, X_LE, X_G, X_B, X_AE, X_BE, X_A, X_E, X_NE
    };

    return cc[cond];
}

static int emit_test_imm(X86Gen *g, unsigned w, TCGCond cond, const X86Operand *a, int64_t imm)
{
    uint64_t bits = w ? (uint64_t)imm : (uint32_t)imm;

    if (bits > INT32_MAX && power_of_two(bits)) {
        x86_ro(g, X_GRP8_I | w, 4, a);
        x86_put8(g, (unsigned)__builtin_ctzll(bits));
        return cond == TCG_COND_TSTEQ ? X_AE : X_B;
    }
    if (bits <= 0xff) {
        x86_ro(g, X_GRP3_8 | X_MB, 0, a);
        x86_put8(g, (unsigned)bits);
    } else {
        x86_ro(g, X_GRP3 | (bits > UINT32_MAX ? X_W : 0), 0, a);
        x86_put32(g, (uint32_t)bits);
    }
    return host_cond(cond);
}

int x86_emit_compare(X86Gen *g, int sz, TCGCond cond, const X86Operand *a, const X86Operand *b)
{
    unsigned w = x_w(sz);

    if (cond >= TCG_COND_TSTEQ) {
        if (b->kind == X86_IMM) {
            return emit_test_imm(g, w, cond, a, b->imm);
        }
        if (a->kind == X86_MEM) {
            x86_ro(g, X_TEST | w, b->reg, a);
        } else {
            x86_ro(g, X_TEST | w, a->reg, b);
        }
        return host_cond(cond);
    }
    if (b->kind == X86_IMM && (int32_t)b->imm == 0 && a->kind == X86_REG) {
        x86_rr(g, X_TEST | w, a->reg, a->reg);
    } else if (a->kind == X86_MEM && b->kind == X86_IMM) {
        x86_alu_mi(g, X_CMP, w, x86_env(a->disp), (int32_t)b->imm);
    } else if (a->kind == X86_MEM) {
        x86_ro(g, 0x39 | w, b->reg, a);
    } else {
        x86_alu_ro(g, X_CMP, w, a->reg, b);
    }
    return host_cond(cond);
}

static bool in_memory_only(const X86Gen *g, const TCGOp *op, int arg)
{
    const X86Temp *t = &g->t[op->arg[arg]];

    return t->reg == X86_NO_REG && t->in_mem && t->disp != X86_NO_DISP &&
           g->next[g->index][arg] == X86_NEXT_NONE;
}

void x86_compare_operands(X86Gen *g, const TCGOp *op, int first, X86Operand o[2])
{
    int a = op->arg[first], b = op->arg[first + 1];
    const TCGTemp *cb = x86_temp(g, b);
    bool test = (op->opc == TCG_OP_exit_cond || op->opc == TCG_OP_brcond ||
                 op->opc == TCG_OP_setcond || op->opc == TCG_OP_movcond) &&
                op->cond >= TCG_COND_TSTEQ;
    int64_t val = (int64_t)cb->val;

    for (int n = 0; n < 2; n++) {
        int reg = g->t[op->arg[first + n]].reg;

        if (reg != X86_NO_REG) {
            g->locked |= X86_MASK(reg);
        }
    }
    if (cb->kind == TEMP_CONST && (op->sz != MO_64 || val == (int32_t)val ||
                                   (test && (power_of_two(cb->val) || cb->val <= UINT32_MAX)))) {
        o[1] = (X86Operand){ .kind = X86_IMM, .imm = val };
    } else if (in_memory_only(g, op, first + 1)) {
        o[1] = (X86Operand){ .kind = X86_MEM, .disp = g->t[b].disp };
    } else {
        o[1] = (X86Operand){ .kind = X86_REG, .reg = (uint8_t)x86_temp_reg(g, b, X86_INT_MASK) };
        g->locked |= X86_MASK(o[1].reg);
    }
    if (o[1].kind != X86_MEM && a != b && in_memory_only(g, op, first) &&
        x86_temp(g, a)->kind != TEMP_CONST) {
        o[0] = (X86Operand){ .kind = X86_MEM, .disp = g->t[a].disp };
    } else {
        o[0] = (X86Operand){ .kind = X86_REG, .reg = (uint8_t)x86_temp_reg(g, a, X86_INT_MASK) };
        g->locked |= X86_MASK(o[0].reg);
    }
}

static void emit_setcond(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    X86Operand a = o[1], b = o[2];
    int cc = x86_emit_compare(g, op->sz, (TCGCond)op->cond, &a, &b), d = o[0].reg;

    x86_rr(g, (unsigned)(X_SETCC + cc), 0, d);
    x86_rr(g, X_MOVZX8 | X_MB, d, d);
}

/* o: d, a, b, e, f */
static void emit_movcond(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    int cc = x86_emit_compare(g, op->sz, (TCGCond)op->cond, &o[1], &o[2]);
    int d = o[0].reg, e = o[3].reg, f = o[4].reg;

    if (d == e) {
        x86_rr(g, (unsigned)(X_CMOV + (cc ^ 1)) | X_W, d, f);
        return;
    }
    move_if(g, X_W, d, f);
    x86_rr(g, (unsigned)(X_CMOV + cc) | X_W, d, e);
}

/* ---- arithmetic with flags ---- */

static void emit_add_cc(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned w = x_w(op->sz);
    int d = o[0].reg;

    x86_flags_set(g, X86_FL_CARRY);
    if (is_reg(&o[3], d)) {
        x86_alu_rr(g, X_ADD, w, d, o[2].reg);
    } else {
        move_if(g, w, d, o[2].reg);
        x86_alu_ro(g, X_ADD, w, d, &o[3]);
    }
}

static void emit_sub_cc(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned w = x_w(op->sz);

    x86_flags_set(g, X86_FL_BORROW);
    if (op->life & 1) {
        x86_emit_compare(g, op->sz, TCG_COND_GEU, &o[2], &o[3]);
    } else {
        move_if(g, w, o[0].reg, o[2].reg);
        x86_alu_ro(g, X_SUB, w, o[0].reg, &o[3]);
    }
}

static void emit_and_cc(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned w = x_w(op->sz);
    int d = o[0].reg;
    X86Operand b = o[3];

    x86_flags_set(g, X86_FL_CARRY);
    if (op->life & 1) {
        if (b.kind == X86_IMM) { /* the full width: N is the top bit */
            x86_rr(g, X_GRP3 | w, 0, o[2].reg);
            x86_put32(g, (uint32_t)b.imm);
        } else {
            x86_ro(g, X_TEST | w, o[2].reg, &b);
        }
    } else if (is_reg(&b, d)) {
        x86_alu_rr(g, X_AND, w, d, o[2].reg);
    } else {
        move_if(g, w, d, o[2].reg);
        x86_alu_ro(g, X_AND, w, d, &b);
    }
}

/* adc, sbc and their _cc forms; CF is set up. */
static void emit_carry(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    unsigned w = x_w(op->sz);
    bool cc = op->opc == TCG_OP_adc_cc || op->opc == TCG_OP_sbc_cc;
    int alu = op->opc == TCG_OP_adc || op->opc == TCG_OP_adc_cc ? X_ADC : X_SBB;
    const X86Operand *in = o + 1 + cc;

    if (cc) {
        x86_flags_set(g, alu == X_ADC ? X86_FL_CARRY : X86_FL_BORROW);
    }
    move_if(g, w, o[0].reg, in[0].reg);
    x86_alu_ro(g, alu, w, o[0].reg, &in[1]);
}

/* ---- between the register files ---- */

static void emit_env_addr(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    x86_rm(g, X_LEA | X_W, o[0].reg, x86_env(x86_env_disp(op->imm)));
}

static void rule(int opc, X86EmitFn *emit, unsigned flags, int iscratch)
{
    x86_rules[opc] = (X86OpRule){ .emit = emit, .flags = flags, .iscratch = (uint8_t)iscratch };
}

static void shift_rules(void)
{
    unsigned flags = X86R_IMM_LAST | X86R_FLAGS;

    for (int opc = TCG_OP_shl; opc <= TCG_OP_rotr; opc++) {
        if (x86_has(X86_BMI2) && opc != TCG_OP_rotr) {
            rule(opc, emit_shift_bmi2, flags, 0);
        } else {
            rule(opc, emit_shift_cl, flags, 0);
            x86_rules[opc].fix_in[1] = X86R_IN(RCX);
        }
    }
}

static void mul_div_rules(void)
{
    rule(TCG_OP_mul, emit_mul, X86R_COMM | X86R_IMM_LAST | X86R_MEM_LAST | X86R_FLAGS, 0);
    if (x86_has(X86_BMI2)) {
        rule(TCG_OP_muluh, emit_muluh_bmi2, X86R_MEM_LAST | X86R_COMM, 0);
        x86_rules[TCG_OP_muluh].fix_in[0] = X86R_IN(RDX);
    } else {
        rule(TCG_OP_muluh, emit_mulh, X86R_FLAGS | X86R_MEM_LAST, 0);
    }
    rule(TCG_OP_mulsh, emit_mulh, X86R_FLAGS | X86R_MEM_LAST, 0);
    for (int opc = TCG_OP_divs; opc <= TCG_OP_remu; opc++) {
        rule(opc, emit_div, X86R_FLAGS, 0);
    }
    for (int opc = TCG_OP_mulsh; opc <= TCG_OP_remu; opc++) {
        if (x86_rules[opc].emit != emit_muluh_bmi2) {
            bool low = opc == TCG_OP_divs || opc == TCG_OP_divu;

            x86_rules[opc].fix_in[0] = X86R_IN(RAX);
            x86_rules[opc].fix_out = low ? X86R_IN(RAX) : X86R_IN(RDX);
            x86_rules[opc].clobber = 1 << RAX | 1 << RDX;
        }
    }
}

static void field_rules(void)
{
    unsigned flags = X86R_MEM_ANY | X86R_FLAGS;

    rule(TCG_OP_extract, emit_extract, flags, 0);
    rule(TCG_OP_sextract, emit_sextract, flags, 0);
    rule(TCG_OP_depositz, emit_depositz, flags, 0);
    rule(TCG_OP_sdepositz, emit_sdepositz, flags, 0);
    rule(TCG_OP_deposit, emit_deposit, X86R_NOT_IN1 | X86R_FLAGS, 1);
    rule(TCG_OP_extr, emit_extr, X86R_FLAGS, 0);
}

static void count_rules(void)
{
    if (x86_has(X86_LZCNT)) {
        rule(TCG_OP_clz, emit_count, X86R_MEM_ANY | X86R_FLAGS, 0);
    } else {
        rule(TCG_OP_clz, emit_count_bs, X86R_MEM_ANY | X86R_FLAGS, 1);
    }
    if (x86_has(X86_BMI1)) {
        rule(TCG_OP_ctz, emit_count, X86R_MEM_ANY | X86R_FLAGS, 0);
    } else {
        rule(TCG_OP_ctz, emit_count_bs, X86R_MEM_ANY | X86R_FLAGS, 1);
    }
    if (x86_has(X86_POPCNT)) {
        rule(TCG_OP_popcnt, emit_count, X86R_MEM_ANY | X86R_FLAGS, 0);
    }
    rule(TCG_OP_cls, emit_cls, X86R_FLAGS, 1);
    rule(TCG_OP_bswap, emit_bswap, X86R_MEM_ANY, 0);
    rule(TCG_OP_bswap32, emit_bswap, X86R_MEM_ANY | X86R_FLAGS, 0);
    rule(TCG_OP_bswap16, emit_bswap16, X86R_FLAGS, 2);
    rule(TCG_OP_rbit, emit_rbit, X86R_FLAGS, 2);
    rule(TCG_OP_crc32, emit_crc32, 0, 1);
}

void x86_int_rules_init(void)
{
    unsigned alu = X86R_IMM_LAST | X86R_MEM_LAST | X86R_FLAGS;

    rule(TCG_OP_mov, emit_mov, X86R_MEM_ANY | X86R_IMM_ANY, 0);
    rule(TCG_OP_add, emit_add, alu | X86R_COMM, 0);
    rule(TCG_OP_sub, emit_sub, alu | X86R_IMM_FIRST, 0);
    rule(TCG_OP_neg, emit_unary, X86R_MEM_ANY | X86R_FLAGS, 0);
    rule(TCG_OP_not, emit_unary, X86R_MEM_ANY, 0);
    for (int opc = TCG_OP_and; opc <= TCG_OP_xor; opc++) {
        rule(opc, emit_logic, alu | X86R_COMM | X86R_IMM_BIT, 0);
    }
    for (int opc = TCG_OP_andc; opc <= TCG_OP_eqv; opc++) {
        rule(opc, emit_logic_not, X86R_FLAGS, 1);
    }
    if (x86_has(X86_BMI1)) {
        rule(TCG_OP_andc, emit_andn, X86R_FLAGS, 0);
    }
    shift_rules();
    mul_div_rules();
    field_rules();
    count_rules();
    rule(TCG_OP_setcond, emit_setcond, alu | X86R_IMM_1, 0);
    rule(TCG_OP_movcond, emit_movcond, X86R_IMM_1 | X86R_FLAGS, 0);
    alu |= X86R_CC_OUT;
    rule(TCG_OP_add_cc, emit_add_cc, alu | X86R_COMM, 0);
    rule(TCG_OP_sub_cc, emit_sub_cc, alu | X86R_OUT_OPT | X86R_NOT_IN1, 0);
    rule(TCG_OP_and_cc, emit_and_cc, alu | X86R_COMM | X86R_OUT_OPT, 0);
    alu = X86R_IMM_1 | X86R_MEM_1 | X86R_FLAGS | X86R_NOT_IN1;
    rule(TCG_OP_adc, emit_carry, alu | X86R_CC_ADC, 0);
    rule(TCG_OP_adc_cc, emit_carry, alu | X86R_CC_ADC | X86R_CC_OUT, 0);
    rule(TCG_OP_sbc, emit_carry, alu | X86R_CC_SBB, 0);
    rule(TCG_OP_sbc_cc, emit_carry, alu | X86R_CC_SBB | X86R_CC_OUT, 0);
    rule(TCG_OP_env_addr, emit_env_addr, 0, 0);
}
