/* SPDX-License-Identifier: MIT */
/* Compressed clusters ("Compressed Clusters Descriptor"): raw deflate with a 4 KiB window, or
 * one zstd frame, packed byte after byte into host clusters. */
#include "block/qcow2/qcow2.h"
#include <zlib.h>
#include <zstd.h>

void qcow2_compressed_extent(const Qcow2 *s, uint64_t entry, uint64_t *off, uint64_t *len)
{
    unsigned x = 62 - (s->cluster_bits - 8);
    uint64_t sectors = ((entry & ~(QCOW2_COPIED | QCOW2_COMPRESSED)) >> x) + 1;
    *off = entry & ((1ULL << x) - 1);
    *len = sectors * 512 - (*off & 511);
}

/* What a thread needs to compress and decompress: hundreds of kilobytes each, which are not to be
 * allocated, cleared and given back for every cluster. */
typedef struct Codec {
    z_stream deflate, inflate; /* ready when state is there */
    ZSTD_CCtx *zstd_c;
    ZSTD_DCtx *zstd_d;
} Codec;

static void codec_free(gpointer p)
{
    Codec *c = p;
    if (c->deflate.state) {
        deflateEnd(&c->deflate);
    }
    if (c->inflate.state) {
        inflateEnd(&c->inflate);
    }
    ZSTD_freeCCtx(c->zstd_c);
    ZSTD_freeDCtx(c->zstd_d);
    g_free(c);
}

static GPrivate codecs = G_PRIVATE_INIT(codec_free);

static Codec *codec(void)
{
    Codec *c = g_private_get(&codecs);
    if (!c) {
        c = g_new0(Codec, 1);
        g_private_set(&codecs, c);
    }
    return c;
}

static int inflate_cluster(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len)
{
    z_stream *z = &codec()->inflate;
    if (z->state ? inflateReset(z) != Z_OK : inflateInit2(z, -12) != Z_OK) {
        return -ENOMEM;
    }
    z->next_in = (uint8_t *)in;
    z->avail_in = in_len;
    z->next_out = out;
    z->avail_out = out_len;
    int ret = inflate(z, Z_FINISH);
    /* The input runs on to the end of its sector: trailing bytes are not ours. */
    return (ret == Z_STREAM_END || (ret == Z_BUF_ERROR && !z->avail_out)) && !z->avail_out ? 0
                                                                                           : -EIO;
}

static int unzstd_cluster(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len)
{
    Codec *c = codec();
    ZSTD_inBuffer ib = { in, in_len, 0 };
    ZSTD_outBuffer ob = { out, out_len, 0 };
    if (!c->zstd_d && !(c->zstd_d = ZSTD_createDCtx())) {
        return -ENOMEM;
    }
    ZSTD_DCtx_reset(c->zstd_d, ZSTD_reset_session_only);
    while (ob.pos < ob.size) {
        size_t in_before = ib.pos, out_before = ob.pos;
        size_t left = ZSTD_decompressStream(c->zstd_d, &ob, &ib);
        if (ZSTD_isError(left) || (ib.pos == in_before && ob.pos == out_before)) {
            return -EIO;
        }
    }
    return 0;
}

/* The cluster of an L2 entry, all of it. */
static int read_cluster(Qcow2 *s, uint64_t entry, uint8_t *out)
{
    uint64_t off, clen;
    qcow2_compressed_extent(s, entry, &off, &clen);
    g_autofree uint8_t *in = g_try_malloc(clen);
    if (!in) {
        return -ENOMEM;
    }
    qcow2_event(s, BLOCK_EV_READ_COMPRESSED);
    int ret = block_pread(s->node->file, off, in, clen);
    return ret                            ? ret
           : s->compression == QCOW2_ZSTD ? unzstd_cluster(in, clen, out, s->cluster_size)
                                          : inflate_cluster(in, clen, out, s->cluster_size);
}

int qcow2_read_compressed(Qcow2 *s, uint64_t entry, uint64_t within, void *buf, uint64_t len)
{
    g_mutex_lock(&s->comp_lock);
    bool hit = s->comp_cached == entry;
    if (hit) {
        memcpy(buf, s->comp_data + within, len);
    }
    g_mutex_unlock(&s->comp_lock);
    if (hit) {
        return 0;
    }
    if (len == s->cluster_size) {
        return read_cluster(s, entry, buf); /* straight to where it is wanted */
    }
    g_autofree uint8_t *out = g_try_malloc(s->cluster_size);
    int ret = out ? read_cluster(s, entry, out) : -ENOMEM;
    if (!ret) {
        memcpy(buf, out + within, len);
        g_mutex_lock(&s->comp_lock);
        g_free(s->comp_data);
        s->comp_data = g_steal_pointer(&out);
        s->comp_cached = entry;
        g_mutex_unlock(&s->comp_lock);
    }
    return ret;
}

