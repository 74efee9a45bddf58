/* SPDX-License-Identifier: MIT */
/* Interrupt controllers by their registers: GICv2, GICv2m, GICv3's distributor, redistributor, ITS.
 */
#include "hw/biglock.h"
#include "hw/intc/gicv3-internal.h"
#include "tests/unit/hw-harness.h"

enum {
    DIST = BOARD_MMIO,
    CPUIF = BOARD_MMIO + 0x10000,
    REDIST = BOARD_MMIO + 0x100000,
    ITS = BOARD_MMIO + 0x400000,
    FRAME = BOARD_MMIO + 0x20000
};

static GICDevice *make_gic(const char *type, hwaddr second, const char *cpus)
{
    g_autofree char *prop = g_strconcat("num-cpus=", cpus, NULL);
    GICDevice *gic = (GICDevice *)board_new(type, prop, "num-irq=96", NULL);
    hwaddr at[SYSBUS_MAX_MMIO] = { DIST, second };
    for (unsigned i = 0; i < gic->nb_cpus; i++) {
        gic_connect_cpu(gic, i, NULL, board_wire((int)i), board_wire(32 + (int)i));
    }
    g_assert_true(sysbus_realize(&gic->parent, &board.system, at, NULL));
    devices_reset();
    return gic;
}

static void test_gicv2(void)
{
    GICDevice *gic = make_gic("arm_gic", CPUIF, "2");
    IRQLine level = gic_spi(gic, 1), edge = gic_spi(gic, 2), ppi = gic_ppi(gic, 0, 27);
    g_assert_cmphex(rd(DIST + 4, 4), ==, 2 | 1 << 5);
    g_assert_cmphex(rd(CPUIF + 0xc, 4), ==, 1023);
    wr(DIST, 1, 4);
    wr(CPUIF, 1, 4);
    wr(CPUIF + 4, 0xf0, 4);
    wr(DIST + 0x100, 1u << 27, 4);
    wr(DIST + 0x104, 6, 4);
    wr(DIST + 0x821, 0x0101, 2); /* both SPIs to CPU 0 */
    wr(DIST + 0xc08, 2 << 4, 4); /* SPI 2 is an edge */
    wr(DIST + 0x421, 0xa0, 1);
    wr(DIST + 0x422, 0x80, 1);
    g_assert_cmphex(rd(DIST + 0x420, 4), ==, 0x0080a000);

    /* Level: pending while the wire is, and again after EOI. */
    irq_set(&level, 1);
    g_assert_cmpint(board.wires[0], ==, 1);
    g_assert_cmpint(rd(CPUIF + 0xc, 4), ==, 33);
    g_assert_cmpint(board.wires[0], ==, 0);
    g_assert_cmphex(rd(CPUIF + 0x14, 4), ==, 0xa0);
    /* A more urgent one preempts. */
    irq_pulse(&edge);
    g_assert_cmpint(board.wires[0], ==, 1);
    g_assert_cmpint(rd(CPUIF + 0xc, 4), ==, 34);
    wr(CPUIF + 0x10, 34, 4);
    g_assert_cmphex(rd(CPUIF + 0x14, 4), ==, 0xa0);
    g_assert_cmpint(board.wires[0], ==, 0);
    wr(CPUIF + 0x10, 33, 4);
    g_assert_cmpint(board.wires[0], ==, 1);
    irq_set(&level, 0);
    g_assert_cmpint(board.wires[0], ==, 0);

    /* The priority mask holds a private one back. */
    wr(CPUIF + 4, 0, 4);
    irq_set(&ppi, 1);
    g_assert_cmpint(board.wires[0], ==, 0);
    wr(CPUIF + 4, 0xf0, 4);
    g_assert_cmpint(rd(CPUIF + 0xc, 4), ==, 27);
    irq_set(&ppi, 0);
    wr(CPUIF + 0x10, 27, 4);
    /* An SGI from CPU 0 to itself names its sender. */
    wr(DIST + 0xf00, 2 << 24 | 5, 4);
    g_assert_cmpint(rd(CPUIF + 0xc, 4), ==, 5);
    wr(CPUIF + 0x10, 5, 4);
    /* To the other CPU: its wire stays down until its interface is on; this one's too. */
    wr(DIST + 0xf00, 1 << 24 | 5, 4);
    g_assert_cmpint(board.wires[0], ==, 0);
    device_delete(&gic->parent.parent);
}

