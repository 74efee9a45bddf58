/* SPDX-License-Identifier: MIT */
/*
 * NICs at their registers: EEPROM, PHY, rings, filters, offloads, as their datasheets have them;
 * and a driver that writes nonsense, with packets that are nonsense. NIC_FUZZ_ROUNDS steps for each
 * NIC, of NIC_FUZZ_SEED.
 */
#include <stdlib.h>
#include <string.h>
#include "hw/net/e1000-regs.h"
#include "hw/net/eth.h"
#include "hw/timer.h"
#include "hw/pci/gpex.h"
#include "net/net.h"
#include "tests/unit/hw-harness.h"

enum {
    PCI_MMIO = 0x10000000,
    PCI_IO = 0x3eff0000,
    ECAM = 0x3f000000,
    RING = BOARD_RAM + 0x10000,
    RX_RING = BOARD_RAM + 0x20000,
    BUFFERS = BOARD_RAM + 0x100000,
    DATA = BOARD_RAM + 0x400000,
};

static const uint8_t own[6] = { 0x52, 0x54, 0, 1, 2, 3 }, other[6] = { 0x52, 0x54, 0, 9, 9, 9 };

/* ---- the other end of the wire ------------------------------------------------------------ */

typedef struct Wire {
    NetClient nc;
    GPtrArray *got; /* GByteArray * */
    bool full;
} Wire;
static Wire *wire;

static NetResult wire_receive(NetClient *nc, const struct iovec *iov, int iovcnt)
{
    Wire *w = (Wire *)nc;
    if (w->full) {
        return 0;
    }
    GByteArray *packet = g_byte_array_new();
    for (int i = 0; i < iovcnt; i++) {
        g_byte_array_append(packet, iov[i].iov_base, (guint)iov[i].iov_len);
    }
    g_ptr_array_add(w->got, packet);
    return (NetResult)packet->len;
}

static const NetClientInfo wire_info = { .type = "wire",
                                         .size = sizeof(Wire),
                                         .receive = wire_receive };

static void free_packet(gpointer packet)
{
    g_byte_array_free(packet, TRUE);
}

static void forget(void)
{
    g_ptr_array_set_size(wire->got, 0);
}

static GByteArray *sent(unsigned n)
{
    g_assert_cmpuint(wire->got->len, >, n);
    return wire->got->pdata[n];
}

static void *find_netdev(const char *id, G_GNUC_UNUSED Device *dev, GError **err)
{
    NetClient *nc = net_client_find(id, 0, false);
    if (!nc) {
        g_set_error(err, HW_ERROR, 0, "there is no netdev '%s'", id);
    }
    return nc;
}

static const char *netdev_name(void *object)
{
    return ((NetClient *)object)->name;
}

/* ---- the board ----------------------------------------------------------------------------- */

static GPEXHost *host;
static Device *nic;

static void make_host(void)
{
    static const PropResolver resolver = { find_netdev, netdev_name, NULL };
    static MemoryRegion window;
    property_set_resolver(PROP_NETDEV, &resolver);
    host = (GPEXHost *)board_new("gpex-pcihost", "ecam-size=16M", NULL);
    for (int i = 0; i < 4; i++) {
        host->parent.irq[i] = board_wire(i);
    }
    board_place(&host->parent.parent, ECAM);
    memory_region_init_alias(&window, "window", &host->memory, PCI_MMIO, 0x2eff0000);
    memory_region_add(&board.system, PCI_MMIO, &window, 0);
    memory_region_add(&board.system, PCI_IO, &host->io, 0);
}

enum { SLOT = 4, CONFIG = ECAM + (SLOT << 15), LINE = SLOT & 3 };

