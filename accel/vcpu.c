/* SPDX-License-Identifier: MIT */
/*
 * vCPUs, whichever accelerator runs them: the list, work queued for them, waiting and waking,
 * stopping and exclusive sections. One lock guards all that; the way into guest code takes it only
 * when there is something to do.
 */
#include <stdatomic.h>

#include "exec/softmmu.h"
#include "hw/biglock.h"
#include "hw/timer.h"
#include "hw/vcpu.h"

typedef struct VCPUWork {
    void (*fn)(VCPU *v, void *data);
    void *data;
    bool safe; /* while all others are outside */
    struct VCPUWork *next;
} VCPUWork;

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;    /* some vCPU has something to do */
    pthread_cond_t changed; /* one stopped, left guest code, or finished work */
    atomic_int watched;     /* somebody waits for `changed` */
    VCPU *first, **end;
    int nb;
    VCPU *_Atomic exclusive; /* who wants to be, or is, alone */
} vcpus = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .wake = PTHREAD_COND_INITIALIZER,
    .changed = PTHREAD_COND_INITIALIZER,
    .end = &vcpus.first,
};

static _Thread_local VCPU *current;

VCPU *vcpu_first(void)
{
    return vcpus.first;
}

VCPU *vcpu_current(void)
{
    return current;
}

void vcpu_set_current(VCPU *v)
{
    current = v;
}

VCPU *vcpu_new(const TargetOps *target, const char *model, AddressSpace *as, GError **err)
{
    CPUState *cpu = target->cpu_new(model, err);
    VCPU *v;

    if (!cpu) {
        return NULL;
    }
    v = g_new0(VCPU, 1);
    v->cpu = cpu;
    v->as = as;
    v->index = vcpus.nb++;
    v->stop_requested = v->stopped = true; /* until vcpus_resume */
    v->wake = g_new(pthread_cond_t, 1);
    pthread_cond_init(v->wake, NULL);
    cpu->opaque = v;
    memory_reader_register(&v->reader);
    memory_reader_offline(&v->reader);
    pthread_mutex_lock(&vcpus.lock);
    *vcpus.end = v;
    vcpus.end = &v->next;
    pthread_mutex_unlock(&vcpus.lock);
    return v;
}

/* ---- asking ---- */

static void wake(VCPU *v)
{
    pthread_cond_broadcast(v->wake);
    pthread_cond_broadcast(&vcpus.wake);
}

void vcpu_wake(VCPU *v)
{
    pthread_mutex_lock(&vcpus.lock);
    wake(v);
    pthread_mutex_unlock(&vcpus.lock);
}

void vcpu_halt_for(VCPU *v, int64_t ns)
{
    v->cpu->halted = true;
    v->wake_at = ns < 0 ? 0 : clock_get_ns(CLOCK_HOST_MONO) + MIN(ns, INT64_MAX / 2);
}

void cpu_kick(VCPU *v)
{
    if (v->created) {
        accel_current()->kick(v);
    }
}

void cpu_interrupt(VCPU *v, uint32_t mask)
{
    if ((atomic_fetch_or(&v->cpu->interrupts, mask) & mask) == mask) {
        return;
    }
    if (v != current) {
        pthread_mutex_lock(&vcpus.lock);
        wake(v);
        pthread_mutex_unlock(&vcpus.lock);
    }
    cpu_kick(v);
}

void cpu_clear_interrupt(VCPU *v, uint32_t mask)
{
    atomic_fetch_and(&v->cpu->interrupts, ~mask);
}

/* ---- work ---- */

static uint64_t queue_work(VCPU *v, void (*fn)(VCPU *v, void *data), void *data, bool safe)
{
    VCPUWork *w = g_new(VCPUWork, 1);
    uint64_t ticket;

    *w = (VCPUWork){ .fn = fn, .data = data, .safe = safe };
    pthread_mutex_lock(&vcpus.lock);
    if (atomic_load(&v->work)) {
        v->last_work->next = w;
    } else {
        atomic_store(&v->work, w);
    }
    v->last_work = w;
    ticket = ++v->queued;
    wake(v);
    pthread_mutex_unlock(&vcpus.lock);
    if (atomic_load(&v->running)) {
        cpu_kick(v);
    }
    return ticket;
}

