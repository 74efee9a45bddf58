/* SPDX-License-Identifier: MIT */
/* From guest offset to host offset ("Cluster mapping"): the L1 table, L2 tables, standard and
 * extended L2 entries. */
#include "block/qcow2/qcow2.h"

uint64_t qcow2_l1_entries_for(const Qcow2 *s, uint64_t size)
{
    uint64_t span = qcow2_l2_span(s);
    return size / span + (size % span != 0);
}

void qcow2_l1_mark(Qcow2 *s, uint32_t i)
{
    s->l1_dirty_lo = MIN(s->l1_dirty_lo, i);
    s->l1_dirty_hi = MAX(s->l1_dirty_hi, i + 1);
}

/* The host offset of the L2 table for a guest offset; 0 when there is none, negative if bad. */
static int64_t table_of(Qcow2 *s, uint64_t off)
{
    uint64_t i = off >> (s->l2_bits + s->cluster_bits);
    uint64_t table = i < s->l1_size ? s->l1[i] & QCOW2_OFFSET : 0;
    return table & (s->cluster_size - 1) || table >= s->high_water ? -EIO : (int64_t)table;
}

static uint64_t slice_off(const Qcow2 *s, uint64_t off, unsigned *within)
{
    uint64_t i = (off >> s->cluster_bits) & ((1ULL << s->l2_bits) - 1);
    uint64_t byte = i * s->l2_entry_size;
    unsigned slice = meta_cache_slice(s->l2_cache);
    *within = byte & (slice - 1);
    return byte - *within;
}

int qcow2_l2_get(Qcow2 *s, uint64_t off, uint64_t *entry, uint64_t *bitmap)
{
    unsigned within;
    int ret;
    int64_t table = table_of(s, off);
    *entry = *bitmap = 0;
    if (table <= 0) {
        return table;
    }
    uint8_t *slice = meta_cache_get(s->l2_cache, table + slice_off(s, off, &within), &ret);
    if (slice) {
        *entry = ld_be64(slice + within);
        *bitmap = s->ext_l2 ? ld_be64(slice + within + 8) : 0;
    }
    return ret;
}

bool qcow2_l2_cached(Qcow2 *s, uint64_t off)
{
    unsigned within;
    int64_t table = table_of(s, off);
    return table > 0 && meta_cache_has(s->l2_cache, table + slice_off(s, off, &within));
}

/* Makes the L2 table for `off` exist and ours alone: a new one, or a copy of one that a snapshot
 * shares. */
static int64_t own_table(Qcow2 *s, uint64_t off)
{
    uint64_t i = off >> (s->l2_bits + s->cluster_bits);
    unsigned slice = meta_cache_slice(s->l2_cache);
    int64_t old = table_of(s, off);
    if (old < 0 || i >= s->l1_size) {
        return -EIO;
    }
    if (old && s->l1[i] & QCOW2_COPIED) {
        return old;
    }
    int64_t table = qcow2_alloc(s, 1, 1, NULL, NULL);
    if (table < 0) {
        return table;
    }
    qcow2_event(s, old ? BLOCK_EV_L2_ALLOC_COW_READ : BLOCK_EV_L2_ALLOC_WRITE);
    for (uint64_t o = 0; o < s->cluster_size; o += slice) {
        int ret = 0;
        const uint8_t *from = old ? meta_cache_get(s->l2_cache, old + o, &ret) : NULL;
        if (ret) {
            qcow2_free_later(s, table, 1);
            return ret;
        }
        uint8_t *to = meta_cache_zero(s->l2_cache, table + o);
        if (from) {
            memcpy(to, from, slice);
        }
    }
    s->l1[i] = table | QCOW2_COPIED;
    qcow2_l1_mark(s, i);
    if (old) {
        qcow2_free_later(s, old, 1);
    }
    return table;
}

int qcow2_l2_set(Qcow2 *s, uint64_t off, uint64_t entry, uint64_t bitmap)
{
    unsigned within;
    int ret;
    int64_t table = own_table(s, off);
    if (table < 0) {
        return table;
    }
    uint64_t at = table + slice_off(s, off, &within);
    uint8_t *slice = meta_cache_get(s->l2_cache, at, &ret);
    if (!slice) {
        return ret;
    }
    st_be64(slice + within, entry);
    if (s->ext_l2) {
        st_be64(slice + within + 8, bitmap);
    }
    meta_cache_dirty(s->l2_cache, at);
    return 0;
}

ClusterType qcow2_classify(Qcow2 *s, uint64_t entry, uint64_t bitmap, unsigned sub)
{
    uint64_t host = entry & QCOW2_OFFSET;
    /* With an external data file a cluster may lie at offset 0: the flag tells. */
    bool present = host || (s->data != s->node->file && entry & QCOW2_COPIED);
    if (entry & QCOW2_COMPRESSED) {
        return s->data != s->node->file ? CLUSTER_INVALID : CLUSTER_COMPRESSED;
    }
    if (host & (s->cluster_size - 1)) {
        return CLUSTER_INVALID;
    }
    if (s->ext_l2) {
        bool alloc = bitmap >> sub & 1, zero = bitmap >> (32 + sub) & 1;
        if ((alloc && zero) || (alloc && !present)) {
            return CLUSTER_INVALID;
        }
        return alloc ? CLUSTER_NORMAL : zero ? CLUSTER_ZERO : CLUSTER_UNALLOCATED;
    }
    if (entry & QCOW2_ZERO && s->version >= 3) {
        return CLUSTER_ZERO;
    }
    return present ? CLUSTER_NORMAL : CLUSTER_UNALLOCATED;
}

