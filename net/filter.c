/* SPDX-License-Identifier: MIT */
/* NetFilter: making, finding, and the walk of a packet through the filters of both ends. */
#include "net/filter.h"

#include <errno.h>
#include <string.h>

#include "net/queue.h"

static GPtrArray *filters; /* NetFilter *, all */

static const char *const direction_names[] = { "all", "rx", "tx", NULL };
const OptDef net_filter_opts[] = {
    { "id", OPT_STR, NULL, "name of the filter" },
    { "netdev", OPT_STR, NULL, "id of the netdev whose packets it sees" },
    { "queue", OPT_STR, "all", "all, rx (what the netdev receives) or tx (what it sends)" },
    { "status", OPT_BOOL, "on", "off: packets go by unseen" },
    { "position", OPT_STR, "tail", "head, tail, or id=FILTER with insert=before or behind" },
    { "insert", OPT_STR, "behind", "before or behind the filter that position names" },
    { 0 },
};

NetFilter *net_filter_find(const char *id)
{
    for (guint i = 0; filters && i < filters->len; i++) {
        NetFilter *f = filters->pdata[i];

        if (!strcmp(f->id, id)) {
            return f;
        }
    }
    return NULL;
}

/* Where in the netdev's list the new filter goes; -1: *err. */
static int find_place(NetClient *nc, const char *position, const char *insert, GError **err)
{
    bool before = !strcmp(insert, "before");

    if (!before && strcmp(insert, "behind")) {
        g_set_error(err, OPTS_ERROR, EINVAL, "insert=%s: 'before' or 'behind' is expected", insert);
        return -1;
    }
    if (!strcmp(position, "head")) {
        return 0;
    }
    if (!strcmp(position, "tail")) {
        return (int)nc->filters->len;
    }
    if (g_str_has_prefix(position, "id=")) {
        for (guint i = 0; i < nc->filters->len; i++) {
            if (!strcmp(((NetFilter *)nc->filters->pdata[i])->id, position + 3)) {
                return (int)i + !before;
            }
        }
    }
    g_set_error(err, OPTS_ERROR, EINVAL,
                "position=%s: 'head', 'tail' or 'id=' of a filter on the same netdev is expected",
                position);
    return -1;
}

static const NetFilterInfo *find_type(const char *type)
{
    for (int i = 0; net_filter_types[i]; i++) {
        if (!strcmp(net_filter_types[i]->type, type)) {
            return net_filter_types[i];
        }
    }
    return NULL;
}

static void drop(NetFilter *f)
{
    if (f->info->cleanup) {
        f->info->cleanup(f);
    }
    g_ptr_array_remove(f->netdev->filters, f);
    g_ptr_array_remove(filters, f);
    g_free(f->id);
    g_free(f);
}

static bool check_opts(const NetFilterInfo *info, const Opts *opts, GError **err)
{
    g_autoptr(Opts) own = opts_copy(opts);

    for (int i = 0; net_filter_opts[i].name; i++) {
        opts_remove(own, net_filter_opts[i].name);
    }
    return opts_check(own, info->opts, err);
}

bool net_filter_add(const char *type, const Opts *opts, GError **err)
{
    const NetFilterInfo *info = find_type(type);
    const char *id = opt_str(opts, net_filter_opts, "id");
    const char *netdev = opt_str(opts, net_filter_opts, "netdev");
    NetClient *nc;
    int direction, place;

    if (!info) {
        g_set_error(err, OPTS_ERROR, EINVAL, "-object %s: there is no such filter", type);
        return false;
    }
    if (!id || !netdev) {
        g_set_error(err, OPTS_ERROR, EINVAL, "-object %s: %s= is missing", type,
                    id ? "netdev" : "id");
        return false;
    }
    if (net_filter_find(id)) {
        g_set_error(err, OPTS_ERROR, EEXIST, "-object %s: id=%s is taken", type, id);
        return false;
    }
    if (!(nc = net_client_find(netdev, 0, false))) {
        g_set_error(err, OPTS_ERROR, ENODEV, "-object %s: netdev=%s: there is no such netdev", type,
                    netdev);
        return false;
    }
    if (net_client_find(netdev, 1, false)) {
        g_set_error(err, OPTS_ERROR, ENOTSUP,
                    "-object %s: netdev=%s: not implemented: a filter of several queues", type,
                    netdev);
        return false;
    }
    place = find_place(nc, opt_str(opts, net_filter_opts, "position"),
                       opt_str(opts, net_filter_opts, "insert"), err);
    if (place < 0 || !check_opts(info, opts, err) ||
        !opt_enum(opts, net_filter_opts, "queue", direction_names, &direction, err)) {
        g_prefix_error(err, "-object %s: ", type);
        return false;
    }

    NetFilter *f = g_malloc0(info->size);
    f->info = info;
    f->id = g_strdup(id);
    f->netdev = nc;
    f->direction = (NetDirection)direction;
    f->on = opt_bool(opts, net_filter_opts, "status");
    if (!info->create(f, opts, err)) {
        g_prefix_error(err, "-object %s: ", type);
        g_free(f->id);
        g_free(f);
        return false;
    }
    g_ptr_array_insert(nc->filters, place, f);
    if (!filters) {
        filters = g_ptr_array_new();
    }
    g_ptr_array_add(filters, f);
    return true;
}

