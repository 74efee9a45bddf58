/* SPDX-License-Identifier: MIT */
/* Threads and processes: clone in its forms, exit. */
#include "linux-user/gdb.h"
#include "linux-user/syscalls.h"
#include "linux-user/tasks.h"
#include "util/log.h"

#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

__thread TaskState *current_task;

enum { THREAD_STACK_SIZE = 256 << 10 };

/* The arguments of clone and clone3. */
typedef struct CloneArgs {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, sp, tls;
} CloneArgs;

TaskState *task_new(CPUState *cpu, const UserArch *arch, SigHand *sighand)
{
    TaskState *ts = g_new0(TaskState, 1);

    ts->cpu = cpu;
    ts->arch = arch;
    ts->sighand = sighand;
    ts->altstack.ss_flags = SS_DISABLE;
    cpu->opaque = ts;
    cpu->quick_page = proc.vdso;
    cpu->quick_syscall = quick_syscall;
    return ts;
}

static void store_tid(uint64_t addr, pid_t tid)
{
    if (addr) {
        copy_to_guest(addr, &tid, sizeof(tid));
    }
}

/* ---- threads
 * ------------------------------------------------------------------------------------------ */

typedef struct ThreadStart {
    TaskState *ts;
    uint64_t parent_tid, child_tid;
    pid_t tid; /* set by the thread, which may be gone, *ts with it, when its parent reads this */
    sem_t started;
} ThreadStart;

static void *thread_main(void *opaque)
{
    ThreadStart *start = opaque;
    TaskState *ts = start->ts;
    sigjmp_buf end;

    current_task = ts;
    ts->tid = start->tid = gettid();
    ts->thread_end = &end;
    signal_stack_init(ts);
    tcg_cpu_attach(ts->cpu);
    store_tid(start->parent_tid, ts->tid);
    store_tid(start->child_tid, ts->tid);
    gdb_thread_begin(ts);
    tasks_add(ts);
    sem_post(&start->started); /* *start is gone after this */

    if (sigsetjmp(end, 0) == 0) {
        unblock_signals(ts);
        cpu_loop(ts);
    }
    current_task = NULL;
    tasks_remove(ts);
    gdb_thread_end(ts);
    tcg_cpu_detach(ts->cpu);
    ts->arch->target->cpu_free(ts->cpu);
    signal_stack_free(ts);
    g_free(ts);
    return NULL;
}

static TaskState *task_clone(TaskState *ts, const CloneArgs *ca)
{
    CPUState *cpu = ts->arch->target->cpu_new(proc.cpu_model, NULL);
    TaskState *child = task_new(cpu, ts->arch, ts->sighand);

    ts->arch->target->cpu_copy(cpu, ts->cpu);
    ts->arch->clone_regs(cpu, ca->sp, ca->flags & CLONE_SETTLS, ca->tls);
    child->sigmask = ts->sigmask;
    child->seccomp = ts->seccomp;
    child->seccomp_strict = ts->seccomp_strict;
    child->clear_tid = ca->flags & CLONE_CHILD_CLEARTID ? ca->child_tid : 0;
    return child;
}

static int64_t clone_thread(TaskState *ts, const CloneArgs *ca)
{
    ThreadStart start = {
        .parent_tid = ca->flags & CLONE_PARENT_SETTID ? ca->parent_tid : 0,
        .child_tid = ca->flags & CLONE_CHILD_SETTID ? ca->child_tid : 0,
    };
    pthread_attr_t attr;
    pthread_t thread;
    int error;
    pid_t tid = 0;

    tcg_memory_is_shared();
    start.ts = task_clone(ts, ca);
    sem_init(&start.started, 0, 0);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, THREAD_STACK_SIZE);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    block_signals();
    error = pthread_create(&thread, &attr, thread_main, &start);
    if (!error) {
        while (sem_wait(&start.started) < 0) {
        }
        tid = start.tid;
    } else {
        ts->arch->target->cpu_free(start.ts->cpu);
        g_free(start.ts);
    }
    if (!ts->signal_pending) {
        unblock_signals(ts);
    }
    pthread_attr_destroy(&attr);
    sem_destroy(&start.started);
    return error ? -error : tid;
}

