/* SPDX-License-Identifier: MIT */
/* fork, vfork, clone, execve, wait, pipes between processes, scripts. */
#include "test.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern char **environ;

static int wait_status(pid_t child)
{
    int status = -1;
    EQUAL(waitpid(child, &status, 0), child);
    return status;
}

static void test_fork(void)
{
    int variable = 1, fd[2];
    char buffer[16];
    NEED(pipe(fd) == 0);
    pid_t child = fork();
    if (child == 0) {
        variable = 2;
        CHECK(getppid() != getpid());
        _exit(write(fd[1], "child", 5) == 5 && variable == 2 ? 17 : 1);
    }
    EQUAL(read(fd[0], buffer, sizeof buffer), 5);
    EQUAL(memcmp(buffer, "child", 5), 0);
    EQUAL(WEXITSTATUS(wait_status(child)), 17);
    EQUAL(variable, 1);
    close(fd[1]);
    EQUAL(read(fd[0], buffer, 1), 0);
    close(fd[0]);
    EQUAL(waitpid(child, NULL, 0), -1);
    EQUAL(errno, ECHILD);
    /* A tree of them. */
    for (int i = 0; i < 20; i++) {
        child = fork();
        if (child == 0) {
            pid_t grandchild = fork();
            if (grandchild == 0) {
                _exit(i);
            }
            int status;
            waitpid(grandchild, &status, 0);
            _exit(WEXITSTATUS(status) + 1);
        }
        EQUAL(WEXITSTATUS(wait_status(child)), i + 1);
    }
}

static void test_vfork(void)
{
    pid_t child = vfork();
    if (child == 0) {
        _exit(3);
    }
    EQUAL(WEXITSTATUS(wait_status(child)), 3);
}

static const char *self;

/* Starts this program again with ARGUMENT; returns its exit status. */
static int again(const char *argument, char **environment)
{
    pid_t child = fork();
    if (child == 0) {
        execve(self, (char *[]){ "other name", (char *)argument, NULL }, environment);
        _exit(126);
    }
    int status = wait_status(child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int second_life(int argc, char **argv)
{
    if (strcmp(argv[1], "arguments") == 0) {
        return argc == 2 && strcmp(argv[0], "other name") == 0 && getenv("LATIMER_TEST") == NULL
                   ? 40
                   : 1;
    }
    if (strcmp(argv[1], "environment") == 0) {
        return strcmp(getenv("ONE"), "1") == 0 && strcmp(getenv("TWO"), "two words") == 0 &&
                       !environ[2]
                   ? 41
                   : 1;
    }
    if (strcmp(argv[1], "descriptors") == 0) {
        return fcntl(100, F_GETFD) == 0 && fcntl(101, F_GETFD) < 0 ? 42 : 1;
    }
    if (strcmp(argv[1], "signals") == 0) {
        struct sigaction old;
        sigset_t mask;
        sigaction(SIGUSR1, NULL, &old);
        if (old.sa_handler != SIG_IGN) {
            return 1;
        }
        sigaction(SIGUSR2, NULL, &old);
        sigprocmask(SIG_BLOCK, NULL, &mask);
        return old.sa_handler == SIG_DFL && sigismember(&mask, SIGHUP) ? 43 : 2;
    }
    return 2;
}

static void handler(int signal)
{
    (void)signal;
}

static void test_exec(void)
{
    char *none[] = { NULL };
    char *some[] = { "ONE=1", "TWO=two words", NULL };
    sigset_t hup;
    setenv("LATIMER_TEST", "x", 1);
    EQUAL(again("arguments", none), 40);
    EQUAL(again("environment", some), 41);
    NEED(dup2(1, 100) == 100 && dup3(1, 101, O_CLOEXEC) == 101);
    EQUAL(again("descriptors", none), 42);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, handler);
    sigemptyset(&hup);
    sigaddset(&hup, SIGHUP);
    sigprocmask(SIG_BLOCK, &hup, NULL);
    EQUAL(again("signals", none), 43);
    sigprocmask(SIG_UNBLOCK, &hup, NULL);

    NEED(symlink("/proc/self/exe", "link-to-exec") == 0);
    EQUAL(syscall(SYS_execveat, AT_FDCWD, "link-to-exec", none, none, AT_SYMLINK_NOFOLLOW), -1);
    EQUAL(errno, ELOOP);
    unlink("link-to-exec");
    EQUAL(execve("/no/such/file", none, none), -1);
    EQUAL(errno, ENOENT);
    EQUAL(execve("/", none, none), -1);
    EQUAL(errno, EACCES);
}

static void test_files_to_exec(void)
{
    char folder[] = "/tmp/latimer-exec-XXXXXX", name[64], line[600];
    char *none[] = { NULL };
    NEED(mkdtemp(folder));
    snprintf(name, sizeof name, "%s/f", folder);
    /* Neither a program nor a script. */
    int fd = open(name, O_CREAT | O_WRONLY, 0755);
    NEED(write(fd, "garbage\n", 8) == 8);
    close(fd);
    EQUAL(execve(name, none, none), -1);
    EQUAL(errno, ENOEXEC);
    chmod(name, 0644);
    EQUAL(execve(name, none, none), -1);
    EQUAL(errno, EACCES);
    /* A script whose interpreter is this program. */
    fd = open(name, O_TRUNC | O_WRONLY);
    int length = snprintf(line, sizeof line, "#! %s environment\nrest\n", self);
    NEED(write(fd, line, length) == length);
    close(fd);
    chmod(name, 0755);
    pid_t child = fork();
    if (child == 0) {
        execve(name, (char *[]){ "x", NULL }, (char *[]){ "ONE=1", "TWO=two words", NULL });
        _exit(126);
    }
    EQUAL(WEXITSTATUS(wait_status(child)), 41);
    unlink(name);
    rmdir(folder);
}

static void test_spawn(void)
{
    pid_t child;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, 1, 100);
    posix_spawn_file_actions_addclose(&actions, 101);
    NEED(posix_spawn(&child, self, &actions, NULL, (char *[]){ "other name", "descriptors", NULL },
                     environ) == 0);
    EQUAL(WEXITSTATUS(wait_status(child)), 42);
    EQUAL(posix_spawn(&child, "/no/such", NULL, NULL, (char *[]){ "x", NULL }, environ), ENOENT);
}

