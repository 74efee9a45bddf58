/* SPDX-License-Identifier: MIT */
/* The host's files and block devices: `file` and `host_device`. */
#include "block/aio.h"
#include "block/block.h"
#include "block/bytes.h"
#include "block/filelock.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECT_ALIGN 4096 /* O_DIRECT: satisfies every disk with sectors up to 4 KiB */

typedef struct FileState {
    int fd;
    bool is_device;
    bool no_punch, no_zero_range; /* the file system said so once */
    /* Held by who may change the file's length, which takes a look and a change, and with O_DIRECT
     * by who changes parts of a block, which takes a read and a write. */
    GMutex lock;
    int64_t known; /* bytes that the file has for sure; written under the lock */
} FileState;

static const OptDef file_open_opts[] = {
    { "filename", OPT_STR, NULL, "Path of the image file" },
    { "locking", OPT_STR, "auto", "File locking mode: on, off or auto" },
    { "aio", OPT_STR, NULL, "Host I/O: threads, native or io_uring" },
    { 0 },
};

static const OptDef file_create_opts[] = {
    { "size", OPT_SIZE, "0", "Virtual disk size" },
    { "preallocation", OPT_STR, NULL, "Preallocation mode (allowed values: off, falloc, full)" },
    { "nocow", OPT_BOOL, NULL, "Turn off copy-on-write (valid only on btrfs)" },
    { "extent_size_hint", OPT_SIZE, NULL, "Extent size hint for the image file, 0 to disable" },
    { 0 },
};

static const char *const file_prefixes[] = { "file:", NULL };
static const char *const device_prefixes[] = { "host_device:", NULL };

static bool file_parse_filename(const char *filename, Opts *opts, GError **err)
{
    const char *path = filename;
    (void)err;
    if (g_str_has_prefix(path, "file:") || g_str_has_prefix(path, "host_device:")) {
        path = strchr(path, ':') + 1;
    }
    opts_set(opts, "filename", path);
    return true;
}

static bool file_check_opts(BlockNode *node, Opts *opts, bool *lock, GError **err)
{
    static const char *const lock_modes[] = { "auto", "on", "off", NULL };
    int mode;
    const char *aio = opt_str(opts, file_open_opts, "aio");
    if (!opt_enum(opts, file_open_opts, "locking", lock_modes, &mode, err)) {
        return false;
    }
    *lock = mode != 2;
    if (aio && !block_parse_aio(aio, &node->flags)) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "invalid aio option '%s'", aio);
        return false;
    }
    if (node->flags & BLOCK_AIO_NATIVE && !(node->flags & BLOCK_DIRECT)) {
        g_set_error(err, BLOCK_ERROR, EINVAL,
                    "aio=native was specified, but it requires cache.direct=on, which was not "
                    "specified.");
        return false;
    }
    return true;
}

/* Asked for, so it must be there. */
static bool aio_works(unsigned flags, GError **err)
{
    int fd = eventfd(0, EFD_CLOEXEC);
    BlockAio *aio = block_aio_new(flags & BLOCK_AIO_URING, fd, err);
    block_aio_free(aio);
    close(fd);
    return aio != NULL;
}

