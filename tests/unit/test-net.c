/* SPDX-License-Identifier: MIT */
/* Net clients: order, waiting, bounds, hubs, filters, sockets, options. */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "chardev/chardev.h"
#include "net/coalesce.h"
#include "net/filter.h"
#include "net/net.h"
#include "net/queue.h"

/* A NIC that takes `room` packets, and remembers all it got. */
typedef struct TestNic {
    NetClient nc;
    int room;        /* -1: any number */
    GPtrArray *got;  /* GBytes * */
    NetClient *echo; /* sends each packet back once, from inside of receive() */
    int sent_calls;
} TestNic;

static NetResult nic_receive(NetClient *nc, const struct iovec *iov, int iovcnt)
{
    TestNic *t = (TestNic *)nc;
    GByteArray *all = g_byte_array_new();

    if (t->room == 0) {
        g_byte_array_free(all, TRUE);
        return 0;
    }
    t->room -= t->room > 0;
    for (int i = 0; i < iovcnt; i++) {
        g_byte_array_append(all, iov[i].iov_base, (guint)iov[i].iov_len);
    }
    if (t->echo && all->len > 1) {
        net_send(t->echo, all->data, all->len - 1, NULL);
    }
    guint len = all->len;
    g_ptr_array_add(t->got, g_byte_array_free_to_bytes(all));
    return (NetResult)len;
}

static void nic_cleanup(NetClient *nc)
{
    g_ptr_array_free(((TestNic *)nc)->got, TRUE);
}

static const NetClientInfo nic_info = {
    .type = "nic",
    .size = sizeof(TestNic),
    .receive = nic_receive,
    .cleanup = nic_cleanup,
};

static TestNic *new_nic(const char *name, int room)
{
    TestNic *t = (TestNic *)net_client_new(&nic_info, name, "test", 0);

    t->room = room;
    t->got = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    return t;
}

static void on_sent(NetClient *nc, G_GNUC_UNUSED NetResult taken)
{
    ((TestNic *)nc)->sent_calls++;
}

static int value_of(const TestNic *t, guint i)
{
    return *(const uint8_t *)g_bytes_get_data(t->got->pdata[i], NULL);
}

static void send_value(TestNic *t, int value)
{
    uint8_t byte = (uint8_t)value;

    g_assert_cmpint(net_send(&t->nc, &byte, 1, NULL), ==, 1);
}

static void test_order(void)
{
    TestNic *a = new_nic("a", -1), *b = new_nic("b", 3);
    uint8_t last = 99;

    g_assert_true(net_connect(&a->nc, &b->nc, NULL));
    for (int i = 0; i < 10; i++) {
        send_value(a, i);
    }
    g_assert_cmpint(b->got->len, ==, 3);
    g_assert_false(net_can_send(&a->nc));
    g_assert_cmpint(net_send(&a->nc, &last, 1, on_sent), ==, 0);
    g_assert_cmpint(a->sent_calls, ==, 0);
    b->room = 5;
    net_client_ready(&b->nc);
    g_assert_cmpint(b->got->len, ==, 8);
    b->room = -1;
    net_client_ready(&b->nc);
    g_assert_cmpint(b->got->len, ==, 11);
    g_assert_cmpint(a->sent_calls, ==, 1);
    for (guint i = 0; i < 10; i++) {
        g_assert_cmpint(value_of(b, i), ==, i);
    }
    g_assert_cmpint(value_of(b, 10), ==, 99);
    g_assert_true(net_can_send(&a->nc));
    g_assert_cmpint(b->nc.stats.packets, ==, 11);
    net_cleanup();
}

