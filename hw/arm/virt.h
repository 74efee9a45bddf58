/* SPDX-License-Identifier: MIT */
/* The machine virt: what its files share. */
#ifndef HW_ARM_VIRT_H
#define HW_ARM_VIRT_H

#include "hw/arm/boot.h"
#include "hw/intc/gic.h"
#include "hw/timer.h"

typedef enum VirtPlace {
    VIRT_FLASH,
    VIRT_GIC_DIST,
    VIRT_GIC_CPU,
    VIRT_GIC_V2M,
    VIRT_GIC_ITS,
    VIRT_GIC_REDIST,
    VIRT_UART,
    VIRT_RTC,
    VIRT_FW_CFG,
    VIRT_GPIO,
    VIRT_GED,
    VIRT_VIRTIO,
    VIRT_PLATFORM_BUS,
    VIRT_PCIE_MMIO,
    VIRT_PCIE_PIO,
    VIRT_PCIE_ECAM,
    VIRT_RAM,
    /* Above the RAM. */
    VIRT_HIGH_REDIST,
    VIRT_HIGH_ECAM,
    VIRT_HIGH_PCIE_MMIO,
    VIRT_PLACES
} VirtPlace;

/* SPI numbers. */
enum {
    VIRT_IRQ_UART = 1,
    VIRT_IRQ_RTC = 2,
    VIRT_IRQ_PCIE = 3, /* … 6: INTA to INTD */
    VIRT_IRQ_GPIO = 7,
    VIRT_IRQ_GED = 9,
    VIRT_IRQ_VIRTIO = 16, /* … 47 */
    VIRT_IRQ_V2M = 48,    /* … 111 */
    VIRT_NB_SPIS = 256,
    VIRT_NB_VIRTIO = 32,
    VIRT_MAX_CPUS = 512,
};

/* PPIs, as INTIDs. */
enum {
    VIRT_PPI_PMU = 23,
    VIRT_PPI_HYP_TIMER = 26,
    VIRT_PPI_VIRT_TIMER = 27,
    VIRT_PPI_HYPVIRT_TIMER = 28,
    VIRT_PPI_SEC_TIMER = 29,
    VIRT_PPI_PHYS_TIMER = 30,
};

typedef struct VirtRange {
    hwaddr base;
    uint64_t size; /* 0: not there */
} VirtRange;

typedef struct VirtMachine {
    Machine parent;
    int gic_choice; /* the property */
    bool highmem, its, highmem_ecam, highmem_mmio, highmem_redists;
    bool secure, virtualization, mte, acpi;
    char *dumpacpi; /* a folder to write the tables to */

    int gic_version;
    bool has_its, has_pcie, has_flash, has_fw_cfg, has_virtio;
    VirtRange map[VIRT_PLACES];
    GICDevice *gic;
    VCPU **cpus;
    MemoryRegion system, pcie_mmio, pcie_high;
    AddressSpace memory;
    ArmBoot boot;
    bool direct; /* the kernel is started without firmware */
    Device *gpio, *ged, *fw_cfg;
    SysBusDevice *flash[2];
    IRQLine power_key;
    Timer power_timer; /* of the key's release */
} VirtMachine;

bool virt_make_flash(VirtMachine *m, GError **err);
bool virt_make_fw_cfg(VirtMachine *m, GError **err);
bool virt_has_firmware(const VirtMachine *m);
bool virt_offer_kernel(VirtMachine *m, GError **err);
bool virt_offer_boot_order(VirtMachine *m, GError **err);
/* ACPI tables of what there is, offered to firmware. */
bool virt_make_acpi(VirtMachine *m, GError **err);
/* The namespace: the body of the DSDT. */
GByteArray *virt_make_dsdt(const VirtMachine *m);
/* A device tree of what there is, in a g_malloc'd buffer with room for more. */
void *virt_make_dtb(VirtMachine *m, GError **err);

#endif
