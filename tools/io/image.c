/* SPDX-License-Identifier: MIT */
/* latimer-io's image: open, reopen, close. */
#include "tools/io/io.h"
#include "block/system.h"
#include <getopt.h>

bool io_take_mode(Io *io, int option, const char *value)
{
    switch (option) {
    case 't':
        return block_parse_cache(value, &io->flags) || !io_error("Invalid cache option: %s", value);
    case 'i':
        return block_parse_aio(value, &io->flags) || !io_error("Invalid aio option: %s", value);
    default:
        if (!strcmp(value, "unmap") || !strcmp(value, "on")) {
            io->flags |= BLOCK_UNMAP;
        } else if (!strcmp(value, "ignore") || !strcmp(value, "off")) {
            io->flags &= ~(unsigned)BLOCK_UNMAP;
        } else {
            return !io_error("Invalid discard option: %s", value);
        }
        return true;
    }
}

static bool cannot_open(const char *name, GError *err)
{
    if (name) {
        fprintf(stderr, "latimer-io: can't open device %s: %s\n", name, err->message);
    } else {
        fprintf(stderr, "latimer-io: can't open: %s\n", err->message);
    }
    g_error_free(err);
    return false;
}

/* The image lies untouched below a temporary overlay. */
static bool add_snapshot(Io *io, GError **err)
{
    BlockNode *top = block_open_snapshot(io->node, err);
    block_unref(io->node);
    io->node = top;
    return top != NULL;
}

bool io_open(Io *io, const char *name, const Opts *opts)
{
    GError *err = NULL;
    unsigned flags = io->snapshot ? io->flags & ~(unsigned)BLOCK_RDWR : io->flags;
    g_autoptr(Opts) mine = opts_copy(opts);
    if (io->image_opts && name && !opts_parse(mine, name, NULL, &err)) {
        return cannot_open(name, err);
    }
    const char *file = io->image_opts ? NULL : name;
    const char *fmt = opts_has(mine, "driver") ? NULL : io->fmt;
    io->node = block_open(file, fmt, mine, flags, &err);
    if (!io->node || (io->snapshot && !add_snapshot(io, &err))) {
        return cannot_open(name, err);
    }
    if (name && io->node->probed && !strcmp(io->node->drv->name, "raw") && io->flags & BLOCK_RDWR) {
        fprintf(stderr,
                "WARNING: Image format was not specified for '%s' and probing guessed raw.\n"
                "         Automatically detecting the format is dangerous for raw images, write "
                "operations on block 0 will be restricted.\n"
                "         Specify the 'raw' format explicitly to remove the restrictions.\n",
                name);
    }
    return true;
}

int io_close(Io *io)
{
    if (io->pool) {
        io_wait_idle(io);
        g_thread_pool_free(io->pool, false, true);
        io->pool = NULL;
    }
    io_stop_system(io);
    block_unref(io->node);
    io->node = NULL;
    return io->aio_failed;
}

int io_cmd_open(Io *io, int argc, char **argv)
{
    g_autoptr(Opts) opts = opts_new();
    GError *err = NULL;
    Io was = *io;
    int c;
    if (io->node) {
        return io_error("file open already, try 'help close'");
    }
    io->flags = BLOCK_RDWR | BLOCK_WRITETHROUGH;
    io->image_opts = io->snapshot = io->copy_on_read = false;
    optind = 0;
    while ((c = getopt(argc, argv, "+rsCnkUi:t:d:o:")) != -1) {
        bool ok = true;
        switch (c) {
        case 'r':
            io->flags &= ~(unsigned)BLOCK_RDWR;
            break;
        case 's':
            io->snapshot = true;
            break;
        case 'C':
            io->copy_on_read = true;
            break;
        case 'n':
            io_take_mode(io, 't', "none");
            break;
        case 'k':
            io->flags |= BLOCK_AIO_NATIVE;
            break;
        case 'U':
            io->flags |= BLOCK_FORCE_SHARE;
            break;
        case 'o':
            ok = opts_parse(opts, optarg, NULL, &err);
            if (!ok) {
                io_error("%s", err->message);
                g_error_free(err);
            }
            break;
        case '?':
            ok = !io_usage(argv);
            break;
        default:
            ok = io_take_mode(io, c, optarg);
        }
        if (!ok) {
            *io = was;
            return 1;
        }
    }
    if (argc - optind > 1 || (argc == optind && !opts_count(opts))) {
        *io = was;
        return io_usage(argv);
    }
    return !io_open(io, argv[optind], opts);
}

/* The options that the image is to have from now on. */
static Opts *new_options(Io *io, const char *text)
{
    GError *err = NULL;
    Opts *all = opts_copy(io->node->opened_by);
    g_autoptr(Opts) given = opts_new();
    if (text && !opts_parse(given, text, NULL, &err)) {
        io_error("%s", err->message);
        g_error_free(err);
        opts_free(all);
        return NULL;
    }
    for (unsigned i = 0; i < opts_count(given); i++) {
        opts_set(all, opts_key(given, i), opts_get(given, opts_key(given, i)));
    }
    return all;
}

int io_cmd_reopen(Io *io, int argc, char **argv)
{
    const char *text = NULL, *cache = NULL;
    int c, mode = 0;
    GError *err = NULL;
    optind = 0;
    while ((c = getopt(argc, argv, "+rwc:o:")) != -1) {
        if (c == '?') {
            return io_usage(argv);
        }
        if ((c == 'r' || c == 'w') && mode) {
            return io_error("Only one -r/-w option may be given");
        }
        mode = c == 'r' || c == 'w' ? c : mode;
        cache = c == 'c' ? optarg : cache;
        text = c == 'o' ? optarg : text;
    }
    if (optind != argc) {
        return io_usage(argv);
    }
    if (cache && text && strstr(text, "cache.")) {
        return io_error("Cannot set both -c and the cache options");
    }
    if (mode && text && strstr(text, "read-only")) {
        return io_error("Cannot set both -r/-w and '%s'", "read-only");
    }
    Io was = *io;
    io->flags = io->node->flags;
    if (cache && !io_take_mode(io, 't', cache)) {
        io->flags = was.flags;
        return 1;
    }
    io->flags = mode == 'r' ? io->flags & ~(unsigned)BLOCK_RDWR
                            : io->flags | (mode == 'w' ? BLOCK_RDWR : 0);
    g_autoptr(Opts) opts = new_options(io, text);
    if (opts && mode) {
        opts_remove(opts, "read-only");
    }
    if (opts && cache) {
        opts_remove(opts, "cache.direct");
        opts_remove(opts, "cache.no-flush");
    }
    io_wait_idle(io);
    if (!opts || !block_reopen(io->node, opts, io->flags, &err)) {
        io->flags = was.flags;
        if (err) {
            io_error("%s", err->message);
            g_error_free(err);
        }
        return 1;
    }
    return 0;
}
