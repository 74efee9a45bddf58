/* SPDX-License-Identifier: MIT */
/* Virtio devices as a driver sees them, and as a hostile one does: virtio-mmio, both rings. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "hw/virtio/balloon.h"
#include "hw/virtio/virtio.h"
#include "system/config.h"
#include "tests/unit/hw-harness.h"

enum {
    DESC = BOARD_RAM + 0x1000,
    AVAIL = BOARD_RAM + 0x2000,
    USED = BOARD_RAM + 0x3000,
    TABLE = BOARD_RAM + 0x4000,
    DATA = BOARD_RAM + 0x10000,
    SIZE = 8,

    F_NEXT = 1,
    F_WRITE = 2,
    F_INDIRECT = 4,
};

static Device *transport;
static uint16_t avail_idx;

static void reg(unsigned offset, uint32_t val)
{
    wr(BOARD_MMIO + offset, val, 4);
}

static uint32_t status(void)
{
    return (uint32_t)rd(BOARD_MMIO + 0x70, 4);
}

/* A device of this type behind a transport at BOARD_MMIO. */
static void plug(const char *device)
{
    g_autoptr(GError) err = NULL;
    transport = board_new("virtio-mmio", NULL);
    ((SysBusDevice *)transport)->irq[0] = board_wire(0);
    board_place(transport, BOARD_MMIO);
    device_add_from_text(device, &err);
    g_assert_no_error(err);
    devices_reset();
}

static void unplug(void)
{
    board_settle(20);
    device_delete(transport);
}

/* As a driver does (3.1.1), with one queue. */
static void start(uint64_t features)
{
    const uint64_t areas[3] = { DESC, AVAIL, USED };
    reg(0x70, 0);
    memset((char *)memory_region_ram_ptr(&board.ram) + 0x1000, 0, 0x4000);
    avail_idx = 0;
    reg(0x70, 1);
    reg(0x70, 3);
    for (unsigned i = 0; i < 2; i++) {
        reg(0x24, i);
        reg(0x20, (uint32_t)(features >> 32 * i));
    }
    reg(0x70, 11);
    g_assert_cmphex(status(), ==, 11);
    board_virtio_queue(0, SIZE, areas);
    reg(0x70, 15);
}

static void desc(hwaddr table, unsigned n, uint64_t addr, uint32_t len, uint16_t flags,
                 uint16_t next)
{
    wr(table + 16 * n, addr, 8);
    wr(table + 16 * n + 8, len, 4);
    wr(table + 16 * n + 12, flags, 2);
    wr(table + 16 * n + 14, next, 2);
}

static void offer(uint16_t head)
{
    wr(AVAIL + 4 + 2 * (avail_idx % SIZE), head, 2);
    wr(AVAIL + 2, ++avail_idx, 2);
    reg(0x50, 0);
}

static void expect_used(uint16_t idx, uint32_t head, uint32_t len)
{
    for (unsigned i = 0; i < 200 && rd(USED + 2, 2) != idx; i++) { /* a busy host is slow */
        board_settle(20);
    }
    g_assert_cmpuint(rd(USED + 2, 2), ==, idx);
    g_assert_cmpuint(rd(USED + 4 + 8 * ((idx - 1) % SIZE), 4), ==, head);
    g_assert_cmpuint(rd(USED + 8 + 8 * ((idx - 1) % SIZE), 4), ==, len);
}

#define V1 (1ull << VIRTIO_F_VERSION_1)

static void test_identity(void)
{
    plug("virtio-rng-device");
    g_assert_cmphex(rd(BOARD_MMIO, 4), ==, 0x74726976);
    g_assert_cmphex(rd(BOARD_MMIO + 4, 4), ==, 2);
    g_assert_cmphex(rd(BOARD_MMIO + 8, 4), ==, VIRTIO_ID_RNG);
    reg(0x14, 1);
    g_assert_cmphex(rd(BOARD_MMIO + 0x10, 4) & 1, ==, 1);
    /* Without VERSION_1 a modern transport does not take the features. */
    reg(0x70, 3);
    reg(0x70, 11);
    g_assert_cmphex(status(), ==, 3);
    reg(0x30, 1);
    g_assert_cmphex(rd(BOARD_MMIO + 0x34, 4), ==, 0);
    unplug();
}

