/* SPDX-License-Identifier: MIT */
/* latimer-img convert: threads take pieces of the source, read, compress and write them. */
#include "tools/img/img.h"
#include "block/bytes.h"
#include <unistd.h>

enum {
    CHUNK = 1 << 20, /* bytes at a time: a core's own cache holds most of it, and turns are few */
    MAX_SPARSE = 2 << 20,
    MAX_THREADS = 16,
};

typedef struct Convert {
    BlockNode **src;
    int64_t *src_start; /* guest offset at which each source begins; one more for the end */
    int nsrc;
    BlockNode *dst;
    int64_t total;
    int64_t unit;   /* bytes: pieces begin at multiples of it */
    int64_t sparse; /* bytes; 0: write everything */
    int64_t chunk;  /* most bytes in a piece */
    bool compress, ordered, salvage, keep_backing, dst_zero;
    int64_t rate; /* bytes a second, 0: no limit */

    GMutex lock;
    GCond turn;
    int64_t next;    /* where the next piece begins */
    int64_t written; /* everything below is done, when ordered */
    int64_t done;
    int ret;
    BlockExtent ext; /* status that covers [next, ext_end) */
    int64_t ext_end;
    gint64 started;
    ImgProgress progress;
    gint offload; /* the host may copy */
} Convert;

typedef enum PieceKind { PIECE_DATA, PIECE_ZERO, PIECE_SKIP } PieceKind;

static int source_of(const Convert *c, int64_t off)
{
    int i = 0;
    while (i + 1 < c->nsrc && off >= c->src_start[i + 1]) {
        i++;
    }
    return i;
}

static int find_status(Convert *c, int64_t off)
{
    int i = source_of(c, off);
    int64_t at = off - c->src_start[i], len = c->src_start[i + 1] - off;
    int ret;
    if (c->keep_backing) {
        ret = block_status(c->src[i], at, len, &c->ext);
        if (!ret && !(c->ext.flags & BLOCK_EXTENT_ALLOCATED)) {
            c->ext.flags = 0;
        }
    } else {
        ret = block_status_above(c->src[i], NULL, at, len, &c->ext);
    }
    if (ret && c->salvage) {
        c->ext = (BlockExtent){ .flags = BLOCK_EXTENT_DATA | BLOCK_EXTENT_ALLOCATED,
                                .len = MIN(len, CHUNK) };
        ret = 0;
    }
    c->ext_end = off + c->ext.len;
    return ret;
}

/* The next piece, in the order of the guest; 0 bytes at the end. The lock is held. */
static int64_t take_piece(Convert *c, int64_t *off, PieceKind *kind)
{
    if (c->next >= c->total || c->ret) {
        return 0;
    }
    *off = c->next;
    if (c->next >= c->ext_end) {
        int ret = find_status(c, c->next);
        if (ret) {
            img_error("error while reading block status at offset %" G_GINT64_FORMAT ": %s",
                      c->next, g_strerror(-ret));
            c->ret = ret;
            return 0;
        }
    }
    int64_t end = c->ext_end;
    if (c->ext.flags & BLOCK_EXTENT_ZERO) {
        *kind = c->sparse ? PIECE_ZERO : PIECE_DATA;
    } else {
        *kind =
            c->keep_backing && !(c->ext.flags & BLOCK_EXTENT_ALLOCATED) ? PIECE_SKIP : PIECE_DATA;
    }
    if (*kind == PIECE_DATA) {
        end = MIN(end, ROUND_DOWN(*off, c->chunk) + c->chunk);
    }
    /* Compressed clusters are written whole, so a piece ends where a cluster does. */
    if (c->unit > 1 && end < c->total) {
        int64_t cut = ROUND_DOWN(end, c->unit);
        if (cut > *off) {
            end = cut;
        } else {
            end = MIN(*off / c->unit * c->unit + c->unit, c->total);
            *kind = PIECE_DATA;
        }
    }
    c->next = end;
    return end - *off;
}

