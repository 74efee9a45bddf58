/* SPDX-License-Identifier: MIT */
/*
 * What the A64 translators share. One `bool trans_FUNC(DisasContext *, arg_FUNC *)` for each
 * function named in the pattern files, filed by the manual's chapters (DDI 0487 C4): a64-dp-imm.c
 * a64-dp-reg.c  a64-branch.c  a64-system.c  a64-ldst.c (also LDR, LDP… of FP registers)
 *   a64-atomic.c  a64-mops.c  a64-pauth.c; a64-fp*.c, a64-simd*.c (LD1…LD4 too), a64-crypto.c
 * A translator that returns false before it emits anything makes the encoding unallocated.
 *
 * Registers are globals and may be written straight from an op, under the rule for faults of
 * docs/tcg.md.
 */
#ifndef TARGET_ARM_TRANSLATE_H
#define TARGET_ARM_TRANSLATE_H

#include "exec/exec.h"
#include "target/arm/cpu.h"
#include "target/arm/decode-a64.h"
#include "tcg/tcg-op.h"

struct ARMSystemOps;

struct DisasContext {
    TCGContext *tcg;
    TranslationBlock *tb;
    CPUArmState *env; /* for features and the model; its registers are not those of run time */
    vaddr pc;         /* of the instruction being translated */
    vaddr next_pc;    /* where translation goes on after it; pc + 4 unless a branch is followed */
    bool done;        /* the block has ended */
    bool counted;     /* the block counts its instructions (accel/tcg/count.c) */
    bool careful;     /* CF_CAREFUL: addresses masked (TBI), alignment checked */
    bool fp_soft;     /* FPCR asks for what only fpu/ does, or careful */
    bool system;      /* a whole machine's CPU, at exception level el; false: user mode, el is 0 */
    int el;
    uint32_t insn;   /* being translated */
    bool alone;      /* the block is one instruction: nothing behind it is read */
    bool cc_written; /* the block has written the flags before this point */
    int nb_side_exits;
    int ops_at_reserve; /* how many ops the block had behind its last load-exclusive, or 0 */
    vaddr code_end;     /* where the straight run of code read so far ends */
};

static inline bool dc_feature(const DisasContext *s, ARMFeature f)
{
    return arm_feature(s->env, f);
}

/* --- integer registers
 * ------------------------------------------------------------------------------- */

/* The size of an op for an sf bit. */
static inline unsigned sf_size(int sf)
{
    return sf ? MO_64 : MO_32;
}
static inline TCGv_i64 imm64(DisasContext *s, uint64_t val)
{
    return tcg_const(s->tcg, val);
}
/* Register 31 reads as zero. All 64 bits: MO_32 ops look at the low half only. */
static inline TCGv_i64 reg_x(DisasContext *s, int r)
{
    return r == 31 ? imm64(s, 0) : tcg_global_i64(ARM_G_X0 + r);
}
/* Register 31 is SP; to be read or written. */
static inline TCGv_i64 reg_xsp(int r)
{
    return tcg_global_i64(r == 31 ? ARM_G_SP : ARM_G_X0 + r);
}
/* Where a result goes: the global, or for 31 a temp that nobody reads. Write all 64 bits. */
static inline TCGv_i64 reg_dest(DisasContext *s, int r)
{
    return r == 31 ? tcg_temp_i64(s->tcg) : tcg_global_i64(ARM_G_X0 + r);
}
static inline TCGv_cc reg_cc(void)
{
    return tcg_global_cc(ARM_G_CC);
}

/* Ops whose opcode comes from a pattern's key. */
static inline void gen_op1(DisasContext *s, int opc, unsigned sz, TCGv_i64 d, TCGv_i64 a)
{
    TCGOp *op = tcg_emit_op(s->tcg, opc);
    op->sz = sz;
    op->arg[0] = d.i;
    op->arg[1] = a.i;
}
static inline void gen_op2(DisasContext *s, int opc, unsigned sz, TCGv_i64 d, TCGv_i64 a,
                           TCGv_i64 b)
{
    TCGOp *op = tcg_emit_op(s->tcg, opc);
    op->sz = sz;
    op->arg[0] = d.i;
    op->arg[1] = a.i;
    op->arg[2] = b.i;
}
/* d = the low half of a, zero-extended, unless sf. */
static inline void gen_mov_sf(DisasContext *s, int sf, TCGv_i64 d, TCGv_i64 a)
{
    tcg_gen(mov, s->tcg, sf_size(sf), d, a);
}

