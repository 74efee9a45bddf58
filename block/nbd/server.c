/* SPDX-License-Identifier: MIT */
/* The server side of one NBD connection: fixed newstyle negotiation, then requests on a few
 * worker threads, with structured replies and base:allocation where the client asked for them. */
#include "block/nbd/proto.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { WORKERS = 16, MAX_EXTENTS = 1024, CONTEXT_ID = 1 };

typedef struct Conn {
    const NbdExport *exports;
    unsigned n;
    int fd;
    const NbdExport *export; /* the one that was chosen */
    bool no_zeroes, structured, context;
    GMutex send_lock, lock;
    GCond idle;
    int in_flight;
    GThreadPool *pool;
} Conn;

typedef struct Job {
    uint16_t flags, cmd;
    uint64_t cookie, off;
    uint32_t len;
    uint8_t *data; /* of a write */
} Job;

static const NbdExport *find_export(Conn *c, const char *name, uint32_t len)
{
    for (unsigned i = 0; i < c->n; i++) {
        if (strlen(c->exports[i].name) == len && !memcmp(c->exports[i].name, name, len)) {
            return &c->exports[i];
        }
    }
    return NULL;
}

static uint16_t export_flags(const NbdExport *e)
{
    uint16_t flags = NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA |
                     NBD_FLAG_SEND_CACHE | NBD_FLAG_SEND_DF;
    /* All connections share one node and one cache, so a flush on one is a flush on all. */
    flags |= e->shared ? NBD_FLAG_CAN_MULTI_CONN : 0;
    return flags |
           (e->read_only ? NBD_FLAG_READ_ONLY : NBD_FLAG_SEND_TRIM | NBD_FLAG_SEND_WRITE_ZEROES);
}

static int reply(Conn *c, uint32_t opt, uint32_t type, const void *data, uint32_t len)
{
    uint8_t h[20];
    st_be64(h, NBD_REP_MAGIC);
    st_be32(h + 8, opt);
    st_be32(h + 12, type);
    st_be32(h + 16, len);
    int ret = nbd_write(c->fd, h, sizeof(h));
    return ret ? ret : nbd_write(c->fd, data, len);
}

static int reply_error(Conn *c, uint32_t opt, uint32_t type, const char *text)
{
    return reply(c, opt, type, text, strlen(text));
}

static int opt_list(Conn *c, uint32_t len)
{
    int ret = 0;
    if (len) {
        return reply_error(c, NBD_OPT_LIST, NBD_REP_ERR_INVALID, "LIST has no payload");
    }
    for (unsigned i = 0; i < c->n && !ret; i++) {
        const char *name = c->exports[i].name;
        const char *desc = c->exports[i].description ? c->exports[i].description : "";
        uint32_t n = strlen(name), d = strlen(desc);
        g_autofree uint8_t *msg = g_malloc(4 + n + d);
        st_be32(msg, n);
        memcpy(msg + 4, name, n);
        memcpy(msg + 4 + n, desc, d);
        ret = reply(c, NBD_OPT_LIST, NBD_REP_SERVER, msg, 4 + n + d);
    }
    return ret ? ret : reply(c, NBD_OPT_LIST, NBD_REP_ACK, NULL, 0);
}

static int info_text(Conn *c, uint32_t opt, uint16_t info, const char *text)
{
    uint32_t n = strlen(text);
    g_autofree uint8_t *msg = g_malloc(2 + n);
    st_be16(msg, info);
    memcpy(msg + 2, text, n);
    return reply(c, opt, NBD_REP_INFO, msg, 2 + n);
}

static int opt_info(Conn *c, uint32_t opt, const uint8_t *data, uint32_t len, bool *done)
{
    uint32_t name_len = len >= 6 ? ld_be32(data) : 0;
    uint8_t msg[14];
    if (len < 6 || name_len > len - 6 || len != 6 + name_len + 2U * ld_be16(data + 4 + name_len)) {
        return reply_error(c, opt, NBD_REP_ERR_INVALID, "malformed request");
    }
    const NbdExport *e = find_export(c, (const char *)data + 4, name_len);
    if (!e) {
        return reply_error(c, opt, NBD_REP_ERR_UNKNOWN, "export is not known");
    }
    int ret = 0;
    unsigned n = ld_be16(data + 4 + name_len);
    for (unsigned i = 0; i < n && !ret; i++) {
        uint16_t want = ld_be16(data + 6 + name_len + 2 * i);
        if (want == NBD_INFO_NAME) {
            ret = info_text(c, opt, want, e->name);
        } else if (want == NBD_INFO_DESCRIPTION && e->description) {
            ret = info_text(c, opt, want, e->description);
        }
    }
    st_be16(msg, NBD_INFO_BLOCK_SIZE);
    st_be32(msg + 2, 1);
    st_be32(msg + 6, 4096);
    st_be32(msg + 10, NBD_MAX_REQUEST);
    ret = ret ? ret : reply(c, opt, NBD_REP_INFO, msg, 14);
    st_be16(msg, NBD_INFO_EXPORT);
    st_be64(msg + 2, e->node->size);
    st_be16(msg + 10, export_flags(e));
    ret = ret ? ret : reply(c, opt, NBD_REP_INFO, msg, 12);
    ret = ret ? ret : reply(c, opt, NBD_REP_ACK, NULL, 0);
    if (opt == NBD_OPT_GO) {
        /* A context that was chosen for another export does not hold. */
        c->context = c->context && c->export == e;
        c->export = e;
        *done = true;
    }
    return ret;
}

