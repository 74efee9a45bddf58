/* SPDX-License-Identifier: MIT */
/* Translation as code sees it: permissions, PAN, access and dirty flags, ASIDs, TLBI, code changes.
 */
#include "system.h"

#define PAGE_A 0x40100000ull /* RAM below the program */
#define PAGE_B 0x40101000ull
#define VIRT_A                                                                        \
    0x7f000000ull /* RAM that the program does not use; nothing is there with 128 MiB \
                   */

static uint64_t load(uint64_t addr)
{
    return *(volatile uint64_t *)addr;
}

static void store(uint64_t addr, uint64_t val)
{
    *(volatile uint64_t *)addr = val;
}

static EL0_TEXT uint64_t el0_load(uint64_t addr)
{
    return *(volatile uint64_t *)addr;
}

static void mapping_changes(void)
{
    map_page(VIRT_A, PAGE_A, PTE_RAM);
    tlbi_all();
    store(PAGE_A, 0xaaaa);
    store(PAGE_B, 0xbbbb);
    is(load(VIRT_A), 0xaaaa, "a page by another address");
    store(VIRT_A + 8, 0x1111);
    is(load(PAGE_A + 8), 0x1111, "is the same memory");
    map_page(VIRT_A, PAGE_B, PTE_RAM);
    tlbi_va(VIRT_A, 0);
    is(load(VIRT_A), 0xbbbb, "TLBI VAE1IS after the mapping changed");
    map_page(VIRT_A, PAGE_B, PTE_RAM | PTE_RO);
    tlbi_va(VIRT_A, 0);
    store(VIRT_A, 5);
    expect(0x9600004f, "made read-only");
    map_page(VIRT_A, 0, 0);
    tlbi_va(VIRT_A, 0);
    load(VIRT_A);
    expect(0x96000007, "unmapped");
    for (uint64_t i = 0; i < 4; i++) {
        map_page(VIRT_A + i * 4096, PAGE_A, PTE_RAM);
    }
    tlbi_all();
    for (uint64_t i = 0; i < 4; i++) {
        load(VIRT_A + i * 4096);
        map_page(VIRT_A + i * 4096, PAGE_B, PTE_RAM);
    }
    /* 8 pages from VIRT_A: TG 4K, SCALE 0, NUM 3 */
    uint64_t range = 1ull << 46 | 3ull << 39 | VIRT_A >> 12;
    asm volatile("dsb ish; sys #0, c8, c2, #1, %0; dsb ish; isb" ::"r"(range) : "memory");
    bool all = true;
    for (uint64_t i = 0; i < 4; i++) {
        all = all && load(VIRT_A + i * 4096) == 0xbbbb;
    }
    ok(all, "TLBI RVAE1IS");
}

/* TTBR0 with ASID in bits 63:48. */
static void set_asid(uint64_t asid)
{
    write_reg(ttbr0_el1, (read_reg(ttbr0_el1) & 0xffffffffffff) | asid << 48);
}

