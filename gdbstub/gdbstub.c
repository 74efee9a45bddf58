/* SPDX-License-Identifier: MIT */
/* The protocol's commands: a table by name, a function each. */
#include "gdbstub/gdbstub.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PACKET_SIZE = 0x4000 };

/* ---- text in and out
 * ---------------------------------------------------------------------------------------------- */

static void reply(GDBServer *s, const char *text)
{
    gdb_write_packet(s, text, strlen(text));
}

static void put_hex(GString *out, const void *data, size_t len)
{
    for (size_t n = 0; n < len; n++) {
        g_string_append_printf(out, "%02x", ((const uint8_t *)data)[n]);
    }
}

static size_t get_hex(const char *text, uint8_t *buf, size_t size)
{
    size_t n = 0;
    unsigned byte;

    while (n < size && sscanf(text + 2 * n, "%2x", &byte) == 1) {
        buf[n++] = byte;
    }
    return n;
}

static void reply_string(GDBServer *s, GString *out)
{
    gdb_write_packet(s, out->str, out->len);
    g_string_free(out, TRUE);
}

/* "pPID.TID", "TID"; -1 is all, 0 any. *pid stays as it is without one. */
static int parse_thread(const char *text, int *pid)
{
    if (*text == 'p') {
        char *end;

        *pid = (int)strtol(text + 1, &end, 16);
        return *end == '.' ? (int)strtol(end + 1, NULL, 16) : -1;
    }
    return (int)strtol(text, NULL, 16);
}

static void put_thread(const GDBServer *s, GString *out, int pid, int tid)
{
    if (s->multiprocess) {
        g_string_append_printf(out, "p%x.", pid);
    }
    g_string_append_printf(out, "%x", tid);
}

static CPUState *selected_cpu(GDBServer *s)
{
    CPUState *cpu = s->ops->thread_cpu(s->tid);

    if (!cpu) { /* the thread is gone, or a fork's child that is seen through its parent */
        s->tid =
            s->stop.tid && s->ops->thread_cpu(s->stop.tid) ? s->stop.tid : s->ops->next_thread(0);
        cpu = s->ops->thread_cpu(s->tid);
    }
    return cpu;
}

/* ---- why the target stopped
 * ------------------------------------------------------------------------------------------- */

static void describe_stop(const GDBServer *s, const GDBStop *stop, GString *out)
{
    static const char *const watch_names[] = { "", "", "watch", "rwatch", "awatch" };
    int pid = s->ops->pid();

    if (stop->kind == GDB_STOP_EXITED || stop->kind == GDB_STOP_KILLED) {
        bool exited = stop->kind == GDB_STOP_EXITED;

        g_string_printf(out, "%c%02x", exited ? 'W' : 'X',
                        exited ? stop->number & 255 : gdb_signal_from_host(stop->number));
        if (s->multiprocess) {
            g_string_append_printf(out, ";process:%x", pid);
        }
        return;
    }
    g_string_printf(out, "T%02xthread:",
                    stop->kind == GDB_STOP_SIGNAL ? gdb_signal_from_host(stop->number) : 5);
    put_thread(s, out, pid, stop->tid);
    g_string_append_c(out, ';');
    switch (stop->kind) {
    case GDB_STOP_BREAKPOINT:
        g_string_append(out, s->swbreak ? "swbreak:;" : "");
        break;
    case GDB_STOP_WATCH:
        g_string_append_printf(out, "%s:%" PRIx64 ";", watch_names[stop->number], stop->address);
        break;
    case GDB_STOP_SYSCALL_ENTRY:
        g_string_append_printf(out, "syscall_entry:%x;", stop->number);
        break;
    case GDB_STOP_SYSCALL_RETURN:
        g_string_append_printf(out, "syscall_return:%x;", stop->number);
        break;
    case GDB_STOP_FORK:
        g_string_append(out, "fork:");
        put_thread(s, out, stop->number, stop->number);
        g_string_append_c(out, ';');
        break;
    case GDB_STOP_EXEC:
        g_string_append(out, "exec:");
        put_hex(out, stop->text, strlen(stop->text));
        g_string_append_c(out, ';');
        break;
    default:
        break;
    }
}

void gdb_send_stop(GDBServer *s, const GDBStop *stop)
{
    GString *out = g_string_new(NULL);

    describe_stop(s, stop, out);
    reply_string(s, out);
}

static void cmd_why(GDBServer *s, char *arg)
{
    (void)arg;
    gdb_send_stop(s, &s->stop);
}

