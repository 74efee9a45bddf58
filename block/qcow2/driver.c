/* SPDX-License-Identifier: MIT */
/* Opening and closing qcow2 images, what is known about them, and the driver's table. */
#include "block/qcow2/qcow2.h"

static const OptDef qcow2_open_opts[] = {
    { "lazy-refcounts", OPT_BOOL, NULL, "Postpone refcount updates" },
    { "l2-cache-size", OPT_SIZE, "32M", "Maximum L2 table cache size" },
    { "refcount-cache-size", OPT_SIZE, "8M", "Maximum refcount block cache size" },
    { "encrypt.format", OPT_STR, NULL, "Encryption format: aes or luks" },
    { "encrypt.key-secret", OPT_STR, NULL, "ID of the secret with the key or passphrase" },
    { 0 },
};

static int qcow2_probe(const uint8_t *buf, size_t len, const char *filename)
{
    (void)filename;
    return len >= 8 && ld_be32(buf) == QCOW2_MAGIC && ld_be32(buf + 4) >= 2 ? 100 : 0;
}

static bool read_table(Qcow2 *s, const char *what, uint64_t off, uint32_t n, uint64_t **out,
                       GError **err)
{
    *out = g_try_malloc0_n(MAX(n, 1), 8);
    int ret = *out ? qcow2_read_table(s, off, n, *out) : -ENOMEM;
    if (ret) {
        g_set_error(err, BLOCK_ERROR, -ret, "Could not open '%s': could not read the %s: %s",
                    s->node->filename, what, g_strerror(-ret));
    }
    return ret == 0;
}

static bool open_data_file(Qcow2 *s, Opts *opts, GError **err)
{
    BlockNode *node = s->node;
    s->data = node->file;
    if (!(s->incompat & QCOW2_INCOMPAT_DATA_FILE)) {
        return true;
    }
    g_autofree char *path =
        s->data_file_name ? block_path_combine(node->filename, s->data_file_name) : NULL;
    node->data = block_open_child(node, opts, "data-file", path, NULL, node->flags, err);
    if (!node->data) {
        if (node->flags & BLOCK_NO_IO) {
            g_clear_error(err);
            return true;
        }
        return false;
    }
    s->data = node->data;
    return true;
}

/* Tables that are to be written must lie inside the file. */
static bool tables_inside(Qcow2 *s, GError **err)
{
    const struct {
        const char *what;
        uint64_t off, len;
    } tables[] = {
        { "L1 table", s->l1_offset, s->l1_size },
        { "refcount table", s->rt_offset, s->rt_size },
        { "snapshot table", s->snapshots_offset, s->snapshots_size },
        { "bitmap directory", s->bitmap_dir_offset, s->nb_bitmaps },
    };
    for (unsigned i = 0; s->node->flags & BLOCK_RDWR && i < G_N_ELEMENTS(tables); i++) {
        if (tables[i].len && tables[i].off >= s->high_water) {
            g_set_error(err, BLOCK_ERROR, EINVAL,
                        "Could not open '%s': the %s lies past the end of the file",
                        s->node->filename, tables[i].what);
            return false;
        }
    }
    return true;
}

static bool read_tables(Qcow2 *s, Opts *opts, GError **err)
{
    unsigned slice = MIN(s->cluster_size, 4096);
    s->l2_cache =
        meta_cache_new(s->node->file, slice, opt_num(opts, qcow2_open_opts, "l2-cache-size"),
                       BLOCK_EV_L2_LOAD, BLOCK_EV_L2_UPDATE);
    s->rc_cache =
        meta_cache_new(s->node->file, slice, opt_num(opts, qcow2_open_opts, "refcount-cache-size"),
                       BLOCK_EV_REFBLOCK_LOAD, BLOCK_EV_REFBLOCK_UPDATE_PART);
    s->rt_size = ((uint64_t)s->rt_clusters << s->cluster_bits) / 8;
    uint8_t head[16];
    qcow2_event(s, BLOCK_EV_REFTABLE_LOAD);
    int ret = block_pread(s->node->file, 60, head, 12);
    if (ret) {
        g_set_error(err, BLOCK_ERROR, -ret, "Could not read qcow2 header: %s", g_strerror(-ret));
        return false;
    }
    return read_table(s, "L1 table", s->l1_offset, s->l1_size, &s->l1, err) &&
           read_table(s, "refcount table", s->rt_offset, s->rt_size, &s->rt, err) &&
           qcow2_read_snapshots(s, ld_be32(head), ld_be64(head + 4), err) &&
           qcow2_read_bitmaps(s, err) && tables_inside(s, err);
}

