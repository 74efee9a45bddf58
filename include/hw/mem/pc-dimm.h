/* SPDX-License-Identifier: MIT */
/* A memory module: a memory object in the room that -m slots=,maxmem= leaves behind RAM. */
#ifndef HW_MEM_PC_DIMM_H
#define HW_MEM_PC_DIMM_H

#include "hw/device.h"

typedef struct PCDimm {
    Device parent;
    RAMBlock *memory; /* memdev= */
    uint64_t addr;    /* where; 0 until it is realized: the next free place */
    int32_t slot;     /* -1 until then: the next free one */
    uint32_t node;
    MemoryRegion region;
} PCDimm;

/* Machines with such room align modules to this, and have as much of it for each slot. */
enum { PC_DIMM_ALIGN = 128 << 20 };

#endif
