/* SPDX-License-Identifier: MIT */
/* execve: a guest program is run by the emulator again, a native one by the kernel. */
#include "linux-user/gdb.h"
#include "linux-user/seccomp.h"
#include "linux-user/syscalls.h"
#include "linux-user/text-busy.h"
#include "util/log.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SCRIPT_DEPTH = 5, HEAD_SIZE = 256 };

/* Does the emulator have to run this file? If in doubt the kernel says what is wrong with it. */
static bool needs_emulator(const char *path)
{
    char name[PATH_MAX], line[HEAD_SIZE], buf[PATH_MAX];

    g_strlcpy(name, path, sizeof(name));
    for (int depth = 0; depth < SCRIPT_DEPTH; depth++) {
        uint8_t head[HEAD_SIZE];
        int fd = open(name, O_RDONLY | O_CLOEXEC);
        ssize_t n;
        ExecKind kind;

        if (fd < 0 || faccessat(AT_FDCWD, name, X_OK, AT_EACCESS) < 0) {
            if (fd >= 0) {
                close(fd);
            }
            return false;
        }
        n = read(fd, head, sizeof(head));
        close(fd);
        kind = n > 0 ? classify_executable(head, n, line, sizeof(line)) : EXEC_UNKNOWN;
        if (kind != EXEC_SCRIPT) {
            return kind == EXEC_FOREIGN;
        }
        line[strcspn(line, " \t")] = 0;
        g_strlcpy(name, translate_path(line, buf), sizeof(name));
    }
    return false;
}

/*
 * The guest's vector of n strings at addr as one of the host's in to[], which has room for a NULL
 * more; false if it cannot be read.
 */
static bool host_vector(char **to, uint64_t addr, long n)
{
    for (long i = 0; i < n; i++) {
        uint64_t p;

        if (!copy_from_guest(&p, addr + i * sizeof(p), sizeof(p)) || !guest_ptr_ok(p)) {
            return false;
        }
        to[i] = g2h(p);
    }
    to[n] = NULL;
    return true;
}

/* Counts a guest's vector of strings; negative: errno. */
static long vector_length(uint64_t addr)
{
    uint64_t p;
    long n;

    for (n = 0; addr; n++) {
        if (!copy_from_guest(&p, addr + n * sizeof(p), sizeof(p)) || !guest_ptr_ok(p)) {
            return -EFAULT;
        }
        if (!p) {
            break;
        }
    }
    return n;
}

static void exec_failed(int filters_fd)
{
    gdb_exec_failed();
    if (filters_fd >= 0) {
        close(filters_fd);
    }
}

/* args: room for what is added to argv, which is the guest's own. */
static int64_t exec_self(TaskState *ts, const char *path, char **args, char **argv, char **envp)
{
    long n = 0;
    int self = own_fd(OWN_FD_SELF), filters_fd = -1;
    char number[16], debugger[32], limit[64], filters[16];
    GuestLimit as;
    int64_t res;

    args[n++] = (char *)proc.self_name;
    for (char **option = proc.self_args; option && *option; option++) {
        args[n++] = *option;
    }
    if (self >= 0) {
        snprintf(number, sizeof(number), "%d", self);
        args[n++] = (char *)"-self-fd";
        args[n++] = number;
    }
    if (gdb_exec_argument(debugger, sizeof(debugger))) {
        args[n++] = (char *)"-gdb-fd";
        args[n++] = debugger;
    }
    if (G_UNLIKELY(seccomp_active)) {
        filters_fd = seccomp_save(ts);
        snprintf(filters, sizeof(filters), "%d", filters_fd);
        args[n++] = (char *)"-seccomp-fd";
        args[n++] = filters;
    }
    guest_get_as_limit(&as);
    if (as.hard != ~UINT64_C(0) || as.soft != as.hard) {
        snprintf(limit, sizeof(limit), "%" PRIu64 ",%" PRIu64, as.soft, as.hard);
        args[n++] = (char *)"-as-limit";
        args[n++] = limit;
    }
    args[n++] = (char *)"-0";
    args[n++] = *argv ? *argv : (char *)"";
    args[n++] = (char *)path;
    while (*argv && *++argv) {
        args[n++] = *argv;
    }
    args[n] = NULL;
    if (self < 0) {
        res =
            safe_call(__NR_execve, (uintptr_t) "/proc/self/exe", (uintptr_t)args, (uintptr_t)envp);
        exec_failed(filters_fd);
        return res;
    }
    fcntl(self, F_SETFD, 0);
    res = safe_call(__NR_execveat, self, (uintptr_t) "", (uintptr_t)args, (uintptr_t)envp,
                    AT_EMPTY_PATH);
    fcntl(self, F_SETFD, FD_CLOEXEC);
    exec_failed(filters_fd);
    return res;
}

/* Our own file is not there; without /proc the kernel may know what to do (binfmt_misc). */
static bool self_not_found(int64_t res)
{
    return res == -ENOENT || res == -ELOOP || res == -ENOTDIR || res == -EACCES;
}

