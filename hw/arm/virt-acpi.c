/* SPDX-License-Identifier: MIT */
/* The machine virt's ACPI tables. ACPI Specification 6.3, chapter 5; PCI Firmware Specification 3.2
 * (MCFG); Arm DEN0049 (IORT); Microsoft's SPCR and DBG2. Device trees say the same (virt-dtb.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hw/acpi/tables.h"
#include "hw/arm/virt.h"
#include "hw/mem/pc-dimm.h"
#include "target/arm-system.h"

static uint32_t gsi(int spi)
{
    return GIC_INTERNAL + (uint32_t)spi;
}

/* ---- the fixed tables --------------------------------------------------------------------- */

static uint32_t add_dsdt(AcpiTables *t, const VirtMachine *m)
{
    g_autoptr(GByteArray) body = virt_make_dsdt(m);
    uint32_t table = acpi_begin(t, "DSDT", 2, false);
    acpi_bytes(t, body->data, body->len);
    acpi_end(t, table);
    return table;
}

static void add_fadt(AcpiTables *t, uint32_t dsdt)
{
    enum {
        FLAGS = 112,
        ARM_BOOT = 129,
        MINOR = 131,
        X_DSDT = 140,
        SIZE = 276,
        HW_REDUCED = 1 << 20,
        PSCI_BY_HVC = 3,
    };
    const uint32_t flags = HW_REDUCED;
    uint32_t table = acpi_begin(t, "FACP", 6, true);
    acpi_zeros(t, SIZE - (t->blob->len - table));
    memcpy(t->blob->data + table + FLAGS, &flags, sizeof(flags));
    t->blob->data[table + ARM_BOOT] = PSCI_BY_HVC;
    t->blob->data[table + MINOR] = 3;
    acpi_pointer(t, table + X_DSDT, dsdt);
    acpi_end(t, table);
}

/* ---- interrupt controllers and timers ------------------------------------------------------ */

static void madt_cpu(AcpiTables *t, const VirtMachine *m, unsigned i)
{
    enum { GICC = 11, SIZE = 80, ENABLED = 1 };
    bool v2 = m->gic_version == 2;
    acpi_num(t, GICC, 1);
    acpi_num(t, SIZE, 1);
    acpi_num(t, 0, 2);
    acpi_num(t, i, 4); /* CPU interface number */
    acpi_num(t, i, 4); /* UID */
    acpi_num(t, ENABLED, 4);
    acpi_num(t, 0, 4); /* parking protocol */
    acpi_num(t, arm_cpu_has_pmu(m->cpus[i]) ? VIRT_PPI_PMU : 0, 4);
    acpi_num(t, 0, 8); /* parked address */
    acpi_num(t, v2 ? m->map[VIRT_GIC_CPU].base : 0, 8);
    acpi_num(t, 0, 8); /* GICV */
    acpi_num(t, 0, 8); /* GICH */
    acpi_num(t, 0, 4); /* maintenance interrupt */
    acpi_num(t, 0, 8); /* redistributors have entries of their own */
    acpi_num(t, arm_cpu_affinity(m->cpus[i]), 8);
    acpi_num(t, 0, 4); /* efficiency class, profiling interrupt */
}

static void madt_redistributors(AcpiTables *t, VirtRange r)
{
    acpi_num(t, 14, 1);
    acpi_num(t, 16, 1);
    acpi_num(t, 0, 2);
    acpi_num(t, r.base, 8);
    acpi_num(t, r.size, 4);
}

static void madt_its(AcpiTables *t, const VirtMachine *m)
{
    acpi_num(t, 15, 1);
    acpi_num(t, 20, 1);
    acpi_num(t, 0, 2);
    acpi_num(t, 0, 4); /* id, which the IORT names */
    acpi_num(t, m->map[VIRT_GIC_ITS].base, 8);
    acpi_num(t, 0, 4);
}

