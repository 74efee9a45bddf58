/* SPDX-License-Identifier: MIT */
/* Requests on nodes: bounds, permissions, write-through, zero detection, and the walk down a
 * backing chain. */
#include "block/block.h"
#include "block/bytes.h"
#include <errno.h>

bool block_is_zero(const void *buf, size_t len)
{
    const uint8_t *p = buf;
    /* A run of zeroes equals itself shifted by one, once its first bytes are zero. */
    if (len < 32) {
        while (len && !*p) {
            p++;
            len--;
        }
        return !len;
    }
    uint64_t head[4];
    memcpy(head, p, sizeof(head));
    if (head[0] | head[1] | head[2] | head[3]) {
        return false;
    }
    return !memcmp(p, p + sizeof(head), len - sizeof(head));
}

static int check_range(BlockNode *node, int64_t off, int64_t len)
{
    if (off < 0 || len < 0 || off > INT64_MAX - len) {
        return -EIO;
    }
    /* Formats may look past the end of a file that is shorter than its tables say. */
    return node->drv->is_protocol || off + len <= node->size ? 0 : -EIO;
}

static int check_write(BlockNode *node, int64_t off, int64_t len)
{
    return node->flags & BLOCK_RDWR ? check_range(node, off, len) : -EROFS;
}

static int after_write(BlockNode *node, int ret)
{
    if (ret == 0 && node->flags & BLOCK_WRITETHROUGH && !node->drv->is_protocol) {
        ret = block_flush(node);
    }
    return ret;
}

int block_pread(BlockNode *node, int64_t off, void *buf, int64_t len)
{
    int ret = check_range(node, off, len);
    return ret || !len ? ret : node->drv->pread(node, off, buf, len);
}

static int64_t iov_bytes(const struct iovec *iov, int niov)
{
    int64_t len = 0;
    for (int i = 0; i < niov; i++) {
        len += iov[i].iov_len;
    }
    return len;
}

int block_preadv(BlockNode *node, int64_t off, const struct iovec *iov, int niov)
{
    int64_t len = iov_bytes(iov, niov);
    if (niov == 1) {
        return block_pread(node, off, iov->iov_base, len);
    }
    int ret = check_range(node, off, len);
    if (ret || !len) {
        return ret;
    }
    ret = node->drv->preadv ? node->drv->preadv(node, off, iov, niov, len) : -ENOTSUP;
    if (ret != -ENOTSUP) {
        return ret;
    }
    g_autofree uint8_t *buf = g_try_malloc(len), *p = buf;
    ret = buf ? node->drv->pread(node, off, buf, len) : -ENOMEM;
    for (int i = 0; i < niov && !ret; p += iov[i++].iov_len) {
        memcpy(iov[i].iov_base, p, iov[i].iov_len);
    }
    p = NULL;
    return ret;
}

/* What watchers have to say before and after a change. */
static int before_write(BlockNode *node, int64_t off, int64_t len)
{
    int ret = 0;
    for (BlockWatcher *w = node->watchers; w && !ret; w = w->next) {
        ret = w->before ? w->before(w, off, len) : 0;
    }
    return ret;
}

/* Even a failed write may have changed something. */
static int after_change(BlockNode *node, int64_t off, int64_t len, int ret)
{
    for (BlockWatcher *w = node->watchers; w; w = w->next) {
        if (w->after) {
            w->after(w, off, len);
        }
    }
    return after_write(node, ret);
}

int block_pwritev(BlockNode *node, int64_t off, const struct iovec *iov, int niov)
{
    int64_t len = iov_bytes(iov, niov);
    if (niov == 1) {
        return block_pwrite(node, off, iov->iov_base, len);
    }
    if (node->drv->pwritev && !node->detect_zeroes) {
        int ret = check_write(node, off, len);
        if (ret || !len || (ret = before_write(node, off, len))) {
            return ret;
        }
        ret = node->drv->pwritev(node, off, iov, niov, len);
        if (ret != -ENOTSUP) {
            return after_change(node, off, len, ret);
        }
    }
    g_autofree uint8_t *buf = g_try_malloc(MAX(len, 1));
    int64_t at = 0;
    for (int i = 0; i < niov && buf; at += iov[i++].iov_len) {
        memcpy(buf + at, iov[i].iov_base, iov[i].iov_len);
    }
    return buf ? block_pwrite(node, off, buf, len) : -ENOMEM;
}

int block_pwrite(BlockNode *node, int64_t off, const void *buf, int64_t len)
{
    int ret = check_write(node, off, len);
    if (ret || !len) {
        return ret;
    }
    if (!node->drv->pwrite) {
        return -ENOTSUP;
    }
    if (node->detect_zeroes && block_is_zero(buf, len)) {
        return block_write_zeroes(node, off, len,
                                  node->detect_zeroes == 2 ? BLOCK_ZERO_MAY_UNMAP : 0);
    }
    ret = before_write(node, off, len);
    return ret ? ret : after_change(node, off, len, node->drv->pwrite(node, off, buf, len));
}

