/* SPDX-License-Identifier: MIT */
/* LUKS version 1: header fields ("2.1 PHDR"), anti-forensic splitting ("2.4"), unlocking and
 * changing key slots ("3", "4"). */
#include "block/crypto/luks.h"
#include "block/bytes.h"
#include "block/secret.h"
#include <errno.h>
#include <sys/random.h>
#include <time.h>

enum {
    PHDR_BYTES = 592,
    SLOTS = 8,
    STRIPES = 4000,
    SALT = 32,
    DIGEST = 20,
    MAX_KEY = 64,
    SLOT_ALIGN = 8, /* sectors */
    MIN_ITERATIONS = 1000,
    MAX_ITERATIONS = 1 << 25, /* some ten seconds, for each slot: a header must not take hours */
    MAX_STRIPES = 1 << 16,    /* more than anybody writes; bounds the memory a header asks for */
    SLOT_ACTIVE = 0x00ac71f3,
    SLOT_INACTIVE = 0x0000dead,
};

typedef struct Slot {
    bool active;
    uint32_t iterations, offset /* sectors */, stripes;
    uint8_t salt[SALT];
} Slot;

struct Luks {
    int cipher, hash, iv_hash;
    CipherMode mode;
    CipherIv iv;
    unsigned key_bytes;
    uint32_t payload; /* sectors */
    uint32_t digest_iterations;
    uint8_t digest[DIGEST], digest_salt[SALT];
    char uuid[40 + 1];
    Slot slots[SLOTS];
    uint8_t key[MAX_KEY];
    unsigned iter_time; /* ms, for new slots */
    char *new_secret;   /* of a header that is not yet written: whose key slot 0 gets */
    BlockCipher *unlocked;
};

static bool bad(GError **err, int code, const char *fmt, ...) G_GNUC_PRINTF(3, 4);
static bool bad(GError **err, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_set_error_literal(err, BLOCK_ERROR, code, text);
    return false;
}

static int find_name(const char *const *names, const char *name)
{
    for (int i = 0; names[i]; i++) {
        if (!strcmp(names[i], name)) {
            return i;
        }
    }
    return -1;
}

static uint32_t split_sectors(const Luks *l, uint32_t stripes)
{
    return DIV_ROUND_UP((uint64_t)l->key_bytes * stripes, CIPHER_SECTOR);
}

/* "xts-plain64", "cbc-essiv:sha256" */
static bool parse_mode(Luks *l, char *text, GError **err)
{
    char *iv = strchr(text, '-'), *hash = strchr(text, ':');
    if (iv) {
        *iv++ = 0;
    }
    if (hash) {
        *hash++ = 0;
    }
    int mode = find_name(cipher_mode_names, text);
    int ivgen = iv ? find_name(cipher_iv_names, iv) : mode == CIPHER_ECB ? CIPHER_PLAIN : -1;
    l->iv_hash = hash ? find_name(cipher_hash_names, hash) : l->hash;
    if (mode < 0 || ivgen < 0 || l->iv_hash < 0) {
        return bad(err, ENOTSUP,
                   "LUKS header: unknown cipher mode, IV generator or its hash: "
                   "'%s-%s:%s'",
                   text, iv ? iv : "", hash ? hash : "");
    }
    l->mode = mode;
    l->iv = ivgen;
    return true;
}

