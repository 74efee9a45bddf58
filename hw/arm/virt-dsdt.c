/* SPDX-License-Identifier: MIT */
/* The machine virt's ACPI namespace (DSDT): devices that cannot be found by looking. ACPI
 * Specification 6.3; PCI Firmware Specification 3.2 (_OSC, _CBA); Arm's list of device ids
 * (DEN0093). The clock is not in it: the firmware's runtime services own it. */
#include <stdio.h>
#include "hw/acpi/aml.h"
#include "hw/acpi/ged.h"
#include "hw/arm/virt.h"

static uint32_t gsi(int spi)
{
    return GIC_INTERNAL + (uint32_t)spi;
}

/* Name, id, number. */
static size_t open_device(Aml *a, const char *name, const char *hid, unsigned uid)
{
    size_t dev = aml_open_device(a, name);
    aml_name_string(a, "_HID", hid);
    aml_name_int(a, "_UID", uid);
    return dev;
}

/* One region of registers, at most one interrupt (spi < 0: none). */
static void resources(Aml *a, VirtRange r, int spi)
{
    aml_name(a, "_CRS");
    size_t res = aml_open_resources(a);
    aml_memory32(a, (uint32_t)r.base, (uint32_t)r.size);
    if (spi >= 0) {
        aml_interrupt(a, gsi(spi), false);
    }
    aml_close_resources(a, res);
}

static void cpus(Aml *a, const VirtMachine *m)
{
    for (unsigned i = 0; i < m->parent.smp.cpus; i++) {
        char name[16];
        snprintf(name, sizeof(name), "C%03X", i);
        aml_close(a, open_device(a, name, "ACPI0007", i));
    }
}

static void uart(Aml *a, const VirtMachine *m)
{
    size_t dev = open_device(a, "COM0", "ARMH0011", 0);
    resources(a, m->map[VIRT_UART], VIRT_IRQ_UART);
    aml_close(a, dev);
}

static void flash(Aml *a, const VirtMachine *m)
{
    for (unsigned i = 0; i < 2; i++) {
        VirtRange r = m->map[VIRT_FLASH];
        char name[16];
        r.size /= 2;
        r.base += i * r.size;
        snprintf(name, sizeof(name), "FLS%u", i);
        size_t dev = open_device(a, name, "LNRO0015", i);
        resources(a, r, -1);
        aml_close(a, dev);
    }
}

static void fw_cfg(Aml *a, const VirtMachine *m)
{
    enum { PRESENT_WORKING_HIDDEN = 0xb };
    size_t dev = open_device(a, "FWCF", "QEMU0002", 0);
    aml_name_int(a, "_STA", PRESENT_WORKING_HIDDEN);
    aml_name_int(a, "_CCA", 1);
    resources(a, m->map[VIRT_FW_CFG], -1);
    aml_close(a, dev);
}

static void virtio(Aml *a, const VirtMachine *m)
{
    for (unsigned i = 0; i < VIRT_NB_VIRTIO; i++) {
        VirtRange r = m->map[VIRT_VIRTIO];
        char name[16];
        r.base += i * r.size;
        snprintf(name, sizeof(name), "VR%02u", i);
        size_t dev = open_device(a, name, "LNRO0005", i);
        aml_name_int(a, "_CCA", 1);
        resources(a, r, VIRT_IRQ_VIRTIO + (int)i);
        aml_close(a, dev);
    }
}

/* ---- events ------------------------------------------------------------------------------ */

static void power_button(Aml *a)
{
    aml_close(a, open_device(a, "PWRB", "PNP0C0C", 0));
}

static void ged(Aml *a, const VirtMachine *m)
{
    enum { NOTIFY_PRESSED = 0x80 };
    size_t dev = open_device(a, "GED", "ACPI0013", 0);
    aml_name(a, "_CRS");
    size_t res = aml_open_resources(a);
    aml_interrupt(a, gsi(VIRT_IRQ_GED), false);
    aml_close_resources(a, res);
    aml_register(a, "EREG", "ESEL", m->map[VIRT_GED].base);
    size_t evt = aml_open_method(a, "_EVT", 1, true);
    aml_op(a, AML_STORE); /* Local0 = ESEL, which clears it */
    aml_ref(a, "ESEL");
    aml_op(a, AML_LOCAL0);
    size_t cond = aml_open_if(a); /* If (Local0 & POWER_BUTTON) */
    aml_op(a, AML_AND);
    aml_op(a, AML_LOCAL0);
    aml_int(a, GED_EVENT_POWER_BUTTON);
    aml_int(a, 0); /* no target */
    aml_op(a, AML_NOTIFY);
    aml_ref(a, "PWRB");
    aml_int(a, NOTIFY_PRESSED);
    aml_close(a, cond);
    aml_close(a, evt);
    aml_close(a, dev);
}

/* ---- PCI --------------------------------------------------------------------------------- */

/* Where INTA to INTD end. They cannot be set to anything else. */
static void interrupt_links(Aml *a)
{
    for (unsigned pin = 0; pin < 4; pin++) {
        static const char *const names[] = { "_PRS", "_CRS" };
        char name[16];
        snprintf(name, sizeof(name), "GSI%u", pin);
        size_t dev = open_device(a, name, "PNP0C0F", pin);
        for (unsigned i = 0; i < 2; i++) {
            aml_name(a, names[i]);
            size_t res = aml_open_resources(a);
            aml_interrupt(a, gsi(VIRT_IRQ_PCIE + (int)pin), false);
            aml_close_resources(a, res);
        }
        aml_close(a, aml_open_method(a, "_SRS", 1, false));
        aml_close(a, dev);
    }
}

