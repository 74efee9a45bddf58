/* SPDX-License-Identifier: MIT */
/* latimer-io's table of commands, and those that look at the image or change its size. */
#include "tools/io/io.h"
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

typedef struct Command {
    const char *name, *alias;
    int min, max; /* arguments; max -1: any number */
    const char *args, *brief, *more;
    int (*run)(Io *io, int argc, char **argv);
    bool no_image; /* works without one */
} Command;
static const Command *find_command(const char *name);

int io_fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vprintf(fmt, ap);
    putchar('\n');
    va_end(ap);
    return 1;
}

int io_error(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fflush(stdout);
    fputs("latimer-io: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return 1;
}

bool io_parse_num(const char *text, int64_t *out)
{
    uint64_t n;
    if (!parse_size(text, &n, NULL) || n > INT64_MAX) {
        return !io_fail("Parsing error: non-numeric argument, or extraneous/unrecognized suffix -- "
                        "%s",
                        text);
    }
    *out = n;
    return true;
}

char *io_size(double bytes)
{
    static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    unsigned u = 0;
    while (bytes >= 1024 && u < G_N_ELEMENTS(units) - 1) {
        bytes /= 1024;
        u++;
    }
    g_autofree char *number = g_strdup_printf(u ? "%.3f" : "%f", bytes);
    bool whole = g_str_has_suffix(number, u ? ".000" : ".000000");
    return g_strdup_printf("%.*s %s", (int)(whole ? strcspn(number, ".") : strlen(number)), number,
                           units[u]);
}

static int cmd_flush(Io *io, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    int ret = block_flush(io->node);
    return ret ? io_fail("flush failed: %s", g_strerror(-ret)) : 0;
}

static int cmd_truncate(Io *io, int argc, char **argv)
{
    int64_t size = 0;
    GError *err = NULL;
    int prealloc = 0, c;
    optind = 0;
    while ((c = getopt(argc, argv, "+m:")) != -1) {
        for (prealloc = 0; c == 'm' && block_prealloc_names[prealloc]; prealloc++) {
            if (!strcmp(block_prealloc_names[prealloc], optarg)) {
                break;
            }
        }
        if (c == '?') {
            return io_usage(argv);
        }
        if (!block_prealloc_names[prealloc]) {
            return io_error("Invalid preallocation mode '%s'", optarg);
        }
    }
    if (argc - optind != 1) {
        return io_usage(argv);
    }
    if (!io_parse_num(argv[optind], &size)) {
        return 1;
    }
    if (!block_truncate(io->node, size, prealloc, &err)) {
        io_error("%s", err->message);
        g_error_free(err);
        return 1;
    }
    return 0;
}

static int cmd_length(Io *io, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    g_autofree char *size = io_size((double)io->node->size);
    puts(size);
    return 0;
}

static int cmd_info(Io *io, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    BlockNode *node = block_skip_filters(io->node);
    int64_t cluster = block_cluster_size(io->node);
    g_autofree char *size = io_size((double)MAX(cluster, 0));
    printf("format name: %s\n", io->node->drv->name);
    if (cluster > 0) {
        printf("cluster size: %s\n", size);
    }
    g_autoptr(Value) data = value_new(VALUE_DICT);
    if (node->drv->info) {
        node->drv->info(node, data);
        g_autofree char *text = value_to_human(data, 1);
        printf("Format specific information:\n%s", text);
    }
    return 0;
}

/* The next range that is all of one kind. 0 or -errno. */
static int next_range(BlockNode *node, int64_t off, int64_t end, int64_t *len, bool *allocated)
{
    for (*len = 0; off + *len < end;) {
        BlockExtent ext;
        int ret = block_status(node, off + *len, end - off - *len, &ext);
        if (ret) {
            return ret;
        }
        bool a = ext.flags & BLOCK_EXTENT_ALLOCATED;
        if (*len && a != *allocated) {
            break;
        }
        *allocated = a;
        *len += ext.len;
    }
    return 0;
}

static int cmd_alloc(Io *io, int argc, char **argv)
{
    int64_t off = 0, len = BLOCK_SECTOR, sum = 0;
    if (!io_parse_num(argv[1], &off) || (argc > 2 && !io_parse_num(argv[2], &len))) {
        return 1;
    }
    int64_t end = off > INT64_MAX - len ? INT64_MAX : off + len;
    end = MIN(end, io->node->size);
    for (int64_t at = off, n; at < end; at += n) {
        bool allocated = false;
        int ret = next_range(io->node, at, end, &n, &allocated);
        if (ret) {
            return io_fail("is_allocated failed: %s", g_strerror(-ret));
        }
        sum += allocated ? n : 0;
    }
    g_autofree char *at = io_size((double)off);
    printf("%" G_GINT64_FORMAT "/%" G_GINT64_FORMAT " bytes allocated at offset %s\n", sum,
           MAX(end - off, 0), at);
    return 0;
}

static int cmd_map(Io *io, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    for (int64_t at = 0, n; at < io->node->size; at += n) {
        bool allocated = false;
        int ret = next_range(io->node, at, io->node->size, &n, &allocated);
        if (ret) {
            return io_fail("Failed to query allocation status: %s", g_strerror(-ret));
        }
        g_autofree char *len = io_size((double)n), *off = io_size((double)at);
        printf("%s (0x%" G_GINT64_MODIFIER "x) bytes %s at offset %s (0x%" G_GINT64_MODIFIER "x)\n",
               len, n, allocated ? "    allocated" : "not allocated", off, at);
    }
    return 0;
}

static int cmd_close(Io *io, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return io_close(io);
}

static int cmd_snapshot(Io *io, int argc, char **argv)
{
    GError *err = NULL;
    const BlockDriver *d = io->node->drv;
    bool (*fn)(BlockNode *, const char *, GError **) = NULL;
    (void)argc;
    fn = !strcmp(argv[1], "create")   ? d->snapshot_create
         : !strcmp(argv[1], "delete") ? d->snapshot_delete
         : !strcmp(argv[1], "apply")  ? d->snapshot_apply
                                      : NULL;
    if (!fn) {
        return io_fail("snapshot expects create, delete or apply, and a name; and a format that "
                       "has snapshots");
    }
    if (!fn(io->node, argv[2], &err)) {
        io_fail("snapshot failed: %s", err->message);
        g_error_free(err);
        return 1;
    }
    return block_getlength(io->node) < 0;
}

static int cmd_quit(Io *io, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    io->quit = true;
    return 0;
}

static void print_command(const Command *c)
{
    printf("%s%s%s%s%s -- %s\n", c->name, c->alias ? " (or " : "", c->alias ? c->alias : "",
           c->alias ? ")" : "", c->args, c->brief);
}

static int cmd_help(Io *io, int argc, char **argv)
{
    (void)io;
    if (argc == 1) {
        io_print_commands();
        puts("\nUse 'help COMMAND' for one of them.");
        return 0;
    }
    const Command *c = find_command(argv[1]);
    if (!c) {
        return io_fail("command %s not found", argv[1]);
    }
    print_command(c);
    if (c->more) {
        printf("\n%s\n", c->more);
    }
    return 0;
}

#define COMMON_HELP " -q  do not tell how long it took\n -C  tell it as numbers with commas\n"
#define READ_HELP                                                        \
    COMMON_HELP " -P  byte that all must be; the command fails if not\n" \
                " -v  print what was read\n"
#define WRITE_HELP COMMON_HELP " -P  byte to write (0xcd)\n -f  flush afterwards\n"
#define ZERO_HELP  " -z  write zeroes as such\n -u  with -z: space may be given back\n"
#define ASYNC_HELP                                                                                 \
    " -i  only count it as an invalid request\n\nDoes not wait: errors show when it is done, and " \
    "aio_flush waits for that."

static const Command commands[] = {
    { "abort", NULL, 0, 0, "", "ends the program as a crash would, writing nothing back", NULL,
      io_cmd_abort, true },
    { "aio_flush", NULL, 0, 0, "", "waits for all aio requests, then flushes", NULL,
      io_cmd_aio_flush, false },
    { "aio_read", NULL, 2, -1, " [-Ciqv] [-P pattern] off len [len..]",
      "reads into several buffers, without waiting", READ_HELP ASYNC_HELP, io_cmd_aio_read, false },
    { "aio_write", NULL, 2, -1, " [-Cfiquz] [-P pattern] off len [len..]",
      "writes from several buffers, without waiting", WRITE_HELP ZERO_HELP ASYNC_HELP,
      io_cmd_aio_write, false },
    { "alloc", NULL, 1, 2, " off [len]", "counts allocated bytes", NULL, cmd_alloc, false },
    { "break", NULL, 2, 2, " event tag", "holds the next request that comes to the event",
      "The image must lie on a blkdebug node. 'resume TAG' lets the request go.", io_cmd_break,
      false },
    { "close", "c", 0, 0, "", "closes the image", NULL, cmd_close, false },
    { "discard", "d", 2, -1, " [-Cq] off len", "discards", COMMON_HELP, io_cmd_discard, false },
    { "flush", "f", 0, 0, "", "flushes", NULL, cmd_flush, false },
    { "help", "?", 0, 1, " [command]", "this list, or more about a command", NULL, cmd_help, true },
    { "info", "i", 0, 0, "", "the image's format and what is special to it", NULL, cmd_info,
      false },
    { "job_wait", NULL, 0, 0, "", "waits until all block jobs are done, ready or pending", NULL,
      io_cmd_job_wait, false },
    { "length", "l", 0, 0, "", "the image's size", NULL, cmd_length, false },
    { "map", NULL, 0, 0, "", "allocated and unallocated ranges", NULL, cmd_map, false },
    { "open", "o", 1, -1, " [-rsCnkU] [-t cache] [-d discard] [-i aio] [-o options] [path]",
      "opens an image",
      " -r  read-only\n -s  below a temporary overlay\n -C  copy on read\n -n  -t none\n"
      " -k  -i native\n -U  take no image lock\n -t, -d, -i  cache, discard and aio modes\n"
      " -o  options such as driver=qcow2,file.filename=disk",
      io_cmd_open, true },
    { "qmp", NULL, 1, 1, " json", "runs a QMP command; the open image is the device io0", NULL,
      io_cmd_qmp, false },
    { "quit", "q", 0, 0, "", "ends", NULL, cmd_quit, true },
    { "read", "r", 2, -1, " [-bCqv] [-P pattern [-s off] [-l len]] off len", "reads and verifies",
      READ_HELP " -b  from the state of a machine, not the disk\n"
                " -s, -l  the part of what was read that -P is about",
      io_cmd_read, false },
    { "readv", "rv", 2, -1, " [-Cqv] [-P pattern] off len [len..]", "reads into several buffers",
      READ_HELP, io_cmd_readv, false },
    { "remove_break", NULL, 1, 1, " tag", "forgets a breakpoint, and lets its requests go", NULL,
      io_cmd_remove_break, false },
    { "reopen", NULL, 0, -1, " [-r|-w] [-c cache] [-o options]", "opens the image anew otherwise",
      " -r  read-only\n -w  for writing, too\n -c  cache mode\n"
      " -o  options to change, such as lazy-refcounts=on",
      io_cmd_reopen, false },
    { "resume", NULL, 1, 1, " tag", "lets a request go that a breakpoint holds", NULL,
      io_cmd_resume, false },
    { "sigraise", NULL, 1, 1, " signal", "raises a signal, by number", NULL, io_cmd_sigraise,
      true },
    { "sleep", NULL, 1, 1, " ms", "waits", NULL, io_cmd_sleep, true },
    { "snapshot", NULL, 2, 2, " create|apply|delete name", "internal snapshots", NULL, cmd_snapshot,
      false },
    { "truncate", "t", 1, 3, " [-m prealloc] size", "resizes", " -m  off, metadata, falloc or full",
      cmd_truncate, false },
    { "wait_break", NULL, 1, 1, " tag", "waits until a breakpoint holds a request", NULL,
      io_cmd_wait_break, false },
    { "write", "w", 2, -1, " [-bcCfnquz] [-P pattern | -s file] off len", "writes",
      WRITE_HELP ZERO_HELP " -n  with -z: fail rather than write bytes\n"
                           " -b  to the state of a machine, not the disk\n -c  compressed\n"
                           " -s  a file whose bytes are written, over and over",
      io_cmd_write, false },
    { "writev", "wv", 2, -1, " [-Cfq] [-P pattern] off len [len..]", "writes from several buffers",
      WRITE_HELP, io_cmd_writev, false },
};

void io_print_commands(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        print_command(&commands[i]);
    }
}