static void test_bounds(void)
{
    TestNic *a = new_nic("a", -1), *b = new_nic("b", 0);
    g_autofree uint8_t *big = g_malloc0(NET_MAX_PACKET + 1);

    net_connect(&a->nc, &b->nc, NULL);
    for (int i = 0; i < NET_QUEUE_PACKETS + 7; i++) {
        send_value(a, 1);
    }
    g_assert_cmpint(b->nc.stats.dropped_full, ==, 7);
    g_assert_cmpint(net_send(&a->nc, big, NET_MAX_PACKET + 1, NULL), >, 0);
    g_assert_cmpint(net_send(&a->nc, big, 0, NULL), >, 0);
    g_assert_cmpint(b->nc.stats.dropped_self, ==, 2);
    b->room = -1;
    net_client_ready(&b->nc);
    g_assert_cmpint(b->got->len, ==, NET_QUEUE_PACKETS);
    net_cleanup();
}

/* A packet sent by the receiver from inside of its receive() comes after what was there before. */
static void test_nested(void)
{
    TestNic *a = new_nic("a", -1), *b = new_nic("b", -1);
    static const uint8_t packet[4] = { 7 };

    net_connect(&a->nc, &b->nc, NULL);
    a->echo = &a->nc;
    b->echo = &b->nc;
    g_assert_cmpint(net_send(&a->nc, packet, sizeof(packet), NULL), ==, 4);
    g_assert_cmpint(b->got->len + a->got->len, ==, 4); /* 4, 3, 2, 1 bytes */
    g_assert_cmpint(g_bytes_get_size(b->got->pdata[0]), ==, 4);
    g_assert_cmpint(g_bytes_get_size(b->got->pdata[1]), ==, 2);
    net_cleanup();
}

/* Whoever waits for sent() hears of it when the receiver is reset or goes away. */
static void test_purge(void)
{
    TestNic *a = new_nic("a", -1), *b = new_nic("b", 0);
    uint8_t byte = 1;

    net_connect(&a->nc, &b->nc, NULL);
    g_assert_cmpint(net_send(&a->nc, &byte, 1, on_sent), ==, 0);
    net_client_purge(&b->nc);
    g_assert_cmpint(a->sent_calls, ==, 1);
    b->room = 0;
    g_assert_cmpint(net_send(&a->nc, &byte, 1, on_sent), ==, 0);
    net_client_delete(&b->nc);
    g_assert_cmpint(a->sent_calls, ==, 2);
    g_assert_cmpint(net_send(&a->nc, &byte, 1, on_sent), ==, 1);
    g_assert_cmpint(a->nc.stats.no_peer, ==, 1);
    net_cleanup();
}

static void test_hub(void)
{
    TestNic *nic[3];

    for (int i = 0; i < 3; i++) {
        nic[i] = new_nic(NULL, -1);
        g_assert_true(net_connect(net_hub_port_new(5, NULL), &nic[i]->nc, NULL));
    }
    send_value(nic[0], 1);
    g_assert_cmpint(nic[0]->got->len, ==, 0);
    g_assert_cmpint(nic[1]->got->len, ==, 1);
    g_assert_cmpint(nic[2]->got->len, ==, 1);
    /* one stops: the others are not lost to it, and nothing is lost at all */
    nic[2]->room = 0;
    for (int i = 0; i < 3 * NET_QUEUE_PACKETS / 2; i++) {
        send_value(nic[0], i);
    }
    nic[2]->room = -1;
    net_client_ready(&nic[2]->nc);
    g_assert_cmpint(nic[1]->got->len, ==, nic[2]->got->len);
    g_assert_cmpint(nic[2]->got->len, ==, 1 + 3 * NET_QUEUE_PACKETS / 2);
    net_cleanup();
}

static void test_link(void)
{
    TestNic *a = new_nic("a", -1), *b = new_nic("b", -1);
    GError *err = NULL;

    net_connect(&a->nc, &b->nc, NULL);
    g_assert_true(net_set_link("b", false, NULL));
    send_value(a, 1);
    send_value(b, 1);
    g_assert_cmpint(a->got->len + b->got->len, ==, 0);
    g_assert_cmpint(a->nc.stats.dropped_link + b->nc.stats.dropped_link, ==, 2);
    g_assert_true(net_set_link("b", true, NULL));
    send_value(a, 1);
    g_assert_cmpint(b->got->len, ==, 1);
    g_assert_false(net_set_link("nobody", true, &err));
    g_assert_nonnull(strstr(err->message, "nobody"));
    g_error_free(err);
    net_cleanup();
}

