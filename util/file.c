/* SPDX-License-Identifier: MIT */
/* Files that the user names to be written. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "util/file.h"

static bool fail(const char *path, GError **err)
{
    int code = errno;

    g_set_error(err, G_FILE_ERROR, g_file_error_from_errno(code), "cannot write '%s': %s", path,
                strerror(code));
    return false;
}

bool file_write(const char *path, const void *data, size_t len, GError **err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

    if (fd < 0) {
        return fail(path, err);
    }
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fd, (const char *)data + done, len - done);

        if (n >= 0) {
            done += (size_t)n;
        } else if (errno != EINTR) {
            int saved = errno;

            close(fd);
            errno = saved;
            return fail(path, err);
        }
    }
    return close(fd) == 0 || fail(path, err);
}
