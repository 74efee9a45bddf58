/* SPDX-License-Identifier: MIT */
/* NetQueue: order, waiting, bounds. */
#include "net/queue.h"

#include <string.h>

typedef struct Packet {
    struct Packet *next;
    NetClient *sender;
    NetSent *sent;
    size_t size;
    uint8_t data[];
} Packet;

struct NetQueue {
    NetClient *receiver;
    Packet *head, **tail;
    unsigned length;
    size_t bytes;
    bool delivering;
    Packet *current; /* being delivered by flush */
};

NetQueue *net_queue_new(NetClient *receiver)
{
    NetQueue *q = g_new0(NetQueue, 1);

    q->receiver = receiver;
    q->tail = &q->head;
    return q;
}

void net_queue_free(NetQueue *q)
{
    net_queue_purge(q, NULL);
    g_free(q);
}

unsigned net_queue_length(const NetQueue *q)
{
    return q->length;
}

bool net_queue_has_room(const NetQueue *q)
{
    return q->length < NET_QUEUE_PACKETS && q->bytes < NET_QUEUE_BYTES;
}

static size_t iov_size(const struct iovec *iov, int iovcnt)
{
    size_t size = 0;

    for (int i = 0; i < iovcnt; i++) {
        size += iov[i].iov_len;
    }
    return size;
}

static bool receiver_ready(const NetQueue *q)
{
    NetClient *nc = q->receiver;

    return nc->link_down || /* it takes and drops everything */
           (!nc->receive_disabled && (!nc->info->can_receive || nc->info->can_receive(nc)));
}

/* Counts what became of the packet; 0 if it has to wait. */
static NetResult deliver(NetQueue *q, const struct iovec *iov, int iovcnt, size_t size)
{
    NetClient *nc = q->receiver;
    NetResult ret;

    if (nc->link_down) {
        nc->stats.dropped_link++;
        return (NetResult)size;
    }
    q->delivering = true;
    ret = nc->info->receive(nc, iov, iovcnt);
    q->delivering = false;
    if (ret > 0) {
        nc->stats.packets++;
        nc->stats.bytes += size;
    } else if (ret < 0) {
        nc->stats.dropped_self++;
    } else {
        nc->receive_disabled = true;
    }
    return ret;
}

static void append(NetQueue *q, NetClient *sender, const struct iovec *iov, int iovcnt, size_t size,
                   NetSent *sent)
{
    Packet *p = g_malloc(sizeof(*p) + size);
    size_t at = 0;

    *p = (Packet){ .sender = sender, .sent = sent, .size = size };
    for (int i = 0; i < iovcnt; i++) {
        memcpy(p->data + at, iov[i].iov_base, iov[i].iov_len);
        at += iov[i].iov_len;
    }
    *q->tail = p;
    q->tail = &p->next;
    q->length++;
    q->bytes += size;
}

NetResult net_queue_send(NetQueue *q, NetClient *sender, const struct iovec *iov, int iovcnt,
                         NetSent *sent)
{
    size_t size = iov_size(iov, iovcnt);
    NetResult ret = 0;

    if (size == 0 || size > NET_MAX_PACKET) {
        q->receiver->stats.dropped_self++;
        return (NetResult)MAX(size, 1);
    }
    if (!q->head && !q->delivering && receiver_ready(q)) {
        ret = deliver(q, iov, iovcnt, size);
    }
    if (ret == 0) {
        if (!sent && !net_queue_has_room(q)) {
            q->receiver->stats.dropped_full++;
            return (NetResult)size;
        }
        append(q, sender, iov, iovcnt, size, sent);
        return sent ? 0 : (NetResult)size;
    }
    if (q->head && !q->delivering) { /* sent by the receiver's own receive() */
        net_queue_flush(q);
    }
    return (NetResult)size;
}

static Packet *take_head(NetQueue *q)
{
    Packet *p = q->head;

    q->head = p->next;
    if (!q->head) {
        q->tail = &q->head;
    }
    q->length--;
    q->bytes -= p->size;
    return p;
}

static void put_back(NetQueue *q, Packet *p)
{
    p->next = q->head;
    if (!q->head) {
        q->tail = &p->next;
    }
    q->head = p;
    q->length++;
    q->bytes += p->size;
}

bool net_queue_flush(NetQueue *q)
{
    if (q->delivering) {
        return false;
    }
    while (q->head && receiver_ready(q)) {
        Packet *p = take_head(q);
        struct iovec iov = { p->data, p->size };
        q->current = p;
        NetResult ret = deliver(q, &iov, 1, p->size);
        q->current = NULL;

        if (ret == 0 && p->sender) {
            put_back(q, p);
            return false;
        }
        if (p->sent && p->sender) {
            p->sent(p->sender, ret);
        }
        g_free(p);
    }
    return !q->head;
}

void net_queue_purge(NetQueue *q, NetClient *sender)
{
    Packet **at = &q->head, *gone = NULL, **gone_tail = &gone;

    if (q->current && q->current->sender == sender) {
        q->current->sender = NULL;
    }
    while (*at) {
        Packet *p = *at;

        if (sender && p->sender != sender) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        p->next = NULL;
        *gone_tail = p;
        gone_tail = &p->next;
        q->length--;
        q->bytes -= p->size;
        q->receiver->stats.dropped_purged++;
    }
    q->tail = at;
    while (gone) {
        Packet *p = gone;

        gone = p->next;
        if (p->sent && !sender) { /* or it would wait for ever */
            p->sent(p->sender, -1);
        }
        g_free(p);
    }
}
