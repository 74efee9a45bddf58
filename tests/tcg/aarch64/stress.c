/* SPDX-License-Identifier: MIT */
/*
 * Signals under load: timers at 10 kHz over compute loops and system calls, queued real-time
 * signals in order, fork beside threads. Every expiry is counted, every result checked. Runs for
 * STRESS_SECONDS (2).
 */
#include "test.h"
#include <linux/futex.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

enum { PERIOD_NS = 100000, THREADS = 3, QUEUED = 50 };

static volatile int stop;

/* Of a thread: what its handlers saw. */
static __thread struct {
    volatile long hits, overruns;
    volatile double last, before_last; /* when the latest two deliveries were */
    volatile long queued;              /* the next value expected of SIGRTMIN+5 */
    volatile long disorder;
} own;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void on_timer(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    own.hits++;
    own.overruns += info->si_overrun;
    own.before_last = own.last;
    own.last = now();
    /* what a handler may do to the interrupted code's registers, it must get back */
    volatile double x = sqrt((double)own.hits);
    __asm__ volatile("fcmp d0, d1\n" ::: "cc", "v8", "v9", "v31", "x9", "x17");
    (void)x;
}

static void on_queued(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    if (info->si_value.sival_int != own.queued) {
        own.disorder++;
    }
    own.queued = info->si_value.sival_int + 1;
}

/* A known sum in integers, doubles, vectors and flags. */
static uint64_t compute(void)
{
    uint64_t x = 88172645463325252, sum = 0;
    double d = 1;
    float lanes[4] = { 1, 2, 3, 4 };

    for (int i = 0; i < 3000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        sum += x > sum ? x & 255 : x >> 60;
        d = d * 0.999 + (double)(x & 15);
        for (int k = 0; k < 4; k++) {
            lanes[k] = lanes[k] * 0.5f + (float)k;
        }
    }
    return sum + (uint64_t)(d * 1e6) + (uint64_t)(lanes[1] * 1e5f + lanes[3]);
}

static void compute_loop(void)
{
    static uint64_t wanted;
    uint64_t got = compute(), zero = 0;

    if (!__atomic_compare_exchange_n(&wanted, &zero, got, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        EQUAL(got, zero);
    }
}

/* Calls that begin, block, are restarted or are broken off, each with a result that is known. */
static void syscall_loop(void)
{
    static __thread int pair[2], word;
    struct timespec brief = { 0, 50000 }, left;
    char byte = 'x';

    if (!pair[0]) {
        NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    }
    for (int i = 0; i < 20; i++) {
        EQUAL(write(pair[0], &byte, 1), 1);
        EQUAL(read(pair[1], &byte, 1), 1);
        EQUAL(byte, 'x');
        EQUAL(getppid() > 0, 1);
        EQUAL(syscall(SYS_getpriority, 0, 0) > 0, 1);
    }
    long res = syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &brief, NULL, 0);
    CHECK(res == -1 && (errno == ETIMEDOUT || errno == EINTR));
    res = nanosleep(&brief, &left);
    CHECK(res == 0 || (errno == EINTR && left.tv_sec == 0 && left.tv_nsec <= 500000));
    void *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    memset(page, 1, 8192);
    EQUAL(munmap(page, 8192), 0);
}

static timer_t start_timer(int sig)
{
    struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = sig };
    struct itimerspec period = { { 0, PERIOD_NS }, { 0, PERIOD_NS } };
    timer_t timer;

    ev._sigev_un._tid = gettid();
    NEED(timer_create(CLOCK_MONOTONIC, &ev, &timer) == 0);
    NEED(timer_settime(timer, 0, &period, NULL) == 0);
    return timer;
}

