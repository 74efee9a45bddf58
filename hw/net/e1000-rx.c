/* SPDX-License-Identifier: MIT */
/*
 * Reception: SDM 3.2, 82574 datasheet 7.1: filters, tags, checksums, queues, and descriptors of
 * three kinds (legacy, extended, extended with packet split).
 */
#include <string.h>
#include <zlib.h>

#include "hw/net/e1000.h"

enum { MAX_STANDARD = 1522, MAX_LONG = 16384 };

/* What the hardware says of a packet, in the order in which it learns it. */
typedef struct RxInfo {
    EthHeaders h;
    unsigned queue;
    uint32_t hash, rss_type;
    uint16_t sum; /* of what is behind RXCSUM.PCSS */
    uint16_t tag;
    uint8_t status, errors;
} RxInfo;

/* ---- filters ------------------------------------------------------------------------------- */

static bool exact_match(E1000 *s, const uint8_t *to)
{
    uint32_t low = to[0] | to[1] << 8 | to[2] << 16 | (uint32_t)to[3] << 24;
    uint32_t high = to[4] | (uint32_t)to[5] << 8;
    for (unsigned i = 0; i < 16; i++) {
        uint32_t rah = *e1000_reg(s, RAL + 8 * i + 4);
        if (rah & RAH_AV && *e1000_reg(s, RAL + 8 * i) == low && (rah & 0xffff) == high) {
            return true;
        }
    }
    return false;
}

/* SDM 13.5.1: twelve bits of the address, which RCTL.MO chooses. */
static bool hash_match(E1000 *s, const uint8_t *to)
{
    static const uint8_t shifts[] = { 4, 3, 2, 0 };
    unsigned index = (to[4] | (unsigned)to[5] << 8) >> shifts[*e1000_reg(s, RCTL) >> 12 & 3];
    index &= 0xfff;
    return *e1000_reg(s, MTA + 4 * (index >> 5)) >> (index & 31) & 1;
}

static bool vlan_match(E1000 *s, const EthHeaders *h)
{
    uint32_t rctl = *e1000_reg(s, RCTL);
    unsigned id = h->tci & 0xfff;
    if (!h->tagged || !(rctl & RCTL_VFE)) {
        return true;
    }
    if (rctl & RCTL_CFIEN && !(h->tci & 0x1000) != !(rctl & RCTL_CFI)) {
        return false;
    }
    return *e1000_reg(s, VFTA + 4 * (id >> 5)) >> (id & 31) & 1;
}

/* `inexact`: it came through the hash. */
static bool wanted(E1000 *s, const uint8_t *to, const EthHeaders *h, bool *inexact)
{
    static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };
    uint32_t rctl = *e1000_reg(s, RCTL);
    *inexact = false;
    if (!vlan_match(s, h)) {
        return false;
    }
    if (exact_match(s, to) || (!memcmp(to, broadcast, 6) && rctl & (RCTL_BAM | RCTL_MPE))) {
        return true;
    }
    *inexact = true;
    return (to[0] & 1 ? rctl & RCTL_MPE : rctl & RCTL_UPE) || (to[0] & 1 && hash_match(s, to));
}

/* ---- what is learnt of a packet ------------------------------------------------------------ */

/* SDM 3.2, "Receive Packet Checksum Offloading" */
static void checksums(E1000 *s, const uint8_t *packet, size_t len, RxInfo *info)
{
    uint32_t rxcsum = *e1000_reg(s, RXCSUM), start = rxcsum & 0xff;
    int ip = eth_check_ip(&info->h, packet), l4 = eth_check_l4(&info->h, packet);
    if (start < len) {
        info->sum = eth_sum_finish(eth_sum(packet + start, len - start, 0));
    }
    if (!(rxcsum & (RXCSUM_IPOFL | RXCSUM_TUOFL))) {
        info->status |= RX_IXSM;
        return;
    }
    if (rxcsum & RXCSUM_IPOFL && ip >= 0) {
        info->status |= RX_IPCS;
        info->errors |= ip ? 0 : RX_IPE;
    }
    if (rxcsum & RXCSUM_TUOFL && l4 >= 0) {
        bool udp = info->h.proto == ETH_PROTO_UDP;
        info->status |= udp && s->model->is_82574 ? RX_UDPCS : RX_TCPCS;
        info->errors |= l4 ? 0 : RX_TCPE;
    }
}

