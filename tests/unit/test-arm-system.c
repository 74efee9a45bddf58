/* SPDX-License-Identifier: MIT */
/*
 * The Arm CPU of whole machines without an engine: page walks over tables built here, exceptions
 * taken and returned from, who may access which system register. Expected values are from DDI 0487.
 */
#include <string.h>
#include <sys/mman.h>

#include "hw/biglock.h"
#include "target/arm/system.h"

#define RAM_BASE 0x40000000ull
#define RAM_SIZE 0x400000ull
#define TABLES   (RAM_BASE + 0x100000)

static MemoryRegion root, ram;
static AddressSpace space;
static VCPU vcpu;
static CPUArmState *env;

/* ---- a CPU and its memory
 * ------------------------------------------------------------------------------ */

static void make_machine(void)
{
    GError *err = NULL;

    biglock_lock();
    memory_region_init(&root, "root", UINT64_MAX);
    g_assert_true(memory_region_init_ram(&ram, "ram", RAM_SIZE, &err));
    memory_region_add(&root, RAM_BASE, &ram, 0);
    address_space_init(&space, &root, "cpu");
    CPUState *cpu = arm_system_target.cpu_new("max", &err);
    g_assert_no_error(err);
    cpu->opaque = &vcpu;
    vcpu.cpu = cpu;
    vcpu.as = &space;
    arm_cpu_configure(&vcpu, &(ARMBoardConfig){ .psci = ARM_PSCI_HVC, .reset_pc = 0x1000 });
    env = arm_env(cpu);
}

static void reset(void)
{
    arm_system_target.cpu_reset(vcpu.cpu);
    memset(memory_region_ram_ptr(&ram), 0, RAM_SIZE);
}

static void poke(hwaddr addr, uint64_t val)
{
    address_space_stle(&space, addr, val, 8);
}

static uint64_t peek(hwaddr addr)
{
    return address_space_ldle(&space, addr, 8);
}

/* ---- walks
 * ------------------------------------------------------------------------------------------- */

enum {
    VALID = 1,
    TABLE = 3,
    PAGE = 3,
    BLOCK = 1,
    AP_EL0 = 1 << 6,
    AP_RO = 1 << 7,
    AF = 1 << 10,
    NG = 1 << 11,
};
#define PXN (1ull << 53)
#define UXN (1ull << 54)
#define DBM (1ull << 51)
#define GP  (1ull << 50)

#define TCR_48_4K  (16ull | 1ull << 23 | 5ull << 32)
#define TCR_48_16K (16ull | 2ull << 14 | 1ull << 23 | 5ull << 32)
#define TCR_48_64K (16ull | 1ull << 14 | 1ull << 23 | 5ull << 32)
#define TCR_HA     (1ull << 39)
#define TCR_HD     (1ull << 40)

/* A walk with no other table than one for each level; the leaf is at `leaf_level`. */
static hwaddr map(uint64_t tcr, vaddr va, int granule, int first, int leaf_level, uint64_t leaf)
{
    int stride = granule - 3, level = first;
    hwaddr table = TABLES;

    reset();
    env->sys.tcr_el[1] = tcr;
    env->sys.ttbr0_el[1] = table;
    env->sys.mair_el[1] = 0xff04; /* 0: Device-nGnRE, 1: Normal */
    env->sys.sctlr_el[1] = SCTLR_M;
    for (;; level++) {
        int low = granule + stride * (3 - level);
        int bits = level == first ? 48 - low : stride;
        hwaddr at = table + (va >> low & ((1ull << bits) - 1)) * 8;
        if (level == leaf_level) {
            poke(at, leaf);
            return at;
        }
        table += 0x10000;
        poke(at, table | TABLE);
    }
}

static bool walk(vaddr va, MMUAccess access, int mode, ARMWalk *w)
{
    return arm_walk(env, va, access, mode, false, w);
}

static void expect_fault(vaddr va, MMUAccess access, int mode, unsigned fsc)
{
    ARMWalk w;

    g_assert_false(walk(va, access, mode, &w));
    g_assert_cmphex(w.fsc, ==, fsc);
}