static bool read_slots(Luks *l, const uint8_t *h, uint64_t room, GError **err)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        const uint8_t *p = h + 208 + 48 * i;
        Slot *s = &l->slots[i];
        uint32_t active = ld_be32(p);
        s->active = active == SLOT_ACTIVE;
        s->iterations = ld_be32(p + 4);
        memcpy(s->salt, p + 8, SALT);
        s->offset = ld_be32(p + 40);
        s->stripes = ld_be32(p + 44);
        if (!s->active && active != SLOT_INACTIVE) {
            return bad(err, EINVAL, "LUKS header: key slot %u is neither in use nor free", i);
        }
        if (!s->stripes || s->stripes > MAX_STRIPES ||
            (s->active && (!s->iterations || s->iterations > MAX_ITERATIONS))) {
            return bad(err, EINVAL,
                       "LUKS header: key slot %u is corrupted (stripes %u, "
                       "iterations %u)",
                       i, s->stripes, s->iterations);
        }
        uint64_t end = s->offset + (uint64_t)split_sectors(l, s->stripes);
        if ((uint64_t)s->offset * CIPHER_SECTOR < PHDR_BYTES || end * CIPHER_SECTOR > room) {
            return bad(err, EINVAL, "LUKS header: key slot %u lies outside of the header", i);
        }
        for (unsigned j = 0; j < i; j++) {
            const Slot *o = &l->slots[j];
            if (s->offset < o->offset + (uint64_t)split_sectors(l, o->stripes) && o->offset < end) {
                return bad(err, EINVAL, "LUKS header: key slots %u and %u overlap", j, i);
            }
        }
    }
    return true;
}

static bool read_header(Luks *l, BlockNode *file, uint64_t base, uint64_t room, GError **err)
{
    uint8_t h[PHDR_BYTES];
    char name[33] = "", mode[33] = "", hash[33] = "";
    int ret = block_pread(file, base, h, sizeof(h));
    if (ret) {
        return bad(err, -ret, "Unable to read LUKS header: %s", g_strerror(-ret));
    }
    if (memcmp(h, LUKS_MAGIC, LUKS_MAGIC_LEN)) {
        return bad(err, EINVAL, "Volume is not in LUKS format");
    }
    if (ld_be16(h + 6) != 1) {
        return bad(err, ENOTSUP, "LUKS version %u is not supported", ld_be16(h + 6));
    }
    memcpy(name, h + 8, 32);
    memcpy(mode, h + 40, 32);
    memcpy(hash, h + 72, 32);
    l->payload = ld_be32(h + 104);
    l->key_bytes = ld_be32(h + 108);
    memcpy(l->digest, h + 112, DIGEST);
    memcpy(l->digest_salt, h + 132, SALT);
    l->digest_iterations = ld_be32(h + 164);
    memcpy(l->uuid, h + 168, 40);
    l->hash = find_name(cipher_hash_names, hash);
    if (l->hash < 0) {
        return bad(err, ENOTSUP, "LUKS header: hash algorithm '%s' is not supported", hash);
    }
    if (!parse_mode(l, mode, err)) {
        return false;
    }
    l->cipher = cipher_find(name, l->mode == CIPHER_XTS ? l->key_bytes / 2 : l->key_bytes);
    if (l->cipher < 0 || l->key_bytes > MAX_KEY) {
        return bad(err, ENOTSUP, "LUKS header: cipher '%s' with a key of %u bytes is not supported",
                   name, l->key_bytes);
    }
    if (!l->digest_iterations || l->digest_iterations > MAX_ITERATIONS) {
        return bad(err, EINVAL, "LUKS header: the key digest has %u iterations, not 1 to %d",
                   l->digest_iterations, MAX_ITERATIONS);
    }
    return read_slots(l, h, MIN(room, (uint64_t)l->payload * CIPHER_SECTOR), err);
}

/* H1 of "2.4": each digest-sized piece becomes the hash of its number and itself. */
static void diffuse(int hash, uint8_t *block, size_t len)
{
    unsigned n = hash_bytes(hash);
    uint8_t digest[64], index[4];
    for (size_t at = 0; at < len; at += n) {
        size_t piece = MIN(len - at, n);
        st_be32(index, at / n);
        hash_digest(hash, index, 4, block + at, piece, digest);
        memcpy(block + at, digest, piece);
    }
    explicit_bzero(digest, sizeof(digest));
}

static void xor_into(uint8_t *dst, const uint8_t *src, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        dst[i] ^= src[i];
    }
}