static void test_rng(void)
{
    plug("virtio-rng-device");
    start(V1);
    desc(DESC, 0, DATA, 16, F_WRITE | F_NEXT, 1);
    desc(DESC, 1, DATA + 0x100, 16, F_WRITE, 0);
    wr(DATA, 0, 8);
    wr(DATA + 8, 0, 8);
    offer(0);
    expect_used(1, 0, 32);
    g_assert_true(rd(DATA, 8) || rd(DATA + 8, 8));
    g_assert_cmpint(board.wires[0], ==, 1);
    g_assert_cmphex(rd(BOARD_MMIO + 0x60, 4), ==, 1);
    reg(0x64, 1);
    g_assert_cmpint(board.wires[0], ==, 0);
    /* No interrupt if the driver wants none. */
    wr(AVAIL, 1, 2);
    offer(0);
    expect_used(2, 0, 32);
    g_assert_cmpint(board.wires[0], ==, 0);
    unplug();
}

/* -object rng-random: a request waits until its file has bytes, and gets those there are. */
static void test_rng_objects(void)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *folder = g_dir_make_tmp("rng-XXXXXX", NULL);
    g_autofree char *pipe = g_build_filename(folder, "pipe", NULL);
    g_autofree char *file = g_build_filename(folder, "file", NULL);
    g_autofree char *pipe_text = g_strdup_printf("rng-random,id=pipe,filename=%s", pipe);
    g_autofree char *file_text = g_strdup_printf("rng-random,id=file,filename=%s", file);
    g_assert_cmpint(mkfifo(pipe, 0600), ==, 0);
    g_assert_true(g_file_set_contents(file, "entropy", 7, NULL));
    objects_init();
    g_assert_true(object_add(pipe_text, NULL) && object_add(file_text, NULL));

    plug("virtio-rng-device,rng=pipe");
    start(V1);
    desc(DESC, 0, DATA, 16, F_WRITE, 0);
    offer(0);
    g_assert_cmpuint(rd(USED + 2, 2), ==, 0);
    int fd = open(pipe, O_WRONLY | O_NONBLOCK);
    g_assert_cmpint(write(fd, "\1\2\3\4", 4), ==, 4);
    while (g_main_context_iteration(NULL, FALSE)) {
    }
    expect_used(1, 0, 4);
    g_assert_cmphex(rd(DATA, 4), ==, 0x04030201);
    g_assert_false(object_del("pipe", &err));
    g_assert_nonnull(strstr(err->message, "in use"));
    offer(0); /* it waits when the device goes */
    unplug();
    close(fd);
    g_assert_true(object_del("pipe", NULL));

    plug("virtio-rng-device,rng=file");
    start(V1);
    desc(DESC, 0, DATA, 16, F_WRITE, 0);
    offer(0);
    expect_used(1, 0, 7);
    offer(0); /* the file has no more: that one stays */
    g_assert_cmpuint(rd(USED + 2, 2), ==, 1);
    unplug();
    g_assert_true(object_del("file", NULL));
    unlink(pipe);
    unlink(file);
    rmdir(folder);
}

/* Each breaks the device, which says so, and a reset mends it. */
static void hostile(uint64_t features, void (*set_up)(void))
{
    start(V1 | features);
    set_up();
    offer(0);
    board_settle(20);
    g_assert_cmphex(status() & VIRTIO_STATUS_NEEDS_RESET, ==, VIRTIO_STATUS_NEEDS_RESET);
    g_assert_cmpuint(rd(USED + 2, 2), ==, 0);
    start(V1);
    desc(DESC, 0, DATA, 8, F_WRITE, 0);
    offer(0);
    expect_used(1, 0, 8);
}

