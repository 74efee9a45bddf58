/* SPDX-License-Identifier: MIT */
/* qcow2, versions 2 and 3, per the public "qcow2 image file format" specification (section names
 * are quoted in the files). Inside the driver:
 *
 *   header.c    the header, its extensions, feature bits
 *   cache.c     slices of metadata tables, written back late
 *   refcount.c  reference counts: allocation and freeing of host clusters
 *   l2.c        guest offset -> host offset: L1 and L2 tables
 *   commit.c    the order in which all of them reach the disk
 *   engine.c    guest reads, writes, zeroes, discards
 *   compress.c  compressed clusters
 *   crypt.c     LUKS and AES
 *   snapshot.c  internal snapshots
 *   bitmap.c    persistent dirty bitmaps
 *   vmstate.c   the state of a machine
 *   resize.c    growing, shrinking, preallocation
 *   check.c     check and repair
 *   create.c    new images, measure, amend
 *   driver.c    open, close, info; the BlockDriver
 *
 * Crash safety. In memory, metadata changes at once; on disk, only in commit.c's order: first
 * reference counts go up, then tables refer to the clusters, then (after a barrier) counts of what
 * is no longer referred to go down. Cut anywhere, and a cluster's count is never less than the
 * number of references to it: at worst something leaked. Freed clusters are reused only after the
 * tables that dropped them are on stable storage. */
#ifndef BLOCK_QCOW2_H
#define BLOCK_QCOW2_H

#include <errno.h>
#include "block/block.h"
#include "block/bytes.h"
#include "block/crypto/luks.h"

#define QCOW2_MAGIC 0x514649fbU /* "QFI\xfb" */

/* L1 and L2 entries ("L1/L2 tables", "Standard Cluster Descriptor"). */
#define QCOW2_COPIED     (1ULL << 63) /* reference count is exactly one */
#define QCOW2_COMPRESSED (1ULL << 62)
#define QCOW2_ZERO       (1ULL << 0)
#define QCOW2_OFFSET     0x00fffffffffffe00ULL

/* Feature bits ("Header"). */
enum {
    QCOW2_INCOMPAT_DIRTY = 1 << 0,
    QCOW2_INCOMPAT_CORRUPT = 1 << 1,
    QCOW2_INCOMPAT_DATA_FILE = 1 << 2,
    QCOW2_INCOMPAT_COMPRESSION = 1 << 3,
    QCOW2_INCOMPAT_EXT_L2 = 1 << 4,
    QCOW2_INCOMPAT_KNOWN = (1 << 5) - 1,
    QCOW2_COMPAT_LAZY = 1 << 0,
    QCOW2_AUTOCLEAR_BITMAPS = 1 << 0,
    QCOW2_AUTOCLEAR_DATA_RAW = 1 << 1,
    QCOW2_AUTOCLEAR_KNOWN = (1 << 2) - 1,
};

enum { QCOW2_CRYPT_NONE, QCOW2_CRYPT_AES, QCOW2_CRYPT_LUKS };
enum { QCOW2_ZLIB, QCOW2_ZSTD };

/* Limits on what an image may make us hold. */
#define QCOW2_MAX_L1             (32 * 1024 * 1024) /* bytes of an L1 table */
#define QCOW2_MAX_RT             (8 * 1024 * 1024)  /* bytes of the refcount table */
#define QCOW2_MAX_SNAPSHOTS      65536
#define QCOW2_MAX_SNAPSHOT_TABLE (16 * 1024 * 1024)
#define QCOW2_MAX_BITMAPS        65535

typedef struct MetaCache MetaCache;

typedef struct Qcow2Extension {
    uint32_t type, len;
    uint8_t *data;
} Qcow2Extension;

typedef struct Qcow2Snapshot {
    BlockSnapshot sn;
    uint64_t l1_offset;
    uint32_t l1_size; /* entries */
    uint32_t extra_size;
    uint8_t *extra; /* the extra data as it was read, at least what we know of it */
} Qcow2Snapshot;

