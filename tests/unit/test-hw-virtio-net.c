/* SPDX-License-Identifier: MIT */
/* The receive queue of virtio-net against a driver that adds its buffers while the device looks for
 * them: it kicks only when the event index asks for it (virtio 1.2, 2.7.10), so a device that asks
 * too late waits for ever. */
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include "hw/virtio/virtio.h"
#include "net/net.h"
#include "tests/unit/hw-harness.h"

enum {
    DESC = 0x1000,
    AVAIL = 0x2000,
    USED = 0x3000,
    DATA = 0x10000,
    SIZE = 64,
    F_WRITE = 2,
    MRG_RXBUF = 15,
    PACKET = 100,
    BUFFER = 60, /* two of them for a packet */
};

typedef struct Wire {
    NetClient nc;
} Wire;
static Wire *wire;
static Device *transport;
static uint8_t *ram;
static uint16_t added;
static _Atomic unsigned kicks;

static NetResult wire_receive(G_GNUC_UNUSED NetClient *nc, G_GNUC_UNUSED const struct iovec *iov,
                              G_GNUC_UNUSED int iovcnt)
{
    return 1;
}

static const NetClientInfo wire_info = { .type = "wire",
                                         .size = sizeof(Wire),
                                         .receive = wire_receive };

static void *find_netdev(const char *id, G_GNUC_UNUSED Device *dev, G_GNUC_UNUSED GError **err)
{
    return net_client_find(id, 0, false);
}

static const char *netdev_name(void *object)
{
    return ((NetClient *)object)->name;
}

static void reg(unsigned offset, uint32_t val)
{
    wr(BOARD_MMIO + offset, val, 4);
}

/* As a driver does (3.1.1), with the receive queue only. */
static void start(const char *device, uint64_t features)
{
    static const PropResolver resolver = { find_netdev, netdev_name, NULL };
    const uint64_t areas[3] = { BOARD_RAM + DESC, BOARD_RAM + AVAIL, BOARD_RAM + USED };
    g_autoptr(GError) err = NULL;
    property_set_resolver(PROP_NETDEV, &resolver);
    wire = (Wire *)net_client_new(&wire_info, "w", NULL, 0);
    transport = board_new("virtio-mmio", NULL);
    ((SysBusDevice *)transport)->irq[0] = board_wire(0);
    board_place(transport, BOARD_MMIO);
    device_add_from_text(device, &err);
    g_assert_no_error(err);
    devices_reset();
    ram = memory_region_ram_ptr(&board.ram);
    memset(ram + DESC, 0, 0x4000);
    added = 0;
    kicks = 0;
    features |= 1ull << VIRTIO_F_VERSION_1;
    reg(0x70, 3);
    for (unsigned i = 0; i < 2; i++) {
        reg(0x24, i);
        reg(0x20, (uint32_t)(features >> 32 * i));
    }
    reg(0x70, 11);
    g_assert_cmphex(rd(BOARD_MMIO + 0x70, 4), ==, 11);
    board_virtio_queue(0, SIZE, areas);
    reg(0x70, 15);
}

static void stop(void)
{
    reg(0x70, 0);
    device_delete(transport);
    net_client_delete(&wire->nc);
}

static uint16_t *word(unsigned at)
{
    return (uint16_t *)(void *)(ram + at);
}

/* One buffer more; the device is told if it asked to be told of this one. On any thread. */
static void add(uint32_t len)
{
    unsigned n = added % SIZE;
    uint64_t addr = BOARD_RAM + DATA + 0x1000 * n;
    const uint16_t flags[2] = { F_WRITE, 0 };
    memcpy(ram + DESC + 16 * n, &addr, 8);
    memcpy(ram + DESC + 16 * n + 8, &len, 4);
    memcpy(ram + DESC + 16 * n + 12, flags, 4);
    *word(AVAIL + 4 + 2 * n) = (uint16_t)n;
    __atomic_store_n(word(AVAIL + 2), (uint16_t)(added + 1), __ATOMIC_RELEASE);
    atomic_thread_fence(memory_order_seq_cst);
    if (__atomic_load_n(word(USED + 4 + 8 * SIZE), __ATOMIC_ACQUIRE) == added) {
        kicks++;
    }
    added++;
}

static uint16_t used(void)
{
    return __atomic_load_n(word(USED + 2), __ATOMIC_ACQUIRE);
}

