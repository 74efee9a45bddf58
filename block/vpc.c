/* SPDX-License-Identifier: MIT */
/* VPC/VHD, fixed and dynamic, per Microsoft's "Virtual Hard Disk Image Format Specification" 1.0:
 * a footer ("Hard Disk Footer Format"), for dynamic disks a copy of it first, a dynamic header and
 * a block allocation table. Big endian. */
#include "block/blocktable.h"
#include <errno.h>
#include <time.h>

enum {
    FOOTER = 512,
    DYN_HEADER = 1024,
    AT_FEATURES = 8,
    AT_VERSION = 12,
    AT_DATA_OFFSET = 16,
    AT_TIME = 24,
    AT_CREATOR = 28,
    AT_CREATOR_VERSION = 32,
    AT_CREATOR_OS = 36,
    AT_ORIGINAL_SIZE = 40,
    AT_SIZE = 48,
    AT_CYLINDERS = 56,
    AT_HEADS = 58,
    AT_SECTORS = 59,
    AT_TYPE = 60,
    AT_CHECKSUM = 64,
    AT_UUID = 68,
    DYN_TABLE_OFFSET = 16,
    DYN_VERSION = 24,
    DYN_ENTRIES = 28,
    DYN_BLOCK_SIZE = 32,
    DYN_CHECKSUM = 36,
    TYPE_FIXED = 2,
    TYPE_DYNAMIC = 3,
    MAX_CHS_SECTORS = 65535 * 16 * 255,
};

#define BAT_FREE     0xffffffffU
#define EPOCH_2000   946684800 /* seconds from the Unix epoch to January 1, 2000 */
#define VHD_MAX_SIZE (2040ULL << 30)

typedef struct Vpc {
    BlockTable table;
    uint64_t size;
    uint8_t footer[FOOTER];
    bool fixed;
    uint64_t bat_offset;
    uint32_t entries, bitmap_size; /* bytes of a block's sector bitmap, whole sectors */
    uint32_t *bat;                 /* host byte order: sectors */
} Vpc;

static const OptDef vpc_open_opts[] = {
    { "force_size_calc", OPT_STR, NULL,
      "Force disk size calculation to use either CHS geometry or the current_size field" },
    { 0 },
};

static const OptDef vpc_create_opts[] = {
    { "size", OPT_SIZE, NULL, "Virtual disk size" },
    { "subformat", OPT_STR, NULL,
      "Type of virtual hard disk format. Supported formats are {dynamic (default) | fixed} " },
    { "force_size", OPT_BOOL, NULL,
      "Force disk size calculation to use the actual size specified, rather than using the "
      "nearest CHS-based calculation" },
    { 0 },
};

static uint32_t checksum(const uint8_t *p, size_t len, size_t at)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        sum += i >= at && i < at + 4 ? 0 : p[i];
    }
    return ~sum;
}

static int vpc_probe(const uint8_t *buf, size_t len, const char *filename)
{
    (void)filename;
    return len >= FOOTER && !memcmp(buf, "conectix", 8) ? 100 : 0;
}

static int64_t vpc_find(BlockNode *node, uint64_t block)
{
    Vpc *s = node->state;
    if (block >= s->entries || s->bat[block] == BAT_FREE) {
        return BLOCK_TABLE_ABSENT;
    }
    return (int64_t)s->bat[block] * BLOCK_SECTOR + s->bitmap_size;
}

/* The block goes where the footer is; the footer moves behind it first. */
static int64_t vpc_reserve(BlockNode *node, uint64_t block)
{
    Vpc *s = node->state;
    int64_t at = s->table.end, end = at + s->bitmap_size + s->table.block_size;
    g_autofree uint8_t *bitmap = g_malloc(s->bitmap_size);
    if (block >= s->entries || end / BLOCK_SECTOR >= BAT_FREE) {
        return -EFBIG;
    }
    memset(bitmap, 0xff, s->bitmap_size);
    /* The old footer, and what a crash may have left behind it, must not show in the block. */
    int64_t len = block_getlength(node->file), data = at + s->bitmap_size;
    int ret = len > data ? block_write_zeroes(node->file, data, MIN(len, end) - data, 0) : 0;
    ret = ret ? ret : block_pwrite(node->file, end, s->footer, FOOTER);
    ret = ret ? ret : block_pwrite(node->file, at, bitmap, s->bitmap_size);
    if (ret) {
        return ret;
    }
    s->table.end = end;
    return at + s->bitmap_size;
}

