/* SPDX-License-Identifier: MIT */
/* VMDK, per VMware's "Virtual Disk Format 5.0": a text descriptor (alone or inside a sparse
 * extent), and extents: flat files, hosted sparse extents (a grain directory of grain tables),
 * and their stream-optimized form with compressed grains; ESX server's sparse extents are read.
 * Little endian. */
#include "block/vmdk.h"
#include <errno.h>

static int vmdk_probe(const uint8_t *buf, size_t len, const char *filename)
{
    (void)filename;
    if (len >= 4 && ld_le32(buf) == VMDK_MAGIC) {
        return 100;
    }
    /* A descriptor: comments and blank lines, then a version. */
    const char *p = (const char *)buf, *end = p + len;
    if (len < 21 || g_ascii_strncasecmp(p, "# Disk DescriptorFile", 21)) {
        return 0;
    }
    while (p < end) {
        const char *nl = memchr(p, '\n', end - p);
        size_t n = nl ? (size_t)(nl - p) : (size_t)(end - p);
        if (n >= 9 && !strncmp(p, "version=", 8) && p[8] >= '1' && p[8] <= '3') {
            return 100;
        }
        p += n + 1;
    }
    return 0;
}

static VmdkExtent *extent_at(Vmdk *s, int64_t off, int64_t *within)
{
    for (unsigned i = 0; i < s->extents->len; i++) {
        VmdkExtent *e = g_ptr_array_index(s->extents, i);
        if (off < e->start + e->size) {
            *within = off - e->start;
            return e;
        }
    }
    return NULL;
}

/* Grain table entry for a grain, in sectors; 0 when there is no table. */
static int get_entry(VmdkExtent *e, uint64_t grain, uint32_t *entry)
{
    uint64_t table = grain / e->gtes;
    *entry = 0;
    if (table >= e->gd_size || !e->gd[table]) {
        return 0;
    }
    if (e->cached != e->gd[table]) {
        int ret = block_pread(e->node, (int64_t)e->gd[table] * BLOCK_SECTOR, e->gt, e->gtes * 4);
        if (ret) {
            e->cached = 0;
            return ret;
        }
        e->cached = e->gd[table];
    }
    *entry = ld_le32(e->gt + grain % e->gtes);
    return 0;
}

static int set_entry(VmdkExtent *e, uint64_t grain, uint32_t entry)
{
    uint64_t table = grain / e->gtes, at = grain % e->gtes * 4;
    uint8_t le[4];
    st_le32(le, entry);
    if (table >= e->gd_size || !e->gd[table]) {
        return -EIO;
    }
    int ret = 0;
    if (e->rgd && e->rgd[table]) {
        ret = block_pwrite(e->node, (int64_t)e->rgd[table] * BLOCK_SECTOR + at, le, 4);
    }
    ret = ret ? ret : block_pwrite(e->node, (int64_t)e->gd[table] * BLOCK_SECTOR + at, le, 4);
    if (!ret && e->cached == e->gd[table]) {
        memcpy(e->gt + grain % e->gtes, le, 4);
    }
    return ret;
}

static int read_grain(VmdkExtent *e, uint32_t entry, uint64_t within, uint8_t *buf, int64_t len)
{
    if (!e->compressed) {
        return block_pread(e->node, (int64_t)entry * BLOCK_SECTOR + within, buf, len);
    }
    return vmdk_read_compressed(e, entry, within, buf, len);
}

static int read_backing(BlockNode *node, int64_t off, uint8_t *buf, int64_t len)
{
    BlockNode *b = node->backing;
    int64_t have = b && b->size > off ? MIN(len, b->size - off) : 0;
    memset(buf + have, 0, len - have);
    return have ? block_pread(b, off, buf, have) : 0;
}

