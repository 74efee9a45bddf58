/* SPDX-License-Identifier: MIT */
/* pvpanic as a PCI device: a guest's kernel says that it is lost. Linux: uapi/misc/pvpanic.h and
 * drivers/misc/pvpanic. */
#include "hw/pci/pci.h"
#include "hw/vcpu.h"

enum {
    VENDOR_REDHAT = 0x1b36,
    PVPANIC = 0x0011,
    CLASS_SYSTEM_OTHER = 0x088000,
    PANICKED = 1 << 0,
    CRASH_LOADED = 1 << 1, /* a crash kernel will look after it */
    BAR_SIZE = 16,
};

typedef struct PVPanic {
    PCIDevice parent;
    MemoryRegion region;
    uint8_t events; /* those that the guest may tell of */
} PVPanic;

static uint64_t pvpanic_read(void *opaque, hwaddr offset, unsigned size)
{
    (void)size;
    return offset == 0 ? ((PVPanic *)opaque)->events : 0;
}

static void pvpanic_write(void *opaque, hwaddr offset, uint64_t val, unsigned size)
{
    const PVPanic *s = opaque;
    (void)size;
    val &= s->events;
    if (offset == 0 && val & PANICKED) {
        system_panic_request();
    } else if (offset == 0 && val & CRASH_LOADED) {
        system_crash_loaded_request();
    }
}

static const MemoryRegionOps ops = {
    .read = pvpanic_read,
    .write = pvpanic_write,
    .impl = { .min = 1, .max = 1 },
};

static bool pvpanic_realize(Device *dev, GError **err)
{
    PVPanic *s = (PVPanic *)dev;
    (void)err;
    pci_set_ids(&s->parent, VENDOR_REDHAT, PVPANIC, CLASS_SYSTEM_OTHER, 0x1af4, 0x1100);
    s->parent.config[PCI_REVISION] = 1;
    memory_region_init_io(&s->region, "pvpanic", BAR_SIZE, &ops, s);
    pci_add_bar(&s->parent, 0, 0, &s->region);
    return true;
}

static void pvpanic_unrealize(Device *dev)
{
    PVPanic *s = (PVPanic *)dev;
    pci_device_cleanup(&s->parent);
    memory_region_cleanup(&s->region);
}

static const Property props[] = {
    { .name = "events",
      .kind = PROP_U8,
      .offset = offsetof(PVPanic, events),
      .preset = "3",
      .max = PANICKED | CRASH_LOADED,
      .doc = "what the guest may tell of: 1 a panic, 2 that a crash kernel takes over" },
    { .name = NULL },
};

static const DeviceType pvpanic = {
    .name = "pvpanic-pci",
    .category = "misc",
    .desc = "tells the host of a guest's panic",
    .parent = &pci_device_type,
    .size = sizeof(PVPanic),
    .props = props,
    .user_creatable = true,
    .hotpluggable = true,
    .realize = pvpanic_realize,
    .unrealize = pvpanic_unrealize,
};
DEVICE_TYPE(pvpanic)
