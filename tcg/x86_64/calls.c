/* SPDX-License-Identifier: MIT */
/*
 * Calls of C functions from blocks: helpers, evaluators of ops without host code, and the slow path
 * of floating ops. The code around the function (saving pinned registers) is the prologue's.
 */
#include "tcg/x86_64/asm.h"

/* ---- arguments ---- */

static bool dying_arg(X86Gen *g, const TCGOp *op, int first, int n, int temp)
{
    if (x86_temp(g, temp)->kind != TEMP_EBB) {
        return false;
    }
    for (int i = first; i < first + n; i++) {
        if (op->arg[i] == temp && x86_arg_dies(op, i)) {
            return true;
        }
    }
    return false;
}

/* The parallel move dst[i] = src[i]; destroys src[]. */
static void move_parallel(X86Gen *g, const uint8_t *dst, uint8_t *src, int n)
{
    for (int left = n; left > 0;) {
        bool progress = false;

        left = 0;
        for (int i = 0; i < n; i++) {
            bool blocked = false;

            if (src[i] == X86_NO_REG || src[i] == dst[i]) {
                continue;
            }
            for (int j = 0; j < n; j++) {
                blocked |= j != i && src[j] == dst[i];
            }
            if (!blocked) {
                x86_move(g, dst[i], src[i]);
                src[i] = X86_NO_REG;
                progress = true;
            } else {
                left++;
            }
        }
        if (left && !progress) { /* only cycles are left: exchange one pair */
            for (int i = 0; i < n; i++) {
                if (src[i] != X86_NO_REG && src[i] != dst[i]) {
                    int d = dst[i], s = src[i];

                    x86_rr(g, X_XCHG | X_W, d, s);
                    for (int j = 0; j < n; j++) {
                        if (src[j] == d || src[j] == s) {
                            src[j] = (uint8_t)(src[j] == d ? s : d);
                        }
                    }
                    break;
                }
            }
        }
    }
}

void x86_place_args(X86Gen *g, const TCGOp *op, int first, const uint8_t *dst, int n)
{
    uint8_t src[TCG_MAX_ARGS];
    bool in_reg[TCG_MAX_ARGS];

    for (X86RegMask m = x86_layout.alloc & ~g->free; m; m &= m - 1) {
        int reg = __builtin_ctzll(m), temp = g->holder[reg];

        if (temp != TCG_NONE && !dying_arg(g, op, first, n, temp)) {
            x86_reg_sync(g, reg);
        }
    }
    for (int i = 0; i < n; i++) {
        src[i] = g->t[op->arg[first + i]].reg;
        in_reg[i] = src[i] != X86_NO_REG;
    }
    move_parallel(g, dst, src, n);
    x86_drop_all(g);
    for (int i = 0; i < n; i++) {
        if (!in_reg[i]) {
            x86_temp_copy(g, op->arg[first + i], dst[i]);
        }
    }
}

/* ---- helpers ---- */

static void emit_call(X86Gen *g, const void *func, const uint8_t *thunk)
{
    x86_mov_ptr(g, RAX, func, MOVE_HOST, 0);
    x86_jump_to(g, 0xe8, thunk);
}

void x86_gen_call(X86Gen *g, const TCGOp *op)
{
    static const uint8_t dst[6] = { RDI, RSI, RDX, RCX, R8, R9 };
    const TCGHelperInfo *info = (const TCGHelperInfo *)(uintptr_t)op->imm;
    bool no_write = info->flags & (TCG_CALL_NO_WG | TCG_CALL_NO_SE);
    bool pure = no_write && (info->flags & TCG_CALL_NO_RG), many = op->sz > 4;
    const uint8_t *const *thunk = x86_layout.call_full;

    if (pure) {
        thunk = info->flags & TCG_CALL_NO_VEC ? x86_layout.call_novec : x86_layout.call_pure;
    } else if (no_write) {
        thunk = x86_layout.call_read;
    }
    x86_flags_clobber(g);
    if (many) {
        for (int reg = R8; reg <= R9; reg++) {
            int temp = x86_layout.pinned[reg];

            if (temp != TCG_NONE) {
                x86_store(g, reg, TCG_TYPE_I64, x86_layout.globals[temp].disp);
            }
        }
    }
    x86_place_args(g, op, 1, dst, op->sz);
    if (!(info->flags & (TCG_CALL_NO_RG | TCG_CALL_NO_WG | TCG_CALL_NO_SE))) {
        x86_store_pc(g, g->pc);
    }
    emit_call(g, info->func, thunk[many]);
    x86_mark_call(g);
    if (!no_write) {
        g->movi_reg = -1;
    }
    x86_inputs_done(g, op, 1, op->sz);
    if (op->arg[0] != TCG_NONE) {
        x86_output(g, op, 0, RAX);
    }
}

