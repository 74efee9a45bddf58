/* SPDX-License-Identifier: MIT */
/*
 * Views: the region tree below each address space, flattened into sorted ranges, published to
 * readers that take no lock, and freed when the last of them has moved on.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include "hw/core/memory-internal.h"

/* Wide enough for an alias's base, which may be below zero, and for ends, which may be 2^64. */
typedef __int128 Addr;

enum { MAX_NESTING = 64 }; /* deeper means that the tree has a loop */

typedef struct RetiredView {
    FlatView *view;
    uint64_t generation; /* readers that have seen this one are done with the view */
    struct RetiredView *next;
} RetiredView;

static struct {
    AddressSpace *spaces;
    MemoryListener *listeners;
    int depth;    /* of transactions */
    bool pending; /* something has changed inside of them */
    RetiredView *retired;
    _Atomic uint64_t generation;
    pthread_mutex_t readers_lock;
    MemoryReader *readers;
} memory = { .generation = 1, .readers_lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- rendering --------------------------------------------------------------------------- */

static void fill(GArray *out, guint at, MemoryRegion *mr, Addr base, Addr lo, Addr hi,
                 bool readonly)
{
    bool plain = mr->ram && (mr->kind != MR_ROM_DEVICE || mr->romd);
    hwaddr offset = (hwaddr)(lo - base);
    FlatRange r = {
        .start = (hwaddr)lo,
        .size = (uint64_t)(hi - lo),
        .mr = mr,
        .offset = offset,
        .ram = plain ? mr->ram->host + offset : NULL,
        .readonly = readonly || mr->kind != MR_RAM,
    };
    g_array_insert_val(out, at, r);
}

/* Whatever of [lo, hi) is still free belongs to mr. */
static void fill_holes(GArray *out, MemoryRegion *mr, Addr base, Addr lo, Addr hi, bool readonly)
{
    for (guint i = 0; lo < hi; i++) {
        if (i == out->len) {
            fill(out, i, mr, base, lo, hi, readonly);
            return;
        }
        FlatRange *r = &g_array_index(out, FlatRange, i);
        Addr start = r->start, end = start + r->size;
        if (lo < start) {
            fill(out, i++, mr, base, lo, MIN(hi, start), readonly);
        }
        lo = MAX(lo, end);
    }
}

static void render(GArray *out, MemoryRegion *mr, Addr base, Addr lo, Addr hi, bool readonly,
                   int nesting)
{
    g_assert(nesting < MAX_NESTING);
    lo = MAX(lo, base);
    hi = MIN(hi, base + mr->size);
    if (!mr->enabled || lo >= hi) {
        return;
    }
    readonly |= mr->readonly;
    for (guint i = 0; mr->subregions && i < mr->subregions->len; i++) {
        MemoryRegion *sub = mr->subregions->pdata[i];
        render(out, sub, base + sub->addr, lo, hi, readonly, nesting + 1);
    }
    if (mr->kind == MR_ALIAS) {
        render(out, mr->alias, base - mr->alias_offset, lo, hi, readonly, nesting + 1);
    } else if (mr->kind != MR_CONTAINER) {
        fill_holes(out, mr, base, lo, hi, readonly);
    }
}

static bool continues(const FlatRange *a, const FlatRange *b)
{
    return a->mr == b->mr && a->start + a->size == b->start && a->offset + a->size == b->offset &&
           a->readonly == b->readonly && !a->ram == !b->ram;
}

static FlatView *render_view(MemoryRegion *root)
{
    g_autoptr(GArray) out = g_array_new(FALSE, FALSE, sizeof(FlatRange));
    render(out, root, 0, 0, (Addr)1 << 64, false, 0);
    FlatView *view = g_malloc(sizeof(FlatView) + out->len * sizeof(FlatRange));
    view->nb = 0;
    for (guint i = 0; i < out->len; i++) {
        const FlatRange *r = &g_array_index(out, FlatRange, i);
        if (view->nb && continues(&view->ranges[view->nb - 1], r)) {
            view->ranges[view->nb - 1].size += r->size;
        } else {
            view->ranges[view->nb++] = *r;
        }
    }
    return view;
}

static bool same_view(const FlatView *a, const FlatView *b)
{
    bool same = a->nb == b->nb;
    for (int i = 0; same && i < a->nb; i++) {
        const FlatRange *p = &a->ranges[i], *q = &b->ranges[i];
        same = p->start == q->start && p->size == q->size && p->mr == q->mr &&
               p->offset == q->offset && p->ram == q->ram && p->readonly == q->readonly;
    }
    return same;
}

/* ---- publishing -------------------------------------------------------------------------- */

static uint64_t oldest_seen(void)
{
    uint64_t oldest = UINT64_MAX;
    pthread_mutex_lock(&memory.readers_lock);
    for (MemoryReader *r = memory.readers; r; r = r->next) {
        oldest = MIN(oldest, atomic_load(&r->seen));
    }
    pthread_mutex_unlock(&memory.readers_lock);
    return oldest;
}

/* The newest generation stays: the lock's holder may be inside of an access through it. */
static void free_retired(void)
{
    uint64_t oldest = MIN(oldest_seen(), atomic_load(&memory.generation) - 1);
    for (RetiredView **p = &memory.retired; *p;) {
        RetiredView *r = *p;
        if (r->generation <= oldest) {
            *p = r->next;
            g_free(r->view);
            g_free(r);
        } else {
            p = &r->next;
        }
    }
}

static void retire(FlatView *view)
{
    RetiredView *r = g_new(RetiredView, 1);
    *r = (RetiredView){ view, atomic_fetch_add(&memory.generation, 1) + 1, memory.retired };
    memory.retired = r;
}

static void update_view(AddressSpace *as)
{
    FlatView *new_view = render_view(as->root), *old = as->view;
    if (same_view(old, new_view)) {
        g_free(new_view);
        return;
    }
    atomic_store(&as->view, new_view);
    for (MemoryListener *l = memory.listeners; l; l = l->next) {
        if (l->commit) {
            l->commit(l, as, old, new_view);
        }
    }
    retire(old);
}

void memory_transaction_begin(void)
{
    memory.depth++;
}

void memory_transaction_commit(void)
{
    g_assert(memory.depth > 0);
    if (--memory.depth) {
        return;
    }
    for (AddressSpace *as = memory.spaces; as; as = as->next) {
        update_view(as);
    }
    free_retired();
}

void memory_reader_register(MemoryReader *r)
{
    pthread_mutex_lock(&memory.readers_lock);
    atomic_store(&r->seen, atomic_load(&memory.generation));
    r->next = memory.readers;
    memory.readers = r;
    pthread_mutex_unlock(&memory.readers_lock);
}

void memory_reader_unregister(MemoryReader *r)
{
    pthread_mutex_lock(&memory.readers_lock);
    for (MemoryReader **p = &memory.readers; *p; p = &(*p)->next) {
        if (*p == r) {
            *p = r->next;
            break;
        }
    }
    pthread_mutex_unlock(&memory.readers_lock);
}

void memory_reader_quiet(MemoryReader *r)
{
    uint64_t now = atomic_load_explicit(&memory.generation, memory_order_acquire);
    if (atomic_load_explicit(&r->seen, memory_order_relaxed) != now) {
        atomic_store(&r->seen, now);
    }
}

void memory_reader_offline(MemoryReader *r)
{
    atomic_store(&r->seen, UINT64_MAX);
}

/* ---- address spaces and listeners -------------------------------------------------------- */

void address_space_init(AddressSpace *as, MemoryRegion *root, const char *name)
{
    *as = (AddressSpace){ .name = name, .root = root, .view = g_new0(FlatView, 1) };
    AddressSpace **p = &memory.spaces;
    while (*p) {
        p = &(*p)->next;
    }
    *p = as;
    update_view(as);
}

void address_space_destroy(AddressSpace *as)
{
    for (AddressSpace **p = &memory.spaces; *p; p = &(*p)->next) {
        if (*p == as) {
            *p = as->next;
            break;
        }
    }
    retire(as->view);
    as->view = NULL;
}

AddressSpace *address_space_first(void)
{
    return memory.spaces;
}

const FlatRange *address_space_lookup(AddressSpace *as, hwaddr addr)
{
    const FlatView *view = atomic_load_explicit(&as->view, memory_order_acquire);
    int lo = 0, hi = view->nb;
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        const FlatRange *r = &view->ranges[mid];
        if (addr < r->start) {
            hi = mid;
        } else if (addr - r->start < r->size) {
            return r;
        } else {
            lo = mid + 1;
        }
    }
    return NULL;
}

void memory_listener_register(MemoryListener *l)
{
    l->next = NULL;
    MemoryListener **p = &memory.listeners;
    while (*p) {
        p = &(*p)->next;
    }
    *p = l;
}

void memory_listeners_ram_written(uint64_t offset, uint64_t len)
{
    for (MemoryListener *l = memory.listeners; l; l = l->next) {
        if (l->ram_written) {
            l->ram_written(l, offset, len);
        }
    }
}
