/* SPDX-License-Identifier: MIT */
/* PCI devices and buses: configuration space, BARs, INTx. */
#include <stdio.h>
#include <string.h>
#include "hw/pci/pci-internal.h"
#include "util/log.h"

uint16_t pci_get16(const PCIDevice *dev, uint32_t offset)
{
    uint16_t val;
    memcpy(&val, dev->config + offset, sizeof(val));
    return val;
}

uint32_t pci_get32(const PCIDevice *dev, uint32_t offset)
{
    uint32_t val;
    memcpy(&val, dev->config + offset, sizeof(val));
    return val;
}

void pci_set16(PCIDevice *dev, uint32_t offset, uint16_t val)
{
    memcpy(dev->config + offset, &val, sizeof(val));
}

void pci_set32(PCIDevice *dev, uint32_t offset, uint32_t val)
{
    memcpy(dev->config + offset, &val, sizeof(val));
}

static const PCIDeviceOps *pci_ops(const PCIDevice *dev)
{
    const DeviceType *type = dev->parent.type;
    while (type && !type->ops) {
        type = type->parent;
    }
    return type ? type->ops : NULL;
}

static bool is_bridge(const PCIDevice *dev)
{
    const PCIDeviceOps *ops = pci_ops(dev);
    return ops && ops->bridge;
}

PCIBus *pci_root(PCIBus *bus)
{
    while (bus->bridge) {
        bus = bus->bridge->bus;
    }
    return bus;
}

unsigned pci_bus_number(const PCIBus *bus)
{
    return bus->bridge ? bus->bridge->config[PCI_PRIMARY_BUS + 1] : 0;
}

AddressSpace *pci_dma(PCIDevice *dev)
{
    return pci_root(dev->bus)->dma;
}

uint32_t pci_requester(const PCIDevice *dev)
{
    return pci_bus_number(dev->bus) << 8 | dev->devfn;
}

/* ---- setting up -------------------------------------------------------------------------- */

void pci_set_ids(PCIDevice *dev, uint16_t vendor, uint16_t device, uint32_t class_code,
                 uint16_t sub_vendor, uint16_t sub_id)
{
    pci_set16(dev, PCI_VENDOR_ID, vendor);
    pci_set16(dev, PCI_DEVICE_ID, device);
    memcpy(dev->config + PCI_CLASS, &class_code, 3);
    dev->config[PCI_HEADER_TYPE] = (uint8_t)(is_bridge(dev) | dev->multifunction << 7);
    if (!is_bridge(dev)) {
        pci_set16(dev, PCI_SUBSYSTEM_VENDOR, sub_vendor);
        pci_set16(dev, PCI_SUBSYSTEM_ID, sub_id);
    }
    dev->wmask[PCI_COMMAND] = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
    dev->wmask[PCI_COMMAND + 1] = (PCI_COMMAND_NO_INTX | 1 << 8) >> 8;
    dev->wmask[PCI_INTERRUPT_LINE] = 0xff;
}

uint8_t pci_add_capability(PCIDevice *dev, uint8_t id, uint8_t size)
{
    uint8_t at = dev->next_cap ? dev->next_cap : 0x40;
    g_assert(at + size <= 256);
    dev->config[at] = id;
    dev->config[at + 1] = dev->config[PCI_CAPABILITIES];
    dev->config[PCI_CAPABILITIES] = at;
    dev->next_cap = (uint8_t)((at + size + 3) & ~3);
    pci_set16(dev, PCI_STATUS, pci_get16(dev, PCI_STATUS) | PCI_STATUS_CAPABILITIES);
    return at;
}

void pci_add_bar(PCIDevice *dev, unsigned n, uint8_t flags, MemoryRegion *region)
{
    uint64_t size = region->size, mask = ~(size - 1);
    uint32_t at = PCI_BAR0 + 4 * n;
    g_assert(size >= 16 && !(size & (size - 1)) && !dev->bars[n].region);
    dev->bars[n] = (PCIBar){ .region = region, .flags = flags };
    dev->config[at] = flags;
    memcpy(dev->wmask + at, &mask, flags & PCI_BAR_64 ? 8 : 4);
}