bool net_filter_del(const char *id, GError **err)
{
    NetFilter *f = net_filter_find(id);

    if (!f) {
        g_set_error(err, OPTS_ERROR, ENOENT, "there is no filter '%s'", id);
        return false;
    }
    drop(f);
    return true;
}

bool net_filter_set_status(const char *id, bool on, GError **err)
{
    NetFilter *f = net_filter_find(id);

    if (!f) {
        g_set_error(err, OPTS_ERROR, ENOENT, "there is no filter '%s'", id);
        return false;
    }
    if (f->on != on) {
        f->on = on;
        if (f->info->status_changed) {
            f->info->status_changed(f);
        }
    }
    return true;
}

void net_filters_drop(NetClient *nc)
{
    while (nc->filters->len) {
        drop(nc->filters->pdata[nc->filters->len - 1]);
    }
}

void net_filters_forget(NetClient *nc, NetClient *sender)
{
    for (guint i = 0; i < nc->filters->len; i++) {
        NetFilter *f = nc->filters->pdata[i];

        if (f->info->forget) {
            sender->peer->stats.dropped_purged += f->info->forget(f, sender);
        }
    }
}

void net_filters_describe(NetClient *nc, GString *out, const char *indent)
{
    for (guint i = 0; i < nc->filters->len; i++) {
        NetFilter *f = nc->filters->pdata[i];

        g_string_append_printf(out, "%s  filter %s: type=%s,queue=%s,status=%s", indent, f->id,
                               f->info->type, direction_names[f->direction], f->on ? "on" : "off");
        if (f->info->describe) {
            f->info->describe(f, out);
        }
        g_string_append_printf(out,
                               "; saw %" G_GUINT64_FORMAT " packets, took %" G_GUINT64_FORMAT "\n",
                               f->packets, f->taken);
    }
}

/* ---- the way of a packet
 * ------------------------------------------------------------------------------ Out of the sender
 * through its filters from first to last, into the receiver through its own from last to first.
 */

static bool one(NetFilter *f, NetClient *sender, NetDirection dir, const struct iovec *iov,
                int iovcnt)
{
    if (!f->on || (f->direction != NET_DIR_ALL && f->direction != dir)) {
        return false;
    }
    f->packets++;
    bool taken = f->info->packet(f, sender, dir, iov, iovcnt);
    f->taken += taken;
    return taken;
}

static bool run_out(NetClient *sender, guint from, const struct iovec *iov, int iovcnt)
{
    for (guint i = from; i < sender->filters->len; i++) {
        if (one(sender->filters->pdata[i], sender, NET_DIR_TX, iov, iovcnt)) {
            return true;
        }
    }
    return false;
}

static bool run_in(NetClient *sender, guint count, const struct iovec *iov, int iovcnt)
{
    GPtrArray *list = sender->peer->filters;

    for (guint i = count; i > 0; i--) {
        if (one(list->pdata[i - 1], sender, NET_DIR_RX, iov, iovcnt)) {
            return true;
        }
    }
    return false;
}

bool net_filters_run(NetClient *sender, const struct iovec *iov, int iovcnt)
{
    return run_out(sender, 0, iov, iovcnt) ||
           run_in(sender, sender->peer->filters->len, iov, iovcnt);
}

void net_filter_pass(NetFilter *f, NetClient *sender, const struct iovec *iov, int iovcnt)
{
    guint at;

    if (!sender->peer) {
        sender->stats.no_peer++;
        return;
    }
    if (sender == f->netdev) {
        g_ptr_array_find(sender->filters, f, &at);
        if (run_out(sender, at + 1, iov, iovcnt) ||
            run_in(sender, sender->peer->filters->len, iov, iovcnt)) {
            return;
        }
    } else {
        g_ptr_array_find(f->netdev->filters, f, &at);
        if (run_in(sender, at, iov, iovcnt)) {
            return;
        }
    }
    net_queue_send(sender->peer->incoming, sender, iov, iovcnt, NULL);
}
