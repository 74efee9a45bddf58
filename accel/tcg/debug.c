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
static struct {
    pthread_mutex_t lock;
    GArray *addrs; /* of vaddr, the same one once for each CPU */
    atomic_int nb;
} all = { .lock = PTHREAD_MUTEX_INITIALIZER };

bool breakpoints_exist(void)
{
    return atomic_load_explicit(&all.nb, memory_order_relaxed) != 0;
}

bool breakpoint_at(vaddr pc)
{
    bool found = false;

    if (!atomic_load_explicit(&all.nb, memory_order_relaxed)) {
        return false;
    }
    pthread_mutex_lock(&all.lock);
    for (unsigned n = 0; n < all.addrs->len && !found; n++) {
        found = g_array_index(all.addrs, vaddr, n) == pc;
    }
    pthread_mutex_unlock(&all.lock);
    return found;
}

static void note_address(vaddr addr, bool add)
{
    pthread_mutex_lock(&all.lock);
    if (!all.addrs) {
        all.addrs = g_array_new(FALSE, FALSE, sizeof(vaddr));
    }
    if (add) {
        g_array_append_val(all.addrs, addr);
    } else {
        for (unsigned n = 0; n < all.addrs->len; n++) {
            if (g_array_index(all.addrs, vaddr, n) == addr) {
                g_array_remove_index_fast(all.addrs, n);
                break;
            }
        }
    }
    atomic_store(&all.nb, (int)all.addrs->len);
    pthread_mutex_unlock(&all.lock);
    tb_flush_all();
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
    note_address(addr, true);
}

/* addr NULL: any */
static bool remove_breakpoints(CPUState *cpu, const vaddr *addr, unsigned flags)
{
    bool found = false;

    for (CPUBreakpoint **at = &cpu->breakpoints; *at;) {
        CPUBreakpoint *b = *at;

        if ((!addr || b->addr == *addr) && b->flags & flags) {
            *at = b->next;
            note_address(b->addr, false);
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
