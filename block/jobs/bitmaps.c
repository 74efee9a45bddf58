/* SPDX-License-Identifier: MIT */
/* block-dirty-bitmap-*: bitmaps that a format keeps in the image, and those in memory only. */
#include "block/job-int.h"
#include <errno.h>

static void bitmap_mark(BlockWatcher *w, int64_t off, int64_t len)
{
    DirtyBitmap *b = (DirtyBitmap *)w;
    if (b->enabled) {
        dirty_mark(&b->map, off, len);
    }
}

static void bitmap_free(DirtyBitmap *b)
{
    block_unwatch(b->node, &b->watcher);
    block_unref(b->node);
    dirty_clear(&b->map);
    g_free(b->name);
    g_free(b);
}

void block_bitmaps_free(BlockSystem *sys)
{
    for (unsigned i = 0; i < sys->bitmaps->len; i++) {
        bitmap_free(g_ptr_array_index(sys->bitmaps, i));
    }
    g_ptr_array_free(sys->bitmaps, true);
}

DirtyBitmap *block_bitmap_find(BlockSystem *sys, BlockNode *node, const char *name)
{
    for (unsigned i = 0; i < sys->bitmaps->len; i++) {
        DirtyBitmap *b = g_ptr_array_index(sys->bitmaps, i);
        if (b->node == node && !strcmp(b->name, name)) {
            return b;
        }
    }
    return NULL;
}

static BlockBitmap *find_stored(BlockNode *node, const char *name)
{
    g_autoptr(GPtrArray) list = node->drv->bitmap_list ? node->drv->bitmap_list(node, NULL) : NULL;
    for (unsigned i = 0; list && i < list->len; i++) {
        BlockBitmap *bm = g_ptr_array_index(list, i);
        if (!strcmp(bm->name, name)) {
            return bm;
        }
    }
    return NULL;
}

static bool no_bitmap(GError **err, const char *name)
{
    g_set_error(err, BLOCK_ERROR, ENOENT, "Dirty bitmap '%s' not found", name);
    return false;
}

bool block_bitmap_copy(BlockSystem *sys, BlockNode *node, const char *name, DirtyMap *map,
                       bool clear, GError **err)
{
    DirtyBitmap *b = block_bitmap_find(sys, node, name);
    BlockBitmap *bm = b ? NULL : find_stored(node, name);
    if (!b && !bm) {
        return no_bitmap(err, name);
    }
    if (bm && !node->drv->bitmap_load(node, bm, err)) {
        return false;
    }
    for (uint64_t i = 0; b && (i = dirty_next(&b->map, i)) < b->map.n; i++) {
        dirty_mark(map, dirty_offset(&b->map, i), dirty_length(&b->map, i));
        if (clear) {
            dirty_take(&b->map, i);
        }
    }
    for (uint64_t i = 0; bm && i < bm->nbits; i++) {
        if (bit_test(bm->bits, i)) {
            dirty_mark(map, (int64_t)(i << bm->granularity_bits), 1LL << bm->granularity_bits);
        }
    }
    return !bm || !clear || node->drv->bitmap_op(node, BLOCK_BITMAP_CLEAR, name, 0, err);
}

void block_bitmap_restore(BlockSystem *sys, BlockNode *node, const char *name, const DirtyMap *map)
{
    DirtyBitmap *b = block_bitmap_find(sys, node, name);
    BlockBitmap *bm = b ? NULL : find_stored(node, name);
    if (bm && !node->drv->bitmap_load(node, bm, NULL)) {
        return;
    }
    for (uint64_t i = 0; (b || bm) && (i = dirty_next(map, i)) < map->n; i++) {
        int64_t off = dirty_offset(map, i), len = dirty_length(map, i);
        if (b) {
            dirty_mark(&b->map, off, len);
        }
        for (uint64_t j = off >> (bm ? bm->granularity_bits : 0);
             bm && j < bm->nbits && (int64_t)(j << bm->granularity_bits) < off + len; j++) {
            bit_set(bm->bits, j);
        }
    }
    if (bm) {
        node->drv->bitmap_store(node, bm, NULL);
    }
}

static bool add(BlockSystem *sys, BlockNode *node, const char *name, const Value *args,
                GError **err)
{
    int64_t granularity = arg_int(args, "granularity", 0);
    if (block_bitmap_find(sys, node, name) || find_stored(node, name)) {
        g_set_error(err, BLOCK_ERROR, EEXIST, "Bitmap already exists: %s", name);
        return false;
    }
    if (arg_bool(args, "persistent", false)) {
        if (!node->drv->bitmap_op) {
            g_set_error(err, BLOCK_ERROR, ENOTSUP, "Cannot store dirty bitmaps in format '%s'",
                        node->drv->name);
            return false;
        }
        return node->drv->bitmap_op(node, BLOCK_BITMAP_ADD, name, granularity, err) &&
               (!arg_bool(args, "disabled", false) ||
                node->drv->bitmap_op(node, BLOCK_BITMAP_DISABLE, name, 0, err));
    }
    DirtyBitmap *b = g_new0(DirtyBitmap, 1);
    if (!dirty_init(&b->map, node->size, granularity ? MAX(granularity, 0) : 65536, err)) {
        g_free(b);
        return false;
    }
    b->node = block_ref(node);
    b->name = g_strdup(name);
    b->enabled = !arg_bool(args, "disabled", false);
    b->watcher.after = bitmap_mark;
    block_watch(node, &b->watcher);
    g_ptr_array_add(sys->bitmaps, b);
    return true;
}

