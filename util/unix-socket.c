/* SPDX-License-Identifier: MIT */
/* Binding sockets to names in the file system. */
#include "util/unix-socket.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* A socket of another kind is refused by one that lives as well, which does not hear of it:
 * unix(7), ECONNREFUSED and EPROTOTYPE. */
static bool is_left_over(const struct sockaddr_un *addr, int type)
{
    bool datagrams = (type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) == SOCK_DGRAM;
    struct stat st;
    int fd;

    if (lstat(addr->sun_path, &st) || !S_ISSOCK(st.st_mode)) {
        return false;
    }
    fd = socket(AF_UNIX, (datagrams ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    bool refused =
        connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

int unix_socket_bind(const char *path, int type)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    size_t len = strlen(path);
    int fd;

    if (len >= sizeof(addr.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(addr.sun_path, path, len);
    fd = socket(AF_UNIX, type, 0);
    if (fd >= 0 && is_left_over(&addr, type)) {
        unlink(path);
    }
    if (fd >= 0 && bind(fd, (struct sockaddr *)&addr, sizeof(addr))) {
        int saved = errno;

        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}
