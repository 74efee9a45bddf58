/* SPDX-License-Identifier: MIT */
/* Op lists from text as tcg_dump_ops prints it; for tests. */
#ifndef TESTS_TCG_PARSE_H
#define TESTS_TCG_PARSE_H

#include <glib.h>

#include "tcg/tcg.h"

typedef struct TCGParser {
    TCGContext *s;
    GHashTable *temps; /* name -> temp */
    char **names;      /* temp -> the name that the text gives it; [TCG_MAX_TEMPS] */
} TCGParser;

void tcg_parser_init(TCGParser *p, TCGContext *s);
void tcg_parser_clear(TCGParser *p);
/* Appends the op of one line. NULL, or what is wrong with it. */
const char *tcg_parse_line(TCGParser *p, const char *line);
/* What tcg_dump_ops prints, with the text's own names for temps; to be freed. */
char *tcg_parser_dump(TCGParser *p, bool with_life);

#endif
