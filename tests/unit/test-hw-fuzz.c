/* SPDX-License-Identifier: MIT */
/*
 * A guest that pokes everything: random accesses to all registers of a board full of devices,
 * random rings and descriptors in its RAM. Nothing may crash, hang, or reach beyond the RAM (ASan
 * sees that). HW_FUZZ_ROUNDS accesses, of HW_FUZZ_SEED.
 */
#include <stdlib.h>
#include <string.h>
#include "hw/intc/gic.h"
#include "hw/pci/gpex.h"
#include "tests/unit/hw-harness.h"

enum {
    GIC2 = 0x08000000,
    GICR = 0x080a0000,
    ITS = 0x08080000,
    SMALL = 0x09000000,
    VIRTIO = 0x0a000000,
    PCI_MMIO = 0x10000000,
    PCI_IO = 0x3eff0000,
    ECAM = 0x3f000000,
    FLASH = 0x00000000
};

static GRand *rng;

static uint32_t upto(uint32_t n)
{
    return (uint32_t)g_rand_int_range(rng, 0, (gint32)n);
}

static uint64_t wide(void)
{
    return (uint64_t)g_rand_int(rng) << 32 | g_rand_int(rng);
}

/* Numbers that mean something to devices. */
static uint64_t value(void)
{
    switch (upto(8)) {
    case 0:
        return upto(16);
    case 1:
        return 1ull << upto(64);
    case 2:
        return BOARD_RAM + upto(BOARD_RAM_SIZE);
    case 3:
        return BOARD_RAM + (upto(64) << 12);
    case 4:
        return (uint64_t)PCI_MMIO + (upto(256) << 12);
    case 5:
        return 1ull << 63 | (BOARD_RAM + (upto(64) << 12));
    case 6:
        return wide();
    default:
        return upto(256);
    }
}

static void place_gics(void)
{
    GICDevice *gic = (GICDevice *)board_new("arm-gicv3", "num-cpus=3", NULL);
    hwaddr at[SYSBUS_MAX_MMIO] = { GIC2, GICR };
    for (unsigned i = 0; i < 3; i++) {
        gic_connect_cpu(gic, i, NULL, board_wire((int)i), board_wire(8 + (int)i));
    }
    g_assert_true(sysbus_realize(&gic->parent, &board.system, at, NULL));
    Device *its = board_new("arm-gicv3-its", NULL);
    gicv3_its_connect(its, gic);
    board_place(its, ITS);
    GICDevice *old = (GICDevice *)board_new("arm_gic", "num-cpus=2", NULL);
    hwaddr old_at[SYSBUS_MAX_MMIO] = { SMALL + 0x800000, SMALL + 0x810000 };
    g_assert_true(sysbus_realize(&old->parent, &board.system, old_at, NULL));
}

static void place_small(void)
{
    static const char *const types[] = { "pl011", "pl031", "pl061", "fw_cfg_mem" };
    for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
        board_place(board_new(types[i], NULL), SMALL + i * 0x10000);
    }
    board_place(board_new("cfi.pflash01", "size=1M", NULL), FLASH);
}

static void place_virtio(void)
{
    static const char *const devices[] = {
        "virtio-blk-device,drive=a,packed=on",
        "virtio-rng-device,packed=on",
        "virtio-net-device,packed=on",
        "virtio-blk-device,drive=b,in_order=on",
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(devices); i++) {
        g_autoptr(GError) err = NULL;
        board_place(board_new("virtio-mmio", i == 3 ? "force-legacy=on" : "index=1", NULL),
                    VIRTIO + i * 0x200);
        device_add_from_text(devices[i], &err);
        g_assert_no_error(err);
    }
}

static void place_pci(void)
{
    static const char *const devices[] = {
        "pcie-root-port,id=rp",
        "virtio-blk-pci,drive=c,bus=pcie.0",
        "virtio-rng-pci,bus=rp,packed=on",
        "virtio-net-pci,bus=pcie.0",
        "e1000,bus=pcie.0",
        "e1000e,bus=pcie.0",
        "rtl8139,bus=pcie.0",
        "virtio-serial-pci,bus=pcie.0,id=vs",
        "virtconsole,bus=vs.0",
        "virtio-balloon-pci,bus=pcie.0,free-page-reporting=on",
    };
    static MemoryRegion window;
    GPEXHost *host = (GPEXHost *)board_new("gpex-pcihost", "ecam-size=16M", NULL);
    for (int i = 0; i < 4; i++) {
        host->parent.irq[i] = board_wire(20 + i);
    }
    board_place(&host->parent.parent, ECAM);
    memory_region_init_alias(&window, "window", &host->memory, PCI_MMIO, 0x2eff0000);
    memory_region_add(&board.system, PCI_MMIO, &window, 0);
    memory_region_add(&board.system, PCI_IO, &host->io, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(devices); i++) {
        g_autoptr(GError) err = NULL;
        device_add_from_text(devices[i], &err);
        g_assert_no_error(err);
    }
}

