/* SPDX-License-Identifier: MIT */
/* What the core and the kinds of character devices share. */
#ifndef CHARDEV_INTERNAL_H
#define CHARDEV_INTERNAL_H

#include "chardev/chardev.h"

enum { CHARDEV_MAX_FRONTENDS = 8, CHARDEV_QUEUE = 64 * 1024 };

typedef struct ChardevKind {
    const char *name, *desc;
    size_t size;        /* of its struct, which begins with a Chardev */
    const OptDef *opts; /* beside id, mux, logfile, logappend */
    bool (*open)(Chardev *c, const Opts *opts, GError **err);
    void (*close)(Chardev *c);
    /* How many bytes it took, without waiting. Fewer than len: it calls chardev_flush later. */
    size_t (*write)(Chardev *c, const uint8_t *buf, size_t len);
    /* The user can read again. */
    void (*accept_input)(Chardev *c);
    /* Waits up to ms until write would take something; false: it never will. NULL: it always does.
     */
    bool (*wait_writable)(Chardev *c, int ms);
} ChardevKind;

enum { MUX_WAITING = 4096 };

typedef struct MuxState {
    bool escape; /* the last byte was Ctrl-A */
    int focus;
    /* What a user could not take yet; no more is read from outside while there is no room. */
    struct {
        uint8_t data[MUX_WAITING];
        size_t len;
    } waiting[CHARDEV_MAX_FRONTENDS];
} MuxState;

struct Chardev {
    const ChardevKind *kind;
    char *id, *where;
    bool mux;
    bool open; /* somebody is at the other end */
    CharFrontend *fe[CHARDEV_MAX_FRONTENDS];
    int nb_fe;
    MuxState mux_state;
    GByteArray *queue; /* written by front ends, not taken by the kind yet */
    GSource *flush_source;
    bool blocked; /* the kind is full; it will call chardev_flush */
    int log_fd;   /* logfile=; -1: none */
};

/* For kinds. */
size_t chardev_can_read(Chardev *c);
void chardev_read(Chardev *c, const uint8_t *buf, size_t len);
void chardev_event(Chardev *c, CharEvent event);
void chardev_set_open(Chardev *c, bool open);
void chardev_flush(Chardev *c);

/* Mux: gives bytes of input to the focus, and takes out the Ctrl-A commands. */
void mux_read(Chardev *c, const uint8_t *buf, size_t len);
/* Bytes that the user with the focus, or its waiting room, takes now. */
size_t mux_room(const Chardev *c);
/* A user can take more. */
void mux_accept_input(Chardev *c);
/* Users have changed places: what waits is dropped. */
void mux_forget(Chardev *c);
void mux_set_focus(Chardev *c, int focus);

extern const ChardevKind chardev_null, chardev_file, chardev_stdio, chardev_pipe, chardev_pty,
    chardev_serial, chardev_socket, chardev_ringbuf;

/* ---- kinds made of file descriptors (fd.c) ------------------------------------------------ */

typedef struct FdChardev {
    Chardev parent;
    int in, out; /* -1: none; may be the same */
    guint in_watch, out_watch;
    /* Called when the other end is gone; NULL: chardev_set_open(false). */
    void (*hangup)(Chardev *c);
    /* Takes a protocol's own bytes out of what came in; returns how many are left. NULL: none. */
    size_t (*filter)(Chardev *c, uint8_t *buf, size_t len);
} FdChardev;
/* Starts watching; c->in and c->out are set. */
void fd_chardev_start(FdChardev *c);
void fd_chardev_stop(FdChardev *c); /* closes them */
size_t fd_chardev_write(Chardev *c, const uint8_t *buf, size_t len);
void fd_chardev_accept_input(Chardev *c);
bool fd_chardev_wait_writable(Chardev *c, int ms);

#endif
