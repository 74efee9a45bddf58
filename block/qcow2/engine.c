/* SPDX-License-Identifier: MIT */
/* Guest requests. Each holds a lock on its clusters: shared while it only reads or overwrites
 * data in place, exclusive while it changes where data lies; so the metadata lock need not be held
 * over data I/O. */
#include "block/qcow2/qcow2.h"

#define COPY_UP_BYTES (1 << 20) /* copied under one lock */
#define LOCK_SPINS    200       /* a few microseconds */

#if defined(__x86_64__)
#define spin_hint() __builtin_ia32_pause()
#else
#define spin_hint() __asm__ volatile("" ::: "memory")
#endif

static int zero_range(Qcow2 *s, uint64_t off, uint64_t len, bool unmap);

static bool conflicts(const Qcow2 *s, const RangeLock *r)
{
    for (const RangeLock *q = s->ranges; q; q = q->next) {
        if (q->start < r->end && r->start < q->end &&
            (q->kind == RANGE_EXCLUSIVE || r->kind == RANGE_EXCLUSIVE)) {
            return true;
        }
    }
    return false;
}

void qcow2_range_lock(Qcow2 *s, RangeLock *r, uint64_t off, uint64_t len, RangeKind kind)
{
    r->start = ROUND_DOWN(off, s->cluster_size);
    r->end = ROUND_UP(off + len, s->cluster_size);
    r->kind = kind;
    g_mutex_lock(&s->range_lock);
    while (conflicts(s, r)) {
        s->range_waiters++;
        g_cond_wait(&s->range_free, &s->range_lock);
        s->range_waiters--;
    }
    r->next = s->ranges;
    s->ranges = r;
    g_mutex_unlock(&s->range_lock);
}

static bool range_trylock(Qcow2 *s, RangeLock *r, uint64_t off, uint64_t len, RangeKind kind)
{
    r->start = ROUND_DOWN(off, s->cluster_size);
    r->end = ROUND_UP(off + len, s->cluster_size);
    r->kind = kind;
    g_mutex_lock(&s->range_lock);
    bool ok = !conflicts(s, r);
    if (ok) {
        r->next = s->ranges;
        s->ranges = r;
    }
    g_mutex_unlock(&s->range_lock);
    return ok;
}

void qcow2_range_unlock(Qcow2 *s, RangeLock *r)
{
    g_mutex_lock(&s->range_lock);
    RangeLock **p = &s->ranges;
    while (*p != r) {
        p = &(*p)->next;
    }
    *p = r->next;
    if (s->range_waiters) {
        g_cond_broadcast(&s->range_free); /* a system call, so not for nobody */
    }
    g_mutex_unlock(&s->range_lock);
}

static int map_locked(Qcow2 *s, uint64_t off, uint64_t len, ClusterRun *run)
{
    g_mutex_lock(&s->lock);
    int ret = qcow2_map(s, off, len, run);
    g_mutex_unlock(&s->lock);
    return ret ? ret : run->type == CLUSTER_INVALID ? -EIO : 0;
}

/* From the backing file, zeroes where it has ended or there is none. */
static int read_backing(Qcow2 *s, uint64_t off, uint8_t *buf, uint64_t len)
{
    BlockNode *b = s->node->backing;
    bool shows = b && (uint64_t)b->size > off && off < s->size;
    uint64_t have = shows ? MIN(len, b->size - off) : 0;
    memset(buf + have, 0, len - have);
    qcow2_event(s, BLOCK_EV_READ_BACKING_AIO);
    return have ? block_pread(b, off, buf, have) : 0;
}

/* Reads without the range lock; the caller holds one. */
static int read_range(Qcow2 *s, uint64_t off, uint8_t *buf, uint64_t len)
{
    while (len) {
        ClusterRun run;
        int ret = map_locked(s, off, len, &run);
        if (ret) {
            return ret;
        }
        switch (run.type) {
        case CLUSTER_UNALLOCATED:
            ret = read_backing(s, off, buf, run.len);
            break;
        case CLUSTER_ZERO:
            memset(buf, 0, run.len);
            break;
        case CLUSTER_NORMAL:
            block_event(s->data, BLOCK_EV_READ_AIO);
            ret = qcow2_data_read(s, off, run.host, buf, run.len);
            break;
        case CLUSTER_COMPRESSED:
            ret = qcow2_read_compressed(s, run.entry, off & (s->cluster_size - 1), buf, run.len);
            break;
        case CLUSTER_INVALID:
            return -EIO;
        }
        if (ret) {
            return ret;
        }
        off += run.len;
        buf += run.len;
        len -= run.len;
    }
    return 0;
}

