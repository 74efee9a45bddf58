/* SPDX-License-Identifier: MIT */
/* MSI-X: interrupts as writes. PCI Local Bus Specification 3.0, 6.8.2. */
#include <string.h>
#include "hw/pci/pci-internal.h"
#include "util/round.h"

enum {
    ENTRY = 16,
    VECTOR_MASKED = 1,  /* in an entry's last word */
    CTRL_ENABLE = 0x80, /* of the upper byte of message control */
    CTRL_MASK_ALL = 0x40,
};

static uint8_t control(const PCIDevice *dev)
{
    return dev->config[dev->msix.cap + 3];
}

bool msix_enabled(const PCIDevice *dev)
{
    return dev->msix.cap && control(dev) & CTRL_ENABLE;
}

static uint8_t *entry(const PCIDevice *dev, unsigned vector)
{
    return dev->msix.table + ENTRY * vector;
}

static bool masked(const PCIDevice *dev, unsigned vector)
{
    return control(dev) & CTRL_MASK_ALL || entry(dev, vector)[12] & VECTOR_MASKED;
}

static void send(PCIDevice *dev, unsigned vector)
{
    uint64_t addr;
    MemTxAttrs attrs = { .requester = pci_requester(dev) };
    memcpy(&addr, entry(dev, vector), sizeof(addr));
    address_space_write(pci_dma(dev), addr, &attrs, entry(dev, vector) + 8, 4);
}

void msix_notify(PCIDevice *dev, uint16_t vector)
{
    if (!msix_enabled(dev) || vector >= dev->msix.nb) {
        return;
    }
    if (masked(dev, vector)) {
        dev->msix.pba[vector / 8] |= (uint8_t)(1u << (vector & 7));
    } else {
        send(dev, vector);
    }
}

/* What became pending while it was masked goes now. */
static void send_pending(PCIDevice *dev, unsigned vector)
{
    uint8_t *pba = &dev->msix.pba[vector / 8], bit = (uint8_t)(1u << (vector & 7));
    if (msix_enabled(dev) && *pba & bit && !masked(dev, vector)) {
        *pba &= (uint8_t)~bit;
        send(dev, vector);
    }
}

void msix_config_written(PCIDevice *dev, uint32_t offset, uint32_t len)
{
    uint32_t at = dev->msix.cap + 3u;
    if (dev->msix.cap && offset <= at && at - offset < len) {
        for (unsigned i = 0; i < dev->msix.nb; i++) {
            send_pending(dev, i);
        }
    }
}

static uint64_t table_read(void *opaque, hwaddr offset, unsigned size)
{
    PCIDevice *dev = opaque;
    uint64_t val = 0;
    memcpy(&val, dev->msix.table + offset, size);
    return val;
}

static void table_write(void *opaque, hwaddr offset, uint64_t val, unsigned size)
{
    PCIDevice *dev = opaque;
    memcpy(dev->msix.table + offset, &val, size);
    send_pending(dev, (unsigned)(offset / ENTRY));
}

static uint64_t pba_read(void *opaque, hwaddr offset, unsigned size)
{
    PCIDevice *dev = opaque;
    uint64_t val = 0;
    memcpy(&val, dev->msix.pba + offset, size);
    return val;
}

static void pba_write(void *opaque, hwaddr offset, uint64_t val, unsigned size)
{
    (void)opaque, (void)offset, (void)val, (void)size; /* read-only */
}

static const MemoryRegionOps table_ops = {
    .read = table_read,
    .write = table_write,
    .valid = { .min = 4, .max = 8 },
    .impl = { .min = 4, .max = 4 },
};
static const MemoryRegionOps pba_ops = {
    .read = pba_read,
    .write = pba_write,
    .impl = { .min = 1, .max = 8 },
};

void msix_init(PCIDevice *dev, uint16_t vectors, unsigned bar)
{
    MSIX *m = &dev->msix;
    uint32_t table = (uint32_t)vectors * ENTRY, pba = ROUND_UP(DIV_ROUND_UP(vectors, 8), 8);
    /* The PBA in the upper half, and pages of their own are not worth it. */
    uint64_t half = 2048;
    while (half < MAX(table, pba)) {
        half *= 2;
    }
    g_assert(vectors >= 1 && vectors <= 2048);
    m->cap = pci_add_capability(dev, PCI_CAP_MSIX, 12);
    m->nb = vectors;
    m->table = g_malloc0(table);
    m->pba = g_malloc0(pba);
    pci_set16(dev, m->cap + 2, vectors - 1);
    pci_set32(dev, m->cap + 4, bar);
    pci_set32(dev, m->cap + 8, (uint32_t)half | bar);
    dev->wmask[m->cap + 3] = CTRL_ENABLE | CTRL_MASK_ALL;
    memory_region_init(&m->bar, "msix", half * 2);
    memory_region_init_io(&m->table_region, "msix-table", table, &table_ops, dev);
    memory_region_init_io(&m->pba_region, "msix-pba", pba, &pba_ops, dev);
    memory_region_add(&m->bar, 0, &m->table_region, 0);
    memory_region_add(&m->bar, half, &m->pba_region, 0);
    pci_add_bar(dev, bar, 0, &m->bar);
    msix_reset(dev);
}

void msix_reset(PCIDevice *dev)
{
    for (unsigned i = 0; dev->msix.cap && i < dev->msix.nb; i++) {
        memset(entry(dev, i), 0, ENTRY);
        entry(dev, i)[12] = VECTOR_MASKED;
        dev->msix.pba[i / 8] = 0;
    }
}

void msix_cleanup(PCIDevice *dev)
{
    MSIX *m = &dev->msix;
    if (m->cap) {
        memory_region_cleanup(&m->table_region);
        memory_region_cleanup(&m->pba_region);
        memory_region_cleanup(&m->bar);
        g_free(m->table);
        g_free(m->pba);
        memset(m, 0, sizeof(*m));
    }
}
