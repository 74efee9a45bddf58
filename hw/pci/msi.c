/* SPDX-License-Identifier: MIT */
/* MSI: interrupts as writes, by registers in configuration space. PCI Local Bus Specification 3.0,
 * 6.8.1. */
#include <string.h>
#include "hw/pci/pci-internal.h"

/* In the capability, whose addresses have 64 bits. */
enum {
    CONTROL = 2,
    ADDRESS = 4,
    DATA = 12,
    MASK = 16,
    PENDING = 20,
    END = 24,

    CTRL_ENABLE = 1,
    CTRL_ENABLED_SHIFT = 4, /* log2 of the vectors that the guest allows; 1…3: those asked for */
    CTRL_64 = 1 << 7,
    CTRL_MASKS = 1 << 8,
};

static uint16_t control(const PCIDevice *dev)
{
    return pci_get16(dev, dev->msi.cap + CONTROL);
}

bool msi_enabled(const PCIDevice *dev)
{
    return dev->msi.cap && control(dev) & CTRL_ENABLE;
}

void msi_init(PCIDevice *dev, unsigned vectors, bool masks)
{
    unsigned log = (unsigned)__builtin_ctz(vectors);
    g_assert(vectors >= 1 && vectors <= 32 && !(vectors & (vectors - 1)));
    uint8_t at = pci_add_capability(dev, PCI_CAP_MSI, masks ? END : MASK);
    dev->msi = (MSI){ at, masks };
    pci_set16(dev, at + CONTROL, (uint16_t)(log << 1 | CTRL_64 | (masks ? CTRL_MASKS : 0)));
    dev->wmask[at + CONTROL] = CTRL_ENABLE | 7 << CTRL_ENABLED_SHIFT;
    memset(dev->wmask + at + ADDRESS, 0xff, 10);
    dev->wmask[at + ADDRESS] = 0xfc;
    if (masks) {
        memset(dev->wmask + at + MASK, 0xff, 4);
    }
}

static unsigned enabled_vectors(const PCIDevice *dev)
{
    unsigned asked = control(dev) >> 1 & 7, allowed = control(dev) >> CTRL_ENABLED_SHIFT & 7;
    return 1u << MIN(asked, allowed);
}

static void send(PCIDevice *dev, unsigned vector)
{
    const MemTxAttrs attrs = { .requester = pci_requester(dev) };
    uint64_t addr;
    uint32_t data = pci_get16(dev, dev->msi.cap + DATA);
    memcpy(&addr, dev->config + dev->msi.cap + ADDRESS, sizeof(addr));
    data = (data & ~(enabled_vectors(dev) - 1)) | vector;
    address_space_write(pci_dma(dev), addr, &attrs, &data, sizeof(data));
}

void msi_notify(PCIDevice *dev, unsigned vector)
{
    if (!msi_enabled(dev)) {
        return;
    }
    vector = MIN(vector, enabled_vectors(dev) - 1);
    uint32_t mask = dev->msi.masks ? pci_get32(dev, dev->msi.cap + MASK) : 0;
    if (mask >> vector & 1) {
        uint32_t pending = pci_get32(dev, dev->msi.cap + PENDING);
        pci_set32(dev, dev->msi.cap + PENDING, pending | 1u << vector);
    } else {
        send(dev, vector);
    }
}

/* What became pending while it was masked goes now. */
void msi_config_written(PCIDevice *dev, uint32_t offset, uint32_t len)
{
    uint32_t at = dev->msi.cap;
    if (!at || !dev->msi.masks || offset + len <= at || offset >= at + END || !msi_enabled(dev)) {
        return;
    }
    uint32_t pending = pci_get32(dev, at + PENDING), mask = pci_get32(dev, at + MASK);
    for (unsigned i = 0; i < enabled_vectors(dev); i++) {
        if ((pending & ~mask) >> i & 1) {
            pending &= ~(1u << i);
            pci_set32(dev, at + PENDING, pending);
            send(dev, i);
        }
    }
}
