/* SPDX-License-Identifier: MIT */
/* Descriptors that wait: epoll, eventfd, timerfd, signalfd, inotify, poll, sockets. */
#include "test.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>

static void test_epoll(void)
{
    int ep = epoll_create1(EPOLL_CLOEXEC), counter = eventfd(0, EFD_NONBLOCK);
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = 0x123456789abcdef0 }, got[4];
    uint64_t value = 7;
    NEED(ep >= 0 && counter >= 0);
    EQUAL(epoll_ctl(ep, EPOLL_CTL_ADD, counter, &event), 0);
    EQUAL(epoll_ctl(ep, EPOLL_CTL_ADD, counter, &event), -1);
    EQUAL(errno, EEXIST);
    EQUAL(epoll_wait(ep, got, 4, 0), 0);
    EQUAL(write(counter, &value, 8), 8);
    EQUAL(epoll_wait(ep, got, 4, 1000), 1);
    EQUAL(got[0].data.u64, 0x123456789abcdef0);
    EQUAL(got[0].events, EPOLLIN);
    EQUAL(read(counter, &value, 8), 8);
    EQUAL(value, 7);
    EQUAL(read(counter, &value, 8), -1);
    EQUAL(errno, EAGAIN);
    /* Several events at a time: the structure's size matters. */
    int fd[3];
    for (int i = 0; i < 3; i++) {
        fd[i] = eventfd(1, 0);
        event.data.u64 = 100 + i;
        EQUAL(epoll_ctl(ep, EPOLL_CTL_ADD, fd[i], &event), 0);
    }
    EQUAL(epoll_pwait(ep, got, 4, 1000, NULL), 3);
    uint64_t sum = 0;
    for (int i = 0; i < 3; i++) {
        sum += got[i].data.u64;
    }
    EQUAL(sum, 303);
}

static void test_timer(void)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec spec = { { 0, 2000000 }, { 0, 1000000 } }, left;
    uint64_t ticks;
    EQUAL(timerfd_settime(fd, 0, &spec, NULL), 0);
    EQUAL(timerfd_gettime(fd, &left), 0);
    EQUAL(left.it_interval.tv_nsec, 2000000);
    usleep(10000);
    EQUAL(read(fd, &ticks, 8), 8);
    CHECK(ticks >= 3);
    close(fd);
}

static void test_signalfd(void)
{
    struct signalfd_siginfo info;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_NONBLOCK);
    NEED(fd >= 0);
    EQUAL(read(fd, &info, sizeof info), -1);
    kill(getpid(), SIGUSR1);
    EQUAL(read(fd, &info, sizeof info), sizeof info);
    EQUAL(info.ssi_signo, SIGUSR1);
    EQUAL(info.ssi_pid, getpid());
    close(fd);
}

static void test_inotify(void)
{
    char folder[] = "/tmp/latimer-event-XXXXXX", name[64], buffer[4096] __attribute__((aligned(8)));
    NEED(mkdtemp(folder));
    int fd = inotify_init1(IN_NONBLOCK),
        watch = inotify_add_watch(fd, folder, IN_CREATE | IN_DELETE);
    NEED(fd >= 0 && watch >= 0);
    snprintf(name, sizeof name, "%s/new", folder);
    close(open(name, O_CREAT | O_WRONLY, 0600));
    unlink(name);
    ssize_t size = read(fd, buffer, sizeof buffer);
    CHECK(size > 0);
    struct inotify_event *event = (struct inotify_event *)buffer;
    EQUAL(event->wd, watch);
    EQUAL(event->mask, IN_CREATE);
    EQUAL(strcmp(event->name, "new"), 0);
    event = (struct inotify_event *)(buffer + sizeof *event + event->len);
    EQUAL(event->mask, IN_DELETE);
    rmdir(folder);
    close(fd);
}

