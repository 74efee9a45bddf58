/* SPDX-License-Identifier: MIT */
/*
 * The debugger's view of a user-mode process. The protocol (gdbstub/) runs on a thread of its own;
 * guest threads report stops to it and wait. All threads stop together; one inside a system call
 * counts as stopped, because its state is exact, and waits when the call returns. Breakpoints are
 * the engine's and leave guest memory alone. With watchpoints every thread runs one instruction at
 * a time, and what the next one accesses is worked out before.
 */
#include "linux-user/gdb.h"
#include "exec/debug.h"
#include "gdbstub/gdbstub.h"
#include "util/log.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_BREAKS = 256, GDB_STACK_SIZE = 256 << 10 };

/* One guest thread, as the debugger knows it. */
typedef struct GDBTask {
    TaskState *ts;
    struct GDBTask *next;
    bool may_run;
    bool resumed;    /* by the debugger's last command, which expects no word of others */
    bool quiet;      /* inside a system call or waiting */
    bool step;       /* one instruction, then stop */
    uint64_t passed; /* watchpoints: the place of the last report */
    GDBStop stop;    /* reported to the server's thread when it gets there */
    bool told;       /* the debugger knows of it */
    int signal;      /* to deliver on going on */
    siginfo_t info;
} GDBTask;

typedef struct Break {
    int type;
    uint64_t addr, len;
} Break;

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a thread became quiet, or may run */
    GDBServer server;
    pthread_t thread;   /* the server's */
    volatile pid_t tid; /* its number, which the guest does not see; 0: none */
    GDBTask *tasks;
    Break breaks[MAX_BREAKS];
    int nb_breaks, nb_watches;
    bool interrupt;   /* the debugger asked for a stop */
    bool reporting;   /* a stop is on its way to the server's thread */
    bool ending;      /* the last words of the process were sent */
    int fork_pipe[2]; /* [1]: what the debugger decided, for the child */
    pid_t fork_other;
} gdb = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

bool gdb_active;

static void lock(void)
{
    pthread_mutex_lock(&gdb.lock);
}
static void unlock(void)
{
    pthread_mutex_unlock(&gdb.lock);
}

/* The server's thread sleeps on the connection and on this. */
static void wake_server(void)
{
    uint64_t one = 1;

    if (write(own_fd(OWN_FD_GDB_EVENT), &one, sizeof(one)) < 0) {
        /* the counter is not 0: it will wake */
    }
}

static GDBTask *find_task(int tid)
{
    GDBTask *t = gdb.tasks;

    while (t && t->ts->tid != tid) {
        t = t->next;
    }
    return t;
}

/* ---- breakpoints and watchpoints
 * ------------------------------------------------------------------------------ */

/* Nobody runs guest code. */
static void break_changed(const Break *b, bool insert)
{
    if (b->type >= GDB_WATCH_WRITE) {
        gdb.nb_watches += insert ? 1 : -1;
        return;
    }
    (insert ? breakpoint_insert_all : breakpoint_remove_all)(b->addr);
    tb_invalidate_range(b->addr, b->addr + 4);
}

static bool op_set_break(int type, uint64_t addr, uint64_t len, bool insert)
{
    for (int n = 0; n < gdb.nb_breaks; n++) {
        Break *b = &gdb.breaks[n];

        if (b->type == type && b->addr == addr && b->len == len) {
            if (!insert) {
                break_changed(b, false);
                *b = gdb.breaks[--gdb.nb_breaks];
            }
            return true;
        }
    }
    if (!insert || gdb.nb_breaks == MAX_BREAKS || !(pagemap_get(addr) & GUEST_PAGE_VALID)) {
        return !insert;
    }
    gdb.breaks[gdb.nb_breaks] = (Break){ type, addr, len };
    break_changed(&gdb.breaks[gdb.nb_breaks++], true);
    return true;
}

static void clear_breaks(void)
{
    while (gdb.nb_breaks) {
        Break *b = &gdb.breaks[0];

        op_set_break(b->type, b->addr, b->len, false);
    }
}

