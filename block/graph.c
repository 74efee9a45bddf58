/* SPDX-License-Identifier: MIT */
/* Opening and closing nodes: file names, protocols, format probing, children and backing. */
#include "block/block.h"
#include "block/bytes.h"
#include <errno.h>
#include <stdlib.h>

#define PROBE_SIZE 2048

static struct {
    GMutex lock;
    GHashTable *by_name; /* of the node that owns the name */
    unsigned made_up;
} names;

const char *const block_prealloc_names[] = { "off", "metadata", "falloc", "full", NULL };

/* Options that every node takes, before its driver sees the rest. */
static const OptDef node_opts[] = {
    { "driver", OPT_STR, NULL, "Block driver to use for the node" },
    { "node-name", OPT_STR, NULL, "Name of the node" },
    { "read-only", OPT_BOOL, NULL, "Node is opened in read-only mode" },
    { "auto-read-only", OPT_BOOL, NULL, "Fall back to read-only when not writable" },
    { "cache.direct", OPT_BOOL, NULL, "Bypass the host's page cache" },
    { "cache.no-flush", OPT_BOOL, NULL, "Ignore flush requests" },
    { "discard", OPT_STR, NULL, "Discard requests: ignore/off or unmap/on" },
    { "detect-zeroes", OPT_STR, "off", "Optimise zero writes: off, on or unmap" },
    { "force-share", OPT_BOOL, NULL, "Take no image lock, allow other writers" },
    { 0 },
};

G_DEFINE_QUARK(latimer - block - error, block_error)

const BlockDriver *block_driver_find(const char *name)
{
    for (unsigned i = 0; name && block_drivers[i]; i++) {
        if (!strcmp(block_drivers[i]->name, name)) {
            return block_drivers[i];
        }
    }
    return NULL;
}

bool block_parse_cache(const char *mode, unsigned *flags)
{
    static const struct {
        const char *name;
        unsigned flags;
    } modes[] = {
        { "none", BLOCK_DIRECT },
        { "off", BLOCK_DIRECT },
        { "directsync", BLOCK_DIRECT | BLOCK_WRITETHROUGH },
        { "writeback", 0 },
        { "writethrough", BLOCK_WRITETHROUGH },
        { "unsafe", BLOCK_NO_FLUSH },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(modes); i++) {
        if (!strcmp(modes[i].name, mode)) {
            *flags &= ~(unsigned)(BLOCK_DIRECT | BLOCK_WRITETHROUGH | BLOCK_NO_FLUSH);
            *flags |= modes[i].flags;
            return true;
        }
    }
    return false;
}

bool block_parse_aio(const char *name, unsigned *flags)
{
    *flags &= ~(unsigned)(BLOCK_AIO_NATIVE | BLOCK_AIO_URING);
    *flags |= !strcmp(name, "native")     ? BLOCK_AIO_NATIVE
              : !strcmp(name, "io_uring") ? BLOCK_AIO_URING
                                          : 0;
    return *flags & (BLOCK_AIO_NATIVE | BLOCK_AIO_URING) || !strcmp(name, "threads");
}

/* Length of "proto:" at the start of a name, or 0. A ':' after a '/' is part of a path. */
static size_t prefix_len(const char *filename)
{
    size_t n = strcspn(filename, ":/");
    return n && filename[n] == ':' ? n + 1 : 0;
}

const BlockDriver *block_protocol_of(const char *filename, GError **err)
{
    size_t n = prefix_len(filename);
    if (!n) {
        return block_driver_find("file");
    }
    for (unsigned i = 0; block_drivers[i]; i++) {
        const char *const *p = block_drivers[i]->prefixes;
        for (; p && *p; p++) {
            if (!strncmp(filename, *p, n) && !(*p)[n]) {
                return block_drivers[i];
            }
        }
    }
    g_set_error(err, BLOCK_ERROR, ENOENT, "Unknown protocol '%.*s'", (int)n - 1, filename);
    return NULL;
}