static void madt_msi_frame(AcpiTables *t, const VirtMachine *m)
{
    enum { SPIS_GIVEN = 1, NB_V2M = 64 };
    acpi_num(t, 13, 1);
    acpi_num(t, 24, 1);
    acpi_num(t, 0, 2);
    acpi_num(t, 0, 4);
    acpi_num(t, m->map[VIRT_GIC_V2M].base, 8);
    acpi_num(t, SPIS_GIVEN, 4);
    acpi_num(t, NB_V2M, 2);
    acpi_num(t, gsi(VIRT_IRQ_V2M), 2);
}

static void add_madt(AcpiTables *t, const VirtMachine *m)
{
    uint32_t table = acpi_begin(t, "APIC", 5, true);
    acpi_num(t, 0, 4); /* local controller's address: x86 */
    acpi_num(t, 0, 4);
    acpi_num(t, 12, 1); /* GICD */
    acpi_num(t, 24, 1);
    acpi_num(t, 0, 2);
    acpi_num(t, 0, 4);
    acpi_num(t, m->map[VIRT_GIC_DIST].base, 8);
    acpi_num(t, 0, 4);
    acpi_num(t, (unsigned)m->gic_version, 1);
    acpi_num(t, 0, 3);
    for (unsigned i = 0; i < m->parent.smp.cpus; i++) {
        madt_cpu(t, m, i);
    }
    if (m->gic_version == 2) {
        madt_msi_frame(t, m);
    } else {
        madt_redistributors(t, m->map[VIRT_GIC_REDIST]);
        if (m->has_its) {
            madt_its(t, m);
        }
    }
    acpi_end(t, table);
}

static void add_gtdt(AcpiTables *t)
{
    enum { LEVEL_ALWAYS_ON = 4 };
    static const uint32_t timers[4] = { VIRT_PPI_SEC_TIMER, VIRT_PPI_PHYS_TIMER,
                                        VIRT_PPI_VIRT_TIMER, VIRT_PPI_HYP_TIMER };
    uint32_t table = acpi_begin(t, "GTDT", 3, true);
    acpi_num(t, UINT64_MAX, 8); /* no counter in memory */
    acpi_num(t, 0, 4);
    for (unsigned i = 0; i < 4; i++) {
        acpi_num(t, timers[i], 4);
        acpi_num(t, LEVEL_ALWAYS_ON, 4);
    }
    acpi_num(t, UINT64_MAX, 8);
    acpi_zeros(t, 16); /* no platform timers; no EL2 virtual timer */
    acpi_end(t, table);
}

/* ---- the console -------------------------------------------------------------------------- */

static void add_spcr(AcpiTables *t, const VirtMachine *m)
{
    enum { PL011 = 3, BY_GIC = 8, BAUD_9600 = 3, FLOW_RTS = 2, VT100 = 0 };
    uint32_t table = acpi_begin(t, "SPCR", 2, true);
    acpi_num(t, PL011, 1);
    acpi_num(t, 0, 3);
    acpi_gas(t, m->map[VIRT_UART].base);
    acpi_num(t, BY_GIC, 1);
    acpi_num(t, 0, 1);
    acpi_num(t, gsi(VIRT_IRQ_UART), 4);
    acpi_num(t, BAUD_9600, 1);
    acpi_num(t, 0, 1); /* no parity */
    acpi_num(t, 1, 1); /* stop bit */
    acpi_num(t, FLOW_RTS, 1);
    acpi_num(t, VT100, 1);
    acpi_num(t, 0, 1);
    acpi_num(t, UINT32_MAX, 4); /* no PCI device */
    acpi_zeros(t, 12);
    acpi_end(t, table);
}

