/* SPDX-License-Identifier: MIT */
/* Files of /proc that must show the guest and not the emulator: /proc/self/{exe,maps,…}, cpuinfo.
 */
#include "linux-user/gdb.h"
#include "linux-user/seccomp.h"
#include "linux-user/user.h"
#include "linux-user/syscalls.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What follows "task/TID/". */
static const char *after_task(const char *name)
{
    size_t digits = !strncmp(name, "task/", 5) ? strspn(name + 5, "0123456789") : 0;

    return digits && name[5 + digits] == '/' ? name + 6 + digits : name;
}

/* What follows "/proc/self/", "/proc/thread-self/" or "/proc/PID/" of this process; else NULL. */
static const char *after_proc_self(const char *path)
{
    char *end;
    long pid;

    if (strncmp(path, "/proc/", 6)) {
        return NULL;
    }
    path += 6;
    if (!strncmp(path, "thread-self/", 12)) {
        return path + 12;
    }
    if (!strncmp(path, "self/", 5)) {
        return after_task(path + 5);
    }
    if (*path < '1' || *path > '9') {
        return NULL;
    }
    pid = strtol(path, &end, 10);
    return *end == '/' && pid == getpid() ? after_task(end + 1) : NULL;
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
    if (in) {
        fclose(in);
    }
}

/* As maps, each with the kernel's lines about it. A host mapping that differs in the guest's
 * permissions from page to page shows those of its first page. */
static void write_smaps(FILE *out)
{
    FILE *in = fopen("/proc/self/smaps", "re");
    bool shown = false;
    char *line = NULL;
    size_t size = 0;

    while (in && getline(&line, &size, in) > 0) {
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
    if (in) {
        fclose(in);
    }
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
static void write_status(FILE *out)
{
    FILE *in = fopen("/proc/self/status", "re");
    char *line = NULL;
    size_t size = 0;

    while (in && getline(&line, &size, in) > 0) {
        if (!strncmp(line, "VmPeak:", 7) || !strncmp(line, "VmSize:", 7)) {
            fprintf(out, "%.7s\t%8" PRIu64 " kB\n", line, guest_mapped_bytes() >> 10);
        } else if (!strncmp(line, "SigBlk:", 7)) {
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
    if (in) {
        fclose(in);
    }
}

/* Field 1 is the size in pages; the others are the host process's. Source: proc(5). */
static void write_statm(FILE *out)
{
    FILE *in = fopen("/proc/self/statm", "re");
    char rest[128] = "";

    if (in) {
        if (fscanf(in, "%*s %127[^\n]", rest) == 1) {
            fprintf(out, "%" PRIu64 " %s\n", guest_mapped_bytes() / GUEST_PAGE_SIZE, rest);
        }
        fclose(in);
    }
}

/* RLIMIT_AS is not the host's. Source: proc(5). */
static void write_limits(FILE *out)
{
    FILE *in = fopen("/proc/self/limits", "re");
    char *line = NULL, soft[24] = "unlimited", hard[24] = "unlimited";
    size_t size = 0;
    GuestLimit as;

    guest_get_as_limit(&as);
    if (as.soft != ~UINT64_C(0)) {
        snprintf(soft, sizeof(soft), "%" PRIu64, as.soft);
    }
    if (as.hard != ~UINT64_C(0)) {
        snprintf(hard, sizeof(hard), "%" PRIu64, as.hard);
    }
    while (in && getline(&line, &size, in) > 0) {
        if (!strncmp(line, "Max address space", 17)) {
            fprintf(out, "%-25s %-20s %-20s %-10s\n", "Max address space", soft, hard, "bytes");
        } else {
            fputs(line, out);
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

static void write_environ(FILE *out)
{
    fwrite(g2h(proc.arg_end), 1, proc.env_end - proc.arg_end, out);
}

static void write_auxv(FILE *out)
{
    fwrite(g2h(proc.auxv_start), 1, proc.auxv_size, out);
}

/* Fields that are addresses, and 20, the number of threads. Source: proc(5). */
static void write_stat(FILE *out)
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
    void (*write)(FILE *out);
} self_files[] = {
    { "maps", write_maps },   { "cmdline", write_cmdline }, { "auxv", write_auxv },
    { "stat", write_stat },   { "smaps", write_smaps },     { "status", write_status },
    { "statm", write_statm }, { "limits", write_limits },   { "environ", write_environ },
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
