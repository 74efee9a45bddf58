/* SPDX-License-Identifier: MIT */
/* Sector ciphers. The primitives are nettle's; modes that can do many blocks at a time call them
 * with a whole sector. XTS per IEEE 1619, ESSIV as LUKS 1 names it. */
#include "block/crypto/cipher.h"
#include "block/bytes.h"
#include <errno.h>
#include <nettle/aes.h>
#include <nettle/cast128.h>
#include <nettle/cbc.h>
#include <nettle/ctr.h>
#include <nettle/hmac.h>
#include <nettle/nettle-meta.h>
#include <nettle/pbkdf2.h>
#include <nettle/serpent.h>
#include <nettle/twofish.h>

enum { MAX_BLOCK = 16 };

typedef struct Kind {
    const char *family;
    uint8_t key, block; /* bytes */
    size_t context;
    nettle_set_key_func *set_encrypt, *set_decrypt;
    nettle_cipher_func *encrypt, *decrypt;
} Kind;

#define F(f) (void *)(f)
#define SAME_KEY(family, bytes, block, type, set, fn)                                        \
    {                                                                                        \
        family, bytes, block, sizeof(type), F(set), F(set), F(fn##_encrypt), F(fn##_decrypt) \
    }
#define AES(bits)                                                                            \
    {                                                                                        \
        "aes", bits / 8, 16, sizeof(struct aes##bits##_ctx), F(aes##bits##_set_encrypt_key), \
            F(aes##bits##_set_decrypt_key), F(aes##bits##_encrypt), F(aes##bits##_decrypt)   \
    }

const char *const cipher_names[] = { "aes-128",     "aes-192",     "aes-256",     "cast5-128",
                                     "serpent-128", "serpent-192", "serpent-256", "twofish-128",
                                     "twofish-192", "twofish-256", NULL };
static const Kind kinds[] = {
    AES(128),
    AES(192),
    AES(256),
    SAME_KEY("cast5", 16, 8, struct cast128_ctx, cast128_set_key, cast128),
    SAME_KEY("serpent", 16, 16, struct serpent_ctx, serpent128_set_key, serpent),
    SAME_KEY("serpent", 24, 16, struct serpent_ctx, serpent192_set_key, serpent),
    SAME_KEY("serpent", 32, 16, struct serpent_ctx, serpent256_set_key, serpent),
    SAME_KEY("twofish", 16, 16, struct twofish_ctx, twofish128_set_key, twofish),
    SAME_KEY("twofish", 24, 16, struct twofish_ctx, twofish192_set_key, twofish),
    SAME_KEY("twofish", 32, 16, struct twofish_ctx, twofish256_set_key, twofish),
};

const char *const cipher_mode_names[] = { "ecb", "cbc", "xts", "ctr", NULL };
const char *const cipher_iv_names[] = { "plain", "plain64", "essiv", NULL };
const char *const cipher_hash_names[] = { "md5",    "sha1",   "sha224",    "sha256",
                                          "sha384", "sha512", "ripemd160", NULL };
static const struct nettle_hash *const hashes[] = { &nettle_md5,      &nettle_sha1,
                                                    &nettle_sha224,   &nettle_sha256,
                                                    &nettle_sha384,   &nettle_sha512,
                                                    &nettle_ripemd160 };

struct BlockCipher {
    const Kind *kind;
    CipherMode mode;
    CipherIv iv;
    void *enc, *dec;     /* key schedules of the data */
    void *tweak;         /* of XTS's second key */
    const Kind *iv_kind; /* ESSIV's */
    void *iv_enc;
};

const char *cipher_family(int cipher)
{
    return kinds[cipher].family;
}

unsigned cipher_key_bytes(int cipher)
{
    return kinds[cipher].key;
}

unsigned cipher_block_bytes(int cipher)
{
    return kinds[cipher].block;
}

int cipher_find(const char *family, unsigned key_bytes)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (!strcmp(kinds[i].family, family) && kinds[i].key == key_bytes) {
            return i;
        }
    }
    return -1;
}

unsigned hash_bytes(int hash)
{
    return hashes[hash]->digest_size;
}

void hash_digest(int hash, const void *a, size_t a_len, const void *b, size_t b_len, uint8_t *out)
{
    const struct nettle_hash *h = hashes[hash];
    g_autofree void *ctx = g_malloc(h->context_size);
    h->init(ctx);
    h->update(ctx, a_len, a);
    if (b) {
        h->update(ctx, b_len, b);
    }
    h->digest(ctx, h->digest_size, out);
}

typedef struct Hmac {
    const struct nettle_hash *hash;
    void *outer, *inner, *state;
} Hmac;

static void hmac_update_cb(void *ctx, size_t len, const uint8_t *data)
{
    Hmac *m = ctx;
    m->hash->update(m->state, len, data);
}

static void hmac_digest_cb(void *ctx, size_t len, uint8_t *out)
{
    Hmac *m = ctx;
    hmac_digest(m->outer, m->inner, m->state, m->hash, len, out);
}

void hash_pbkdf2(int hash, const char *password, size_t password_len, const uint8_t *salt,
                 size_t salt_len, unsigned iterations, uint8_t *out, size_t len)
{
    const struct nettle_hash *h = hashes[hash];
    size_t size = h->context_size;
    g_autofree uint8_t *contexts = g_malloc(3 * size);
    Hmac m = { h, contexts, contexts + size, contexts + 2 * size };
    hmac_set_key(m.outer, m.inner, m.state, h, password_len, (const uint8_t *)password);
    pbkdf2(&m, hmac_update_cb, hmac_digest_cb, h->digest_size, iterations, salt_len, salt, len,
           out);
    explicit_bzero(contexts, 3 * size);
}

static bool essiv_init(BlockCipher *c, int iv_hash, const uint8_t *key, size_t key_len,
                       GError **err)
{
    uint8_t salt[64];
    unsigned n = hash_bytes(iv_hash);
    int which = cipher_find(c->kind->family, n);
    if (which < 0) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "No %s cipher with key size %u available for ESSIV",
                    c->kind->family, n);
        return false;
    }
    hash_digest(iv_hash, key, key_len, NULL, 0, salt);
    c->iv_kind = &kinds[which];
    c->iv_enc = g_malloc(c->iv_kind->context);
    c->iv_kind->set_encrypt(c->iv_enc, salt);
    explicit_bzero(salt, sizeof(salt));
    return true;
}