static bool file_open(BlockNode *node, Opts *opts, GError **err)
{
    FileState *s = node->state;
    const char *path = opts_get(opts, "filename");
    bool rdwr = node->flags & BLOCK_RDWR, lock;
    struct stat st;

    if (!path) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "Parameter 'filename' is missing");
        return false;
    }
    if (!file_check_opts(node, opts, &lock, err)) {
        return false;
    }
    g_mutex_init(&s->lock);
    int extra = O_CLOEXEC | (node->flags & BLOCK_DIRECT ? O_DIRECT : 0);
    s->fd = open(path, (rdwr ? O_RDWR : O_RDONLY) | extra);
    if (s->fd < 0 && rdwr && node->flags & BLOCK_AUTO_RO && (errno == EACCES || errno == EROFS)) {
        rdwr = false;
        node->flags &= ~(unsigned)BLOCK_RDWR;
        s->fd = open(path, O_RDONLY | extra);
    }
    if (s->fd < 0 || fstat(s->fd, &st) < 0) {
        int e = errno;
        bool direct = e == EINVAL && node->flags & BLOCK_DIRECT;
        g_set_error(err, BLOCK_ERROR, e, "Could not open '%s': %s", path,
                    direct ? "file system may not support O_DIRECT" : g_strerror(e));
        goto fail;
    }
    s->is_device = S_ISBLK(st.st_mode);
    s->known = S_ISREG(st.st_mode) ? st.st_size : INT64_MAX;
    if (!S_ISREG(st.st_mode) && !s->is_device && !S_ISCHR(st.st_mode)) {
        g_set_error(err, BLOCK_ERROR, EINVAL,
                    "Could not open '%s': '%s' is not a regular file or "
                    "a block device",
                    path, path);
        goto fail;
    }
    if (lock && !(node->flags & BLOCK_FORCE_SHARE) && S_ISREG(st.st_mode) &&
        !file_lock(s->fd, rdwr, path, err)) {
        goto fail;
    }
    if (node->flags & (BLOCK_AIO_NATIVE | BLOCK_AIO_URING) && !aio_works(node->flags, err)) {
        goto fail;
    }
    return true;
fail:
    if (s->fd >= 0) {
        close(s->fd);
    }
    return false;
}

static void file_close(BlockNode *node)
{
    FileState *s = node->state;
    close(s->fd); /* drops the locks, too */
    g_mutex_clear(&s->lock);
}

static int read_all(int fd, int64_t off, uint8_t *buf, int64_t len)
{
    while (len) {
        ssize_t n = pread(fd, buf, MIN(len, 1 << 30), off);
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return -errno;
        }
        if (!n) {
            memset(buf, 0, len); /* past the end */
            return 0;
        }
        buf += n;
        off += n;
        len -= n;
    }
    return 0;
}

static int write_all(int fd, int64_t off, const uint8_t *buf, int64_t len)
{
    while (len) {
        ssize_t n = pwrite(fd, buf, MIN(len, 1 << 30), off);
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return -errno;
        }
        if (!n) {
            return -ENOSPC;
        }
        buf += n;
        off += n;
        len -= n;
    }
    return 0;
}

/* Do changes up to `end` leave the file's length as it is? */
static bool within(const FileState *s, int64_t end)
{
    return end <= __atomic_load_n(&s->known, __ATOMIC_RELAXED);
}

static void set_known(FileState *s, int64_t bytes)
{
    __atomic_store_n(&s->known, bytes, __ATOMIC_RELAXED);
}

static bool misaligned(BlockNode *node, int64_t bits)
{
    return node->flags & BLOCK_DIRECT && bits & (DIRECT_ALIGN - 1);
}

/* Takes the lock for a change that needs it; says whether it did. */
static bool lock_change(BlockNode *node, int64_t off, int64_t len)
{
    FileState *s = node->state;
    bool locked = !within(s, off + len) || misaligned(node, off | len);
    if (locked) {
        g_mutex_lock(&s->lock);
    }
    return locked;
}

static void unlock_change(FileState *s, bool locked, int64_t end)
{
    if (locked) {
        if (!within(s, end)) {
            set_known(s, end);
        }
        g_mutex_unlock(&s->lock);
    }
}

/* O_DIRECT with an odd offset, length or address: through an aligned buffer. A read that ends
 * within a block has met the end of the file. */
