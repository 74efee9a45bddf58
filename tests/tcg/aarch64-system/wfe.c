/* SPDX-License-Identifier: MIT */
/* WFE: what wakes it up, and that the host sleeps meanwhile. */
#include "system.h"

static volatile uint64_t flag, woken, armed;

static uint64_t now(void)
{
    return read_reg(cntvct_el0);
}

/* Counts per ms; a time in ms since `begin`. */
static uint64_t ms_since(uint64_t begin)
{
    return (now() - begin) / (read_reg(cntfrq_el0) / 1000);
}

static void wfe(void)
{
    asm volatile("wfe" ::: "memory");
}

/* CPU 1: one kind of waiting after the other, each told to begin by `armed` of CPU 0. */
static void other(int cpu)
{
    (void)cpu;
    mmu_on();
    woken = 1;
    asm volatile("dsb ish; sev");
    while (armed != 1) { /* SEV comes behind the store */
        wfe();
    }
    woken = 2;
    asm volatile("dsb ish; sev");
    for (;;) { /* a plain store to what is reserved; no SEV */
        uint64_t val;

        asm volatile("ldaxr %0, [%1]" : "=r"(val) : "r"(&flag) : "memory");
        if (val) {
            break;
        }
        wfe();
    }
    woken = 3;
    for (;;) {
        wfe(); /* nobody sends anything any more */
    }
}

static bool wait_woken(uint64_t n)
{
    uint64_t begin = now();

    while (woken < n) {
        if (ms_since(begin) > 20000) {
            return false;
        }
    }
    return true;
}

static void pause_ms(uint64_t ms)
{
    uint64_t begin = now();

    write_reg(cntkctl_el1, 1 << 2 | 15 << 4); /* an event each 2^16 counts */
    while (ms_since(begin) < ms) {
        wfe();
    }
    write_reg(cntkctl_el1, 0);
}

static volatile int interrupts;

static void on_irq(Frame *f)
{
    int id = irq_acknowledge();

    (void)f;
    write_reg(cntv_ctl_el0, 0);
    interrupts++;
    irq_end(id);
}

static void own_events(void)
{
    uint64_t begin;

    asm volatile("sevl");
    wfe();
    ok(true, "SEVL is one CPU's own event");
    asm volatile("sev");
    wfe();
    ok(true, "SEV is also the sender's");

    begin = now();
    write_reg(cntkctl_el1, 1 << 2 | 15 << 4);
    wfe();
    wfe();
    write_reg(cntkctl_el1, 0);
    ok(ms_since(begin) < 2000, "the event stream wakes");

    irq_handler = on_irq;
    irq_enable(27);
    asm volatile("msr daifclr, #2");
    begin = now();
    write_reg(cntv_tval_el0, read_reg(cntfrq_el0) / 20);
    write_reg(cntv_ctl_el0, 1);
    while (!interrupts && ms_since(begin) < 10000) { /* an event of the stream may be left over */
        wfe();
    }
    ok(interrupts == 1 && ms_since(begin) >= 49, "an interrupt wakes");
    asm volatile("msr daifset, #2");
}

void test(void)
{
    extern char _start[];
    uint64_t begin;

    plan(9);
    secondary_main = other;
    mmu_on();
    own_events();
    is(psci(0xc4000003, 1, (uintptr_t)_start, 0), 0, "CPU_ON");
    ok(wait_woken(1), "CPU 1 runs");
    pause_ms(500);
    armed = 1;
    asm volatile("dsb ish; sev");
    ok(wait_woken(2), "SEV wakes the other");
    pause_ms(500);
    begin = now();
    flag = 1;
    ok(wait_woken(3) && ms_since(begin) < 10000, "a store to what is reserved wakes the other");
    begin = now();
    pause_ms(2000);
    ok(ms_since(begin) >= 2000,
       "and while nothing happens the host sleeps (run-system limits its time)");
}
