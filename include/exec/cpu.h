/* SPDX-License-Identifier: MIT */
/*
 * What every guest CPU has (CPUState, the head of each target's own state), and what every target
 * provides (TargetOps). A target's state is one struct whose first member is CPUState.
 */
#ifndef EXEC_CPU_H
#define EXEC_CPU_H

#include <glib.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>

#include "fpu/softfloat.h"
#include "tcg/tcg.h"

/* Why cpu_exec returned. Targets add their own from EXCP_TARGET. */
enum {
    EXCP_NONE = -1,
    EXCP_INTERRUPT = 0x10000, /* somebody asked: exit_request */
    EXCP_SYSCALL,             /* the guest's system call instruction; pc is behind it */
    EXCP_FAULT,               /* a guest memory access failed: fault_* say how; pc is at it */
    EXCP_UDEF,                /* an instruction this CPU does not have; pc is at it */
    EXCP_BREAKPOINT,          /* the guest's breakpoint instruction; pc is at it */
    EXCP_DEBUG,               /* a debugger's breakpoint or single step */
    EXCP_ALIGN,               /* misaligned pc, sp or data: fault_addr; pc is at the instruction */
    EXCP_BTI,                 /* a branch to a place without a landing pad; pc is the target */
    EXCP_HALTED,              /* system mode: CPUState.halted was set; nothing to run for now */
    EXCP_TARGET = 0x20000,
};

/* One entry of the jump cache that compiled code probes for indirect branches. */
typedef struct JumpCacheEntry {
    vaddr pc;         /* ~0 when empty: no instruction is there */
    const void *code; /* host code */
} JumpCacheEntry;
enum { JUMP_CACHE_BITS = 12, JUMP_CACHE_SIZE = 1 << JUMP_CACHE_BITS };
/* The entry for a guest address; compiled code computes the same. Page-aligned functions must not
 * meet. */
static inline unsigned jump_cache_index(vaddr pc, int jc_shift)
{
    return (unsigned)((pc ^ pc >> JUMP_CACHE_BITS) >> jc_shift) & (JUMP_CACHE_SIZE - 1);
}

/* System mode: the software TLB of one MMU mode as compiled code finds it (exec/softmmu.h). */
typedef struct TLBEntry TLBEntry;
typedef struct TLBDesc {
    uint64_t mask;   /* (number of entries - 1) * sizeof(TLBEntry) */
    TLBEntry *table; /* the entry of an address: table + (addr >> (TLB_PAGE_BITS - 5) & mask) */
} TLBDesc;
enum {
    MMU_MODES = 16,
    CODE_PAGES_LOG = 9, /* entries of each half of CPUState.code_page */
};

struct CPUState {
    const TargetOps *target;

    /* --- read and written by compiled code; offsets are the backend's business ------------- */
    JumpCacheEntry *jump_cache; /* jump_cache_own, or an empty one while an exit is asked for */
    volatile int exit_request;  /* not 0: leave compiled code at the next poll */
    int exception_index;        /* EXCP_* that an exit to cpu_exec reports */
    /*
     * Guest calls push their return address and a host return address on a stack of the thread's
     * own (docs/tcg.md, "Calls and returns"). Compiled code and the helpers that it calls run on
     * it.
     */
    uintptr_t ret_sp;       /* where that stack stands while outside compiled code */
    uintptr_t ret_sp_limit; /* a call below this goes through cpu_exec; ~0 asks for an exit */
    uintptr_t host_sp;      /* cpu_exec's own stack while compiled code runs */
    uint32_t host_fpcr, saved_host_fpcr; /* MXCSR in compiled code, and of the emulator */
    const void *slow_frame;              /* the backend's, while softmmu_run_op runs */
    /* Not 0: one thread alone sees the guest's memory, so that atomics need no bus lock. */
    volatile uint32_t memory_is_private;
    /*
     * Instructions (accel/tcg/count.c), while blocks that count run: those done before the block
     * that is under way; how many it has, and where it begins; and the number from which on no
     * further block is begun.
     */
    uint64_t insns, insns_pending;
    vaddr insns_start;
    uint64_t insns_limit;
    uint64_t scratch[64]; /* the backend's: spilled temps and operands of evaluated ops */

    FloatStatus fp_status; /* modes and flags of fpu/; round_mode mirrors the host's */

    /* --- the faulting access, for EXCP_FAULT ------------------------------------------------- */
    vaddr fault_addr;
    int fault_si_signo, fault_si_code; /* as Linux reports it */
    bool fault_write, fault_fetch;

