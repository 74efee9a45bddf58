/* SPDX-License-Identifier: MIT */
/* Commands that look at memory: x, xp, memsave, pmemsave, info mtree. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disas.h"
#include "exec/softmmu.h"
#include "hw/machine.h"
#include "hw/mem/pc-dimm.h"
#include "hw/vcpu.h"
#include "monitor/command.h"

enum { MAX_COUNT = 65536 };

typedef struct Format {
    unsigned count, size; /* bytes of one */
    char how;             /* x d u o c i */
} Format;

/* "/10xw": in any order of letters behind the count. */
static bool parse_format(const char **p, Format *f, GError **err)
{
    char *end;

    if (**p != '/') {
        return true;
    }
    ++*p;
    if (g_ascii_isdigit(**p)) {
        f->count = (unsigned)MIN(strtoul(*p, &end, 10), MAX_COUNT);
        *p = end;
    }
    for (; **p && **p != ' '; ++*p) {
        static const char sizes[] = "bhwg";
        const char *size = strchr(sizes, **p);

        if (size) {
            f->size = 1u << (size - sizes);
        } else if (strchr("xduoci", **p)) {
            f->how = **p;
        } else {
            g_set_error(err, MONITOR_ERROR, 0, "invalid format letter '%c'", **p);
            return false;
        }
    }
    return true;
}

static bool read_memory(bool physical, uint64_t addr, void *buf, size_t size)
{
    VCPU *v = vcpu_first();

    if (physical) {
        return address_space_read(machine_current()->memory, addr, NULL, buf, size) == MEMTX_OK;
    }
    return v && cpu_memory_rw_debug(v->cpu, addr, buf, size, false);
}

static void print_value(GString *out, const Format *f, uint64_t value)
{
    int64_t number = (int64_t)(value << (64 - 8 * f->size)) >> (64 - 8 * f->size);

    switch (f->how) {
    case 'd':
        g_string_append_printf(out, " %" PRId64, number);
        break;
    case 'u':
        g_string_append_printf(out, " %" PRIu64, value);
        break;
    case 'o':
        g_string_append_printf(out, " %#" PRIo64, value);
        break;
    case 'c':
        g_string_append_printf(out, value >= 32 && value < 127 ? " '%c'" : " '\\x%02x'",
                               (int)(value & 255));
        break;
    default:
        g_string_append_printf(out, " 0x%0*" PRIx64, (int)(2 * f->size), value);
    }
}

static void dump_code(GString *out, bool physical, uint64_t addr, unsigned count)
{
    const TargetOps *target = vcpu_first()->cpu->target;
    size_t size = (size_t)count * (size_t)target->max_insn_len, len = 0;
    g_autofree uint8_t *code = g_malloc0(size);
    char *text = NULL;

    if (!read_memory(physical, addr, code, size)) {
        g_string_append_printf(out, "Cannot access memory at 0x%" PRIx64 "\n", addr);
        return;
    }
    FILE *f = open_memstream(&text, &len);
    disas_guest(f, target, addr, code, size);
    fclose(f);
    g_string_append(out, text);
    free(text);
}

static void dump_data(GString *out, bool physical, uint64_t addr, const Format *f)
{
    unsigned per_line = f->how == 'c' ? 8 : MAX(16 / f->size, 1);

    for (unsigned i = 0; i < f->count; i++) {
        uint64_t value = 0;

        if (i % per_line == 0) {
            g_string_append_printf(out, "%s%016" PRIx64 ":", i ? "\n" : "", addr);
        }
        if (!read_memory(physical, addr, &value, f->size)) {
            g_string_append_printf(out, " Cannot access memory");
            break;
        }
        print_value(out, f, GUINT64_FROM_LE(value));
        addr += f->size;
    }
    g_string_append_c(out, '\n');
}

static JsonNode *examine(JsonObject *args, bool physical, GError **err)
{
    const char *p = arg_str(args, "what");
    Format f = { 1, 4, 'x' };
    GString *out;
    char *end;

    if (!parse_format(&p, &f, err)) {
        return NULL;
    }
    p += strspn(p, " \t");
    errno = 0;
    uint64_t addr = strtoull(p, &end, 0);
    if (!*p || *end || errno) {
        g_set_error(err, MONITOR_ERROR, 0, "'%s' is not an address", p);
        return NULL;
    }
    if (!vcpu_first()) {
        g_set_error(err, MONITOR_ERROR, 0, "this machine has no CPU");
        return NULL;
    }
    out = g_string_new(NULL);
    if (f.how == 'i') {
        dump_code(out, physical, addr, f.count);
    } else {
        dump_data(out, physical, addr, &f);
    }
    JsonNode *node = node_string(out->str);
    g_string_free(out, TRUE);
    return node;
}

static JsonNode *x(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    return examine(args, false, err);
}

static JsonNode *xp(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    return examine(args, true, err);
}

/* ---- to a file
 * ------------------------------------------------------------------------------------ */

