/* SPDX-License-Identifier: MIT */
/*
 * vhost-net against a kernel that is this test: it keeps what the ioctls say, finds the rings and
 * buffers by nothing else, and serves them when it is kicked. The driver is one at virtio-mmio.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "hw/net/vhost-net.h"
#include "hw/vcpu.h"
#include "hw/virtio/virtio.h"
#include "net/net.h"
#include "tests/unit/hw-harness.h"

#include <linux/vhost.h> /* behind ours: it has macros of the same names */

enum {
    SIZE = 8,
    HEADER = 12,
    F_NEXT = 1,
    F_WRITE = 2,
    VHOST_FD = 4711,
    WIRE_FD = 4712,
    /* Of each queue, from BOARD_RAM on: descriptors, avail, used, buffers. */
    QUEUE = 0x10000,
    AVAIL = 0x1000,
    USED = 0x2000,
    DATA = 0x4000,
};

/* ---- the kernel ---------------------------------------------------------------------------- */

static struct {
    bool owned;
    uint64_t can, features;
    unsigned nregions, table_calls;
    struct vhost_memory_region regions[64];
    struct {
        unsigned num;
        uint16_t avail, used;
        struct vhost_vring_addr addr;
        int kick, call, backend;
    } ring[2];
    unsigned long fails; /* this request does */
    GByteArray *sent;    /* what went to the wire last */
} kernel;

static void *user_address(uint64_t guest, uint64_t len)
{
    for (unsigned i = 0; i < kernel.nregions; i++) {
        const struct vhost_memory_region *r = &kernel.regions[i];
        if (guest >= r->guest_phys_addr && guest + len <= r->guest_phys_addr + r->memory_size) {
            return (void *)(uintptr_t)(r->userspace_addr + guest - r->guest_phys_addr);
        }
    }
    return NULL;
}

static int set_ring(unsigned long request, void *arg)
{
    unsigned index = *(unsigned *)arg;
    struct vhost_vring_state *state = arg;
    struct vhost_vring_file *file = arg;
    if (index > 1) {
        errno = ENOBUFS;
        return -1;
    }
    switch (request) {
    case VHOST_SET_VRING_NUM:
        kernel.ring[index].num = state->num;
        return 0;
    case VHOST_SET_VRING_BASE:
        kernel.ring[index].avail = (uint16_t)state->num;
        return 0;
    case VHOST_GET_VRING_BASE:
        g_assert_cmpint(kernel.ring[index].backend, ==, -1); /* it must have stopped */
        state->num = kernel.ring[index].avail;
        return 0;
    case VHOST_SET_VRING_ADDR:
        kernel.ring[index].addr = *(struct vhost_vring_addr *)arg;
        kernel.ring[index].used =
            ((uint16_t *)(uintptr_t)kernel.ring[index].addr.used_user_addr)[1];
        return 0;
    case VHOST_SET_VRING_KICK:
        kernel.ring[index].kick = file->fd;
        return 0;
    case VHOST_SET_VRING_CALL:
        kernel.ring[index].call = file->fd;
        return 0;
    case VHOST_NET_SET_BACKEND:
        kernel.ring[index].backend = file->fd;
        return 0;
    }
    g_assert_not_reached();
}

static int call(int fd, unsigned long request, void *arg)
{
    g_assert_cmpint(fd, ==, VHOST_FD);
    if (request == kernel.fails) {
        errno = EPERM;
        return -1;
    }
    switch (request) {
    case VHOST_SET_OWNER:
        kernel.owned = true;
        return 0;
    case VHOST_GET_FEATURES:
        *(uint64_t *)arg = kernel.can;
        return 0;
    case VHOST_SET_FEATURES:
        g_assert_true(kernel.owned);
        kernel.features = *(uint64_t *)arg;
        return 0;
    case VHOST_SET_MEM_TABLE: {
        const struct vhost_memory *m = arg;
        g_assert_cmpuint(m->nregions, <=, 64);
        kernel.nregions = m->nregions;
        memcpy(kernel.regions, m->regions, m->nregions * sizeof(m->regions[0]));
        kernel.table_calls++;
        return 0;
    }
    }
    return set_ring(request, arg);
}

static const VhostKernel fake = { call };

static bool kicked(unsigned index)
{
    uint64_t times;
    return read(kernel.ring[index].kick, &times, sizeof(times)) == sizeof(times);
}

