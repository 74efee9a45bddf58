/* SPDX-License-Identifier: MIT */
/* latimer-img rebase: another backing file, the content staying the same (or with -u only the
 * name). */
#include "tools/img/img.h"

enum { CHUNK = 2 << 20 };

static int read_backing(BlockNode *node, int64_t off, uint8_t *buf, int64_t len)
{
    int64_t have = node && node->size > off ? MIN(len, node->size - off) : 0;
    memset(buf + have, 0, len - have);
    return have ? block_pread(node, off, buf, have) : 0;
}

/* Writes what differs between the old and the new backing file into the image. */
static int copy_part(BlockNode *node, BlockNode *new, int64_t off, int64_t len, uint8_t *a,
                     uint8_t *b)
{
    int64_t unit = MAX(block_cluster_size(node), 4096);
    int ret = read_backing(node->backing, off, a, len);
    ret = ret ? ret : read_backing(new, off, b, len);
    for (int64_t at = 0, n; at < len && !ret; at += n) {
        n = MIN(len - at, unit - (off + at) % unit);
        if (!memcmp(a + at, b + at, n)) {
            continue;
        }
        ret = block_is_zero(a + at, n) ? block_write_zeroes(node, off + at, n, 0)
                                       : block_pwrite(node, off + at, a + at, n);
    }
    return ret;
}

static int keep_content(BlockNode *node, BlockNode *new, ImgProgress *progress)
{
    g_autofree uint8_t *a = g_malloc(CHUNK), *b = g_malloc(CHUNK);
    img_progress(progress, 0);
    for (int64_t off = 0, n; off < node->size; off += n) {
        BlockExtent ext;
        int ret = block_status(node, off, node->size - off, &ext);
        n = ext.len;
        if (!ret && !(ext.flags & BLOCK_EXTENT_ALLOCATED)) {
            BlockExtent x = { .flags = BLOCK_EXTENT_ZERO }, y = { .flags = BLOCK_EXTENT_ZERO };
            if (node->backing && off < node->backing->size) {
                ret = block_status_above(node->backing, NULL, off, n, &x);
                n = ret ? n : MIN(n, x.len);
            }
            if (!ret && new &&off < new->size) {
                ret = block_status_above(new, NULL, off, n, &y);
                n = ret ? n : MIN(n, y.len);
            }
            if (!ret && !(x.flags & y.flags & BLOCK_EXTENT_ZERO)) {
                n = MIN(n, CHUNK);
                ret = copy_part(node, new, off, n, a, b);
            }
        }
        if (ret) {
            img_error("error while rebasing at offset %" G_GINT64_FORMAT ": %s", off,
                      g_strerror(-ret));
            return 1;
        }
        img_progress(progress, (double)off / node->size);
    }
    return 0;
}

static int rebase(BlockNode *node, const char *backing, const char *fmt, bool unsafe,
                  const ImgOpen *how, ImgProgress *progress)
{
    g_autoptr(BlockNode) new = NULL;
    GError *err = NULL;
    if (!node->drv->change_backing) {
        img_error("'%s': image format '%s' has no backing files", node->filename, node->drv->name);
        return 1;
    }
    if (fmt && !block_driver_find(fmt)) {
        img_error("Invalid format name: '%s'", fmt);
        return 1;
    }
    if (!unsafe) {
        if (*backing) {
            g_autofree char *path = block_path_combine(node->filename, backing);
            ImgOpen open = { .fmt = fmt,
                             .cache = how->cache,
                             .flags = how->flags & BLOCK_FORCE_SHARE };
            new = img_open(&open, path);
            if (!new) {
                return 1;
            }
            if (!fmt) {
                img_error("Could not change the backing file to '%s': backing format must be "
                          "specified",
                          backing);
                return 1;
            }
        }
        if (keep_content(node, new, progress)) {
            return 1;
        }
        int ret = block_flush(node);
        if (ret) {
            img_error("could not flush '%s': %s", node->filename, g_strerror(-ret));
            return 1;
        }
    }
    if (!node->drv->change_backing(node, backing, fmt, &err)) {
        g_prefix_error(&err, "Could not change the backing file to '%s': ", backing);
        return img_fail(err);
    }
    img_progress_end(progress);
    return 0;
}

int img_rebase(int argc, char **argv)
{
    ImgOpen how = { .flags = BLOCK_RDWR }, src = { 0 };
    const char *backing = NULL, *fmt = NULL;
    bool unsafe = false;
    ImgProgress progress = { 0 };
    const ImgOption table[] = {
        IMG_OPT('f', NULL, IMG_STR, &how.fmt),
        IMG_OPT('F', NULL, IMG_STR, &fmt),
        IMG_OPT('b', NULL, IMG_STR, &backing),
        IMG_OPT('u', NULL, IMG_ON, &unsafe),
        IMG_OPT('p', NULL, IMG_ON, &progress.on),
        IMG_OPT('t', NULL, IMG_STR, &how.cache),
        IMG_OPT('T', NULL, IMG_STR, &src.cache),
        IMG_OPT('q', "quiet", IMG_NOTHING, NULL),
        IMG_OPT('U', "force-share", IMG_BITS, &how.flags, .bits = BLOCK_FORCE_SHARE),
        IMG_OPT(0, "image-opts", IMG_ON, &how.image_opts),
        IMG_OPT(0, "object", IMG_OBJECT, NULL),
        { 0 },
    };
    if (!img_parse("rebase", table, argc, argv)) {
        return 1;
    }
    if (argc - optind != 1) {
        return img_usage("rebase", "expecting one image file name");
    }
    if (!backing) {
        return img_usage("rebase", "Must specify backing file (-b) or use simple rebase mode (-u)");
    }
    src.flags |= how.flags & BLOCK_FORCE_SHARE;
    how.flags |= unsafe ? BLOCK_NO_BACKING : 0;
    g_autoptr(BlockNode) node = img_open(&how, argv[optind]);
    return node ? rebase(node, backing, fmt, unsafe, &src, &progress) : 1;
}
