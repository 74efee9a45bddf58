/* SPDX-License-Identifier: MIT */
/* A dynamic program: libraries, dlopen, TLS of libraries, constructors, weak symbols. */
#include "test.h"
#include <dlfcn.h>
#include <link.h>
#include <math.h>
#include <pthread.h>

static int constructed;
static __thread int own = 5;

__attribute__((constructor)) static void construct(void)
{
    constructed = 1;
}

__attribute__((destructor)) static void destruct(void)
{
    constructed = 0;
}

extern int nobody_has_this(void) __attribute__((weak));

static int count_object(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    CHECK(info->dlpi_phnum > 0);
    ++*(int *)data;
    return 0;
}

static void *in_thread(void *arg)
{
    own += (int)(long)arg;
    void *library = dlopen("libm.so.6", RTLD_NOW);
    double (*function)(double) = (double (*)(double))dlsym(library, "cbrt");
    CHECK(function && fabs(function(27) - 3) < 1e-12);
    return (void *)(long)own;
}

int main(int argc, char **argv)
{
    volatile double x = .5;
    int objects = 0;
    EQUAL(constructed, 1);
    CHECK(nobody_has_this == NULL);
    CHECK(fabs(sin(x) * sin(x) + cos(x) * cos(x) - 1) < 1e-15);
    dl_iterate_phdr(count_object, &objects);
    CHECK(objects >= 3);
    void *library = dlopen("libutil.so.1", RTLD_LAZY);
    CHECK(library != NULL);
    EQUAL(dlclose(library), 0);
    CHECK(dlopen("libnothing.so.99", RTLD_NOW) == NULL);
    CHECK(strstr(dlerror(), "libnothing") != NULL);
    for (long i = 0; i < 4; i++) {
        pthread_t thread;
        void *result;
        pthread_create(&thread, NULL, in_thread, (void *)i);
        pthread_join(thread, &result);
        EQUAL(result, 5 + i);
    }
    EQUAL(argc, 1);
    CHECK(strstr(argv[0], "dynamic-libs") != NULL);
    return test_end();
}
