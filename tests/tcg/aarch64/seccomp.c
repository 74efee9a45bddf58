/* SPDX-License-Identifier: MIT */
/* seccomp filters: on the guest's numbers and arguments, each verdict, inheritance, strict mode. */
#include "test.h"
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define LOAD(field)     BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip)
#define VERDICT(value)  BPF_STMT(BPF_RET | BPF_K, value)
#define FILTER(...)                                                                      \
    ({                                                                                   \
        static struct sock_filter insns_[] = { __VA_ARGS__ };                            \
        static struct sock_fprog prog_ = { sizeof(insns_) / sizeof(insns_[0]), insns_ }; \
        &prog_;                                                                          \
    })

static long install(struct sock_fprog *prog)
{
    NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, prog);
}

/* Runs fn in a child; its wait status. */
static int in_child(void (*fn)(void))
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        fn();
        _exit(test_end());
    }
    EQUAL(waitpid(child, &status, 0), child);
    return status;
}

static void *other_thread(void *arg)
{
    EQUAL(syscall(SYS_getppid), -1);
    EQUAL(errno, 99);
    return arg;
}

static void errno_child(void)
{
    pthread_t thread;
    int status;

    EQUAL(prctl(PR_GET_SECCOMP), 0);
    EQUAL(install(FILTER(LOAD(arch), IF(AUDIT_ARCH_AARCH64, 5), LOAD(nr), IF(SYS_getppid, 1),
                         VERDICT(SECCOMP_RET_ERRNO | 99), IF(SYS_dup, 1),
                         VERDICT(SECCOMP_RET_ERRNO | 5), VERDICT(SECCOMP_RET_ALLOW))),
          0);
    EQUAL(prctl(PR_GET_SECCOMP), 2);
    EQUAL(syscall(SYS_getppid), -1);
    EQUAL(errno, 99);
    EQUAL(syscall(SYS_dup, 0), -1);
    EQUAL(errno, 5);
    CHECK(getpid() > 0);
    /* the second filter looks at an argument; the stricter verdict counts */
    EQUAL(install(FILTER(LOAD(nr), IF(SYS_dup, 3), LOAD(args[0]), IF(1000, 1),
                         VERDICT(SECCOMP_RET_ERRNO | 7), VERDICT(SECCOMP_RET_ALLOW))),
          0);
    EQUAL(syscall(SYS_dup, 0), -1);
    EQUAL(errno, 5);
    EQUAL(syscall(SYS_dup, 1000), -1);
    EQUAL(errno, 7);
    pthread_create(&thread, NULL, other_thread, NULL);
    pthread_join(thread, NULL);
    pid_t child = fork();
    if (child == 0) {
        other_thread(NULL);
        execl("/proc/self/exe", "seccomp", "filtered", (char *)NULL);
        _exit(9);
    }
    EQUAL(waitpid(child, &status, 0), child);
    EQUAL(status, 0);
}

static volatile siginfo_t seen;

static void on_sys(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    seen = *info;
}

static void trap_child(void)
{
    struct sigaction act = { .sa_sigaction = on_sys, .sa_flags = SA_SIGINFO };

    sigaction(SIGSYS, &act, NULL);
    EQUAL(install(FILTER(LOAD(nr), IF(SYS_getppid, 1), VERDICT(SECCOMP_RET_TRAP | 12),
                         VERDICT(SECCOMP_RET_ALLOW))),
          0);
    syscall(SYS_getppid);
    EQUAL(seen.si_signo, SIGSYS);
    EQUAL(seen.si_code, 1);
    EQUAL(seen.si_errno, 12);
    EQUAL(seen.si_syscall, SYS_getppid);
    EQUAL(seen.si_arch, AUDIT_ARCH_AARCH64);
}

static void kill_child(void)
{
    EQUAL(install(FILTER(LOAD(nr), IF(SYS_getppid, 1), VERDICT(SECCOMP_RET_KILL_PROCESS),
                         VERDICT(SECCOMP_RET_ALLOW))),
          0);
    syscall(SYS_getppid);
}

static void strict_child(void)
{
    EQUAL(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT), 0);
    if (syscall(SYS_write, 1, "", 0) != 0) {
        syscall(SYS_exit, 3);
    }
    syscall(SYS_getpid);
    syscall(SYS_exit, 4);
}

static void strict_exit_child(void)
{
    EQUAL(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT), 0);
    syscall(SYS_exit, 5);
}

static void test_bad(void)
{
    uint32_t action = SECCOMP_RET_ERRNO, unknown = 0x12340000;
    static struct sock_filter forward[] = { BPF_JUMP(BPF_JMP | BPF_JA, 7, 0, 0), VERDICT(0) };
    static struct sock_filter beyond[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), VERDICT(0) };
    static struct sock_filter endless[] = { LOAD(nr) };
    struct sock_fprog bad[] = { { 2, forward }, { 2, beyond }, { 1, endless }, { 0, beyond } };

    for (size_t n = 0; n < sizeof(bad) / sizeof(bad[0]); n++) {
        EQUAL(install(&bad[n]), -1);
        EQUAL(errno, EINVAL);
    }
    EQUAL(install((struct sock_fprog *)0x7fffffffe000), -1);
    EQUAL(errno, EFAULT);
    EQUAL(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action), 0);
    EQUAL(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &unknown), -1);
    EQUAL(errno, EOPNOTSUPP);
}

int main(int argc, char **argv)
{
    int status;

    (void)argv;
    if (argc > 1) { /* after execve, still filtered */
        other_thread(NULL);
        EQUAL(prctl(PR_GET_SECCOMP), 2);
        return test_end();
    }
    EQUAL(in_child(errno_child), 0);
    EQUAL(in_child(trap_child), 0);
    status = in_child(kill_child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    status = in_child(strict_child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    status = in_child(strict_exit_child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 5);
    test_bad();
    return test_end();
}
