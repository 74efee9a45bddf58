/* SPDX-License-Identifier: MIT */
/* The server side of one NBD connection: fixed newstyle negotiation, then requests on a few
 * worker threads, with structured replies and base:allocation where the client asked for them. */
#include "block/loop.h"
#include "block/nbd/proto.h"
#include "block/authz.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { WORKERS = 16, MAX_EXTENTS = 1024, MAX_CONTEXTS = 32 };

#define DEPTH_CONTEXT  "qemu:allocation-depth"
#define BITMAP_CONTEXT "qemu:dirty-bitmap:"

/* Metadata contexts by number: the first two, then the export's bitmaps. */
enum { CONTEXT_ALLOCATION, CONTEXT_DEPTH, CONTEXT_BITMAPS };

typedef struct Conn {
    NbdServer *server;
    NbdStream io;
    NbdExport *export;     /* the one that was chosen; a reference */
    NbdExport *context_of; /* the one that contexts were chosen for; a reference */
    uint32_t contexts;     /* bits */
    bool no_zeroes, structured;
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

NbdExport *nbd_export_new(BlockLoop *loop, BlockBackend *blk, const char *name,
                          const char *description)
{
    NbdExport *e = g_new0(NbdExport, 1);
    e->refs = 1;
    e->loop = loop;
    e->blk = blk_ref(blk);
    e->id = g_strdup(name);
    e->name = g_strdup(name);
    e->description = g_strdup(description);
    return e;
}

static void bitmap_free(void *p)
{
    NbdBitmap *b = p;
    g_free(b->name);
    g_free(b->bits);
    g_free(b);
}

void nbd_export_unref(NbdExport *e)
{
    if (e && g_atomic_int_dec_and_test(&e->refs)) {
        blk_unref(e->blk);
        g_free(e->id);
        g_free(e->name);
        g_free(e->description);
        if (e->bitmaps) {
            g_ptr_array_free(e->bitmaps, true);
        }
        g_free(e);
    }
}

bool nbd_export_add_bitmap(NbdExport *e, const char *name, GError **err)
{
    BlockNode *node = block_skip_filters(blk_node(e->blk));
    for (; node && node->drv->bitmap_list; node = node->backing) {
        g_autoptr(GPtrArray) list = node->drv->bitmap_list(node, NULL);
        for (unsigned i = 0; i < list->len; i++) {
            BlockBitmap *bm = g_ptr_array_index(list, i);
            if (strcmp(bm->name, name)) {
                continue;
            }
            if (!node->drv->bitmap_load(node, bm, err)) {
                return false;
            }
            NbdBitmap *b = g_new0(NbdBitmap, 1);
            b->name = g_strdup(name);
            b->granularity_bits = bm->granularity_bits;
            b->nbits = bm->nbits;
            b->bits = g_memdup2(bm->bits, (bm->nbits / LONG_BITS + 1) * sizeof(long));
            e->bitmaps = e->bitmaps ? e->bitmaps : g_ptr_array_new_with_free_func(bitmap_free);
            g_ptr_array_add(e->bitmaps, b);
            return true;
        }
    }
    g_set_error(err, BLOCK_ERROR, ENOENT, "Bitmap '%s' is not found", name);
    return false;
}

/* A new reference, or NULL. */
static NbdExport *find_export(Conn *c, const char *name, uint32_t len)
{
    NbdExport *found = NULL;
    g_mutex_lock(&c->server->lock);
    for (unsigned i = 0; i < c->server->exports->len && !found; i++) {
        NbdExport *e = g_ptr_array_index(c->server->exports, i);
        if (strlen(e->name) == len && !memcmp(e->name, name, len)) {
            found = e;
            g_atomic_int_inc(&e->refs);
        }
    }
    g_mutex_unlock(&c->server->lock);
    return found;
}

static void choose_export(Conn *c, NbdExport *e)
{
    nbd_export_unref(c->export);
    c->export = e;
    if (c->context_of != e) {
        c->contexts = 0; /* those of another export do not hold */
    }
}

static uint16_t export_flags(const NbdExport *e)
{
    uint16_t flags = NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA |
                     NBD_FLAG_SEND_CACHE | NBD_FLAG_SEND_DF;
    /* All connections share one node and one cache, so a flush on one is a flush on all. */
    flags |= e->multi_conn ? NBD_FLAG_CAN_MULTI_CONN : 0;
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
    int ret = nbd_write(&c->io, h, sizeof(h));
    return ret ? ret : nbd_write(&c->io, data, len);
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
    g_mutex_lock(&c->server->lock);
    for (unsigned i = 0; i < c->server->exports->len && !ret; i++) {
        const NbdExport *e = g_ptr_array_index(c->server->exports, i);
        const char *name = e->name, *desc = e->description ? e->description : "";
        uint32_t n = strlen(name), d = strlen(desc);
        g_autofree uint8_t *msg = g_malloc(4 + n + d);
        st_be32(msg, n);
        memcpy(msg + 4, name, n);
        memcpy(msg + 4 + n, desc, d);
        ret = reply(c, NBD_OPT_LIST, NBD_REP_SERVER, msg, 4 + n + d);
    }
    g_mutex_unlock(&c->server->lock);
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
    NbdExport *e = find_export(c, (const char *)data + 4, name_len);
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
    st_be64(msg + 2, blk_size(e->blk));
    st_be16(msg + 10, export_flags(e));
    ret = ret ? ret : reply(c, opt, NBD_REP_INFO, msg, 12);
    ret = ret ? ret : reply(c, opt, NBD_REP_ACK, NULL, 0);
    if (opt == NBD_OPT_GO) {
        choose_export(c, e);
        *done = true;
    } else {
        nbd_export_unref(e);
    }
    return ret;
}

static int opt_export_name(Conn *c, const uint8_t *data, uint32_t len, bool *done)
{
    uint8_t msg[134] = { 0 };
    NbdExport *e = find_export(c, (const char *)data, len);
    if (!e) {
        return -ENOENT; /* this option has no way to say so but to hang up */
    }
    choose_export(c, e);
    *done = true;
    st_be64(msg, blk_size(e->blk));
    st_be16(msg + 8, export_flags(e));
    return nbd_write(&c->io, msg, c->no_zeroes ? 10 : 134);
}

static unsigned context_count(const NbdExport *e)
{
    return MIN(CONTEXT_BITMAPS + (e->bitmaps ? e->bitmaps->len : 0), MAX_CONTEXTS);
}

/* Free with g_free; NULL when the export does not have it. */
static char *context_name(const NbdExport *e, unsigned i)
{
    if (i == CONTEXT_ALLOCATION) {
        return g_strdup(NBD_ALLOCATION);
    }
    if (i == CONTEXT_DEPTH) {
        return e->allocation_depth ? g_strdup(DEPTH_CONTEXT) : NULL;
    }
    NbdBitmap *b = g_ptr_array_index(e->bitmaps, i - CONTEXT_BITMAPS);
    return g_strconcat(BITMAP_CONTEXT, b->name, NULL);
}

/* The contexts that a query means. A list may ask by namespace: "base:", "qemu:". */
static uint32_t query_matches(const NbdExport *e, const uint8_t *q, uint32_t len, bool list)
{
    g_autofree char *query = g_strndup((const char *)q, len);
    uint32_t bits = 0;
    for (unsigned i = 0; i < context_count(e); i++) {
        g_autofree char *name = context_name(e, i);
        bool space = list && g_str_has_suffix(query, ":");
        if (name && (space ? g_str_has_prefix(name, query) : !strcmp(name, query))) {
            bits |= 1U << i;
        }
    }
    return bits;
}

static int reply_contexts(Conn *c, uint32_t opt, const NbdExport *e, uint32_t bits)
{
    int ret = 0;
    for (unsigned i = 0; i < context_count(e) && !ret; i++) {
        g_autofree char *name = bits >> i & 1 ? context_name(e, i) : NULL;
        uint32_t n = name ? strlen(name) : 0;
        if (name) {
            g_autofree uint8_t *msg = g_malloc(4 + n);
            st_be32(msg, opt == NBD_OPT_SET_META_CONTEXT ? i + 1 : 0);
            memcpy(msg + 4, name, n);
            ret = reply(c, opt, NBD_REP_META_CONTEXT, msg, 4 + n);
        }
    }
    return ret ? ret : reply(c, opt, NBD_REP_ACK, NULL, 0);
}

static int opt_context(Conn *c, uint32_t opt, const uint8_t *data, uint32_t len)
{
    bool list = opt == NBD_OPT_LIST_META_CONTEXT;
    uint32_t name_len = len >= 8 ? ld_be32(data) : 0, at, n, bits = 0;
    if (len < 8 || name_len > len - 8) {
        return reply_error(c, opt, NBD_REP_ERR_INVALID, "malformed request");
    }
    if (!c->structured) {
        return reply_error(c, opt, NBD_REP_ERR_INVALID, "structured replies come first");
    }
    NbdExport *e = find_export(c, (const char *)data + 4, name_len);
    if (!e) {
        return reply_error(c, opt, NBD_REP_ERR_UNKNOWN, "export is not known");
    }
    n = ld_be32(data + 4 + name_len);
    at = 8 + name_len;
    for (unsigned i = 0; list && !n && i < context_count(e); i++) {
        g_autofree char *name = context_name(e, i);
        bits |= name ? 1U << i : 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t q = len - at >= 4 ? ld_be32(data + at) : 0;
        if (len - at < 4 || q > len - at - 4) {
            nbd_export_unref(e);
            return reply_error(c, opt, NBD_REP_ERR_INVALID, "malformed request");
        }
        bits |= query_matches(e, data + at + 4, q, list);
        at += 4 + q;
    }
    int ret = reply_contexts(c, opt, e, bits);
    if (list) {
        nbd_export_unref(e);
    } else {
        nbd_export_unref(c->context_of);
        c->context_of = e;
        c->contexts = bits;
    }
    return ret;
}

static int opt_starttls(Conn *c, uint32_t len)
{
    if (len) {
        return reply_error(c, NBD_OPT_STARTTLS, NBD_REP_ERR_INVALID, "STARTTLS has no payload");
    }
    if (!c->server->tls_creds || c->io.tls) {
        return reply_error(c, NBD_OPT_STARTTLS,
                           c->io.tls ? NBD_REP_ERR_INVALID : NBD_REP_ERR_POLICY,
                           c->io.tls ? "TLS is on already" : "TLS is not set up");
    }
    g_autoptr(GError) err = NULL;
    int ret = reply(c, NBD_OPT_STARTTLS, NBD_REP_ACK, NULL, 0);
    if (!ret) {
        c->io.tls = tls_start(c->server->tls_creds, c->io.fd, true, NULL, &err);
    }
    if (c->io.tls && c->server->tls_authz) {
        g_autofree char *name = tls_peer_name(c->io.tls);
        if (!authz_allows(c->server->tls_authz, name, &err)) {
            g_printerr("nbd: TLS x509 authz check failed: %s\n", err->message);
            return -EACCES;
        }
    }
    /* Nothing that was agreed on in the clear holds. */
    c->structured = false;
    c->contexts = 0;
    return c->io.tls ? 0 : ret ? ret : -EACCES;
}

static int one_option(Conn *c, uint32_t opt, const uint8_t *data, uint32_t len, bool *done)
{
    if (c->server->tls_creds && !c->io.tls && opt != NBD_OPT_STARTTLS && opt != NBD_OPT_ABORT) {
        return opt == NBD_OPT_EXPORT_NAME
                   ? -EACCES
                   : reply_error(c, opt, NBD_REP_ERR_TLS_REQD, "TLS comes first");
    }
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
        return opt_starttls(c, len);
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
    int ret = nbd_write(&c->io, h, sizeof(h));
    ret = ret ? ret : nbd_read(&c->io, h, 4);
    if (ret || ld_be32(h) & ~(uint32_t)(NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES)) {
        return ret ? ret : -EPROTO;
    }
    c->no_zeroes = ld_be32(h) & NBD_FLAG_NO_ZEROES;
    while (!ret && !done) {
        ret = nbd_read(&c->io, h, 16);
        uint32_t len = ret ? 0 : ld_be32(h + 12);
        if (ret || ld_be64(h) != NBD_OPTS_MAGIC || len > NBD_MAX_OPTION) {
            return ret ? ret : -EPROTO;
        }
        g_autofree uint8_t *data = g_malloc(len + 1);
        ret = nbd_read(&c->io, data, len);
        ret = ret ? ret : one_option(c, ld_be32(h + 8), data, len, &done);
    }
    return ret;
}

/* One chunk of a structured reply, or the simple reply where that was not asked for. */
static void send_chunk(Conn *c, const Job *j, uint16_t flags, uint16_t type, const void *head,
                       uint32_t head_len, const void *data, uint32_t len)
{
    uint8_t h[20];
    st_be32(h, NBD_STRUCTURED_MAGIC);
    st_be16(h + 4, flags);
    st_be16(h + 6, type);
    st_be64(h + 8, j->cookie);
    st_be32(h + 16, head_len + len);
    g_mutex_lock(&c->send_lock);
    if (nbd_write(&c->io, h, sizeof(h)) == 0 && nbd_write(&c->io, head, head_len) == 0) {
        nbd_write(&c->io, data, len);
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
    if (nbd_write(&c->io, h, sizeof(h)) == 0) {
        nbd_write(&c->io, data, len);
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
        send_chunk(c, j, NBD_REPLY_FLAG_DONE, NBD_REPLY_ERROR_BIT | 1, h, 6, NULL, 0);
    } else {
        send_chunk(c, j, NBD_REPLY_FLAG_DONE, NBD_REPLY_NONE, NULL, 0, NULL, 0);
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
    block_gate_enter(c->export->loop);
    int ret = block_pread(blk_node(c->export->blk), j->off, buf, j->len);
    block_gate_leave(c->export->loop);
    if (ret) {
        send_result(c, j, ret);
    } else if (c->structured && j->len) {
        st_be64(h, j->off);
        send_chunk(c, j, NBD_REPLY_FLAG_DONE, NBD_REPLY_OFFSET_DATA, h, 8, buf, j->len);
    } else if (c->structured) {
        send_result(c, j, 0);
    } else {
        send_simple(c, j, 0, buf, j->len);
    }
    free(buf);
}

/* What a context says of [at, at + *len); *len is cut to where that holds. */
static int context_state(Conn *c, unsigned context, uint64_t at, uint64_t *len, uint32_t *state)
{
    BlockExtent ext;
    if (context >= CONTEXT_BITMAPS) {
        const NbdBitmap *b = g_ptr_array_index(c->export->bitmaps, context - CONTEXT_BITMAPS);
        uint64_t bit = at >> b->granularity_bits;
        *state = bit < b->nbits && bit_test(b->bits, bit);
        *len = MIN(*len, ((bit + 1) << b->granularity_bits) - at);
        return 0;
    }
    int ret = block_status_above(blk_node(c->export->blk), NULL, at, *len, &ext);
    if (ret) {
        return ret;
    }
    *len = ext.len;
    if (context == CONTEXT_DEPTH) {
        *state = ext.flags & BLOCK_EXTENT_ALLOCATED ? (uint32_t)ext.depth + 1 : 0;
    } else {
        *state = (ext.flags & BLOCK_EXTENT_DATA ? 0 : NBD_STATE_HOLE) |
                 (ext.flags & BLOCK_EXTENT_ZERO ? NBD_STATE_ZERO : 0);
    }
    return 0;
}

/* Fills `msg` with the extents of one context; their number, or -errno. */
static int find_extents(Conn *c, const Job *j, unsigned context, uint8_t *msg)
{
    int n = 0, max = j->flags & NBD_CMD_FLAG_REQ_ONE ? 1 : MAX_EXTENTS;
    uint32_t last = 0, state;
    for (uint64_t at = j->off, end = j->off + j->len, len; at < end; at += len) {
        len = end - at;
        int ret = context_state(c, context, at, &len, &state);
        if (ret) {
            return ret;
        }
        uint8_t *p = msg + 4 + 8 * n;
        if (n && state == last) {
            st_be32(p - 8, ld_be32(p - 8) + len);
        } else if (n == max) {
            break;
        } else {
            st_be32(p, len);
            st_be32(p + 4, state);
            last = state;
            n++;
        }
    }
    return n;
}

static void do_status(Conn *c, const Job *j)
{
    g_autofree uint8_t *msg = g_malloc(4 + 8 * MAX_EXTENTS);
    if (!c->contexts || !j->len) {
        send_result(c, j, -EINVAL);
        return;
    }
    for (uint32_t left = c->contexts; left; left &= left - 1) {
        unsigned context = __builtin_ctz(left);
        bool last = !(left & (left - 1));
        block_gate_enter(c->export->loop);
        int n = find_extents(c, j, context, msg);
        block_gate_leave(c->export->loop);
        if (n < 0) {
            send_result(c, j, n);
            return;
        }
        st_be32(msg, context + 1);
        send_chunk(c, j, last ? NBD_REPLY_FLAG_DONE : 0, NBD_REPLY_BLOCK_STATUS, msg, 4 + 8 * n,
                   NULL, 0);
    }
}

static int do_change(Conn *c, const Job *j)
{
    BlockNode *node = blk_node(c->export->blk);
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

static int do_flush(Conn *c, const Job *j)
{
    (void)j;
    return block_flush(blk_node(c->export->blk));
}

static int gated(Conn *c, const Job *j, int (*fn)(Conn *, const Job *))
{
    block_gate_enter(c->export->loop);
    int ret = fn(c, j);
    block_gate_leave(c->export->loop);
    return ret;
}

static bool in_range(const Conn *c, const Job *j)
{
    uint64_t size = blk_size(c->export->blk);
    return j->off <= size && j->len <= size - j->off;
}

static void run_job(gpointer data, gpointer opaque)
{
    Conn *c = opaque;
    Job *j = data;
    bool change =
        j->cmd == NBD_CMD_WRITE || j->cmd == NBD_CMD_WRITE_ZEROES || j->cmd == NBD_CMD_TRIM;
    if (j->cmd == NBD_CMD_FLUSH) {
        send_result(c, j, gated(c, j, do_flush));
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
        send_result(c, j, gated(c, j, do_change));
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
    while (nbd_read(&c->io, h, sizeof(h)) == 0 && ld_be32(h) == NBD_REQUEST_MAGIC) {
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
            if (nbd_read(&c->io, j.data, j.len)) {
                free(j.data);
                break;
            }
        }
        push(c, &j);
    }
}

void nbd_serve(NbdServer *server, int fd)
{
    Conn c = { .server = server, .io.fd = fd };
    g_mutex_init(&c.send_lock);
    g_mutex_init(&c.lock);
    g_cond_init(&c.idle);
    if (negotiate(&c) == 0) {
        c.pool = g_thread_pool_new(run_job, &c, WORKERS, false, NULL);
        transmission(&c);
        g_thread_pool_free(c.pool, false, true);
    }
    nbd_stream_close(&c.io);
    nbd_export_unref(c.export);
    nbd_export_unref(c.context_of);
    g_mutex_clear(&c.send_lock);
    g_mutex_clear(&c.lock);
    g_cond_clear(&c.idle);
}
