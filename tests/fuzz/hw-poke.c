/* SPDX-License-Identifier: MIT */
/* A guest that pokes devices at random. */
#include "tests/fuzz/hw-poke.h"
#include <string.h>
#include "hw/pci/gpex.h"

/* Where a transport's queues and requests are in RAM. */
enum {
    RINGS = BOARD_RAM + 0x100000,
    RING_STEP = 0x4000, /* a queue's */
    REQUESTS = BOARD_RAM + 0x400000,
    REQUEST_ROOM = 0x4000,
    MAX_QUEUES = 8,
    QUEUE_SIZE = 16,
};

typedef struct Transport {
    hwaddr at;
    PokeFill *fill;
    uint16_t avail[MAX_QUEUES];
    bool packed;
} Transport;

static struct {
    GRand *rng;
    Transport transports[POKE_MAX_TRANSPORTS];
    unsigned nb_transports;
} poke;

void poke_init(uint32_t seed)
{
    poke.rng = g_rand_new_with_seed(seed);
}

uint32_t poke_upto(uint32_t n)
{
    return (uint32_t)g_rand_int_range(poke.rng, 0, (gint32)n);
}

static uint64_t wide(void)
{
    return (uint64_t)g_rand_int(poke.rng) << 32 | g_rand_int(poke.rng);
}

uint64_t poke_value(void)
{
    switch (poke_upto(8)) {
    case 0:
        return poke_upto(16);
    case 1:
        return 1ull << poke_upto(64);
    case 2:
        return BOARD_RAM + poke_upto(BOARD_RAM_SIZE);
    case 3:
        return BOARD_RAM + (poke_upto(64) << 12);
    case 4:
        return (uint64_t)POKE_PCI_MMIO + (poke_upto(256) << 12);
    case 5:
        return 1ull << 63 | (BOARD_RAM + (poke_upto(64) << 12));
    case 6:
        return wide();
    default:
        return poke_upto(256);
    }
}

/* ---- the board --------------------------------------------------------------------------- */

void poke_place_pci(void)
{
    static MemoryRegion window;
    GPEXHost *host = (GPEXHost *)board_new("gpex-pcihost", "ecam-size=16M", NULL);
    for (int i = 0; i < 4; i++) {
        host->parent.irq[i] = board_wire(20 + i);
    }
    board_place(&host->parent.parent, POKE_ECAM);
    memory_region_init_alias(&window, "window", &host->memory, POKE_PCI_MMIO, POKE_PCI_MMIO_SIZE);
    memory_region_add(&board.system, POKE_PCI_MMIO, &window, 0);
    memory_region_add(&board.system, POKE_PCI_IO, &host->io, 0);
}

void poke_place_virtio(const char *device, const char *transport_prop, PokeFill *fill)
{
    g_autoptr(GError) err = NULL;
    Transport *t = &poke.transports[poke.nb_transports];
    t->at = POKE_VIRTIO + poke.nb_transports++ * 0x200;
    t->fill = fill;
    t->packed = strstr(device, "packed=on") != NULL;
    board_place(board_new("virtio-mmio", transport_prop ? transport_prop : "index=1", NULL), t->at);
    device_add_from_text(device, &err);
    g_assert_no_error(err);
}

/* ---- registers --------------------------------------------------------------------------- */

/* One of the pieces that are no RAM, near its start more often than not. */
static hwaddr pick_register(void)
{
    for (;;) {
        const FlatView *view = board.as.view;
        const FlatRange *r = &view->ranges[poke_upto((uint32_t)view->nb)];
        if (r->mr->kind == MR_RAM) {
            continue;
        }
        uint32_t size = (uint32_t)MIN(r->size, INT32_MAX);
        uint32_t near = MIN(size, poke_upto(4) ? 256u : 4096u);
        return r->start + (r->start == POKE_ECAM
                               ? poke_upto(3) << 20 | poke_upto(40) << 12 | poke_upto(256)
                               : poke_upto(poke_upto(3) ? near : size));
    }
}

/* Descriptors and other numbers in the first pages of RAM. */
static void scribble(void)
{
    hwaddr at = BOARD_RAM + (poke_upto(64) << 12) + poke_upto(64) * 16;
    if (poke_upto(2)) {
        at = RINGS + poke_upto(MAX_QUEUES * RING_STEP);
    }
    wr(at, poke_upto(3) ? BOARD_RAM + poke_upto(BOARD_RAM_SIZE) : poke_value(), 8);
    wr(at + 8, poke_upto(3) ? poke_upto(4096) : (uint32_t)wide(), 4);
    wr(at + 12, poke_upto(2) ? poke_upto(8) : (uint32_t)wide(), 2);
    wr(at + 14, poke_upto(2) ? poke_upto(16) : (uint32_t)wide(), 2);
}

/* ---- a driver of virtio ------------------------------------------------------------------- */

