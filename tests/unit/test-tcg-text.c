/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/tcg/NAME.txt: op lists and what the passes make of them. A file is a series of
 *     == title
 *     op list
 *     -- optimize         (or: liveness, or: optimize liveness)
 *     the list that must come out
 * A line of a list is as tcg_dump_ops prints it; `#` at the start of a line is a comment. After
 * liveness the text shows what dies.
 */
#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "tcg-harness.h"
#include "tcg-parse.h"

static void parse(TCGParser *p, const char *where, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++) {
        const char *err = tcg_parse_line(p, *line);
        if (err) {
            g_error("%s: %s? in: %s", where, err, *line);
        }
    }
}

/* One line for each op, without the spaces around. */
static char *normal(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    GString *out = g_string_new(NULL);

    for (char **line = lines; *line; line++) {
        g_strstrip(*line);
        if (**line) {
            g_string_append_printf(out, "%s\n", *line);
        }
    }
    return g_string_free(out, FALSE);
}

static void one_case(const char *title, const char *input, const char *passes, const char *output)
{
    static TCGContext *s;
    bool liveness = strstr(passes, "liveness");
    TCGParser p;

    if (!s) {
        s = tcg_context_new(&test_target);
    }
    tcg_context_start(s, NULL);
    tcg_parser_init(&p, s);
    parse(&p, title, input);
    tcg_check(s, title);
    if (strstr(passes, "optimize")) {
        tcg_optimize(s);
        tcg_check(s, title);
    }
    if (liveness) {
        tcg_liveness(s);
        tcg_check(s, title);
    }
    g_autofree char *dump = tcg_parser_dump(&p, liveness);
    g_autofree char *got = normal(dump), *expected = normal(output);
    if (strcmp(got, expected)) {
        printf("# %s\n# expected:\n%s# got:\n%s", title, expected, got);
        fflush(stdout);
        g_test_fail();
    }
    tcg_parser_clear(&p);
}

static char *without_comments(const char *text)
{
    g_autoptr(GRegex) comment = g_regex_new("^#.*$", G_REGEX_MULTILINE, 0, NULL);

    return g_regex_replace_literal(comment, text, -1, 0, "", 0, NULL);
}

static void test_file(gconstpointer data)
{
    g_autofree char *raw = NULL;
    g_autoptr(GError) err = NULL;

    if (!g_file_get_contents(data, &raw, NULL, &err)) {
        g_error("%s", err->message);
    }
    g_autofree char *text = without_comments(raw);
    g_auto(GStrv) cases = g_strsplit(text, "\n== ", -1);
    for (char **c = cases + 1; *c; c++) {
        g_auto(GStrv) parts = g_strsplit(*c, "\n-- ", 2);
        char *list = strchr(parts[0], '\n'), *result = parts[1] ? strchr(parts[1], '\n') : NULL;
        if (!list || !result) {
            g_error("%s: a case needs a list, a line of passes and a result: %s",
                    (const char *)data, *c);
        }
        *list = *result = 0;
        one_case(parts[0], list + 1, parts[1], result + 1);
    }
    g_assert_nonnull(cases[1]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_autofree char *dir = g_test_build_filename(G_TEST_DIST, "tcg", NULL);
    g_autoptr(GError) err = NULL;
    GDir *d = g_dir_open(dir, 0, &err);
    const char *name;

    if (!d) {
        g_error("%s (set G_TEST_SRCDIR to tests/unit)", err->message);
    }
    while ((name = g_dir_read_name(d))) {
        if (g_str_has_suffix(name, ".txt")) {
            g_autofree char *path = g_strdup_printf("/tcg/text/%s", name);
            g_test_add_data_func_full(path, g_build_filename(dir, name, NULL), test_file, g_free);
        }
    }
    g_dir_close(d);
    return g_test_run();
}
