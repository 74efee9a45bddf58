/* SPDX-License-Identifier: MIT */
/* /proc/self shows the program and not the emulator; none of its descriptors or threads; limits. */
#include "test.h"
#include <dirent.h>
#include <drm/drm.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Entries of a folder but . and ..; the descriptor that reads it counts. */
static int count_entries(const char *name)
{
    DIR *dir = opendir(name);
    int count = 0;

    NEED(dir);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        count += e->d_name[0] != '.';
    }
    closedir(dir);
    return count;
}

static char *read_file(const char *name)
{
    static char text[1 << 20];
    int fd = open(name, O_RDONLY);
    ssize_t len = 0, n;

    NEED(fd >= 0);
    while ((n = read(fd, text + len, sizeof(text) - 1 - len)) > 0) {
        len += n;
    }
    close(fd);
    text[len] = 0;
    return text;
}

static void ignore(int sig)
{
    (void)sig;
}

static unsigned long field(const char *text, const char *name, int base)
{
    const char *at = strstr(text, name);
    NEED(at);
    return strtoul(at + strlen(name), NULL, base);
}

static void test_status(void)
{
    char name[64];
    const char *text;
    sigset_t set;

    signal(SIGUSR1, ignore);
    signal(SIGUSR2, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    snprintf(name, sizeof(name), "/proc/%d/task/%d/status", getpid(), gettid());
    text = read_file(name);
    EQUAL(field(text, "SigBlk:", 16), 1ul << (SIGSEGV - 1) | 1ul << (SIGUSR1 - 1));
    EQUAL(field(text, "SigCgt:", 16), 1ul << (SIGUSR1 - 1));
    CHECK(field(text, "SigIgn:", 16) & 1ul << (SIGUSR2 - 1));
    EQUAL(field(text, "Threads:", 10), 1);
    CHECK(field(text, "VmSize:", 10) < 64 << 10);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void test_maps(void)
{
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char start[40];
    const char *line;
    int fd;

    mprotect(page, 4096, PROT_READ | PROT_EXEC);
    snprintf(start, sizeof(start), "%lx-%lx r-xp", (long)page, (long)page + 4096);
    CHECK(strstr(read_file("/proc/self/maps"), start));
    fd = open("/proc/self/maps", O_RDONLY);
    EQUAL(write(fd, "x", 1), -1);
    EQUAL(errno, EBADF);
    EQUAL(fcntl(fd, F_GETFD), 0);
    close(fd);
    fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    EQUAL(fcntl(fd, F_GETFD), FD_CLOEXEC);
    close(fd);
    line = strstr(read_file("/proc/self/smaps"), start);
    CHECK(line && strstr(line, "Rss:"));
    /* the emulator's own file; the test may well lie in a folder called latimer */
    CHECK(!strstr(read_file("/proc/self/smaps"), "/latimer-"));
    CHECK(!strstr(read_file("/proc/self/maps"), "/latimer-"));
    long pages = strtol(read_file("/proc/self/statm"), NULL, 10);
    mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EQUAL(strtol(read_file("/proc/self/statm"), NULL, 10), pages + 256);
    munmap(page, 8192);
}

static pid_t meet_tid;

static void *meet(void *arg)
{
    meet_tid = gettid();
    pthread_barrier_wait(arg);
    pthread_barrier_wait(arg);
    return NULL;
}

static void test_threads(void)
{
    pthread_barrier_t barrier;
    pthread_t thread;
    char name[64];

    EQUAL(count_entries("/proc/self/task"), 1);
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, meet, &barrier);
    pthread_barrier_wait(&barrier);
    EQUAL(count_entries("/proc/self/task"), 2);
    snprintf(name, sizeof(name), "/proc/self/task/%d/stat", meet_tid);
    EQUAL(atoi(read_file(name)), meet_tid);
    EQUAL(atoi(read_file("/proc/self/stat")), getpid());
    EQUAL(atoi(read_file("/proc/thread-self/stat")), gettid());
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    for (int n = 0; n < 1000 && access(name, F_OK) == 0; n++) { /* it ends after it is joined */
        usleep(10000);
    }
    EQUAL(open(name, O_RDONLY), -1);
    EQUAL(errno, ENOENT);
}

/* openat2 as its caller wants links to be treated. */
static void test_magic_links(void)
{
    struct open_how how = { .flags = O_RDONLY };
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, "/proc/self/exe", &how, sizeof(how));

    CHECK(fd >= 0);
    close(fd);
    how.resolve = RESOLVE_NO_MAGICLINKS;
    EQUAL(syscall(SYS_openat2, AT_FDCWD, "/proc/self/exe", &how, sizeof(how)), -1);
    EQUAL(errno, ELOOP);
    EQUAL(open("/proc/self/exe", O_RDONLY | O_NOFOLLOW), -1);
    EQUAL(errno, ELOOP);
}

