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
    WRITER_BUFFER = 64 << 10,
    VERSION = 3,
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
    g_array_sort(files, by_age);
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

/* ---- adding ---- */

struct PersistWriter {
    PersistFile old; /* what is there; no map: nothing */
    char name[PATH_MAX], temp[PATH_MAX];
    int fd;
    bool rewrite; /* fd is temp, which is going to replace what is there */
    bool failed;
    uint64_t *index;
    unsigned index_bits, nb_added;
    uint64_t used; /* bytes of data, with what is in the buffer */
    size_t fill;
    uint8_t buffer[WRITER_BUFFER] __attribute__((aligned(PERSIST_ALIGN)));
};

static bool write_all(int fd, const void *data, size_t size, uint64_t at)
{
    const char *p = data;

    while (size) {
        ssize_t n = pwrite(fd, p, size, (off_t)at);

        if (n <= 0) {
            return false;
        }
        p += n;
        at += (uint64_t)n;
        size -= (size_t)n;
    }
    return true;
}

/* Enters an index word at a free place. */
static bool enter(uint64_t *index, unsigned bits, uint64_t word)
{
    uint64_t mask = (UINT64_C(1) << bits) - 1, first = word >> (64 - bits);

    for (unsigned turn = 0; turn < MAX_PROBES; turn++) {
        uint64_t *at = &index[(first + turn) & mask];

        if (!(uint32_t)*at) {
            *at = word;
            return true;
        }
    }
    return false;
}

/* Does the file hold a translation of the same guest code? */
static bool holds(const PersistFile *f, const PersistEntry *e)
{
    uint32_t guest = persist_parts(e).guest;
    const PersistEntry *old;
    unsigned turn = 0;

    while ((old = persist_file_find(f, &e->key, &turn))) {
        if (persist_may_be_at(old, e->pc) && old->guest_size == e->guest_size &&
            !memcmp(old->ranges, e->ranges, sizeof(e->ranges)) &&
            !memcmp((const char *)old + persist_parts(old).guest, (const char *)e + guest,
                    e->guest_size)) {
            return true;
        }
    }
    return false;
}

/* Nothing may reach a size at which the kernel sends SIGXFSZ. */
static uint64_t size_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur > MAX_FILE) {
        return MAX_FILE;
    }
    return limit.rlim_cur;
}

static void flush(PersistWriter *w)
{
    uint64_t at = data_start(w->index_bits) + w->used - w->fill;

    if (at + w->fill > size_limit() || !write_all(w->fd, w->buffer, w->fill, at)) {
        w->failed = true; /* the disk is full, or the like */
    }
    w->fill = 0;
}

PersistEntry *persist_writer_room(PersistWriter *w, size_t size)
{
    if (size > sizeof(w->buffer)) {
        return NULL;
    }
    if (size > sizeof(w->buffer) - w->fill) {
        flush(w);
    }
    return memset(w->buffer + w->fill, 0, size);
}

void persist_writer_add(PersistWriter *w)
{
    PersistEntry *e = (PersistEntry *)(w->buffer + w->fill);

    e->sum = persist_sum(e);
    if (!w->failed && !holds(&w->old, e) &&
        enter(w->index, w->index_bits, word_of(hash(&e->key), w->used))) {
        w->fill += e->size;
        w->used += e->size;
        w->nb_added++;
    }
}

/* Nothing points at what was written until now; from the first changed page on it does. */
static void write_index(const PersistWriter *w)
{
    const char *old = (const char *)w->old.index, *new = (char *)w->index;
    size_t size = (size_t)8 << w->index_bits;

    if (w->rewrite) {
        write_all(w->fd, new, size, HEADER_SIZE);
        return;
    }
    for (size_t at = 0; at < size; at += HEADER_SIZE) {
        if (memcmp(new + at, old + at, HEADER_SIZE)) {
            write_all(w->fd, new + at, HEADER_SIZE, HEADER_SIZE + at);
        }
    }
}

