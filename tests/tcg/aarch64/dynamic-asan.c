/* SPDX-License-Identifier: MIT */
/*
 * AddressSanitizer: an eighth of the address space is reserved as its shadow, at a fixed place. A
 * child makes the mistake that is to be found.
 */
#include "test.h"
#include <fcntl.h>
#include <sys/wait.h>

/* Leaks are looked for with ptrace. */
const char *__asan_default_options(void)
{
    return "detect_leaks=0:exitcode=55";
}

static int child_status(size_t at)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        char *p = malloc(100);

        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        ((volatile char *)p)[at] = 1;
        free(p);
        exit(0);
    }
    EQUAL(waitpid(child, &status, 0), child);
    return status;
}

int main(void)
{
    char *block[100];

    for (int n = 0; n < 100; n++) {
        block[n] = malloc(n * 1000);
        memset(block[n], n, n * 1000);
    }
    for (int n = 0; n < 100; n++) {
        free(block[n]);
    }
    EQUAL(child_status(99), 0);
    EQUAL(child_status(100), 55 << 8);
    return test_end();
}
