/* SPDX-License-Identifier: MIT */
/*
 * The frame of the A64 front end: the loop over an extended block (docs/tcg.md, "Blocks"), its
 * exits, the look-ahead for dead flags, memory access and exceptions.
 */
#include <string.h>

#include "exec/debug.h"
#include "target/arm/system.h"
#include "target/arm/translate-simd.h"
#include "target/arm/decode-a64.inc"

enum {
    MAX_INSNS = 64,
    MAX_SIDE_EXITS = 8,
    MORE_INSNS = 8,   /* and exits: from a load-exclusive to its store-exclusive */
    LOOK_AHEAD = 16,  /* instructions that the search for dead flags reads */
    NEAR_RANGE = 256, /* bytes by which the look-ahead may widen a range rather than open one */
    PAGE = 4096,
};

/* --- guest code
 * ------------------------------------------------------------------------------------ */

static bool fetchable(const DisasContext *s, vaddr pc)
{
    if (s->tcg->code_page) {
        return !((pc ^ s->tb->pc) & -(vaddr)PAGE);
    }
    return !guest_page_flags || guest_page_flags(pc) & GUEST_PAGE_EXEC;
}

static uint32_t fetch(const DisasContext *s, vaddr pc)
{
    const uint8_t *page = s->tcg->code_page;
    const void *code = page ? page + (pc & (PAGE - 1)) : (const void *)(uintptr_t)(pc + guest_base);
    uint32_t insn;

    memcpy(&insn, code, sizeof(insn));
    return GUINT32_FROM_LE(insn);
}

/* Top-byte-ignore, for branch targets and data addresses: bits 63:56 are copies of bit 55. */
static vaddr canonical(vaddr addr)
{
    return (vaddr)((int64_t)(addr << 8) >> 8);
}

/* --- the block's ranges
 * ------------------------------------------------------------------------------ */

/*
 * Makes [start, end) part of what the block depends on. False: no range is near enough or free.
 * Covering more than was read costs at most a needless invalidation.
 */
static bool add_range(TranslationBlock *tb, vaddr start, vaddr end)
{
    for (int i = 0; i < tb->nb_ranges; i++) {
        vaddr lo = MIN(start, tb->ranges[i].start), hi = MAX(end, tb->ranges[i].end);
        if (hi - lo <= tb->ranges[i].end - tb->ranges[i].start + NEAR_RANGE) {
            tb->ranges[i].start = lo;
            tb->ranges[i].end = hi;
            return true;
        }
    }
    if (tb->nb_ranges == TB_MAX_RANGES) {
        return false;
    }
    tb->ranges[tb->nb_ranges].start = start;
    tb->ranges[tb->nb_ranges++].end = end;
    return true;
}

/* --- dead flags
 * ---------------------------------------------------------------------------------------- */

/* Is an instruction of a pattern that writes the flags (@ccw) one that this CPU has? */
static bool allocated_ccw(DisasContext *s, int n, uint32_t insn)
{
    int sf = insn >> 31, imm6 = insn >> 10 & 63, type = insn >> 22 & 3;
    uint64_t mask;

    switch (n) {
    case A64_ANDS_imm:
        return (sf || !(type & 1)) && a64_logic_mask(type & 1, imm6, insn >> 16 & 63, &mask);
    case A64_ADDS_reg:
    case A64_SUBS_reg:
        return type != 3 && (sf || imm6 < 32);
    case A64_ANDS_reg:
    case A64_BICS_reg:
        return sf || imm6 < 32;
    case A64_ADDS_ext:
    case A64_SUBS_ext:
        return (imm6 & 7) <= 4;
    case A64_FCMP:
    case A64_FCMP_zero:
        return type < 2 || (type == 3 && dc_feature(s, ARM_FEAT_FP16));
    case A64_FJCVTZS:
        return dc_feature(s, ARM_FEAT_JSCVT);
    }
    return true;
}

typedef struct LookAhead {
    DisasContext *s;
    int left;    /* instructions that may still be read */
    bool depend; /* what was read becomes part of the block's ranges */
} LookAhead;

