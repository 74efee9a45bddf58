/* SPDX-License-Identifier: MIT */
/* The machine virt: what is where, and which wire goes where. docs/machine-virt.md */
#include <inttypes.h>
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>
#include "hw/acpi/ged.h"
#include "hw/acpi/smbios.h"
#include "hw/arm/virt.h"
#include "hw/gpio/pl061.h"
#include "hw/mem/pc-dimm.h"
#include "hw/pci/gpex.h"
#include "target/arm-system.h"
#include "util/file.h"
#include "util/round.h"

#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

static const VirtRange base_map[VIRT_PLACES] = {
    [VIRT_FLASH] = { 0, 128 * MIB },
    [VIRT_GIC_DIST] = { 0x08000000, 64 * KIB },
    [VIRT_GIC_CPU] = { 0x08010000, 64 * KIB },
    [VIRT_GIC_V2M] = { 0x08020000, 4 * KIB },
    [VIRT_GIC_ITS] = { 0x08080000, 128 * KIB },
    [VIRT_GIC_REDIST] = { 0x080a0000, 0xf60000 }, /* of 123 CPUs */
    [VIRT_UART] = { 0x09000000, 4 * KIB },
    [VIRT_RTC] = { 0x09010000, 4 * KIB },
    [VIRT_FW_CFG] = { 0x09020000, 0x18 },
    [VIRT_GPIO] = { 0x09030000, 4 * KIB },
    [VIRT_GED] = { 0x09080000, 4 },
    [VIRT_VIRTIO] = { 0x0a000000, 0x200 }, /* each */
    [VIRT_PLATFORM_BUS] = { 0x0c000000, 32 * MIB },
    [VIRT_PCIE_MMIO] = { 0x10000000, 0x2eff0000 },
    [VIRT_PCIE_PIO] = { 0x3eff0000, 64 * KIB },
    [VIRT_PCIE_ECAM] = { 0x3f000000, 16 * MIB },
    [VIRT_RAM] = { 1 * GIB, 0 },
    /* These begin at 256 GiB, or behind more RAM, each aligned to its size. */
    [VIRT_HIGH_REDIST] = { 0, 64 * MIB },
    [VIRT_HIGH_ECAM] = { 0, 256 * MIB },
    [VIRT_HIGH_PCIE_MMIO] = { 0, 512 * GIB },
};

enum { GIC_CHOICE_2, GIC_CHOICE_3, GIC_CHOICE_MAX };
static const char *const gic_choices[] = { "2", "3", "max", NULL };

/* No Arm CPU here has more addresses. */
enum { MAX_PA_BITS = 48 };

static bool no_room(unsigned bits, GError **err)
{
    g_set_error(err, HW_ERROR, 0,
                "-m: the memory and what lies behind it do not fit into addresses of %u bits",
                bits);
    return false;
}

static bool set_up_map(VirtMachine *m, GError **err)
{
    memcpy(m->map, base_map, sizeof(m->map));
    Machine *machine = &m->parent;
    if (MAX(machine->ram_size, machine->max_ram_size) >> (MAX_PA_BITS - 1)) {
        return no_room(MAX_PA_BITS, err);
    }
    m->map[VIRT_RAM].size = machine->ram_size;
    if (!m->highmem && machine->ram_size > 3 * GIB) {
        g_set_error(err, HW_ERROR, 0, "highmem=off has room for 3 GiB of RAM, not %llu MiB",
                    machine->ram_size / MIB);
        return false;
    }
    if (machine->ram_slots && m->highmem) {
        machine->dimm_base = ROUND_UP(GIB + machine->ram_size, GIB);
        machine->dimm_room = machine->max_ram_size - machine->ram_size +
                             (uint64_t)machine->ram_slots * PC_DIMM_ALIGN;
    }
    hwaddr end = MAX(GIB + machine->max_ram_size, machine->dimm_base + machine->dimm_room);
    hwaddr at = MAX(256 * GIB, ROUND_UP(end, GIB));
    const bool wanted[] = { m->highmem_redists, m->highmem_ecam, m->highmem_mmio };
    for (int i = VIRT_HIGH_REDIST; i < VIRT_PLACES; i++) {
        at = ROUND_UP(at, base_map[i].size);
        bool there = m->highmem && wanted[i - VIRT_HIGH_REDIST];
        m->map[i] = there ? (VirtRange){ at, base_map[i].size } : (VirtRange){ 0, 0 };
        at += base_map[i].size;
    }
    if (m->map[VIRT_HIGH_ECAM].size) {
        m->map[VIRT_PCIE_ECAM] = m->map[VIRT_HIGH_ECAM];
    }
    return true;
}