static int bounce_read(BlockNode *node, int64_t off, uint8_t *buf, int64_t len)
{
    FileState *s = node->state;
    int64_t start = ROUND_DOWN(off, DIRECT_ALIGN), end = ROUND_UP(off + len, DIRECT_ALIGN);
    uint8_t *bounce;
    int ret = 0;
    if (posix_memalign((void **)&bounce, DIRECT_ALIGN, end - start)) {
        return -ENOMEM;
    }
    for (int64_t at = 0; at < end - start && !ret;) {
        ssize_t n = pread(s->fd, bounce + at, MIN(end - start - at, 1 << 30), start + at);
        if (n < 0) {
            ret = errno == EINTR ? 0 : -errno;
        } else if (!n || n & (DIRECT_ALIGN - 1)) {
            memset(bounce + at + n, 0, end - start - at - n);
            break;
        } else {
            at += n;
        }
    }
    if (!ret) {
        memcpy(buf, bounce + (off - start), len);
    }
    free(bounce);
    return ret;
}

/* The same for a write, under the lock if parts of blocks or the end of the file are in it. */
static int bounce_write(BlockNode *node, int64_t off, const uint8_t *buf, int64_t len)
{
    FileState *s = node->state;
    int64_t start = ROUND_DOWN(off, DIRECT_ALIGN), end = ROUND_UP(off + len, DIRECT_ALIGN);
    int64_t last = end - DIRECT_ALIGN, old_end = within(s, end) ? end : lseek(s->fd, 0, SEEK_END);
    uint8_t *bounce;
    int ret = 0;
    if (posix_memalign((void **)&bounce, DIRECT_ALIGN, end - start)) {
        return -ENOMEM;
    }
    if (off != start) {
        ret = bounce_read(node, start, bounce, DIRECT_ALIGN);
    }
    if (!ret && off + len != end && (last != start || off == start)) {
        ret = bounce_read(node, last, bounce + (last - start), DIRECT_ALIGN);
    }
    if (!ret) {
        memcpy(bounce + (off - start), buf, len);
        ret = write_all(s->fd, start, bounce, end - start);
    }
    if (!ret && old_end < end && ftruncate(s->fd, MAX(old_end, off + len)) < 0) {
        ret = -errno;
    }
    free(bounce);
    return ret;
}

static int file_pread(BlockNode *node, int64_t off, void *buf, int64_t len)
{
    FileState *s = node->state;
    return misaligned(node, off | len | (intptr_t)buf) ? bounce_read(node, off, buf, len)
                                                       : read_all(s->fd, off, buf, len);
}

static int file_pwrite(BlockNode *node, int64_t off, const void *buf, int64_t len)
{
    FileState *s = node->state;
    bool locked = lock_change(node, off, len);
    int ret = misaligned(node, off | len | (intptr_t)buf) ? bounce_write(node, off, buf, len)
                                                          : write_all(s->fd, off, buf, len);
    unlock_change(s, locked, ret ? 0 : off + len);
    return ret;
}

static bool iov_misaligned(BlockNode *node, int64_t off, const struct iovec *iov, int niov)
{
    bool odd = false;
    for (int i = 0; i < niov && !odd; i++) {
        odd = misaligned(node, off | iov[i].iov_len | (intptr_t)iov[i].iov_base);
    }
    return odd;
}

/* In one call of the kernel where that does it all, else piece by piece. */
static int file_rwv(FileState *s, int64_t off, const struct iovec *iov, int niov, int64_t len,
                    bool write)
{
    int ret = 0;
    if (niov <= IOV_MAX &&
        (write ? pwritev(s->fd, iov, niov, off) : preadv(s->fd, iov, niov, off)) == len) {
        return 0;
    }
    for (int i = 0; i < niov && !ret; off += iov[i++].iov_len) {
        ret = write ? write_all(s->fd, off, iov[i].iov_base, iov[i].iov_len)
                    : read_all(s->fd, off, iov[i].iov_base, iov[i].iov_len);
    }
    return ret;
}

static int file_preadv(BlockNode *node, int64_t off, const struct iovec *iov, int niov, int64_t len)
{
    return iov_misaligned(node, off, iov, niov) ? -ENOTSUP
                                                : file_rwv(node->state, off, iov, niov, len, false);
}

