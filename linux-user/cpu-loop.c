/* SPDX-License-Identifier: MIT */
/* The life of a guest thread: run, see why it stopped, go on. */
#include "linux-user/gdb.h"
#include "linux-user/tasks.h"
#include "util/log.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void run_syscall(TaskState *ts)
{
    uint64_t args[6];
    int nr = ts->arch->syscall_args(ts->cpu, args);
    int64_t res;
    int restart = 0;

    if (G_UNLIKELY(gdb_active)) {
        gdb_syscall_enter(ts, nr);
    }
    ts->state_exact = true;
    res = do_syscall(ts, nr, args);
    ts->state_exact = false;
    if (G_UNLIKELY(tasks_stopping)) {
        tasks_park(ts);
    }

    if (res == -RES_RESTART || res == -RES_RESTART_ALWAYS) {
        restart = (int)-res;
    } else if (res != -RES_SIGRETURN) {
        ts->arch->syscall_result(ts->cpu, res);
    }
    if (G_UNLIKELY(gdb_active)) {
        gdb_syscall_leave(ts, nr);
    }
    if (G_UNLIKELY(ts->signal_pending || restart || ts->suspended)) {
        process_pending_signals(ts, restart);
    }
}

static void raise_fault(TaskState *ts, int excp)
{
    siginfo_t info;

    if (!ts->arch->fault_siginfo(ts->cpu, excp, &info)) {
        fprintf(stderr,
                "latimer: internal error: exception 0x%x at guest pc 0x%" PRIx64
                "\nlatimer: this is a bug in Latimer, not in the guest program; please report it\n",
                excp, cpu_get_pc(ts->cpu));
        ts->cpu->target->dump_state(ts->cpu, stderr);
        die_by_signal(SIGABRT);
    }
    if (log_enabled(LOG_INT)) {
        FILE *f = log_lock();

        fprintf(f, "fault: signal %d code %d address %p\n", info.si_signo, info.si_code,
                info.si_addr);
        ts->cpu->target->dump_state(ts->cpu, f);
        log_unlock(f);
    }
    force_signal(ts, &info);
}

void cpu_loop(TaskState *ts)
{
    for (;;) {
        int excp;

        if (G_UNLIKELY(gdb_active)) {
            gdb_safe_point(ts);
        }
        if (G_UNLIKELY(tasks_stopping)) {
            tasks_park(ts);
        }
        excp = cpu_exec(ts->cpu);
        switch (excp) {
        case EXCP_SYSCALL:
            run_syscall(ts);
            break;
        case EXCP_INTERRUPT:
            break;
        case EXCP_DEBUG:
            gdb_debug_stop(ts);
            break;
        default:
            raise_fault(ts, excp);
            break;
        }
        if (G_UNLIKELY(ts->signal_pending)) {
            process_pending_signals(ts, 0);
        }
    }
}