int qcow2_map(Qcow2 *s, uint64_t off, uint64_t len, ClusterRun *out)
{
    uint64_t pos = off, end = off + len, entry, bitmap;
    uint64_t table_end = (off | (qcow2_l2_span(s) - 1)) + 1;
    const uint64_t sub_mask = (1ULL << s->sub_bits) - 1;
    int64_t table = table_of(s, off);

    *out = (ClusterRun){ .type = CLUSTER_UNALLOCATED };
    if (table < 0) {
        return table;
    }
    end = MIN(end, table_end);
    if (!table) {
        out->len = end - off;
        return 0;
    }
    while (pos < end) {
        int ret = qcow2_l2_get(s, pos, &entry, &bitmap);
        if (ret) {
            return ret;
        }
        uint64_t cluster_end = MIN((pos | (s->cluster_size - 1)) + 1, end);
        uint64_t host = entry & QCOW2_OFFSET;
        bool compressed = entry & QCOW2_COMPRESSED;
        bool allocated =
            !compressed && (host || (s->data != s->node->file && entry & QCOW2_COPIED));
        bool copied = entry & QCOW2_COPIED;
        while (pos < cluster_end) {
            unsigned sub = (pos & (s->cluster_size - 1)) >> s->sub_bits;
            ClusterType type = qcow2_classify(s, entry, bitmap, sub);
            uint64_t at = host + (pos & (s->cluster_size - 1));
            if (pos == off) {
                out->type = type;
                out->entry = entry;
                out->allocated = allocated;
                out->copied = copied;
                out->host = at;
            } else if (type != out->type || type == CLUSTER_COMPRESSED ||
                       allocated != out->allocated || copied != out->copied ||
                       (allocated && at != out->host + (pos - off))) {
                out->len = pos - off;
                return 0;
            }
            pos = MIN((pos | sub_mask) + 1, cluster_end);
        }
        if (out->type == CLUSTER_COMPRESSED) {
            break;
        }
    }
    out->len = pos - off;
    return 0;
}

void qcow2_free_entry(Qcow2 *s, uint64_t entry)
{
    uint64_t off, len;
    if (entry & QCOW2_COMPRESSED) {
        qcow2_compressed_extent(s, entry, &off, &len);
        uint64_t first = off >> s->cluster_bits, last = (off + len - 1) >> s->cluster_bits;
        qcow2_free_later(s, first << s->cluster_bits, last - first + 1);
    } else if (s->data == s->node->file && entry & QCOW2_OFFSET) {
        qcow2_free_later(s, entry & QCOW2_OFFSET, 1);
    }
}

/* A larger L1 table: written elsewhere, then the header switches to it and to the new guest size
 * in one write. */
int qcow2_grow_l1(Qcow2 *s, uint64_t entries, uint64_t new_size)
{
    uint64_t bytes = entries * 8, clusters = DIV_ROUND_UP(bytes, s->cluster_size);
    if (bytes > QCOW2_MAX_L1) {
        return -EFBIG;
    }
    g_autofree uint8_t *buf = g_malloc0(clusters * s->cluster_size);
    qcow2_event(s, BLOCK_EV_L1_GROW_ALLOC_TABLE);
    int64_t at = qcow2_alloc(s, clusters, clusters, NULL, NULL);
    if (at < 0) {
        return at;
    }
    s->l1 = g_renew(uint64_t, s->l1, entries);
    memset(s->l1 + s->l1_size, 0, (entries - s->l1_size) * 8);
    for (uint64_t i = 0; i < entries; i++) {
        st_be64(buf + i * 8, s->l1[i]);
    }
    uint64_t old_offset = s->l1_offset, old_size = s->l1_size, old_guest = s->size;
    int ret = qcow2_commit(s); /* counts of the new table, and all the L1 refers to */
    if (!ret) {
        qcow2_event(s, BLOCK_EV_L1_GROW_WRITE_TABLE);
        ret = block_pwrite(s->node->file, at, buf, clusters * s->cluster_size);
    }
    ret = ret ? ret : qcow2_barrier(s);
    if (!ret) {
        s->l1_offset = at;
        s->l1_size = entries;
        s->size = new_size;
        qcow2_event(s, BLOCK_EV_L1_GROW_ACTIVATE_TABLE);
        ret = qcow2_write_fields(s, QCOW2_F_SIZE_L1, 24);
    }
    if (ret) {
        s->l1_offset = old_offset;
        s->l1_size = old_size;
        s->size = old_guest;
        qcow2_free_later(s, at, clusters);
        return ret;
    }
    if (old_size) {
        qcow2_free_later(s, old_offset, DIV_ROUND_UP(old_size * 8, s->cluster_size));
    }
    return qcow2_barrier(s);
}
