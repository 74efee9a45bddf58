/* SPDX-License-Identifier: MIT */
/*
 * Guest memory in system mode: the software TLB's probe, in line, and the way to its slow path.
 *
 *   lea   u, [base + index + disp]       left out when that is a register
 *   rorx  t, u, 7                        page number * sizeof(TLBEntry)
 *   and   t, [tlb[mode].mask]
 *   add   t, [tlb[mode].table]
 *   add   u, size - 1
 *   and   u, -4096                       the page of the last byte
 *   cmp   u, [t + cmp[access]]
 *   jne   slow
 *   mov   t, [t + addend]
 *
 * The entry is that of the first byte's page, the comparison is with the last one's: an access that
 * crosses pages never matches, because neighbours have different entries. Atomics keep the low bits
 * of the address instead, so that they match only when aligned.
 *
 * No host instruction here faults for the guest. The slow path finds operands in the evaluator's
 * argument array, does the access by softmmu_run_op, and comes back behind the op, or leaves the
 * block with the state that the side table describes for its call.
 */
#include "exec/softmmu.h"
#include "tcg/x86_64/asm.h"

enum { ENTRY_LOG = 5 };
G_STATIC_ASSERT(sizeof(TLBEntry) == 1 << ENTRY_LOG);

static int32_t desc_disp(unsigned memop, size_t field)
{
    return x86_env_disp(
        (int64_t)(offsetof(CPUState, tlb) + MO_GET_MODE(memop) * sizeof(TLBDesc) + field));
}

static bool is_atomic(const TCGOp *op)
{
    return op->opc == TCG_OP_atomic_rmw || op->opc == TCG_OP_atomic_cas ||
           op->opc == TCG_OP_atomic_cas128;
}

static bool is_pair(const TCGOp *op)
{
    return op->opc == TCG_OP_ld2 || op->opc == TCG_OP_st2 || op->opc == TCG_OP_ldv2 ||
           op->opc == TCG_OP_stv2;
}

static bool is_load(const TCGOp *op)
{
    return op->opc == TCG_OP_ld || op->opc == TCG_OP_ldv || op->opc == TCG_OP_ld2 ||
           op->opc == TCG_OP_ldv2;
}

static unsigned size_log2(const TCGOp *op)
{
    return op->opc == TCG_OP_atomic_cas128 ? MO_128 : (op->memop & MO_SIZE) + is_pair(op);
}

static int32_t cmp_disp(const TCGOp *op)
{
    MMUAccess access = is_load(op) ? MMU_LOAD : MMU_STORE;

    return (int32_t)(offsetof(TLBEntry, cmp) + access * sizeof(uint64_t));
}

/* ---- the slow path ---- */

static void store_imm(X86Gen *g, int32_t disp, uint64_t val)
{
    x86_mov_mi(g, MO_32, 0, x86_env(disp), (int32_t)val);
    x86_mov_mi(g, MO_32, 0, x86_env(disp + 4), (int32_t)(val >> 32));
}

static void emit_slow_call(X86Gen *g, const X86Ool *ool)
{
    int index;
    const TCGOp *op = x86_keep_op(g, ool->op, &index);

    x86_mov_ptr(g, ool->arg, op, MOVE_OP, index);
    x86_push_pop(g, true, ool->arg);
    x86_jump_to(g, 0xe8, x86_layout.call_mmu);
    x86_mark_ool_call(g, ool->pc, &g->dirty_pool[ool->dirty], ool->nb_dirty);
    x86_rm(g, X_LEA | X_W, RSP, x86_at(RSP, 8));
}

