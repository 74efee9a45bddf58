/* SPDX-License-Identifier: MIT */
/* A board for register-level tests of devices: RAM, a place for registers, wires to look at. */
#ifndef TESTS_UNIT_HW_HARNESS_H
#define TESTS_UNIT_HW_HARNESS_H

#include <glib.h>
#include "hw/machine.h"

enum {
    BOARD_RAM = 0x40000000,
    BOARD_RAM_SIZE = 16 << 20,
    BOARD_MMIO = 0x10000000,
    BOARD_WIRES = 64
};

typedef struct Board {
    Machine machine;
    MemoryRegion system, ram;
    AddressSpace as;
    int wires[BOARD_WIRES]; /* levels */
    unsigned changes[BOARD_WIRES];
} Board;
extern Board board;

/* Once; returns with the big lock held. */
void board_init(void);
IRQLine board_wire(int n);
uint64_t rd(hwaddr addr, unsigned size);
void wr(hwaddr addr, uint64_t val, unsigned size);
/* A drive of `size` bytes of nothing, as id. */
void board_add_drive(const char *id, const char *options);
/* Runs completions of block requests until there are none for `ms`. */
void board_settle(int ms);
/* Of a type that must be there, with "key=value" properties (NULL ends). */
Device *board_new(const char *type, ...) G_GNUC_NULL_TERMINATED;
/* On the system bus: its first region at addr. */
void board_place(Device *dev, hwaddr addr);
/* A queue of the virtio-mmio device at BOARD_MMIO, as a driver sets it up: descriptors, what the
 * driver and what the device gives are at `areas` (virtio 1.2, 4.2.2). */
void board_virtio_queue(unsigned queue, unsigned size, const uint64_t areas[3]);

#endif
