/* SPDX-License-Identifier: MIT */
/* Virtio network device. Virtio 1.2, 5.1. */
#include <string.h>
#include "hw/virtio/virtio-pci.h"
#include "net/net.h"

/* Feature bits. */
enum {
    F_CSUM = 0,
    F_GUEST_CSUM = 1,
    F_CTRL_GUEST_OFFLOADS = 2,
    F_MTU = 3,
    F_MAC = 5,
    F_GUEST_TSO4 = 7,
    F_GUEST_TSO6 = 8,
    F_GUEST_ECN = 9,
    F_GUEST_UFO = 10,
    F_HOST_TSO4 = 11,
    F_HOST_TSO6 = 12,
    F_HOST_ECN = 13,
    F_HOST_UFO = 14,
    F_MRG_RXBUF = 15,
    F_STATUS = 16,
    F_CTRL_VQ = 17,
    F_CTRL_RX = 18,
    F_CTRL_RX_EXTRA = 20,
    F_MQ = 22,
    F_CTRL_MAC_ADDR = 23,
};

enum { STATUS_LINK_UP = 1, CTRL_OK = 0, CTRL_ERR = 1, MAX_MACS = 64 };
/* Control classes and commands. */
enum { CTRL_RX = 0, CTRL_MAC = 1, CTRL_MQ = 4, CTRL_GUEST_OFFLOADS = 5 };
enum { MAC_TABLE_SET = 0, MAC_ADDR_SET = 1 };
enum { RX_PROMISC, RX_ALLMULTI, RX_ALLUNI, RX_NOMULTI, RX_NOUNI, RX_NOBCAST, RX_MODES };

/* Little endian. num_buffers is there with mergeable buffers and from version 1 on. */
typedef struct NetHeader {
    uint8_t flags, gso_type;
    uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
} NetHeader;
enum { HEADER_LEGACY = 10 };

typedef struct NetConfig {
    uint8_t mac[6];
    uint16_t status, max_pairs, mtu;
} NetConfig;

typedef struct VirtIONet VirtIONet;

/* One queue pair's end of its wire. */
typedef struct VirtIONIC {
    NetClient nc;
    VirtIONet *dev;
    unsigned pair;
    VirtQueue *rx, *tx;
    VirtChain *sending; /* the peer has not taken it yet */
} VirtIONIC;

typedef struct VirtIONet {
    VirtIODevice parent;
    NetClient *peer;
    uint8_t preset_mac[6], mac[6];
    uint16_t rx_size, tx_size, mtu;
    bool mq, mrg_rxbuf, offloads, ctrl_vq;

    VirtIONIC *nics[NET_MAX_QUEUES];
    unsigned nb_pairs, pairs_used;
    VirtQueue *ctrl;
    bool rx_mode[RX_MODES];
    bool table_overflow; /* more addresses than MAX_MACS: take all */
    unsigned nb_macs;
    uint8_t macs[MAX_MACS][6];
} VirtIONet;

static unsigned header_len(const VirtIONet *s)
{
    return virtio_has(&s->parent, F_MRG_RXBUF) || virtio_has(&s->parent, VIRTIO_F_VERSION_1)
               ? sizeof(NetHeader)
               : HEADER_LEGACY;
}

/* ---- sending ----------------------------------------------------------------------------- */

static void transmit(VirtIONIC *nic);

static void finish_sending(VirtIONIC *nic)
{
    virtq_push(nic->tx, nic->sending, 0);
    nic->sending = NULL;
    virtq_notify(nic->tx);
}

static void sent(NetClient *nc, NetResult taken)
{
    VirtIONIC *nic = (VirtIONIC *)nc;
    (void)taken;
    if (nic->sending) {
        finish_sending(nic);
        transmit(nic);
    }
}

/* False: the packet is with the peer's queue, and no other may be sent. */
static bool send_chain(VirtIONIC *nic, VirtChain *c)
{
    unsigned len = header_len(nic->dev);
    struct iovec *iov = c->out;
    unsigned n = c->out_num;
    if (c->out_bytes < len || c->out_bytes - len > NET_MAX_PACKET) {
        virtio_error(&nic->dev->parent, "a packet of %u bytes", (unsigned)c->out_bytes);
        virtq_drop(c);
        return false;
    }
    if (nic->nc.vnet_hdr_len != (int)len) {
        iov_discard_front(&iov, &n, len);
    }
    nic->sending = c;
    if (n && net_send_iov(&nic->nc, iov, (int)n, sent) == 0) {
        virtq_set_notification(nic->tx, false);
        return false;
    }
    finish_sending(nic);
    return true;
}

