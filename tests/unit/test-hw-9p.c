/* SPDX-License-Identifier: MIT */
/* The 9p server as a hostile client sees it: each message, wrong ones, ways out of the folder. */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>
#include "hw/9pfs/9p.h"
#include "hw/9pfs/wire.h"

enum { ROOM = 16384, RLERROR = 7 };
enum {
    STATFS = 8,
    LOPEN = 12,
    LCREATE = 14,
    SYMLINK = 16,
    MKNOD = 18,
    RENAME = 20,
    READLINK = 22,
    GETATTR = 24,
    SETATTR = 26,
    XATTRWALK = 30,
    XATTRCREATE = 32,
    READDIR = 40,
    FSYNC = 50,
    LOCK = 52,
    GETLOCK = 54,
    LINK = 70,
    MKDIR = 72,
    RENAMEAT = 74,
    UNLINKAT = 76,
    VERSION = 100,
    AUTH = 102,
    ATTACH = 104,
    FLUSH = 108,
    WALK = 110,
    READ = 116,
    WRITE = 118,
    CLUNK = 120,
    REMOVE = 122,
};

static P9Server server;
static char *top, *folder; /* folder is in top, beside things that are not exported */
static uint8_t answer[ROOM];
static uint32_t answer_len;

/* Raw bytes as a message; the answer's type, or 0 for none. */
static int raw(const uint8_t *message, size_t len, size_t room)
{
    struct iovec out = { (void *)message, len }, in = { answer, room };
    P9Request r = { &out, &in, 1, 1, room, 0 };
    p9_handle(&server, &r);
    answer_len = r.answered;
    return r.answered ? answer[4] : 0;
}

/* Arguments by letters: 1 2 4 8: numbers of so many bytes; s: a string. 0, or the error. */
static int ask(uint8_t type, const char *format, ...)
{
    uint8_t buf[ROOM] = { 0, 0, 0, 0, type, 0x34, 0x12 };
    WireOut out = { buf, sizeof(buf), 7, false };
    va_list ap;
    va_start(ap, format);
    for (const char *f = format; *f; f++) {
        if (*f == 's') {
            const char *text = va_arg(ap, const char *);
            wire_put_string(&out, text, strlen(text));
        } else {
            wire_put(&out, *f == '8' ? va_arg(ap, uint64_t) : va_arg(ap, unsigned),
                     (unsigned)(*f - '0'));
        }
    }
    va_end(ap);
    uint32_t size = (uint32_t)out.len, error;
    memcpy(buf, &size, 4);
    int got = raw(buf, out.len, ROOM);
    g_assert_cmphex(answer[5] | answer[6] << 8, ==, 0x1234);
    g_assert_cmpuint(answer_len, ==, *(uint32_t *)(void *)answer);
    if (got == RLERROR) {
        memcpy(&error, answer + 7, 4);
        return (int)error;
    }
    g_assert_cmpint(got, ==, type + 1);
    return 0;
}

static void start(FsSecurity security, bool readonly)
{
    FsDev dev = { "f", folder, security, readonly };
    g_assert_cmpint(p9_init(&server, &dev), ==, 0);
    g_assert_cmpint(ask(VERSION, "4s", 8192, "9P2000.L"), ==, 0);
    g_assert_cmpint(ask(ATTACH, "44ss4", 0, -1, "root", "", getuid()), ==, 0);
}

