/* SPDX-License-Identifier: MIT */
/* Instructions retired (PMUv3's event 0x08, DDI 0487 D13.11): counted one by one. */
#include "system.h"

enum { SW_INCR = 0x00, INST_RETIRED = 0x08, CHAIN = 0x1e };
#define NOT_EL1 (1u << 31)
#define NOT_EL0 (1u << 30)

static volatile int overflows;

static void count_irq(Frame *f)
{
    int n = irq_acknowledge();

    (void)f;
    if (n == 23) {
        overflows++;
        write_reg(pmovsclr_el0, ~0u);
    }
    irq_end(n);
}

static void start(uint64_t type0, uint64_t type1)
{
    write_reg(pmcr_el0, 0);
    write_reg(pmcntenclr_el0, ~0u);
    write_reg(pmevtyper0_el0, type0);
    write_reg(pmevtyper1_el0, type1);
    write_reg(pmcntenset_el0, 3);
    write_reg(pmcr_el0, 1 | 2 | 64);
}

/* From the first MRS up to the second one. */
#define COUNT(code, ...)                                                               \
    ({                                                                                 \
        uint64_t a_, b_;                                                               \
        asm volatile("mrs %0, pmevcntr0_el0\n" code "mrs %1, pmevcntr0_el0"            \
                     : "=&r"(a_), "=&r"(b_)::"x0", "x1", "x2", "x30", "memory", "cc"); \
        b_ - a_;                                                                       \
    })

static void skip(Frame *f)
{
    f->elr += 4;
}

static void exact(void)
{
    ok(read_reg(pmceid0_el0) >> INST_RETIRED & 1, "PMCEID0 has the event");
    start(INST_RETIRED, SW_INCR);
    is(COUNT(""), 1, "one instruction");
    is(COUNT(".rept 100\nnop\n.endr\n"), 101, "a hundred more");
    is(COUNT("mov x0, #1000\n1: subs x0, x0, #1\nb.ne 1b\n"), 2002, "a loop");
    is(COUNT("mov x0, #100\n1: bl 2f\nsubs x0, x0, #1\nb.ne 1b\nb 3f\n2: tbz x0, #0, 4f\nnop\n4: "
             "ret\n3:\n"),
       2 + 100 * 3 + 50 * 2 + 50 * 3 + 1, "calls, and branches forward");
    is(COUNT("adr x0, 1f\nbr x0\nnop\n1: adr x1, 2f\nret x1\nnop\n2:\n"), 5, "indirect branches");
    is(COUNT("sub sp, sp, #64\nmov x1, sp\nstp x0, x1, [x1]\nldp x0, x1, [x1], #16\nadd sp, sp, "
             "#64\n"),
       6, "loads and stores");
    is(COUNT("mov x2, sp\n1: ldaxr x0, [x2]\nstlxr w1, x0, [x2]\ncbnz w1, 1b\n"), 5,
       "an exclusive pair");
}

static void exceptions_too(void)
{
    uint64_t with, without;

    sync_handler = skip;
    start(INST_RETIRED, SW_INCR);
    without = COUNT("nop\nnop\nmov x1, #1\nsvc #0\nnop\nnop\n");
    with = COUNT("nop\nnop\nmov x1, #1\nldr x0, [x1, #-1]\nnop\nnop\n");
    ok(without > 10, "an exception's handler is counted");
    /* skip() leaves out the instruction behind SVC; the load at 0 goes to flash and does not fault
     */
    is(with, 7, "a load that does not fault");
    uint64_t first = COUNT("nop\n.inst 0\nnop\nnop\n"), second = COUNT("nop\nnop\nnop\n.inst 0\n");
    is(first, second, "what faults is not counted, wherever it stands");
    sync_handler = 0;
}

EL0_TEXT static uint64_t at_el0(uint64_t n)
{
    asm volatile("1: subs %0, %0, #1\nb.ne 1b" : "+r"(n)::"cc");
    return n;
}

static uint64_t counted_at(uint64_t filter, uint64_t n)
{
    start(INST_RETIRED | filter, SW_INCR);
    run_el0(at_el0, n, 0x3c0);
    uint64_t count = read_reg(pmevcntr0_el0);
    write_reg(pmcr_el0, 0);
    return count;
}

static void filters(void)
{
    uint64_t some = counted_at(NOT_EL1, 10), many = counted_at(NOT_EL1, 1010);

    is(many - some, 2000, "at EL0 alone");
    ok(some >= 20 && some < 30, "and nothing else");
    is(counted_at(NOT_EL0, 10), counted_at(NOT_EL0, 1010), "at EL1 alone");
    is(counted_at(0, 1010) - counted_at(0, 10), 2000, "at both");
    is(counted_at(NOT_EL0 | NOT_EL1, 1000), 0, "at none");
}

static void overflow(void)
{
    uint64_t n = 0;

    start(INST_RETIRED, INST_RETIRED);
    write_reg(pmintenset_el1, 1);
    write_reg(pmevcntr0_el0, 0xffffffff - 100000);
    asm volatile("msr daifclr, #2");
    while (!overflows) {
        n++;
    }
    asm volatile("msr daifset, #2");
    is(overflows, 1, "an interrupt when the counter overflows");
    uint64_t over = read_reg(pmevcntr0_el0);
    ok(over < 5000, "at once");
    ok(read_reg(pmevcntr1_el0) > 100000, "two counters count alike");
    ok(n > 10000, "and not before");
    write_reg(pmcntenclr_el0, ~0u);
    over = read_reg(pmevcntr0_el0);
    is(read_reg(pmevcntr0_el0), over, "it stands still");
}

static void chain(void)
{
    start(INST_RETIRED, CHAIN);
    write_reg(pmevcntr0_el0, 0xfffffff0);
    is(read_reg(pmevcntr1_el0), 0, "a chained counter waits for the one below");
    for (volatile int i = 0; i < 10; i++) {
    }
    is(read_reg(pmevcntr1_el0), 1, "and counts its overflow");
}

void test(void)
{
    plan(23);
    mmu_on();
    irq_handler = count_irq;
    irq_enable(23);
    exact();
    exceptions_too();
    filters();
    overflow();
    chain();
}
