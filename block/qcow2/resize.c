/* SPDX-License-Identifier: MIT */
/* Growing, shrinking and preallocation. */
#include "block/qcow2/qcow2.h"

static bool fail(Qcow2 *s, GError **err, int ret, const char *what)
{
    g_set_error(err, BLOCK_ERROR, -ret, "'%s': %s: %s", s->node->filename, what, g_strerror(-ret));
    return false;
}

/* Extends the file over clusters that were just allocated at its end, in the way asked for. */
static int back_clusters(Qcow2 *s, uint64_t host, uint64_t len, BlockPrealloc mode)
{
    BlockNode *data = s->data;
    GError *err = NULL;
    int ret = 0;
    if (mode == BLOCK_PREALLOC_OFF || mode == BLOCK_PREALLOC_METADATA) {
        return 0;
    }
    if (block_getlength(data) > (int64_t)host) {
        g_autofree uint8_t *zeroes = g_malloc0(1 << 20);
        uint64_t end = host + len;
        for (; host < end && !ret; host += MIN(end - host, 1 << 20)) {
            ret = block_pwrite(data, host, zeroes, MIN(end - host, 1 << 20));
        }
        return ret;
    }
    if (!block_truncate(data, host + len, mode, &err)) {
        ret = err->code > 0 ? -err->code : -EIO;
        g_error_free(err);
    }
    return ret;
}

int qcow2_preallocate(Qcow2 *s, uint64_t from, uint64_t to, BlockPrealloc mode)
{
    uint64_t end = ROUND_UP(to, s->cluster_size);
    uint64_t bitmap = s->node->backing_file ? 0 : UINT32_MAX;
    for (uint64_t off = ROUND_DOWN(from, s->cluster_size); off < end;) {
        ClusterRun run;
        uint64_t got, want;
        int ret = qcow2_map(s, off, end - off, &run);
        if (ret) {
            return ret;
        }
        if (run.type != CLUSTER_UNALLOCATED || run.allocated) {
            off += run.len;
            continue;
        }
        want = MIN(run.len, qcow2_l2_span(s)) >> s->cluster_bits;
        int64_t host = off;
        got = want;
        if (s->data == s->node->file) {
            host = qcow2_alloc(s, 1, want, &got, NULL);
        }
        ret = host < 0 ? (int)host : back_clusters(s, host, got << s->cluster_bits, mode);
        for (uint64_t i = 0; i < got && !ret; i++) {
            uint64_t d = i << s->cluster_bits;
            ret = qcow2_l2_set(s, off + d, (host + d) | QCOW2_COPIED, s->ext_l2 ? bitmap : 0);
        }
        ret = ret ? ret : qcow2_settle(s);
        if (ret) {
            return ret;
        }
        off += got << s->cluster_bits;
    }
    if (s->data != s->node->file && mode < BLOCK_PREALLOC_FALLOC &&
        block_getlength(s->data) < (int64_t)to) {
        GError *err = NULL;
        if (!block_truncate(s->data, to, BLOCK_PREALLOC_OFF, &err)) {
            int ret = err->code > 0 ? -err->code : -EIO;
            g_error_free(err);
            return ret;
        }
    }
    return 0;
}

static int set_size(Qcow2 *s, uint64_t size)
{
    uint64_t old = s->size;
    s->size = size;
    int ret = qcow2_write_fields(s, QCOW2_F_SIZE_L1, 8);
    if (ret) {
        s->size = old;
        return ret;
    }
    return qcow2_barrier(s);
}

/* Zeroes what a cluster holds past the new end, so that growing again shows zeroes. */
static int clear_tail(Qcow2 *s, uint64_t size)
{
    uint64_t end = MIN(ROUND_UP(size, s->cluster_size), s->size);
    g_mutex_unlock(&s->lock);
    int ret = end > size ? block_write_zeroes(s->node, size, end - size, 0) : 0;
    g_mutex_lock(&s->lock);
    return ret;
}

