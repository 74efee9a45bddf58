/* SPDX-License-Identifier: MIT */
/* VMDK: descriptors, extent headers, grain directories; compressed grains. */
#include "block/vmdk.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

static void extent_free(VmdkExtent *e)
{
    block_unref(e->node);
    g_free(e->gd);
    g_free(e->rgd);
    g_free(e->gt);
    g_free(e->grain);
    g_free(e);
}

void vmdk_free(BlockNode *node, Vmdk *s)
{
    (void)node;
    g_mutex_clear(&s->lock);
    g_ptr_array_free(s->extents, true);
    g_free(s->create_type);
}

static int read_at(BlockNode *file, int64_t off, void *buf, int64_t len)
{
    return block_pread(file, off, buf, len);
}

static bool read_directory(BlockNode *node, VmdkExtent *e, uint64_t sector, uint32_t **out,
                           GError **err)
{
    int64_t len = block_getlength(e->node);
    *out = g_try_malloc(MAX(e->gd_size, 1) * 4);
    int ret = !*out ? -ENOMEM
              : sector > (uint64_t)MAX(len, 0) / BLOCK_SECTOR
                  ? -EINVAL
                  : read_at(e->node, sector * BLOCK_SECTOR, *out, e->gd_size * 4);
    if (ret) {
        return block_bad_image(node, err, "could not read the grain directory: %s",
                               g_strerror(-ret));
    }
    for (uint64_t i = 0; i < e->gd_size; i++) {
        (*out)[i] = GUINT32_FROM_LE((*out)[i]);
        if ((int64_t)(*out)[i] * BLOCK_SECTOR >= MAX(len, 1)) {
            return block_bad_image(
                node, err,
                "grain directory entry %" G_GUINT64_FORMAT " points past the end of the file", i);
        }
    }
    return true;
}

/* A stream has its real header in a footer, before the last marker. */
static bool use_footer(BlockNode *node, BlockNode *file, uint8_t *h, GError **err)
{
    int64_t len = block_getlength(file);
    if (len < 1536 || read_at(file, len - 1024, h, BLOCK_SECTOR) || ld_le32(h) != VMDK_MAGIC ||
        ld_le64(h + VMDK_AT_GD) == VMDK_GD_AT_END) {
        return block_bad_image(node, err, "stream-optimized image without a valid footer");
    }
    return true;
}

static bool open_sparse(BlockNode *node, VmdkExtent *e, GError **err)
{
    uint8_t h[BLOCK_SECTOR];
    int ret = read_at(e->node, 0, h, sizeof(h));
    if (ret || ld_le32(h) != VMDK_MAGIC) {
        return block_bad_image(node, err, "'%s' is not a sparse extent", e->node->filename);
    }
    if (ld_le64(h + VMDK_AT_GD) == VMDK_GD_AT_END && !use_footer(node, e->node, h, err)) {
        return false;
    }
    uint32_t flags = ld_le32(h + VMDK_AT_FLAGS), version = ld_le32(h + VMDK_AT_VERSION);
    uint64_t capacity = ld_le64(h + VMDK_AT_CAPACITY), grain = ld_le64(h + VMDK_AT_GRAIN);
    if (!version || version > 3) {
        return block_bad_image(node, err, "unsupported VMDK version %u", version);
    }
    if (grain < 1 || grain > (64 << 20) / BLOCK_SECTOR || grain & (grain - 1)) {
        return block_bad_image(node, err, "grain size of %" G_GUINT64_FORMAT " sectors is invalid",
                               grain);
    }
    e->gtes = ld_le32(h + VMDK_AT_GTES);
    if (e->gtes < 1 || e->gtes > 65536) {
        return block_bad_image(node, err, "grain tables of %u entries are not supported", e->gtes);
    }
    if (capacity > INT64_MAX / BLOCK_SECTOR) {
        return block_bad_image(node, err, "capacity is out of range");
    }
    e->compressed = flags & VMDK_FLAG_COMPRESSED;
    e->zeroed_grains = flags & VMDK_FLAG_ZEROED;
    if (e->compressed && ld_le16(h + VMDK_AT_COMPRESS) != 1) {
        return block_bad_image(node, err, "unknown compression algorithm %u",
                               ld_le16(h + VMDK_AT_COMPRESS));
    }
    e->grain_size = grain * BLOCK_SECTOR;
    e->size =
        e->size ? MIN(e->size, (int64_t)capacity * BLOCK_SECTOR) : (int64_t)capacity * BLOCK_SECTOR;
    e->gd_size = DIV_ROUND_UP(DIV_ROUND_UP(capacity, grain), e->gtes);
    e->data_start = MIN(ld_le64(h + VMDK_AT_OVERHEAD), 1ULL << 31) * BLOCK_SECTOR;
    if (e->gd_size * 4 > BLOCK_MAX_METADATA) {
        return block_bad_image(node, err, "L1 size too big");
    }
    e->gt = g_new0(uint32_t, e->gtes);
    return read_directory(node, e, ld_le64(h + VMDK_AT_GD), &e->gd, err) &&
           (!(flags & VMDK_FLAG_REDUNDANT) ||
            read_directory(node, e, ld_le64(h + VMDK_AT_RGD), &e->rgd, err));
}