BlockCipher *block_cipher_new(int cipher, CipherMode mode, CipherIv iv, int iv_hash,
                              const uint8_t *key, GError **err)
{
    g_autoptr(BlockCipher) c = g_new0(BlockCipher, 1);
    const Kind *k = c->kind = &kinds[cipher];
    c->mode = mode;
    c->iv = iv;
    if (mode == CIPHER_XTS && k->block != 16) {
        g_set_error(err, BLOCK_ERROR, EINVAL,
                    "Unsupported cipher mode xts: %s has blocks of %u bytes", cipher_names[cipher],
                    k->block);
        return NULL;
    }
    c->enc = g_malloc(k->context);
    c->dec = g_malloc(k->context);
    k->set_encrypt(c->enc, key);
    k->set_decrypt(c->dec, key);
    if (mode == CIPHER_XTS) {
        c->tweak = g_malloc(k->context);
        k->set_encrypt(c->tweak, key + k->key);
    }
    size_t key_len = mode == CIPHER_XTS ? 2 * k->key : k->key;
    if (iv == CIPHER_ESSIV && !essiv_init(c, iv_hash, key, key_len, err)) {
        return NULL;
    }
    return g_steal_pointer(&c);
}

static void free_schedule(void *p, const Kind *kind)
{
    if (p) {
        explicit_bzero(p, kind->context);
        g_free(p);
    }
}

