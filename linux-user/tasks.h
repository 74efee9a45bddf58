/* SPDX-License-Identifier: MIT */
/* The guest's threads: a list, and the stop of all but one. */
#ifndef LINUX_USER_TASKS_H
#define LINUX_USER_TASKS_H

#include "linux-user/user.h"

/* Once tid is known, and before *ts is freed. */
void tasks_add(TaskState *ts);
void tasks_remove(TaskState *ts);
/* In the child of a fork, whose only thread this is. */
void tasks_fork_child(TaskState *ts);

/*
 * Set for ever once a thread dumps core. The others see it when compiled code ends or a system call
 * returns, before that changes a register, and go to tasks_park.
 */
extern volatile bool tasks_stopping;
G_NORETURN void tasks_park(TaskState *ts);

/*
 * Stops the other threads of the process of ts, a second long at most. A second thread that calls
 * it does not return.
 */
void tasks_stop_others(TaskState *ts);
/* Those that stopped, one after the other; at: NULL first. NULL: no more. */
TaskState *tasks_next_stopped(const TaskState *ts, const TaskState *at);

#endif
