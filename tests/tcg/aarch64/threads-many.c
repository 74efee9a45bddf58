/* SPDX-License-Identifier: MIT */
/* A thousand threads, storms of ends, robust and priority-inheriting locks, cancellation. */
#include "test.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern char **environ;

enum { MANY = 1000 };

static pthread_barrier_t all_here;
static long total;

static void *meet(void *arg)
{
    pthread_barrier_wait(&all_here);
    __atomic_fetch_add(&total, (long)arg, __ATOMIC_SEQ_CST);
    pthread_barrier_wait(&all_here);
    return arg;
}

static void test_thousand(void)
{
    static pthread_t thread[MANY];
    pthread_attr_t attr;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 64 << 10);
    pthread_barrier_init(&all_here, NULL, MANY + 1);
    for (long n = 0; n < MANY; n++) {
        NEED(pthread_create(&thread[n], &attr, meet, (void *)n) == 0);
    }
    pthread_barrier_wait(&all_here);
    pthread_barrier_wait(&all_here);
    EQUAL(total, MANY * (MANY - 1L) / 2);
    for (long n = 0; n < MANY; n++) {
        void *result;
        pthread_join(thread[n], &result);
        EQUAL(result, n);
    }
}

static void *short_life(void *arg)
{
    __atomic_fetch_add(&total, 1, __ATOMIC_SEQ_CST);
    return arg;
}

/* Detached threads come and go while others do. */
static void *storm(void *arg)
{
    pthread_attr_t attr;
    pthread_t thread;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    for (int n = 0; n < 200; n++) {
        while (pthread_create(&thread, &attr, short_life, NULL)) {
            sched_yield();
        }
    }
    return arg;
}

static void test_storm(void)
{
    pthread_t thread[3];

    total = 0;
    for (int n = 0; n < 3; n++) {
        pthread_create(&thread[n], NULL, storm, NULL);
    }
    for (int n = 0; n < 3; n++) {
        pthread_join(thread[n], NULL);
    }
    for (int n = 0; n < 2000 && __atomic_load_n(&total, __ATOMIC_SEQ_CST) < 600; n++) {
        usleep(5000);
    }
    EQUAL(total, 600);
}

static void init_lock(pthread_mutex_t *lock, int robust, int protocol, int shared)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, robust);
    pthread_mutexattr_setprotocol(&attr, protocol);
    pthread_mutexattr_setpshared(&attr, shared);
    NEED(pthread_mutex_init(lock, &attr) == 0);
}

static void *die_locked(void *arg)
{
    pthread_mutex_lock(arg);
    return NULL;
}

/*
 * The owner is a thread that ended, or a process that was killed. With a guest base the list of a
 * process that dies by SIGKILL is not seen by the kernel (docs/linux-user.md), so there it is
 * another.
 */
static void test_robust(int protocol)
{
    pthread_mutex_t *lock =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_t thread;
    pid_t child;

    init_lock(lock, PTHREAD_MUTEX_ROBUST, protocol, PTHREAD_PROCESS_SHARED);
    pthread_create(&thread, NULL, die_locked, lock);
    pthread_join(thread, NULL);
    EQUAL(pthread_mutex_lock(lock), EOWNERDEAD);
    EQUAL(pthread_mutex_consistent(lock), 0);
    EQUAL(pthread_mutex_unlock(lock), 0);
    child = fork();
    if (child == 0) {
        pthread_mutex_lock(lock);
        raise(getenv("GUEST_BASE") ? SIGTERM : SIGKILL);
    }
    EQUAL(waitpid(child, NULL, 0), child);
    EQUAL(pthread_mutex_lock(lock), EOWNERDEAD);
    EQUAL(pthread_mutex_consistent(lock), 0);
    EQUAL(pthread_mutex_unlock(lock), 0);
    munmap(lock, 4096);
}

static pthread_mutex_t inheriting;
static long guarded;

static void *take_turns(void *arg)
{
    for (int n = 0; n < 2000; n++) {
        pthread_mutex_lock(&inheriting);
        guarded++;
        pthread_mutex_unlock(&inheriting);
    }
    return arg;
}

static void test_inheriting(void)
{
    pthread_t thread[4];

    init_lock(&inheriting, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_INHERIT, PTHREAD_PROCESS_PRIVATE);
    for (int n = 0; n < 4; n++) {
        pthread_create(&thread[n], NULL, take_turns, NULL);
    }
    for (int n = 0; n < 4; n++) {
        pthread_join(thread[n], NULL);
    }
    EQUAL(guarded, 8000);
}

static int cleaned;

static void clean(void *arg)
{
    __atomic_fetch_add(&cleaned, 1, __ATOMIC_SEQ_CST);
    close((int)(long)arg);
}

static void *wait_to_read(void *arg)
{
    char byte;

    pthread_cleanup_push(clean, arg);
    while (read((int)(long)arg, &byte, 1) == 1) {
    }
    pthread_cleanup_pop(0);
    return NULL;
}

static void *spin_cancelled(void *arg)
{
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    for (;;) {
        __asm__ volatile("");
    }
    return arg;
}

static void test_cancel(void)
{
    for (int n = 0; n < 100; n++) {
        int fds[2];
        pthread_t thread;
        void *result;

        NEED(pipe(fds) == 0);
        pthread_create(&thread, NULL, wait_to_read, (void *)(long)fds[0]);
        if (n & 1) { /* before it blocks, or when it does */
            usleep(200);
        }
        pthread_cancel(thread);
        pthread_join(thread, &result);
        CHECK(result == PTHREAD_CANCELED);
        close(fds[1]);
        pthread_create(&thread, NULL, spin_cancelled, NULL);
        pthread_cancel(thread);
        pthread_join(thread, &result);
        CHECK(result == PTHREAD_CANCELED);
    }
    CHECK(cleaned >= 50); /* those that had begun to read */
}

/* vfork and execve at speed, from several threads. */
static void *spawn_some(void *arg)
{
    char *argv[] = { "true", NULL };

    for (int n = 0; n < 15; n++) {
        int status;
        pid_t child;

        EQUAL(posix_spawn(&child, "/bin/true", NULL, NULL, argv, environ), 0);
        EQUAL(waitpid(child, &status, 0), child);
        EQUAL(status, 0);
        EQUAL(posix_spawn(&child, "/nowhere", NULL, NULL, argv, environ), ENOENT);
    }
    return arg;
}

static void test_spawn(void)
{
    pthread_t thread[4];

    for (int n = 0; n < 4; n++) {
        pthread_create(&thread[n], NULL, spawn_some, NULL);
    }
    for (int n = 0; n < 4; n++) {
        pthread_join(thread[n], NULL);
    }
}

int main(void)
{
    test_thousand();
    test_storm();
    test_robust(PTHREAD_PRIO_NONE);
    test_robust(PTHREAD_PRIO_INHERIT);
    test_inheriting();
    test_cancel();
    test_spawn();
    return test_end();
}