/* In a fresh state, its registers at PCI_MMIO, on a wire. */
static void plug(const char *type, unsigned bar)
{
    g_autofree char *text =
        g_strdup_printf("%s,netdev=w,addr=%d,mac=52:54:00:01:02:03", type, SLOT);
    g_autoptr(GError) err = NULL;
    wire = (Wire *)net_client_new(&wire_info, "w", NULL, 0);
    wire->got = g_ptr_array_new_with_free_func(free_packet);
    nic = device_add_from_text(text, &err);
    g_assert_no_error(err);
    devices_reset();
    wr(CONFIG + PCI_BAR0 + 4 * bar, PCI_MMIO, 4);
    wr(CONFIG + PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
}

static void unplug(void)
{
    device_delete(nic);
    g_ptr_array_free(wire->got, TRUE);
    net_client_delete(&wire->nc);
}

static uint32_t reg(uint32_t offset)
{
    return (uint32_t)rd(PCI_MMIO + offset, 4);
}

static void set(uint32_t offset, uint32_t val)
{
    wr(PCI_MMIO + offset, val, 4);
}

static void put(hwaddr at, const void *data, size_t len)
{
    g_assert_cmpint(address_space_write(&board.as, at, NULL, data, len), ==, MEMTX_OK);
}

static void get(hwaddr at, void *data, size_t len)
{
    g_assert_cmpint(address_space_read(&board.as, at, NULL, data, len), ==, MEMTX_OK);
}

/* ---- packets ------------------------------------------------------------------------------- */

/* IPv4 with TCP or UDP and `payload` bytes; right sums. Its length. */
static size_t make_packet(uint8_t *p, const uint8_t *to, uint8_t proto, size_t payload)
{
    size_t l4 = proto == ETH_PROTO_TCP ? 20 : 8, len = 14 + 20 + l4 + payload;
    EthHeaders h;
    memset(p, 0, len);
    memcpy(p, to, 6);
    memcpy(p + 6, other, 6);
    eth_put16(p + 12, ETH_TYPE_IP4);
    p[14] = 0x45;
    eth_put16(p + 16, (uint32_t)(len - 14));
    eth_put16(p + 18, 100);
    p[22] = 64;
    p[23] = proto;
    eth_put32(p + 26, 0x0a000001);
    eth_put32(p + 30, 0x0a000002);
    eth_put16(p + 34, 1000);
    eth_put16(p + 36, 2000);
    if (proto == ETH_PROTO_TCP) {
        eth_put32(p + 38, 0x1000);
        p[46] = 0x50;
        p[47] = 0x19; /* ACK, PSH, FIN */
    } else {
        eth_put16(p + 38, (uint32_t)(8 + payload));
    }
    for (size_t i = 0; i < payload; i++) {
        p[34 + l4 + i] = (uint8_t)(i * 7);
    }
    eth_parse(&h, p, len);
    eth_fill_ip_sum(&h, p);
    eth_fill_l4_sum(&h, p);
    return len;
}

static void check_sums(const GByteArray *packet)
{
    EthHeaders h;
    eth_parse(&h, packet->data, packet->len);
    g_assert_cmpint(eth_check_ip(&h, packet->data), ==, 1);
    g_assert_cmpint(eth_check_l4(&h, packet->data), ==, 1);
}

static void test_eth(void)
{
    /* The verification suite of receive-side scaling: 66.9.149.187:2794 to 161.142.100.80:1766. */
    static const uint8_t key[ETH_RSS_KEY] = { 0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2,
                                              0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0,
                                              0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4,
                                              0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c,
                                              0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa };
    static const uint8_t in[12] = { 66, 9, 149, 187, 161, 142, 100, 80, 0x0a, 0xea, 0x06, 0xe6 };
    uint8_t p[2000];
    EthHeaders h;
    g_assert_cmphex(eth_toeplitz(key, in, 8), ==, 0x323e8fc2);
    g_assert_cmphex(eth_toeplitz(key, in, 12), ==, 0x51ccc178);
    /* 01:00:5e:00:00:01, as every driver with this hash computes it. */
    g_assert_cmpuint(eth_crc_hash((const uint8_t[]){ 1, 0, 0x5e, 0, 0, 1 }), ==, 31);
    for (size_t n = 0; n < 64; n++) {
        size_t len = make_packet(p, own, n & 1 ? ETH_PROTO_TCP : ETH_PROTO_UDP, n);
        eth_parse(&h, p, len);
        g_assert_cmpint(eth_check_l4(&h, p), ==, 1);
        p[len - 1] ^= 1;
        g_assert_cmpint(eth_check_l4(&h, p), ==, 0);
    }
    size_t len = make_packet(p, own, ETH_PROTO_TCP, 100);
    for (size_t cut = 0; cut < len; cut++) { /* too short for what it says: not IP at all */
        eth_parse(&h, p, cut);
        g_assert_cmpuint(h.version, ==, 0);
    }
    len = eth_insert_tag(p, len, ETH_TYPE_VLAN, 0x2007);
    eth_parse(&h, p, len);
    g_assert_true(h.tagged && h.tci == 0x2007 && h.l3 == 18 && h.l4 == 38);
    g_assert_cmpuint(eth_remove_tag(p, len), ==, len - 4);
}

/* ---- 8254x --------------------------------------------------------------------------------- */

static bool read_data_out(uint32_t lines)
{
    set(EECD, lines | EECD_SK);
    bool out = reg(EECD) & EECD_DO;
    set(EECD, lines);
    return out;
}

/* A word by the pins: SDM 5.3.1. */
static uint16_t read_by_pins(unsigned addr)
{
    uint32_t command = 6u << 6 | addr, base = EECD_REQ | EECD_CS;
    uint16_t word = 0;
    set(EECD, base);
    for (int bit = 8; bit >= 0; bit--) {
        uint32_t lines = base | (command >> bit & 1 ? EECD_DI : 0);
        set(EECD, lines);
        set(EECD, lines | EECD_SK);
        set(EECD, lines);
    }
    g_assert_false(reg(EECD) & EECD_DO); /* the zero in front */
    for (int i = 0; i < 16; i++) {
        word = (uint16_t)(word << 1 | read_data_out(base));
    }
    set(EECD, 0);
    return word;
}

static uint16_t read_by_register(unsigned addr, bool new)
{
    uint32_t val;
    set(EERD, 1 | addr << (new ? 2 : 8));
    val = reg(EERD);
    g_assert_true(val & (new ? 2 : 16));
    return (uint16_t)(val >> 16);
}

static uint16_t phy(unsigned n)
{
    set(MDIC, 1 << 21 | n << 16 | MDIC_READ << 26);
    g_assert_true(reg(MDIC) & MDIC_READY);
    return (uint16_t)reg(MDIC);
}

static void e1000_identity(const char *type, uint32_t phy_id, bool new)
{
    uint16_t sum = 0;
    plug(type, 0);
    g_assert_cmphex(reg(RAL), ==, 0x01005452);
    g_assert_cmphex(reg(RAL + 4), ==, 0x80000302);
    for (unsigned i = 0; i < 64; i++) {
        uint16_t word = read_by_register(i, new);
        sum = (uint16_t)(sum + word);
        g_assert_cmphex(new ? word : read_by_pins(i), ==, word);
    }
    g_assert_cmphex(sum, ==, 0xbaba);
    g_assert_cmphex((uint32_t)phy(PHY_ID1) << 16 | phy(PHY_ID2), ==, phy_id);
    g_assert_true(phy(PHY_STATUS) & PHY_STATUS_LINK);
    set(MDIC, 2 << 21 | MDIC_READ << 26); /* nobody is there */
    g_assert_true(reg(MDIC) & MDIC_ERROR);
    g_assert_false(reg(STATUS) & STATUS_LU);
    set(CTRL, CTRL_SLU);
    g_assert_true(reg(STATUS) & STATUS_LU);
    /* The cable: a cause, an interrupt when it is unmasked, and reading clears it. */
    reg(ICR);
    net_set_link("w", false, NULL);
    g_assert_false(reg(STATUS) & STATUS_LU);
    g_assert_cmpint(board.wires[LINE], ==, 0);
    set(IMS, INT_LSC);
    g_assert_cmpint(board.wires[LINE], ==, 1);
    g_assert_true(reg(ICR) & INT_LSC);
    g_assert_cmpint(board.wires[LINE], ==, 0);
    set(IMC, ~0u);
    g_assert_cmphex(reg(IMS), ==, 0);
    net_set_link("w", true, NULL);
    /* A reset of the MAC takes all back but the address. */
    set(RAL, 1);
    set(CTRL, CTRL_RST);
    g_assert_cmphex(reg(RAL), ==, 0x01005452);
    g_assert_false(reg(STATUS) & STATUS_LU);
    unplug();
}

static void test_e1000_identity(void)
{
    e1000_identity("e1000", 0x01410c20, false);
}

static void test_e1000e_identity(void)
{
    e1000_identity("e1000e", 0x01410cb1, true);
}

static unsigned tail; /* of the transmit ring, in software's eyes */

static void tx_start(void)
{
    tail = 0;
    set(TDBAL, RING);
    set(TDBAH, 0);
    set(TDLEN, 32 * 16);
    set(TDH, 0);
    set(TDT, 0);
    set(TCTL, TCTL_EN | TCTL_PSP);
    forget();
}

static void desc(uint64_t addr, uint32_t lower, uint32_t upper)
{
    wr(RING + 16 * tail, addr, 8);
    wr(RING + 16 * tail + 8, lower, 4);
    wr(RING + 16 * tail + 12, upper, 4);
    tail = (tail + 1) % 32;
}

static void go(void)
{
    set(TDT, tail);
    g_assert_cmpuint(reg(TDH), ==, tail);
}

static void e1000_transmit_checks(const char *type)
{
    enum { DEXT = TX_DEXT << 24, DATA_DESC = 1 << 20, EOP = TX_EOP << 24, RS = TX_RS << 24 };
    uint8_t p[5000];
    plug(type, 0);
    set(CTRL, CTRL_SLU);
    tx_start();
    /* Legacy, in two pieces; written back with DD. */
    size_t len = make_packet(p, other, ETH_PROTO_UDP, 200);
    put(DATA, p, len);
    desc(DATA, 50 | TX_IFCS << 24, 0);
    desc(DATA + 50, (uint32_t)(len - 50) | EOP | RS | TX_IFCS << 24, 0);
    go();
    g_assert_cmpuint(wire->got->len, ==, 1);
    g_assert_cmpmem(sent(0)->data, sent(0)->len, p, len);
    g_assert_cmphex(rd(RING + 12, 4), ==, 0);
    g_assert_cmphex(rd(RING + 28, 4), ==, TX_DD);
    g_assert_true(reg(ICR) & INT_TXDW);
    g_assert_cmpuint(reg(GPTC), ==, 1);
    g_assert_cmpuint(reg(GPTC), ==, 0); /* reading has cleared it */
    /* Legacy checksum: where CSO and CSS say. */
    eth_put16(p + 40, (uint16_t)~eth_sum_finish(0x0a000001 % 65536 + 0x0a00 * 2 + 2 + 17 + 208));
    put(DATA, p, len);
    desc(DATA, (uint32_t)len | EOP | TX_IC << 24 | 40 << 16, 34 << 8);
    go();
    check_sums(sent(1));
    /* A short one is padded, with a tag. */
    set(CTRL, CTRL_SLU | CTRL_VME);
    desc(DATA, 40 | EOP | TX_VLE << 24, 0x2005u << 16);
    go();
    g_assert_cmpuint(sent(2)->len, ==, 60);
    g_assert_cmphex(eth_get32(sent(2)->data + 12), ==, 0x81002005);
    g_assert_cmpmem(sent(2)->data + 16, 4, p + 12, 4);
    set(CTRL, CTRL_SLU);
    /* Segmentation: 3000 bytes in pieces of 1000, 1000, 1000 behind the headers. */
    forget();
    len = make_packet(p, other, ETH_PROTO_TCP, 3000);
    eth_put16(p + 16, 0);
    eth_put16(p + 24, 0);
    eth_put16(p + 50, (uint16_t)~eth_sum_finish(eth_sum(p + 26, 8, 6)));
    put(DATA, p, len);
    desc(14ull | 24 << 8 | 33 << 16 | 34ull << 32 | 50ull << 40,
         3000 | (TX_CONTEXT_TCP | TX_CONTEXT_IP | TX_TSE) << 24 | DEXT, 54 << 8 | 1000u << 16);
    desc(DATA, 54 | DATA_DESC | DEXT | TX_TSE << 24, (POPTS_IXSM | POPTS_TXSM) << 8);
    desc(DATA + 54, (uint32_t)(len - 54) | DATA_DESC | DEXT | TX_TSE << 24 | EOP | RS, 0);
    wire->full = true; /* it waits after the first, and goes on */
    set(TDT, tail);
    g_assert_cmpuint(wire->got->len, ==, 0);
    wire->full = false;
    net_client_ready(&wire->nc);
    g_assert_cmpuint(reg(TDH), ==, tail);
    g_assert_cmpuint(wire->got->len, ==, 3);
    for (unsigned i = 0; i < 3; i++) {
        const uint8_t *q = sent(i)->data;
        g_assert_cmpuint(sent(i)->len, ==, 1054);
        check_sums(sent(i));
        g_assert_cmpuint(eth_get16(q + 16), ==, 1040);
        g_assert_cmpuint(eth_get16(q + 18), ==, 100 + i);
        g_assert_cmphex(eth_get32(q + 38), ==, 0x1000 + 1000 * i);
        g_assert_cmphex(q[47], ==, i == 2 ? 0x19 : 0x10);
        g_assert_cmpmem(q + 54, 1000, p + 54 + 1000 * i, 1000);
    }
    unplug();
}

static void test_e1000_transmit(void)
{
    e1000_transmit_checks("e1000");
    e1000_transmit_checks("e1000e");
}

static void rx_start(uint32_t rctl)
{
    for (unsigned i = 0; i < 16; i++) {
        wr(RX_RING + 16 * i, BUFFERS + i * 4096, 8);
        wr(RX_RING + 16 * i + 8, 0, 8);
    }
    set(RDBAL, RX_RING);
    set(RDBAH, 0);
    set(RDLEN, 16 * 16);
    set(RDH, 0);
    set(RDT, 15);
    set(RCTL, RCTL_EN | rctl);
}

static void give(const uint8_t *p, size_t len)
{
    net_send(&wire->nc, p, len, NULL);
}

static void test_e1000_receive(void)
{
    static const uint8_t group[6] = { 1, 0, 0x5e, 0x12, 0x34, 0x56 };
    static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 };
    uint8_t p[2000], in[2048];
    plug("e1000", 0);
    set(CTRL, CTRL_SLU);
    size_t len = make_packet(p, own, ETH_PROTO_TCP, 300);
    give(p, len); /* off: it waits, and comes when the receiver is on */
    rx_start(RCTL_SECRC);
    g_assert_cmpuint(reg(RDH), ==, 1);
    g_assert_cmpuint(rd(RX_RING + 8, 2), ==, len);
    g_assert_cmphex(rd(RX_RING + 12, 1), ==, RX_DD | RX_EOP | RX_IXSM);
    get(BUFFERS, in, len);
    g_assert_cmpmem(in, len, p, len);
    /* Filters: another's address, a group, all. */
    make_packet(p, other, ETH_PROTO_TCP, 300);
    give(p, len);
    make_packet(p, group, ETH_PROTO_TCP, 300);
    give(p, len);
    make_packet(p, all, ETH_PROTO_TCP, 300);
    give(p, len);
    g_assert_cmpuint(reg(RDH), ==, 1);
    set(RCTL, reg(RCTL) | RCTL_BAM);
    give(p, len);
    g_assert_cmpuint(reg(RDH), ==, 2);
    unsigned index = (group[4] | group[5] << 8) >> 4;
    set(MTA + 4 * (index >> 5), 1u << (index & 31));
    make_packet(p, group, ETH_PROTO_TCP, 300);
    give(p, len);
    g_assert_cmpuint(reg(RDH), ==, 3);
    g_assert_true(rd(RX_RING + 2 * 16 + 12, 1) & RX_PIF);
    /* Checksums, right and wrong. */
    set(RXCSUM, RXCSUM_IPOFL | RXCSUM_TUOFL);
    make_packet(p, own, ETH_PROTO_TCP, 300);
    give(p, len);
    g_assert_cmphex(rd(RX_RING + 3 * 16 + 12, 2), ==, RX_DD | RX_EOP | RX_TCPCS | RX_IPCS);
    p[100] ^= 1;
    give(p, len);
    g_assert_cmphex(rd(RX_RING + 4 * 16 + 13, 1), ==, RX_TCPE);
    /* A tag is taken out; a VLAN that is not in the table does not come in. */
    set(CTRL, CTRL_SLU | CTRL_VME);
    set(RCTL, reg(RCTL) | RCTL_VFE);
    len = make_packet(p, own, ETH_PROTO_TCP, 300);
    size_t tagged = eth_insert_tag(p, len, ETH_TYPE_VLAN, 0x6007);
    give(p, tagged);
    g_assert_cmpuint(reg(RDH), ==, 5);
    set(VFTA, 1 << 7);
    give(p, tagged);
    g_assert_cmpuint(reg(RDH), ==, 6);
    g_assert_true(rd(RX_RING + 5 * 16 + 12, 1) & RX_VP);
    g_assert_cmphex(rd(RX_RING + 5 * 16 + 14, 2), ==, 0x6007);
    g_assert_cmpuint(rd(RX_RING + 5 * 16 + 8, 2), ==, len);
    /* Too long for what is allowed; then over several descriptors of 256 bytes. */
    memset(p + len, 0, sizeof(p) - len);
    make_packet(p, own, ETH_PROTO_UDP, 1600);
    give(p, 1642);
    g_assert_cmpuint(reg(ROC), ==, 1);
    set(RCTL, reg(RCTL) | RCTL_LPE | 3 << 16);
    give(p, 1642);
    g_assert_cmpuint(reg(RDH), ==, 13);
    for (unsigned i = 6; i < 13; i++) {
        g_assert_cmpuint(rd(RX_RING + i * 16 + 8, 2), ==, i < 12 ? 256 : 1642 - 6 * 256);
        g_assert_cmpint(!!(rd(RX_RING + i * 16 + 12, 1) & RX_EOP), ==, i == 12);
    }
    /* The ring is full: what comes waits, and none is lost. */
    for (int i = 0; i < 5; i++) {
        make_packet(p, own, ETH_PROTO_UDP, 100 + (size_t)i);
        give(p, 142 + (size_t)i);
    }
    g_assert_cmpuint(reg(RDH), ==, 15);
    set(RDT, 12);
    g_assert_cmpuint(reg(RDH), ==, 2);
    g_assert_cmpuint(rd(RX_RING + 1 * 16 + 8, 2), ==, 146);
    g_assert_cmpuint(reg(GPRC), ==, 12);
    unplug();
}