/* One chain of the ring, out into kernel.sent or in from `data`; false: there is none. */
static bool serve(unsigned index, const void *data, uint32_t len)
{
    const struct vhost_vring_addr *a = &kernel.ring[index].addr;
    uint16_t *avail = (uint16_t *)(uintptr_t)a->avail_user_addr;
    uint16_t *used = (uint16_t *)(uintptr_t)a->used_user_addr;
    unsigned num = kernel.ring[index].num;
    const uint64_t one = 1;
    if (avail[1] == kernel.ring[index].avail) {
        return false;
    }
    uint16_t head = avail[2 + kernel.ring[index].avail++ % num], next = head, flags;
    g_byte_array_set_size(kernel.sent, 0);
    do {
        const uint8_t *d = (uint8_t *)(uintptr_t)a->desc_user_addr + 16 * next;
        uint64_t addr;
        uint32_t room;
        memcpy(&addr, d, 8);
        memcpy(&room, d + 8, 4);
        memcpy(&flags, d + 12, 2);
        memcpy(&next, d + 14, 2);
        void *at = user_address(addr, room);
        g_assert_nonnull(at);
        g_assert_cmpint(!!(flags & F_WRITE), ==, data != NULL);
        if (data) {
            g_assert_cmpuint(len, <=, room);
            memcpy(at, data, len);
        } else {
            g_byte_array_append(kernel.sent, at, room);
        }
    } while (flags & F_NEXT);
    uint32_t elem[2] = { head, data ? len : 0 };
    memcpy((uint8_t *)used + 4 + 8 * (kernel.ring[index].used % num), elem, sizeof(elem));
    used[1] = ++kernel.ring[index].used;
    g_assert_cmpint(write(kernel.ring[index].call, &one, sizeof(one)), ==, sizeof(one));
    return true;
}

/* ---- the tap ------------------------------------------------------------------------------- */

typedef struct Wire {
    NetClient nc;
    bool lent;
    unsigned got;
} Wire;
static Wire *wire;

static NetResult wire_receive(NetClient *nc, const struct iovec *iov, G_GNUC_UNUSED int iovcnt)
{
    ((Wire *)nc)->got++;
    return (NetResult)iov[0].iov_len;
}

static int wire_vhost(G_GNUC_UNUSED NetClient *nc, int *backend)
{
    *backend = WIRE_FD;
    return VHOST_FD;
}

static void wire_lend(NetClient *nc, bool on)
{
    ((Wire *)nc)->lent = on;
}

static const NetClientInfo wire_info = { .type = "wire",
                                         .size = sizeof(Wire),
                                         .receive = wire_receive,
                                         .vhost = wire_vhost,
                                         .lend = wire_lend };

static void *find_netdev(const char *id, G_GNUC_UNUSED Device *dev, G_GNUC_UNUSED GError **err)
{
    return net_client_find(id, 0, false);
}

static const char *netdev_name(void *object)
{
    return ((NetClient *)object)->name;
}

/* ---- the driver ---------------------------------------------------------------------------- */

static Device *transport;
static uint16_t added[2];

static void reg(unsigned offset, uint32_t val)
{
    wr(BOARD_MMIO + offset, val, 4);
}

static uint64_t offered(void)
{
    uint64_t val = 0;
    for (unsigned i = 0; i < 2; i++) {
        reg(0x14, i);
        val |= (uint64_t)rd(BOARD_MMIO + 0x10, 4) << 32 * i;
    }
    return val;
}

static Device *plug(GError **err)
{
    static const PropResolver resolver = { find_netdev, netdev_name, NULL };
    property_set_resolver(PROP_NETDEV, &resolver);
    wire = (Wire *)net_client_new(&wire_info, "w", NULL, 0);
    transport = board_new("virtio-mmio", NULL);
    ((SysBusDevice *)transport)->irq[0] = board_wire(0);
    board_place(transport, BOARD_MMIO);
    Device *dev = device_add_from_text("virtio-net-device,netdev=w,packed=on,rss=on,hash=on", err);
    devices_reset();
    return dev;
}

static void unplug(void)
{
    device_delete(transport);
    net_client_delete(&wire->nc);
}

static void driver_ok(uint64_t features)
{
    memset((uint8_t *)memory_region_ram_ptr(&board.ram), 0, 2 * QUEUE);
    memset(added, 0, sizeof(added));
    reg(0x70, 3);
    for (unsigned i = 0; i < 2; i++) {
        reg(0x24, i);
        reg(0x20, (uint32_t)(features >> 32 * i));
    }
    reg(0x70, 11);
    g_assert_cmphex(rd(BOARD_MMIO + 0x70, 4), ==, 11);
    for (unsigned q = 0; q < 2; q++) {
        const uint64_t base = BOARD_RAM + q * QUEUE;
        const uint64_t areas[3] = { base, base + AVAIL, base + USED };
        board_virtio_queue(q, SIZE, areas);
    }
    reg(0x70, 15);
}

