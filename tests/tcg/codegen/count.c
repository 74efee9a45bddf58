/* SPDX-License-Identifier: MIT */
/*
 * Counts host instructions: count < LIST, a line of hexadecimal instruction words each, prints for
 * each line how many host instructions its block takes, out-of-line code included, nops not.
 * LATIMER_HOST chooses the host level, LATIMER_PRIVATE code for a program with one thread that does
 * not write FPSR. See tests/tcg/codegen/codegen.
 */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "exec/exec.h"
#include "runner.h"
#include "util/log.h"

/* Of the first block in the log: the lines "0x…:  mnemonic …" behind its "OUT:". */
static int count_block(const char *log)
{
    const char *p = strstr(log, "OUT:");
    int n = 0;

    while (p && (p = strchr(p, '\n')) && p[1] == '0') {
        const char *mnemonic = strchr(++p, ':') + 1;
        mnemonic += strspn(mnemonic, " ");
        n += strncmp(mnemonic, "nop", 3) != 0;
    }
    return n;
}

/* Code is at CODE only, so that a wild branch is a fault. */
static int page_flags(vaddr addr)
{
    bool code = addr - (uintptr_t)CODE < CODE_SIZE;
    return code ? GUEST_PAGE_VALID | GUEST_PAGE_READ | GUEST_PAGE_EXEC : 0;
}

/* log: open for reading, what came before has been read */
static int count(const uint32_t *insns, int n, int log)
{
    static char text[1 << 20];
    State st = { 0 };

    st.x[24] = st.x[28] = st.x[31] = (uintptr_t)SCRATCH + SCRATCH_SIZE / 2;
    st.x[25] = (uintptr_t)(SLOT + n);
    machine_run(&st, insns, n);
    fflush(NULL);
    ssize_t size = read(log, text, sizeof(text) - 1);
    if (size <= 0) {
        return -1;
    }
    text[size] = '\0';
    return count_block(text);
}

int main(void)
{
    g_autofree char *log = g_strdup("/tmp/latimer-codegen-XXXXXX");
    GError *err = NULL;
    char line[1024];
    int fd = g_mkstemp(log);

    if (fd < 0 || !log_set_items("out_asm", &err) || !log_set_file(log, &err) ||
        mmap(CODE, CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != CODE ||
        mmap(SCRATCH, SCRATCH_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
             -1, 0) != SCRATCH) {
        fprintf(stderr, "count: %s\n", err ? err->message : "no memory or no log file");
        return 1;
    }
    machine_init();
    guest_page_flags = page_flags;
    for (int i = 0; i < 1024; i++) {
        SLOT[i] = 0xd4000001; /* SVC, wherever a branch goes */
    }
    while (fgets(line, sizeof(line), stdin)) {
        uint32_t insns[MAX_INSNS];
        int n = 0;
        for (char *p = line, *end; n < MAX_INSNS; p = end) {
            unsigned long word = strtoul(p, &end, 16);
            if (end == p) {
                break;
            }
            insns[n++] = (uint32_t)word;
        }
        printf("%d\n", count(insns, n, fd));
    }
    unlink(log);
    return 0;
}