static void add_dbg2(AcpiTables *t, const VirtMachine *m)
{
    static const char name[] = "\\_SB.COM0";
    enum { HEADER = 22, GAS = 12, SIZE = HEADER + GAS + 4 + sizeof(name), SERIAL = 0x8000 };
    uint32_t table = acpi_begin(t, "DBG2", 0, true);
    acpi_num(t, 44, 4); /* where the first device's description is */
    acpi_num(t, 1, 4);
    acpi_num(t, 0, 1);
    acpi_num(t, SIZE, 2);
    acpi_num(t, 1, 1); /* address */
    acpi_num(t, sizeof(name), 2);
    acpi_num(t, HEADER + GAS + 4, 2);
    acpi_num(t, 0, 4); /* no data of ours */
    acpi_num(t, SERIAL, 2);
    acpi_num(t, 3, 2); /* PL011 */
    acpi_num(t, 0, 2);
    acpi_num(t, HEADER, 2);
    acpi_num(t, HEADER + GAS, 2);
    acpi_gas(t, m->map[VIRT_UART].base);
    acpi_num(t, m->map[VIRT_UART].size, 4);
    acpi_bytes(t, name, sizeof(name));
    acpi_end(t, table);
}

/* ---- PCI --------------------------------------------------------------------------------- */

static void add_mcfg(AcpiTables *t, const VirtMachine *m)
{
    VirtRange ecam = m->map[VIRT_PCIE_ECAM];
    uint32_t table = acpi_begin(t, "MCFG", 1, true);
    acpi_zeros(t, 8);
    acpi_num(t, ecam.base, 8);
    acpi_num(t, 0, 2);
    acpi_num(t, 0, 1);
    acpi_num(t, (ecam.size >> 20) - 1, 1);
    acpi_zeros(t, 4);
    acpi_end(t, table);
}

/* All requesters of the root complex go to the ITS as they are. */
static void add_iort(AcpiTables *t)
{
    enum { FIRST = 48, ITS_SIZE = 24, RC_SIZE = 36, MAP_SIZE = 20, COHERENT = 1, CPM_DACS = 3 };
    uint32_t table = acpi_begin(t, "IORT", 0, true);
    acpi_num(t, 2, 4);
    acpi_num(t, FIRST, 4);
    acpi_num(t, 0, 4);
    acpi_num(t, 0, 1); /* an ITS group */
    acpi_num(t, ITS_SIZE, 2);
    acpi_num(t, 0, 1);
    acpi_num(t, 0, 4);
    acpi_num(t, 0, 8); /* no mappings */
    acpi_num(t, 1, 4);
    acpi_num(t, 0, 4);
    acpi_num(t, 2, 1); /* the root complex */
    acpi_num(t, RC_SIZE + MAP_SIZE, 2);
    acpi_num(t, 1, 1);
    acpi_num(t, 0, 4);
    acpi_num(t, 1, 4);
    acpi_num(t, RC_SIZE, 4);
    acpi_num(t, COHERENT, 4);
    acpi_num(t, 0, 3);
    acpi_num(t, CPM_DACS, 1);
    acpi_num(t, 0, 8);  /* no ATS; segment 0 */
    acpi_num(t, 64, 1); /* bits of an address */
    acpi_num(t, 0, 3);
    acpi_num(t, 0, 4); /* from this requester on … */
    acpi_num(t, 0xffff, 4);
    acpi_num(t, 0, 4); /* … to this device */
    acpi_num(t, FIRST, 4);
    acpi_num(t, 0, 4);
    acpi_end(t, table);
}

/* ---- topology ---------------------------------------------------------------------------- */

/* Its offset in the table. */
static uint32_t pptt_node(AcpiTables *t, uint32_t table, uint32_t flags, uint32_t parent,
                          uint32_t id)
{
    uint32_t at = t->blob->len - table;
    acpi_num(t, 0, 1);
    acpi_num(t, 20, 1);
    acpi_num(t, 0, 2);
    acpi_num(t, flags, 4);
    acpi_num(t, parent, 4);
    acpi_num(t, id, 4);
    acpi_num(t, 0, 4); /* no resources of its own */
    return at;
}

