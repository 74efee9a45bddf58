/* SPDX-License-Identifier: MIT */
/*
 * What test programs on the bare machine `virt` share (system.c): console, TAP, exceptions, EL0,
 * page tables, the interrupt controller. A program defines `void test(void)`.
 */
#ifndef AARCH64_SYSTEM_H
#define AARCH64_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define read_reg(name)                                         \
    ({                                                         \
        uint64_t val_;                                         \
        asm volatile("mrs %0, " #name : "=r"(val_)::"memory"); \
        val_;                                                  \
    })
#define write_reg(name, val) \
    asm volatile("msr " #name ", %0; isb" ::"r"((uint64_t)(val)) : "memory")

typedef struct Frame {
    uint64_t x[31], elr, spsr, esr, far, vector;
} Frame;

enum { SYNC, IRQ, FIQ, SERROR };
/* Sync exceptions are recorded; the instruction is left out unless it is a call. */
extern volatile int exceptions; /* since `expect` */
extern Frame last;
/* Called at IRQs and instead of the recording of a synchronous exception, if not NULL. */
extern void (*volatile irq_handler)(Frame *f);
extern void (*volatile sync_handler)(Frame *f);

void plan(int n);
void ok(bool good, const char *what);
void is(uint64_t got, uint64_t want, const char *what);
/* The exception since the last call, and no other, had this syndrome. */
void expect(uint64_t esr, const char *what);

uint64_t run_el0(uint64_t (*fn)(uint64_t), uint64_t arg, uint64_t spsr);
#define EL0_TEXT __attribute__((section(".el0.text"), noinline))

/* The whole of RAM and devices mapped flat with 2 MiB blocks by TTBR0 at EL1; .el0 also for EL0. */
void mmu_on(void);
void mmu_off(void);
/* Maps one page (4 KiB) at va by TTBR0; desc: attributes, 0 for no mapping. No invalidation. */
void map_page(uint64_t va, uint64_t pa, uint64_t desc);
uint64_t *page_entry(uint64_t va);
enum {
    PTE_VALID = 3,
    PTE_DEVICE = 0,
    PTE_NORMAL = 1 << 2,
    PTE_EL0 = 1 << 6,
    PTE_RO = 1 << 7,
    PTE_SH = 3 << 8,
    PTE_AF = 1 << 10,
    PTE_NG = 1 << 11,
};
#define PTE_GP  (1ull << 50)
#define PTE_DBM (1ull << 51)
#define PTE_PXN (1ull << 53)
#define PTE_UXN (1ull << 54)
#define PTE_RAM (PTE_VALID | PTE_NORMAL | PTE_SH | PTE_AF)
static inline void tlbi_all(void)
{
    asm volatile("dsb ish; tlbi vmalle1is; dsb ish; isb" ::: "memory");
}
static inline void tlbi_va(uint64_t va, uint64_t asid)
{
    asm volatile(
        "dsb ish; tlbi vae1is, %0; dsb ish; isb" ::"r"(asid << 48 | (va >> 12 & 0xfffffffffffull))
        : "memory");
}

void irq_enable(int intid); /* GICv2; one CPU's */
int irq_acknowledge(void);
void irq_end(int intid);

uint64_t psci(uint64_t fn, uint64_t a, uint64_t b, uint64_t c);
extern void (*volatile secondary_main)(int cpu); /* what CPUs do that PSCI switches on */

#endif
