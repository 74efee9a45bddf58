/* SPDX-License-Identifier: MIT */
/* Self-hosted debug: breakpoints, watchpoints, software step (DDI 0487 D2). */
#include "system.h"

enum { MDSCR_SS = 1, MDSCR_KDE = 1 << 13, MDSCR_MDE = 1 << 15 };
enum {
    CONTROL_E = 1,
    EL1 = 1 << 1,
    EL0 = 2 << 1,
    LOAD = 1 << 3,
    STORE = 2 << 3,
    BAS_WORD = 15 << 5
};

static uint64_t trace[16];
static int steps;

static uint64_t words[4] __attribute__((aligned(16)));

__attribute__((noinline)) static uint64_t three(uint64_t a)
{
    asm volatile("add %0, %0, #1; add %0, %0, #1; add %0, %0, #1" : "+r"(a));
    return a;
}

static EL0_TEXT uint64_t el0_steps(uint64_t a)
{
    asm volatile("add %0, %0, #1; cbz xzr, 1f; add %0, %0, #100; 1: add %0, %0, #2" : "+r"(a));
    return a;
}

/* Debug exceptions come before the instruction: it runs when the cause is gone. */
static void breakpoint_once(Frame *f)
{
    last = *f;
    exceptions++;
    write_reg(dbgbcr0_el1, 0);
}

static void watchpoint_once(Frame *f)
{
    last = *f;
    exceptions++;
    write_reg(dbgwcr0_el1, 0);
}

static void step_on(Frame *f)
{
    extern char back_in_el1[];

    if (f->esr >> 26 != 0x32) {
        last = *f;
        return;
    }
    trace[steps++ & 15] = f->elr;
    f->spsr |= 1 << 21;
    if (steps > 100) {
        f->elr = (uintptr_t)back_in_el1;
        f->spsr = 0x3c5;
    }
}

static void step_at_el1(Frame *f)
{
    last = *f;
    steps++;
    write_reg(mdscr_el1, 0);
}

static void breakpoints(void)
{
    uint64_t at = (uintptr_t)three + 4;

    sync_handler = breakpoint_once;
    write_reg(dbgbvr0_el1, at);
    write_reg(dbgbcr0_el1, CONTROL_E | EL1 | BAS_WORD);
    is(three(1), 4, "a breakpoint while the monitor is off");
    is(exceptions, 0, "does nothing");
    write_reg(mdscr_el1, MDSCR_MDE | MDSCR_KDE);
    asm volatile("msr daifset, #8");
    is(three(1), 4, "masked by PSTATE.D");
    is(exceptions, 0, "it does nothing either");
    asm volatile("msr daifclr, #8");
    is(three(1), 4, "then the function still does its work");
    expect(0xc6000022, "after a breakpoint exception");
    is(last.elr, at, "at the place");
    write_reg(dbgbcr0_el1, CONTROL_E | EL0 | BAS_WORD);
    three(1);
    is(exceptions, 0, "a breakpoint of EL0 is not for EL1");
    write_reg(dbgbcr0_el1, 0);
}

static void watchpoints(void)
{
    sync_handler = watchpoint_once;
    write_reg(dbgwvr0_el1, (uintptr_t)&words[1]);
    write_reg(dbgwcr0_el1, CONTROL_E | EL1 | STORE | 0xff << 5);
    *(volatile uint64_t *)&words[0] = 1;
    *(volatile uint64_t *)&words[2] = 1;
    (void)*(volatile uint64_t *)&words[1];
    is(exceptions, 0, "accesses beside a watchpoint, and a load from it");
    *(volatile uint64_t *)&words[1] = 77;
    expect(0xd6000062, "a store to it");
    is(last.far, (uintptr_t)&words[1], "FAR");
    is(words[1], 77, "the store is done afterwards");
    write_reg(dbgwcr0_el1, CONTROL_E | EL1 | LOAD | 0xff << 5);
    is(*(volatile uint32_t *)((char *)&words[1] + 4), 0, "a load of its second half");
    expect(0xd6000022, "which is seen");
    asm volatile("ldp x0, x1, [%0]" ::"r"(words) : "x0", "x1");
    is(exceptions, 0, "the watchpoint is off now");
    write_reg(dbgwcr0_el1, CONTROL_E | EL1 | LOAD | 0xff << 5);
    asm volatile("ldp x0, x1, [%0]" ::"r"(words) : "x0", "x1");
    expect(0xd6000022, "a pair that reaches into it");
    asm volatile("msr daifset, #8");
}

static void software_step(void)
{
    uint64_t start = (uintptr_t)el0_steps;

    exceptions = 0;
    sync_handler = step_on;
    write_reg(mdscr_el1, MDSCR_SS);
    is(run_el0(el0_steps, 5, 1 << 21), 8, "a function of EL0, stepped");
    write_reg(mdscr_el1, 0);
    is(steps, 4, "steps");
    is(trace[0], start + 4, "one behind the first instruction");
    is(trace[1], start + 12, "one at a branch's target");
    is(trace[2], start + 16, "one more");
    steps = 0;
    write_reg(mdscr_el1, MDSCR_SS);
    run_el0(el0_steps, 5, 0);
    write_reg(mdscr_el1, 0);
    is(trace[0], start, "SPSR.SS 0: before the first instruction");
    extern char stepped_here[];
    steps = 0;
    sync_handler = step_at_el1;
    write_reg(mdscr_el1, MDSCR_SS | MDSCR_KDE);
    asm volatile("msr daifclr, #8\n"
                 "stepped_here: nop\n"
                 "msr daifset, #8");
    is(steps, 1, "EL1: a step waits for PSTATE.D");
    is(last.elr, (uintptr_t)stepped_here, "and is taken at once");
    sync_handler = NULL;
}

void test(void)
{
    plan(25);
    write_reg(oslar_el1, 0);
    mmu_on();
    is(read_reg(oslsr_el1), 8, "the OS lock is open");
    breakpoints();
    watchpoints();
    software_step();
}