static int vpc_enter(BlockNode *node, uint64_t block, int64_t host)
{
    Vpc *s = node->state;
    uint32_t sector = (host - s->bitmap_size) / BLOCK_SECTOR;
    uint8_t be[4];
    st_be32(be, sector);
    int ret = block_pwrite(node->file, s->bat_offset + block * 4, be, 4);
    if (!ret) {
        s->bat[block] = sector;
    }
    return ret;
}

static bool open_dynamic(BlockNode *node, GError **err)
{
    Vpc *s = node->state;
    uint8_t h[DYN_HEADER];
    uint64_t at = ld_be64(s->footer + AT_DATA_OFFSET);
    if (at > INT64_MAX - DYN_HEADER) {
        return block_bad_image(node, err, "the dynamic header's offset is out of range");
    }
    if (!block_read_exact(node, at, h, sizeof(h), "dynamic header", err)) {
        return false;
    }
    uint32_t block = ld_be32(h + DYN_BLOCK_SIZE);
    if (memcmp(h, "cxsparse", 8)) {
        return block_bad_image(node, err, "dynamic header: bad magic");
    }
    if (block & (block - 1) || block < BLOCK_SECTOR || block > 256 << 20) {
        return block_bad_image(node, err, "Invalid block size %u", block);
    }
    s->entries = ld_be32(h + DYN_ENTRIES);
    s->bat_offset = ld_be64(h + DYN_TABLE_OFFSET);
    if ((uint64_t)s->entries * 4 > BLOCK_MAX_METADATA || (uint64_t)s->entries * block < s->size) {
        return block_bad_image(node, err,
                               "Page Allocation Table too small or too large (%u "
                               "entries)",
                               s->entries);
    }
    if (s->bat_offset > INT64_MAX - BLOCK_MAX_METADATA) {
        return block_bad_image(node, err, "block allocation table's offset is out of range");
    }
    s->table.block_size = block;
    s->bitmap_size = ROUND_UP(DIV_ROUND_UP(block / BLOCK_SECTOR, 8), BLOCK_SECTOR);
    s->bat = g_try_malloc(MAX(s->entries, 1) * 4ULL);
    if (!s->bat) {
        return block_bad_image(node, err, "no memory for the block allocation table");
    }
    if (!block_read_exact(node, s->bat_offset, s->bat, s->entries * 4ULL, "block allocation table",
                          err)) {
        return false;
    }
    s->table.end = ROUND_UP(s->bat_offset + s->entries * 4ULL, BLOCK_SECTOR);
    for (uint32_t i = 0; i < s->entries; i++) {
        s->bat[i] = GUINT32_FROM_BE(s->bat[i]);
        if (s->bat[i] != BAT_FREE) {
            int64_t end = (int64_t)s->bat[i] * BLOCK_SECTOR + s->bitmap_size + block;
            s->table.end = MAX(s->table.end, end);
        }
    }
    if (s->table.end > block_getlength(node->file) + (int64_t)block + s->bitmap_size) {
        return block_bad_image(node, err, "block allocation table points past the end of the file");
    }
    return true;
}

static bool read_footer(BlockNode *node, GError **err)
{
    Vpc *s = node->state;
    int64_t end = block_getlength(node->file);
    if (end < FOOTER || !block_read_exact(node, end - FOOTER, s->footer, FOOTER, "footer", err)) {
        return end < FOOTER ? block_bad_image(node, err, "the file is too short for a footer")
                            : false;
    }
    if (memcmp(s->footer, "conectix", 8)) {
        /* A dynamic disk has a copy first, for when the end was lost. */
        if (!block_read_exact(node, 0, s->footer, FOOTER, "header", err)) {
            return false;
        }
        if (memcmp(s->footer, "conectix", 8)) {
            return block_bad_image(node, err, "invalid VPC image");
        }
    }
    if (checksum(s->footer, FOOTER, AT_CHECKSUM) != ld_be32(s->footer + AT_CHECKSUM)) {
        return block_bad_image(node, err, "the footer's checksum is wrong");
    }
    return true;
}

/* Images of Virtual PC and of QEMU's default have the size of their geometry; those of others, and
 * all beyond what CHS can say, that of the size field. */
static uint64_t disk_size(const uint8_t *footer, const char *force)
{
    uint64_t chs = (uint64_t)ld_be16(footer + AT_CYLINDERS) * footer[AT_HEADS] * footer[AT_SECTORS];
    bool by_chs = !memcmp(footer + AT_CREATOR, "vpc ", 4) ||
                  !memcmp(footer + AT_CREATOR, "qemu", 4) ||
                  !memcmp(footer + AT_CREATOR, "vs  ", 4);
    if (force) {
        by_chs = !strcmp(force, "chs");
    } else if (chs >= MAX_CHS_SECTORS) {
        by_chs = false;
    }
    return by_chs ? chs * BLOCK_SECTOR : ld_be64(footer + AT_SIZE);
}

