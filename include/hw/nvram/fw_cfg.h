/* SPDX-License-Identifier: MIT */
/*
 * fw_cfg: items by number, files by name, that firmware and kernels read (and some write) through
 * a selector and a data register, or by DMA. Linux: Documentation/firmware-guide,
 * uapi/linux/qemu_fw_cfg.h.
 */
#ifndef HW_NVRAM_FW_CFG_H
#define HW_NVRAM_FW_CFG_H

#include "hw/device.h"

enum {
    FW_CFG_SIGNATURE = 0x00,
    FW_CFG_ID = 0x01,
    FW_CFG_UUID = 0x02,
    FW_CFG_NOGRAPHIC = 0x04,
    FW_CFG_NB_CPUS = 0x05,
    FW_CFG_KERNEL_ADDR = 0x07,
    FW_CFG_KERNEL_SIZE = 0x08,
    FW_CFG_INITRD_ADDR = 0x0a,
    FW_CFG_INITRD_SIZE = 0x0b,
    FW_CFG_BOOT_MENU = 0x0e,
    FW_CFG_MAX_CPUS = 0x0f,
    FW_CFG_KERNEL_DATA = 0x11,
    FW_CFG_INITRD_DATA = 0x12,
    FW_CFG_CMDLINE_SIZE = 0x14,
    FW_CFG_CMDLINE_DATA = 0x15,
    FW_CFG_FILE_DIR = 0x19,
    FW_CFG_FILE_FIRST = 0x20,
    FW_CFG_FILE_SLOTS = 64,
};

/* Replaces what is there; takes a reference. */
void fw_cfg_set(Device *dev, uint16_t key, GBytes *data);
void fw_cfg_set_bytes(Device *dev, uint16_t key, const void *data, size_t len);
void fw_cfg_set_u16(Device *dev, uint16_t key, uint16_t val);
void fw_cfg_set_u32(Device *dev, uint16_t key, uint32_t val);
/*
 * A file; another of the same name is replaced. written: the guest may write to it, and has done so
 * at [offset, offset + len); NULL: it may not. False: *err, there is no slot left, or the name (at
 * most 55 characters) is too long.
 */
typedef void (*FwCfgWritten)(void *opaque, const uint8_t *data, size_t offset, size_t len);
bool fw_cfg_add_file(Device *dev, const char *name, GBytes *data, FwCfgWritten written,
                     void *opaque, GError **err);
/* The machine's, or NULL. */
Device *fw_cfg_find(void);

#endif
