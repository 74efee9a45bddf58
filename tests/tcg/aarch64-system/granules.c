/* SPDX-License-Identifier: MIT */
/* Translation with granules of 16 and 64 KiB: blocks and pages; and E0PD. */
#include "system.h"

#define PAGE_A 0x40100000ull /* RAM below the program */
#define PAGE_B 0x40110000ull

/* Both have 36 bits of addresses, so that the first level looked at is level 2. */
typedef struct Granule {
    unsigned page_bits, block_bits;
    uint64_t tg0;
} Granule;

static const Granule granules[] = { { 14, 25, 2 }, { 16, 29, 1 } };

static uint64_t level2[2048] __attribute__((aligned(16384)));
static uint64_t level3[8192] __attribute__((aligned(65536)));

static uint64_t load(uint64_t addr)
{
    return *(volatile uint64_t *)addr;
}

/* Everything below 2 GiB flat in blocks, devices below 1 GiB; one more block has pages. */
static uint64_t make_tables(const Granule *g)
{
    uint64_t pages_at = 3ull << 30;

    for (unsigned i = 0; i < 2048; i++) {
        uint64_t at = (uint64_t)i << g->block_bits;

        level2[i] = at >= 1ull << 31  ? 0
                    : at < 1ull << 30 ? at | 1 | PTE_AF | PTE_DEVICE | PTE_UXN | PTE_PXN
                                      : at | 1 | PTE_AF | PTE_NORMAL | PTE_SH;
    }
    for (unsigned i = 0; i < 8192; i++) {
        level3[i] = 0;
    }
    level3[0] = PAGE_A | PTE_RAM;
    level3[1] = PAGE_B | PTE_RAM | PTE_RO;
    level3[3] = PAGE_B | 1; /* not a page's descriptor */
    level2[pages_at >> g->block_bits] = (uintptr_t)level3 | 3;
    return pages_at;
}

static void granule(const Granule *g)
{
    uint64_t at, page = 1ull << g->page_bits;

    mmu_off();
    at = make_tables(g);
    write_reg(tcr_el1, 28 | 1ull << 23 | 3 << 12 | g->tg0 << 14 | 5ull << 32);
    write_reg(ttbr0_el1, (uintptr_t)level2);
    tlbi_all();
    write_reg(sctlr_el1, read_reg(sctlr_el1) | 1);
    is(load(PAGE_A), 0xaaaa, "a block");
    is(load(at), 0xaaaa, "a page");
    is(load(at + page), 0xbbbb, "the next");
    is(load(at + page - 8), load(PAGE_A + page - 8), "the page's last bytes");
    exceptions = 0;
    *(volatile uint64_t *)(at + page) = 1;
    expect(0x9600004f, "permission fault, level 3");
    load(at + 2 * page);
    expect(0x96000007, "translation fault, level 3");
    load(at + 3 * page);
    expect(0x96000007, "a reserved descriptor");
    load(1ull << 31);
    expect(0x96000006, "translation fault, level 2");
    load(1ull << 36);
    expect(0x96000004, "outside of what TCR allows: level 0");
    level3[1] = PAGE_A | PTE_RAM;
    asm volatile("dsb ish; tlbi vaae1is, %0; dsb ish; isb" ::"r"((at + page) >> 12) : "memory");
    is(load(at + page), 0xaaaa, "another page after TLBI by address");
    mmu_off();
}

/* FEAT_E0PD: unprivileged accesses below fault as if nothing were there, however mapped. */
static void e0pd(void)
{
    uint64_t val = 0, tcr;

    mmu_on();
    map_page(0x7f000000, PAGE_A, PTE_RAM | PTE_EL0 | PTE_UXN | PTE_PXN);
    tlbi_all();
    tcr = read_reg(tcr_el1);
    asm volatile("ldtr %0, [%1]" : "=r"(val) : "r"(0x7f000000ull));
    is(val, 0xaaaa, "LDTR without E0PD0");
    write_reg(tcr_el1, tcr | 1ull << 55);
    tlbi_all();
    exceptions = 0;
    asm volatile("ldtr %0, [%1]" : "=r"(val) : "r"(0x7f000000ull));
    expect(0x96000004, "LDTR with E0PD0");
    write_reg(tcr_el1, tcr);
    tlbi_all();
}

void test(void)
{
    plan(22);
    *(volatile uint64_t *)PAGE_A = 0xaaaa;
    *(volatile uint64_t *)PAGE_B = 0xbbbb;
    for (unsigned i = 0; i < 2; i++) {
        granule(&granules[i]);
    }
    e0pd();
}
