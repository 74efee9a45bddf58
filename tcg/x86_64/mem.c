/* SPDX-License-Identifier: MIT */
/*
 * Loads, stores, atomics, fences, and fields of the state. Loads are acquire and stores are release
 * on x86 already; only a release store that later acquire loads must not pass (RCsc) is an
 * exchange. While a process has one thread and no memory in common with another, nothing is locked
 * (CPUState.memory_is_private).
 */
#include "tcg/x86_64/asm.h"

static unsigned guest(void)
{
    return x86_config.guest_base ? X_GS : 0;
}

static int scratch(X86Gen *g)
{
    int reg = x86_reg_alloc(g, X86_INT_MASK, 0);

    g->locked |= X86_MASK(reg);
    return reg;
}

/* Another one, for after the address is made: in system mode the probe's, since what lies behind
 * its jump may not move values about. */
static int late_scratch(X86Gen *g)
{
    return x86_config.softmmu ? g->probe_tmp : scratch(g);
}

/* In system mode what may fault is the slow path. */
static void mark(X86Gen *g)
{
    if (!x86_config.softmmu) {
        x86_mark_fault(g);
    }
}

/* The address of o[first] (base) and o[first + 1] (index). */
static X86Mem address(X86Gen *g, const TCGOp *op, const X86Operand *o, int first)
{
    const X86Operand *a = &o[first];
    X86Mem m = { .base = a[0].reg,
                 .index = a[1].reg,
                 .shift = MO_GET_SHIFT(op->memop),
                 .disp = (int32_t)op->imm };

    if (x86_config.softmmu) {
        return x86_softmmu_address(g, op, o, first);
    }
    if (m.index == X86_NO_REG) {
        m.shift = 0;
    } else if (m.shift > 3) { /* index * 16 */
        int t = scratch(g);

        x86_rm(g, X_LEA | X_W, t, (X86Mem){ .base = X86_NO_REG, .index = m.index, .shift = 3 });
        m.index = (uint8_t)t;
        m.shift = 1;
    }
    if (op->imm != m.disp) { /* beyond 32 bits: an own register */
        int t = scratch(g);

        x86_mov_ri(g, t, (uint64_t)op->imm);
        x86_rm(g, X_LEA | X_W, t, (X86Mem){ .base = m.base, .index = (uint8_t)t });
        m.base = (uint8_t)t;
        m.disp = 0;
    }
    return m;
}

static void emit_swap_bytes(X86Gen *g, int sz, int reg)
{
    if (sz == MO_16) {
        x86_rr(g, X_SHIFT_I | X_66, X_ROL, reg);
        x86_put8(g, 8);
    } else if (sz > MO_16) {
        if (sz == MO_64 || reg >= 8) {
            x86_put8(g, 0x40u | (sz == MO_64 ? 8 : 0) | (unsigned)reg >> 3);
        }
        x86_put8(g, 0x0f);
        x86_put8(g, 0xc8u | (unsigned)(reg & 7));
    }
}

static void emit_extend(X86Gen *g, unsigned memop, int reg)
{
    static const unsigned zext[] = { X_MOVZX8 | X_MB, X_MOVZX16, X_MOV_LOAD, X_MOV_LOAD | X_W };
    static const unsigned sext[] = { X_MOVSX8 | X_MB, X_MOVSX16, X_MOVSXD & ~X_W,
                                     X_MOV_LOAD | X_W };
    int sz = memop & MO_SIZE;

    if (memop & MO_SIGN) {
        x86_rr(g, sext[sz] | (memop & MO_SEXT32 ? 0 : X_W), reg, reg);
    } else if (sz < MO_64) {
        x86_rr(g, zext[sz], reg, reg);
    }
}

static void emit_load(X86Gen *g, unsigned memop, unsigned flags, int reg, X86Mem m)
{
    static const unsigned zext[] = { X_MOVZX8, X_MOVZX16, X_MOV_LOAD, X_MOV_LOAD | X_W };
    static const unsigned sext[] = { X_MOVSX8, X_MOVSX16, X_MOVSXD & ~X_W, X_MOV_LOAD | X_W };
    int sz = memop & MO_SIZE;

    if (memop & MO_BSWAP && sz > MO_8) {
        x86_rm(g, zext[sz] | flags, reg, m);
        emit_swap_bytes(g, sz, reg);
        if (memop & MO_SIGN) {
            emit_extend(g, memop, reg);
        }
    } else if (memop & MO_SIGN && sz < MO_64 && !(sz == MO_32 && memop & MO_SEXT32)) {
        x86_rm(g, sext[sz] | (memop & MO_SEXT32 ? 0 : X_W) | flags, reg, m);
    } else {
        x86_rm(g, zext[sz] | flags, reg, m);
    }
}

