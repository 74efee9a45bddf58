/* SPDX-License-Identifier: MIT */
/* What the scripts in this folder debug. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

volatile int counter, seen;
volatile int guarded[4];

static void handler(int sig)
{
    seen = sig;
}

__attribute__((noinline)) int work(int n)
{
    counter += n;
    return counter * 2;
}

__attribute__((noinline)) double mean(double a, double b)
{
    return (a + b) / 2;
}

static void *thread_main(void *arg)
{
    for (int i = 0; i < 3; i++) {
        work((int)(long)arg);
        usleep(1000);
    }
    return arg;
}

/* Both computing and waiting threads are in a core dump. */
__attribute__((noinline)) static void *spinning(void *arg)
{
    for (volatile long *n = arg;; (*n)++) {
    }
    return NULL;
}

__attribute__((noinline)) static void *sleeping(void *arg)
{
    *(volatile long *)arg = 1;
    pause();
    return arg;
}

static void crash(void)
{
    static volatile long turns[3];
    pthread_t thread[3];

    pthread_create(&thread[0], NULL, spinning, (void *)&turns[0]);
    pthread_create(&thread[1], NULL, sleeping, (void *)&turns[2]);
    pthread_create(&thread[2], NULL, spinning, (void *)&turns[1]);
    while (!turns[0] || !turns[1] || !turns[2]) {
        usleep(1000);
    }
    guarded[2] = 77;
    *(volatile int *)8 = work(1);
}

static void run_threads(void)
{
    pthread_t thread[2];

    for (long n = 0; n < 2; n++) {
        pthread_create(&thread[n], NULL, thread_main, (void *)(n + 10));
    }
    for (int n = 0; n < 2; n++) {
        pthread_join(thread[n], NULL);
    }
}

static int run_fork(char *self)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        work(100);
        execl(self, self, "leaf", (char *)NULL);
        _exit(1);
    }
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}

static int count_entries(const char *name)
{
    DIR *dir = opendir(name);
    int count = 0;

    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
        count += e->d_name[0] != '.';
    }
    if (dir) {
        closedir(dir);
    }
    return count;
}

/* Nothing of the debugger's connection can be seen from inside, or gets in the way. */
static int look_around(void)
{
    char line[256] = "";
    FILE *status = fopen("/proc/self/status", "r");
    int threads = 0, fds, bad;

    while (status && fgets(line, sizeof(line), status) &&
           sscanf(line, "Threads: %d", &threads) != 1) {
    }
    if (status) {
        fclose(status);
    }
    close_range(3, ~0U, 0);
    work(1); /* the breakpoint still works */
    fds = count_entries("/proc/self/fd");
    bad = threads != 1 || count_entries("/proc/self/task") != 1 || fds != 4;
    printf("%d threads, %d tasks, %d descriptors\n", threads, count_entries("/proc/self/task"),
           fds);
    if (unshare(CLONE_NEWUSER) < 0 && errno != EPERM && errno != ENOSPC) {
        printf("unshare: %s\n", strerror(errno));
        bad = 1;
    }
    work(1);
    return bad;
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "look")) {
        return look_around();
    }
    if (argc > 1 && !strcmp(argv[1], "leaf")) {
        return work(3);
    }
    if (argc > 1 && !strcmp(argv[1], "spin")) {
        for (;;) {
            counter++;
        }
    }
    if (argc > 1 && !strcmp(argv[1], "crash")) {
        crash();
    }
    signal(SIGUSR1, handler);
    signal(SIGRTMIN + 2, handler);
    work((int)mean(1, 3));
    guarded[1] = 5;
    guarded[2] = guarded[1] + 1;
    raise(SIGUSR1);
    raise(SIGRTMIN + 2);
    run_threads();
    printf("child %d counter %d seen %d\n", run_fork(argv[0]), counter, seen);
    return 5;
}
