/* SPDX-License-Identifier: MIT */
/* -g: the debugger of this process. All of it is nothing while gdb_active is false. */
#ifndef LINUX_USER_GDB_H
#define LINUX_USER_GDB_H

#include "linux-user/user.h"

/* A debugger is connected, or waited for. */
extern bool gdb_active;

/* Listens at `where` and waits for the debugger; ts: the first thread, about to run. */
bool gdb_start(TaskState *ts, const char *where, GError **err);
/* After execve: goes on with the connection. text: what gdb_exec_argument gave. */
bool gdb_continue_after_exec(TaskState *ts, const char *text);
/* The argument for that, in buf; false if no debugger wants to follow. */
bool gdb_exec_argument(char *buf, size_t size);
/* The execve failed. */
void gdb_exec_failed(void);

/* The life of a thread; the calling thread is it. */
void gdb_thread_begin(TaskState *ts);
void gdb_thread_end(TaskState *ts);

/* At the top of the thread's loop: waits while the debugger has stopped it. */
void gdb_safe_point(TaskState *ts);
/* cpu_exec returned EXCP_DEBUG. */
void gdb_debug_stop(TaskState *ts);
/* Around a system call, during which the thread counts as stopped. */
void gdb_syscall_enter(TaskState *ts, int nr);
void gdb_syscall_leave(TaskState *ts, int nr);
/* A signal is about to be delivered: which one shall it be (0: none)? */
int gdb_signal(TaskState *ts, int sig, const siginfo_t *info);
/* Around fork: a pipe for the debugger's decision. */
void gdb_fork_prepare(void);
void gdb_fork_parent(TaskState *ts, pid_t child);
void gdb_fork_child(TaskState *ts);
/* The server's thread, which the guest does not see. */
bool gdb_owns_thread(int tid);
bool gdb_has_thread(void);
/*
 * Around a system call that wants a process of one thread: the server's thread ends, and begins
 * again. gdb_pause: false if there was nothing to be done.
 */
bool gdb_pause(void);
void gdb_go_on(TaskState *ts);
/* The process ends: exited with status or killed by signal. */
void gdb_process_end(TaskState *ts, bool killed, int number);

#endif