/* 82574 datasheet 7.1.9 (receive-side scaling): the kinds of hash by what MRQC enables. */
static void choose_queue(E1000 *s, const uint8_t *packet, RxInfo *info)
{
    enum { TYPE_TCP4 = 1, TYPE_IP4, TYPE_TCP6, TYPE_IP6_EX, TYPE_IP6 };
    uint32_t mrqc = *e1000_reg(s, MRQC);
    bool tcp = info->h.l4 && info->h.proto == ETH_PROTO_TCP;
    uint8_t in[36], key[ETH_RSS_KEY];
    if (!s->model->is_82574 || (mrqc & 3) != MRQC_RSS || !info->h.version) {
        return;
    }
    if (info->h.version == 4) {
        info->rss_type = tcp && mrqc & MRQC_TCP4 ? TYPE_TCP4 : mrqc & MRQC_IP4 ? TYPE_IP4 : 0;
    } else {
        info->rss_type = tcp && mrqc & MRQC_TCP6 ? TYPE_TCP6
                         : mrqc & MRQC_IP6       ? TYPE_IP6
                         : mrqc & MRQC_IP6_EX    ? TYPE_IP6_EX
                                                 : 0;
    }
    if (info->rss_type) {
        bool ports = info->rss_type == TYPE_TCP4 || info->rss_type == TYPE_TCP6;
        size_t len = eth_rss_input(&info->h, packet, ports, in);
        memcpy(key, e1000_reg(s, RSSRK), sizeof(key));
        info->hash = eth_toeplitz(key, in, len);
        unsigned at = info->hash & 127;
        uint8_t entry = (uint8_t)(*e1000_reg(s, RETA + (at & ~3u)) >> (at & 3) * 8);
        info->queue = entry >> 7;
    }
}

/* ---- descriptors --------------------------------------------------------------------------- */

static uint32_t buffer_size(E1000 *s)
{
    static const uint32_t plain[] = { 2048, 1024, 512, 256 };
    static const uint32_t large[] = { 16384, 16384, 8192, 4096 };
    uint32_t rctl = *e1000_reg(s, RCTL);
    return (rctl & RCTL_BSEX ? large : plain)[rctl >> 16 & 3];
}

typedef struct RxBuffers {
    uint64_t addr[4];
    uint32_t size[4];
    unsigned n;
} RxBuffers;

static bool extended(E1000 *s)
{
    return s->model->is_82574 && *e1000_reg(s, RFCTL) & RFCTL_EXSTEN;
}

static bool split(E1000 *s)
{
    return extended(s) && (*e1000_reg(s, RCTL) & RCTL_DTYP) == 1 << 10;
}

/* Packet split, 82574 datasheet 7.1.5 and PSRCTL: sizes in 128 bytes, then in KiB. */
static unsigned descriptor_size(E1000 *s)
{
    return split(s) ? 32 : 16;
}

static void read_buffers(E1000 *s, const uint64_t *desc, RxBuffers *b)
{
    enum { PSRCTL = 0x2170 };
    b->n = 1;
    b->addr[0] = desc[0];
    b->size[0] = buffer_size(s);
    if (split(s)) {
        uint32_t psrctl = *e1000_reg(s, PSRCTL);
        b->n = 4;
        for (unsigned i = 0; i < 4; i++) {
            b->addr[i] = desc[i];
            b->size[i] = i ? (psrctl >> (8 * i) & 0x3f) * 1024 : (psrctl & 0x7f) * 128;
        }
    }
}