uint64_t vcpu_queue(VCPU *v, void (*fn)(VCPU *v, void *data), void *data)
{
    return queue_work(v, fn, data, false);
}

void async_run_on_cpu(VCPU *v, void (*fn)(VCPU *v, void *data), void *data)
{
    queue_work(v, fn, data, false);
}

void async_safe_run_on_cpu(VCPU *v, void (*fn)(VCPU *v, void *data), void *data)
{
    queue_work(v, fn, data, true);
}

static void tell_watchers(void)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load(&vcpus.watched)) {
        pthread_mutex_lock(&vcpus.lock);
        pthread_cond_broadcast(&vcpus.changed);
        pthread_mutex_unlock(&vcpus.lock);
    }
}

/* The lock is held, and given up while the work is done. */
static void do_work(VCPU *v)
{
    VCPUWork *w;

    while ((w = atomic_load(&v->work))) {
        atomic_store(&v->work, w->next);
        pthread_mutex_unlock(&vcpus.lock);
        if (w->safe) {
            cpu_exclusive_begin(v);
        }
        w->fn(v, w->data);
        if (w->safe) {
            cpu_exclusive_end(v);
        }
        g_free(w);
        pthread_mutex_lock(&vcpus.lock);
        atomic_fetch_add(&v->finished, 1);
        pthread_cond_broadcast(&vcpus.changed);
    }
}

/* Waits for `changed`; the lock is held. */
static void wait_changed(void)
{
    atomic_fetch_add(&vcpus.watched, 1);
    pthread_cond_wait(&vcpus.changed, &vcpus.lock);
    atomic_fetch_sub(&vcpus.watched, 1);
}

void run_on_cpu(VCPU *v, void (*fn)(VCPU *v, void *data), void *data)
{
    bool locked = biglock_held();
    uint64_t ticket;

    if (v == current || !v->created) {
        fn(v, data);
        return;
    }
    ticket = queue_work(v, fn, data, false);
    if (locked) {
        biglock_unlock();
    }
    pthread_mutex_lock(&vcpus.lock);
    atomic_fetch_add(&vcpus.watched, 1);
    while (atomic_load(&v->finished) < ticket) {
        wait_changed();
    }
    atomic_fetch_sub(&vcpus.watched, 1);
    pthread_mutex_unlock(&vcpus.lock);
    if (locked) {
        biglock_lock();
    }
}

void vcpu_await(VCPU *v, uint64_t ticket)
{
    enum { SPINS = 4000 };

    for (int n = 0; n < SPINS; n++) {
        if (atomic_load(&v->finished) >= ticket || !atomic_load(&v->running)) {
            return;
        }
        __builtin_ia32_pause();
    }
    pthread_mutex_lock(&vcpus.lock);
    atomic_fetch_add(&vcpus.watched, 1);
    while (atomic_load(&v->finished) < ticket && atomic_load(&v->running)) {
        wait_changed();
    }
    atomic_fetch_sub(&vcpus.watched, 1);
    pthread_mutex_unlock(&vcpus.lock);
}

/* ---- into guest code and out ---- */

static bool slept_enough(const VCPU *v)
{
    return v->wake_at && clock_get_ns(CLOCK_HOST_MONO) >= v->wake_at;
}

static bool can_run(const VCPU *v)
{
    return !v->stop_requested && !v->powered_off &&
           (!v->cpu->halted || v->cpu->target->system->has_work(v->cpu) || slept_enough(v));
}

/* The lock is held. until: CLOCK_HOST_MONO; 0: for ever. */
static void wait_until(pthread_cond_t *cond, int64_t until)
{
    struct timespec ts = { until / 1000000000, until % 1000000000 };

    if (until) {
        pthread_cond_clockwait(cond, &vcpus.lock, CLOCK_MONOTONIC, &ts);
    } else {
        pthread_cond_wait(cond, &vcpus.lock);
    }
}

/* Somebody else wants to be alone: the lock is held. */
static void let_exclusive(VCPU *v)
{
    VCPU *who;

    while ((who = atomic_load(&vcpus.exclusive)) && who != v) {
        wait_changed();
    }
}