static int file_pwritev(BlockNode *node, int64_t off, const struct iovec *iov, int niov,
                        int64_t len)
{
    if (iov_misaligned(node, off, iov, niov)) {
        return -ENOTSUP;
    }
    bool locked = lock_change(node, off, len);
    int ret = file_rwv(node->state, off, iov, niov, len, true);
    unlock_change(node->state, locked, ret ? 0 : off + len);
    return ret;
}

static int file_copy_range(BlockNode *from, int64_t from_off, BlockNode *to, int64_t to_off,
                           int64_t len)
{
    int in = ((FileState *)from->state)->fd, out = ((FileState *)to->state)->fd;
    int64_t end = to_off + len;
    int ret = 0;
    bool locked = lock_change(to, to_off, len);
    while (len && !ret) {
        off_t a = from_off, b = to_off;
        ssize_t n = copy_file_range(in, &a, out, &b, len, 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            /* Other file systems, or kinds of files, or past the end: the ordinary way knows. */
            bool fatal = n < 0 && (errno == ENOSPC || errno == EIO || errno == EDQUOT);
            ret = fatal ? -errno : -ENOTSUP;
        } else {
            from_off += n;
            to_off += n;
            len -= n;
        }
    }
    unlock_change(to->state, locked, ret ? 0 : end);
    return ret;
}

static bool file_submit(BlockNode *node, AioRequest *r)
{
    FileState *s = node->state;
    BlockAio *aio = node->flags & BLOCK_AIO_URING    ? r->uring
                    : node->flags & BLOCK_AIO_NATIVE ? r->native
                                                     : NULL;
    if (!aio) {
        return false;
    }
    int64_t len = 0;
    for (int i = 0; i < r->niov; i++) {
        len += r->iov[i].iov_len;
    }
    if (iov_misaligned(node, r->off, r->iov, r->niov) || (r->write && !within(s, r->off + len))) {
        return false;
    }
    r->fd = s->fd;
    return r->niov <= IOV_MAX && block_aio_submit(aio, r);
}

static int do_fallocate(int fd, int mode, int64_t off, int64_t len)
{
    int ret;
    do {
        ret = fallocate(fd, mode, off, len);
    } while (ret < 0 && errno == EINTR);
    if (ret == 0) {
        return 0;
    }
    return errno == EOPNOTSUPP || errno == ENOSYS ? -ENOTSUP : -errno;
}

static int punch(FileState *s, int64_t off, int64_t len)
{
    if (s->is_device) {
        uint64_t range[2] = { off, len };
        return ioctl(s->fd, BLKDISCARD, range) < 0 ? (errno == EOPNOTSUPP ? -ENOTSUP : -errno) : 0;
    }
    if (s->no_punch) {
        return -ENOTSUP;
    }
    int ret = do_fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, len);
    s->no_punch = ret == -ENOTSUP;
    return ret;
}

static int file_discard(BlockNode *node, int64_t off, int64_t len)
{
    bool locked = lock_change(node, off, len);
    int ret = punch(node->state, off, len);
    unlock_change(node->state, locked, 0);
    return ret;
}

static int zero(FileState *s, int64_t off, int64_t len, unsigned flags)
{
    int ret;
    if (s->is_device) {
        uint64_t range[2] = { off, len };
        return ioctl(s->fd, BLKZEROOUT, range) < 0 ? -ENOTSUP : 0;
    }
    int64_t end = lseek(s->fd, 0, SEEK_END);
    if (end < 0) {
        return -errno;
    }
    if (flags & BLOCK_ZERO_MAY_UNMAP) {
        if (off + len > end) {
            if (ftruncate(s->fd, off + len) < 0) {
                return -errno;
            }
        }
        int64_t n = MIN(off + len, end) - off;
        return n > 0 ? punch(s, off, n) : 0;
    }
    if (s->no_zero_range) {
        return -ENOTSUP;
    }
    ret = do_fallocate(s->fd, FALLOC_FL_ZERO_RANGE, off, len);
    s->no_zero_range = ret == -ENOTSUP;
    return ret;
}

