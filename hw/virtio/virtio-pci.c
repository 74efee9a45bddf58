/* SPDX-License-Identifier: MIT */
/* Virtio over PCI: the modern interface (Virtio 1.2, 4.1) and, in transitional devices, the legacy
 * one (4.1.4.10) in an I/O BAR. */
#include <stdio.h>
#include <string.h>
#include "hw/pci/pci.h"
#include "hw/virtio/virtio-pci.h"
#include "util/log.h"

enum {
    VENDOR_VIRTIO = 0x1af4,
    MODERN_BASE = 0x1040,

    BAR_LEGACY = 0,
    BAR_MSIX = 1,
    BAR_MODERN = 4,

    /* In the modern BAR, a page each. */
    COMMON_AT = 0x0000,
    ISR_AT = 0x1000,
    DEVICE_AT = 0x2000,
    NOTIFY_AT = 0x3000,
    MODERN_SIZE = 0x4000,
    NOTIFY_STEP = 4,

    CAP_COMMON = 1,
    CAP_NOTIFY = 2,
    CAP_ISR = 3,
    CAP_DEVICE = 4,
    CAP_PCI = 5,
};

/* Common configuration (4.1.4.3). */
enum {
    C_DEVICE_SEL = 0x00,
    C_DEVICE_FEATURES = 0x04,
    C_DRIVER_SEL = 0x08,
    C_DRIVER_FEATURES = 0x0c,
    C_CONFIG_VECTOR = 0x10,
    C_NUM_QUEUES = 0x12,
    C_STATUS = 0x14,
    C_GENERATION = 0x15,
    C_QUEUE_SEL = 0x16,
    C_QUEUE_SIZE = 0x18,
    C_QUEUE_VECTOR = 0x1a,
    C_QUEUE_ENABLE = 0x1c,
    C_QUEUE_NOTIFY_OFF = 0x1e,
    C_QUEUE_DESC = 0x20,
    C_QUEUE_DRIVER = 0x28,
    C_QUEUE_DEVICE = 0x30,
    COMMON_SIZE = 0x38,
};

/* The legacy interface's registers. */
enum {
    L_DEVICE_FEATURES = 0x00,
    L_DRIVER_FEATURES = 0x04,
    L_QUEUE_ADDRESS = 0x08,
    L_QUEUE_SIZE = 0x0c,
    L_QUEUE_SEL = 0x0e,
    L_QUEUE_NOTIFY = 0x10,
    L_STATUS = 0x12,
    L_ISR = 0x13,
    L_CONFIG_VECTOR = 0x14, /* these two only while MSI-X is on */
    L_QUEUE_VECTOR = 0x16,
    L_CONFIG = 0x14,
    L_PAGE = 4096,
};

static VirtIODevice *device(VirtIOPCI *s)
{
    return virtio_bus_device(&s->bus);
}

/* ---- interrupts -------------------------------------------------------------------------- */

static void interrupt(VirtIOPCI *s, uint16_t vector)
{
    if (msix_enabled(&s->parent)) {
        msix_notify(&s->parent, vector); /* VIRTIO_NO_VECTOR is none of them */
    } else {
        VirtIODevice *vdev = device(s);
        pci_set_intx(&s->parent, vdev && vdev->isr);
    }
}

static void notify_queue(void *opaque, VirtQueue *vq)
{
    VirtIOPCI *s = opaque;
    interrupt(s, virtq_regs(device(s), virtq_index(vq))->vector);
}

static void notify_config(void *opaque)
{
    VirtIOPCI *s = opaque;
    interrupt(s, device(s)->config_vector);
}

/* Reading takes it back. */
static uint8_t read_isr(VirtIOPCI *s, VirtIODevice *vdev)
{
    uint8_t isr = vdev->isr;
    vdev->isr = 0;
    pci_set_intx(&s->parent, false);
    return isr;
}

static uint16_t valid_vector(const VirtIOPCI *s, uint64_t vector)
{
    return vector < s->parent.msix.nb ? (uint16_t)vector : VIRTIO_NO_VECTOR;
}

