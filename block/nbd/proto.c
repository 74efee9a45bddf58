/* SPDX-License-Identifier: MIT */
/* Socket helpers and error numbers for both sides of NBD. */
#include "block/nbd/proto.h"
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

int nbd_read(NbdStream *io, void *buf, size_t len)
{
    uint8_t *p = buf;
    while (len) {
        ssize_t n = io->tls ? tls_read(io->tls, p, len) : recv(io->fd, p, len, MSG_WAITALL);
        if (n < 0 && !io->tls && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return !n ? -ECONNRESET : io->tls ? (int)n : -errno;
        }
        p += n;
        len -= n;
    }
    return 0;
}

int nbd_write(NbdStream *io, const void *buf, size_t len)
{
    const uint8_t *p = buf;
    while (len) {
        ssize_t n = io->tls ? tls_write(io->tls, p, len) : send(io->fd, p, len, MSG_NOSIGNAL);
        if (n < 0 && !io->tls && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return io->tls ? (int)n : -errno;
        }
        p += n;
        len -= n;
    }
    return 0;
}

void nbd_stream_close(NbdStream *io)
{
    tls_free(io->tls);
    io->tls = NULL;
    if (io->fd >= 0) {
        close(io->fd);
        io->fd = -1;
    }
}

/* The wire's numbers are Linux's, of these only. */
static const struct {
    int host;
    uint32_t wire;
} errors[] = {
    { EPERM, 1 },      { EIO, 5 },      { ENOMEM, 12 },     { EINVAL, 22 },
    { ENOSPC, 28 },    { EROFS, 1 },    { EDQUOT, 28 },     { EFBIG, 28 },
    { EOVERFLOW, 75 }, { ENOTSUP, 95 }, { ESHUTDOWN, 108 },
};

uint32_t nbd_errno_to_wire(int err)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(errors); i++) {
        if (errors[i].host == err) {
            return errors[i].wire;
        }
    }
    return err == EIO ? 5 : 22;
}

int nbd_errno_from_wire(uint32_t err)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(errors); i++) {
        if (errors[i].wire == err) {
            return errors[i].host;
        }
    }
    return EIO;
}