static void loop(void)
{
    desc(DESC, 0, DATA, 8, F_WRITE | F_NEXT, 1);
    desc(DESC, 1, DATA, 8, F_WRITE | F_NEXT, 0);
}
static void out_of_table(void)
{
    desc(DESC, 0, DATA, 8, F_WRITE | F_NEXT, SIZE);
}
static void not_ram(void)
{
    desc(DESC, 0, BOARD_MMIO, 8, F_WRITE, 0);
}
static void nowhere(void)
{
    desc(DESC, 0, UINT64_MAX - 3, 8, F_WRITE, 0);
}
static void past_end(void)
{
    desc(DESC, 0, BOARD_RAM + BOARD_RAM_SIZE - 4, 8, F_WRITE, 0);
}
static void empty(void)
{
    desc(DESC, 0, DATA, 0, F_WRITE, 0);
}
static void out_behind_in(void)
{
    desc(DESC, 0, DATA, 8, F_WRITE | F_NEXT, 1);
    desc(DESC, 1, DATA, 8, 0, 0);
}
static void indirect_not_negotiated(void)
{
    desc(DESC, 0, TABLE, 16, F_INDIRECT, 0);
    desc(TABLE, 0, DATA, 8, F_WRITE, 0);
}
static void indirect_loop(void)
{
    desc(DESC, 0, TABLE, 32, F_INDIRECT, 0);
    desc(TABLE, 0, DATA, 8, F_WRITE | F_NEXT, 1);
    desc(TABLE, 1, DATA, 8, F_WRITE | F_NEXT, 0);
}
static void indirect_odd(void)
{
    desc(DESC, 0, TABLE, 17, F_INDIRECT, 0);
}
static void indirect_nested(void)
{
    desc(DESC, 0, TABLE, 16, F_INDIRECT, 0);
    desc(TABLE, 0, TABLE, 16, F_INDIRECT, 0);
}
static void too_many(void)
{
    avail_idx = SIZE; /* and one more with offer() */
}

static void test_hostile(void)
{
    const uint64_t indirect = 1ull << VIRTIO_F_INDIRECT_DESC;
    plug("virtio-rng-device");
    hostile(0, loop);
    hostile(0, out_of_table);
    hostile(0, not_ram);
    hostile(0, nowhere);
    hostile(0, past_end);
    hostile(0, empty);
    hostile(0, out_behind_in);
    hostile(0, indirect_not_negotiated);
    hostile(indirect, indirect_loop);
    hostile(indirect, indirect_odd);
    hostile(indirect, indirect_nested);
    hostile(0, too_many);
    /* Rings that are not in RAM. */
    start(V1);
    reg(0x44, 0);
    reg(0x80, BOARD_MMIO);
    reg(0x44, 1);
    offer(0);
    g_assert_cmphex(status() & VIRTIO_STATUS_NEEDS_RESET, !=, 0);
    /* A size that is no power of 2 (split), or 0. */
    for (unsigned size = 0; size < 4; size += 3) {
        start(V1);
        reg(0x44, 0);
        reg(0x38, size);
        reg(0x44, 1);
        offer(0);
        g_assert_cmphex(status() & VIRTIO_STATUS_NEEDS_RESET, !=, 0);
    }
    unplug();
}

/* ---- block ------------------------------------------------------------------------------- */

static void blk_request(uint32_t type, uint64_t sector, uint32_t len, uint16_t data_flags)
{
    wr(DATA, type, 4);
    wr(DATA + 4, 0, 4);
    wr(DATA + 8, sector, 8);
    wr(DATA + 0x20, 0xee, 1);
    desc(DESC, 0, DATA, 16, F_NEXT, len ? 1 : 2);
    desc(DESC, 1, DATA + 0x1000, len, F_NEXT | data_flags, 2);
    desc(DESC, 2, DATA + 0x20, 1, F_WRITE, 0);
    offer(0);
    for (unsigned i = 0; i < 200 && rd(DATA + 0x20, 1) == 0xee; i++) { /* a busy host is slow */
        board_settle(50);
    }
}

