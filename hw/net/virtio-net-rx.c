/* SPDX-License-Identifier: MIT */
/* Virtio network device: what comes in. Filters, the queue to go to, buffers. Virtio 1.2, 5.1.6.3,
 * 5.1.6.4. */
#include <string.h>

#include "hw/net/virtio-net.h"

/* ---- filters: 5.1.6.5.1 to 5.1.6.5.3 -------------------------------------------------------- */

static bool in_table(const VirtIONet *s, const uint8_t mac[6], unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        if (!memcmp(s->macs[i], mac, 6)) {
            return true;
        }
    }
    return false;
}

/* `head`: addresses, type, and what a tag would be. */
static bool wanted(const VirtIONet *s, const uint8_t head[16])
{
    static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };
    unsigned vlan = eth_get16(head + 14) & 0xfff;
    if (s->rx_mode[RX_PROMISC]) {
        return true;
    }
    if (virtio_has(&s->parent, F_CTRL_VLAN) && eth_get16(head + 12) == ETH_TYPE_VLAN &&
        !(s->vlans[vlan / 32] >> vlan % 32 & 1)) {
        return false;
    }
    if (!memcmp(head, broadcast, 6)) {
        return !s->rx_mode[RX_NOBCAST];
    }
    if (head[0] & 1) {
        return !s->rx_mode[RX_NOMULTI] && (s->rx_mode[RX_ALLMULTI] || s->multicast_overflow ||
                                           in_table(s, head, s->first_multicast, s->nb_macs));
    }
    return !s->rx_mode[RX_NOUNI] &&
           (s->rx_mode[RX_ALLUNI] || !memcmp(head, s->mac, 6) || s->unicast_overflow ||
            in_table(s, head, 0, s->first_multicast));
}

/* ---- hashes: 5.1.6.4.3 ---------------------------------------------------------------------- */

/* The packet behind its header in one piece. */
static const uint8_t *whole(VirtIONet *s, const struct iovec *iov, unsigned n, uint64_t skip,
                            uint64_t len)
{
    if (iov[0].iov_len >= skip + len) {
        return (uint8_t *)iov[0].iov_base + skip;
    }
    if (!s->scratch) {
        s->scratch = g_malloc(NET_MAX_PACKET);
    }
    iov_to_buf(iov, n, skip, s->scratch, MIN(len, NET_MAX_PACKET));
    return s->scratch;
}

/* What is reported is the type's number, one more than its bit. */
static uint16_t hash_packet(const VirtIORss *r, const uint8_t *packet, uint64_t len, uint32_t *hash)
{
    enum { IP, TCP, UDP, PER_VERSION };
    EthHeaders h;
    uint8_t in[36];
    eth_parse(&h, packet, len);
    unsigned first = h.version == 6 ? PER_VERSION : 0;
    unsigned l4 = h.l4 && h.proto == ETH_PROTO_TCP   ? first + TCP
                  : h.l4 && h.proto == ETH_PROTO_UDP ? first + UDP
                                                     : 0;
    bool ports = l4 && r->types >> l4 & 1;
    if (!h.version || (!ports && !(r->types >> first & 1))) {
        return 0;
    }
    *hash = eth_toeplitz(r->key, in, eth_rss_input(&h, packet, ports, in));
    return (uint16_t)((ports ? l4 : first) + 1);
}

/* Which queue pair; the hash goes into the header. */
static unsigned steer(VirtIONet *s, const uint8_t *packet, uint64_t len, NetHeader *h)
{
    const VirtIORss *r = &s->rss;
    uint32_t hash = 0;
    uint16_t report = hash_packet(r, packet, len, &hash);
    if (r->report) {
        h->hash = hash;
        h->hash_report = report;
    }
    return (report ? r->table[hash & r->mask] : r->unclassified) % s->pairs_used;
}

/* ---- buffers -------------------------------------------------------------------------------- */

static void copy_iov(const struct iovec *to, unsigned nto, uint64_t at, const struct iovec *from,
                     unsigned nfrom, uint64_t skip, uint64_t len)
{
    for (unsigned i = 0; i < nfrom && len; i++) {
        if (skip >= from[i].iov_len) {
            skip -= from[i].iov_len;
            continue;
        }
        uint64_t part = MIN(from[i].iov_len - skip, len);
        iov_from_buf(to, nto, at, (uint8_t *)from[i].iov_base + skip, part);
        at += part;
        len -= part;
        skip = 0;
    }
}

/* Nobody looks for more buffers but us: we ask to be told of them only when there are none, and
 * look once more then, for those that came before the driver could know that we had asked. What it
 * adds later is behind all that we have taken: it tells us, whatever is put back. */
static VirtChain *next_chain(VirtQueue *rx)
{
    VirtChain *c = virtq_pop(rx, sizeof(*c));
    if (!c) {
        virtq_set_notification(rx, true);
        c = virtq_pop(rx, sizeof(*c));
    }
    return c;
}

