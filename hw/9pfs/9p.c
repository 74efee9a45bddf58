/* SPDX-License-Identifier: MIT */
/*
 * 9P2000.L: a function for each message, a table of them. A function reads its arguments, does its
 * work, writes the answer behind the header; a negative result becomes Rlerror.
 *
 * Locks always succeed: the guest's kernel has decided between its own processes, and the host's do
 * not see them. Requests are done in order, so that Tflush finds nothing to flush.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "hw/9pfs/9p.h"
#include "hw/9pfs/wire.h"
#include "hw/virtio/virtio.h"

enum {
    HEADER = 7, /* size[4] type[1] tag[2] */
    MIN_MSIZE = 4096,
    MAX_MSIZE = 1 << 20,
    MAX_FIDS = 1 << 18,
    MAX_WALK = 16,
    MAX_XATTR = 65536,
    RLERROR = 7,
    IO_HEADER = 24, /* more than Rread and Twrite need beside their data */
};

/* Tsetattr.valid */
enum {
    SET_MODE = 1,
    SET_UID = 2,
    SET_GID = 4,
    SET_SIZE = 8,
    SET_ATIME = 0x10,
    SET_MTIME = 0x20,
    SET_CTIME = 0x40,
    SET_ATIME_TO = 0x80,
    SET_MTIME_TO = 0x100,
};
enum { GOT_BASIC = 0x7ff, REMOVE_DIR = 0x200 };

/* A file as the guest names it. */
typedef struct Fid {
    char *path;
    int fd;         /* open: a file; -1: not */
    DIR *dir;       /* open: a folder */
    uint8_t *xattr; /* a value or list that is read, or one that is written */
    uint64_t xattr_len, xattr_got;
    char *xattr_name; /* written: set when the fid goes */
    int xattr_flags;
    uint32_t uid;
} Fid;

typedef struct Call {
    P9Server *s;
    P9Request *r;
    WireIn in;
    WireOut out;
} Call;

/* ---- fids -------------------------------------------------------------------------------- */

static void close_fid(P9Server *s, Fid *f)
{
    s->open_files -= f->dir || f->fd >= 0;
    if (f->dir) {
        closedir(f->dir);
    } else if (f->fd >= 0) {
        close(f->fd);
    }
    f->dir = NULL;
    f->fd = -1;
}

/* Its last words can fail. */
static int free_fid(P9Server *s, Fid *f)
{
    int ret = 0;
    if (f->xattr_name) {
        ret = f->xattr_got == f->xattr_len ? local_setxattr(&s->fs, f->path, f->xattr_name,
                                                            f->xattr, f->xattr_len, f->xattr_flags)
                                           : -EIO;
    }
    close_fid(s, f);
    g_free(f->xattr_name);
    g_free(f->xattr);
    g_free(f->path);
    g_free(f);
    return ret;
}

static Fid *find_fid(P9Server *s, uint32_t n)
{
    return g_hash_table_lookup(s->fids, GUINT_TO_POINTER(n));
}

static Fid *get_fid(Call *c)
{
    return find_fid(c->s, (uint32_t)wire_num(&c->in, 4));
}

static Fid *new_fid(char *path, uint32_t uid)
{
    Fid *f = g_new0(Fid, 1);
    f->path = path;
    f->fd = -1;
    f->uid = uid;
    return f;
}

static bool may_add_fid(P9Server *s, uint32_t n)
{
    return g_hash_table_size(s->fids) < MAX_FIDS && !find_fid(s, n);
}

static void add_fid(P9Server *s, uint32_t n, Fid *f)
{
    g_hash_table_insert(s->fids, GUINT_TO_POINTER(n), f);
}

static bool is_open(const Fid *f)
{
    return f->dir || f->fd >= 0 || f->xattr;
}

/* f is open now, as fd. */
static int opened(P9Server *s, Fid *f, int fd)
{
    struct stat st;
    if (fd < 0) {
        return fd;
    }
    if (s->open_files >= s->max_open || fstat(fd, &st)) {
        close(fd);
        return -EMFILE;
    }
    if (S_ISDIR(st.st_mode)) {
        f->dir = fdopendir(fd);
        if (!f->dir) {
            close(fd);
            return -ENOMEM;
        }
    } else {
        f->fd = fd;
    }
    s->open_files++;
    return 0;
}

