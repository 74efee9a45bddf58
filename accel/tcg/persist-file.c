/* SPDX-License-Identifier: MIT */
/*
 * A cache file: a header page; an index, a hash table of 64-bit words with linear probing; entries
 * one after another. Readers map it and see what is appended within the size that it had. Writers
 * hold a lock on it, write entries behind its end, then the index: a reader never finds half an
 * entry, and what a crash leaves behind is not found at all. To grow the index, or when the file is
 * damaged, a new one is written and renamed over it. Nothing read is believed before its sum is
 * right.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "persist.h"

enum {
    HEADER_SIZE = 4096,
    MIN_INDEX_BITS = 10,
    MAX_INDEX_BITS = 20,
    MAX_PROBES = 64,
    MAX_FILE = 64 << 20,
    VERSION = 1,
};
#define MAX_DIR  (UINT64_C(1) << 30)
#define MAGIC    UINT64_C(0x31636274656d616c) /* "lametbc1" */
#define SUFFIX   ".tbc"
#define MULTIPLY UINT64_C(0x9e3779b97f4a7c15)

typedef struct Header {
    uint64_t magic, id, key;
    uint32_t version, index_bits;
} Header;

/* ---- sums and keys ---- */

/* Each step is a bijection of its lane, so one changed word is always seen. */
uint64_t persist_sum(const PersistEntry *e)
{
    const uint64_t *p = (const uint64_t *)e + 1;
    uint64_t lane[4] = { 1, 2, 3, 4 };
    size_t words = e->size / 8 - 1;

    for (; words >= 4; words -= 4, p += 4) {
        for (int i = 0; i < 4; i++) {
            lane[i] = (lane[i] ^ p[i]) * MULTIPLY;
            lane[i] ^= lane[i] >> 32;
        }
    }
    for (; words; words--) {
        lane[words & 3] = (lane[words & 3] ^ *p++) * MULTIPLY;
    }
    return ((lane[0] * 3 ^ lane[1]) * MULTIPLY ^ lane[2]) * MULTIPLY ^ lane[3];
}

static uint64_t hash(const PersistKey *key)
{
    uint64_t mode = (uint64_t)key->flags << 32 | (uint32_t)key->cflags << 16 | key->page_flags;
    uint64_t h = (key->offset ^ mode * MULTIPLY) * MULTIPLY;

    return (h ^ h >> 32) * MULTIPLY;
}

/* An index word: the upper half of the hash, and the entry's place in units of PERSIST_ALIGN + 1.
 */
static uint64_t word_of(uint64_t h, uint64_t offset)
{
    return (h & ~UINT64_C(0xffffffff)) | (offset / PERSIST_ALIGN + 1);
}
static uint64_t word_offset(uint64_t word)
{
    return ((word & 0xffffffff) - 1) * PERSIST_ALIGN;
}
static bool same_tag(uint64_t word, uint64_t h)
{
    return (word ^ h) >> 32 == 0;
}

static size_t data_start(unsigned bits)
{
    return HEADER_SIZE + ((size_t)8 << bits);
}

static uint32_t up8(uint64_t n)
{
    return (uint32_t)((n + 7) & ~UINT64_C(7));
}

PersistParts persist_parts(const PersistEntry *e)
{
    PersistParts p;

    p.code = up8(sizeof(*e));
    p.ops = p.code + up8(e->code_size);
    p.slots = p.ops + up8(e->nb_ops * sizeof(TCGOp));
    p.moves = p.slots + up8(e->nb_slots * sizeof(PersistSlot));
    p.guest = p.moves + up8(e->nb_moves * sizeof(TCGMove));
    p.side = p.guest + up8(e->guest_size);
    p.end = p.side + up8(e->side_size);
    return p;
}

/* The entry at this place of a file's data, if one is there and whole. */
static const PersistEntry *entry_at(const PersistFile *f, uint64_t offset)
{
    uint64_t room = f->size - data_start(f->index_bits);
    const PersistEntry *e = (const PersistEntry *)(f->data + offset);

    if (offset >= room || room - offset < sizeof(*e) || e->size < sizeof(*e) ||
        e->size % PERSIST_ALIGN || e->size > room - offset) {
        return NULL;
    }
    return e;
}

