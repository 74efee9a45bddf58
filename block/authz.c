/* SPDX-License-Identifier: MIT */
/* Lists of who may connect. An authz-list's rules are tried in turn, and the first that matches
 * says "allow" or "deny"; if none does, the list's policy says. */
#include "block/authz.h"
#include "block/secret.h"
#include <errno.h>

static const char *const policies[] = { "deny", "allow", NULL };
static const char *const formats[] = { "exact", "glob", NULL };

static const OptDef simple_opts[] = {
    { "id", OPT_STR, NULL, "Name of the object" },
    { "identity", OPT_STR, NULL, "Who may come in" },
    { 0 },
};
static const OptDef list_opts[] = {
    { "id", OPT_STR, NULL, "Name of the object" },
    { "policy", OPT_STR, "deny", "What is done with those whom no rule matches" },
    { 0 },
};
static const OptDef listfile_opts[] = {
    { "id", OPT_STR, NULL, "Name of the object" },
    { "filename", OPT_STR, NULL, "JSON file: policy, and a list of rules" },
    { "refresh", OPT_BOOL, "on", "Read it again when it has changed" },
    { 0 },
};
static const OptDef rule_opts[] = {
    { "match", OPT_STR, NULL, "Name or pattern" },
    { "policy", OPT_STR, "deny", "deny or allow" },
    { "format", OPT_STR, "exact", "exact or glob" },
    { 0 },
};
static const struct {
    const char *name;
    const OptDef *opts;
} kinds[] = {
    { "authz-simple", simple_opts },
    { "authz-list", list_opts },
    { "authz-list-file", listfile_opts },
    { "authz-listfile", listfile_opts }, /* as QMP spells it */
};

static const OptDef *opts_of(const char *kind)
{
    for (unsigned i = 0; kind && i < G_N_ELEMENTS(kinds); i++) {
        if (!strcmp(kinds[i].name, kind)) {
            return kinds[i].opts;
        }
    }
    return NULL;
}

void authz_foreach_kind(void (*fn)(const char *kind, const OptDef *opts, void *opaque),
                        void *opaque)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        fn(kinds[i].name, kinds[i].opts, opaque);
    }
}

bool authz_is_kind(const char *kind)
{
    return opts_of(kind) != NULL;
}

/* Does a list let `identity` in? With `identity` NULL only the rules are checked. */
static bool run_list(const Opts *list, const char *identity, bool *allowed, GError **err)
{
    g_autoptr(Opts) rest = opts_copy(list);
    bool decided = false;
    int policy, format;
    for (unsigned i = 0;; i++) {
        g_autofree char *prefix = g_strdup_printf("rules.%u.", i);
        g_autoptr(Opts) rule = opts_take_prefix(rest, prefix);
        if (!opts_count(rule)) {
            break;
        }
        const char *match = opts_get(rule, "match");
        if (!opts_check(rule, rule_opts, err) ||
            !opt_enum(rule, rule_opts, "policy", policies, &policy, err) ||
            !opt_enum(rule, rule_opts, "format", formats, &format, err)) {
            return false;
        }
        if (!match) {
            g_set_error(err, BLOCK_ERROR, EINVAL, "Parameter '%smatch' is missing", prefix);
            return false;
        }
        if (!decided && identity &&
            (format ? g_pattern_match_simple(match, identity) : !strcmp(match, identity))) {
            *allowed = policy;
            decided = true;
        }
    }
    if (!opts_check(rest, list_opts, err) ||
        !opt_enum(rest, list_opts, "policy", policies, &policy, err)) {
        return false;
    }
    *allowed = decided ? *allowed : policy;
    return true;
}

static bool run_file(const char *filename, const char *identity, bool *allowed, GError **err)
{
    g_autofree char *text = NULL;
    g_autoptr(Opts) list = opts_new();
    GError *local = NULL;
    if (!g_file_get_contents(filename, &text, NULL, &local)) {
        g_set_error(err, BLOCK_ERROR, EIO, "Unable to read '%s': %s", filename, local->message);
        g_error_free(local);
        return false;
    }
    return opts_parse_json(list, text, err) && run_list(list, identity, allowed, err);
}

static bool run_object(const Opts *o, const char *identity, bool *allowed, GError **err)
{
    const char *kind = opts_get(o, "kind");
    if (!strcmp(kind, "authz-simple")) {
        *allowed = identity && !strcmp(opts_get(o, "identity"), identity);
        return true;
    }
    if (opts_of(kind) == listfile_opts) {
        return run_file(opts_get(o, "filename"), identity, allowed, err);
    }
    g_autoptr(Opts) list = opts_copy(o);
    opts_remove(list, "kind");
    return run_list(list, identity, allowed, err);
}

Opts *authz_check_opts(const char *kind, const Opts *opts, GError **err)
{
    const OptDef *table = opts_of(kind);
    const char *needed = table == simple_opts     ? "identity"
                         : table == listfile_opts ? "filename"
                                                  : NULL;
    g_autoptr(Opts) mine = opts_copy(opts);
    bool allowed;
    if (table != list_opts && !opts_check(opts, table, err)) {
        return NULL;
    }
    if (needed && !opts_has(opts, needed)) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "%s not provided", needed);
        return NULL;
    }
    opts_set(mine, "kind", kind);
    return run_object(mine, NULL, &allowed, err) ? g_steal_pointer(&mine) : NULL;
}

bool authz_exists(const char *id, GError **err)
{
    g_autoptr(Opts) o = block_object_opts(id, "authz-", err);
    return o != NULL;
}

bool authz_allows(const char *id, const char *identity, GError **err)
{
    g_autoptr(Opts) o = block_object_opts(id, "authz-", err);
    bool allowed = false;
    if (!o || (identity && !run_object(o, identity, &allowed, err))) {
        return false;
    }
    if (!allowed) {
        g_set_error(err, BLOCK_ERROR, EACCES, "'%s' is not authorized by '%s'",
                    identity ? identity : "a peer without a certificate", id);
    }
    return allowed;
}
