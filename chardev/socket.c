/* SPDX-License-Identifier: MIT */
/* Sockets: unix and tcp, as server or client, plain or telnet, reconnecting if asked. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <inttypes.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "chardev/internal.h"
#include "hw/device.h"
#include "util/unix-socket.h"

typedef struct SocketChardev {
    FdChardev fd; /* in == out: the connection, or -1 */
    int listener; /* -1: a client */
    guint listen_watch, reconnect_timer;
    guint connect_watch; /* trying_fd is about to be connected, or refused */
    int trying_fd;
    uint64_t reconnect; /* seconds; 0: not at all */
    bool telnet, server, reconnecting;
    int family;
    int telnet_state; /* bytes of a command seen so far */
    char *path, *host, *port;
} SocketChardev;

static const OptDef socket_opts[] = {
    { "path", OPT_STR, NULL, "of a unix socket" },
    { "host", OPT_STR, NULL, "tcp: name or address" },
    { "port", OPT_STR, NULL, "tcp: number or name" },
    { "fd", OPT_NUM, NULL, "a descriptor that is such a socket already" },
    { "server", OPT_BOOL, "off", "listen rather than connect" },
    { "wait", OPT_BOOL, "on", "a server waits for its first client before it starts" },
    { "nowait", OPT_BOOL, "off", "the same as wait=off" },
    { "telnet", OPT_BOOL, "off", "negotiate as a telnet server" },
    { "nodelay", OPT_BOOL, "off", "tcp: send small packets at once" },
    { "reconnect", OPT_NUM, "0", "a client tries again after so many seconds" },
    { "ipv4", OPT_BOOL, "off", "tcp: IPv4 only" },
    { "ipv6", OPT_BOOL, "off", "tcp: IPv6 only" },
    { "delay", OPT_BOOL, "on", "delay=off is nodelay=on" },
    { NULL, 0, NULL, NULL }
};

static void connected(SocketChardev *s, int fd)
{
    /* IAC WILL ECHO, WILL SUPPRESS-GO-AHEAD, WILL BINARY, DO BINARY (RFC 854, 856, 857, 858) */
    static const uint8_t hello[] = { 255, 251, 1, 255, 251, 3, 255, 251, 0, 255, 253, 0 };
    s->fd.in = s->fd.out = fd;
    s->telnet_state = 0;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    if (s->telnet && send(fd, hello, sizeof(hello), MSG_NOSIGNAL) < 0) {
        close(fd);
        s->fd.in = s->fd.out = -1;
        return;
    }
    fd_chardev_start(&s->fd);
    chardev_set_open(&s->fd.parent, true);
}

static gboolean incoming(gint fd, GIOCondition condition, gpointer opaque)
{
    SocketChardev *s = opaque;
    (void)condition;
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client < 0) {
        return G_SOURCE_CONTINUE;
    }
    s->listen_watch = 0; /* one client at a time */
    connected(s, client);
    return G_SOURCE_REMOVE;
}

static void listen_again(SocketChardev *s)
{
    if (s->listener >= 0 && !s->listen_watch) {
        s->listen_watch = g_unix_fd_add(s->listener, G_IO_IN, incoming, s);
    }
}

static int unix_connect(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    if (g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path)) >= sizeof(addr.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
        int e = errno;
        close(fd);
        errno = e;
        return -1;
    }
    return fd;
}