/* All stripes but the last, mixed. */
static void mix_stripes(const Luks *l, const uint8_t *split, uint32_t stripes, uint8_t *out)
{
    memset(out, 0, l->key_bytes);
    for (uint32_t i = 0; i + 1 < stripes; i++) {
        xor_into(out, split + (size_t)i * l->key_bytes, l->key_bytes);
        diffuse(l->hash, out, l->key_bytes);
    }
}

static bool fill_random(void *buf, size_t len, GError **err)
{
    for (size_t got = 0; got < len;) {
        ssize_t n = getrandom((uint8_t *)buf + got, len - got, 0);
        if (n < 0 && errno != EINTR) {
            return bad(err, errno, "Cannot get random bytes: %s", g_strerror(errno));
        }
        got += MAX(n, 0);
    }
    return true;
}

static BlockCipher *new_cipher(const Luks *l, const uint8_t *key, GError **err)
{
    return block_cipher_new(l->cipher, l->mode, l->iv, l->iv_hash, key, err);
}

/* Does this password open slot `i`? 1: yes, and `key` is the master key; 0: no; -1: error. */
static int try_slot(const Luks *l, BlockNode *file, uint64_t base, unsigned i, const char *password,
                    uint8_t *key, GError **err)
{
    const Slot *s = &l->slots[i];
    size_t len = (size_t)l->key_bytes * s->stripes;
    uint8_t derived[MAX_KEY], digest[DIGEST];
    g_autofree uint8_t *split = g_malloc(len);
    int ret = block_pread(file, base + (uint64_t)s->offset * CIPHER_SECTOR, split, len);
    if (ret) {
        bad(err, -ret, "Failed to read key material: %s", g_strerror(-ret));
        return -1;
    }
    hash_pbkdf2(l->hash, password, strlen(password), s->salt, SALT, s->iterations, derived,
                l->key_bytes);
    g_autoptr(BlockCipher) c = new_cipher(l, derived, err);
    explicit_bzero(derived, sizeof(derived));
    if (!c) {
        return -1;
    }
    block_cipher_decrypt(c, 0, split, split, len);
    mix_stripes(l, split, s->stripes, key);
    xor_into(key, split + len - l->key_bytes, l->key_bytes);
    explicit_bzero(split, len);
    hash_pbkdf2(l->hash, (const char *)key, l->key_bytes, l->digest_salt, SALT,
                l->digest_iterations, digest, DIGEST);
    return !memcmp(digest, l->digest, DIGEST);
}

static bool unlock(Luks *l, BlockNode *file, uint64_t base, const char *key_secret, GError **err)
{
    char *password = block_secret_text(key_secret, err);
    int found = 0;
    for (unsigned i = 0; password && i < SLOTS && !found; i++) {
        if (l->slots[i].active) {
            found = try_slot(l, file, base, i, password, l->key, err);
        }
    }
    block_secret_free(password);
    if (!found && password) {
        bad(err, EACCES, "Invalid password, cannot unlock any keyslot");
    }
    return found > 0 && (l->unlocked = new_cipher(l, l->key, err)) != NULL;
}

Luks *luks_open(BlockNode *file, uint64_t base, uint64_t room, const char *key_secret, GError **err)
{
    g_autoptr(Luks) l = g_new0(Luks, 1);
    if (!read_header(l, file, base, room, err) ||
        (key_secret && !unlock(l, file, base, key_secret, err))) {
        return NULL;
    }
    return g_steal_pointer(&l);
}

void luks_free(Luks *l)
{
    if (l) {
        block_cipher_free(l->unlocked);
        g_free(l->new_secret);
        explicit_bzero(l, sizeof(*l));
        g_free(l);
    }
}

static bool get_name(const Opts *opts, const char *prefix, const char *name,
                     const char *const *names, int def, int *out, GError **err)
{
    g_autofree char *key = g_strconcat(prefix, name, NULL);
    const char *value = opts_get(opts, key);
    *out = value ? find_name(names, value) : def;
    return *out >= 0 || bad(err, EINVAL, "Parameter '%s' does not accept value '%s'", name, value);
}

