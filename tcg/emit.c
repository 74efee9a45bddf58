/* SPDX-License-Identifier: MIT */
/* The emitters of tcg-op.h that are written out: ops without a signature, and memory accesses. */
#include "exec/cpu.h"
#include "tcg/tcg-op.h"

static TCGOp *emit_imm(TCGContext *s, TCGOpcode opc, int64_t imm)
{
    TCGOp *op = tcg_emit_op(s, opc);

    op->imm = imm;
    return op;
}

void tcg_gen_insn_start(TCGContext *s, vaddr pc)
{
    emit_imm(s, TCG_OP_insn_start, pc);
}

void tcg_gen_label(TCGContext *s, int label)
{
    emit_imm(s, TCG_OP_label, label);
}

void tcg_gen_br(TCGContext *s, int label)
{
    emit_imm(s, TCG_OP_br, label);
}

void tcg_gen_exit(TCGContext *s, int exit)
{
    emit_imm(s, TCG_OP_exit, exit);
}

void tcg_gen_mb(TCGContext *s, int mask)
{
    emit_imm(s, TCG_OP_mb, mask);
}

void tcg_gen_discard(TCGContext *s, uint16_t temp)
{
    tcg_emit_op(s, TCG_OP_discard)->arg[0] = temp;
}

void tcg_gen_call(TCGContext *s, const TCGHelperInfo *info, TCGv_i64 ret, const TCGv_i64 *args)
{
    TCGOp *op = emit_imm(s, TCG_OP_call, (intptr_t)info);

    op->sz = info->nargs;
    op->arg[0] = ret.i;
    for (int i = 0; i < info->nargs; i++) {
        op->arg[i + 1] = args[i].i;
    }
}

static void begin_store(TCGContext *s, unsigned memop, TCGv_i64 base, TCGv_i64 index, int64_t disp,
                        unsigned size)
{
    TCGv_i64 addr = base;

    if (!s->store_guard) {
        return;
    }
    if (index.i != TCG_NONE) {
        TCGv_i64 shifted = tcg_temp_i64(s);

        addr = tcg_temp_i64(s);
        tcg_gen(shl, s, MO_64, shifted, index, tcg_const(s, MO_GET_SHIFT(memop)));
        tcg_gen(add, s, MO_64, addr, base, shifted);
    }
    if (disp) {
        TCGv_i64 sum = tcg_temp_i64(s);

        tcg_gen_addi(s, MO_64, sum, addr, disp);
        addr = sum;
    }
    const TCGv_i64 args[] = { tcg_env(s), addr, tcg_const(s, size) };
    tcg_gen_call(s, s->store_guard->begin, TCG_NO_INDEX, args);
}

static void end_store(TCGContext *s)
{
    if (s->store_guard) {
        const TCGv_i64 env = tcg_env(s);

        tcg_gen_call(s, s->store_guard->end, TCG_NO_INDEX, &env);
    }
}

static void emit_mem(TCGContext *s, TCGOpcode opc, unsigned memop, uint16_t val, TCGv_i64 base,
                     TCGv_i64 index, int64_t disp)
{
    TCGOp *op = emit_imm(s, opc, disp);

    op->sz = memop & MO_SIZE;
    op->memop = memop | s->mem_flags;
    op->arg[0] = val;
    op->arg[1] = base.i;
    op->arg[2] = index.i;
}

void tcg_gen_ld(TCGContext *s, unsigned memop, TCGv_i64 d, TCGv_i64 base, TCGv_i64 index,
                int64_t disp)
{
    emit_mem(s, TCG_OP_ld, memop, d.i, base, index, disp);
}

void tcg_gen_st(TCGContext *s, unsigned memop, TCGv_i64 v, TCGv_i64 base, TCGv_i64 index,
                int64_t disp)
{
    begin_store(s, memop, base, index, disp, 1u << (memop & MO_SIZE));
    emit_mem(s, TCG_OP_st, memop, v.i, base, index, disp);
    end_store(s);
}

