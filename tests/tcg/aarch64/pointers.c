/* SPDX-License-Identifier: MIT */
/*
 * System calls whose pointers are inside structures, or come back from the kernel: what is not
 * tested with its family (file.c, ipc.c, event.c, thread.c). Matters most with a guest base.
 */
#include "test.h"
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/keyctl.h>
#include <mqueue.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

/* Some calls are not in every container. */
static bool refused(long result, const char *what)
{
    if (result == -1 && (errno == EPERM || errno == ENOSYS || errno == EACCES)) {
        printf("# %s: refused here (%s): not tested\n", what, strerror(errno));
        return true;
    }
    return false;
}

static void test_vectors(void)
{
    char a[4] = "abc", b[4] = "def", in[8] = "", out[8] = "";
    struct iovec from[2] = { { a, 3 }, { b, 3 } }, to[2] = { { in, 2 }, { in + 2, 4 } };
    struct iovec whole = { out, 6 }, remote = { in, 6 };
    int fds[2];

    NEED(pipe(fds) == 0);
    EQUAL(writev(fds[1], from, 2), 6);
    EQUAL(readv(fds[0], to, 2), 6);
    EQUAL(memcmp(in, "abcdef", 6), 0);
    EQUAL(vmsplice(fds[1], from, 1, 0), 3); /* a user's pipes may have room for one piece only */
    EQUAL(read(fds[0], out, 6), 3);
    EQUAL(memcmp(out, "abc", 3), 0);
    memset(out, 0, sizeof(out));
    long res = process_vm_readv(getpid(), &whole, 1, &remote, 1, 0);
    if (!refused(res, "process_vm_readv")) {
        EQUAL(res, 6);
        EQUAL(memcmp(out, "abcdef", 6), 0);
        memcpy(out, "UVWXYZ", 6);
        EQUAL(process_vm_writev(getpid(), &whole, 1, &remote, 1, 0), 6);
        EQUAL(memcmp(in, "UVWXYZ", 6), 0);
    }
    from[1].iov_base = (void *)8; /* nothing is there */
    EQUAL(writev(fds[1], &from[1], 1), -1);
    EQUAL(errno, EFAULT);
    close(fds[0]);
    close(fds[1]);
}