static void transmit(VirtIONIC *nic)
{
    if (nic->sending || !virtio_running(&nic->dev->parent)) {
        return;
    }
    do {
        virtq_set_notification(nic->tx, false);
        for (VirtChain *c; (c = virtq_pop(nic->tx, sizeof(*c)));) {
            if (!send_chain(nic, c)) {
                return;
            }
        }
        virtq_set_notification(nic->tx, true);
    } while (!virtq_empty(nic->tx));
}

static void tx_kicked(VirtIODevice *vdev, VirtQueue *vq)
{
    transmit(((VirtIONet *)vdev)->nics[virtq_index(vq) / 2]);
}

/* ---- receiving --------------------------------------------------------------------------- */

static bool in_table(const VirtIONet *s, const uint8_t mac[6])
{
    for (unsigned i = 0; i < s->nb_macs; i++) {
        if (!memcmp(s->macs[i], mac, 6)) {
            return true;
        }
    }
    return s->table_overflow;
}

static bool wanted(const VirtIONet *s, const uint8_t to[6])
{
    static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };
    if (s->rx_mode[RX_PROMISC]) {
        return true;
    }
    if (!memcmp(to, broadcast, 6)) {
        return !s->rx_mode[RX_NOBCAST];
    }
    if (to[0] & 1) {
        return !s->rx_mode[RX_NOMULTI] && (s->rx_mode[RX_ALLMULTI] || in_table(s, to));
    }
    return !s->rx_mode[RX_NOUNI] &&
           (s->rx_mode[RX_ALLUNI] || !memcmp(to, s->mac, 6) || in_table(s, to));
}

static bool can_receive(NetClient *nc)
{
    VirtIONIC *nic = (VirtIONIC *)nc;
    return virtio_running(&nic->dev->parent) && nic->pair < nic->dev->pairs_used;
}

/* Fills chains until the packet is all there; the first one's header says how many there are. */
static NetResult fill_buffers(VirtIONIC *nic, const struct iovec *iov, unsigned n, uint64_t skip,
                              uint64_t len, NetHeader *h)
{
    VirtIONet *s = nic->dev;
    unsigned hlen = header_len(s);
    bool merge = virtio_has(&s->parent, F_MRG_RXBUF);
    VirtChain *chains[128];
    uint32_t written[128];
    unsigned count = 0;
    uint64_t done = 0;
    while (done < len || count == 0) {
        uint64_t at = count ? 0 : hlen;
        VirtChain *c = count < G_N_ELEMENTS(chains) ? virtq_pop(nic->rx, sizeof(*c)) : NULL;
        if (!c || (count && !merge) || c->in_bytes < at) {
            if (c) {
                virtq_unpop(nic->rx, c);
            }
            while (count) {
                virtq_unpop(nic->rx, chains[--count]);
            }
            return s->parent.broken || c ? -1 : 0;
        }
        uint64_t pos = at, left = MIN(len - done, c->in_bytes - at);
        while (left) {
            uint8_t part[2048];
            uint64_t got = iov_to_buf(iov, n, skip + done, part, MIN(left, sizeof(part)));
            iov_from_buf(c->in, c->in_num, pos, part, got);
            pos += got;
            done += got;
            left -= got;
        }
        written[count] = (uint32_t)pos;
        chains[count++] = c;
    }
    h->num_buffers = (uint16_t)count;
    iov_from_buf(chains[0]->in, chains[0]->in_num, 0, h, hlen);
    for (unsigned i = 0; i < count; i++) {
        virtq_push(nic->rx, chains[i], written[i]);
    }
    virtq_notify(nic->rx);
    return (NetResult)(len + skip);
}

