/* SPDX-License-Identifier: MIT */
/* drive-backup and blockdev-backup: the target gets the content of the moment the job began. Before
 * the guest writes to a piece that is not yet there, that piece is copied. */
#include "block/job-int.h"
#include <errno.h>

enum { PIECE = 65536 };

typedef enum Sync { SYNC_FULL, SYNC_TOP, SYNC_NONE, SYNC_BITMAP } Sync;

typedef struct Backup {
    BlockJob job;
    BlockWatcher watcher;
    BlockNode *target; /* a reference */
    Sync sync;
    DirtyMap todo, busy; /* to copy; being copied. Under map_lock. */
    DirtyMap taken;      /* what the bitmap had */
    GMutex map_lock;
    GCond piece_done;
    char *bitmap;
    bool clear_bitmap, always_clear;
    gint failed; /* errno of a copy before a write */
} Backup;

static int copy_bytes(Backup *b, int64_t off, int64_t len, bool *source)
{
    g_autofree uint8_t *buf = g_try_malloc(len);
    int ret = buf ? block_pread(b->job.node, off, buf, len) : -ENOMEM;
    *source = ret != 0;
    if (ret) {
        return ret;
    }
    return block_is_zero(buf, len) ? block_write_zeroes(b->target, off, len, BLOCK_ZERO_MAY_UNMAP)
                                   : block_pwrite(b->target, off, buf, len);
}

/* Copies a piece unless that is done; one thread at a time. */
static int copy_piece(Backup *b, uint64_t i, bool *source)
{
    g_mutex_lock(&b->map_lock);
    while (dirty_test(&b->busy, i)) {
        g_cond_wait(&b->piece_done, &b->map_lock);
    }
    if (!dirty_take(&b->todo, i)) {
        g_mutex_unlock(&b->map_lock);
        return 0;
    }
    dirty_mark(&b->busy, dirty_offset(&b->busy, i), 1);
    g_mutex_unlock(&b->map_lock);
    int ret = copy_bytes(b, dirty_offset(&b->todo, i), dirty_length(&b->todo, i), source);
    g_mutex_lock(&b->map_lock);
    if (ret) {
        dirty_mark(&b->todo, dirty_offset(&b->todo, i), 1);
    }
    dirty_take(&b->busy, i);
    g_cond_broadcast(&b->piece_done);
    g_mutex_unlock(&b->map_lock);
    return ret;
}

/* The guest's write goes on whatever happens: it is the backup that fails. */
static int backup_before(BlockWatcher *w, int64_t off, int64_t len)
{
    Backup *b = (Backup *)((char *)w - offsetof(Backup, watcher));
    bool source;
    uint64_t last = (uint64_t)(off + len - 1) / PIECE;
    for (uint64_t i = off / PIECE; len && i <= last && !g_atomic_int_get(&b->failed); i++) {
        int ret = copy_piece(b, i, &source);
        if (ret) {
            g_atomic_int_set(&b->failed, -ret);
        }
    }
    return 0;
}

static int backup_run(BlockJob *job)
{
    Backup *b = (Backup *)job;
    uint64_t i = 0;
    job_set_total(job, (int64_t)g_atomic_int_get(&b->todo.set) * PIECE);
    while (!g_atomic_int_get(&b->failed)) {
        i = b->sync == SYNC_NONE ? b->todo.n : dirty_next(&b->todo, i);
        int64_t bytes = 0;
        if (i == b->todo.n && b->sync != SYNC_NONE) {
            return block_flush(b->target);
        }
        if (i == b->todo.n) {
            job_wait(job, 100);
        } else {
            bool source = true;
            block_gate_enter(job->sys->loop);
            int ret = copy_piece(b, i, &source);
            block_gate_leave(job->sys->loop);
            JobErrorAction action = ret ? job_error(job, source, ret) : JOB_IGNORE;
            if (action == JOB_FAIL) {
                return ret;
            }
            if (action == JOB_IGNORE) {
                bytes = dirty_length(&b->todo, i++);
            }
        }
        if (!job_pause_point(job, bytes)) {
            return -ECANCELED;
        }
    }
    return -g_atomic_int_get(&b->failed);
}

static int backup_finish(BlockJob *job, int ret, GError **err)
{
    Backup *b = (Backup *)job;
    /* A copy that a writer had begun may have failed after the last look. */
    ret = ret ? ret : -g_atomic_int_get(&b->failed);
    block_unwatch(job->node, &b->watcher);
    if (b->sync == SYNC_NONE && ret == -ECANCELED && !job->forced) {
        ret = block_flush(b->target); /* that is how it ends */
    }
    if (ret && ret != -ECANCELED) {
        g_set_error(err, BLOCK_ERROR, -ret, "%s", g_strerror(-ret));
    }
    if (ret && b->clear_bitmap) {
        /* What a failed backup did copy is worth something to those only who said so. */
        block_bitmap_restore(job->sys, job->node, b->bitmap,
                             b->always_clear ? &b->todo : &b->taken);
    }
    return ret;
}

