/* SPDX-License-Identifier: MIT */
/* The block layer's names for util/opts.h. */
#ifndef BLOCK_OPTS_H
#define BLOCK_OPTS_H

#include "util/opts.h"

#define block_opts_new         opts_new
#define block_opts_copy        opts_copy
#define block_opts_free        opts_free
#define block_opts_parse       opts_parse
#define block_opts_parse_json  opts_parse_json
#define block_opts_set         opts_set
#define block_opts_setf        opts_setf
#define block_opts_remove      opts_remove
#define block_opts_get         opts_get
#define block_opts_has         opts_has
#define block_opts_count       opts_count
#define block_opts_key         opts_key
#define block_opts_take_prefix opts_take_prefix
#define block_opts_merge       opts_merge
#define block_opts_check       opts_check
#define block_opt_str          opt_str
#define block_opt_bool         opt_bool
#define block_opt_num          opt_num
#define block_opt_enum         opt_enum
#define block_opt_table_help   opt_table_help
#define block_parse_size       parse_size
#define block_parse_bool       parse_bool
#define block_size_to_str      size_to_str
#define BlockOpts              Opts
#define BlockOpt               OptDef
#define BlockOptType           OptType
#define BLOCK_OPT_STR          OPT_STR
#define BLOCK_OPT_BOOL         OPT_BOOL
#define BLOCK_OPT_NUM          OPT_NUM
#define BLOCK_OPT_SIZE         OPT_SIZE

#endif