static const char *get_opt(const Opts *opts, const char *prefix, const char *name)
{
    g_autofree char *key = g_strconcat(prefix, name, NULL);
    return opts_get(opts, key);
}

static bool get_iter_time(const Opts *opts, const char *prefix, unsigned *out, GError **err)
{
    const char *text = get_opt(opts, prefix, "iter-time");
    uint64_t ms = text ? g_ascii_strtoull(text, NULL, 0) : 2000;
    if (!ms || ms > 600 * 1000) {
        return bad(err, EINVAL, "iter-time must be from 1 to 600000 milliseconds");
    }
    *out = ms;
    return true;
}

/* How many iterations take `ms` of this processor. */
static uint32_t count_iterations(int hash, unsigned ms, unsigned out_len)
{
    uint8_t out[MAX_KEY], salt[SALT] = { 0 };
    struct timespec a, b;
    double want = ms / 1000.0, sample = MIN(want, 0.1);
    for (unsigned n = 4096;; n *= 2) {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
        hash_pbkdf2(hash, "password", 8, salt, SALT, n, out, out_len);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
        double took = (b.tv_sec - a.tv_sec) + (b.tv_nsec - a.tv_nsec) / 1e9;
        if (took >= sample || n >= 1U << 30) {
            return CLAMP(n * want / took, MIN_ITERATIONS, MAX_ITERATIONS);
        }
    }
}

static bool make_master_key(Luks *l, GError **err)
{
    if (!fill_random(l->key, l->key_bytes, err) || !fill_random(l->digest_salt, SALT, err)) {
        return false;
    }
    l->digest_iterations = MAX(count_iterations(l->hash, l->iter_time, DIGEST) / 8, MIN_ITERATIONS);
    hash_pbkdf2(l->hash, (const char *)l->key, l->key_bytes, l->digest_salt, SALT,
                l->digest_iterations, l->digest, DIGEST);
    g_autofree char *uuid = g_uuid_string_random();
    g_strlcpy(l->uuid, uuid, sizeof(l->uuid));
    l->unlocked = new_cipher(l, l->key, err);
    return l->unlocked != NULL;
}

Luks *luks_new(const Opts *opts, const char *prefix, bool make_key, GError **err)
{
    g_autoptr(Luks) l = g_new0(Luks, 1);
    int mode, iv;
    const char *secret = get_opt(opts, prefix, "key-secret");
    if (!get_name(opts, prefix, "cipher-alg", cipher_names, cipher_find("aes", 32), &l->cipher,
                  err) ||
        !get_name(opts, prefix, "cipher-mode", cipher_mode_names, CIPHER_XTS, &mode, err) ||
        !get_name(opts, prefix, "ivgen-alg", cipher_iv_names, CIPHER_PLAIN64, &iv, err) ||
        !get_name(opts, prefix, "hash-alg", cipher_hash_names,
                  find_name(cipher_hash_names, "sha256"), &l->hash, err) ||
        !get_name(opts, prefix, "ivgen-hash-alg", cipher_hash_names,
                  find_name(cipher_hash_names, "sha256"), &l->iv_hash, err) ||
        !get_iter_time(opts, prefix, &l->iter_time, err)) {
        return NULL;
    }
    l->mode = mode;
    l->iv = iv;
    if (l->mode == CIPHER_XTS && cipher_block_bytes(l->cipher) != 16) {
        bad(err, EINVAL, "Unsupported cipher mode xts: %s has blocks of %u bytes",
            cipher_names[l->cipher], cipher_block_bytes(l->cipher));
        return NULL;
    }
    l->key_bytes = cipher_key_bytes(l->cipher) * (l->mode == CIPHER_XTS ? 2 : 1);
    uint32_t room = ROUND_UP(split_sectors(l, STRIPES), SLOT_ALIGN);
    for (unsigned i = 0; i < SLOTS; i++) {
        l->slots[i] = (Slot){ .offset = SLOT_ALIGN + i * room, .stripes = STRIPES };
    }
    l->payload = SLOT_ALIGN + SLOTS * room;
    if (make_key) {
        if (!secret) {
            bad(err, EINVAL, "Parameter '%skey-secret' is required for cipher", prefix);
            return NULL;
        }
        l->new_secret = g_strdup(secret);
        if (!make_master_key(l, err)) {
            return NULL;
        }
    }
    return g_steal_pointer(&l);
}

