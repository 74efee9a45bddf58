/* SPDX-License-Identifier: MIT */
/*
 * Net clients: the two ends of each network wire (docs/net.md). A NIC, a hub port, a tap, a socket,
 * a user-mode network: each is a NetClient with at most one peer. Everything here is called with
 * the big lock held, on any thread that has it; callbacks too.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "util/opts.h"

typedef struct NetClient NetClient;
typedef struct NetQueue NetQueue;
typedef struct NetFilter NetFilter;

enum {
    NET_MAX_QUEUES = 64,        /* pairs of one multi-queue client */
    NET_MAX_PACKET = 68 * 1024, /* bytes: a 64 KiB segment with all headers */
    NET_VNET_HDR_MAX = 20,      /* struct virtio_net_hdr_v1_hash is the longest */
};

/* What a packet came to. Bytes taken (all of them); 0: not now, wait; negative: dropped, counted.
 */
typedef ssize_t NetResult;

/* Checksums and segmentation that a client does for its peer (virtio 1.2 §5.1.3, linux/if_tun.h
 * TUN_F_*). */
enum {
    NET_OFFLOAD_CSUM = 1,
    NET_OFFLOAD_TSO4 = 2,
    NET_OFFLOAD_TSO6 = 4,
    NET_OFFLOAD_ECN = 8,
    NET_OFFLOAD_UFO = 16,
};

/* What a NIC lets through, for programs that do the same on the host's side (query-rx-filter). */
typedef struct NetRxFilter {
    bool promiscuous, broadcast, unicast_overflow, multicast_overflow;
    const char *unicast, *multicast, *vlan; /* "normal", "none", "all" */
    uint8_t mac[6];
    const uint8_t (*macs)[6]; /* unicast ones first; the NIC's */
    unsigned nb_unicast, nb_multicast;
    const uint32_t *vlans; /* 4096 bits; the NIC's */
} NetRxFilter;

/* A kind of client. Hooks may be NULL. */
typedef struct NetClientInfo {
    const char *type;   /* "tap": -netdev's first word */
    const char *desc;   /* one line for help */
    size_t size;        /* of the client's struct, which begins with a NetClient */
    const OptDef *opts; /* of -netdev type,…, beside id=; NULL: no such option (NICs) */
    /*
     * -netdev: makes one or several clients (net_client_new, one for each queue) named name.
     * False: *err names the option at fault, and none is left behind.
     */
    bool (*create)(const char *name, const Opts *opts, GError **err);
    /* The peer sent a packet. A vnet header of vnet_hdr_len bytes is in front if that is not 0.
     * Must be there. */
    NetResult (*receive)(NetClient *nc, const struct iovec *iov, int iovcnt);
    bool (*can_receive)(NetClient *nc); /* NULL: always */
    /* May take packets again after receive() or can_receive() of the peer said no. */
    void (*peer_ready)(NetClient *nc);
    void (*link_changed)(NetClient *nc);           /* its own link or its peer's */
    void (*batch_end)(NetClient *nc);              /* a burst is over (net_batch_begin) */
    void (*use_queue)(NetClient *nc, bool on);     /* its peer takes packets from this queue */
    void (*cleanup)(NetClient *nc);                /* before it is freed */
    void (*describe)(NetClient *nc, GString *out); /* `info network`, behind the name */
    /* Of NICs. */
    void (*rx_filter)(NetClient *nc, NetRxFilter *out);
    const uint8_t *(*mac)(NetClient *nc);
    bool (*announce)(NetClient *nc); /* its driver will tell the network where it is */
    /* Offers of a client that can carry a vnet header. */
    bool (*has_vnet_hdr_len)(NetClient *nc, int len);
    void (*set_vnet_hdr_len)(NetClient *nc, int len);   /* 0: none */
    unsigned (*offloads)(NetClient *nc);                /* NET_OFFLOAD_* that it takes */
    void (*set_offloads)(NetClient *nc, unsigned mask); /* … that its peer takes from it */
    /* The host's kernel can take packets from a NIC's rings, and put them there: a descriptor of
     * /dev/vhost-net, and of what the packets come from. -1: it cannot. */
    int (*vhost)(NetClient *nc, int *wire);
    void (*lend)(NetClient *nc, bool on); /* it does so from now on: this client reads nothing */
} NetClientInfo;

typedef struct NetStats {
    uint64_t packets, bytes; /* delivered to this client */
    uint64_t dropped_link;   /* one of the two links was down */
    uint64_t dropped_full;   /* its queue was full and the sender would not wait */
    uint64_t dropped_self;   /* it said so (malformed, no buffer it would wait for…) */
    uint64_t dropped_purged; /* waiting when sender or receiver went away */
    uint64_t no_peer;        /* it sent these, and nobody was at the other end */
    uint64_t filtered;       /* of a NIC: received, and not meant for it */
    uint64_t sent_bad;       /* of a NIC: its driver asked for something that is no packet */
} NetStats;

