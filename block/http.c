/* SPDX-License-Identifier: MIT */
/* `http` and `https`: read-only images on web servers that serve byte ranges (RFC 9110, 14),
 * through libcurl. */
#include "block/block.h"
#include "block/bytes.h"
#include "block/secret.h"
#include <curl/curl.h>
#include <errno.h>

typedef struct Http {
    char *url, *user, *cookie;
    char *password; /* or NULL */
    bool verify;
    long timeout; /* seconds */
    int64_t size, readahead;
    GMutex lock;     /* below */
    GPtrArray *idle; /* CURL handles not in use; each keeps its connection */
    uint8_t *ahead;  /* the last range that was read, and a little more */
    int64_t ahead_off, ahead_len;
} Http;

static const OptDef http_open_opts[] = {
    { "url", OPT_STR, NULL, "Address of the image" },
    { "filename", OPT_STR, NULL, "Address of the image" },
    { "readahead", OPT_SIZE, "256k", "Bytes to read at least" },
    { "sslverify", OPT_BOOL, "on", "Verify the server's certificate" },
    { "timeout", OPT_NUM, "5", "Seconds without an answer after which to give up" },
    { "username", OPT_STR, NULL, "User name" },
    { "password-secret", OPT_STR, NULL, "ID of the secret that is the password" },
    { "cookie", OPT_STR, NULL, "Cookies to pass" },
    { 0 },
};

static const char *const http_prefixes[] = { "http:", NULL };
static const char *const https_prefixes[] = { "https:", NULL };

static bool http_parse_filename(const char *filename, Opts *opts, GError **err)
{
    (void)err;
    opts_set(opts, "url", filename);
    return true;
}

typedef struct Sink {
    uint8_t *buf;
    size_t len, room;
} Sink;

static size_t receive(char *data, size_t one, size_t n, void *opaque)
{
    Sink *sink = opaque;
    if (n > sink->room - sink->len) {
        return 0; /* more than was asked for: the server does not know ranges */
    }
    memcpy(sink->buf + sink->len, data, n);
    sink->len += n;
    return n * one;
}

static size_t ignore(char *data, size_t one, size_t n, void *opaque)
{
    (void)data;
    (void)opaque;
    return one * n;
}

static CURL *take_handle(Http *s)
{
    g_mutex_lock(&s->lock);
    CURL *c = s->idle->len ? g_ptr_array_steal_index(s->idle, s->idle->len - 1) : NULL;
    g_mutex_unlock(&s->lock);
    if (c) {
        return c;
    }
    c = curl_easy_init();
    if (c) {
        curl_easy_setopt(c, CURLOPT_URL, s->url);
        curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
        curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
        curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, s->timeout);
        curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, s->timeout);
        curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, s->verify ? 1L : 0L);
        curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, s->verify ? 2L : 0L);
        if (s->user) {
            curl_easy_setopt(c, CURLOPT_USERNAME, s->user);
            curl_easy_setopt(c, CURLOPT_PASSWORD, s->password);
        }
        if (s->cookie) {
            curl_easy_setopt(c, CURLOPT_COOKIE, s->cookie);
        }
    }
    return c;
}

static void give_handle(Http *s, CURL *c)
{
    g_mutex_lock(&s->lock);
    g_ptr_array_add(s->idle, c);
    g_mutex_unlock(&s->lock);
}

static bool find_size(Http *s, GError **err)
{
    CURL *c = take_handle(s);
    curl_off_t size = -1;
    if (!c) {
        g_set_error(err, BLOCK_ERROR, ENOMEM, "CURL: no memory");
        return false;
    }
    curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, ignore);
    CURLcode code = curl_easy_perform(c);
    curl_easy_getinfo(c, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &size);
    curl_easy_setopt(c, CURLOPT_NOBODY, 0L);
    curl_easy_setopt(c, CURLOPT_HTTPGET, 1L);
    give_handle(s, c);
    if (code != CURLE_OK || size < 0) {
        g_set_error(err, BLOCK_ERROR, EIO, "CURL: Error opening file '%s': %s", s->url,
                    code ? curl_easy_strerror(code) : "the server does not tell its size");
        return false;
    }
    s->size = size;
    return true;
}

static void free_state(Http *s)
{
    g_ptr_array_free(s->idle, true);
    g_mutex_clear(&s->lock);
    g_free(s->url);
    g_free(s->user);
    block_secret_free(s->password);
    g_free(s->cookie);
    g_free(s->ahead);
}

