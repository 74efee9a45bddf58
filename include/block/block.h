/* SPDX-License-Identifier: MIT */
/* The block layer's public face: a graph of nodes, each driven by a BlockDriver. Calls block;
 * any number of threads may do I/O on one node at a time, while open, close, truncate, check,
 * snapshots and the like want the node to themselves. */
#ifndef BLOCK_BLOCK_H
#define BLOCK_BLOCK_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>
#include "block/event.h"
#include "util/opts.h"
#include "util/value.h"

/* GErrors of this layer: the code is an errno value, the message names file and field. */
#define BLOCK_ERROR block_error_quark()
GQuark block_error_quark(void);

#define BLOCK_SECTOR 512
/* Largest image: as every offset must fit a signed 64-bit file offset, rounded to sectors. */
#define BLOCK_MAX_SIZE (INT64_MAX & ~(int64_t)(BLOCK_SECTOR - 1))
/* Largest single allocation made on an image's word (tables, directories). */
#define BLOCK_MAX_METADATA (64 * 1024 * 1024)

enum {
    BLOCK_RDWR = 1 << 0,         /* open for writing */
    BLOCK_NO_BACKING = 1 << 1,   /* do not open the backing chain */
    BLOCK_BACKING_RDWR = 1 << 2, /* open the backing chain for writing, too */
    BLOCK_DIRECT = 1 << 3,       /* O_DIRECT: cache=none, directsync */
    BLOCK_NO_FLUSH = 1 << 4,     /* flushes do nothing: cache=unsafe */
    BLOCK_WRITETHROUGH = 1 << 5, /* every write is followed by a flush */
    BLOCK_UNMAP = 1 << 6,        /* pass discards on to the file */
    BLOCK_CHECK = 1 << 7,        /* for check and repair: tolerate and leave what is inconsistent */
    BLOCK_FORCE_SHARE = 1 << 8,  /* take no image lock */
    BLOCK_NO_IO = 1 << 9,        /* only headers are wanted: no keys, no data file needed */
    BLOCK_FORCE = 1 << 10,       /* amend: allow what may lose data */
    BLOCK_AIO_NATIVE = 1 << 11,  /* file I/O through the kernel's AIO; needs BLOCK_DIRECT */
    BLOCK_AIO_URING = 1 << 12,   /* file I/O through io_uring */
    BLOCK_AUTO_RO = 1 << 13,     /* read-only if it cannot be opened for writing */
};

typedef struct BlockNode BlockNode;
typedef struct BlockDriver BlockDriver;

/* What a range of a node is. */
enum {
    BLOCK_EXTENT_DATA = 1 << 0,       /* may hold something else than zeroes */
    BLOCK_EXTENT_ZERO = 1 << 1,       /* reads as zeroes */
    BLOCK_EXTENT_ALLOCATED = 1 << 2,  /* its content comes from this node, not from backing */
    BLOCK_EXTENT_OFFSET = 1 << 3,     /* `offset` in `file` is where it lies, byte for byte */
    BLOCK_EXTENT_COMPRESSED = 1 << 4, /* stored compressed */
    BLOCK_EXTENT_RECURSE = 1 << 5,    /* `file` may know that it is zeroes */
};

typedef struct BlockExtent {
    uint32_t flags;
    int64_t len;     /* bytes this answer covers, > 0 */
    int64_t offset;  /* in bytes of `file` */
    BlockNode *file; /* not owned */
    int depth;       /* how many backing steps down it was found (block_status_above) */
} BlockExtent;

typedef enum BlockPrealloc {
    BLOCK_PREALLOC_OFF,
    BLOCK_PREALLOC_METADATA,
    BLOCK_PREALLOC_FALLOC,
    BLOCK_PREALLOC_FULL,
} BlockPrealloc;
extern const char *const block_prealloc_names[];

enum {
    BLOCK_ZERO_MAY_UNMAP = 1 << 0,   /* space may be given back */
    BLOCK_ZERO_NO_FALLBACK = 1 << 1, /* -ENOTSUP rather than writing zeroes out */
};

typedef struct BlockSnapshot {
    char *id, *name; /* owned by the array that holds them */
    uint64_t vm_state_size;
    uint32_t date_sec, date_nsec;
    uint64_t vm_clock_nsec;
    int64_t disk_size; /* bytes, or -1 if not recorded */
    uint64_t icount;   /* UINT64_MAX if not recorded */
} BlockSnapshot;

