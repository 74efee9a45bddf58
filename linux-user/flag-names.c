/* SPDX-License-Identifier: MIT */
/* Names of flags and constants, as -strace prints them. */
#include "linux-user/syscalls.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BIT(name)         \
    {                     \
        name, name, #name \
    }
#define VALUE(name)               \
    {                             \
        ~UINT64_C(0), name, #name \
    }
#define FIELD(mask, name) \
    {                     \
        mask, name, #name \
    }
#define END        \
    {              \
        0, 0, NULL \
    }

/* Guest values, which differ from the host's in four flags. */
static const FlagName open_names[] = {
    FIELD(O_ACCMODE, O_RDONLY),
    FIELD(O_ACCMODE, O_WRONLY),
    FIELD(O_ACCMODE, O_RDWR),
    BIT(O_CREAT),
    BIT(O_EXCL),
    BIT(O_NOCTTY),
    BIT(O_TRUNC),
    BIT(O_APPEND),
    BIT(O_NONBLOCK),
    { 020040000, 020040000, "O_TMPFILE" },
    { 040000, 040000, "O_DIRECTORY" },
    { 0100000, 0100000, "O_NOFOLLOW" },
    { 0200000, 0200000, "O_DIRECT" },
    { 0400000, 0400000, "O_LARGEFILE" },
    BIT(O_CLOEXEC),
    BIT(O_PATH),
    BIT(O_NOATIME),
    END,
};
static const FlagName at_names[] = {
    BIT(AT_SYMLINK_NOFOLLOW), { AT_REMOVEDIR, AT_REMOVEDIR, "AT_REMOVEDIR" },
    BIT(AT_SYMLINK_FOLLOW),   BIT(AT_NO_AUTOMOUNT),
    BIT(AT_EMPTY_PATH),       END,
};
static const FlagName prot_names[] = {
    VALUE(PROT_NONE),
    BIT(PROT_READ),
    BIT(PROT_WRITE),
    BIT(PROT_EXEC),
    { GUEST_PROT_BTI, GUEST_PROT_BTI, "PROT_BTI" },
    END,
};
static const FlagName map_names[] = {
    FIELD(MAP_TYPE, MAP_SHARED),
    FIELD(MAP_TYPE, MAP_PRIVATE),
    FIELD(MAP_TYPE, MAP_SHARED_VALIDATE),
    BIT(MAP_FIXED),
    BIT(MAP_ANONYMOUS),
    BIT(MAP_GROWSDOWN),
    BIT(MAP_LOCKED),
    BIT(MAP_NORESERVE),
    BIT(MAP_POPULATE),
    BIT(MAP_STACK),
    BIT(MAP_HUGETLB),
    BIT(MAP_FIXED_NOREPLACE),
    END,
};
static const FlagName clone_names[] = {
    BIT(CLONE_VM),
    BIT(CLONE_FS),
    BIT(CLONE_FILES),
    BIT(CLONE_SIGHAND),
    BIT(CLONE_VFORK),
    BIT(CLONE_PARENT),
    BIT(CLONE_THREAD),
    BIT(CLONE_NEWNS),
    BIT(CLONE_SYSVSEM),
    BIT(CLONE_SETTLS),
    BIT(CLONE_PARENT_SETTID),
    BIT(CLONE_CHILD_CLEARTID),
    BIT(CLONE_CHILD_SETTID),
    BIT(CLONE_NEWUTS),
    BIT(CLONE_NEWIPC),
    BIT(CLONE_NEWUSER),
    BIT(CLONE_NEWPID),
    BIT(CLONE_NEWNET),
    { 0xff, SIGCHLD, "SIGCHLD" },
    END,
};
static const FlagName madvise_names[] = {
    VALUE(MADV_NORMAL),   VALUE(MADV_RANDOM),   VALUE(MADV_SEQUENTIAL), VALUE(MADV_WILLNEED),
    VALUE(MADV_DONTNEED), VALUE(MADV_FREE),     VALUE(MADV_HUGEPAGE),   VALUE(MADV_NOHUGEPAGE),
    VALUE(MADV_DONTDUMP), VALUE(MADV_DONTFORK), VALUE(MADV_WIPEONFORK), END,
};
static const FlagName whence_names[] = {
    VALUE(SEEK_SET), VALUE(SEEK_CUR), VALUE(SEEK_END), VALUE(SEEK_DATA), VALUE(SEEK_HOLE), END,
};
static const FlagName clock_names[] = {
    VALUE(CLOCK_REALTIME),          VALUE(CLOCK_MONOTONIC),     VALUE(CLOCK_PROCESS_CPUTIME_ID),
    VALUE(CLOCK_THREAD_CPUTIME_ID), VALUE(CLOCK_MONOTONIC_RAW), VALUE(CLOCK_REALTIME_COARSE),
    VALUE(CLOCK_MONOTONIC_COARSE),  VALUE(CLOCK_BOOTTIME),      END,
};
static const FlagName futex_names[] = {
    FIELD(127, FUTEX_WAIT),
    FIELD(127, FUTEX_WAKE),
    FIELD(127, FUTEX_REQUEUE),
    FIELD(127, FUTEX_CMP_REQUEUE),
    FIELD(127, FUTEX_WAKE_OP),
    FIELD(127, FUTEX_LOCK_PI),
    FIELD(127, FUTEX_UNLOCK_PI),
    FIELD(127, FUTEX_TRYLOCK_PI),
    FIELD(127, FUTEX_WAIT_BITSET),
    FIELD(127, FUTEX_WAKE_BITSET),
    BIT(FUTEX_PRIVATE_FLAG),
    BIT(FUTEX_CLOCK_REALTIME),
    END,
};
static const FlagName fcntl_names[] = {
    VALUE(F_DUPFD),         VALUE(F_GETFD),     VALUE(F_SETFD),     VALUE(F_GETFL),
    VALUE(F_SETFL),         VALUE(F_GETLK),     VALUE(F_SETLK),     VALUE(F_SETLKW),
    VALUE(F_DUPFD_CLOEXEC), VALUE(F_SETOWN),    VALUE(F_GETOWN),    VALUE(F_SETPIPE_SZ),
    VALUE(F_GETPIPE_SZ),    VALUE(F_ADD_SEALS), VALUE(F_GET_SEALS), END,
};
static const FlagName sighow_names[] = {
    VALUE(SIG_BLOCK),
    VALUE(SIG_UNBLOCK),
    VALUE(SIG_SETMASK),
    END,
};
static const FlagName access_names[] = { VALUE(F_OK), BIT(R_OK), BIT(W_OK), BIT(X_OK), END };
static const FlagName family_names[] = {
    VALUE(AF_UNIX), VALUE(AF_INET), VALUE(AF_INET6), VALUE(AF_NETLINK), VALUE(AF_PACKET), END,
};
static const FlagName socktype_names[] = {
    FIELD(15, SOCK_STREAM),
    FIELD(15, SOCK_DGRAM),
    FIELD(15, SOCK_RAW),
    FIELD(15, SOCK_SEQPACKET),
    BIT(SOCK_NONBLOCK),
    BIT(SOCK_CLOEXEC),
    END,
};
static const FlagName wait_names[] = {
    BIT(WNOHANG), BIT(WUNTRACED), BIT(WEXITED), BIT(WCONTINUED), BIT(WNOWAIT), END,
};
static const FlagName resource_names[] = {
    VALUE(RLIMIT_CPU),
    VALUE(RLIMIT_FSIZE),
    VALUE(RLIMIT_DATA),
    VALUE(RLIMIT_STACK),
    VALUE(RLIMIT_CORE),
    VALUE(RLIMIT_RSS),
    VALUE(RLIMIT_NPROC),
    VALUE(RLIMIT_NOFILE),
    VALUE(RLIMIT_MEMLOCK),
    VALUE(RLIMIT_AS),
    END,
};

