/* SPDX-License-Identifier: MIT */
/* A machine's block devices from inside the block layer. Its lists change in one thread only, the
 * one that runs the loop. */
#ifndef BLOCK_SYSTEM_H
#define BLOCK_SYSTEM_H

#include "block/backend-int.h"

typedef struct BlockJob BlockJob;
typedef struct NbdService NbdService;
typedef struct JobGroup JobGroup;

struct BlockSystem {
    BlockLoop *loop;
    BlockInterface default_if;
    BlockSystemOps ops;
    void *opaque;
    GPtrArray *drives;    /* BlockDrive */
    GPtrArray *blockdevs; /* BlockNode: -blockdev's and blockdev-add's, a reference each */
    GPtrArray *backends;  /* BlockBackend, a reference each: all that use nodes */
    GPtrArray *jobs;      /* BlockJob */
    GPtrArray *bitmaps;   /* DirtyBitmap: those that are not the images' own */
    NbdService *nbd;      /* NULL while there is none */
    GArray *txn;          /* TxnStep: of the transaction under way, or NULL */
    JobGroup *txn_group;  /* of the jobs that it starts, or NULL */
};

/* transaction.c: one of the two functions is called, once it is clear how the transaction ends that
 * is under way; `commit` at once when there is none. Either may be NULL. */
void block_txn_push(BlockSystem *sys, void (*commit)(void *opaque), void (*undo)(void *opaque),
                    void *opaque);

/* Sends a QMP event; takes `data` over. */
void block_system_event(BlockSystem *sys, const char *name, Value *data);
BlockDrive *block_system_find_drive(BlockSystem *sys, const char *id);
/* The backend of a drive's id or of a node that a device has taken; NULL when there is none. */
BlockBackend *block_system_find_backend(BlockSystem *sys, const char *name);
/* All that refer to `from`, as a backend's root or as a backing image, refer to `to`. The gate is
 * closed. */
void block_system_replace_node(BlockSystem *sys, BlockNode *from, BlockNode *to);
/* drive.c: what -drive says of a node, checked and opened. */
BlockDrive *drive_parse(BlockSystem *sys, const char *text, GError **err);
void drive_free(BlockDrive *drive);
/* block_set_io_throttle's arguments as options of a throttle filter; are there limits? */
bool drive_throttle_opts(const Value *args, Opts *filter, bool *limited, GError **err);
/* Are bare words where children are named names of nodes? */
bool block_references_exist(const Opts *opts, GError **err);
/* A temporary overlay that is gone when it is closed. */
BlockNode *block_open_snapshot(BlockNode *base, GError **err);

#endif
