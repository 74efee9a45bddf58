/* SPDX-License-Identifier: MIT */
/*
 * PCI and PCI Express: devices with their configuration space, buses, interrupts. PCI Local Bus
 * Specification 3.0; PCI Express Base Specification 4.0.
 *
 * A device is a DeviceType on bus "pci" whose struct begins with a PCIDevice. Its realize fills in
 * the configuration header (pci_set_ids), capabilities and BARs. All under the big lock.
 */
#ifndef HW_PCI_PCI_H
#define HW_PCI_PCI_H

#include "hw/device.h"

enum {
    PCI_CONFIG_SIZE = 4096,
    PCI_VENDOR_ID = 0x00,
    PCI_DEVICE_ID = 0x02,
    PCI_COMMAND = 0x04,
    PCI_STATUS = 0x06,
    PCI_REVISION = 0x08,
    PCI_CLASS = 0x09, /* programming interface, subclass, class */
    PCI_CACHE_LINE = 0x0c,
    PCI_HEADER_TYPE = 0x0e,
    PCI_BAR0 = 0x10,
    PCI_PRIMARY_BUS = 0x18, /* bridges: primary, secondary, subordinate */
    PCI_SUBSYSTEM_VENDOR = 0x2c,
    PCI_SUBSYSTEM_ID = 0x2e,
    PCI_CAPABILITIES = 0x34,
    PCI_INTERRUPT_LINE = 0x3c,
    PCI_INTERRUPT_PIN = 0x3d,

    PCI_COMMAND_IO = 1,
    PCI_COMMAND_MEMORY = 2,
    PCI_COMMAND_MASTER = 4,
    PCI_COMMAND_INVALIDATE = 1 << 4, /* memory write and invalidate */
    PCI_COMMAND_NO_INTX = 1 << 10,
    PCI_STATUS_INTX = 1 << 3,
    PCI_STATUS_CAPABILITIES = 1 << 4,

    PCI_BRIDGE_CONTROL = 0x3e,
    PCI_BRIDGE_RESET = 1 << 6,

    PCI_CAP_MSI = 0x05,
    PCI_CAP_VENDOR = 0x09,
    PCI_CAP_EXPRESS = 0x10,
    PCI_CAP_MSIX = 0x11,

    PCI_BAR_IO = 1,
    PCI_BAR_64 = 4,
    PCI_BAR_PREFETCH = 8,
    PCI_NB_BARS = 6,
};

typedef struct PCIDevice PCIDevice;
typedef struct PCIBus PCIBus;

/* DeviceType.ops of PCI devices; may be NULL, and so may its members. */
typedef struct PCIDeviceOps {
    bool bridge; /* header type 1 */
    /* After a write to [offset, offset + len) has changed config. */
    void (*config_written)(PCIDevice *dev, uint32_t offset, uint32_t len);
} PCIDeviceOps;

typedef struct PCIBar {
    MemoryRegion *region; /* NULL: there is none */
    uint8_t flags;        /* PCI_BAR_* */
    bool mapped;
    hwaddr addr;
} PCIBar;

typedef struct MSIX {
    uint8_t cap; /* offset in config; 0: none */
    uint16_t nb; /* vectors */
    uint8_t *table, *pba;
    MemoryRegion bar, table_region, pba_region;
} MSIX;

typedef struct MSI {
    uint8_t cap; /* offset in config; 0: none */
    bool masks;  /* a mask bit for each vector */
} MSI;

struct PCIDevice {
    Device parent;
    int32_t addr; /* the property: devfn or -1 */
    bool multifunction;
    uint8_t devfn;
    PCIBus *bus;
    uint8_t config[PCI_CONFIG_SIZE];
    uint8_t wmask[PCI_CONFIG_SIZE];   /* bits that the guest may write */
    uint8_t w1cmask[PCI_CONFIG_SIZE]; /* bits that it clears by writing 1 */
    uint8_t next_cap;                 /* where the next capability goes */
    PCIBar bars[PCI_NB_BARS];
    MSIX msix;
    MSI msi;
    bool intx; /* the level that the device drives */
};

