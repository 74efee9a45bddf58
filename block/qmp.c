/* SPDX-License-Identifier: MIT */
/* QMP commands of the block layer, a row each. */
#include "block/qmp.h"
#include "block/job-int.h"
#include "block/nbd/service.h"
#include "block/secret.h"
#include <errno.h>

/* What answers with nothing but success, and what answers with a value. */
typedef bool Action(BlockSystem *sys, const Value *args, GError **err);
typedef Value *Query(BlockSystem *sys, const Value *args, GError **err);

static bool add_blockdev(BlockSystem *sys, const Value *args, GError **err)
{
    g_autofree char *json = value_to_json(args, false);
    return block_system_blockdev_add(sys, json, err);
}

static bool del_blockdev(BlockSystem *sys, const Value *args, GError **err)
{
    const char *name = arg_str(args, "node-name");
    return name ? block_system_blockdev_del(sys, name, err) : arg_missing(err, "node-name");
}

static bool add_object(BlockSystem *sys, const Value *args, GError **err)
{
    g_autofree char *json = value_to_json(args, false);
    (void)sys;
    return block_object_add(json, err);
}

static bool del_object(BlockSystem *sys, const Value *args, GError **err)
{
    const char *id = arg_str(args, "id");
    (void)sys;
    return id ? block_object_del(id, err) : arg_missing(err, "id");
}

static bool drive_mirror(BlockSystem *sys, const Value *args, GError **err)
{
    return job_mirror(sys, args, false, err);
}

static bool blockdev_mirror(BlockSystem *sys, const Value *args, GError **err)
{
    return job_mirror(sys, args, true, err);
}

static bool drive_backup(BlockSystem *sys, const Value *args, GError **err)
{
    return job_backup(sys, args, false, err);
}

static bool blockdev_backup(BlockSystem *sys, const Value *args, GError **err)
{
    return job_backup(sys, args, true, err);
}

#define BITMAP_ACTION(fn, what)                                       \
    static bool fn(BlockSystem *sys, const Value *args, GError **err) \
    {                                                                 \
        return block_bitmap_command(sys, what, args, err);            \
    }
BITMAP_ACTION(bitmap_add, "add")
BITMAP_ACTION(bitmap_remove, "remove")
BITMAP_ACTION(bitmap_clear, "clear")
BITMAP_ACTION(bitmap_enable, "enable")
BITMAP_ACTION(bitmap_disable, "disable")
BITMAP_ACTION(bitmap_merge, "merge")

/* The job of the arguments, if its state allows what is asked. */
static BlockJob *job_arg(BlockSystem *sys, const Value *args, JobVerb verb, GError **err)
{
    const char *id = arg_str(args, "device");
    id = id ? id : arg_str(args, "id");
    if (!id) {
        arg_missing(err, "device");
        return NULL;
    }
    BlockJob *job = block_job_find(sys, id, err);
    return job && block_job_allows(job, verb, err) ? job : NULL;
}

static bool job_cancel(BlockSystem *sys, const Value *args, GError **err)
{
    BlockJob *job = job_arg(sys, args, JOB_VERB_CANCEL, err);
    if (job) {
        block_job_cancel(job, arg_bool(args, "force", false));
    }
    return job != NULL;
}

static bool job_finalize(BlockSystem *sys, const Value *args, GError **err)
{
    BlockJob *job = job_arg(sys, args, JOB_VERB_FINALIZE, err);
    if (job) {
        block_job_finalize(job);
    }
    return job != NULL;
}

static bool job_dismiss(BlockSystem *sys, const Value *args, GError **err)
{
    BlockJob *job = job_arg(sys, args, JOB_VERB_DISMISS, err);
    if (job) {
        block_job_dismiss(job);
    }
    return job != NULL;
}

static bool job_complete(BlockSystem *sys, const Value *args, GError **err)
{
    BlockJob *job = job_arg(sys, args, JOB_VERB_COMPLETE, err);
    return job && block_job_complete(job, err);
}

static bool job_pause(BlockSystem *sys, const Value *args, GError **err)
{
    BlockJob *job = job_arg(sys, args, JOB_VERB_PAUSE, err);
    if (job) {
        block_job_pause(job, true);
    }
    return job != NULL;
}

