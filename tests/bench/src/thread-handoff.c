/* SPDX-License-Identifier: MIT */
/* Two threads hand a token to and fro by condition variables; threads come and go. */
#include "bench.h"
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn[2] = { PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER };
static long token, count;

static void *player(void *arg)
{
    long side = (long)arg;
    pthread_mutex_lock(&lock);
    while (token < count) {
        while (token % 2 != side && token < count) {
            pthread_cond_wait(&turn[side], &lock);
        }
        token++;
        pthread_cond_signal(&turn[!side]);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void *brief(void *arg)
{
    return (char *)arg + 1;
}

int main(int argc, char **argv)
{
    pthread_t thread[2];
    uint64_t sum = 0;
    count = bench_count(argc, argv, 40000);
    for (long i = 0; i < 2; i++) {
        pthread_create(&thread[i], NULL, player, (void *)i);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(thread[i], NULL);
    }
    for (long i = 0; i < count / 8; i++) {
        void *result;
        pthread_create(&thread[0], NULL, brief, (void *)i);
        pthread_join(thread[0], &result);
        sum += (uintptr_t)result;
    }
    return bench_result(sum);
}
