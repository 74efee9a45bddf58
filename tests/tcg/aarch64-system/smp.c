/* SPDX-License-Identifier: MIT */
/* Four CPUs: PSCI, TLBI and IC of others' translations, exclusives, events. */
#include "system.h"

enum { CPUS = 4, ROUNDS = 20000 };
static volatile int running, go, done[CPUS], stop;
static volatile uint64_t counter, locked, lock, seen[CPUS], code_says[CPUS];

#define PAGE_A 0x40100000ull
#define PAGE_B 0x40101000ull
#define VIRT_A 0x7f000000ull

static uint64_t add(volatile uint64_t *at, uint64_t n)
{
    uint64_t old, new;
    uint32_t fail;

    do {
        asm volatile("ldaxr %0, [%3]; add %1, %0, %4; stlxr %w2, %1, [%3]"
                     : "=&r"(old), "=&r"(new), "=&r"(fail)
                     : "r"(at), "r"(n)
                     : "memory");
    } while (fail);
    return old;
}

static void acquire(void)
{
    uint32_t tmp;

    asm volatile("sevl\n"
                 "1: wfe\n"
                 "2: ldaxr %w0, [%1]\n"
                 "cbnz %w0, 1b\n"
                 "stxr %w0, %w2, [%1]\n"
                 "cbnz %w0, 2b"
                 : "=&r"(tmp)
                 : "r"(&lock), "r"(1)
                 : "memory");
}

static void release(void)
{
    asm volatile("stlr wzr, [%0]; sev" ::"r"(&lock) : "memory");
}

static void work(int cpu)
{
    mmu_on();
    add((volatile uint64_t *)&counter, 0);
    done[cpu] = 1;
    asm volatile("dsb ish; sev");
    while (!go) {
        asm volatile("wfe");
    }
    for (int i = 0; i < ROUNDS; i++) {
        add(&counter, 1);
        acquire();
        locked = locked + 1;
        release();
    }
    done[cpu] = 2;
    while (!stop) {
        seen[cpu] = *(volatile uint64_t *)VIRT_A;
        code_says[cpu] = ((uint64_t(*)(void))(VIRT_A + 64))();
    }
    done[cpu] = 3;
}

static bool wait_all(int state)
{
    uint64_t end = read_reg(cntvct_el0) + 30 * read_reg(cntfrq_el0);

    for (int cpu = 1; cpu < CPUS; cpu++) {
        while (done[cpu] < state) {
            if (read_reg(cntvct_el0) > end) {
                return false;
            }
        }
    }
    return true;
}

static void put_code(uint64_t page, uint32_t insn)
{
    volatile uint32_t *code = (volatile uint32_t *)(page + 64);

    code[0] = insn;
    code[1] = 0xd65f03c0;
    asm volatile("dc cvau, %0; dsb ish; ic ivau, %0; dsb ish; isb" ::"r"(code) : "memory");
}

static void start_others(void)
{
    extern char _start[];

    is(psci(0xc4000004, 1, 0, 0), 1, "CPU 1 is off");
    is(psci(0xc4000003, 77, (uintptr_t)_start, 0), (uint64_t)-2, "there is no CPU 77");
    is(psci(0xc4000003, 0, (uintptr_t)_start, 0), (uint64_t)-4, "CPU 0 is on");
    for (int cpu = 1; cpu < CPUS; cpu++) {
        is(psci(0xc4000003, cpu, (uintptr_t)_start, 0), 0, "CPU_ON");
    }
    ok(wait_all(1), "all have started");
    is(psci(0xc4000004, 1, 0, 0), 0, "CPU 1 is on");
}

/* Each CPU says what it sees once more. */
static void report_anew(void)
{
    for (int cpu = 1; cpu < CPUS; cpu++) {
        seen[cpu] = code_says[cpu] = 0;
    }
    for (int cpu = 1; cpu < CPUS; cpu++) {
        while (!seen[cpu] || !code_says[cpu]) {
        }
    }
}

static void share_translations(void)
{
    bool data = true, code = true;

    for (int i = 0; i < 200; i++) {
        uint64_t page = i & 1 ? PAGE_B : PAGE_A, want = i & 1 ? 0xbbbb : 0xaaaa;
        map_page(VIRT_A, page, PTE_RAM);
        tlbi_va(VIRT_A, 0);
        report_anew(); /* what was on its way before TLBI */
        report_anew();
        for (int n = 0; n < 50; n++) {
            for (int cpu = 1; cpu < CPUS; cpu++) {
                uint64_t d = seen[cpu], c = code_says[cpu];
                data = data && (d == want || !d);
                code = code && (c == 1 + (want & 1) || !c);
            }
        }
    }
    ok(data, "no CPU reads a page that TLBI took away");
    ok(code, "nor runs its code");
}

void test(void)
{
    plan(15);
    asm volatile("stp %1, %2, [%0]" ::"r"(PAGE_A + 8), "r"(1ul), "r"(2ul) : "memory");
    is(*(volatile uint64_t *)(PAGE_A + 16), 2, "a pair at 8 modulo 16 where the MMU is off");
    secondary_main = work;
    mmu_on();
    *(volatile uint64_t *)PAGE_A = 0xaaaa;
    *(volatile uint64_t *)PAGE_B = 0xbbbb;
    put_code(PAGE_A, 0xd2800020); /* MOV X0, #1 */
    put_code(PAGE_B, 0xd2800040);
    map_page(VIRT_A, PAGE_A, PTE_RAM);
    tlbi_all();
    start_others();
    go = 1;
    asm volatile("dsb ish; sev");
    ok(wait_all(2), "all have counted");
    is(counter, 3 * ROUNDS, "by exclusives");
    is(locked, 3 * ROUNDS, "and under a lock with WFE");
    share_translations();
    stop = 1;
    ok(wait_all(3), "all have stopped");
}
