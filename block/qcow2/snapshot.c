/* SPDX-License-Identifier: MIT */
/* Internal snapshots ("Snapshots"): a copy of the L1 table each, and one more reference to all
 * that it leads to. Every switch is one write of header fields. */
#include "block/qcow2/qcow2.h"
#include <stdlib.h>
#include <time.h>

enum { SNAPSHOT_HEADER = 40, EXTRA_KNOWN = 24 };

void qcow2_snapshot_free(Qcow2Snapshot *sn)
{
    g_free(sn->sn.id);
    g_free(sn->sn.name);
    g_free(sn->extra);
    g_free(sn);
}

static bool bad(Qcow2 *s, GError **err, int code, const char *what)
{
    g_set_error(err, BLOCK_ERROR, code, "Could not open '%s': snapshot table: %s",
                s->node->filename, what);
    return false;
}

static uint64_t extra_u64(const Qcow2Snapshot *sn, unsigned at, uint64_t fallback)
{
    return sn->extra_size >= at + 8 ? ld_be64(sn->extra + at) : fallback;
}

/* One entry; returns its bytes, or 0 after setting an error. */
static uint64_t read_entry(Qcow2 *s, const uint8_t *p, uint64_t left, GError **err)
{
    if (left < SNAPSHOT_HEADER) {
        bad(s, err, EINVAL, "it ends inside an entry");
        return 0;
    }
    uint32_t id_len = ld_be16(p + 12), name_len = ld_be16(p + 14), extra = ld_be32(p + 36);
    uint64_t len = SNAPSHOT_HEADER + (uint64_t)extra + id_len + name_len;
    if (extra > 1024 || len > left) {
        bad(s, err, EINVAL, extra > 1024 ? "too much extra metadata" : "it ends inside an entry");
        return 0;
    }
    Qcow2Snapshot *sn = g_new0(Qcow2Snapshot, 1);
    sn->l1_offset = ld_be64(p);
    sn->l1_size = ld_be32(p + 8);
    sn->sn.date_sec = ld_be32(p + 16);
    sn->sn.date_nsec = ld_be32(p + 20);
    sn->sn.vm_clock_nsec = ld_be64(p + 24);
    sn->extra_size = extra;
    sn->extra = g_memdup2(p + SNAPSHOT_HEADER, extra);
    sn->sn.vm_state_size = extra_u64(sn, 0, ld_be32(p + 32));
    sn->sn.disk_size = extra_u64(sn, 8, -1);
    sn->sn.icount = extra_u64(sn, 16, UINT64_MAX);
    sn->sn.id = g_strndup((const char *)p + SNAPSHOT_HEADER + extra, id_len);
    sn->sn.name = g_strndup((const char *)p + SNAPSHOT_HEADER + extra + id_len, name_len);
    g_ptr_array_add(s->snapshots, sn);
    if (sn->l1_offset & (s->cluster_size - 1) || (uint64_t)sn->l1_size * 8 > QCOW2_MAX_L1 ||
        sn->l1_offset > INT64_MAX - QCOW2_MAX_L1) {
        bad(s, err, EINVAL, "an L1 table's offset or size is invalid");
        return 0;
    }
    return ROUND_UP(len, 8);
}

bool qcow2_read_snapshots(Qcow2 *s, uint32_t n, uint64_t offset, GError **err)
{
    s->snapshots = g_ptr_array_new_with_free_func((GDestroyNotify)qcow2_snapshot_free);
    if (!n) {
        return true;
    }
    if (n > QCOW2_MAX_SNAPSHOTS || offset & (s->cluster_size - 1) || !offset ||
        offset > INT64_MAX - QCOW2_MAX_SNAPSHOT_TABLE) {
        return bad(s, err, EINVAL, "its offset or number of entries is invalid");
    }
    int64_t file_len = s->node->file->size;
    uint64_t size =
        (int64_t)offset < file_len ? MIN(file_len - offset, (uint64_t)QCOW2_MAX_SNAPSHOT_TABLE) : 0;
    /* Entries have no common size: read what there could be, in steps. */
    g_autofree uint8_t *buf = NULL;
    uint64_t have = 0, pos = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t want = MIN(size, pos + SNAPSHOT_HEADER + 1024 + 2 * 65536);
        if (want > have) {
            want = MIN(size, MAX(want, 2 * have));
            buf = g_realloc(buf, want);
            int ret = block_pread(s->node->file, offset + have, buf + have, want - have);
            if (ret) {
                return bad(s, err, -ret, g_strerror(-ret));
            }
            have = want;
        }
        uint64_t len = read_entry(s, buf + pos, have - MIN(pos, have), err);
        if (!len) {
            return false;
        }
        pos += len;
    }
    s->snapshots_offset = offset;
    s->snapshots_size = pos;
    return true;
}