/* "bitmaps" of the arguments into the bitmap "target". */
static bool merge(BlockSystem *sys, BlockNode *node, const Value *args, GError **err)
{
    const char *target = arg_str(args, "target");
    const Value *list = value_get(args, "bitmaps");
    DirtyMap map;
    if (!target || !list || list->type != VALUE_LIST) {
        return arg_missing(err, target ? "bitmaps" : "target");
    }
    if (!block_bitmap_find(sys, node, target) && !find_stored(node, target)) {
        return no_bitmap(err, target);
    }
    if (!dirty_init(&map, node->size, 512, err)) {
        return false;
    }
    bool ok = true;
    for (unsigned i = 0; i < list->items->len && ok; i++) {
        const Value *v = g_ptr_array_index(list->items, i);
        const char *from = v->type == VALUE_STRING ? v->str : arg_str(v, "name");
        const char *other = v->type == VALUE_DICT ? arg_str(v, "node") : NULL;
        BlockNode *n = other ? block_system_node(sys, other, err) : node;
        ok = n && (from ? block_bitmap_copy(sys, block_skip_filters(n), from, &map, false, err)
                        : arg_missing(err, "name"));
    }
    if (ok) {
        block_bitmap_restore(sys, node, target, &map);
    }
    dirty_clear(&map);
    return ok;
}

static bool change(BlockSystem *sys, BlockNode *node, const char *what, const char *name,
                   GError **err)
{
    static const char *const names[] = { "add", "remove", "clear", "enable", "disable", NULL };
    DirtyBitmap *b = block_bitmap_find(sys, node, name);
    BlockBitmapOp op = BLOCK_BITMAP_ADD;
    while (strcmp(names[op], what)) {
        op++;
    }
    if (!b) {
        return find_stored(node, name) ? node->drv->bitmap_op(node, op, name, 0, err)
                                       : no_bitmap(err, name);
    }
    switch (op) {
    case BLOCK_BITMAP_REMOVE:
        g_ptr_array_remove(sys->bitmaps, b);
        bitmap_free(b);
        break;
    case BLOCK_BITMAP_CLEAR:
        for (uint64_t i = 0; (i = dirty_next(&b->map, i)) < b->map.n; i++) {
            dirty_take(&b->map, i);
        }
        break;
    default:
        b->enabled = op == BLOCK_BITMAP_ENABLE;
    }
    return true;
}

/* A bitmap as it was before a command of a transaction. */
typedef struct Before {
    BlockSystem *sys;
    BlockNode *node; /* a reference */
    char *name;
    bool existed, persistent, enabled;
    int64_t granularity;
    DirtyMap map;
} Before;

static void forget_before(void *opaque)
{
    Before *b = opaque;
    dirty_clear(&b->map);
    block_unref(b->node);
    g_free(b->name);
    g_free(b);
}

static bool remember(BlockSystem *sys, BlockNode *node, const char *name, Before **out,
                     GError **err)
{
    DirtyBitmap *b = block_bitmap_find(sys, node, name);
    BlockBitmap *bm = b ? NULL : find_stored(node, name);
    Before *was = g_new0(Before, 1);
    was->sys = sys;
    was->node = block_ref(node);
    was->name = g_strdup(name);
    was->existed = b || bm;
    was->persistent = bm != NULL;
    was->enabled = b ? b->enabled : bm && bm->enabled;
    was->granularity = b    ? 1LL << b->map.bits_shift
                       : bm ? 1LL << bm->granularity_bits
                            : BLOCK_SECTOR;
    bool ok = !was->existed || (dirty_init(&was->map, node->size, was->granularity, err) &&
                                block_bitmap_copy(sys, node, name, &was->map, false, err));
    if (!ok) {
        forget_before(was);
    }
    *out = ok ? was : NULL;
    return ok;
}

static bool make_again(const Before *b, GError **err)
{
    g_autoptr(Value) args = value_new(VALUE_DICT);
    value_set_int(args, "granularity", b->granularity);
    value_set_bool(args, "persistent", b->persistent);
    value_set_bool(args, "disabled", !b->enabled);
    return add(b->sys, b->node, b->name, args, err);
}

static void restore_before(void *opaque)
{
    Before *b = opaque;
    GError *err = NULL;
    bool there = block_bitmap_find(b->sys, b->node, b->name) || find_stored(b->node, b->name);
    const char *what = !b->existed ? "remove" : b->enabled ? "enable" : "disable";
    if (there ? !change(b->sys, b->node, what, b->name, &err)
              : b->existed && !make_again(b, &err)) {
        g_printerr("transaction: bitmap '%s' could not be restored: %s\n", b->name, err->message);
        g_error_free(err);
    } else if (b->existed) {
        block_bitmap_restore(b->sys, b->node, b->name, &b->map);
    }
    forget_before(b);
}

static bool run_command(BlockSystem *sys, BlockNode *node, const char *what, const char *name,
                        const Value *args, GError **err)
{
    Before *before = NULL;
    if (sys->txn && !remember(sys, node, name, &before, err)) {
        return false;
    }
    bool ok = !strcmp(what, "add")     ? add(sys, node, name, args, err)
              : !strcmp(what, "merge") ? merge(sys, node, args, err)
                                       : change(sys, node, what, name, err);
    if (before) {
        block_txn_push(sys, forget_before, restore_before, before);
    }
    return ok;
}

bool block_bitmap_command(BlockSystem *sys, const char *what, const Value *args, GError **err)
{
    const char *key = strcmp(what, "merge") ? "name" : "target", *name = arg_str(args, key);
    BlockNode *node = arg_node(sys, args, err);
    if (!node || !name) {
        return node ? arg_missing(err, key) : false;
    }
    block_gate_close(sys->loop);
    bool ok = run_command(sys, node, what, name, args, err);
    block_gate_open(sys->loop);
    return ok;
}
