/* SPDX-License-Identifier: MIT */
/* RTL8139C+: packets between memory and the wire, in the family's old way and in C+ mode. */
#include <zlib.h>

#include "hw/net/rtl8139.h"

/* Descriptors of C+ mode: 16 bytes, DS, "C+ mode". */
enum {
    DESC_OWN = 1u << 31,
    DESC_EOR = 1 << 30, /* the ring's last */
    DESC_FS = 1 << 29,  /* a packet's first, and last */
    DESC_LS = 1 << 28,
    TX_LARGE_SEND = 1 << 27, /* bits 26:16 are the segments' size */
    TX_IPCS = 1 << 18,
    TX_UDPCS = 1 << 17,
    TX_TCPCS = 1 << 16,
    TX_TAG = 1 << 17, /* in the second word */
    RX_MAR = 1 << 26,
    RX_PAM = 1 << 25,
    RX_BAR = 1 << 24,
    RX_PID = 16, /* two bits: TCP, UDP, other IP */
    RX_IPF = 1 << 15,
    RX_UDPF = 1 << 14,
    RX_TCPF = 1 << 13,
    RX_TAGGED = 1 << 16, /* in the second word */
    MAX_RING = 64,       /* descriptors, at most */
    HEADER_ROK = 1,      /* in front of a packet in the byte ring */
    HEADER_BAR = 1 << 13,
    HEADER_PAM = 1 << 14,
    HEADER_MAR = 1 << 15,
    TX_BUDGET = 64 * MAX_RING, /* descriptors in one go */
};

static bool dma_read(RTL8139 *s, hwaddr addr, void *buf, size_t len)
{
    MemTxAttrs attrs = { .requester = pci_requester(&s->parent) };
    return address_space_read(pci_dma(&s->parent), addr, &attrs, buf, len) == MEMTX_OK;
}

static bool dma_write(RTL8139 *s, hwaddr addr, const void *buf, size_t len)
{
    MemTxAttrs attrs = { .requester = pci_requester(&s->parent) };
    return address_space_write(pci_dma(&s->parent), addr, &attrs, buf, len) == MEMTX_OK;
}

/* ---- sending ------------------------------------------------------------------------------- */

/* False: it waits with the peer. */
static bool send_frame(RTL8139 *s, uint8_t *data, size_t len)
{
    if (len < ETH_MIN_FRAME) {
        memset(data + len, 0, ETH_MIN_FRAME - len);
        len = ETH_MIN_FRAME;
    }
    s->tx_ok++;
    if ((rtl_get32(s, TCR) & TCR_LOOPBACK) == TCR_LOOPBACK) {
        struct iovec iov = { data, len };
        rtl_receive(s->nc, &iov, 1);
        return true;
    }
    s->blocked = net_send(s->nc, data, len, rtl_sent) == 0;
    return !s->blocked;
}

static void fill_sums(uint8_t *data, size_t len, bool ip, bool l4)
{
    EthHeaders h;
    eth_parse(&h, data, len);
    if (ip) {
        eth_fill_ip_sum(&h, data);
    }
    if (l4) {
        eth_fill_l4_sum(&h, data);
    }
}

/* The packet, or its next segments; false: the peer has one that it has not taken. */
static bool continue_packet(RTL8139 *s)
{
    while (s->sending) {
        uint8_t *data = s->packet;
        size_t len = s->tx_len;
        if (s->segments.mss) {
            data = s->piece;
            len = eth_next_segment(&s->segments, s->packet, s->tx_len, data);
            fill_sums(data, len, true, true);
        }
        s->sending = s->segments.mss && s->segments.header + s->segments.done < s->tx_len;
        if (len && !send_frame(s, data, len)) {
            return false;
        }
    }
    return true;
}

/* ---- the four descriptors ------------------------------------------------------------------ */