/* ---- processes
 * ------------------------------------------------------------------------------------------ */

/* What the child of a fork has to set right. */
static void fork_child(TaskState *ts, const CloneArgs *ca)
{
    tcg_fork_child(ts->cpu);
    ts->tid = gettid();
    tasks_fork_child(ts);
    ts->thread_end = NULL;
    ts->signal_pending = ts->async_sig = 0;
    ts->fault_pending = 0;
    ts->robust_list = 0;
    pthread_mutex_init(&ts->sighand->lock, NULL);
    block_signals(); /* what comes from here on is the child's own */
    ts->clear_tid = ca->flags & CLONE_CHILD_CLEARTID ? ca->child_tid : 0;
    if (ca->flags & CLONE_CHILD_SETTID) {
        store_tid(ca->child_tid, ts->tid);
    }
    if (ca->sp && !(ca->flags & CLONE_VFORK)) {
        ts->altstack = (stack_t){ .ss_flags = SS_DISABLE };
    }
    ts->arch->clone_regs(ts->cpu, ca->sp, ca->flags & CLONE_SETTLS, ca->tls);
}

/*
 * libc's fork where it can do it, so that its locks are right in the child, which begins with all
 * signals blocked.
 */
static int64_t host_fork(const CloneArgs *ca)
{
    uint64_t own =
        CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CLONE_SETTLS | CLONE_VM | CLONE_SIGHAND;
    uint64_t flags = ca->flags & ~own;
    int64_t pid;

    if (!(flags & ~(uint64_t)(CLONE_PARENT_SETTID | CLONE_VFORK)) && ca->exit_signal == SIGCHLD) {
        block_all_signals(); /* a SIGILL that somebody sends to the child must not be lost */
        pid = fork();
        if (pid) {
            int error = errno;

            block_signals();
            if (pid < 0) {
                return -error;
            }
            store_tid(flags & CLONE_PARENT_SETTID ? ca->parent_tid : 0, pid);
        }
        return pid;
    }
    block_all_signals();
    pid = raw_syscall(__NR_clone, flags | ca->exit_signal, 0,
                      host_arg(flags & CLONE_PIDFD ? ca->pidfd : ca->parent_tid), 0, 0, 0);
    if (pid) {
        block_signals();
    }
    return pid;
}

static int64_t clone_process(TaskState *ts, const CloneArgs *ca)
{
    int64_t pid;

    block_signals();
    if (ts->signal_pending) {
        return -RES_RESTART_ALWAYS;
    }
    gdb_fork_prepare();
    mm_fork_prepare(); /* the engine's lock is taken inside of it, never the other way round */
    if (!tcg_fork_prepare()) {
        mm_fork_done();
        gdb_fork_parent(ts, -1);
        unblock_signals(ts);
        return -EAGAIN;
    }
    pid = host_fork(ca);
    if (pid == 0) {
        fork_child(ts, ca);
        mm_fork_done();
        gdb_fork_child(ts);
    } else {
        tcg_fork_parent();
        mm_fork_done();
        gdb_fork_parent(ts, pid);
    }
    unblock_signals(ts);
    return pid;
}

/* ---- vfork
 * ------------------------------------------------------------------------------------------ */

typedef struct VforkStart {
    TaskState *child;
    const CloneArgs *ca;
} VforkStart;

static int vfork_main(void *opaque)
{
    VforkStart *start = opaque;
    TaskState *ts = start->child;

    current_task = ts; /* the parent's thread-local variables are ours while it sleeps */
    block_signals();
    ts->tid = gettid();
    if (start->ca->flags & CLONE_CHILD_SETTID) {
        store_tid(start->ca->child_tid, ts->tid);
    }
    unblock_signals(ts);
    cpu_loop(ts);
}

/*
 * A child that shares our memory until it runs a program or ends; this thread sleeps so long. The
 * child has a CPU and a host stack of its own.
 */
