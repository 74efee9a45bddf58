/* SPDX-License-Identifier: MIT */
/* The loop: find or make the block for the guest pc, run it, see why it came back. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "softmmu.h"
#include "util/log.h"

bool tcg_exec_init(const TargetOps *target, const TCGConfig *config, GError **err)
{
    TCGBackendConfig backend = {
        .target = target,
        .host_features = config->host_features,
        .guest_base = config->guest_base,
        .fp_check = config->fp_check,
        .no_peepholes = config->no_peepholes || config->no_optimize,
        .softmmu = config->softmmu,
    };

    engine.config = *config;
    guest_base = config->guest_base;
    tci_init(guest_base);
    engine.target = target;
    engine.cflags =
        (config->icount ? CF_ICOUNT : 0) | (config->no_chain || config->verify ? CF_NO_CHAIN : 0) |
        (config->interp ? CF_INTERP : 0) | (config->fp_check ? CF_FP_CHECK | CF_FP_EXACT : 0);
    engine.wanted_cflags = config->fp_check ? CF_FP_CHECK | CF_FP_EXACT : 0;
    engine.empty_jump_cache = mmap(NULL, JUMP_CACHE_SIZE * sizeof(JumpCacheEntry),
                                   PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert(engine.empty_jump_cache != MAP_FAILED);
    engine.empty_jump_cache[0].pc = ~(vaddr)0;
    if (!tcg_backend_init(&backend, err) || !code_buffer_init(err)) {
        return false;
    }
    tb_hash_init();
    persist_init();
    return true;
}

/* ---- a CPU's own things
 * ------------------------------------------------------------------------------ */

