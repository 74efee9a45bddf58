/* SPDX-License-Identifier: MIT */
/* Commands about drives and block jobs. The block layer has them (block/qmp.h); here are their
 * rows. */
#include <string.h>

#include "block/qmp.h"
#include "hw/machine.h"
#include "monitor/command.h"

static BlockSystem *drives(GError **err)
{
    Machine *m = machine_current();

    if (!m || !m->drives) {
        g_set_error(err, MONITOR_ERROR, 0, "this machine has no drives");
        return NULL;
    }
    return m->drives;
}

static JsonNode *call(const char *command, JsonObject *args, GError **err)
{
    BlockSystem *sys = drives(err);
    g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), args);
    g_autofree char *text = json_to_string(node, FALSE);
    g_autoptr(Value) in = sys ? value_parse_json(text, err) : NULL;
    g_autoptr(Value) out = in ? block_qmp(sys, command, in, err) : NULL;
    g_autofree char *answer = out ? value_to_json(out, false) : NULL;

    return answer ? json_from_string(answer, err) : NULL;
}

static JsonNode *pass_on(const Command *self, JsonObject *args, GError **err)
{
    return call(self->qmp, args, err);
}

/* ---- the monitor's own spellings
 * ------------------------------------------------------------------- */

static JsonNode *drive_add(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    BlockSystem *sys = drives(err);
    const char *opts = arg_str(args, "opts"), *space = strchr(opts, ' ');

    /* People write the address of a PCI slot first, which with if=none means nothing. */
    if (space && !memchr(opts, '=', (size_t)(space - opts))) {
        opts = space + strspn(space, " ");
    }
    if (sys) {
        block_system_drive_add(sys, opts, err);
    }
    return NULL;
}

static void print_block(G_GNUC_UNUSED JsonArray *list, G_GNUC_UNUSED guint i, JsonNode *node,
                        gpointer out)
{
    JsonObject *o = json_node_get_object(node);
    JsonObject *inserted =
        json_object_has_member(o, "inserted") ? json_object_get_object_member(o, "inserted") : NULL;

    g_string_append_printf(out, "%s", json_object_get_string_member(o, "device"));
    if (!inserted) {
        g_string_append(out, ": [not inserted]\n");
        return;
    }
    const char *node_name = arg_str(inserted, "node-name");
    g_string_append_printf(
        out, " (%s): %s (%s%s)\n", node_name ? node_name : "", arg_str(inserted, "file"),
        arg_str(inserted, "drv"),
        json_object_get_boolean_member_with_default(inserted, "ro", FALSE) ? ", read-only" : "");
}

static void print_blocks(GString *out, JsonNode *result)
{
    json_array_foreach_element(json_node_get_array(result), print_block, out);
}

static const CommandArg drive_add_args[] = { { "opts", ARG_REST, false, "as -drive takes them" },
                                             { 0 } };
static const CommandArg resize_args[] = { { "device", ARG_STR, false, "drive" },
                                          { "size", ARG_SIZE, false, "new size" },
                                          { "node-name", ARG_ANY, true, "instead of device" },
                                          { 0 } };
static const CommandArg stream_args[] = { { "device", ARG_STR, false, "drive" },
                                          { "speed", ARG_SIZE, true, "bytes a second" },
                                          { 0 } };
static const CommandArg job_args[] = { { "device", ARG_STR, false, "job" }, { 0 } };
static const CommandArg eject_args[] = { { "device", ARG_STR, false, "drive" }, { 0 } };
static const CommandArg snapshot_args[] = { { "device", ARG_STR, false, "drive" },
                                            { "snapshot-file", ARG_STR, false, "new overlay" },
                                            { "format", ARG_STR, true, "its format" },
                                            { 0 } };

/* A row that lets its members through to the block layer, which checks them. */
#define PASS(name, text)                                       \
    {                                                          \
        .qmp = name, .doc = text, .open = true, .run = pass_on \
    }
