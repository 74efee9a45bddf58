/* SPDX-License-Identifier: MIT */
/*
 * Virtio 1.2 (OASIS, "Virtual I/O Device (VIRTIO) Version 1.2"): devices apart from transports.
 *
 * A device is a DeviceType on bus "virtio" whose ops are VirtIOOps and whose struct begins with a
 * VirtIODevice. In realize it adds its queues; a queue's handler is called, under the big lock,
 * after the driver has made buffers available. It takes chains with virtq_pop, and gives each back
 * with virtq_push, at any time later, also on the main loop's thread; then virtq_notify.
 *
 * Everything in rings and buffers is the guest's to choose, and to change at any time: what has
 * been checked is copied first. A ring that makes no sense stops the device until it is reset
 * (DEVICE_NEEDS_RESET).
 */
#ifndef HW_VIRTIO_VIRTIO_H
#define HW_VIRTIO_VIRTIO_H

#include <sys/uio.h>
#include "hw/device.h"

/* Device numbers (chapter 5). */
enum {
    VIRTIO_ID_NET = 1,
    VIRTIO_ID_BLOCK = 2,
    VIRTIO_ID_CONSOLE = 3,
    VIRTIO_ID_RNG = 4,
    VIRTIO_ID_BALLOON = 5,
    VIRTIO_ID_SCSI = 8,
    VIRTIO_ID_9P = 9,
    VIRTIO_ID_GPU = 16,
    VIRTIO_ID_INPUT = 18,
};

/* Feature bits of all devices (chapter 6); those below 24 and from 50 on are the device's. */
enum {
    VIRTIO_F_NOTIFY_ON_EMPTY = 24,
    VIRTIO_F_ANY_LAYOUT = 27,
    VIRTIO_F_INDIRECT_DESC = 28,
    VIRTIO_F_EVENT_IDX = 29,
    VIRTIO_F_VERSION_1 = 32,
    VIRTIO_F_ACCESS_PLATFORM = 33,
    VIRTIO_F_RING_PACKED = 34,
    VIRTIO_F_IN_ORDER = 35,
    VIRTIO_F_ORDER_PLATFORM = 36,
};

/* Device status (2.1). */
enum {
    VIRTIO_STATUS_ACKNOWLEDGE = 1,
    VIRTIO_STATUS_DRIVER = 2,
    VIRTIO_STATUS_DRIVER_OK = 4,
    VIRTIO_STATUS_FEATURES_OK = 8,
    VIRTIO_STATUS_NEEDS_RESET = 64,
    VIRTIO_STATUS_FAILED = 128,
};

enum {
    VIRTIO_MAX_QUEUE_SIZE = 1024,
    VIRTIO_MAX_QUEUES = 1024,
    VIRTIO_NO_VECTOR = 0xffff,
};

typedef struct VirtIODevice VirtIODevice;
typedef struct VirtQueue VirtQueue;

/* A chain of buffers as the driver made it available. A device's own request begins with one. */
typedef struct VirtChain {
    VirtQueue *vq;
    uint32_t head;  /* descriptor index (split), buffer id (packed) */
    uint32_t count; /* descriptors it takes in a packed ring */
    uint32_t seq;   /* in the order of virtq_pop */
    unsigned out_num, in_num;
    struct iovec *out, *in;       /* what the device reads; what it writes */
    uint64_t out_bytes, in_bytes; /* sums */
} VirtChain;

typedef struct VirtIOOps {
    uint16_t id;
    uint32_t config_size; /* bytes of device configuration, at most 4096 */
    /* Adds the device's own bits to what is offered. */
    void (*get_features)(VirtIODevice *vdev, uint64_t *features);
    /* The driver has chosen (FEATURES_OK). False: not acceptable. May be NULL. */
    bool (*set_features)(VirtIODevice *vdev, uint64_t features);
    void (*get_config)(VirtIODevice *vdev, uint8_t *config);
    /* The driver wrote bytes [offset, offset + len) of a copy of the configuration. May be NULL. */
    void (*set_config)(VirtIODevice *vdev, const uint8_t *config, uint32_t offset, uint32_t len);
    /* Back to the state after realize; requests in flight are dropped or waited for. */
    void (*reset)(VirtIODevice *vdev);
    void (*set_status)(VirtIODevice *vdev, uint8_t status); /* may be NULL */
} VirtIOOps;

/* What a device asks of the transport that carries it. */
typedef struct VirtIOTransportOps {
    void (*notify_queue)(void *transport, VirtQueue *vq);
    void (*notify_config)(void *transport);
} VirtIOTransportOps;

struct VirtIODevice {
    Device parent;
    const VirtIOOps *ops;
    const VirtIOTransportOps *transport_ops;
    void *transport;
    AddressSpace *dma;
    /* Properties. */
    bool indirect, event_idx, packed, in_order, iommu_platform;

