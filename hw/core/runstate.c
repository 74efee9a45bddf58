/* SPDX-License-Identifier: MIT */
/* The machine's run state, and the requests that any thread leaves for the main loop. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include "hw/device.h"
#include "hw/mainloop.h"
#include "hw/runstate.h"
#include "hw/timer.h"

enum {
    REQ_RESET = 1,
    REQ_SHUTDOWN = 2,
    REQ_STOP = 4,
    REQ_POWERDOWN = 8,
    REQ_PANIC = 16,
    REQ_CRASH_LOADED = 32,
    REQ_WATCHDOG = 64,
};

typedef struct Listener {
    void (*fn)(void *opaque);
    void *opaque;
    struct Listener *next;
} Listener;

typedef struct StateListener {
    void (*fn)(void *opaque, RunState state);
    void *opaque;
    struct StateListener *next;
} StateListener;

static struct {
    RunState state;
    RunActions actions;
    _Atomic unsigned requests;
    _Atomic int exit_status;
    _Atomic(const char *) reset_cause;
    _Atomic(const char *) shutdown_cause;
    _Atomic int stop_state;
    Listener *powerdown;
    StateListener *listeners;
    void (*event)(const char *name, const char *cause);
} run;

static const char *const state_names[] = {
    [RUN_STATE_PRELAUNCH] = "prelaunch", [RUN_STATE_RUNNING] = "running",
    [RUN_STATE_PAUSED] = "paused",       [RUN_STATE_SHUTDOWN] = "shutdown",
    [RUN_STATE_IO_ERROR] = "io-error",   [RUN_STATE_GUEST_PANICKED] = "guest-panicked",
    [RUN_STATE_DEBUG] = "debug",         [RUN_STATE_WATCHDOG] = "watchdog",
};

RunState run_state_get(void)
{
    return run.state;
}

const char *run_state_name(RunState s)
{
    return state_names[s];
}

void run_state_add_listener(void (*fn)(void *opaque, RunState state), void *opaque)
{
    StateListener *l = g_new(StateListener, 1);
    *l = (StateListener){ fn, opaque, run.listeners };
    run.listeners = l;
}

void run_set_event_hook(void (*fn)(const char *name, const char *cause))
{
    run.event = fn;
}

static void tell(const char *name, const char *cause)
{
    if (run.event) {
        run.event(name, cause);
    }
}

static void set_state(RunState state)
{
    run.state = state;
    for (StateListener *l = run.listeners; l; l = l->next) {
        l->fn(l->opaque, state);
    }
}

void vm_start(void)
{
    if (run.state != RUN_STATE_RUNNING) {
        clock_enable_virtual(true);
        set_state(RUN_STATE_RUNNING);
        vcpus_resume();
    }
}

void vm_stop(RunState state)
{
    if (run.state == RUN_STATE_RUNNING) {
        vcpus_stop();
        clock_enable_virtual(false);
    }
    set_state(state);
}

void vm_reset(void)
{
    bool was_running = run.state == RUN_STATE_RUNNING;
    if (was_running) {
        vcpus_stop();
    }
    for (VCPU *v = vcpu_first(); v; v = v->next) {
        vcpu_reset(v);
    }
    devices_reset();
    if (was_running) {
        vcpus_resume();
    }
}

/* ---- requests ---------------------------------------------------------------------------- */

static void request(unsigned what)
{
    atomic_fetch_or(&run.requests, what);
    main_loop_notify();
}

void system_reset_request(const char *cause)
{
    atomic_store(&run.reset_cause, cause);
    request(REQ_RESET);
}

void system_shutdown_request(const char *cause, int exit_status)
{
    atomic_store(&run.exit_status, exit_status);
    atomic_store(&run.shutdown_cause, cause);
    request(REQ_SHUTDOWN);
}

void system_stop_request(RunState state)
{
    atomic_store(&run.stop_state, state);
    request(REQ_STOP);
}

void system_panic_request(void)
{
    request(REQ_PANIC);
}

void system_crash_loaded_request(void)
{
    request(REQ_CRASH_LOADED);
}

void system_watchdog_request(void)
{
    request(REQ_WATCHDOG);
}

void system_powerdown_request(void)
{
    request(REQ_POWERDOWN);
}

void system_add_powerdown_listener(void (*fn)(void *opaque), void *opaque)
{
    Listener *l = g_new(Listener, 1);
    *l = (Listener){ fn, opaque, run.powerdown };
    run.powerdown = l;
}

void run_actions_set(const RunActions *actions)
{
    run.actions = *actions;
}

const RunActions *run_actions_get(void)
{
    return &run.actions;
}