static const unsigned store_op[] = { X_MOV_STORE8, X_MOV_STORE16, X_MOV_STORE, X_MOV_STORE | X_W };

static void emit_ld(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    X86Mem m = address(g, op, o, 1);

    mark(g);
    emit_load(g, op->memop, guest(), o[0].reg, m);
}

/*
 * What follows is skipped, up to x86_bind8 of the result, while nobody else sees the guest's
 * memory: a bus lock is then a waste of twenty cycles. Destroys EFLAGS.
 */
static uint8_t *if_alone(X86Gen *g)
{
    x86_alu_mi(g, X_CMP, 0, x86_env(X86_CPU(memory_is_private)), 0);
    return x86_jcc8(g, X_NE);
}

/* For an instruction with the LOCK prefix, which is emitted behind this. */
static void lock(X86Gen *g)
{
    uint8_t *alone = if_alone(g);

    mark(g); /* a fault is at the prefix, or behind it */
    x86_put8(g, 0xf0);
    x86_bind8(g, alone);
    mark(g);
}

/* Locked without a prefix. */
static void exchange(X86Gen *g, int sz, int reg, X86Mem m)
{
    static const unsigned xchg[] = { 0x86 | X_RB, X_XCHG | X_66, X_XCHG, X_XCHG | X_W };

    mark(g);
    x86_rm(g, xchg[sz] | guest(), reg, m);
}

/* Later loads wait for earlier stores. Destroys EFLAGS; cheaper than MFENCE. */
static void fence(X86Gen *g)
{
    uint8_t *alone = if_alone(g);

    x86_alu_mi(g, X_OR, X_LOCK, x86_at(RSP, 0), 0);
    x86_bind8(g, alone);
}

static void emit_st(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    int sz = op->memop & MO_SIZE, reg = o[0].reg;
    X86Mem m = address(g, op, o, 1);

    if (o[0].kind == X86_IMM && !(op->memop & (MO_RELEASE | MO_BSWAP))) {
        mark(g);
        x86_mov_mi(g, sz, guest(), m, (int32_t)o[0].imm);
        return;
    }
    if (op->memop & (MO_RELEASE | MO_BSWAP)) {
        int t = late_scratch(g);

        if (o[0].kind == X86_IMM) {
            x86_mov_ri(g, t, (uint64_t)o[0].imm);
        } else {
            x86_mov_rr(g, X_W, t, reg);
        }
        reg = t;
        if (op->memop & MO_BSWAP) {
            emit_swap_bytes(g, sz, reg);
        }
    }
    if (op->memop & MO_RELEASE) {
        uint8_t *alone = if_alone(g), *end;

        exchange(g, sz, reg, m);
        end = x86_jmp8(g);
        x86_bind8(g, alone);
        mark(g);
        x86_rm(g, store_op[sz] | guest(), reg, m);
        x86_bind8(g, end);
    } else {
        mark(g);
        x86_rm(g, store_op[sz] | guest(), reg, m);
    }
}

/* t: a scratch register */
static void emit_ldv_small(X86Gen *g, int sz, unsigned flags, int vreg, X86Mem m, int t)
{
    emit_load(g, (unsigned)sz, flags, t, m);
    x86_vmov_from_gpr(g, 0, vreg, t);
}

/* The low 1 << sz bytes of v in reverse order, zeros above. */
static void emit_swap_vector(X86Gen *g, int sz, int v)
{
    uint8_t shuffle[16];
    uint64_t half[2];

    for (int i = 0; i < 16; i++) {
        shuffle[i] = (uint8_t)(i < 1 << sz ? (1 << sz) - 1 - i : 0x80);
    }
    memcpy(half, shuffle, 16);
    x86_v3c(g, VOP_PSHUFB, (unsigned)v, (unsigned)v, x86_const128(g, half[0], half[1]));
}

static void emit_ldv(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    int sz = op->memop & MO_SIZE;
    X86Mem m = address(g, op, o, 1);

    if (g->broadcast) {
        mark(g);
        x86_vbroadcast(g, guest(), o[0].reg, sz, m);
    } else if (sz < MO_32) {
        int t = late_scratch(g);

        mark(g);
        emit_ldv_small(g, sz, guest(), o[0].reg, m, t);
    } else {
        mark(g);
        x86_vload(g, guest(), o[0].reg, sz, m);
    }
    if (op->memop & MO_BSWAP) {
        emit_swap_vector(g, sz, o[0].reg);
    }
}

