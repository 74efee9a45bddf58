/* SPDX-License-Identifier: MIT */
/* Files of /proc that must show the guest and not the emulator: /proc/self/{exe,maps,…}, cpuinfo.
 */
#include "linux-user/gdb.h"
#include "linux-user/seccomp.h"
#include "linux-user/user.h"
#include "linux-user/syscalls.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/prctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * The kernel knows where the guest's arguments and environment are, and shows them to everybody.
 */
static bool published;

/* A name in /proc. */
typedef struct ProcName {
    pid_t pid, tid;
    const char *file; /* what follows "/proc/PID/" or "/proc/PID/task/TID/" */
} ProcName;

/* Digits and a slash: the number, and *path behind them; else 0. */
static pid_t take_number(const char **path)
{
    size_t digits = **path == '0' ? 0 : strspn(*path, "0123456789");
    pid_t number = digits && digits < 10 && (*path)[digits] == '/' ? atoi(*path) : 0;

    *path += number ? digits + 1 : 0;
    return number;
}

/* False: not in the folder of a process. */
static bool parse_proc_name(const char *path, ProcName *name)
{
    if (strncmp(path, "/proc/", 6)) {
        return false;
    }
    path += 6;
    if (!strncmp(path, "thread-self/", 12)) {
        *name = (ProcName){ getpid(), gettid(), path + 12 };
        return true;
    }
    if (!strncmp(path, "self/", 5)) {
        name->pid = getpid();
        path += 5;
    } else {
        name->pid = take_number(&path);
    }
    name->tid = name->pid;
    if (!strncmp(path, "task/", 5)) {
        path += 5;
        name->tid = take_number(&path);
    }
    name->file = path;
    return name->pid && name->tid;
}

/*
 * The program of another process that runs under this emulator: the file that is mapped where its
 * code begins, which proc_self_publish told the kernel. False: no such process, or it is not ours
 * to look at.
 */
static bool exe_of_other(pid_t pid, char *buf, size_t size)
{
    char name[64], path[PATH_MAX];
    uint64_t code = 0, start, end;
    struct stat self, other;
    bool found = false;
    FILE *in;

    snprintf(name, sizeof(name), "/proc/%d/exe", pid);
    if (stat(name, &other) < 0 || stat("/proc/self/exe", &self) < 0 ||
        self.st_ino != other.st_ino || self.st_dev != other.st_dev) {
        return false;
    }
    snprintf(name, sizeof(name), "/proc/%d/stat", pid);
    in = fopen(name, "re");
    if (in) { /* the 26th field, the third being behind the program's name */
        if (fscanf(in,
                   "%*[^)]%*[^ ]%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s"
                   "%*s%*s%" SCNu64,
                   &code) != 1) {
            code = 0;
        }
        fclose(in);
    }
    snprintf(name, sizeof(name), "/proc/%d/maps", pid);
    in = code ? fopen(name, "re") : NULL;
    while (in && !found &&
           fscanf(in, "%" SCNx64 "-%" SCNx64 " %*s %*s %*s %*s%*[ ]", &start, &end) == 2) {
        bool named = fscanf(in, "%4095[^\n]", path) == 1;

        found = named && path[0] == '/' && start <= code && code < end;
    }
    if (in) {
        fclose(in);
    }
    return found && g_strlcpy(buf, path, size) < size;
}

const char *proc_exe(const char *path, char *buf)
{
    ProcName name;

    if (!parse_proc_name(path, &name) || strcmp(name.file, "exe")) {
        return NULL;
    }
    if (name.pid == getpid()) {
        return proc.exe_path;
    }
    return exe_of_other(name.pid, buf, PATH_MAX) ? buf : NULL;
}

void proc_self_publish(void)
{
    uint64_t brk = (uintptr_t)sbrk(0);
    struct prctl_mm_map map = {
        .start_code = (uintptr_t)g2h(proc.start_code),
        .end_code = (uintptr_t)g2h(proc.end_code),
        .start_data = (uintptr_t)g2h(proc.start_data),
        .end_data = (uintptr_t)g2h(proc.end_data),
        .start_stack = (uintptr_t)g2h(proc.start_stack),
        .arg_start = (uintptr_t)g2h(proc.arg_start),
        .arg_end = (uintptr_t)g2h(proc.arg_end),
        .env_start = (uintptr_t)g2h(proc.arg_end),
        .env_end = (uintptr_t)g2h(proc.env_end),
        .start_brk = brk, /* our own malloc's */
        .brk = brk,
        .exe_fd = -1,
    };

    published = prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0) == 0;
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
static void write_maps(FILE *out, FILE *in, pid_t tid)
{
    char *line = NULL;
    size_t size = 0;

    (void)tid;
    while (getline(&line, &size, in) > 0) {
        uint64_t start, end, offset;
        char perms[5];
        int rest = 0;

        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %n", &start, &end, perms, &offset,
                   &rest) < 4 ||
            !guest_mapping(&start, &end)) {
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
}

