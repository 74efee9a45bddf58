/* SPDX-License-Identifier: MIT */
/* stream: one other end over TCP or a Unix socket; as server, one at a time. */
#include "net/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

enum { MAX_IOV = 64 };

static void start_connect(StreamClient *s);

static StreamClient *stream_of(NetClient *nc)
{
    return (StreamClient *)nc;
}

static gboolean try_again(gpointer opaque)
{
    StreamClient *s = opaque;

    s->timer = 0;
    start_connect(s);
    return G_SOURCE_REMOVE;
}

/* The other end is gone, or never was there. */
static void disconnect(StreamClient *s)
{
    if (s->conn.fd >= 0) {
        fdwatch_stop(&s->conn);
        close(s->conn.fd);
        s->conn.fd = -1;
    }
    s->connected = false;
    s->rx_len = s->tx_len = s->tx_pos = 0;
    if (s->listener.fd >= 0) {
        fdwatch_set(&s->listener, true, false);
    } else if (s->reconnect && !s->timer) {
        s->timer = g_timeout_add_seconds(s->reconnect, try_again, s);
    }
    net_client_ready(&s->nc); /* what waits is dropped, and counted */
}

/* ---- from the other end
 * ---------------------------------------------------------------------------- */

static void stream_sent(NetClient *nc, NetResult taken);

/* Passes whole packets on; false: stop reading (the peer waits, or the connection is over). */
static bool parse(StreamClient *s)
{
    size_t at = 0;
    bool go_on = true;

    while (go_on && s->rx_len - at >= 4) {
        size_t size =
            (size_t)s->rx[at] << 24 | s->rx[at + 1] << 16 | s->rx[at + 2] << 8 | s->rx[at + 3];

        if (size == 0 || size > NET_MAX_PACKET) {
            g_printerr("netdev '%s': a packet of %zu bytes announced: not our protocol; connection "
                       "closed\n",
                       s->nc.name, size);
            disconnect(s);
            return false;
        }
        if (s->rx_len - at - 4 < size) {
            break;
        }
        go_on = net_send(&s->nc, s->rx + at + 4, size, stream_sent) != 0;
        at += 4 + size;
    }
    memmove(s->rx, s->rx + at, s->rx_len - at);
    s->rx_len -= at;
    return go_on;
}

static void update_watch(StreamClient *s, bool reading)
{
    if (s->conn.fd >= 0) {
        fdwatch_set(&s->conn, reading, !s->connected || s->tx_len);
    }
}

static void stream_sent(NetClient *nc, G_GNUC_UNUSED NetResult taken)
{
    StreamClient *s = stream_of(nc);

    if (s->connected && parse(s)) {
        update_watch(s, true);
    }
}

static void conn_can_read(void *opaque)
{
    StreamClient *s = opaque;
    ssize_t n = read(s->conn.fd, s->rx + s->rx_len, sizeof(s->rx) - s->rx_len);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        disconnect(s);
        return;
    }
    s->rx_len += (size_t)n;
    if (!parse(s)) {
        update_watch(s, false);
    }
}

/* ---- to the other end
 * --------------------------------------------------------------------------------- */

static void connected(StreamClient *s)
{
    int on = 1;

    s->connected = true;
    setsockopt(s->conn.fd, IPPROTO_TCP, TCP_NODELAY, &on,
               sizeof(on)); /* fails on Unix sockets: fine */
    if (s->listener.fd >= 0) {
        fdwatch_set(&s->listener, false, false);
    }
    update_watch(s, true);
    net_client_ready(&s->nc);
}

static void conn_can_write(void *opaque)
{
    StreamClient *s = opaque;
    socklen_t len = sizeof(int);
    int bad = 0;

    if (!s->connected) {
        if (getsockopt(s->conn.fd, SOL_SOCKET, SO_ERROR, &bad, &len) || bad) {
            g_printerr("netdev '%s': cannot connect: %s\n", s->nc.name, g_strerror(bad));
            disconnect(s);
        } else {
            connected(s);
        }
        return;
    }
    ssize_t n = send(s->conn.fd, s->tx + s->tx_pos, s->tx_len - s->tx_pos, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        disconnect(s);
        return;
    }
    s->tx_pos += n > 0 ? (size_t)n : 0;
    if (s->tx_pos == s->tx_len) {
        s->tx_pos = s->tx_len = 0;
        update_watch(s, s->conn.reading);
        net_client_ready(&s->nc);
    }
}

bool net_stream_can_receive(NetClient *nc)
{
    StreamClient *s = stream_of(nc);

    /* while nobody is there packets are dropped, not kept for whoever comes */
    return !s->tx_len;
}

/* Keeps what the kernel did not take of [header, packet]. */
static void keep_rest(StreamClient *s, const struct iovec *iov, int n, size_t done)
{
    s->tx_pos = s->tx_len = 0;
    for (int i = 0; i < n; i++) {
        size_t skip = MIN(done, iov[i].iov_len);

        memcpy(s->tx + s->tx_len, (char *)iov[i].iov_base + skip, iov[i].iov_len - skip);
        s->tx_len += iov[i].iov_len - skip;
        done -= skip;
    }
    update_watch(s, s->conn.reading);
}

