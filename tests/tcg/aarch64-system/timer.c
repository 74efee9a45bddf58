/* SPDX-License-Identifier: MIT */
/* The generic timer and the performance monitors (DDI 0487 D12, D13). */
#include "system.h"

static volatile int irqs[64];

static void count_irq(Frame *f)
{
    int n = irq_acknowledge();

    (void)f;
    irqs[n & 63]++;
    if (n == 27) {
        write_reg(cntv_ctl_el0, 0);
    } else if (n == 30) {
        write_reg(cntp_ctl_el0, 0);
    } else if (n == 23) {
        write_reg(pmovsclr_el0, ~0u);
    }
    irq_end(n);
}

static void wait(uint64_t count)
{
    uint64_t from = read_reg(cntvct_el0);

    while (read_reg(cntvct_el0) - from < count) {
    }
}

/* Waits for an interrupt, and takes it only where it cannot come between the look and the WFI. */
static void wait_irq(int n)
{
    int before = irqs[n];

    while (irqs[n] == before) {
        asm volatile("wfi\nmsr daifclr, #2\nisb\nmsr daifset, #2" ::: "memory");
    }
}

static void timers(void)
{
    uint64_t frq = read_reg(cntfrq_el0), a = read_reg(cntvct_el0), b = read_reg(cntvct_el0);

    ok(frq >= 1000000, "CNTFRQ");
    ok(b >= a, "CNTVCT goes on");
    ok(read_reg(cntpct_el0) >= b, "CNTPCT is not behind it");
    write_reg(cntv_tval_el0, INT32_MAX);
    write_reg(cntv_ctl_el0, 3);
    is(read_reg(cntv_ctl_el0), 3, "the timer is on and masked");
    a = read_reg(cntv_tval_el0);
    wait(frq / 1000);
    b = read_reg(cntv_tval_el0);
    ok((int32_t)b > 0 && b < a, "TVAL counts down");
    write_reg(cntv_tval_el0, frq / 100);
    wait(frq / 100);
    is(read_reg(cntv_ctl_el0), 7, "and has fired");
    ok((int32_t)read_reg(cntv_tval_el0) <= 0, "TVAL goes below 0");
    is(irqs[27], 0, "without an interrupt");
    write_reg(cntv_ctl_el0, 1);
    wait_irq(27);
    is(irqs[27], 1, "unmasked, with one");
    a = read_reg(cntvct_el0);
    write_reg(cntv_tval_el0, frq / 50);
    write_reg(cntv_ctl_el0, 1);
    wait_irq(27);
    b = read_reg(cntvct_el0) - a;
    ok(b >= frq / 50 && b < 10 * frq, "WFI sleeps until the timer");
    write_reg(cntp_cval_el0, read_reg(cntpct_el0) + frq / 100);
    write_reg(cntp_ctl_el0, 1);
    wait_irq(30);
    ok(read_reg(cntpct_el0) >= read_reg(cntp_cval_el0), "the physical timer");
    a = read_reg(cntvct_el0);
    asm volatile("mov x0, %0; .inst 0xd5031020" ::"r"(a + frq / 100) : "x0"); /* WFIT X0 */
    b = read_reg(cntvct_el0) - a;
    ok(b >= frq / 100 && b < 10 * frq, "WFIT");
    irqs[27] = 0;
    asm volatile("msr daifclr, #2");
    write_reg(cntv_tval_el0, frq / 100);
    write_reg(cntv_ctl_el0, 1);
    while (!irqs[27]) {
    }
    asm volatile("msr daifset, #2");
    is(irqs[27], 1, "an interrupt in a loop that does not wait");
}

static void monitors(void)
{
    uint64_t a, b;

    write_reg(pmcr_el0, 1 | 2 | 4 | 64);
    write_reg(pmcntenset_el0, 1u << 31 | 3);
    write_reg(pmselr_el0, 0);
    write_reg(pmxevtyper_el0, 0x11);
    a = read_reg(pmccntr_el0);
    wait(read_reg(cntfrq_el0) / 1000);
    b = read_reg(pmccntr_el0);
    ok(b > a, "the cycle counter counts");
    ok(read_reg(pmevcntr0_el0) > 0, "a counter of cycles too");
    write_reg(pmswinc_el0, 2);
    write_reg(pmswinc_el0, 2);
    is(read_reg(pmevcntr1_el0), 2, "software increments");
    write_reg(pmintenset_el1, 1u << 31);
    write_reg(pmccntr_el0, -100000);
    wait_irq(23);
    is(irqs[23], 1, "the overflow interrupt");
    write_reg(pmcntenclr_el0, 1u << 31);
    a = read_reg(pmccntr_el0);
    wait(1000);
    is(read_reg(pmccntr_el0), a, "the counter stands still");
    is(read_reg(pmcr_el0) >> 11 & 31, 6, "PMCR.N");
}

void test(void)
{
    plan(19);
    mmu_on();
    irq_handler = count_irq;
    irq_enable(27);
    irq_enable(30);
    irq_enable(23);
    timers();
    monitors();
}