static int file_write_zeroes(BlockNode *node, int64_t off, int64_t len, unsigned flags)
{
    bool locked = lock_change(node, off, len);
    int ret = zero(node->state, off, len, flags);
    unlock_change(node->state, locked, ret ? 0 : off + len);
    return ret;
}

static int file_flush(BlockNode *node)
{
    FileState *s = node->state;
    if (node->flags & BLOCK_NO_FLUSH) {
        return 0;
    }
    return fdatasync(s->fd) < 0 ? -errno : 0;
}

static int64_t file_getlength(BlockNode *node)
{
    FileState *s = node->state;
    g_mutex_lock(&s->lock);
    int64_t end = lseek(s->fd, 0, SEEK_END);
    int64_t ret = end < 0 ? -errno : end;
    g_mutex_unlock(&s->lock);
    return ret;
}

static int64_t file_allocated_size(BlockNode *node)
{
    FileState *s = node->state;
    struct stat st;
    return fstat(s->fd, &st) < 0 ? -errno : (int64_t)st.st_blocks * 512;
}

static int file_status(BlockNode *node, int64_t off, int64_t len, BlockExtent *out)
{
    FileState *s = node->state;
    int64_t data, hole;
    out->flags = BLOCK_EXTENT_DATA | BLOCK_EXTENT_ALLOCATED | BLOCK_EXTENT_OFFSET;
    out->offset = off;
    out->file = node;
    out->len = len;
    if (s->is_device) {
        return 0;
    }
    data = lseek(s->fd, off, SEEK_DATA);
    if (data < 0 && errno != ENXIO) {
        return 0; /* the file system cannot tell: data */
    }
    if (data == off) {
        hole = lseek(s->fd, off, SEEK_HOLE);
        if (hole > off) {
            out->len = MIN(len, hole - off);
        }
        return 0;
    }
    out->flags = BLOCK_EXTENT_ZERO | BLOCK_EXTENT_ALLOCATED | BLOCK_EXTENT_OFFSET;
    out->len = data < 0 ? len : MIN(len, data - off);
    return 0;
}

static int preallocate(int fd, int64_t from, int64_t to, BlockPrealloc mode)
{
    int ret = 0;
    if (mode == BLOCK_PREALLOC_FALLOC) {
        ret = posix_fallocate(fd, from, to - from);
        return ret == EINTR || ret == EOPNOTSUPP ? 0 : -ret;
    }
    /* By whole blocks, as O_DIRECT wants it; what is too much of them is cut off. */
    int64_t end = ROUND_UP(to, DIRECT_ALIGN);
    if (from & (DIRECT_ALIGN - 1) && (ret = posix_fallocate(fd, from, DIRECT_ALIGN))) {
        return -ret;
    }
    from = ROUND_UP(from, DIRECT_ALIGN);
    void *zeroes;
    if (posix_memalign(&zeroes, DIRECT_ALIGN, 1 << 20)) {
        return -ENOMEM;
    }
    memset(zeroes, 0, 1 << 20);
    while (from < end && !ret) {
        int64_t n = MIN(end - from, 1 << 20);
        ret = write_all(fd, from, zeroes, n);
        from += n;
    }
    free(zeroes);
    return ret ? ret : (ftruncate(fd, to) < 0 || fsync(fd) < 0 ? -errno : 0);
}