/* "ESX Server Sparse Extents": no spare directory, grain tables only where they are needed. */
static bool open_esx_sparse(BlockNode *node, VmdkExtent *e, GError **err)
{
    uint8_t h[BLOCK_SECTOR];
    int ret = read_at(e->node, 0, h, sizeof(h));
    if (ret || ld_le32(h) != VMDK_ESX_MAGIC) {
        return block_bad_image(node, err, "'%s' is not an ESX sparse extent", e->node->filename);
    }
    if (node->flags & BLOCK_RDWR) {
        return block_bad_image(node, err,
                               "not implemented: writing to ESX sparse extents; open it read-only");
    }
    uint32_t sectors = ld_le32(h + VMDK_ESX_AT_SECTORS), grain = ld_le32(h + VMDK_ESX_AT_GRAIN);
    if (grain < 1 || grain > (64 << 20) / BLOCK_SECTOR || grain & (grain - 1)) {
        return block_bad_image(node, err, "grain size of %u sectors is invalid", grain);
    }
    e->gtes = VMDK_ESX_GTES;
    e->grain_size = (int64_t)grain * BLOCK_SECTOR;
    e->size = MIN(e->size, (int64_t)sectors * BLOCK_SECTOR);
    e->gd_size = ld_le32(h + VMDK_ESX_AT_GD_SIZE);
    if (e->gd_size * 4 > BLOCK_MAX_METADATA) {
        return block_bad_image(node, err, "L1 size too big");
    }
    if ((int64_t)e->gd_size < DIV_ROUND_UP(e->size, e->grain_size * VMDK_ESX_GTES)) {
        return block_bad_image(node, err, "the grain directory is too small");
    }
    e->gt = g_new0(uint32_t, e->gtes);
    return read_directory(node, e, ld_le32(h + VMDK_ESX_AT_GD), &e->gd, err);
}

/* The value of key= in the descriptor, quotes cut off; NULL if there is none. */
static char *desc_value(const char *desc, const char *key)
{
    size_t n = strlen(key);
    for (const char *p = desc; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
        if (!g_ascii_strncasecmp(p, key, n) && p[n + strspn(p + n, " \t")] == '=') {
            p += n + strspn(p + n, " \t") + 1;
            p += strspn(p, " \t\"");
            return g_strndup(p, strcspn(p, "\"\r\n"));
        }
    }
    return NULL;
}