static void expect(vaddr va, MMUAccess access, int mode, hwaddr pa, int page_bits)
{
    ARMWalk w;

    g_assert_true(walk(va, access, mode, &w));
    g_assert_cmphex(w.phys, ==, pa);
    g_assert_cmpint(w.page_bits, ==, page_bits);
}

#define VA 0x0000123456789abcull

static void test_granules(void)
{
    static const struct {
        uint64_t tcr;
        int granule, first, leaf, page_bits;
    } cases[] = {
        { TCR_48_4K, 12, 0, 3, 12 },  { TCR_48_4K, 12, 0, 2, 21 },  { TCR_48_4K, 12, 0, 1, 30 },
        { TCR_48_16K, 14, 0, 3, 14 }, { TCR_48_16K, 14, 0, 2, 25 }, { TCR_48_64K, 16, 1, 3, 16 },
        { TCR_48_64K, 16, 1, 2, 29 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        int bits = cases[i].page_bits;
        hwaddr pa = 0xa1b2c0000000ull & -(1ull << bits);
        map(cases[i].tcr, VA, cases[i].granule, cases[i].first, cases[i].leaf,
            pa | (cases[i].leaf == 3 ? PAGE : BLOCK) | AF | 1 << 2 | NG);
        expect(VA, MMU_LOAD, ARM_MODE_EL1, pa | (VA & ((1ull << bits) - 1)), bits);
    }
}

static void test_attributes(void)
{
    ARMWalk w;

    map(TCR_48_4K, VA, 12, 0, 3, 0x50000000 | PAGE | AF);
    g_assert_true(walk(VA, MMU_LOAD, ARM_MODE_EL1, &w));
    g_assert_true(w.device);
    g_assert_true(w.global);
    map(TCR_48_4K, VA, 12, 0, 3, 0x50000000 | PAGE | AF | 1 << 2 | NG | GP);
    g_assert_true(walk(VA, MMU_LOAD, ARM_MODE_EL1, &w));
    g_assert_false(w.device);
    g_assert_false(w.global);
    g_assert_true(w.guarded);
}

/* Blocks are not allowed everywhere, and the highest levels have no level 0 table with 64K. */
static void test_reserved(void)
{
    map(TCR_48_4K, VA, 12, 0, 0, RAM_BASE | BLOCK | AF);
    expect_fault(VA, MMU_LOAD, ARM_MODE_EL1, 0x04);
    map(TCR_48_4K, VA, 12, 0, 3, RAM_BASE | VALID | AF);
    expect_fault(VA, MMU_LOAD, ARM_MODE_EL1, 0x07);
    map(TCR_48_16K, VA, 14, 0, 1, RAM_BASE | BLOCK | AF);
    expect_fault(VA, MMU_LOAD, ARM_MODE_EL1, 0x05);
}

static void test_faults(void)
{
    for (int level = 0; level < 4; level++) { /* translation faults */
        map(TCR_48_4K, VA, 12, 0, level, 0);
        expect_fault(VA, MMU_LOAD, ARM_MODE_EL1, 0x04 + level);
    }
    hwaddr leaf = map(TCR_48_4K, VA, 12, 0, 3, RAM_BASE | PAGE);
    expect_fault(VA, MMU_LOAD, ARM_MODE_EL1, 0x0b); /* access flag */
    poke(leaf, RAM_BASE | PAGE | AF | AP_RO);
    expect_fault(VA, MMU_STORE, ARM_MODE_EL1, 0x0f); /* permission */
    env->sys.tcr_el[1] &= ~(7ull << 32);             /* IPS: 32 bits */
    poke(leaf, 0x100000000 | PAGE | AF);
    expect_fault(VA, MMU_LOAD, ARM_MODE_EL1, 0x03); /* address size */
    map(TCR_48_4K, VA, 12, 0, 1, 0x10000000 | TABLE);
    expect_fault(VA, MMU_LOAD, ARM_MODE_EL1, 0x16); /* external abort on the walk, level 2 */
    expect_fault(VA | 1ull << 55, MMU_LOAD, ARM_MODE_EL1, 0x04); /* EPD1 */
    expect_fault(VA | 1ull << 50, MMU_LOAD, ARM_MODE_EL1, 0x04); /* not an address */
}

static void test_tags(void)
{
    map(TCR_48_4K, VA, 12, 0, 3, RAM_BASE | PAGE | AF);
    expect_fault(VA | 0x5aull << 56, MMU_LOAD, ARM_MODE_EL1, 0x04);
    env->sys.tcr_el[1] |= 1ull << 37; /* TBI0 */
    expect(VA | 0x5aull << 56, MMU_LOAD, ARM_MODE_EL1, RAM_BASE | (VA & 0xfff), 12);
    env->sys.tcr_el[1] |= 1ull << 51; /* TBID0: data only */
    expect_fault(VA | 0x5aull << 56, MMU_FETCH, ARM_MODE_EL1, 0x04);
}

enum { R = PROT_READ, W = PROT_WRITE, X = PROT_EXEC };

/* What each mode may do with a page. */
static void test_permissions(void)
{
    static const struct {
        uint64_t leaf, sctlr;
        int el0, el1, pan;
    } cases[] = {
        { 0, 0, X, R | W | X, R | W | X },
        { AP_EL0, 0, R | W | X, R | W, 0 },
        { AP_RO, 0, X, R | X, R | X },
        { AP_RO | AP_EL0, 0, R | X, R | X, X },
        { AP_EL0 | UXN, 0, R | W, R | W, 0 },
        { PXN, 0, X, R | W, R | W },
        { AP_RO | UXN | PXN, 0, 0, R, R },
        { UXN, SCTLR_WXN, 0, R | W, R | W },
        { AP_EL0, SCTLR_WXN, R | W, R | W, 0 },
        { AP_RO, SCTLR_EPAN, X, R | X, X },
        { AP_RO | UXN, SCTLR_EPAN, 0, R | X, R | X },
    };
    static const int needs[] = { PROT_READ, PROT_WRITE, PROT_EXEC };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        const int may[] = { cases[i].el0, cases[i].el1, cases[i].pan };
        map(TCR_48_4K, VA, 12, 0, 3, RAM_BASE | PAGE | AF | cases[i].leaf);
        env->sys.sctlr_el[1] |= cases[i].sctlr;
        for (int mode = 0; mode < 3; mode++) {
            for (int access = 0; access < 3; access++) {
                ARMWalk w;
                bool ok = walk(VA, access, mode, &w);
                if (ok != !!(may[mode] & needs[access])) {
                    g_error("case %u mode %d access %d: %d", i, mode, access, ok);
                }
                g_assert_cmpint(ok ? w.prot : may[mode], ==, may[mode]);
            }
        }
    }
}

