/* SPDX-License-Identifier: MIT */
/*
 * What 82540EM and 82574L have in common: registers, EEPROM, PHY, descriptor rings. Each has a file
 * of its own with its PCI side, its interrupts and what only it has.
 */
#ifndef HW_NET_E1000_H
#define HW_NET_E1000_H

#include "hw/net/e1000-regs.h"
#include "hw/net/eeprom93c46.h"
#include "hw/net/eth.h"
#include "hw/pci/pci.h"
#include "hw/timer.h"
#include "net/net.h"

enum { E1000_QUEUES = 2, E1000_VECTORS = 5, E1000_MMIO = 0x20000 };

typedef struct E1000 E1000;

/* What the two differ in. */
typedef struct E1000Model {
    uint16_t phy_id1, phy_id2;
    unsigned queues;
    bool is_82574;
    /* ICR or IMS has changed. */
    void (*update_irq)(E1000 *s);
    uint32_t (*read_icr)(E1000 *s);
} E1000Model;

/* A checksum to insert: sum of bytes `start` to `end` (0: to the packet's end) at `at`. */
typedef struct E1000Sum {
    uint8_t start, at;
    uint16_t end;
} E1000Sum;

/* SDM 3.3.6: a context descriptor. */
typedef struct E1000Context {
    E1000Sum ip, l4;
    uint32_t payload;
    uint16_t mss;
    uint8_t header, command;
} E1000Context;

/* A packet on its way from descriptors to the wire. */
typedef struct E1000Tx {
    E1000Context sums, tso; /* the last ones of each kind, SDM 3.3.5 */
    uint32_t len;
    uint8_t popts, command;
    uint16_t special;
    bool first_seen, extended, overflow;
    bool sending; /* `segments`, or the whole of it, is not all with the peer yet */
    EthSegments segments;
    uint8_t data[ETH_MAX_PACKET];
} E1000Tx;

struct E1000 {
    PCIDevice parent;
    const E1000Model *model;
    uint8_t preset_mac[6];
    int32_t bootindex;
    NetClient *peer;

    NetClient *nc;
    MemoryRegion mmio, io, flash;
    Timer throttle[E1000_VECTORS];
    int64_t quiet_until[E1000_VECTORS]; /* ns: no interrupt before */

    uint32_t regs[REGS_END / 4];
    uint32_t io_addr; /* IOADDR, SDM 13.2.2 */
    uint16_t phy[32];
    Eeprom93c46 eeprom;
    uint32_t icr_signalled; /* causes whose message has been sent (MSI-X) */
    E1000Tx tx[E1000_QUEUES];
    bool blocked; /* the peer has a packet that it has not taken */
    bool transmitting;
    uint8_t rx_packet[ETH_MAX_PACKET], piece[ETH_MAX_PACKET];
};

/* The device's end of its wire. */
typedef struct E1000Client {
    NetClient nc;
    E1000 *dev;
} E1000Client;
static inline E1000 *e1000_of(NetClient *nc)
{
    return ((E1000Client *)nc)->dev;
}
static inline uint32_t *e1000_reg(E1000 *s, uint32_t offset)
{
    return &s->regs[offset / 4];
}
/* 64 bits of base, or of a statistic. */
static inline uint64_t e1000_reg64(E1000 *s, uint32_t offset)
{
    return *e1000_reg(s, offset) | (uint64_t)*e1000_reg(s, offset + 4) << 32;
}
/* Statistics stick at their maximum (SDM 13.7). */
void e1000_count(E1000 *s, uint32_t offset, uint32_t by);
void e1000_count64(E1000 *s, uint32_t offset, uint64_t by);
/* By size: the first of six counters. */
void e1000_count_size(E1000 *s, uint32_t first, size_t len);

/* ---- e1000-core.c ---- */
bool e1000_realize(E1000 *s, const E1000Model *model, const char *name, GError **err);
void e1000_unrealize(E1000 *s);
void e1000_reset(E1000 *s);
void e1000_cause(E1000 *s, uint32_t causes);
extern const MemoryRegionOps e1000_mmio_ops, e1000_io_ops;
extern const Property e1000_props[];
extern const StateField e1000_state[];
bool e1000_post_load(Device *dev, GError **err);

/* ---- e1000-phy.c ---- */
void e1000_phy_reset(E1000 *s);
void e1000_phy_link(E1000 *s); /* the cable, or what is asked of it, has changed */
uint16_t e1000_phy_read(E1000 *s, unsigned reg);
void e1000_phy_write(E1000 *s, unsigned reg, uint16_t val);
void e1000_eeprom_init(E1000 *s, uint16_t device_id);

/* ---- e1000-tx.c, e1000-rx.c ---- */
void e1000_transmit(E1000 *s);
void e1000_sent(NetClient *nc, NetResult taken);
bool e1000_can_receive(NetClient *nc);
NetResult e1000_receive(NetClient *nc, const struct iovec *iov, int iovcnt);

/* A descriptor ring's place and length; `n` is the queue. */
typedef struct E1000Ring {
    hwaddr base;
    uint32_t count; /* descriptors; 0: it makes no sense */
    uint32_t *head;
    uint32_t tail;
} E1000Ring;
E1000Ring e1000_ring(E1000 *s, uint32_t base, unsigned n);

#endif