/* ---- registers and memory
 * -------------------------------------------------------------------------------------------- */

static void cmd_read_registers(GDBServer *s, char *arg)
{
    CPUState *cpu = selected_cpu(s);
    GString *out = g_string_new(NULL);
    uint8_t buf[GDB_MAX_REGISTER];

    (void)arg;
    for (int n = 0; cpu && n < s->arch->nb_registers; n++) {
        put_hex(out, buf, s->arch->read_register(cpu, n, buf));
    }
    reply_string(s, cpu ? out : g_string_assign(out, "E03"));
}

static void cmd_write_registers(GDBServer *s, char *arg)
{
    CPUState *cpu = selected_cpu(s);
    uint8_t buf[GDB_MAX_REGISTER];

    for (int n = 0; cpu && n < s->arch->nb_registers; n++) {
        int size = s->arch->read_register(cpu, n, buf);

        if ((int)get_hex(arg, buf, size) < size) {
            break;
        }
        s->arch->write_register(cpu, n, buf);
        arg += 2 * size;
    }
    reply(s, cpu ? "OK" : "E03");
}

static void cmd_read_register(GDBServer *s, char *arg)
{
    CPUState *cpu = selected_cpu(s);
    uint8_t buf[GDB_MAX_REGISTER];
    int size = cpu ? s->arch->read_register(cpu, (int)strtol(arg, NULL, 16), buf) : 0;
    GString *out = g_string_new(size ? "" : "E14");

    put_hex(out, buf, size);
    reply_string(s, out);
}

static void cmd_write_register(GDBServer *s, char *arg)
{
    CPUState *cpu = selected_cpu(s);
    uint8_t buf[GDB_MAX_REGISTER] = { 0 };
    char *value;
    int n = (int)strtol(arg, &value, 16);

    get_hex(value + (*value == '='), buf, sizeof(buf));
    reply(s, cpu && s->arch->write_register(cpu, n, buf) ? "OK" : "E14");
}

static bool parse_range(char *arg, uint64_t *addr, uint64_t *len, char **rest)
{
    char *end;

    *addr = strtoull(arg, &end, 16);
    if (*end != ',') {
        return false;
    }
    *len = strtoull(end + 1, rest, 16);
    return *len <= PACKET_SIZE;
}

static void cmd_read_memory(GDBServer *s, char *arg)
{
    uint8_t buf[PACKET_SIZE / 2];
    uint64_t addr, len;
    GString *out;
    char *rest;

    if (!parse_range(arg, &addr, &len, &rest)) {
        reply(s, "E22");
        return;
    }
    len = MIN(len, sizeof(buf));
    while (len && !s->ops->read_memory(addr, buf, len)) {
        uint64_t to_page = 4096 - (addr & 4095); /* what there is of it */

        len = len > to_page ? to_page : 0;
    }
    out = g_string_new(len ? "" : "E14");
    put_hex(out, buf, len);
    reply_string(s, out);
}

static void cmd_write_memory(GDBServer *s, char *arg)
{
    uint64_t addr, len;
    char *rest;

    if (!parse_range(arg, &addr, &len, &rest) || *rest != ':') {
        reply(s, "E22");
        return;
    }
    g_autofree uint8_t *buf = g_malloc0(len + 1);
    if (get_hex(rest + 1, buf, len) < len) {
        reply(s, "E22");
        return;
    }
    reply(s, !len || s->ops->write_memory(addr, buf, len) ? "OK" : "E14");
}

/* As M, with the bytes as they are; gdb_read_packet took the escapes out. */
static void cmd_write_binary(GDBServer *s, char *arg)
{
    uint64_t addr, len;
    char *rest;

    if (!parse_range(arg, &addr, &len, &rest) || *rest != ':') {
        reply(s, "E22");
        return;
    }
    reply(s, !len || s->ops->write_memory(addr, rest + 1, len) ? "OK" : "E14");
}

static void set_break(GDBServer *s, char *arg, bool insert)
{
    int type = *arg - '0';
    uint64_t addr, len;
    char *rest;

    if (type < GDB_BREAK_SOFT || type > GDB_WATCH_ACCESS || arg[1] != ',') {
        reply(s, "");
    } else if (!parse_range(arg + 2, &addr, &len, &rest)) {
        reply(s, "E22");
    } else if (s->other_pid) { /* of a fork's other half: it gets none */
        reply(s, "OK");
    } else {
        reply(s, s->ops->set_break(type, addr, len, insert) ? "OK" : "E14");
    }
}

