/* SPDX-License-Identifier: MIT */
/* Netlink, descriptors and credentials over sockets, message queues, System V IPC, keys, handles,
 * namespaces. */
#include "test.h"
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <mqueue.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/fanotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

/* The loopback device is in the kernel's answer. */
static void test_netlink(void)
{
    struct {
        struct nlmsghdr head;
        struct ifinfomsg info;
    } request = { { sizeof(request), RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 7, 0 }, { 0 } };
    struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), found = 0, done = 0;
    static char buf[32768] __attribute__((aligned(8)));

    NEED(fd >= 0);
    EQUAL(sendto(fd, &request, sizeof(request), 0, (void *)&kernel, sizeof(kernel)),
          sizeof(request));
    while (!done) {
        ssize_t len = recv(fd, buf, sizeof(buf), 0);
        struct nlmsghdr *h = (void *)buf;

        NEED(len > 0);
        for (; NLMSG_OK(h, (unsigned)len); h = NLMSG_NEXT(h, len)) {
            EQUAL(h->nlmsg_seq, 7);
            done |= h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR;
            if (h->nlmsg_type == RTM_NEWLINK) {
                found |= ((struct ifinfomsg *)NLMSG_DATA(h))->ifi_flags & IFF_LOOPBACK;
            }
        }
    }
    CHECK(found);
    close(fd);
}

static void test_ancillary(void)
{
    char control[CMSG_SPACE(2 * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))], byte = 'q',
                                                                                  got[8];
    struct iovec iov = { &byte, 1 };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control };
    int pair[2], fds[2], one = 1, seen = 0;

    NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && pipe(fds) == 0);
    EQUAL(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)), 0);
    msg.msg_controllen = CMSG_SPACE(sizeof(fds));
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    *c = (struct cmsghdr){ CMSG_LEN(sizeof(fds)), SOL_SOCKET, SCM_RIGHTS };
    memcpy(CMSG_DATA(c), fds, sizeof(fds));
    EQUAL(sendmsg(pair[0], &msg, 0), 1);
    byte = 0;
    msg.msg_controllen = sizeof(control);
    EQUAL(recvmsg(pair[1], &msg, MSG_CMSG_CLOEXEC), 1);
    EQUAL(byte, 'q');
    for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        if (c->cmsg_type == SCM_RIGHTS) {
            int mine[2];
            memcpy(mine, CMSG_DATA(c), sizeof(mine));
            EQUAL(write(mine[1], "hello", 5), 5);
            EQUAL(read(fds[0], got, sizeof(got)), 5);
            EQUAL(fcntl(mine[0], F_GETFD), FD_CLOEXEC);
            seen |= 1;
        } else if (c->cmsg_type == SCM_CREDENTIALS) {
            struct ucred cred;
            memcpy(&cred, CMSG_DATA(c), sizeof(cred));
            EQUAL(cred.pid, getpid());
            seen |= 2;
        }
    }
    EQUAL(seen, 3);

    struct mmsghdr many[3];
    struct iovec parts[3];
    char text[3][8];
    struct timespec brief = { 1, 0 };
    int dgram[2];
    NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, dgram) == 0);
    memset(many, 0, sizeof(many));
    for (int n = 0; n < 3; n++) {
        parts[n] = (struct iovec){ text[n], (size_t)n + 2 };
        memset(text[n], 'a' + n, 8);
        many[n].msg_hdr.msg_iov = &parts[n];
        many[n].msg_hdr.msg_iovlen = 1;
    }
    EQUAL(sendmmsg(dgram[0], many, 3, 0), 3);
    for (int n = 0; n < 3; n++) {
        parts[n].iov_len = 8;
        memset(text[n], 0, 8);
    }
    EQUAL(recvmmsg(dgram[1], many, 3, 0, &brief), 3);
    for (int n = 0; n < 3; n++) {
        EQUAL(many[n].msg_len, n + 2);
        EQUAL(text[n][n + 1], 'a' + n);
    }
    CHECK(brief.tv_sec < 1);
    EQUAL(sendmmsg(dgram[0], many, 2, 0), 2);
    brief = (struct timespec){ 1, 0 };
    EQUAL(recvmmsg(dgram[1], many, 3, MSG_WAITFORONE, &brief), 2);
    EQUAL(recvmmsg(dgram[1], many, 3, MSG_DONTWAIT, &brief), -1);
    EQUAL(errno, EAGAIN);
}

static volatile int notified;

static void on_notify(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    notified = info->si_value.sival_int;
}

