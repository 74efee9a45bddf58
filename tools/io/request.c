/* SPDX-License-Identifier: MIT */
/* latimer-io's requests: reads, writes and discards, waiting for them or not. */
#include "tools/io/io.h"
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

enum { MISALIGN = 16, MAX_IOVS = 1024 };
#define MAX_LENGTH 2147483136LL /* whole sectors, less than 2 GiB */

/* A read or write as its options describe it. */
typedef struct Request {
    Io *io;
    bool write, async, vectored;
    bool zeroes, unmap, no_fallback, compressed, vmstate, invalid;
    bool quiet, csv, dump, flush, has_pattern;
    int pattern;
    const char *pattern_file;
    int64_t verify_off, verify_len; /* -s, -l: the part that the pattern is checked in */
    int64_t off, len;
    struct iovec iov[MAX_IOVS];
    int niov;
    uint8_t *memory, *buf; /* what was allocated, and where the bytes begin in it */
} Request;

static double now(void)
{
    return g_get_monotonic_time() / (double)G_USEC_PER_SEC;
}

static void report(const char *what, int64_t off, int64_t len, double seconds, bool csv)
{
    int64_t cs = (int64_t)(seconds * 100);
    double rate = seconds > 0 ? (double)len / seconds : 0, ops = seconds > 0 ? 1 / seconds : 0;
    g_autofree char *size = io_size(len), *per_second = io_size(rate);
    g_autofree char *fixed =
        g_strdup_printf("%d:%02d:%02d.%02d", (int)(cs / 360000), (int)(cs / 6000 % 60),
                        (int)(cs / 100 % 60), (int)(cs % 100));
    if (csv) {
        printf("%" G_GINT64_FORMAT ",1,%s,%.3f,%.3f\n", len, fixed, rate, ops);
        return;
    }
    /* Hours and minutes only when there are some. */
    const char *time = fixed + (cs < 6000 ? strlen(fixed) - 5 : cs < 360000 ? 2 : 0);
    printf("%s %" G_GINT64_FORMAT "/%" G_GINT64_FORMAT " bytes at offset %" G_GINT64_FORMAT "\n",
           what, len, len, off);
    printf("%s, 1 ops; %s%s (%s/sec and %.4f ops/sec)\n", size, time, cs < 6000 ? " sec" : "",
           per_second, ops);
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
            putchar(g_ascii_isalnum(buf[j]) ? buf[j] : '.');
        }
        putchar('\n');
    }
}

static int verify(const Request *r)
{
    int64_t len = r->verify_len ? r->verify_len : r->len - r->verify_off;
    for (int64_t i = 0; i < len; i++) {
        if (r->buf[r->verify_off + i] != r->pattern) {
            return io_fail("Pattern verification failed at offset %" G_GINT64_FORMAT
                           ", %" G_GINT64_FORMAT " bytes",
                           r->off + r->verify_off, len);
        }
    }
    return 0;
}

static int transfer(Request *r)
{
    BlockNode *node = r->io->node;
    if (r->vmstate) {
        return block_vmstate(node, r->off, r->buf, r->len, r->write);
    }
    if (r->compressed) {
        return block_pwrite_compressed(node, r->off, r->buf, r->len);
    }
    if (r->zeroes) {
        return block_write_zeroes(node, r->off, r->len,
                                  (r->unmap ? BLOCK_ZERO_MAY_UNMAP : 0) |
                                      (r->no_fallback ? BLOCK_ZERO_NO_FALLBACK : 0));
    }
    if (!r->write && r->io->copy_on_read && node->flags & BLOCK_RDWR) {
        int ret = block_copy_up(node, r->off, r->len);
        if (ret) {
            return ret;
        }
    }
    return r->write ? block_pwritev(node, r->off, r->iov, r->niov)
                    : block_preadv(node, r->off, r->iov, r->niov);
}

static int perform(Request *r)
{
    int ret = transfer(r);
    return !ret && r->flush ? block_flush(r->io->node) : ret;
}

static int finish(Request *r, int ret, double seconds)
{
    int status = 0;
    if (ret) {
        status = io_fail("%s%s failed: %s", r->async ? "aio_" : "", r->write ? "write" : "read",
                         g_strerror(-ret));
    } else {
        if (!r->write && r->has_pattern) {
            status = verify(r);
        }
        if (r->dump && !r->quiet) {
            dump(r->buf, r->off, r->len);
        }
        if (!r->quiet) {
            report(r->write ? "wrote" : "read", r->off, r->len, seconds, r->csv);
        }
    }
    free(r->memory);
    return status;
}