static void emit_stv(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    int sz = op->memop & MO_SIZE, v = o[0].reg;
    bool swap = op->memop & MO_BSWAP;
    X86Mem m;

    if (swap) {
        v = x86_reg_alloc(g, X86_VEC_MASK, 0) - X86_VREG0;
    }
    m = address(g, op, o, 1);
    if (swap) {
        x86_vmov(g, (unsigned)v, o[0].reg);
        emit_swap_vector(g, sz, v);
    }
    mark(g);
    x86_vstore(g, guest(), v, sz, m);
    if (op->memop & MO_RELEASE) {
        fence(g);
    }
}

/* ---- pairs, in system mode ---- */

/* The base may be in the register of the first output. */
static void emit_ld2(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    X86Mem m = x86_softmmu_address(g, op, o, 2), second = m;
    bool swap = o[0].reg == m.base;

    second.disp += 1 << (op->memop & MO_SIZE);
    emit_load(g, op->memop, 0, o[swap].reg, swap ? second : m);
    emit_load(g, op->memop, 0, o[!swap].reg, swap ? m : second);
}

static void emit_st2(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    int sz = op->memop & MO_SIZE;
    X86Mem m = x86_softmmu_address(g, op, o, 2);

    for (int n = 0; n < 2; n++) {
        if (o[n].kind == X86_IMM) {
            x86_mov_mi(g, sz, 0, m, (int32_t)o[n].imm);
        } else {
            x86_rm(g, store_op[sz], o[n].reg, m);
        }
        m.disp += 1 << sz;
    }
}

static void emit_ldv2(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    int sz = op->memop & MO_SIZE;
    X86Mem m = x86_softmmu_address(g, op, o, 2);

    for (int n = 0; n < 2; n++) {
        x86_vload(g, 0, o[n].reg, sz, m);
        m.disp += 1 << sz;
    }
}

static void emit_stv2(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    int sz = op->memop & MO_SIZE;
    X86Mem m = x86_softmmu_address(g, op, o, 2);

    for (int n = 0; n < 2; n++) {
        x86_vstore(g, 0, o[n].reg, sz, m);
        m.disp += 1 << sz;
    }
}

/* ---- fields of the state ---- */

static void emit_ld_env(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    emit_load(g, op->memop, 0, o[0].reg, x86_env(x86_env_disp(op->imm)));
}

static void emit_st_env(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    int sz = op->memop & MO_SIZE;
    X86Mem m = x86_env(x86_env_disp(op->imm));

    if (o[0].kind == X86_IMM) {
        x86_mov_mi(g, sz, 0, m, (int32_t)o[0].imm);
    } else {
        x86_rm(g, store_op[sz], o[0].reg, m);
    }
}

static void emit_ldv_env(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    int sz = op->memop & MO_SIZE;
    X86Mem m = x86_env(x86_env_disp(op->imm));

    if (sz < MO_32) {
        emit_ldv_small(g, sz, 0, o[0].reg, m, scratch(g));
    } else {
        x86_vload(g, 0, o[0].reg, sz, m);
    }
}

static void emit_stv_env(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    x86_vstore(g, 0, o[0].reg, op->memop & MO_SIZE, x86_env(x86_env_disp(op->imm)));
}

/* ---- atomics ---- */

static unsigned sized(unsigned op8, unsigned op, int sz)
{
    return (sz == MO_8 ? op8 : sz == MO_16 ? op | X_66 : op | x_w(sz)) | guest();
}

static X86Mem atomic_address(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    return x86_config.softmmu ? x86_softmmu_address(g, op, o, 1) : x86_at(o[1].reg, 0);
}

static void emit_lock_alu(X86Gen *g, const TCGOp *op, const X86Operand *o, int alu)
{
    int sz = op->memop & MO_SIZE;
    X86Mem m = atomic_address(g, op, o);

    lock(g);
    x86_rm(g, sized((unsigned)alu * 8 | X_RB, (unsigned)alu * 8 + 1, sz), o[2].reg, m);
}

