/* SPDX-License-Identifier: MIT */
/* -object: a table of kinds; secrets and TLS credentials are the block layer's, filters net's. */
#include <inttypes.h>
#include <string.h>
#include "block/secret.h"
#include "hw/backend-objects.h"
#include "hw/device.h"
#include "net/filter.h"
#include "system/config.h"
#include "util/opts.h"

typedef struct ObjectKind {
    const char *name, *desc;
    const OptDef *opts;
    void *(*make)(const struct ObjectKind *kind, const Opts *opts, GError **err);
    void (*free)(void *made);
} ObjectKind;

typedef struct Object {
    const ObjectKind *kind;
    void *made;     /* RAMBlock *, RNGBackend *, … */
    unsigned users; /* while there are any it stays */
} Object;

static GHashTable *objects; /* id -> Object */

/* ---- kinds ------------------------------------------------------------------------------- */

#define MEMORY_OPTS                                                                            \
    { "id", OPT_STR, NULL, "name" }, { "size", OPT_SIZE, NULL, "bytes" },                      \
        { "prealloc", OPT_BOOL, "off", "take the memory at once" },                            \
        { "reserve", OPT_BOOL, "on", "refuse at once what the host can never have" },          \
        { "merge", OPT_BOOL, "off", "the host may keep equal pages once (KSM)" },              \
        { "dump", OPT_BOOL, "off", "it is part of core dumps" },                               \
    {                                                                                          \
        "share", OPT_BOOL, NULL, "other processes may map it (preset: on for memfd, else off)" \
    }

static const OptDef memory_opts[] = { MEMORY_OPTS, { NULL, 0, NULL, NULL } };
static const OptDef file_opts[] = { MEMORY_OPTS,
                                    { "mem-path", OPT_STR, NULL, "the file, or a folder for one" },
                                    { NULL, 0, NULL, NULL } };

static void *make_memory(const ObjectKind *kind, const Opts *opts, GError **err)
{
    bool memfd = !strcmp(kind->name, "memory-backend-memfd"), file = kind->opts == file_opts;
    RAMBackend backend = {
        .path = file ? opt_str(opts, kind->opts, "mem-path") : NULL,
        .share = opts_has(opts, "share") ? opt_bool(opts, kind->opts, "share") : memfd,
        .prealloc = opt_bool(opts, kind->opts, "prealloc"),
        .reserve = opt_bool(opts, kind->opts, "reserve"),
        .merge = opt_bool(opts, kind->opts, "merge"),
        .dump = opt_bool(opts, kind->opts, "dump"),
    };
    if (!opts_has(opts, "size") || (file && !backend.path)) {
        g_set_error(err, HW_ERROR, 0, "%s is missing",
                    opts_has(opts, "size") ? "mem-path=" : "size=");
        return NULL;
    }
    return ram_block_new(opts_get(opts, "id"), opt_num(opts, kind->opts, "size"), &backend, err);
}

static void free_memory(void *made)
{
    ram_block_free(made);
}

static const OptDef builtin_opts[] = { { "id", OPT_STR, NULL, "name" }, { NULL, 0, NULL, NULL } };
static const OptDef random_opts[] = { { "id", OPT_STR, NULL, "name" },
                                      { "filename", OPT_STR, "/dev/urandom",
                                        "a device, pipe or file with entropy" },
                                      { NULL, 0, NULL, NULL } };

static void *make_rng(const ObjectKind *kind, const Opts *opts, GError **err)
{
    bool file = kind->opts == random_opts;
    return rng_backend_new(file ? opt_str(opts, random_opts, "filename") : NULL, err);
}

static void free_rng(void *made)
{
    rng_backend_free(made);
}

static void *make_iothread(const ObjectKind *kind, const Opts *opts, GError **err)
{
    (void)kind, (void)err;
    return g_strdup(opts_get(opts, "id")); /* only who uses it is kept */
}

static const ObjectKind kinds[] = {
    { "memory-backend-ram", "memory", memory_opts, make_memory, free_memory },
    { "memory-backend-memfd", "memory that other processes may map", memory_opts, make_memory,
      free_memory },
    { "memory-backend-file", "memory in a file", file_opts, make_memory, free_memory },
    { "rng-builtin", "entropy: the host kernel's generator", builtin_opts, make_rng, free_rng },
    { "rng-random", "entropy from a file or device", random_opts, make_rng, free_rng },
    { "iothread", "taken, but no thread of its own: requests are done by the main loop's",
      builtin_opts, make_iothread, g_free },
};

static const ObjectKind *find_kind(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (!strcmp(kinds[i].name, name)) {
            return &kinds[i];
        }
    }
    return NULL;
}

/* ---- help -------------------------------------------------------------------------------- */

typedef struct Help {
    const char *kind; /* its options; NULL: all kinds' names */
    bool found;
} Help;

static void help_row(Help *h, const char *kind, const char *desc, const OptDef *opts)
{
    if (!h->kind) {
        printf("  %-22s %s\n", kind, desc);
    } else if (!strcmp(h->kind, kind)) {
        g_autofree char *text = opt_table_help(opts);
        printf("%s%s", h->found ? "" : kind, h->found ? "" : " options:\n");
        fputs(text, stdout);
        h->found = true;
    }
}

static void block_help_row(const char *kind, const OptDef *opts, void *opaque)
{
    const char *desc = g_str_has_prefix(kind, "tls-")     ? "keys and certificates for TLS"
                       : g_str_has_prefix(kind, "authz-") ? "who may connect"
                                                          : "a password or key";
    help_row(opaque, kind, desc, opts);
}

