/* SPDX-License-Identifier: MIT */
/* Slices of L2 tables or refcount blocks in memory. Nothing is written but by meta_cache_write,
 * and nothing forgotten but by meta_cache_trim: commit.c decides the order. */
#include "block/qcow2/qcow2.h"

typedef struct Slice {
    uint64_t off;
    uint64_t used; /* the cache's clock when it was last looked at */
    bool dirty;
    uint8_t data[];
} Slice;

struct MetaCache {
    BlockNode *file;
    BlockEvent load, update; /* what the file hears */
    unsigned slice;
    uint64_t max; /* slices */
    uint64_t clock;
    uint64_t dirty;
    GHashTable *slices; /* &Slice.off -> Slice */
    Slice *last;
};

MetaCache *meta_cache_new(BlockNode *file, unsigned slice, uint64_t max_bytes, BlockEvent load,
                          BlockEvent update)
{
    MetaCache *c = g_new0(MetaCache, 1);
    c->file = file;
    c->load = load;
    c->update = update;
    c->slice = slice;
    c->max = MAX(max_bytes / slice, 16);
    c->slices = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
    return c;
}

void meta_cache_free(MetaCache *c)
{
    if (c) {
        g_hash_table_destroy(c->slices);
        g_free(c);
    }
}

unsigned meta_cache_slice(const MetaCache *c)
{
    return c->slice;
}

static Slice *find(MetaCache *c, uint64_t off)
{
    if (!c->last || c->last->off != off) {
        Slice *s = g_hash_table_lookup(c->slices, &off);
        if (!s) {
            return NULL;
        }
        c->last = s;
    }
    c->last->used = ++c->clock;
    return c->last;
}

static Slice *add(MetaCache *c, uint64_t off)
{
    Slice *s = g_malloc(sizeof(Slice) + c->slice);
    s->off = off;
    s->dirty = false;
    s->used = ++c->clock;
    g_hash_table_insert(c->slices, &s->off, s);
    c->last = s;
    return s;
}

bool meta_cache_has(const MetaCache *c, uint64_t off)
{
    return g_hash_table_contains(c->slices, &off);
}

uint8_t *meta_cache_get(MetaCache *c, uint64_t off, int *ret)
{
    Slice *s = find(c, off);
    if (!s) {
        s = g_malloc(sizeof(Slice) + c->slice);
        block_event(c->file, c->load);
        *ret = block_pread(c->file, off, s->data, c->slice);
        if (*ret) {
            g_free(s);
            return NULL;
        }
        s->off = off;
        s->dirty = false;
        s->used = ++c->clock;
        g_hash_table_insert(c->slices, &s->off, s);
        c->last = s;
    }
    *ret = 0;
    return s->data;
}

static void mark(MetaCache *c, Slice *s)
{
    c->dirty += !s->dirty;
    s->dirty = true;
}

uint8_t *meta_cache_zero(MetaCache *c, uint64_t off)
{
    Slice *s = find(c, off);
    if (!s) {
        s = add(c, off);
    }
    memset(s->data, 0, c->slice);
    mark(c, s);
    return s->data;
}

void meta_cache_dirty(MetaCache *c, uint64_t off)
{
    Slice *s = find(c, off);
    g_assert(s);
    mark(c, s);
}

bool meta_cache_is_dirty(const MetaCache *c)
{
    return c->dirty;
}

bool meta_cache_full(const MetaCache *c)
{
    return g_hash_table_size(c->slices) > c->max;
}

static int by_offset(const void *a, const void *b)
{
    const Slice *const *x = a, *const *y = b;
    return ((*x)->off > (*y)->off) - ((*x)->off < (*y)->off);
}

static int by_use(const void *a, const void *b)
{
    const Slice *const *x = a, *const *y = b;
    return ((*x)->used > (*y)->used) - ((*x)->used < (*y)->used);
}

static GPtrArray *pick(MetaCache *c, bool dirty)
{
    GPtrArray *list = g_ptr_array_new();
    GHashTableIter it;
    gpointer s;
    g_hash_table_iter_init(&it, c->slices);
    while (g_hash_table_iter_next(&it, NULL, &s)) {
        if (((Slice *)s)->dirty == dirty) {
            g_ptr_array_add(list, s);
        }
    }
    return list;
}

/* In the order of the file, neighbours in one write of up to 1 MiB. */
int meta_cache_write(MetaCache *c)
{
    const size_t batch = MAX(1 << 20, c->slice);
    if (!c->dirty) {
        return 0;
    }
    g_autoptr(GPtrArray) list = pick(c, true);
    g_autofree uint8_t *buf = list->len > 1 ? g_malloc(batch) : NULL;
    g_ptr_array_sort(list, by_offset);
    for (unsigned i = 0, j; i < list->len; i = j) {
        Slice *first = g_ptr_array_index(list, i);
        const uint8_t *out = first->data;
        uint64_t len = c->slice;
        for (j = i + 1; j < list->len && len + c->slice <= batch; j++, len += c->slice) {
            Slice *s = g_ptr_array_index(list, j);
            if (s->off != first->off + len) {
                break;
            }
            if (out != buf) {
                memcpy(buf, first->data, c->slice);
                out = buf;
            }
            memcpy(buf + len, s->data, c->slice);
        }
        block_event(c->file, c->update);
        int ret = block_pwrite(c->file, first->off, out, len);
        if (ret) {
            return ret;
        }
        for (unsigned k = i; k < j; k++) {
            ((Slice *)g_ptr_array_index(list, k))->dirty = false;
            c->dirty--;
        }
    }
    return 0;
}

void meta_cache_forget(MetaCache *c, uint64_t off, uint64_t len)
{
    for (uint64_t o = off; o < off + len; o += c->slice) {
        Slice *s = g_hash_table_lookup(c->slices, &o);
        if (s) {
            c->dirty -= s->dirty;
            g_hash_table_remove(c->slices, &o);
        }
    }
    c->last = NULL;
}

void meta_cache_trim(MetaCache *c)
{
    if (!meta_cache_full(c)) {
        return;
    }
    g_autoptr(GPtrArray) list = pick(c, false);
    uint64_t want = g_hash_table_size(c->slices) - c->max * 3 / 4;
    g_ptr_array_sort(list, by_use);
    for (unsigned i = 0; i < list->len && i < want; i++) {
        g_hash_table_remove(c->slices, &((Slice *)g_ptr_array_index(list, i))->off);
    }
    c->last = NULL;
}