static int64_t clone_vfork(TaskState *ts, const CloneArgs *ca)
{
    uint64_t own = CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CLONE_SETTLS | CLONE_SIGHAND;
    VforkStart start = { .ca = ca };
    uint8_t *stack = mmap(NULL, THREAD_STACK_SIZE, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    int64_t pid;

    if (stack == MAP_FAILED) {
        return -EAGAIN;
    }
    start.child = task_clone(ts, ca);
    start.child->sighand = sighand_copy(ts->sighand);
    start.child->altstack = ts->altstack;
    tcg_cpu_attach(start.child->cpu);
    block_all_signals(); /* until the child has its own current_task */
    pid = clone(vfork_main, stack + THREAD_STACK_SIZE, (int)((ca->flags & ~own) | ca->exit_signal),
                &start, host_arg(ca->flags & CLONE_PIDFD ? ca->pidfd : ca->parent_tid), NULL, NULL);
    pid = pid < 0 ? -errno : pid;
    current_task = ts;
    block_signals();
    if (!ts->signal_pending) {
        unblock_signals(ts);
    }
    tcg_cpu_detach(start.child->cpu);
    ts->arch->target->cpu_free(start.child->cpu);
    g_free(start.child->exec_args);
    g_free(start.child->sighand);
    g_free(start.child);
    munmap(stack, THREAD_STACK_SIZE);
    return pid;
}

static int64_t do_clone(TaskState *ts, const CloneArgs *ca)
{
    if ((ca->flags & CLONE_SIGHAND && !(ca->flags & CLONE_VM)) ||
        (ca->flags & CLONE_THREAD && !(ca->flags & CLONE_SIGHAND)) ||
        (ca->flags & CLONE_FS && ca->flags & CLONE_NEWNS)) {
        return -EINVAL;
    }
    /* Arguments without their flag are not looked at: C libraries leave anything there. */
    if ((ca->flags & (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID) && !guest_ptr_ok(ca->child_tid)) ||
        (ca->flags & CLONE_PARENT_SETTID && !guest_ptr_ok(ca->parent_tid)) ||
        (ca->flags & CLONE_PIDFD && !guest_ptr_ok(ca->pidfd))) {
        return -EFAULT;
    }
    if (ca->flags & CLONE_THREAD) {
        return clone_thread(ts, ca);
    }
    if (ca->flags & CLONE_VM && !(ca->flags & CLONE_VFORK)) {
        log_printf(LOG_UNIMP,
                   "not implemented: clone of a process that shares memory (flags 0x%" PRIx64 ")\n",
                   ca->flags);
        return -EINVAL;
    }
    return ca->flags & CLONE_VM ? clone_vfork(ts, ca) : clone_process(ts, ca);
}

int64_t sys_clone(TaskState *ts, uint64_t a[MAX_ARGS])
{
    CloneArgs ca = {
        .flags = a[0] & 0xffffff00u,
        .exit_signal = a[0] & 0xff,
        .sp = a[1],
        .parent_tid = a[2],
        .pidfd = a[2],
        .tls = a[3],
        .child_tid = a[4],
    };

    if (a[0] & CLONE_PIDFD && a[0] & CLONE_PARENT_SETTID) {
        return -EINVAL;
    }
    return do_clone(ts, &ca);
}

int64_t sys_clone3(TaskState *ts, uint64_t a[MAX_ARGS])
{
    /* struct clone_args of include/uapi/linux/sched.h */
    struct {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
        uint64_t set_tid, set_tid_size, cgroup;
    } c = { 0 };
    enum { FIRST_SIZE = 64 };

    if (a[1] < FIRST_SIZE) {
        return -EINVAL;
    }
    if (a[1] > GUEST_PAGE_SIZE) {
        return -E2BIG;
    }
    if (!copy_from_guest(&c, a[0], MIN(a[1], sizeof(c)))) {
        return -EFAULT;
    }
    for (uint64_t at = sizeof(c); at < a[1]; at++) { /* of a later kernel: must be 0 */
        uint8_t byte;

        if (!copy_from_guest(&byte, a[0] + at, 1)) {
            return -EFAULT;
        }
        if (byte) {
            return -E2BIG;
        }
    }
    if (c.flags & 0xff || c.exit_signal > NB_SIGNALS || !c.stack != !c.stack_size ||
        (c.flags & (CLONE_THREAD | CLONE_PARENT) && c.exit_signal)) {
        return -EINVAL;
    }
    if (c.set_tid_size || c.flags >> 32) { /* CLONE_CLEAR_SIGHAND, CLONE_INTO_CGROUP */
        log_printf(LOG_UNIMP, "not implemented: clone3 with set_tid or flags 0x%" PRIx64 "\n",
                   c.flags);
        return -ENOSYS;
    }
    CloneArgs ca = {
        .flags = c.flags,
        .pidfd = c.pidfd,
        .child_tid = c.child_tid,
        .parent_tid = c.parent_tid,
        .exit_signal = c.exit_signal,
        .sp = c.stack ? c.stack + c.stack_size : 0,
        .tls = c.tls,
    };
    if (c.flags & CLONE_PIDFD && c.flags & CLONE_PARENT_SETTID) {
        log_printf(LOG_UNIMP, "not implemented: clone3 with CLONE_PIDFD and CLONE_PARENT_SETTID\n");
        return -ENOSYS;
    }
    return do_clone(ts, &ca);
}

int64_t sys_set_tid_address(TaskState *ts, uint64_t a[MAX_ARGS])
{
    ts->clear_tid = a[0];
    return ts->tid;
}

/* ---- futexes
 * ------------------------------------------------------------------------------------------ */

/* The fourth argument is a timeout or a number, and the fifth is looked at by some operations only.
 */
int64_t sys_futex(TaskState *ts, uint64_t a[MAX_ARGS])
{
    const unsigned with_timeout = 1 << FUTEX_WAIT | 1 << FUTEX_WAIT_BITSET | 1 << FUTEX_LOCK_PI |
                                  1 << FUTEX_LOCK_PI2 | 1 << FUTEX_WAIT_REQUEUE_PI;
    const unsigned with_second = 1 << FUTEX_REQUEUE | 1 << FUTEX_CMP_REQUEUE | 1 << FUTEX_WAKE_OP |
                                 1 << FUTEX_WAIT_REQUEUE_PI | 1 << FUTEX_CMP_REQUEUE_PI;
    unsigned bit = 1u << (a[1] & FUTEX_CMD_MASK & 31);

    if (with_timeout & bit) {
        if (!guest_ptr_ok(a[3])) {
            return -EFAULT;
        }
        a[3] = host_arg(a[3]);
    }
    if (with_second & bit) {
        if (!guest_ptr_ok(a[4])) {
            return -EFAULT;
        }
        a[4] = host_arg(a[4]);
    }
    return host_call(ts, a);
}

int64_t sys_futex_waitv(TaskState *ts, uint64_t a[MAX_ARGS])
{
    struct futex_waitv waiters[FUTEX_WAITV_MAX];

    if (!a[0] || (uint32_t)a[1] > FUTEX_WAITV_MAX) {
        return -EINVAL;
    }
    if (!copy_from_guest(waiters, a[0], (uint32_t)a[1] * sizeof(waiters[0]))) {
        return -EFAULT;
    }
    for (uint32_t n = 0; n < (uint32_t)a[1]; n++) {
        if (!guest_ptr_ok(waiters[n].uaddr)) {
            return -EFAULT;
        }
        waiters[n].uaddr = host_arg(waiters[n].uaddr);
    }
    a[0] = (uintptr_t)waiters;
    return host_call(ts, a);
}

/*
 * Robust lists hold guest addresses, so with a guest base the kernel cannot walk them: then this
 * does, when the thread ends. Source: linux/futex.h, Documentation/locking/robust-futex-ABI.rst.
 */
typedef struct RobustHead {
    uint64_t next;
    int64_t futex_offset;
    uint64_t pending;
} RobustHead;

int64_t sys_set_robust_list(TaskState *ts, uint64_t a[MAX_ARGS])
{
    if (a[1] != sizeof(RobustHead)) {
        return -EINVAL;
    }
    ts->robust_list = a[0];
    return guest_base ? 0 : host_call(ts, a);
}

int64_t sys_get_robust_list(TaskState *ts, uint64_t a[MAX_ARGS])
{
    uint64_t size = sizeof(RobustHead);

    if (!guest_base) {
        return host_call(ts, a);
    }
    if ((int)a[0] && (int)a[0] != ts->tid) {
        return -EPERM;
    }
    return copy_to_guest(a[2], &size, sizeof(size)) &&
                   copy_to_guest(a[1], &ts->robust_list, sizeof(ts->robust_list))
               ? 0
               : -EFAULT;
}

/* One lock of the list: bit 0 of its address says that it is a PI one. False: enough of this list.
 */
static bool robust_lock_end(const TaskState *ts, uint64_t entry, int64_t offset, bool pending)
{
    uint64_t addr = (entry & ~UINT64_C(1)) + (uint64_t)offset, was;
    uint32_t word;

    do {
        if (addr & 3 || !copy_from_guest(&word, addr, sizeof(word))) {
            return false;
        }
        if (pending && !(entry & 1) && !word) { /* it was given back, but nobody was woken yet */
            raw_syscall(__NR_futex, host_arg(addr), FUTEX_WAKE, 1, 0, 0, 0);
            return true;
        }
        if ((word & FUTEX_TID_MASK) != (uint32_t)ts->tid) {
            return true;
        }
        was = guest_cmpxchg(g2h(addr), word, (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED);
    } while (was != word && was != ~UINT64_C(0));
    if (!(entry & 1) && word & FUTEX_WAITERS) {
        raw_syscall(__NR_futex, host_arg(addr), FUTEX_WAKE, 1, 0, 0, 0);
    }
    return was == word;
}

void robust_list_end(TaskState *ts)
{
    RobustHead head;
    uint64_t entry, next;

    if (!guest_base || !ts->robust_list || !copy_from_guest(&head, ts->robust_list, sizeof(head))) {
        return;
    }
    entry = head.next;
    for (int n = 0; (entry & ~UINT64_C(1)) != ts->robust_list && n < ROBUST_LIST_LIMIT; n++) {
        bool ok = copy_from_guest(&next, entry & ~UINT64_C(1), sizeof(next));

        if (((entry ^ head.pending) > 1 && !robust_lock_end(ts, entry, head.futex_offset, false)) ||
            !ok) {
            return;
        }
        entry = next;
    }
    if (head.pending) {
        robust_lock_end(ts, head.pending, head.futex_offset, true);
    }
}

/* ---- exit
 * -------------------------------------------------------------------------------------------------
 */

int64_t sys_exit(TaskState *ts, uint64_t a[MAX_ARGS])
{
    block_signals();
    robust_list_end(ts);
    if (ts->clear_tid) {
        uint32_t zero = 0;

        copy_to_guest(ts->clear_tid, &zero, sizeof(zero));
        raw_syscall(__NR_futex, host_arg(ts->clear_tid), FUTEX_WAKE, 1, 0, 0, 0);
    }
    if (ts->thread_end) {
        siglongjmp(*ts->thread_end, 1);
    }
    /* The first thread: the process lives on as long as others do. */
    persist_save();
    tasks_remove(ts);
    gdb_thread_end(ts);
    raw_syscall(__NR_exit, a[0], 0, 0, 0, 0, 0);
    abort();
}

int64_t sys_exit_group(TaskState *ts, uint64_t a[MAX_ARGS])
{
    persist_save();
    robust_list_end(ts);
    gdb_process_end(ts, false, (int)a[0]);
    raw_syscall(__NR_exit_group, a[0], 0, 0, 0, 0, 0);
    abort();
}
