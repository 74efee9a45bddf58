/* SPDX-License-Identifier: MIT */
/* -netdev, -net, -nic; what is asked for as a NIC; the checks when all are there; `info network`.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/filter.h"
#include "net/net.h"
#include "net/queue.h"

static struct {
    GPtrArray *nics; /* NICRequest * */
    bool any;
    unsigned macs; /* made up so far */
} state;

static const OptDef nic_opts[] = {
    { "id", OPT_STR, NULL, "name" },
    { "name", OPT_STR, NULL, "name" },
    { "netdev", OPT_STR, NULL, "id of the netdev at the other end" },
    { "model", OPT_STR, NULL, "which NIC" },
    { "mac", OPT_STR, NULL, "its address" },
    { "macaddr", OPT_STR, NULL, "its address" },
    { "addr", OPT_STR, NULL, "its place on the PCI bus" },
    { "vectors", OPT_NUM, NULL, "MSI-X vectors" },
    { 0 },
};

/* ---- netdevs
 * -------------------------------------------------------------------------------------- */

static const NetClientInfo *find_type(const char *type)
{
    for (int i = 0; net_client_types[i]; i++) {
        if (!strcmp(net_client_types[i]->type, type)) {
            return net_client_types[i];
        }
    }
    return NULL;
}

static bool unknown_type(const char *option, const char *type, GError **err)
{
    g_autoptr(GString) known = g_string_new(NULL);

    for (int i = 0; net_client_types[i]; i++) {
        g_string_append_printf(known, "%s%s", i ? ", " : "", net_client_types[i]->type);
    }
    g_set_error(err, OPTS_ERROR, EINVAL, "%s %s: there is no such type; there are %s", option, type,
                known->str);
    return false;
}

static bool name_taken(const char *name)
{
    return net_client_find(name, 0, false) != NULL;
}

/* Checks, then makes; `type` and `id` are taken out of opts. */
static bool create(const char *option, const NetClientInfo *info, const char *id, Opts *opts,
                   GError **err)
{
    if (name_taken(id)) {
        g_set_error(err, OPTS_ERROR, EEXIST, "%s %s: id=%s is taken", option, info->type, id);
        return false;
    }
    if (!opts_check(opts, info->opts, err) || !info->create(id, opts, err)) {
        g_prefix_error(err, "%s %s,id=%s: ", option, info->type, id);
        return false;
    }
    return true;
}

static void print_help(void)
{
    for (int i = 0; net_client_types[i]; i++) {
        g_autofree char *opts = opt_table_help(net_client_types[i]->opts);

        printf("%s: %s\n%s", net_client_types[i]->type, net_client_types[i]->desc, opts);
    }
}

bool net_add_netdev(const char *text, GError **err)
{
    g_autoptr(Opts) opts = opts_new();
    NetClient *made[NET_MAX_QUEUES];

    if (!strcmp(text, "help")) {
        print_help();
        exit(0);
    }
    if (!(*text == '{' ? opts_parse_json(opts, text, err) : opts_parse(opts, text, "type", err))) {
        g_prefix_error(err, "-netdev: ");
        return false;
    }
    g_autofree char *type = g_strdup(opts_get(opts, "type"));
    g_autofree char *id = g_strdup(opts_get(opts, "id"));
    const NetClientInfo *info = type ? find_type(type) : NULL;
    if (!type) {
        g_set_error(err, OPTS_ERROR, EINVAL, "-netdev: type is missing");
        return false;
    }
    if (!info) {
        return unknown_type("-netdev", type, err);
    }
    if (!id || !*id) {
        g_set_error(err, OPTS_ERROR, EINVAL, "-netdev %s: id= is missing", type);
        return false;
    }
    opts_remove(opts, "type");
    opts_remove(opts, "id");
    state.any = true;
    if (!create("-netdev", info, id, opts, err)) {
        return false;
    }
    int n = net_client_queues(id, made, NET_MAX_QUEUES);
    for (int i = 0; i < n; i++) {
        made[i]->is_netdev = true;
    }
    return true;
}

bool net_del_netdev(const char *id, GError **err)
{
    NetClient *queues[NET_MAX_QUEUES];
    int n = net_client_queues(id, queues, NET_MAX_QUEUES);

    if (n == 0) {
        g_set_error(err, OPTS_ERROR, ENODEV, "netdev_del: there is no netdev '%s'", id);
        return false;
    }
    if (!queues[0]->is_netdev) {
        g_set_error(err, OPTS_ERROR, EINVAL, "netdev_del: '%s' was not made by -netdev", id);
        return false;
    }
    while (n > 0) {
        net_client_delete(queues[--n]);
    }
    return true;
}

/* ---- NICs that are asked for
 * ---------------------------------------------------------------------------- */