/* A child that is another process of the same kind. */
static void test_other_process(void)
{
    static char text[32] = "before";
    char got[32] = "";
    struct iovec local = { got, sizeof(got) }, remote = { text, sizeof(text) };
    int fds[2];
    pid_t child;

    NEED(pipe(fds) == 0);
    child = fork();
    if (child == 0) {
        strcpy(text, "of the child");
        NEED(write(fds[1], "x", 1) == 1);
        pause();
    }
    NEED(read(fds[0], got, 1) == 1);
    long res = process_vm_readv(child, &local, 1, &remote, 1, 0);
    if (!refused(res, "process_vm_readv of a child")) {
        EQUAL(res, sizeof(text));
        EQUAL(strcmp(got, "of the child"), 0);
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

/* ---- waiting */

static volatile int handled;

static void on_signal(int sig)
{
    handled = sig;
}

static void test_masks(void)
{
    struct sigaction act = { .sa_handler = on_signal };
    struct timespec second = { 1, 0 }, none = { 0, 0 };
    struct itimerspec soon = { .it_value = { 0, 1000000 } };
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
    sigset_t blocked, open;
    timer_t timer;
    int fds[2];

    NEED(pipe(fds) == 0);
    sigaction(SIGUSR1, &act, NULL);
    sigemptyset(&open);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    NEED(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    for (int n = 0; n < 3; n++) {
        struct pollfd poll_in = { fds[0], POLLIN, 0 };
        struct epoll_event events[2];
        int ep = epoll_create1(0);
        fd_set set;

        FD_ZERO(&set);
        FD_SET(fds[0], &set);
        handled = 0;
        timer_settime(timer, 0, &soon, NULL);
        EQUAL(n == 0   ? pselect(fds[0] + 1, &set, NULL, NULL, &second, &open)
              : n == 1 ? ppoll(&poll_in, 1, &second, &open)
                       : epoll_pwait(ep, events, 2, 1000, &open),
              -1);
        EQUAL(errno, EINTR);
        EQUAL(handled, SIGUSR1);
        close(ep);
    }
    timer_delete(timer);
    NEED(write(fds[1], "x", 1) == 1);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fds[0], &set);
    EQUAL(pselect(fds[0] + 1, &set, NULL, NULL, &none, NULL), 1);
    sigprocmask(SIG_UNBLOCK, &blocked, NULL);
    close(fds[0]);
    close(fds[1]);
}

static void test_signal_values(void)
{
    static int object;
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
    struct itimerspec soon = { .it_value = { 0, 1000000 } };
    struct timespec second = { 5, 0 };
    timer_t timer;
    siginfo_t info;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    event.sigev_value.sival_ptr = &object;
    NEED(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    timer_settime(timer, 0, &soon, NULL);
    EQUAL(sigtimedwait(&set, &info, &second), SIGRTMIN);
    EQUAL(info.si_value.sival_ptr, &object);
    EQUAL(sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_ptr = &event }), 0);
    EQUAL(sigtimedwait(&set, &info, &second), SIGRTMIN);
    EQUAL(info.si_value.sival_ptr, &event);
    timer_delete(timer);
}

/* The kernel reads the cookie of SIGEV_THREAD, and sends it through a socket. */
static void test_mq_thread(void)
{
    struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 8 };
    char cookie[32] = "thirty-one letters and one more";
    char got[32] = "", name[32];
    struct sigevent event = { .sigev_notify = SIGEV_THREAD };
    int netlink = socket(AF_NETLINK, SOCK_RAW, 0);
    mqd_t queue;

    snprintf(name, sizeof(name), "/pointers-%d", getpid());
    queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
    if (queue == (mqd_t)-1 || netlink < 0) {
        printf("# no message queue or netlink here (%s): SIGEV_THREAD not tested\n",
               strerror(errno));
        return;
    }
    mq_unlink(name);
    event.sigev_signo = netlink;
    event.sigev_value.sival_ptr = cookie;
    EQUAL(syscall(SYS_mq_notify, queue, &event), 0);
    EQUAL(mq_send(queue, "m", 1, 0), 0);
    EQUAL(recv(netlink, got, sizeof(got), 0), 32);
    EQUAL(memcmp(got, cookie, 31), 0); /* the last byte tells what happened */
    event.sigev_value.sival_ptr = (void *)-4096L;
    EQUAL(syscall(SYS_mq_notify, queue, &event), -1);
    EQUAL(errno, EFAULT);
    mq_close(queue);
    close(netlink);
}

/* ---- futexes */

static uint32_t words[3];

static void *wake_second(void *arg)
{
    (void)arg;
    usleep(20000);
    __atomic_store_n(&words[1], 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &words[1], FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    return NULL;
}

static void test_futexes(void)
{
    struct {
        uint64_t val, addr;
        uint32_t flags, reserved;
    } wait[2] = { { 0, (uintptr_t)&words[0], 2 | FUTEX_PRIVATE_FLAG, 0 },
                  { 0, (uintptr_t)&words[1], 2 | FUTEX_PRIVATE_FLAG, 0 } };
    struct timespec soon = { 0, 1000000 };
    pthread_t thread;

    EQUAL(syscall(SYS_futex, &words[2], FUTEX_WAIT_PRIVATE, 0, &soon, NULL, 0), -1);
    EQUAL(errno, ETIMEDOUT);
    EQUAL(syscall(SYS_futex, &words[2], FUTEX_WAIT_PRIVATE, 0, (void *)-8L, NULL, 0), -1);
    EQUAL(errno, EFAULT);
    /* words[2] = 5, nobody is woken */
    EQUAL(syscall(SYS_futex, &words[0], FUTEX_WAKE_OP_PRIVATE, 1, 1, &words[2],
                  FUTEX_OP(FUTEX_OP_SET, 5, FUTEX_OP_CMP_EQ, 0)),
          0);
    EQUAL(words[2], 5);
    EQUAL(syscall(SYS_futex, &words[2], FUTEX_CMP_REQUEUE_PRIVATE, 1, 1, &words[0], 5), 0);
    EQUAL(syscall(SYS_futex, &words[2], FUTEX_CMP_REQUEUE_PRIVATE, 1, 1, &words[0], 4), -1);
    EQUAL(errno, EAGAIN);

    NEED(pthread_create(&thread, NULL, wake_second, NULL) == 0);
    long res = syscall(449 /* futex_waitv */, wait, 2, 0, NULL, 0);
    if (!refused(res, "futex_waitv")) {
        CHECK(res == 1 || (res == -1 && errno == EAGAIN)); /* it came before we waited */
    }
    pthread_join(thread, NULL);
}

static void *end_locked(void *arg)
{
    void *head, *entry;
    size_t size;

    pthread_mutex_lock(arg);
    EQUAL(syscall(SYS_get_robust_list, 0, &head, &size), 0);
    EQUAL(size, 24);
    memcpy(&entry, head, sizeof(entry));
    CHECK((char *)entry >= (char *)arg && (char *)entry < (char *)arg + sizeof(pthread_mutex_t));
    return NULL;
}

static void test_robust(void)
{
    static pthread_mutex_t lock;
    pthread_mutexattr_t attr;
    pthread_t thread;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&lock, &attr);
    NEED(pthread_create(&thread, NULL, end_locked, &lock) == 0);
    pthread_join(thread, NULL);
    EQUAL(pthread_mutex_lock(&lock), EOWNERDEAD);
    EQUAL(pthread_mutex_consistent(&lock), 0);
    pthread_mutex_unlock(&lock);
}