/* As much of data as goes into the descriptor's buffers; `used` of each. */
static size_t fill(E1000 *s, const RxBuffers *b, const uint8_t *data, size_t len, uint16_t used[4])
{
    MemTxAttrs attrs = { .requester = pci_requester(&s->parent) };
    size_t done = 0;
    for (unsigned i = 0; i < b->n; i++) {
        size_t part = MIN(len - done, b->size[i]);
        if (part) { /* where nothing is, it is lost, as on the bus */
            address_space_write(pci_dma(&s->parent), b->addr[i], &attrs, data + done, part);
        }
        used[i] = (uint16_t)part;
        done += part;
    }
    return done;
}

static void write_legacy(uint8_t *d, const RxInfo *info, uint16_t len, uint8_t status)
{
    uint16_t words[4] = { len, info->sum, (uint16_t)(status | info->errors << 8), info->tag };
    memcpy(d + 8, words, sizeof(words));
}

/* The hash, or IP's identification and the packet's sum (RXCSUM.PCSD). */
static void write_extended(E1000 *s, uint8_t *d, const RxInfo *info, const uint16_t used[4],
                           uint32_t status)
{
    bool rss = *e1000_reg(s, RXCSUM) & RXCSUM_PCSD;
    uint32_t mrq = rss ? info->rss_type | info->queue << 8 : 0;
    uint32_t second = rss ? info->hash : (uint32_t)info->sum << 16;
    uint32_t third = status | (uint32_t)info->errors << 24;
    uint16_t tail[2] = { used[0], info->tag };
    memcpy(d, &mrq, 4);
    memcpy(d + 4, &second, 4);
    memcpy(d + 8, &third, 4);
    memcpy(d + 12, tail, sizeof(tail));
    if (split(s)) {
        memset(d + 16, 0, 16);
        memcpy(d + 18, used + 1, 6); /* lengths of buffers 1 to 3 */
    }
}

static uint32_t free_descs(const E1000Ring *r)
{
    return r->count ? (r->tail + r->count - *r->head) % r->count : 0;
}

static E1000Ring receive_ring(E1000 *s, unsigned queue)
{
    E1000Ring r = e1000_ring(s, RDBAL, queue);
    if (split(s)) {
        r.count /= 2;
        r.count = *r.head < r.count && r.tail < r.count ? r.count : 0;
    }
    return r;
}

/* False: there are not enough. */
static bool store(E1000 *s, const uint8_t *data, size_t len, RxInfo *info)
{
    E1000Ring r = receive_ring(s, info->queue);
    MemTxAttrs attrs = { .requester = pci_requester(&s->parent) };
    unsigned size = descriptor_size(s);
    size_t done = 0;
    uint64_t per_desc = 0, desc[4];
    uint32_t left = free_descs(&r);
    if (!left) {
        return false;
    }
    while (done < len) {
        RxBuffers b;
        uint16_t used[4] = { 0 };
        hwaddr at = r.base + (hwaddr)*r.head * size;
        if (address_space_read(pci_dma(&s->parent), at, &attrs, desc, size)) {
            return true; /* and it is lost */
        }
        read_buffers(s, desc, &b);
        if (!per_desc) {
            for (unsigned i = 0; i < b.n; i++) {
                per_desc += b.size[i];
            }
            if (!per_desc || (uint64_t)left * per_desc < len) {
                return false;
            }
        }
        done += fill(s, &b, data + done, len - done, used);
        uint8_t status = RX_DD | (info->status & RX_VP);
        status |= done == len ? RX_EOP | info->status : 0;
        if (extended(s)) {
            write_extended(s, (uint8_t *)desc, info, used, status);
        } else {
            write_legacy((uint8_t *)desc, info, used[0], status);
        }
        address_space_write(pci_dma(&s->parent), at, &attrs, desc, size);
        *r.head = (*r.head + 1) % r.count;
    }
    return true;
}

/* ---- the way in ---------------------------------------------------------------------------- */