static bool depend(LookAhead *l, vaddr start, vaddr end)
{
    return !l->depend || add_range(l->s->tb, start, end);
}

/*
 * Does code at pc write the flags before anything can read them or show them, a fault in its frame
 * or a debugger that stops there? Follows direct branches.
 */
static bool flags_dead_at(LookAhead *l, vaddr pc)
{
    DisasContext *s = l->s;
    vaddr start = pc;

    while (l->left-- > 0) {
        if (((pc == start || !(pc & (PAGE - 1))) && !fetchable(s, pc)) || breakpoint_at(pc)) {
            return false;
        }
        uint32_t insn = fetch(s, pc);
        int n = a64_pattern_index(insn);
        bool accesses = (insn & 0x0a000000) == 0x08000000; /* loads and stores: C4.1 */
        if (n < 0 || accesses || a64_patterns[n].attrs & (A64_ATTR_ccr | A64_ATTR_stop)) {
            return false;
        }
        if (a64_patterns[n].attrs & A64_ATTR_ccw) {
            return allocated_ccw(s, n, insn) && depend(l, start, pc + 4);
        }
        switch (n) {
        case A64_B:
        case A64_BL:
            if (!depend(l, start, pc + 4)) {
                return false;
            }
            pc += (int64_t)(int32_t)(insn << 6) >> 4;
            start = pc;
            continue;
        case A64_CBZ:
        case A64_CBNZ:
            if (!flags_dead_at(l, pc + (((int64_t)(int32_t)(insn << 8) >> 13) * 4))) {
                return false;
            }
            break;
        case A64_TBZ:
        case A64_TBNZ:
            if (!flags_dead_at(l, pc + (((int64_t)(int32_t)(insn << 13) >> 18) * 4))) {
                return false;
            }
            break;
        }
        pc += 4;
    }
    return false;
}

static bool cc_dead(DisasContext *s, vaddr target)
{
    LookAhead l = { s, LOOK_AHEAD, true };
    return s->cc_written && !s->alone && flags_dead_at(&l, target);
}

/* The flags that the block begins with may be stale if they are dead: see TranslationBlock. Should
 * the code that is looked at change, this is only a guess too many or too few. */
static int unsettled(DisasContext *s)
{
    LookAhead l = { s, LOOK_AHEAD, false };
    return flags_dead_at(&l, s->tb->pc) ? LOOK_AHEAD - l.left : 0;
}

/* --- exits
 * ------------------------------------------------------------------------------------------------
 */

static void exit_to_main(DisasContext *s, vaddr pc)
{
    tcg_gen_exit(s->tcg, tcg_new_exit(s->tcg, (TCGExit){ .kind = TCG_EXIT_MAIN, .pc = pc }));
    s->done = true;
}

static int jump_exit(DisasContext *s, vaddr target)
{
    if (s->tb->flags & ARM_TBF_STEP) { /* what comes next is another state */
        return tcg_new_exit(s->tcg, (TCGExit){ .kind = TCG_EXIT_MAIN, .pc = target });
    }
    return tcg_new_exit(s->tcg, (TCGExit){
                                    .kind = TCG_EXIT_JUMP,
                                    .pc = target,
                                    .poll = target <= s->pc,
                                    .cc_dead = cc_dead(s, target),
                                });
}

void gen_jump(DisasContext *s, vaddr target)
{
    if (s->tb->flags & ARM_TBF_STEP) {
        exit_to_main(s, target);
        return;
    }
    tcg_gen_exit(s->tcg, jump_exit(s, target));
    s->done = true;
}

void gen_jump_poll(DisasContext *s, vaddr target)
{
    int exit = jump_exit(s, target);

    s->tcg->exits[exit].poll = true;
    tcg_gen_exit(s->tcg, exit);
    s->done = true;
}

void gen_call(DisasContext *s, vaddr target)
{
    tcg_gen_mov(s->tcg, tcg_global_i64(ARM_G_X0 + 30), tcg_const_pc(s->tcg, s->pc + 4));
    if (s->tb->flags & ARM_TBF_STEP) {
        exit_to_main(s, target);
        return;
    }
    tcg_gen_exit(s->tcg, tcg_new_exit(s->tcg, (TCGExit){
                                                  .kind = TCG_EXIT_CALL,
                                                  .pc = target,
                                                  .ret_pc = s->pc + 4,
                                                  .poll = target <= s->pc,
                                                  .cc_dead = cc_dead(s, target),
                                              }));
    s->done = true;
}