struct NetClient {
    const NetClientInfo *info;
    char *name;  /* -netdev id=, -device id=, or made up; the queues of one share it */
    char *model; /* of a NIC: "virtio-net"; else the type */
    NetClient *peer;
    NetQueue *incoming; /* from the peer, until this client can receive */
    unsigned queue_index;
    bool link_down;
    bool receive_disabled; /* receive() said 0: until net_client_ready */
    bool is_netdev;        /* made by -netdev: it may be deleted by netdev_del */
    unsigned in_batch;     /* of its peer */
    int vnet_hdr_len;      /* bytes in front of each packet it receives and sends */
    GPtrArray *filters;    /* NetFilter *, in the order in which outgoing packets meet them */
    NetStats stats;
};

/* ---- making and finding -------------------------------------------------------------------------
 */

/* name is copied; NULL: "type.N". The client has no peer yet. */
NetClient *net_client_new(const NetClientInfo *info, const char *name, const char *model,
                          unsigned queue_index);
/* With its peer's link ended, packets of both purged. */
void net_client_delete(NetClient *nc);
/* The client of that name and queue that is no NIC (nic: that is one); NULL: none. */
NetClient *net_client_find(const char *name, unsigned queue_index, bool nic);
/* Clients of that name, at most max of them; how many. */
int net_client_queues(const char *name, NetClient **out, int max);
GPtrArray *net_clients(void); /* all, in order of their making; do not change */
/* Two ends of a wire. False: one has a peer already. */
bool net_connect(NetClient *a, NetClient *b, GError **err);

/* ---- packets
 * ------------------------------------------------------------------------------------------ */

/* The packet that had to wait is gone: `taken` as receive() says. The sender may go on. */
typedef void NetSent(NetClient *sender, NetResult taken);
/*
 * To the peer, through the filters. Returns the size: done with (delivered, dropped and counted, or
 * copied and queued); or 0, only if `sent` is given: it is queued, and the sender shall send
 * nothing more until sent() is called. Without `sent` a full queue drops it.
 */
NetResult net_send_iov(NetClient *nc, const struct iovec *iov, int iovcnt, NetSent *sent);
NetResult net_send(NetClient *nc, const void *buf, size_t size, NetSent *sent);
/* Around a burst of packets: the receiver may put off telling its guest until the end. */
void net_batch_begin(NetClient *nc);
void net_batch_end(NetClient *nc);
/* Whether the peer would take a packet now. */
bool net_can_send(NetClient *nc);
/* This client can receive again: what waits for it is delivered, in order. */
void net_client_ready(NetClient *nc);
/* Drops what waits for nc (a device was reset). */
void net_client_purge(NetClient *nc);

/* ---- link, offloads
 * --------------------------------------------------------------------------------------- */

/* Of all queues of that name, and of the netdev's NIC: what set_link does. */
bool net_set_link(const char *name, bool up, GError **err);
bool net_peer_has_vnet_hdr(NetClient *nc, int len);
/* On nc's peer: both ends carry it from now on. */
void net_use_vnet_hdr(NetClient *nc, int len);
unsigned net_peer_offloads(NetClient *nc);
void net_peer_set_offloads(NetClient *nc, unsigned mask);

/* On nc's peer, one of several queues: whether it shall be given packets. */
void net_peer_use_queue(NetClient *nc, bool on);

/* ---- what programs outside hear of
 * ------------------------------------------------------------------------------- */

typedef void NetEventHook(const char *event, NetClient *nic);
void net_set_event_hook(NetEventHook *hook);
void net_event(const char *event, NetClient *nic);
/* Each NIC (or that one) tells the network where it is, as after a move. */
void net_announce(const char *name);

/* ---- hub: what comes in at one port leaves at every other
 * ------------------------------------------------------ */

/* A new port of hub number id; made with the first port. */
NetClient *net_hub_port_new(int id, const char *name);
void net_hub_describe(GString *out);

/* ---- options
 * --------------------------------------------------------------------------------------------------
 */

/* "tap,id=n0,ifname=…" or a JSON object. */
bool net_add_netdev(const char *text, GError **err);
bool net_del_netdev(const char *id, GError **err);
/* "-net nic,model=,macaddr=", "-net user,…": client on hub 0; -nic: both ends at once. What is
 * asked for as NIC is kept for the machine: */
bool net_add_legacy(const char *text, GError **err);
bool net_add_nic(const char *text, GError **err);
bool net_parsed_any(void); /* one of those options was given: no default NIC */
typedef struct NICRequest {
    char *model, *macaddr, *id, *addr; /* NULL: not said */
    NetClient *peer;
    bool used; /* by the machine or a device */
} NICRequest;
/* Of -net nic and -nic, in order. */
GPtrArray *net_nic_requests(void);
/* A client without a peer, a NIC request that no machine took: true, and messages on f. */
bool net_check(FILE *f);
void net_cleanup(void);
/* `info network` */
char *net_describe(void);
/* Packets that the client did not get, for whatever reason. */
uint64_t net_dropped(const NetClient *nc);

extern const NetClientInfo *const net_client_types[]; /* of -netdev; NULL at the end */

/* 52:54:00:12:34:56 and counting, where the user says nothing. */
void net_default_mac(uint8_t mac[6]);
char *net_mac_text(const uint8_t mac[6]); /* g_free */
bool net_parse_mac(const char *text, uint8_t mac[6]);

#endif
