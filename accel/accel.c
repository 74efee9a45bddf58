/* SPDX-License-Identifier: MIT */
/* The table of accelerators and the choice among them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accel/qtest.h"

extern const AccelOps tcg_accel;

const AccelOps *const accels[] = { &tcg_accel, &qtest_accel, NULL };

static const AccelOps *chosen;

const AccelOps *accel_current(void)
{
    return chosen;
}

static const AccelOps *find(const char *name)
{
    for (const AccelOps *const *a = accels; *a; a++) {
        if (!strcmp((*a)->name, name)) {
            return *a;
        }
    }
    return NULL;
}

/* "NAME" or "NAME,options" */
static bool try_one(const char *request, const TargetOps *target, const char *guest, GError **err)
{
    const char *comma = strchr(request, ',');
    g_autofree char *name =
        comma ? g_strndup(request, (gsize)(comma - request)) : g_strdup(request);
    const AccelOps *a = find(name);

    if (!strcmp(request, "help")) {
        for (const AccelOps *const *each = accels; *each; each++) {
            printf("%-8s %s\n", (*each)->name, (*each)->desc);
        }
        exit(0);
    }
    if (!a) {
        g_set_error(err, g_quark_from_static_string("accel"), 0,
                    "-accel %s: there is no such accelerator", name);
        return false;
    }
    if (!a->available(target, err) || !a->init(target, guest, comma ? comma + 1 : "", err)) {
        return false;
    }
    chosen = a;
    return true;
}

bool accel_configure(const char *const *requests, const TargetOps *target, const char *guest,
                     GError **err)
{
    static const char *const none[] = { "tcg", NULL };

    for (const char *const *r = requests && *requests ? requests : none; *r; r++) {
        /* options come after the only name; with several names each is one */
        g_auto(GStrv) names = g_strsplit(*r, ":", -1);

        for (char **n = names; *n; n++) {
            g_clear_error(err);
            if (try_one(*n, target, guest, err)) {
                return true;
            }
        }
    }
    return false;
}