bool e1000_can_receive(NetClient *nc)
{
    E1000 *s = e1000_of(nc);
    bool any = false;
    for (unsigned q = 0; q < s->model->queues; q++) {
        E1000Ring r = receive_ring(s, q);
        any |= free_descs(&r) != 0;
    }
    return *e1000_reg(s, RCTL) & RCTL_EN && any && *e1000_reg(s, STATUS) & STATUS_LU &&
           pci_get16(&s->parent, PCI_COMMAND) & PCI_COMMAND_MASTER;
}

static void count_received(E1000 *s, const uint8_t *packet, size_t len)
{
    static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };
    e1000_count(s, TPR, 1);
    e1000_count(s, GPRC, 1);
    e1000_count64(s, TOR, len + ETH_FCS);
    e1000_count64(s, GORC, len + ETH_FCS);
    e1000_count_size(s, PRC64, len + ETH_FCS);
    if (packet[0] & 1) {
        e1000_count(s, memcmp(packet, broadcast, 6) ? MPRC : BPRC, 1);
    }
}

static size_t gather(E1000 *s, const struct iovec *iov, int iovcnt)
{
    size_t len = 0;
    for (int i = 0; i < iovcnt; i++) {
        if (iov[i].iov_len > sizeof(s->rx_packet) - 8 - len) {
            return SIZE_MAX;
        }
        memcpy(s->rx_packet + len, iov[i].iov_base, iov[i].iov_len);
        len += iov[i].iov_len;
    }
    if (len < ETH_MIN_FRAME) { /* wires pad */
        memset(s->rx_packet + len, 0, ETH_MIN_FRAME - len);
    }
    return len;
}

static void raise_causes(E1000 *s, unsigned queue)
{
    E1000Ring r = receive_ring(s, queue);
    uint32_t shift = 1 + (*e1000_reg(s, RCTL) >> 8 & 3);
    uint32_t causes = INT_RXT0 | (s->model->is_82574 ? INT_RXQ0 << queue : 0);
    if (free_descs(&r) <= r.count >> shift) {
        causes |= INT_RXDMT0;
    }
    e1000_cause(s, causes);
}

NetResult e1000_receive(NetClient *nc, const struct iovec *iov, int iovcnt)
{
    E1000 *s = e1000_of(nc);
    uint32_t rctl = *e1000_reg(s, RCTL);
    size_t size = gather(s, iov, iovcnt), len = MAX(size, ETH_MIN_FRAME);
    uint8_t *packet = s->rx_packet;
    RxInfo info = { .queue = 0 };
    bool inexact;
    if (!e1000_can_receive(nc)) {
        return 0;
    }
    if (size < ETH_HEADER || size == SIZE_MAX) {
        e1000_count(s, size == SIZE_MAX ? ROC : RUC, 1);
        return -1;
    }
    eth_parse(&info.h, packet, len);
    if (len > (rctl & RCTL_LPE ? MAX_LONG : MAX_STANDARD) - ETH_FCS) {
        e1000_count(s, ROC, 1);
        return -1;
    }
    if (!wanted(s, packet, &info.h, &inexact)) {
        nc->stats.filtered++;
        return (NetResult)size;
    }
    info.status = inexact ? RX_PIF : 0;
    checksums(s, packet, len, &info);
    choose_queue(s, packet, &info);
    size_t in_memory = len;
    if (!(rctl & RCTL_SECRC)) {
        uint32_t fcs = (uint32_t)crc32(0, packet, (unsigned)len);
        memcpy(packet + len, &fcs, sizeof(fcs));
        in_memory += ETH_FCS;
    }
    if (info.h.tagged && *e1000_reg(s, CTRL) & CTRL_VME) {
        info.tag = info.h.tci;
        info.status |= RX_VP;
        in_memory = eth_remove_tag(packet, in_memory);
    }
    if (!store(s, packet, in_memory, &info)) {
        e1000_count(s, RNBC, 1);
        e1000_cause(s, INT_RXO);
        return 0;
    }
    count_received(s, packet, len);
    raise_causes(s, info.queue);
    return (NetResult)size;
}
