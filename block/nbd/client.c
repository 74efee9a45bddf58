/* SPDX-License-Identifier: MIT */
/* `nbd`: a client of the Network Block Device protocol over TCP and Unix sockets. Any number of
 * requests can be in flight on one connection; whoever waits reads replies, for all. */
#include "block/nbd/proto.h"
#include <errno.h>
#include <stdio.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct NbdRequest {
    uint64_t cookie, off;
    uint32_t len;
    uint8_t *buf;        /* where a read's data goes */
    BlockExtent *extent; /* where a block status goes */
    int ret;
    bool done, lost; /* lost: the connection was, before its reply came */
    struct NbdRequest *next;
} NbdRequest;

typedef struct Nbd {
    NbdStream io;
    uint64_t size;
    uint16_t flags;
    bool structured, has_context;
    uint32_t context_id;
    char *export, *path, *host, *port;
    char *tls_creds, *tls_hostname;
    int64_t reconnect_delay; /* seconds to try again, 0: not at all */
    GMutex lock, send_lock;
    GCond change;
    bool receiving;
    int dead; /* -errno once the connection is lost */
    uint64_t next_cookie;
    NbdRequest *pending;
} Nbd;

static const OptDef nbd_open_opts[] = {
    { "host", OPT_STR, NULL, "TCP host to connect to" },
    { "port", OPT_STR, NULL, "TCP port to connect to" },
    { "path", OPT_STR, NULL, "Unix socket path to connect to" },
    { "server.type", OPT_STR, NULL, "inet or unix" },
    { "server.host", OPT_STR, NULL, "TCP host to connect to" },
    { "server.port", OPT_STR, NULL, "TCP port to connect to" },
    { "server.path", OPT_STR, NULL, "Unix socket path to connect to" },
    { "export", OPT_STR, "", "Name of the NBD export to open" },
    { "tls-creds", OPT_STR, NULL, "ID of the TLS credentials to use" },
    { "tls-hostname", OPT_STR, NULL, "Name that the server's certificate must have" },
    { "reconnect-delay", OPT_NUM, "0", "Seconds to retry after the connection was lost" },
    { 0 },
};

static const char *const nbd_prefixes[] = { "nbd:", "nbd+tcp:", "nbd+unix:", "nbds:", NULL };

/* nbd://host:port/export, nbd+unix:///export?socket=path */
static bool parse_uri(const char *uri, Opts *opts, GError **err)
{
    g_autoptr(GUri) u = g_uri_parse(uri, G_URI_FLAGS_NONE, err);
    if (!u) {
        return false;
    }
    const char *path = g_uri_get_path(u), *query = g_uri_get_query(u);
    bool is_unix = !strcmp(g_uri_get_scheme(u), "nbd+unix");
    if (!strcmp(g_uri_get_scheme(u), "nbds")) {
        g_set_error(err, BLOCK_ERROR, EINVAL,
                    "'%s': TLS needs credentials: driver=nbd,host=…,tls-creds=ID", uri);
        return false;
    }
    opts_set(opts, "export", path && *path == '/' ? path + 1 : "");
    if (is_unix) {
        g_autoptr(GHashTable) params =
            query ? g_uri_parse_params(query, -1, "&", G_URI_PARAMS_NONE, err) : NULL;
        const char *sock = params ? g_hash_table_lookup(params, "socket") : NULL;
        if (!sock) {
            g_clear_error(err);
            g_set_error(err, BLOCK_ERROR, EINVAL, "'%s': '?socket=PATH' is missing", uri);
            return false;
        }
        opts_set(opts, "path", sock);
        return true;
    }
    opts_set(opts, "host",
             g_uri_get_host(u) && *g_uri_get_host(u) ? g_uri_get_host(u) : "localhost");
    if (g_uri_get_port(u) > 0) {
        opts_setf(opts, "port", "%d", g_uri_get_port(u));
    }
    return true;
}

