/* SPDX-License-Identifier: MIT */
/*
 * socket: the older spelling of stream and dgram (listen=, connect=, mcast=, udp=, fd=). It becomes
 * one of those two.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "net/helper.h"
#include "net/stream.h"

static const OptDef socket_opts[] = {
    { "listen", OPT_STR, NULL, "[host]:port to wait at" },
    { "connect", OPT_STR, NULL, "host:port to connect to" },
    { "mcast", OPT_STR, NULL, "group:port, a bus for any number" },
    { "udp", OPT_STR, NULL, "host:port to send datagrams to; needs localaddr=" },
    { "localaddr", OPT_STR, NULL, "mcast: address of the interface; udp: host:port to receive at" },
    { "fd", OPT_STR, NULL, "number of a socket's descriptor" },
    { 0 },
};
static const char *const ways[] = { "listen", "connect", "mcast", "udp", "fd" };

static const NetClientInfo socket_dgram_info = {
    .type = "socket",
    .size = sizeof(DgramClient),
    .receive = net_dgram_receive,
    .cleanup = net_dgram_cleanup,
    .describe = net_dgram_describe,
};
extern const NetClientInfo net_socket_info;

static bool new_stream(const char *name, const char *text, bool server, GError **err)
{
    NetAddr addr;

    return net_addr_parse(text, SOCK_STREAM, &addr, err) &&
           net_stream_new(&net_socket_info, name, &addr, -1, server, 0, err);
}

static bool new_from_fd(const char *name, const char *text, GError **err)
{
    NetAddr none = { 0 };
    socklen_t len = sizeof(int);
    int fd, type;

    if (!net_parse_fd(text, &fd, err)) {
        return false;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len)) {
        g_set_error(err, OPTS_ERROR, errno, "fd=%s: %s", text, g_strerror(errno));
        return false;
    }
    if (type == SOCK_DGRAM) {
        return net_dgram_new(&socket_dgram_info, name, fd, &none);
    }
    return net_stream_new(&net_socket_info, name, &none, fd, false, 0, err);
}

static bool new_udp(const char *name, const char *to, const char *at, GError **err)
{
    NetAddr remote, local;
    int fd;

    if (!at) {
        g_set_error(err, OPTS_ERROR, EINVAL, "udp= needs localaddr=");
        return false;
    }
    if (!net_addr_parse(to, SOCK_DGRAM, &remote, err) ||
        !net_addr_parse(at, SOCK_DGRAM, &local, err)) {
        return false;
    }
    if ((fd = net_addr_listen(&local, SOCK_DGRAM)) < 0) {
        g_set_error(err, OPTS_ERROR, errno, "localaddr=%s: %s", at, g_strerror(errno));
        return false;
    }
    return net_dgram_new(&socket_dgram_info, name, fd, &remote);
}

static bool new_mcast(const char *name, const char *text, const char *local, GError **err)
{
    NetAddr group;
    int fd;

    return net_addr_parse(text, SOCK_DGRAM, &group, err) &&
           (fd = net_mcast_socket(&group, local, err)) >= 0 &&
           net_dgram_new(&socket_dgram_info, name, fd, &group);
}

static bool socket_create(const char *name, const Opts *opts, GError **err)
{
    const char *way = NULL, *local = opts_get(opts, "localaddr");

    for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
        if (opts_has(opts, ways[i])) {
            if (way) {
                g_set_error(err, OPTS_ERROR, EINVAL, "%s= and %s= do not go together", way,
                            ways[i]);
                return false;
            }
            way = ways[i];
        }
    }
    if (!way) {
        g_set_error(err, OPTS_ERROR, EINVAL,
                    "one of listen=, connect=, mcast=, udp=, fd= is missing");
        return false;
    }
    const char *value = opts_get(opts, way);
    if (local && strcmp(way, "mcast") && strcmp(way, "udp")) {
        g_set_error(err, OPTS_ERROR, EINVAL, "localaddr= goes with mcast= or udp= only");
        return false;
    }
    return !strcmp(way, "listen")    ? new_stream(name, value, true, err)
           : !strcmp(way, "connect") ? new_stream(name, value, false, err)
           : !strcmp(way, "mcast")   ? new_mcast(name, value, local, err)
           : !strcmp(way, "udp")     ? new_udp(name, value, local, err)
                                     : new_from_fd(name, value, err);
}

const NetClientInfo net_socket_info = {
    .type = "socket",
    .desc = "another emulator, over TCP, UDP or multicast",
    .size = sizeof(StreamClient),
    .opts = socket_opts,
    .create = socket_create,
    .receive = net_stream_receive,
    .can_receive = net_stream_can_receive,
    .cleanup = net_stream_cleanup,
    .describe = net_stream_describe,
};
