/* SPDX-License-Identifier: MIT */
/* The commands of latimer-io. */
#include "tools/io/io.h"
#include "block/bytes.h"
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct Command {
    const char *name, *alias, *args, *help;
    int (*run)(Io *io, int argc, char **argv);
} Command;
static const Command commands[];

/* A read or write as its options describe it. */
typedef struct Request {
    Io *io;
    bool write, zeroes, unmap, compressed, quiet, dump, flush, has_pattern, async, one_line;
    int pattern;
    int64_t verify_off, verify_len; /* -s, -l: the part that the pattern is checked in */
    int64_t off, len;
    uint8_t *buf;
} Request;

static int fail(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
static int fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vprintf(fmt, ap);
    putchar('\n');
    va_end(ap);
    return 1;
}

bool io_open(Io *io, const char *name)
{
    GError *err = NULL;
    g_autoptr(Opts) opts = opts_new();
    if (io->image_opts) {
        if (opts_parse(opts, name, NULL, &err)) {
            io->node = block_open(NULL, io->fmt, opts, io->flags, &err);
        }
    } else {
        io->node = block_open(name, io->fmt, NULL, io->flags, &err);
    }
    if (!io->node) {
        fprintf(stderr, "latimer-io: can't open device %s: %s\n", name, err->message);
        g_error_free(err);
        return false;
    }
    if (io->node->probed && !strcmp(io->node->drv->name, "raw") && io->flags & BLOCK_RDWR) {
        fprintf(stderr,
                "WARNING: Image format was not specified for '%s' and probing guessed raw.\n"
                "         Automatically detecting the format is dangerous for raw images, write "
                "operations on block 0 will be restricted.\n"
                "         Specify the 'raw' format explicitly to remove the restrictions.\n",
                name);
    }
    return true;
}

static void wait_idle(Io *io)
{
    g_mutex_lock(&io->lock);
    while (io->in_flight) {
        g_cond_wait(&io->idle, &io->lock);
    }
    g_mutex_unlock(&io->lock);
}

int io_close(Io *io)
{
    if (io->pool) {
        wait_idle(io);
        g_thread_pool_free(io->pool, false, true);
        io->pool = NULL;
    }
    io_stop_system(io);
    block_unref(io->node);
    io->node = NULL;
    return io->aio_failed;
}

static bool parse_num(const char *text, int64_t *out)
{
    uint64_t n;
    if (!parse_size(text, &n, NULL)) {
        fail("Invalid number or size '%s'", text);
        return false;
    }
    *out = n;
    return true;
}

static void report(const Request *r, double seconds)
{
    g_autofree char *size = size_to_str(r->len);
    g_autofree char *rate = size_to_str(seconds > 0 ? r->len / seconds : 0);
    if (r->quiet) {
        return;
    }
    printf("%s %" G_GINT64_FORMAT "/%" G_GINT64_FORMAT " bytes at offset %" G_GINT64_FORMAT "\n",
           r->write ? "wrote" : "read", r->len, r->len, r->off);
    printf("%s, 1 ops; %02d:%02d:%02d.%02d (%s/sec and %.4f ops/sec)\n", size,
           (int)(seconds / 3600), (int)(seconds / 60) % 60, (int)seconds % 60,
           (int)(seconds * 100) % 100, rate, seconds > 0 ? 1 / seconds : 0);
}

static void dump(const uint8_t *buf, int64_t off, int64_t len)
{
    for (int64_t i = 0; i < len; i += 16) {
        printf("%08" G_GINT64_MODIFIER "x: ", off + i);
        for (int64_t j = i; j < i + 16 && j < len; j++) {
            printf(" %02x", buf[j]);
        }
        printf("  ");
        for (int64_t j = i; j < i + 16 && j < len; j++) {
            putchar(g_ascii_isprint(buf[j]) ? buf[j] : '.');
        }
        putchar('\n');
    }
}

static int verify(const Request *r)
{
    int64_t len = r->verify_len ? r->verify_len : r->len - r->verify_off;
    for (int64_t i = 0; i < len; i++) {
        if (r->buf[r->verify_off + i] != r->pattern) {
            return fail("Pattern verification failed at offset %" G_GINT64_FORMAT
                        ", %" G_GINT64_FORMAT " bytes",
                        r->off + r->verify_off, len);
        }
    }
    return 0;
}

static int perform(Request *r)
{
    BlockNode *node = r->io->node;
    int ret;
    if (r->zeroes) {
        ret = block_write_zeroes(node, r->off, r->len, r->unmap ? BLOCK_ZERO_MAY_UNMAP : 0);
    } else if (r->compressed) {
        ret = block_pwrite_compressed(node, r->off, r->buf, r->len);
    } else if (r->write) {
        ret = block_pwrite(node, r->off, r->buf, r->len);
    } else {
        ret = block_pread(node, r->off, r->buf, r->len);
    }
    return !ret && r->flush ? block_flush(node) : ret;
}

