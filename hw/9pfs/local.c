/* SPDX-License-Identifier: MIT */
/*
 * An exported folder. Each operation opens the folder that its file is in, name by name without
 * following links, and then works on the last name relative to it. What has no "at" call goes by
 * /proc/self/fd.
 *
 * mapped-xattr keeps owner, mode and device number in the attributes user.virtfs.*; what the guest
 * takes for links and devices are plain files then.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "hw/9pfs/local.h"

#define MAPPED_PREFIX "user.virtfs."
#define NO_ID         UINT32_MAX
enum { PROC_PATH = 40 + 256 + 1 };

static int result(int ret)
{
    return ret < 0 ? -errno : ret;
}

static bool mapped(const LocalFS *fs)
{
    return fs->security == FS_MAPPED_XATTR;
}

int local_init(LocalFS *fs, const FsDev *dev)
{
    struct stat st;
    *fs = (LocalFS){ .security = dev->security, .readonly = dev->readonly };
    fs->root = open(dev->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fs->root < 0 || fstat(fs->root, &st)) {
        return -errno;
    }
    fs->dev = st.st_dev;
    return 0;
}

void local_cleanup(LocalFS *fs)
{
    close(fs->root);
}

/* ---- finding ----------------------------------------------------------------------------- */

/* A file as its folder's descriptor and its name there. */
typedef struct Place {
    int dir; /* or -errno */
    char name[256];
} Place;

