/* SPDX-License-Identifier: MIT */
/*
 * user: a network of the guest's own behind libslirp (NAT without rights): DHCP, DNS, TFTP,
 * forwarded ports. The stack's descriptors join the main loop through a GSource of each client.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <slirp/libslirp.h>
#include <string.h>

#include "chardev/chardev.h"
#include "net/coalesce.h"
#include "net/net.h"
#include "net/user.h"

typedef struct UserClient {
    NetClient nc;
    Slirp *slirp;
    GSource *source;
    struct in_addr dhcp_start;
    GPtrArray *forwards; /* UserForward * */
    bool coalesce;       /* the guest takes large segments */
    unsigned in_stack;   /* libslirp is at work, and may send more of what it has begun */
    Coalescer burst;
    uint8_t in[NET_MAX_PACKET];
} UserClient;

/* guestfwd= to a character device: the stack's end of it is a connection to server:port. */
typedef struct UserForward {
    UserClient *user;
    CharFrontend fe;
    struct in_addr server;
    int port;
    GByteArray *waiting; /* the guest sent it, and the device is full */
} UserForward;

typedef struct UserTimer {
    UserClient *user;
    SlirpTimerId id;
    void *cb_opaque;
    guint source;
} UserTimer;

/* ---- packets
 * ------------------------------------------------------------------------------------- */

/*
 * A large segment is one large packet here, for the stack behind has no wire that would limit it;
 * it wants to see right checksums only.
 */
static bool finish_checksum(uint8_t *packet, size_t size, const VnetHeader *h)
{
    size_t at = (size_t)h->csum_start + h->csum_offset;
    uint64_t sum = 0;

    if (at + 2 > size) {
        return false;
    }
    for (size_t i = h->csum_start; i + 1 < size; i += 2) {
        uint16_t word;
        memcpy(&word, packet + i, 2); /* RFC 1071: the order of bytes does not matter */
        sum += word;
    }
    if ((size - h->csum_start) & 1) {
        sum += packet[size - 1]; /* a little-endian word with a zero behind */
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    uint16_t field = (uint16_t)~sum;
    memcpy(packet + at, &field, 2);
    return true;
}

/* The guest may have made room in its connections to character devices. */
static void accept_input(UserClient *u)
{
    for (guint i = 0; i < u->forwards->len; i++) {
        char_accept_input(&((UserForward *)u->forwards->pdata[i])->fe);
    }
}

static void send_with_header(UserClient *u, const VnetHeader *h, const void *buf, size_t len)
{
    uint8_t header[NET_VNET_HDR_MAX] = { 0 };
    struct iovec iov[] = { { header, (size_t)u->nc.vnet_hdr_len },
                           { (void *)(uintptr_t)buf, len } };

    memcpy(header, h, sizeof(*h));
    net_send_iov(&u->nc, iov[0].iov_len ? iov : iov + 1, iov[0].iov_len ? 2 : 1, NULL);
}

static void send_burst(UserClient *u)
{
    if (u->burst.size) {
        size_t size = u->burst.size;

        coalesce_finish(&u->burst);
        u->burst.size = 0;
        send_with_header(u, &u->burst.header, u->burst.packet, size);
    }
}

/* What the stack sends has right checksums. */
static ssize_t user_send(const void *buf, size_t len, void *opaque)
{
    static const VnetHeader valid = { .flags = VNET_DATA_VALID };
    UserClient *u = opaque;

    if (!u->coalesce || !u->in_stack || !coalesce_add(&u->burst, buf, len)) {
        send_burst(u);
        if (!u->coalesce || !u->in_stack || !coalesce_add(&u->burst, buf, len)) {
            send_with_header(u, &valid, buf, len);
        }
    }
    return (ssize_t)len;
}

static void enter_stack(UserClient *u)
{
    net_batch_begin(&u->nc);
    u->in_stack++;
}

static void leave_stack(UserClient *u)
{
    if (--u->in_stack == 0) {
        send_burst(u);
    }
    net_batch_end(&u->nc);
}

static NetResult user_receive(NetClient *nc, const struct iovec *iov, int iovcnt)
{
    UserClient *u = (UserClient *)nc;
    size_t size = 0, skip = (size_t)nc->vnet_hdr_len;
    VnetHeader h = { 0 };

    for (int i = 0; i < iovcnt; i++) {
        if (iov[i].iov_len > sizeof(u->in) - size) {
            return -1;
        }
        memcpy(u->in + size, iov[i].iov_base, iov[i].iov_len);
        size += iov[i].iov_len;
    }
    if (size <= skip) {
        return -1;
    }
    memcpy(&h, u->in, MIN(skip, sizeof(h)));
    if (h.flags & VNET_NEEDS_CSUM && !finish_checksum(u->in + skip, size - skip, &h)) {
        return -1;
    }
    enter_stack(u);
    slirp_input(u->slirp, u->in + skip, (int)(size - skip));
    leave_stack(u);
    accept_input(u);
    return (NetResult)size;
}

static void user_set_offloads(NetClient *nc, unsigned mask)
{
    UserClient *u = (UserClient *)nc;

    send_burst(u);
    u->coalesce = mask & NET_OFFLOAD_TSO4 && mask & NET_OFFLOAD_CSUM;
}

static bool user_has_vnet_hdr_len(G_GNUC_UNUSED NetClient *nc, int len)
{
    return len >= (int)sizeof(VnetHeader) && len <= NET_VNET_HDR_MAX;
}

static unsigned user_offloads(G_GNUC_UNUSED NetClient *nc)
{
    return NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6;
}

/* ---- the main loop
 * -------------------------------------------------------------------------------- */

typedef struct UserSource {
    GSource source;
    UserClient *user;
    GArray *fds; /* GPollFD; their addresses are the main loop's: it does not grow while polled */
    guint added;
    gint64 deadline; /* us of the monotonic clock: the stack's own timers; -1: none */
} UserSource;

enum { MAX_FDS = 4096 };

static int add_poll(int fd, int events, void *opaque)
{
    static const struct {
        int slirp;
        gushort poll;
    } bits[] = { { SLIRP_POLL_IN, G_IO_IN },
                 { SLIRP_POLL_OUT, G_IO_OUT },
                 { SLIRP_POLL_PRI, G_IO_PRI },
                 { SLIRP_POLL_ERR, G_IO_ERR },
                 { SLIRP_POLL_HUP, G_IO_HUP } };
    UserSource *s = opaque;
    GPollFD p = { .fd = fd };

    if (s->fds->len == MAX_FDS) {
        return -1;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bits); i++) {
        p.events |= events & bits[i].slirp ? bits[i].poll : 0;
    }
    g_array_append_val(s->fds, p);
    return (int)s->fds->len - 1;
}

