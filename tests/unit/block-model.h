/* SPDX-License-Identifier: MIT */
/* Random guest requests on a small image, and what may be read after them: shared by the tests that
 * cut the power and those that make the host fail. */
#ifndef TESTS_BLOCK_MODEL_H
#define TESTS_BLOCK_MODEL_H

#include <stdio.h>
#include <stdlib.h>
#include "block/block.h"
#include "block/bytes.h"

enum {
    SIZE = 2 << 20,
    MAX_SIZE = 3 << 20,
    UNIT = 4096,
    FILLED = SIZE - (256 << 10),
    UNITS = MAX_SIZE / UNIT
};

/* What each unit of the guest may hold: its pattern when last flushed, or any written since. */
typedef struct Model {
    uint8_t flushed[UNITS];
    GByteArray *since[UNITS];
    bool vague[UNITS]; /* the last request for it failed: any of them */
} Model;

static void model_write(Model *m, unsigned unit, uint8_t pattern)
{
    if (!m->since[unit]) {
        m->since[unit] = g_byte_array_new();
    }
    g_byte_array_append(m->since[unit], &pattern, 1);
}

static void model_flush(Model *m)
{
    for (unsigned i = 0; i < UNITS; i++) {
        if (m->since[i] && !m->vague[i]) {
            m->flushed[i] = m->since[i]->data[m->since[i]->len - 1];
            g_byte_array_free(m->since[i], true);
            m->since[i] = NULL;
        }
    }
}

static bool model_allows(const Model *m, unsigned unit, uint8_t value)
{
    if (m->flushed[unit] == value) {
        return true;
    }
    for (unsigned i = 0; m->since[unit] && i < m->since[unit]->len; i++) {
        if (m->since[unit]->data[i] == value) {
            return true;
        }
    }
    return false;
}

static uint8_t model_last(const Model *m, unsigned unit)
{
    return m->since[unit] ? m->since[unit]->data[m->since[unit]->len - 1] : m->flushed[unit];
}

/* A new image; with so many bits a count that its refcount table will have to grow it is
 * almost full. */
static void model_create(Model *m, const char *path, const char *options)
{
    g_autoptr(Opts) opts = opts_new();
    GError *err = NULL;
    opts_parse(opts, options, NULL, NULL);
    opts_setf(opts, "size", "%d", SIZE);
    g_assert_true(block_create(path, "qcow2", opts, &err));
    if (!strstr(options, "refcount_bits=64")) {
        return;
    }
    g_autofree uint8_t *buf = g_malloc(FILLED);
    memset(buf, 0x77, FILLED);
    memset(m->flushed, 0x77, FILLED / UNIT);
    BlockNode *n = block_open(path, "qcow2", NULL, BLOCK_RDWR, &err);
    g_assert_no_error(err);
    g_assert_cmpint(block_pwrite(n, 0, buf, FILLED), ==, 0);
    block_unref(n);
}

static bool op_write(BlockNode *n, GRand *r, Model *m, unsigned units)
{
    uint8_t buf[16 * UNIT];
    unsigned len = g_rand_int_range(r, 1, 17), at = g_rand_int_range(r, 0, units - len + 1);
    uint8_t pattern = g_rand_int_range(r, 1, 256);
    int kind = g_rand_int_range(r, 0, 10);
    int64_t off = (int64_t)at * UNIT, bytes = (int64_t)len * UNIT;
    pattern = kind < 6 ? pattern : 0;
    for (unsigned i = at; i < at + len; i++) {
        if (kind == 9) { /* a discard keeps parts of clusters: see below */
            uint8_t old = model_last(m, i);
            model_write(m, i, 0);
            model_write(m, i, old);
        } else {
            model_write(m, i, pattern);
        }
    }
    memset(buf, pattern, bytes);
    int ret = kind < 6    ? block_pwrite(n, off, buf, bytes)
              : kind == 6 ? block_write_zeroes(n, off, bytes, 0)
              : kind < 9  ? block_write_zeroes(n, off, bytes, BLOCK_ZERO_MAY_UNMAP)
                          : block_discard(n, off, bytes);
    for (unsigned i = at; i < at + len; i++) {
        if (kind == 9 && !ret) {
            ret = block_pread(n, (int64_t)i * UNIT, buf, UNIT);
            model_write(m, i, buf[0]);
        }
        m->vague[i] = ret != 0;
    }
    return ret == 0;
}