typedef struct Qcow2Bitmap {
    BlockBitmap bm;
    uint64_t table_offset;
    uint32_t table_size; /* entries */
    uint32_t flags;
    uint32_t extra_size;
    uint8_t *extra;
} Qcow2Bitmap;

/* Clusters whose count is to go down by one after the next barrier. */
typedef struct PendingFree {
    uint64_t first, n; /* cluster numbers */
} PendingFree;

typedef struct RangeLock RangeLock;

typedef struct Qcow2 {
    BlockNode *node;
    BlockNode *data; /* where guest clusters are: the file or the external data file */
    GMutex lock;     /* all below, except what open alone sets */

    /* Header */
    int version;
    unsigned cluster_bits;
    uint64_t cluster_size;
    uint64_t size; /* bytes the guest sees */
    uint32_t crypt_method;
    uint64_t incompat, compat, autoclear;
    unsigned refcount_order;
    uint64_t refcount_max;
    int compression;
    uint32_t header_length;
    uint8_t unknown_header[64]; /* header fields after those we know, kept */
    uint32_t unknown_header_len;
    char *data_file_name;
    GArray *extensions; /* Qcow2Extension that we do not know: kept */
    uint64_t crypto_offset, crypto_length;
    Luks *luks;
    BlockCipher *aes;
    const BlockCipher *cipher; /* of the two above, or NULL: guest data is stored as it is */
    uint32_t nb_bitmaps;
    uint64_t bitmap_dir_size, bitmap_dir_offset;

    /* Geometry */
    bool ext_l2;
    unsigned l2_entry_size; /* bytes: 8, or 16 with subclusters */
    unsigned l2_bits;       /* log2 of entries in an L2 table */
    unsigned sub_bits;      /* log2 of bytes in a subcluster; cluster_bits without */
    unsigned subs;          /* subclusters in a cluster: 1 or 32 */

    uint64_t *l1; /* host byte order */
    uint32_t l1_size;
    uint64_t l1_offset;
    uint32_t l1_dirty_lo, l1_dirty_hi; /* entries to write: [lo, hi) */
    MetaCache *l2_cache;

    uint64_t *rt;     /* refcount table, host byte order */
    uint32_t rt_size; /* entries */
    uint64_t rt_offset;
    uint32_t rt_clusters;
    uint32_t rt_dirty_lo, rt_dirty_hi;
    bool rt_moved; /* the header does not point to rt_offset yet */
    MetaCache *rc_cache;
    unsigned rb_bits;    /* log2 of entries in a refcount block */
    uint64_t free_hint;  /* no free cluster below this number */
    uint64_t high_water; /* bytes: nothing at or above was ever written; holes read as zeroes */
    GArray *pending;     /* PendingFree */

    bool lazy;               /* reference counts are written on close only */
    bool read_only_metadata; /* the image is open read-only */
    uint64_t comp_next;      /* next free byte in the cluster that compressed data fills, or 0 */

    GPtrArray *snapshots; /* Qcow2Snapshot */
    uint64_t snapshots_offset, snapshots_size;
    GPtrArray *bitmaps;  /* Qcow2Bitmap, once read */
    bool bitmaps_in_use; /* marked so on disk: this process records */
    bool record_bitmaps; /* some are enabled and loaded */

    /* Requests in flight, by guest range */
    GMutex range_lock;
    GCond range_free;
    RangeLock *ranges;
    unsigned range_waiters;

    /* The last compressed cluster read */
    GMutex comp_lock;
    uint64_t comp_cached; /* its L2 entry, or 0 */
    uint8_t *comp_data;
    bool loaded_snapshot;
    bool prealloc_seen, maybe_prealloc;
} Qcow2;