static void test_mqueue(void)
{
    struct mq_attr attr = { .mq_maxmsg = 4, .mq_msgsize = 32 }, now;
    struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3 };
    struct sigaction act = { .sa_sigaction = on_notify, .sa_flags = SA_SIGINFO };
    struct timespec past = { 1, 0 };
    char name[40], buf[32];
    unsigned prio;

    snprintf(name, sizeof(name), "/latimer-test-%d", getpid());
    mqd_t q = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attr);
    if (q == (mqd_t)-1 && errno == ENOSYS) {
        left_out("message queues");
        return;
    }
    NEED(q != (mqd_t)-1);
    sigaction(SIGRTMIN + 3, &act, NULL);
    ev.sigev_value.sival_int = 77;
    EQUAL(mq_notify(q, &ev), 0);
    EQUAL(mq_send(q, "low", 4, 1), 0);
    EQUAL(notified, 77);
    EQUAL(mq_send(q, "high", 5, 9), 0);
    EQUAL(mq_getattr(q, &now), 0);
    EQUAL(now.mq_curmsgs, 2);
    EQUAL(mq_receive(q, buf, sizeof(buf), &prio), 5);
    EQUAL(prio, 9);
    EQUAL(mq_receive(q, buf, sizeof(buf), &prio), 4);
    EQUAL(mq_timedreceive(q, buf, sizeof(buf), &prio, &past), -1);
    EQUAL(errno, ETIMEDOUT);
    EQUAL(mq_unlink(name), 0);
    mq_close(q);
}

static void test_sysv(void)
{
    struct {
        long type;
        char text[16];
    } m = { 3, "three" };
    union {
        int val;
        struct semid_ds *ds;
        unsigned short *array;
    } arg;
    struct sembuf op = { 1, -2, IPC_NOWAIT };
    struct semid_ds ds;
    struct shmid_ds shm;
    unsigned short values[3] = { 1, 2, 3 };
    int q = msgget(IPC_PRIVATE, 0600), s = semget(IPC_PRIVATE, 3, 0600);
    int m1 = shmget(IPC_PRIVATE, 10000, 0600);

    NEED(q >= 0 && s >= 0 && m1 >= 0);
    EQUAL(msgsnd(q, &m, 6, 0), 0);
    m.type = 1;
    EQUAL(msgsnd(q, &m, 6, 0), 0);
    EQUAL(msgrcv(q, &m, sizeof(m.text), 3, 0), 6);
    EQUAL(m.type, 3);
    EQUAL(msgctl(q, IPC_RMID, NULL), 0);

    arg.array = values;
    EQUAL(semctl(s, 0, SETALL, arg), 0);
    EQUAL(semop(s, &op, 1), 0);
    EQUAL(semop(s, &op, 1), -1);
    EQUAL(errno, EAGAIN);
    EQUAL(semctl(s, 2, GETVAL), 3);
    arg.ds = &ds;
    EQUAL(semctl(s, 0, IPC_STAT, arg), 0);
    EQUAL(ds.sem_nsems, 3);
    EQUAL(semctl(s, 0, IPC_RMID), 0);

    char *a = shmat(m1, NULL, 0), *b = shmat(m1, NULL, SHM_RDONLY);
    NEED(a != (char *)-1 && b != (char *)-1 && a != b);
    a[9999] = 42;
    EQUAL(b[9999], 42);
    EQUAL(shmctl(m1, IPC_STAT, &shm), 0);
    EQUAL(shm.shm_nattch, 2);
    EQUAL(shmctl(m1, IPC_RMID, NULL), 0);
    EQUAL(shmdt(a), 0);
    EQUAL(shmdt(b), 0);
}

static void test_handles(void)
{
    struct {
        struct file_handle h;
        char room[128];
    } f = { .h = { .handle_bytes = 128 } };
    int mount_id;

    if (name_to_handle_at(AT_FDCWD, "/", &f.h, &mount_id, 0) == 0) {
        CHECK(f.h.handle_bytes > 0 && f.h.handle_bytes <= 128);
    } else {
        CHECK(errno == EOPNOTSUPP || errno == EPERM || errno == ENOSYS);
        left_out("name_to_handle_at");
    }
    long key = syscall(SYS_add_key, "user", "latimer-test", "secret", 6, -1 /* thread keyring */);
    if (key >= 0) {
        char buf[16];
        EQUAL(syscall(SYS_keyctl, 11 /* KEYCTL_READ */, key, buf, sizeof(buf)), 6);
        EQUAL(memcmp(buf, "secret", 6), 0);
        EQUAL(syscall(SYS_keyctl, 11, key, 0x555555554000, 6), -1);
        EQUAL(errno, EFAULT);
    } else {
        CHECK(errno == ENOSYS || errno == EPERM || errno == EACCES || errno == EDQUOT);
        left_out("keys");
    }
}

