/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that are the emulator's own. They have high numbers, and for the guest they are not
 * there: it cannot use or close them, and does not see them in /proc/self/fd. When it wants one of
 * the numbers for itself, ours moves away.
 */
#include "linux-user/gdb.h"
#include "linux-user/syscalls.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { COMMON_LIMIT = 4096, MOVE_STEP = 256 };

bool own_fds_any;
static int own_fds[NB_OWN_FDS] = { [0 ... NB_OWN_FDS - 1] = -1 };

int own_fd(OwnFd which)
{
    return own_fds[which];
}

bool own_fd_is(int fd)
{
    for (int n = 0; n < NB_OWN_FDS; n++) {
        if (fd >= 0 && own_fds[n] == fd) {
            return true;
        }
    }
    return false;
}

/*
 * Above the guest's limit of descriptors where it is a common one and may be raised for a moment,
 * so that the guest can open as many as it expects.
 */
int own_fd_move(int fd)
{
    struct rlimit limit, more;
    int high = -1;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur <= COMMON_LIMIT &&
        limit.rlim_max >= limit.rlim_cur + NB_OWN_FDS) {
        more = (struct rlimit){ limit.rlim_cur + NB_OWN_FDS, limit.rlim_max };
        setrlimit(RLIMIT_NOFILE, &more);
        high = fcntl(fd, F_DUPFD_CLOEXEC, (int)limit.rlim_cur);
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    return high >= 0 ? high : fcntl(fd, F_DUPFD_CLOEXEC, OWN_FD_LOWEST);
}

int own_fd_set(OwnFd which, int fd)
{
    int high = own_fd_move(fd);

    if (high >= 0) { /* a low limit of descriptors leaves it where it is */
        close(fd);
        fd = high;
    }
    own_fd_keep(which, fd);
    return fd;
}

void own_fd_keep(OwnFd which, int fd)
{
    own_fds[which] = fd;
    own_fds_any = true;
}

void own_fd_close(OwnFd which)
{
    if (own_fds[which] >= 0) {
        close(own_fds[which]);
        own_fds[which] = -1;
    }
}

/* To another place, or nowhere if it can be spared. */
static void move_away(OwnFd which)
{
    int fd = own_fds[which], moved = own_fd_move(fd);

    if (moved >= 0 && moved < fd + MOVE_STEP) { /* not to do this for each of a thousand */
        int further = fcntl(fd, F_DUPFD_CLOEXEC, fd + MOVE_STEP);

        if (further >= 0) {
            close(moved);
            moved = further;
        }
    }
    if (moved < 0 && which != OWN_FD_TEXT) { /* without that one, others may write to the program */
        return;
    }
    own_fds[which] = moved;
    close(fd);
}

bool own_fd_give_way(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
        return false;
    }
    for (OwnFd which = OWN_FD_SELF; which <= OWN_FD_TEXT; which++) {
        int fd = own_fds[which], moved;

        if (fd < 0 || (rlim_t)fd >= limit.rlim_cur) {
            continue;
        }
        moved = own_fd_move(fd);
        if (moved >= 0 && (rlim_t)moved < limit.rlim_cur) { /* nothing gained */
            close(moved);
            moved = -1;
        }
        if (moved >= 0 || which == OWN_FD_TEXT) {
            own_fds[which] = moved;
            close(fd);
            return true;
        }
    }
    return false;
}

void own_fd_make_room(int fd)
{
    if (fcntl(fd - 1, F_GETFD) < 0) {
        return;
    }
    for (OwnFd which = OWN_FD_SELF; which <= OWN_FD_TEXT; which++) {
        if (own_fds[which] == fd) {
            move_away(which);
        }
    }
}

int64_t sys_dup3(TaskState *ts, uint64_t a[MAX_ARGS])
{
    (void)ts;
    if (own_fds_any && own_fd_is((int)a[0])) {
        return -EBADF;
    }
    for (int n = 0; n < NB_OWN_FDS; n++) {
        if (own_fds[n] >= 0 && own_fds[n] == (int)a[1]) {
            int moved = own_fd_move(own_fds[n]);

            if (moved < 0) {
                return -EBUSY;
            }
            own_fds[n] = moved; /* the old one is replaced by the call */
        }
    }
    return safe_syscall(__NR_dup3, a);
}

