/* SPDX-License-Identifier: MIT */
/*
 * usage: hw-fuzz [--list] [--seconds=N] [--steps=N] [--seed=N] DEVICE
 *
 * A board with one device, poked at random until the time is up: nothing may crash, hang, or reach
 * beyond the guest's RAM (a build with sanitizers sees that). The seed is printed; with it and
 * --steps a run can be had again.
 */
#include <fcntl.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "hw/9pfs/fsdev.h"
#include "hw/intc/gic.h"
#include "hw/pci/pci.h"
#include "tests/fuzz/hw-poke.h"

enum { GIC_AT = 0x08000000, GICR_AT = 0x080a0000, ITS_AT = 0x08080000, SMALL_AT = 0x09000000 };

/* ---- plausible requests ------------------------------------------------------------------- */

static void fill_blk(uint8_t *r, unsigned len)
{
    static const uint8_t types[] = { 0, 1, 4, 8, 11, 13, 2, 99 };
    (void)len;
    r[0] = types[poke_upto(sizeof(types))];
    r[1] = r[2] = r[3] = 0;
    memset(r + 8, 0, 8);
    r[8] = (uint8_t)poke_upto(256);
}

static void fill_scsi(uint8_t *r, unsigned len)
{
    static const uint8_t codes[] = { 0x00, 0x03, 0x08, 0x0a, 0x12, 0x15, 0x1a, 0x1b, 0x1e, 0x25,
                                     0x28, 0x2a, 0x2f, 0x35, 0x41, 0x42, 0x43, 0x46, 0x4a, 0x51,
                                     0x55, 0x5a, 0x88, 0x8a, 0x91, 0x93, 0x9e, 0xa0, 0xa8, 0xaa };
    (void)len;
    if (poke_upto(8) == 0) { /* as task management */
        r[0] = (uint8_t)poke_upto(3);
        r[4] = (uint8_t)poke_upto(9);
        memset(r + 8, 0, 8);
        r[8] = 1;
        return;
    }
    memset(r, 0, 8);
    r[0] = 1;
    r[1] = (uint8_t)poke_upto(3);
    r[3] = (uint8_t)poke_upto(2);
    r[19] = codes[poke_upto(sizeof(codes))];
}

/* A path of messages that lead somewhere: few fids, names that exist. */
static void fill_9p(uint8_t *r, unsigned len)
{
    static const uint8_t types[] = { 8,  12, 14, 16, 18, 20,  22,  24,  26,  30,  32,  40,  50, 52,
                                     54, 70, 72, 74, 76, 100, 104, 108, 110, 116, 118, 120, 122 };
    static const char *const names[] = { "a", "b", "..", "f", "user.x", "", "/", "9P2000.L" };
    unsigned at = 7;
    r[0] = (uint8_t)(poke_upto(4) ? 20 + poke_upto(len - 20) : poke_upto(256));
    r[1] = r[2] = r[3] = 0;
    r[4] = types[poke_upto(sizeof(types))];
    while (at + 24 < len) {
        const char *name = names[poke_upto(G_N_ELEMENTS(names))];
        if (poke_upto(2)) {
            memset(r + at, 0, 4);
            r[at] = (uint8_t)poke_upto(4);
            at += 4;
        } else {
            r[at] = (uint8_t)strlen(name);
            r[at + 1] = 0;
            memcpy(r + at + 2, name, strlen(name));
            at += 2 + (unsigned)strlen(name);
        }
    }
    if (r[4] == 100) { /* a session: large messages, the version that is known */
        const uint8_t message[] = { 0, 0x20, 0, 0, 8, 0, '9', 'P', '2', '0', '0', '0', '.', 'L' };
        memcpy(r + 7, message, sizeof(message));
        r[0] = 21;
    } else if (r[4] == 104) {
        memset(r + 7, 0, 16);
        r[7] = (uint8_t)poke_upto(4);
        r[0] = 23;
    }
}

/* ---- boards ------------------------------------------------------------------------------ */

