/* SPDX-License-Identifier: MIT */
/* latimer-img amend */
#include "tools/img/img.h"

int img_amend(int argc, char **argv)
{
    ImgOpen how = { .flags = BLOCK_RDWR };
    ImgProgress progress = { 0 };
    g_autofree char *options = NULL;
    g_autoptr(Opts) opts = opts_new();
    GError *err = NULL;
    const ImgOption table[] = {
        IMG_OPT('o', NULL, IMG_OPTIONS, &options),
        IMG_OPT('f', NULL, IMG_STR, &how.fmt),
        IMG_OPT('t', NULL, IMG_STR, &how.cache),
        IMG_OPT('p', NULL, IMG_ON, &progress.on),
        IMG_OPT('q', "quiet", IMG_NOTHING, NULL),
        IMG_OPT(0, "force", IMG_BITS, &how.flags, .bits = BLOCK_FORCE),
        IMG_OPT(0, "image-opts", IMG_ON, &how.image_opts),
        IMG_OPT(0, "object", IMG_OBJECT, NULL),
        { 0 },
    };
    if (!img_parse("amend", table, argc, argv)) {
        return 1;
    }
    if (!options) {
        return img_usage("amend", "Must specify options (-o)");
    }
    if (how.fmt && img_options_help(options, how.fmt, NULL, true)) {
        return 0;
    }
    if (argc - optind != 1) {
        return img_usage("amend", "expecting one image file name");
    }
    g_autoptr(BlockNode) node = img_open(&how, argv[optind]);
    if (!node) {
        return 1;
    }
    if (img_options_help(options, node->drv->name, NULL, true)) {
        return 0;
    }
    if (!node->drv->amend) {
        img_error("Format driver '%s' does not support option amendment", node->drv->name);
        return 1;
    }
    img_progress(&progress, 0);
    if (!opts_parse(opts, options, NULL, &err) || !node->drv->amend(node, opts, &err)) {
        return img_fail(err);
    }
    img_progress_end(&progress);
    return 0;
}
