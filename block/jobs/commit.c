/* SPDX-License-Identifier: MIT */
/* block-commit: copies what lies in images above `base`, up to `top`, down into `base`, and drops
 * them. When `top` is the image in use it is a mirror into `base`, which ends by switching to it.
 */
#include "block/job-int.h"
#include <errno.h>

#define CHUNK (1 << 20) /* bytes copied at a time */

typedef struct Commit {
    BlockJob job;
    BlockNode *overlay; /* of top; references */
    BlockNode *top, *base;
    bool made_writable;
    char *backing_file;
    uint8_t *buf;
} Commit;

static int copy_piece(Commit *c, int64_t off, int64_t *len, bool *source)
{
    BlockExtent ext;
    *source = true;
    int ret = block_status_above(c->top, c->base, off, MIN(*len, CHUNK), &ext);
    *len = ret ? CHUNK : ext.len;
    if (ret || !(ext.flags & BLOCK_EXTENT_ALLOCATED)) {
        return ret;
    }
    if (!(ext.flags & BLOCK_EXTENT_ZERO)) {
        ret = block_pread(c->top, off, c->buf, ext.len);
    }
    *source = ret != 0;
    if (ret) {
        return ret;
    }
    return ext.flags & BLOCK_EXTENT_ZERO
               ? block_write_zeroes(c->base, off, ext.len, BLOCK_ZERO_MAY_UNMAP)
               : block_pwrite(c->base, off, c->buf, ext.len);
}

static int commit_run(BlockJob *job)
{
    Commit *c = (Commit *)job;
    int64_t size = c->top->size;
    job_set_total(job, size);
    for (int64_t off = 0; off < size;) {
        int64_t len = size - off;
        bool source;
        block_gate_enter(job->sys->loop);
        int ret = copy_piece(c, off, &len, &source);
        block_gate_leave(job->sys->loop);
        JobErrorAction action = ret ? job_error(job, source, ret) : JOB_IGNORE;
        if (action == JOB_FAIL) {
            return ret;
        }
        off += action == JOB_RETRY ? 0 : len;
        if (!job_pause_point(job, action == JOB_RETRY ? 0 : len)) {
            return -ECANCELED;
        }
    }
    return block_flush(c->base);
}

static int commit_finish(BlockJob *job, int ret, GError **err)
{
    Commit *c = (Commit *)job;
    BlockNode *over = c->overlay;
    g_autofree char *found = block_backing_name(over->filename, c->base);
    const char *name = c->backing_file ? c->backing_file : found;
    if (!ret && (!over->drv->change_backing ||
                 !over->drv->change_backing(over, name, c->base->drv->name, err))) {
        ret = -EIO;
    }
    if (!ret) {
        block_system_replace_node(job->sys, c->top, c->base);
        if (over->backing == c->top) { /* a chain that no backend has */
            block_unref(c->top);
            over->backing = block_ref(c->base);
        }
    }
    return ret;
}

/* base is writable only while there is a reason. */
static void commit_clean(BlockJob *job)
{
    Commit *c = (Commit *)job;
    BlockNode *over = c->base && c->overlay ? block_overlay_of(c->overlay, c->base) : NULL;
    block_unref(c->top);
    block_unref(c->base);
    if (over && c->made_writable) {
        block_gate_close(job->sys->loop);
        block_reopen_backing(over, false, NULL);
        block_gate_open(job->sys->loop);
    }
    block_unref(c->overlay);
    g_free(c->backing_file);
    g_free(c->buf);
}

static const BlockJobType commit_type = {
    .name = "commit",
    .size = sizeof(Commit),
    .run = commit_run,
    .finish = commit_finish,
    .clean = commit_clean,
};

/* "top" and "base" by file name or node name; by default the active image and the last one. */
static BlockNode *chain_arg(BlockNode *active, const Value *args, const char *what, BlockNode *def,
                            GError **err)
{
    g_autofree char *by_node = g_strconcat(what, "-node", NULL);
    const char *file = arg_str(args, what), *node = arg_str(args, by_node);
    if (!file && !node) {
        return def;
    }
    BlockNode *n = file ? block_find_in_chain(active, file) : block_find_node(node);
    if (!n || !block_in_chain(active, n)) {
        g_set_error(err, BLOCK_ERROR, ENOENT, "%s '%s' not found in the backing chain", what,
                    file ? file : node);
        return NULL;
    }
    return n;
}

static bool writable_base(BlockSystem *sys, BlockNode *active, BlockNode **base, int64_t size,
                          bool *changed, GError **err)
{
    BlockNode *over = block_overlay_of(active, *base);
    *changed = !((*base)->flags & BLOCK_RDWR);
    block_gate_close(sys->loop);
    bool ok = block_reopen_backing(over, true, err);
    *base = over->backing;
    if (ok && (*base)->size < size) {
        ok = block_truncate(*base, size, BLOCK_PREALLOC_OFF, err);
    }
    block_gate_open(sys->loop);
    return ok;
}

bool job_commit(BlockSystem *sys, const Value *args, GError **err)
{
    BlockNode *node = arg_node(sys, args, err);
    BlockNode *active = node ? block_skip_filters(node) : NULL, *last = active;
    bool changed;
    while (last && last->backing) {
        last = last->backing;
    }
    BlockNode *top = active ? chain_arg(active, args, "top", active, err) : NULL;
    BlockNode *base = top ? chain_arg(active, args, "base", last, err) : NULL;
    if (!base) {
        return false;
    }
    if (top == base || !block_in_chain(top, base)) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "cannot commit an image into itself, or up");
        return false;
    }
    if (block_job_busy(sys, node, err) ||
        !writable_base(sys, active, &base, top->size, &changed, err)) {
        return false;
    }
    if (top == active) {
        return job_mirror_start(sys, args, arg_str(args, "device"), node, base, true, err);
    }
    Commit *c = block_job_new(sys, &commit_type, arg_str(args, "device"), node, args, err);
    if (c) {
        c->overlay = block_ref(block_overlay_of(active, top));
        c->top = block_ref(top);
        c->base = block_ref(base);
        c->made_writable = changed;
        c->backing_file = g_strdup(arg_str(args, "backing-file"));
        c->buf = g_malloc(CHUNK);
        block_job_start(&c->job);
    }
    return c != NULL;
}
