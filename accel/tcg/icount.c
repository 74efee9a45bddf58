/* SPDX-License-Identifier: MIT */
/*
 * -icount: CLOCK_VIRTUAL counts instructions, 2^shift ns each. One thread runs all vCPUs in turn
 * and also fires the timers of that clock, each at its own instruction, so that two runs with the
 * same input do the same.
 *
 * Blocks count what they do (count.c) and leave when the turn's limit is reached. The clock stands
 * within a block: timers are late by one block at most.
 */
#include "icount.h"

#include <stdatomic.h>
#include <unistd.h>

#include "hw/biglock.h"
#include "hw/timer.h"

enum {
    SLICE = 100000,         /* instructions until it is another vCPU's turn */
    ADJUST_NS = 100000000,  /* shift=auto looks so often at the host's clock */
    TOLERANCE_NS = 3000000, /* align=on: how far the guest may be ahead */
};

static struct {
    bool on, sleep, align, adjust; /* adjust: shift=auto */
    CPUState *_Atomic cpu;         /* whose turn it is, or was last; NULL: there was none */
    _Atomic uint64_t others;       /* instructions so far = others + cpu->insns */
    /* ns = base + ((instructions - base_count) << shift); all change together, which readers see by
     * the sequence */
    _Atomic unsigned sequence, shift;
    _Atomic int64_t base;
    _Atomic uint64_t base_count;
    int64_t host_begin, next_adjust;
} icount;

bool icount_enabled(void)
{
    return icount.on;
}

static uint64_t count(void)
{
    const CPUState *cpu = atomic_load(&icount.cpu);

    return atomic_load(&icount.others) + (cpu ? *(const volatile uint64_t *)&cpu->insns : 0);
}

static int64_t read_clock(void)
{
    unsigned sequence;
    int64_t ns;

    do {
        sequence = atomic_load(&icount.sequence);
        ns = atomic_load(&icount.base) +
             (int64_t)((count() - atomic_load(&icount.base_count)) << atomic_load(&icount.shift));
    } while (sequence & 1 || sequence != atomic_load(&icount.sequence));
    return ns;
}

/* From now on so many ns further, and each instruction this long. */
static void change(int64_t warp, unsigned shift)
{
    int64_t now = read_clock();

    atomic_fetch_add(&icount.sequence, 1);
    atomic_store(&icount.base, now + warp);
    atomic_store(&icount.base_count, count());
    atomic_store(&icount.shift, shift);
    atomic_fetch_add(&icount.sequence, 1);
}

/* A timer was armed that is earlier than all others. */
static void earlier_timer(void)
{
    CPUState *cpu = atomic_load(&icount.cpu);

    if (cpu) {
        *(volatile uint64_t *)&cpu->insns_limit = 0;
    }
}

void icount_init(const IcountConfig *config)
{
    icount.on = true;
    icount.sleep = config->sleep;
    icount.align = config->align;
    icount.adjust = config->shift == ICOUNT_AUTO;
    icount.shift = icount.adjust ? 3 : (unsigned)config->shift;
    clock_set_virtual_source(read_clock, earlier_timer);
}

/* ---- between the turns ---- */

static void fire_timers(void)
{
    if (clock_virtual_deadline() == 0) {
        biglock_lock();
        timers_run_virtual();
        biglock_unlock();
    }
}

/* shift=auto: the guest's time is to go like the host's. */
static void adjust_shift(int64_t ahead)
{
    unsigned shift = atomic_load(&icount.shift);

    if (ahead > 0 && shift > 0) {
        change(0, shift - 1);
    } else if (ahead < 0 && shift < ICOUNT_MAX_SHIFT) {
        change(0, shift + 1);
    }
}

static void look_at_host(void)
{
    int64_t host = clock_get_ns(CLOCK_HOST_MONO), now = read_clock(), ahead;

    if (!icount.host_begin) {
        icount.host_begin = host - now;
        icount.next_adjust = host + ADJUST_NS;
    }
    ahead = now - (host - icount.host_begin);
    if (icount.adjust && host >= icount.next_adjust) {
        icount.next_adjust = host + ADJUST_NS;
        adjust_shift(ahead);
    }
    if (icount.align && ahead > TOLERANCE_NS) {
        usleep((useconds_t)(MIN(ahead, ADJUST_NS) / 1000));
    }
}

static void whose_turn(CPUState *cpu)
{
    uint64_t others = count() - cpu->insns;

    atomic_fetch_add(&icount.sequence, 1);
    atomic_store(&icount.others, others);
    atomic_store(&icount.cpu, cpu);
    atomic_fetch_add(&icount.sequence, 1);
}

void icount_begin_turn(CPUState *cpu)
{
    volatile uint64_t *limit = &cpu->insns_limit;
    int64_t left;
    uint64_t now;

    whose_turn(cpu);

    fire_timers();
    if (icount.adjust || icount.align) {
        look_at_host();
    }
    /* first the slice, so that a timer that comes now is not overwritten */
    now = cpu->insns;
    *limit = MIN(now + SLICE, cpu->insns_event);
    left = clock_virtual_deadline();
    if (left >= 0) {
        uint64_t insns = ((uint64_t)left >> atomic_load(&icount.shift)) + 1;

        *limit = MIN(*limit, now + insns);
    }
}

static bool machine_is_stopped(void)
{
    for (VCPU *v = vcpu_first(); v; v = v->next) {
        if (v->stop_requested) {
            return true;
        }
    }
    return false;
}

/* Time goes on while nobody runs: until the next timer, or with sleep=on until somebody wakes. */
void icount_idle(void)
{
    int64_t left = clock_virtual_deadline(), begin = clock_get_ns(CLOCK_HOST_MONO), slept = left;

    if (left < 0 || machine_is_stopped()) {
        vcpu_wait_for_any(0);
        return;
    }
    if (icount.sleep && left > 0) {
        vcpu_wait_for_any(begin + left);
        slept = MIN(clock_get_ns(CLOCK_HOST_MONO) - begin, left);
    }
    change(slept, atomic_load(&icount.shift));
    fire_timers();
}
