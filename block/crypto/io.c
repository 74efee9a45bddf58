/* SPDX-License-Identifier: MIT */
/* Reads that decrypt and writes that encrypt. */
#include "block/crypto/io.h"
#include "block/bytes.h"
#include <errno.h>

#define CHUNK (1 << 20) /* most bytes to hold a second time */

/* A part of one sector. */
static int read_part(const BlockCipher *c, BlockNode *file, int64_t off, int64_t iv_off, void *buf,
                     int64_t len)
{
    uint8_t sector[CIPHER_SECTOR];
    int64_t within = iv_off % CIPHER_SECTOR;
    int ret = block_pread(file, off - within, sector, sizeof(sector));
    if (!ret) {
        block_cipher_decrypt(c, iv_off / CIPHER_SECTOR, sector, sector, sizeof(sector));
        memcpy(buf, sector + within, len);
    }
    return ret;
}

int crypt_pread(const BlockCipher *c, BlockNode *file, int64_t off, int64_t iv_off, void *buf,
                int64_t len)
{
    uint8_t *p = buf;
    int ret = 0;
    while (len && !ret) {
        int64_t within = iv_off % CIPHER_SECTOR, n = ROUND_DOWN(len, CIPHER_SECTOR);
        if (within || !n) {
            n = MIN(len, CIPHER_SECTOR - within);
            ret = read_part(c, file, off, iv_off, p, n);
        } else {
            ret = block_pread(file, off, p, n);
            if (!ret) {
                block_cipher_decrypt(c, iv_off / CIPHER_SECTOR, p, p, n);
            }
        }
        off += n;
        iv_off += n;
        p += n;
        len -= n;
    }
    return ret;
}

int crypt_pwrite(const BlockCipher *c, BlockNode *file, int64_t off, int64_t iv_off,
                 const void *buf, int64_t len)
{
    const uint8_t *p = buf;
    g_autofree uint8_t *bounce = g_try_malloc(MIN(len, CHUNK));
    int ret = bounce ? 0 : -ENOMEM;
    while (len && !ret) {
        int64_t n = MIN(len, CHUNK);
        block_cipher_encrypt(c, iv_off / CIPHER_SECTOR, bounce, p, n);
        ret = block_pwrite(file, off, bounce, n);
        off += n;
        iv_off += n;
        p += n;
        len -= n;
    }
    return ret;
}