static int read_part(BlockNode *node, int64_t off, uint8_t *buf, int64_t len, int64_t *n)
{
    Vmdk *s = node->state;
    int64_t within;
    VmdkExtent *e = extent_at(s, off, &within);
    if (!e) {
        return -EIO;
    }
    *n = MIN(len, e->size - within);
    if (e->zero) {
        memset(buf, 0, *n);
        return 0;
    }
    if (e->flat) {
        return block_pread(e->node, e->flat_offset + within, buf, *n);
    }
    uint32_t entry;
    int64_t in_grain = within % e->grain_size;
    *n = MIN(*n, e->grain_size - in_grain);
    g_mutex_lock(&s->lock);
    int ret = get_entry(e, within / e->grain_size, &entry);
    if (!ret && entry > VMDK_GTE_ZEROED) {
        ret = e->compressed ? read_grain(e, entry, in_grain, buf, *n) : 0;
    }
    g_mutex_unlock(&s->lock);
    if (ret || (entry > VMDK_GTE_ZEROED && e->compressed)) {
        return ret;
    }
    if (entry > VMDK_GTE_ZEROED || (entry && !e->zeroed_grains)) {
        return read_grain(e, entry, in_grain, buf, *n);
    }
    if (entry == VMDK_GTE_ZEROED) {
        memset(buf, 0, *n);
        return 0;
    }
    return read_backing(node, off, buf, *n);
}

static int vmdk_pread(BlockNode *node, int64_t off, void *buf, int64_t len)
{
    uint8_t *p = buf;
    int ret = 0;
    for (int64_t n = 0; len && !ret; off += n, p += n, len -= n) {
        ret = read_part(node, off, p, len, &n);
    }
    return ret;
}

/* A new grain at the end of the file, its content written whole, then entered in the tables. The
 * lock is held. */
static int write_new_grain(BlockNode *node, VmdkExtent *e, int64_t off, uint64_t grain,
                           int64_t in_grain, const uint8_t *buf, int64_t len, uint32_t entry)
{
    g_autofree uint8_t *data = g_try_malloc0(e->grain_size);
    int64_t grain_off = off - in_grain;
    int64_t have = MIN(e->grain_size, node->size - grain_off);
    if (!data) {
        return -ENOMEM;
    }
    int ret = 0;
    if (len < have && entry != VMDK_GTE_ZEROED) {
        ret = read_backing(node, grain_off, data, have);
    }
    memcpy(data + in_grain, buf, len);
    int64_t at = ROUND_UP(MAX(block_getlength(e->node), e->data_start), BLOCK_SECTOR);
    if (at / BLOCK_SECTOR > UINT32_MAX - 1) {
        return -EFBIG;
    }
    ret = ret ? ret : block_pwrite(e->node, at, data, e->grain_size);
    return ret ? ret : set_entry(e, grain, at / BLOCK_SECTOR);
}

static int write_part(BlockNode *node, int64_t off, const uint8_t *buf, int64_t len, int64_t *n)
{
    Vmdk *s = node->state;
    int64_t within;
    VmdkExtent *e = extent_at(s, off, &within);
    if (!e || e->zero) {
        return -EIO;
    }
    *n = MIN(len, e->size - within);
    if (e->flat) {
        return block_pwrite(e->node, e->flat_offset + within, buf, *n);
    }
    if (e->compressed) {
        return -EIO; /* grains can only be appended, whole: pwrite_compressed */
    }
    uint32_t entry;
    int64_t in_grain = within % e->grain_size;
    *n = MIN(*n, e->grain_size - in_grain);
    g_mutex_lock(&s->lock);
    int ret = get_entry(e, within / e->grain_size, &entry);
    bool fresh = !entry || (entry == VMDK_GTE_ZEROED && e->zeroed_grains);
    if (!ret && fresh) {
        ret = write_new_grain(node, e, off, within / e->grain_size, in_grain, buf, *n, entry);
    }
    g_mutex_unlock(&s->lock);
    if (!ret && !fresh) {
        ret = block_pwrite(e->node, (int64_t)entry * BLOCK_SECTOR + in_grain, buf, *n);
    }
    return ret;
}

/* Whoever uses the image as a parent finds out that it has changed. */
static int change_cid(BlockNode *node)
{
    Vmdk *s = node->state;
    int ret = 0;
    g_mutex_lock(&s->lock);
    if (!s->cid_changed) {
        ret = vmdk_write_cid(node, g_random_int());
        s->cid_changed = !ret;
    }
    g_mutex_unlock(&s->lock);
    return ret;
}

static int vmdk_pwrite(BlockNode *node, int64_t off, const void *buf, int64_t len)
{
    const uint8_t *p = buf;
    int ret = change_cid(node);
    for (int64_t n = 0; len && !ret; off += n, p += n, len -= n) {
        ret = write_part(node, off, p, len, &n);
    }
    return ret;
}

