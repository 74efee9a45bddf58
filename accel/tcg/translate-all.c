/* SPDX-License-Identifier: MIT */
/* From guest pc to a TranslationBlock: the pipeline as a list of calls, with the retries. */
#include <string.h>

#include "disas.h"
#include "softmmu.h"
#include "util/log.h"

enum { DEFAULT_MAX_INSNS = 64, LOAD_AHEAD = 64 };

static void log_ops(TCGContext *s, int item, const char *title, bool with_life)
{
    if (!log_enabled(item) || !log_in_range(s->tb->pc)) {
        return;
    }
    FILE *f = log_lock();
    fprintf(f, "%s 0x%" PRIx64 "\n", title, s->tb->pc);
    tcg_dump_ops(s, f, with_life);
    fprintf(f, "\n");
    log_unlock(f);
}

static void log_guest(const TranslationBlock *tb, const uint8_t *code_page)
{
    if (!log_enabled(LOG_IN_ASM) || !log_in_range(tb->pc)) {
        return;
    }
    FILE *f = log_lock();
    fprintf(f, "IN: 0x%" PRIx64 ", %d instructions\n", tb->pc, tb->nb_insns);
    for (int r = 0; r < tb->nb_ranges; r++) {
        vaddr start = tb->ranges[r].start;
        if (guest_page_flags && !(guest_page_flags(start) & GUEST_PAGE_READ)) {
            continue;
        }
        const uint8_t *code = code_page ? code_page + (start & ((1 << GUEST_PAGE_BITS) - 1))
                                        : (const uint8_t *)(start + engine.config.guest_base);
        disas_guest(f, engine.target, start, code, tb->ranges[r].end - start);
    }
    fprintf(f, "\n");
    log_unlock(f);
}

static void log_host(const TranslationBlock *tb)
{
    if (!log_enabled(LOG_OUT_ASM) || !log_in_range(tb->pc) || !tb->tc) {
        return;
    }
    FILE *f = log_lock();
    fprintf(f, "OUT: 0x%" PRIx64 ", %u bytes for %d instructions\n", tb->pc, tb->tc_size,
            tb->nb_insns);
    disas_host(f, (uintptr_t)tb->tc, tb->tc, tb->tc_size - tb->consts_size);
    fprintf(f, "\n");
    log_unlock(f);
}

static void *keep(TCGContext *s, const void *data, size_t size)
{
    return memcpy(tb_alloc(s, size), data, size);
}

/* For the interpreter: the op list as it is now, and a slot for each chained exit. */
static void keep_ops(TCGContext *s, TranslationBlock *tb)
{
    tb->ops = keep(s, s->ops, s->nb_ops * sizeof(*s->ops));
    tb->temps = keep(s, s->temps, s->nb_temps * sizeof(*s->temps));
    tb->exits = keep(s, s->exits, s->nb_exits * sizeof(*s->exits));
    tb->nb_ops = s->nb_ops;
    tb->nb_temps = s->nb_temps;
    tb->nb_exits = s->nb_exits;
    tb->nb_labels = s->nb_labels;
}

/* The middle of the pipeline. False: the block was too large for the context. */
static bool make_ops(TCGContext *s, TranslationBlock *tb, int max_insns)
{
    tcg_context_start(s, tb);
    s->fp_soft = tb->cflags & CF_CAREFUL;
    int size = tb_counts(tb) ? count_begin(s, tb) : -1;
    /* In user mode a block that is to pass one is of one instruction. */
    bool passes = !engine.target->system && tb->cflags & (CF_SINGLE | CF_CAREFUL);
    if (!passes && breakpoint_at(tb->pc)) {
        gen_breakpoint(s, tb->pc);
    }
    s->fp_flush = s->fp_default_nan = false;
    engine.target->translate(s, tb, max_insns);
    if (size >= 0) {
        count_end(s, tb, size);
    }
    s->fp_soft |= s->fp_flush && tb->cflags & CF_FP_EXACT;
    if (s->overflow) {
        return false;
    }
    log_guest(tb, s->code_page);
    log_ops(s, LOG_OP, "OP:", false);
#ifdef CONFIG_DEBUG
    tcg_check(s, "front end");
#endif
    if (!engine.config.no_optimize) {
        tcg_optimize(s);
    }
    tcg_liveness(s);
#ifdef CONFIG_DEBUG
    tcg_check(s, "optimiser");
#endif
    log_ops(s, LOG_OP_OPT, "OP after optimisation and liveness:", true);
    return true;
}

static TranslationBlock *new_tb(TCGContext *s, vaddr pc, uint64_t phys, uint32_t flags,
                                uint32_t cflags)
{
    TranslationBlock *tb = tb_alloc(s, sizeof(*tb));

    memset(tb, 0, sizeof(*tb));
    tb->pc = pc;
    tb->phys = phys;
    if (s->cpu->mmu) {
        tb->page_id = s->cpu->code_page[code_page_index(pc)];
    }
    tb->flags = flags;
    tb->cflags = cflags;
    return tb;
}

/* Emits what make_ops left in s; TCG_GEN_*. */
static int make_code(TCGContext *s, TranslationBlock *tb)
{
    ThreadCode *tc = (ThreadCode *)s->code;

    if (atomic_load(&tc->region->nb_tbs) == REGION_MAX_TBS) {
        return TCG_GEN_BUFFER_FULL;
    }
    if (tb->cflags & CF_INTERP || engine.config.verify) {
        keep_ops(s, tb);
    }
    if (tb->cflags & CF_INTERP) {
        return TCG_GEN_OK;
    }
    return tcg_gen_code(s, tb);
}

