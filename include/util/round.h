/* SPDX-License-Identifier: MIT */
/* Multiples of a number; n is not negative, d is above 0, and n + d - 1 does not overflow. */
#ifndef UTIL_ROUND_H
#define UTIL_ROUND_H

#define ROUND_DOWN(n, d)   ((n) / (d) * (d))
#define ROUND_UP(n, d)     (((n) + (d)-1) / (d) * (d))
#define DIV_ROUND_UP(n, d) (((n) + (d)-1) / (d))

#endif