static bool add_extent(BlockNode *node, const char *line, GError **err)
{
    Vmdk *s = node->state;
    char access[12], type[12], name[512] = "";
    uint64_t sectors, offset = 0;
    int n = sscanf(line, "%11s %" G_GUINT64_FORMAT " %11s \"%511[^\"]\" %" G_GUINT64_FORMAT, access,
                   &sectors, type, name, &offset);
    bool zero = n >= 3 && !strcmp(type, "ZERO");
    bool flat = n >= 4 && (!strcmp(type, "FLAT") || !strcmp(type, "VMFS"));
    bool sparse = n >= 4 && !strcmp(type, "SPARSE");
    bool esx = n >= 4 && !strcmp(type, "VMFSSPARSE");
    if (n >= 4 && !strcmp(type, "SESPARSE")) {
        return block_bad_image(node, err, "not implemented: extents of type SESPARSE");
    }
    if (!zero && !flat && !sparse && !esx) {
        return block_bad_image(node, err, "unsupported extent: %.*s", (int)strcspn(line, "\r\n"),
                               line);
    }
    if (sectors > INT64_MAX / BLOCK_SECTOR / 64 || offset > INT64_MAX / BLOCK_SECTOR / 2 ||
        s->extents->len >= 4096) {
        return block_bad_image(node, err, "extent sizes are out of range");
    }
    VmdkExtent *e = g_new0(VmdkExtent, 1);
    g_ptr_array_add(s->extents, e);
    g_strlcpy(e->type, type, sizeof(e->type));
    e->start = s->size;
    e->size = sectors * BLOCK_SECTOR;
    e->zero = zero;
    e->flat = flat;
    e->flat_offset = offset * BLOCK_SECTOR;
    if (!zero) {
        g_autoptr(Opts) none = opts_new();
        g_autofree char *path = block_path_combine(node->filename, name);
        e->node = block_open_child(node, none, "file", path, NULL, node->flags, err);
        if (!e->node || (sparse && !open_sparse(node, e, err)) ||
            (esx && !open_esx_sparse(node, e, err))) {
            return false;
        }
        if (!flat && e->size < (int64_t)sectors * BLOCK_SECTOR) {
            return block_bad_image(node, err, "'%s' is smaller than the descriptor says", name);
        }
    }
    s->size += e->size;
    return true;
}

static bool add_extents(BlockNode *node, const char *desc, GError **err)
{
    Vmdk *s = node->state;
    for (const char *p = desc; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
        if ((g_str_has_prefix(p, "RW ") || g_str_has_prefix(p, "RDONLY ")) &&
            !add_extent(node, p, err)) {
            return false;
        }
    }
    return s->extents->len ? true : block_bad_image(node, err, "the descriptor has no extents");
}

static bool parse_descriptor(BlockNode *node, const char *desc, GError **err)
{
    Vmdk *s = node->state;
    g_autofree char *cid = desc_value(desc, "CID"), *parent = desc_value(desc, "parentCID");
    s->create_type = desc_value(desc, "createType");
    if (!s->create_type) {
        return block_bad_image(node, err, "invalid VMDK image descriptor");
    }
    s->cid = cid ? strtoul(cid, NULL, 16) : 0;
    s->parent_cid = parent ? strtoul(parent, NULL, 16) : UINT32_MAX;
    if (s->parent_cid != UINT32_MAX) {
        node->backing_file = desc_value(desc, "parentFileNameHint");
        if (!node->backing_file) {
            return block_bad_image(node, err, "the parent's name is missing");
        }
        node->backing_fmt = g_strdup("vmdk");
    }
    return true;
}

static bool known_type(const char *type)
{
    static const char *const types[] = { "monolithicSparse",
                                         "monolithicFlat",
                                         "streamOptimized",
                                         "twoGbMaxExtentSparse",
                                         "twoGbMaxExtentFlat",
                                         "custom",
                                         "vmfs",
                                         "vmfsSparse",
                                         NULL };
    return g_strv_contains(types, type);
}

