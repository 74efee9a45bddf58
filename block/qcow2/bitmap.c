/* SPDX-License-Identifier: MIT */
/* Persistent dirty bitmaps ("Bitmaps"): the directory, the tables, and recording of writes while
 * the image is open. A bitmap that records is marked in use on disk, so that a crash shows. */
#include "block/qcow2/qcow2.h"

enum { DIR_ENTRY = 24, TYPE_DIRTY = 1, FLAG_IN_USE = 1, FLAG_AUTO = 2, FLAG_EXTRA_OK = 4 };
#define TABLE_OFFSET 0x00fffffffffffe00ULL
#define TABLE_ONES   1

void qcow2_bitmap_free(Qcow2Bitmap *b)
{
    g_free(b->bm.name);
    g_free(b->bm.bits);
    g_free(b->extra);
    g_free(b);
}

static bool bad(Qcow2 *s, GError **err, int code, const char *what)
{
    g_set_error(err, BLOCK_ERROR, code, "'%s': bitmap directory: %s", s->node->filename, what);
    return false;
}

uint64_t qcow2_bitmap_bits(uint64_t size, unsigned granularity_bits)
{
    uint64_t unit = 1ULL << granularity_bits;
    return size / unit + (size % unit != 0);
}

static uint64_t table_entries(const Qcow2 *s, uint64_t bits)
{
    return DIV_ROUND_UP(DIV_ROUND_UP(bits, 8), s->cluster_size);
}

static bool read_entry(Qcow2 *s, const uint8_t *p, uint64_t left, uint64_t *used, GError **err)
{
    if (left < DIR_ENTRY) {
        return bad(s, err, EINVAL, "it ends inside an entry");
    }
    uint32_t name_len = ld_be16(p + 18), extra = ld_be32(p + 20);
    uint64_t len = (uint64_t)DIR_ENTRY + name_len + extra;
    if (len > left) {
        return bad(s, err, EINVAL, "it ends inside an entry");
    }
    Qcow2Bitmap *b = g_new0(Qcow2Bitmap, 1);
    g_ptr_array_add(s->bitmaps, b);
    b->table_offset = ld_be64(p);
    b->table_size = ld_be32(p + 8);
    b->flags = ld_be32(p + 12);
    b->bm.granularity_bits = p[17];
    b->extra_size = extra;
    b->extra = g_memdup2(p + DIR_ENTRY, extra);
    b->bm.name = g_strndup((const char *)p + DIR_ENTRY + extra, name_len);
    b->bm.enabled = b->flags & FLAG_AUTO;
    b->bm.inconsistent = b->flags & FLAG_IN_USE;
    *used = ROUND_UP(len, 8);
    if (p[16] != TYPE_DIRTY || b->flags & ~7U || b->bm.granularity_bits < 9 ||
        b->bm.granularity_bits > 31 || b->table_offset & (s->cluster_size - 1) ||
        (extra && !(b->flags & FLAG_EXTRA_OK)) || !name_len || name_len > 1023) {
        return bad(s, err, EINVAL,
                   "an entry's type, flags, granularity, name or offset is invalid");
    }
    b->bm.nbits = qcow2_bitmap_bits(s->size, b->bm.granularity_bits);
    if ((uint64_t)b->table_size * 8 > BLOCK_MAX_METADATA || b->bm.nbits / 8 > BLOCK_MAX_METADATA ||
        b->table_offset > INT64_MAX - BLOCK_MAX_METADATA) {
        return bad(s, err, EFBIG, "an entry's table is too large");
    }
    return true;
}

bool qcow2_read_bitmaps(Qcow2 *s, GError **err)
{
    s->bitmaps = g_ptr_array_new_with_free_func((GDestroyNotify)qcow2_bitmap_free);
    if (!s->nb_bitmaps) {
        return true;
    }
    g_autofree uint8_t *dir = g_try_malloc(s->bitmap_dir_size);
    if (!dir) {
        return bad(s, err, ENOMEM, "no memory");
    }
    int ret = block_pread(s->node->file, s->bitmap_dir_offset, dir, s->bitmap_dir_size);
    if (ret) {
        return bad(s, err, -ret, g_strerror(-ret));
    }
    uint64_t pos = 0, used;
    for (uint32_t i = 0; i < s->nb_bitmaps; i++, pos += used) {
        if (!read_entry(s, dir + pos, s->bitmap_dir_size - MIN(pos, s->bitmap_dir_size), &used,
                        err)) {
            return false;
        }
    }
    return true;
}