void gen_exit_ind(DisasContext *s, int kind, TCGv_i64 target)
{
    if (s->tb->flags & ARM_TBF_STEP) {
        gen_helper(s, &s->env->sys_ops->go, TCG_NO_INDEX, tcg_env(s->tcg), target, TCG_NO_INDEX,
                   TCG_NO_INDEX);
        exit_to_main(s, s->pc);
        return;
    }
    int exit = tcg_new_exit(s->tcg, (TCGExit){ .kind = kind, .ret_pc = s->pc + 4 });

    tcg_gen_imm(exit_ind, s->tcg, 0, exit, target);
    s->done = true;
}

void gen_side_exit_cond(DisasContext *s, unsigned sz, TCGCond cond, TCGv_i64 a, TCGv_i64 b,
                        vaddr target)
{
    tcg_gen_cond_imm(exit_cond, s->tcg, sz, cond, jump_exit(s, target), a, b);
    s->nb_side_exits++;
}

void gen_side_exit_cc(DisasContext *s, TCGCC cond, vaddr target)
{
    tcg_gen_cond_imm(exit_cc, s->tcg, 0, cond, jump_exit(s, target), reg_cc());
    s->nb_side_exits++;
}

void gen_end_block(DisasContext *s)
{
    exit_to_main(s, s->pc + 4);
}

void gen_exception_at(DisasContext *s, int excp, vaddr pc)
{
    tcg_gen_st_env(s->tcg, MO_32, imm64(s, excp), offsetof(CPUState, exception_index));
    exit_to_main(s, pc);
}

/* far: it is the pc */
static void record_exception(DisasContext *s, uint64_t esr, bool far)
{
    tcg_gen_st_env(s->tcg, MO_64, imm64(s, esr), offsetof(CPUArmState, sys.exc.esr));
    tcg_gen_st_env(s->tcg, MO_8, imm64(s, MAX(s->el, 1)), offsetof(CPUArmState, sys.exc.el));
    tcg_gen_st_env(s->tcg, MO_8, imm64(s, far), offsetof(CPUArmState, sys.exc.has_far));
    if (far) {
        tcg_gen_st_env(s->tcg, MO_64, tcg_const_pc(s->tcg, s->pc),
                       offsetof(CPUArmState, sys.exc.far));
    }
}

void gen_exception_syndrome(DisasContext *s, uint64_t esr, vaddr pc)
{
    record_exception(s, esr, false);
    gen_exception_at(s, EXCP_ARM_SYNC, pc);
}

void gen_exception(DisasContext *s, int excp)
{
    gen_exception_at(s, excp, s->pc);
}

/* --- memory
 * -----------------------------------------------------------------------------------------------
 */

/* A fault if the size bytes at addr are not all in one aligned granule (both powers of two). */
static void helper_check_alignment(uint64_t cpu, uint64_t addr, uint64_t size, uint64_t granule)
{
    CPUState *cs = (CPUState *)(uintptr_t)cpu;

    if ((addr & (granule - 1)) + size > granule) {
        cs->fault_addr = addr;
        cpu_loop_exit(cs, EXCP_ALIGN);
    }
}

static const TCGHelperInfo check_alignment_info = {
    .name = "check_alignment",
    .func = helper_check_alignment,
    .nargs = 4,
};

static void check_alignment(DisasContext *s, TCGv_i64 addr, int size, int granule)
{
    gen_helper(s, &check_alignment_info, TCG_NO_INDEX, tcg_env(s->tcg), addr, imm64(s, size),
               imm64(s, granule));
}

/* SP is checked where it is the base of an access (SCTLR_EL1.SA0 is 1 under Linux). */
void mem_check_sp(DisasContext *s, TCGv_i64 base)
{
    if (s->tb->flags & ARM_TBF_SP_ODD && base.i == reg_xsp(31).i) {
        check_alignment(s, base, 16, 16);
    }
}