/* Big-endian 64-bit entries of a table in the file, to host order. */
int qcow2_read_table(Qcow2 *s, uint64_t off, uint32_t n, uint64_t *out)
{
    int ret = n ? block_pread(s->node->file, off, out, (uint64_t)n * 8) : 0;
    for (uint32_t i = 0; i < n && !ret; i++) {
        out[i] = ld_be64(&out[i]);
    }
    return ret;
}

typedef int (*WalkFn)(Qcow2 *s, uint64_t offset, uint64_t clusters);

static int walk_l2(Qcow2 *s, const uint8_t *l2, WalkFn fn)
{
    int ret = 0;
    for (uint64_t i = 0; i < s->cluster_size && !ret; i += s->l2_entry_size) {
        uint64_t entry = ld_be64(l2 + i), off = entry & QCOW2_OFFSET, len;
        if (entry & QCOW2_COMPRESSED) {
            qcow2_compressed_extent(s, entry, &off, &len);
            uint64_t first = off >> s->cluster_bits;
            ret = fn(s, first << s->cluster_bits, ((off + len - 1) >> s->cluster_bits) - first + 1);
        } else if (off) {
            ret = off & (s->cluster_size - 1) ? -EIO : fn(s, off, 1);
        }
    }
    return ret;
}

/* Calls fn for every reference that an L1 table makes: L2 tables and what they hold. What is on
 * disk counts: commit first. */
static int walk(Qcow2 *s, const uint64_t *l1, uint32_t n, WalkFn fn)
{
    g_autofree uint8_t *l2 = g_malloc(s->cluster_size);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t off = l1[i] & QCOW2_OFFSET;
        if (!off) {
            continue;
        }
        int ret = off & (s->cluster_size - 1)
                      ? -EIO
                      : block_pread(s->node->file, off, l2, s->cluster_size);
        ret = ret ? ret : walk_l2(s, l2, fn);
        ret = ret ? ret : fn(s, off, 1);
        if (ret) {
            return ret;
        }
        if (meta_cache_full(s->rc_cache)) {
            ret = qcow2_settle(s);
            if (ret) {
                return ret;
            }
        }
    }
    return 0;
}

static int can_add(Qcow2 *s, uint64_t off, uint64_t clusters)
{
    for (uint64_t c = off >> s->cluster_bits; clusters--; c++) {
        uint64_t count;
        int ret = qcow2_rc_get(s, c, &count);
        if (ret) {
            return ret;
        }
        if (!count || count >= s->refcount_max) {
            return count ? -EOVERFLOW : -EIO;
        }
    }
    return 0;
}

static int add_ref(Qcow2 *s, uint64_t off, uint64_t clusters)
{
    return qcow2_rc_add(s, off >> s->cluster_bits, clusters, 1);
}

static int drop_ref(Qcow2 *s, uint64_t off, uint64_t clusters)
{
    qcow2_free_later(s, off, clusters);
    return 0;
}

static int write_l1(Qcow2 *s, int64_t at, const uint64_t *l1, uint32_t n, uint64_t clusters)
{
    g_autofree uint8_t *buf = g_malloc0(MAX(clusters * s->cluster_size, 8));
    for (uint32_t i = 0; i < n; i++) {
        st_be64(buf + (uint64_t)i * 8, l1[i] & ~QCOW2_COPIED);
    }
    return block_pwrite(s->node->file, at, buf, clusters * s->cluster_size);
}