static bool vpc_open(BlockNode *node, Opts *opts, GError **err)
{
    Vpc *s = node->state;
    const char *force = opts_get(opts, "force_size_calc");
    if (force && strcmp(force, "chs") && strcmp(force, "current_size")) {
        return block_bad_image(node, err, "force_size_calc must be chs or current_size");
    }
    s->table = (BlockTable){ .find = vpc_find, .reserve = vpc_reserve, .enter = vpc_enter };
    if (!read_footer(node, err)) {
        return false;
    }
    uint32_t type = ld_be32(s->footer + AT_TYPE);
    if (type != TYPE_FIXED && type != TYPE_DYNAMIC) {
        return block_bad_image(node, err, "not implemented: VHD disk type %u (differencing disks)",
                               type);
    }
    s->fixed = type == TYPE_FIXED;
    s->size = disk_size(s->footer, force);
    if (s->size > VHD_MAX_SIZE || s->size % BLOCK_SECTOR) {
        return block_bad_image(node, err, "disk size %" G_GUINT64_FORMAT " is out of range",
                               s->size);
    }
    if (s->fixed && (int64_t)s->size > block_getlength(node->file)) {
        return block_bad_image(node, err, "the file is shorter than the disk");
    }
    if (!s->fixed && !open_dynamic(node, err)) {
        g_free(s->bat);
        return false;
    }
    g_mutex_init(&s->table.lock);
    node->size = s->size;
    return true;
}

static void vpc_close(BlockNode *node)
{
    Vpc *s = node->state;
    g_mutex_clear(&s->table.lock);
    g_free(s->bat);
}

static int vpc_pread(BlockNode *node, int64_t off, void *buf, int64_t len)
{
    Vpc *s = node->state;
    return s->fixed ? block_pread(node->file, off, buf, len)
                    : block_table_pread(node, off, buf, len);
}

static int vpc_pwrite(BlockNode *node, int64_t off, const void *buf, int64_t len)
{
    Vpc *s = node->state;
    return s->fixed ? block_pwrite(node->file, off, buf, len)
                    : block_table_pwrite(node, off, buf, len);
}

static int vpc_write_zeroes(BlockNode *node, int64_t off, int64_t len, unsigned flags)
{
    Vpc *s = node->state;
    return s->fixed ? block_write_zeroes(node->file, off, len, flags)
                    : block_table_write_zeroes(node, off, len, flags);
}

static int vpc_status(BlockNode *node, int64_t off, int64_t len, BlockExtent *out)
{
    Vpc *s = node->state;
    if (!s->fixed) {
        return block_table_status(node, off, len, out);
    }
    out->flags =
        BLOCK_EXTENT_DATA | BLOCK_EXTENT_ALLOCATED | BLOCK_EXTENT_OFFSET | BLOCK_EXTENT_RECURSE;
    out->file = node->file;
    out->offset = off;
    out->len = len;
    return 0;
}

static int64_t vpc_getlength(BlockNode *node)
{
    return ((Vpc *)node->state)->size;
}

static int64_t vpc_cluster_size(BlockNode *node)
{
    Vpc *s = node->state;
    return s->fixed ? 0 : (int64_t)s->table.block_size;
}

static bool vpc_has_zero_init(BlockNode *node)
{
    Vpc *s = node->state;
    return !s->fixed || block_has_zero_init(node->file);
}

/* The specification's appendix, "CHS Calculation". */
static void geometry(uint64_t sectors, uint16_t *cyls, uint8_t *heads, uint8_t *spt)
{
    uint32_t cth;
    sectors = MIN(sectors, MAX_CHS_SECTORS);
    if (sectors >= 65535 * 16 * 63) {
        *spt = 255;
        *heads = 16;
        cth = sectors / *spt;
    } else {
        *spt = 17;
        cth = sectors / *spt;
        *heads = MAX((cth + 1023) / 1024, 4);
        if (cth >= *heads * 1024U || *heads > 16) {
            *spt = 31;
            *heads = 16;
            cth = sectors / *spt;
        }
        if (cth >= *heads * 1024U) {
            *spt = 63;
            *heads = 16;
            cth = sectors / *spt;
        }
    }
    *cyls = cth / *heads;
}

