/* SPDX-License-Identifier: MIT */
/* The NBD server of a machine: a thread that accepts, a thread for each client. */
#include "block/nbd/service.h"
#include "block/authz.h"
#include "block/job-int.h"
#include "block/nbd/proto.h"
#include "util/unix-socket.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

struct NbdService {
    NbdServer server;
    int fd, stop[2]; /* a pipe: what is closed at one end wakes the other */
    char *path;      /* of a Unix socket, to be removed */
    GThread *thread;
    GMutex lock;
    GCond change;
    GArray *clients; /* int: their sockets */
    unsigned max_clients;
};

typedef struct Client {
    NbdService *s;
    int fd;
} Client;

int nbd_listen_unix(const char *path, GError **err)
{
    int fd = unix_socket_bind(path, SOCK_STREAM | SOCK_CLOEXEC);

    if (fd < 0 || listen(fd, 128) < 0) {
        g_set_error(err, BLOCK_ERROR, errno, "Failed to listen on '%s': %s", path,
                    g_strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

int nbd_listen_tcp(const char *host, const char *port, GError **err)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *list;
    int fd = -1, on = 1, e = getaddrinfo(host, port, &hints, &list);
    if (e) {
        g_set_error(err, BLOCK_ERROR, EADDRNOTAVAIL, "'%s:%s': %s", host ? host : "*", port,
                    gai_strerror(e));
        return -1;
    }
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd >= 0) {
            setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
            if (bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, 128) < 0) {
                e = errno;
                close(fd);
                fd = -1;
            }
        }
    }
    freeaddrinfo(list);
    if (fd < 0) {
        g_set_error(err, BLOCK_ERROR, e, "Failed to listen on '%s:%s': %s", host ? host : "*", port,
                    g_strerror(e));
    }
    return fd;
}

static gpointer serve_client(gpointer opaque)
{
    g_autofree Client *c = opaque;
    NbdService *s = c->s;
    int fd = dup(c->fd); /* ours stays open, so that its number is not used again meanwhile */
    if (fd >= 0) {
        nbd_serve(&s->server, fd);
    }
    g_mutex_lock(&s->lock);
    for (unsigned i = 0; i < s->clients->len; i++) {
        if (g_array_index(s->clients, int, i) == c->fd) {
            g_array_remove_index_fast(s->clients, i);
            break;
        }
    }
    close(c->fd);
    g_cond_broadcast(&s->change);
    g_mutex_unlock(&s->lock);
    return NULL;
}

static gpointer accept_clients(gpointer opaque)
{
    NbdService *s = opaque;
    for (;;) {
        GPollFD polls[] = { { s->stop[0], G_IO_IN | G_IO_HUP, 0 }, { s->fd, G_IO_IN, 0 } };
        int on = 1;
        g_mutex_lock(&s->lock);
        bool full = s->clients->len >= s->max_clients; /* then others wait in the queue */
        g_mutex_unlock(&s->lock);
        g_poll(polls, full ? 1 : 2, full ? 100 : -1);
        if (polls[0].revents) {
            return NULL;
        }
        int fd = polls[1].revents ? accept4(s->fd, NULL, NULL, SOCK_CLOEXEC) : -1;
        if (fd < 0) {
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        Client *c = g_new(Client, 1);
        *c = (Client){ s, fd };
        g_mutex_lock(&s->lock);
        g_array_append_val(s->clients, fd);
        g_mutex_unlock(&s->lock);
        g_thread_unref(g_thread_new("nbd", serve_client, c));
    }
}

static int listen_on(const Value *addr, char **path, GError **err)
{
    const char *type = arg_str(addr, "type");
    const Value *data = value_get(addr, "data");
    data = data ? data : addr;
    if (!g_strcmp0(type, "unix") && arg_str(data, "path")) {
        *path = g_strdup(arg_str(data, "path"));
        return nbd_listen_unix(*path, err);
    }
    if (!g_strcmp0(type, "inet") && arg_str(data, "port")) {
        return nbd_listen_tcp(arg_str(data, "host"), arg_str(data, "port"), err);
    }
    g_set_error(err, BLOCK_ERROR, EINVAL,
                "'addr' must be of type inet, with host and port, or unix, "
                "with path");
    return -1;
}

bool nbd_service_start(BlockSystem *sys, const Value *args, GError **err)
{
    const Value *addr = value_get(args, "addr");
    const char *creds = arg_str(args, "tls-creds"), *authz = arg_str(args, "tls-authz");
    int64_t most = arg_int(args, "max-connections", 0);
    if (sys->nbd) {
        g_set_error(err, BLOCK_ERROR, EBUSY, "NBD server already running");
        return false;
    }
    if (!addr || addr->type != VALUE_DICT) {
        return arg_missing(err, "addr");
    }
    if ((creds && !tls_check_endpoint(creds, true, err)) || (authz && !authz_exists(authz, err))) {
        return false;
    }
    if (authz && !creds) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "'tls-authz' needs 'tls-creds'");
        return false;
    }
    g_autofree char *path = NULL;
    int fd = listen_on(addr, &path, err);
    if (fd < 0) {
        return false;
    }
    NbdService *s = g_new0(NbdService, 1);
    s->fd = fd;
    s->path = g_steal_pointer(&path);
    s->server.exports = g_ptr_array_new_with_free_func((GDestroyNotify)nbd_export_unref);
    s->server.tls_creds = g_strdup(creds);
    s->server.tls_authz = g_strdup(authz);
    s->max_clients = most > 0 ? MIN(most, UINT32_MAX) : UINT32_MAX;
    s->clients = g_array_new(false, false, sizeof(int));
    g_mutex_init(&s->server.lock);
    g_mutex_init(&s->lock);
    g_cond_init(&s->change);
    g_assert(pipe(s->stop) == 0);
    s->thread = g_thread_new("nbd-accept", accept_clients, s);
    sys->nbd = s;
    return true;
}