static void test_dump(void)
{
    TestNic *nic = new_nic("nic", -1);
    g_autofree char *file = g_build_filename(g_get_tmp_dir(), "latimer-test-dump.pcap", NULL);
    g_autofree char *text = g_strdup_printf("id=f,netdev=h,file=%s,maxlen=60", file);
    g_autoptr(Opts) opts = opts_new();
    uint8_t packet[100] = { 1, 2, 3 };
    g_autofree char *data = NULL;
    GError *err = NULL;
    gsize len;

    g_assert_true(net_add_netdev("hubport,id=h,hubid=0", &err));
    net_connect(&nic->nc, net_client_find("h", 0, false), NULL);
    opts_parse(opts, text, NULL, NULL);
    g_assert_true(net_filter_add("filter-dump", opts, &err));
    g_assert_false(net_filter_add("filter-dump", opts, &err)); /* the id is taken */
    g_clear_error(&err);
    net_send(&nic->nc, packet, sizeof(packet), NULL);
    net_send(&nic->nc, packet, 20, NULL);
    g_assert_true(net_filter_del("f", NULL));
    g_assert_true(g_file_get_contents(file, &data, &len, NULL));
    g_assert_cmpint(len, ==, 24 + 16 + 60 + 16 + 20);
    g_assert_cmpint(((uint32_t *)data)[0], ==, 0xa1b2c3d4);
    g_assert_cmpint(((uint32_t *)data)[9], ==, 100); /* the whole length of the first */
    g_assert_cmpmem(data + 40, 60, packet, 60);
    g_unlink(file);
    net_cleanup();
}

static void add_filter(const char *type, const char *text)
{
    g_autoptr(Opts) opts = opts_new();
    GError *err = NULL;

    opts_parse(opts, text, NULL, NULL);
    net_filter_add(type, opts, &err);
    g_assert_no_error(err);
}

/* A NIC on one port of a hub, whose wire has the filters; and another that hears what gets through.
 */
static void filter_board(TestNic **nic, TestNic **far)
{
    *nic = new_nic("nic", -1);
    *far = new_nic("far", -1);
    g_assert_true(net_add_netdev("hubport,id=h,hubid=0", NULL));
    g_assert_true(net_add_netdev("hubport,id=i,hubid=0", NULL));
    net_connect(&(*nic)->nc, net_client_find("h", 0, false), NULL);
    net_connect(&(*far)->nc, net_client_find("i", 0, false), NULL);
    g_assert_nonnull(chardev_add("ringbuf,id=c0,size=64K", NULL));
}

static void filter_board_end(void)
{
    net_cleanup();
    g_assert_true(chardev_remove(chardev_find("c0"), NULL));
}

/* What a chardev has: packets, each with its length in front. */
static void assert_framed(const char *id, const uint8_t *packet, size_t size, unsigned copies)
{
    GByteArray *got = chardev_ringbuf_read(chardev_find(id), 65536);
    const uint8_t length[4] = { 0, 0, (uint8_t)(size >> 8), (uint8_t)size };

    g_assert_cmpuint(got->len, ==, copies * (4 + size));
    for (unsigned i = 0; i < copies; i++) {
        g_assert_cmpmem(got->data + i * (4 + size), 4, length, 4);
        g_assert_cmpmem(got->data + i * (4 + size) + 4, size, packet, size);
    }
    g_byte_array_free(got, TRUE);
}

static void spin_until(const guint *count, guint wanted);

static void test_mirror(void)
{
    TestNic *nic, *far;
    const uint8_t packet[300] = { 1, 2, 3 };

    filter_board(&nic, &far);
    add_filter("filter-mirror", "id=m,netdev=h,queue=rx,outdev=c0");
    net_send(&nic->nc, packet, sizeof(packet), NULL);
    net_send(&nic->nc, packet, sizeof(packet), NULL);
    net_send(&far->nc, packet, sizeof(packet), NULL); /* the other direction */
    g_assert_cmpuint(far->got->len, ==, 2);
    g_assert_cmpuint(nic->got->len, ==, 1);
    assert_framed("c0", packet, sizeof(packet), 2);
    filter_board_end();
}

