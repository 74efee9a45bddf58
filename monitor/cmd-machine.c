/* SPDX-License-Identifier: MIT */
/* Commands about the machine as a whole: state, power, name, types. */
#include <stdlib.h>
#include <string.h>

#include "hw/machine.h"
#include "hw/rtc.h"
#include "hw/runstate.h"
#include "monitor/command.h"
#include "util/log.h"

#define NO_ARGS \
    G_GNUC_UNUSED const Command *self, G_GNUC_UNUSED JsonObject *args, G_GNUC_UNUSED GError **err

static JsonNode *query_status(NO_ARGS)
{
    JsonObject *o;
    JsonNode *node = node_object(&o);
    RunState state = run_state_get();

    json_object_set_string_member(o, "status", run_state_name(state));
    json_object_set_boolean_member(o, "singlestep", FALSE);
    json_object_set_boolean_member(o, "running", state == RUN_STATE_RUNNING);
    return node;
}

static void print_status(GString *out, JsonNode *result)
{
    JsonObject *o = json_node_get_object(result);
    const char *status = json_object_get_string_member(o, "status");

    if (json_object_get_boolean_member(o, "running")) {
        g_string_append(out, "VM status: running\n");
    } else if (!strcmp(status, "paused")) {
        g_string_append(out, "VM status: paused\n");
    } else {
        g_string_append_printf(out, "VM status: paused (%s)\n", status);
    }
}

static JsonNode *stop(NO_ARGS)
{
    if (run_state_get() == RUN_STATE_RUNNING) {
        vm_stop(RUN_STATE_PAUSED);
    }
    return NULL;
}

static JsonNode *cont(G_GNUC_UNUSED const Command *self, G_GNUC_UNUSED JsonObject *args,
                      GError **err)
{
    RunState state = run_state_get();

    if (state == RUN_STATE_SHUTDOWN || state == RUN_STATE_GUEST_PANICKED) {
        g_set_error(err, MONITOR_ERROR, 0, "Resetting the Virtual Machine is required");
        return NULL;
    }
    vm_start();
    return NULL;
}

static JsonNode *quit(NO_ARGS)
{
    system_shutdown_request("host-qmp-quit", 0);
    return NULL;
}

static JsonNode *reset(NO_ARGS)
{
    system_reset_request("host-qmp-system-reset");
    return NULL;
}

static JsonNode *powerdown(NO_ARGS)
{
    system_powerdown_request();
    return NULL;
}

static JsonNode *query_name(NO_ARGS)
{
    Machine *m = machine_current();
    JsonObject *o;
    JsonNode *node = node_object(&o);

    if (m && m->name) {
        json_object_set_string_member(o, "name", m->name);
    }
    return node;
}

static void print_name(GString *out, JsonNode *result)
{
    const char *name = arg_str(json_node_get_object(result), "name");

    g_string_append_printf(out, "%s\n", name ? name : "");
}

static JsonNode *query_uuid(NO_ARGS)
{
    static const uint8_t none[16];
    Machine *m = machine_current();
    const uint8_t *u = m ? m->uuid : none;
    JsonObject *o;
    JsonNode *node = node_object(&o);
    g_autofree char *text = g_strdup_printf(
        "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1], u[2],
        u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);

    json_object_set_string_member(o, "UUID", text);
    return node;
}

static void print_uuid(GString *out, JsonNode *result)
{
    g_string_append_printf(out, "%s\n", arg_str(json_node_get_object(result), "UUID"));
}

static void add_machine(const DeviceType *type, void *opaque)
{
    const MachineOps *ops = type->ops;
    JsonObject *o;

    if (!type->category || strcmp(type->category, "machine") || !ops) {
        return;
    }
    o = json_object_new();
    json_object_set_string_member(o, "name", type->name);
    if (type->aliases && type->aliases[0]) {
        json_object_set_string_member(o, "alias", type->aliases[0]);
    }
    json_object_set_int_member(o, "cpu-max", ops->max_cpus ? ops->max_cpus : 1);
    json_object_set_boolean_member(o, "hotpluggable-cpus", FALSE);
    json_object_set_boolean_member(o, "numa-mem-supported", FALSE);
    json_object_set_boolean_member(o, "deprecated", FALSE);
    json_array_add_object_element(opaque, o);
}

