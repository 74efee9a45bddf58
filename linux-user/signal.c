/* SPDX-License-Identifier: MIT */
/*
 * Signals. The host's mask is always the guest's (without the signals that faults of compiled code
 * raise), so the kernel does all queueing, waiting and choosing of threads. The host handler puts a
 * signal into the thread's slot and blocks everything until the guest's frame has been built at the
 * next safe point; nothing is lost and no queue of our own is needed.
 */
#include "linux-user/gdb.h"
#include "linux-user/user.h"
#include "util/log.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

extern const char __executable_start[];

/* The host's kernel structure: libc's functions keep signals 32 and 33 for themselves. */
typedef struct KernelSigaction {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
} KernelSigaction;

enum { HOST_SA_RESTORER = 0x04000000, HOST_ALTSTACK_SIZE = 64 << 10 };
enum { GUEST_SA_KEPT = SA_NOCLDSTOP | SA_NOCLDWAIT };

/* Signals that compiled code raises on the host, so they can never be blocked there. */
static const uint8_t fault_signals[NB_FAULT_SIGNALS] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE };
static const uint64_t fault_signal_mask =
    1u << (SIGSEGV - 1) | 1u << (SIGBUS - 1) | 1u << (SIGILL - 1) | 1u << (SIGFPE - 1);

/* Those whose default action is a core dump. */
static const uint8_t dumping_signals[] = { SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGFPE,
                                           SIGSEGV, SIGBUS, SIGSYS,  SIGXCPU, SIGXFSZ };

/* Those whose default action does not end the process, or is nobody's to change. */
static const uint8_t harmless_signals[] = { SIGCHLD, SIGCONT, SIGURG,  SIGWINCH, SIGKILL,
                                            SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU };

__asm__(".pushsection .text\n"
        ".globl host_sigreturn\n"
        ".hidden host_sigreturn\n"
        "host_sigreturn:\n"
        "    mov $15, %eax\n" /* __NR_rt_sigreturn */
        "    syscall\n"
        ".popsection\n");
void host_sigreturn(void) __attribute__((visibility("hidden")));

static int fault_index(int sig)
{
    for (int n = 0; n < NB_FAULT_SIGNALS; n++) {
        if (fault_signals[n] == sig) {
            return n;
        }
    }
    return -1;
}

uint64_t pending_fault_mask(const TaskState *ts)
{
    uint64_t mask = 0;

    for (int n = 0; n < NB_FAULT_SIGNALS; n++) {
        mask |= ts->fault_pending & 1u << n ? sig_bit(fault_signals[n]) : 0;
    }
    return mask;
}

/* ---- masks
 * --------------------------------------------------------------------------------------------- */

static void host_set_mask(uint64_t mask)
{
    raw_syscall(__NR_rt_sigprocmask, SIG_SETMASK, (uintptr_t)&mask, 0, sizeof(mask), 0, 0);
}

uint64_t host_mask(uint64_t guest_mask)
{
    return guest_mask & ~fault_signal_mask;
}

void block_signals(void)
{
    host_set_mask(~fault_signal_mask);
}

void block_all_signals(void)
{
    host_set_mask(~UINT64_C(0));
}

void unblock_signals(TaskState *ts)
{
    host_set_mask(host_mask(ts->sigmask));
}

int set_guest_mask(TaskState *ts, uint64_t mask)
{
    uint64_t host = host_mask(mask);

    mask &= ~(sig_bit(SIGKILL) | sig_bit(SIGSTOP));
    if (safe_call(__NR_rt_sigprocmask, SIG_SETMASK, (uintptr_t)&host, 0, sizeof(host)) < 0) {
        return -RES_RESTART_ALWAYS;
    }
    ts->sigmask = mask;
    if (pending_fault_mask(ts) & ~mask) {
        ts->signal_pending = 1;
    }
    return 0;
}

/* ---- the host's side
 * ------------------------------------------------------------------------------------- */

