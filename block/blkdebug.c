/* SPDX-License-Identifier: MIT */
/* `blkdebug`: a filter that fails on purpose. It counts what is written to the file below;
 * after so many writes the power is cut: nothing more gets through, and of what was not flushed
 * only some, sector by sector and chosen by a seed, has reached the disk. */
#include "block/block.h"
#include "block/bytes.h"
#include <errno.h>

typedef struct Record {
    int64_t off, len;
    uint8_t *old, *new;
} Record;

typedef struct Blkdebug {
    GMutex lock;
    int64_t writes, cut_after;                                 /* cut_after < 0: never */
    int64_t reads, fail_read, fail_write, fail_flush, flushes; /* the n-th fails; 0: none */
    int fail_errno;
    bool lose_unflushed, dead;
    GRand *rand;
    GArray *log; /* Record since the last flush */
} Blkdebug;

static const OptDef blkdebug_open_opts[] = {
    { "config", OPT_STR, NULL, "Configuration file: must be empty" },
    { "cut-after", OPT_NUM, NULL, "Let so many writes through, then cut the power" },
    { "lose-unflushed", OPT_BOOL, "off", "The cut may lose any sector not yet flushed" },
    { "seed", OPT_NUM, "0", "Which sectors are lost" },
    { "fail-read", OPT_NUM, "0", "The n-th read fails" },
    { "fail-write", OPT_NUM, "0", "The n-th write fails" },
    { "fail-flush", OPT_NUM, "0", "The n-th flush fails" },
    { "errno", OPT_NUM, "5", "Error number of injected failures" },
    { 0 },
};

static const char *const blkdebug_prefixes[] = { "blkdebug:", NULL };

/* "blkdebug:CONFIG:IMAGE" */
static bool blkdebug_parse_filename(const char *filename, Opts *opts, GError **err)
{
    const char *config = filename + strlen("blkdebug:"), *colon = strchr(config, ':');
    if (!colon) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "blkdebug requires both config file and image path");
        return false;
    }
    if (colon != config) {
        g_autofree char *name = g_strndup(config, colon - config);
        opts_set(opts, "config", name);
    }
    opts_set(opts, "image", colon + 1);
    return true;
}

static void record_clear(void *p)
{
    Record *r = p;
    g_free(r->old);
    g_free(r->new);
}

static bool blkdebug_open(BlockNode *node, Opts *opts, GError **err)
{
    Blkdebug *s = node->state;
    const OptDef *t = blkdebug_open_opts;
    const char *config = opts_get(opts, "config");
    if (config && *config) {
        g_set_error(err, BLOCK_ERROR, ENOTSUP, "not implemented: blkdebug configuration file '%s'",
                    config);
        return false;
    }
    s->cut_after = opts_has(opts, "cut-after") ? (int64_t)opt_num(opts, t, "cut-after") : -1;
    s->lose_unflushed = opt_bool(opts, t, "lose-unflushed");
    s->fail_read = opt_num(opts, t, "fail-read");
    s->fail_write = opt_num(opts, t, "fail-write");
    s->fail_flush = opt_num(opts, t, "fail-flush");
    s->fail_errno = opt_num(opts, t, "errno");
    s->rand = g_rand_new_with_seed(opt_num(opts, t, "seed"));
    s->log = g_array_new(false, false, sizeof(Record));
    g_array_set_clear_func(s->log, record_clear);
    g_mutex_init(&s->lock);
    return true;
}

static void blkdebug_close(BlockNode *node)
{
    Blkdebug *s = node->state;
    g_array_free(s->log, true);
    g_rand_free(s->rand);
    g_mutex_clear(&s->lock);
}

static int blkdebug_pread(BlockNode *node, int64_t off, void *buf, int64_t len)
{
    Blkdebug *s = node->state;
    g_mutex_lock(&s->lock);
    bool fail = ++s->reads == s->fail_read;
    g_mutex_unlock(&s->lock);
    return fail ? -s->fail_errno : block_pread(node->file, off, buf, len);
}