static void test_gicv2m(void)
{
    SysBusDevice *dev = (SysBusDevice *)board_new("arm-gicv2m", "base-spi=8", "num-spi=4", NULL);
    for (int i = 0; i < 4; i++) {
        dev->irq[i] = board_wire(8 + i);
    }
    board_place(&dev->parent, FRAME);
    g_assert_cmphex(rd(FRAME + 8, 4), ==, 40 << 16 | 4);
    unsigned before = board.changes[10];
    wr(FRAME + 0x40, 42, 4);
    g_assert_cmpuint(board.changes[10] - before, ==, 2);
    wr(FRAME + 0x40, 44, 4); /* not its own */
    wr(FRAME + 0x40, 0, 4);
    g_assert_cmpuint(board.changes[10] - before, ==, 2);
    device_delete(&dev->parent);
}

/* What a driver would write to ICC_*. */
static void cpu_interface_on(GICv3CPU *c)
{
    c->pmr = 0xf0;
    c->enabled[1] = 1;
}

static void test_gicv3(void)
{
    GICDevice *gic = make_gic("arm-gicv3", REDIST, "2");
    GICv3 *s = (GICv3 *)gic;
    IRQLine spi = gic_spi(gic, 3), ppi = gic_ppi(gic, 1, 30);
    g_assert_cmphex(rd(DIST + 0xffe8, 4), ==, 0x3b);
    g_assert_cmphex(rd(REDIST + 8, 8), ==, 1);
    g_assert_cmphex(rd(REDIST + 0x20008, 8), ==, 1ull << 32 | 1 << 8 | 1 << 4 | 1);
    cpu_interface_on(&s->cpus[0]);
    cpu_interface_on(&s->cpus[1]);
    wr(DIST, 2, 4);
    wr(DIST + 0x84, 1u << 3, 4);  /* group 1 */
    wr(DIST + 0x104, 1u << 3, 4); /* enabled */
    wr(DIST + 0x423, 0x80, 1);
    wr(DIST + 0x6000 + 8 * 35, 1, 8); /* to CPU 1 */
    irq_set(&spi, 1);
    g_assert_cmpint(board.wires[0], ==, 0);
    g_assert_cmpint(board.wires[1], ==, 1);
    g_assert_cmpuint(s->cpus[1].next.irq, ==, 35);
    wr(DIST + 0x6000 + 8 * 35, 0, 8); /* moved while pending */
    g_assert_cmpint(board.wires[0], ==, 1);
    g_assert_cmpint(board.wires[1], ==, 0);
    wr(DIST + 0x6000 + 8 * 35, 77, 8); /* to nobody */
    g_assert_cmpint(board.wires[0], ==, 0);
    irq_set(&spi, 0);
    /* A private one, group 0: it comes as FIQ, if group 0 is on. */
    wr(REDIST + 0x30100, 1u << 30, 4);
    irq_set(&ppi, 1);
    g_assert_cmpint(board.wires[33], ==, 0);
    s->cpus[1].enabled[0] = 1;
    wr(DIST, 3, 4);
    g_assert_cmpint(board.wires[33], ==, 1);
    irq_set(&ppi, 0);
    device_delete(&gic->parent.parent);
}

/* ---- ITS --------------------------------------------------------------------------------- */