/* nbd:host:port[:exportname=NAME], nbd:unix:PATH[:exportname=NAME] */
static bool nbd_parse_filename(const char *filename, Opts *opts, GError **err)
{
    if (strstr(filename, "://")) {
        return parse_uri(filename, opts, err);
    }
    g_autofree char *rest = g_strdup(filename + strlen("nbd:"));
    char *export = strstr(rest, ":exportname=");
    if (export) {
        *export = 0;
        opts_set(opts, "export", export + strlen(":exportname="));
    }
    if (g_str_has_prefix(rest, "unix:")) {
        opts_set(opts, "path", rest + strlen("unix:"));
        return true;
    }
    char *colon = strrchr(rest, ':');
    if (!g_str_has_prefix(filename, "nbd:") || !colon) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "'%s': nbd:HOST:PORT or nbd:unix:PATH is expected",
                    filename);
        return false;
    }
    *colon = 0;
    opts_set(opts, "host", *rest ? rest : "localhost");
    opts_set(opts, "port", colon + 1);
    return true;
}

static bool fail(GError **err, int code, const char *fmt, ...) G_GNUC_PRINTF(3, 4);
static bool fail(GError **err, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_set_error(err, BLOCK_ERROR, code, "NBD: %s", text);
    return false;
}

static bool connect_unix(Nbd *s, GError **err)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    if (strlen(s->path) >= sizeof(addr.sun_path)) {
        return fail(err, ENAMETOOLONG, "socket path '%s' is too long", s->path);
    }
    strcpy(addr.sun_path, s->path);
    s->io.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->io.fd < 0 || connect(s->io.fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        return fail(err, errno, "Failed to connect to '%s': %s", s->path, g_strerror(errno));
    }
    return true;
}

static bool connect_tcp(Nbd *s, GError **err)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
    int e = getaddrinfo(s->host, s->port, &hints, &list), on = 1;
    if (e) {
        return fail(err, EHOSTUNREACH, "'%s:%s': %s", s->host, s->port, gai_strerror(e));
    }
    e = ECONNREFUSED;
    for (struct addrinfo *a = list; a && s->io.fd < 0; a = a->ai_next) {
        s->io.fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (s->io.fd >= 0 && connect(s->io.fd, a->ai_addr, a->ai_addrlen) < 0) {
            e = errno;
            close(s->io.fd);
            s->io.fd = -1;
        }
    }
    freeaddrinfo(list);
    if (s->io.fd < 0) {
        return fail(err, e, "Failed to connect to '%s:%s': %s", s->host, s->port, g_strerror(e));
    }
    setsockopt(s->io.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return true;
}

static int send_option(Nbd *s, uint32_t opt, const void *data, uint32_t len)
{
    uint8_t h[16];
    st_be64(h, NBD_OPTS_MAGIC);
    st_be32(h + 8, opt);
    st_be32(h + 12, len);
    int ret = nbd_write(&s->io, h, sizeof(h));
    return ret ? ret : nbd_write(&s->io, data, len);
}

/* One reply to an option; its payload in *data (free with g_free). */
static bool read_reply(Nbd *s, uint32_t opt, uint32_t *type, uint8_t **data, uint32_t *len,
                       GError **err)
{
    uint8_t h[20];
    *data = NULL;
    int ret = nbd_read(&s->io, h, sizeof(h));
    if (ret) {
        return fail(err, -ret, "the server closed the connection during negotiation");
    }
    *type = ld_be32(h + 12);
    *len = ld_be32(h + 16);
    if (ld_be64(h) != NBD_REP_MAGIC || ld_be32(h + 8) != opt || *len > NBD_MAX_OPTION) {
        return fail(err, EPROTO, "the server's reply to option %u is not NBD", opt);
    }
    *data = g_malloc0(*len + 1);
    ret = nbd_read(&s->io, *data, *len);
    if (ret) {
        g_free(*data);
        *data = NULL;
        return fail(err, -ret, "the server closed the connection during negotiation");
    }
    return true;
}

