/* SPDX-License-Identifier: MIT */
/* latimer-img amend */
#include "tools/img/img.h"

int img_amend(int argc, char **argv)
{
    static const struct option longs[] = {
        { "object", 1, NULL, IMG_OPT_OBJECT },
        { "image-opts", 0, NULL, IMG_OPT_IMAGE_OPTS },
        { "force", 0, NULL, IMG_OPT_FORCE },
        { 0 },
    };
    ImgOpen how = { .flags = BLOCK_RDWR };
    ImgProgress progress = { 0 };
    g_autofree char *options = NULL;
    g_autoptr(BlockOpts) opts = block_opts_new();
    GError *err = NULL;
    int c;
    while ((c = getopt_long(argc, argv, ":o:f:t:pq", longs, NULL)) != -1) {
        switch (c) {
        case 'o':
            img_add_options(&options, optarg);
            break;
        case 'f':
            how.fmt = optarg;
            break;
        case 't':
            how.cache = optarg;
            break;
        case 'p':
            progress.on = true;
            break;
        case 'q':
            break;
        case IMG_OPT_FORCE:
            how.flags |= BLOCK_FORCE;
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
            return img_usage("amend", "unknown option, or one without its argument: '%s'",
                             argv[optind - 1]);
        }
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
    if (!block_opts_parse(opts, options, NULL, &err) || !node->drv->amend(node, opts, &err)) {
        return img_fail(err);
    }
    img_progress_end(&progress);
    return 0;
}