/* ---- CPUs and interrupts ----------------------------------------------------------------- */

/* Clusters of as many as the interrupt controller can address at once. */
static uint64_t cpu_affinity(const VirtMachine *m, unsigned i)
{
    unsigned cluster = m->gic_version == 2 ? 8 : 16;
    return (uint64_t)(i / cluster) << 8 | i % cluster;
}

static bool make_cpus(VirtMachine *m, GError **err)
{
    const CPUTopology *smp = &m->parent.smp;
    m->cpus = g_new0(VCPU *, smp->cpus);
    for (unsigned i = 0; i < smp->cpus; i++) {
        VCPU *v = vcpu_new(m->parent.ops->target, m->parent.cpu_model, &m->memory, err);
        if (!v) {
            g_prefix_error(err, "-cpu %s: ", m->parent.cpu_model);
            return false;
        }
        m->cpus[i] = v;
        ARMBoardConfig config = {
            .affinity = cpu_affinity(m, i),
            .psci = ARM_PSCI_HVC,
            .start_powered_off = i > 0,
            .gicv3 = m->gic_version == 3,
            .reset_pc = m->map[VIRT_FLASH].base,
        };
        arm_cpu_configure(v, &config);
    }
    const VirtRange *last = &m->map[VIRT_HIGH_PCIE_MMIO], *ram = &m->map[VIRT_RAM];
    hwaddr end = MAX(last->base + last->size, ram->base + ram->size);
    unsigned bits = arm_cpu_pa_bits(m->cpus[0]);
    return end <= 1ull << bits || no_room(bits, err);
}

static bool make_gic(VirtMachine *m, GError **err)
{
    static const char *const types[] = { [2] = "arm_gic", [3] = "arm-gicv3" };
    hwaddr at[SYSBUS_MAX_MMIO] = { m->map[VIRT_GIC_DIST].base, m->map[VIRT_GIC_CPU].base };
    if (m->gic_version == 3) {
        at[1] = m->map[VIRT_GIC_REDIST].base;
    }
    m->gic = (GICDevice *)device_new(device_type_find(types[m->gic_version]), NULL);
    m->gic->nb_cpus = m->parent.smp.cpus;
    m->gic->nb_irqs = GIC_INTERNAL + VIRT_NB_SPIS;
    for (unsigned i = 0; i < m->parent.smp.cpus; i++) {
        gic_connect_cpu(m->gic, i, m->cpus[i], arm_cpu_input(m->cpus[i], ARM_CPU_IRQ),
                        arm_cpu_input(m->cpus[i], ARM_CPU_FIQ));
    }
    return sysbus_realize(&m->gic->parent, &m->system, at, err);
}

static bool make_its(VirtMachine *m, GError **err)
{
    SysBusDevice *its = (SysBusDevice *)device_new(device_type_find("arm-gicv3-its"), NULL);
    hwaddr at[SYSBUS_MAX_MMIO] = { m->map[VIRT_GIC_ITS].base };
    gicv3_its_connect(&its->parent, m->gic);
    m->has_its = true;
    return sysbus_realize(its, &m->system, at, err);
}

/* Messages of PCI devices. */
static bool make_msi(VirtMachine *m, GError **err)
{
    if (m->gic_version != 2) {
        return !m->its || make_its(m, err);
    }
    SysBusDevice *v2m = (SysBusDevice *)device_new(device_type_find("arm-gicv2m"), NULL);
    hwaddr at[SYSBUS_MAX_MMIO] = { m->map[VIRT_GIC_V2M].base };
    for (int i = 0; i < SYSBUS_MAX_IRQ; i++) {
        v2m->irq[i] = gic_spi(m->gic, VIRT_IRQ_V2M + i);
    }
    return sysbus_realize(v2m, &m->system, at, err);
}