static bool greet(Nbd *s, GError **err)
{
    uint8_t h[18], flags[4];
    int ret = nbd_read(&s->io, h, sizeof(h));
    if (ret || ld_be64(h) != NBD_MAGIC) {
        return fail(err, EPROTO, "the server's greeting is not NBD");
    }
    if (ld_be64(h + 8) != NBD_OPTS_MAGIC || !(ld_be16(h + 16) & NBD_FLAG_FIXED_NEWSTYLE)) {
        return fail(err, EPROTO, "the server does not speak fixed newstyle negotiation");
    }
    st_be32(flags, NBD_FLAG_FIXED_NEWSTYLE | (ld_be16(h + 16) & NBD_FLAG_NO_ZEROES));
    ret = nbd_write(&s->io, flags, 4);
    return ret ? fail(err, -ret, "%s", g_strerror(-ret)) : true;
}

/* Sends an option without payload; is it acknowledged? */
static bool simple_option(Nbd *s, uint32_t opt, bool *ok, GError **err)
{
    uint32_t type, len;
    g_autofree uint8_t *data = NULL;
    int ret = send_option(s, opt, NULL, 0);
    if (ret) {
        return fail(err, -ret, "%s", g_strerror(-ret));
    }
    if (!read_reply(s, opt, &type, &data, &len, err)) {
        return false;
    }
    *ok = type == NBD_REP_ACK;
    return true;
}

static bool start_tls(Nbd *s, GError **err)
{
    bool ok;
    if (!s->tls_creds) {
        return true;
    }
    if (!simple_option(s, NBD_OPT_STARTTLS, &ok, err)) {
        return false;
    }
    if (!ok) {
        return fail(err, EPROTO, "the server does not support TLS");
    }
    s->io.tls = tls_start(s->tls_creds, s->io.fd, false, s->tls_hostname, err);
    return s->io.tls != NULL;
}

static bool ask_context(Nbd *s, GError **err)
{
    uint32_t name_len = strlen(s->export), q = strlen(NBD_ALLOCATION), type = 0, len;
    g_autofree uint8_t *msg = g_malloc(12 + name_len + q);
    st_be32(msg, name_len);
    memcpy(msg + 4, s->export, name_len);
    st_be32(msg + 4 + name_len, 1);
    st_be32(msg + 8 + name_len, q);
    memcpy(msg + 12 + name_len, NBD_ALLOCATION, q);
    int ret = send_option(s, NBD_OPT_SET_META_CONTEXT, msg, 12 + name_len + q);
    if (ret) {
        return fail(err, -ret, "%s", g_strerror(-ret));
    }
    for (;;) {
        g_autofree uint8_t *data = NULL;
        if (!read_reply(s, NBD_OPT_SET_META_CONTEXT, &type, &data, &len, err)) {
            return false;
        }
        if (type != NBD_REP_META_CONTEXT) {
            return true; /* acknowledged, or not supported: then without */
        }
        if (len == 4 + q && !memcmp(data + 4, NBD_ALLOCATION, q)) {
            s->context_id = ld_be32(data);
            s->has_context = true;
        }
    }
}

static bool go(Nbd *s, GError **err)
{
    uint32_t name_len = strlen(s->export), type, len;
    g_autofree uint8_t *msg = g_malloc(6 + name_len);
    bool known = false;
    st_be32(msg, name_len);
    memcpy(msg + 4, s->export, name_len);
    st_be16(msg + 4 + name_len, 0);
    int ret = send_option(s, NBD_OPT_GO, msg, 6 + name_len);
    if (ret) {
        return fail(err, -ret, "%s", g_strerror(-ret));
    }
    for (;;) {
        g_autofree uint8_t *data = NULL;
        if (!read_reply(s, NBD_OPT_GO, &type, &data, &len, err)) {
            return false;
        }
        if (type == NBD_REP_ACK) {
            return known ? true : fail(err, EPROTO, "the server told no size");
        }
        if (type == NBD_REP_INFO && len >= 12 && ld_be16(data) == NBD_INFO_EXPORT) {
            s->size = ld_be64(data + 2);
            s->flags = ld_be16(data + 10);
            known = true;
        } else if (type & 0x80000000U) {
            return fail(err, EINVAL, "Requested export '%s' not available: %s", s->export,
                        len ? (char *)data : "refused by the server");
        }
    }
}