GPtrArray *net_nic_requests(void)
{
    if (!state.nics) {
        state.nics = g_ptr_array_new();
    }
    return state.nics;
}

static bool check_mac(const char *option, const char *mac, GError **err)
{
    uint8_t bytes[6];

    if (mac && !net_parse_mac(mac, bytes)) {
        g_set_error(err, OPTS_ERROR, EINVAL,
                    "%s: macaddr=%s: six bytes, aa:bb:cc:dd:ee:ff, are expected (the first even)",
                    option, mac);
        return false;
    }
    return true;
}

static void request_nic(const Opts *opts, const char *mac_key, NetClient *peer)
{
    NICRequest *r = g_new0(NICRequest, 1);

    r->model = g_strdup(opts_get(opts, "model"));
    r->macaddr = g_strdup(opts_get(opts, mac_key));
    r->id = g_strdup(opts_get(opts, "id"));
    r->addr = g_strdup(opts_get(opts, "addr"));
    r->peer = peer;
    g_ptr_array_add(net_nic_requests(), r);
}

static bool legacy_nic(Opts *opts, GError **err)
{
    const char *netdev = opts_get(opts, "netdev");
    NetClient *peer;

    if (!opts_check(opts, nic_opts, err)) {
        g_prefix_error(err, "-net nic: ");
        return false;
    }
    if (!check_mac("-net nic", opts_get(opts, "macaddr"), err)) {
        return false;
    }
    if (netdev && !(peer = net_client_find(netdev, 0, false))) {
        g_set_error(err, OPTS_ERROR, ENODEV, "-net nic: netdev=%s: there is no such netdev",
                    netdev);
        return false;
    }
    request_nic(opts, "macaddr", netdev ? peer : net_hub_port_new(0, NULL));
    return true;
}

bool net_add_legacy(const char *text, GError **err)
{
    g_autoptr(Opts) opts = opts_new();

    if (!opts_parse(opts, text, "type", err)) {
        g_prefix_error(err, "-net: ");
        return false;
    }
    g_autofree char *type = g_strdup(opts_get(opts, "type"));
    opts_remove(opts, "type");
    if (!type) {
        g_set_error(err, OPTS_ERROR, EINVAL, "-net: type is missing");
        return false;
    }
    state.any = true;
    if (!strcmp(type, "none")) {
        return true;
    }
    if (!strcmp(type, "nic")) {
        return legacy_nic(opts, err);
    }
    const NetClientInfo *info = find_type(type);
    if (!info || !strcmp(type, "hubport")) {
        return unknown_type("-net", type, err);
    }
    g_autofree char *id =
        g_strdup(opts_get(opts, "id") ? opts_get(opts, "id") : opts_get(opts, "name"));
    opts_remove(opts, "id");
    opts_remove(opts, "name");
    for (unsigned n = 0; !id; n++) {
        g_autofree char *made_up = g_strdup_printf("#net%u", n);
        id = name_taken(made_up) ? NULL : g_steal_pointer(&made_up);
    }
    if (!create("-net", info, id, opts, err)) {
        return false;
    }
    return net_connect(net_hub_port_new(0, NULL), net_client_find(id, 0, false), err);
}

bool net_add_nic(const char *text, GError **err)
{
    static const char *const of_nic[] = { "model", "mac", "id", "addr", "vectors", NULL };
    g_autoptr(Opts) opts = opts_new();
    g_autoptr(Opts) nic = opts_new();

    if (!opts_parse(opts, text, "type", err)) {
        g_prefix_error(err, "-nic: ");
        return false;
    }
    g_autofree char *type = g_strdup(opts_get(opts, "type"));
    opts_remove(opts, "type");
    state.any = true;
    if (type && !strcmp(type, "none")) {
        return true;
    }
    if (!type) {
        type = g_strdup("user");
    }
    const NetClientInfo *info = find_type(type);
    if (!info) {
        return unknown_type("-nic", type, err);
    }
    for (int i = 0; of_nic[i]; i++) {
        if (opts_has(opts, of_nic[i])) {
            opts_set(nic, of_nic[i], opts_get(opts, of_nic[i]));
            opts_remove(opts, of_nic[i]);
        }
    }
    if (!check_mac("-nic", opts_get(nic, "mac"), err)) {
        return false;
    }
    g_autofree char *id = NULL;
    for (unsigned n = 0; !id; n++) {
        g_autofree char *made_up = g_strdup_printf("__nic.%u", n);
        id = name_taken(made_up) ? NULL : g_steal_pointer(&made_up);
    }
    if (!create("-nic", info, id, opts, err)) {
        return false;
    }
    request_nic(nic, "mac", net_client_find(id, 0, false));
    return true;
}

