/* SPDX-License-Identifier: MIT */
/*
 * QMP: JSON objects in, JSON objects out, one a line. Objects are cut out of the stream by their
 * brackets, parsed by json-glib, and run one after the other.
 */
#include "monitor/internal.h"

#include <string.h>

#include "monitor/command.h"
#include "util/version.h"

enum { QMP_MAX_INPUT = 64 << 20, QMP_MAX_DEPTH = 1024 };

/* ---- out ------------------------------------------------------------------------------------- */

static void send_node(Monitor *m, JsonNode *node)
{
    g_autofree char *text = json_to_string(node, m->kind == MONITOR_QMP_PRETTY);

    monitor_print(m, text);
    monitor_print(m, "\r\n");
    json_node_unref(node);
}

static void send_error(Monitor *m, JsonNode *id, const char *class, const char *desc)
{
    JsonObject *reply, *error = json_object_new();
    JsonNode *node = node_object(&reply);

    json_object_set_string_member(error, "class", class);
    json_object_set_string_member(error, "desc", desc);
    json_object_set_object_member(reply, "error", error);
    if (id) {
        json_object_set_member(reply, "id", json_node_copy(id));
    }
    send_node(m, node);
}

static JsonObject *version_object(void)
{
    JsonObject *version = json_object_new(), *numbers = json_object_new();

    json_object_set_int_member(numbers, "major", LATIMER_COMPAT_MAJOR);
    json_object_set_int_member(numbers, "minor", LATIMER_COMPAT_MINOR);
    json_object_set_int_member(numbers, "micro", LATIMER_COMPAT_MICRO);
    json_object_set_object_member(version, "qemu", numbers); /* the name that clients look for */
    json_object_set_string_member(version, "package", "latimer " LATIMER_VERSION);
    return version;
}

void qmp_greet(Monitor *m)
{
    JsonObject *top, *qmp = json_object_new();
    JsonNode *node = node_object(&top);

    m->negotiated = false;
    g_byte_array_set_size(m->input, 0);
    json_object_set_object_member(qmp, "version", version_object());
    json_object_set_array_member(qmp, "capabilities", json_array_new());
    json_object_set_object_member(top, "QMP", qmp);
    send_node(m, node);
}

void qmp_event(Monitor *m, const char *name, JsonObject *data)
{
    JsonObject *event, *when = json_object_new();
    JsonNode *node = node_object(&event);
    int64_t now = g_get_real_time();

    json_object_set_int_member(when, "seconds", now / 1000000);
    json_object_set_int_member(when, "microseconds", now % 1000000);
    json_object_set_object_member(event, "timestamp", when);
    json_object_set_string_member(event, "event", name);
    if (data) {
        json_object_set_object_member(event, "data", json_object_ref(data));
    }
    send_node(m, node);
}

/* ---- in ----------------------------------------------------------------------------------------
 */

static const Command *look_up(Monitor *m, const char *name, GError **err)
{
    const Command *c = command_find_qmp(name);

    if (!strcmp(name, "qmp_capabilities") == m->negotiated) {
        g_set_error(err, MONITOR_ERROR, MONITOR_ERROR_COMMAND_NOT_FOUND,
                    m->negotiated ? "Capabilities negotiation is already complete, command ignored"
                                  : "Expecting capabilities negotiation with 'qmp_capabilities'");
        return NULL;
    }
    if (!c) {
        g_set_error(err, MONITOR_ERROR, MONITOR_ERROR_COMMAND_NOT_FOUND,
                    "The command %s has not been found", name);
    }
    return c;
}

static bool check_members(JsonObject *request, GError **err)
{
    g_autoptr(GList) names = json_object_get_members(request);

    for (GList *l = names; l; l = l->next) {
        if (strcmp(l->data, "execute") && strcmp(l->data, "arguments") && strcmp(l->data, "id")) {
            g_set_error(err, MONITOR_ERROR, 0, "QMP input member '%s' is unexpected",
                        (char *)l->data);
            return false;
        }
    }
    JsonNode *what = json_object_get_member(request, "execute");
    if (!what || json_node_get_value_type(what) != G_TYPE_STRING) {
        g_set_error(err, MONITOR_ERROR, 0,
                    what ? "QMP input member 'execute' must be a string"
                         : "QMP input lacks member 'execute'");
        return false;
    }
    JsonNode *args = json_object_get_member(request, "arguments");
    if (args && !JSON_NODE_HOLDS_OBJECT(args)) {
        g_set_error(err, MONITOR_ERROR, 0, "QMP input member 'arguments' must be an object");
        return false;
    }
    return true;
}

/* NULL and *err, or the value of "return". */
static JsonNode *execute(Monitor *m, JsonObject *request, GError **err)
{
    g_autoptr(JsonObject) none = json_object_new();
    JsonObject *args = none, *empty;
    const Command *c;
    GError *failed = NULL;

    if (!check_members(request, err)) {
        return NULL;
    }
    if (json_object_has_member(request, "arguments")) {
        args = json_object_get_object_member(request, "arguments");
    }
    c = look_up(m, json_object_get_string_member(request, "execute"), err);
    if (!c || !command_check(c, args, err)) {
        return NULL;
    }
    JsonNode *result = c->run(c, args, &failed);
    if (failed) {
        g_propagate_error(err, failed);
        return NULL;
    }
    if (!strcmp(c->qmp, "qmp_capabilities")) {
        m->negotiated = true;
    }
    return result ? result : node_object(&empty);
}