/* The watchpoint that the thread's next instruction hits. Like the hardware: before it is done. */
static bool watch_hit(TaskState *ts, GDBStop *stop)
{
    bool load, store;
    uint64_t addr;
    uint32_t insn;
    int len = 0;

    if (copy_from_guest(&insn, cpu_get_pc(ts->cpu), sizeof(insn))) {
        len = gdb.server.arch->memory_access(ts->cpu, insn, &addr, &load, &store);
    }
    for (int n = 0; n < gdb.nb_breaks && len; n++) {
        const Break *b = &gdb.breaks[n];
        bool wanted = b->type == GDB_WATCH_ACCESS || (b->type == GDB_WATCH_WRITE && store) ||
                      (b->type == GDB_WATCH_READ && load);

        if (wanted && addr < b->addr + b->len && b->addr < addr + len) {
            *stop = (GDBStop){ GDB_STOP_WATCH, ts->tid, b->type, b->addr, NULL };
            return true;
        }
    }
    return false;
}

/* ---- guest threads
 * -------------------------------------------------------------------------------------------- */

/* Waits, with the lock held, until the debugger lets this thread go on. */
static void wait_to_run(GDBTask *t)
{
    t->quiet = true;
    pthread_cond_broadcast(&gdb.changed);
    while (gdb_active && !t->may_run) {
        pthread_cond_wait(&gdb.changed, &gdb.lock);
    }
    t->quiet = false;
    t->ts->cpu->single_step = gdb_active && (t->step || gdb.nb_watches);
}

/* Reports a stop, with the lock held, and waits for what the debugger says. */
static void stop_here(GDBTask *t, const GDBStop *stop)
{
    t->stop = *stop;
    t->told = false;
    t->may_run = false;
    t->step = false;
    wake_server();
    wait_to_run(t);
    t->stop.kind = GDB_STOP_NONE;
}

void gdb_thread_begin(TaskState *ts)
{
    GDBTask *t;

    if (!gdb_active) {
        return;
    }
    t = g_new0(GDBTask, 1);
    t->ts = ts;
    lock();
    t->may_run = !gdb.reporting;
    t->resumed = true;
    ts->gdb = t;
    t->next = gdb.tasks;
    gdb.tasks = t;
    ts->cpu->single_step = gdb.nb_watches;
    unlock();
}

void gdb_thread_end(TaskState *ts)
{
    if (!ts->gdb) {
        return;
    }
    lock();
    for (GDBTask **at = &gdb.tasks; *at; at = &(*at)->next) {
        if (*at == ts->gdb) {
            *at = ts->gdb->next;
            break;
        }
    }
    g_free(ts->gdb);
    ts->gdb = NULL;
    pthread_cond_broadcast(&gdb.changed);
    unlock();
}

/*
 * With watchpoints: is the next instruction to be reported? A block of one instruction looks at no
 * breakpoint, so this does. What was reported at this very place is passed.
 */
static void check_next_insn(GDBTask *t)
{
    TaskState *ts = t->ts;
    uint64_t pc = cpu_get_pc(ts->cpu);
    GDBStop stop = { GDB_STOP_BREAKPOINT, ts->tid, 0, 0, NULL };

    ts->cpu->single_step = true;
    if (!t->step && t->passed != pc && (breakpoint_at(pc) || watch_hit(ts, &stop))) {
        stop_here(t, &stop);
        t->passed = cpu_get_pc(ts->cpu);
    } else {
        t->passed = 0;
    }
}

void gdb_safe_point(TaskState *ts)
{
    GDBTask *t = ts->gdb;

    if (!t) {
        return;
    }
    lock();
    if (!t->may_run && gdb_active) {
        wait_to_run(t);
    }
    if (gdb_active && gdb.nb_watches) {
        check_next_insn(t);
    }
    unlock();
}

void gdb_debug_stop(TaskState *ts)
{
    GDBTask *t = ts->gdb;

    if (!t || !gdb_active) { /* a vfork's child, or the last one of a debugger that has gone */
        ts->cpu->single_step = false;
        ts->cpu->cflags_next |= CF_SINGLE;
        return;
    }
    lock();
    if (t->step || !ts->cpu->single_step) {
        stop_here(t,
                  &(GDBStop){ t->step ? GDB_STOP_STEP : GDB_STOP_BREAKPOINT, ts->tid, 0, 0, NULL });
    }
    unlock();
}

