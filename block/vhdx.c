/* SPDX-License-Identifier: MIT */
/* VHDX, per Microsoft's [MS-VHDX] "Virtual Hard Disk v2 (VHDX) File Format": two headers (2.2.2),
 * region tables (2.2.3), the block allocation table (2.5) and metadata items (2.6). Little endian.
 *
 * The log (2.3) is not written: the only metadata that changes here are single table entries, each
 * one aligned 8-byte write after the data it points to. A log that another program left is
 * replayed when the image is opened for writing (vhdx-log.c). */
#include "block/blocktable.h"
#include "block/vhdx.h"
#include <errno.h>

#define MIB (1ULL << 20)

enum {
    HEADER = 4096,
    HEADER_1 = 64 << 10,
    HEADER_2 = 128 << 10,
    REGION_1 = 192 << 10,
    REGION_2 = 256 << 10,
    REGION_SIZE = 64 << 10,
    H_CHECKSUM = 4,
    H_SEQUENCE = 8,
    H_FILE_GUID = 16,
    H_DATA_GUID = 32,
    H_LOG_GUID = 48,
    H_LOG_VERSION = 64,
    H_VERSION = 66,
    H_LOG_LENGTH = 68,
    H_LOG_OFFSET = 72,
    META_SIZE = 64 << 10,
    STATE_NOT_PRESENT = 0,
    STATE_UNDEFINED = 1,
    STATE_ZERO = 2,
    STATE_UNMAPPED = 3,
    STATE_PRESENT = 6,
};

#define BAT_OFFSET_MASK 0xfffffffffff00000ULL

/* GUIDs as they lie in the file: the first three parts little endian. */
typedef struct Guid {
    uint8_t b[16];
} Guid;
#define GUID(a, b, c, d0, d1, d2, d3, d4, d5, d6, d7)                                     \
    {                                                                                     \
        {                                                                                 \
            (a) & 0xff, (a) >> 8 & 0xff, (a) >> 16 & 0xff, (a) >> 24, (b)&0xff, (b) >> 8, \
                (c)&0xff, (c) >> 8, d0, d1, d2, d3, d4, d5, d6, d7                        \
        }                                                                                 \
    }
static const Guid guid_bat =
    GUID(0x2dc27766U, 0xf623, 0x4200, 0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08);
static const Guid guid_metadata =
    GUID(0x8b7ca206U, 0x4790, 0x4b9a, 0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e);
enum { ITEM_PARAMS, ITEM_SIZE, ITEM_ID, ITEM_LOGICAL, ITEM_PHYSICAL, ITEM_PARENT, ITEMS };
static const struct {
    Guid guid;
    uint32_t len, flags;
} items[ITEMS] = {
    { GUID(0xcaa16737U, 0xfa36, 0x4d43, 0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b), 8, 4 },
    { GUID(0x2fa54224U, 0xcd1b, 0x4876, 0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8), 8, 6 },
    { GUID(0xbeca12abU, 0xb2e6, 0x4523, 0x93, 0xef, 0xc3, 0x09, 0xe0, 0x00, 0xc7, 0x46), 16, 6 },
    { GUID(0x8141bf1dU, 0xa96f, 0x4709, 0xba, 0x47, 0xf2, 0x33, 0xa8, 0xfa, 0xab, 0x5f), 4, 6 },
    { GUID(0xcda348c7U, 0x445d, 0x4471, 0x9c, 0xc9, 0xe9, 0x88, 0x52, 0x51, 0xc5, 0x56), 4, 6 },
    { GUID(0xa8d35f2dU, 0xb30b, 0x454d, 0xab, 0xf7, 0xd3, 0xd8, 0x48, 0x34, 0xab, 0x0c), 0, 0 },
};

typedef struct Vhdx {
    BlockTable table;
    uint64_t size;
    uint32_t sector_size;
    uint64_t bat_offset, bat_entries, chunk_ratio;
    uint64_t *bat; /* host byte order */
    uint8_t header[HEADER];
    int64_t header_at; /* of the current one */
    bool touched;      /* the header says already that we write */
} Vhdx;

