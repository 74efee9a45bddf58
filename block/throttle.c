/* SPDX-License-Identifier: MIT */
/* `throttle`: a filter that keeps requests to so many a second, and to so many bytes a second. */
#include "block/block.h"
#include "block/bytes.h"
#include <errno.h>

enum { READ, WRITE, TOTAL, KINDS };
enum { BURST_US = 100 * 1000 }; /* what may be saved up while idle, where no burst is allowed */

/* What requests are paid from: so much a second, and so much saved up at most. */
typedef struct Bucket {
    double rate; /* a second; 0: no limit */
    double burst_us;
    double paid; /* monotonic microseconds: when all that went through is paid for */
} Bucket;

/* The limits of one filter, or of a group of them. */
typedef struct Limits {
    gint refs;
    char *group; /* or NULL */
    GMutex lock;
    Bucket steady[2][KINDS], peak[2][KINDS]; /* requests, bytes */
    uint64_t iops_size;                      /* bytes that count as one more request; 0: any */
} Limits;

typedef struct Throttle {
    Limits *limits;
} Throttle;

static struct {
    GMutex lock;
    GHashTable *by_name; /* of Limits.group; not references */
} groups;

#define LIMIT(name, type, what)                                                  \
    { "limits." name, type, "0", what " a second" },                             \
        { "limits." name "-max", type, "0", what " a second, for a while" },     \
    {                                                                            \
        "limits." name "-max-length", OPT_NUM, "1", "Seconds that this may last" \
    }

static const OptDef throttle_open_opts[] = {
    LIMIT("iops-read", OPT_NUM, "Read requests"),
    LIMIT("iops-write", OPT_NUM, "Write requests"),
    LIMIT("iops-total", OPT_NUM, "Requests"),
    LIMIT("bps-read", OPT_SIZE, "Bytes read"),
    LIMIT("bps-write", OPT_SIZE, "Bytes written"),
    LIMIT("bps-total", OPT_SIZE, "Bytes"),
    { "limits.iops-size", OPT_SIZE, "0", "Bytes that count as one request" },
    { "throttle-group", OPT_STR, NULL, "Name of a group to share limits with" },
    { 0 },
};

static bool set_bucket(const Opts *opts, int i, Bucket *steady, Bucket *peak, GError **err)
{
    const OptDef *t = throttle_open_opts;
    double rate = opt_num(opts, t, t[3 * i].name);
    double max = opt_num(opts, t, t[3 * i + 1].name);
    double length = opt_num(opts, t, t[3 * i + 2].name);
    if (max > 0 && (rate == 0 || max < rate || length < 1)) {
        g_set_error(err, BLOCK_ERROR, EINVAL,
                    "%s needs %s, and not more than that; and a length of at least one second",
                    t[3 * i + 1].name, t[3 * i].name);
        return false;
    }
    /* At the peak rate for so long: that much above the steady one. */
    *steady = (Bucket){ rate, max > 0 ? (max - rate) * length / rate * 1e6 : BURST_US, 0 };
    *peak = (Bucket){ max, BURST_US, 0 };
    return true;
}

static Limits *limits_new(const Opts *opts, GError **err)
{
    Limits *l = g_new0(Limits, 1);
    l->refs = 1;
    for (int i = 0; i < 2 * KINDS; i++) {
        if (!set_bucket(opts, i, &l->steady[i / KINDS][i % KINDS], &l->peak[i / KINDS][i % KINDS],
                        err)) {
            g_free(l);
            return NULL;
        }
    }
    l->iops_size = opt_num(opts, throttle_open_opts, "limits.iops-size");
    g_mutex_init(&l->lock);
    return l;
}

/* The first of a group says what its limits are; the others have none of their own. */
static Limits *limits_of_group(const char *name, const Opts *opts, GError **err)
{
    g_mutex_lock(&groups.lock);
    if (!groups.by_name) {
        groups.by_name = g_hash_table_new(g_str_hash, g_str_equal);
    }
    Limits *l = g_hash_table_lookup(groups.by_name, name);
    if (l && opts_count(opts) > 1) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "The limits of throttle group '%s' are given already",
                    name);
        l = NULL;
    } else if (l) {
        l->refs++;
    } else if ((l = limits_new(opts, err))) {
        l->group = g_strdup(name);
        g_hash_table_insert(groups.by_name, l->group, l);
    }
    g_mutex_unlock(&groups.lock);
    return l;
}

static bool throttle_open(BlockNode *node, Opts *opts, GError **err)
{
    Throttle *s = node->state;
    const char *group = opts_get(opts, "throttle-group");
    s->limits = group ? limits_of_group(group, opts, err) : limits_new(opts, err);
    return s->limits != NULL;
}

static void throttle_close(BlockNode *node)
{
    Limits *l = ((Throttle *)node->state)->limits;
    g_mutex_lock(&groups.lock);
    bool last = !--l->refs;
    if (last && l->group) {
        g_hash_table_remove(groups.by_name, l->group);
    }
    g_mutex_unlock(&groups.lock);
    if (last) {
        g_mutex_clear(&l->lock);
        g_free(l->group);
        g_free(l);
    }
}

static void pay(Bucket *b, double cost, double now, double *until)
{
    if (b->rate > 0) {
        b->paid = MAX(b->paid, now - b->burst_us);
        *until = MAX(*until, b->paid);
        b->paid += cost * 1e6 / b->rate;
    }
}

/* Pays for one request in every bucket it counts in, and sleeps until the slowest agrees. */
static void wait_turn(BlockNode *node, int kind, int64_t len)
{
    Limits *l = ((Throttle *)node->state)->limits;
    const int kinds[] = { kind, TOTAL };
    double now = g_get_monotonic_time(), until = now;
    g_mutex_lock(&l->lock);
    const double cost[2] = { l->iops_size ? MAX(1, (double)len / l->iops_size) : 1, len };
    for (int unit = 0; unit < 2; unit++) {
        for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
            pay(&l->steady[unit][kinds[i]], cost[unit], now, &until);
            pay(&l->peak[unit][kinds[i]], cost[unit], now, &until);
        }
    }
    g_mutex_unlock(&l->lock);
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
