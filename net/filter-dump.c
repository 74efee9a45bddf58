/* SPDX-License-Identifier: MIT */
/*
 * filter-dump: packets into a capture file, as tcpdump and wireshark read it (pcap, the classic
 * format; link type 1 is Ethernet).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "net/filter.h"

typedef struct DumpFilter {
    NetFilter f;
    int fd;
    uint32_t max; /* bytes kept of each packet */
    bool failed;  /* said once */
} DumpFilter;

typedef struct PcapFileHeader {
    uint32_t magic; /* 0xa1b2c3d4, in the writer's byte order: times in microseconds */
    uint16_t major, minor;
    uint32_t zone, sigfigs, snaplen, linktype;
} PcapFileHeader;

typedef struct PcapPacketHeader {
    uint32_t sec, usec, kept, size;
} PcapPacketHeader;

enum { MAX_IOV = 64 };

static const OptDef dump_opts[] = {
    { "file", OPT_STR, NULL, "where the packets go" },
    { "maxlen", OPT_SIZE, "65536", "bytes to keep of each packet" },
    { 0 },
};

static bool dump_create(NetFilter *f, const Opts *opts, GError **err)
{
    DumpFilter *d = (DumpFilter *)f;
    const char *file = opt_str(opts, dump_opts, "file");
    uint64_t max = opt_num(opts, dump_opts, "maxlen");

    if (!file) {
        g_set_error(err, OPTS_ERROR, EINVAL, "file= is missing");
        return false;
    }
    if (max < 1 || max > NET_MAX_PACKET) {
        g_set_error(err, OPTS_ERROR, EINVAL, "maxlen=%" G_GUINT64_FORMAT ": 1 to %d is possible",
                    max, NET_MAX_PACKET);
        return false;
    }
    d->max = (uint32_t)max;
    d->fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    PcapFileHeader header = {
        .magic = 0xa1b2c3d4, .major = 2, .minor = 4, .snaplen = d->max, .linktype = 1
    };
    if (d->fd < 0 || write(d->fd, &header, sizeof(header)) != sizeof(header)) {
        g_set_error(err, OPTS_ERROR, errno, "file=%s: %s", file, g_strerror(errno));
        if (d->fd >= 0) {
            close(d->fd);
        }
        return false;
    }
    return true;
}

static bool dump_packet(NetFilter *f, NetClient *sender, G_GNUC_UNUSED NetDirection dir,
                        const struct iovec *iov, int iovcnt)
{
    DumpFilter *d = (DumpFilter *)f;
    size_t skip = (size_t)sender->vnet_hdr_len, size = 0, kept = 0;
    int64_t now = g_get_real_time();
    PcapPacketHeader header;
    struct iovec out[MAX_IOV + 1];
    int n = 1;

    for (int i = 0; i < iovcnt; i++) {
        size_t off = MIN(skip, iov[i].iov_len), len = iov[i].iov_len - off;

        skip -= off;
        size += len;
        len = MIN(len, d->max - kept);
        if (len && n <= MAX_IOV) {
            out[n++] = (struct iovec){ (char *)iov[i].iov_base + off, len };
            kept += len;
        }
    }
    header = (PcapPacketHeader){ .sec = (uint32_t)(now / 1000000),
                                 .usec = (uint32_t)(now % 1000000),
                                 .kept = (uint32_t)kept,
                                 .size = (uint32_t)size };
    out[0] = (struct iovec){ &header, sizeof(header) };
    if (!d->failed && writev(d->fd, out, n) != (ssize_t)(sizeof(header) + kept)) {
        d->failed = true; /* a half packet would spoil the file: no more */
        g_printerr("filter-dump '%s': %s; nothing more is written\n", f->id, g_strerror(errno));
    }
    return false;
}

static void dump_cleanup(NetFilter *f)
{
    close(((DumpFilter *)f)->fd);
}

const NetFilterInfo net_filter_dump_info = {
    .type = "filter-dump",
    .desc = "writes packets to a pcap file",
    .size = sizeof(DumpFilter),
    .opts = dump_opts,
    .create = dump_create,
    .packet = dump_packet,
    .cleanup = dump_cleanup,
};
