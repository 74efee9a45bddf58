/* SPDX-License-Identifier: MIT */
/* Check and repair: count every reference anew, compare with the counts on disk. A count above
 * the references is a leak, one below is corruption. */
#include "block/qcow2/qcow2.h"

/* References by cluster, in chunks that exist only where something is referred to. */
enum { CHUNK_BITS = 12, CHUNK = 1 << CHUNK_BITS, MAX_CHUNKS = (192 << 20) / (CHUNK * 4) };

typedef struct Check {
    Qcow2 *s;
    BlockCheckResult *res;
    unsigned fix;
    GHashTable *chunks; /* cluster >> CHUNK_BITS (as pointer) -> uint32_t[CHUNK] */
    uint64_t file_clusters;
    uint64_t top;       /* clusters: one above the highest that is referred to */
    bool rebuild;       /* the refcount structure itself is damaged */
    uint64_t next_host; /* for fragmentation */
    uint64_t last_key;  /* of the chunk looked at last: neighbours follow each other */
    uint32_t *last_chunk;
} Check;

static uint32_t *count_of(Check *c, uint64_t cluster, bool create)
{
    uint64_t number = (cluster >> CHUNK_BITS) + 1;
    if (number == c->last_key) {
        return c->last_chunk + (cluster & (CHUNK - 1));
    }
    gpointer key = GSIZE_TO_POINTER(number);
    uint32_t *chunk = g_hash_table_lookup(c->chunks, key);
    if (!chunk && create) {
        if (g_hash_table_size(c->chunks) >= MAX_CHUNKS) {
            return NULL;
        }
        chunk = g_new0(uint32_t, CHUNK);
        g_hash_table_insert(c->chunks, key, chunk);
    }
    if (!chunk) {
        return NULL;
    }
    c->last_key = number;
    c->last_chunk = chunk;
    return chunk + (cluster & (CHUNK - 1));
}

static uint64_t references(void *opaque, uint64_t cluster)
{
    uint32_t *n = count_of(opaque, cluster, false);
    return n ? *n : 0;
}

static void error(Check *c, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
static void error(Check *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_printerr("ERROR %s\n", text);
    c->res->corruptions++;
}

/* One more reference to each cluster that [off, off + len) touches. */
static void refer(Check *c, uint64_t off, uint64_t len, const char *what)
{
    const Qcow2 *s = c->s;
    if (!len) {
        return;
    }
    uint64_t last = (off + len - 1) >> s->cluster_bits;
    if (off > INT64_MAX - len || last >= c->file_clusters + 1) {
        error(c, "%s at offset %#" G_GINT64_MODIFIER "x lies past the end of the file", what, off);
        return;
    }
    for (uint64_t i = off >> s->cluster_bits; i <= last; i++) {
        uint32_t *n = count_of(c, i, true);
        if (!n) {
            c->res->check_errors++;
            return;
        }
        *n += *n < UINT32_MAX;
    }
    c->top = MAX(c->top, last + 1);
}

static bool read_failed(Check *c, int ret, const char *what, uint64_t off)
{
    if (ret) {
        g_printerr("ERROR: I/O error reading %s at %#" G_GINT64_MODIFIER "x: %s\n", what, off,
                   g_strerror(-ret));
        c->res->check_errors++;
    }
    return ret != 0;
}

static void check_l2_entry(Check *c, uint64_t entry, uint64_t bitmap, bool active, uint64_t guest)
{
    Qcow2 *s = c->s;
    uint64_t off = entry & QCOW2_OFFSET, len;
    bool external = s->data != s->node->file;
    if (entry & QCOW2_COMPRESSED) {
        if (external || entry & QCOW2_COPIED) {
            error(c,
                  "compressed cluster for guest offset %#" G_GINT64_MODIFIER "x is marked as "
                  "copied or in an image with external data",
                  guest);
        }
        qcow2_compressed_extent(s, entry, &off, &len);
        refer(c, off, len, "compressed cluster");
        c->res->allocated_clusters += active;
        c->res->compressed += active;
        c->res->fragmented += active; /* never where a reader expects the next byte */
        return;
    }
    if (off & (s->cluster_size - 1)) {
        error(c,
              "offset=%" G_GINT64_MODIFIER "x: Cluster is not properly aligned; L2 entry "
              "corrupted",
              off);
        return;
    }
    for (unsigned sub = 0; sub < s->subs; sub++) {
        if (s->ext_l2 && qcow2_classify(s, entry, bitmap, sub) == CLUSTER_INVALID) {
            error(c, "guest offset %#" G_GINT64_MODIFIER "x: subcluster bitmap is invalid", guest);
            break;
        }
    }
    if (!off && !(external && entry & QCOW2_COPIED)) {
        return;
    }
    if (active) {
        c->res->allocated_clusters++;
        c->res->fragmented += c->next_host && off != c->next_host;
        c->next_host = off + s->cluster_size;
    }
    if (!external) {
        refer(c, off, s->cluster_size, "data cluster");
    }
}

static void check_l1(Check *c, const uint64_t *l1, uint32_t n, bool active)
{
    Qcow2 *s = c->s;
    g_autofree uint8_t *l2 = g_malloc(s->cluster_size);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t off = l1[i] & QCOW2_OFFSET;
        if (!off) {
            continue;
        }
        if (off & (s->cluster_size - 1)) {
            error(c, "l1 entry %u: L2 table offset %#" G_GINT64_MODIFIER "x is not aligned", i,
                  off);
            continue;
        }
        refer(c, off, s->cluster_size, "L2 table");
        c->next_host = 0;
        if (off >> s->cluster_bits >= c->file_clusters ||
            read_failed(c, block_pread(s->node->file, off, l2, s->cluster_size), "L2 table", off)) {
            continue;
        }
        for (uint64_t j = 0; j < s->cluster_size; j += s->l2_entry_size) {
            uint64_t entry = ld_be64(l2 + j), bitmap = s->ext_l2 ? ld_be64(l2 + j + 8) : 0;
            if (entry || bitmap) {
                check_l2_entry(c, entry, bitmap, active,
                               i * qcow2_l2_span(s) + (j / s->l2_entry_size << s->cluster_bits));
            }
        }
    }
}