/* Pin p of slot s goes to line (s + p) modulo 4. */
static void interrupt_table(Aml *a)
{
    aml_name(a, "_PRT");
    size_t table = aml_open_package(a, 128);
    for (unsigned slot = 0; slot < 32; slot++) {
        for (unsigned pin = 0; pin < 4; pin++) {
            char link[16];
            snprintf(link, sizeof(link), "GSI%u", (slot + pin) % 4);
            size_t row = aml_open_package(a, 4);
            aml_int(a, slot << 16 | 0xffff);
            aml_int(a, pin);
            aml_ref(a, link);
            aml_int(a, 0);
            aml_close(a, row);
        }
    }
    aml_close(a, table);
}

static void windows(Aml *a, const VirtMachine *m)
{
    VirtRange low = m->map[VIRT_PCIE_MMIO], high = m->map[VIRT_HIGH_PCIE_MMIO];
    aml_name(a, "_CRS");
    size_t res = aml_open_resources(a);
    aml_window(a, AML_SPACE_BUS, false, 0, m->map[VIRT_PCIE_ECAM].size >> 20, 0);
    aml_window(a, AML_SPACE_MEMORY, false, low.base, low.size, 0);
    aml_window(a, AML_SPACE_IO, false, 0, m->map[VIRT_PCIE_PIO].size, m->map[VIRT_PCIE_PIO].base);
    if (high.size) {
        aml_window(a, AML_SPACE_MEMORY, false, high.base, high.size, 0);
    }
    aml_close_resources(a, res);
}

static void create_field(Aml *a, unsigned offset, const char *name)
{
    aml_op(a, AML_CREATE_DWORD_FIELD);
    aml_op(a, AML_ARG0 + 3);
    aml_int(a, offset);
    aml_ref(a, name);
}

/* CDW1 |= bit: what was wrong. */
static void or_status(Aml *a, unsigned bit)
{
    aml_op(a, AML_OR);
    aml_ref(a, "CDW1");
    aml_int(a, bit);
    aml_ref(a, "CDW1");
}

/* The guest's own drivers may have native hotplug, PME, AER and the capability structure. */
static void control_method(Aml *a)
{
    enum { UNKNOWN_REVISION = 8, MASKED = 16, UNKNOWN_UUID = 4, GRANTED = 0x1f };
    size_t osc = aml_open_method(a, "_OSC", 4, false);
    create_field(a, 0, "CDW1");
    size_t known = aml_open_if(a);
    aml_op(a, AML_LEQUAL);
    aml_op(a, AML_ARG0);
    aml_uuid(a, "33DB4D5B-1FF7-401C-9657-7441C03DD766");
    create_field(a, 4, "CDW2");
    create_field(a, 8, "CDW3");
    aml_op(a, AML_AND); /* Local0 = CDW3 & GRANTED */
    aml_ref(a, "CDW3");
    aml_int(a, GRANTED);
    aml_op(a, AML_LOCAL0);
    size_t revision = aml_open_if(a);
    aml_op(a, AML_LNOT);
    aml_op(a, AML_LEQUAL);
    aml_op(a, AML_ARG0 + 1);
    aml_int(a, 1);
    or_status(a, UNKNOWN_REVISION);
    aml_close(a, revision);
    size_t masked = aml_open_if(a);
    aml_op(a, AML_LNOT);
    aml_op(a, AML_LEQUAL);
    aml_ref(a, "CDW3");
    aml_op(a, AML_LOCAL0);
    or_status(a, MASKED);
    aml_close(a, masked);
    aml_op(a, AML_STORE);
    aml_op(a, AML_LOCAL0);
    aml_ref(a, "CDW3");
    aml_close(a, known);
    size_t unknown = aml_open_else(a);
    or_status(a, UNKNOWN_UUID);
    aml_close(a, unknown);
    aml_op(a, AML_RETURN);
    aml_op(a, AML_ARG0 + 3);
    aml_close(a, osc);
}

/* Configuration space is no window of the bridge: somebody must say that it is taken. */
static void reserve_ecam(Aml *a, const VirtMachine *m)
{
    VirtRange ecam = m->map[VIRT_PCIE_ECAM];
    size_t dev = open_device(a, "RES0", "PNP0C02", 0);
    aml_name(a, "_CRS");
    size_t res = aml_open_resources(a);
    aml_window(a, AML_SPACE_MEMORY, true, ecam.base, ecam.size, 0);
    aml_close_resources(a, res);
    aml_close(a, dev);
}

static void pci(Aml *a, const VirtMachine *m)
{
    interrupt_links(a);
    size_t dev = open_device(a, "PCI0", "PNP0A08", 0);
    aml_name_string(a, "_CID", "PNP0A03");
    aml_name_int(a, "_SEG", 0);
    aml_name_int(a, "_BBN", 0);
    aml_name_int(a, "_CCA", 1);
    size_t cba = aml_open_method(a, "_CBA", 0, false);
    aml_op(a, AML_RETURN);
    aml_int(a, m->map[VIRT_PCIE_ECAM].base);
    aml_close(a, cba);
    interrupt_table(a);
    windows(a, m);
    control_method(a);
    reserve_ecam(a, m);
    aml_close(a, dev);
}

GByteArray *virt_make_dsdt(const VirtMachine *m)
{
    Aml *a = g_byte_array_new();
    size_t scope = aml_open_scope(a, "\\_SB");
    cpus(a, m);
    uart(a, m);
    flash(a, m);
    fw_cfg(a, m);
    virtio(a, m);
    power_button(a);
    ged(a, m);
    pci(a, m);
    aml_close(a, scope);
    return a;
}
