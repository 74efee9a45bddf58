/* SPDX-License-Identifier: MIT */
/*
 * Ethernet packets as NICs with offloads look at them: headers (IEEE 802.3, 802.1Q; RFC 791, 8200,
 * 9293, 768), the internet checksum (RFC 1071), segmentation, and the Toeplitz hash of receive-side
 * scaling.
 */
#ifndef HW_NET_ETH_H
#define HW_NET_ETH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ETH_HEADER = 14,    /* addresses and type */
    ETH_MIN_FRAME = 60, /* without the check sequence */
    ETH_FCS = 4,
    ETH_MAX_PACKET = 65536 + 128, /* a segment's largest form, before it is cut */
    ETH_TYPE_VLAN = 0x8100,
    ETH_TYPE_IP4 = 0x0800,
    ETH_TYPE_IP6 = 0x86dd,
    ETH_PROTO_TCP = 6,
    ETH_PROTO_UDP = 17,
    ETH_RSS_KEY = 40, /* bytes */
};

/* Where things are in a packet. Offsets are from its first byte; 0: it is not there. */
typedef struct EthHeaders {
    bool tagged;     /* an 802.1Q tag is in front of the type */
    bool fragment;   /* of an IP packet: no l4 is looked for */
    uint16_t tci;    /* of the tag */
    uint16_t type;   /* behind the tag */
    uint8_t version; /* 4, 6; 0: not IP */
    uint8_t proto;   /* of what is at l4 */
    unsigned l3, l4;
    unsigned end; /* of the IP packet; behind it is padding */
} EthHeaders;

static inline uint16_t eth_get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t eth_get32(const uint8_t *p)
{
    return (uint32_t)eth_get16(p) << 16 | eth_get16(p + 2);
}
static inline void eth_put16(uint8_t *p, uint32_t val)
{
    p[0] = (uint8_t)(val >> 8);
    p[1] = (uint8_t)val;
}
static inline void eth_put32(uint8_t *p, uint32_t val)
{
    eth_put16(p, val >> 16);
    eth_put16(p + 2, val);
}

/* What is cut off or makes no sense is as if it were not there. */
void eth_parse(EthHeaders *h, const uint8_t *packet, size_t len);
/* The ones' complement sum of big-endian words, not yet complemented; goes on from `sum`. */
uint32_t eth_sum(const uint8_t *data, size_t len, uint32_t sum);
/* The sum as the field of a header. */
uint16_t eth_sum_finish(uint32_t sum);
/* Of the addresses, the protocol and the length of what is at l4. */
uint32_t eth_pseudo_sum(const EthHeaders *h, const uint8_t *packet);
/* -1: there is none to check; else whether it is right. */
int eth_check_ip(const EthHeaders *h, const uint8_t *packet);
int eth_check_l4(const EthHeaders *h, const uint8_t *packet);
/* Puts the right sums there, if there is such a header. */
void eth_fill_ip_sum(const EthHeaders *h, uint8_t *packet);
void eth_fill_l4_sum(const EthHeaders *h, uint8_t *packet);

/* Adds or removes a tag: memory moves, and the new length is returned. There must be room. */
size_t eth_insert_tag(uint8_t *packet, size_t len, uint16_t type, uint16_t tci);
size_t eth_remove_tag(uint8_t *packet, size_t len);

/* A large packet that is sent in pieces of at most mss bytes of payload. */
typedef struct EthSegments {
    unsigned header; /* bytes that each piece begins with */
    unsigned mss;    /* at least 1 */
    unsigned l3, l4; /* offsets in the header; l4 + 8 (UDP), l4 + 14 (TCP) <= header */
    uint8_t version; /* 4 or 6 */
    bool tcp;        /* else UDP */
    unsigned index;  /* of the next piece */
    unsigned done;   /* bytes of payload that are sent */
} EthSegments;
/*
 * The next piece of `packet` (len bytes in all) into out (header + mss bytes of room), with the
 * lengths, the identification, the sequence number and the flags made right; checksums are left as
 * they are. Its length; 0: that was all.
 */
size_t eth_next_segment(EthSegments *s, const uint8_t *packet, size_t len, uint8_t *out);

/* Toeplitz hash of `len` bytes, at most ETH_RSS_KEY - 4. */
uint32_t eth_toeplitz(const uint8_t key[ETH_RSS_KEY], const uint8_t *data, size_t len);
/* What is hashed of a packet: addresses, then ports if `ports`; its length; 0: not IP. */
size_t eth_rss_input(const EthHeaders *h, const uint8_t *packet, bool ports, uint8_t out[36]);

/* Index (0 to 63) of a group's address in the hash filters of old: the upper six bits of its CRC.
 */
unsigned eth_crc_hash(const uint8_t mac[6]);

#endif
