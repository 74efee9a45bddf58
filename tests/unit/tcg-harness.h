/* SPDX-License-Identifier: MIT */
/*
 * For tests of op lists: a small guest CPU, and the ways in which a list can be run. A test builds
 * a list in the context, compiles it once for each engine, runs it on the same state by each and
 * compares.
 */
#ifndef TESTS_TCG_HARNESS_H
#define TESTS_TCG_HARNESS_H

#include "exec/cpu.h"
#include "tcg/backend.h"
#include "tcg/tcg-op.h"
#include "tcg/tcg.h"

enum { TEST_INTS = 8, TEST_VECS = 8 };

typedef struct TestCPU {
    CPUState parent;
    uint64_t r[TEST_INTS];
    uint64_t pc;
    uint32_t cc;
    TCGValue v[TEST_VECS];
    uint64_t field[4]; /* state outside the globals */
} TestCPU;

/* Indices of the globals. */
enum { TEST_R = 0, TEST_CC = TEST_INTS, TEST_V = TEST_INTS + 1 };

extern const TargetOps test_target;

/* Guest memory of the tests; guest addresses are host addresses. */
enum { TEST_MEM_SIZE = 256 };
extern uint8_t test_mem[TEST_MEM_SIZE] __attribute__((aligned(64)));

typedef struct TestEngine {
    const char *name;
    bool liveness, optimize;
    const char
        *host; /* host code for these features (-tcg host-features=); NULL: the interpreter */
    /* CF_FP_* of its blocks. A trap ends the list. */
    uint32_t fp_cflags;
} TestEngine;
extern const TestEngine test_engines[];
extern int nb_test_engines;
/* False, said once, if this host lacks what the engine needs. */
bool test_engine_works(const TestEngine *engine);

/* The context of all tests, with an empty list that begins an instruction. */
TCGContext *test_start(void);
/* Ends the list by an exit to cpu_exec, and checks it. */
void test_end(TCGContext *s);

/* The list as an engine runs it; freed by test_unload. The context's list stays as it was. */
TranslationBlock *test_load(TCGContext *s, const TestEngine *engine);
void test_run(const TranslationBlock *tb, TestCPU *cpu);
void test_unload(TranslationBlock *tb);

enum { TEST_MAX_STATES = 8 };
/*
 * Runs the context's list by every engine, from each of `count` states and the same memory, and
 * compares; the states become what they are afterwards.
 */
void test_run_all(TCGContext *s, TestCPU *cpu, int count, const char *what);

/* Fails with both lists printed unless the states agree in all that a guest sees. */
void test_compare(TCGContext *s, const TestEngine *engine, const char *what, const TestCPU *in,
                  const TestCPU *got, const TestCPU *expected);

/* ---- host code, block by block ---- */

/* Empties code memory; blocks are compiled for the engine's features from here on. */
void test_host_start(const TestEngine *engine);
/* Compiles the context's list as it is (liveness done) for tb, whose pc is set. */
void test_host_add(TCGContext *s, TranslationBlock *tb);
void test_host_patch(TBSlot *slot, const TranslationBlock *target);
/* With cpu->ret_sp 0 the return stack is emptied first. */
TBSlot *test_host_enter(const TranslationBlock *tb, TestCPU *cpu);
/* A SIGSEGV while tb runs on *cpu restores the state and leaves it; NULL: no more. */
void test_expect_fault(TestCPU *cpu, const TranslationBlock *tb);

/* ---- operands ---- */

/* 64 bits, often near the limits of some width. */
uint64_t test_random(void);
/* Floating values of the format in every lane, often special ones; with junk formats mixed in. */
TCGValue test_random_vec(unsigned sz, bool floating);
void test_randomize(TestCPU *cpu, unsigned sz, bool floating);
/* Whether the op exists in this size, and an immediate and condition that it allows. */
bool test_size_exists(unsigned opc, unsigned sz);
void test_sizes(unsigned opc, unsigned *first, unsigned *last);
int64_t test_random_imm(unsigned opc, unsigned sz);
unsigned test_random_cond(unsigned opc);

#endif