static void test_wait(void)
{
    struct rusage use;
    siginfo_t info = { 0 };
    int status;
    pid_t child = fork();
    if (child == 0) {
        raise(SIGSTOP);
        _exit(5);
    }
    EQUAL(waitpid(child, &status, WUNTRACED), child);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    kill(child, SIGCONT);
    EQUAL(waitid(P_PID, child, &info, WEXITED | WNOWAIT), 0);
    EQUAL(info.si_code, CLD_EXITED);
    EQUAL(info.si_status, 5);
    EQUAL(info.si_pid, child);
    EQUAL(wait4(child, &status, 0, &use), child);
    EQUAL(WEXITSTATUS(status), 5);
    child = fork();
    if (child == 0) {
        for (;;) {
        }
    }
    EQUAL(waitpid(child, &status, WNOHANG), 0);
    kill(child, SIGKILL);
    status = wait_status(child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_ids(void)
{
    EQUAL(getpgid(0), getpgrp());
    /* 0 where the leader of the session is outside of our pid namespace, as in some containers. */
    CHECK(getsid(0) >= 0);
    EQUAL(getsid(0), getsid(getpid()));
    CHECK(getuid() == geteuid() && getgid() == getegid());
    EQUAL(gettid(), getpid());
    pid_t child = fork();
    if (child == 0) {
        _exit(setsid() == getpid() ? 0 : 1);
    }
    EQUAL(wait_status(child), 0);
}

/* fork needs no descriptor, whatever the emulator copies. */
static void test_fork_full(void)
{
    struct rlimit limit;
    int status, first = dup(1), last = first;
    pid_t child;

    NEED(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_cur < 200 ? limit.rlim_cur : 200;
    child = fork();
    if (child == 0) {
        limit.rlim_max = limit.rlim_cur;
        NEED(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        while (last >= 0) {
            last = dup(1);
        }
        EQUAL(errno, EMFILE);
        child = fork();
        if (child == 0) {
            _exit(33);
        }
        EQUAL(waitpid(child, &status, 0), child);
        EQUAL(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 33);
        _exit(test_end());
    }
    EQUAL(waitpid(child, &status, 0), child);
    EQUAL(status, 0);
    close(first);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        return second_life(argc, argv);
    }
    self = realpath("/proc/self/exe", NULL);
    NEED(self);
    test_fork_full();
    test_fork();
    test_vfork();
    test_exec();
    test_files_to_exec();
    test_spawn();
    test_wait();
    test_ids();
    return test_end();
}