static int write_header(const Luks *l, BlockNode *file, uint64_t base)
{
    uint8_t h[PHDR_BYTES] = { 0 };
    g_autofree char *mode =
        g_strconcat(cipher_mode_names[l->mode], "-", cipher_iv_names[l->iv],
                    l->iv == CIPHER_ESSIV ? ":" : NULL, cipher_hash_names[l->iv_hash], NULL);
    memcpy(h, LUKS_MAGIC, LUKS_MAGIC_LEN);
    st_be16(h + 6, 1);
    g_strlcpy((char *)h + 8, cipher_family(l->cipher), 32);
    g_strlcpy((char *)h + 40, mode, 32);
    g_strlcpy((char *)h + 72, cipher_hash_names[l->hash], 32);
    st_be32(h + 104, l->payload);
    st_be32(h + 108, l->key_bytes);
    memcpy(h + 112, l->digest, DIGEST);
    memcpy(h + 132, l->digest_salt, SALT);
    st_be32(h + 164, l->digest_iterations);
    memcpy(h + 168, l->uuid, 40);
    for (unsigned i = 0; i < SLOTS; i++) {
        const Slot *s = &l->slots[i];
        uint8_t *p = h + 208 + 48 * i;
        st_be32(p, s->active ? SLOT_ACTIVE : SLOT_INACTIVE);
        st_be32(p + 4, s->iterations);
        memcpy(p + 8, s->salt, SALT);
        st_be32(p + 40, s->offset);
        st_be32(p + 44, s->stripes);
    }
    return block_pwrite(file, base, h, sizeof(h));
}

/* Puts the master key into a slot, under a password ("3.2"). */
static bool set_slot(Luks *l, BlockNode *file, uint64_t base, unsigned i, const char *secret,
                     GError **err)
{
    Slot *s = &l->slots[i];
    size_t len = (size_t)l->key_bytes * s->stripes;
    g_autofree uint8_t *split = g_malloc(ROUND_UP(len, CIPHER_SECTOR));
    uint8_t derived[MAX_KEY];
    char *password = block_secret_text(secret, err);
    if (!password || !fill_random(s->salt, SALT, err) ||
        !fill_random(split, ROUND_UP(len, CIPHER_SECTOR), err)) {
        block_secret_free(password);
        return false;
    }
    uint8_t *last = split + len - l->key_bytes;
    mix_stripes(l, split, s->stripes, last);
    xor_into(last, l->key, l->key_bytes);
    s->iterations = count_iterations(l->hash, l->iter_time, l->key_bytes);
    hash_pbkdf2(l->hash, password, strlen(password), s->salt, SALT, s->iterations, derived,
                l->key_bytes);
    block_secret_free(password);
    g_autoptr(BlockCipher) c = new_cipher(l, derived, err);
    explicit_bzero(derived, sizeof(derived));
    if (!c) {
        return false;
    }
    block_cipher_encrypt(c, 0, split, split, len);
    int ret = block_pwrite(file, base + (uint64_t)s->offset * CIPHER_SECTOR, split, len);
    ret = ret ? ret : block_flush(file);
    s->active = true;
    ret = ret ? ret : write_header(l, file, base);
    return ret == 0 || bad(err, -ret, "Unable to write key slot %u: %s", i, g_strerror(-ret));
}