static G_NORETURN void emulator_crashed(TaskState *ts, const siginfo_t *info, void *ucontext)
{
    char text[400];
    int n =
        snprintf(text, sizeof(text),
                 "latimer: internal error: %s at host pc 0x%" PRIx64 " (program at %p), address %p;"
                 " guest pc 0x%" PRIx64 "\n"
                 "latimer: this is a bug in Latimer, not in the guest program; please report it"
                 " with these two lines, the command and -version's output\n",
                 strsignal(info->si_signo), host_context_pc(ucontext),
                 (const void *)__executable_start, info->si_addr, ts ? cpu_get_pc(ts->cpu) : 0);

    if (write(STDERR_FILENO, text, n) < 0) {
        /* nowhere to say it */
    }
    die_by_signal(info->si_signo);
}

static void host_signal_handler(int sig, siginfo_t *info, void *ucontext)
{
    TaskState *ts = current_task;
    ucontext_t *uc = ucontext;
    int fault = fault_index(sig), saved_errno = errno;
    uint64_t all = ~fault_signal_mask;

    if (fault >= 0 && info->si_code > 0) {
        if (!host_fixup_fault(uc) && !(ts && tcg_handle_host_signal(ts->cpu, info, uc))) {
            emulator_crashed(ts, info, uc);
        }
        errno = saved_errno;
        return;
    }
    if (fault >= 0) {
        ts->fault_info[fault] = *info;
        ts->fault_pending |= 1u << fault;
    } else if (ts->async_sig) {
        /* The slot is full though all was blocked: back to the kernel, which keeps it. */
        raw_syscall(__NR_rt_tgsigqueueinfo, getpid(), ts->tid, sig, (uintptr_t)info, 0, 0);
    } else {
        ts->async_info = *info;
        ts->async_sig = sig;
    }
    ts->signal_pending = 1;
    memcpy(&uc->uc_sigmask, &all, sizeof(all));
    host_fixup_syscall(uc);
    cpu_request_exit(ts->cpu);
    errno = saved_errno;
}

static void host_sigaction(int sig, const KernelSigaction *act, KernelSigaction *old)
{
    raw_syscall(__NR_rt_sigaction, sig, (uintptr_t)act, (uintptr_t)old, sizeof(uint64_t), 0, 0);
}

/*
 * A default action that is ours to do, not the kernel's: a core dump of the guest, an end with
 * robust locks, and everything that a debugger wants to hear of first.
 */
static bool is_our_default(int sig)
{
    struct rlimit core;

    if (gdb_active) {
        return sig != SIGCHLD && sig != SIGCONT && sig != SIGURG && sig != SIGWINCH &&
               sig != SIGKILL && sig != SIGSTOP;
    }
    if (guest_base && !memchr(harmless_signals, sig, sizeof(harmless_signals))) {
        return true; /* robust_list_end */
    }
    return memchr(dumping_signals, sig, sizeof(dumping_signals)) &&
           getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur;
}

static void host_install(int sig, const GuestSigaction *act)
{
    KernelSigaction host = { 0 };

    host.restorer = host_sigreturn;
    host.flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART | HOST_SA_RESTORER;
    if (act && fault_index(sig) < 0 &&
        (act->handler == (uintptr_t)SIG_IGN ||
         (act->handler == (uintptr_t)SIG_DFL && !is_our_default(sig)))) {
        host.handler = (void (*)(int, siginfo_t *, void *))(uintptr_t)act->handler;
    } else {
        host.handler = host_signal_handler;
    }
    host.flags |= act ? act->flags & GUEST_SA_KEPT : 0;
    host.mask = ~fault_signal_mask;
    host_sigaction(sig, &host, NULL);
}

