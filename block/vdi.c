/* SPDX-License-Identifier: MIT */
/* VDI, VirtualBox's disk image, version 1.1: a header, a table of 32-bit block numbers, blocks.
 * Little endian. The layout is that of the "VDIHEADER1PLUS" structure of VirtualBox's forums'
 * description ("All about VDIs"). */
#include "block/blocktable.h"
#include <errno.h>

#define VDI_SIGNATURE 0xbeda107fU
#define VDI_VERSION   0x00010001U
#define VDI_FREE      0xffffffffU /* never written */
#define VDI_ZERO      0xfffffffeU /* discarded */

enum {
    VDI_HEADER = 512,
    AT_SIGNATURE = 0x40,
    AT_VERSION = 0x44,
    AT_HEADER_SIZE = 0x48,
    AT_IMAGE_TYPE = 0x4c,
    AT_TABLE_OFFSET = 0x154,
    AT_DATA_OFFSET = 0x158,
    AT_SECTOR_SIZE = 0x168,
    AT_DISK_SIZE = 0x170,
    AT_BLOCK_SIZE = 0x178,
    AT_BLOCK_EXTRA = 0x17c,
    AT_BLOCKS = 0x180,
    AT_ALLOCATED = 0x184,
    AT_UUID = 0x188,
    AT_UUID_LAST_SNAP = 0x198,
    AT_UUID_LINK = 0x1a8,
    AT_UUID_PARENT = 0x1b8,
    BLOCK = 1 << 20,
    TYPE_DYNAMIC = 1,
    TYPE_STATIC = 2,
};

typedef struct Vdi {
    BlockTable table;
    uint64_t size;
    uint32_t table_offset, data_offset, blocks, allocated;
    uint32_t *map; /* host byte order */
} Vdi;

static const OptDef vdi_create_opts[] = {
    { "size", OPT_SIZE, NULL, "Virtual disk size" },
    { "static", OPT_BOOL, "off", "VDI static (pre-allocated) image" },
    { 0 },
};

static int vdi_probe(const uint8_t *buf, size_t len, const char *filename)
{
    (void)filename;
    return len >= VDI_HEADER && ld_le32(buf + AT_SIGNATURE) == VDI_SIGNATURE ? 100 : 0;
}

static int64_t vdi_find(BlockNode *node, uint64_t block)
{
    Vdi *s = node->state;
    uint32_t at = s->map[block];
    return at == VDI_FREE   ? BLOCK_TABLE_ABSENT
           : at == VDI_ZERO ? BLOCK_TABLE_ZERO
                            : s->data_offset + (int64_t)at * BLOCK;
}

static int64_t vdi_reserve(BlockNode *node, uint64_t block)
{
    Vdi *s = node->state;
    GError *err = NULL;
    (void)block;
    int64_t host = s->data_offset + (int64_t)s->allocated * BLOCK;
    if (s->allocated >= s->blocks) {
        return -ENOSPC; /* a damaged table */
    }
    if (block_getlength(node->file) > host) {
        int ret = block_write_zeroes(node->file, host, BLOCK, 0);
        return ret ? ret : host;
    }
    if (!block_truncate(node->file, host + BLOCK, BLOCK_PREALLOC_OFF, &err)) {
        int ret = -err->code;
        g_error_free(err);
        return ret;
    }
    return host;
}

static int vdi_enter(BlockNode *node, uint64_t block, int64_t host)
{
    Vdi *s = node->state;
    uint8_t le[4];
    uint32_t at = (host - s->data_offset) / BLOCK;
    st_le32(le, s->allocated + 1);
    int ret = block_pwrite(node->file, AT_ALLOCATED, le, 4);
    if (!ret) {
        s->allocated++;
        st_le32(le, at);
        ret = block_pwrite(node->file, s->table_offset + block * 4, le, 4);
    }
    if (!ret) {
        s->map[block] = at;
    }
    return ret;
}