/* header.c */
bool qcow2_read_header(Qcow2 *s, GError **err);
/* Writes the header cluster as the state says. */
int qcow2_write_header(Qcow2 *s);
/* Writes only the fields at bytes [from, from + len) of the fixed header: within one sector. */
int qcow2_write_fields(Qcow2 *s, unsigned from, unsigned len);
int qcow2_set_features(Qcow2 *s, uint64_t incompat, uint64_t compat, uint64_t autoclear);
int qcow2_header_bytes(Qcow2 *s, uint8_t *buf, size_t size, const char **what);
void qcow2_set_geometry(Qcow2 *s);
enum { QCOW2_F_SIZE_L1 = 24, QCOW2_F_RT = 48, QCOW2_F_SNAPSHOTS = 60, QCOW2_F_FEATURES = 72 };

/* cache.c: `slice` bytes at a time. Pointers stay good until meta_cache_trim. */
MetaCache *meta_cache_new(BlockNode *file, unsigned slice, uint64_t max_bytes, BlockEvent load,
                          BlockEvent update);
void meta_cache_free(MetaCache *c);
unsigned meta_cache_slice(const MetaCache *c);
/* The slice at `off` (a multiple of slice), read if need be. NULL and -errno in *ret. */
uint8_t *meta_cache_get(MetaCache *c, uint64_t off, int *ret);
/* Is it in memory? */
bool meta_cache_has(const MetaCache *c, uint64_t off);
/* A zeroed, dirty slice at `off`. */
uint8_t *meta_cache_zero(MetaCache *c, uint64_t off);
void meta_cache_dirty(MetaCache *c, uint64_t off);
bool meta_cache_is_dirty(const MetaCache *c);
bool meta_cache_full(const MetaCache *c);
int meta_cache_write(MetaCache *c);
/* Forgets slices in [off, off + len), dirty or not. */
void meta_cache_forget(MetaCache *c, uint64_t off, uint64_t len);
/* Drops old clean slices when there are too many. */
void meta_cache_trim(MetaCache *c);

/* refcount.c: cluster numbers are host offset >> cluster_bits. The lock is held. */
uint64_t qcow2_rc_read(const uint8_t *block, uint64_t i, unsigned order);
void qcow2_rc_write(uint8_t *block, uint64_t i, unsigned order, uint64_t value);
int qcow2_rc_get(Qcow2 *s, uint64_t cluster, uint64_t *count);
/* For scanning: the counts around `cluster` as they lie in memory, its index among them in *index,
 * how many follow from there in *n. NULL with *ret 0: no block, all zero. */
const uint8_t *qcow2_rc_slice(Qcow2 *s, uint64_t cluster, uint64_t *index, uint64_t *n, int *ret);
int qcow2_rc_set(Qcow2 *s, uint64_t cluster, uint64_t count);
/* Adds `delta` (+1, -1) to `n` counts. */
int qcow2_rc_add(Qcow2 *s, uint64_t first, uint64_t n, int delta);
/* Allocates up to `n` (at least `min`) clusters in a row, count 1. The host offset or -errno.
 * *fresh: they lie above everything ever written, so they read as zeroes already. */
int64_t qcow2_alloc(Qcow2 *s, uint64_t min, uint64_t n, uint64_t *got, bool *fresh);
void qcow2_free_later(Qcow2 *s, uint64_t offset, uint64_t clusters);
int qcow2_apply_frees(Qcow2 *s);

