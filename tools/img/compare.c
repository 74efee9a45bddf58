/* SPDX-License-Identifier: MIT */
/* latimer-img compare */
#include "tools/img/img.h"

/* Exit status, as scripts know it. */
enum { SAME = 0, DIFFERENT = 1, NOT_OPENED = 2, NO_STATUS = 3, NO_READ = 4 };
enum { CHUNK = 2 << 20 };

typedef struct Compare {
    BlockNode *a, *b;
    uint8_t *buf_a, *buf_b;
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

static int status(BlockNode *node, int64_t off, int64_t len, BlockExtent *ext)
{
    int ret = block_status_above(node, NULL, off, len, ext);
    if (ret) {
        img_error("Error while reading status of offset %" G_GINT64_FORMAT " of %s: %s", off,
                  node->filename, g_strerror(-ret));
    }
    return ret;
}

static int read_part(BlockNode *node, const BlockExtent *ext, int64_t off, uint8_t *buf, int64_t n)
{
    if (ext->flags & BLOCK_EXTENT_ZERO) {
        memset(buf, 0, n);
        return 0;
    }
    int ret = block_pread(node, off, buf, n);
    if (ret) {
        img_error("Error while reading offset %" G_GINT64_FORMAT " of %s: %s", off, node->filename,
                  g_strerror(-ret));
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
    BlockExtent x, y;
    for (int64_t off = 0, n; off < end; off += n) {
        if (status(c->a, off, end - off, &x) || status(c->b, off, end - off, &y)) {
            return NO_STATUS;
        }
        n = MIN(x.len, y.len);
        const uint32_t kinds = BLOCK_EXTENT_ZERO | BLOCK_EXTENT_ALLOCATED;
        if (c->strict && (x.flags & kinds & ~(uint32_t)BLOCK_EXTENT_ZERO) !=
                             (y.flags & kinds & ~(uint32_t)BLOCK_EXTENT_ZERO)) {
            return differ(c, "Strict mode: Offset %" G_GINT64_FORMAT " block status mismatch!",
                          off);
        }
        if (!(x.flags & y.flags & BLOCK_EXTENT_ZERO)) {
            n = MIN(n, CHUNK);
            if (read_part(c->a, &x, off, c->buf_a, n) || read_part(c->b, &y, off, c->buf_b, n)) {
                return NO_READ;
            }
            int64_t at = first_difference(c->buf_a, c->buf_b, n);
            if (at >= 0) {
                /* Reported by the sector, as disks are. */
                return differ(c, "Content mismatch at offset %" G_GINT64_FORMAT "!",
                              off + at / BLOCK_SECTOR * BLOCK_SECTOR);
            }
        }
        img_progress(&c->progress, (double)off / MAX(c->a->size, c->b->size));
    }
    return SAME;
}

/* What one image has beyond the other's end must be zeroes. */
static int compare_tail(Compare *c, int64_t off)
{
    BlockNode *longer = c->a->size > c->b->size ? c->a : c->b;
    BlockExtent ext;
    for (int64_t n; off < longer->size; off += n) {
        if (status(longer, off, longer->size - off, &ext)) {
            return NO_STATUS;
        }
        n = ext.len;
        if (!(ext.flags & BLOCK_EXTENT_ZERO)) {
            n = MIN(n, CHUNK);
            if (read_part(longer, &ext, off, c->buf_a, n)) {
                return NO_READ;
            }
            memset(c->buf_b, 0, n);
            int64_t at = first_difference(c->buf_a, c->buf_b, n);
            if (at >= 0) {
                return differ(c, "Content mismatch at offset %" G_GINT64_FORMAT "!",
                              off + at / BLOCK_SECTOR * BLOCK_SECTOR);
            }
        }
    }
    return SAME;
}

static int compare(Compare *c)
{
    int64_t common = MIN(c->a->size, c->b->size);
    img_progress(&c->progress, 0);
    if (c->strict && c->a->size != c->b->size) {
        return differ(c, "Strict mode: Image size mismatch!", 0);
    }
    int ret = compare_common(c, common);
    if (ret == SAME && c->a->size != c->b->size) {
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
    static const struct option longs[] = {
        { "object", 1, NULL, IMG_OPT_OBJECT },
        { "image-opts", 0, NULL, IMG_OPT_IMAGE_OPTS },
        { "force-share", 0, NULL, 'U' },
        { 0 },
    };
    ImgOpen first = { 0 }, second = { 0 };
    Compare cmp = { 0 };
    int c;
    while ((c = getopt_long(argc, argv, ":f:F:T:pqsU", longs, NULL)) != -1) {
        switch (c) {
        case 'f':
            first.fmt = optarg;
            break;
        case 'F':
            second.fmt = optarg;
            break;
        case 'T':
            first.cache = second.cache = optarg;
            break;
        case 'p':
            cmp.progress.on = true;
            break;
        case 'q':
            cmp.quiet = true;
            break;
        case 's':
            cmp.strict = true;
            break;
        case 'U':
            first.flags |= BLOCK_FORCE_SHARE;
            second.flags |= BLOCK_FORCE_SHARE;
            break;
        case IMG_OPT_IMAGE_OPTS:
            first.image_opts = second.image_opts = true;
            break;
        case IMG_OPT_OBJECT:
            if (!img_add_object(optarg)) {
                return NOT_OPENED;
            }
            break;
        default:
            img_usage("compare", "unknown option, or one without its argument: '%s'",
                      argv[optind - 1]);
            return NOT_OPENED;
        }
    }
    if (argc - optind != 2) {
        img_usage("compare", "expecting two image file names");
        return NOT_OPENED;
    }
    g_autoptr(BlockNode) a = img_open(&first, argv[optind]);
    g_autoptr(BlockNode) b = a ? img_open(&second, argv[optind + 1]) : NULL;
    if (!b) {
        return NOT_OPENED;
    }
    cmp.a = a;
    cmp.b = b;
    cmp.buf_a = g_malloc(CHUNK);
    cmp.buf_b = g_malloc(CHUNK);
    int ret = compare(&cmp);
    g_free(cmp.buf_a);
    g_free(cmp.buf_b);
    return ret;
}