static void put_entry(GByteArray *out, const Qcow2Snapshot *sn)
{
    uint8_t h[SNAPSHOT_HEADER] = { 0 }, extra[1024] = { 0 };
    static const uint8_t pad[8];
    uint32_t extra_size = MAX(sn->extra_size, EXTRA_KNOWN);
    size_t id_len = strlen(sn->sn.id), name_len = strlen(sn->sn.name);
    if (sn->extra_size) {
        memcpy(extra, sn->extra, sn->extra_size);
    }
    st_be64(extra, sn->sn.vm_state_size);
    st_be64(extra + 8, sn->sn.disk_size);
    st_be64(extra + 16, sn->sn.icount);
    st_be64(h, sn->l1_offset);
    st_be32(h + 8, sn->l1_size);
    st_be16(h + 12, id_len);
    st_be16(h + 14, name_len);
    st_be32(h + 16, sn->sn.date_sec);
    st_be32(h + 20, sn->sn.date_nsec);
    st_be64(h + 24, sn->sn.vm_clock_nsec);
    st_be32(h + 32, MIN(sn->sn.vm_state_size, UINT32_MAX));
    st_be32(h + 36, extra_size);
    g_byte_array_append(out, h, sizeof(h));
    g_byte_array_append(out, extra, extra_size);
    g_byte_array_append(out, (const uint8_t *)sn->sn.id, id_len);
    g_byte_array_append(out, (const uint8_t *)sn->sn.name, name_len);
    g_byte_array_append(out, pad, -out->len & 7);
}

/* The table anew, elsewhere; then the header switches to it. */
int qcow2_rewrite_snapshots(Qcow2 *s)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    uint64_t old = s->snapshots_offset, old_size = s->snapshots_size, clusters = 0;
    int64_t at = 0;
    int ret;
    for (unsigned i = 0; i < s->snapshots->len; i++) {
        Qcow2Snapshot *sn = g_ptr_array_index(s->snapshots, i);
        if (sn->sn.disk_size < 0) {
            sn->sn.disk_size = s->size;
        }
        put_entry(out, sn);
    }
    if (out->len > QCOW2_MAX_SNAPSHOT_TABLE) {
        return -EFBIG;
    }
    if (out->len) {
        clusters = DIV_ROUND_UP((uint64_t)out->len, s->cluster_size);
        at = qcow2_alloc(s, clusters, clusters, NULL, NULL);
        if (at < 0) {
            return at;
        }
    }
    ret = qcow2_commit(s);
    if (!ret && out->len) {
        ret = block_pwrite(s->node->file, at, out->data, out->len);
        ret = ret ? ret : qcow2_barrier(s);
    }
    if (!ret) {
        s->snapshots_offset = at;
        s->snapshots_size = out->len;
        ret = qcow2_write_fields(s, QCOW2_F_SNAPSHOTS, 12);
        ret = ret ? ret : qcow2_barrier(s);
    }
    if (ret) {
        s->snapshots_offset = old;
        s->snapshots_size = old_size;
        if (at) {
            qcow2_free_later(s, at, clusters);
        }
        return ret;
    }
    if (old_size) {
        qcow2_free_later(s, old, DIV_ROUND_UP(old_size, s->cluster_size));
    }
    return 0;
}

static int fix_slice(Qcow2 *s, uint64_t at, int64_t *changed)
{
    int ret;
    unsigned slice = meta_cache_slice(s->l2_cache);
    uint8_t *l2 = meta_cache_get(s->l2_cache, at, &ret);
    for (unsigned i = 0; l2 && i < slice; i += s->l2_entry_size) {
        uint64_t entry = ld_be64(l2 + i), count;
        if (entry & QCOW2_COMPRESSED || !(entry & QCOW2_OFFSET)) {
            continue;
        }
        ret = qcow2_rc_get(s, (entry & QCOW2_OFFSET) >> s->cluster_bits, &count);
        if (ret) {
            return ret;
        }
        uint64_t want = count == 1 ? entry | QCOW2_COPIED : entry & ~QCOW2_COPIED;
        if (want != entry) {
            st_be64(l2 + i, want);
            meta_cache_dirty(s->l2_cache, at);
            ++*changed;
        }
    }
    return ret;
}