/* What other processes, ps for one, see of this one. */
static void test_seen_by_others(char **argv)
{
    char name[64], exe[2][4096] = { "" };
    struct stat st[2];
    int status;
    pid_t child;

    if (access("/proc/sys/kernel/ns_last_pid", F_OK) < 0) {
        left_out("the command line that others see: the kernel has no CONFIG_CHECKPOINT_RESTORE");
        return;
    }
    argv[0][0] ^= 1; /* in place, as those do that show what they are at */
    child = fork();
    if (child == 0) {
        argv[0][0] ^= 1;
        snprintf(name, sizeof(name), "/proc/%d/cmdline", getppid());
        EQUAL(strcmp(read_file(name) + 1, argv[0] + 1), 0);
        EQUAL(read_file(name)[0], argv[0][0] ^ 1);
        EQUAL(read_file("/proc/self/cmdline")[0], argv[0][0]);
        snprintf(name, sizeof(name), "/proc/%d/comm", getppid());
        EQUAL(strncmp(read_file(name), "proc", 4), 0);
        snprintf(name, sizeof(name), "/proc/%d/exe", getppid());
        CHECK(readlink(name, exe[0], sizeof(exe[0]) - 1) > 0);
        CHECK(readlink("/proc/self/exe", exe[1], sizeof(exe[1]) - 1) > 0);
        EQUAL(strcmp(exe[0], exe[1]), 0);
        EQUAL(stat(name, &st[0]), 0);
        EQUAL(stat(argv[0], &st[1]), 0);
        EQUAL(st[0].st_ino, st[1].st_ino);
        EQUAL(lstat(name, &st[0]), 0);
        CHECK(S_ISLNK(st[0].st_mode));
        EQUAL(stat("/proc/1/exe", &st[0]) == 0 && st[0].st_ino == st[1].st_ino, false);
        _exit(test_end());
    }
    EQUAL(waitpid(child, &status, 0), child);
    EQUAL(status, 0);
    argv[0][0] ^= 1;
}

/* After unshare the emulator holds its own file open, for an execve where it cannot be named. */
static void test_descriptors(void)
{
    static bool open_before[1024];
    int before = count_entries("/proc/self/fd"), status;
    pid_t child;

    for (int fd = 0; fd < 1024; fd++) {
        open_before[fd] = fcntl(fd, F_GETFD) >= 0;
    }
    EQUAL(unshare(0), 0);
    EQUAL(count_entries("/proc/self/fd"), before);
    EQUAL(count_entries("/proc/self/fdinfo"), before);
    for (int fd = 0; fd < 1024; fd++) {
        EQUAL(fcntl(fd, F_GETFD) >= 0, open_before[fd]);
    }
    child = fork();
    if (child == 0) {
        for (int fd = 3; fd < 1000; fd++) { /* whatever was there has to give way */
            EQUAL(dup2(1, fd), fd);
        }
        EQUAL(syscall(SYS_close_range, 3, ~0u, 0), 0);
        EQUAL(count_entries("/proc/self/fd"), 4);
        execl("/proc/self/exe", "proc", "child", (char *)NULL);
        _exit(9);
    }
    EQUAL(waitpid(child, &status, 0), child);
    EQUAL(status, 0);
}

/* In a chroot with nothing in it but a program there is no /proc and no emulator. */
static void test_chroot(char *self)
{
    char folder[] = "/tmp/proc.XXXXXX", copy[64];
    int status, in, out;
    ssize_t n;
    pid_t child;

    NEED(mkdtemp(folder));
    snprintf(copy, sizeof(copy), "%s/prog", folder);
    in = open(self, O_RDONLY);
    out = open(copy, O_CREAT | O_WRONLY, 0755);
    NEED(in >= 0 && out >= 0);
    while ((n = sendfile(out, in, NULL, 1 << 20)) > 0) {
    }
    close(in);
    close(out);
    child = fork();
    if (child == 0) {
        if (chroot(folder) < 0 && (unshare(CLONE_NEWUSER) < 0 || chroot(folder) < 0)) {
            _exit(77); /* neither root nor user namespaces */
        }
        NEED(chdir("/") == 0);
        execl("/prog", "prog", "again", (char *)NULL);
        _exit(9);
    }
    EQUAL(waitpid(child, &status, 0), child);
    CHECK(status == 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 77));
    unlink(copy);
    rmdir(folder);
}

