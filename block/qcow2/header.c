/* SPDX-License-Identifier: MIT */
/* The header ("Header", "Header extensions", "Feature name table"): reading with every field
 * checked, and writing. */
#include "block/qcow2/qcow2.h"

enum {
    EXT_END = 0,
    EXT_BACKING_FORMAT = 0xe2792aca,
    EXT_FEATURES = 0x6803f857,
    EXT_BITMAPS = 0x23852875,
    EXT_CRYPTO = 0x0537be77,
    EXT_DATA_FILE = 0x44415441,
};

enum { V2_HEADER = 72, V3_HEADER = 104, KNOWN_HEADER = 112 };

static const struct {
    uint8_t type, bit;
    const char *name;
} feature_names[] = {
    { 0, 0, "dirty bit" },        { 0, 1, "corrupt bit" },         { 0, 2, "external data file" },
    { 0, 3, "compression type" }, { 0, 4, "extended L2 entries" }, { 1, 0, "lazy refcounts" },
    { 2, 0, "bitmaps" },          { 2, 1, "raw external data" },
};

static bool bad(Qcow2 *s, GError **err, int code, const char *fmt, ...) G_GNUC_PRINTF(4, 5);
static bool bad(Qcow2 *s, GError **err, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_set_error(err, BLOCK_ERROR, code, "Could not open '%s': %s", s->node->filename, text);
    return false;
}

void qcow2_set_geometry(Qcow2 *s)
{
    s->cluster_size = 1ULL << s->cluster_bits;
    s->ext_l2 = s->incompat & QCOW2_INCOMPAT_EXT_L2;
    s->l2_entry_size = s->ext_l2 ? 16 : 8;
    s->l2_bits = s->cluster_bits - (s->ext_l2 ? 4 : 3);
    s->subs = s->ext_l2 ? 32 : 1;
    s->sub_bits = s->cluster_bits - (s->ext_l2 ? 5 : 0);
    s->rb_bits = s->cluster_bits + 3 - s->refcount_order;
    s->refcount_max = s->refcount_order == 6 ? INT64_MAX : (1ULL << (1U << s->refcount_order)) - 1;
}

/* What an unknown feature bit is called, from the image's own table if it has one. */
static char *unknown_features(const uint8_t *table, uint32_t len, uint64_t bits)
{
    GString *out = g_string_new(NULL);
    for (unsigned bit = 0; bit < 64; bit++) {
        if (!(bits >> bit & 1)) {
            continue;
        }
        const char *name = NULL;
        size_t n = 0;
        for (uint32_t i = 0; table && i + 48 <= len; i += 48) {
            if (table[i] == 0 && table[i + 1] == bit) {
                name = (const char *)table + i + 2;
                n = strnlen(name, 46);
            }
        }
        g_string_append(out, out->len ? ", " : "");
        if (name) {
            g_string_append_len(out, name, n);
        } else {
            g_string_append_printf(out, "Unknown incompatible feature: %" G_GINT64_MODIFIER "x",
                                   (guint64)1 << bit);
        }
    }
    return g_string_free(out, false);
}

static bool read_extension(Qcow2 *s, uint32_t type, const uint8_t *p, uint32_t len, GError **err)
{
    switch (type) {
    case EXT_BACKING_FORMAT:
        if (len > 15) {
            return bad(s, err, EINVAL, "header extension: backing format of %u bytes is too long",
                       len);
        }
        g_free(s->node->backing_fmt);
        s->node->backing_fmt = g_strndup((const char *)p, len);
        return true;
    case EXT_DATA_FILE:
        g_free(s->data_file_name);
        s->data_file_name = g_strndup((const char *)p, len);
        return true;
    case EXT_CRYPTO:
        if (len != 16) {
            return bad(s, err, EINVAL, "header extension: crypto header of %u bytes, not 16", len);
        }
        s->crypto_offset = ld_be64(p);
        s->crypto_length = ld_be64(p + 8);
        return true;
    case EXT_BITMAPS:
        if (len != 24) {
            return bad(s, err, EINVAL, "bitmaps_ext: invalid extension length %u", len);
        }
        if (!(s->autoclear & QCOW2_AUTOCLEAR_BITMAPS)) {
            return true; /* written by a program that did not know them: lost */
        }
        s->nb_bitmaps = ld_be32(p);
        s->bitmap_dir_size = ld_be64(p + 8);
        s->bitmap_dir_offset = ld_be64(p + 16);
        if (!s->nb_bitmaps || s->nb_bitmaps > QCOW2_MAX_BITMAPS ||
            s->bitmap_dir_size > BLOCK_MAX_METADATA ||
            s->bitmap_dir_offset & (s->cluster_size - 1) || !s->bitmap_dir_offset ||
            s->bitmap_dir_offset > INT64_MAX - BLOCK_MAX_METADATA) {
            return bad(s, err, EINVAL,
                       "bitmaps_ext: invalid number of bitmaps (%u), directory "
                       "size or offset",
                       s->nb_bitmaps);
        }
        return true;
    case EXT_FEATURES:
        return true; /* written anew */
    default: {
        Qcow2Extension ext = { type, len, g_memdup2(p, len) };
        g_array_append_val(s->extensions, ext);
        return true;
    }
    }
}