    /* --- the engine's, per thread ------------------------------------------------------------- */
    TCGContext *tcg;
    JumpCacheEntry *jump_cache_own;
    uint8_t *ret_stack; /* its lowest address; ret_stack_size bytes */
    size_t ret_stack_size;
    bool in_code;           /* this thread is inside cpu_exec */
    bool interrupt_request; /* cpu_request_exit was called: EXCP_INTERRUPT */
    uint32_t fp_cflags;     /* CF_FP_* of every block that runs here: what need not trap */
    uint32_t cflags_seen;   /* of the engine's wanted_cflags, those that this CPU has followed */
    vaddr careful_addr;     /* CF_CAREFUL blocks store each data address here before they use it */
    bool single_step;       /* one instruction for each cpu_exec, then EXCP_DEBUG */
    uint32_t cflags_next;   /* CF_* for the next block only */
    uint64_t insns_event;   /* the target's insns_event is called when `insns` has come so far */
    sigjmp_buf jmp_env;     /* cpu_loop_exit */
    uint64_t epoch;         /* of the code buffer, last seen at a quiet point */
    CPUState *next_cpu;     /* list of all; accel/tcg's lock */

    /*
     * User mode: what an SVC with an immediate other than 0, in this page of the emulator's making,
     * does: the system call of that number, with two arguments. Called by compiled code.
     */
    vaddr quick_page;
    uint64_t (*quick_syscall)(CPUState *cpu, uint64_t nr, uint64_t a, uint64_t b);

    void *opaque; /* linux-user: the thread's TaskState; system: the machine's vCPU */

    struct CPUBreakpoint *breakpoints; /* exec/debug.h */
    struct CPUWatchpoint *watchpoints;

    /* --- system mode ----------------------------------------------------------------------------
     */
    /*
     * CPU_INT_* (hw/vcpu.h) asked for; set by cpu_interrupt. Code that unmasks interrupts need
     * leave compiled code only if this is not 0.
     */
    _Atomic uint32_t interrupts;
    _Atomic bool halted; /* waits for has_work; set by the target before it leaves, EXCP_HALTED */
    struct SoftMMU *mmu; /* accel/tcg/softmmu.c's own; NULL: user mode */
    TLBDesc tlb[MMU_MODES];
    /* Which RAM page is at a virtual page that code runs in, as an id (docs/system.md). */
    uint32_t code_page[2 << CODE_PAGES_LOG];
};

/* ---- what a target provides --------------------------------------------------------------------
 */

typedef struct DisasContext DisasContext;

struct TargetOps {
    const char *name; /* "aarch64" */
    const TCGGlobalDef *globals;
    int nb_globals;
    int cc_global;      /* index of the flags among them, or -1 */
    size_t cpu_size;    /* of the whole state struct, CPUState included */
    uint32_t env_bias;  /* the env register points this many bytes into the state */
    uint32_t pc_offset; /* of the 64-bit pc */
    int jc_shift;       /* log2 of the instruction alignment: 2 for Arm */
    int max_insn_len;   /* bytes */
    uint32_t
        count_flag; /* of tb_flags: the block counts its instructions; these are of one length */
    FloatNaNRule nan_rule;
    int cs_arch, cs_mode; /* capstone's, for -d in_asm */

    /* model "help" is answered by list_models. NULL and *err for an unknown model or feature. */
    CPUState *(*cpu_new)(const char *model, GError **err);
    void (*list_models)(FILE *f);
    void (*cpu_reset)(CPUState *cpu);
    /* A new thread's or forked CPU: a copy of the architectural state only. */
    void (*cpu_copy)(CPUState *dst, const CPUState *src);
    void (*cpu_free)(CPUState *cpu);
    /* What a block depends on beside its pc, packed in 32 bits: CPU features never change, modes
     * do. */
    uint32_t (*tb_flags)(const CPUState *cpu);
    /*
     * Translates guest instructions at ctx->tb->pc into ops, ending with an exit op; at most
     * max_insns. Sets tb->nb_insns, tb->ranges. Never fails: what cannot be fetched or decoded
     * becomes an exit with the exception.
     */
    void (*translate)(TCGContext *s, TranslationBlock *tb, int max_insns);
    /* Registers as text, for -d cpu and crash reports. */
    void (*dump_state)(const CPUState *cpu, FILE *f);
    /* What whole machines need beside that (exec/softmmu.h); NULL: this target has user mode only.
     */
    const struct TargetSystemOps *system;
};

static inline void *cpu_field(CPUState *cpu, uint32_t offset)
{
    return (char *)cpu + offset;
}
static inline vaddr cpu_get_pc(const CPUState *cpu)
{
    return *(const vaddr *)((const char *)cpu + cpu->target->pc_offset);
}
static inline void cpu_set_pc(CPUState *cpu, vaddr pc)
{
    *(vaddr *)((char *)cpu + cpu->target->pc_offset) = pc;
}

#endif
