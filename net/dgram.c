/* SPDX-License-Identifier: MIT */
/* dgram: each packet in a datagram, to one other end or a multicast group. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "net/stream.h"

enum { BURST = 64, MAX_IOV = 64 };

static void update_watch(DgramClient *d, bool reading)
{
    fdwatch_set(&d->watch, reading, d->write_wait);
}

static void dgram_sent(NetClient *nc, G_GNUC_UNUSED NetResult taken)
{
    update_watch((DgramClient *)nc, true);
}

static void dgram_can_read(void *opaque)
{
    DgramClient *d = opaque;

    for (int n = 0; n < BURST; n++) {
        ssize_t size = recv(d->watch.fd, d->buf, sizeof(d->buf), MSG_DONTWAIT);

        if (size < 0 && (errno == EINTR || errno == ECONNREFUSED)) {
            continue;
        }
        if (size < 0) {
            return;
        }
        if (size > 0 && net_send(&d->nc, d->buf, (size_t)size, dgram_sent) == 0) {
            update_watch(d, false);
            return;
        }
    }
}

static void dgram_can_write(void *opaque)
{
    DgramClient *d = opaque;

    d->write_wait = false;
    update_watch(d, d->watch.reading);
    net_client_ready(&d->nc);
}

NetResult net_dgram_receive(NetClient *nc, const struct iovec *iov, int iovcnt)
{
    DgramClient *d = (DgramClient *)nc;
    struct msghdr msg = {
        .msg_name = d->remote.len ? &d->remote.sa : NULL,
        .msg_namelen = d->remote.len,
        .msg_iov = (struct iovec *)(uintptr_t)iov,
        .msg_iovlen = (size_t)iovcnt,
    };
    ssize_t n;

    do {
        n = sendmsg(d->watch.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN) {
        d->write_wait = true;
        update_watch(d, d->watch.reading);
        return 0;
    }
    return n < 0 ? -1 : MAX(n, 1);
}

bool net_dgram_new(const NetClientInfo *info, const char *name, int fd, const NetAddr *remote)
{
    DgramClient *d = (DgramClient *)net_client_new(info, name, NULL, 0);

    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    d->remote = *remote;
    d->watch = (FdWatch){
        .fd = fd, .can_read = dgram_can_read, .can_write = dgram_can_write, .opaque = d
    };
    update_watch(d, true);
    return true;
}

void net_dgram_cleanup(NetClient *nc)
{
    DgramClient *d = (DgramClient *)nc;

    fdwatch_stop(&d->watch);
    close(d->watch.fd);
}

void net_dgram_describe(NetClient *nc, GString *out)
{
    DgramClient *d = (DgramClient *)nc;
    g_autofree char *remote = d->remote.len ? net_addr_to_str(&d->remote) : g_strdup("fd");

    g_string_append_printf(out, ",to=%s", remote);
}

int net_mcast_socket(const NetAddr *group, const char *local, GError **err)
{
    struct ip_mreqn join = { .imr_multiaddr = group->in.sin_addr };
    int fd, on = 1;

    if (group->sa.sa_family != AF_INET || !IN_MULTICAST(ntohl(group->in.sin_addr.s_addr))) {
        g_autofree char *text = net_addr_to_str(group);
        g_set_error(err, OPTS_ERROR, EINVAL, "%s: not an IPv4 multicast address", text);
        return -1;
    }
    if (local && inet_pton(AF_INET, local, &join.imr_address) != 1) {
        g_set_error(err, OPTS_ERROR, EINVAL, "%s: an IPv4 address of this host is expected", local);
        return -1;
    }
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) &&
        !bind(fd, &group->sa, group->len) &&
        !setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof(join)) &&
        !setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &on, sizeof(on)) &&
        (!local || !setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &join, sizeof(join)))) {
        return fd;
    }
    g_autofree char *text = net_addr_to_str(group);
    g_set_error(err, OPTS_ERROR, errno, "multicast group %s: %s", text, g_strerror(errno));
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

static const OptDef dgram_opts[] = {
    { "local.type", OPT_STR, NULL, "inet, unix or fd: where packets come in" },
    { "local.host", OPT_STR, NULL, "inet: address" },
    { "local.port", OPT_STR, NULL, "inet: port" },
    { "local.path", OPT_STR, NULL, "unix: path" },
    { "local.str", OPT_STR, NULL, "fd: number of a descriptor" },
    { "remote.type", OPT_STR, NULL, "inet or unix: where packets go" },
    { "remote.host", OPT_STR, NULL, "inet: address, of a multicast group perhaps" },
    { "remote.port", OPT_STR, NULL, "inet: port" },
    { "remote.path", OPT_STR, NULL, "unix: path" },
    { 0 },
};
extern const NetClientInfo net_dgram_info;

static bool is_group(const NetAddr *a)
{
    return a->len && a->sa.sa_family == AF_INET && IN_MULTICAST(ntohl(a->in.sin_addr.s_addr));
}

static bool dgram_create(const char *name, const Opts *opts, GError **err)
{
    bool has_local = opts_has(opts, "local.type"), has_remote = opts_has(opts, "remote.type");
    NetAddr local = { 0 }, remote = { 0 };
    int fd = -1, none;

    if ((has_remote && !net_addr_from_opts(opts, "remote", SOCK_DGRAM, &remote, &none, err)) ||
        (has_local && !net_addr_from_opts(opts, "local", SOCK_DGRAM, &local, &fd, err))) {
        return false;
    }
    if (is_group(&remote) && fd < 0) {
        fd = net_mcast_socket(&remote, opts_get(opts, "local.host"), err);
        return fd >= 0 && net_dgram_new(&net_dgram_info, name, fd, &remote);
    }
    if (!has_local || (fd < 0 && !has_remote)) {
        g_set_error(err, OPTS_ERROR, EINVAL, "%s.type= is missing", has_local ? "remote" : "local");
        return false;
    }
    if (fd < 0 && (fd = net_addr_listen(&local, SOCK_DGRAM)) < 0) {
        g_autofree char *text = net_addr_to_str(&local);
        g_set_error(err, OPTS_ERROR, errno, "cannot bind to %s: %s", text, g_strerror(errno));
        return false;
    }
    return net_dgram_new(&net_dgram_info, name, fd, &remote);
}

const NetClientInfo net_dgram_info = {
    .type = "dgram",
    .desc = "another emulator or program over a datagram socket",
    .size = sizeof(DgramClient),
    .opts = dgram_opts,
    .create = dgram_create,
    .receive = net_dgram_receive,
    .cleanup = net_dgram_cleanup,
    .describe = net_dgram_describe,
};