static const OptDef vhdx_create_opts[] = {
    { "size", OPT_SIZE, NULL, "Virtual disk size; max of 64TB." },
    { "log_size", OPT_SIZE, "1048576", "Log size; min 1MB." },
    { "block_size", OPT_SIZE, "0",
      "Block Size; min 1MB, max 256MB. 0 means auto-calculate based on image size." },
    { "subformat", OPT_STR, NULL,
      "VHDX format type, can be either 'dynamic' or 'fixed'. Default is 'dynamic'." },
    { "block_state_zero", OPT_BOOL, NULL, "Force use of payload blocks of type 'ZERO'." },
    { 0 },
};

/* CRC-32C (Castagnoli), bit by bit: headers are small and rarely written. */
uint32_t vhdx_crc32c(const uint8_t *p, size_t len, size_t hole)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < len; i++) {
        crc ^= i >= hole && i < hole + 4 ? 0 : p[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
        }
    }
    return ~crc;
}

static void new_guid(uint8_t *p)
{
    for (int i = 0; i < 16; i++) {
        p[i] = g_random_int();
    }
    p[7] = (p[7] & 0x0f) | 0x40;
    p[8] = (p[8] & 0x3f) | 0x80;
}

static int vhdx_probe(const uint8_t *buf, size_t len, const char *filename)
{
    (void)filename;
    return len >= 8 && !memcmp(buf, "vhdxfile", 8) ? 100 : 0;
}

/* Index in the table of a payload block: after each chunk comes one sector bitmap entry. */
static uint64_t bat_index(const Vhdx *s, uint64_t block)
{
    return block + block / s->chunk_ratio;
}

static int64_t vhdx_find(BlockNode *node, uint64_t block)
{
    Vhdx *s = node->state;
    uint64_t entry = s->bat[bat_index(s, block)];
    switch (entry & 7) {
    case STATE_PRESENT:
        return entry & BAT_OFFSET_MASK;
    case STATE_NOT_PRESENT:
    case STATE_UNDEFINED:
        return BLOCK_TABLE_ABSENT;
    case STATE_ZERO:
    case STATE_UNMAPPED:
        return BLOCK_TABLE_ZERO;
    default:
        return -EIO + BLOCK_TABLE_ZERO;
    }
}

static int write_header(BlockNode *node, uint8_t *h, int64_t at)
{
    st_le32(h + H_CHECKSUM, vhdx_crc32c(h, HEADER, H_CHECKSUM));
    int ret = block_pwrite(node->file, at, h, HEADER);
    return ret ? ret : block_flush(node->file);
}

/* 2.2.2.1: before the first change, both headers in turn get a new FileWriteGuid. */
static int touch(BlockNode *node)
{
    Vhdx *s = node->state;
    int ret = 0;
    if (s->touched) {
        return 0;
    }
    new_guid(s->header + H_FILE_GUID);
    memcpy(s->header + H_DATA_GUID, s->header + H_FILE_GUID, 16);
    for (int i = 0; i < 2 && !ret; i++) {
        st_le64(s->header + H_SEQUENCE, ld_le64(s->header + H_SEQUENCE) + 1);
        s->header_at = s->header_at == HEADER_1 ? HEADER_2 : HEADER_1;
        ret = write_header(node, s->header, s->header_at);
    }
    s->touched = !ret;
    return ret;
}

static int64_t vhdx_reserve(BlockNode *node, uint64_t block)
{
    Vhdx *s = node->state;
    int64_t at = s->table.end, len = block_getlength(node->file);
    GError *err = NULL;
    (void)block;
    int ret = touch(node);
    if (!ret && len > at) { /* what a crash left there must not show */
        ret = block_write_zeroes(node->file, at, MIN(len - at, (int64_t)s->table.block_size), 0);
    }
    if (ret) {
        return ret;
    }
    if (len < at + (int64_t)s->table.block_size &&
        !block_truncate(node->file, at + s->table.block_size, BLOCK_PREALLOC_OFF, &err)) {
        ret = -err->code;
        g_error_free(err);
        return ret;
    }
    s->table.end = at + s->table.block_size;
    return at;
}

static int vhdx_enter(BlockNode *node, uint64_t block, int64_t host)
{
    Vhdx *s = node->state;
    uint64_t i = bat_index(s, block), entry = (uint64_t)host | STATE_PRESENT;
    uint8_t le[8];
    st_le64(le, entry);
    /* Data before the entry that leads to it, also when the power goes. */
    int ret = block_flush(node->file);
    ret = ret ? ret : block_pwrite(node->file, s->bat_offset + i * 8, le, 8);
    if (!ret) {
        s->bat[i] = entry;
    }
    return ret;
}

