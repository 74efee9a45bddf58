/* SPDX-License-Identifier: MIT */
/* strlen, strchr, strcmp, memchr and strstr of the C library over short strings. */
#include "bench.h"

int main(int argc, char **argv)
{
    static char text[1024][64];
    uint64_t seed = 19, sum = 0;
    for (int i = 0; i < 1024; i++) {
        int length = bench_random(&seed) % 60;
        for (int k = 0; k < length; k++) {
            text[i][k] = 'a' + bench_random(&seed) % 16;
        }
    }
    for (long n = bench_count(argc, argv, 10000); n > 0; n--) {
        for (int i = 0; i < 1024; i++) {
            const char *s = text[i], *t = text[(i * 7 + n) % 1024];
            size_t length = strlen(s);
            const char *found = strchr(s, 'a' + n % 20);
            sum += length + (found ? found - s : 1) + (strcmp(s, t) < 0);
            found = memchr(t, 'e', 64);
            sum += found ? found - t : 2;
        }
        sum += strstr(text[n % 1024], "ab") != NULL;
    }
    return bench_result(sum);
}
