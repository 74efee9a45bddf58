/* SPDX-License-Identifier: MIT */
/* The monitor for people: lines with editing, history and completion; from words to a command's
 * arguments. */
#include <stdlib.h>
#include <string.h>

#include "monitor/command.h"
#include "monitor/internal.h"
#include "util/opts.h"
#include "util/version.h"

enum { MAX_LINE = 4096, MAX_HISTORY = 100 };
static const char prompt[] = "(latimer) ";

/* ---- from a line to a command -----------------------------------------------------------------
 */

static const char *skip_blanks(const char *p)
{
    while (*p == ' ' || *p == '\t') {
        p++;
    }
    return p;
}

/* Whether the line begins with the name's words; *rest is what follows. */
static bool begins_with(const char *line, const char *name, const char **rest)
{
    const char *p = skip_blanks(line);

    while (*name) {
        size_t n = strcspn(name, " ");

        if (strncmp(p, name, n) || (p[n] && p[n] != ' ' && p[n] != '\t' && p[n] != '/')) {
            return false;
        }
        p = skip_blanks(p + n);
        name += n + (name[n] == ' ');
    }
    *rest = p;
    return true;
}

typedef struct Search {
    const char *line, *rest;
    const Command *found;
    size_t length; /* of the name that fits: the longest wins */
} Search;

static void try_name(Search *s, const Command *c, const char *name)
{
    const char *rest;

    if (name && begins_with(s->line, name, &rest) && strlen(name) > s->length) {
        s->found = c;
        s->rest = rest;
        s->length = strlen(name);
    }
}

static void try_command(const Command *c, void *opaque)
{
    try_name(opaque, c, c->hmp);
    if (c->hmp) {
        try_name(opaque, c, c->alias);
    }
}

/* ---- arguments
 * ------------------------------------------------------------------------------------ */

/* The next word, quotes taken off; NULL: none. */
static char *take_word(const char **p)
{
    GString *word;
    const char *s = skip_blanks(*p);
    char quote = 0;

    if (!*s) {
        return NULL;
    }
    word = g_string_new(NULL);
    for (; *s && (quote || (*s != ' ' && *s != '\t')); s++) {
        if (*s == '"' && (!quote || quote == *s)) {
            quote = quote ? 0 : *s;
        } else if (*s == '\\' && quote && s[1]) {
            g_string_append_c(word, *++s);
        } else {
            g_string_append_c(word, *s);
        }
    }
    *p = s;
    return g_string_free(word, FALSE);
}

static bool set_number(JsonObject *args, const CommandArg *a, const char *word, GError **err)
{
    char *end;
    uint64_t size;

    if (a->kind == ARG_SIZE) {
        bool bare = g_ascii_isdigit(word[strlen(word) - (*word != 0)]);

        if (!parse_size(word, &size, err)) {
            return false;
        }
        json_object_set_int_member(args, a->name, (int64_t)(bare ? size << 20 : size));
        return true;
    }
    int64_t n = *word == '-' ? strtoll(word, &end, 0) : (int64_t)strtoull(word, &end, 0);
    if (end == word || *end) {
        g_set_error(err, MONITOR_ERROR, 0, "'%s' is not a number (%s)", word, a->name);
        return false;
    }
    json_object_set_int_member(args, a->name, n);
    return true;
}

static bool set_arg(JsonObject *args, const CommandArg *a, const char *word, GError **err)
{
    bool on;

    switch (a->kind) {
    case ARG_INT:
    case ARG_SIZE:
        return set_number(args, a, word, err);
    case ARG_BOOL:
        if (!parse_bool(word, &on)) {
            g_set_error(err, MONITOR_ERROR, 0, "'%s' is neither 'on' nor 'off' (%s)", word,
                        a->name);
            return false;
        }
        json_object_set_boolean_member(args, a->name, on);
        return true;
    default:
        json_object_set_string_member(args, a->name, word);
        return true;
    }
}

/* "-f" of a flag row. */
static bool take_flags(const Command *c, const char **p, JsonObject *args)
{
    for (;;) {
        const CommandArg *a = c->args;

        *p = skip_blanks(*p);
        while (a && a->name &&
               !(a->kind == ARG_FLAG && (*p)[0] == '-' && (*p)[1] == a->doc[0] &&
                 strchr(" \t", (*p)[2]))) {
            a++;
        }
        if (!a || !a->name) {
            return true;
        }
        json_object_set_boolean_member(args, a->name, TRUE);
        *p += 2;
    }
}

static bool parse_args(const Command *c, const char *p, JsonObject *args, GError **err)
{
    take_flags(c, &p, args);
    for (const CommandArg *a = c->args; a && a->name; a++) {
        g_autofree char *word = NULL;

        if (a->kind == ARG_FLAG || a->kind == ARG_ANY) {
            continue;
        }
        if (a->kind == ARG_REST) {
            p = skip_blanks(p);
            if (*p) {
                json_object_set_string_member(args, a->name, p);
                p += strlen(p);
            }
            continue;
        }
        word = take_word(&p);
        if (!word) {
            break;
        }
        if (!set_arg(args, a, word, err)) {
            return false;
        }
    }
    p = skip_blanks(p);
    if (*p) {
        g_set_error(err, MONITOR_ERROR, 0, "%s: extra argument: %s", c->hmp, p);
        return false;
    }
    return true;
}