static bool job_resume(BlockSystem *sys, const Value *args, GError **err)
{
    BlockJob *job = job_arg(sys, args, JOB_VERB_RESUME, err);
    if (job) {
        block_job_pause(job, false);
    }
    return job != NULL;
}

static bool job_speed(BlockSystem *sys, const Value *args, GError **err)
{
    BlockJob *job = job_arg(sys, args, JOB_VERB_SET_SPEED, err);
    int64_t speed = arg_int(args, "speed", -1);
    if (job && speed < 0) {
        return arg_missing(err, "speed");
    }
    if (job) {
        block_job_set_speed(job, speed);
    }
    return job != NULL;
}

/* All whose root it is, or lies on, are told. */
static void tell_resized(BlockSystem *sys, BlockNode *node)
{
    for (unsigned i = 0; i < sys->backends->len; i++) {
        BlockBackend *blk = g_ptr_array_index(sys->backends, i);
        if (blk->root && block_skip_filters(blk->root) == node) {
            block_getlength(blk->root);
            blk_notify_resize(blk);
        }
    }
}

static bool resize(BlockSystem *sys, const Value *args, GError **err)
{
    int64_t size = arg_int(args, "size", -1);
    BlockNode *node = arg_node(sys, args, err);
    if (!node || size < 0 || block_job_busy(sys, node, err)) {
        return node && size < 0 ? arg_missing(err, "size") : false;
    }
    block_gate_close(sys->loop);
    bool ok = block_truncate(node, size, BLOCK_PREALLOC_OFF, err);
    if (ok) {
        tell_resized(sys, node);
    }
    block_gate_open(sys->loop);
    return ok;
}

/* An overlay, and what it was put on: a reference of each. */
typedef struct OnTop {
    BlockSystem *sys;
    BlockNode *node, *overlay;
} OnTop;

static void keep_on_top(void *opaque)
{
    OnTop *o = opaque;
    block_unref(o->overlay);
    block_unref(o->node);
    g_free(o);
}

static void take_off_again(void *opaque)
{
    OnTop *o = opaque;
    block_system_replace_node(o->sys, o->overlay, o->node);
    block_unref(g_steal_pointer(&o->overlay->backing));
    keep_on_top(o);
}

/* Puts `overlay` on `node` wherever that is used. */
static bool put_on_top(BlockSystem *sys, BlockNode *node, BlockNode *overlay, GError **err)
{
    block_gate_close(sys->loop);
    int ret = block_flush(node);
    if (!ret) {
        overlay->backing = block_ref(node);
        block_system_replace_node(sys, node, overlay);
        OnTop *o = g_new(OnTop, 1);
        *o = (OnTop){ sys, block_ref(node), block_ref(overlay) };
        block_txn_push(sys, keep_on_top, take_off_again, o);
    }
    block_gate_open(sys->loop);
    if (ret) {
        g_set_error(err, BLOCK_ERROR, -ret, "Could not flush '%s': %s", node->filename,
                    g_strerror(-ret));
    }
    return ret == 0;
}

static bool snapshot_sync(BlockSystem *sys, const Value *args, GError **err)
{
    const char *file = arg_str(args, "snapshot-file"), *format = arg_str(args, "format");
    const char *name = arg_str(args, "snapshot-node-name");
    BlockNode *node = arg_node(sys, args, err);
    g_autoptr(Opts) create = opts_new(), open = opts_new();
    format = format ? format : "qcow2";
    if (!node || !file || block_job_busy(sys, node, err)) {
        return node && !file ? arg_missing(err, "snapshot-file") : false;
    }
    opts_setf(create, "size", "%" G_GINT64_FORMAT, node->size);
    g_autofree char *backing = block_backing_name(file, node);
    opts_set(create, "backing_file", backing);
    opts_set(create, "backing_fmt", node->drv->name);
    if (g_strcmp0(arg_str(args, "mode"), "existing") && !block_create(file, format, create, err)) {
        return false;
    }
    if (name) {
        opts_set(open, "node-name", name);
    }
    BlockNode *overlay = block_open(file, format, open, node->flags | BLOCK_NO_BACKING, err);
    if (!overlay) {
        return false;
    }
    overlay->flags &= ~(unsigned)BLOCK_NO_BACKING;
    block_name_node(overlay);
    bool ok = put_on_top(sys, node, overlay, err);
    block_unref(overlay);
    return ok;
}