/* ool->arg: a scratch register */
static void ool_access(X86Gen *g, X86Ool *ool)
{
    const TCGOp *op = ool->op;
    const TCGOpDef *d = &tcg_op_defs[op->opc];
    int nb_out = d->nb_out;

    for (int n = nb_out; n < nb_out + d->nb_in; n++) {
        const X86Operand *o = &ool->o[n];
        bool vec = d->in[n - nb_out] == 'v';

        if (o->kind == X86_IMM) {
            store_imm(g, x86_arg_disp(n), (uint64_t)o->imm);
        } else if (o->reg != X86_NO_REG) {
            x86_store(g, o->reg + (vec ? X86_VREG0 : 0), TCG_TYPE_I64, x86_arg_disp(n));
        }
    }
    emit_slow_call(g, ool);
    for (int n = 0; n < nb_out; n++) {
        if (x86_arg_dies(op, n)) {
            continue;
        }
        if (ool->zero_above) { /* a broadcast */
            x86_vbroadcast(g, 0, ool->o[n].reg, op->memop & MO_SIZE, x86_env(x86_arg_disp(n)));
        } else {
            x86_load(g, ool->o[n].reg + (d->out[n] == 'v' ? X86_VREG0 : 0), TCG_TYPE_I64,
                     x86_arg_disp(n));
        }
    }
    x86_jmp_local(g, ool->local);
}

static void ool_cas128(X86Gen *g, X86Ool *ool)
{
    emit_slow_call(g, ool);
    x86_load(g, RAX, TCG_TYPE_I64, x86_arg_disp(0));
    x86_load(g, RDX, TCG_TYPE_I64, x86_arg_disp(1));
    x86_jmp_local(g, ool->local);
}

/* jne to it; t is free there */
static X86Ool *slow_path(X86Gen *g, X86OolFn *fn, int t)
{
    X86Dirty *dirty = &g->dirty_pool[g->nb_dirty_pool];
    X86Ool *ool;

    if (g->nb_dirty_pool + X86_NB_REGS + 1 > (int)G_N_ELEMENTS(g->dirty_pool)) {
        g->error = TCG_GEN_TOO_LARGE;
        g->nb_dirty_pool = 0;
        dirty = g->dirty_pool;
    }
    if (g->slow_local < 0) {
        g->slow_local = x86_new_local(g);
    }
    ool = x86_new_ool(g, fn, x86_jump_later(g, X_NE));
    ool->op = &g->s->ops[g->index];
    ool->arg = t;
    ool->pc = g->pc;
    ool->local = g->slow_local;
    ool->dirty = (uint16_t)g->nb_dirty_pool;
    ool->nb_dirty = (uint16_t)x86_dirty_list(g, dirty, false);
    g->nb_dirty_pool += ool->nb_dirty;
    return ool;
}

static void access_slow_path(X86Gen *g, const TCGOp *op, const X86Operand *o, int t)
{
    const TCGOpDef *d = &tcg_op_defs[op->opc];
    int nb = d->nb_out + d->nb_in;
    X86Ool *ool = slow_path(g, ool_access, t);

    if (g->nb_o_pool + nb > (int)G_N_ELEMENTS(g->o_pool)) {
        g->error = TCG_GEN_TOO_LARGE;
        g->nb_o_pool = 0;
    }
    ool->zero_above = g->broadcast;
    ool->o = memcpy(&g->o_pool[g->nb_o_pool], o, (size_t)nb * sizeof(*o));
    g->nb_o_pool += nb;
}

/* ---- pairs: two accesses of one guest instruction, side by side, share a probe ---- */

static bool side_by_side(const TCGOp *a, const TCGOp *b)
{
    return a->opc == b->opc && a->memop == b->memop &&
           !(a->memop & (MO_ACQUIRE | MO_RELEASE | MO_BSWAP | MO_PAIR)) &&
           (a->memop & MO_SIZE) >= MO_32 && a->arg[1] == b->arg[1] && a->arg[2] == TCG_NONE &&
           b->arg[2] == TCG_NONE && b->imm == a->imm + (1 << (a->memop & MO_SIZE)) &&
           a->imm == (int32_t)a->imm && b->imm == (int32_t)b->imm;
}