static bool negotiate(Nbd *s, GError **err)
{
    s->io.fd = -1;
    s->structured = s->has_context = false;
    if (!(s->path ? connect_unix(s, err) : connect_tcp(s, err)) || !greet(s, err) ||
        !start_tls(s, err) || !simple_option(s, NBD_OPT_STRUCTURED_REPLY, &s->structured, err) ||
        (s->structured && !ask_context(s, err)) || !go(s, err)) {
        nbd_stream_close(&s->io);
        return false;
    }
    return true;
}

static void free_state(Nbd *s)
{
    g_free(s->export);
    g_free(s->path);
    g_free(s->host);
    g_free(s->port);
    g_free(s->tls_creds);
    g_free(s->tls_hostname);
    g_mutex_clear(&s->lock);
    g_mutex_clear(&s->send_lock);
    g_cond_clear(&s->change);
}

static const char *either(Opts *opts, const char *a, const char *b)
{
    const char *v = opts_get(opts, a);
    return v ? v : opts_get(opts, b);
}

static bool nbd_open(BlockNode *node, Opts *opts, GError **err)
{
    Nbd *s = node->state;
    const char *port = either(opts, "port", "server.port");
    g_mutex_init(&s->lock);
    g_mutex_init(&s->send_lock);
    g_cond_init(&s->change);
    s->export = g_strdup(opt_str(opts, nbd_open_opts, "export"));
    s->path = g_strdup(either(opts, "path", "server.path"));
    s->host = g_strdup(either(opts, "host", "server.host"));
    s->port = g_strdup(port ? port : NBD_DEFAULT_PORT);
    s->tls_creds = g_strdup(opts_get(opts, "tls-creds"));
    s->tls_hostname = g_strdup(either(opts, "tls-hostname", "host"));
    if (!s->tls_hostname) {
        s->tls_hostname = g_strdup(opts_get(opts, "server.host"));
    }
    s->reconnect_delay = opt_num(opts, nbd_open_opts, "reconnect-delay");
    if (!s->path == !s->host) {
        free_state(s);
        return fail(err, EINVAL, "one of path and host must be specified");
    }
    if (strlen(s->export) > NBD_MAX_NAME) {
        free_state(s);
        return fail(err, EINVAL, "export name too long");
    }
    if (!negotiate(s, err)) {
        free_state(s);
        return false;
    }
    bool denied = node->flags & BLOCK_RDWR && s->flags & NBD_FLAG_READ_ONLY;
    if (denied || s->size > (uint64_t)BLOCK_MAX_SIZE) {
        fail(err, denied ? EROFS : EFBIG,
             denied ? "export '%s' is read-only" : "export '%s' is too large", s->export);
        nbd_stream_close(&s->io);
        free_state(s);
        return false;
    }
    return true;
}

static void nbd_close(BlockNode *node)
{
    Nbd *s = node->state;
    if (s->io.fd >= 0) {
        uint8_t h[28] = { 0 };
        st_be32(h, NBD_REQUEST_MAGIC);
        st_be16(h + 6, NBD_CMD_DISC);
        nbd_write(&s->io, h, sizeof(h));
        nbd_stream_close(&s->io);
    }
    free_state(s);
}

/* Skips payload that nobody wants. */
static int skip(Nbd *s, uint32_t len)
{
    uint8_t buf[4096];
    int ret = 0;
    while (len && !ret) {
        uint32_t n = MIN(len, sizeof(buf));
        ret = nbd_read(&s->io, buf, n);
        len -= n;
    }
    return ret;
}

static int read_status(Nbd *s, NbdRequest *r, uint32_t len)
{
    uint8_t d[12];
    int ret = len < 12 || len % 8 != 4 ? -EPROTO : nbd_read(&s->io, d, 12);
    if (ret) {
        return ret;
    }
    uint32_t n = ld_be32(d + 4), state = ld_be32(d + 8);
    if (ld_be32(d) == s->context_id && r->extent && n) {
        r->extent->len = MIN(n, r->len);
        r->extent->flags = BLOCK_EXTENT_ALLOCATED | BLOCK_EXTENT_OFFSET |
                           (state & NBD_STATE_HOLE ? 0 : BLOCK_EXTENT_DATA) |
                           (state & NBD_STATE_ZERO ? BLOCK_EXTENT_ZERO : 0);
    }
    return skip(s, len - 12);
}

