/* SPDX-License-Identifier: MIT */
/* seccomp, strict and with filters, on the guest's calls. */
#ifndef LINUX_USER_SECCOMP_H
#define LINUX_USER_SECCOMP_H

#include "linux-user/user.h"

/* Some thread of this process is filtered. */
extern bool seccomp_active;

/* False: the call is not to be made, and *res is its result. call: CALL_*. */
bool seccomp_allows(TaskState *ts, int nr, int call, const uint64_t args[6], int64_t *res);
/* SECCOMP_MODE_* of the thread. */
int seccomp_mode(const TaskState *ts);
int64_t seccomp_prctl(TaskState *ts, uint64_t mode, uint64_t addr);
/* The thread's filters as a descriptor that execve hands on, -1 without any; and back. */
int seccomp_save(const TaskState *ts);
bool seccomp_restore(TaskState *ts, int fd);

#endif
