/* SPDX-License-Identifier: MIT */
/*
 * Packets on their way to one client. A packet that the client cannot take waits; while any waits,
 * later ones go behind it. Delivery does not nest: what is sent from inside of a delivery to the
 * same client is queued and delivered after it.
 */
#ifndef NET_QUEUE_H
#define NET_QUEUE_H

#include "net/net.h"

enum {
    NET_QUEUE_PACKETS = 4096, /* bounds, for senders that do not wait */
    NET_QUEUE_BYTES = 16 << 20,
};

NetQueue *net_queue_new(NetClient *receiver);
void net_queue_free(NetQueue *q);
/* As net_send_iov, to the queue's receiver. */
NetResult net_queue_send(NetQueue *q, NetClient *sender, const struct iovec *iov, int iovcnt,
                         NetSent *sent);
/* Delivers what waits; false: the receiver stopped before the end. */
bool net_queue_flush(NetQueue *q);
/* Drops what waits: of one sender, which goes away, or (NULL) all, whose senders are told. */
void net_queue_purge(NetQueue *q, NetClient *sender);
bool net_queue_has_room(const NetQueue *q);
unsigned net_queue_length(const NetQueue *q);

#endif
