/* SPDX-License-Identifier: MIT */
/*
 * Stage 1 translation of the EL1&0 regime: the walk of VMSAv8-64 page tables with all granules, 48
 * and 52 bits, permissions, access and dirty flags (DDI 0487 D8; pseudocode AArch64.S1Translate).
 */
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "target/arm/pauth.h"
#include "target/arm/system.h"

/* ---- what TCR_EL1 says of one half of the address space
 * ------------------------------------------- */

typedef struct WalkParams {
    int granule_bits, input_bits, output_bits;
    bool disabled; /* EPD */
    bool upper, tbi, hpd, e0pd, ha, hd, lpa2, invalid;
    uint64_t ttbr;
} WalkParams;

static uint64_t tcr_bit(const CPUArmState *env, int bit)
{
    return env->sys.tcr_el[1] >> bit & 1;
}

static int granule_bits(const CPUArmState *env, bool upper)
{
    static const uint8_t tg0[] = { 12, 16, 14, 12 }, tg1[] = { 12, 14, 12, 16 };
    uint64_t tcr = env->sys.tcr_el[1];
    int bits = upper ? tg1[tcr >> 30 & 3] : tg0[tcr >> 14 & 3];

    return bits == 14 && !arm_feature(env, ARM_FEAT_TGRAN16) ? 12 : bits;
}

/* PARange, IPS -> bits */
static int pa_bits(unsigned range)
{
    static const uint8_t bits[] = { 32, 36, 40, 42, 44, 48, 52 };

    return bits[MIN(range, G_N_ELEMENTS(bits) - 1)];
}

int arm_pa_bits(const CPUArmState *env)
{
    return pa_bits(env->model->ids->mmfr0 & 15);
}

static WalkParams walk_params(const CPUArmState *env, vaddr addr, MMUAccess access)
{
    uint64_t tcr = env->sys.tcr_el[1];
    bool upper = addr >> 55 & 1;
    bool has_lpa2 = arm_feature(env, ARM_FEAT_LPA2);
    WalkParams p = {
        .upper = upper,
        .granule_bits = granule_bits(env, upper),
        .input_bits = 64 - (tcr >> (upper ? 16 : 0) & 63),
        .output_bits = MIN(pa_bits(tcr >> 32 & 7), arm_pa_bits(env)),
        .disabled = tcr_bit(env, upper ? 23 : 7),
        .tbi = tcr_bit(env, upper ? 38 : 37),
        .hpd = arm_feature(env, ARM_FEAT_HPDS) && tcr_bit(env, upper ? 42 : 41),
        .e0pd = arm_feature(env, ARM_FEAT_E0PD) && tcr_bit(env, upper ? 56 : 55),
        .ha = arm_feature(env, ARM_FEAT_HAF) && tcr_bit(env, 39),
        .hd = arm_feature(env, ARM_FEAT_HAFDBS) && tcr_bit(env, 39) && tcr_bit(env, 40),
        .ttbr = upper ? env->sys.ttbr1_el[1] : env->sys.ttbr0_el[1],
    };

    p.lpa2 = has_lpa2 && p.granule_bits != 16 && tcr_bit(env, 59);
    if (access == MMU_FETCH && arm_feature(env, ARM_FEAT_PAUTH) && tcr_bit(env, upper ? 52 : 51)) {
        p.tbi = false;
    }
    if (p.granule_bits != 16 && !p.lpa2) {
        p.output_bits = MIN(p.output_bits, 48);
    }
    int max = p.lpa2 || (p.granule_bits == 16 && arm_feature(env, ARM_FEAT_LVA)) ? 52 : 48;
    int min = !arm_feature(env, ARM_FEAT_ST) ? 25 : p.granule_bits == 16 ? 17 : 16;
    p.invalid = p.input_bits > max || p.input_bits < min;
    return p;
}

/* ---- descriptors
 * ---------------------------------------------------------------------------------- */

static bool fault(ARMWalk *w, unsigned fsc, int level)
{
    w->fsc = fsc_at_level(fsc, level);
    return false;
}

/* Tables are in RAM: a descriptor is reached through its host address. */
static _Atomic uint64_t *descriptor_at(CPUArmState *env, hwaddr addr, bool write)
{
    uint64_t len = 8;
    void *host = address_space_map(arm_vcpu(env)->as, addr, &len, write);

    return host && len == 8 ? host : NULL;
}

/* Output address of a descriptor, of `bits` low bits that it leaves to the address. */
static hwaddr output_address(const WalkParams *p, uint64_t desc, int bits)
{
    hwaddr mask = (1ull << bits) - 1;

    if (p->lpa2) {
        return (desc & 0x3ffffffffffffull & ~mask) | (desc >> 8 & 3) << 50;
    }
    hwaddr addr = desc & 0xffffffffffffull & ~mask;
    if (p->granule_bits == 16 && p->output_bits == 52) {
        addr |= (desc >> 12 & 15) << 48;
    }
    return addr;
}

