/* SPDX-License-Identifier: MIT */
/* From a guest's system call to the host's: the table, and the conversion of arguments by kind. */
#include "linux-user/seccomp.h"
#include "linux-user/syscalls.h"
#include "util/log.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define PASS       NULL
#define KINDS(...) KINDS_(__VA_ARGS__, NONE, NONE, NONE, NONE, NONE)
#define KINDS_(a, b, c, d, e, f, ...)            \
    {                                            \
        K_##a, K_##b, K_##c, K_##d, K_##e, K_##f \
    }

const SyscallDesc syscall_descs[NB_CALLS] = {
    [CALL_unknown] = { "unknown", sys_nosys, -1, { 0 } },
#define SYS(name, fn, ...) [CALL_##name] = { #name, fn, __NR_##name, KINDS(__VA_ARGS__) },
#include "linux-user/syscalls.h.inc"
#undef SYS
};

/* ---- flags and structures that differ
 * ------------------------------------------------------------ */

/* O_* of arm64 (include/uapi/asm/fcntl.h); all others are the same on every 64-bit Linux. */
enum {
    GUEST_O_DIRECTORY = 040000,
    GUEST_O_NOFOLLOW = 0100000,
    GUEST_O_DIRECT = 0200000,
    GUEST_O_LARGEFILE = 0400000,
    HOST_O_DIRECTORY = 0200000,
    HOST_O_NOFOLLOW = 0400000,
    HOST_O_DIRECT = 040000,
    HOST_O_LARGEFILE = 0100000,
};
static const struct {
    int guest, host;
} open_flags[] = {
    { GUEST_O_DIRECTORY, HOST_O_DIRECTORY },
    { GUEST_O_NOFOLLOW, HOST_O_NOFOLLOW },
    { GUEST_O_DIRECT, HOST_O_DIRECT },
    { GUEST_O_LARGEFILE, HOST_O_LARGEFILE },
};

int host_open_flags(int guest)
{
    int host = guest;

    for (size_t n = 0; n < G_N_ELEMENTS(open_flags); n++) {
        host &= ~open_flags[n].guest;
    }
    for (size_t n = 0; n < G_N_ELEMENTS(open_flags); n++) {
        host |= guest & open_flags[n].guest ? open_flags[n].host : 0;
    }
    return host;
}

int guest_open_flags(int host)
{
    int guest = host;

    for (size_t n = 0; n < G_N_ELEMENTS(open_flags); n++) {
        guest &= ~open_flags[n].host;
    }
    for (size_t n = 0; n < G_N_ELEMENTS(open_flags); n++) {
        guest |= host & open_flags[n].host ? open_flags[n].guest : 0;
    }
    return guest;
}

/* struct stat of asm-generic/stat.h, 64-bit. */
typedef struct GuestStat {
    uint64_t st_dev, st_ino;
    uint32_t st_mode, st_nlink, st_uid, st_gid;
    uint64_t st_rdev, pad1;
    int64_t st_size;
    int32_t st_blksize, pad2;
    int64_t st_blocks;
    struct {
        int64_t sec;
        uint64_t nsec;
    } st_atim, st_mtim, st_ctim;
    uint32_t unused[2];
} GuestStat;
G_STATIC_ASSERT(sizeof(GuestStat) == 128);

static void convert_stat(GuestStat *g, const struct stat *st)
{
    *g = (GuestStat){
        .st_dev = st->st_dev,
        .st_ino = st->st_ino,
        .st_mode = st->st_mode,
        .st_nlink = st->st_nlink,
        .st_uid = st->st_uid,
        .st_gid = st->st_gid,
        .st_rdev = st->st_rdev,
        .st_size = st->st_size,
        .st_blksize = st->st_blksize,
        .st_blocks = st->st_blocks,
        .st_atim = { st->st_atim.tv_sec, st->st_atim.tv_nsec },
        .st_mtim = { st->st_mtim.tv_sec, st->st_mtim.tv_nsec },
        .st_ctim = { st->st_ctim.tv_sec, st->st_ctim.tv_nsec },
    };
}

