/* SPDX-License-Identifier: MIT */
/*
 * tap: packets to and from the host's kernel (Documentation/networking/tuntap.rst), one descriptor
 * for each queue pair; made here, by a helper program, or given. `bridge` is a tap that the helper
 * puts on a bridge.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/fdwatch.h"
#include "net/helper.h"
#include "net/net.h"

enum {
    BURST = 64, /* packets that are read before others have their turn */
    VNET_HDR_OLD = 10,
    VNET_HDR_V1 = 12,
    VNET_HDR_HASH = 20, /* virtio 1.2 §5.1.6 */
};

typedef struct TapClient {
    NetClient nc;
    FdWatch watch;
    bool vnet;       /* the descriptor carries a vnet header */
    int host_hdr;    /* its length there */
    bool write_wait; /* the kernel's queue is full */
    bool multi;      /* one of several queues, … */
    bool attached;   /* … and the kernel gives it packets */
    int vhost;       /* /dev/vhost-net; -1: not wanted */
    bool lent;       /* the host's kernel reads instead of us */
    char *ifname, *down_script;
    uint8_t buf[NET_VNET_HDR_MAX + NET_MAX_PACKET];
} TapClient;

static TapClient *tap_of(NetClient *nc)
{
    return (TapClient *)nc;
}

static void update_watch(TapClient *t, bool reading)
{
    fdwatch_set(&t->watch, reading && !t->lent, t->write_wait);
}

/* ---- from the host to the peer ----------------------------------------------------------------
 */

static void tap_sent(NetClient *nc, G_GNUC_UNUSED NetResult taken)
{
    update_watch(tap_of(nc), true);
}

static void read_burst(TapClient *t)
{
    for (int n = 0; n < BURST; n++) {
        ssize_t size = read(t->watch.fd, t->buf, sizeof(t->buf));
        uint8_t *data = t->buf;

        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size <= 0) {
            if (size == 0 || (errno != EAGAIN && errno != EIO)) { /* EIO: the interface is down */
                g_printerr("netdev '%s': tap: %s\n", t->nc.name,
                           size ? g_strerror(errno) : "end of file");
                update_watch(t, false);
            }
            return;
        }
        if (t->host_hdr && !t->nc.vnet_hdr_len) { /* the peer has no use for it */
            if (size <= t->host_hdr) {
                continue;
            }
            data += t->host_hdr;
            size -= t->host_hdr;
        }
        if (net_send(&t->nc, data, (size_t)size, tap_sent) == 0) {
            update_watch(t, false);
            return;
        }
    }
}

static void tap_can_read(void *opaque)
{
    TapClient *t = opaque;

    net_batch_begin(&t->nc);
    read_burst(t);
    net_batch_end(&t->nc);
}

/* ---- from the peer to the host
 * ------------------------------------------------------------------- */

static void tap_can_write(void *opaque)
{
    TapClient *t = opaque;

    t->write_wait = false;
    update_watch(t, t->watch.reading);
    net_client_ready(&t->nc);
}

static NetResult tap_receive(NetClient *nc, const struct iovec *iov, int iovcnt)
{
    static const uint8_t no_header[NET_VNET_HDR_MAX];
    TapClient *t = tap_of(nc);
    struct iovec with_header[IOV_MAX];
    ssize_t ret;

    if (t->host_hdr && !nc->vnet_hdr_len) {
        if (iovcnt >= IOV_MAX) {
            return -1;
        }
        with_header[0] = (struct iovec){ (void *)(uintptr_t)no_header, (size_t)t->host_hdr };
        memcpy(with_header + 1, iov, (size_t)iovcnt * sizeof(*iov));
        iov = with_header;
        iovcnt++;
    }
    do {
        ret = writev(t->watch.fd, iov, iovcnt);
    } while (ret < 0 && errno == EINTR);
    if (ret < 0 && errno == EAGAIN) {
        t->write_wait = true;
        update_watch(t, t->watch.reading);
        return 0;
    }
    return ret < 0 ? -1 : ret;
}

/* ---- vnet header and offloads
 * ---------------------------------------------------------------------- */

static bool tap_has_vnet_hdr_len(NetClient *nc, int len)
{
    return tap_of(nc)->vnet && (len == VNET_HDR_OLD || len == VNET_HDR_V1 || len == VNET_HDR_HASH);
}

static void tap_set_vnet_hdr_len(NetClient *nc, int len)
{
    TapClient *t = tap_of(nc);
    int host = len ? len : VNET_HDR_OLD;

    if (t->vnet && ioctl(t->watch.fd, TUNSETVNETHDRSZ, &host) == 0) {
        t->host_hdr = host;
    }
}

