/* SPDX-License-Identifier: MIT */
#include "system.h"

volatile int exceptions;
Frame last;
void (*volatile irq_handler)(Frame *f);
void (*volatile sync_handler)(Frame *f);
void (*volatile secondary_main)(int cpu);

void test(void);
extern char vectors[], back_in_el1[];

/* The compiler calls these. */
void *memcpy(void *dst, const void *src, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ((volatile char *)dst)[i] = ((const char *)src)[i];
    }
    return dst;
}

void *memset(void *dst, int c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ((volatile char *)dst)[i] = (char)c;
    }
    return dst;
}

/* ---- console
 * ------------------------------------------------------------------------------------ */

#define MMIO32(addr) (*(volatile uint32_t *)(uintptr_t)(addr))

static void put(char c)
{
    while (MMIO32(0x9000018) & 1 << 5) {
    }
    MMIO32(0x9000000) = c;
}

static void print(const char *s)
{
    while (*s) {
        put(*s++);
    }
}

static void print_hex(uint64_t n)
{
    print("0x");
    for (int i = 60, seen = 0; i >= 0; i -= 4) {
        seen |= n >> i & 15;
        if (seen || !i) {
            put("0123456789abcdef"[n >> i & 15]);
        }
    }
}

static void print_dec(int n)
{
    if (n >= 10) {
        print_dec(n / 10);
    }
    put('0' + n % 10);
}

/* ---- TAP
 * ----------------------------------------------------------------------------------------- */

static int nb_tests;

void plan(int n)
{
    print("1..");
    print_dec(n);
    print("\n");
}

void ok(bool good, const char *what)
{
    print(good ? "ok " : "not ok ");
    print_dec(++nb_tests);
    print(" - ");
    print(what);
    print("\n");
}

void is(uint64_t got, uint64_t want, const char *what)
{
    ok(got == want, what);
    if (got != want) {
        print("# got ");
        print_hex(got);
        print(", want ");
        print_hex(want);
        print("\n");
    }
}

void expect(uint64_t esr, const char *what)
{
    is(exceptions == 1 ? last.esr : 0x100000000ull + exceptions, esr, what);
    exceptions = 0;
}

/* ---- exceptions
 * ------------------------------------------------------------------------------------ */

static void die(const Frame *f)
{
    print("Bail out! exception, vector ");
    print_dec(f->vector);
    print(" esr ");
    print_hex(f->esr);
    print(" elr ");
    print_hex(f->elr);
    print(" far ");
    print_hex(f->far);
    print("\n");
    psci(0x84000008, 0, 0, 0);
}

void exception(Frame *f)
{
    unsigned ec = f->esr >> 26;

    if ((f->vector & 3) == IRQ && irq_handler) {
        irq_handler(f);
    } else if ((f->vector & 3) != SYNC || exceptions > 100) {
        die(f);
    } else if (ec == 0x15 && (f->esr & 0xffff) == 0xe0) { /* run_el0's end */
        f->elr = (uintptr_t)back_in_el1;
        f->spsr = 0x3c5;
    } else if (sync_handler) {
        sync_handler(f);
    } else {
        last = *f;
        exceptions++;
        if (ec != 0x15 && ec != 0x16 && ec != 0x17) {
            f->elr += 4;
        }
    }
}

/* ---- memory
 * ---------------------------------------------------------------------------------------- */

enum { BLOCK = 2 << 20 };
static uint64_t level1[512] __attribute__((aligned(4096)));
static uint64_t level2[2][512] __attribute__((aligned(4096)));
static uint64_t level3[4][512] __attribute__((aligned(4096)));
static uint64_t *level3_of[2][512];
static int nb_level3;
extern char el0_start[], el0_stop[], el0_stack[];

static void flat_map(void)
{
    for (int g = 0; g < 2; g++) { /* the first GiB is devices, the second is RAM */
        level1[g] = (uintptr_t)level2[g] | PTE_VALID;
        for (uint64_t i = 0; i < 512; i++) {
            uint64_t attr = g ? PTE_NORMAL | PTE_SH | PTE_AF : PTE_AF | PTE_PXN;
            level2[g][i] = ((uint64_t)g << 30 | i << 21) | attr | PTE_UXN | 1;
        }
    }
    for (uint64_t a = (uintptr_t)el0_start; a < (uintptr_t)el0_stop; a += 4096) {
        map_page(a, a, PTE_RAM | PTE_RO | PTE_EL0);
    }
    for (uint64_t a = (uintptr_t)el0_stack; a < (uintptr_t)el0_stack + 0x4000; a += 4096) {
        map_page(a, a, PTE_RAM | PTE_EL0 | PTE_UXN | PTE_PXN);
    }
}

uint64_t *page_entry(uint64_t va)
{
    int g = va >> 30 & 1, i = va >> 21 & 511;

    if (!level3_of[g][i]) {
        uint64_t *t = level3_of[g][i] = level3[nb_level3++], block = level2[g][i];
        for (uint64_t n = 0; n < 512; n++) {
            t[n] = (block & 1) ? (block | 2) + (n << 12) : 0;
        }
        level2[g][i] = (uintptr_t)t | PTE_VALID;
    }
    return &level3_of[g][i][va >> 12 & 511];
}

void map_page(uint64_t va, uint64_t pa, uint64_t desc)
{
    *page_entry(va) = desc ? pa | desc : 0;
}

void mmu_on(void)
{
    if (!level1[0]) {
        flat_map();
    }
    write_reg(mair_el1, 0xff00);
    write_reg(tcr_el1, 25 | 1ull << 23 | 3 << 12 | 5ull << 32); /* 39 bits, 4 KiB */
    write_reg(ttbr0_el1, (uintptr_t)level1);
    tlbi_all();
    write_reg(sctlr_el1, read_reg(sctlr_el1) | 1 | 4 | 1 << 12);
}

void mmu_off(void)
{
    write_reg(sctlr_el1, read_reg(sctlr_el1) & ~1ull);
}

/* ---- GICv2
 * --------------------------------------------------------------------------------------- */

#define GICD 0x8000000
#define GICC 0x8010000

void irq_enable(int intid)
{
    MMIO32(GICD) = 1;
    MMIO32(GICC) = 1;
    MMIO32(GICC + 4) = 0xff; /* all priorities */
    MMIO32(GICD + 0x100 + intid / 32 * 4) = 1u << intid % 32;
}

int irq_acknowledge(void)
{
    return MMIO32(GICC + 0xc) & 0x3ff;
}

void irq_end(int intid)
{
    MMIO32(GICC + 0x10) = intid;
}

/* ---- start and end
 * -------------------------------------------------------------------------------- */

uint64_t psci(uint64_t fn, uint64_t a, uint64_t b, uint64_t c)
{
    register uint64_t x0 asm("x0") = fn, x1 asm("x1") = a, x2 asm("x2") = b, x3 asm("x3") = c;

    asm volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"memory");
    return x0;
}

void secondary(void)
{
    secondary_main(read_reg(mpidr_el1) & 0xff);
    psci(0x84000002, 0, 0, 0);
}

void start(void)
{
    test();
    psci(0x84000008, 0, 0, 0);
    for (;;) {
    }
}