NetResult net_stream_receive(NetClient *nc, const struct iovec *iov, int iovcnt)
{
    StreamClient *s = stream_of(nc);
    struct iovec out[MAX_IOV + 1];
    uint8_t header[4];
    size_t size = 0;

    if (!s->connected || iovcnt > MAX_IOV) {
        return -1;
    }
    for (int i = 0; i < iovcnt; i++) {
        out[i + 1] = iov[i];
        size += iov[i].iov_len;
    }
    for (int i = 0; i < 4; i++) {
        header[i] = (uint8_t)(size >> (24 - 8 * i));
    }
    out[0] = (struct iovec){ header, 4 };
    struct msghdr msg = { .msg_iov = out, .msg_iovlen = (size_t)iovcnt + 1 };
    ssize_t n = sendmsg(s->conn.fd, &msg, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        disconnect(s);
        return -1;
    }
    n = MAX(n, 0);
    if ((size_t)n < size + 4) {
        keep_rest(s, out, iovcnt + 1, (size_t)n);
    }
    return (NetResult)size;
}

/* ---- making
 * -----------------------------------------------------------------------------------------------
 */

static void start_connect(StreamClient *s)
{
    s->conn.fd = net_addr_connect(&s->addr, SOCK_STREAM);
    if (s->conn.fd < 0) {
        if (!s->reconnect) {
            g_printerr("netdev '%s': cannot connect: %s\n", s->nc.name, g_strerror(errno));
        }
        disconnect(s);
        return;
    }
    update_watch(s, false);
}

static void listener_can_read(void *opaque)
{
    StreamClient *s = opaque;
    int fd = accept4(s->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
        s->conn.fd = fd;
        connected(s);
    }
}

bool net_stream_new(const NetClientInfo *info, const char *name, const NetAddr *addr, int fd,
                    bool server, unsigned reconnect, GError **err)
{
    int listener = -1;

    if (server && fd < 0 && (listener = net_addr_listen(addr, SOCK_STREAM)) < 0) {
        g_autofree char *text = net_addr_to_str(addr);
        g_set_error(err, OPTS_ERROR, errno, "cannot listen at %s: %s", text, g_strerror(errno));
        return false;
    }
    StreamClient *s = (StreamClient *)net_client_new(info, name, NULL, 0);
    s->addr = *addr;
    s->server = server;
    s->reconnect = reconnect;
    s->listener = (FdWatch){ .fd = listener, .can_read = listener_can_read, .opaque = s };
    s->conn =
        (FdWatch){ .fd = -1, .can_read = conn_can_read, .can_write = conn_can_write, .opaque = s };
    if (fd >= 0) {
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        s->conn.fd = fd;
        connected(s);
    } else if (server) {
        fdwatch_set(&s->listener, true, false);
    } else {
        start_connect(s);
    }
    return true;
}

void net_stream_cleanup(NetClient *nc)
{
    StreamClient *s = stream_of(nc);

    fdwatch_stop(&s->conn);
    fdwatch_stop(&s->listener);
    if (s->conn.fd >= 0) {
        close(s->conn.fd);
    }
    if (s->listener.fd >= 0) {
        close(s->listener.fd);
        if (s->addr.sa.sa_family == AF_UNIX) {
            unlink(s->addr.un.sun_path);
        }
    }
    if (s->timer) {
        g_source_remove(s->timer);
    }
}

void net_stream_describe(NetClient *nc, GString *out)
{
    StreamClient *s = stream_of(nc);
    g_autofree char *addr = s->addr.len ? net_addr_to_str(&s->addr) : g_strdup("fd");

    g_string_append_printf(out, ",%s=%s,%s", s->server ? "listen" : "connect", addr,
                           s->connected ? "connected" : "not connected");
}

static const OptDef stream_opts[] = {
    { "server", OPT_BOOL, "off", "wait for the other end" },
    { "addr.type", OPT_STR, NULL, "inet, unix or fd" },
    { "addr.host", OPT_STR, NULL, "inet: name or address" },
    { "addr.port", OPT_STR, NULL, "inet: port" },
    { "addr.path", OPT_STR, NULL, "unix: path" },
    { "addr.str", OPT_STR, NULL, "fd: number of a connected descriptor" },
    { "reconnect", OPT_NUM, "0", "seconds until the next try to connect; 0: none" },
    { 0 },
};
extern const NetClientInfo net_stream_info;

static bool stream_create(const char *name, const Opts *opts, GError **err)
{
    bool server = opt_bool(opts, stream_opts, "server");
    uint64_t reconnect = opt_num(opts, stream_opts, "reconnect");
    NetAddr addr;
    int fd;

    if (reconnect > 3600 || (reconnect && server)) {
        g_set_error(err, OPTS_ERROR, EINVAL, "reconnect=: 0 to 3600 s, and only without server=on");
        return false;
    }
    return net_addr_from_opts(opts, "addr", SOCK_STREAM, &addr, &fd, err) &&
           net_stream_new(&net_stream_info, name, &addr, fd, server, (unsigned)reconnect, err);
}

const NetClientInfo net_stream_info = {
    .type = "stream",
    .desc = "another emulator or program over a stream socket",
    .size = sizeof(StreamClient),
    .opts = stream_opts,
    .create = stream_create,
    .receive = net_stream_receive,
    .can_receive = net_stream_can_receive,
    .cleanup = net_stream_cleanup,
    .describe = net_stream_describe,
};