static int vhdx_pwrite(BlockNode *node, int64_t off, const void *buf, int64_t len)
{
    Vhdx *s = node->state;
    g_mutex_lock(&s->table.lock);
    int ret = touch(node);
    g_mutex_unlock(&s->table.lock);
    return ret ? ret : block_table_pwrite(node, off, buf, len);
}

static int vhdx_write_zeroes(BlockNode *node, int64_t off, int64_t len, unsigned flags)
{
    Vhdx *s = node->state;
    g_mutex_lock(&s->table.lock);
    int ret = touch(node);
    g_mutex_unlock(&s->table.lock);
    return ret ? ret : block_table_write_zeroes(node, off, len, flags);
}

/* Another program left a log: the image is what it says. */
static bool replay(BlockNode *node, GError **err)
{
    Vhdx *s = node->state;
    if (!(node->flags & BLOCK_RDWR)) {
        return block_bad_image(
            node, err,
            "the image was not closed, and is opened read-only: its log needs to "
            "be replayed first. 'latimer-img check -r all' does that");
    }
    if (!vhdx_replay_log(node, ld_le64(s->header + H_LOG_OFFSET), ld_le32(s->header + H_LOG_LENGTH),
                         s->header + H_LOG_GUID, err)) {
        return false;
    }
    memset(s->header + H_LOG_GUID, 0, 16);
    int ret = touch(node);
    return ret == 0 ||
           block_bad_image(node, err, "could not write the header: %s", g_strerror(-ret));
}

static bool read_headers(BlockNode *node, GError **err)
{
    static const uint8_t no_guid[16];
    Vhdx *s = node->state;
    uint8_t h[HEADER];
    const int64_t at[] = { HEADER_1, HEADER_2 };
    for (int i = 0; i < 2; i++) {
        if (!block_read_exact(node, at[i], h, HEADER, "header", err)) {
            return false;
        }
        if (!memcmp(h, "head", 4) &&
            ld_le32(h + H_CHECKSUM) == vhdx_crc32c(h, HEADER, H_CHECKSUM) &&
            (!s->header_at || ld_le64(h + H_SEQUENCE) > ld_le64(s->header + H_SEQUENCE))) {
            memcpy(s->header, h, HEADER);
            s->header_at = at[i];
        }
    }
    if (!s->header_at) {
        return block_bad_image(node, err, "no valid VHDX header");
    }
    if (ld_le16(s->header + H_VERSION) != 1) {
        return block_bad_image(node, err, "unsupported VHDX version %u",
                               ld_le16(s->header + H_VERSION));
    }
    if (memcmp(s->header + H_LOG_GUID, no_guid, 16)) {
        return replay(node, err);
    }
    return true;
}

static bool read_regions(BlockNode *node, uint64_t *meta, uint64_t *bat_len, GError **err)
{
    Vhdx *s = node->state;
    g_autofree uint8_t *r = g_malloc(REGION_SIZE);
    const int64_t at[] = { REGION_1, REGION_2 };
    bool good = false;
    for (int i = 0; i < 2 && !good; i++) {
        if (!block_read_exact(node, at[i], r, REGION_SIZE, "region table", err)) {
            return false;
        }
        good = !memcmp(r, "regi", 4) && ld_le32(r + 4) == vhdx_crc32c(r, REGION_SIZE, 4) &&
               ld_le32(r + 8) <= 2047;
    }
    if (!good) {
        return block_bad_image(node, err, "no valid region table");
    }
    for (uint32_t i = 0; i < ld_le32(r + 8); i++) {
        const uint8_t *e = r + 16 + 32 * i;
        uint64_t off = ld_le64(e + 16);
        if (off % MIB || off < MIB || off > INT64_MAX - UINT32_MAX) {
            return block_bad_image(node, err, "region %u lies at an invalid offset", i);
        }
        if (!memcmp(e, &guid_bat, 16)) {
            s->bat_offset = off;
            *bat_len = ld_le32(e + 24);
        } else if (!memcmp(e, &guid_metadata, 16)) {
            *meta = off;
        } else if (ld_le32(e + 28) & 1) {
            return block_bad_image(node, err, "region %u is required, but not known", i);
        }
    }
    return s->bat_offset && *meta ? true : block_bad_image(node, err, "a region is missing");
}