/* Bytes written, or 0 when it does not get smaller than a cluster. */
static size_t compress_cluster(const Qcow2 *s, const uint8_t *in, uint8_t *out)
{
    size_t room = s->cluster_size - 1;
    Codec *c = codec();
    if (s->compression == QCOW2_ZSTD) {
        if (!c->zstd_c && !(c->zstd_c = ZSTD_createCCtx())) {
            return 0;
        }
        size_t n =
            ZSTD_compressCCtx(c->zstd_c, out, room, in, s->cluster_size, ZSTD_CLEVEL_DEFAULT);
        return ZSTD_isError(n) ? 0 : n;
    }
    z_stream *z = &c->deflate;
    if (z->state ? deflateReset(z) != Z_OK
                 : deflateInit2(z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -12, 9, Z_DEFAULT_STRATEGY) !=
                       Z_OK) {
        return 0;
    }
    z->next_in = (uint8_t *)in;
    z->avail_in = s->cluster_size;
    z->next_out = out;
    z->avail_out = room;
    return deflate(z, Z_FINISH) == Z_STREAM_END ? z->total_out : 0;
}

/* Room for `n` bytes behind the last compressed cluster, or in a new host cluster. Each host
 * cluster counts the compressed ones that touch it. */
static int64_t alloc_bytes(Qcow2 *s, uint64_t n)
{
    uint64_t at = s->comp_next, room = at ? s->cluster_size - (at & (s->cluster_size - 1)) : 0;
    uint64_t count = 0;
    int ret;
    qcow2_event(s, BLOCK_EV_CLUSTER_ALLOC_BYTES);
    if (at) {
        ret = qcow2_rc_get(s, at >> s->cluster_bits, &count);
        if (ret || count >= s->refcount_max || !count) {
            at = room = 0;
        }
    }
    if (!at || room < n) {
        int64_t fresh = qcow2_alloc(s, 1, 1, NULL, NULL);
        if (fresh < 0) {
            return fresh;
        }
        if (!at || (at | (s->cluster_size - 1)) + 1 != (uint64_t)fresh) {
            s->comp_next = n == s->cluster_size ? 0 : fresh + n;
            return fresh;
        }
    }
    ret = qcow2_rc_add(s, at >> s->cluster_bits, 1, 1);
    if (ret) {
        return ret;
    }
    s->comp_next = (at + n) & (s->cluster_size - 1) ? at + n : 0;
    return at;
}

static int store_compressed(Qcow2 *s, uint64_t off, const uint8_t *data, uint64_t n)
{
    unsigned x = 62 - (s->cluster_bits - 8);
    uint64_t old, bitmap;
    g_mutex_lock(&s->lock);
    int64_t at = alloc_bytes(s, n);
    g_mutex_unlock(&s->lock);
    if (at < 0) {
        return at;
    }
    uint64_t sectors = ((at + n - 1) >> 9) - ((uint64_t)at >> 9);
    uint64_t entry = QCOW2_COMPRESSED | sectors << x | (uint64_t)at;
    if ((uint64_t)at >> x) {
        return -EFBIG;
    }
    g_mutex_lock(&s->comp_lock);
    s->comp_cached = 0; /* the same place and length may hold something else now */
    g_mutex_unlock(&s->comp_lock);
    qcow2_event(s, BLOCK_EV_WRITE_COMPRESSED);
    int ret = block_pwrite(s->node->file, at, data, n);
    g_mutex_lock(&s->lock);
    ret = ret ? ret : qcow2_l2_get(s, off, &old, &bitmap);
    qcow2_event(s, BLOCK_EV_L2_UPDATE_COMPRESSED);
    ret = ret ? ret : qcow2_l2_set(s, off, entry, 0);
    qcow2_free_entry(s, ret ? entry : old);
    ret = ret ? ret : qcow2_settle(s);
    g_mutex_unlock(&s->lock);
    return ret;
}

int qcow2_pwrite_compressed(BlockNode *node, int64_t off, const void *buf, int64_t len)
{
    Qcow2 *s = node->state;
    if (s->crypt_method) {
        return -ENOTSUP;
    }
    const uint8_t *in = buf;
    g_autofree uint8_t *padded = NULL, *out = g_try_malloc(s->cluster_size);
    if (s->data != node->file) {
        return -ENOTSUP; /* "Compressed clusters are not allowed with external data files" */
    }
    if (off & (s->cluster_size - 1)) {
        return -EINVAL;
    }
    while (len) {
        uint64_t n = MIN((uint64_t)len, s->cluster_size);
        RangeLock r;
        int ret;
        if (n < s->cluster_size && (uint64_t)off + n != s->size) {
            return -EINVAL;
        }
        if (n < s->cluster_size) {
            padded = g_malloc0(s->cluster_size);
            memcpy(padded, in, n);
        }
        size_t clen = out ? compress_cluster(s, padded ? padded : in, out) : 0;
        if (clen) {
            qcow2_range_lock(s, &r, off, n, RANGE_EXCLUSIVE);
            g_mutex_lock(&s->lock);
            ret = qcow2_bitmaps_start(s);
            qcow2_bitmaps_record(s, off, n);
            g_mutex_unlock(&s->lock);
            ret = ret ? ret : store_compressed(s, off, out, clen);
            qcow2_range_unlock(s, &r);
        } else {
            ret = qcow2_pwrite(node, off, in, n);
        }
        if (ret) {
            return ret;
        }
        off += n;
        in += n;
        len -= n;
    }
    return 0;
}
