/* SPDX-License-Identifier: MIT */
/* Virtio network device: features, configuration, what goes out. Virtio 1.2, 5.1. */
#include <string.h>

#include "hw/net/virtio-net.h"
#include "hw/virtio/virtio-pci.h"

/* ---- features ------------------------------------------------------------------------------ */

enum { NEEDS_CTRL = 1, NEEDS_PAIRS = 2, NEEDS_STATUS = 4 };

/* Each is a property: offered if it is on, the peer does that offload, and what it needs is there.
 */
static const struct {
    const char *name;
    uint8_t bit;
    uint8_t needs;
    const char *preset;
    unsigned offload;
    const char *doc;
} switches[NB_SWITCHES] = {
    { "csum", F_CSUM, 0, "on", NET_OFFLOAD_CSUM, "the guest may leave out checksums" },
    { "guest_csum", F_GUEST_CSUM, 0, "on", NET_OFFLOAD_CSUM, "so may the host" },
    { "guest_tso4", F_GUEST_TSO4, 0, "on", NET_OFFLOAD_TSO4, "large TCP segments for the guest" },
    { "guest_tso6", F_GUEST_TSO6, 0, "on", NET_OFFLOAD_TSO6, "… over IPv6" },
    { "guest_ecn", F_GUEST_ECN, 0, "on", NET_OFFLOAD_ECN, "… with congestion notification" },
    { "guest_ufo", F_GUEST_UFO, 0, "on", NET_OFFLOAD_UFO, "large UDP packets for the guest" },
    { "host_tso4", F_HOST_TSO4, 0, "on", NET_OFFLOAD_TSO4, "large TCP segments of the guest" },
    { "host_tso6", F_HOST_TSO6, 0, "on", NET_OFFLOAD_TSO6, "… over IPv6" },
    { "host_ecn", F_HOST_ECN, 0, "on", NET_OFFLOAD_ECN, "… with congestion notification" },
    { "host_ufo", F_HOST_UFO, 0, "on", NET_OFFLOAD_UFO, "large UDP packets of the guest" },
    { "mrg_rxbuf", F_MRG_RXBUF, 0, "on", 0, "a packet may take several buffers" },
    { "status", F_STATUS, 0, "on", 0, "the link's state" },
    { "ctrl_vq", F_CTRL_VQ, 0, "on", 0, "the control queue" },
    { "ctrl_rx", F_CTRL_RX, NEEDS_CTRL, "on", 0, "receive modes" },
    { "ctrl_rx_extra", F_CTRL_RX_EXTRA, NEEDS_CTRL, "on", 0, "more receive modes" },
    { "ctrl_vlan", F_CTRL_VLAN, NEEDS_CTRL, "on", 0, "a filter of VLANs" },
    { "ctrl_mac_addr", F_CTRL_MAC_ADDR, NEEDS_CTRL, "on", 0, "the guest may set its address" },
    { "ctrl_guest_offloads", F_CTRL_GUEST_OFFLOADS, NEEDS_CTRL, "on", NET_OFFLOAD_CSUM,
      "the guest may switch its offloads" },
    { "guest_announce", F_GUEST_ANNOUNCE, NEEDS_CTRL | NEEDS_STATUS, "on", 0,
      "the guest announces itself when asked to" },
    { "mq", F_MQ, NEEDS_CTRL | NEEDS_PAIRS, "off", 0, "as many queue pairs as the back end has" },
    { "rss", F_RSS, NEEDS_CTRL, "off", 0, "the guest chooses queues by hash" },
    { "hash", F_HASH_REPORT, NEEDS_CTRL, "off", 0, "the guest hears of the hash" },
    { "speed_duplex", F_SPEED_DUPLEX, 0, "on", 0, "speed= and duplex= are told" },
};

static bool wants(const VirtIONet *s, unsigned bit)
{
    for (unsigned i = 0; i < NB_SWITCHES; i++) {
        if (switches[i].bit == bit) {
            return s->wanted[i];
        }
    }
    return false;
}