static NetResult receive(NetClient *nc, const struct iovec *iov, int iovcnt)
{
    VirtIONIC *nic = (VirtIONIC *)nc;
    VirtIONet *s = nic->dev;
    unsigned n = (unsigned)iovcnt;
    uint64_t total = 0, skip = (uint64_t)nc->vnet_hdr_len;
    uint8_t to[6];
    NetHeader h = { .flags = 0 };
    for (unsigned i = 0; i < n; i++) {
        total += iov[i].iov_len;
    }
    if (!can_receive(nc)) {
        return 0;
    }
    if (total < skip + sizeof(to)) {
        return -1;
    }
    iov_to_buf(iov, n, 0, &h, MIN(skip, sizeof(h)));
    iov_to_buf(iov, n, skip, to, sizeof(to));
    if (!wanted(s, to)) {
        return (NetResult)total;
    }
    /* Nobody looks for more buffers but us: ask to be told of them only when there are none. */
    virtq_set_notification(nic->rx, false);
    NetResult res = fill_buffers(nic, iov, n, skip, total - skip, &h);
    if (res == 0) {
        virtq_set_notification(nic->rx, true);
        if (!virtq_empty(nic->rx)) {
            res = fill_buffers(nic, iov, n, skip, total - skip, &h);
        }
    }
    return res;
}

static void rx_kicked(VirtIODevice *vdev, VirtQueue *vq)
{
    net_client_ready(&((VirtIONet *)vdev)->nics[virtq_index(vq) / 2]->nc);
}

static void link_changed(NetClient *nc)
{
    virtio_config_changed(&((VirtIONIC *)nc)->dev->parent);
}

static void nic_cleanup(NetClient *nc)
{
    VirtIONIC *nic = (VirtIONIC *)nc;
    nic->dev->nics[nic->pair] = NULL;
}

static const NetClientInfo nic_info = {
    .type = "nic",
    .desc = "virtio network device",
    .size = sizeof(VirtIONIC),
    .receive = receive,
    .can_receive = can_receive,
    .link_changed = link_changed,
    .cleanup = nic_cleanup,
};

/* ---- control ----------------------------------------------------------------------------- */

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

/* Two lists, unicast and multicast. */
static bool set_mac_table(VirtIONet *s, CtrlReader *r)
{
    s->nb_macs = 0;
    s->table_overflow = false;
    for (int list = 0; list < 2; list++) {
        uint32_t count;
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
                s->table_overflow = true;
            }
        }
    }
    return true;
}

static bool set_pairs(VirtIONet *s, CtrlReader *r)
{
    uint16_t pairs;
    if (!take(r, &pairs, sizeof(pairs)) || pairs < 1 || pairs > s->nb_pairs) {
        return false;
    }
    s->pairs_used = pairs;
    return true;
}

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

static void apply_offloads(VirtIONet *s, uint64_t features)
{
    for (unsigned i = 0; i < s->nb_pairs; i++) {
        if (s->nics[i]->nc.vnet_hdr_len) {
            net_peer_set_offloads(&s->nics[i]->nc, guest_offloads(features));
        }
    }
}

static bool control(VirtIONet *s, CtrlReader *r)
{
    uint8_t command[2], on;
    uint64_t offloads;
    if (!take(r, command, sizeof(command))) {
        return false;
    }
    switch (command[0]) {
    case CTRL_RX:
        if (command[1] >= RX_MODES || !take(r, &on, 1)) {
            return false;
        }
        s->rx_mode[command[1]] = on;
        return true;
    case CTRL_MAC:
        return command[1] == MAC_TABLE_SET  ? set_mac_table(s, r)
               : command[1] == MAC_ADDR_SET ? take(r, s->mac, sizeof(s->mac))
                                            : false;
    case CTRL_MQ:
        return command[1] == 0 && set_pairs(s, r);
    case CTRL_GUEST_OFFLOADS:
        if (command[1] || !take(r, &offloads, sizeof(offloads)) || offloads & ~s->parent.features) {
            return false;
        }
        apply_offloads(s, offloads);
        return true;
    default:
        return false;
    }
}

static void ctrl_kicked(VirtIODevice *vdev, VirtQueue *vq)
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

/* ---- the device -------------------------------------------------------------------------- */

