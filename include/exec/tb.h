/* SPDX-License-Identifier: MIT */
/* TranslationBlock: one translated piece of guest code, and what is known of it. */
#ifndef EXEC_TB_H
#define EXEC_TB_H

#include "tcg/tcg.h"

enum {
    CF_NO_CHAIN = 1, /* every exit returns to cpu_exec (-d exec, verify, single step) */
    CF_CAREFUL =
        2, /* one instruction; floating point by fpu/, addresses masked as the guest would */
    CF_SINGLE = 4,       /* one instruction, then EXCP_DEBUG */
    CF_INTERP = 8,       /* keep the ops, emit nothing */
    CF_FP_EXACT = 32,    /* with FP_CHECK: where denormals are flushed, all is done by fpu/ */
    CF_FP_CHECK = 16,    /* floating results checked inline, host traps masked (docs/tcg.md) */
    CF_FP_TININESS = 64, /* results compared with the least normal number, no trap for tiny ones */
    CF_ICOUNT = 256,     /* counts its instructions (accel/tcg/count.c) */
    CF_STORES_COUNTED = 512, /* the front end guards stores (tcg_count_stores) */
    CF_SHARED = 128,         /* others see the guest's memory: 16-byte accesses where it can tell */
};

enum { TB_MAX_RANGES = 4 };

/*
 * A way out to another block. Its jump in the host code is patched under the lock of
 * accel/tcg/tb-cache.c: to the target's code when chained, to its own stub when not.
 */
typedef struct TBSlot {
    TranslationBlock *tb;     /* whose way out this is */
    TranslationBlock *target; /* NULL when not chained */
    struct TBSlot *next;      /* in target->incoming */
    vaddr pc;                 /* where it goes */
    uint32_t jmp_offset; /* of the rel32 field in tb's host code; one store writes it atomically */
    uint32_t stub_offset : 31; /* of the code that returns this TBSlot to cpu_exec */
    uint32_t likely : 1;       /* an earlier process went this way */
    /* System mode, to another page: where the code compares the page's id, and with what; 0: not
     * linked yet, and once it is it stays with that id. */
    uint32_t id_offset, page_id;
} TBSlot;

struct TranslationBlock {
    vaddr pc;
    uint64_t phys;    /* system mode: ram address of its page, + 1 if that is guarded (BTI) */
    uint32_t page_id; /* of (virtual page, phys, mode); CPUState.code_page */
    uint32_t flags;   /* TargetOps.tb_flags */
    uint32_t cflags;  /* CF_* */
    uint16_t nb_insns;
    /*
     * Globals that are dead where the block begins may be stale there. Who comes from outside
     * (a signal, an interrupt, a debugger) finds them exact after this many instructions have been
     * run one by one. 0: all is exact.
     */
    uint16_t unsettled;
    uint16_t nb_ranges;
    bool invalid;
    struct {
        vaddr start, end;
    } ranges[TB_MAX_RANGES]; /* guest code bytes that it was made of */
    const uint8_t *guest;    /* system mode: a copy of them, range by range */

    const uint8_t *tc; /* executable address of the entry; NULL with CF_INTERP */
    uint32_t tc_size;  /* bytes of host code */
    uint8_t
        *side_table; /* host offsets -> guest pc and places of dirty globals; tcg/side-table.h */
    uint32_t side_size;

    TBSlot *slots; /* nb_slots of them */
    uint16_t nb_slots;
    uint32_t consts_size; /* of tc_size, at its end: no code; 0 if not known (cache) */
    TBSlot *incoming;     /* slots of other blocks that jump here */

    struct TBMoves *moves; /* to keep it for another process; NULL: it is not to be kept */

    TranslationBlock *hash_next;
    struct TBPageNode *page_nodes; /* one for each guest page it was made of */
    uint16_t nb_pages;
    /* CF_INTERP and verify: the optimised ops, kept */
    TCGOp *ops;
    TCGTemp *temps;
    TCGExit *exits;
    int nb_ops, nb_temps, nb_exits, nb_labels;
};

#endif
