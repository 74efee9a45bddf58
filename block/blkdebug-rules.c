/* SPDX-License-Identifier: MIT */
/* blkdebug's rules. A rule belongs to an event and, if it says so, to one state of the node (states
 * are numbers; the first is 1). When the event comes, its inject-error rules become the active
 * ones: they fail the requests that match until the next event that has such rules. */
#include "block/blkdebug.h"
#include <errno.h>

typedef enum Action { INJECT, SET_STATE, SUSPEND } Action;

typedef struct Rule {
    Action action;
    BlockEvent event;
    int64_t state, new_state; /* state 0: in any */
    int error;
    int64_t offset;    /* -1: any request; else one that covers this byte */
    unsigned io_types; /* bits 1 << DebugIo */
    bool once, active;
    char *tag; /* SUSPEND: of the breakpoint */
} Rule;

typedef struct Suspended {
    const char *tag;
    bool resumed;
} Suspended;

struct DebugRules {
    GMutex lock;
    GCond resumed;
    GPtrArray *rules;     /* Rule */
    GPtrArray *suspended; /* Suspended, each on the stack of the thread that waits */
    int64_t state;
};

static const char *const event_names[] = {
#define X(id, name) name,
    BLOCK_EVENTS(X)
#undef X
        NULL,
};

static const OptDef inject_opts[] = {
    { "event", OPT_STR, NULL, "After which event requests fail" },
    { "state", OPT_NUM, "0", "In which state; 0: in any" },
    { "iotype", OPT_STR, NULL, "read, write, write-zeroes, discard, flush or block-status" },
    { "errno", OPT_NUM, "5", "Error number" },
    { "sector", OPT_STR, NULL, "Only requests that cover this sector" },
    { "once", OPT_BOOL, "off", "Only the first" },
    { "immediately", OPT_BOOL, "off", "Without going through the event loop; no difference here" },
    { 0 },
};

static const OptDef set_state_opts[] = {
    { "event", OPT_STR, NULL, "After which event the state changes" },
    { "state", OPT_NUM, "0", "In which state; 0: in any" },
    { "new_state", OPT_NUM, "0", "What it becomes" },
    { 0 },
};

static const char *const sections[] = { [INJECT] = "inject-error", [SET_STATE] = "set-state" };

static void rule_free(void *p)
{
    Rule *r = p;
    g_free(r->tag);
    g_free(r);
}

DebugRules *debug_rules_new(void)
{
    DebugRules *rules = g_new0(DebugRules, 1);
    g_mutex_init(&rules->lock);
    g_cond_init(&rules->resumed);
    rules->rules = g_ptr_array_new_with_free_func(rule_free);
    rules->suspended = g_ptr_array_new();
    rules->state = 1;
    return rules;
}

void debug_rules_free(DebugRules *rules)
{
    g_ptr_array_free(rules->rules, true);
    g_ptr_array_free(rules->suspended, true);
    g_mutex_clear(&rules->lock);
    g_cond_clear(&rules->resumed);
    g_free(rules);
}

static int find_name(const char *const *names, const char *name)
{
    int i = 0;
    while (name && names[i] && strcmp(names[i], name)) {
        i++;
    }
    return name && names[i] ? i : -1;
}

static bool parse_inject(Rule *r, const Opts *opts, GError **err)
{
    static const char *const io_types[] = { "read",    "write", "write-zeroes",
                                            "discard", "flush", "block-status",
                                            NULL };
    const char *type = opt_str(opts, inject_opts, "iotype");
    const char *sector = opt_str(opts, inject_opts, "sector");
    int which = find_name(io_types, type);
    char *end = NULL;
    if (type && which < 0) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "invalid parameter value: %s", type);
        return false;
    }
    r->io_types = type ? 1U << which : (1U << DEBUG_STATUS) - 1;
    r->error = opt_num(opts, inject_opts, "errno");
    r->once = opt_bool(opts, inject_opts, "once");
    r->offset = sector ? g_ascii_strtoll(sector, &end, 0) : -1;
    if (sector &&
        (*end || end == sector || r->offset < -1 || r->offset > BLOCK_MAX_SIZE / BLOCK_SECTOR)) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "Parameter 'sector' expects a number, not '%s'",
                    sector);
        return false;
    }
    r->offset = r->offset < 0 ? -1 : r->offset * BLOCK_SECTOR;
    return true;
}