void io_wait_idle(Io *io)
{
    g_mutex_lock(&io->lock);
    while (io->in_flight) {
        g_cond_wait(&io->idle, &io->lock);
    }
    g_mutex_unlock(&io->lock);
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

static void submit(Request *r)
{
    Io *io = r->io;
    if (!io->pool) {
        io->pool = g_thread_pool_new(aio_worker, io, 16, false, NULL);
    }
    g_mutex_lock(&io->lock);
    io->in_flight++;
    g_mutex_unlock(&io->lock);
    g_thread_pool_push(io->pool, r, NULL);
}

static bool parse_pattern(const char *text, int *out)
{
    char *end;
    long n = strtol(text, &end, 0);
    bool ok = *text && !*end && n >= 0 && n <= 255;
    *out = ok ? n : 0;
    return ok || !io_fail("%s is not a valid pattern byte", text);
}

/* The options, by letters that the command has. */
static bool parse_options(Request *r, const char *letters, int argc, char **argv)
{
    int c;
    optind = 0;
    while ((c = getopt(argc, argv, letters)) != -1) {
        bool ok = true;
        switch (c) {
        case 'b':
            r->vmstate = true;
            break;
        case 'c':
            r->compressed = true;
            break;
        case 'C':
            r->csv = true;
            break;
        case 'f':
            r->flush = true;
            break;
        case 'i':
            r->invalid = true;
            break;
        case 'l':
            ok = io_parse_num(optarg, &r->verify_len);
            break;
        case 'n':
            r->no_fallback = true;
            break;
        case 'p':
            break; /* once meant pread */
        case 'P':
            ok = parse_pattern(optarg, &r->pattern);
            r->has_pattern = true;
            break;
        case 'q':
            r->quiet = true;
            break;
        case 's':
            if (r->write) {
                r->pattern_file = optarg;
            } else {
                ok = io_parse_num(optarg, &r->verify_off);
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
        default:
            ok = !io_usage(argv);
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

/* Which do not go together; the first that is so. */
static const char *conflict(const Request *r)
{
    const struct {
        bool wrong;
        const char *message;
    } rules[] = {
        { r->vmstate && r->zeroes, "-b and -z cannot be specified at the same time" },
        { r->flush && (r->vmstate || r->compressed),
          "-f and -b or -c cannot be specified at the same time" },
        { r->no_fallback && !r->zeroes, "-n requires -z to be specified" },
        { r->unmap && !r->zeroes, "-u requires -z to be specified" },
        { r->zeroes + r->has_pattern + (r->pattern_file != NULL) > 1,
          r->async ? "-z and -P cannot be specified at the same time"
                   : "Only one of -z, -P, and -s can be specified at the same time" },
    };
    for (unsigned i = 0; r->write && i < G_N_ELEMENTS(rules); i++) {
        if (rules[i].wrong) {
            return rules[i].message;
        }
    }
    return NULL;
}

static bool too_long(const Request *r, const char *text)
{
    if (r->len <= MAX_LENGTH || (r->zeroes && !r->async)) {
        return false;
    }
    io_fail("length cannot exceed %lld, given %s", MAX_LENGTH, text);
    return true;
}

static bool parse_range(Request *r, int argc, char **argv)
{
    if (argc - optind < 2 || (!r->vectored && argc - optind != 2)) {
        return !io_usage(argv);
    }
    if (r->zeroes && argc - optind != 2) {
        return !io_fail("-z supports only a single length parameter");
    }
    if (!io_parse_num(argv[optind], &r->off)) {
        return false;
    }
    for (int i = optind + 1; i < argc; i++) {
        int64_t n;
        if (!io_parse_num(argv[i], &n)) {
            return false;
        }
        if (r->niov == MAX_IOVS) {
            return !io_fail("too many lengths");
        }
        r->iov[r->niov++].iov_len = n;
        r->len += n;
        if (too_long(r, argv[i])) {
            return false;
        }
    }
    if (!r->write && (r->verify_off || r->verify_len) && !r->has_pattern) {
        return !io_usage(argv);
    }
    if (r->verify_off > r->len || r->verify_len > r->len - r->verify_off) {
        return !io_fail("pattern verification range exceeds end of read data");
    }
    return true;
}

/* The pattern file's bytes, over and over. */
static bool fill_from_file(Request *r)
{
    g_autofree char *bytes = NULL;
    gsize n;
    GError *err = NULL;
    if (!g_file_get_contents(r->pattern_file, &bytes, &n, &err)) {
        bool missing = err->code == G_FILE_ERROR_NOENT;
        g_error_free(err);
        return !io_fail("%s: %s", r->pattern_file, missing ? g_strerror(ENOENT) : g_strerror(EIO));
    }
    if (!n) {
        return !io_fail("%s: file is empty", r->pattern_file);
    }
    for (int64_t at = 0; at < r->len; at += n) {
        memcpy(r->buf + at, bytes, MIN((int64_t)n, r->len - at));
    }
    return true;
}

static bool make_buffer(Request *r)
{
    void *memory;
    size_t extra = r->io->misalign ? MISALIGN : 0;
    if (r->zeroes && !r->compressed) {
        return true;
    }
    if (posix_memalign(&memory, 4096, MAX(r->len, 1) + extra)) {
        return !io_fail("no memory for %" G_GINT64_FORMAT " bytes", r->len);
    }
    r->memory = memory;
    r->buf = r->memory + extra;
    memset(r->buf, r->zeroes ? 0 : r->write ? r->pattern : 0xab, r->len);
    uint8_t *at = r->buf;
    for (int i = 0; i < r->niov; at += r->iov[i++].iov_len) {
        r->iov[i].iov_base = at;
    }
    return !r->pattern_file || fill_from_file(r);
}

static int request(Io *io, int argc, char **argv, const char *letters, bool write, bool async,
                   bool vectored)
{
    Request *r = g_new0(Request, 1);
    *r = (Request){ .io = io, .write = write, .async = async, .vectored = vectored };
    r->pattern = 0xcd;
    const char *wrong = NULL;
    bool ok = parse_options(r, letters, argc, argv);
    wrong = ok ? conflict(r) : NULL;
    if (wrong) {
        ok = !io_fail("%s", wrong);
    }
    ok = ok && parse_range(r, argc, argv);
    if (ok && r->invalid) {
        printf("injecting invalid %s request\n", write ? "write" : "read");
        g_free(r);
        return 0;
    }
    if (ok && write && !(io->node->flags & BLOCK_RDWR)) {
        ok = !io_error("Block node is read-only");
    }
    if (!ok || !make_buffer(r)) {
        free(r->memory);
        g_free(r);
        return 1;
    }
    if (async) {
        submit(r);
        return 0;
    }
    double start = now();
    int ret = perform(r);
    int status = finish(r, ret, now() - start);
    g_free(r);
    return status;
}

int io_cmd_read(Io *io, int argc, char **argv)
{
    return request(io, argc, argv, "+bCl:pP:qs:v", false, false, false);
}

int io_cmd_readv(Io *io, int argc, char **argv)
{
    return request(io, argc, argv, "+CP:qv", false, false, true);
}

int io_cmd_write(Io *io, int argc, char **argv)
{
    return request(io, argc, argv, "+bcCfnpP:qs:uz", true, false, false);
}

int io_cmd_writev(Io *io, int argc, char **argv)
{
    return request(io, argc, argv, "+CfqP:", true, false, true);
}

int io_cmd_aio_read(Io *io, int argc, char **argv)
{
    return request(io, argc, argv, "+CP:iqv", false, true, true);
}

int io_cmd_aio_write(Io *io, int argc, char **argv)
{
    return request(io, argc, argv, "+CfiP:quz", true, true, true);
}

int io_cmd_aio_flush(Io *io, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    io_wait_idle(io);
    int ret = block_flush(io->node);
    return ret ? io_fail("flush failed: %s", g_strerror(-ret)) : 0;
}

int io_cmd_discard(Io *io, int argc, char **argv)
{
    int64_t off, len;
    bool quiet = false, csv = false;
    int c;
    optind = 0;
    while ((c = getopt(argc, argv, "+Cq")) != -1) {
        if (c == '?') {
            return io_usage(argv);
        }
        quiet |= c == 'q';
        csv |= c == 'C';
    }
    if (argc - optind != 2) {
        return io_usage(argv);
    }
    if (!io_parse_num(argv[optind], &off) || !io_parse_num(argv[optind + 1], &len)) {
        return 1;
    }
    if (len > MAX_LENGTH) {
        return io_fail("length cannot exceed %lld, given %s", MAX_LENGTH, argv[optind + 1]);
    }
    double start = now();
    int ret = block_discard(io->node, off, len);
    if (ret) {
        return io_fail("discard failed: %s", g_strerror(-ret));
    }
    if (!quiet) {
        report("discard", off, len, now() - start, csv);
    }
    return 0;
}
