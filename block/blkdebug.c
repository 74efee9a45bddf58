/* SPDX-License-Identifier: MIT */
/* `blkdebug`: a filter that fails on purpose, by the rules of blkdebug-rules.c. It counts what is
 * written to the file below, too; after so many writes the power is cut: nothing more gets through,
 * and of what was not flushed only some, sector by sector and chosen by a seed, has reached the
 * disk. */
#include "block/blkdebug.h"
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
    DebugRules *rules;
    /* What the file below gets, in bytes; 0: as it comes. Requests are split and padded for it. */
    int64_t align, max_transfer, opt_zero, max_zero, opt_discard, max_discard;
} Blkdebug;

static const OptDef blkdebug_open_opts[] = {
    { "config", OPT_STR, NULL, "Configuration file" },
    { "inject-error.", OPT_STR, NULL, "A list of rules: .N.event and so on" },
    { "set-state.", OPT_STR, NULL, "A list of rules: .N.event and so on" },
    { "take-child-perms.", OPT_STR, NULL, "Accepted, without effect" },
    { "unshare-child-perms.", OPT_STR, NULL, "Accepted, without effect" },
    { "align", OPT_SIZE, "0", "Requests to the file are aligned so" },
    { "max-transfer", OPT_SIZE, "0", "Longest read or write" },
    { "opt-write-zero", OPT_SIZE, "0", "Alignment of zero writes" },
    { "max-write-zero", OPT_SIZE, "0", "Longest zero write" },
    { "opt-discard", OPT_SIZE, "0", "Alignment of discards" },
    { "max-discard", OPT_SIZE, "0", "Longest discard" },
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

/* A limit must be a multiple of what is the unit there. */
static bool take_limit(Opts *opts, const char *key, int64_t unit, bool power, int64_t *out,
                       GError **err)
{
    uint64_t n = opt_num(opts, blkdebug_open_opts, key);
    if (n > INT32_MAX || n % MAX(unit, 1) || (power && n & (n - 1))) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "Cannot meet constraints with %s %" G_GUINT64_FORMAT,
                    key, n);
        return false;
    }
    *out = n;
    return true;
}