static const struct {
    unsigned net, tun;
} offload_bits[] = {
    { NET_OFFLOAD_CSUM, TUN_F_CSUM }, { NET_OFFLOAD_TSO4, TUN_F_TSO4 },
    { NET_OFFLOAD_TSO6, TUN_F_TSO6 }, { NET_OFFLOAD_ECN, TUN_F_TSO_ECN },
    { NET_OFFLOAD_UFO, TUN_F_UFO },
};

static bool set_tun_offloads(int fd, unsigned mask)
{
    unsigned tun = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(offload_bits); i++) {
        tun |= mask & offload_bits[i].net ? offload_bits[i].tun : 0;
    }
    return ioctl(fd, TUNSETOFFLOAD, tun) == 0;
}

static unsigned tap_offloads(NetClient *nc)
{
    TapClient *t = tap_of(nc);
    unsigned all = NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6 | NET_OFFLOAD_ECN;

    if (!t->vnet) {
        return 0;
    }
    return all | (set_tun_offloads(t->watch.fd, all | NET_OFFLOAD_UFO) ? NET_OFFLOAD_UFO : 0);
}

static void tap_set_offloads(NetClient *nc, unsigned mask)
{
    if (tap_of(nc)->vnet && !set_tun_offloads(tap_of(nc)->watch.fd, mask)) {
        set_tun_offloads(tap_of(nc)->watch.fd, mask & ~(unsigned)NET_OFFLOAD_UFO);
    }
}