static bool catches(int nr)
{
    if (!gdb.server.catch_syscalls) {
        return false;
    }
    for (int n = 0; n < gdb.server.nb_syscalls; n++) {
        if (gdb.server.syscalls[n] == nr) {
            return true;
        }
    }
    return !gdb.server.nb_syscalls;
}

void gdb_syscall_enter(TaskState *ts, int nr)
{
    GDBTask *t = ts->gdb;

    if (!t) {
        return;
    }
    lock();
    if (gdb_active && catches(nr)) {
        stop_here(t, &(GDBStop){ GDB_STOP_SYSCALL_ENTRY, ts->tid, nr, 0, NULL });
    }
    t->quiet = true;
    pthread_cond_broadcast(&gdb.changed);
    unlock();
}

void gdb_syscall_leave(TaskState *ts, int nr)
{
    GDBTask *t = ts->gdb;

    if (!t) {
        return;
    }
    lock();
    wait_to_run(t);
    if (gdb_active && catches(nr)) {
        stop_here(t, &(GDBStop){ GDB_STOP_SYSCALL_RETURN, ts->tid, nr, 0, NULL });
    } else if (gdb_active && t->step) {
        stop_here(t, &(GDBStop){ .kind = GDB_STOP_STEP, .tid = ts->tid });
    }
    unlock();
}

int gdb_signal(TaskState *ts, int sig, const siginfo_t *info)
{
    GDBTask *t = ts->gdb;

    if (!t || !gdb_active || (gdb.server.pass_signals & sig_bit(sig) && sig != SIGTRAP)) {
        return sig;
    }
    lock();
    t->info = *info;
    t->signal = 0;
    stop_here(t, &(GDBStop){ GDB_STOP_SIGNAL, ts->tid, sig, 0, NULL });
    sig = gdb_active ? t->signal : sig;
    t->signal = 0;
    unlock();
    return sig;
}

void gdb_process_end(TaskState *ts, bool killed, int number)
{
    GDBTask *t = ts->gdb;

    if (!t || !gdb_active) {
        return;
    }
    lock();
    if (gdb_active && !gdb.ending) {
        t->quiet = true;
        t->stop = (GDBStop){ killed ? GDB_STOP_KILLED : GDB_STOP_EXITED, ts->tid, number, 0, NULL };
        wake_server();
        while (gdb_active && !gdb.ending) {
            pthread_cond_wait(&gdb.changed, &gdb.lock);
        }
    }
    unlock();
}

/* ---- the server's thread
 * -------------------------------------------------------------------------------------- */

static bool all_quiet(void)
{
    for (GDBTask *t = gdb.tasks; t; t = t->next) {
        if (!t->quiet) {
            return false;
        }
    }
    return true;
}

static void stop_world(void)
{
    for (GDBTask *t = gdb.tasks; t; t = t->next) {
        t->may_run = false;
        cpu_request_exit(t->ts->cpu);
    }
    while (!all_quiet()) {
        pthread_cond_wait(&gdb.changed, &gdb.lock);
    }
}

static GDBTask *stopped_task(void)
{
    for (GDBTask *t = gdb.tasks; t; t = t->next) {
        if (t->stop.kind != GDB_STOP_NONE && t->resumed) {
            return t;
        }
    }
    return NULL;
}

/* What has to be told, with everything stopped; false: nothing. */
static bool take_stop(GDBStop *stop)
{
    GDBTask *t;

    lock();
    gdb.reporting = true;
    t = stopped_task();
    if (!t && !gdb.interrupt) {
        gdb.reporting = false;
        unlock();
        return false;
    }
    if (t && (t->stop.kind == GDB_STOP_EXITED || t->stop.kind == GDB_STOP_KILLED)) {
        *stop = t->stop;
    } else {
        stop_world();
        t = stopped_task();
        if (t) {
            *stop = t->stop;
            t->told = true;
        } else {
            t = gdb.tasks;
            *stop = (GDBStop){ GDB_STOP_SIGNAL, t ? t->ts->tid : getpid(), SIGINT, 0, NULL };
        }
        gdb.interrupt = false;
    }
    for (t = gdb.tasks; t; t = t->next) {
        t->resumed = false;
    }
    unlock();
    return true;
}