static uint64_t peer_features(const VirtIONet *s)
{
    NetClient *nc = s->nb_pairs ? &s->nics[0]->nc : NULL;
    if (!s->offloads || !nc || !net_peer_has_vnet_hdr(nc, sizeof(NetHeader))) {
        return 0;
    }
    unsigned can = net_peer_offloads(nc);
    uint64_t f = can & NET_OFFLOAD_CSUM
                     ? 1ull << F_CSUM | 1ull << F_GUEST_CSUM | 1ull << F_CTRL_GUEST_OFFLOADS
                     : 0;
    f |= can & NET_OFFLOAD_TSO4 ? 1ull << F_HOST_TSO4 | 1ull << F_GUEST_TSO4 : 0;
    f |= can & NET_OFFLOAD_TSO6 ? 1ull << F_HOST_TSO6 | 1ull << F_GUEST_TSO6 : 0;
    f |= can & NET_OFFLOAD_ECN ? 1ull << F_HOST_ECN | 1ull << F_GUEST_ECN : 0;
    f |= can & NET_OFFLOAD_UFO ? 1ull << F_HOST_UFO | 1ull << F_GUEST_UFO : 0;
    return f;
}

static void get_features(VirtIODevice *vdev, uint64_t *features)
{
    VirtIONet *s = (VirtIONet *)vdev;
    *features |= 1ull << F_MAC | 1ull << F_STATUS | (uint64_t)s->mrg_rxbuf << F_MRG_RXBUF |
                 (uint64_t)(s->mtu != 0) << F_MTU | peer_features(s);
    if (s->ctrl_vq) {
        *features |= 1ull << F_CTRL_VQ | 1ull << F_CTRL_RX | 1ull << F_CTRL_RX_EXTRA |
                     1ull << F_CTRL_MAC_ADDR | (uint64_t)(s->nb_pairs > 1) << F_MQ;
    }
}

static bool set_features(VirtIODevice *vdev, uint64_t features)
{
    VirtIONet *s = (VirtIONet *)vdev;
    bool headers = s->offloads && net_peer_has_vnet_hdr(&s->nics[0]->nc, (int)header_len(s));
    for (unsigned i = 0; headers && i < s->nb_pairs; i++) {
        net_use_vnet_hdr(&s->nics[i]->nc, (int)header_len(s));
    }
    apply_offloads(s, features);
    return true;
}

static void get_config(VirtIODevice *vdev, uint8_t *out)
{
    const VirtIONet *s = (VirtIONet *)vdev;
    const NetClient *nc = &s->nics[0]->nc;
    bool up = !nc->link_down && !(nc->peer && nc->peer->link_down);
    NetConfig c = { .status = up ? STATUS_LINK_UP : 0,
                    .max_pairs = (uint16_t)s->nb_pairs,
                    .mtu = s->mtu };
    memcpy(c.mac, s->mac, sizeof(c.mac));
    memcpy(out, &c, sizeof(c));
}

/* Drivers before version 1 write the address here. */
static void set_config(VirtIODevice *vdev, const uint8_t *config, uint32_t offset, uint32_t len)
{
    VirtIONet *s = (VirtIONet *)vdev;
    (void)len;
    if (!virtio_has(vdev, VIRTIO_F_VERSION_1) && offset < sizeof(s->mac)) {
        memcpy(s->mac, config, sizeof(s->mac));
    }
}

static void net_reset(VirtIODevice *vdev)
{
    VirtIONet *s = (VirtIONet *)vdev;
    for (unsigned i = 0; i < s->nb_pairs && s->nics[i]; i++) {
        VirtIONIC *nic = s->nics[i];
        VirtChain *c = g_steal_pointer(&nic->sending);
        if (nic->nc.peer) {
            net_client_purge(nic->nc.peer); /* it has a pointer to what we were sending */
        }
        virtq_drop(c);
    }
    memset(s->rx_mode, 0, sizeof(s->rx_mode));
    s->rx_mode[RX_PROMISC] = true;
    s->nb_macs = 0;
    s->table_overflow = false;
    s->pairs_used = 1;
    memcpy(s->mac, s->preset_mac, sizeof(s->mac));
}

static void make_pair(VirtIONet *s, unsigned i, NetClient *peer)
{
    const Device *carrier = s->parent.parent.bus ? s->parent.parent.bus->parent : NULL;
    const char *id = s->parent.parent.id ? s->parent.parent.id : carrier ? carrier->id : NULL;
    VirtIONIC *nic = (VirtIONIC *)net_client_new(&nic_info, id, "virtio-net", i);
    nic->dev = s;
    nic->pair = i;
    nic->rx = virtio_add_queue(&s->parent, s->rx_size, rx_kicked);
    nic->tx = virtio_add_queue(&s->parent, s->tx_size, tx_kicked);
    s->nics[i] = nic;
    if (peer) {
        net_connect(&nic->nc, peer, NULL);
    }
}