/* ---- conversion by kind
 * ---------------------------------------------------------------------------- */

/* Where converted arguments live during a call. */
typedef struct Scratch {
    struct stat st;
    struct epoll_event event;
    char path[2][PATH_MAX];
    int nb_paths;
} Scratch;

/* Is a link at the path's end what is meant, and not what it leads to? */
static bool means_link(const SyscallDesc *desc, const uint64_t a[MAX_ARGS])
{
    for (int n = 0; n < MAX_ARGS && desc->kinds[n]; n++) {
        if ((desc->kinds[n] == K_ATFLAGS && a[n] & AT_SYMLINK_NOFOLLOW) ||
            (desc->kinds[n] == K_OPENFLAGS && host_open_flags(a[n]) & O_NOFOLLOW)) {
            return true;
        }
    }
    if (desc->fn == sys_openat2) {
        struct open_how how;

        return copy_from_guest(&how, a[2], sizeof(how)) &&
               (host_open_flags(how.flags) & O_NOFOLLOW ||
                how.resolve & (RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS));
    }
    return false;
}

static int convert_path(const SyscallDesc *desc, const uint64_t a[MAX_ARGS], uint64_t *arg,
                        Scratch *sc)
{
    char *buf = sc->path[sc->nb_paths++];
    long len;

    if (!*arg) { /* allowed for a few calls; the host's kernel knows */
        return 0;
    }
    len = copy_string_from_guest(buf, *arg, PATH_MAX);
    if (len < 0) {
        return len;
    }
    *arg = (uintptr_t)buf;
    if (buf[0] == '/') {
        char other[PATH_MAX];
        const char *exe = means_link(desc, a) ? NULL : proc_exe(buf, other);
        const char *real = exe ? exe : translate_path(buf, other);

        if (real != buf) {
            g_strlcpy(buf, real, PATH_MAX);
        }
    }
    return 0;
}

static int convert_epoll_event(uint64_t *arg, Scratch *sc)
{
    struct {
        uint32_t events, pad;
        uint64_t data;
    } guest;

    if (*arg) {
        if (!copy_from_guest(&guest, *arg, sizeof(guest))) {
            return -EFAULT;
        }
        sc->event.events = guest.events;
        sc->event.data.u64 = guest.data;
        *arg = (uintptr_t)&sc->event;
    }
    return 0;
}

static int convert_args(const SyscallDesc *desc, uint64_t a[MAX_ARGS], Scratch *sc)
{
    int res = 0;

    for (int n = 0; n < MAX_ARGS && desc->kinds[n] && res == 0; n++) {
        switch (desc->kinds[n]) {
        case K_FD:
        case K_ATFD:
            res = own_fds_any && own_fd_is((int)a[n]) ? -EBADF : 0;
            break;
        case K_PTR:
        case K_ADDR:
        case K_STR:
        case K_TIMESPEC:
        case K_SIGSET:
            res = guest_ptr_ok(a[n]) ? 0 : -EFAULT;
            break;
        case K_INBUF:
        case K_OUTBUF:
        case K_SOCKADDR:
            /* A length beyond what one call can move is the kernel's to judge. */
            res = guest_ptr_ok(a[n]) && (a[n + 1] < GUEST_GAP / 2 || guest_range_ok(a[n], a[n + 1]))
                      ? 0
                      : -EFAULT;
            break;
        case K_PATH:
            res = convert_path(desc, a, &a[n], sc);
            break;
        case K_OPENFLAGS:
            a[n] = host_open_flags(a[n]);
            break;
        case K_STAT:
            res = guest_ptr_ok(a[n]) ? 0 : -EFAULT;
            a[n] = (uintptr_t)&sc->st;
            break;
        case K_EPOLLEV:
            res = convert_epoll_event(&a[n], sc);
            break;
        default:
            break;
        }
    }
    return res;
}