static bool http_open(BlockNode *node, Opts *opts, GError **err)
{
    static gsize once;
    Http *s = node->state;
    const char *url = opts_get(opts, "url");
    url = url ? url : opts_get(opts, "filename");
    if (!url) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "Parameter 'url' is missing");
        return false;
    }
    if (node->flags & BLOCK_RDWR) {
        g_set_error(err, BLOCK_ERROR, EROFS, "'%s': images on web servers are read-only", url);
        return false;
    }
    if (g_once_init_enter(&once)) {
        curl_global_init(CURL_GLOBAL_ALL);
        g_once_init_leave(&once, 1);
    }
    g_mutex_init(&s->lock);
    s->idle = g_ptr_array_new_with_free_func((GDestroyNotify)curl_easy_cleanup);
    s->url = g_strdup(url);
    s->user = g_strdup(opts_get(opts, "username"));
    const char *secret = opts_get(opts, "password-secret");
    if (secret && !(s->password = block_secret_text(secret, err))) {
        free_state(s);
        return false;
    }
    s->cookie = g_strdup(opts_get(opts, "cookie"));
    s->verify = opt_bool(opts, http_open_opts, "sslverify");
    s->timeout = opt_num(opts, http_open_opts, "timeout");
    s->readahead = MIN(opt_num(opts, http_open_opts, "readahead"), 16 << 20);
    if (!find_size(s, err)) {
        free_state(s);
        return false;
    }
    return true;
}

static void http_close(BlockNode *node)
{
    free_state(node->state);
}

static int fetch(Http *s, int64_t off, uint8_t *buf, int64_t len)
{
    Sink sink = { .buf = buf, .room = len };
    CURL *c = take_handle(s);
    long status = 0;
    if (!c) {
        return -ENOMEM;
    }
    g_autofree char *range =
        g_strdup_printf("%" G_GINT64_FORMAT "-%" G_GINT64_FORMAT, off, off + len - 1);
    curl_easy_setopt(c, CURLOPT_RANGE, range);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, &sink);
    CURLcode code = curl_easy_perform(c);
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    give_handle(s, c);
    /* 200 is the whole file: fine only when that is what was asked for. */
    bool ranged = status == 206 || (off == 0 && len == s->size);
    if (code != CURLE_OK || !ranged || sink.len != (size_t)len) {
        g_printerr("http: '%s': bytes %s: %s\n", s->url, range,
                   code == CURLE_OK || code == CURLE_WRITE_ERROR
                       ? "the server does not serve byte ranges"
                       : curl_easy_strerror(code));
        return -EIO;
    }
    return 0;
}

static int http_pread(BlockNode *node, int64_t off, void *buf, int64_t len)
{
    Http *s = node->state;
    int64_t have = off < s->size ? MIN(len, s->size - off) : 0;
    memset((uint8_t *)buf + have, 0, len - have);
    if (!have) {
        return 0;
    }
    if (have >= s->readahead) {
        return fetch(s, off, buf, have);
    }
    g_mutex_lock(&s->lock);
    bool hit = off >= s->ahead_off && off + have <= s->ahead_off + s->ahead_len;
    if (hit) {
        memcpy(buf, s->ahead + (off - s->ahead_off), have);
    }
    g_mutex_unlock(&s->lock);
    if (hit) {
        return 0;
    }
    int64_t n = MIN(s->readahead, s->size - off);
    g_autofree uint8_t *more = g_malloc(n);
    int ret = fetch(s, off, more, n);
    if (ret) {
        return ret;
    }
    memcpy(buf, more, have);
    g_mutex_lock(&s->lock);
    g_free(s->ahead);
    s->ahead = g_steal_pointer(&more);
    s->ahead_off = off;
    s->ahead_len = n;
    g_mutex_unlock(&s->lock);
    return 0;
}

static int64_t http_getlength(BlockNode *node)
{
    return ((Http *)node->state)->size;
}

#define HTTP_METHODS                                                               \
    .is_protocol = true, .state_size = sizeof(Http), .open_opts = http_open_opts,  \
    .parse_filename = http_parse_filename, .open = http_open, .close = http_close, \
    .pread = http_pread, .getlength = http_getlength

const BlockDriver block_driver_http = { .name = "http", .prefixes = http_prefixes, HTTP_METHODS };
const BlockDriver block_driver_https = { .name = "https",
                                         .prefixes = https_prefixes,
                                         HTTP_METHODS };