bool vcpu_enter(VCPU *v, bool may_wait)
{
    atomic_store(&v->running, true);
    memory_reader_quiet(&v->reader);
    if (!atomic_load(&v->work) && !v->stop_requested && !v->cpu->halted && !v->powered_off &&
        !atomic_load(&vcpus.exclusive)) {
        return true;
    }
    vcpu_leave(v);
    pthread_mutex_lock(&vcpus.lock);
    for (;;) {
        do_work(v);
        let_exclusive(v);
        if (atomic_load(&v->work)) {
            continue;
        }
        if (v->stop_requested && !v->stopped) {
            v->stopped = true;
            pthread_cond_broadcast(&vcpus.changed);
        }
        if (can_run(v)) {
            v->cpu->halted = false;
            v->wake_at = 0;
            atomic_store(&v->running, true);
            pthread_mutex_unlock(&vcpus.lock);
            return true;
        }
        memory_reader_offline(&v->reader);
        if (!may_wait) {
            pthread_mutex_unlock(&vcpus.lock);
            return false;
        }
        wait_until(v->wake, v->stop_requested || v->powered_off ? 0 : v->wake_at);
        memory_reader_quiet(&v->reader);
    }
}

void vcpu_leave(VCPU *v)
{
    atomic_store(&v->running, false);
    tell_watchers();
}

void vcpu_wait_for_any(int64_t until)
{
    bool idle = true;

    pthread_mutex_lock(&vcpus.lock);
    for (VCPU *v = vcpus.first; v; v = v->next) {
        if (v->wake_at && !v->stop_requested && !v->powered_off) {
            until = until ? MIN(until, v->wake_at) : v->wake_at;
        }
        idle &= !can_run(v) && !atomic_load(&v->work) && !(v->stop_requested && !v->stopped);
    }
    if (idle) {
        wait_until(&vcpus.wake, until);
    }
    pthread_mutex_unlock(&vcpus.lock);
}

/* ---- alone ---- */

void cpu_exclusive_begin(VCPU *self)
{
    pthread_mutex_lock(&vcpus.lock);
    atomic_fetch_add(&vcpus.watched, 1);
    while (atomic_load(&vcpus.exclusive)) {
        wait_changed();
    }
    atomic_store(&vcpus.exclusive, self);
    for (VCPU *v = vcpus.first; v; v = v->next) {
        while (v != self && atomic_load(&v->running)) {
            cpu_kick(v);
            wait_changed();
        }
    }
    atomic_fetch_sub(&vcpus.watched, 1);
    pthread_mutex_unlock(&vcpus.lock);
}

void cpu_exclusive_end(VCPU *self)
{
    pthread_mutex_lock(&vcpus.lock);
    g_assert(atomic_load(&vcpus.exclusive) == self);
    atomic_store(&vcpus.exclusive, NULL);
    pthread_cond_broadcast(&vcpus.changed);
    pthread_mutex_unlock(&vcpus.lock);
}

/* ---- the machine's ---- */

void vcpus_stop(void)
{
    bool locked = biglock_held();

    pthread_mutex_lock(&vcpus.lock);
    for (VCPU *v = vcpus.first; v; v = v->next) {
        v->stop_requested = true;
        wake(v);
    }
    pthread_mutex_unlock(&vcpus.lock);
    for (VCPU *v = vcpus.first; v; v = v->next) {
        cpu_kick(v);
    }
    if (locked) {
        biglock_unlock();
    }
    pthread_mutex_lock(&vcpus.lock);
    atomic_fetch_add(&vcpus.watched, 1);
    for (VCPU *v = vcpus.first; v; v = v->next) {
        while (v->created && !v->stopped) {
            wait_changed();
        }
    }
    atomic_fetch_sub(&vcpus.watched, 1);
    pthread_mutex_unlock(&vcpus.lock);
    if (locked) {
        biglock_lock();
    }
}

void vcpus_resume(void)
{
    pthread_mutex_lock(&vcpus.lock);
    for (VCPU *v = vcpus.first; v; v = v->next) {
        v->stop_requested = false;
        v->stopped = false;
        wake(v);
    }
    pthread_mutex_unlock(&vcpus.lock);
}

void vcpu_reset(VCPU *v)
{
    atomic_store(&v->cpu->interrupts, 0);
    v->cpu->halted = false;
    v->wake_at = 0;
    v->cpu->exception_index = EXCP_NONE;
    v->cpu->target->cpu_reset(v->cpu);
    tlb_flush(v->cpu, ~0u);
}