static void test_blk(void)
{
    enum { OK = 0, IOERR = 1, UNSUPP = 2 };
    g_autofree char *path = NULL;
    g_autoptr(GError) err = NULL;
    int fd = g_file_open_tmp("latimer-blk-XXXXXX", &path, &err);
    g_assert_no_error(err);
    g_assert_cmpint(ftruncate(fd, 1 << 20), ==, 0);
    g_autofree char *options = g_strdup_printf("file=%s,format=raw", path);
    board_add_drive("d0", options);
    plug("virtio-blk-device,drive=d0,serial=S1");
    g_assert_cmpuint(rd(BOARD_MMIO + 0x100, 4), ==, 2048);
    start(V1);
    memset((char *)memory_region_ram_ptr(&board.ram) + 0x11000, 0x5a, 1024);
    blk_request(1, 3, 1024, 0);
    g_assert_cmphex(rd(DATA + 0x20, 1), ==, OK);
    char byte[2];
    g_assert_cmpint(pread(fd, byte, 2, 3 * 512 + 1023), ==, 2);
    g_assert_true(byte[0] == 0x5a && byte[1] == 0);
    memset((char *)memory_region_ram_ptr(&board.ram) + 0x11000, 0, 1024);
    blk_request(0, 3, 1024, F_WRITE);
    expect_used(2, 0, 1025);
    g_assert_cmphex(rd(DATA + 0x1000 + 1020, 4), ==, 0x5a5a5a5a);
    blk_request(8, 0, 20, F_WRITE);
    g_assert_cmphex(rd(DATA + 0x1000, 4), ==, 0x3153); /* "S1" */
    blk_request(4, 0, 0, 0);
    g_assert_cmphex(rd(DATA + 0x20, 1), ==, OK);
    /* Beyond the end, far beyond, half a sector, a type that is none. */
    blk_request(0, 2047, 1024, F_WRITE);
    g_assert_cmphex(rd(DATA + 0x20, 1), ==, IOERR);
    blk_request(0, UINT64_MAX / 512, 512, F_WRITE);
    g_assert_cmphex(rd(DATA + 0x20, 1), ==, IOERR);
    blk_request(0, 0, 100, F_WRITE);
    g_assert_cmphex(rd(DATA + 0x20, 1), ==, IOERR);
    blk_request(77, 0, 0, 0);
    g_assert_cmphex(rd(DATA + 0x20, 1), ==, UNSUPP);
    /* No place for the status. */
    desc(DESC, 0, DATA, 16, 0, 0);
    offer(0);
    g_assert_cmphex(status() & VIRTIO_STATUS_NEEDS_RESET, !=, 0);
    unplug();
    close(fd);
    unlink(path);
}

/* ---- packed ------------------------------------------------------------------------------ */

static void test_packed(void)
{
    plug("virtio-rng-device,packed=on");
    start(V1 | 1ull << VIRTIO_F_RING_PACKED);
    /* Three laps of a ring, so that the wrap counters turn. */
    bool wrap = true;
    for (unsigned i = 0, at = 0; i < 3 * SIZE; i++) {
        uint16_t avail = wrap ? 1 << 7 : 1 << 15;
        wr(DESC + 16 * at, DATA, 8);
        wr(DESC + 16 * at + 8, 8, 4);
        wr(DESC + 16 * at + 12, 40 + i, 2);
        wr(DESC + 16 * at + 14, avail | F_WRITE, 2);
        reg(0x50, 0);
        uint16_t flags = (uint16_t)rd(DESC + 16 * at + 14, 2);
        g_assert_cmphex(flags & 0x8080, ==, wrap ? 0x8080 : 0);
        g_assert_cmpuint(rd(DESC + 16 * at + 8, 4), ==, 8);
        g_assert_cmpuint(rd(DESC + 16 * at + 12, 2), ==, 40 + i);
        at = (at + 1) % SIZE;
        wrap ^= at == 0;
    }
    /* A chain without an end. */
    start(V1 | 1ull << VIRTIO_F_RING_PACKED);
    for (unsigned i = 0; i < SIZE; i++) {
        wr(DESC + 16 * i, DATA, 8);
        wr(DESC + 16 * i + 8, 8, 4);
        wr(DESC + 16 * i + 14, 1 << 7 | F_WRITE | F_NEXT, 2);
    }
    reg(0x50, 0);
    g_assert_cmphex(status() & VIRTIO_STATUS_NEEDS_RESET, !=, 0);
    unplug();
}

/* ---- features of rings -------------------------------------------------------------------- */

static unsigned interrupts(void)
{
    bool one = rd(BOARD_MMIO + 0x60, 4) & 1;
    reg(0x64, 3);
    return one;
}

