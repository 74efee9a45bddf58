/* SPDX-License-Identifier: MIT */
/* latimer-img commit: what an overlay holds goes down into its backing file. */
#include "tools/img/img.h"

enum { CHUNK = 2 << 20 };

static BlockNode *find_base(BlockNode *top, const char *name)
{
    for (BlockNode *n = top->backing; n; n = n->backing) {
        if (!name || !strcmp(n->filename, name)) {
            return n;
        }
    }
    return NULL;
}

static int copy(BlockNode *top, BlockNode *base, int64_t rate, ImgProgress *progress)
{
    g_autofree uint8_t *buf = g_malloc(CHUNK);
    gint64 started = g_get_monotonic_time();
    int64_t done = 0;
    img_progress(progress, 0);
    for (int64_t off = 0, n; off < top->size; off += n) {
        BlockExtent ext;
        int ret = block_status_above(top, base, off, top->size - off, &ext);
        n = ext.len;
        if (!ret && ext.flags & BLOCK_EXTENT_ALLOCATED) {
            if (ext.flags & BLOCK_EXTENT_ZERO) {
                ret = block_write_zeroes(base, off, n, BLOCK_ZERO_MAY_UNMAP);
            } else {
                n = MIN(n, CHUNK);
                ret = block_pread(top, off, buf, n);
                ret = ret ? ret : block_pwrite(base, off, buf, n);
                done += n;
            }
        }
        if (ret) {
            img_error("error while committing at offset %" G_GINT64_FORMAT ": %s", off,
                      g_strerror(-ret));
            return 1;
        }
        if (rate) {
            gint64 due = started + (gint64)((double)done / rate * G_USEC_PER_SEC);
            g_usleep(MAX(due - g_get_monotonic_time(), 0));
        }
        img_progress(progress, (double)off / top->size);
    }
    return 0;
}

static int commit(BlockNode *top, const char *base_name, bool drop, int64_t rate, bool quiet,
                  ImgProgress *progress)
{
    GError *err = NULL;
    BlockNode *base = find_base(top, base_name);
    if (!base) {
        if (base_name) {
            img_error("Did not find '%s' in the backing chain of '%s'", base_name, top->filename);
        } else {
            img_error("Image does not have a backing file");
        }
        return 1;
    }
    if (base->size < top->size && !block_truncate(base, top->size, BLOCK_PREALLOC_OFF, &err)) {
        return img_fail(err);
    }
    if (copy(top, base, rate, progress)) {
        return 1;
    }
    int ret = block_flush(base);
    /* Only once the base has it all may the overlay forget it. */
    if (!ret && drop && top->backing == base && top->drv->make_empty) {
        ret = top->drv->make_empty(top);
        ret = ret ? ret : block_flush(top);
    }
    if (ret) {
        img_error("error while committing: %s", g_strerror(-ret));
        return 1;
    }
    img_progress_end(progress);
    if (!quiet) {
        puts("Image committed.");
    }
    return 0;
}

int img_commit(int argc, char **argv)
{
    ImgOpen how = { .flags = BLOCK_RDWR | BLOCK_BACKING_RDWR | BLOCK_UNMAP };
    const char *base = NULL;
    bool quiet = false, drop = true;
    ImgProgress progress = { 0 };
    uint64_t rate = 0;
    const ImgOption table[] = {
        IMG_OPT('f', NULL, IMG_STR, &how.fmt),
        IMG_OPT('t', NULL, IMG_STR, &how.cache),
        IMG_OPT('b', NULL, IMG_STR, &base),
        IMG_OPT('d', NULL, IMG_OFF, &drop),
        IMG_OPT('p', NULL, IMG_ON, &progress.on),
        IMG_OPT('q', "quiet", IMG_ON, &quiet),
        IMG_OPT('r', NULL, IMG_SIZE, &rate, .what = "rate limit"),
        IMG_OPT(0, "image-opts", IMG_ON, &how.image_opts),
        IMG_OPT(0, "object", IMG_OBJECT, NULL),
        { 0 },
    };
    if (!img_parse("commit", table, argc, argv)) {
        return 1;
    }
    if (argc - optind != 1) {
        return img_usage("commit", "expecting one image file name");
    }
    g_autoptr(BlockNode) top = img_open(&how, argv[optind]);
    return top ? commit(top, base, drop, rate, quiet, &progress) : 1;
}