static int read_chunk(Nbd *s, NbdRequest *r, uint16_t type, uint32_t len)
{
    uint8_t d[12];
    if (type == NBD_REPLY_NONE) {
        return skip(s, len);
    }
    if (type == NBD_REPLY_BLOCK_STATUS) {
        return read_status(s, r, len);
    }
    if (type & NBD_REPLY_ERROR_BIT) {
        int ret = len < 6 ? -EPROTO : nbd_read(&s->io, d, 6);
        r->ret = ret ? r->ret : -nbd_errno_from_wire(ld_be32(d));
        return ret ? ret : skip(s, len - 6);
    }
    if ((type != NBD_REPLY_OFFSET_DATA && type != NBD_REPLY_OFFSET_HOLE) || len < 8 || !r->buf) {
        return -EPROTO;
    }
    int ret = nbd_read(&s->io, d, type == NBD_REPLY_OFFSET_HOLE ? 12 : 8);
    if (ret) {
        return ret;
    }
    uint64_t off = ld_be64(d), n = type == NBD_REPLY_OFFSET_HOLE ? ld_be32(d + 8) : len - 8;
    if (off < r->off || off - r->off > r->len || n > r->len - (off - r->off)) {
        return -EPROTO;
    }
    if (type == NBD_REPLY_OFFSET_HOLE) {
        memset(r->buf + (off - r->off), 0, n);
        return len == 12 ? 0 : -EPROTO;
    }
    return nbd_read(&s->io, r->buf + (off - r->off), n);
}

/* Reads one reply, for whichever request it answers. Only the thread that set `receiving` does. */
static int receive_one(Nbd *s)
{
    uint8_t h[20];
    int ret = nbd_read(&s->io, h, 16);
    if (ret) {
        return ret;
    }
    bool structured = ld_be32(h) == NBD_STRUCTURED_MAGIC;
    if (!structured && ld_be32(h) != NBD_SIMPLE_MAGIC) {
        return -EPROTO;
    }
    if (structured && (ret = nbd_read(&s->io, h + 16, 4))) {
        return ret;
    }
    uint64_t cookie = ld_be64(h + 8);
    g_mutex_lock(&s->lock);
    NbdRequest *r = s->pending;
    while (r && r->cookie != cookie) {
        r = r->next;
    }
    g_mutex_unlock(&s->lock);
    if (!r) {
        return -EPROTO;
    }
    bool done = true;
    if (structured) {
        done = ld_be16(h + 4) & NBD_REPLY_FLAG_DONE;
        ret = read_chunk(s, r, ld_be16(h + 6), ld_be32(h + 16));
    } else {
        r->ret = ld_be32(h + 4) ? -nbd_errno_from_wire(ld_be32(h + 4)) : 0;
        if (!r->ret && r->buf) {
            ret = nbd_read(&s->io, r->buf, r->len);
        }
    }
    if (!ret && done) {
        g_mutex_lock(&s->lock);
        r->done = true;
        g_cond_broadcast(&s->change);
        g_mutex_unlock(&s->lock);
    }
    return ret;
}

static void lose_connection(Nbd *s, int why)
{
    s->dead = why;
    for (NbdRequest *r = s->pending; r; r = r->next) {
        if (!r->done) {
            r->ret = -EIO;
            r->done = r->lost = true;
        }
    }
    g_cond_broadcast(&s->change);
}

/* Tries again for reconnect-delay seconds, once all that was in flight has failed. The lock is
 * held. */
static void reconnect(Nbd *s)
{
    gint64 until = g_get_monotonic_time() + s->reconnect_delay * G_USEC_PER_SEC;
    uint64_t size = s->size;
    while (s->pending && s->dead) {
        g_cond_wait(&s->change, &s->lock);
    }
    while (s->dead && s->reconnect_delay) {
        GError *err = NULL;
        nbd_stream_close(&s->io);
        if (negotiate(s, &err) && s->size == size) {
            s->dead = 0;
            return;
        }
        g_clear_error(&err);
        s->size = size;
        if (g_get_monotonic_time() >= until) {
            return;
        }
        g_usleep(G_USEC_PER_SEC / 5);
    }
}