static void run_request(Monitor *m, JsonNode *root)
{
    g_autoptr(GError) err = NULL;
    JsonNode *id = NULL, *result;
    JsonObject *reply;

    if (!JSON_NODE_HOLDS_OBJECT(root)) {
        send_error(m, NULL, "GenericError", "QMP input must be a JSON object");
        return;
    }
    id = json_object_get_member(json_node_get_object(root), "id");
    result = execute(m, json_node_get_object(root), &err);
    if (!result) {
        send_error(m, id, command_error_class(err), err->message);
        return;
    }
    JsonNode *node = node_object(&reply);
    json_object_set_member(reply, "return", result);
    if (id) {
        json_object_set_member(reply, "id", json_node_copy(id));
    }
    send_node(m, node);
}

static void run_text(Monitor *m, const char *text, size_t len)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autoptr(GError) err = NULL;

    if (!json_parser_load_from_data(parser, text, (gssize)len, &err)) {
        send_error(m, NULL, "GenericError", err->message);
        return;
    }
    run_request(m, json_parser_get_root(parser));
}

/*
 * The end of the first JSON object or array in buf, 0: not there yet. What is in front of it
 * (blanks; or nonsense, which is answered with an error) begins at *start. depth -1: never closes.
 */
static size_t find_end(const char *buf, size_t len, size_t *start)
{
    bool in_string = false;
    unsigned depth = 0;

    for (*start = 0; *start < len && g_ascii_isspace(buf[*start]); ++*start) {
    }
    for (size_t i = *start; i < len; i++) {
        char c = buf[i];

        if (in_string) {
            i += c == '\\';
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > QMP_MAX_DEPTH) {
                return i + 1;
            }
        } else if ((c == '}' || c == ']') && depth) {
            if (--depth == 0) {
                return i + 1;
            }
        } else if (!depth && c == '\n') {
            return i + 1; /* a line without brackets */
        }
    }
    return 0;
}

void qmp_input(Monitor *m, const uint8_t *buf, size_t len)
{
    size_t start, end, done = 0;

    g_byte_array_append(m->input, buf, (guint)len);
    while ((end = find_end((char *)m->input->data + done, m->input->len - done, &start)) != 0) {
        /* a command may close this monitor's input: the bytes stay valid, the array is ours */
        run_text(m, (char *)m->input->data + done + start, end - start);
        done += end;
        if (done > m->input->len) {
            return; /* greeted anew */
        }
    }
    g_byte_array_remove_range(m->input, 0, (guint)done);
    if (m->input->len > QMP_MAX_INPUT) {
        g_byte_array_set_size(m->input, 0);
        send_error(m, NULL, "GenericError", "JSON value is longer than 64 MiB");
    }
}

/* ---- commands of the protocol itself
 * ------------------------------------------------------------------- */

static JsonNode *capabilities(G_GNUC_UNUSED const Command *self, G_GNUC_UNUSED JsonObject *args,
                              G_GNUC_UNUSED GError **err)
{
    return NULL;
}

static JsonNode *query_version(G_GNUC_UNUSED const Command *self, G_GNUC_UNUSED JsonObject *args,
                               G_GNUC_UNUSED GError **err)
{
    return json_node_init_object(json_node_alloc(), version_object());
}

static void print_version(GString *out, G_GNUC_UNUSED JsonNode *result)
{
    g_string_append(out, LATIMER_VERSION "\n");
}

static void list_one(const Command *c, void *opaque)
{
    JsonObject *one = json_object_new();

    if (c->qmp) {
        json_object_set_string_member(one, "name", c->qmp);
        json_array_add_object_element(opaque, one);
    } else {
        json_object_unref(one);
    }
}

static JsonNode *query_commands(G_GNUC_UNUSED const Command *self, G_GNUC_UNUSED JsonObject *args,
                                G_GNUC_UNUSED GError **err)
{
    JsonArray *list;
    JsonNode *node = node_array(&list);

    command_foreach(list_one, list);
    return node;
}

static JsonNode *human_command(G_GNUC_UNUSED const Command *self, JsonObject *args,
                               G_GNUC_UNUSED GError **err)
{
    g_autofree char *text = monitor_run_line(arg_str(args, "command-line"));

    return node_string(text);
}

static JsonNode *help(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    (void)args, (void)err;
    return NULL; /* hmp.c does it: it knows how lines look */
}

static const CommandArg human_args[] = {
    { "command-line", ARG_STR, false, "the line" },
    { "cpu-index", ARG_INT, true, "the CPU that it is about" },
    { 0 },
};
static const CommandArg capabilities_args[] = {
    { "enable", ARG_ANY, true, "there are none to enable" }, { 0 }
};
static const CommandArg help_args[] = { { "name", ARG_REST, true, "command" }, { 0 } };

const Command monitor_commands[] = {
    { "qmp_capabilities", NULL, "Ends the greeting", capabilities_args, .run = capabilities },
    { "query-version", "info version", "Which emulator this is", .run = query_version,
      .print = print_version },
    { "query-commands", NULL, "Names of all commands", .run = query_commands },
    { "query-qmp-schema", NULL, "Arguments and results of all commands", .run = schema_query },
    { "human-monitor-command", NULL, "Runs a line of the monitor", human_args,
      .run = human_command },
    { NULL, "help", "This text, or that of one command", help_args, .run = help, .alias = "?" },
    { 0 },
};
