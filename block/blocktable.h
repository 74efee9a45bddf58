/* SPDX-License-Identifier: MIT */
/* I/O for formats that map fixed blocks of the guest to places in the file by one table: VDI,
 * VHD, VHDX. The format says where a block is, makes room for one, and enters it in its table. */
#ifndef BLOCK_BLOCKTABLE_H
#define BLOCK_BLOCKTABLE_H

#include "block/block.h"
#include "block/bytes.h"

enum { BLOCK_TABLE_ABSENT = -1, BLOCK_TABLE_ZERO = -2 };

typedef struct BlockTable {
    uint64_t block_size; /* bytes */
    GMutex lock;         /* over the table and the end of the file */
    int64_t end;         /* bytes: where the next block goes */
    /* Host offset of a block's data, or one of the above, or -errno - 2 (less than ZERO). */
    int64_t (*find)(BlockNode *node, uint64_t block);
    /* Reserves a block whose bytes read as zeroes; not yet in the table. Host offset or -errno. */
    int64_t (*reserve)(BlockNode *node, uint64_t block);
    /* Enters it in the table, in memory and in the file: 0 or -errno. */
    int (*enter)(BlockNode *node, uint64_t block, int64_t host);
} BlockTable;

/* The table is the first member of the driver's state. */
int block_table_pread(BlockNode *node, int64_t off, void *buf, int64_t len);
int block_table_pwrite(BlockNode *node, int64_t off, const void *buf, int64_t len);
int block_table_write_zeroes(BlockNode *node, int64_t off, int64_t len, unsigned flags);
int block_table_status(BlockNode *node, int64_t off, int64_t len, BlockExtent *out);
int block_table_flush(BlockNode *node);
int64_t block_table_cluster_size(BlockNode *node);
/* Every guest block that is not there yet gets one: preallocated images. */
int block_table_fill(BlockNode *node);

/* For opening: reads bytes of the header or fails with a message that names `what`. */
bool block_read_exact(BlockNode *node, int64_t off, void *buf, int64_t len, const char *what,
                      GError **err);
/* "Could not open 'x': <text>"; always false. */
bool block_bad_image(BlockNode *node, GError **err, const char *fmt, ...) G_GNUC_PRINTF(3, 4);

#endif