/* A file is made and written in a folder that is watched; the folder comes as a handle. */
static void test_fanotify(void)
{
    char folder[] = "/tmp/ipc-fan.XXXXXX", name[64], buf[4096] __attribute__((aligned(8)));
    int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_CLOEXEC, O_RDONLY), file;
    struct fanotify_event_metadata *event = (void *)buf;
    struct fanotify_event_info_fid *info = (void *)(event + 1);
    uint64_t seen = 0;
    ssize_t len;

    if (fd < 0) {
        CHECK(errno == ENOSYS || errno == EPERM || errno == EINVAL);
        left_out("fanotify");
        return;
    }
    NEED(mkdtemp(folder));
    snprintf(name, sizeof(name), "%s/f", folder);
    EQUAL(fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, "/no/such/folder"), -1);
    EQUAL(errno, ENOENT);
    if (fanotify_mark(fd, FAN_MARK_ADD, FAN_CREATE | FAN_MODIFY | FAN_EVENT_ON_CHILD, AT_FDCWD,
                      folder) < 0) {
        CHECK(errno == EPERM || errno == ENODEV || errno == EOPNOTSUPP || errno == EXDEV);
        left_out("fanotify on /tmp");
    } else {
        file = open(name, O_WRONLY | O_CREAT, 0600);
        EQUAL(write(file, "x", 1), 1);
        close(file);
        len = read(fd, buf, sizeof(buf));
        NEED(len >= (ssize_t)sizeof(*event));
        EQUAL(event->vers, FANOTIFY_METADATA_VERSION);
        EQUAL(event->fd, FAN_NOFD);
        EQUAL(info->hdr.info_type, FAN_EVENT_INFO_TYPE_FID);
        for (; FAN_EVENT_OK(event, len); event = FAN_EVENT_NEXT(event, len)) {
            seen |= event->mask;
        }
        EQUAL(seen & (FAN_CREATE | FAN_MODIFY), FAN_CREATE | FAN_MODIFY);
    }
    close(fd);
    unlink(name);
    rmdir(folder);
}

static void write_file(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY);

    EQUAL(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

/* In a user and mount namespace: a new root by pivot_root, and a program run there. */
static void test_namespaces(void)
{
    char folder[] = "/tmp/ipc.XXXXXX";
    int status;
    pid_t child;

    NEED(mkdtemp(folder));
    child = fork();
    if (child == 0) {
        char old[64], uid_map[32], gid_map[32];

        snprintf(uid_map, sizeof(uid_map), "0 %d 1", geteuid());
        snprintf(gid_map, sizeof(gid_map), "0 %d 1", getegid());
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS) < 0) {
            left_out("user and mount namespaces");
            _exit(77);
        }
        write_file("/proc/self/setgroups", "deny");
        write_file("/proc/self/uid_map", uid_map);
        write_file("/proc/self/gid_map", gid_map);
        EQUAL(geteuid(), 0);
        EQUAL(sethostname("inside", 6), 0);
        if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("tmpfs", folder, "tmpfs", 0, NULL) < 0) {
            left_out("mounts in a namespace, pivot_root");
            _exit(77);
        }
        snprintf(old, sizeof(old), "%s/old", folder);
        NEED(mkdir(old, 0755) == 0);
        EQUAL(syscall(SYS_pivot_root, folder, old), 0);
        EQUAL(chdir("/"), 0);
        EQUAL(access("/old/tmp", F_OK), 0);
        EQUAL(umount2("/old", MNT_DETACH), 0);
        EQUAL(access("/old/tmp", F_OK), -1);
        _exit(test_end());
    }
    EQUAL(waitpid(child, &status, 0), child);
    CHECK(status == 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 77));
    rmdir(folder);
}

static void test_locks(void)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 5 };
    int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600), other;
    char link[64];

    if (fd < 0) {
        left_out("files without a name, locks of open files");
        return;
    }
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    other = open(link, O_RDWR);
    NEED(other >= 0);
    EQUAL(fcntl(fd, F_OFD_SETLK, &lock), 0);
    EQUAL(fcntl(other, F_OFD_SETLK, &lock), -1);
    EQUAL(errno, EAGAIN);
    lock.l_start = 0;
    lock.l_len = 100;
    lock.l_type = F_RDLCK;
    EQUAL(fcntl(other, F_OFD_GETLK, &lock), 0);
    EQUAL(lock.l_type, F_WRLCK);
    EQUAL(lock.l_start, 10);
    EQUAL(lock.l_pid, -1);
}

int main(void)
{
    test_netlink();
    test_ancillary();
    test_mqueue();
    test_sysv();
    test_handles();
    test_fanotify();
    test_namespaces();
    test_locks();
    return test_end();
}
