/* SPDX-License-Identifier: MIT */
/*
 * The main loop: glib's default context, on the thread that main() runs on. It holds the big lock
 * except while it sleeps, so everything that glib calls has it.
 */
#ifndef HW_MAINLOOP_H
#define HW_MAINLOOP_H

#include <stdbool.h>

/* Once; returns with the big lock held by the calling thread. */
void main_loop_init(void);
/* Runs one round: sleeps until something is to be done, if `wait`. */
void main_loop_iterate(bool wait);
/* Wakes it. Any thread. */
void main_loop_notify(void);

#endif