static int send_request(Nbd *s, NbdRequest *r, uint16_t cmd, uint16_t flags, const void *data)
{
    uint8_t h[28];
    st_be32(h, NBD_REQUEST_MAGIC);
    st_be16(h + 4, flags);
    st_be16(h + 6, cmd);
    st_be64(h + 8, r->cookie);
    st_be64(h + 16, r->off);
    st_be32(h + 24, r->len);
    g_mutex_lock(&s->send_lock);
    int ret = nbd_write(&s->io, h, sizeof(h));
    if (!ret && data) {
        ret = nbd_write(&s->io, data, r->len);
    }
    g_mutex_unlock(&s->send_lock);
    return ret;
}

static int try_request(Nbd *s, NbdRequest *r, uint16_t cmd, uint16_t flags, const void *data)
{
    r->done = r->lost = false;
    r->ret = 0;
    g_mutex_lock(&s->lock);
    if (s->dead) {
        reconnect(s);
    }
    if (s->dead) {
        g_mutex_unlock(&s->lock);
        return -EIO;
    }
    r->cookie = ++s->next_cookie;
    r->next = s->pending;
    s->pending = r;
    g_mutex_unlock(&s->lock);
    int ret = send_request(s, r, cmd, flags, data);
    g_mutex_lock(&s->lock);
    if (ret) {
        lose_connection(s, ret);
    }
    while (!r->done) {
        if (s->receiving) {
            g_cond_wait(&s->change, &s->lock);
            continue;
        }
        s->receiving = true;
        g_mutex_unlock(&s->lock);
        ret = receive_one(s);
        g_mutex_lock(&s->lock);
        s->receiving = false;
        if (ret) {
            lose_connection(s, ret);
        }
        g_cond_broadcast(&s->change);
    }
    NbdRequest **p = &s->pending;
    while (*p != r) {
        p = &(*p)->next;
    }
    *p = r->next;
    g_cond_broadcast(&s->change);
    g_mutex_unlock(&s->lock);
    return r->ret;
}

/* All requests may be sent twice without harm, so one that was lost is sent again. */
static int request(Nbd *s, NbdRequest *r, uint16_t cmd, uint16_t flags, const void *data)
{
    int ret = try_request(s, r, cmd, flags, data);
    return r->lost && s->reconnect_delay ? try_request(s, r, cmd, flags, data) : ret;
}

/* In pieces that the protocol allows. */
static int pieces(Nbd *s, uint16_t cmd, uint16_t flags, int64_t off, uint8_t *in,
                  const uint8_t *out, int64_t len, int64_t max)
{
    int ret = 0;
    for (int64_t n; len && !ret; off += n, len -= n) {
        n = MIN(len, max);
        NbdRequest r = { .off = off, .len = n, .buf = in };
        ret = request(s, &r, cmd, flags, out);
        in = in ? in + n : NULL;
        out = out ? out + n : NULL;
    }
    return ret;
}

static int nbd_pread(BlockNode *node, int64_t off, void *buf, int64_t len)
{
    Nbd *s = node->state;
    int64_t have = (uint64_t)off < s->size ? MIN((uint64_t)len, s->size - off) : 0;
    memset((uint8_t *)buf + have, 0, len - have);
    return pieces(s, NBD_CMD_READ, 0, off, buf, NULL, have, NBD_MAX_REQUEST);
}

static int nbd_pwrite(BlockNode *node, int64_t off, const void *buf, int64_t len)
{
    return pieces(node->state, NBD_CMD_WRITE, 0, off, NULL, buf, len, NBD_MAX_REQUEST);
}

static int nbd_write_zeroes(BlockNode *node, int64_t off, int64_t len, unsigned flags)
{
    Nbd *s = node->state;
    if (!(s->flags & NBD_FLAG_SEND_WRITE_ZEROES)) {
        return -ENOTSUP;
    }
    return pieces(s, NBD_CMD_WRITE_ZEROES, flags & BLOCK_ZERO_MAY_UNMAP ? 0 : NBD_CMD_FLAG_NO_HOLE,
                  off, NULL, NULL, len, 1 << 30);
}

