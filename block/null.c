/* SPDX-License-Identifier: MIT */
/* `null-co`: a device of a given size that keeps nothing. */
#include "block/block.h"
#include <string.h>

typedef struct NullState {
    int64_t size;
    bool read_zeroes;
} NullState;

static const OptDef null_open_opts[] = {
    { "size", OPT_SIZE, "1G", "size of the null block" },
    { "read-zeroes", OPT_BOOL, "off", "return zeroes when read" },
    { 0 },
};

static const char *const null_prefixes[] = { "null-co:", NULL };

static bool null_parse_filename(const char *filename, Opts *opts, GError **err)
{
    (void)opts;
    if (strcmp(filename, "null-co://")) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "The only allowed filename is 'null-co://'");
        return false;
    }
    return true;
}

static bool null_open(BlockNode *node, Opts *opts, GError **err)
{
    NullState *s = node->state;
    (void)err;
    s->size = opt_num(opts, null_open_opts, "size");
    s->read_zeroes = opt_bool(opts, null_open_opts, "read-zeroes");
    return true;
}

static int null_pread(BlockNode *node, int64_t off, void *buf, int64_t len)
{
    (void)off;
    if (((NullState *)node->state)->read_zeroes) {
        memset(buf, 0, len);
    }
    return 0;
}

static int null_pwrite(BlockNode *node, int64_t off, const void *buf, int64_t len)
{
    (void)node;
    (void)off;
    (void)buf;
    (void)len;
    return 0;
}

static int null_write_zeroes(BlockNode *node, int64_t off, int64_t len, unsigned flags)
{
    (void)node;
    (void)off;
    (void)len;
    (void)flags;
    return 0;
}

static int64_t null_getlength(BlockNode *node)
{
    return ((NullState *)node->state)->size;
}

static int64_t null_allocated_size(BlockNode *node)
{
    (void)node;
    return 0;
}

static int null_status(BlockNode *node, int64_t off, int64_t len, BlockExtent *out)
{
    out->flags = BLOCK_EXTENT_ALLOCATED | BLOCK_EXTENT_OFFSET | BLOCK_EXTENT_DATA;
    if (((NullState *)node->state)->read_zeroes) {
        out->flags = BLOCK_EXTENT_ALLOCATED | BLOCK_EXTENT_OFFSET | BLOCK_EXTENT_ZERO;
    }
    out->offset = off;
    out->file = node;
    out->len = len;
    return 0;
}

const BlockDriver block_driver_null_co = {
    .name = "null-co",
    .is_protocol = true,
    .state_size = sizeof(NullState),
    .open_opts = null_open_opts,
    .prefixes = null_prefixes,
    .parse_filename = null_parse_filename,
    .open = null_open,
    .pread = null_pread,
    .pwrite = null_pwrite,
    .write_zeroes = null_write_zeroes,
    .getlength = null_getlength,
    .allocated_size = null_allocated_size,
    .status = null_status,
};
