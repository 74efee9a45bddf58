/* SPDX-License-Identifier: MIT */
/* The log behind -d, -D and -dfilter: a mask, a file, a list of guest code ranges. */
#include "util/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int log_mask;

static const struct {
    const char *name;
    int mask;
    const char *help;
} log_items[] = {
    { "in_asm", LOG_IN_ASM, "guest code of each block as it is translated" },
    { "op", LOG_OP, "TCG ops as the front end made them" },
    { "op_opt", LOG_OP_OPT, "TCG ops after the optimiser and liveness" },
    { "out_asm", LOG_OUT_ASM, "host code" },
    { "int", LOG_INT, "exceptions, faults and signals" },
    { "exec", LOG_EXEC, "each block as it is entered (slow: nothing is chained)" },
    { "cpu", LOG_CPU, "CPU registers at each block (slow: nothing is chained)" },
    { "strace", LOG_STRACE, "system calls" },
    { "unimp", LOG_UNIMP, "what the guest asked for and is not implemented" },
    { "guest_errors", LOG_GUEST_ERROR, "what the guest did wrong" },
    { "page", LOG_PAGE, "the guest's memory map as it changes" },
    { "cache", LOG_CACHE, "how many blocks came from the persistent cache, or were kept there" },
};

static struct {
    pthread_mutex_t lock;
    FILE *file; /* NULL: stderr */
    struct {
        uint64_t start, end;
    } ranges[16];
    unsigned nb_ranges;
} log_state = { .lock = PTHREAD_MUTEX_INITIALIZER };

void log_list_items(FILE *f)
{
    fprintf(f, "Items of -d, by comma:\n");
    for (unsigned n = 0; n < G_N_ELEMENTS(log_items); n++) {
        fprintf(f, "%-13s %s\n", log_items[n].name, log_items[n].help);
    }
}

bool log_set_items(const char *items, GError **err)
{
    g_auto(GStrv) names = g_strsplit(items, ",", -1);
    int mask = 0;

    for (char **name = names; *name; name++) {
        unsigned n;

        if (!strcmp(*name, "help") || !strcmp(*name, "?")) {
            log_list_items(stdout);
            exit(0);
        }
        for (n = 0; n < G_N_ELEMENTS(log_items) && strcmp(*name, log_items[n].name); n++) {
        }
        if (n == G_N_ELEMENTS(log_items)) {
            g_set_error(err, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                        "-d %s: unknown log item '%s'; -d help lists them", items, *name);
            return false;
        }
        mask |= log_items[n].mask;
    }
    log_mask |= mask;
    return true;
}

bool log_set_file(const char *name, GError **err)
{
    const char *percent = strstr(name, "%d");
    g_autofree char *path =
        percent ? g_strdup_printf("%.*s%d%s", (int)(percent - name), name, getpid(), percent + 2)
                : g_strdup(name);
    FILE *f = fopen(path, "we");

    if (!f) {
        g_set_error(err, G_FILE_ERROR, g_file_error_from_errno(errno), "-D %s: %s", path,
                    strerror(errno));
        return false;
    }
    setvbuf(f, NULL, _IOLBF, 0);
    log_state.file = f;
    return true;
}

static bool parse_range(const char *text, uint64_t *start, uint64_t *end)
{
    char *tail;

    *start = strtoull(text, &tail, 0);
    if (tail == text) {
        return false;
    }
    if (tail[0] == '.' && tail[1] == '.') {
        *end = strtoull(tail + 2, &tail, 0);
        return !*tail && *end >= *start;
    }
    char sign = *tail;
    if (sign != '+' && sign != '-') {
        return false;
    }
    uint64_t len = strtoull(tail + 1, &tail, 0);
    if (sign == '+') {
        *end = *start + len - 1;
    } else {
        *end = *start;
        *start -= len - 1;
    }
    return !*tail && len;
}

bool log_set_filter(const char *ranges, GError **err)
{
    g_auto(GStrv) list = g_strsplit(ranges, ",", -1);

    for (char **range = list; *range; range++) {
        if (log_state.nb_ranges == G_N_ELEMENTS(log_state.ranges) ||
            !parse_range(*range, &log_state.ranges[log_state.nb_ranges].start,
                         &log_state.ranges[log_state.nb_ranges].end)) {
            g_set_error(err, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                        "-dfilter %s: '%s' is not START..END, START+LENGTH or START-LENGTH "
                        "(or one of more than %zu)",
                        ranges, *range, G_N_ELEMENTS(log_state.ranges));
            return false;
        }
        log_state.nb_ranges++;
    }
    return true;
}

bool log_in_range(uint64_t pc)
{
    for (unsigned n = 0; n < log_state.nb_ranges; n++) {
        if (pc >= log_state.ranges[n].start && pc <= log_state.ranges[n].end) {
            return true;
        }
    }
    return !log_state.nb_ranges;
}

FILE *log_lock(void)
{
    pthread_mutex_lock(&log_state.lock);
    return log_state.file ? log_state.file : stderr;
}

void log_unlock(FILE *f)
{
    fflush(f);
    pthread_mutex_unlock(&log_state.lock);
}

void log_printf(int item, const char *fmt, ...)
{
    va_list ap;

    if (!log_enabled(item)) {
        return;
    }
    FILE *f = log_lock();
    va_start(ap, fmt);
    vfprintf(f, fmt, ap);
    va_end(ap);
    log_unlock(f);
}
