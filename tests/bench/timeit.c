/* SPDX-License-Identifier: MIT */
/*
 * usage: timeit COUNT OUTPUT PROG ARGS...
 *
 * The stop-watch of the benchmark runner, in C so that it costs little itself: runs PROG COUNT
 * times, one after the other, its standard output to the file OUTPUT, and prints the seconds of
 * wall time and of processor time (children included). Ends with the first bad exit status.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu_seconds(const struct rusage *use)
{
    return (double)(use->ru_utime.tv_sec + use->ru_stime.tv_sec) +
           (double)(use->ru_utime.tv_usec + use->ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
    extern char **environ;
    posix_spawn_file_actions_t actions;
    struct rusage use;
    if (argc < 4) {
        fprintf(stderr, "usage: timeit COUNT OUTPUT PROG ARGS...\n");
        return 2;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, argv[2], O_WRONLY | O_CREAT | O_APPEND, 0666);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    double start = seconds();
    for (long n = atol(argv[1]); n > 0; n--) {
        pid_t child;
        int status, error = posix_spawnp(&child, argv[3], &actions, NULL, argv + 3, environ);
        if (error) {
            fprintf(stderr, "timeit: %s: %s\n", argv[3], strerror(error));
            return 127;
        }
        while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
        }
        if (status != 0) {
            return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        }
    }
    double wall = seconds() - start;
    getrusage(RUSAGE_CHILDREN, &use);
    printf("%.6f %.6f\n", wall, cpu_seconds(&use));
    return 0;
}