int qcow2_pread(BlockNode *node, int64_t off, void *buf, int64_t len)
{
    Qcow2 *s = node->state;
    RangeLock r;
    qcow2_range_lock(s, &r, off, len, RANGE_SHARED);
    int ret = read_range(s, off, buf, len);
    qcow2_range_unlock(s, &r);
    return ret;
}

/* Does unallocated space at [off, off + len) read as zeroes? */
static bool backing_is_zero(Qcow2 *s, uint64_t off, uint64_t len)
{
    BlockNode *b = s->node->backing;
    BlockExtent ext;
    if (!b || off >= (uint64_t)b->size || off >= s->size) {
        return true;
    }
    len = MIN(len, b->size - off);
    return block_status_above(b, NULL, off, len, &ext) == 0 && ext.flags & BLOCK_EXTENT_ZERO &&
           (uint64_t)ext.len >= len;
}

/* Would a write to a host range hit the header or a table, or lie past the end of the file? Only
 * a damaged image says so. */
static bool hits_metadata(const Qcow2 *s, uint64_t host, uint64_t len)
{
    const uint64_t ranges[][2] = {
        { 0, s->cluster_size },
        { s->l1_offset, (uint64_t)s->l1_size * 8 },
        { s->rt_offset, (uint64_t)s->rt_clusters << s->cluster_bits },
        { s->snapshots_offset, s->snapshots_size },
    };
    if (s->data != s->node->file) {
        return false;
    }
    if (host + len > s->high_water) {
        return true; /* past the end of the file */
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(ranges); i++) {
        if (host < ranges[i][0] + ranges[i][1] && ranges[i][0] < host + len) {
            return true;
        }
    }
    return false;
}

static int mark_corrupt(Qcow2 *s, uint64_t off, uint64_t host)
{
    g_printerr("qcow2: '%s': guest offset %#" G_GINT64_MODIFIER
               "x lies on metadata or past the end, at host "
               "offset %#" G_GINT64_MODIFIER "x: write refused, image marked corrupt\n",
               s->node->filename, off, host);
    g_mutex_lock(&s->lock);
    qcow2_set_features(s, s->incompat | QCOW2_INCOMPAT_CORRUPT, s->compat, s->autoclear);
    g_mutex_unlock(&s->lock);
    return -EIO;
}

/* One allocating write: where it goes, and what must be copied around it. */
typedef struct AllocWrite {
    uint64_t off, len;           /* guest bytes */
    uint64_t cow_start, cow_end; /* guest bytes that must be written beside them: around */
    uint64_t host;               /* of the cluster that holds off */
    uint64_t clusters;
    bool new_clusters, fresh, cow_zero;
    bool whole; /* every subcluster of it becomes data */
} AllocWrite;

static int plan_write(Qcow2 *s, uint64_t off, uint64_t len, const ClusterRun *run, AllocWrite *w)
{
    const uint64_t mask = s->cluster_size - 1;
    uint64_t sub = 1ULL << s->sub_bits;
    bool reuse = run->allocated && run->copied; /* a host cluster of ours behind zeroes */
    bool keep_all = run->type == CLUSTER_COMPRESSED || (run->allocated && !run->copied);

    *w = (AllocWrite){ .off = off, .len = MIN(len, run->len) };
    if (s->ext_l2) {
        w->len = MIN(len, (off | mask) + 1 - off);
        if (!keep_all && !reuse) {
            w->len = MIN(w->len, run->len);
        } else if (reuse) {
            w->len = MIN(w->len, run->len);
        }
    }
    w->whole = keep_all;
    uint64_t granule = keep_all ? s->cluster_size : sub;
    if (reuse) {
        w->host = ROUND_DOWN(run->host, s->cluster_size);
        w->clusters = (((off + w->len - 1) | mask) + 1 - (off & ~mask)) >> s->cluster_bits;
    } else {
        uint64_t want = (((off + w->len - 1) | mask) + 1 - (off & ~mask)) >> s->cluster_bits;
        if (s->data != s->node->file) {
            w->host = off & ~mask;
            w->clusters = want;
        } else {
            int64_t host = qcow2_alloc(s, 1, want, &w->clusters, &w->fresh);
            if (host < 0) {
                return host;
            }
            w->host = host;
            w->new_clusters = true;
            w->len = MIN(w->len, (off & ~mask) + (w->clusters << s->cluster_bits) - off);
        }
    }
    w->cow_start = ROUND_DOWN(off, granule);
    w->cow_end = ROUND_UP(off + w->len, granule);
    w->cow_zero = !keep_all && run->type == CLUSTER_ZERO;
    return 0;
}