static void check_snapshots(Check *c)
{
    Qcow2 *s = c->s;
    for (unsigned i = 0; i < s->snapshots->len; i++) {
        Qcow2Snapshot *sn = g_ptr_array_index(s->snapshots, i);
        g_autofree uint64_t *l1 = g_try_malloc0_n(MAX(sn->l1_size, 1), 8);
        refer(c, sn->l1_offset, (uint64_t)sn->l1_size * 8, "snapshot L1 table");
        if (!l1 || read_failed(c, qcow2_read_table(s, sn->l1_offset, sn->l1_size, l1),
                               "snapshot L1 table", sn->l1_offset)) {
            continue;
        }
        check_l1(c, l1, sn->l1_size, false);
    }
    refer(c, s->snapshots_offset, s->snapshots_size, "snapshot table");
}

static void check_bitmaps(Check *c)
{
    Qcow2 *s = c->s;
    if (!s->nb_bitmaps) {
        return;
    }
    refer(c, s->bitmap_dir_offset, s->bitmap_dir_size, "bitmap directory");
    for (unsigned i = 0; i < s->bitmaps->len; i++) {
        Qcow2Bitmap *b = g_ptr_array_index(s->bitmaps, i);
        g_autofree uint64_t *table = g_try_malloc0_n(MAX(b->table_size, 1), 8);
        refer(c, b->table_offset, (uint64_t)b->table_size * 8, "bitmap table");
        if (!table || read_failed(c, qcow2_read_table(s, b->table_offset, b->table_size, table),
                                  "bitmap table", b->table_offset)) {
            continue;
        }
        for (uint32_t j = 0; j < b->table_size; j++) {
            uint64_t off = table[j] & QCOW2_OFFSET;
            if (off & (s->cluster_size - 1)) {
                error(c, "bitmap '%s': table entry %u is not aligned", b->bm.name, j);
            } else if (off) {
                refer(c, off, s->cluster_size, "bitmap data");
            }
        }
    }
}

