/* SPDX-License-Identifier: MIT */
/*
 * Registers of the 8254x and 82574 families: PCI/PCI-X Family of Gigabit Ethernet Controllers
 * Software Developer's Manual (317453-006, revision 4.0), chapter 13 ("SDM" below); 82574 GbE
 * Controller Family Datasheet (317694, revision 3.4), chapter 10 ("DS"). Where one of them is
 * named, the other has no such thing.
 */
#ifndef HW_NET_E1000_REGS_H
#define HW_NET_E1000_REGS_H

/* Offsets in BAR 0, in bytes. */
enum {
    CTRL = 0x0000,     /* device control, SDM 13.4.1 */
    STATUS = 0x0008,   /* device status, SDM 13.4.2 */
    EECD = 0x0010,     /* EEPROM's pins, SDM 13.4.3 */
    EERD = 0x0014,     /* EEPROM read, SDM 13.4.4 */
    CTRL_EXT = 0x0018, /* SDM 13.4.6 */
    MDIC = 0x0020,     /* PHY access, SDM 13.4.7 */
    FCAL = 0x0028,     /* flow control, SDM 13.4.8 to 13.4.10 */
    FCAH = 0x002c,
    FCT = 0x0030,
    VET = 0x0038,   /* VLAN type, SDM 13.4.11 */
    ICR = 0x00c0,   /* interrupt cause, read to clear, SDM 13.4.17 */
    ITR = 0x00c4,   /* throttling, SDM 13.4.18 */
    ICS = 0x00c8,   /* cause set */
    IMS = 0x00d0,   /* mask set */
    IMC = 0x00d8,   /* mask clear */
    EIAC = 0x00dc,  /* DS: MSI-X auto clear, 10.2.4 */
    IAM = 0x00e0,   /* DS: auto mask, 10.2.4 */
    IVAR = 0x00e4,  /* DS: causes to vectors, 10.2.4 */
    EITR = 0x00e8,  /* DS: five, throttling of each vector, 10.2.4 */
    RCTL = 0x0100,  /* receive control, SDM 13.4.22 */
    FCTTV = 0x0170, /* SDM 13.4.12 */
    TCTL = 0x0400,  /* transmit control, SDM 13.4.33 */
    TIPG = 0x0410,  /* SDM 13.4.34 */
    AIT = 0x0458,
    LEDCTL = 0x0e00,      /* SDM 13.4.15 */
    EXTCNF_CTRL = 0x0f00, /* DS 10.2.2 */
    PBA = 0x1000,         /* packet buffer allocation, SDM 13.4.16 */
    EEWR = 0x102c,        /* DS: NVM write, 10.2.2 */
    RDBAL = 0x2800,       /* receive ring, SDM 13.4.25; DS: + 0x100 for each queue, 10.2.5 */
    RDBAH = 0x2804,
    RDLEN = 0x2808,
    RDH = 0x2810,
    RDT = 0x2818,
    RDTR = 0x2820,
    RXDCTL = 0x2828,
    RADV = 0x282c,
    TDBAL = 0x3800, /* transmit ring, SDM 13.4.36; DS: as above, 10.2.6 */
    TDBAH = 0x3804,
    TDLEN = 0x3808,
    TDH = 0x3810,
    TDT = 0x3818,
    TIDV = 0x3820,
    TXDCTL = 0x3828,
    TADV = 0x382c,
    TARC = 0x3840, /* DS 10.2.6 */
    RING_STEP = 0x100,
    STATS = 0x4000, /* statistics, cleared by reading, SDM 13.7 */
    STATS_END = 0x4128,
    RXCSUM = 0x5000, /* SDM 13.4, its last; DS 10.2.5 */
    RFCTL = 0x5008,  /* DS 10.2.5 */
    MTA = 0x5200,    /* 128 words of group addresses, SDM 13.5.1 */
    RAL = 0x5400,    /* 16 pairs of addresses, SDM 13.5.2 */
    VFTA = 0x5600,   /* 128 words of VLANs, SDM 13.5.4 */
    MRQC = 0x5818,   /* DS 10.2.5 */
    GCR = 0x5b00,    /* DS 10.2.3 */
    SWSM = 0x5b50,   /* DS */
    FWSM = 0x5b54,
    RETA = 0x5c00,  /* DS: 128 bytes, 10.2.5 */
    RSSRK = 0x5c80, /* DS: 40 bytes, 10.2.5 */
    REGS_END = 0x5d00,
};

/* Statistics, SDM 13.7. */
enum {
    RXERRC = 0x400c,
    MPC = 0x4010,   /* missed: no room */
    PRC64 = 0x405c, /* good ones received by size: 64, 127, 255, 511, 1023, 1522 */
    GPRC = 0x4074,
    BPRC = 0x4078,
    MPRC = 0x407c,
    GPTC = 0x4080,
    GORC = 0x4088, /* bytes, 64 bits */
    GOTC = 0x4090,
    RNBC = 0x40a0, /* no buffers */
    RUC = 0x40a4,  /* too short */
    ROC = 0x40ac,  /* too long */
    TOR = 0x40c0,
    TOT = 0x40c8,
    TPR = 0x40d0,
    TPT = 0x40d4,
    PTC64 = 0x40d8, /* sent by size */
    MPTC = 0x40f0,
    BPTC = 0x40f4,
    TSCTC = 0x40f8, /* contexts for segmentation */
};