static void test_indirect(void)
{
    plug("virtio-rng-device");
    start(V1 | 1ull << VIRTIO_F_INDIRECT_DESC);
    for (unsigned i = 0; i < 3; i++) {
        desc(TABLE, i, DATA + 0x100 * i, 16, i < 2 ? F_WRITE | F_NEXT : F_WRITE, (uint16_t)(i + 1));
        wr(DATA + 0x100 * i, 0, 8);
    }
    desc(DESC, 5, TABLE, 48, F_INDIRECT, 0);
    offer(5);
    expect_used(1, 5, 48);
    g_assert_true(rd(DATA, 8) && rd(DATA + 0x100, 8) && rd(DATA + 0x200, 8));
    unplug();
    /* In a packed ring a table's descriptors follow each other. */
    plug("virtio-rng-device,packed=on");
    start(V1 | 1ull << VIRTIO_F_INDIRECT_DESC | 1ull << VIRTIO_F_RING_PACKED);
    for (unsigned i = 0; i < 2; i++) {
        wr(TABLE + 16 * i, DATA + 0x100 * i, 8);
        wr(TABLE + 16 * i + 8, 16, 4);
        wr(TABLE + 16 * i + 14, F_WRITE, 2);
        wr(DATA + 0x100 * i, 0, 8);
    }
    wr(DESC, TABLE, 8);
    wr(DESC + 8, 32, 4);
    wr(DESC + 12, 77, 2);
    wr(DESC + 14, 1 << 7 | F_INDIRECT, 2);
    reg(0x50, 0);
    g_assert_cmpuint(rd(DESC + 8, 4), ==, 32);
    g_assert_cmpuint(rd(DESC + 12, 2), ==, 77);
    g_assert_true(rd(DATA, 8) && rd(DATA + 0x100, 8));
    unplug();
}

/* The driver says after which buffer it wants an interrupt, the device after which a kick. */
static void test_event_idx(void)
{
    const hwaddr used_event = AVAIL + 4 + 2 * SIZE, avail_event = USED + 4 + 8 * SIZE;
    plug("virtio-rng-device");
    start(V1 | 1ull << VIRTIO_F_EVENT_IDX);
    for (uint16_t i = 0; i < SIZE; i++) {
        desc(DESC, i, DATA, 8, F_WRITE, 0);
    }
    wr(used_event, 2, 2);
    for (uint16_t i = 0; i < 6; i++) {
        offer(i);
        expect_used((uint16_t)(i + 1), i, 8);
        unsigned got = interrupts();
        g_assert_true(i == 0 || got == (i == 2)); /* the first one may be told in any case */
    }
    g_assert_cmpuint(rd(avail_event, 2), ==, 6);
    unplug();
    /* Without the feature a flag turns interrupts off. */
    plug("virtio-rng-device,event_idx=off");
    start(V1);
    desc(DESC, 0, DATA, 8, F_WRITE, 0);
    offer(0);
    g_assert_cmpuint(interrupts(), ==, 1);
    wr(AVAIL, 1, 2);
    offer(0);
    g_assert_cmpuint(interrupts(), ==, 0);
    unplug();
}

/* at: of all laps, the first one's places being 0 to SIZE - 1. */
static void packed_offer(unsigned at, uint16_t id)
{
    unsigned lap = ~(at / SIZE) & 1, to = DESC + 16 * (at % SIZE);
    wr(to, DATA, 8);
    wr(to + 8, 8, 4);
    wr(to + 12, id, 2);
    wr(to + 14, lap << 7 | (lap ^ 1) << 15 | F_WRITE, 2);
    reg(0x50, 0);
}

/* The driver area: always, never, or at a place of the ring (with its wrap counter). */
static void test_packed_events(void)
{
    enum { ENABLE = 0, DISABLE = 1, AT = 2 };
    plug("virtio-rng-device,packed=on");
    start(V1 | 1ull << VIRTIO_F_RING_PACKED | 1ull << VIRTIO_F_EVENT_IDX);
    wr(AVAIL + 2, ENABLE, 2);
    packed_offer(0, 1);
    g_assert_cmpuint(interrupts(), ==, 1);
    wr(AVAIL + 2, DISABLE, 2);
    packed_offer(1, 2);
    g_assert_cmpuint(interrupts(), ==, 0);
    wr(AVAIL + 2, AT, 2);
    wr(AVAIL, 3 | 1 << 15, 2);
    packed_offer(2, 3);
    g_assert_cmpuint(interrupts(), ==, 0);
    packed_offer(3, 4);
    g_assert_cmpuint(interrupts(), ==, 1);
    unplug();
}

/* A device that keeps what it gets until it is told to give it back. */
static VirtChain *held[SIZE];
static unsigned nb_held;

static void hold(G_GNUC_UNUSED VirtIODevice *vdev, VirtQueue *vq)
{
    for (VirtChain *c; (c = virtq_pop(vq, sizeof(*c)));) {
        held[nb_held++] = c;
    }
}

