/* SPDX-License-Identifier: MIT */
/* Clients over stream sockets: each packet after its length, 32 bits, big endian. */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "net/fdwatch.h"
#include "net/net.h"
#include "net/sockaddr.h"

typedef struct StreamClient {
    NetClient nc;
    NetAddr addr;
    bool server, connected;
    unsigned reconnect; /* s */
    guint timer;
    FdWatch listener, conn; /* fd -1: closed */
    size_t rx_len, tx_len, tx_pos;
    uint8_t rx[2 * (NET_MAX_PACKET + 4)];
    uint8_t tx[NET_MAX_PACKET + 4]; /* the rest of a packet that the kernel took in part */
} StreamClient;

/* Listens at, or connects to, addr; fd >= 0: that descriptor instead. reconnect: seconds until the
 * next try, 0: none. The link is down while nobody is at the other end. */
bool net_stream_new(const NetClientInfo *info, const char *name, const NetAddr *addr, int fd,
                    bool server, unsigned reconnect, GError **err);
/* The hooks of its NetClientInfo. */
NetResult net_stream_receive(NetClient *nc, const struct iovec *iov, int iovcnt);
bool net_stream_can_receive(NetClient *nc);
void net_stream_cleanup(NetClient *nc);
void net_stream_describe(NetClient *nc, GString *out);

typedef struct DgramClient {
    NetClient nc;
    FdWatch watch;
    NetAddr remote; /* len 0: a connected descriptor */
    bool write_wait;
    uint8_t buf[NET_MAX_PACKET];
} DgramClient;

/* The same over datagram sockets: a packet each. remote.len 0: whoever sent last. */
bool net_dgram_new(const NetClientInfo *info, const char *name, int fd, const NetAddr *remote);
NetResult net_dgram_receive(NetClient *nc, const struct iovec *iov, int iovcnt);
void net_dgram_cleanup(NetClient *nc);
void net_dgram_describe(NetClient *nc, GString *out);
/* A socket in the multicast group; local: interface's address, or NULL. -1: *err. */
int net_mcast_socket(const NetAddr *group, const char *local, GError **err);

#endif