static void asids(void)
{
    write_reg(tcr_el1, read_reg(tcr_el1) | 1ull << 36); /* AS: 16 bits */
    map_page(VIRT_A, PAGE_A, PTE_RAM | PTE_NG | PTE_EL0);
    tlbi_all();
    set_asid(1);
    is(run_el0(el0_load, VIRT_A, 0), 0xaaaa, "an address space");
    map_page(VIRT_A, PAGE_B, PTE_RAM | PTE_NG | PTE_EL0);
    set_asid(2);
    is(run_el0(el0_load, VIRT_A, 0), 0xbbbb, "another one, without TLBI");
    is(load(VIRT_A), 0xbbbb, "and at EL1");
    set_asid(0x101);
    is(run_el0(el0_load, VIRT_A, 0), 0xbbbb, "ASIDs have 16 bits");
    for (uint64_t asid = 3; asid < 40; asid++) {
        set_asid(asid);
        map_page(VIRT_A, asid & 1 ? PAGE_A : PAGE_B, PTE_RAM | PTE_NG | PTE_EL0);
        if (run_el0(el0_load, VIRT_A, 0) != (asid & 1 ? 0xaaaaull : 0xbbbb)) {
            ok(false, "many address spaces");
            return;
        }
    }
    ok(true, "many address spaces");
    set_asid(2);
    map_page(VIRT_A, PAGE_A, PTE_RAM | PTE_NG | PTE_EL0);
    asm volatile("dsb ish; tlbi aside1is, %0; dsb ish; isb" ::"r"(2ull << 48) : "memory");
    is(run_el0(el0_load, VIRT_A, 0), 0xaaaa, "TLBI ASIDE1IS");
    map_page(VIRT_A, PAGE_B, PTE_RAM | PTE_NG | PTE_EL0);
    tlbi_va(VIRT_A, 2);
    is(run_el0(el0_load, VIRT_A, 0), 0xbbbb, "TLBI VAE1IS of an ASID");
    is(load(VIRT_A), 0xbbbb, "and at EL1");
    set_asid(0);
    exceptions = 0;
}

static void unprivileged(void)
{
    uint64_t val = 0;

    map_page(VIRT_A, PAGE_A, PTE_RAM | PTE_EL0 | PTE_UXN | PTE_PXN);
    map_page(VIRT_A + 4096, PAGE_B, PTE_RAM);
    tlbi_all();
    asm volatile("msr s0_0_c4_c1_4, xzr; ldtr %0, [%1]" : "=r"(val) : "r"(VIRT_A)); /* PAN 1 */
    is(val, 0xaaaa, "LDTR from EL0's page with PAN");
    asm volatile("ldr %0, [%1]" : "=r"(val) : "r"(VIRT_A));
    expect(0x9600000f, "LDR from EL0's page with PAN");
    asm volatile("ldtr %0, [%1]" : "=r"(val) : "r"(VIRT_A + 4096));
    expect(0x9600000f, "LDTR from EL1's page");
    asm volatile(".inst 0xd500409f; ldr %0, [%1]" : "=r"(val) : "r"(VIRT_A)); /* PAN 0 */
    is(val, 0xaaaa, "LDR without PAN");
    asm volatile("msr s3_0_c4_c2_4, %0" ::"r"(1ull << 23)); /* UAO */
    asm volatile("ldtr %0, [%1]" : "=r"(val) : "r"(VIRT_A + 4096));
    is(val, 0xbbbb, "LDTR from EL1's page with UAO");
    asm volatile("msr s3_0_c4_c2_4, xzr");
    write_reg(sctlr_el1, read_reg(sctlr_el1) & ~(1ull << 23)); /* SPAN */
    asm volatile("svc #1");
    is(last.spsr & 1 << 22, 0, "PAN is off in SPSR");
    exceptions = 0;
    write_reg(sctlr_el1, read_reg(sctlr_el1) | 1 << 23);
}

static void hardware_flags(void)
{
    uint64_t tcr = read_reg(tcr_el1);

    write_reg(tcr_el1, tcr | 3ull << 39);
    map_page(VIRT_A, PAGE_A, (PTE_RAM & ~PTE_AF) | PTE_RO | PTE_DBM);
    tlbi_all();
    load(VIRT_A);
    is(*page_entry(VIRT_A) & (PTE_AF | PTE_RO), PTE_AF | PTE_RO, "a load sets the access flag");
    store(VIRT_A, 0xaaaa);
    is(*page_entry(VIRT_A) & (PTE_AF | PTE_RO), PTE_AF, "a store makes the page dirty");
    write_reg(tcr_el1, tcr);
    map_page(VIRT_A, PAGE_A, PTE_RAM | PTE_RO | PTE_DBM);
    tlbi_all();
    store(VIRT_A, 0xaaaa);
    expect(0x9600004f, "or not, without TCR.HD");
}

typedef uint64_t (*Function)(void);

static void sync_code(uint64_t addr)
{
    asm volatile("dc cvau, %0; dsb ish; ic ivau, %0; dsb ish; isb" ::"r"(addr) : "memory");
}