enum {
    COMMANDS = BOARD_RAM + 0x10000,
    DEVICES = BOARD_RAM + 0x20000,
    COLLECTIONS = BOARD_RAM + 0x30000,
    ITT = BOARD_RAM + 0x40000,
    CONFIG = BOARD_RAM + 0x50000,
    PENDING = BOARD_RAM + 0x60000
};

static void command(uint64_t a, uint64_t b, uint64_t c)
{
    static uint64_t at;
    const uint64_t cmd[4] = { a, b, c, 0 };
    address_space_write(&board.as, COMMANDS + at, NULL, cmd, sizeof(cmd));
    at = (at + 32) % 4096;
    wr(ITS + 0x88, at, 8);
    g_assert_cmphex(rd(ITS + 0x90, 8), ==, at);
}

static MemTxResult message(uint32_t device, uint32_t event)
{
    MemTxAttrs attrs = { .requester = device };
    return address_space_write(&board.as, ITS + 0x10040, &attrs, &event, 4);
}

static void test_its(void)
{
    const uint64_t valid = 1ull << 63;
    GICDevice *gic = make_gic("arm-gicv3", REDIST, "2");
    GICv3 *s = (GICv3 *)gic;
    Device *its = board_new("arm-gicv3-its", NULL);
    gicv3_its_connect(its, gic);
    board_place(its, ITS);
    cpu_interface_on(&s->cpus[1]);
    wr(DIST, 2, 4);
    wr(REDIST + 0x20070, CONFIG | 15, 8);
    wr(REDIST + 0x20078, PENDING | 1ull << 62, 8);
    wr(REDIST + 0x20000, 1, 4);
    wr(CONFIG + 5, 0x81, 1); /* LPI 8197: priority 80, enabled */
    wr(ITS + 0x80, valid | COMMANDS, 8);
    wr(ITS + 0x100, valid | DEVICES, 8);
    wr(ITS + 0x108, valid | COLLECTIONS, 8);
    wr(ITS, 1, 4);
    message(0x10, 2);                                    /* not mapped yet */
    command(0x08 | 0x10ull << 32, 3, valid | ITT);       /* MAPD: 16 events */
    command(0x09, 0, valid | 1 << 16 | 4);               /* MAPC 4: CPU 1 */
    command(0x0a | 0x10ull << 32, 8197ull << 32 | 2, 4); /* MAPTI */
    g_assert_cmpint(board.wires[1], ==, 0);
    message(0x10, 2);
    g_assert_cmpint(board.wires[1], ==, 1);
    g_assert_cmpuint(s->cpus[1].next.irq, ==, 8197);
    command(0x04 | 0x10ull << 32, 2, 0); /* CLEAR */
    g_assert_cmpint(board.wires[1], ==, 0);
    wr(CONFIG + 5, 0x80, 1); /* disabled: noticed by INV */
    command(0x0c | 0x10ull << 32, 2, 0);
    message(0x10, 2);
    g_assert_cmpint(board.wires[1], ==, 0);
    message(0x10, 16); /* beyond the table */
    message(0x11, 2);  /* another device */
    message(~0u, ~0u);
    command(0x0a | 0x10ull << 32, 5ull << 32 | 1, 4);          /* not an LPI */
    command(0x08 | 0x12ull << 32, 31, valid | 0x0fffffffff00); /* ITT where nothing is */
    command(0x0a | 0x12ull << 32, 8198ull << 32 | 1, 4);
    message(0x12, 1);
    command(0x09, 0, valid | 0xffffull << 16 | 4); /* no such CPU */
    command(0xff, 0, 0);
    g_assert_cmpint(board.wires[1], ==, 0);
    device_delete(its);
    device_delete(&gic->parent.parent);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    board_init();
    g_test_add_func("/intc/gicv2", test_gicv2);
    g_test_add_func("/intc/gicv2m", test_gicv2m);
    g_test_add_func("/intc/gicv3", test_gicv3);
    g_test_add_func("/intc/its", test_its);
    return g_test_run();
}
