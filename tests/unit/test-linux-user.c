/* SPDX-License-Identifier: MIT */
/* Linux user mode without a guest: page map, executable files, flags, the system call table. */
#include "linux-user/syscalls.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum {
    RW = GUEST_PAGE_VALID | GUEST_PAGE_READ | GUEST_PAGE_WRITE,
    RX = GUEST_PAGE_VALID | GUEST_PAGE_EXEC
};
#define PAGE(n) ((vaddr)(n) << GUEST_PAGE_BITS)

static void test_pagemap_ranges(void)
{
    const vaddr base = UINT64_C(0x123400000000);

    g_assert_cmpint(pagemap_get(base), ==, 0);
    pagemap_set(base, base + PAGE(3), RW);
    g_assert_cmpint(pagemap_get(base + PAGE(3) - 1), ==, RW);
    g_assert_cmpint(pagemap_get(base + PAGE(3)), ==, 0);
    pagemap_set(base + PAGE(1), base + PAGE(2), RX);
    g_assert_true(pagemap_any(base, base + PAGE(3), GUEST_PAGE_EXEC));
    g_assert_false(pagemap_any(base + PAGE(2), base + PAGE(9), GUEST_PAGE_EXEC));
    g_assert_true(pagemap_all_valid(base, base + PAGE(3)));
    g_assert_false(pagemap_all_valid(base, base + PAGE(4)));
    g_assert_cmphex(pagemap_run_end(base, base + PAGE(9)), ==, base + PAGE(1));
    g_assert_cmphex(pagemap_run_end(base + PAGE(3), base + PAGE(9)), ==, base + PAGE(9));
    pagemap_set(base, base + PAGE(3), 0);
}

/* Terabytes in one piece, then a hole of a page in the middle. */
static void test_pagemap_huge(void)
{
    const vaddr base = UINT64_C(0x200000000000), end = base + (UINT64_C(3) << 40) + PAGE(5);
    const vaddr hole = base + (UINT64_C(1) << 40) + PAGE(77);

    pagemap_set(base, end, RW);
    g_assert_true(pagemap_all_valid(base, end));
    pagemap_set(hole, hole + PAGE(1), 0);
    g_assert_false(pagemap_all_valid(base, end));
    g_assert_cmpint(pagemap_get(hole - 1), ==, RW);
    g_assert_cmpint(pagemap_get(hole + PAGE(1)), ==, RW);
    g_assert_cmphex(pagemap_find_free(base, end, PAGE(1), PAGE(1)), ==, hole);
    g_assert_cmphex(pagemap_find_free(base, end, PAGE(2), PAGE(1)), ==, 0);
    pagemap_set(base, end, 0);
    g_assert_false(pagemap_any(base, end, GUEST_PAGE_VALID));
    g_assert_cmphex(pagemap_find_free(base, end, PAGE(5), UINT64_C(1) << 21), ==,
                    (end - PAGE(5)) & -(UINT64_C(1) << 21));
}

static void test_pagemap_beyond(void)
{
    g_assert_cmpint(pagemap_get(UINT64_C(1) << 47), ==, 0);
    g_assert_cmpint(pagemap_get(UINT64_MAX), ==, 0);
}

static void test_classify(void)
{
    Elf64_Ehdr eh = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB },
                      .e_machine = EM_AARCH64 };
    const char *script = "#!  /bin/sh  -e \nexit";
    char line[64];

    g_assert_cmpint(classify_executable((void *)&eh, sizeof(eh), line, sizeof(line)), ==,
                    EXEC_FOREIGN);
    eh.e_machine = EM_X86_64;
    g_assert_cmpint(classify_executable((void *)&eh, sizeof(eh), line, sizeof(line)), ==,
                    EXEC_NATIVE);
    g_assert_cmpint(classify_executable((void *)&eh, 10, line, sizeof(line)), ==, EXEC_UNKNOWN);
    g_assert_cmpint(
        classify_executable((const uint8_t *)script, strlen(script), line, sizeof(line)), ==,
        EXEC_SCRIPT);
    g_assert_cmpstr(line, ==, "/bin/sh  -e");
    g_assert_cmpint(classify_executable((const uint8_t *)"#! \n", 4, line, sizeof(line)), ==,
                    EXEC_UNKNOWN);
    g_assert_cmpint(classify_executable((const uint8_t *)"", 0, line, sizeof(line)), ==,
                    EXEC_UNKNOWN);
}

static void test_open_flags(void)
{
    g_assert_cmphex(host_open_flags(040000), ==, 0200000);  /* O_DIRECTORY */
    g_assert_cmphex(host_open_flags(0100000), ==, 0400000); /* O_NOFOLLOW */
    g_assert_cmphex(host_open_flags(0200000), ==, 040000);  /* O_DIRECT */
    g_assert_cmphex(host_open_flags(O_RDWR | O_CREAT), ==, O_RDWR | O_CREAT);
    for (int bit = 0; bit < 24; bit++) {
        g_assert_cmphex(guest_open_flags(host_open_flags(1 << bit)), ==, 1 << bit);
    }
}

static void test_format_flags(void)
{
    char buf[128], tiny[8];

    format_flags(flag_names(K_OPENFLAGS), O_WRONLY | O_CREAT | 040000, buf, sizeof(buf));
    g_assert_cmpstr(buf, ==, "O_WRONLY|O_CREAT|O_DIRECTORY");
    format_flags(flag_names(K_PROT), PROT_NONE, buf, sizeof(buf));
    g_assert_cmpstr(buf, ==, "PROT_NONE");
    format_flags(flag_names(K_PROT), PROT_READ | 0x100, buf, sizeof(buf));
    g_assert_cmpstr(buf, ==, "PROT_READ|0x100");
    format_flags(flag_names(K_PROT), PROT_READ | PROT_WRITE | PROT_EXEC | 0x100, tiny,
                 sizeof(tiny));
    g_assert_cmpuint(strlen(tiny), <, sizeof(tiny));
    g_assert_null(flag_names(K_FD));
}

/* Every number of the guest's has a line, and PASS a host's call. */
static void test_table(void)
{
    const UserArch *arch = user_arch_by_machine(EM_AARCH64, false);

    g_assert_nonnull(arch);
    g_assert_null(user_arch_by_machine(EM_AARCH64, true));
    g_assert_cmpstr(syscall_descs[arch->syscall_table[64]].name, ==, "write");
    g_assert_cmpint(syscall_descs[arch->syscall_table[64]].host_nr, ==, __NR_write);
    for (int nr = 0; nr < arch->nb_syscalls; nr++) {
        bool gap = (nr > 243 && nr < 260) || (nr > 294 && nr < 424);

        g_assert_true((arch->syscall_table[nr] == CALL_unknown) == gap);
    }
    for (int n = 1; n < NB_CALLS; n++) {
        g_assert_cmpint(syscall_descs[n].host_nr, >=, 0);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/linux-user/pagemap/ranges", test_pagemap_ranges);
    g_test_add_func("/linux-user/pagemap/huge", test_pagemap_huge);
    g_test_add_func("/linux-user/pagemap/beyond", test_pagemap_beyond);
    g_test_add_func("/linux-user/classify", test_classify);
    g_test_add_func("/linux-user/open-flags", test_open_flags);
    g_test_add_func("/linux-user/format-flags", test_format_flags);
    g_test_add_func("/linux-user/table", test_table);
    return g_test_run();
}