/* ---- names ------------------------------------------------------------------------------- */

static bool good_name(const char *name)
{
    return *name && strcmp(name, ".") && strcmp(name, "..") && !strchr(name, '/') &&
           strlen(name) < 256;
}

static char *join(const char *dir, const char *name)
{
    return *dir ? g_strconcat(dir, "/", name, NULL) : g_strdup(name);
}

/* A name below a folder: the path (g_free), or NULL. */
static char *get_name(Call *c, const Fid *dir)
{
    g_autofree char *name = wire_string(&c->in);
    return dir && !c->in.bad && good_name(name) ? join(dir->path, name) : NULL;
}

static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return g_strndup(path, slash ? (size_t)(slash - path) : 0);
}

/* Every path at or below `from` is one at or below `to` now. */
static void renamed(P9Server *s, const char *from, const char *to)
{
    GHashTableIter it;
    gpointer value;
    size_t len = strlen(from);
    g_hash_table_iter_init(&it, s->fids);
    while (g_hash_table_iter_next(&it, NULL, &value)) {
        Fid *f = value;
        if (!strncmp(f->path, from, len) && (!f->path[len] || f->path[len] == '/')) {
            char *path = g_strconcat(to, f->path + len, NULL);
            g_free(f->path);
            f->path = path;
        }
    }
}

/* ---- qids -------------------------------------------------------------------------------- */

static void put_qid(Call *c, const struct stat *st)
{
    uint8_t type = S_ISDIR(st->st_mode) ? 0x80 : S_ISLNK(st->st_mode) ? 0x02 : 0;
    uint64_t path = st->st_ino;
    if (st->st_dev != c->s->fs.dev) { /* a file system mounted below the folder */
        path ^= (uint64_t)st->st_dev << 48 | 1ull << 63;
    }
    wire_put(&c->out, type, 1);
    wire_put(&c->out, (uint32_t)(st->st_mtim.tv_sec ^ (st->st_mtim.tv_nsec << 8)), 4);
    wire_put(&c->out, path, 8);
}

static int put_qid_of(Call *c, const char *path)
{
    struct stat st;
    int ret = local_stat(&c->s->fs, path, &st);
    if (!ret) {
        put_qid(c, &st);
    }
    return ret;
}

/* ---- sessions ---------------------------------------------------------------------------- */

static int t_version(Call *c)
{
    uint32_t msize = (uint32_t)wire_num(&c->in, 4);
    g_autofree char *version = wire_string(&c->in);
    bool known = !strcmp(version, "9P2000.L");
    if (c->in.bad || msize < MIN_MSIZE) {
        return -EINVAL;
    }
    p9_reset(c->s);
    c->s->msize = MIN(msize, (uint32_t)MAX_MSIZE);
    wire_put(&c->out, c->s->msize, 4);
    wire_put_string(&c->out, known ? version : "unknown", known ? 8 : 7);
    return 0;
}

static int t_auth(Call *c)
{
    (void)c;
    return -EOPNOTSUPP; /* nobody needs to prove anything here */
}

static int t_attach(Call *c)
{
    uint32_t n = (uint32_t)wire_num(&c->in, 4);
    wire_num(&c->in, 4);         /* afid */
    g_free(wire_string(&c->in)); /* the user's name: the number counts */
    g_free(wire_string(&c->in)); /* the tree: there is one */
    uint32_t uid = (uint32_t)wire_num(&c->in, 4);
    if (c->in.bad || !may_add_fid(c->s, n)) {
        return -EINVAL;
    }
    int ret = put_qid_of(c, "");
    if (!ret) {
        add_fid(c->s, n, new_fid(g_strdup(""), uid));
    }
    return ret;
}

static int t_flush(Call *c)
{
    (void)c;
    return 0;
}

