/* SPDX-License-Identifier: MIT */
/* Exceptions taken from EL1 and EL0, their syndromes, masks, and returns (DDI 0487 D1.3, D19.2.37).
 */
#include "system.h"

#define UDF() asm volatile(".inst 0" ::: "memory")

static EL0_TEXT uint64_t el0_svc(uint64_t arg)
{
    register uint64_t x0 asm("x0") = arg;

    asm volatile("svc #0x1234" : "+r"(x0)::"memory");
    return x0 + 1;
}

static EL0_TEXT uint64_t el0_privileged(uint64_t arg)
{
    uint64_t val;

    switch (arg) {
    case 0:
        asm volatile("mrs %0, sctlr_el1" : "=r"(val));
        break;
    case 1:
        asm volatile("msr daifset, #2");
        break;
    case 2:
        asm volatile("mrs %0, ctr_el0" : "=r"(val));
        break;
    case 3:
        asm volatile("eret");
        break;
    case 4:
        asm volatile("tlbi vmalle1");
        break;
    case 5:
        asm volatile("wfi");
        break;
    case 6:
        asm volatile("dc zva, %0" ::"r"(0x40000000ull));
        break;
    case 7:
        asm volatile("hvc #0");
        break;
    case 8:
        asm volatile("mrs x3, midr_el1" ::: "x3");
        break;
    }
    return 0;
}

static EL0_TEXT uint64_t el0_load(uint64_t addr)
{
    return *(volatile uint64_t *)addr;
}

static EL0_TEXT uint64_t el0_atomic(uint64_t addr)
{
    uint64_t val;

    asm volatile("ldxr %0, [%1]" : "=r"(val) : "r"(addr) : "memory");
    return val;
}

static EL0_TEXT uint64_t el0_jump(uint64_t addr)
{
    asm volatile("mov x20, x30; blr %0; mov x30, x20" ::"r"(addr) : "x20", "x30", "memory");
    return 0;
}

static EL0_TEXT uint64_t el0_odd_stack(uint64_t arg)
{
    asm volatile("mov x9, sp; sub sp, sp, #8; ldr x10, [sp]; mov sp, x9" ::: "x9", "x10", "memory");
    return arg;
}

static EL0_TEXT uint64_t el0_float(uint64_t arg)
{
    asm volatile("fmov d0, %0" ::"r"(arg) : "v0");
    return arg;
}

/* An exception that does not come back to where it was. */
static void leave_el0(Frame *f)
{
    extern char back_in_el1[];

    last = *f;
    exceptions++;
    f->elr = (uintptr_t)back_in_el1;
    f->spsr = 0x3c5;
}

static void irq_when_unmasked(Frame *f)
{
    last = *f;
    exceptions++;
    irq_end(irq_acknowledge());
    write_reg(cntv_ctl_el0, 0);
}

static void from_el1(void)
{
    uint64_t here;

    asm volatile("svc #7");
    expect(0x56000007, "SVC");
    is(last.vector, 4, "its vector is that of the same level with SP_EL1");
    is(last.spsr & 0x3cf, 0x3c5, "SPSR has mode and masks");
    asm volatile("brk #0xbeef");
    expect(0xf200beef, "BRK");
    asm volatile("adr %0, 1f; 1: .inst 0" : "=r"(here));
    expect(0x02000000, "an undefined instruction");
    is(last.elr, here, "its address");
    asm volatile("mrs x0, s3_6_c1_c1_0" ::: "x0");
    expect(0x02000000, "SCR_EL3");
    asm volatile("smc #0");
    expect(0x02000000, "SMC where HVC is the conduit");
    asm volatile("msr spsel, #0; mov x1, sp; mov sp, %0; svc #9; mov sp, x1; msr spsel, #1" ::"r"(
                     (uintptr_t)&here & -16)
                 : "x1", "memory");
    expect(0x56000009, "SVC on SP_EL0");
    is(last.vector, 0, "and its vector");
    asm volatile("msr spsel, #0; mrs x0, sp_el0; msr spsel, #1" ::: "x0");
    expect(0x02000000, "SP_EL0 by name while it is the stack pointer");
    write_reg(cpacr_el1, 0);
    asm volatile("fmov d0, #1.0" ::: "v0");
    expect(0x1fe00000, "floating point that is off");
    asm volatile("mrs x0, fpcr" ::: "x0");
    expect(0x1fe00000, "FPCR that is off");
    write_reg(cpacr_el1, 3 << 20);
}

static void with_mmu(void)
{
    uint64_t hole = 0x80000000, page = 0x40100000, val;

    mmu_on();
    asm volatile("ldr %0, [%1]" : "=r"(val) : "r"(hole + 0x123450));
    expect(0x96000005, "a load where nothing is mapped");
    is(last.far, hole + 0x123450, "FAR");
    asm volatile("stp xzr, xzr, [%0]" ::"r"(hole + 0x10) : "memory");
    expect(0x96000045, "a store there");
    map_page(page, page, PTE_RAM | PTE_RO);
    tlbi_all();
    asm volatile("strb wzr, [%0, #5]!" : "+r"(page)::"memory");
    expect(0x9600004f, "a store to a read-only page");
    page &= ~0xfffull;
    is(page_entry(page)[0] & PTE_AF, PTE_AF, "the page is what was meant");
    map_page(page, page, PTE_VALID | PTE_NORMAL);
    tlbi_all();
    asm volatile("ldrb %w0, [%1]" : "=r"(val) : "r"(page));
    expect(0x9600000b, "a page without its access flag");
    map_page(page, page, PTE_RAM | PTE_UXN);
    tlbi_all();
    asm volatile("dc cvac, %0" ::"r"(hole) : "memory");
    expect(0x96000145, "DC CVAC where nothing is mapped");
    asm volatile("ldr w0, [%0]" ::"r"(0x9000001ull) : "x0");
    expect(0x96000021, "a misaligned load from a device");
    asm volatile("ldr w0, [%0]" ::"r"(0x3e000000ull) : "x0");
    expect(0x96000010, "a load from where no device is");
    asm volatile("ldxr x0, [%0]" ::"r"(0x40100009ull) : "x0");
    expect(0x96000021, "a misaligned exclusive load");
    asm volatile("at s1e1r, %0; isb" ::"r"(hole) : "memory");
    is(read_reg(par_el1) & 0x7f, 0x05 << 1 | 1, "AT says why not");
    asm volatile("at s1e1r, %0; isb" ::"r"(page) : "memory");
    is(read_reg(par_el1) & 0xfffffffff000, page, "AT says where");
}

