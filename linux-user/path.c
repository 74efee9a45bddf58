/* SPDX-License-Identifier: MIT */
/* -L PREFIX: absolute names that exist under the prefix are meant there. */
#include "linux-user/user.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *translate_path(const char *path, char *buf)
{
    if (!proc.prefix || path[0] != '/') {
        return path;
    }
    if (snprintf(buf, PATH_MAX, "%s%s", proc.prefix, path) >= PATH_MAX) {
        return path;
    }
    if (!path[1]) { /* the root itself: what is meant is the machine, not the libraries */
        return path;
    }
    /* The link itself counts: where it points to is another question. */
    return faccessat(AT_FDCWD, buf, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? buf : path;
}
