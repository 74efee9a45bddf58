/* SPDX-License-Identifier: MIT */
/* Where entropy devices get it from: -object rng-builtin, rng-random. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include "hw/backend-objects.h"
#include "hw/device.h"

struct RNGBackend {
    char *filename; /* NULL: the host kernel's generator */
    int fd;
    bool ended;
};

RNGBackend *rng_backend_new(const char *filename, GError **err)
{
    /* A pipe is opened for both ways, so that it does not end with whoever writes. */
    struct stat st;
    bool pipe = filename && stat(filename, &st) == 0 && S_ISFIFO(st.st_mode);
    int flags = (pipe ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_CLOEXEC;
    int fd = filename ? open(filename, flags) : -1;
    if (filename && fd < 0) {
        g_set_error(err, HW_ERROR, 0, "filename=%s: %s", filename, g_strerror(errno));
        return NULL;
    }
    RNGBackend *rng = g_new0(RNGBackend, 1);
    rng->filename = g_strdup(filename);
    rng->fd = fd;
    return rng;
}

void rng_backend_free(RNGBackend *rng)
{
    if (rng->fd >= 0) {
        close(rng->fd);
    }
    g_free(rng->filename);
    g_free(rng);
}

ssize_t rng_backend_read(RNGBackend *rng, void *buf, size_t len)
{
    ssize_t got;
    if (rng && rng->ended) {
        return -1;
    }
    do {
        got = rng && rng->filename ? read(rng->fd, buf, len) : getrandom(buf, len, 0);
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        return got;
    }
    if (got < 0 && errno == EAGAIN) {
        return 0;
    }
    fprintf(stderr, "latimer: rng-random: %s: %s\n", rng && rng->filename ? rng->filename : "",
            got ? g_strerror(errno) : "no more bytes in it");
    if (rng) {
        rng->ended = true;
    }
    return -1;
}

guint rng_backend_wait(RNGBackend *rng, GUnixFDSourceFunc fn, void *opaque)
{
    return g_unix_fd_add(rng->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, fn, opaque);
}