/* l2.c. The lock is held. */
typedef enum ClusterType {
    CLUSTER_UNALLOCATED, /* backing shows through */
    CLUSTER_ZERO,
    CLUSTER_NORMAL,
    CLUSTER_COMPRESSED,
    CLUSTER_INVALID,
} ClusterType;
typedef struct ClusterRun {
    ClusterType type;
    uint64_t len;   /* bytes from the offset asked for */
    uint64_t host;  /* host offset of the first byte, where a host cluster is allocated */
    bool allocated; /* a host cluster stands behind it, though the type may be zero */
    bool copied;    /* ... and only this table refers to it */
    uint64_t entry; /* the first L2 entry */
} ClusterRun;
int qcow2_l2_get(Qcow2 *s, uint64_t off, uint64_t *entry, uint64_t *bitmap);
/* Can an entry be had without reading the disk? */
bool qcow2_l2_cached(Qcow2 *s, uint64_t off);
int qcow2_l2_set(Qcow2 *s, uint64_t off, uint64_t entry, uint64_t bitmap);
/* What lies at [off, off + len), cut where it changes in kind or place. */
int qcow2_map(Qcow2 *s, uint64_t off, uint64_t len, ClusterRun *out);
ClusterType qcow2_classify(Qcow2 *s, uint64_t entry, uint64_t bitmap, unsigned sub);
static inline uint64_t qcow2_l2_span(const Qcow2 *s)
{
    return 1ULL << (s->l2_bits + s->cluster_bits); /* guest bytes under one L2 table */
}
void qcow2_l1_mark(Qcow2 *s, uint32_t i);
int qcow2_grow_l1(Qcow2 *s, uint64_t entries, uint64_t new_size);
/* Frees what an L2 entry refers to, later. */
void qcow2_free_entry(Qcow2 *s, uint64_t entry);
uint64_t qcow2_l1_entries_for(const Qcow2 *s, uint64_t size);

/* commit.c */
int qcow2_barrier(Qcow2 *s);
int qcow2_commit(Qcow2 *s);
/* Called between changes: keeps the caches within their size. */
int qcow2_settle(Qcow2 *s);
int qcow2_mark_dirty(Qcow2 *s);

static inline void qcow2_event(const Qcow2 *s, BlockEvent event)
{
    block_event(s->node->file, event);
}

/* engine.c */
typedef enum RangeKind { RANGE_SHARED, RANGE_EXCLUSIVE } RangeKind;
struct RangeLock {
    uint64_t start, end;
    RangeKind kind;
    RangeLock *next;
};
void qcow2_range_lock(Qcow2 *s, RangeLock *r, uint64_t off, uint64_t len, RangeKind kind);
void qcow2_range_unlock(Qcow2 *s, RangeLock *r);
int qcow2_pread(BlockNode *node, int64_t off, void *buf, int64_t len);
int qcow2_pwrite(BlockNode *node, int64_t off, const void *buf, int64_t len);
int qcow2_preadv(BlockNode *node, int64_t off, const struct iovec *iov, int niov, int64_t len);
int qcow2_pwritev(BlockNode *node, int64_t off, const struct iovec *iov, int niov, int64_t len);
bool qcow2_hold(BlockNode *node, int64_t off, int64_t len, bool write, BlockHold *out);
void qcow2_unhold(BlockHold *hold);
int qcow2_copy_up(BlockNode *node, int64_t off, int64_t len);
int qcow2_write_zeroes(BlockNode *node, int64_t off, int64_t len, unsigned flags);
int qcow2_discard(BlockNode *node, int64_t off, int64_t len);
int qcow2_status(BlockNode *node, int64_t off, int64_t len, BlockExtent *out);
/* Drops guest clusters [off, off + len), aligned, so that they are unallocated. Lock held. */
int qcow2_drop(Qcow2 *s, uint64_t off, uint64_t len);

/* compress.c */
int qcow2_read_compressed(Qcow2 *s, uint64_t entry, uint64_t within, void *buf, uint64_t len);
int qcow2_pwrite_compressed(BlockNode *node, int64_t off, const void *buf, int64_t len);
void qcow2_compressed_extent(const Qcow2 *s, uint64_t entry, uint64_t *off, uint64_t *len);

/* crypt.c */
bool qcow2_crypt_open(Qcow2 *s, const Opts *opts, GError **err);
void qcow2_crypt_close(Qcow2 *s);
void qcow2_crypt_info(Qcow2 *s, Value *dict);
bool qcow2_crypt_amend(Qcow2 *s, Opts *opts, GError **err);
/* By the create options: the method, and the bytes of a LUKS header (0: an error). */
bool qcow2_crypt_method(const Opts *opts, uint32_t *method, GError **err);
uint64_t qcow2_crypt_header_size(const Opts *opts, GError **err);
bool qcow2_crypt_create(Qcow2 *s, const Opts *opts, uint32_t method, GError **err);
/* Guest data at a host offset of s->data, decrypted and encrypted. Writes are of whole sectors when
 * s->cipher is there. */