static void check_refcount_structure(Check *c)
{
    Qcow2 *s = c->s;
    refer(c, s->rt_offset, (uint64_t)s->rt_clusters << s->cluster_bits, "refcount table");
    for (uint32_t i = 0; i < s->rt_size; i++) {
        uint64_t off = s->rt[i];
        if (!off) {
            continue;
        }
        if (off & (s->cluster_size - 1) || off >> s->cluster_bits >= c->file_clusters) {
            error(c,
                  "refcount block %u is not cluster aligned or past the end of the file; refcount "
                  "table entry corrupted",
                  i);
            c->rebuild = true;
            continue;
        }
        refer(c, off, s->cluster_size, "refcount block");
        if (references(c, off >> s->cluster_bits) != 1) {
            error(c, "refcount block %u refcount=%" G_GUINT64_FORMAT, i,
                  references(c, off >> s->cluster_bits));
            c->rebuild = true;
        }
    }
    if (!s->rt_clusters) {
        c->rebuild = true;
    }
}

static void collect(Check *c)
{
    Qcow2 *s = c->s;
    refer(c, 0, s->cluster_size, "header");
    refer(c, s->l1_offset, (uint64_t)s->l1_size * 8, "active L1 table");
    check_l1(c, s->l1, s->l1_size, true);
    check_snapshots(c);
    check_bitmaps(c);
    if (s->crypto_length) {
        refer(c, s->crypto_offset, s->crypto_length, "encryption header");
    }
}

/* A count differs: says so, and mends it if that is wanted. */
static int differs(Check *c, uint64_t cluster, uint64_t count, uint64_t refs, bool quiet)
{
    bool leak = count > refs;
    bool mend = !c->rebuild && c->fix & (leak ? BLOCK_FIX_LEAKS : BLOCK_FIX_ERRORS);
    int ret = 0;
    if (!quiet) {
        g_printerr("%s cluster %" G_GUINT64_FORMAT " refcount=%" G_GUINT64_FORMAT
                   " reference=%" G_GUINT64_FORMAT "\n",
                   mend   ? "Repairing"
                   : leak ? "Leaked"
                          : "ERROR",
                   cluster, count, refs);
    }
    if (mend) {
        ret = refs > c->s->refcount_max ? -EOVERFLOW : qcow2_rc_set(c->s, cluster, refs);
        if (!ret && !count && refs) {
            c->s->free_hint = 0;
        }
        if (!ret) {
            *(leak ? &c->res->leaks_fixed : &c->res->corruptions_fixed) += 1;
            return 0;
        }
    }
    *(leak ? &c->res->leaks : &c->res->corruptions) += 1;
    return ret;
}

/* Compares the counts of up to one chunk from `first`; *n is how many. Tells of counts that are
 * too low in the first pass and too high in the second: were a repair cut in between, no count
 * may be too low. Returns whether any is too high. */
static bool compare_part(Check *c, uint64_t first, uint64_t *n, bool second, bool quiet,
                         uint64_t *top)
{
    Qcow2 *s = c->s;
    uint64_t index;
    const uint32_t *refs = count_of(c, first, false);
    bool high = false;
    int ret;
    const uint8_t *slice = qcow2_rc_slice(s, first, &index, n, &ret);
    *n = MIN(*n, CHUNK - (first & (CHUNK - 1)));
    if (ret) {
        c->res->check_errors += !second;
        return false;
    }
    if (!slice && !refs) {
        return false;
    }
    /* No block for counts that are needed: one made now would itself need counting. */
    c->rebuild |= !slice && !block_is_zero(refs, *n * sizeof(*refs));
    for (uint64_t i = 0; i < *n; i++) {
        uint64_t want = refs ? refs[i] : 0;
        uint64_t count = slice ? qcow2_rc_read(slice, index + i, s->refcount_order) : 0;
        if (count || want) {
            *top = MAX(*top, first + i + 1);
        }
        high |= count > want;
        if (second ? count > want : count < want) {
            differs(c, first + i, count, want, quiet);
            slice = qcow2_rc_slice(s, first, &index, &(uint64_t){ 0 }, &ret);
        }
    }
    meta_cache_trim(s->rc_cache);
    return high;
}

static uint64_t compare(Check *c, bool quiet)
{
    uint64_t top = 0, end = MAX(c->file_clusters, c->top);
    bool high = false;
    for (int pass = 0; pass < (high ? 2 : 1); pass++) {
        for (uint64_t i = 0, n; i < end; i += n) {
            high |= compare_part(c, i, &n, pass, quiet, &top);
        }
    }
    return top;
}