enum {
    CTRL_MASTER_DISABLE = 1 << 2, /* DS */
    CTRL_SLU = 1 << 6,
    CTRL_RST = 1 << 26,
    CTRL_VME = 1 << 30,
    CTRL_PHY_RST = 1u << 31,

    STATUS_FD = 1,
    STATUS_LU = 2,
    STATUS_SPEED_1000 = 2 << 6,
    STATUS_PHYRA = 1 << 10,         /* DS */
    STATUS_MASTER_ENABLE = 1 << 19, /* DS */

    EECD_SK = 1,
    EECD_CS = 2,
    EECD_DI = 4,
    EECD_DO = 8,
    EECD_REQ = 0x40,
    EECD_GNT = 0x80,
    EECD_PRES = 0x100,
    EECD_AUTO_RD = 0x200, /* DS: has been read */

    CTRL_EXT_EE_RST = 1 << 13,
    CTRL_EXT_EIAME = 1 << 24, /* DS */
    CTRL_EXT_IAME = 1 << 27,  /* DS */
    CTRL_EXT_PBA = 1u << 31,  /* DS: MSI-X */

    MDIC_WRITE = 1,
    MDIC_READ = 2, /* the two of bits 27:26 */
    MDIC_READY = 1 << 28,
    MDIC_INTERRUPT = 1 << 29,
    MDIC_ERROR = 1 << 30,

    RCTL_EN = 1 << 1,
    RCTL_UPE = 1 << 3,
    RCTL_MPE = 1 << 4,
    RCTL_LPE = 1 << 5,
    RCTL_LBM_MAC = 1 << 6,
    RCTL_DTYP = 3 << 10, /* DS: packet split */
    RCTL_BAM = 1 << 15,
    RCTL_VFE = 1 << 18,
    RCTL_CFIEN = 1 << 19,
    RCTL_CFI = 1 << 20,
    RCTL_BSEX = 1 << 25,
    RCTL_SECRC = 1 << 26,

    TCTL_EN = 1 << 1,
    TCTL_PSP = 1 << 3,

    RXCSUM_IPOFL = 1 << 8,
    RXCSUM_TUOFL = 1 << 9,
    RXCSUM_IPPCSE = 1 << 12, /* DS */
    RXCSUM_PCSD = 1 << 13,   /* DS */

    RFCTL_EXSTEN = 1 << 15, /* DS: extended descriptors */

    RAH_AV = 1u << 31,

    MRQC_RSS = 1,
    MRQC_TCP4 = 1 << 16,
    MRQC_IP4 = 1 << 17,
    MRQC_TCP6 = 1 << 18,
    MRQC_IP6_EX = 1 << 19,
    MRQC_IP6 = 1 << 20,

    SWSM_SMBI = 1,
};

/* Interrupt causes, SDM 13.4.17, DS 10.2.4. */
enum {
    INT_TXDW = 1,
    INT_TXQE = 1 << 1,
    INT_LSC = 1 << 2,
    INT_RXDMT0 = 1 << 4,
    INT_RXO = 1 << 6,
    INT_RXT0 = 1 << 7,
    INT_MDAC = 1 << 9,
    INT_TXD_LOW = 1 << 15,
    INT_RXQ0 = 1 << 20, /* DS, and the next */
    INT_TXQ0 = 1 << 22,
    INT_OTHER = 1 << 24,
    INT_ASSERTED = 1u << 31,
};

/* Transmit descriptors, SDM 3.3: bits of the command byte, and of status. */
enum {
    TX_EOP = 1,
    TX_IFCS = 2,
    TX_IC = 4,  /* legacy: insert a checksum */
    TX_TSE = 4, /* TCP/IP: segmentation */
    TX_RS = 8,
    TX_DEXT = 0x20,
    TX_VLE = 0x40,
    TX_DD = 1,
    TX_CONTEXT_TCP = 1, /* of a context's command */
    TX_CONTEXT_IP = 2,
    POPTS_IXSM = 1,
    POPTS_TXSM = 2,
};

/* Receive descriptors, SDM 3.2.3: status, and errors. */
enum {
    RX_DD = 1,
    RX_EOP = 2,
    RX_IXSM = 4,
    RX_VP = 8,
    RX_UDPCS = 0x10, /* DS */
    RX_TCPCS = 0x20,
    RX_IPCS = 0x40,
    RX_PIF = 0x80,
    RX_TCPE = 0x20,
    RX_IPE = 0x40,
};

/* The PHY's registers, IEEE 802.3 clause 22, and the M88E1000 family's own from 16 on
 * (SDM 13.4.7.1) */
enum {
    PHY_CONTROL = 0,
    PHY_STATUS = 1,
    PHY_ID1 = 2,
    PHY_ID2 = 3,
    PHY_ADVERTISE = 4,
    PHY_PARTNER = 5,
    PHY_EXPANSION = 6,
    PHY_GIGABIT_CONTROL = 9,
    PHY_GIGABIT_STATUS = 10,
    PHY_EXT_STATUS = 15,
    PHY_SPECIFIC_CONTROL = 16,
    PHY_SPECIFIC_STATUS = 17,
    PHY_INTERRUPT_STATUS = 19,
    PHY_PAGE = 22,

    PHY_CONTROL_RESET = 1 << 15,
    PHY_CONTROL_LOOPBACK = 1 << 14,
    PHY_CONTROL_AUTONEG = 1 << 12,
    PHY_CONTROL_RESTART = 1 << 9,
    PHY_STATUS_LINK = 1 << 2,
    PHY_STATUS_AUTONEG_DONE = 1 << 5,
};

#endif