/* What the peer can do to headers; 0 without them. */
static unsigned peer_offloads(const VirtIONet *s)
{
    NetClient *nc = s->nb_pairs ? &s->nics[0]->nc : NULL;
    return nc && net_peer_has_vnet_hdr(nc, HEADER_V1) ? net_peer_offloads(nc) : 0;
}

static void get_features(VirtIODevice *vdev, uint64_t *features)
{
    VirtIONet *s = (VirtIONet *)vdev;
    unsigned can = peer_offloads(s);
    unsigned have = (wants(s, F_CTRL_VQ) ? NEEDS_CTRL : 0) | (s->nb_pairs > 1 ? NEEDS_PAIRS : 0) |
                    (wants(s, F_STATUS) ? NEEDS_STATUS : 0);
    can = wants(s, F_CSUM) ? can : 0; /* csum=off: none of them */
    *features |= 1ull << F_MAC | (uint64_t)(s->mtu != 0) << F_MTU;
    for (unsigned i = 0; i < NB_SWITCHES; i++) {
        if (s->wanted[i] && !(switches[i].needs & ~have) &&
            (!switches[i].offload || switches[i].offload & can)) {
            *features |= 1ull << switches[i].bit;
        }
    }
    for (unsigned i = 0; i < s->nb_pairs; i++) {
        if (s->nics[i]->vhost) {
            *features = vhost_net_features(s->nics[i]->vhost, *features);
        }
    }
}

static bool set_features(VirtIODevice *vdev, uint64_t features)
{
    VirtIONet *s = (VirtIONet *)vdev;
    int len = (int)virtio_net_header_len(s);
    bool headers = wants(s, F_CSUM) && net_peer_has_vnet_hdr(&s->nics[0]->nc, len);
    for (unsigned i = 0; headers && i < s->nb_pairs; i++) {
        net_use_vnet_hdr(&s->nics[i]->nc, len);
    }
    virtio_net_apply_offloads(s, features);
    s->rss.report = virtio_has(vdev, F_HASH_REPORT);
    return true;
}

/* ---- configuration ------------------------------------------------------------------------- */

static void get_config(VirtIODevice *vdev, uint8_t *out)
{
    const VirtIONet *s = (VirtIONet *)vdev;
    const NetClient *nc = &s->nics[0]->nc;
    bool up = !nc->link_down && !(nc->peer && nc->peer->link_down);
    NetConfig c = {
        .status = (uint16_t)((up ? STATUS_LINK_UP : 0) | (s->announcing ? STATUS_ANNOUNCE : 0)),
        .max_pairs = (uint16_t)s->nb_pairs,
        .mtu = s->mtu,
        .speed = s->speed,
        .duplex = s->duplex == 2 ? 0xff : (uint8_t)s->duplex,
        .rss_max_key = ETH_RSS_KEY,
        .rss_max_table = MAX_RSS_TABLE,
        .hash_types = RSS_TYPES,
    };
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

/* ---- sending ------------------------------------------------------------------------------- */

static void transmit(VirtIONIC *nic);

static void sent(NetClient *nc, NetResult taken)
{
    VirtIONIC *nic = (VirtIONIC *)nc;
    (void)taken;
    if (nic->sending) {
        virtq_push(nic->tx, g_steal_pointer(&nic->sending), 0);
        virtq_notify(nic->tx);
        transmit(nic);
    }
}

/* False: the packet is with the peer's queue, and no other may be sent. */
static bool send_chain(VirtIONIC *nic, VirtChain *c)
{
    unsigned len = virtio_net_header_len(nic->dev);
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
        return false;
    }
    virtq_push(nic->tx, g_steal_pointer(&nic->sending), 0);
    return true;
}

static void transmit(VirtIONIC *nic)
{
    bool any = false, go_on = true;
    if (nic->sending || !virtio_running(&nic->dev->parent)) {
        return;
    }
    while (go_on) {
        virtq_set_notification(nic->tx, false);
        for (VirtChain *c; go_on && (c = virtq_pop(nic->tx, sizeof(*c)));) {
            any |= go_on = send_chain(nic, c);
        }
        if (go_on) {
            virtq_set_notification(nic->tx, true);
            go_on = !virtq_empty(nic->tx);
        }
    }
    if (any) {
        virtq_notify(nic->tx);
    }
}

