/* SPDX-License-Identifier: MIT */
/* The simple kinds: null, stdio, file, pipe, pty, serial, ringbuf. */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include "chardev/internal.h"
#include "hw/device.h"

static bool fail(GError **err, const char *what, const char *path)
{
    g_set_error(err, HW_ERROR, 0, "%s %s: %s", what, path, g_strerror(errno));
    return false;
}

/* ---- null -------------------------------------------------------------------------------- */

static bool null_open(Chardev *c, const Opts *opts, GError **err)
{
    (void)opts, (void)err;
    c->open = true;
    return true;
}

static size_t null_write(Chardev *c, const uint8_t *buf, size_t len)
{
    (void)c, (void)buf;
    return len;
}

const ChardevKind chardev_null = {
    .name = "null",
    .desc = "nowhere",
    .size = sizeof(Chardev),
    .open = null_open,
    .write = null_write,
};

/* ---- stdio ------------------------------------------------------------------------------- */

static struct {
    bool in_use, changed;
    struct termios saved;
} terminal;

static void terminal_restore(void)
{
    if (terminal.changed) {
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal.saved);
        terminal.changed = false;
    }
}

static void terminal_raw(bool keep_signals)
{
    struct termios t;
    if (tcgetattr(STDIN_FILENO, &terminal.saved)) {
        return; /* not a terminal */
    }
    t = terminal.saved;
    t.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    t.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | IEXTEN);
    if (!keep_signals) {
        t.c_lflag &= ~(tcflag_t)ISIG;
    }
    t.c_cc[VMIN] = 1;
    t.c_cc[VTIME] = 0;
    if (!tcsetattr(STDIN_FILENO, TCSANOW, &t) && !terminal.changed) {
        terminal.changed = true;
        atexit(terminal_restore);
    }
}

static const OptDef stdio_opts[] = { { "signal", OPT_BOOL, NULL,
                                       "Ctrl-C ends the emulator (else the guest gets it)" },
                                     { NULL, 0, NULL, NULL } };

static bool stdio_open(Chardev *c, const Opts *opts, GError **err)
{
    FdChardev *f = (FdChardev *)c;
    if (terminal.in_use) {
        g_set_error(err, HW_ERROR, 0, "stdio is in use by another chardev");
        return false;
    }
    terminal.in_use = true;
    /* With a mux there is Ctrl-A x to end it, so that the guest may have Ctrl-C. */
    terminal_raw(opts_has(opts, "signal") ? opt_bool(opts, stdio_opts, "signal") : !c->mux);
    f->in = STDIN_FILENO;
    f->out = STDOUT_FILENO;
    c->open = true;
    fd_chardev_start(f);
    return true;
}

static void stdio_close(Chardev *c)
{
    fd_chardev_stop((FdChardev *)c);
    terminal_restore();
    terminal.in_use = false;
}

const ChardevKind chardev_stdio = {
    .name = "stdio",
    .desc = "the emulator's own terminal",
    .size = sizeof(FdChardev),
    .opts = stdio_opts,
    .open = stdio_open,
    .close = stdio_close,
    .write = fd_chardev_write,
    .accept_input = fd_chardev_accept_input,
    .wait_writable = fd_chardev_wait_writable,
};

/* ---- file -------------------------------------------------------------------------------- */

static const OptDef file_opts[] = { { "path", OPT_STR, NULL, "the file that gets the output" },
                                    { "input-path", OPT_STR, NULL, "a file to read input from" },
                                    { "append", OPT_BOOL, "off",
                                      "add to the file rather than empty it" },
                                    { NULL, 0, NULL, NULL } };

static void fd_close(Chardev *c)
{
    fd_chardev_stop((FdChardev *)c);
}

static bool file_open(Chardev *c, const Opts *opts, GError **err)
{
    FdChardev *f = (FdChardev *)c;
    const char *path = opt_str(opts, file_opts, "path");
    const char *input = opt_str(opts, file_opts, "input-path");
    int append = opt_bool(opts, file_opts, "append") ? O_APPEND : O_TRUNC;
    f->in = f->out = -1;
    if (!path) {
        g_set_error(err, HW_ERROR, 0, "chardev file needs a path=");
        return false;
    }
    f->out = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | append, 0666);
    if (f->out < 0) {
        return fail(err, "file", path);
    }
    f->in = input ? open(input, O_RDONLY | O_CLOEXEC) : -1;
    if (input && f->in < 0) {
        fail(err, "file", input);
        fd_close(c);
        return false;
    }
    c->where = g_strdup_printf("file:%s", path);
    c->open = true;
    fd_chardev_start(f);
    return true;
}

#define FD_KIND                                                              \
    .size = sizeof(FdChardev), .close = fd_close, .write = fd_chardev_write, \
    .accept_input = fd_chardev_accept_input, .wait_writable = fd_chardev_wait_writable

const ChardevKind chardev_file = {
    .name = "file",
    .desc = "a file",
    .opts = file_opts,
    .open = file_open,
    FD_KIND,
};

/* ---- pipe -------------------------------------------------------------------------------- */

static const OptDef path_opts[] = { { "path", OPT_STR, NULL, "the file's name" },
                                    { NULL, 0, NULL, NULL } };

/* path.in and path.out if they are there, else path for both; opened for both ways, so that it
 * neither waits for the other end nor hears it go. */