int block_pwrite_compressed(BlockNode *node, int64_t off, const void *buf, int64_t len)
{
    int ret = check_write(node, off, len);
    if (ret || !len) {
        return ret;
    }
    if (!node->drv->pwrite_compressed) {
        return -ENOTSUP;
    }
    ret = before_write(node, off, len);
    return ret ? ret
               : after_change(node, off, len, node->drv->pwrite_compressed(node, off, buf, len));
}

static int write_zero_bytes(BlockNode *node, int64_t off, int64_t len)
{
    int64_t chunk = MIN(len, 1 << 20);
    g_autofree void *zeroes = g_malloc0(chunk);
    int ret = 0;
    while (len && !ret) {
        int64_t n = MIN(len, chunk);
        ret = node->drv->pwrite ? node->drv->pwrite(node, off, zeroes, n) : -ENOTSUP;
        off += n;
        len -= n;
    }
    return ret;
}

int block_write_zeroes(BlockNode *node, int64_t off, int64_t len, unsigned flags)
{
    int ret = check_write(node, off, len);
    if (ret || !len || (ret = before_write(node, off, len))) {
        return ret;
    }
    ret = node->drv->write_zeroes ? node->drv->write_zeroes(node, off, len, flags) : -ENOTSUP;
    if (ret == -ENOTSUP && !(flags & BLOCK_ZERO_NO_FALLBACK)) {
        ret = write_zero_bytes(node, off, len);
    }
    return after_change(node, off, len, ret);
}

int block_discard(BlockNode *node, int64_t off, int64_t len)
{
    int ret = check_write(node, off, len);
    if (ret || !len || !(node->flags & BLOCK_UNMAP) || !node->drv->discard) {
        return ret;
    }
    ret = before_write(node, off, len);
    ret = ret ? ret : node->drv->discard(node, off, len);
    return after_change(node, off, len, ret == -ENOTSUP ? 0 : ret);
}

int block_copy_range(BlockNode *src, BlockNode *dst, int64_t off, int64_t len)
{
    BlockExtent ext;
    BlockNode *to = dst;
    int64_t at = off;
    const uint32_t want = BLOCK_EXTENT_DATA | BLOCK_EXTENT_OFFSET;
    int ret = check_write(dst, off, len);
    ret = ret ? ret : block_status_above(src, NULL, off, len, &ext);
    if (ret) {
        return ret;
    }
    /* Down through nodes that only move offsets. */
    while (to && !to->drv->copy_range && to->drv->hold && !to->drv->unhold) {
        BlockHold hold = { 0 };
        if (to->watchers || to->detect_zeroes || !to->drv->hold(to, at, len, true, &hold)) {
            return -ENOTSUP;
        }
        to = hold.file;
        at = hold.off;
    }
    if ((ext.flags & want) != want || ext.len < len || !ext.file || !to ||
        !ext.file->drv->copy_range || ext.file->drv != to->drv) {
        return -ENOTSUP;
    }
    return after_write(dst, to->drv->copy_range(ext.file, ext.offset, to, at, len));
}

int block_copy_up(BlockNode *node, int64_t off, int64_t len)
{
    node = block_skip_filters(node);
    int ret = check_write(node, off, len);
    if (ret || !len || !node->backing) {
        return ret;
    }
    return node->drv->copy_up ? node->drv->copy_up(node, off, len) : -ENOTSUP;
}

int block_flush(BlockNode *node)
{
    if (!(node->flags & BLOCK_RDWR) || !node->drv->flush) {
        return 0;
    }
    if (node->file) {
        block_event(node->file, BLOCK_EV_FLUSH_TO_OS);
        block_event(node->file, BLOCK_EV_FLUSH_TO_DISK);
    }
    return node->drv->flush(node);
}

int block_debug(BlockNode *node, BlockDebugOp op, const char *event, const char *tag)
{
    while (node && !node->drv->debug) {
        node = node->file;
    }
    return node ? node->drv->debug(node, op, event, tag) : -ENOTSUP;
}

int block_vmstate(BlockNode *node, int64_t off, void *buf, int64_t len, bool write)
{
    node = block_skip_filters(node);
    if (write && !(node->flags & BLOCK_RDWR)) {
        return -EROFS;
    }
    return node->drv->vmstate ? node->drv->vmstate(node, off, buf, len, write) : -ENOTSUP;
}