void block_cipher_free(BlockCipher *c)
{
    if (c) {
        free_schedule(c->enc, c->kind);
        free_schedule(c->dec, c->kind);
        free_schedule(c->tweak, c->kind);
        free_schedule(c->iv_enc, c->iv_kind);
        g_free(c);
    }
}

static void make_iv(const BlockCipher *c, uint64_t sector, uint8_t *iv)
{
    memset(iv, 0, MAX_BLOCK);
    if (c->iv == CIPHER_PLAIN) {
        st_le32(iv, sector);
    } else {
        st_le64(iv, sector);
    }
    if (c->iv == CIPHER_ESSIV) {
        c->iv_kind->encrypt(c->iv_enc, c->iv_kind->block, iv, iv);
    }
}

/* One data unit: all its tweaks first, so that the cipher sees many blocks in one call. */
static void xts(const BlockCipher *c, bool encrypt, const uint8_t *iv, uint8_t *dst,
                const uint8_t *src, size_t len)
{
    uint64_t tweaks[CIPHER_SECTOR / 8], t[2], buf[CIPHER_SECTOR / 8];
    c->kind->encrypt(c->tweak, 16, (uint8_t *)t, iv);
    uint64_t lo = GUINT64_FROM_LE(t[0]), hi = GUINT64_FROM_LE(t[1]);
    memcpy(buf, src, len);
    for (size_t i = 0; i < len / 8; i += 2) {
        tweaks[i] = GUINT64_TO_LE(lo);
        tweaks[i + 1] = GUINT64_TO_LE(hi);
        buf[i] ^= tweaks[i];
        buf[i + 1] ^= tweaks[i + 1];
        uint64_t carry = hi >> 63 ? 0x87 : 0; /* x^128 = x^7 + x^2 + x + 1 */
        hi = hi << 1 | lo >> 63;
        lo = lo << 1 ^ carry;
    }
    (encrypt ? c->kind->encrypt : c->kind->decrypt)(encrypt ? c->enc : c->dec, len, (uint8_t *)buf,
                                                    (const uint8_t *)buf);
    for (size_t i = 0; i < len / 8; i++) {
        buf[i] ^= tweaks[i];
    }
    memcpy(dst, buf, len);
}

static void one_sector(const BlockCipher *c, bool encrypt, uint64_t sector, uint8_t *dst,
                       const uint8_t *src, size_t len)
{
    const Kind *k = c->kind;
    uint8_t iv[MAX_BLOCK];
    if (c->mode != CIPHER_ECB) {
        make_iv(c, sector, iv);
    }
    switch (c->mode) {
    case CIPHER_ECB:
        (encrypt ? k->encrypt : k->decrypt)(encrypt ? c->enc : c->dec, len, dst, src);
        break;
    case CIPHER_CBC:
        if (encrypt) {
            cbc_encrypt(c->enc, k->encrypt, k->block, iv, len, dst, src);
        } else {
            cbc_decrypt(c->dec, k->decrypt, k->block, iv, len, dst, src);
        }
        break;
    case CIPHER_CTR:
        ctr_crypt(c->enc, k->encrypt, k->block, iv, len, dst, src);
        break;
    case CIPHER_XTS:
        xts(c, encrypt, iv, dst, src, len);
        break;
    }
}

static void all_sectors(const BlockCipher *c, bool encrypt, uint64_t sector, uint8_t *dst,
                        const uint8_t *src, size_t len)
{
    for (size_t at = 0, n; at < len; at += n, sector++) {
        n = MIN(len - at, CIPHER_SECTOR);
        one_sector(c, encrypt, sector, dst + at, src + at, n);
    }
}

void block_cipher_encrypt(const BlockCipher *c, uint64_t sector, uint8_t *dst, const uint8_t *src,
                          size_t len)
{
    all_sectors(c, true, sector, dst, src, len);
}

void block_cipher_decrypt(const BlockCipher *c, uint64_t sector, uint8_t *dst, const uint8_t *src,
                          size_t len)
{
    all_sectors(c, false, sector, dst, src, len);
}