static bool op_wait(int fd, GDBStop *stop)
{
    for (;;) {
        struct pollfd fds[2] = { { fd, POLLIN, 0 }, { own_fd(OWN_FD_GDB_EVENT), POLLIN, 0 } };
        uint64_t count;

        if (take_stop(stop)) {
            return true;
        }
        if (gdb.server.paused) {
            return false;
        }
        if (poll(fds, 2, -1) > 0) {
            if (fds[1].revents && read(fds[1].fd, &count, sizeof(count)) > 0) {
                continue;
            }
            if (fds[0].revents) {
                return false;
            }
        }
    }
}

/* Of several threads that stopped at a time one is told of; the others run into theirs again, or
 * keep it. */
static bool comes_again(GDBStopKind kind)
{
    return kind == GDB_STOP_STEP || kind == GDB_STOP_BREAKPOINT || kind == GDB_STOP_WATCH;
}

static void op_resume(const GDBAction *actions, int nb)
{
    lock();
    gdb.reporting = false;
    for (GDBTask *t = gdb.tasks; t; t = t->next) {
        int n = 0;

        while (n < nb && actions[n].tid != -1 && actions[n].tid != t->ts->tid) {
            n++;
        }
        if (n == nb) {
            continue;
        }
        t->resumed = true;
        if (t->stop.kind != GDB_STOP_NONE && !t->told && !comes_again(t->stop.kind)) {
            wake_server();
            continue;
        }
        if (t->stop.kind == GDB_STOP_SIGNAL) {
            t->signal = actions[n].signal;
        } else if (actions[n].signal) { /* none came: the debugger sends one */
            raw_syscall(__NR_tgkill, getpid(), t->ts->tid, actions[n].signal, 0, 0, 0);
        }
        t->step = actions[n].step;
        t->stop.kind = GDB_STOP_NONE;
        t->may_run = true;
    }
    pthread_cond_broadcast(&gdb.changed);
    unlock();
}

static void op_interrupt(void)
{
    gdb.interrupt = true;
    wake_server();
}

static void op_kill(void)
{
    raw_syscall(__NR_kill, getpid(), SIGKILL, 0, 0, 0, 0);
}

/* Lets every thread go, without a debugger from now on. */
static void let_go(void)
{
    lock();
    clear_breaks();
    gdb_active = false;
    gdb.ending = true;
    pthread_cond_broadcast(&gdb.changed);
    unlock();
    own_fd_close(OWN_FD_GDB);
    own_fd_close(OWN_FD_GDB_EVENT);
}

/* The child of a fork waits for a letter: d(etached), or t(aken over by the debugger). */
static void tell_child(char what)
{
    if (gdb.fork_other) {
        if (write(gdb.fork_pipe[1], &what, 1) < 0) {
            /* it is gone */
        }
        close(gdb.fork_pipe[1]);
        gdb.fork_other = 0;
    }
}

static void op_detach(int pid)
{
    if (pid == gdb.fork_other) {
        tell_child('d');
    } else if (pid == getpid() && gdb.fork_other) {
        gdb_write_packet(&gdb.server, "OK", 2); /* before the child uses the connection */
        gdb.server.gone = true;
        own_fd_close(OWN_FD_GDB);
        tell_child('t');
    }
}

/* ---- threads, memory, objects
 * --------------------------------------------------------------------------------- */

/* In the order of their beginning; gdb.tasks has the newest first. */
static int op_next_thread(int tid)
{
    int next = 0;

    for (GDBTask *t = gdb.tasks; t && t->ts->tid != tid; t = t->next) {
        next = t->ts->tid;
    }
    return next;
}

static CPUState *op_thread_cpu(int tid)
{
    GDBTask *t = find_task(tid);

    return t ? t->ts->cpu : NULL;
}

static void op_thread_name(int tid, char *buf, size_t size)
{
    char path[64];
    int fd;

    snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t n = read(fd, buf, size - 1);

        buf[n > 0 ? n - 1 : 0] = 0;
        close(fd);
    }
}