void pci_device_cleanup(PCIDevice *dev)
{
    pci_set_intx(dev, false);
    for (unsigned i = 0; i < PCI_NB_BARS; i++) {
        if (dev->bars[i].mapped) {
            memory_region_del(dev->bars[i].region->container, dev->bars[i].region);
        }
        dev->bars[i] = (PCIBar){ NULL, 0, false, 0 };
    }
    msix_cleanup(dev);
}

/* ---- BARs -------------------------------------------------------------------------------- */

/* Whether the way from the root to the device lets such accesses through. */
static bool decodes(const PCIDevice *dev, uint16_t command_bit)
{
    while (dev && pci_get16(dev, PCI_COMMAND) & command_bit && !dev->bus->off) {
        dev = dev->bus->bridge;
    }
    return !dev;
}

static hwaddr bar_address(const PCIDevice *dev, unsigned n)
{
    const PCIBar *bar = &dev->bars[n];
    uint64_t addr = pci_get32(dev, PCI_BAR0 + 4 * n);
    if (bar->flags & PCI_BAR_64) {
        addr |= (uint64_t)pci_get32(dev, PCI_BAR0 + 4 * n + 4) << 32;
    }
    return addr & ~(bar->region->size - 1);
}

/* Memory at 0: nothing has been assigned yet. I/O at 0 is a place like others: the window's first,
 * which firmware gives away. At the top, sizes are asked for. */
static bool sensible(const PCIBar *bar, hwaddr addr)
{
    uint64_t limit = bar->flags & PCI_BAR_IO   ? 0xffff
                     : bar->flags & PCI_BAR_64 ? UINT64_MAX
                                               : UINT32_MAX;
    uint64_t last = addr + bar->region->size - 1;
    return (addr != 0 || bar->flags & PCI_BAR_IO) && last > addr && last < limit;
}

static void update_bar(PCIDevice *dev, unsigned n)
{
    PCIBar *bar = &dev->bars[n];
    if (!bar->region) {
        return;
    }
    bool io = bar->flags & PCI_BAR_IO;
    hwaddr addr = bar_address(dev, n);
    bool on = decodes(dev, io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY) && sensible(bar, addr);
    if (on == bar->mapped && (!on || addr == bar->addr)) {
        return;
    }
    PCIBus *root = pci_root(dev->bus);
    MemoryRegion *space = io ? root->io : root->memory;
    memory_transaction_begin();
    if (bar->mapped) {
        memory_region_del(space, bar->region);
    }
    if (on) {
        memory_region_add(space, addr, bar->region, 1);
    }
    bar->mapped = on;
    bar->addr = addr;
    memory_transaction_commit();
}

static PCIBus *secondary(const PCIDevice *dev)
{
    return is_bridge(dev) && dev->parent.buses && dev->parent.buses->len
               ? dev->parent.buses->pdata[0]
               : NULL;
}

static void update_bars(PCIDevice *dev)
{
    memory_transaction_begin();
    for (unsigned i = 0; i < PCI_NB_BARS; i++) {
        update_bar(dev, i);
    }
    PCIBus *below = secondary(dev);
    for (unsigned i = 0; below && i < 256; i++) {
        if (below->devices[i]) {
            update_bars(below->devices[i]);
        }
    }
    memory_transaction_commit();
}

/* ---- INTx -------------------------------------------------------------------------------- */

/* Each bridge rotates the pins by the device's slot; so does the host. */
static void drive_intx(PCIDevice *dev, int change)
{
    unsigned pin = dev->config[PCI_INTERRUPT_PIN] - 1u;
    PCIBus *bus = dev->bus;
    pin = (pin + (dev->devfn >> 3)) & 3;
    for (; bus->bridge; bus = bus->bridge->bus) {
        pin = (pin + (bus->bridge->devfn >> 3)) & 3;
    }
    bus->intx_count[pin] += (unsigned)change;
    bus->set_irq(bus->host, (int)pin, bus->intx_count[pin] != 0);
}

static bool intx_driven(const PCIDevice *dev)
{
    return dev->intx && !(pci_get16(dev, PCI_COMMAND) & PCI_COMMAND_NO_INTX);
}

