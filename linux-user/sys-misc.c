/* SPDX-License-Identifier: MIT */
/* System calls about the system and the process's own settings. */
#include "linux-user/seccomp.h"
#include "linux-user/syscalls.h"
#include "util/log.h"

#include <linux/keyctl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
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

/* Which arguments are pointers, as bits: of prctl's options and keyctl's operations. */
typedef struct PointerArgs {
    int what;
    unsigned args;
} PointerArgs;
static const PointerArgs prctl_pointers[] = {
    { PR_GET_PDEATHSIG, 1 << 1 }, { PR_SET_NAME, 1 << 1 },
    { PR_GET_NAME, 1 << 1 },      { PR_GET_UNALIGN, 1 << 1 },
    { PR_GET_ENDIAN, 1 << 1 },    { PR_GET_CHILD_SUBREAPER, 1 << 1 },
    { PR_SCHED_CORE, 1 << 4 },    { PR_SET_VMA, 1 << 2 | 1 << 4 },
};
static const PointerArgs keyctl_pointers[] = {
    { KEYCTL_JOIN_SESSION_KEYRING, 1 << 1 },
    { KEYCTL_UPDATE, 1 << 2 },
    { KEYCTL_DESCRIBE, 1 << 2 },
    { KEYCTL_SEARCH, 1 << 2 | 1 << 3 },
    { KEYCTL_READ, 1 << 2 },
    { KEYCTL_INSTANTIATE, 1 << 2 },
    { KEYCTL_GET_SECURITY, 1 << 2 },
    { KEYCTL_DH_COMPUTE, 1 << 1 | 1 << 2 },
    { KEYCTL_PKEY_QUERY, 1 << 3 | 1 << 4 },
    { KEYCTL_PKEY_ENCRYPT, 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 },
    { KEYCTL_PKEY_DECRYPT, 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 },
    { KEYCTL_PKEY_SIGN, 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 },
    { KEYCTL_PKEY_VERIFY, 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 },
    { KEYCTL_RESTRICT_KEYRING, 1 << 2 | 1 << 3 },
    { KEYCTL_CAPABILITIES, 1 << 1 },
};

static void convert_pointers(const PointerArgs *table, size_t size, uint64_t a[MAX_ARGS])
{
    for (size_t k = 0; k < size; k++) {
        for (int n = 1; n < MAX_ARGS && table[k].what == (int)a[0]; n++) {
            a[n] = table[k].args >> n & 1 ? host_arg(a[n]) : a[n];
        }
    }
}

/* No argument, of whatever kind, may be an address of the emulator. */
static bool avoids_emulator(const uint64_t a[MAX_ARGS])
{
    for (int n = 1; n < 5; n++) {
        if (a[n] >= proc.guest_end && a[n] < UINT64_C(1) << 47) {
            return false;
        }
    }
    return true;
}

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
    if ((int)a[0] == PR_GET_TID_ADDRESS) {
        return copy_to_guest(a[1], &ts->clear_tid, sizeof(ts->clear_tid)) ? 0 : -EFAULT;
    }
    if (!avoids_emulator(a)) {
        return -EFAULT;
    }
    convert_pointers(prctl_pointers, G_N_ELEMENTS(prctl_pointers), a);
    return host_call(ts, a);
}

int64_t sys_getrandom(TaskState *ts, uint64_t a[MAX_ARGS])
{
    if (proc.has_seed) {
        uint64_t len = MIN(a[1], 256);
        uint8_t buf[256];

        for (uint64_t n = 0; n < len; n++) {
            proc.seed = proc.seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            buf[n] = proc.seed >> 56;
        }
        return copy_to_guest(a[0], buf, len) ? (int64_t)len : -EFAULT;
    }
    return host_call(ts, a);
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
    return a[0] == RLIMIT_AS ? as_limit(0, a[1]) : host_call(ts, a);
}

int64_t sys_setrlimit(TaskState *ts, uint64_t a[MAX_ARGS])
{
    if (a[0] == RLIMIT_AS) {
        return as_limit(a[1], 0);
    }
    return a[0] == RLIMIT_DATA ? 0 : host_call(ts, a);
}

int64_t sys_prlimit64(TaskState *ts, uint64_t a[MAX_ARGS])
{
    if (a[1] == RLIMIT_AS && (!a[0] || (pid_t)a[0] == getpid())) {
        return as_limit(a[2], a[3]);
    }
    if (a[1] == RLIMIT_DATA || a[1] == RLIMIT_AS) {
        a[2] = 0;
    }
    return host_call(ts, a);
}

/* A payload in pieces. */
static int64_t instantiate_iov(TaskState *ts, uint64_t a[MAX_ARGS])
{
    struct iovec buf[16];
    int error;
    struct iovec *iov = iov_from_guest(a[2], a[3], buf, G_N_ELEMENTS(buf), &error);
    int64_t res;

    if (!iov) {
        return error;
    }
    a[2] = (uintptr_t)iov;
    res = host_call(ts, a);
    iov_free(iov, buf);
    return res;
}

int64_t sys_keyctl(TaskState *ts, uint64_t a[MAX_ARGS])
{
    if (!avoids_emulator(a)) {
        return -EFAULT;
    }
    if ((int)a[0] == KEYCTL_INSTANTIATE_IOV && a[2]) {
        return instantiate_iov(ts, a);
    }
    if ((int)a[0] == KEYCTL_DH_COMPUTE && a[4]) {
        log_printf(LOG_UNIMP, "not implemented: keyctl DH_COMPUTE with a key derivation\n");
        return -EOPNOTSUPP;
    }
    convert_pointers(keyctl_pointers, G_N_ELEMENTS(keyctl_pointers), a);
    return host_call(ts, a);
}