static bool prepare_writing(Qcow2 *s, Opts *opts, GError **err)
{
    BlockNode *node = s->node;
    int ret = 0;
    if (!(node->flags & BLOCK_RDWR)) {
        return true;
    }
    if (s->autoclear & ~(uint64_t)QCOW2_AUTOCLEAR_KNOWN) {
        ret = qcow2_set_features(s, s->incompat, s->compat, s->autoclear & QCOW2_AUTOCLEAR_KNOWN);
    }
    if (!ret && s->incompat & QCOW2_INCOMPAT_DIRTY && !(node->flags & BLOCK_CHECK)) {
        BlockCheckResult res = { 0 };
        ret = qcow2_check(node, BLOCK_FIX_LEAKS | BLOCK_FIX_ERRORS, &res);
        if (!ret && (res.corruptions || res.check_errors)) {
            ret = -EIO;
        }
    }
    if (ret) {
        g_set_error(err, BLOCK_ERROR, -ret, "Could not open '%s': could not repair dirty image: %s",
                    node->filename, g_strerror(-ret));
        return false;
    }
    s->lazy = s->version >= 3 && s->compat & QCOW2_COMPAT_LAZY;
    if (opts_has(opts, "lazy-refcounts")) {
        s->lazy = opt_bool(opts, qcow2_open_opts, "lazy-refcounts");
        if (s->lazy && s->version < 3) {
            g_set_error(err, BLOCK_ERROR, EINVAL,
                        "Lazy refcounts require a qcow2 image with at least qemu 1.1 compatibility "
                        "level");
            return false;
        }
    }
    return true;
}

static void free_state(Qcow2 *s)
{
    qcow2_crypt_close(s);
    meta_cache_free(s->l2_cache);
    meta_cache_free(s->rc_cache);
    for (unsigned i = 0; i < s->extensions->len; i++) {
        g_free(g_array_index(s->extensions, Qcow2Extension, i).data);
    }
    g_array_free(s->extensions, true);
    g_array_free(s->pending, true);
    if (s->snapshots) {
        g_ptr_array_free(s->snapshots, true);
    }
    if (s->bitmaps) {
        g_ptr_array_free(s->bitmaps, true);
    }
    g_free(s->l1);
    g_free(s->rt);
    g_free(s->data_file_name);
    g_free(s->comp_data);
    g_mutex_clear(&s->lock);
    g_mutex_clear(&s->range_lock);
    g_mutex_clear(&s->comp_lock);
    g_cond_clear(&s->range_free);
}

static bool qcow2_open(BlockNode *node, Opts *opts, GError **err)
{
    Qcow2 *s = node->state;
    s->node = node;
    g_mutex_init(&s->lock);
    g_mutex_init(&s->range_lock);
    g_mutex_init(&s->comp_lock);
    g_cond_init(&s->range_free);
    s->extensions = g_array_new(false, false, sizeof(Qcow2Extension));
    s->pending = g_array_new(false, false, sizeof(PendingFree));
    s->l1_dirty_lo = s->rt_dirty_lo = UINT32_MAX;
    if (!qcow2_read_header(s, err) || !open_data_file(s, opts, err)) {
        goto fail;
    }
    if (!qcow2_crypt_open(s, opts, err)) {
        goto fail;
    }
    int64_t len = block_getlength(node->file);
    s->high_water = ROUND_UP((uint64_t)MAX(len, 0), s->cluster_size);
    if (!read_tables(s, opts, err)) {
        goto fail;
    }
    node->size = s->size;
    if (prepare_writing(s, opts, err)) {
        return true;
    }
fail:
    free_state(s);
    return false;
}