/* add and exchange: one instruction; d is not the address */
static void emit_rmw_simple(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    int sz = op->memop & MO_SIZE, t;
    X86Mem m;

    if (op->imm != TCG_ATOMIC_XCHG && (op->life & 1)) {
        static const uint8_t alu[] = { X_ADD, X_AND, X_OR, X_XOR };

        emit_lock_alu(g, op, o, alu[op->imm]);
        return;
    }
    m = atomic_address(g, op, o);
    t = late_scratch(g); /* at a fault the output must still be the old one */
    if (op->imm == TCG_ATOMIC_ADD) {
        x86_mov_rr(g, X_W, t, o[2].reg);
        lock(g);
        x86_rm(g, sized(X_XADD8, X_XADD, sz), t, m);
    } else {
        uint8_t *alone = if_alone(g), *end;

        x86_mov_rr(g, X_W, t, o[2].reg);
        exchange(g, sz, t, m);
        end = x86_jmp8(g);
        x86_bind8(g, alone);
        mark(g);
        emit_load(g, (unsigned)sz, guest(), t, m);
        mark(g);
        x86_rm(g, store_op[sz] | guest(), o[2].reg, m);
        x86_bind8(g, end);
    }
    if (!(op->life & 1)) {
        x86_mov_rr(g, X_W, o[0].reg, t);
        emit_extend(g, (unsigned)sz, o[0].reg);
    }
}

/* t = the new value for the old one in RAX */
static void emit_rmw_new(X86Gen *g, const TCGOp *op, int t, int b, int u)
{
    int sz = op->memop & MO_SIZE;
    bool sign = op->imm == TCG_ATOMIC_SMAX || op->imm == TCG_ATOMIC_SMIN;
    bool max = op->imm == TCG_ATOMIC_SMAX || op->imm == TCG_ATOMIC_UMAX;

    if (op->imm == TCG_ATOMIC_XCHG) {
        x86_mov_rr(g, X_W, t, b);
        return;
    }
    x86_mov_rr(g, X_W, t, RAX);
    if (op->memop & MO_BSWAP) {
        emit_swap_bytes(g, sz, t);
    }
    if (op->imm <= TCG_ATOMIC_XOR) {
        static const uint8_t alu[] = { X_ADD, X_AND, X_OR, X_XOR };

        x86_alu_rr(g, alu[op->imm], X_W, t, b);
        return;
    }
    emit_extend(g, (unsigned)sz | (sign ? MO_SIGN : 0), t);
    x86_mov_rr(g, X_W, u, b);
    emit_extend(g, (unsigned)sz | (sign ? MO_SIGN : 0), u);
    x86_alu_rr(g, X_CMP, X_W, t, u);
    x86_rr(g, (unsigned)X_CMOV | X_W | (unsigned)(max ? (sign ? X_L : X_B) : (sign ? X_G : X_A)), t,
           u);
}

/* The others: a loop around CMPXCHG; the old value ends in RAX. o[3], o[4]: scratch */
static void emit_rmw_loop(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    int sz = op->memop & MO_SIZE, t = o[3].reg;
    X86Mem m = x86_at(o[1].reg, 0);
    uint8_t *loop;

    if (x86_config.softmmu) { /* too few registers: the host's address waits in memory */
        m = x86_softmmu_address_in(g, op, o, 1, t, o[4].reg);
        x86_rm(g, X_LEA | X_W, t, m);
        x86_store(g, t, TCG_TYPE_I64, x86_arg_disp(0));
        m = x86_at(t, 0);
    }
    mark(g);
    emit_load(g, (unsigned)sz, guest(), RAX, m);
    loop = g->p;
    emit_rmw_new(g, op, t, o[2].reg, o[4].reg);
    if (op->memop & MO_BSWAP) {
        emit_swap_bytes(g, sz, t);
    }
    if (x86_config.softmmu) {
        m = x86_at(o[4].reg, 0);
        x86_load(g, o[4].reg, TCG_TYPE_I64, x86_arg_disp(0));
    }
    lock(g);
    x86_rm(g, sized(X_CMPXCHG8, X_CMPXCHG, sz), t, m);
    x86_put8(g, 0x70 | X_NE);
    x86_put8(g, (unsigned)(loop - (g->p + 1)));
    if (op->memop & MO_BSWAP) {
        emit_swap_bytes(g, sz, RAX);
    }
    emit_extend(g, (unsigned)sz, RAX);
}

void x86_gen_atomic_rmw(X86Gen *g, const TCGOp *op)
{
    static const X86OpRule simple = { .emit = emit_rmw_simple, .flags = X86R_FLAGS | X86R_OUT_OPT };
    static const X86OpRule loop = {
        .emit = emit_rmw_loop,
        .flags = X86R_FLAGS,
        .iscratch = 2,
        .fix_out = X86R_IN(RAX),
        .clobber = 1 << RAX,
    };
    bool one = op->imm == TCG_ATOMIC_ADD || op->imm == TCG_ATOMIC_XCHG ||
               (op->imm <= TCG_ATOMIC_XOR && (op->life & 1));

    x86_gen_by_rule(g, op, one && !(op->memop & MO_BSWAP) ? &simple : &loop);
}

