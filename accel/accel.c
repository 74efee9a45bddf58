/* SPDX-License-Identifier: MIT */
/* The table of accelerators and the choice among them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "accel/qtest.h"

extern const AccelOps tcg_accel;

/* KVM runs guests of the host's own kind only, and this build has none such. */
static bool kvm_available(const TargetOps *target, GError **err)
{
    struct utsname host;

    g_set_error(err, g_quark_from_static_string("accel"), 0,
                "KVM cannot be had: %s guests do not run on this host's CPU (%s)", target->name,
                uname(&host) ? "unknown" : host.machine);
    return false;
}

static const AccelOps kvm_accel = {
    .name = "kvm",
    .desc = "the host's own CPU, for guests of its kind: for none in this build",
    .available = kvm_available,
};

const AccelOps *const accels[] = { &tcg_accel, &qtest_accel, &kvm_accel, NULL };

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

void accel_list_help(FILE *f)
{
    for (const AccelOps *const *a = accels; *a; a++) {
        fprintf(f, "%-8s %s\n", (*a)->name, (*a)->desc);
    }
}

/* The accelerator of this name if it can be had, else why not is added to `why`. */
static const AccelOps *available(const char *name, const TargetOps *target, GString *why)
{
    const AccelOps *a = find(name);
    g_autoptr(GError) err = NULL;

    if (a && a->available(target, &err)) {
        return a;
    }
    g_string_append_printf(why, "%s%s: %s", why->len ? "; " : "", name,
                           a ? err->message : "there is no such accelerator");
    return NULL;
}

bool accel_configure(const char *const *requests, const TargetOps *target, const char *guest,
                     GError **err)
{
    static const char *const none[] = { "tcg", NULL };
    g_autoptr(GString) why = g_string_new("");

    for (const char *const *r = requests && *requests ? requests : none; *r; r++) {
        /* the names before the first comma; the options behind it are those of each */
        size_t len = strcspn(*r, ",");
        g_autofree char *list = g_strndup(*r, len);
        g_auto(GStrv) names = g_strsplit(list, ":", -1);

        for (char **n = names; *n; n++) {
            const AccelOps *a = available(*n, target, why);
            if (a) {
                if (why->len) {
                    fprintf(stderr, "latimer: %s; taking %s\n", why->str, *n);
                }
                chosen = a;
                return a->init(target, guest, (*r)[len] ? *r + len + 1 : "", err);
            }
        }
    }
    g_set_error(err, g_quark_from_static_string("accel"), 0, "%s", why->str);
    return false;
}