/* "Copied" means that a cluster may be overwritten in place: with two references it must not. */
static void check_copied(Check *c)
{
    Qcow2 *s = c->s;
    g_autofree uint8_t *l2 = g_malloc(s->cluster_size);
    if (s->data != s->node->file) {
        return;
    }
    for (uint32_t i = 0; i < s->l1_size; i++) {
        uint64_t off = s->l1[i] & QCOW2_OFFSET;
        if (!off || off & (s->cluster_size - 1) || off >> s->cluster_bits >= c->file_clusters) {
            continue;
        }
        if (s->l1[i] & QCOW2_COPIED && references(c, off >> s->cluster_bits) > 1) {
            error(c, "OFLAG_COPIED L2 cluster: l1_index=%u l1_entry=%" G_GINT64_MODIFIER "x", i,
                  s->l1[i]);
        }
        if (read_failed(c, block_pread(s->node->file, off, l2, s->cluster_size), "L2 table", off)) {
            continue;
        }
        for (uint64_t j = 0; j < s->cluster_size; j += s->l2_entry_size) {
            uint64_t entry = ld_be64(l2 + j), data = entry & QCOW2_OFFSET;
            if (entry & QCOW2_COPIED && !(entry & QCOW2_COMPRESSED) && data &&
                references(c, data >> s->cluster_bits) > 1) {
                error(c,
                      "OFLAG_COPIED data cluster: l2_entry=%" G_GINT64_MODIFIER
                      "x refcount=%" G_GUINT64_FORMAT,
                      entry, references(c, data >> s->cluster_bits));
            }
        }
    }
}

static int block_needed(Qcow2CountFn get, void *opaque, uint64_t clusters, uint64_t range,
                        unsigned bits)
{
    uint64_t end = MIN((range + 1) << bits, clusters);
    for (uint64_t c = range << bits; c < end; c++) {
        if (get(opaque, c)) {
            return 1;
        }
    }
    return 0;
}

/* The new structure goes above everything that is in use; the header's switch to it, width and
 * all, is one write within a sector. */
int qcow2_rebuild_refcounts(Qcow2 *s, unsigned order, Qcow2CountFn get, void *opaque,
                            uint64_t clusters)
{
    unsigned bits = s->cluster_bits + 3 - order;
    uint64_t base = MAX(clusters, s->high_water >> s->cluster_bits), ranges, rt_clusters, total = 1;
    uint64_t max = order == 6 ? INT64_MAX : (1ULL << (1U << order)) - 1;
    g_autoptr(GArray) blocks = g_array_new(false, false, 8);
    for (;;) { /* blocks for what is in use and for the structure itself */
        g_array_set_size(blocks, 0);
        ranges = ((base + total - 1) >> bits) + 1;
        for (uint64_t r = 0; r < ranges; r++) {
            if (r >= base >> bits || block_needed(get, opaque, clusters, r, bits)) {
                g_array_append_val(blocks, r);
            }
        }
        rt_clusters = DIV_ROUND_UP(ranges * 8, s->cluster_size);
        if (blocks->len + rt_clusters <= total) {
            break;
        }
        total = blocks->len + rt_clusters;
    }
    total = blocks->len + rt_clusters;
    if (rt_clusters * s->cluster_size > QCOW2_MAX_RT) {
        return -EFBIG;
    }
    g_autofree uint8_t *block = g_malloc(s->cluster_size);
    uint32_t entries = rt_clusters * s->cluster_size / 8;
    g_autofree uint64_t *rt = g_new0(uint64_t, entries);
    g_autofree uint8_t *rt_be = g_malloc0(rt_clusters * s->cluster_size);
    int ret = 0;
    for (unsigned i = 0; i < blocks->len && !ret; i++) {
        uint64_t range = g_array_index(blocks, uint64_t, i), first = range << bits;
        memset(block, 0, s->cluster_size);
        for (uint64_t c = first; c < first + (1ULL << bits) && c < base + total; c++) {
            uint64_t n = c >= base ? 1 : c < clusters ? get(opaque, c) : 0;
            if (n > max) {
                return -EOVERFLOW;
            }
            qcow2_rc_write(block, c - first, order, n);
        }
        rt[range] = (base + rt_clusters + i) << s->cluster_bits;
        st_be64(rt_be + range * 8, rt[range]);
        ret = block_pwrite(s->node->file, rt[range], block, s->cluster_size);
    }
    ret = ret ? ret
              : block_pwrite(s->node->file, base << s->cluster_bits, rt_be,
                             rt_clusters * s->cluster_size);
    ret = ret ? ret : qcow2_barrier(s);
    if (ret) {
        return ret;
    }
    unsigned slice = meta_cache_slice(s->rc_cache);
    meta_cache_free(s->rc_cache);
    s->rc_cache = meta_cache_new(s->node->file, slice, 1 << 20, BLOCK_EV_REFBLOCK_LOAD,
                                 BLOCK_EV_REFBLOCK_UPDATE_PART);
    g_free(s->rt);
    s->rt = g_steal_pointer(&rt);
    s->rt_size = entries;
    s->rt_offset = base << s->cluster_bits;
    s->rt_clusters = rt_clusters;
    s->rt_moved = false;
    s->rt_dirty_lo = UINT32_MAX;
    s->rt_dirty_hi = 0;
    s->refcount_order = order;
    qcow2_set_geometry(s);
    s->high_water = (base + total) << s->cluster_bits;
    s->free_hint = 0;
    ret = qcow2_write_fields(s, QCOW2_F_RT, s->version >= 3 ? 100 - QCOW2_F_RT : 12);
    return ret ? ret : qcow2_barrier(s);
}

