/* SPDX-License-Identifier: MIT */
/* System calls on time: the frequent ones go through the host's vDSO. */
#include "linux-user/syscalls.h"

#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

int64_t sys_clock_gettime(TaskState *ts, uint64_t a[MAX_ARGS])
{
    struct timespec t;

    (void)ts;
    if (clock_gettime((clockid_t)a[0], &t) < 0) {
        return -errno;
    }
    return copy_to_guest(a[1], &t, sizeof(t)) ? 0 : -EFAULT;
}

int64_t sys_gettimeofday(TaskState *ts, uint64_t a[MAX_ARGS])
{
    struct timeval t;

    (void)ts;
    if (a[1]) {
        return safe_syscall(__NR_gettimeofday, a);
    }
    gettimeofday(&t, NULL);
    return !a[0] || copy_to_guest(a[0], &t, sizeof(t)) ? 0 : -EFAULT;
}
