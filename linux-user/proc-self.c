/* SPDX-License-Identifier: MIT */
/* Files of /proc that must show the guest and not the emulator: /proc/self/{exe,maps,…}, cpuinfo.
 */
#include "linux-user/user.h"
#include "linux-user/syscalls.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What follows "/proc/self/", "/proc/thread-self/" or "/proc/PID/" of this process; else NULL. */
static const char *after_proc_self(const char *path)
{
    char *end;
    long pid;

    if (strncmp(path, "/proc/", 6)) {
        return NULL;
    }
    path += 6;
    if (!strncmp(path, "self/", 5)) {
        return path + 5;
    }
    if (!strncmp(path, "thread-self/", 12)) {
        return path + 12;
    }
    if (*path < '1' || *path > '9') {
        return NULL;
    }
    pid = strtol(path, &end, 10);
    return *end == '/' && pid == getpid() ? end + 1 : NULL;
}

bool proc_self_is_exe(const char *path)
{
    const char *name = after_proc_self(path);

    return name && !strcmp(name, "exe");
}

static void print_map_line(FILE *out, uint64_t start, uint64_t end, bool shared, uint64_t offset,
                           const char *rest, int flags)
{
    bool anonymous = !strchr(rest, '/') && !strchr(rest, '[');
    int n = fprintf(out, "%08" PRIx64 "-%08" PRIx64 " %c%c%c%c %08" PRIx64 " %.*s", start, end,
                    flags & GUEST_PAGE_READ ? 'r' : '-', flags & GUEST_PAGE_WRITE ? 'w' : '-',
                    flags & GUEST_PAGE_EXEC ? 'x' : '-', shared ? 's' : 'p', offset,
                    (int)strcspn(rest, "\n"), rest);
    const char *name = start <= proc.start_stack && proc.start_stack < end        ? "[stack]"
                       : start >= proc.start_brk && end <= (uint64_t)guest_brk(0) ? "[heap]"
                       : start == proc.vdso                                       ? "[vdso]"
                                                                                  : NULL;

    if (anonymous && name) {
        fprintf(out, "%*s%s", n < 73 ? 73 - n : 1, "", name);
    }
    fputc('\n', out);
}

/* The host's lines for the guest's part, with the guest's permissions. */
static void write_maps(FILE *out)
{
    FILE *in = fopen("/proc/self/maps", "re");
    char *line = NULL;
    size_t size = 0;

    while (in && getline(&line, &size, in) > 0) {
        uint64_t start, end, offset;
        char perms[5];
        int rest = 0;

        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %n", &start, &end, perms, &offset,
                   &rest) < 4 ||
            start >= proc.guest_limit) {
            continue;
        }
        for (uint64_t next; start < end; offset += next - start, start = next) {
            int flags = pagemap_get(start);

            next = pagemap_run_end(start, end);
            if (flags & GUEST_PAGE_VALID) {
                print_map_line(out, start, next, perms[3] == 's',
                               strchr(line + rest, '/') ? offset : 0, line + rest, flags);
            }
        }
    }
    free(line);
    if (in) {
        fclose(in);
    }
}

static void write_cmdline(FILE *out)
{
    fwrite(g2h(proc.arg_start), 1, proc.arg_end - proc.arg_start, out);
}

static void write_auxv(FILE *out)
{
    fwrite(g2h(proc.auxv_start), 1, proc.auxv_size, out);
}

/* Fields 26 to 28 are startcode, endcode, startstack. Source: proc(5). */
static void write_stat(FILE *out)
{
    char text[2048];
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    char *p, *save;
    int field = 3;

    if (fd >= 0) {
        close(fd);
    }
    if (n <= 0) {
        return;
    }
    text[n] = 0;
    p = strrchr(text, ')');
    if (!p) {
        return;
    }
    fprintf(out, "%.*s)", (int)(p - text), text);
    for (p = strtok_r(p + 1, " \n", &save); p; p = strtok_r(NULL, " \n", &save), field++) {
        if (field == 26 || field == 27 || field == 28) {
            fprintf(out, " %" PRIu64,
                    field == 26   ? proc.start_code
                    : field == 27 ? proc.end_code
                                  : proc.start_stack);
        } else {
            fprintf(out, " %s", p);
        }
    }
    fputc('\n', out);
}

static const struct {
    const char *name;
    void (*write)(FILE *out);
} self_files[] = {
    { "maps", write_maps },
    { "cmdline", write_cmdline },
    { "auxv", write_auxv },
    { "stat", write_stat },
};

int64_t proc_self_open(const char *path, int flags)
{
    const char *name = after_proc_self(path);

    for (size_t n = 0; name && n < G_N_ELEMENTS(self_files); n++) {
        if (!strcmp(name, self_files[n].name)) {
            g_autofree char *text = NULL;
            size_t size = 0;
            FILE *out;
            int fd;

            if ((flags & O_ACCMODE) != O_RDONLY) {
                return -EACCES;
            }
            out = open_memstream(&text, &size);
            self_files[n].write(out);
            fclose(out);
            fd = memfd_create(name, flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
            if (fd < 0) {
                return -errno;
            }
            if (write(fd, text, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) < 0) {
                close(fd);
                return -EIO;
            }
            return fd;
        }
    }
    return -ENOSYS;
}