static int get_revents(int idx, void *opaque)
{
    UserSource *s = opaque;
    int revents, out = 0;

    if (idx < 0 || (guint)idx >= s->fds->len) {
        return 0;
    }
    revents = g_array_index(s->fds, GPollFD, idx).revents;
    out |= revents & G_IO_IN ? SLIRP_POLL_IN : 0;
    out |= revents & G_IO_OUT ? SLIRP_POLL_OUT : 0;
    out |= revents & G_IO_PRI ? SLIRP_POLL_PRI : 0;
    out |= revents & G_IO_ERR ? SLIRP_POLL_ERR : 0;
    out |= revents & G_IO_HUP ? SLIRP_POLL_HUP : 0;
    return out;
}

static void remove_fds(UserSource *s)
{
    for (guint i = 0; i < s->added; i++) {
        g_source_remove_poll(&s->source, &g_array_index(s->fds, GPollFD, i));
    }
    s->added = 0;
}

static gboolean source_prepare(GSource *source, gint *timeout)
{
    UserSource *s = (UserSource *)source;
    uint32_t wait = UINT32_MAX;

    remove_fds(s);
    g_array_set_size(s->fds, 0);
    slirp_pollfds_fill(s->user->slirp, &wait, add_poll, s);
    for (; s->added < s->fds->len; s->added++) {
        g_source_add_poll(source, &g_array_index(s->fds, GPollFD, s->added));
    }
    *timeout = wait > INT32_MAX ? -1 : (gint)wait;
    s->deadline = *timeout < 0 ? -1 : g_get_monotonic_time() + *timeout * 1000ll;
    return FALSE;
}

