/* SPDX-License-Identifier: MIT */
/* A board for register-level tests of devices. */
#include "tests/unit/hw-harness.h"
#include <string.h>
#include "hw/biglock.h"

Board board;

static void *resolve_drive(const char *id, G_GNUC_UNUSED Device *dev, GError **err)
{
    return block_system_take(board.machine.drives, id, err);
}

static const char *drive_name(void *object)
{
    return blk_name(object);
}

static void release_drive(void *object, G_GNUC_UNUSED Device *dev)
{
    block_system_give_back(board.machine.drives, object); /* the reference, too */
}

void board_init(void)
{
    static const PropResolver resolver = { resolve_drive, drive_name, release_drive };
    if (!biglock_held()) {
        biglock_lock();
    }
    memory_region_init(&board.system, "system", UINT64_MAX);
    address_space_init(&board.as, &board.system, "memory");
    g_assert_true(memory_region_init_ram(&board.ram, "ram", BOARD_RAM_SIZE, NULL));
    memory_region_add(&board.system, BOARD_RAM, &board.ram, 0);
    board.machine.system = &board.system;
    board.machine.memory = &board.as;
    board.machine.ram_size = BOARD_RAM_SIZE;
    board.machine.drives = block_system_new(block_loop_new(), BLOCK_IF_NONE, NULL, NULL);
    machine_set_current(&board.machine);
    property_set_resolver(PROP_DRIVE, &resolver);
}

static void wire(void *opaque, int n, int level)
{
    Board *b = opaque;
    b->changes[n] += b->wires[n] != level;
    b->wires[n] = level;
}

IRQLine board_wire(int n)
{
    return (IRQLine){ wire, &board, n };
}

uint64_t rd(hwaddr addr, unsigned size)
{
    return address_space_ldle(&board.as, addr, size);
}

void wr(hwaddr addr, uint64_t val, unsigned size)
{
    address_space_stle(&board.as, addr, val, size);
}

void board_add_drive(const char *id, const char *options)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *text = g_strdup_printf("if=none,id=%s,%s", id, options);
    block_system_drive_add(board.machine.drives, text, &err);
    g_assert_no_error(err);
}

void board_settle(int ms)
{
    while (block_loop_wait(block_system_loop(board.machine.drives), ms)) {
    }
}

Device *board_new(const char *type, ...)
{
    const DeviceType *t = device_type_find(type);
    g_autoptr(GError) err = NULL;
    va_list ap;
    g_assert_nonnull(t);
    Device *dev = device_new(t, NULL);
    va_start(ap, type);
    for (const char *prop; (prop = va_arg(ap, const char *));) {
        g_auto(GStrv) kv = g_strsplit(prop, "=", 2);
        device_set_prop(dev, kv[0], kv[1], &err);
        g_assert_no_error(err);
    }
    va_end(ap);
    return dev;
}

void board_place(Device *dev, hwaddr addr)
{
    g_autoptr(GError) err = NULL;
    hwaddr at[SYSBUS_MAX_MMIO] = { addr };
    sysbus_realize((SysBusDevice *)dev, &board.system, at, &err);
    g_assert_no_error(err);
    devices_reset();
}

void board_virtio_queue(unsigned queue, unsigned size, const uint64_t areas[3])
{
    enum { QUEUE_SEL = 0x30, QUEUE_NUM = 0x38, QUEUE_READY = 0x44, QUEUE_DESC = 0x80 };

    wr(BOARD_MMIO + QUEUE_SEL, queue, 4);
    wr(BOARD_MMIO + QUEUE_NUM, size, 4);
    for (unsigned i = 0; i < 3; i++) {
        wr(BOARD_MMIO + QUEUE_DESC + 0x10 * i, (uint32_t)areas[i], 4);
        wr(BOARD_MMIO + QUEUE_DESC + 0x10 * i + 4, areas[i] >> 32, 4);
    }
    wr(BOARD_MMIO + QUEUE_READY, 1, 4);
}