static void from_el0(void)
{
    static const struct {
        int n; /* of el0_privileged */
        uint64_t esr;
        const char *what;
    } traps[] = {
        { 0, 0x02000000, "MRS SCTLR_EL1 at EL0" }, { 3, 0x02000000, "ERET at EL0" },
        { 4, 0x02000000, "TLBI at EL0" },          { 7, 0x02000000, "HVC at EL0" },
        { 5, 0x07e00000, "WFI at EL0" },
    };

    is(run_el0(el0_svc, 41, 0), 42, "to EL0 and back");
    expect(0x56001234, "SVC at EL0");
    is(last.vector, 8, "its vector is that of a lower level");
    is(last.spsr & 0x3cf, 0, "SPSR says EL0");
    for (int i = 0; i < (int)(sizeof(traps) / sizeof(*traps)); i++) {
        run_el0(el0_privileged, traps[i].n, 0);
        expect(traps[i].esr, traps[i].what);
    }
    /* op0 op2 op1 CRn CRm and direction; the general register is the compiler's choice */
    run_el0(el0_privileged, 2, 0);
    last.esr &= ~(31u << 5);
    expect(0x6232c001, "MRS CTR_EL0 at EL0");
    run_el0(el0_privileged, 8, 0);
    expect(0x62300061, "MRS MIDR_EL1 at EL0");
    run_el0(el0_privileged, 6, 0);
    last.esr &= ~(31u << 5);
    expect(0x6212dc08, "DC ZVA at EL0");
    run_el0(el0_privileged, 1, 0);
    is(last.esr >> 26, 0x18, "MSR DAIFSet at EL0");
    exceptions = 0;
    run_el0(el0_load, 0x40100000, 0);
    expect(0x9200000f, "a load at EL0 from EL1's page");
    run_el0(el0_atomic, ((uintptr_t)el0_load & -16) | 9, 0);
    expect(0x92000021, "a misaligned exclusive load at EL0");
    sync_handler = leave_el0;
    run_el0(el0_jump, 0x40100000, 0);
    expect(0x8200000f, "a jump at EL0 to EL1's page");
    run_el0(el0_jump, 0x80001000, 0);
    expect(0x82000005, "a jump to nowhere");
    is(last.elr, 0x80001000, "ELR is the target");
    is(last.far, 0x80001000, "and so is FAR");
    run_el0(el0_jump, 0x40100002, 0);
    expect(0x8a000000, "a jump to an odd address");
    is(last.far, 0x40100002, "FAR is the odd pc");
    run_el0(el0_svc, 0, 1 << 20);
    expect(0x3a000000, "PSTATE.IL after ERET");
    sync_handler = NULL;
    write_reg(cpacr_el1, 1 << 20);
    run_el0(el0_float, 7, 0);
    expect(0x1fe00000, "floating point that is off at EL0 only");
}

static void stacks_and_interrupts(void)
{
    write_reg(sctlr_el1, read_reg(sctlr_el1) | 1 << 4);
    run_el0(el0_odd_stack, 0, 0);
    is(exceptions ? last.esr : 0, 0x9a000000, "a load through a misaligned SP at EL0");
    exceptions = 0;

    irq_handler = irq_when_unmasked;
    irq_enable(27);
    write_reg(cntv_tval_el0, 1);
    write_reg(cntv_ctl_el0, 1);
    while (!(read_reg(isr_el1) & 1 << 7)) {
    }
    is(exceptions, 0, "a masked interrupt waits");
    uint64_t here;
    asm volatile("adr %0, 1f; msr daifclr, #2; 1: msr daifset, #2" : "=r"(here)::"memory");
    is(exceptions, 1, "unmasked, it is taken");
    is(last.elr, here, "behind the instruction that unmasks it");
    is(last.vector, 5, "by its vector");
    is(last.spsr & 1 << 7, 0, "SPSR has the mask");
    exceptions = 0;
    write_reg(cntv_tval_el0, 1);
    write_reg(cntv_ctl_el0, 1);
    asm volatile("wfi");
    is(exceptions, 0, "WFI ends with a masked interrupt");
    is(run_el0(el0_svc, 1, 1 << 7), 2, "EL0 with interrupts masked");
    is(exceptions, 1, "has only its SVC");
    exceptions = 0;
    run_el0(el0_svc, 1, 0);
    is(exceptions, 2, "unmasked, the interrupt too");
    exceptions = 0;
}

void test(void)
{
    plan(58);
    from_el1();
    with_mmu();
    from_el0();
    stacks_and_interrupts();
}