/* Extensions lie between the header and the backing file name, all in the first cluster. */
static bool read_extensions(Qcow2 *s, const uint8_t *buf, uint32_t from, uint32_t end,
                            bool only_features, const uint8_t **table, uint32_t *table_len,
                            GError **err)
{
    for (uint32_t p = from; p + 8 <= end;) {
        uint32_t type = ld_be32(buf + p), len = ld_be32(buf + p + 4);
        if (type == EXT_END) {
            break;
        }
        p += 8;
        if (len > end - p) {
            return bad(s, err, EINVAL, "Header extension too large (type %08x, %u bytes)", type,
                       len);
        }
        if (only_features) {
            if (type == EXT_FEATURES) {
                *table = buf + p;
                *table_len = len;
            }
        } else if (!read_extension(s, type, buf + p, len, err)) {
            return false;
        }
        p += ROUND_UP(len, 8);
    }
    return true;
}

static bool check_table(Qcow2 *s, GError **err, const char *what, uint64_t off, uint64_t bytes,
                        uint64_t max)
{
    if (bytes > max) {
        return bad(s, err, EFBIG, "%s too large", what);
    }
    if (off & (s->cluster_size - 1) || off > INT64_MAX - bytes) {
        return bad(s, err, EINVAL, "%s offset invalid", what);
    }
    return true;
}

static bool check_fixed(Qcow2 *s, const uint8_t *h, GError **err)
{
    uint32_t l1_size = ld_be32(h + 36);
    if (s->cluster_bits < 9 || s->cluster_bits > 21) {
        return bad(s, err, EINVAL, "Unsupported cluster size: 2^%u", s->cluster_bits);
    }
    if (s->version == 3 && s->header_length < V3_HEADER) {
        return bad(s, err, EINVAL, "qcow2 header too short");
    }
    if (s->header_length > 1U << s->cluster_bits || s->header_length % 8) {
        return bad(s, err, EINVAL,
                   "qcow2 header of %u bytes exceeds cluster size or is not a "
                   "multiple of 8",
                   s->header_length);
    }
    if (s->refcount_order > 6) {
        return bad(s, err, EINVAL, "Reference count entry width too large; may not exceed 64 bits");
    }
    if (s->crypt_method > QCOW2_CRYPT_LUKS) {
        return bad(s, err, EINVAL, "Unsupported encryption method %u", s->crypt_method);
    }
    if (s->incompat & QCOW2_INCOMPAT_EXT_L2 && s->cluster_bits < 14) {
        return bad(s, err, EINVAL, "extended L2 entries need clusters of at least 16384 bytes");
    }
    if (s->size > BLOCK_MAX_SIZE) {
        return bad(s, err, EFBIG, "image size %" G_GUINT64_FORMAT " is too large", s->size);
    }
    qcow2_set_geometry(s);
    if (!check_table(s, err, "Reference count table", s->rt_offset,
                     (uint64_t)s->rt_clusters << s->cluster_bits, QCOW2_MAX_RT)) {
        return false;
    }
    if (!s->rt_clusters && !(s->node->flags & BLOCK_CHECK)) {
        return bad(s, err, EINVAL, "Image does not contain a reference count table");
    }
    if (!check_table(s, err, "Active L1 table", s->l1_offset, (uint64_t)l1_size * 8,
                     QCOW2_MAX_L1)) {
        return false;
    }
    if (l1_size < qcow2_l1_entries_for(s, s->size)) {
        return bad(s, err, EINVAL, "L1 table is too small (%u entries)", l1_size);
    }
    s->l1_size = l1_size;
    return true;
}

static bool read_backing_name(Qcow2 *s, const uint8_t *buf, const uint8_t *h, uint32_t *ext_end,
                              GError **err)
{
    uint64_t off = ld_be64(h + 8);
    uint32_t len = ld_be32(h + 16);
    if (!off) {
        return true;
    }
    if (off > s->cluster_size || off < s->header_length || len > s->cluster_size - off) {
        return bad(s, err, EINVAL, "Invalid backing file offset");
    }
    if (len > 1023) {
        return bad(s, err, EINVAL, "Backing file name too long");
    }
    s->node->backing_file = g_strndup((const char *)buf + off, len);
    *ext_end = off;
    return true;
}