static void test_table_restrictions(void)
{
    hwaddr leaf = map(TCR_48_4K, VA, 12, 0, 3, RAM_BASE | PAGE | AF | AP_EL0);
    hwaddr table = TABLES + 0x10000 + (VA >> 30 & 511) * 8;
    uint64_t desc = peek(table);
    ARMWalk w;

    poke(table, desc | 1ull << 61); /* APTable[0]: not for EL0 */
    expect_fault(VA, MMU_LOAD, ARM_MODE_EL0, 0x0f);
    poke(table, desc | 1ull << 62); /* APTable[1]: read only */
    expect_fault(VA, MMU_STORE, ARM_MODE_EL0, 0x0f);
    poke(table, desc | 1ull << 60); /* UXNTable */
    expect_fault(VA, MMU_FETCH, ARM_MODE_EL0, 0x0f);
    env->sys.tcr_el[1] |= 1ull << 41; /* HPD0 */
    g_assert_true(walk(VA, MMU_FETCH, ARM_MODE_EL0, &w));
    g_assert_cmphex(peek(leaf), ==, RAM_BASE | PAGE | AF | AP_EL0);
}

static void test_hardware_flags(void)
{
    uint64_t desc = RAM_BASE | PAGE | DBM | AP_RO;
    hwaddr leaf = map(TCR_48_4K | TCR_HA | TCR_HD, VA, 12, 0, 3, desc);
    ARMWalk w;

    g_assert_true(arm_walk(env, VA, MMU_LOAD, ARM_MODE_EL1, true, &w));
    g_assert_cmphex(peek(leaf), ==, desc); /* a probe changes nothing */
    g_assert_true(walk(VA, MMU_LOAD, ARM_MODE_EL1, &w));
    g_assert_cmphex(peek(leaf), ==, desc | AF);
    g_assert_false(w.prot & PROT_WRITE); /* so that the first write is seen */
    g_assert_true(walk(VA, MMU_STORE, ARM_MODE_EL1, &w));
    g_assert_cmphex(peek(leaf), ==, (desc | AF) & ~(uint64_t)AP_RO);
    g_assert_true(w.prot & PROT_WRITE);
    env->sys.tcr_el[1] &= ~TCR_HD;
    poke(leaf, desc | AF);
    expect_fault(VA, MMU_STORE, ARM_MODE_EL1, 0x0f);
}

