/* SPDX-License-Identifier: MIT */
/* latimer-img bitmap */
#include "tools/img/img.h"

typedef struct Action {
    int kind; /* an IMG_OPT_… */
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
        int kind;
        BlockBitmapOp op;
    } ops[] = {
        { IMG_OPT_ADD, BLOCK_BITMAP_ADD },         { IMG_OPT_REMOVE, BLOCK_BITMAP_REMOVE },
        { IMG_OPT_CLEAR, BLOCK_BITMAP_CLEAR },     { IMG_OPT_ENABLE, BLOCK_BITMAP_ENABLE },
        { IMG_OPT_DISABLE, BLOCK_BITMAP_DISABLE },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(ops); i++) {
        if (ops[i].kind == a->kind) {
            return node->drv->bitmap_op(node, ops[i].op, name, granularity, err);
        }
    }
    return merge(node, from ? from : node, name, a->source, err);
}

int img_bitmap(int argc, char **argv)
{
    static const struct option longs[] = {
        { "object", 1, NULL, IMG_OPT_OBJECT },
        { "image-opts", 0, NULL, IMG_OPT_IMAGE_OPTS },
        { "add", 0, NULL, IMG_OPT_ADD },
        { "remove", 0, NULL, IMG_OPT_REMOVE },
        { "clear", 0, NULL, IMG_OPT_CLEAR },
        { "enable", 0, NULL, IMG_OPT_ENABLE },
        { "disable", 0, NULL, IMG_OPT_DISABLE },
        { "merge", 1, NULL, IMG_OPT_MERGE },
        { 0 },
    };
    ImgOpen how = { .flags = BLOCK_RDWR }, other = { 0 };
    const char *source = NULL;
    uint64_t granularity = 0;
    g_autoptr(GArray) actions = g_array_new(false, false, sizeof(Action));
    GError *err = NULL;
    bool add = false;
    int c;
    while ((c = getopt_long(argc, argv, ":b:f:F:g:q", longs, NULL)) != -1) {
        Action a = { c, optarg };
        switch (c) {
        case 'b':
            source = optarg;
            break;
        case 'f':
            how.fmt = optarg;
            break;
        case 'F':
            other.fmt = optarg;
            break;
        case 'g':
            if (!img_parse_size("granularity", optarg, &granularity)) {
                return 1;
            }
            break;
        case 'q':
            break;
        case IMG_OPT_IMAGE_OPTS:
            how.image_opts = true;
            break;
        case IMG_OPT_OBJECT:
            if (!img_add_object(optarg)) {
                return 1;
            }
            break;
        case '?':
        case ':':
            return img_usage("bitmap", "unknown option, or one without its argument: '%s'",
                             argv[optind - 1]);
        default:
            add |= c == IMG_OPT_ADD;
            g_array_append_val(actions, a);
        }
    }
    if (argc - optind != 2) {
        return img_usage("bitmap", "Expecting filename and bitmap name");
    }
    if (!actions->len) {
        return img_usage("bitmap", "Need at least one of --add, --remove, --clear, --enable, "
                                   "--disable, or --merge");
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
