/* SPDX-License-Identifier: MIT */
/* VMDK: new images of each subformat. */
#include "block/vmdk.h"
#include <errno.h>
#include <stdlib.h>

#define SPLIT_SIZE (2ULL << 30)

const OptDef vmdk_create_opts[] = {
    { "size", OPT_SIZE, NULL, "Virtual disk size" },
    { "adapter_type", OPT_STR, NULL,
      "Virtual adapter type, can be one of ide (default), lsilogic, buslogic or legacyESX" },
    { "backing_file", OPT_STR, NULL, "File name of a base image" },
    { "backing_fmt", OPT_STR, NULL, "Must be 'vmdk' if present" },
    { "compat6", OPT_BOOL, "off", "VMDK version 6 image" },
    { "hwversion", OPT_STR, "undefined", "VMDK hardware version" },
    { "toolsversion", OPT_STR, NULL, "VMware guest tools version" },
    { "subformat", OPT_STR, NULL,
      "VMDK flat extent format, can be one of {monolithicSparse (default) | monolithicFlat | "
      "twoGbMaxExtentSparse | twoGbMaxExtentFlat | streamOptimized} " },
    { "zeroed_grain", OPT_BOOL, NULL,
      "Enable efficient zero writes using the zeroed-grain GTE feature" },
    { 0 },
};

enum { SPARSE, FLAT, SPLIT_SPARSE, SPLIT_FLAT, STREAM };
static const char *const subformats[] = { "monolithicSparse",     "monolithicFlat",
                                          "twoGbMaxExtentSparse", "twoGbMaxExtentFlat",
                                          "streamOptimized",      NULL };

typedef struct Params {
    uint64_t size;
    int subformat;
    bool compat6, zeroed;
    const char *adapter, *hwversion, *toolsversion, *backing;
    uint32_t parent_cid;
} Params;

static bool is_flat(const Params *p)
{
    return p->subformat == FLAT || p->subformat == SPLIT_FLAT;
}

static void put_directory(uint8_t *buf, uint64_t gd, uint64_t first_gt, uint64_t tables)
{
    for (uint64_t i = 0; i < tables; i++) {
        st_le32(buf + gd * BLOCK_SECTOR + i * 4, first_gt + i * (VMDK_GTES * 4 / BLOCK_SECTOR));
    }
}

/* Header, descriptor room, redundant directory and tables, directory and tables. */
static int write_sparse(BlockNode *file, const Params *p, uint64_t size, bool embedded)
{
    uint64_t sectors = size / BLOCK_SECTOR, grain = VMDK_GRAIN / BLOCK_SECTOR;
    uint64_t tables = DIV_ROUND_UP(DIV_ROUND_UP(sectors, grain), VMDK_GTES);
    uint64_t gd_sectors = DIV_ROUND_UP(tables * 4, BLOCK_SECTOR);
    uint64_t gt_sectors = tables * VMDK_GTES * 4 / BLOCK_SECTOR;
    uint64_t rgd = 1 + VMDK_DESC_SECTORS, gd = rgd + gd_sectors + gt_sectors;
    uint64_t overhead = ROUND_UP(gd + gd_sectors + gt_sectors, grain);
    if (overhead * BLOCK_SECTOR > BLOCK_MAX_METADATA * 4ULL) {
        return -EFBIG;
    }
    g_autofree uint8_t *h = g_malloc0(overhead * BLOCK_SECTOR);
    bool stream = p->subformat == STREAM;
    st_le32(h, VMDK_MAGIC);
    st_le32(h + VMDK_AT_VERSION, stream ? 3 : p->zeroed ? 2 : 1);
    st_le32(h + VMDK_AT_FLAGS, VMDK_FLAG_NEWLINES | VMDK_FLAG_REDUNDANT |
                                   (p->zeroed ? VMDK_FLAG_ZEROED : 0) |
                                   (stream ? VMDK_FLAG_COMPRESSED | VMDK_FLAG_MARKERS : 0));
    st_le64(h + VMDK_AT_CAPACITY, sectors);
    st_le64(h + VMDK_AT_GRAIN, grain);
    st_le64(h + VMDK_AT_DESC, embedded ? 1 : 0);
    st_le64(h + VMDK_AT_DESC_SIZE, embedded ? VMDK_DESC_SECTORS : 0);
    st_le32(h + VMDK_AT_GTES, VMDK_GTES);
    st_le64(h + VMDK_AT_RGD, rgd);
    st_le64(h + VMDK_AT_GD, gd);
    st_le64(h + VMDK_AT_OVERHEAD, overhead);
    memcpy(h + VMDK_AT_NEWLINES, "\n \r\n", 4);
    st_le16(h + VMDK_AT_COMPRESS, stream ? 1 : 0);
    put_directory(h, rgd, rgd + gd_sectors, tables);
    put_directory(h, gd, gd + gd_sectors, tables);
    return block_pwrite(file, 0, h, overhead * BLOCK_SECTOR);
}