/*
 * Exclusive, atomic and ordered accesses (AArch64.UnalignedAccessFaults, DDI 0487 J1.1.1): from
 * FEAT_LSE2 on they may be anywhere inside 16 aligned bytes, before that they must be aligned. The
 * usual, aligned case costs a test; the others are sorted out by a careful block.
 */
static void check_ordered_alignment(DisasContext *s, TCGv_i64 addr, int size, int usual)
{
    if (s->careful) {
        check_alignment(s, addr, size, dc_feature(s, ARM_FEAT_LSE2) ? 16 : size);
    } else {
        TCGExit exit = { .kind = TCG_EXIT_MAIN, .pc = s->pc, .careful = true };
        tcg_gen_cond_imm(exit_cond, s->tcg, MO_64, TCG_COND_TSTNE, tcg_new_exit(s->tcg, exit), addr,
                         imm64(s, usual - 1));
        s->nb_side_exits++;
    }
}

void gen_helper(DisasContext *s, const TCGHelperInfo *info, TCGv_i64 ret, TCGv_i64 a, TCGv_i64 b,
                TCGv_i64 c, TCGv_i64 d)
{
    const TCGv_i64 args[] = { a, b, c, d };
    tcg_gen_call(s->tcg, info, ret, args);
}

TCGv_i64 mem_flat(DisasContext *s, MemAddr a, int atomic_bytes)
{
    TCGv_i64 addr = a.base;

    mem_check_sp(s, a.base);
    if (a.index.i != TCG_NONE) {
        TCGv_i64 shifted = a.index;
        if (a.shift) {
            shifted = tcg_temp_i64(s->tcg);
            tcg_gen(shl, s->tcg, MO_64, shifted, a.index, imm64(s, a.shift));
        }
        addr = tcg_temp_i64(s->tcg);
        tcg_gen(add, s->tcg, MO_64, addr, a.base, shifted);
    }
    if (a.disp) {
        TCGv_i64 sum = tcg_temp_i64(s->tcg);
        tcg_gen_addi(s->tcg, MO_64, sum, addr, a.disp);
        addr = sum;
    }
    if (s->careful && !s->tcg->code_page) {
        TCGv_i64 masked = tcg_temp_i64(s->tcg);
        tcg_gen_imm(sextract, s->tcg, MO_64, TCG_FIELD(0, 56), masked, addr);
        tcg_gen_st_env(s->tcg, MO_64, masked, offsetof(CPUState, careful_addr));
        addr = masked;
    }
    if (atomic_bytes > 1) {
        check_ordered_alignment(s, addr, atomic_bytes, atomic_bytes);
    }
    return addr;
}

TCGv_i64 mem_flat_pair(DisasContext *s, MemAddr a, int half)
{
    TCGv_i64 addr = mem_flat(s, a, 1);

    if (!s->careful) {
        check_ordered_alignment(s, addr, 2 * half, half);
        return addr;
    }
    /* no branches in here: a misaligned pair is checked as a whole, an aligned one as its half */
    TCGv_i64 odd = tcg_temp_i64(s->tcg), size = tcg_temp_i64(s->tcg);
    tcg_gen(and, s->tcg, MO_64, odd, addr, imm64(s, half - 1));
    tcg_gen_cond(setcond, s->tcg, MO_64, TCG_COND_NE, odd, odd, imm64(s, 0));
    tcg_gen(shl, s->tcg, MO_64, size, imm64(s, half), odd);
    gen_helper(s, &check_alignment_info, TCG_NO_INDEX, tcg_env(s->tcg), addr, size,
               imm64(s, dc_feature(s, ARM_FEAT_LSE2) ? 16 : half));
    return addr;
}

/* What fast blocks fold into the access, careful ones compute, mask and record first. */
static MemAddr checked_addr(DisasContext *s, unsigned memop, MemAddr a)
{
    int atomic_bytes = memop & (MO_ACQUIRE | MO_RELEASE) ? 1 << (memop & MO_SIZE) : 1;

    if (!s->careful && atomic_bytes == 1) {
        mem_check_sp(s, a.base);
        return a;
    }
    return mem_addr_base(mem_flat(s, a, atomic_bytes), 0);
}

