/* SPDX-License-Identifier: MIT */
/*
 * Clocks and timers of machines. Callbacks run on the main-loop thread with the big lock held.
 */
#ifndef HW_TIMER_H
#define HW_TIMER_H

#include <stdbool.h>
#include <stdint.h>

typedef enum ClockType {
    CLOCK_VIRTUAL, /* ns while the machine runs (stops with it); with -icount, of instructions */
    CLOCK_HOST,    /* ns since the epoch: the host's wall clock (-rtc may shift what guests see) */
    CLOCK_HOST_MONO, /* ns, never stops */
    CLOCK_TYPES
} ClockType;

/* Any thread, no lock. */
int64_t clock_get_ns(ClockType clock);

typedef void (*TimerFn)(void *opaque);
typedef struct Timer {
    ClockType clock;
    TimerFn fn;
    void *opaque;
    int64_t expire; /* ns; -1: not armed */
    struct Timer *next;
} Timer;
void timer_init(Timer *t, ClockType clock, TimerFn fn, void *opaque);
/*
 * Arms (again) for this time of its clock, in ns; in the past: fires soon. Any thread, no lock
 * needed; but who deletes a timer without the big lock may find that it is just firing.
 */
void timer_mod(Timer *t, int64_t expire_ns);
void timer_del(Timer *t);
static inline bool timer_pending(const Timer *t)
{
    return t->expire >= 0;
}
/* The machine stops or goes on: CLOCK_VIRTUAL does. It begins stopped, at 0. */
void clock_enable_virtual(bool running);
/*
 * -icount, -accel qtest: CLOCK_VIRTUAL is what `read` says (any thread may call it), and its timers
 * fire in timers_run_virtual; before the machine starts. `earlier` (or NULL) is called when the
 * next of them has changed, under a lock: it may not come back here.
 */
void clock_set_virtual_source(int64_t (*read)(void), void (*earlier)(void));
bool clock_virtual_is_counted(void);
/* Under the big lock, by who moves the clock. */
void timers_run_virtual(void);
/* ns of CLOCK_VIRTUAL until its next timer; -1: none is armed. */
int64_t clock_virtual_deadline(void);

/* For the main loop: becomes readable when a timer is due; then timers_run. */
int timers_fd(void);
void timers_run(void);

#endif
