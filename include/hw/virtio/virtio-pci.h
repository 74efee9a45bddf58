/* SPDX-License-Identifier: MIT */
/* The PCI transport, and how a virtio device gets its PCI form: VIRTIO_PCI_TYPE beside the others
 * in hw/virtio/virtio-pci.c, or in the device's own file. */
#ifndef HW_VIRTIO_VIRTIO_PCI_H
#define HW_VIRTIO_VIRTIO_PCI_H

#include "hw/pci/pci.h"
#include "hw/virtio/virtio.h"

enum { CHOICE_AUTO, CHOICE_ON, CHOICE_OFF };
#define AUTO_VECTORS UINT32_MAX

typedef struct VirtIOPCI {
    PCIDevice parent;
    VirtIOBus bus;
    MemoryRegion modern, legacy, parts[4];
    bool has_modern, has_legacy;
    uint8_t access_cap;
    int disable_legacy; /* CHOICE_* */
    bool disable_modern;
    uint32_t vectors;
    uint32_t device_sel, driver_sel;
    uint16_t queue_sel;
} VirtIOPCI;

extern const DeviceType virtio_pci_type;

/* base: "virtio-net", which is an alias of "virtio-net-pci". */
#define VIRTIO_PCI_TYPE(var, base, group, text, inner_type)    \
    extern const DeviceType inner_type;                        \
    static const char *const var##_aliases[] = { base, NULL }; \
    static const DeviceType var = {                            \
        .name = base "-pci",                                   \
        .aliases = var##_aliases,                              \
        .category = group,                                     \
        .desc = text,                                          \
        .parent = &virtio_pci_type,                            \
        .inner = &inner_type,                                  \
        .size = sizeof(VirtIOPCI),                             \
        .user_creatable = true,                                \
        .hotpluggable = true,                                  \
    };                                                         \
    DEVICE_TYPE(var)

#endif
