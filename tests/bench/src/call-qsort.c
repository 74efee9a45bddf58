/* SPDX-License-Identifier: MIT */
/* The C library's qsort with a comparison function: call-backs. */
#include "bench.h"

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    long n = bench_count(argc, argv, 2000000);
    uint32_t *a = malloc(n * sizeof *a);
    uint64_t seed = 17, sum = 0;
    for (long i = 0; i < n; i++) {
        a[i] = bench_random(&seed);
    }
    qsort(a, n, sizeof *a, compare);
    for (long i = 0; i < n; i++) {
        sum = sum * 31 + a[i];
    }
    return bench_result(sum);
}