static void test_e0pd(void)
{
    map(TCR_48_4K | 1ull << 55, VA, 12, 0, 3, RAM_BASE | PAGE | AF | AP_EL0);
    expect(VA, MMU_LOAD, ARM_MODE_EL1, RAM_BASE | (VA & 0xfff), 12);
    expect_fault(VA, MMU_LOAD, ARM_MODE_EL0, 0x04);
}

/* FEAT_LPA2: 52 bits of address in 4K pages; the walk begins at level -1. */
static void test_lpa2(void)
{
    vaddr va = 0x000f23456789a123;
    hwaddr table = TABLES;

    reset();
    env->sys.tcr_el[1] = 12 | 1ull << 23 | 6ull << 32 | 1ull << 59;
    env->sys.ttbr0_el[1] = table;
    env->sys.sctlr_el[1] = SCTLR_M;
    for (int level = -1; level < 3; level++) {
        int low = 12 + 9 * (3 - level);
        poke(table + (va >> low & (level < 0 ? 15 : 511)) * 8, (table + 0x1000) | TABLE);
        table += 0x1000;
    }
    /* PA[51:50] are bits 9:8, PA[49:12] in place */
    poke(table + (va >> 12 & 511) * 8, 0x2345678901000ull | 2 << 8 | PAGE | AF);
    expect(va, MMU_LOAD, ARM_MODE_EL1, 0xa345678901000ull | 0x123, 12);
    poke(TABLES + (va >> 48 & 15) * 8, 0);
    expect_fault(va, MMU_LOAD, ARM_MODE_EL1, 0x2b); /* translation fault, level -1 */
}

static void test_mmu_off(void)
{
    ARMWalk w;

    reset();
    expect(RAM_BASE + 0x123, MMU_LOAD, ARM_MODE_EL1, RAM_BASE + 0x123, 12);
    g_assert_true(walk(RAM_BASE, MMU_LOAD, ARM_MODE_EL1, &w));
    g_assert_true(w.device);
    expect_fault(1ull << 53, MMU_LOAD, ARM_MODE_EL1, 0x00);
}

/* ---- exceptions
 * --------------------------------------------------------------------------------------------- */

static void enter_el0(uint32_t daif)
{
    reset();
    env->sys.vbar_el[1] = 0x80000;
    env->sys.sp_el[0] = 0x111000;
    env->x[31] = 0x222000;
    env->sys.spsr_el[1] = daif | 0x60000000;
    arm_exception_return(env, 0x4000);
}

static void test_return(void)
{
    enter_el0(0);
    g_assert_cmpint(arm_el(env), ==, 0);
    g_assert_cmphex(env->pc, ==, 0x4000);
    g_assert_cmphex(env->x[31], ==, 0x111000);
    g_assert_cmphex(env->sys.sp_el[1], ==, 0x222000);
    g_assert_cmphex(arm_get_spsr(env), ==, 0x60000000);
}