int block_status(BlockNode *node, int64_t off, int64_t len, BlockExtent *out)
{
    *out = (BlockExtent){ .len = len };
    if (off < 0 || len <= 0 || off >= node->size) {
        return -EINVAL;
    }
    len = MIN(len, node->size - off);
    out->len = len;
    if (!node->drv->status) {
        out->flags = BLOCK_EXTENT_DATA | BLOCK_EXTENT_ALLOCATED;
        if (node->drv->is_protocol) {
            out->flags |= BLOCK_EXTENT_OFFSET;
            out->offset = off;
            out->file = node;
        }
        return 0;
    }
    int ret = node->drv->status(node, off, len, out);
    if (ret) {
        return ret;
    }
    g_assert(out->len > 0);
    out->len = MIN(out->len, len);
    if (out->flags & BLOCK_EXTENT_RECURSE && out->flags & BLOCK_EXTENT_DATA && out->file &&
        out->file != node && out->offset < out->file->size) {
        BlockExtent below;
        ret = block_status(out->file, out->offset, out->len, &below);
        if (ret) {
            return ret;
        }
        out->len = MIN(out->len, below.len);
        if (below.flags & BLOCK_EXTENT_ZERO) {
            out->flags |= BLOCK_EXTENT_ZERO;
            if (!(below.flags & BLOCK_EXTENT_DATA)) {
                out->flags &= ~BLOCK_EXTENT_DATA;
            }
        }
    }
    return 0;
}

int block_status_above(BlockNode *node, BlockNode *base, int64_t off, int64_t len, BlockExtent *out)
{
    int depth = 0;
    int64_t eof = INT64_MAX; /* the shortest node passed: beyond it the answer is "zeroes" */
    int ret;

    for (BlockNode *n = node; n && n != base; depth++) {
        if (off >= n->size) {
            /* Reads past a short backing file are zeroes, and that node is the one to say so. */
            *out = (BlockExtent){ .flags = BLOCK_EXTENT_ZERO, .len = len, .depth = depth };
            if (eof == INT64_MAX) {
                return -EINVAL;
            }
            out->flags |= BLOCK_EXTENT_ALLOCATED;
            return 0;
        }
        ret = block_status(n, off, len, out);
        if (ret) {
            return ret;
        }
        out->depth = depth;
        len = out->len;
        if (out->flags & BLOCK_EXTENT_ALLOCATED || n->drv->is_protocol) {
            return 0;
        }
        eof = n->size;
        BlockNode *below = block_skip_filters(n)->backing;
        if (!below) {
            out->flags |= BLOCK_EXTENT_ZERO;
            return 0;
        }
        n = below;
    }
    *out = (BlockExtent){ .len = len, .depth = depth };
    return 0;
}

int64_t block_getlength(BlockNode *node)
{
    if (node->drv->getlength) {
        int64_t size = node->drv->getlength(node);
        if (size < 0) {
            return size;
        }
        node->size = size;
    }
    return node->size;
}

int64_t block_allocated_size(BlockNode *node)
{
    if (node->drv->allocated_size) {
        return node->drv->allocated_size(node);
    }
    int64_t sum = 0;
    BlockNode *const parts[] = { node->file, node->data };
    if (!node->file) {
        return -ENOTSUP;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(parts); i++) {
        int64_t n = parts[i] ? block_allocated_size(parts[i]) : 0;
        if (n < 0) {
            return n;
        }
        sum += n;
    }
    return sum;
}

bool block_truncate(BlockNode *node, int64_t size, BlockPrealloc prealloc, GError **err)
{
    if (!node->drv->truncate) {
        g_set_error(err, BLOCK_ERROR, ENOTSUP, "'%s': image format '%s' cannot be resized",
                    node->filename, node->drv->name);
        return false;
    }
    if (!(node->flags & BLOCK_RDWR)) {
        g_set_error(err, BLOCK_ERROR, EROFS, "'%s' is read-only", node->filename);
        return false;
    }
    if (size < 0 || size > BLOCK_MAX_SIZE) {
        g_set_error(err, BLOCK_ERROR, EFBIG, "'%s': size %" G_GINT64_FORMAT " is out of range",
                    node->filename, size);
        return false;
    }
    if (!node->drv->truncate(node, size, prealloc, err)) {
        return false;
    }
    if (!node->drv->getlength) {
        node->size = size;
    }
    return block_getlength(node) >= 0;
}

int64_t block_cluster_size(BlockNode *node)
{
    node = block_skip_filters(node);
    return node->drv->cluster_size ? node->drv->cluster_size(node) : 0;
}

bool block_has_zero_init(BlockNode *node)
{
    node = block_skip_filters(node);
    return node->drv->has_zero_init && node->drv->has_zero_init(node);
}

BlockNode *block_skip_filters(BlockNode *node)
{
    while (node->drv->is_filter && node->file) {
        node = node->file;
    }
    return node;
}

void block_snapshot_free(BlockSnapshot *sn)
{
    g_free(sn->id);
    g_free(sn->name);
    g_free(sn);
}
