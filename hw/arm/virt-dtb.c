/* SPDX-License-Identifier: MIT */
/* The machine virt's device tree. Devicetree Specification v0.4, and the bindings in Linux'
 * Documentation/devicetree/bindings. */
#include <errno.h>
#include <inttypes.h>
#include <libfdt.h>
#include <stdarg.h>
#include <string.h>
#include <sys/random.h>
#include "hw/arm/virt.h"
#include "target/arm-system.h"

enum { DTB_SIZE = 256 * 1024, DTB_ROOM = 64 * 1024 };

/* phandles */
enum { PH_CLOCK = 0x8000, PH_GIC, PH_MSI, PH_GPIO, PH_CPU0 };
/* Interrupt specifiers. */
enum { IRQ_SPI, IRQ_PPI, IRQ_EDGE = 1, IRQ_HIGH = 4 };

/* ---- writing: the first error stays -------------------------------------------------------- */

typedef struct Tree {
    void *buf;
    int res;
} Tree;

#define TREE(t, call) ((t)->res = (t)->res ? (t)->res : (call))

static void G_GNUC_PRINTF(2, 3) begin(Tree *t, const char *fmt, ...)
{
    char name[64];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(name, sizeof(name), fmt, ap);
    va_end(ap);
    TREE(t, fdt_begin_node(t->buf, name));
}

static void end(Tree *t)
{
    TREE(t, fdt_end_node(t->buf));
}

static void flag(Tree *t, const char *name)
{
    TREE(t, fdt_property(t->buf, name, NULL, 0));
}

static void text(Tree *t, const char *name, const char *value)
{
    TREE(t, fdt_property_string(t->buf, name, value));
}

/* Strings with their zeros, as sizeof a literal gives them. */
#define TEXTS(t, name, literal) TREE(t, fdt_property((t)->buf, name, literal, sizeof(literal)))

static void cells_of(Tree *t, const char *name, const uint32_t *cells, int count)
{
    g_autofree fdt32_t *be = g_new(fdt32_t, (gsize)count);
    for (int i = 0; i < count; i++) {
        be[i] = cpu_to_fdt32(cells[i]);
    }
    TREE(t, fdt_property(t->buf, name, be, count * (int)sizeof(be[0])));
}

#define CELLS(t, name, ...)                              \
    cells_of(t, name, (const uint32_t[]){ __VA_ARGS__ }, \
             (int)(sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t)))
#define U64(x)      (uint32_t)((uint64_t)(x) >> 32), (uint32_t)(x)
#define RANGE(r)    U64((r).base), U64((r).size)
#define SPI(n, how) IRQ_SPI, (uint32_t)(n), (how)

/* A device of one region, one SPI, and the machine's clock. */
static void primecell(Tree *t, const VirtMachine *m, const char *name, VirtPlace place, int spi)
{
    begin(t, "%s@%" PRIx64, name, m->map[place].base);
    g_autofree char *compatible = g_strdup_printf("arm,%s|arm,primecell", name);
    int len = (int)strlen(compatible) + 1;
    *strchr(compatible, '|') = 0;
    TREE(t, fdt_property(t->buf, "compatible", compatible, len));
    CELLS(t, "reg", RANGE(m->map[place]));
    CELLS(t, "interrupts", SPI(spi, IRQ_HIGH));
    if (place == VIRT_UART) {
        CELLS(t, "clocks", PH_CLOCK, PH_CLOCK);
        TEXTS(t, "clock-names", "uartclk\0apb_pclk");
    } else {
        CELLS(t, "clocks", PH_CLOCK);
        text(t, "clock-names", "apb_pclk");
    }
}

/* ---- CPUs -------------------------------------------------------------------------------- */

static void cpu_map(Tree *t, const CPUTopology *smp)
{
    unsigned cpu = 0;
    begin(t, "cpu-map");
    for (unsigned s = 0; s < smp->sockets && cpu < smp->cpus; s++) {
        begin(t, "socket%u", s);
        for (unsigned c = 0; c < smp->clusters && cpu < smp->cpus; c++) {
            begin(t, "cluster%u", c);
            for (unsigned k = 0; k < smp->cores && cpu < smp->cpus; k++) {
                begin(t, "core%u", k);
                for (unsigned h = 0; h < smp->threads && cpu < smp->cpus; h++, cpu++) {
                    if (smp->threads > 1) {
                        begin(t, "thread%u", h);
                    }
                    CELLS(t, "cpu", PH_CPU0 + cpu);
                    if (smp->threads > 1) {
                        end(t);
                    }
                }
                end(t);
            }
            end(t);
        }
        end(t);
    }
    end(t);
}

