/* SPDX-License-Identifier: MIT */
/* 9P's way of writing things down: little endian, strings with a 16-bit length. A reader that runs
 * out of bytes, and a writer that runs out of room, remember it. */
#ifndef HW_9PFS_WIRE_H
#define HW_9PFS_WIRE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct WireIn {
    const uint8_t *p;
    size_t left;
    bool bad;
} WireIn;

static inline uint64_t wire_num(WireIn *in, unsigned size)
{
    uint64_t val = 0;
    if (in->left < size) {
        in->bad = true;
        in->left = 0;
        return 0;
    }
    memcpy(&val, in->p, size); /* the host is little endian */
    in->p += size;
    in->left -= size;
    return val;
}

/* g_free. Without zeros inside. */
static inline char *wire_string(WireIn *in)
{
    size_t len = (size_t)wire_num(in, 2);
    if (in->left < len || memchr(in->p, 0, len)) {
        in->bad = true;
        in->left = 0;
        return g_strdup("");
    }
    char *text = g_strndup((const char *)in->p, len);
    in->p += len;
    in->left -= len;
    return text;
}

typedef struct WireOut {
    uint8_t *buf;
    size_t size, len;
    bool full;
} WireOut;

static inline void wire_put_bytes(WireOut *out, const void *data, size_t len)
{
    if (len > out->size - out->len) {
        out->full = true;
        return;
    }
    memcpy(out->buf + out->len, data, len);
    out->len += len;
}

static inline void wire_put(WireOut *out, uint64_t val, unsigned size)
{
    wire_put_bytes(out, &val, size);
}

static inline void wire_put_string(WireOut *out, const char *text, size_t len)
{
    wire_put(out, len, 2);
    wire_put_bytes(out, text, len);
}

#endif
