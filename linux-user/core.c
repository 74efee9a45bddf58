/* SPDX-License-Identifier: MIT */
/*
 * The guest's core dump, an ELF file as its own kernel would write it: notes with the registers of
 * all threads, the one that died first, the auxiliary vector and the mapped files, and the guest's
 * memory without mapped code. It is called "core", or "core.PID" where the kernel is told so
 * (core_uses_pid), and is made when RLIMIT_CORE has room for it. Source: core(5), elf(5) and the
 * kernel's uapi headers linux/elf.h and linux/elfcore.h.
 */
#include "linux-user/tasks.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MAX_GREGS = 40, MAX_SEGMENTS = 65000 };

/* struct elf_prstatus with the guest's registers; the same on all 64-bit machines up to them. */
typedef struct PrStatusHead {
    int32_t si_signo, si_code, si_errno;
    int16_t cursig, pad;
    uint64_t sigpend, sighold;
    int32_t pid, ppid, pgrp, sid;
    uint64_t times[8];
} PrStatusHead;
G_STATIC_ASSERT(sizeof(PrStatusHead) == 112);

typedef struct Segment {
    uint64_t start, end, offset;
    int flags;
    bool dumped;
    char *file;
} Segment;

static void add_note(GByteArray *notes, uint32_t type, const void *data, size_t size)
{
    Elf64_Nhdr head = { .n_namesz = 5, .n_descsz = size, .n_type = type };

    g_byte_array_append(notes, (const uint8_t *)&head, sizeof(head));
    g_byte_array_append(notes, (const uint8_t *)"CORE\0\0\0", 8);
    g_byte_array_append(notes, data, size);
    while (notes->len % 4) {
        g_byte_array_append(notes, (const uint8_t *)"", 1);
    }
}

static void add_thread(GByteArray *notes, TaskState *ts, const siginfo_t *info)
{
    uint8_t general[MAX_GREGS * 8], fp[1024], status[sizeof(PrStatusHead) + sizeof(general) + 8];
    PrStatusHead head = { .si_signo = info->si_signo,
                          .si_code = info->si_code,
                          .cursig = (int16_t)info->si_signo,
                          .sighold = ts->sigmask,
                          .pid = ts->tid,
                          .ppid = getppid(),
                          .pgrp = getpgrp(),
                          .sid = getsid(0) };
    size_t fp_size, size = ts->arch->core_registers(ts->cpu, general, fp, &fp_size);

    memset(status, 0, sizeof(status));
    memcpy(status, &head, sizeof(head));
    memcpy(status + sizeof(head), general, size);
    status[sizeof(head) + size] = 1; /* pr_fpvalid */
    add_note(notes, NT_PRSTATUS, status, sizeof(head) + size + 8);
    add_note(notes, NT_PRFPREG, fp, fp_size);
}

static void add_process(GByteArray *notes)
{
    const char *slash = strrchr(proc.exe_path, '/');
    struct elf_prpsinfo ps = { .pr_sname = 'R',
                               .pr_uid = getuid(),
                               .pr_gid = getgid(),
                               .pr_pid = getpid(),
                               .pr_ppid = getppid(),
                               .pr_pgrp = getpgrp(),
                               .pr_sid = getsid(0) };

    memcpy(ps.pr_fname, slash ? slash + 1 : proc.exe_path,
           strnlen(slash ? slash + 1 : proc.exe_path, sizeof(ps.pr_fname) - 1));
    copy_from_guest(ps.pr_psargs, proc.arg_start,
                    MIN(proc.arg_end - proc.arg_start, sizeof(ps.pr_psargs) - 1));
    for (size_t n = 0; n + 1 < MIN(proc.arg_end - proc.arg_start, sizeof(ps.pr_psargs)); n++) {
        ps.pr_psargs[n] = ps.pr_psargs[n] ? ps.pr_psargs[n] : ' ';
    }
    add_note(notes, NT_PRPSINFO, &ps, sizeof(ps));
    add_note(notes, NT_AUXV, g2h(proc.auxv_start), proc.auxv_size);
}

/* NT_FILE: count, page size, then start, end and offset in pages of each, then the names. */
static void add_files(GByteArray *notes, const GArray *segments)
{
    g_autoptr(GByteArray) desc = g_byte_array_new();
    uint64_t head[2] = { 0, GUEST_PAGE_SIZE };

    g_byte_array_append(desc, (uint8_t *)head, sizeof(head));
    for (guint n = 0; n < segments->len; n++) {
        const Segment *s = &g_array_index(segments, Segment, n);
        uint64_t entry[3] = { s->start, s->end, s->offset / GUEST_PAGE_SIZE };

        if (s->file) {
            g_byte_array_append(desc, (uint8_t *)entry, sizeof(entry));
            head[0]++;
        }
    }
    for (guint n = 0; n < segments->len; n++) {
        const Segment *s = &g_array_index(segments, Segment, n);

        if (s->file) {
            g_byte_array_append(desc, (uint8_t *)s->file, strlen(s->file) + 1);
        }
    }
    memcpy(desc->data, head, sizeof(head));
    add_note(notes, NT_FILE, desc->data, desc->len);
}

