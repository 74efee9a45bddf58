/* SPDX-License-Identifier: MIT */
/* Attaching an export to /dev/nbdX by the ioctls of <linux/nbd.h>: the kernel gets one end of a
 * socket pair on which the handshake is done already, and the server has the other. */
#include "tools/nbd/kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* As <linux/nbd.h> has them; its other names are those of the protocol, which proto.h has. */
#define NBD_SET_SOCK        _IO(0xab, 0)
#define NBD_SET_BLKSIZE     _IO(0xab, 1)
#define NBD_DO_IT           _IO(0xab, 3)
#define NBD_CLEAR_SOCK      _IO(0xab, 4)
#define NBD_CLEAR_QUE       _IO(0xab, 5)
#define NBD_SET_SIZE_BLOCKS _IO(0xab, 7)
#define NBD_DISCONNECT      _IO(0xab, 8)
#define NBD_SET_FLAGS       _IO(0xab, 10)

enum { SECTOR = 512 };

static int failed(GError **err, const char *what, const char *device)
{
    g_set_error(err, BLOCK_ERROR, errno, "Failed to %s %s: %s", what, device, g_strerror(errno));
    return -1;
}

static int open_device(const char *device, GError **err)
{
    int fd = open(device, O_RDWR | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ENXIO || errno == ENODEV)) {
        g_set_error(err, BLOCK_ERROR, errno,
                    "Failed to open %s: %s (is the kernel's nbd module loaded?)", device,
                    g_strerror(errno));
    } else if (fd < 0) {
        failed(err, "open", device);
    }
    return fd;
}

typedef struct Serving {
    NbdServer *server;
    int fd;
} Serving;

static gpointer serve(gpointer opaque)
{
    Serving *s = opaque;
    nbd_serve(s->server, s->fd);
    return NULL;
}

/* NBD_OPT_EXPORT_NAME: no structured replies, which the kernel does not know. */
static int handshake(int fd, const NbdExport *e, uint64_t *size, uint16_t *flags)
{
    NbdStream io = { .fd = fd };
    uint8_t h[18], msg[20], reply[10];
    uint32_t len = strlen(e->name);
    int ret = nbd_read(&io, h, sizeof(h));
    st_be32(msg, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
    st_be64(msg + 4, NBD_OPTS_MAGIC);
    st_be32(msg + 12, NBD_OPT_EXPORT_NAME);
    st_be32(msg + 16, len);
    ret = ret ? ret : nbd_write(&io, msg, sizeof(msg));
    ret = ret ? ret : nbd_write(&io, e->name, len);
    ret = ret ? ret : nbd_read(&io, reply, sizeof(reply));
    *size = ret ? 0 : ld_be64(reply);
    *flags = ret ? 0 : ld_be16(reply + 8);
    return ret;
}

static int attach(int device, int sock, uint64_t size, uint16_t flags)
{
    int read_only = flags & NBD_FLAG_READ_ONLY ? 1 : 0;
    return ioctl(device, NBD_SET_SOCK, (unsigned long)sock) < 0 ||
                   ioctl(device, NBD_SET_BLKSIZE, (unsigned long)SECTOR) < 0 ||
                   ioctl(device, NBD_SET_SIZE_BLOCKS, (unsigned long)(size / SECTOR)) < 0 ||
                   ioctl(device, NBD_SET_FLAGS, (unsigned long)flags) < 0 ||
                   ioctl(device, BLKROSET, &read_only) < 0
               ? -1
               : 0;
}

int nbd_kernel_serve(NbdServer *server, const char *device, GError **err)
{
    int pair[2], fd = open_device(device, err), status = 0;
    uint64_t size;
    uint16_t flags;
    if (fd < 0) {
        return -1;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        close(fd);
        return failed(err, "make a socket pair for", device);
    }
    Serving s = { server, pair[1] };
    GThread *thread = g_thread_new("nbd", serve, &s);
    int ret = handshake(pair[0], g_ptr_array_index(server->exports, 0), &size, &flags);
    errno = -ret;
    if (ret || attach(fd, pair[0], size, flags) < 0) {
        status = failed(err, "attach to", device);
    } else if (ioctl(fd, NBD_DO_IT) < 0 && errno != EPIPE) { /* until it is detached */
        status = failed(err, "serve", device);
    }
    ioctl(fd, NBD_CLEAR_QUE);
    ioctl(fd, NBD_CLEAR_SOCK);
    shutdown(pair[0], SHUT_RDWR);
    g_thread_join(thread);
    close(pair[0]);
    close(fd);
    return status;
}

int nbd_kernel_disconnect(const char *device, GError **err)
{
    int fd = open_device(device, err);
    if (fd < 0) {
        return -1;
    }
    int ret = ioctl(fd, NBD_CLEAR_QUE) < 0 || ioctl(fd, NBD_DISCONNECT) < 0 ||
                      ioctl(fd, NBD_CLEAR_SOCK) < 0
                  ? failed(err, "detach", device)
                  : 0;
    close(fd);
    return ret;
}
