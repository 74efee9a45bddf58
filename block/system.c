/* SPDX-License-Identifier: MIT */
/* The drives and nodes of a machine: who has what, error policy, pausing all of it. */
#include "block/system.h"
#include "block/job-int.h"
#include "block/nbd/service.h"
#include <errno.h>

static void drop_node(void *p)
{
    block_unref(p);
}

static void drop_backend(void *p)
{
    blk_unref(p);
}

BlockSystem *block_system_new(BlockLoop *loop, BlockInterface default_if, const BlockSystemOps *ops,
                              void *opaque)
{
    BlockSystem *sys = g_new0(BlockSystem, 1);
    sys->loop = loop;
    sys->default_if = default_if;
    sys->ops = ops ? *ops : (BlockSystemOps){ 0 };
    sys->opaque = opaque;
    sys->drives = g_ptr_array_new_with_free_func((GDestroyNotify)drive_free);
    sys->blockdevs = g_ptr_array_new_with_free_func(drop_node);
    sys->backends = g_ptr_array_new_with_free_func(drop_backend);
    sys->jobs = g_ptr_array_new();
    sys->bitmaps = g_ptr_array_new();
    return sys;
}

void block_system_free(BlockSystem *sys)
{
    block_jobs_cancel_all(sys);
    nbd_service_stop(sys);
    block_system_drain(sys);
    for (unsigned i = 0; i < sys->backends->len; i++) {
        blk_cancel_held(g_ptr_array_index(sys->backends, i));
    }
    block_loop_run(sys->loop);
    block_bitmaps_free(sys);
    for (unsigned i = 0; i < sys->backends->len; i++) {
        blk_set_node(g_ptr_array_index(sys->backends, i), NULL);
    }
    g_ptr_array_free(sys->drives, true);
    g_ptr_array_free(sys->backends, true);
    /* Overlays before what they lie on. */
    while (sys->blockdevs->len) {
        g_ptr_array_remove_index(sys->blockdevs, sys->blockdevs->len - 1);
    }
    g_ptr_array_free(sys->blockdevs, true);
    g_ptr_array_free(sys->jobs, true);
    g_free(sys);
}

BlockLoop *block_system_loop(BlockSystem *sys)
{
    return sys->loop;
}

void block_system_event(BlockSystem *sys, const char *name, Value *data)
{
    if (sys->ops.event) {
        sys->ops.event(sys->opaque, name, data);
    }
    value_free(data);
}

void block_system_io_error(BlockSystem *sys, BlockBackend *blk, bool write, int err,
                           BlockOnError action)
{
    Value *data = value_new(VALUE_DICT);
    value_set_string(data, "device", blk_name(blk));
    if (blk->root && blk->root->node_name) {
        value_set_string(data, "node-name", blk->root->node_name);
    }
    value_set_string(data, "operation", write ? "write" : "read");
    value_set_string(data, "action", block_on_error_names[action]);
    value_set_bool(data, "nospace", err == ENOSPC);
    value_set_string(data, "reason", g_strerror(err));
    if (action == BLOCK_ON_ERROR_STOP && sys->ops.stop) {
        sys->ops.stop(sys->opaque);
    }
    block_system_event(sys, "BLOCK_IO_ERROR", data);
}

static bool not_found(GError **err, const char *name)
{
    g_set_error(err, BLOCK_ERROR, ENOENT, "Cannot find device='%s' nor node-name='%s'", name, name);
    return false;
}

/* Children named by a bare word must be nodes: a file name there is an error, as -blockdev has no
 * file names. */
bool block_references_exist(const Opts *opts, GError **err)
{
    for (unsigned i = 0; i < opts_count(opts); i++) {
        const char *key = opts_key(opts, i), *last = strrchr(key, '.');
        const char *value = opts_get(opts, key);
        last = last ? last + 1 : key;
        bool child = !strcmp(last, "file") || !strcmp(last, "backing") ||
                     !strcmp(last, "data-file") || !strcmp(last, "image");
        if (child && *value && !block_find_node(value)) {
            return not_found(err, value);
        }
    }
    return true;
}

bool block_system_blockdev_add(BlockSystem *sys, const char *text, GError **err)
{
    g_autoptr(Opts) opts = opts_new();
    if (!(*text == '{' ? opts_parse_json(opts, text, err)
                       : opts_parse(opts, text, "driver", err))) {
        return false;
    }
    const char *missing = !opts_has(opts, "driver")      ? "driver"
                          : !opts_has(opts, "node-name") ? "node-name"
                                                         : NULL;
    if (missing) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "Parameter '%s' is missing", missing);
        return false;
    }
    if (!block_references_exist(opts, err)) {
        return false;
    }
    BlockNode *node = block_open(NULL, NULL, opts, BLOCK_RDWR, err);
    if (node) {
        g_ptr_array_add(sys->blockdevs, node);
    }
    return node != NULL;
}

bool block_system_blockdev_del(BlockSystem *sys, const char *node_name, GError **err)
{
    for (unsigned i = 0; i < sys->blockdevs->len; i++) {
        BlockNode *node = g_ptr_array_index(sys->blockdevs, i);
        if (!node->node_name || strcmp(node->node_name, node_name)) {
            continue;
        }
        if (g_atomic_int_get(&node->refs) > 1) {
            g_set_error(err, BLOCK_ERROR, EBUSY, "Block device %s is in use", node_name);
            return false;
        }
        g_ptr_array_remove_index(sys->blockdevs, i);
        return true;
    }
    g_set_error(err, BLOCK_ERROR, ENOENT, "Failed to find node with node-name='%s'", node_name);
    return false;
}