void persist_writer_end(PersistWriter *w)
{
    if (w->fill) {
        flush(w);
    }
    if (!w->failed && w->nb_added) {
        write_index(w);
    }
    if (w->rewrite && (w->failed || !w->nb_added || rename(w->temp, w->name))) {
        unlink(w->temp);
    }
    close(w->fd);
    unmap(&w->old);
    g_free(w->index);
    g_free(w);
}

/* ---- beginning to add ---- */

/* The file as it is now, locked. False: somebody else writes it or has just replaced it. */
static bool open_old(PersistWriter *w, uint64_t key)
{
    struct stat by_fd, by_name;

    w->fd = open(w->name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (w->fd < 0) {
        return errno == ENOENT;
    }
    if (flock(w->fd, LOCK_EX | LOCK_NB) || fstat(w->fd, &by_fd) || stat(w->name, &by_name) ||
        by_fd.st_ino != by_name.st_ino) {
        return false;
    }
    map_file(&w->old, w->fd, key);
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

static uint64_t used_data(const PersistFile *f)
{
    return f->map ? ROUND_UP(f->size - data_start(f->index_bits), (uint64_t)PERSIST_ALIGN) : 0;
}

/* A new file with what is in the old one, and its index large enough. */
static bool start_rewrite(PersistWriter *w, uint64_t key, unsigned total)
{
    const PersistFile *old = &w->old;
    Header h = { MAGIC, old->id, key, VERSION, MIN_INDEX_BITS };

    while (h.index_bits < MAX_INDEX_BITS && total > 1u << (h.index_bits - 1)) {
        h.index_bits++;
    }
    w->rewrite = true;
    w->index_bits = h.index_bits;
    w->index = g_malloc0((size_t)8 << h.index_bits);
    for (size_t i = 0; old->map && i < (size_t)1 << old->index_bits; i++) {
        if ((uint32_t)old->index[i]) {
            enter(w->index, w->index_bits, old->index[i]);
        }
    }
    w->fd = open(w->temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return w->fd >= 0 && data_start(h.index_bits) + w->used < size_limit() &&
           write_all(w->fd, &h, sizeof(h), 0) &&
           (!old->map || write_all(w->fd, old->data, old->size - data_start(old->index_bits),
                                   data_start(h.index_bits)));
}

static bool start(PersistWriter *w, const char *dir, uint64_t key, unsigned count)
{
    unsigned total;
    int locked;
    bool ok;

    if (!open_old(w, key)) {
        return false;
    }
    total = count + count_entries(&w->old);
    if (total > (w->old.map ? w->old.size : 0) / sizeof(PersistEntry) + count) {
        unmap(&w->old); /* more than can be there: the index is damaged */
        total = count;
    }
    w->used = used_data(&w->old);
    if (w->old.map && total <= 1u << (w->old.index_bits - 1)) {
        w->index_bits = w->old.index_bits;
        w->index = g_memdup2(w->old.index, (size_t)8 << w->index_bits);
        return true;
    }
    locked = w->fd;
    if (!w->old.map) {
        tidy_dir(dir);
    }
    ok = start_rewrite(w, key, total);
    if (locked >= 0) {
        close(locked);
    }
    return ok;
}

PersistWriter *persist_writer_new(uint64_t id, const char *dir, uint64_t key, unsigned count)
{
    PersistWriter *w = g_malloc(sizeof(*w));

    memset(w, 0, offsetof(PersistWriter, buffer));
    w->old.id = id;
    file_name(w->name, sizeof(w->name), &w->old, dir, key);
    g_snprintf(w->temp, sizeof(w->temp), "%.*s.%d", (int)sizeof(w->temp) - 16, w->name, getpid());
    if (!start(w, dir, key, count)) {
        w->failed = true;
        if (w->fd >= 0) {
            persist_writer_end(w);
        } else {
            unmap(&w->old);
            g_free(w->index);
            g_free(w);
        }
        return NULL;
    }
    return w;
}
