/* SPDX-License-Identifier: MIT */
/*
 * NetHub: what one port receives leaves at all others. A port takes a packet only when every other
 * port's peer has room for it, so that a slow one holds the wire and nothing is lost.
 */
#include <errno.h>

#include "net/filter.h"
#include "net/net.h"
#include "net/queue.h"

typedef struct NetHub {
    int id;
    GPtrArray *ports; /* NetHubPort * */
    struct NetHub *next;
} NetHub;

typedef struct NetHubPort {
    NetClient nc;
    NetHub *hub;
} NetHubPort;

static NetHub *hubs;

static NetHubPort *port_of(NetClient *nc)
{
    return (NetHubPort *)nc;
}

static bool hub_can_receive(NetClient *nc)
{
    NetHub *hub = port_of(nc)->hub;

    for (guint i = 0; i < hub->ports->len; i++) {
        NetClient *port = hub->ports->pdata[i];

        if (port != nc && port->peer && !port->peer->link_down &&
            !net_queue_has_room(port->peer->incoming)) {
            return false;
        }
    }
    return true;
}

static NetResult hub_receive(NetClient *nc, const struct iovec *iov, int iovcnt)
{
    NetHub *hub = port_of(nc)->hub;
    NetResult size = 0;

    for (int i = 0; i < iovcnt; i++) {
        size += (NetResult)iov[i].iov_len;
    }
    for (guint i = 0; i < hub->ports->len; i++) {
        NetClient *port = hub->ports->pdata[i];

        if (port != nc && port->peer) {
            net_send_iov(port, iov, iovcnt, NULL);
        }
    }
    return size;
}

/* One port's peer has room again: who waited for it may go on. */
static void hub_peer_ready(NetClient *nc)
{
    NetHub *hub = port_of(nc)->hub;

    for (guint i = 0; i < hub->ports->len; i++) {
        NetClient *port = hub->ports->pdata[i];

        if (port != nc) {
            net_client_ready(port);
        }
    }
}

static void hub_cleanup(NetClient *nc)
{
    NetHub *hub = port_of(nc)->hub;

    g_ptr_array_remove(hub->ports, nc);
    if (hub->ports->len == 0) {
        NetHub **at = &hubs;

        while (*at != hub) {
            at = &(*at)->next;
        }
        *at = hub->next;
        g_ptr_array_free(hub->ports, TRUE);
        g_free(hub);
    }
}

static const OptDef hubport_opts[] = {
    { "hubid", OPT_NUM, "0", "number of the hub" },
    { "netdev", OPT_STR, NULL, "id of the netdev at the port's other end" },
    { 0 },
};

static bool hubport_create(const char *name, const Opts *opts, GError **err)
{
    const char *netdev = opt_str(opts, hubport_opts, "netdev");
    NetClient *other = NULL;

    if (netdev && !(other = net_client_find(netdev, 0, false))) {
        g_set_error(err, OPTS_ERROR, ENODEV, "-netdev hubport: netdev=%s: there is no such netdev",
                    netdev);
        return false;
    }
    NetClient *port = net_hub_port_new((int)opt_num(opts, hubport_opts, "hubid"), name);
    if (other && !net_connect(port, other, err)) {
        net_client_delete(port);
        return false;
    }
    return true;
}

const NetClientInfo net_hubport_info = {
    .type = "hubport",
    .desc = "a port of a hub: what comes in leaves at all other ports",
    .size = sizeof(NetHubPort),
    .opts = hubport_opts,
    .create = hubport_create,
    .receive = hub_receive,
    .can_receive = hub_can_receive,
    .peer_ready = hub_peer_ready,
    .cleanup = hub_cleanup,
};

static NetHub *find_hub(int id)
{
    NetHub *hub = hubs;

    while (hub && hub->id != id) {
        hub = hub->next;
    }
    if (!hub) {
        hub = g_new0(NetHub, 1);
        hub->id = id;
        hub->ports = g_ptr_array_new();
        hub->next = hubs;
        hubs = hub;
    }
    return hub;
}

NetClient *net_hub_port_new(int id, const char *name)
{
    NetHub *hub = find_hub(id);
    g_autofree char *made_up = g_strdup_printf("hub%dport%u", id, hub->ports->len);
    NetClient *nc = net_client_new(&net_hubport_info, name ? name : made_up, NULL, 0);

    port_of(nc)->hub = hub;
    g_ptr_array_add(hub->ports, nc);
    return nc;
}

void net_hub_describe(GString *out)
{
    for (NetHub *hub = hubs; hub; hub = hub->next) {
        g_string_append_printf(out, "hub %d\n", hub->id);
        for (guint i = 0; i < hub->ports->len; i++) {
            NetClient *port = hub->ports->pdata[i];

            g_string_append_printf(out, " \\ %s", port->name);
            if (port->peer) {
                g_string_append_printf(out, ": %s: type=%s", port->peer->name,
                                       port->peer->info->type);
            }
            g_string_append_printf(
                out,
                "; received %" G_GUINT64_FORMAT ", waiting %u, dropped %" G_GUINT64_FORMAT "\n",
                port->stats.packets, net_queue_length(port->incoming), net_dropped(port));
            net_filters_describe(port, out, "  ");
        }
    }
}
