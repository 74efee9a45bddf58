/* SPDX-License-Identifier: MIT */
/* System V IPC: what is not the same on every machine. */
#include "linux-user/syscalls.h"

#include <mqueue.h>
#include <signal.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/syscall.h>

/* struct semid64_ds of asm-generic/sembuf.h; x86-64 has a hole behind each time. */
typedef struct GuestSemid {
    struct ipc_perm perm;
    uint64_t otime, ctime, nsems, unused[2];
} GuestSemid;
G_STATIC_ASSERT(sizeof(GuestSemid) == 88);

int64_t sys_semctl(TaskState *ts, uint64_t a[MAX_ARGS])
{
    struct semid_ds host;
    GuestSemid guest = { 0 };
    int cmd = (int)a[2];
    int64_t res;

    (void)ts;
    if (cmd == SETVAL) {
        return safe_syscall(__NR_semctl, a);
    }
    if (!guest_ptr_ok(a[3])) {
        return -EFAULT;
    }
    switch (cmd) {
    case IPC_STAT:
    case SEM_STAT:
    case SEM_STAT_ANY:
        res = safe_call(__NR_semctl, a[0], a[1], a[2], (uintptr_t)&host);
        if (res >= 0) {
            guest.perm = host.sem_perm;
            guest.otime = host.sem_otime;
            guest.ctime = host.sem_ctime;
            guest.nsems = host.sem_nsems;
            return copy_to_guest(a[3], &guest, sizeof(guest)) ? res : -EFAULT;
        }
        return res;
    case IPC_SET:
        if (!copy_from_guest(&guest, a[3], sizeof(guest))) {
            return -EFAULT;
        }
        memset(&host, 0, sizeof(host));
        host.sem_perm = guest.perm;
        return safe_call(__NR_semctl, a[0], a[1], a[2], (uintptr_t)&host);
    default:
        return safe_call(__NR_semctl, a[0], a[1], a[2], host_arg(a[3]));
    }
}

/* With SIGEV_THREAD the value is the address of 32 bytes that the kernel reads. */
int64_t sys_mq_notify(TaskState *ts, uint64_t a[MAX_ARGS])
{
    struct sigevent event;

    if (a[1]) {
        if (!copy_from_guest(&event, a[1], sizeof(event))) {
            return -EFAULT;
        }
        if (event.sigev_notify == SIGEV_THREAD) {
            uint64_t cookie = (uintptr_t)event.sigev_value.sival_ptr;

            if (!guest_ptr_ok(cookie)) {
                return -EFAULT;
            }
            event.sigev_value.sival_ptr = (void *)host_arg(cookie);
        }
        a[1] = (uintptr_t)&event;
    }
    return host_call(ts, a);
}

int64_t sys_shmat(TaskState *ts, uint64_t a[MAX_ARGS])
{
    (void)ts;
    return guest_shmat(a[0], a[1], a[2]);
}

int64_t sys_shmdt(TaskState *ts, uint64_t a[MAX_ARGS])
{
    (void)ts;
    return guest_shmdt(a[0]);
}
