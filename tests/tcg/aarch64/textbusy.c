/* SPDX-License-Identifier: MIT */
/* ETXTBSY: a program that is written does not run, one that runs cannot be written. */
#include "test.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char copy[64], script[80];

static void make_copy(const char *self)
{
    char buf[65536];
    int from = open(self, O_RDONLY), to = open(copy, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    ssize_t n;

    NEED(from >= 0 && to >= 0);
    while ((n = read(from, buf, sizeof(buf))) > 0) {
        NEED(write(to, buf, n) == n);
    }
    close(from);
    close(to);
}

/* The errno of execve in a child, or 0. */
static int run(const char *path)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        execl(path, path, "leaf", (char *)NULL);
        _exit(errno);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_written(void)
{
    int fd = open(copy, O_WRONLY);

    EQUAL(run(copy), ETXTBSY);
    close(fd);
    EQUAL(run(copy), 0);
    fd = open(copy, O_RDONLY);
    EQUAL(run(copy), 0);
    close(fd);
}

static void test_script(void)
{
    int fd = open(script, O_WRONLY | O_CREAT | O_TRUNC, 0755);

    dprintf(fd, "#!%s leaf\n", copy);
    EQUAL(run(script), ETXTBSY);
    close(fd);
    EQUAL(run(script), 0);
}

static void test_running(void)
{
    int ready[2], fd, status;
    char byte;
    struct stat st;
    pid_t child;

    NEED(pipe(ready) == 0);
    child = fork();
    if (child == 0) {
        dup2(ready[1], 1);
        execl(copy, copy, "wait", (char *)NULL);
        _exit(1);
    }
    EQUAL(read(ready[0], &byte, 1), 1);
    EQUAL(open(copy, O_WRONLY), -1);
    EQUAL(errno, ETXTBSY);
    EQUAL(open(copy, O_RDWR | O_TRUNC), -1);
    EQUAL(errno, ETXTBSY);
    EQUAL(stat(copy, &st), 0);
    CHECK(st.st_size > 1000);
    fd = open(copy, O_RDONLY);
    CHECK(fd >= 0);
    close(fd);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    fd = open(copy, O_WRONLY | O_TRUNC);
    CHECK(fd >= 0);
    EQUAL(fstat(fd, &st), 0);
    EQUAL(st.st_size, 0);
    close(fd);
}

/* Looking at a file does not lose its locks. */
static void test_locks_stay(void)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10 };
    int fd = open(copy, O_RDWR), status;
    pid_t child;

    EQUAL(fcntl(fd, F_SETLK, &lock), 0);
    CHECK(open(copy, O_RDWR | O_TRUNC) >= 0);
    child = fork();
    if (child == 0) {
        int mine = open(copy, O_RDWR);

        _exit(fcntl(mine, F_SETLK, &lock) == 0);
    }
    waitpid(child, &status, 0);
    EQUAL(status, 0);
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        if (!strcmp(argv[1], "wait")) {
            NEED(write(1, "x", 1) == 1);
            sleep(60);
        }
        return 0;
    }
    snprintf(copy, sizeof(copy), "/tmp/textbusy.%d", getpid());
    snprintf(script, sizeof(script), "%s.sh", copy);
    make_copy(argv[0]);
    test_written();
    test_script();
    test_running();
    test_locks_stay();
    unlink(copy);
    unlink(script);
    return test_end();
}
