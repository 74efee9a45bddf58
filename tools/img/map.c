/* SPDX-License-Identifier: MIT */
/* latimer-img map */
#include "tools/img/img.h"

typedef struct Entry {
    int64_t start, len, offset;
    uint32_t flags;
    int depth;
    BlockNode *file;
    const char *filename;
} Entry;

static bool mergeable(const Entry *a, const Entry *b)
{
    return a->flags == b->flags && a->depth == b->depth && a->filename == b->filename &&
           (!(a->flags & BLOCK_EXTENT_OFFSET) || a->offset + a->len == b->offset);
}

static int print_human(const Entry *e)
{
    bool data = e->flags & BLOCK_EXTENT_DATA && !(e->flags & BLOCK_EXTENT_ZERO);
    if (data && (!(e->flags & BLOCK_EXTENT_OFFSET) || !e->filename)) {
        img_error("File contains external, encrypted or compressed clusters.");
        return 1;
    }
    if (data) {
        char start[24], len[24], off[24];
        snprintf(start, sizeof(start), "%#" G_GINT64_MODIFIER "x", e->start);
        snprintf(len, sizeof(len), "%#" G_GINT64_MODIFIER "x", e->len);
        snprintf(off, sizeof(off), "%#" G_GINT64_MODIFIER "x", e->offset);
        printf("%-16s%-16s%-16s%s\n", e->start ? start : "0", len, e->offset ? off : "0",
               e->filename);
    }
    return 0;
}

static void print_json(const Entry *e, bool first)
{
    static const char *const tf[] = { "false", "true" };
    printf("%s{ \"start\": %" G_GINT64_FORMAT ", \"length\": %" G_GINT64_FORMAT
           ", \"depth\": %d, \"present\": %s, \"zero\": %s, \"data\": %s",
           first ? "[" : ",\n", e->start, e->len, e->depth,
           tf[!!(e->flags & BLOCK_EXTENT_ALLOCATED)], tf[!!(e->flags & BLOCK_EXTENT_ZERO)],
           tf[!!(e->flags & BLOCK_EXTENT_DATA)]);
    if (e->flags & BLOCK_EXTENT_OFFSET) {
        printf(", \"offset\": %" G_GINT64_FORMAT, e->offset);
    }
    putchar('}');
}

static int get_entry(BlockNode *node, int64_t pos, int64_t len, Entry *e)
{
    BlockExtent ext;
    int ret = block_status_above(node, NULL, pos, len, &ext);
    if (ret) {
        img_error("Failed to read image metadata: %s", g_strerror(-ret));
        return 1;
    }
    *e = (Entry){ .start = pos,
                  .len = ext.len,
                  .depth = ext.depth,
                  .flags = ext.flags & (BLOCK_EXTENT_DATA | BLOCK_EXTENT_ZERO |
                                        BLOCK_EXTENT_ALLOCATED | BLOCK_EXTENT_OFFSET) };
    if (ext.flags & BLOCK_EXTENT_OFFSET) {
        e->offset = ext.offset;
        e->filename = ext.file ? ext.file->filename : NULL;
    }
    return 0;
}

static int map_image(BlockNode *node, int64_t start, int64_t end, bool json)
{
    Entry cur = { 0 }, next;
    bool first = true;
    if (!json) {
        printf("%-16s%-16s%-16s%s\n", "Offset", "Length", "Mapped to", "File");
    }
    while (start + cur.len < end || cur.len) {
        int64_t pos = cur.len ? cur.start + cur.len : start;
        bool more = pos < end;
        if (more && get_entry(node, pos, end - pos, &next)) {
            return 1;
        }
        if (more && cur.len && mergeable(&cur, &next)) {
            cur.len += next.len;
            continue;
        }
        if (cur.len) {
            if (json) {
                print_json(&cur, first);
            } else if (print_human(&cur)) {
                return 1;
            }
            first = false;
        }
        if (!more) {
            break;
        }
        cur = next;
    }
    if (json) {
        puts(first ? "[]" : "]");
    }
    return 0;
}

int img_map(int argc, char **argv)
{
    ImgOpen how = { 0 };
    uint64_t start = 0, max = INT64_MAX;
    bool json = false;
    const ImgOption table[] = {
        IMG_OPT('f', NULL, IMG_STR, &how.fmt),
        IMG_OPT('U', "force-share", IMG_BITS, &how.flags, .bits = BLOCK_FORCE_SHARE),
        IMG_OPT(0, "output", IMG_OUTPUT, &json),
        IMG_OPT('s', "start-offset", IMG_SIZE, &start, .what = "start offset"),
        IMG_OPT('l', "max-length", IMG_SIZE, &max, .what = "maximum length"),
        IMG_OPT(0, "image-opts", IMG_ON, &how.image_opts),
        IMG_OPT(0, "object", IMG_OBJECT, NULL),
        { 0 },
    };
    if (!img_parse("map", table, argc, argv)) {
        return 1;
    }
    if (argc - optind != 1) {
        return img_usage("map", "expecting one image file name");
    }
    g_autoptr(BlockNode) node = img_open(&how, argv[optind]);
    if (!node) {
        return 1;
    }
    int64_t end = MIN((uint64_t)node->size, start + MIN(max, INT64_MAX - start));
    return map_image(node, start, end, json);
}