static void code(void)
{
    enum { MOV_X0_1 = 0xd2800020, MOV_X0_2 = 0xd2800040, MOV_X0_3 = 0xd2800060, RET = 0xd65f03c0 };
    volatile uint32_t *a = (volatile uint32_t *)PAGE_A, *b = (volatile uint32_t *)PAGE_B;
    Function at_virt = (Function)VIRT_A;

    a[0] = MOV_X0_1;
    a[1] = RET;
    b[0] = MOV_X0_2;
    b[1] = RET;
    sync_code(PAGE_A);
    sync_code(PAGE_B);
    map_page(VIRT_A, PAGE_A, PTE_RAM);
    tlbi_all();
    is(at_virt(), 1, "code in a page");
    map_page(VIRT_A, PAGE_B, PTE_RAM);
    tlbi_va(VIRT_A, 0);
    is(at_virt(), 2, "another page in its place");
    b[0] = MOV_X0_3;
    sync_code(PAGE_B);
    is(at_virt(), 3, "IC IVAU by another address");
    b[0] = MOV_X0_1;
    asm volatile("dsb ish; ic iallu; dsb ish; isb" ::: "memory");
    is(at_virt(), 1, "IC IALLU");
    /* code that runs over a page's end, whose second page changes */
    uint32_t *end = (uint32_t *)(PAGE_A + 4092);
    *(volatile uint32_t *)end = MOV_X0_1;
    sync_code(PAGE_A + 4092);
    map_page(VIRT_A, PAGE_A, PTE_RAM);
    b[0] = 0x91000400; /* ADD X0, X0, #1 */
    sync_code(PAGE_B);
    map_page(VIRT_A + 4096, PAGE_B, PTE_RAM);
    tlbi_all();
    is(((Function)(VIRT_A + 4092))(), 2, "code over a page's end");
    a[0] = 0x91001400; /* ADD X0, X0, #5 */
    sync_code(PAGE_A);
    map_page(VIRT_A + 4096, PAGE_A, PTE_RAM);
    tlbi_va(VIRT_A + 4096, 0);
    is(((Function)(VIRT_A + 4092))(), 6, "its second page changed");
    map_page(VIRT_A, PAGE_A, PTE_RAM | PTE_PXN);
    tlbi_va(VIRT_A, 0);
}

static void fix_jump(Frame *f)
{
    last = *f;
    exceptions++;
    f->elr = f->x[30];
}

static void no_execute(void)
{
    sync_handler = fix_jump;
    ((Function)VIRT_A)();
    expect(0x8600000f, "PXN");
    sync_handler = NULL;
}

/* Guarded pages want BTI C behind BLR. */
static void guarded(void)
{
    volatile uint32_t *a = (volatile uint32_t *)PAGE_A;

    a[0] = 0xd2800020; /* MOV X0, #1 */
    a[1] = 0xd65f03c0;
    a[2] = 0xd503245f; /* BTI C */
    a[3] = 0xd65f03c0;
    sync_code(PAGE_A);
    map_page(VIRT_A, PAGE_A, PTE_RAM | PTE_GP);
    tlbi_all();
    sync_handler = fix_jump;
    ((Function)(VIRT_A + 8))();
    is(exceptions, 0, "BLR to BTI C");
    ((Function)VIRT_A)();
    expect(0x36000002, "BLR to something else in a guarded page");
    is(last.spsr >> 10 & 3, 2, "SPSR.BTYPE");
    map_page(VIRT_A, PAGE_A, PTE_RAM);
    tlbi_all();
    exceptions = 0;
    is(((Function)VIRT_A)(), 1, "and in a page that is not");
    is(exceptions, 0, "without an exception");
    sync_handler = NULL;
}

void test(void)
{
    plan(35);
    mmu_on();
    mapping_changes();
    asids();
    unprivileged();
    hardware_flags();
    code();
    no_execute();
    guarded();
}