/* blockdev-snapshot: the overlay is a node that was added with backing=null. */
static bool snapshot_node(BlockSystem *sys, const Value *args, GError **err)
{
    const char *name = arg_str(args, "overlay");
    BlockNode *node = arg_node(sys, args, err);
    BlockNode *overlay = node && name ? block_system_node(sys, name, err) : NULL;
    if (!overlay || block_job_busy(sys, node, err)) {
        return node && !name ? arg_missing(err, "overlay") : false;
    }
    if (overlay->backing || overlay == node) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "The overlay already has a backing image");
        return false;
    }
    return put_on_top(sys, node, overlay, err);
}

static bool change_backing(BlockSystem *sys, const Value *args, GError **err)
{
    const char *image = arg_str(args, "image-node-name"), *file = arg_str(args, "backing-file");
    BlockNode *node = image ? block_system_node(sys, image, err) : arg_node(sys, args, err);
    if (!node || !file) {
        return node ? arg_missing(err, "backing-file") : false;
    }
    node = block_skip_filters(node);
    if (!node->drv->change_backing || !node->backing) {
        g_set_error(err, BLOCK_ERROR, ENOTSUP, "'%s' has no backing file that could be changed",
                    node->filename);
        return false;
    }
    block_gate_close(sys->loop);
    bool ok = node->drv->change_backing(node, file, node->backing->drv->name, err);
    block_gate_open(sys->loop);
    return ok;
}

/* A snapshot in an image that a failing transaction made. */
typedef struct Internal {
    BlockNode *node; /* a reference */
    char *name;
} Internal;

static void internal_keep(void *opaque)
{
    Internal *in = opaque;
    block_unref(in->node);
    g_free(in->name);
    g_free(in);
}

static void internal_undo(void *opaque)
{
    Internal *in = opaque;
    GError *err = NULL;
    if (!in->node->drv->snapshot_delete(in->node, in->name, &err)) {
        g_printerr("transaction: snapshot '%s' remains: %s\n", in->name, err->message);
        g_error_free(err);
    }
    internal_keep(in);
}

/* Internal snapshots. */
static bool internal(BlockSystem *sys, const Value *args, bool create, GError **err)
{
    const char *name = arg_str(args, "name");
    BlockNode *node = arg_node(sys, args, err);
    if (!node || !name) {
        return node ? arg_missing(err, "name") : false;
    }
    bool (*op)(BlockNode *, const char *, GError **) =
        create ? node->drv->snapshot_create : node->drv->snapshot_delete;
    if (!op) {
        g_set_error(err, BLOCK_ERROR, ENOTSUP,
                    "Block format '%s' does not support internal "
                    "snapshots",
                    node->drv->name);
        return false;
    }
    block_gate_close(sys->loop);
    bool ok = op(node, name, err);
    block_gate_open(sys->loop);
    if (ok && create) {
        Internal *in = g_new(Internal, 1);
        *in = (Internal){ block_ref(node), g_strdup(name) };
        block_txn_push(sys, internal_keep, internal_undo, in);
    }
    return ok;
}

static bool internal_create(BlockSystem *sys, const Value *args, GError **err)
{
    return internal(sys, args, true, err);
}

static bool internal_delete(BlockSystem *sys, const Value *args, GError **err)
{
    return internal(sys, args, false, err);
}

/* eject and blockdev-change-medium. */
static bool set_medium(BlockSystem *sys, const Value *args, BlockNode *node, GError **err)
{
    const char *id = arg_str(args, "device");
    id = id ? id : arg_str(args, "id");
    BlockBackend *blk = id ? block_system_find_backend(sys, id) : NULL;
    if (!blk) {
        g_set_error(err, BLOCK_ERROR, ENOENT, "Device '%s' not found", id ? id : "");
        return false;
    }
    if (!arg_bool(args, "force", false) && blk->media && blk->media->locked(blk->media_opaque)) {
        blk->media->eject_request(blk->media_opaque);
        g_set_error(err, BLOCK_ERROR, EBUSY,
                    "Device '%s' is locked and force was not specified, wait for tray to open and "
                    "try again",
                    id);
        return false;
    }
    if (blk->root && block_job_busy(sys, blk->root, err)) {
        return false;
    }
    block_gate_close(sys->loop);
    blk_set_node(blk, node);
    block_gate_open(sys->loop);
    blk_notify_resize(blk);
    return true;
}

