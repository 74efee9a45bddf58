/* SPDX-License-Identifier: MIT */
/*
 * The guest's vDSO: a shared object of one page with the kernel's names for arm64 (vdso(7)). Its
 * clocks are an SVC whose immediate is the system call, which compiled code does without leaving.
 * The trampoline has no CFI, as the kernel's has none: unwinders know its two instructions, and one
 * before them that is no call.
 */
#include "linux-user/aarch64/frame.h"
#include "linux-user/user.h"

#include <elf.h>
#include <stddef.h>

#define SVC(nr, imm) 0xd2800008u | (nr) << 5, 0xd4000001u | (imm) << 5 /* mov x8, #nr; svc #imm */
#define QUICK(nr)    SVC(nr, nr)
enum {
    NOP = 0xd503201f,
    RET = 0xd65f03c0,
    RT_SIGRETURN = 139,
    GETTIMEOFDAY = 169,
    CLOCK_GETTIME = 113,
    CLOCK_GETRES = 114
};

enum { NB_SYMBOLS = 4, NB_VERSIONS = 2 };

typedef struct VdsoStrings {
    char none[1], soname[16], version[13];
    char rt_sigreturn[22], gettimeofday[22], clock_gettime[23], clock_getres[22];
} VdsoStrings;

typedef struct VdsoCode {
    uint32_t before, rt_sigreturn[2], gettimeofday[3], clock_gettime[3], clock_getres[3];
} VdsoCode;

typedef struct VdsoImage {
    Elf64_Ehdr ehdr;
    Elf64_Phdr phdr[2];
    Elf64_Dyn dyn[9];
    Elf64_Sym sym[1 + NB_SYMBOLS];
    struct {
        Elf64_Verdef def;
        Elf64_Verdaux aux;
    } verdef[NB_VERSIONS];
    uint32_t hash[2 + 1 + 1 + NB_SYMBOLS]; /* one bucket */
    uint16_t versym[1 + NB_SYMBOLS];
    VdsoStrings str;
    VdsoCode code;
} VdsoImage;

#define AT(field)     offsetof(VdsoImage, field)
#define STRING(field) offsetof(VdsoStrings, field)
#define FUNCTION(name)                                                                    \
    {                                                                                     \
        STRING(name), ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), STV_DEFAULT, 1, AT(code.name), \
            sizeof(((VdsoCode *)0)->name)                                                 \
    }
#define VERSION(n, flags, string, hash)                                            \
    {                                                                              \
        { 1,                                                                       \
          flags,                                                                   \
          n,                                                                       \
          1,                                                                       \
          hash,                                                                    \
          sizeof(Elf64_Verdef),                                                    \
          (n) == NB_VERSIONS ? 0 : sizeof(Elf64_Verdef) + sizeof(Elf64_Verdaux) }, \
        {                                                                          \
            STRING(string), 0                                                      \
        }                                                                          \
    }

static const VdsoImage image = {
    .ehdr = {
        .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
        .e_type = ET_DYN,
        .e_machine = EM_AARCH64,
        .e_version = EV_CURRENT,
        .e_phoff = AT(phdr),
        .e_ehsize = sizeof(Elf64_Ehdr),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 2,
    },
    .phdr = {
        { PT_LOAD, PF_R | PF_X, 0, 0, 0, sizeof(VdsoImage), sizeof(VdsoImage), GUEST_PAGE_SIZE },
        { PT_DYNAMIC, PF_R, AT(dyn), AT(dyn), AT(dyn), sizeof(image.dyn), sizeof(image.dyn), 8 },
    },
    .dyn = {
        { DT_SONAME, { STRING(soname) } },
        { DT_HASH, { AT(hash) } },
        { DT_STRTAB, { AT(str) } },
        { DT_SYMTAB, { AT(sym) } },
        { DT_STRSZ, { sizeof(VdsoStrings) } },
        { DT_SYMENT, { sizeof(Elf64_Sym) } },
        { DT_VERSYM, { AT(versym) } },
        { DT_VERDEF, { AT(verdef) } },
        { DT_NULL, { 0 } },
    },
    .sym = { { 0 }, FUNCTION(rt_sigreturn), FUNCTION(gettimeofday), FUNCTION(clock_gettime),
             FUNCTION(clock_getres) },
    .verdef = { VERSION(1, VER_FLG_BASE, soname, 0xdeebfa1), VERSION(2, 0, version, 0x75fcb89) },
    .hash = { 1, 1 + NB_SYMBOLS, 1, 0, 2, 3, 4, 0 },
    .versym = { 0, 2, 2, 2, 2 },
    .str = { "", "linux-vdso.so.1", "LINUX_2.6.39", "__kernel_rt_sigreturn",
             "__kernel_gettimeofday", "__kernel_clock_gettime", "__kernel_clock_getres" },
    .code = {
        NOP,
        { SVC(RT_SIGRETURN, 0) },
        { QUICK(GETTIMEOFDAY), RET },
        { QUICK(CLOCK_GETTIME), RET },
        { SVC(CLOCK_GETRES, 0), RET },
    },
};

const UserVdso aarch64_vdso = { &image, sizeof(image), AT(code.rt_sigreturn) };