/* A queue that nobody reads from must not be given packets. */
static void tap_use_queue(NetClient *nc, bool on)
{
    TapClient *t = tap_of(nc);
    struct ifreq ifr = { .ifr_flags = on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

    if (t->multi && t->attached != on && ioctl(t->watch.fd, TUNSETQUEUE, &ifr) == 0) {
        t->attached = on;
        update_watch(t, on);
    }
}

/* ---- vhost-net
 * ------------------------------------------------------------------------------------------- */

static int tap_vhost(NetClient *nc, int *wire)
{
    *wire = tap_of(nc)->watch.fd;
    return tap_of(nc)->vhost;
}

static void tap_lend(NetClient *nc, bool on)
{
    TapClient *t = tap_of(nc);

    t->lent = on;
    update_watch(t, t->attached);
}

typedef struct VhostFds {
    bool wanted;
    unsigned given; /* by the user; 0: each queue opens its own */
    int fd[NET_MAX_QUEUES];
} VhostFds;
static const char vhost_device[] = "/dev/vhost-net";

static void close_given(VhostFds *v)
{
    while (v->given > 0) {
        close(v->fd[--v->given]);
    }
}

/* ---- making
 * ------------------------------------------------------------------------------------------- */

static void tap_cleanup(NetClient *nc)
{
    TapClient *t = tap_of(nc);
    GError *err = NULL;

    fdwatch_stop(&t->watch);
    if (t->down_script && t->ifname && !net_run_script(t->down_script, t->ifname, &err)) {
        g_printerr("netdev '%s': downscript: %s\n", nc->name, err->message);
        g_error_free(err);
    }
    close(t->watch.fd);
    if (t->vhost >= 0) {
        close(t->vhost);
    }
    g_free(t->ifname);
    g_free(t->down_script);
}

/* What the host's kernel had for us and dropped, because nobody read it in time; -1: not known. */
static int64_t host_dropped(const char *ifname)
{
    g_autofree char *text = NULL;
    g_autofree char *key = g_strdup_printf("%s:", ifname);
    const char *at;
    int64_t sent_drops = -1;

    if (!g_file_get_contents("/proc/self/net/dev", &text, NULL, NULL) ||
        !(at = strstr(text, key))) {
        return -1;
    }
    at += strlen(key);
    for (int i = 0; i < 12; i++) { /* bytes, packets, errors, drops, … of each way */
        sent_drops = g_ascii_strtoll(at, (char **)&at, 10);
    }
    return sent_drops;
}

static void tap_describe(NetClient *nc, GString *out)
{
    TapClient *t = tap_of(nc);

    if (t->ifname) {
        int64_t dropped = nc->queue_index ? -1 : host_dropped(t->ifname);

        g_string_append_printf(out, ",ifname=%s", t->ifname);
        if (dropped >= 0) {
            g_string_append_printf(out, ",host dropped %" G_GINT64_FORMAT, dropped);
        }
    } else {
        g_string_append_printf(out, ",fd=%d", t->watch.fd);
    }
    if (t->lent) {
        g_string_append(out, ",vhost=on");
    }
}

static const OptDef tap_opts[] = {
    { "ifname", OPT_STR, NULL, "name of the host's interface; tapN when not given" },
    { "fd", OPT_STR, NULL, "an open descriptor of a tap device" },
    { "fds", OPT_STR, NULL, "several, X:Y:Z, one for each queue" },
    { "queues", OPT_NUM, "1", "queue pairs" },
    { "script", OPT_STR, NULL, "run with the interface's name when it is there; no: none" },
    { "downscript", OPT_STR, NULL, "run before it goes; no: none" },
    { "helper", OPT_STR, NULL, "program that opens it and passes the descriptor" },
    { "br", OPT_STR, NULL, "bridge for the helper" },
    { "sndbuf", OPT_SIZE, "0", "limit of the send buffer in bytes; 0: none" },
    { "vnet_hdr", OPT_BOOL, "on", "checksum and segmentation offload" },
    { "vhost", OPT_BOOL, "off", "packets of virtio-net go through the host's kernel alone" },
    { "vhostfd", OPT_STR, NULL, "an open descriptor of /dev/vhost-net" },
    { "vhostfds", OPT_STR, NULL, "several, X:Y:Z, one for each queue" },
    { "vhostforce", OPT_BOOL, "off", "as vhost" },
    { 0 },
};
static const char default_script[] = "/etc/latimer-ifup", default_down[] = "/etc/latimer-ifdown";

extern const NetClientInfo net_tap_info, net_bridge_info;

static void add_client(const NetClientInfo *info, const char *name, unsigned queue, int fd,
                       bool vnet, bool multi, const char *ifname, const char *down)
{
    TapClient *t = (TapClient *)net_client_new(info, name, NULL, queue);

    t->watch =
        (FdWatch){ .fd = fd, .can_read = tap_can_read, .can_write = tap_can_write, .opaque = t };
    t->vnet = vnet;
    t->vhost = -1;
    t->multi = multi;
    t->attached = true;
    t->ifname = g_strdup(ifname);
    t->down_script = g_strdup(down);
    if (vnet) {
        tap_set_vnet_hdr_len(&t->nc, 0);
        set_tun_offloads(fd, 0);
    }
    update_watch(t, true);
}

/* One more queue of the interface; ifname (IFNAMSIZ) is what it is called. -1: *err. */
static int open_tun(char *ifname, bool *vnet, bool multi, GError **err)
{
    struct ifreq ifr = { 0 };
    unsigned features = 0;
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        g_set_error(err, OPTS_ERROR, errno, "/dev/net/tun: %s", g_strerror(errno));
        return -1;
    }
    ioctl(fd, TUNGETFEATURES, &features);
    *vnet = *vnet && features & IFF_VNET_HDR;
    if (multi && !(features & IFF_MULTI_QUEUE)) {
        g_set_error(err, OPTS_ERROR, ENOTSUP, "queues=: this kernel has no multi-queue tap");
        close(fd);
        return -1;
    }
    ifr.ifr_flags =
        (short)(IFF_TAP | IFF_NO_PI | (*vnet ? IFF_VNET_HDR : 0) | (multi ? IFF_MULTI_QUEUE : 0));
    g_strlcpy(ifr.ifr_name, ifname, IFNAMSIZ);
    if (ioctl(fd, TUNSETIFF, &ifr)) {
        g_set_error(err, OPTS_ERROR, errno, "ifname=%s: %s%s", ifname[0] ? ifname : "tap%d",
                    g_strerror(errno),
                    errno == EPERM ? " (a tap needs CAP_NET_ADMIN, or an interface that is yours)"
                                   : "");
        close(fd);
        return -1;
    }
    g_strlcpy(ifname, ifr.ifr_name, IFNAMSIZ);
    return fd;
}

static const char *script_of(const Opts *opts, const char *key, const char *preset)
{
    const char *s = opt_str(opts, tap_opts, key);

    if (!s) {
        return access(preset, X_OK) ? NULL : preset; /* only where somebody installed one */
    }
    return !strcmp(s, "no") || !*s ? NULL : s;
}

