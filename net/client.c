/* SPDX-License-Identifier: MIT */
/* NetClient: making, finding, connecting; sending; link state; offloads. */
#include "net/net.h"

#include <errno.h>
#include <string.h>

#include "net/filter.h"
#include "net/queue.h"

static GPtrArray *clients; /* NetClient *, in order of their making */

GPtrArray *net_clients(void)
{
    if (!clients) {
        clients = g_ptr_array_new();
    }
    return clients;
}

static char *made_up_name(const char *type)
{
    for (int n = 0;; n++) {
        char *name = g_strdup_printf("%s.%d", type, n);
        bool taken = false;

        for (guint i = 0; i < net_clients()->len; i++) {
            taken |= !strcmp(((NetClient *)clients->pdata[i])->name, name);
        }
        if (!taken) {
            return name;
        }
        g_free(name);
    }
}

NetClient *net_client_new(const NetClientInfo *info, const char *name, const char *model,
                          unsigned queue_index)
{
    NetClient *nc = g_malloc0(info->size);

    nc->info = info;
    nc->name = name ? g_strdup(name) : made_up_name(info->type);
    nc->model = g_strdup(model ? model : info->type);
    nc->queue_index = queue_index;
    nc->incoming = net_queue_new(nc);
    nc->filters = g_ptr_array_new();
    g_ptr_array_add(net_clients(), nc);
    return nc;
}

void net_client_delete(NetClient *nc)
{
    NetClient *peer = nc->peer;

    if (peer) {
        net_filters_forget(peer, nc);
        net_filters_forget(nc, peer);
    }
    net_filters_drop(nc);
    if (peer) {
        net_queue_purge(peer->incoming, nc);
        net_queue_purge(nc->incoming, NULL);
        if (peer->vnet_hdr_len) { /* the next one may not know it */
            net_peer_set_offloads(nc, 0);
            net_use_vnet_hdr(nc, 0);
        }
        nc->peer = NULL;
        peer->peer = NULL;
        peer->in_batch = 0;
        if (peer->info->link_changed) {
            peer->info->link_changed(peer);
        }
    }
    if (nc->info->cleanup) {
        nc->info->cleanup(nc);
    }
    g_ptr_array_remove(clients, nc);
    net_queue_free(nc->incoming);
    g_ptr_array_free(nc->filters, TRUE);
    g_free(nc->name);
    g_free(nc->model);
    g_free(nc);
}

static bool is_nic(const NetClient *nc)
{
    return !strcmp(nc->info->type, "nic");
}

NetClient *net_client_find(const char *name, unsigned queue_index, bool nic)
{
    for (guint i = 0; i < net_clients()->len; i++) {
        NetClient *nc = clients->pdata[i];

        if (!strcmp(nc->name, name) && nc->queue_index == queue_index && is_nic(nc) == nic) {
            return nc;
        }
    }
    return NULL;
}

int net_client_queues(const char *name, NetClient **out, int max)
{
    int n = 0;

    for (guint i = 0; i < net_clients()->len; i++) {
        NetClient *nc = clients->pdata[i];

        if (!is_nic(nc) && !strcmp(nc->name, name) && n < max) {
            out[n++] = nc;
        }
    }
    return n;
}

bool net_connect(NetClient *a, NetClient *b, GError **err)
{
    const NetClient *taken = a->peer ? a : b->peer ? b : NULL;

    if (taken) {
        g_set_error(err, OPTS_ERROR, EBUSY, "netdev '%s' is already connected to '%s'", taken->name,
                    taken->peer->name);
        return false;
    }
    a->peer = b;
    b->peer = a;
    return true;
}

/* ---- sending
 * -------------------------------------------------------------------------------------- */

static size_t total(const struct iovec *iov, int iovcnt)
{
    size_t size = 0;

    for (int i = 0; i < iovcnt; i++) {
        size += iov[i].iov_len;
    }
    return size;
}

NetResult net_send_iov(NetClient *nc, const struct iovec *iov, int iovcnt, NetSent *sent)
{
    NetResult size = (NetResult)total(iov, iovcnt);

    if (!nc->peer) {
        nc->stats.no_peer++;
        return size;
    }
    if (nc->link_down) {
        nc->peer->stats.dropped_link++;
        return size;
    }
    if (net_filters_run(nc, iov, iovcnt)) {
        return size;
    }
    return net_queue_send(nc->peer->incoming, nc, iov, iovcnt, sent);
}

NetResult net_send(NetClient *nc, const void *buf, size_t size, NetSent *sent)
{
    struct iovec iov = { (void *)(uintptr_t)buf, size };

    return net_send_iov(nc, &iov, 1, sent);
}

bool net_can_send(NetClient *nc)
{
    NetClient *peer = nc->peer;

    if (!peer || nc->link_down || peer->link_down) {
        return true; /* and it is dropped */
    }
    return !peer->receive_disabled && !net_queue_length(peer->incoming) &&
           (!peer->info->can_receive || peer->info->can_receive(peer));
}

void net_batch_begin(NetClient *nc)
{
    if (nc->peer) {
        nc->peer->in_batch++;
    }
}

static void end_batch(NetClient *nc)
{
    if (nc->in_batch && --nc->in_batch == 0 && nc->info->batch_end) {
        nc->info->batch_end(nc);
    }
}