static bool read_metadata(BlockNode *node, uint64_t meta, GError **err)
{
    Vhdx *s = node->state;
    g_autofree uint8_t *m = g_malloc(META_SIZE);
    uint8_t value[ITEMS][16] = { { 0 } };
    bool seen[ITEMS] = { false };
    if (!block_read_exact(node, meta, m, META_SIZE, "metadata table", err)) {
        return false;
    }
    if (memcmp(m, "metadata", 8) || ld_le16(m + 10) > 2047) {
        return block_bad_image(node, err, "the metadata table is invalid");
    }
    for (unsigned i = 0; i < ld_le16(m + 10); i++) {
        const uint8_t *e = m + 32 + 32 * i;
        int k = 0;
        while (k < ITEMS && memcmp(e, &items[k].guid, 16)) {
            k++;
        }
        if (k == ITEMS) {
            if (ld_le32(e + 24) & 4) {
                return block_bad_image(node, err, "metadata item %u is required, but not known", i);
            }
        } else if (items[k].len && !block_read_exact(node, meta + ld_le32(e + 16), value[k],
                                                     items[k].len, "metadata", err)) {
            return false;
        }
        if (k < ITEMS) {
            seen[k] = true;
        }
    }
    if (!seen[ITEM_PARAMS] || !seen[ITEM_SIZE] || !seen[ITEM_LOGICAL]) {
        return block_bad_image(node, err, "a metadata item is missing");
    }
    if (ld_le32(value[ITEM_PARAMS] + 4) & 2) {
        return block_bad_image(node, err,
                               "not implemented: VHDX with a parent (differencing disk)");
    }
    s->table.block_size = ld_le32(value[ITEM_PARAMS]);
    s->size = ld_le64(value[ITEM_SIZE]);
    s->sector_size = ld_le32(value[ITEM_LOGICAL]);
    uint64_t bs = s->table.block_size;
    if (bs < MIB || bs > 256 * MIB || bs & (bs - 1)) {
        return block_bad_image(node, err, "block size %" G_GUINT64_FORMAT " is invalid", bs);
    }
    if ((s->sector_size != 512 && s->sector_size != 4096) || s->size % s->sector_size ||
        s->size > 64ULL << 40) {
        return block_bad_image(node, err,
                               "sector size %u or disk size %" G_GUINT64_FORMAT " is invalid",
                               s->sector_size, s->size);
    }
    return true;
}

static bool read_bat(BlockNode *node, uint64_t bat_len, GError **err)
{
    Vhdx *s = node->state;
    s->chunk_ratio = ((uint64_t)s->sector_size << 23) / s->table.block_size;
    uint64_t blocks = DIV_ROUND_UP(s->size, s->table.block_size);
    s->bat_entries = blocks ? bat_index(s, blocks - 1) + 1 : 0;
    if (s->bat_entries * 8 > bat_len || s->bat_entries * 8 > BLOCK_MAX_METADATA * 8ULL) {
        return block_bad_image(node, err, "the block allocation table is too small");
    }
    s->bat = g_try_malloc(MAX(s->bat_entries, 1) * 8);
    if (!s->bat) {
        return block_bad_image(node, err, "no memory for the block allocation table");
    }
    if (!block_read_exact(node, s->bat_offset, s->bat, s->bat_entries * 8, "block allocation table",
                          err)) {
        return false;
    }
    int64_t file_len = block_getlength(node->file);
    uint64_t log = ld_le64(s->header + H_LOG_OFFSET) + ld_le32(s->header + H_LOG_LENGTH);
    s->table.end = MAX(s->bat_offset + bat_len, (uint64_t)s->table.end);
    s->table.end = MAX((uint64_t)s->table.end, MIN(log, (uint64_t)file_len));
    for (uint64_t i = 0; i < s->bat_entries; i++) {
        s->bat[i] = ld_le64(&s->bat[i]);
        if ((s->bat[i] & 7) == STATE_PRESENT) {
            uint64_t at = s->bat[i] & BAT_OFFSET_MASK;
            if (at < MIB || at >= (uint64_t)file_len) {
                return block_bad_image(node, err,
                                       "block allocation table entry %" G_GUINT64_FORMAT
                                       " points outside the file",
                                       i);
            }
            s->table.end = MAX((uint64_t)s->table.end, at + s->table.block_size);
        }
    }
    s->table.end = ROUND_UP((uint64_t)s->table.end, MIB);
    return true;
}