static bool holder_realize(Device *dev, GError **err)
{
    if (!virtio_device_realize(dev, err)) {
        return false;
    }
    virtio_add_queue((VirtIODevice *)dev, SIZE, hold);
    return true;
}

static void no_features(G_GNUC_UNUSED VirtIODevice *vdev, G_GNUC_UNUSED uint64_t *features)
{
}

static const VirtIOOps holder_ops = { .id = 99, .get_features = no_features };
static const DeviceType holder_type = {
    .name = "test-holder-device",
    .parent = &virtio_device_type,
    .size = sizeof(VirtIODevice),
    .user_creatable = true,
    .realize = holder_realize,
    .ops = &holder_ops,
};
DEVICE_TYPE(holder_type)

static void give_back(unsigned n, uint32_t written)
{
    VirtQueue *vq = held[n]->vq;
    virtq_push(vq, held[n], written);
    virtq_notify(vq);
}

/* What is done out of order is given back in order, or as it is done. */
static void test_in_order(void)
{
    for (unsigned in_order = 0; in_order < 2; in_order++) {
        plug(in_order ? "test-holder-device,in_order=on" : "test-holder-device");
        start(V1 | (uint64_t)in_order << VIRTIO_F_IN_ORDER);
        nb_held = 0;
        for (uint16_t i = 0; i < 3; i++) {
            desc(DESC, i, DATA + 0x100 * i, 16, F_WRITE, 0);
            offer(i);
        }
        g_assert_cmpuint(nb_held, ==, 3);
        give_back(2, 3);
        g_assert_cmpuint(rd(USED + 2, 2), ==, in_order ? 0 : 1);
        give_back(0, 1);
        g_assert_cmpuint(rd(USED + 2, 2), ==, in_order ? 1 : 2);
        g_assert_cmpuint(rd(USED + 4 + 8 * (in_order ? 0 : 1), 4), ==, 0);
        give_back(1, 2);
        g_assert_cmpuint(rd(USED + 2, 2), ==, 3);
        for (unsigned i = 0; i < 3; i++) {
            const unsigned heads[2][3] = { { 2, 0, 1 }, { 0, 1, 2 } };
            g_assert_cmpuint(rd(USED + 4 + 8 * i, 4), ==, heads[in_order][i]);
            g_assert_cmpuint(rd(USED + 8 + 8 * i, 4), ==, heads[in_order][i] + 1);
        }
        unplug();
    }
}

/* The driver offers what it has for the place, counted from the first lap on; the device uses it.
 */
static VirtQueue *use_place(bool packed, unsigned at)
{
    uint16_t id = (uint16_t)(at % SIZE);
    if (packed) {
        packed_offer(at, id);
    } else {
        desc(DESC, id, DATA, 8, F_WRITE, 0);
        offer(id);
    }
    g_assert_cmpuint(nb_held, ==, 1);
    VirtQueue *vq = held[--nb_held]->vq;
    virtq_push(vq, held[0], 8);
    return vq;
}

static void want_event(bool packed, unsigned place)
{
    if (packed) {
        wr(AVAIL, place % SIZE | (~(place / SIZE) & 1) << 15, 2);
        wr(AVAIL + 2, 2, 2);
    } else {
        wr(AVAIL + 4 + 2 * SIZE, (uint16_t)place, 2);
    }
}

/* However much is used between two looks at the driver's event place, an interrupt comes if it was
 * passed: it may lie anywhere in the last lap. One that lies ahead waits, unless so much was used
 * that nobody can tell. */
static void test_event_places(void)
{
    for (unsigned packed = 0; packed < 2; packed++) {
        plug(packed ? "test-holder-device,packed=on" : "test-holder-device");
        start(V1 | 1ull << VIRTIO_F_EVENT_IDX | (uint64_t)packed << VIRTIO_F_RING_PACKED);
        nb_held = 0;
        unsigned at = 0;
        for (unsigned test = 0; test < 3 * SIZE * 2 * SIZE; test++) {
            unsigned used = test / (2 * SIZE) + 1;
            int behind = (int)(test % (2 * SIZE)) + 1 - SIZE;
            VirtQueue *vq = NULL;
            for (unsigned i = 0; i < used; i++) {
                vq = use_place(packed, at++);
            }
            want_event(packed, at - (unsigned)behind);
            virtq_notify(vq);
            unsigned got = interrupts();
            if (test == 0) {
                continue; /* the first one may be told in any case */
            }
            if (behind > 0 && (unsigned)behind <= used) {
                g_assert_cmpuint(got, ==, 1);
            } else if (used < SIZE) {
                g_assert_cmpuint(got, ==, 0);
            }
        }
        unplug();
    }
}

