/* SPDX-License-Identifier: MIT */
/* latimer-nbd: exports a disk image over the Network Block Device protocol. */
#include "block/nbd/proto.h"
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct Server {
    const char *port, *bind, *socket, *fmt, *name, *description, *pid_file;
    unsigned flags;
    int shared; /* clients at a time, 0: any number */
    bool persistent, fork, image_opts, verbose;
    const char *detect_zeroes, *snapshot;
    NbdExport export;
    GMutex lock;
    GCond change;
    int clients;
} Server;

static int stop_pipe[2];

static int fail(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
static int fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("latimer-nbd: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return 1;
}

static void help(void)
{
    puts("usage: latimer-nbd [options] file\n"
         "       latimer-nbd -L [-k path | -b host -p port]\n"
         "Exports a disk image over NBD.\n\n"
         "  -p, --port=PORT          port to listen on (10809)\n"
         "  -b, --bind=IFACE         address to listen on (0.0.0.0)\n"
         "  -k, --socket=PATH        Unix socket to listen on\n"
         "  -e, --shared=NUM         so many clients at a time (1), 0 for any number\n"
         "  -t, --persistent         do not exit when the last client goes\n"
         "  -x, --export-name=NAME   name of the export (empty)\n"
         "  -D, --description=TEXT   description of the export\n"
         "  -f, --format=FORMAT      the image's format\n"
         "  -r, --read-only          refuse writes\n"
         "  -l, --load-snapshot=NAME export an internal snapshot, read-only\n"
         "  -n, --nocache            as --cache=none\n"
         "      --cache=MODE         none, writeback, writethrough, directsync, unsafe\n"
         "      --discard=MODE       ignore or unmap\n"
         "      --detect-zeroes=MODE off, on or unmap\n"
         "      --image-opts         FILE is a list of options\n"
         "      --fork               go to the background once ready\n"
         "      --pid-file=PATH      where to write the process number\n"
         "  -L, --list               list the exports of a server\n"
         "  -v, --verbose            say who connects\n"
         "  -h, -V                   this help; version");
}

static int listen_unix(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof(addr.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(addr.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (unlink(path), bind(fd, (struct sockaddr *)&addr, sizeof(addr))) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int listen_tcp(const char *host, const char *port)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *list;
    int fd = -1, on = 1, e = getaddrinfo(host, port, &hints, &list);
    if (e) {
        fail("'%s:%s': %s", host ? host : "*", port, gai_strerror(e));
        errno = EADDRNOTAVAIL;
        return -1;
    }
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd >= 0) {
            setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
            if (bind(fd, a->ai_addr, a->ai_addrlen) < 0) {
                e = errno;
                close(fd);
                fd = -1;
                errno = e;
            }
        }
    }
    freeaddrinfo(list);
    return fd;
}

static void on_signal(int sig)
{
    (void)sig;
    ssize_t n = write(stop_pipe[1], "", 1);
    (void)n; /* a full pipe has said it already */
}

typedef struct Client {
    Server *s;
    int fd;
} Client;

static gpointer serve_client(gpointer opaque)
{
    g_autofree Client *c = opaque;
    Server *s = c->s;
    nbd_serve(&s->export, 1, c->fd);
    g_mutex_lock(&s->lock);
    s->clients--;
    if (!s->clients && !s->persistent) {
        on_signal(0);
    }
    g_cond_broadcast(&s->change);
    g_mutex_unlock(&s->lock);
    return NULL;
}

static void accept_one(Server *s, int fd)
{
    int on = 1, conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    if (conn < 0) {
        return;
    }
    setsockopt(conn, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (s->verbose) {
        fprintf(stderr, "latimer-nbd: a client connected\n");
    }
    g_mutex_lock(&s->lock);
    s->clients++;
    g_mutex_unlock(&s->lock);
    Client *c = g_new(Client, 1);
    c->s = s;
    c->fd = conn;
    g_thread_unref(g_thread_new("nbd", serve_client, c));
}

static void serve(Server *s, int fd)
{
    for (;;) {
        g_mutex_lock(&s->lock);
        bool full = s->shared && s->clients >= s->shared;
        g_mutex_unlock(&s->lock);
        GPollFD polls[] = { { stop_pipe[0], G_IO_IN, 0 }, { fd, full ? 0 : G_IO_IN, 0 } };
        g_poll(polls, 2, full ? 50 : -1);
        if (polls[0].revents) {
            break;
        }
        if (polls[1].revents & G_IO_IN) {
            accept_one(s, fd);
        }
    }
    int ret = block_flush(s->export.node);
    if (ret) {
        fail("could not flush: %s", g_strerror(-ret));
    }
}

/* The parent waits until the child listens, and exits as the child says. */
static int go_background(int ready[2])
{
    char status = 1;
    if (pipe(ready) < 0) {
        return fail("pipe: %s", g_strerror(errno));
    }
    pid_t pid = fork();
    if (pid < 0) {
        return fail("fork: %s", g_strerror(errno));
    }
    if (pid) {
        close(ready[1]);
        _exit(read(ready[0], &status, 1) == 1 ? status : 1);
    }
    close(ready[0]);
    setsid();
    return 0;
}

static int run(Server *s, const char *file)
{
    GError *err = NULL;
    int ready[2] = { -1, -1 };
    g_autoptr(BlockOpts) opts = block_opts_new();
    if (s->fork && go_background(ready)) {
        return 1;
    }
    if (s->image_opts && !block_opts_parse(opts, file, NULL, &err)) {
        return fail("%s", err->message);
    }
    if (s->detect_zeroes) {
        block_opts_set(opts, "detect-zeroes", s->detect_zeroes);
    }
    g_autoptr(BlockNode) node =
        block_open(s->image_opts ? NULL : file, s->fmt, opts, s->flags, &err);
    if (!node) {
        return fail("Failed to blk_new_open '%s': %s", file, err->message);
    }
    if (s->snapshot &&
        (!node->drv->snapshot_load || !node->drv->snapshot_load(node, s->snapshot, &err))) {
        return fail("Failed to load snapshot: %s", err ? err->message : "not supported");
    }
    s->export = (NbdExport){ .node = node,
                             .name = s->name,
                             .description = s->description,
                             .read_only = !(s->flags & BLOCK_RDWR),
                             .shared = s->shared != 1 };
    int fd = s->socket ? listen_unix(s->socket) : listen_tcp(s->bind, s->port);
    if (fd < 0 || listen(fd, 128) < 0) {
        return fail("Failed to listen: %s", g_strerror(errno));
    }
    if (s->pid_file) {
        g_autofree char *text = g_strdup_printf("%d\n", (int)getpid());
        if (!g_file_set_contents(s->pid_file, text, -1, &err)) {
            return fail("%s", err->message);
        }
    }
    if (s->fork) {
        char ok = 0;
        if (write(ready[1], &ok, 1) != 1 || !freopen("/dev/null", "r+", stdout) ||
            !freopen("/dev/null", "r+", stderr) || !freopen("/dev/null", "r", stdin)) {
            return 1;
        }
        close(ready[1]);
    }
    serve(s, fd);
    close(fd);
    if (s->socket) {
        unlink(s->socket);
    }
    return 0;
}

static int list(const Server *s)
{
    GError *err = NULL;
    g_autofree char *uri =
        s->socket ? g_strdup_printf("nbd:unix:%s", s->socket)
                  : g_strdup_printf("nbd:%s:%s", s->bind ? s->bind : "localhost", s->port);
    return nbd_list(uri, &err) ? 0 : fail("%s", err->message);
}

int main(int argc, char **argv)
{
    enum { CACHE = 256, DISCARD, ZEROES, IMAGE_OPTS, FORK, PID_FILE, OBJECT, TLS };
    static const struct option longs[] = {
        { "help", 0, NULL, 'h' },
        { "version", 0, NULL, 'V' },
        { "port", 1, NULL, 'p' },
        { "bind", 1, NULL, 'b' },
        { "socket", 1, NULL, 'k' },
        { "shared", 1, NULL, 'e' },
        { "persistent", 0, NULL, 't' },
        { "export-name", 1, NULL, 'x' },
        { "description", 1, NULL, 'D' },
        { "format", 1, NULL, 'f' },
        { "read-only", 0, NULL, 'r' },
        { "load-snapshot", 1, NULL, 'l' },
        { "nocache", 0, NULL, 'n' },
        { "cache", 1, NULL, CACHE },
        { "discard", 1, NULL, DISCARD },
        { "detect-zeroes", 1, NULL, ZEROES },
        { "image-opts", 0, NULL, IMAGE_OPTS },
        { "fork", 0, NULL, FORK },
        { "pid-file", 1, NULL, PID_FILE },
        { "list", 0, NULL, 'L' },
        { "verbose", 0, NULL, 'v' },
        { "connect", 1, NULL, 'c' },
        { "disconnect", 0, NULL, 'd' },
        { "object", 1, NULL, OBJECT },
        { "tls-creds", 1, NULL, TLS },
        { 0 },
    };
    static Server s = { .port = NBD_DEFAULT_PORT, .name = "", .flags = BLOCK_RDWR, .shared = 1 };
    bool do_list = false;
    int c;
    while ((c = getopt_long(argc, argv, "hVp:b:k:e:tx:D:f:rl:nLvc:d", longs, NULL)) != -1) {
        switch (c) {
        case 'h':
            help();
            return 0;
        case 'V':
            puts("latimer-nbd");
            return 0;
        case 'p':
            s.port = optarg;
            break;
        case 'b':
            s.bind = optarg;
            break;
        case 'k':
            s.socket = optarg;
            break;
        case 'e': {
            char *end;
            long n = strtol(optarg, &end, 0);
            if (*end || end == optarg || n < 0 || n > 65535) {
                return fail("Invalid shared device number '%s'", optarg);
            }
            s.shared = n;
            break;
        }
        case 't':
            s.persistent = true;
            break;
        case 'x':
            s.name = optarg;
            break;
        case 'D':
            s.description = optarg;
            break;
        case 'f':
            s.fmt = optarg;
            break;
        case 'r':
            s.flags &= ~(unsigned)BLOCK_RDWR;
            break;
        case 'l':
            s.snapshot = optarg;
            s.flags &= ~(unsigned)BLOCK_RDWR;
            break;
        case 'n':
        case CACHE:
            if (!block_parse_cache(c == 'n' ? "none" : optarg, &s.flags)) {
                return fail("Invalid cache mode '%s'", optarg);
            }
            break;
        case DISCARD:
            if (!strcmp(optarg, "unmap") || !strcmp(optarg, "on")) {
                s.flags |= BLOCK_UNMAP;
            } else if (strcmp(optarg, "ignore") && strcmp(optarg, "off")) {
                return fail("Invalid discard mode '%s'", optarg);
            }
            break;
        case ZEROES:
            s.detect_zeroes = optarg;
            break;
        case IMAGE_OPTS:
            s.image_opts = true;
            break;
        case FORK:
            s.fork = true;
            break;
        case PID_FILE:
            s.pid_file = optarg;
            break;
        case 'L':
            do_list = true;
            break;
        case 'v':
            s.verbose = true;
            break;
        case 'c':
        case 'd':
            return fail("not implemented: attaching to the kernel's /dev/nbdX; serve a socket and "
                        "use nbd-client");
        case OBJECT:
        case TLS:
            return fail("not implemented: TLS (--object, --tls-creds)");
        default:
            return fail("Try 'latimer-nbd --help' for more information");
        }
    }
    if (do_list) {
        return list(&s);
    }
    if (argc - optind != 1) {
        return fail("Invalid number of arguments\nTry 'latimer-nbd --help' for more information");
    }
    if (pipe(stop_pipe) < 0) {
        return fail("pipe: %s", g_strerror(errno));
    }
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    signal(SIGHUP, on_signal);
    return run(&s, argv[optind]);
}