/* Through the file, so that page protections do not matter. */
static bool transfer(uint64_t addr, void *buf, size_t len, bool write)
{
    int fd = guest_range_ok(addr, len) ? open("/proc/self/mem", O_RDWR | O_CLOEXEC) : -1;
    off_t at = (off_t)(addr + guest_base);
    ssize_t n = -1;

    if (fd >= 0) {
        n = write ? pwrite(fd, buf, len, at) : pread(fd, buf, len, at);
        close(fd);
    }
    return n == (ssize_t)len;
}

static bool op_read_memory(uint64_t addr, void *buf, size_t len)
{
    return transfer(addr, buf, len, false);
}

static bool op_write_memory(uint64_t addr, const void *buf, size_t len)
{
    bool ok = transfer(addr, (void *)buf, len, true);

    tb_invalidate_range(addr, addr + len);
    return ok;
}

static char *op_read_object(const char *object, int tid, size_t *len)
{
    GDBTask *t = find_task(tid);
    char *text = NULL;

    *len = 0;
    if (!strcmp(object, "auxv")) {
        text = g_malloc(proc.auxv_size);
        *len = op_read_memory(proc.auxv_start, text, proc.auxv_size) ? proc.auxv_size : 0;
    } else if (!strcmp(object, "exec-file")) {
        text = g_strdup(proc.exe_path);
        *len = strlen(text);
    } else if (!strcmp(object, "siginfo") && t && t->stop.kind == GDB_STOP_SIGNAL) {
        text = g_memdup2(&t->info, sizeof(t->info));
        *len = sizeof(t->info);
    }
    return text;
}

static int op_pid(void)
{
    return getpid();
}

static const GDBTargetOps target_ops = {
    .pid = op_pid,
    .next_thread = op_next_thread,
    .thread_cpu = op_thread_cpu,
    .thread_name = op_thread_name,
    .read_memory = op_read_memory,
    .write_memory = op_write_memory,
    .set_break = op_set_break,
    .read_object = op_read_object,
    .resume = op_resume,
    .interrupt = op_interrupt,
    .detach = op_detach,
    .kill = op_kill,
    .wait = op_wait,
};

static void *server_main(void *opaque)
{
    (void)opaque;
    gdb.tid = gettid();
    gdb_serve(&gdb.server);
    if (!gdb.server.paused) {
        let_go();
        pthread_detach(pthread_self());
        gdb.tid = 0;
    }
    return NULL;
}

/* All signals are blocked in the server's thread: they are the guest's. */
static bool start_server(TaskState *ts)
{
    uint64_t all = ~UINT64_C(0), old;
    pthread_attr_t attr;
    int error;

    own_fd_set(OWN_FD_GDB_EVENT, eventfd(0, EFD_CLOEXEC));
    gdb.server.fd = own_fd(OWN_FD_GDB);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, GDB_STACK_SIZE);
    raw_syscall(__NR_rt_sigprocmask, SIG_SETMASK, (uintptr_t)&all, (uintptr_t)&old, sizeof(all), 0,
                0);
    error = pthread_create(&gdb.thread, &attr, server_main, NULL);
    raw_syscall(__NR_rt_sigprocmask, SIG_SETMASK, (uintptr_t)&old, 0, sizeof(old), 0, 0);
    pthread_attr_destroy(&attr);
    (void)ts;
    return !error;
}

bool gdb_owns_thread(int tid)
{
    return gdb_active && gdb.tid && tid == gdb.tid;
}

bool gdb_has_thread(void)
{
    return gdb_active && gdb.tid;
}

bool gdb_pause(void)
{
    pid_t tid = gdb.tid;

    if (!gdb_active || !tid || gdb.tasks->next) { /* with several threads the call fails anyway */
        return false;
    }
    gdb.server.paused = true;
    wake_server();
    pthread_join(gdb.thread, NULL);
    while (raw_syscall(__NR_tgkill, getpid(), tid, 0, 0, 0, 0) == 0) {
        sched_yield(); /* joined, but to the kernel not quite gone */
    }
    gdb.tid = 0;
    return true;
}

void gdb_go_on(TaskState *ts)
{
    gdb.server.paused = false;
    own_fd_close(OWN_FD_GDB_EVENT);
    start_server(ts);
}

/* ---- beginnings
 * ------------------------------------------------------------------------------------------------
 */

