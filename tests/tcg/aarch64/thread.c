/* SPDX-License-Identifier: MIT */
/* Threads: creation, TLS, locks, conditions, robust mutexes, directed signals, exit. */
#include "test.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

enum { THREADS = 16 };

static __thread long own = 7;
static __thread char own_space[5000] __attribute__((aligned(64)));
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long shared;

static void *count(void *arg)
{
    EQUAL(own, 7);
    EQUAL((uintptr_t)own_space % 64, 0);
    own = (long)arg;
    memset(own_space, (int)own, sizeof own_space);
    for (int i = 0; i < 2000; i++) {
        pthread_mutex_lock(&lock);
        shared++;
        pthread_mutex_unlock(&lock);
        if (i % 500 == 0) {
            sched_yield();
        }
    }
    EQUAL(own, (long)arg);
    EQUAL(own_space[4999], (char)(long)arg);
    return (void *)(own * 2);
}

static void test_create(void)
{
    for (int round = 0; round < 5; round++) {
        pthread_t thread[THREADS];
        shared = 0;
        for (long i = 0; i < THREADS; i++) {
            NEED(pthread_create(&thread[i], NULL, count, (void *)i) == 0);
        }
        for (long i = 0; i < THREADS; i++) {
            void *result;
            EQUAL(pthread_join(thread[i], &result), 0);
            EQUAL(result, i * 2);
        }
        EQUAL(shared, THREADS * 2000);
        EQUAL(own, 7);
    }
}

static pthread_cond_t nonempty = PTHREAD_COND_INITIALIZER;
static int queue[8], queued, finished;

static void *consumer(void *arg)
{
    long sum = 0;
    (void)arg;
    pthread_mutex_lock(&lock);
    for (;;) {
        while (!queued && !finished) {
            pthread_cond_wait(&nonempty, &lock);
        }
        if (!queued) {
            break;
        }
        sum += queue[--queued];
        pthread_cond_broadcast(&nonempty);
    }
    pthread_mutex_unlock(&lock);
    return (void *)sum;
}

static void test_condition(void)
{
    pthread_t thread[4];
    long sum = 0;
    for (int i = 0; i < 4; i++) {
        pthread_create(&thread[i], NULL, consumer, NULL);
    }
    for (int i = 1; i <= 1000; i++) {
        pthread_mutex_lock(&lock);
        while (queued == 8) {
            pthread_cond_wait(&nonempty, &lock);
        }
        queue[queued++] = i;
        pthread_cond_broadcast(&nonempty);
        pthread_mutex_unlock(&lock);
    }
    pthread_mutex_lock(&lock);
    finished = 1;
    pthread_cond_broadcast(&nonempty);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < 4; i++) {
        void *part;
        pthread_join(thread[i], &part);
        sum += (long)part;
    }
    EQUAL(sum, 500500);

    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 20000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&lock);
    EQUAL(pthread_cond_timedwait(&nonempty, &lock, &until), ETIMEDOUT);
    pthread_mutex_unlock(&lock);
}

static pthread_mutex_t robust;

static void *die_locked(void *arg)
{
    pthread_mutex_lock(&robust);
    return arg;
}

static void test_robust(void)
{
    pthread_mutexattr_t attr;
    pthread_t thread;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&robust, &attr);
    pthread_create(&thread, NULL, die_locked, NULL);
    pthread_join(thread, NULL);
    EQUAL(pthread_mutex_lock(&robust), EOWNERDEAD);
    EQUAL(pthread_mutex_consistent(&robust), 0);
    EQUAL(pthread_mutex_unlock(&robust), 0);
}

static pthread_barrier_t barrier;
static sem_t semaphore;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int initialised;

static void initialise(void)
{
    initialised++;
}

static void *meet(void *arg)
{
    for (int i = 0; i < 50; i++) {
        pthread_barrier_wait(&barrier);
    }
    pthread_once(&once, initialise);
    sem_post(&semaphore);
    return arg;
}

static void test_barrier(void)
{
    pthread_t thread[4];
    pthread_barrier_init(&barrier, NULL, 4);
    sem_init(&semaphore, 0, 0);
    for (int i = 0; i < 4; i++) {
        pthread_create(&thread[i], NULL, meet, NULL);
    }
    for (int i = 0; i < 4; i++) {
        EQUAL(sem_wait(&semaphore), 0);
        pthread_join(thread[i], NULL);
    }
    EQUAL(initialised, 1);
}

static __thread volatile sig_atomic_t signalled;
static volatile int stop;

static void on_signal(int signal)
{
    signalled = signal;
    stop = gettid();
}

static void *spin(void *arg)
{
    *(volatile int *)arg = gettid();
    while (!signalled) {
        /* a loop without system calls: the signal has to reach translated code */
    }
    return NULL;
}

static void test_directed(void)
{
    volatile int tid = 0;
    pthread_t thread;
    struct sigaction action = { .sa_handler = on_signal };
    sigaction(SIGUSR1, &action, NULL);
    pthread_create(&thread, NULL, spin, (void *)&tid);
    while (!tid) {
        sched_yield();
    }
    pthread_kill(thread, SIGUSR1);
    pthread_join(thread, NULL);
    EQUAL(stop, tid);
    EQUAL(signalled, 0);
}

static void *wait_forever(void *arg)
{
    pause();
    return arg;
}

static void test_cancel(void)
{
    pthread_t thread;
    void *result;
    pthread_create(&thread, NULL, wait_forever, NULL);
    EQUAL(pthread_cancel(thread), 0);
    pthread_join(thread, &result);
    CHECK(result == PTHREAD_CANCELED);
}

static void test_futex(void)
{
    int word = 5;
    struct timespec brief = { 0, 5000000 };
    EQUAL(syscall(SYS_futex, &word, FUTEX_WAIT, 6, NULL), -1);
    EQUAL(errno, EAGAIN);
    EQUAL(syscall(SYS_futex, &word, FUTEX_WAIT, 5, &brief), -1);
    EQUAL(errno, ETIMEDOUT);
    EQUAL(syscall(SYS_futex, &word, FUTEX_WAKE, 1), 0);
}

/* The whole process ends with another thread still running. */
static void *forever(void *arg)
{
    for (;;) {
        __asm__ volatile("");
    }
    return arg;
}

static void test_exit_group(void)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, forever, NULL);
        _exit(9);
    }
    EQUAL(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 9);
}

int main(void)
{
    test_create();
    test_condition();
    test_robust();
    test_barrier();
    test_directed();
    test_cancel();
    test_futex();
    test_exit_group();
    return test_end();
}
