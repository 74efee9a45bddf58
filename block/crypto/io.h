/* SPDX-License-Identifier: MIT */
/* Encrypted data in a node: bytes at `off` of `file` are encrypted in sectors whose IVs count from
 * iv_off / 512, where iv_off is off moved by whole sectors. 0 or -errno. */
#ifndef BLOCK_CRYPTO_IO_H
#define BLOCK_CRYPTO_IO_H

#include "block/crypto/cipher.h"

/* Any alignment. */
int crypt_pread(const BlockCipher *c, BlockNode *file, int64_t off, int64_t iv_off, void *buf,
                int64_t len);
/* Whole sectors. */
int crypt_pwrite(const BlockCipher *c, BlockNode *file, int64_t off, int64_t iv_off,
                 const void *buf, int64_t len);

#endif