static bool eject(BlockSystem *sys, const Value *args, GError **err)
{
    return set_medium(sys, args, NULL, err);
}

static bool change_medium(BlockSystem *sys, const Value *args, GError **err)
{
    const char *file = arg_str(args, "filename"), *mode = arg_str(args, "read-only-mode");
    if (!file) {
        return arg_missing(err, "filename");
    }
    unsigned flags = !g_strcmp0(mode, "read-only") ? 0 : BLOCK_RDWR | BLOCK_AUTO_RO;
    BlockNode *node = block_open(file, arg_str(args, "format"), NULL, flags, err);
    bool ok = node && set_medium(sys, args, node, err);
    if (node && ok) {
        block_name_node(node);
    }
    block_unref(node);
    return ok;
}

/* One of the nodes of blockdev-reopen, with all its options. */
static bool reopen_one(BlockSystem *sys, const Value *options, GError **err)
{
    const char *name = arg_str(options, "node-name");
    BlockNode *node = name ? block_find_node(name) : NULL;
    g_autofree char *json = value_to_json(options, false);
    g_autoptr(Opts) opts = opts_new();
    if (!node) {
        g_set_error(err, BLOCK_ERROR, ENOENT, "Failed to find node with node-name='%s'",
                    name ? name : "");
        return false;
    }
    if (!opts_parse_json(opts, json, err) || !block_references_exist(opts, err) ||
        block_job_busy(sys, node, err)) {
        return false;
    }
    const unsigned keep = BLOCK_AIO_NATIVE | BLOCK_AIO_URING;
    return block_reopen(node, opts, BLOCK_RDWR | (node->flags & keep), err);
}

static bool reopen(BlockSystem *sys, const Value *args, GError **err)
{
    const Value *list = value_get(args, "options");
    bool ok = list && list->type == VALUE_LIST;
    if (!ok) {
        return arg_missing(err, "options");
    }
    block_gate_close(sys->loop);
    for (unsigned i = 0; i < list->items->len && ok; i++) {
        ok = reopen_one(sys, g_ptr_array_index(list->items, i), err);
    }
    block_gate_open(sys->loop);
    return ok;
}

/* Children come and go in none of the drivers that there are. */
static bool change_children(BlockSystem *sys, const Value *args, GError **err)
{
    const char *parent = arg_str(args, "parent");
    BlockNode *node = parent ? block_system_node(sys, parent, err) : NULL;
    if (!parent) {
        return arg_missing(err, "parent");
    }
    if (node) {
        g_set_error(err, BLOCK_ERROR, ENOTSUP, "The node %s does not support %s a child",
                    node->node_name ? node->node_name : parent,
                    value_get(args, "node") ? "adding" : "removing");
    }
    return false;
}

/* A throttle filter right below the device comes, changes, or goes when nothing is limited. */
static bool set_io_throttle(BlockSystem *sys, const Value *args, GError **err)
{
    const char *id = arg_str(args, "id");
    id = id ? id : arg_str(args, "device");
    BlockBackend *blk = id ? block_system_find_backend(sys, id) : NULL;
    if (!blk || !blk->root) {
        g_set_error(err, BLOCK_ERROR, ENOENT,
                    blk ? "Device '%s' has no medium" : "Device '%s' not found", id ? id : "");
        return false;
    }
    g_autoptr(Opts) filter = opts_new();
    bool limited = false;
    if (!drive_throttle_opts(args, filter, &limited, err)) {
        return false;
    }
    block_gate_close(sys->loop);
    bool had = blk->root->drv == block_driver_find("throttle");
    g_autoptr(BlockNode) below = block_ref(had ? blk->root->file : blk->root);
    g_autoptr(BlockNode) top = NULL;
    if (limited) {
        block_name_node(below);
        opts_set(filter, "file", below->node_name);
        top = block_open(NULL, NULL, filter, below->flags, err);
    }
    if (top || !limited) {
        blk_set_node(blk, top ? top : below);
    }
    block_gate_open(sys->loop);
    return top || !limited;
}