/* Copies [from, to) of the guest's present content to its new place. */
static int copy_around(Qcow2 *s, const AllocWrite *w, uint64_t from, uint64_t to, bool zero)
{
    uint64_t host = w->host + (from - ROUND_DOWN(w->off, s->cluster_size));
    /* Behind the end there is nothing, but far behind the state of a machine. */
    uint64_t limit = from < ROUND_UP(s->size, s->cluster_size) ? MAX(from, s->size) : to;
    uint64_t have = MIN(to, limit) - from;
    if (from == to || (zero && w->fresh && !s->cipher)) {
        return 0;
    }
    g_autofree uint8_t *buf = g_try_malloc0(to - from);
    if (!buf) {
        return -ENOMEM;
    }
    if (!zero) {
        qcow2_event(s, BLOCK_EV_COW_READ);
    }
    int ret = zero ? 0 : read_range(s, from, buf, have);
    block_event(s->data, BLOCK_EV_COW_WRITE);
    return ret ? ret : qcow2_data_write(s, from, host, buf, to - from);
}

static int link_clusters(Qcow2 *s, const AllocWrite *w)
{
    uint64_t first = ROUND_DOWN(w->off, s->cluster_size);
    for (uint64_t i = 0; i < w->clusters; i++) {
        uint64_t guest = first + (i << s->cluster_bits), entry, bitmap;
        uint64_t host = w->host + (i << s->cluster_bits);
        int ret = qcow2_l2_get(s, guest, &entry, &bitmap);
        if (ret) {
            return ret;
        }
        if (s->ext_l2) {
            uint64_t a = MAX(guest, w->off) - guest;
            uint64_t b = MIN(guest + s->cluster_size, w->off + w->len) - guest;
            for (uint64_t sub = a >> s->sub_bits; sub <= (b - 1) >> s->sub_bits; sub++) {
                bitmap = (bitmap | 1ULL << sub) & ~(1ULL << (sub + 32));
            }
            bitmap = w->whole ? UINT32_MAX : bitmap;
        }
        ret = qcow2_l2_set(s, guest, host | QCOW2_COPIED, bitmap);
        if (ret) {
            return ret;
        }
        if (w->new_clusters) {
            qcow2_free_entry(s, entry);
        }
    }
    return 0;
}

static int write_allocating(Qcow2 *s, uint64_t off, const uint8_t *buf, uint64_t len,
                            const ClusterRun *run, uint64_t *done)
{
    AllocWrite w;
    if (run->allocated && run->copied && hits_metadata(s, run->host, run->len)) {
        return mark_corrupt(s, off, run->host);
    }
    g_mutex_lock(&s->lock);
    int ret = plan_write(s, off, len, run, &w);
    g_mutex_unlock(&s->lock);
    if (ret) {
        return ret;
    }
    bool unallocated = run->type == CLUSTER_UNALLOCATED && !w.whole;
    bool head_zero =
        w.cow_zero || (unallocated && backing_is_zero(s, w.cow_start, off - w.cow_start));
    bool tail_zero =
        w.cow_zero || (unallocated && backing_is_zero(s, off + w.len, w.cow_end - off - w.len));
    uint64_t within = off & (s->cluster_size - 1);
    ret = copy_around(s, &w, w.cow_start, off, head_zero);
    block_event(s->data, BLOCK_EV_WRITE_AIO);
    ret = ret ? ret : qcow2_data_write(s, off, w.host + within, buf, w.len);
    ret = ret ? ret : copy_around(s, &w, off + w.len, w.cow_end, tail_zero);
    g_mutex_lock(&s->lock);
    if (!ret) {
        ret = link_clusters(s, &w);
    } else if (w.new_clusters) {
        qcow2_free_later(s, w.host, w.clusters);
    }
    g_mutex_unlock(&s->lock);
    *done = w.len;
    return ret;
}

