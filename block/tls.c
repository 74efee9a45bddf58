/* SPDX-License-Identifier: MIT */
/* TLS by GnuTLS: credentials from files as tls-creds-x509, -psk and -anon lay them out, and
 * sessions on sockets. */
#include "block/tls.h"
#include "block/secret.h"
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

typedef enum TlsKind { TLS_X509, TLS_PSK, TLS_ANON, TLS_KINDS } TlsKind;

#define COMMON_OPTS                                                              \
    { "id", OPT_STR, NULL, "Name of the object" },                               \
        { "dir", OPT_STR, NULL, "Folder of the credentials' files" },            \
        { "endpoint", OPT_STR, "client", "client or server" },                   \
        { "verify-peer", OPT_BOOL, "on", "Ask clients for a certificate, too" }, \
    {                                                                            \
        "priority", OPT_STR, NULL, "GnuTLS priority string"                      \
    }

static const OptDef x509_opts[] = {
    COMMON_OPTS,
    { "sanity-check", OPT_BOOL, "on", "Check the certificates' dates at start" },
    { "passwordid", OPT_STR, NULL, "Secret that decrypts the private key" },
    { 0 },
};
static const OptDef psk_opts[] = {
    COMMON_OPTS,
    { "username", OPT_STR, "qemu", "Name of the client's key" },
    { 0 },
};
static const OptDef anon_opts[] = { COMMON_OPTS, { 0 } };

static const struct {
    const char *name;
    const OptDef *opts;
    const char *priority;
} kinds[TLS_KINDS] = {
    [TLS_X509] = { "tls-creds-x509", x509_opts, "NORMAL" },
    [TLS_PSK] = { "tls-creds-psk", psk_opts, "NORMAL:+ECDHE-PSK:+DHE-PSK:+PSK" },
    /* TLS 1.3 knows no anonymous key exchange. */
    [TLS_ANON] = { "tls-creds-anon", anon_opts, "NORMAL:-VERS-TLS1.3:+ANON-ECDH:+ANON-DH" },
};

static const char *const endpoints[] = { "client", "server", NULL };

typedef struct Creds {
    TlsKind kind;
    bool server, verify;
    char *priority;
    gnutls_certificate_credentials_t x509;
    gnutls_psk_client_credentials_t psk_client;
    gnutls_psk_server_credentials_t psk_server;
    gnutls_anon_client_credentials_t anon_client;
    gnutls_anon_server_credentials_t anon_server;
} Creds;

struct TlsSession {
    gnutls_session_t tls;
    Creds creds;
};

static int kind_of(const char *name)
{
    int k = 0;
    while (k < TLS_KINDS && (!name || strcmp(kinds[k].name, name))) {
        k++;
    }
    return k;
}

void tls_foreach_kind(void (*fn)(const char *kind, const OptDef *opts, void *opaque), void *opaque)
{
    for (unsigned i = 0; i < TLS_KINDS; i++) {
        fn(kinds[i].name, kinds[i].opts, opaque);
    }
}

bool tls_is_kind(const char *kind)
{
    return kind_of(kind) < TLS_KINDS;
}

static bool failed(GError **err, int ret, const char *fmt, ...) G_GNUC_PRINTF(3, 4);
static bool failed(GError **err, int ret, const char *fmt, ...)
{
    if (ret >= 0) {
        return false;
    }
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_set_error(err, BLOCK_ERROR, EACCES, "%s: %s", text, gnutls_strerror(ret));
    return true;
}

static char *existing(const char *dir, const char *name)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    return g_file_test(path, G_FILE_TEST_EXISTS) ? g_steal_pointer(&path) : NULL;
}