static Value *describe_node(BlockNode *node)
{
    Value *v = value_new(VALUE_DICT), *image = value_new(VALUE_DICT);
    value_set_string(v, "node-name", node->node_name ? node->node_name : "");
    value_set_string(v, "drv", node->drv->name);
    value_set_string(v, "file", node->filename);
    value_set_bool(v, "ro", !(node->flags & BLOCK_RDWR));
    value_set_bool(v, "encrypted", node->encrypted);
    if (node->backing) {
        value_set_string(v, "backing_file", node->backing->filename);
    }
    value_set_string(image, "filename", node->filename);
    value_set_string(image, "format", node->drv->name);
    value_set_int(image, "virtual-size", node->size);
    value_set(v, "image", image);
    return v;
}

static Value *query_block(BlockSystem *sys, const Value *args, GError **err)
{
    Value *list = value_new(VALUE_LIST);
    (void)args;
    (void)err;
    for (unsigned i = 0; i < sys->backends->len; i++) {
        BlockBackend *blk = g_ptr_array_index(sys->backends, i);
        BlockDrive *d = block_system_find_drive(sys, blk_name(blk));
        Value *v = value_append(list, value_new(VALUE_DICT));
        value_set_string(v, "device", blk_name(blk));
        value_set_string(v, "type", "unknown");
        value_set_bool(v, "removable", blk->media || (d && d->cdrom));
        value_set_bool(v, "locked", blk->media && blk->media->locked(blk->media_opaque));
        if (blk->media) {
            value_set_bool(v, "tray_open", blk->media->tray_open(blk->media_opaque));
        }
        value_set_string(v, "io-status", blk->held ? "failed" : "ok");
        if (blk->root) {
            value_set(v, "inserted", describe_node(block_skip_filters(blk->root)));
        }
    }
    return list;
}

static Value *query_nodes(BlockSystem *sys, const Value *args, GError **err)
{
    Value *list = value_new(VALUE_LIST);
    (void)args;
    (void)err;
    for (unsigned i = 0; i < sys->blockdevs->len; i++) {
        value_append(list, describe_node(g_ptr_array_index(sys->blockdevs, i)));
    }
    for (unsigned i = 0; i < sys->backends->len; i++) {
        BlockBackend *blk = g_ptr_array_index(sys->backends, i);
        for (BlockNode *n = blk->root; n; n = n->drv->is_filter ? n->file : n->backing) {
            value_append(list, describe_node(n));
        }
    }
    return list;
}

static Value *query_stats(BlockSystem *sys, const Value *args, GError **err)
{
    Value *list = value_new(VALUE_LIST);
    (void)args;
    (void)err;
    for (unsigned i = 0; i < sys->backends->len; i++) {
        BlockBackend *blk = g_ptr_array_index(sys->backends, i);
        BlockStats s;
        blk_stats(blk, &s);
        Value *v = value_append(list, value_new(VALUE_DICT));
        value_set_string(v, "device", blk_name(blk));
        Value *d = value_set(v, "stats", value_new(VALUE_DICT));
        value_set_int(d, "rd_bytes", s.rd_bytes);
        value_set_int(d, "wr_bytes", s.wr_bytes);
        value_set_int(d, "unmap_bytes", s.unmap_bytes);
        value_set_int(d, "rd_operations", s.rd_operations);
        value_set_int(d, "wr_operations", s.wr_operations);
        value_set_int(d, "flush_operations", s.flush_operations);
        value_set_int(d, "unmap_operations", s.unmap_operations);
    }
    return list;
}

static Value *query_jobs(BlockSystem *sys, const Value *args, GError **err)
{
    (void)args;
    (void)err;
    return block_jobs_query(sys, true);
}

static Value *query_block_jobs(BlockSystem *sys, const Value *args, GError **err)
{
    (void)args;
    (void)err;
    return block_jobs_query(sys, false);
}