/* A bus whose devices come and go while the machine runs. */
typedef struct PCISlotOps {
    void (*plugged)(PCIBus *bus, PCIDevice *dev);
    bool (*unplug)(PCIBus *bus, PCIDevice *dev, GError **err);
} PCISlotOps;

struct PCIBus {
    Bus bus;
    PCIDevice *devices[256]; /* by devfn */
    PCIDevice *bridge;       /* NULL: a root */
    /* Of a root: */
    MemoryRegion *memory, *io; /* where BARs go */
    AddressSpace *dma;
    void (*set_irq)(void *host, int line, int level); /* line: INTA… INTD after swizzling */
    void *host;
    unsigned intx_count[4];
    bool only_slot0;         /* below an Express port there is one device */
    bool off;                /* without power: nothing on it answers */
    const PCISlotOps *slots; /* NULL: no hotplug */
};

extern const DeviceType pci_device_type; /* the parent of all: properties addr, multifunction */
extern const BusType pci_bus_type;
void pci_bus_init(PCIBus *bus, Device *parent, const char *name, PCIDevice *bridge);
/* Devices on it may come and go. */
void pci_bus_set_slots(PCIBus *bus, const PCISlotOps *ops);
/* Power off, or on again: then what is on it is as after power-on. */
void pci_bus_set_power(PCIBus *bus, bool on);
PCIBus *pci_root(PCIBus *bus);
unsigned pci_bus_number(const PCIBus *bus);

/* ---- for devices ---- */
void pci_set_ids(PCIDevice *dev, uint16_t vendor, uint16_t device, uint32_t class_code,
                 uint16_t sub_vendor, uint16_t sub_id);
uint16_t pci_get16(const PCIDevice *dev, uint32_t offset);
uint32_t pci_get32(const PCIDevice *dev, uint32_t offset);
void pci_set16(PCIDevice *dev, uint32_t offset, uint16_t val);
void pci_set32(PCIDevice *dev, uint32_t offset, uint32_t val);
/* The region's size is a power of 2; it stays the device's. A 64-bit BAR takes n and n + 1. */
void pci_add_bar(PCIDevice *dev, unsigned n, uint8_t flags, MemoryRegion *region);
/* Its offset: `size` bytes of config with id and next filled in. */
uint8_t pci_add_capability(PCIDevice *dev, uint8_t id, uint8_t size);
/* A table of vectors in a BAR of its own. */
void msix_init(PCIDevice *dev, uint16_t vectors, unsigned bar);
bool msix_enabled(const PCIDevice *dev);
void msix_notify(PCIDevice *dev, uint16_t vector);
/* Plain MSI with 64-bit addresses: 1, 2, 4, … 32 vectors. */
void msi_init(PCIDevice *dev, unsigned vectors, bool masks);
bool msi_enabled(const PCIDevice *dev);
/* Vectors beyond those that the guest has enabled become the last of them. */
void msi_notify(PCIDevice *dev, unsigned vector);
/* The interrupt pin (INTA), if the device has said PCI_INTERRUPT_PIN. */
void pci_set_intx(PCIDevice *dev, bool level);
/* Its realize has failed, or unrealize: what the calls above have made. */
void pci_device_cleanup(PCIDevice *dev);
AddressSpace *pci_dma(PCIDevice *dev);
uint32_t pci_requester(const PCIDevice *dev);

/* ---- for hosts ---- */
/* offset: bus << 20 | devfn << 12 | register. What is not there reads as ones. */
uint64_t pci_ecam_read(PCIBus *root, hwaddr offset, unsigned size);
void pci_ecam_write(PCIBus *root, hwaddr offset, uint64_t val, unsigned size);

#endif
