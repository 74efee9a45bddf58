/* SPDX-License-Identifier: MIT */
/* filter-buffer: keeps packets and releases them together, every so many microseconds. */
#include <errno.h>
#include <string.h>

#include "net/filter.h"
#include "net/queue.h"

typedef struct Kept {
    struct Kept *next;
    NetClient *sender;
    size_t size;
    uint8_t data[];
} Kept;

typedef struct BufferFilter {
    NetFilter f;
    guint timer;
    Kept *head, **tail;
    uint64_t count, bytes; /* kept now */
    uint64_t lost;         /* found no room */
} BufferFilter;

static const OptDef buffer_opts[] = {
    { "interval", OPT_NUM, NULL, "microseconds between releases, at least 1" },
    { 0 },
};

static void release(BufferFilter *b)
{
    Kept *k = b->head;

    b->head = NULL;
    b->tail = &b->head;
    b->count = b->bytes = 0;
    while (k) {
        Kept *next = k->next;
        struct iovec iov = { k->data, k->size };

        net_filter_pass(&b->f, k->sender, &iov, 1);
        g_free(k);
        k = next;
    }
}

static gboolean tick(gpointer opaque)
{
    release(opaque);
    return G_SOURCE_CONTINUE;
}

static bool buffer_create(NetFilter *f, const Opts *opts, GError **err)
{
    BufferFilter *b = (BufferFilter *)f;
    uint64_t interval = opt_num(opts, buffer_opts, "interval");

    if (interval < 1 || interval > UINT32_MAX) {
        g_set_error(err, OPTS_ERROR, EINVAL, "interval= wants microseconds, 1 to 4294967295");
        return false;
    }
    b->tail = &b->head;
    b->timer = g_timeout_add((guint)MAX(interval / 1000, 1), tick, b);
    return true;
}

static bool buffer_packet(NetFilter *f, NetClient *sender, G_GNUC_UNUSED NetDirection dir,
                          const struct iovec *iov, int iovcnt)
{
    BufferFilter *b = (BufferFilter *)f;
    size_t size = 0;

    for (int i = 0; i < iovcnt; i++) {
        size += iov[i].iov_len;
    }
    if (b->bytes + size > NET_QUEUE_BYTES) {
        b->lost++;
        return true;
    }
    b->count++;
    b->bytes += size;
    Kept *k = g_malloc(sizeof(*k) + size);
    *k = (Kept){ .sender = sender, .size = size };
    size = 0;
    for (int i = 0; i < iovcnt; i++) {
        memcpy(k->data + size, iov[i].iov_base, iov[i].iov_len);
        size += iov[i].iov_len;
    }
    *b->tail = k;
    b->tail = &k->next;
    return true;
}

static void buffer_status_changed(NetFilter *f)
{
    release((BufferFilter *)f);
}

static unsigned buffer_forget(NetFilter *f, NetClient *sender)
{
    BufferFilter *b = (BufferFilter *)f;
    unsigned dropped = 0;

    b->tail = &b->head;
    for (Kept *k = b->head, *next; k; k = next) {
        next = k->next;
        if (k->sender != sender) {
            *b->tail = k;
            b->tail = &k->next;
            continue;
        }
        b->count--;
        b->bytes -= k->size;
        dropped++;
        g_free(k);
    }
    *b->tail = NULL;
    return dropped;
}

static void buffer_describe(NetFilter *f, GString *out)
{
    BufferFilter *b = (BufferFilter *)f;

    g_string_append_printf(out, "; keeps %" G_GUINT64_FORMAT ", lost %" G_GUINT64_FORMAT, b->count,
                           b->lost);
}

static void buffer_cleanup(NetFilter *f)
{
    BufferFilter *b = (BufferFilter *)f;

    g_source_remove(b->timer);
    release(b);
}

const NetFilterInfo net_filter_buffer_info = {
    .type = "filter-buffer",
    .desc = "releases packets in batches",
    .size = sizeof(BufferFilter),
    .opts = buffer_opts,
    .create = buffer_create,
    .packet = buffer_packet,
    .status_changed = buffer_status_changed,
    .cleanup = buffer_cleanup,
    .forget = buffer_forget,
    .describe = buffer_describe,
};
