/* SPDX-License-Identifier: MIT */
/* One parser for all subcommands, by their tables. */
#include "tools/img/img.h"

enum { MAX_OPTIONS = 40, FIRST_LONG = 256 };

static bool takes_argument(const ImgOption *o)
{
    return o->kind >= IMG_STR;
}

static bool apply(const ImgOption *o, const char *arg)
{
    switch (o->kind) {
    case IMG_ON:
    case IMG_OFF:
        *(bool *)o->out = o->kind == IMG_ON;
        return true;
    case IMG_BITS:
        *(unsigned *)o->out |= o->bits;
        return true;
    case IMG_NOTHING:
        return true;
    case IMG_CALL:
    case IMG_CALL_ARG:
        return o->call(o, arg);
    case IMG_STR:
        *(const char **)o->out = arg;
        return true;
    case IMG_SIZE:
        return img_parse_size(o->what, arg, o->out);
    case IMG_OPTIONS:
        img_add_options(o->out, arg);
        return true;
    case IMG_OUTPUT:
        return img_parse_output(arg, o->out);
    case IMG_OBJECT:
        return img_add_object(arg);
    }
    g_assert_not_reached();
}

bool img_parse(const char *command, const ImgOption *table, int argc, char **argv)
{
    struct option longs[MAX_OPTIONS + 1] = { 0 };
    char shorts[2 * MAX_OPTIONS + 2] = ":", *s = shorts + 1;
    unsigned n = 0;
    for (const ImgOption *o = table; o->letter || o->name; o++) {
        g_assert(o - table < MAX_OPTIONS);
        if (o->letter) {
            *s++ = o->letter;
            if (takes_argument(o)) {
                *s++ = ':';
            }
        }
        if (o->name) {
            longs[n++] =
                (struct option){ o->name, takes_argument(o), NULL, FIRST_LONG + (o - table) };
        }
    }
    for (int c; (c = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
        const ImgOption *o = table;
        if (c == '?' || c == ':') {
            img_usage(command, "unknown option, or one without its argument: '%s'",
                      argv[optind - 1]);
            return false;
        }
        if (c >= FIRST_LONG) {
            o += c - FIRST_LONG;
        } else {
            while (o->letter != c) {
                o++;
            }
        }
        if (!apply(o, optarg)) {
            return false;
        }
    }
    return true;
}
