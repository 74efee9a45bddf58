/* SPDX-License-Identifier: MIT */
/*
 * A guest that pokes everything: random accesses to all registers of a board full of devices,
 * random rings and requests in its RAM. Nothing may crash, hang, or reach beyond the RAM (ASan
 * sees that). HW_FUZZ_ROUNDS steps, of HW_FUZZ_SEED. Device by device: tests/fuzz/hw-fuzz.c.
 */
#include <stdlib.h>
#include "hw/intc/gic.h"
#include "tests/fuzz/hw-poke.h"

enum { GIC2 = 0x08000000, GICR = 0x080a0000, ITS = 0x08080000, SMALL = 0x09000000 };

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
    static const char *const types[] = { "pl011", "pl031", "pl061", "fw_cfg_mem", "acpi-ged" };
    for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
        board_place(board_new(types[i], NULL), SMALL + i * 0x10000);
    }
    board_place(board_new("cfi.pflash01", "size=1M", NULL), 0);
}

static void place_virtio(void)
{
    poke_place_virtio("virtio-blk-device,drive=a,packed=on", NULL, NULL);
    poke_place_virtio("virtio-rng-device,packed=on", NULL, NULL);
    poke_place_virtio("virtio-net-device,packed=on", NULL, NULL);
    poke_place_virtio("virtio-blk-device,drive=b,in_order=on", "force-legacy=on", NULL);
}

static void place_pci(void)
{
    static const char *const devices[] = {
        "pcie-root-port,id=rp,chassis=1",
        "virtio-blk-pci,drive=c,bus=pcie.0",
        "virtio-rng-pci,bus=rp,packed=on",
        "virtio-net-pci,bus=pcie.0",
        "e1000,bus=pcie.0",
        "e1000e,bus=pcie.0",
        "rtl8139,bus=pcie.0",
        "virtio-serial-pci,bus=pcie.0,id=vs",
        "virtconsole,bus=vs.0",
        "virtio-balloon-pci,bus=pcie.0,free-page-reporting=on",
        "virtio-scsi-pci,bus=pcie.0,id=s",
        "scsi-hd,bus=s.0,drive=d",
        "pci-bridge,bus=pcie.0,id=pb,chassis_nr=2",
        "pvpanic-pci,bus=pb,addr=1",
        "i6300esb,bus=pcie.0",
    };
    poke_place_pci();
    for (unsigned i = 0; i < G_N_ELEMENTS(devices); i++) {
        g_autoptr(GError) err = NULL;
        device_add_from_text(devices[i], &err);
        g_assert_no_error(err);
    }
}

static void test_fuzz(void)
{
    const char *rounds = getenv("HW_FUZZ_ROUNDS"), *seed = getenv("HW_FUZZ_SEED");
    poke_init(seed ? (guint32)strtoul(seed, NULL, 0) : 1);
    poke_run(rounds ? strtoul(rounds, NULL, 0) : 30000, 0);
    /* It is all still there. */
    g_assert_cmphex(rd(SMALL + 0xfe0, 4), ==, 0x11);
    g_assert_cmphex(rd(POKE_VIRTIO, 4), ==, 0x74726976);
    g_assert_cmphex(rd(POKE_ECAM, 4), ==, 0x00081b36);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    board_init();
    for (const char *id = "abcd"; *id; id++) {
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
