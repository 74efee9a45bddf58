/* SPDX-License-Identifier: MIT */
/* -drive: its own keys by table, the rest goes to the node that it opens. */
#include "block/job-int.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

const char *const block_interface_names[] = { "none", "ide", "scsi",   "floppy", "pflash",
                                              "mtd",  "sd",  "virtio", NULL };
/* Units on a bus of each; 0: there is one bus without end. */
static const int units_per_bus[] = { 0, 2, 7, 0, 0, 0, 0, 0 };

static const char *const media_names[] = { "disk", "cdrom", NULL };

static const OptDef drive_opts[] = {
    { "if", OPT_STR, NULL, "Interface (none, ide, scsi, floppy, pflash, mtd, sd, virtio)" },
    { "bus", OPT_NUM, NULL, "Bus number" },
    { "unit", OPT_NUM, NULL, "Unit number on the bus" },
    { "index", OPT_NUM, NULL, "Number among the drives of the interface" },
    { "media", OPT_STR, "disk", "disk or cdrom" },
    { "id", OPT_STR, NULL, "Name of the drive" },
    { "file", OPT_STR, NULL, "File name of the image" },
    { "format", OPT_STR, NULL, "Format of the image" },
    { "serial", OPT_STR, NULL, "Serial number of the disk" },
    { "snapshot", OPT_BOOL, "off", "Keep writes in a temporary file" },
    { "cache", OPT_STR, NULL, "Cache mode" },
    { "cache.writeback", OPT_BOOL, "on", "Has the disk a volatile write cache?" },
    { "aio", OPT_STR, NULL, "Host I/O: threads, native or io_uring" },
    { "readonly", OPT_BOOL, NULL, "Open the image read-only" },
    { "read-only", OPT_BOOL, NULL, "Open the image read-only" },
    { "copy-on-read", OPT_BOOL, "off", "Copy what is read from the backing image" },
    { "werror", OPT_STR, "enospc", "What to do when a write fails" },
    { "rerror", OPT_STR, "report", "What to do when a read fails" },
    { 0 },
};

/* The old names of limits, and what they are called in the throttle filter. */
static const struct {
    const char *old, *limit;
} limits[] = {
    { "iops", "iops-total" },
    { "iops_rd", "iops-read" },
    { "iops_wr", "iops-write" },
    { "bps", "bps-total" },
    { "bps_rd", "bps-read" },
    { "bps_wr", "bps-write" },
    { "iops_max", "iops-total-max" },
    { "iops_rd_max", "iops-read-max" },
    { "iops_wr_max", "iops-write-max" },
    { "bps_max", "bps-total-max" },
    { "bps_rd_max", "bps-read-max" },
    { "bps_wr_max", "bps-write-max" },
    { "iops_size", "iops-size" },
};

void drive_free(BlockDrive *drive)
{
    blk_unref(drive->blk);
    g_free(drive->id);
    g_free(drive->serial);
    g_free(drive);
}