/* 82574: extended descriptors, hashes to two queues. */
static void test_e1000e_queues(void)
{
    static const uint8_t key[12] = { 0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b,
                                     0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d };
    uint8_t p[400];
    unsigned came[2] = { 0 };
    plug("e1000e", 0);
    set(CTRL, CTRL_SLU);
    put(PCI_MMIO + RSSRK, key, sizeof(key));
    for (unsigned i = 0; i < 128; i++) {
        set(RETA + (i & ~3u), reg(RETA + (i & ~3u)) | (i & 1 ? 0x80u : 0) << (i & 3) * 8);
    }
    set(RFCTL, RFCTL_EXSTEN);
    set(RXCSUM, RXCSUM_PCSD | RXCSUM_TUOFL);
    set(MRQC, MRQC_RSS | MRQC_TCP4 | MRQC_IP4);
    for (unsigned i = 0; i < 32; i++) {
        wr(RX_RING + 0x1000 + 16 * i, BUFFERS + 0x100000 + i * 4096, 8);
    }
    set(RDBAL + RING_STEP, RX_RING + 0x1000);
    set(RDLEN + RING_STEP, 32 * 16);
    set(RDT + RING_STEP, 31);
    rx_start(RCTL_SECRC);
    for (unsigned i = 0; i < 12; i++) {
        size_t len = make_packet(p, own, ETH_PROTO_TCP, 100);
        EthHeaders h;
        uint8_t in[36], whole[ETH_RSS_KEY] = { 0 };
        p[29] = (uint8_t)i;
        eth_parse(&h, p, len);
        eth_fill_ip_sum(&h, p);
        eth_fill_l4_sum(&h, p);
        memcpy(whole, key, sizeof(key));
        uint32_t hash = eth_toeplitz(whole, in, eth_rss_input(&h, p, true, in));
        unsigned q = hash & 1;
        give(p, len);
        hwaddr d = RX_RING + 0x1000 * q + 16 * came[q]++;
        g_assert_cmpuint(reg(RDH + RING_STEP * q), ==, came[q]);
        g_assert_cmphex(rd(d, 4), ==, 1 | q << 8);
        g_assert_cmphex(rd(d + 4, 4), ==, hash);
        g_assert_cmphex(rd(d + 8, 4), ==, RX_DD | RX_EOP | RX_TCPCS);
        g_assert_cmpuint(rd(d + 12, 2), ==, len);
        g_assert_true(reg(ICR) & (uint32_t)INT_RXQ0 << q);
    }
    g_assert_true(came[0] && came[1]);
    unplug();
}