/* ---- modern: common configuration --------------------------------------------------------- */

static uint64_t queue_reg_read(VirtIOPCI *s, VirtIODevice *vdev, hwaddr offset)
{
    const VirtQueueRegs *r = virtq_regs(vdev, s->queue_sel);
    if (!r) {
        return 0; /* size 0: there is no such queue */
    }
    switch (offset) {
    case C_QUEUE_SIZE:
        return r->size;
    case C_QUEUE_VECTOR:
        return r->vector;
    case C_QUEUE_ENABLE:
        return r->enabled;
    case C_QUEUE_NOTIFY_OFF:
        return s->queue_sel;
    case C_QUEUE_DESC:
        return (uint32_t)r->desc;
    case C_QUEUE_DESC + 4:
        return r->desc >> 32;
    case C_QUEUE_DRIVER:
        return (uint32_t)r->driver;
    case C_QUEUE_DRIVER + 4:
        return r->driver >> 32;
    case C_QUEUE_DEVICE:
        return (uint32_t)r->device;
    case C_QUEUE_DEVICE + 4:
        return r->device >> 32;
    default:
        return 0;
    }
}

static uint64_t common_read(void *opaque, hwaddr offset, unsigned size)
{
    VirtIOPCI *s = opaque;
    VirtIODevice *vdev = device(s);
    (void)size;
    if (!vdev) {
        return 0;
    }
    switch (offset) {
    case C_DEVICE_SEL:
        return s->device_sel;
    case C_DEVICE_FEATURES:
        return s->device_sel < 2 ? (uint32_t)(vdev->offered >> 32 * s->device_sel) : 0;
    case C_DRIVER_SEL:
        return s->driver_sel;
    case C_DRIVER_FEATURES:
        return s->driver_sel < 2 ? (uint32_t)(vdev->features >> 32 * s->driver_sel) : 0;
    case C_CONFIG_VECTOR:
        return vdev->config_vector;
    case C_NUM_QUEUES:
        return vdev->nb_queues;
    case C_STATUS:
        return vdev->status;
    case C_GENERATION:
        return vdev->config_generation & 0xff;
    case C_QUEUE_SEL:
        return s->queue_sel;
    default:
        return queue_reg_read(s, vdev, offset);
    }
}

static void set_half(uint64_t *field, unsigned high, uint64_t val)
{
    unsigned shift = high ? 32 : 0;
    *field = (*field & ~(0xffffffffull << shift)) | (val & 0xffffffff) << shift;
}

static void queue_reg_write(VirtIOPCI *s, VirtIODevice *vdev, hwaddr offset, uint64_t val)
{
    VirtQueueRegs *r = virtq_regs(vdev, s->queue_sel);
    if (!r) {
        return;
    }
    switch (offset) {
    case C_QUEUE_SIZE:
        if (!r->enabled && val <= r->max) {
            r->size = (uint16_t)val;
        }
        break;
    case C_QUEUE_VECTOR:
        r->vector = valid_vector(s, val);
        break;
    case C_QUEUE_ENABLE:
        virtq_enable(vdev, s->queue_sel, val & 1);
        break;
    case C_QUEUE_DESC:
    case C_QUEUE_DESC + 4:
        set_half(&r->desc, offset & 4, val);
        break;
    case C_QUEUE_DRIVER:
    case C_QUEUE_DRIVER + 4:
        set_half(&r->driver, offset & 4, val);
        break;
    case C_QUEUE_DEVICE:
    case C_QUEUE_DEVICE + 4:
        set_half(&r->device, offset & 4, val);
        break;
    default:
        break;
    }
}

static void status_write(VirtIOPCI *s, VirtIODevice *vdev, uint8_t val, bool legacy)
{
    virtio_set_status(vdev, val);
    vdev->legacy = legacy;
    if (!vdev->isr) {
        pci_set_intx(&s->parent, false);
    }
}

