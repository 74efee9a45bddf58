/* SPDX-License-Identifier: MIT */
/* New images, the size they will need, and changing the options of an image that exists. */
#include "block/qcow2/qcow2.h"

#define LUKS_KEY_HELP "ID of secret providing qcow AES key or LUKS passphrase"

const OptDef qcow2_create_opts[] = {
    { "cluster_size", OPT_SIZE, "65536", "qcow2 cluster size" },
    { "extended_l2", OPT_BOOL, "off", "Extended L2 tables" },
    { "preallocation", OPT_STR, NULL,
      "Preallocation mode (allowed values: off, metadata, falloc, full)" },
    { "compression_type", OPT_STR, "zlib",
      "Compression method used for image cluster compression" },
    { "size", OPT_SIZE, NULL, "Virtual disk size" },
    { "compat", OPT_STR, NULL, "Compatibility level (v2 [0.10] or v3 [1.1])" },
    { "backing_file", OPT_STR, NULL, "File name of a base image" },
    { "backing_fmt", OPT_STR, NULL, "Image format of the base image" },
    { "data_file", OPT_STR, NULL, "File name of an external data file" },
    { "data_file_raw", OPT_BOOL, NULL, "The external data file must stay valid as a raw image" },
    { "lazy_refcounts", OPT_BOOL, "off", "Postpone refcount updates" },
    { "refcount_bits", OPT_NUM, "16", "Width of a reference count entry in bits" },
    { "encryption", OPT_BOOL, NULL,
      "Encrypt the image with format 'aes'. (Deprecated in favor of encrypt.format=aes)" },
    { "encrypt.format", OPT_STR, NULL, "Encrypt the image, format choices: 'aes', 'luks'" },
    LUKS_CREATE_OPTS("encrypt."),
    { 0 },
};

const OptDef qcow2_amend_opts[] = {
    { "size", OPT_SIZE, NULL, "Virtual disk size" },
    { "compat", OPT_STR, NULL, "Compatibility level (v2 [0.10] or v3 [1.1])" },
    { "backing_file", OPT_STR, NULL, "File name of a base image" },
    { "backing_fmt", OPT_STR, NULL, "Image format of the base image" },
    { "data_file", OPT_STR, NULL, "File name of an external data file" },
    { "data_file_raw", OPT_BOOL, NULL, "The external data file must stay valid as a raw image" },
    { "lazy_refcounts", OPT_BOOL, NULL, "Postpone refcount updates" },
    { "refcount_bits", OPT_NUM, NULL, "Width of a reference count entry in bits" },
    LUKS_AMEND_OPTS("encrypt."),
    { 0 },
};

static const char *const compression_names[] = { "zlib", "zstd", NULL };

/* The create options, checked together. */
typedef struct Params {
    uint64_t size;
    uint64_t cluster_size;
    int version, compression, prealloc;
    unsigned refcount_order;
    uint32_t crypt;
    uint64_t crypt_header; /* bytes */
    bool ext_l2, lazy, data_raw;
    const char *backing, *backing_fmt, *data_file;
} Params;