static char *descriptor(const Params *p, const char *extents)
{
    bool ide = !strcmp(p->adapter, "ide");
    uint64_t heads = ide ? 16 : 255, cylinders = p->size / (heads * 63 * BLOCK_SECTOR);
    g_autofree char *parent =
        p->backing ? g_strdup_printf("parentFileNameHint=\"%s\"\n", p->backing) : g_strdup("");
    const char *hw = strcmp(p->hwversion, "undefined") ? p->hwversion : p->compat6 ? "6" : "4";
    return g_strdup_printf("# Disk DescriptorFile\nversion=1\nCID=%08x\nparentCID=%08x\n"
                           "createType=\"%s\"\n%s\n# Extent description\n%s\n# The Disk Data Base\n"
                           "#DDB\n\nddb.virtualHWVersion = \"%s\"\n"
                           "ddb.geometry.cylinders = \"%" G_GUINT64_FORMAT "\"\n"
                           "ddb.geometry.heads = \"%" G_GUINT64_FORMAT "\"\n"
                           "ddb.geometry.sectors = \"63\"\nddb.adapterType = \"%s\"\n"
                           "ddb.toolsVersion = \"%s\"\n",
                           g_random_int(), p->parent_cid, subformats[p->subformat], parent, extents,
                           hw, cylinders, heads, p->adapter, p->toolsversion);
}

static bool create_extent(const char *filename, const char *name, const Params *p, uint64_t size,
                          GError **err)
{
    g_autofree char *path = block_path_combine(filename, name);
    g_autoptr(BlockNode) file = block_create_file(path, is_flat(p) ? size : 0, NULL, err);
    if (!file) {
        return false;
    }
    int ret = is_flat(p) ? 0 : write_sparse(file, p, size, false);
    if (ret) {
        g_set_error(err, BLOCK_ERROR, -ret, "Could not write '%s': %s", path, g_strerror(-ret));
    }
    return ret == 0;
}

/* The descriptor's extent lines; split images get their files made. */
static char *create_extents(const char *filename, const Params *p, GError **err)
{
    g_autofree char *base = g_path_get_basename(filename);
    g_autofree char *stem =
        g_str_has_suffix(base, ".vmdk") ? g_strndup(base, strlen(base) - 5) : g_strdup(base);
    const char *kind = is_flat(p) ? "FLAT" : "SPARSE";
    g_autoptr(GString) lines = g_string_new(NULL);
    if (p->subformat == SPARSE || p->subformat == STREAM) {
        g_string_append_printf(lines, "RW %" G_GUINT64_FORMAT " SPARSE \"%s\"\n",
                               p->size / BLOCK_SECTOR, base);
        return g_strdup(lines->str);
    }
    uint64_t step = p->subformat == FLAT ? MAX(p->size, 1) : SPLIT_SIZE;
    unsigned n = 0;
    for (uint64_t at = 0; at < p->size || !n; at += step) {
        uint64_t len = MIN(step, p->size - at);
        g_autofree char *name =
            p->subformat == FLAT
                ? g_strdup_printf("%s-flat.vmdk", stem)
                : g_strdup_printf("%s-%c%03u.vmdk", stem, is_flat(p) ? 'f' : 's', n + 1);
        if (!create_extent(filename, name, p, len, err)) {
            return NULL;
        }
        g_string_append_printf(lines, "RW %" G_GUINT64_FORMAT " %s \"%s\"%s\n", len / BLOCK_SECTOR,
                               kind, name, is_flat(p) ? " 0" : "");
        n++;
    }
    return g_strdup(lines->str);
}

static bool check_backing(const char *filename, Params *p, const char *fmt, GError **err)
{
    if (!p->backing) {
        return true;
    }
    if (fmt && strcmp(fmt, "vmdk")) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "backing_file must be a vmdk image");
        return false;
    }
    if (is_flat(p)) {
        g_set_error(err, BLOCK_ERROR, ENOTSUP, "Flat image can't have backing file");
        return false;
    }
    g_autofree char *path = block_path_combine(filename, p->backing);
    g_autoptr(BlockNode) node = block_open(path, "vmdk", NULL, BLOCK_NO_BACKING, err);
    if (node) {
        p->parent_cid = ((Vmdk *)node->state)->cid;
    }
    return node != NULL;
}

bool vmdk_create(const char *filename, Opts *opts, GError **err)
{
    const OptDef *t = vmdk_create_opts;
    Params p = { .parent_cid = UINT32_MAX };
    if (!opts_check(opts, t, err) ||
        !opt_enum(opts, t, "subformat", subformats, &p.subformat, err)) {
        return false;
    }
    const char *adapter = opt_str(opts, t, "adapter_type");
    const char *tools = opt_str(opts, t, "toolsversion");
    p.size = ROUND_UP(opt_num(opts, t, "size"), BLOCK_SECTOR);
    p.adapter = adapter ? adapter : "ide";
    p.toolsversion = tools ? tools : "2147483647";
    p.hwversion = opt_str(opts, t, "hwversion");
    p.compat6 = opt_bool(opts, t, "compat6");
    p.zeroed = opt_bool(opts, t, "zeroed_grain");
    p.backing = opt_str(opts, t, "backing_file");
    if (!check_backing(filename, &p, opt_str(opts, t, "backing_fmt"), err)) {
        return false;
    }
    g_autofree char *extents = create_extents(filename, &p, err);
    g_autoptr(BlockNode) file = extents ? block_create_file(filename, 0, NULL, err) : NULL;
    if (!file) {
        return false;
    }
    bool embedded = p.subformat == SPARSE || p.subformat == STREAM;
    g_autofree char *desc = descriptor(&p, extents);
    size_t len = strlen(desc);
    int ret = embedded ? write_sparse(file, &p, p.size, true) : 0;
    if (embedded && len > VMDK_DESC_SECTORS * BLOCK_SECTOR) {
        ret = -ENAMETOOLONG;
    }
    ret = ret ? ret : block_pwrite(file, embedded ? BLOCK_SECTOR : 0, desc, len);
    if (ret) {
        g_set_error(err, BLOCK_ERROR, -ret, "Could not write the VMDK headers: %s",
                    g_strerror(-ret));
    }
    return ret == 0;
}
