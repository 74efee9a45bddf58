/* SPDX-License-Identifier: MIT */
/*
 * TLBI of the EL1&0 regime (DDI 0487 C5.5, D8.17): by all, ASID, address, range, with and without
 * the other CPUs. Hints of levels (TTL) and last-level variants are not told apart.
 */
#include "exec/exec.h"
#include "target/arm/system.h"

/* A row's `mask` */
enum { ALL, ASID, VA, VA_ANY_ASID, RANGE, RANGE_ANY_ASID, KIND = 7, SHARED = 8 };

static TLBFlush of_address(uint64_t val, bool any_asid)
{
    return (TLBFlush){
        .kind = TLB_FLUSH_RANGE,
        .id = any_asid ? ~0ull : val >> 48,
        .addr = (vaddr)((int64_t)(val << 20) >> 8), /* bits 43:0 are VA[55:12] */
        .size = TLB_PAGE_SIZE,
    };
}

/* Bits 36:0 BaseADDR, 43:39 NUM, 45:44 SCALE, 47:46 TG, 63:48 ASID */
static TLBFlush of_range(const CPUArmState *env, uint64_t val, bool any_asid)
{
    static const uint8_t granules[] = { 12, 12, 14, 16 };
    int bits = granules[val >> 46 & 3], scale = val >> 44 & 3;
    bool lpa2 = arm_feature(env, ARM_FEAT_LPA2) && env->sys.tcr_el[1] >> 59 & 1;
    int64_t base = (int64_t)(val << 27) >> 27;

    return (TLBFlush){
        .kind = TLB_FLUSH_RANGE,
        .id = any_asid ? ~0ull : val >> 48,
        .addr = (vaddr)base << (lpa2 ? 16 : bits),
        .size = ((val >> 39 & 31) + 1) << (5 * scale + 1) << bits,
    };
}

static void tlbi(CPUState *cpu, const ARMSysReg *r, uint64_t val, G_GNUC_UNUSED void *opaque)
{
    CPUArmState *env = arm_env(cpu);
    int kind = r->mask & KIND;
    TLBFlush what = { .kind = TLB_FLUSH_ALL };

    switch (kind) {
    case ALL:
        break;
    case ASID:
        what = (TLBFlush){ .kind = TLB_FLUSH_ID, .id = val >> 48 };
        break;
    case VA:
    case VA_ANY_ASID:
        what = of_address(val, kind == VA_ANY_ASID);
        break;
    default:
        what = of_range(env, val, kind == RANGE_ANY_ASID);
    }
    what.mmu_modes = ARM_MODES_EL10;
    if (r->mask & SHARED) {
        tlb_flush_all_cpus_synced(cpu, &what);
    } else {
        tlb_flush_local(cpu, &what);
    }
}

#define TLBI(name, crm, op2, kind, ...)                                                \
    {                                                                                  \
        "TLBI " name, ARM_SYSREG(1, 0, 8, crm, op2), ARM_W1, ARM_REG_ENDS __VA_ARGS__, \
            .mask = kind, .write = tlbi                                                \
    }
#define OS | ARM_REG_FEAT, ARM_FEAT_TLBIOS
#define RG | ARM_REG_FEAT, ARM_FEAT_TLBIRANGE

static const ARMSysReg rows[] = {
    TLBI("VMALLE1", 7, 0, ALL, ),
    TLBI("VAE1", 7, 1, VA, ),
    TLBI("ASIDE1", 7, 2, ASID, ),
    TLBI("VAAE1", 7, 3, VA_ANY_ASID, ),
    TLBI("VALE1", 7, 5, VA, ),
    TLBI("VAALE1", 7, 7, VA_ANY_ASID, ),
    TLBI("VMALLE1IS", 3, 0, ALL | SHARED, ),
    TLBI("VAE1IS", 3, 1, VA | SHARED, ),
    TLBI("ASIDE1IS", 3, 2, ASID | SHARED, ),
    TLBI("VAAE1IS", 3, 3, VA_ANY_ASID | SHARED, ),
    TLBI("VALE1IS", 3, 5, VA | SHARED, ),
    TLBI("VAALE1IS", 3, 7, VA_ANY_ASID | SHARED, ),
    TLBI("VMALLE1OS", 1, 0, ALL | SHARED, OS),
    TLBI("VAE1OS", 1, 1, VA | SHARED, OS),
    TLBI("ASIDE1OS", 1, 2, ASID | SHARED, OS),
    TLBI("VAAE1OS", 1, 3, VA_ANY_ASID | SHARED, OS),
    TLBI("VALE1OS", 1, 5, VA | SHARED, OS),
    TLBI("VAALE1OS", 1, 7, VA_ANY_ASID | SHARED, OS),
    TLBI("RVAE1", 6, 1, RANGE, RG),
    TLBI("RVAAE1", 6, 3, RANGE_ANY_ASID, RG),
    TLBI("RVALE1", 6, 5, RANGE, RG),
    TLBI("RVAALE1", 6, 7, RANGE_ANY_ASID, RG),
    TLBI("RVAE1IS", 2, 1, RANGE | SHARED, RG),
    TLBI("RVAAE1IS", 2, 3, RANGE_ANY_ASID | SHARED, RG),
    TLBI("RVALE1IS", 2, 5, RANGE | SHARED, RG),
    TLBI("RVAALE1IS", 2, 7, RANGE_ANY_ASID | SHARED, RG),
    TLBI("RVAE1OS", 5, 1, RANGE | SHARED, RG),
    TLBI("RVAAE1OS", 5, 3, RANGE_ANY_ASID | SHARED, RG),
    TLBI("RVALE1OS", 5, 5, RANGE | SHARED, RG),
    TLBI("RVAALE1OS", 5, 7, RANGE_ANY_ASID | SHARED, RG),
};
ARM_SYSREG_TABLE(arm_regs_tlb, rows);
