/* SPDX-License-Identifier: MIT */
/*
 * Character devices: where the bytes of serial ports and monitors go to and come from. A device
 * holds a CharFrontend, which it connects to a Chardev (-chardev, -serial). All calls under the big
 * lock; callbacks come on the main-loop thread or from inside the call.
 */
#ifndef CHARDEV_CHARDEV_H
#define CHARDEV_CHARDEV_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "util/opts.h"

typedef struct Chardev Chardev;
typedef struct CharFrontend CharFrontend;

typedef enum CharEvent {
    CHAR_EVENT_OPENED, /* somebody is at the other end */
    CHAR_EVENT_CLOSED,
    CHAR_EVENT_BREAK,
    CHAR_EVENT_FOCUS_IN, /* of a mux: input comes here from now on */
    CHAR_EVENT_FOCUS_OUT,
} CharEvent;

/* What a user of a character device wants to hear; members may be NULL. */
typedef struct CharUser {
    /* Bytes that `read` would take now. After 0, char_accept_input asks for more. */
    size_t (*can_read)(void *opaque);
    void (*read)(void *opaque, const uint8_t *buf, size_t len);
    void (*event)(void *opaque, CharEvent event);
    void (*writable)(void *opaque); /* char_write took less than it was given; now there is room */
} CharUser;

struct CharFrontend {
    Chardev *chardev; /* NULL: not connected; writes vanish */
    const CharUser *user;
    void *opaque;
    bool wants_room;
};

/* False: somebody else has it (and it is not a mux). The front end stays where it is until it is
 * disconnected. Sends OPENED at once if somebody is there. chardev NULL: a port to nowhere. */
bool char_connect(CharFrontend *fe, Chardev *chardev, const CharUser *user, void *opaque,
                  GError **err);
void char_disconnect(CharFrontend *fe);
/* How many of the bytes were taken; the rest is to be offered again after `writable`. What nobody
 * hears (no client yet) counts as taken. */
size_t char_write(CharFrontend *fe, const void *buf, size_t len);
void char_accept_input(CharFrontend *fe);
bool char_is_open(const CharFrontend *fe);
/* Input comes here: always, unless others share a mux with it. */
bool char_has_focus(const CharFrontend *fe);

/* ---- the set of them --------------------------------------------------------------------- */

Chardev *chardev_find(const char *id);
const char *chardev_id(const Chardev *c);
/* Its kind and where it leads, for people ("unix:/tmp/s,server=on"). */
const char *chardev_where(const Chardev *c);
void chardev_foreach(void (*fn)(Chardev *c, void *opaque), void *opaque);
bool chardev_in_use(const Chardev *c);
/* "-chardev KIND,id=…,…". */
Chardev *chardev_add(const char *text, GError **err);
/* -serial and -monitor: "stdio", "mon:stdio", "file:NAME", "tcp:HOST:PORT,server=on", a chardev's
 * id, …; the new one gets this id. "none": NULL without an error. */
Chardev *chardev_add_short(const char *text, const char *id, GError **err);
/* False: it is in use. */
bool chardev_remove(Chardev *c, GError **err);
/* Kinds with their options. */
void chardev_help(FILE *f);
/* Writes out what is queued, for a second at most, and gives terminals back their settings. */
void chardev_exit(void);
/* ringbuf: takes out what was written to it, at most max bytes; NULL: not a ringbuf. */
GByteArray *chardev_ringbuf_read(Chardev *c, size_t max);
/* Bytes as if they came from outside (QMP ringbuf-write). False: not a ringbuf. */
bool chardev_ringbuf_write(Chardev *c, const void *buf, size_t len);

#endif