static int vmdk_pwrite_compressed(BlockNode *node, int64_t off, const void *buf, int64_t len)
{
    Vmdk *s = node->state;
    const uint8_t *p = buf;
    int ret = change_cid(node);
    while (len && !ret) {
        int64_t within;
        VmdkExtent *e = extent_at(s, off, &within);
        if (!e || !e->compressed || within % e->grain_size) {
            return -ENOTSUP;
        }
        int64_t n = MIN(MIN(len, e->grain_size), e->size - within);
        uint32_t entry, at;
        g_mutex_lock(&s->lock);
        ret = get_entry(e, within / e->grain_size, &entry);
        ret = !ret && entry ? -EIO : ret; /* a stream is written once */
        ret = ret ? ret : vmdk_append_compressed(e, within, p, n, &at);
        ret = ret ? ret : set_entry(e, within / e->grain_size, at);
        g_mutex_unlock(&s->lock);
        off += n;
        p += n;
        len -= n;
    }
    return ret;
}

static int vmdk_write_zeroes(BlockNode *node, int64_t off, int64_t len, unsigned flags)
{
    Vmdk *s = node->state;
    int64_t within;
    VmdkExtent *e = extent_at(s, off, &within);
    if (e && e->flat && within + len <= e->size) {
        int ret = change_cid(node);
        return ret ? ret : block_write_zeroes(e->node, e->flat_offset + within, len, flags);
    }
    /* Grains that are not there are zeroes already; the rest is written. */
    g_autofree uint8_t *zeroes = g_malloc0(VMDK_GRAIN);
    int ret = 0;
    for (int64_t n; len && !ret; off += n, len -= n) {
        BlockExtent ext;
        ret = block_status_above(node, NULL, off, len, &ext);
        n = ext.len;
        if (!ret && !(ext.flags & BLOCK_EXTENT_ZERO)) {
            n = MIN(n, VMDK_GRAIN);
            ret = vmdk_pwrite(node, off, zeroes, n);
        }
    }
    return ret;
}

static int vmdk_flush(BlockNode *node)
{
    Vmdk *s = node->state;
    int ret = block_flush(node->file);
    for (unsigned i = 0; i < s->extents->len && !ret; i++) {
        VmdkExtent *e = g_ptr_array_index(s->extents, i);
        ret = e->node && e->node != node->file ? block_flush(e->node) : 0;
    }
    return ret;
}

static int vmdk_status(BlockNode *node, int64_t off, int64_t len, BlockExtent *out)
{
    Vmdk *s = node->state;
    int64_t within;
    VmdkExtent *e = extent_at(s, off, &within);
    if (!e) {
        return -EIO;
    }
    out->file = e->node;
    out->len = MIN(len, e->size - within);
    if (e->zero) {
        out->flags = BLOCK_EXTENT_ZERO | BLOCK_EXTENT_ALLOCATED;
        return 0;
    }
    if (e->flat) {
        out->flags =
            BLOCK_EXTENT_DATA | BLOCK_EXTENT_ALLOCATED | BLOCK_EXTENT_OFFSET | BLOCK_EXTENT_RECURSE;
        out->offset = e->flat_offset + within;
        return 0;
    }
    uint32_t first = 0, entry;
    int64_t end = within + out->len, at = within;
    int ret = 0;
    g_mutex_lock(&s->lock);
    while (at < end && !ret) {
        ret = get_entry(e, at / e->grain_size, &entry);
        if (at == within) {
            first = entry;
        } else {
            uint64_t sectors =
                (at / e->grain_size - within / e->grain_size) * (e->grain_size / BLOCK_SECTOR);
            bool same = first <= VMDK_GTE_ZEROED ? entry == first
                                                 : !e->compressed && entry == first + sectors;
            if (!same) {
                break;
            }
        }
        at = ROUND_DOWN(at, e->grain_size) + e->grain_size;
    }
    g_mutex_unlock(&s->lock);
    out->len = MIN(at, end) - within;
    out->offset = (int64_t)first * BLOCK_SECTOR + within % e->grain_size;
    out->flags = !first ? 0
                 : first == VMDK_GTE_ZEROED && e->zeroed_grains
                     ? BLOCK_EXTENT_ZERO | BLOCK_EXTENT_ALLOCATED
                     : BLOCK_EXTENT_DATA | BLOCK_EXTENT_ALLOCATED |
                           (e->compressed ? BLOCK_EXTENT_COMPRESSED : BLOCK_EXTENT_OFFSET);
    return ret;
}