static void drop_clients(NbdService *s)
{
    g_mutex_lock(&s->lock);
    for (unsigned i = 0; i < s->clients->len; i++) {
        shutdown(g_array_index(s->clients, int, i), SHUT_RDWR);
    }
    while (s->clients->len) {
        g_cond_wait(&s->change, &s->lock);
    }
    g_mutex_unlock(&s->lock);
}

void nbd_service_stop(BlockSystem *sys)
{
    NbdService *s = sys->nbd;
    if (!s) {
        return;
    }
    sys->nbd = NULL;
    close(s->stop[1]);
    g_thread_join(s->thread);
    drop_clients(s);
    for (unsigned i = 0; i < s->server.exports->len; i++) {
        NbdExport *e = g_ptr_array_index(s->server.exports, i);
        g_ptr_array_remove(sys->backends, e->blk);
    }
    g_ptr_array_free(s->server.exports, true);
    g_array_free(s->clients, true);
    close(s->fd);
    close(s->stop[0]);
    if (s->path) {
        unlink(s->path);
    }
    g_free(s->path);
    g_free(s->server.tls_creds);
    g_free(s->server.tls_authz);
    g_mutex_clear(&s->server.lock);
    g_mutex_clear(&s->lock);
    g_cond_clear(&s->change);
    g_free(s);
}

bool nbd_service_stop_command(BlockSystem *sys, const Value *args, GError **err)
{
    (void)args;
    if (!sys->nbd) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "NBD server not running");
        return false;
    }
    nbd_service_stop(sys);
    return true;
}

static NbdExport *find_export(NbdService *s, const char *name)
{
    for (unsigned i = 0; i < s->server.exports->len; i++) {
        NbdExport *e = g_ptr_array_index(s->server.exports, i);
        if (!strcmp(e->name, name)) {
            return e;
        }
    }
    return NULL;
}

static bool add_bitmaps(NbdExport *e, const Value *args, GError **err)
{
    const Value *list = value_get(args, "bitmaps");
    const char *one = arg_str(args, "bitmap");
    bool ok = !one || nbd_export_add_bitmap(e, one, err);
    for (unsigned i = 0; ok && list && list->items && i < list->items->len; i++) {
        const Value *v = g_ptr_array_index(list->items, i);
        const char *name = v->type == VALUE_STRING ? v->str : arg_str(v, "name");
        ok = name ? nbd_export_add_bitmap(e, name, err) : arg_missing(err, "name");
    }
    return ok;
}

static NbdExport *find_by_id(NbdService *s, const char *id)
{
    for (unsigned i = 0; i < s->server.exports->len; i++) {
        NbdExport *e = g_ptr_array_index(s->server.exports, i);
        if (!strcmp(e->id, id)) {
            return e;
        }
    }
    return NULL;
}

static bool exists(GError **err, const char *fmt, const char *name)
{
    g_set_error(err, BLOCK_ERROR, EEXIST, fmt, name);
    return false;
}

/* The image to be exported; NULL when it cannot be, in the way that is wanted. */
static BlockNode *export_node(BlockSystem *sys, const char *name, bool writable, GError **err)
{
    BlockNode *node = name ? block_system_node(sys, name, err) : NULL;
    if (!name) {
        arg_missing(err, "node-name");
    } else if (node && writable && !(node->flags & BLOCK_RDWR)) {
        g_set_error(err, BLOCK_ERROR, EROFS, "Cannot export '%s' for writing: it is read-only",
                    name);
        return NULL;
    }
    return node;
}