static int t_clunk(Call *c)
{
    uint32_t n = (uint32_t)wire_num(&c->in, 4);
    Fid *f = find_fid(c->s, n);
    if (!f) {
        return -EBADF;
    }
    g_hash_table_remove(c->s->fids, GUINT_TO_POINTER(n));
    return free_fid(c->s, f);
}

static int t_walk(Call *c)
{
    Fid *f = get_fid(c);
    uint32_t n = (uint32_t)wire_num(&c->in, 4);
    unsigned names = (unsigned)wire_num(&c->in, 2), done = 0;
    int ret = 0;
    if (!f || f->xattr || names > MAX_WALK) {
        return f ? -EINVAL : -EBADF;
    }
    bool same = find_fid(c->s, n) == f;
    if ((!same && !may_add_fid(c->s, n)) || (same && is_open(f))) {
        return -EINVAL;
    }
    size_t count_at = c->out.len;
    char *path = g_strdup(f->path);
    wire_put(&c->out, 0, 2);
    for (; done < names && !ret; done++) {
        g_autofree char *name = wire_string(&c->in);
        char *next = !strcmp(name, "..") ? parent_of(path)
                     : good_name(name)   ? join(path, name)
                                         : NULL;
        ret = next && !c->in.bad ? put_qid_of(c, next) : -ENOENT;
        if (next) {
            g_free(path);
            path = next;
        }
        if (ret) {
            break;
        }
    }
    c->out.buf[count_at] = (uint8_t)done;
    if (done < names) {
        g_free(path);
        return done ? 0 : ret; /* some of the way is an answer, but makes no fid */
    }
    if (same) {
        g_free(f->path);
        f->path = path;
    } else {
        add_fid(c->s, n, new_fid(path, f->uid));
    }
    return 0;
}

/* ---- opening and making ------------------------------------------------------------------- */

/* Of Linux' flags, whose values here are those of x86, too. */
enum { OPEN_FLAGS = O_ACCMODE | O_TRUNC | O_DSYNC | O_SYNC | O_DIRECTORY };

static int t_lopen(Call *c)
{
    Fid *f = get_fid(c);
    int flags = (int)wire_num(&c->in, 4) & OPEN_FLAGS;
    if (!f || is_open(f)) {
        return f ? -EINVAL : -EBADF;
    }
    int ret = opened(c->s, f, local_open(&c->s->fs, f->path, flags));
    if (!ret) {
        ret = put_qid_of(c, f->path);
        wire_put(&c->out, c->s->msize - IO_HEADER, 4);
    }
    return ret;
}

static int t_lcreate(Call *c)
{
    Fid *f = get_fid(c);
    g_autofree char *path = get_name(c, f);
    int flags = (int)wire_num(&c->in, 4) & (OPEN_FLAGS | O_EXCL);
    LocalOwner o = { .mode = (uint32_t)wire_num(&c->in, 4), .uid = f ? f->uid : 0 };
    o.gid = (uint32_t)wire_num(&c->in, 4);
    if (!path || is_open(f)) {
        return f ? -EINVAL : -EBADF;
    }
    int ret = opened(c->s, f, local_create(&c->s->fs, path, flags, &o));
    if (!ret) {
        g_free(f->path);
        f->path = g_steal_pointer(&path);
        ret = put_qid_of(c, f->path);
        wire_put(&c->out, c->s->msize - IO_HEADER, 4);
    }
    return ret;
}

static int t_mkdir(Call *c)
{
    Fid *f = get_fid(c);
    g_autofree char *path = get_name(c, f);
    LocalOwner o = { .mode = (uint32_t)wire_num(&c->in, 4), .uid = f ? f->uid : 0 };
    o.gid = (uint32_t)wire_num(&c->in, 4);
    int ret = path ? local_mkdir(&c->s->fs, path, &o) : -EINVAL;
    return ret ? ret : put_qid_of(c, path);
}

