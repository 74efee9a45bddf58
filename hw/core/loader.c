/* SPDX-License-Identifier: MIT */
/* Files into guest memory: kept, and written again at each reset. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include "hw/machine.h"

typedef struct Blob {
    char *name;
    GBytes *data;
    hwaddr addr;
    struct Blob *next;
} Blob;

static Blob *blobs;

bool loader_add(const char *name, GBytes *data, hwaddr addr, GError **err)
{
    uint64_t size = g_bytes_get_size(data);
    for (Blob *b = blobs; b; b = b->next) {
        if (addr < b->addr + g_bytes_get_size(b->data) && b->addr < addr + size) {
            g_set_error(err, HW_ERROR, 0, "%s at %#" PRIx64 " would overlap %s at %#" PRIx64, name,
                        addr, b->name, b->addr);
            return false;
        }
    }
    Blob *b = g_new(Blob, 1);
    *b = (Blob){ g_strdup(name), g_bytes_ref(data), addr, blobs };
    blobs = b;
    return true;
}

void loader_reset(AddressSpace *as)
{
    for (Blob *b = blobs; b; b = b->next) {
        gsize size;
        const void *data = g_bytes_get_data(b->data, &size);
        address_space_write_rom(as, b->addr, data, size);
    }
}

void loader_foreach(void (*fn)(const char *name, hwaddr addr, uint64_t size, void *opaque),
                    void *opaque)
{
    for (Blob *b = blobs; b; b = b->next) {
        fn(b->name, b->addr, g_bytes_get_size(b->data), opaque);
    }
}

GBytes *loader_inflate(const void *data, size_t len, GError **err)
{
    z_stream z = { .next_in = (Bytef *)data, .avail_in = (uInt)MIN(len, UINT32_MAX) };
    enum { LIMIT = 1u << 30, CHUNK = 1 << 20 };
    GByteArray *out = g_byte_array_new();
    int res = inflateInit2(&z, 16 + MAX_WBITS);
    while (res == Z_OK && out->len < LIMIT) {
        guint at = out->len;
        g_byte_array_set_size(out, at + CHUNK);
        z.next_out = out->data + at;
        z.avail_out = CHUNK;
        res = inflate(&z, Z_NO_FLUSH);
        g_byte_array_set_size(out, at + CHUNK - z.avail_out);
    }
    inflateEnd(&z);
    if (res != Z_STREAM_END) {
        g_byte_array_free(out, TRUE);
        g_set_error(err, HW_ERROR, 0, "bad or too large gzip data");
        return NULL;
    }
    return g_byte_array_free_to_bytes(out);
}

/* Pipes; a device that never ends is refused (EFBIG) like a file too large for any use here. */
static GBytes *read_to_end(int fd)
{
    enum { MOST = 1 << 30 };
    g_autoptr(GByteArray) all = g_byte_array_new();
    uint8_t part[65536];
    ssize_t n;
    while ((n = read(fd, part, sizeof(part))) > 0 || (n < 0 && errno == EINTR)) {
        g_byte_array_append(all, part, n > 0 ? (guint)n : 0);
        if (all->len > MOST) {
            errno = EFBIG;
            return NULL;
        }
    }
    return n ? NULL : g_byte_array_free_to_bytes(g_steal_pointer(&all));
}

static GBytes *map_whole(int fd)
{
    GMappedFile *file = g_mapped_file_new_from_fd(fd, FALSE, NULL);
    GBytes *bytes = file ? g_mapped_file_get_bytes(file) : NULL;
    if (file) {
        g_mapped_file_unref(file);
    }
    return bytes;
}

GBytes *loader_map_file(const char *path, GError **err)
{
    struct stat st;
    GBytes *bytes = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &st) == 0) {
        bytes = S_ISREG(st.st_mode) ? map_whole(fd) : read_to_end(fd);
    }
    if (!bytes) {
        g_set_error_literal(err, HW_ERROR, 0, g_strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    return bytes;
}

GBytes *loader_read_file(const char *path, GError **err)
{
    GBytes *bytes = loader_map_file(path, err);
    if (!bytes) {
        g_prefix_error(err, "cannot read '%s': ", path);
        return NULL;
    }
    gsize len;
    const uint8_t *data = g_bytes_get_data(bytes, &len);
    if (len > 18 && data[0] == 0x1f && data[1] == 0x8b) {
        GBytes *unpacked = loader_inflate(data, len, err);
        g_prefix_error(err, "'%s': ", path);
        g_bytes_unref(bytes);
        return unpacked;
    }
    return bytes;
}

/* ---- folders with the emulator's own files ----------------------------------------------- */

static GPtrArray *data_dirs;

void data_dir_add(const char *dir)
{
    if (!data_dirs) {
        data_dirs = g_ptr_array_new();
    }
    g_ptr_array_add(data_dirs, g_strdup(dir));
}

void data_dirs_print(FILE *f)
{
    for (guint i = 0; data_dirs && i < data_dirs->len; i++) {
        fprintf(f, "%s\n", (char *)data_dirs->pdata[i]);
    }
}

char *data_file_find(const char *name)
{
    if (access(name, R_OK) == 0) {
        return g_strdup(name);
    }
    for (guint i = 0; data_dirs && i < data_dirs->len; i++) {
        char *path = g_build_filename(data_dirs->pdata[i], name, NULL);
        if (access(path, R_OK) == 0) {
            return path;
        }
        g_free(path);
    }
    return NULL;
}