static int finish(Request *r, int ret, double seconds)
{
    int status = 0;
    if (ret) {
        status = fail("%s%s failed: %s", r->async ? "aio_" : "", r->write ? "write" : "read",
                      g_strerror(-ret));
    } else {
        if (!r->write && r->has_pattern) {
            status = verify(r);
        }
        if (r->dump && !r->quiet) {
            dump(r->buf, r->off, r->len);
        }
        report(r, seconds);
    }
    free(r->buf);
    return status;
}

static double now(void)
{
    return g_get_monotonic_time() / (double)G_USEC_PER_SEC;
}

static void aio_worker(gpointer data, gpointer opaque)
{
    Request *r = data;
    Io *io = opaque;
    double start = now();
    int ret = perform(r);
    g_mutex_lock(&io->lock);
    io->aio_failed |= finish(r, ret, now() - start);
    if (!--io->in_flight) {
        g_cond_broadcast(&io->idle);
    }
    g_mutex_unlock(&io->lock);
    g_free(r);
}

static bool parse_request(Request *r, int argc, char **argv)
{
    int c;
    optind = 0;
    while ((c = getopt(argc, argv, "+bCcfnpP:qrs:l:uvz")) != -1) {
        switch (c) {
        case 'c':
            r->compressed = r->write;
            break;
        case 'f':
            r->flush = true;
            break;
        case 'P': {
            int64_t n;
            if (!parse_num(optarg, &n) || n > 255) {
                fail("%s is not a pattern byte", optarg);
                return false;
            }
            r->pattern = n;
            r->has_pattern = true;
            break;
        }
        case 'q':
            r->quiet = true;
            break;
        case 's':
            if (!parse_num(optarg, &r->verify_off)) {
                return false;
            }
            break;
        case 'l':
            if (!parse_num(optarg, &r->verify_len)) {
                return false;
            }
            break;
        case 'u':
            r->unmap = true;
            break;
        case 'v':
            r->dump = true;
            break;
        case 'z':
            r->zeroes = true;
            break;
        case 'b':
        case 'C':
        case 'n':
        case 'p':
        case 'r':
            break; /* ways to say what is done anyway */
        default:
            return false;
        }
    }
    if (argc - optind < 2 || !parse_num(argv[optind], &r->off)) {
        fail("bad argument count %d to %s, expected an offset and lengths", argc - 1, argv[0]);
        return false;
    }
    for (int i = optind + 1; i < argc; i++) {
        int64_t n;
        if (!parse_num(argv[i], &n)) {
            return false;
        }
        r->len += n;
    }
    if (r->len > INT32_MAX && !r->zeroes) {
        fail("length cannot exceed %d, given %" G_GINT64_FORMAT, INT32_MAX, r->len);
        return false;
    }
    if (r->verify_off > r->len || r->verify_len > r->len - r->verify_off) {
        fail("pattern verification range exceeds end of read data");
        return false;
    }
    return true;
}

static int transfer(Io *io, int argc, char **argv, bool write, bool async)
{
    Request r = { .io = io, .write = write, .async = async, .pattern = 0xcd };
    if (!parse_request(&r, argc, argv)) {
        return 1;
    }
    if (!r.zeroes) {
        void *buf;
        if (posix_memalign(&buf, 4096, MAX(r.len, 1))) {
            return fail("no memory for %" G_GINT64_FORMAT " bytes", r.len);
        }
        r.buf = buf;
        memset(r.buf, r.write ? r.pattern : 0xab, r.len);
    }
    if (async) {
        if (!io->pool) {
            io->pool = g_thread_pool_new(aio_worker, io, 16, false, NULL);
        }
        g_mutex_lock(&io->lock);
        io->in_flight++;
        g_mutex_unlock(&io->lock);
        g_thread_pool_push(io->pool, g_memdup2(&r, sizeof(r)), NULL);
        return 0;
    }
    double start = now();
    int ret = perform(&r);
    return finish(&r, ret, now() - start);
}

static int cmd_read(Io *io, int argc, char **argv)
{
    return transfer(io, argc, argv, false, false);
}

static int cmd_write(Io *io, int argc, char **argv)
{
    return transfer(io, argc, argv, true, false);
}

static int cmd_aio_read(Io *io, int argc, char **argv)
{
    return transfer(io, argc, argv, false, true);
}

static int cmd_aio_write(Io *io, int argc, char **argv)
{
    return transfer(io, argc, argv, true, true);
}