void tcg_gen_ldv(TCGContext *s, unsigned memop, TCGv_vec d, TCGv_i64 base, TCGv_i64 index,
                 int64_t disp)
{
    emit_mem(s, TCG_OP_ldv, memop, d.i, base, index, disp);
}

void tcg_gen_stv(TCGContext *s, unsigned memop, TCGv_vec v, TCGv_i64 base, TCGv_i64 index,
                 int64_t disp)
{
    begin_store(s, memop, base, index, disp, 1u << (memop & MO_SIZE));
    emit_mem(s, TCG_OP_stv, memop, v.i, base, index, disp);
    end_store(s);
}

void tcg_gen_atomic_cas128(TCGContext *s, const TCGv_i64 old[2], TCGv_i64 addr,
                           const TCGv_i64 expected[2], const TCGv_i64 desired[2])
{
    begin_store(s, 0, addr, TCG_NO_INDEX, 0, 16);
    tcg_gen(atomic_cas128, s, 0, old[0], old[1], addr, expected[0], expected[1], desired[0],
            desired[1]);
    s->ops[s->nb_ops - 1].memop = s->mem_flags;
    end_store(s);
}

void tcg_gen_atomic_rmw(TCGContext *s, unsigned memop, TCGAtomicOp op, TCGv_i64 old, TCGv_i64 addr,
                        TCGv_i64 val)
{
    begin_store(s, 0, addr, TCG_NO_INDEX, 0, 1u << (memop & MO_SIZE));
    emit_mem(s, TCG_OP_atomic_rmw, memop, old.i, addr, val, op);
    end_store(s);
}

void tcg_gen_atomic_cas(TCGContext *s, unsigned memop, TCGv_i64 old, TCGv_i64 addr,
                        TCGv_i64 expected, TCGv_i64 desired)
{
    begin_store(s, 0, addr, TCG_NO_INDEX, 0, 1u << (memop & MO_SIZE));

    TCGOp *op = tcg_emit_op(s, TCG_OP_atomic_cas);

    op->sz = memop & MO_SIZE;
    op->memop = memop | s->mem_flags;
    op->arg[0] = old.i;
    op->arg[1] = addr.i;
    op->arg[2] = expected.i;
    op->arg[3] = desired.i;
    end_store(s);
}

static void emit_env(TCGContext *s, TCGOpcode opc, unsigned memop, uint16_t temp, uint32_t offset)
{
    TCGOp *op = emit_imm(s, opc, offset);

    op->sz = memop & MO_SIZE;
    op->memop = memop;
    op->arg[0] = temp;
}

void tcg_gen_ld_env(TCGContext *s, unsigned memop, TCGv_i64 d, uint32_t offset)
{
    emit_env(s, TCG_OP_ld_env, memop, d.i, offset);
}

void tcg_gen_st_env(TCGContext *s, unsigned memop, TCGv_i64 v, uint32_t offset)
{
    emit_env(s, TCG_OP_st_env, memop, v.i, offset);
}

void tcg_gen_ldv_env(TCGContext *s, unsigned memop, TCGv_vec d, uint32_t offset)
{
    emit_env(s, TCG_OP_ldv_env, memop, d.i, offset);
}

void tcg_gen_stv_env(TCGContext *s, unsigned memop, TCGv_vec v, uint32_t offset)
{
    emit_env(s, TCG_OP_stv_env, memop, v.i, offset);
}

TCGv_i64 tcg_env(TCGContext *s)
{
    TCGv_i64 t = tcg_temp_i64(s);

    tcg_gen_imm(env_addr, s, 0, 0, t);
    return t;
}

void tcg_gen_mov(TCGContext *s, TCGv_i64 d, TCGv_i64 a)
{
    tcg_gen(mov, s, MO_64, d, a);
}

void tcg_gen_movi(TCGContext *s, TCGv_i64 d, uint64_t val)
{
    tcg_gen(mov, s, MO_64, d, tcg_const(s, val));
}

void tcg_gen_vmov(TCGContext *s, TCGv_vec d, TCGv_vec a)
{
    tcg_gen(vmov, s, 0, d, a);
}
