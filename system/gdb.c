/* SPDX-License-Identifier: MIT */
/*
 * The debugger's view of a machine: a thread of its own speaks the protocol (gdbstub/); each vCPU
 * is a thread to the debugger, numbered from 1. All stop and go together; a command that names some
 * CPUs lets the others run too.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "exec/debug.h"
#include "exec/softmmu.h"
#include "gdbstub/gdbstub.h"
#include "hw/biglock.h"
#include "hw/device.h"
#include "monitor/monitor.h"
#include "system/config.h"

enum { MACHINE_PID = 1, MAX_BREAKS = 256 };

typedef struct Break {
    int type;
    uint64_t addr, len;
} Break;

static struct {
    int listener, event; /* event: the machine stopped */
    GDBServer server;
    Break breaks[MAX_BREAKS];
    int nb_breaks;
    bool physical; /* memory by physical addresses */
    const char *line;
    char *printed; /* of the monitor, while it runs one */
} gdb;

/* ---- on the main loop's thread ------------------------------------------------------------ */

typedef struct Call {
    void (*fn)(void);
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool finished;
} Call;

static gboolean run_call(gpointer opaque)
{
    Call *c = opaque;
    c->fn();
    pthread_mutex_lock(&c->lock);
    c->finished = true;
    pthread_cond_signal(&c->done);
    pthread_mutex_unlock(&c->lock);
    return G_SOURCE_REMOVE;
}

/* Runs and stops of the machine are the main loop's; waits for it. */
static void on_main_loop(void (*fn)(void))
{
    Call c = { fn, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false };
    g_idle_add_full(G_PRIORITY_DEFAULT, run_call, &c, NULL);
    pthread_mutex_lock(&c.lock);
    while (!c.finished) {
        pthread_cond_wait(&c.done, &c.lock);
    }
    pthread_mutex_unlock(&c.lock);
}

static void stop_machine(void)
{
    if (run_state_get() == RUN_STATE_RUNNING) {
        vm_stop(RUN_STATE_PAUSED);
    }
}

static void on_run_state(void *opaque, RunState state)
{
    uint64_t one = 1;
    (void)opaque;
    if (state != RUN_STATE_RUNNING && write(gdb.event, &one, sizeof(one)) < 0) {
        return; /* it is readable already */
    }
}

/* ---- threads and memory -----------------------------------------------------------------------
 */

static VCPU *find_vcpu(int tid)
{
    VCPU *v = vcpu_first();
    while (v && v->index + 1 != tid) {
        v = v->next;
    }
    return v;
}

static int op_pid(void)
{
    return MACHINE_PID;
}

static int op_next_thread(int tid)
{
    VCPU *v = tid ? find_vcpu(tid) : NULL;
    v = tid ? (v ? v->next : NULL) : vcpu_first();
    return v ? v->index + 1 : 0;
}

static CPUState *op_thread_cpu(int tid)
{
    VCPU *v = find_vcpu(tid);
    return v ? v->cpu : NULL;
}

static void op_thread_name(int tid, char *buf, size_t size)
{
    VCPU *v = find_vcpu(tid);
    g_snprintf(buf, size, "CPU#%d%s", tid - 1, v && v->powered_off ? " (off)" : "");
}

static bool access_memory(uint64_t addr, void *buf, size_t len, bool write)
{
    VCPU *v = find_vcpu(gdb.server.tid) ?: vcpu_first();
    bool ok;
    biglock_lock();
    if (!gdb.physical) {
        ok = cpu_memory_rw_debug(v->cpu, addr, buf, len, write);
    } else if (write) {
        ok = address_space_write_rom(v->as, addr, buf, len) == MEMTX_OK;
    } else {
        ok = address_space_read(v->as, addr, NULL, buf, len) == MEMTX_OK;
    }
    biglock_unlock();
    return ok;
}

static bool op_read_memory(uint64_t addr, void *buf, size_t len)
{
    return access_memory(addr, buf, len, false);
}

