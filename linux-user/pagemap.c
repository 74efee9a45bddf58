/* SPDX-License-Identifier: MIT */
/*
 * The guest page map: a byte of flags for each page of the guest's 47-bit address space, read
 * without locks. A radix tree of three levels whose entries are either a child or, for a range
 * that is all the same, the flags themselves; so a reservation of terabytes costs a few words.
 * Writers hold the lock of mmap.c. Children are never freed: a reader may be in one.
 */
#include "linux-user/user.h"

#include <string.h>

enum {
    LEAF_BITS = 9, /* 2 MiB */
    MID_BITS = 13, /* 16 GiB */
    TOP_BITS = 13, /* 128 TiB */
    LEAF_SHIFT = GUEST_PAGE_BITS,
    MID_SHIFT = LEAF_SHIFT + LEAF_BITS,
    TOP_SHIFT = MID_SHIFT + MID_BITS,
    ADDRESS_BITS = TOP_SHIFT + TOP_BITS,
};

/* A child's address, or flags << 1 | 1. */
typedef uintptr_t Entry;
typedef struct Leaf {
    uint8_t flags[1 << LEAF_BITS];
} Leaf;
typedef struct Mid {
    Entry e[1 << MID_BITS];
} Mid;

static Entry top[1 << TOP_BITS]; /* 0 counts as "all the same, not mapped" */

static inline Entry entry_uniform(int flags)
{
    return flags ? (Entry)flags << 1 | 1 : 0;
}
static inline bool is_uniform(Entry e)
{
    return e == 0 || (e & 1);
}
static inline int entry_flags(Entry e)
{
    return (int)(e >> 1);
}
static inline Entry entry_load(const Entry *e)
{
    return __atomic_load_n(e, __ATOMIC_ACQUIRE);
}
static inline void entry_store(Entry *e, Entry val)
{
    __atomic_store_n(e, val, __ATOMIC_RELEASE);
}

/* Flags at addr, and in *size_shift how big the aligned range is that is known to have them. */
static int lookup(vaddr addr, int *size_shift)
{
    Entry e;

    *size_shift = TOP_SHIFT;
    if (addr >> ADDRESS_BITS) {
        return 0;
    }
    e = entry_load(&top[addr >> TOP_SHIFT]);
    if (is_uniform(e)) {
        return entry_flags(e);
    }
    *size_shift = MID_SHIFT;
    e = entry_load(&((Mid *)e)->e[addr >> MID_SHIFT & ((1 << MID_BITS) - 1)]);
    if (is_uniform(e)) {
        return entry_flags(e);
    }
    *size_shift = LEAF_SHIFT;
    return ((Leaf *)e)->flags[addr >> LEAF_SHIFT & ((1 << LEAF_BITS) - 1)];
}

int pagemap_get(vaddr addr)
{
    int shift;

    return lookup(addr, &shift);
}

static void set_leaf(Leaf *leaf, vaddr start, vaddr end, int flags)
{
    unsigned first = start >> LEAF_SHIFT & ((1 << LEAF_BITS) - 1);

    memset(leaf->flags + first, flags, (end - start) >> LEAF_SHIFT);
}

static void set_mid(Mid *mid, vaddr start, vaddr end, int flags)
{
    while (start < end) {
        vaddr next = MIN(end, ((start >> MID_SHIFT) + 1) << MID_SHIFT);
        Entry *e = &mid->e[start >> MID_SHIFT & ((1 << MID_BITS) - 1)];

        if (is_uniform(*e)) {
            if (next - start == UINT64_C(1) << MID_SHIFT) {
                entry_store(e, entry_uniform(flags));
            } else if (entry_flags(*e) != flags) {
                Leaf *leaf = g_malloc(sizeof(*leaf));

                memset(leaf->flags, entry_flags(*e), sizeof(leaf->flags));
                set_leaf(leaf, start, next, flags);
                entry_store(e, (Entry)leaf);
            }
        } else {
            set_leaf((Leaf *)*e, start, next, flags);
        }
        start = next;
    }
}

void pagemap_set(vaddr start, vaddr end, int flags)
{
    while (start < end) {
        vaddr next = MIN(end, ((start >> TOP_SHIFT) + 1) << TOP_SHIFT);
        Entry *e = &top[start >> TOP_SHIFT];

        if (is_uniform(*e)) {
            if (next - start == UINT64_C(1) << TOP_SHIFT) {
                entry_store(e, entry_uniform(flags));
                start = next;
                continue;
            }
            if (entry_flags(*e) == flags) {
                start = next;
                continue;
            }
            Mid *mid = g_malloc0(sizeof(*mid));
            Entry same = entry_uniform(entry_flags(*e));

            for (unsigned n = 0; same && n < 1 << MID_BITS; n++) {
                mid->e[n] = same;
            }
            set_mid(mid, start, next, flags);
            entry_store(e, (Entry)mid);
        } else {
            set_mid((Mid *)*e, start, next, flags);
        }
        start = next;
    }
}

/* The first address behind the aligned range of 1 << shift bytes that holds addr. */
static vaddr range_end(vaddr addr, int shift)
{
    return ((addr >> shift) + 1) << shift;
}

bool pagemap_any(vaddr start, vaddr end, int flags)
{
    int shift;

    for (; start < end; start = range_end(start, shift)) {
        if (lookup(start, &shift) & flags) {
            return true;
        }
    }
    return false;
}

bool pagemap_all_valid(vaddr start, vaddr end)
{
    int shift;

    for (; start < end; start = range_end(start, shift)) {
        if (!(lookup(start, &shift) & GUEST_PAGE_VALID)) {
            return false;
        }
    }
    return true;
}

vaddr pagemap_run_end(vaddr addr, vaddr limit)
{
    int shift, flags = lookup(addr, &shift);

    do {
        addr = range_end(addr, shift);
    } while (addr < limit && lookup(addr, &shift) == flags);
    return MIN(addr, limit);
}

vaddr pagemap_find_free(vaddr bottom, vaddr top_addr, uint64_t len, uint64_t align)
{
    vaddr end = top_addr, start = top_addr; /* [start, end) is free as far as we know */

    while (start > bottom) {
        vaddr fit = (end - len) & ~(align - 1);
        int shift;

        if (end >= len && fit >= bottom && fit >= start) {
            return fit;
        }
        if (lookup(start - 1, &shift) & GUEST_PAGE_VALID) {
            end = (start - 1) >> shift << shift;
            start = end;
        } else {
            start = (start - 1) >> shift << shift;
        }
    }
    if (end >= len) {
        vaddr fit = (end - len) & ~(align - 1);

        return fit >= bottom ? fit : 0;
    }
    return 0;
}
