/* SPDX-License-Identifier: MIT */
/* Ciphers over whole 512-byte sectors, each with an IV made from its number. */
#ifndef BLOCK_CRYPTO_CIPHER_H
#define BLOCK_CRYPTO_CIPHER_H

#include "block/block.h"

#define CIPHER_SECTOR 512

typedef enum CipherMode { CIPHER_ECB, CIPHER_CBC, CIPHER_XTS, CIPHER_CTR } CipherMode;
typedef enum CipherIv { CIPHER_PLAIN, CIPHER_PLAIN64, CIPHER_ESSIV } CipherIv;

/* Names as options spell them, NULL-terminated: "aes-256", "xts", "plain64", "sha256". */
extern const char *const cipher_names[], *const cipher_mode_names[], *const cipher_iv_names[],
                                                                         *const cipher_hash_names[];

/* What a cipher is called in LUKS headers ("aes"), its key's bytes, its block's bytes. */
const char *cipher_family(int cipher);
unsigned cipher_key_bytes(int cipher);
unsigned cipher_block_bytes(int cipher);
/* Index of the cipher of that family and key size, or -1. */
int cipher_find(const char *family, unsigned key_bytes);

typedef struct BlockCipher BlockCipher;
/* `key` has cipher_key_bytes, twice as many for XTS. `iv_hash` is for ESSIV only. */
BlockCipher *block_cipher_new(int cipher, CipherMode mode, CipherIv iv, int iv_hash,
                              const uint8_t *key, GError **err);
void block_cipher_free(BlockCipher *c);
/* From sector number `sector` on; the last sector may be a part of one, in whole cipher blocks.
 * `dst` and `src` may be the same. Any number of threads at a time. */
void block_cipher_encrypt(const BlockCipher *c, uint64_t sector, uint8_t *dst, const uint8_t *src,
                          size_t len);
void block_cipher_decrypt(const BlockCipher *c, uint64_t sector, uint8_t *dst, const uint8_t *src,
                          size_t len);

unsigned hash_bytes(int hash);
/* Of `a` and then `b`; `b` may be NULL. */
void hash_digest(int hash, const void *a, size_t a_len, const void *b, size_t b_len, uint8_t *out);
/* PBKDF2 with HMAC (RFC 8018, section 5.2). */
void hash_pbkdf2(int hash, const char *password, size_t password_len, const uint8_t *salt,
                 size_t salt_len, unsigned iterations, uint8_t *out, size_t len);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BlockCipher, block_cipher_free)

#endif
