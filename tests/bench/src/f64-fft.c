/* SPDX-License-Identifier: MIT */
/* A radix-2 Fourier transform of complex doubles, in place. */
#include "bench.h"

enum { BITS = 14, N = 1 << BITS };

static double re[N], im[N], wr[N / 2], wi[N / 2];

static void fft(void)
{
    for (int i = 1, j = 0; i < N; i++) {
        int bit = N >> 1;
        for (; j & bit; bit >>= 1) {
            j ^= bit;
        }
        j ^= bit;
        if (i < j) {
            double t = re[i];
            re[i] = re[j];
            re[j] = t;
        }
    }
    for (int half = 1; half < N; half *= 2) {
        for (int i = 0; i < N; i += 2 * half) {
            for (int k = 0; k < half; k++) {
                int a = i + k, b = a + half, w = k * (N / 2 / half);
                double tr = re[b] * wr[w] - im[b] * wi[w], ti = re[b] * wi[w] + im[b] * wr[w];
                re[b] = re[a] - tr;
                im[b] = im[a] - ti;
                re[a] += tr;
                im[a] += ti;
            }
        }
    }
}

int main(int argc, char **argv)
{
    for (int i = 0; i < N / 2; i++) {
        wr[i] = cos(2 * M_PI * i / N);
        wi[i] = -sin(2 * M_PI * i / N);
    }
    double sum = 0;
    for (long n = bench_count(argc, argv, 700); n > 0; n--) {
        for (int i = 0; i < N; i++) {
            re[i] = (i * n) % 17;
            im[i] = 0;
        }
        fft();
        sum += re[n] + im[n];
    }
    return bench_result_double(sum);
}