void x86_softmmu_pairs(TCGContext *s)
{
    static const uint8_t both[TCG_OP_COUNT] = {
        [TCG_OP_ld] = TCG_OP_ld2,
        [TCG_OP_st] = TCG_OP_st2,
        [TCG_OP_ldv] = TCG_OP_ldv2,
        [TCG_OP_stv] = TCG_OP_stv2,
    };

    for (int i = 0; i + 1 < s->nb_ops; i++) {
        TCGOp *a = &s->ops[i], *b = a + 1;
        bool load = is_load(a);

        if (!both[a->opc] || !side_by_side(a, b) ||
            (load && (a->arg[0] == a->arg[1] || a->arg[0] == b->arg[0]))) {
            continue;
        }
        a->opc = both[a->opc];
        a->arg[2] = b->arg[1];
        a->arg[1] = b->arg[0];
        a->arg[3] = TCG_NONE;
        /* arg 0 of both, then the base; what both store dies once */
        a->life = (uint16_t)((a->life & 1) | (b->life & 1) << 1 | (b->life & 2) << 1);
        b->opc = TCG_OP_nop;
        i++;
    }
}

/* ---- the probe ---- */

/* t = the entry of the address in `from` */
static void emit_entry(X86Gen *g, const TCGOp *op, int t, int from)
{
    int shift = TLB_PAGE_BITS - ENTRY_LOG;

    if (x86_has(X86_BMI2)) {
        x86_vex_rr(g, X_RORX | X_W, t, -1, from);
        x86_put8(g, (unsigned)shift);
    } else {
        x86_mov_rr(g, X_W, t, from);
        x86_shift_i(g, X_SHR, X_W, t, shift);
    }
    x86_rm(g, (X_AND * 8 + 3) | X_W, t, x86_env(desc_disp(op->memop, offsetof(TLBDesc, mask))));
    x86_rm(g, (X_ADD * 8 + 3) | X_W, t, x86_env(desc_disp(op->memop, offsetof(TLBDesc, table))));
}

/* Compares the page of the address in `from`, which may be u, with the entry t. */
static void emit_compare(X86Gen *g, const TCGOp *op, int t, int u, int from)
{
    int32_t size = 1 << size_log2(op);
    int32_t mask = -TLB_PAGE_SIZE;

    if (is_atomic(op)) {
        mask |= size - 1;
        size = 1;
    }
    if (from == u) {
        if (size > 1) {
            x86_alu_ri(g, X_ADD, X_W, u, size - 1);
        }
    } else if (size > 1) {
        x86_rm(g, X_LEA | X_W, u, x86_at(from, size - 1));
    } else {
        x86_mov_rr(g, X_W, u, from);
    }
    x86_alu_ri(g, X_AND, X_W, u, mask);
    x86_rm(g, (X_CMP * 8 + 3) | X_W, u, x86_at(t, cmp_disp(op)));
}

/* An index or displacement that the host's addressing has not got: the whole address in a register.
 */
static int odd_address(X86Gen *g, const TCGOp *op, X86Mem m)
{
    int a = x86_reg_alloc(g, X86_INT_MASK, 0);

    g->locked |= X86_MASK(a);
    x86_mov_ri(g, a, (uint64_t)op->imm);
    if (m.index != X86_NO_REG) {
        for (int i = 0; i < 2; i++) { /* index * 16 */
            uint8_t shift = m.shift > 3 ? 3 : i ? X86_NO_REG : m.shift;

            if (shift != X86_NO_REG) {
                x86_rm(g, X_LEA | X_W, a,
                       (X86Mem){ .base = (uint8_t)a, .index = m.index, .shift = shift });
            }
        }
    }
    x86_alu_rr(g, X_ADD, X_W, a, m.base);
    return a;
}

X86Mem x86_softmmu_address_in(X86Gen *g, const TCGOp *op, const X86Operand *o, int first, int t,
                              int u)
{
    X86Mem m = x86_at(o[first].reg, 0);
    int from = u;

    if (!is_atomic(op)) {
        m.index = o[first + 1].reg;
        m.shift = m.index == X86_NO_REG ? 0 : MO_GET_SHIFT(op->memop);
        m.disp = (int32_t)op->imm;
        if (m.shift > 3 || m.disp != op->imm) {
            m = x86_at(odd_address(g, op, m), 0);
        }
    }
    if (m.index == X86_NO_REG && m.disp == 0) {
        from = m.base;
    } else {
        x86_rm(g, X_LEA | X_W, u, m);
    }
    emit_entry(g, op, t, from);
    emit_compare(g, op, t, u, from);
    access_slow_path(g, op, o, t);
    x86_rm(g, X_MOV_LOAD | X_W, t, x86_at(t, offsetof(TLBEntry, addend)));
    g->probe_tmp = u;
    if (m.index == X86_NO_REG) {
        m.index = (uint8_t)t;
    } else {
        x86_alu_rr(g, X_ADD, X_W, t, m.base);
        m.base = (uint8_t)t;
    }
    return m;
}

