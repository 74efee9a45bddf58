/* SPDX-License-Identifier: MIT */
/* Reference counts of host clusters ("Host cluster management"): a table of blocks of counts,
 * 1 to 64 bits each. Allocation takes what has count zero; what is freed waits for a barrier. */
#include "block/qcow2/qcow2.h"

uint64_t qcow2_rc_read(const uint8_t *block, uint64_t i, unsigned order)
{
    switch (order) {
    case 4:
        return ld_be16(block + i * 2);
    case 3:
        return block[i];
    case 5:
        return ld_be32(block + i * 4);
    case 6:
        return ld_be64(block + i * 8);
    default: /* below a byte, the lowest bits are the first count */
        return block[i >> (3 - order)] >> ((i << order) & 7) & ((1U << (1U << order)) - 1);
    }
}

void qcow2_rc_write(uint8_t *block, uint64_t i, unsigned order, uint64_t value)
{
    switch (order) {
    case 4:
        st_be16(block + i * 2, value);
        break;
    case 3:
        block[i] = value;
        break;
    case 5:
        st_be32(block + i * 4, value);
        break;
    case 6:
        st_be64(block + i * 8, value);
        break;
    default: {
        uint8_t *p = block + (i >> (3 - order));
        unsigned shift = (i << order) & 7, mask = ((1U << (1U << order)) - 1) << shift;
        *p = (*p & ~mask) | value << shift;
    }
    }
}

/* The slice that holds a cluster's count, and the count's index in it. NULL with *ret 0 when
 * there is no block: all counts are zero. */
static uint8_t *slice_of(Qcow2 *s, uint64_t cluster, uint64_t *index, uint64_t *slice_off, int *ret)
{
    uint64_t table = cluster >> s->rb_bits;
    unsigned slice = meta_cache_slice(s->rc_cache);
    *ret = 0;
    if (table >= s->rt_size || !s->rt[table]) {
        return NULL;
    }
    if (s->rt[table] & (s->cluster_size - 1) || s->rt[table] >= s->high_water) {
        *ret = -EIO;
        return NULL;
    }
    unsigned per_slice_bits = __builtin_ctz(slice) + 3 - s->refcount_order;
    uint64_t in_block = cluster & ((1ULL << s->rb_bits) - 1);
    *slice_off = s->rt[table] + (in_block >> per_slice_bits) * slice;
    *index = in_block & ((1ULL << per_slice_bits) - 1);
    return meta_cache_get(s->rc_cache, *slice_off, ret);
}

int qcow2_rc_get(Qcow2 *s, uint64_t cluster, uint64_t *count)
{
    uint64_t index, off;
    int ret;
    uint8_t *slice = slice_of(s, cluster, &index, &off, &ret);
    *count = slice ? qcow2_rc_read(slice, index, s->refcount_order) : 0;
    return ret;
}

const uint8_t *qcow2_rc_slice(Qcow2 *s, uint64_t cluster, uint64_t *index, uint64_t *n, int *ret)
{
    uint64_t off, per = (uint64_t)meta_cache_slice(s->rc_cache) * 8 >> s->refcount_order;
    const uint8_t *slice = slice_of(s, cluster, index, &off, ret);
    *n = per - (cluster & (per - 1));
    return slice;
}

/* Clusters needed, beside [start, start + n), for refcount blocks and a larger table so that all
 * of them, themselves included, have counts. */
static uint64_t overhead(Qcow2 *s, uint64_t start, uint64_t n, uint32_t *new_rt)
{
    uint64_t total = n, blocks;
    for (;;) {
        uint64_t last = (start + total - 1) >> s->rb_bits;
        uint64_t rt_clusters = 0;
        blocks = 0;
        for (uint64_t i = start >> s->rb_bits; i <= last; i++) {
            blocks += i >= s->rt_size || !s->rt[i];
        }
        *new_rt = 0;
        if (last >= s->rt_size) {
            uint64_t entries = MAX(last + 1 + last / 2, 1);
            rt_clusters = DIV_ROUND_UP(entries * 8, s->cluster_size);
            *new_rt = rt_clusters * s->cluster_size / 8;
        }
        if (n + blocks + rt_clusters == total) {
            return total - n;
        }
        total = n + blocks + rt_clusters;
    }
}

