/* SPDX-License-Identifier: MIT */
/* Inside of virtqueues: what virtio.c and the two kinds of rings share. */
#ifndef HW_VIRTIO_VIRTQUEUE_H
#define HW_VIRTIO_VIRTQUEUE_H

#include "hw/virtio/virtio.h"

enum {
    VRING_NEXT = 1,
    VRING_WRITE = 2,
    VRING_INDIRECT = 4,
    VRING_AVAIL = 1 << 7,
    VRING_USED = 1 << 15
};

/* Both rings' descriptors are 16 bytes; `id` is a buffer id in a packed ring, `next` in a split
 * one. */
typedef struct VRingDesc {
    uint64_t addr;
    uint32_t len;
    union {
        struct {
            uint16_t flags, next;
        } split;
        struct {
            uint16_t id, flags;
        } packed;
    };
} VRingDesc;

/* Part of a ring, as it lies in host memory. */
typedef struct VRingArea {
    uint8_t *host; /* NULL: not mapped */
    uint64_t len;
} VRingArea;

/* A buffer that was used before those ahead of it were (VIRTIO_F_IN_ORDER). */
typedef struct VirtDone {
    bool done;
    uint32_t head, count, written;
} VirtDone;

#define VRING_NEVER (1u << 31)

struct VirtQueue {
    VirtIODevice *vdev;
    unsigned index;
    VirtQueueHandler handler;
    VirtQueueRegs regs;
    uint16_t initial_size;

    /* Where the rings lie; found again when `mapping` is not that of the memory map. */
    unsigned mapping;
    VRingArea desc, avail, used; /* packed: ring, driver's event area, device's */

    uint16_t last_avail, used_idx;
    bool avail_wrap, used_wrap; /* packed */
    uint32_t untold; /* places used since the driver's wishes were looked at; VRING_NEVER: never */
    bool notification;
    uint32_t in_flight;
    uint32_t pop_seq, push_seq;
    VirtDone *waiting; /* IN_ORDER: by seq modulo the size */
};

/* Makes sure of the areas; false: not enabled, or they are not in RAM (the device is broken). */
bool virtq_map(VirtQueue *vq);

/* Interrupts the driver for what somebody else has used, who asked whether it wants that. */
void virtq_interrupt(VirtQueue *vq);
/* Somebody else had the (split) ring, and stopped before the buffer `last_avail`. */
void virtq_take_back(VirtQueue *vq, uint16_t last_avail);

/* A chain while it is put together from descriptors. */
typedef struct VirtChainBuilder {
    VirtIODevice *vdev;
    uint32_t head, count;
    unsigned out_num, in_num;
    uint64_t out_bytes, in_bytes;
    struct iovec iov[VIRTIO_MAX_QUEUE_SIZE]; /* out, then in */
} VirtChainBuilder;
/* One buffer more; false: broken. */
bool virt_chain_add(VirtChainBuilder *b, hwaddr addr, uint32_t len, bool write);
/* An indirect table of `len` bytes at addr; packed: in order, split: by `next`. */
bool virt_chain_add_indirect(VirtChainBuilder *b, hwaddr addr, uint32_t len, bool packed);

/* What a kind of ring does. All after virtq_map. */
typedef struct VRingOps {
    /* Is there a chain to take? */
    bool (*more)(VirtQueue *vq);
    /* Reads the next chain into b; false: broken. */
    bool (*take)(VirtQueue *vq, VirtChainBuilder *b);
    void (*untake)(VirtQueue *vq, const VirtChain *c);
    /* Gives chains back; the driver sees none before all are there. */
    void (*use)(VirtQueue *vq, const VirtDone *done, unsigned n);
    bool (*wants_interrupt)(VirtQueue *vq);
    void (*notification)(VirtQueue *vq, bool on);
} VRingOps;
extern const VRingOps vring_split, vring_packed;

void vring_written(VirtQueue *vq, const VRingArea *area, uint64_t off, uint64_t len);

#endif