/* Takes all unflushed writes back, then lets some of their sectors through after all. */
static void cut(BlockNode *node)
{
    Blkdebug *s = node->state;
    s->dead = true;
    for (unsigned i = s->log->len; s->lose_unflushed && i-- > 0;) {
        Record *r = &g_array_index(s->log, Record, i);
        block_pwrite(node->file, r->off, r->old, r->len);
    }
    for (unsigned i = 0; s->lose_unflushed && i < s->log->len; i++) {
        Record *r = &g_array_index(s->log, Record, i);
        for (int64_t at = 0, n; at < r->len; at += n) {
            n = MIN(BLOCK_SECTOR - (r->off + at) % BLOCK_SECTOR, r->len - at);
            if (g_rand_boolean(s->rand)) {
                block_pwrite(node->file, r->off + at, r->new + at, n);
            }
        }
    }
    g_array_set_size(s->log, 0);
}

/* Before a write: may it go on? The lock is held. */
static int count_write(BlockNode *node)
{
    Blkdebug *s = node->state;
    s->writes++;
    if (s->writes == s->fail_write) {
        return -s->fail_errno;
    }
    if (!s->dead && s->cut_after >= 0 && s->writes > s->cut_after) {
        cut(node);
    }
    return s->dead ? -EIO : 0;
}

static int logged_write(BlockNode *node, int64_t off, const void *buf, int64_t len)
{
    Blkdebug *s = node->state;
    int ret = 0;
    if (s->lose_unflushed && s->cut_after >= 0) {
        Record r = { off, len, g_malloc(len), g_memdup2(buf, len) };
        ret = block_pread(node->file, off, r.old, len);
        g_array_append_val(s->log, r);
    }
    return ret ? ret : block_pwrite(node->file, off, buf, len);
}

static int blkdebug_pwrite(BlockNode *node, int64_t off, const void *buf, int64_t len)
{
    Blkdebug *s = node->state;
    g_mutex_lock(&s->lock);
    int ret = count_write(node);
    ret = ret ? ret : logged_write(node, off, buf, len);
    g_mutex_unlock(&s->lock);
    return ret;
}

static int blkdebug_discard(BlockNode *node, int64_t off, int64_t len)
{
    Blkdebug *s = node->state;
    g_mutex_lock(&s->lock);
    int ret = count_write(node);
    ret = ret ? ret : block_discard(node->file, off, len);
    g_mutex_unlock(&s->lock);
    return ret;
}

static int blkdebug_flush(BlockNode *node)
{
    Blkdebug *s = node->state;
    g_mutex_lock(&s->lock);
    /* The last write let through, too, may be lost: so the cut comes before its flush. */
    if (s->lose_unflushed && !s->dead && s->cut_after >= 0 && s->writes >= s->cut_after) {
        cut(node);
    }
    int ret = s->dead                         ? -EIO
              : ++s->flushes == s->fail_flush ? -s->fail_errno
                                              : block_flush(node->file);
    if (!ret) {
        g_array_set_size(s->log, 0);
    }
    g_mutex_unlock(&s->lock);
    return ret;
}

static int blkdebug_status(BlockNode *node, int64_t off, int64_t len, BlockExtent *out)
{
    return block_status(node->file, off, len, out);
}

static int64_t blkdebug_getlength(BlockNode *node)
{
    return block_getlength(node->file);
}

static bool blkdebug_truncate(BlockNode *node, int64_t size, BlockPrealloc prealloc, GError **err)
{
    Blkdebug *s = node->state;
    if (s->dead) {
        g_set_error(err, BLOCK_ERROR, EIO, "blkdebug: the power is cut");
        return false;
    }
    return block_truncate(node->file, size, prealloc, err);
}

static bool blkdebug_has_zero_init(BlockNode *node)
{
    return block_has_zero_init(node->file);
}

const BlockDriver block_driver_blkdebug = {
    .name = "blkdebug",
    .is_protocol = true,
    .is_filter = true,
    .state_size = sizeof(Blkdebug),
    .open_opts = blkdebug_open_opts,
    .prefixes = blkdebug_prefixes,
    .parse_filename = blkdebug_parse_filename,
    .open = blkdebug_open,
    .close = blkdebug_close,
    .pread = blkdebug_pread,
    .pwrite = blkdebug_pwrite,
    .discard = blkdebug_discard,
    .flush = blkdebug_flush,
    .status = blkdebug_status,
    .getlength = blkdebug_getlength,
    .truncate = blkdebug_truncate,
    .has_zero_init = blkdebug_has_zero_init,
};
