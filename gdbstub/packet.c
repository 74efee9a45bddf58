/* SPDX-License-Identifier: MIT */
/* Packets of the remote protocol: $data#checksum, acknowledged by + or -. */
#include "gdbstub/gdbstub.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { INTERRUPT = 3, ESCAPE = '}', ESCAPE_XOR = 0x20 };

bool gdb_has_input(const GDBServer *s)
{
    return s->in_at < s->in_len;
}

static int read_byte(GDBServer *s)
{
    if (s->in_at == s->in_len) {
        ssize_t n;

        do {
            n = read(s->fd, s->in, sizeof(s->in));
        } while (n < 0 && errno == EINTR);
        if (n <= 0) {
            return -1;
        }
        s->in_at = 0;
        s->in_len = n;
    }
    return s->in[s->in_at++];
}

static void write_all(GDBServer *s, const char *data, size_t len)
{
    while (len) {
        ssize_t n = send(s->fd, data, len, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR) {
            return; /* the next read tells */
        }
        if (n > 0) {
            data += n;
            len -= n;
        }
    }
}

long gdb_read_packet(GDBServer *s, char *buf, size_t size)
{
    for (;;) {
        uint8_t sum = 0;
        size_t len = 0;
        char hex[3] = { 0 };
        unsigned want;
        int c = read_byte(s);

        if (c < 0 || c == INTERRUPT) {
            return c < 0 ? -1 : -2;
        }
        if (c != '$') { /* acknowledgements, noise */
            continue;
        }
        while ((c = read_byte(s)) >= 0 && c != '#') {
            sum += c;
            if (c == ESCAPE) {
                c = read_byte(s);
                if (c < 0) {
                    return -1;
                }
                sum += c;
                c ^= ESCAPE_XOR;
            }
            if (len + 1 < size) {
                buf[len++] = (char)c;
            }
        }
        for (int n = 0; n < 2 && c >= 0; n++) {
            c = read_byte(s);
            hex[n] = (char)c;
        }
        if (c < 0) {
            return -1;
        }
        buf[len] = 0;
        if (s->no_ack) {
            return (long)len;
        }
        if (sscanf(hex, "%2x", &want) == 1 && want == sum) {
            write_all(s, "+", 1);
            return (long)len;
        }
        write_all(s, "-", 1);
    }
}

void gdb_write_packet(GDBServer *s, const void *data, size_t len)
{
    g_autofree char *out = g_malloc(2 * len + 5);
    const uint8_t *in = data;
    uint8_t sum = 0;
    size_t n = 0;

    out[n++] = '$';
    for (size_t i = 0; i < len; i++) {
        uint8_t c = in[i];

        if (c == '#' || c == '$' || c == ESCAPE || c == '*') {
            out[n++] = ESCAPE;
            sum += ESCAPE;
            c ^= ESCAPE_XOR;
        }
        out[n++] = (char)c;
        sum += c;
    }
    n += sprintf(out + n, "#%02x", sum);
    write_all(s, out, n);
}