static JsonNode *query_machines(NO_ARGS)
{
    JsonArray *list;
    JsonNode *node = node_array(&list);

    device_type_foreach(add_machine, list);
    return node;
}

static JsonNode *query_target(NO_ARGS)
{
    JsonObject *o;
    JsonNode *node = node_object(&o);
    Machine *m = machine_current();

    json_object_set_string_member(o, "arch", m && m->ops->target ? m->ops->target->name : "none");
    return node;
}

static JsonNode *query_kvm(NO_ARGS)
{
    JsonObject *o;
    JsonNode *node = node_object(&o);
    bool on = accel_current() && !strcmp(accel_current()->name, "kvm");

    json_object_set_boolean_member(o, "enabled", on);
    json_object_set_boolean_member(o, "present", on);
    return node;
}

static void print_kvm(GString *out, JsonNode *result)
{
    bool on = json_object_get_boolean_member(json_node_get_object(result), "enabled");

    g_string_append_printf(out, "kvm support: %s\n", on ? "enabled" : "disabled");
}

static JsonNode *set_log(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    const char *items = arg_str(args, "items");

    if (!strcmp(items, "none")) {
        log_mask = 0;
    } else {
        log_mask = 0;
        log_set_items(items, err);
    }
    return NULL;
}

static JsonNode *set_logfile(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    log_set_file(arg_str(args, "filename"), err);
    return NULL;
}

static JsonNode *set_action(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    static const char *const keys[] = { "reboot", "shutdown", "panic", "watchdog" };
    RunActions actions = *run_actions_get();

    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        const char *value = arg_str(args, keys[i]);
        if (value && !run_action_parse(&actions, keys[i], value)) {
            g_set_error(err, MONITOR_ERROR, 0, "set-action: %s has no value '%s'", keys[i], value);
            return NULL;
        }
    }
    run_actions_set(&actions);
    return NULL;
}

static const CommandArg log_args[] = { { "items", ARG_STR, false, "as -d takes them; none" },
                                       { 0 } };
static const CommandArg logfile_args[] = { { "filename", ARG_STR, false, "as -D takes it" },
                                           { 0 } };
static const CommandArg action_args[] = { { "reboot", ARG_STR, true, "reset or shutdown" },
                                          { "shutdown", ARG_STR, true, "poweroff or pause" },
                                          { "panic", ARG_STR, true, "what a guest's panic does" },
                                          { "watchdog", ARG_STR, true, "what its watchdog does" },
                                          { 0 } };

const Command machine_commands[] = {
    { "query-status", "info status", "Whether the machine runs", .run = query_status,
      .print = print_status },
    { "stop", "stop", "Stops all CPUs", .run = stop, .alias = "s" },
    { "cont", "cont", "Lets the machine go on", .run = cont, .alias = "c" },
    { "quit", "quit", "Ends the emulator", .run = quit, .alias = "q" },
    { "system_reset", "system_reset", "The reset button", .run = reset },
    { "system_powerdown", "system_powerdown", "The power button", .run = powerdown },
    { "query-name", "info name", "The machine's name", .run = query_name, .print = print_name },
    { "query-uuid", "info uuid", "The machine's UUID", .run = query_uuid, .print = print_uuid },
    { "query-machines", NULL, "Kinds of machines", .run = query_machines },
    { "query-target", NULL, "The guest's architecture", .run = query_target },
    { "query-kvm", "info kvm", "Whether the host's CPU runs the guest", .run = query_kvm,
      .print = print_kvm },
    { NULL, "log", "Chooses what is logged", log_args, .run = set_log, .alias = "loglevel" },
    { NULL, "logfile", "Chooses where the log goes", logfile_args, .run = set_logfile },
    { "set-action", NULL, "What a reboot, shutdown or panic of the guest does", action_args,
      .run = set_action },
    { 0 },
};