/* False: no more for now. */
static bool send_old(RTL8139 *s)
{
    unsigned n = s->next_tx;
    uint32_t tsd = rtl_get32(s, TSD + 4 * n), len = tsd & 0x1fff;
    if (tsd & TSD_OWN) {
        return false;
    }
    s->next_tx = (n + 1) % 4;
    rtl_put32(s, TSD + 4 * n, tsd | TSD_OWN | TSD_TOK);
    if (len && dma_read(s, rtl_get32(s, TSAD + 4 * n), s->packet, len)) {
        s->tx_len = len;
        s->segments.mss = 0;
        s->sending = true;
    } else {
        s->tx_err++;
        s->nc->stats.sent_bad++;
    }
    rtl_interrupt(s, INT_TOK);
    return true;
}

/* ---- C+ ------------------------------------------------------------------------------------ */

static void start_large_send(RTL8139 *s)
{
    EthHeaders h;
    unsigned mss = s->tx_word >> 16 & 0x7ff;
    eth_parse(&h, s->packet, s->tx_len);
    if (!mss || !h.l4 || h.proto != ETH_PROTO_TCP) {
        s->sending = false;
        s->tx_err++;
        s->nc->stats.sent_bad++;
        return;
    }
    unsigned tcp = (s->packet[h.l4 + 12] >> 4) * 4u;
    s->segments = (EthSegments){ .header = MIN(h.l4 + MAX(tcp, 20), s->tx_len),
                                 .mss = mss,
                                 .l3 = h.l3,
                                 .l4 = h.l4,
                                 .version = h.version,
                                 .tcp = true };
}

static void end_packet(RTL8139 *s, uint32_t vlan)
{
    s->tx_open = false;
    s->sending = true;
    s->segments = (EthSegments){ .mss = 0 };
    if (vlan & TX_TAG) { /* the tag's two bytes are swapped */
        s->tx_len = (uint32_t)eth_insert_tag(s->packet, s->tx_len, ETH_TYPE_VLAN,
                                             GUINT16_SWAP_LE_BE((uint16_t)vlan));
    }
    if (s->tx_word & TX_LARGE_SEND) {
        start_large_send(s);
    } else {
        fill_sums(s->packet, s->tx_len, s->tx_word & TX_IPCS, s->tx_word & (TX_UDPCS | TX_TCPCS));
    }
    rtl_interrupt(s, INT_TOK);
}

static void take_buffer(RTL8139 *s, const uint32_t desc[4])
{
    uint32_t len = desc[0] & 0xffff;
    hwaddr addr = desc[2] | (hwaddr)desc[3] << 32;
    if (desc[0] & DESC_FS) {
        s->tx_open = true;
        s->tx_len = 0;
        s->tx_word = desc[0];
    }
    if (!s->tx_open) {
        return;
    }
    /* four bytes are left for a tag */
    if (len > sizeof(s->packet) - 4 - s->tx_len || !dma_read(s, addr, s->packet + s->tx_len, len)) {
        s->tx_open = false; /* the rest is skipped */
        s->tx_err++;
        s->nc->stats.sent_bad++;
        return;
    }
    s->tx_len += len;
    if (desc[0] & DESC_LS) {
        end_packet(s, desc[1]);
    }
}

/* One descriptor of a ring (0: normal, 1: high priority); false: there is none. */
static bool send_cplus(RTL8139 *s, unsigned ring)
{
    hwaddr base = rtl_get64(s, ring ? THPDS : TNPDS) & ~255ull;
    hwaddr at = base + 16 * s->tx_index[ring];
    uint32_t desc[4];
    if (!s->tx_poll[ring]) {
        return false;
    }
    if (!dma_read(s, at, desc, sizeof(desc)) || !(desc[0] & DESC_OWN)) {
        s->tx_poll[ring] = false;
        rtl_interrupt(s, INT_TDU);
        return false;
    }
    take_buffer(s, desc);
    desc[0] &= DESC_EOR | DESC_FS | DESC_LS | 0xffff; /* no collisions, no errors */
    if (!dma_write(s, at, desc, 4)) {
        s->tx_poll[ring] = false; /* or it would be found again and again */
    }
    bool last = desc[0] & DESC_EOR || s->tx_index[ring] == MAX_RING - 1;
    s->tx_index[ring] = last ? 0 : s->tx_index[ring] + 1;
    return true;
}