static int t_mknod(Call *c)
{
    Fid *f = get_fid(c);
    g_autofree char *path = get_name(c, f);
    LocalOwner o = { .mode = (uint32_t)wire_num(&c->in, 4), .uid = f ? f->uid : 0 };
    unsigned major_number = (unsigned)wire_num(&c->in, 4);
    unsigned minor_number = (unsigned)wire_num(&c->in, 4);
    o.gid = (uint32_t)wire_num(&c->in, 4);
    int ret =
        path ? local_mknod(&c->s->fs, path, &o, makedev(major_number, minor_number)) : -EINVAL;
    return ret ? ret : put_qid_of(c, path);
}

static int t_symlink(Call *c)
{
    Fid *f = get_fid(c);
    g_autofree char *path = get_name(c, f), *target = wire_string(&c->in);
    LocalOwner o = { .mode = 0777, .uid = f ? f->uid : 0 };
    o.gid = (uint32_t)wire_num(&c->in, 4);
    int ret = path && *target ? local_symlink(&c->s->fs, path, target, &o) : -EINVAL;
    return ret ? ret : put_qid_of(c, path);
}

static int t_readlink(Call *c)
{
    const Fid *f = get_fid(c);
    char target[4096];
    ssize_t n = f ? local_readlink(&c->s->fs, f->path, target, sizeof(target)) : -EBADF;
    if (n < 0) {
        return (int)n;
    }
    wire_put_string(&c->out, target, (size_t)n);
    return 0;
}

static int t_link(Call *c)
{
    const Fid *dir = get_fid(c), *f = get_fid(c);
    g_autofree char *to = get_name(c, dir);
    return f && to ? local_link(&c->s->fs, f->path, to) : f && dir ? -EINVAL : -EBADF;
}

static int move(Call *c, const char *from, const char *to)
{
    int ret = local_rename(&c->s->fs, from, to);
    if (!ret) {
        renamed(c->s, from, to);
    }
    return ret;
}

static int t_rename(Call *c)
{
    const Fid *f = get_fid(c), *dir = get_fid(c);
    g_autofree char *to = get_name(c, dir);
    if (!f || !to || !*f->path) {
        return f && dir ? -EINVAL : -EBADF;
    }
    g_autofree char *from = g_strdup(f->path);
    return move(c, from, to);
}

static int t_renameat(Call *c)
{
    const Fid *from_dir = get_fid(c);
    g_autofree char *from = get_name(c, from_dir);
    const Fid *to_dir = get_fid(c);
    g_autofree char *to = get_name(c, to_dir);
    return from && to ? move(c, from, to) : from_dir && to_dir ? -EINVAL : -EBADF;
}

static int t_unlinkat(Call *c)
{
    const Fid *dir = get_fid(c);
    g_autofree char *path = get_name(c, dir);
    bool folder = wire_num(&c->in, 4) & REMOVE_DIR;
    return path ? local_remove(&c->s->fs, path, folder) : dir ? -EINVAL : -EBADF;
}

static int t_remove(Call *c)
{
    uint32_t n = (uint32_t)wire_num(&c->in, 4);
    Fid *f = find_fid(c->s, n);
    struct stat st;
    if (!f) {
        return -EBADF;
    }
    int ret = *f->path ? local_stat(&c->s->fs, f->path, &st) : -EBUSY;
    ret = ret ? ret : local_remove(&c->s->fs, f->path, S_ISDIR(st.st_mode));
    g_hash_table_remove(c->s->fids, GUINT_TO_POINTER(n)); /* gone in any case */
    free_fid(c->s, f);
    return ret;
}

/* ---- attributes -------------------------------------------------------------------------- */

static void put_time(Call *c, struct timespec t)
{
    wire_put(&c->out, (uint64_t)t.tv_sec, 8);
    wire_put(&c->out, (uint64_t)t.tv_nsec, 8);
}

/* A file that is open can have lost its name. */
static int stat_fid(P9Server *s, Fid *f, struct stat *st)
{
    int fd = f->dir ? dirfd(f->dir) : f->fd;
    return fd >= 0 ? local_fstat(&s->fs, fd, st) : local_stat(&s->fs, f->path, st);
}