static int cmd_flush(Io *io, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    int ret = block_flush(io->node);
    return ret ? fail("flush failed: %s", g_strerror(-ret)) : 0;
}

static int cmd_aio_flush(Io *io, int argc, char **argv)
{
    wait_idle(io);
    return cmd_flush(io, argc, argv);
}

static int cmd_discard(Io *io, int argc, char **argv)
{
    int64_t off, len;
    bool quiet = false;
    int c;
    optind = 0;
    while ((c = getopt(argc, argv, "+Cq")) != -1) {
        quiet |= c == 'q';
        if (c == '?') {
            return 1;
        }
    }
    if (argc - optind != 2 || !parse_num(argv[optind], &off) ||
        !parse_num(argv[optind + 1], &len)) {
        return fail("discard expects an offset and a length");
    }
    double start = now();
    int ret = block_discard(io->node, off, len);
    if (ret) {
        return fail("discard failed: %s", g_strerror(-ret));
    }
    if (!quiet) {
        g_autofree char *size = size_to_str(len);
        printf("discard %" G_GINT64_FORMAT "/%" G_GINT64_FORMAT " bytes at offset %" G_GINT64_FORMAT
               "\n%s, 1 ops; %.4f sec\n",
               len, len, off, size, now() - start);
    }
    return 0;
}

static int cmd_truncate(Io *io, int argc, char **argv)
{
    int64_t size;
    GError *err = NULL;
    int prealloc = 0, c;
    optind = 0;
    while ((c = getopt(argc, argv, "+m:")) != -1) {
        for (prealloc = 0; c == 'm' && block_prealloc_names[prealloc]; prealloc++) {
            if (!strcmp(block_prealloc_names[prealloc], optarg)) {
                break;
            }
        }
        if (c == '?' || !block_prealloc_names[prealloc]) {
            return fail("truncate: unknown preallocation mode");
        }
    }
    if (argc - optind != 1 || !parse_num(argv[optind], &size)) {
        return fail("truncate expects a size");
    }
    if (!block_truncate(io->node, size, prealloc, &err)) {
        fprintf(stderr, "%s\n", err->message);
        g_error_free(err);
        return 1;
    }
    return 0;
}

static int cmd_length(Io *io, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    g_autofree char *size = size_to_str(io->node->size);
    puts(size);
    return 0;
}

static int cmd_info(Io *io, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    int64_t cluster = block_cluster_size(io->node);
    g_autofree char *size = size_to_str(MAX(cluster, 0));
    printf("format name: %s\n", io->node->drv->name);
    if (cluster > 0) {
        printf("cluster size: %s\n", size);
    }
    return 0;
}

static int cmd_alloc(Io *io, int argc, char **argv)
{
    int64_t off, len = BLOCK_SECTOR, sum = 0;
    if (argc < 2 || !parse_num(argv[1], &off) || (argc > 2 && !parse_num(argv[2], &len))) {
        return fail("alloc expects an offset and a length");
    }
    for (int64_t at = off, n; at < off + len; at += n) {
        BlockExtent ext;
        int ret = block_status(io->node, at, off + len - at, &ext);
        if (ret) {
            return fail("is_allocated failed: %s", g_strerror(-ret));
        }
        n = ext.len;
        sum += ext.flags & BLOCK_EXTENT_ALLOCATED ? n : 0;
    }
    g_autofree char *at = size_to_str(off);
    printf("%" G_GINT64_FORMAT "/%" G_GINT64_FORMAT " bytes allocated at offset %s\n", sum, len,
           at);
    return 0;
}

static int cmd_map(Io *io, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    for (int64_t at = 0, n; at < io->node->size; at += n) {
        bool allocated = false;
        for (n = 0; at + n < io->node->size;) {
            BlockExtent ext;
            int ret = block_status(io->node, at + n, io->node->size - at - n, &ext);
            if (ret) {
                return fail("Failed to query allocation status: %s", g_strerror(-ret));
            }
            bool a = ext.flags & BLOCK_EXTENT_ALLOCATED;
            if (n && a != allocated) {
                break;
            }
            allocated = a;
            n += ext.len;
        }
        g_autofree char *len = size_to_str(n), *off = size_to_str(at);
        printf("%s (0x%" G_GINT64_MODIFIER "x) bytes %s at offset %s (0x%" G_GINT64_MODIFIER "x)\n",
               len, n, allocated ? "    allocated" : "not allocated", off, at);
    }
    return 0;
}