static GArray *find_segments(void)
{
    GArray *segments = g_array_new(FALSE, TRUE, sizeof(Segment));
    FILE *in = fopen("/proc/self/maps", "re");
    char *line = NULL;
    size_t size = 0;

    while (in && getline(&line, &size, in) > 0 && segments->len < MAX_SEGMENTS) {
        Segment s = { 0 };
        uint64_t start, end;
        int rest = 0;

        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %*s %*u %n", &start, &end,
                   &s.offset, &rest) < 3 ||
            !guest_mapping(&start, &end)) {
            continue;
        }
        line[strcspn(line, "\n")] = 0;
        for (uint64_t at = start, next; at < end; at = next) {
            int flags = pagemap_get(at);

            next = pagemap_run_end(at, end);
            if (flags & GUEST_PAGE_VALID) {
                Segment part = { at, next, s.offset + (at - start), flags, false, NULL };

                part.file = rest && line[rest] == '/' ? g_strdup(line + rest) : NULL;
                /* code is in the file; what was read-only from the start cannot be told */
                part.dumped = !(flags & GUEST_PAGE_EXEC) || !part.file;
                g_array_append_val(segments, part);
            }
        }
    }
    free(line);
    if (in) {
        fclose(in);
    }
    return segments;
}

static Elf64_Phdr *make_headers(const GArray *segments, size_t notes_size, Elf64_Ehdr *eh)
{
    Elf64_Phdr *ph = g_new0(Elf64_Phdr, segments->len + 1);
    uint64_t offset = sizeof(*eh) + (segments->len + 1) * sizeof(*ph);

    memcpy(eh->e_ident, ELFMAG, SELFMAG);
    eh->e_ident[EI_CLASS] = ELFCLASS64;
    eh->e_ident[EI_DATA] = ELFDATA2LSB;
    eh->e_ident[EI_VERSION] = eh->e_version = EV_CURRENT;
    eh->e_type = ET_CORE;
    eh->e_machine = proc.arch->elf_machine;
    eh->e_phoff = eh->e_ehsize = sizeof(*eh);
    eh->e_phentsize = sizeof(*ph);
    eh->e_phnum = segments->len + 1;
    ph[0] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = offset, .p_filesz = notes_size };
    offset = (offset + notes_size + GUEST_PAGE_SIZE - 1) & -(uint64_t)GUEST_PAGE_SIZE;
    for (guint n = 0; n < segments->len; n++) {
        const Segment *s = &g_array_index(segments, Segment, n);

        ph[n + 1] = (Elf64_Phdr){ .p_type = PT_LOAD,
                                  .p_flags = (s->flags & GUEST_PAGE_READ ? PF_R : 0) |
                                             (s->flags & GUEST_PAGE_WRITE ? PF_W : 0) |
                                             (s->flags & GUEST_PAGE_EXEC ? PF_X : 0),
                                  .p_offset = offset,
                                  .p_vaddr = s->start,
                                  .p_memsz = s->end - s->start,
                                  .p_filesz = s->dumped ? s->end - s->start : 0,
                                  .p_align = GUEST_PAGE_SIZE };
        offset += ph[n + 1].p_filesz;
    }
    return ph;
}

/* Pages that cannot be read or hold nothing but zeros become holes. */
static void write_memory(int fd, int mem, const Elf64_Phdr *ph, uint64_t limit)
{
    static const uint8_t zeros[GUEST_PAGE_SIZE];
    uint8_t page[GUEST_PAGE_SIZE];

    for (uint64_t at = 0; at < ph->p_filesz && ph->p_offset + at < limit; at += sizeof(page)) {
        if (pread(mem, page, sizeof(page), (off_t)(ph->p_vaddr + at + guest_base)) ==
                sizeof(page) &&
            memcmp(page, zeros, sizeof(page)) &&
            pwrite(fd, page, sizeof(page), ph->p_offset + at) != sizeof(page)) {
            return;
        }
    }
}

static int open_core(void)
{
    char name[32] = "core", uses_pid = '0';
    int fd = open("/proc/sys/kernel/core_uses_pid", O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        if (read(fd, &uses_pid, 1) == 1 && uses_pid == '1') {
            snprintf(name, sizeof(name), "core.%d", getpid());
        }
        close(fd);
    }
    unlink(name);
    return open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

bool core_dump(TaskState *ts, const siginfo_t *info)
{
    g_autoptr(GByteArray) notes = NULL;
    g_autofree Elf64_Phdr *ph = NULL;
    Elf64_Ehdr eh = { 0 };
    struct rlimit limit;
    GArray *segments;
    int fd, mem;

    if (getrlimit(RLIMIT_CORE, &limit) < 0 || limit.rlim_cur < GUEST_PAGE_SIZE) {
        return false;
    }
    fd = open_core();
    mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || mem < 0) {
        return false;
    }
    tasks_stop_others(ts);
    segments = find_segments();
    notes = g_byte_array_new();
    add_thread(notes, ts, info);
    add_note(notes, NT_SIGINFO, info, sizeof(*info));
    add_process(notes);
    add_files(notes, segments);
    for (TaskState *t = tasks_next_stopped(ts, NULL); t; t = tasks_next_stopped(ts, t)) {
        add_thread(notes, t, info);
    }
    ph = make_headers(segments, notes->len, &eh);
    if (write(fd, &eh, sizeof(eh)) != sizeof(eh) ||
        write(fd, ph, eh.e_phnum * sizeof(*ph)) != (ssize_t)(eh.e_phnum * sizeof(*ph)) ||
        write(fd, notes->data, notes->len) != (ssize_t)notes->len) {
        return false;
    }
    for (int n = 1; n < eh.e_phnum; n++) {
        write_memory(fd, mem, &ph[n], limit.rlim_cur);
    }
    /* holes at the end are part of it */
    return ftruncate(fd, MIN((uint64_t)limit.rlim_cur,
                             ph[eh.e_phnum - 1].p_offset + ph[eh.e_phnum - 1].p_filesz)) == 0;
}
