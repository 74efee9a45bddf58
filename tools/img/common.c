/* SPDX-License-Identifier: MIT */
/* Messages, opening, progress: what the subcommands of latimer-img share. */
#include "tools/img/img.h"
#include "block/bytes.h"
#include "block/secret.h"

void img_error(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("latimer-img: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
}

int img_fail(GError *err)
{
    img_error("%s", err->message);
    g_error_free(err);
    return 1;
}

int img_usage(const char *command, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "latimer-img: %s: ", command);
    vfprintf(stderr, fmt, ap);
    fputs("\nTry 'latimer-img --help' for more information\n", stderr);
    va_end(ap);
    return 1;
}

bool img_parse_cache(const char *mode, unsigned *flags)
{
    if (!block_parse_cache(mode, flags)) {
        img_error("Invalid cache option: %s", mode);
        return false;
    }
    return true;
}

/* An image that was just created is opened with the secret that it was created with. */
static bool take_secrets(Opts *opts, const char *create_opts, GError **err)
{
    g_autoptr(Opts) all = opts_new();
    if (create_opts && !opts_parse(all, create_opts, NULL, err)) {
        return false;
    }
    for (unsigned i = 0; i < opts_count(all); i++) {
        const char *key = opts_key(all, i);
        if (g_str_has_suffix(key, "key-secret")) {
            opts_set(opts, key, opts_get(all, key));
        }
    }
    return true;
}

BlockNode *img_open(const ImgOpen *how, const char *name)
{
    GError *err = NULL;
    g_autoptr(Opts) opts = opts_new();
    unsigned flags = how->flags;
    BlockNode *node = NULL;
    if (how->cache && !img_parse_cache(how->cache, &flags)) {
        return NULL;
    }
    if (how->image_opts) {
        if (how->fmt) {
            img_error("--image-opts and --format are mutually exclusive");
            return NULL;
        }
        if (opts_parse(opts, name, NULL, &err)) {
            node = block_open(NULL, NULL, opts, flags, &err);
            if (err) {
                g_prefix_error(&err, "Could not open '%s': ", name);
            }
        }
    } else if (take_secrets(opts, how->create_opts, &err)) {
        node = block_open(name, how->fmt, opts, flags, &err);
    }
    if (!node) {
        img_fail(err);
    }
    return node;
}

bool img_parse_output(const char *value, bool *json)
{
    *json = !strcmp(value, "json");
    if (!*json && strcmp(value, "human")) {
        img_error("--output must be used with human or json as argument.");
        return false;
    }
    return true;
}

bool img_parse_size(const char *what, const char *text, uint64_t *out)
{
    GError *err = NULL;
    if (!parse_size(text, out, &err)) {
        img_error("Invalid %s specified: %s", what, err->message);
        g_error_free(err);
        return false;
    }
    return true;
}

void img_add_options(char **options, const char *more)
{
    char *all = *options ? g_strconcat(*options, ",", more, NULL) : g_strdup(more);
    g_free(*options);
    *options = all;
}

/* Those that are not there yet. */
static void add_options(GArray *table, const OptDef *more)
{
    for (; more && more->name; more++) {
        unsigned i = 0;
        while (i < table->len && strcmp(g_array_index(table, OptDef, i).name, more->name)) {
            i++;
        }
        if (i == table->len) {
            g_array_append_vals(table, more, 1);
        }
    }
}

bool img_options_help(const char *options, const char *fmt, const char *filename, bool amend)
{
    g_auto(GStrv) words = options ? g_strsplit(options, ",", -1) : NULL;
    const BlockDriver *drv = block_driver_find(fmt ? fmt : "raw");
    if (!words || (!g_strv_contains((const char *const *)words, "help") &&
                   !g_strv_contains((const char *const *)words, "?"))) {
        return false;
    }
    if (!drv) {
        img_error("Unknown file format '%s'", fmt);
        return true;
    }
    const BlockDriver *proto = filename && !amend ? block_protocol_of(filename, NULL) : NULL;
    g_autoptr(GArray) table = g_array_new(true, false, sizeof(OptDef));
    add_options(table, amend ? drv->amend_opts : drv->create_opts);
    add_options(table, proto ? proto->create_opts : NULL);
    g_autofree char *text = opt_table_help((const OptDef *)table->data);
    if (amend) {
        printf("Amend options for '%s':\n%s", drv->name, text);
    } else if (proto) {
        printf("Supported options:\n%s", text);
    } else {
        printf("Supported %s options:\n%s\nThe protocol level may support further options.\n"
               "Specify the target filename to include those options.\n",
               drv->name, text);
    }
    return true;
}

bool img_add_object(const char *text)
{
    GError *err = NULL;
    return block_object_add(text, &err) || !img_fail(err);
}

void img_merge_bitmap(BlockBitmap *dst, const BlockBitmap *src, int64_t size)
{
    for (uint64_t i = 0; i < src->nbits; i++) {
        if (!bit_test(src->bits, i)) {
            continue;
        }
        uint64_t from = i << src->granularity_bits;
        uint64_t to = MIN((i + 1) << src->granularity_bits, (uint64_t)size);
        for (uint64_t j = from >> dst->granularity_bits;
             j < dst->nbits && j << dst->granularity_bits < to; j++) {
            bit_set(dst->bits, j);
        }
    }
}

void img_progress(ImgProgress *p, double fraction)
{
    if (p->on && (fraction - p->shown >= 0.01 || fraction == 0)) {
        printf("    (%3.2f/100%%)\r", fraction * 100);
        fflush(stdout);
        p->shown = fraction;
    }
}

void img_progress_end(ImgProgress *p)
{
    if (p->on) {
        printf("    (100.00/100%%)\n");
    }
}
