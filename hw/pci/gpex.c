/* SPDX-License-Identifier: MIT */
/* A generic PCI Express host: configuration by ECAM, windows for memory and I/O, four interrupt
 * lines. Linux: Documentation/devicetree/bindings/pci/host-generic-pci.yaml. */
#include "hw/machine.h"
#include "hw/pci/gpex.h"

static uint64_t ecam_read(void *opaque, hwaddr offset, unsigned size)
{
    return pci_ecam_read(opaque, offset, size);
}

static void ecam_write(void *opaque, hwaddr offset, uint64_t val, unsigned size)
{
    pci_ecam_write(opaque, offset, val, size);
}

static const MemoryRegionOps ecam_ops = {
    .read = ecam_read,
    .write = ecam_write,
    .impl = { .min = 1, .max = 4 },
};

/* An I/O window answers everywhere, as on a PC: ones where nothing is. */
static uint64_t no_io_read(void *opaque, hwaddr offset, unsigned size)
{
    (void)opaque, (void)offset, (void)size;
    return ~0ull;
}

static void no_io_write(void *opaque, hwaddr offset, uint64_t val, unsigned size)
{
    (void)opaque, (void)offset, (void)val, (void)size;
}

static const MemoryRegionOps no_io_ops = { .read = no_io_read, .write = no_io_write };

static void set_irq(void *host, int line, int level)
{
    GPEXHost *s = host;
    irq_set(&s->parent.irq[line], level);
}

static bool gpex_realize(Device *dev, GError **err)
{
    GPEXHost *s = (GPEXHost *)dev;
    memory_region_init(&s->memory, "pcie-mmio", UINT64_MAX);
    memory_region_init_io(&s->io, "pcie-ioport", 0x10000, &no_io_ops, s);
    memory_region_init_io(&s->ecam, "pcie-ecam", s->ecam_size, &ecam_ops, &s->bus);
    s->parent.mmio[0] = &s->ecam;
    pci_bus_init(&s->bus, dev, "pcie.0", NULL);
    s->bus.memory = &s->memory;
    s->bus.io = &s->io;
    s->bus.dma = machine_current() ? machine_current()->memory : NULL;
    s->bus.set_irq = set_irq;
    s->bus.host = s;
    Device *bridge = device_new(device_type_find("gpex-root"), NULL);
    return device_set_prop(bridge, "addr", "0", err) && device_realize(bridge, &s->bus.bus, err);
}

static void gpex_unrealize(Device *dev)
{
    GPEXHost *s = (GPEXHost *)dev;
    memory_region_cleanup(&s->ecam);
    memory_region_cleanup(&s->io);
    memory_region_cleanup(&s->memory);
}

static const Property props[] = {
    { .name = "ecam-size",
      .kind = PROP_SIZE,
      .offset = offsetof(GPEXHost, ecam_size),
      .preset = "256M",
      .doc = "bytes of configuration space: 1 MiB a bus" },
    { .name = NULL },
};

static const DeviceType gpex = {
    .name = "gpex-pcihost",
    .bus = "sysbus",
    .category = "bridge",
    .desc = "PCI Express host",
    .size = sizeof(GPEXHost),
    .props = props,
    .realize = gpex_realize,
    .unrealize = gpex_unrealize,
};
DEVICE_TYPE(gpex)

/* ---- the host's own place on the bus ------------------------------------------------------ */

enum { VENDOR_REDHAT = 0x1b36, GPEX_ROOT = 0x0008, CLASS_HOST_BRIDGE = 0x060000 };

static bool root_realize(Device *dev, GError **err)
{
    (void)err;
    pci_set_ids((PCIDevice *)dev, VENDOR_REDHAT, GPEX_ROOT, CLASS_HOST_BRIDGE, 0x1af4, 0x1100);
    return true;
}

static const DeviceType gpex_root = {
    .name = "gpex-root",
    .category = "bridge",
    .desc = "PCI Express host bridge",
    .parent = &pci_device_type,
    .size = sizeof(PCIDevice),
    .realize = root_realize,
};
DEVICE_TYPE(gpex_root)