static void add(unsigned q, const void *data, uint32_t len)
{
    unsigned n = added[q] % SIZE;
    hwaddr base = BOARD_RAM + q * QUEUE, buffer = base + DATA + 0x800 * n;
    if (data) {
        g_assert_cmpint(address_space_write(&board.as, buffer, NULL, data, len), ==, MEMTX_OK);
    }
    wr(base + 16 * n, buffer, 8);
    wr(base + 16 * n + 8, len, 4);
    wr(base + 16 * n + 12, data ? 0 : F_WRITE, 2);
    wr(base + AVAIL + 4 + 2 * n, n, 2);
    wr(base + AVAIL + 2, ++added[q], 2);
    reg(0x50, q);
}

static unsigned interrupt(void)
{
    for (unsigned i = 0; i < 5; i++) {
        g_main_context_iteration(NULL, FALSE);
    }
    unsigned status = (unsigned)rd(BOARD_MMIO + 0x60, 4) & 1;
    reg(0x64, 3);
    return status;
}

static unsigned used(unsigned q)
{
    return (unsigned)rd(BOARD_RAM + q * QUEUE + USED + 2, 2);
}

#define V1 (1ull << VIRTIO_F_VERSION_1)
enum { MRG_RXBUF = 15 };

static void new_kernel(void)
{
    g_clear_pointer(&kernel.sent, g_byte_array_unref);
    memset(&kernel, 0, sizeof(kernel));
    kernel.can = V1 | 1ull << VIRTIO_F_EVENT_IDX | 1ull << VIRTIO_F_INDIRECT_DESC |
                 1ull << MRG_RXBUF | 1ull << VIRTIO_F_ACCESS_PLATFORM;
    kernel.ring[0].backend = kernel.ring[1].backend = -1;
    kernel.sent = g_byte_array_new();
    vhost_net_set_kernel(&fake);
}

/* ---- tests --------------------------------------------------------------------------------- */

/* Packets go between the rings and the kernel, both ways; none comes past us. */
static void test_traffic(void)
{
    uint8_t packet[HEADER + 60];
    new_kernel();
    g_assert_nonnull(plug(NULL));
    /* Only what the kernel knows is offered of what concerns rings. */
    uint64_t can = offered();
    g_assert_false(can & (1ull << VIRTIO_F_RING_PACKED | 1ull << 57 | 1ull << 60));
    g_assert_true(can & V1 && can & 1ull << MRG_RXBUF);
    driver_ok(V1 | 1ull << MRG_RXBUF);
    g_assert_true(wire->lent);
    g_assert_cmphex(kernel.features, ==,
                    V1 | 1ull << MRG_RXBUF | 1ull << VHOST_NET_F_VIRTIO_NET_HDR);
    g_assert_cmpuint(kernel.nregions, >, 0);
    for (unsigned q = 0; q < 2; q++) {
        g_assert_cmpint(kernel.ring[q].backend, ==, WIRE_FD);
        g_assert_cmpuint(kernel.ring[q].num, ==, SIZE);
        g_assert_true(kicked(q)); /* to look at what was there before */
        g_assert_false(kicked(q));
    }
    for (unsigned i = 0; i < 3 * SIZE; i++) {
        memset(packet, (int)i, sizeof(packet));
        add(1, packet, sizeof(packet));
        g_assert_true(kicked(1));
        g_assert_true(serve(1, NULL, 0));
        g_assert_cmpmem(kernel.sent->data, kernel.sent->len, packet, sizeof(packet));
        g_assert_cmpuint(interrupt(), ==, 1);
        g_assert_cmpuint(interrupt(), ==, 0);
        add(0, NULL, 0x800);
        g_assert_true(kicked(0));
        g_assert_true(serve(0, packet, sizeof(packet)));
        g_assert_cmpuint(interrupt(), ==, 1);
        g_assert_cmpuint(used(0), ==, i + 1);
        g_assert_cmpuint(used(1), ==, i + 1);
    }
    g_assert_cmpuint(wire->got, ==, 0);
    unplug();
    g_assert_cmpint(kernel.ring[0].backend, ==, -1);
}

/* The link goes down and the kernel stops; what it had not come to is ours, and goes on from there;
 * up again it has them back. */
