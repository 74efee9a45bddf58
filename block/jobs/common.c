/* SPDX-License-Identifier: MIT */
/* Arguments, backing chains, watchers and targets: what jobs share. */
#include "block/job-int.h"
#include <errno.h>

const char *arg_str(const Value *args, const char *key)
{
    const Value *v = args ? value_get(args, key) : NULL;
    return v && v->type == VALUE_STRING ? v->str : NULL;
}

int64_t arg_int(const Value *args, const char *key, int64_t def)
{
    const Value *v = args ? value_get(args, key) : NULL;
    return v && v->type == VALUE_INT ? v->num : def;
}

bool arg_bool(const Value *args, const char *key, bool def)
{
    const Value *v = args ? value_get(args, key) : NULL;
    return v && v->type == VALUE_BOOL ? v->num : def;
}

bool arg_missing(GError **err, const char *key)
{
    g_set_error(err, BLOCK_ERROR, EINVAL, "Parameter '%s' is missing", key);
    return false;
}

BlockNode *arg_node(BlockSystem *sys, const Value *args, GError **err)
{
    const char *name = arg_str(args, "device");
    name = name ? name : arg_str(args, "node-name");
    name = name ? name : arg_str(args, "node");
    if (!name) {
        arg_missing(err, "device");
        return NULL;
    }
    BlockNode *node = block_system_node(sys, name, err);
    return node ? block_skip_filters(node) : NULL;
}

BlockNode *block_overlay_of(BlockNode *top, const BlockNode *node)
{
    for (top = block_skip_filters(top); top && top->backing; top = top->backing) {
        if (top->backing == node) {
            return top;
        }
    }
    return NULL;
}

bool block_in_chain(BlockNode *top, const BlockNode *node)
{
    bool found = top == node;
    for (top = block_skip_filters(top); top && !found; top = top->backing) {
        found = top == node;
    }
    return found;
}

BlockNode *block_find_in_chain(BlockNode *top, const char *filename)
{
    g_autofree char *full = g_canonicalize_filename(filename, NULL);
    for (BlockNode *n = block_skip_filters(top); n; n = n->backing) {
        BlockNode *below = n->backing;
        g_autofree char *other = g_canonicalize_filename(n->filename, NULL);
        if (!strcmp(n->filename, filename) || !strcmp(other, full)) {
            return n;
        }
        if (below && n->backing_file && !strcmp(n->backing_file, filename)) {
            return below;
        }
    }
    return NULL;
}

char *block_backing_name(const char *image, const BlockNode *node)
{
    const char *name = node->filename;
    g_autofree char *seen = block_path_combine(image, name);
    if (!strcmp(seen, name)) {
        return g_strdup(name); /* absolute, or with a protocol, or the image is right here */
    }
    g_autofree char *here = g_path_get_dirname(image), *there = g_path_get_dirname(name);
    return strcmp(here, there) ? g_canonicalize_filename(name, NULL) : g_path_get_basename(name);
}

void block_watch(BlockNode *node, BlockWatcher *w)
{
    w->next = node->watchers;
    node->watchers = w;
}

void block_unwatch(BlockNode *node, BlockWatcher *w)
{
    BlockWatcher **p = &node->watchers;
    while (*p && *p != w) {
        p = &(*p)->next;
    }
    if (*p) {
        *p = w->next;
    }
}

static BlockNode *open_like(const char *name, const char *format, const Opts *opts,
                            const char *node_name, bool writable, unsigned flags, GError **err)
{
    g_autoptr(Opts) mine = opts_copy(opts);
    opts_remove(mine, "read-only");
    opts_remove(mine, "backing");
    if (node_name) {
        opts_set(mine, "node-name", node_name);
    }
    flags &= ~(unsigned)(BLOCK_RDWR | BLOCK_BACKING_RDWR);
    return block_open(name, format, mine, flags | BLOCK_NO_BACKING | (writable ? BLOCK_RDWR : 0),
                      err);
}

