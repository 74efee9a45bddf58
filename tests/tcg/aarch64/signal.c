/* SPDX-License-Identifier: MIT */
/* Asynchronous signals: nesting, masks, alternate stacks, restart, changed frames. */
#include "test.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>

static volatile int depth, deepest, count, last_value;
static void *volatile handler_sp;

static void nested(int signal)
{
    depth++;
    count++;
    if (depth > deepest) {
        deepest = depth;
    }
    if (signal < SIGRTMIN + 5) {
        raise(signal + 1);
    }
    depth--;
}

static void catch (int signal, void (*handler)(int), int flags)
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
    NEED(sigaction(signal, &action, NULL) == 0);
}

static void test_nesting(void)
{
    for (int i = 0; i <= 5; i++) {
        catch (SIGRTMIN + i, nested, 0);
    }
    raise(SIGRTMIN);
    EQUAL(count, 6);
    EQUAL(deepest, 6);
}

static void note(int signal)
{
    (void)signal;
    count++;
    handler_sp = __builtin_frame_address(0);
}

static void test_mask(void)
{
    sigset_t set, old, pending;
    catch (SIGUSR1, note, 0);
    count = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    raise(SIGUSR1);
    raise(SIGUSR1);
    EQUAL(count, 0);
    sigpending(&pending);
    EQUAL(sigismember(&pending, SIGUSR1), 1);
    sigprocmask(SIG_SETMASK, &old, NULL);
    EQUAL(count, 1); /* an ordinary signal is pending once */

    /* Real-time ones queue, in order, with their values. */
    sigset_t rt;
    sigemptyset(&rt);
    sigaddset(&rt, SIGRTMIN + 8);
    sigprocmask(SIG_BLOCK, &rt, NULL);
    for (int i = 0; i < 5; i++) {
        NEED(sigqueue(getpid(), SIGRTMIN + 8, (union sigval){ .sival_int = 100 + i }) == 0);
    }
    for (int i = 0; i < 5; i++) {
        siginfo_t info;
        EQUAL(sigwaitinfo(&rt, &info), SIGRTMIN + 8);
        EQUAL(info.si_value.sival_int, 100 + i);
        EQUAL(info.si_code, SI_QUEUE);
        EQUAL(info.si_pid, getpid());
    }
    struct timespec brief = { 0, 1000000 };
    EQUAL(sigtimedwait(&rt, NULL, &brief), -1);
    EQUAL(errno, EAGAIN);
}

static void test_altstack(void)
{
    static char stack[65536];
    stack_t ss = { .ss_sp = stack, .ss_size = sizeof stack }, old;
    NEED(sigaltstack(&ss, NULL) == 0);
    catch (SIGUSR2, note, SA_ONSTACK);
    raise(SIGUSR2);
    CHECK((char *)handler_sp > stack && (char *)handler_sp < stack + sizeof stack);
    sigaltstack(NULL, &old);
    EQUAL(old.ss_flags, 0);
    EQUAL(old.ss_sp, stack);
    ss.ss_flags = SS_DISABLE;
    sigaltstack(&ss, NULL);
    raise(SIGUSR2);
    CHECK(!((char *)handler_sp > stack && (char *)handler_sp < stack + sizeof stack));
}

/* A stack that overflows is reported on the alternate one. */
static ucontext_t escape;
static volatile int overflowed;

static void overflow_handler(int signal)
{
    (void)signal;
    overflowed = 1;
    setcontext(&escape);
}

__attribute__((noinline)) static int overflow(int n)
{
    volatile char space[4096];
    space[0] = n;
    return n < 0 ? 0 : overflow(n + 1) + space[0];
}

static void *overflow_thread(void *unused)
{
    static char stack[65536];
    stack_t ss = { .ss_sp = stack, .ss_size = sizeof stack };
    NEED(sigaltstack(&ss, NULL) == 0);
    catch (SIGSEGV, overflow_handler, SA_ONSTACK);
    getcontext(&escape);
    if (!overflowed) {
        overflow(0);
    }
    return unused;
}

static void test_overflow(void)
{
    pthread_t thread;
    NEED(pthread_create(&thread, NULL, overflow_thread, NULL) == 0);
    pthread_join(thread, NULL);
    EQUAL(overflowed, 1);
    catch (SIGSEGV, SIG_DFL, 0);
}