static void common_write(void *opaque, hwaddr offset, uint64_t val, unsigned size)
{
    VirtIOPCI *s = opaque;
    VirtIODevice *vdev = device(s);
    uint64_t features;
    (void)size;
    if (!vdev) {
        return;
    }
    switch (offset) {
    case C_DEVICE_SEL:
        s->device_sel = (uint32_t)val;
        break;
    case C_DRIVER_SEL:
        s->driver_sel = (uint32_t)val;
        break;
    case C_DRIVER_FEATURES:
        features = vdev->features;
        if (s->driver_sel < 2) {
            set_half(&features, s->driver_sel, val);
            virtio_set_features(vdev, features);
        }
        break;
    case C_CONFIG_VECTOR:
        vdev->config_vector = valid_vector(s, val);
        break;
    case C_STATUS:
        status_write(s, vdev, (uint8_t)val, false);
        break;
    case C_QUEUE_SEL:
        s->queue_sel = (uint16_t)val;
        break;
    default:
        queue_reg_write(s, vdev, offset, val);
        break;
    }
}

/* ---- modern: the other regions ------------------------------------------------------------ */

static uint64_t isr_read(void *opaque, hwaddr offset, unsigned size)
{
    VirtIOPCI *s = opaque;
    VirtIODevice *vdev = device(s);
    (void)size;
    return vdev && offset == 0 ? read_isr(s, vdev) : 0;
}

static void ignore_write(void *opaque, hwaddr offset, uint64_t val, unsigned size)
{
    (void)opaque, (void)offset, (void)val, (void)size;
}

static uint64_t config_read(void *opaque, hwaddr offset, unsigned size)
{
    VirtIODevice *vdev = device(opaque);
    return vdev ? virtio_config_read(vdev, offset, size) : 0;
}

static void config_write(void *opaque, hwaddr offset, uint64_t val, unsigned size)
{
    VirtIODevice *vdev = device(opaque);
    if (vdev) {
        virtio_config_write(vdev, offset, val, size);
    }
}

static uint64_t notify_read(void *opaque, hwaddr offset, unsigned size)
{
    (void)opaque, (void)offset, (void)size;
    return 0;
}

static void notify_write(void *opaque, hwaddr offset, uint64_t val, unsigned size)
{
    VirtIODevice *vdev = device(opaque);
    (void)val, (void)size;
    if (vdev) {
        virtio_queue_kick(vdev, (unsigned)(offset / NOTIFY_STEP));
    }
}

static const MemoryRegionOps common_ops = { .read = common_read, .write = common_write };
static const MemoryRegionOps isr_ops = { .read = isr_read, .write = ignore_write };
static const MemoryRegionOps config_ops = {
    .read = config_read,
    .write = config_write,
    .impl = { .min = 1, .max = 8 },
};
static const MemoryRegionOps notify_ops = { .read = notify_read, .write = notify_write };

/* ---- legacy ------------------------------------------------------------------------------ */

static hwaddr legacy_config(const VirtIOPCI *s)
{
    return msix_enabled(&s->parent) ? L_CONFIG + 4 : L_CONFIG;
}

static uint64_t legacy_read(void *opaque, hwaddr offset, unsigned size)
{
    VirtIOPCI *s = opaque;
    VirtIODevice *vdev = device(s);
    const VirtQueueRegs *r = vdev ? virtq_regs(vdev, s->queue_sel) : NULL;
    if (!vdev) {
        return 0;
    }
    if (offset >= legacy_config(s)) {
        return virtio_config_read(vdev, offset - legacy_config(s), size);
    }
    switch (offset) {
    case L_DEVICE_FEATURES:
        return (uint32_t)vdev->offered;
    case L_DRIVER_FEATURES:
        return (uint32_t)vdev->features;
    case L_QUEUE_ADDRESS:
        return r && r->enabled ? r->desc / L_PAGE : 0;
    case L_QUEUE_SIZE:
        return r ? r->max : 0;
    case L_QUEUE_SEL:
        return s->queue_sel;
    case L_STATUS:
        return vdev->status;
    case L_ISR:
        return read_isr(s, vdev);
    case L_CONFIG_VECTOR:
        return vdev->config_vector;
    case L_QUEUE_VECTOR:
        return r ? r->vector : VIRTIO_NO_VECTOR;
    default:
        return 0;
    }
}

