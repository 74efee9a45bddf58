/* SPDX-License-Identifier: MIT */
/* Virtio over MMIO. Virtio 1.2, 4.2; the legacy interface (4.2.4) with force-legacy=on. */
#include <stdio.h>
#include "hw/machine.h"
#include "hw/virtio/virtio.h"
#include "util/log.h"

enum {
    MAGIC = 0x000,
    VERSION = 0x004,
    DEVICE_ID = 0x008,
    VENDOR_ID = 0x00c,
    DEVICE_FEATURES = 0x010,
    DEVICE_FEATURES_SEL = 0x014,
    DRIVER_FEATURES = 0x020,
    DRIVER_FEATURES_SEL = 0x024,
    GUEST_PAGE_SIZE = 0x028, /* legacy */
    QUEUE_SEL = 0x030,
    QUEUE_SIZE_MAX = 0x034,
    QUEUE_SIZE = 0x038,
    QUEUE_ALIGN = 0x03c, /* legacy */
    QUEUE_PFN = 0x040,   /* legacy */
    QUEUE_READY = 0x044,
    QUEUE_NOTIFY = 0x050,
    INTERRUPT_STATUS = 0x060,
    INTERRUPT_ACK = 0x064,
    STATUS = 0x070,
    QUEUE_DESC = 0x080,
    QUEUE_DRIVER = 0x090,
    QUEUE_DEVICE = 0x0a0,
    SHM_LEN = 0x0b0, /* … 0x0bc: there is no shared memory */
    CONFIG_GENERATION = 0x0fc,
    CONFIG = 0x100,

    VENDOR = 0x554d4551, /* what drivers know of other implementations of this interface */
};

typedef struct VirtIOMMIO {
    SysBusDevice parent;
    MemoryRegion regs;
    VirtIOBus bus;
    bool force_legacy;
    uint32_t index; /* in the bus's name */
    uint32_t device_sel, driver_sel, queue_sel;
    uint32_t page_shift, align; /* legacy */
} VirtIOMMIO;

static void update_irq(VirtIOMMIO *s)
{
    const VirtIODevice *vdev = virtio_bus_device(&s->bus);
    irq_set(&s->parent.irq[0], vdev && vdev->isr);
}

static void notify_queue(void *opaque, VirtQueue *vq)
{
    (void)vq;
    update_irq(opaque);
}

static void notify_config(void *opaque)
{
    update_irq(opaque);
}

/* ---- reading ----------------------------------------------------------------------------- */

static uint32_t read_queue(VirtIOMMIO *s, VirtIODevice *vdev, hwaddr offset)
{
    const VirtQueueRegs *r = virtq_regs(vdev, s->queue_sel);
    if (!r) {
        return 0;
    }
    switch (offset) {
    case QUEUE_SIZE_MAX:
        return r->max;
    case QUEUE_READY:
        return r->enabled;
    default:
        return r->enabled ? (uint32_t)(r->desc >> s->page_shift) : 0;
    }
}

static uint32_t read_reg(VirtIOMMIO *s, VirtIODevice *vdev, hwaddr offset)
{
    switch (offset) {
    case DEVICE_ID:
        return vdev->ops->id;
    case DEVICE_FEATURES:
        if (s->force_legacy) {
            return s->device_sel ? 0 : (uint32_t)vdev->offered;
        }
        return s->device_sel < 2 ? (uint32_t)(vdev->offered >> 32 * s->device_sel) : 0;
    case QUEUE_SIZE_MAX:
    case QUEUE_READY:
    case QUEUE_PFN:
        return read_queue(s, vdev, offset);
    case INTERRUPT_STATUS:
        return vdev->isr;
    case STATUS:
        return vdev->status;
    case CONFIG_GENERATION:
        return vdev->config_generation;
    case SHM_LEN:
    case SHM_LEN + 4:
    case SHM_LEN + 8:
    case SHM_LEN + 12:
        return UINT32_MAX;
    default:
        log_printf(LOG_GUEST_ERROR, "virtio-mmio: read of register %#x\n", (unsigned)offset);
        return 0;
    }
}

static uint64_t mmio_read(void *opaque, hwaddr offset, unsigned size)
{
    VirtIOMMIO *s = opaque;
    VirtIODevice *vdev = virtio_bus_device(&s->bus);
    if (offset == MAGIC) {
        return 0x74726976; /* "virt" */
    }
    if (offset == VERSION) {
        return s->force_legacy ? 1 : 2;
    }
    if (offset == VENDOR_ID) {
        return VENDOR;
    }
    if (!vdev) {
        return 0; /* device id 0: nothing is here */
    }
    if (offset >= CONFIG) {
        return virtio_config_read(vdev, offset - CONFIG, size);
    }
    return size == 4 ? read_reg(s, vdev, offset) : 0;
}

/* ---- writing ----------------------------------------------------------------------------- */

static void set_half(hwaddr *field, unsigned high, uint32_t val)
{
    unsigned shift = high ? 32 : 0;
    *field = (*field & ~(0xffffffffull << shift)) | (uint64_t)val << shift;
}