static int convert_results(const SyscallDesc *desc, const uint64_t guest_args[MAX_ARGS],
                           const Scratch *sc)
{
    for (int n = 0; n < MAX_ARGS && desc->kinds[n]; n++) {
        if (desc->kinds[n] == K_STAT) {
            GuestStat st;

            convert_stat(&st, &sc->st);
            return copy_to_guest(guest_args[n], &st, sizeof(st)) ? 0 : -EFAULT;
        }
    }
    return 0;
}

/* ---- the call
 * --------------------------------------------------------------------------------------- */

long safe_syscall(long nr, const uint64_t args[6])
{
    return safe_syscall_asm(&current_task->signal_pending, nr, args);
}

/* Kinds that are pointers into the guest's memory. */
static const uint64_t pointer_kinds = 1 << K_PTR | 1 << K_INBUF | 1 << K_OUTBUF | 1 << K_STR |
                                      1 << K_TIMESPEC | 1 << K_SIGSET | 1 << K_SOCKADDR;

int64_t host_call(TaskState *ts, uint64_t a[MAX_ARGS])
{
    const SyscallDesc *desc = ts->call;

    if (G_UNLIKELY(guest_base)) {
        for (int n = 0; n < MAX_ARGS && desc->kinds[n]; n++) {
            if (pointer_kinds >> desc->kinds[n] & 1) {
                a[n] = host_arg(a[n]);
            }
        }
    }
    return safe_syscall(desc->host_nr, a);
}

int64_t sys_nosys(TaskState *ts, uint64_t a[MAX_ARGS])
{
    (void)ts;
    (void)a;
    return -ENOSYS;
}

static void report_unimplemented(int nr, const SyscallDesc *desc)
{
    static uint8_t reported[1024];

    if (log_enabled(LOG_UNIMP) && (unsigned)nr < sizeof(reported) && !reported[nr]) {
        reported[nr] = 1;
        log_printf(LOG_UNIMP, "not implemented: system call %d (%s)\n", nr, desc->name);
    }
}

static int64_t dispatch(TaskState *ts, const SyscallDesc *desc, const uint64_t args[MAX_ARGS])
{
    uint64_t a[MAX_ARGS];
    Scratch sc;
    int64_t res;

    if (desc->fn == sys_nosys) {
        return -ENOSYS; /* bad pointers or not */
    }
    sc.nb_paths = 0;
    memcpy(a, args, sizeof(a));
    res = convert_args(desc, a, &sc);
    if (res == 0) {
        ts->call = desc;
        res = desc->fn ? desc->fn(ts, a) : host_call(ts, a);
        if (res == 0) {
            res = convert_results(desc, args, &sc);
        }
    }
    if (G_UNLIKELY(res == -EMFILE) && own_fd_give_way()) {
        return dispatch(ts, desc, args);
    }
    if (G_UNLIKELY(res >= OWN_FD_LOWEST - 1) && res < INT_MAX && own_fd_is((int)res + 1)) {
        own_fd_make_room((int)res + 1);
    }
    return res;
}

int64_t do_syscall(TaskState *ts, int nr, const uint64_t args[MAX_ARGS])
{
    const UserArch *arch = ts->arch;
    const SyscallDesc *desc =
        &syscall_descs[(unsigned)nr < (unsigned)arch->nb_syscalls ? arch->syscall_table[nr] : 0];
    int64_t res;

    if (desc->fn == sys_nosys) {
        report_unimplemented(nr, desc);
    }
    if (G_UNLIKELY(seccomp_active) &&
        !seccomp_allows(ts, nr, (int)(desc - syscall_descs), args, &res)) {
        return res;
    }
    if (G_LIKELY(!proc.strace)) {
        return dispatch(ts, desc, args);
    }
    strace_enter(desc, nr, args);
    res = dispatch(ts, desc, args);
    strace_leave(desc, nr, args, res);
    return res;
}
