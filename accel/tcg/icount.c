/* SPDX-License-Identifier: MIT */
/*
 * -icount: CLOCK_VIRTUAL counts instructions, 2^shift ns each. One thread runs all vCPUs in turn
 * and also fires the timers of that clock, each at its own instruction, so that two runs with the
 * same input do the same.
 *
 * Blocks are not chained and end at their first way out (CF_ICOUNT), so that cpu_exec can tell from
 * the pc how far one went. The clock stands within a block: timers are late by one block at most.
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
    _Atomic uint64_t count, limit; /* instructions so far; those at which cpu_exec comes back */
    /* ns = base + ((count - base_count) << shift); all change together, which readers see by the
     * sequence */
    _Atomic unsigned sequence, shift;
    _Atomic int64_t base;
    _Atomic uint64_t base_count;
    int64_t host_begin, next_adjust;
} icount;

bool icount_enabled(void)
{
    return icount.on;
}

static int64_t read_clock(void)
{
    unsigned sequence;
    int64_t ns;

    do {
        sequence = atomic_load(&icount.sequence);
        ns = atomic_load(&icount.base) +
             (int64_t)((atomic_load(&icount.count) - atomic_load(&icount.base_count))
                       << atomic_load(&icount.shift));
    } while (sequence & 1 || sequence != atomic_load(&icount.sequence));
    return ns;
}

/* From now on so many ns further, and each instruction this long. */
static void change(int64_t warp, unsigned shift)
{
    int64_t now = read_clock();

    atomic_fetch_add(&icount.sequence, 1);
    atomic_store(&icount.base, now + warp);
    atomic_store(&icount.base_count, atomic_load(&icount.count));
    atomic_store(&icount.shift, shift);
    atomic_fetch_add(&icount.sequence, 1);
}

/* A timer was armed that is earlier than all others. */
static void earlier_timer(void)
{
    atomic_store(&icount.limit, 0);
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

bool icount_ran(const CPUState *cpu, const TranslationBlock *tb, bool to_the_end)
{
    uint64_t size = (uint64_t)cpu->target->max_insn_len, far = cpu_get_pc(cpu) - tb->pc;
    uint64_t n = !to_the_end && far < tb->nb_insns * size ? far / size : tb->nb_insns;

    return atomic_fetch_add(&icount.count, n) + n >= atomic_load(&icount.limit);
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

void icount_begin_turn(void)
{
    int64_t left;
    uint64_t now;

    fire_timers();
    if (icount.adjust || icount.align) {
        look_at_host();
    }
    /* first the slice, so that a timer that comes now is not overwritten */
    now = atomic_load(&icount.count);
    atomic_store(&icount.limit, now + SLICE);
    left = clock_virtual_deadline();
    if (left >= 0) {
        uint64_t insns = ((uint64_t)left >> atomic_load(&icount.shift)) + 1;

        atomic_store(&icount.limit, MIN(atomic_load(&icount.limit), now + insns));
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
