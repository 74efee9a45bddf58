/* SPDX-License-Identifier: MIT */
/*
 * filter-mirror: a copy of each packet goes to a character device. filter-redirector: the packet
 * itself does (outdev=), and what comes from one (indev=) goes on as if it had come this way. On
 * the device each packet has its length in front, 32 bits, big-endian; with vnet_hdr_support=on
 * the vnet header's length too, and the header itself.
 */
#include <errno.h>
#include <string.h>

#include "chardev/chardev.h"
#include "net/filter.h"

enum { WAITING_MAX = 4 << 20 }; /* bytes that a slow device may leave with us */

typedef struct CharFilter {
    NetFilter f;
    bool headers, redirects;
    CharFrontend out, in;
    GByteArray *waiting; /* for `out` */
    GByteArray *packet;  /* what has come from `in` */
    uint64_t lost;       /* found no room in `waiting` */
} CharFilter;

/* ---- to the device
 * ------------------------------------------------------------------------------- */

static void out_writable(void *opaque)
{
    CharFilter *c = opaque;
    size_t taken = char_write(&c->out, c->waiting->data, c->waiting->len);

    g_byte_array_remove_range(c->waiting, 0, (guint)taken);
}

static const CharUser out_user = { .writable = out_writable };

static void append_word(GByteArray *to, size_t val)
{
    uint32_t word = GUINT32_TO_BE((uint32_t)val);

    g_byte_array_append(to, (guint8 *)&word, sizeof(word));
}

static void append_packet(CharFilter *c, size_t header, const struct iovec *iov, int iovcnt)
{
    size_t size = 0, skip = c->headers ? 0 : header;

    for (int i = 0; i < iovcnt; i++) {
        size += iov[i].iov_len;
    }
    append_word(c->waiting, size - skip);
    if (c->headers) {
        append_word(c->waiting, header);
    }
    for (int i = 0; i < iovcnt; i++) {
        size_t off = MIN(skip, iov[i].iov_len);

        skip -= off;
        g_byte_array_append(c->waiting, (guint8 *)iov[i].iov_base + off,
                            (guint)(iov[i].iov_len - off));
    }
}

static bool char_packet(NetFilter *f, NetClient *sender, G_GNUC_UNUSED NetDirection dir,
                        const struct iovec *iov, int iovcnt)
{
    CharFilter *c = (CharFilter *)f;

    if (!c->out.chardev) {
        return false;
    }
    if (c->waiting->len > WAITING_MAX) {
        c->lost++;
    } else {
        append_packet(c, (size_t)sender->vnet_hdr_len, iov, iovcnt);
        out_writable(c);
    }
    return c->redirects;
}

/* ---- from the device
 * ----------------------------------------------------------------------------- */

static size_t in_can_read(G_GNUC_UNUSED void *opaque)
{
    return 65536;
}

/* The whole packet at the front of what has come: its bytes in all; 0: not yet; -1: nonsense. */
static ssize_t framed(const CharFilter *c, size_t *prefix, size_t *header)
{
    uint32_t word;

    *prefix = c->headers ? 8 : 4;
    *header = 0;
    if (c->packet->len < *prefix) {
        return 0;
    }
    memcpy(&word, c->packet->data, 4);
    size_t size = GUINT32_FROM_BE(word);
    if (c->headers) {
        memcpy(&word, c->packet->data + 4, 4);
        *header = GUINT32_FROM_BE(word);
    }
    if (size == 0 || size > NET_MAX_PACKET || *header >= size || *header > NET_VNET_HDR_MAX) {
        return -1;
    }
    return c->packet->len < *prefix + size ? 0 : (ssize_t)(*prefix + size);
}

/* Towards the guest, or from it with queue=rx, behind this filter. The header becomes as long as
 * the wire's is. */
static void pass(CharFilter *c, uint8_t *data, size_t size, size_t header)
{
    NetClient *netdev = c->f.netdev;
    NetClient *sender = c->f.direction == NET_DIR_RX && netdev->peer ? netdev->peer : netdev;
    uint8_t vnet[NET_VNET_HDR_MAX] = { 0 };
    struct iovec iov[] = { { vnet, (size_t)sender->vnet_hdr_len },
                           { data + header, size - header } };

    memcpy(vnet, data, MIN(header, iov[0].iov_len));
    net_filter_pass(&c->f, sender, iov[0].iov_len ? iov : iov + 1, iov[0].iov_len ? 2 : 1);
}