static void connect_cpus(VirtMachine *m)
{
    static const struct {
        int output, ppi;
    } wires[] = {
        { ARM_TIMER_PHYS, VIRT_PPI_PHYS_TIMER },       { ARM_TIMER_VIRT, VIRT_PPI_VIRT_TIMER },
        { ARM_TIMER_HYP, VIRT_PPI_HYP_TIMER },         { ARM_TIMER_SEC, VIRT_PPI_SEC_TIMER },
        { ARM_TIMER_HYPVIRT, VIRT_PPI_HYPVIRT_TIMER }, { ARM_PMU_OVERFLOW, VIRT_PPI_PMU },
    };
    for (unsigned i = 0; i < m->parent.smp.cpus; i++) {
        for (size_t w = 0; w < G_N_ELEMENTS(wires); w++) {
            arm_cpu_connect(m->cpus[i], wires[w].output, gic_ppi(m->gic, (int)i, wires[w].ppi));
        }
    }
}

/* ---- devices ----------------------------------------------------------------------------- */

/* A simple device: one region, one interrupt. */
static Device *make_device(VirtMachine *m, const char *type, VirtPlace place, int spi, GError **err)
{
    SysBusDevice *dev = (SysBusDevice *)device_new(device_type_find(type), NULL);
    hwaddr at[SYSBUS_MAX_MMIO] = { m->map[place].base };
    dev->irq[0] = gic_spi(m->gic, spi);
    if (!sysbus_realize(dev, &m->system, at, err)) {
        device_delete(&dev->parent);
        return NULL;
    }
    return &dev->parent;
}

static bool make_uart(VirtMachine *m, GError **err)
{
    SysBusDevice *uart = (SysBusDevice *)device_new(device_type_find("pl011"), NULL);
    hwaddr at[SYSBUS_MAX_MMIO] = { m->map[VIRT_UART].base };
    uart->irq[0] = gic_spi(m->gic, VIRT_IRQ_UART);
    Chardev *serial = m->parent.serials[0];
    return (!serial || device_set_prop(&uart->parent, "chardev", chardev_id(serial), err)) &&
           sysbus_realize(uart, &m->system, at, err);
}

/* The last slot's bus comes first, so that the first device lands where it does elsewhere. */
static bool make_virtio(VirtMachine *m, GError **err)
{
    const DeviceType *type = device_type_find("virtio-mmio");
    for (int i = VIRT_NB_VIRTIO - 1; i >= 0; i--) {
        SysBusDevice *dev = (SysBusDevice *)device_new(type, NULL);
        VirtRange r = m->map[VIRT_VIRTIO];
        hwaddr at[SYSBUS_MAX_MMIO] = { r.base + (unsigned)i * r.size };
        char index[8];
        snprintf(index, sizeof(index), "%d", i);
        dev->irq[0] = gic_spi(m->gic, VIRT_IRQ_VIRTIO + i);
        if (!device_set_prop(&dev->parent, "index", index, err) ||
            !sysbus_realize(dev, &m->system, at, err)) {
            return false;
        }
    }
    m->has_virtio = true;
    return true;
}

static bool make_pcie(VirtMachine *m, GError **err)
{
    GPEXHost *host = (GPEXHost *)device_new(device_type_find("gpex-pcihost"), NULL);
    hwaddr at[SYSBUS_MAX_MMIO] = { m->map[VIRT_PCIE_ECAM].base };
    VirtRange mmio = m->map[VIRT_PCIE_MMIO], high = m->map[VIRT_HIGH_PCIE_MMIO],
              pio = m->map[VIRT_PCIE_PIO];
    host->ecam_size = m->map[VIRT_PCIE_ECAM].size;
    for (int i = 0; i < 4; i++) {
        host->parent.irq[i] = gic_spi(m->gic, VIRT_IRQ_PCIE + i);
    }
    if (!sysbus_realize(&host->parent, &m->system, at, err)) {
        return false;
    }
    memory_region_init_alias(&m->pcie_mmio, "pcie-mmio-low", &host->memory, mmio.base, mmio.size);
    memory_region_add(&m->system, mmio.base, &m->pcie_mmio, 0);
    if (high.size) {
        memory_region_init_alias(&m->pcie_high, "pcie-mmio-high", &host->memory, high.base,
                                 high.size);
        memory_region_add(&m->system, high.base, &m->pcie_high, 0);
    }
    memory_region_add(&m->system, pio.base, &host->io, 0);
    m->has_pcie = true;
    return true;
}