/* 82574: causes to vectors, EIAC, throttling. */
static void test_e1000e_msix(void)
{
    enum { TABLE = PCI_MMIO + 0x100000, DOORBELL = BOARD_RAM + 0x8000 };
    plug("e1000e", 0);
    wr(CONFIG + PCI_BAR0 + 12, TABLE, 4);
    uint32_t cap = (uint32_t)rd(CONFIG + PCI_CAPABILITIES, 1);
    while (rd(CONFIG + cap, 1) != PCI_CAP_MSIX) {
        cap = (uint32_t)rd(CONFIG + cap + 1, 1);
        g_assert_cmpuint(cap, !=, 0);
    }
    wr(CONFIG + cap + 3, 0x80, 1);
    for (unsigned v = 0; v < 5; v++) {
        wr(TABLE + 16 * v, DOORBELL + 4 * v, 8);
        wr(TABLE + 16 * v + 8, 0x100 + v, 4);
        wr(TABLE + 16 * v + 12, 0, 4);
        wr(DOORBELL + 4 * v, 0, 4);
    }
    set(IVAR, 8 | 8 << 4 | 9 << 8 | 9 << 12 | 10 << 16); /* rx: 0, tx: 1, other: 2 */
    set(EIAC, INT_RXQ0);
    set(IMS, INT_RXQ0 | INT_TXQ0 | INT_OTHER | INT_LSC);
    set(ICS, INT_RXQ0);
    g_assert_cmphex(rd(DOORBELL, 4), ==, 0x100);
    g_assert_false(reg(ICS) & INT_RXQ0); /* EIAC has cleared it */
    g_assert_cmphex(rd(DOORBELL + 4, 4), ==, 0);
    set(ICS, INT_TXQ0);
    g_assert_cmphex(rd(DOORBELL + 4, 4), ==, 0x101);
    g_assert_true(reg(ICS) & INT_TXQ0);
    set(ICS, INT_LSC);
    g_assert_cmphex(rd(DOORBELL + 8, 4), ==, 0x102);
    g_assert_true(reg(ICR) & INT_OTHER);
    g_assert_cmphex(reg(ICR) & (INT_LSC | INT_OTHER), ==, 0);
    /* Masked: no message until it is unmasked. */
    wr(DOORBELL, 0, 4);
    set(IMC, INT_RXQ0);
    set(ICS, INT_RXQ0);
    g_assert_cmphex(rd(DOORBELL, 4), ==, 0);
    set(IMS, INT_RXQ0);
    g_assert_cmphex(rd(DOORBELL, 4), ==, 0x100);
    unplug();
}

