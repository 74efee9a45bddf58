/* SPDX-License-Identifier: MIT */
/* open, fstat, pread, stat and close; mmap, touch and munmap. */
#include "bench.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    uint64_t sum = 0;
    for (long n = bench_count(argc, argv, 40000); n > 0; n--) {
        char buffer[64];
        struct stat st;
        int fd = open("/dev/null", O_RDWR);
        if (fd < 0 || fstat(fd, &st) < 0 || stat("/", &st) < 0) {
            return 1;
        }
        sum += read(fd, buffer, sizeof buffer) == 0;
        close(fd);
        char *page = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        page[n & 4095] = 1;
        sum += page[n & 4095] + page[8192];
        munmap(page, 16384);
    }
    return bench_result(sum);
}
