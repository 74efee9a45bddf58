/* SPDX-License-Identifier: MIT */
/* What the self-checking guest programs share: checks that print what differed. */
#ifndef TEST_H
#define TEST_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int test_failures;

/* Counts a failure; a program with very many has said enough. */
static inline void test_failed(void)
{
    if (++test_failures == 20) {
        printf("too many failures\n");
        exit(1);
    }
}

/* CHECK(condition), and EQUAL(got, wanted) for integers and pointers. */
#define CHECK(condition)                                                                       \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            printf("%s:%d: not true: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
            test_failed();                                                                     \
        }                                                                                      \
    } while (0)

#define EQUAL(got, wanted)                                                                      \
    do {                                                                                        \
        unsigned long long got_ = (unsigned long long)(got);                                    \
        unsigned long long wanted_ = (unsigned long long)(wanted);                              \
        if (got_ != wanted_) {                                                                  \
            printf("%s:%d: %s is %#llx, not %#llx\n", __FILE__, __LINE__, #got, got_, wanted_); \
            test_failed();                                                                      \
        }                                                                                       \
    } while (0)

/* For what the rest of the program cannot do without. */
#define NEED(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("%s:%d: cannot go on: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* Says what this machine, not the emulator, has not got. */
static inline void left_out(const char *what)
{
    int error = errno;

    printf("left out: %s (%s)\n", what, strerror(error));
    fflush(stdout);
    errno = error;
}

static inline int test_end(void)
{
    fflush(stdout);
    return test_failures != 0;
}

#endif