static bool create_own(const char *name, const Opts *opts, GError **err)
{
    uint64_t queues = opt_num(opts, tap_opts, "queues"), sndbuf = opt_num(opts, tap_opts, "sndbuf");
    const char *wanted = opt_str(opts, tap_opts, "ifname");
    const char *script = script_of(opts, "script", default_script);
    char ifname[IFNAMSIZ] = "tap%d";
    bool vnet = opt_bool(opts, tap_opts, "vnet_hdr");
    int fds[NET_MAX_QUEUES];
    unsigned n;

    if (queues < 1 || queues > NET_MAX_QUEUES) {
        g_set_error(err, OPTS_ERROR, EINVAL, "queues=%" G_GUINT64_FORMAT ": 1 to %d is possible",
                    queues, NET_MAX_QUEUES);
        return false;
    }
    if (wanted && (!*wanted || strlen(wanted) >= IFNAMSIZ)) {
        g_set_error(err, OPTS_ERROR, EINVAL, "ifname=%s: a name of 1 to %d characters is expected",
                    wanted, IFNAMSIZ - 1);
        return false;
    }
    if (wanted) {
        g_strlcpy(ifname, wanted, sizeof(ifname));
    }
    for (n = 0; n < queues; n++) {
        fds[n] = open_tun(ifname, &vnet, queues > 1, err);
        if (fds[n] < 0) {
            goto fail;
        }
        if (sndbuf) {
            int size = (int)MIN(sndbuf, INT32_MAX);
            ioctl(fds[n], TUNSETSNDBUF, &size);
        }
    }
    if (script && !net_run_script(script, ifname, err)) {
        g_prefix_error(err, "script=");
        goto fail;
    }
    for (n = 0; n < queues; n++) {
        add_client(&net_tap_info, name, n, fds[n], vnet, queues > 1, ifname,
                   n ? NULL : script_of(opts, "downscript", default_down));
    }
    return true;
fail:
    while (n > 0) {
        close(fds[--n]);
    }
    return false;
}

/* Whether fd is a tap, and has vnet headers. */
static bool look_at_fd(int fd, bool *vnet, GError **err)
{
    struct ifreq ifr = { 0 };

    if (fcntl(fd, F_GETFD) < 0 || ioctl(fd, TUNGETIFF, &ifr)) {
        g_set_error(err, OPTS_ERROR, errno, "fd=%d: not a tap device (%s)", fd, g_strerror(errno));
        return false;
    }
    if (!(ifr.ifr_flags & IFF_TAP) || !(ifr.ifr_flags & IFF_NO_PI)) {
        g_set_error(err, OPTS_ERROR, EINVAL, "fd=%d: opened without IFF_TAP or IFF_NO_PI", fd);
        return false;
    }
    *vnet = ifr.ifr_flags & IFF_VNET_HDR;
    return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0;
}

static bool create_from_fds(const char *name, const char *list, GError **err)
{
    g_auto(GStrv) words = g_strsplit(list, ":", 0);
    unsigned n = g_strv_length(words);
    int fds[NET_MAX_QUEUES];
    bool vnet[NET_MAX_QUEUES];

    if (n < 1 || n > NET_MAX_QUEUES) {
        g_set_error(err, OPTS_ERROR, EINVAL, "fds=%s: 1 to %d descriptors are possible", list,
                    NET_MAX_QUEUES);
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        if (!net_parse_fd(words[i], &fds[i], err) || !look_at_fd(fds[i], &vnet[i], err)) {
            return false;
        }
    }
    for (unsigned i = 0; i < n; i++) {
        add_client(&net_tap_info, name, i, fds[i], vnet[i], n > 1, NULL, NULL);
    }
    return true;
}

static bool parse_vhost(const Opts *opts, VhostFds *v, GError **err)
{
    const char *key = opts_has(opts, "vhostfds") ? "vhostfds" : "vhostfd";
    const char *list = opts_get(opts, key);
    g_auto(GStrv) words = g_strsplit(list ? list : "", ":", 0);
    unsigned n = g_strv_length(words);

    v->wanted = opt_bool(opts, tap_opts, "vhost") || opt_bool(opts, tap_opts, "vhostforce") || list;
    if (n > (list && key[7] ? NET_MAX_QUEUES : 1) || (list && n == 0)) {
        g_set_error(err, OPTS_ERROR, EINVAL, "%s=%s: too many descriptors, or none", key, list);
        return false;
    }
    for (v->given = 0; v->given < n; v->given++) {
        if (!net_parse_fd(words[v->given], &v->fd[v->given], err)) {
            g_prefix_error(err, "%s=%s: ", key, list);
            return false;
        }
    }
    if (v->wanted && !n && access(vhost_device, R_OK | W_OK)) {
        g_set_error(err, OPTS_ERROR, errno, "vhost=on: this host's %s: %s", vhost_device,
                    g_strerror(errno));
        return false;
    }
    return true;
}

