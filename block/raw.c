/* SPDX-License-Identifier: MIT */
/* `raw`: the child's bytes as they are, or a window of them (offset, size). A raw image whose
 * format was guessed refuses writes that would turn it into another format's image. */
#include "block/block.h"
#include "block/bytes.h"
#include <errno.h>

#define PROBED_PREFIX 2048 /* the bytes that probing looks at */

typedef struct RawState {
    int64_t offset;
    int64_t window; /* bytes, or -1 for all that follows offset */
} RawState;

static const OptDef raw_open_opts[] = {
    { "offset", OPT_SIZE, "0", "offset in the disk where the image starts" },
    { "size", OPT_SIZE, NULL, "virtual disk size" },
    { 0 },
};

static const OptDef raw_create_opts[] = {
    { "size", OPT_SIZE, NULL, "Virtual disk size" },
    { 0 },
};

static bool raw_open(BlockNode *node, Opts *opts, GError **err)
{
    RawState *s = node->state;
    s->offset = opt_num(opts, raw_open_opts, "offset");
    s->window = -1;
    if (opts_has(opts, "size")) {
        s->window = opt_num(opts, raw_open_opts, "size");
        if (s->window % BLOCK_SECTOR) {
            g_set_error(err, BLOCK_ERROR, EINVAL, "Specified size is not multiple of %d",
                        BLOCK_SECTOR);
            return false;
        }
    }
    if (s->offset > node->file->size) {
        g_set_error(err, BLOCK_ERROR, EINVAL,
                    "Offset (%" G_GINT64_FORMAT ") cannot be greater than size of the containing "
                    "file (%" G_GINT64_FORMAT ")",
                    s->offset, node->file->size);
        return false;
    }
    if (s->window > node->file->size - s->offset) {
        g_set_error(err, BLOCK_ERROR, EINVAL,
                    "The sum of offset (%" G_GINT64_FORMAT ") and size (%" G_GINT64_FORMAT
                    ") has to be smaller or equal to the actual size of the containing file "
                    "(%" G_GINT64_FORMAT ")",
                    s->offset, s->window, node->file->size);
        return false;
    }
    return true;
}

static int64_t raw_getlength(BlockNode *node)
{
    RawState *s = node->state;
    if (s->window >= 0) {
        return s->window;
    }
    int64_t len = block_getlength(node->file);
    if (len < 0) {
        return len;
    }
    return ROUND_UP(MAX(len - s->offset, 0), BLOCK_SECTOR);
}

static int raw_pread(BlockNode *node, int64_t off, void *buf, int64_t len)
{
    block_event(node->file, BLOCK_EV_READ_AIO);
    return block_pread(node->file, off + ((RawState *)node->state)->offset, buf, len);
}

/* Would the file's first bytes, with this write, be taken for another format? */
static bool turns_into_format(BlockNode *node, int64_t off, const void *buf, int64_t len)
{
    uint8_t head[PROBED_PREFIX] = { 0 };
    if (!node->probed || off >= PROBED_PREFIX) {
        return false;
    }
    if (block_pread(node->file, 0, head, MIN(node->file->size, PROBED_PREFIX))) {
        return true;
    }
    memcpy(head + off, buf, MIN(len, PROBED_PREFIX - off));
    for (unsigned i = 0; block_drivers[i]; i++) {
        if (block_drivers[i]->probe &&
            block_drivers[i]->probe(head, sizeof(head), node->filename) > 0) {
            if (!node->warned_probe) {
                g_printerr("warning: '%s': its format was not given and guessed raw, and this "
                           "write would make it look like '%s': refused. Pass format=raw (-f raw) "
                           "to allow it.\n",
                           node->filename, block_drivers[i]->name);
                node->warned_probe = true;
            }
            return true;
        }
    }
    return false;
}

static int raw_pwrite(BlockNode *node, int64_t off, const void *buf, int64_t len)
{
    if (turns_into_format(node, off, buf, len)) {
        return -EPERM;
    }
    block_event(node->file, BLOCK_EV_WRITE_AIO);
    return block_pwrite(node->file, off + ((RawState *)node->state)->offset, buf, len);
}

static int raw_preadv(BlockNode *node, int64_t off, const struct iovec *iov, int niov, int64_t len)
{
    (void)len;
    block_event(node->file, BLOCK_EV_READ_AIO);
    return block_preadv(node->file, off + ((RawState *)node->state)->offset, iov, niov);
}

