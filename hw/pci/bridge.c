/* SPDX-License-Identifier: MIT */
/* PCI-to-PCI bridges: their header, and the plain ones as devices. PCI-to-PCI Bridge Architecture
 * Specification 1.2; PCI Express to PCI/PCI-X Bridge Specification 1.0. */
#include <stdio.h>
#include "hw/pci/pci-internal.h"

void pci_bridge_init(PCIDevice *dev)
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
        { 0x30, 0xff }, { 0x31, 0xff }, { 0x32, 0xff }, { 0x33, 0xff }, /* I/O window's top */
        { 0x3e, 0xff }, { 0x3f, 0x0f },                                 /* bridge control */
    };
    for (size_t i = 0; i < G_N_ELEMENTS(masks); i++) {
        dev->wmask[masks[i].at] = masks[i].mask;
    }
    dev->config[0x1c] = dev->config[0x1d] = 1; /* 32-bit I/O */
    dev->config[0x24] = dev->config[0x26] = 1; /* 64-bit prefetchable */
}

typedef struct PCIBridge {
    PCIDevice parent;
    PCIBus bus;
    uint8_t chassis;
} PCIBridge;

enum {
    VENDOR_REDHAT = 0x1b36,
    PCI_BRIDGE = 0x0001,
    PCIE_PCI_BRIDGE = 0x000e,
    CLASS_BRIDGE = 0x060400,
    EXPRESS_SIZE = 0x3c,
    TYPE_PCI_BRIDGE = 7,
};

static void add_bus(PCIBridge *s)
{
    Device *d = &s->parent.parent;
    char name[32];
    snprintf(name, sizeof(name), "pci.%02x.%x", s->parent.devfn >> 3, s->parent.devfn & 7u);
    pci_bus_init(&s->bus, d, d->id ? d->id : name, &s->parent);
}

static bool bridge_realize(Device *d, GError **err)
{
    PCIBridge *s = (PCIBridge *)d;
    (void)err;
    pci_set_ids(&s->parent, VENDOR_REDHAT, PCI_BRIDGE, CLASS_BRIDGE, 0, 0);
    pci_bridge_init(&s->parent);
    add_bus(s);
    return true;
}

static bool pcie_pci_realize(Device *d, GError **err)
{
    PCIBridge *s = (PCIBridge *)d;
    PCIDevice *dev = &s->parent;
    (void)err;
    pci_set_ids(dev, VENDOR_REDHAT, PCIE_PCI_BRIDGE, CLASS_BRIDGE, 0, 0);
    pci_bridge_init(dev);
    uint8_t at = pci_add_capability(dev, PCI_CAP_EXPRESS, EXPRESS_SIZE);
    pci_set16(dev, at + 2, 2 | TYPE_PCI_BRIDGE << 4);
    pci_set32(dev, at + 4, 1 << 15);     /* role-based errors */
    pci_set32(dev, at + 12, 1 | 1 << 4); /* 2.5 GT/s, one lane */
    pci_set16(dev, at + 18, 1 | 1 << 4);
    dev->wmask[at + 8] = 0xff;
    dev->wmask[at + 9] = 0x7f;
    add_bus(s);
    return true;
}

static void bridge_unrealize(Device *d)
{
    pci_device_cleanup((PCIDevice *)d);
}

static const Property props[] = {
    { .name = "chassis_nr",
      .kind = PROP_U8,
      .offset = offsetof(PCIBridge, chassis),
      .preset = "0",
      .doc = "chassis number" },
    { .name = NULL },
};

static const PCIDeviceOps ops = { .bridge = true };

static const DeviceType pci_bridge = {
    .name = "pci-bridge",
    .category = "bridge",
    .desc = "PCI bridge",
    .parent = &pci_device_type,
    .size = sizeof(PCIBridge),
    .props = props,
    .user_creatable = true,
    .hotpluggable = true,
    .realize = bridge_realize,
    .unrealize = bridge_unrealize,
    .ops = &ops,
};
DEVICE_TYPE(pci_bridge)

static const DeviceType pcie_pci_bridge = {
    .name = "pcie-pci-bridge",
    .category = "bridge",
    .desc = "PCI Express to PCI bridge",
    .parent = &pci_device_type,
    .size = sizeof(PCIBridge),
    .props = props,
    .user_creatable = true,
    .hotpluggable = true,
    .realize = pcie_pci_realize,
    .unrealize = bridge_unrealize,
    .ops = &ops,
};
DEVICE_TYPE(pcie_pci_bridge)
