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
    *source = true;
    return buf ? job_copy(b->job.node, b->target, off, len, true, buf, source) : -ENOMEM;
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

static bool bad_sync(GError **err, const char *fmt, const char *what)
{
    g_set_error(err, BLOCK_ERROR, EINVAL, fmt, what);
    return false;
}

/* Which bitmap, and when it is to forget what was copied. */
static bool parse_bitmap(Backup *b, const Value *args, const char *sync, GError **err)
{
    const char *mode = arg_str(args, "bitmap-mode");
    bool incremental = !strcmp(sync, "incremental");
    b->bitmap = g_strdup(arg_str(args, "bitmap"));
    if (!b->bitmap) {
        return b->sync == SYNC_BITMAP
                   ? bad_sync(err, "must provide a valid bitmap name for '%s' sync mode", sync)
               : mode ? bad_sync(err, "Cannot specify bitmap sync mode without a bitmap%s", "")
                      : true;
    }
    if (incremental && mode && strcmp(mode, "on-success")) {
        return bad_sync(err, "Bitmap sync mode must be '%s' when using sync mode 'incremental'",
                        "on-success");
    }
    mode = incremental ? "on-success" : mode;
    if (!mode) {
        return bad_sync(err, "Bitmap sync mode must be given when providing a bitmap%s", "");
    }
    if (strcmp(mode, "never") && strcmp(mode, "always") && strcmp(mode, "on-success")) {
        return bad_sync(err, "Parameter 'bitmap-mode' does not accept value '%s'", mode);
    }
    if (b->sync == SYNC_NONE || (b->sync != SYNC_BITMAP && !strcmp(mode, "never"))) {
        g_set_error(err, BLOCK_ERROR, EINVAL,
                    "Bitmap sync mode '%s' has no meaningful effect when combined with sync mode "
                    "'%s'",
                    mode, sync);
        return false;
    }
    b->clear_bitmap = strcmp(mode, "never") != 0;
    b->always_clear = !strcmp(mode, "always");
    return true;
}

/* The arguments that say what to copy. */
static bool parse_sync(Backup *b, const Value *args, GError **err)
{
    static const char *const syncs[] = { "full", "top", "none", "bitmap", "incremental", NULL };
    const char *sync = arg_str(args, "sync");
    int i = 0;
    while (sync && syncs[i] && strcmp(syncs[i], sync)) {
        i++;
    }
    if (!sync || !syncs[i]) {
        return bad_sync(err, "Parameter 'sync' is %s", sync ? "unknown" : "missing");
    }
    b->sync = MIN(i, SYNC_BITMAP);
    return parse_bitmap(b, args, sync, err);
}

static void dirty_add(DirtyMap *to, const DirtyMap *from)
{
    for (uint64_t i = 0; (i = dirty_next(from, i)) < from->n; i++) {
        dirty_mark(to, dirty_offset(from, i), 1);
    }
}

/* The gate is closed. The bitmap is emptied last, when nothing can fail any more. */
static bool mark_todo(Backup *b, GError **err)
{
    BlockNode *node = b->job.node;
    for (int64_t off = 0; off < node->size && b->sync != SYNC_BITMAP;) {
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
    if (b->bitmap &&
        !block_bitmap_copy(b->job.sys, node, b->bitmap, &b->taken, b->clear_bitmap, err)) {
        b->clear_bitmap = false;
        return false;
    }
    if (b->sync == SYNC_BITMAP) {
        dirty_add(&b->todo, &b->taken);
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
    BlockNode *source = arg_node(sys, args, err);
    if (!source || block_job_busy(sys, source, err)) {
        return false;
    }
    g_autoptr(BlockNode) target = job_target(source, args, blockdev, err);
    return target && backup_start(sys, args, source, target, err);
}