static bool invalid(GError **err, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
static bool invalid(GError **err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_set_error_literal(err, BLOCK_ERROR, EINVAL, text);
    return false;
}

static bool parse_compat(const char *value, int *version, GError **err)
{
    if (!value) {
        *version = 3;
    } else if (!strcmp(value, "0.10") || !strcmp(value, "v2")) {
        *version = 2;
    } else if (!strcmp(value, "1.1") || !strcmp(value, "v3")) {
        *version = 3;
    } else {
        return invalid(err, "Invalid compatibility level: '%s' (one of: 0.10, v2, 1.1, v3)", value);
    }
    return true;
}

static bool check_together(const Params *p, GError **err)
{
    const uint64_t l2_span = p->cluster_size / (p->ext_l2 ? 16 : 8) * p->cluster_size;
    if (p->cluster_size & (p->cluster_size - 1) || p->cluster_size < 512 ||
        p->cluster_size > 2 << 20) {
        return invalid(err, "Cluster size must be a power of two between 512 and 2048k");
    }
    if (p->version < 3) {
        const char *what = p->lazy                  ? "Lazy refcounts are"
                           : p->refcount_order != 4 ? "Different refcount widths than 16 bits are"
                           : p->ext_l2              ? "Extended L2 entries are"
                           : p->data_file           ? "External data files are"
                           : p->compression         ? "Non-zlib compression type is"
                                                    : NULL;
        if (what) {
            return invalid(err,
                           "%s only supported with compatibility level 1.1 and above (use "
                           "version=v3 or greater)",
                           what);
        }
    }
    if (p->ext_l2 && p->cluster_size < 16384) {
        return invalid(err, "Extended L2 entries are only supported with cluster sizes of at "
                            "least 16384 bytes");
    }
    if (p->data_raw && !p->data_file) {
        return invalid(err, "data-file-raw requires data-file");
    }
    if (p->data_raw && p->backing) {
        return invalid(err, "Backing file and data-file-raw cannot be used at the same time");
    }
    if (p->backing && p->prealloc != BLOCK_PREALLOC_OFF && !p->ext_l2) {
        return invalid(err, "Backing file and preallocation can only be used at the same time if "
                            "extended_l2 is enabled");
    }
    if (p->size / l2_span >= QCOW2_MAX_L1 / 8) {
        return invalid(err,
                       "The image size is too large for clusters of %" G_GUINT64_FORMAT " bytes",
                       p->cluster_size);
    }
    if (p->backing && strlen(p->backing) > 1023) {
        return invalid(err, "Backing file name too long");
    }
    return true;
}

static bool parse_params(Opts *opts, Params *p, GError **err)
{
    const OptDef *t = qcow2_create_opts;
    if (!opts_check(opts, t, err) || !parse_compat(opt_str(opts, t, "compat"), &p->version, err) ||
        !opt_enum(opts, t, "compression_type", compression_names, &p->compression, err) ||
        !opt_enum(opts, t, "preallocation", block_prealloc_names, &p->prealloc, err) ||
        !qcow2_crypt_method(opts, &p->crypt, err)) {
        return false;
    }
    if (p->crypt == QCOW2_CRYPT_LUKS && !(p->crypt_header = qcow2_crypt_header_size(opts, err))) {
        return false;
    }
    uint64_t bits = opt_num(opts, t, "refcount_bits");
    if (!bits || bits > 64 || bits & (bits - 1)) {
        return invalid(err, "Refcount width must be a power of two and may not exceed 64 bits");
    }
    p->refcount_order = __builtin_ctzll(bits);
    p->size = ROUND_UP(opt_num(opts, t, "size"), BLOCK_SECTOR);
    p->cluster_size = opt_num(opts, t, "cluster_size");
    p->ext_l2 = opt_bool(opts, t, "extended_l2");
    p->lazy = opt_bool(opts, t, "lazy_refcounts");
    p->backing = opt_str(opts, t, "backing_file");
    p->backing_fmt = opt_str(opts, t, "backing_fmt");
    p->data_file = opt_str(opts, t, "data_file");
    p->data_raw = opt_bool(opts, t, "data_file_raw");
    if (p->data_raw && p->prealloc == BLOCK_PREALLOC_OFF) {
        p->prealloc = BLOCK_PREALLOC_METADATA; /* reads without the tables must agree with them */
    }
    return check_together(p, err);
}

/* Header, refcount table, one refcount block; no guest size and no L1 table yet. */
static int write_empty(BlockNode *file, const Params *p, const char **what)
{
    BlockNode node = { .file = file,
                       .backing_file = (char *)p->backing,
                       .backing_fmt = (char *)p->backing_fmt };
    Qcow2 s = {
        .node = &node,
        .version = p->version,
        .cluster_bits = __builtin_ctzll(p->cluster_size),
        .refcount_order = p->refcount_order,
        .compression = p->compression,
        .rt_offset = p->cluster_size,
        .rt_clusters = 1,
        .data_file_name = (char *)p->data_file,
        .compat = p->lazy ? QCOW2_COMPAT_LAZY : 0,
        .autoclear = p->data_raw ? QCOW2_AUTOCLEAR_DATA_RAW : 0,
        .incompat = (p->data_file ? QCOW2_INCOMPAT_DATA_FILE : 0) |
                    (p->compression ? QCOW2_INCOMPAT_COMPRESSION : 0) |
                    (p->ext_l2 ? QCOW2_INCOMPAT_EXT_L2 : 0),
    };
    qcow2_set_geometry(&s);
    g_autofree uint8_t *image = g_malloc0(3 * p->cluster_size);
    int ret = qcow2_header_bytes(&s, image, p->cluster_size, what);
    if (ret) {
        return ret;
    }
    st_be64(image + p->cluster_size, 2 * p->cluster_size);
    for (unsigned i = 0; i < 3; i++) {
        qcow2_rc_write(image + 2 * p->cluster_size, i, p->refcount_order, 1);
    }
    *what = "image";
    return block_pwrite(file, 0, image, 3 * p->cluster_size);
}

static bool create_data_file(const char *filename, const Params *p, GError **err)
{
    g_autofree char *path = block_path_combine(filename, p->data_file);
    BlockNode *data = block_create_file(path, 0, NULL, err);
    block_unref(data);
    return data != NULL;
}

bool qcow2_create(const char *filename, Opts *opts, GError **err)
{
    Params p = { 0 };
    g_autoptr(Opts) mine = opts_new(), file_opts = opts_new();
    const char *what = "";
    for (unsigned i = 0; i < opts_count(opts); i++) {
        const char *key = opts_key(opts, i);
        bool file_only = !strcmp(key, "nocow") || !strcmp(key, "extent_size_hint");
        opts_set(file_only ? file_opts : mine, key, opts_get(opts, key));
    }
    if (!parse_params(mine, &p, err) || (p.data_file && !create_data_file(filename, &p, err))) {
        return false;
    }
    BlockNode *file = block_create_file(filename, 0, file_opts, err);
    if (!file) {
        return false;
    }
    int ret = write_empty(file, &p, &what);
    block_unref(file);
    if (ret) {
        g_set_error(err, BLOCK_ERROR, -ret, "Could not write qcow2 %s: %s", what,
                    ret == -ENOSPC ? "it does not fit the first cluster" : g_strerror(-ret));
        return false;
    }
    g_autoptr(BlockNode) node =
        block_open(filename, "qcow2", NULL, BLOCK_RDWR | BLOCK_NO_BACKING | BLOCK_NO_FLUSH, err);
    return node && (!p.crypt || qcow2_crypt_create(node->state, mine, p.crypt, err)) &&
           block_truncate(node, p.size, p.prealloc, err);
}

/* Bytes of all metadata of an image with every cluster allocated. */
static uint64_t metadata_size(const Params *p, uint64_t size)
{
    uint64_t cs = p->cluster_size, entry = p->ext_l2 ? 16 : 8;
    uint64_t clusters = DIV_ROUND_UP(size, cs);
    uint64_t l2 = DIV_ROUND_UP(clusters * entry, cs);
    uint64_t l1 = DIV_ROUND_UP(l2 * 8, cs);
    uint64_t fixed = 1 + l2 + l1 + DIV_ROUND_UP(p->crypt_header, cs),
             per_block = cs * 8 >> p->refcount_order;
    uint64_t blocks = 0, table = 0;
    for (;;) {
        uint64_t total = fixed + (p->data_file ? 0 : clusters) + blocks + table;
        uint64_t b = DIV_ROUND_UP(total, per_block), t = DIV_ROUND_UP(b * 8, cs);
        if (b == blocks && t == table) {
            return (fixed + blocks + table) * cs;
        }
        blocks = b;
        table = t;
    }
}

static bool count_data(BlockNode *source, uint64_t cs, uint64_t *bytes, GError **err)
{
    int64_t pos = 0, counted = 0; /* everything below `counted` is in a counted cluster */
    while (pos < source->size) {
        BlockExtent ext;
        int ret = block_status_above(source, NULL, pos, source->size - pos, &ext);
        if (ret) {
            g_set_error(err, BLOCK_ERROR, -ret, "'%s': unable to get block status: %s",
                        source->filename, g_strerror(-ret));
            return false;
        }
        if (!(ext.flags & BLOCK_EXTENT_ZERO) && ext.flags & BLOCK_EXTENT_ALLOCATED) {
            int64_t from = MAX(ROUND_DOWN(pos, (int64_t)cs), counted);
            int64_t to = ROUND_UP(pos + ext.len, (int64_t)cs);
            *bytes += MAX(to - from, 0);
            counted = MAX(counted, to);
        }
        pos += ext.len;
    }
    return true;
}

static uint64_t bitmaps_size(BlockNode *source, uint64_t cs)
{
    BlockNode *n = block_skip_filters(source);
    uint64_t total = 0, dir = 0;
    g_autoptr(GPtrArray) list = n->drv->bitmap_list(n, NULL);
    for (unsigned i = 0; i < list->len; i++) {
        BlockBitmap *bm = g_ptr_array_index(list, i);
        if (!bm->inconsistent) {
            uint64_t clusters = DIV_ROUND_UP(DIV_ROUND_UP(bm->nbits, 8), cs);
            total += clusters * cs + ROUND_UP(clusters * 8, cs);
            dir += ROUND_UP(24 + strlen(bm->name), 8);
        }
    }
    return total + ROUND_UP(dir, cs);
}

bool qcow2_measure(Opts *opts, BlockNode *source, uint64_t size, BlockMeasure *out, GError **err)
{
    Params p = { 0 };
    uint64_t data = 0;
    if (!parse_params(opts, &p, err)) {
        return false;
    }
    size = ROUND_UP(source ? (uint64_t)source->size : size, p.cluster_size);
    if (source && p.prealloc < BLOCK_PREALLOC_FALLOC &&
        !count_data(source, p.cluster_size, &data, err)) {
        return false;
    }
    if (p.prealloc >= BLOCK_PREALLOC_FALLOC) {
        data = size;
    }
    uint64_t metadata = metadata_size(&p, size);
    out->fully_allocated = metadata + (p.data_file ? 0 : size);
    out->required = metadata + (p.data_file ? 0 : data);
    BlockNode *from = source ? block_skip_filters(source) : NULL;
    if (from && from->drv->bitmap_list && p.version >= 3) {
        out->bitmaps = bitmaps_size(source, p.cluster_size);
        out->has_bitmaps = true;
    }
    return true;
}

/* Version 2 has no zero flag: such clusters become unallocated or real zeroes. */
static int expand_zeroes(Qcow2 *s)
{
    for (uint64_t off = 0; off < s->size;) {
        ClusterRun run;
        g_mutex_lock(&s->lock);
        int ret = qcow2_map(s, off, s->size - off, &run);
        if (!ret && run.type == CLUSTER_ZERO && !s->node->backing_file) {
            ret =
                qcow2_drop(s, ROUND_DOWN(off, s->cluster_size), ROUND_UP(run.len, s->cluster_size));
        }
        g_mutex_unlock(&s->lock);
        for (uint64_t at = 0;
             !ret && run.type == CLUSTER_ZERO && s->node->backing_file && at < run.len;
             at += s->cluster_size) {
            uint64_t n = MIN(s->cluster_size, run.len - at);
            g_autofree uint8_t *zeroes = g_malloc0(n);
            ret = qcow2_pwrite(s->node, off + at, zeroes, n);
        }
        if (ret) {
            return ret;
        }
        off += run.len;
    }
    return 0;
}

static bool failed(Qcow2 *s, GError **err, int ret, const char *what)
{
    if (ret) {
        g_set_error(err, BLOCK_ERROR, -ret, "'%s': %s: %s", s->node->filename, what,
                    g_strerror(-ret));
    }
    return ret != 0;
}

static bool downgrade(Qcow2 *s, GError **err)
{
    const char *what = s->refcount_order != 4 ? "refcount_bits is not 16"
                       : s->incompat & ~(uint64_t)QCOW2_INCOMPAT_DIRTY
                           ? "an incompatible feature is in use"
                       : s->snapshots->len ? "it has internal snapshots"
                       : s->nb_bitmaps     ? "it has bitmaps"
                                           : NULL;
    if (what) {
        return invalid(err, "'%s': cannot downgrade to compat=0.10: %s", s->node->filename, what);
    }
    s->lazy = false;
    int ret = expand_zeroes(s);
    ret = ret ? ret : qcow2_commit(s);
    ret = ret ? ret : qcow2_commit(s);
    if (!failed(s, err, ret, "could not downgrade")) {
        s->version = 2;
        s->incompat = s->compat = s->autoclear = 0;
        return !failed(s, err, qcow2_write_header(s), "could not write the header");
    }
    return false;
}

typedef struct Recount {
    Qcow2 *s;
    GHashTable *own; /* clusters of the present refcount structure: they go away */
} Recount;

static uint64_t present_count(void *opaque, uint64_t cluster)
{
    Recount *r = opaque;
    uint64_t count = 0;
    if (g_hash_table_contains(r->own, GSIZE_TO_POINTER(cluster + 1))) {
        return 0;
    }
    /* A block that cannot be read must not become zeroes: more than any width can hold. */
    return qcow2_rc_get(r->s, cluster, &count) ? UINT64_MAX : count;
}

static int change_width(Qcow2 *s, unsigned order)
{
    int ret = qcow2_commit(s);
    ret = ret ? ret : qcow2_commit(s);
    if (ret) {
        return ret;
    }
    Recount r = { s, g_hash_table_new(NULL, NULL) };
    for (uint32_t i = 0; i < s->rt_size; i++) {
        if (s->rt[i]) {
            g_hash_table_add(r.own, GSIZE_TO_POINTER((s->rt[i] >> s->cluster_bits) + 1));
        }
    }
    for (uint32_t i = 0; i < s->rt_clusters; i++) {
        g_hash_table_add(r.own, GSIZE_TO_POINTER((s->rt_offset >> s->cluster_bits) + i + 1));
    }
    ret = qcow2_rebuild_refcounts(s, order, present_count, &r, s->high_water >> s->cluster_bits);
    g_hash_table_destroy(r.own);
    return ret;
}

static bool amend_features(Qcow2 *s, Opts *opts, GError **err)
{
    const OptDef *t = qcow2_amend_opts;
    uint64_t compat = s->compat, autoclear = s->autoclear;
    if (opts_has(opts, "lazy_refcounts")) {
        bool on = opt_bool(opts, t, "lazy_refcounts");
        if (on && s->version < 3) {
            return invalid(err, "Lazy refcounts only supported with compatibility level 1.1 and "
                                "above (use compat=1.1 or greater)");
        }
        compat = on ? compat | QCOW2_COMPAT_LAZY : compat & ~(uint64_t)QCOW2_COMPAT_LAZY;
    }
    if (opts_has(opts, "data_file") || opts_has(opts, "data_file_raw")) {
        if (!s->node->data) {
            return invalid(err, "data-file can only be set for images that use an external data "
                                "file");
        }
        if (opts_has(opts, "data_file_raw")) {
            bool raw = opt_bool(opts, t, "data_file_raw");
            if (raw && !(autoclear & QCOW2_AUTOCLEAR_DATA_RAW)) {
                return invalid(err, "data-file-raw cannot be set on existing images");
            }
            autoclear = raw ? autoclear : autoclear & ~(uint64_t)QCOW2_AUTOCLEAR_DATA_RAW;
        }
        if (opts_has(opts, "data_file")) {
            g_free(s->data_file_name);
            s->data_file_name = g_strdup(opts_get(opts, "data_file"));
        }
    }
    if (failed(s, err, qcow2_commit(s), "could not write metadata") ||
        failed(s, err, qcow2_commit(s), "could not write metadata")) {
        return false;
    }
    s->compat = compat;
    s->autoclear = autoclear;
    return !failed(s, err, qcow2_write_header(s), "could not write the header");
}

bool qcow2_amend(BlockNode *node, Opts *opts, GError **err)
{
    Qcow2 *s = node->state;
    const OptDef *t = qcow2_amend_opts;
    int version = s->version;
    bool encrypt = false;
    for (unsigned i = 0; i < opts_count(opts); i++) {
        const char *key = opts_key(opts, i);
        bool known = false;
        for (const OptDef *o = t; o->name; o++) {
            known |= !strcmp(o->name, key);
        }
        if (!known) {
            return invalid(err, "Option '%s' cannot be changed in an existing image", key);
        }
        encrypt |= g_str_has_prefix(key, "encrypt.");
    }
    if (!opts_check(opts, t, err) || (encrypt && !qcow2_crypt_amend(s, opts, err))) {
        return false;
    }
    if ((opts_has(opts, "compat") && !parse_compat(opts_get(opts, "compat"), &version, err))) {
        return false;
    }
    if (version > s->version) {
        s->version = version;
        if (failed(s, err, qcow2_write_header(s), "could not write the header")) {
            return false;
        }
    }
    if (opts_has(opts, "refcount_bits")) {
        uint64_t bits = opt_num(opts, t, "refcount_bits");
        if (!bits || bits > 64 || bits & (bits - 1)) {
            return invalid(err, "Refcount width must be a power of two and may not exceed 64 bits");
        }
        if (bits != 16 && s->version < 3) {
            return invalid(err, "Refcount widths other than 16 bits require compatibility level "
                                "1.1 or above (use compat=1.1 or greater)");
        }
        if (bits != 1U << s->refcount_order &&
            failed(s, err, change_width(s, __builtin_ctzll(bits)), "could not change refcounts")) {
            return false;
        }
    }
    if ((opts_has(opts, "lazy_refcounts") || opts_has(opts, "data_file") ||
         opts_has(opts, "data_file_raw")) &&
        !amend_features(s, opts, err)) {
        return false;
    }
    if (opts_has(opts, "backing_file") || opts_has(opts, "backing_fmt")) {
        const char *file = opt_str(opts, t, "backing_file");
        const char *fmt = opt_str(opts, t, "backing_fmt");
        if (!qcow2_change_backing(node, file ? file : node->backing_file,
                                  fmt ? fmt : node->backing_fmt, err)) {
            return false;
        }
    }
    if (opts_has(opts, "size") &&
        !block_truncate(node, opt_num(opts, t, "size"), BLOCK_PREALLOC_OFF, err)) {
        return false;
    }
    return version >= s->version || downgrade(s, err);
}

bool qcow2_change_backing(BlockNode *node, const char *filename, const char *format, GError **err)
{
    Qcow2 *s = node->state;
    char *name = filename && *filename ? g_strdup(filename) : NULL;
    char *fmt = name && format && *format ? g_strdup(format) : NULL;
    if (name && (strlen(name) > 1023 || s->autoclear & QCOW2_AUTOCLEAR_DATA_RAW)) {
        bool raw = strlen(name) <= 1023;
        g_free(name);
        g_free(fmt);
        return invalid(err, raw ? "Backing files are incompatible with data-file-raw"
                                : "Backing file name too long");
    }
    g_free(node->backing_file);
    g_free(node->backing_fmt);
    node->backing_file = name;
    node->backing_fmt = fmt;
    int ret = qcow2_commit(s);
    ret = ret ? ret : qcow2_commit(s);
    ret = ret ? ret : qcow2_write_header(s);
    return !failed(s, err, ret ? ret : qcow2_barrier(s), "could not write the header");
}

int qcow2_make_empty(BlockNode *node)
{
    Qcow2 *s = node->state;
    qcow2_event(s, BLOCK_EV_EMPTY_IMAGE_PREPARE);
    g_mutex_lock(&s->lock);
    int ret = qcow2_drop(s, 0, ROUND_UP(s->size, s->cluster_size));
    ret = ret ? ret : qcow2_commit(s);
    g_mutex_unlock(&s->lock);
    return ret;
}