/* First run of `min` to `n` clusters with count zero at or after the hint. *first is the very
 * first free cluster, which may be in a hole too small. */
static int find_free(Qcow2 *s, uint64_t min, uint64_t n, uint64_t *start, uint64_t *len,
                     uint64_t *first)
{
    const uint64_t end = s->high_water >> s->cluster_bits;
    uint64_t run = 0, c = s->free_hint;
    *first = UINT64_MAX;
    for (; run < n; c++) {
        uint64_t count = 0;
        if (c < end) { /* nothing was ever allocated above */
            int ret = qcow2_rc_get(s, c, &count);
            if (ret) {
                return ret;
            }
        }
        if (!count) {
            *first = MIN(*first, c);
            run++;
        } else if (run >= min) {
            break;
        } else {
            run = 0;
        }
    }
    *start = c - run;
    *len = run;
    return 0;
}

static void zero_block(Qcow2 *s, uint64_t offset)
{
    unsigned slice = meta_cache_slice(s->rc_cache);
    for (uint64_t o = 0; o < s->cluster_size; o += slice) {
        meta_cache_zero(s->rc_cache, offset + o);
    }
}

static int add_blocks(Qcow2 *s, uint64_t start, uint64_t n, uint64_t next, uint32_t new_rt)
{
    qcow2_event(s, BLOCK_EV_REFBLOCK_ALLOC);
    if (new_rt) {
        qcow2_event(s, BLOCK_EV_REFTABLE_GROW);
        if ((uint64_t)new_rt * 8 > QCOW2_MAX_RT) {
            return -EFBIG;
        }
        if (!s->rt_moved) {
            qcow2_free_later(s, s->rt_offset, s->rt_clusters);
        } else {
            qcow2_rc_add(s, s->rt_offset >> s->cluster_bits, s->rt_clusters, -1);
        }
        s->rt = g_renew(uint64_t, s->rt, new_rt);
        memset(s->rt + s->rt_size, 0, (new_rt - s->rt_size) * 8);
        s->rt_size = new_rt;
        s->rt_offset = next << s->cluster_bits;
        s->rt_clusters = (uint64_t)new_rt * 8 >> s->cluster_bits;
        s->rt_moved = true;
        next += s->rt_clusters;
        s->high_water = MAX(s->high_water, next << s->cluster_bits);
    }
    for (uint64_t i = start >> s->rb_bits; i <= (start + n - 1) >> s->rb_bits; i++) {
        if (!s->rt[i]) {
            s->rt[i] = next++ << s->cluster_bits;
            s->high_water = MAX(s->high_water, next << s->cluster_bits);
            zero_block(s, s->rt[i]);
            qcow2_event(s, BLOCK_EV_REFBLOCK_ALLOC_WRITE);
            s->rt_dirty_lo = MIN(s->rt_dirty_lo, i);
            s->rt_dirty_hi = MAX(s->rt_dirty_hi, i + 1);
        }
    }
    return 0;
}

static int set_counts(Qcow2 *s, uint64_t first, uint64_t n, uint64_t value)
{
    for (uint64_t c = first; c < first + n; c++) {
        uint64_t index, off;
        int ret;
        uint8_t *slice = slice_of(s, c, &index, &off, &ret);
        if (!slice) {
            return ret ? ret : -EIO;
        }
        qcow2_rc_write(slice, index, s->refcount_order, value);
        meta_cache_dirty(s->rc_cache, off);
    }
    return 0;
}