static void in_read(void *opaque, const uint8_t *buf, size_t len)
{
    CharFilter *c = opaque;
    size_t prefix, header;
    ssize_t n;

    g_byte_array_append(c->packet, buf, (guint)len);
    while ((n = framed(c, &prefix, &header)) > 0) {
        if (c->f.on) {
            pass(c, c->packet->data + prefix, (size_t)n - prefix, header);
        }
        g_byte_array_remove_range(c->packet, 0, (guint)n);
    }
    if (n < 0) {
        g_printerr("%s '%s': indev sends something else than packets\n", c->f.info->type, c->f.id);
        g_byte_array_set_size(c->packet, 0);
    }
}

/* Half a packet of one connection is not the beginning of the next one's. */
static void in_event(void *opaque, CharEvent event)
{
    CharFilter *c = opaque;

    if (event == CHAR_EVENT_OPENED || event == CHAR_EVENT_CLOSED) {
        g_byte_array_set_size(c->packet, 0);
    }
}

static const CharUser in_user = { .can_read = in_can_read, .read = in_read, .event = in_event };

/* ---- making
 * -------------------------------------------------------------------------------------- */

static const OptDef mirror_opts[] = {
    { "outdev", OPT_STR, NULL, "character device that gets a copy of each packet" },
    { "vnet_hdr_support", OPT_BOOL, "off", "with vnet headers" },
    { 0 },
};
static const OptDef redirector_opts[] = {
    { "outdev", OPT_STR, NULL, "character device that gets the packets" },
    { "indev", OPT_STR, NULL, "character device that they come back from" },
    { "vnet_hdr_support", OPT_BOOL, "off", "with vnet headers" },
    { 0 },
};

static bool connect_end(CharFrontend *fe, const Opts *opts, const char *key, const CharUser *user,
                        CharFilter *c, GError **err)
{
    const char *id = opts_get(opts, key);
    Chardev *chardev = id ? chardev_find(id) : NULL;

    if (id && !chardev) {
        g_set_error(err, OPTS_ERROR, ENODEV, "%s=%s: there is no such chardev", key, id);
        return false;
    }
    if (chardev && !char_connect(fe, chardev, user, c, err)) {
        g_prefix_error(err, "%s=%s: ", key, id);
        return false;
    }
    return true;
}

static void char_describe(NetFilter *f, GString *out)
{
    CharFilter *c = (CharFilter *)f;

    g_string_append_printf(out, "; lost %" G_GUINT64_FORMAT, c->lost);
}

static void char_cleanup(NetFilter *f)
{
    CharFilter *c = (CharFilter *)f;

    if (c->lost) {
        g_printerr("%s '%s': outdev was too slow for %" G_GUINT64_FORMAT " packets\n",
                   f->info->type, f->id, c->lost);
    }
    char_disconnect(&c->out);
    char_disconnect(&c->in);
    g_byte_array_free(c->waiting, TRUE);
    g_byte_array_free(c->packet, TRUE);
}

static bool char_create(NetFilter *f, const Opts *opts, GError **err)
{
    CharFilter *c = (CharFilter *)f;

    c->waiting = g_byte_array_new();
    c->packet = g_byte_array_new();
    c->headers = opt_bool(opts, f->info->opts, "vnet_hdr_support");
    if (connect_end(&c->out, opts, "outdev", &out_user, c, err) &&
        connect_end(&c->in, opts, "indev", &in_user, c, err)) {
        return true;
    }
    char_cleanup(f);
    return false;
}

static bool mirror_create(NetFilter *f, const Opts *opts, GError **err)
{
    if (!opts_has(opts, "outdev")) {
        g_set_error(err, OPTS_ERROR, EINVAL, "outdev= is missing");
        return false;
    }
    return char_create(f, opts, err);
}

static bool redirector_create(NetFilter *f, const Opts *opts, GError **err)
{
    const char *out = opts_get(opts, "outdev"), *in = opts_get(opts, "indev");

    if (!out && !in) {
        g_set_error(err, OPTS_ERROR, EINVAL, "outdev= or indev= is missing");
        return false;
    }
    if (out && in && !strcmp(out, in)) {
        g_set_error(err, OPTS_ERROR, EINVAL, "indev=%s: it is outdev, too", in);
        return false;
    }
    ((CharFilter *)f)->redirects = true;
    return char_create(f, opts, err);
}

const NetFilterInfo net_filter_mirror_info = {
    .type = "filter-mirror",
    .desc = "copies packets to a character device",
    .size = sizeof(CharFilter),
    .opts = mirror_opts,
    .create = mirror_create,
    .packet = char_packet,
    .cleanup = char_cleanup,
    .describe = char_describe,
};
const NetFilterInfo net_filter_redirector_info = {
    .type = "filter-redirector",
    .desc = "sends packets away to a character device, and takes others from one",
    .size = sizeof(CharFilter),
    .opts = redirector_opts,
    .create = redirector_create,
    .packet = char_packet,
    .cleanup = char_cleanup,
    .describe = char_describe,
};
