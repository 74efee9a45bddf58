/* SPDX-License-Identifier: MIT */
/* -daemonize and -pidfile. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>
#include "hw/device.h"
#include "system/config.h"

static int ready_fd = -1; /* of the background process */
static char *pidfile;

bool daemon_start(GError **err)
{
    int fds[2];
    pid_t pid;
    if (pipe2(fds, O_CLOEXEC) || (pid = fork()) < 0) {
        g_set_error(err, HW_ERROR, 0, "-daemonize: %s", g_strerror(errno));
        return false;
    }
    if (pid) {
        char ok = 1;
        close(fds[1]);
        ssize_t n = read(fds[0], &ok, 1);
        _exit(n == 1 ? 0 : 1); /* the other has said why */
    }
    close(fds[0]);
    ready_fd = fds[1];
    setsid();
    return true;
}

void daemon_ready(void)
{
    if (ready_fd < 0) {
        return;
    }
    int null = open("/dev/null", O_RDWR);
    if (chdir("/") || null < 0) {
        g_error("-daemonize: %s", g_strerror(errno));
    }
    for (int fd = 0; fd < 3; fd++) {
        dup2(null, fd);
    }
    if (null > 2) {
        close(null);
    }
    if (write(ready_fd, "", 1) != 1) {
        exit(1); /* nobody waits any more */
    }
    close(ready_fd);
    ready_fd = -1;
}

static void pidfile_remove(void)
{
    unlink(pidfile);
}

bool pidfile_write(const char *path, GError **err)
{
    char text[24];
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB)) {
        g_set_error(err, HW_ERROR, 0, "-pidfile %s: another process holds it", path);
        close(fd);
        return false;
    }
    if (fd < 0 || ftruncate(fd, 0) || write(fd, text, (size_t)len) != len) {
        g_set_error(err, HW_ERROR, 0, "-pidfile %s: %s", path, g_strerror(errno));
        return false;
    }
    /* The descriptor stays: it is the lock. */
    pidfile = g_canonicalize_filename(path, NULL);
    atexit(pidfile_remove);
    return true;
}