static void legacy_write(void *opaque, hwaddr offset, uint64_t val, unsigned size)
{
    VirtIOPCI *s = opaque;
    VirtIODevice *vdev = device(s);
    VirtQueueRegs *r = vdev ? virtq_regs(vdev, s->queue_sel) : NULL;
    if (!vdev) {
        return;
    }
    if (offset >= legacy_config(s)) {
        virtio_config_write(vdev, offset - legacy_config(s), val, size);
        return;
    }
    switch (offset) {
    case L_DRIVER_FEATURES:
        virtio_set_features(vdev, val);
        break;
    case L_QUEUE_ADDRESS:
        virtq_set_legacy(vdev, s->queue_sel, val * L_PAGE, L_PAGE);
        break;
    case L_QUEUE_SEL:
        s->queue_sel = (uint16_t)val;
        break;
    case L_QUEUE_NOTIFY:
        virtio_queue_kick(vdev, (unsigned)val & 0xffff);
        break;
    case L_STATUS:
        status_write(s, vdev, (uint8_t)val, true);
        break;
    case L_CONFIG_VECTOR:
        vdev->config_vector = valid_vector(s, val);
        break;
    case L_QUEUE_VECTOR:
        if (r) {
            r->vector = valid_vector(s, val);
        }
        break;
    default:
        break;
    }
}

static const MemoryRegionOps legacy_ops = {
    .read = legacy_read,
    .write = legacy_write,
    .impl = { .min = 1, .max = 4 },
};

/* ---- the device -------------------------------------------------------------------------- */

/* A capability that says where one of the modern regions is (4.1.4). */
static void add_capability(VirtIOPCI *s, uint8_t type, uint32_t at, uint32_t len)
{
    uint8_t size = type == CAP_NOTIFY || type == CAP_PCI ? 20 : 16;
    PCIDevice *dev = &s->parent;
    uint8_t cap = pci_add_capability(dev, PCI_CAP_VENDOR, size);
    dev->config[cap + 2] = size;
    dev->config[cap + 3] = type;
    dev->config[cap + 4] = type == CAP_PCI ? 0 : BAR_MODERN;
    pci_set32(dev, cap + 8u, at);
    pci_set32(dev, cap + 12u, len);
    if (type == CAP_NOTIFY) {
        pci_set32(dev, cap + 16u, NOTIFY_STEP);
    }
    if (type == CAP_PCI) {
        s->access_cap = cap;
        dev->wmask[cap + 4] = 0xff;
        memset(dev->wmask + cap + 8, 0xff, 12);
    }
}

static void make_modern(VirtIOPCI *s)
{
    static const struct {
        uint8_t type;
        uint32_t at, len;
        const char *name;
        const MemoryRegionOps *ops;
    } parts[] = {
        { CAP_COMMON, COMMON_AT, 0x1000, "virtio-pci-common", &common_ops },
        { CAP_ISR, ISR_AT, 0x1000, "virtio-pci-isr", &isr_ops },
        { CAP_DEVICE, DEVICE_AT, 0x1000, "virtio-pci-device", &config_ops },
        { CAP_NOTIFY, NOTIFY_AT, 0x1000, "virtio-pci-notify", &notify_ops },
    };
    memory_region_init(&s->modern, "virtio-pci", MODERN_SIZE);
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        memory_region_init_io(&s->parts[i], parts[i].name, parts[i].len, parts[i].ops, s);
        memory_region_add(&s->modern, parts[i].at, &s->parts[i], 0);
        add_capability(s, parts[i].type, parts[i].at, parts[i].len);
    }
    add_capability(s, CAP_PCI, 0, 0);
    pci_add_bar(&s->parent, BAR_MODERN, PCI_BAR_64 | PCI_BAR_PREFETCH, &s->modern);
    s->has_modern = true;
}