/* ---- the rest */

static void test_prctl(void)
{
    char name[17] = "";
    int *address = NULL;
    int value = -1;
    void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    static char long_name[] = "a name of a mapping";

    EQUAL(prctl(PR_SET_NAME, "pointers-test"), 0);
    EQUAL(prctl(PR_GET_NAME, name), 0);
    EQUAL(strcmp(name, "pointers-test"), 0);
    EQUAL(prctl(PR_SET_PDEATHSIG, SIGTERM), 0);
    EQUAL(prctl(PR_GET_PDEATHSIG, &value), 0);
    EQUAL(value, SIGTERM);
    EQUAL(prctl(PR_GET_CHILD_SUBREAPER, &value), 0);
    EQUAL(value, 0);
    if (prctl(PR_GET_TID_ADDRESS, &address) == 0) {
        EQUAL(syscall(SYS_set_tid_address, &value), getpid());
        EQUAL(prctl(PR_GET_TID_ADDRESS, &address), 0);
        EQUAL(address, &value);
    }
    if (prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, page, 4096, long_name) < 0) {
        CHECK(errno == EINVAL); /* a kernel without it */
    }
    EQUAL(prctl(PR_SET_NAME, (void *)-4096L), -1);
    EQUAL(errno, EFAULT);
}

static void test_sockets(void)
{
    struct sock_filter drop[] = { { BPF_RET | BPF_K, 0, 0, 0 } };
    struct sock_fprog program = { 1, drop };
    char text[8] = "", data[] = "data", control[CMSG_SPACE(sizeof(int))] = { 0 };
    struct iovec iov = { data, 4 };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
    };
    struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
    struct ifreq interfaces[16];
    struct ifconf conf = { .ifc_len = sizeof(interfaces), .ifc_req = interfaces };
    struct stat sent, got;
    int fds[2], fd;

    NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds) == 0);
    *head = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
    memcpy(CMSG_DATA(head), &fds[0], sizeof(int));
    EQUAL(sendmsg(fds[0], &msg, 0), 4);
    iov = (struct iovec){ text, sizeof(text) };
    memset(control, 0, sizeof(control));
    EQUAL(recvmsg(fds[1], &msg, 0), 4);
    EQUAL(memcmp(text, "data", 4), 0);
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
    EQUAL(fstat(fds[0], &sent), 0);
    EQUAL(fstat(fd, &got), 0);
    EQUAL(sent.st_ino, got.st_ino);
    close(fd);

    EQUAL(setsockopt(fds[1], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)), 0);
    send(fds[0], "gone", 4, MSG_DONTWAIT);
    EQUAL(recv(fds[1], text, sizeof(text), MSG_DONTWAIT), -1);
    EQUAL(errno, EAGAIN);
    program.filter = (void *)-4096L;
    EQUAL(setsockopt(fds[1], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)), -1);
    EQUAL(errno, EFAULT);
    close(fds[0]);
    close(fds[1]);

    fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd >= 0) {
        EQUAL(ioctl(fd, SIOCGIFCONF, &conf), 0);
        EQUAL(conf.ifc_req, interfaces);
        CHECK(conf.ifc_len <= (int)sizeof(interfaces));
        for (int n = 0; n < conf.ifc_len / (int)sizeof(struct ifreq); n++) {
            CHECK(interfaces[n].ifr_name[0]);
        }
        close(fd);
    }
}

