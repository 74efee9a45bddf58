/* SPDX-License-Identifier: MIT */
/*
 * An exported folder. Files are named by paths below it: "" is the folder, else names with a '/'
 * between, none of them "." or "..". Symbolic links are never followed, so that nothing outside can
 * be reached, whatever guest and host put there meanwhile. Results: 0, a number or descriptor, or
 * -errno.
 */
#ifndef HW_9PFS_LOCAL_H
#define HW_9PFS_LOCAL_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include "hw/9pfs/fsdev.h"

typedef struct LocalFS {
    int root; /* descriptor of the folder */
    dev_t dev;
    FsSecurity security;
    bool readonly;
} LocalFS;

/* Who makes a file, and with which permissions. */
typedef struct LocalOwner {
    uint32_t mode, uid, gid;
} LocalOwner;

int local_init(LocalFS *fs, const FsDev *dev);
void local_cleanup(LocalFS *fs);

int local_stat(LocalFS *fs, const char *path, struct stat *st);
/* The same of an open file. */
int local_fstat(LocalFS *fs, int fd, struct stat *st);
/* Regular files and folders only. */
int local_open(LocalFS *fs, const char *path, int flags);
int local_create(LocalFS *fs, const char *path, int flags, const LocalOwner *owner);
int local_mkdir(LocalFS *fs, const char *path, const LocalOwner *owner);
int local_mknod(LocalFS *fs, const char *path, const LocalOwner *owner, dev_t dev);
int local_symlink(LocalFS *fs, const char *path, const char *target, const LocalOwner *owner);
/* The length; not ended by a zero. */
ssize_t local_readlink(LocalFS *fs, const char *path, char *buf, size_t size);
int local_link(LocalFS *fs, const char *from, const char *to);
int local_rename(LocalFS *fs, const char *from, const char *to);
int local_remove(LocalFS *fs, const char *path, bool folder);
int local_chmod(LocalFS *fs, const char *path, uint32_t mode);
int local_chown(LocalFS *fs, const char *path, uint32_t uid, uint32_t gid); /* -1: as it is */
int local_truncate(LocalFS *fs, const char *path, uint64_t size);
int local_utimens(LocalFS *fs, const char *path, const struct timespec times[2]);
int local_statfs(LocalFS *fs, const char *path, struct statfs *st);
/* name NULL: the list of names. */
ssize_t local_getxattr(LocalFS *fs, const char *path, const char *name, void *buf, size_t size);
/* size 0: removes it. */
int local_setxattr(LocalFS *fs, const char *path, const char *name, const void *buf, size_t size,
                   int flags);

#endif