int64_t qcow2_alloc(Qcow2 *s, uint64_t min, uint64_t n, uint64_t *got, bool *fresh)
{
    uint64_t start, len, first, extra = 0, need;
    uint32_t new_rt;
    int ret = qcow2_mark_dirty(s);
    if (ret) {
        return ret;
    }
    qcow2_event(s, BLOCK_EV_CLUSTER_ALLOC);
    for (;;) {
        ret = find_free(s, min + extra, n + extra, &start, &len, &first);
        if (ret) {
            return ret;
        }
        need = overhead(s, start, len - extra, &new_rt);
        if (need <= extra) {
            break;
        }
        if (len - extra > min && need <= len - min) {
            /* Room enough if we take less for the caller. */
            uint64_t less = len - need;
            if (overhead(s, start, less, &new_rt) <= need) {
                extra = need;
                break;
            }
        }
        extra = need;
    }
    len -= extra;
    need = overhead(s, start, len, &new_rt);
    /* The highest offset an L2 entry can hold. */
    if (start + len + need > (QCOW2_OFFSET >> s->cluster_bits)) {
        return -EFBIG;
    }
    bool above = start << s->cluster_bits >= s->high_water;
    if (need) {
        ret = add_blocks(s, start, len + need, start + len, new_rt);
        if (ret) {
            return ret;
        }
    }
    ret = set_counts(s, start, len + need, 1);
    if (ret) {
        return ret;
    }
    s->free_hint = first == start ? start + len + need : first;
    if (fresh) {
        *fresh = above;
    }
    s->high_water = MAX(s->high_water, (start + len + need) << s->cluster_bits);
    if (got) {
        *got = len;
    }
    return start << s->cluster_bits;
}

int qcow2_rc_set(Qcow2 *s, uint64_t cluster, uint64_t count)
{
    uint64_t index, off;
    int ret;
    uint8_t *slice = slice_of(s, cluster, &index, &off, &ret);
    if (!slice && !ret) {
        /* Its refcount block does not exist: make it, where nothing ever was. */
        uint64_t block = s->high_water >> s->cluster_bits;
        if (cluster >> s->rb_bits >= s->rt_size) {
            return -EFBIG;
        }
        s->high_water = (block + 1) << s->cluster_bits;
        ret = add_blocks(s, cluster, 1, block, 0);
        if (!ret) {
            ret = qcow2_rc_set(s, block, 1);
        }
        return ret ? ret : qcow2_rc_set(s, cluster, count);
    }
    if (ret) {
        return ret;
    }
    qcow2_rc_write(slice, index, s->refcount_order, count);
    meta_cache_dirty(s->rc_cache, off);
    if (!count) {
        s->free_hint = MIN(s->free_hint, cluster);
    }
    return 0;
}

int qcow2_rc_add(Qcow2 *s, uint64_t first, uint64_t n, int delta)
{
    int ret = qcow2_mark_dirty(s);
    for (uint64_t c = first; c < first + n && !ret; c++) {
        uint64_t count;
        ret = qcow2_rc_get(s, c, &count);
        if (ret) {
            return ret;
        }
        if (delta < 0 ? !count : count >= s->refcount_max) {
            return delta < 0 ? -EIO : -EOVERFLOW;
        }
        ret = qcow2_rc_set(s, c, count + delta);
    }
    return ret;
}

void qcow2_free_later(Qcow2 *s, uint64_t offset, uint64_t clusters)
{
    PendingFree f = { offset >> s->cluster_bits, clusters };
    if (s->pending->len) {
        PendingFree *last = &g_array_index(s->pending, PendingFree, s->pending->len - 1);
        if (last->first + last->n == f.first) {
            last->n += f.n;
            return;
        }
    }
    g_array_append_val(s->pending, f);
}

/* Counts go down now that no table on disk refers to the clusters. A count that is zero already
 * means a damaged image: leave it, check will tell. */
int qcow2_apply_frees(Qcow2 *s)
{
    int ret = 0;
    for (unsigned i = 0; i < s->pending->len && !ret; i++) {
        qcow2_event(s, BLOCK_EV_CLUSTER_FREE);
        PendingFree *f = &g_array_index(s->pending, PendingFree, i);
        for (uint64_t c = f->first; c < f->first + f->n && !ret; c++) {
            uint64_t count;
            ret = qcow2_rc_get(s, c, &count);
            if (ret || !count) {
                continue;
            }
            ret = qcow2_rc_set(s, c, count - 1);
            if (!ret && count == 1) {
                uint64_t off = c << s->cluster_bits;
                meta_cache_forget(s->l2_cache, off, s->cluster_size);
                if (s->comp_next && s->comp_next >> s->cluster_bits == c) {
                    s->comp_next = 0;
                }
                block_discard(s->node->file, off, s->cluster_size);
            }
        }
    }
    g_array_set_size(s->pending, 0);
    return ret;
}