static int nbd_discard(BlockNode *node, int64_t off, int64_t len)
{
    Nbd *s = node->state;
    return s->flags & NBD_FLAG_SEND_TRIM ? pieces(s, NBD_CMD_TRIM, 0, off, NULL, NULL, len, 1 << 30)
                                         : -ENOTSUP;
}

static int nbd_flush(BlockNode *node)
{
    Nbd *s = node->state;
    NbdRequest r = { 0 };
    if (!(s->flags & NBD_FLAG_SEND_FLUSH) || node->flags & BLOCK_NO_FLUSH) {
        return 0;
    }
    return request(s, &r, NBD_CMD_FLUSH, 0, NULL);
}

static int nbd_status(BlockNode *node, int64_t off, int64_t len, BlockExtent *out)
{
    Nbd *s = node->state;
    out->flags = BLOCK_EXTENT_DATA | BLOCK_EXTENT_ALLOCATED | BLOCK_EXTENT_OFFSET;
    out->file = node;
    out->offset = off;
    out->len = len;
    if (!s->has_context) {
        return 0;
    }
    NbdRequest r = { .off = off, .len = MIN(len, 1 << 30), .extent = out };
    return request(s, &r, NBD_CMD_BLOCK_STATUS, NBD_CMD_FLAG_REQ_ONE, NULL);
}

static int64_t nbd_getlength(BlockNode *node)
{
    return ((Nbd *)node->state)->size;
}

bool nbd_list(const Opts *opts, GError **err)
{
    Nbd s = { .io.fd = -1 };
    uint32_t type, len;
    s.tls_creds = (char *)opts_get(opts, "tls-creds");
    s.tls_hostname = (char *)(opts_has(opts, "tls-hostname") ? opts_get(opts, "tls-hostname")
                                                             : opts_get(opts, "host"));
    s.path = (char *)opts_get(opts, "path");
    s.host = (char *)opts_get(opts, "host");
    s.port = (char *)(opts_has(opts, "port") ? opts_get(opts, "port") : NBD_DEFAULT_PORT);
    bool ok = (s.path ? connect_unix(&s, err) : connect_tcp(&s, err)) && greet(&s, err) &&
              start_tls(&s, err);
    int ret = ok ? send_option(&s, NBD_OPT_LIST, NULL, 0) : 0;
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    while (ok && !ret) {
        g_autofree uint8_t *data = NULL;
        ok = read_reply(&s, NBD_OPT_LIST, &type, &data, &len, err);
        if (!ok || type != NBD_REP_SERVER) {
            break;
        }
        if (len >= 4 && ld_be32(data) <= len - 4) {
            g_ptr_array_add(names, g_strndup((char *)data + 4, ld_be32(data)));
        }
    }
    nbd_stream_close(&s.io);
    if (ok) {
        printf("exports available: %u\n", names->len);
    }
    for (unsigned i = 0; ok && i < names->len; i++) {
        s.export = g_ptr_array_index(names, i);
        ok = negotiate(&s, err);
        if (ok) {
            printf(" export: '%s'\n  size:  %" G_GUINT64_FORMAT "\n  flags: 0x%x\n", s.export,
                   s.size, s.flags);
            nbd_stream_close(&s.io);
        }
    }
    return ok;
}

const BlockDriver block_driver_nbd = {
    .name = "nbd",
    .is_protocol = true,
    .state_size = sizeof(Nbd),
    .open_opts = nbd_open_opts,
    .prefixes = nbd_prefixes,
    .parse_filename = nbd_parse_filename,
    .open = nbd_open,
    .close = nbd_close,
    .pread = nbd_pread,
    .pwrite = nbd_pwrite,
    .write_zeroes = nbd_write_zeroes,
    .discard = nbd_discard,
    .flush = nbd_flush,
    .status = nbd_status,
    .getlength = nbd_getlength,
};
