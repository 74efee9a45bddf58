/* SPDX-License-Identifier: MIT */
/* LUKS version 1 headers, per the "LUKS On-Disk Format Specification", version 1.2.3: the key
 * slots and the master key. The header lies at `base` in a file; where the payload lies is the
 * caller's business, and so is every error's file name. */
#ifndef BLOCK_CRYPTO_LUKS_H
#define BLOCK_CRYPTO_LUKS_H

#include "block/crypto/cipher.h"

#define LUKS_MAGIC     "LUKS\xba\xbe"
#define LUKS_MAGIC_LEN 6

typedef struct Luks Luks;

/* The options that creating takes, with a prefix ("" or "encrypt."). */
#define LUKS_CREATE_OPTS(p)                                                           \
    { p "key-secret", OPT_STR, NULL, LUKS_KEY_HELP },                                 \
        { p "cipher-alg", OPT_STR, NULL, "Name of encryption cipher algorithm" },     \
        { p "cipher-mode", OPT_STR, NULL, "Name of encryption cipher mode" },         \
        { p "ivgen-alg", OPT_STR, NULL, "Name of IV generator algorithm" },           \
        { p "ivgen-hash-alg", OPT_STR, NULL, "Name of IV generator hash algorithm" }, \
        { p "hash-alg", OPT_STR, NULL, "Name of encryption hash algorithm" },         \
    {                                                                                 \
        p "iter-time", OPT_NUM, NULL, "Time to spend in PBKDF in milliseconds"        \
    }
/* ... and those of changing the key slots. */
#define LUKS_AMEND_OPTS(p)                                                                   \
    { p "state", OPT_STR, NULL, "Select new state of affected keyslots (active/inactive)" }, \
        { p "new-secret", OPT_STR, NULL,                                                     \
          "New secret to set in the matching keyslots. Empty string to erase" },             \
        { p "old-secret", OPT_STR, NULL, "Select all keyslots that match this password" },   \
        { p "keyslot", OPT_NUM, NULL, "Select a single keyslot to modify explicitly" },      \
    {                                                                                        \
        p "iter-time", OPT_NUM, NULL, "Time to spend in PBKDF in milliseconds"               \
    }

/* Reads the header and, unless `key_secret` is NULL, gets the master key with that secret. `room`
 * is how many bytes the header may take. */
Luks *luks_open(BlockNode *file, uint64_t base, uint64_t room, const char *key_secret,
                GError **err);
void luks_free(Luks *l);
/* A new one in memory, with a random master key; by checked options, names as above. Without
 * `make_key` only its layout is good, for measuring. */
Luks *luks_new(const Opts *opts, const char *prefix, bool make_key, GError **err);
bool luks_write(const Luks *l, BlockNode *file, uint64_t base, GError **err);
/* Adds or erases keys of one that was unlocked. `force`: even the last. */
bool luks_amend(Luks *l, BlockNode *file, uint64_t base, const Opts *opts, const char *prefix,
                bool force, GError **err);
/* NULL while locked; owned by l. */
const BlockCipher *luks_cipher(const Luks *l);
uint64_t luks_payload_offset(const Luks *l); /* bytes */
/* `format`: adds the word "luks" where qcow2 has it. */
void luks_info(const Luks *l, Value *dict, bool format);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Luks, luks_free)

#endif