static const FlagName *const kind_names[] = {
    [K_OPENFLAGS] = open_names,    [K_ATFLAGS] = at_names,        [K_PROT] = prot_names,
    [K_MAPFLAGS] = map_names,      [K_CLONEFLAGS] = clone_names,  [K_MADVICE] = madvise_names,
    [K_WHENCE] = whence_names,     [K_CLOCK] = clock_names,       [K_FUTEXOP] = futex_names,
    [K_FCNTLCMD] = fcntl_names,    [K_SIGHOW] = sighow_names,     [K_ACCMODE] = access_names,
    [K_FAMILY] = family_names,     [K_SOCKTYPE] = socktype_names, [K_WAITFLAGS] = wait_names,
    [K_RESOURCE] = resource_names,
};

const FlagName *flag_names(ArgKind kind)
{
    return (size_t)kind < G_N_ELEMENTS(kind_names) ? kind_names[kind] : NULL;
}

void format_flags(const FlagName *names, uint64_t val, char *buf, size_t size)
{
    size_t n = 0;
    uint64_t rest = val;

    buf[0] = 0;
    for (; names->name; names++) {
        if ((val & names->mask) == names->value && (rest & names->value) == names->value &&
            (names->value || !(rest & names->mask))) {
            n += snprintf(buf + n, n < size ? size - n : 0, "%s%s", n ? "|" : "", names->name);
            rest &= ~names->mask;
            if (names->mask == ~UINT64_C(0)) {
                return;
            }
        }
    }
    if (rest || !n) {
        snprintf(buf + MIN(n, size - 1), n < size ? size - n : 1, "%s0x%" PRIx64, n ? "|" : "",
                 rest);
    }
}
