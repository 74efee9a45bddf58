/* SPDX-License-Identifier: MIT */
/* What the files of PCI share. */
#ifndef HW_PCI_PCI_INTERNAL_H
#define HW_PCI_PCI_INTERNAL_H

#include "hw/pci/pci.h"

/* To the values after power-on: everything that the guest can write. */
void pci_device_reset(PCIDevice *dev);

void msix_config_written(PCIDevice *dev, uint32_t offset, uint32_t len);
void msix_reset(PCIDevice *dev);
void msix_cleanup(PCIDevice *dev);

void msi_config_written(PCIDevice *dev, uint32_t offset, uint32_t len);

/* A bridge's header (type 1): what the guest may write. */
void pci_bridge_init(PCIDevice *dev);

#endif
