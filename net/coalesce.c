/* SPDX-License-Identifier: MIT */
/* Coalescing TCP segments over IPv4 without options (coalesce.h). */
#include "net/coalesce.h"

#include <string.h>

enum {
    ETHERNET = 14,
    IP = ETHERNET,
    TCP = IP + 20,
    PAYLOAD = TCP + 20,
    IP_LENGTH = IP + 2,
    IP_FRAGMENT = IP + 6,
    IP_PROTOCOL = IP + 9,
    IP_SUM = IP + 10,
    IP_ADDRESSES = IP + 12, /* and TCP's ports behind them: 12 bytes */
    TCP_SEQ = TCP + 4,
    TCP_ACK = TCP + 8, /* … and length, flags, window: 8 bytes */
    TCP_FLAGS = TCP + 13,
    TCP_SUM = TCP + 16,
    ACK = 0x10,
    PSH = 0x08,
};

static uint32_t get16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
    return get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, uint32_t val)
{
    p[0] = (uint8_t)(val >> 8);
    p[1] = (uint8_t)val;
}

/* The plainest kind, which is what a stream of data consists of. */
static bool plain(const uint8_t *p, size_t size)
{
    return size > PAYLOAD && get16(p + 12) == 0x0800 && p[IP] == 0x45 && p[IP_PROTOCOL] == 6 &&
           !(get16(p + IP_FRAGMENT) & 0x3fff) && p[TCP + 12] == 0x50 &&
           (p[TCP_FLAGS] & ~PSH) == ACK && get16(p + IP_LENGTH) + ETHERNET == size;
}

static bool follows(const Coalescer *c, const uint8_t *p, size_t size)
{
    const uint8_t *q = c->packet;
    size_t payload = size - PAYLOAD;

    return !c->closed && payload <= c->segment && c->size + payload <= sizeof(c->packet) &&
           !memcmp(p, q, ETHERNET) && p[IP + 1] == q[IP + 1] && p[IP + 8] == q[IP + 8] &&
           !memcmp(p + IP_ADDRESSES, q + IP_ADDRESSES, 12) &&
           get32(p + TCP_SEQ) == get32(q + TCP_SEQ) + (uint32_t)(c->size - PAYLOAD);
}

bool coalesce_add(Coalescer *c, const uint8_t *p, size_t size)
{
    size_t payload = size - PAYLOAD;

    if (!plain(p, size) || size > sizeof(c->packet)) {
        return false;
    }
    if (!c->size) {
        memcpy(c->packet, p, size);
        c->size = size;
        c->segment = payload;
        c->pieces = 1;
        c->closed = p[TCP_FLAGS] & PSH;
        return true;
    }
    if (!follows(c, p, size)) {
        return false;
    }
    memcpy(c->packet + c->size, p + PAYLOAD, payload);
    memcpy(c->packet + TCP_ACK, p + TCP_ACK, 8); /* the newest of them */
    c->size += payload;
    c->pieces++;
    c->closed = payload < c->segment || p[TCP_FLAGS] & PSH;
    return true;
}

static uint32_t sum(const uint8_t *p, size_t size, uint32_t start)
{
    for (size_t i = 0; i < size; i += 2) {
        start += get16(p + i);
    }
    while (start >> 16) {
        start = (start & 0xffff) + (start >> 16);
    }
    return start;
}

void coalesce_finish(Coalescer *c)
{
    uint8_t *p = c->packet;

    c->header = (VnetHeader){ .flags = VNET_DATA_VALID };
    if (c->pieces == 1) {
        return;
    }
    c->header = (VnetHeader){ .flags = VNET_NEEDS_CSUM,
                              .gso_type = VNET_GSO_TCPV4,
                              .hdr_len = PAYLOAD,
                              .gso_size = (uint16_t)c->segment,
                              .csum_start = TCP,
                              .csum_offset = TCP_SUM - TCP };
    put16(p + IP_LENGTH, (uint32_t)(c->size - IP));
    put16(p + IP_SUM, 0);
    put16(p + IP_SUM, ~sum(p + IP, 20, 0));
    /* Of the pseudo header; the rest is the receiver's to add, should it want to. */
    put16(p + TCP_SUM, sum(p + IP_ADDRESSES, 8, (uint32_t)(6 + c->size - TCP)));
}