static Value *query_exports(BlockSystem *sys, const Value *args, GError **err)
{
    (void)args;
    (void)err;
    return nbd_service_query(sys);
}

static const struct {
    const char *name;
    Action *action;
    Query *query;
} commands[] = {
    { "blockdev-add", add_blockdev, NULL },
    { "blockdev-del", del_blockdev, NULL },
    { "object-add", add_object, NULL },
    { "object-del", del_object, NULL },
    { "block-stream", job_stream, NULL },
    { "block-commit", job_commit, NULL },
    { "drive-mirror", drive_mirror, NULL },
    { "blockdev-mirror", blockdev_mirror, NULL },
    { "drive-backup", drive_backup, NULL },
    { "blockdev-backup", blockdev_backup, NULL },
    { "block-job-cancel", job_cancel, NULL },
    { "block-job-complete", job_complete, NULL },
    { "block-job-pause", job_pause, NULL },
    { "block-job-resume", job_resume, NULL },
    { "block-job-set-speed", job_speed, NULL },
    { "block-job-finalize", job_finalize, NULL },
    { "block-job-dismiss", job_dismiss, NULL },
    { "job-cancel", job_cancel, NULL },
    { "job-finalize", job_finalize, NULL },
    { "job-dismiss", job_dismiss, NULL },
    { "job-complete", job_complete, NULL },
    { "job-pause", job_pause, NULL },
    { "job-resume", job_resume, NULL },
    { "block-dirty-bitmap-add", bitmap_add, NULL },
    { "block-dirty-bitmap-remove", bitmap_remove, NULL },
    { "block-dirty-bitmap-clear", bitmap_clear, NULL },
    { "block-dirty-bitmap-enable", bitmap_enable, NULL },
    { "block-dirty-bitmap-disable", bitmap_disable, NULL },
    { "block-dirty-bitmap-merge", bitmap_merge, NULL },
    { "transaction", block_transaction, NULL },
    { "block_resize", resize, NULL },
    { "block_set_io_throttle", set_io_throttle, NULL },
    { "blockdev-reopen", reopen, NULL },
    { "x-blockdev-change", change_children, NULL },
    { "blockdev-snapshot-sync", snapshot_sync, NULL },
    { "blockdev-snapshot", snapshot_node, NULL },
    { "blockdev-snapshot-internal-sync", internal_create, NULL },
    { "blockdev-snapshot-delete-internal-sync", internal_delete, NULL },
    { "change-backing-file", change_backing, NULL },
    { "eject", eject, NULL },
    { "blockdev-remove-medium", eject, NULL },
    { "blockdev-change-medium", change_medium, NULL },
    { "nbd-server-start", nbd_service_start, NULL },
    { "nbd-server-add", nbd_service_add, NULL },
    { "nbd-server-remove", nbd_service_remove, NULL },
    { "nbd-server-stop", nbd_service_stop_command, NULL },
    { "block-export-add", nbd_service_add, NULL },
    { "block-export-del", nbd_service_del, NULL },
    { "query-block", NULL, query_block },
    { "query-named-block-nodes", NULL, query_nodes },
    { "query-blockstats", NULL, query_stats },
    { "query-block-jobs", NULL, query_block_jobs },
    { "query-jobs", NULL, query_jobs },
    { "query-block-exports", NULL, query_exports },
};

static int find(const char *command)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (!strcmp(commands[i].name, command)) {
            return i;
        }
    }
    return -1;
}

bool block_qmp_knows(const char *command)
{
    return find(command) >= 0;
}

Value *block_qmp(BlockSystem *sys, const char *command, const Value *args, GError **err)
{
    int i = find(command);
    g_autoptr(Value) none = value_new(VALUE_DICT);
    args = args ? args : none;
    if (i < 0) {
        g_set_error(err, BLOCK_ERROR, ENOENT, "The command %s has not been found", command);
        return NULL;
    }
    if (args->type != VALUE_DICT) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "QMP input member 'arguments' must be an object");
        return NULL;
    }
    if (commands[i].query) {
        return commands[i].query(sys, args, err);
    }
    return commands[i].action(sys, args, err) ? value_new(VALUE_DICT) : NULL;
}