static bool power_of_2(unsigned n)
{
    return n >= 64 && n <= VIRTIO_MAX_QUEUE_SIZE && !(n & (n - 1));
}

static bool net_realize(Device *dev, GError **err)
{
    VirtIONet *s = (VirtIONet *)dev;
    static const uint8_t none[6];
    NetClient *peers[NET_MAX_QUEUES] = { s->peer };
    if (!power_of_2(s->rx_size) || !power_of_2(s->tx_size)) {
        g_set_error(err, HW_ERROR, 0,
                    "rx_queue_size and tx_queue_size must be powers of 2 in "
                    "64…1024");
        return false;
    }
    if (!virtio_device_realize(dev, err)) {
        return false;
    }
    if (!memcmp(s->preset_mac, none, 6)) {
        net_default_mac(s->preset_mac);
    }
    memcpy(s->mac, s->preset_mac, 6);
    s->nb_pairs = 1;
    if (s->mq && s->peer) {
        s->nb_pairs = (unsigned)MAX(net_client_queues(s->peer->name, peers, NET_MAX_QUEUES), 1);
    }
    for (unsigned i = 0; i < s->nb_pairs; i++) {
        make_pair(s, i, peers[i]);
    }
    if (s->ctrl_vq) {
        s->ctrl = virtio_add_queue(&s->parent, 64, ctrl_kicked);
    }
    s->pairs_used = 1;
    return true;
}

static void net_unrealize(Device *dev)
{
    VirtIONet *s = (VirtIONet *)dev;
    net_reset(&s->parent);
    for (unsigned i = 0; i < s->nb_pairs; i++) {
        if (s->nics[i]) {
            net_client_delete(&s->nics[i]->nc);
        }
    }
    virtio_device_unrealize(dev);
}

static const VirtIOOps ops = {
    .id = VIRTIO_ID_NET,
    .config_size = sizeof(NetConfig),
    .get_features = get_features,
    .set_features = set_features,
    .get_config = get_config,
    .set_config = set_config,
    .reset = net_reset,
};

static const Property props[] = {
    { .name = "netdev",
      .kind = PROP_NETDEV,
      .offset = offsetof(VirtIONet, peer),
      .doc = "the network back end" },
    { .name = "mac",
      .kind = PROP_MAC,
      .offset = offsetof(VirtIONet, preset_mac),
      .doc = "its address; made up if not given" },
    { .name = "mq",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtIONet, mq),
      .preset = "off",
      .doc = "as many queue pairs as the back end has" },
    { .name = "rx_queue_size",
      .kind = PROP_U16,
      .offset = offsetof(VirtIONet, rx_size),
      .preset = "256",
      .doc = "buffers in a receive queue" },
    { .name = "tx_queue_size",
      .kind = PROP_U16,
      .offset = offsetof(VirtIONet, tx_size),
      .preset = "256",
      .doc = "buffers in a transmit queue" },
    { .name = "host_mtu",
      .kind = PROP_U16,
      .offset = offsetof(VirtIONet, mtu),
      .preset = "0",
      .doc = "the MTU that the guest is to use" },
    { .name = "mrg_rxbuf",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtIONet, mrg_rxbuf),
      .preset = "on",
      .doc = "a packet may take several buffers" },
    { .name = "csum",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtIONet, offloads),
      .preset = "on",
      .doc = "checksum and segmentation offload, if the back end can" },
    { .name = "ctrl_vq",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtIONet, ctrl_vq),
      .preset = "on",
      .doc = "the control queue" },
    { .name = NULL },
};

const DeviceType virtio_net_type = {
    .name = "virtio-net-device",
    .category = "network",
    .desc = "virtio network device",
    .parent = &virtio_device_type,
    .size = sizeof(VirtIONet),
    .props = props,
    .user_creatable = true,
    .hotpluggable = true,
    .realize = net_realize,
    .unrealize = net_unrealize,
    .ops = &ops,
};
DEVICE_TYPE(virtio_net_type)

VIRTIO_PCI_TYPE(virtio_net_pci, "virtio-net", "network", "virtio network device", virtio_net_type)
