/* SPDX-License-Identifier: MIT */
/*
 * Names of guest functions for -perfmap, from the symbol tables of the ELF files that the guest
 * maps as code. Names are kept for the life of the process; a mapping that goes leaves its names
 * behind.
 */
#include "linux-user/symbols.h"

#include <elf.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exec/exec.h"

enum { MAX_HEADERS = 512, MAX_TABLE = 64 << 20 };

typedef struct Symbol {
    uint64_t start, end;
    const char *name;
} Symbol;

static struct {
    pthread_mutex_t lock;
    GArray *symbols; /* of Symbol, by start; NULL: -perfmap was not given */
} table = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int by_start(const void *a, const void *b)
{
    const Symbol *x = a, *y = b;

    return x->start < y->start ? -1 : x->start > y->start;
}

/* The last symbol that begins at or before addr and covers it. */
static const char *find(vaddr addr, vaddr *offset)
{
    const char *name = NULL;
    guint lo = 0, hi;

    pthread_mutex_lock(&table.lock);
    hi = table.symbols->len;
    while (lo < hi) {
        guint mid = (lo + hi) / 2;
        if (g_array_index(table.symbols, Symbol, mid).start <= addr) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    if (lo) {
        const Symbol *s = &g_array_index(table.symbols, Symbol, lo - 1);
        if (addr < s->end) {
            name = s->name;
            *offset = addr - s->start;
        }
    }
    pthread_mutex_unlock(&table.lock);
    return name;
}

void symbols_enable(void)
{
    table.symbols = g_array_new(false, false, sizeof(Symbol));
    guest_symbol = find;
}

/* size bytes of the file at offset, or NULL; the file may be anything. */
static void *read_part(int fd, uint64_t offset, uint64_t size)
{
    void *data;

    if (!size || size > MAX_TABLE || offset > INT64_MAX) {
        return NULL;
    }
    data = g_malloc(size);
    if (pread(fd, data, size, (off_t)offset) != (ssize_t)size) {
        g_free(data);
        return NULL;
    }
    return data;
}

static void add_table(const Elf64_Sym *sym, size_t count, const char *names, size_t size,
                      uint64_t bias)
{
    for (; count--; sym++) {
        if (ELF64_ST_TYPE(sym->st_info) == STT_FUNC && sym->st_value && sym->st_size &&
            sym->st_name < size && memchr(names + sym->st_name, 0, size - sym->st_name)) {
            Symbol s = { sym->st_value + bias, sym->st_value + bias + sym->st_size,
                         g_intern_string(names + sym->st_name) };
            g_array_append_val(table.symbols, s);
        }
    }
}

/* Where the file's virtual addresses lie when its bytes at `offset` are mapped at addr. */
static bool find_bias(int fd, const Elf64_Ehdr *eh, uint64_t addr, uint64_t offset, uint64_t *bias)
{
    g_autofree Elf64_Phdr *ph = read_part(fd, eh->e_phoff, eh->e_phnum * sizeof(*ph));

    for (int n = 0; ph && n < eh->e_phnum; n++) {
        if (ph[n].p_type == PT_LOAD && ph[n].p_flags & PF_X && ph[n].p_offset - offset < 4096) {
            *bias = addr + (ph[n].p_offset - offset) - ph[n].p_vaddr;
            return true;
        }
    }
    return false;
}

void symbols_add_mapping(int fd, uint64_t addr, uint64_t offset)
{
    Elf64_Ehdr eh;
    uint64_t bias;

    if (!table.symbols || pread(fd, &eh, sizeof(eh), 0) != sizeof(eh) ||
        memcmp(eh.e_ident, ELFMAG, SELFMAG) || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
        eh.e_phnum > MAX_HEADERS || eh.e_shnum > MAX_HEADERS ||
        !find_bias(fd, &eh, addr, offset, &bias)) {
        return;
    }
    g_autofree Elf64_Shdr *sh = read_part(fd, eh.e_shoff, eh.e_shnum * sizeof(*sh));
    pthread_mutex_lock(&table.lock);
    for (int n = 0; sh && n < eh.e_shnum; n++) {
        if ((sh[n].sh_type == SHT_SYMTAB || sh[n].sh_type == SHT_DYNSYM) &&
            sh[n].sh_link < eh.e_shnum) {
            const Elf64_Shdr *strings = &sh[sh[n].sh_link];
            g_autofree Elf64_Sym *sym = read_part(fd, sh[n].sh_offset, sh[n].sh_size);
            g_autofree char *names = read_part(fd, strings->sh_offset, strings->sh_size);
            if (sym && names) {
                add_table(sym, sh[n].sh_size / sizeof(*sym), names, strings->sh_size, bias);
            }
        }
    }
    qsort(table.symbols->data, table.symbols->len, sizeof(Symbol), by_start);
    pthread_mutex_unlock(&table.lock);
}
