/* SPDX-License-Identifier: MIT */
/* The parts of the virtio network device: virtio 1.2, 5.1. */
#ifndef HW_NET_VIRTIO_NET_H
#define HW_NET_VIRTIO_NET_H

#include "hw/net/eth.h"
#include "hw/net/vhost-net.h"
#include "hw/virtio/virtio.h"
#include "net/net.h"

/* Feature bits, 5.1.3. */
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
    F_CTRL_VLAN = 19,
    F_CTRL_RX_EXTRA = 20,
    F_GUEST_ANNOUNCE = 21,
    F_MQ = 22,
    F_CTRL_MAC_ADDR = 23,
    F_HASH_REPORT = 57,
    F_RSS = 60,
    F_SPEED_DUPLEX = 63,
};

enum {
    STATUS_LINK_UP = 1,
    STATUS_ANNOUNCE = 2,
    MAX_MACS = 64,
    MAX_CHAINS = 128, /* that one packet may be spread over */
    MAX_VLANS = 4096,
    MAX_RSS_TABLE = 128,
    /* IPv4, TCPv4, UDPv4, IPv6, TCPv6, UDPv6, 5.1.6.4.3 */
    RSS_TYPES = 0x3f,
};
enum { RX_PROMISC, RX_ALLMULTI, RX_ALLUNI, RX_NOMULTI, RX_NOUNI, RX_NOBCAST, RX_MODES };

/* 5.1.6. Little endian. num_buffers is there with mergeable buffers and from version 1 on, the rest
 * with F_HASH_REPORT. */
typedef struct NetHeader {
    uint8_t flags, gso_type;
    uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
    uint32_t hash;
    uint16_t hash_report, padding;
} NetHeader;
enum { HEADER_LEGACY = 10, HEADER_V1 = 12, HEADER_HASH = 20 };

/* 5.1.4 */
typedef struct NetConfig {
    uint8_t mac[6];
    uint16_t status, max_pairs, mtu;
    uint32_t speed;
    uint8_t duplex, rss_max_key;
    uint16_t rss_max_table;
    uint32_t hash_types;
} NetConfig;

typedef struct VirtIONet VirtIONet;

/* One queue pair's end of its wire. */
typedef struct VirtIONIC {
    NetClient nc;
    VirtIONet *dev;
    unsigned pair;
    VirtQueue *rx, *tx;
    VhostNet *vhost;    /* NULL: we do it */
    VirtChain *sending; /* the peer has not taken it yet */
    VirtQueue *starved; /* what came here waits for buffers of that queue */
    bool notify;        /* the driver has not been told of what is in rx */
} VirtIONIC;

/* Where packets go by their hash, and whether it is told to the driver. */
typedef struct VirtIORss {
    bool steer, report;
    uint32_t types;
    uint16_t mask, unclassified;
    uint16_t table[MAX_RSS_TABLE];
    uint8_t key[ETH_RSS_KEY];
} VirtIORss;

enum { NB_SWITCHES = 23 }; /* rows of the table of features */

struct VirtIONet {
    VirtIODevice parent;
    NetClient *peer;
    uint8_t preset_mac[6], mac[6];
    int32_t bootindex;
    uint16_t rx_size, tx_size, mtu;
    uint32_t speed;
    int duplex;
    bool wanted[NB_SWITCHES];

    VirtIONIC *nics[NET_MAX_QUEUES];
    unsigned nb_pairs, pairs_used;
    VirtQueue *ctrl;
    bool rx_mode[RX_MODES];
    bool unicast_overflow, multicast_overflow; /* more addresses than MAX_MACS: take all */
    unsigned nb_macs, first_multicast;
    uint8_t macs[MAX_MACS][6];
    uint32_t vlans[MAX_VLANS / 32];
    bool announcing;
    bool filter_told; /* an event went out that nobody has asked about yet */
    VirtIORss rss;
    uint8_t *scratch; /* a packet in one piece, when its hash is wanted */
};

static inline unsigned virtio_net_header_len(const VirtIONet *s)
{
    return virtio_has(&s->parent, F_HASH_REPORT) ? HEADER_HASH
           : virtio_has(&s->parent, F_MRG_RXBUF) || virtio_has(&s->parent, VIRTIO_F_VERSION_1)
               ? HEADER_V1
               : HEADER_LEGACY;
}

/* ---- virtio-net-rx.c ---- */
bool virtio_net_can_receive(NetClient *nc);
NetResult virtio_net_receive(NetClient *nc, const struct iovec *iov, int iovcnt);
void virtio_net_batch_end(NetClient *nc);
void virtio_net_rx_kicked(VirtIODevice *vdev, VirtQueue *vq);

/* ---- virtio-net-ctrl.c ---- */
void virtio_net_ctrl_kicked(VirtIODevice *vdev, VirtQueue *vq);
void virtio_net_ctrl_reset(VirtIONet *s);
void virtio_net_apply_offloads(VirtIONet *s, uint64_t features);
void virtio_net_use_pairs(VirtIONet *s, unsigned pairs);
void virtio_net_rx_filter(NetClient *nc, NetRxFilter *out);

/* ---- virtio-net.c ---- */
/* Starts and stops the kernel's part where there is one. */
void virtio_net_update_vhost(VirtIONet *s);

#endif