static int opt_export_name(Conn *c, const uint8_t *data, uint32_t len, bool *done)
{
    uint8_t msg[134] = { 0 };
    const NbdExport *e = find_export(c, (const char *)data, len);
    if (!e) {
        return -ENOENT; /* this option has no way to say so but to hang up */
    }
    c->context = c->context && c->export == e;
    c->export = e;
    *done = true;
    st_be64(msg, e->node->size);
    st_be16(msg + 8, export_flags(e));
    return nbd_write(c->fd, msg, c->no_zeroes ? 10 : 134);
}

static bool query_matches(const uint8_t *q, uint32_t len, bool list)
{
    return (len == strlen(NBD_ALLOCATION) && !memcmp(q, NBD_ALLOCATION, len)) ||
           (list && len == strlen("base:") && !memcmp(q, "base:", len));
}

static int opt_context(Conn *c, uint32_t opt, const uint8_t *data, uint32_t len)
{
    bool list = opt == NBD_OPT_LIST_META_CONTEXT, match = false;
    uint32_t name_len = len >= 8 ? ld_be32(data) : 0, at, n;
    if (len < 8 || name_len > len - 8) {
        return reply_error(c, opt, NBD_REP_ERR_INVALID, "malformed request");
    }
    if (!c->structured) {
        return reply_error(c, opt, NBD_REP_ERR_INVALID, "structured replies come first");
    }
    const NbdExport *e = find_export(c, (const char *)data + 4, name_len);
    if (!e) {
        return reply_error(c, opt, NBD_REP_ERR_UNKNOWN, "export is not known");
    }
    n = ld_be32(data + 4 + name_len);
    at = 8 + name_len;
    match = list && n == 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t q = len - at >= 4 ? ld_be32(data + at) : 0;
        if (len - at < 4 || q > len - at - 4) {
            return reply_error(c, opt, NBD_REP_ERR_INVALID, "malformed request");
        }
        match |= query_matches(data + at + 4, q, list);
        at += 4 + q;
    }
    if (!list) {
        c->context = match;
        c->export = e;
    }
    int ret = 0;
    if (match) {
        uint8_t msg[4 + sizeof(NBD_ALLOCATION)];
        st_be32(msg, CONTEXT_ID);
        memcpy(msg + 4, NBD_ALLOCATION, strlen(NBD_ALLOCATION));
        ret = reply(c, opt, NBD_REP_META_CONTEXT, msg, 4 + strlen(NBD_ALLOCATION));
    }
    return ret ? ret : reply(c, opt, NBD_REP_ACK, NULL, 0);
}

static int one_option(Conn *c, uint32_t opt, const uint8_t *data, uint32_t len, bool *done)
{
    switch (opt) {
    case NBD_OPT_EXPORT_NAME:
        return opt_export_name(c, data, len, done);
    case NBD_OPT_ABORT:
        reply(c, opt, NBD_REP_ACK, NULL, 0);
        return -ESHUTDOWN;
    case NBD_OPT_LIST:
        return opt_list(c, len);
    case NBD_OPT_INFO:
    case NBD_OPT_GO:
        return opt_info(c, opt, data, len, done);
    case NBD_OPT_STRUCTURED_REPLY:
        if (len) {
            return reply_error(c, opt, NBD_REP_ERR_INVALID, "STRUCTURED_REPLY has no payload");
        }
        c->structured = true;
        return reply(c, opt, NBD_REP_ACK, NULL, 0);
    case NBD_OPT_LIST_META_CONTEXT:
    case NBD_OPT_SET_META_CONTEXT:
        return opt_context(c, opt, data, len);
    case NBD_OPT_STARTTLS:
        return reply_error(c, opt, NBD_REP_ERR_POLICY, "TLS is not set up");
    default:
        return reply_error(c, opt, NBD_REP_ERR_UNSUP, "option is not known");
    }
}

