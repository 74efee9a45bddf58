/* SPDX-License-Identifier: MIT */
/* latimer-img measure */
#include "tools/img/img.h"

static int measure(const char *out_fmt, const char *options, BlockNode *source, uint64_t size,
                   bool json)
{
    const BlockDriver *drv = block_driver_find(out_fmt);
    g_autoptr(Opts) opts = opts_new();
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
    if (options && !opts_parse(opts, options, NULL, &err)) {
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
    ImgOpen how = { 0 };
    const char *out_fmt = "raw", *snapshot = NULL;
    g_autofree char *options = NULL;
    uint64_t size = UINT64_MAX;
    bool json = false;
    GError *err = NULL;
    const ImgOption table[] = {
        IMG_OPT('f', NULL, IMG_STR, &how.fmt),
        IMG_OPT('l', NULL, IMG_STR, &snapshot),
        IMG_OPT('o', NULL, IMG_OPTIONS, &options),
        IMG_OPT('O', NULL, IMG_STR, &out_fmt),
        IMG_OPT('U', "force-share", IMG_BITS, &how.flags, .bits = BLOCK_FORCE_SHARE),
        IMG_OPT(0, "output", IMG_OUTPUT, &json),
        IMG_OPT(0, "size", IMG_SIZE, &size, .what = "image size"),
        IMG_OPT(0, "image-opts", IMG_ON, &how.image_opts),
        IMG_OPT(0, "object", IMG_OBJECT, NULL),
        { 0 },
    };
    if (!img_parse("measure", table, argc, argv)) {
        return 1;
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