static gboolean source_check(GSource *source)
{
    UserSource *s = (UserSource *)source;

    for (guint i = 0; i < s->added; i++) {
        if (g_array_index(s->fds, GPollFD, i).revents) {
            return TRUE;
        }
    }
    return s->deadline >= 0 && g_get_monotonic_time() >= s->deadline;
}

static gboolean source_dispatch(GSource *source, G_GNUC_UNUSED GSourceFunc fn,
                                G_GNUC_UNUSED gpointer opaque)
{
    UserSource *s = (UserSource *)source;

    enter_stack(s->user);
    slirp_pollfds_poll(s->user->slirp, 0, get_revents, s);
    leave_stack(s->user);
    accept_input(s->user);
    return G_SOURCE_CONTINUE;
}

static void source_finalize(GSource *source)
{
    g_array_free(((UserSource *)source)->fds, TRUE);
}

static GSourceFuncs source_funcs = {
    .prepare = source_prepare,
    .check = source_check,
    .dispatch = source_dispatch,
    .finalize = source_finalize,
};

/* ---- what the stack asks of us
 * ------------------------------------------------------------------------ */

static void user_guest_error(const char *msg, void *opaque)
{
    UserClient *u = opaque;

    g_debug("netdev '%s': %s", u->nc.name, msg);
}

static int64_t user_clock(G_GNUC_UNUSED void *opaque)
{
    return g_get_monotonic_time() * 1000;
}

static void *user_timer_new(SlirpTimerId id, void *cb_opaque, void *opaque)
{
    UserTimer *t = g_new0(UserTimer, 1);

    *t = (UserTimer){ .user = opaque, .id = id, .cb_opaque = cb_opaque };
    return t;
}

static void user_timer_free(void *timer, G_GNUC_UNUSED void *opaque)
{
    UserTimer *t = timer;

    if (t->source) {
        g_source_remove(t->source);
    }
    g_free(t);
}

static gboolean timer_fired(gpointer opaque)
{
    UserTimer *t = opaque;

    t->source = 0;
    slirp_handle_timer(t->user->slirp, t->id, t->cb_opaque);
    return G_SOURCE_REMOVE;
}

static void user_timer_mod(void *timer, int64_t expire_ms, G_GNUC_UNUSED void *opaque)
{
    UserTimer *t = timer;
    int64_t now = g_get_monotonic_time() / 1000;

    if (t->source) {
        g_source_remove(t->source);
    }
    t->source = g_timeout_add((guint)CLAMP(expire_ms - now, 0, INT32_MAX), timer_fired, t);
}

static void user_poll_fd(G_GNUC_UNUSED int fd, G_GNUC_UNUSED void *opaque)
{
}

static void user_notify(G_GNUC_UNUSED void *opaque)
{
    g_main_context_wakeup(NULL);
}

static const SlirpCb slirp_callbacks = {
    .send_packet = user_send,
    .guest_error = user_guest_error,
    .clock_get_ns = user_clock,
    .timer_free = user_timer_free,
    .timer_mod = user_timer_mod,
    .register_poll_fd = user_poll_fd,
    .unregister_poll_fd = user_poll_fd,
    .notify = user_notify,
    .timer_new_opaque = user_timer_new,
};

static const char forward_hint[] = "the server's address must be in the guest's network, and free";

/* ---- forwarded ports
 * ---------------------------------------------------------------------------------- */

/* "10.0.2.15", or empty: `preset`. */
static bool parse_addr(const char *text, struct in_addr preset, struct in_addr *out)
{
    *out = preset;
    return !*text || inet_pton(AF_INET, text, out) == 1;
}

/* "[addr]:port" */
static bool parse_end(char *text, struct in_addr preset, struct in_addr *addr, int *port)
{
    char *colon = strrchr(text, ':'), *end;
    long n;

    if (!colon || !colon[1]) {
        return false;
    }
    *colon = 0;
    n = strtol(colon + 1, &end, 10);
    *port = (int)n;
    return !*end && n >= 0 && n <= 65535 && parse_addr(text, preset, addr);
}

typedef struct Forward {
    bool udp;
    struct in_addr host, guest;
    int host_port, guest_port;
} Forward;

