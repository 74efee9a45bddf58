/* SPDX-License-Identifier: MIT */
/* ESR_ELx: exception classes and how their syndromes are made (DDI 0487 D19.2.37). */
#ifndef TARGET_ARM_SYNDROME_H
#define TARGET_ARM_SYNDROME_H

#include <stdbool.h>
#include <stdint.h>

enum {
    EC_UNKNOWN = 0x00,
    EC_WFX = 0x01,
    EC_FP_ACCESS = 0x07,
    EC_PAC_FAIL = 0x1c,
    EC_BTI = 0x0d,
    EC_ILLEGAL = 0x0e,
    EC_SVC64 = 0x15,
    EC_HVC64 = 0x16,
    EC_SMC64 = 0x17,
    EC_SYSREG = 0x18,
    EC_INSN_ABORT = 0x20, /* from a lower level; + 1: from the same */
    EC_PC_ALIGN = 0x22,
    EC_DATA_ABORT = 0x24,
    EC_SP_ALIGN = 0x26,
    EC_SERROR = 0x2f,
    EC_BREAKPOINT = 0x30,
    EC_STEP = 0x32,
    EC_WATCHPOINT = 0x34,
    EC_BRK64 = 0x3c,
};

enum { ESR_IL = 1 << 25, ESR_EC_SHIFT = 26 };

/* All A64 instructions are 32 bits long: IL is 1. */
static inline uint64_t syn(unsigned ec, uint32_t iss)
{
    return (uint64_t)ec << ESR_EC_SHIFT | ESR_IL | iss;
}
static inline unsigned syn_ec(uint64_t esr)
{
    return esr >> ESR_EC_SHIFT & 63;
}

/* SVC, HVC, SMC, BRK with their immediate. */
static inline uint64_t syn_call(unsigned ec, uint16_t imm)
{
    return syn(ec, imm);
}
static inline uint64_t syn_fp_access(void)
{
    return syn(EC_FP_ACCESS, 1 << 24 | 0xe << 20);
}
enum { WFX_WFI, WFX_WFE, WFX_WFIT, WFX_WFET };
/* rn: the register of WFIT, WFET */
static inline uint64_t syn_wfx(int ti, int rn)
{
    bool timed = ti >= WFX_WFIT;
    return syn(EC_WFX, 1 << 24 | 0xe << 20 | (timed ? rn << 5 | 1 << 2 : 0) | ti);
}
/* MRS, MSR, SYS: insn is the instruction word. */
static inline uint64_t syn_sysreg(uint32_t insn)
{
    uint32_t op0 = insn >> 19 & 3, op1 = insn >> 16 & 7, crn = insn >> 12 & 15;
    uint32_t crm = insn >> 8 & 15, op2 = insn >> 5 & 7, rt = insn & 31, read = insn >> 21 & 1;
    return syn(EC_SYSREG,
               op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | rt << 5 | crm << 1 | read);
}

/* Fault status codes, levels -1 to 3. */
enum {
    FSC_ADDRESS_SIZE = 0x00,
    FSC_TRANSLATION = 0x04,
    FSC_ACCESS_FLAG = 0x08,
    FSC_PERMISSION = 0x0c,
    FSC_EXTERNAL = 0x10, /* not on a walk */
    FSC_EXTERNAL_WALK = 0x14,
    FSC_ALIGNMENT = 0x21,
    FSC_DEBUG = 0x22,
};
static inline unsigned fsc_at_level(unsigned fsc, int level)
{
    if (level >= 0) {
        return fsc + level;
    }
    return fsc == FSC_ADDRESS_SIZE ? 0x29 : fsc == FSC_TRANSLATION ? 0x2b : 0x13;
}

enum { ISS_WNR = 1 << 6, ISS_CM = 1 << 8, ISS_FNV = 1 << 10 };

#endif
