/* SPDX-License-Identifier: MIT */
/* latimer-img create */
#include "tools/img/img.h"

/* The backing file must be there (unless -u) and gives the size when none is given. */
static bool check_backing(const char *filename, Opts *opts, bool unsafe, GError **err)
{
    const char *backing = opts_get(opts, "backing_file");
    const char *fmt = opts_get(opts, "backing_fmt");
    if (!backing || !*backing) {
        return true;
    }
    if (fmt && !block_driver_find(fmt)) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "Unknown backing file format '%s'", fmt);
        return false;
    }
    if (unsafe) {
        if (!opts_has(opts, "size")) {
            g_set_error(err, BLOCK_ERROR, EINVAL, "Image creation needs a size parameter");
            return false;
        }
        return true;
    }
    g_autofree char *path = block_path_combine(filename, backing);
    if (!strcmp(path, filename)) {
        g_set_error(err, BLOCK_ERROR, EINVAL,
                    "Error: Trying to create an image with the same filename as the backing file");
        return false;
    }
    g_autoptr(BlockNode) node = block_open(path, fmt, NULL, BLOCK_NO_IO, err);
    if (!node) {
        return false;
    }
    if (!fmt) {
        g_set_error(err, BLOCK_ERROR, EINVAL,
                    "Backing file specified without backing format\nDetected format of %s.",
                    node->drv->name);
        return false;
    }
    if (!opts_has(opts, "size")) {
        opts_setf(opts, "size", "%" G_GINT64_FORMAT, node->size);
    }
    return true;
}

static void print_options(const BlockDriver *drv, const char *filename, const Opts *opts)
{
    const BlockDriver *proto = block_protocol_of(filename, NULL);
    const OptDef *const tables[] = { drv->create_opts, proto ? proto->create_opts : NULL };
    printf("Formatting '%s', fmt=%s", filename, drv->name);
    for (unsigned i = 0; i < G_N_ELEMENTS(tables); i++) {
        for (const OptDef *o = tables[i]; o && o->name; o++) {
            const char *value = opts_get(opts, o->name);
            if (i && (!value || !strcmp(o->name, "size") ||
                      opt_str(opts, drv->create_opts, "size") == NULL)) {
                continue;
            }
            if (i) { /* shared by both: printed once */
                bool seen = false;
                for (const OptDef *q = drv->create_opts; q && q->name; q++) {
                    seen |= !strcmp(q->name, o->name);
                }
                if (seen) {
                    continue;
                }
            }
            value = value ? value : o->def;
            if (!value) {
                continue;
            }
            if (o->type == OPT_SIZE) {
                uint64_t n = 0;
                parse_size(value, &n, NULL);
                printf(" %s=%" G_GUINT64_FORMAT, o->name, n);
            } else {
                printf(" %s=%s", o->name, value);
            }
        }
    }
    putchar('\n');
}

static bool known_options(const BlockDriver *drv, const char *filename, const Opts *opts,
                          GError **err)
{
    const BlockDriver *proto = block_protocol_of(filename, err);
    if (!proto) {
        return false;
    }
    g_autoptr(Opts) of_format = opts_copy(opts);
    for (const OptDef *o = proto->create_opts; o && o->name; o++) {
        bool own = false;
        for (const OptDef *q = drv->create_opts; q && q->name; q++) {
            own |= !strcmp(q->name, o->name);
        }
        if (!own) {
            opts_remove(of_format, o->name);
        }
    }
    return opts_check(of_format, drv->create_opts, err);
}

static bool create(const char *filename, const char *fmt, Opts *opts, bool quiet, bool unsafe,
                   GError **err)
{
    const BlockDriver *drv = block_driver_find(fmt);
    if (!drv || !drv->create) {
        g_set_error(err, BLOCK_ERROR, EINVAL,
                    drv ? "Format driver '%s' does not support image creation"
                        : "Unknown file format '%s'",
                    fmt);
        return false;
    }
    if (!known_options(drv, filename, opts, err) || !check_backing(filename, opts, unsafe, err)) {
        return false;
    }
    if (!opts_has(opts, "size")) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "Image creation needs a size parameter");
        return false;
    }
    if (!quiet) {
        print_options(drv, filename, opts);
        fflush(stdout);
    }
    return block_create(filename, fmt, opts, err);
}

int img_create(int argc, char **argv)
{
    const char *fmt = "raw", *backing = NULL, *backing_fmt = NULL;
    g_autofree char *options = NULL;
    g_autoptr(Opts) opts = opts_new();
    bool quiet = false, unsafe = false;
    GError *err = NULL;
    uint64_t size;
    const ImgOption table[] = {
        IMG_OPT('F', NULL, IMG_STR, &backing_fmt), IMG_OPT('b', NULL, IMG_STR, &backing),
        IMG_OPT('f', NULL, IMG_STR, &fmt),         IMG_OPT('o', NULL, IMG_OPTIONS, &options),
        IMG_OPT('q', "quiet", IMG_ON, &quiet),     IMG_OPT('u', NULL, IMG_ON, &unsafe),
        IMG_OPT(0, "object", IMG_OBJECT, NULL),    { 0 },
    };
    if (!img_parse("create", table, argc, argv)) {
        return 1;
    }
    const char *filename = optind < argc ? argv[optind] : NULL;
    if (img_options_help(options, fmt, filename, false)) {
        return 0;
    }
    if (!filename || argc - optind > 2) {
        return img_usage("create", "expecting an image file name and a size");
    }
    if (options && !opts_parse(opts, options, NULL, &err)) {
        return img_fail(err);
    }
    if (backing) {
        opts_set(opts, "backing_file", backing);
    }
    if (backing_fmt) {
        opts_set(opts, "backing_fmt", backing_fmt);
    }
    if (optind + 1 < argc) {
        if (!img_parse_size("image size", argv[optind + 1], &size)) {
            return 1;
        }
        opts_setf(opts, "size", "%" G_GUINT64_FORMAT, size);
    }
    if (!create(filename, fmt, opts, quiet, unsafe, &err)) {
        g_prefix_error(&err, "%s: ", filename);
        return img_fail(err);
    }
    return 0;
}