static bool op_write_memory(uint64_t addr, const void *buf, size_t len)
{
    return access_memory(addr, (void *)(uintptr_t)buf, len, true);
}

static void op_set_physical(bool on)
{
    gdb.physical = on;
}

static bool op_physical(void)
{
    return gdb.physical;
}

static void run_line(void)
{
    gdb.printed = monitor_run_line(gdb.line);
}

static char *op_command(const char *line)
{
    gdb.line = line;
    on_main_loop(run_line);
    return gdb.printed;
}

static char *op_read_object(const char *object, int tid, size_t *len)
{
    (void)object, (void)tid, (void)len;
    return NULL;
}

/* ---- breakpoints
 * ----------------------------------------------------------------------------------- */

static unsigned watch_flags(int type)
{
    return BP_GDB | (type == GDB_WATCH_WRITE  ? BP_WRITE
                     : type == GDB_WATCH_READ ? BP_READ
                                              : BP_ACCESS);
}

static void apply_break(const Break *b, bool insert)
{
    for (VCPU *v = vcpu_first(); v; v = v->next) {
        if (b->type <= GDB_BREAK_HARD) {
            insert ? cpu_breakpoint_insert(v->cpu, b->addr, BP_GDB)
                   : (void)cpu_breakpoint_remove(v->cpu, b->addr, BP_GDB);
        } else {
            insert ? cpu_watchpoint_insert(v->cpu, b->addr, b->len, watch_flags(b->type))
                   : (void)cpu_watchpoint_remove(v->cpu, b->addr, b->len, watch_flags(b->type));
        }
    }
}

static bool op_set_break(int type, uint64_t addr, uint64_t len, bool insert)
{
    Break b = { type, addr, len };
    int n = 0;
    while (n < gdb.nb_breaks && memcmp(&gdb.breaks[n], &b, sizeof(b))) {
        n++;
    }
    if (insert == (n < gdb.nb_breaks)) {
        return true; /* it is as asked for */
    }
    if (insert && n == MAX_BREAKS) {
        return false;
    }
    apply_break(&b, insert);
    gdb.breaks[n] = insert ? b : gdb.breaks[gdb.nb_breaks - 1];
    gdb.nb_breaks += insert ? 1 : -1;
    return true;
}

static void forget_everything(void)
{
    while (gdb.nb_breaks) {
        apply_break(&gdb.breaks[--gdb.nb_breaks], false);
    }
    for (VCPU *v = vcpu_first(); v; v = v->next) {
        cpu_single_step(v->cpu, false);
    }
}

/* ---- running and stopping
 * ----------------------------------------------------------------------------- */

static void op_resume(const GDBAction *actions, int nb)
{
    uint64_t count;
    for (VCPU *v = vcpu_first(); v; v = v->next) {
        bool step = false;
        for (int n = nb - 1; n >= 0; n--) {
            if (actions[n].tid == -1 || actions[n].tid == v->index + 1) {
                step = actions[n].step;
            }
        }
        cpu_single_step(v->cpu, step);
    }
    if (read(gdb.event, &count, sizeof(count)) < 0 && errno != EAGAIN) {
        return; /* cannot be: an eventfd */
    }
    on_main_loop(vm_start);
}

static void op_interrupt(void)
{
    on_main_loop(stop_machine);
}

static bool stopped_at_break(VCPU *v)
{
    vaddr pc = cpu_get_pc(v->cpu);
    for (int n = 0; n < gdb.nb_breaks; n++) {
        if (gdb.breaks[n].type <= GDB_BREAK_HARD && gdb.breaks[n].addr == pc) {
            return true;
        }
    }
    return false;
}