static void cpus(Tree *t, const VirtMachine *m)
{
    begin(t, "cpus");
    CELLS(t, "#address-cells", 1);
    CELLS(t, "#size-cells", 0);
    cpu_map(t, &m->parent.smp);
    for (unsigned i = 0; i < m->parent.smp.cpus; i++) {
        uint32_t affinity = (uint32_t)arm_cpu_affinity(m->cpus[i]);
        begin(t, "cpu@%x", affinity);
        text(t, "device_type", "cpu");
        text(t, "compatible", arm_cpu_dt_compatible(m->cpus[i]));
        CELLS(t, "reg", affinity);
        text(t, "enable-method", "psci");
        if (m->parent.nb_nodes) {
            CELLS(t, "numa-node-id", m->parent.cpu_node[i]);
        }
        CELLS(t, "phandle", PH_CPU0 + i);
        end(t);
    }
    end(t);
}

static void distances(Tree *t, const Machine *machine)
{
    unsigned n = machine->nb_nodes;
    g_autofree uint32_t *matrix = g_new(uint32_t, 3 * n * n);
    for (unsigned i = 0; i < n * n; i++) {
        const uint32_t row[3] = { i / n, i % n, machine->nodes[i / n].distance[i % n] };
        memcpy(matrix + 3 * i, row, sizeof(row));
    }
    begin(t, "distance-map");
    text(t, "compatible", "numa-distance-map-v1");
    cells_of(t, "distance-matrix", matrix, (int)(3 * n * n));
    end(t);
}

static void psci(Tree *t)
{
    begin(t, "psci");
    TEXTS(t, "compatible", "arm,psci-1.0\0arm,psci-0.2\0arm,psci");
    text(t, "method", "hvc");
    CELLS(t, "cpu_suspend", 0xc4000001);
    CELLS(t, "cpu_off", 0x84000002);
    CELLS(t, "cpu_on", 0xc4000003);
    CELLS(t, "migrate", 0xc4000005);
    end(t);
}

/* GICv2's specifiers of private interrupts say which CPUs have it. */
static uint32_t ppi_flags(const VirtMachine *m)
{
    return m->gic_version == 2 ? IRQ_HIGH | ((1u << m->parent.smp.cpus) - 1) << 8 : IRQ_HIGH;
}

static void timer(Tree *t, const VirtMachine *m)
{
    uint32_t flags = ppi_flags(m);
    begin(t, "timer");
    TEXTS(t, "compatible", "arm,armv8-timer\0arm,armv7-timer");
    flag(t, "always-on");
    CELLS(t, "interrupts", IRQ_PPI, VIRT_PPI_SEC_TIMER - 16, flags, IRQ_PPI,
          VIRT_PPI_PHYS_TIMER - 16, flags, IRQ_PPI, VIRT_PPI_VIRT_TIMER - 16, flags, IRQ_PPI,
          VIRT_PPI_HYP_TIMER - 16, flags);
    end(t);
    if (arm_cpu_has_pmu(m->cpus[0])) {
        begin(t, "pmu");
        text(t, "compatible", "arm,armv8-pmuv3");
        CELLS(t, "interrupts", IRQ_PPI, VIRT_PPI_PMU - 16, flags);
        end(t);
    }
}

/* ---- interrupt controllers --------------------------------------------------------------- */

static void msi_frame(Tree *t, const VirtMachine *m)
{
    if (m->gic_version == 2) {
        begin(t, "v2m@%" PRIx64, m->map[VIRT_GIC_V2M].base);
        text(t, "compatible", "arm,gic-v2m-frame");
        CELLS(t, "reg", RANGE(m->map[VIRT_GIC_V2M]));
    } else {
        begin(t, "its@%" PRIx64, m->map[VIRT_GIC_ITS].base);
        text(t, "compatible", "arm,gic-v3-its");
        CELLS(t, "#msi-cells", 1);
        CELLS(t, "reg", RANGE(m->map[VIRT_GIC_ITS]));
    }
    flag(t, "msi-controller");
    CELLS(t, "phandle", PH_MSI);
    end(t);
}