/* As maps, each with the kernel's lines about it. A host mapping that differs in the guest's
 * permissions from page to page shows those of its first page. */
static void write_smaps(FILE *out, FILE *in, pid_t tid)
{
    bool shown = false;
    char *line = NULL;
    size_t size = 0;

    (void)tid;
    while (getline(&line, &size, in) > 0) {
        uint64_t start, end, offset;
        char perms[5];
        int rest = 0;

        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %n", &start, &end, perms, &offset,
                   &rest) >= 4) {
            bool ours = !guest_mapping(&start, &end);
            int flags = ours ? 0 : pagemap_get(start);

            shown = flags & GUEST_PAGE_VALID;
            if (shown) {
                print_map_line(out, start, end, perms[3] == 's',
                               strchr(line + rest, '/') ? offset : 0, line + rest, flags);
            }
        } else if (shown) {
            fputs(line, out);
        }
    }
    free(line);
}

/* Signals that the guest ignores or catches, as a mask. */
static uint64_t disposition_mask(bool ignored)
{
    uint64_t mask = 0;

    for (int sig = 1; sig <= NB_SIGNALS; sig++) {
        GuestSigaction act;

        sighand_get(current_task->sighand, sig, &act);
        if (ignored ? act.handler == 1 : act.handler > 1) {
            mask |= sig_bit(sig);
        }
    }
    return mask;
}

/* The size is the guest's, and so are the signals; the emulator's own pages count as resident. */
static void write_status(FILE *out, FILE *in, pid_t tid)
{
    char *line = NULL;
    size_t size = 0;

    while (getline(&line, &size, in) > 0) {
        if (!strncmp(line, "VmPeak:", 7) || !strncmp(line, "VmSize:", 7)) {
            fprintf(out, "%.7s\t%8" PRIu64 " kB\n", line, guest_mapped_bytes() >> 10);
        } else if (!strncmp(line, "SigBlk:", 7) && tid == current_task->tid) {
            fprintf(out, "SigBlk:\t%016" PRIx64 "\n", current_task->sigmask);
        } else if (!strncmp(line, "Threads:", 8)) {
            fprintf(out, "Threads:\t%d\n", atoi(line + 8) - gdb_has_thread());
        } else if (!strncmp(line, "Seccomp:", 8)) {
            fprintf(out, "Seccomp:\t%d\n", seccomp_mode(current_task));
        } else if (!strncmp(line, "SigIgn:", 7) || !strncmp(line, "SigCgt:", 7)) {
            fprintf(out, "%.7s\t%016" PRIx64 "\n", line, disposition_mask(line[3] == 'I'));
        } else {
            fputs(line, out);
        }
    }
    free(line);
}

/* Field 1 is the size in pages; the others are the host process's. Source: proc(5). */
static void write_statm(FILE *out, FILE *in, pid_t tid)
{
    char rest[128] = "";

    (void)tid;
    if (fscanf(in, "%*s %127[^\n]", rest) == 1) {
        fprintf(out, "%" PRIu64 " %s\n", guest_mapped_bytes() / GUEST_PAGE_SIZE, rest);
    }
}

/* RLIMIT_AS is not the host's. Source: proc(5). */
static void write_limits(FILE *out, FILE *in, pid_t tid)
{
    char *line = NULL, soft[24] = "unlimited", hard[24] = "unlimited";
    size_t size = 0;
    GuestLimit as;

    (void)tid;
    guest_get_as_limit(&as);
    if (as.soft != ~UINT64_C(0)) {
        snprintf(soft, sizeof(soft), "%" PRIu64, as.soft);
    }
    if (as.hard != ~UINT64_C(0)) {
        snprintf(hard, sizeof(hard), "%" PRIu64, as.hard);
    }
    while (getline(&line, &size, in) > 0) {
        if (!strncmp(line, "Max address space", 17)) {
            fprintf(out, "%-25s %-20s %-20s %-10s\n", "Max address space", soft, hard, "bytes");
        } else {
            fputs(line, out);
        }
    }
    free(line);
}