static void test_redirector(void)
{
    TestNic *nic, *far;
    const uint8_t packet[300] = { 4, 5, 6 }, back[4 + 60] = { 0, 0, 0, 60, 7, 8, 9 };
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int s = socket(AF_UNIX, SOCK_STREAM, 0);

    g_snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/latimer-net-%d", g_get_tmp_dir(),
               (int)getpid());
    g_autofree char *text =
        g_strdup_printf("socket,id=c1,path=%s,server=on,wait=off", addr.sun_path);
    g_assert_nonnull(chardev_add(text, NULL));
    g_assert_cmpint(connect(s, (struct sockaddr *)&addr, sizeof(addr)), ==, 0);
    filter_board(&nic, &far);
    add_filter("filter-redirector", "id=r,netdev=h,queue=tx,indev=c1,outdev=c0");
    net_send(&nic->nc, packet, sizeof(packet), NULL); /* the other direction */
    g_assert_cmpuint(far->got->len, ==, 1);
    net_send(&far->nc, packet, sizeof(packet), NULL);
    g_assert_cmpuint(nic->got->len, ==, 0);
    assert_framed("c0", packet, sizeof(packet), 1);
    for (size_t i = 0; i < sizeof(back); i++) { /* byte by byte: packets have their own limits */
        g_assert_cmpint(write(s, back + i, 1), ==, 1);
        g_main_context_iteration(NULL, FALSE);
    }
    spin_until(&nic->got->len, 1);
    g_assert_cmpmem(g_bytes_get_data(nic->got->pdata[0], NULL), 60, back + 4, 60);
    /* Off: as if it were not there. */
    g_assert_true(net_filter_set_status("r", false, NULL));
    net_send(&far->nc, packet, sizeof(packet), NULL);
    g_assert_cmpuint(nic->got->len, ==, 2);
    filter_board_end();
    g_assert_true(chardev_remove(chardev_find("c1"), NULL));
    close(s);
    g_unlink(addr.sun_path);
}

static void test_buffer(void)
{
    TestNic *nic, *far;
    const uint8_t packet[100] = { 1 };

    filter_board(&nic, &far);
    add_filter("filter-buffer", "id=b,netdev=h,interval=20000");
    for (int i = 0; i < 5; i++) {
        net_send(&nic->nc, packet, sizeof(packet), NULL);
    }
    g_assert_cmpuint(far->got->len, ==, 0);
    spin_until(&far->got->len, 5);
    net_send(&nic->nc, packet, sizeof(packet), NULL);
    g_assert_true(net_filter_del("b", NULL)); /* lets go of what it has */
    g_assert_cmpuint(far->got->len, ==, 6);
    filter_board_end();
}

/* What a filter keeps of a NIC that goes away is dropped and counted, and its queue is bounded. */
static void test_buffer_forgets(void)
{
    TestNic *nic, *far;
    static const uint8_t packet[65536] = { 1 };

    filter_board(&nic, &far);
    add_filter("filter-buffer", "id=b,netdev=h,interval=4000000000");
    for (int i = 0; i < 5; i++) {
        net_send(&nic->nc, packet, 100, NULL);
        net_send(&far->nc, packet, 100, NULL);
    }
    g_autofree char *text = net_describe();
    g_assert_nonnull(strstr(text, "filter b: type=filter-buffer,queue=all,status=on; keeps 10, "
                                  "lost 0; saw 10 packets, took 10"));
    NetClient *port = net_client_find("h", 0, false);
    net_client_delete(&nic->nc);
    g_assert_cmpuint(port->stats.dropped_purged, ==, 5);
    for (int i = 0; i < 300; i++) { /* nobody is there: they do not get as far as to the filter */
        net_send(&far->nc, packet, sizeof(packet), NULL);
    }
    nic = new_nic("nic", -1);
    net_connect(&nic->nc, port, NULL);
    for (int i = 0; i < 300; i++) {
        net_send(&nic->nc, packet, sizeof(packet), NULL);
    }
    g_autofree char *more = net_describe();
    g_assert_nonnull(strstr(more, "lost 45; saw 310 packets"));
    g_assert_true(net_filter_del("b", NULL));
    g_assert_cmpuint(far->got->len, ==, 255);
    g_assert_cmpuint(nic->got->len, ==, 5);
    filter_board_end();
}

