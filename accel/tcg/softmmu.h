/* SPDX-License-Identifier: MIT */
/*
 * Inside the software TLB: tlb.c has the tables, softmmu.c the accesses, code-page.c what the TLB
 * means for translated code. All of it belongs to the vCPU's thread; others ask by
 * async_run_on_cpu.
 */
#ifndef ACCEL_TCG_SOFTMMU_H
#define ACCEL_TCG_SOFTMMU_H

#include <sys/mman.h>

#include "exec/debug.h"
#include "exec/softmmu.h"
#include "internal.h"

enum {
    TLB_MIN_LOG = 8,
    TLB_MAX_LOG = 14,
    TLB_SWAP_MAX_LOG = 12,
    TLB_VICTIMS = 8,
    TLB_LIST = 32,       /* non-global entries of a table that is not banked */
    LARGE_FILTER = 4096, /* bits */
    CODE_FILTER = 32768, /* bits */
    NB_JUMP_CACHES = 16,
    MAX_RANGE_PAGES = 256, /* a longer range scans the table, or empties it */
};
#define TLB_PAGE_MASK (~(vaddr)(TLB_PAGE_SIZE - 1))
#define NOT_RAM       (~UINT64_C(0))

/* A set of pages, perhaps of more: two bits for each. */
typedef struct PageFilter {
    uint64_t bits[CODE_FILTER / 64];
} PageFilter;

static inline unsigned page_hash(vaddr page, int which)
{
    return (unsigned)((page >> TLB_PAGE_BITS) * 0x9e3779b97f4a7c15ull >> (which ? 16 : 40)) &
           (CODE_FILTER - 1);
}

static inline bool filter_has(const PageFilter *f, vaddr page)
{
    unsigned a = page_hash(page, 0), b = page_hash(page, 1);

    return f->bits[a / 64] >> (a % 64) & f->bits[b / 64] >> (b % 64) & 1;
}

static inline void filter_add(PageFilter *f, vaddr page)
{
    unsigned a = page_hash(page, 0), b = page_hash(page, 1);

    f->bits[a / 64] |= UINT64_C(1) << (a % 64);
    f->bits[b / 64] |= UINT64_C(1) << (b % 64);
}

/* What the slow path knows of an entry beside what compiled code compares. */
typedef struct TLBInfo {
    hwaddr phys;      /* of the page */
    uint64_t ram;     /* ram address of the page; NOT_RAM */
    MemoryRegion *mr; /* a lockless device that has the whole page; NULL: look it up for each
                       * access, under the big lock, by which devices come and go */
    uint64_t mr_offset;
    uint8_t *dirty; /* the page's dirty byte; NULL: nobody asks */
    MemTxAttrs attrs;
    uint32_t code_id; /* of (virtual page, RAM page, mode); 0: not asked for yet */
    uint8_t page_bits;
    bool global, aligned, guarded;
} TLBInfo;

typedef struct TLBTable {
    TLBDesc desc; /* what CPUState.tlb[mode] is a copy of while the table is current */
    TLBInfo *info;
    unsigned evicted; /* valid entries displaced since the size changed */
    unsigned used;    /* entries filled since it was last emptied, at most */
    unsigned idle;    /* times in a row that it was emptied with few entries in it */
    TLBEntry victim[TLB_VICTIMS];
    TLBInfo victim_info[TLB_VICTIMS];
    unsigned next_victim;
    uint8_t unit_bits; /* of the largest pages up to 64 KiB */
    bool has_large;    /* still larger ones, in these pieces of 2 MiB */
    uint64_t large[LARGE_FILTER / 64];
    /* of a table that is not banked: pages of entries bound to the address space */
    vaddr list[TLB_LIST];
    unsigned nb_list; /* TLB_LIST + 1: more than that */
} TLBTable;

/* One address space id, and what it has beside its tables. */
typedef struct MMUBank {
    uint64_t id;
    uint64_t used;                           /* when it was last made current; 0: empty */
    uint32_t code_page[1 << CODE_PAGES_LOG]; /* the lower half, while another bank is current */
} MMUBank;

/* Jump caches are by virtual address, so there is one for each mode and, if that is banked, bank.
 */
typedef struct JumpCache {
    JumpCacheEntry *entries;
    uint32_t flags; /* TargetOps.tb_flags */
    int bank;       /* -1: those of a mode that is not banked */
    uint64_t used;
    bool lower;        /* has code of the lower half (and is not banked) */
    PageFilter filter; /* pages that have entries */
} JumpCache;

typedef struct SoftMMU {
    CPUState *cpu;
    AddressSpace *as;
    unsigned banked; /* mask of the modes that have a table for each bank */
    int bank;
    uint64_t clock;
    MMUBank banks[TLB_BANKS];
    TLBTable *table[MMU_MODES][TLB_BANKS];
    JumpCache jump_caches[NB_JUMP_CACHES];
    JumpCache *jump_cache;    /* the current one */
    bool forget_returns;      /* the return stack is to be emptied at the next quiet point */
    PageFilter code_seen;     /* pages that code was run in */
    const CPUWatchpoint *hit; /* what stopped the CPU last */
    vaddr hit_addr;
} SoftMMU;

typedef struct TLBHit {
    TLBEntry *entry;
    TLBInfo *info;
} TLBHit;

static inline int mmu_bank(const SoftMMU *m, int mode)
{
    return m->banked >> mode & 1 ? m->bank : 0;
}

/* ---- tlb.c ---- */
/*
 * The entry for an access of `size` bytes within one page, from the table, the victims, or the
 * target. False: an exception is recorded, unless probe.
 */
bool tlb_find(CPUState *cpu, vaddr addr, unsigned size, MMUAccess access, int mode, bool probe,
              TLBHit *hit);

/* ---- code-page.c ---- */
/* Code that runs at these pages may be other code from now on: bank -1: of any. */
void code_forget_page(SoftMMU *m, vaddr page);
void code_forget_bank(SoftMMU *m, int bank);
void code_forget_all(SoftMMU *m);
/* Code in the lower half that modes without banks have run. */
void code_forget_lower(SoftMMU *m);
/*
 * Between tb_flags, pc and a look-up: makes the right jump cache current; the page that holds pc.
 * NULL: an exception is recorded.
 */
const uint8_t *code_page_enter(CPUState *cpu, vaddr pc, uint32_t flags, uint64_t *phys);
/* The current jump cache is that of these flags and the current address space. */
bool code_jump_cache_fits(CPUState *cpu, uint32_t flags);
void code_remember_jump(CPUState *cpu, const TranslationBlock *tb);
/* The block is gone; the engine's lock is held. */
void code_forget_tb(SoftMMU *m, const TranslationBlock *tb);

/* ---- debug.c ---- */
bool watch_page(const CPUState *cpu, vaddr page);
/* False: a watchpoint stops the access; exception_index is set. */
bool watch_check(CPUState *cpu, vaddr addr, unsigned size, MMUAccess access);

#endif