void rtl_transmit(RTL8139 *s)
{
    if (s->blocked || s->transmitting) {
        return;
    }
    s->transmitting = true;
    unsigned left = TX_BUDGET;
    while (continue_packet(s) && s->regs[CR] & CR_TE &&
           pci_get16(&s->parent, PCI_COMMAND) & PCI_COMMAND_MASTER) {
        if (rtl_get16(s, CPCR) & CPCR_TX ? !send_cplus(s, 1) && !send_cplus(s, 0) : !send_old(s)) {
            break;
        }
        if (--left == 0) { /* a ring that is no memory would never end */
            s->tx_poll[0] = s->tx_poll[1] = false;
            rtl_interrupt(s, INT_TDU);
            break;
        }
    }
    s->transmitting = false;
}

void rtl_sent(NetClient *nc, NetResult taken)
{
    RTL8139 *s = rtl_of(nc);
    (void)taken;
    if (s->blocked) {
        s->blocked = false;
        rtl_transmit(s);
    }
}

/* ---- receiving: filters -------------------------------------------------------------------- */

typedef enum RxKind { RX_NOT_WANTED, RX_OWN, RX_GROUP, RX_ALL } RxKind;

static RxKind kind_of(const RTL8139 *s, const uint8_t *to)
{
    static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };
    uint32_t rcr = rtl_get32(s, RCR);
    unsigned hash = eth_crc_hash(to);
    if (!memcmp(to, broadcast, 6)) {
        return rcr & (RCR_AB | RCR_AAP) ? RX_ALL : RX_NOT_WANTED;
    }
    if (to[0] & 1) {
        bool in = rcr & RCR_AM && rtl_get64(s, MAR) >> hash & 1;
        return in || rcr & RCR_AAP ? RX_GROUP : RX_NOT_WANTED;
    }
    return (rcr & RCR_APM && !memcmp(to, s->regs + IDR, 6)) || rcr & RCR_AAP ? RX_OWN
                                                                             : RX_NOT_WANTED;
}

/* ---- receiving: the ring of bytes ---------------------------------------------------------- */

uint32_t rtl_ring_size(const RTL8139 *s)
{
    return 8192u << (rtl_get32(s, RCR) >> 11 & 3);
}

static uint32_t ring_used(const RTL8139 *s)
{
    uint32_t size = rtl_ring_size(s);
    return (rtl_get16(s, CBR) - (rtl_get16(s, CAPR) + 16u)) & (size - 1);
}

bool rtl_ring_empty(const RTL8139 *s)
{
    return ring_used(s) == 0;
}

/* With RCR.WRAP a packet goes on behind the ring's end, where the driver has room for it. */
static void ring_write(RTL8139 *s, uint32_t at, const uint8_t *data, uint32_t len)
{
    uint32_t size = rtl_ring_size(s), start = rtl_get32(s, RBSTART);
    bool linear = rtl_get32(s, RCR) & RCR_WRAP && size < 65536;
    uint32_t first = linear ? len : MIN(len, size - at);
    dma_write(s, start + (hwaddr)at, data, first);
    dma_write(s, start, data + first, len - first);
}

