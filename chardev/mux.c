/* SPDX-License-Identifier: MIT */
/* Several users on one character device: one has the focus, Ctrl-A commands switch it. */
#include <stdio.h>
#include <string.h>
#include "chardev/internal.h"
#include "hw/vcpu.h"

enum { ESCAPE = 1 }; /* Ctrl-A */

static void focus_event(Chardev *c, CharEvent event)
{
    if (c->mux_state.focus < c->nb_fe) {
        CharFrontend *fe = c->fe[c->mux_state.focus];
        if (fe->user && fe->user->event) {
            fe->user->event(fe->opaque, event);
        }
    }
}

void mux_set_focus(Chardev *c, int focus)
{
    if (c->mux_state.focus != focus) {
        focus_event(c, CHAR_EVENT_FOCUS_OUT);
        c->mux_state.focus = focus;
    }
    focus_event(c, CHAR_EVENT_FOCUS_IN);
}

static void say(Chardev *c, const char *text)
{
    CharFrontend *fe = c->fe[c->mux_state.focus];
    char_write(fe, text, strlen(text));
}

static void deliver(Chardev *c, int user)
{
    CharFrontend *fe = c->fe[user];
    uint8_t buf[MUX_WAITING];
    size_t len = c->mux_state.waiting[user].len;
    size_t room = fe->user && fe->user->can_read ? fe->user->can_read(fe->opaque) : len;

    len = MIN(len, room);
    if (len) {
        memcpy(buf, c->mux_state.waiting[user].data, len);
        c->mux_state.waiting[user].len -= len;
        memmove(c->mux_state.waiting[user].data, c->mux_state.waiting[user].data + len,
                c->mux_state.waiting[user].len);
        if (fe->user && fe->user->read) {
            fe->user->read(fe->opaque, buf, len);
        }
    }
}

static void give(Chardev *c, uint8_t byte)
{
    int user = c->mux_state.focus;

    if (c->mux_state.waiting[user].len < MUX_WAITING) {
        c->mux_state.waiting[user].data[c->mux_state.waiting[user].len++] = byte;
    }
    deliver(c, user);
}

size_t mux_room(const Chardev *c)
{
    return c->nb_fe ? MUX_WAITING - c->mux_state.waiting[c->mux_state.focus].len : 0;
}

void mux_accept_input(Chardev *c)
{
    for (int user = 0; user < c->nb_fe; user++) {
        if (c->mux_state.waiting[user].len) {
            deliver(c, user);
        }
    }
}

void mux_forget(Chardev *c)
{
    for (int user = 0; user < CHARDEV_MAX_FRONTENDS; user++) {
        c->mux_state.waiting[user].len = 0;
    }
}

static void command(Chardev *c, uint8_t byte)
{
    switch (byte) {
    case 'h':
    case '?':
        say(c, "\r\nC-a h    print this help\r\n"
               "C-a x    exit the emulator\r\n"
               "C-a b    send break\r\n"
               "C-a c    switch between console and monitor\r\n"
               "C-a C-a  send C-a\r\n");
        break;
    case 'x':
        say(c, "\r\nlatimer: terminated by C-a x\r\n");
        system_shutdown_request("host-ui", 0);
        break;
    case 's':
        say(c,
            "\r\nlatimer: not implemented: C-a s; block-commit brings -snapshot's writes home\r\n");
        break;
    case 'b':
        focus_event(c, CHAR_EVENT_BREAK);
        break;
    case 'c':
        mux_set_focus(c, (c->mux_state.focus + 1) % c->nb_fe);
        break;
    case ESCAPE:
        give(c, byte);
        break;
    default:
        break;
    }
}

void mux_read(Chardev *c, const uint8_t *buf, size_t len)
{
    for (size_t i = 0; i < len && c->nb_fe; i++) {
        if (c->mux_state.escape) {
            c->mux_state.escape = false;
            command(c, buf[i]);
        } else if (buf[i] == ESCAPE) {
            c->mux_state.escape = true;
        } else {
            give(c, buf[i]);
        }
    }
}