/* Makes every "copied" flag of the active tables say whether the count is one. In place: the flag
 * means the same for all that share a table. */
int qcow2_fix_copied(Qcow2 *s, int64_t *changed)
{
    unsigned slice = meta_cache_slice(s->l2_cache);
    if (s->data != s->node->file) {
        return 0; /* data clusters have no counts, and nothing is ever shared */
    }
    for (uint32_t i = 0; i < s->l1_size; i++) {
        uint64_t table = s->l1[i] & QCOW2_OFFSET, count;
        if (!table || table & (s->cluster_size - 1)) {
            continue;
        }
        int ret = qcow2_rc_get(s, table >> s->cluster_bits, &count);
        if (ret) {
            return ret;
        }
        uint64_t want = count == 1 ? table | QCOW2_COPIED : table;
        if (want != s->l1[i]) {
            s->l1[i] = want;
            qcow2_l1_mark(s, i);
            ++*changed;
        }
        for (uint64_t o = 0; o < s->cluster_size && !ret; o += slice) {
            ret = fix_slice(s, table + o, changed);
        }
        ret = ret ? ret : qcow2_settle(s);
        if (ret) {
            return ret;
        }
    }
    return 0;
}

static int find(Qcow2 *s, const char *name)
{
    for (int by_id = 0; by_id < 2; by_id++) {
        for (unsigned i = 0; i < s->snapshots->len; i++) {
            Qcow2Snapshot *sn = g_ptr_array_index(s->snapshots, i);
            if (!strcmp(by_id ? sn->sn.id : sn->sn.name, name)) {
                return i;
            }
        }
    }
    return -1;
}

static Qcow2Snapshot *find_or_fail(Qcow2 *s, const char *name, GError **err)
{
    int i = find(s, name);
    if (i < 0) {
        g_set_error(err, BLOCK_ERROR, ENOENT, "'%s': there is no snapshot '%s'", s->node->filename,
                    name);
        return NULL;
    }
    return g_ptr_array_index(s->snapshots, i);
}

static bool fail(Qcow2 *s, GError **err, const char *what, const char *name, int ret)
{
    g_set_error(err, BLOCK_ERROR, -ret, "'%s': could not %s snapshot '%s': %s", s->node->filename,
                what, name,
                ret == -EOVERFLOW ? "a cluster has as many references as its count can hold "
                                    "(refcount_bits)"
                                  : g_strerror(-ret));
    return false;
}

GPtrArray *qcow2_snapshot_list(BlockNode *node)
{
    Qcow2 *s = node->state;
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)block_snapshot_free);
    for (unsigned i = 0; i < s->snapshots->len; i++) {
        Qcow2Snapshot *sn = g_ptr_array_index(s->snapshots, i);
        BlockSnapshot *copy = g_memdup2(&sn->sn, sizeof(sn->sn));
        copy->id = g_strdup(sn->sn.id);
        copy->name = g_strdup(sn->sn.name);
        g_ptr_array_add(list, copy);
    }
    return list;
}

static Qcow2Snapshot *new_snapshot(Qcow2 *s, const char *name)
{
    Qcow2Snapshot *sn = g_new0(Qcow2Snapshot, 1);
    unsigned long id = 0;
    struct timespec now;
    for (unsigned i = 0; i < s->snapshots->len; i++) {
        Qcow2Snapshot *o = g_ptr_array_index(s->snapshots, i);
        id = MAX(id, strtoul(o->sn.id, NULL, 10));
    }
    clock_gettime(CLOCK_REALTIME, &now);
    sn->sn.id = g_strdup_printf("%lu", id + 1);
    sn->sn.name = g_strdup(name);
    sn->sn.date_sec = now.tv_sec;
    sn->sn.date_nsec = now.tv_nsec;
    sn->sn.disk_size = s->size;
    sn->l1_size = s->l1_size;
    return sn;
}