static int repair(Check *c)
{
    Qcow2 *s = c->s;
    int64_t changed = 0;
    int ret = 0;
    if (c->rebuild && c->fix & BLOCK_FIX_ERRORS) {
        /* Count without the old structure, then write a new one. */
        BlockCheckResult ignored = { 0 };
        Check fresh = { .s = s,
                        .res = &ignored,
                        .file_clusters = c->file_clusters,
                        .chunks = g_hash_table_new_full(NULL, NULL, NULL, g_free) };
        g_printerr("Rebuilding refcount structure\n");
        collect(&fresh);
        ret = qcow2_rebuild_refcounts(s, s->refcount_order, references, &fresh,
                                      MAX(fresh.top, c->file_clusters));
        g_hash_table_destroy(fresh.chunks);
        if (!ret) {
            c->res->corruptions_fixed += c->res->corruptions;
            c->res->leaks_fixed += c->res->leaks;
            c->res->corruptions = c->res->leaks = 0;
        }
    }
    ret = ret ? ret : qcow2_commit(s);
    if (!ret && c->fix & BLOCK_FIX_ERRORS) {
        ret = qcow2_fix_copied(s, &changed);
        ret = ret ? ret : qcow2_commit(s);
    }
    if (!ret && c->fix & BLOCK_FIX_ERRORS && !c->res->corruptions && !c->res->check_errors) {
        ret = qcow2_set_features(
            s, s->incompat & ~(uint64_t)(QCOW2_INCOMPAT_DIRTY | QCOW2_INCOMPAT_CORRUPT), s->compat,
            s->autoclear);
        ret = ret ? ret : qcow2_barrier(s);
    }
    return ret;
}

int qcow2_check(BlockNode *node, unsigned fix, BlockCheckResult *res)
{
    Qcow2 *s = node->state;
    bool quiet = !(node->flags & BLOCK_CHECK); /* a repair on opening a dirty image */
    int64_t len = block_getlength(node->file);
    int ret = 0;
    if (len < 0) {
        return len;
    }
    g_mutex_lock(&s->lock);
    if (node->flags & BLOCK_RDWR) {
        ret = qcow2_commit(s);
        ret = ret ? ret : qcow2_commit(s);
    }
    Check c = { .s = s,
                .res = res,
                .fix = fix,
                .chunks = g_hash_table_new_full(NULL, NULL, NULL, g_free),
                .file_clusters = DIV_ROUND_UP((uint64_t)len, s->cluster_size) };
    res->total_clusters = DIV_ROUND_UP(s->size, s->cluster_size);
    collect(&c);
    check_refcount_structure(&c);
    uint64_t top = compare(&c, quiet);
    check_copied(&c);
    res->image_end = MAX(top, c.top) << s->cluster_bits;
    if (fix && !ret) {
        ret = repair(&c);
    }
    g_hash_table_destroy(c.chunks);
    g_mutex_unlock(&s->lock);
    return ret;
}