BlockDrive *block_system_drive_add(BlockSystem *sys, const char *text, GError **err)
{
    BlockDrive *drive = drive_parse(sys, text, err);
    if (drive) {
        g_ptr_array_add(sys->drives, drive);
        g_ptr_array_add(sys->backends, blk_ref(drive->blk));
    }
    return drive;
}

BlockDrive *block_system_drive_shortcut(BlockSystem *sys, const char *option, const char *filename,
                                        GError **err)
{
    static const struct {
        const char *option, *rest;
    } shortcuts[] = {
        { "hda", "index=0,media=disk" },    { "hdb", "index=1,media=disk" },
        { "hdc", "index=2,media=disk" },    { "hdd", "index=3,media=disk" },
        { "cdrom", "index=2,media=cdrom" }, { "fda", "if=floppy,index=0" },
        { "fdb", "if=floppy,index=1" },     { "pflash", "if=pflash" },
        { "mtdblock", "if=mtd" },           { "sd", "if=sd" },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(shortcuts); i++) {
        if (!strcmp(shortcuts[i].option, option)) {
            g_auto(GStrv) parts = g_strsplit(filename, ",", -1); /* commas are doubled */
            g_autofree char *name = g_strjoinv(",,", parts);
            g_autofree char *text = g_strdup_printf("%s,file=%s", shortcuts[i].rest, name);
            return block_system_drive_add(sys, text, err);
        }
    }
    g_set_error(err, BLOCK_ERROR, EINVAL, "-%s is not an option for a drive", option);
    return NULL;
}

unsigned block_system_drive_count(BlockSystem *sys)
{
    return sys->drives->len;
}

BlockDrive *block_system_drive(BlockSystem *sys, unsigned i)
{
    return g_ptr_array_index(sys->drives, i);
}

BlockDrive *block_system_find_drive(BlockSystem *sys, const char *id)
{
    for (unsigned i = 0; i < sys->drives->len; i++) {
        BlockDrive *d = g_ptr_array_index(sys->drives, i);
        if (!strcmp(d->id, id)) {
            return d;
        }
    }
    return NULL;
}

BlockBackend *block_system_find_backend(BlockSystem *sys, const char *name)
{
    BlockDrive *d = block_system_find_drive(sys, name);
    for (unsigned i = 0; !d && i < sys->backends->len; i++) {
        BlockBackend *blk = g_ptr_array_index(sys->backends, i);
        bool by_node = blk->root && blk->root->node_name && !strcmp(blk->root->node_name, name);
        if (by_node || !strcmp(blk_name(blk), name)) {
            return blk;
        }
    }
    return d ? d->blk : NULL;
}

BlockNode *block_system_node(BlockSystem *sys, const char *name, GError **err)
{
    BlockBackend *blk = block_system_find_backend(sys, name);
    BlockNode *node = blk ? blk->root : block_find_node(name);
    if (blk && !node) {
        g_set_error(err, BLOCK_ERROR, ENOMEDIUM, "Device '%s' has no medium", name);
    } else if (!node) {
        not_found(err, name);
    }
    return node;
}

static bool busy(GError **err, const char *name)
{
    g_set_error(err, BLOCK_ERROR, EBUSY, "Drive '%s' is already in use by another block device",
                name);
    return false;
}

BlockBackend *block_system_take(BlockSystem *sys, const char *name, GError **err)
{
    BlockDrive *d = block_system_find_drive(sys, name);
    if (d) {
        if (d->taken) {
            busy(err, name);
            return NULL;
        }
        d->taken = true;
        return blk_ref(d->blk);
    }
    BlockNode *node = block_find_node(name);
    if (!node) {
        g_set_error(err, BLOCK_ERROR, ENOENT, "Property 'drive' can't find value '%s'", name);
        return NULL;
    }
    if (block_system_find_backend(sys, name)) {
        busy(err, name);
        return NULL;
    }
    BlockBackend *blk = blk_new(sys->loop, node);
    blk->sys = sys;
    blk->on_write_error = BLOCK_ON_ERROR_ENOSPC;
    g_ptr_array_add(sys->backends, blk_ref(blk));
    return blk;
}

void block_system_give_back(BlockSystem *sys, BlockBackend *blk)
{
    bool of_drive = false;
    blk_drain(blk);
    blk_cancel_held(blk);
    for (unsigned i = 0; i < sys->drives->len; i++) {
        BlockDrive *d = g_ptr_array_index(sys->drives, i);
        if (d->blk == blk) {
            d->taken = false;
            of_drive = true;
        }
    }
    if (!of_drive) {
        g_ptr_array_remove(sys->backends, blk);
    }
    blk_unref(blk);
}

void block_system_resume(BlockSystem *sys)
{
    for (unsigned i = 0; i < sys->backends->len; i++) {
        blk_resume(g_ptr_array_index(sys->backends, i));
    }
}

void block_system_drain(BlockSystem *sys)
{
    for (unsigned i = 0; i < sys->backends->len; i++) {
        blk_drain(g_ptr_array_index(sys->backends, i));
    }
}

static void replace_below(BlockNode *node, BlockNode *from, BlockNode *to)
{
    while (node && node != to) {
        BlockNode **child = node->drv->is_filter ? &node->file : &node->backing;
        if (*child == from) {
            *child = block_ref(to);
            block_unref(from);
        }
        node = *child;
    }
}

void block_system_replace_node(BlockSystem *sys, BlockNode *from, BlockNode *to)
{
    block_ref(from); /* until all know of it */
    for (unsigned i = 0; i < sys->backends->len; i++) {
        BlockBackend *blk = g_ptr_array_index(sys->backends, i);
        if (blk->root == from) {
            blk_set_node(blk, to);
        } else {
            replace_below(blk->root, from, to);
        }
    }
    block_unref(from);
}
