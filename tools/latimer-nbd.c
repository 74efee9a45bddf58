/* SPDX-License-Identifier: MIT */
/* latimer-nbd: exports a disk image over the Network Block Device protocol. */
#include "block/authz.h"
#include "block/nbd/proto.h"
#include "block/nbd/service.h"
#include "block/secret.h"
#include "tools/nbd/kernel.h"
#include "util/file.h"
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct Server {
    const char *port, *bind, *socket, *fmt, *name, *description, *pid_file;
    unsigned flags;
    int shared; /* clients at a time, 0: any number */
    bool persistent, fork, image_opts, verbose, temporary, depth;
    const char *detect_zeroes, *snapshot, *device, *tls_creds, *tls_hostname, *tls_authz, *offset;
    GPtrArray *bitmaps; /* char *: names */
    NbdServer server;
    BlockBackend *blk;
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
         "  -s, --snapshot           keep writes in a temporary file\n"
         "  -o, --offset=OFFSET      export from there on\n"
         "  -B, --bitmap=NAME        offer the image's dirty bitmap to clients\n"
         "  -A, --allocation-depth   offer how deep in the backing chain data lies\n"
         "  -c, --connect=DEV        attach to the kernel's /dev/nbdX\n"
         "  -d, --disconnect=DEV     detach it\n"
         "  -l, --load-snapshot=NAME export an internal snapshot, read-only\n"
         "  -n, --nocache            as --cache=none\n"
         "      --cache=MODE         none, writeback, writethrough, directsync, unsafe\n"
         "      --discard=MODE       ignore or unmap\n"
         "      --detect-zeroes=MODE off, on or unmap\n"
         "  -i, --aio=MODE           threads, native or io_uring\n"
         "      --object=OBJECT      a secret or TLS credentials\n"
         "      --tls-creds=ID       speak TLS only, with those\n"
         "      --tls-authz=ID       only for those whom that object lets in\n"
         "      --tls-hostname=NAME  with -L: whose certificate the server must have\n"
         "      --image-opts         FILE is a list of options\n"
         "      --fork               go to the background once ready\n"
         "      --pid-file=PATH      where to write the process number\n"
         "  -L, --list               list the exports of a server\n"
         "  -v, --verbose            say who connects\n"
         "  -h, -V                   this help; version");
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
    nbd_serve(&s->server, c->fd);
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
    int ret = blk_flush_sync(s->blk);
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

static int fail_with(GError *err)
{
    fail("%s", err->message);
    g_error_free(err);
    return 1;
}

/* `node` from --offset on; takes the reference over. */
static BlockNode *from_offset(BlockNode *node, const char *offset, unsigned flags, GError **err)
{
    g_autoptr(Opts) opts = opts_new();
    block_name_node(node);
    opts_set(opts, "driver", "raw");
    opts_set(opts, "offset", offset);
    opts_set(opts, "file", node->node_name);
    BlockNode *top = block_open(NULL, NULL, opts, flags, err);
    block_unref(node);
    return top;
}

static BlockNode *open_image(Server *s, const char *file, GError **err)
{
    g_autoptr(Opts) opts = opts_new();
    unsigned flags = s->temporary ? s->flags & ~(unsigned)BLOCK_RDWR : s->flags;
    if (s->image_opts && !opts_parse(opts, file, NULL, err)) {
        return NULL;
    }
    if (s->detect_zeroes) {
        opts_set(opts, "detect-zeroes", s->detect_zeroes);
    }
    BlockNode *node = block_open(s->image_opts ? NULL : file, s->fmt, opts, flags, err);
    if (!node) {
        g_prefix_error(err, "Failed to blk_new_open '%s': ", file);
        return NULL;
    }
    if (s->snapshot &&
        (!node->drv->snapshot_load || !node->drv->snapshot_load(node, s->snapshot, err))) {
        if (!*err) {
            g_set_error(err, BLOCK_ERROR, ENOTSUP, "not supported");
        }
        g_prefix_error(err, "Failed to load snapshot: ");
        block_unref(node);
        return NULL;
    }
    if (s->temporary) {
        BlockNode *top = block_open_snapshot(node, err);
        block_unref(node);
        node = top;
    }
    return node && s->offset ? from_offset(node, s->offset, node->flags, err) : node;
}

/* The export that clients see. */
static bool make_export(Server *s, const char *file, GError **err)
{
    g_autoptr(BlockNode) node = open_image(s, file, err);
    if (!node) {
        return false;
    }
    BlockLoop *loop = block_loop_new();
    s->blk = blk_new(loop, node);
    NbdExport *e = nbd_export_new(loop, s->blk, s->name, s->description);
    e->read_only = !(node->flags & BLOCK_RDWR);
    e->multi_conn = s->shared != 1;
    e->allocation_depth = s->depth;
    g_ptr_array_add(s->server.exports, e);
    for (unsigned i = 0; i < s->bitmaps->len; i++) {
        if (!nbd_export_add_bitmap(e, g_ptr_array_index(s->bitmaps, i), err)) {
            return false;
        }
    }
    return true;
}

static int write_pid_file(const char *path, GError **err)
{
    g_autofree char *text = g_strdup_printf("%d\n", (int)getpid());
    return path && !file_write(path, text, strlen(text), err) ? -1 : 0;
}

