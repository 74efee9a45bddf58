/* SPDX-License-Identifier: MIT */
/* A BlockBackend from inside the block layer: its node can be changed, its policies set. */
#ifndef BLOCK_BACKEND_INT_H
#define BLOCK_BACKEND_INT_H

#include "block/loop.h"

/* What happens when a request fails. */
typedef enum BlockOnError {
    BLOCK_ON_ERROR_REPORT, /* the device hears of it */
    BLOCK_ON_ERROR_IGNORE,
    BLOCK_ON_ERROR_ENOSPC, /* stop when the host's disk is full, else report */
    BLOCK_ON_ERROR_STOP,
} BlockOnError;
extern const char *const block_on_error_names[];

typedef struct BlockRequest BlockRequest;

struct BlockBackend {
    gint refs;
    BlockLoop *loop;
    BlockSystem *sys; /* or NULL */
    char *name;
    BlockNode *root; /* NULL: no medium. Changes only while the gate is closed. */
    bool write_cache, read_only, copy_on_read;
    BlockOnError on_read_error, on_write_error;
    gint in_flight; /* submitted, not yet done; held ones are not counted */
    GMutex lock;    /* of the two below */
    BlockRequest *held, **held_last;
    BlockStats stats;
    void (*resize_cb)(void *opaque);
    void *resize_opaque;
    const BlockMediaOps *media; /* NULL: not a device with removable media */
    void *media_opaque;
};

/* The gate is closed: another node (a reference of its own) or none. */
void blk_set_node(BlockBackend *blk, BlockNode *node);
/* Held requests end with -ECANCELED: their device or the machine goes away. */
void blk_cancel_held(BlockBackend *blk);
/* Held requests go again. */
void blk_resume(BlockBackend *blk);
void blk_notify_resize(BlockBackend *blk);
/* system.c: says what happened, and stops the machine. */
void block_system_io_error(BlockSystem *sys, BlockBackend *blk, bool write, int err,
                           BlockOnError action);

#endif