char *block_path_combine(const char *image, const char *name)
{
    if (!image || name[0] == '/' || prefix_len(name)) {
        return g_strdup(name);
    }
    size_t scheme = prefix_len(image);
    const char *slash = strrchr(image, '/');
    if (!slash) {
        return g_strdup_printf("%.*s%s", (int)scheme, image, name);
    }
    return g_strdup_printf("%.*s%s", (int)(slash - image + 1), image, name);
}

BlockNode *block_find_node(const char *node_name)
{
    g_mutex_lock(&names.lock);
    BlockNode *node = names.by_name ? g_hash_table_lookup(names.by_name, node_name) : NULL;
    g_mutex_unlock(&names.lock);
    return node;
}

static bool keep_name(BlockNode *node, GError **err)
{
    g_mutex_lock(&names.lock);
    if (!names.by_name) {
        names.by_name = g_hash_table_new(g_str_hash, g_str_equal);
    }
    bool free = !g_hash_table_contains(names.by_name, node->node_name);
    if (free) {
        g_hash_table_insert(names.by_name, node->node_name, node);
    }
    g_mutex_unlock(&names.lock);
    if (!free) {
        g_set_error(err, BLOCK_ERROR, EEXIST, "Duplicate nodes with node-name='%s'",
                    node->node_name);
    }
    return free;
}

static void forget_name(BlockNode *node)
{
    g_mutex_lock(&names.lock);
    if (node->node_name && names.by_name &&
        g_hash_table_lookup(names.by_name, node->node_name) == node) {
        g_hash_table_remove(names.by_name, node->node_name);
    }
    g_mutex_unlock(&names.lock);
}

void block_name_node(BlockNode *node)
{
    if (!node->node_name) {
        node->node_name = g_strdup_printf("#block%03u", g_atomic_int_add(&names.made_up, 1));
        keep_name(node, NULL);
    }
}

BlockNode *block_ref(BlockNode *node)
{
    g_atomic_int_inc(&node->refs);
    return node;
}

static void drop_child(BlockNode **child)
{
    block_unref(g_steal_pointer(child));
}

/* Closes what open opened; what is left is the node itself, and who refers to it. */
static void node_stop(BlockNode *node)
{
    if (node->state && node->drv->close) {
        node->drv->close(node);
    }
    drop_child(&node->backing);
    drop_child(&node->data);
    drop_child(&node->file);
    g_clear_pointer(&node->backing_file, g_free);
    g_clear_pointer(&node->backing_fmt, g_free);
    g_clear_pointer(&node->auto_backing_file, g_free);
    g_clear_pointer(&node->opened_name, g_free);
    g_clear_pointer(&node->opened_format, g_free);
    g_clear_pointer(&node->opened_by, opts_free);
    g_clear_pointer(&node->filename, g_free);
    g_clear_pointer(&node->state, g_free);
}

void block_unref(BlockNode *node)
{
    if (node && g_atomic_int_dec_and_test(&node->refs)) {
        forget_name(node);
        node_stop(node);
        g_free(node->node_name);
        g_free(node);
    }
}

static const BlockDriver *probe_format(BlockNode *file, GError **err)
{
    uint8_t buf[PROBE_SIZE] = { 0 };
    const BlockDriver *best = block_driver_find("raw");
    int best_score = 0;
    int64_t len = MIN(file->size, PROBE_SIZE);
    int ret = block_pread(file, 0, buf, len);
    if (ret) {
        g_set_error(err, BLOCK_ERROR, -ret, "Could not read '%s' to find its format: %s",
                    file->filename, g_strerror(-ret));
        return NULL;
    }
    for (unsigned i = 0; block_drivers[i]; i++) {
        if (block_drivers[i]->probe) {
            int score = block_drivers[i]->probe(buf, len, file->filename);
            if (score > best_score) {
                best_score = score;
                best = block_drivers[i];
            }
        }
    }
    return best;
}

static bool take_flag(Opts *opts, const char *key, unsigned bit, bool invert, unsigned *flags)
{
    bool given = opts_has(opts, key);
    if (given) {
        bool on = opt_bool(opts, node_opts, key) != invert;
        *flags = on ? *flags | bit : *flags & ~bit;
        opts_remove(opts, key);
    }
    return given;
}