static void add(const char *text)
{
    g_autoptr(GError) err = NULL;
    device_add_from_text(text, &err);
    g_assert_no_error(err);
}

static void setup_gicv2(void)
{
    GICDevice *gic = (GICDevice *)board_new("arm_gic", "num-cpus=2", NULL);
    hwaddr at[SYSBUS_MAX_MMIO] = { GIC_AT, GIC_AT + 0x10000 };
    g_assert_true(sysbus_realize(&gic->parent, &board.system, at, NULL));
    board_place(board_new("arm-gicv2m", NULL), GIC_AT + 0x20000);
}

static void setup_gicv3(void)
{
    GICDevice *gic = (GICDevice *)board_new("arm-gicv3", "num-cpus=3", NULL);
    hwaddr at[SYSBUS_MAX_MMIO] = { GIC_AT, GICR_AT };
    for (unsigned i = 0; i < 3; i++) {
        gic_connect_cpu(gic, i, NULL, board_wire((int)i), board_wire(8 + (int)i));
    }
    g_assert_true(sysbus_realize(&gic->parent, &board.system, at, NULL));
    Device *its = board_new("arm-gicv3-its", NULL);
    gicv3_its_connect(its, gic);
    board_place(its, ITS_AT);
}

static void setup_flash(void)
{
    board_place(board_new("cfi.pflash01", "size=1M", NULL), 0);
}

static void setup_blk(void)
{
    poke_place_virtio("virtio-blk-device,drive=a,packed=on,num-queues=2", NULL, fill_blk);
    poke_place_virtio("virtio-blk-device,drive=b,in_order=on", "force-legacy=on", fill_blk);
    poke_place_virtio("virtio-blk-device,drive=c", NULL, fill_blk);
    poke_place_pci();
    add("virtio-blk-pci,drive=d");
}

static void setup_net(void)
{
    poke_place_virtio("virtio-net-device,packed=on", NULL, NULL);
    poke_place_virtio("virtio-net-device", NULL, NULL);
    poke_place_pci();
    add("virtio-net-pci");
}

static void setup_rng(void)
{
    poke_place_virtio("virtio-rng-device,packed=on", NULL, NULL);
    poke_place_virtio("virtio-rng-device,in_order=on", NULL, NULL);
    poke_place_pci();
    add("virtio-rng-pci");
}

static void setup_serial(void)
{
    poke_place_virtio("virtio-serial-device,id=s", NULL, NULL);
    add("virtconsole,bus=s.0");
    add("virtserialport,bus=s.0,name=port");
    poke_place_pci();
    add("virtio-serial-pci");
}

static void setup_balloon(void)
{
    poke_place_virtio("virtio-balloon-device,free-page-reporting=on", NULL, NULL);
}

static void setup_scsi(void)
{
    poke_place_virtio("virtio-scsi-device,id=s,num_queues=2", NULL, fill_scsi);
    add("scsi-hd,bus=s.0,drive=a,serial=S");
    add("scsi-cd,bus=s.0,drive=b");
    add("scsi-hd,bus=s.0,drive=c,scsi-id=0,lun=1,logical_block_size=4096,physical_block_size=4096");
    poke_place_pci();
    add("virtio-scsi-pci,id=p");
    add("scsi-hd,bus=p.0,drive=d");
}

static char *folder;

static void remove_folder(void)
{
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", folder);
    if (system(command)) {
        g_printerr("%s is left\n", folder);
    }
}

static void setup_9p(void)
{
    folder = g_dir_make_tmp("latimer-fuzz-XXXXXX", NULL);
    g_autofree char *text = g_strdup_printf("local,id=f,path=%s,security_model=none", folder);
    atexit(remove_folder);
    g_assert_true(fsdev_add(text, NULL));
    poke_place_virtio("virtio-9p-device,fsdev=f,mount_tag=t", NULL, fill_9p);
    poke_place_virtio("virtio-9p-device,fsdev=f,mount_tag=u,packed=on", NULL, fill_9p);
}