bool nbd_service_add(BlockSystem *sys, const Value *args, GError **err)
{
    const char *type = arg_str(args, "type"), *node_name = arg_str(args, "node-name");
    node_name = node_name ? node_name : arg_str(args, "device");
    const char *name = arg_str(args, "name"), *id = arg_str(args, "id");
    name = name ? name : node_name;
    id = id ? id : name;
    if (!sys->nbd || (type && strcmp(type, "nbd"))) {
        g_set_error(err, BLOCK_ERROR, EINVAL,
                    sys->nbd ? "not implemented: exports of type '%s'; nbd is there"
                             : "NBD server not running",
                    type);
        return false;
    }
    bool writable = arg_bool(args, "writable", false);
    BlockNode *node = export_node(sys, node_name, writable, err);
    if (!node) {
        return false;
    }
    if (find_export(sys->nbd, name)) {
        return exists(err, "NBD server already has export named '%s'", name);
    }
    if (find_by_id(sys->nbd, id)) {
        return exists(err, "Block export id '%s' is already in use", id);
    }
    BlockBackend *blk = blk_new(sys->loop, node);
    NbdExport *e = nbd_export_new(sys->loop, blk, name, arg_str(args, "description"));
    g_free(e->id);
    e->id = g_strdup(id);
    e->read_only = !writable;
    e->multi_conn = true;
    e->allocation_depth = arg_bool(args, "allocation-depth", false);
    if (!add_bitmaps(e, args, err)) {
        blk_unref(blk);
        nbd_export_unref(e);
        return false;
    }
    g_ptr_array_add(sys->backends, blk);
    g_mutex_lock(&sys->nbd->server.lock);
    g_ptr_array_add(sys->nbd->server.exports, e);
    g_mutex_unlock(&sys->nbd->server.lock);
    return true;
}

static bool remove_export(BlockSystem *sys, NbdExport *e, const Value *args, GError **err)
{
    const char *mode = arg_str(args, "mode");
    if (mode && strcmp(mode, "safe") && strcmp(mode, "hard")) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "Parameter 'mode' does not accept value '%s'", mode);
        return false;
    }
    bool hard = !g_strcmp0(mode, "hard");
    g_mutex_lock(&sys->nbd->server.lock);
    bool used = g_atomic_int_get(&e->refs) > 1;
    if (used && !hard) {
        g_set_error(err, BLOCK_ERROR, EBUSY, "export '%s' still in use", e->id);
        g_mutex_unlock(&sys->nbd->server.lock);
        return false;
    }
    BlockBackend *blk = blk_ref(e->blk);
    Value *data = value_new(VALUE_DICT);
    value_set_string(data, "id", e->id);
    g_ptr_array_remove(sys->nbd->server.exports, e);
    g_mutex_unlock(&sys->nbd->server.lock);
    if (used) {
        drop_clients(sys->nbd); /* those of other exports, too: they come back */
    }
    g_ptr_array_remove(sys->backends, blk);
    blk_unref(blk);
    block_system_event(sys, "BLOCK_EXPORT_DELETED", data);
    return true;
}

bool nbd_service_remove(BlockSystem *sys, const Value *args, GError **err)
{
    const char *name = arg_str(args, "name");
    NbdExport *e = sys->nbd && name ? find_export(sys->nbd, name) : NULL;
    if (!e) {
        g_set_error(err, BLOCK_ERROR, ENOENT, "Export '%s' is not found", name ? name : "");
    }
    return e && remove_export(sys, e, args, err);
}

bool nbd_service_del(BlockSystem *sys, const Value *args, GError **err)
{
    const char *id = arg_str(args, "id");
    NbdExport *e = sys->nbd && id ? find_by_id(sys->nbd, id) : NULL;
    if (!e) {
        g_set_error(err, BLOCK_ERROR, ENOENT, "Export '%s' is not found", id ? id : "");
    }
    return e && remove_export(sys, e, args, err);
}

Value *nbd_service_query(BlockSystem *sys)
{
    Value *list = value_new(VALUE_LIST);
    for (unsigned i = 0; sys->nbd && i < sys->nbd->server.exports->len; i++) {
        const NbdExport *e = g_ptr_array_index(sys->nbd->server.exports, i);
        Value *v = value_append(list, value_new(VALUE_DICT));
        value_set_string(v, "id", e->id);
        value_set_bool(v, "shutting-down", false);
        value_set_string(v, "type", "nbd");
        value_set_string(v, "node-name",
                         blk_node(e->blk)->node_name ? blk_node(e->blk)->node_name : "");
    }
    return list;
}