/* ---- evaluators ---- */

static void mov_kept_op(X86Gen *g, int reg, const TCGOp *op)
{
    int index;
    const TCGOp *copy = x86_keep_op(g, op, &index);

    x86_mov_ptr(g, reg, copy, MOVE_OP, index);
}

static TCGEvalFn *evaluator(const TCGOp *op)
{
    TCGEvalFn *fn = tcg_eval_fn[op->opc];

    if (!fn) {
        g_error("not implemented: op %s on this host", tcg_op_defs[op->opc].name);
    }
    return fn;
}

static void store_imm(X86Gen *g, int32_t disp, uint64_t val)
{
    x86_mov_mi(g, MO_32, 0, x86_env(disp), (int32_t)val);
    x86_mov_mi(g, MO_32, 0, x86_env(disp + 4), (int32_t)(val >> 32));
}

static void store_eval_arg(X86Gen *g, int temp, int32_t disp)
{
    const X86Temp *t = &g->t[temp];
    const TCGTemp *tt = x86_temp(g, temp);
    bool vec = tt->type == TCG_TYPE_F64 || tt->type == TCG_TYPE_V128;

    if (tt->kind == TEMP_CONST) {
        store_imm(g, disp, tt->val);
        if (vec) {
            store_imm(g, disp + 8, tt->val2);
        }
    } else if (t->reg != X86_NO_REG) {
        x86_store(g, t->reg, tt->type, disp);
    } else if (tt->kind == TEMP_PC) {
        x86_mov_pc(g, RAX, tt->val);
        x86_store(g, RAX, tt->type, disp);
    } else if (t->disp !=
               X86_NO_DISP) { /* every value is in memory or in a register: these are free now */
        int scratch = vec ? X86_VREG0 : RAX;

        x86_load(g, scratch, tt->type, t->disp);
        x86_store(g, scratch, tt->type, disp);
    }
}

void x86_gen_eval(X86Gen *g, const TCGOp *op)
{
    const TCGOpDef *d = &tcg_op_defs[op->opc];
    int nb_out = d->nb_out, nb_in = d->nb_in;

    x86_flags_clobber(g);
    for (X86RegMask m = x86_layout.alloc & ~g->free; m; m &= m - 1) {
        x86_reg_sync(g, __builtin_ctzll(m));
    }
    for (int pass = 0; pass < 2; pass++) { /* registers first */
        for (int n = nb_out; n < nb_out + nb_in; n++) {
            int temp = op->arg[n];

            if (temp != TCG_NONE && (g->t[temp].reg == X86_NO_REG) == pass) {
                store_eval_arg(g, temp, x86_arg_disp(n));
            }
        }
    }
    x86_drop_all(g);
    mov_kept_op(g, RDI, op);
    x86_rm(g, X_LEA | X_W, RSI, x86_env(x86_arg_disp(0)));
    x86_rm(g, X_LEA | X_W, RDX, x86_env(x86_env_disp(0)));
    emit_call(g, (const void *)(uintptr_t)evaluator(op), x86_layout.call_pure[0]);
    x86_inputs_done(g, op, nb_out, nb_in);
    for (int n = 0; n < nb_out; n++) {
        int type = x86_temp(g, op->arg[n])->type;
        bool vec = type == TCG_TYPE_F64 || type == TCG_TYPE_V128;
        int reg = x86_reg_alloc(g, vec ? X86_VEC_MASK : X86_INT_MASK, 0);

        x86_load(g, reg, type, x86_arg_disp(n));
        x86_output(g, op, n, reg);
    }
}

/* ---- slow paths ---- */

static void copy_mem(X86Gen *g, int32_t to, int32_t from)
{
    for (int i = 0; i < 16; i += 8) {
        x86_rm(g, X_MOV_LOAD | X_W, RAX, x86_env(from + i));
        x86_rm(g, X_MOV_STORE | X_W, RAX, x86_env(to + i));
    }
}