static bool add_rule(DebugRules *rules, Action action, const Opts *opts, GError **err)
{
    const OptDef *table = action == INJECT ? inject_opts : set_state_opts;
    for (unsigned i = 0; i < opts_count(opts); i++) {
        const OptDef *o = table;
        while (o->name && strcmp(o->name, opts_key(opts, i))) {
            o++;
        }
        if (!o->name) {
            g_set_error(err, BLOCK_ERROR, EINVAL, "[%s] section doesn't support the option '%s'",
                        sections[action], opts_key(opts, i));
            return false;
        }
    }
    const char *name = opts_get(opts, "event");
    int event = find_name(event_names, name);
    if (event < 0) {
        g_set_error(err, BLOCK_ERROR, EINVAL,
                    name ? "invalid parameter value: %s"
                         : "Missing event name for rule in section [%s]",
                    name ? name : sections[action]);
        return false;
    }
    if (!opts_check(opts, table, err)) {
        return false;
    }
    Rule *r = g_new0(Rule, 1);
    r->action = action;
    r->event = event;
    r->state = opt_num(opts, table, "state");
    r->active = event == BLOCK_EV_NONE;
    if (action == SET_STATE) {
        r->new_state = opt_num(opts, table, "new_state");
    } else if (!parse_inject(r, opts, err)) {
        rule_free(r);
        return false;
    }
    g_ptr_array_add(rules->rules, r);
    return true;
}

/* One line of a configuration file, in a section or starting one; `opts` collects a section. */
static bool read_line(const char *line, int *section, bool *starts, Opts *opts, GError **err)
{
    size_t len = strlen(line);
    *starts = false;
    if (!len || *line == '#') {
        return true;
    }
    if (*line == '[' && line[len - 1] == ']') {
        g_autofree char *name = g_strndup(line + 1, len - 2);
        *section = strcmp(name, sections[INJECT]) == 0      ? INJECT
                   : strcmp(name, sections[SET_STATE]) == 0 ? SET_STATE
                                                            : -1;
        if (*section < 0) {
            g_set_error(err, BLOCK_ERROR, EINVAL, "There is no option group '%s'", name);
        }
        *starts = true;
        return *section >= 0;
    }
    if (*section < 0) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "no group defined");
        return false;
    }
    const char *equals = strchr(line, '=');
    g_autofree char *key = equals ? g_strndup(line, equals - line) : NULL;
    g_autofree char *value = equals ? g_strstrip(g_strdup(equals + 1)) : NULL;
    size_t n = value ? strlen(value) : 0;
    if (n < 2 || *value != '"' || value[n - 1] != '"' || !*g_strstrip(key)) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "Invalid parameter '%s'", line);
        return false;
    }
    value[n - 1] = 0;
    opts_set(opts, key, value + 1);
    return true;
}

bool debug_rules_read(DebugRules *rules, const char *filename, GError **err)
{
    g_autofree char *text = NULL;
    GError *local = NULL;
    if (!g_file_get_contents(filename, &text, NULL, &local)) {
        int e = local->code == G_FILE_ERROR_NOENT ? ENOENT : EIO;
        g_set_error(err, BLOCK_ERROR, e, "Could not read blkdebug config file: %s", g_strerror(e));
        g_error_free(local);
        return false;
    }
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autoptr(Opts) opts = opts_new();
    int section = -1, last = -1;
    bool ok = true, starts;
    for (unsigned i = 0; lines[i] && ok; i++) {
        last = section;
        ok = read_line(g_strstrip(lines[i]), &section, &starts, opts, err);
        if (ok && starts && last >= 0) {
            ok = add_rule(rules, last, opts, err);
            opts_free(opts);
            opts = opts_new();
        }
    }
    return ok && (section < 0 || add_rule(rules, section, opts, err));
}

bool debug_rules_add(DebugRules *rules, const Opts *opts, GError **err)
{
    g_autoptr(Opts) rest = opts_copy(opts);
    for (Action a = INJECT; a <= SET_STATE; a++) {
        for (unsigned i = 0;; i++) {
            g_autofree char *prefix = g_strdup_printf("%s.%u.", sections[a], i);
            g_autoptr(Opts) rule = opts_take_prefix(rest, prefix);
            if (!opts_count(rule)) {
                break;
            }
            if (!add_rule(rules, a, rule, err)) {
                return false;
            }
        }
    }
    if (opts_count(rest)) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "'%s' does not follow 'inject-error.0.…'",
                    opts_key(rest, 0));
    }
    return !opts_count(rest);
}