static bool file_truncate(BlockNode *node, int64_t size, BlockPrealloc prealloc, GError **err)
{
    FileState *s = node->state;
    int64_t old = file_getlength(node);
    int ret = 0;

    if (prealloc == BLOCK_PREALLOC_METADATA) {
        g_set_error(err, BLOCK_ERROR, ENOTSUP, "Unsupported preallocation mode 'metadata'");
        return false;
    }
    if (s->is_device) {
        if (size <= old && prealloc == BLOCK_PREALLOC_OFF) {
            return true;
        }
        g_set_error(err, BLOCK_ERROR, ENOTSUP, "Cannot grow device files");
        return false;
    }
    if (prealloc != BLOCK_PREALLOC_OFF && size < old) {
        g_set_error(err, BLOCK_ERROR, ENOTSUP, "Preallocation can't be used for shrinking files");
        return false;
    }
    g_mutex_lock(&s->lock);
    if (prealloc != BLOCK_PREALLOC_OFF && size > old) {
        ret = preallocate(s->fd, old, size, prealloc);
    } else if (ftruncate(s->fd, size) < 0) {
        ret = -errno;
    }
    set_known(s, ret ? MIN(size, old) : size);
    g_mutex_unlock(&s->lock);
    if (ret) {
        g_set_error(err, BLOCK_ERROR, -ret, "Could not resize '%s': %s", node->filename,
                    g_strerror(-ret));
    }
    return ret == 0;
}

static bool file_has_zero_init(BlockNode *node)
{
    return !((FileState *)node->state)->is_device;
}

static bool file_create(const char *filename, Opts *opts, GError **err)
{
    static const char *const modes[] = { "off", "falloc", "full", NULL };
    static const BlockPrealloc preallocs[] = { BLOCK_PREALLOC_OFF, BLOCK_PREALLOC_FALLOC,
                                               BLOCK_PREALLOC_FULL };
    int mode, fd, ret = 0;
    struct stat st;
    if (!opts_check(opts, file_create_opts, err) ||
        !opt_enum(opts, file_create_opts, "preallocation", modes, &mode, err)) {
        return false;
    }
    int64_t size = opt_num(opts, file_create_opts, "size");
    const char *path = g_str_has_prefix(filename, "file:") ? filename + 5 : filename;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        g_set_error(err, BLOCK_ERROR, errno, "Could not create '%s': %s", path, g_strerror(errno));
        return false;
    }
    /* Nobody else may be using what is about to be emptied. */
    if (!file_lock(fd, true, path, err)) {
        close(fd);
        return false;
    }
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        if (ftruncate(fd, 0) < 0) {
            ret = -errno;
        } else if (preallocs[mode] != BLOCK_PREALLOC_OFF) {
            ret = preallocate(fd, 0, size, preallocs[mode]);
        }
        if (!ret && ftruncate(fd, size) < 0) {
            ret = -errno;
        }
    }
    if (close(fd) < 0 && !ret) {
        ret = -errno;
    }
    if (ret) {
        g_set_error(err, BLOCK_ERROR, -ret, "Could not resize '%s' to %" G_GINT64_FORMAT ": %s",
                    path, size, g_strerror(-ret));
    }
    return ret == 0;
}

#define FILE_METHODS                                                                           \
    .is_protocol = true, .state_size = sizeof(FileState), .open_opts = file_open_opts,         \
    .create_opts = file_create_opts, .parse_filename = file_parse_filename, .open = file_open, \
    .close = file_close, .create = file_create, .pread = file_pread, .pwrite = file_pwrite,    \
    .submit = file_submit, .copy_range = file_copy_range, .preadv = file_preadv,               \
    .pwritev = file_pwritev, .write_zeroes = file_write_zeroes, .discard = file_discard,       \
    .flush = file_flush, .status = file_status, .getlength = file_getlength,                   \
    .allocated_size = file_allocated_size, .truncate = file_truncate,                          \
    .has_zero_init = file_has_zero_init

const BlockDriver block_driver_file = { .name = "file", .prefixes = file_prefixes, FILE_METHODS };
const BlockDriver block_driver_host_device = { .name = "host_device",
                                               .prefixes = device_prefixes,
                                               FILE_METHODS };