static bool is_whole(const PersistEntry *e)
{
    return e->sum == persist_sum(e) && persist_parts(e).end <= e->size;
}

const PersistEntry *persist_file_find(const PersistFile *f, const PersistKey *key, unsigned *turn)
{
    uint64_t h = hash(key), mask = (UINT64_C(1) << f->index_bits) - 1;

    if (!f->map) {
        return NULL;
    }
    while (*turn < MAX_PROBES) {
        uint64_t word = f->index[((h >> (64 - f->index_bits)) + (*turn)++) & mask];
        const PersistEntry *e;

        if (!(uint32_t)word) {
            return NULL;
        }
        if (same_tag(word, h) && (e = entry_at(f, word_offset(word))) &&
            !memcmp(&e->key, key, sizeof(*key)) && is_whole(e)) {
            return e;
        }
    }
    return NULL;
}

/* ---- opening ---- */

/* .cache/latimer/code in a home that is there. */
static void make_dir(const char *dir, int levels)
{
    if (levels && mkdir(dir, 0700) && errno == ENOENT) {
        g_autofree char *parent = g_path_get_dirname(dir);

        make_dir(parent, levels - 1);
        mkdir(dir, 0700);
    }
}

bool persist_dir_usable(const char *dir)
{
    struct stat st;

    if (lstat(dir, &st)) {
        make_dir(dir, 3);
        if (lstat(dir, &st)) {
            return false;
        }
    }
    return S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 022);
}

static void file_name(char *name, size_t size, const PersistFile *f, const char *dir, uint64_t key)
{
    snprintf(name, size, "%s/%016" PRIx64 "%016" PRIx64 SUFFIX, dir, f->id, key);
}

static void unmap(PersistFile *f)
{
    if (f->map) {
        munmap((void *)(uintptr_t)f->map, f->size);
        f->map = NULL;
    }
}

/* Maps what fd is, if it is what it should be. */
static bool map_file(PersistFile *f, int fd, uint64_t key)
{
    const Header *h;
    struct stat st;
    void *map;

    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 022 ||
        st.st_size < HEADER_SIZE || st.st_size > 2 * (off_t)MAX_FILE) {
        return false;
    }
    map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        return false;
    }
    h = map;
    f->map = map;
    f->size = (size_t)st.st_size;
    if (h->magic != MAGIC || h->version != VERSION || h->id != f->id || h->key != key ||
        h->index_bits < MIN_INDEX_BITS || h->index_bits > MAX_INDEX_BITS ||
        data_start(h->index_bits) > f->size) {
        unmap(f);
        return false;
    }
    f->index_bits = h->index_bits;
    f->index = (const uint64_t *)(f->map + HEADER_SIZE);
    f->data = f->map + data_start(h->index_bits);
    return true;
}

void persist_file_open(PersistFile *f, const char *dir, uint64_t key)
{
    char name[PATH_MAX];
    int fd;

    f->opened = true;
    file_name(name, sizeof(name), f, dir, key);
    fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0) {
        map_file(f, fd, key);
        close(fd);
    }
}

/* ---- adding ---- */