static int create_locked(Qcow2 *s, const char *name)
{
    uint64_t clusters = DIV_ROUND_UP((uint64_t)s->l1_size * 8, s->cluster_size);
    int64_t at = 0, changed = 0;
    int ret = qcow2_commit(s);
    ret = ret ? ret : qcow2_commit(s); /* once more for the counts that went down */
    ret = ret ? ret : walk(s, s->l1, s->l1_size, can_add);
    ret = ret ? ret : walk(s, s->l1, s->l1_size, add_ref);
    if (!ret && clusters) {
        at = qcow2_alloc(s, clusters, clusters, NULL, NULL);
        ret = at < 0 ? at : 0;
    }
    ret = ret ? ret : qcow2_commit(s);
    ret = ret ? ret : write_l1(s, at, s->l1, s->l1_size, clusters);
    /* No flag may say "ours alone" any more once the snapshot is there. */
    ret = ret ? ret : qcow2_fix_copied(s, &changed);
    ret = ret ? ret : qcow2_commit(s);
    if (ret) {
        return ret;
    }
    Qcow2Snapshot *sn = new_snapshot(s, name);
    sn->l1_offset = at;
    g_ptr_array_add(s->snapshots, sn);
    ret = qcow2_rewrite_snapshots(s);
    if (ret) {
        g_ptr_array_remove(s->snapshots, sn);
        return ret;
    }
    return qcow2_commit(s);
}

static bool can_change(Qcow2 *s, GError **err)
{
    if (s->data != s->node->file) {
        g_set_error(err, BLOCK_ERROR, ENOTSUP,
                    "'%s': images with an external data file cannot have internal snapshots",
                    s->node->filename);
        return false;
    }
    return true;
}

bool qcow2_snapshot_create(BlockNode *node, const char *name, GError **err)
{
    Qcow2 *s = node->state;
    if (!can_change(s, err)) {
        return false;
    }
    if (s->snapshots->len >= QCOW2_MAX_SNAPSHOTS || strlen(name) > UINT16_MAX) {
        return fail(s, err, "create", name, -EFBIG);
    }
    g_mutex_lock(&s->lock);
    int ret = create_locked(s, name);
    ret = ret ? ret : qcow2_drop_vmstate(s); /* it is the snapshot's now */
    g_mutex_unlock(&s->lock);
    return ret ? fail(s, err, "create", name, ret) : true;
}

static int delete_locked(Qcow2 *s, unsigned index)
{
    Qcow2Snapshot *sn = g_ptr_array_steal_index(s->snapshots, index);
    int64_t changed = 0;
    int ret = qcow2_commit(s);
    g_autofree uint64_t *l1 = g_try_malloc0_n(MAX(sn->l1_size, 1), 8);
    ret = ret ? ret : l1 ? qcow2_read_table(s, sn->l1_offset, sn->l1_size, l1) : -ENOMEM;
    ret = ret ? ret : qcow2_rewrite_snapshots(s);
    if (ret) {
        g_ptr_array_insert(s->snapshots, index, sn);
        return ret;
    }
    ret = walk(s, l1, sn->l1_size, drop_ref);
    if (!ret && sn->l1_size) {
        qcow2_free_later(s, sn->l1_offset,
                         DIV_ROUND_UP((uint64_t)sn->l1_size * 8, s->cluster_size));
    }
    qcow2_snapshot_free(sn);
    ret = ret ? ret : qcow2_commit(s); /* counts go down */
    ret = ret ? ret : qcow2_commit(s);
    ret = ret ? ret : qcow2_fix_copied(s, &changed);
    return ret ? ret : qcow2_commit(s);
}

bool qcow2_snapshot_delete(BlockNode *node, const char *name, GError **err)
{
    Qcow2 *s = node->state;
    if (!can_change(s, err) || !find_or_fail(s, name, err)) {
        return false;
    }
    g_mutex_lock(&s->lock);
    int ret = delete_locked(s, find(s, name));
    g_mutex_unlock(&s->lock);
    return ret ? fail(s, err, "delete", name, ret) : true;
}