/* --- FP and SIMD registers
 * ------------------------------------------------------------------------------ */

static inline TCGv_vec reg_v(int r)
{
    return tcg_global_vec(ARM_G_V0 + r);
}
static inline TCGv_vec reg_qc(void)
{
    return tcg_global_vec(ARM_G_QC);
}
/* The scalar in the low lane of Vr, for reading. */
static inline TCGv_f64 reg_f(int r)
{
    return tcg_vec_low(reg_v(r));
}
/* Vr = the scalar (sz: MO_8…MO_64), zero above it. */
static inline void write_f(DisasContext *s, unsigned sz, int r, TCGv_f64 val)
{
    tcg_gen(vzext, s->tcg, sz, reg_v(r), val);
}
/* Vr = val, of which only the low half counts unless q. val may be reg_v(r) itself. */
static inline void write_v(DisasContext *s, int q, int r, TCGv_vec val)
{
    if (!q) {
        tcg_gen(vzext, s->tcg, MO_64, reg_v(r), tcg_vec_low(val));
    } else if (val.i != reg_v(r).i) {
        tcg_gen_vmov(s->tcg, reg_v(r), val);
    }
}

/* --- memory
 * -----------------------------------------------------------------------------------------------
 */

/* How loads and stores use their immediate. */
enum { MODE_OFFSET, MODE_POST, MODE_PRE };

/* base + (index << shift) + disp; folded into the host's addressing. */
typedef struct MemAddr {
    TCGv_i64 base, index; /* index: TCG_NO_INDEX for none */
    unsigned shift;       /* 0..4 */
    int64_t disp;
} MemAddr;

static inline MemAddr mem_addr(int rn, int64_t disp)
{
    return (MemAddr){ reg_xsp(rn), TCG_NO_INDEX, 0, disp };
}
static inline MemAddr mem_addr_base(TCGv_i64 base, int64_t disp)
{
    return (MemAddr){ base, TCG_NO_INDEX, 0, disp };
}
/* The address of an access with an immediate, and the base's new value behind it. */
static inline MemAddr mem_mode_addr(int rn, int mode, int64_t imm)
{
    return mem_addr(rn, mode == MODE_POST ? 0 : imm);
}
static inline void mem_write_back(DisasContext *s, int rn, int mode, int64_t imm)
{
    if (mode != MODE_OFFSET) {
        tcg_gen_addi(s->tcg, MO_64, reg_xsp(rn), reg_xsp(rn), imm);
    }
}
/* Is the base also loaded? Then writing it back is constrained unpredictable; the load wins. */
static inline bool mem_base_is(int rn, int rt)
{
    return rn == rt && rn != 31;
}
/*
 * memop: MO_8…MO_64 (vectors: …MO_128) with MO_SIGN, MO_ACQUIRE… as needed, without MO_SHIFT.
 * Loads may write their destination register directly; see the rule for faults.
 */
void mem_ld(DisasContext *s, unsigned memop, TCGv_i64 d, MemAddr a);
void mem_st(DisasContext *s, unsigned memop, TCGv_i64 v, MemAddr a);
void mem_ldv(DisasContext *s, unsigned memop, TCGv_vec d, MemAddr a);
void mem_stv(DisasContext *s, unsigned memop, TCGv_vec v, MemAddr a);
/*
 * The address as one value, in careful blocks masked. atomic_bytes: the size of an exclusive,
 * atomic or ordered access, a power of two, whose address has to be aligned as the architecture
 * says, else EXCP_ALIGN; 1 for any other. Comes before the instruction writes anything.
 */
TCGv_i64 mem_flat(DisasContext *s, MemAddr a, int atomic_bytes);
/* The same for an ordered pair of `half` bytes each: none needs more than its own alignment. */
TCGv_i64 mem_flat_pair(DisasContext *s, MemAddr a, int half);
/* EXCP_ALIGN if base is SP and not a multiple of 16; mem_flat, mem_ld… do it themselves. */
void mem_check_sp(DisasContext *s, TCGv_i64 base);