/* Jump cache and return stack in one mapping, the stack's guard page lowest. */
static void map_cpu_memory(CPUState *cpu)
{
    size_t jc_size = JUMP_CACHE_SIZE * sizeof(JumpCacheEntry), guard = 4096;
    uint8_t *mem = mmap(NULL, guard + RET_STACK_SIZE + jc_size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (mem == MAP_FAILED || mprotect(mem, guard, PROT_NONE)) {
        g_error("no memory for a thread's return stack");
    }
    cpu->ret_stack = mem + guard;
    cpu->ret_stack_size = RET_STACK_SIZE;
    cpu->jump_cache_own = (JumpCacheEntry *)(mem + guard + RET_STACK_SIZE);
    cpu->jump_cache_own[0].pc = ~(vaddr)0;
}

static void resume_polls(CPUState *cpu)
{
    cpu->jump_cache = cpu->jump_cache_own;
    cpu->ret_sp_limit = (uintptr_t)cpu->ret_stack + RET_STACK_ROOM;
}

/* Every CPU follows before its next block, once it has left the one that it is in. */
static void want_cflags(uint32_t cflags)
{
    if (cflags & ~engine.wanted_cflags) {
        atomic_fetch_or(&engine.wanted_cflags, cflags);
        pthread_mutex_lock(&engine.lock);
        kick_others(NULL);
        pthread_mutex_unlock(&engine.lock);
    }
}

void tcg_cpu_attach(CPUState *cpu)
{
    cpu->tcg = tcg_context_new(engine.target);
    cpu->tcg->code = (TCGCodeRegion *)g_new0(ThreadCode, 1);
    cpu->tcg->backend = tcg_backend_context_new(cpu->tcg);
    tcg_backend_thread_init();
    cpu->exception_index = EXCP_NONE;
    cpu->insns_limit = cpu->insns_event = UINT64_MAX;
    map_cpu_memory(cpu);
    resume_polls(cpu);
    tcg_backend_reset_ret_stack(cpu);
    tcg_backend_set_fp_mode(cpu);
    pthread_mutex_lock(&engine.lock);
    cpu->epoch = engine.epoch;
    cpu->next_cpu = engine.cpus;
    engine.cpus = cpu;
    pthread_mutex_unlock(&engine.lock);
    if (cpu->next_cpu) {
        want_cflags(CF_SHARED);
    }
}

void tcg_cpu_detach(CPUState *cpu)
{
    code_region_release(cpu);
    pthread_mutex_lock(&engine.lock);
    for (CPUState **at = &engine.cpus; *at; at = &(*at)->next_cpu) {
        if (*at == cpu) {
            *at = cpu->next_cpu;
            break;
        }
    }
    pthread_mutex_unlock(&engine.lock);
    munmap(cpu->ret_stack - 4096, 4096 + RET_STACK_SIZE + JUMP_CACHE_SIZE * sizeof(JumpCacheEntry));
    tcg_backend_context_free(cpu->tcg->backend);
    verify_free(cpu);
    g_free(thread_code(cpu));
    tcg_context_free(cpu->tcg);
    cpu->tcg = NULL;
}

void tcg_memory_is_shared(void)
{
    pthread_mutex_lock(&engine.lock);
    for (CPUState *cpu = engine.cpus; cpu; cpu = cpu->next_cpu) {
        cpu->memory_is_private = 0;
    }
    pthread_mutex_unlock(&engine.lock);
    want_cflags(CF_SHARED);
}

bool tcg_count_stores(void)
{
    pthread_mutex_lock(&engine.lock);
    bool alone = !engine.cpus->next_cpu;
    pthread_mutex_unlock(&engine.lock);
    if (!alone) {
        want_cflags(CF_STORES_COUNTED);
    }
    return !alone;
}

bool tcg_stores_counted(void)
{
    if (engine.stores_counted || !(engine.wanted_cflags & CF_STORES_COUNTED)) {
        return engine.stores_counted;
    }
    bool all = true;
    pthread_mutex_lock(&engine.lock);
    for (CPUState *cpu = engine.cpus; cpu; cpu = cpu->next_cpu) {
        all &= atomic_load((_Atomic uint32_t *)&cpu->cflags_seen) & CF_STORES_COUNTED ||
               !atomic_load((_Atomic bool *)&cpu->in_code);
    }
    pthread_mutex_unlock(&engine.lock);
    engine.stores_counted = all;
    return all;
}

/* ---- asking for an exit
 * ---------------------------------------------------------------------------------- */

static void make_polls_fail(CPUState *cpu)
{
    cpu->exit_request = 1;
    *(volatile uintptr_t *)&cpu->ret_sp_limit = UINTPTR_MAX;
    *(JumpCacheEntry *volatile *)&cpu->jump_cache = engine.empty_jump_cache;
}

void cpu_request_exit(CPUState *cpu)
{
    atomic_store((_Atomic bool *)&cpu->interrupt_request, true);
    make_polls_fail(cpu);
}

void kick_others(CPUState *self)
{
    for (CPUState *cpu = engine.cpus; cpu; cpu = cpu->next_cpu) {
        if (cpu != self) {
            make_polls_fail(cpu);
        }
    }
}

void cpu_loop_exit(CPUState *cpu, int excp)
{
    cpu->exception_index = excp;
    tcg_backend_unwind(cpu);
    siglongjmp(cpu->jmp_env, 1);
}

/* ---- the loop
 * -----------------------------------------------------------------------------------------------
 */

void cpu_pass_epoch(CPUState *cpu)
{
    if (cpu->epoch != engine.epoch) {
        jump_cache_clear(cpu);
        tcg_backend_reset_ret_stack(cpu);
        atomic_store((_Atomic uint64_t *)&cpu->epoch, engine.epoch);
    }
}

static bool polls_fail(const CPUState *cpu)
{
    return cpu->exit_request || *(volatile const uintptr_t *)&cpu->ret_sp_limit == UINTPTR_MAX ||
           *(JumpCacheEntry *volatile const *)&cpu->jump_cache != cpu->jump_cache_own;
}

/*
 * The top of the loop: no code is under way, nothing of the engine's is held. What was asked for is
 * looked at after the polls were made to pass again; if they never failed, none needs a fence.
 */
static void quiet_point(CPUState *cpu)
{
    if (polls_fail(cpu)) {
        resume_polls(cpu);
        cpu->exit_request = 0;
        atomic_thread_fence(memory_order_seq_cst);
    }
    cpu_pass_epoch(cpu);
    if (cpu->ret_sp <= (uintptr_t)cpu->ret_stack + RET_STACK_ROOM) {
        tcg_backend_reset_ret_stack(cpu);
    }
}

/*
 * The first CPU that sees something new wanted drops all blocks: those made before are never looked
 * up again. Each CPU forgets what it knew of them, and masks what need not trap any more.
 */
static void follow_wanted_cflags(CPUState *cpu)
{
    uint32_t wanted = engine.wanted_cflags;

    cpu->cflags_seen = wanted;
    if (wanted & ~atomic_fetch_or(&engine.cflags, wanted)) {
        persist_save(); /* the next run begins without */
        tb_flush_all();
    }
    cpu->fp_cflags = wanted & (CF_FP_CHECK | CF_FP_TININESS);
    jump_cache_clear(cpu);
    tcg_backend_reset_ret_stack(cpu);
    tcg_backend_set_fp_mode(cpu);
}

static uint32_t current_tb_flags(CPUState *cpu)
{
    uint32_t flags = engine.target->tb_flags(cpu);
    ThreadCode *tc = thread_code(cpu);

    if (!cpu->mmu && tc->tb_flags != flags) {
        /* what was remembered by pc alone was for another mode */
        tc->tb_flags = flags;
        jump_cache_clear(cpu);
        tcg_backend_reset_ret_stack(cpu);
    }
    return flags;
}

static void remember_jump(CPUState *cpu, TranslationBlock *tb)
{
    JumpCacheEntry *entry = &cpu->jump_cache_own[jump_cache_index(tb->pc, engine.target->jc_shift)];

    if (cpu->mmu) {
        code_remember_jump(cpu, tb);
    } else if (entry->pc == tb->pc && entry->code == tb->tc) {
        return;
    }
    entry->code = tb->tc;
    atomic_store((_Atomic vaddr *)&entry->pc, tb->pc);
    if (atomic_load((_Atomic bool *)&tb->invalid)) {
        entry->pc = ~(vaddr)0;
    }
}

static void log_exec(CPUState *cpu, const TranslationBlock *tb)
{
    if (!log_enabled(LOG_EXEC | LOG_CPU) || !log_in_range(tb->pc)) {
        return;
    }
    FILE *f = log_lock();
    if (log_enabled(LOG_EXEC)) {
        fprintf(f, "exec 0x%" PRIx64 " flags %x cflags %x insns %d\n", tb->pc, tb->flags,
                tb->cflags, tb->nb_insns);
    }
    if (log_enabled(LOG_CPU)) {
        cpu->target->dump_state(cpu, f);
    }
    log_unlock(f);
}

static TBSlot *run_tb(CPUState *cpu, TranslationBlock *tb)
{
    ThreadCode *tc = thread_code(cpu);
    TBSlot *slot;

    log_exec(cpu, tb);
    tc->careful = tb->cflags & CF_CAREFUL;
    tc->running = true;
    atomic_signal_fence(memory_order_seq_cst);
    if (engine.config.verify) {
        slot = verify_run(cpu, tb);
    } else if (tb->cflags & CF_INTERP) {
        slot = tci_run(cpu, tb, NULL);
    } else {
        slot = tcg_enter(cpu, tb->tc);
    }
    atomic_signal_fence(memory_order_seq_cst);
    tc->running = false;
    return slot;
}

/*
 * System mode: the guest goes on where the current jump cache knows the code. What changes the
 * meaning of an address has emptied it.
 */
static const void *known_code(CPUState *cpu)
{
    const JumpCache *jc = cpu->mmu->jump_cache;
    const JumpCacheEntry *e;
    vaddr pc = cpu_get_pc(cpu);

    if (!jc || cpu->mmu->forget_returns || cpu->single_step || cpu->cflags_next ||
        engine.cflags & (CF_NO_CHAIN | CF_INTERP) || log_enabled(LOG_EXEC | LOG_CPU) ||
        !code_jump_cache_fits(cpu, engine.target->tb_flags(cpu))) {
        return NULL;
    }
    e = &jc->entries[jump_cache_index(pc, engine.target->jc_shift)];
    return e->pc == pc ? e->code : NULL;
}

static TBSlot *enter_known(CPUState *cpu, const void *code)
{
    ThreadCode *tc = thread_code(cpu);
    TBSlot *slot;

    tc->running = true;
    atomic_signal_fence(memory_order_seq_cst);
    slot = tcg_enter(cpu, code);
    atomic_signal_fence(memory_order_seq_cst);
    tc->running = false;
    return slot;
}

static inline void count(CPUState *cpu, bool to_the_end)
{
    if (cpu->insns_pending || cpu->insns >= *(volatile uint64_t *)&cpu->insns_limit) {
        count_left(cpu, to_the_end);
    }
}

/* The block at the current pc; NULL: there can be none, an exception is recorded. */
static TranslationBlock *current_tb(CPUState *cpu)
{
    uint32_t cflags = engine.cflags | cpu->cflags_next | (cpu->single_step ? CF_SINGLE : 0);
    uint32_t flags = current_tb_flags(cpu);
    vaddr pc = cpu_get_pc(cpu);
    uint64_t phys = 0;

    if (cpu->mmu) {
        cpu->tcg->code_page = code_page_enter(cpu, pc, flags, &phys);
        if (!cpu->tcg->code_page) {
            return NULL;
        }
    }
    if (cflags & (CF_CAREFUL | CF_SINGLE) || log_enabled(LOG_EXEC | LOG_CPU)) {
        cflags |= CF_NO_CHAIN;
    }
    TranslationBlock *tb = tb_lookup(pc, phys, flags, cflags);
    return tb ? tb : tb_gen_code(cpu, pc, phys, flags, cflags);
}

/* One turn: runs blocks chained to each other from the current pc. `last`: the way out taken
 * before. */
static TBSlot *exec_once(CPUState *cpu, TBSlot *last)
{
    uint64_t epoch = cpu->epoch;
    TranslationBlock *tb = current_tb(cpu);

    if (!tb) {
        return NULL;
    }
    if (cpu->epoch != epoch) {
        last = NULL;
    }
    cpu->cflags_next = 0;
    if (!(tb->cflags & (CF_NO_CHAIN | CF_INTERP))) {
        if (last && last->pc == tb->pc) {
            tb_link(last, tb);
        } else if (!last) {
            remember_jump(cpu, tb);
        }
    }
    last = run_tb(cpu, tb);
    if (tb->cflags & CF_CAREFUL) {
        tcg_backend_set_fp_mode(cpu); /* which flags are set may decide what traps */
    }
    /* an instruction that has to be run again, carefully, was not the step */
    if (cpu->single_step && cpu->exception_index == EXCP_NONE && !(cpu->cflags_next & CF_CAREFUL)) {
        cpu->exception_index = EXCP_DEBUG;
    }
    return last;
}

/*
 * System mode: what the guest itself deals with. Takes the recorded exception, or an interrupt.
 * False: *excp is for cpu_exec's caller, or there is nothing.
 */
static bool take_exception(CPUState *cpu, int excp)
{
    if (excp == EXCP_INTERRUPT || excp == EXCP_DEBUG || excp == EXCP_HALTED) {
        return false;
    }
    cpu->exception_index = excp;
    cpu->target->system->do_interrupt(cpu);
    cpu->exception_index = cpu->single_step ? EXCP_DEBUG : EXCP_NONE;
    return true;
}

static bool interrupt_due(CPUState *cpu)
{
    return atomic_load(&cpu->interrupts) && !cpu->single_step &&
           cpu->target->system->interrupt_due(cpu);
}

/*
 * What comes from outside is to see an exact state: is it that? If not, runs the next instruction
 * by itself, after which the same is to be asked again. Where none can be fetched, an exception is
 * recorded, which comes first.
 */
static bool settled(CPUState *cpu)
{
    ThreadCode *tc = thread_code(cpu);

    if (!tc->settling) {
        const TranslationBlock *tb = current_tb(cpu);
        if (!tb) {
            return false;
        }
        tc->settling = tb->unsettled + 1;
    }
    if (--tc->settling == 0) {
        return true;
    }
    cpu->cflags_next |= CF_SINGLE;
    exec_once(cpu, NULL);
    count(cpu, cpu->exception_index == EXCP_NONE && !cpu->cflags_next);
    return false;
}

int cpu_exec(CPUState *cpu)
{
    TBSlot *volatile last = NULL;
    int excp;

    if (sigsetjmp(cpu->jmp_env, 0)) {
        thread_code(cpu)->running = false;
        verify_left();
        count(cpu, false);
        tcg_backend_reset_ret_stack(cpu);
        last = NULL;
    }
    atomic_store((_Atomic bool *)&cpu->in_code, true);
    for (;;) {
        uint64_t epoch = cpu->epoch;

        quiet_point(cpu);
        if (cpu->epoch != epoch) {
            last = NULL; /* it may be in code that is gone */
        }
        if (G_UNLIKELY(cpu->cflags_seen != engine.wanted_cflags)) {
            follow_wanted_cflags(cpu);
            last = NULL;
        }
        if (cpu->exception_index != EXCP_NONE) {
            excp = cpu->exception_index;
            cpu->exception_index = EXCP_NONE;
            thread_code(cpu)->settling = 1; /* all is exact where an exception has been taken */
            if (cpu->mmu && take_exception(cpu, excp)) {
                last = NULL;
                continue;
            }
            break;
        }
        bool asked = atomic_load((_Atomic bool *)&cpu->interrupt_request);
        if (asked || (cpu->mmu && interrupt_due(cpu))) {
            last = NULL;
            if (!settled(cpu)) {
                continue;
            }
            if (asked) {
                atomic_store((_Atomic bool *)&cpu->interrupt_request, false);
                excp = EXCP_INTERRUPT;
                break;
            }
            cpu->target->system->exec_interrupt(cpu, atomic_load(&cpu->interrupts));
            continue;
        }
        thread_code(cpu)->settling = 0;
        const void *code = cpu->mmu && !last ? known_code(cpu) : NULL;
        last = code ? enter_known(cpu, code) : exec_once(cpu, last);
        count(cpu, cpu->exception_index == EXCP_NONE && !cpu->cflags_next);
    }
    atomic_store_explicit((_Atomic bool *)&cpu->in_code, false, memory_order_release);
    return excp;
}

/* ---- fork
 * ---------------------------------------------------------------------------------------------------
 */

bool tcg_fork_prepare(void)
{
    pthread_mutex_lock(&engine.lock);
    persist_fork_prepare();
    if (!engine.config.interp && !code_buffer_fork_prepare()) {
        persist_fork_parent();
        pthread_mutex_unlock(&engine.lock);
        return false;
    }
    breakpoints_fork_prepare();
    return true;
}

void tcg_fork_parent(void)
{
    breakpoints_fork_done();
    if (!engine.config.interp) {
        code_buffer_fork_parent();
    }
    persist_fork_parent();
    pthread_mutex_unlock(&engine.lock);
}

void tcg_fork_child(CPUState *cpu)
{
    breakpoints_fork_done();
    pthread_mutex_init(&engine.lock, NULL);
    verify_fork_child();
    engine.cpus = cpu;
    cpu->next_cpu = NULL;
    if (!engine.config.interp) {
        code_buffer_fork_child(cpu);
    }
    persist_fork_child();
}

void tcg_get_stats(TCGStats *st)
{
    pthread_mutex_lock(&engine.lock);
    *st = engine.stats;
    pthread_mutex_unlock(&engine.lock);
}
