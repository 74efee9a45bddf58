/* SPDX-License-Identifier: MIT */
/* Looking at and changing Ethernet packets (eth.h). */
#include "hw/net/eth.h"

#include <string.h>
#include <zlib.h>

/* ---- headers ------------------------------------------------------------------------------- */

static void parse_ip4(EthHeaders *h, const uint8_t *ip, size_t left)
{
    unsigned header = left >= 20 ? (ip[0] & 15) * 4u : 0;
    unsigned total = left >= 20 ? eth_get16(ip + 2) : 0;
    if (header < 20 || ip[0] >> 4 != 4 || total < header || total > left) {
        return;
    }
    h->version = 4;
    h->end = h->l3 + total;
    h->fragment = eth_get16(ip + 6) & 0x3fff;
    if (!h->fragment) {
        h->proto = ip[9];
        h->l4 = h->l3 + header;
    }
}

/* Hop-by-hop and destination options, routing headers and fragments are stepped over. */
static void parse_ip6(EthHeaders *h, const uint8_t *ip, size_t left)
{
    enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, DESTINATION = 60 };
    if (left < 40 || ip[0] >> 4 != 6 || eth_get16(ip + 4) + 40u > left) {
        return;
    }
    unsigned at = 40, total = eth_get16(ip + 4) + 40u;
    uint8_t next = ip[6];
    h->version = 6;
    h->end = h->l3 + total;
    while (next == HOP_BY_HOP || next == ROUTING || next == DESTINATION || next == FRAGMENT) {
        unsigned size = at + 8 <= total ? next == FRAGMENT ? 8 : (ip[at + 1] + 1u) * 8 : 0;
        if (!size || at + size > total) {
            return;
        }
        h->fragment |= next == FRAGMENT;
        next = ip[at];
        at += size;
    }
    if (!h->fragment) {
        h->proto = next;
        h->l4 = h->l3 + at;
    }
}

void eth_parse(EthHeaders *h, const uint8_t *packet, size_t len)
{
    unsigned at = ETH_HEADER;
    memset(h, 0, sizeof(*h));
    if (len < ETH_HEADER) {
        return;
    }
    h->type = eth_get16(packet + 12);
    if (h->type == ETH_TYPE_VLAN && len >= ETH_HEADER + 4) {
        h->tagged = true;
        h->tci = eth_get16(packet + 14);
        h->type = eth_get16(packet + 16);
        at += 4;
    }
    h->l3 = at;
    if (h->type == ETH_TYPE_IP4) {
        parse_ip4(h, packet + at, len - at);
    } else if (h->type == ETH_TYPE_IP6) {
        parse_ip6(h, packet + at, len - at);
    }
    unsigned least = h->proto == ETH_PROTO_TCP ? 20 : h->proto == ETH_PROTO_UDP ? 8 : 0;
    if (h->l4 + least > h->end) {
        h->l4 = 0;
        h->proto = 0;
    }
}

/* ---- checksums ----------------------------------------------------------------------------- */

uint32_t eth_sum(const uint8_t *data, size_t len, uint32_t start)
{
    uint64_t sum = start;
    while (len >= 4) {
        sum += eth_get32(data);
        data += 4;
        len -= 4;
    }
    if (len >= 2) {
        sum += eth_get16(data);
        data += 2;
        len -= 2;
    }
    sum += len ? (uint32_t)data[0] << 8 : 0;
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint32_t)sum;
}