static int t_getattr(Call *c)
{
    Fid *f = get_fid(c);
    struct stat st;
    int ret = f ? stat_fid(c->s, f, &st) : -EBADF;
    if (ret) {
        return ret;
    }
    wire_put(&c->out, GOT_BASIC, 8);
    put_qid(c, &st);
    wire_put(&c->out, st.st_mode, 4);
    wire_put(&c->out, st.st_uid, 4);
    wire_put(&c->out, st.st_gid, 4);
    wire_put(&c->out, st.st_nlink, 8);
    wire_put(&c->out, st.st_rdev, 8);
    wire_put(&c->out, (uint64_t)st.st_size, 8);
    wire_put(&c->out, (uint64_t)st.st_blksize, 8);
    wire_put(&c->out, (uint64_t)st.st_blocks, 8);
    put_time(c, st.st_atim);
    put_time(c, st.st_mtim);
    put_time(c, st.st_ctim);
    const struct timespec none = { 0, 0 };
    put_time(c, none);       /* birth */
    wire_put(&c->out, 0, 8); /* generation */
    wire_put(&c->out, 0, 8); /* data version */
    return 0;
}

static int set_size(P9Server *s, const Fid *f, uint64_t size)
{
    int ret = local_truncate(&s->fs, f->path, size);
    if (ret == -ENOENT && f->fd >= 0 && !s->fs.readonly) {
        ret = ftruncate(f->fd, (off_t)size) ? -errno : 0;
    }
    return ret;
}

static struct timespec new_time(uint32_t valid, uint32_t set, uint32_t to, struct timespec t)
{
    return valid & to    ? t
           : valid & set ? (struct timespec){ 0, UTIME_NOW }
                         : (struct timespec){ 0, UTIME_OMIT };
}

static int t_setattr(Call *c)
{
    Fid *f = get_fid(c);
    uint32_t valid = (uint32_t)wire_num(&c->in, 4), mode = (uint32_t)wire_num(&c->in, 4);
    uint32_t uid = (uint32_t)wire_num(&c->in, 4), gid = (uint32_t)wire_num(&c->in, 4);
    uint64_t size = wire_num(&c->in, 8), t[4];
    for (unsigned i = 0; i < 4; i++) {
        t[i] = wire_num(&c->in, 8);
    }
    const struct timespec times[2] = {
        new_time(valid, SET_ATIME, SET_ATIME_TO, (struct timespec){ (time_t)t[0], (long)t[1] }),
        new_time(valid, SET_MTIME, SET_MTIME_TO, (struct timespec){ (time_t)t[2], (long)t[3] }),
    };
    LocalFS *fs = &c->s->fs;
    int ret = !f ? -EBADF : c->in.bad ? -EINVAL : 0;
    if (!ret && valid & SET_MODE) {
        ret = local_chmod(fs, f->path, mode);
    }
    if (!ret && valid & (SET_UID | SET_GID)) {
        ret = local_chown(fs, f->path, valid & SET_UID ? uid : UINT32_MAX,
                          valid & SET_GID ? gid : UINT32_MAX);
    }
    if (!ret && valid & SET_SIZE) {
        ret = set_size(c->s, f, size);
    }
    if (!ret && valid & (SET_ATIME | SET_MTIME)) {
        ret = local_utimens(fs, f->path, times);
    }
    return ret;
}

static int t_statfs(Call *c)
{
    const Fid *f = get_fid(c);
    struct statfs st;
    int ret = f ? local_statfs(&c->s->fs, f->path, &st) : -EBADF;
    if (ret) {
        return ret;
    }
    const uint64_t wide[] = { st.f_blocks, st.f_bfree, st.f_bavail, st.f_files, st.f_ffree };
    wire_put(&c->out, (uint32_t)st.f_type, 4);
    wire_put(&c->out, (uint32_t)st.f_bsize, 4);
    for (unsigned i = 0; i < G_N_ELEMENTS(wide); i++) {
        wire_put(&c->out, wide[i], 8);
    }
    wire_put_bytes(&c->out, &st.f_fsid, 8);
    wire_put(&c->out, (uint32_t)st.f_namelen, 4);
    return 0;
}

