/* SPDX-License-Identifier: MIT */
/*
 * vCPUs of a machine, whichever accelerator runs them, and the table of accelerators.
 * CPUState.opaque of a machine's CPU is its VCPU.
 */
#ifndef HW_VCPU_H
#define HW_VCPU_H

#include <pthread.h>
#include <stdio.h>

#include "exec/cpu.h"
#include "hw/irq.h"
#include "hw/memory.h"

typedef struct VCPU VCPU;

/* Bits of CPUState.interrupts: asked for by devices and other threads, answered by the target. */
enum {
    CPU_INT_HARD = 1, /* the main interrupt input (Arm IRQ) */
    CPU_INT_FAST = 2, /* Arm FIQ */
    CPU_INT_VIRT = 4,
    CPU_INT_VFAST = 8, /* virtual ones, for guests' guests */
    CPU_INT_NMI = 16,
    CPU_INT_RESET = 32,
    CPU_INT_TARGET0 = 256, /* and up: the target's own */
};

struct VCPU {
    CPUState *cpu;
    int index;
    pthread_t thread;
    int thread_id;    /* the host kernel's, for people; 0 until it runs */
    AddressSpace *as; /* physical memory as this CPU sees it */
    /* WFI: cpu->halted. */
    _Atomic bool
        powered_off; /* PSCI CPU_OFF, or secondary before CPU_ON: nothing wakes it but ON */
    _Atomic bool stop_requested; /* by the machine: vm stop, debugger */
    bool stopped;                /* and it has */
    bool created;
    /* The rest is accel/vcpu.c's, under its lock unless atomic. */
    _Atomic bool running; /* in guest code, or about to be */
    pthread_cond_t *wake;
    struct VCPUWork *_Atomic work; /* queued by async_run_on_cpu */
    struct VCPUWork *last_work;
    uint64_t queued;           /* so many pieces of work ever */
    _Atomic uint64_t finished; /* of them */
    MemoryReader reader;       /* quiet in vcpu_enter, offline while it waits there */
    int64_t wake_at;           /* while halted: CLOCK_HOST_MONO ns at which it goes on; 0: never */
    VCPU *next;                /* of all, in order of index */
    void *accel;               /* the accelerator's own */
    void *machine;             /* interrupt controller's per-CPU state and the like */
};

typedef struct AccelOps {
    const char *name; /* "tcg" */
    const char *desc;
    /* Whether this host can run guests of `target` so. */
    bool (*available)(const TargetOps *target, GError **err);
    /* options: "thread=single,tb-size=64" or ""; guest: see accel_configure */
    bool (*init)(const TargetOps *target, const char *guest, const char *options, GError **err);
    /* Starts the thread (or joins the round robin). The CPU is reset by then. */
    bool (*vcpu_start)(VCPU *v, GError **err);
    void (*kick)(VCPU *v);        /* leave guest code soon, look at interrupts and stop_requested */
    void (*synchronize)(VCPU *v); /* the state in memory is true (KVM fetches it) */
    void (*exit)(void);
} AccelOps;
extern const AccelOps *const accels[]; /* in order of preference; NULL at the end */
/* "-accel tcg:kvm", "-accel kvm -accel tcg", "-machine accel=": the first that is available; who
 * was passed over is said on stderr. Bad options of the one taken are an error. */
bool accel_configure(const char *const *requests, const TargetOps *target, const char *guest,
                     GError **err);
void accel_list_help(FILE *f);
const AccelOps *accel_current(void);

/* ---- what devices and targets call; any thread ---- */
void cpu_interrupt(VCPU *v, uint32_t mask); /* sets bits, wakes, kicks */
void cpu_clear_interrupt(VCPU *v, uint32_t mask);
void cpu_kick(VCPU *v);
/* Runs fn on the vCPU's thread between two guest instructions; returns at once. */
void async_run_on_cpu(VCPU *v, void (*fn)(VCPU *v, void *data), void *data);
/* The same while every other vCPU is stopped. */
void async_safe_run_on_cpu(VCPU *v, void (*fn)(VCPU *v, void *data), void *data);
/* Waits. From the big lock's holder or a thread without it; not from another vCPU's guest code. */
void run_on_cpu(VCPU *v, void (*fn)(VCPU *v, void *data), void *data);
/* Every other vCPU is outside guest code in between. */
void cpu_exclusive_begin(VCPU *self);
void cpu_exclusive_end(VCPU *self);

/* ---- for accelerators: a vCPU's thread ---- */
/*
 * Does the queued work, and waits while the vCPU has nothing to run; then it is `running`. False,
 * unless may_wait: it has nothing to run.
 */
bool vcpu_enter(VCPU *v, bool may_wait);
/*
 * Before leaving with EXCP_HALTED: the vCPU goes on after ns even if has_work says no. Negative: no
 * such time.
 */
void vcpu_halt_for(VCPU *v, int64_t ns);
/* What has_work says may have changed. Any thread. */
void vcpu_wake(VCPU *v);
/* Back from guest code. */
void vcpu_leave(VCPU *v);
/* async_run_on_cpu that returns a ticket for vcpu_await: until v has done all that was queued up to
 * this ticket, or is outside guest code and so will have before it is back there. The caller is
 * outside. */
uint64_t vcpu_queue(VCPU *v, void (*fn)(VCPU *v, void *data), void *data);
void vcpu_await(VCPU *v, uint64_t ticket);
void vcpu_set_current(VCPU *v);
/* Sleeps until any vCPU has something to do, or until CLOCK_HOST_MONO is `until` (0: no such
 * time); for one thread that runs all. */
void vcpu_wait_for_any(int64_t until);

VCPU *vcpu_new(const TargetOps *target, const char *model, AddressSpace *as, GError **err);
VCPU *vcpu_first(void);
VCPU *vcpu_current(void); /* of the calling thread, or NULL */
/* The accelerator's part of vm_stop, vm_start and a system reset. All under the big lock, from the
 * main-loop thread; the first gives the lock up while it waits until every vCPU is `stopped`. */
void vcpus_stop(void);
void vcpus_resume(void);
/* Stopped: to its power-on state (target->cpu_reset, TLB, pending interrupts). */
void vcpu_reset(VCPU *v);

/* ---- the machine's state (hw/core/runstate.c); main-loop thread or big lock ---- */
typedef enum RunState {
    RUN_STATE_PRELAUNCH,
    RUN_STATE_RUNNING,
    RUN_STATE_PAUSED,
    RUN_STATE_SHUTDOWN,
    RUN_STATE_IO_ERROR,
    RUN_STATE_GUEST_PANICKED,
    RUN_STATE_DEBUG,
    RUN_STATE_WATCHDOG
} RunState;
RunState run_state_get(void);
const char *run_state_name(RunState s); /* QMP's spelling */
void vm_start(void);                    /* all vCPUs run, CLOCK_VIRTUAL too */
void vm_stop(RunState state);           /* returns when all have stopped */
/* Asks the main loop; any thread, a guest's write included. */
void system_reset_request(const char *cause);
void system_shutdown_request(const char *cause, int exit_status);
void system_stop_request(RunState state); /* vm_stop soon */
void system_panic_request(void);          /* the guest's kernel says that it is lost */
void system_crash_loaded_request(void);   /* and that its crash kernel takes over */
void system_watchdog_request(void);       /* nobody has fed the watchdog */
void system_powerdown_request(void);      /* the power button: its listeners raise their lines */
void system_add_powerdown_listener(void (*fn)(void *opaque), void *opaque);

#endif