static bool save(FILE *f, bool physical, uint64_t addr, uint64_t size, GError **err)
{
    uint8_t buf[4096];

    while (size) {
        size_t part = MIN(size, sizeof(buf) - (addr & (sizeof(buf) - 1)));

        if (!read_memory(physical, addr, buf, part)) {
            g_set_error(err, MONITOR_ERROR, 0,
                        "Invalid addr 0x%016" PRIx64 "/size %" PRIu64 " specified", addr, size);
            return false;
        }
        if (fwrite(buf, 1, part, f) != part) {
            g_set_error(err, MONITOR_ERROR, 0, "writing: %s", g_strerror(errno));
            return false;
        }
        addr += part;
        size -= part;
    }
    return true;
}

static JsonNode *save_to_file(JsonObject *args, bool physical, GError **err)
{
    const char *name = arg_str(args, "filename");
    FILE *f = fopen(name, "we");

    if (!f) {
        g_set_error(err, MONITOR_ERROR, 0, "Could not open '%s': %s", name, g_strerror(errno));
        return NULL;
    }
    bool ok = save(f, physical, (uint64_t)arg_int(args, "val", 0),
                   (uint64_t)arg_int(args, "size", 0), err);
    if (fclose(f) && ok) {
        g_set_error(err, MONITOR_ERROR, 0, "'%s': %s", name, g_strerror(errno));
    }
    return NULL;
}

static JsonNode *memsave(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    return save_to_file(args, false, err);
}

static JsonNode *pmemsave(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    return save_to_file(args, true, err);
}

static const CommandArg mtree_args[] = { { "flat", ARG_FLAG, true, "flat: what the tree comes to" },
                                         { 0 } };

static JsonNode *info_mtree(G_GNUC_UNUSED const Command *self, JsonObject *args,
                            G_GNUC_UNUSED GError **err)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    if (arg_bool(args, "flat", false)) {
        memory_print_flat(f);
    } else {
        memory_print_tree(f);
    }
    fclose(f);
    JsonNode *node = node_string(text);
    free(text);
    return node;
}

static JsonNode *memory_size(G_GNUC_UNUSED const Command *self, G_GNUC_UNUSED JsonObject *args,
                             G_GNUC_UNUSED GError **err)
{
    JsonObject *o;
    JsonNode *node = node_object(&o);

    json_object_set_int_member(o, "base-memory", (gint64)machine_current()->ram_size);
    json_object_set_int_member(o, "plugged-memory", 0);
    for (guint i = 0; i < machine_current()->dimms->len; i++) {
        const PCDimm *d = machine_current()->dimms->pdata[i];
        json_object_set_int_member(o, "plugged-memory",
                                   json_object_get_int_member(o, "plugged-memory") +
                                       (gint64)d->memory->size);
    }
    return node;
}

static JsonNode *memory_devices(G_GNUC_UNUSED const Command *self, G_GNUC_UNUSED JsonObject *args,
                                G_GNUC_UNUSED GError **err)
{
    JsonArray *list;
    JsonNode *node = node_array(&list);

    for (guint i = 0; i < machine_current()->dimms->len; i++) {
        const PCDimm *d = machine_current()->dimms->pdata[i];
        JsonObject *o = json_object_new(), *data = json_object_new();

        if (d->parent.id) {
            json_object_set_string_member(data, "id", d->parent.id);
        }
        json_object_set_int_member(data, "addr", (gint64)d->addr);
        json_object_set_int_member(data, "size", (gint64)d->memory->size);
        json_object_set_int_member(data, "slot", d->slot);
        json_object_set_int_member(data, "node", d->node);
        json_object_set_string_member(data, "memdev", d->memory->name);
        json_object_set_boolean_member(data, "hotplugged", FALSE);
        json_object_set_boolean_member(data, "hotpluggable", FALSE);
        json_object_set_string_member(o, "type", "dimm");
        json_object_set_object_member(o, "data", data);
        json_array_add_object_element(list, o);
    }
    return node;
}

static const CommandArg examine_args[] = {
    { "what", ARG_REST, false, "/COUNT FORMAT SIZE, then the address: /8xw 0x40000000" }, { 0 }
};
static const CommandArg save_args[] = { { "val", ARG_INT, false, "first address" },
                                        { "size", ARG_INT, false, "bytes" },
                                        { "filename", ARG_STR, false, "where to" },
                                        { "cpu-index", ARG_INT, true, "whose addresses" },
                                        { 0 } };

const Command memory_commands[] = {
    { NULL, "x", "Shows memory at a virtual address of the first CPU", examine_args, .run = x },
    { NULL, "xp", "Shows memory at a physical address", examine_args, .run = xp },
    { "memsave", "memsave", "Saves virtual memory", save_args, .run = memsave },
    { "pmemsave", "pmemsave", "Saves physical memory", save_args, .run = pmemsave },
    { NULL, "info mtree", "The memory tree", mtree_args, .run = info_mtree },
    { "query-memory-size-summary", "info memory_size_summary", "How much RAM there is",
      .run = memory_size },
    { "query-memory-devices", "info memory-devices", "Memory modules (pc-dimm)",
      .run = memory_devices },
    { 0 },
};