uint16_t eth_sum_finish(uint32_t sum)
{
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

uint32_t eth_pseudo_sum(const EthHeaders *h, const uint8_t *packet)
{
    const uint8_t *ip = packet + h->l3;
    uint32_t sum = h->proto + (h->end - h->l4);
    return h->version == 4 ? eth_sum(ip + 12, 8, sum) : eth_sum(ip + 8, 32, sum);
}

int eth_check_ip(const EthHeaders *h, const uint8_t *packet)
{
    if (h->version != 4) {
        return -1;
    }
    return eth_sum_finish(eth_sum(packet + h->l3, (packet[h->l3] & 15) * 4u, 0)) == 0;
}

static unsigned sum_field(const EthHeaders *h)
{
    return h->l4 && h->proto == ETH_PROTO_TCP   ? h->l4 + 16
           : h->l4 && h->proto == ETH_PROTO_UDP ? h->l4 + 6
                                                : 0;
}

int eth_check_l4(const EthHeaders *h, const uint8_t *packet)
{
    unsigned field = sum_field(h);
    if (!field || (h->proto == ETH_PROTO_UDP && eth_get16(packet + field) == 0)) {
        return -1;
    }
    uint32_t sum = eth_sum(packet + h->l4, h->end - h->l4, eth_pseudo_sum(h, packet));
    return eth_sum_finish(sum) == 0;
}

void eth_fill_ip_sum(const EthHeaders *h, uint8_t *packet)
{
    if (h->version == 4) {
        uint8_t *ip = packet + h->l3;
        eth_put16(ip + 10, 0);
        eth_put16(ip + 10, eth_sum_finish(eth_sum(ip, (ip[0] & 15) * 4u, 0)));
    }
}

void eth_fill_l4_sum(const EthHeaders *h, uint8_t *packet)
{
    unsigned field = sum_field(h);
    if (field) {
        eth_put16(packet + field, 0);
        uint32_t sum = eth_sum(packet + h->l4, h->end - h->l4, eth_pseudo_sum(h, packet));
        uint16_t val = eth_sum_finish(sum);
        /* 0 would say that there is none (RFC 768) */
        eth_put16(packet + field, !val && h->proto == ETH_PROTO_UDP ? 0xffff : val);
    }
}

/* ---- tags ---------------------------------------------------------------------------------- */

size_t eth_insert_tag(uint8_t *packet, size_t len, uint16_t type, uint16_t tci)
{
    if (len < 12) {
        return len;
    }
    memmove(packet + 16, packet + 12, len - 12);
    eth_put16(packet + 12, type);
    eth_put16(packet + 14, tci);
    return len + 4;
}

size_t eth_remove_tag(uint8_t *packet, size_t len)
{
    memmove(packet + 12, packet + 16, len - 16);
    return len - 4;
}

/* ---- segments ------------------------------------------------------------------------------ */

static void fix_headers(const EthSegments *s, uint8_t *out, size_t len, bool last)
{
    enum { TCP_SEQ = 4, TCP_FLAGS = 13, FIN = 1, PSH = 8, CWR = 0x80 };
    uint8_t *ip = out + s->l3, *l4 = out + s->l4;
    if (s->version == 4) {
        eth_put16(ip + 2, (uint32_t)(len - s->l3));
        eth_put16(ip + 4, eth_get16(ip + 4) + s->index);
    } else {
        eth_put16(ip + 4, (uint32_t)(len - s->l3 - 40));
    }
    if (!s->tcp) {
        eth_put16(l4 + 4, (uint32_t)(len - s->l4));
        return;
    }
    eth_put32(l4 + TCP_SEQ, eth_get32(l4 + TCP_SEQ) + s->done);
    if (!last) {
        l4[TCP_FLAGS] &= (uint8_t) ~(FIN | PSH);
    }
    if (s->index) {
        l4[TCP_FLAGS] &= (uint8_t)~CWR; /* RFC 3168, 6.1.2: once */
    }
}

size_t eth_next_segment(EthSegments *s, const uint8_t *packet, size_t len, uint8_t *out)
{
    size_t left = len - s->header - s->done, part = left < s->mss ? left : s->mss;
    if (len <= s->header + s->done && s->index) {
        return 0;
    }
    memcpy(out, packet, s->header);
    memcpy(out + s->header, packet + s->header + s->done, part);
    fix_headers(s, out, s->header + part, part == left);
    s->done += (unsigned)part;
    s->index++;
    return s->header + part;
}

/* ---- hashes -------------------------------------------------------------------------------- */

uint32_t eth_toeplitz(const uint8_t key[ETH_RSS_KEY], const uint8_t *data, size_t len)
{
    uint32_t window = eth_get32(key), hash = 0;
    for (size_t i = 0; i < len; i++) {
        for (int bit = 7; bit >= 0; bit--) {
            hash ^= data[i] >> bit & 1 ? window : 0;
            window = window << 1 | (key[i + 4] >> bit & 1);
        }
    }
    return hash;
}

size_t eth_rss_input(const EthHeaders *h, const uint8_t *packet, bool ports, uint8_t out[36])
{
    size_t len = h->version == 4 ? 8 : h->version == 6 ? 32 : 0;
    if (len) {
        memcpy(out, packet + h->l3 + (h->version == 4 ? 12 : 8), len);
    }
    if (len && ports && h->l4) {
        memcpy(out + len, packet + h->l4, 4);
        len += 4;
    }
    return len;
}

/* zlib's CRC-32 is Ethernet's with its bits reversed: the last six come out first. */
unsigned eth_crc_hash(const uint8_t mac[6])
{
    uint32_t crc = ~(uint32_t)crc32(0, mac, 6);
    unsigned index = 0;
    for (int i = 0; i < 6; i++) {
        index = index << 1 | (crc >> i & 1);
    }
    return index;
}
