/* SPDX-License-Identifier: MIT */
/* The order in which metadata reaches the disk; see the top of qcow2.h. */
#include "block/qcow2/qcow2.h"

int qcow2_barrier(Qcow2 *s)
{
    int ret = block_flush(s->node->file);
    if (!ret && s->data != s->node->file) {
        ret = block_flush(s->data);
    }
    return ret;
}

/* Before the first change of a count that is to be written lazily: say so in the header, so that
 * whoever opens the image after a crash counts anew. */
int qcow2_mark_dirty(Qcow2 *s)
{
    if (!s->lazy || s->incompat & QCOW2_INCOMPAT_DIRTY) {
        return 0;
    }
    int ret = qcow2_set_features(s, s->incompat | QCOW2_INCOMPAT_DIRTY, s->compat, s->autoclear);
    return ret ? ret : block_flush(s->node->file);
}

static int write_be64(Qcow2 *s, const uint64_t *table, uint64_t at, uint32_t lo, uint32_t hi)
{
    g_autofree uint8_t *buf = g_malloc((uint64_t)(hi - lo) * 8);
    for (uint32_t i = lo; i < hi; i++) {
        st_be64(buf + (uint64_t)(i - lo) * 8, table[i]);
    }
    return block_pwrite(s->node->file, at + (uint64_t)lo * 8, buf, (uint64_t)(hi - lo) * 8);
}

/* Blocks first, then the table that points to them, then the header that points to the table. */
static int write_refcounts(Qcow2 *s)
{
    int ret = meta_cache_write(s->rc_cache);
    if (ret || s->rt_dirty_lo >= s->rt_dirty_hi) {
        return ret;
    }
    ret = qcow2_barrier(s);
    if (!ret && s->rt_moved) {
        qcow2_event(s, BLOCK_EV_REFBLOCK_ALLOC_TABLE);
        ret = write_be64(s, s->rt, s->rt_offset, 0, s->rt_size);
        ret = ret ? ret : qcow2_barrier(s);
        qcow2_event(s, BLOCK_EV_REFBLOCK_ALLOC_SWITCH);
        ret = ret ? ret : qcow2_write_fields(s, QCOW2_F_RT, 12);
        s->rt_moved = ret != 0;
    } else if (!ret) {
        qcow2_event(s, BLOCK_EV_REFTABLE_UPDATE);
        qcow2_event(s, BLOCK_EV_REFBLOCK_ALLOC_HOOKUP);
        ret = write_be64(s, s->rt, s->rt_offset, s->rt_dirty_lo, s->rt_dirty_hi);
    }
    if (!ret) {
        s->rt_dirty_lo = UINT32_MAX;
        s->rt_dirty_hi = 0;
    }
    return ret;
}

/* Clusters that hold nothing but holes may lie beyond the end of the file: not for long. */
static int extend_file(Qcow2 *s)
{
    int64_t len = block_getlength(s->node->file);
    if (len < 0) {
        return len;
    }
    if ((uint64_t)len >= s->high_water) {
        return 0;
    }
    GError *err = NULL;
    if (!block_truncate(s->node->file, s->high_water, BLOCK_PREALLOC_OFF, &err)) {
        int ret = err->code > 0 ? -err->code : -EIO;
        g_error_free(err);
        return ret;
    }
    return 0;
}

int qcow2_commit(Qcow2 *s)
{
    bool lazy = s->incompat & QCOW2_INCOMPAT_DIRTY && s->lazy;
    bool l1 = s->l1_dirty_lo < s->l1_dirty_hi;
    int ret = 0;
    if (!lazy || meta_cache_full(s->rc_cache)) {
        ret = write_refcounts(s);
    }
    if (!ret && (meta_cache_is_dirty(s->l2_cache) || l1)) {
        ret = extend_file(s);
        ret = ret ? ret : qcow2_barrier(s);
        ret = ret ? ret : meta_cache_write(s->l2_cache);
    }
    if (!ret && l1) {
        ret = qcow2_barrier(s);
        qcow2_event(s, BLOCK_EV_L1_UPDATE);
        ret = ret ? ret : write_be64(s, s->l1, s->l1_offset, s->l1_dirty_lo, s->l1_dirty_hi);
        if (!ret) {
            s->l1_dirty_lo = UINT32_MAX;
            s->l1_dirty_hi = 0;
        }
    }
    ret = ret ? ret : qcow2_barrier(s);
    return ret ? ret : qcow2_apply_frees(s);
}

int qcow2_settle(Qcow2 *s)
{
    int ret = 0;
    bool full = meta_cache_full(s->l2_cache) || meta_cache_full(s->rc_cache);
    if ((full && (meta_cache_is_dirty(s->l2_cache) || meta_cache_is_dirty(s->rc_cache))) ||
        s->pending->len > 4096) {
        ret = qcow2_commit(s);
    }
    if (full) {
        meta_cache_trim(s->l2_cache);
        meta_cache_trim(s->rc_cache);
    }
    return ret;
}
