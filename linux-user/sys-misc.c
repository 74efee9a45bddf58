/* SPDX-License-Identifier: MIT */
/* System calls about the system and the process's own settings. */
#include "linux-user/seccomp.h"
#include "linux-user/syscalls.h"

#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

int64_t sys_uname(TaskState *ts, uint64_t a[MAX_ARGS])
{
    struct utsname uts = { 0 };
    long res = raw_syscall(__NR_uname, (uintptr_t)&uts, 0, 0, 0, 0, 0);

    if (res < 0) {
        return res;
    }
    g_strlcpy(uts.machine, ts->arch->uname_machine, sizeof(uts.machine));
    if (proc.uname_release) {
        g_strlcpy(uts.release, proc.uname_release, sizeof(uts.release));
    }
    return copy_to_guest(a[0], &uts, sizeof(uts)) ? 0 : -EFAULT;
}

/* prctl options that are the architecture's, or would reach past the guest to the emulator. */
static const int refused_prctls[] = {
    PR_SET_MM,
    PR_GET_TSC,
    PR_SET_TSC,
    PR_SET_FPEMU,
    PR_GET_FPEMU,
    PR_SET_FPEXC,
    PR_GET_FPEXC,
    PR_SET_SYSCALL_USER_DISPATCH,
    PR_SVE_SET_VL,
    PR_SVE_GET_VL,
    PR_PAC_RESET_KEYS,
    PR_SET_TAGGED_ADDR_CTRL,
    PR_GET_TAGGED_ADDR_CTRL,
};

int64_t sys_prctl(TaskState *ts, uint64_t a[MAX_ARGS])
{
    if ((int)a[0] == PR_SET_SECCOMP) {
        return seccomp_prctl(ts, a[1], a[2]);
    }
    if ((int)a[0] == PR_GET_SECCOMP) {
        return seccomp_mode(ts);
    }
    for (size_t n = 0; n < G_N_ELEMENTS(refused_prctls); n++) {
        if ((int)a[0] == refused_prctls[n]) {
            return -EINVAL;
        }
    }
    for (int n = 1; n < 5; n++) {
        if (a[n] >= proc.guest_end && a[n] < UINT64_C(1) << 47) {
            return -EFAULT;
        }
    }
    return safe_syscall(__NR_prctl, a);
}

int64_t sys_getrandom(TaskState *ts, uint64_t a[MAX_ARGS])
{
    (void)ts;
    if (proc.has_seed) {
        uint64_t len = MIN(a[1], 256);
        uint8_t buf[256];

        for (uint64_t n = 0; n < len; n++) {
            proc.seed = proc.seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            buf[n] = proc.seed >> 56;
        }
        return copy_to_guest(a[0], buf, len) ? (int64_t)len : -EFAULT;
    }
    return safe_syscall(__NR_getrandom, a);
}

/*
 * The address space's limit would hit what is the emulator's own, so mmap.c keeps and applies it;
 * that of data is noted nowhere.
 */
static int64_t as_limit(uint64_t new_limit, uint64_t old_limit)
{
    GuestLimit limit, old;

    guest_get_as_limit(&old);
    if (new_limit) {
        int res = copy_from_guest(&limit, new_limit, sizeof(limit)) ? guest_set_as_limit(&limit)
                                                                    : -EFAULT;

        if (res < 0) {
            return res;
        }
    }
    return !old_limit || copy_to_guest(old_limit, &old, sizeof(old)) ? 0 : -EFAULT;
}

int64_t sys_getrlimit(TaskState *ts, uint64_t a[MAX_ARGS])
{
    (void)ts;
    return a[0] == RLIMIT_AS ? as_limit(0, a[1]) : safe_syscall(__NR_getrlimit, a);
}

int64_t sys_setrlimit(TaskState *ts, uint64_t a[MAX_ARGS])
{
    (void)ts;
    if (a[0] == RLIMIT_AS) {
        return as_limit(a[1], 0);
    }
    return a[0] == RLIMIT_DATA ? 0 : safe_syscall(__NR_setrlimit, a);
}

int64_t sys_prlimit64(TaskState *ts, uint64_t a[MAX_ARGS])
{
    (void)ts;
    if (a[1] == RLIMIT_AS && (!a[0] || (pid_t)a[0] == getpid())) {
        return as_limit(a[2], a[3]);
    }
    if (a[1] == RLIMIT_DATA || a[1] == RLIMIT_AS) {
        a[2] = 0;
    }
    return safe_syscall(__NR_prlimit64, a);
}

/* Some of the operations have pointers; none may be to the emulator. */
int64_t sys_keyctl(TaskState *ts, uint64_t a[MAX_ARGS])
{
    (void)ts;
    for (int n = 1; n < 5; n++) {
        if (a[n] >= proc.guest_end && a[n] < UINT64_C(1) << 47) {
            return -EFAULT;
        }
    }
    return safe_syscall(__NR_keyctl, a);
}
