/* SPDX-License-Identifier: MIT */
/* System calls on files: those whose arguments need more than their kinds say. */
#include "linux-user/syscalls.h"
#include "linux-user/text-busy.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/*
 * Opens an executable for writing: only then it can be asked whether it runs, and only then cut.
 * (To open it once more beforehand would lose the locks that the guest has on it.)
 */
static int64_t open_executable(uint64_t a[MAX_ARGS])
{
    int64_t fd = safe_call(__NR_openat, a[0], a[1], a[2] & ~(uint64_t)O_TRUNC, a[3]);
    int64_t res = 0;

    if (fd >= 0 && text_is_running((int)fd)) {
        res = -ETXTBSY;
    } else if (fd >= 0 && a[2] & O_TRUNC && ftruncate((int)fd, 0) < 0) {
        res = -errno;
    }
    if (res < 0) {
        close((int)fd);
    }
    return res < 0 ? res : fd;
}

int64_t sys_open(TaskState *ts, uint64_t a[MAX_ARGS])
{
    int64_t res = a[1] ? proc_self_open((const char *)a[1], a[2]) : -ENOSYS;

    (void)ts;
    if (res == -ENOSYS && a[2] & O_ACCMODE && !(a[2] & (O_PATH | O_EXCL)) && a[1] &&
        text_may_run((int)a[0], (const char *)a[1])) {
        return open_executable(a);
    }
    return res == -ENOSYS ? safe_syscall(__NR_openat, a) : res;
}

int64_t sys_openat2(TaskState *ts, uint64_t a[MAX_ARGS])
{
    uint64_t how[16] = { 0 }; /* struct open_how: flags, mode, resolve; may grow */

    (void)ts;
    if (a[3] < 24) {
        return -EINVAL;
    }
    if (a[3] > sizeof(how)) {
        return -E2BIG;
    }
    if (!copy_from_guest(how, a[2], a[3])) {
        return -EFAULT;
    }
    how[0] = (how[0] & ~UINT64_C(0xffffffff)) | (uint32_t)host_open_flags(how[0]);
    return safe_call(__NR_openat2, a[0], a[1], (uintptr_t)how, a[3]);
}

int64_t sys_readlinkat(TaskState *ts, uint64_t a[MAX_ARGS])
{
    char path[PATH_MAX], other[PATH_MAX];
    long len = copy_string_from_guest(path, a[1], sizeof(path));
    const char *exe;

    (void)ts;
    if (len < 0) {
        return len;
    }
    exe = proc_exe(path, other);
    if (exe) {
        size_t n = MIN(strlen(exe), a[3]);

        if ((int)a[3] <= 0) {
            return -EINVAL;
        }
        return copy_to_guest(a[2], exe, n) ? (int64_t)n : -EFAULT;
    }
    return safe_call(__NR_readlinkat, a[0], (uintptr_t)translate_path(path, other), host_arg(a[2]),
                     a[3]);
}

/* ---- iovec
 * -------------------------------------------------------------------------------------------- */

struct iovec *iov_from_guest(uint64_t addr, uint64_t count, struct iovec *buf, size_t room,
                             int *error)
{
    struct iovec *iov = buf;

    *error = -EINVAL;
    if (count > IOV_MAX) {
        return NULL;
    }
    if (count > room) {
        iov = g_new(struct iovec, count);
    }
    *error = -EFAULT;
    if (count && !copy_from_guest(iov, addr, count * sizeof(*iov))) {
        iov_free(iov, buf);
        return NULL;
    }
    for (uint64_t n = 0; n < count; n++) {
        if (iov[n].iov_len && !guest_range_ok((uintptr_t)iov[n].iov_base, iov[n].iov_len)) {
            *error = (ssize_t)iov[n].iov_len < 0 ? -EINVAL : -EFAULT;
            iov_free(iov, buf);
            return NULL;
        }
        iov[n].iov_base = g2h((uintptr_t)iov[n].iov_base);
    }
    return iov;
}

void iov_free(struct iovec *iov, struct iovec *buf)
{
    if (iov != buf) {
        g_free(iov);
    }
}

int64_t sys_iov(TaskState *ts, uint64_t a[MAX_ARGS])
{
    struct iovec buf[16];
    int error;
    struct iovec *iov =
        iov_from_guest(a[1], (uint64_t)(int64_t)a[2], buf, G_N_ELEMENTS(buf), &error);
    int64_t res;

    if (!iov) {
        return error;
    }
    a[1] = (uintptr_t)iov;
    res = host_call(ts, a);
    iov_free(iov, buf);
    return res;
}