static void add_pptt(AcpiTables *t, const CPUTopology *smp)
{
    enum { PACKAGE = 1, ID_VALID = 2, THREAD = 4, LEAF = 8 };
    uint32_t table = acpi_begin(t, "PPTT", 2, true), socket = 0, cluster = 0, core = 0;
    unsigned per_core = smp->threads, per_cluster = per_core * smp->cores,
             per_socket = per_cluster * smp->clusters;
    for (unsigned i = 0; i < smp->cpus; i++) {
        if (i % per_socket == 0) {
            socket = pptt_node(t, table, PACKAGE, 0, i / per_socket);
        }
        if (i % per_cluster == 0) {
            cluster = smp->clusters > 1 ? pptt_node(t, table, 0, socket, i / per_cluster) : socket;
        }
        if (per_core == 1) {
            pptt_node(t, table, ID_VALID | LEAF, cluster, i);
        } else {
            core = i % per_core ? core : pptt_node(t, table, 0, cluster, i / per_core);
            pptt_node(t, table, ID_VALID | THREAD | LEAF, core, i);
        }
    }
    acpi_end(t, table);
}

enum { SRAT_ENABLED = 1 };

static void add_node_memory(AcpiTables *t, unsigned node, hwaddr at, uint64_t size)
{
    if (!size) {
        return;
    }
    acpi_num(t, 1, 1); /* memory */
    acpi_num(t, 40, 1);
    acpi_num(t, node, 4);
    acpi_num(t, 0, 2);
    acpi_num(t, at, 8);
    acpi_num(t, size, 8);
    acpi_num(t, 0, 4);
    acpi_num(t, SRAT_ENABLED, 4);
    acpi_num(t, 0, 8);
}

static void add_srat(AcpiTables *t, const VirtMachine *m)
{
    const Machine *machine = &m->parent;
    hwaddr at = m->map[VIRT_RAM].base;
    uint32_t table = acpi_begin(t, "SRAT", 3, true);
    acpi_num(t, 1, 4);
    acpi_num(t, 0, 8);
    for (unsigned i = 0; i < machine->smp.cpus; i++) {
        acpi_num(t, 3, 1); /* a GICC */
        acpi_num(t, 18, 1);
        acpi_num(t, machine->cpu_node[i], 4);
        acpi_num(t, i, 4);
        acpi_num(t, SRAT_ENABLED, 4);
        acpi_num(t, 0, 4);
    }
    for (unsigned n = 0; n < machine->nb_nodes; n++) {
        add_node_memory(t, n, at, machine->nodes[n].size);
        at += machine->nodes[n].size;
    }
    for (guint i = 0; i < machine->dimms->len; i++) {
        const PCDimm *d = machine->dimms->pdata[i];
        add_node_memory(t, d->node, d->addr, d->memory->size);
    }
    acpi_end(t, table);
}

static void add_slit(AcpiTables *t, const Machine *machine)
{
    uint32_t table = acpi_begin(t, "SLIT", 1, true);
    acpi_num(t, machine->nb_nodes, 8);
    for (unsigned n = 0; n < machine->nb_nodes; n++) {
        acpi_bytes(t, machine->nodes[n].distance, machine->nb_nodes);
    }
    acpi_end(t, table);
}

bool virt_make_acpi(VirtMachine *m, GError **err)
{
    AcpiTables t;
    acpi_tables_init(&t);
    add_fadt(&t, add_dsdt(&t, m));
    add_madt(&t, m);
    add_gtdt(&t);
    add_spcr(&t, m);
    add_dbg2(&t, m);
    add_mcfg(&t, m);
    if (m->has_its) {
        add_iort(&t);
    }
    add_pptt(&t, &m->parent.smp);
    if (m->parent.nb_nodes) {
        add_srat(&t, m);
        add_slit(&t, &m->parent);
    }
    acpi_finish(&t);
    bool ok = acpi_offer(&t, m->fw_cfg, err) && (!m->dumpacpi || acpi_dump(&t, m->dumpacpi, err));
    acpi_tables_free(&t);
    if (!ok && m->dumpacpi) {
        g_prefix_error(err, "-machine dumpacpi=%s: ", m->dumpacpi);
    }
    if (ok && m->dumpacpi) {
        printf("ACPI tables dumped to %s\n", m->dumpacpi);
        exit(0);
    }
    return ok;
}
