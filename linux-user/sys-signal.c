/* SPDX-License-Identifier: MIT */
/* System calls on signals. The host's mask is the guest's (signal.c), so most need nothing here. */
#include "linux-user/syscalls.h"

#include <string.h>
#include <sys/syscall.h>

enum { SIGSET_SIZE = 8 };

int64_t sys_rt_sigaction(TaskState *ts, uint64_t a[MAX_ARGS])
{
    int sig = (int)a[0];
    GuestSigaction act, old;

    if (a[3] != SIGSET_SIZE || sig < 1 || sig > NB_SIGNALS) {
        return -EINVAL;
    }
    if (a[1] && (sig == SIGKILL || sig == SIGSTOP)) {
        return -EINVAL;
    }
    if (a[1] && !copy_from_guest(&act, a[1], sizeof(act))) {
        return -EFAULT;
    }
    sighand_get(ts->sighand, sig, &old);
    if (a[1]) {
        sighand_set(ts->sighand, sig, &act);
    }
    return !a[2] || copy_to_guest(a[2], &old, sizeof(old)) ? 0 : -EFAULT;
}

int64_t sys_rt_sigprocmask(TaskState *ts, uint64_t a[MAX_ARGS])
{
    uint64_t set, old = ts->sigmask;

    if (a[3] != SIGSET_SIZE) {
        return -EINVAL;
    }
    if (a[1]) {
        int res;

        if (!copy_from_guest(&set, a[1], sizeof(set))) {
            return -EFAULT;
        }
        switch ((int)a[0]) {
        case SIG_BLOCK:
            set |= old;
            break;
        case SIG_UNBLOCK:
            set = old & ~set;
            break;
        case SIG_SETMASK:
            break;
        default:
            return -EINVAL;
        }
        res = set_guest_mask(ts, set);
        if (res < 0) {
            return res;
        }
    }
    return !a[2] || copy_to_guest(a[2], &old, sizeof(old)) ? 0 : -EFAULT;
}

int64_t sys_rt_sigpending(TaskState *ts, uint64_t a[MAX_ARGS])
{
    uint64_t set = 0;
    int64_t res = safe_call(__NR_rt_sigpending, (uintptr_t)&set, SIGSET_SIZE);

    if (res < 0 || a[1] > SIGSET_SIZE) {
        return res < 0 ? res : -EINVAL;
    }
    set |= pending_fault_mask(ts);
    return copy_to_guest(a[0], &set, a[1]) ? 0 : -EFAULT;
}

int64_t sys_rt_sigsuspend(TaskState *ts, uint64_t a[MAX_ARGS])
{
    uint64_t mask, host;
    int64_t res;

    if (a[1] != SIGSET_SIZE) {
        return -EINVAL;
    }
    if (!copy_from_guest(&mask, a[0], sizeof(mask))) {
        return -EFAULT;
    }
    ts->suspend_mask = mask & ~(sig_bit(SIGKILL) | sig_bit(SIGSTOP));
    if (pending_fault_mask(ts) & ~mask) {
        ts->suspended = true;
        ts->signal_pending = 1;
        return -EINTR;
    }
    host = host_mask(mask);
    res = safe_call(__NR_rt_sigsuspend, (uintptr_t)&host, SIGSET_SIZE);
    ts->suspended = res == -EINTR;
    return res;
}

int64_t sys_rt_sigreturn(TaskState *ts, uint64_t a[MAX_ARGS])
{
    uint64_t all = host_mask(~UINT64_C(0)), mask;
    stack_t altstack;

    (void)a;
    /* A signal that is waiting goes first; with all blocked, none comes between. */
    if (safe_call(__NR_rt_sigprocmask, SIG_SETMASK, (uintptr_t)&all, 0, sizeof(all)) < 0) {
        return -RES_RESTART_ALWAYS;
    }
    if (!ts->arch->sigreturn(ts, &mask, &altstack)) {
        unblock_signals(ts);
        force_segv(ts, 0);
        return -RES_SIGRETURN;
    }
    ts->sigmask = mask & ~(sig_bit(SIGKILL) | sig_bit(SIGSTOP));
    ts->altstack = altstack;
    if (pending_fault_mask(ts) & ~mask) {
        ts->signal_pending = 1;
    }
    unblock_signals(ts);
    return -RES_SIGRETURN;
}

int64_t sys_sigaltstack(TaskState *ts, uint64_t a[MAX_ARGS])
{
    enum { AUTODISARM = (int)(1u << 31) };
    uint64_t sp = ts->arch->get_sp(ts->cpu);
    bool on = !(ts->altstack.ss_flags & SS_DISABLE) &&
              sp - (uintptr_t)ts->altstack.ss_sp - 1 < ts->altstack.ss_size;
    stack_t old = ts->altstack, st;

    old.ss_flags |= on ? SS_ONSTACK : 0;
    if (a[0]) {
        if (!copy_from_guest(&st, a[0], sizeof(st))) {
            return -EFAULT;
        }
        if (on) {
            return -EPERM;
        }
        if (st.ss_flags & ~(SS_ONSTACK | SS_DISABLE | AUTODISARM)) {
            return -EINVAL;
        }
        if (st.ss_flags & SS_DISABLE) {
            st = (stack_t){ .ss_flags = SS_DISABLE };
        } else if (st.ss_size < (size_t)ts->arch->minsigstksz) {
            return -ENOMEM;
        }
        st.ss_flags &= ~SS_ONSTACK;
        ts->altstack = st;
    }
    return !a[1] || copy_to_guest(a[1], &old, sizeof(old)) ? 0 : -EFAULT;
}

int64_t sys_restart_syscall(TaskState *ts, uint64_t a[MAX_ARGS])
{
    (void)ts;
    (void)a;
    return -EINTR;
}