static void test_poll(void)
{
    int fd[2];
    NEED(pipe(fd) == 0);
    struct pollfd p[2] = { { fd[0], POLLIN, 0 }, { fd[1], POLLOUT, 0 } };
    struct timespec now = { 0, 0 };
    EQUAL(poll(p, 2, 0), 1);
    EQUAL(p[0].revents, 0);
    EQUAL(p[1].revents, POLLOUT);
    EQUAL(write(fd[1], "x", 1), 1);
    EQUAL(ppoll(p, 2, &now, NULL), 2);
    EQUAL(p[0].revents, POLLIN);
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(fd[0], &readable);
    struct timeval zero = { 0, 0 };
    EQUAL(select(fd[0] + 1, &readable, NULL, NULL, &zero), 1);
    CHECK(FD_ISSET(fd[0], &readable));
    close(fd[1]);
    char c;
    EQUAL(read(fd[0], &c, 1), 1);
    EQUAL(poll(p, 1, 0), 1);
    EQUAL(p[0].revents, POLLHUP);
}

/* A descriptor travels to another process in a control message. */
static void test_unix(void)
{
    int pair[2], fds[2];
    NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && pipe(fds) == 0);
    char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = { 0 }, c = 'm';
    struct iovec iov = { &c, 1 };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
    };
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(cmsg), &fds[1], sizeof(int));
    EQUAL(sendmsg(pair[0], &msg, 0), 1);
    memset(control, 0, sizeof control);
    c = 0;
    EQUAL(recvmsg(pair[1], &msg, 0), 1);
    EQUAL(c, 'm');
    int received;
    cmsg = CMSG_FIRSTHDR(&msg);
    NEED(cmsg && cmsg->cmsg_type == SCM_RIGHTS);
    memcpy(&received, CMSG_DATA(cmsg), sizeof(int));
    EQUAL(write(received, "y", 1), 1);
    EQUAL(read(fds[0], &c, 1), 1);
    EQUAL(c, 'y');
    struct ucred cred;
    socklen_t size = sizeof cred;
    EQUAL(getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &cred, &size), 0);
    EQUAL(cred.pid, getpid());
}

static void test_inet(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int on = 1, server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char buffer[32];
    NEED(server >= 0);
    EQUAL(setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    NEED(bind(server, (struct sockaddr *)&address, size) == 0 && listen(server, 4) == 0);
    EQUAL(getsockname(server, (struct sockaddr *)&address, &size), 0);
    EQUAL(size, sizeof address);
    pid_t child = fork();
    if (child == 0) {
        int client = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(client, (struct sockaddr *)&address, size) < 0) {
            _exit(1);
        }
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        _exit(send(client, "over tcp", 8, MSG_NOSIGNAL) == 8 ? 0 : 2);
    }
    struct sockaddr_in peer;
    size = sizeof peer;
    int connection = accept4(server, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK);
    NEED(connection >= 0);
    EQUAL(peer.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    EQUAL(fcntl(connection, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    struct pollfd p = { connection, POLLIN, 0 };
    EQUAL(poll(&p, 1, 5000), 1);
    EQUAL(recv(connection, buffer, 4, MSG_PEEK), 4);
    EQUAL(recvfrom(connection, buffer, sizeof buffer, 0, NULL, NULL), 8);
    EQUAL(memcmp(buffer, "over tcp", 8), 0);
    int status;
    waitpid(child, &status, 0);
    EQUAL(status, 0);

    struct timeval timeout = { 0, 10000 };
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    EQUAL(setsockopt(udp, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout), 0);
    EQUAL(recv(udp, buffer, 1, 0), -1);
    EQUAL(errno, EAGAIN);
    EQUAL(socket(AF_INET, SOCK_STREAM, 254), -1);
    EQUAL(errno, EPROTONOSUPPORT);
}

int main(void)
{
    test_epoll();
    test_timer();
    test_signalfd();
    test_inotify();
    test_poll();
    test_unix();
    test_inet();
    return test_end();
}