static void qcow2_close(BlockNode *node)
{
    Qcow2 *s = node->state;
    int ret = 0;
    if (node->flags & BLOCK_RDWR && !s->loaded_snapshot) {
        bool dirty = s->lazy && s->incompat & QCOW2_INCOMPAT_DIRTY;
        ret = qcow2_bitmaps_stop(s);
        s->lazy = false; /* counts are written now */
        ret = ret ? ret : qcow2_commit(s);
        ret = ret ? ret : qcow2_commit(s); /* once more: counts that went down */
        if (!ret && dirty) {
            ret = qcow2_set_features(s, s->incompat & ~(uint64_t)QCOW2_INCOMPAT_DIRTY, s->compat,
                                     s->autoclear);
            ret = ret ? ret : qcow2_barrier(s);
        }
        if (ret) {
            g_printerr("qcow2: '%s': could not write metadata on closing: %s\n", node->filename,
                       g_strerror(-ret));
        }
    }
    free_state(s);
}

static int qcow2_flush(BlockNode *node)
{
    Qcow2 *s = node->state;
    g_mutex_lock(&s->lock);
    int ret = qcow2_commit(s);
    g_mutex_unlock(&s->lock);
    return ret;
}

static int64_t qcow2_getlength(BlockNode *node)
{
    return ((Qcow2 *)node->state)->size;
}

static int64_t qcow2_cluster_size(BlockNode *node)
{
    return ((Qcow2 *)node->state)->cluster_size;
}

static bool qcow2_has_zero_init(BlockNode *node)
{
    Qcow2 *s = node->state;
    return !s->crypt_method && (s->data == node->file || block_has_zero_init(s->data));
}

static void qcow2_info(BlockNode *node, Value *dict)
{
    static const char *const compression[] = { "zlib", "zstd" };
    Qcow2 *s = node->state;
    Value *d = dict;
    value_set_string(d, "compat", s->version >= 3 ? "1.1" : "0.10");
    value_set_string(d, "compression-type", compression[s->compression]);
    if (s->version >= 3) {
        value_set_bool(d, "lazy-refcounts", s->compat & QCOW2_COMPAT_LAZY);
        qcow2_bitmap_info(s, d);
    }
    value_set_int(d, "refcount-bits", 1 << s->refcount_order);
    if (s->crypt_method) {
        qcow2_crypt_info(s, value_set(d, "encrypt", value_new(VALUE_DICT)));
    }
    if (s->version >= 3) {
        if (s->data_file_name) {
            value_set_string(d, "data-file", s->data_file_name);
            value_set_bool(d, "data-file-raw", s->autoclear & QCOW2_AUTOCLEAR_DATA_RAW);
        }
        value_set_bool(d, "corrupt", s->incompat & QCOW2_INCOMPAT_CORRUPT);
        value_set_bool(d, "extended-l2", s->ext_l2);
    }
}

const BlockDriver block_driver_qcow2 = {
    .name = "qcow2",
    .state_size = sizeof(Qcow2),
    .open_opts = qcow2_open_opts,
    .create_opts = qcow2_create_opts,
    .amend_opts = qcow2_amend_opts,
    .probe = qcow2_probe,
    .open = qcow2_open,
    .close = qcow2_close,
    .create = qcow2_create,
    .pread = qcow2_pread,
    .pwrite = qcow2_pwrite,
    .preadv = qcow2_preadv,
    .hold = qcow2_hold,
    .unhold = qcow2_unhold,
    .pwritev = qcow2_pwritev,
    .copy_up = qcow2_copy_up,
    .pwrite_compressed = qcow2_pwrite_compressed,
    .write_zeroes = qcow2_write_zeroes,
    .discard = qcow2_discard,
    .flush = qcow2_flush,
    .status = qcow2_status,
    .getlength = qcow2_getlength,
    .truncate = qcow2_truncate,
    .cluster_size = qcow2_cluster_size,
    .has_zero_init = qcow2_has_zero_init,
    .info = qcow2_info,
    .check = qcow2_check,
    .measure = qcow2_measure,
    .amend = qcow2_amend,
    .change_backing = qcow2_change_backing,
    .make_empty = qcow2_make_empty,
    .vmstate = qcow2_vmstate,
    .snapshot_list = qcow2_snapshot_list,
    .snapshot_create = qcow2_snapshot_create,
    .snapshot_apply = qcow2_snapshot_apply,
    .snapshot_delete = qcow2_snapshot_delete,
    .snapshot_load = qcow2_snapshot_load,
    .bitmap_op = qcow2_bitmap_op,
    .bitmap_list = qcow2_bitmap_list,
    .bitmap_load = qcow2_bitmap_load,
    .bitmap_store = qcow2_bitmap_store,
};