/* Fills chains until the packet is all there; the first one's header says how many there are. */
static NetResult store(VirtIONet *s, VirtQueue *rx, const struct iovec *iov, unsigned n,
                       uint64_t skip, uint64_t len, NetHeader *h)
{
    unsigned hlen = virtio_net_header_len(s);
    unsigned most = virtio_has(&s->parent, F_MRG_RXBUF) ? MAX_CHAINS : 1;
    VirtChain *chains[MAX_CHAINS];
    uint32_t written[MAX_CHAINS];
    unsigned count = 0;
    uint64_t done = 0;
    virtq_set_notification(rx, false);
    while (done < len || count == 0) {
        uint64_t at = count ? 0 : hlen;
        VirtChain *c = count < most ? next_chain(rx) : NULL;
        bool never = count == most || (c && c->in_bytes < at);
        if (!c || never) {
            if (c) {
                virtq_unpop(rx, c);
            }
            while (count) {
                virtq_unpop(rx, chains[--count]);
            }
            return s->parent.broken || never ? -1 : 0;
        }
        uint64_t part = MIN(len - done, c->in_bytes - at);
        copy_iov(c->in, c->in_num, at, iov, n, skip + done, part);
        done += part;
        written[count] = (uint32_t)(at + part);
        chains[count++] = c;
    }
    h->num_buffers = (uint16_t)count;
    iov_from_buf(chains[0]->in, chains[0]->in_num, 0, h, hlen);
    virtq_push_together(rx, chains, written, count); /* 5.1.6.4.1: num_buffers of them, or none */
    return (NetResult)(len + skip);
}

/* ---- the way in ----------------------------------------------------------------------------- */

bool virtio_net_can_receive(NetClient *nc)
{
    return virtio_running(&((VirtIONIC *)nc)->dev->parent);
}

/* Others that wait for buffers of that queue would not hear of new ones: we have just said that we
 * need not be told. */
static void wake_others(VirtIONet *s, const VirtIONIC *nic, const VirtQueue *rx)
{
    for (unsigned i = 0; i < s->nb_pairs; i++) {
        VirtIONIC *other = s->nics[i];
        if (other && other != nic && other->starved == rx) {
            other->starved = NULL;
            net_client_ready(&other->nc);
        }
    }
}

NetResult virtio_net_receive(NetClient *nc, const struct iovec *iov, int iovcnt)
{
    VirtIONIC *nic = (VirtIONIC *)nc;
    VirtIONet *s = nic->dev;
    unsigned n = (unsigned)iovcnt, pair = nic->pair % s->pairs_used;
    uint64_t total = 0, skip = (uint64_t)nc->vnet_hdr_len;
    uint8_t head[16] = { 0 };
    NetHeader h = { .flags = 0 };
    for (unsigned i = 0; i < n; i++) {
        total += iov[i].iov_len;
    }
    if (!virtio_net_can_receive(nc)) {
        return 0;
    }
    if (total < skip + ETH_HEADER) {
        return -1;
    }
    iov_to_buf(iov, n, 0, &h, MIN(skip, HEADER_LEGACY));
    iov_to_buf(iov, n, skip, head, sizeof(head));
    if (!wanted(s, head)) {
        nc->stats.filtered++;
        return (NetResult)total;
    }
    if (s->rss.steer || s->rss.report) {
        unsigned by_hash = steer(s, whole(s, iov, n, skip, total - skip), total - skip, &h);
        pair = s->rss.steer ? by_hash : pair;
    }
    VirtIONIC *to = s->nics[pair];
    NetResult res = store(s, to->rx, iov, n, skip, total - skip, &h);
    nic->starved = res == 0 ? to->rx : NULL;
    to->notify |= res > 0;
    if (to->notify && (!nc->in_batch || res == 0)) { /* a driver without buffers must hear of it */
        to->notify = false;
        virtq_notify(to->rx);
    }
    if (res > 0 && s->rss.steer) {
        wake_others(s, nic, to->rx);
    }
    return res;
}

void virtio_net_batch_end(NetClient *nc)
{
    VirtIONet *s = ((VirtIONIC *)nc)->dev;
    for (unsigned i = 0; i < s->nb_pairs; i++) {
        if (s->nics[i] && s->nics[i]->notify) {
            s->nics[i]->notify = false;
            virtq_notify(s->nics[i]->rx);
        }
    }
}

void virtio_net_rx_kicked(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIONet *s = (VirtIONet *)vdev;
    for (unsigned i = 0; i < s->nb_pairs; i++) {
        VirtIONIC *nic = s->nics[i];
        if (nic && nic->rx == vq && vhost_net_running(nic->vhost)) {
            vhost_net_kick(nic->vhost, vq);
        } else if (nic && (nic->starved == vq || nic->rx == vq)) {
            nic->starved = NULL;
            net_client_ready(&nic->nc);
        }
    }
}