static void gic(Tree *t, const VirtMachine *m)
{
    begin(t, "intc@%" PRIx64, m->map[VIRT_GIC_DIST].base);
    CELLS(t, "#interrupt-cells", 3);
    flag(t, "interrupt-controller");
    CELLS(t, "#address-cells", 2);
    CELLS(t, "#size-cells", 2);
    flag(t, "ranges");
    if (m->gic_version == 2) {
        text(t, "compatible", "arm,cortex-a15-gic");
        CELLS(t, "reg", RANGE(m->map[VIRT_GIC_DIST]), RANGE(m->map[VIRT_GIC_CPU]));
    } else {
        text(t, "compatible", "arm,gic-v3");
        CELLS(t, "#redistributor-regions", 1);
        CELLS(t, "reg", RANGE(m->map[VIRT_GIC_DIST]), RANGE(m->map[VIRT_GIC_REDIST]));
    }
    CELLS(t, "phandle", PH_GIC);
    if (m->has_its || m->gic_version == 2) {
        msi_frame(t, m);
    }
    end(t);
}

/* ---- devices ----------------------------------------------------------------------------- */

static void flash(Tree *t, const VirtMachine *m)
{
    VirtRange r = m->map[VIRT_FLASH];
    begin(t, "flash@%" PRIx64, r.base);
    text(t, "compatible", "cfi-flash");
    CELLS(t, "reg", U64(r.base), U64(r.size / 2), U64(r.base + r.size / 2), U64(r.size / 2));
    CELLS(t, "bank-width", 4);
    end(t);
}

static void fw_cfg(Tree *t, const VirtMachine *m)
{
    begin(t, "fw-cfg@%" PRIx64, m->map[VIRT_FW_CFG].base);
    text(t, "compatible", "qemu,fw-cfg-mmio");
    CELLS(t, "reg", RANGE(m->map[VIRT_FW_CFG]));
    flag(t, "dma-coherent");
    end(t);
}

static void gpio_keys(Tree *t)
{
    enum { KEY_POWER = 116, POWER_LINE = 3 };
    begin(t, "gpio-keys");
    text(t, "compatible", "gpio-keys");
    begin(t, "poweroff");
    text(t, "label", "GPIO Key Poweroff");
    CELLS(t, "linux,code", KEY_POWER);
    CELLS(t, "gpios", PH_GPIO, POWER_LINE, 0);
    end(t);
    end(t);
}

static void virtio(Tree *t, const VirtMachine *m)
{
    for (unsigned i = 0; i < VIRT_NB_VIRTIO; i++) {
        VirtRange r = m->map[VIRT_VIRTIO];
        r.base += i * r.size;
        begin(t, "virtio_mmio@%" PRIx64, r.base);
        text(t, "compatible", "virtio,mmio");
        CELLS(t, "reg", RANGE(r));
        CELLS(t, "interrupts", SPI(VIRT_IRQ_VIRTIO + i, IRQ_EDGE));
        flag(t, "dma-coherent");
        end(t);
    }
}

/* Pin p of slot s goes to line (s + p) modulo 4, for the four slots that the mask leaves. */
static void pcie_interrupts(Tree *t)
{
    uint32_t map[16][10];
    for (unsigned slot = 0; slot < 4; slot++) {
        for (unsigned pin = 0; pin < 4; pin++) {
            const uint32_t row[10] = {
                slot << 11, 0, 0, pin + 1,
                PH_GIC,     0, 0, SPI(VIRT_IRQ_PCIE + (slot + pin) % 4, IRQ_HIGH)
            };
            memcpy(map[slot * 4 + pin], row, sizeof(row));
        }
    }
    CELLS(t, "#interrupt-cells", 1);
    cells_of(t, "interrupt-map", map[0], 160);
    CELLS(t, "interrupt-map-mask", 0x1800, 0, 0, 7);
}

