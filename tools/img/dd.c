/* SPDX-License-Identifier: MIT */
/* latimer-img dd */
#include "tools/img/img.h"

typedef struct Dd {
    const char *in, *out;
    uint64_t bs, count, skip;
    bool has_count;
} Dd;

static bool parse_operand(Dd *d, const char *arg)
{
    const char *eq = strchr(arg, '=');
    if (!eq) {
        img_usage("dd", "unrecognized operand %s", arg);
        return false;
    }
    if (g_str_has_prefix(arg, "if=")) {
        d->in = eq + 1;
    } else if (g_str_has_prefix(arg, "of=")) {
        d->out = eq + 1;
    } else if (g_str_has_prefix(arg, "bs=")) {
        if (!img_parse_size("bs", eq + 1, &d->bs)) {
            return false;
        }
        if (!d->bs || d->bs > INT32_MAX) {
            img_error("Invalid number: '%s'", eq + 1);
            return false;
        }
    } else if (g_str_has_prefix(arg, "count=")) {
        d->has_count = true;
        return img_parse_size("count", eq + 1, &d->count);
    } else if (g_str_has_prefix(arg, "skip=")) {
        return img_parse_size("skip", eq + 1, &d->skip);
    } else {
        img_usage("dd", "unrecognized operand %s", arg);
        return false;
    }
    return true;
}

static int copy(const Dd *d, BlockNode *in, const char *out_fmt)
{
    GError *err = NULL;
    uint64_t size = in->size, start;
    if (d->has_count && d->count <= INT64_MAX / d->bs && d->count * d->bs < size) {
        size = d->count * d->bs;
    }
    /* As GNU dd: what is skipped is not counted, but the input ends where it ends. */
    if (d->skip > (uint64_t)in->size / d->bs) {
        img_error("%s: cannot skip to specified offset", d->in);
        start = in->size;
        size = 0;
    } else {
        start = d->skip * d->bs;
        size = MIN(size, in->size - start);
    }
    g_autoptr(Opts) opts = opts_new();
    opts_setf(opts, "size", "%" G_GUINT64_FORMAT, size);
    if (!block_create(d->out, out_fmt, opts, &err)) {
        g_prefix_error(&err, "%s: error while creating output image of type '%s': ", d->out,
                       out_fmt);
        return img_fail(err);
    }
    ImgOpen how = { .fmt = out_fmt, .flags = BLOCK_RDWR };
    g_autoptr(BlockNode) out = img_open(&how, d->out);
    if (!out) {
        return 1;
    }
    g_autofree uint8_t *buf = g_malloc(d->bs);
    int ret = 0;
    for (uint64_t at = 0, n; at < size && !ret; at += n) {
        n = MIN(d->bs, size - at);
        ret = block_pread(in, start + at, buf, n);
        ret = ret ? ret : block_pwrite(out, at, buf, n);
    }
    ret = ret ? ret : block_flush(out);
    if (ret) {
        img_error("error while copying: %s", g_strerror(-ret));
    }
    return ret ? 1 : 0;
}

int img_dd(int argc, char **argv)
{
    ImgOpen how = { 0 };
    Dd d = { .bs = 512 };
    const char *out_fmt = "raw";
    const ImgOption table[] = {
        IMG_OPT('f', NULL, IMG_STR, &how.fmt),
        IMG_OPT('O', NULL, IMG_STR, &out_fmt),
        IMG_OPT('U', "force-share", IMG_BITS, &how.flags, .bits = BLOCK_FORCE_SHARE),
        IMG_OPT(0, "image-opts", IMG_ON, &how.image_opts),
        IMG_OPT(0, "object", IMG_OBJECT, NULL),
        { 0 },
    };
    if (!img_parse("dd", table, argc, argv)) {
        return 1;
    }
    for (int i = optind; i < argc; i++) {
        if (!parse_operand(&d, argv[i])) {
            return 1;
        }
    }
    if (!d.in || !d.out) {
        return img_usage("dd", "Must specify both input and output file names");
    }
    g_autoptr(BlockNode) in = img_open(&how, d.in);
    return in ? copy(&d, in, out_fmt) : 1;
}