static const Command *find_command(const char *name)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        const Command *c = &commands[i];
        if (!strcmp(name, c->name) || (c->alias && !strcmp(name, c->alias))) {
            return c;
        }
    }
    return NULL;
}

int io_usage(char **argv)
{
    fflush(stdout);
    print_command(find_command(argv[0]));
    return 1;
}

static bool count_fits(const Command *c, int n)
{
    if (n >= c->min && (c->max < 0 || n <= c->max)) {
        return true;
    }
    g_autofree char *want = c->max < 0 ? g_strdup_printf("at least %d", c->min)
                            : c->min == c->max
                                ? g_strdup_printf("%d", c->min)
                                : g_strdup_printf("between %d and %d", c->min, c->max);
    fflush(stdout);
    fprintf(stderr, "bad argument count %d to %s, expected %s arguments\n", n, c->name, want);
    return false;
}

int io_run(Io *io, const char *line)
{
    int argc = 0;
    g_auto(GStrv) argv = NULL;
    GError *err = NULL;
    line += strspn(line, " \t");
    if (!*line || *line == '#') {
        return 0;
    }
    if (!g_shell_parse_argv(line, &argc, &argv, &err)) {
        io_fail("%s", err->message);
        g_error_free(err);
        return 1;
    }
    const Command *c = find_command(argv[0]);
    if (!c) {
        fprintf(stderr, "command \"%s\" not found\n", argv[0]);
        return 1;
    }
    if (!c->no_image && !io->node) {
        fprintf(stderr, "no file open, try 'help open'\n");
        return 1;
    }
    int status = !count_fits(c, argc - 1) || c->run(io, argc, argv);
    fflush(stdout);
    return status;
}
