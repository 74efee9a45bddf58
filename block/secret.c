/* SPDX-License-Identifier: MIT */
/* Objects by id: secrets, kept here, and those that block/tls.c and block/authz.c understand. */
#include "block/secret.h"
#include "block/block.h"
#include "block/authz.h"
#include "block/tls.h"
#include <errno.h>
#include <nettle/aes.h>
#include <nettle/cbc.h>

#define MAX_SECRET (1 << 20) /* bytes of a secret's file */

static const OptDef secret_opts[] = {
    { "id", OPT_STR, NULL, "Name of the object" },
    { "data", OPT_STR, NULL, "The secret itself" },
    { "file", OPT_STR, NULL, "File that holds the secret" },
    { "format", OPT_STR, "raw", "raw or base64" },
    { "keyid", OPT_STR, NULL, "Secret that this one is encrypted with: 32 bytes" },
    { "iv", OPT_STR, NULL, "Initialization vector of that, base64 of 16 bytes" },
    { 0 },
};

typedef struct Object {
    char *data; /* a secret's, NUL-terminated */
    size_t len;
    Opts *opts; /* of anything else, with its "kind" */
} Object;

static struct {
    GMutex lock;
    GHashTable *by_id; /* char * -> Object * */
} objects;

static void object_free(void *p)
{
    Object *o = p;
    if (o->data) {
        explicit_bzero(o->data, o->len);
    }
    g_free(o->data);
    opts_free(o->opts);
    g_free(o);
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

static bool load(const Opts *opts, Object *o, GError **err)
{
    const char *data = opts_get(opts, "data"), *file = opts_get(opts, "file");
    g_autoptr(GError) local = NULL;
    if (!data == !file) {
        return bad(err, data ? "'file' and 'data' are mutually exclusive"
                             : "Must provide 'file' or 'data'");
    }
    if (data) {
        o->data = g_strdup(data);
        o->len = strlen(data);
        return true;
    }
    if (!g_file_get_contents(file, &o->data, &o->len, &local)) {
        return bad(err, "Unable to read %s: %s", file, local->message);
    }
    return o->len <= MAX_SECRET || bad(err, "%s is too large for a secret", file);
}

static bool decode_base64(Object *o, GError **err)
{
    g_autofree char *clean = g_malloc(o->len + 1);
    size_t n = 0;
    for (size_t i = 0; i < o->len; i++) {
        if (!g_ascii_isspace(o->data[i])) {
            clean[n++] = o->data[i];
        }
    }
    clean[n] = 0;
    if (n % 4 ||
        strspn(clean, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") != n) {
        return bad(err, "Unable to base64 decode data");
    }
    size_t len;
    char *raw = (char *)g_base64_decode(clean, &len);
    explicit_bzero(clean, n);
    explicit_bzero(o->data, o->len);
    g_free(o->data);
    o->data = g_realloc(raw, len + 1);
    o->data[len] = 0;
    o->len = len;
    return true;
}

/* AES-256 in CBC mode, with PKCS #7 padding. */
static bool decrypt(const Opts *opts, Object *o, GError **err)
{
    size_t key_len, iv_len = 0;
    const char *iv_text = opts_get(opts, "iv");
    char *key = block_secret_get(opts_get(opts, "keyid"), &key_len, err);
    g_autofree uint8_t *iv = iv_text ? g_base64_decode(iv_text, &iv_len) : NULL;
    struct aes256_ctx aes;
    if (!key) {
        return false;
    }
    if (key_len != AES256_KEY_SIZE || iv_len != AES_BLOCK_SIZE) {
        block_secret_free(key);
        return key_len != AES256_KEY_SIZE
                   ? bad(err, "Key should be %d bytes, not %zu", AES256_KEY_SIZE, key_len)
                   : bad(err, "IV is required to decrypt a secret, base64 of %d bytes",
                         AES_BLOCK_SIZE);
    }
    aes256_set_decrypt_key(&aes, (const uint8_t *)key);
    block_secret_free(key);
    if (!o->len || o->len % AES_BLOCK_SIZE) {
        return bad(err, "The encrypted secret is not a multiple of %d bytes", AES_BLOCK_SIZE);
    }
    cbc_decrypt(&aes, (nettle_cipher_func *)aes256_decrypt, AES_BLOCK_SIZE, iv, o->len,
                (uint8_t *)o->data, (const uint8_t *)o->data);
    explicit_bzero(&aes, sizeof(aes));
    uint8_t pad = o->data[o->len - 1];
    if (!pad || pad > AES_BLOCK_SIZE) {
        return bad(err, "Incorrect number of padding bytes (%u) found on decrypted data", pad);
    }
    o->len -= pad;
    o->data[o->len] = 0;
    return true;
}

static bool make_secret(const Opts *opts, Object *o, GError **err)
{
    static const char *const formats[] = { "raw", "base64", NULL };
    int format;
    bool encrypted = opts_has(opts, "keyid");
    if (!opts_check(opts, secret_opts, err) ||
        !opt_enum(opts, secret_opts, "format", formats, &format, err) || !load(opts, o, err)) {
        return false;
    }
    if (!encrypted && opts_has(opts, "iv")) {
        return bad(err, "'iv' is for secrets that are encrypted: 'keyid' is missing");
    }
    return (!format || decode_base64(o, err)) && (!encrypted || decrypt(opts, o, err));
}

bool block_object_is_kind(const char *kind)
{
    return !strcmp(kind, "secret") || tls_is_kind(kind) || authz_is_kind(kind);
}

void block_object_foreach_kind(void (*fn)(const char *kind, const OptDef *opts, void *opaque),
                               void *opaque)
{
    fn("secret", secret_opts, opaque);
    tls_foreach_kind(fn, opaque);
    authz_foreach_kind(fn, opaque);
}

bool block_object_add(const char *text, GError **err)
{
    g_autoptr(Opts) opts = opts_new();
    bool json = *text == '{';
    if (!(json ? opts_parse_json(opts, text, err) : opts_parse(opts, text, "qom-type", err))) {
        return false;
    }
    const char *given = opts_get(opts, "qom-type");
    g_autofree char *kind = g_strdup(given ? given : opts_get(opts, "driver"));
    g_autofree char *id = g_strdup(opts_get(opts, "id"));
    opts_remove(opts, "qom-type");
    if (!kind || !block_object_is_kind(kind)) {
        return kind ? bad(err, "invalid object type: %s", kind)
                    : bad(err, "Parameter 'qom-type' is missing");
    }
    if (!id || !*id) {
        return bad(err, "Parameter 'id' is missing");
    }
    Object *o = g_new0(Object, 1);
    bool ok = true;
    if (!strcmp(kind, "secret")) {
        ok = make_secret(opts, o, err);
    } else {
        o->opts =
            tls_is_kind(kind) ? tls_check_opts(kind, opts, err) : authz_check_opts(kind, opts, err);
        ok = o->opts != NULL;
    }
    if (!ok) {
        object_free(o);
        return false;
    }
    g_mutex_lock(&objects.lock);
    if (!objects.by_id) {
        objects.by_id = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, object_free);
    }
    ok = !g_hash_table_contains(objects.by_id, id);
    if (ok) {
        g_hash_table_insert(objects.by_id, g_strdup(id), o);
    }
    g_mutex_unlock(&objects.lock);
    if (!ok) {
        object_free(o);
        return bad(err, "attempt to add duplicate object '%s'", id);
    }
    return true;
}

bool block_object_del(const char *id, GError **err)
{
    g_mutex_lock(&objects.lock);
    bool ok = objects.by_id && g_hash_table_remove(objects.by_id, id);
    g_mutex_unlock(&objects.lock);
    return ok || bad(err, "object '%s' not found", id);
}

static const Object *find(const char *id)
{
    return objects.by_id ? g_hash_table_lookup(objects.by_id, id) : NULL;
}

Opts *block_object_opts(const char *id, const char *family, GError **err)
{
    g_mutex_lock(&objects.lock);
    const Object *o = find(id);
    bool fits = o && o->opts && g_str_has_prefix(opts_get(o->opts, "kind"), family);
    Opts *copy = fits ? opts_copy(o->opts) : NULL;
    g_mutex_unlock(&objects.lock);
    if (!copy && !strcmp(family, "tls-creds-")) {
        bad(err,
            o ? "Object with id '%s' is not TLS credentials" : "No TLS credentials with id '%s'",
            id);
    } else if (!copy) {
        bad(err,
            o ? "Object with id '%s' is not a list of who may connect" : "No object with id '%s'",
            id);
    }
    return copy;
}

char *block_secret_get(const char *id, size_t *len, GError **err)
{
    g_mutex_lock(&objects.lock);
    const Object *o = find(id);
    char *copy = NULL;
    if (o && o->data) {
        copy = g_malloc(o->len + 1);
        memcpy(copy, o->data, o->len + 1);
        *len = o->len;
    }
    g_mutex_unlock(&objects.lock);
    if (!copy) {
        bad(err, o ? "Object with id '%s' is not a secret" : "No secret with id '%s'", id);
    }
    return copy;
}

char *block_secret_text(const char *id, GError **err)
{
    size_t len;
    char *text = block_secret_get(id, &len, err);
    if (text && !g_utf8_validate(text, len, NULL)) {
        bad(err, "Data from secret %s is not valid UTF-8", id);
        block_secret_free(text);
        return NULL;
    }
    return text;
}

void block_secret_free(char *secret)
{
    if (secret) {
        explicit_bzero(secret, strlen(secret));
        g_free(secret);
    }
}