/* data has its FCS, and 4 bytes of room in front. */
static NetResult store_old(RTL8139 *s, uint8_t *data, uint32_t len, RxKind kind)
{
    uint32_t size = rtl_ring_size(s), total = (len + 4 + 3) & ~3u;
    uint16_t head[2] = { HEADER_ROK, (uint16_t)len };
    if (total + 16 > size || len > 0x1fff) {
        return -1;
    }
    if (total >= size - ring_used(s)) {
        /* It waits until CAPR moves, so nothing is lost, and RXOVW would be wrong. A driver that
         * has acknowledged all that came and left some of it in the ring must hear of it again. */
        s->starved = true;
        rtl_interrupt(s, INT_ROK);
        return 0;
    }
    head[0] |= kind == RX_ALL ? HEADER_BAR : kind == RX_GROUP ? HEADER_MAR : HEADER_PAM;
    memcpy(data - 4, head, sizeof(head));
    ring_write(s, rtl_get16(s, CBR), data - 4, len + 4);
    rtl_put16(s, CBR, (rtl_get16(s, CBR) + total) & (size - 1));
    return 1;
}

/* ---- receiving: C+ ------------------------------------------------------------------------- */

static uint32_t checksum_bits(const EthHeaders *h, const uint8_t *packet)
{
    bool tcp = h->l4 && h->proto == ETH_PROTO_TCP, udp = h->l4 && h->proto == ETH_PROTO_UDP;
    uint32_t bits = !h->version ? 0 : (tcp ? 1u : udp ? 2u : 3u) << RX_PID;
    bits |= eth_check_ip(h, packet) == 0 ? RX_IPF : 0;
    if (eth_check_l4(h, packet) == 0) {
        bits |= tcp ? RX_TCPF : RX_UDPF;
    }
    return bits;
}

/* How many descriptors from rx_index on it takes; 0: they are not there. */
static unsigned needed_descs(RTL8139 *s, uint32_t len)
{
    hwaddr base = rtl_get64(s, RDSAR) & ~255ull;
    uint32_t index = s->rx_index, room = 0;
    for (unsigned n = 1; n <= MAX_RING; n++) {
        uint32_t word;
        if (!dma_read(s, base + 16 * index, &word, 4) || !(word & DESC_OWN)) {
            return 0;
        }
        room += word & 0x1fff;
        if (room >= len) {
            return n;
        }
        index = word & DESC_EOR || index == MAX_RING - 1 ? 0 : index + 1;
    }
    return 0;
}

static NetResult store_cplus(RTL8139 *s, uint8_t *data, uint32_t len, RxKind kind)
{
    hwaddr base = rtl_get64(s, RDSAR) & ~255ull;
    EthHeaders h;
    uint32_t tag = 0, done = 0, status;
    eth_parse(&h, data, len - ETH_FCS);
    status = rtl_get16(s, CPCR) & CPCR_RXCHKSUM ? checksum_bits(&h, data) : 0;
    status |= kind == RX_ALL ? RX_BAR : kind == RX_GROUP ? RX_MAR : RX_PAM;
    if (h.tagged && rtl_get16(s, CPCR) & CPCR_RXVLAN) {
        tag = RX_TAGGED | GUINT16_SWAP_LE_BE(h.tci);
        len = (uint32_t)eth_remove_tag(data, len);
    }
    unsigned n = len <= 0x1fff ? needed_descs(s, len) : 0;
    if (!n) {
        s->starved = true;
        timer_mod(&s->retry, clock_get_ns(CLOCK_VIRTUAL) + RETRY_NS);
        rtl_interrupt(s, INT_RXOVW);
        return len <= 0x1fff ? 0 : -1;
    }
    for (unsigned i = 0; i < n; i++) {
        hwaddr at = base + 16 * s->rx_index;
        uint32_t desc[4];
        dma_read(s, at, desc, sizeof(desc));
        uint32_t part = MIN(desc[0] & 0x1fff, len - done);
        dma_write(s, desc[2] | (hwaddr)desc[3] << 32, data + done, part);
        done += part;
        bool last = i == n - 1, end = desc[0] & DESC_EOR;
        desc[0] = (end ? DESC_EOR : 0) | (i ? 0 : DESC_FS) | (last ? DESC_LS | status : 0) |
                  (last ? len : part);
        desc[1] = last ? tag : 0;
        dma_write(s, at + 4, &desc[1], 4);
        dma_write(s, at, desc, 4);
        s->rx_index = end || s->rx_index == MAX_RING - 1 ? 0 : s->rx_index + 1;
    }
    return 1;
}

