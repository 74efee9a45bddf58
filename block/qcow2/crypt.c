/* SPDX-License-Identifier: MIT */
/* Encrypted guest data ("Data encryption"): LUKS, whose header lies in clusters of the image and
 * whose sectors are numbered by host offset, and the old AES-CBC by guest offset. */
#include "block/qcow2/qcow2.h"
#include "block/crypto/io.h"
#include "block/secret.h"

enum { AES_KEY = 16 };

static const char *const formats[] = { "", "aes", "luks", NULL };

static bool open_aes(Qcow2 *s, const char *secret, GError **err)
{
    uint8_t key[AES_KEY] = { 0 };
    char *password = block_secret_text(secret, err);
    if (!password) {
        return false;
    }
    memcpy(key, password, MIN(strlen(password), sizeof(key)));
    block_secret_free(password);
    s->aes = block_cipher_new(cipher_find("aes", AES_KEY), CIPHER_CBC, CIPHER_PLAIN64, 0, key, err);
    explicit_bzero(key, sizeof(key));
    s->cipher = s->aes;
    return s->aes != NULL;
}

bool qcow2_crypt_open(Qcow2 *s, const Opts *opts, GError **err)
{
    const char *secret = opts_get(opts, "encrypt.key-secret");
    const char *format = opts_get(opts, "encrypt.format");
    const char *is = formats[s->crypt_method];
    bool need_key = !(s->node->flags & (BLOCK_NO_IO | BLOCK_CHECK));
    if (!s->crypt_method) {
        if (secret || format) {
            g_set_error(err, BLOCK_ERROR, EINVAL,
                        "No encryption in image header, but options specified format '%s'",
                        format ? format : "");
        }
        return !secret && !format;
    }
    s->node->encrypted = true;
    if (format && strcmp(format, is)) {
        g_set_error(err, BLOCK_ERROR, EINVAL,
                    "Header reported '%s' encryption format but options specify '%s'", is, format);
        return false;
    }
    if (need_key && !secret) {
        g_set_error(err, BLOCK_ERROR, EINVAL,
                    "Parameter 'encrypt.key-secret' is required for cipher");
        return false;
    }
    if (s->crypt_method == QCOW2_CRYPT_AES) {
        return !need_key || open_aes(s, secret, err);
    }
    if (!s->crypto_length) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "CRYPTO header extension not found");
        return false;
    }
    s->luks =
        luks_open(s->node->file, s->crypto_offset, s->crypto_length, need_key ? secret : NULL, err);
    s->cipher = s->luks ? luks_cipher(s->luks) : NULL;
    return s->luks != NULL;
}

void qcow2_crypt_close(Qcow2 *s)
{
    block_cipher_free(s->aes);
    luks_free(s->luks);
}

void qcow2_crypt_info(Qcow2 *s, Value *dict)
{
    if (s->luks) {
        luks_info(s->luks, dict, true);
    } else {
        value_set_string(dict, "format", formats[s->crypt_method]);
    }
}

bool qcow2_crypt_amend(Qcow2 *s, Opts *opts, GError **err)
{
    if (!s->luks) {
        g_set_error(err, BLOCK_ERROR, EINVAL,
                    "Only LUKS encryption options can be amended for qcow2 with amend");
        return false;
    }
    return luks_amend(s->luks, s->node->file, s->crypto_offset, opts, "encrypt.",
                      s->node->flags & BLOCK_FORCE, err);
}

bool qcow2_crypt_method(const Opts *opts, uint32_t *method, GError **err)
{
    const char *format = opts_get(opts, "encrypt.format");
    bool old = opt_bool(opts, qcow2_create_opts, "encryption");
    *method = old ? QCOW2_CRYPT_AES : QCOW2_CRYPT_NONE;
    if (format && old) {
        g_set_error(err, BLOCK_ERROR, EINVAL,
                    "Options encryption and encrypt.format are mutually exclusive");
        return false;
    }
    if (format) {
        *method = !strcmp(format, "luks")  ? QCOW2_CRYPT_LUKS
                  : !strcmp(format, "aes") ? QCOW2_CRYPT_AES
                                           : QCOW2_CRYPT_NONE;
        if (!*method) {
            g_set_error(err, BLOCK_ERROR, EINVAL, "Unknown encryption format %s", format);
            return false;
        }
    }
    return true;
}

uint64_t qcow2_crypt_header_size(const Opts *opts, GError **err)
{
    g_autoptr(Luks) luks = luks_new(opts, "encrypt.", false, err);
    return luks ? luks_payload_offset(luks) : 0;
}

/* The image is empty: it becomes an encrypted one. */
bool qcow2_crypt_create(Qcow2 *s, const Opts *opts, uint32_t method, GError **err)
{
    int ret = 0;
    const char *secret = opts_get(opts, "encrypt.key-secret");
    if (!secret) {
        g_set_error(err, BLOCK_ERROR, EINVAL,
                    "Parameter 'encrypt.key-secret' is required for cipher");
        return false;
    }
    if (method == QCOW2_CRYPT_LUKS) {
        g_autoptr(Luks) luks = luks_new(opts, "encrypt.", true, err);
        if (!luks) {
            return false;
        }
        uint64_t len = luks_payload_offset(luks), n = DIV_ROUND_UP(len, s->cluster_size), got;
        g_mutex_lock(&s->lock);
        int64_t host = qcow2_alloc(s, n, n, &got, NULL);
        g_mutex_unlock(&s->lock);
        ret = MIN(host, 0);
        if (!ret && !luks_write(luks, s->node->file, host, err)) {
            return false;
        }
        s->crypto_offset = host;
        s->crypto_length = len;
    }
    s->crypt_method = method;
    ret = ret ? ret : qcow2_commit(s);
    ret = ret ? ret : qcow2_write_header(s);
    ret = ret ? ret : qcow2_barrier(s);
    if (ret) {
        g_set_error(err, BLOCK_ERROR, -ret, "Could not write the encryption header: %s",
                    g_strerror(-ret));
    }
    return ret == 0 && qcow2_crypt_open(s, opts, err);
}

static uint64_t iv_offset(const Qcow2 *s, uint64_t guest, uint64_t host)
{
    return s->crypt_method == QCOW2_CRYPT_LUKS ? host : guest;
}

int qcow2_data_read(Qcow2 *s, uint64_t guest, uint64_t host, void *buf, uint64_t len)
{
    return s->cipher ? crypt_pread(s->cipher, s->data, host, iv_offset(s, guest, host), buf, len)
                     : block_pread(s->data, host, buf, len);
}

int qcow2_data_write(Qcow2 *s, uint64_t guest, uint64_t host, const void *buf, uint64_t len)
{
    return s->cipher ? crypt_pwrite(s->cipher, s->data, host, iv_offset(s, guest, host), buf, len)
                     : block_pwrite(s->data, host, buf, len);
}
