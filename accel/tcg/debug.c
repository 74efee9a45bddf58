/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints, watchpoints, single steps. A block that begins at a breakpoint of any CPU asks
 * helper_breakpoint first, and no block goes on into one; pages with watchpoints have TLB_WATCH.
 */
#include <string.h>

#include "softmmu.h"
#include "tcg/tcg-op.h"

/* ---- breakpoints ---- */

/* One of a list of all CPUs' breakpoint addresses, counted. */
typedef struct Place {
    vaddr addr;
    bool every_cpu; /* else of one, which has it in its own list */
} Place;

static struct {
    pthread_mutex_t lock;
    GArray *places; /* of Place, the same one once for each CPU */
    atomic_int nb;
} all = { .lock = PTHREAD_MUTEX_INITIALIZER };

bool breakpoints_exist(void)
{
    return atomic_load_explicit(&all.nb, memory_order_relaxed) != 0;
}

/* Index of a place there, -1: none. With the lock. */
static int find_place(vaddr pc, bool every_cpu_only)
{
    for (unsigned n = 0; n < (unsigned)all.nb; n++) {
        const Place *p = &g_array_index(all.places, Place, n);

        if (p->addr == pc && (p->every_cpu || !every_cpu_only)) {
            return (int)n;
        }
    }
    return -1;
}

static bool is_place(vaddr pc, bool every_cpu_only)
{
    if (!breakpoints_exist()) {
        return false;
    }
    pthread_mutex_lock(&all.lock);
    bool found = find_place(pc, every_cpu_only) >= 0;
    pthread_mutex_unlock(&all.lock);
    return found;
}

bool breakpoint_at(vaddr pc)
{
    return is_place(pc, false);
}

static void add_place(vaddr addr, bool every_cpu)
{
    const Place place = { addr, every_cpu };

    pthread_mutex_lock(&all.lock);
    if (!all.places) {
        all.places = g_array_new(FALSE, FALSE, sizeof(Place));
    }
    g_array_append_val(all.places, place);
    atomic_store(&all.nb, (int)all.places->len);
    pthread_mutex_unlock(&all.lock);
}

static void remove_place(vaddr addr, bool every_cpu)
{
    pthread_mutex_lock(&all.lock);
    int n = find_place(addr, every_cpu);
    if (n >= 0) {
        g_array_remove_index_fast(all.places, (unsigned)n);
        atomic_store(&all.nb, (int)all.places->len);
    }
    pthread_mutex_unlock(&all.lock);
}

void breakpoint_insert_all(vaddr addr)
{
    add_place(addr, true);
}

void breakpoint_remove_all(vaddr addr)
{
    remove_place(addr, true);
}

/* A child of fork has no other thread that would give the lock back. */
void breakpoints_fork_prepare(void)
{
    pthread_mutex_lock(&all.lock);
}

void breakpoints_fork_done(void)
{
    pthread_mutex_unlock(&all.lock);
}

void cpu_breakpoint_insert(CPUState *cpu, vaddr addr, unsigned flags)
{
    for (CPUBreakpoint *b = cpu->breakpoints; b; b = b->next) {
        if (b->addr == addr && b->flags == flags) {
            return;
        }
    }
    CPUBreakpoint *b = g_new(CPUBreakpoint, 1);
    *b = (CPUBreakpoint){ addr, flags, cpu->breakpoints };
    cpu->breakpoints = b;
    add_place(addr, false);
    tb_flush_all();
}

/* addr NULL: any */
static bool remove_breakpoints(CPUState *cpu, const vaddr *addr, unsigned flags)
{
    bool found = false;

    for (CPUBreakpoint **at = &cpu->breakpoints; *at;) {
        CPUBreakpoint *b = *at;

        if ((!addr || b->addr == *addr) && b->flags & flags) {
            *at = b->next;
            remove_place(b->addr, false);
            tb_flush_all();
            g_free(b);
            found = true;
        } else {
            at = &b->next;
        }
    }
    return found;
}

bool cpu_breakpoint_remove(CPUState *cpu, vaddr addr, unsigned flags)
{
    return remove_breakpoints(cpu, &addr, flags);
}

void cpu_breakpoint_remove_all(CPUState *cpu, unsigned flags)
{
    remove_breakpoints(cpu, NULL, flags);
}

