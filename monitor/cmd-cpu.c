/* SPDX-License-Identifier: MIT */
/* Commands about CPUs. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "exec/exec.h"
#include "hw/machine.h"
#include "hw/vcpu.h"
#include "monitor/command.h"

#define NO_ARGS \
    G_GNUC_UNUSED const Command *self, G_GNUC_UNUSED JsonObject *args, G_GNUC_UNUSED GError **err

static JsonNode *query_cpus(NO_ARGS)
{
    JsonArray *list;
    JsonNode *node = node_array(&list);

    for (VCPU *v = vcpu_first(); v; v = v->next) {
        JsonObject *o = json_object_new(), *props = json_object_new();
        g_autofree char *path = g_strdup_printf("/machine/unattached/cpu[%d]", v->index);

        json_object_set_int_member(o, "cpu-index", v->index);
        json_object_set_string_member(o, "qom-path", path);
        json_object_set_int_member(o, "thread-id", v->thread_id);
        json_object_set_string_member(o, "target", v->cpu->target->name);
        json_object_set_int_member(props, "core-id", v->index);
        json_object_set_object_member(o, "props", props);
        json_array_add_object_element(list, o);
    }
    return node;
}

static void print_cpu(G_GNUC_UNUSED JsonArray *list, guint i, JsonNode *node, gpointer opaque)
{
    JsonObject *o = json_node_get_object(node);

    g_string_append_printf(opaque, "%c CPU #%u: thread_id=%" G_GINT64_FORMAT "\n", i ? ' ' : '*', i,
                           json_object_get_int_member(o, "thread-id"));
}

static void print_cpus(GString *out, JsonNode *result)
{
    json_array_foreach_element(json_node_get_array(result), print_cpu, out);
}

typedef struct Dump {
    char *text;
} Dump;

static void dump_one(VCPU *v, void *data)
{
    size_t len;
    char *text = NULL;
    FILE *f = open_memstream(&text, &len);

    if (accel_current()->synchronize) {
        accel_current()->synchronize(v);
    }
    v->cpu->target->dump_state(v->cpu, f);
    fclose(f);
    ((Dump *)data)->text = text;
}

static JsonNode *info_registers(G_GNUC_UNUSED const Command *self, JsonObject *args,
                                G_GNUC_UNUSED GError **err)
{
    g_autoptr(GString) out = g_string_new(NULL);
    bool all = arg_bool(args, "all", false);

    for (VCPU *v = vcpu_first(); v && (all || v == vcpu_first()); v = v->next) {
        Dump d = { NULL };

        run_on_cpu(v, dump_one, &d);
        g_string_append_printf(out, "CPU#%d\n%s", v->index, d.text);
        free(d.text);
    }
    return node_string(out->str);
}

static JsonNode *info_jit(NO_ARGS)
{
    TCGStats st;
    tcg_get_stats(&st);
    g_autofree char *text =
        g_strdup_printf("blocks             %" PRIu64 "\nguest instructions %" PRIu64
                        "\nhost code          %" PRIu64 " bytes\nflushes            %" PRIu64
                        "\ninvalidations      %" PRIu64 "\n",
                        st.tbs, st.guest_insns, st.host_bytes, st.flushes, st.invalidations);

    return node_string(text);
}

static JsonNode *query_definitions(NO_ARGS)
{
    char *text = NULL, *save;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    JsonArray *list;
    JsonNode *node = node_array(&list);

    machine_current()->ops->target->list_models(f);
    fclose(f);
    /* models are the indented lines, the name first */
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (line[0] == ' ' && line[1] == ' ' && g_ascii_isalpha(line[2])) {
            g_autofree char *name = g_strndup(line + 2, strcspn(line + 2, " "));
            JsonObject *o;

            if (line[2 + strlen(name)] != ' ' || line[3 + strlen(name)] != ' ') {
                continue; /* a list of properties */
            }
            o = json_object_new();
            json_object_set_string_member(o, "name", name);
            json_object_set_boolean_member(o, "static", FALSE);
            json_object_set_boolean_member(o, "deprecated", FALSE);
            json_array_add_object_element(list, o);
        }
    }
    free(text);
    return node;
}

static const CommandArg registers_args[] = { { "all", ARG_FLAG, true, "a: of all CPUs" }, { 0 } };

const Command cpu_commands[] = {
    { "query-cpus-fast", "info cpus", "The CPUs and their threads", .run = query_cpus,
      .print = print_cpus },
    { NULL, "info registers", "The first CPU's registers", registers_args, .run = info_registers },
    { NULL, "info jit", "What was translated", .run = info_jit },
    { "query-cpu-definitions", NULL, "CPU models", .run = query_definitions },
    { 0 },
};