static bool check_dates(const char *path, GError **err)
{
    g_autofree char *text = NULL;
    gsize len;
    gnutls_x509_crt_t crt;
    GError *local = NULL;
    if (!g_file_get_contents(path, &text, &len, &local)) {
        g_set_error(err, BLOCK_ERROR, ENOENT, "Cannot load certificate: %s", local->message);
        g_error_free(local);
        return false;
    }
    gnutls_datum_t data = { (unsigned char *)text, len };
    gnutls_x509_crt_init(&crt);
    bool bad = failed(err, gnutls_x509_crt_import(crt, &data, GNUTLS_X509_FMT_PEM),
                      "Unable to import certificate %s", path);
    time_t now = time(NULL);
    if (!bad && gnutls_x509_crt_get_expiration_time(crt) < now) {
        g_set_error(err, BLOCK_ERROR, EACCES, "The certificate %s has expired", path);
        bad = true;
    } else if (!bad && gnutls_x509_crt_get_activation_time(crt) > now) {
        g_set_error(err, BLOCK_ERROR, EACCES, "The certificate %s is not yet active", path);
        bad = true;
    }
    gnutls_x509_crt_deinit(crt);
    return !bad;
}

static bool load_x509(Creds *c, const Opts *opts, const char *dir, GError **err)
{
    const char *side = endpoints[c->server], *pass_id = opts_get(opts, "passwordid");
    g_autofree char *cert_name = g_strconcat(side, "-cert.pem", NULL);
    g_autofree char *key_name = g_strconcat(side, "-key.pem", NULL);
    g_autofree char *ca = existing(dir, "ca-cert.pem"), *crl = existing(dir, "ca-crl.pem");
    g_autofree char *cert = existing(dir, cert_name), *key = existing(dir, key_name);
    bool sane = opt_bool(opts, x509_opts, "sanity-check");
    if (!ca || (c->server && (!cert || !key))) {
        g_set_error(err, BLOCK_ERROR, ENOENT, "Unable to access credentials %s/%s: %s", dir,
                    !ca     ? "ca-cert.pem"
                    : !cert ? cert_name
                            : key_name,
                    g_strerror(ENOENT));
        return false;
    }
    gnutls_certificate_allocate_credentials(&c->x509);
    if ((sane && (!check_dates(ca, err) || (cert && !check_dates(cert, err)))) ||
        failed(err, gnutls_certificate_set_x509_trust_file(c->x509, ca, GNUTLS_X509_FMT_PEM),
               "Cannot load CA certificate '%s'", ca)) {
        return false;
    }
    if (cert && key) {
        char *pass = pass_id ? block_secret_text(pass_id, err) : NULL;
        bool bad = (pass_id && !pass) ||
                   failed(err,
                          gnutls_certificate_set_x509_key_file2(c->x509, cert, key,
                                                                GNUTLS_X509_FMT_PEM, pass, 0),
                          "Cannot load certificate '%s' & key '%s'", cert, key);
        block_secret_free(pass);
        if (bad) {
            return false;
        }
    }
    if (c->server) {
        gnutls_certificate_set_known_dh_params(c->x509, GNUTLS_SEC_PARAM_MEDIUM);
    }
    return !crl ||
           !failed(err, gnutls_certificate_set_x509_crl_file(c->x509, crl, GNUTLS_X509_FMT_PEM),
                   "Cannot load CRL '%s'", crl);
}

/* keys.psk: lines of "user:key in hex". */
static bool load_psk(Creds *c, const Opts *opts, const char *dir, GError **err)
{
    g_autofree char *path = existing(dir, "keys.psk"), *text = NULL;
    const char *user = opt_str(opts, psk_opts, "username");
    if (!path || !g_file_get_contents(path, &text, NULL, NULL)) {
        g_set_error(err, BLOCK_ERROR, ENOENT, "Unable to access credentials %s/keys.psk: %s", dir,
                    g_strerror(ENOENT));
        return false;
    }
    if (c->server) {
        gnutls_psk_allocate_server_credentials(&c->psk_server);
        gnutls_psk_set_server_known_dh_params(c->psk_server, GNUTLS_SEC_PARAM_MEDIUM);
        return !failed(err, gnutls_psk_set_server_credentials_file(c->psk_server, path),
                       "Cannot load '%s'", path);
    }
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    gnutls_psk_allocate_client_credentials(&c->psk_client);
    for (char **line = lines; *line; line++) {
        size_t n = strlen(user);
        if (!strncmp(*line, user, n) && (*line)[n] == ':') {
            char *hex = g_strchomp(*line + n + 1);
            gnutls_datum_t key = { (unsigned char *)hex, strlen(hex) };
            return !failed(
                err,
                gnutls_psk_set_client_credentials(c->psk_client, user, &key, GNUTLS_PSK_KEY_HEX),
                "Cannot use the key of '%s' in '%s'", user, path);
        }
    }
    g_set_error(err, BLOCK_ERROR, ENOENT, "Username %s not found in PSK file %s", user, path);
    return false;
}

