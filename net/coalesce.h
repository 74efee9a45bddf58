/* SPDX-License-Identifier: MIT */
/*
 * Puts TCP segments of one burst that follow each other together again, for a receiver that takes
 * large ones (virtio 1.2, 5.1.6.4: VIRTIO_NET_HDR_GSO_TCPV4): a guest's cost is by packet.
 */
#ifndef NET_COALESCE_H
#define NET_COALESCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The part of struct virtio_net_hdr (virtio 1.2, 5.1.6) that all lengths of it have. */
typedef struct VnetHeader {
    uint8_t flags, gso_type;
    uint16_t hdr_len, gso_size, csum_start, csum_offset;
} VnetHeader;
enum { VNET_NEEDS_CSUM = 1, VNET_DATA_VALID = 2, VNET_GSO_TCPV4 = 1 };

typedef struct Coalescer {
    VnetHeader header;
    size_t size;    /* of packet; 0: there is none */
    size_t segment; /* payload of each piece but the last */
    unsigned pieces;
    bool closed; /* its last piece was a short one, or ended something */
    uint8_t packet[65535 + 14];
} Coalescer;

/* True: it has been taken. False: what is there goes out first (coalesce_finish), and if there was
 * nothing, this packet goes out as it is. */
bool coalesce_add(Coalescer *c, const uint8_t *packet, size_t size);
/* Makes header and checksums right; then header and packet are to be sent, and size is to be 0. */
void coalesce_finish(Coalescer *c);

#endif