static void test_svc(void)
{
    enter_el0(0);
    env->pc = 0x4004;
    env->sys.sctlr_el[1] &= ~SCTLR_SPAN;
    arm_record_exception(env, syn_call(EC_SVC64, 0x77));
    arm_do_interrupt(vcpu.cpu);
    g_assert_cmphex(env->pc, ==, 0x80400);
    g_assert_cmphex(env->sys.elr_el[1], ==, 0x4004);
    g_assert_cmphex(env->sys.spsr_el[1], ==, 0x60000000);
    g_assert_cmphex(env->sys.esr_el[1], ==, 0x56000077);
    g_assert_cmphex(env->x[31], ==, 0x222000);
    g_assert_cmphex(env->pstate & 0x3cf, ==, 0x3c5);
    g_assert_true(env->pstate & ARM_PSTATE_PAN);
}

static void test_abort(void)
{
    TLBFill fill;

    enter_el0(0);
    env->sys.sctlr_el[1] = SCTLR_M;
    env->sys.tcr_el[1] = TCR_48_4K;
    env->sys.ttbr0_el[1] = TABLES;
    g_assert_false(arm_tlb_fill(vcpu.cpu, 0x123458, 8, MMU_STORE, ARM_MODE_EL0, false, &fill));
    g_assert_cmpint(vcpu.cpu->exception_index, ==, EXCP_ARM_SYNC);
    arm_do_interrupt(vcpu.cpu);
    g_assert_cmphex(env->sys.esr_el[1], ==, 0x92000044); /* lower level, WnR, level 0 */
    g_assert_cmphex(env->sys.far_el[1], ==, 0x123458);
    g_assert_cmphex(env->pc, ==, 0x80400);
    /* the same from EL1 */
    g_assert_false(arm_tlb_fill(vcpu.cpu, 0x5678, 4, MMU_FETCH, ARM_MODE_EL1, false, &fill));
    arm_do_interrupt(vcpu.cpu);
    g_assert_cmphex(env->sys.esr_el[1], ==, 0x86000004);
    g_assert_cmphex(env->sys.far_el[1], ==, 0x5678);
    g_assert_cmphex(env->pc, ==, 0x80200);
}

static void test_interrupts(void)
{
    enter_el0(ARM_PSTATE_I);
    g_assert_false(arm_exec_interrupt(vcpu.cpu, CPU_INT_HARD));
    g_assert_true(arm_exec_interrupt(vcpu.cpu, CPU_INT_HARD | CPU_INT_FAST));
    g_assert_cmphex(env->pc, ==, 0x80500); /* FIQ, lower level */
    g_assert_false(arm_exec_interrupt(vcpu.cpu, CPU_INT_HARD | CPU_INT_FAST));
    env->pstate &= ~ARM_PSTATE_DAIF;
    arm_set_spsel(env, false);
    g_assert_true(arm_exec_interrupt(vcpu.cpu, CPU_INT_HARD));
    g_assert_cmphex(env->pc, ==, 0x80080); /* IRQ, SP_EL0 */
}

static void test_illegal_return(void)
{
    static const uint64_t bad[] = { 1 << 2 | 2, 2 << 2, 3 << 2 | 1, 1 << 4, 1 /* EL0h */ };

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        reset();
        env->sys.spsr_el[1] = bad[i] | 0x80000000;
        arm_exception_return(env, 0x4000);
        g_assert_cmphex(arm_get_spsr(env), ==, 0x80000000 | ARM_PSTATE_IL | 5);
        g_assert_cmphex(env->pc, ==, 0x4000);
        g_assert_true(arm_system_target.tb_flags(vcpu.cpu) & ARM_TBF_IL);
    }
}

