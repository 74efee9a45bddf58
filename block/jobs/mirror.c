/* SPDX-License-Identifier: MIT */
/* drive-mirror, blockdev-mirror and the commit of an image in use: copies to a target while the
 * guest writes on, until both are the same; then block-job-complete switches over to the target.
 * A bit of the map is cleared before its piece is read, so that a write meanwhile sets it again. */
#include "block/job-int.h"
#include <errno.h>

enum { DEFAULT_GRANULARITY = 65536, RUN_BYTES = 1 << 20 };

typedef enum Sync { SYNC_FULL, SYNC_TOP, SYNC_NONE } Sync;

typedef struct Mirror {
    BlockJob job;
    BlockWatcher watcher;
    BlockNode *target; /* a reference */
    Sync sync;
    bool commit, blocking, unmap, target_zero;
    DirtyMap map;
    GMutex copy_lock; /* copy-mode=write-blocking: writers copy, too */
    uint8_t *buf;
} Mirror;

static Mirror *of_watcher(BlockWatcher *w)
{
    return (Mirror *)((char *)w - offsetof(Mirror, watcher));
}

static void mirror_after(BlockWatcher *w, int64_t off, int64_t len)
{
    Mirror *m = of_watcher(w);
    bool source;
    dirty_mark(&m->map, off, len);
    if (!m->blocking) {
        return;
    }
    g_mutex_lock(&m->copy_lock);
    uint64_t end = (uint64_t)(off + len - 1) >> m->map.bits_shift;
    g_autofree uint8_t *buf = g_try_malloc((size_t)1 << m->map.bits_shift);
    for (uint64_t i = off >> m->map.bits_shift; buf && len && i <= end; i++) {
        if (dirty_take(&m->map, i) && job_copy(m->job.node, m->target, dirty_offset(&m->map, i),
                                               dirty_length(&m->map, i), m->unmap, buf, &source)) {
            dirty_mark(&m->map, dirty_offset(&m->map, i), 1); /* the job tries again, and tells */
        }
    }
    g_mutex_unlock(&m->copy_lock);
}

/* Copies a run of dirty pieces from `piece` on; `bytes` tells how many. */
static int copy_run(Mirror *m, uint64_t piece, int64_t *bytes, bool *source)
{
    int64_t off = dirty_offset(&m->map, piece), len = 0;
    g_mutex_lock(&m->copy_lock);
    uint64_t i = piece;
    while (i < m->map.n && (!len || len + (1LL << m->map.bits_shift) <= RUN_BYTES) &&
           dirty_take(&m->map, i)) {
        len += dirty_length(&m->map, i++);
    }
    int ret = len ? job_copy(m->job.node, m->target, off, len, m->unmap, m->buf, source) : 0;
    if (ret) {
        dirty_mark(&m->map, off, len);
    }
    g_mutex_unlock(&m->copy_lock);
    *bytes = len;
    return ret;
}

/* What the target must get whatever the guest does. */
static int mark_initial(Mirror *m)
{
    BlockNode *node = block_skip_filters(m->job.node);
    BlockNode *base = m->commit ? m->target : m->sync == SYNC_TOP ? node->backing : NULL;
    int ret = 0;
    for (int64_t off = 0; off < m->map.size && m->sync != SYNC_NONE && !ret;) {
        BlockExtent ext;
        block_gate_enter(m->job.sys->loop);
        ret = block_status_above(node, base, off, m->map.size - off, &ext);
        block_gate_leave(m->job.sys->loop);
        bool wanted = ext.flags & BLOCK_EXTENT_ALLOCATED || !base;
        if (!ret && wanted && !(ext.flags & BLOCK_EXTENT_ZERO && m->target_zero)) {
            dirty_mark(&m->map, off, ext.len);
        }
        off += ext.len;
        if (!job_pause_point(&m->job, 0)) {
            return -ECANCELED;
        }
    }
    return ret;
}

static int mirror_run(BlockJob *job)
{
    Mirror *m = (Mirror *)job;
    int ret = mark_initial(m);
    uint64_t at = 0;
    job_set_total(job, (int64_t)g_atomic_int_get(&m->map.set) << m->map.bits_shift);
    while (!ret) {
        int64_t bytes = 0;
        bool source = false;
        uint64_t piece = dirty_next(&m->map, at);
        if (piece == m->map.n && at) {
            at = 0;
            continue;
        }
        if (piece == m->map.n) {
            job_set_ready(job);
            if (job_is_completing(job)) {
                break;
            }
            job_wait(job, 50);
        } else {
            block_gate_enter(job->sys->loop);
            int r = copy_run(m, piece, &bytes, &source);
            block_gate_leave(job->sys->loop);
            JobErrorAction action = r ? job_error(job, source, r) : JOB_RETRY;
            if (r && action == JOB_FAIL) {
                return r;
            }
            if (r && action == JOB_IGNORE) {
                for (int64_t o = 0; o < bytes; o += 1LL << m->map.bits_shift) {
                    dirty_take(&m->map, piece + (o >> m->map.bits_shift));
                }
            }
            at = piece + 1;
            if (job->ready) {
                job_add_total(job, bytes);
            }
        }
        if (!job_pause_point(job, bytes)) {
            ret = -ECANCELED;
        }
    }
    return ret;
}

