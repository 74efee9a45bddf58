/* SPDX-License-Identifier: MIT */
/* The log of a VHDX image that was not closed ("Virtual Hard Disk v2" [MS-VHDX], 2.3): a ring of
 * entries, each of descriptors and 4 KiB data sectors. The newest valid entry tells where the
 * oldest that still counts lies; from there on all of them are written to the file. */
#include "block/vhdx.h"
#include "block/blocktable.h"
#include "block/bytes.h"
#include <errno.h>

enum {
    SECTOR = 4096,
    ENTRY_HEADER = 64,
    DESCRIPTOR = 32,
    E_CHECKSUM = 4,
    E_LENGTH = 8,
    E_TAIL = 12,
    E_SEQUENCE = 16,
    E_COUNT = 24,
    E_GUID = 32,
    E_FLUSHED = 48,
    E_LAST = 56,
};

typedef struct Log {
    BlockNode *node;
    const uint8_t *ring, *guid;
    uint32_t len;
    uint8_t *entry; /* the one that was looked at last, in a row */
} Log;

/* 2.3.1: is there a whole entry at `at`? Then it is in log->entry. */
static bool load_entry(Log *log, uint32_t at)
{
    const uint8_t *h = log->ring + at;
    uint32_t len = ld_le32(h + E_LENGTH), count = ld_le32(h + E_COUNT), data = 0;
    if (memcmp(h, "loge", 4) || memcmp(h + E_GUID, log->guid, 16) || !len || len % SECTOR ||
        len > log->len || ld_le32(h + E_TAIL) % SECTOR || ld_le32(h + E_TAIL) >= log->len) {
        return false;
    }
    uint32_t first = MIN(len, log->len - at);
    memcpy(log->entry, h, first);
    memcpy(log->entry + first, log->ring, len - first);
    uint64_t head = ROUND_UP(ENTRY_HEADER + (uint64_t)count * DESCRIPTOR, SECTOR);
    uint64_t sequence = ld_le64(h + E_SEQUENCE);
    if (head > len || vhdx_crc32c(log->entry, len, E_CHECKSUM) != ld_le32(h + E_CHECKSUM)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *d = log->entry + ENTRY_HEADER + i * DESCRIPTOR;
        bool is_data = !memcmp(d, "desc", 4);
        if ((!is_data && memcmp(d, "zero", 4)) || ld_le64(d + 24) != sequence) {
            return false;
        }
        data += is_data;
    }
    for (uint32_t i = 0; i < data && head + (uint64_t)data * SECTOR == len; i++) {
        const uint8_t *s = log->entry + head + (uint64_t)i * SECTOR;
        if (memcmp(s, "data", 4) || ld_le32(s + 4) != sequence >> 32 ||
            ld_le32(s + SECTOR - 4) != (uint32_t)sequence) {
            return false;
        }
    }
    return head + (uint64_t)data * SECTOR == len;
}

/* 2.3.1.2, 2.3.1.3: one descriptor; `data` is its sector. */
static int apply(BlockNode *file, const uint8_t *d, const uint8_t *data)
{
    uint64_t off = ld_le64(d + 16), len = data ? SECTOR : ld_le64(d + 8);
    uint8_t sector[SECTOR];
    if (off % SECTOR || len % SECTOR || off > BLOCK_MAX_SIZE || len > BLOCK_MAX_SIZE - off) {
        return -EINVAL;
    }
    if (!data) {
        return block_write_zeroes(file, off, len, BLOCK_ZERO_MAY_UNMAP);
    }
    memcpy(sector, d + 8, 8);
    memcpy(sector + 8, data + 8, SECTOR - 12);
    memcpy(sector + SECTOR - 4, d + 4, 4);
    return block_pwrite(file, off, sector, SECTOR);
}

static int apply_entry(Log *log)
{
    const uint8_t *e = log->entry;
    BlockNode *file = log->node->file;
    uint32_t count = ld_le32(e + E_COUNT);
    const uint8_t *data = e + ROUND_UP(ENTRY_HEADER + (uint64_t)count * DESCRIPTOR, SECTOR);
    int64_t last = ld_le64(e + E_LAST), size = block_getlength(file);
    int ret = size < 0 || last < 0 || (int64_t)ld_le64(e + E_FLUSHED) > size ? -EINVAL : 0;
    if (!ret && last > size && !block_truncate(file, last, BLOCK_PREALLOC_OFF, NULL)) {
        ret = -EFBIG;
    }
    for (uint32_t i = 0; i < count && !ret; i++) {
        const uint8_t *d = e + ENTRY_HEADER + i * DESCRIPTOR;
        bool is_data = !memcmp(d, "desc", 4);
        ret = apply(file, d, is_data ? data : NULL);
        data += is_data ? SECTOR : 0;
    }
    return ret;
}

bool vhdx_replay_log(BlockNode *node, int64_t off, uint32_t len, const uint8_t *guid, GError **err)
{
    uint64_t newest = 0, sequence;
    uint32_t at = 0, head = 0;
    if (!len || len % SECTOR || len > BLOCK_MAX_METADATA) {
        return block_bad_image(node, err, "a log of %u bytes cannot be replayed", len);
    }
    g_autofree uint8_t *ring = g_malloc(len), *entry = g_malloc(len);
    Log log = { node, ring, guid, len, entry };
    if (!block_read_exact(node, off, ring, len, "log", err)) {
        return false;
    }
    for (uint32_t p = 0; p < len; p += SECTOR) {
        if (load_entry(&log, p) && ld_le64(entry + E_SEQUENCE) > newest) {
            newest = ld_le64(entry + E_SEQUENCE);
            head = p;
            at = ld_le32(entry + E_TAIL);
        }
    }
    for (bool first = true; newest; first = false) {
        uint64_t before = first ? 0 : sequence;
        if (!load_entry(&log, at) || (!first && ld_le64(entry + E_SEQUENCE) != before + 1)) {
            return block_bad_image(node, err, "the log is damaged at %u", at);
        }
        sequence = ld_le64(entry + E_SEQUENCE);
        int ret = apply_entry(&log);
        if (ret) {
            return block_bad_image(node, err, "could not replay the log: %s", g_strerror(-ret));
        }
        if (at == head) {
            break;
        }
        at = ((uint64_t)at + ld_le32(entry + E_LENGTH)) % len;
    }
    int ret = block_flush(node->file);
    return ret == 0 || block_bad_image(node, err, "could not flush: %s", g_strerror(-ret));
}