/* -1: *err. */
static int unix_socket(SocketChardev *s, GError **err)
{
    int fd =
        s->server ? unix_socket_bind(s->path, SOCK_STREAM | SOCK_CLOEXEC) : unix_connect(s->path);
    if (fd < 0 || (s->server && listen(fd, 1))) {
        g_set_error(err, HW_ERROR, 0, "unix socket %s: %s", s->path, g_strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

/* One that reconnects does not wait for the connection. */
static int try_address(SocketChardev *s, const struct addrinfo *a)
{
    int one = 1, later = s->reconnecting ? SOCK_NONBLOCK : 0;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | later, 0);
    if (fd < 0) {
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (s->server ? bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, 1)
                  : connect(fd, a->ai_addr, a->ai_addrlen) && errno != EINPROGRESS) {
        int e = errno;
        close(fd);
        errno = e;
        return -1;
    }
    return fd;
}

static int tcp_socket(SocketChardev *s, int family, GError **err)
{
    struct addrinfo hints = { .ai_family = family,
                              .ai_socktype = SOCK_STREAM,
                              .ai_flags = s->server ? AI_PASSIVE : 0 };
    struct addrinfo *list;
    const char *host = s->host && *s->host ? s->host : NULL;
    int e = getaddrinfo(host, s->port, &hints, &list);
    if (e) {
        g_set_error(err, HW_ERROR, 0, "tcp %s:%s: %s", host ? host : "", s->port, gai_strerror(e));
        return -1;
    }
    int fd = -1;
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = try_address(s, a);
    }
    if (fd < 0) {
        g_set_error(err, HW_ERROR, 0, "tcp %s:%s: %s", host ? host : "", s->port,
                    g_strerror(errno));
    }
    freeaddrinfo(list);
    return fd;
}

/* IAC IAC is a 255; IAC BRK (243) a break; WILL WONT DO DONT (251…254) have one more byte. */
static size_t telnet_filter(Chardev *c, uint8_t *buf, size_t len)
{
    SocketChardev *s = (SocketChardev *)c;
    size_t out = 0;
    for (size_t i = 0; i < len; i++) {
        uint8_t b = buf[i];
        if (s->telnet_state == 0 && b == 255) {
            s->telnet_state = 1;
        } else if (s->telnet_state == 1 && b >= 251 && b <= 254) {
            s->telnet_state = 2;
        } else if (s->telnet_state == 0 || (s->telnet_state == 1 && b == 255)) {
            buf[out++] = b;
            s->telnet_state = 0;
        } else {
            if (s->telnet_state == 1 && b == 243) {
                chardev_event(c, CHAR_EVENT_BREAK);
            }
            s->telnet_state = 0;
        }
    }
    return out;
}

static void reconnect_later(SocketChardev *s);

static gboolean connect_done(gint fd, GIOCondition condition, gpointer opaque)
{
    SocketChardev *s = opaque;
    int e = 0;
    socklen_t len = sizeof(e);
    (void)condition;
    s->connect_watch = 0;
    s->trying_fd = -1;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) || e) {
        close(fd);
        reconnect_later(s);
    } else {
        connected(s, fd);
    }
    return G_SOURCE_REMOVE;
}

static gboolean reconnect(gpointer opaque)
{
    SocketChardev *s = opaque;
    int fd = s->path ? unix_socket(s, NULL) : tcp_socket(s, s->family, NULL);
    if (fd < 0) {
        return G_SOURCE_CONTINUE;
    }
    s->reconnect_timer = 0;
    s->trying_fd = fd;
    s->connect_watch = g_unix_fd_add(fd, G_IO_OUT | G_IO_HUP | G_IO_ERR, connect_done, s);
    return G_SOURCE_REMOVE;
}

static void reconnect_later(SocketChardev *s)
{
    if (!s->reconnect_timer) {
        s->reconnecting = true;
        s->reconnect_timer = g_timeout_add_seconds((guint)s->reconnect, reconnect, s);
    }
}

static void hangup(Chardev *c)
{
    SocketChardev *s = (SocketChardev *)c;
    fd_chardev_stop(&s->fd);
    chardev_set_open(c, false);
    listen_again(s);
    if (!s->server && s->reconnect) {
        reconnect_later(s);
    }
}

static bool parse_options(SocketChardev *s, const Opts *opts, GError **err)
{
    s->path = g_strdup(opt_str(opts, socket_opts, "path"));
    s->host = g_strdup(opt_str(opts, socket_opts, "host"));
    s->port = g_strdup(opt_str(opts, socket_opts, "port"));
    s->server = opt_bool(opts, socket_opts, "server");
    s->telnet = opt_bool(opts, socket_opts, "telnet");
    s->reconnect = MIN(opt_num(opts, socket_opts, "reconnect"), 86400);
    bool v4 = opt_bool(opts, socket_opts, "ipv4");
    bool v6 = opt_bool(opts, socket_opts, "ipv6");
    s->family = v4 == v6 ? AF_UNSPEC : v4 ? AF_INET : AF_INET6;
    if ((s->path != NULL) + (s->port != NULL) + opts_has(opts, "fd") != 1) {
        g_set_error(err, HW_ERROR, 0,
                    "chardev socket needs one of path=, host= with port=, and fd=");
        return false;
    }
    if (s->reconnect && (s->server || opts_has(opts, "fd"))) {
        g_set_error(err, HW_ERROR, 0, "reconnect= is for clients with path= or port=");
        return false;
    }
    return true;
}

