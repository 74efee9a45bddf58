/* SPDX-License-Identifier: MIT */
/* -fsdev and -virtfs. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include "hw/9pfs/fsdev.h"
#include "hw/device.h"
#include "util/opts.h"

static GHashTable *all; /* id -> FsDev * */

static const OptDef fsdev_opts[] = {
    { "driver", OPT_STR, NULL, "local" },
    { "id", OPT_STR, NULL, "name" },
    { "path", OPT_STR, NULL, "folder of the host" },
    { "mount_tag", OPT_STR, NULL, "-virtfs: the guest's name for it" },
    { "security_model", OPT_STR, NULL, "none, passthrough, mapped-xattr" },
    { "readonly", OPT_BOOL, "off", "nothing is changed" },
    { "multidevs", OPT_STR, "remap", "how inode numbers of several file systems are kept apart" },
    { "writeout", OPT_STR, NULL, "immediate: not implemented" },
    { NULL, 0, NULL, NULL }
};

static bool refuse(GError **err, const char *text)
{
    g_set_error_literal(err, HW_ERROR, 0, text);
    return false;
}

static bool add(const Opts *opts, const char *id, GError **err)
{
    static const char *const models[] = { "passthrough", "none", "mapped-xattr", NULL };
    const char *driver = opt_str(opts, fsdev_opts, "driver");
    const char *path = opt_str(opts, fsdev_opts, "path");
    int model;
    struct stat st;
    if (!driver || strcmp(driver, "local")) {
        return refuse(err, "not implemented: a driver but local");
    }
    if (!id || !path || !opts_has(opts, "security_model")) {
        return refuse(err, "it needs id=, path= and security_model=");
    }
    if (!strcmp(opt_str(opts, fsdev_opts, "security_model"), "mapped")) {
        model = FS_MAPPED_XATTR;
    } else if (!opt_enum(opts, fsdev_opts, "security_model", models, &model, err)) {
        return false;
    }
    if (opts_has(opts, "writeout")) {
        return refuse(err, "not implemented: writeout=");
    }
    if (fsdev_find(id)) {
        g_set_error(err, HW_ERROR, 0, "id '%s' is taken", id);
        return false;
    }
    if (stat(path, &st) || !S_ISDIR(st.st_mode)) {
        g_set_error(err, HW_ERROR, 0, "path=%s: %s", path,
                    g_strerror(errno && !S_ISDIR(st.st_mode) ? ENOTDIR : errno));
        return false;
    }
    FsDev *dev = g_new(FsDev, 1);
    *dev = (FsDev){ g_strdup(id), g_strdup(path), (FsSecurity)model,
                    opt_bool(opts, fsdev_opts, "readonly") };
    if (!all) {
        all = g_hash_table_new(g_str_hash, g_str_equal);
    }
    g_hash_table_insert(all, dev->id, dev);
    return true;
}

bool fsdev_add(const char *text, GError **err)
{
    g_autoptr(Opts) opts = opts_new();
    if (!opts_parse(opts, text, "driver", err) || !opts_check(opts, fsdev_opts, err)) {
        return false;
    }
    return add(opts, opt_str(opts, fsdev_opts, "id"), err);
}

char *fsdev_add_virtfs(const char *text, GError **err)
{
    g_autoptr(Opts) opts = opts_new();
    if (!opts_parse(opts, text, "driver", err) || !opts_check(opts, fsdev_opts, err)) {
        return NULL;
    }
    const char *tag = opt_str(opts, fsdev_opts, "mount_tag");
    const char *id = opts_has(opts, "id") ? opt_str(opts, fsdev_opts, "id") : tag;
    if (!tag) {
        refuse(err, "it needs mount_tag=");
        return NULL;
    }
    return add(opts, id, err) ? g_strdup_printf("virtio-9p-pci,fsdev=%s,mount_tag=%s", id, tag)
                              : NULL;
}

const FsDev *fsdev_find(const char *id)
{
    return all ? g_hash_table_lookup(all, id) : NULL;
}
