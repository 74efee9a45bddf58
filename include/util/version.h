/* SPDX-License-Identifier: MIT */
#ifndef UTIL_VERSION_H
#define UTIL_VERSION_H

#define LATIMER_VERSION "0.1"
/* The QEMU release whose command line, machine types and protocol we follow: programs that ask for
 * a version in QMP mean that. */
#define LATIMER_COMPAT_MAJOR 7
#define LATIMER_COMPAT_MINOR 2
#define LATIMER_COMPAT_MICRO 0

#endif
