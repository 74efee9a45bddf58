/* SPDX-License-Identifier: MIT */
/* Monitors and their character devices; events to all of them. */
#include "monitor/internal.h"

#include <string.h>

#include "hw/device.h"
#include "hw/runstate.h"
#include "hw/virtio/balloon.h"
#include "monitor/command.h"
#include "util/opts.h"

static GPtrArray *monitors; /* Monitor * */

enum { CHUNK = 4096, MAX_PENDING = 64 << 20 };

/* ---- bytes ------------------------------------------------------------------------------------
 */

static void flush(Monitor *m)
{
    size_t taken = char_write(&m->fe, m->out->str, m->out->len);

    g_string_erase(m->out, 0, (gssize)taken);
}

void monitor_print(Monitor *m, const char *text)
{
    if (m->out->len > MAX_PENDING) { /* nobody reads */
        return;
    }
    g_string_append(m->out, text);
    flush(m);
}

static size_t can_read(G_GNUC_UNUSED void *opaque)
{
    return CHUNK;
}

static void read_bytes(void *opaque, const uint8_t *buf, size_t len)
{
    Monitor *m = opaque;

    (m->kind == MONITOR_HMP ? hmp_input : qmp_input)(m, buf, len);
}

static void on_event(void *opaque, CharEvent event)
{
    Monitor *m = opaque;

    if ((event == CHAR_EVENT_OPENED && char_has_focus(&m->fe)) || event == CHAR_EVENT_FOCUS_IN) {
        (m->kind == MONITOR_HMP ? hmp_greet : qmp_greet)(m);
    } else if (event == CHAR_EVENT_CLOSED) {
        m->negotiated = false;
        g_string_truncate(m->out, 0);
    }
}

static void writable(void *opaque)
{
    flush(opaque);
}

static const CharUser user = {
    .can_read = can_read, .read = read_bytes, .event = on_event, .writable = writable
};

bool monitor_add(Chardev *chardev, MonitorKind kind, GError **err)
{
    Monitor *m = g_new0(Monitor, 1);

    m->kind = kind;
    m->out = g_string_new(NULL);
    m->input = g_byte_array_new();
    m->line = g_string_new(NULL);
    m->history = g_ptr_array_new_with_free_func(g_free);
    if (!monitors) {
        monitors = g_ptr_array_new();
    }
    g_ptr_array_add(monitors, m); /* before it is opened: its greeting may come at once */
    if (!char_connect(&m->fe, chardev, &user, m, err)) {
        g_ptr_array_remove(monitors, m);
        g_string_free(m->out, TRUE);
        g_string_free(m->line, TRUE);
        g_byte_array_free(m->input, TRUE);
        g_ptr_array_free(m->history, TRUE);
        g_free(m);
        return false;
    }
    return true;
}

bool monitor_add_from_text(const char *text, GError **err)
{
    static const OptDef rows[] = { { "chardev", OPT_STR, NULL, "where it listens" },
                                   { "mode", OPT_STR, "readline", "readline or control" },
                                   { "pretty", OPT_BOOL, "off", "QMP on many lines" },
                                   { "id", OPT_STR, NULL, "name" },
                                   { 0 } };
    static const char *const modes[] = { "readline", "control", NULL };
    g_autoptr(Opts) opts = opts_new();
    Chardev *chardev;
    int mode;

    if (!opts_parse(opts, text, "chardev", err) || !opts_check(opts, rows, err) ||
        !opt_enum(opts, rows, "mode", modes, &mode, err)) {
        return false;
    }
    const char *id = opt_str(opts, rows, "chardev");
    if (!id || !(chardev = chardev_find(id))) {
        g_set_error(err, OPTS_ERROR, 0,
                    id ? "chardev=%s: there is no such chardev" : "chardev= is missing", id);
        return false;
    }
    return monitor_add(chardev,
                       mode == 0                        ? MONITOR_HMP
                       : opt_bool(opts, rows, "pretty") ? MONITOR_QMP_PRETTY
                                                        : MONITOR_QMP,
                       err);
}

/* ---- events
 * -------------------------------------------------------------------------------------- */

void monitor_event(const char *name, JsonObject *data)
{
    for (guint i = 0; monitors && i < monitors->len; i++) {
        Monitor *m = monitors->pdata[i];

        if (m->kind != MONITOR_HMP && m->negotiated) {
            qmp_event(m, name, data);
        }
    }
    if (data) {
        json_object_unref(data);
    }
}

static void on_run_state(G_GNUC_UNUSED void *opaque, RunState state)
{
    static RunState last = RUN_STATE_PRELAUNCH;

    if (state == RUN_STATE_RUNNING && last != RUN_STATE_RUNNING) {
        monitor_event("RESUME", NULL);
    } else if (state != RUN_STATE_RUNNING && last == RUN_STATE_RUNNING) {
        monitor_event("STOP", NULL);
    }
    last = state;
}

static void on_machine_event(const char *name, const char *cause)
{
    JsonObject *data = NULL;

    if (!strcmp(name, "WATCHDOG") || g_str_has_prefix(name, "GUEST_")) {
        data = json_object_new();
        json_object_set_string_member(data, "action", cause);
    } else if (cause) {
        data = json_object_new();
        json_object_set_boolean_member(data, "guest", g_str_has_prefix(cause, "guest"));
        json_object_set_string_member(data, "reason", cause);
    }
    monitor_event(name, data);
}

static void on_device_deleted(const char *id)
{
    JsonObject *data = json_object_new();

    json_object_set_string_member(data, "device", id);
    monitor_event("DEVICE_DELETED", data);
}

static void on_balloon_changed(uint64_t actual)
{
    JsonObject *data = json_object_new();

    json_object_set_int_member(data, "actual", (gint64)actual);
    monitor_event("BALLOON_CHANGE", data);
}

void monitor_init(void)
{
    run_set_event_hook(on_machine_event);
    device_set_deleted_hook(on_device_deleted);
    balloon_set_changed_hook(on_balloon_changed);
    run_state_add_listener(on_run_state, NULL);
    monitor_init_net();
}

char *monitor_run_line(const char *line)
{
    GString *out = g_string_new(NULL);

    hmp_run_line(line, out);
    return g_string_free(out, FALSE);
}
