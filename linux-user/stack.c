/* SPDX-License-Identifier: MIT */
/* The initial stack of a program: argument and environment strings, vectors, auxiliary vector. */
#include "linux-user/user.h"

#include <elf.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

enum { STACK_GUARD = 1 << 20, MAX_AUXV = 32 };
#define STACK_DEFAULT (UINT64_C(8) << 20)
#define STACK_MOST    (UINT64_C(1) << 30)
#define STACK_LEAST   (UINT64_C(128) << 10)

static uint64_t stack_size(void)
{
    struct rlimit lim;

    if (proc.stack_size) {
        return MAX(proc.stack_size, STACK_LEAST);
    }
    if (getrlimit(RLIMIT_STACK, &lim) < 0) {
        return STACK_DEFAULT;
    }
    return CLAMP(lim.rlim_cur, STACK_LEAST, STACK_MOST);
}

/* Copies a string below *sp; *sp is then its address. */
static uint64_t push_string(uint64_t *sp, const char *s)
{
    size_t len = strlen(s) + 1;

    *sp -= len;
    memcpy(g2h(*sp), s, len);
    return *sp;
}

static size_t strings_size(char **v, size_t *count)
{
    size_t size = 0;

    for (*count = 0; v[*count]; (*count)++) {
        size += strlen(v[*count]) + 1 + sizeof(uint64_t);
    }
    return size;
}

static void random_bytes(uint8_t *buf, size_t n)
{
    if (proc.has_seed) {
        for (size_t i = 0; i < n; i++) {
            proc.seed = proc.seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
            buf[i] = proc.seed >> 56;
        }
    } else if (getrandom(buf, n, GRND_NONBLOCK) != (ssize_t)n) {
        memset(buf, 0x5a, n);
    }
}

static int fill_auxv(uint64_t (*av)[2], const LinuxProgram *prog, CPUState *cpu, uint64_t execfn,
                     uint64_t platform, uint64_t random)
{
    const ImageInfo *im = &prog->image;
    int n = 0;
#define AUX(type, val) (av[n][0] = (type), av[n][1] = (val), n++)

    AUX(AT_HWCAP, proc.arch->hwcap(cpu, 1));
    AUX(AT_PAGESZ, GUEST_PAGE_SIZE);
    AUX(AT_CLKTCK, sysconf(_SC_CLK_TCK));
    AUX(AT_PHDR, im->phdr);
    AUX(AT_PHENT, sizeof(Elf64_Phdr));
    AUX(AT_PHNUM, im->phnum);
    AUX(AT_BASE, im->interp_base);
    AUX(AT_FLAGS, 0);
    AUX(AT_ENTRY, im->entry);
    AUX(AT_UID, getuid());
    AUX(AT_EUID, geteuid());
    AUX(AT_GID, getgid());
    AUX(AT_EGID, getegid());
    AUX(AT_SECURE, getauxval(AT_SECURE));
    AUX(AT_RANDOM, random);
    AUX(AT_HWCAP2, proc.arch->hwcap(cpu, 2));
    AUX(AT_EXECFN, execfn);
    AUX(AT_PLATFORM, platform);
    AUX(AT_SYSINFO_EHDR, proc.vdso);
    AUX(AT_MINSIGSTKSZ, proc.arch->minsigstksz);
    AUX(AT_NULL, 0);
#undef AUX
    return n;
}

bool setup_stack(LinuxProgram *prog, CPUState *cpu, GError **err)
{
    uint64_t size = stack_size(), base, sp, execfn, platform, random, argv_strings, env_strings;
    uint64_t av[MAX_AUXV][2], *vec;
    size_t argc, envc, need;
    int64_t res;
    int nav;

    res = guest_mmap(0, size + STACK_GUARD, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (res >= 0) {
        base = res + STACK_GUARD;
        res = guest_mprotect(base, size,
                             PROT_READ | PROT_WRITE | (prog->image.exec_stack ? PROT_EXEC : 0));
    }
    if (res < 0) {
        g_set_error(err, G_FILE_ERROR, G_FILE_ERROR_NOMEM,
                    "no room for the guest's stack of %" PRIu64 " KiB: %s (see ulimit -v)",
                    size >> 10, g_strerror(-res));
        return false;
    }
    need = strings_size(prog->argv, &argc) + strings_size(prog->envp, &envc) +
           strlen(proc.exec_path) + sizeof(av) + 256;
    if (need > size * 3 / 4) {
        g_set_error(err, G_FILE_ERROR, G_FILE_ERROR_NOSPC,
                    "arguments and environment (%zu bytes) do not fit the guest's stack", need);
        return false;
    }

    sp = base + size - 8;
    execfn = push_string(&sp, proc.exec_path);
    proc.env_end = execfn;
    for (size_t n = envc; n-- > 0;) {
        push_string(&sp, prog->envp[n]);
    }
    env_strings = sp;
    for (size_t n = argc; n-- > 0;) {
        push_string(&sp, prog->argv[n]);
    }
    argv_strings = sp;
    proc.arg_start = argv_strings;
    proc.arg_end = env_strings;
    platform = push_string(&sp, proc.arch->uname_machine);
    sp = (sp - 16) & ~UINT64_C(15);
    random = sp;
    random_bytes(g2h(random), 16);

    nav = fill_auxv(av, prog, cpu, execfn, platform, random);
    sp -= nav * sizeof(av[0]) + (argc + envc + 3) * sizeof(uint64_t);
    sp &= ~UINT64_C(15);
    vec = g2h(sp);
    *vec++ = argc;
    for (size_t n = 0; n < argc; n++) {
        *vec++ = argv_strings;
        argv_strings += strlen(prog->argv[n]) + 1;
    }
    *vec++ = 0;
    for (size_t n = 0; n < envc; n++) {
        *vec++ = env_strings;
        env_strings += strlen(prog->envp[n]) + 1;
    }
    *vec++ = 0;
    memcpy(vec, av, nav * sizeof(av[0]));
    proc.auxv_start = h2g(vec);
    proc.auxv_size = nav * sizeof(av[0]);
    proc.start_stack = sp;
    prog->sp = sp;
    return true;
}
