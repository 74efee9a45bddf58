/* SPDX-License-Identifier: MIT */
/* Commands about networks. */
#include <string.h>

#include "monitor/command.h"
#include "monitor/internal.h"
#include "net/net.h"
#include "net/user.h"

static JsonNode *netdev_add(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    const char *line = arg_str(args, "line");
    g_autofree char *text = NULL;

    if (!line) {
        g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), args);
        text = json_to_string(node, FALSE);
        line = text;
    }
    net_add_netdev(line, err);
    return NULL;
}

static JsonNode *netdev_del(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    net_del_netdev(arg_str(args, "id"), err);
    return NULL;
}

static JsonNode *set_link(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    g_autoptr(GError) why = NULL;

    if (!net_set_link(arg_str(args, "name"), arg_bool(args, "up", true), &why)) {
        g_set_error(err, MONITOR_ERROR, MONITOR_ERROR_DEVICE_NOT_FOUND, "Device '%s' not found",
                    arg_str(args, "name"));
    }
    return NULL;
}

static JsonNode *info_network(G_GNUC_UNUSED const Command *self, G_GNUC_UNUSED JsonObject *args,
                              G_GNUC_UNUSED GError **err)
{
    g_autofree char *text = net_describe();

    return node_string(text);
}

static JsonNode *info_usernet(G_GNUC_UNUSED const Command *self, G_GNUC_UNUSED JsonObject *args,
                              G_GNUC_UNUSED GError **err)
{
    g_autofree char *text = net_user_connections(NULL);

    return node_string(text ? text : "");
}

static JsonNode *hostfwd_add(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    const char *second = arg_str(args, "rule");

    net_hostfwd_add(second ? arg_str(args, "netdev") : NULL,
                    second ? second : arg_str(args, "netdev"), err);
    return NULL;
}

static JsonNode *hostfwd_remove(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    const char *second = arg_str(args, "rule");

    net_hostfwd_remove(second ? arg_str(args, "netdev") : NULL,
                       second ? second : arg_str(args, "netdev"), err);
    return NULL;
}

/* ---- filters of NICs
 * -----------------------------------------------------------------------------------------------
 */

static void add_macs(JsonObject *o, const char *key, const uint8_t (*macs)[6], unsigned n)
{
    JsonArray *list = json_array_new();

    for (unsigned i = 0; i < n; i++) {
        g_autofree char *text = net_mac_text(macs[i]);
        json_array_add_string_element(list, text);
    }
    json_object_set_array_member(o, key, list);
}

static JsonNode *rx_filter(NetClient *nc)
{
    NetRxFilter f = { 0 };
    JsonObject *o;
    JsonNode *node = node_object(&o);
    JsonArray *vlans = json_array_new();

    nc->info->rx_filter(nc, &f);
    g_autofree char *mac = net_mac_text(f.mac);
    json_object_set_string_member(o, "name", nc->name);
    json_object_set_boolean_member(o, "promiscuous", f.promiscuous);
    json_object_set_string_member(o, "multicast", f.multicast);
    json_object_set_string_member(o, "unicast", f.unicast);
    json_object_set_string_member(o, "vlan", f.vlan);
    json_object_set_boolean_member(o, "broadcast-allowed", f.broadcast);
    json_object_set_boolean_member(o, "multicast-overflow", f.multicast_overflow);
    json_object_set_boolean_member(o, "unicast-overflow", f.unicast_overflow);
    json_object_set_string_member(o, "main-mac", mac);
    for (unsigned i = 0; i < 4096; i++) {
        if (f.vlans[i / 32] >> i % 32 & 1) {
            json_array_add_int_element(vlans, i);
        }
    }
    json_object_set_array_member(o, "vlan-table", vlans);
    add_macs(o, "unicast-table", f.macs, f.nb_unicast);
    add_macs(o, "multicast-table", f.macs + f.nb_unicast, f.nb_multicast);
    return node;
}

static JsonNode *query_rx_filter(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    const char *name = arg_str(args, "name");
    JsonArray *list;
    JsonNode *node = node_array(&list);
    bool found = false;

    for (guint i = 0; i < net_clients()->len; i++) {
        NetClient *nc = net_clients()->pdata[i];

        if (nc->queue_index || (name && strcmp(nc->name, name))) {
            continue;
        }
        found = true;
        if (nc->info->rx_filter) {
            json_array_add_element(list, rx_filter(nc));
        } else if (name) {
            g_set_error(err, MONITOR_ERROR, MONITOR_ERROR_GENERIC,
                        "'%s' (%s) has no filter that can be asked for", name, nc->model);
        }
    }
    if (name && !found) {
        g_set_error(err, MONITOR_ERROR, MONITOR_ERROR_GENERIC, "there is no NIC '%s'", name);
    }
    if (err && *err) {
        json_node_unref(node);
        return NULL;
    }
    return node;
}

static void on_net_event(const char *event, NetClient *nic)
{
    JsonObject *data = json_object_new();
    g_autofree char *path = g_strdup_printf("/machine/peripheral/%s", nic->name);

    json_object_set_string_member(data, "name", nic->name);
    json_object_set_string_member(data, "path", path);
    monitor_event(event, data);
}

void monitor_init_net(void)
{
    net_set_event_hook(on_net_event);
}

static JsonNode *announce_self(G_GNUC_UNUSED const Command *self, JsonObject *args,
                               G_GNUC_UNUSED GError **err)
{
    net_announce(arg_str(args, "id"));
    return NULL;
}

static const CommandArg filter_args[] = { { "name", ARG_STR, true, "NIC; all of them" }, { 0 } };
static const CommandArg announce_args[] = { { "id", ARG_STR, true, "NIC; all of them" }, { 0 } };
static const CommandArg add_args[] = { { "line", ARG_REST, true, "TYPE,id=ID,key=value" },
                                       { "type", ARG_ANY, true, "type" },
                                       { 0 } };
static const CommandArg id_args[] = { { "id", ARG_STR, false, "netdev" }, { 0 } };
static const CommandArg link_args[] = { { "name", ARG_STR, false, "netdev or NIC" },
                                        { "up", ARG_BOOL, false, "on or off" },
                                        { 0 } };
static const CommandArg forward_args[] = {
    { "netdev", ARG_STR, false, "netdev; may be left out" },
    { "rule", ARG_STR, true, "[tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport" },
    { 0 }
};

const Command net_commands[] = {
    { "netdev_add", "netdev_add", "Makes a netdev", add_args, .open = true, .run = netdev_add },
    { "netdev_del", "netdev_del", "Removes a netdev", id_args, .run = netdev_del },
    { "set_link", "set_link", "Pulls or plugs a network cable", link_args, .run = set_link },
    { "query-rx-filter", NULL, "What NICs let through", filter_args, .run = query_rx_filter },
    { "announce-self", "announce_self", "NICs tell the network where they are", announce_args,
      .open = true, .run = announce_self },
    { NULL, "info network", "NICs and netdevs with their counters", .run = info_network },
    { NULL, "info usernet", "Connections of user networks", .run = info_usernet },
    { NULL, "hostfwd_add", "Forwards a host's port", forward_args, .run = hostfwd_add },
    { NULL, "hostfwd_remove", "Ends a forwarding", forward_args, .run = hostfwd_remove },
    { 0 },
};
