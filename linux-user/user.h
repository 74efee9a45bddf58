/* SPDX-License-Identifier: MIT */
/*
 * Linux user mode: what its files share. The guest's addresses [0, guest_end) are the host's
 * [guest_base, guest_base + guest_end); everything of the emulator lies above, and the last
 * GUEST_GAP bytes are never mapped. So "is this pointer the guest's" is one compare, and a
 * structure that begins below guest_end cannot reach us.
 *
 * An address of the guest's is a uint64_t and one of ours a pointer; g2h and h2g are the only ways
 * from one to the other.
 */
#ifndef LINUX_USER_H
#define LINUX_USER_H

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "exec/exec.h"

enum { GUEST_PAGE_BITS = 12, GUEST_PAGE_SIZE = 1 << GUEST_PAGE_BITS };
#define GUEST_GAP (UINT64_C(4) << 30)

/*
 * Results of system calls beside 0.. and -errno, never seen by the guest. The numbers are the
 * kernel's own for the same purpose.
 */
enum {
    RES_RESTART = 512,        /* interrupted: again if the handler has SA_RESTART, else EINTR */
    RES_RESTART_ALWAYS = 513, /* interrupted before it began: again in any case */
    RES_SIGRETURN = 600,      /* the registers are set; there is no result */
};

typedef struct TaskState TaskState;
typedef struct UserArch UserArch;
typedef struct SeccompFilter SeccompFilter;
typedef struct SyscallDesc SyscallDesc;

typedef struct GuestSigaction {
    uint64_t handler; /* SIG_DFL, SIG_IGN or a guest address */
    uint64_t flags;
    uint64_t restorer;
    uint64_t mask;
} GuestSigaction;

enum { NB_SIGNALS = 64, NB_FAULT_SIGNALS = 4 };

static inline uint64_t sig_bit(int sig)
{
    return UINT64_C(1) << (sig - 1);
}

/* Signal dispositions: shared by the threads of a process. */
typedef struct SigHand {
    pthread_mutex_t lock;
    GuestSigaction act[NB_SIGNALS + 1];
    uint64_t known; /* signals whose act[] is filled in; the others are as the host has them */
} SigHand;

/* A guest thread. */
struct TaskState {
    CPUState *cpu;
    const UserArch *arch;
    SigHand *sighand;
    pid_t tid;
    uint64_t clear_tid;      /* guest address to clear and wake at thread exit, or 0 */
    uint64_t start_set_tid;  /* CLONE_CHILD_SETTID's address, or 0 */
    uint64_t robust_list;    /* the guest address of its head, or 0 */
    const SyscallDesc *call; /* the system call that is being done */

    uint64_t sigmask;      /* the guest's; the host's mask is the same without fault_signals */
    uint64_t suspend_mask; /* while suspended: the mask in force instead of sigmask */
    bool suspended;        /* sigsuspend, ppoll … was interrupted with suspend_mask in force */
    stack_t altstack;      /* the guest's */

    /*
     * One asynchronous signal: the host handler blocks all others until it is delivered, so that
     * the kernel keeps the queue. Signals that the host must not block have a slot each.
     */
    volatile int signal_pending; /* any slot is full; read by safe_syscall */
    volatile int async_sig;
    siginfo_t async_info;
    volatile uint32_t fault_pending; /* bit n: fault_info[n], of fault_signals[n], is full */
    siginfo_t fault_info[NB_FAULT_SIGNALS];
    void *host_altstack;
    char **exec_args; /* of the execve that this thread is in; a vfork's parent frees them */
    const SeccompFilter *seccomp;
    bool seccomp_strict;
    TaskState *next_task; /* tasks.c */
    volatile bool
        state_exact; /* in a system call, or stopped: the registers are as the guest left them */
    struct GDBTask *gdb;    /* with -g: gdb.c */
    sigjmp_buf *thread_end; /* of a thread that pthread_create made; NULL in the first */
};

extern __thread TaskState *current_task;

/* A shared object of at most a page for the guest, AT_SYSINFO_EHDR. */
typedef struct UserVdso {
    const void *image;
    size_t size, rt_sigreturn; /* bytes; where in it handlers return to */
} UserVdso;

/* What differs between guest architectures in user mode. */
struct UserArch {
    const TargetOps *target;
    const char *uname_machine;
    uint16_t elf_machine;
    uint32_t audit_arch;           /* AUDIT_ARCH_* */
    const uint16_t *syscall_table; /* guest number -> CALL_*, 0 where there is none */
    int nb_syscalls;
    const UserVdso *vdso;
    int minsigstksz;

