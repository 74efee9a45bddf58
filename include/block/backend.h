/* SPDX-License-Identifier: MIT */
/* What a device model, an export or a block job holds of an image: a BlockBackend. Requests are
 * submitted without waiting; worker threads (or io_uring) do them, and each ends with one call of
 * its `done` function, which runs in whatever thread calls block_loop_run. So a device's
 * completion code runs in the main loop (or in the device's own thread) and needs no lock.
 *
 *     BlockLoop *loop = block_loop_new();            poll block_loop_fd(loop) for POLLIN, then
 *     block_loop_run(loop);                          ... runs what is done
 *     BlockSystem *sys = block_system_new(loop, &ops, machine);
 *     block_system_drive_add(sys, "if=none,id=hd0,file=disk.qcow2,format=qcow2", &err);
 *     BlockBackend *blk = block_system_take(sys, "hd0", &err);         -device …,drive=hd0
 *     blk_preadv(blk, sector * 512, iov, niov, read_done, req);
 *
 * Errors: by the drive's rerror/werror a failed request is reported to the device (`ret` < 0),
 * ignored (`ret` 0), or held: then BlockSystemOps.stop is called, the device hears nothing, and
 * block_system_resume submits the request again. Nothing is lost, and nothing is reported twice. */
#ifndef BLOCK_BACKEND_H
#define BLOCK_BACKEND_H

#include <sys/uio.h>
#include "block/block.h"

typedef struct BlockLoop BlockLoop;
typedef struct BlockSystem BlockSystem;
typedef struct BlockBackend BlockBackend;

/* `ret` is 0 or -errno. */
typedef void BlockDone(void *opaque, int ret);

/* ---- where completions run */

BlockLoop *block_loop_new(void);
/* Nothing may be under way any more. */
void block_loop_free(BlockLoop *loop);
/* An eventfd, readable while there is something to run; owned by the loop. */
int block_loop_fd(const BlockLoop *loop);
/* Runs what has been completed so far; returns how many. Functions that run may submit more. */
unsigned block_loop_run(BlockLoop *loop);
/* Waits up to `ms` milliseconds (-1: for ever) for something to run, then runs it. */
unsigned block_loop_wait(BlockLoop *loop, int ms);
/* From any thread: `fn(opaque, ret)` is to be run by the loop. */
void block_loop_post(BlockLoop *loop, BlockDone *fn, void *opaque, int ret);

/* ---- requests. Any thread may submit. Offsets and lengths are bytes, of any alignment. The iovec
 * array is copied; the buffers belong to the request until `done`. Requests in flight may be done
 * in any order; a flush makes durable what was completed before it was submitted. */

void blk_preadv(BlockBackend *blk, int64_t off, const struct iovec *iov, int niov, BlockDone *done,
                void *opaque);
void blk_pwritev(BlockBackend *blk, int64_t off, const struct iovec *iov, int niov, BlockDone *done,
                 void *opaque);
void blk_flush(BlockBackend *blk, BlockDone *done, void *opaque);
void blk_discard(BlockBackend *blk, int64_t off, int64_t len, BlockDone *done, void *opaque);
/* `flags`: BLOCK_ZERO_*. */
void blk_write_zeroes(BlockBackend *blk, int64_t off, int64_t len, unsigned flags, BlockDone *done,
                      void *opaque);
/* Waits until nothing is in flight; runs the loop meanwhile. Held requests stay held. */
void blk_drain(BlockBackend *blk);
/* The same requests, waiting: 0 or -errno. No error policy. For firmware loaders and tests. */
int blk_pread_sync(BlockBackend *blk, int64_t off, void *buf, int64_t len);
int blk_pwrite_sync(BlockBackend *blk, int64_t off, const void *buf, int64_t len);
int blk_flush_sync(BlockBackend *blk);

/* ---- what a device asks of its backend */

/* Bytes; 0 without a medium. */
int64_t blk_size(BlockBackend *blk);
bool blk_has_medium(BlockBackend *blk);
bool blk_writable(BlockBackend *blk);
/* Is there a volatile cache, that is, must the guest flush (cache=writethrough: no)? A guest may
 * turn it off and on. */