/* ---- the way in ---------------------------------------------------------------------------- */

bool rtl_can_receive(NetClient *nc)
{
    RTL8139 *s = rtl_of(nc);
    return s->regs[CR] & CR_RE && !s->starved &&
           pci_get16(&s->parent, PCI_COMMAND) & PCI_COMMAND_MASTER;
}

static size_t gather(uint8_t *to, size_t room, const struct iovec *iov, int iovcnt)
{
    size_t len = 0;
    for (int i = 0; i < iovcnt; i++) {
        if (iov[i].iov_len > room - len) {
            return 0;
        }
        memcpy(to + len, iov[i].iov_base, iov[i].iov_len);
        len += iov[i].iov_len;
    }
    return len;
}

NetResult rtl_receive(NetClient *nc, const struct iovec *iov, int iovcnt)
{
    RTL8139 *s = rtl_of(nc);
    uint8_t *data = s->rx_packet + 4;
    size_t len = gather(data, sizeof(s->rx_packet) - 16, iov, iovcnt), size = len;
    if (!rtl_can_receive(nc)) {
        return 0;
    }
    if (len < ETH_HEADER) {
        s->rx_err++;
        return -1;
    }
    RxKind kind = kind_of(s, data);
    if (kind == RX_NOT_WANTED) {
        nc->stats.filtered++;
        return (NetResult)size;
    }
    if (len < ETH_MIN_FRAME) {
        memset(data + len, 0, ETH_MIN_FRAME - len);
        len = ETH_MIN_FRAME;
    }
    uint32_t fcs = (uint32_t)crc32(0, data, (unsigned)len);
    memcpy(data + len, &fcs, sizeof(fcs));
    bool cplus = rtl_get16(s, CPCR) & CPCR_RX;
    NetResult ret = (cplus ? store_cplus : store_old)(s, data, (uint32_t)len + ETH_FCS, kind);
    if (ret <= 0) {
        s->missed += ret < 0 && s->missed < UINT16_MAX;
        return ret;
    }
    s->rx_ok++;
    s->rx_phys += kind == RX_OWN;
    s->rx_broadcast += kind == RX_ALL;
    s->rx_multicast += kind == RX_GROUP;
    rtl_interrupt(s, INT_ROK);
    return (NetResult)size;
}

/* ---- counters ------------------------------------------------------------------------------ */

/* DS "Dump tally counter": bit 3 starts it, and is 0 when it is done; bit 0 clears. */
void rtl_dump_counters(RTL8139 *s)
{
    struct {
        uint64_t tx_ok, rx_ok, tx_err;
        uint32_t rx_err;
        uint16_t missed, alignment;
        uint32_t one_collision, more_collisions;
        uint64_t rx_phys, rx_broadcast;
        uint32_t rx_multicast;
        uint16_t tx_abort, tx_underrun;
    } dump = { .tx_ok = s->tx_ok,
               .rx_ok = s->rx_ok,
               .tx_err = s->tx_err,
               .rx_err = s->rx_err,
               .missed = s->missed,
               .rx_phys = s->rx_phys,
               .rx_broadcast = s->rx_broadcast,
               .rx_multicast = s->rx_multicast };
    G_STATIC_ASSERT(sizeof(dump) == 64);
    uint8_t command = s->regs[DTCCR];
    if (command & 1) {
        s->tx_ok = s->rx_ok = s->tx_err = s->rx_phys = s->rx_broadcast = 0;
        s->rx_err = s->rx_multicast = 0;
        s->missed = 0;
    }
    if (command & 8) {
        dma_write(s, rtl_get64(s, DTCCR) & ~63ull, &dump, sizeof(dump));
    }
    s->regs[DTCCR] &= (uint8_t)~9;
}
