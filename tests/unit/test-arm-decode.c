/* SPDX-License-Identifier: MIT */
/* The A64 decoder: known encodings, and the decision tree against a search of the pattern table. */
#include <glib.h>
#include <string.h>

#include "target/arm/decode-a64.h"

static const struct {
    uint32_t insn;
    const char *pattern, *text; /* text: as an assembler writes it */
} known[] = {
#include "arm-encodings.h.inc"
};

static void test_known(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(known); i++) {
        int n = a64_pattern_index(known[i].insn);
        g_test_message("%08x %s", known[i].insn, known[i].text);
        g_assert_cmpstr(n < 0 ? "unallocated" : a64_patterns[n].name, ==, known[i].pattern);
    }
}

static int search(uint32_t insn)
{
    for (int n = 0; n < A64_PATTERN_COUNT; n++) {
        if ((insn & a64_patterns[n].mask) == a64_patterns[n].value) {
            return n;
        }
    }
    return -1;
}

static void test_tree_is_first_match(void)
{
    uint32_t seed = 1;

    for (int i = 0; i < 300000; i++) {
        seed = seed * 1664525 + 1013904223;
        uint32_t insn = seed ^ seed >> 15;
        g_assert_cmpint(a64_pattern_index(insn), ==, search(insn));
    }
}

/* Each pattern with its free bits all zero, all one and random: itself, or an earlier one. */
static void test_every_pattern_is_found(void)
{
    uint32_t seed = 7;

    for (int n = 0; n < A64_PATTERN_COUNT; n++) {
        bool itself = false;
        for (int i = 0; i < 2000; i++) {
            seed = seed * 1664525 + 1013904223;
            uint32_t free = i == 0 ? 0 : i == 1 ? ~0u : seed ^ seed >> 15;
            uint32_t insn = a64_patterns[n].value | (free & ~a64_patterns[n].mask);
            int found = a64_pattern_index(insn);
            g_assert_cmpint(found, ==, search(insn));
            itself |= found == n;
        }
        g_test_message("%s", a64_patterns[n].name);
        g_assert_true(itself);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/arm/decode/known", test_known);
    g_test_add_func("/arm/decode/first-match", test_tree_is_first_match);
    g_test_add_func("/arm/decode/every-pattern", test_every_pattern_is_found);
    return g_test_run();
}