static void test_step_state(void)
{
    reset();
    env->sys.os_lock = false;
    env->sys.mdscr = MDSCR_SS;
    env->sys.spsr_el[1] = ARM_PSTATE_SS; /* to EL0 */
    arm_exception_return(env, 0x4000);
    uint32_t flags = arm_system_target.tb_flags(vcpu.cpu);
    g_assert_true(flags & ARM_TBF_STEP);
    g_assert_false(flags & ARM_TBF_STEP_NOW);
    env->pstate &= ~ARM_PSTATE_SS;
    g_assert_true(arm_system_target.tb_flags(vcpu.cpu) & ARM_TBF_STEP_NOW);
    /* an abort of the stepped instruction leaves it to be stepped again */
    arm_record_abort(env, syn(EC_DATA_ABORT, 7), 0);
    arm_do_interrupt(vcpu.cpu);
    g_assert_true(env->sys.spsr_el[1] & ARM_PSTATE_SS);
}

/* ---- system registers
 * ----------------------------------------------------------------------------------------- */

static const ARMSysRegTable *const tables[] = {
    &arm_regs_el1,   &arm_regs_id,  &arm_regs_maintenance, &arm_regs_tlb,
    &arm_regs_timer, &arm_regs_pmu, &arm_regs_debug,
};

static void test_tables(void)
{
    g_autoptr(GHashTable) keys = g_hash_table_new(NULL, NULL);
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);

    for (unsigned t = 0; t < G_N_ELEMENTS(tables); t++) {
        for (int i = 0; i < tables[t]->count; i++) {
            const ARMSysReg *r = &tables[t]->regs[i];
            bool field = r->offset || r->flags & (ARM_REG_CONST | ARM_REG_PSTATE);
            g_assert_true(g_hash_table_add(keys, GUINT_TO_POINTER(r->key)));
            g_assert_true(g_hash_table_add(names, (gpointer)r->name));
            g_assert_cmpint(r->key >> 14, >=, 1);
            g_assert_cmphex(r->access, !=, 0);
            g_assert_true(!(r->access & 15) || r->read || field);
            g_assert_true(!(r->access >> 4) || r->write || field);
            g_assert_cmpint(r->offset, <, sizeof(CPUArmState));
            g_assert_cmpint(r->offset % 8, ==, 0);
            g_assert_true(!(r->flags & ARM_REG_MASKED) || r->mask);
        }
    }
    g_assert_cmpint(g_hash_table_size(keys), >, 200);
}

static ARMTrap check(unsigned key, bool read)
{
    const ARMSysReg *r = arm_find_sysreg(env, key);

    return r ? arm_check_sysreg(env, r, read) : ARM_TRAP_UNDEF;
}

static void test_access(void)
{
    const unsigned sctlr = ARM_SYSREG(3, 0, 1, 0, 0), ctr = ARM_SYSREG(3, 3, 0, 0, 1);
    const unsigned pfr0 = ARM_SYSREG(3, 0, 0, 4, 0), cntvct = ARM_SYSREG(3, 3, 14, 0, 2);
    const unsigned sp_el0 = ARM_SYSREG(3, 0, 4, 1, 0), daif = ARM_SYSREG(3, 3, 4, 2, 1);
    const unsigned ivau = ARM_SYSREG(1, 3, 7, 5, 1), hcr = ARM_SYSREG(3, 4, 1, 1, 0);
    const unsigned reserved = ARM_SYSREG(3, 0, 0, 7, 7);

    reset();
    g_assert_cmpint(check(sctlr, true), ==, ARM_TRAP_NONE);
    g_assert_cmpint(check(sctlr, false), ==, ARM_TRAP_NONE);
    g_assert_cmpint(check(pfr0, false), ==, ARM_TRAP_UNDEF);
    g_assert_cmpint(check(hcr, true), ==, ARM_TRAP_UNDEF);
    g_assert_cmpint(check(sp_el0, true), ==, ARM_TRAP_NONE);
    g_assert_cmpint(check(reserved, true), ==, ARM_TRAP_NONE);
    g_assert_cmphex(arm_read_sysreg(env, arm_find_sysreg(env, reserved)), ==, 0);
    arm_set_spsel(env, false);
    g_assert_cmpint(check(sp_el0, true), ==, ARM_TRAP_UNDEF);

    enter_el0(0);
    g_assert_cmpint(check(sctlr, true), ==, ARM_TRAP_UNDEF);
    g_assert_cmpint(check(pfr0, true), ==, ARM_TRAP_SYSREG); /* FEAT_IDST */
    g_assert_cmpint(check(ctr, true), ==, ARM_TRAP_SYSREG);
    g_assert_cmpint(check(cntvct, true), ==, ARM_TRAP_SYSREG);
    g_assert_cmpint(check(daif, true), ==, ARM_TRAP_SYSREG);
    g_assert_cmpint(check(ivau, false), ==, ARM_TRAP_SYSREG);
    env->sys.sctlr_el[1] |= SCTLR_UCT | SCTLR_UMA | SCTLR_UCI;
    env->sys.cntkctl = 2;
    g_assert_cmpint(check(ctr, true), ==, ARM_TRAP_NONE);
    g_assert_cmpint(check(cntvct, true), ==, ARM_TRAP_NONE);
    g_assert_cmpint(check(daif, true), ==, ARM_TRAP_NONE);
    g_assert_cmpint(check(ivau, false), ==, ARM_TRAP_NONE);
    /* MRS X3, CTR_EL0 */
    g_assert_cmphex(syn_sysreg(0xd53b0023), ==, 0x6232c061);
}