static hwaddr table_base(const WalkParams *p, int first_bits)
{
    hwaddr base = p->ttbr & 0xffffffffffffull & ~((1ull << first_bits) - 1);

    if (p->output_bits == 52) {
        base = (p->ttbr & 0xffffffffffc0ull & ~((1ull << MAX(first_bits, 6)) - 1)) |
               (p->ttbr >> 2 & 15) << 48;
    }
    return base;
}

static bool block_allowed(const WalkParams *p, int level)
{
    switch (p->granule_bits) {
    case 12:
        return level >= (p->lpa2 ? 0 : 1);
    case 14:
        return level >= (p->lpa2 ? 1 : 2);
    default:
        return level >= (p->output_bits == 52 ? 1 : 2);
    }
}

/* ---- permissions
 * ------------------------------------------------------------------------------------- */

#define DESC_VALID   (1ull << 0)
#define DESC_TABLE   (1ull << 1)
#define DESC_AP1     (1ull << 6) /* EL0 may */
#define DESC_AP2     (1ull << 7) /* read only */
#define DESC_AF      (1ull << 10)
#define DESC_nG      (1ull << 11)
#define DESC_GP      (1ull << 50)
#define DESC_DBM     (1ull << 51)
#define DESC_PXN     (1ull << 53)
#define DESC_UXN     (1ull << 54)
#define TABLE_PXN    (1ull << 59)
#define TABLE_UXN    (1ull << 60)
#define TABLE_NO_EL0 (1ull << 61)
#define TABLE_RO     (1ull << 62)

/* A leaf as the tables above it restrict it. */
static uint64_t restricted(uint64_t desc, uint64_t tables)
{
    desc |= tables & TABLE_PXN ? DESC_PXN : 0;
    desc |= tables & TABLE_UXN ? DESC_UXN : 0;
    desc |= tables & TABLE_RO ? DESC_AP2 : 0;
    return tables & TABLE_NO_EL0 ? desc & ~DESC_AP1 : desc;
}

static int permissions(const CPUArmState *env, uint64_t desc, int mode)
{
    uint64_t sctlr = env->sys.sctlr_el[1];
    bool el0 = desc & DESC_AP1, writable = !(desc & DESC_AP2);
    int data = PROT_READ | (writable ? PROT_WRITE : 0);
    bool exec;

    if (mode == ARM_MODE_EL0) {
        data = el0 ? data : 0;
        exec = !(desc & DESC_UXN);
        exec = exec && !(sctlr & SCTLR_WXN && data & PROT_WRITE);
    } else {
        bool pan = mode == ARM_MODE_EL1_PAN;
        bool epan = arm_feature(env, ARM_FEAT_EPAN) && sctlr & SCTLR_EPAN;
        exec = !(desc & DESC_PXN) && !(el0 && writable);
        exec = exec && !(sctlr & SCTLR_WXN && writable);
        if (pan && (el0 || (epan && !(desc & DESC_UXN)))) {
            data = 0;
        }
    }
    return data | (exec ? PROT_EXEC : 0);
}

static int needed(MMUAccess access)
{
    return access == MMU_LOAD ? PROT_READ : access == MMU_STORE ? PROT_WRITE : PROT_EXEC;
}

/* ---- the walk
 * ---------------------------------------------------------------------------------------- */

/* Attributes that a memory type byte of MAIR gives: Device is 0b0000xxxx. */
static void set_attr(ARMWalk *w, uint8_t attr)
{
    w->attr = attr;
    w->device = !(attr & 0xf0);
}

enum { LEAF_DONE, LEAF_FAULT, LEAF_CHANGED };

/*
 * The checks of a leaf in the architecture's order: access flag, permission; flags that the
 * hardware manages are set in memory by compare-and-swap (D8.5).
 */
