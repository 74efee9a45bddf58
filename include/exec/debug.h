/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints, watchpoints and single steps, for debuggers (BP_GDB) and for a target's own debug
 * registers (BP_CPU). Called on the CPU's thread, or while it is stopped outside of cpu_exec.
 */
#ifndef EXEC_DEBUG_H
#define EXEC_DEBUG_H

#include "exec/cpu.h"

enum {
    BP_GDB = 1, /* cpu_exec returns EXCP_DEBUG */
    BP_CPU = 2, /* the target's debug_hit decides */
    BP_READ = 4,
    BP_WRITE = 8,
    BP_ACCESS = BP_READ | BP_WRITE,
};

typedef struct CPUBreakpoint {
    vaddr addr;
    unsigned flags;
    struct CPUBreakpoint *next;
} CPUBreakpoint;

typedef struct CPUWatchpoint {
    vaddr addr;
    uint64_t size; /* bytes; any, any alignment */
    unsigned flags;
    struct CPUWatchpoint *next;
} CPUWatchpoint;

/* Before the instruction at addr. The same twice is one. */
void cpu_breakpoint_insert(CPUState *cpu, vaddr addr, unsigned flags);
/* False: there is none such. */
bool cpu_breakpoint_remove(CPUState *cpu, vaddr addr, unsigned flags);
void cpu_breakpoint_remove_all(CPUState *cpu, unsigned flags);

/* BP_GDB for every CPU, those to come included; the same twice is two. Only while no CPU runs guest
 * code, and followed by tb_invalidate_range. */
void breakpoint_insert_all(vaddr addr);
void breakpoint_remove_all(vaddr addr);

/* Some CPU has one there: a block may begin with it, but not go on into it. */
bool breakpoint_at(vaddr pc);

/* System mode: a data access to [addr, addr + size), reported before it is done. */
void cpu_watchpoint_insert(CPUState *cpu, vaddr addr, uint64_t size, unsigned flags);
bool cpu_watchpoint_remove(CPUState *cpu, vaddr addr, uint64_t size, unsigned flags);
void cpu_watchpoint_remove_all(CPUState *cpu, unsigned flags);
/* The one that made cpu_exec return EXCP_DEBUG, and the address accessed; NULL: none did. */
const CPUWatchpoint *cpu_watchpoint_hit(CPUState *cpu, vaddr *addr);

/* One instruction for each cpu_exec, then EXCP_DEBUG. */
void cpu_single_step(CPUState *cpu, bool on);

#endif