/* "tcp:[addr]:port-[guest]:port"; without the guest's half when !both. */
static bool parse_forward(const UserClient *u, const char *text, bool both, Forward *f)
{
    g_autofree char *copy = g_strdup(text);
    char *rest = strchr(copy, ':'), *dash = strrchr(copy, '-');
    struct in_addr any = { INADDR_ANY };

    if (!rest || (both && !dash)) {
        return false;
    }
    *rest++ = 0;
    if (dash && both) {
        *dash = 0;
    }
    if (*copy && strcmp(copy, "tcp") && strcmp(copy, "udp")) {
        return false;
    }
    f->udp = !strcmp(copy, "udp");
    return parse_end(rest, any, &f->host, &f->host_port) &&
           (!both ||
            (parse_end(dash + 1, u->dhcp_start, &f->guest, &f->guest_port) && f->guest_port));
}

static bool add_hostfwd(UserClient *u, const char *text, GError **err)
{
    Forward f;

    if (!parse_forward(u, text, true, &f)) {
        g_set_error(err, OPTS_ERROR, EINVAL,
                    "hostfwd=%s: [tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport is expected",
                    text);
        return false;
    }
    if (slirp_add_hostfwd(u->slirp, f.udp, f.host, f.host_port, f.guest, f.guest_port)) {
        g_set_error(err, OPTS_ERROR, errno, "hostfwd=%s: cannot listen on port %d: %s", text,
                    f.host_port, g_strerror(errno));
        return false;
    }
    return true;
}

/* ---- guestfwd= to character devices
 * -------------------------------------------------------------------- */

static size_t forward_can_read(void *opaque)
{
    UserForward *f = opaque;

    return slirp_socket_can_recv(f->user->slirp, f->server, f->port);
}

static void forward_read(void *opaque, const uint8_t *buf, size_t len)
{
    UserForward *f = opaque;

    slirp_socket_recv(f->user->slirp, f->server, f->port, buf, (int)len);
}

static void forward_writable(void *opaque)
{
    UserForward *f = opaque;
    size_t taken = char_write(&f->fe, f->waiting->data, f->waiting->len);

    g_byte_array_remove_range(f->waiting, 0, (guint)taken);
}

/* Takes all that the guest sends: the stack has acknowledged it. */
static ssize_t forward_write(const void *buf, size_t len, void *opaque)
{
    UserForward *f = opaque;
    size_t taken = f->waiting->len ? 0 : char_write(&f->fe, buf, len);

    g_byte_array_append(f->waiting, (const guint8 *)buf + taken, (guint)(len - taken));
    return (ssize_t)len;
}

static const CharUser forward_user = { .can_read = forward_can_read,
                                       .read = forward_read,
                                       .writable = forward_writable };

static void free_forward(gpointer opaque)
{
    UserForward *f = opaque;

    char_disconnect(&f->fe);
    g_byte_array_free(f->waiting, TRUE);
    g_free(f);
}

/* "chardev:ID", an id, or what -serial takes ("tcp:host:port"): made here, and named after us. */
static bool add_char_forward(UserClient *u, const char *target, struct in_addr server, int port,
                             GError **err)
{
    bool by_id = g_str_has_prefix(target, "chardev:");
    const char *id = by_id ? target + 8 : target;
    Chardev *c = chardev_find(id);

    if (!c && by_id) {
        g_set_error(err, OPTS_ERROR, ENODEV, "there is no chardev '%s'", id);
        return false;
    }
    if (!c) {
        g_autofree char *name = g_strdup_printf("guestfwd.%s.%d", u->nc.name, port);
        c = chardev_add_short(target, name, err);
    }
    if (!c) {
        return false;
    }
    UserForward *f = g_new0(UserForward, 1);
    *f = (UserForward){ .user = u, .server = server, .port = port, .waiting = g_byte_array_new() };
    if (!char_connect(&f->fe, c, &forward_user, f, err)) {
        free_forward(f);
        return false;
    }
    g_ptr_array_add(u->forwards, f);
    if (slirp_add_guestfwd(u->slirp, forward_write, f, &f->server, f->port)) {
        g_set_error(err, OPTS_ERROR, EINVAL, "%s", forward_hint);
        g_ptr_array_remove(u->forwards, f);
        return false;
    }
    return true;
}

