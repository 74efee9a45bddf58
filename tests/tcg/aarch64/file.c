/* SPDX-License-Identifier: MIT */
/* Files and folders: flags, structures and numbers that differ between machines. */
#include "test.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <termios.h>
#include <utime.h>

static char folder[] = "/tmp/latimer-file-XXXXXX";

static void test_flags(void)
{
    int fd = open("f", O_CREAT | O_EXCL | O_RDWR, 0640);
    NEED(fd >= 0);
    EQUAL(open("f", O_CREAT | O_EXCL | O_RDWR, 0640), -1);
    EQUAL(errno, EEXIST);
    EQUAL(open("f", O_RDONLY | O_DIRECTORY), -1);
    EQUAL(errno, ENOTDIR);
    EQUAL(open(".", O_RDWR), -1);
    EQUAL(errno, EISDIR);
    NEED(symlink("f", "link") == 0);
    EQUAL(open("link", O_RDONLY | O_NOFOLLOW), -1);
    EQUAL(errno, ELOOP);
    int path = open("link", O_PATH | O_NOFOLLOW);
    CHECK(path >= 0);
    CHECK((fcntl(path, F_GETFL) & (O_PATH | O_NOFOLLOW)) == (O_PATH | O_NOFOLLOW));
    int append = open("f", O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC);
    EQUAL(fcntl(append, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK),
          O_WRONLY | O_APPEND | O_NONBLOCK);
    EQUAL(fcntl(append, F_GETFD), FD_CLOEXEC);
    EQUAL(fcntl(append, F_SETFL, O_NONBLOCK), 0);
    EQUAL(fcntl(append, F_GETFL) & O_APPEND, 0);
    int folder_fd = open(".", O_RDONLY | O_DIRECTORY);
    int temporary = openat(folder_fd, ".", O_TMPFILE | O_RDWR, 0600);
    CHECK(temporary >= 0 || errno == EOPNOTSUPP);
    close(fd);
    close(path);
    close(append);
    close(folder_fd);
    close(temporary);
}

static void test_stat(void)
{
    struct stat st, again;
    struct statx stx;
    struct statfs fs;
    int fd = open("s", O_CREAT | O_RDWR, 0600);
    EQUAL(write(fd, "0123456789", 10), 10);
    EQUAL(fchmod(fd, 04751), 0);
    EQUAL(fstat(fd, &st), 0);
    EQUAL(st.st_size, 10);
    EQUAL(st.st_mode, S_IFREG | 04751);
    EQUAL(st.st_nlink, 1);
    EQUAL(st.st_uid, getuid());
    CHECK(st.st_blksize > 0 && st.st_ino > 0);
    CHECK(st.st_mtim.tv_sec > 1600000000);
    EQUAL(link("s", "s2"), 0);
    EQUAL(stat("s2", &again), 0);
    EQUAL(again.st_nlink, 2);
    EQUAL(again.st_ino, st.st_ino);
    EQUAL(again.st_dev, st.st_dev);
    struct timespec times[2] = { { 1000000001, 123456789 }, { 1000000002, 987654321 } };
    EQUAL(utimensat(AT_FDCWD, "s", times, 0), 0);
    EQUAL(statx(AT_FDCWD, "s", 0, STATX_BASIC_STATS, &stx), 0);
    EQUAL(stx.stx_size, 10);
    EQUAL(stx.stx_atime.tv_sec, 1000000001);
    EQUAL(stx.stx_mtime.tv_nsec, 987654321);
    EQUAL(stx.stx_mode, S_IFREG | 04751);
    EQUAL(stat("/dev/null", &st), 0);
    EQUAL(major(st.st_rdev), 1);
    EQUAL(minor(st.st_rdev), 3);
    EQUAL(lstat("link", &st), 0);
    CHECK(S_ISLNK(st.st_mode) && st.st_size == 1);
    EQUAL(statfs("/", &fs), 0);
    CHECK(fs.f_bsize >= 512 && fs.f_blocks > 0 && fs.f_namelen >= 255);
    EQUAL(stat("nothing", &st), -1);
    EQUAL(errno, ENOENT);
    EQUAL(access("s", R_OK | W_OK), 0);
    EQUAL(faccessat(AT_FDCWD, "nothing", F_OK, 0), -1);
    close(fd);
}

static void test_io(void)
{
    char a[4], b[8], c[32];
    int fd = open("io", O_CREAT | O_RDWR | O_TRUNC, 0600);
    struct iovec out[3] = { { "one ", 4 }, { "", 0 }, { "two three", 9 } };
    struct iovec in[2] = { { a, sizeof a }, { b, sizeof b } };
    EQUAL(writev(fd, out, 3), 13);
    EQUAL(lseek(fd, 0, SEEK_SET), 0);
    EQUAL(readv(fd, in, 2), 12);
    EQUAL(memcmp(a, "one ", 4), 0);
    EQUAL(memcmp(b, "two thre", 8), 0);
    EQUAL(pwrite(fd, "X", 1, 5000000000), 1);
    EQUAL(lseek(fd, 0, SEEK_END), 5000000001);
    EQUAL(pread(fd, c, 1, 5000000000), 1);
    EQUAL(c[0], 'X');
    EQUAL(lseek(fd, 0, SEEK_DATA), 0);
    EQUAL(preadv(fd, in, 1, 4), 4);
    EQUAL(memcmp(a, "two ", 4), 0);
    EQUAL(ftruncate(fd, 6000000000), 0);
    EQUAL(lseek(fd, -1, SEEK_SET), -1);
    EQUAL(errno, EINVAL);
    EQUAL(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 4096) == 0 || errno == EOPNOTSUPP, 1);
    EQUAL(fdatasync(fd), 0);
    int copy = open("copy", O_CREAT | O_RDWR, 0600);
    loff_t from = 4;
    EQUAL(copy_file_range(fd, &from, copy, NULL, 5, 0), 5);
    EQUAL(pread(copy, c, sizeof c, 0), 5);
    EQUAL(memcmp(c, "two t", 5), 0);
    struct iovec bad = { (void *)8, 10 };
    EQUAL(readv(copy, &bad, 1) < 0 || lseek(copy, 0, SEEK_CUR) >= 5, 1);
    EQUAL(read(-1, c, 1), -1);
    EQUAL(errno, EBADF);
    close(fd);
    close(copy);
}