/* At the top of a block that begins at some CPU's breakpoint. */
static void helper_breakpoint(uint64_t env)
{
    CPUState *cpu = (CPUState *)(uintptr_t)env;
    vaddr pc = cpu_get_pc(cpu);

    if (is_place(pc, true) && !cpu->single_step) {
        cpu_loop_exit(cpu, EXCP_DEBUG);
    }
    for (CPUBreakpoint *b = cpu->breakpoints; b; b = b->next) {
        if (b->addr != pc || (b->flags & BP_GDB && cpu->single_step)) {
            continue; /* a debugger steps over what stopped it */
        }
        if (b->flags & BP_GDB) {
            cpu_loop_exit(cpu, EXCP_DEBUG);
        }
        if (cpu->mmu && cpu->target->system->debug_hit &&
            cpu->target->system->debug_hit(cpu, pc, MMU_FETCH)) {
            cpu_loop_exit(cpu, cpu->exception_index);
        }
    }
}

void gen_breakpoint(TCGContext *s, vaddr pc)
{
    static const TCGHelperInfo info = {
        .name = "breakpoint",
        .func = helper_breakpoint,
        .nargs = 1,
    };
    const TCGv_i64 args[] = { tcg_env(s) };

    tcg_gen_insn_start(s, pc);
    tcg_gen_call(s, &info, TCG_NO_INDEX, args);
}

/* ---- watchpoints ---- */

static bool overlaps(const CPUWatchpoint *w, vaddr addr, uint64_t size)
{
    return w->addr <= addr + (size - 1) && addr <= w->addr + (w->size - 1);
}

bool watch_page(const CPUState *cpu, vaddr page)
{
    for (const CPUWatchpoint *w = cpu->watchpoints; w; w = w->next) {
        if (overlaps(w, page, TLB_PAGE_SIZE)) {
            return true;
        }
    }
    return false;
}

bool watch_check(CPUState *cpu, vaddr addr, unsigned size, MMUAccess access)
{
    unsigned kind = access == MMU_STORE ? BP_WRITE : BP_READ;

    for (CPUWatchpoint *w = cpu->watchpoints; w && access != MMU_FETCH; w = w->next) {
        if (!(w->flags & kind) || !overlaps(w, addr, size)) {
            continue;
        }
        if (w->flags & BP_GDB) {
            if (cpu->single_step) { /* the debugger steps over what stopped it */
                continue;
            }
            cpu->mmu->hit = w;
            cpu->mmu->hit_addr = addr;
            cpu->exception_index = EXCP_DEBUG;
            return false;
        }
        if (cpu->target->system->debug_hit && cpu->target->system->debug_hit(cpu, addr, access)) {
            return false;
        }
    }
    return true;
}

static void flush_for(CPUState *cpu, const CPUWatchpoint *w)
{
    tlb_flush_range(cpu, ~0u, w->addr, w->size);
}

void cpu_watchpoint_insert(CPUState *cpu, vaddr addr, uint64_t size, unsigned flags)
{
    CPUWatchpoint *w = g_new(CPUWatchpoint, 1);

    *w = (CPUWatchpoint){ addr, size, flags, cpu->watchpoints };
    cpu->watchpoints = w;
    flush_for(cpu, w);
}

static bool remove_watchpoints(CPUState *cpu, const vaddr *addr, uint64_t size, unsigned flags)
{
    bool found = false;

    for (CPUWatchpoint **at = &cpu->watchpoints; *at;) {
        CPUWatchpoint *w = *at;

        if ((!addr || (w->addr == *addr && w->size == size)) &&
            w->flags & flags & (BP_GDB | BP_CPU)) {
            *at = w->next;
            flush_for(cpu, w);
            if (cpu->mmu->hit == w) {
                cpu->mmu->hit = NULL;
            }
            g_free(w);
            found = true;
        } else {
            at = &w->next;
        }
    }
    return found;
}

bool cpu_watchpoint_remove(CPUState *cpu, vaddr addr, uint64_t size, unsigned flags)
{
    return remove_watchpoints(cpu, &addr, size, flags);
}

void cpu_watchpoint_remove_all(CPUState *cpu, unsigned flags)
{
    remove_watchpoints(cpu, NULL, 0, flags);
}

const CPUWatchpoint *cpu_watchpoint_hit(CPUState *cpu, vaddr *addr)
{
    const CPUWatchpoint *w = cpu->mmu ? cpu->mmu->hit : NULL;

    if (w) {
        *addr = cpu->mmu->hit_addr;
        cpu->mmu->hit = NULL;
    }
    return w;
}

/* ---- single steps ---- */

void cpu_single_step(CPUState *cpu, bool on)
{
    cpu->single_step = on;
}
