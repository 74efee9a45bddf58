/* SPDX-License-Identifier: MIT */
/*
 * RTL8139C+ (Realtek RTL8139C+ datasheet, revision 1.6, "DS" below): four transmit descriptors in
 * registers and a receive ring of bytes, as all of its family, or the C+ mode with rings of
 * descriptors in memory. Without C+ it is an RTL8139C.
 */
#ifndef HW_NET_RTL8139_H
#define HW_NET_RTL8139_H

#include <string.h>

#include "hw/net/eeprom93c46.h"
#include "hw/net/eth.h"
#include "hw/pci/pci.h"
#include "hw/timer.h"
#include "net/net.h"

/* Offsets, DS "Register Descriptions". */
enum {
    IDR = 0x00,   /* own address */
    MAR = 0x08,   /* group addresses, 64 bits of hash */
    TSD = 0x10,   /* four words: status and length of what is sent */
    DTCCR = 0x10, /* C+: where the counters are dumped, 64 bits */
    TSAD = 0x20,  /* four words: where it lies */
    TNPDS = 0x20, /* C+: ring of normal priority, 64 bits */
    THPDS = 0x28, /* C+: ring of high priority */
    RBSTART = 0x30,
    CR = 0x37,
    CAPR = 0x38, /* where software has read to, less 16 */
    CBR = 0x3a,  /* where the next packet goes */
    IMR = 0x3c,
    ISR = 0x3e,
    TCR = 0x40,
    RCR = 0x44,
    TCTR = 0x48, /* counts at 33 MHz */
    MPC = 0x4c,
    CR9346 = 0x50,
    CONFIG0 = 0x51,
    CONFIG1 = 0x52,
    TIMER_INT = 0x54,
    MSR = 0x58,
    CONFIG3 = 0x59,
    CONFIG4 = 0x5a,
    RERID = 0x5e,
    TSAD_SUMMARY = 0x60,
    BMCR = 0x62,
    BMSR = 0x64,
    ANAR = 0x66,
    ANLPAR = 0x68,
    ANER = 0x6a,
    CSCR = 0x74, /* CS configuration: the link, and that it has changed */
    CONFIG5 = 0xd8,
    TPPOLL = 0xd9,
    CPCR = 0xe0,
    RDSAR = 0xe4, /* C+: receive ring, 64 bits */
};

enum {
    CR_BUFE = 1,
    CR_TE = 4,
    CR_RE = 8,
    CR_RST = 0x10,

    INT_ROK = 1,
    INT_TOK = 4,
    INT_RXOVW = 0x10, /* C+: no descriptor */
    INT_LINK = 0x20,
    INT_TDU = 0x80, /* C+: nothing more to send */
    INT_SW = 0x100,
    INT_TIMEOUT = 0x4000,

    TCR_LOOPBACK = 3 << 17,
    TCR_WRITABLE = 0x030707f0,
    TCR_VERSION_C = 0x74000000,
    TCR_VERSION_CPLUS = 0x74800000,

    RCR_AAP = 1,
    RCR_APM = 2,
    RCR_AM = 4,
    RCR_AB = 8,
    RCR_AR = 0x10,
    RCR_WRAP = 0x80,

    CSCR_LINK_OK = 0x0400,
    CSCR_LINK_CHANGED = 0x0800,

    TSD_OWN = 1 << 13,
    TSD_TOK = 1 << 15,

    CPCR_TX = 1,
    CPCR_RX = 2,
    CPCR_RXCHKSUM = 0x20,
    CPCR_RXVLAN = 0x40,
};

enum { RETRY_NS = 1000000 };

typedef struct RTL8139 {
    PCIDevice parent;
    uint8_t preset_mac[6];
    int32_t bootindex;
    NetClient *peer;
    bool cplus;

    NetClient *nc;
    MemoryRegion mem, io;
    Timer timer, retry;

    uint8_t regs[256];
    Eeprom93c46 eeprom;
    int64_t counting_since;         /* ns of CLOCK_VIRTUAL: TCTR was 0 */
    uint32_t next_tx;               /* of the four */
    uint32_t tx_index[2], rx_index; /* C+: normal, high priority */
    bool tx_poll[2];
    bool blocked, transmitting;
    bool starved; /* a packet waits for room */
    /* Counters of the dump, DS "Dump tally counter". */
    uint64_t tx_ok, rx_ok, tx_err, rx_phys, rx_broadcast;
    uint32_t rx_err, rx_multicast;
    uint16_t missed;

    uint32_t tx_len;  /* of what is put together in `packet` */
    uint32_t tx_word; /* the first descriptor's */
    bool tx_open;     /* between FS and LS */
    bool sending;
    EthSegments segments;
    uint8_t packet[ETH_MAX_PACKET], piece[ETH_MAX_PACKET], rx_packet[ETH_MAX_PACKET];
} RTL8139;

static inline uint16_t rtl_get16(const RTL8139 *s, unsigned at)
{
    uint16_t val;
    memcpy(&val, s->regs + at, sizeof(val));
    return val;
}
static inline uint32_t rtl_get32(const RTL8139 *s, unsigned at)
{
    uint32_t val;
    memcpy(&val, s->regs + at, sizeof(val));
    return val;
}
static inline uint64_t rtl_get64(const RTL8139 *s, unsigned at)
{
    uint64_t val;
    memcpy(&val, s->regs + at, sizeof(val));
    return val;
}
static inline void rtl_put16(RTL8139 *s, unsigned at, uint32_t val)
{
    uint16_t v = (uint16_t)val;
    memcpy(s->regs + at, &v, sizeof(v));
}
static inline void rtl_put32(RTL8139 *s, unsigned at, uint32_t val)
{
    memcpy(s->regs + at, &val, sizeof(val));
}

/* ---- rtl8139.c ---- */
RTL8139 *rtl_of(NetClient *nc);
void rtl_interrupt(RTL8139 *s, uint32_t causes);

/* ---- rtl8139-dma.c ---- */
uint32_t rtl_ring_size(const RTL8139 *s);
bool rtl_ring_empty(const RTL8139 *s);
void rtl_transmit(RTL8139 *s);
void rtl_sent(NetClient *nc, NetResult taken);
bool rtl_can_receive(NetClient *nc);
NetResult rtl_receive(NetClient *nc, const struct iovec *iov, int iovcnt);
void rtl_dump_counters(RTL8139 *s);

#endif