void mem_unprivileged(DisasContext *s)
{
    if (s->el && !(s->tb->flags & ARM_TBF_UAO)) {
        s->tcg->mem_flags = MO_MODE(ARM_MODE_EL0);
    }
}

static uint16_t usual_mem_flags(const DisasContext *s)
{
    return s->el == 0                   ? MO_MODE(ARM_MODE_EL0)
           : s->tb->flags & ARM_TBF_PAN ? MO_MODE(ARM_MODE_EL1_PAN)
                                        : MO_MODE(ARM_MODE_EL1);
}

void mem_ld(DisasContext *s, unsigned memop, TCGv_i64 d, MemAddr a)
{
    a = checked_addr(s, memop, a);
    tcg_gen_ld(s->tcg, memop | MO_SHIFT(a.shift), d, a.base, a.index, a.disp);
}

void mem_st(DisasContext *s, unsigned memop, TCGv_i64 v, MemAddr a)
{
    a = checked_addr(s, memop, a);
    tcg_gen_st(s->tcg, memop | MO_SHIFT(a.shift), v, a.base, a.index, a.disp);
}

void mem_ldv(DisasContext *s, unsigned memop, TCGv_vec d, MemAddr a)
{
    a = checked_addr(s, memop, a);
    tcg_gen_ldv(s->tcg, memop | MO_SHIFT(a.shift), d, a.base, a.index, a.disp);
}

void mem_stv(DisasContext *s, unsigned memop, TCGv_vec v, MemAddr a)
{
    a = checked_addr(s, memop, a);
    tcg_gen_stv(s->tcg, memop | MO_SHIFT(a.shift), v, a.base, a.index, a.disp);
}

/* --- branch target identification
 * ----------------------------------------------------------------------------- */

/*
 * May an instruction be the target of an indirect branch that set BTYPE? (DDI 0487 D8.4.1.) As
 * Linux sets SCTLR_EL1.BT0, PACIxSP is no landing pad for BTYPE 3.
 */
static unsigned allowed_btypes(const DisasContext *s, uint32_t insn)
{
    enum { NONE = 1, ANY = 15 };

    switch (a64_pattern_index(insn)) {
    case A64_BTI:
        switch (insn >> 6 & 3) {
        case 1:
            return NONE | 1 << 1 | 1 << 2;
        case 2:
            return NONE | 1 << 1 | 1 << 3;
        case 3:
            return ANY;
        }
        return NONE;
    case A64_PACIASP:
    case A64_PACIBSP:
        return s->system && !(s->tb->flags & ARM_TBF_BT) ? ANY : NONE | 1 << 1 | 1 << 2;
    case A64_BRK:
        return ANY;
    }
    return NONE;
}

bool dc_page_guarded(DisasContext *s)
{
    if (s->system) {
        return s->env->sys_ops->page_guarded(s->env, s->pc);
    }
    return guest_page_flags && guest_page_flags(s->pc) & GUEST_PAGE_BTI &&
           dc_feature(s, ARM_FEAT_BTI);
}

/* At the start of a block of a process with guarded pages: check BTYPE, and clear it. */
static void check_btype(DisasContext *s, vaddr pc)
{
    unsigned bad = ~allowed_btypes(s, fetch(s, pc)) & 15;

    /* of whole machines the page is looked at when it happens: blocks do not depend on it */
    if (bad && (s->system || dc_page_guarded(s))) {
        TCGv_i64 btype = tcg_temp_i64(s->tcg), bit = tcg_temp_i64(s->tcg);
        int exit = tcg_new_exit(s->tcg, (TCGExit){ .kind = TCG_EXIT_MAIN, .pc = pc });

        tcg_gen_ld_env(s->tcg, MO_8, btype, offsetof(CPUArmState, btype));
        tcg_gen(shl, s->tcg, MO_64, bit, imm64(s, 1), btype);
        tcg_gen_st_env(s->tcg, MO_32, imm64(s, EXCP_BTI), offsetof(CPUState, exception_index));
        tcg_gen_cond_imm(exit_cond, s->tcg, MO_64, TCG_COND_TSTNE, exit, bit, imm64(s, bad));
        tcg_gen_st_env(s->tcg, MO_32, imm64(s, EXCP_NONE), offsetof(CPUState, exception_index));
    }
    tcg_gen_st_env(s->tcg, MO_8, imm64(s, 0), offsetof(CPUArmState, btype));
}