/* "tcp:server:port-cmd:command" */
static bool add_guestfwd(UserClient *u, const char *text, GError **err)
{
    const char *dash = strchr(text, '-');
    g_autofree char *left = dash ? g_strndup(text, (gsize)(dash - text)) : NULL;
    struct in_addr none = { 0 }, server;
    int port;

    if (!dash || !g_str_has_prefix(left, "tcp:") || !parse_end(left + 4, none, &server, &port) ||
        !port) {
        g_set_error(err, OPTS_ERROR, EINVAL, "guestfwd=%s: tcp:server:port-target is expected",
                    text);
        return false;
    }
    int bad;
    if (g_str_has_prefix(dash + 1, "cmd:")) {
        bad = slirp_add_exec(u->slirp, dash + 5, &server, port);
    } else if (g_str_has_prefix(dash + 1, "unix:")) {
        bad = slirp_add_unix(u->slirp, dash + 6, &server, port);
    } else {
        bool ok = add_char_forward(u, dash + 1, server, port, err);
        if (!ok) {
            g_prefix_error(err, "guestfwd=%s: ", text);
        }
        return ok;
    }
    if (bad) {
        g_set_error(err, OPTS_ERROR, EINVAL, "guestfwd=%s: %s", text, forward_hint);
    }
    return !bad;
}

static UserClient *find_user(const char *netdev, GError **err)
{
    NetClient *found = NULL;

    for (guint i = 0; i < net_clients()->len && !found; i++) {
        NetClient *nc = net_clients()->pdata[i];

        if (!strcmp(nc->info->type, "user") && (!netdev || !strcmp(nc->name, netdev))) {
            found = nc;
        }
    }
    if (!found) {
        g_set_error(err, OPTS_ERROR, ENODEV, "there is no user network%s%s", netdev ? " " : "",
                    netdev ? netdev : "");
    }
    return (UserClient *)found;
}

bool net_hostfwd_add(const char *netdev, const char *rule, GError **err)
{
    UserClient *u = find_user(netdev, err);

    return u && add_hostfwd(u, rule, err);
}

bool net_hostfwd_remove(const char *netdev, const char *rule, GError **err)
{
    UserClient *u = find_user(netdev, err);
    Forward f;

    if (!u) {
        return false;
    }
    if (!parse_forward(u, rule, false, &f)) {
        g_set_error(err, OPTS_ERROR, EINVAL, "%s: [tcp|udp]:[hostaddr]:hostport is expected", rule);
        return false;
    }
    if (slirp_remove_hostfwd(u->slirp, f.udp, f.host, f.host_port)) {
        g_set_error(err, OPTS_ERROR, ENOENT, "%s: is not forwarded", rule);
        return false;
    }
    return true;
}

/* ---- options
 * ---------------------------------------------------------------------------------------------- */

static const OptDef user_opts[] = {
    { "ipv4", OPT_BOOL, "on", "IPv4" },
    { "ipv6", OPT_BOOL, "on", "IPv6" },
    { "net", OPT_STR, "10.0.2.0/24", "the guest's network, addr/bits or addr/mask" },
    { "host", OPT_STR, NULL, "our address in it; .2" },
    { "dhcpstart", OPT_STR, NULL, "first of 16 addresses given out; .15" },
    { "dns", OPT_STR, NULL, "name server that guests see; .3" },
    { "ipv6-net", OPT_STR, "fec0::/64", "IPv6 prefix" },
    { "ipv6-prefix", OPT_STR, NULL, "its address" },
    { "ipv6-prefixlen", OPT_NUM, NULL, "its length in bits" },
    { "ipv6-host", OPT_STR, NULL, "our IPv6 address; ::2" },
    { "ipv6-dns", OPT_STR, NULL, "IPv6 name server; ::3" },
    { "restrict", OPT_BOOL, "off", "only forwarded ports: nothing else gets out" },
    { "hostname", OPT_STR, NULL, "name that DHCP gives to the guest" },
    { "dnssearch", OPT_STR, NULL, "domain to search; may be given again" },
    { "domainname", OPT_STR, NULL, "domain that DHCP gives" },
    { "tftp", OPT_STR, NULL, "directory that a TFTP server shows" },
    { "tftp-server-name", OPT_STR, NULL, "its name in DHCP" },
    { "bootfile", OPT_STR, NULL, "file name that BOOTP gives" },
    { "hostfwd", OPT_STR, NULL,
      "[tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport; again for more" },
    { "guestfwd", OPT_STR, NULL,
      "tcp:server:port-TARGET: cmd:COMMAND, unix:PATH, chardev:ID or what -serial takes; again "
      "for more" },
    { "smb", OPT_STR, NULL, "not implemented" },
    { "smbserver", OPT_STR, NULL, "not implemented" },
    { 0 },
};