static void tx_kicked(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIONIC *nic = ((VirtIONet *)vdev)->nics[virtq_index(vq) / 2];
    if (vhost_net_running(nic->vhost)) {
        vhost_net_kick(nic->vhost, vq);
    } else {
        transmit(nic);
    }
}

/* ---- the host's kernel at the rings --------------------------------------------------------- */

static bool kernel_may(const VirtIONIC *nic)
{
    const NetClient *nc = &nic->nc;
    VirtIODevice *vdev = &nic->dev->parent;
    return virtio_running(vdev) && nic->pair < nic->dev->pairs_used && nc->peer && !nc->link_down &&
           !nc->peer->link_down && virtq_regs(vdev, 2 * nic->pair)->enabled &&
           virtq_regs(vdev, 2 * nic->pair + 1)->enabled;
}

/* What waits for buffers comes first, or not at all: there is no other way for it any more. */
static void start_vhost(VirtIONIC *nic)
{
    g_autoptr(GError) err = NULL;
    NetClient *peer = nic->nc.peer;
    if (nic->sending) {
        return; /* the peer has yet to take it: another time */
    }
    peer->info->lend(peer, true);
    net_client_ready(&nic->nc);
    net_client_purge(&nic->nc);
    if (!vhost_net_start(nic->vhost, nic->rx, nic->tx, nic->nc.vnet_hdr_len != 0, &err)) {
        g_printerr("NIC '%s': %s; its packets go through this process\n", nic->nc.name,
                   err->message);
        peer->info->lend(peer, false);
        vhost_net_free(g_steal_pointer(&nic->vhost));
    }
}

void virtio_net_update_vhost(VirtIONet *s)
{
    for (unsigned i = 0; i < s->nb_pairs; i++) {
        VirtIONIC *nic = s->nics[i];
        if (!nic || !nic->vhost || vhost_net_running(nic->vhost) == kernel_may(nic)) {
            continue;
        }
        if (!vhost_net_running(nic->vhost)) {
            start_vhost(nic);
            continue;
        }
        vhost_net_stop(nic->vhost);
        if (nic->nc.peer) {
            nic->nc.peer->info->lend(nic->nc.peer, false);
        }
    }
}

static bool make_vhost(VirtIONIC *nic, GError **err)
{
    NetClient *peer = nic->nc.peer;
    int wire, fd = peer && peer->info->vhost ? peer->info->vhost(peer, &wire) : -1;
    nic->vhost = fd >= 0 ? vhost_net_new(&nic->dev->parent, fd, wire, err) : NULL;
    return fd < 0 || nic->vhost;
}

static void set_status(VirtIODevice *vdev, uint8_t status)
{
    (void)status;
    virtio_net_update_vhost((VirtIONet *)vdev);
}

/* ---- the device ---------------------------------------------------------------------------- */

static void link_changed(NetClient *nc)
{
    VirtIONIC *nic = (VirtIONIC *)nc;
    virtio_net_update_vhost(nic->dev);
    if (!nc->peer) { /* it went away, and its descriptors with it */
        vhost_net_free(g_steal_pointer(&nic->vhost));
    }
    virtio_config_changed(&nic->dev->parent);
}

static bool announce(NetClient *nc)
{
    VirtIONet *s = ((VirtIONIC *)nc)->dev;
    if (!virtio_running(&s->parent) || !virtio_has(&s->parent, F_GUEST_ANNOUNCE)) {
        return false;
    }
    s->announcing = true;
    virtio_config_changed(&s->parent);
    return true;
}

static void nic_cleanup(NetClient *nc)
{
    VirtIONIC *nic = (VirtIONIC *)nc;
    vhost_net_free(nic->vhost);
    nic->dev->nics[nic->pair] = NULL;
}

static const uint8_t *nic_mac(NetClient *nc)
{
    return ((VirtIONIC *)nc)->dev->mac;
}

static const NetClientInfo nic_info = {
    .type = "nic",
    .desc = "virtio network device",
    .size = sizeof(VirtIONIC),
    .receive = virtio_net_receive,
    .can_receive = virtio_net_can_receive,
    .batch_end = virtio_net_batch_end,
    .link_changed = link_changed,
    .rx_filter = virtio_net_rx_filter,
    .mac = nic_mac,
    .announce = announce,
    .cleanup = nic_cleanup,
};

