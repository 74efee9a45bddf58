/* SPDX-License-Identifier: MIT */
/*
 * Guest memory as whole machines have it: the software TLB that compiled code probes, its slow
 * path, and what a target provides to fill it (docs/system.md, "softmmu").
 */
#ifndef EXEC_SOFTMMU_H
#define EXEC_SOFTMMU_H

#include "exec/cpu.h"
#include "hw/memory.h"

typedef enum MMUAccess { MMU_LOAD, MMU_STORE, MMU_FETCH } MMUAccess;

/* What compiled code compares (cmp[access]: page address, or flags in the low bits) and adds. */
struct TLBEntry {
    uint64_t cmp[3];
    uintptr_t addend; /* host address = guest address + this */
};

enum {
    TLB_PAGE_BITS = 12,
    TLB_PAGE_SIZE = 1 << TLB_PAGE_BITS,
    TLB_BANKS = 8, /* address spaces whose entries are kept while others run */
    /* In the low bits of TLBEntry.cmp: such an entry never matches inline. */
    TLB_INVALID = 1 << 11,
    TLB_MMIO = 1 << 10,    /* device memory: the slow path calls the region */
    TLB_NOTDIRTY = 1 << 9, /* the first write to a clean page must be seen */
    TLB_WATCH = 1 << 8,    /* a watchpoint is somewhere in this page */
    TLB_SLOW = 1 << 7,     /* nothing of these, but every access is to be checked (alignment) */
    TLB_FLAGS = TLB_INVALID | TLB_MMIO | TLB_NOTDIRTY | TLB_WATCH | TLB_SLOW,
};

/* The place in CPUState.code_page for a pc. */
static inline unsigned code_page_index(vaddr pc)
{
    vaddr page = pc >> TLB_PAGE_BITS;
    unsigned low = (unsigned)(page ^ page >> CODE_PAGES_LOG) & ((1u << CODE_PAGES_LOG) - 1);

    return low + (pc >> 63 ? 1u << CODE_PAGES_LOG : 0);
}

/* What a target found for one page. */
typedef struct TLBFill {
    hwaddr phys;             /* of the page's first byte (1 << page_bits of them) */
    uint8_t prot;            /* PROT_READ | PROT_WRITE | PROT_EXEC as this access mode may */
    uint8_t page_bits;       /* log2 of the mapping's size, at least 12: a block is kept as one for
                                invalidation */
    bool global;             /* not bound to the address space id (nG = 0) */
    bool aligned;            /* accesses must be naturally aligned (Arm Device memory, SCTLR.A) */
    bool guarded;            /* BTI */
    const MemTxAttrs *attrs; /* NULL: ordinary */
} TLBFill;

/*
 * A target's part of whole machines.
 *
 * tlb_fill, bus_error and unaligned may be called from the middle of a block, when the guest's
 * registers (globals, pc) are not in CPUState: they neither read nor write those. They *record* an
 * exception (exception_index, and the target's own syndrome and address); the engine then makes the
 * registers exact and leaves to cpu_exec, which calls do_interrupt.
 */
typedef struct TargetSystemOps {
    int nb_mmu_modes;     /* at most MMU_MODES; blocks name them by MO_MODE (tcg/tcg.h) */
    bool coherent_icache; /* the guest need not say that it has written code (x86) */
    /* The mode that loads and stores (fetches) of the CPU's current state use. */
    int (*mmu_mode)(const CPUState *cpu, bool fetch);
    /*
     * Translates addr for an access of `size` bytes that lies within one page. False: it may not
     * be: recorded, unless probe. Walks page tables through the vCPU's AddressSpace, and sets
     * access and dirty flags there by compare-and-swap if the CPU has them.
     */
    bool (*tlb_fill)(CPUState *cpu, vaddr addr, unsigned size, MMUAccess access, int mode,
                     bool probe, TLBFill *out);
    /* Records what a device's or hole's answer (not MEMTX_OK) raises: Arm's external abort. */
    void (*bus_error)(CPUState *cpu, vaddr addr, unsigned size, MMUAccess access, int mode,
                      MemTxResult result);
    /* Records a misaligned access: to a page with TLBFill.aligned, or an atomic one. */
    void (*unaligned)(CPUState *cpu, vaddr addr, unsigned size, MMUAccess access, int mode);
    /* Takes the exception exception_index (EXCP_*): the CPU goes on at its vector. State exact. */
    void (*do_interrupt)(CPUState *cpu);
    /* Is one of CPUState.interrupts not masked? */
    bool (*interrupt_due)(const CPUState *cpu);
    /* Takes one of these CPU_INT_* if it is not masked; false: none. At a quiet point. */
    bool (*exec_interrupt)(CPUState *cpu, uint32_t interrupts);
    /* Whether a halted CPU wakes up: interrupts that are masked count if the target says so. Any
     * thread. */
    bool (*has_work)(const CPUState *cpu);
    /* Without side effects and permissions, for debuggers; false: not mapped. */
    bool (*debug_translate)(CPUState *cpu, vaddr addr, hwaddr *phys, MemTxAttrs *attrs);
    /* A hash of all that translations depend on beside TargetOps.tb_flags: model, registers.
     * NULL: they are not kept. */
    uint64_t (*code_key)(const CPUState *cpu);
    /*
     * A watchpoint or breakpoint of the target's own (BP_CPU, exec/debug.h) was hit: records its
     * exception and returns true, or false: it does not count now. NULL: there are none.
     */
    bool (*debug_hit)(CPUState *cpu, vaddr addr, MMUAccess access);
    /* CPUState.insns has come to what cpu_set_insns_event asked for. On the CPU's thread. */
    void (*insns_event)(CPUState *cpu);
} TargetSystemOps;