static void backup_clean(BlockJob *job)
{
    Backup *b = (Backup *)job;
    block_unref(b->target);
    dirty_clear(&b->todo);
    dirty_clear(&b->busy);
    dirty_clear(&b->taken);
    g_free(b->bitmap);
    g_mutex_clear(&b->map_lock);
    g_cond_clear(&b->piece_done);
}

static const BlockJobType backup_type = {
    .name = "backup",
    .size = sizeof(Backup),
    .run = backup_run,
    .finish = backup_finish,
    .clean = backup_clean,
};

/* The arguments that say what to copy. */
static bool parse_sync(Backup *b, const Value *args, GError **err)
{
    static const char *const syncs[] = { "full", "top", "none", "bitmap", "incremental", NULL };
    const char *sync = arg_str(args, "sync"), *mode = arg_str(args, "bitmap-mode");
    int i = 0;
    while (sync && syncs[i] && strcmp(syncs[i], sync)) {
        i++;
    }
    if (!sync || !syncs[i]) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "Parameter 'sync' is missing or unknown");
        return false;
    }
    b->sync = MIN(i, SYNC_BITMAP);
    b->bitmap = g_strdup(arg_str(args, "bitmap"));
    if ((b->sync == SYNC_BITMAP) != (b->bitmap != NULL)) {
        g_set_error(err, BLOCK_ERROR, EINVAL,
                    b->bitmap ? "not implemented: a bitmap with sync=%s; use sync=bitmap"
                              : "must provide a valid bitmap name for '%s' sync mode",
                    sync);
        return false;
    }
    if (mode && strcmp(mode, "never") && strcmp(mode, "always") && strcmp(mode, "on-success")) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "Parameter 'bitmap-mode' does not accept value '%s'",
                    mode);
        return false;
    }
    b->clear_bitmap = b->bitmap && g_strcmp0(mode, "never");
    b->always_clear = !g_strcmp0(mode, "always");
    return true;
}

/* The gate is closed. */
static bool mark_todo(Backup *b, GError **err)
{
    BlockNode *node = b->job.node;
    if (b->bitmap) {
        if (!block_bitmap_copy(b->job.sys, node, b->bitmap, &b->taken, b->clear_bitmap, err)) {
            return false;
        }
        for (uint64_t i = 0; (i = dirty_next(&b->taken, i)) < b->taken.n; i++) {
            dirty_mark(&b->todo, dirty_offset(&b->todo, i), 1);
        }
        return true;
    }
    for (int64_t off = 0; off < node->size;) {
        BlockExtent ext = { .len = node->size - off, .flags = BLOCK_EXTENT_ALLOCATED };
        int ret = b->sync == SYNC_TOP ? block_status(node, off, node->size - off, &ext) : 0;
        if (ret) {
            g_set_error(err, BLOCK_ERROR, -ret, "unable to get block status: %s", g_strerror(-ret));
            return false;
        }
        if (ext.flags & BLOCK_EXTENT_ALLOCATED) {
            dirty_mark(&b->todo, off, ext.len);
        }
        off += ext.len;
    }
    return true;
}

static bool backup_start(BlockSystem *sys, const Value *args, BlockNode *source, BlockNode *target,
                         GError **err)
{
    if (target->size != source->size) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "Source and target image have different sizes");
        return false;
    }
    Backup *b = block_job_new(sys, &backup_type, arg_str(args, "device"), source, args, err);
    if (!b) {
        return false;
    }
    g_mutex_init(&b->map_lock);
    g_cond_init(&b->piece_done);
    b->target = block_ref(target);
    b->watcher.before = backup_before;
    bool ok = parse_sync(b, args, err) && dirty_init(&b->todo, source->size, PIECE, err) &&
              dirty_init(&b->busy, source->size, PIECE, err) &&
              dirty_init(&b->taken, source->size, PIECE, err);
    if (ok) {
        block_gate_close(sys->loop);
        ok = mark_todo(b, err);
        if (ok) {
            block_watch(source, &b->watcher);
        }
        block_gate_open(sys->loop);
    }
    if (ok) {
        block_job_start(&b->job);
    } else {
        block_job_abandon(&b->job);
    }
    return ok;
}

bool job_backup(BlockSystem *sys, const Value *args, bool blockdev, GError **err)
{
    BlockNode *source = arg_node(sys, args, err), *target = NULL;
    if (!source || block_job_busy(sys, source, err)) {
        return false;
    }
    if (blockdev) {
        const char *name = arg_str(args, "target");
        target = name ? block_find_node(name) : NULL;
        if (!target) {
            g_set_error(err, BLOCK_ERROR, ENOENT, "Cannot find device='%s' nor node-name='%s'",
                        name ? name : "", name ? name : "");
            return false;
        }
        block_ref(target);
    } else {
        target = job_open_target(source, args, err);
    }
    bool ok = target && backup_start(sys, args, source, target, err);
    block_unref(target);
    return ok;
}