static void send_packet(void)
{
    uint8_t packet[PACKET];
    memset(packet, 0xff, sizeof(packet));
    net_send(&wire->nc, packet, sizeof(packet), NULL);
}

/* Passes on what the driver said. */
static void take_kicks(unsigned *seen)
{
    unsigned now = kicks;
    if (now != *seen) {
        *seen = now;
        reg(0x50, 0);
    }
}

/* A packet waits for the second buffer that it needs, and each one that comes is told. */
static void test_one_by_one(void)
{
    unsigned seen = 0;
    start("virtio-net-device,netdev=w", 1ull << VIRTIO_F_EVENT_IDX | 1ull << MRG_RXBUF);
    for (unsigned i = 0; i < 3 * SIZE; i++) {
        send_packet();
        take_kicks(&seen);
        g_assert_cmpuint(used(), ==, (uint16_t)(2 * i));
        add(BUFFER);
        take_kicks(&seen);
        g_assert_cmpuint(used(), ==, (uint16_t)(2 * i));
        add(BUFFER);
        take_kicks(&seen);
        g_assert_cmpuint(used(), ==, (uint16_t)(2 * i + 2));
    }
    g_assert_cmpuint(wire->nc.peer->stats.packets, ==, 3 * SIZE);
    stop();
}

/* What can never fit is dropped and counted, and does not hold up what is behind it. */
static void test_never(void)
{
    unsigned seen = 0;
    start("virtio-net-device,netdev=w", 1ull << VIRTIO_F_EVENT_IDX); /* no mergeable buffers */
    add(BUFFER);
    take_kicks(&seen);
    send_packet();
    g_assert_cmpuint(used(), ==, 0);
    g_assert_cmpuint(wire->nc.peer->stats.dropped_self, ==, 1);
    stop();
}

/* A packet in two buffers is there with both, or not at all, at whatever time the driver looks. */
static gpointer watcher(gpointer stop)
{
    unsigned odd = 0;
    while (!__atomic_load_n((bool *)stop, __ATOMIC_ACQUIRE)) {
        odd += used() & 1;
    }
    return GUINT_TO_POINTER(odd);
}

static void test_together(void)
{
    unsigned seen = 0;
    bool stopped = false;
    start("virtio-net-device,netdev=w", 1ull << VIRTIO_F_EVENT_IDX | 1ull << MRG_RXBUF);
    GThread *thread = g_thread_new("watcher", watcher, &stopped);
    for (unsigned i = 0; i < 50000; i++) {
        add(BUFFER);
        add(BUFFER);
        take_kicks(&seen);
        send_packet();
    }
    __atomic_store_n(&stopped, true, __ATOMIC_RELEASE);
    g_assert_cmpuint(GPOINTER_TO_UINT(g_thread_join(thread)), ==, 0);
    g_assert_cmpuint(wire->nc.peer->stats.packets, ==, 50000);
    stop();
}

enum { ROUNDS = 20000 };

static gpointer driver(G_GNUC_UNUSED gpointer opaque)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        while ((uint16_t)(added - used()) > 1) { /* at most one buffer that lacks its second */
            sched_yield();
        }
        for (volatile unsigned wait = i % 97; wait; wait--) {
        }
        add(BUFFER);
    }
    return NULL;
}

/* Both sides at once. No buffer may go unnoticed: then neither would go on. */
static void test_race(void)
{
    unsigned seen = 0;
    start("virtio-net-device,netdev=w", 1ull << VIRTIO_F_EVENT_IDX | 1ull << MRG_RXBUF);
    NetClient *nc = wire->nc.peer;
    GThread *thread = g_thread_new("driver", driver, NULL);
    for (unsigned i = 0; i < ROUNDS / 2; i++) {
        gint64 end = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
        send_packet();
        while (nc->stats.packets <= i) {
            take_kicks(&seen);
            sched_yield();
            if (g_get_monotonic_time() > end) {
                g_error("packet %u waits, and the driver does not know", i);
            }
        }
    }
    g_thread_join(thread);
    stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    board_init();
    g_test_add_func("/virtio-net/one-by-one", test_one_by_one);
    g_test_add_func("/virtio-net/never", test_never);
    g_test_add_func("/virtio-net/together", test_together);
    g_test_add_func("/virtio-net/race", test_race);
    return g_test_run();
}