static GByteArray *dir_bytes(Qcow2 *s)
{
    static const uint8_t pad[8];
    GByteArray *out = g_byte_array_new();
    for (unsigned i = 0; i < s->bitmaps->len; i++) {
        Qcow2Bitmap *b = g_ptr_array_index(s->bitmaps, i);
        uint8_t h[DIR_ENTRY];
        st_be64(h, b->table_offset);
        st_be32(h + 8, b->table_size);
        st_be32(h + 12, b->flags);
        h[16] = TYPE_DIRTY;
        h[17] = b->bm.granularity_bits;
        st_be16(h + 18, strlen(b->bm.name));
        st_be32(h + 20, b->extra_size);
        g_byte_array_append(out, h, sizeof(h));
        if (b->extra_size) {
            g_byte_array_append(out, b->extra, b->extra_size);
        }
        g_byte_array_append(out, (const uint8_t *)b->bm.name, strlen(b->bm.name));
        g_byte_array_append(out, pad, -out->len & 7);
    }
    return out;
}

/* The directory anew, elsewhere; then the header switches to it. */
static int rewrite_dir(Qcow2 *s)
{
    g_autoptr(GByteArray) dir = dir_bytes(s);
    uint64_t old = s->bitmap_dir_offset, old_size = s->nb_bitmaps ? s->bitmap_dir_size : 0;
    uint64_t clusters = DIV_ROUND_UP((uint64_t)dir->len, s->cluster_size);
    int64_t at = 0;
    int ret;
    if (dir->len > BLOCK_MAX_METADATA) {
        return -EFBIG;
    }
    if (clusters) {
        at = qcow2_alloc(s, clusters, clusters, NULL, NULL);
        if (at < 0) {
            return at;
        }
    }
    ret = qcow2_commit(s);
    if (!ret && clusters) {
        ret = block_pwrite(s->node->file, at, dir->data, dir->len);
        ret = ret ? ret : qcow2_barrier(s);
    }
    if (ret) {
        return ret;
    }
    s->nb_bitmaps = s->bitmaps->len;
    s->bitmap_dir_offset = at;
    s->bitmap_dir_size = dir->len;
    s->autoclear = s->nb_bitmaps ? s->autoclear | QCOW2_AUTOCLEAR_BITMAPS
                                 : s->autoclear & ~(uint64_t)QCOW2_AUTOCLEAR_BITMAPS;
    ret = qcow2_write_header(s);
    ret = ret ? ret : qcow2_barrier(s);
    if (!ret && old_size) {
        qcow2_free_later(s, old, DIV_ROUND_UP(old_size, s->cluster_size));
    }
    return ret;
}

static int load(Qcow2 *s, Qcow2Bitmap *b)
{
    uint64_t bytes = DIV_ROUND_UP(b->bm.nbits, LONG_BITS) * sizeof(long);
    uint64_t data = DIV_ROUND_UP(b->bm.nbits, 8);
    if (b->bm.bits) {
        return 0;
    }
    if (b->table_size != table_entries(s, b->bm.nbits)) {
        return -EINVAL;
    }
    g_autofree uint64_t *table = g_try_malloc(MAX(b->table_size * 8ULL, 8));
    g_autofree uint8_t *bits = g_try_malloc0(MAX(bytes, 8));
    int ret = table && bits ? qcow2_read_table(s, b->table_offset, b->table_size, table) : -ENOMEM;
    for (uint64_t i = 0; i < b->table_size && !ret; i++) {
        uint64_t at = i * s->cluster_size, n = MIN(data - at, s->cluster_size);
        uint64_t off = table[i] & TABLE_OFFSET;
        if (off) {
            ret = off & (s->cluster_size - 1) ? -EINVAL
                                              : block_pread(s->node->file, off, bits + at, n);
        } else if (table[i] & TABLE_ONES) {
            memset(bits + at, 0xff, n);
        }
    }
    if (ret) {
        return ret;
    }
    /* On disk, bit n is bit n % 8 of byte n / 8: the same as longs of a little-endian host. */
    b->bm.bits = (unsigned long *)g_steal_pointer(&bits);
    for (uint64_t i = 0; i < bytes / sizeof(long); i++) {
        b->bm.bits[i] = GULONG_FROM_LE(b->bm.bits[i]);
    }
    for (uint64_t i = b->bm.nbits; i % LONG_BITS; i++) {
        bit_clear(b->bm.bits, i);
    }
    return 0;
}