static int cmd_open(Io *io, int argc, char **argv)
{
    int c;
    if (io->node) {
        return fail("file open already, try 'help close'");
    }
    optind = 0;
    while ((c = getopt(argc, argv, "+rnsU")) != -1) {
        if (c == 'r') {
            io->flags &= ~(unsigned)BLOCK_RDWR;
        } else if (c == 'U') {
            io->flags |= BLOCK_FORCE_SHARE;
        } else if (c == 'n') {
            io->flags |= BLOCK_DIRECT;
        } else {
            return fail("open: option not supported");
        }
    }
    return argc - optind == 1 ? !io_open(io, argv[optind]) : fail("open expects a file name");
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
    if (argc == 3) {
        fn = !strcmp(argv[1], "create")   ? d->snapshot_create
             : !strcmp(argv[1], "delete") ? d->snapshot_delete
             : !strcmp(argv[1], "apply")  ? d->snapshot_apply
                                          : NULL;
    }
    if (!fn) {
        return fail("snapshot expects create, delete or apply, and a name; and a format that has "
                    "snapshots");
    }
    if (!fn(io->node, argv[2], &err)) {
        fail("snapshot failed: %s", err->message);
        g_error_free(err);
        return 1;
    }
    return block_getlength(io->node) < 0;
}

static int cmd_abort(Io *io, int argc, char **argv)
{
    (void)io;
    (void)argc;
    (void)argv;
    fflush(stdout);
    _exit(134);
}

static int cmd_sleep(Io *io, int argc, char **argv)
{
    int64_t ms;
    (void)io;
    if (argc != 2 || !parse_num(argv[1], &ms)) {
        return fail("sleep expects milliseconds");
    }
    g_usleep(ms * 1000);
    return 0;
}

static int cmd_quit(Io *io, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    io->quit = true;
    return 0;
}

static int cmd_help(Io *io, int argc, char **argv)
{
    (void)io;
    (void)argc;
    (void)argv;
    io_print_commands();
    return 0;
}

static const Command commands[] = {
    { "abort", NULL, "", "ends the program at once, writing nothing back", cmd_abort },
    { "aio_flush", NULL, "", "waits for all aio requests, then flushes", cmd_aio_flush },
    { "aio_read", NULL, "[-qv] [-P pattern] off len [len..]", "asynchronous read", cmd_aio_read },
    { "aio_write", NULL, "[-qfuz] [-P pattern] off len [len..]", "asynchronous write",
      cmd_aio_write },
    { "alloc", NULL, "off [len]", "counts allocated bytes", cmd_alloc },
    { "close", "c", "", "closes the image", cmd_close },
    { "discard", "d", "[-q] off len", "discards", cmd_discard },
    { "flush", "f", "", "flushes", cmd_flush },
    { "help", "?", "", "this list", cmd_help },
    { "info", "i", "", "the image's format and cluster size", cmd_info },
    { "job_wait", NULL, "", "waits until all block jobs are done or ready", io_cmd_job_wait },
    { "length", "l", "", "the image's size", cmd_length },
    { "map", NULL, "", "allocated and unallocated ranges", cmd_map },
    { "open", "o", "[-rnU] file", "opens an image", cmd_open },
    { "qmp", NULL, "json", "a QMP command; the open image is the device io0", io_cmd_qmp },
    { "quit", "q", "", "ends", cmd_quit },
    { "read", "r", "[-qv] [-P pattern [-s off] [-l len]] off len", "reads and verifies", cmd_read },
    { "readv", NULL, "[-qv] [-P pattern] off len [len..]", "reads", cmd_read },
    { "sleep", NULL, "ms", "waits", cmd_sleep },
    { "snapshot", NULL, "create|apply|delete name", "internal snapshots", cmd_snapshot },
    { "truncate", "t", "[-m prealloc] size", "resizes", cmd_truncate },
    { "write", "w", "[-cfquz] [-P pattern] off len", "writes; -c compressed, -z zeroes, -u unmap",
      cmd_write },
    { "writev", NULL, "[-fq] [-P pattern] off len [len..]", "writes", cmd_write },
};

void io_print_commands(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        printf("  %s%s%s %s -- %s\n", commands[i].name, commands[i].alias ? ", " : "",
               commands[i].alias ? commands[i].alias : "", commands[i].args, commands[i].help);
    }
}

static bool needs_image(const Command *c)
{
    return c->run != cmd_open && c->run != cmd_quit && c->run != cmd_help && c->run != cmd_sleep &&
           c->run != cmd_abort;
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
        fail("%s", err->message);
        g_error_free(err);
        return 1;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        const Command *c = &commands[i];
        if (strcmp(argv[0], c->name) && (!c->alias || strcmp(argv[0], c->alias))) {
            continue;
        }
        if (needs_image(c) && !io->node) {
            return fail("no file open, try 'help open'");
        }
        int status = c->run(io, argc, argv);
        fflush(stdout);
        return status;
    }
    return fail("command \"%s\" not found", argv[0]);
}
