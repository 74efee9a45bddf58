/* SPDX-License-Identifier: MIT */
/*
 * The persistent cache: translations of code in files, kept for later processes (docs/tcg.md,
 * "Persistent cache"). persist.c knows blocks and mappings, persist-file.c one cache file.
 */
#ifndef ACCEL_TCG_PERSIST_H
#define ACCEL_TCG_PERSIST_H

#include "accel/tcg/internal.h"

/*
 * One block as it is in a cache file, a multiple of PERSIST_ALIGN bytes. Behind it: host code; the
 * ops that evaluators get; slots; moves; the guest code that it was made of, range by range; the
 * side table. Each part begins at a multiple of 8.
 */
enum { PERSIST_ALIGN = 32 };
typedef struct PersistKey {
    uint64_t
        offset; /* in the guest's file; of a machine: a sum of the code and its place in a page */
    uint32_t flags; /* TargetOps.tb_flags */
    uint16_t cflags;
    uint16_t page_flags; /* GUEST_PAGE_EXEC, GUEST_PAGE_BTI */
} PersistKey;

typedef struct PersistSlot {
    int32_t pc; /* from the block's */
    uint32_t jmp_offset;
    uint32_t stub_offset : 31, taken : 1; /* taken: the process that kept it went that way */
    uint32_t id_offset;                   /* TBSlot's */
} PersistSlot;

typedef struct PersistEntry {
    uint64_t sum; /* of everything behind it */
    PersistKey key;
    uint64_t pc;      /* where the block was when it was translated */
    uint64_t host;    /* and the emulator's image */
    uint64_t code_at; /* the code's place in the code buffer */
    uint32_t size;    /* of all, this included */
    uint32_t code_size, side_size, guest_size;
    uint16_t nb_insns, unsettled, nb_ranges, nb_slots, nb_moves, nb_ops;
    struct {
        int32_t start; /* from the block's pc */
        uint32_t size;
    } ranges[TB_MAX_RANGES];
} PersistEntry;

/* Where the parts are, from the entry's start. */
typedef struct PersistParts {
    uint32_t code, ops, slots, moves, guest, side, end;
} PersistParts;
PersistParts persist_parts(const PersistEntry *e);
uint64_t persist_sum(const PersistEntry *e);

/* Code below 4 GiB is of programs that cannot move: there guest addresses are constants. */
static inline bool persist_pc_relative(vaddr pc)
{
    return pc >> 32 != 0;
}

/* Can the entry be a block at this pc? */
static inline bool persist_may_be_at(const PersistEntry *e, vaddr pc)
{
    return pc == e->pc || (persist_pc_relative(pc) && persist_pc_relative(e->pc));
}

/* ---- one cache file, as it was when it was opened ---- */

typedef struct PersistFile {
    struct PersistFile *next;
    uint64_t id;        /* of the guest's file */
    bool opened;        /* it was tried */
    const uint8_t *map; /* NULL: there is none */
    size_t size;
    const uint64_t *index;
    unsigned index_bits;
    const uint8_t *data;
    unsigned nb_fresh;            /* persist_save: so many entries are to be added, */
    struct PersistWriter *writer; /* with this */
} PersistFile;

/* dir: an absolute name; key: what all translations depend on. Never fails: there may be no file.
 */
void persist_file_open(PersistFile *f, const char *dir, uint64_t key);
/* An intact entry with the key, beginning with *turn = 0, or NULL. */
const PersistEntry *persist_file_find(const PersistFile *f, const PersistKey *key, unsigned *turn);

/*
 * Adding up to `count` entries to a guest file's cache file, which is made if there is none. NULL:
 * not now. For each entry room, then add, which drops it if the file has it; end gives up quietly
 * on any trouble.
 */
typedef struct PersistWriter PersistWriter;
PersistWriter *persist_writer_new(uint64_t id, const char *dir, uint64_t key, unsigned count);
/* Zeros, for an entry of this size; NULL if it is too large. */
PersistEntry *persist_writer_room(PersistWriter *w, size_t size);
void persist_writer_add(PersistWriter *w);
void persist_writer_end(PersistWriter *w);
/* True if the folder is ours alone; makes it if it is missing. */
bool persist_dir_usable(const char *dir);

#endif
