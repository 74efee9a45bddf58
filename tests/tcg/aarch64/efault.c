/* SPDX-License-Identifier: MIT */
/*
 * Bad pointers, lengths and flags for every system call. Whatever the kernel says is right; but the
 * emulator must survive, its memory must not be written, and addresses of its own (which it has
 * above the guest's) must be EFAULT as all others that are not mapped. Makes FUZZ_CALLS calls
 * (50000), from FUZZ_SEED (1).
 *
 * The calls at random are made by a child that is not root, has no files but its own and an empty
 * folder, and leaves out what changes files by descriptor: nothing of the machine is in reach.
 */
#include "test.h"
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum { LAST_CALL = 450, PAGE = 4096, BATCH = 2000, NO_RIGHTS = 77 };

/*
 * Not at random: what ends or stops the process, reaches other processes or the whole machine when
 * run by root, or takes the clockwork of this test apart.
 */
static const short not_at_random[] = {
    SYS_exit,
    SYS_exit_group,
    SYS_rt_sigreturn,
    SYS_kill,
    SYS_tkill,
    SYS_tgkill,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    SYS_pidfd_send_signal,
    SYS_reboot,
    SYS_clone,
    SYS_clone3,
    SYS_vhangup,
    SYS_sync,
    SYS_syncfs,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_pivot_root,
    SYS_chroot,
    SYS_umount2,
    SYS_mount,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_clock_adjtime,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_quotactl,
    SYS_quotactl_fd,
    SYS_personality,
    SYS_setrlimit,
    SYS_prlimit64,
    SYS_sched_setaffinity,
    SYS_sched_setparam,
    SYS_sched_setscheduler,
    SYS_sched_setattr,
    SYS_setpriority,
    SYS_ioprio_set,
    SYS_migrate_pages,
    SYS_move_pages,
    SYS_process_vm_writev,
    SYS_ptrace,
    SYS_syslog,
    SYS_process_mrelease,
    SYS_process_madvise,
    SYS_open_tree,
    SYS_move_mount,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_msgget,
    SYS_semget,
    SYS_shmget,
    SYS_msgctl,
    SYS_semctl,
    SYS_shmctl,
    SYS_setitimer,
    SYS_timer_create,
    SYS_prctl,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_setpgid,
    SYS_capset,
    SYS_keyctl,
    SYS_mlockall,
    SYS_delete_module,
    SYS_init_module,
    SYS_finit_module,
    SYS_kexec_load,
    SYS_sigaltstack,
    SYS_munmap,
    SYS_mmap,
    SYS_mremap,
    SYS_mprotect,
    SYS_brk,
    SYS_madvise,
    SYS_shmat,
    SYS_shmdt,
    SYS_pkey_mprotect,
    SYS_set_robust_list,
    SYS_set_tid_address,
    SYS_wait4,
    SYS_waitid,
    SYS_unshare,
    SYS_setns,
    SYS_seccomp,
    SYS_landlock_restrict_self,
    SYS_fanotify_mark,
    SYS_setgroups,
    SYS_add_key,
    SYS_request_key,
    SYS_name_to_handle_at,
    SYS_fchmod,
    SYS_fchmodat,
    SYS_fchown,
    SYS_fchownat,
    SYS_setxattr,
    SYS_lsetxattr,
    SYS_fsetxattr,
    SYS_removexattr,
    SYS_lremovexattr,
    SYS_fremovexattr,
    SYS_utimensat,
    SYS_truncate,
    SYS_ftruncate,
    SYS_fallocate,
    SYS_unlinkat,
    SYS_linkat,
    SYS_renameat,
    SYS_renameat2,
    SYS_symlinkat,
    SYS_open_by_handle_at,
};

static uint64_t seed;
static char *good, *edge, *none, *readonly;
static int fds[4];

