/* SPDX-License-Identifier: MIT */
/* -object: memory back ends. */
#include <string.h>
#include "util/opts.h"
#include "hw/device.h"
#include "system/config.h"

static const OptDef memory_opts[] = { { "id", OPT_STR, NULL, "name" },
                                      { "size", OPT_SIZE, NULL, "bytes" },
                                      { "mem-path", OPT_STR, NULL,
                                        "memory-backend-file: the file, or a folder for one" },
                                      { "share", OPT_BOOL, "off", "other processes may map it" },
                                      { "prealloc", OPT_BOOL, "off", "take the memory at once" },
                                      { NULL, 0, NULL, NULL } };

static GHashTable *memories; /* id -> RAMBlock * */

static bool add_memory(const char *kind, const Opts *opts, GError **err)
{
    bool memfd = !strcmp(kind, "memory-backend-memfd"), file = !strcmp(kind, "memory-backend-file");
    if (!opts_check(opts, memory_opts, err)) {
        return false;
    }
    const char *id = opt_str(opts, memory_opts, "id");
    RAMBackend backend = {
        .path = file ? opt_str(opts, memory_opts, "mem-path") : NULL,
        .share = opts_has(opts, "share") ? opt_bool(opts, memory_opts, "share") : memfd,
        .prealloc = opt_bool(opts, memory_opts, "prealloc"),
    };
    if (!id || !opts_has(opts, "size") || (file && !backend.path)) {
        g_set_error(err, HW_ERROR, 0, "%s needs id=, size=%s", kind, file ? " and mem-path=" : "");
        return false;
    }
    if (!memories) {
        memories = g_hash_table_new(g_str_hash, g_str_equal);
    }
    if (g_hash_table_contains(memories, id)) {
        g_set_error(err, HW_ERROR, 0, "id '%s' is taken", id);
        return false;
    }
    RAMBlock *block = ram_block_new(id, opt_num(opts, memory_opts, "size"), &backend, err);
    if (block) {
        g_hash_table_insert(memories, block->name, block);
    }
    return block != NULL;
}

bool object_add(const char *text, GError **err)
{
    Opts *opts = opts_new();
    bool ok =
        *text == '{' ? opts_parse_json(opts, text, err) : opts_parse(opts, text, "qom-type", err);
    g_autofree char *kind = g_strdup(ok ? opts_get(opts, "qom-type") : NULL);
    if (ok) {
        opts_remove(opts, "qom-type");
        static const char *const kinds[] = { "memory-backend-ram", "memory-backend-memfd",
                                             "memory-backend-file", NULL };
        ok = kind && g_strv_contains(kinds, kind) && add_memory(kind, opts, err);
        if (!ok && err && !*err) {
            g_set_error(err, HW_ERROR, 0, "there is no object type '%s'", kind ? kind : "");
        }
    }
    opts_free(opts);
    g_prefix_error(err, "-object: ");
    return ok;
}

RAMBlock *object_memory(const char *id, GError **err)
{
    RAMBlock *block = memories ? g_hash_table_lookup(memories, id) : NULL;
    if (!block) {
        g_set_error(err, HW_ERROR, 0, "memory-backend=%s: there is no such -object", id);
    }
    return block;
}