/* The lock is held, and given up while waiting. */
static void suspend(DebugRules *rules, const char *tag)
{
    Suspended s = { tag, false };
    g_ptr_array_add(rules->suspended, &s);
    g_printerr("blkdebug: Suspended request '%s'\n", tag);
    while (!s.resumed) {
        g_cond_wait(&rules->resumed, &rules->lock);
    }
    g_printerr("blkdebug: Resuming request '%s'\n", tag);
}

/* Breakpoints work once. */
static char *take_breakpoint(DebugRules *rules, BlockEvent event)
{
    for (unsigned i = 0; i < rules->rules->len; i++) {
        Rule *r = g_ptr_array_index(rules->rules, i);
        if (r->action == SUSPEND && r->event == event) {
            char *tag = g_steal_pointer(&r->tag);
            g_ptr_array_remove_index(rules->rules, i);
            return tag;
        }
    }
    return NULL;
}

void debug_rules_event(DebugRules *rules, BlockEvent event)
{
    g_mutex_lock(&rules->lock);
    int64_t state = rules->state;
    bool injected = false;
    for (unsigned i = 0; i < rules->rules->len; i++) {
        Rule *r = g_ptr_array_index(rules->rules, i);
        if (r->event != event || (r->state && r->state != rules->state)) {
            continue;
        }
        if (r->action == SET_STATE) {
            state = r->new_state;
        } else if (r->action == INJECT && !injected) {
            injected = true;
            for (unsigned j = 0; j < rules->rules->len; j++) {
                ((Rule *)g_ptr_array_index(rules->rules, j))->active = false;
            }
        }
        r->active = r->action == INJECT;
    }
    rules->state = state;
    for (char *tag; (tag = take_breakpoint(rules, event));) {
        suspend(rules, tag);
        g_free(tag);
    }
    g_mutex_unlock(&rules->lock);
}

int debug_rules_check(DebugRules *rules, DebugIo type, int64_t off, int64_t len)
{
    int ret = 0;
    g_mutex_lock(&rules->lock);
    for (unsigned i = 0; i < rules->rules->len; i++) {
        Rule *r = g_ptr_array_index(rules->rules, i);
        bool here = r->offset < 0 || (r->offset >= off && r->offset < off + len);
        if (r->active && here && r->io_types >> type & 1) {
            ret = -r->error;
            if (r->once) {
                g_ptr_array_remove_index(rules->rules, i);
            }
            break;
        }
    }
    g_mutex_unlock(&rules->lock);
    return ret;
}

static bool remove_breakpoints(DebugRules *rules, const char *tag)
{
    bool any = false;
    for (unsigned i = rules->rules->len; i-- > 0;) {
        Rule *r = g_ptr_array_index(rules->rules, i);
        if (r->action == SUSPEND && !strcmp(r->tag, tag)) {
            g_ptr_array_remove_index(rules->rules, i);
            any = true;
        }
    }
    return any;
}

static bool resume(DebugRules *rules, const char *tag, bool all)
{
    bool any = false;
    for (unsigned i = 0; i < rules->suspended->len && (all || !any);) {
        Suspended *s = g_ptr_array_index(rules->suspended, i);
        if (strcmp(s->tag, tag)) {
            i++;
            continue;
        }
        g_ptr_array_remove_index(rules->suspended, i);
        s->resumed = any = true;
    }
    g_cond_broadcast(&rules->resumed);
    return any;
}

int debug_rules_control(DebugRules *rules, BlockDebugOp op, const char *event, const char *tag)
{
    int ret = 0, which = find_name(event_names, event);
    bool removed;
    g_mutex_lock(&rules->lock);
    switch (op) {
    case BLOCK_DEBUG_BREAK:
        if (which < 0) {
            ret = -ENOENT;
            break;
        }
        Rule *r = g_new0(Rule, 1);
        *r = (Rule){ .action = SUSPEND, .event = which, .tag = g_strdup(tag) };
        g_ptr_array_add(rules->rules, r);
        break;
    case BLOCK_DEBUG_REMOVE:
        removed = remove_breakpoints(rules, tag);
        ret = resume(rules, tag, true) || removed ? 0 : -ENOENT;
        break;
    case BLOCK_DEBUG_RESUME:
        ret = resume(rules, tag, false) ? 0 : -ENOENT;
        break;
    case BLOCK_DEBUG_IS_SUSPENDED:
        for (unsigned i = 0; i < rules->suspended->len && !ret; i++) {
            ret = !strcmp(((Suspended *)g_ptr_array_index(rules->suspended, i))->tag, tag);
        }
    }
    g_mutex_unlock(&rules->lock);
    return ret;
}