void net_batch_end(NetClient *nc)
{
    if (nc->peer) {
        end_batch(nc->peer);
    }
}

void net_client_ready(NetClient *nc)
{
    nc->receive_disabled = false;
    if (net_queue_length(nc->incoming)) {
        nc->in_batch++;
        net_queue_flush(nc->incoming);
        end_batch(nc);
    }
    if (!net_queue_length(nc->incoming) && nc->peer && nc->peer->info->peer_ready) {
        nc->peer->info->peer_ready(nc->peer);
    }
}

void net_client_purge(NetClient *nc)
{
    nc->receive_disabled = false;
    net_queue_purge(nc->incoming, NULL);
}

/* ---- link
 * ------------------------------------------------------------------------------------------- */

static void set_one_link(NetClient *nc, bool up)
{
    if (nc->link_down == !up) {
        return;
    }
    nc->link_down = !up;
    if (!up) {
        net_client_ready(nc); /* what waited is dropped: nobody is stuck behind it */
    }
    if (nc->info->link_changed) {
        nc->info->link_changed(nc);
    }
}

bool net_set_link(const char *name, bool up, GError **err)
{
    bool found = false;

    for (guint i = 0; i < net_clients()->len; i++) {
        NetClient *nc = clients->pdata[i];

        if (strcmp(nc->name, name)) {
            continue;
        }
        found = true;
        set_one_link(nc, up);
        /* the cable of a netdev is the cable of its NIC, which should see it */
        if (!is_nic(nc) && nc->peer && is_nic(nc->peer)) {
            set_one_link(nc->peer, up);
        }
    }
    if (!found) {
        g_set_error(err, OPTS_ERROR, ENODEV, "set_link: no network client is named '%s'", name);
    }
    return found;
}

/* ---- vnet header and offloads
 * ------------------------------------------------------------------------- */

bool net_peer_has_vnet_hdr(NetClient *nc, int len)
{
    NetClient *peer = nc->peer;

    return peer && peer->info->has_vnet_hdr_len && peer->info->has_vnet_hdr_len(peer, len);
}

void net_use_vnet_hdr(NetClient *nc, int len)
{
    NetClient *ends[] = { nc, nc->peer };

    for (int i = 0; i < 2; i++) {
        if (ends[i]) {
            ends[i]->vnet_hdr_len = len;
            if (ends[i]->info->set_vnet_hdr_len) {
                ends[i]->info->set_vnet_hdr_len(ends[i], len);
            }
        }
    }
}

unsigned net_peer_offloads(NetClient *nc)
{
    return nc->peer && nc->peer->info->offloads ? nc->peer->info->offloads(nc->peer) : 0;
}

void net_peer_set_offloads(NetClient *nc, unsigned mask)
{
    if (nc->peer && nc->peer->info->set_offloads) {
        nc->peer->info->set_offloads(nc->peer, mask);
    }
}

void net_peer_use_queue(NetClient *nc, bool on)
{
    if (nc->peer && nc->peer->info->use_queue) {
        nc->peer->info->use_queue(nc->peer, on);
    }
}

/* ---- events, announcing
 * ------------------------------------------------------------------------------- */

static NetEventHook *event_hook;

void net_set_event_hook(NetEventHook *hook)
{
    event_hook = hook;
}

void net_event(const char *event, NetClient *nic)
{
    if (event_hook) {
        event_hook(event, nic);
    }
}

/* RFC 903: a request of one's own address to all, which is how switches learn where it is. */
static void send_rarp(NetClient *nc, const uint8_t mac[6])
{
    enum { RARP = 0x8035, ETHERNET = 1, IP = 0x0800, REQUEST_REVERSE = 3 };
    uint8_t packet[60] = { 0 }, *p = packet;
    const uint16_t words[] = { RARP, ETHERNET, IP, 6 << 8 | 4, REQUEST_REVERSE };

    memset(p, 0xff, 6);
    memcpy(p + 6, mac, 6);
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        p[12 + 2 * i] = (uint8_t)(words[i] >> 8);
        p[13 + 2 * i] = (uint8_t)words[i];
    }
    memcpy(p + 22, mac, 6);
    memcpy(p + 32, mac, 6);
    if (!nc->vnet_hdr_len) {
        net_send(nc, packet, sizeof(packet), NULL);
        return;
    }
    static uint8_t no_header[NET_VNET_HDR_MAX];
    struct iovec iov[] = { { no_header, (size_t)nc->vnet_hdr_len }, { packet, sizeof(packet) } };
    net_send_iov(nc, iov, 2, NULL);
}

void net_announce(const char *name)
{
    for (guint i = 0; i < net_clients()->len; i++) {
        NetClient *nc = clients->pdata[i];

        if (!is_nic(nc) || nc->queue_index || (name && strcmp(nc->name, name))) {
            continue;
        }
        if (!(nc->info->announce && nc->info->announce(nc)) && nc->info->mac) {
            send_rarp(nc, nc->info->mac(nc));
        }
    }
}

void net_cleanup(void)
{
    while (net_clients()->len) {
        net_client_delete(clients->pdata[clients->len - 1]);
    }
}