static bool blkdebug_open(BlockNode *node, Opts *opts, GError **err)
{
    Blkdebug *s = node->state;
    const OptDef *t = blkdebug_open_opts;
    const char *config = opts_get(opts, "config");
    g_autoptr(Opts) rules = opts_new();
    for (unsigned i = 0; i < opts_count(opts); i++) {
        const char *key = opts_key(opts, i);
        if (g_str_has_prefix(key, "inject-error.") || g_str_has_prefix(key, "set-state.")) {
            opts_set(rules, key, opts_get(opts, key));
        }
    }
    if (!take_limit(opts, "align", 1, true, &s->align, err) ||
        !take_limit(opts, "max-transfer", s->align, false, &s->max_transfer, err) ||
        !take_limit(opts, "opt-write-zero", s->align, false, &s->opt_zero, err) ||
        !take_limit(opts, "max-write-zero", MAX(s->align, s->opt_zero), false, &s->max_zero, err) ||
        !take_limit(opts, "opt-discard", s->align, false, &s->opt_discard, err) ||
        !take_limit(opts, "max-discard", MAX(s->align, s->opt_discard), false, &s->max_discard,
                    err)) {
        return false;
    }
    s->rules = debug_rules_new();
    if ((config && *config && !debug_rules_read(s->rules, config, err)) ||
        !debug_rules_add(s->rules, rules, err)) {
        debug_rules_free(s->rules);
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
    debug_rules_free(s->rules);
}

static int read_piece(BlockNode *node, int64_t off, void *buf, int64_t len)
{
    Blkdebug *s = node->state;
    int ret = debug_rules_check(s->rules, DEBUG_READ, off, len);
    g_mutex_lock(&s->lock);
    bool fail = ++s->reads == s->fail_read;
    g_mutex_unlock(&s->lock);
    return ret ? ret : fail ? -s->fail_errno : block_pread(node->file, off, buf, len);
}

typedef int Piece(BlockNode *node, int64_t off, void *buf, int64_t len);

/* In pieces of at most `max` bytes, if that is not 0. */
static int in_pieces(BlockNode *node, Piece *piece, int64_t off, uint8_t *buf, int64_t len,
                     int64_t max)
{
    int ret = 0;
    for (int64_t n; len > 0 && !ret; off += n, len -= n) {
        n = max ? MIN(len, max) : len;
        ret = piece(node, off, buf, n);
        buf = buf ? buf + n : NULL;
    }
    return ret;
}

static int blkdebug_pread(BlockNode *node, int64_t off, void *buf, int64_t len)
{
    Blkdebug *s = node->state;
    int64_t unit = MAX(s->align, 1), from = ROUND_DOWN(off, unit), to = ROUND_UP(off + len, unit);
    if (from == off && to == off + len) {
        return in_pieces(node, read_piece, off, buf, len, s->max_transfer);
    }
    g_autofree uint8_t *padded = g_try_malloc(to - from);
    int ret =
        padded ? in_pieces(node, read_piece, from, padded, to - from, s->max_transfer) : -ENOMEM;
    if (!ret) {
        memcpy(buf, padded + (off - from), len);
    }
    return ret;
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

static int write_piece(BlockNode *node, int64_t off, void *buf, int64_t len)
{
    Blkdebug *s = node->state;
    int ret = debug_rules_check(s->rules, DEBUG_WRITE, off, len);
    if (ret) {
        return ret;
    }
    g_mutex_lock(&s->lock);
    ret = count_write(node);
    ret = ret ? ret : logged_write(node, off, buf, len);
    g_mutex_unlock(&s->lock);
    return ret;
}

static int blkdebug_pwrite(BlockNode *node, int64_t off, const void *buf, int64_t len)
{
    Blkdebug *s = node->state;
    int64_t unit = MAX(s->align, 1), from = ROUND_DOWN(off, unit), to = ROUND_UP(off + len, unit);
    int ret = 0;
    debug_rules_event(s->rules, BLOCK_EV_PWRITEV);
    if (from == off && to == off + len) {
        ret = in_pieces(node, write_piece, off, (void *)buf, len, s->max_transfer);
    } else {
        g_autofree uint8_t *padded = g_try_malloc(to - from);
        if (!padded) {
            return -ENOMEM;
        }
        if (from < off) {
            debug_rules_event(s->rules, BLOCK_EV_PWRITEV_RMW_HEAD);
            ret = read_piece(node, from, padded, unit);
            debug_rules_event(s->rules, BLOCK_EV_PWRITEV_RMW_AFTER_HEAD);
        }
        if (!ret && to > off + len && (to - from > unit || from == off)) {
            debug_rules_event(s->rules, BLOCK_EV_PWRITEV_RMW_TAIL);
            ret = read_piece(node, to - unit, padded + (to - from) - unit, unit);
            debug_rules_event(s->rules, BLOCK_EV_PWRITEV_RMW_AFTER_TAIL);
        }
        memcpy(padded + (off - from), buf, len);
        ret = ret ? ret : in_pieces(node, write_piece, from, padded, to - from, s->max_transfer);
    }
    debug_rules_event(s->rules, BLOCK_EV_PWRITEV_DONE);
    return ret;
}

static int zero_piece(BlockNode *node, int64_t off, void *buf, int64_t len)
{
    (void)buf;
    return block_write_zeroes(node->file, off, len, BLOCK_ZERO_MAY_UNMAP);
}

/* A power cut is counted in writes, so zeroes are written out for it; and what is not aligned as
 * zero writes are to be is. */
static int blkdebug_write_zeroes(BlockNode *node, int64_t off, int64_t len, unsigned flags)
{
    Blkdebug *s = node->state;
    int64_t unit = MAX(s->opt_zero, MAX(s->align, 1));
    int ret = debug_rules_check(s->rules, DEBUG_ZEROES, off, len);
    (void)flags;
    if (ret || s->cut_after >= 0 || s->dead || s->fail_write || (off | len) % unit) {
        return ret ? ret : -ENOTSUP;
    }
    debug_rules_event(s->rules, BLOCK_EV_PWRITEV_ZERO);
    return in_pieces(node, zero_piece, off, NULL, len, s->max_zero);
}

static int discard_piece(BlockNode *node, int64_t off, void *buf, int64_t len)
{
    (void)buf;
    return block_discard(node->file, off, len);
}

static int blkdebug_discard(BlockNode *node, int64_t off, int64_t len)
{
    Blkdebug *s = node->state;
    int64_t unit = MAX(s->opt_discard, MAX(s->align, 1));
    int64_t from = ROUND_UP(off, unit), to = ROUND_DOWN(off + len, unit);
    int ret = debug_rules_check(s->rules, DEBUG_DISCARD, off, len);
    if (ret) {
        return ret;
    }
    g_mutex_lock(&s->lock);
    ret = count_write(node);
    if (!ret && to > from) {
        ret = in_pieces(node, discard_piece, from, NULL, to - from, s->max_discard);
    }
    g_mutex_unlock(&s->lock);
    return ret;
}

static int blkdebug_flush(BlockNode *node)
{
    Blkdebug *s = node->state;
    int injected = debug_rules_check(s->rules, DEBUG_FLUSH, 0, 0);
    if (injected) {
        return injected;
    }
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
    Blkdebug *s = node->state;
    int ret = debug_rules_check(s->rules, DEBUG_STATUS, off, len);
    return ret ? ret : block_status(node->file, off, len, out);
}

static void blkdebug_event(BlockNode *node, BlockEvent event)
{
    debug_rules_event(((Blkdebug *)node->state)->rules, event);
}

static int blkdebug_debug(BlockNode *node, BlockDebugOp op, const char *event, const char *tag)
{
    return debug_rules_control(((Blkdebug *)node->state)->rules, op, event, tag);
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
    .write_zeroes = blkdebug_write_zeroes,
    .discard = blkdebug_discard,
    .event = blkdebug_event,
    .debug = blkdebug_debug,
    .flush = blkdebug_flush,
    .status = blkdebug_status,
    .getlength = blkdebug_getlength,
    .truncate = blkdebug_truncate,
    .has_zero_init = blkdebug_has_zero_init,
};
