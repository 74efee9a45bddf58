/* SPDX-License-Identifier: MIT */
/* A bit for each piece of a node: set by writers, taken by jobs. Bits are changed atomically. */
#ifndef BLOCK_DIRTY_H
#define BLOCK_DIRTY_H

#include "block/block.h"
#include "block/bytes.h"

typedef struct DirtyMap {
    unsigned bits_shift; /* log2 of bytes in a piece */
    uint64_t n;          /* pieces */
    int64_t size;        /* bytes of the node */
    gint set;            /* how many are set, as far as one can say while others change it */
    unsigned long *words;
} DirtyMap;

bool dirty_init(DirtyMap *m, int64_t size, uint64_t granularity, GError **err);
void dirty_clear(DirtyMap *m); /* frees */
void dirty_mark(DirtyMap *m, int64_t off, int64_t len);
/* Was it set? It is not any more. */
bool dirty_take(DirtyMap *m, uint64_t piece);
/* The next set piece from `from` on, or n. */
uint64_t dirty_next(const DirtyMap *m, uint64_t from);
static inline bool dirty_test(const DirtyMap *m, uint64_t piece)
{
    return __atomic_load_n(&m->words[piece / LONG_BITS], __ATOMIC_ACQUIRE) >> (piece % LONG_BITS) &
           1;
}
static inline int64_t dirty_offset(const DirtyMap *m, uint64_t piece)
{
    return (int64_t)(piece << m->bits_shift);
}
static inline int64_t dirty_length(const DirtyMap *m, uint64_t piece)
{
    return MIN((int64_t)1 << m->bits_shift, m->size - dirty_offset(m, piece));
}

/* A bitmap of a node in memory only: block-dirty-bitmap-add without persistent=true. */
typedef struct DirtyBitmap {
    BlockWatcher watcher; /* first */
    BlockNode *node;
    char *name;
    bool enabled;
    DirtyMap map;
} DirtyBitmap;

#endif
