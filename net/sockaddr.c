/* SPDX-License-Identifier: MIT */
#include "net/sockaddr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "net/helper.h"
#include "util/unix-socket.h"

static bool resolve(const char *host, const char *port, int type, NetAddr *out, GError **err)
{
    struct addrinfo hints = { .ai_socktype = type, .ai_flags = AI_PASSIVE }, *found;
    int bad = getaddrinfo(*host ? host : NULL, port, &hints, &found);

    if (bad) {
        g_set_error(err, OPTS_ERROR, EINVAL, "%s:%s: %s", host, port, gai_strerror(bad));
        return false;
    }
    memcpy(&out->sa, found->ai_addr, found->ai_addrlen);
    out->len = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

bool net_addr_parse(const char *text, int type, NetAddr *out, GError **err)
{
    g_autofree char *host = g_strdup(text);
    char *colon = strrchr(host, ':'), *name = host;

    if (!colon || !colon[1]) {
        g_set_error(err, OPTS_ERROR, EINVAL, "%s: host:port is expected", text);
        return false;
    }
    *colon = 0;
    size_t len = strlen(name);
    if (name[0] == '[' && len > 1 && name[len - 1] == ']') {
        name[len - 1] = 0;
        name++;
    } else if (!*name) {
        name = (char *)(uintptr_t) "0.0.0.0";
    }
    return resolve(name, colon + 1, type, out, err);
}

static const char *part(const Opts *opts, const char *prefix, const char *key)
{
    g_autofree char *full = g_strconcat(prefix, ".", key, NULL);

    return opts_get(opts, full);
}

static bool missing(const char *prefix, const char *key, GError **err)
{
    g_set_error(err, OPTS_ERROR, EINVAL, "%s.%s= is missing", prefix, key);
    return false;
}

bool net_addr_from_opts(const Opts *opts, const char *prefix, int type, NetAddr *out, int *fd,
                        GError **err)
{
    const char *kind = part(opts, prefix, "type"), *host = part(opts, prefix, "host");
    const char *port = part(opts, prefix, "port"), *path = part(opts, prefix, "path");
    const char *str = part(opts, prefix, "str");

    *fd = -1;
    *out = (NetAddr){ 0 };
    if (!kind) {
        return missing(prefix, "type", err);
    }
    if (!strcmp(kind, "inet")) {
        return !port ? missing(prefix, "port", err)
                     : resolve(host ? host : "0.0.0.0", port, type, out, err);
    }
    if (!strcmp(kind, "unix")) {
        if (!path) {
            return missing(prefix, "path", err);
        }
        if (strlen(path) >= sizeof(out->un.sun_path)) {
            g_set_error(err, OPTS_ERROR, ENAMETOOLONG, "%s.path=%s: too long for a socket", prefix,
                        path);
            return false;
        }
        out->un.sun_family = AF_UNIX;
        strcpy(out->un.sun_path, path);
        out->len = (socklen_t)sizeof(out->un);
        return true;
    }
    if (!strcmp(kind, "fd")) {
        return !str ? missing(prefix, "str", err) : net_parse_fd(str, fd, err);
    }
    g_set_error(err, OPTS_ERROR, EINVAL, "%s.type=%s: inet, unix or fd is expected", prefix, kind);
    return false;
}

char *net_addr_to_str(const NetAddr *a)
{
    char host[INET6_ADDRSTRLEN + 16], port[16];

    if (a->sa.sa_family == AF_UNIX) {
        return g_strdup(a->un.sun_path);
    }
    if (getnameinfo(&a->sa, a->len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV)) {
        return g_strdup("?");
    }
    return g_strdup_printf(strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

static int new_socket(const NetAddr *a, int type)
{
    return socket(a->sa.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int close_failed(int fd)
{
    int saved = errno;

    close(fd);
    errno = saved;
    return -1;
}

int net_addr_listen(const NetAddr *a, int type)
{
    bool unix_path = a->sa.sa_family == AF_UNIX;
    int on = 1, fd = unix_path
                         ? unix_socket_bind(a->un.sun_path, type | SOCK_NONBLOCK | SOCK_CLOEXEC)
                         : new_socket(a, type);

    if (fd < 0) {
        return -1;
    }
    if (!unix_path) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    }
    if ((!unix_path && bind(fd, &a->sa, a->len)) || (type == SOCK_STREAM && listen(fd, 1))) {
        return close_failed(fd);
    }
    return fd;
}

int net_addr_connect(const NetAddr *a, int type)
{
    int fd = new_socket(a, type), on = 1;

    if (fd < 0) {
        return -1;
    }
    if (a->sa.sa_family != AF_UNIX && type == SOCK_STREAM) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    if (connect(fd, &a->sa, a->len) && errno != EINPROGRESS) {
        return close_failed(fd);
    }
    return fd;
}
