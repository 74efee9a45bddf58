/* SPDX-License-Identifier: MIT */
/* A64 branches and exceptions (DDI 0487 C4.1.93), without pointer authentication. */
#include "target/arm/syndrome.h"
#include "target/arm/translate.h"

static vaddr target_of(DisasContext *s, int imm)
{
    return s->pc + (int64_t)imm * 4;
}

/*
 * The taken side leaves the block; the block goes on behind a forward branch. A backward one closes
 * a loop and is mostly taken: what follows is another block.
 */
static void end_if_backward(DisasContext *s, vaddr target)
{
    if (target <= s->pc) {
        gen_jump(s, s->pc + 4);
    }
}

bool trans_b(DisasContext *s, arg_b *a)
{
    vaddr target = target_of(s, a->imm);

    if (target > s->pc) {
        s->next_pc = target; /* the block goes on there */
    } else {
        gen_jump(s, target);
    }
    return true;
}

bool trans_bl(DisasContext *s, arg_bl *a)
{
    gen_call(s, target_of(s, a->imm));
    return true;
}

bool trans_b_cond(DisasContext *s, arg_b_cond *a)
{
    vaddr target = target_of(s, a->imm);

    if (a->cond >= 14) {
        gen_jump(s, target);
        return true;
    }
    gen_side_exit_cc(s, a->cond, target);
    end_if_backward(s, target);
    return true;
}

bool trans_cbz(DisasContext *s, arg_cbz *a)
{
    vaddr target = target_of(s, a->imm);

    gen_side_exit_cond(s, sf_size(a->sf), a->cond, reg_x(s, a->rt), imm64(s, 0), target);
    end_if_backward(s, target);
    return true;
}

bool trans_tbz(DisasContext *s, arg_tbz *a)
{
    vaddr target = target_of(s, a->imm);
    uint64_t bit = 1ull << (a->b5 << 5 | a->b40);

    gen_side_exit_cond(s, MO_64, a->cond, reg_x(s, a->rt), imm64(s, bit), target);
    end_if_backward(s, target);
    return true;
}

void gen_br(DisasContext *s, int rn, TCGv_i64 target)
{
    bool bti = s->tb->flags & ARM_TBF_BTI;

    gen_set_btype(s, bti && rn != 16 && rn != 17 && dc_page_guarded(s) ? 3 : 1);
    gen_exit_ind(s, TCG_EXIT_JUMP_IND, target);
}

void gen_blr(DisasContext *s, TCGv_i64 target)
{
    TCGv_i64 link = tcg_global_i64(ARM_G_X0 + 30);

    if (target.i == link.i) {
        target = tcg_temp_i64(s->tcg);
        tcg_gen_mov(s->tcg, target, link);
    }
    gen_set_btype(s, 2);
    tcg_gen_mov(s->tcg, link, tcg_const_pc(s->tcg, s->pc + 4));
    gen_exit_ind(s, TCG_EXIT_CALL_IND, target);
}

bool trans_br(DisasContext *s, arg_br *a)
{
    gen_br(s, a->rn, reg_x(s, a->rn));
    return true;
}

bool trans_blr(DisasContext *s, arg_blr *a)
{
    gen_blr(s, reg_x(s, a->rn));
    return true;
}

bool trans_ret(DisasContext *s, arg_ret *a)
{
    gen_exit_ind(s, TCG_EXIT_RET, reg_x(s, a->rn));
    return true;
}

static uint64_t helper_quick_syscall(uint64_t cpu, uint64_t nr, uint64_t x0, uint64_t x1)
{
    CPUState *cs = (CPUState *)(uintptr_t)cpu;

    return cs->quick_syscall(cs, nr, x0, x1);
}

static const TCGHelperInfo quick_syscall_info = {
    .name = "quick_syscall",
    .func = helper_quick_syscall,
    .nargs = 4,
    .has_ret = true,
    .flags = TCG_CALL_NO_RG | TCG_CALL_NO_WG,
};

/* The immediate means nothing but in the vDSO. */
bool trans_svc(DisasContext *s, arg_svc *a)
{
    if (s->system) {
        gen_exception_syndrome(s, syn_call(EC_SVC64, a->imm), s->pc + 4);
        return true;
    }
    vaddr page = s->tcg->cpu ? s->tcg->cpu->quick_page : 0;

    if (a->imm && page && (s->pc & ~(vaddr)4095) == page) {
        gen_helper(s, &quick_syscall_info, reg_dest(s, 0), tcg_env(s->tcg), imm64(s, a->imm),
                   reg_x(s, 0), reg_x(s, 1));
        gen_jump(s, s->pc + 4);
        return true;
    }
    gen_exception_at(s, EXCP_SYSCALL, s->pc + 4);
    return true;
}

bool trans_brk(DisasContext *s, arg_brk *a)
{
    if (s->system) {
        gen_exception_syndrome(s, syn_call(EC_BRK64, a->imm), s->pc);
        return true;
    }
    gen_exception(s, EXCP_BREAKPOINT);
    return true;
}