    void (*init_cpu)(CPUState *cpu, uint64_t pc, uint64_t sp);
    int (*syscall_args)(CPUState *cpu, uint64_t args[6]); /* returns the number */
    void (*syscall_result)(CPUState *cpu, int64_t res);
    void (*rewind_syscall)(CPUState *cpu); /* pc back to the system call instruction */
    uint64_t (*get_sp)(CPUState *cpu);
    void (*clone_regs)(CPUState *child, uint64_t sp, bool set_tls, uint64_t tls);
    uint64_t (*hwcap)(CPUState *cpu, int which); /* 1, 2 */
    /* False if the frame cannot be written. trampoline: address of the vDSO's rt_sigreturn. */
    bool (*setup_frame)(TaskState *ts, int sig, const siginfo_t *info, const GuestSigaction *act,
                        uint64_t oldmask, uint64_t sp, uint64_t trampoline);
    /* Restores everything from the frame; false if it is bad. */
    bool (*sigreturn)(TaskState *ts, uint64_t *mask, stack_t *altstack);
    /*
     * The registers as a core dump has them (elf_gregset_t, elf_fpregset_t); returns the first's
     * size. Room: 320 and 1024 bytes.
     */
    size_t (*core_registers)(CPUState *cpu, uint8_t *general, uint8_t *fp, size_t *fp_size);
    /* A target's own EXCP_* and the si_code of a common one. False: it is a bug. */
    bool (*fault_siginfo)(CPUState *cpu, int excp, siginfo_t *info);
};

extern const UserArch aarch64_user_arch;
const UserArch *user_arch_by_machine(int elf_machine, bool big_endian);

/* The process, set once by main. */
typedef struct UserProcess {
    const UserArch *arch;
    const char *self_name; /* argv[0] of the emulator, for messages */
    const char *exec_path; /* the guest program as it was named */
    char *exe_path;        /* its absolute path: what /proc/self/exe is */
    const char *prefix;    /* -L, or NULL; no slash at its end */
    const char *cpu_model;
    char **self_args;          /* options to pass on when we run ourselves again; NULL at the end */
    const char *uname_release; /* -r, or NULL */
    uint64_t guest_end;
    uint64_t guest_limit; /* guest_end - GUEST_GAP: no mapping above this */
    uint64_t stack_size;
    bool strace;
    uint64_t vdso;
    uint64_t seed;
    bool has_seed;
    /* of the loaded image, for /proc/self */
    uint64_t start_stack, arg_start, arg_end, env_end, auxv_start, auxv_size;
    uint64_t start_code, end_code, start_data, end_data, start_brk;
} UserProcess;
extern UserProcess proc;

static inline bool guest_ptr_ok(uint64_t addr)
{
    return addr < proc.guest_end;
}
static inline bool guest_range_ok(uint64_t addr, uint64_t len)
{
    return addr < proc.guest_end && len <= proc.guest_end - addr;
}
static inline void *g2h(uint64_t addr)
{
    return (void *)(uintptr_t)(addr + guest_base);
}
static inline uint64_t h2g(const void *p)
{
    return (uintptr_t)p - guest_base;
}
/* A guest pointer as an argument of the host's calls; NULL stays NULL. */
static inline uint64_t host_arg(uint64_t addr)
{
    return addr ? addr + guest_base : 0;
}
/* A mapping of this process, from the host's addresses to the guest's; false: it is not a guest's.
 */
static inline bool guest_mapping(uint64_t *start, uint64_t *end)
{
    *start -= guest_base;
    *end -= guest_base;
    return *start < proc.guest_limit;
}

/* ---- host-x86_64.c ------------------------------------------------------------------------------
 */

/*
 * A host system call that may block. With a signal pending it does not begin. Returns the result,
 * -errno, -RES_RESTART or -RES_RESTART_ALWAYS.
 */
long safe_syscall_asm(volatile int *pending, long nr, const uint64_t args[6]);
/* A host system call, no errno. */
long raw_syscall(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f);
/* Copies that survive a bad guest address: bytes not copied. */
size_t guest_copy(void *dst, const void *src, size_t n);
/* Atomic; what was there (it was replaced if that is old), or ~0 for a bad address. */
uint64_t guest_cmpxchg(uint32_t *p, uint32_t old, uint32_t val);
/* From the host's signal handler: moves an interrupted context out of the above. */
bool host_fixup_fault(void *ucontext);
void host_fixup_syscall(void *ucontext);
uint64_t host_context_pc(void *ucontext);