static void vmdk_close(BlockNode *node)
{
    Vmdk *s = node->state;
    vmdk_free(node, s);
}

static int64_t vmdk_getlength(BlockNode *node)
{
    return ((Vmdk *)node->state)->size;
}

static int64_t vmdk_cluster_size(BlockNode *node)
{
    Vmdk *s = node->state;
    VmdkExtent *e = s->extents->len ? g_ptr_array_index(s->extents, 0) : NULL;
    return e && !e->flat && !e->zero ? e->grain_size : 0;
}

static bool vmdk_has_zero_init(BlockNode *node)
{
    Vmdk *s = node->state;
    for (unsigned i = 0; i < s->extents->len; i++) {
        VmdkExtent *e = g_ptr_array_index(s->extents, i);
        if (e->flat && !block_has_zero_init(e->node)) {
            return false;
        }
    }
    return true;
}

static int64_t vmdk_allocated_size(BlockNode *node)
{
    Vmdk *s = node->state;
    int64_t sum = block_allocated_size(node->file);
    for (unsigned i = 0; i < s->extents->len && sum >= 0; i++) {
        VmdkExtent *e = g_ptr_array_index(s->extents, i);
        int64_t n = e->node && e->node != node->file ? block_allocated_size(e->node) : 0;
        sum = n < 0 ? n : sum + n;
    }
    return sum;
}

static void vmdk_info(BlockNode *node, Value *dict)
{
    Vmdk *s = node->state;
    value_set_int(dict, "cid", s->cid);
    value_set_int(dict, "parent-cid", s->parent_cid);
    value_set_string(dict, "create-type", s->create_type);
    Value *list = value_set(dict, "extents", value_new(VALUE_LIST));
    for (unsigned i = 0; i < s->extents->len; i++) {
        VmdkExtent *e = g_ptr_array_index(s->extents, i);
        Value *v = value_append(list, value_new(VALUE_DICT));
        if (e->compressed) {
            value_set_bool(v, "compressed", true);
        }
        value_set_int(v, "virtual-size", e->size);
        value_set_string(v, "filename", e->node ? e->node->filename : "");
        if (!e->flat && !e->zero) {
            value_set_int(v, "cluster-size", e->grain_size);
        }
        value_set_string(v, "format", e->type);
    }
}

static int vmdk_check(BlockNode *node, unsigned fix, BlockCheckResult *res)
{
    Vmdk *s = node->state;
    if (fix) {
        return -ENOTSUP;
    }
    for (unsigned i = 0; i < s->extents->len; i++) {
        VmdkExtent *e = g_ptr_array_index(s->extents, i);
        int64_t end = e->node ? block_getlength(e->node) : 0;
        for (uint64_t g = 0;
             !e->flat && !e->zero && g < DIV_ROUND_UP((uint64_t)e->size, (uint64_t)e->grain_size);
             g++) {
            uint32_t entry;
            if (get_entry(e, g, &entry)) {
                res->check_errors++;
            } else if (entry > VMDK_GTE_ZEROED && (int64_t)entry * BLOCK_SECTOR >= end) {
                g_printerr("ERROR: grain %" G_GUINT64_FORMAT " of extent %u lies past the end of "
                           "the file\n",
                           g, i);
                res->corruptions++;
            } else if (!entry && g % e->gtes == 0 && g / e->gtes < e->gd_size &&
                       !e->gd[g / e->gtes]) {
                g += e->gtes - 1; /* no table here */
            }
        }
    }
    return 0;
}

const BlockDriver block_driver_vmdk = {
    .name = "vmdk",
    .state_size = sizeof(Vmdk),
    .create_opts = vmdk_create_opts,
    .probe = vmdk_probe,
    .open = vmdk_open,
    .close = vmdk_close,
    .create = vmdk_create,
    .pread = vmdk_pread,
    .pwrite = vmdk_pwrite,
    .pwrite_compressed = vmdk_pwrite_compressed,
    .write_zeroes = vmdk_write_zeroes,
    .flush = vmdk_flush,
    .status = vmdk_status,
    .getlength = vmdk_getlength,
    .allocated_size = vmdk_allocated_size,
    .cluster_size = vmdk_cluster_size,
    .has_zero_init = vmdk_has_zero_init,
    .info = vmdk_info,
    .check = vmdk_check,
};