bool object_help(const char *text)
{
    const char *tail = strrchr(text, ',');
    g_autofree char *kind = tail ? g_strndup(text, (size_t)(tail - text)) : NULL;
    Help h = { .kind = kind };
    tail = tail ? tail + 1 : text;
    if (strcmp(tail, "help") && strcmp(tail, "?")) {
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        help_row(&h, kinds[i].name, kinds[i].desc, kinds[i].opts);
    }
    block_object_foreach_kind(block_help_row, &h);
    for (const NetFilterInfo *const *f = net_filter_types; *f; f++) {
        help_row(&h, (*f)->type, (*f)->desc, net_filter_opts);
        if (kind) {
            help_row(&h, (*f)->type, (*f)->desc, (*f)->opts);
        }
    }
    return !kind || h.found;
}

/* ---- making and removing ----------------------------------------------------------------- */

static bool add(const ObjectKind *kind, const Opts *opts, GError **err)
{
    const char *id = opts_get(opts, "id");
    if (!opts_check(opts, kind->opts, err)) {
        return false;
    }
    if (!id || !*id) {
        g_set_error(err, HW_ERROR, 0, "id= is missing");
        return false;
    }
    if (!objects) {
        objects = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    }
    if (g_hash_table_contains(objects, id)) {
        g_set_error(err, HW_ERROR, 0, "id '%s' is taken", id);
        return false;
    }
    void *made = kind->make(kind, opts, err);
    if (!made) {
        return false;
    }
    Object *o = g_new0(Object, 1);
    *o = (Object){ .kind = kind, .made = made };
    g_hash_table_insert(objects, g_strdup(id), o);
    return true;
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
    g_autoptr(Opts) opts = opts_new();
    g_autofree char *name = NULL;
    if (!parse(text, opts, &name, err)) {
        return false;
    }
    const ObjectKind *kind = find_kind(name);
    if (kind) {
        return add(kind, opts, err);
    }
    if (block_object_is_kind(name)) {
        return block_object_add(text, err);
    }
    if (!g_str_has_prefix(name, "filter-")) {
        g_set_error(err, HW_ERROR, 0, "there is no object type '%s' (see -object help)", name);
        return false;
    }
    return true; /* object_add_late's */
}

bool object_add_late(const char *text, GError **err)
{
    g_autoptr(Opts) opts = opts_new();
    g_autofree char *kind = NULL;
    return parse(text, opts, &kind, err) &&
           (!g_str_has_prefix(kind, "filter-") || net_filter_add(kind, opts, err));
}

static Object *find(const char *id)
{
    return objects ? g_hash_table_lookup(objects, id) : NULL;
}

bool object_del(const char *id, GError **err)
{
    Object *o = find(id);
    if (!o) {
        return net_filter_find(id) ? net_filter_del(id, err) : block_object_del(id, err);
    }
    if (o->users) {
        g_set_error(err, HW_ERROR, 0, "object '%s' is in use", id);
        return false;
    }
    o->kind->free(o->made);
    g_hash_table_remove(objects, id);
    return true;
}

void object_foreach(const char *family,
                    void (*fn)(const char *id, unsigned users, void *made, void *opaque),
                    void *opaque)
{
    GHashTableIter iter;
    gpointer id, o;
    if (!objects) {
        return;
    }
    g_hash_table_iter_init(&iter, objects);
    while (g_hash_table_iter_next(&iter, &id, &o)) {
        if (g_str_has_prefix(((Object *)o)->kind->name, family)) {
            fn(id, ((Object *)o)->users, ((Object *)o)->made, opaque);
        }
    }
}

/* ---- using ------------------------------------------------------------------------------- */

static void *take(const char *id, const char *family, unsigned most, GError **err)
{
    Object *o = find(id);
    if (!o || !g_str_has_prefix(o->kind->name, family)) {
        g_set_error(err, HW_ERROR, 0, "there is no %s object '%s' (-object)", family, id);
        return NULL;
    }
    if (o->users == most) {
        g_set_error(err, HW_ERROR, 0, "%s object '%s' is in use", family, id);
        return NULL;
    }
    o->users++;
    return o->made;
}

RAMBlock *object_memory(const char *id, GError **err)
{
    return take(id, "memory-backend", 1, err);
}

static void *resolve_rng(const char *id, Device *dev, GError **err)
{
    (void)dev;
    return take(id, "rng", UINT_MAX, err);
}

static void *resolve_iothread(const char *id, Device *dev, GError **err)
{
    (void)dev;
    return take(id, "iothread", UINT_MAX, err);
}

static void *resolve_memory(const char *id, Device *dev, GError **err)
{
    (void)dev;
    return object_memory(id, err);
}

static const char *find_made(void *made, Object **object)
{
    GHashTableIter iter;
    gpointer id, o;
    g_hash_table_iter_init(&iter, objects);
    while (g_hash_table_iter_next(&iter, &id, &o)) {
        if (((Object *)o)->made == made) {
            *object = o;
            return id;
        }
    }
    g_assert_not_reached();
}

static const char *made_name(void *made)
{
    Object *o;
    return find_made(made, &o);
}

static void release(void *made, Device *dev)
{
    Object *o;
    (void)dev;
    find_made(made, &o);
    o->users--;
}

void objects_init(void)
{
    static const PropResolver rng = { resolve_rng, made_name, release };
    static const PropResolver iothread = { resolve_iothread, made_name, release };
    static const PropResolver memory = { resolve_memory, made_name, release };
    property_set_resolver(PROP_MEMDEV, &memory);
    property_set_resolver(PROP_RNG, &rng);
    property_set_resolver(PROP_IOTHREAD, &iothread);
}