bool block_reopen_backing(BlockNode *overlay, bool writable, GError **err)
{
    BlockNode *old = overlay->backing;
    if (!!(old->flags & BLOCK_RDWR) == writable) {
        return true;
    }
    if (g_atomic_int_get(&old->refs) > 1 || !old->opened_by) {
        g_set_error(
            err, BLOCK_ERROR, EBUSY, "Block node '%s' is %s, and in use: cannot change that",
            old->node_name ? old->node_name : old->filename, writable ? "read-only" : "writable");
        return false;
    }
    /* The lock on its file must go before another can be had. */
    g_autofree char *name = g_strdup(old->opened_name), *format = g_strdup(old->drv->name);
    g_autofree char *node_name = g_strdup(old->node_name);
    g_autoptr(Opts) opts = opts_copy(old->opened_by);
    unsigned flags = old->flags;
    BlockNode *chain = old->backing;
    old->backing = NULL;
    overlay->backing = NULL;
    block_unref(old);
    BlockNode *node = open_like(name, format, opts, node_name, writable, flags, err);
    bool ok = node != NULL;
    if (!ok) {
        node = open_like(name, format, opts, node_name, !writable, flags, NULL);
    }
    if (node) {
        node->backing = chain;
    } else {
        block_unref(chain);
    }
    overlay->backing = node;
    return ok;
}

static bool create_target(BlockNode *source, const Value *args, const char *filename,
                          const char *format, GError **err)
{
    const char *sync = arg_str(args, "sync");
    BlockNode *image = block_skip_filters(source);
    g_autoptr(Opts) opts = opts_new();
    opts_setf(opts, "size", "%" G_GINT64_FORMAT, source->size);
    /* A target that gets only the top lies on what the source lies on. */
    BlockNode *backing = !g_strcmp0(sync, "top")    ? image->backing
                         : !g_strcmp0(sync, "none") ? image
                                                    : NULL;
    if (backing) {
        g_autofree char *name = block_backing_name(filename, backing);
        opts_set(opts, "backing_file", name);
        opts_set(opts, "backing_fmt", backing->drv->name);
    }
    return block_create(filename, format, opts, err);
}

static BlockNode *open_target(BlockNode *source, const Value *args, GError **err)
{
    const char *filename = arg_str(args, "target"), *format = arg_str(args, "format");
    const char *mode = arg_str(args, "mode");
    g_autoptr(Opts) opts = opts_new();
    if (!filename) {
        arg_missing(err, "target");
        return NULL;
    }
    format = format ? format : block_skip_filters(source)->drv->name;
    if (g_strcmp0(mode, "existing") && !create_target(source, args, filename, format, err)) {
        return NULL;
    }
    if (arg_str(args, "node-name") && arg_str(args, "device")) {
        opts_set(opts, "node-name", arg_str(args, "node-name"));
    }
    unsigned keep = BLOCK_DIRECT | BLOCK_NO_FLUSH | BLOCK_AIO_NATIVE | BLOCK_AIO_URING;
    BlockNode *node =
        block_open(filename, format, opts,
                   BLOCK_RDWR | BLOCK_UNMAP | BLOCK_NO_BACKING | (source->flags & keep), err);
    if (node && node->size != source->size &&
        !block_truncate(node, source->size, BLOCK_PREALLOC_OFF, err)) {
        block_unref(node);
        return NULL;
    }
    if (node) {
        block_name_node(node);
    }
    return node;
}

BlockNode *job_target(BlockNode *source, const Value *args, bool blockdev, GError **err)
{
    const char *name = arg_str(args, "target");
    BlockNode *node = blockdev && name ? block_find_node(name) : NULL;
    if (!name) {
        arg_missing(err, "target");
        return NULL;
    }
    if (!blockdev) {
        return open_target(source, args, err);
    }
    if (!node) {
        g_set_error(err, BLOCK_ERROR, ENOENT, "Cannot find device='%s' nor node-name='%s'", name,
                    name);
        return NULL;
    }
    if (node == source) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "Source and target cannot be the same");
        return NULL;
    }
    return block_ref(node);
}

int job_copy(BlockNode *from, BlockNode *to, int64_t off, int64_t len, bool unmap, uint8_t *buf,
             bool *source)
{
    BlockExtent ext = { 0 };
    *source = true;
    int ret = block_status_above(from, NULL, off, len, &ext);
    bool zero = !ret && ext.flags & BLOCK_EXTENT_ZERO && ext.len >= len;
    if (!zero) {
        ret = block_pread(from, off, buf, len);
    }
    if (ret) {
        return ret;
    }
    *source = false;
    return zero || block_is_zero(buf, len)
               ? block_write_zeroes(to, off, len, unmap ? BLOCK_ZERO_MAY_UNMAP : 0)
               : block_pwrite(to, off, buf, len);
}