static int raw_pwritev(BlockNode *node, int64_t off, const struct iovec *iov, int niov, int64_t len)
{
    (void)len;
    if (node->probed && off < PROBED_PREFIX) {
        return -ENOTSUP; /* the check wants the bytes in a row */
    }
    block_event(node->file, BLOCK_EV_WRITE_AIO);
    return block_pwritev(node->file, off + ((RawState *)node->state)->offset, iov, niov);
}

static bool raw_hold(BlockNode *node, int64_t off, int64_t len, bool write, BlockHold *out)
{
    (void)len;
    out->file = node->file;
    out->off = off + ((RawState *)node->state)->offset;
    return !(write && node->probed);
}

static int raw_write_zeroes(BlockNode *node, int64_t off, int64_t len, unsigned flags)
{
    return block_write_zeroes(node->file, off + ((RawState *)node->state)->offset, len, flags);
}

static int raw_discard(BlockNode *node, int64_t off, int64_t len)
{
    return block_discard(node->file, off + ((RawState *)node->state)->offset, len);
}

static int raw_flush(BlockNode *node)
{
    return block_flush(node->file);
}

static int raw_status(BlockNode *node, int64_t off, int64_t len, BlockExtent *out)
{
    RawState *s = node->state;
    if (off + s->offset >= node->file->size) {
        /* The rest of the last sector, past the end of the file. */
        out->flags = BLOCK_EXTENT_ZERO | BLOCK_EXTENT_ALLOCATED | BLOCK_EXTENT_OFFSET;
        out->file = node->file;
        out->offset = off + s->offset;
        out->len = len;
        return 0;
    }
    int ret = block_status(node->file, off + s->offset, len, out);
    out->flags |= BLOCK_EXTENT_ALLOCATED;
    /* Do not split the last sector. */
    if (!ret && out->len < len && (off + out->len) % BLOCK_SECTOR &&
        off + s->offset + out->len >= node->file->size) {
        out->len = MIN(ROUND_UP(off + out->len, BLOCK_SECTOR) - off, len);
    }
    return ret;
}

static bool raw_truncate(BlockNode *node, int64_t size, BlockPrealloc prealloc, GError **err)
{
    RawState *s = node->state;
    if (s->window >= 0) {
        g_set_error(err, BLOCK_ERROR, ENOTSUP, "Cannot resize fixed-size raw disks");
        return false;
    }
    if (size > BLOCK_MAX_SIZE - s->offset) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "Disk size too large for the chosen offset");
        return false;
    }
    return block_truncate(node->file, size + s->offset, prealloc, err);
}

static bool raw_has_zero_init(BlockNode *node)
{
    return block_has_zero_init(node->file);
}

static bool raw_create(const char *filename, Opts *opts, GError **err)
{
    const BlockDriver *proto = block_protocol_of(filename, err);
    if (!proto) {
        return false;
    }
    if (!opts_has(opts, "size")) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "Image creation needs a size parameter");
        return false;
    }
    if (!proto->create) {
        g_set_error(err, BLOCK_ERROR, ENOTSUP,
                    "Protocol driver '%s' does not support image "
                    "creation",
                    proto->name);
        return false;
    }
    uint64_t size = opt_num(opts, raw_create_opts, "size");
    opts_setf(opts, "size", "%" G_GUINT64_FORMAT, (uint64_t)ROUND_UP(size, BLOCK_SECTOR));
    return proto->create(filename, opts, err);
}

static bool raw_measure(Opts *opts, BlockNode *source, uint64_t size, BlockMeasure *out,
                        GError **err)
{
    (void)opts;
    (void)err;
    out->required = out->fully_allocated =
        source ? (uint64_t)source->size : ROUND_UP(size, BLOCK_SECTOR);
    return true;
}

const BlockDriver block_driver_raw = {
    .name = "raw",
    .bare = true,
    .state_size = sizeof(RawState),
    .open_opts = raw_open_opts,
    .create_opts = raw_create_opts,
    .open = raw_open,
    .create = raw_create,
    .pread = raw_pread,
    .pwrite = raw_pwrite,
    .preadv = raw_preadv,
    .hold = raw_hold,
    .pwritev = raw_pwritev,
    .write_zeroes = raw_write_zeroes,
    .discard = raw_discard,
    .flush = raw_flush,
    .status = raw_status,
    .getlength = raw_getlength,
    .truncate = raw_truncate,
    .has_zero_init = raw_has_zero_init,
    .measure = raw_measure,
};
