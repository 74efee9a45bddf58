/* SPDX-License-Identifier: MIT */
/* What the parts of the VMDK driver share: vmdk.c does the I/O, vmdk-open.c reads headers and
 * descriptors, vmdk-create.c writes new ones. */
#ifndef BLOCK_VMDK_H
#define BLOCK_VMDK_H

#include "block/blocktable.h"

#define VMDK_MAGIC     0x564d444bU /* "KDMV" */
#define VMDK_ESX_MAGIC 0x44574f43U /* "COWD" */

enum {
    VMDK_GTE_ZEROED = 1,
    VMDK_GRAIN = 65536, /* bytes, of images we make */
    VMDK_GTES = 512,    /* entries of a grain table */
    VMDK_DESC_SECTORS = 20,
    VMDK_MAX_DESC = 1 << 20,
    VMDK_FLAG_NEWLINES = 1 << 0,
    VMDK_FLAG_REDUNDANT = 1 << 1,
    VMDK_FLAG_ZEROED = 1 << 2,
    VMDK_FLAG_COMPRESSED = 1 << 16,
    VMDK_FLAG_MARKERS = 1 << 17,
    /* Header fields ("Hosted Sparse Extent Header") */
    VMDK_AT_VERSION = 4,
    VMDK_AT_FLAGS = 8,
    VMDK_AT_CAPACITY = 12,
    VMDK_AT_GRAIN = 20,
    VMDK_AT_DESC = 28,
    VMDK_AT_DESC_SIZE = 36,
    VMDK_AT_GTES = 44,
    VMDK_AT_RGD = 48,
    VMDK_AT_GD = 56,
    VMDK_AT_OVERHEAD = 64,
    VMDK_AT_NEWLINES = 73,
    VMDK_AT_COMPRESS = 77,
    /* Header fields ("ESX Server Sparse Extents", COWDisk_Header) */
    VMDK_ESX_GTES = 4096,
    VMDK_ESX_AT_SECTORS = 12,
    VMDK_ESX_AT_GRAIN = 16,
    VMDK_ESX_AT_GD = 20,
    VMDK_ESX_AT_GD_SIZE = 24,
};
#define VMDK_GD_AT_END UINT64_MAX

typedef struct VmdkExtent {
    BlockNode *node; /* owned reference; NULL for a zero extent */
    char type[16];   /* FLAT, SPARSE, ZERO, … as the descriptor says */
    bool flat, zero, compressed, zeroed_grains;
    int64_t start, size; /* guest bytes */
    int64_t flat_offset; /* bytes */
    int64_t grain_size;  /* bytes */
    int64_t data_start;  /* bytes: no grain below */
    uint32_t gtes;       /* entries of a grain table */
    uint64_t gd_size;    /* entries */
    uint32_t *gd, *rgd;  /* host order, sectors; rgd NULL if there is none */
    uint32_t *gt;        /* the last table read, as on disk */
    uint32_t cached;     /* its sector, or 0 */
    uint8_t *grain;      /* the last compressed grain read */
    uint32_t grain_at;   /* its sector, or 0 */
} VmdkExtent;

typedef struct Vmdk {
    int64_t size;
    GMutex lock;
    GPtrArray *extents; /* VmdkExtent */
    uint32_t cid, parent_cid;
    char *create_type;
    int64_t desc_offset; /* bytes, in node->file */
    int64_t desc_room;
    bool cid_changed;
} Vmdk;

extern const OptDef vmdk_create_opts[];
bool vmdk_open(BlockNode *node, Opts *opts, GError **err);
void vmdk_free(BlockNode *node, Vmdk *s);
bool vmdk_create(const char *filename, Opts *opts, GError **err);
int vmdk_write_cid(BlockNode *node, uint32_t cid);
int vmdk_read_compressed(VmdkExtent *e, uint32_t sector, uint64_t within, uint8_t *buf,
                         int64_t len);
/* Appends a compressed grain for guest byte `off` of the extent; its sector in *at. */
int vmdk_append_compressed(VmdkExtent *e, uint64_t off, const uint8_t *data, int64_t len,
                           uint32_t *at);

#endif