/* The options of node_opts out of `opts`, into the node. */
static bool take_node_opts(BlockNode *node, Opts *opts, GError **err)
{
    static const char *const zero_modes[] = { "off", "on", "unmap", NULL };
    g_autoptr(Opts) mine = opts_new();
    for (const OptDef *o = node_opts; o->name; o++) {
        if (opts_has(opts, o->name)) {
            opts_set(mine, o->name, opts_get(opts, o->name));
            opts_remove(opts, o->name);
        }
    }
    if (!opts_check(mine, node_opts, err) ||
        !opt_enum(mine, node_opts, "detect-zeroes", zero_modes, &node->detect_zeroes, err)) {
        return false;
    }
    node->node_name = g_strdup(opts_get(mine, "node-name"));
    if (node->node_name && !keep_name(node, err)) {
        return false;
    }
    take_flag(mine, "read-only", BLOCK_RDWR, true, &node->flags);
    take_flag(mine, "auto-read-only", BLOCK_AUTO_RO, false, &node->flags);
    take_flag(mine, "cache.direct", BLOCK_DIRECT, false, &node->flags);
    take_flag(mine, "cache.no-flush", BLOCK_NO_FLUSH, false, &node->flags);
    take_flag(mine, "force-share", BLOCK_FORCE_SHARE, false, &node->flags);
    const char *discard = opts_get(mine, "discard");
    if (discard) {
        bool on = !strcmp(discard, "unmap") || !strcmp(discard, "on");
        if (!on && strcmp(discard, "ignore") && strcmp(discard, "off")) {
            g_set_error(err, BLOCK_ERROR, EINVAL,
                        "Parameter 'discard' does not accept value '%s' (one of: ignore, unmap)",
                        discard);
            return false;
        }
        node->flags = on ? node->flags | BLOCK_UNMAP : node->flags & ~(unsigned)BLOCK_UNMAP;
    }
    return true;
}

/* Every option must be known: a misspelt one must not be silently without effect. */
static bool check_leftover(Opts *opts, const BlockDriver *drv, GError **err)
{
    if (!opts_count(opts)) {
        return true;
    }
    g_set_error(err, BLOCK_ERROR, EINVAL, "Block %s '%s' does not support the option '%s'",
                drv->is_protocol ? "protocol" : "format", drv->name, opts_key(opts, 0));
    return false;
}

/* `into`: a node that is stopped, to start again, or NULL. */
static BlockNode *node_new(BlockNode *into, const BlockDriver *drv, const char *filename,
                           unsigned flags)
{
    BlockNode *node = into ? into : g_new0(BlockNode, 1);
    g_atomic_int_inc(&node->refs);
    node->drv = drv;
    node->flags = flags;
    node->filename = g_strdup(filename ? filename : "");
    return node;
}

/* Every option that starts with `prefix`, under its whole name. */
static void move_prefix(Opts *to, Opts *from, const char *prefix)
{
    g_autoptr(Opts) taken = opts_take_prefix(from, prefix);
    for (unsigned i = 0; i < opts_count(taken); i++) {
        const char *key = opts_key(taken, i);
        g_autofree char *full = g_strconcat(prefix, key, NULL);
        opts_set(to, full, opts_get(taken, key));
    }
}

static bool node_start(BlockNode *node, Opts *opts, GError **err)
{
    const BlockDriver *drv = node->drv;
    g_autoptr(Opts) mine = opts_new();
    if (!take_node_opts(node, opts, err)) {
        return false;
    }
    /* The driver gets its own options in one list, checked. */
    g_autoptr(Opts) lists = opts_new();
    for (const OptDef *o = drv->open_opts; o && o->name; o++) {
        if (g_str_has_suffix(o->name, ".")) {
            move_prefix(lists, opts, o->name);
        } else if (opts_has(opts, o->name)) {
            opts_set(mine, o->name, opts_get(opts, o->name));
            opts_remove(opts, o->name);
        }
    }
    move_prefix(lists, opts, "data-file.");
    if (!opts_check(mine, drv->open_opts, err) || !check_leftover(opts, drv, err)) {
        return false;
    }
    opts_merge(mine, lists);
    node->state = g_malloc0(MAX(drv->state_size, 1));
    if (!drv->open(node, mine, err)) {
        g_free(node->state);
        node->state = NULL;
        return false;
    }
    int64_t size = block_getlength(node);
    if (size < 0) {
        g_set_error(err, BLOCK_ERROR, -size, "Could not get the size of '%s': %s", node->filename,
                    g_strerror(-size));
        return false;
    }
    return true;
}