/* ---- for targets ------------------------------------------------------------------------------
 */

/*
 * The address space that lower-privileged accesses of this CPU now use got another id (and page
 * tables): the bank with its entries becomes current; entries of the old one are kept. mmu_modes: a
 * mask of the modes which are banked by id. Called at a quiet point or from a helper that ends the
 * block.
 */
void tlb_set_address_space(CPUState *cpu, unsigned mmu_modes, uint64_t id);

/* Forgets translations. On the calling vCPU at once. mmu_modes: a mask. */
void tlb_flush(CPUState *cpu, unsigned mmu_modes);
void tlb_flush_page(CPUState *cpu, unsigned mmu_modes, vaddr addr);
void tlb_flush_range(CPUState *cpu, unsigned mmu_modes, vaddr addr, uint64_t size);
/* Only entries of address space id (TLBI ASIDE1); global ones stay. */
void tlb_flush_id(CPUState *cpu, unsigned mmu_modes, uint64_t id);
/* The same on all vCPUs; the others have done it before the caller's next instruction. */
typedef struct TLBFlush {
    enum { TLB_FLUSH_ALL, TLB_FLUSH_ID, TLB_FLUSH_RANGE } kind;
    unsigned mmu_modes;
    uint64_t id; /* KIND_ID; RANGE: entries of this id and global ones; ~0: of any id */
    vaddr addr;
    uint64_t size;
} TLBFlush;
void tlb_flush_all_cpus_synced(CPUState *cpu, const TLBFlush *what);
void tlb_flush_local(CPUState *cpu, const TLBFlush *what);

/* Gives a CPU its TLBs, before tcg_cpu_attach, and takes them back after tcg_cpu_detach. */
void softmmu_attach(CPUState *cpu, AddressSpace *as);
void softmmu_detach(CPUState *cpu);

/*
 * Guest virtual memory for helpers, monitor and debugger. Access as mmu mode `mode`; a helper's
 * failing access raises the guest's exception (cpu_loop_exit) with exact state. Sizes 1, 2, 4, 8;
 * host-endian values; may cross pages.
 */
uint64_t cpu_ld(CPUState *cpu, vaddr addr, unsigned size, int mode);
void cpu_st(CPUState *cpu, vaddr addr, uint64_t val, unsigned size, int mode);
/* Host address of guest RAM at addr for an access of size bytes within one page; NULL: MMIO.
 * Raises the exception when the access may not be. */
void *cpu_probe(CPUState *cpu, vaddr addr, unsigned size, MMUAccess access, int mode);
/* Host address of the byte of guest RAM at addr if it may be read; NULL: not, or MMIO. No
 * exception.
 */
const void *cpu_peek(CPUState *cpu, vaddr addr, int mode);
/* For debuggers: no exception, no side effect in devices, permissions ignored. False: not mapped.
 */
bool cpu_memory_rw_debug(CPUState *cpu, vaddr addr, void *buf, size_t size, bool write);

/*
 * For translate(): host address of the code at pc (until the end of its page), or NULL with the
 * reason left to the target's tlb_fill to report when it runs. *phys_page: identity of the page in
 * RAM; blocks are keyed by it, and never leave their page in system mode.
 */
const void *cpu_code_page(CPUState *cpu, vaddr pc, uint64_t *phys_page);
/* IC IVAU and friends: the translations of these guest physical bytes go, on all vCPUs. */
void tb_invalidate_phys(CPUState *cpu, hwaddr start, hwaddr end);
/* IC IALLU: all blocks go that are not what memory holds now. */
void tb_invalidate_changed(void);

#endif