static void pcie(Tree *t, const VirtMachine *m)
{
    VirtRange ecam = m->map[VIRT_PCIE_ECAM], pio = m->map[VIRT_PCIE_PIO],
              mmio = m->map[VIRT_PCIE_MMIO], high = m->map[VIRT_HIGH_PCIE_MMIO];
    enum { SPACE_IO = 0x01000000, SPACE_MEM32 = 0x02000000, SPACE_MEM64 = 0x03000000 };
    begin(t, "pcie@%" PRIx64, mmio.base);
    text(t, "compatible", "pci-host-ecam-generic");
    text(t, "device_type", "pci");
    CELLS(t, "#address-cells", 3);
    CELLS(t, "#size-cells", 2);
    CELLS(t, "linux,pci-domain", 0);
    CELLS(t, "bus-range", 0, (uint32_t)(ecam.size >> 20) - 1);
    flag(t, "dma-coherent");
    CELLS(t, "reg", RANGE(ecam));
    if (m->has_its || m->gic_version == 2) {
        CELLS(t, "msi-map", 0, PH_MSI, 0, 0x10000);
    }
    if (high.size) {
        CELLS(t, "ranges", SPACE_IO, U64(0), RANGE(pio), SPACE_MEM32, U64(mmio.base), RANGE(mmio),
              SPACE_MEM64, U64(high.base), RANGE(high));
    } else {
        CELLS(t, "ranges", SPACE_IO, U64(0), RANGE(pio), SPACE_MEM32, U64(mmio.base), RANGE(mmio));
    }
    pcie_interrupts(t);
    end(t);
}

static void chosen(Tree *t, const VirtMachine *m)
{
    uint32_t seed[10];
    char path[64];
    begin(t, "chosen");
    snprintf(path, sizeof(path), "/pl011@%" PRIx64, m->map[VIRT_UART].base);
    text(t, "stdout-path", path);
    if (getrandom(seed, sizeof(seed), 0) == (ssize_t)sizeof(seed)) {
        cells_of(t, "kaslr-seed", seed, 2);
        cells_of(t, "rng-seed", seed + 2, 8);
    }
    end(t);
}

static void devices(Tree *t, const VirtMachine *m)
{
    begin(t, "apb-pclk");
    text(t, "compatible", "fixed-clock");
    CELLS(t, "#clock-cells", 0);
    CELLS(t, "clock-frequency", 24000000);
    text(t, "clock-output-names", "clk24mhz");
    CELLS(t, "phandle", PH_CLOCK);
    end(t);
    if (m->has_flash) {
        flash(t, m);
    }
    primecell(t, m, "pl011", VIRT_UART, VIRT_IRQ_UART);
    end(t);
    primecell(t, m, "pl031", VIRT_RTC, VIRT_IRQ_RTC);
    end(t);
    primecell(t, m, "pl061", VIRT_GPIO, VIRT_IRQ_GPIO);
    CELLS(t, "#gpio-cells", 2);
    flag(t, "gpio-controller");
    CELLS(t, "phandle", PH_GPIO);
    end(t);
    gpio_keys(t);
    if (m->has_fw_cfg) {
        fw_cfg(t, m);
    }
    if (m->has_virtio) {
        virtio(t, m);
    }
    if (m->has_pcie) {
        pcie(t, m);
    }
}

void *virt_make_dtb(VirtMachine *m, GError **err)
{
    Tree t = { g_malloc0(DTB_SIZE + DTB_ROOM), 0 };
    TREE(&t, fdt_create(t.buf, DTB_SIZE));
    TREE(&t, fdt_finish_reservemap(t.buf));
    begin(&t, "%s", "");
    text(&t, "compatible", "linux,dummy-virt");
    text(&t, "model", "linux,dummy-virt");
    CELLS(&t, "#address-cells", 2);
    CELLS(&t, "#size-cells", 2);
    CELLS(&t, "interrupt-parent", PH_GIC);
    chosen(&t, m);
    psci(&t);
    cpus(&t, m);
    if (m->parent.nb_nodes) {
        distances(&t, &m->parent);
    }
    timer(&t, m);
    gic(&t, m);
    devices(&t, m);
    end(&t);
    TREE(&t, fdt_finish(t.buf));
    TREE(&t, fdt_open_into(t.buf, t.buf, DTB_SIZE + DTB_ROOM));
    if (t.res) {
        g_set_error(err, HW_ERROR, 0, "device tree: %s", fdt_strerror(t.res));
        g_free(t.buf);
        return NULL;
    }
    return t.buf;
}
