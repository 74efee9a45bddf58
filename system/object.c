/* SPDX-License-Identifier: MIT */
/* -object: memory back ends; secrets and TLS credentials are the block layer's, filters net's. */
#include <string.h>
#include "block/secret.h"
#include "net/filter.h"
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

static bool parse(const char *text, Opts *opts, char **kind, GError **err)
{
    if (!(*text == '{' ? opts_parse_json(opts, text, err)
                       : opts_parse(opts, text, "qom-type", err))) {
        return false;
    }
    *kind = g_strdup(opts_get(opts, "qom-type"));
    opts_remove(opts, "qom-type");
    if (!*kind) {
        g_set_error(err, HW_ERROR, 0, "qom-type= is missing");
    }
    return *kind != NULL;
}

bool object_add(const char *text, GError **err)
{
    static const char *const memory[] = { "memory-backend-ram", "memory-backend-memfd",
                                          "memory-backend-file", NULL };
    g_autoptr(Opts) opts = opts_new();
    g_autofree char *kind = NULL;
    bool ok = parse(text, opts, &kind, err);
    if (ok && g_strv_contains(memory, kind)) {
        ok = add_memory(kind, opts, err);
    } else if (ok && block_object_is_kind(kind)) {
        ok = block_object_add(text, err);
    } else if (ok && !g_str_has_prefix(kind, "filter-")) {
        g_set_error(err, HW_ERROR, 0, "there is no object type '%s'", kind);
        ok = false;
    }
    g_prefix_error(err, "-object: ");
    return ok;
}

bool object_add_late(const char *text, GError **err)
{
    g_autoptr(Opts) opts = opts_new();
    g_autofree char *kind = NULL;
    return parse(text, opts, &kind, err) &&
           (!g_str_has_prefix(kind, "filter-") || net_filter_add(kind, opts, err));
}

bool object_del(const char *id, GError **err)
{
    if (memories && g_hash_table_contains(memories, id)) {
        g_set_error(err, HW_ERROR, 0, "not implemented: to remove a memory back end ('%s')", id);
        return false;
    }
    return net_filter_find(id) ? net_filter_del(id, err) : block_object_del(id, err);
}

RAMBlock *object_memory(const char *id, GError **err)
{
    RAMBlock *block = memories ? g_hash_table_lookup(memories, id) : NULL;
    if (!block) {
        g_set_error(err, HW_ERROR, 0, "there is no memory-backend object '%s' (-object)", id);
    }
    return block;
}