/* ---- RTL8139 ------------------------------------------------------------------------------- */

enum {
    R_TSD = 0x10,
    R_TSAD = 0x20,
    R_RBSTART = 0x30,
    R_CR = 0x37,
    R_CAPR = 0x38,
    R_CBR = 0x3a,
    R_IMR = 0x3c,
    R_ISR = 0x3e,
    R_TCR = 0x40,
    R_RCR = 0x44,
    R_9346 = 0x50,
    R_TPPOLL = 0xd9,
    R_CPCR = 0xe0,
    R_RDSAR = 0xe4,
};

static uint32_t rtl(uint32_t offset, unsigned size)
{
    return (uint32_t)rd(PCI_MMIO + offset, size);
}

static void rtl_set(uint32_t offset, uint32_t val, unsigned size)
{
    wr(PCI_MMIO + offset, val, size);
}

static uint16_t rtl_eeprom(unsigned addr)
{
    uint32_t command = 6u << 6 | addr;
    uint16_t word = 0;
    rtl_set(R_9346, 0x80, 1);
    rtl_set(R_9346, 0x88, 1);
    for (int bit = 8; bit >= 0; bit--) {
        uint32_t lines = 0x88 | (command >> bit & 1 ? 2 : 0);
        rtl_set(R_9346, lines, 1);
        rtl_set(R_9346, lines | 4, 1);
    }
    for (int i = 0; i < 16; i++) {
        rtl_set(R_9346, 0x88, 1);
        rtl_set(R_9346, 0x8c, 1);
        word = (uint16_t)(word << 1 | (rtl(R_9346, 1) & 1));
    }
    rtl_set(R_9346, 0, 1);
    return word;
}

