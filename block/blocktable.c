/* SPDX-License-Identifier: MIT */
/* I/O through a table of blocks; see blocktable.h. A new block is written first and entered in
 * the table after, so that a cut in between loses only space. */
#include "block/blocktable.h"
#include <errno.h>

bool block_bad_image(BlockNode *node, GError **err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_set_error(err, BLOCK_ERROR, EINVAL, "Could not open '%s': %s", node->filename, text);
    return false;
}

bool block_read_exact(BlockNode *node, int64_t off, void *buf, int64_t len, const char *what,
                      GError **err)
{
    int ret = block_pread(node->file, off, buf, len);
    if (ret) {
        g_set_error(err, BLOCK_ERROR, -ret, "Could not open '%s': could not read the %s: %s",
                    node->filename, what, g_strerror(-ret));
    }
    return ret == 0;
}

static int64_t find(BlockNode *node, uint64_t block)
{
    BlockTable *t = node->state;
    g_mutex_lock(&t->lock);
    int64_t host = t->find(node, block);
    g_mutex_unlock(&t->lock);
    return host;
}

int block_table_pread(BlockNode *node, int64_t off, void *buf, int64_t len)
{
    BlockTable *t = node->state;
    uint8_t *p = buf;
    int ret = 0;
    while (len && !ret) {
        uint64_t within = off % t->block_size;
        int64_t n = MIN((uint64_t)len, t->block_size - within);
        int64_t host = find(node, off / t->block_size);
        if (host >= 0) {
            ret = block_pread(node->file, host + within, p, n);
        } else if (host >= BLOCK_TABLE_ZERO) {
            memset(p, 0, n);
        } else {
            ret = host + 2;
        }
        off += n;
        p += n;
        len -= n;
    }
    return ret;
}

static int write_new_block(BlockNode *node, uint64_t block, uint64_t within, const void *buf,
                           int64_t len)
{
    BlockTable *t = node->state;
    /* Under the lock: two writers of one new block must agree on its place. */
    g_mutex_lock(&t->lock);
    int64_t host = t->find(node, block);
    bool fresh = host < 0;
    if (host < BLOCK_TABLE_ZERO) {
        host += 2;
    } else if (fresh) {
        host = t->reserve(node, block);
    }
    int ret = host < 0 ? (int)host : block_pwrite(node->file, host + within, buf, len);
    if (!ret && fresh) {
        ret = t->enter(node, block, host);
    }
    g_mutex_unlock(&t->lock);
    return ret;
}

int block_table_pwrite(BlockNode *node, int64_t off, const void *buf, int64_t len)
{
    BlockTable *t = node->state;
    const uint8_t *p = buf;
    int ret = 0;
    while (len && !ret) {
        uint64_t within = off % t->block_size;
        int64_t n = MIN((uint64_t)len, t->block_size - within);
        int64_t host = find(node, off / t->block_size);
        if (host >= 0) {
            ret = block_pwrite(node->file, host + within, p, n);
        } else {
            ret = write_new_block(node, off / t->block_size, within, p, n);
        }
        off += n;
        p += n;
        len -= n;
    }
    return ret;
}

int block_table_write_zeroes(BlockNode *node, int64_t off, int64_t len, unsigned flags)
{
    BlockTable *t = node->state;
    int ret = 0;
    while (len && !ret) {
        uint64_t within = off % t->block_size;
        int64_t n = MIN((uint64_t)len, t->block_size - within);
        int64_t host = find(node, off / t->block_size);
        if (host >= 0) {
            ret = block_write_zeroes(node->file, host + within, n, flags);
        } else if (host < BLOCK_TABLE_ZERO) {
            ret = host + 2;
        } /* else it reads as zeroes already */
        off += n;
        len -= n;
    }
    return ret;
}

int block_table_status(BlockNode *node, int64_t off, int64_t len, BlockExtent *out)
{
    BlockTable *t = node->state;
    int64_t first = find(node, off / t->block_size), n = t->block_size - off % t->block_size;
    if (first < BLOCK_TABLE_ZERO) {
        return first + 2;
    }
    out->flags = first < 0 ? BLOCK_EXTENT_ZERO | BLOCK_EXTENT_ALLOCATED
                           : BLOCK_EXTENT_DATA | BLOCK_EXTENT_ALLOCATED | BLOCK_EXTENT_OFFSET |
                                 BLOCK_EXTENT_RECURSE;
    if (first == BLOCK_TABLE_ABSENT) {
        out->flags = BLOCK_EXTENT_ZERO;
    }
    while (n < len) {
        int64_t next = find(node, (off + n) / t->block_size);
        if (first < 0 ? next != first : next != first + n + off % (int64_t)t->block_size) {
            break;
        }
        n += t->block_size;
    }
    out->file = node->file;
    out->offset = first + off % t->block_size;
    out->len = MIN(n, len);
    return 0;
}

int block_table_flush(BlockNode *node)
{
    return block_flush(node->file);
}

int64_t block_table_cluster_size(BlockNode *node)
{
    return ((BlockTable *)node->state)->block_size;
}

int block_table_fill(BlockNode *node)
{
    BlockTable *t = node->state;
    int ret = 0;
    for (int64_t off = 0; off < node->size && !ret; off += t->block_size) {
        g_mutex_lock(&t->lock);
        if (t->find(node, off / t->block_size) < 0) {
            int64_t host = t->reserve(node, off / t->block_size);
            ret = host < 0 ? (int)host : t->enter(node, off / t->block_size, host);
        }
        g_mutex_unlock(&t->lock);
    }
    return ret;
}