static uint64_t draw(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Where nothing of the program's is: between its pages, the emulator's, the kernel's. */
static uint64_t bad_pointer(void)
{
    static const uint64_t table[] = {
        0,
        1,
        PAGE - 1,
        0x554fffffff00,
        0x554ffffffff8,
        0x555000000000,
        0x555555554000,
        0x555555a00000,
        0x7ffff7ff0000,
        0x7fffffffe000,
        0x800000000000,
        UINT64_C(1) << 52,
        UINT64_C(1) << 63,
        UINT64_C(0xffff800000000000),
        -(uint64_t)PAGE,
        ~UINT64_C(0),
        UINT64_C(0xffffffffff600000),
    };
    uint64_t which = draw() % 24;

    if (which < sizeof(table) / sizeof(table[0])) {
        return table[which];
    }
    return which < 20 ? (uint64_t)none : which < 22 ? (uint64_t)edge - draw() % 16 : draw();
}

static uint64_t length(void)
{
    static const uint64_t table[] = { 0,
                                      1,
                                      7,
                                      8,
                                      16,
                                      64,
                                      128,
                                      4096,
                                      65536,
                                      0x7fffffff,
                                      0xffffffff,
                                      UINT64_C(1) << 32,
                                      UINT64_C(1) << 47,
                                      INT64_MAX,
                                      ~UINT64_C(0) };

    return table[draw() % (sizeof(table) / sizeof(table[0]))];
}

/* Structures full of such pointers and lengths. */
static uint64_t good_pointer(void)
{
    uint64_t *words = (uint64_t *)(good + draw() % 64 * 8);

    for (int n = 0; n < 16; n++) {
        words[n] = draw() & 1 ? bad_pointer() : draw() & 1 ? length() : (uint64_t)good;
    }
    return draw() % 8 ? (uint64_t)words : (uint64_t)readonly;
}

static uint64_t argument(void)
{
    switch (draw() % 8) {
    case 0:
    case 1:
    case 2:
        return bad_pointer();
    case 3:
    case 4:
        return good_pointer();
    case 5:
        return length();
    case 6:
        return draw() % 5 ? (uint64_t)fds[draw() % 4] : ~UINT64_C(0);
    default:
        return draw() & 0xff;
    }
}

static int is_left_out(int nr)
{
    for (size_t n = 0; n < sizeof(not_at_random) / sizeof(not_at_random[0]); n++) {
        if (not_at_random[n] == nr) {
            return 1;
        }
    }
    return 0;
}

/* Shared with the parent: what the child is at. */
static volatile struct {
    uint64_t calls;
    int nr;
    uint64_t args[6];
} * at;

static void nothing(int sig)
{
    (void)sig;
}

static void open_files(void)
{
    NEED(pipe2(fds, O_NONBLOCK) == 0);
    NEED(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds + 2) == 0);
}

/* False: the rights cannot be given up. */
static int give_up_rights(void)
{
    NEED(syscall(SYS_close_range, 0, ~0u, 0) == 0);
    if (getuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 ||
                          setresuid(65534, 65534, 65534) < 0)) {
        return 0;
    }
    return getuid() != 0 && geteuid() != 0;
}

static void child(int batch)
{
    struct itimerval tick = { { 0, 3000 }, { 0, 3000 } };
    struct sigaction act = { .sa_handler = nothing };

    for (int sig = 1; sig < 32; sig++) { /* SIGPIPE, SIGIO and so on end nothing */
        if (sig != SIGSEGV && sig != SIGBUS && sig != SIGILL && sig != SIGABRT) {
            sigaction(sig, &act, NULL);
        }
    }
    if (!give_up_rights()) {
        _exit(NO_RIGHTS);
    }
    seed = (seed + (uint64_t)batch) * UINT64_C(0x9e3779b97f4a7c15) | 1;
    setitimer(ITIMER_REAL, &tick, NULL);
    open_files();
    for (int n = 0; n < BATCH; n++) {
        int nr = (int)(draw() % LAST_CALL);
        uint64_t a[6];

        if (is_left_out(nr)) {
            continue;
        }
        for (int k = 0; k < 6; k++) {
            at->args[k] = a[k] = argument();
        }
        at->nr = nr;
        at->calls++;
        syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
        if (n % 100 == 0) {
            open_files(); /* some calls close them */
        }
    }
    _exit(0);
}