/* The same with a spelling for people. */
#define PASS_HMP(name, people, text, list)                                                  \
    {                                                                                       \
        .qmp = name, .hmp = people, .doc = text, .args = list, .open = true, .run = pass_on \
    }

const Command block_commands[] = {
    { "query-block", "info block", "Drives", .run = pass_on, .print = print_blocks },
    { "query-blockstats", "info blockstats", "Counters of drives", .open = true, .run = pass_on },
    { "query-block-jobs", "info block-jobs", "Jobs under way", .run = pass_on },
    { "query-named-block-nodes", NULL, "All nodes", .open = true, .run = pass_on },
    { NULL, "drive_add", "Makes a drive", drive_add_args, .run = drive_add },
    PASS_HMP("block_resize", "block_resize", "Changes an image's size", resize_args),
    PASS_HMP("block-stream", "block_stream", "Copies a backing file into its overlay", stream_args),
    PASS_HMP("block-job-cancel", "block_job_cancel", "Stops a job", job_args),
    PASS_HMP("block-job-complete", "block_job_complete", "Lets a mirror take over", job_args),
    PASS_HMP("block-job-pause", "block_job_pause", "Pauses a job", job_args),
    PASS_HMP("block-job-resume", "block_job_resume", "Lets a job go on", job_args),
    PASS_HMP("eject", "eject", "Takes a medium out", eject_args),
    PASS_HMP("blockdev-snapshot-sync", "snapshot_blkdev", "Puts an overlay on a drive",
             snapshot_args),
    PASS("block-job-set-speed", "Limits a job"),
    PASS("block-commit", "Writes an overlay into its backing file"),
    PASS("block-dirty-bitmap-add", "Begins to note what is written"),
    PASS("block-dirty-bitmap-clear", "Forgets what was noted"),
    PASS("block-dirty-bitmap-disable", "Notes no more"),
    PASS("block-dirty-bitmap-enable", "Notes again"),
    PASS("block-dirty-bitmap-merge", "Adds one bitmap to another"),
    PASS("block-dirty-bitmap-remove", "Removes a bitmap"),
    PASS("block-export-add", "Exports a node"),
    PASS("block-export-del", "Ends an export"),
    PASS("query-block-exports", "Exports"),
    PASS("blockdev-add", "Makes a node"),
    PASS("blockdev-del", "Removes a node"),
    PASS("blockdev-backup", "Copies a node as it is now"),
    PASS("drive-backup", "Copies a drive as it is now"),
    PASS("blockdev-mirror", "Copies a node and what is written meanwhile"),
    PASS("drive-mirror", "Copies a drive and what is written meanwhile"),
    PASS("blockdev-change-medium", "Puts another medium in"),
    PASS("blockdev-remove-medium", "Takes a medium out"),
    PASS("blockdev-snapshot", "Puts an existing overlay on a node"),
    PASS("blockdev-snapshot-internal-sync", "Makes a snapshot inside of an image"),
    PASS("blockdev-snapshot-delete-internal-sync", "Deletes one"),
    PASS("change-backing-file", "Rewrites an overlay's backing file name"),
    PASS("job-cancel", "Stops a job"),
    PASS("job-complete", "Lets a mirror take over"),
    PASS("job-pause", "Pauses a job"),
    PASS("job-resume", "Lets a job go on"),
    PASS("job-finalize", "Lets a job that is done take effect"),
    PASS("job-dismiss", "Forgets a job that is over"),
    PASS("block-job-finalize", "Lets a job that is done take effect"),
    PASS("block-job-dismiss", "Forgets a job that is over"),
    PASS("query-jobs", "Jobs under way"),
    PASS("transaction", "Several commands, all or none"),
    PASS("blockdev-reopen", "Changes the options of nodes"),
    PASS("block_set_io_throttle", "Limits a drive"),
    PASS("x-blockdev-change", "Adds or removes a child of a node"),
    PASS("nbd-server-start", "Serves images over NBD"),
    PASS("nbd-server-stop", "Ends that"),
    PASS("nbd-server-add", "Adds an image to it"),
    PASS("nbd-server-remove", "Removes one"),
    { 0 },
};
