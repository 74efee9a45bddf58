/* SPDX-License-Identifier: MIT */
/* Virtio network device: the control queue. Virtio 1.2, 5.1.6.5. */
#include <string.h>

#include "hw/net/virtio-net.h"

enum { CTRL_OK = 0, CTRL_ERR = 1 };
/* Classes and their commands. */
enum {
    CTRL_RX = 0,
    CTRL_MAC = 1,
    CTRL_VLAN = 2,
    CTRL_ANNOUNCE = 3,
    CTRL_MQ = 4,
    CTRL_GUEST_OFFLOADS = 5,
};
enum { MAC_TABLE_SET = 0, MAC_ADDR_SET = 1 };
enum { VLAN_ADD = 0, VLAN_DEL = 1 };
enum { MQ_PAIRS = 0, MQ_RSS = 1, MQ_HASH = 2 };

typedef struct CtrlReader {
    struct iovec *iov;
    unsigned n;
} CtrlReader;

static bool take(CtrlReader *r, void *buf, size_t len)
{
    bool ok = iov_to_buf(r->iov, r->n, 0, buf, len) == len;
    iov_discard_front(&r->iov, &r->n, len);
    return ok;
}

/* ---- filters ------------------------------------------------------------------------------- */

static bool set_rx_mode(VirtIONet *s, unsigned mode, CtrlReader *r)
{
    uint8_t on;
    if (mode >= RX_MODES || !take(r, &on, 1)) {
        return false;
    }
    s->rx_mode[mode] = on;
    return true;
}

/* Two lists, unicast and multicast. */
static bool set_mac_table(VirtIONet *s, CtrlReader *r)
{
    s->nb_macs = s->first_multicast = 0;
    s->unicast_overflow = s->multicast_overflow = false;
    for (int list = 0; list < 2; list++) {
        uint32_t count;
        bool *overflow = list ? &s->multicast_overflow : &s->unicast_overflow;
        if (!take(r, &count, sizeof(count))) {
            return false;
        }
        for (uint32_t i = 0; i < count; i++) {
            uint8_t mac[6];
            if (!take(r, mac, sizeof(mac))) {
                return false;
            }
            if (s->nb_macs < MAX_MACS) {
                memcpy(s->macs[s->nb_macs++], mac, sizeof(mac));
            } else {
                *overflow = true;
            }
        }
        s->first_multicast = list ? s->first_multicast : s->nb_macs;
    }
    return true;
}

static bool set_vlan(VirtIONet *s, uint8_t command, CtrlReader *r)
{
    uint16_t vlan;
    if (command > VLAN_DEL || !take(r, &vlan, sizeof(vlan)) || vlan >= MAX_VLANS) {
        return false;
    }
    uint32_t bit = 1u << vlan % 32, *word = &s->vlans[vlan / 32];
    *word = command == VLAN_ADD ? *word | bit : *word & ~bit;
    return true;
}

/* Programs that follow the filter (macvtap…) hear of a change once, until they have asked. */
static bool filter_changed(VirtIONet *s, bool ok)
{
    if (ok && !s->filter_told) {
        s->filter_told = true;
        net_event("NIC_RX_FILTER_CHANGED", &s->nics[0]->nc);
    }
    return ok;
}

void virtio_net_rx_filter(NetClient *nc, NetRxFilter *out)
{
    VirtIONet *s = ((VirtIONIC *)nc)->dev;
    const bool *m = s->rx_mode;
    s->filter_told = false;
    out->promiscuous = m[RX_PROMISC];
    out->multicast = m[RX_NOMULTI] ? "none" : m[RX_ALLMULTI] ? "all" : "normal";
    out->unicast = m[RX_NOUNI] ? "none" : m[RX_ALLUNI] ? "all" : "normal";
    out->vlan = virtio_has(&s->parent, F_CTRL_VLAN) ? "normal" : "all";
    out->broadcast = !m[RX_NOBCAST];
    out->unicast_overflow = s->unicast_overflow;
    out->multicast_overflow = s->multicast_overflow;
    memcpy(out->mac, s->mac, 6);
    out->macs = s->macs;
    out->nb_unicast = s->first_multicast;
    out->nb_multicast = s->nb_macs - s->first_multicast;
    out->vlans = s->vlans;
}

/* ---- queues -------------------------------------------------------------------------------- */

void virtio_net_use_pairs(VirtIONet *s, unsigned pairs)
{
    s->pairs_used = pairs;
    for (unsigned i = 0; i < s->nb_pairs; i++) {
        if (s->nics[i]) {
            net_peer_use_queue(&s->nics[i]->nc, i < pairs);
        }
    }
    virtio_net_update_vhost(s);
}

static bool set_pairs(VirtIONet *s, CtrlReader *r)
{
    uint16_t pairs;
    if (!take(r, &pairs, sizeof(pairs)) || pairs < 1 || pairs > s->nb_pairs) {
        return false;
    }
    s->rss.steer = false;
    virtio_net_use_pairs(s, pairs);
    return true;
}

static bool take_key(CtrlReader *r, uint8_t key[ETH_RSS_KEY])
{
    uint8_t len;
    memset(key, 0, ETH_RSS_KEY);
    return take(r, &len, 1) && len <= ETH_RSS_KEY && take(r, key, len);
}