/* The kernel's business; the guest's limit on memory becomes a real one. */
static int64_t exec_native(const char *path, char **argv, char **envp)
{
    struct rlimit ours, theirs;
    GuestLimit as;
    int64_t res;

    guest_get_as_limit(&as);
    getrlimit(RLIMIT_AS, &ours);
    theirs = (struct rlimit){ MIN(as.soft, ours.rlim_max), ours.rlim_max };
    if (theirs.rlim_cur != ours.rlim_cur) {
        setrlimit(RLIMIT_AS, &theirs);
    }
    res = safe_call(__NR_execve, (uintptr_t)path, (uintptr_t)argv, (uintptr_t)envp);
    if (theirs.rlim_cur != ours.rlim_cur) {
        setrlimit(RLIMIT_AS, &ours);
    }
    return res;
}

/* path: the host's. */
static int64_t exec_path(TaskState *ts, const char *path, uint64_t argv, uint64_t envp)
{
    enum { MORE_ARGS = 13 }; /* of exec_self, beside proc.self_args */
    long argc = vector_length(argv), envc = vector_length(envp), room = MORE_ARGS;
    char **host_argv, **host_envp;

    if (argc < 0 || envc < 0) {
        return -EFAULT;
    }
    for (char **option = proc.self_args; option && *option; option++) {
        room++;
    }
    g_free(ts->exec_args);
    ts->exec_args = g_new(char *, argc + 1 + envc + 1 + room + argc);
    host_argv = ts->exec_args;
    host_envp = host_argv + argc + 1;
    if (!host_vector(host_argv, argv, argc) || !host_vector(host_envp, envp, envc)) {
        return -EFAULT;
    }
    persist_save();
    if (needs_emulator(path)) {
        int64_t res = text_is_written(path)
                          ? -ETXTBSY
                          : exec_self(ts, path, host_envp + envc + 1, host_argv, host_envp);

        if (!self_not_found(res)) {
            return res;
        }
    }
    if (G_UNLIKELY(seccomp_active) && seccomp_mode(ts)) {
        log_printf(LOG_UNIMP,
                   "not implemented: execve of a native program, %s, by a filtered one\n", path);
        return -EACCES;
    }
    return exec_native(path, host_argv, host_envp);
}

static const char *exec_name(const char *path, char *buf)
{
    const char *exe = proc_exe(path, buf);

    return exe ? exe : translate_path(path, buf);
}

/*
 * A name for an open file that is still good after exec: its own, or that of the descriptor, which
 * then has to stay open.
 */
static const char *name_of_fd(int fd, char *buf, size_t size)
{
    char link[64];
    struct stat by_name, by_fd;
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, buf, size - 1);
    if (n > 0) {
        buf[n] = 0;
        if (stat(buf, &by_name) == 0 && fstat(fd, &by_fd) == 0 && by_name.st_ino == by_fd.st_ino &&
            by_name.st_dev == by_fd.st_dev) {
            return buf;
        }
        fcntl(fd, F_SETFD, 0);
    }
    g_strlcpy(buf, link, size);
    return buf;
}

int64_t sys_execve(TaskState *ts, uint64_t a[MAX_ARGS])
{
    char path[PATH_MAX], buf[PATH_MAX];
    long len = copy_string_from_guest(path, a[0], sizeof(path));

    (void)ts;
    return len < 0 ? len : exec_path(ts, exec_name(path, buf), a[1], a[2]);
}

static bool is_link(int folder, const char *path)
{
    char buf[PATH_MAX];
    struct stat st;

    return fstatat(folder, translate_path(path, buf), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISLNK(st.st_mode);
}

int64_t sys_execveat(TaskState *ts, uint64_t a[MAX_ARGS])
{
    char path[PATH_MAX], buf[PATH_MAX];
    long len = copy_string_from_guest(path, a[1], sizeof(path));

    (void)ts;
    if (len < 0) {
        return len;
    }
    if ((a[4] & ~(uint64_t)(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) ||
        (!len && !(a[4] & AT_EMPTY_PATH))) {
        return len ? -EINVAL : -ENOENT;
    }
    if (a[4] & AT_SYMLINK_NOFOLLOW && len && is_link((int)a[0], path)) {
        return -ELOOP;
    }
    if (path[0] == '/' || ((int)a[0] == AT_FDCWD && len)) {
        return exec_path(ts, exec_name(path, buf), a[2], a[3]);
    }
    if (fcntl((int)a[0], F_GETFD) < 0 || own_fd_is((int)a[0])) {
        return -EBADF;
    }
    name_of_fd((int)a[0], buf, sizeof(buf));
    if (len && (g_strlcat(buf, "/", sizeof(buf)) >= sizeof(buf) ||
                g_strlcat(buf, path, sizeof(buf)) >= sizeof(buf))) {
        return -ENAMETOOLONG;
    }
    return exec_path(ts, buf, a[2], a[3]);
}