/* ---- help
 * --------------------------------------------------------------------------------------------- */

static void help_one(const Command *c, GString *out)
{
    g_string_append(out, c->hmp);
    if (c->alias) {
        g_string_append_printf(out, "|%s", c->alias);
    }
    for (const CommandArg *a = c->args; a && a->name; a++) {
        if (a->kind == ARG_FLAG) {
            g_string_append_printf(out, " [-%c]", a->doc[0]);
        } else if (a->kind != ARG_ANY) {
            g_string_append_printf(out, a->optional ? " [%s]" : " %s", a->name);
        }
    }
    g_string_append_printf(out, " -- %s\n", c->doc);
}

typedef struct Help {
    GPtrArray *lines;
    const char *about; /* NULL: all */
} Help;

static void collect_help(const Command *c, void *opaque)
{
    Help *h = opaque;

    if (c->hmp && (!h->about || g_str_has_prefix(c->hmp, h->about) ||
                   (c->alias && !strcmp(c->alias, h->about)))) {
        GString *line = g_string_new(NULL);

        help_one(c, line);
        g_ptr_array_add(h->lines, g_string_free(line, FALSE));
    }
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void print_help(const char *about, GString *out)
{
    Help h = { g_ptr_array_new_with_free_func(g_free), about && *about ? about : NULL };

    command_foreach(collect_help, &h);
    g_ptr_array_sort(h.lines, compare_lines);
    for (guint i = 0; i < h.lines->len; i++) {
        g_string_append(out, h.lines->pdata[i]);
    }
    if (!h.lines->len) {
        g_string_append_printf(out, "unknown command: '%s'\n", about);
    }
    g_ptr_array_free(h.lines, TRUE);
}

/* ---- running
 * ---------------------------------------------------------------------------------------------- */

static void print_result(const Command *c, JsonNode *result, GString *out)
{
    if (result && c->print) {
        c->print(out, result);
    } else if (result && JSON_NODE_HOLDS_VALUE(result) &&
               json_node_get_value_type(result) == G_TYPE_STRING) {
        g_string_append(out, json_node_get_string(result));
    } else if (result) {
        g_autofree char *text = json_to_string(result, TRUE);

        g_string_append_printf(out, "%s\n", text);
    }
}

void hmp_run_line(const char *line, GString *out)
{
    g_autoptr(JsonObject) args = json_object_new();
    g_autoptr(GError) err = NULL;
    Search s = { .line = line };

    line = skip_blanks(line);
    if (!*line) {
        return;
    }
    command_foreach(try_command, &s);
    if (!s.found) {
        if (!strncmp(line, "info", 4) && !*skip_blanks(line + 4)) {
            print_help("info", out);
        } else {
            g_string_append_printf(out, "unknown command: '%s'\n", line);
        }
        return;
    }
    if (!strcmp(s.found->hmp, "help")) {
        print_help(s.rest, out);
        return;
    }
    if (parse_args(s.found, s.rest, args, &err) && command_check(s.found, args, &err)) {
        JsonNode *result = s.found->run(s.found, args, &err);

        if (!err) {
            print_result(s.found, result, out);
        }
        if (result) {
            json_node_unref(result);
        }
    }
    if (err) {
        g_string_append_printf(out, "Error: %s\n", err->message);
    }
}

/* ---- completion
 * --------------------------------------------------------------------------------------------- */

typedef struct Completion {
    const char *line;
    GPtrArray *ends;
} Completion;

static void complete_one(const Command *c, void *opaque)
{
    Completion *k = opaque;
    size_t len = strlen(k->line);

    if (c->hmp && !strncmp(c->hmp, k->line, len)) {
        const char *end = c->hmp + len;
        g_autofree char *word = g_strndup(end, strcspn(end, " "));

        for (guint i = 0; i < k->ends->len; i++) {
            if (!strcmp(k->ends->pdata[i], word)) {
                return;
            }
        }
        g_ptr_array_add(k->ends, g_steal_pointer(&word));
    }
}

GPtrArray *hmp_complete(const char *line)
{
    Completion k = { line, g_ptr_array_new_with_free_func(g_free) };

    command_foreach(complete_one, &k);
    return k.ends;
}

/* ---- the line editor
 * ------------------------------------------------------------------------------------------ Enough
 * of ECMA-48 for arrows, home, end and delete. The line is drawn anew after each change.
 */

static void redraw(Monitor *m)
{
    g_autofree char *text = g_strdup_printf("\r%s%s\x1b[K", prompt, m->line->str);

    monitor_print(m, text);
    if (m->cursor < m->line->len) {
        g_autofree char *back = g_strdup_printf("\x1b[%zuD", m->line->len - m->cursor);
        monitor_print(m, back);
    }
}

static void set_line(Monitor *m, const char *text)
{
    g_string_assign(m->line, text);
    m->cursor = m->line->len;
    redraw(m);
}

static void show_history(Monitor *m, int step)
{
    if ((step < 0 && m->history_at == 0) || (step > 0 && m->history_at == m->history->len)) {
        return;
    }
    m->history_at = (guint)((int)m->history_at + step);
    set_line(m, m->history_at == m->history->len ? "" : m->history->pdata[m->history_at]);
}

static void remember(Monitor *m)
{
    guint n = m->history->len;

    if (m->line->len && (!n || strcmp(m->history->pdata[n - 1], m->line->str))) {
        if (n == MAX_HISTORY) {
            g_ptr_array_remove_index(m->history, 0);
        }
        g_ptr_array_add(m->history, g_strdup(m->line->str));
    }
    m->history_at = m->history->len;
}

/* Text for a terminal: lines end in CR LF. */
static void print_lines(Monitor *m, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", 0);
    g_autofree char *joined = g_strjoinv("\r\n", lines);

    monitor_print(m, joined);
}

static void enter(Monitor *m)
{
    g_autofree char *out = NULL, *line = g_strdup(m->line->str);

    monitor_print(m, "\r\n");
    remember(m);
    g_string_truncate(m->line, 0);
    m->cursor = 0;
    out = monitor_run_line(line);
    print_lines(m, out);
    monitor_print(m, prompt);
}

static void complete(Monitor *m)
{
    GPtrArray *ends = hmp_complete(m->line->str);

    if (m->cursor == m->line->len && ends->len == 1) {
        g_string_append(m->line, ends->pdata[0]);
        g_string_append_c(m->line, ' ');
        m->cursor = m->line->len;
        redraw(m);
    } else if (m->cursor == m->line->len && ends->len > 1) {
        monitor_print(m, "\r\n");
        for (guint i = 0; i < ends->len; i++) {
            const char *word = strrchr(m->line->str, ' ');
            g_autofree char *one =
                g_strdup_printf("%s%s\r\n", word ? word + 1 : m->line->str, (char *)ends->pdata[i]);
            monitor_print(m, one);
        }
        redraw(m);
    }
    g_ptr_array_free(ends, TRUE);
}

static void erase(Monitor *m, size_t from, size_t len)
{
    g_string_erase(m->line, (gssize)from, (gssize)len);
    m->cursor = from;
    redraw(m);
}

static void move(Monitor *m, size_t to)
{
    m->cursor = MIN(to, m->line->len);
    redraw(m);
}

static void on_escape_end(Monitor *m, char c)
{
    switch (c == '~' ? m->escape_arg : c) {
    case 'A':
        show_history(m, -1);
        break;
    case 'B':
        show_history(m, 1);
        break;
    case 'C':
        move(m, m->cursor + 1);
        break;
    case 'D':
        move(m, m->cursor - (m->cursor > 0));
        break;
    case 'H':
    case '1':
        move(m, 0);
        break;
    case 'F':
    case '4':
        move(m, m->line->len);
        break;
    case '3':
        if (m->cursor < m->line->len) {
            erase(m, m->cursor, 1);
        }
        break;
    }
}

/* True: c is part of an escape sequence. */
static bool in_escape(Monitor *m, char c)
{
    enum { NONE, ESC, CSI };

    if (m->escape == NONE) {
        m->escape = c == 0x1b ? ESC : NONE;
        m->escape_arg = 0;
        return m->escape != NONE;
    }
    if (m->escape == ESC) {
        m->escape = c == '[' || c == 'O' ? CSI : NONE;
        return true;
    }
    if (g_ascii_isdigit(c) || c == ';') {
        m->escape_arg = c;
        return true;
    }
    m->escape = NONE;
    on_escape_end(m, c);
    return true;
}

static void key(Monitor *m, char c)
{
    switch (c) {
    case '\r':
    case '\n':
        enter(m);
        break;
    case '\t':
        complete(m);
        break;
    case 1: /* ^A */
        move(m, 0);
        break;
    case 5: /* ^E */
        move(m, m->line->len);
        break;
    case 21: /* ^U */
        erase(m, 0, m->cursor);
        break;
    case 11: /* ^K */
        erase(m, m->cursor, m->line->len - m->cursor);
        break;
    case 8:
    case 127:
        if (m->cursor) {
            erase(m, m->cursor - 1, 1);
        }
        break;
    default:
        if ((unsigned char)c >= ' ' && m->line->len < MAX_LINE) {
            g_string_insert_c(m->line, (gssize)m->cursor++, c);
            redraw(m);
        }
    }
}

void hmp_greet(Monitor *m)
{
    g_string_truncate(m->line, 0);
    m->cursor = 0;
    m->escape = 0;
    print_lines(m, "Latimer " LATIMER_VERSION " monitor - type 'help' for more information\n");
    monitor_print(m, prompt);
}

void hmp_input(Monitor *m, const uint8_t *buf, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (buf[i] == '\n' && i && buf[i - 1] == '\r') {
            continue;
        }
        if (!in_escape(m, (char)buf[i])) {
            key(m, (char)buf[i]);
        }
    }
}