static void test_rtl_old(void)
{
    uint8_t p[2000], in[2048];
    plug("rtl8139,cplus=off", 1);
    g_assert_cmphex(rtl_eeprom(0), ==, 0x8129);
    g_assert_cmphex(rtl_eeprom(7), ==, 0x5452);
    g_assert_cmphex(rtl(R_TCR, 4) & 0x7cc00000, ==, 0x74000000);
    g_assert_cmphex(rtl(0, 4), ==, 0x01005452);
    rtl_set(0, 0, 1); /* locked */
    g_assert_cmphex(rtl(0, 1), ==, 0x52);
    rtl_set(R_RBSTART, BUFFERS, 4);
    rtl_set(R_RCR, 0x8a, 4); /* own, broadcast, WRAP; 8 KiB */
    rtl_set(R_CR, 0x0c, 1);
    g_assert_true(rtl(R_CR, 1) & 1);
    /* Out by each of the four, in order. */
    for (unsigned i = 0; i < 6; i++) {
        size_t len = make_packet(p, other, ETH_PROTO_UDP, 100 + i);
        put(DATA, p, len);
        rtl_set(R_TSAD + 4 * (i & 3), DATA, 4);
        rtl_set(R_TSD + 4 * (i & 3), (uint32_t)len, 4);
        g_assert_cmphex(rtl(R_TSD + 4 * (i & 3), 4), ==, 0xa000 | len);
        g_assert_cmpmem(sent(i)->data, sent(i)->len, p, len);
    }
    g_assert_cmphex(rtl(R_ISR, 2), ==, 4);
    rtl_set(R_IMR, 4, 2);
    g_assert_cmpint(board.wires[LINE], ==, 1);
    rtl_set(R_ISR, 4, 2);
    g_assert_cmpint(board.wires[LINE], ==, 0);
    /* In: until the ring is full; what does not fit waits. */
    uint32_t at = 0;
    for (unsigned i = 0; i < 40; i++) {
        size_t len = make_packet(p, own, ETH_PROTO_UDP, 500 + i);
        give(p, len);
    }
    g_assert_cmphex(rtl(R_ISR, 2), ==, 1);
    for (unsigned i = 0; i < 40; i++) {
        size_t len = make_packet(p, own, ETH_PROTO_UDP, 500 + i);
        g_assert_false(rtl(R_CR, 1) & 1);
        g_assert_cmphex(rd(BUFFERS + at, 2), ==, 0x4001);
        g_assert_cmpuint(rd(BUFFERS + at + 2, 2), ==, len + 4);
        get(BUFFERS + at + 4, in, len);
        g_assert_cmpmem(in, len, p, len);
        at = (at + 4 + (uint32_t)len + 4 + 3) & ~3u & 8191;
        rtl_set(R_CAPR, (at - 16) & 0xffff, 2);
    }
    g_assert_true(rtl(R_CR, 1) & 1);
    make_packet(p, other, ETH_PROTO_UDP, 500);
    give(p, 542);
    g_assert_true(rtl(R_CR, 1) & 1);
    /* The receiver off and on: the ring begins anew. */
    make_packet(p, own, ETH_PROTO_UDP, 500);
    give(p, 542);
    g_assert_false(rtl(R_CR, 1) & 1);
    rtl_set(R_CR, 0x04, 1);
    rtl_set(R_CR, 0x0c, 1);
    g_assert_true(rtl(R_CR, 1) & 1);
    wr(BUFFERS, 0, 4);
    give(p, 542);
    g_assert_cmphex(rd(BUFFERS, 4), ==, 0x4001 | (542 + 4) << 16);
    /* Acknowledged, and not taken: it is reminded. */
    rtl_set(R_ISR, 1, 2);
    g_assert_cmphex(rtl(R_ISR, 2), ==, 0);
    clock_enable_virtual(true);
    for (unsigned i = 0; i < 10000 && !rtl(R_ISR, 2); i++) {
        g_usleep(1000);
        timers_run();
    }
    clock_enable_virtual(false);
    g_assert_cmphex(rtl(R_ISR, 2), ==, 1);
    rtl_set(R_CR, 0x10, 1);
    g_assert_cmphex(rtl(R_CR, 1) & 0x1c, ==, 0);
    unplug();
}

