/* SPDX-License-Identifier: MIT */
/* latimer-img compare */
#include "tools/img/img.h"

/* Exit status, as scripts know it. */
enum { SAME = 0, DIFFERENT = 1, NOT_OPENED = 2, NO_STATUS = 3, NO_READ = 4 };
enum { CHUNK = 256 << 10 }; /* bytes at a time: what a core's own cache holds twice */

/* One of the images, and what it said about [.., known) last: asking is dear on some file systems.
 */
typedef struct Side {
    BlockNode *node;
    uint8_t *buf;
    BlockExtent ext;
    int64_t known;
} Side;

typedef struct Compare {
    Side a, b;
    bool strict, quiet;
    ImgProgress progress;
} Compare;

static int differ(const Compare *c, const char *fmt, int64_t off)
{
    if (!c->quiet) {
        printf(fmt, off);
        putchar('\n');
    }
    return DIFFERENT;
}

static int status(Side *s, int64_t off, int64_t end)
{
    if (off < s->known) {
        return 0;
    }
    int ret = block_status_above(s->node, NULL, off, end - off, &s->ext);
    if (ret) {
        img_error("Error while reading status of offset %" G_GINT64_FORMAT " of %s: %s", off,
                  s->node->filename, g_strerror(-ret));
    }
    s->known = off + s->ext.len;
    return ret;
}

static int read_part(const Side *s, int64_t off, int64_t n)
{
    if (s->ext.flags & BLOCK_EXTENT_ZERO) {
        memset(s->buf, 0, n);
        return 0;
    }
    int ret = block_pread(s->node, off, s->buf, n);
    if (ret) {
        img_error("Error while reading offset %" G_GINT64_FORMAT " of %s: %s", off,
                  s->node->filename, g_strerror(-ret));
    }
    return ret;
}

static int64_t first_difference(const uint8_t *a, const uint8_t *b, int64_t n)
{
    if (!memcmp(a, b, n)) {
        return -1;
    }
    int64_t i = 0;
    while (a[i] == b[i]) {
        i++;
    }
    return i;
}

static int compare_common(Compare *c, int64_t end)
{
    for (int64_t off = 0, n; off < end; off += n) {
        if (status(&c->a, off, end) || status(&c->b, off, end)) {
            return NO_STATUS;
        }
        n = MIN(c->a.known, c->b.known) - off;
        const BlockExtent x = c->a.ext, y = c->b.ext;
        const uint32_t kinds = BLOCK_EXTENT_ZERO | BLOCK_EXTENT_ALLOCATED;
        if (c->strict && (x.flags & kinds & ~(uint32_t)BLOCK_EXTENT_ZERO) !=
                             (y.flags & kinds & ~(uint32_t)BLOCK_EXTENT_ZERO)) {
            return differ(c, "Strict mode: Offset %" G_GINT64_FORMAT " block status mismatch!",
                          off);
        }
        if (!(x.flags & y.flags & BLOCK_EXTENT_ZERO)) {
            n = MIN(n, CHUNK);
            if (read_part(&c->a, off, n) || read_part(&c->b, off, n)) {
                return NO_READ;
            }
            int64_t at = first_difference(c->a.buf, c->b.buf, n);
            if (at >= 0) {
                /* Reported by the sector, as disks are. */
                return differ(c, "Content mismatch at offset %" G_GINT64_FORMAT "!",
                              off + at / BLOCK_SECTOR * BLOCK_SECTOR);
            }
        }
        img_progress(&c->progress, (double)off / MAX(c->a.node->size, c->b.node->size));
    }
    return SAME;
}

/* What one image has beyond the other's end must be zeroes. */
static int compare_tail(Compare *c, int64_t off)
{
    Side *longer = c->a.node->size > c->b.node->size ? &c->a : &c->b;
    int64_t end = longer->node->size;
    for (int64_t n; off < end; off += n) {
        if (status(longer, off, end)) {
            return NO_STATUS;
        }
        n = longer->known - off;
        if (!(longer->ext.flags & BLOCK_EXTENT_ZERO)) {
            n = MIN(n, CHUNK);
            if (read_part(longer, off, n)) {
                return NO_READ;
            }
            if (!block_is_zero(longer->buf, n)) {
                int64_t at = 0;
                while (!longer->buf[at]) {
                    at++;
                }
                return differ(c, "Content mismatch at offset %" G_GINT64_FORMAT "!",
                              off + at / BLOCK_SECTOR * BLOCK_SECTOR);
            }
        }
    }
    return SAME;
}

static int compare(Compare *c)
{
    int64_t common = MIN(c->a.node->size, c->b.node->size);
    img_progress(&c->progress, 0);
    if (c->strict && c->a.node->size != c->b.node->size) {
        return differ(c, "Strict mode: Image size mismatch!", 0);
    }
    int ret = compare_common(c, common);
    if (ret == SAME && c->a.node->size != c->b.node->size) {
        if (!c->quiet) {
            puts("Warning: Image size mismatch!");
        }
        ret = compare_tail(c, common);
    }
    if (ret == SAME) {
        img_progress_end(&c->progress);
        if (!c->quiet) {
            puts("Images are identical.");
        }
    }
    return ret;
}

int img_compare(int argc, char **argv)
{
    ImgOpen first = { 0 }, second = { 0 };
    Compare cmp = { 0 };
    const ImgOption table[] = {
        IMG_OPT('f', NULL, IMG_STR, &first.fmt),
        IMG_OPT('F', NULL, IMG_STR, &second.fmt),
        IMG_OPT('T', NULL, IMG_STR, &first.cache),
        IMG_OPT('p', NULL, IMG_ON, &cmp.progress.on),
        IMG_OPT('q', NULL, IMG_ON, &cmp.quiet),
        IMG_OPT('s', NULL, IMG_ON, &cmp.strict),
        IMG_OPT('U', "force-share", IMG_BITS, &first.flags, .bits = BLOCK_FORCE_SHARE),
        IMG_OPT(0, "image-opts", IMG_ON, &first.image_opts),
        IMG_OPT(0, "object", IMG_OBJECT, NULL),
        { 0 },
    };
    if (!img_parse("compare", table, argc, argv)) {
        return NOT_OPENED;
    }
    second.cache = first.cache;
    second.flags = first.flags;
    second.image_opts = first.image_opts;
    if (argc - optind != 2) {
        img_usage("compare", "expecting two image file names");
        return NOT_OPENED;
    }
    g_autoptr(BlockNode) a = img_open(&first, argv[optind]);
    g_autoptr(BlockNode) b = a ? img_open(&second, argv[optind + 1]) : NULL;
    if (!b) {
        return NOT_OPENED;
    }
    g_autofree uint8_t *buf_a = g_malloc(CHUNK), *buf_b = g_malloc(CHUNK);
    cmp.a = (Side){ .node = a, .buf = buf_a };
    cmp.b = (Side){ .node = b, .buf = buf_b };
    return compare(&cmp);
}
