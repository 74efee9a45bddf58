/* SPDX-License-Identifier: MIT */
/* Quicksort of 64-bit keys: loads, compares, unpredictable branches. */
#include "bench.h"

static void sort(uint64_t *a, long low, long high)
{
    while (low < high) {
        uint64_t pivot = a[(low + high) / 2];
        long i = low, j = high;
        while (i <= j) {
            while (a[i] < pivot) {
                i++;
            }
            while (a[j] > pivot) {
                j--;
            }
            if (i <= j) {
                uint64_t t = a[i];
                a[i++] = a[j];
                a[j--] = t;
            }
        }
        sort(a, low, j);
        low = i;
    }
}

int main(int argc, char **argv)
{
    long n = bench_count(argc, argv, 3000000);
    uint64_t *a = malloc(n * sizeof *a), seed = 1, sum = 0;
    for (long i = 0; i < n; i++) {
        a[i] = bench_random(&seed);
    }
    sort(a, 0, n - 1);
    for (long i = 0; i < n; i++) {
        sum = sum * 31 + a[i];
    }
    return bench_result(sum);
}
