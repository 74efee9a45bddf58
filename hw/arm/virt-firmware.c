/* SPDX-License-Identifier: MIT */
/* The machine virt's firmware: flash banks, -bios, and what fw_cfg tells it. */
#include <string.h>
#include "hw/arm/virt.h"
#include "hw/nvram/fw_cfg.h"
#include "util/opts.h"

enum { FLASH_BANKS = 2 };

/* ---- flash ------------------------------------------------------------------------------- */

static BlockDrive *find_pflash(const Machine *m, int unit)
{
    for (unsigned i = 0; i < block_system_drive_count(m->drives); i++) {
        BlockDrive *d = block_system_drive(m->drives, i);
        if (d->iface == BLOCK_IF_PFLASH && d->index == unit) {
            return d;
        }
    }
    return NULL;
}

static bool make_bank(VirtMachine *m, int n, GError **err)
{
    SysBusDevice *dev = (SysBusDevice *)device_new(device_type_find("cfi.pflash01"), NULL);
    const BlockDrive *drive = m->parent.drives ? find_pflash(&m->parent, n) : NULL;
    VirtRange r = m->map[VIRT_FLASH];
    hwaddr at[SYSBUS_MAX_MMIO] = { r.base + (unsigned)n * r.size / FLASH_BANKS };
    char name[16];
    snprintf(name, sizeof(name), "virt.flash%d", n);
    m->flash[n] = dev;
    return device_set_prop(&dev->parent, "name", name, err) &&
           (!drive || device_set_prop(&dev->parent, "drive", drive->id, err)) &&
           sysbus_realize(dev, &m->system, at, err);
}

static bool load_bios(VirtMachine *m, GError **err)
{
    Machine *machine = &m->parent;
    if (!machine->bios) {
        return true;
    }
    if (machine->drives && find_pflash(machine, 0)) {
        g_set_error(err, HW_ERROR, 0, "-bios and the first -drive if=pflash are the same flash");
        return false;
    }
    g_autofree char *path = data_file_find(machine->bios);
    g_autoptr(GBytes) data = path ? loader_read_file(path, err) : NULL;
    if (!path) {
        g_set_error(err, HW_ERROR, 0, "there is no such file");
    }
    if (!data) {
        g_prefix_error(err, "-bios %s: ", machine->bios);
        return false;
    }
    uint64_t room = m->map[VIRT_FLASH].size / FLASH_BANKS;
    if (g_bytes_get_size(data) > room) {
        g_set_error(err, HW_ERROR, 0, "-bios %s: larger than the flash", machine->bios);
        return false;
    }
    return loader_add("firmware", data, m->map[VIRT_FLASH].base, err);
}

bool virt_make_flash(VirtMachine *m, GError **err)
{
    for (int n = 0; n < FLASH_BANKS; n++) {
        if (!make_bank(m, n, err)) {
            return false;
        }
    }
    m->has_flash = true;
    return load_bios(m, err);
}

bool virt_has_firmware(const VirtMachine *m)
{
    return m->parent.bios || (m->parent.drives && find_pflash(&m->parent, 0));
}

/* ---- fw_cfg ------------------------------------------------------------------------------ */

bool virt_make_fw_cfg(VirtMachine *m, GError **err)
{
    SysBusDevice *dev = (SysBusDevice *)device_new(device_type_find("fw_cfg_mem"), NULL);
    hwaddr at[SYSBUS_MAX_MMIO] = { m->map[VIRT_FW_CFG].base };
    if (!sysbus_realize(dev, &m->system, at, err)) {
        return false;
    }
    m->fw_cfg = &dev->parent;
    m->has_fw_cfg = true;
    fw_cfg_set_u16(m->fw_cfg, FW_CFG_NB_CPUS, (uint16_t)m->parent.smp.cpus);
    fw_cfg_set_u16(m->fw_cfg, FW_CFG_MAX_CPUS, (uint16_t)m->parent.smp.max_cpus);
    fw_cfg_set_u16(m->fw_cfg, FW_CFG_NOGRAPHIC, 1);
    fw_cfg_set_u16(m->fw_cfg, FW_CFG_BOOT_MENU, m->parent.boot_menu);
    fw_cfg_set_bytes(m->fw_cfg, FW_CFG_UUID, m->parent.uuid, 16);
    return true;
}

static bool add_blob(VirtMachine *m, GBytes *data, const char *option, const char *path,
                     uint16_t size_key, uint16_t data_key, GError **err)
{
    if (!data) {
        g_prefix_error(err, "-%s %s: ", option, path);
        return false;
    }
    fw_cfg_set_u32(m->fw_cfg, size_key, (uint32_t)g_bytes_get_size(data));
    fw_cfg_set(m->fw_cfg, data_key, data);
    return true;
}

/* With firmware it is the firmware that boots the kernel: it gets it from here. */
bool virt_offer_kernel(VirtMachine *m, GError **err)
{
    Machine *machine = &m->parent;
    const char *append = machine->append ? machine->append : "";
    g_autoptr(GBytes) kernel = loader_read_file(machine->kernel, err);
    if (!add_blob(m, kernel, "kernel", machine->kernel, FW_CFG_KERNEL_SIZE, FW_CFG_KERNEL_DATA,
                  err)) {
        return false;
    }
    g_autoptr(GBytes) initrd = machine->initrd ? loader_map_file(machine->initrd, err) : NULL;
    if (machine->initrd && !add_blob(m, initrd, "initrd", machine->initrd, FW_CFG_INITRD_SIZE,
                                     FW_CFG_INITRD_DATA, err)) {
        return false;
    }
    fw_cfg_set_u32(m->fw_cfg, FW_CFG_CMDLINE_SIZE, (uint32_t)strlen(append) + 1);
    fw_cfg_set_bytes(m->fw_cfg, FW_CFG_CMDLINE_DATA, append, strlen(append) + 1);
    return true;
}

/* In which order the firmware is to try what there is. */
bool virt_offer_boot_order(VirtMachine *m, GError **err)
{
    GString *order = boot_order(m->parent.boot_strict);
    uint16_t wait = (uint16_t)m->parent.boot_wait;
    bool ok = true;
    if (order->len) {
        /* The zero that ends it is a part of it. */
        g_autoptr(GBytes) data = g_bytes_new(order->str, order->len + 1);
        ok = fw_cfg_add_file(m->fw_cfg, "bootorder", data, NULL, NULL, err);
    }
    g_string_free(order, TRUE);
    if (ok && m->parent.boot_menu && wait) {
        g_autoptr(GBytes) data = g_bytes_new(&wait, sizeof(wait));
        ok = fw_cfg_add_file(m->fw_cfg, "etc/boot-menu-wait", data, NULL, NULL, err);
    }
    return ok;
}