static void begin(TaskState *ts, GDBStopKind kind, const char *text)
{
    gdb.server.ops = &target_ops;
    gdb.server.arch = &gdb_arch_aarch64;
    gdb.server.stop = (GDBStop){ kind, ts->tid, 0, 0, text };
    gdb.server.tid = ts->tid;
    gdb_active = true;
    signal_catch_defaults(ts);
    gdb_thread_begin(ts);
    ts->gdb->may_run = false;
}

bool gdb_start(TaskState *ts, const char *where, GError **err)
{
    int fd = gdb_listen(where, err), conn;

    if (fd < 0) {
        return false;
    }
    do {
        conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    } while (conn < 0 && errno == EINTR);
    close(fd);
    if (conn < 0) {
        g_set_error(err, G_FILE_ERROR, g_file_error_from_errno(errno), "-g %s: %s", where,
                    g_strerror(errno));
        return false;
    }
    own_fd_set(OWN_FD_GDB, conn);
    begin(ts, GDB_STOP_STEP, NULL);
    return start_server(ts);
}

bool gdb_exec_argument(char *buf, size_t size)
{
    if (!gdb_active || !gdb.server.exec_events) {
        return false;
    }
    fcntl(own_fd(OWN_FD_GDB), F_SETFD, 0);
    snprintf(buf, size, "%d,%x", own_fd(OWN_FD_GDB), gdb_state(&gdb.server));
    return true;
}

void gdb_exec_failed(void)
{
    if (gdb_active) {
        fcntl(own_fd(OWN_FD_GDB), F_SETFD, FD_CLOEXEC);
    }
}

bool gdb_continue_after_exec(TaskState *ts, const char *text)
{
    unsigned state;
    int fd;

    if (sscanf(text, "%d,%x", &fd, &state) != 2 || fcntl(fd, F_GETFD) < 0) {
        return false;
    }
    own_fd_set(OWN_FD_GDB, fd);
    gdb.server.fd = own_fd(OWN_FD_GDB);
    gdb_set_state(&gdb.server, state);
    begin(ts, GDB_STOP_EXEC, proc.exe_path);
    gdb_send_stop(&gdb.server, &gdb.server.stop);
    return start_server(ts);
}

/* ---- fork
 * --------------------------------------------------------------------------------------------- */

void gdb_fork_prepare(void)
{
    if (gdb_active) {
        lock();
        if (!gdb.server.fork_events || pipe2(gdb.fork_pipe, O_CLOEXEC) < 0) {
            gdb.fork_pipe[0] = -1;
        }
    }
}

void gdb_fork_parent(TaskState *ts, pid_t child)
{
    if (!gdb_active) {
        return;
    }
    if (gdb.fork_pipe[0] >= 0) {
        close(gdb.fork_pipe[0]);
        if (child < 0) {
            close(gdb.fork_pipe[1]);
        } else {
            ts->arch->syscall_result(ts->cpu, child);
            gdb.fork_other = child;
            stop_here(ts->gdb, &(GDBStop){ GDB_STOP_FORK, ts->tid, child, 0, NULL });
            ts->gdb->quiet = true; /* still in the system call */
        }
    }
    unlock();
}

void gdb_fork_child(TaskState *ts)
{
    char decision = 'd';

    if (!gdb_active) {
        return;
    }
    pthread_mutex_init(&gdb.lock, NULL);
    pthread_cond_init(&gdb.changed, NULL);
    gdb.tasks = NULL; /* the others are not here */
    ts->gdb = NULL;
    gdb.reporting = gdb.interrupt = false;
    clear_breaks();
    if (gdb.fork_pipe[0] >= 0) {
        close(gdb.fork_pipe[1]);
        if (read(gdb.fork_pipe[0], &decision, 1) != 1) {
            decision = 'd';
        }
        close(gdb.fork_pipe[0]);
    }
    own_fd_close(OWN_FD_GDB_EVENT);
    if (decision == 't') {
        gdb.server.running = gdb.server.gone = false;
        gdb.server.other_pid = 0;
        begin(ts, GDB_STOP_STEP, NULL);
        ts->gdb->quiet = true;
        start_server(ts);
    } else {
        gdb_active = false;
        own_fd_close(OWN_FD_GDB);
        ts->cpu->single_step = false;
    }
}