/* EFLAGS in the form of a host comparison from the packed result of fcmp; uses RAX. */
static void unpack_fcmp(X86Gen *g, int32_t disp, X86FlagsForm form)
{
    static const struct {
        uint32_t bit;
        uint8_t ah[2];
    } cases[] = {
        { TCG_CCR_V, { 0x45, 0x45 } }, /* unordered: ZF PF CF */
        { TCG_CCR_Z, { 0x40, 0x40 } },
        { TCG_CCR_N, { 0x01, 0x00 } },
        { 0, { 0x00, 0x01 } },
    };
    uint8_t *done[3];

    for (int i = 0; i < 4; i++) {
        uint8_t *next = NULL;

        if (i < 3) {
            x86_rm(g, X_GRP3, 0, x86_env(disp));
            x86_put32(g, cases[i].bit);
            next = x86_jcc8(g, X_E);
        }
        x86_mov_ri(g, RAX, (uint64_t)cases[i].ah[form == X86_FL_FCMP_SWAP] << 8);
        if (i < 3) {
            done[i] = x86_jmp8(g);
            x86_bind8(g, next);
        }
    }
    for (int i = 0; i < 3; i++) {
        x86_bind8(g, done[i]);
    }
    x86_put8(g, X_SAHF);
}

static void ool_slow_path(X86Gen *g, X86Ool *ool)
{
    const TCGOp *op = ool->op;
    const TCGOpDef *d = &tcg_op_defs[op->opc];
    int nb_out = d->nb_out;

    x86_put8(g, 0x50 | RAX);
    for (int n = nb_out; n < nb_out + d->nb_in; n++) {
        const X86Operand *o = &ool->o[n];
        bool vec = d->in[n - nb_out] == 'f' || d->in[n - nb_out] == 'v';

        if (o->kind == X86_IMM) {
            store_imm(g, x86_arg_disp(n), (uint64_t)o->imm);
        } else if (o->kind == X86_REG) {
            x86_store(g, o->reg + (vec ? X86_VREG0 : 0), TCG_TYPE_I64, x86_arg_disp(n));
        }
    }
    for (int n = nb_out; n < nb_out + d->nb_in; n++) {
        if (ool->o[n].kind == X86_MEM) { /* RAX has been stored if it is an input */
            copy_mem(g, x86_arg_disp(n), ool->o[n].disp);
        }
    }
    mov_kept_op(g, RAX, op);
    x86_put8(g, 0x50 | RAX);
    emit_call(g, (const void *)(uintptr_t)evaluator(op), x86_layout.call_slow);
    x86_rm(g, X_LEA | X_W, RSP, x86_at(RSP, 8));
    for (int n = 0; n < nb_out; n++) {
        if (d->out[n] == 'c') {
            unpack_fcmp(g, x86_arg_disp(n), (X86FlagsForm)ool->arg);
        } else if (d->out[n] == 'f' && ool->zero_above) {
            x86_vload(g, 0, ool->o[n].reg, MO_64, x86_env(x86_arg_disp(n)));
        } else if (d->out[n] == 'f' || d->out[n] == 'v') {
            x86_load(g, ool->o[n].reg + X86_VREG0, TCG_TYPE_V128, x86_arg_disp(n));
        } else if (ool->o[n].reg != RAX) {
            x86_load(g, ool->o[n].reg, TCG_TYPE_I64, x86_arg_disp(n));
        }
    }
    x86_put8(g, 0x58 | RAX);
    for (int n = 0; n < nb_out; n++) {
        if (d->out[n] == 'i' && ool->o[n].reg == RAX) {
            x86_load(g, RAX, TCG_TYPE_I64, x86_arg_disp(n));
        }
    }
    x86_jmp_local(g, ool->local);
}

/* The way back is a local label, bound when the emitter returns. */
void x86_slow_path(X86Gen *g, unsigned x86_cc, const TCGOp *op, const X86Operand *o)
{
    const TCGOpDef *d = &tcg_op_defs[op->opc];
    int nb = d->nb_out + d->nb_in;
    X86Ool *ool;

    if (g->nb_o_pool + nb > (int)G_N_ELEMENTS(g->o_pool)) {
        g->error = TCG_GEN_TOO_LARGE;
        return;
    }
    if (g->slow_local < 0) {
        g->slow_local = x86_new_local(g);
    }
    ool = x86_new_ool(g, ool_slow_path, x86_jump_later(g, (int)x86_cc));
    ool->op = &g->s->ops[g->index]; /* op may be a changed copy of it */
    ool->zero_above = g->zero_above;
    ool->o = memcpy(&g->o_pool[g->nb_o_pool], o, (size_t)nb * sizeof(*o));
    g->nb_o_pool += nb;
    ool->arg = g->flags_new;
    ool->local = g->slow_local;
}
