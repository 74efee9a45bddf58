/* SPDX-License-Identifier: MIT */
/* System calls on memory; mmap.c does the work. */
#include "linux-user/syscalls.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

int64_t sys_mmap(TaskState *ts, uint64_t a[MAX_ARGS])
{
    (void)ts;
    return guest_mmap(a[0], a[1], a[2], a[3], a[4], a[5]);
}

int64_t sys_munmap(TaskState *ts, uint64_t a[MAX_ARGS])
{
    (void)ts;
    return guest_munmap(a[0], a[1]);
}

int64_t sys_mprotect(TaskState *ts, uint64_t a[MAX_ARGS])
{
    (void)ts;
    return guest_mprotect(a[0], a[1], a[2]);
}

int64_t sys_pkey_mprotect(TaskState *ts, uint64_t a[MAX_ARGS])
{
    (void)ts;
    return (int)a[3] == -1 ? guest_mprotect(a[0], a[1], a[2]) : -EINVAL;
}

int64_t sys_mremap(TaskState *ts, uint64_t a[MAX_ARGS])
{
    (void)ts;
    return guest_mremap(a[0], a[1], a[2], a[3], a[4]);
}

int64_t sys_madvise(TaskState *ts, uint64_t a[MAX_ARGS])
{
    (void)ts;
    return guest_madvise(a[0], a[1], a[2]);
}

int64_t sys_process_madvise(TaskState *ts, uint64_t a[MAX_ARGS])
{
    struct iovec buf[16];
    int error;
    struct iovec *iov = iov_from_guest(a[1], a[2], buf, G_N_ELEMENTS(buf), &error);
    int64_t res;

    (void)ts;
    if (!iov) {
        return error;
    }
    res = safe_call(__NR_process_madvise, a[0], (uintptr_t)iov, a[2], a[3], a[4]);
    iov_free(iov, buf);
    return res;
}

int64_t sys_mincore(TaskState *ts, uint64_t a[MAX_ARGS])
{
    return guest_range_ok(a[0], a[1]) ? host_call(ts, a) : -ENOMEM;
}

/* An array of addresses. */
int64_t sys_move_pages(TaskState *ts, uint64_t a[MAX_ARGS])
{
    enum { MOST = 1 << 24 };
    g_autofree uint64_t *pages = NULL;

    if (a[1] > MOST) {
        return -E2BIG;
    }
    pages = g_try_new(uint64_t, a[1] + 1);
    if (!pages || !copy_from_guest(pages, a[2], a[1] * sizeof(*pages))) {
        return pages ? -EFAULT : -ENOMEM;
    }
    for (uint64_t n = 0; n < a[1]; n++) {
        pages[n] = host_arg(pages[n]);
    }
    a[2] = (uintptr_t)pages;
    return host_call(ts, a);
}

int64_t sys_brk(TaskState *ts, uint64_t a[MAX_ARGS])
{
    (void)ts;
    return guest_brk(a[0]);
}
