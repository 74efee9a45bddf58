/* SPDX-License-Identifier: MIT */
/* Character devices made of file descriptors: watching, reading and writing without waiting. */
#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <unistd.h>
#include "chardev/internal.h"

/* A pipe that polls writable takes as much at once without blocking (PIPE_BUF). */
enum { CHUNK = 4096 };

static void hang_up(FdChardev *c)
{
    if (c->hangup) {
        c->hangup(&c->parent);
    } else {
        chardev_set_open(&c->parent, false);
    }
}

static gboolean readable(gint fd, GIOCondition condition, gpointer opaque)
{
    FdChardev *c = opaque;
    uint8_t buf[CHUNK];
    (void)condition;
    size_t room = chardev_can_read(&c->parent);
    if (room == 0) {
        c->in_watch = 0; /* until somebody asks again */
        return G_SOURCE_REMOVE;
    }
    ssize_t n = read(fd, buf, MIN(room, sizeof(buf)));
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
        return G_SOURCE_CONTINUE;
    }
    if (n <= 0) {
        c->in_watch = 0;
        if (c->hangup) {
            hang_up(c);
        }
        return G_SOURCE_REMOVE;
    }
    guint watch = c->in_watch;
    size_t len = c->filter ? c->filter(&c->parent, buf, (size_t)n) : (size_t)n;
    if (len) {
        chardev_read(&c->parent, buf, len);
    }
    /* The user may have closed it meanwhile. */
    return c->in_watch == watch ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

void fd_chardev_accept_input(Chardev *chardev)
{
    FdChardev *c = (FdChardev *)chardev;
    if (c->in >= 0 && !c->in_watch) {
        c->in_watch = g_unix_fd_add(c->in, G_IO_IN | G_IO_HUP | G_IO_ERR, readable, c);
    }
}

void fd_chardev_start(FdChardev *c)
{
    fd_chardev_accept_input(&c->parent);
}

void fd_chardev_stop(FdChardev *c)
{
    if (c->in_watch) {
        g_source_remove(c->in_watch);
        c->in_watch = 0;
    }
    if (c->out_watch) {
        g_source_remove(c->out_watch);
        c->out_watch = 0;
    }
    if (c->in > 2) {
        close(c->in);
    }
    if (c->out > 2 && c->out != c->in) {
        close(c->out);
    }
    c->in = c->out = -1;
}

bool fd_chardev_wait_writable(Chardev *chardev, int ms)
{
    FdChardev *c = (FdChardev *)chardev;
    struct pollfd p = { .fd = c->out, .events = POLLOUT };
    return c->out >= 0 && poll(&p, 1, ms) >= 0 && !(p.revents & (POLLERR | POLLNVAL));
}

static gboolean writable(gint fd, GIOCondition condition, gpointer opaque)
{
    FdChardev *c = opaque;
    (void)fd, (void)condition;
    c->out_watch = 0;
    chardev_flush(&c->parent);
    return G_SOURCE_REMOVE;
}

size_t fd_chardev_write(Chardev *chardev, const uint8_t *buf, size_t len)
{
    FdChardev *c = (FdChardev *)chardev;
    size_t done = 0;
    if (c->out < 0) {
        return len;
    }
    while (done < len) {
        struct pollfd p = { .fd = c->out, .events = POLLOUT };
        if (poll(&p, 1, 0) == 0) {
            break;
        }
        ssize_t n = write(c->out, buf + done, MIN(len - done, CHUNK));
        if (n > 0) {
            done += (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            break;
        } else if (n < 0 && errno != EINTR) {
            return len; /* nobody listens any more: what remains is lost */
        }
    }
    if (done < len && !c->out_watch) {
        c->out_watch = g_unix_fd_add(c->out, G_IO_OUT | G_IO_HUP | G_IO_ERR, writable, c);
    }
    return done;
}