static int negotiate(Conn *c)
{
    uint8_t h[18];
    bool done = false;
    st_be64(h, NBD_MAGIC);
    st_be64(h + 8, NBD_OPTS_MAGIC);
    st_be16(h + 16, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
    int ret = nbd_write(c->fd, h, sizeof(h));
    ret = ret ? ret : nbd_read(c->fd, h, 4);
    if (ret || ld_be32(h) & ~(uint32_t)(NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES)) {
        return ret ? ret : -EPROTO;
    }
    c->no_zeroes = ld_be32(h) & NBD_FLAG_NO_ZEROES;
    while (!ret && !done) {
        ret = nbd_read(c->fd, h, 16);
        uint32_t len = ret ? 0 : ld_be32(h + 12);
        if (ret || ld_be64(h) != NBD_OPTS_MAGIC || len > NBD_MAX_OPTION) {
            return ret ? ret : -EPROTO;
        }
        g_autofree uint8_t *data = g_malloc(len + 1);
        ret = nbd_read(c->fd, data, len);
        ret = ret ? ret : one_option(c, ld_be32(h + 8), data, len, &done);
    }
    return ret;
}

/* One chunk of a structured reply, or the simple reply where that was not asked for. */
static void send_chunk(Conn *c, const Job *j, uint16_t type, const void *head, uint32_t head_len,
                       const void *data, uint32_t len)
{
    uint8_t h[20];
    st_be32(h, NBD_STRUCTURED_MAGIC);
    st_be16(h + 4, NBD_REPLY_FLAG_DONE);
    st_be16(h + 6, type);
    st_be64(h + 8, j->cookie);
    st_be32(h + 16, head_len + len);
    g_mutex_lock(&c->send_lock);
    if (nbd_write(c->fd, h, sizeof(h)) == 0 && nbd_write(c->fd, head, head_len) == 0) {
        nbd_write(c->fd, data, len);
    }
    g_mutex_unlock(&c->send_lock);
}

static void send_simple(Conn *c, const Job *j, int err, const void *data, uint32_t len)
{
    uint8_t h[16];
    st_be32(h, NBD_SIMPLE_MAGIC);
    st_be32(h + 4, err ? nbd_errno_to_wire(err) : 0);
    st_be64(h + 8, j->cookie);
    g_mutex_lock(&c->send_lock);
    if (nbd_write(c->fd, h, sizeof(h)) == 0) {
        nbd_write(c->fd, data, len);
    }
    g_mutex_unlock(&c->send_lock);
}

static void send_result(Conn *c, const Job *j, int ret)
{
    uint8_t h[6];
    if (!c->structured) {
        send_simple(c, j, -ret, NULL, 0);
    } else if (ret) {
        st_be32(h, nbd_errno_to_wire(-ret));
        st_be16(h + 4, 0);
        send_chunk(c, j, NBD_REPLY_ERROR_BIT | 1, h, 6, NULL, 0);
    } else {
        send_chunk(c, j, NBD_REPLY_NONE, NULL, 0, NULL, 0);
    }
}

static void do_read(Conn *c, const Job *j)
{
    uint8_t h[8];
    void *buf;
    if (posix_memalign(&buf, 4096, MAX(j->len, 1))) {
        send_result(c, j, -ENOMEM);
        return;
    }
    int ret = block_pread(c->export->node, j->off, buf, j->len);
    if (ret) {
        send_result(c, j, ret);
    } else if (c->structured && j->len) {
        st_be64(h, j->off);
        send_chunk(c, j, NBD_REPLY_OFFSET_DATA, h, 8, buf, j->len);
    } else if (c->structured) {
        send_result(c, j, 0);
    } else {
        send_simple(c, j, 0, buf, j->len);
    }
    free(buf);
}

static void do_status(Conn *c, const Job *j)
{
    g_autofree uint8_t *msg = g_malloc(4 + 8 * MAX_EXTENTS);
    unsigned n = 0, max = j->flags & NBD_CMD_FLAG_REQ_ONE ? 1 : MAX_EXTENTS;
    uint32_t last = UINT32_MAX;
    if (!c->context || !j->len) {
        send_result(c, j, -EINVAL);
        return;
    }
    st_be32(msg, CONTEXT_ID);
    for (uint64_t at = j->off, end = j->off + j->len; at < end;) {
        BlockExtent ext;
        int ret = block_status_above(c->export->node, NULL, at, end - at, &ext);
        if (ret) {
            send_result(c, j, ret);
            return;
        }
        uint32_t state = (ext.flags & BLOCK_EXTENT_DATA ? 0 : NBD_STATE_HOLE) |
                         (ext.flags & BLOCK_EXTENT_ZERO ? NBD_STATE_ZERO : 0);
        if (n && state == last) {
            st_be32(msg + 4 + 8 * (n - 1), ld_be32(msg + 4 + 8 * (n - 1)) + ext.len);
        } else if (n == max) {
            break;
        } else {
            st_be32(msg + 4 + 8 * n, ext.len);
            st_be32(msg + 8 + 8 * n, state);
            last = state;
            n++;
        }
        at += ext.len;
    }
    send_chunk(c, j, NBD_REPLY_BLOCK_STATUS, msg, 4 + 8 * n, NULL, 0);
}

static int do_change(Conn *c, const Job *j)
{
    BlockNode *node = c->export->node;
    int ret;
    switch (j->cmd) {
    case NBD_CMD_WRITE:
        ret = block_pwrite(node, j->off, j->data, j->len);
        break;
    case NBD_CMD_WRITE_ZEROES:
        ret = block_write_zeroes(node, j->off, j->len,
                                 j->flags & NBD_CMD_FLAG_NO_HOLE ? 0 : BLOCK_ZERO_MAY_UNMAP);
        break;
    case NBD_CMD_TRIM:
        ret = block_discard(node, j->off, j->len);
        break;
    default:
        return -EINVAL;
    }
    return !ret && j->flags & NBD_CMD_FLAG_FUA ? block_flush(node) : ret;
}

static bool in_range(const Conn *c, const Job *j)
{
    uint64_t size = c->export->node->size;
    return j->off <= size && j->len <= size - j->off;
}

static void run_job(gpointer data, gpointer opaque)
{
    Conn *c = opaque;
    Job *j = data;
    bool change =
        j->cmd == NBD_CMD_WRITE || j->cmd == NBD_CMD_WRITE_ZEROES || j->cmd == NBD_CMD_TRIM;
    if (j->cmd == NBD_CMD_FLUSH) {
        send_result(c, j, block_flush(c->export->node));
    } else if (change && c->export->read_only) {
        send_result(c, j, -EPERM);
    } else if (!in_range(c, j)) {
        send_result(c, j, change ? -ENOSPC : -EINVAL);
    } else if (j->cmd == NBD_CMD_READ) {
        do_read(c, j);
    } else if (j->cmd == NBD_CMD_BLOCK_STATUS) {
        do_status(c, j);
    } else if (j->cmd == NBD_CMD_CACHE) {
        send_result(c, j, 0);
    } else {
        send_result(c, j, do_change(c, j));
    }
    free(j->data);
    g_free(j);
    g_mutex_lock(&c->lock);
    c->in_flight--;
    g_cond_broadcast(&c->idle);
    g_mutex_unlock(&c->lock);
}

static void push(Conn *c, const Job *j)
{
    g_mutex_lock(&c->lock);
    /* A client that floods us waits, it does not fill our memory. */
    while (c->in_flight >= WORKERS) {
        g_cond_wait(&c->idle, &c->lock);
    }
    c->in_flight++;
    g_mutex_unlock(&c->lock);
    g_thread_pool_push(c->pool, g_memdup2(j, sizeof(*j)), NULL);
}

static void transmission(Conn *c)
{
    uint8_t h[28];
    while (nbd_read(c->fd, h, sizeof(h)) == 0 && ld_be32(h) == NBD_REQUEST_MAGIC) {
        Job j = { .flags = ld_be16(h + 4),
                  .cmd = ld_be16(h + 6),
                  .cookie = ld_be64(h + 8),
                  .off = ld_be64(h + 16),
                  .len = ld_be32(h + 24) };
        void *data;
        if (j.cmd == NBD_CMD_DISC) {
            break;
        }
        if ((j.cmd == NBD_CMD_READ || j.cmd == NBD_CMD_WRITE) && j.len > NBD_MAX_REQUEST) {
            if (j.cmd == NBD_CMD_WRITE) {
                break; /* what follows cannot be told from requests */
            }
            send_result(c, &j, -EINVAL);
            continue;
        }
        if (j.cmd == NBD_CMD_WRITE) {
            if (posix_memalign(&data, 4096, MAX(j.len, 1))) {
                break;
            }
            j.data = data;
            if (nbd_read(c->fd, j.data, j.len)) {
                free(j.data);
                break;
            }
        }
        push(c, &j);
    }
}

void nbd_serve(const NbdExport *exports, unsigned n, int fd)
{
    Conn c = { .exports = exports, .n = n, .fd = fd };
    g_mutex_init(&c.send_lock);
    g_mutex_init(&c.lock);
    g_cond_init(&c.idle);
    if (negotiate(&c) == 0) {
        c.pool = g_thread_pool_new(run_job, &c, WORKERS, false, NULL);
        transmission(&c);
        g_thread_pool_free(c.pool, false, true);
    }
    close(fd);
    g_mutex_clear(&c.send_lock);
    g_mutex_clear(&c.lock);
    g_cond_clear(&c.idle);
}