static TranslationBlock *publish(TCGContext *s, TranslationBlock *tb, uint64_t generation)
{
    code_region_add_tb((ThreadCode *)s->code, tb);
    TranslationBlock *found = tb_insert(s, tb, generation);
    if (found && engine.config.perfmap) {
        perfmap_add(tb);
    }
    return found;
}

/* ---- from the persistent cache ---- */

static TranslationBlock *load_one(CPUState *cpu, vaddr pc, uint64_t phys, uint32_t flags,
                                  uint32_t cflags)
{
    uint64_t generation = engine.generation;
    TranslationBlock *tb = NULL;

    if (atomic_load(&thread_code(cpu)->region->nb_tbs) < REGION_MAX_TBS) {
        tb = persist_load(cpu, pc, phys, flags, cflags);
    }
    return tb ? publish(cpu->tcg, tb, generation) : NULL;
}

/*
 * The block and, since coming back for each costs as much as loading it, what it was followed by in
 * an earlier process.
 */
static TranslationBlock *load_with_next(CPUState *cpu, vaddr pc, uint64_t phys, uint32_t flags,
                                        uint32_t cflags)
{
    TranslationBlock *first = load_one(cpu, pc, phys, flags, cflags), *queue[LOAD_AHEAD];
    TBSlot *unknown[2 * TCG_MAX_EXITS];
    int nb = 0;

    if (first) {
        queue[nb++] = first;
    }
    for (int i = 0; i < nb; i++) {
        int n = tb_link_likely(queue[i], unknown);

        for (int k = 0; k < n && nb < LOAD_AHEAD; k++) {
            TranslationBlock *next = load_one(cpu, unknown[k]->pc, phys, flags, cflags);

            if (next) {
                tb_link(unknown[k], next);
                queue[nb++] = next;
            }
        }
    }
    return first;
}

/* ---- anew ---- */

/* System mode: the page as it was before a translation; another CPU may write meanwhile. */
static _Thread_local uint8_t page_before[TLB_PAGE_SIZE];

/* Keeps what the block was made of. False: that changed meanwhile. */
static bool copy_guest(TCGContext *s, TranslationBlock *tb)
{
    vaddr page = tb->pc & TLB_PAGE_MASK;
    size_t size = 0;
    uint8_t *to;

    for (int i = 0; i < tb->nb_ranges; i++) {
        size += tb->ranges[i].end - tb->ranges[i].start;
    }
    tb->guest = to = tb_alloc(s, size);
    for (int i = 0; i < tb->nb_ranges; i++) {
        size_t n = tb->ranges[i].end - tb->ranges[i].start;
        vaddr offset = tb->ranges[i].start - page;

        memcpy(to, s->code_page + offset, n);
        if (memcmp(to, page_before + offset, n)) {
            return false;
        }
        to += n;
    }
    return true;
}

static TranslationBlock *translate(CPUState *cpu, vaddr pc, uint64_t phys, uint32_t flags,
                                   uint32_t cflags, int max_insns)
{
    TCGContext *s = cpu->tcg;
    ThreadCode *tc = thread_code(cpu);

    if (cflags & (CF_CAREFUL | CF_SINGLE)) {
        max_insns = 1;
    }
    for (;;) {
        uint64_t generation = engine.generation;
        persist_begin_block(s, pc, phys, flags, cflags);
        ArenaMark mark = arena_mark(tc);
        if (cpu->mmu) {
            memcpy(page_before, s->code_page, sizeof(page_before));
        }
        TranslationBlock *tb = new_tb(s, pc, phys, flags, cflags);
        int ret = make_ops(s, tb, max_insns) ? make_code(s, tb) : TCG_GEN_TOO_LARGE;

        if (ret == TCG_GEN_OK && cpu->mmu && !copy_guest(s, tb)) {
            arena_release(tc, mark);
            continue;
        }
        if (ret == TCG_GEN_OK) {
            log_host(tb);
            persist_new_block(s, tb);
            tb = publish(s, tb, generation);
            if (tb) {
                return tb;
            }
            continue;
        }
        if (ret == TCG_GEN_TOO_LARGE) {
            g_assert(max_insns > 1);
            max_insns = MAX(1, MIN(tb->nb_insns, max_insns) / 2);
        }
        arena_release(tc, mark);
        if (ret == TCG_GEN_BUFFER_FULL) {
            code_region_next(cpu);
        }
    }
}

TranslationBlock *tb_gen_code(CPUState *cpu, vaddr pc, uint64_t phys, uint32_t flags,
                              uint32_t cflags)
{
    int max_insns = engine.config.max_insns ? engine.config.max_insns : DEFAULT_MAX_INSNS;
    ThreadCode *tc = thread_code(cpu);
    TranslationBlock *tb;

    code_region_begin(cpu);
    cpu->tcg->cpu = cpu;
    tc->reading = true;
    if (sigsetjmp(tc->read_failed, 0)) {
        tc->reading = true;
        if (cpu->fault_addr < pc || cpu->fault_addr >= pc + cpu->target->max_insn_len) {
            tb = translate(cpu, pc, phys, flags, cflags, 1); /* what comes before it is good */
        } else {
            tc->reading = false;
            code_region_end(cpu);
            cpu_loop_exit(cpu, EXCP_FAULT);
        }
    } else {
        tb = load_with_next(cpu, pc, phys, flags, cflags);
        if (!tb) {
            tb = translate(cpu, pc, phys, flags, cflags, max_insns);
        }
    }
    tc->reading = false;
    code_region_end(cpu);
    return tb;
}