static BlockNode *open_protocol(BlockNode *into, const char *filename, Opts *opts, unsigned flags,
                                GError **err)
{
    const BlockDriver *drv;
    const char *name = opts_get(opts, "driver");
    if (name) {
        drv = block_driver_find(name);
        if (!drv) {
            g_set_error(err, BLOCK_ERROR, ENOENT, "Unknown driver '%s'", name);
            return NULL;
        }
        if (!drv->is_protocol) {
            return block_open(filename, NULL, opts, flags, err);
        }
    } else {
        const char *shown = filename ? filename : opts_get(opts, "filename");
        drv = shown && filename ? block_protocol_of(shown, err) : block_driver_find("file");
    }
    if (!drv) {
        return NULL;
    }
    const char *shown = filename ? filename : opts_get(opts, "filename");
    g_autoptr(BlockNode) node = node_new(into, drv, shown, flags);
    if (filename) {
        if (drv->parse_filename) {
            if (!drv->parse_filename(filename, opts, err)) {
                return NULL;
            }
        } else {
            opts_set(opts, "filename", filename);
        }
    }
    if (drv->is_filter) {
        /* What a filter sits on is called "image" here, as a name or with options of its own. */
        g_autoptr(Opts) image = opts_take_prefix(opts, "image.");
        g_autofree char *image_name = g_strdup(opts_get(opts, "image"));
        bool image_is_node = image_name && block_find_node(image_name);
        for (unsigned i = 0; i < opts_count(image); i++) {
            const char *key = opts_key(image, i);
            g_autofree char *full = g_strconcat("file.", key, NULL);
            opts_set(opts, full, opts_get(image, key));
        }
        if (image_name) {
            opts_set(opts, image_is_node ? "file" : "file.filename", image_name);
            opts_remove(opts, "image");
        }
    }
    if (drv->is_filter &&
        !(node->file = block_open_child(node, opts, "file", NULL, NULL, flags, err))) {
        return NULL;
    }
    return node_start(node, opts, err) ? g_steal_pointer(&node) : NULL;
}

/* The child is a node that is open already, by its name. */
static BlockNode *use_existing(Opts *opts, const char *name, BlockNode *node, unsigned flags,
                               GError **err)
{
    if (flags & BLOCK_RDWR && !(node->flags & BLOCK_RDWR)) {
        g_set_error(err, BLOCK_ERROR, EACCES, "Block node '%s' is read-only", node->node_name);
        return NULL;
    }
    opts_remove(opts, name);
    return block_ref(node);
}

BlockNode *block_open_child(BlockNode *parent, Opts *opts, const char *name, const char *filename,
                            const char *format, unsigned flags, GError **err)
{
    g_autofree char *prefix = g_strconcat(name, ".", NULL);
    g_autoptr(Opts) sub = opts_take_prefix(opts, prefix);
    g_autofree char *given = NULL;
    bool file = !strcmp(name, "file") || !strcmp(name, "data-file");
    const char *ref = opts_get(opts, name);
    BlockNode *existing = ref ? block_find_node(ref) : NULL;
    if (existing) {
        return use_existing(opts, name, existing, flags, err);
    }
    if (opts_has(sub, "filename") && !opts_has(sub, "driver")) {
        given = g_strdup(opts_get(sub, "filename"));
        opts_remove(sub, "filename");
        filename = given;
    } else if (opts_count(sub) && opts_has(sub, "driver")) {
        filename = NULL;
    }
    if (!filename && !opts_count(sub)) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "A block device must be specified for \"%s\" of '%s'",
                    name, parent->filename);
        return NULL;
    }
    if (filename && g_str_has_prefix(filename, "json:")) {
        if (!opts_parse_json(sub, filename + 5, err)) {
            return NULL;
        }
        filename = NULL;
    }
    return file ? open_protocol(NULL, filename, sub, flags, err)
                : block_open(filename, format, sub, flags, err);
}

