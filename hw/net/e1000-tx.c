/* SPDX-License-Identifier: MIT */
/*
 * Transmission: SDM 3.3 to 3.5, 82574 datasheet 7.2. Descriptors put a packet together; it is given
 * its tag and checksums, cut into segments if that was asked for, and sent. When the peer does not
 * take a packet nothing more is read from the ring until it has.
 */
#include <string.h>

#include "hw/net/e1000.h"

typedef struct TxDesc {
    uint64_t addr;
    uint32_t lower, upper;
} TxDesc;

/* ---- the packet's last touches ------------------------------------------------------------- */

static void insert_sum(uint8_t *data, size_t len, const E1000Sum *sum)
{
    size_t end = sum->end && sum->end < len ? sum->end + 1u : len;
    if (sum->start < end && sum->at + 2u <= len) {
        uint16_t val = eth_sum_finish(eth_sum(data + sum->start, end - sum->start, 0));
        eth_put16(data + sum->at, val);
    }
}

/* Software has put the pseudo header's sum, without the length, into the segment's field. */
static void add_length(uint8_t *data, size_t len, const E1000Context *c)
{
    if (c->l4.at + 2u <= len && c->l4.start < len) {
        uint32_t sum = eth_get16(data + c->l4.at) + (uint32_t)(len - c->l4.start);
        eth_put16(data + c->l4.at, (uint16_t)~eth_sum_finish(sum));
    }
}

static void count_sent(E1000 *s, const uint8_t *data, size_t len)
{
    static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };
    size_t on_wire = MAX(len, ETH_MIN_FRAME) + ETH_FCS;
    e1000_count(s, TPT, 1);
    e1000_count(s, GPTC, 1);
    e1000_count64(s, TOT, on_wire);
    e1000_count64(s, GOTC, on_wire);
    e1000_count_size(s, PTC64, on_wire);
    if (data[0] & 1) {
        e1000_count(s, memcmp(data, broadcast, 6) ? MPTC : BPTC, 1);
    }
}

/* One frame; false: it waits with the peer. `data` has room for a tag and padding. */
static bool send_frame(E1000 *s, E1000Tx *tx, uint8_t *data, size_t len)
{
    if (tx->command & TX_VLE && *e1000_reg(s, CTRL) & CTRL_VME) {
        uint32_t vet = *e1000_reg(s, VET);
        len = eth_insert_tag(data, len, (uint16_t)(vet ? vet : ETH_TYPE_VLAN), tx->special);
    }
    if (len < ETH_MIN_FRAME && *e1000_reg(s, TCTL) & TCTL_PSP) {
        memset(data + len, 0, ETH_MIN_FRAME - len);
        len = ETH_MIN_FRAME;
    }
    if (len < ETH_HEADER) {
        s->nc->stats.sent_bad++;
        return true;
    }
    count_sent(s, data, len);
    if (*e1000_reg(s, RCTL) & RCTL_LBM_MAC || s->phy[PHY_CONTROL] & PHY_CONTROL_LOOPBACK) {
        struct iovec iov = { data, len };
        e1000_receive(s->nc, &iov, 1);
        return true;
    }
    s->blocked = net_send(s->nc, data, len, e1000_sent) == 0;
    return !s->blocked;
}

static void start_packet(E1000 *s, E1000Tx *tx)
{
    bool segment = tx->extended && tx->command & TX_TSE;
    const E1000Context *c = &tx->tso;
    memset(&tx->segments, 0, sizeof(tx->segments));
    if (segment) {
        bool tcp = c->command & TX_CONTEXT_TCP;
        unsigned l3 = c->ip.start, l4 = c->l4.start;
        bool ok = c->mss && c->header < tx->len && l3 >= ETH_HEADER && l3 + 20 <= l4 &&
                  l4 + (tcp ? 20u : 8u) <= c->header &&
                  (c->command & TX_CONTEXT_IP || l3 + 40 <= l4);
        if (!ok) { /* as a context that makes no sense is not allowed (SDM 3.5), it goes nowhere */
            s->nc->stats.sent_bad++;
            return;
        }
        tx->segments = (EthSegments){ .header = c->header,
                                      .mss = c->mss,
                                      .l3 = l3,
                                      .l4 = l4,
                                      .version = c->command & TX_CONTEXT_IP ? 4 : 6,
                                      .tcp = tcp };
        e1000_count(s, TSCTC, 1);
    }
    tx->sending = true;
}

/* The packet, or its next segments; false: the peer has one that it has not taken. */
static bool continue_packet(E1000 *s, E1000Tx *tx)
{
    while (tx->sending) {
        const E1000Context *c = tx->segments.mss ? &tx->tso : &tx->sums;
        uint8_t *data = tx->data;
        size_t len = tx->len;
        if (tx->segments.mss) {
            data = s->piece;
            len = eth_next_segment(&tx->segments, tx->data, tx->len, data);
            if (len && tx->popts & POPTS_TXSM) {
                add_length(data, len, c);
            }
        }
        if (!tx->segments.mss || tx->segments.header + tx->segments.done >= tx->len) {
            tx->sending = false;
        }
        if (tx->extended && tx->popts & POPTS_IXSM) {
            if (tx->segments.mss && c->ip.at + 2u <= len) {
                eth_put16(data + c->ip.at, 0);
            }
            insert_sum(data, len, &c->ip);
        }
        if (tx->extended && tx->popts & POPTS_TXSM) {
            insert_sum(data, len, &c->l4);
        }
        if (len && !send_frame(s, tx, data, len)) {
            return false;
        }
    }
    return true;
}