static Place place_of(LocalFS *fs, const char *path)
{
    Place p = { .dir = dup(fs->root) };
    if (!*path) {
        strcpy(p.name, ".");
        return p;
    }
    for (;;) {
        size_t len = strcspn(path, "/");
        if (p.dir < 0 || len >= sizeof(p.name)) {
            int e = p.dir < 0 ? errno : ENAMETOOLONG;
            if (p.dir >= 0) {
                close(p.dir);
            }
            p.dir = -e;
            return p;
        }
        memcpy(p.name, path, len);
        p.name[len] = 0;
        if (!path[len]) {
            return p;
        }
        int next = openat(p.dir, p.name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int e = errno;
        close(p.dir);
        errno = e;
        p.dir = next;
        path += len + 1;
    }
}

/* Its path for calls that do not follow the last name; keeps errno's result of fn. */
static void proc_path(const Place *p, char out[PROC_PATH])
{
    snprintf(out, PROC_PATH, "/proc/self/fd/%d/%s", p->dir, p->name);
}

static int done(const Place *p, int ret)
{
    int e = errno;
    close(p->dir);
    return ret < 0 ? -e : ret;
}

#define WRITABLE(fs)          \
    do {                      \
        if ((fs)->readonly) { \
            return -EROFS;    \
        }                     \
    } while (0)

/* ---- mapped attributes -------------------------------------------------------------------- */

/* Of an open file, or (fd < 0) of a path whose last name is not followed. */
static ssize_t get_attribute(int fd, const char *file, const char *name, void *buf, size_t size)
{
    return fd >= 0 ? fgetxattr(fd, name, buf, size) : lgetxattr(file, name, buf, size);
}

static void read_mapped(int fd, const char *file, const char *name, uint32_t *out)
{
    uint32_t val;
    if (get_attribute(fd, file, name, &val, sizeof(val)) == sizeof(val)) {
        *out = le32toh(val);
    }
}

static void apply_mapped(int fd, const char *file, struct stat *st)
{
    uint32_t mode = st->st_mode;
    uint64_t rdev;
    if (S_ISLNK(st->st_mode)) { /* the host's own, which has no such attributes */
        return;
    }
    read_mapped(fd, file, MAPPED_PREFIX "uid", &st->st_uid);
    read_mapped(fd, file, MAPPED_PREFIX "gid", &st->st_gid);
    read_mapped(fd, file, MAPPED_PREFIX "mode", &mode);
    st->st_mode = mode;
    if (get_attribute(fd, file, MAPPED_PREFIX "rdev", &rdev, sizeof(rdev)) == sizeof(rdev)) {
        st->st_rdev = le64toh(rdev);
    }
}

static int write_mapped(const Place *p, const char *name, uint32_t val)
{
    char file[PROC_PATH];
    val = htole32(val);
    proc_path(p, file);
    return lsetxattr(file, name, &val, sizeof(val), 0);
}

/* ---- looking ----------------------------------------------------------------------------- */

int local_stat(LocalFS *fs, const char *path, struct stat *st)
{
    Place p = place_of(fs, path);
    char file[PROC_PATH];
    if (p.dir < 0) {
        return p.dir;
    }
    int ret = fstatat(p.dir, p.name, st, AT_SYMLINK_NOFOLLOW);
    if (!ret && mapped(fs)) {
        proc_path(&p, file);
        apply_mapped(-1, file, st);
    }
    return done(&p, ret);
}

int local_fstat(LocalFS *fs, int fd, struct stat *st)
{
    if (fstat(fd, st)) {
        return -errno;
    }
    if (mapped(fs)) {
        apply_mapped(fd, NULL, st);
    }
    return 0;
}

int local_statfs(LocalFS *fs, const char *path, struct statfs *st)
{
    Place p = place_of(fs, path);
    return p.dir < 0 ? p.dir : done(&p, fstatfs(p.dir, st));
}

ssize_t local_readlink(LocalFS *fs, const char *path, char *buf, size_t size)
{
    Place p = place_of(fs, path);
    if (p.dir < 0) {
        return p.dir;
    }
    if (!mapped(fs)) {
        return done(&p, (int)readlinkat(p.dir, p.name, buf, size));
    }
    int fd = openat(p.dir, p.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int n = done(&p, fd);
    if (fd >= 0) {
        n = result((int)read(fd, buf, size));
        close(fd);
    }
    return n;
}

/* ---- opening and making -------------------------------------------------------------------- */

static bool writes(int flags)
{
    return (flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC;
}

/* Pipes and devices would block, or do something. */
static int plain_only(int fd)
{
    struct stat st;
    if (fd >= 0 && (fstat(fd, &st) || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))) {
        close(fd);
        return -EINVAL;
    }
    return fd;
}

int local_open(LocalFS *fs, const char *path, int flags)
{
    struct stat st;
    if (writes(flags)) {
        WRITABLE(fs);
    }
    Place p = place_of(fs, path);
    if (p.dir < 0) {
        return p.dir;
    }
    /* A look first: to open a device can be enough. */
    int ret = fstatat(p.dir, p.name, &st, AT_SYMLINK_NOFOLLOW);
    if (!ret && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
        close(p.dir);
        return S_ISLNK(st.st_mode) ? -ELOOP : -EINVAL;
    }
    if (!ret) {
        ret = openat(p.dir, p.name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    }
    return plain_only(done(&p, ret));
}

/* A new file has its owner and mode. */
static int adopt(LocalFS *fs, const Place *p, uint32_t type, const LocalOwner *o)
{
    char file[PROC_PATH];
    if (mapped(fs)) {
        return write_mapped(p, MAPPED_PREFIX "uid", o->uid) ||
                       write_mapped(p, MAPPED_PREFIX "gid", o->gid) ||
                       write_mapped(p, MAPPED_PREFIX "mode", (o->mode & 07777) | type)
                   ? -1
                   : 0;
    }
    if (fchownat(p->dir, p->name, o->uid, o->gid, AT_SYMLINK_NOFOLLOW) && fs->security != FS_NONE) {
        return -1;
    }
    if (type == S_IFLNK) {
        return 0;
    }
    /* It is new, and no link: whoever replaces it by one meanwhile gains nothing by this. */
    int fd = openat(p->dir, p->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    int ret = fd < 0 || fstat(fd, &st) || S_ISLNK(st.st_mode) ? -1 : 0;
    if (!ret) {
        snprintf(file, sizeof(file), "/proc/self/fd/%d", fd);
        ret = chmod(file, o->mode & 07777);
    }
    int e = errno;
    if (fd >= 0) {
        close(fd);
    }
    errno = e;
    return ret;
}

/* What adopt could not finish is not left behind. */
static int made(LocalFS *fs, const Place *p, uint32_t type, const LocalOwner *o)
{
    if (!adopt(fs, p, type, o)) {
        return 0;
    }
    int e = errno;
    unlinkat(p->dir, p->name, type == S_IFDIR ? AT_REMOVEDIR : 0);
    errno = e;
    return -1;
}

int local_create(LocalFS *fs, const char *path, int flags, const LocalOwner *o)
{
    WRITABLE(fs);
    Place p = place_of(fs, path);
    if (p.dir < 0) {
        return p.dir;
    }
    flags |= O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    int fd = openat(p.dir, p.name, flags | O_EXCL, 0600);
    if (fd >= 0 && made(fs, &p, S_IFREG, o)) {
        int e = errno;
        close(fd);
        errno = e;
        fd = -1;
    } else if (fd < 0 && errno == EEXIST && !(flags & O_EXCL)) {
        close(p.dir);
        return local_open(fs, path, flags & ~O_CREAT);
    }
    return done(&p, fd);
}

int local_mkdir(LocalFS *fs, const char *path, const LocalOwner *o)
{
    WRITABLE(fs);
    Place p = place_of(fs, path);
    if (p.dir < 0) {
        return p.dir;
    }
    int ret = mkdirat(p.dir, p.name, 0700);
    return done(&p, ret ? ret : made(fs, &p, S_IFDIR, o));
}

/* A plain file with some content. */
static int make_file(const Place *p, const char *content)
{
    int fd = openat(p->dir, p->name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
    ssize_t len = (ssize_t)strlen(content);
    if (fd < 0) {
        return -1;
    }
    bool ok = write(fd, content, (size_t)len) == len;
    close(fd);
    return ok ? 0 : -1;
}

int local_mknod(LocalFS *fs, const char *path, const LocalOwner *o, dev_t dev)
{
    char file[PROC_PATH];
    uint64_t rdev = htole64(dev);
    WRITABLE(fs);
    Place p = place_of(fs, path);
    if (p.dir < 0) {
        return p.dir;
    }
    uint32_t type = o->mode & S_IFMT ? o->mode & S_IFMT : S_IFREG;
    int ret =
        mapped(fs) ? make_file(&p, "") : mknodat(p.dir, p.name, (o->mode & S_IFMT) | 0600, dev);
    ret = ret ? ret : made(fs, &p, type, o);
    if (!ret && mapped(fs)) {
        proc_path(&p, file);
        ret = lsetxattr(file, MAPPED_PREFIX "rdev", &rdev, sizeof(rdev), 0);
    }
    return done(&p, ret);
}

int local_symlink(LocalFS *fs, const char *path, const char *target, const LocalOwner *o)
{
    WRITABLE(fs);
    Place p = place_of(fs, path);
    if (p.dir < 0) {
        return p.dir;
    }
    int ret = mapped(fs) ? make_file(&p, target) : symlinkat(target, p.dir, p.name);
    return done(&p, ret ? ret : made(fs, &p, S_IFLNK, o));
}

/* ---- names ------------------------------------------------------------------------------- */

static int two_places(LocalFS *fs, const char *from, const char *to,
                      int (*fn)(int from_dir, const char *from, int to_dir, const char *to))
{
    WRITABLE(fs);
    Place a = place_of(fs, from), b = place_of(fs, to);
    int ret = a.dir < 0 ? a.dir : b.dir < 0 ? b.dir : result(fn(a.dir, a.name, b.dir, b.name));
    if (a.dir >= 0) {
        close(a.dir);
    }
    if (b.dir >= 0) {
        close(b.dir);
    }
    return ret;
}

static int link_at(int from_dir, const char *from, int to_dir, const char *to)
{
    return linkat(from_dir, from, to_dir, to, 0);
}

int local_link(LocalFS *fs, const char *from, const char *to)
{
    return two_places(fs, from, to, link_at);
}

int local_rename(LocalFS *fs, const char *from, const char *to)
{
    return two_places(fs, from, to, renameat);
}

int local_remove(LocalFS *fs, const char *path, bool folder)
{
    WRITABLE(fs);
    Place p = place_of(fs, path);
    return p.dir < 0 ? p.dir : done(&p, unlinkat(p.dir, p.name, folder ? AT_REMOVEDIR : 0));
}

/* ---- attributes -------------------------------------------------------------------------- */

int local_chmod(LocalFS *fs, const char *path, uint32_t mode)
{
    struct stat st;
    char file[PROC_PATH];
    WRITABLE(fs);
    int ret = local_stat(fs, path, &st);
    if (ret) {
        return ret;
    }
    Place p = place_of(fs, path);
    if (p.dir < 0) {
        return p.dir;
    }
    if (mapped(fs)) {
        return done(&p,
                    write_mapped(&p, MAPPED_PREFIX "mode", (st.st_mode & S_IFMT) | (mode & 07777)));
    }
    int fd = done(&p, openat(p.dir, p.name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (fd < 0) {
        return fd;
    }
    snprintf(file, sizeof(file), "/proc/self/fd/%d", fd);
    ret = fstat(fd, &st) || S_ISLNK(st.st_mode) ? -EOPNOTSUPP : result(chmod(file, mode & 07777));
    close(fd);
    return ret;
}

int local_chown(LocalFS *fs, const char *path, uint32_t uid, uint32_t gid)
{
    WRITABLE(fs);
    Place p = place_of(fs, path);
    if (p.dir < 0) {
        return p.dir;
    }
    if (mapped(fs)) {
        return done(&p, (uid != NO_ID && write_mapped(&p, MAPPED_PREFIX "uid", uid)) ||
                                (gid != NO_ID && write_mapped(&p, MAPPED_PREFIX "gid", gid))
                            ? -1
                            : 0);
    }
    int ret = fchownat(p.dir, p.name, uid, gid, AT_SYMLINK_NOFOLLOW);
    return done(&p, fs->security == FS_NONE ? 0 : ret);
}

int local_truncate(LocalFS *fs, const char *path, uint64_t size)
{
    int fd = local_open(fs, path, O_WRONLY);
    if (fd < 0) {
        return fd;
    }
    int ret = result(ftruncate(fd, (off_t)size));
    close(fd);
    return ret;
}

int local_utimens(LocalFS *fs, const char *path, const struct timespec times[2])
{
    WRITABLE(fs);
    Place p = place_of(fs, path);
    return p.dir < 0 ? p.dir : done(&p, utimensat(p.dir, p.name, times, AT_SYMLINK_NOFOLLOW));
}

static bool hidden(const LocalFS *fs, const char *name)
{
    return mapped(fs) && g_str_has_prefix(name, MAPPED_PREFIX);
}

/* The mapping's own are not the guest's. */
static ssize_t visible_names(const LocalFS *fs, char *list, ssize_t len)
{
    ssize_t out = 0;
    for (ssize_t at = 0; at < len;) {
        ssize_t n = (ssize_t)strnlen(list + at, (size_t)(len - at)) + 1;
        if (!hidden(fs, list + at)) {
            memmove(list + out, list + at, (size_t)n);
            out += n;
        }
        at += n;
    }
    return out;
}

ssize_t local_getxattr(LocalFS *fs, const char *path, const char *name, void *buf, size_t size)
{
    char file[PROC_PATH];
    Place p = place_of(fs, path);
    if (p.dir < 0) {
        return p.dir;
    }
    proc_path(&p, file);
    if (name) {
        int n = (int)lgetxattr(file, name, buf, size);
        if (hidden(fs, name)) {
            errno = ENODATA;
            n = -1;
        }
        return done(&p, n);
    }
    ssize_t n = done(&p, (int)llistxattr(file, buf, size));
    return n > 0 ? visible_names(fs, buf, n) : n;
}

int local_setxattr(LocalFS *fs, const char *path, const char *name, const void *buf, size_t size,
                   int flags)
{
    char file[PROC_PATH];
    WRITABLE(fs);
    if (hidden(fs, name)) {
        return -EACCES;
    }
    Place p = place_of(fs, path);
    if (p.dir < 0) {
        return p.dir;
    }
    proc_path(&p, file);
    return done(&p, size ? lsetxattr(file, name, buf, size, flags) : lremovexattr(file, name));
}