static void test_folder(void)
{
    int seen = 0;
    NEED(mkdir("d", 0755) == 0);
    for (int i = 0; i < 300; i++) {
        char name[64];
        snprintf(name, sizeof name, "d/entry-with-a-name-%d", i);
        close(open(name, O_CREAT | O_WRONLY, 0600));
    }
    DIR *d = opendir("d");
    NEED(d);
    for (struct dirent *e; (e = readdir(d));) {
        int number;
        if (sscanf(e->d_name, "entry-with-a-name-%d", &number) == 1) {
            seen++;
            CHECK(e->d_type == DT_REG || e->d_type == DT_UNKNOWN);
            CHECK(e->d_ino != 0);
        }
    }
    closedir(d);
    EQUAL(seen, 300);
    EQUAL(rmdir("d"), -1);
    EQUAL(errno, ENOTEMPTY);
    EQUAL(rename("d", "e"), 0);
    EQUAL(renameat2(AT_FDCWD, "e", AT_FDCWD, "f", RENAME_NOREPLACE), -1);
    EQUAL(errno, EEXIST);
    char target[16];
    EQUAL(readlink("link", target, sizeof target), 1);
    char *cwd = getcwd(NULL, 0);
    CHECK(cwd && strcmp(cwd, folder) == 0);
    EQUAL(mkfifo("fifo", 0600), 0);
    EQUAL(unlinkat(AT_FDCWD, "fifo", 0), 0);
}

static void test_locks(void)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 5 };
    int fd = open("f", O_RDWR), other = open("f", O_RDWR);
    EQUAL(fcntl(fd, F_SETLK, &lock), 0);
    EQUAL(fcntl(fd, F_GETLK, &lock), 0);
    EQUAL(lock.l_type, F_UNLCK); /* own locks do not hinder */
    lock = (struct flock){ .l_type = F_WRLCK, .l_start = 12, .l_len = 1 };
    EQUAL(fcntl(other, F_OFD_GETLK, &lock), 0);
    EQUAL(lock.l_type, F_WRLCK);
    EQUAL(lock.l_start, 10);
    EQUAL(lock.l_len, 5);
    EQUAL(flock(fd, LOCK_EX), 0);
    EQUAL(flock(other, LOCK_EX | LOCK_NB), -1);
    EQUAL(errno, EWOULDBLOCK);
    close(fd);
    close(other);
}

static void test_ioctl(void)
{
    int fd[2], pending = 0;
    struct termios tio;
    struct winsize size = { 0 };
    NEED(pipe2(fd, O_NONBLOCK) == 0);
    EQUAL(write(fd[1], "12345", 5), 5);
    EQUAL(ioctl(fd[0], FIONREAD, &pending), 0);
    EQUAL(pending, 5);
    EQUAL(tcgetattr(fd[0], &tio), -1);
    EQUAL(errno, ENOTTY);
    EQUAL(isatty(fd[0]), 0);
    EQUAL(fcntl(fd[0], F_SETPIPE_SZ, 65536) >= 65536, 1);
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal >= 0) {
        int number = -1;
        EQUAL(ioctl(terminal, TIOCGPTN, &number), 0);
        CHECK(number >= 0);
        size.ws_row = 33;
        size.ws_col = 77;
        EQUAL(ioctl(terminal, TIOCSWINSZ, &size), 0);
        size.ws_col = 0;
        EQUAL(ioctl(terminal, TIOCGWINSZ, &size), 0);
        EQUAL(size.ws_col, 77);
        EQUAL(tcgetattr(terminal, &tio), 0);
        tio.c_lflag &= ~(ICANON | ECHO);
        EQUAL(tcsetattr(terminal, TCSANOW, &tio), 0);
        EQUAL(tcgetattr(terminal, &tio), 0);
        EQUAL(tio.c_lflag & (ICANON | ECHO), 0);
        close(terminal);
    }
}

int main(void)
{
    NEED(mkdtemp(folder) && chdir(folder) == 0);
    umask(022);
    test_flags();
    test_stat();
    test_io();
    test_folder();
    test_locks();
    test_ioctl();
    char command[64];
    snprintf(command, sizeof command, "%s", folder);
    for (const char *name = "f\0link\0s\0s2\0io\0copy\0"; *name; name += strlen(name) + 1) {
        unlink(name);
    }
    for (int i = 0; i < 300; i++) {
        snprintf(command, sizeof command, "e/entry-with-a-name-%d", i);
        unlink(command);
    }
    EQUAL(rmdir("e"), 0);
    EQUAL(rmdir(folder), 0);
    return test_end();
}