/* One of the pieces that are no RAM, near its start more often than not. */
static hwaddr pick_register(void)
{
    for (;;) {
        const FlatView *view = board.as.view;
        const FlatRange *r = &view->ranges[upto((uint32_t)view->nb)];
        if (r->mr->kind == MR_RAM) {
            continue;
        }
        uint32_t size = (uint32_t)MIN(r->size, INT32_MAX);
        uint32_t near = MIN(size, upto(4) ? 256u : 4096u);
        return r->start + (r->start == ECAM ? upto(2) << 20 | upto(40) << 12 | upto(256)
                                            : upto(upto(3) ? near : size));
    }
}

/* Queues at the first pages of RAM, whose contents make some sense. */
static void scribble(void)
{
    hwaddr at = BOARD_RAM + (upto(64) << 12) + upto(64) * 16;
    wr(at, upto(3) ? BOARD_RAM + upto(BOARD_RAM_SIZE) : value(), 8);
    wr(at + 8, upto(3) ? upto(4096) : (uint32_t)wide(), 4);
    wr(at + 12, upto(2) ? upto(8) : (uint32_t)wide(), 2);
    wr(at + 14, upto(2) ? upto(16) : (uint32_t)wide(), 2);
}

/* A queue brought up as a driver would, so that requests are tried at all. */
static void bring_up(hwaddr mmio)
{
    wr(mmio + 0x70, 0, 4);
    wr(mmio + 0x70, 3, 4);
    for (unsigned i = 0; i < 2; i++) {
        wr(mmio + 0x24, i, 4);
        wr(mmio + 0x20, i ? 1 | upto(2) << 2 | upto(2) << 3 : upto(2) ? 0xffffffff : 0x30000000, 4);
    }
    wr(mmio + 0x70, 11, 4);
    wr(mmio + 0x30, upto(3), 4);
    wr(mmio + 0x38, 1u << upto(6), 4);
    for (unsigned i = 0; i < 3; i++) {
        wr(mmio + 0x80 + 0x10 * i, BOARD_RAM + (upto(64) << 12), 4);
        wr(mmio + 0x84 + 0x10 * i, 0, 4);
    }
    wr(mmio + 0x44, 1, 4);
    wr(mmio + 0x70, 15, 4);
}

static void one_step(void)
{
    switch (upto(16)) {
    case 0:
    case 1:
    case 2:
    case 3:
        scribble();
        break;
    case 4:
        if (upto(4) == 0) {
            bring_up(VIRTIO + upto(4) * 0x200);
        }
        break;
    case 5:
        wr(VIRTIO + upto(4) * 0x200 + 0x50, upto(3), 4);
        break;
    case 6:
        if (upto(200) == 0) {
            devices_reset();
        }
        break;
    case 7:
    case 8:
        rd(pick_register(), 1u << upto(4));
        break;
    default:
        wr(pick_register(), value(), 1u << upto(4));
        break;
    }
}

static void test_fuzz(void)
{
    const char *rounds = getenv("HW_FUZZ_ROUNDS"), *seed = getenv("HW_FUZZ_SEED");
    unsigned long n = rounds ? strtoul(rounds, NULL, 0) : 30000;
    rng = g_rand_new_with_seed(seed ? (guint32)strtoul(seed, NULL, 0) : 1);
    for (unsigned long i = 0; i < n; i++) {
        one_step();
        if (i % 256 == 0) {
            board_settle(0);
        }
    }
    board_settle(20);
    /* It is all still there. */
    devices_reset();
    g_assert_cmphex(rd(SMALL + 0xfe0, 4), ==, 0x11);
    g_assert_cmphex(rd(VIRTIO, 4), ==, 0x74726976);
    g_assert_cmphex(rd(ECAM, 4), ==, 0x00081b36);
    g_rand_free(rng);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    board_init();
    for (const char *id = "abc"; *id; id++) {
        g_autofree char *name = g_strdup_printf("%c", *id);
        board_add_drive(name, "file.driver=null-co,file.size=1M,file.read-zeroes=on,format=raw");
    }
    place_gics();
    place_small();
    place_virtio();
    place_pci();
    g_test_add_func("/hw/fuzz", test_fuzz);
    return g_test_run();
}