static size_t make_segment(uint8_t *p, uint32_t seq, size_t payload, uint8_t flags)
{
    size_t size = 54 + payload;

    memset(p, 0, size);
    p[12] = 8;
    p[14] = 0x45;
    p[16] = (uint8_t)((size - 14) >> 8);
    p[17] = (uint8_t)(size - 14);
    p[22] = 64;
    p[23] = 6;
    p[26] = 10;
    p[30] = 11;
    p[36] = 80;
    seq = GUINT32_TO_BE(seq);
    memcpy(p + 38, &seq, 4);
    p[46] = 0x50;
    p[47] = flags;
    memset(p + 54, (int)payload, payload);
    return size;
}

static void test_coalesce(void)
{
    static Coalescer c;
    uint8_t p[2000];
    uint32_t sum = 0;

    g_assert_true(coalesce_add(&c, p, make_segment(p, 1000, 1400, 0x10)));
    g_assert_false(coalesce_add(&c, p, make_segment(p, 2401, 1400, 0x10))); /* a gap */
    g_assert_false(
        coalesce_add(&c, p, make_segment(p, 2400, 1401, 0x10))); /* larger than the first */
    g_assert_false(coalesce_add(&c, p, make_segment(p, 2400, 1400, 0x11))); /* FIN */
    g_assert_false(coalesce_add(&c, p, 53));
    g_assert_true(coalesce_add(&c, p, make_segment(p, 2400, 1400, 0x10)));
    g_assert_true(coalesce_add(&c, p, make_segment(p, 3800, 7, 0x18)));
    g_assert_false(
        coalesce_add(&c, p, make_segment(p, 3807, 7, 0x10))); /* the last one was short */
    coalesce_finish(&c);
    g_assert_cmpuint(c.size, ==, 54 + 2807);
    g_assert_cmpuint(c.header.gso_size, ==, 1400);
    g_assert_cmpuint(c.header.gso_type, ==, VNET_GSO_TCPV4);
    g_assert_cmpuint(c.packet[16] << 8 | c.packet[17], ==, 2847);
    g_assert_cmphex(c.packet[47], ==, 0x18);
    for (int i = 14; i < 34; i += 2) {
        sum += (uint32_t)(c.packet[i] << 8 | c.packet[i + 1]);
    }
    g_assert_cmphex((sum & 0xffff) + (sum >> 16), ==, 0xffff);
    c.size = 0;
    for (uint32_t seq = 0, n = 0;; seq += 1400, n++) { /* at most 64 KiB */
        if (!coalesce_add(&c, p, make_segment(p, seq, 1400, 0x10))) {
            g_assert_cmpuint(n, ==, (65535 - 40) / 1400);
            break;
        }
    }
}

static void spin_until(const guint *count, guint wanted)
{
    for (int i = 0; i < 5000 && *count < wanted; i++) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(i < 100 ? 0 : 1000);
    }
    g_assert_cmpint(*count, ==, wanted);
}