/* The expected value in RAX. */
static void emit_cas(X86Gen *g, const TCGOp *op, const X86Operand *o)
{
    int sz = op->memop & MO_SIZE, new = o[3].reg;
    X86Mem m = atomic_address(g, op, o);

    if (op->memop & MO_BSWAP) {
        new = late_scratch(g);
        x86_mov_rr(g, X_W, new, o[3].reg);
        emit_swap_bytes(g, sz, new);
        emit_swap_bytes(g, sz, RAX);
    }
    lock(g);
    x86_rm(g, sized(X_CMPXCHG8, X_CMPXCHG, sz), new, m);
    if (op->memop & MO_BSWAP) {
        emit_swap_bytes(g, sz, RAX);
    }
    emit_extend(g, (unsigned)sz, RAX);
}

/* CMPXCHG16B wants RBX, which is a guest register: that one waits in RSI. */
void x86_gen_cas128(X86Gen *g, const TCGOp *op)
{
    static const uint8_t dst[5] = { RDI, RAX, RDX, RSI, RCX };

    x86_flags_clobber(g);
    for (X86RegMask m = x86_layout.alloc & X86_INT_MASK & ~g->free; m; m &= m - 1) {
        x86_reg_sync(g, __builtin_ctzll(m));
    }
    x86_place_args(g, op, 2, dst, 5);
    if (x86_config.softmmu) {
        x86_softmmu_cas128(g, op);
    }
    x86_rr(g, X_XCHG | X_W, RSI, RBX);
    if (!x86_config.softmmu) {
        x86_mark_fault_moved(g, x86_layout.pinned[RBX], RSI);
    }
    x86_rm(g, X_CMPXCHG16B | X_LOCK | guest(), 1, x86_at(RDI, 0));
    x86_mov_rr(g, X_W, RBX, RSI);
    if (x86_config.softmmu) {
        x86_bind_local(g, g->slow_local);
    }
    x86_inputs_done(g, op, 2, 5);
    g->locked = X86_MASK(RAX) | X86_MASK(RDX);
    x86_output(g, op, 0, RAX);
    x86_output(g, op, 1, RDX);
    g->locked = 0;
}

void x86_gen_mb(X86Gen *g, const TCGOp *op)
{
    if (!(op->imm & TCG_MB_ST_LD)) {
        return;
    }
    x86_flags_clobber(g);
    fence(g);
}

void x86_mem_rules_init(void)
{
    unsigned probe = x86_config.softmmu ? X86R_FLAGS : 0;

    x86_rules[TCG_OP_ld] = (X86OpRule){ .emit = emit_ld, .flags = X86R_FLAGS };
    x86_rules[TCG_OP_st] = (X86OpRule){ .emit = emit_st, .flags = X86R_FLAGS | X86R_IMM_FIRST };
    x86_rules[TCG_OP_ldv] = (X86OpRule){ .emit = emit_ldv, .flags = probe };
    x86_rules[TCG_OP_stv] = (X86OpRule){ .emit = emit_stv, .flags = X86R_FLAGS };
    if (x86_config.softmmu) {
        x86_rules[TCG_OP_ld2] = (X86OpRule){ .emit = emit_ld2, .flags = X86R_FLAGS };
        x86_rules[TCG_OP_st2] =
            (X86OpRule){ .emit = emit_st2, .flags = X86R_FLAGS | X86R_IMM_FIRST | X86R_IMM_1 };
        x86_rules[TCG_OP_ldv2] = (X86OpRule){ .emit = emit_ldv2, .flags = X86R_FLAGS };
        x86_rules[TCG_OP_stv2] = (X86OpRule){ .emit = emit_stv2, .flags = X86R_FLAGS };
    }
    x86_rules[TCG_OP_ld_env] = (X86OpRule){ .emit = emit_ld_env, .flags = X86R_FLAGS };
    x86_rules[TCG_OP_st_env] = (X86OpRule){ .emit = emit_st_env, .flags = X86R_IMM_FIRST };
    x86_rules[TCG_OP_ldv_env] = (X86OpRule){ .emit = emit_ldv_env };
    x86_rules[TCG_OP_stv_env] = (X86OpRule){ .emit = emit_stv_env };
    x86_rules[TCG_OP_atomic_cas] = (X86OpRule){ .emit = emit_cas,
                                                .flags = X86R_FLAGS,
                                                .fix_in = { 0, X86R_IN(RAX) },
                                                .fix_out = X86R_IN(RAX),
                                                .clobber = 1 << RAX };
}