long safe_syscall(long nr, const uint64_t args[6]);
#define safe_call(nr, ...) safe_syscall(nr, (const uint64_t[6]){ __VA_ARGS__ })

static inline bool copy_from_guest(void *dst, uint64_t src, size_t n)
{
    return guest_range_ok(src, n) && guest_copy(dst, g2h(src), n) == 0;
}
static inline bool copy_to_guest(uint64_t dst, const void *src, size_t n)
{
    return guest_range_ok(dst, n) && guest_copy(g2h(dst), src, n) == 0;
}
/* Length copied without the 0; -EFAULT, or -ENAMETOOLONG when size is too small. */
long copy_string_from_guest(char *dst, uint64_t src, size_t size);

/* ---- pagemap.c: flags of each guest page --------------------------------------------------------
 */

int pagemap_get(vaddr addr);
/* All pages of [start, end); flags 0: not mapped. */
void pagemap_set(vaddr start, vaddr end, int flags);
/* Any page of the range has one of these flags. */
bool pagemap_any(vaddr start, vaddr end, int flags);
/* Every page of the range is mapped. */
bool pagemap_all_valid(vaddr start, vaddr end);
/* The highest free range of len bytes that ends at or below top and begins at or above bottom; 0 if
 * none. */
vaddr pagemap_find_free(vaddr bottom, vaddr top, uint64_t len, uint64_t align);
/* The end of the run of pages with the same flags that begins at addr. */
vaddr pagemap_run_end(vaddr addr, vaddr limit);

/* ---- mmap.c -------------------------------------------------------------------------------------
 */

/*
 * Chooses guest_end and so on; base: the host's address of the guest's 0; reserved: guest_limit, or
 * 0 for the most. False and a message if a value is bad (G_FILE_ERROR_INVAL) or the host leaves too
 * little.
 */
bool mm_init(uint64_t base, uint64_t reserved, GError **err);
/* As the system calls; the result is an address or -errno. */
int64_t guest_mmap(uint64_t addr, uint64_t len, int prot, int flags, int fd, uint64_t offset);
int64_t guest_munmap(uint64_t addr, uint64_t len);
int64_t guest_mprotect(uint64_t addr, uint64_t len, int prot);
int64_t guest_mremap(uint64_t addr, uint64_t old_len, uint64_t new_len, uint64_t flags,
                     uint64_t new_addr);
int64_t guest_madvise(uint64_t addr, uint64_t len, int advice);
int64_t guest_brk(uint64_t addr);
uint64_t guest_mapped_bytes(void);
/* RLIMIT_AS in bytes, ~0 being none. Setting: 0, -EINVAL or -EPERM. */
typedef struct GuestLimit {
    uint64_t soft, hard;
} GuestLimit;
void guest_get_as_limit(GuestLimit *limit);
int guest_set_as_limit(const GuestLimit *limit);
void guest_set_brk(uint64_t start);
int64_t guest_shmat(int id, uint64_t addr, int flags);
int64_t guest_shmdt(uint64_t addr);
void mm_fork_prepare(void);
void mm_fork_done(void);
enum { GUEST_PROT_BTI = 0x10 };

/* ---- elfload.c, stack.c
 * -------------------------------------------------------------------------- */

typedef struct ImageInfo {
    uint64_t load_bias, load_addr, entry, phdr, brk;
    uint64_t interp_base, start_pc;
    uint64_t start_code, end_code, start_data, end_data;
    int phnum;
    char *interp;
    bool is_pie, has_bti, exec_stack;
} ImageInfo;

typedef struct LinuxProgram {
    const char *path; /* as named */
    int fd;
    char **argv, **envp; /* changed by #! scripts */
    ImageInfo image;
    uint64_t sp;
} LinuxProgram;

/* Maps program and interpreter. 0, or an exit status with *err set. */
int load_program(LinuxProgram *prog, GError **err);
/* Builds the initial stack; fills prog->sp. */
bool setup_stack(LinuxProgram *prog, CPUState *cpu, GError **err);
typedef enum ExecKind { EXEC_FOREIGN, EXEC_NATIVE, EXEC_SCRIPT, EXEC_UNKNOWN } ExecKind;
/* What the head of an executable file says. interp gets the line of a script. */
ExecKind classify_executable(const uint8_t *head, size_t n, char *interp, size_t interp_size);