/* Many packets of all sizes over a stream socket: none lost, in order. */
static void test_stream(void)
{
    TestNic *a = new_nic("a", -1), *b = new_nic("b", -1);
    g_autofree uint8_t *data = g_malloc(NET_MAX_PACKET);
    enum { N = 2000 };
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    for (int i = 0; i < 2; i++) {
        g_autofree char *text = g_strdup_printf("socket,id=s%d,fd=%d", i, pair[i]);
        GError *err = NULL;

        g_assert_true(net_add_netdev(text, &err));
        g_assert_no_error(err);
    }
    net_connect(&a->nc, net_client_find("s0", 0, false), NULL);
    net_connect(&b->nc, net_client_find("s1", 0, false), NULL);
    memset(data, 0, NET_MAX_PACKET);
    for (int i = 0; i < N; i++) {
        data[0] = (uint8_t)i;
        net_send(&a->nc, data, (size_t)(1 + i * 7 % 9000), NULL);
        g_main_context_iteration(NULL, FALSE);
    }
    spin_until(&b->got->len, N);
    for (guint i = 0; i < N; i++) {
        g_assert_cmpint(value_of(b, i), ==, i & 255);
        g_assert_cmpint(g_bytes_get_size(b->got->pdata[i]), ==, 1 + i * 7 % 9000);
    }
    net_cleanup();
}

/* Someone who speaks another protocol is shut out, and costs no memory. */
static void test_stream_garbage(void)
{
    TestNic *a = new_nic("a", -1);
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    g_autofree char *text = g_strdup_printf("socket,id=s,fd=%d", pair[0]);
    g_assert_true(net_add_netdev(text, NULL));
    net_connect(&a->nc, net_client_find("s", 0, false), NULL);
    g_assert_cmpint(write(pair[1], "GET / HTTP/1.0\r\n\r\n", 18), ==, 18);
    for (int i = 0; i < 50; i++) {
        g_main_context_iteration(NULL, FALSE);
    }
    g_assert_cmpint(a->got->len, ==, 0);
    char byte;
    g_assert_cmpint(read(pair[1], &byte, 1), ==, 0); /* closed */
    close(pair[1]);
    net_cleanup();
}

static void test_udp(void)
{
    TestNic *a = new_nic("a", -1), *b = new_nic("b", -1);

    g_assert_true(
        net_add_netdev("socket,id=s0,udp=127.0.0.1:47001,localaddr=127.0.0.1:47002", NULL));
    g_assert_true(
        net_add_netdev("dgram,id=s1,local.type=inet,local.host=127.0.0.1,local.port=47001,"
                       "remote.type=inet,remote.host=127.0.0.1,remote.port=47002",
                       NULL));
    net_connect(&a->nc, net_client_find("s0", 0, false), NULL);
    net_connect(&b->nc, net_client_find("s1", 0, false), NULL);
    send_value(a, 42);
    spin_until(&b->got->len, 1);
    send_value(b, 43);
    spin_until(&a->got->len, 1);
    g_assert_cmpint(value_of(a, 0), ==, 43);
    net_cleanup();
}

/* A guest's DHCPDISCOVER (RFC 2131) to the user network: an offer of 10.0.2.15 comes back. */
static void test_user_dhcp(void)
{
    TestNic *a = new_nic("a", -1);
    uint8_t p[14 + 20 + 8 + 300] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52,
                                     0x54, 0,    1,    2,    3,    8,    0 };
    uint8_t *ip = p + 14, *udp = ip + 20, *bootp = udp + 8;
    uint32_t sum = 0;
    GError *err = NULL;

    g_assert_true(net_add_netdev("user,id=u,ipv6=off,hostfwd=tcp:127.0.0.1:0-:22", &err));
    net_connect(&a->nc, net_client_find("u", 0, false), NULL);
    memcpy(ip, "\x45\0\x01\x48\0\0\0\0\x40\x11\0\0\0\0\0\0\xff\xff\xff\xff", 20);
    for (int i = 0; i < 20; i += 2) {
        sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
    }
    sum = ~((sum & 0xffff) + (sum >> 16));
    ip[10] = (uint8_t)(sum >> 8);
    ip[11] = (uint8_t)sum;
    memcpy(udp, "\0\x44\0\x43\x01\x34\0\0", 8);
    memcpy(bootp, "\x01\x01\x06\0\x12\x34\x56\x78", 8);
    memcpy(bootp + 28, p + 6, 6);
    memcpy(bootp + 236, "\x63\x82\x53\x63\x35\x01\x01\xff", 8);
    net_send(&a->nc, p, sizeof(p), NULL);
    bool offered = false;
    for (int i = 0; i < 10000 && !offered; i++) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(1000);
        for (guint n = 0; n < a->got->len; n++) {
            gsize len;
            const uint8_t *d = g_bytes_get_data(a->got->pdata[n], &len);
            offered |=
                len > 62 && d[23] == 17 && d[35] == 67 && !memcmp(d + 58, "\x0a\0\x02\x0f", 4);
        }
    }
    g_assert_true(offered);
    g_autofree char *info = net_describe();
    g_assert_nonnull(strstr(info, "type=user"));
    net_cleanup();
}