static bool vdi_check_header(BlockNode *node, Vdi *s, const uint8_t *h, GError **err)
{
    static const uint8_t no_uuid[16];
    if (ld_le32(h + AT_SIGNATURE) != VDI_SIGNATURE) {
        return block_bad_image(node, err, "Image not in VDI format (bad signature %08x)",
                               ld_le32(h + AT_SIGNATURE));
    }
    if (ld_le32(h + AT_VERSION) != VDI_VERSION) {
        return block_bad_image(node, err, "unsupported VDI image (version %u.%u)",
                               ld_le16(h + AT_VERSION + 2), ld_le16(h + AT_VERSION));
    }
    if (s->table_offset % BLOCK_SECTOR || s->data_offset % BLOCK_SECTOR || !s->table_offset) {
        return block_bad_image(node, err, "unsupported VDI image (unaligned block map or data)");
    }
    if (ld_le32(h + AT_SECTOR_SIZE) != BLOCK_SECTOR || ld_le32(h + AT_BLOCK_SIZE) != BLOCK) {
        return block_bad_image(node, err, "unsupported VDI image (sector size %u, block size %u)",
                               ld_le32(h + AT_SECTOR_SIZE), ld_le32(h + AT_BLOCK_SIZE));
    }
    if ((uint64_t)s->blocks * 4 > BLOCK_MAX_METADATA || s->size > (uint64_t)s->blocks * BLOCK) {
        return block_bad_image(node, err,
                               "unsupported VDI image (disk size %" G_GUINT64_FORMAT
                               ", image bitmap has room for %" G_GUINT64_FORMAT ")",
                               s->size, (uint64_t)s->blocks * BLOCK);
    }
    if (memcmp(h + AT_UUID_LINK, no_uuid, 16) || memcmp(h + AT_UUID_PARENT, no_uuid, 16)) {
        return block_bad_image(node, err, "unsupported VDI image (it has a parent image)");
    }
    return true;
}

static bool vdi_open(BlockNode *node, Opts *opts, GError **err)
{
    Vdi *s = node->state;
    uint8_t h[VDI_HEADER];
    (void)opts;
    if (!block_read_exact(node, 0, h, sizeof(h), "header", err)) {
        return false;
    }
    s->size = ROUND_UP(MIN(ld_le64(h + AT_DISK_SIZE), (uint64_t)BLOCK_MAX_SIZE), BLOCK_SECTOR);
    s->table_offset = ld_le32(h + AT_TABLE_OFFSET);
    s->data_offset = ld_le32(h + AT_DATA_OFFSET);
    s->blocks = ld_le32(h + AT_BLOCKS);
    s->allocated = ld_le32(h + AT_ALLOCATED);
    if (!vdi_check_header(node, s, h, err)) {
        return false;
    }
    s->map = g_try_malloc(MAX(s->blocks, 1) * 4ULL);
    if (!s->map ||
        !block_read_exact(node, s->table_offset, s->map, s->blocks * 4ULL, "block map", err)) {
        g_free(s->map);
        return s->map ? false : block_bad_image(node, err, "no memory for the block map");
    }
    for (uint32_t i = 0; i < s->blocks; i++) {
        s->map[i] = GUINT32_FROM_LE(s->map[i]);
        if (s->map[i] < VDI_ZERO) {
            if (s->map[i] >= s->blocks) {
                g_free(s->map);
                return block_bad_image(node, err, "block map entry %u is out of range", i);
            }
            /* A crash may have lost the count, but not what the map says. */
            s->allocated = MAX(s->allocated, s->map[i] + 1);
        }
    }
    s->table = (BlockTable){
        .block_size = BLOCK, .find = vdi_find, .reserve = vdi_reserve, .enter = vdi_enter
    };
    g_mutex_init(&s->table.lock);
    node->size = s->size;
    return true;
}

static void vdi_close(BlockNode *node)
{
    Vdi *s = node->state;
    g_mutex_clear(&s->table.lock);
    g_free(s->map);
}

static int64_t vdi_getlength(BlockNode *node)
{
    return ((Vdi *)node->state)->size;
}

static bool vdi_has_zero_init(BlockNode *node)
{
    (void)node;
    return true;
}