static void write_cmdline(FILE *out, FILE *in, pid_t tid)
{
    (void)in;
    (void)tid;
    fwrite(g2h(proc.arg_start), 1, proc.arg_end - proc.arg_start, out);
}

static void write_environ(FILE *out, FILE *in, pid_t tid)
{
    (void)in;
    (void)tid;
    fwrite(g2h(proc.arg_end), 1, proc.env_end - proc.arg_end, out);
}

static void write_auxv(FILE *out, FILE *in, pid_t tid)
{
    (void)in;
    (void)tid;
    fwrite(g2h(proc.auxv_start), 1, proc.auxv_size, out);
}

/* Fields that are addresses, and 20, the number of threads. Source: proc(5). */
static void write_stat(FILE *out, FILE *in, pid_t tid)
{
    const struct {
        int field;
        uint64_t address;
    } addresses[] = {
        { 26, proc.start_code }, { 27, proc.end_code }, { 28, proc.start_stack },
        { 45, proc.start_data }, { 46, proc.end_data }, { 47, proc.start_brk },
        { 48, proc.arg_start },  { 49, proc.arg_end },  { 50, proc.arg_end },
        { 51, proc.env_end },
    };
    char text[2048];
    char *p, *save;
    int field = 3;

    (void)tid;
    text[fread(text, 1, sizeof(text) - 1, in)] = 0;
    p = strrchr(text, ')');
    if (!p) {
        return;
    }
    fprintf(out, "%.*s)", (int)(p - text), text);
    for (p = strtok_r(p + 1, " \n", &save); p; p = strtok_r(NULL, " \n", &save), field++) {
        size_t n = 0;

        while (n < G_N_ELEMENTS(addresses) && addresses[n].field != field) {
            n++;
        }
        if (field == 20) {
            fprintf(out, " %d", atoi(p) - gdb_has_thread());
        } else if (n < G_N_ELEMENTS(addresses)) {
            fprintf(out, " %" PRIu64, addresses[n].address);
        } else {
            fprintf(out, " %s", p);
        }
    }
    fputc('\n', out);
}

static const struct {
    const char *name;
    void (*write)(FILE *out, FILE *in, pid_t tid); /* in: the host's file */
} self_files[] = {
    { "maps", write_maps },   { "cmdline", write_cmdline }, { "auxv", write_auxv },
    { "stat", write_stat },   { "smaps", write_smaps },     { "status", write_status },
    { "statm", write_statm }, { "limits", write_limits },   { "environ", write_environ },
};

/* A file for reading only that holds the text. */
static int64_t open_text(const char *name, const char *text, size_t size, int flags)
{
    int fd = memfd_create(name, MFD_CLOEXEC), reader;
    char link[64];
    int64_t res;

    if (fd < 0) {
        return -errno;
    }
    if (write(fd, text, size) != (ssize_t)size) {
        close(fd);
        return -EIO;
    }
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    reader = open(link, O_RDONLY | O_CLOEXEC);
    if (reader < 0) {
        close(fd);
        return -errno;
    }
    /* with the number that is the lowest one free */
    res = dup3(reader, fd, flags & O_CLOEXEC);
    res = res < 0 ? -errno : res;
    close(reader);
    return res;
}

int64_t proc_self_open(const char *path, int flags)
{
    ProcName name;

    if (!parse_proc_name(path, &name) || name.pid != getpid() ||
        (published && (!strcmp(name.file, "cmdline") || !strcmp(name.file, "environ")))) {
        return -ENOSYS;
    }
    for (size_t n = 0; n < G_N_ELEMENTS(self_files); n++) {
        if (!strcmp(name.file, self_files[n].name)) {
            g_autofree char *text = NULL;
            size_t size = 0;
            FILE *in, *out;

            if ((flags & O_ACCMODE) != O_RDONLY) {
                return -EACCES;
            }
            in = fopen(path, "re");
            if (!in) {
                return -errno;
            }
            out = open_memstream(&text, &size);
            self_files[n].write(out, in, name.tid);
            fclose(out);
            fclose(in);
            return open_text(name.file, text, size, flags);
        }
    }
    return -ENOSYS;
}
