/* SPDX-License-Identifier: MIT */
/* block-stream: copies what shows through from backing images into an image, and then drops them,
 * all or those above `base`. */
#include "block/job-int.h"
#include <errno.h>

#define CHUNK (1 << 20) /* bytes between pause points */

typedef struct Stream {
    BlockJob job;
    BlockNode *base; /* a reference, or NULL */
    char *backing_file;
} Stream;

static int copy_piece(Stream *s, BlockNode *image, int64_t off, int64_t *len)
{
    BlockExtent ext;
    int ret = block_status_above(image, s->base, off, MIN(*len, CHUNK), &ext);
    *len = ret ? CHUNK : ext.len;
    if (ret || !(ext.flags & BLOCK_EXTENT_ALLOCATED) || !ext.depth) {
        return ret;
    }
    return block_copy_up(image, off, ext.len);
}

static int stream_run(BlockJob *job)
{
    Stream *s = (Stream *)job;
    BlockNode *image = block_skip_filters(job->node);
    int64_t size = image->size;
    job_set_total(job, size);
    for (int64_t off = 0; off < size;) {
        int64_t len = size - off;
        block_gate_enter(job->sys->loop);
        int ret = copy_piece(s, image, off, &len);
        block_gate_leave(job->sys->loop);
        JobErrorAction action = ret ? job_error(job, true, ret) : JOB_IGNORE;
        if (action == JOB_FAIL) {
            return ret;
        }
        off += action == JOB_RETRY ? 0 : len;
        if (!job_pause_point(job, action == JOB_RETRY ? 0 : len)) {
            return -ECANCELED;
        }
    }
    return 0;
}

static int stream_finish(BlockJob *job, int ret, GError **err)
{
    Stream *s = (Stream *)job;
    BlockNode *image = block_skip_filters(job->node), *old = image->backing;
    if (ret || !old || old == s->base) {
        return ret;
    }
    g_autofree char *found = s->base ? block_backing_name(image->filename, s->base) : NULL;
    const char *name = s->base && s->backing_file ? s->backing_file : found;
    const char *format = s->base ? s->base->drv->name : NULL;
    ret = block_flush(image);
    if (ret || !image->drv->change_backing ||
        !image->drv->change_backing(image, name, format, err)) {
        return ret ? ret : -EIO;
    }
    image->backing = s->base ? block_ref(s->base) : NULL;
    block_unref(old);
    return 0;
}

static void stream_clean(BlockJob *job)
{
    Stream *s = (Stream *)job;
    block_unref(s->base);
    g_free(s->backing_file);
}

static const BlockJobType stream_type = {
    .name = "stream",
    .size = sizeof(Stream),
    .run = stream_run,
    .finish = stream_finish,
    .clean = stream_clean,
};

bool job_stream(BlockSystem *sys, const Value *args, GError **err)
{
    const char *base_file = arg_str(args, "base"), *base_node = arg_str(args, "base-node");
    BlockNode *node = arg_node(sys, args, err), *base = NULL;
    if (!node) {
        return false;
    }
    if (base_file || base_node) {
        base = base_file ? block_find_in_chain(node, base_file) : block_find_node(base_node);
        if (!base || base == node || !block_in_chain(node, base)) {
            g_set_error(err, BLOCK_ERROR, ENOENT, "Can't find '%s' in the backing chain",
                        base_file ? base_file : base_node);
            return false;
        }
    }
    if (!(node->flags & BLOCK_RDWR)) {
        g_set_error(err, BLOCK_ERROR, EROFS, "Block node is read-only");
        return false;
    }
    Stream *s = block_job_new(sys, &stream_type, arg_str(args, "device"), node, args, err);
    if (s) {
        s->base = base ? block_ref(base) : NULL;
        s->backing_file = g_strdup(arg_str(args, "backing-file"));
        block_job_start(&s->job);
    }
    return s != NULL;
}