static void test_bad_options(void)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "nosuch,id=a", "nosuch" },
        { "user", "id= is missing" },
        { "user,id=a,colour=red", "colour" },
        { "user,id=a,net=10.0.2.0/99", "net=" },
        { "user,id=a,host=1.2.3.4", "host=1.2.3.4" },
        { "user,id=a,hostfwd=tcp:99999-:22", "hostfwd=" },
        { "user,id=a,smb=/", "smb" },
        { "tap,id=a,queues=1000,ifname=x", "queues=" },
        { "tap,id=a,ifname=averyveryverylongname", "ifname=" },
        { "tap,id=a,fd=12345", "fd=12345" },
        { "tap,id=a,fd=0,ifname=x", "ifname" },
        { "tap,id=a,vhost=on", "vhost" },
        { "socket,id=a", "listen=" },
        { "socket,id=a,listen=:1,connect=b:1", "listen=" },
        { "socket,id=a,mcast=127.0.0.1:1", "multicast" },
        { "stream,id=a,addr.type=ipx", "addr.type=ipx" },
        { "stream,id=a", "addr.type" },
        { "dgram,id=a", "local.type" },
        { "hubport,id=a,hubid=x", "hubid" },
        { "hubport,id=a,netdev=none", "netdev=none" },
        { "{\"type\":", "JSON" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        GError *err = NULL;

        g_assert_false(net_add_netdev(cases[i].text, &err));
        if (!strstr(err->message, cases[i].says)) {
            g_error("'%s' gives '%s'", cases[i].text, err->message);
        }
        g_error_free(err);
        g_assert_cmpint(net_clients()->len, ==, 0);
    }
    g_assert_true(net_add_netdev("hubport,id=twice", NULL));
    g_assert_false(net_add_netdev("hubport,id=twice", NULL));
    g_assert_false(net_add_nic("user,mac=01:00:00:00:00:00", NULL));
    net_cleanup();
}

static void test_legacy(void)
{
    GError *err = NULL;

    g_assert_true(net_add_legacy("nic,model=e1000", &err));
    g_assert_true(net_add_legacy("user", &err));
    g_assert_true(net_add_nic("user,model=virtio-net-pci,mac=52:54:00:00:00:01", &err));
    g_assert_cmpint(net_nic_requests()->len, ==, 2);
    g_autofree char *info = net_describe();
    g_assert_nonnull(strstr(info, "hub 0"));
    g_assert_false(net_add_legacy("hubport", NULL));
    net_cleanup();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/net/order", test_order);
    g_test_add_func("/net/bounds", test_bounds);
    g_test_add_func("/net/nested", test_nested);
    g_test_add_func("/net/purge", test_purge);
    g_test_add_func("/net/hub", test_hub);
    g_test_add_func("/net/link", test_link);
    g_test_add_func("/net/dump", test_dump);
    g_test_add_func("/net/mirror", test_mirror);
    g_test_add_func("/net/redirector", test_redirector);
    g_test_add_func("/net/buffer", test_buffer);
    g_test_add_func("/net/buffer-forgets", test_buffer_forgets);
    g_test_add_func("/net/coalesce", test_coalesce);
    g_test_add_func("/net/stream", test_stream);
    g_test_add_func("/net/stream-garbage", test_stream_garbage);
    g_test_add_func("/net/udp", test_udp);
    g_test_add_func("/net/user-dhcp", test_user_dhcp);
    g_test_add_func("/net/bad-options", test_bad_options);
    g_test_add_func("/net/legacy", test_legacy);
    return g_test_run();
}