void pci_set_intx(PCIDevice *dev, bool level)
{
    bool before = intx_driven(dev);
    if (!dev->config[PCI_INTERRUPT_PIN]) {
        return;
    }
    dev->intx = level;
    uint16_t status = pci_get16(dev, PCI_STATUS) & (uint16_t)~PCI_STATUS_INTX;
    pci_set16(dev, PCI_STATUS, status | (level ? PCI_STATUS_INTX : 0));
    if (intx_driven(dev) != before) {
        drive_intx(dev, before ? -1 : 1);
    }
}

/* ---- configuration space ----------------------------------------------------------------- */

static void reset_below(const PCIBus *bus)
{
    for (unsigned i = 0; i < 256; i++) {
        if (bus->devices[i]) {
            device_reset_tree(&bus->devices[i]->parent);
        }
    }
}

static void config_write(PCIDevice *dev, uint32_t offset, uint64_t val, unsigned size)
{
    const PCIDeviceOps *ops = pci_ops(dev);
    const PCIBus *below = secondary(dev);
    bool intx_before = intx_driven(dev);
    bool in_reset = below && dev->config[PCI_BRIDGE_CONTROL] & PCI_BRIDGE_RESET;
    for (unsigned i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)(val >> i * 8), *c = &dev->config[offset + i];
        uint8_t mask = dev->wmask[offset + i];
        *c = (uint8_t)((*c & ~mask) | (byte & mask));
        *c &= (uint8_t) ~(byte & dev->w1cmask[offset + i]);
    }
    if (offset < PCI_CAPABILITIES) {
        update_bars(dev);
    }
    if (intx_driven(dev) != intx_before) {
        drive_intx(dev, intx_before ? -1 : 1);
    }
    if (below && !in_reset && dev->config[PCI_BRIDGE_CONTROL] & PCI_BRIDGE_RESET) {
        reset_below(below);
    }
    msix_config_written(dev, offset, size);
    msi_config_written(dev, offset, size);
    if (ops && ops->config_written) {
        ops->config_written(dev, offset, size);
    }
}

static PCIBus *find_bus(PCIBus *bus, unsigned number)
{
    if (bus->off) {
        return NULL;
    }
    if (number == pci_bus_number(bus)) {
        return bus;
    }
    for (unsigned i = 0; i < 256; i++) {
        PCIBus *below = bus->devices[i] ? secondary(bus->devices[i]) : NULL;
        const uint8_t *numbers = below ? bus->devices[i]->config + PCI_PRIMARY_BUS : NULL;
        if (below && numbers[1] && number >= numbers[1] && number <= numbers[2]) {
            return find_bus(below, number);
        }
    }
    return NULL;
}

static PCIDevice *find_device(PCIBus *root, hwaddr offset)
{
    PCIBus *bus = find_bus(root, offset >> 20 & 0xff);
    return bus ? bus->devices[offset >> 12 & 0xff] : NULL;
}

uint64_t pci_ecam_read(PCIBus *root, hwaddr offset, unsigned size)
{
    const PCIDevice *dev = find_device(root, offset);
    uint64_t val = ~0ull;
    if (dev) {
        val = 0;
        memcpy(&val, dev->config + (offset & 0xfff), size);
    }
    return val;
}

void pci_ecam_write(PCIBus *root, hwaddr offset, uint64_t val, unsigned size)
{
    PCIDevice *dev = find_device(root, offset);
    if (dev) {
        config_write(dev, offset & 0xfff, val, size);
    }
}

void pci_device_reset(PCIDevice *dev)
{
    pci_set_intx(dev, false);
    for (uint32_t i = 0; i < PCI_CONFIG_SIZE; i++) {
        dev->config[i] &= (uint8_t) ~(dev->wmask[i] | dev->w1cmask[i]);
    }
    for (unsigned i = 0; i < PCI_NB_BARS; i++) {
        if (dev->bars[i].region) {
            dev->config[PCI_BAR0 + 4 * i] = dev->bars[i].flags;
        }
    }
    update_bars(dev);
    msix_reset(dev);
}

/* ---- the type and the bus ---------------------------------------------------------------- */

static void device_reset(Device *dev)
{
    pci_device_reset((PCIDevice *)dev);
}