/* The other process is taken to have our guest base: its children have. */
int64_t sys_process_vm(TaskState *ts, uint64_t a[MAX_ARGS])
{
    struct iovec buf[16], rbuf[16];
    int error;
    struct iovec *iov = iov_from_guest(a[1], a[2], buf, G_N_ELEMENTS(buf), &error), *remote;
    int64_t res;

    if (!iov) {
        return error;
    }
    remote = iov_from_guest(a[3], a[4], rbuf, G_N_ELEMENTS(rbuf), &error);
    if (!remote) {
        iov_free(iov, buf);
        return error;
    }
    a[1] = (uintptr_t)iov;
    a[3] = (uintptr_t)remote;
    res = host_call(ts, a);
    iov_free(iov, buf);
    iov_free(remote, rbuf);
    return res;
}

/* ---- fcntl
 * --------------------------------------------------------------------------------------- */

enum { GETOWNER_UIDS = 17 }; /* F_GETOWNER_UIDS of asm-generic/fcntl.h */

int64_t sys_fcntl(TaskState *ts, uint64_t a[MAX_ARGS])
{
    int64_t res;

    switch ((int)a[1]) {
    case F_SETFL:
        a[2] = host_open_flags(a[2]);
        return host_call(ts, a);
    case F_GETFL:
        res = host_call(ts, a);
        return res < 0 ? res : guest_open_flags(res);
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
    case F_GETOWN_EX:
    case F_SETOWN_EX:
    case GETOWNER_UIDS:
    case F_GET_RW_HINT:
    case F_SET_RW_HINT:
    case F_GET_FILE_RW_HINT:
    case F_SET_FILE_RW_HINT:
        if (!guest_ptr_ok(a[2])) {
            return -EFAULT;
        }
        a[2] = host_arg(a[2]);
        return host_call(ts, a);
    default:
        return host_call(ts, a);
    }
}

/* ---- waiting for files, with a signal mask
 * ----------------------------------------------------------------- */

/* Notes the mask that a call swaps in, so that a handler runs under it. */
static int read_suspend_mask(TaskState *ts, uint64_t addr, uint64_t size)
{
    if (!addr) {
        return 0;
    }
    if (size != sizeof(ts->suspend_mask)) {
        return -EINVAL;
    }
    return copy_from_guest(&ts->suspend_mask, addr, size) ? 0 : -EFAULT;
}

int64_t sys_ppoll(TaskState *ts, uint64_t a[MAX_ARGS])
{
    int64_t res = read_suspend_mask(ts, a[3], a[4]);

    if (res == 0) {
        res = host_call(ts, a);
        ts->suspended = a[3] && res == -EINTR;
    }
    return res;
}

int64_t sys_pselect6(TaskState *ts, uint64_t a[MAX_ARGS])
{
    uint64_t arg[2] = { 0 };
    int64_t res = 0;

    if (a[5] && !copy_from_guest(arg, a[5], sizeof(arg))) {
        return -EFAULT;
    }
    if (!guest_ptr_ok(arg[0])) {
        return -EFAULT;
    }
    res = read_suspend_mask(ts, arg[0], arg[1]);
    if (res == 0) {
        a[5] = a[5] ? (uintptr_t)arg : 0;
        arg[0] = host_arg(arg[0]);
        res = host_call(ts, a);
        ts->suspended = arg[0] && res == -EINTR;
    }
    return res;
}

/* struct epoll_event is packed on x86-64 and not on arm64. */
typedef struct GuestEpollEvent {
    uint32_t events, pad;
    uint64_t data;
} GuestEpollEvent;

/* Waits into host[0..max) and copies what came. */
static int64_t epoll_wait_into(TaskState *ts, uint64_t a[MAX_ARGS], struct epoll_event *host,
                               int max)
{
    uint64_t to = a[1];
    int64_t res;

    a[1] = (uintptr_t)host;
    a[2] = max;
    res = host_call(ts, a);
    ts->suspended = a[4] && res == -EINTR;
    for (int64_t n = 0; n < res; n++, to += sizeof(GuestEpollEvent)) {
        GuestEpollEvent guest = { host[n].events, 0, host[n].data.u64 };

        if (!copy_to_guest(to, &guest, sizeof(guest))) {
            return n ? n : -EFAULT;
        }
    }
    return res;
}

int64_t sys_epoll_pwait(TaskState *ts, uint64_t a[MAX_ARGS])
{
    enum { ROOM = 128, MOST = 1 << 16 };
    struct epoll_event room[ROOM], *host = room;
    int max = MIN((int)a[2], MOST);
    int64_t res = read_suspend_mask(ts, a[4], a[5]);

    if (res < 0) {
        return res;
    }
    if (max <= 0) {
        return -EINVAL;
    }
    if (max > ROOM) {
        host = g_new(struct epoll_event, max);
    }
    res = epoll_wait_into(ts, a, host, max);
    if (host != room) {
        g_free(host);
    }
    return res;
}
