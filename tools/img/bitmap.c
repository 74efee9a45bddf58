/* SPDX-License-Identifier: MIT */
/* latimer-img bitmap */
#include "tools/img/img.h"

typedef enum BitmapAction {
    ACTION_ADD,
    ACTION_REMOVE,
    ACTION_CLEAR,
    ACTION_ENABLE,
    ACTION_DISABLE,
    ACTION_MERGE,
} BitmapAction;

typedef struct Action {
    BitmapAction kind;
    const char *source;
} Action;

static BlockBitmap *find(BlockNode *node, const char *name)
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

static bool merge(BlockNode *node, BlockNode *from, const char *name, const char *source,
                  GError **err)
{
    BlockBitmap *dst = find(node, name), *src = find(from, source);
    if (!dst || !src) {
        g_set_error(err, BLOCK_ERROR, ENOENT, "Dirty bitmap '%s' not found", dst ? source : name);
        return false;
    }
    if (!node->drv->bitmap_load(node, dst, err) || !from->drv->bitmap_load(from, src, err)) {
        return false;
    }
    if (node->size != from->size) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "Bitmaps are of different sizes");
        return false;
    }
    img_merge_bitmap(dst, src, node->size);
    return node->drv->bitmap_store(node, dst, err);
}

static bool run(BlockNode *node, BlockNode *from, const Action *a, const char *name,
                uint32_t granularity, GError **err)
{
    static const struct {
        BitmapAction kind;
        BlockBitmapOp op;
    } ops[] = {
        { ACTION_ADD, BLOCK_BITMAP_ADD },         { ACTION_REMOVE, BLOCK_BITMAP_REMOVE },
        { ACTION_CLEAR, BLOCK_BITMAP_CLEAR },     { ACTION_ENABLE, BLOCK_BITMAP_ENABLE },
        { ACTION_DISABLE, BLOCK_BITMAP_DISABLE },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(ops); i++) {
        if (ops[i].kind == a->kind) {
            return node->drv->bitmap_op(node, ops[i].op, name, granularity, err);
        }
    }
    return merge(node, from ? from : node, name, a->source, err);
}

static bool add_action(const ImgOption *o, const char *arg)
{
    Action a = { o->bits, arg };
    g_array_append_val((GArray *)o->out, a);
    return true;
}

int img_bitmap(int argc, char **argv)
{
    ImgOpen how = { .flags = BLOCK_RDWR }, other = { 0 };
    const char *source = NULL;
    uint64_t granularity = 0;
    g_autoptr(GArray) actions = g_array_new(false, false, sizeof(Action));
    GError *err = NULL;
    const ImgOption table[] = {
        IMG_OPT('b', NULL, IMG_STR, &source),
        IMG_OPT('f', NULL, IMG_STR, &how.fmt),
        IMG_OPT('F', NULL, IMG_STR, &other.fmt),
        IMG_OPT('g', NULL, IMG_SIZE, &granularity, .what = "granularity"),
        IMG_OPT('q', "quiet", IMG_NOTHING, NULL),
        IMG_OPT(0, "add", IMG_CALL, actions, .bits = ACTION_ADD, .call = add_action),
        IMG_OPT(0, "remove", IMG_CALL, actions, .bits = ACTION_REMOVE, .call = add_action),
        IMG_OPT(0, "clear", IMG_CALL, actions, .bits = ACTION_CLEAR, .call = add_action),
        IMG_OPT(0, "enable", IMG_CALL, actions, .bits = ACTION_ENABLE, .call = add_action),
        IMG_OPT(0, "disable", IMG_CALL, actions, .bits = ACTION_DISABLE, .call = add_action),
        IMG_OPT(0, "merge", IMG_CALL_ARG, actions, .bits = ACTION_MERGE, .call = add_action),
        IMG_OPT(0, "image-opts", IMG_ON, &how.image_opts),
        IMG_OPT(0, "object", IMG_OBJECT, NULL),
        { 0 },
    };
    if (!img_parse("bitmap", table, argc, argv)) {
        return 1;
    }
    if (argc - optind != 2) {
        return img_usage("bitmap", "Expecting filename and bitmap name");
    }
    if (!actions->len) {
        return img_usage("bitmap", "Need at least one of --add, --remove, --clear, --enable, "
                                   "--disable, or --merge");
    }
    bool add = false;
    for (unsigned i = 0; i < actions->len; i++) {
        add |= g_array_index(actions, Action, i).kind == ACTION_ADD;
    }
    if ((granularity && !add) || granularity > 1U << 31) {
        return img_usage("bitmap", "granularity only supported with --add, up to 2G");
    }
    g_autoptr(BlockNode) node = img_open(&how, argv[optind]);
    g_autoptr(BlockNode) from = node && source ? img_open(&other, source) : NULL;
    if (!node || (source && !from)) {
        return 1;
    }
    if (!node->drv->bitmap_op || (from && !from->drv->bitmap_list)) {
        img_error("'%s': image format '%s' has no bitmaps", node->filename, node->drv->name);
        return 1;
    }
    for (unsigned i = 0; i < actions->len; i++) {
        if (!run(node, from, &g_array_index(actions, Action, i), argv[optind + 1], granularity,
                 &err)) {
            g_prefix_error(&err, "Operation on bitmap '%s' failed: ", argv[optind + 1]);
            return img_fail(err);
        }
    }
    return 0;
}