static void test_plugin(void)
{
    static const ARMSysReg regs[] = {
        { "ICC_TEST", ARM_SYSREG(3, 0, 12, 12, 0), ARM_RW1, .offset = 0, .flags = ARM_REG_CONST,
          .reset = 0x1234 },
    };

    arm_cpu_register_sysregs(&vcpu, regs, 1, NULL);
    reset();
    g_assert_cmphex(arm_read_sysreg(env, arm_find_sysreg(env, regs[0].key)), ==, 0x1234);
}

static uint64_t psci(uint64_t fn, uint64_t a1)
{
    env->x[0] = fn;
    env->x[1] = a1;
    arm_psci_call(env);
    return env->x[0];
}

static void test_psci(void)
{
    reset();
    g_assert_cmphex(psci(0x84000000, 0), ==, 0x10001);
    g_assert_cmphex(psci(0x8400000a, 0xc4000003), ==, 0);
    g_assert_cmphex(psci(0x8400000a, 0x84000055), ==, (uint64_t)-1);
    g_assert_cmphex(psci(0x84001234, 0), ==, (uint64_t)-1);
    g_assert_cmphex(psci(0x84000006, 0), ==, 2);
    g_assert_cmphex(psci(0x84000050, 0), ==, 0x10000);
    g_assert_cmphex(psci(0x84000053, 8), ==, 0);
    g_assert_cmpint(env->x[3], <, 256);
    g_assert_cmphex(env->x[1] | env->x[2], ==, 0);
    g_assert_cmphex(psci(0x84000053, 97), ==, (uint64_t)-2);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*fn)(void);
    } cases[] = {
        { "/arm/walk/granules", test_granules },
        { "/arm/walk/attributes", test_attributes },
        { "/arm/walk/reserved", test_reserved },
        { "/arm/walk/faults", test_faults },
        { "/arm/walk/tags", test_tags },
        { "/arm/walk/permissions", test_permissions },
        { "/arm/walk/tables", test_table_restrictions },
        { "/arm/walk/hardware-flags", test_hardware_flags },
        { "/arm/walk/e0pd", test_e0pd },
        { "/arm/walk/lpa2", test_lpa2 },
        { "/arm/walk/mmu-off", test_mmu_off },
        { "/arm/exception/return", test_return },
        { "/arm/exception/svc", test_svc },
        { "/arm/exception/abort", test_abort },
        { "/arm/exception/interrupts", test_interrupts },
        { "/arm/exception/illegal-return", test_illegal_return },
        { "/arm/exception/step", test_step_state },
        { "/arm/sysreg/tables", test_tables },
        { "/arm/sysreg/access", test_access },
        { "/arm/sysreg/plugin", test_plugin },
        { "/arm/psci", test_psci },
    };

    g_test_init(&argc, &argv, NULL);
    make_machine();
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_add_func(cases[i].name, cases[i].fn);
    }
    return g_test_run();
}