static int before_change(Qcow2 *s, uint64_t off, uint64_t len)
{
    int ret = 0;
    if (!s->nb_bitmaps) {
        return 0;
    }
    g_mutex_lock(&s->lock);
    ret = qcow2_bitmaps_start(s);
    qcow2_bitmaps_record(s, off, len);
    g_mutex_unlock(&s->lock);
    return ret;
}

static int write_range(Qcow2 *s, RangeLock *r, uint64_t off, const uint8_t *buf, uint64_t len);

static void make_exclusive(Qcow2 *s, RangeLock *r, uint64_t off, uint64_t len)
{
    if (r->kind == RANGE_SHARED) {
        qcow2_range_unlock(s, r);
        qcow2_range_lock(s, r, off, len, RANGE_EXCLUSIVE);
    }
}

/* Parts of encrypted sectors: the whole of them, with what they hold around. */
static int write_unaligned(Qcow2 *s, RangeLock *r, uint64_t off, const uint8_t *buf, uint64_t len)
{
    uint64_t from = ROUND_DOWN(off, CIPHER_SECTOR), to = ROUND_UP(off + len, CIPHER_SECTOR);
    g_autofree uint8_t *whole = g_try_malloc(to - from);
    if (!whole) {
        return -ENOMEM;
    }
    make_exclusive(s, r, from, to - from);
    int ret = read_range(s, from, whole, CIPHER_SECTOR);
    if (!ret && to - from > CIPHER_SECTOR) {
        ret = read_range(s, to - CIPHER_SECTOR, whole + (to - from) - CIPHER_SECTOR, CIPHER_SECTOR);
    }
    memcpy(whole + (off - from), buf, len);
    return ret ? ret : write_range(s, r, from, whole, to - from);
}

/* Writes under *r, which it makes exclusive once something must be allocated. */
static int write_range(Qcow2 *s, RangeLock *r, uint64_t off, const uint8_t *buf, uint64_t len)
{
    if (s->cipher && (off | len) % CIPHER_SECTOR) {
        return write_unaligned(s, r, off, buf, len);
    }
    while (len) {
        ClusterRun run;
        uint64_t n;
        int ret = map_locked(s, off, len, &run);
        if (ret) {
            return ret;
        }
        if (run.type == CLUSTER_NORMAL && run.copied) {
            n = run.len;
            if (hits_metadata(s, run.host, n)) {
                return mark_corrupt(s, off, run.host);
            }
            block_event(s->data, BLOCK_EV_WRITE_AIO);
            ret = qcow2_data_write(s, off, run.host, buf, n);
        } else if (r->kind == RANGE_SHARED) {
            make_exclusive(s, r, off, len);
            continue;
        } else {
            ret = write_allocating(s, off, buf, len, &run, &n);
        }
        if (ret) {
            return ret;
        }
        off += n;
        buf += n;
        len -= n;
    }
    return 0;
}

static int settle_locked(Qcow2 *s, int ret)
{
    g_mutex_lock(&s->lock);
    int r = qcow2_settle(s);
    g_mutex_unlock(&s->lock);
    return ret ? ret : r;
}

int qcow2_pwrite(BlockNode *node, int64_t off, const void *buf, int64_t len)
{
    Qcow2 *s = node->state;
    RangeLock r;
    int ret = before_change(s, off, len);
    if (ret) {
        return ret;
    }
    qcow2_range_lock(s, &r, off, len, RANGE_SHARED);
    ret = write_range(s, &r, off, buf, len);
    qcow2_range_unlock(s, &r);
    return settle_locked(s, ret);
}

int qcow2_preadv(BlockNode *node, int64_t off, const struct iovec *iov, int niov, int64_t len)
{
    Qcow2 *s = node->state;
    RangeLock r;
    ClusterRun run;
    qcow2_range_lock(s, &r, off, len, RANGE_SHARED);
    int ret = map_locked(s, off, len, &run);
    if (!ret) {
        bool simple = run.type == CLUSTER_NORMAL && run.len >= (uint64_t)len && !s->cipher;
        if (simple) {
            block_event(s->data, BLOCK_EV_READ_AIO);
        }
        ret = simple ? block_preadv(s->data, run.host, iov, niov) : -ENOTSUP;
    }
    qcow2_range_unlock(s, &r);
    return ret;
}