static int vdi_check(BlockNode *node, unsigned fix, BlockCheckResult *res)
{
    Vdi *s = node->state;
    g_autofree unsigned long *seen = g_try_malloc0((s->blocks / LONG_BITS + 1) * sizeof(long));
    uint32_t used = 0;
    if (!seen) {
        return -ENOMEM;
    }
    if (fix) {
        return -ENOTSUP;
    }
    for (uint32_t i = 0; i < s->blocks; i++) {
        if (s->map[i] < VDI_ZERO) {
            if (bit_test(seen, s->map[i])) {
                g_printerr("ERROR: block index %u is used twice\n", s->map[i]);
                res->corruptions++;
            }
            bit_set(seen, s->map[i]);
            used++;
        }
    }
    if (used != s->allocated) {
        res->leaks += s->allocated - used;
    }
    res->total_clusters = 0;
    return 0;
}

static void vdi_uuid(uint8_t *p)
{
    for (int i = 0; i < 16; i++) {
        p[i] = g_random_int();
    }
    p[6] = (p[6] & 0x0f) | 0x40; /* RFC 4122, version 4 */
    p[8] = (p[8] & 0x3f) | 0x80;
}

static bool vdi_create(const char *filename, Opts *opts, GError **err)
{
    if (!opts_check(opts, vdi_create_opts, err)) {
        return false;
    }
    uint64_t size = ROUND_UP(opt_num(opts, vdi_create_opts, "size"), BLOCK_SECTOR);
    bool fixed = opt_bool(opts, vdi_create_opts, "static");
    uint64_t blocks = DIV_ROUND_UP(size, BLOCK), map_len = ROUND_UP(blocks * 4, BLOCK_SECTOR);
    if (map_len > BLOCK_MAX_METADATA) {
        g_set_error(err, BLOCK_ERROR, EFBIG,
                    "Unsupported VDI image size (size is %" G_GUINT64_FORMAT ")", size);
        return false;
    }
    g_autoptr(BlockNode) file = block_create_file(filename, 0, NULL, err);
    if (!file) {
        return false;
    }
    g_autofree uint8_t *buf = g_malloc0(VDI_HEADER + map_len);
    strcpy((char *)buf, "<<< Latimer VM Virtual Disk Image >>>\n");
    st_le32(buf + AT_SIGNATURE, VDI_SIGNATURE);
    st_le32(buf + AT_VERSION, VDI_VERSION);
    st_le32(buf + AT_HEADER_SIZE, 0x180);
    st_le32(buf + AT_IMAGE_TYPE, fixed ? TYPE_STATIC : TYPE_DYNAMIC);
    st_le32(buf + AT_TABLE_OFFSET, VDI_HEADER);
    st_le32(buf + AT_DATA_OFFSET, VDI_HEADER + map_len);
    st_le32(buf + AT_SECTOR_SIZE, BLOCK_SECTOR);
    st_le64(buf + AT_DISK_SIZE, size);
    st_le32(buf + AT_BLOCK_SIZE, BLOCK);
    st_le32(buf + AT_BLOCKS, blocks);
    st_le32(buf + AT_ALLOCATED, fixed ? blocks : 0);
    vdi_uuid(buf + AT_UUID);
    vdi_uuid(buf + AT_UUID_LAST_SNAP);
    for (uint64_t i = 0; i < map_len / 4; i++) {
        st_le32(buf + VDI_HEADER + i * 4, i >= blocks ? 0 : fixed ? i : VDI_FREE);
    }
    int ret = block_pwrite(file, 0, buf, VDI_HEADER + map_len);
    if (ret) {
        g_set_error(err, BLOCK_ERROR, -ret, "Error writing header: %s", g_strerror(-ret));
        return false;
    }
    return !fixed ||
           block_truncate(file, VDI_HEADER + map_len + blocks * BLOCK, BLOCK_PREALLOC_OFF, err);
}

const BlockDriver block_driver_vdi = {
    .name = "vdi",
    .state_size = sizeof(Vdi),
    .create_opts = vdi_create_opts,
    .probe = vdi_probe,
    .open = vdi_open,
    .close = vdi_close,
    .create = vdi_create,
    .pread = block_table_pread,
    .pwrite = block_table_pwrite,
    .write_zeroes = block_table_write_zeroes,
    .flush = block_table_flush,
    .status = block_table_status,
    .getlength = vdi_getlength,
    .cluster_size = block_table_cluster_size,
    .has_zero_init = vdi_has_zero_init,
    .check = vdi_check,
};