static void creds_clear(Creds *c)
{
    g_free(c->priority);
    if (c->x509) {
        gnutls_certificate_free_credentials(c->x509);
    }
    if (c->psk_client) {
        gnutls_psk_free_client_credentials(c->psk_client);
    }
    if (c->psk_server) {
        gnutls_psk_free_server_credentials(c->psk_server);
    }
    if (c->anon_client) {
        gnutls_anon_free_client_credentials(c->anon_client);
    }
    if (c->anon_server) {
        gnutls_anon_free_server_credentials(c->anon_server);
    }
}

static bool creds_load(Creds *c, const Opts *opts, GError **err)
{
    const OptDef *t;
    const char *dir = opts_get(opts, "dir");
    c->kind = kind_of(opts_get(opts, "kind"));
    t = kinds[c->kind].opts;
    c->server = !strcmp(opt_str(opts, t, "endpoint"), "server");
    c->verify = opt_bool(opts, t, "verify-peer");
    c->priority = g_strdup(opts_get(opts, "priority"));
    if (!dir && c->kind != TLS_ANON) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "Missing 'dir' property value");
        return false;
    }
    switch (c->kind) {
    case TLS_X509:
        return load_x509(c, opts, dir, err);
    case TLS_PSK:
        return load_psk(c, opts, dir, err);
    default:
        if (c->server) {
            gnutls_anon_allocate_server_credentials(&c->anon_server);
            gnutls_anon_set_server_known_dh_params(c->anon_server, GNUTLS_SEC_PARAM_MEDIUM);
        } else {
            gnutls_anon_allocate_client_credentials(&c->anon_client);
        }
        return true;
    }
}

Opts *tls_check_opts(const char *kind, const Opts *opts, GError **err)
{
    const OptDef *t = kinds[kind_of(kind)].opts;
    Creds creds = { 0 };
    int endpoint;
    if (!opts_check(opts, t, err) || !opt_enum(opts, t, "endpoint", endpoints, &endpoint, err)) {
        return NULL;
    }
    g_autoptr(Opts) copy = opts_copy(opts);
    opts_set(copy, "kind", kind);
    bool ok = creds_load(&creds, copy, err);
    creds_clear(&creds);
    return ok ? g_steal_pointer(&copy) : NULL;
}

bool tls_check_endpoint(const char *creds_id, bool server, GError **err)
{
    g_autoptr(Opts) opts = block_object_opts(creds_id, "tls-creds-", err);
    const char *side = opts ? opts_get(opts, "endpoint") : NULL;
    if (opts && strcmp(side ? side : "client", endpoints[server])) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "Expecting TLS credentials with a %s endpoint",
                    endpoints[server]);
        return false;
    }
    return opts != NULL;
}

static bool session_set(TlsSession *s, GError **err)
{
    Creds *c = &s->creds;
    g_autofree char *both = NULL;
    const char *priority = kinds[c->kind].priority, *at;
    if (c->priority) {
        const char *extra = strchr(priority, ':');
        priority = both = g_strconcat(c->priority, extra ? extra : "", NULL);
    }
    if (failed(err, gnutls_priority_set_direct(s->tls, priority, &at),
               "Unable to set TLS session priority %s", priority)) {
        return false;
    }
    int ret = c->kind == TLS_X509 ? gnutls_credentials_set(s->tls, GNUTLS_CRD_CERTIFICATE, c->x509)
              : c->kind == TLS_PSK
                  ? gnutls_credentials_set(s->tls, GNUTLS_CRD_PSK,
                                           c->server ? (void *)c->psk_server : c->psk_client)
                  : gnutls_credentials_set(s->tls, GNUTLS_CRD_ANON,
                                           c->server ? (void *)c->anon_server : c->anon_client);
    if (c->server && c->kind == TLS_X509) {
        gnutls_certificate_server_set_request(s->tls,
                                              c->verify ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_IGNORE);
    }
    return !failed(err, ret, "Cannot set TLS session credentials");
}