int qcow2_pwritev(BlockNode *node, int64_t off, const struct iovec *iov, int niov, int64_t len)
{
    Qcow2 *s = node->state;
    RangeLock r;
    ClusterRun run;
    int ret = before_change(s, off, len);
    if (ret) {
        return ret;
    }
    qcow2_range_lock(s, &r, off, len, RANGE_SHARED);
    ret = map_locked(s, off, len, &run);
    if (!ret) {
        bool simple = run.type == CLUSTER_NORMAL && run.copied && run.len >= (uint64_t)len &&
                      !s->cipher && !hits_metadata(s, run.host, len);
        if (simple) {
            block_event(s->data, BLOCK_EV_WRITE_AIO);
        }
        ret = simple ? block_pwritev(s->data, run.host, iov, niov) : -ENOTSUP;
    }
    qcow2_range_unlock(s, &r);
    return ret == -ENOTSUP ? ret : settle_locked(s, ret);
}

/* Is all of a range in one piece, in clusters that are ours? The lock is held; nothing is read. */
static bool in_one_piece(Qcow2 *s, uint64_t off, uint64_t len, bool write, uint64_t *host)
{
    ClusterRun run;
    uint64_t slice = meta_cache_slice(s->l2_cache) / s->l2_entry_size * s->cluster_size;
    if (!qcow2_l2_cached(s, off) || !qcow2_l2_cached(s, off + len - 1) || len > slice ||
        qcow2_map(s, off, len, &run)) {
        return false;
    }
    *host = run.host;
    return run.type == CLUSTER_NORMAL && run.len >= len &&
           (!write || (run.copied && !hits_metadata(s, run.host, len)));
}

/* Others hold the lock for a look at a table, or for as long as the disk takes: the first is worth
 * waiting for. */
static bool lock_soon(Qcow2 *s)
{
    for (int i = 0; i < LOCK_SPINS; i++) {
        if (g_mutex_trylock(&s->lock)) {
            return true;
        }
        spin_hint();
    }
    return false;
}

bool qcow2_hold(BlockNode *node, int64_t off, int64_t len, bool write, BlockHold *out)
{
    Qcow2 *s = node->state;
    RangeLock *r = (RangeLock *)out->lock;
    uint64_t host;
    _Static_assert(sizeof(RangeLock) <= sizeof(out->lock), "BlockHold.lock is too small");
    if (s->cipher || !len || (write && s->nb_bitmaps) ||
        !range_trylock(s, r, off, len, RANGE_SHARED)) {
        return false;
    }
    bool ok = lock_soon(s);
    if (ok) {
        ok = in_one_piece(s, off, len, write, &host);
        g_mutex_unlock(&s->lock);
    }
    if (!ok) {
        qcow2_range_unlock(s, r);
        return false;
    }
    out->holder = node;
    out->file = s->data;
    out->off = host;
    return true;
}

void qcow2_unhold(BlockHold *hold)
{
    qcow2_range_unlock(hold->holder->state, (RangeLock *)hold->lock);
}

/* One stretch of a range under its exclusive lock: copied if the backing shows through. */
static int copy_up_run(Qcow2 *s, RangeLock *r, uint64_t off, uint64_t len, uint64_t *done)
{
    ClusterRun run;
    int ret = map_locked(s, off, len, &run);
    *done = run.len;
    if (ret || run.type != CLUSTER_UNALLOCATED) {
        return ret;
    }
    g_autofree uint8_t *buf = g_try_malloc(run.len);
    ret = buf ? read_backing(s, off, buf, run.len) : -ENOMEM;
    if (ret) {
        return ret;
    }
    bool whole = !((off | run.len) & (s->cluster_size - 1));
    if (whole && s->version >= 3 && block_is_zero(buf, run.len)) {
        g_mutex_lock(&s->lock);
        ret = zero_range(s, off, run.len, true);
        g_mutex_unlock(&s->lock);
        return ret;
    }
    return write_range(s, r, off, buf, run.len);
}

int qcow2_copy_up(BlockNode *node, int64_t offset, int64_t length)
{
    Qcow2 *s = node->state;
    uint64_t off = ROUND_DOWN((uint64_t)offset, s->cluster_size);
    uint64_t end = MIN(ROUND_UP((uint64_t)(offset + length), s->cluster_size), s->size);
    int ret = 0;
    while (off < end && !ret) {
        uint64_t stop = MIN(end, off + MAX(s->cluster_size, COPY_UP_BYTES)), n;
        RangeLock r;
        qcow2_range_lock(s, &r, off, stop - off, RANGE_EXCLUSIVE);
        for (; off < stop && !ret; off += n) {
            ret = copy_up_run(s, &r, off, stop - off, &n);
        }
        qcow2_range_unlock(s, &r);
        ret = settle_locked(s, ret);
    }
    return ret;
}

