/* SPDX-License-Identifier: MIT */
/* Loads a guest's ELF program and its interpreter, as the kernel's execve does; #! scripts too. */
#include "linux-user/text-busy.h"
#include "linux-user/user.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127, MAX_PHNUM = 512, MAX_SCRIPT_DEPTH = 5 };
enum { SCRIPT_LINE_SIZE = 256 };

/* An ELF file being loaded: its head as far as it was read, and where it goes. */
typedef struct ElfFile {
    const char *path;
    int fd;
    uint64_t size;
    Elf64_Ehdr eh;
    Elf64_Phdr ph[MAX_PHNUM];
} ElfFile;

#define FAIL(status, ...) \
    (g_set_error(err, G_FILE_ERROR, G_FILE_ERROR_FAILED, __VA_ARGS__), (status))

/* ---- #!
 * --------------------------------------------------------------------------------------------- */

static ExecKind classify_script(const uint8_t *head, size_t n, char *interp, size_t interp_size)
{
    const char *line = (const char *)head + 2;
    size_t len = n - 2, end;

    for (end = 0; end < len && line[end] != '\n' && line[end]; end++) {
    }
    while (end && (line[end - 1] == ' ' || line[end - 1] == '\t')) {
        end--;
    }
    while (end && (*line == ' ' || *line == '\t')) {
        line++;
        end--;
    }
    if (!end || end >= interp_size) {
        return EXEC_UNKNOWN;
    }
    memcpy(interp, line, end);
    interp[end] = 0;
    return EXEC_SCRIPT;
}

ExecKind classify_executable(const uint8_t *head, size_t n, char *interp, size_t interp_size)
{
    const Elf64_Ehdr *eh = (const void *)head;

    if (n >= 2 && head[0] == '#' && head[1] == '!') {
        return classify_script(head, n, interp, interp_size);
    }
    if (n < EI_NIDENT + 4 || memcmp(head, ELFMAG, SELFMAG)) {
        return EXEC_UNKNOWN;
    }
    if (head[EI_CLASS] == ELFCLASS64 &&
        user_arch_by_machine(eh->e_machine, head[EI_DATA] == ELFDATA2MSB)) {
        return EXEC_FOREIGN;
    }
    return EXEC_NATIVE;
}

/* Puts interpreter, its argument and the script's path before argv[1]…. */
static void script_argv(LinuxProgram *prog, char *line)
{
    size_t argc = 0, n = 0;
    char *arg = line + strcspn(line, " \t");
    char **argv;

    while (prog->argv[argc]) {
        argc++;
    }
    argv = g_new(char *, argc + 4);
    if (*arg) {
        *arg++ = 0;
        arg += strspn(arg, " \t");
    }
    argv[n++] = line;
    if (*arg) {
        argv[n++] = arg;
    }
    argv[n++] = (char *)prog->path;
    for (size_t i = 1; i < argc; i++) {
        argv[n++] = prog->argv[i];
    }
    argv[n] = NULL;
    prog->argv = argv;
    prog->path = line;
}

/* ---- reading and checking
 * --------------------------------------------------------------------------- */

static int open_program(const char *path, GError **err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        int e = errno;

        (void)FAIL(0, "%s: %s", path, g_strerror(e));
        return e == ENOENT || e == ENOTDIR ? -EXIT_NOT_FOUND : -EXIT_CANNOT_RUN;
    }
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS)) {
        (void)FAIL(0, "%s: %s", path, S_ISDIR(st.st_mode) ? "Is a directory" : g_strerror(EACCES));
        close(fd);
        return -EXIT_CANNOT_RUN;
    }
    return fd;
}

static const char *check_header(const Elf64_Ehdr *eh, size_t n)
{
    if (n < SELFMAG || memcmp(eh->e_ident, ELFMAG, SELFMAG)) {
        return "not an ELF file or script";
    }
    if (n < EI_NIDENT) {
        return "the ELF file is truncated";
    }
    if (eh->e_ident[EI_CLASS] != ELFCLASS64) {
        return eh->e_ident[EI_CLASS] == ELFCLASS32
                   ? "a 32-bit ELF file; only 64-bit guests are known"
                   : "an ELF file of an unknown class";
    }
    if (eh->e_ident[EI_DATA] != ELFDATA2LSB) {
        return eh->e_ident[EI_DATA] == ELFDATA2MSB
                   ? "a big-endian ELF file; only little-endian guests are known"
                   : "an ELF file of unknown byte order";
    }
    if (n < sizeof(*eh)) {
        return "the ELF file is truncated";
    }
    if (eh->e_type != ET_EXEC && eh->e_type != ET_DYN) {
        return eh->e_type == ET_REL    ? "an object file, not a program"
               : eh->e_type == ET_CORE ? "a core dump, not a program"
                                       : "an ELF file of an unknown type";
    }
    if (eh->e_phentsize != sizeof(Elf64_Phdr) || !eh->e_phnum || eh->e_phnum > MAX_PHNUM) {
        return "the ELF file's program headers are corrupt";
    }
    return NULL;
}