/* The header first, so that what is half overwritten is not taken for a key. */
static bool erase_slot(Luks *l, BlockNode *file, uint64_t base, unsigned i, GError **err)
{
    Slot *s = &l->slots[i];
    size_t len = (size_t)split_sectors(l, s->stripes) * CIPHER_SECTOR;
    g_autofree uint8_t *junk = g_malloc(len);
    s->active = false;
    s->iterations = 0;
    memset(s->salt, 0, SALT);
    int ret = write_header(l, file, base);
    ret = ret ? ret : block_flush(file);
    /* Several passes of random bytes, as the specification advises for magnetic disks. */
    for (unsigned pass = 0; pass < 8 && !ret; pass++) {
        if (!fill_random(junk, len, err)) {
            return false;
        }
        ret = block_pwrite(file, base + (uint64_t)s->offset * CIPHER_SECTOR, junk, len);
        ret = ret ? ret : block_flush(file);
    }
    return ret == 0 || bad(err, -ret, "Unable to erase key slot %u: %s", i, g_strerror(-ret));
}

bool luks_write(const Luks *l, BlockNode *file, uint64_t base, GError **err)
{
    Luks copy = *l; /* slot 0 is filled in a copy, to keep `l` as it was made */
    int ret = block_write_zeroes(file, base, luks_payload_offset(l), 0);
    if (ret) {
        return bad(err, -ret, "Unable to write LUKS header: %s", g_strerror(-ret));
    }
    bool ok = set_slot(&copy, file, base, 0, l->new_secret, err);
    explicit_bzero(&copy, sizeof(copy));
    return ok;
}

static unsigned count_active(const Luks *l)
{
    unsigned n = 0;
    for (unsigned i = 0; i < SLOTS; i++) {
        n += l->slots[i].active;
    }
    return n;
}

static bool activate(Luks *l, BlockNode *file, uint64_t base, const Opts *opts, const char *prefix,
                     int slot, bool force, GError **err)
{
    const char *secret = get_opt(opts, prefix, "new-secret");
    if (!secret) {
        return bad(err, EINVAL, "'new-secret' is required to activate a keyslot");
    }
    if (get_opt(opts, prefix, "old-secret")) {
        return bad(err, EINVAL, "'old-secret' must not be given when activating keyslots");
    }
    if (!get_iter_time(opts, prefix, &l->iter_time, err)) {
        return false;
    }
    for (int i = 0; slot < 0 && i < SLOTS; i++) {
        slot = l->slots[i].active ? slot : i;
    }
    if (slot < 0) {
        return bad(err, ENOSPC, "Can't add a keyslot - all keyslots are in use");
    }
    if (l->slots[slot].active && !force) {
        return bad(err, EEXIST, "Refusing to overwrite active keyslot %d - please erase it first",
                   slot);
    }
    return set_slot(l, file, base, slot, secret, err);
}

static bool deactivate_matching(Luks *l, BlockNode *file, uint64_t base, const char *old_secret,
                                bool force, GError **err)
{
    bool match[SLOTS] = { 0 };
    unsigned matches = 0;
    uint8_t key[MAX_KEY];
    char *password = block_secret_text(old_secret, err);
    if (!password) {
        return false;
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        int r = l->slots[i].active ? try_slot(l, file, base, i, password, key, err) : 0;
        if (r < 0) {
            block_secret_free(password);
            return false;
        }
        match[i] = r;
        matches += r;
    }
    block_secret_free(password);
    explicit_bzero(key, sizeof(key));
    if (!matches) {
        return bad(err, EINVAL, "No keyslots match given (old) password for erase operation");
    }
    if (matches == count_active(l) && !force) {
        return bad(err, EINVAL,
                   "All the active keyslots match the (old) password that was given and erasing "
                   "them will erase all the data in the image irreversibly - refusing operation");
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        if (match[i] && !erase_slot(l, file, base, i, err)) {
            return false;
        }
    }
    return true;
}

