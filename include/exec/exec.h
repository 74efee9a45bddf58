/* SPDX-License-Identifier: MIT */
/* The engine's public face: what linux-user/, the machines and the debugger stub call. */
#ifndef EXEC_EXEC_H
#define EXEC_EXEC_H

#include "exec/cpu.h"
#include "exec/tb.h"

/* Options of -accel tcg,… ; -tcg host-features= and -d are beside them. */
typedef struct TCGConfig {
    bool interp;        /* interp=on: tcg/tci instead of host code */
    bool verify;        /* verify=on: both, compared */
    bool no_chain;      /* nochain: every block returns to the loop */
    bool no_optimize;   /* optimize=off */
    bool no_peepholes;  /* peepholes=off, or optimize=off: ops are not fused in host code */
    bool fp_check;      /* fp-traps=off: check floating results inline from the start */
    size_t buffer_size; /* tb-size= in MiB, as bytes; 0: default. Address space, not memory */
    int max_insns;      /* one-insn-per-tb=on: 1; 0: default */
    const char *host_features; /* "sse4.2", "avx2", "avx512", or "-avx512,-bmi…"; NULL: all */
    uint64_t guest_base;       /* host address = guest address + this */
    bool perfmap;              /* /tmp/perf-PID.map */
    bool icount;               /* blocks are counted (accel/tcg/icount.h); with no_chain */
    bool softmmu;              /* system mode: target->system is used, and not guest_base */
    const char *cache_dir;     /* tcg_cache_dir's: where translations are kept; NULL: nowhere */
    const char *cpu_model; /* text that tells all that they depend on in the CPU; machines: NULL */
    const char *guest;     /* machines: what is booted; guests are kept apart by it */
    bool cache_verify;     /* cache=verify: translate anyway, and compare */
} TCGConfig;

/* Once per process, before the first CPU; false and *err when an option is wrong or memory short.
 */
bool tcg_exec_init(const TargetOps *target, const TCGConfig *config, GError **err);

/* Gives a CPU what it needs to run on the calling thread (context, stack, jump cache), and takes it
 * back. */
void tcg_cpu_attach(CPUState *cpu);
void tcg_cpu_detach(CPUState *cpu);

/*
 * Runs guest code on the calling thread until something is to be done that is not the engine's:
 * returns EXCP_*. The guest state in *cpu is exact.
 */
int cpu_exec(CPUState *cpu);

/* Async-signal-safe, any thread: makes cpu_exec return EXCP_INTERRUPT soon. */
void cpu_request_exit(CPUState *cpu);

/* From a helper, with the guest state exact (a helper without NO_RG): cpu_exec returns excp. */
/* The target's insns_event is to be called when CPUState.insns has come to `at`. On the CPU's
 * thread. */
void cpu_set_insns_event(CPUState *cpu, uint64_t at);
G_NORETURN void cpu_loop_exit(CPUState *cpu, int excp);

/*
 * A host SIGSEGV, SIGBUS, SIGFPE or SIGILL on this thread. True: it came from compiled code and is
 * dealt with (cpu->fault_* set, *ucontext changed so that returning from the handler makes cpu_exec
 * return EXCP_FAULT or go on). False: not ours.
 */
bool tcg_handle_host_signal(CPUState *cpu, siginfo_t *info, void *ucontext);

/*
 * For asynchronous signals: exact guest state is there only outside compiled code; a handler calls
 * cpu_request_exit and lets cpu_exec return.
 */

/* Guest code in [start, end) may have changed (IC IVAU, munmap, mprotect, mmap over it). Any
 * thread. */
void tb_invalidate_range(vaddr start, vaddr end);
/*
 * The persistent cache. File fd is mapped at [start, end) from offset on, as code; [start, end) is
 * mapped otherwise from now on; the process is about to end or to execute another program.
 */
void persist_add(int fd, vaddr start, vaddr end, uint64_t offset);
void persist_forget(vaddr start, vaddr end);
void persist_save(void);
/*
 * Where translations are to be kept (docs/tcg.md) by an option on, off, verify or an absolute name;
 * NULL is on. Never freed; NULL: nowhere.
 */
const char *tcg_cache_dir(const char *option);
/* Drops every translation, at the next quiet point of each thread. */
void tb_flush_all(void);

/* Around fork(): before in the parent (takes the engine's locks), after in parent and child. */
bool tcg_fork_prepare(void); /* false: no memory or descriptor for the child; nothing is held */
void tcg_fork_parent(void);
void tcg_fork_child(
    CPUState *cpu); /* the only thread of the child; makes the code buffer its own */

/*
 * From now on others may write what the guest's threads do: a second thread, another process. To be
 * called before they can. Clears memory_is_private of all CPUs; a new CPU has it cleared.
 */
void tcg_memory_is_shared(void);

/*
 * From now on all blocks are CF_STORES_COUNTED; false: there is one CPU only, and nothing was done.
 * tcg_stores_counted: they are, and no CPU runs any other.
 */
bool tcg_count_stores(void);
bool tcg_stores_counted(void);

/* -d items (log.h) print through this. */
typedef struct TCGStats {
    uint64_t tbs, guest_insns, host_bytes, flushes, invalidations, fp_traps, faults;
} TCGStats;
void tcg_get_stats(TCGStats *st);

/* ---- guest memory as user mode has it; linux-user/ implements
 * ------------------------------------- */

enum {
    GUEST_PAGE_READ = 1,
    GUEST_PAGE_WRITE = 2,
    GUEST_PAGE_EXEC = 4,
    GUEST_PAGE_BTI = 8,
    GUEST_PAGE_VALID = 16
};
/* The symbol of a guest address for -perfmap and crash reports; may be NULL. */
extern const char *(*guest_symbol)(vaddr addr, vaddr *offset);
/* Flags of the guest page that holds addr; 0: nothing is mapped. Lock-free, any thread. */
extern int (*guest_page_flags)(vaddr addr);
/* Host address = guest address + this; TCGConfig.guest_base. */
extern uint64_t guest_base;

#endif
