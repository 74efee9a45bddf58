/* SPDX-License-Identifier: MIT */
/*
 * Clocks, and timers on them: a sorted list for each clock, and one timerfd that is armed for the
 * earliest of all, which wakes the main loop.
 */
#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include "hw/timer.h"

enum { NS_PER_S = 1000000000 };

static struct {
    pthread_mutex_t lock;
    Timer *armed[CLOCK_TYPES]; /* earliest first */
    int fd;                    /* -1: not there yet */
    /* CLOCK_VIRTUAL is the monotonic clock less `offset`, or stands at -offset while stopped.
     * Readers retry while `sequence` is odd or changes. */
    _Atomic unsigned sequence;
    _Atomic int64_t offset;
    _Atomic bool running;
    int64_t (*source)(void);
    void (*earlier)(void); /* with source: the next virtual timer comes earlier than thought */
} timers = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1 };

static int64_t host_ns(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static int64_t virtual_ns(void)
{
    unsigned sequence;
    int64_t now;
    if (timers.source) {
        return timers.source();
    }
    do {
        sequence = atomic_load(&timers.sequence);
        int64_t offset = atomic_load(&timers.offset);
        now = (atomic_load(&timers.running) ? host_ns(CLOCK_MONOTONIC) : 0) - offset;
    } while (sequence & 1 || sequence != atomic_load(&timers.sequence));
    return now;
}

int64_t clock_get_ns(ClockType clock)
{
    switch (clock) {
    case CLOCK_VIRTUAL:
        return virtual_ns();
    case CLOCK_HOST:
        return host_ns(CLOCK_REALTIME);
    default:
        return host_ns(CLOCK_MONOTONIC);
    }
}

/* With the lock: the fd is armed for the earliest timer of all. */
static void rearm(void)
{
    int64_t wait = INT64_MAX;
    for (int c = 0; c < CLOCK_TYPES; c++) {
        bool moves = c != CLOCK_VIRTUAL || atomic_load(&timers.running);
        if (timers.armed[c] && moves) {
            int64_t left = timers.armed[c]->expire - clock_get_ns((ClockType)c);
            if (c == CLOCK_VIRTUAL && timers.source) {
                continue; /* who moves the clock calls timers_run_virtual */
            }
            wait = MIN(wait, MAX(left, 1)); /* 0 would disarm the fd */
        }
    }
    struct itimerspec when = { 0 };
    if (wait != INT64_MAX) {
        when.it_value.tv_sec = wait / NS_PER_S;
        when.it_value.tv_nsec = wait % NS_PER_S;
    }
    if (timers.fd >= 0) {
        timerfd_settime(timers.fd, 0, &when, NULL);
    }
}

int timers_fd(void)
{
    pthread_mutex_lock(&timers.lock);
    if (timers.fd < 0) {
        timers.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        if (timers.fd < 0) {
            g_error("timerfd_create: %s", g_strerror(errno));
        }
        rearm();
    }
    pthread_mutex_unlock(&timers.lock);
    return timers.fd;
}

void clock_enable_virtual(bool running)
{
    pthread_mutex_lock(&timers.lock);
    if (running != atomic_load(&timers.running)) {
        int64_t mono = host_ns(CLOCK_MONOTONIC);
        int64_t offset = atomic_load(&timers.offset);
        atomic_fetch_add(&timers.sequence, 1);
        atomic_store(&timers.offset, running ? mono + offset : offset - mono);
        atomic_store(&timers.running, running);
        atomic_fetch_add(&timers.sequence, 1);
        rearm();
    }
    pthread_mutex_unlock(&timers.lock);
}

void clock_set_virtual_source(int64_t (*read)(void), void (*earlier)(void))
{
    timers.source = read;
    timers.earlier = earlier;
}

bool clock_virtual_is_counted(void)
{
    return timers.source != NULL;
}

int64_t clock_virtual_deadline(void)
{
    pthread_mutex_lock(&timers.lock);
    const Timer *first = timers.armed[CLOCK_VIRTUAL];
    int64_t left = first ? MAX(first->expire - virtual_ns(), 0) : -1;
    pthread_mutex_unlock(&timers.lock);
    return left;
}

void timer_init(Timer *t, ClockType clock, TimerFn fn, void *opaque)
{
    *t = (Timer){ .clock = clock, .fn = fn, .opaque = opaque, .expire = -1 };
}

static void unlink_timer(Timer *t)
{
    for (Timer **p = &timers.armed[t->clock]; *p; p = &(*p)->next) {
        if (*p == t) {
            *p = t->next;
            break;
        }
    }
    t->expire = -1;
}

void timer_mod(Timer *t, int64_t expire_ns)
{
    pthread_mutex_lock(&timers.lock);
    Timer *first = timers.armed[t->clock];
    if (timer_pending(t)) {
        unlink_timer(t);
    }
    t->expire = MAX(expire_ns, 0);
    Timer **p = &timers.armed[t->clock];
    while (*p && (*p)->expire <= t->expire) {
        p = &(*p)->next;
    }
    t->next = *p;
    *p = t;
    if (first == t || timers.armed[t->clock] == t) {
        rearm();
        if (t->clock == CLOCK_VIRTUAL && timers.earlier) {
            timers.earlier();
        }
    }
    pthread_mutex_unlock(&timers.lock);
}

void timer_del(Timer *t)
{
    pthread_mutex_lock(&timers.lock);
    if (timer_pending(t)) {
        unlink_timer(t);
    }
    pthread_mutex_unlock(&timers.lock);
}

static Timer *take_due(ClockType clock, int64_t now)
{
    pthread_mutex_lock(&timers.lock);
    Timer *t = timers.armed[clock];
    if (t && t->expire <= now) {
        unlink_timer(t);
    } else {
        t = NULL;
    }
    pthread_mutex_unlock(&timers.lock);
    return t;
}

static void fire_due(ClockType clock)
{
    int64_t now = clock_get_ns(clock);
    for (Timer *t; (t = take_due(clock, now));) {
        t->fn(t->opaque);
    }
}

void timers_run_virtual(void)
{
    fire_due(CLOCK_VIRTUAL);
}

/* A timer that arms itself again for a time that has come by then waits for the next round, so
 * that the rest of the main loop gets its turn. */
void timers_run(void)
{
    uint64_t expirations;
    if (timers.fd >= 0 && read(timers.fd, &expirations, sizeof(expirations)) < 0) {
        /* Not due by the fd: it was armed anew since it became readable. */
        expirations = 0;
    }
    for (int c = 0; c < CLOCK_TYPES; c++) {
        if (c != CLOCK_VIRTUAL || (atomic_load(&timers.running) && !timers.source)) {
            fire_due((ClockType)c);
        }
    }
    pthread_mutex_lock(&timers.lock);
    rearm();
    pthread_mutex_unlock(&timers.lock);
}
