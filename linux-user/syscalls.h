/* SPDX-License-Identifier: MIT */
/* The system call table: what is known of each call, and the handlers by family. */
#ifndef LINUX_USER_SYSCALLS_H
#define LINUX_USER_SYSCALLS_H

#include "linux-user/user.h"

/* Kinds of arguments: how one is checked, converted for the host and printed by -strace. */
typedef enum ArgKind {
    K_NONE,
    K_INT,
    K_UINT,
    K_LONG,
    K_SIZE,
    K_HEX,
    K_OCT,
    K_FD,
    K_ATFD,
    K_SIGNAL,
    K_PTR,   /* into guest memory or NULL; what it points to is the same on the host */
    K_ADDR,  /* the same, but the handler gives the host something else */
    K_RAW,   /* a pointer or number that is not looked at */
    K_INBUF, /* pointer to bytes; the next argument is their number */
    K_OUTBUF,
    K_STR,       /* string, left where it is */
    K_PATH,      /* file name: copied to the host, put under -L's prefix, /proc/self/exe replaced */
    K_OPENFLAGS, /* O_*: converted */
    K_STAT,      /* struct stat, out: converted */
    K_EPOLLEV,   /* struct epoll_event, in: converted */
    K_TIMESPEC,  /* pointers to structures that -strace knows */
    K_SIGSET,
    K_SOCKADDR,
    K_ATFLAGS, /* sets of flags and named numbers: flag-names.c */
    K_PROT,
    K_MAPFLAGS,
    K_CLONEFLAGS,
    K_MADVICE,
    K_WHENCE,
    K_CLOCK,
    K_FUTEXOP,
    K_FCNTLCMD,
    K_SIGHOW,
    K_ACCMODE,
    K_FAMILY,
    K_SOCKTYPE,
    K_WAITFLAGS,
    K_RESOURCE,
} ArgKind;

enum { MAX_ARGS = 6 };

typedef int64_t SyscallFn(TaskState *ts, uint64_t a[MAX_ARGS]);

struct SyscallDesc {
    const char *name;
    SyscallFn *fn; /* NULL: host_call */
    int host_nr;
    uint8_t kinds[MAX_ARGS];
};

enum {
    CALL_unknown,
#define SYS(name, ...) CALL_##name,
#include "linux-user/syscalls.h.inc"
#undef SYS
    NB_CALLS
};
extern const SyscallDesc syscall_descs[NB_CALLS];

/*
 * The host's call for the guest's one that is being done. Checked arguments become the host's:
 * guest pointers (K_PTR and the kinds like it) are changed here and nowhere else, so a handler sees
 * guest addresses; what is already the host's is of kind K_PATH, K_STAT, K_EPOLLEV, K_ADDR or
 * K_RAW.
 */
int64_t host_call(TaskState *ts, uint64_t a[MAX_ARGS]);

/* Handlers; which family a call belongs to, the file's name says (sys-*.c). */
SyscallFn sys_nosys;
SyscallFn sys_dup3, sys_close_range, sys_getdents64, sys_new_root;
SyscallFn sys_open, sys_openat2, sys_readlinkat, sys_fcntl, sys_ioctl, sys_iov, sys_process_vm,
    sys_epoll_pwait, sys_ppoll, sys_pselect6;
SyscallFn sys_mmap, sys_munmap, sys_mprotect, sys_mremap, sys_madvise, sys_brk, sys_pkey_mprotect,
    sys_process_madvise, sys_mincore, sys_move_pages;
SyscallFn sys_futex, sys_futex_waitv, sys_set_robust_list, sys_get_robust_list;
SyscallFn sys_clone, sys_clone3, sys_execve, sys_execveat, sys_exit, sys_exit_group,
    sys_set_tid_address;
SyscallFn sys_rt_sigaction, sys_rt_sigprocmask, sys_rt_sigpending, sys_rt_sigsuspend,
    sys_rt_sigreturn, sys_sigaltstack, sys_restart_syscall;
SyscallFn sys_sendmsg, sys_recvmsg, sys_sendmmsg, sys_recvmmsg, sys_setsockopt;
SyscallFn sys_clock_gettime, sys_gettimeofday;
uint64_t quick_syscall(CPUState *cpu, uint64_t nr, uint64_t a,
                       uint64_t b); /* CPUState.quick_syscall */
SyscallFn sys_semctl, sys_shmat, sys_shmdt, sys_mq_notify;
SyscallFn sys_getrlimit, sys_keyctl;
SyscallFn sys_uname, sys_prctl, sys_getrandom, sys_prlimit64, sys_setrlimit, sys_seccomp;

/* Guest O_* flags <-> host. */
int host_open_flags(int guest);
int guest_open_flags(int host);

/*
 * Copies an array of struct iovec, checks it and makes its addresses the host's. Returns its host
 * copy (buf if it has room, else to be freed by iov_free) or NULL with *error.
 */
struct iovec *iov_from_guest(uint64_t addr, uint64_t count, struct iovec *buf, size_t room,
                             int *error);
void iov_free(struct iovec *iov, struct iovec *buf);

/* -strace: one line a call. */
void strace_enter(const SyscallDesc *desc, int nr, const uint64_t args[MAX_ARGS]);
void strace_leave(const SyscallDesc *desc, int nr, const uint64_t args[MAX_ARGS], int64_t res);

/* A set of flags, or one of several values, and the names. */
typedef struct FlagName {
    uint64_t mask, value;
    const char *name;
} FlagName;
/* The names of a kind, ended by name NULL; NULL if it is not such a kind. */
const FlagName *flag_names(ArgKind kind);
/* "A|B|0x100" in buf. */
void format_flags(const FlagName *names, uint64_t val, char *buf, size_t size);

#endif