/* Opens what node->backing_file names, unless options say otherwise. */
static bool open_backing(BlockNode *node, Opts *opts, GError **err)
{
    unsigned flags = node->flags & ~(unsigned)BLOCK_RDWR;
    const char *given = opts_get(opts, "backing");
    g_autoptr(Opts) sub = opts_take_prefix(opts, "backing.");
    bool none = given && !*given;
    if (given && !none) {
        BlockNode *existing = block_find_node(given);
        if (!existing) {
            g_set_error(err, BLOCK_ERROR, ENOENT, "Cannot find device='' nor node-name='%s'",
                        given);
            return false;
        }
        node->backing = block_ref(existing);
        return true;
    }
    opts_remove(opts, "backing");
    if (node->backing_file && *node->backing_file) {
        node->auto_backing_file = block_path_combine(node->filename, node->backing_file);
    }
    if (none || node->flags & BLOCK_NO_BACKING || (!node->auto_backing_file && !opts_count(sub))) {
        return true;
    }
    if (node->flags & BLOCK_BACKING_RDWR) {
        flags |= BLOCK_RDWR;
    }
    const char *name =
        opts_has(sub, "driver") && opts_count(sub) > 1 ? NULL : node->auto_backing_file;
    node->backing = block_open(name, node->backing_fmt, sub, flags, err);
    if (!node->backing) {
        g_prefix_error(err, "Could not open backing file: ");
    }
    return node->backing != NULL;
}

static BlockNode *open_format(BlockNode *into, const BlockDriver *drv, BlockNode *file,
                              const char *filename, Opts *opts, unsigned flags, bool probed,
                              GError **err)
{
    g_autoptr(BlockNode) node = node_new(into, drv, filename, flags);
    g_autoptr(Opts) backing = opts_take_prefix(opts, "backing.");
    const char *no_backing = opts_get(opts, "backing");
    if (no_backing) {
        opts_set(backing, "=", no_backing);
        opts_remove(opts, "backing");
    }
    g_autoptr(Opts) later = opts_new();
    for (unsigned i = 0; i < opts_count(backing); i++) {
        const char *key = opts_key(backing, i);
        g_autofree char *full =
            *key == '=' ? g_strdup("backing") : g_strconcat("backing.", key, NULL);
        opts_set(later, full, opts_get(backing, key));
    }
    node->file = block_ref(file);
    node->probed = probed;
    opts_remove(opts, "driver");
    if (!node_start(node, opts, err)) {
        return NULL;
    }
    return open_backing(node, later, err) ? g_steal_pointer(&node) : NULL;
}

static unsigned child_flags(unsigned flags, const Opts *opts)
{
    bool on;
    const char *ro = opts_get(opts, "read-only");
    const char *direct = opts_get(opts, "cache.direct");
    const char *no_flush = opts_get(opts, "cache.no-flush");
    const char *share = opts_get(opts, "force-share");
    const char *discard = opts_get(opts, "discard");
    if (ro && parse_bool(ro, &on)) {
        flags = on ? flags & ~(unsigned)BLOCK_RDWR : flags | BLOCK_RDWR;
    }
    flags |= direct && parse_bool(direct, &on) && on ? BLOCK_DIRECT : 0;
    flags |= no_flush && parse_bool(no_flush, &on) && on ? BLOCK_NO_FLUSH : 0;
    flags |= share && parse_bool(share, &on) && on ? BLOCK_FORCE_SHARE : 0;
    flags |= discard && (!strcmp(discard, "unmap") || !strcmp(discard, "on")) ? BLOCK_UNMAP : 0;
    return flags;
}