static int free_table(Qcow2 *s, Qcow2Bitmap *b)
{
    g_autofree uint64_t *table = g_try_malloc(MAX(b->table_size * 8ULL, 8));
    int ret = table ? qcow2_read_table(s, b->table_offset, b->table_size, table) : -ENOMEM;
    for (uint32_t i = 0; i < b->table_size && !ret; i++) {
        if (table[i] & TABLE_OFFSET) {
            qcow2_free_later(s, table[i] & TABLE_OFFSET, 1);
        }
    }
    if (!ret && b->table_size) {
        qcow2_free_later(s, b->table_offset,
                         DIV_ROUND_UP((uint64_t)b->table_size * 8, s->cluster_size));
    }
    return ret;
}

/* One cluster's worth of bits into the file, unless it is all zeroes or ones. */
static int64_t store_chunk(Qcow2 *s, const Qcow2Bitmap *b, uint64_t i, uint8_t *chunk)
{
    uint64_t per = s->cluster_size / sizeof(long), longs = DIV_ROUND_UP(b->bm.nbits, LONG_BITS);
    bool ones = (i + 1) * s->cluster_size * 8 <= b->bm.nbits;
    memset(chunk, 0, s->cluster_size);
    for (uint64_t j = 0; j < per && i * per + j < longs; j++) {
        unsigned long v = b->bm.bits[i * per + j];
        ones &= v == ~0UL;
        v = GULONG_TO_LE(v);
        memcpy(chunk + j * sizeof(long), &v, sizeof(v));
    }
    if (ones) {
        return TABLE_ONES;
    }
    if (block_is_zero(chunk, s->cluster_size)) {
        return 0;
    }
    int64_t at = qcow2_alloc(s, 1, 1, NULL, NULL);
    int ret = at < 0 ? (int)at : block_pwrite(s->node->file, at, chunk, s->cluster_size);
    return ret ? ret : at;
}

/* Bits and table to new clusters; the old ones are freed once the directory does not name them. */
static int store(Qcow2 *s, Qcow2Bitmap *b)
{
    uint64_t n = table_entries(s, b->bm.nbits), clusters = DIV_ROUND_UP(n * 8, s->cluster_size);
    g_autofree uint8_t *table = g_try_malloc0(MAX(clusters * s->cluster_size, 8));
    g_autofree uint8_t *chunk = g_try_malloc(s->cluster_size);
    if (!table || !chunk) {
        return -ENOMEM;
    }
    for (uint64_t i = 0; i < n; i++) {
        int64_t entry = store_chunk(s, b, i, chunk);
        if (entry < 0) {
            return entry;
        }
        st_be64(table + i * 8, entry);
    }
    int64_t at = clusters ? qcow2_alloc(s, clusters, clusters, NULL, NULL) : 0;
    int ret = at < 0 ? (int)at : block_pwrite(s->node->file, at, table, clusters * s->cluster_size);
    ret = ret ? ret : free_table(s, b);
    if (!ret) {
        b->table_offset = at;
        b->table_size = n;
    }
    return ret;
}

int qcow2_bitmaps_start(Qcow2 *s)
{
    bool any = false;
    if (s->bitmaps_in_use || !s->nb_bitmaps) {
        return 0;
    }
    for (unsigned i = 0; i < s->bitmaps->len; i++) {
        Qcow2Bitmap *b = g_ptr_array_index(s->bitmaps, i);
        if (b->bm.enabled && !b->bm.inconsistent) {
            int ret = load(s, b);
            if (ret) {
                return ret;
            }
            b->flags |= FLAG_IN_USE;
            any = true;
        }
    }
    if (any) {
        g_autoptr(GByteArray) dir = dir_bytes(s);
        int ret = block_pwrite(s->node->file, s->bitmap_dir_offset, dir->data, dir->len);
        ret = ret ? ret : qcow2_barrier(s);
        if (ret) {
            return ret;
        }
    }
    s->bitmaps_in_use = true;
    s->record_bitmaps = any;
    return 0;
}

