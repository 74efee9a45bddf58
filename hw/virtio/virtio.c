/* SPDX-License-Identifier: MIT */
/* Virtio devices: status, features, configuration, queues' registers. Virtio 1.2, chapters 2, 3. */
#include <stdarg.h>
#include <string.h>
#include "hw/virtio/virtqueue.h"
#include "util/log.h"
#include "util/round.h"

/* ---- queues ------------------------------------------------------------------------------ */

static void queue_reset(VirtQueue *vq)
{
    g_clear_pointer(&vq->waiting, g_free);
    vq->regs = (VirtQueueRegs){ .size = vq->initial_size,
                                .max = vq->initial_size,
                                .vector = VIRTIO_NO_VECTOR };
    vq->desc.host = vq->avail.host = vq->used.host = NULL;
    vq->last_avail = vq->used_idx = 0;
    vq->avail_wrap = vq->used_wrap = true;
    vq->untold = VRING_NEVER;
    vq->notification = true;
    vq->in_flight = vq->pop_seq = vq->push_seq = 0;
}

VirtQueue *virtio_add_queue(VirtIODevice *vdev, unsigned size, VirtQueueHandler handler)
{
    g_assert(vdev->nb_queues < VIRTIO_MAX_QUEUES && size <= VIRTIO_MAX_QUEUE_SIZE);
    VirtQueue *vq = &vdev->queues[vdev->nb_queues];
    *vq = (VirtQueue){
        .vdev = vdev, .index = vdev->nb_queues++, .handler = handler, .initial_size = (uint16_t)size
    };
    queue_reset(vq);
    return vq;
}

VirtQueue *virtio_queue(VirtIODevice *vdev, unsigned n)
{
    return n < vdev->nb_queues ? &vdev->queues[n] : NULL;
}

unsigned virtq_index(const VirtQueue *vq)
{
    return vq->index;
}

VirtQueueRegs *virtq_regs(VirtIODevice *vdev, unsigned n)
{
    return n < vdev->nb_queues ? &vdev->queues[n].regs : NULL;
}

void virtq_enable(VirtIODevice *vdev, unsigned n, bool on)
{
    VirtQueue *vq = virtio_queue(vdev, n);
    if (!vq) {
        return;
    }
    vq->regs.enabled = on;
    vq->desc.host = NULL;
    g_clear_pointer(&vq->waiting, g_free);
}

void virtq_set_legacy(VirtIODevice *vdev, unsigned n, hwaddr addr, uint32_t align)
{
    VirtQueueRegs *r = virtq_regs(vdev, n);
    if (r) {
        align = MAX(align, 2);
        r->desc = addr;
        r->driver = addr + 16ull * r->size;
        r->device = ROUND_UP(r->driver + 4 + 2ull * r->size + 2, align);
        virtq_enable(vdev, n, addr != 0);
    }
}

void virtio_queue_kick(VirtIODevice *vdev, unsigned n)
{
    VirtQueue *vq = virtio_queue(vdev, n);
    if (vq && vq->handler && vq->regs.enabled && virtio_running(vdev)) {
        vq->handler(vdev, vq);
    }
}

/* ---- status and features ----------------------------------------------------------------- */

/* Drivers before 1.0 need not set DRIVER_OK before they use a queue, but all do soon. */
bool virtio_running(const VirtIODevice *vdev)
{
    return vdev->status & VIRTIO_STATUS_DRIVER_OK && !vdev->broken;
}

void virtio_error(VirtIODevice *vdev, const char *fmt, ...)
{
    va_list ap;
    if (vdev->broken) {
        return;
    }
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    log_printf(LOG_GUEST_ERROR, "%s: %s\n", vdev->parent.type->name, text);
    vdev->broken = true;
    if (virtio_has(vdev, VIRTIO_F_VERSION_1)) {
        vdev->status |= VIRTIO_STATUS_NEEDS_RESET;
        virtio_config_changed(vdev);
    }
}