static void cmd_insert_break(GDBServer *s, char *arg)
{
    set_break(s, arg, true);
}

static void cmd_remove_break(GDBServer *s, char *arg)
{
    set_break(s, arg, false);
}

/* ---- going on
 * ---------------------------------------------------------------------------------------------- */

static void resume(GDBServer *s, const GDBAction *actions, int nb)
{
    s->ops->resume(actions, nb);
    s->running = true;
}

static void go(GDBServer *s, bool step, char *arg, bool with_signal)
{
    GDBAction actions[2] = { { s->tid, step, 0 }, { -1, false, 0 } };

    selected_cpu(s);
    actions[0].tid = s->tid;
    if (with_signal) {
        actions[0].signal = gdb_signal_to_host((int)strtol(arg, NULL, 16));
    }
    resume(s, actions, 2);
}

static void cmd_continue(GDBServer *s, char *arg)
{
    go(s, false, arg, false);
}
static void cmd_step(GDBServer *s, char *arg)
{
    go(s, true, arg, false);
}
static void cmd_continue_signal(GDBServer *s, char *arg)
{
    go(s, false, arg, true);
}
static void cmd_step_signal(GDBServer *s, char *arg)
{
    go(s, true, arg, true);
}

static void cmd_vcont_supported(GDBServer *s, char *arg)
{
    (void)arg;
    reply(s, "vCont;c;C;s;S");
}

static void cmd_vcont(GDBServer *s, char *arg)
{
    GDBAction actions[GDB_MAX_ACTIONS];
    int nb = 0;

    for (char *p = strtok(arg, ";"); p && nb < GDB_MAX_ACTIONS; p = strtok(NULL, ";")) {
        char *thread = strchr(p, ':');
        int pid = 0;

        actions[nb].step = *p == 's' || *p == 'S';
        actions[nb].signal =
            *p == 'C' || *p == 'S' ? gdb_signal_to_host((int)strtol(p + 1, NULL, 16)) : 0;
        actions[nb].tid = thread ? parse_thread(thread + 1, &pid) : -1;
        nb += !pid || pid == s->ops->pid();
    }
    resume(s, actions, nb);
}

static void cmd_kill(GDBServer *s, char *arg)
{
    (void)arg;
    reply(s, "OK");
    s->ops->kill();
    s->gone = true;
}

static void cmd_detach(GDBServer *s, char *arg)
{
    int pid = *arg == ';' ? (int)strtol(arg + 1, NULL, 16) : s->ops->pid();

    s->ops->detach(pid);
    s->other_pid = 0;
    if (!s->gone) {
        reply(s, "OK");
    }
    s->gone |= pid == s->ops->pid();
}

/* ---- threads
 * -----------------------------------------------------------------------------------------------
 */

static void cmd_select(GDBServer *s, char *arg)
{
    int pid = s->ops->pid(), tid = *arg ? parse_thread(arg + 1, &pid) : 0;

    if (*arg == 'g') {
        s->other_pid = pid > 0 && pid != s->ops->pid() ? pid : 0;
        if (tid > 0) {
            s->tid = tid;
        }
        selected_cpu(s);
    }
    reply(s, "OK");
}

static void cmd_alive(GDBServer *s, char *arg)
{
    int pid = s->ops->pid(), tid = parse_thread(arg, &pid);

    reply(s, pid != s->ops->pid() || s->ops->thread_cpu(tid) ? "OK" : "E03");
}

static void cmd_current_thread(GDBServer *s, char *arg)
{
    GString *out = g_string_new("QC");

    (void)arg;
    put_thread(s, out, s->ops->pid(), s->tid);
    reply_string(s, out);
}

static void cmd_threads(GDBServer *s, char *arg)
{
    GString *out = g_string_new("m");

    (void)arg;
    for (int tid = s->ops->next_thread(0); tid; tid = s->ops->next_thread(tid)) {
        if (out->len > 1) {
            g_string_append_c(out, ',');
        }
        put_thread(s, out, s->ops->pid(), tid);
    }
    reply_string(s, out->len > 1 ? out : g_string_assign(out, "l"));
}

static void cmd_threads_more(GDBServer *s, char *arg)
{
    (void)arg;
    reply(s, "l");
}