/* A child that waits for ever, with the tick blocked or its timer gone, is not wrong. */
static int run_batch(int batch)
{
    uint64_t before = 0;
    int status, quiet = 0;
    pid_t pid = fork();

    NEED(pid >= 0);
    if (pid == 0) {
        child(batch);
    }
    while (waitpid(pid, &status, WNOHANG) == 0) {
        usleep(2000);
        quiet = at->calls == before ? quiet + 1 : 0;
        before = at->calls;
        if (quiet == 250) {
            kill(pid, SIGKILL);
        }
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) {
        printf("batch %d: signal %d in call %d(%#lx, %#lx, %#lx, %#lx, %#lx, %#lx)\n", batch,
               WTERMSIG(status), at->nr, at->args[0], at->args[1], at->args[2], at->args[3],
               at->args[4], at->args[5]);
        test_failed();
    }
    return !WIFEXITED(status) || WEXITSTATUS(status) != NO_RIGHTS;
}

/* Calls that write or read through a pointer say EFAULT for each that is not the program's. */
static void test_efault(void)
{
    static const uint64_t bad[] = { 0x555000000000, 0x555555554000, 0x7ffff7ff0000,
                                    0x7fffffffe000, 0x800000000000, UINT64_C(0xffff800000000000),
                                    ~UINT64_C(7) };
    char *path = "/";

    for (size_t n = 0; n < sizeof(bad) / sizeof(bad[0]); n++) {
        void *p = (void *)bad[n];
        struct iovec iov = { p, 16 };
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
        int zero = open("/dev/zero", O_RDWR), pair[2];

        NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
        EQUAL(write(pair[0], "0123456789", 10), 10);
        const long calls[][7] = {
            { SYS_read, zero, (long)p, 16 },
            { SYS_pread64, zero, (long)p, 16, 0 },
            { SYS_readv, zero, (long)&iov, 1 },
            { SYS_readv, zero, (long)p, 1 },
            { SYS_write, pair[0], (long)p, 16 },
            { SYS_recvfrom, pair[1], (long)p, 10, MSG_PEEK, 0, 0 },
            { SYS_recvmsg, pair[1], (long)&msg, MSG_PEEK },
            { SYS_recvmsg, pair[1], (long)p, MSG_PEEK },
            { SYS_sendmsg, pair[0], (long)p, 0 },
            { SYS_fstat, zero, (long)p },
            { SYS_newfstatat, AT_FDCWD, (long)path, (long)p, 0 },
            { SYS_statx, AT_FDCWD, (long)path, 0, 0xfff, (long)p },
            { SYS_statfs, (long)path, (long)p },
            { SYS_openat, AT_FDCWD, (long)p, 0 },
            { SYS_getcwd, (long)p, 100 },
            { SYS_pipe2, (long)p, 0 },
            { SYS_uname, (long)p },
            { SYS_sysinfo, (long)p },
            { SYS_getrlimit, 0, (long)p },
            { SYS_prlimit64, 0, 0, 0, (long)p },
            { SYS_getrusage, 0, (long)p },
            { SYS_clock_gettime, 0, (long)p },
            { SYS_clock_getres, 0, (long)p },
            { SYS_gettimeofday, (long)p, 0 },
            { SYS_nanosleep, (long)p, 0 },
            { SYS_times, (long)p },
            { SYS_getrandom, (long)p, 16, 0 },
            { SYS_getresuid, (long)p, (long)p, (long)p },
            { SYS_sched_getaffinity, 0, 64, (long)p },
            { SYS_rt_sigaction, 10, 0, (long)p, 8 },
            { SYS_rt_sigaction, 10, (long)p, 0, 8 },
            { SYS_rt_sigprocmask, 0, (long)p, 0, 8 },
            { SYS_rt_sigprocmask, 0, 0, (long)p, 8 },
            { SYS_rt_sigpending, (long)p, 8 },
            { SYS_rt_sigsuspend, (long)p, 8 },
            { SYS_sigaltstack, 0, (long)p },
            { SYS_ppoll, (long)p, 1, 0, 0, 0 },
            { SYS_pselect6, 1, (long)p, 0, 0, 0, 0 },
            { SYS_getdents64, open("/", O_RDONLY | O_DIRECTORY), (long)p, 1000 },
            { SYS_readlinkat, AT_FDCWD, (long)"/proc/self/exe", (long)p, 100 },
            { SYS_execve, (long)p, 0, 0 },
            { SYS_execve, (long)"/bin/true", (long)p, 0 },
            { SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, (long)p },
            { SYS_getsockopt, pair[0], SOL_SOCKET, SO_TYPE, (long)p, (long)p },
            { SYS_getitimer, 0, (long)p },
            { SYS_timer_create, 0, 0, (long)p },
            { SYS_ioctl, pair[0], 0x541b /* FIONREAD */, (long)p },
            { SYS_fcntl, zero, F_GETLK, (long)p },
            { SYS_futex, (long)p, 0, 0, 0, 0, 0 },
            { SYS_capget, (long)p, (long)p },
            { SYS_prctl, 16 /* PR_GET_NAME */, (long)p },
            { SYS_get_robust_list, 0, (long)p, (long)p },
            { SYS_clone3, (long)p, 88 },
            { SYS_eventfd2, 0, 0x12345678 },
        };
        for (size_t k = 0; k < sizeof(calls) / sizeof(calls[0]); k++) {
            const long *c = calls[k];
            long res = syscall(c[0], c[1], c[2], c[3], c[4], c[5], c[6]);

            if (res >= 0 || (errno != EFAULT && c[0] != SYS_eventfd2)) {
                printf("call %ld with %p: result %ld, errno %d\n", c[0], p, res, errno);
                test_failed();
            }
        }
        close(zero);
        close(pair[0]);
        close(pair[1]);
    }
}