/* ---- path.c, proc-self.c
 * -------------------------------------------------------------------------- */

/*
 * The host's name for a guest path: itself or under the -L prefix. buf has PATH_MAX bytes.
 */
const char *translate_path(const char *path, char *buf);
/* Opens one of the files of /proc/self that must show the guest: a descriptor, -errno, or -ENOSYS.
 */
int64_t proc_self_open(const char *path, int flags);
/*
 * What the link /proc/PID/exe leads to, if path is one of this process (in any spelling) or of
 * another one of this emulator's; NULL if it is anything else. buf has PATH_MAX bytes.
 */
const char *proc_exe(const char *path, char *buf);
/* Tells the kernel where the guest's code, arguments and environment are, once they are there. */
void proc_self_publish(void);

/* ---- sys-fd.c: descriptors of our own, which the guest does not see
 * -------------------------------------------------------------------------- */

typedef enum OwnFd { OWN_FD_SELF, OWN_FD_TEXT, OWN_FD_GDB, OWN_FD_GDB_EVENT, NB_OWN_FDS } OwnFd;
extern bool own_fds_any; /* for a quick no */
/*
 * The guest has used up its limit: moves one of ours out of it, or closes one that can be spared.
 * False: nothing was gained.
 */
bool own_fd_give_way(void);
/* The guest seems to have got fd - 1, so that fd is its next one: ours moves away. */
void own_fd_make_room(int fd);
enum { OWN_FD_LOWEST = 900 };
int own_fd(OwnFd which); /* -1 if there is none */
bool own_fd_is(int fd);
/* A copy of fd with a number where the guest does not miss it; -1: none is free. */
int own_fd_move(int fd);
/* Takes fd over and moves it up; returns its new number. Closed by execve. */
int own_fd_set(OwnFd which, int fd);
/* The same with a number that is high already. */
void own_fd_keep(OwnFd which, int fd);
void own_fd_close(OwnFd which);

/* ---- signal.c
 * ------------------------------------------------------------------------------------- */

/* The first thread: handlers for faults, the guest's mask from the host's. */
void signal_init(TaskState *ts);
/* Installs handlers where default actions are ours to do: again when a debugger has come. */
void signal_catch_defaults(TaskState *ts);
/* The calling thread's host signal stack. */
void signal_stack_init(TaskState *ts);
void signal_stack_free(TaskState *ts);
/*
 * Delivers what is pending. restart: RES_RESTART or RES_RESTART_ALWAYS if the system call that pc
 * is behind was interrupted, else 0.
 */
void process_pending_signals(TaskState *ts, int restart);
/* A synchronous signal of the guest's own doing: if blocked or ignored, it kills. */
void force_signal(TaskState *ts, siginfo_t *info);
/* The frame of signal sig (0: a sigreturn's) cannot be written or read. */
void force_segv(TaskState *ts, int sig);
G_NORETURN void die_by_signal(int sig);
/* The guest's mask as the host must have it. */
uint64_t host_mask(uint64_t guest_mask);
/* 0, or -RES_RESTART_ALWAYS with nothing changed because a signal is to be delivered first. */
int set_guest_mask(TaskState *ts, uint64_t mask);
/* Blocks all signals on the host, and back to what the guest wants. */
void block_signals(void);
/* Those of faults as well: nothing that is done then may fault. block_signals ends it. */
void block_all_signals(void);
void unblock_signals(TaskState *ts);
SigHand *sighand_copy(SigHand *old);
void sighand_get(SigHand *sh, int sig, GuestSigaction *act);
void sighand_set(SigHand *sh, int sig, const GuestSigaction *act);
/* Signals of fault_signals that wait in their slots, as a mask. */
uint64_t pending_fault_mask(const TaskState *ts);

/* ---- core.c
 * ----------------------------------------------------------------- */

/* Writes the guest's core dump if the limit allows one; false: there is none. */
bool core_dump(TaskState *ts, const siginfo_t *info);

/* ---- thread.c, cpu-loop.c, syscall.c
 * ----------------------------------------------------------------- */

TaskState *task_new(CPUState *cpu, const UserArch *arch, SigHand *sighand);
/* Runs the guest on the calling thread. */
G_NORETURN void cpu_loop(TaskState *ts);
int64_t do_syscall(TaskState *ts, int nr, const uint64_t args[6]);
/* What the kernel does with the robust list of a thread that ends, if there is a guest base. */
void robust_list_end(TaskState *ts);

#endif
