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

/* From within compiled code: nothing that waits, raises a signal or looks at registers. */
uint64_t quick_syscall(CPUState *cpu, uint64_t nr, uint64_t a, uint64_t b)
{
    TaskState *ts = cpu->opaque;
    uint64_t args[MAX_ARGS] = { a, b };

    return (uint64_t)syscall_descs[ts->arch->syscall_table[nr]].fn(ts, args);
}

int64_t sys_gettimeofday(TaskState *ts, uint64_t a[MAX_ARGS])
{
    struct timeval t;

    (void)ts;
    if (a[1]) {
        return raw_syscall(__NR_gettimeofday, host_arg(a[0]), host_arg(a[1]), 0, 0, 0, 0);
    }
    gettimeofday(&t, NULL);
    return !a[0] || copy_to_guest(a[0], &t, sizeof(t)) ? 0 : -EFAULT;
}