void gen_set_btype(DisasContext *s, int btype)
{
    if (s->tb->flags & ARM_TBF_BTI) {
        tcg_gen_st_env(s->tcg, MO_8, imm64(s, btype), offsetof(CPUArmState, btype));
    }
}

/* --- the loop
 * ---------------------------------------------------------------------------------------------------
 */

static void fetch_fault(DisasContext *s)
{
    bool mapped = guest_page_flags(s->pc) & GUEST_PAGE_VALID;

    tcg_gen_st_env(s->tcg, MO_64, tcg_const_pc(s->tcg, s->pc), offsetof(CPUState, fault_addr));
    tcg_gen_st_env(s->tcg, MO_32, imm64(s, SIGSEGV), offsetof(CPUState, fault_si_signo));
    tcg_gen_st_env(s->tcg, MO_32, imm64(s, mapped ? SEGV_ACCERR : SEGV_MAPERR),
                   offsetof(CPUState, fault_si_code));
    tcg_gen_st_env(s->tcg, MO_8, imm64(s, 0), offsetof(CPUState, fault_write));
    tcg_gen_st_env(s->tcg, MO_8, imm64(s, 1), offsetof(CPUState, fault_fetch));
    gen_exception(s, EXCP_FAULT);
}

/* What keeps a block from having a first instruction; true: it is complete. */
static bool bad_start(DisasContext *s)
{
    if (canonical(s->pc) != s->pc) {
        tcg_gen_insn_start(s->tcg, s->pc);
        gen_jump(s, canonical(s->pc));
    } else if (s->pc & 3) {
        tcg_gen_insn_start(s->tcg, s->pc);
        if (s->system) {
            record_exception(s, syn(EC_PC_ALIGN, 0), true);
            gen_exception(s, EXCP_ARM_SYNC);
            return true;
        }
        tcg_gen_st_env(s->tcg, MO_64, tcg_const_pc(s->tcg, s->pc), offsetof(CPUState, fault_addr));
        gen_exception(s, EXCP_ALIGN);
    } else if (!fetchable(s, s->pc)) {
        tcg_gen_insn_start(s->tcg, s->pc);
        fetch_fault(s);
    }
    return s->done;
}

/* Has an op since `first` written SP, and can the result be other than a multiple of 16? */
static bool sp_may_be_odd(const DisasContext *s, int first)
{
    const TCGContext *tcg = s->tcg;
    int sp = reg_xsp(31).i;

    for (int i = first; i < tcg->nb_ops; i++) {
        const TCGOp *op = &tcg->ops[i];
        if (!tcg_op_defs[op->opc].nb_out || op->arg[0] != sp) {
            continue;
        }
        const TCGTemp *operand = &tcg->temps[op->arg[2]];
        bool even = operand->kind == TEMP_CONST && !(operand->val & 15);
        return !((op->opc == TCG_OP_add && op->arg[1] == sp && even) ||
                 (op->opc == TCG_OP_and && even));
    }
    return false;
}

/* Blocks are made for an SP that is a multiple of 16, or for one that is not. */
static void follow_sp(DisasContext *s, int first_op)
{
    if (s->tb->flags & ARM_TBF_SP_ODD) {
        exit_to_main(s, s->next_pc);
    } else if (sp_may_be_odd(s, first_op)) {
        TCGExit exit = { .kind = TCG_EXIT_MAIN, .pc = s->next_pc };
        tcg_gen_cond_imm(exit_cond, s->tcg, MO_64, TCG_COND_TSTNE, tcg_new_exit(s->tcg, exit),
                         reg_xsp(31), imm64(s, 15));
        s->nb_side_exits++;
    }
}

