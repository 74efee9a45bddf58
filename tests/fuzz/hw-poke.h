/* SPDX-License-Identifier: MIT */
/* A guest that pokes devices at random: registers of whatever is on the board (tests/unit/
 * hw-harness.h), rings and requests in its RAM. Everything follows from the seed. */
#ifndef TESTS_FUZZ_HW_POKE_H
#define TESTS_FUZZ_HW_POKE_H

#include "tests/unit/hw-harness.h"

enum {
    POKE_ECAM = 0x3f000000,
    POKE_PCI_MMIO = 0x10000000,
    POKE_PCI_MMIO_SIZE = 0x2eff0000,
    POKE_PCI_IO = 0x3eff0000,
    POKE_VIRTIO = 0x0a000000, /* transports by virtio-mmio, 0x200 each */
    POKE_MAX_TRANSPORTS = 8,
};

void poke_init(uint32_t seed);
uint32_t poke_upto(uint32_t n); /* 0 … n - 1 */
uint64_t poke_value(void);      /* a number that means something to devices */
/* A host bridge with its windows; lines 20 to 23 of the board. */
void poke_place_pci(void);
/* A virtio-mmio transport; device: its text. fill: makes a request's first `len` bytes plausible,
 * may be NULL. */
typedef void PokeFill(uint8_t *request, unsigned len);
void poke_place_virtio(const char *device, const char *transport_prop, PokeFill *fill);
/* One thing that a guest may do. */
void poke_step(void);
/* So many, or until so many seconds have passed (0: no such limit). */
void poke_run(unsigned long steps, unsigned seconds);

#endif