static void write_queue(VirtIOMMIO *s, VirtIODevice *vdev, hwaddr offset, uint32_t val)
{
    VirtQueueRegs *r = virtq_regs(vdev, s->queue_sel);
    if (!r) {
        return;
    }
    switch (offset) {
    case QUEUE_SIZE:
        if (!r->enabled) {
            r->size = (uint16_t)MIN(val, r->max);
        }
        break;
    case QUEUE_READY:
        virtq_enable(vdev, s->queue_sel, val & 1);
        break;
    case QUEUE_PFN:
        virtq_set_legacy(vdev, s->queue_sel, (hwaddr)val << s->page_shift, s->align);
        break;
    default:
        set_half(offset < QUEUE_DRIVER   ? &r->desc
                 : offset < QUEUE_DEVICE ? &r->driver
                                         : &r->device,
                 offset & 4, val);
        break;
    }
}

static void write_features(VirtIOMMIO *s, VirtIODevice *vdev, uint32_t val)
{
    uint64_t features = vdev->features;
    if (s->driver_sel < 2) {
        set_half(&features, s->driver_sel, val);
        virtio_set_features(vdev, features);
    }
}

static void write_status(VirtIOMMIO *s, VirtIODevice *vdev, uint8_t val)
{
    virtio_set_status(vdev, val);
    vdev->legacy = s->force_legacy;
    update_irq(s);
}

static void write_reg(VirtIOMMIO *s, VirtIODevice *vdev, hwaddr offset, uint32_t val)
{
    switch (offset) {
    case DEVICE_FEATURES_SEL:
        s->device_sel = val;
        break;
    case DRIVER_FEATURES_SEL:
        s->driver_sel = val;
        break;
    case DRIVER_FEATURES:
        write_features(s, vdev, val);
        break;
    case GUEST_PAGE_SIZE:
        s->page_shift = val ? (uint32_t)__builtin_ctz(val) : 0;
        break;
    case QUEUE_ALIGN:
        s->align = val && !(val & (val - 1)) && val <= 1u << 20 ? val : 4096;
        break;
    case QUEUE_SEL:
        s->queue_sel = val;
        break;
    case QUEUE_NOTIFY:
        virtio_queue_kick(vdev, val & 0xffff);
        break;
    case INTERRUPT_ACK:
        vdev->isr &= (uint8_t)~val;
        update_irq(s);
        break;
    case STATUS:
        write_status(s, vdev, (uint8_t)val);
        break;
    case QUEUE_SIZE:
    case QUEUE_READY:
    case QUEUE_PFN:
    case QUEUE_DESC:
    case QUEUE_DESC + 4:
    case QUEUE_DRIVER:
    case QUEUE_DRIVER + 4:
    case QUEUE_DEVICE:
    case QUEUE_DEVICE + 4:
        write_queue(s, vdev, offset, val);
        break;
    default:
        log_printf(LOG_GUEST_ERROR, "virtio-mmio: write to register %#x\n", (unsigned)offset);
        break;
    }
}

static void mmio_write(void *opaque, hwaddr offset, uint64_t val, unsigned size)
{
    VirtIOMMIO *s = opaque;
    VirtIODevice *vdev = virtio_bus_device(&s->bus);
    if (vdev && offset >= CONFIG) {
        virtio_config_write(vdev, offset - CONFIG, val, size);
    } else if (vdev && size == 4) {
        write_reg(s, vdev, offset, (uint32_t)val);
    }
}

static const MemoryRegionOps ops = {
    .read = mmio_read,
    .write = mmio_write,
    .impl = { .min = 1, .max = 8 },
};

/* ---- the device -------------------------------------------------------------------------- */

static void mmio_reset(Device *dev)
{
    VirtIOMMIO *s = (VirtIOMMIO *)dev;
    s->device_sel = s->driver_sel = s->queue_sel = 0;
    s->page_shift = 12;
    s->align = 4096;
    update_irq(s);
}

static bool mmio_realize(Device *dev, GError **err)
{
    static const VirtIOTransportOps transport = { notify_queue, notify_config };
    VirtIOMMIO *s = (VirtIOMMIO *)dev;
    char name[32];
    (void)err;
    snprintf(name, sizeof(name), "virtio-mmio-bus.%u", s->index);
    virtio_bus_init(&s->bus, dev, name, &transport,
                    machine_current() ? machine_current()->memory : NULL);
    memory_region_init_io(&s->regs, "virtio-mmio", 0x200, &ops, s);
    s->parent.mmio[0] = &s->regs;
    mmio_reset(dev);
    return true;
}

static void mmio_unrealize(Device *dev)
{
    memory_region_cleanup(&((VirtIOMMIO *)dev)->regs);
}

static const Property props[] = {
    { .name = "force-legacy",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtIOMMIO, force_legacy),
      .preset = "off",
      .doc = "the interface before virtio 1.0" },
    { .name = "index",
      .kind = PROP_U32,
      .offset = offsetof(VirtIOMMIO, index),
      .preset = "0",
      .doc = "number in the name of its bus" },
    { .name = NULL },
};

static const DeviceType virtio_mmio = {
    .name = "virtio-mmio",
    .bus = "sysbus",
    .category = "misc",
    .desc = "virtio transport over MMIO",
    .size = sizeof(VirtIOMMIO),
    .props = props,
    .realize = mmio_realize,
    .unrealize = mmio_unrealize,
    .reset = mmio_reset,
};
DEVICE_TYPE(virtio_mmio)
