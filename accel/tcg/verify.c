/* SPDX-License-Identifier: MIT */
/*
 * -accel tcg,verify=on: each block is first run by the interpreter on a copy of the state, its
 * stores kept in a journal; then by the host code for real; then both results are compared. Blocks
 * that call helpers with side effects, touch memory atomically, or fault are run once only. A
 * difference counts only if memory that was loaded has changed by nothing but the block's own
 * stores: another process or a device may have written it, or the block itself by another address
 * of the same page.
 *
 * In system mode memory is what the software TLB knows as RAM and takes without its slow path; a
 * block that touches anything else (a page not yet filled in, a device, two pages at once) is run
 * once only.
 */
#include <stdlib.h>
#include <string.h>

#include "disas.h"
#include "internal.h"
#include "softmmu.h"
#include "util/log.h"

enum { JOURNAL_MAX = 512, LOADS_MAX = 2048 };

typedef struct Journal {
    const CPUState *cpu;
    struct {
        uint8_t *at;
        uint8_t size;
        uint8_t data[16];
    } entry[JOURNAL_MAX];
    int nb;
    struct {
        uint8_t *at;
        uint8_t size;
        uint8_t data[16]; /* as it was in memory */
    } load[LOADS_MAX];
    int nb_loads;
    sigjmp_buf give_up;
} Journal;

static uint8_t *host(vaddr addr)
{
    return (uint8_t *)(uintptr_t)(addr + engine.config.guest_base);
}

/* System mode: where compiled code would find it without the slow path; NULL: it would not. */
static uint8_t *find_in_tlb(const CPUState *cpu, vaddr addr, unsigned memop, unsigned size,
                            MMUAccess kind)
{
    const TLBDesc *tlb = &cpu->tlb[MO_GET_MODE(memop)];
    const TLBEntry *e = (const TLBEntry *)((const char *)tlb->table + (addr >> (TLB_PAGE_BITS - 5) &
                                                                       tlb->mask & ~(uint64_t)31));
    vaddr page = addr & TLB_PAGE_MASK;

    return e->cmp[kind] == page && ((addr + size - 1) & TLB_PAGE_MASK) == page
               ? (uint8_t *)(addr + e->addend)
               : NULL;
}

/* Gives up if the access may fail. */
static uint8_t *find(Journal *j, vaddr addr, unsigned memop, unsigned size, MMUAccess kind)
{
    int flag = kind == MMU_STORE ? GUEST_PAGE_WRITE : GUEST_PAGE_READ;
    uint8_t *at = host(addr);
    bool good;

    if (j->cpu->mmu) {
        at = find_in_tlb(j->cpu, addr, memop, size, kind);
        good = at;
    } else {
        good = !guest_page_flags ||
               (guest_page_flags(addr) & flag && guest_page_flags(addr + size - 1) & flag);
    }
    if (!good) {
        siglongjmp(j->give_up, 1);
    }
    return at;
}

static void overlay(const Journal *j, const uint8_t *at, uint8_t *buf, unsigned size)
{
    for (int n = 0; n < j->nb; n++) {
        for (unsigned b = 0; b < size; b++) {
            size_t in_entry = (size_t)(at + b - j->entry[n].at);
            if (in_entry < j->entry[n].size) {
                buf[b] = j->entry[n].data[in_entry];
            }
        }
    }
}

/* Memory as it would be: what is there, overlaid with the journal in order. */
static void journal_load(void *opaque, vaddr addr, unsigned memop, void *buf, unsigned size)
{
    Journal *j = opaque;
    uint8_t *at = find(j, addr, memop, size, MMU_LOAD);

    if (j->nb_loads == LOADS_MAX) {
        siglongjmp(j->give_up, 1);
    }
    code_read_guard = &j->give_up; /* the page may be behind the end of its file */
    memcpy(buf, at, size);
    code_read_guard = NULL;
    j->load[j->nb_loads].at = at;
    j->load[j->nb_loads].size = size;
    memcpy(j->load[j->nb_loads++].data, buf, size);
    overlay(j, at, buf, size);
}

static void journal_store(void *opaque, vaddr addr, unsigned memop, const void *buf, unsigned size)
{
    Journal *j = opaque;
    uint8_t *at = find(j, addr, memop, size, MMU_STORE);

    if (j->nb == JOURNAL_MAX) {
        siglongjmp(j->give_up, 1);
    }
    j->entry[j->nb].at = at;
    j->entry[j->nb].size = size;
    memcpy(j->entry[j->nb].data, buf, size);
    j->nb++;
}

