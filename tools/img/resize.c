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

static bool parse_prealloc(const ImgOption *o, const char *arg)
{
    int i = 0;
    while (block_prealloc_names[i] && strcmp(block_prealloc_names[i], arg)) {
        i++;
    }
    if (!block_prealloc_names[i]) {
        img_error("Invalid preallocation mode '%s'", arg);
    }
    *(int *)o->out = i;
    return block_prealloc_names[i] != NULL;
}

int img_resize(int argc, char **argv)
{
    ImgOpen how = { .flags = BLOCK_RDWR };
    bool quiet = false, shrink = false;
    int prealloc = 0;
    /* The size may be "-1G": it comes last and is no option. */
    const char *size = argc > 2 ? argv[--argc] : NULL;
    const ImgOption table[] = {
        IMG_OPT('f', NULL, IMG_STR, &how.fmt),
        IMG_OPT('q', "quiet", IMG_ON, &quiet),
        IMG_OPT(0, "shrink", IMG_ON, &shrink),
        IMG_OPT(0, "preallocation", IMG_CALL_ARG, &prealloc, .call = parse_prealloc),
        IMG_OPT(0, "image-opts", IMG_ON, &how.image_opts),
        IMG_OPT(0, "object", IMG_OBJECT, NULL),
        { 0 },
    };
    if (!img_parse("resize", table, argc, argv)) {
        return 1;
    }
    if (!size || argc - optind != 1) {
        return img_usage("resize", "expecting image file name and size");
    }
    g_autoptr(BlockNode) node = img_open(&how, argv[optind]);
    return node ? resize(node, size, prealloc, shrink, quiet) : 1;
}