void qcow2_bitmaps_record(Qcow2 *s, uint64_t off, uint64_t len)
{
    for (unsigned i = 0; s->record_bitmaps && len && i < s->bitmaps->len; i++) {
        Qcow2Bitmap *b = g_ptr_array_index(s->bitmaps, i);
        if (b->bm.enabled && !b->bm.inconsistent && b->bm.bits) {
            uint64_t last = (off + len - 1) >> b->bm.granularity_bits;
            for (uint64_t bit = off >> b->bm.granularity_bits; bit <= last && bit < b->bm.nbits;
                 bit++) {
                bit_set(b->bm.bits, bit);
            }
        }
    }
}

int qcow2_bitmaps_stop(Qcow2 *s)
{
    int ret = 0;
    if (!s->record_bitmaps) {
        return 0;
    }
    for (unsigned i = 0; i < s->bitmaps->len && !ret; i++) {
        Qcow2Bitmap *b = g_ptr_array_index(s->bitmaps, i);
        if (b->flags & FLAG_IN_USE && !b->bm.inconsistent) {
            ret = store(s, b);
            b->flags &= ~(uint32_t)FLAG_IN_USE;
        }
    }
    s->record_bitmaps = s->bitmaps_in_use = false;
    return ret ? ret : rewrite_dir(s);
}

int qcow2_bitmaps_resize(Qcow2 *s, uint64_t new_size)
{
    int ret = 0;
    if (!s->nb_bitmaps) {
        return 0;
    }
    ret = qcow2_bitmaps_stop(s);
    for (unsigned i = 0; i < s->bitmaps->len && !ret; i++) {
        Qcow2Bitmap *b = g_ptr_array_index(s->bitmaps, i);
        uint64_t nbits = qcow2_bitmap_bits(new_size, b->bm.granularity_bits);
        if (b->bm.inconsistent) {
            return -EINVAL;
        }
        if (nbits / 8 > BLOCK_MAX_METADATA) {
            return -EFBIG;
        }
        ret = load(s, b);
        if (!ret) {
            uint64_t old = DIV_ROUND_UP(b->bm.nbits, LONG_BITS), n = DIV_ROUND_UP(nbits, LONG_BITS);
            b->bm.bits = g_renew(unsigned long, b->bm.bits, MAX(n, 1));
            if (n > old) {
                memset(b->bm.bits + old, 0, (n - old) * sizeof(long));
            }
            for (uint64_t bit = nbits; bit % LONG_BITS; bit++) {
                bit_clear(b->bm.bits, bit);
            }
            b->bm.nbits = nbits;
            ret = store(s, b);
        }
    }
    return ret ? ret : rewrite_dir(s);
}

static Qcow2Bitmap *find(Qcow2 *s, const char *name)
{
    for (unsigned i = 0; i < s->bitmaps->len; i++) {
        Qcow2Bitmap *b = g_ptr_array_index(s->bitmaps, i);
        if (!strcmp(b->bm.name, name)) {
            return b;
        }
    }
    return NULL;
}

static int add(Qcow2 *s, const char *name, uint32_t granularity)
{
    Qcow2Bitmap *b = g_new0(Qcow2Bitmap, 1);
    b->bm.name = g_strdup(name);
    b->bm.granularity_bits = __builtin_ctz(granularity);
    b->bm.enabled = true;
    b->bm.nbits = qcow2_bitmap_bits(s->size, b->bm.granularity_bits);
    b->flags = FLAG_AUTO;
    b->bm.bits = g_new0(unsigned long, DIV_ROUND_UP(b->bm.nbits, LONG_BITS) + 1);
    g_ptr_array_add(s->bitmaps, b);
    int ret = store(s, b);
    ret = ret ? ret : rewrite_dir(s);
    if (ret) {
        g_ptr_array_remove(s->bitmaps, b);
    }
    return ret;
}

static int change(Qcow2 *s, BlockBitmapOp op, Qcow2Bitmap *b)
{
    int ret = 0;
    switch (op) {
    case BLOCK_BITMAP_REMOVE:
        ret = free_table(s, b);
        if (!ret) {
            g_ptr_array_remove(s->bitmaps, b);
        }
        break;
    case BLOCK_BITMAP_CLEAR:
        ret = load(s, b);
        if (!ret) {
            memset(b->bm.bits, 0, DIV_ROUND_UP(b->bm.nbits, LONG_BITS) * sizeof(long));
            ret = store(s, b);
        }
        break;
    default:
        b->bm.enabled = op == BLOCK_BITMAP_ENABLE;
        b->flags = b->bm.enabled ? b->flags | FLAG_AUTO : b->flags & ~(uint32_t)FLAG_AUTO;
    }
    return ret ? ret : rewrite_dir(s);
}