X86Mem x86_softmmu_address(X86Gen *g, const TCGOp *op, const X86Operand *o, int first)
{
    int t = x86_reg_alloc(g, X86_INT_MASK, 0), u;

    g->locked |= X86_MASK(t);
    u = x86_reg_alloc(g, X86_INT_MASK, 0);
    g->locked |= X86_MASK(u);
    return x86_softmmu_address_in(g, op, o, first, t, u);
}

void x86_softmmu_cas128(X86Gen *g, const TCGOp *op)
{
    static const uint8_t regs[5] = { RDI, RAX, RDX, RSI, RCX };

    for (int n = 0; n < 5; n++) {
        x86_store(g, regs[n], TCG_TYPE_I64, x86_arg_disp(2 + n));
    }
    emit_entry(g, op, RSI, RDI);
    emit_compare(g, op, RSI, RCX, RDI);
    g->slow_local = -1;
    slow_path(g, ool_cas128, RSI);
    x86_rm(g, (X_ADD * 8 + 3) | X_W, RDI, x86_at(RSI, offsetof(TLBEntry, addend)));
    x86_load(g, RSI, TCG_TYPE_I64, x86_arg_disp(5));
    x86_load(g, RCX, TCG_TYPE_I64, x86_arg_disp(6));
}

/* ---- from the thunk to C ---- */

static uint64_t slow_access(const X86SlowFrame *frame, TCGValue *args, CPUState *cpu)
{
    bool done;

    cpu->slow_frame = frame;
    done = softmmu_run_op(frame->op, args, cpu);
    cpu->slow_frame = NULL;
    return done;
}

void tcg_backend_sync(CPUState *cpu)
{
    const X86SlowFrame *frame = cpu->slow_frame;

    if (frame) {
        const TranslationBlock *tb = tb_find_by_host_pc(frame->ret);
        bool known = tb && x86_restore_frame(tb, frame, cpu);

        g_assert(known);
    }
}

/* The frame of X86SlowFrame, from its end down. */
void x86_softmmu_thunk(X86Gen *g)
{
    uint8_t *leave;

    x86_align16(g);
    x86_layout.call_mmu = x86_rx(g, g->p);
    for (int reg = 15; reg >= 0; reg--) {
        x86_push_pop(g, true, reg);
    }
    x86_mov_rr(g, X_W, RBX, RSP);
    x86_alu_ri(g, X_SUB, X_W, RSP, 32 * 16 + 8);
    x86_alu_ri(g, X_AND, X_W, RSP, -16);
    x86_save_vectors(g, true);
    x86_rm(g, X_MOV_STORE | X_W, RSP, x86_at(RBX, -8));
    x86_rm(g, X_LEA | X_W, RDI, x86_at(RBX, -8));
    x86_rm(g, X_LEA | X_W, RSI, x86_env(x86_arg_disp(0)));
    x86_rm(g, X_LEA | X_W, RDX, x86_env(x86_env_disp(0)));
    x86_mov_ri(g, RAX, (uintptr_t)slow_access);
    x86_rr(g, X_GRP5, 2, RAX);
    x86_rr(g, X_TEST, RAX, RAX);
    leave = x86_jump_later(g, X_E);
    x86_save_vectors(g, false);
    x86_set_mask(g);
    x86_mov_rr(g, X_W, RSP, RBX);
    for (int reg = 0; reg < 16; reg++) {
        if (reg == RSP) {
            x86_rm(g, X_LEA | X_W, RSP, x86_at(RSP, 8));
        } else {
            x86_push_pop(g, false, reg);
        }
    }
    x86_put8(g, 0xc3);
    x86_patch_rel32(leave, g->p);
    x86_rm(g, X_LEA | X_W, RSP, x86_at(RBX, 18 * 8)); /* as it was in the block */
    x86_jump_to(g, 0xe9, x86_layout.exit_restored);
}