static void make_legacy(VirtIOPCI *s, const VirtIODevice *vdev)
{
    uint64_t size = 32;
    while (size < L_CONFIG + 4 + vdev->ops->config_size) {
        size *= 2;
    }
    memory_region_init_io(&s->legacy, "virtio-pci-legacy", size, &legacy_ops, s);
    pci_add_bar(&s->parent, BAR_LEGACY, PCI_BAR_IO, &s->legacy);
    s->has_legacy = true;
}

/* Device numbers below 0x1040 and class codes of transitional devices (4.1.2.1). */
static const struct {
    uint16_t id, transitional;
    uint32_t class_code;
} ids[] = {
    { VIRTIO_ID_NET, 0x1000, 0x020000 },     { VIRTIO_ID_BLOCK, 0x1001, 0x010000 },
    { VIRTIO_ID_BALLOON, 0x1002, 0x00ff00 }, { VIRTIO_ID_CONSOLE, 0x1003, 0x078000 },
    { VIRTIO_ID_SCSI, 0x1004, 0x010000 },    { VIRTIO_ID_RNG, 0x1005, 0x00ff00 },
    { VIRTIO_ID_9P, 0x1009, 0x000200 },      { VIRTIO_ID_GPU, 0, 0x038000 },
    { VIRTIO_ID_INPUT, 0, 0x098000 },
};

static void set_ids(VirtIOPCI *s, const VirtIODevice *vdev, bool legacy)
{
    uint16_t id = vdev->ops->id, number = (uint16_t)(MODERN_BASE + id);
    uint32_t class_code = 0x00ff00;
    for (size_t i = 0; i < G_N_ELEMENTS(ids); i++) {
        if (ids[i].id == id) {
            class_code = ids[i].class_code;
            number = legacy ? ids[i].transitional : number;
        }
    }
    /* Legacy drivers know the device by its subsystem, modern ones want revision 1. */
    pci_set_ids(&s->parent, VENDOR_VIRTIO, number, class_code, VENDOR_VIRTIO, legacy ? id : 0x1100);
    s->parent.config[PCI_REVISION] = legacy ? 0 : 1;
    s->parent.config[PCI_INTERRUPT_PIN] = 1;
}

static bool has_transitional(uint16_t id)
{
    for (size_t i = 0; i < G_N_ELEMENTS(ids); i++) {
        if (ids[i].id == id) {
            return ids[i].transitional != 0;
        }
    }
    return false;
}

static uint16_t vectors_for(const VirtIOPCI *s, const VirtIODevice *vdev)
{
    uint32_t wanted = s->vectors == AUTO_VECTORS ? vdev->nb_queues + 1 : s->vectors;
    return (uint16_t)MIN(wanted, 2048);
}

static void virtio_pci_unrealize(Device *dev);

static bool virtio_pci_realize(Device *dev, GError **err)
{
    static const VirtIOTransportOps transport = { notify_queue, notify_config };
    VirtIOPCI *s = (VirtIOPCI *)dev;
    VirtIODevice *vdev = (VirtIODevice *)dev->inner;
    char name[32];
    snprintf(name, sizeof(name), "virtio-bus.%02x.%x", s->parent.devfn >> 3, s->parent.devfn & 7u);
    virtio_bus_init(&s->bus, dev, name, &transport, pci_dma(&s->parent));
    if (!device_realize(&vdev->parent, &s->bus.bus, err)) {
        bus_cleanup(&s->bus.bus);
        return false;
    }
    bool can_legacy = has_transitional(vdev->ops->id);
    /* Below an Express port there is no I/O space to spare. */
    bool legacy = s->disable_legacy == CHOICE_AUTO ? can_legacy && !s->parent.bus->only_slot0
                                                   : s->disable_legacy == CHOICE_OFF;
    if ((legacy && !can_legacy) || (!legacy && s->disable_modern)) {
        g_set_error(err, HW_ERROR, 0,
                    "it has neither of its interfaces left, or no legacy one "
                    "(disable-legacy, disable-modern)");
        virtio_pci_unrealize(dev);
        return false;
    }
    set_ids(s, vdev, legacy);
    if (vectors_for(s, vdev)) {
        msix_init(&s->parent, vectors_for(s, vdev), BAR_MSIX);
    }
    if (!s->disable_modern) {
        make_modern(s);
    }
    if (legacy) {
        make_legacy(s, vdev);
    }
    virtio_reset(vdev);
    return true;
}