static void put_file(const char *dir, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void set_up(void)
{
    top = g_dir_make_tmp("latimer-9p-XXXXXX", NULL);
    folder = g_build_filename(top, "export", NULL);
    g_autofree char *link = g_build_filename(folder, "out", NULL);
    g_autofree char *file_link = g_build_filename(folder, "out-file", NULL);
    g_assert_cmpint(g_mkdir(folder, 0755), ==, 0);
    put_file(top, "secret", "secret");
    put_file(folder, "f", "content");
    g_assert_cmpint(symlink("..", link), ==, 0);
    g_assert_cmpint(symlink("../secret", file_link), ==, 0);
}

static void tear_down(void)
{
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", top);
    g_assert_cmpint(system(command), ==, 0);
    g_free(top);
    g_free(folder);
}

static bool exists(const char *name)
{
    struct stat st;
    g_autofree char *path = g_build_filename(folder, name, NULL);
    return lstat(path, &st) == 0;
}

static void test_messages(void)
{
    set_up();
    start(FS_NONE, false);
    g_assert_cmpint(ask(WALK, "442s", 0, 1, 1, "f"), ==, 0);
    g_assert_cmpint(ask(GETATTR, "48", 1, (uint64_t)0x7ff), ==, 0);
    g_assert_cmpint(ask(LOPEN, "44", 1, O_RDWR), ==, 0);
    g_assert_cmpint(ask(READ, "484", 1, (uint64_t)3, 100), ==, 0);
    g_assert_cmpmem(answer + 7, 8, "\4\0\0\0tent", 8);
    g_assert_cmpint(ask(WRITE, "484411", 1, (uint64_t)0, 2, 0x4f43, 0, 0), ==, 0);
    g_assert_cmpint(ask(FSYNC, "44", 1, 0), ==, 0);
    g_assert_cmpint(ask(LOCK, "414884s", 1, 1, 0, (uint64_t)0, (uint64_t)0, 1, "me"), ==, 0);
    g_assert_cmpint(ask(GETLOCK, "41884s", 1, 1, (uint64_t)0, (uint64_t)0, 1, "me"), ==, 0);
    g_assert_cmpint(ask(SETATTR, "4444488888", 1, 8, 0, 0, 0, (uint64_t)2, (uint64_t)0, (uint64_t)0,
                        (uint64_t)0, (uint64_t)0),
                    ==, 0);
    g_assert_cmpint(ask(CLUNK, "4", 1), ==, 0);
    g_assert_cmpint(ask(STATFS, "4", 0), ==, 0);
    g_assert_cmpint(ask(MKDIR, "4s44", 0, "d", 0755, getgid()), ==, 0);
    g_assert_cmpint(ask(MKDIR, "4s44", 0, "d", 0755, getgid()), ==, EEXIST);
    g_assert_cmpint(ask(SYMLINK, "4ss4", 0, "l", "/somewhere", getgid()), ==, 0);
    g_assert_cmpint(ask(WALK, "442s", 0, 2, 1, "l"), ==, 0);
    g_assert_cmpint(ask(READLINK, "4", 2), ==, 0);
    g_assert_cmpmem(answer + 7, 12, "\12\0/somewhere", 12);
    g_assert_cmpint(ask(REMOVE, "4", 2), ==, 0);
    g_assert_false(exists("l"));
    g_assert_cmpint(ask(MKNOD, "4s4444", 0, "p", S_IFIFO | 0600, 0, 0, getgid()), ==, 0);
    g_assert_cmpint(ask(WALK, "442s", 0, 2, 1, "p"), ==, 0);
    g_assert_cmpint(ask(LOPEN, "44", 2, O_RDONLY), ==, EINVAL); /* it would wait for ever */
    g_assert_cmpint(ask(CLUNK, "4", 2), ==, 0);
    g_assert_cmpint(ask(UNLINKAT, "4s4", 0, "p", 0), ==, 0);
    g_assert_cmpint(ask(WALK, "442s", 0, 2, 1, "d"), ==, 0);
    g_assert_cmpint(ask(WALK, "442", 2, 3, 0), ==, 0);
    g_assert_cmpint(ask(LCREATE, "4s444", 3, "new", O_RDWR, 0644, getgid()), ==, 0);
    /* The folder gets another name: the fids below follow it. */
    g_assert_cmpint(ask(RENAMEAT, "4s4s", 0, "d", 0, "e"), ==, 0);
    g_assert_cmpint(ask(GETATTR, "48", 3, (uint64_t)0x7ff), ==, 0);
    g_assert_cmpint(ask(LINK, "44s", 0, 3, "hard"), ==, 0);
    g_assert_true(exists("e/new") && exists("hard"));
    g_assert_cmpint(ask(RENAME, "44s", 3, 0, "moved"), ==, 0);
    g_assert_true(exists("moved"));
    g_assert_cmpint(ask(LOPEN, "44", 2, O_RDONLY | O_DIRECTORY), ==, 0);
    g_assert_cmpint(ask(READDIR, "484", 2, (uint64_t)0, 4000), ==, 0);
    g_assert_cmpint(ask(UNLINKAT, "4s4", 0, "e", 0x200), ==, 0);
    g_assert_cmpint(ask(AUTH, "4ss4", 9, "u", "", 0), ==, EOPNOTSUPP);
    g_assert_cmpint(ask(FLUSH, "2", 1), ==, 0);
    g_assert_cmpint(ask(90, ""), ==, EOPNOTSUPP);
    p9_cleanup(&server);
    tear_down();
}

static void test_xattr(void)
{
    set_up();
    start(FS_MAPPED_XATTR, false);
    g_assert_cmpint(ask(WALK, "442s", 0, 1, 1, "f"), ==, 0);
    g_assert_cmpint(ask(WALK, "442", 1, 2, 0), ==, 0);
    g_assert_cmpint(ask(XATTRCREATE, "4s84", 2, "user.virtfs.uid", (uint64_t)4, 0), ==, 0);
    g_assert_cmpint(ask(WRITE, "4844", 2, (uint64_t)0, 4, 0), ==, 0);
    g_assert_cmpint(ask(CLUNK, "4", 2), ==, EACCES); /* the mapping's own */
    g_assert_cmpint(ask(WALK, "442", 1, 2, 0), ==, 0);
    g_assert_cmpint(ask(XATTRCREATE, "4s84", 2, "user.x", (uint64_t)1 << 40, 0), ==, E2BIG);
    g_assert_cmpint(ask(XATTRCREATE, "4s84", 2, "user.x", (uint64_t)4, 0), ==, 0);
    g_assert_cmpint(ask(WRITE, "4844", 2, (uint64_t)1, 4, 0), ==, ENOSPC);
    g_assert_cmpint(ask(WRITE, "4844", 2, (uint64_t)0, 4, 0x64636261), ==, 0);
    int ret = ask(CLUNK, "4", 2);
    if (ret == EOPNOTSUPP) {
        g_test_skip("no user attributes on this file system");
    } else {
        g_assert_cmpint(ret, ==, 0);
        g_assert_cmpint(ask(XATTRWALK, "44s", 1, 3, "user.x"), ==, 0);
        g_assert_cmpint(ask(READ, "484", 3, (uint64_t)0, 100), ==, 0);
        g_assert_cmpmem(answer + 7, 8, "\4\0\0\0abcd", 8);
        g_assert_cmpint(ask(CLUNK, "4", 3), ==, 0);
        g_assert_cmpint(ask(XATTRWALK, "44s", 1, 3, ""), ==, 0);
        g_assert_cmpint(ask(READ, "484", 3, (uint64_t)0, 100), ==, 0);
        g_assert_cmpmem(answer + 11, 7, "user.x", 7);
    }
    p9_cleanup(&server);
    tear_down();
}

/* Nothing outside of the folder is named, read or made, by whatever way. */
static void test_no_escape(void)
{
    static const char *const names[] = { "..", ".", "", "a/b", "../secret", "/etc" };
    set_up();
    start(FS_NONE, false);
    /* Up from the top is the top. */
    g_assert_cmpint(ask(WALK, "442s", 0, 1, 1, ".."), ==, 0);
    g_assert_cmpint(ask(WALK, "442s", 1, 2, 1, "secret"), ==, ENOENT);
    g_assert_cmpint(ask(WALK, "442s", 1, 2, 1, "f"), ==, 0);
    /* Links are only looked at. */
    g_assert_cmpint(ask(WALK, "442s", 0, 3, 1, "out"), ==, 0);
    g_assert_cmpint(ask(WALK, "442s", 3, 4, 1, "secret"), !=, 0);
    g_assert_cmpint(ask(LOPEN, "44", 3, O_RDONLY), ==, ELOOP);
    g_assert_cmpint(ask(LCREATE, "4s444", 3, "new", O_RDWR, 0644, 0), !=, 0);
    g_assert_cmpint(ask(MKDIR, "4s44", 3, "new", 0755, 0), !=, 0);
    g_assert_cmpint(ask(UNLINKAT, "4s4", 3, "secret", 0), !=, 0);
    g_assert_cmpint(ask(RENAMEAT, "4s4s", 0, "f", 3, "f"), !=, 0);
    g_assert_cmpint(ask(RENAMEAT, "4s4s", 3, "secret", 0, "s"), !=, 0);
    g_assert_cmpint(ask(LINK, "44s", 3, 2, "f"), !=, 0);
    g_assert_cmpint(ask(WALK, "442s", 0, 5, 1, "out-file"), ==, 0);
    g_assert_cmpint(ask(LOPEN, "44", 5, O_RDONLY), ==, ELOOP);
    g_assert_cmpint(ask(LOPEN, "44", 5, O_RDWR | O_TRUNC), ==, ELOOP);
    g_assert_cmpint(ask(SETATTR, "4444488888", 5, 8, 0, 0, 0, (uint64_t)0, (uint64_t)0, (uint64_t)0,
                        (uint64_t)0, (uint64_t)0),
                    ==, ELOOP);
    g_assert_cmpint(ask(SETATTR, "4444488888", 5, 1, 0777, 0, 0, (uint64_t)0, (uint64_t)0,
                        (uint64_t)0, (uint64_t)0, (uint64_t)0),
                    ==, EOPNOTSUPP);
    g_assert_cmpint(ask(LCREATE, "4s444", 1, "out-file", O_RDWR, 0644, 0), !=, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_assert_cmpint(ask(MKDIR, "4s44", 0, names[i], 0755, 0), ==, EINVAL);
        g_assert_cmpint(ask(UNLINKAT, "4s4", 0, names[i], 0), ==, EINVAL);
        g_assert_cmpint(ask(RENAMEAT, "4s4s", 0, "f", 0, names[i]), ==, EINVAL);
        g_assert_cmpint(ask(SYMLINK, "4ss4", 0, names[i], "x", 0), ==, EINVAL);
        g_assert_cmpint(ask(MKNOD, "4s4444", 0, names[i], S_IFREG, 0, 0, 0), ==, EINVAL);
        g_assert_cmpint(ask(LCREATE, "4s444", 1, names[i], O_RDWR, 0644, 0), ==, EINVAL);
        g_assert_cmpint(ask(LINK, "44s", 0, 2, names[i]), ==, EINVAL);
    }
    g_autofree char *secret = g_build_filename(top, "secret", NULL), *text = NULL;
    g_assert_true(g_file_get_contents(secret, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "secret");
    /* The server's folder turns into a link behind its back: it has the folder itself. */
    g_autofree char *aside = g_strconcat(folder, "-aside", NULL);
    g_assert_cmpint(rename(folder, aside), ==, 0);
    g_assert_cmpint(symlink("/", folder), ==, 0);
    g_assert_cmpint(ask(WALK, "442s", 0, 9, 1, "etc"), ==, ENOENT);
    g_assert_cmpint(ask(WALK, "442s", 0, 9, 1, "f"), ==, 0);
    p9_cleanup(&server);
    tear_down();
}

static void test_readonly(void)
{
    set_up();
    start(FS_NONE, true);
    g_assert_cmpint(ask(WALK, "442s", 0, 1, 1, "f"), ==, 0);
    g_assert_cmpint(ask(LOPEN, "44", 1, O_RDWR), ==, EROFS);
    g_assert_cmpint(ask(LOPEN, "44", 1, O_RDONLY | O_TRUNC), ==, EROFS);
    g_assert_cmpint(ask(MKDIR, "4s44", 0, "d", 0755, 0), ==, EROFS);
    g_assert_cmpint(ask(UNLINKAT, "4s4", 0, "f", 0), ==, EROFS);
    g_assert_cmpint(ask(RENAMEAT, "4s4s", 0, "f", 0, "g"), ==, EROFS);
    g_assert_cmpint(ask(LINK, "44s", 0, 1, "g"), ==, EROFS);
    g_assert_cmpint(ask(LOPEN, "44", 1, O_RDONLY), ==, 0);
    p9_cleanup(&server);
    tear_down();
}

static void test_hostile(void)
{
    uint8_t m[64] = { 0 };
    set_up();
    start(FS_NONE, false);
    /* No header, no room, sizes that lie. */
    g_assert_cmpint(raw(m, 3, ROOM), ==, 0);
    g_assert_cmpint(raw(m, sizeof(m), 5), ==, 0);
    m[4] = WALK;
    for (uint32_t size = 0; size < 64; size++) {
        memcpy(m, &size, 4);
        g_assert_cmpint(raw(m, 32, ROOM), ==, size < 17 ? RLERROR : WALK + 1);
    }
    m[0] = m[1] = m[2] = m[3] = 0xff;
    g_assert_cmpint(raw(m, sizeof(m), ROOM), ==, RLERROR);
    /* Fids that are not there, taken, open; walks that are too long; reads of folders. */
    g_assert_cmpint(ask(CLUNK, "4", 77), ==, EBADF);
    g_assert_cmpint(ask(READ, "484", 77, (uint64_t)0, 1), ==, EBADF);
    g_assert_cmpint(ask(ATTACH, "44ss4", 0, -1, "", "", 0), ==, EINVAL);
    g_assert_cmpint(ask(WALK, "442", 0, 1, 17), ==, EINVAL);
    g_assert_cmpint(ask(WALK, "442s", 0, 1, 2, "f"), !=, 0);
    g_assert_cmpint(ask(LOPEN, "44", 0, O_RDONLY), ==, 0);
    g_assert_cmpint(ask(LOPEN, "44", 0, O_RDONLY), ==, EINVAL);
    g_assert_cmpint(ask(READ, "484", 0, (uint64_t)0, 100), ==, EINVAL);
    g_assert_cmpint(ask(READDIR, "484", 0, UINT64_MAX / 2, 100000), >=, 0);
    g_assert_cmpint(ask(WALK, "442s", 0, 1, 1, "f"), ==, 0);
    g_assert_cmpint(ask(LOPEN, "44", 1, O_RDWR), ==, 0);
    g_assert_cmpint(ask(READ, "484", 1, UINT64_MAX, 100), ==, EINVAL);
    g_assert_cmpint(ask(READ, "484", 1, (uint64_t)0, UINT32_MAX), ==, 0);
    g_assert_cmpint(ask(WRITE, "484", 1, (uint64_t)0, UINT32_MAX), ==, 0);
    g_assert_cmpint(ask(VERSION, "4s", 100, "9P2000.L"), ==, EINVAL);
    g_assert_cmpint(ask(VERSION, "4s", 8192, "9P2000.u"), ==, 0);
    g_assert_cmpmem(answer + 11, 9, "\7\0unknown", 9);
    /* A session forgets the last one's files. */
    g_assert_cmpint(ask(CLUNK, "4", 1), ==, EBADF);
    p9_cleanup(&server);
    tear_down();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/9p/messages", test_messages);
    g_test_add_func("/9p/xattr", test_xattr);
    g_test_add_func("/9p/no-escape", test_no_escape);
    g_test_add_func("/9p/readonly", test_readonly);
    g_test_add_func("/9p/hostile", test_hostile);
    return g_test_run();
}