typedef struct BlockCheckResult {
    int64_t corruptions, leaks, check_errors;
    int64_t corruptions_fixed, leaks_fixed;
    int64_t image_end;      /* bytes; 0 if not known */
    int64_t total_clusters; /* 0 when the format counts none */
    int64_t allocated_clusters, fragmented, compressed;
} BlockCheckResult;
enum {
    BLOCK_FIX_LEAKS = 1 << 0,
    BLOCK_FIX_ERRORS = 1 << 1,
};

/* Is told of every change of a node's content; runs in the thread that makes it. `before` may wait
 * and do I/O on other nodes; a failure (-errno) fails the change. Either may be NULL. */
typedef struct BlockWatcher {
    int (*before)(struct BlockWatcher *w, int64_t off, int64_t len);
    void (*after)(struct BlockWatcher *w, int64_t off, int64_t len);
    struct BlockWatcher *next;
} BlockWatcher;

typedef struct BlockMeasure {
    uint64_t required, fully_allocated; /* bytes */
    uint64_t bitmaps;                   /* bytes, when has_bitmaps */
    bool has_bitmaps;
} BlockMeasure;

typedef enum BlockBitmapOp {
    BLOCK_BITMAP_ADD,
    BLOCK_BITMAP_REMOVE,
    BLOCK_BITMAP_CLEAR,
    BLOCK_BITMAP_ENABLE,
    BLOCK_BITMAP_DISABLE,
} BlockBitmapOp;

/* A dirty bitmap in memory: one bit for each `granularity` bytes. */
typedef struct BlockBitmap {
    char *name;
    uint32_t granularity_bits;
    bool enabled;      /* records writes */
    bool inconsistent; /* was in use when the image was last written: its content is lost */
    uint64_t nbits;
    unsigned long *bits; /* NULL while not loaded */
} BlockBitmap;

/* A range whose bytes lie in a row at `off` of `file`, and stay there until they are let go. It may
 * be in a list of the holder's, so it stays where it is. */
typedef struct BlockHold {
    BlockNode *holder, *file;
    int64_t off;
    _Alignas(8) char lock[32]; /* the holder's */
} BlockHold;
struct AioRequest;

/* What can be asked of a blkdebug node about its breakpoints. */
typedef enum BlockDebugOp {
    BLOCK_DEBUG_BREAK,
    BLOCK_DEBUG_REMOVE,
    BLOCK_DEBUG_RESUME,
    BLOCK_DEBUG_IS_SUSPENDED,
} BlockDebugOp;

/* A format (bytes of a child node) or a protocol (bytes from the host or the network).
 * What a driver lacks is NULL. I/O calls return 0 or -errno; ranges are within the node's size
 * and, for formats, any byte alignment. Calls that take a GError return false after setting it. */
struct BlockDriver {
    const char *name;
    bool is_protocol;
    bool bare;      /* an image is a file and nothing else: creation takes the file's options */
    bool is_filter; /* passes its child's content through unchanged */
    size_t state_size;
    const OptDef *open_opts; /* a name that ends with '.' takes all that begin with it */
    const OptDef *create_opts;
    const OptDef *amend_opts; /* what an existing image can change */
    /* Protocols: "nbd:" and the like; parse_filename turns the rest into options. */
    const char *const *prefixes;
    bool (*parse_filename)(const char *filename, Opts *opts, GError **err);

    /* 0 to 100, how sure `buf`, the file's first bytes, is this format. */
    int (*probe)(const uint8_t *buf, size_t len, const char *filename);
    bool (*open)(BlockNode *node, Opts *opts, GError **err);
    void (*close)(BlockNode *node);
    bool (*create)(const char *filename, Opts *opts, GError **err);