static uint64_t common_features(const VirtIODevice *vdev)
{
    return (uint64_t)vdev->indirect << VIRTIO_F_INDIRECT_DESC |
           (uint64_t)vdev->event_idx << VIRTIO_F_EVENT_IDX | 1ull << VIRTIO_F_VERSION_1 |
           1ull << VIRTIO_F_ANY_LAYOUT | (uint64_t)vdev->packed << VIRTIO_F_RING_PACKED |
           (uint64_t)vdev->in_order << VIRTIO_F_IN_ORDER |
           (uint64_t)vdev->iommu_platform << VIRTIO_F_ACCESS_PLATFORM;
}

void virtio_set_features(VirtIODevice *vdev, uint64_t features)
{
    if (!(vdev->status & VIRTIO_STATUS_FEATURES_OK)) {
        vdev->features = features & vdev->offered;
    }
}

/* False: the driver's choice is not one that the device can work with. */
static bool features_acceptable(VirtIODevice *vdev)
{
    bool modern = vdev->legacy || virtio_has(vdev, VIRTIO_F_VERSION_1);
    return modern && (!vdev->ops->set_features || vdev->ops->set_features(vdev, vdev->features));
}

void virtio_set_status(VirtIODevice *vdev, uint8_t status)
{
    uint8_t now_on = status & (uint8_t)~vdev->status;
    if (status == 0) {
        virtio_reset(vdev);
        return;
    }
    bool late = vdev->legacy && now_on & VIRTIO_STATUS_DRIVER_OK &&
                !(vdev->status & VIRTIO_STATUS_FEATURES_OK);
    if ((now_on & VIRTIO_STATUS_FEATURES_OK || late) && !features_acceptable(vdev)) {
        status &= (uint8_t)~VIRTIO_STATUS_FEATURES_OK;
    }
    vdev->status = status | (vdev->status & VIRTIO_STATUS_NEEDS_RESET);
    if (vdev->ops->set_status) {
        vdev->ops->set_status(vdev, vdev->status);
    }
    /* Some drivers fill queues, and kick, before they say that they are there. */
    for (unsigned i = 0; now_on & VIRTIO_STATUS_DRIVER_OK && i < vdev->nb_queues; i++) {
        virtio_queue_kick(vdev, i);
    }
}

void virtio_reset(VirtIODevice *vdev)
{
    vdev->status = 0;
    vdev->isr = 0;
    vdev->features = 0;
    vdev->broken = false;
    vdev->legacy = false;
    vdev->config_vector = VIRTIO_NO_VECTOR;
    if (vdev->ops->reset) {
        vdev->ops->reset(vdev);
    }
    for (unsigned i = 0; i < vdev->nb_queues; i++) {
        queue_reset(&vdev->queues[i]);
    }
    vdev->offered = common_features(vdev);
    vdev->ops->get_features(vdev, &vdev->offered);
}

/* ---- configuration ----------------------------------------------------------------------- */

enum { MAX_CONFIG = 4096 };

uint64_t virtio_config_read(VirtIODevice *vdev, uint64_t offset, unsigned size)
{
    uint8_t config[MAX_CONFIG + 8] = { 0 };
    uint64_t val = 0;
    uint32_t config_size = vdev->ops->config_size;
    if (offset < config_size) {
        vdev->ops->get_config(vdev, config);
        memset(config + config_size, 0, 8);
        memcpy(&val, config + offset, size);
    }
    return val;
}

void virtio_config_write(VirtIODevice *vdev, uint64_t offset, uint64_t val, unsigned size)
{
    uint8_t config[MAX_CONFIG] = { 0 };
    uint32_t config_size = vdev->ops->config_size;
    if (vdev->ops->set_config && offset < config_size && size <= config_size - offset) {
        vdev->ops->get_config(vdev, config);
        memcpy(config + offset, &val, size);
        vdev->ops->set_config(vdev, config, (uint32_t)offset, size);
    }
}

