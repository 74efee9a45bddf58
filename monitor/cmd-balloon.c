/* SPDX-License-Identifier: MIT */
/* Commands about the memory balloon. */
#include <string.h>

#include "hw/virtio/balloon.h"
#include "monitor/command.h"

static bool no_balloon(GError **err)
{
    g_set_error(err, MONITOR_ERROR, MONITOR_ERROR_DEVICE_NOT_ACTIVE,
                "No balloon device has been activated");
    return false;
}

static JsonNode *set_balloon(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    int64_t value = arg_int(args, "value", 0);

    if (value <= 0) {
        g_set_error(err, MONITOR_ERROR, 0, "Parameter 'target' expects a size");
    } else if (!balloon_set_target((uint64_t)value)) {
        no_balloon(err);
    }
    return NULL;
}

static JsonNode *query_balloon(G_GNUC_UNUSED const Command *self, G_GNUC_UNUSED JsonObject *args,
                               GError **err)
{
    uint64_t actual;
    JsonObject *o;

    if (!balloon_actual(&actual)) {
        no_balloon(err);
        return NULL;
    }
    JsonNode *node = node_object(&o);
    json_object_set_int_member(o, "actual", (gint64)actual);
    return node;
}

static void print_balloon(GString *out, JsonNode *result)
{
    g_string_append_printf(out, "balloon: actual=%" G_GINT64_FORMAT "\n",
                           json_object_get_int_member(json_node_get_object(result), "actual") >>
                               20);
}

JsonNode *balloon_guest_stats(void)
{
    static const char *const names[BALLOON_NB_STATS] = {
        "stat-swap-in",      "stat-swap-out",     "stat-major-faults",     "stat-minor-faults",
        "stat-free-memory",  "stat-total-memory", "stat-available-memory", "stat-disk-caches",
        "stat-htlb-pgalloc", "stat-htlb-pgfail",
    };
    uint64_t stats[BALLOON_NB_STATS];
    JsonObject *o, *s = json_object_new();
    JsonNode *node = node_object(&o);

    if (balloon_stats(stats)) {
        for (unsigned i = 0; i < BALLOON_NB_STATS; i++) {
            json_object_set_int_member(s, names[i], (gint64)stats[i]);
        }
    }
    json_object_set_object_member(o, "stats", s);
    json_object_set_int_member(o, "last-update", balloon_stats_time());
    return node;
}

static const CommandArg balloon_args[] = { { "value", ARG_SIZE, false, "the guest's new size" },
                                           { 0 } };

const Command balloon_commands[] = {
    { "balloon", "balloon", "Asks the guest for memory, or gives it some", balloon_args,
      .run = set_balloon },
    { "query-balloon", "info balloon", "What the guest has", .run = query_balloon,
      .print = print_balloon },
    { 0 },
};