static bool open_image(BlockNode *node, GError **err)
{
    Vmdk *s = node->state;
    uint8_t h[BLOCK_SECTOR];
    if (!block_read_exact(node, 0, h, sizeof(h), "header", err)) {
        return false;
    }
    bool sparse = ld_le32(h) == VMDK_MAGIC;
    s->desc_room = node->file->size;
    if (sparse) {
        s->desc_offset = MIN(ld_le64(h + VMDK_AT_DESC), 1ULL << 31) * BLOCK_SECTOR;
        s->desc_room = MIN(ld_le64(h + VMDK_AT_DESC_SIZE), 1ULL << 31) * BLOCK_SECTOR;
    }
    if (s->desc_room > VMDK_MAX_DESC || s->desc_room <= 0) {
        return block_bad_image(node, err, "descriptor of %" G_GINT64_FORMAT " bytes is invalid",
                               s->desc_room);
    }
    g_autofree char *desc = g_malloc0(s->desc_room + 1);
    if (!block_read_exact(node, s->desc_offset, desc, s->desc_room, "descriptor", err) ||
        !parse_descriptor(node, desc, err)) {
        return false;
    }
    if (!known_type(s->create_type)) {
        return block_bad_image(node, err, "not implemented: VMDK of type '%s'", s->create_type);
    }
    if (!sparse) {
        return add_extents(node, desc, err);
    }
    VmdkExtent *e = g_new0(VmdkExtent, 1);
    g_ptr_array_add(s->extents, e);
    e->node = block_ref(node->file);
    if (!open_sparse(node, e, err)) {
        return false;
    }
    s->size = e->size;
    return true;
}

bool vmdk_open(BlockNode *node, Opts *opts, GError **err)
{
    Vmdk *s = node->state;
    (void)opts;
    g_mutex_init(&s->lock);
    s->extents = g_ptr_array_new_with_free_func((GDestroyNotify)extent_free);
    if (!open_image(node, err)) {
        vmdk_free(node, s);
        return false;
    }
    node->size = s->size;
    return true;
}

int vmdk_write_cid(BlockNode *node, uint32_t cid)
{
    Vmdk *s = node->state;
    g_autofree char *desc = g_malloc0(s->desc_room + 1);
    char text[9];
    int ret = block_pread(node->file, s->desc_offset, desc, s->desc_room);
    if (ret) {
        return ret;
    }
    char *at = strstr(desc, "\nCID=");
    if (!at || strspn(at + 5, "0123456789abcdefABCDEF") < 8) {
        return 0; /* nothing of known width to change */
    }
    g_snprintf(text, sizeof(text), "%08x", cid);
    s->cid = cid;
    return block_pwrite(node->file, s->desc_offset + (at + 5 - desc), text, 8);
}

int vmdk_read_compressed(VmdkExtent *e, uint32_t sector, uint64_t within, uint8_t *buf, int64_t len)
{
    uint8_t marker[12];
    if (e->grain_at != sector) {
        int ret = block_pread(e->node, (int64_t)sector * BLOCK_SECTOR, marker, sizeof(marker));
        uint32_t n = ld_le32(marker + 8);
        uLongf got = e->grain_size;
        if (ret || n > 2 * e->grain_size) {
            return ret ? ret : -EIO;
        }
        e->grain = e->grain ? e->grain : g_malloc(e->grain_size);
        e->grain_at = 0;
        g_autofree uint8_t *in = g_malloc(MAX(n, 1));
        ret = block_pread(e->node, (int64_t)sector * BLOCK_SECTOR + 12, in, n);
        if (ret) {
            return ret;
        }
        if (uncompress(e->grain, &got, in, n) != Z_OK) {
            return -EIO;
        }
        memset(e->grain + got, 0, e->grain_size - got);
        e->grain_at = sector;
    }
    memcpy(buf, e->grain + within, len);
    return 0;
}

int vmdk_append_compressed(VmdkExtent *e, uint64_t off, const uint8_t *data, int64_t len,
                           uint32_t *at)
{
    uLongf room = compressBound(e->grain_size);
    g_autofree uint8_t *out = g_malloc0(12 + room + BLOCK_SECTOR);
    g_autofree uint8_t *grain = g_malloc0(e->grain_size);
    memcpy(grain, data, len);
    if (compress(out + 12, &room, grain, e->grain_size) != Z_OK) {
        return -EIO;
    }
    st_le64(out, off / BLOCK_SECTOR);
    st_le32(out + 8, room);
    int64_t end = ROUND_UP(MAX(block_getlength(e->node), e->data_start), BLOCK_SECTOR);
    *at = end / BLOCK_SECTOR;
    return block_pwrite(e->node, end, out, ROUND_UP(12 + room, BLOCK_SECTOR));
}