static BlockNode *open_one(BlockNode *into, const char *filename, const char *format, Opts *opts,
                           unsigned flags, GError **err)
{
    const char *driver = opts_get(opts, "driver");
    const BlockDriver *drv = NULL;
    if (driver && format && strcmp(driver, format)) {
        g_set_error(err, BLOCK_ERROR, EINVAL,
                    "Image format '%s' was given, but the options say driver=%s", format, driver);
        return NULL;
    }
    driver = driver ? driver : format;
    if (driver) {
        drv = block_driver_find(driver);
        if (!drv) {
            g_set_error(err, BLOCK_ERROR, ENOENT, "Unknown driver '%s'", driver);
            return NULL;
        }
        if (drv->is_protocol) {
            opts_set(opts, "driver", driver);
            return open_protocol(into, filename, opts, flags, err);
        }
    }
    BlockNode dummy = { .filename = (char *)(filename ? filename : "") };
    const char *plain = opts_get(opts, "file");
    g_autofree char *plain_copy = g_strdup(plain);
    if (!filename && plain_copy && !block_find_node(plain_copy)) {
        opts_remove(opts, "file");
        filename = plain_copy;
    }
    g_autofree char *name_opt = g_strdup(opts_get(opts, "filename"));
    if (!filename && name_opt && !drv) {
        opts_remove(opts, "filename");
        filename = name_opt;
    }
    g_autoptr(BlockNode) file =
        block_open_child(&dummy, opts, "file", filename, NULL, child_flags(flags, opts), err);
    if (!file) {
        return NULL;
    }
    bool probed = !drv;
    if (!drv && !(drv = probe_format(file, err))) {
        return NULL;
    }
    return open_format(into, drv, file, filename ? filename : file->filename, opts, flags, probed,
                       err);
}

static BlockNode *open_into(BlockNode *into, const char *filename, const char *format,
                            const Opts *opts, unsigned flags, GError **err)
{
    g_autoptr(Opts) mine = opts_copy(opts);
    GError *local = NULL;
    const char *shown = filename;
    if (filename && g_str_has_prefix(filename, "json:")) {
        if (!opts_parse_json(mine, filename + 5, err)) {
            return NULL;
        }
        filename = NULL;
    }
    BlockNode *node = open_one(into, filename, format, mine, flags, &local);
    if (node && !node->opened_by) {
        node->opened_by = opts_copy(opts);
        node->opened_name = g_strdup(shown);
        node->opened_format = g_strdup(format);
    } else if (!node) {
        if (shown && !g_str_has_prefix(local->message, "Could not open")) {
            g_prefix_error(&local, "Could not open '%s': ", shown);
        }
        g_propagate_error(err, local);
    }
    return node;
}

BlockNode *block_open(const char *filename, const char *format, const Opts *opts, unsigned flags,
                      GError **err)
{
    return open_into(NULL, filename, format, opts, flags, err);
}

static int lost_io(BlockNode *node, int64_t off, void *buf, int64_t len)
{
    (void)node;
    (void)off;
    (void)buf;
    (void)len;
    return -ENOMEDIUM;
}

/* What a node is when neither its new nor its old options open it any more. */
static const BlockDriver lost_driver = { .name = "lost", .pread = lost_io };

static bool reopen_with(BlockNode *node, const char *name, const char *format, const Opts *opts,
                        unsigned flags, bool keep_backing, GError **err)
{
    g_autofree char *node_name = g_steal_pointer(&node->node_name);
    BlockNode *backing = keep_backing ? g_steal_pointer(&node->backing) : NULL;
    node_stop(node);
    flags |= keep_backing ? BLOCK_NO_BACKING : 0;
    bool ok = open_into(node, name, format, opts, flags, err) != NULL;
    if (ok) {
        block_unref(node); /* the reference that open gave */
        node->flags &= ~(keep_backing ? (unsigned)BLOCK_NO_BACKING : 0);
    } else {
        node_stop(node);
    }
    node->backing = backing ? backing : node->backing;
    g_free(node->node_name);
    node->node_name = g_steal_pointer(&node_name);
    return ok;
}