static void socket_close(Chardev *c)
{
    SocketChardev *s = (SocketChardev *)c;
    fd_chardev_stop(&s->fd);
    if (s->listen_watch) {
        g_source_remove(s->listen_watch);
    }
    if (s->reconnect_timer) {
        g_source_remove(s->reconnect_timer);
    }
    if (s->connect_watch) {
        g_source_remove(s->connect_watch);
        close(s->trying_fd);
    }
    if (s->listener >= 0) {
        close(s->listener);
        if (s->path) {
            unlink(s->path);
        }
    }
    g_free(s->path);
    g_free(s->host);
    g_free(s->port);
}

static bool serve(SocketChardev *s, int fd, bool wait, GError **err)
{
    s->listener = fd;
    if (!wait) {
        listen_again(s);
        return true;
    }
    fprintf(stderr, "latimer: waiting for a connection on %s\n", s->fd.parent.where);
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client < 0) {
        g_set_error(err, HW_ERROR, 0, "%s: %s", s->fd.parent.where, g_strerror(errno));
        return false;
    }
    connected(s, client);
    return true;
}

/* A descriptor from whoever started us. */
static int given_socket(uint64_t n, GError **err)
{
    int type, fd = n > INT_MAX ? -1 : (int)n;
    socklen_t len = sizeof(type);
    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) || type != SOCK_STREAM) {
        g_set_error(err, HW_ERROR, 0, "fd=%" PRIu64 ": it is no stream socket", n);
        return -1;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

static char *describe(const SocketChardev *s, uint64_t fd)
{
    const char *server = s->server ? ",server=on" : "";
    return s->path   ? g_strdup_printf("unix:%s%s", s->path, server)
           : s->port ? g_strdup_printf("%s:%s:%s%s", s->telnet ? "telnet" : "tcp",
                                       s->host ? s->host : "", s->port, server)
                     : g_strdup_printf("fd:%" PRIu64 "%s", fd, server);
}

static bool socket_open(Chardev *c, const Opts *opts, GError **err)
{
    SocketChardev *s = (SocketChardev *)c;
    s->fd.in = s->fd.out = s->listener = s->trying_fd = -1;
    s->fd.hangup = hangup;
    s->fd.filter = opt_bool(opts, socket_opts, "telnet") ? telnet_filter : NULL;
    uint64_t given = opt_num(opts, socket_opts, "fd");
    bool ok = parse_options(s, opts, err);
    int fd = !ok       ? -1
             : s->path ? unix_socket(s, err)
             : s->port ? tcp_socket(s, s->family, err)
                       : given_socket(given, err);
    c->where = describe(s, given);
    if (ok && fd < 0 && s->reconnect) {
        g_clear_error(err);
        reconnect_later(s);
        return true;
    }
    bool wait = opt_bool(opts, socket_opts, "wait") && !opt_bool(opts, socket_opts, "nowait");
    ok = fd >= 0;
    if (ok && s->server) {
        ok = serve(s, fd, wait, err);
    } else if (ok) {
        connected(s, fd);
    }
    if (!ok) {
        socket_close(c);
    }
    return ok;
}

/* Telnet's IAC is doubled going out. */
static size_t socket_write(Chardev *c, const uint8_t *buf, size_t len)
{
    SocketChardev *s = (SocketChardev *)c;
    const uint8_t *iac = s->telnet ? memchr(buf, 255, len) : NULL;
    if (!iac) {
        return fd_chardev_write(c, buf, len);
    }
    size_t before = (size_t)(iac - buf);
    if (before) {
        return fd_chardev_write(c, buf, before);
    }
    static const uint8_t doubled[2] = { 255, 255 };
    return fd_chardev_write(c, doubled, 2) ? 1 : 0;
}

const ChardevKind chardev_socket = {
    .name = "socket",
    .desc = "a unix or tcp socket",
    .size = sizeof(SocketChardev),
    .opts = socket_opts,
    .open = socket_open,
    .close = socket_close,
    .write = socket_write,
    .accept_input = fd_chardev_accept_input,
    .wait_writable = fd_chardev_wait_writable,
};