/* Brought up as a driver would, so that requests are tried at all. */
static void bring_up(Transport *t)
{
    hwaddr mmio = t->at;
    memset((uint8_t *)memory_region_ram_ptr(&board.ram) + (RINGS - BOARD_RAM), 0,
           MAX_QUEUES * RING_STEP);
    memset(t->avail, 0, sizeof(t->avail));
    wr(mmio + 0x70, 0, 4);
    wr(mmio + 0x70, 3, 4);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t features = i ? 1 | (uint32_t)t->packed << 2 | poke_upto(2) << 3
                              : 0xffffffff & ~(poke_upto(2) << 29);
        wr(mmio + 0x24, i, 4);
        wr(mmio + 0x20, features, 4);
    }
    wr(mmio + 0x70, 11, 4);
    for (unsigned q = 0; q < MAX_QUEUES; q++) {
        const hwaddr ring = RINGS + q * RING_STEP;
        wr(mmio + 0x30, q, 4);
        wr(mmio + 0x38, QUEUE_SIZE, 4);
        for (unsigned i = 0; i < 3; i++) {
            wr(mmio + 0x80 + 0x10 * i, ring + 0x1000 * i, 4);
            wr(mmio + 0x84 + 0x10 * i, 0, 4);
        }
        wr(mmio + 0x44, 1, 4);
    }
    wr(mmio + 0x70, 15, 4);
}

static void random_bytes(hwaddr at, unsigned len)
{
    for (unsigned i = 0; i < len; i += 4) {
        wr(at + i, poke_upto(3) ? poke_upto(16) : g_rand_int(poke.rng), 4);
    }
}

/* A chain of buffers to read, the first with a request in it, then of buffers to write. */
static unsigned write_chain(const Transport *t, hwaddr ring, unsigned first)
{
    unsigned outs = poke_upto(4), ins = poke_upto(4), n = 0;
    hwaddr data = REQUESTS + poke_upto(16) * REQUEST_ROOM;
    outs += outs + ins == 0;
    random_bytes(data, 128);
    if (t->fill) {
        uint8_t request[128];
        address_space_read(&board.as, data, NULL, request, sizeof(request));
        t->fill(request, sizeof(request));
        address_space_write(&board.as, data, NULL, request, sizeof(request));
    }
    for (; n < outs + ins; n++) {
        uint32_t len = n == 0 ? 8 + poke_upto(120) : 1 + poke_upto(poke_upto(2) ? 64 : 4096);
        uint16_t flags = (uint16_t)((n + 1 < outs + ins) | (n >= outs ? 2 : 0));
        unsigned at = (first + n) % QUEUE_SIZE;
        wr(ring + 16 * at, data, 8);
        wr(ring + 16 * at + 8, len, 4);
        if (t->packed) {
            wr(ring + 16 * at + 12, at, 2);
            flags |= (uint16_t)((first + n) / QUEUE_SIZE % 2 ? 1 << 15 : 1 << 7);
            wr(ring + 16 * at + 14, flags, 2);
        } else {
            wr(ring + 16 * at + 12, flags, 2);
            wr(ring + 16 * at + 14, (at + 1) % QUEUE_SIZE, 2);
        }
        data += n == 0 && poke_upto(2) ? len : 0x400;
    }
    return n;
}

static void request(Transport *t)
{
    unsigned q = poke_upto(MAX_QUEUES), first = t->avail[q];
    hwaddr ring = RINGS + q * RING_STEP;
    if (t->packed) {
        t->avail[q] = (uint16_t)(first + write_chain(t, ring, first));
    } else {
        unsigned head = poke_upto(QUEUE_SIZE);
        write_chain(t, ring, head);
        wr(ring + 0x1000 + 4 + 2 * (first % QUEUE_SIZE), head, 2);
        wr(ring + 0x1000 + 2, ++t->avail[q], 2);
    }
    wr(t->at + 0x50, q, 4);
    if (poke_upto(4) == 0) {
        board_settle(1);
    }
}

/* Most of the time a driver that knows what it does, now and then starting anew. */
static void drive(void)
{
    Transport *t = &poke.transports[poke_upto(poke.nb_transports)];
    if (poke_upto(64) == 0 || rd(t->at + 0x70, 4) != 15) {
        bring_up(t);
    } else {
        request(t);
    }
}

/* ---- steps ------------------------------------------------------------------------------- */

void poke_step(void)
{
    unsigned kind = poke_upto(32);
    if (poke.nb_transports && kind < 16) {
        drive();
    } else if (kind < 18) {
        scribble();
    } else if (kind < 22) {
        rd(pick_register(), 1u << poke_upto(4));
    } else if (kind == 22 && poke_upto(100) == 0) {
        devices_reset();
    } else {
        wr(pick_register(), poke_value(), 1u << poke_upto(4));
    }
}

void poke_run(unsigned long steps, unsigned seconds)
{
    gint64 end = g_get_monotonic_time() + (gint64)seconds * G_USEC_PER_SEC;
    for (unsigned long i = 0; i < steps; i++) {
        poke_step();
        if (i % 256 == 0) {
            board_settle(0);
            while (g_main_context_iteration(NULL, FALSE)) {
            }
            if (seconds && g_get_monotonic_time() > end) {
                break;
            }
        }
    }
    board_settle(20);
    devices_reset();
}