static bool bad(GError **err, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
static bool bad(GError **err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_set_error_literal(err, BLOCK_ERROR, EINVAL, text);
    return false;
}

/* -drive's own keys, out of `opts`. */
static Opts *take_own(Opts *opts, GError **err)
{
    Opts *own = opts_new();
    for (const OptDef *o = drive_opts; o->name; o++) {
        if (opts_has(opts, o->name)) {
            opts_set(own, o->name, opts_get(opts, o->name));
            opts_remove(opts, o->name);
        }
    }
    if (!opts_check(own, drive_opts, err)) {
        opts_free(own);
        return NULL;
    }
    return own;
}

static bool index_taken(BlockSystem *sys, BlockInterface iface, int index)
{
    for (unsigned i = 0; i < sys->drives->len; i++) {
        BlockDrive *d = g_ptr_array_index(sys->drives, i);
        if (d->iface == iface && d->index == index) {
            return true;
        }
    }
    return false;
}

/* Interface, medium, and where on the bus. */
static bool place(BlockSystem *sys, BlockDrive *d, const Opts *own, GError **err)
{
    int iface, media;
    if (!opt_enum(own, drive_opts, "if", block_interface_names, &iface, err) ||
        !opt_enum(own, drive_opts, "media", media_names, &media, err)) {
        return false;
    }
    d->iface = opts_has(own, "if") ? (BlockInterface)iface : sys->default_if;
    d->cdrom = media == 1;
    d->index = -1;
    bool has_index = opts_has(own, "index");
    bool has_unit = opts_has(own, "unit"), has_bus = opts_has(own, "bus");
    if (has_index && (has_unit || has_bus)) {
        return bad(err, "index cannot be used with bus and unit");
    }
    if (d->iface == BLOCK_IF_NONE) {
        return !(has_index || has_bus || has_unit) ||
               bad(err, "index, bus and unit have no meaning with if=none");
    }
    int per_bus = units_per_bus[d->iface];
    uint64_t n = has_index
                     ? opt_num(own, drive_opts, "index")
                     : opt_num(own, drive_opts, "bus") * per_bus + opt_num(own, drive_opts, "unit");
    if (n > 1023 ||
        (per_bus && has_unit && opt_num(own, drive_opts, "unit") >= (uint64_t)per_bus)) {
        return bad(err, "bus, unit or index is too large for if=%s",
                   block_interface_names[d->iface]);
    }
    while (!has_index && !has_unit && index_taken(sys, d->iface, n)) {
        n++;
    }
    if (index_taken(sys, d->iface, n)) {
        return bad(err, "drive with bus=%d, unit=%d (index=%d) exists",
                   per_bus ? (int)n / per_bus : 0, per_bus ? (int)n % per_bus : (int)n, (int)n);
    }
    d->index = n;
    d->bus = per_bus ? d->index / per_bus : 0;
    d->unit = per_bus ? d->index % per_bus : d->index;
    return true;
}

static bool name_it(BlockSystem *sys, BlockDrive *d, const Opts *own, GError **err)
{
    const char *id = opts_get(own, "id");
    unsigned n = 0;
    if (id && (!*id || block_system_find_drive(sys, id))) {
        return bad(err, *id ? "Duplicate ID '%s' for drive" : "The drive's id is empty", id);
    }
    if (id) {
        d->id = g_strdup(id);
    } else if (d->iface == BLOCK_IF_NONE) {
        do {
            g_free(d->id);
            d->id = g_strdup_printf("none%u", n++);
        } while (block_system_find_drive(sys, d->id));
    } else {
        const char *medium = d->iface != BLOCK_IF_IDE && d->iface != BLOCK_IF_SCSI ? ""
                             : d->cdrom                                            ? "-cd"
                                                                                   : "-hd";
        d->id = units_per_bus[d->iface]
                    ? g_strdup_printf("%s%d%s%d", block_interface_names[d->iface], d->bus, medium,
                                      d->unit)
                    : g_strdup_printf("%s%s%d", block_interface_names[d->iface], medium, d->unit);
    }
    return true;
}

/* Throttling keys become those of a throttle filter; false when there are none. */
static bool take_limits(Opts *opts, Opts *filter)
{
    g_autoptr(Opts) given = opts_take_prefix(opts, "throttling.");
    for (unsigned i = 0; i < G_N_ELEMENTS(limits); i++) {
        const char *value = opts_get(opts, limits[i].old);
        if (value) {
            opts_set(given, limits[i].limit, value);
            opts_remove(opts, limits[i].old);
        }
    }
    for (unsigned i = 0; i < opts_count(given); i++) {
        const char *key = opts_key(given, i);
        bool group = !strcmp(key, "group");
        g_autofree char *name =
            group ? g_strdup("throttle-group") : g_strconcat("limits.", key, NULL);
        opts_set(filter, name, opts_get(given, key));
    }
    opts_set(filter, "driver", "throttle");
    return opts_count(given) > 0;
}

bool drive_throttle_opts(const Value *args, Opts *filter, bool *limited, GError **err)
{
    *limited = false;
    for (unsigned i = 0; i < G_N_ELEMENTS(limits); i++) {
        g_autofree char *name = g_strconcat("limits.", limits[i].limit, NULL);
        g_autofree char *length = g_strconcat(limits[i].old, "_length", NULL);
        int64_t n = arg_int(args, limits[i].old, 0), seconds = arg_int(args, length, 0);
        if (n < 0 || seconds < 0) {
            g_set_error(err, BLOCK_ERROR, EINVAL, "%s values must be within [0, 2^63)", name);
            return false;
        }
        if (n) {
            opts_setf(filter, name, "%" G_GINT64_FORMAT, n);
            *limited |= strcmp(limits[i].old, "iops_size") != 0;
        }
        if (seconds) {
            g_autofree char *key = g_strconcat(name, "-length", NULL);
            opts_setf(filter, key, "%" G_GINT64_FORMAT, seconds);
        }
    }
    const char *group = arg_str(args, "group");
    if (group) {
        opts_set(filter, "throttle-group", group);
    }
    opts_set(filter, "driver", "throttle");
    return true;
}

static bool add_throttle(BlockNode **node, Opts *filter, GError **err)
{
    block_name_node(*node);
    opts_set(filter, "file", (*node)->node_name);
    BlockNode *top = block_open(NULL, NULL, filter, (*node)->flags, err);
    block_unref(*node);
    *node = top;
    return top != NULL;
}

BlockNode *block_open_snapshot(BlockNode *base, GError **err)
{
    const char *dir = g_getenv("TMPDIR");
    g_autofree char *path = g_strconcat(dir ? dir : "/var/tmp", "/latimer.XXXXXX", NULL);
    g_autoptr(Opts) opts = opts_new();
    int fd = g_mkstemp(path);
    if (fd < 0) {
        g_set_error(err, BLOCK_ERROR, errno, "Could not create temporary file '%s': %s", path,
                    g_strerror(errno));
        return NULL;
    }
    close(fd);
    opts_setf(opts, "size", "%" G_GINT64_FORMAT, base->size);
    BlockNode *node = NULL;
    if (block_create(path, "qcow2", opts, err)) {
        node = block_open(path, "qcow2", NULL,
                          BLOCK_RDWR | BLOCK_NO_BACKING | BLOCK_NO_FLUSH | BLOCK_UNMAP, err);
    }
    unlink(path); /* open files live on */
    if (node) {
        node->backing = block_ref(base);
    }
    return node;
}

static bool open_flags(BlockDrive *d, const Opts *own, Opts *opts, unsigned *flags, GError **err)
{
    const char *cache = opts_get(own, "cache"), *aio = opts_get(own, "aio");
    bool ro = opt_bool(own, drive_opts, "readonly") || opt_bool(own, drive_opts, "read-only");
    bool snapshot = opt_bool(own, drive_opts, "snapshot");
    *flags = ro || snapshot || d->cdrom ? 0 : BLOCK_RDWR;
    if (snapshot) {
        *flags |= BLOCK_UNMAP;
    }
    if (cache && !block_parse_cache(cache, flags)) {
        return bad(err, "invalid cache option '%s'", cache);
    }
    if (aio && !block_parse_aio(aio, flags)) {
        return bad(err, "invalid aio option '%s'", aio);
    }
    d->blk->write_cache =
        !(*flags & BLOCK_WRITETHROUGH) && opt_bool(own, drive_opts, "cache.writeback");
    d->blk->read_only = ro || d->cdrom;
    *flags &= ~(unsigned)BLOCK_WRITETHROUGH; /* the backend's business: a guest may change it */
    if (*flags & BLOCK_AIO_NATIVE && !(*flags & BLOCK_DIRECT) && !opts_has(opts, "cache.direct")) {
        return bad(err, "aio=native was specified, but it requires cache.direct=on, which was not "
                        "specified.");
    }
    return true;
}

static bool open_medium(BlockDrive *d, const Opts *own, Opts *opts, GError **err)
{
    const char *file = opts_get(own, "file"), *format = opts_get(own, "format");
    g_autoptr(Opts) filter = opts_new();
    bool throttled = take_limits(opts, filter);
    unsigned flags;
    if (!open_flags(d, own, opts, &flags, err)) {
        return false;
    }
    if ((!file || !*file) && !opts_count(opts)) {
        return true; /* no medium */
    }
    bool is_driver = format && opts_has(opts, "driver");
    if (is_driver) {
        return bad(err, "Cannot specify both 'driver' and 'format'");
    }
    g_autoptr(BlockNode) node = block_open(file, format, opts, flags, err);
    if (!node) {
        return false;
    }
    if (opt_bool(own, drive_opts, "snapshot")) {
        BlockNode *top = block_open_snapshot(node, err);
        if (!top) {
            return false;
        }
        block_unref(node);
        node = top;
    }
    if (throttled && !add_throttle(&node, filter, err)) {
        return false;
    }
    block_name_node(node);
    blk_set_node(d->blk, node);
    return true;
}

BlockDrive *drive_parse(BlockSystem *sys, const char *text, GError **err)
{
    static const char *const read_policies[] = { "report", "ignore", "stop", NULL };
    static const BlockOnError read_policy[] = { BLOCK_ON_ERROR_REPORT, BLOCK_ON_ERROR_IGNORE,
                                                BLOCK_ON_ERROR_STOP };
    g_autoptr(Opts) opts = opts_new();
    int on_read, on_write;
    if (!opts_parse(opts, text, NULL, err)) {
        return NULL;
    }
    g_autoptr(Opts) own = take_own(opts, err);
    if (!own) {
        return NULL;
    }
    BlockDrive *d = g_new0(BlockDrive, 1);
    d->blk = blk_new(sys->loop, NULL);
    d->blk->sys = sys;
    d->serial = g_strdup(opts_get(own, "serial"));
    if (!place(sys, d, own, err) || !name_it(sys, d, own, err) ||
        !opt_enum(own, drive_opts, "rerror", read_policies, &on_read, err) ||
        !opt_enum(own, drive_opts, "werror", block_on_error_names, &on_write, err) ||
        !open_medium(d, own, opts, err)) {
        drive_free(d);
        return NULL;
    }
    d->blk->name = g_strdup(d->id);
    d->blk->on_read_error = read_policy[on_read];
    d->blk->on_write_error = on_write;
    d->blk->copy_on_read = opt_bool(own, drive_opts, "copy-on-read");
    return d;
}