static bool bad_value(const Opts *opts, const char *key, const char *expected, GError **err)
{
    g_set_error(err, OPTS_ERROR, EINVAL, "%s=%s: %s is expected", key, opts_get(opts, key),
                expected);
    return false;
}

/* Bits of "24" or "255.255.255.0", left in the host's order; false: neither. */
static bool parse_mask(const char *text, uint32_t *mask)
{
    struct in_addr dotted;
    char *end;
    unsigned long bits = strtoul(text, &end, 10);

    if (*text && !*end && bits >= 1 && bits <= 30) {
        *mask = ~0u << (32 - bits);
        return true;
    }
    if (inet_pton(AF_INET, text, &dotted) != 1) {
        return false;
    }
    *mask = ntohl(dotted.s_addr);
    return *mask && !(~*mask & (~*mask + 1)) && ~*mask >= 3;
}

static bool parse_ipv4(const Opts *opts, SlirpConfig *c, GError **err)
{
    g_autofree char *net = g_strdup(opt_str(opts, user_opts, "net"));
    char *slash = strchr(net, '/');
    struct in_addr addr;
    uint32_t mask = 0xffffff00, network;
    const struct {
        const char *key;
        struct in_addr *to;
        uint32_t host;
    } parts[] = { { "host", &c->vhost, 2 },
                  { "dns", &c->vnameserver, 3 },
                  { "dhcpstart", &c->vdhcp_start, 15 } };

    if (slash) {
        *slash++ = 0;
    }
    if (inet_pton(AF_INET, net, &addr) != 1 || (slash && !parse_mask(slash, &mask))) {
        return bad_value(opts, "net", "an address/bits", err);
    }
    network = ntohl(addr.s_addr) & mask;
    c->vnetwork.s_addr = htonl(network);
    c->vnetmask.s_addr = htonl(mask);
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        const char *text = opt_str(opts, user_opts, parts[i].key);

        parts[i].to->s_addr = htonl(network | MIN(parts[i].host, ~mask - 1));
        if (text && (inet_pton(AF_INET, text, parts[i].to) != 1 ||
                     (ntohl(parts[i].to->s_addr) & mask) != network)) {
            return bad_value(opts, parts[i].key, "an address inside of net=", err);
        }
    }
    if (c->vhost.s_addr == c->vnameserver.s_addr) {
        g_set_error(err, OPTS_ERROR, EINVAL, "host= and dns= are the same address");
        return false;
    }
    return true;
}

static bool parse_ipv6(const Opts *opts, SlirpConfig *c, GError **err)
{
    g_autofree char *net = g_strdup(opt_str(opts, user_opts, "ipv6-net"));
    const char *prefix = opt_str(opts, user_opts, "ipv6-prefix");
    char *slash = strchr(net, '/');
    uint64_t bits = slash ? g_ascii_strtoull(slash + 1, NULL, 10) : 64;
    const char *host = opt_str(opts, user_opts, "ipv6-host");
    const char *dns = opt_str(opts, user_opts, "ipv6-dns");

    if (slash) {
        *slash = 0;
    }
    if (opts_has(opts, "ipv6-prefixlen")) {
        bits = opt_num(opts, user_opts, "ipv6-prefixlen");
    }
    if (inet_pton(AF_INET6, prefix ? prefix : net, &c->vprefix_addr6) != 1 || bits < 1 ||
        bits > 126) {
        g_set_error(err, OPTS_ERROR, EINVAL, "ipv6-net=: an IPv6 address/bits is expected");
        return false;
    }
    c->vprefix_len = (uint8_t)bits;
    c->vhost6 = c->vnameserver6 = c->vprefix_addr6;
    c->vhost6.s6_addr[15] |= 2;
    c->vnameserver6.s6_addr[15] |= 3;
    if (host && inet_pton(AF_INET6, host, &c->vhost6) != 1) {
        return bad_value(opts, "ipv6-host", "an IPv6 address", err);
    }
    if (dns && inet_pton(AF_INET6, dns, &c->vnameserver6) != 1) {
        return bad_value(opts, "ipv6-dns", "an IPv6 address", err);
    }
    return true;
}