static void cmd_thread_name(GDBServer *s, char *arg)
{
    GString *out = g_string_new(NULL);
    int pid = 0;
    char name[64] = "";

    s->ops->thread_name(parse_thread(arg, &pid), name, sizeof(name));
    put_hex(out, name, strlen(name));
    reply_string(s, out);
}

/* ---- what both sides can do
 * ------------------------------------------------------------------------------------------ */

static void cmd_supported(GDBServer *s, char *arg)
{
    static const char text[] =
        "PacketSize=%x;QStartNoAckMode+;qXfer:features:read+;qXfer:auxv:read+;"
        "qXfer:exec-file:read+;qXfer:siginfo:read+;QPassSignals+;QCatchSyscalls+;multiprocess+;"
        "swbreak+;hwbreak+;vContSupported+;fork-events+;exec-events+";
    GString *out = g_string_new(NULL);

    s->multiprocess = strstr(arg, "multiprocess+");
    s->swbreak = strstr(arg, "swbreak+");
    s->fork_events = s->multiprocess && strstr(arg, ";fork-events+");
    s->exec_events = s->multiprocess && strstr(arg, "exec-events+");
    g_string_printf(out, text, PACKET_SIZE - 8);
    reply_string(s, out);
}

static void cmd_no_ack(GDBServer *s, char *arg)
{
    (void)arg;
    reply(s, "OK");
    s->no_ack = true;
}

static void cmd_pass_signals(GDBServer *s, char *arg)
{
    s->pass_signals = 0;
    for (char *p = arg; *p; p += *p == ';') {
        int sig = gdb_signal_to_host((int)strtol(p, &p, 16));

        if (sig) {
            s->pass_signals |= UINT64_C(1) << (sig - 1);
        } else if (*p && *p != ';') {
            break;
        }
    }
    reply(s, "OK");
}

static void cmd_catch_syscalls(GDBServer *s, char *arg)
{
    s->catch_syscalls = *arg == '1';
    s->nb_syscalls = 0;
    for (char *p = strchr(arg, ';'); p && s->nb_syscalls < GDB_MAX_SYSCALLS; p = strchr(p, ';')) {
        s->syscalls[s->nb_syscalls++] = (int)strtol(++p, NULL, 16);
    }
    reply(s, "OK");
}

static void cmd_attached(GDBServer *s, char *arg)
{
    (void)arg;
    reply(s, "0"); /* leaving the debugger ends the program that it was begun for */
}

/* qXfer:OBJECT:read:ANNEX:OFFSET,LENGTH */
static void cmd_xfer(GDBServer *s, char *arg)
{
    g_auto(GStrv) parts = g_strsplit(arg, ":", 4);
    uint64_t offset, len;
    g_autofree char *text = NULL;
    size_t size = 0;
    char *rest;
    GString *out;

    if (g_strv_length(parts) != 4 || strcmp(parts[1], "read") ||
        !parse_range(parts[3], &offset, &len, &rest)) {
        reply(s, "");
        return;
    }
    if (!strcmp(parts[0], "features")) {
        text = strcmp(parts[2], "target.xml") ? NULL : g_strdup(s->arch->target_xml);
        size = text ? strlen(text) : 0;
    } else {
        text = s->ops->read_object(parts[0], s->tid, &size);
    }
    if (!text) {
        reply(s, "E00");
        return;
    }
    offset = MIN(offset, size);
    len = MIN(len, size - offset);
    out = g_string_new(offset + len < size ? "m" : "l");
    g_string_append_len(out, text + offset, len);
    reply_string(s, out);
}

/* ---- machines
 * ----------------------------------------------------------------------------------------------
 */

/* qRcmd,LINE-IN-HEX: what the line prints, in pieces that fit, then OK. */
static void cmd_monitor(GDBServer *s, char *arg)
{
    enum { PIECE = (PACKET_SIZE - 8) / 2 };
    g_autoptr(GString) line = g_string_new(NULL);
    g_autofree char *text = NULL;
    size_t len;

    if (!s->ops->command) {
        reply(s, "");
        return;
    }
    for (; g_ascii_isxdigit(arg[0]) && g_ascii_isxdigit(arg[1]); arg += 2) {
        g_string_append_c(line,
                          (char)(g_ascii_xdigit_value(arg[0]) << 4 | g_ascii_xdigit_value(arg[1])));
    }
    text = s->ops->command(line->str);
    len = text ? strlen(text) : 0;
    for (size_t at = 0; at < len; at += PIECE) {
        GString *out = g_string_new("O");

        put_hex(out, text + at, MIN(PIECE, len - at));
        reply_string(s, out);
    }
    reply(s, "OK");
}