static void make_footer(uint8_t *f, uint64_t sectors, bool fixed, bool force, uint64_t *size)
{
    uint16_t cyls = 0;
    uint8_t heads = 0, spt = 0;
    uint64_t chs = 0;
    /* The smallest geometry that holds the disk. */
    for (uint64_t n = sectors; chs < sectors && chs < MAX_CHS_SECTORS; n++) {
        geometry(n, &cyls, &heads, &spt);
        chs = (uint64_t)cyls * heads * spt;
        if (force || n >= MAX_CHS_SECTORS) {
            break;
        }
    }
    uint64_t total = force || chs < sectors ? sectors : chs;
    *size = total * BLOCK_SECTOR;
    memcpy(f, "conectix", 8);
    st_be32(f + AT_FEATURES, 2);
    st_be32(f + AT_VERSION, 0x00010000);
    st_be64(f + AT_DATA_OFFSET, fixed ? UINT64_MAX : FOOTER);
    st_be32(f + AT_TIME, time(NULL) - EPOCH_2000);
    memcpy(f + AT_CREATOR, force ? "qem2" : "qemu", 4); /* says where the size is to be read */
    st_be16(f + AT_CREATOR_VERSION, 5);
    st_be16(f + AT_CREATOR_VERSION + 2, 3);
    memcpy(f + AT_CREATOR_OS, "Wi2k", 4);
    st_be64(f + AT_ORIGINAL_SIZE, *size);
    st_be64(f + AT_SIZE, *size);
    st_be16(f + AT_CYLINDERS, cyls);
    f[AT_HEADS] = heads;
    f[AT_SECTORS] = spt;
    st_be32(f + AT_TYPE, fixed ? TYPE_FIXED : TYPE_DYNAMIC);
    for (int i = 0; i < 16; i++) {
        f[AT_UUID + i] = g_random_int();
    }
    st_be32(f + AT_CHECKSUM, checksum(f, FOOTER, AT_CHECKSUM));
}

static int write_dynamic(BlockNode *file, const uint8_t *footer, uint64_t size)
{
    uint32_t block = 2 << 20, entries = DIV_ROUND_UP(size, block);
    uint64_t bat_len = ROUND_UP(entries * 4ULL, BLOCK_SECTOR), at = FOOTER + DYN_HEADER;
    g_autofree uint8_t *buf = g_malloc0(at + bat_len + FOOTER);
    uint8_t *h = buf + FOOTER;
    memcpy(buf, footer, FOOTER);
    memcpy(h, "cxsparse", 8);
    st_be64(h + 8, UINT64_MAX);
    st_be64(h + DYN_TABLE_OFFSET, at);
    st_be32(h + DYN_VERSION, 0x00010000);
    st_be32(h + DYN_ENTRIES, entries);
    st_be32(h + DYN_BLOCK_SIZE, block);
    st_be32(h + DYN_CHECKSUM, checksum(h, DYN_HEADER, DYN_CHECKSUM));
    memset(buf + at, 0xff, bat_len);
    memcpy(buf + at + bat_len, footer, FOOTER);
    return block_pwrite(file, 0, buf, at + bat_len + FOOTER);
}

static bool vpc_create(const char *filename, Opts *opts, GError **err)
{
    static const char *const subformats[] = { "dynamic", "fixed", NULL };
    uint8_t footer[FOOTER] = { 0 };
    int fixed;
    uint64_t size;
    if (!opts_check(opts, vpc_create_opts, err) ||
        !opt_enum(opts, vpc_create_opts, "subformat", subformats, &fixed, err)) {
        return false;
    }
    uint64_t wanted = ROUND_UP(opt_num(opts, vpc_create_opts, "size"), BLOCK_SECTOR);
    if (wanted > VHD_MAX_SIZE) {
        g_set_error(err, BLOCK_ERROR, EFBIG, "VHD images cannot be larger than 2040 GiB");
        return false;
    }
    make_footer(footer, wanted / BLOCK_SECTOR, fixed, opt_bool(opts, vpc_create_opts, "force_size"),
                &size);
    g_autoptr(BlockNode) file = block_create_file(filename, 0, NULL, err);
    if (!file) {
        return false;
    }
    int ret = fixed ? block_pwrite(file, size, footer, FOOTER) : write_dynamic(file, footer, size);
    if (ret) {
        g_set_error(err, BLOCK_ERROR, -ret, "Could not write the headers: %s", g_strerror(-ret));
    }
    return ret == 0;
}

const BlockDriver block_driver_vpc = {
    .name = "vpc",
    .state_size = sizeof(Vpc),
    .open_opts = vpc_open_opts,
    .create_opts = vpc_create_opts,
    .probe = vpc_probe,
    .open = vpc_open,
    .close = vpc_close,
    .create = vpc_create,
    .pread = vpc_pread,
    .pwrite = vpc_pwrite,
    .write_zeroes = vpc_write_zeroes,
    .flush = block_table_flush,
    .status = vpc_status,
    .getlength = vpc_getlength,
    .cluster_size = vpc_cluster_size,
    .has_zero_init = vpc_has_zero_init,
};