static bool pipe_open(Chardev *c, const Opts *opts, GError **err)
{
    FdChardev *f = (FdChardev *)c;
    const char *path = opt_str(opts, path_opts, "path");
    if (!path) {
        g_set_error(err, HW_ERROR, 0, "chardev pipe needs a path=");
        return false;
    }
    g_autofree char *in = g_strconcat(path, ".in", NULL);
    g_autofree char *out = g_strconcat(path, ".out", NULL);
    f->in = open(in, O_RDWR | O_CLOEXEC);
    f->out = open(out, O_RDWR | O_CLOEXEC);
    if (f->in < 0 || f->out < 0) {
        fd_close(c);
        f->in = f->out = open(path, O_RDWR | O_CLOEXEC);
        if (f->in < 0) {
            return fail(err, "pipe", path);
        }
    }
    c->where = g_strdup_printf("pipe:%s", path);
    c->open = true;
    fd_chardev_start(f);
    return true;
}

const ChardevKind chardev_pipe = {
    .name = "pipe",
    .desc = "a pair of named pipes, PATH.in and PATH.out",
    .opts = path_opts,
    .open = pipe_open,
    FD_KIND,
};

/* ---- pty --------------------------------------------------------------------------------- */

static bool pty_open(Chardev *c, const Opts *opts, GError **err)
{
    FdChardev *f = (FdChardev *)c;
    int master, slave;
    char name[64];
    (void)opts;
    if (openpty(&master, &slave, NULL, NULL, NULL) || ttyname_r(slave, name, sizeof(name))) {
        return fail(err, "pty", "");
    }
    struct termios t;
    tcgetattr(slave, &t);
    cfmakeraw(&t);
    tcsetattr(slave, TCSANOW, &t);
    /* The slave stays open here: the master then never reports a hang-up. */
    fcntl(slave, F_SETFD, FD_CLOEXEC);
    fcntl(master, F_SETFD, FD_CLOEXEC);
    f->in = f->out = master;
    c->where = g_strdup_printf("pty:%s", name);
    c->open = true;
    fprintf(stderr, "char device redirected to %s (label %s)\n", name, c->id);
    fd_chardev_start(f);
    return true;
}

const ChardevKind chardev_pty = {
    .name = "pty",
    .desc = "a new pseudo terminal",
    .open = pty_open,
    FD_KIND,
};

/* ---- serial ------------------------------------------------------------------------------ */

static bool serial_open(Chardev *c, const Opts *opts, GError **err)
{
    FdChardev *f = (FdChardev *)c;
    const char *path = opt_str(opts, path_opts, "path");
    struct termios t;
    f->in = f->out = path ? open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC) : -1;
    if (f->in < 0) {
        errno = path ? errno : EINVAL;
        return fail(err, "serial", path ? path : "(no path=)");
    }
    if (!tcgetattr(f->in, &t)) {
        cfmakeraw(&t);
        tcsetattr(f->in, TCSANOW, &t);
    }
    c->where = g_strdup_printf("serial:%s", path);
    c->open = true;
    fd_chardev_start(f);
    return true;
}

const ChardevKind chardev_serial = {
    .name = "serial",
    .desc = "a terminal or serial port of the host",
    .opts = path_opts,
    .open = serial_open,
    FD_KIND,
};

/* ---- ringbuf ----------------------------------------------------------------------------- */

typedef struct RingChardev {
    Chardev parent;
    uint8_t *data;
    uint64_t size; /* a power of 2 */
    uint64_t prod, cons;
} RingChardev;

static const OptDef ringbuf_opts[] = {
    { "size", OPT_SIZE, "64k", "how much is kept: a power of 2" }, { NULL, 0, NULL, NULL }
};

static bool ringbuf_open(Chardev *c, const Opts *opts, GError **err)
{
    RingChardev *r = (RingChardev *)c;
    r->size = opt_num(opts, ringbuf_opts, "size");
    if (r->size == 0 || r->size & (r->size - 1) || r->size > 1u << 30) {
        g_set_error(err, HW_ERROR, 0, "ringbuf: size= must be a power of 2, at most 1G");
        return false;
    }
    r->data = g_malloc(r->size);
    c->open = true;
    return true;
}

static void ringbuf_close(Chardev *c)
{
    g_free(((RingChardev *)c)->data);
}

static size_t ringbuf_put(Chardev *c, const uint8_t *buf, size_t len)
{
    RingChardev *r = (RingChardev *)c;
    for (size_t i = 0; i < len; i++) {
        r->data[r->prod++ & (r->size - 1)] = buf[i];
    }
    r->cons = MAX(r->cons, r->prod > r->size ? r->prod - r->size : 0);
    return len;
}

const ChardevKind chardev_ringbuf = {
    .name = "ringbuf",
    .desc = "memory that the monitor reads",
    .size = sizeof(RingChardev),
    .opts = ringbuf_opts,
    .open = ringbuf_open,
    .close = ringbuf_close,
    .write = ringbuf_put,
};

GByteArray *chardev_ringbuf_read(Chardev *c, size_t max)
{
    RingChardev *r = (RingChardev *)c;
    if (c->kind != &chardev_ringbuf) {
        return NULL;
    }
    chardev_flush(c);
    GByteArray *out = g_byte_array_new();
    while (r->cons < r->prod && out->len < max) {
        g_byte_array_append(out, &r->data[r->cons++ & (r->size - 1)], 1);
    }
    return out;
}

bool chardev_ringbuf_write(Chardev *c, const void *buf, size_t len)
{
    if (c->kind != &chardev_ringbuf) {
        return false;
    }
    ringbuf_put(c, buf, len);
    return true;
}