static int check_leaf(CPUArmState *env, const WalkParams *p, hwaddr at, uint64_t desc,
                      uint64_t tables, MMUAccess access, int mode, bool probe, int level,
                      ARMWalk *w)
{
    uint64_t new = desc;
    bool managed = p->hd && desc & DESC_DBM;

    if (!(desc & DESC_AF)) {
        if (!p->ha) {
            fault(w, FSC_ACCESS_FLAG, level);
            return LEAF_FAULT;
        }
        new |= DESC_AF;
    }
    w->prot = permissions(env, restricted(desc, tables), mode);
    if (managed && desc & DESC_AP2 && access == MMU_STORE) {
        new &= ~DESC_AP2;
        w->prot = permissions(env, restricted(new, tables), mode);
    }
    if (!(w->prot & needed(access))) {
        if (managed && access != MMU_STORE &&
            permissions(env, restricted(desc, tables), mode) & needed(access)) {
            return LEAF_DONE;
        }
        fault(w, FSC_PERMISSION, level);
        return LEAF_FAULT;
    }
    if (new == desc || probe) {
        return LEAF_DONE;
    }
    _Atomic uint64_t *host = descriptor_at(env, at, true);
    if (!host) {
        fault(w, FSC_EXTERNAL_WALK, level);
        return LEAF_FAULT;
    }
    uint64_t expected = GUINT64_TO_LE(desc);
    bool same = atomic_compare_exchange_strong(host, &expected, GUINT64_TO_LE(new));
    address_space_unmap(arm_vcpu(env)->as, (void *)host, 8);
    return same ? LEAF_DONE : LEAF_CHANGED;
}

static bool flat(CPUArmState *env, vaddr addr, MMUAccess access, ARMWalk *w)
{
    if (addr >> arm_pa_bits(env) & 0xffffffffffffffull >> arm_pa_bits(env)) {
        return fault(w, FSC_ADDRESS_SIZE, 0);
    }
    w->phys = addr & ((1ull << arm_pa_bits(env)) - 1);
    w->page_bits = TLB_PAGE_BITS;
    w->base = w->phys & -(hwaddr)TLB_PAGE_SIZE;
    w->prot = PROT_READ | PROT_WRITE | PROT_EXEC;
    w->global = true;
    set_attr(w, access == MMU_FETCH ? 0x44 : 0);
    w->sh = 2;
    return true;
}

static bool in_range(const WalkParams *p, vaddr addr)
{
    int top = p->tbi ? 55 : 63; /* bits top..input_bits are copies of bit 55 */

    if (p->input_bits > top) {
        return true;
    }
    int64_t rest = (int64_t)(addr << (63 - top)) >> (63 - top) >> p->input_bits;
    return rest == (p->upper ? -1 : 0);
}

static bool walk_tables(CPUArmState *env, const WalkParams *p, vaddr addr, MMUAccess access,
                        int mode, bool probe, ARMWalk *w)
{
    int stride = p->granule_bits - 3;
    int level = 4 - (p->input_bits - p->granule_bits + stride - 1) / stride;
    int low = p->granule_bits + stride * (3 - level); /* lowest bit that indexes this table */
    uint64_t va = addr & ((1ull << p->input_bits) - 1), tables = 0, index = va >> low;
    hwaddr base = table_base(p, p->input_bits - low + 3);

    if (base >> p->output_bits) {
        return fault(w, FSC_ADDRESS_SIZE, 0);
    }
    for (;; level++, low -= stride, index = va >> low & ((1u << stride) - 1)) {
        hwaddr at = base + index * 8;
        _Atomic uint64_t *host = descriptor_at(env, at, false);
        if (!host) {
            return fault(w, FSC_EXTERNAL_WALK, level);
        }
    again:;
        uint64_t desc = GUINT64_FROM_LE(atomic_load(host));
        bool table = desc & DESC_TABLE;
        if (!(desc & DESC_VALID) || (level == 3 && !table) ||
            (level < 3 && !table && !block_allowed(p, level))) {
            return fault(w, FSC_TRANSLATION, level);
        }
        if (level < 3 && table) {
            base = output_address(p, desc, p->granule_bits);
            if (base >> p->output_bits) {
                return fault(w, FSC_ADDRESS_SIZE, level);
            }
            tables |= p->hpd ? 0 : desc;
            continue;
        }
        hwaddr out = output_address(p, desc, low);
        if (out >> p->output_bits) {
            return fault(w, FSC_ADDRESS_SIZE, level);
        }
        switch (check_leaf(env, p, at, desc, tables, access, mode, probe, level, w)) {
        case LEAF_FAULT:
            return false;
        case LEAF_CHANGED:
            goto again;
        }
        w->base = out;
        w->phys = out | (va & ((1ull << low) - 1));
        w->page_bits = low;
        w->global = !(desc & DESC_nG);
        w->guarded = desc & DESC_GP && arm_feature(env, ARM_FEAT_BTI);
        w->sh = p->lpa2 ? env->sys.tcr_el[1] >> (p->upper ? 28 : 12) & 3 : desc >> 8 & 3;
        set_attr(w, env->sys.mair_el[1] >> (desc >> 2 & 7) * 8);
        return true;
    }
}

