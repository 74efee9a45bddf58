/* SPDX-License-Identifier: MIT */
/* The same with -ffast-math, whose start-up code has denormals flushed to zero. */
#include "vector-saxpy.c"