static int compare_ints(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* The ranges between our own descriptors. */
int64_t sys_close_range(TaskState *ts, uint64_t a[MAX_ARGS])
{
    uint64_t first = (uint32_t)a[0], last = (uint32_t)a[1];
    int sorted[NB_OWN_FDS];
    int64_t res = 0;

    (void)ts;
    if (!own_fds_any || first > last) {
        return safe_syscall(__NR_close_range, a);
    }
    memcpy(sorted, own_fds, sizeof(sorted));
    qsort(sorted, NB_OWN_FDS, sizeof(int), compare_ints);
    for (int n = 0; n < NB_OWN_FDS && res == 0; n++) {
        if (sorted[n] >= 0 && (uint64_t)sorted[n] >= first && (uint64_t)sorted[n] <= last) {
            if ((uint64_t)sorted[n] > first) {
                res = safe_call(__NR_close_range, first, (uint64_t)sorted[n] - 1, a[2]);
            }
            first = (uint64_t)sorted[n] + 1;
        }
    }
    return res == 0 && first <= last ? safe_call(__NR_close_range, first, last, a[2]) : res;
}

/* ---- /proc/self/fd
 * ---------------------------------------------------------------------------------------------- */

/* What entries of a folder are our own: none, descriptors, threads. */
typedef enum OwnFolder { FOLDER_OTHER, FOLDER_FD, FOLDER_TASK } OwnFolder;

static bool ends_with(const char *name, const char *end)
{
    size_t len = strlen(name), n = strlen(end);

    return len > n && !strcmp(name + len - n, end);
}

static OwnFolder folder_kind(int fd)
{
    char link[64], name[64];
    struct statfs fs;
    ssize_t n;
    int pid, tid;

    if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC) {
        return FOLDER_OTHER;
    }
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, name, sizeof(name) - 1);
    name[n < 0 ? 0 : n] = 0;
    if (sscanf(name, "/proc/%d/task/%d/", &pid, &tid) < 1 || pid != getpid()) {
        return FOLDER_OTHER;
    }
    return ends_with(name, "/fd") || ends_with(name, "/fdinfo") ? FOLDER_FD
           : ends_with(name, "/task")                           ? FOLDER_TASK
                                                                : FOLDER_OTHER;
}

/* struct linux_dirent64 is the same everywhere. */
int64_t sys_getdents64(TaskState *ts, uint64_t a[MAX_ARGS])
{
    uint64_t guest_buf = a[1];
    uint8_t *buf = g2h(guest_buf);
    int64_t res = host_call(ts, a), kept = 0;
    OwnFolder kind;

    if (res <= 0 || !own_fds_any || (kind = folder_kind((int)a[0])) == FOLDER_OTHER) {
        return res;
    }
    for (int64_t at = 0; at < res;) {
        struct dirent64 *entry = (struct dirent64 *)(buf + at);
        unsigned len = entry->d_reclen;

        if (!isdigit((unsigned char)entry->d_name[0]) ||
            !(kind == FOLDER_FD ? own_fd_is(atoi(entry->d_name))
                                : gdb_owns_thread(atoi(entry->d_name)))) {
            memmove(buf + kept, entry, len);
            kept += len;
        }
        at += len;
    }
    a[1] = guest_buf;
    return kept ? kept : sys_getdents64(ts, a); /* nothing left is not the end */
}

/* ---- our own program, for an execve where neither /proc nor our file is in sight
 * -------------------------------------------------------------------------------- */

static void open_self(void)
{
    if (own_fd(OWN_FD_SELF) < 0) {
        int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);

        if (fd >= 0) {
            own_fd_set(OWN_FD_SELF, fd);
        }
    }
}

/* chroot, pivot_root, setns, unshare: afterwards the file names may mean something else. */
int64_t sys_new_root(TaskState *ts, uint64_t a[MAX_ARGS])
{
    bool paused = G_UNLIKELY(gdb_active) && gdb_pause();
    int64_t res;

    open_self();
    res = host_call(ts, a);
    if (paused) {
        gdb_go_on(ts);
    }
    return res;
}