bool arm_walk(CPUArmState *env, vaddr addr, MMUAccess access, int mode, bool probe, ARMWalk *w)
{
    memset(w, 0, sizeof(*w));
    if (!(env->sys.sctlr_el[1] & SCTLR_M)) {
        return flat(env, addr, access, w);
    }
    WalkParams p = walk_params(env, addr, access);
    if (!in_range(&p, addr) || p.disabled || p.invalid || (p.e0pd && mode == ARM_MODE_EL0)) {
        return fault(w, FSC_TRANSLATION, 0);
    }
    return walk_tables(env, &p, addr, access, mode, probe, w);
}

/* ---- for the software TLB
 * ------------------------------------------------------------------------------ */

int arm_mmu_mode(const CPUState *cpu, bool fetch)
{
    const CPUArmState *env = (const CPUArmState *)cpu;

    if (arm_el(env) == 0) {
        return ARM_MODE_EL0;
    }
    return !fetch && env->pstate & ARM_PSTATE_PAN ? ARM_MODE_EL1_PAN : ARM_MODE_EL1;
}

static uint64_t abort_syndrome(MMUAccess access, unsigned fsc)
{
    return syn(access == MMU_FETCH ? EC_INSN_ABORT : EC_DATA_ABORT,
               fsc | (access == MMU_STORE ? ISS_WNR : 0));
}

bool arm_tlb_fill(CPUState *cpu, vaddr addr, G_GNUC_UNUSED unsigned size, MMUAccess access,
                  int mode, bool probe, TLBFill *out)
{
    CPUArmState *env = arm_env(cpu);
    ARMWalk w;

    if (access == MMU_FETCH && addr & 3 && !probe) { /* comes before all aborts */
        arm_record_abort(env, syn(EC_PC_ALIGN, 0), addr);
        return false;
    }
    if (!arm_walk(env, addr, access, mode, probe, &w)) {
        if (!probe) {
            arm_record_abort(env, abort_syndrome(access, w.fsc), addr);
        }
        return false;
    }
    *out = (TLBFill){
        .phys = w.base,
        .prot = w.prot,
        .page_bits = w.page_bits,
        .global = w.global,
        .aligned = w.device || env->sys.sctlr_el[1] & SCTLR_A,
        .guarded = w.guarded,
    };
    return true;
}

void arm_bus_error(CPUState *cpu, vaddr addr, G_GNUC_UNUSED unsigned size, MMUAccess access,
                   G_GNUC_UNUSED int mode, G_GNUC_UNUSED MemTxResult result)
{
    arm_record_abort(arm_env(cpu), abort_syndrome(access, FSC_EXTERNAL), addr);
}

void arm_unaligned(CPUState *cpu, vaddr addr, G_GNUC_UNUSED unsigned size, MMUAccess access,
                   G_GNUC_UNUSED int mode)
{
    arm_record_abort(arm_env(cpu), abort_syndrome(access, FSC_ALIGNMENT), addr);
}

bool arm_debug_translate(CPUState *cpu, vaddr addr, hwaddr *phys, MemTxAttrs *attrs)
{
    CPUArmState *env = arm_env(cpu);
    ARMWalk w;
    bool ok = arm_walk(env, addr, MMU_LOAD, ARM_MODE_EL1, true, &w) ||
              arm_walk(env, addr, MMU_FETCH, ARM_MODE_EL1, true, &w) ||
              arm_walk(env, addr, MMU_FETCH, ARM_MODE_EL0, true, &w);

    *phys = w.phys;
    *attrs = (MemTxAttrs){ .secure = false };
    return ok;
}

bool arm_page_guarded(CPUArmState *env, vaddr pc)
{
    ARMWalk w;
    int mode = arm_mmu_mode(&env->parent, true);

    return arm_feature(env, ARM_FEAT_BTI) && arm_walk(env, pc, MMU_FETCH, mode, true, &w) &&
           w.guarded;
}

void arm_update_address_space(CPUArmState *env)
{
    uint64_t ttbr = tcr_bit(env, 22) ? env->sys.ttbr1_el[1] : env->sys.ttbr0_el[1];
    uint64_t asid = tcr_bit(env, 36) ? ttbr >> 48 : ttbr >> 48 & 0xff;

    if (asid != env->sys.tlb_id) {
        env->sys.tlb_id = asid;
        tlb_set_address_space(&env->parent, ARM_MODES_EL10, asid);
    }
}

void arm_update_pac_code(CPUArmState *env)
{
    for (int code = 0; code < 2; code++) {
        for (int upper = 0; upper < 2; upper++) {
            MMUAccess access = code ? MMU_FETCH : MMU_LOAD;
            WalkParams p = walk_params(env, upper ? ~0ull : 0, access);
            env->pac_code[code][upper] = pauth_code_bits(p.input_bits, p.tbi);
        }
    }
}