    int (*pread)(BlockNode *node, int64_t off, void *buf, int64_t len);
    int (*pwrite)(BlockNode *node, int64_t off, const void *buf, int64_t len);
    /* Vectors; without them, or where they say -ENOTSUP, the bytes go through one buffer. */
    int (*preadv)(BlockNode *node, int64_t off, const struct iovec *iov, int niov, int64_t len);
    int (*pwritev)(BlockNode *node, int64_t off, const struct iovec *iov, int niov, int64_t len);
    /* For I/O that does not wait. `hold` fails where it would have to wait, or to change anything
     * first; a node that holds nothing leaves holder NULL. */
    bool (*hold)(BlockNode *node, int64_t off, int64_t len, bool write, BlockHold *out);
    void (*unhold)(BlockHold *hold);
    /* Submits to the kernel, with `off`, `iov` and `write` set; false: not this way. */
    bool (*submit)(BlockNode *node, struct AioRequest *r);
    /* Lets the host copy between two files; `from` has the same driver. */
    int (*copy_range)(BlockNode *from, int64_t from_off, BlockNode *to, int64_t to_off,
                      int64_t len);
    int (*pwrite_compressed)(BlockNode *node, int64_t off, const void *buf, int64_t len);
    int (*write_zeroes)(BlockNode *node, int64_t off, int64_t len, unsigned flags);
    int (*discard)(BlockNode *node, int64_t off, int64_t len);
    /* Makes what shows through from the backing image this node's own; no write gets in between. */
    int (*copy_up)(BlockNode *node, int64_t off, int64_t len);
    int (*flush)(BlockNode *node);
    int (*status)(BlockNode *node, int64_t off, int64_t len, BlockExtent *out);
    int64_t (*getlength)(BlockNode *node);
    int64_t (*allocated_size)(BlockNode *node);
    bool (*truncate)(BlockNode *node, int64_t size, BlockPrealloc prealloc, GError **err);

    /* Bytes of a cluster, 0 when the format has none; does unwritten space read as zeroes? */
    int64_t (*cluster_size)(BlockNode *node);
    bool (*has_zero_init)(BlockNode *node);
    void (*info)(BlockNode *node, Value *dict);
    int (*check)(BlockNode *node, unsigned fix, BlockCheckResult *res);
    bool (*measure)(Opts *opts, BlockNode *source, uint64_t size, BlockMeasure *out, GError **err);
    bool (*amend)(BlockNode *node, Opts *opts, GError **err);
    bool (*change_backing)(BlockNode *node, const char *filename, const char *format, GError **err);
    int (*make_empty)(BlockNode *node);
    GPtrArray *(*snapshot_list)(BlockNode *node); /* of BlockSnapshot */
    bool (*snapshot_create)(BlockNode *node, const char *name, GError **err);
    bool (*snapshot_apply)(BlockNode *node, const char *name, GError **err);
    bool (*snapshot_delete)(BlockNode *node, const char *name, GError **err);
    /* Reads go to the snapshot's content from now on; the node must be read-only. */
    bool (*snapshot_load)(BlockNode *node, const char *name, GError **err);
    bool (*bitmap_op)(BlockNode *node, BlockBitmapOp op, const char *name, uint32_t granularity,
                      GError **err);
    GPtrArray *(*bitmap_list)(BlockNode *node, GError **err); /* BlockBitmap, owned by node */
    bool (*bitmap_load)(BlockNode *node, BlockBitmap *bm, GError **err);
    bool (*bitmap_store)(BlockNode *node, BlockBitmap *bm, GError **err);
    /* Hears of steps of the node above; may wait. */
    void (*event)(BlockNode *node, BlockEvent event);
    int (*debug)(BlockNode *node, BlockDebugOp op, const char *event, const char *tag);
    /* The state of a machine, kept behind the disk's end; `off` from its beginning. */
    int (*vmstate)(BlockNode *node, int64_t off, void *buf, int64_t len, bool write);
};

struct BlockNode {
    const BlockDriver *drv;
    char *filename;  /* as a user would pass it */
    char *node_name; /* or NULL */
    unsigned flags;
    int64_t size; /* bytes */
    gint refs;
    BlockNode *file, *backing, *data; /* owned references or NULL */
    char *backing_file, *backing_fmt; /* as the image records them, or NULL */
    char *auto_backing_file;          /* backing_file made relative to where the image lies */
    bool probed;                      /* the format was guessed */
    bool warned_probe;
    bool encrypted;                    /* its data is stored encrypted */
    int detect_zeroes;                 /* 0 off, 1 on, 2 unmap */
    BlockWatcher *watchers;            /* change only while no request is under way */
    Opts *opened_by;                   /* the options it was opened with, to open it again */
    char *opened_name, *opened_format; /* the file name and format given, or NULL */
    void *state;                       /* the driver's, state_size bytes, zeroed */
};

extern const BlockDriver *const block_drivers[]; /* NULL-terminated */
const BlockDriver *block_driver_find(const char *name);

/* Opens an image. `filename` may be "json:{…}", have a protocol prefix, or be NULL when `opts`
 * say all; `format` NULL means to guess. `opts` may be NULL and is not changed. */
BlockNode *block_open(const char *filename, const char *format, const Opts *opts, unsigned flags,
                      GError **err);
/* Opens a node anew, with other options (all that it is to have, not only what changes) and flags.
 * The node stays the same for all who use it; no request may be under way. If the new options fail
 * it goes on with the old ones. Its backing image is kept unless `opts` name one. */