/* The new fid reads the value, or the list of names. */
static int t_xattrwalk(Call *c)
{
    Fid *f = get_fid(c);
    uint32_t n = (uint32_t)wire_num(&c->in, 4);
    g_autofree char *name = wire_string(&c->in);
    if (!f || c->in.bad || !may_add_fid(c->s, n)) {
        return f ? -EINVAL : -EBADF;
    }
    g_autofree uint8_t *value = g_malloc(MAX_XATTR);
    ssize_t len = local_getxattr(&c->s->fs, f->path, *name ? name : NULL, value, MAX_XATTR);
    if (len < 0) {
        return (int)len;
    }
    Fid *x = new_fid(g_strdup(f->path), f->uid);
    x->xattr = g_malloc(MAX((size_t)len, 1));
    memcpy(x->xattr, value, (size_t)len);
    x->xattr_len = x->xattr_got = (uint64_t)len;
    add_fid(c->s, n, x);
    wire_put(&c->out, (uint64_t)len, 8);
    return 0;
}

/* What is written to the fid becomes the value when it goes. */
static int t_xattrcreate(Call *c)
{
    Fid *f = get_fid(c);
    g_autofree char *name = wire_string(&c->in);
    uint64_t size = wire_num(&c->in, 8);
    int flags = (int)wire_num(&c->in, 4);
    if (!f || c->in.bad || is_open(f) || !*name) {
        return f ? -EINVAL : -EBADF;
    }
    if (size > MAX_XATTR) {
        return -E2BIG;
    }
    f->xattr = g_malloc0(MAX(size, 1));
    f->xattr_len = size;
    f->xattr_flags = flags & 3;
    f->xattr_name = g_steal_pointer(&name);
    return 0;
}

/* ---- reading and writing ------------------------------------------------------------------ */

/* The pieces of iov from `skip` on, `len` bytes at most. */
static unsigned part(const struct iovec *iov, unsigned n, uint64_t skip, uint64_t len,
                     struct iovec *out)
{
    unsigned count = 0;
    for (unsigned i = 0; i < n && len && count < IOV_MAX; i++) {
        uint64_t have = iov[i].iov_len - MIN(skip, iov[i].iov_len);
        uint64_t take = MIN(have, len);
        if (take) {
            out[count++] = (struct iovec){ (char *)iov[i].iov_base + skip, take };
        }
        skip -= MIN(skip, iov[i].iov_len);
        len -= take;
    }
    return count;
}

static int t_read(Call *c)
{
    Fid *f = get_fid(c);
    uint64_t offset = wire_num(&c->in, 8);
    uint32_t count = (uint32_t)wire_num(&c->in, 4);
    const P9Request *r = c->r;
    const uint64_t at = HEADER + 4;
    ssize_t n;
    if (!f) {
        return -EBADF;
    }
    count = MIN(count, c->s->msize - (uint32_t)IO_HEADER);
    count = (uint32_t)MIN(count, r->in_bytes - MIN(at, r->in_bytes));
    if (f->xattr && !f->xattr_name) {
        offset = MIN(offset, f->xattr_len);
        n = (ssize_t)iov_from_buf(r->in, r->in_num, at, f->xattr + offset,
                                  MIN(count, f->xattr_len - offset));
    } else if (f->fd >= 0) {
        struct iovec pieces[VIRTIO_MAX_QUEUE_SIZE];
        unsigned nb = part(r->in, r->in_num, at, count, pieces);
        n = preadv(f->fd, pieces, (int)nb, (off_t)offset);
    } else {
        return -EINVAL;
    }
    if (n < 0) {
        return -errno;
    }
    wire_put(&c->out, (uint64_t)n, 4);
    return (int)n;
}

