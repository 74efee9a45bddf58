/* SPDX-License-Identifier: MIT */
/* Image locks: open-file-description locks (fcntl(2)) on single bytes, one for each permission
 * held and one for each that others must not hold. The bytes are where other programs that use
 * these images look for them. */
#include "block/filelock.h"
#include "block/block.h"
#include <errno.h>
#include <fcntl.h>

enum { PERM_BASE = 100, DENY_BASE = 200 };

static const struct {
    const char *name;
    bool writer_holds, reader_holds; /* what is used */
    bool writer_denies, reader_denies;
} perms[] = {
    { "consistent read", true, true, false, false },
    { "write", true, false, true, true },
    { "write unchanged", false, false, false, false },
    { "resize", true, false, true, true },
};

static bool lock_byte(int fd, int byte)
{
    struct flock fl = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
    return fcntl(fd, F_OFD_SETLK, &fl) == 0;
}

/* Does somebody else hold a lock on this byte? */
static bool taken(int fd, int byte)
{
    struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
    return fcntl(fd, F_OFD_GETLK, &fl) == 0 && fl.l_type != F_UNLCK;
}

bool file_lock(int fd, bool writer, const char *path, GError **err)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(perms); i++) {
        bool hold = writer ? perms[i].writer_holds : perms[i].reader_holds;
        bool deny = writer ? perms[i].writer_denies : perms[i].reader_denies;
        if ((hold && !lock_byte(fd, PERM_BASE + i)) || (deny && !lock_byte(fd, DENY_BASE + i))) {
            if (errno == EINVAL || errno == ENOLCK || errno == EOPNOTSUPP) {
                return true; /* a file system without locks */
            }
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(perms); i++) {
        bool hold = writer ? perms[i].writer_holds : perms[i].reader_holds;
        bool deny = writer ? perms[i].writer_denies : perms[i].reader_denies;
        if (hold && taken(fd, DENY_BASE + i)) {
            g_set_error(err, BLOCK_ERROR, EAGAIN,
                        "Failed to get \"%s\" lock\nIs another process using the image [%s]?",
                        perms[i].name, path);
            return false;
        }
        if (deny && taken(fd, PERM_BASE + i)) {
            g_set_error(err, BLOCK_ERROR, EAGAIN,
                        "Failed to get shared \"%s\" lock\nIs another process using the image "
                        "[%s]?",
                        perms[i].name, path);
            return false;
        }
    }
    return true;
}