static bool make_devices(VirtMachine *m, GError **err)
{
    return make_uart(m, err) && make_device(m, "pl031", VIRT_RTC, VIRT_IRQ_RTC, err) &&
           (m->gpio = make_device(m, "pl061", VIRT_GPIO, VIRT_IRQ_GPIO, err)) &&
           (!m->acpi || (m->ged = make_device(m, "acpi-ged", VIRT_GED, VIRT_IRQ_GED, err))) &&
           virt_make_flash(m, err) && virt_make_fw_cfg(m, err) && make_virtio(m, err) &&
           make_pcie(m, err);
}

enum { POWER_LINE = 3, POWER_PRESS_NS = 100000000 };

static void release_power(void *opaque)
{
    VirtMachine *m = opaque;
    irq_set(&m->power_key, 0);
}

static void press_power(void *opaque)
{
    VirtMachine *m = opaque;
    irq_set(&m->power_key, 1);
    if (m->ged) {
        ged_event(m->ged, GED_EVENT_POWER_BUTTON); /* of the two the guest knows one */
    }
    timer_mod(&m->power_timer, clock_get_ns(CLOCK_VIRTUAL) + POWER_PRESS_NS);
}

static void make_power_key(VirtMachine *m)
{
    m->power_key = pl061_input(m->gpio, POWER_LINE);
    timer_init(&m->power_timer, CLOCK_VIRTUAL, release_power, m);
    system_add_powerdown_listener(press_power, m);
}

static bool check_options(VirtMachine *m, GError **err)
{
    const struct {
        const char *name;
        bool on;
    } missing[] = {
        { "secure", m->secure },
        { "virtualization", m->virtualization },
        { "mte", m->mte },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(missing); i++) {
        if (missing[i].on) {
            g_set_error(err, HW_ERROR, 0, "not implemented: -machine virt,%s=on", missing[i].name);
            return false;
        }
    }
    m->gic_version = m->gic_choice == GIC_CHOICE_2 ? 2 : 3;
    if (m->gic_version == 2 && m->parent.smp.cpus > 8) {
        g_set_error(err, HW_ERROR, 0, "gic-version=2 has room for 8 CPUs, not %u: gic-version=3",
                    m->parent.smp.cpus);
        return false;
    }
    return true;
}

static bool virt_init(Machine *machine, GError **err)
{
    VirtMachine *m = (VirtMachine *)machine;
    if (!check_options(m, err) || !set_up_map(m, err)) {
        return false;
    }
    memory_region_init(&m->system, "system", UINT64_MAX);
    address_space_init(&m->memory, &m->system, "memory");
    machine->system = &m->system;
    machine->memory = &m->memory;
    MemoryRegion *ram = machine_ram(machine, err);
    if (!ram) {
        return false;
    }
    memory_transaction_begin();
    memory_region_add(&m->system, m->map[VIRT_RAM].base, ram, 0);
    bool ok = make_cpus(m, err) && make_gic(m, err) && make_msi(m, err);
    if (ok) {
        connect_cpus(m);
        ok = make_devices(m, err);
    }
    if (ok) {
        make_power_key(m);
    }
    memory_transaction_commit();
    return ok;
}

/* ---- booting ----------------------------------------------------------------------------- */

static void *get_dtb(VirtMachine *m, GError **err)
{
    if (!m->parent.dtb) {
        return virt_make_dtb(m, err);
    }
    enum { ROOM = 64 * 1024 };
    g_autoptr(GBytes) file = loader_read_file(m->parent.dtb, err);
    if (!file) {
        g_prefix_error(err, "-dtb %s: ", m->parent.dtb);
        return NULL;
    }
    gsize len;
    const void *data = g_bytes_get_data(file, &len);
    if (len < sizeof(struct fdt_header) || len > 16 * MIB || fdt_check_full(data, len)) {
        g_set_error(err, HW_ERROR, 0, "-dtb %s: not a device tree", m->parent.dtb);
        return NULL;
    }
    void *dtb = g_malloc(len + ROOM);
    fdt_open_into(data, dtb, (int)len + ROOM);
    return dtb;
}

