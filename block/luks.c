/* SPDX-License-Identifier: MIT */
/* `luks`: a LUKS version 1 container, its header in front of the encrypted payload. */
#include "block/crypto/io.h"
#include "block/crypto/luks.h"
#include "block/bytes.h"
#include <errno.h>

#define LUKS_KEY_HELP "ID of the secret that provides the keyslot passphrase"

typedef struct LuksState {
    Luks *header;
    int64_t payload; /* bytes */
    GRWLock lock;    /* held for writing over read-modify-write of parts of sectors */
} LuksState;

static const OptDef luks_open_opts[] = {
    { "key-secret", OPT_STR, NULL, LUKS_KEY_HELP },
    { 0 },
};

static const OptDef luks_create_opts[] = {
    { "size", OPT_SIZE, NULL, "Virtual disk size" },
    LUKS_CREATE_OPTS(""),
    { 0 },
};

static const OptDef luks_amend_opts[] = { LUKS_AMEND_OPTS(""), { 0 } };

static int luks_probe(const uint8_t *buf, size_t len, const char *filename)
{
    (void)filename;
    return len >= 8 && !memcmp(buf, LUKS_MAGIC, LUKS_MAGIC_LEN) && ld_be16(buf + 6) == 1 ? 100 : 0;
}

static bool luks_node_open(BlockNode *node, Opts *opts, GError **err)
{
    LuksState *s = node->state;
    const char *secret = opts_get(opts, "key-secret");
    int64_t len = block_getlength(node->file);
    bool need_key = !(node->flags & BLOCK_NO_IO);
    if (need_key && !secret) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "Parameter 'key-secret' is required for cipher");
        return false;
    }
    s->header = luks_open(node->file, 0, MAX(len, 0), need_key ? secret : NULL, err);
    if (!s->header) {
        return false;
    }
    s->payload = luks_payload_offset(s->header);
    if (len < s->payload) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "The file ends before LUKS's payload begins");
        luks_free(s->header);
        return false;
    }
    g_rw_lock_init(&s->lock);
    node->encrypted = true;
    return true;
}

static void luks_close(BlockNode *node)
{
    LuksState *s = node->state;
    luks_free(s->header);
    g_rw_lock_clear(&s->lock);
}

static int luks_pread(BlockNode *node, int64_t off, void *buf, int64_t len)
{
    LuksState *s = node->state;
    return crypt_pread(luks_cipher(s->header), node->file, off + s->payload, off, buf, len);
}

static int write_part(BlockNode *node, int64_t off, const void *buf, int64_t len)
{
    LuksState *s = node->state;
    const BlockCipher *c = luks_cipher(s->header);
    int64_t from = ROUND_DOWN(off, CIPHER_SECTOR), to = ROUND_UP(off + len, CIPHER_SECTOR);
    g_autofree uint8_t *whole = g_try_malloc(to - from);
    if (!whole) {
        return -ENOMEM;
    }
    g_rw_lock_writer_lock(&s->lock);
    int ret = crypt_pread(c, node->file, from + s->payload, from, whole, CIPHER_SECTOR);
    if (!ret && to - from > CIPHER_SECTOR) {
        ret = crypt_pread(c, node->file, to - CIPHER_SECTOR + s->payload, to - CIPHER_SECTOR,
                          whole + (to - from) - CIPHER_SECTOR, CIPHER_SECTOR);
    }
    if (!ret) {
        memcpy(whole + (off - from), buf, len);
        ret = crypt_pwrite(c, node->file, from + s->payload, from, whole, to - from);
    }
    g_rw_lock_writer_unlock(&s->lock);
    return ret;
}

static int luks_pwrite(BlockNode *node, int64_t off, const void *buf, int64_t len)
{
    LuksState *s = node->state;
    if ((off | len) % CIPHER_SECTOR) {
        return write_part(node, off, buf, len);
    }
    g_rw_lock_reader_lock(&s->lock);
    int ret = crypt_pwrite(luks_cipher(s->header), node->file, off + s->payload, off, buf, len);
    g_rw_lock_reader_unlock(&s->lock);
    return ret;
}

static int luks_flush(BlockNode *node)
{
    return block_flush(node->file);
}

static int64_t luks_getlength(BlockNode *node)
{
    LuksState *s = node->state;
    int64_t len = block_getlength(node->file);
    return len < 0 ? len : MAX(len - s->payload, 0);
}

static bool luks_truncate(BlockNode *node, int64_t size, BlockPrealloc prealloc, GError **err)
{
    LuksState *s = node->state;
    if (size > BLOCK_MAX_SIZE - s->payload) {
        g_set_error(err, BLOCK_ERROR, EFBIG, "The requested file size is too large");
        return false;
    }
    return block_truncate(node->file, size + s->payload, prealloc, err);
}

static bool luks_create(const char *filename, Opts *opts, GError **err)
{
    if (!opts_check(opts, luks_create_opts, err)) {
        return false;
    }
    uint64_t size = ROUND_UP(opt_num(opts, luks_create_opts, "size"), BLOCK_SECTOR);
    g_autoptr(Luks) header = luks_new(opts, "", true, err);
    if (!header) {
        return false;
    }
    uint64_t payload = luks_payload_offset(header);
    if (size > (uint64_t)BLOCK_MAX_SIZE - payload) {
        g_set_error(err, BLOCK_ERROR, EFBIG, "The requested file size is too large");
        return false;
    }
    g_autoptr(BlockNode) file = block_create_file(filename, payload + size, NULL, err);
    return file && luks_write(header, file, 0, err);
}

static bool luks_measure(Opts *opts, BlockNode *source, uint64_t size, BlockMeasure *out,
                         GError **err)
{
    if (!opts_check(opts, luks_create_opts, err)) {
        return false;
    }
    g_autoptr(Luks) header = luks_new(opts, "", false, err);
    if (header) {
        size = source ? (uint64_t)source->size : ROUND_UP(size, BLOCK_SECTOR);
        out->required = out->fully_allocated = size + luks_payload_offset(header);
    }
    return header != NULL;
}

static bool luks_node_amend(BlockNode *node, Opts *opts, GError **err)
{
    LuksState *s = node->state;
    bool force = node->flags & BLOCK_FORCE;
    return opts_check(opts, luks_amend_opts, err) &&
           luks_amend(s->header, node->file, 0, opts, "", force, err);
}

static void luks_node_info(BlockNode *node, Value *dict)
{
    LuksState *s = node->state;
    luks_info(s->header, dict, false);
}

const BlockDriver block_driver_luks = {
    .name = "luks",
    .state_size = sizeof(LuksState),
    .open_opts = luks_open_opts,
    .create_opts = luks_create_opts,
    .amend_opts = luks_amend_opts,
    .probe = luks_probe,
    .open = luks_node_open,
    .close = luks_close,
    .create = luks_create,
    .pread = luks_pread,
    .pwrite = luks_pwrite,
    .flush = luks_flush,
    .getlength = luks_getlength,
    .truncate = luks_truncate,
    .info = luks_node_info,
    .measure = luks_measure,
    .amend = luks_node_amend,
};