static void rtl_desc(hwaddr at, uint32_t first, uint32_t second, hwaddr buffer)
{
    wr(at + 4, second, 4);
    wr(at + 8, buffer, 8);
    wr(at, first, 4);
}

static void test_rtl_cplus(void)
{
    enum { OWN = 1u << 31, EOR = 1 << 30, FS = 1 << 29, LS = 1 << 28 };
    uint8_t p[5000];
    plug("rtl8139", 1);
    g_assert_cmphex(rtl(R_TCR, 4) & 0x7cc00000, ==, 0x74800000);
    rtl_set(R_CPCR, 0x63, 2); /* both ways, checksums, tags */
    rtl_set(0x20, RING, 4);
    rtl_set(0x24, 0, 4);
    rtl_set(R_RDSAR, RX_RING, 4);
    rtl_set(R_RDSAR + 4, 0, 4);
    rtl_set(R_RCR, 0x0a, 4);
    rtl_set(R_CR, 0x0c, 1);
    /* Out: two buffers, checksums, a tag. */
    size_t len = make_packet(p, other, ETH_PROTO_TCP, 400);
    eth_put16(p + 24, 0);
    eth_put16(p + 50, 0x1234);
    put(DATA, p, len);
    rtl_desc(RING, OWN | FS | 1 << 18 | 1 << 16 | 100, 0, DATA);
    rtl_desc(RING + 16, OWN | EOR | LS | (uint32_t)(len - 100), 1 << 17 | 0x0720, DATA + 100);
    rtl_set(R_TPPOLL, 0x40, 1);
    g_assert_cmpuint(wire->got->len, ==, 1);
    g_assert_cmpuint(sent(0)->len, ==, len + 4);
    g_assert_cmphex(eth_get32(sent(0)->data + 12), ==, 0x81002007);
    check_sums(sent(0));
    g_assert_cmphex(rd(RING, 4) >> 28, ==, 2);
    g_assert_cmphex(rd(RING + 16, 4) >> 28, ==, 5);
    /* Large send. */
    forget();
    len = make_packet(p, other, ETH_PROTO_TCP, 2500);
    put(DATA, p, len);
    rtl_desc(RING, OWN | EOR | FS | LS | 1 << 27 | 1000u << 16 | (uint32_t)len, 0, DATA);
    rtl_set(R_TPPOLL, 0x40, 1);
    g_assert_cmpuint(wire->got->len, ==, 3);
    for (unsigned i = 0; i < 3; i++) {
        check_sums(sent(i));
        g_assert_cmpuint(sent(i)->len, ==, i < 2 ? 1054 : 554);
    }
    /* In: nothing is owned, so it waits; then over two buffers. */
    rtl_set(R_ISR, 0xffff, 2);
    len = make_packet(p, own, ETH_PROTO_TCP, 400);
    rtl_desc(RX_RING, 0, 0, BUFFERS);
    give(p, len);
    g_assert_true(rtl(R_ISR, 2) & 0x10);
    rtl_desc(RX_RING + 16, OWN | EOR | 1000, 0, BUFFERS + 4096);
    rtl_desc(RX_RING, OWN | 200, 0, BUFFERS);
    rtl_set(R_ISR, 0x10, 2);
    g_assert_cmphex(rd(RX_RING, 4), ==, FS | 200);
    g_assert_cmphex(rd(RX_RING + 16, 4), ==,
                    EOR | LS | 1 << 25 | 1 << 16 | ((uint32_t)len + 4)); /* own, TCP */
    p[60] ^= 1;
    rtl_desc(RX_RING + 16, OWN | EOR | 1000, 0, BUFFERS + 4096);
    rtl_desc(RX_RING, OWN | 1000, 0, BUFFERS);
    len = eth_insert_tag(p, len, ETH_TYPE_VLAN, 0x2007);
    give(p, len);
    g_assert_cmphex(rd(RX_RING, 4), ==,
                    FS | LS | 1 << 25 | 1 << 16 | 1 << 13 | (uint32_t)len); /* TCP's sum is wrong */
    g_assert_cmphex(rd(RX_RING + 4, 4), ==, 1 << 16 | 0x0720);
    /* The counters by DMA. */
    rtl_set(0x14, 0, 4);
    rtl_set(0x10, BUFFERS | 8, 4);
    g_assert_cmphex(rtl(0x10, 4) & 8, ==, 0);
    g_assert_cmpuint(rd(BUFFERS, 8), ==, 4);
    g_assert_cmpuint(rd(BUFFERS + 8, 8), ==, 2);
    unplug();
}

/* ---- nonsense ------------------------------------------------------------------------------ */

static GRand *rng;

static uint32_t upto(uint32_t n)
{
    return (uint32_t)g_rand_int_range(rng, 0, (gint32)n);
}

static uint32_t some_value(void)
{
    switch (upto(6)) {
    case 0:
        return upto(64);
    case 1:
        return 1u << upto(32);
    case 2:
        return RING + upto(0x40000);
    case 3:
        return BUFFERS + upto(1 << 20);
    default:
        return g_rand_int(rng);
    }
}

