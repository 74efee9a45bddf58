/* SPDX-License-Identifier: MIT */
/* -fsdev and -virtfs: folders of the host for 9p devices. */
#ifndef HW_9PFS_FSDEV_H
#define HW_9PFS_FSDEV_H

#include <glib.h>
#include <stdbool.h>

/* Who owns files, and what may they be: as the host has it (chown failures are errors, or not), or
 * kept in extended attributes of plain files. */
typedef enum FsSecurity { FS_PASSTHROUGH, FS_NONE, FS_MAPPED_XATTR } FsSecurity;

typedef struct FsDev {
    char *id;
    char *path;
    FsSecurity security;
    bool readonly;
} FsDev;

/* "local,id=F,path=DIR,security_model=none[,readonly=on]". False: *err. */
bool fsdev_add(const char *text, GError **err);
/* "local,path=DIR,mount_tag=TAG,security_model=…[,id=F]": the -device to add (g_free), or NULL and
 * *err. */
char *fsdev_add_virtfs(const char *text, GError **err);
/* NULL: there is none of that name. */
const FsDev *fsdev_find(const char *id);

#endif