static int read_sources(Convert *c, int64_t off, uint8_t *buf, int64_t len)
{
    while (len) {
        int i = source_of(c, off);
        int64_t n = MIN(len, c->src_start[i + 1] - off);
        int ret = block_pread(c->src[i], off - c->src_start[i], buf, n);
        if (ret && c->salvage) {
            for (int64_t s = 0; s < n; s += BLOCK_SECTOR) {
                int64_t m = MIN(n - s, BLOCK_SECTOR);
                ret = block_pread(c->src[i], off - c->src_start[i] + s, buf + s, m);
                if (ret) {
                    img_error("warning: error while reading offset %" G_GINT64_FORMAT ": %s",
                              off + s, g_strerror(-ret));
                    memset(buf + s, 0, m);
                }
            }
            ret = 0;
        }
        if (ret) {
            img_error("error while reading at byte %" G_GINT64_FORMAT ": %s", off,
                      g_strerror(-ret));
            return ret;
        }
        off += n;
        buf += n;
        len -= n;
    }
    return 0;
}

/* Length of the run at p that is all zeroes or all not, by steps of `step` aligned to the guest. */
static int64_t run_length(const uint8_t *p, int64_t off, int64_t len, int64_t step, bool *zero)
{
    int64_t n = MIN(ROUND_UP(off + 1, step) - off, len);
    *zero = block_is_zero(p, n);
    while (n < len) {
        int64_t m = MIN(step, len - n);
        if (block_is_zero(p + n, m) != *zero) {
            break;
        }
        n += m;
    }
    return n;
}

static int write_zeroes(Convert *c, int64_t off, int64_t len)
{
    return c->dst_zero ? 0 : block_write_zeroes(c->dst, off, len, BLOCK_ZERO_MAY_UNMAP);
}

static int write_data(Convert *c, int64_t off, const uint8_t *buf, int64_t len)
{
    int64_t step = c->compress ? c->unit : c->sparse;
    while (len) {
        bool zero = false;
        int64_t n = step ? run_length(buf, off, len, step, &zero) : len;
        int ret = zero          ? write_zeroes(c, off, n)
                  : c->compress ? block_pwrite_compressed(c->dst, off, buf, n)
                                : block_pwrite(c->dst, off, buf, n);
        if (ret) {
            return ret;
        }
        off += n;
        buf += n;
        len -= n;
    }
    return 0;
}

static int write_piece(Convert *c, int64_t off, const uint8_t *buf, int64_t len, PieceKind kind)
{
    int ret = kind == PIECE_SKIP   ? 0
              : kind == PIECE_ZERO ? write_zeroes(c, off, len)
                                   : write_data(c, off, buf, len);
    if (ret) {
        img_error("error while writing at byte %" G_GINT64_FORMAT ": %s", off, g_strerror(-ret));
    }
    return ret;
}

static void keep_rate(Convert *c, int64_t done)
{
    if (c->rate) {
        gint64 due = c->started + (gint64)((double)done / c->rate * G_USEC_PER_SEC);
        gint64 now = g_get_monotonic_time();
        if (due > now) {
            g_usleep(due - now);
        }
    }
}

/* Did the host copy it by itself? It keeps trying until once it could not. */
static bool offloaded(Convert *c, int64_t off, int64_t len, int *ret)
{
    int i = source_of(c, off);
    if (!g_atomic_int_get(&c->offload) || c->src_start[i]) {
        return false; /* only a first source has the target's offsets */
    }
    *ret = block_copy_range(c->src[i], c->dst, off, len);
    if (*ret == -ENOTSUP) {
        g_atomic_int_set(&c->offload, false);
        *ret = 0;
        return false;
    }
    return true;
}

static gpointer worker(gpointer opaque)
{
    Convert *c = opaque;
    void *buf;
    int64_t off, len;
    PieceKind kind;
    if (posix_memalign(&buf, 4096, c->chunk + c->unit)) {
        buf = NULL;
    }
    g_mutex_lock(&c->lock);
    c->ret = buf ? c->ret : -ENOMEM;
    while ((len = take_piece(c, &off, &kind))) {
        int ret = 0;
        g_mutex_unlock(&c->lock);
        bool copied = kind == PIECE_DATA && offloaded(c, off, len, &ret);
        if (kind == PIECE_DATA && !copied) {
            ret = read_sources(c, off, buf, len);
        }
        if (c->ordered) {
            g_mutex_lock(&c->lock);
            while (c->written < off && !c->ret) {
                g_cond_wait(&c->turn, &c->lock);
            }
            ret = ret ? ret : c->ret;
            g_mutex_unlock(&c->lock);
        }
        ret = ret || copied ? ret : write_piece(c, off, buf, len, kind);
        g_mutex_lock(&c->lock);
        c->ret = c->ret ? c->ret : ret;
        c->written = off + len;
        c->done += len;
        g_cond_broadcast(&c->turn);
        img_progress(&c->progress, (double)c->done / MAX(c->total, 1));
        int64_t done = c->done;
        g_mutex_unlock(&c->lock);
        keep_rate(c, done);
        g_mutex_lock(&c->lock);
    }
    g_mutex_unlock(&c->lock);
    free(buf);
    return NULL;
}

