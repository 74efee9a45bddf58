/* SPDX-License-Identifier: MIT */
#include "net/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/opts.h"

static const char default_bridge[] = "br0";

bool net_run_script(const char *script, const char *ifname, GError **err)
{
    char *argv[] = { (char *)(uintptr_t)script, (char *)(uintptr_t)ifname, NULL };
    g_autoptr(GError) why = NULL;
    int status;

    if (!g_spawn_sync(NULL, argv, NULL, G_SPAWN_CHILD_INHERITS_STDIN, NULL, NULL, NULL, NULL,
                      &status, &why) ||
        !g_spawn_check_wait_status(status, &why)) {
        g_set_error(err, OPTS_ERROR, EIO, "%s %s: %s", script, ifname, why->message);
        return false;
    }
    return true;
}

/* One descriptor over a Unix socket; -1. */
static int receive_fd(int sock)
{
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = { &byte, 1 };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
    };
    ssize_t n;
    int fd = -1;

    do {
        n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
        c->cmsg_len == CMSG_LEN(sizeof(int))) {
        memcpy(&fd, CMSG_DATA(c), sizeof(fd));
    }
    return fd;
}

/* Beside this program, or where it would be installed. */
static char *find_helper(void)
{
    static const char name[] = "latimer-bridge-helper";
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *dir = self ? g_path_get_dirname(self) : g_strdup("/usr/bin");
    char *path = g_build_filename(dir, name, NULL);

    if (access(path, X_OK)) {
        g_free(path);
        path = g_build_filename(dir, "..", "libexec", name, NULL);
    }
    return path;
}

int net_tap_from_helper(const char *helper, const char *bridge, GError **err)
{
    g_autofree char *found = helper ? g_strdup(helper) : find_helper();
    g_autofree char *br = g_strdup_printf("--br=%s", bridge ? bridge : default_bridge);
    int pair[2], status, fd;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) {
        g_set_error(err, OPTS_ERROR, errno, "helper=%s: %s", found, g_strerror(errno));
        return -1;
    }
    g_autofree char *fd_arg = g_strdup_printf("--fd=%d", pair[1]);
    /* a helper given by the user may be "program --with options": the shell divides it */
    g_autofree char *quoted = g_shell_quote(br + strlen("--br="));
    g_autofree char *line = strpbrk(found, " \t") ? g_strdup_printf("exec %s --use-vnet %s --br=%s",
                                                                    found, fd_arg, quoted)
                                                  : NULL;
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        if (line) {
            execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        } else {
            execl(found, found, "--use-vnet", fd_arg, br, (char *)NULL);
        }
        _exit(errno == ENOENT ? 127 : 126);
    }
    close(pair[1]);
    fd = pid < 0 ? -1 : receive_fd(pair[0]);
    close(pair[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (pid < 0 || fd < 0 || !WIFEXITED(status) || WEXITSTATUS(status)) {
        g_set_error(err, OPTS_ERROR, EIO, "helper=%s: it gave no tap for %s", found, br);
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

bool net_parse_fd(const char *text, int *fd, GError **err)
{
    char *end;
    long n;

    errno = 0;
    n = strtol(text, &end, 10);
    if (end == text || *end || errno || n < 0 || n > INT32_MAX) {
        g_set_error(err, OPTS_ERROR, EINVAL, "fd=%s: the number of an open descriptor is expected",
                    text);
        return false;
    }
    if (fcntl((int)n, F_GETFD) < 0) {
        g_set_error(err, OPTS_ERROR, EBADF, "fd=%s: %s", text, g_strerror(errno));
        return false;
    }
    *fd = (int)n;
    return true;
}
