/* SPDX-License-Identifier: MIT */
/* The generic PCI Express host as boards see it: type "gpex-pcihost". */
#ifndef HW_PCI_GPEX_H
#define HW_PCI_GPEX_H

#include "hw/pci/pci.h"

typedef struct GPEXHost {
    SysBusDevice parent; /* region 0: ECAM; irq 0 to 3: INTA to INTD */
    MemoryRegion ecam;
    MemoryRegion memory, io; /* what boards show windows of, by PCI address */
    PCIBus bus;              /* "pcie.0" */
    uint64_t ecam_size;
} GPEXHost;

#endif