static int copy_all(Convert *c, int threads)
{
    GThread *t[MAX_THREADS];
    g_mutex_init(&c->lock);
    g_cond_init(&c->turn);
    c->started = g_get_monotonic_time();
    img_progress(&c->progress, 0);
    for (int i = 0; i < threads; i++) {
        t[i] = g_thread_new("convert", worker, c);
    }
    for (int i = 0; i < threads; i++) {
        g_thread_join(t[i]);
    }
    if (!c->ret) {
        c->ret = block_flush(c->dst);
        if (c->ret) {
            img_error("could not flush the output: %s", g_strerror(-c->ret));
        }
    }
    if (!c->ret) {
        img_progress_end(&c->progress);
    }
    return c->ret ? 1 : 0;
}

static int copy_bitmaps(BlockNode *src, BlockNode *dst, bool skip_broken)
{
    GError *err = NULL;
    if (!src->drv->bitmap_list || !dst->drv->bitmap_op) {
        img_error("Format lacks bitmap support");
        return 1;
    }
    g_autoptr(GPtrArray) list = src->drv->bitmap_list(src, NULL);
    for (unsigned i = 0; i < list->len; i++) {
        BlockBitmap *from = g_ptr_array_index(list, i);
        if (from->inconsistent && skip_broken) {
            img_error("warning: Skipping inconsistent bitmap '%s'", from->name);
            continue;
        }
        if (!src->drv->bitmap_load(src, from, &err) ||
            !dst->drv->bitmap_op(dst, BLOCK_BITMAP_ADD, from->name, 1U << from->granularity_bits,
                                 &err)) {
            return img_fail(err);
        }
        g_autoptr(GPtrArray) made = dst->drv->bitmap_list(dst, NULL);
        BlockBitmap *to = g_ptr_array_index(made, made->len - 1);
        img_merge_bitmap(to, from, dst->size);
        if (!dst->drv->bitmap_store(dst, to, &err) ||
            (!from->enabled &&
             !dst->drv->bitmap_op(dst, BLOCK_BITMAP_DISABLE, to->name, 0, &err))) {
            return img_fail(err);
        }
    }
    return 0;
}

typedef struct Args {
    ImgOpen src;
    const char *out_fmt, *backing, *backing_fmt, *snapshot, *cache;
    char *options;
    bool compress, no_create, unordered, quiet, salvage, target_zero, bitmaps, skip_broken;
    bool target_image_opts, offload, sparse_given;
    uint64_t sparse, rate;
    int threads;
    ImgProgress progress;
} Args;

static bool parse_sparse(const ImgOption *o, const char *arg)
{
    Args *a = o->out;
    uint64_t *sparse = &a->sparse;
    a->sparse_given = true;
    if (!img_parse_size("buffer size for sparse output", arg, sparse)) {
        return false;
    }
    if (*sparse % BLOCK_SECTOR || *sparse > MAX_SPARSE) {
        img_error(
            "Invalid buffer size for sparse output specified. Valid sizes are multiples of %d "
            "up to %d. Select 0 to disable sparse detection (fully allocates output).",
            BLOCK_SECTOR, MAX_SPARSE);
        return false;
    }
    return true;
}

static bool parse_threads(const ImgOption *o, const char *arg)
{
    uint64_t n;
    if (!img_parse_size("number of coroutines", arg, &n) || !n || n > MAX_THREADS) {
        img_error("Invalid number of coroutines. Allowed number of coroutines is between 1 and %d",
                  MAX_THREADS);
        return false;
    }
    *(int *)o->out = n;
    return true;
}