static bool deactivate(Luks *l, BlockNode *file, uint64_t base, const Opts *opts,
                       const char *prefix, int slot, bool force, GError **err)
{
    const char *old_secret = get_opt(opts, prefix, "old-secret");
    if (get_opt(opts, prefix, "new-secret")) {
        return bad(err, EINVAL, "'new-secret' must not be given when erasing keyslots");
    }
    if (slot < 0) {
        return old_secret ? deactivate_matching(l, file, base, old_secret, force, err)
                          : bad(err, EINVAL,
                                "To erase keyslot(s), either explicit keyslot index "
                                "or the password currently contained in them must "
                                "be given");
    }
    if (!l->slots[slot].active && !force) {
        return bad(err, EINVAL, "Given keyslot %d is already erased (inactive) ", slot);
    }
    if (count_active(l) == 1 && l->slots[slot].active && !force) {
        return bad(err, EINVAL,
                   "Attempt to erase the only active keyslot %d which will erase all the data in "
                   "the image irreversibly - refusing operation",
                   slot);
    }
    return erase_slot(l, file, base, slot, err);
}

bool luks_amend(Luks *l, BlockNode *file, uint64_t base, const Opts *opts, const char *prefix,
                bool force, GError **err)
{
    static const char *const states[] = { "active", "inactive", NULL };
    const char *slot_text = get_opt(opts, prefix, "keyslot");
    uint64_t slot = slot_text ? g_ascii_strtoull(slot_text, NULL, 0) : 0;
    int state;
    if (!get_opt(opts, prefix, "state")) {
        return bad(err, EINVAL, "Parameter '%sstate' is missing", prefix);
    }
    if (!get_name(opts, prefix, "state", states, -1, &state, err)) {
        return false;
    }
    if (slot >= SLOTS) {
        return bad(err, EINVAL,
                   "Invalid keyslot %" G_GUINT64_FORMAT ". Keyslot must be between 0 and %d", slot,
                   SLOTS - 1);
    }
    if (!l->unlocked) {
        return bad(err, EINVAL, "Parameter '%skey-secret' is required for cipher", prefix);
    }
    return state == 0
               ? activate(l, file, base, opts, prefix, slot_text ? (int)slot : -1, force, err)
               : deactivate(l, file, base, opts, prefix, slot_text ? (int)slot : -1, force, err);
}

const BlockCipher *luks_cipher(const Luks *l)
{
    return l->unlocked;
}

uint64_t luks_payload_offset(const Luks *l)
{
    return (uint64_t)l->payload * CIPHER_SECTOR;
}

void luks_info(const Luks *l, Value *d, bool format)
{
    value_set_string(d, "ivgen-alg", cipher_iv_names[l->iv]);
    if (l->iv == CIPHER_ESSIV) {
        value_set_string(d, "ivgen-hash-alg", cipher_hash_names[l->iv_hash]);
    }
    value_set_string(d, "hash-alg", cipher_hash_names[l->hash]);
    value_set_string(d, "cipher-alg", cipher_names[l->cipher]);
    value_set_string(d, "uuid", l->uuid);
    if (format) {
        value_set_string(d, "format", "luks");
    }
    value_set_string(d, "cipher-mode", cipher_mode_names[l->mode]);
    Value *slots = value_set(d, "slots", value_new(VALUE_LIST));
    for (unsigned i = 0; i < SLOTS; i++) {
        const Slot *s = &l->slots[i];
        Value *v = value_append(slots, value_new(VALUE_DICT));
        value_set_bool(v, "active", s->active);
        if (s->active) {
            value_set_int(v, "iters", s->iterations);
        }
        value_set_int(v, "key-offset", (int64_t)s->offset * CIPHER_SECTOR);
        if (s->active) {
            value_set_int(v, "stripes", s->stripes);
        }
    }
    value_set_int(d, "payload-offset", luks_payload_offset(l));
    value_set_int(d, "master-key-iters", l->digest_iterations);
}