static void alarm_in(long usec, long again)
{
    struct itimerval timer = { { 0, again }, { 0, usec } };
    NEED(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

static int restart_pipe[2];

static void write_pipe(int signal)
{
    (void)signal;
    count++;
    if (count >= 2) {
        NEED(write(restart_pipe[1], "x", 1) == 1);
    } else {
        alarm_in(20000, 0);
    }
}

static void test_restart(void)
{
    char c;
    NEED(pipe(restart_pipe) == 0);
    count = 0;
    catch (SIGALRM, write_pipe, SA_RESTART);
    alarm_in(20000, 0);
    EQUAL(read(restart_pipe[0], &c, 1), 1); /* goes on after two signals */
    EQUAL(count, 2);

    /* Again and again: the first one may come before the call. */
    catch (SIGALRM, note, 0);
    alarm_in(20000, 20000);
    EQUAL(read(restart_pipe[0], &c, 1), -1);
    EQUAL(errno, EINTR);

    struct timespec wanted = { 10, 0 }, left = { 0, 0 };
    catch (SIGALRM, note, SA_RESTART);
    EQUAL(nanosleep(&wanted, &left), -1); /* never restarts when a handler ran */
    EQUAL(errno, EINTR);
    CHECK(left.tv_sec >= 5 && left.tv_sec < 10);
    EQUAL(pause(), -1);
    alarm_in(0, 0);
}

/* What the handler changes in the frame is what the program goes on with. */
static void change(int signal, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    (void)signal;
    (void)info;
    uc->uc_mcontext.regs[10] = 4711;
    uc->uc_mcontext.pstate = (uc->uc_mcontext.pstate & ~0xf0000000) | 0x60000000;
    struct fpsimd_context *fp = (struct fpsimd_context *)uc->uc_mcontext.__reserved;
    EQUAL(fp->head.magic, FPSIMD_MAGIC);
    EQUAL(fp->head.size, sizeof *fp);
    EQUAL((uint64_t)fp->vregs[9], 0x1234);
    fp->vregs[9] = 0x5678;
}

static void test_frame(void)
{
    struct sigaction action = { .sa_sigaction = change, .sa_flags = SA_SIGINFO };
    uint64_t x10, nzcv, v9;
    long process = getpid(), thread = gettid();
    sigaction(SIGUSR1, &action, NULL);
    register long number __asm__("x8") = 131; /* tgkill */
    register long x0 __asm__("x0") = process;
    register long x1 __asm__("x1") = thread;
    register long x2 __asm__("x2") = SIGUSR1;
    __asm__ volatile("mov x10, #0x1234\n"
                     "fmov d9, x10\n"
                     "msr nzcv, xzr\n"
                     "svc #0\n"
                     "mov %0, x10\n"
                     "mrs %1, nzcv\n"
                     "fmov %2, d9\n"
                     : "=&r"(x10), "=&r"(nzcv), "=&r"(v9), "+r"(x0)
                     : "r"(number), "r"(x1), "r"(x2)
                     : "x10", "v9", "memory", "cc");
    EQUAL(x0, 0);
    EQUAL(x10, 4711);
    EQUAL(nzcv >> 28, 6);
    EQUAL(v9, 0x5678);
}

/* A signal every now and then while the program computes: nothing may go amiss. */
static void test_storm(void)
{
    struct itimerval timer = { { 0, 500 }, { 0, 500 } };
    uint64_t sum = 0;
    double f = 0;
    count = 0;
    catch (SIGALRM, note, SA_RESTART);
    setitimer(ITIMER_REAL, &timer, NULL);
    for (uint64_t i = 0; count < 50; i++) {
        uint64_t x = i * 0x9e3779b97f4a7c15;
        sum += (x ^ x >> 31) - (x ^ x >> 31);
        f += (double)(i & 7) - (double)(i & 7);
    }
    memset(&timer, 0, sizeof timer);
    setitimer(ITIMER_REAL, &timer, NULL);
    EQUAL(sum, 0);
    CHECK(f == 0);
}

static void child_died(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    last_value = info->si_status;
    CHECK(info->si_code == CLD_EXITED);
}

static void test_child(void)
{
    struct sigaction action = { .sa_sigaction = child_died, .sa_flags = SA_SIGINFO };
    sigset_t none, chld;
    sigemptyset(&none);
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    sigprocmask(SIG_BLOCK, &chld, NULL);
    sigaction(SIGCHLD, &action, NULL);
    pid_t child = fork();
    if (child == 0) {
        _exit(42);
    }
    EQUAL(sigsuspend(&none), -1);
    EQUAL(errno, EINTR);
    EQUAL(last_value, 42);
    EQUAL(waitpid(child, NULL, 0), child);
    /* A default action is visible to the parent. */
    int status;
    child = fork();
    if (child == 0) {
        raise(SIGTERM);
        _exit(0);
    }
    EQUAL(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    child = fork();
    if (child == 0) {
        volatile int *volatile nowhere = (int *)8;
        *nowhere = 1;
        _exit(0);
    }
    EQUAL(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static void test_flags(void)
{
    struct sigaction old;
    catch (SIGUSR1, note, SA_RESETHAND);
    raise(SIGUSR1);
    sigaction(SIGUSR1, NULL, &old);
    CHECK(old.sa_handler == SIG_DFL);
    catch (SIGUSR1, SIG_IGN, 0);
    raise(SIGUSR1);
    EQUAL(kill(getpid(), 0), 0);
    EQUAL(kill(-12345678, 0), -1);
    EQUAL(errno, ESRCH);
    struct sigaction bad = { .sa_handler = note };
    EQUAL(sigaction(SIGKILL, &bad, NULL), -1);
    EQUAL(errno, EINVAL);
}

/* A signal reaches a child that has only just been made. */
static void test_new_child(void)
{
    const int signals[] = { SIGILL, SIGSEGV, SIGBUS, SIGFPE, SIGTERM };
    struct rlimit no_core = { 0, 0 };
    int status;

    setrlimit(RLIMIT_CORE, &no_core);
    for (int n = 0; n < 100; n++) {
        pid_t child = fork();

        if (child == 0) {
            alarm(60);
            for (;;) {
                pause();
            }
        }
        NEED(child > 0);
        EQUAL(kill(child, signals[n % 5]), 0);
        EQUAL(waitpid(child, &status, 0), child);
        CHECK(WIFSIGNALED(status));
        EQUAL(WTERMSIG(status), signals[n % 5]);
    }
}

int main(void)
{
    test_nesting();
    test_mask();
    test_altstack();
    test_overflow();
    test_restart();
    test_frame();
    test_storm();
    test_child();
    test_new_child();
    test_flags();
    return test_end();
}