static bool check_features(Qcow2 *s, const uint8_t *buf, uint32_t ext_end, GError **err)
{
    uint64_t unknown = s->incompat & ~(uint64_t)QCOW2_INCOMPAT_KNOWN;
    if (unknown) {
        const uint8_t *table = NULL;
        uint32_t len = 0;
        read_extensions(s, buf, s->header_length, ext_end, true, &table, &len, NULL);
        g_autofree char *names = unknown_features(table, len, unknown);
        return bad(s, err, ENOTSUP, "Unsupported qcow2 feature(s): %s", names);
    }
    if (s->incompat & QCOW2_INCOMPAT_CORRUPT && s->node->flags & BLOCK_RDWR &&
        !(s->node->flags & BLOCK_CHECK)) {
        return bad(s, err, EACCES, "qcow2: Image is corrupt; cannot be opened read/write");
    }
    if (s->compression > QCOW2_ZSTD ||
        (s->compression != QCOW2_ZLIB) != !!(s->incompat & QCOW2_INCOMPAT_COMPRESSION)) {
        return bad(s, err, EINVAL,
                   "qcow2: unknown compression type %d, or its feature bit is "
                   "wrong",
                   s->compression);
    }
    return true;
}

bool qcow2_read_header(Qcow2 *s, GError **err)
{
    uint8_t h[KNOWN_HEADER] = { 0 };
    int ret = block_pread(s->node->file, 0, h, sizeof(h));
    if (ret) {
        return bad(s, err, -ret, "Could not read qcow2 header: %s", g_strerror(-ret));
    }
    if (ld_be32(h) != QCOW2_MAGIC) {
        return bad(s, err, EINVAL, "Image is not in qcow2 format");
    }
    s->version = ld_be32(h + 4);
    if (s->version < 2 || s->version > 3) {
        return bad(s, err, ENOTSUP, "Unsupported qcow2 version %u", ld_be32(h + 4));
    }
    s->cluster_bits = ld_be32(h + 20);
    s->size = ld_be64(h + 24);
    s->crypt_method = ld_be32(h + 32);
    s->l1_offset = ld_be64(h + 40);
    s->rt_offset = ld_be64(h + 48);
    s->rt_clusters = ld_be32(h + 56);
    s->refcount_order = 4;
    s->header_length = V2_HEADER;
    if (s->version == 3) {
        s->incompat = ld_be64(h + 72);
        s->compat = ld_be64(h + 80);
        s->autoclear = ld_be64(h + 88);
        s->refcount_order = ld_be32(h + 96);
        s->header_length = ld_be32(h + 100);
        s->compression = s->header_length > V3_HEADER ? h[104] : 0;
    }
    if (!check_fixed(s, h, err)) {
        return false;
    }
    g_autofree uint8_t *buf = g_malloc(s->cluster_size);
    uint32_t ext_end = s->cluster_size;
    ret = block_pread(s->node->file, 0, buf, s->cluster_size);
    if (ret) {
        return bad(s, err, -ret, "Could not read qcow2 header: %s", g_strerror(-ret));
    }
    if (s->header_length > KNOWN_HEADER) {
        s->unknown_header_len = MIN(s->header_length - KNOWN_HEADER, sizeof(s->unknown_header));
        memcpy(s->unknown_header, buf + KNOWN_HEADER, s->unknown_header_len);
    }
    return read_backing_name(s, buf, h, &ext_end, err) && check_features(s, buf, ext_end, err) &&
           read_extensions(s, buf, s->header_length, ext_end, false, NULL, NULL, err);
}

static void put_fixed(Qcow2 *s, uint8_t *h)
{
    st_be32(h, QCOW2_MAGIC);
    st_be32(h + 4, s->version);
    st_be32(h + 20, s->cluster_bits);
    st_be64(h + 24, s->size);
    st_be32(h + 32, s->crypt_method);
    st_be32(h + 36, s->l1_size);
    st_be64(h + 40, s->l1_offset);
    st_be64(h + 48, s->rt_offset);
    st_be32(h + 56, s->rt_clusters);
    st_be32(h + 60, s->snapshots ? s->snapshots->len : 0);
    st_be64(h + 64, s->snapshots_offset);
    if (s->version >= 3) {
        st_be64(h + 72, s->incompat);
        st_be64(h + 80, s->compat);
        st_be64(h + 88, s->autoclear);
        st_be32(h + 96, s->refcount_order);
        st_be32(h + 100, KNOWN_HEADER + s->unknown_header_len);
        h[104] = s->compression;
    }
}

typedef struct Writer {
    uint8_t *buf;
    size_t size, pos;
    bool full;
} Writer;