static void test_limits(void)
{
    struct rlimit limit, old;
    int status;
    pid_t child = fork();

    if (child == 0) {
        NEED(getrlimit(RLIMIT_AS, &old) == 0);
        limit = (struct rlimit){ 64 << 20, old.rlim_max };
        EQUAL(setrlimit(RLIMIT_AS, &limit), 0);
        EQUAL(getrlimit(RLIMIT_AS, &limit), 0);
        EQUAL(limit.rlim_cur, 64 << 20);
        CHECK(strstr(read_file("/proc/self/limits"), "67108864"));
        CHECK(mmap(NULL, 80 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
        EQUAL(errno, ENOMEM);
        void *some = mmap(NULL, 32 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(some != MAP_FAILED);
        CHECK(mremap(some, 32 << 20, 80 << 20, MREMAP_MAYMOVE) == MAP_FAILED);
        CHECK(sbrk(80 << 20) == (void *)-1);
        munmap(some, 32 << 20);
        CHECK(mmap(NULL, 32 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
        _exit(test_end());
    }
    EQUAL(waitpid(child, &status, 0), child);
    EQUAL(status, 0);
}

/* A structure that points at the emulator, or nowhere. */
static void test_ioctl(void)
{
    struct ifconf conf = { .ifc_len = 400, .ifc_buf = (char *)0x555555554000 };
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    NEED(fd >= 0);
    EQUAL(ioctl(fd, 0x8912 /* SIOCGIFCONF */, &conf), -1);
    EQUAL(errno, EFAULT);
    EQUAL(ioctl(fd, 0x8912, (void *)0x7fffffffe000), -1);
    EQUAL(errno, EFAULT);
    close(fd);
    fd = open("/dev/null", O_RDWR); /* which the kernel says is no display */
    struct drm_version version = { .name = (char *)0x7fffffffe000 };
    EQUAL(ioctl(fd, DRM_IOCTL_VERSION, &version), -1);
    EQUAL(errno, EFAULT);
    version.name = NULL;
    EQUAL(ioctl(fd, DRM_IOCTL_VERSION, &version), -1);
    EQUAL(errno, ENOTTY);
    struct drm_mode_atomic atomic = { .prop_values_ptr = 0x555555554000 };
    EQUAL(ioctl(fd, DRM_IOCTL_MODE_ATOMIC, &atomic), -1);
    EQUAL(errno, EFAULT);
    EQUAL(ioctl(fd, DRM_IOCTL_SET_MASTER, 0), -1);
    EQUAL(errno, ENOTTY);
    close(fd);
}

/* The program can open as many as its limit says, those of the emulator not counted. */
static int open_all_descriptors(void)
{
    struct rlimit limit;
    int fd, count = 3;

    EQUAL(getrlimit(RLIMIT_NOFILE, &limit), 0);
    while ((fd = dup(1)) >= 0) {
        EQUAL(fd, count++);
    }
    EQUAL(errno, EMFILE);
    EQUAL(count, limit.rlim_cur);
    return test_end();
}

/* The emulator can put its own above a soft limit, but not above a hard one. */
static void test_all_descriptors(char *self, rlim_t soft, rlim_t hard)
{
    struct rlimit limit = { soft, hard }, now;
    int status;
    pid_t child;

    if (getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_max < hard) {
        left_out("as many descriptors as a limit says that is above this machine's");
        return;
    }
    child = fork();
    if (child == 0) {
        EQUAL(close_range(3, ~0U, 0), 0);
        NEED(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        execl(self, "proc", "descriptors", (char *)NULL);
        _exit(9);
    }
    EQUAL(waitpid(child, &status, 0), child);
    EQUAL(status, 0);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "descriptors")) {
        return open_all_descriptors();
    }
    if (argc > 1) {
        return strcmp(argv[1], "again") ? 0 : execl("/prog", "prog", "child", (char *)NULL);
    }
    test_status();
    test_maps();
    test_threads();
    test_magic_links();
    test_seen_by_others(argv);
    test_all_descriptors(argv[0], 950, 1020);
    test_all_descriptors(argv[0], 950, 950);
    test_all_descriptors(argv[0], 5000, 5000);
    test_all_descriptors(argv[0], 100, 100);
    test_descriptors();
    test_chroot(argv[0]);
    test_limits();
    test_ioctl();
    test_all_descriptors(argv[0], 950, 1020); /* now it holds its own file open, see above */
    return test_end();
}
