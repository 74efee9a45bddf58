/* SPDX-License-Identifier: MIT */
/* Where the debugger connects to. */
#include "gdbstub/gdbstub.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/unix-socket.h"

static int fail(const char *where, int fd, GError **err)
{
    g_set_error(err, G_FILE_ERROR, g_file_error_from_errno(errno), "cannot listen on %s: %s", where,
                g_strerror(errno));
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

static int listen_unix(const char *path, GError **err)
{
    int fd = unix_socket_bind(path, SOCK_STREAM | SOCK_CLOEXEC);

    return fd < 0 || listen(fd, 1) < 0 ? fail(path, fd, err) : fd;
}

static int listen_tcp(const char *host, unsigned port, const char *where, GError **err)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd, on = 1;

    if (!*host || !strcmp(host, "localhost")) {
        host = "127.0.0.1";
    }
    if (!inet_aton(!strcmp(host, "*") ? "0.0.0.0" : host, &addr.sin_addr)) {
        errno = EADDRNOTAVAIL;
        return fail(where, -1, err);
    }
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    }
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 1) < 0) {
        return fail(where, fd, err);
    }
    return fd;
}

int gdb_listen(const char *where, GError **err)
{
    const char *colon = strrchr(where, ':'), *digits = colon ? colon + 1 : where;
    g_autofree char *host = NULL;

    /* tcp::1234 is accepted as well */
    if (g_str_has_prefix(where, "tcp:")) {
        where += 4;
        colon = strrchr(where, ':');
        digits = colon ? colon + 1 : where;
    }
    if (!*digits || digits[strspn(digits, "0123456789")] || strchr(where, '/')) {
        return listen_unix(g_str_has_prefix(where, "unix:") ? where + 5 : where, err);
    }
    if (strlen(digits) > 5 || strtoul(digits, NULL, 10) > 65535) {
        errno = EINVAL;
        return fail(where, -1, err);
    }
    host = g_strndup(where, colon ? (size_t)(colon - where) : 0);
    return listen_tcp(host, strtoul(digits, NULL, 10), where, err);
}
