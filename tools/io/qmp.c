/* SPDX-License-Identifier: MIT */
/* latimer-io's qmp and job_wait: block jobs on the open image, which is the device "io0". */
#include "block/qmp.h"
#include "block/job-int.h"
#include "tools/io/io.h"

static void print_event(void *opaque, const char *name, const Value *data)
{
    g_autofree char *json = value_to_json(data, false);
    (void)opaque;
    printf("{\"event\": \"%s\", \"data\": %s}\n", name, json);
}

static void start(Io *io)
{
    static const BlockSystemOps ops = { .event = print_event };
    if (io->sys) {
        return;
    }
    io->loop = block_loop_new();
    io->sys = block_system_new(io->loop, BLOCK_IF_NONE, &ops, io);
    if (io->node) {
        io->blk = blk_new(io->loop, io->node);
        io->blk->name = g_strdup("io0");
        io->blk->sys = io->sys;
        block_name_node(io->node);
        g_ptr_array_add(io->sys->backends, blk_ref(io->blk));
    }
}

/* Jobs put other images in the place of the one that was opened. */
static void follow(Io *io)
{
    if (io->blk && blk_node(io->blk) && blk_node(io->blk) != io->node) {
        BlockNode *old = io->node;
        io->node = block_ref(blk_node(io->blk));
        block_unref(old);
    }
}

void io_stop_system(Io *io)
{
    if (io->sys) {
        block_system_free(io->sys);
        blk_unref(io->blk);
        block_loop_free(io->loop);
        io->sys = NULL;
        io->blk = NULL;
        io->loop = NULL;
    }
}

int io_cmd_qmp(Io *io, int argc, char **argv)
{
    GError *err = NULL;
    g_autoptr(Value) request = argc == 2 ? value_parse_json(argv[1], &err) : NULL;
    const Value *name = request && request->items ? value_get(request, "execute") : NULL;
    g_autoptr(Value) answer = NULL;
    if (argc != 2 || (request && (!name || name->type != VALUE_STRING))) {
        puts("qmp expects a JSON object with \"execute\" and, perhaps, \"arguments\"");
        return 1;
    }
    if (request) {
        start(io);
        block_loop_run(io->loop);
        answer = block_qmp(io->sys, name->str, value_get(request, "arguments"), &err);
        follow(io);
    }
    if (!answer) {
        printf("{\"error\": %s}\n", err->message);
        g_error_free(err);
        return 1;
    }
    g_autofree char *json = value_to_json(answer, false);
    printf("{\"return\": %s}\n", json);
    return 0;
}

int io_cmd_job_wait(Io *io, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    start(io);
    while (!block_jobs_idle(io->sys)) {
        block_loop_wait(io->loop, 100);
    }
    block_loop_run(io->loop);
    follow(io);
    return 0;
}
