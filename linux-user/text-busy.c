/* SPDX-License-Identifier: MIT */
/*
 * ETXTBSY: a program that is open for writing is not run, one that runs is not opened for writing.
 * The kernel would see to both if the guest's program were the host's. The first is asked by a
 * lease, which the kernel refuses while anybody writes. For the second each process keeps its
 * program's file open with a read lock on a byte that no file has; who wants to write looks for
 * such locks. Native programs do not, and for an executable of somebody else the kernel refuses the
 * lease for another reason: both then pass. Source: fcntl(2), open(2), execve(2).
 */
#include "linux-user/syscalls.h"
#include "linux-user/text-busy.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

static struct flock text_lock(short type)
{
    return (
        struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = INT64_MAX - 1, .l_len = 1 };
}

void text_hold(int fd)
{
    struct flock lock = text_lock(F_RDLCK);
    int high = own_fd_move(fd);

    close(fd);
    /* Without room where the guest does not see it there is no lock. */
    if (high >= 0 && fcntl(high, F_OFD_SETLK, &lock) == 0) {
        own_fd_keep(OWN_FD_TEXT, high);
    } else if (high >= 0) {
        close(high);
    }
}

bool text_is_written(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool written;

    if (fd < 0) {
        return false;
    }
    fcntl(fd, F_SETSIG, SIGURG); /* for a writer who comes just now: no signal that kills */
    written = fcntl(fd, F_SETLEASE, F_RDLCK) < 0 && errno == EAGAIN;
    close(fd);
    return written;
}

bool text_may_run(int folder, const char *path)
{
    struct stat st;

    return fstatat(folder, path, &st, 0) == 0 && S_ISREG(st.st_mode) && st.st_mode & 0111;
}

bool text_is_running(int fd)
{
    struct flock lock = text_lock(F_WRLCK);

    return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_RDLCK && lock.l_len == 1;
}
