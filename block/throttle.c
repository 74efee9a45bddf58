/* SPDX-License-Identifier: MIT */
/* `throttle`: a filter that keeps requests to so many a second, and to so many bytes a second. */
#include "block/block.h"
#include "block/bytes.h"
#include <errno.h>

enum { READ, WRITE, TOTAL, KINDS };
enum { BURST_US = 100 * 1000 }; /* what may be saved up while idle */

typedef struct Throttle {
    GMutex lock;
    uint64_t rate[2][KINDS]; /* requests, bytes a second; 0: no limit */
    gint64 paid[2][KINDS];   /* monotonic microseconds: when all that went through is paid for */
} Throttle;

static const BlockOpt throttle_open_opts[] = {
    { "limits.iops-read", BLOCK_OPT_NUM, "0", "Read requests a second" },
    { "limits.iops-write", BLOCK_OPT_NUM, "0", "Write requests a second" },
    { "limits.iops-total", BLOCK_OPT_NUM, "0", "Requests a second" },
    { "limits.bps-read", BLOCK_OPT_SIZE, "0", "Bytes read a second" },
    { "limits.bps-write", BLOCK_OPT_SIZE, "0", "Bytes written a second" },
    { "limits.bps-total", BLOCK_OPT_SIZE, "0", "Bytes a second" },
    { "throttle-group", BLOCK_OPT_STR, NULL, "Name of a group to share limits with" },
    { 0 },
};

static bool throttle_open(BlockNode *node, BlockOpts *opts, GError **err)
{
    Throttle *s = node->state;
    if (block_opts_has(opts, "throttle-group")) {
        g_set_error(err, BLOCK_ERROR, ENOTSUP,
                    "not implemented: throttle-group; give the limits here (limits.iops-total=…)");
        return false;
    }
    for (int i = 0; i < 2 * KINDS; i++) {
        s->rate[i / KINDS][i % KINDS] =
            block_opt_num(opts, throttle_open_opts, throttle_open_opts[i].name);
    }
    g_mutex_init(&s->lock);
    return true;
}

static void throttle_close(BlockNode *node)
{
    g_mutex_clear(&((Throttle *)node->state)->lock);
}

/* Pays for one request in every bucket it counts in, and sleeps until the slowest agrees. */
static void wait_turn(BlockNode *node, int kind, int64_t len)
{
    Throttle *s = node->state;
    const int kinds[] = { kind, TOTAL };
    gint64 now = g_get_monotonic_time(), until = now;
    g_mutex_lock(&s->lock);
    for (int unit = 0; unit < 2; unit++) {
        for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
            uint64_t rate = s->rate[unit][kinds[i]];
            gint64 *paid = &s->paid[unit][kinds[i]];
            if (rate) {
                *paid = MAX(*paid, now - BURST_US);
                until = MAX(until, *paid);
                *paid += (gint64)((unit ? len : 1) * (double)G_USEC_PER_SEC / rate);
            }
        }
    }
    g_mutex_unlock(&s->lock);
    if (until > now) {
        g_usleep(until - now);
    }
}

static int throttle_pread(BlockNode *node, int64_t off, void *buf, int64_t len)
{
    wait_turn(node, READ, len);
    return block_pread(node->file, off, buf, len);
}

static int throttle_pwrite(BlockNode *node, int64_t off, const void *buf, int64_t len)
{
    wait_turn(node, WRITE, len);
    return block_pwrite(node->file, off, buf, len);
}

static int throttle_pwrite_compressed(BlockNode *node, int64_t off, const void *buf, int64_t len)
{
    wait_turn(node, WRITE, len);
    return block_pwrite_compressed(node->file, off, buf, len);
}

static int throttle_write_zeroes(BlockNode *node, int64_t off, int64_t len, unsigned flags)
{
    wait_turn(node, WRITE, len);
    return block_write_zeroes(node->file, off, len, flags);
}

static int throttle_discard(BlockNode *node, int64_t off, int64_t len)
{
    wait_turn(node, WRITE, len);
    return block_discard(node->file, off, len);
}

static int throttle_flush(BlockNode *node)
{
    return block_flush(node->file);
}

static int throttle_status(BlockNode *node, int64_t off, int64_t len, BlockExtent *out)
{
    return block_status(node->file, off, len, out);
}

static int64_t throttle_getlength(BlockNode *node)
{
    return block_getlength(node->file);
}

static bool throttle_truncate(BlockNode *node, int64_t size, BlockPrealloc prealloc, GError **err)
{
    return block_truncate(node->file, size, prealloc, err);
}

const BlockDriver block_driver_throttle = {
    .name = "throttle",
    .is_protocol = true,
    .is_filter = true,
    .state_size = sizeof(Throttle),
    .open_opts = throttle_open_opts,
    .open = throttle_open,
    .close = throttle_close,
    .pread = throttle_pread,
    .pwrite = throttle_pwrite,
    .pwrite_compressed = throttle_pwrite_compressed,
    .write_zeroes = throttle_write_zeroes,
    .discard = throttle_discard,
    .flush = throttle_flush,
    .status = throttle_status,
    .getlength = throttle_getlength,
    .truncate = throttle_truncate,
};