static void put_bytes(Writer *w, const void *p, size_t n, size_t padded)
{
    if (w->full || padded > w->size - w->pos) {
        w->full = true;
        return;
    }
    memset(w->buf + w->pos, 0, padded);
    if (n) {
        memcpy(w->buf + w->pos, p, n);
    }
    w->pos += padded;
}

static void put_extension(Writer *w, uint32_t type, const void *p, uint32_t len)
{
    uint8_t head[8];
    st_be32(head, type);
    st_be32(head + 4, len);
    put_bytes(w, head, 8, 8);
    put_bytes(w, p, len, ROUND_UP(len, 8));
}

static void put_features(Writer *w)
{
    uint8_t table[G_N_ELEMENTS(feature_names) * 48] = { 0 };
    for (unsigned i = 0; i < G_N_ELEMENTS(feature_names); i++) {
        table[i * 48] = feature_names[i].type;
        table[i * 48 + 1] = feature_names[i].bit;
        g_strlcpy((char *)table + i * 48 + 2, feature_names[i].name, 46);
    }
    put_extension(w, EXT_FEATURES, table, sizeof(table));
}

int qcow2_header_bytes(Qcow2 *s, uint8_t *buf, size_t size, const char **what)
{
    uint8_t fixed[KNOWN_HEADER] = { 0 };
    Writer w = { .buf = buf, .size = size };
    size_t fixed_len = s->version >= 3 ? KNOWN_HEADER : V2_HEADER;
    memset(buf, 0, size);
    put_fixed(s, fixed);
    put_bytes(&w, fixed, fixed_len, fixed_len);
    if (s->version >= 3) {
        put_bytes(&w, s->unknown_header, s->unknown_header_len, s->unknown_header_len);
    }
    if (s->node->backing_fmt && s->node->backing_file) {
        put_extension(&w, EXT_BACKING_FORMAT, s->node->backing_fmt, strlen(s->node->backing_fmt));
    }
    if (s->data_file_name && s->incompat & QCOW2_INCOMPAT_DATA_FILE) {
        put_extension(&w, EXT_DATA_FILE, s->data_file_name, strlen(s->data_file_name));
    }
    if (s->crypto_length) {
        uint8_t ext[16];
        st_be64(ext, s->crypto_offset);
        st_be64(ext + 8, s->crypto_length);
        put_extension(&w, EXT_CRYPTO, ext, sizeof(ext));
    }
    if (s->version >= 3) {
        /* It helps people, not programs: leave it out of small clusters. */
        if (size >= 4096) {
            put_features(&w);
        }
        if (s->nb_bitmaps) {
            uint8_t ext[24] = { 0 };
            st_be32(ext, s->nb_bitmaps);
            st_be64(ext + 8, s->bitmap_dir_size);
            st_be64(ext + 16, s->bitmap_dir_offset);
            put_extension(&w, EXT_BITMAPS, ext, sizeof(ext));
        }
    }
    for (unsigned i = 0; s->extensions && i < s->extensions->len; i++) {
        Qcow2Extension *e = &g_array_index(s->extensions, Qcow2Extension, i);
        put_extension(&w, e->type, e->data, e->len);
    }
    put_extension(&w, EXT_END, NULL, 0);
    *what = "header extensions";
    if (!w.full && s->node->backing_file) {
        size_t len = strlen(s->node->backing_file);
        st_be64(buf + 8, w.pos);
        st_be32(buf + 16, len);
        put_bytes(&w, s->node->backing_file, len, len);
        *what = "backing file name";
    }
    return w.full ? -ENOSPC : 0;
}

int qcow2_write_header(Qcow2 *s)
{
    const char *what;
    g_autofree uint8_t *buf = g_malloc(s->cluster_size);
    int ret = qcow2_header_bytes(s, buf, s->cluster_size, &what);
    return ret ? ret : block_pwrite(s->node->file, 0, buf, s->cluster_size);
}

int qcow2_write_fields(Qcow2 *s, unsigned from, unsigned len)
{
    uint8_t fixed[KNOWN_HEADER] = { 0 };
    put_fixed(s, fixed);
    g_assert(from + len <= sizeof(fixed) && from >= 20);
    return block_pwrite(s->node->file, from, fixed + from, len);
}

int qcow2_set_features(Qcow2 *s, uint64_t incompat, uint64_t compat, uint64_t autoclear)
{
    uint64_t old[3] = { s->incompat, s->compat, s->autoclear };
    if (s->version < 3) {
        return 0;
    }
    s->incompat = incompat;
    s->compat = compat;
    s->autoclear = autoclear;
    int ret = qcow2_write_fields(s, QCOW2_F_FEATURES, 24);
    if (ret) {
        s->incompat = old[0];
        s->compat = old[1];
        s->autoclear = old[2];
    }
    return ret;
}