static void net_reset(VirtIODevice *vdev)
{
    VirtIONet *s = (VirtIONet *)vdev;
    virtio_net_update_vhost(s);
    for (unsigned i = 0; i < s->nb_pairs && s->nics[i]; i++) {
        VirtIONIC *nic = s->nics[i];
        VirtChain *c = g_steal_pointer(&nic->sending);
        if (nic->nc.peer) {
            net_client_purge(nic->nc.peer); /* it has a pointer to what we were sending */
        }
        if (nic->nc.vnet_hdr_len) {
            net_client_purge(&nic->nc); /* the next driver's headers may be others */
        }
        virtq_drop(c);
        nic->starved = NULL;
        nic->notify = false;
    }
    virtio_net_ctrl_reset(s);
}

static void make_pair(VirtIONet *s, unsigned i, NetClient *peer)
{
    const Device *carrier = s->parent.parent.bus ? s->parent.parent.bus->parent : NULL;
    const char *id = s->parent.parent.id ? s->parent.parent.id : carrier ? carrier->id : NULL;
    VirtIONIC *nic =
        (VirtIONIC *)net_client_new(&nic_info, i ? s->nics[0]->nc.name : id, "virtio-net", i);
    nic->dev = s;
    nic->pair = i;
    nic->rx = virtio_add_queue(&s->parent, s->rx_size, virtio_net_rx_kicked);
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

static void net_unrealize(Device *dev);

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
    s->nb_pairs = 1;
    if (wants(s, F_MQ) && s->peer) {
        s->nb_pairs = (unsigned)MAX(net_client_queues(s->peer->name, peers, NET_MAX_QUEUES), 1);
    }
    for (unsigned i = 0; i < s->nb_pairs; i++) {
        make_pair(s, i, peers[i]);
    }
    if (wants(s, F_CTRL_VQ)) {
        s->ctrl = virtio_add_queue(&s->parent, 64, virtio_net_ctrl_kicked);
    }
    virtio_net_ctrl_reset(s);
    for (unsigned i = 0; i < s->nb_pairs; i++) {
        if (!make_vhost(s->nics[i], err)) {
            net_unrealize(dev);
            return false;
        }
    }
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
    g_clear_pointer(&s->scratch, g_free);
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
    .set_status = set_status,
};

static const char *const duplexes[] = { "half", "full", "unknown", NULL };

static const Property own_props[] = {
    { .name = "netdev",
      .kind = PROP_NETDEV,
      .offset = offsetof(VirtIONet, peer),
      .doc = "the network back end" },
    { .name = "mac",
      .kind = PROP_MAC,
      .offset = offsetof(VirtIONet, preset_mac),
      .doc = "its address; made up if not given" },
    { .name = "bootindex",
      .kind = PROP_I32,
      .offset = offsetof(VirtIONet, bootindex),
      .preset = "-1",
      .doc = "its place in the boot order" },
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
    { .name = "speed",
      .kind = PROP_U32,
      .offset = offsetof(VirtIONet, speed),
      .preset = "4294967295",
      .doc = "Mb/s; 4294967295: unknown" },
    { .name = "duplex",
      .kind = PROP_ENUM,
      .offset = offsetof(VirtIONet, duplex),
      .preset = "unknown",
      .choices = duplexes,
      .doc = "what the guest shows" },
};

/* Those, and a row for each switch. */
static Property props[G_N_ELEMENTS(own_props) + NB_SWITCHES + 1];

static void __attribute__((constructor(101))) fill_props(void)
{
    memcpy(props, own_props, sizeof(own_props));
    for (unsigned i = 0; i < NB_SWITCHES; i++) {
        props[G_N_ELEMENTS(own_props) + i] = (Property){
            .name = switches[i].name,
            .kind = PROP_BOOL,
            .offset = (uint32_t)(offsetof(VirtIONet, wanted) + i * sizeof(bool)),
            .preset = switches[i].preset,
            .doc = switches[i].doc,
        };
    }
}

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