/* The chain, its dates, and for a client the server's name. */
static bool verify_peer(TlsSession *s, const char *hostname, GError **err)
{
    unsigned status = 0;
    const char *name = s->creds.server ? NULL : hostname;
    if (s->creds.kind != TLS_X509 || (s->creds.server && !s->creds.verify)) {
        return true;
    }
    if (failed(err, gnutls_certificate_verify_peers3(s->tls, name, &status),
               "Unable to verify peer")) {
        return false;
    }
    if (status) {
        gnutls_datum_t text = { 0 };
        gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0);
        g_set_error(err, BLOCK_ERROR, EACCES, "TLS certificate verification failed: %s",
                    text.data ? (char *)text.data : "invalid");
        gnutls_free(text.data);
        return false;
    }
    return true;
}

TlsSession *tls_start(const char *creds_id, int fd, bool server, const char *hostname, GError **err)
{
    g_autoptr(Opts) opts = tls_check_endpoint(creds_id, server, err)
                               ? block_object_opts(creds_id, "tls-creds-", err)
                               : NULL;
    TlsSession *s = g_new0(TlsSession, 1);
    if (!opts || !creds_load(&s->creds, opts, err) ||
        failed(err,
               gnutls_init(&s->tls, (server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NO_SIGNAL),
               "Cannot initialize TLS session") ||
        !session_set(s, err)) {
        goto fail;
    }
    gnutls_transport_set_int(s->tls, fd);
    gnutls_handshake_set_timeout(s->tls, GNUTLS_DEFAULT_HANDSHAKE_TIMEOUT);
    if (!server && hostname) {
        gnutls_server_name_set(s->tls, GNUTLS_NAME_DNS, hostname, strlen(hostname));
    }
    int ret;
    do {
        ret = gnutls_handshake(s->tls);
    } while (ret < 0 && !gnutls_error_is_fatal(ret));
    if (!failed(err, ret, "TLS handshake failed") && verify_peer(s, hostname, err)) {
        return s;
    }
fail:
    tls_free(s);
    return NULL;
}

char *tls_peer_name(TlsSession *s)
{
    unsigned n;
    char name[1024];
    size_t len = sizeof(name);
    gnutls_x509_crt_t crt;
    const gnutls_datum_t *list =
        s->creds.kind == TLS_X509 ? gnutls_certificate_get_peers(s->tls, &n) : NULL;
    if (!list || !n || gnutls_x509_crt_init(&crt) < 0) {
        return NULL;
    }
    bool ok = gnutls_x509_crt_import(crt, &list[0], GNUTLS_X509_FMT_DER) >= 0 &&
              gnutls_x509_crt_get_dn(crt, name, &len) >= 0;
    gnutls_x509_crt_deinit(crt);
    return ok ? g_strdup(name) : NULL;
}

static ssize_t to_errno(ssize_t n)
{
    if (n >= 0) {
        return n;
    }
    return n == GNUTLS_E_PREMATURE_TERMINATION ? -ECONNRESET : -EIO;
}

ssize_t tls_read(TlsSession *s, void *buf, size_t len)
{
    ssize_t n;
    do {
        n = gnutls_record_recv(s->tls, buf, len);
    } while (n < 0 && !gnutls_error_is_fatal(n));
    return to_errno(n);
}

ssize_t tls_write(TlsSession *s, const void *buf, size_t len)
{
    ssize_t n;
    do {
        n = gnutls_record_send(s->tls, buf, len);
    } while (n < 0 && !gnutls_error_is_fatal(n));
    return to_errno(n);
}

bool tls_pending(TlsSession *s)
{
    return gnutls_record_check_pending(s->tls) > 0;
}

void tls_free(TlsSession *s)
{
    if (s) {
        if (s->tls) {
            gnutls_bye(s->tls, GNUTLS_SHUT_WR);
            gnutls_deinit(s->tls);
        }
        creds_clear(&s->creds);
        g_free(s);
    }
}
