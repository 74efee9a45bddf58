/* SPDX-License-Identifier: MIT */
/* -perfmap: /tmp/perf-PID.map, by which perf names translated code. */
#include <unistd.h>

#include "internal.h"

/* Guest symbols, if the loader knows them; NULL otherwise. */
const char *(*guest_symbol)(vaddr addr, vaddr *offset);

void perfmap_add(const TranslationBlock *tb)
{
    static FILE *map;
    static pid_t owner;
    vaddr offset = 0;
    const char *name = guest_symbol ? guest_symbol(tb->pc, &offset) : NULL;

    if (!tb->tc) {
        return;
    }
    pthread_mutex_lock(&engine.lock);
    if (owner != getpid()) {
        g_autofree char *path = g_strdup_printf("/tmp/perf-%d.map", getpid());
        map = fopen(path, "we");
        owner = getpid();
    }
    if (map) {
        if (name) {
            fprintf(map, "%" PRIxPTR " %x %s+0x%" PRIx64 "\n", (uintptr_t)tb->tc, tb->tc_size, name,
                    offset);
        } else {
            fprintf(map, "%" PRIxPTR " %x guest-0x%" PRIx64 "\n", (uintptr_t)tb->tc, tb->tc_size,
                    tb->pc);
        }
        fflush(map);
    }
    pthread_mutex_unlock(&engine.lock);
}