static void *stressed(void *arg)
{
    long kind = (long)arg;
    double start = now();
    timer_t timer = start_timer(SIGRTMIN + (int)kind);
    double armed = now();

    while (!stop) {
        if (kind != 1) {
            compute_loop();
        }
        if (kind != 0) {
            syscall_loop();
        }
    }
    /*
     * The clock is read apart from the timer, with any time between the two. Counted for certain is
     * what expired after the timer was armed and before the latest delivery, which came after the
     * handler had run for the one before it; what expires from then until the stop is not.
     */
    double counted = own.before_last - armed;
    struct itimerspec off = { 0 };
    timer_settime(timer, 0, &off, NULL);
    double after = now() - start;
    sched_yield(); /* the last one is delivered here at the latest */
    timer_delete(timer);
    long all = own.hits + own.overruns;
    long least = (long)(counted / (PERIOD_NS * 1e-9)) - 2;
    long most = (long)(after / (PERIOD_NS * 1e-9)) + 2;
    if (all < least || all > most) {
        printf("thread %ld: %ld expiries, not %ld to %ld\n", kind, all, least, most);
        test_failed();
    }
    CHECK(own.hits > 0);
    return NULL;
}

/* Waits for queued signals in a call that they break off. */
static volatile int queue_tid;
static volatile long queue_done;

static void *queue_target(void *arg)
{
    queue_tid = gettid();
    while (!stop) {
        struct timespec brief = { 0, 1000000 };
        nanosleep(&brief, NULL);
        queue_done = own.queued;
    }
    EQUAL(own.disorder, 0);
    return arg;
}

static void queue_some(void)
{
    static int next;

    while (!queue_tid) {
        sched_yield();
    }
    for (int n = 0; n < QUEUED && !stop; n++) {
        siginfo_t info = { .si_signo = SIGRTMIN + 5, .si_code = SI_QUEUE };
        info.si_pid = getpid();
        info.si_value.sival_int = next;
        while (syscall(SYS_rt_tgsigqueueinfo, getpid(), queue_tid, SIGRTMIN + 5, &info) < 0) {
            NEED(errno == EAGAIN);
            sched_yield();
        }
        next++;
    }
    double limit = now() + 20;
    while (queue_done != next && now() < limit) {
        usleep(500);
    }
    EQUAL(queue_done, next);
}

/* A child of a process with threads and timers is whole. */
static void fork_some(void)
{
    for (int n = 0; n < 3; n++) {
        int status;
        pid_t child = fork();

        if (child == 0) {
            for (int i = 0; i < 10; i++) {
                compute_loop();
                free(malloc(1000));
            }
            _exit(test_failures ? 1 : 42);
        }
        NEED(child > 0);
        while (waitpid(child, &status, 0) < 0) {
            NEED(errno == EINTR);
        }
        EQUAL(WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), 42);
    }
}

/* All real-time signals are the program's, those that libc keeps for itself too. */
static volatile int rt_seen[65];

static void on_rt(int sig)
{
    rt_seen[sig]++;
}

static void test_all_rt(void)
{
    struct {
        void (*handler)(int);
        unsigned long flags;
        void *restorer;
        uint64_t mask;
    } act = { on_rt, 0, NULL, 0 }, old[65];

    for (int sig = 32; sig <= 64; sig++) {
        EQUAL(syscall(SYS_rt_sigaction, sig, &act, &old[sig], 8), 0);
    }
    for (int sig = 32; sig <= 64; sig++) {
        EQUAL(syscall(SYS_tgkill, getpid(), gettid(), sig), 0);
        EQUAL(rt_seen[sig], 1);
    }
    for (int sig = 32; sig <= 64; sig++) {
        EQUAL(syscall(SYS_rt_sigaction, sig, &old[sig], NULL, 8), 0);
    }
}

int main(void)
{
    const char *text = getenv("STRESS_SECONDS");
    double end = now() + (text ? atof(text) : 2);
    struct sigaction act = { .sa_sigaction = on_timer, .sa_flags = SA_SIGINFO | SA_RESTART };
    pthread_t thread[THREADS], target;

    test_all_rt();
    for (int n = 0; n < THREADS; n++) {
        sigaction(SIGRTMIN + n, &act, NULL);
    }
    act.sa_sigaction = on_queued;
    sigaction(SIGRTMIN + 5, &act, NULL);
    for (long n = 0; n < THREADS; n++) {
        NEED(pthread_create(&thread[n], NULL, stressed, (void *)n) == 0);
    }
    NEED(pthread_create(&target, NULL, queue_target, NULL) == 0);
    while (now() < end) {
        queue_some();
        fork_some();
    }
    stop = 1;
    for (int n = 0; n < THREADS; n++) {
        pthread_join(thread[n], NULL);
    }
    pthread_join(target, NULL);
    return test_end();
}