static void test_ioctl(void)
{
    int fds[2], count = -1;

    NEED(pipe(fds) == 0);
    NEED(write(fds[1], "12345", 5) == 5);
    EQUAL(ioctl(fds[0], FIONREAD, &count), 0);
    EQUAL(count, 5);
    EQUAL(ioctl(fds[0], FIONREAD, (void *)16), -1);
    EQUAL(errno, EFAULT);
    EQUAL(ioctl(fds[0], FIONREAD, (void *)-4096L), -1);
    EQUAL(errno, EFAULT);
    close(fds[0]);
    close(fds[1]);
}

static void test_pages(void)
{
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *pages[2] = { p, p + 4096 };
    int status[2] = { -99, -99 };

    *p = 1;
    long res = syscall(SYS_move_pages, 0, 2, pages, NULL, status, 0);
    if (!refused(res, "move_pages")) {
        EQUAL(res, 0);
        CHECK(status[0] >= 0);
        EQUAL(status[1], -ENOENT); /* not touched yet */
    }
    unsigned char there[2] = { 0 };
    EQUAL(mincore(p, 8192, there), 0);
    EQUAL(there[0] & 1, 1);
    EQUAL(mlock(p, 4096), 0);
    EQUAL(munlock(p, 4096), 0);
    EQUAL(msync(p, 8192, MS_ASYNC), 0);
    munmap(p, 8192);
}

static void test_keys(void)
{
    long ring = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, "pointers-test");
    char text[64] = "";

    if (ring < 0) {
        printf("# no keys here (%s): keyctl not tested\n", strerror(errno));
        return;
    }
    CHECK(syscall(SYS_keyctl, KEYCTL_DESCRIBE, ring, text, sizeof(text)) > 0);
    CHECK(strstr(text, "pointers-test"));
}

/* argv and envp are arrays of pointers. */
static void test_execve(const char *self)
{
    char *argv[] = { (char *)self, "again", NULL }, *envp[] = { "ONE=1", "TWO=two", NULL };
    int status;
    pid_t child = fork();

    if (child == 0) {
        execve(self, argv, envp);
        _exit(99);
    }
    EQUAL(waitpid(child, &status, 0), child);
    EQUAL(status, 7 << 8);
    argv[1] = (char *)-4096L;
    EQUAL(execve(self, argv, envp), -1);
    EQUAL(errno, EFAULT);
    /* a native program */
    char *native_argv[] = { "sh", "-c", "test \"$ONE$TWO\" = 1two && exit 5", NULL };
    child = fork();
    if (child == 0) {
        execve("/bin/sh", native_argv, envp);
        _exit(99);
    }
    EQUAL(waitpid(child, &status, 0), child);
    EQUAL(status, 5 << 8);
}

static int clone_child(void *arg)
{
    _exit(*(int *)arg);
}

static void test_clone(void)
{
    static char stack[64 << 10] __attribute__((aligned(16)));
    int number = 42, status;
    pid_t tid = 0, child;

    child = clone(clone_child, stack + sizeof(stack), CLONE_PARENT_SETTID | SIGCHLD, &number, &tid);
    CHECK(child > 0);
    EQUAL(tid, child);
    EQUAL(waitpid(child, &status, 0), child);
    EQUAL(status, 42 << 8);
    int pidfd = -1;
    child = clone(clone_child, stack + sizeof(stack), CLONE_PIDFD | SIGCHLD, &number, &pidfd);
    CHECK(child > 0 && pidfd >= 0);
    EQUAL(waitpid(child, &status, 0), child);
    close(pidfd);
    child = clone(clone_child, stack + sizeof(stack),
                  CLONE_VM | CLONE_VFORK | CLONE_PARENT_SETTID | SIGCHLD, &number, &tid);
    EQUAL(tid, child);
    EQUAL(waitpid(child, &status, 0), child);
    EQUAL(status, 42 << 8);
}

int main(int argc, char **argv)
{
    char self[4096] = "";

    if (argc > 1) {
        return !strcmp(argv[1], "again") && !strcmp(getenv("ONE"), "1") &&
                       !strcmp(getenv("TWO"), "two")
                   ? 7
                   : 1;
    }
    NEED(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    test_vectors();
    test_other_process();
    test_masks();
    test_signal_values();
    test_mq_thread();
    test_futexes();
    test_robust();
    test_prctl();
    test_sockets();
    test_ioctl();
    test_pages();
    test_keys();
    test_clone();
    test_execve(self);
    return test_end();
}