static bool write_all(int fd, const void *data, size_t size, off_t at)
{
    const char *p = data;

    while (size) {
        ssize_t n = pwrite(fd, p, size, at);

        if (n <= 0) {
            return false;
        }
        p += n;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

/* A slot of the index for the hash, or -1. */
static ssize_t free_slot(const uint64_t *index, unsigned bits, uint64_t h)
{
    uint64_t mask = (UINT64_C(1) << bits) - 1;

    for (unsigned turn = 0; turn < MAX_PROBES; turn++) {
        uint64_t at = ((h >> (64 - bits)) + turn) & mask;

        if (!(uint32_t)index[at]) {
            return (ssize_t)at;
        }
    }
    return -1;
}

/* Does the file hold a translation of the same guest code? */
static bool holds(const PersistFile *f, const PersistEntry *e)
{
    uint32_t guest = persist_parts(e).guest;
    const PersistEntry *old;
    unsigned turn = 0;

    while ((old = persist_file_find(f, &e->key, &turn))) {
        if (old->guest_size == e->guest_size &&
            !memcmp(old->ranges, e->ranges, sizeof(e->ranges)) &&
            !memcmp((const char *)old + persist_parts(old).guest, (const char *)e + guest,
                    e->guest_size)) {
            return true;
        }
    }
    return false;
}

/* Takes out of f->fresh what the file has by now; how many are left. */
static unsigned drop_known(PersistFile *f)
{
    uint8_t *from = (uint8_t *)f->fresh, *to = from, *end = from + f->fresh_size;
    unsigned count = 0;

    while (from < end) {
        const PersistEntry *e = (const PersistEntry *)from;
        uint32_t size = e->size;

        if (!holds(f, e)) {
            memmove(to, from, size);
            to += size;
            count++;
        }
        from += size;
    }
    f->fresh_size = (size_t)(to - (uint8_t *)f->fresh);
    return count;
}

/* Enters f->fresh, which lies at `at` of the data. False: there is no room in the index. */
static bool enter_fresh(const PersistFile *f, uint64_t *index, unsigned bits, uint64_t at)
{
    const uint8_t *p = (const uint8_t *)f->fresh, *end = p + f->fresh_size;

    while (p < end) {
        const PersistEntry *e = (const PersistEntry *)p;
        uint64_t h = hash(&e->key);
        ssize_t slot = free_slot(index, bits, h);

        if (slot < 0) {
            return false;
        }
        index[slot] = word_of(h, at);
        at += e->size;
        p += e->size;
    }
    return true;
}

/* Behind the end of an existing file. */
static bool append(PersistFile *f, int fd)
{
    size_t index_size = (size_t)8 << f->index_bits;
    size_t used = ROUND_UP(f->size - data_start(f->index_bits), (size_t)PERSIST_ALIGN);
    g_autofree uint64_t *index = g_memdup2(f->index, index_size);

    if (!enter_fresh(f, index, f->index_bits, used)) {
        return false;
    }
    if (!write_all(fd, f->fresh, f->fresh_size, (off_t)(data_start(f->index_bits) + used))) {
        return true; /* the disk is full, or the like: nothing points at what was written */
    }
    for (size_t at = 0; at < index_size; at += HEADER_SIZE) {
        if (memcmp((const char *)index + at, (const char *)f->index + at, HEADER_SIZE)) {
            write_all(fd, (const char *)index + at, HEADER_SIZE, (off_t)(HEADER_SIZE + at));
        }
    }
    return true;
}

static unsigned count_entries(const PersistFile *f)
{
    unsigned n = 0;

    for (size_t i = 0; f->map && i < (size_t)1 << f->index_bits; i++) {
        n += (uint32_t)f->index[i] != 0;
    }
    return n;
}

/* The old entries in the new index; those that find no place are forgotten. */
static void enter_old(const PersistFile *f, uint64_t *index, unsigned bits)
{
    for (size_t i = 0; i < (size_t)1 << f->index_bits; i++) {
        uint64_t word = f->index[i];
        ssize_t slot = (uint32_t)word ? free_slot(index, bits, word) : -1;

        if (slot >= 0) {
            index[slot] = word;
        }
    }
}

/* A new file in the old one's place, with what that held if `keep`. */
static void rewrite(PersistFile *f, const char *name, uint64_t key, unsigned count, bool keep)
{
    size_t used = keep ? ROUND_UP(f->size - data_start(f->index_bits), (size_t)PERSIST_ALIGN) : 0;
    unsigned total = count + (keep ? count_entries(f) : 0);
    Header h = { .magic = MAGIC, .id = f->id, .key = key, .version = VERSION };
    g_autofree char *temp = g_strdup_printf("%s.%d", name, getpid());
    g_autofree uint64_t *index = NULL;
    size_t start;
    bool ok;
    int fd;

    h.index_bits = MIN_INDEX_BITS;
    while (h.index_bits < MAX_INDEX_BITS && total > 1u << (h.index_bits - 2)) {
        h.index_bits++;
    }
    start = data_start(h.index_bits);
    index = g_malloc0((size_t)8 << h.index_bits);
    if (keep) {
        enter_old(f, index, h.index_bits);
    }
    if (!enter_fresh(f, index, h.index_bits, used)) {
        return;
    }
    fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return;
    }
    ok = write_all(fd, &h, sizeof(h), 0) &&
         write_all(fd, index, (size_t)8 << h.index_bits, HEADER_SIZE) &&
         (!keep || write_all(fd, f->data, f->size - data_start(f->index_bits), (off_t)start)) &&
         write_all(fd, f->fresh, f->fresh_size, (off_t)(start + used));
    close(fd);
    if (!ok || rename(temp, name)) {
        unlink(temp);
    }
}

/* ---- the folder ---- */

typedef struct DirFile {
    char *name;
    uint64_t size;
    struct timespec mtime;
} DirFile;

static int by_age(const void *a, const void *b)
{
    const DirFile *x = a, *y = b;

    return x->mtime.tv_sec < y->mtime.tv_sec ? -1 : x->mtime.tv_sec > y->mtime.tv_sec;
}

/* When a file is added: those that were not written for longest go, until there is room. */
static void tidy_dir(const char *dir)
{
    GArray *files = g_array_new(false, false, sizeof(DirFile));
    DIR *d = opendir(dir);
    uint64_t sum = 0;

    for (struct dirent *de; d && (de = readdir(d));) {
        struct stat st;

        if (strstr(de->d_name, SUFFIX) && !fstatat(dirfd(d), de->d_name, &st, 0)) {
            DirFile file = { g_strdup(de->d_name), (uint64_t)st.st_size, st.st_mtim };

            sum += file.size;
            g_array_append_val(files, file);
        }
    }
    qsort(files->data, files->len, sizeof(DirFile), by_age);
    for (guint i = 0; i < files->len; i++) {
        DirFile *file = &g_array_index(files, DirFile, i);

        if (sum > MAX_DIR && !unlinkat(dirfd(d), file->name, 0)) {
            sum -= file->size;
        }
        g_free(file->name);
    }
    g_array_free(files, true);
    if (d) {
        closedir(d);
    }
}

/* ---- */

/* Nothing may reach a size at which the kernel sends SIGXFSZ. */
static bool size_allowed(size_t size)
{
    struct rlimit limit;

    return size <= MAX_FILE &&
           (getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur > size + (1 << 20));
}

/* The file as it is now, locked; -1: there is none or it cannot be had. */
static int reopen(PersistFile *f, const char *name, uint64_t key, bool *busy)
{
    int fd = open(name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    struct stat by_fd, by_name;

    *busy = false;
    if (fd < 0) {
        *busy = errno != ENOENT;
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) || fstat(fd, &by_fd) || stat(name, &by_name) ||
        by_fd.st_ino != by_name.st_ino) {
        *busy = true; /* somebody else writes it or has just replaced it */
    } else if (map_file(f, fd, key)) {
        return fd;
    }
    close(fd);
    return -1;
}

void persist_file_append(PersistFile *old, const char *dir, uint64_t key)
{
    PersistFile f = { .id = old->id, .fresh = old->fresh, .fresh_size = old->fresh_size };
    char name[PATH_MAX];
    unsigned count;
    bool busy;
    int fd;

    file_name(name, sizeof(name), &f, dir, key);
    fd = reopen(&f, name, key, &busy);
    if (busy) {
        return;
    }
    count = drop_known(&f);
    if (!count || !size_allowed(f.size + f.fresh_size)) {
        /* nothing to do, or no room */
    } else if (fd < 0) {
        tidy_dir(dir);
        rewrite(&f, name, key, count, false);
    } else if (!append(&f, fd)) {
        bool sane = count_entries(&f) * sizeof(PersistEntry) <= f.size;

        rewrite(&f, name, key, count, sane);
    }
    unmap(&f);
    if (fd >= 0) {
        close(fd);
    }
}