static void test_stop_and_go(void)
{
    uint8_t packet[HEADER + 60] = { 0 };
    new_kernel();
    g_assert_nonnull(plug(NULL));
    driver_ok(V1 | 1ull << MRG_RXBUF);
    add(1, packet, sizeof(packet));
    g_assert_true(serve(1, NULL, 0));
    add(1, packet, sizeof(packet)); /* not served */
    g_assert_true(net_set_link("w", false, NULL));
    g_assert_cmpint(kernel.ring[1].backend, ==, -1);
    g_assert_false(wire->lent);
    g_assert_cmpuint(used(1), ==, 1);
    reg(0x50, 1); /* ours now: it is dropped, for the link is down */
    g_assert_cmpuint(used(1), ==, 2);
    g_assert_true(net_set_link("w", true, NULL));
    g_assert_cmpint(kernel.ring[1].backend, ==, WIRE_FD);
    g_assert_cmpuint(kernel.ring[1].avail, ==, 2);
    add(1, packet, sizeof(packet));
    g_assert_true(serve(1, NULL, 0));
    g_assert_false(serve(1, NULL, 0));
    g_assert_cmpuint(used(1), ==, 3);
    /* The driver resets: no interrupt comes of it. */
    interrupt();
    reg(0x70, 0);
    g_assert_cmpint(kernel.ring[0].backend, ==, -1);
    g_assert_cmpuint(interrupt(), ==, 0);
    /* And begins anew. */
    driver_ok(V1);
    g_assert_cmpint(kernel.ring[0].backend, ==, WIRE_FD);
    g_assert_cmpuint(kernel.ring[1].avail, ==, 0);
    unplug();
}

/* While the machine stands still, nobody writes into its memory. */
static void test_machine_stops(void)
{
    uint8_t packet[HEADER + 60] = { 0 };
    new_kernel();
    g_assert_nonnull(plug(NULL));
    driver_ok(V1);
    add(1, packet, sizeof(packet));
    g_assert_true(serve(1, NULL, 0));
    vm_stop(RUN_STATE_PAUSED);
    g_assert_cmpint(kernel.ring[0].backend, ==, -1);
    g_assert_false(wire->lent);
    vm_start();
    g_assert_cmpint(kernel.ring[0].backend, ==, WIRE_FD);
    g_assert_cmpuint(kernel.ring[1].avail, ==, 1);
    unplug();
}

/* A change of the memory map is told while it runs. */
static void test_memory(void)
{
    MemoryRegion more = { 0 };
    new_kernel();
    g_assert_nonnull(plug(NULL));
    driver_ok(V1);
    unsigned calls = kernel.table_calls;
    g_assert_cmpuint(calls, ==, 1);
    g_assert_null(user_address(0x80000000, 16));
    g_assert_true(memory_region_init_ram(&more, "more", 1 << 20, NULL));
    memory_region_add(&board.system, 0x80000000, &more, 0);
    g_assert_cmpuint(kernel.table_calls, >, calls);
    g_assert_true(user_address(0x80000000, 16) == memory_region_ram_ptr(&more));
    memory_region_del(&board.system, &more);
    g_assert_null(user_address(0x80000000, 16));
    memory_region_cleanup(&more);
    unplug();
}

/* What the kernel refuses: at the beginning an error, later packets go through us. */
static void test_refused(void)
{
    uint8_t packet[HEADER + 60] = { 0 };
    GError *err = NULL;
    new_kernel();
    kernel.fails = VHOST_SET_OWNER;
    g_assert_null(plug(&err));
    g_assert_nonnull(strstr(err->message, "VHOST_SET_OWNER"));
    g_error_free(err);
    unplug();
    const unsigned long later[] = { VHOST_SET_FEATURES, VHOST_SET_MEM_TABLE, VHOST_SET_VRING_ADDR,
                                    VHOST_SET_VRING_CALL, VHOST_NET_SET_BACKEND };
    for (size_t i = 0; i < G_N_ELEMENTS(later); i++) {
        new_kernel();
        g_assert_nonnull(plug(NULL));
        kernel.fails = later[i];
        driver_ok(V1);
        g_assert_false(wire->lent);
        add(1, packet, sizeof(packet));
        g_assert_cmpuint(used(1), ==, 1);
        g_assert_cmpuint(wire->got, ==, 1);
        unplug();
    }
}

/* The netdev goes away while the kernel is at work. */
static void test_gone(void)
{
    uint8_t packet[HEADER + 60] = { 0 };
    new_kernel();
    g_assert_nonnull(plug(NULL));
    driver_ok(V1);
    net_client_delete(&wire->nc);
    g_assert_cmpint(kernel.ring[0].backend, ==, -1);
    add(1, packet, sizeof(packet));
    g_assert_cmpuint(used(1), ==, 1);
    device_delete(transport);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    board_init();
    vm_start();
    g_test_add_func("/vhost/traffic", test_traffic);
    g_test_add_func("/vhost/stop-and-go", test_stop_and_go);
    g_test_add_func("/vhost/machine-stops", test_machine_stops);
    g_test_add_func("/vhost/memory", test_memory);
    g_test_add_func("/vhost/refused", test_refused);
    g_test_add_func("/vhost/gone", test_gone);
    return g_test_run();
}
