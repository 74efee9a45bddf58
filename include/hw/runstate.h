/* SPDX-License-Identifier: MIT */
/* The machine's run state as its controls (main, monitor, debugger) see it. What devices and
 * targets may ask for is in hw/vcpu.h. Main-loop thread, big lock held. */
#ifndef HW_RUNSTATE_H
#define HW_RUNSTATE_H

#include "hw/vcpu.h"

/* -action, -no-reboot, -no-shutdown */
typedef struct RunActions {
    bool shutdown_on_reset; /* reboot=shutdown */
    bool pause_on_shutdown; /* shutdown=pause */
    enum { PANIC_SHUTDOWN, PANIC_EXIT_FAILURE, PANIC_PAUSE, PANIC_NONE } on_panic;
    enum {
        WATCHDOG_RESET,
        WATCHDOG_SHUTDOWN, /* the power button */
        WATCHDOG_POWEROFF, /* the plug */
        WATCHDOG_PAUSE,
        WATCHDOG_DEBUG, /* says so */
        WATCHDOG_NONE
    } on_watchdog;
} RunActions;
/* "panic", "pause": one of -action's keys and values. False: there is no such. */
bool run_action_parse(RunActions *a, const char *key, const char *value);
void run_actions_set(const RunActions *actions);
const RunActions *run_actions_get(void);

/* CPUs, then devices, to their power-on state. */
void vm_reset(void);
/* Does what was requested since the last call; true: the program is to end with *exit_status. */
bool run_requests(int *exit_status);
/* Why it is to end: "guest-shutdown", "host-signal", …; NULL before that. */
const char *run_shutdown_cause(void);
/* fn hears of every change of state, in no particular order. */
void run_state_add_listener(void (*fn)(void *opaque, RunState state), void *opaque);

/* fn hears of RESET, POWERDOWN and SHUTDOWN with their causes (NULL: none is known), and of
 * GUEST_PANICKED, GUEST_CRASHLOADED and WATCHDOG with what is done about it. */
void run_set_event_hook(void (*fn)(const char *name, const char *cause));

#endif