void signal_stack_init(TaskState *ts)
{
    stack_t st = { .ss_size = HOST_ALTSTACK_SIZE };

    ts->host_altstack = st.ss_sp = mmap(NULL, HOST_ALTSTACK_SIZE, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    sigaltstack(&st, NULL);
}

void signal_stack_free(TaskState *ts)
{
    stack_t st = { .ss_flags = SS_DISABLE };

    sigaltstack(&st, NULL);
    munmap(ts->host_altstack, HOST_ALTSTACK_SIZE);
}

void signal_catch_defaults(TaskState *ts)
{
    for (int sig = 1; sig <= NB_SIGNALS; sig++) {
        GuestSigaction act;

        if (is_our_default(sig) && fault_index(sig) < 0) {
            sighand_get(ts->sighand, sig, &act);
            host_install(sig, &act);
        }
    }
}

void signal_init(TaskState *ts)
{
    raw_syscall(__NR_rt_sigprocmask, SIG_BLOCK, 0, (uintptr_t)&ts->sigmask, sizeof(ts->sigmask), 0,
                0);
    ts->altstack.ss_flags = SS_DISABLE;
    signal_stack_init(ts);
    for (int n = 0; n < NB_FAULT_SIGNALS; n++) {
        GuestSigaction act;

        sighand_get(ts->sighand, fault_signals[n], &act); /* what we were started with */
        host_install(fault_signals[n], NULL);
    }
    signal_catch_defaults(ts);
    unblock_signals(ts);
}

/* ---- dispositions
 * ---------------------------------------------------------------------------------------- */

static void get_locked(SigHand *sh, int sig, GuestSigaction *act)
{
    if (!(sh->known & sig_bit(sig))) {
        KernelSigaction host = { 0 };

        host_sigaction(sig, NULL, &host);
        sh->act[sig] = (GuestSigaction){ .handler = host.handler == (void *)SIG_IGN ? 1 : 0 };
        sh->known |= sig_bit(sig);
    }
    *act = sh->act[sig];
}

void sighand_get(SigHand *sh, int sig, GuestSigaction *act)
{
    pthread_mutex_lock(&sh->lock);
    get_locked(sh, sig, act);
    pthread_mutex_unlock(&sh->lock);
}

void sighand_set(SigHand *sh, int sig, const GuestSigaction *act)
{
    pthread_mutex_lock(&sh->lock);
    sh->act[sig] = *act;
    sh->act[sig].mask &= ~(sig_bit(SIGKILL) | sig_bit(SIGSTOP));
    sh->known |= sig_bit(sig);
    host_install(sig, act);
    pthread_mutex_unlock(&sh->lock);
}

SigHand *sighand_copy(SigHand *old)
{
    SigHand *sh = g_new0(SigHand, 1);

    if (old) {
        memcpy(sh->act, old->act, sizeof(sh->act));
        sh->known = old->known;
    }
    pthread_mutex_init(&sh->lock, NULL);
    return sh;
}

/* ---- delivery
 * --------------------------------------------------------------------------------------------- */

void die_by_signal(int sig)
{
    KernelSigaction dfl = { 0 };
    uint64_t mask = ~sig_bit(sig);

    if (G_UNLIKELY(gdb_active) && current_task) {
        gdb_process_end(current_task, true, sig);
    }
    log_printf(LOG_INT, "signal: killed by %d (%s)\n", sig, strsignal(sig));
    block_signals();
    host_sigaction(sig, &dfl, NULL);
    raw_syscall(__NR_tgkill, getpid(), raw_syscall(__NR_gettid, 0, 0, 0, 0, 0, 0), sig, 0, 0, 0);
    host_set_mask(mask);
    _exit(128 + sig); /* not reached: the signal is fatal */
}

/* As die_by_signal, with a core dump of the guest where there is one; the host's would show us. */
static G_NORETURN void die_with_core(TaskState *ts, const siginfo_t *info)
{
    block_signals();
    robust_list_end(ts);
    if (memchr(dumping_signals, info->si_signo, sizeof(dumping_signals))) {
        core_dump(ts, info);
        prctl(PR_SET_DUMPABLE, 0);
    }
    die_by_signal(info->si_signo);
}

static void default_action(TaskState *ts, const siginfo_t *info)
{
    switch (info->si_signo) {
    case SIGCHLD:
    case SIGCONT:
    case SIGURG:
    case SIGWINCH:
        break;
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
        raw_syscall(__NR_kill, getpid(), SIGSTOP, 0, 0, 0, 0);
        break;
    default:
        die_with_core(ts, info);
    }
}

static bool on_altstack(const TaskState *ts, uint64_t sp)
{
    return sp - (uintptr_t)ts->altstack.ss_sp - 1 < ts->altstack.ss_size;
}

/* Runs the guest's handler: builds its frame and changes the mask. */
static void enter_handler(TaskState *ts, const siginfo_t *info, const GuestSigaction *act)
{
    uint64_t sp = ts->arch->get_sp(ts->cpu);
    uint64_t oldmask = ts->sigmask, base = ts->suspended ? ts->suspend_mask : ts->sigmask;
    bool use_alt = act->flags & SA_ONSTACK && !(ts->altstack.ss_flags & SS_DISABLE);

    ts->suspended = false;
    if (use_alt && !on_altstack(ts, sp)) {
        sp = (uintptr_t)ts->altstack.ss_sp + ts->altstack.ss_size;
    } else if (use_alt && sp - ts->arch->minsigstksz < (uintptr_t)ts->altstack.ss_sp) {
        force_segv(ts, info->si_signo); /* the alternate stack is full */
        return;
    }
    if (!ts->arch->setup_frame(ts, info->si_signo, info, act, oldmask, sp,
                               proc.vdso + ts->arch->vdso->rt_sigreturn)) {
        force_segv(ts, info->si_signo);
        return;
    }
    if (ts->altstack.ss_flags & (int)(1u << 31)) { /* SS_AUTODISARM */
        ts->altstack = (stack_t){ .ss_flags = SS_DISABLE };
    }
    ts->sigmask = base | act->mask | (act->flags & SA_NODEFER ? 0 : sig_bit(info->si_signo));
}

static void handle_signal(TaskState *ts, const siginfo_t *info, int *restart)
{
    int sig = info->si_signo;
    siginfo_t other;
    GuestSigaction act;

    if (G_UNLIKELY(gdb_active)) {
        sig = gdb_signal(ts, sig, info);
        if (!sig) {
            return;
        }
        if (sig != info->si_signo) {
            other = (siginfo_t){ .si_signo = sig, .si_code = SI_USER };
            info = &other;
        }
    }

    pthread_mutex_lock(&ts->sighand->lock);
    get_locked(ts->sighand, sig, &act);
    if (act.handler > 1 && act.flags & SA_RESETHAND) {
        ts->sighand->act[sig].handler = 0;
        host_install(sig, &ts->sighand->act[sig]);
    }
    pthread_mutex_unlock(&ts->sighand->lock);

    log_printf(LOG_INT,
               "signal: %d (%s) code %d address %p, handler 0x%" PRIx64 ", pc 0x%" PRIx64 "\n", sig,
               strsignal(sig), info->si_code, info->si_addr, act.handler, cpu_get_pc(ts->cpu));
    if (act.handler == (uintptr_t)SIG_IGN) {
        return;
    }
    if (act.handler == (uintptr_t)SIG_DFL) {
        default_action(ts, info);
        return;
    }
    if (*restart == RES_RESTART_ALWAYS || (*restart && act.flags & SA_RESTART)) {
        ts->arch->rewind_syscall(ts->cpu);
    } else if (*restart) {
        ts->arch->syscall_result(ts->cpu, -EINTR);
    }
    *restart = 0;
    enter_handler(ts, info, &act);
}

void process_pending_signals(TaskState *ts, int restart)
{
    while (ts->signal_pending) {
        uint64_t mask = ts->suspended ? ts->suspend_mask : ts->sigmask;

        block_signals();
        ts->signal_pending = 0;
        for (int n = 0; n < NB_FAULT_SIGNALS; n++) {
            siginfo_t info = ts->fault_info[n];

            if (ts->fault_pending & 1u << n && !(mask & sig_bit(fault_signals[n]))) {
                ts->fault_pending &= ~(1u << n);
                handle_signal(ts, &info, &restart);
                mask = ts->sigmask;
            }
        }
        if (ts->async_sig) {
            siginfo_t info = ts->async_info;

            ts->async_sig = 0;
            handle_signal(ts, &info, &restart);
        }
        ts->suspended = false;
        unblock_signals(ts);
    }
    ts->suspended = false;
    if (restart) {
        ts->arch->rewind_syscall(ts->cpu);
    }
}

void force_signal(TaskState *ts, siginfo_t *info)
{
    GuestSigaction act;
    int none = 0;

    sighand_get(ts->sighand, info->si_signo, &act);
    if (act.handler == (uintptr_t)SIG_IGN || ts->sigmask & sig_bit(info->si_signo)) {
        die_with_core(ts, info);
    }
    block_signals();
    handle_signal(ts, info, &none);
    if (!ts->async_sig) {
        unblock_signals(ts);
    }
}

void force_segv(TaskState *ts, int sig)
{
    siginfo_t info = { .si_signo = SIGSEGV, .si_code = SI_KERNEL };

    if (sig == SIGSEGV) { /* its own frame failed: there is no second try */
        die_with_core(ts, &info);
    }
    force_signal(ts, &info);
}