bool net_parsed_any(void)
{
    return state.any;
}

/* ---- when everything is there
 * ------------------------------------------------------------------------------- */

bool net_check(FILE *f)
{
    bool found = false;

    for (guint i = 0; i < net_nic_requests()->len; i++) {
        NICRequest *r = state.nics->pdata[i];

        if (!r->used) {
            fprintf(f, "warning: NIC '%s': this machine has no place for it\n",
                    r->model ? r->model : "default");
            found = true;
        }
    }
    for (guint i = 0; i < net_clients()->len; i++) {
        NetClient *nc = net_clients()->pdata[i];

        if (!nc->peer && nc->queue_index == 0 && strcmp(nc->info->type, "hubport")) {
            fprintf(f, "warning: %s '%s' has no peer\n", nc->is_netdev ? "netdev" : nc->info->type,
                    nc->name);
            found = true;
        }
    }
    return found;
}

uint64_t net_dropped(const NetClient *nc)
{
    const NetStats *s = &nc->stats;

    return s->dropped_full + s->dropped_link + s->dropped_purged + s->dropped_self;
}

static void describe_one(NetClient *nc, GString *out, const char *indent)
{
    const NetStats *s = &nc->stats;
    uint64_t dropped = net_dropped(nc);

    g_string_append_printf(out, "%s%s: index=%u,type=%s", indent, nc->name, nc->queue_index,
                           nc->info->type);
    if (strcmp(nc->model, nc->info->type)) {
        g_string_append_printf(out, ",model=%s", nc->model);
    }
    if (nc->info->describe) {
        nc->info->describe(nc, out);
    }
    g_string_append_printf(out,
                           "%s\n%s  received %" G_GUINT64_FORMAT " packets, %" G_GUINT64_FORMAT
                           " bytes; waiting %u; dropped %" G_GUINT64_FORMAT,
                           nc->link_down ? ",link=down" : "", indent, s->packets, s->bytes,
                           net_queue_length(nc->incoming), dropped);
    if (dropped) {
        g_string_append_printf(out,
                               " (queue full %" G_GUINT64_FORMAT ", link down %" G_GUINT64_FORMAT
                               ", refused %" G_GUINT64_FORMAT ", purged %" G_GUINT64_FORMAT ")",
                               s->dropped_full, s->dropped_link, s->dropped_self,
                               s->dropped_purged);
    }
    if (s->no_peer) {
        g_string_append_printf(out, "; sent to nobody %" G_GUINT64_FORMAT, s->no_peer);
    }
    if (s->filtered) {
        g_string_append_printf(out, "; not for it %" G_GUINT64_FORMAT, s->filtered);
    }
    if (s->sent_bad) {
        g_string_append_printf(out, "; bad ones of its driver %" G_GUINT64_FORMAT, s->sent_bad);
    }
    g_string_append_c(out, '\n');
    net_filters_describe(nc, out, indent);
}

char *net_describe(void)
{
    GString *out = g_string_new(NULL);

    net_hub_describe(out);
    for (guint i = 0; i < net_clients()->len; i++) {
        NetClient *nc = net_clients()->pdata[i];
        bool nic = !strcmp(nc->info->type, "nic");

        if (!strcmp(nc->info->type, "hubport") ||
            (!nic && nc->peer && !strcmp(nc->peer->info->type, "nic"))) {
            continue; /* shown with its hub or its NIC */
        }
        describe_one(nc, out, "");
        if (nic && nc->peer) {
            describe_one(nc->peer, out, " \\ ");
        }
    }
    return g_string_free(out, FALSE);
}

/* ---- MAC addresses
 * --------------------------------------------------------------------------------------------- */

/* 52:54:00 is where virtual machines without an own number live. */
void net_default_mac(uint8_t mac[6])
{
    uint32_t n = 0x123456 + state.macs++;

    mac[0] = 0x52;
    mac[1] = 0x54;
    mac[2] = 0x00;
    mac[3] = (uint8_t)(n >> 16);
    mac[4] = (uint8_t)(n >> 8);
    mac[5] = (uint8_t)n;
}

char *net_mac_text(const uint8_t mac[6])
{
    return g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
                           mac[5]);
}

bool net_parse_mac(const char *text, uint8_t mac[6])
{
    for (int i = 0; i < 6; i++) {
        char *end;

        if (!g_ascii_isxdigit(*text)) {
            return false;
        }
        unsigned long byte = strtoul(text, &end, 16);
        if (byte > 255 || end - text > 2 || (i < 5 ? *end != ':' && *end != '-' : *end != 0)) {
            return false;
        }
        mac[i] = (uint8_t)byte;
        text = end + 1;
    }
    return !(mac[0] & 1); /* a group's address is nobody's own */
}