static const char *check_segments(const ElfFile *f)
{
    bool any = false;

    for (int n = 0; n < f->eh.e_phnum; n++) {
        const Elf64_Phdr *ph = &f->ph[n];

        if (ph->p_type != PT_LOAD && ph->p_type != PT_INTERP) {
            continue;
        }
        if (ph->p_offset > f->size || ph->p_filesz > f->size - ph->p_offset) {
            return "the ELF file is truncated: a segment goes beyond its end";
        }
        if (ph->p_type == PT_INTERP) {
            if (ph->p_filesz < 2 || ph->p_filesz > PATH_MAX) {
                return "the ELF file's interpreter name is corrupt";
            }
            continue;
        }
        if (ph->p_filesz > ph->p_memsz || ph->p_vaddr + ph->p_memsz < ph->p_vaddr ||
            ph->p_vaddr + ph->p_memsz >= proc.guest_limit ||
            (ph->p_vaddr - ph->p_offset) % GUEST_PAGE_SIZE) {
            return "the ELF file has a corrupt segment";
        }
        any = true;
    }
    return any ? NULL : "the ELF file has nothing to load";
}

/* Reads and checks headers; status 0, or EXIT_CANNOT_RUN. */
static int read_elf(ElfFile *f, GError **err)
{
    struct stat st;
    ssize_t n = pread(f->fd, &f->eh, sizeof(f->eh), 0);
    const char *bad = check_header(&f->eh, n < 0 ? 0 : n);
    const UserArch *arch;

    if (bad) {
        return FAIL(EXIT_CANNOT_RUN, "%s: %s", f->path, bad);
    }
    arch = user_arch_by_machine(f->eh.e_machine, false);
    if (!arch || (proc.arch && arch != proc.arch)) {
        return FAIL(EXIT_CANNOT_RUN,
                    "%s: a program for another machine (ELF machine %d), not for %s", f->path,
                    f->eh.e_machine, proc.arch ? proc.arch->target->name : "a known guest");
    }
    proc.arch = arch;
    fstat(f->fd, &st);
    f->size = st.st_size;
    n = pread(f->fd, f->ph, f->eh.e_phnum * sizeof(Elf64_Phdr), f->eh.e_phoff);
    if (n != (ssize_t)(f->eh.e_phnum * sizeof(Elf64_Phdr))) {
        return FAIL(EXIT_CANNOT_RUN, "%s: the ELF file is truncated: no program headers", f->path);
    }
    bad = check_segments(f);
    if (bad) {
        return FAIL(EXIT_CANNOT_RUN, "%s: %s", f->path, bad);
    }
    return 0;
}

/*
 * NT_GNU_PROPERTY_TYPE_0 with GNU_PROPERTY_AARCH64_FEATURE_1_AND, bit 0: branch target
 * identification (ELF for the Arm 64-bit Architecture, "Program Property").
 */
static bool has_bti_property(const ElfFile *f)
{
    uint32_t note[256];

    for (int n = 0; n < f->eh.e_phnum; n++) {
        if (f->ph[n].p_type != PT_GNU_PROPERTY) {
            continue;
        }
        ssize_t size = pread(f->fd, note, MIN(sizeof(note), f->ph[n].p_filesz), f->ph[n].p_offset);

        if (size < 16 || note[2] != NT_GNU_PROPERTY_TYPE_0) {
            return false;
        }
        size_t end = MIN((size_t)size, 16 + (size_t)note[1]) / 4;
        for (size_t i = 4; i + 2 < end; i += 2 + (note[i + 1] + 7) / 8 * 2) {
            if (note[i] == 0xc0000000) {
                return note[i + 2] & 1;
            }
        }
    }
    return false;
}

/* ---- mapping
 * ------------------------------------------------------------------------------------------ */