/* Why v made the machine stop; NONE: it did not. */
static GDBStop describe(VCPU *v)
{
    GDBStop stop = { .tid = v->index + 1 };
    vaddr addr;
    const CPUWatchpoint *w = cpu_watchpoint_hit(v->cpu, &addr);
    if (w) {
        stop.kind = GDB_STOP_WATCH;
        stop.address = addr;
        stop.number = (w->flags & BP_ACCESS) == BP_ACCESS ? GDB_WATCH_ACCESS
                      : w->flags & BP_WRITE               ? GDB_WATCH_WRITE
                                                          : GDB_WATCH_READ;
    } else if (stopped_at_break(v)) {
        stop.kind = GDB_STOP_BREAKPOINT;
    } else if (v->cpu->single_step) {
        stop.kind = GDB_STOP_STEP;
    }
    return stop;
}

static GDBStop describe_stop(void)
{
    GDBStop stop = { .kind = GDB_STOP_SIGNAL, .tid = 1, .number = SIGINT };
    if (run_state_get() == RUN_STATE_SHUTDOWN) {
        return (GDBStop){ .kind = GDB_STOP_EXITED, .tid = 1 };
    }
    for (VCPU *v = vcpu_first(); v && run_state_get() == RUN_STATE_DEBUG; v = v->next) {
        GDBStop one = describe(v);
        if (one.kind != GDB_STOP_NONE) {
            return one;
        }
    }
    return stop;
}

static bool op_wait(int fd, GDBStop *stop)
{
    struct pollfd fds[2] = { { fd, POLLIN, 0 }, { gdb.event, POLLIN, 0 } };
    uint64_t count;
    while (poll(fds, 2, -1) < 0 && errno == EINTR) {
    }
    if (fds[1].revents && read(gdb.event, &count, sizeof(count)) > 0) {
        biglock_lock();
        *stop = describe_stop();
        biglock_unlock();
        return true;
    }
    return false;
}

static void op_detach(int pid)
{
    (void)pid; /* the server ends, and lets the machine run */
}

static void op_kill(void)
{
    system_shutdown_request("host-signal", 0);
}

static const GDBTargetOps ops = {
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
    .command = op_command,
    .set_physical = op_set_physical,
    .physical = op_physical,
};

/* One debugger after another. */
static void *serve(void *opaque)
{
    (void)opaque;
    for (;;) {
        int fd = accept(gdb.listener, NULL, NULL);
        if (fd < 0) {
            continue;
        }
        on_main_loop(stop_machine);
        gdb.physical = false;
        gdb.server = (GDBServer){ .ops = &ops, .arch = &gdb_arch_aarch64, .fd = fd, .tid = 1 };
        gdb.server.stop = (GDBStop){ .kind = GDB_STOP_SIGNAL, .tid = 1, .number = SIGTRAP };
        gdb_serve(&gdb.server);
        close(fd);
        on_main_loop(stop_machine);
        forget_everything();
        on_main_loop(vm_start);
    }
    return NULL;
}

/* "tcp::1234", "tcp:host:1234", "unix:path". NULL: another kind of place. */
static char *listen_place(const char *text)
{
    if (g_str_has_prefix(text, "unix:")) {
        return g_strndup(text + 5, strcspn(text + 5, ","));
    }
    if (g_str_has_prefix(text, "tcp:")) {
        text += text[4] == ':' ? 5 : 4;
        return g_strndup(text, strcspn(text, ","));
    }
    return NULL;
}

bool machine_gdb_start(const char *text, GError **err)
{
    g_autofree char *place = listen_place(text);
    pthread_t thread;
    if (!place) {
        g_set_error(err, HW_ERROR, 0, "not implemented: tcp:[HOST]:PORT and unix:PATH are");
        return false;
    }
    gdb.listener = gdb_listen(place, err);
    if (gdb.listener < 0) {
        return false;
    }
    gdb.event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    run_state_add_listener(on_run_state, NULL);
    if (gdb.event < 0 || pthread_create(&thread, NULL, serve, NULL)) {
        g_set_error(err, HW_ERROR, 0, "no thread for the debugger: %s", g_strerror(errno));
        return false;
    }
    return true;
}