void virtio_config_changed(VirtIODevice *vdev)
{
    vdev->config_generation++;
    if (vdev->status & VIRTIO_STATUS_DRIVER_OK && vdev->transport_ops) {
        vdev->isr |= 3;
        vdev->transport_ops->notify_config(vdev->transport);
    }
}

/* ---- the type and the bus ---------------------------------------------------------------- */

bool virtio_device_realize(Device *dev, GError **err)
{
    VirtIODevice *vdev = (VirtIODevice *)dev;
    const DeviceType *type = dev->type;
    while (!type->ops) {
        type = type->parent;
    }
    (void)err;
    vdev->ops = type->ops;
    vdev->queues = g_new0(VirtQueue, VIRTIO_MAX_QUEUES);
    vdev->config_vector = VIRTIO_NO_VECTOR;
    return true;
}

void virtio_device_unrealize(Device *dev)
{
    VirtIODevice *vdev = (VirtIODevice *)dev;
    for (unsigned i = 0; i < vdev->nb_queues; i++) {
        g_free(vdev->queues[i].waiting);
    }
    g_clear_pointer(&vdev->queues, g_free);
    vdev->nb_queues = 0;
}

static void device_reset(Device *dev)
{
    virtio_reset((VirtIODevice *)dev);
}

#define FLAG_PROP(n, field, on, text)                                                        \
    {                                                                                        \
        .name = n, .kind = PROP_BOOL, .offset = offsetof(VirtIODevice, field), .preset = on, \
        .doc = text                                                                          \
    }

static const Property props[] = {
    FLAG_PROP("indirect_desc", indirect, "on", "indirect descriptors"),
    FLAG_PROP("event_idx", event_idx, "on", "fewer notifications by event indices"),
    FLAG_PROP("packed", packed, "off", "packed rings"),
    FLAG_PROP("in_order", in_order, "off", "buffers are used in order"),
    FLAG_PROP("iommu_platform", iommu_platform, "off", "the platform translates addresses"),
    { .name = NULL },
};

const DeviceType virtio_device_type = {
    .name = "virtio-device",
    .bus = "virtio",
    .size = sizeof(VirtIODevice),
    .props = props,
    .unrealize = virtio_device_unrealize,
    .reset = device_reset,
};

static bool attach(Bus *bus, Device *dev, GError **err)
{
    VirtIOBus *b = (VirtIOBus *)bus;
    VirtIODevice *vdev = (VirtIODevice *)dev;
    (void)err;
    vdev->transport_ops = b->ops;
    vdev->transport = bus->parent;
    vdev->dma = b->dma;
    return true;
}

static void firmware_name(const Bus *bus, const Device *dev, GString *path)
{
    const Device *transport = bus->parent;
    uint16_t id = ((const VirtIODevice *)dev)->ops->id;
    if (transport->bus && !strcmp(transport->bus->type->name, "sysbus")) {
        const SysBusDevice *mmio = (const SysBusDevice *)transport;
        g_string_append_printf(path, "/virtio-mmio@%016" G_GINT64_MODIFIER "x",
                               mmio->mmio[0]->addr);
    }
    g_string_append(path, id == VIRTIO_ID_BLOCK ? "/disk@0,0"
                          : id == VIRTIO_ID_NET ? "/ethernet-phy@0"
                                                : "");
}

void virtio_bus_init(VirtIOBus *bus, Device *transport, const char *name,
                     const VirtIOTransportOps *ops, AddressSpace *dma)
{
    static const BusType type = {
        .name = "virtio", .attach = attach, .max = 1, .firmware_name = firmware_name
    };
    bus_init(&bus->bus, &type, transport, name);
    bus->ops = ops;
    bus->dma = dma;
}

VirtIODevice *virtio_bus_device(VirtIOBus *bus)
{
    VirtIODevice *vdev = bus->bus.devices->len ? bus->bus.devices->pdata[0] : NULL;
    return vdev && vdev->parent.realized ? vdev : NULL;
}