static void virtio_pci_unrealize(Device *dev)
{
    VirtIOPCI *s = (VirtIOPCI *)dev;
    if (s->bus.bus.devices) {
        bus_cleanup(&s->bus.bus);
    }
    pci_device_cleanup(&s->parent);
    for (size_t i = 0; s->has_modern && i < G_N_ELEMENTS(s->parts); i++) {
        memory_region_cleanup(&s->parts[i]);
    }
    if (s->has_modern) {
        memory_region_cleanup(&s->modern);
    }
    if (s->has_legacy) {
        memory_region_cleanup(&s->legacy);
    }
}

static void virtio_pci_reset(Device *dev)
{
    VirtIOPCI *s = (VirtIOPCI *)dev;
    s->device_sel = s->driver_sel = s->queue_sel = 0;
    pci_device_type.reset(dev);
}

/* The window onto the regions for those who can reach configuration space only (4.1.4.9). */
static void access_window(PCIDevice *dev, uint32_t offset, uint32_t len)
{
    VirtIOPCI *s = (VirtIOPCI *)dev;
    uint32_t data = s->access_cap + 16u;
    if (!s->access_cap || offset + len <= s->access_cap || offset >= data + 4) {
        return;
    }
    uint32_t at = pci_get32(dev, s->access_cap + 8u), size = pci_get32(dev, s->access_cap + 12u);
    size_t part = at / 0x1000;
    if (dev->config[s->access_cap + 4] != BAR_MODERN || at >= MODERN_SIZE ||
        (size != 1 && size != 2 && size != 4) || at % size) {
        return;
    }
    uint64_t val = pci_get32(dev, data);
    if (offset + len > data) {
        memory_region_write(&s->parts[part], at % 0x1000, val, size, NULL);
    }
}

const PCIDeviceOps virtio_pci_ops = { .config_written = access_window };

static const char *const choices[] = { "auto", "on", "off", NULL };

static const Property props[] = {
    { .name = "disable-legacy",
      .kind = PROP_ENUM,
      .offset = offsetof(VirtIOPCI, disable_legacy),
      .preset = "auto",
      .choices = choices,
      .doc = "no interface for drivers before virtio 1.0" },
    { .name = "disable-modern",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtIOPCI, disable_modern),
      .preset = "off",
      .doc = "only the interface before virtio 1.0" },
    { .name = "vectors",
      .kind = PROP_U32,
      .offset = offsetof(VirtIOPCI, vectors),
      .preset = "4294967295",
      .doc = "MSI-X vectors: 0 for none, else one for each queue and one more" },
    { .name = NULL },
};

const DeviceType virtio_pci_type = {
    .name = "virtio-pci",
    .parent = &pci_device_type,
    .size = sizeof(VirtIOPCI),
    .props = props,
    .realize = virtio_pci_realize,
    .unrealize = virtio_pci_unrealize,
    .reset = virtio_pci_reset,
    .ops = &virtio_pci_ops,
};

/* ---- the devices that come this way ------------------------------------------------------- */

VIRTIO_PCI_TYPE(virtio_blk_pci, "virtio-blk", "storage", "virtio disk", virtio_blk_type)
VIRTIO_PCI_TYPE(virtio_rng_pci, "virtio-rng", "misc", "virtio entropy", virtio_rng_type)