static int t_write(Call *c)
{
    Fid *f = get_fid(c);
    uint64_t offset = wire_num(&c->in, 8);
    uint32_t count = (uint32_t)wire_num(&c->in, 4);
    const P9Request *r = c->r;
    const uint64_t at = HEADER + 16;
    ssize_t n;
    if (!f) {
        return -EBADF;
    }
    if (f->xattr_name) {
        if (offset > f->xattr_len || count > f->xattr_len - offset) {
            return -ENOSPC;
        }
        n = (ssize_t)iov_to_buf(r->out, r->out_num, at, f->xattr + offset, count);
        f->xattr_got += (uint64_t)n;
    } else if (f->fd >= 0) {
        struct iovec pieces[VIRTIO_MAX_QUEUE_SIZE];
        unsigned nb = part(r->out, r->out_num, at, count, pieces);
        n = pwritev(f->fd, pieces, (int)nb, (off_t)offset);
    } else {
        return -EINVAL;
    }
    if (n < 0) {
        return -errno;
    }
    wire_put(&c->out, (uint64_t)n, 4);
    return 0;
}

/* Entries as long as they fit; the offset of each is where the next one is. */
static int t_readdir(Call *c)
{
    Fid *f = get_fid(c);
    uint64_t offset = wire_num(&c->in, 8);
    uint32_t count = (uint32_t)wire_num(&c->in, 4);
    size_t count_at = c->out.len;
    if (!f || !f->dir) {
        return f ? -ENOTDIR : -EBADF;
    }
    wire_put(&c->out, 0, 4);
    offset ? seekdir(f->dir, (long)offset) : rewinddir(f->dir);
    size_t start = c->out.len, room = MIN(c->out.size - MIN(start, c->out.size), count);
    for (struct dirent *e; errno = 0, (e = readdir(f->dir));) {
        size_t len = strlen(e->d_name);
        if (c->out.len - start + 24 + len > room) {
            break;
        }
        const struct stat st = { .st_mode = e->d_type == DT_DIR   ? S_IFDIR
                                            : e->d_type == DT_LNK ? S_IFLNK
                                                                  : S_IFREG,
                                 .st_ino = e->d_ino,
                                 .st_dev = c->s->fs.dev };
        put_qid(c, &st);
        wire_put(&c->out, (uint64_t)e->d_off, 8);
        /* With mapped attributes only those know. */
        wire_put(&c->out, c->s->fs.security == FS_MAPPED_XATTR ? DT_UNKNOWN : e->d_type, 1);
        wire_put_string(&c->out, e->d_name, len);
    }
    uint32_t got = (uint32_t)(c->out.len - start);
    if (got == 0 && errno) {
        return -errno;
    }
    memcpy(c->out.buf + count_at, &got, sizeof(got));
    return 0;
}

static int t_fsync(Call *c)
{
    const Fid *f = get_fid(c);
    bool data_only = wire_num(&c->in, 4);
    int fd = !f ? -1 : f->dir ? dirfd(f->dir) : f->fd;
    if (fd < 0) {
        return f ? -EINVAL : -EBADF;
    }
    return (data_only ? fdatasync(fd) : fsync(fd)) ? -errno : 0;
}

static int t_lock(Call *c)
{
    if (!get_fid(c)) {
        return -EBADF;
    }
    wire_put(&c->out, 0, 1); /* success */
    return 0;
}

static int t_getlock(Call *c)
{
    enum { UNLOCKED = 2 };
    const Fid *f = get_fid(c);
    wire_num(&c->in, 1);
    uint64_t start = wire_num(&c->in, 8), length = wire_num(&c->in, 8);
    uint32_t process = (uint32_t)wire_num(&c->in, 4);
    g_autofree char *client = wire_string(&c->in);
    if (!f || c->in.bad) {
        return f ? -EINVAL : -EBADF;
    }
    wire_put(&c->out, UNLOCKED, 1);
    wire_put(&c->out, start, 8);
    wire_put(&c->out, length, 8);
    wire_put(&c->out, process, 4);
    wire_put_string(&c->out, client, strlen(client));
    return 0;
}

/* ---- messages ---------------------------------------------------------------------------- */

typedef struct Message {
    uint8_t type;
    /* The answer's type is one more. >= 0: done, so many bytes follow what is in `out`. */
    int (*run)(Call *c);
} Message;