/* One cluster, or some of its subclusters, to zeroes by its L2 entry alone. */
static int zero_cluster(Qcow2 *s, uint64_t pos, uint64_t end, bool unmap)
{
    uint64_t entry, bitmap, cluster = ROUND_DOWN(pos, s->cluster_size);
    bool full = pos == cluster && end - pos == s->cluster_size;
    bool no_backing = !s->node->backing || cluster >= (uint64_t)s->node->backing->size;
    bool data = false;
    uint64_t zero_bits = 0;
    int ret = qcow2_l2_get(s, pos, &entry, &bitmap);
    if (ret) {
        return ret;
    }
    for (uint64_t sub = (pos - cluster) >> s->sub_bits; sub <= (end - 1 - cluster) >> s->sub_bits;
         sub++) {
        ClusterType type = qcow2_classify(s, entry, bitmap, sub);
        if (type == CLUSTER_INVALID) {
            return -EIO;
        }
        data |= type != CLUSTER_ZERO && (type != CLUSTER_UNALLOCATED || !no_backing);
        zero_bits |= 1ULL << sub;
    }
    bool holds = s->data == s->node->file && entry & QCOW2_OFFSET && !(entry & QCOW2_COMPRESSED);
    if (!data && !(full && unmap && holds)) {
        return 0;
    }
    if (!full) {
        if (entry & QCOW2_COMPRESSED) {
            return -ENOTSUP;
        }
        bitmap = (bitmap & ~zero_bits) | zero_bits << 32;
        return qcow2_l2_set(s, pos, entry, bitmap);
    }
    if (s->version < 3 && !no_backing) {
        return -ENOTSUP;
    }
    bool keep = !unmap && s->version >= 3 && !(entry & QCOW2_COMPRESSED) && entry & QCOW2_COPIED;
    uint64_t new_entry = keep ? entry & (QCOW2_OFFSET | QCOW2_COPIED) : 0;
    if (!s->ext_l2 && s->version >= 3) {
        new_entry |= QCOW2_ZERO;
    }
    ret = qcow2_l2_set(s, pos, new_entry, s->ext_l2 ? 0xffffffff00000000ULL : 0);
    if (!ret && !keep) {
        qcow2_free_entry(s, entry);
        if (s->data != s->node->file && entry & QCOW2_COPIED && unmap) {
            block_discard(s->data, cluster, s->cluster_size);
        }
    }
    return ret;
}

/* [off, off + len): whole subclusters, except that the image's end ends the last one. */
static int zero_range(Qcow2 *s, uint64_t off, uint64_t len, bool unmap)
{
    uint64_t end = off + len == s->size ? ROUND_UP(off + len, s->cluster_size) : off + len;
    int ret = 0;
    while (off < end && !ret) {
        uint64_t i = off / qcow2_l2_span(s);
        if (!s->node->backing && i < s->l1_size && !(s->l1[i] & QCOW2_OFFSET)) {
            off = MIN((i + 1) * qcow2_l2_span(s), end); /* zeroes already */
            continue;
        }
        uint64_t stop = MIN((off | (s->cluster_size - 1)) + 1, end);
        ret = zero_cluster(s, off, stop, unmap);
        off = stop;
        ret = ret ? ret : qcow2_settle(s);
    }
    return ret;
}

/* A part of a cluster: nothing if it is zero already, else written. */
static int zero_part(Qcow2 *s, RangeLock *r, uint64_t off, uint64_t len)
{
    while (len) {
        ClusterRun run;
        int ret = map_locked(s, off, len, &run);
        if (ret) {
            return ret;
        }
        if (run.type != CLUSTER_ZERO &&
            (run.type != CLUSTER_UNALLOCATED || !backing_is_zero(s, off, run.len))) {
            g_autofree uint8_t *zeroes = g_malloc0(run.len);
            ret = write_range(s, r, off, zeroes, run.len);
            if (ret) {
                return ret;
            }
        }
        off += run.len;
        len -= run.len;
    }
    return 0;
}

