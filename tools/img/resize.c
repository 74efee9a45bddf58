/* SPDX-License-Identifier: MIT */
/* latimer-img resize */
#include "tools/img/img.h"

static int resize(BlockNode *node, const char *text, BlockPrealloc prealloc, bool shrink,
                  bool quiet)
{
    char sign = *text == '+' || *text == '-' ? *text++ : 0;
    GError *err = NULL;
    uint64_t n;
    if (!img_parse_size("size", text, &n)) {
        return 1;
    }
    int64_t total = sign == '+'   ? node->size + (int64_t)n
                    : sign == '-' ? node->size - (int64_t)n
                                  : (int64_t)n;
    if (total <= 0 || (sign == '+' && n > INT64_MAX - (uint64_t)node->size)) {
        img_error("New image size must be positive");
        return 1;
    }
    if (total < node->size && !shrink) {
        img_error("Use the --shrink option to perform a shrink operation.");
        img_error("warning: Shrinking an image will delete all data beyond the shrunken image's "
                  "end. Before performing such an operation, make sure there is no important data "
                  "there.");
        return 1;
    }
    if (node->probed && !strcmp(node->drv->name, "raw")) {
        fprintf(stderr,
                "WARNING: Image format was not specified for '%s' and probing guessed raw.\n"
                "         Specify the 'raw' format explicitly (-f raw) to say that it is meant.\n",
                node->filename);
    }
    if (!block_truncate(node, total, prealloc, &err)) {
        return img_fail(err);
    }
    int ret = block_flush(node);
    if (ret) {
        img_error("Could not flush '%s': %s", node->filename, g_strerror(-ret));
        return 1;
    }
    if (!quiet) {
        puts("Image resized.");
    }
    return 0;
}

int img_resize(int argc, char **argv)
{
    static const struct option longs[] = {
        { "object", 1, NULL, IMG_OPT_OBJECT },
        { "image-opts", 0, NULL, IMG_OPT_IMAGE_OPTS },
        { "preallocation", 1, NULL, IMG_OPT_PREALLOCATION },
        { "shrink", 0, NULL, IMG_OPT_SHRINK },
        { 0 },
    };
    ImgOpen how = { .flags = BLOCK_RDWR };
    bool quiet = false, shrink = false;
    int prealloc = 0, c;
    /* The size may be "-1G": it comes last and is no option. */
    const char *size = argc > 2 ? argv[--argc] : NULL;
    while ((c = getopt_long(argc, argv, ":f:q", longs, NULL)) != -1) {
        switch (c) {
        case 'f':
            how.fmt = optarg;
            break;
        case 'q':
            quiet = true;
            break;
        case IMG_OPT_SHRINK:
            shrink = true;
            break;
        case IMG_OPT_PREALLOCATION:
            for (prealloc = 0; block_prealloc_names[prealloc]; prealloc++) {
                if (!strcmp(block_prealloc_names[prealloc], optarg)) {
                    break;
                }
            }
            if (!block_prealloc_names[prealloc]) {
                img_error("Invalid preallocation mode '%s'", optarg);
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
            return img_usage("resize", "unknown option, or one without its argument: '%s'",
                             argv[optind - 1]);
        }
    }
    if (!size || argc - optind != 1) {
        return img_usage("resize", "expecting image file name and size");
    }
    g_autoptr(BlockNode) node = img_open(&how, argv[optind]);
    return node ? resize(node, size, prealloc, shrink, quiet) : 1;
}