/* Where the first CPU begins after its next reset. */
static void set_boot(VirtMachine *m)
{
    if (m->direct) {
        arm_cpu_set_boot(m->cpus[0], m->boot.entry, m->boot.is_linux ? m->boot.dtb_addr : 0);
    }
}

static bool virt_finish(Machine *machine, GError **err)
{
    VirtMachine *m = (VirtMachine *)machine;
    m->boot.ram_start = m->map[VIRT_RAM].base;
    m->boot.ram_size = m->map[VIRT_RAM].size;
    m->boot.entry = m->map[VIRT_FLASH].base;
    m->boot.dtb_addr = m->boot.ram_start; /* firmware looks there */
    m->direct = machine->kernel && !virt_has_firmware(m);
    if (m->direct ? !arm_boot_load(machine, &m->boot, err)
                  : machine->kernel && !virt_offer_kernel(m, err)) {
        return false;
    }
    g_autofree void *dtb = get_dtb(m, err);
    if (!dtb || !arm_boot_finish_dtb(machine, &m->boot, dtb, err)) {
        return false;
    }
    if (!smbios_offer(machine, "virt", m->boot.ram_start, m->fw_cfg, err) ||
        !virt_offer_boot_order(m, err) || (m->acpi && !virt_make_acpi(m, err))) {
        return false;
    }
    if (machine->dumpdtb) {
        if (!file_write(machine->dumpdtb, dtb, fdt_totalsize(dtb), err)) {
            g_prefix_error(err, "-machine dumpdtb=%s: ", machine->dumpdtb);
            return false;
        }
        printf("dtb dumped to %s\n", machine->dumpdtb);
        exit(0);
    }
    set_boot(m);
    return true;
}

/* CPUs are reset before devices: this is for the time after this one. */
static void virt_reset(Device *dev)
{
    loader_reset(((Machine *)dev)->memory);
    set_boot((VirtMachine *)dev);
}

static const Property props[] = {
    { .name = "gic-version",
      .kind = PROP_ENUM,
      .offset = offsetof(VirtMachine, gic_choice),
      .preset = "2",
      .choices = gic_choices,
      .doc = "version of the interrupt controller" },
    { .name = "its",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtMachine, its),
      .preset = "on",
      .doc = "GICv3 takes message interrupts by an ITS" },
    { .name = "highmem",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtMachine, highmem),
      .preset = "on",
      .doc = "use addresses beyond 4 GiB" },
    { .name = "highmem-ecam",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtMachine, highmem_ecam),
      .preset = "on",
      .doc = "PCIe configuration space there, for 256 buses" },
    { .name = "highmem-mmio",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtMachine, highmem_mmio),
      .preset = "on",
      .doc = "a window for large PCI regions there" },
    { .name = "highmem-redists",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtMachine, highmem_redists),
      .preset = "on",
      .doc = "GICv3's registers of CPUs beyond the 123rd there" },
    { .name = "acpi",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtMachine, acpi),
      .preset = "on",
      .doc = "ACPI tables for firmware" },
    { .name = "dumpacpi",
      .kind = PROP_STR,
      .offset = offsetof(VirtMachine, dumpacpi),
      .doc = "write the ACPI tables to this folder and exit" },
    { .name = "secure",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtMachine, secure),
      .preset = "off",
      .doc = "EL3 and secure devices" },
    { .name = "virtualization",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtMachine, virtualization),
      .preset = "off",
      .doc = "EL2" },
    { .name = "mte",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtMachine, mte),
      .preset = "off",
      .doc = "memory for allocation tags" },
    { .name = NULL },
};

static const MachineOps machine_ops = {
    .target = &arm_system_target,
    .default_cpu = "cortex-a57",
    .default_ram = 128 * MIB,
    .max_cpus = 64,
    .default_if = BLOCK_IF_VIRTIO,
    .init = virt_init,
    .finish = virt_finish,
};

static const char *const aliases[] = { "virt-7.2", NULL };

static const DeviceType virt = {
    .name = "virt",
    .aliases = aliases,
    .category = "machine",
    .desc = "Arm virtual machine",
    .parent = &machine_type,
    .size = sizeof(VirtMachine),
    .props = props,
    .reset = virt_reset,
    .ops = &machine_ops,
};
DEVICE_TYPE(virt)