/* Mappings at the emulator's addresses are refused, and what is there is not taken away. */
static void test_mappings(void)
{
    static const uint64_t bad[] = { 0x555000000000, 0x555555554000, 0x7ffff7ff0000,
                                    0x7ffffffde000, 0x800000000000, UINT64_C(0xffff800000000000) };

    for (size_t n = 0; n < sizeof(bad) / sizeof(bad[0]); n++) {
        void *p = (void *)bad[n];

        CHECK(mmap(p, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
              MAP_FAILED);
        CHECK(munmap(p, PAGE) < 0);
        CHECK(mprotect(p, PAGE, PROT_NONE) < 0);
        CHECK(madvise(p, PAGE, MADV_DONTNEED) < 0);
        CHECK(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE) == MAP_FAILED);
        CHECK(mremap(good, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p) == MAP_FAILED);
        CHECK(syscall(SYS_brk, p) != (long)p);
    }
}

int main(void)
{
    const char *text = getenv("FUZZ_CALLS"), *from = getenv("FUZZ_SEED");
    uint64_t calls = text ? strtoull(text, NULL, 0) : 50000;
    char folder[] = "/tmp/efault.XXXXXX", command[64];

    seed = from ? strtoull(from, NULL, 0) : 1;
    good = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    none = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    readonly = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    edge =
        (char *)mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) +
        PAGE;
    at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    NEED(munmap(edge, PAGE) == 0);
    test_efault();
    test_mappings();
    NEED(mkdtemp(folder) && chmod(folder, 0777) == 0 && chdir(folder) == 0);
    for (int batch = 0; at->calls < calls && test_failures < 5; batch++) {
        if (!run_batch(batch)) {
            printf("root here cannot become another user: no calls at random were made\n");
            break;
        }
    }
    NEED(chdir("/") == 0);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    EQUAL(system(command), 0);
    return test_end();
}