bool block_reopen(BlockNode *node, const Opts *opts, unsigned flags, GError **err);
/* For drivers: opens the child described by "NAME.*" (taken out of opts) or by `filename`. */
BlockNode *block_open_child(BlockNode *parent, Opts *opts, const char *name, const char *filename,
                            const char *format, unsigned flags, GError **err);
/* The open node of that name, or NULL; not a new reference. Names are unique in the process. */
BlockNode *block_find_node(const char *node_name);
/* A name like "#block123" for a node that was given none. */
void block_name_node(BlockNode *node);
BlockNode *block_ref(BlockNode *node);
/* Drops a reference; the last one flushes and closes. NULL is fine. */
void block_unref(BlockNode *node);
/* Creates an image; opts by the driver's create table, "size" among them. For a file name
 * with a protocol prefix the protocol must be able to create. */
bool block_create(const char *filename, const char *format, Opts *opts, GError **err);
/* Creates an empty protocol file for a format to write its header to, opened for writing. */
BlockNode *block_create_file(const char *filename, int64_t size, Opts *opts, GError **err);
/* The options that creating `filename` takes below the format, or NULL. */
const BlockDriver *block_protocol_of(const char *filename, GError **err);
/* `name` as seen from `image`: absolute, with a prefix, or relative to image's folder. */
char *block_path_combine(const char *image, const char *name);
/* cache=… and discard=… into flags; false if the mode is unknown. */
bool block_parse_cache(const char *mode, unsigned *flags);
/* aio=threads|native|io_uring into flags; false if the name is unknown. */
bool block_parse_aio(const char *name, unsigned *flags);

/* I/O. 0 or -errno; -EIO beyond the end, -EROFS or -EPERM where writing is not allowed. */
int block_pread(BlockNode *node, int64_t off, void *buf, int64_t len);
int block_pwrite(BlockNode *node, int64_t off, const void *buf, int64_t len);
int block_preadv(BlockNode *node, int64_t off, const struct iovec *iov, int niov);
int block_pwritev(BlockNode *node, int64_t off, const struct iovec *iov, int niov);
int block_pwrite_compressed(BlockNode *node, int64_t off, const void *buf, int64_t len);
/* Copies a range of one image to the same place of another without reading it, where the host can
 * and both have it in a row in a file; else -ENOTSUP. */
int block_copy_range(BlockNode *src, BlockNode *dst, int64_t off, int64_t len);
/* Copies what of a range is not allocated in this node from its backing chain into it. */
int block_copy_up(BlockNode *node, int64_t off, int64_t len);
int block_write_zeroes(BlockNode *node, int64_t off, int64_t len, unsigned flags);
int block_discard(BlockNode *node, int64_t off, int64_t len);
/* All that was written before is on stable storage (unless BLOCK_NO_FLUSH). */
int block_flush(BlockNode *node);
/* What this node alone knows about a range; out->len is cut to `len`. */
int block_status(BlockNode *node, int64_t off, int64_t len, BlockExtent *out);
/* Looks down the backing chain to the node that has it, stopping before `base` (or NULL). */
int block_status_above(BlockNode *node, BlockNode *base, int64_t off, int64_t len,
                       BlockExtent *out);
/* Tells `file`, a child, of a step that its parent makes. */
static inline void block_event(BlockNode *file, BlockEvent event)
{
    if (file->drv->event) {
        file->drv->event(file, event);
    }
}
/* Breakpoints of the first node below `node` that has them: 0 (or 1, for IS_SUSPENDED), -ENOTSUP
 * when there is none, -ENOENT for names that it does not know. `event` NULL but for BREAK. */
int block_debug(BlockNode *node, BlockDebugOp op, const char *event, const char *tag);
/* Reads or writes the state of a machine. 0 or -errno. */
int block_vmstate(BlockNode *node, int64_t off, void *buf, int64_t len, bool write);
int64_t block_getlength(BlockNode *node);
int64_t block_allocated_size(BlockNode *node);
bool block_truncate(BlockNode *node, int64_t size, BlockPrealloc prealloc, GError **err);
int64_t block_cluster_size(BlockNode *node);
bool block_has_zero_init(BlockNode *node);
/* The node below filters that a guest's content comes from, and that node's backing. */
BlockNode *block_skip_filters(BlockNode *node);
bool block_is_zero(const void *buf, size_t len);
void block_snapshot_free(BlockSnapshot *sn);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BlockNode, block_unref)

#endif