static bool free_place(const PCIBus *bus, int32_t *devfn)
{
    unsigned slots = bus->only_slot0 ? 1 : 32;
    /* Slot 0 of the root is the host bridge's. */
    for (unsigned slot = bus->bridge ? 0 : 1; slot < slots; slot++) {
        if (!bus->devices[slot << 3]) {
            *devfn = (int32_t)(slot << 3);
            return true;
        }
    }
    return false;
}

static bool attach(Bus *b, Device *d, GError **err)
{
    PCIBus *bus = (PCIBus *)b;
    PCIDevice *dev = (PCIDevice *)d;
    int32_t devfn = dev->addr;
    if (devfn < 0 && !free_place(bus, &devfn)) {
        g_set_error(err, HW_ERROR, 0, "bus '%s' has no free slot", b->name);
        return false;
    }
    if (bus->devices[devfn] || (bus->only_slot0 && devfn >> 3)) {
        g_set_error(err, HW_ERROR, 0, "addr=%02x.%x of bus '%s' is %s", (unsigned)devfn >> 3,
                    devfn & 7, b->name,
                    bus->devices[devfn] ? "taken" : "not there: only slot 0 is");
        return false;
    }
    dev->devfn = (uint8_t)devfn;
    dev->bus = bus;
    bus->devices[devfn] = dev;
    return true;
}

static void detach(Bus *b, Device *d)
{
    ((PCIBus *)b)->devices[((PCIDevice *)d)->devfn] = NULL;
}

static void plugged(Bus *b, Device *dev)
{
    PCIBus *bus = (PCIBus *)b;
    bus->slots->plugged(bus, (PCIDevice *)dev);
}

static bool unplug(Bus *b, Device *dev, GError **err)
{
    PCIBus *bus = (PCIBus *)b;
    return bus->slots->unplug(bus, (PCIDevice *)dev, err);
}

static void firmware_name(const Bus *b, const Device *d, GString *path)
{
    static const struct {
        uint16_t class_code;
        const char *name;
    } names[] = { { 0x0100, "scsi" }, { 0x0200, "ethernet" }, { 0x0604, "pci-bridge" } };
    const PCIDevice *dev = (const PCIDevice *)d;
    uint16_t class_code = pci_get16(dev, PCI_CLASS + 1);
    g_autofree char *name =
        g_strdup_printf("pci%x,%x", pci_get16(dev, PCI_VENDOR_ID), pci_get16(dev, PCI_DEVICE_ID));
    const char *known = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        known = names[i].class_code == class_code ? names[i].name : known;
    }
    if (!((const PCIBus *)b)->bridge) {
        g_string_append(path, "/pci@i0cf8"); /* the only root, however it is reached */
    }
    g_string_append_printf(path, "/%s@%x", known ? known : name, dev->devfn >> 3);
    if (dev->devfn & 7) {
        g_string_append_printf(path, ",%x", dev->devfn & 7u);
    }
    if (class_code == 0x0200 && !d->inner) { /* what a transport carries says so itself */
        g_string_append(path, "/ethernet-phy@0");
    }
}

const BusType pci_bus_type = { .name = "pci",
                               .attach = attach,
                               .detach = detach,
                               .plugged = plugged,
                               .unplug = unplug,
                               .firmware_name = firmware_name };

void pci_bus_set_slots(PCIBus *bus, const PCISlotOps *ops)
{
    bus->slots = ops;
    bus->bus.hotplug = ops != NULL;
}

void pci_bus_set_power(PCIBus *bus, bool on)
{
    if (bus->off == !on) {
        return;
    }
    bus->off = !on;
    reset_below(bus);
}

void pci_bus_init(PCIBus *bus, Device *parent, const char *name, PCIDevice *bridge)
{
    bus_init(&bus->bus, &pci_bus_type, parent, name);
    bus->bridge = bridge;
}

static const Property props[] = {
    { .name = "addr",
      .kind = PROP_DEVFN,
      .offset = offsetof(PCIDevice, addr),
      .preset = "-1",
      .doc = "slot and function" },
    { .name = "multifunction",
      .kind = PROP_BOOL,
      .offset = offsetof(PCIDevice, multifunction),
      .preset = "off",
      .doc = "more functions are in this slot" },
    { .name = NULL },
};

const DeviceType pci_device_type = {
    .name = "pci-device",
    .bus = "pci",
    .size = sizeof(PCIDevice),
    .props = props,
    .reset = device_reset,
};