static int apply_locked(Qcow2 *s, const Qcow2Snapshot *sn)
{
    uint64_t size = sn->sn.disk_size < 0 ? s->size : (uint64_t)sn->sn.disk_size;
    uint32_t n = MAX(MAX(sn->l1_size, qcow2_l1_entries_for(s, size)), 1);
    uint64_t clusters = DIV_ROUND_UP((uint64_t)n * 8, s->cluster_size);
    uint32_t old_n = s->l1_size;
    uint64_t old_at = s->l1_offset, old_size = s->size;
    int64_t changed = 0;
    if ((uint64_t)n * 8 > QCOW2_MAX_L1) {
        return -EFBIG;
    }
    uint64_t *l1 = g_try_malloc0_n(n, 8), *old = s->l1;
    int ret = l1 ? qcow2_commit(s) : -ENOMEM;
    ret = ret ? ret : qcow2_commit(s);
    ret = ret ? ret : qcow2_read_table(s, sn->l1_offset, sn->l1_size, l1);
    ret = ret ? ret : walk(s, l1, sn->l1_size, can_add);
    ret = ret ? ret : walk(s, l1, sn->l1_size, add_ref);
    int64_t at = ret ? 0 : qcow2_alloc(s, clusters, clusters, NULL, NULL);
    ret = at < 0 ? (int)at : ret;
    ret = ret ? ret : qcow2_commit(s);
    ret = ret ? ret : write_l1(s, at, l1, n, clusters);
    ret = ret ? ret : qcow2_barrier(s);
    if (!ret) {
        s->l1_offset = at;
        s->l1_size = n;
        s->size = size;
        ret = qcow2_write_fields(s, QCOW2_F_SIZE_L1, 24);
        ret = ret ? ret : qcow2_barrier(s);
    }
    if (ret) {
        s->l1_offset = old_at;
        s->l1_size = old_n;
        s->size = old_size;
        g_free(l1);
        return ret;
    }
    for (uint32_t i = 0; i < n; i++) {
        l1[i] &= ~QCOW2_COPIED;
    }
    s->l1 = l1;
    ret = walk(s, old, old_n, drop_ref);
    g_free(old);
    if (!ret && old_n) {
        qcow2_free_later(s, old_at, DIV_ROUND_UP((uint64_t)old_n * 8, s->cluster_size));
    }
    ret = ret ? ret : qcow2_commit(s);
    ret = ret ? ret : qcow2_commit(s);
    ret = ret ? ret : qcow2_fix_copied(s, &changed);
    return ret ? ret : qcow2_commit(s);
}

bool qcow2_snapshot_apply(BlockNode *node, const char *name, GError **err)
{
    Qcow2 *s = node->state;
    Qcow2Snapshot *sn;
    if (!can_change(s, err) || !(sn = find_or_fail(s, name, err))) {
        return false;
    }
    g_mutex_lock(&s->lock);
    int ret = qcow2_bitmaps_start(s);
    qcow2_bitmaps_record(s, 0, s->size);
    ret = ret ? ret : apply_locked(s, sn);
    g_mutex_unlock(&s->lock);
    return ret ? fail(s, err, "apply", name, ret) : true;
}

bool qcow2_snapshot_load(BlockNode *node, const char *name, GError **err)
{
    Qcow2 *s = node->state;
    Qcow2Snapshot *sn = find_or_fail(s, name, err);
    if (!sn) {
        return false;
    }
    uint64_t size = sn->sn.disk_size < 0 ? s->size : (uint64_t)sn->sn.disk_size;
    uint32_t n = MAX(sn->l1_size, qcow2_l1_entries_for(s, size));
    uint64_t *l1 = (uint64_t)n * 8 > QCOW2_MAX_L1 ? NULL : g_try_malloc0_n(MAX(n, 1), 8);
    int ret = l1 ? qcow2_read_table(s, sn->l1_offset, sn->l1_size, l1) : -EFBIG;
    if (ret) {
        g_free(l1);
        return fail(s, err, "load", name, ret);
    }
    g_free(s->l1);
    s->l1 = l1;
    s->l1_size = n;
    s->size = size;
    node->size = size;
    s->loaded_snapshot = true;
    return true;
}
