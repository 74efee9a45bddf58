/* SPDX-License-Identifier: MIT */
/*
 * ThreadSanitizer, which wants an address space of 39, 42 or 48 bits and programs, libraries and
 * heap where an arm64 kernel puts them. A child has the race that is to be found.
 */
#include "test.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>

const char *__tsan_default_options(void)
{
    return "exitcode=55";
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static bool careful = true;
static int count;

static void *increment(void *arg)
{
    for (int n = 0; n < 1000; n++) {
        if (careful) {
            pthread_mutex_lock(&mutex);
        }
        count++;
        if (careful) {
            pthread_mutex_unlock(&mutex);
        }
    }
    return arg;
}

static void count_with_two(void)
{
    pthread_t thread[2];

    for (int n = 0; n < 2; n++) {
        NEED(pthread_create(&thread[n], NULL, increment, NULL) == 0);
    }
    for (int n = 0; n < 2; n++) {
        pthread_join(thread[n], NULL);
    }
}

int main(void)
{
    int status = -1;
    pid_t child;

    child = fork();
    if (child == 0) {
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        careful = false;
        count_with_two();
        exit(0);
    }
    EQUAL(waitpid(child, &status, 0), child);
    EQUAL(status, 55 << 8);
    count_with_two();
    EQUAL(count, 2000);
    return test_end();
}