static void switch_to_target(Mirror *m)
{
    BlockSystem *sys = m->job.sys;
    BlockNode *old = block_skip_filters(m->job.node), *target = block_skip_filters(m->target);
    if (!m->commit && !target->backing && target->backing_file && m->sync != SYNC_FULL) {
        BlockNode *backing = m->sync == SYNC_TOP ? old->backing : old;
        target->backing = backing ? block_ref(backing) : NULL;
    }
    block_system_replace_node(sys, m->job.node, m->target);
}

/* The last writes, now that there are no more; then the switch. */
static int mirror_finish(BlockJob *job, int ret, GError **err)
{
    Mirror *m = (Mirror *)job;
    /* Cancelled when ready: the target stays, a copy of this moment. */
    bool copy = !ret || (ret == -ECANCELED && job->ready && !job->forced);
    for (uint64_t i = 0; copy && (i = dirty_next(&m->map, i)) < m->map.n;) {
        int64_t bytes;
        bool source;
        int r = copy_run(m, i, &bytes, &source);
        if (r) {
            ret = r;
            copy = false;
        }
    }
    if (copy && (ret == 0 || ret == -ECANCELED)) {
        int r = block_flush(m->target);
        ret = ret ? ret : r;
    }
    if (ret && ret != -ECANCELED) {
        g_set_error(err, BLOCK_ERROR, -ret, "%s", g_strerror(-ret));
    }
    block_unwatch(job->node, &m->watcher);
    if (!ret) {
        switch_to_target(m);
    }
    return ret;
}

static void mirror_clean(BlockJob *job)
{
    Mirror *m = (Mirror *)job;
    block_unref(m->target);
    dirty_clear(&m->map);
    g_mutex_clear(&m->copy_lock);
    g_free(m->buf);
}

static const BlockJobType mirror_type = {
    .name = "mirror",
    .size = sizeof(Mirror),
    .run = mirror_run,
    .finish = mirror_finish,
    .clean = mirror_clean,
    .completes = true,
};

static const BlockJobType active_commit_type = {
    .name = "commit",
    .size = sizeof(Mirror),
    .run = mirror_run,
    .finish = mirror_finish,
    .clean = mirror_clean,
    .completes = true,
};

bool job_mirror_start(BlockSystem *sys, const Value *args, const char *device, BlockNode *source,
                      BlockNode *target, bool commit, GError **err)
{
    static const char *const syncs[] = { "full", "top", "none", NULL };
    const char *sync = arg_str(args, "sync"), *mode = arg_str(args, "copy-mode");
    int which = 0;
    while (sync && !commit && syncs[which] && strcmp(syncs[which], sync)) {
        which++;
    }
    if (!syncs[which]) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "Parameter 'sync' does not accept value '%s'", sync);
        return false;
    }
    if (target->size < source->size) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "The target is smaller than the source");
        return false;
    }
    Mirror *m =
        block_job_new(sys, commit ? &active_commit_type : &mirror_type, device, source, args, err);
    if (!m) {
        return false;
    }
    g_mutex_init(&m->copy_lock);
    m->target = block_ref(target);
    m->commit = commit;
    m->sync = which;
    m->blocking = !g_strcmp0(mode, "write-blocking");
    m->unmap = arg_bool(args, "unmap", true);
    m->target_zero = !commit && arg_str(args, "target") &&
                     g_strcmp0(arg_str(args, "mode"), "existing") && block_has_zero_init(target) &&
                     !target->backing_file;
    int64_t granularity = arg_int(args, "granularity", 0);
    granularity = granularity ? granularity : DEFAULT_GRANULARITY;
    if (!dirty_init(&m->map, source->size, MAX(granularity, 0), err)) {
        block_job_abandon(&m->job);
        return false;
    }
    m->buf = g_malloc(MAX(RUN_BYTES, granularity));
    m->watcher.after = mirror_after;
    block_gate_close(sys->loop);
    block_watch(source, &m->watcher);
    block_gate_open(sys->loop);
    block_job_start(&m->job);
    return true;
}

bool job_mirror(BlockSystem *sys, const Value *args, bool blockdev, GError **err)
{
    BlockNode *source = arg_node(sys, args, err);
    if (!source || block_job_busy(sys, source, err)) {
        return false;
    }
    g_autoptr(BlockNode) target = job_target(source, args, blockdev, err);
    return target &&
           job_mirror_start(sys, args, arg_str(args, "device"), source, target, false, err);
}
