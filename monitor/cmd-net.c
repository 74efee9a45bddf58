/* SPDX-License-Identifier: MIT */
/* Commands about networks. */
#include "monitor/command.h"
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
    { NULL, "info network", "NICs and netdevs with their counters", .run = info_network },
    { NULL, "info usernet", "Connections of user networks", .run = info_usernet },
    { NULL, "hostfwd_add", "Forwards a host's port", forward_args, .run = hostfwd_add },
    { NULL, "hostfwd_remove", "Ends a forwarding", forward_args, .run = hostfwd_remove },
    { 0 },
};