static void journal_atomic(void *opaque, const TCGOp *op, vaddr addr, TCGValue *args)
{
    (void)op;
    (void)addr;
    (void)args;
    siglongjmp(((Journal *)opaque)->give_up, 1);
}

static bool can_verify(const TranslationBlock *tb)
{
    for (int n = 0; n < tb->nb_ops; n++) {
        const TCGOp *op = &tb->ops[n];
        if (op->opc == TCG_OP_call &&
            !(((const TCGHelperInfo *)(uintptr_t)op->imm)->flags & TCG_CALL_NO_SE)) {
            return false;
        }
        if (op->opc == TCG_OP_atomic_rmw || op->opc == TCG_OP_atomic_cas ||
            op->opc == TCG_OP_atomic_cas128) {
            return false;
        }
    }
    return true;
}

static bool same_global(const TCGGlobalDef *g, const CPUState *a, const CPUState *b)
{
    const char *x = (const char *)a + g->offset, *y = (const char *)b + g->offset;

    switch (g->type) {
    case TCG_TYPE_CC:
        return !((*(const uint32_t *)x ^ *(const uint32_t *)y) & TCG_CCR_MASK);
    case TCG_TYPE_V128:
        return !memcmp(x, y, 16);
    default:
        return !memcmp(x, y, 8);
    }
}

static bool same_exit(const CPUState *a, const CPUState *b, const TBSlot *x, const TBSlot *y)
{
    vaddr pc_a = x ? x->pc : cpu_get_pc(a), pc_b = y ? y->pc : cpu_get_pc(b);

    return pc_a == pc_b && a->exception_index == b->exception_index;
}

/* Flags may differ where the exit says that they are dead; the text says which it was. */
static void describe(FILE *f, CPUState *interp, CPUState *real, const Journal *j)
{
    for (int n = 0; n < engine.target->nb_globals; n++) {
        const TCGGlobalDef *g = &engine.target->globals[n];
        if (!same_global(g, interp, real)) {
            const uint64_t *x = cpu_field(interp, g->offset), *y = cpu_field(real, g->offset);
            fprintf(f,
                    "  %s: interpreter %016" PRIx64 " %016" PRIx64 ", host %016" PRIx64
                    " %016" PRIx64 "\n",
                    g->name, g->type == TCG_TYPE_V128 ? x[1] : 0, x[0],
                    g->type == TCG_TYPE_V128 ? y[1] : 0, y[0]);
        }
    }
    fprintf(f, "  pc: interpreter %016" PRIx64 ", host %016" PRIx64 "; %d stores\n",
            cpu_get_pc(interp), cpu_get_pc(real), j->nb);
}

static void report(CPUState *before, CPUState *interp, CPUState *real, const TranslationBlock *tb,
                   const Journal *j)
{
    FILE *f = log_lock();

    fprintf(f, "verify: host code and interpreter differ in the block at 0x%" PRIx64 "\n", tb->pc);
    describe(f, interp, real, j);
    fprintf(f, "state before:\n");
    engine.target->dump_state(before, f);
    fprintf(f, "guest code:\n");
    const uint8_t *code = tb->guest;
    for (int r = 0; r < tb->nb_ranges; r++) {
        size_t size = tb->ranges[r].end - tb->ranges[r].start;

        disas_guest(f, engine.target, tb->ranges[r].start, code ?: host(tb->ranges[r].start), size);
        code = code ? code + size : NULL;
    }
    fprintf(f, "ops:\n");
    TCGContext *s = real->tcg;
    tcg_context_start(s, (TranslationBlock *)tb);
    memcpy(s->ops, tb->ops, tb->nb_ops * sizeof(*tb->ops));
    memcpy(s->temps, tb->temps, tb->nb_temps * sizeof(*tb->temps));
    memcpy(s->exits, tb->exits, tb->nb_exits * sizeof(*tb->exits));
    s->nb_ops = tb->nb_ops;
    s->nb_temps = tb->nb_temps;
    s->nb_exits = tb->nb_exits;
    tcg_dump_ops(s, f, true);
    fprintf(f, "host code:\n");
    disas_host(f, (uintptr_t)tb->tc, tb->tc, tb->tc_size - tb->consts_size);
    log_unlock(f);
    abort();
}