/* What drivers write, so that rings are walked at all. */
static void sensible_driver(bool intel)
{
    if (intel) {
        unsigned q = upto(2) * RING_STEP;
        set(CTRL, CTRL_SLU | (upto(2) ? CTRL_VME : 0));
        set(TDBAL + q, RING + upto(16) * 16);
        set(TDBAH + q, 0);
        set(TDLEN + q, 128 * (1 + upto(8)));
        set(RDBAL + q, RX_RING);
        set(RDBAH + q, 0);
        set(RDLEN + q, 128 * (1 + upto(8)));
        set(RCTL, RCTL_EN | 0x8018 | (some_value() & ~0xc0u));
        set(TCTL, TCTL_EN | TCTL_PSP);
        set(RDT + q, upto(32));
    } else {
        wr(PCI_MMIO + R_CPCR, upto(4) ? upto(0x80) : 0, 2);
        wr(PCI_MMIO + 0x20 + 8 * upto(2), RING & ~255u, 8);
        wr(PCI_MMIO + R_RDSAR, RX_RING, 8);
        wr(PCI_MMIO + R_RBSTART, BUFFERS, 4);
        wr(PCI_MMIO + R_RCR, 0x1f | upto(0x10000), 4);
        wr(PCI_MMIO + R_CR, 0x0c, 1);
    }
}

static void scribble(void)
{
    hwaddr at = (upto(2) ? RING : RX_RING) + upto(64) * 16;
    uint32_t words[4];
    for (unsigned i = 0; i < 4; i++) {
        words[i] = some_value();
    }
    if (upto(3)) {
        words[1] &= upto(2) ? 0 : 7;
        words[2] = upto(2) ? words[2] & 0xff00ffff : words[2];
        words[0] = BUFFERS + upto(1 << 20);
    }
    put(at, words, sizeof(words));
}

static void random_packet(void)
{
    static const uint16_t sizes[] = { 1, 13, 14, 15, 20, 33, 60, 61, 128, 1514, 1515, 4000, 20000 };
    static uint8_t p[65536];
    size_t len = sizes[upto(G_N_ELEMENTS(sizes))];
    for (unsigned i = 0; i < MIN(len, 80); i++) {
        p[i] = (uint8_t)upto(256);
    }
    if (upto(4)) {
        make_packet(p, upto(2) ? own : other, upto(2) ? ETH_PROTO_TCP : ETH_PROTO_UDP, 100);
        p[12 + upto(40)] = (uint8_t)upto(256);
        p[12 + upto(40)] ^= (uint8_t)(1u << upto(8));
        len = upto(2) ? 142 : len;
    }
    give(p, len);
}

static void fuzz(const char *type, unsigned bar)
{
    const char *rounds = getenv("NIC_FUZZ_ROUNDS"), *seed = getenv("NIC_FUZZ_SEED");
    unsigned long n = rounds ? strtoul(rounds, NULL, 0) : 30000;
    bool intel = g_str_has_prefix(type, "e1000");
    rng = g_rand_new_with_seed(seed ? (guint32)strtoul(seed, NULL, 0) : 1);
    plug(type, bar);
    for (unsigned long i = 0; i < n; i++) {
        switch (upto(8)) {
        case 0:
            if (upto(20) == 0) {
                sensible_driver(intel);
            }
            break;
        case 1:
        case 2:
            scribble();
            break;
        case 3:
            random_packet();
            break;
        case 4:
            wr(PCI_MMIO + (intel ? TDT + RING_STEP * upto(2) : R_TPPOLL), intel ? upto(64) : 0xc0,
               intel ? 4 : 1);
            break;
        case 5:
            rd(PCI_MMIO + upto(intel ? REGS_END : 256), 1u << upto(3));
            break;
        case 6:
            if (upto(500) == 0) {
                wire->full = !wire->full;
                net_client_ready(&wire->nc);
            }
            break;
        default:
            wr(PCI_MMIO + (upto(intel ? REGS_END : 256) & ~(upto(2) ? 3u : 0)), some_value(),
               1u << upto(3));
            break;
        }
        if (i % 64 == 0) {
            wr(CONFIG + PCI_BAR0 + 4 * bar, PCI_MMIO, 4);
            wr(CONFIG + PCI_COMMAND, 7, 2);
            forget();
        }
        if (i % 4096 == 0) {
            board_settle(1);
        }
    }
    unplug();
    g_rand_free(rng);
}

static void test_fuzz_e1000(void)
{
    fuzz("e1000", 0);
}

static void test_fuzz_e1000e(void)
{
    fuzz("e1000e", 0);
}

static void test_fuzz_rtl(void)
{
    fuzz("rtl8139", 1);
    fuzz("rtl8139,cplus=off", 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    board_init();
    make_host();
    g_test_add_func("/nic/eth", test_eth);
    g_test_add_func("/nic/e1000/identity", test_e1000_identity);
    g_test_add_func("/nic/e1000/transmit", test_e1000_transmit);
    g_test_add_func("/nic/e1000/receive", test_e1000_receive);
    g_test_add_func("/nic/e1000/fuzz", test_fuzz_e1000);
    g_test_add_func("/nic/e1000e/identity", test_e1000e_identity);
    g_test_add_func("/nic/e1000e/queues", test_e1000e_queues);
    g_test_add_func("/nic/e1000e/msix", test_e1000e_msix);
    g_test_add_func("/nic/e1000e/fuzz", test_fuzz_e1000e);
    g_test_add_func("/nic/rtl8139/old", test_rtl_old);
    g_test_add_func("/nic/rtl8139/cplus", test_rtl_cplus);
    g_test_add_func("/nic/rtl8139/fuzz", test_fuzz_rtl);
    return g_test_run();
}
