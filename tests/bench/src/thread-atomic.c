/* SPDX-License-Identifier: MIT */
/* Four threads on one atomic counter, a compare-and-swap list and a lock. */
#include "bench.h"
#include <pthread.h>
#include <stdatomic.h>

typedef struct Node {
    struct Node *next;
} Node;

static atomic_ulong counter;
static _Atomic(Node *) head;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t locked;
static long count;

static void *work(void *arg)
{
    (void)arg;
    Node *nodes = calloc(count, sizeof *nodes);
    for (long i = 0; i < count; i++) {
        atomic_fetch_add(&counter, 3);
        Node *old = atomic_load(&head);
        do {
            nodes[i].next = old;
        } while (!atomic_compare_exchange_weak(&head, &old, &nodes[i]));
        if (i % 8 == 0) {
            pthread_mutex_lock(&lock);
            locked++;
            pthread_mutex_unlock(&lock);
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread[4];
    uint64_t length = 0;
    count = bench_count(argc, argv, 600000);
    for (int i = 0; i < 4; i++) {
        pthread_create(&thread[i], NULL, work, NULL);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(thread[i], NULL);
    }
    for (Node *n = head; n; n = n->next) {
        length++;
    }
    return bench_result(length * 5 + counter + locked);
}