int qcow2_data_read(Qcow2 *s, uint64_t guest, uint64_t host, void *buf, uint64_t len);
int qcow2_data_write(Qcow2 *s, uint64_t guest, uint64_t host, const void *buf, uint64_t len);

/* snapshot.c */
bool qcow2_read_snapshots(Qcow2 *s, uint32_t n, uint64_t offset, GError **err);
void qcow2_snapshot_free(Qcow2Snapshot *sn);
int qcow2_read_table(Qcow2 *s, uint64_t off, uint32_t n, uint64_t *out);
GPtrArray *qcow2_snapshot_list(BlockNode *node);
bool qcow2_snapshot_create(BlockNode *node, const char *name, GError **err);
bool qcow2_snapshot_apply(BlockNode *node, const char *name, GError **err);
bool qcow2_snapshot_delete(BlockNode *node, const char *name, GError **err);
bool qcow2_snapshot_load(BlockNode *node, const char *name, GError **err);
int qcow2_rewrite_snapshots(Qcow2 *s);
int qcow2_fix_copied(Qcow2 *s, int64_t *changed);

/* bitmap.c */
int qcow2_bitmaps_resize(Qcow2 *s, uint64_t new_size);
uint64_t qcow2_bitmap_bits(uint64_t size, unsigned granularity_bits);
bool qcow2_read_bitmaps(Qcow2 *s, GError **err);
void qcow2_bitmap_free(Qcow2Bitmap *b);
bool qcow2_bitmap_op(BlockNode *node, BlockBitmapOp op, const char *name, uint32_t granularity,
                     GError **err);
GPtrArray *qcow2_bitmap_list(BlockNode *node, GError **err);
bool qcow2_bitmap_load(BlockNode *node, BlockBitmap *bm, GError **err);
bool qcow2_bitmap_store(BlockNode *node, BlockBitmap *bm, GError **err);
/* Before the first write: loads enabled bitmaps and marks them in use. 0 or -errno. */
int qcow2_bitmaps_start(Qcow2 *s);
void qcow2_bitmaps_record(Qcow2 *s, uint64_t off, uint64_t len);
/* On close: stores what was recorded. */
int qcow2_bitmaps_stop(Qcow2 *s);
void qcow2_bitmap_info(Qcow2 *s, Value *data);

/* vmstate.c */
int qcow2_vmstate(BlockNode *node, int64_t off, void *buf, int64_t len, bool write);
/* Lock held: a new size would show it as data. */
int qcow2_drop_vmstate(Qcow2 *s);

/* resize.c */
bool qcow2_truncate(BlockNode *node, int64_t size, BlockPrealloc prealloc, GError **err);
int qcow2_preallocate(Qcow2 *s, uint64_t from, uint64_t to, BlockPrealloc mode);

/* check.c */
int qcow2_check(BlockNode *node, unsigned fix, BlockCheckResult *res);
/* Writes reference counts anew, `order` wide, with the counts that `get` tells. */
typedef uint64_t (*Qcow2CountFn)(void *opaque, uint64_t cluster);
int qcow2_rebuild_refcounts(Qcow2 *s, unsigned order, Qcow2CountFn get, void *opaque,
                            uint64_t clusters);

/* create.c */
extern const OptDef qcow2_create_opts[];
extern const OptDef qcow2_amend_opts[];
bool qcow2_create(const char *filename, Opts *opts, GError **err);
bool qcow2_measure(Opts *opts, BlockNode *source, uint64_t size, BlockMeasure *out, GError **err);
bool qcow2_amend(BlockNode *node, Opts *opts, GError **err);
bool qcow2_change_backing(BlockNode *node, const char *filename, const char *format, GError **err);
int qcow2_make_empty(BlockNode *node);

#endif