static int shrink(Qcow2 *s, uint64_t size)
{
    uint64_t first = ROUND_UP(size, s->cluster_size);
    uint64_t span = qcow2_l2_span(s), keep = qcow2_l1_entries_for(s, size);
    int ret = clear_tail(s, size);
    if (!ret && first < s->size) {
        ret = qcow2_drop(s, first, ROUND_UP(s->size, s->cluster_size) - first);
    }
    /* L2 tables that cover nothing but what is gone. */
    for (uint64_t i = keep; i < s->l1_size && i * span < s->size && !ret; i++) {
        uint64_t table = s->l1[i] & QCOW2_OFFSET;
        if (table) {
            qcow2_event(s, BLOCK_EV_L1_SHRINK_FREE);
            ret = qcow2_commit(s);
            s->l1[i] = 0;
            qcow2_l1_mark(s, i);
            qcow2_free_later(s, table, 1);
        }
    }
    qcow2_event(s, BLOCK_EV_L1_SHRINK_WRITE_TABLE);
    ret = ret ? ret : qcow2_commit(s);
    ret = ret ? ret : qcow2_commit(s);
    return ret ? ret : set_size(s, size);
}

/* After shrinking: gives back the file's end if nothing is there any more. */
static int trim_file(Qcow2 *s)
{
    uint64_t c = s->high_water >> s->cluster_bits, count = 0;
    GError *err = NULL;
    int ret = qcow2_commit(s);
    while (!ret && c > 1) {
        ret = qcow2_rc_get(s, c - 1, &count);
        if (ret || count) {
            break;
        }
        c--;
    }
    if (ret || c << s->cluster_bits >= s->high_water) {
        return ret;
    }
    if (!block_truncate(s->node->file, c << s->cluster_bits, BLOCK_PREALLOC_OFF, &err)) {
        g_error_free(err); /* space not given back is no error */
        return 0;
    }
    s->high_water = c << s->cluster_bits;
    return 0;
}

static int grow(Qcow2 *s, uint64_t size, BlockPrealloc prealloc)
{
    uint64_t old = s->size, need = qcow2_l1_entries_for(s, size);
    uint64_t zero_end = ROUND_UP(old, s->cluster_size);
    int ret = need > s->l1_size ? qcow2_grow_l1(s, need, size) : set_size(s, size);
    s->node->size = s->size;
    /* Neither the rest of the last cluster nor a longer backing file shows through. */
    if (s->node->backing) {
        zero_end = MAX(zero_end, (uint64_t)s->node->backing->size);
    }
    zero_end = MIN(zero_end, size);
    if (!ret && zero_end > old) {
        g_mutex_unlock(&s->lock);
        ret = block_write_zeroes(s->node, old, zero_end - old, 0);
        g_mutex_lock(&s->lock);
    }
    if (!ret && prealloc != BLOCK_PREALLOC_OFF) {
        ret = qcow2_preallocate(s, old, size, prealloc);
        ret = ret ? ret : qcow2_commit(s);
    }
    return ret;
}

bool qcow2_truncate(BlockNode *node, int64_t size, BlockPrealloc prealloc, GError **err)
{
    Qcow2 *s = node->state;
    int ret = 0;
    if (size % BLOCK_SECTOR) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "The new size must be a multiple of %d",
                    BLOCK_SECTOR);
        return false;
    }
    if (prealloc != BLOCK_PREALLOC_OFF && (uint64_t)size < s->size) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "Preallocation can't be used for shrinking an image");
        return false;
    }
    if (qcow2_l1_entries_for(s, size) * 8 > QCOW2_MAX_L1) {
        g_set_error(err, BLOCK_ERROR, EFBIG,
                    "'%s': size %" G_GINT64_FORMAT
                    " is too large for clusters of %" G_GUINT64_FORMAT " bytes",
                    node->filename, size, s->cluster_size);
        return false;
    }
    if (prealloc != BLOCK_PREALLOC_OFF && node->backing_file && !s->ext_l2) {
        g_set_error(err, BLOCK_ERROR, ENOTSUP,
                    "Backing file and preallocation can only be used at the same time if "
                    "extended_l2 is enabled");
        return false;
    }
    g_mutex_lock(&s->lock);
    ret = qcow2_drop_vmstate(s);
    ret = ret ? ret : qcow2_bitmaps_resize(s, size);
    if (ret) {
        g_mutex_unlock(&s->lock);
        return fail(s, err, ret, "could not resize the bitmaps");
    }
    if ((uint64_t)size < s->size) {
        ret = shrink(s, size);
        ret = ret ? ret : trim_file(s);
    } else if ((uint64_t)size > s->size) {
        ret = grow(s, size, prealloc);
    }
    if (!ret && s->data != s->node->file && prealloc == BLOCK_PREALLOC_OFF) {
        ret = block_truncate(s->data, size, BLOCK_PREALLOC_OFF, NULL) ? 0 : -EIO;
    }
    g_mutex_unlock(&s->lock);
    node->size = s->size;
    return ret ? fail(s, err, ret, "could not resize") : true;
}