static int parse(Args *a, int argc, char **argv)
{
    const ImgOption table[] = {
        IMG_OPT('f', NULL, IMG_STR, &a->src.fmt),
        IMG_OPT('O', NULL, IMG_STR, &a->out_fmt),
        IMG_OPT('B', NULL, IMG_STR, &a->backing),
        IMG_OPT('F', NULL, IMG_STR, &a->backing_fmt),
        IMG_OPT('C', NULL, IMG_ON, &a->offload),
        IMG_OPT('c', NULL, IMG_ON, &a->compress),
        IMG_OPT('o', NULL, IMG_OPTIONS, &a->options),
        IMG_OPT('l', NULL, IMG_STR, &a->snapshot),
        IMG_OPT('S', NULL, IMG_CALL_ARG, a, .call = parse_sparse),
        IMG_OPT('p', NULL, IMG_ON, &a->progress.on),
        IMG_OPT('t', NULL, IMG_STR, &a->cache),
        IMG_OPT('T', NULL, IMG_STR, &a->src.cache),
        IMG_OPT('q', NULL, IMG_ON, &a->quiet),
        IMG_OPT('n', NULL, IMG_ON, &a->no_create),
        IMG_OPT('m', NULL, IMG_CALL_ARG, &a->threads, .call = parse_threads),
        IMG_OPT('W', NULL, IMG_ON, &a->unordered),
        IMG_OPT('U', "force-share", IMG_BITS, &a->src.flags, .bits = BLOCK_FORCE_SHARE),
        IMG_OPT('r', NULL, IMG_SIZE, &a->rate, .what = "rate limit"),
        IMG_OPT(0, "image-opts", IMG_ON, &a->src.image_opts),
        IMG_OPT(0, "target-image-opts", IMG_ON, &a->target_image_opts),
        IMG_OPT(0, "target-is-zero", IMG_ON, &a->target_zero),
        IMG_OPT(0, "salvage", IMG_ON, &a->salvage),
        IMG_OPT(0, "bitmaps", IMG_ON, &a->bitmaps),
        IMG_OPT(0, "skip-broken-bitmaps", IMG_ON, &a->skip_broken),
        IMG_OPT(0, "object", IMG_OBJECT, NULL),
        { 0 },
    };
    if (!img_parse("convert", table, argc, argv)) {
        return 1;
    }
    return 0;
}

static int check_args(const Args *a, int nfiles)
{
    const char *bad = NULL;
    if (nfiles < 2) {
        return img_usage("convert", "Must specify image file name");
    }
    if (a->offload && (a->sparse_given || a->compress)) {
        bad = a->compress ? "Cannot enable copy offloading when -c is used"
                          : "Cannot enable copy offloading when -S is used";
    } else if (a->target_image_opts && !a->no_create) {
        bad = "--target-image-opts requires use of -n flag";
    } else if (a->target_zero && !a->no_create) {
        bad = "--target-is-zero requires use of -n flag";
    } else if (a->skip_broken && !a->bitmaps) {
        bad = "Use of --skip-broken-bitmaps requires --bitmaps";
    } else if (a->bitmaps && nfiles != 2) {
        bad = "Copying bitmaps only possible with single source";
    } else if (a->backing && nfiles != 2) {
        bad = "Having a backing file for the target makes no sense when concatenating multiple "
              "input images";
    }
    if (bad) {
        img_error("%s", bad);
        return 1;
    }
    return 0;
}

/* "snapshot.id=1,snapshot.name=x" or just the name. */
static bool load_snapshot(BlockNode *node, const char *param)
{
    g_autoptr(Opts) opts = opts_new();
    GError *err = NULL;
    const char *name = param;
    if (g_str_has_prefix(param, "snapshot.")) {
        opts_parse(opts, param, NULL, NULL);
        name = opts_get(opts, "snapshot.id");
        name = name ? name : opts_get(opts, "snapshot.name");
    }
    if (!name || !node->drv->snapshot_load || !node->drv->snapshot_load(node, name, &err)) {
        img_error("Failed to load snapshot: %s", err ? err->message : "not supported");
        g_clear_error(&err);
        return false;
    }
    return true;
}