/* One step; false when it failed. */
static bool step(BlockNode *n, GRand *r, Model *m, int i)
{
    GError *err = NULL;
    char name[16];
    bool ok = true;
    int kind = g_rand_int_range(r, 0, 20);
    if (kind == 0) {
        ok = block_flush(n) == 0;
        if (ok) {
            model_flush(m);
        }
        return ok;
    }
    if (kind == 1) {
        g_snprintf(name, sizeof(name), "s%d", i);
        ok = n->drv->snapshot_create(n, name, &err);
    } else if (kind == 2) {
        g_autoptr(GPtrArray) list = n->drv->snapshot_list(n);
        if (list->len) {
            BlockSnapshot *sn = g_ptr_array_index(list, 0);
            ok = n->drv->snapshot_delete(n, sn->name, &err);
        }
    } else if (kind == 3) {
        int64_t size = n->size == SIZE ? MAX_SIZE : SIZE;
        if (size < n->size) {
            for (unsigned u = SIZE / UNIT; u < UNITS; u++) {
                model_write(m, u, 0);
            }
        }
        bool shrink = size < n->size;
        ok = block_truncate(n, size, BLOCK_PREALLOC_OFF, &err);
        for (unsigned u = SIZE / UNIT; shrink && u < UNITS; u++) {
            m->vague[u] = !ok;
        }
    } else {
        return op_write(n, r, m, n->size / UNIT);
    }
    g_clear_error(&err);
    return ok;
}

/* Standard error is closed to the messages of check, so failures are told on standard output. */
static void die(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
static void die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    printf("Bail out! ");
    vprintf(fmt, ap);
    va_end(ap);
    fflush(stdout);
    abort();
}

/* All that a node holds is what it may be. A unit may be torn, by a cut or an error in the middle
 * of its write: each sector counts. */
static void verify_content(BlockNode *n, Model *m, const char *what)
{
    uint8_t buf[UNIT];
    for (unsigned u = 0; u < n->size / UNIT; u++) {
        int ret = block_pread(n, (int64_t)u * UNIT, buf, UNIT);
        if (ret) {
            die("%s: unit %u: %s\n", what, u, g_strerror(-ret));
        }
        for (unsigned s = 0; s < UNIT; s += BLOCK_SECTOR) {
            if (!model_allows(m, u, buf[s])) {
                die("%s: unit %u holds %d, flushed was %d\n", what, u, buf[s], m->flushed[u]);
            }
        }
    }
}

static void verify(const char *path, Model *m, const char *what)
{
    GError *err = NULL;
    BlockCheckResult res = { 0 };
    BlockNode *n = block_open(path, "qcow2", NULL, BLOCK_CHECK, &err);
    g_assert_no_error(err);
    g_assert_cmpint(n->drv->check(n, 0, &res), ==, 0);
    if (res.corruptions && !strstr(what, "lazy")) {
        die("%s: %d corruptions\n", what, (int)res.corruptions);
    }
    g_assert_cmpint(res.check_errors, ==, 0);
    block_unref(n);

    /* Open for writing, which repairs what lazy refcounts left, and read it all. */
    n = block_open(path, "qcow2", NULL, BLOCK_RDWR, &err);
    g_assert_no_error(err);
    verify_content(n, m, what);
    block_unref(n);
    memset(&res, 0, sizeof(res));
    n = block_open(path, "qcow2", NULL, BLOCK_CHECK | BLOCK_RDWR, &err);
    g_assert_no_error(err);
    g_assert_cmpint(n->drv->check(n, BLOCK_FIX_LEAKS | BLOCK_FIX_ERRORS, &res), ==, 0);
    memset(&res, 0, sizeof(res));
    g_assert_cmpint(n->drv->check(n, 0, &res), ==, 0);
    g_assert_cmpint(res.leaks + res.corruptions + res.check_errors, ==, 0);
    block_unref(n);
}

#endif
