/* SPDX-License-Identifier: MIT */
/*
 * Blocks that count their instructions, for -icount and for a target's own counters. Such a block
 * has no way out but its last instruction and lies in one piece. Its first ops count the block
 * before it as done, leave if the number of instructions for which somebody waits is reached, and
 * note what is under way, so that wherever it is left pc tells how far it went:
 *
 *     done = insns + insns_pending; if (done >= insns_limit) leave
 *     insns = done; insns_pending = the block's size; insns_start = its pc
 */
#include "exec/softmmu.h"
#include "internal.h"
#include "tcg/tcg-op.h"

bool tb_counts(const TranslationBlock *tb)
{
    return tb->cflags & CF_ICOUNT || tb->flags & engine.target->count_flag;
}

#define FIELD(f) offsetof(CPUState, f)

int count_begin(TCGContext *s, const TranslationBlock *tb)
{
    TCGv_i64 done = tcg_temp_i64(s), t = tcg_temp_i64(s);
    TCGExit leave = { .kind = TCG_EXIT_MAIN, .pc = tb->pc };
    int size;

    tcg_gen_insn_start(s, tb->pc);
    tcg_gen_ld_env(s, MO_64, done, FIELD(insns));
    tcg_gen_ld_env(s, MO_64, t, FIELD(insns_pending));
    tcg_gen(add, s, MO_64, done, done, t);
    tcg_gen_ld_env(s, MO_64, t, FIELD(insns_limit));
    tcg_gen_cond_imm(exit_cond, s, MO_64, TCG_COND_GEU, tcg_new_exit(s, leave), done, t);
    tcg_gen_st_env(s, MO_64, done, FIELD(insns));
    tcg_gen_mov(s, t, tcg_const_pc(s, tb->pc));
    tcg_gen_st_env(s, MO_64, t, FIELD(insns_start));
    size = s->nb_ops;
    tcg_gen_movi(s, t, 1);
    tcg_gen_st_env(s, MO_64, t, FIELD(insns_pending));
    return size;
}

void count_end(TCGContext *s, const TranslationBlock *tb, int size)
{
    uint16_t n = tcg_const(s, tb->nb_insns).i;

    if (!s->overflow) {
        s->ops[size].arg[1] = n;
    }
}

void cpu_set_insns_event(CPUState *cpu, uint64_t at)
{
    cpu->insns_event = at;
    cpu->insns_limit = engine.config.icount ? MIN(cpu->insns_limit, at) : at;
}

void count_left(CPUState *cpu, bool to_the_end)
{
    if (cpu->insns_pending) {
        uint64_t far = (cpu_get_pc(cpu) - cpu->insns_start) / (uint64_t)cpu->target->max_insn_len;

        cpu->insns += to_the_end ? cpu->insns_pending : MIN(far, cpu->insns_pending);
        cpu->insns_pending = 0;
    }
    if (cpu->insns >= cpu->insns_event) {
        cpu_set_insns_event(cpu, UINT64_MAX);
        cpu->target->system->insns_event(cpu);
    }
    if (engine.config.icount && cpu->insns >= cpu->insns_limit) {
        atomic_store((_Atomic bool *)&cpu->interrupt_request, true);
    }
}