static void cmd_physical(GDBServer *s, char *arg)
{
    (void)arg;
    reply(s, !s->ops->physical ? "" : s->ops->physical() ? "1" : "0");
}

static void cmd_set_physical(GDBServer *s, char *arg)
{
    bool known = s->ops->set_physical && (!strcmp(arg, "0") || !strcmp(arg, "1"));

    if (known) {
        s->ops->set_physical(*arg == '1');
    }
    reply(s, known ? "OK" : s->ops->set_physical ? "E22" : "");
}

/* ---- the table
 * --------------------------------------------------------------------------------------------------
 */

/* The longer of two names with a common head stands first. */
static const struct {
    const char *name;
    void (*fn)(GDBServer *s, char *arg);
} commands[] = {
    { "qSupported", cmd_supported },
    { "QStartNoAckMode", cmd_no_ack },
    { "qXfer:", cmd_xfer },
    { "qAttached", cmd_attached },
    { "QPassSignals:", cmd_pass_signals },
    { "QCatchSyscalls:", cmd_catch_syscalls },
    { "qfThreadInfo", cmd_threads },
    { "qsThreadInfo", cmd_threads_more },
    { "qThreadExtraInfo,", cmd_thread_name },
    { "qRcmd,", cmd_monitor },
    { "qqemu.PhyMemMode", cmd_physical }, /* the names that scripts use */
    { "Qqemu.PhyMemMode:", cmd_set_physical },
    { "qC", cmd_current_thread },
    { "vCont?", cmd_vcont_supported },
    { "vCont;", cmd_vcont },
    { "vKill", cmd_kill },
    { "?", cmd_why },
    { "g", cmd_read_registers },
    { "G", cmd_write_registers },
    { "p", cmd_read_register },
    { "P", cmd_write_register },
    { "m", cmd_read_memory },
    { "M", cmd_write_memory },
    { "X", cmd_write_binary },
    { "Z", cmd_insert_break },
    { "z", cmd_remove_break },
    { "c", cmd_continue },
    { "C", cmd_continue_signal },
    { "s", cmd_step },
    { "S", cmd_step_signal },
    { "H", cmd_select },
    { "T", cmd_alive },
    { "D", cmd_detach },
    { "k", cmd_kill },
};

static void handle_packet(GDBServer *s, char *packet)
{
    for (size_t n = 0; n < G_N_ELEMENTS(commands); n++) {
        size_t len = strlen(commands[n].name);

        if (!strncmp(packet, commands[n].name, len) &&
            !(packet[0] == 'q' && !strcmp(commands[n].name, "qC") && packet[2])) {
            commands[n].fn(s, packet + len);
            return;
        }
    }
    reply(s, ""); /* not supported */
}

static void wait_for_stop(GDBServer *s)
{
    while (s->running && !s->gone) {
        char packet[PACKET_SIZE];
        long len;

        if (!gdb_has_input(s) && s->ops->wait(s->fd, &s->stop)) {
            s->running = false;
            s->tid = s->stop.tid;
            gdb_send_stop(s, &s->stop);
            s->gone |= s->stop.kind == GDB_STOP_EXITED || s->stop.kind == GDB_STOP_KILLED;
            return;
        }
        if (s->paused) {
            return;
        }
        len = gdb_read_packet(s, packet, sizeof(packet));
        if (len == -1) {
            s->gone = true;
        } else if (len == -2) {
            s->ops->interrupt();
        }
    }
}

void gdb_serve(GDBServer *s)
{
    while (!s->gone && !s->paused) {
        char packet[PACKET_SIZE];
        long len;

        if (s->running) {
            wait_for_stop(s);
            continue;
        }
        len = gdb_read_packet(s, packet, sizeof(packet));
        if (len == -1) {
            s->gone = true;
        } else if (len >= 0) {
            handle_packet(s, packet);
        }
    }
}

/* ---- for execve and fork
 * ------------------------------------------------------------------------------------------- */

unsigned gdb_state(const GDBServer *s)
{
    return s->no_ack | s->multiprocess << 1 | s->fork_events << 2 | s->exec_events << 3 |
           s->swbreak << 4;
}

void gdb_set_state(GDBServer *s, unsigned state)
{
    s->no_ack = state & 1;
    s->multiprocess = state & 2;
    s->fork_events = state & 4;
    s->exec_events = state & 8;
    s->swbreak = state & 16;
}