static void setup_ports(void)
{
    poke_place_pci();
    add("pcie-root-port,id=rp,chassis=1");
    add("virtio-rng-pci,bus=rp,id=below");
    add("ioh3420,id=rp2,chassis=2");
    add("x3130-upstream,id=up,bus=rp2");
    add("xio3130-downstream,id=down,bus=up,chassis=3");
    add("virtio-rng-pci,bus=down");
    add("pci-bridge,id=pb,chassis_nr=4");
    add("pvpanic-pci,bus=pb,addr=1");
    add("pcie-root-port,id=rp3,chassis=5");
    add("pcie-pci-bridge,id=ppb,bus=rp3");
}

typedef struct Target {
    const char *name;
    void (*setup)(void); /* NULL: a sysbus device of one region */
} Target;

static const Target targets[] = {
    { "pl011", NULL },
    { "pl031", NULL },
    { "pl061", NULL },
    { "fw_cfg_mem", NULL },
    { "acpi-ged", NULL },
    { "cfi.pflash01", setup_flash },
    { "arm_gic", setup_gicv2 },
    { "arm-gicv3", setup_gicv3 },
    { "virtio-blk", setup_blk },
    { "virtio-net", setup_net },
    { "virtio-rng", setup_rng },
    { "virtio-serial", setup_serial },
    { "virtio-balloon", setup_balloon },
    { "virtio-scsi", setup_scsi },
    { "virtio-9p", setup_9p },
    { "pci-ports", setup_ports },
};

/* PCI devices need no board of their own; virtio's and bridges have one above. */
static bool is_plain_pci(const DeviceType *type)
{
    const PCIDeviceOps *ops = type->ops;
    return type->user_creatable && !type->inner && device_type_is_a(type, &pci_device_type) &&
           !(ops && ops->bridge) && !g_str_has_prefix(type->name, "virtio");
}

static void list_pci(const DeviceType *type, void *opaque)
{
    (void)opaque;
    if (is_plain_pci(type)) {
        puts(type->name);
    }
}

static bool set_up(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(targets); i++) {
        if (!strcmp(targets[i].name, name)) {
            if (targets[i].setup) {
                targets[i].setup();
            } else {
                board_place(board_new(name, NULL), SMALL_AT);
            }
            return true;
        }
    }
    const DeviceType *type = device_type_find(name);
    if (type && is_plain_pci(type)) {
        poke_place_pci();
        add(type->name);
    }
    return type && is_plain_pci(type);
}

static void list(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(targets); i++) {
        puts(targets[i].name);
    }
    device_type_foreach(list_pci, NULL);
}

int main(int argc, char **argv)
{
    const char *device = NULL;
    unsigned long steps = ULONG_MAX;
    unsigned seconds = 5, seed = g_random_int();
    for (int i = 1; i < argc; i++) {
        unsigned long n = strchr(argv[i], '=') ? strtoul(strchr(argv[i], '=') + 1, NULL, 0) : 0;
        if (!strcmp(argv[i], "--list")) {
            list();
            return 0;
        }
        if (g_str_has_prefix(argv[i], "--seconds=")) {
            seconds = (unsigned)n;
        } else if (g_str_has_prefix(argv[i], "--steps=")) {
            steps = n;
            seconds = 0;
        } else if (g_str_has_prefix(argv[i], "--seed=")) {
            seed = (unsigned)n;
        } else {
            device = argv[i];
        }
    }
    board_init();
    for (const char *id = "abcd"; *id; id++) {
        g_autofree char *name = g_strdup_printf("%c", *id);
        board_add_drive(name, "file.driver=null-co,file.size=1M,file.read-zeroes=on,format=raw");
    }
    printf("# %s: seed %u\n", device ? device : "nothing", seed);
    fflush(stdout);
    poke_init(seed);
    if (!device || !set_up(device)) {
        fprintf(stderr, "hw-fuzz: no such device; see --list\n");
        return 1;
    }
    devices_reset();
    poke_run(steps, seconds);
    return 0;
}