bool blk_write_cache(BlockBackend *blk);
void blk_set_write_cache(BlockBackend *blk, bool on);
/* Does a discard reach the image (discard=unmap)? */
bool blk_discards(BlockBackend *blk);
const char *blk_name(BlockBackend *blk); /* id, or node name */
BlockNode *blk_node(BlockBackend *blk);  /* NULL without a medium; not a new reference */
/* For requests in flight, by kind, since the start. */
typedef struct BlockStats {
    uint64_t rd_bytes, wr_bytes, unmap_bytes;
    uint64_t rd_operations, wr_operations, flush_operations, unmap_operations;
    uint64_t failed;
} BlockStats;
void blk_stats(BlockBackend *blk, BlockStats *out);
/* Called by the loop after the image got another size, or another medium was put in. */
void blk_set_resize_cb(BlockBackend *blk, void (*cb)(void *opaque), void *opaque);
/* A device whose medium can be taken out: eject and change ask it. */
typedef struct BlockMediaOps {
    bool (*locked)(void *opaque);        /* the guest keeps its medium */
    void (*eject_request)(void *opaque); /* ask it to let go */
    bool (*tray_open)(void *opaque);
} BlockMediaOps;
/* NULL: the device is gone. */
void blk_set_media_ops(BlockBackend *blk, const BlockMediaOps *ops, void *opaque);
BlockBackend *blk_ref(BlockBackend *blk);
void blk_unref(BlockBackend *blk);
/* Backend of its own for a node, for exports and tests; takes a reference. */
BlockBackend *blk_new(BlockLoop *loop, BlockNode *node);

/* ---- the drives of a machine */

typedef enum BlockInterface {
    BLOCK_IF_NONE,
    BLOCK_IF_IDE,
    BLOCK_IF_SCSI,
    BLOCK_IF_FLOPPY,
    BLOCK_IF_PFLASH,
    BLOCK_IF_MTD,
    BLOCK_IF_SD,
    BLOCK_IF_VIRTIO,
    BLOCK_IF_DEFAULT, /* -drive without if=: what the machine uses */
} BlockInterface;
extern const char *const block_interface_names[];

typedef struct BlockDrive {
    char *id; /* given, or made up as "virtio0", "ide1-cd0", … */
    BlockInterface iface;
    bool cdrom;    /* media=cdrom */
    int bus, unit; /* index = bus * units a bus + unit */
    int index;     /* -1 for if=none */
    char *serial;  /* or NULL */
    BlockBackend *blk;
    bool taken; /* a device has it */
} BlockDrive;

typedef struct BlockSystemOps {
    /* A request failed whose policy is to stop: stop the CPUs. From block_loop_run. */
    void (*stop)(void *opaque);
    /* A QMP event (BLOCK_IO_ERROR, BLOCK_JOB_READY, …) with its data. From block_loop_run. */
    void (*event)(void *opaque, const char *name, const Value *data);
} BlockSystemOps;

/* `ops` may be NULL. `default_if` is what -drive without if= means. */
BlockSystem *block_system_new(BlockLoop *loop, BlockInterface default_if, const BlockSystemOps *ops,
                              void *opaque);
/* Cancels jobs, stops exports, flushes and closes everything. */
void block_system_free(BlockSystem *sys);
BlockLoop *block_system_loop(BlockSystem *sys);
/* -blockdev and blockdev-add: JSON or key=value,…; node-name must be given. Children may be given
 * as objects (file.driver=…) or as names of nodes (file=NAME). */
bool block_system_blockdev_add(BlockSystem *sys, const char *text, GError **err);
bool block_system_blockdev_del(BlockSystem *sys, const char *node_name, GError **err);
/* -drive; the result belongs to the system. */
BlockDrive *block_system_drive_add(BlockSystem *sys, const char *text, GError **err);
/* -hda … -hdd, -cdrom, -fda, -pflash, -sd, -mtdblock: `option` without the dash. */
BlockDrive *block_system_drive_shortcut(BlockSystem *sys, const char *option, const char *filename,
                                        GError **err);
/* Drives in the order they were given: for those the machine itself must make a device for. */
unsigned block_system_drive_count(BlockSystem *sys);
BlockDrive *block_system_drive(BlockSystem *sys, unsigned i);
/* For a device's drive=NAME: a drive's id or a node's name. Each can be taken once, until it is
 * given back. The reference is the caller's. */
BlockBackend *block_system_take(BlockSystem *sys, const char *name, GError **err);
void block_system_give_back(BlockSystem *sys, BlockBackend *blk);
/* The node of a drive's id, or of a node name; NULL and an error. Not a new reference. */
BlockNode *block_system_node(BlockSystem *sys, const char *name, GError **err);
/* Held requests go again: when the machine continues. */
void block_system_resume(BlockSystem *sys);
/* Nothing starts any more, and all in flight is done: while the machine is saved. */
void block_system_drain(BlockSystem *sys);

#endif