/* ---- descriptors --------------------------------------------------------------------------- */

static void take_context(E1000Tx *tx, const TxDesc *d)
{
    E1000Context c = {
        .ip = { (uint8_t)d->addr, (uint8_t)(d->addr >> 8), (uint16_t)(d->addr >> 16) },
        .l4 = { (uint8_t)(d->addr >> 32), (uint8_t)(d->addr >> 40), (uint16_t)(d->addr >> 48) },
        .payload = d->lower & 0xfffff,
        .command = (uint8_t)(d->lower >> 24),
        .header = (uint8_t)(d->upper >> 8),
        .mss = (uint16_t)(d->upper >> 16),
    };
    *(c.command & TX_TSE ? &tx->tso : &tx->sums) = c;
}

static void take_data(E1000 *s, E1000Tx *tx, const TxDesc *d, bool extended)
{
    uint32_t len = d->lower & (extended ? 0xfffff : 0xffff);
    MemTxAttrs attrs = { .requester = pci_requester(&s->parent) };
    if (!tx->first_seen) {
        tx->first_seen = true;
        tx->extended = extended;
        tx->popts = extended ? (uint8_t)(d->upper >> 8) : 0;
        tx->command = (uint8_t)(d->lower >> 24) & (extended ? 0xff : (uint8_t)~TX_TSE);
        tx->len = 0;
        tx->overflow = false;
    }
    /* four bytes are left for a tag */
    if (len > sizeof(tx->data) - 4 - tx->len ||
        address_space_read(pci_dma(&s->parent), d->addr, &attrs, tx->data + tx->len, len)) {
        tx->overflow = true;
        return;
    }
    tx->len += len;
}

/* The last descriptor of a packet says how it goes out. */
static void end_packet(E1000 *s, E1000Tx *tx, const TxDesc *d, bool extended)
{
    uint8_t command = (uint8_t)(d->lower >> 24);
    tx->special = (uint16_t)(d->upper >> 16);
    tx->command |= command & TX_VLE;
    tx->first_seen = false;
    if (!extended && command & TX_IC) {
        E1000Sum sum = { (uint8_t)(d->upper >> 8), (uint8_t)(d->lower >> 16), 0 };
        insert_sum(tx->data, tx->len, &sum);
    }
    if (tx->overflow || !tx->len) {
        s->nc->stats.sent_bad += tx->overflow;
        return;
    }
    start_packet(s, tx);
}

/* Descriptor written back; the interrupt causes of it. */
static uint32_t finish_desc(E1000 *s, const E1000Ring *r, TxDesc *d, unsigned queue)
{
    MemTxAttrs attrs = { .requester = pci_requester(&s->parent) };
    if (!(d->lower >> 24 & TX_RS)) {
        return 0;
    }
    d->upper = (d->upper & ~15u) | TX_DD;
    address_space_write(pci_dma(&s->parent), r->base + *r->head * 16ull + 12, &attrs, &d->upper, 4);
    return INT_TXDW | (s->model->is_82574 ? INT_TXQ0 << queue : 0);
}

static void one_desc(E1000 *s, E1000Tx *tx, const TxDesc *d)
{
    bool extended = d->lower >> 24 & TX_DEXT;
    if (extended && (d->lower >> 20 & 15) == 0) {
        take_context(tx, d);
        return;
    }
    if (d->addr || !(d->lower & 0xffff) || extended) { /* a null address is a null descriptor */
        take_data(s, tx, d, extended);
    }
    if (d->lower >> 24 & TX_EOP && tx->first_seen) {
        end_packet(s, tx, d, tx->extended);
    }
}

/* Until the ring is empty; false: until the peer takes what it has. */
static bool run_ring(E1000 *s, unsigned queue)
{
    E1000Tx *tx = &s->tx[queue];
    E1000Ring r = e1000_ring(s, TDBAL, queue);
    MemTxAttrs attrs = { .requester = pci_requester(&s->parent) };
    uint32_t causes = 0;
    bool go_on = continue_packet(s, tx);
    bool any = false;
    while (go_on && r.count && *r.head != r.tail) {
        TxDesc d;
        if (address_space_read(pci_dma(&s->parent), r.base + *r.head * 16ull, &attrs, &d,
                               sizeof(d))) {
            break;
        }
        any = true;
        one_desc(s, tx, &d);
        causes |= finish_desc(s, &r, &d, queue);
        *r.head = (*r.head + 1) % r.count;
        go_on = continue_packet(s, tx);
    }
    if (any) {
        e1000_cause(s, causes | (*r.head == r.tail ? INT_TXQE : 0));
    }
    return go_on;
}

void e1000_transmit(E1000 *s)
{
    if (!(*e1000_reg(s, TCTL) & TCTL_EN) || s->blocked || s->transmitting) {
        return;
    }
    s->transmitting =
        true; /* an answer may make the guest's interrupt, not its writes, come here */
    for (unsigned q = 0; q < s->model->queues && !s->blocked; q++) {
        run_ring(s, q);
    }
    s->transmitting = false;
}

void e1000_sent(NetClient *nc, NetResult taken)
{
    E1000 *s = e1000_of(nc);
    (void)taken;
    if (s->blocked) {
        s->blocked = false;
        e1000_transmit(s);
    }
}