static bool vhdx_open(BlockNode *node, Opts *opts, GError **err)
{
    Vhdx *s = node->state;
    uint8_t id[8];
    uint64_t meta = 0, bat_len = 0;
    (void)opts;
    s->table = (BlockTable){ .find = vhdx_find, .reserve = vhdx_reserve, .enter = vhdx_enter };
    if (!block_read_exact(node, 0, id, 8, "file type identifier", err)) {
        return false;
    }
    if (memcmp(id, "vhdxfile", 8)) {
        return block_bad_image(node, err, "Image is not in VHDX format");
    }
    if (!read_headers(node, err) || !read_regions(node, &meta, &bat_len, err) ||
        !read_metadata(node, meta, err)) {
        return false;
    }
    s->table.end = meta + MIB;
    if (!read_bat(node, bat_len, err)) {
        g_free(s->bat);
        return false;
    }
    g_mutex_init(&s->table.lock);
    node->size = s->size;
    return true;
}

static void vhdx_close(BlockNode *node)
{
    Vhdx *s = node->state;
    g_mutex_clear(&s->table.lock);
    g_free(s->bat);
}

static int64_t vhdx_getlength(BlockNode *node)
{
    return ((Vhdx *)node->state)->size;
}

static bool vhdx_has_zero_init(BlockNode *node)
{
    (void)node;
    return true;
}

static int vhdx_check(BlockNode *node, unsigned fix, BlockCheckResult *res)
{
    Vhdx *s = node->state;
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    (void)fix; /* opening for writing has replayed the log: there is nothing else that could be */
    for (uint64_t i = 0; i < s->bat_entries; i++) {
        uint64_t at = s->bat[i] & BAT_OFFSET_MASK;
        if ((s->bat[i] & 7) == STATE_PRESENT &&
            !g_hash_table_add(seen, GSIZE_TO_POINTER((at >> 20) + 1))) {
            g_printerr("ERROR: two blocks lie at offset %#" G_GINT64_MODIFIER "x\n", at);
            res->corruptions++;
        }
    }
    return 0;
}

/* Where things go in a new image: headers, log, metadata, table, blocks. */
typedef struct Layout {
    uint64_t size, block, log, meta, bat, bat_len, data;
} Layout;

static int write_metadata(BlockNode *file, const Layout *l)
{
    g_autofree uint8_t *m = g_malloc0(MIB);
    uint32_t at = META_SIZE;
    memcpy(m, "metadata", 8);
    st_le16(m + 10, ITEM_PARENT);
    for (int k = 0; k < ITEM_PARENT; k++) {
        uint8_t *e = m + 32 + 32 * k, *v = m + at;
        memcpy(e, &items[k].guid, 16);
        st_le32(e + 16, at);
        st_le32(e + 20, items[k].len);
        st_le32(e + 24, items[k].flags);
        switch (k) {
        case ITEM_PARAMS:
            st_le32(v, l->block);
            break;
        case ITEM_SIZE:
            st_le64(v, l->size);
            break;
        case ITEM_ID:
            new_guid(v);
            break;
        default:
            st_le32(v, BLOCK_SECTOR);
        }
        at += items[k].len;
    }
    return block_pwrite(file, l->meta, m, MIB);
}

static void put_region(uint8_t *e, const Guid *guid, uint64_t off, uint32_t len)
{
    memcpy(e, guid, 16);
    st_le64(e + 16, off);
    st_le32(e + 24, len);
    st_le32(e + 28, 1);
}