static const Message messages[] = {
    { 8, t_statfs },   { 12, t_lopen },     { 14, t_lcreate },     { 16, t_symlink },
    { 18, t_mknod },   { 20, t_rename },    { 22, t_readlink },    { 24, t_getattr },
    { 26, t_setattr }, { 30, t_xattrwalk }, { 32, t_xattrcreate }, { 40, t_readdir },
    { 50, t_fsync },   { 52, t_lock },      { 54, t_getlock },     { 70, t_link },
    { 72, t_mkdir },   { 74, t_renameat },  { 76, t_unlinkat },    { 100, t_version },
    { 102, t_auth },   { 104, t_attach },   { 108, t_flush },      { 110, t_walk },
    { 116, t_read },   { 118, t_write },    { 120, t_clunk },      { 122, t_remove },
};

static int dispatch(Call *c, uint8_t type)
{
    for (size_t i = 0; i < G_N_ELEMENTS(messages); i++) {
        if (messages[i].type == type) {
            return messages[i].run(c);
        }
    }
    return -EOPNOTSUPP;
}

/* Only what is in front of a Twrite's data is copied. */
static size_t copied_bytes(uint8_t type, uint32_t size)
{
    enum { TWRITE = 118 };
    return type == TWRITE ? MIN(size, HEADER + 16u) : size;
}

void p9_handle(P9Server *s, P9Request *r)
{
    uint8_t head[HEADER];
    uint32_t size;
    uint16_t tag;
    int ret = -EINVAL;
    r->answered = 0;
    if (iov_to_buf(r->out, r->out_num, 0, head, HEADER) < HEADER || r->in_bytes < HEADER + 4) {
        return;
    }
    memcpy(&size, head, 4);
    memcpy(&tag, head + 5, 2);
    Call c = { .s = s, .r = r };
    c.out.size = MIN(r->in_bytes, s->msize);
    c.out.buf = g_malloc(c.out.size);
    c.out.len = HEADER;
    if (size >= HEADER && size <= s->msize) {
        size_t len = copied_bytes(head[4], size);
        g_autofree uint8_t *message = g_malloc(len);
        len = iov_to_buf(r->out, r->out_num, 0, message, len);
        c.in = (WireIn){ message + HEADER, len - HEADER, false };
        ret = dispatch(&c, head[4]);
        ret = ret >= 0 && c.in.bad ? -EINVAL : ret >= 0 && c.out.full ? -EMSGSIZE : ret;
    }
    if (ret < 0) {
        c.out.len = HEADER;
        wire_put(&c.out, (uint64_t)-ret, 4);
        head[4] = RLERROR - 1;
    }
    size = (uint32_t)c.out.len + (ret > 0 ? (uint32_t)ret : 0);
    memcpy(c.out.buf, &size, 4);
    c.out.buf[4] = (uint8_t)(head[4] + 1);
    memcpy(c.out.buf + 5, &tag, 2);
    iov_from_buf(r->in, r->in_num, 0, c.out.buf, c.out.len);
    r->answered = size;
    g_free(c.out.buf);
}

int p9_init(P9Server *s, const FsDev *dev)
{
    struct rlimit files = { 1024, 1024 };
    int ret = local_init(&s->fs, dev);
    if (ret) {
        return ret;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    s->max_open = (unsigned)MIN(files.rlim_cur / 2, INT_MAX); /* the rest is the emulator's */
    s->fids = g_hash_table_new(g_direct_hash, g_direct_equal);
    s->msize = MIN_MSIZE;
    return 0;
}

void p9_reset(P9Server *s)
{
    GHashTableIter it;
    gpointer value;
    g_hash_table_iter_init(&it, s->fids);
    while (g_hash_table_iter_next(&it, NULL, &value)) {
        Fid *f = value;
        g_clear_pointer(&f->xattr_name, g_free); /* it was not finished */
        free_fid(s, f);
        g_hash_table_iter_remove(&it);
    }
}

void p9_cleanup(P9Server *s)
{
    p9_reset(s);
    g_hash_table_unref(s->fids);
    local_cleanup(&s->fs);
}