/* LDTR, STTR: the accesses of this instruction are as from EL0, unless PSTATE.UAO. */
void mem_unprivileged(DisasContext *s);

/* --- leaving the block
 * --------------------------------------------------------------------------------------- */

/* Ends the block: exception EXCP_* with the guest pc at this instruction. */
void gen_exception(DisasContext *s, int excp);
/* The same with the guest pc given: behind this instruction for a system call. */
void gen_exception_at(DisasContext *s, int excp, vaddr pc);
/* System mode: ends the block with the exception whose syndrome is esr, at pc. */
void gen_exception_syndrome(DisasContext *s, uint64_t esr, vaddr pc);
/* Does this instruction's page have guarded code? */
bool dc_page_guarded(DisasContext *s);
/* Ends the block after this instruction: the next one is translated (or looked up) anew. */
void gen_end_block(DisasContext *s);
/* Ends the block: a direct jump. */
void gen_jump(DisasContext *s, vaddr target);
/* The same, with a look at what other threads ask for. */
void gen_jump_poll(DisasContext *s, vaddr target);
/* Ends the block: a direct call; writes X30. */
void gen_call(DisasContext *s, vaddr target);
/* Ends the block: kind TCG_EXIT_JUMP_IND, _CALL_IND (X30 is written already) or _RET. */
void gen_exit_ind(DisasContext *s, int kind, TCGv_i64 target);
/* BR and BLR to a value that was in Xrn or was made from it. */
void gen_br(DisasContext *s, int rn, TCGv_i64 target);
void gen_blr(DisasContext *s, TCGv_i64 target);
/* PSTATE.BTYPE for the target of an indirect branch, where the process uses guarded pages. */
void gen_set_btype(DisasContext *s, int btype);
/* A side exit to target if the condition holds; translation goes on. */
void gen_side_exit_cond(DisasContext *s, unsigned sz, TCGCond cond, TCGv_i64 a, TCGv_i64 b,
                        vaddr target);
void gen_side_exit_cc(DisasContext *s, TCGCC cond, vaddr target);

/*
 * Calls a helper with nargs arguments (up to 6); ret may be TCG_NO_INDEX. For CPUArmState * pass
 * tcg_env().
 */
void gen_helper(DisasContext *s, const TCGHelperInfo *info, TCGv_i64 ret, TCGv_i64 a, TCGv_i64 b,
                TCGv_i64 c, TCGv_i64 d);

/* --- a64-el1.c: what differs in a whole machine; each is called with s->system set
 * ------------------------ */

void gen_dc_zva(DisasContext *s, TCGv_i64 addr);
/* AUTIA, AUTIB, AUTDA, AUTDB of ptr */
TCGv_i64 gen_authenticated(DisasContext *s, TCGv_i64 ptr, TCGv_i64 modifier, int key);
bool el1_sysreg(DisasContext *s, int key, bool read, int rt);
bool el1_wait(DisasContext *s, int kind, int rd);
/* At the start of a block and of an instruction; true: it has ended there. */
bool el1_start(DisasContext *s);
/* DecodeBitMasks: the immediate of a logical operation; false for the reserved values. */
bool a64_logic_mask(int n, int imms, int immr, uint64_t *mask);

/* --- exclusive.c ------------------------------------------------------------------------- */

/* env, address, size */
extern const TCGHelperInfo arm_reserve_info;
/* env, address; the result is whether the store may be done */
extern const TCGHelperInfo arm_begin_exclusive_info, arm_begin_watched_info;
/* env */
extern const TCGHelperInfo arm_end_exclusive_info;
/* What comes around this block's stores, NULL for nothing. */
const TCGStoreGuard *arm_store_guard(const TranslationBlock *tb);
/* For stores by C code, size 1 to 64; arm_exclusive_let_go ends it. */
void arm_begin_store(CPUArmState *env, uint64_t addr, uint64_t size);
/* Load-exclusive's reservation is gone (a64-atomic.c). */
void forget_reservation(DisasContext *s);

/* TargetOps.translate */
void arm_translate(TCGContext *tcg, TranslationBlock *tb, int max_insns);

#endif
