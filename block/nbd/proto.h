/* SPDX-License-Identifier: MIT */
/* Numbers of the Network Block Device protocol ("The NBD protocol", doc/proto.md of the NBD
 * project), all big endian on the wire; and the socket helpers that both sides use. */
#ifndef BLOCK_NBD_PROTO_H
#define BLOCK_NBD_PROTO_H

#include "block/backend.h"
#include "block/bytes.h"
#include "block/tls.h"

#define NBD_MAGIC            0x4e42444d41474943ULL /* "NBDMAGIC" */
#define NBD_OPTS_MAGIC       0x49484156454f5054ULL /* "IHAVEOPT" */
#define NBD_REP_MAGIC        0x0003e889045565a9ULL
#define NBD_REQUEST_MAGIC    0x25609513U
#define NBD_SIMPLE_MAGIC     0x67446698U
#define NBD_STRUCTURED_MAGIC 0x668e33efU
#define NBD_DEFAULT_PORT     "10809"
#define NBD_ALLOCATION       "base:allocation"

enum {
    NBD_FLAG_FIXED_NEWSTYLE = 1 << 0, /* handshake flags, both directions */
    NBD_FLAG_NO_ZEROES = 1 << 1,

    NBD_FLAG_HAS_FLAGS = 1 << 0, /* transmission flags */
    NBD_FLAG_READ_ONLY = 1 << 1,
    NBD_FLAG_SEND_FLUSH = 1 << 2,
    NBD_FLAG_SEND_FUA = 1 << 3,
    NBD_FLAG_SEND_TRIM = 1 << 5,
    NBD_FLAG_SEND_WRITE_ZEROES = 1 << 6,
    NBD_FLAG_SEND_DF = 1 << 7,
    NBD_FLAG_CAN_MULTI_CONN = 1 << 8,
    NBD_FLAG_SEND_CACHE = 1 << 10,

    NBD_OPT_EXPORT_NAME = 1,
    NBD_OPT_ABORT = 2,
    NBD_OPT_LIST = 3,
    NBD_OPT_STARTTLS = 5,
    NBD_OPT_INFO = 6,
    NBD_OPT_GO = 7,
    NBD_OPT_STRUCTURED_REPLY = 8,
    NBD_OPT_LIST_META_CONTEXT = 9,
    NBD_OPT_SET_META_CONTEXT = 10,

    NBD_REP_ACK = 1,
    NBD_REP_SERVER = 2,
    NBD_REP_INFO = 3,
    NBD_REP_META_CONTEXT = 4,
    NBD_INFO_EXPORT = 0,
    NBD_INFO_NAME = 1,
    NBD_INFO_DESCRIPTION = 2,
    NBD_INFO_BLOCK_SIZE = 3,

    NBD_CMD_READ = 0,
    NBD_CMD_WRITE = 1,
    NBD_CMD_DISC = 2,
    NBD_CMD_FLUSH = 3,
    NBD_CMD_TRIM = 4,
    NBD_CMD_CACHE = 5,
    NBD_CMD_WRITE_ZEROES = 6,
    NBD_CMD_BLOCK_STATUS = 7,
    NBD_CMD_FLAG_FUA = 1 << 0,
    NBD_CMD_FLAG_NO_HOLE = 1 << 1,
    NBD_CMD_FLAG_REQ_ONE = 1 << 3,
    NBD_CMD_FLAG_FAST_ZERO = 1 << 4,

    NBD_REPLY_FLAG_DONE = 1 << 0,
    NBD_REPLY_NONE = 0,
    NBD_REPLY_OFFSET_DATA = 1,
    NBD_REPLY_OFFSET_HOLE = 2,
    NBD_REPLY_BLOCK_STATUS = 5,
    NBD_REPLY_ERROR_BIT = 1 << 15,

    NBD_STATE_HOLE = 1 << 0,
    NBD_STATE_ZERO = 1 << 1,

    NBD_MAX_REQUEST = 32 << 20, /* bytes in one read or write */
    NBD_MAX_OPTION = 64 << 10,
    NBD_MAX_NAME = 4096,
};

/* Error replies to options have the highest bit set. */
#define NBD_REP_ERR(n)       (0x80000000U + (n))
#define NBD_REP_ERR_UNSUP    NBD_REP_ERR(1)
#define NBD_REP_ERR_POLICY   NBD_REP_ERR(2)
#define NBD_REP_ERR_INVALID  NBD_REP_ERR(3)
#define NBD_REP_ERR_TLS_REQD NBD_REP_ERR(5)
#define NBD_REP_ERR_UNKNOWN  NBD_REP_ERR(6)

/* All of it or an error: 0, -errno, or -ECONNRESET when the peer is gone. */
typedef struct NbdStream {
    int fd; /* -1: closed */
    TlsSession *tls;
} NbdStream;
int nbd_read(NbdStream *io, void *buf, size_t len);
int nbd_write(NbdStream *io, const void *buf, size_t len);
void nbd_stream_close(NbdStream *io);
/* Errors on the wire are a small set of numbers ("Error values"). */
uint32_t nbd_errno_to_wire(int err);
int nbd_errno_from_wire(uint32_t err);

/* server.c. What is offered; `lock` is held while the list changes or is looked at. */
typedef struct NbdExport {
    gint refs;
    BlockBackend *blk;
    BlockLoop *loop;               /* whose gate requests pass */
    char *id, *name, *description; /* id: for QMP; name: for clients */
    bool read_only, multi_conn;
    bool allocation_depth; /* offers "qemu:allocation-depth" */
    GPtrArray *bitmaps;    /* NbdBitmap: offered as "qemu:dirty-bitmap:NAME"; or NULL */
} NbdExport;

typedef struct NbdBitmap {
    char *name;
    unsigned granularity_bits;
    uint64_t nbits;
    unsigned long *bits;
} NbdBitmap;

typedef struct NbdServer {
    GMutex lock;
    GPtrArray *exports; /* NbdExport, a reference each */
    char *tls_creds;    /* id, or NULL: no TLS */
    char *tls_authz;    /* id of an object that says who may come in, or NULL: all */
} NbdServer;

NbdExport *nbd_export_new(BlockLoop *loop, BlockBackend *blk, const char *name,
                          const char *description);
/* Offers a copy of a bitmap of the image. */
bool nbd_export_add_bitmap(NbdExport *e, const char *name, GError **err);
void nbd_export_unref(NbdExport *e);
/* Serves one connection until it ends; `fd` is closed. */
void nbd_serve(NbdServer *server, int fd);

/* client.c: the names a server offers, printed with their sizes. `opts`: as for opening. */
bool nbd_list(const Opts *opts, GError **err);

#endif