const char *run_shutdown_cause(void)
{
    return atomic_load(&run.shutdown_cause);
}

static bool do_shutdown(int *exit_status)
{
    const char *cause = run_shutdown_cause();
    if (run.actions.pause_on_shutdown && g_str_has_prefix(cause, "guest")) {
        tell("SHUTDOWN", cause);
        vm_stop(RUN_STATE_SHUTDOWN);
        return false;
    }
    tell("SHUTDOWN", cause);
    *exit_status = atomic_load(&run.exit_status);
    return true;
}

bool run_action_parse(RunActions *a, const char *key, const char *value)
{
    static const char *const panics[] = { "shutdown", "exit-failure", "pause", "none", NULL };
    static const char *const watchdogs[] = { "reset", "shutdown", "poweroff", "pause",
                                             "debug", "none",     NULL };
    const struct {
        const char *key;
        const char *const *values;
        int *field;
    } rows[] = { { "panic", panics, (int *)&a->on_panic },
                 { "watchdog", watchdogs, (int *)&a->on_watchdog } };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        for (int n = 0; !strcmp(key, rows[i].key) && rows[i].values[n]; n++) {
            if (!strcmp(value, rows[i].values[n])) {
                *rows[i].field = n;
                return true;
            }
        }
    }
    if (!strcmp(key, "reboot") && (!strcmp(value, "reset") || !strcmp(value, "shutdown"))) {
        a->shutdown_on_reset = *value == 's';
        return true;
    }
    if (!strcmp(key, "shutdown") && (!strcmp(value, "poweroff") || !strcmp(value, "pause"))) {
        a->pause_on_shutdown = value[1] == 'a';
        return true;
    }
    return false;
}

static bool do_panic(int *exit_status)
{
    static const char *const done[] = { "poweroff", "poweroff", "pause", "run" };
    tell("GUEST_PANICKED", done[run.actions.on_panic]);
    switch (run.actions.on_panic) {
    case PANIC_NONE:
        return false;
    case PANIC_PAUSE:
        vm_stop(RUN_STATE_GUEST_PANICKED);
        return false;
    default:
        atomic_store(&run.exit_status, run.actions.on_panic == PANIC_EXIT_FAILURE ? 1 : 0);
        atomic_store(&run.shutdown_cause, "guest-panic");
        return do_shutdown(exit_status);
    }
}

/* What else is to be done. */
static unsigned do_watchdog(void)
{
    static const char *const done[] = { "reset", "shutdown", "poweroff", "pause", "debug", "none" };
    tell("WATCHDOG", done[run.actions.on_watchdog]);
    switch (run.actions.on_watchdog) {
    case WATCHDOG_RESET:
        atomic_store(&run.reset_cause, "guest-reset");
        return REQ_RESET;
    case WATCHDOG_SHUTDOWN:
        return REQ_POWERDOWN;
    case WATCHDOG_POWEROFF:
        atomic_store(&run.exit_status, 0);
        atomic_store(&run.shutdown_cause, "host-error");
        return REQ_SHUTDOWN;
    case WATCHDOG_PAUSE:
        vm_stop(RUN_STATE_WATCHDOG);
        return 0;
    case WATCHDOG_DEBUG:
        fprintf(stderr, "watchdog: timer fired\n");
        return 0;
    default:
        return 0;
    }
}

bool run_requests(int *exit_status)
{
    unsigned what = atomic_exchange(&run.requests, 0);
    if (what & REQ_CRASH_LOADED) {
        tell("GUEST_CRASHLOADED", "run");
    }
    if (what & REQ_WATCHDOG) {
        what |= do_watchdog();
    }
    if (what & REQ_PANIC && do_panic(exit_status)) {
        return true;
    }
    if (what & REQ_RESET && run.actions.shutdown_on_reset) {
        atomic_store(&run.exit_status, 0);
        atomic_store(&run.shutdown_cause, atomic_load(&run.reset_cause));
        what |= REQ_SHUTDOWN;
    }
    if (what & REQ_SHUTDOWN && do_shutdown(exit_status)) {
        return true;
    }
    if (what & REQ_STOP) {
        vm_stop((RunState)atomic_load(&run.stop_state));
    }
    if (what & REQ_POWERDOWN) {
        tell("POWERDOWN", NULL);
        for (Listener *l = run.powerdown; l; l = l->next) {
            l->fn(l->opaque);
        }
    }
    if (what & REQ_RESET && !run.actions.shutdown_on_reset) {
        tell("RESET", atomic_load(&run.reset_cause));
        vm_reset();
    }
    return false;
}