static int write_image(BlockNode *file, const Layout *l, bool fixed)
{
    BlockNode node = { .file = file };
    g_autofree uint8_t *buf = g_malloc0(REGION_SIZE);
    uint8_t h[HEADER] = { 0 };
    static const char creator[] = "Latimer";
    memcpy(buf, "vhdxfile", 8);
    for (unsigned i = 0; i < sizeof(creator); i++) {
        st_le16(buf + 8 + 2 * i, creator[i]);
    }
    int ret = block_pwrite(file, 0, buf, REGION_SIZE);
    memcpy(h, "head", 4);
    new_guid(h + H_FILE_GUID);
    new_guid(h + H_DATA_GUID);
    st_le16(h + H_VERSION, 1);
    st_le32(h + H_LOG_LENGTH, l->log);
    st_le64(h + H_LOG_OFFSET, MIB);
    for (int i = 0; i < 2 && !ret; i++) {
        st_le64(h + H_SEQUENCE, i);
        ret = write_header(&node, h, i ? HEADER_2 : HEADER_1);
    }
    memset(buf, 0, REGION_SIZE);
    memcpy(buf, "regi", 4);
    st_le32(buf + 8, 2);
    put_region(buf + 16, &guid_bat, l->bat, l->bat_len);
    put_region(buf + 48, &guid_metadata, l->meta, MIB);
    st_le32(buf + 4, vhdx_crc32c(buf, REGION_SIZE, 4));
    ret = ret ? ret : block_pwrite(file, REGION_1, buf, REGION_SIZE);
    ret = ret ? ret : block_pwrite(file, REGION_2, buf, REGION_SIZE);
    ret = ret ? ret : write_metadata(file, l);
    uint64_t ratio = (512ULL << 23) / l->block, blocks = DIV_ROUND_UP(l->size, l->block);
    g_autofree uint8_t *bat = g_malloc0(l->bat_len);
    for (uint64_t i = 0; fixed && i < blocks; i++) {
        st_le64(bat + (i + i / ratio) * 8, (l->data + i * l->block) | STATE_PRESENT);
    }
    return ret ? ret : block_pwrite(file, l->bat, bat, l->bat_len);
}

static bool vhdx_create(const char *filename, Opts *opts, GError **err)
{
    static const char *const subformats[] = { "dynamic", "fixed", NULL };
    const OptDef *t = vhdx_create_opts;
    int fixed;
    Layout l = { 0 };
    if (!opts_check(opts, t, err) || !opt_enum(opts, t, "subformat", subformats, &fixed, err)) {
        return false;
    }
    l.size = ROUND_UP(opt_num(opts, t, "size"), BLOCK_SECTOR);
    l.log = ROUND_UP(MAX(opt_num(opts, t, "log_size"), MIB), MIB);
    l.block = opt_num(opts, t, "block_size");
    if (!l.block) {
        l.block = l.size > 32ULL << 40    ? 64 * MIB
                  : l.size > 100ULL << 30 ? 32 * MIB
                  : l.size > 1ULL << 30   ? 16 * MIB
                                          : 8 * MIB;
    }
    if (l.size > 64ULL << 40 || l.log > UINT32_MAX) {
        g_set_error(err, BLOCK_ERROR, EFBIG, "Image size too large; max of 64TB, log below 4 GB");
        return false;
    }
    if (l.block < MIB || l.block > 256 * MIB || l.block & (l.block - 1)) {
        g_set_error(err, BLOCK_ERROR, EINVAL,
                    "Block size must be a power of two between 1 MB and 256 MB");
        return false;
    }
    uint64_t blocks = DIV_ROUND_UP(l.size, l.block), ratio = (512ULL << 23) / l.block;
    l.meta = MIB + l.log;
    l.bat = l.meta + MIB;
    l.bat_len = ROUND_UP(MAX((blocks + blocks / ratio + 1) * 8, 1), MIB);
    l.data = l.bat + l.bat_len;
    g_autoptr(BlockNode) file = block_create_file(filename, 0, NULL, err);
    if (!file) {
        return false;
    }
    int ret = write_image(file, &l, fixed);
    if (ret) {
        g_set_error(err, BLOCK_ERROR, -ret, "Could not write the headers: %s", g_strerror(-ret));
        return false;
    }
    return block_truncate(file, l.data + (fixed ? blocks * l.block : 0), BLOCK_PREALLOC_OFF, err);
}

const BlockDriver block_driver_vhdx = {
    .name = "vhdx",
    .state_size = sizeof(Vhdx),
    .create_opts = vhdx_create_opts,
    .probe = vhdx_probe,
    .open = vhdx_open,
    .close = vhdx_close,
    .create = vhdx_create,
    .pread = block_table_pread,
    .pwrite = vhdx_pwrite,
    .write_zeroes = vhdx_write_zeroes,
    .flush = block_table_flush,
    .status = block_table_status,
    .getlength = vhdx_getlength,
    .cluster_size = block_table_cluster_size,
    .has_zero_init = vhdx_has_zero_init,
    .check = vhdx_check,
};