static bool apply_list(UserClient *u, const Opts *opts, const char *key,
                       bool (*add)(UserClient *, const char *, GError **), GError **err)
{
    g_auto(GStrv) values = opts_get_all(opts, key);

    for (int i = 0; values[i]; i++) {
        if (!add(u, values[i], err)) {
            return false;
        }
    }
    return true;
}

extern const NetClientInfo net_user_info;

static bool user_create(const char *name, const Opts *opts, GError **err)
{
    SlirpConfig c = { .version = 4 };
    g_auto(GStrv) search = opts_get_all(opts, "dnssearch");

    if (opts_has(opts, "smb") || opts_has(opts, "smbserver")) {
        g_set_error(err, OPTS_ERROR, ENOTSUP, "smb=: not implemented");
        return false;
    }
    c.in_enabled = opt_bool(opts, user_opts, "ipv4");
    c.in6_enabled = opt_bool(opts, user_opts, "ipv6");
    if (!c.in_enabled && !c.in6_enabled) {
        g_set_error(err, OPTS_ERROR, EINVAL, "ipv4=off: and ipv6=off: nothing is left");
        return false;
    }
    if (!parse_ipv4(opts, &c, err) || !parse_ipv6(opts, &c, err)) {
        return false;
    }
    c.restricted = opt_bool(opts, user_opts, "restrict");
    c.vhostname = opt_str(opts, user_opts, "hostname");
    c.vdomainname = opt_str(opts, user_opts, "domainname");
    c.vdnssearch = search[0] ? (const char **)search : NULL;
    c.tftp_path = opt_str(opts, user_opts, "tftp");
    c.tftp_server_name = opt_str(opts, user_opts, "tftp-server-name");
    c.bootfile = opt_str(opts, user_opts, "bootfile");

    UserClient *u = (UserClient *)net_client_new(&net_user_info, name, NULL, 0);
    u->dhcp_start = c.vdhcp_start;
    u->forwards = g_ptr_array_new_with_free_func(free_forward);
    u->slirp = slirp_new(&c, &slirp_callbacks, u);
    if (!u->slirp) {
        g_set_error(err, OPTS_ERROR, EINVAL, "libslirp refused the configuration");
        net_client_delete(&u->nc);
        return false;
    }
    u->source = g_source_new(&source_funcs, sizeof(UserSource));
    ((UserSource *)u->source)->user = u;
    ((UserSource *)u->source)->fds = g_array_sized_new(FALSE, TRUE, sizeof(GPollFD), MAX_FDS);
    g_source_attach(u->source, NULL);
    if (!apply_list(u, opts, "hostfwd", add_hostfwd, err) ||
        !apply_list(u, opts, "guestfwd", add_guestfwd, err)) {
        net_client_delete(&u->nc);
        return false;
    }
    return true;
}

static void user_cleanup(NetClient *nc)
{
    UserClient *u = (UserClient *)nc;

    if (u->source) {
        remove_fds((UserSource *)u->source);
        g_source_destroy(u->source);
        g_source_unref(u->source);
    }
    g_ptr_array_free(u->forwards, TRUE);
    if (u->slirp) {
        slirp_cleanup(u->slirp);
    }
}

static void user_describe(NetClient *nc, GString *out)
{
    char text[INET_ADDRSTRLEN];

    inet_ntop(AF_INET, &((UserClient *)nc)->dhcp_start, text, sizeof(text));
    g_string_append_printf(out, ",dhcpstart=%s", text);
}

char *net_user_connections(const char *netdev)
{
    UserClient *u = find_user(netdev, NULL);

    return u ? slirp_connection_info(u->slirp) : NULL;
}

const NetClientInfo net_user_info = {
    .type = "user",
    .desc = "a private network behind the emulator (NAT), needs no rights",
    .size = sizeof(UserClient),
    .opts = user_opts,
    .create = user_create,
    .receive = user_receive,
    .cleanup = user_cleanup,
    .describe = user_describe,
    .has_vnet_hdr_len = user_has_vnet_hdr_len,
    .offloads = user_offloads,
    .set_offloads = user_set_offloads,
};