int qcow2_write_zeroes(BlockNode *node, int64_t offset, int64_t length, unsigned flags)
{
    Qcow2 *s = node->state;
    uint64_t off = offset, end = off + length, unit = 1ULL << s->sub_bits;
    uint64_t first = ROUND_UP(off, unit), last = end == s->size ? end : ROUND_DOWN(end, unit);
    RangeLock r;
    int ret = before_change(s, off, length);
    if (ret) {
        return ret;
    }
    qcow2_range_lock(s, &r, off, length, RANGE_EXCLUSIVE);
    if (first >= last) {
        ret = zero_part(s, &r, off, length);
    } else {
        ret = zero_part(s, &r, off, first - off);
        if (!ret) {
            g_mutex_lock(&s->lock);
            ret = zero_range(s, first, last - first, flags & BLOCK_ZERO_MAY_UNMAP);
            g_mutex_unlock(&s->lock);
        }
        ret = ret ? ret : zero_part(s, &r, last, end - last);
    }
    qcow2_range_unlock(s, &r);
    return settle_locked(s, ret);
}

int qcow2_discard(BlockNode *node, int64_t offset, int64_t length)
{
    Qcow2 *s = node->state;
    uint64_t end = offset + length;
    uint64_t first = ROUND_UP((uint64_t)offset, s->cluster_size);
    uint64_t last = end == s->size ? end : ROUND_DOWN(end, s->cluster_size);
    RangeLock r;
    if (first >= last) {
        return 0;
    }
    int ret = before_change(s, first, last - first);
    if (ret) {
        return ret;
    }
    qcow2_range_lock(s, &r, first, last - first, RANGE_EXCLUSIVE);
    g_mutex_lock(&s->lock);
    ret = zero_range(s, first, last - first, true);
    g_mutex_unlock(&s->lock);
    qcow2_range_unlock(s, &r);
    return settle_locked(s, ret);
}

int qcow2_drop(Qcow2 *s, uint64_t off, uint64_t len)
{
    uint64_t end = off + len;
    int ret = 0;
    while (off < end && !ret) {
        uint64_t entry, bitmap, i = off / qcow2_l2_span(s);
        if (i >= s->l1_size || !(s->l1[i] & QCOW2_OFFSET)) {
            off = MIN((i + 1) * qcow2_l2_span(s), end);
            continue;
        }
        ret = qcow2_l2_get(s, off, &entry, &bitmap);
        if (!ret && (entry || bitmap)) {
            ret = qcow2_l2_set(s, off, 0, 0);
            if (!ret) {
                qcow2_free_entry(s, entry);
            }
        }
        off += s->cluster_size;
        ret = ret ? ret : qcow2_settle(s);
    }
    return ret;
}

/* Files with preallocated metadata have holes behind their data clusters: worth asking then. */
static bool may_have_holes(Qcow2 *s)
{
    if (!s->prealloc_seen) {
        int64_t used = block_allocated_size(s->data);
        s->maybe_prealloc = used >= 0 && used < s->data->size - s->data->size / 8;
        s->prealloc_seen = true;
    }
    return s->maybe_prealloc;
}

int qcow2_status(BlockNode *node, int64_t off, int64_t len, BlockExtent *out)
{
    Qcow2 *s = node->state;
    ClusterRun run;
    int ret = map_locked(s, off, len, &run);
    if (ret) {
        return ret;
    }
    out->len = run.len;
    out->file = s->data;
    out->offset = run.host;
    switch (run.type) {
    case CLUSTER_NORMAL:
        out->flags = BLOCK_EXTENT_DATA | BLOCK_EXTENT_ALLOCATED;
        if (!s->crypt_method) {
            out->flags |= BLOCK_EXTENT_OFFSET | (may_have_holes(s) ? BLOCK_EXTENT_RECURSE : 0);
        }
        break;
    case CLUSTER_ZERO:
        out->flags =
            BLOCK_EXTENT_ZERO | BLOCK_EXTENT_ALLOCATED | (run.allocated ? BLOCK_EXTENT_OFFSET : 0);
        break;
    case CLUSTER_COMPRESSED:
        out->flags = BLOCK_EXTENT_DATA | BLOCK_EXTENT_ALLOCATED | BLOCK_EXTENT_COMPRESSED;
        break;
    default:
        out->flags = 0;
    }
    return 0;
}