/* 5.1.6.5.7 */
static bool set_rss(VirtIONet *s, CtrlReader *r)
{
    struct {
        uint32_t types;
        uint16_t mask, unclassified;
    } head;
    VirtIORss rss = s->rss;
    uint16_t pairs;
    if (!take(r, &head, sizeof(head)) || head.types & ~(uint32_t)RSS_TYPES ||
        head.mask >= MAX_RSS_TABLE || head.mask & (head.mask + 1) ||
        !take(r, rss.table, (head.mask + 1u) * 2) || !take(r, &pairs, sizeof(pairs)) ||
        !take_key(r, rss.key) || pairs < 1 || pairs > s->nb_pairs ||
        head.unclassified >= s->nb_pairs) {
        return false;
    }
    for (unsigned i = 0; i <= head.mask; i++) {
        if (rss.table[i] >= s->nb_pairs) {
            return false;
        }
    }
    rss.types = head.types;
    rss.mask = head.mask;
    rss.unclassified = head.unclassified;
    rss.steer = true;
    s->rss = rss;
    virtio_net_use_pairs(s, pairs);
    return true;
}

/* 5.1.6.5.6.4 */
static bool set_hash(VirtIONet *s, CtrlReader *r)
{
    struct {
        uint32_t types;
        uint16_t reserved[4];
    } head;
    uint8_t key[ETH_RSS_KEY];
    if (!take(r, &head, sizeof(head)) || head.types & ~(uint32_t)RSS_TYPES || !take_key(r, key)) {
        return false;
    }
    s->rss.types = head.types;
    memcpy(s->rss.key, key, sizeof(key));
    return true;
}

static bool set_queues(VirtIONet *s, uint8_t command, CtrlReader *r)
{
    switch (command) {
    case MQ_PAIRS:
        return virtio_has(&s->parent, F_MQ) && set_pairs(s, r);
    case MQ_RSS:
        return virtio_has(&s->parent, F_RSS) && set_rss(s, r);
    case MQ_HASH:
        return virtio_has(&s->parent, F_HASH_REPORT) && set_hash(s, r);
    default:
        return false;
    }
}

/* ---- offloads ------------------------------------------------------------------------------ */

static unsigned guest_offloads(uint64_t features)
{
    static const struct {
        uint8_t feature;
        unsigned offload;
    } map[] = {
        { F_GUEST_CSUM, NET_OFFLOAD_CSUM }, { F_GUEST_TSO4, NET_OFFLOAD_TSO4 },
        { F_GUEST_TSO6, NET_OFFLOAD_TSO6 }, { F_GUEST_ECN, NET_OFFLOAD_ECN },
        { F_GUEST_UFO, NET_OFFLOAD_UFO },
    };
    unsigned mask = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(map); i++) {
        mask |= features >> map[i].feature & 1 ? map[i].offload : 0;
    }
    return mask;
}

void virtio_net_apply_offloads(VirtIONet *s, uint64_t features)
{
    for (unsigned i = 0; i < s->nb_pairs; i++) {
        if (s->nics[i] && s->nics[i]->nc.vnet_hdr_len) {
            net_peer_set_offloads(&s->nics[i]->nc, guest_offloads(features));
        }
    }
}

static bool set_guest_offloads(VirtIONet *s, uint8_t command, CtrlReader *r)
{
    uint64_t offloads;
    if (command || !virtio_has(&s->parent, F_CTRL_GUEST_OFFLOADS) ||
        !take(r, &offloads, sizeof(offloads)) || offloads & ~s->parent.features) {
        return false;
    }
    virtio_net_apply_offloads(s, offloads);
    return true;
}

/* ---- commands ------------------------------------------------------------------------------ */

static bool control(VirtIONet *s, CtrlReader *r)
{
    uint8_t command[2];
    if (!take(r, command, sizeof(command))) {
        return false;
    }
    switch (command[0]) {
    case CTRL_RX:
        return filter_changed(s, set_rx_mode(s, command[1], r));
    case CTRL_MAC:
        return filter_changed(s, command[1] == MAC_TABLE_SET  ? set_mac_table(s, r)
                                 : command[1] == MAC_ADDR_SET ? take(r, s->mac, sizeof(s->mac))
                                                              : false);
    case CTRL_VLAN:
        return virtio_has(&s->parent, F_CTRL_VLAN) && filter_changed(s, set_vlan(s, command[1], r));
    case CTRL_ANNOUNCE:
        s->announcing = false;
        return command[1] == 0 && virtio_has(&s->parent, F_GUEST_ANNOUNCE);
    case CTRL_MQ:
        return set_queues(s, command[1], r);
    case CTRL_GUEST_OFFLOADS:
        return set_guest_offloads(s, command[1], r);
    default:
        return false;
    }
}

void virtio_net_ctrl_kicked(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIONet *s = (VirtIONet *)vdev;
    for (VirtChain *c; (c = virtq_pop(vq, sizeof(*c)));) {
        CtrlReader r = { c->out, c->out_num };
        uint8_t ack = control(s, &r) ? CTRL_OK : CTRL_ERR;
        if (c->in_num == 0) {
            virtio_error(vdev, "a control command without room for its status");
            virtq_drop(c);
            return;
        }
        iov_from_buf(c->in, c->in_num, 0, &ack, 1);
        virtq_push(vq, c, 1);
    }
    virtq_notify(vq);
}

void virtio_net_ctrl_reset(VirtIONet *s)
{
    memset(s->rx_mode, 0, sizeof(s->rx_mode));
    s->rx_mode[RX_PROMISC] = true;
    s->nb_macs = s->first_multicast = 0;
    s->unicast_overflow = s->multicast_overflow = false;
    memset(s->vlans, 0, sizeof(s->vlans));
    s->announcing = false;
    memset(&s->rss, 0, sizeof(s->rss));
    memcpy(s->mac, s->preset_mac, sizeof(s->mac));
    if (s->nb_pairs) {
        virtio_net_use_pairs(s, 1);
    }
}