bool qcow2_bitmap_op(BlockNode *node, BlockBitmapOp op, const char *name, uint32_t granularity,
                     GError **err)
{
    Qcow2 *s = node->state;
    Qcow2Bitmap *b = find(s, name);
    int ret;
    if (s->version < 3) {
        return bad(s, err, ENOTSUP, "Cannot store dirty bitmaps in qcow2 v2 files");
    }
    if (op == BLOCK_BITMAP_ADD ? b != NULL : b == NULL) {
        g_set_error(err, BLOCK_ERROR, b ? EEXIST : ENOENT,
                    b ? "Bitmap already exists: %s" : "Dirty bitmap '%s' not found", name);
        return false;
    }
    if (b && b->bm.inconsistent && op != BLOCK_BITMAP_REMOVE) {
        g_set_error(err, BLOCK_ERROR, EINVAL,
                    "Bitmap '%s' is inconsistent and cannot be used: it was in use when the image "
                    "was last written. Try removing it",
                    name);
        return false;
    }
    granularity = granularity ? granularity : CLAMP(s->cluster_size, 4096, 65536);
    if (op == BLOCK_BITMAP_ADD &&
        (granularity & (granularity - 1) || granularity < 512 || granularity > 1U << 31)) {
        return bad(s, err, EINVAL, "Granularity must be a power of 2, from 512 bytes to 2 GiB");
    }
    if (strlen(name) > 1023 || !*name ||
        (op == BLOCK_BITMAP_ADD && s->bitmaps->len >= QCOW2_MAX_BITMAPS) ||
        qcow2_bitmap_bits(s->size, 9) / 8 / (granularity >> 9) > BLOCK_MAX_METADATA) {
        return bad(s, err, EINVAL, "name too long or empty, too many bitmaps, or bitmap too large");
    }
    g_mutex_lock(&s->lock);
    ret = qcow2_bitmaps_stop(s);
    ret = ret ? ret : op == BLOCK_BITMAP_ADD ? add(s, name, granularity) : change(s, op, b);
    g_mutex_unlock(&s->lock);
    return ret ? bad(s, err, -ret, g_strerror(-ret)) : true;
}

GPtrArray *qcow2_bitmap_list(BlockNode *node, GError **err)
{
    Qcow2 *s = node->state;
    GPtrArray *list = g_ptr_array_new();
    (void)err;
    for (unsigned i = 0; i < s->bitmaps->len; i++) {
        g_ptr_array_add(list, &((Qcow2Bitmap *)g_ptr_array_index(s->bitmaps, i))->bm);
    }
    return list;
}

bool qcow2_bitmap_load(BlockNode *node, BlockBitmap *bm, GError **err)
{
    Qcow2 *s = node->state;
    Qcow2Bitmap *b = find(s, bm->name);
    if (bm->inconsistent) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "Bitmap '%s' is inconsistent and cannot be used",
                    bm->name);
        return false;
    }
    int ret = load(s, b);
    return ret ? bad(s, err, -ret, g_strerror(-ret)) : true;
}

bool qcow2_bitmap_store(BlockNode *node, BlockBitmap *bm, GError **err)
{
    Qcow2 *s = node->state;
    Qcow2Bitmap *b = find(s, bm->name);
    g_mutex_lock(&s->lock);
    int ret = store(s, b);
    ret = ret ? ret : rewrite_dir(s);
    g_mutex_unlock(&s->lock);
    return ret ? bad(s, err, -ret, g_strerror(-ret)) : true;
}

void qcow2_bitmap_info(Qcow2 *s, Value *data)
{
    if (!s->bitmaps->len) {
        return;
    }
    Value *list = value_set(data, "bitmaps", value_new(VALUE_LIST));
    for (unsigned i = 0; i < s->bitmaps->len; i++) {
        Qcow2Bitmap *b = g_ptr_array_index(s->bitmaps, i);
        Value *item = value_append(list, value_new(VALUE_DICT));
        Value *flags = value_set(item, "flags", value_new(VALUE_LIST));
        if (b->flags & FLAG_IN_USE) {
            value_append(flags, value_new_string("in-use"));
        }
        if (b->flags & FLAG_AUTO) {
            value_append(flags, value_new_string("auto"));
        }
        value_set_string(item, "name", b->bm.name);
        value_set_int(item, "granularity", 1LL << b->bm.granularity_bits);
    }
}