/* ---- balloon ----------------------------------------------------------------------------- */

static void test_balloon(void)
{
    uint64_t actual;
    g_assert_false(balloon_set_target(1));
    plug("virtio-balloon-device");
    g_assert_true(balloon_set_target(12 << 20));
    g_assert_cmpuint(rd(BOARD_MMIO + 0x100, 4), ==, 1024);
    start(V1);
    wr(BOARD_RAM + 0x5000, 0x1234, 4);
    wr(BOARD_RAM + 0x6000, 0x1234, 4);
    wr(DATA, (BOARD_RAM + 0x5000) >> 12, 4);
    wr(DATA + 4, 0xffffffff, 4); /* not RAM */
    wr(DATA + 8, BOARD_MMIO >> 12, 4);
    desc(DESC, 0, DATA, 15, 0, 0); /* and a piece of a number */
    offer(0);
    expect_used(1, 0, 0);
    g_assert_cmphex(rd(BOARD_RAM + 0x5000, 4), ==, 0);
    g_assert_cmphex(rd(BOARD_RAM + 0x6000, 4), ==, 0x1234);
    reg(0x104, 1);
    g_assert_true(balloon_actual(&actual));
    g_assert_cmpuint(actual, ==, BOARD_RAM_SIZE - 4096);
    unplug();
    g_assert_false(balloon_actual(&actual));
}

/* ---- coming and going -------------------------------------------------------------------- */

static void test_come_and_go(void)
{
    static const char *const texts[] = {
        "virtio-rng-pci,id=x",
        "virtio-net-pci,id=x,mq=on",
        "virtio-blk-pci,id=x,drive=d1",
        "virtio-serial-pci,id=x",
        "virtio-balloon-pci,id=x",
        "virtio-rng-pci,id=x,disable-modern=on",
        "virtio-rng-pci,id=x,vectors=0,disable-legacy=on",
        "pcie-root-port,id=x",
        "ioh3420,id=x",
        "pci-bridge,id=x",
        "virtio-scsi-pci,id=x",
        "pvpanic-pci,id=x",
        "i6300esb,id=x",
    };
    static const char *const bad[] = {
        "virtio-rng-pci,disable-modern=on,disable-legacy=on",
        "virtio-blk-pci",
        "virtio-rng-pci,addr=0",
        "virtio-net-pci,rx_queue_size=3",
    };
    Device *host = board_new("gpex-pcihost", "ecam-size=1M", NULL);
    board_place(host, 0x50000000);
    board_add_drive("d1", "driver=null-co,size=1M");
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
            g_autoptr(GError) err = NULL;
            Device *dev = device_add_from_text(texts[i], &err);
            g_assert_no_error(err);
            g_assert_true(device_find("x") != NULL);
            g_assert_cmphex(rd(0x50008000, 2), !=, 0xffff);
            device_delete(dev);
            g_assert_null(device_find("x"));
            g_assert_cmphex(rd(0x50008000, 2), ==, 0xffff);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
            g_autoptr(GError) err = NULL;
            g_assert_null(device_add_from_text(bad[i], &err));
            g_assert_nonnull(err);
        }
    }
    device_delete(host);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    board_init();
    g_test_add_func("/virtio/identity", test_identity);
    g_test_add_func("/virtio/rng", test_rng);
    g_test_add_func("/virtio/rng-objects", test_rng_objects);
    g_test_add_func("/virtio/hostile", test_hostile);
    g_test_add_func("/virtio/blk", test_blk);
    g_test_add_func("/virtio/packed", test_packed);
    g_test_add_func("/virtio/indirect", test_indirect);
    g_test_add_func("/virtio/event-idx", test_event_idx);
    g_test_add_func("/virtio/packed-events", test_packed_events);
    g_test_add_func("/virtio/event-places", test_event_places);
    g_test_add_func("/virtio/in-order", test_in_order);
    g_test_add_func("/virtio/balloon", test_balloon);
    g_test_add_func("/virtio/come-and-go", test_come_and_go);
    return g_test_run();
}
