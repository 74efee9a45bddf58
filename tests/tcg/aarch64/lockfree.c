/* SPDX-License-Identifier: MIT */
/*
 * A lock-free stack and a lock-free queue made of load-exclusive and store-exclusive, without any
 * counters: right only if a store-exclusive fails when its word was changed and changed back. Four
 * threads; lockfree [SECONDS]. At the end every element must be there once.
 */
#include "test.h"
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum { THREADS = 4, NODES = 6 };

typedef struct Node {
    struct Node *_Atomic next;
    _Atomic uint64_t value;
} __attribute__((aligned(64))) Node;

static struct {
    Node *_Atomic top __attribute__((aligned(64)));
    Node *_Atomic head __attribute__((aligned(64)));
    Node *_Atomic tail __attribute__((aligned(64)));
} shared;

static Node stack_nodes[NODES], queue_nodes[NODES + 1];
static atomic_int held[NODES + 1]; /* an element that a thread has for itself */
static atomic_bool stop;
static atomic_ullong operations;

static inline Node *load_exclusive(Node *_Atomic *p)
{
    Node *n;
    __asm__ volatile("ldaxr %0, [%1]" : "=r"(n) : "r"(p) : "memory");
    return n;
}

static inline bool store_exclusive(Node *_Atomic *p, Node *n)
{
    uint32_t failed;
    __asm__ volatile("stlxr %w0, %1, [%2]" : "=&r"(failed) : "r"(n), "r"(p) : "memory");
    return !failed;
}

static inline void clear_exclusive(void)
{
    __asm__ volatile("clrex" ::: "memory");
}

/* Somebody else may get the processor in the middle, now and then. */
static void dawdle(void)
{
    static _Thread_local unsigned seed;
    seed = seed * 1103515245 + 12345;
    for (unsigned i = seed >> 16 & 63; i > 0; i--) {
        __asm__ volatile("");
    }
}

static void push(Node *n)
{
    for (;;) {
        Node *top = shared.top;
        n->next = top;
        if (load_exclusive(&shared.top) != top) {
            clear_exclusive();
        } else if (store_exclusive(&shared.top, n)) {
            return;
        }
    }
}

static Node *pop(void)
{
    for (;;) {
        Node *top = load_exclusive(&shared.top);
        if (!top) {
            clear_exclusive();
            return NULL;
        }
        Node *next = top->next;
        dawdle();
        if (store_exclusive(&shared.top, next)) {
            return top;
        }
    }
}

/* The tail may lag behind by a node; whoever sees it moves it on. */
static void advance_tail(void)
{
    Node *tail = load_exclusive(&shared.tail), *next = tail->next;
    if (!next || !store_exclusive(&shared.tail, next)) {
        clear_exclusive();
    }
}

static void enqueue(Node *n)
{
    n->next = NULL;
    for (;;) {
        Node *tail = shared.tail;
        Node *next = load_exclusive(&tail->next);
        if (tail != shared.tail || next) {
            clear_exclusive();
            advance_tail();
            continue;
        }
        dawdle();
        if (store_exclusive(&tail->next, n)) {
            advance_tail();
            return;
        }
    }
}

/* The node that was the first, now free, and the value of the element behind it. */
static Node *dequeue(uint64_t *value)
{
    for (;;) {
        Node *head = load_exclusive(&shared.head), *tail = shared.tail, *next = head->next;
        if (head == tail || !next) {
            clear_exclusive();
            if (!next) {
                return NULL;
            }
            advance_tail();
            continue;
        }
        *value = next->value;
        dawdle();
        if (store_exclusive(&shared.head, next)) {
            return head;
        }
    }
}

static void take(int element)
{
    if (atomic_exchange(&held[element], 1)) {
        printf("element %d is there twice\n", element);
        exit(1);
    }
}

static void *use_stack(void *arg)
{
    while (!stop) {
        Node *n = pop();
        if (n) {
            take(n - stack_nodes);
            operations++;
            held[n - stack_nodes] = 0;
            push(n);
        }
    }
    return arg;
}

static void *use_queue(void *arg)
{
    while (!stop) {
        uint64_t value;
        Node *n = dequeue(&value);
        if (n) {
            take(value);
            operations++;
            held[value] = 0;
            n->value = value;
            enqueue(n);
        }
    }
    return arg;
}

static void run(const char *what, void *(*use)(void *), double seconds)
{
    pthread_t threads[THREADS];
    struct timespec time = { (time_t)seconds, (long)((seconds - (long)seconds) * 1e9) };

    stop = false;
    operations = 0;
    for (int i = 0; i < THREADS; i++) {
        NEED(pthread_create(&threads[i], NULL, use, NULL) == 0);
    }
    nanosleep(&time, NULL);
    stop = true;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK(operations > 0);
    fprintf(stderr, "%s: %llu operations\n", what, operations);
}

static void test_stack(double seconds)
{
    int count = 0;
    for (int i = 0; i < NODES; i++) {
        push(&stack_nodes[i]);
    }
    run("stack", use_stack, seconds);
    for (Node *n = shared.top; n && count <= NODES; n = n->next) {
        take(n - stack_nodes);
        count++;
    }
    EQUAL(count, NODES);
    memset(held, 0, sizeof held);
}

static void test_queue(double seconds)
{
    int count = 0;
    shared.head = shared.tail = &queue_nodes[NODES];
    for (int i = 0; i < NODES; i++) {
        queue_nodes[i].value = i;
        enqueue(&queue_nodes[i]);
    }
    run("queue", use_queue, seconds);
    for (Node *n = shared.head->next; n && count <= NODES; n = n->next) {
        take(n->value);
        count++;
    }
    EQUAL(count, NODES);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 1;
    test_stack(seconds);
    test_queue(seconds);
    return test_end();
}