static uint64_t page_down(uint64_t addr)
{
    return addr & -(uint64_t)GUEST_PAGE_SIZE;
}
static uint64_t page_up(uint64_t addr)
{
    return page_down(addr + GUEST_PAGE_SIZE - 1);
}

static int segment_prot(const Elf64_Phdr *ph, bool bti)
{
    return (ph->p_flags & PF_R ? PROT_READ : 0) | (ph->p_flags & PF_W ? PROT_WRITE : 0) |
           (ph->p_flags & PF_X ? PROT_EXEC | (bti ? GUEST_PROT_BTI : 0) : 0);
}

/* Maps one segment over its reserved place. */
static int64_t map_segment(const ElfFile *f, const Elf64_Phdr *ph, uint64_t bias, bool bti)
{
    uint64_t start = ph->p_vaddr + bias, file_end = start + ph->p_filesz;
    uint64_t end = start + ph->p_memsz, map_start = page_down(start);
    int prot = segment_prot(ph, bti);
    int64_t res = 0;

    if (ph->p_filesz) {
        res = guest_mmap(map_start, file_end - map_start, prot, MAP_PRIVATE | MAP_FIXED, f->fd,
                         page_down(ph->p_offset));
        if (res < 0) {
            return res;
        }
        map_start = page_up(file_end);
    }
    if (end > map_start) {
        res = guest_mmap(map_start, end - map_start, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                         -1, 0);
    }
    if (res >= 0 && end > file_end && ph->p_filesz && prot & PROT_WRITE) {
        memset(g2h(file_end), 0, page_up(file_end) - file_end);
    }
    return res < 0 ? res : 0;
}

/*
 * Reserves room for all segments and maps them. hint: where a position-independent file should go,
 * or 0 for anywhere.
 */
