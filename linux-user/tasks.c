/* SPDX-License-Identifier: MIT */
/* The list of the guest's threads, and stopping all of them but one for good: for a core dump. */
#include "linux-user/tasks.h"

#include <pthread.h>
#include <unistd.h>

enum { STOP_TRIES = 1000, STOP_WAIT_US = 1000 };

static struct {
    pthread_mutex_t lock;
    TaskState *first;
} tasks = { .lock = PTHREAD_MUTEX_INITIALIZER };

volatile bool tasks_stopping;

void tasks_add(TaskState *ts)
{
    pthread_mutex_lock(&tasks.lock);
    ts->next_task = tasks.first;
    tasks.first = ts;
    pthread_mutex_unlock(&tasks.lock);
}

void tasks_remove(TaskState *ts)
{
    pthread_mutex_lock(&tasks.lock);
    for (TaskState **at = &tasks.first; *at; at = &(*at)->next_task) {
        if (*at == ts) {
            *at = ts->next_task;
            break;
        }
    }
    pthread_mutex_unlock(&tasks.lock);
}

void tasks_fork_child(TaskState *ts)
{
    pthread_mutex_init(&tasks.lock, NULL);
    tasks.first = ts;
    ts->next_task = NULL;
}

void tasks_park(TaskState *ts)
{
    block_signals();
    ts->state_exact = true;
    for (;;) {
        pause();
    }
}

/* The next behind at (NULL: the first) of the same process. A child of vfork has its own SigHand.
 */
static TaskState *next_of(const TaskState *ts, const TaskState *at)
{
    TaskState *t = at ? at->next_task : tasks.first;

    while (t && (t == ts || t->sighand != ts->sighand)) {
        t = t->next_task;
    }
    return t;
}

static bool all_exact(const TaskState *ts)
{
    for (TaskState *t = next_of(ts, NULL); t; t = next_of(ts, t)) {
        if (!t->state_exact) {
            return false;
        }
    }
    return true;
}

void tasks_stop_others(TaskState *ts)
{
    pthread_mutex_lock(&tasks.lock); /* for good: who ends now waits here */
    tasks_stopping = true;
    for (TaskState *t = next_of(ts, NULL); t; t = next_of(ts, t)) {
        cpu_request_exit(t->cpu);
    }
    /* Slept before the first look: state_exact and tasks_stopping cross without a barrier. */
    for (int n = 0; n < STOP_TRIES && next_of(ts, NULL); n++) {
        usleep(STOP_WAIT_US);
        if (all_exact(ts)) {
            break;
        }
    }
}

TaskState *tasks_next_stopped(const TaskState *ts, const TaskState *at)
{
    TaskState *t = next_of(ts, at);

    while (t && !t->state_exact) {
        t = next_of(ts, t);
    }
    return t;
}