static void translate_insn(DisasContext *s)
{
    uint32_t insn = s->insn = fetch(s, s->pc);
    int n = a64_pattern_index(insn), first_op = s->tcg->nb_ops;

    tcg_gen_insn_start(s->tcg, s->pc);
    s->next_pc = s->pc + 4;
    if (s->system) {
        s->tcg->mem_flags = usual_mem_flags(s);
        if (el1_start(s)) {
            return;
        }
    }
    if (n < 0 || !a64_patterns[n].decode(s, insn)) {
        gen_exception(s, EXCP_UDEF);
        return;
    }
    if (!s->done) {
        follow_sp(s, first_op);
    }
    if (n != A64_B_cond && a64_patterns[n].attrs) {
        s->cc_written = true;
    }
}

/* MRS and MSR see counts that are exact, being the first of their blocks. */
static bool counts_exactly(uint32_t insn)
{
    return (insn & 0xffd00000) == 0xd5100000;
}

/* Moves on to next_pc; false when the block has to end before it. */
static bool go_on(DisasContext *s)
{
    vaddr next = s->next_pc;

    if ((next != s->code_end || !(next & (PAGE - 1))) && !fetchable(s, next)) {
        return false;
    }
    if (s->counted && (next != s->code_end || counts_exactly(fetch(s, next)))) {
        return false;
    }
    if (breakpoint_at(next) || !add_range(s->tb, next, next + 4)) {
        return false;
    }
    s->code_end = next + 4;
    s->pc = next;
    return true;
}

void arm_translate(TCGContext *tcg, TranslationBlock *tb, int max_insns)
{
    DisasContext s = {
        .tcg = tcg,
        .tb = tb,
        .env = (CPUArmState *)tcg->cpu,
        .pc = tb->pc,
        .code_end = tb->pc + 4,
        .counted = tb->cflags & CF_ICOUNT || tb->flags & ARM_TBF_COUNT,
        .careful = tb->cflags & CF_CAREFUL,
        .system = tb->flags & ARM_TBF_SYSTEM,
        .el = (tb->flags & ARM_TBF_EL_MASK) >> ARM_TBF_EL_SHIFT,
        .fp_soft = tb->cflags & CF_CAREFUL || tb->flags & ARM_TBF_FP_SOFT,
    };

    tcg->fp_soft = s.fp_soft;
    tcg->mem_flags = 0;
    tcg->store_guard = arm_store_guard(tb);
    tcg->fp_flush = tb->flags & ARM_TBF_FP_FZ;
    tcg->fp_default_nan = tb->flags & ARM_TBF_FP_DN;
    bool single = tb->cflags & (CF_CAREFUL | CF_SINGLE) || tb->flags & ARM_TBF_STEP;
    max_insns = MIN(max_insns, single ? 1 : MAX_INSNS);
    s.alone = max_insns == 1;
    tb->nb_insns = 1;
    tb->nb_ranges = 1;
    tb->ranges[0].start = tb->pc;
    tb->ranges[0].end = tb->pc + 4;
    if (bad_start(&s)) {
        return;
    }
    if (!s.env->guarded && dc_page_guarded(&s)) {
        s.env->guarded = true; /* this thread's blocks keep BTYPE from the next one on */
    }
    tb->unsettled = s.alone ? 0 : (uint16_t)unsettled(&s);
    if (tb->flags & ARM_TBF_BTI) {
        tcg_gen_insn_start(tcg, s.pc);
        check_btype(&s, s.pc);
    }
    int max_exits = s.counted ? 1 : MAX_SIDE_EXITS;
    for (;;) {
        translate_insn(&s);
        if (s.done) {
            return;
        }
        bool held = s.ops_at_reserve && max_insns == MAX_INSNS && !s.counted;
        int more = held ? MORE_INSNS : 0;
        if (tb->nb_insns >= max_insns + more || s.nb_side_exits >= max_exits + more ||
            tcg->overflow || !go_on(&s)) {
            gen_jump(&s, s.next_pc);
            return;
        }
        tb->nb_insns++;
    }
}