/* One for each queue of the netdev. */
static bool use_vhost(const char *name, VhostFds *v, GError **err)
{
    NetClient *queues[NET_MAX_QUEUES];
    int n = net_client_queues(name, queues, NET_MAX_QUEUES);

    if (v->given && v->given != (unsigned)n) {
        g_set_error(err, OPTS_ERROR, EINVAL, "vhostfds=: %u descriptors for %d queues", v->given,
                    n);
        return false;
    }
    for (int i = 0; i < n; i++) {
        int fd = v->given ? v->fd[i] : open(vhost_device, O_RDWR | O_CLOEXEC);
        if (fd < 0) {
            g_set_error(err, OPTS_ERROR, errno, "vhost=on: %s: %s", vhost_device,
                        g_strerror(errno));
            return false;
        }
        tap_of(queues[i])->vhost = fd;
    }
    v->given = 0; /* they are the clients' now */
    return true;
}

static bool create_tap(const char *name, const Opts *opts, GError **err)
{
    static const char *const ways[] = { "fd", "fds", "helper" };
    const char *given = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
        if (!opts_has(opts, ways[i])) {
            continue;
        }
        if (given || opts_has(opts, "ifname") || opts_has(opts, "script")) {
            g_set_error(err, OPTS_ERROR, EINVAL, "%s= does not go together with %s=", ways[i],
                        given                      ? given
                        : opts_has(opts, "ifname") ? "ifname"
                                                   : "script");
            return false;
        }
        given = ways[i];
    }
    if (!given) {
        return create_own(name, opts, err);
    }
    if (strcmp(given, "helper")) {
        return create_from_fds(name, opts_get(opts, given), err);
    }
    int fd =
        net_tap_from_helper(opt_str(opts, tap_opts, "helper"), opt_str(opts, tap_opts, "br"), err);
    bool vnet;
    if (fd < 0) {
        return false;
    }
    if (!look_at_fd(fd, &vnet, err)) {
        close(fd);
        return false;
    }
    add_client(&net_tap_info, name, 0, fd, vnet, false, NULL, NULL);
    return true;
}

static bool tap_create(const char *name, const Opts *opts, GError **err)
{
    VhostFds vhost = { 0 };

    if (!parse_vhost(opts, &vhost, err) || !create_tap(name, opts, err)) {
        return false;
    }
    if (vhost.wanted && !use_vhost(name, &vhost, err)) {
        NetClient *queues[NET_MAX_QUEUES];

        for (int n = net_client_queues(name, queues, NET_MAX_QUEUES); n > 0; n--) {
            net_client_delete(queues[n - 1]);
        }
        close_given(&vhost);
        return false;
    }
    return true;
}

static const OptDef bridge_opts[] = {
    { "br", OPT_STR, "br0", "the bridge" },
    { "helper", OPT_STR, NULL, "program that makes the tap and passes it" },
    { 0 },
};

static bool bridge_create(const char *name, const Opts *opts, GError **err)
{
    int fd = net_tap_from_helper(opt_str(opts, bridge_opts, "helper"),
                                 opt_str(opts, bridge_opts, "br"), err);
    bool vnet;

    if (fd < 0) {
        return false;
    }
    if (!look_at_fd(fd, &vnet, err)) {
        close(fd);
        return false;
    }
    add_client(&net_bridge_info, name, 0, fd, vnet, false, NULL, NULL);
    return true;
}

#define TAP_HOOKS                                                                     \
    .size = sizeof(TapClient), .receive = tap_receive, .cleanup = tap_cleanup,        \
    .describe = tap_describe, .has_vnet_hdr_len = tap_has_vnet_hdr_len,               \
    .set_vnet_hdr_len = tap_set_vnet_hdr_len, .offloads = tap_offloads,               \
    .set_offloads = tap_set_offloads, .use_queue = tap_use_queue, .vhost = tap_vhost, \
    .lend = tap_lend

const NetClientInfo net_tap_info = {
    .type = "tap",
    .desc = "an interface of the host's kernel",
    .opts = tap_opts,
    .create = tap_create,
    TAP_HOOKS,
};
const NetClientInfo net_bridge_info = {
    .type = "bridge",
    .desc = "a tap on a bridge of the host, made by a helper program",
    .opts = bridge_opts,
    .create = bridge_create,
    TAP_HOOKS,
};