static bool tell_parent(int fd)
{
    char ok = 0;
    bool told = write(fd, &ok, 1) == 1 && freopen("/dev/null", "r+", stdout) &&
                freopen("/dev/null", "r+", stderr) && freopen("/dev/null", "r", stdin);
    close(fd);
    return told;
}

static int run(Server *s, const char *file)
{
    GError *err = NULL;
    int ready[2] = { -1, -1 }, fd = -1;
    if (s->fork && go_background(ready)) {
        return 1;
    }
    if (s->tls_creds && !tls_check_endpoint(s->tls_creds, true, &err)) {
        return fail_with(err);
    }
    if (s->tls_authz && !s->tls_creds) {
        return fail("--tls-authz needs --tls-creds");
    }
    if (s->tls_authz && !authz_exists(s->tls_authz, &err)) {
        return fail_with(err);
    }
    s->server.tls_creds = (char *)s->tls_creds;
    s->server.tls_authz = (char *)s->tls_authz;
    if (!make_export(s, file, &err)) {
        return fail_with(err);
    }
    if (!s->device) {
        fd = s->socket ? nbd_listen_unix(s->socket, &err) : nbd_listen_tcp(s->bind, s->port, &err);
        if (fd < 0) {
            return fail_with(err);
        }
    }
    if (write_pid_file(s->pid_file, &err)) {
        return fail_with(err);
    }
    if (s->fork && !tell_parent(ready[1])) {
        return 1;
    }
    if (s->device) {
        int status = nbd_kernel_serve(&s->server, s->device, &err);
        int ret = blk_flush_sync(s->blk);
        blk_unref(s->blk);
        g_ptr_array_free(s->server.exports, true);
        return status ? fail_with(err) : ret ? fail("could not flush: %s", g_strerror(-ret)) : 0;
    }
    serve(s, fd);
    close(fd);
    if (s->socket) {
        unlink(s->socket);
    }
    blk_unref(s->blk);
    g_ptr_array_free(s->server.exports, true);
    return 0;
}

static int list(const Server *s)
{
    GError *err = NULL;
    g_autoptr(Opts) opts = opts_new();
    if (s->socket) {
        opts_set(opts, "path", s->socket);
    } else {
        opts_set(opts, "host", s->bind ? s->bind : "localhost");
        opts_set(opts, "port", s->port);
    }
    if (s->tls_creds) {
        opts_set(opts, "tls-creds", s->tls_creds);
    }
    if (s->tls_hostname) {
        opts_set(opts, "tls-hostname", s->tls_hostname);
    }
    return nbd_list(opts, &err) ? 0 : fail_with(err);
}

int main(int argc, char **argv)
{
    enum {
        CACHE = 256,
        DISCARD,
        ZEROES,
        IMAGE_OPTS,
        FORK,
        PID_FILE,
        OBJECT,
        TLS,
        TLS_NAME,
        TLS_AUTHZ,
        SELINUX
    };
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
        { "disconnect", 1, NULL, 'd' },
        { "object", 1, NULL, OBJECT },
        { "tls-creds", 1, NULL, TLS },
        { "tls-hostname", 1, NULL, TLS_NAME },
        { "tls-authz", 1, NULL, TLS_AUTHZ },
        { "selinux-label", 1, NULL, SELINUX },
        { "trace", 1, NULL, 'T' },
        { "offset", 1, NULL, 'o' },
        { "snapshot", 0, NULL, 's' },
        { "aio", 1, NULL, 'i' },
        { "bitmap", 1, NULL, 'B' },
        { "allocation-depth", 0, NULL, 'A' },
        { 0 },
    };
    static Server s = { .port = NBD_DEFAULT_PORT, .name = "", .flags = BLOCK_RDWR, .shared = 1 };
    GError *err = NULL;
    bool do_list = false;
    int c;
    s.bitmaps = g_ptr_array_new();
    s.server.exports = g_ptr_array_new_with_free_func((GDestroyNotify)nbd_export_unref);
    while ((c = getopt_long(argc, argv, "hVp:b:k:e:tx:D:f:rl:nLvc:d:o:si:B:AT:", longs, NULL)) !=
           -1) {
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
            s.device = optarg;
            break;
        case 'd':
            return nbd_kernel_disconnect(optarg, &err) ? fail_with(err) : 0;
        case 'o':
            s.offset = optarg;
            break;
        case 's':
            s.temporary = true;
            break;
        case 'i':
            if (!block_parse_aio(optarg, &s.flags)) {
                return fail("Invalid aio mode '%s'", optarg);
            }
            break;
        case 'B':
            g_ptr_array_add(s.bitmaps, optarg);
            break;
        case 'A':
            s.depth = true;
            break;
        case OBJECT:
            if (!block_object_add(optarg, &err)) {
                return fail_with(err);
            }
            break;
        case TLS:
            s.tls_creds = optarg;
            break;
        case TLS_NAME:
            s.tls_hostname = optarg;
            break;
        case SELINUX:
            return fail("not implemented: --selinux-label");
        case 'T':
            return fail("not implemented: --trace");
        case TLS_AUTHZ:
            s.tls_authz = optarg;
            break;
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