static bool stores_match(const Journal *j)
{
    uint8_t now[16];

    for (int n = 0; n < j->nb; n++) {
        overlay(j, j->entry[n].at, now, j->entry[n].size);
        if (memcmp(now, j->entry[n].at, j->entry[n].size)) {
            return false;
        }
    }
    return true;
}

/* What was loaded is still there, but for what the block stored to, rightly or wrongly. */
static bool loads_still_true(const Journal *j)
{
    for (int n = 0; n < j->nb_loads; n++) {
        uint8_t was[16], now[16];

        memcpy(was, j->load[n].data, j->load[n].size);
        memcpy(now, j->load[n].at, j->load[n].size);
        overlay(j, j->load[n].at, was, j->load[n].size);
        overlay(j, j->load[n].at, now, j->load[n].size);
        if (memcmp(was, now, j->load[n].size)) {
            return false;
        }
    }
    return true;
}

static bool flags_dead_at_exit(const TranslationBlock *tb)
{
    for (int n = 0; n < tb->nb_exits; n++) {
        if (tb->exits[n].cc_dead) {
            return true;
        }
    }
    return false;
}

static bool same_state(const TranslationBlock *tb, CPUState *interp, CPUState *real)
{
    for (int n = 0; n < engine.target->nb_globals; n++) {
        if (n == engine.target->cc_global && flags_dead_at_exit(tb)) {
            continue;
        }
        if (!same_global(&engine.target->globals[n], interp, real)) {
            return false;
        }
    }
    return true;
}

/*
 * Did the host code go all the way, and was it told nothing meanwhile? Code that unmasks interrupts
 * looks for them, code that counts looks at its limit.
 */
static bool finished(const CPUState *cpu, const CPUState *before)
{
    return cpu->exception_index != EXCP_FAULT && !(cpu->cflags_next & CF_CAREFUL) &&
           atomic_load(&cpu->interrupts) == atomic_load(&before->interrupts) &&
           *(const volatile uint64_t *)&cpu->insns_limit == before->insns_limit;
}

/* One thread at a time: what another one stores meanwhile would be a difference. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static __thread bool has_turn;

void verify_left(void)
{
    if (has_turn) {
        has_turn = false;
        pthread_mutex_unlock(&turn);
    }
}

void verify_fork_child(void)
{
    pthread_mutex_init(&turn, NULL);
}

/* What a thread needs for it, made once. */
typedef struct Verify {
    Journal journal;
    CPUState *interp, *before;
} Verify;

static Verify *verify_of(CPUState *cpu)
{
    ThreadCode *tc = thread_code(cpu);
    size_t size = ROUND_UP(engine.target->cpu_size, 64);

    if (!tc->verify) {
        tc->verify = g_new(Verify, 1);
        tc->verify->interp = aligned_alloc(64, size);
        tc->verify->before = aligned_alloc(64, size);
    }
    return tc->verify;
}

void verify_free(CPUState *cpu)
{
    Verify *v = thread_code(cpu)->verify;

    if (v) {
        free(v->interp);
        free(v->before);
        g_free(v);
    }
}

TBSlot *verify_run(CPUState *cpu, TranslationBlock *tb)
{
    pthread_mutex_lock(&turn);
    has_turn = true;

    size_t size = engine.target->cpu_size;
    Verify *v = verify_of(cpu);
    Journal *j = &v->journal;
    TCIMemory memory = { journal_load, journal_store, journal_atomic, j };
    TBSlot *volatile expected = NULL;
    volatile bool compare = false;

    j->nb = j->nb_loads = 0;
    j->cpu = cpu;
    if (tb->tc && can_verify(tb)) {
        memcpy(v->before, cpu, size);
        memcpy(v->interp, v->before, size); /* not of `cpu`: an interrupt may come in between */
        if (!sigsetjmp(j->give_up, 0)) {
            expected = tci_run(v->interp, tb, &memory);
            compare = true;
        }
    }
    TBSlot *slot = tb->tc ? tcg_enter(cpu, tb->tc) : tci_run(cpu, tb, NULL);
    if (compare && finished(cpu, v->before)) {
        if ((!same_exit(v->interp, cpu, expected, slot) || !same_state(tb, v->interp, cpu) ||
             !stores_match(j)) &&
            loads_still_true(j)) {
            report(v->before, v->interp, cpu, tb, j);
        }
    }
    verify_left();
    return slot;
}