static bool create_target(const Args *a, const char *filename, int64_t size, GError **err)
{
    const BlockDriver *drv = block_driver_find(a->out_fmt);
    g_autoptr(Opts) opts = opts_new();
    if (!drv) {
        g_set_error(err, BLOCK_ERROR, ENOENT, "Unknown file format '%s'", a->out_fmt);
        return false;
    }
    if (a->options && !opts_parse(opts, a->options, NULL, err)) {
        return false;
    }
    if (!opts_has(opts, "size")) {
        opts_setf(opts, "size", "%" G_GINT64_FORMAT, size);
    }
    if (a->backing) {
        opts_set(opts, "backing_file", a->backing);
    }
    if (a->backing_fmt) {
        opts_set(opts, "backing_fmt", a->backing_fmt);
    }
    if (opts_has(opts, "backing_file") && !opts_has(opts, "backing_fmt")) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "backing file specified without backing format");
        return false;
    }
    if (a->compress && (!drv->pwrite_compressed || opts_has(opts, "data_file"))) {
        g_set_error(err, BLOCK_ERROR, ENOTSUP, "Compression not supported for this file format");
        return false;
    }
    if (a->compress && (opts_has(opts, "encrypt.format") || opts_has(opts, "encryption"))) {
        g_set_error(err, BLOCK_ERROR, ENOTSUP,
                    "Compression and encryption not supported at the same time");
        return false;
    }
    return block_create(filename, a->out_fmt, opts, err);
}

static BlockNode *open_target(const Args *a, const char *filename)
{
    ImgOpen how = { .fmt = a->target_image_opts ? NULL : a->out_fmt,
                    .image_opts = a->target_image_opts,
                    .cache = a->cache ? a->cache : "unsafe",
                    .create_opts = a->no_create ? NULL : a->options,
                    .flags = BLOCK_RDWR | BLOCK_UNMAP };
    return img_open(&how, filename);
}

static int convert(Convert *c, Args *a, char **files, int nfiles)
{
    const char *out = files[nfiles - 1];
    GError *err = NULL;
    c->src_start = g_new0(int64_t, nfiles);
    c->src = g_new0(BlockNode *, nfiles);
    for (c->nsrc = 0; c->nsrc < nfiles - 1; c->nsrc++) {
        BlockNode *n = c->src[c->nsrc] = img_open(&a->src, files[c->nsrc]);
        if (!n || (a->snapshot && !load_snapshot(n, a->snapshot))) {
            c->nsrc += n != NULL;
            return 1;
        }
        c->src_start[c->nsrc + 1] = c->src_start[c->nsrc] + n->size;
    }
    c->total = c->src_start[c->nsrc];
    if (!a->no_create && !create_target(a, out, c->total, &err)) {
        g_prefix_error(&err, "%s: error while converting %s: ", out, a->out_fmt);
        return img_fail(err);
    }
    c->dst = open_target(a, out);
    if (!c->dst) {
        return 1;
    }
    if (c->dst->size < c->total) {
        img_error("output file is smaller than input file");
        return 1;
    }
    if (a->compress && !block_skip_filters(c->dst)->drv->pwrite_compressed) {
        img_error("Compression not supported for this file format");
        return 1;
    }
    bool backed = block_skip_filters(c->dst)->backing != NULL;
    c->keep_backing = a->backing != NULL;
    c->dst_zero = a->target_zero || (!a->no_create && !backed && block_has_zero_init(c->dst));
    c->compress = a->compress;
    c->ordered = !a->unordered && !a->compress;
    c->salvage = a->salvage;
    c->sparse = a->sparse;
    c->chunk = MAX(CHUNK, c->sparse);
    c->rate = a->rate;
    c->offload = a->offload;
    c->progress = a->progress;
    int64_t cluster = block_cluster_size(c->dst);
    c->unit = c->compress ? MAX(cluster, BLOCK_SECTOR) : 1;
    int ret = copy_all(c, a->threads);
    if (!ret && a->bitmaps) {
        ret = copy_bitmaps(c->src[0], c->dst, a->skip_broken);
    }
    return ret;
}

int img_convert(int argc, char **argv)
{
    Args a = { .out_fmt = "raw",
               .sparse = 4096,
               .threads = CLAMP(sysconf(_SC_NPROCESSORS_ONLN), 1, 8) };
    Convert c = { 0 };
    int ret = parse(&a, argc, argv);
    if (ret) {
        return ret;
    }
    int nfiles = argc - optind;
    if (img_options_help(a.options, a.out_fmt, nfiles ? argv[argc - 1] : NULL, false)) {
        return 0;
    }
    ret = check_args(&a, nfiles);
    if (!ret) {
        ret = convert(&c, &a, argv + optind, nfiles);
    }
    block_unref(c.dst);
    for (int i = 0; i < c.nsrc; i++) {
        block_unref(c.src[i]);
    }
    g_free(c.src);
    g_free(c.src_start);
    g_free(a.options);
    return ret;
}