    bool legacy; /* the driver speaks the interface before 1.0 */
    bool broken;
    uint8_t status, isr; /* isr: 1 a queue, 2 the configuration */
    uint32_t config_generation;
    uint64_t offered, features; /* host's and driver's */
    uint16_t config_vector;
    VirtQueue *queues;
    unsigned nb_queues;
    uint32_t user; /* the device's own: a count of what is in flight */
};

typedef void (*VirtQueueHandler)(VirtIODevice *vdev, VirtQueue *vq);

/* ---- for devices ---- */
extern const DeviceType virtio_device_type; /* the parent of all: properties, realize */
/* In realize, in order of their numbers. size: at most VIRTIO_MAX_QUEUE_SIZE, a power of 2. */
VirtQueue *virtio_add_queue(VirtIODevice *vdev, unsigned size, VirtQueueHandler handler);
bool virtio_device_realize(Device *dev, GError **err); /* first in a device's own realize */
void virtio_device_unrealize(Device *dev);
VirtQueue *virtio_queue(VirtIODevice *vdev, unsigned n);
unsigned virtq_index(const VirtQueue *vq);
static inline bool virtio_has(const VirtIODevice *vdev, unsigned feature)
{
    return vdev->features >> feature & 1;
}
/* Driver and device are at work. */
bool virtio_running(const VirtIODevice *vdev);
/*
 * The next chain, in a struct of `size` bytes that begins with it and is zero beyond (g_malloc'd;
 * virtq_push frees it). NULL: there is none, or the device is broken now.
 */
void *virtq_pop(VirtQueue *vq, size_t size);
/* Gives it back: `written` bytes of its `in` are the device's. Frees it. */
void virtq_push(VirtQueue *vq, void *chain, uint32_t written);
/* Several, popped one after the other: the driver sees all of them at once, or none yet. */
void virtq_push_together(VirtQueue *vq, VirtChain **chains, const uint32_t *written, unsigned n);
/* As if it had never been popped (the last one popped only). Frees it. */
void virtq_unpop(VirtQueue *vq, void *chain);
/* Frees it without giving it back: after a reset. */
void virtq_drop(void *chain);
/* Interrupts the driver for what was pushed, if it wants that. */
void virtq_notify(VirtQueue *vq);
/* Nothing to pop. */
bool virtq_empty(VirtQueue *vq);
/* Whether the driver is to notify of more buffers. */
void virtq_set_notification(VirtQueue *vq, bool on);
/* Whether there are as many bytes to write to, and to read. */
bool virtq_avail_bytes(VirtQueue *vq, uint64_t in_bytes, uint64_t out_bytes);
void virtio_config_changed(VirtIODevice *vdev);
/* The driver has broken the rules. */
void G_GNUC_PRINTF(2, 3) virtio_error(VirtIODevice *vdev, const char *fmt, ...);

/* Copying between buffers and iovecs: the number of bytes done. */
uint64_t iov_to_buf(const struct iovec *iov, unsigned n, uint64_t offset, void *buf, uint64_t len);
uint64_t iov_from_buf(const struct iovec *iov, unsigned n, uint64_t offset, const void *buf,
                      uint64_t len);
/* Cuts bytes off the front or back, changing iov and *n; how many there were. */
uint64_t iov_discard_front(struct iovec **iov, unsigned *n, uint64_t len);
uint64_t iov_discard_back(struct iovec *iov, unsigned *n, uint64_t len);

/* ---- for transports ---- */
/* A bus for one device. */
typedef struct VirtIOBus {
    Bus bus;
    const VirtIOTransportOps *ops;
    AddressSpace *dma;
} VirtIOBus;
void virtio_bus_init(VirtIOBus *bus, Device *transport, const char *name,
                     const VirtIOTransportOps *ops, AddressSpace *dma);
/* The realized device on it, or NULL. */
VirtIODevice *virtio_bus_device(VirtIOBus *bus);
void virtio_reset(VirtIODevice *vdev);
void virtio_set_status(VirtIODevice *vdev, uint8_t status);
void virtio_set_features(VirtIODevice *vdev, uint64_t features);
/* Any offset; what lies outside of the configuration reads as 0. size: 1, 2, 4, 8. */
uint64_t virtio_config_read(VirtIODevice *vdev, uint64_t offset, unsigned size);
void virtio_config_write(VirtIODevice *vdev, uint64_t offset, uint64_t val, unsigned size);
/* The driver's kick. */
void virtio_queue_kick(VirtIODevice *vdev, unsigned n);

/* A queue's registers. */
typedef struct VirtQueueRegs {
    uint16_t size, max; /* max 0: there is no such queue */
    uint16_t vector;
    bool enabled;
    hwaddr desc, driver, device; /* descriptor area, avail ring, used ring */
} VirtQueueRegs;
VirtQueueRegs *virtq_regs(VirtIODevice *vdev, unsigned n); /* NULL: none */
/* The legacy layout in one piece (2.7.2) at addr; 0: off. */
void virtq_set_legacy(VirtIODevice *vdev, unsigned n, hwaddr addr, uint32_t align);
/* enabled was set, or the size was changed: looks at the rings anew. */
void virtq_enable(VirtIODevice *vdev, unsigned n, bool on);

#endif