static int map_elf(const ElfFile *f, uint64_t hint, bool bti, ImageInfo *info, GError **err)
{
    uint64_t low = UINT64_MAX, high = 0, align = GUEST_PAGE_SIZE;
    int64_t base;

    for (int n = 0; n < f->eh.e_phnum; n++) {
        const Elf64_Phdr *ph = &f->ph[n];

        if (ph->p_type == PT_LOAD) {
            low = MIN(low, page_down(ph->p_vaddr));
            high = MAX(high, page_up(ph->p_vaddr + ph->p_memsz));
            if (ph->p_align > align && !(ph->p_align & (ph->p_align - 1)) &&
                ph->p_align < GUEST_GAP) {
                align = ph->p_align;
            }
        }
    }
    if (f->eh.e_type == ET_EXEC) {
        base = guest_mmap(low, high - low, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
        if (base < 0) {
            return FAIL(EXIT_CANNOT_RUN,
                        "%s: its place at 0x%" PRIx64 "-0x%" PRIx64 " is not free: %s", f->path,
                        low, high, g_strerror(-base));
        }
    } else {
        base = guest_mmap((hint + low) & -align, high - low + align, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (base < 0) {
            return FAIL(EXIT_CANNOT_RUN, "%s: no room for it: %s", f->path, g_strerror(-base));
        }
        uint64_t start = ((uint64_t)base + align - 1) & -align, end = start + (high - low);
        if (start > (uint64_t)base) {
            guest_munmap(base, start - base);
        }
        guest_munmap(end, base + (high - low) + align - end);
        base = (int64_t)start;
    }
    info->load_bias = (uint64_t)base - low;
    info->load_addr = (uint64_t)base;
    info->entry = f->eh.e_entry + info->load_bias;
    info->phnum = f->eh.e_phnum;
    info->start_code = info->start_data = UINT64_MAX;

    for (uint64_t end = 0, n = 0; n < f->eh.e_phnum; n++) {
        const Elf64_Phdr *ph = &f->ph[n];
        uint64_t start = ph->p_vaddr + info->load_bias;

        if (ph->p_type != PT_LOAD) {
            continue;
        }
        if (end && page_down(start) > end) { /* a hole, of the reservation */
            guest_munmap(end, page_down(start) - end);
        }
        end = page_up(start + ph->p_memsz);
        int64_t res = map_segment(f, ph, info->load_bias, bti);
        if (res < 0) {
            return FAIL(EXIT_CANNOT_RUN, "%s: cannot map a segment: %s", f->path, g_strerror(-res));
        }
        if (ph->p_offset <= f->eh.e_phoff && f->eh.e_phoff < ph->p_offset + ph->p_filesz) {
            info->phdr = start + (f->eh.e_phoff - ph->p_offset);
        }
        if (ph->p_flags & PF_X) {
            info->start_code = MIN(info->start_code, start);
            info->end_code = MAX(info->end_code, start + ph->p_filesz);
        } else {
            info->start_data = MIN(info->start_data, start);
            info->end_data = MAX(info->end_data, start + ph->p_filesz);
        }
        info->brk = MAX(info->brk, start + ph->p_memsz);
    }
    return 0;
}

static int load_interp(LinuxProgram *prog, GError **err)
{
    char buf[PATH_MAX];
    ElfFile f = { .path = translate_path(prog->image.interp, buf) };
    ImageInfo info = { 0 };
    int status;

    f.fd = open(f.path, O_RDONLY | O_CLOEXEC);
    if (f.fd < 0) {
        return FAIL(EXIT_NOT_FOUND, "%s: its interpreter %s: %s%s", prog->path, prog->image.interp,
                    g_strerror(errno),
                    proc.prefix ? " (-L names another place to look)"
                                : " (-L DIR may help: where the guest's libraries are)");
    }
    status = read_elf(&f, err);
    if (!status) {
        status = map_elf(&f, 0, has_bti_property(&f), &info, err);
    }
    close(f.fd);
    prog->image.interp_base = info.load_bias;
    prog->image.start_pc = info.entry;
    return status;
}

static int load_elf(LinuxProgram *prog, GError **err)
{
    ElfFile f = { .path = prog->path, .fd = prog->fd };
    ImageInfo *info = &prog->image;
    int status = read_elf(&f, err);

    if (status) {
        return status;
    }
    for (int n = 0; n < f.eh.e_phnum; n++) {
        const Elf64_Phdr *ph = &f.ph[n];

        if (ph->p_type == PT_INTERP && !info->interp) {
            info->interp = g_malloc0(ph->p_filesz + 1);
            if (pread(f.fd, info->interp, ph->p_filesz, ph->p_offset) != (ssize_t)ph->p_filesz) {
                return FAIL(EXIT_CANNOT_RUN, "%s: cannot read its interpreter's name", f.path);
            }
        }
        if (ph->p_type == PT_GNU_STACK) {
            info->exec_stack = ph->p_flags & PF_X;
        }
    }
    info->is_pie = f.eh.e_type == ET_DYN;
    info->has_bti = has_bti_property(&f);
    /* Two thirds up, as arm64 does (ELF_ET_DYN_BASE): sanitizers know it, and the heap has room
     * above. */
    status = map_elf(&f, (proc.guest_limit / 3 * 2) & ~UINT64_C(0x1fffff),
                     info->has_bti && !info->interp, info, err);
    if (status) {
        return status;
    }
    info->start_pc = info->entry;
    if (info->interp) {
        status = load_interp(prog, err);
    }
    guest_set_brk(page_up(info->brk));
    return status;
}

/* The absolute name of what was loaded. */
static void note_exe_path(const LinuxProgram *prog)
{
    char link[64], name[PATH_MAX];
    ssize_t n;

    g_snprintf(link, sizeof(link), "/proc/self/fd/%d", prog->fd);
    n = readlink(link, name, sizeof(name) - 1);
    proc.exe_path = n > 0 ? g_strndup(name, n) : realpath(prog->path, NULL);
    if (!proc.exe_path) {
        proc.exe_path = g_strdup(prog->path);
    }
}

int load_program(LinuxProgram *prog, GError **err)
{
    for (int depth = 0; depth < MAX_SCRIPT_DEPTH; depth++) {
        uint8_t head[SCRIPT_LINE_SIZE];
        char line[SCRIPT_LINE_SIZE], buf[PATH_MAX];
        ssize_t n;

        if (prog->fd < 0) {
            prog->fd = open_program(depth ? translate_path(prog->path, buf) : prog->path, err);
        }
        if (prog->fd < 0) {
            return -prog->fd;
        }
        n = pread(prog->fd, head, sizeof(head), 0);
        if (n < 0) {
            return FAIL(EXIT_CANNOT_RUN, "%s: %s", prog->path, g_strerror(errno));
        }
        if (classify_executable(head, n, line, sizeof(line)) != EXEC_SCRIPT) {
            int status = load_elf(prog, err);

            note_exe_path(prog);
            text_hold(prog->fd);
            return status;
        }
        close(prog->fd);
        prog->fd = -1;
        script_argv(prog, g_strdup(line));
    }
    return FAIL(EXIT_CANNOT_RUN, "%s: too many levels of #! interpreters", prog->path);
}