bool block_reopen(BlockNode *node, const Opts *opts, unsigned flags, GError **err)
{
    g_autofree char *name = g_strdup(node->opened_name), *format = g_strdup(node->opened_format);
    g_autoptr(Opts) old = opts_copy(node->opened_by), new = opts_copy(opts);
    unsigned old_flags = node->flags;
    bool keep = true;
    for (unsigned i = 0; i < opts_count(new); i++) {
        const char *key = opts_key(new, i);
        bool same = !g_strcmp0(opts_get(old, key), opts_get(new, key));
        keep &= same || (strcmp(key, "backing") && !g_str_has_prefix(key, "backing."));
    }
    if (node->file && !node->file->node_name && g_atomic_int_get(&node->file->refs) > 1) {
        g_set_error(err, BLOCK_ERROR, EBUSY, "'%s' is in use", node->file->filename);
        return false;
    }
    if (opts_has(new, "driver") && strcmp(opts_get(new, "driver"), node->drv->name)) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "Cannot change the option 'driver'");
        return false;
    }
    int ret = block_flush(node);
    if (ret) {
        g_set_error(err, BLOCK_ERROR, -ret, "Could not flush '%s': %s", node->filename,
                    g_strerror(-ret));
        return false;
    }
    opts_remove(old, "node-name"); /* it keeps its name */
    opts_remove(new, "node-name");
    bool ok = reopen_with(node, name, format, new, flags, keep, err);
    if (!ok && !reopen_with(node, name, format, old, old_flags, keep, NULL)) {
        node->drv = &lost_driver;
        node->filename = g_strdup("");
    }
    return ok;
}

/* Options of the file that the format does not have: they are about its first bytes, and formats
 * begin with an empty one. So they need only be right. */
static bool drop_file_opts(const BlockDriver *drv, const char *filename, Opts *opts, GError **err)
{
    const BlockDriver *proto = block_protocol_of(filename, err);
    g_autoptr(Opts) of_file = opts_new();
    for (const OptDef *o = proto ? proto->create_opts : NULL; o && o->name; o++) {
        const OptDef *q = drv->create_opts;
        while (q && q->name && strcmp(q->name, o->name)) {
            q++;
        }
        if (!(q && q->name) && opts_has(opts, o->name)) {
            opts_set(of_file, o->name, opts_get(opts, o->name));
            opts_remove(opts, o->name);
        }
    }
    int mode;
    return proto && opts_check(of_file, proto->create_opts, err) &&
           (!opts_has(of_file, "preallocation") ||
            opt_enum(of_file, proto->create_opts, "preallocation", block_prealloc_names, &mode,
                     err));
}

bool block_create(const char *filename, const char *format, Opts *opts, GError **err)
{
    const BlockDriver *drv = block_driver_find(format);
    if (!drv) {
        g_set_error(err, BLOCK_ERROR, ENOENT, "Unknown file format '%s'", format);
        return false;
    }
    if (!drv->create) {
        g_set_error(err, BLOCK_ERROR, ENOTSUP, "Format driver '%s' does not support image creation",
                    format);
        return false;
    }
    g_autoptr(Opts) mine = opts_copy(opts);
    return (drv->bare || drop_file_opts(drv, filename, mine, err)) &&
           drv->create(filename, mine, err);
}

BlockNode *block_create_file(const char *filename, int64_t size, Opts *opts, GError **err)
{
    const BlockDriver *drv = block_protocol_of(filename, err);
    g_autoptr(Opts) create = opts_new();
    if (!drv) {
        return NULL;
    }
    for (const OptDef *o = drv->create_opts; o && o->name; o++) {
        const char *value = opts ? opts_get(opts, o->name) : NULL;
        if (value) {
            opts_set(create, o->name, value);
        }
    }
    opts_setf(create, "size", "%" G_GINT64_FORMAT, size);
    if (drv->create && !drv->create(filename, create, err)) {
        return NULL;
    }
    g_autoptr(Opts) open = opts_new();
    return open_protocol(NULL, filename, open, BLOCK_RDWR | BLOCK_UNMAP, err);
}
