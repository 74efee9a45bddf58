/* SPDX-License-Identifier: MIT */
/* A PCI Express root port: a bridge to one slot. PCI Express Base Specification 4.0, 7.5. */
#include <stdio.h>
#include "hw/pci/pci-internal.h"

enum {
    VENDOR_REDHAT = 0x1b36,
    ROOT_PORT = 0x000c,
    CLASS_BRIDGE = 0x060400,
    EXPRESS_SIZE = 0x3c,
    TYPE_ROOT_PORT = 4,
    NB_VECTORS = 1,
};

typedef struct RootPort {
    PCIDevice parent;
    PCIBus bus;
    uint8_t chassis, port;
    uint16_t slot;
} RootPort;

static void write_masks(PCIDevice *dev)
{
    static const struct {
        uint8_t at, mask;
    } masks[] = {
        { 0x18, 0xff }, { 0x19, 0xff }, { 0x1a, 0xff },                 /* bus numbers */
        { 0x1c, 0xf0 }, { 0x1d, 0xf0 },                                 /* I/O window */
        { 0x20, 0xf0 }, { 0x21, 0xff }, { 0x22, 0xf0 }, { 0x23, 0xff }, /* memory */
        { 0x24, 0xf0 }, { 0x25, 0xff }, { 0x26, 0xf0 }, { 0x27, 0xff }, /* prefetchable */
        { 0x28, 0xff }, { 0x29, 0xff }, { 0x2a, 0xff }, { 0x2b, 0xff },
        { 0x2c, 0xff }, { 0x2d, 0xff }, { 0x2e, 0xff }, { 0x2f, 0xff },
        { 0x3e, 0xff }, { 0x3f, 0x0f }, /* bridge control */
    };
    for (size_t i = 0; i < G_N_ELEMENTS(masks); i++) {
        dev->wmask[masks[i].at] = masks[i].mask;
    }
    dev->config[0x1c] = dev->config[0x1d] = 1; /* 32-bit I/O */
    dev->config[0x24] = dev->config[0x26] = 1; /* 64-bit prefetchable */
}

static void add_express(RootPort *s)
{
    PCIDevice *dev = &s->parent;
    uint8_t at = pci_add_capability(dev, PCI_CAP_EXPRESS, EXPRESS_SIZE);
    pci_set16(dev, at + 2, 2 | TYPE_ROOT_PORT << 4 | 1 << 8);      /* version 2, with a slot */
    pci_set32(dev, at + 4, 1 << 15);                               /* role-based errors */
    pci_set32(dev, at + 12, 4 | 1 << 4 | (uint32_t)s->port << 24); /* 16 GT/s, one lane */
    pci_set16(dev, at + 18, 4 | 1 << 4 | 1 << 13);                 /* the link is active */
    pci_set32(dev, at + 20, (uint32_t)s->slot << 19);
    dev->wmask[at + 8] = 0xff; /* device control */
    dev->wmask[at + 9] = 0x7f;
    dev->wmask[at + 16] = 0xf8; /* link control */
    dev->wmask[at + 24] = 0xff; /* slot control */
    dev->wmask[at + 28] = 0x1f; /* root control */
}

static bool port_realize(Device *d, GError **err)
{
    RootPort *s = (RootPort *)d;
    PCIDevice *dev = &s->parent;
    char name[32];
    if (dev->bus->bridge) {
        g_set_error(err, HW_ERROR, 0, "a root port goes on the root bus only");
        return false;
    }
    pci_set_ids(dev, VENDOR_REDHAT, ROOT_PORT, CLASS_BRIDGE, 0, 0);
    write_masks(dev);
    dev->config[PCI_INTERRUPT_PIN] = 1;
    add_express(s);
    msix_init(dev, NB_VECTORS, 0);
    snprintf(name, sizeof(name), "pcie.port%02x%x", dev->devfn >> 3, dev->devfn & 7u);
    pci_bus_init(&s->bus, d, d->id ? d->id : name, dev);
    s->bus.only_slot0 = true;
    return true;
}

static void port_unrealize(Device *d)
{
    pci_device_cleanup((PCIDevice *)d);
}

static const Property props[] = {
    { .name = "chassis",
      .kind = PROP_U8,
      .offset = offsetof(RootPort, chassis),
      .preset = "0",
      .doc = "chassis number of the slot" },
    { .name = "port",
      .kind = PROP_U8,
      .offset = offsetof(RootPort, port),
      .preset = "0",
      .doc = "port number" },
    { .name = "slot",
      .kind = PROP_U16,
      .offset = offsetof(RootPort, slot),
      .preset = "0",
      .doc = "physical slot number" },
    { .name = NULL },
};

static const PCIDeviceOps ops = { .bridge = true };

static const DeviceType root_port = {
    .name = "pcie-root-port",
    .category = "bridge",
    .desc = "PCI Express root port",
    .parent = &pci_device_type,
    .size = sizeof(RootPort),
    .props = props,
    .user_creatable = true,
    .realize = port_realize,
    .unrealize = port_unrealize,
    .ops = &ops,
};
DEVICE_TYPE(root_port)
