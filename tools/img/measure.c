/* SPDX-License-Identifier: MIT */
/* latimer-img measure */
#include "tools/img/img.h"

static int measure(const char *out_fmt, const char *options, BlockNode *source, uint64_t size,
                   bool json)
{
    const BlockDriver *drv = block_driver_find(out_fmt);
    g_autoptr(BlockOpts) opts = block_opts_new();
    BlockMeasure m = { 0 };
    GError *err = NULL;
    if (!drv) {
        img_error("Unknown file format '%s'", out_fmt);
        return 1;
    }
    if (!drv->measure) {
        img_error("Format driver '%s' does not support measure", out_fmt);
        return 1;
    }
    if (options && !block_opts_parse(opts, options, NULL, &err)) {
        return img_fail(err);
    }
    if (!drv->measure(opts, source, size, &m, &err)) {
        return img_fail(err);
    }
    if (json) {
        g_autoptr(Value) v = value_new(VALUE_DICT);
        if (m.has_bitmaps) {
            value_set_int(v, "bitmaps", m.bitmaps);
        }
        value_set_int(v, "required", m.required);
        value_set_int(v, "fully-allocated", m.fully_allocated);
        g_autofree char *text = value_to_json(v, true);
        puts(text);
        return 0;
    }
    printf("required size: %" G_GUINT64_FORMAT "\nfully allocated size: %" G_GUINT64_FORMAT "\n",
           m.required, m.fully_allocated);
    if (m.has_bitmaps) {
        printf("bitmaps size: %" G_GUINT64_FORMAT "\n", m.bitmaps);
    }
    return 0;
}

int img_measure(int argc, char **argv)
{
    static const struct option longs[] = {
        { "output", 1, NULL, IMG_OPT_OUTPUT }, { "object", 1, NULL, IMG_OPT_OBJECT },
        { "size", 1, NULL, IMG_OPT_SIZE },     { "image-opts", 0, NULL, IMG_OPT_IMAGE_OPTS },
        { "force-share", 0, NULL, 'U' },       { 0 },
    };
    ImgOpen how = { 0 };
    const char *out_fmt = "raw", *snapshot = NULL;
    g_autofree char *options = NULL;
    uint64_t size = UINT64_MAX;
    bool json = false;
    GError *err = NULL;
    int c;
    while ((c = getopt_long(argc, argv, ":f:l:o:O:U", longs, NULL)) != -1) {
        switch (c) {
        case 'f':
            how.fmt = optarg;
            break;
        case 'l':
            snapshot = optarg;
            break;
        case 'o':
            img_add_options(&options, optarg);
            break;
        case 'O':
            out_fmt = optarg;
            break;
        case 'U':
            how.flags |= BLOCK_FORCE_SHARE;
            break;
        case IMG_OPT_OUTPUT:
            if (!img_parse_output(optarg, &json)) {
                return 1;
            }
            break;
        case IMG_OPT_SIZE:
            if (!img_parse_size("image size", optarg, &size)) {
                return 1;
            }
            break;
        case IMG_OPT_IMAGE_OPTS:
            how.image_opts = true;
            break;
        case IMG_OPT_OBJECT:
            if (!img_add_object(optarg)) {
                return 1;
            }
            break;
        default:
            return img_usage("measure", "unknown option, or one without its argument: '%s'",
                             argv[optind - 1]);
        }
    }
    if (img_options_help(options, out_fmt, NULL, false)) {
        return 0;
    }
    if ((argc - optind == 1) == (size != UINT64_MAX) || argc - optind > 1) {
        return img_usage("measure", "either --size N or one filename must be specified");
    }
    g_autoptr(BlockNode) node = NULL;
    if (size == UINT64_MAX) {
        node = img_open(&how, argv[optind]);
        if (!node) {
            return 1;
        }
        if (snapshot &&
            (!node->drv->snapshot_load || !node->drv->snapshot_load(node, snapshot, &err))) {
            img_error("Failed to load snapshot: %s", err ? err->message : "not supported");
            return 1;
        }
    }
    return measure(out_fmt, options, node, size, json);
}
