/* SPDX-License-Identifier: MIT */
/* The set of character devices, and what is common to all: front ends, the output queue. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "chardev/internal.h"
#include "hw/device.h"

static const ChardevKind *const kinds[] = {
    &chardev_null, &chardev_stdio,  &chardev_file,   &chardev_pipe,
    &chardev_pty,  &chardev_serial, &chardev_socket, &chardev_ringbuf,
};
static GPtrArray *chardevs;

/* Options of every kind. */
static const OptDef common_opts[] = {
    { "id", OPT_STR, NULL, "name" },
    { "mux", OPT_BOOL, "off", "several users share it; Ctrl-A commands" },
    { "logfile", OPT_STR, NULL, "a file that gets a copy of the output" },
    { "logappend", OPT_BOOL, "off", "add to the log file" },
    { NULL, 0, NULL, NULL }
};

/* ---- front ends -------------------------------------------------------------------------- */

bool char_connect(CharFrontend *fe, Chardev *c, const CharUser *user, void *opaque, GError **err)
{
    *fe = (CharFrontend){ .user = user, .opaque = opaque };
    if (!c) {
        return true;
    }
    if (c->nb_fe == (c->mux ? CHARDEV_MAX_FRONTENDS : 1)) {
        g_set_error(err, HW_ERROR, 0, "chardev '%s' is in use", c->id);
        return false;
    }
    fe->chardev = c;
    c->fe[c->nb_fe++] = fe;
    if (c->mux) {
        mux_set_focus(c, c->nb_fe == 1 ? 0 : c->mux_state.focus); /* the first keeps it */
    }
    if (c->open && user->event) {
        user->event(opaque, CHAR_EVENT_OPENED);
    }
    char_accept_input(fe);
    return true;
}

bool char_has_focus(const CharFrontend *fe)
{
    Chardev *c = fe->chardev;
    return c && (!c->mux || c->fe[c->mux_state.focus] == fe);
}

void char_disconnect(CharFrontend *fe)
{
    Chardev *c = fe->chardev;
    for (int i = 0; c && i < c->nb_fe; i++) {
        if (c->fe[i] == fe) {
            memmove(&c->fe[i], &c->fe[i + 1], sizeof(c->fe[0]) * (size_t)(c->nb_fe - i - 1));
            c->nb_fe--;
            c->mux_state.focus = 0;
            mux_forget(c);
            break;
        }
    }
    fe->chardev = NULL;
}

static gboolean flush_now(gpointer opaque)
{
    Chardev *c = opaque;
    g_source_set_ready_time(c->flush_source, -1);
    chardev_flush(c);
    return G_SOURCE_CONTINUE;
}

size_t char_write(CharFrontend *fe, const void *buf, size_t len)
{
    Chardev *c = fe->chardev;
    if (!c || !c->open) {
        return len;
    }
    size_t n = MIN(len, CHARDEV_QUEUE - c->queue->len);
    if (n && !c->queue->len && !c->blocked) {
        g_source_set_ready_time(c->flush_source, 0);
    }
    g_byte_array_append(c->queue, buf, (guint)n);
    fe->wants_room |= n < len;
    return n;
}

void char_accept_input(CharFrontend *fe)
{
    if (fe->chardev && fe->chardev->mux) {
        mux_accept_input(fe->chardev);
    }
    if (fe->chardev && fe->chardev->kind->accept_input) {
        fe->chardev->kind->accept_input(fe->chardev);
    }
}

bool char_is_open(const CharFrontend *fe)
{
    return fe->chardev && fe->chardev->open;
}

/* ---- for kinds --------------------------------------------------------------------------- */

static void write_log(Chardev *c, const uint8_t *buf, size_t len)
{
    while (c->log_fd >= 0 && len) {
        ssize_t n = write(c->log_fd, buf, len);
        if (n < 0 && errno != EINTR) {
            close(c->log_fd);
            c->log_fd = -1;
        } else if (n > 0) {
            buf += n;
            len -= (size_t)n;
        }
    }
}

void chardev_flush(Chardev *c)
{
    c->blocked = false;
    if (c->queue->len) {
        size_t n = c->kind->write(c, c->queue->data, c->queue->len);
        write_log(c, c->queue->data, n);
        c->blocked = n < c->queue->len;
        g_byte_array_remove_range(c->queue, 0, (guint)n);
    }
    for (int i = 0; !c->blocked && i < c->nb_fe; i++) {
        CharFrontend *fe = c->fe[i];
        if (fe->wants_room) {
            fe->wants_room = false;
            if (fe->user->writable) {
                fe->user->writable(fe->opaque);
            }
        }
    }
}

static CharFrontend *reader(Chardev *c)
{
    return c->nb_fe ? c->fe[c->mux ? c->mux_state.focus : 0] : NULL;
}

size_t chardev_can_read(Chardev *c)
{
    CharFrontend *fe = reader(c);
    if (c->mux) {
        return mux_room(c);
    }
    return fe && fe->user->can_read ? fe->user->can_read(fe->opaque) : 0;
}

void chardev_read(Chardev *c, const uint8_t *buf, size_t len)
{
    CharFrontend *fe = reader(c);
    if (c->mux) {
        mux_read(c, buf, len);
    } else if (fe && fe->user->read) {
        fe->user->read(fe->opaque, buf, len);
    }
}

void chardev_event(Chardev *c, CharEvent event)
{
    for (int i = 0; i < c->nb_fe; i++) {
        if (c->fe[i]->user->event) {
            c->fe[i]->user->event(c->fe[i]->opaque, event);
        }
    }
}

void chardev_set_open(Chardev *c, bool open)
{
    if (c->open != open) {
        c->open = open;
        if (!open) {
            g_byte_array_set_size(c->queue, 0);
            chardev_flush(c); /* who waited for room need not any more */
        }
        chardev_event(c, open ? CHAR_EVENT_OPENED : CHAR_EVENT_CLOSED);
    }
}

/* ---- the set ----------------------------------------------------------------------------- */

static GSourceFuncs flush_funcs; /* only its ready time counts */

static gboolean flush_dispatch(GSource *source, GSourceFunc fn, gpointer opaque)
{
    (void)source;
    return fn(opaque);
}

Chardev *chardev_find(const char *id)
{
    for (guint i = 0; chardevs && i < chardevs->len; i++) {
        Chardev *c = chardevs->pdata[i];
        if (!strcmp(c->id, id)) {
            return c;
        }
    }
    return NULL;
}

const char *chardev_id(const Chardev *c)
{
    return c->id;
}

const char *chardev_where(const Chardev *c)
{
    return c->where ? c->where : c->kind->name;
}

bool chardev_in_use(const Chardev *c)
{
    return c->nb_fe > 0;
}

void chardev_foreach(void (*fn)(Chardev *c, void *opaque), void *opaque)
{
    for (guint i = 0; chardevs && i < chardevs->len; i++) {
        fn(chardevs->pdata[i], opaque);
    }
}

static const ChardevKind *kind_find(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (!strcmp(kinds[i]->name, name)) {
            return kinds[i];
        }
    }
    return NULL;
}

static void chardev_free(Chardev *c)
{
    g_source_destroy(c->flush_source);
    g_source_unref(c->flush_source);
    g_byte_array_free(c->queue, TRUE);
    if (c->log_fd >= 0) {
        close(c->log_fd);
    }
    g_free(c->id);
    g_free(c->where);
    g_free(c);
}

static bool open_log(Chardev *c, const Opts *opts, GError **err)
{
    const char *name = opt_str(opts, common_opts, "logfile");
    int append = opt_bool(opts, common_opts, "logappend") ? O_APPEND : O_TRUNC;
    if (name) {
        c->log_fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC | append, 0666);
        if (c->log_fd < 0) {
            g_set_error(err, HW_ERROR, 0, "logfile=%s: %s", name, g_strerror(errno));
            return false;
        }
    }
    return true;
}

/* One table to check against: the kind's rows and the common ones. */
static bool check_opts(const ChardevKind *kind, const Opts *opts, GError **err)
{
    g_autoptr(GArray) all = g_array_new(TRUE, TRUE, sizeof(OptDef));
    for (const OptDef *o = common_opts; o->name; o++) {
        g_array_append_val(all, *o);
    }
    for (const OptDef *o = kind->opts; o && o->name; o++) {
        g_array_append_val(all, *o);
    }
    return opts_check(opts, (const OptDef *)(void *)all->data, err);
}

static Chardev *add_from_opts(Opts *opts, GError **err)
{
    g_autofree char *name = g_strdup(opts_get(opts, "backend"));
    const char *id = opts_get(opts, "id");
    const ChardevKind *kind = name ? kind_find(name) : NULL;
    opts_remove(opts, "backend");
    if (!kind) {
        g_set_error(err, HW_ERROR, 0, "there is no kind of chardev '%s' (see -chardev help)",
                    name ? name : "");
        return NULL;
    }
    if (!id) {
        g_set_error(err, HW_ERROR, 0, "chardev %s needs an id=", name);
        return NULL;
    }
    if (chardev_find(id)) {
        g_set_error(err, HW_ERROR, 0, "chardev id '%s' is taken", id);
        return NULL;
    }
    if (!check_opts(kind, opts, err)) {
        return NULL;
    }
    Chardev *c = g_malloc0(kind->size);
    c->kind = kind;
    c->id = g_strdup(id);
    c->queue = g_byte_array_new();
    c->log_fd = -1;
    c->mux = opt_bool(opts, common_opts, "mux");
    flush_funcs.dispatch = flush_dispatch;
    c->flush_source = g_source_new(&flush_funcs, sizeof(GSource));
    g_source_set_callback(c->flush_source, flush_now, c, NULL);
    g_source_attach(c->flush_source, NULL);
    if (!open_log(c, opts, err) || !kind->open(c, opts, err)) {
        chardev_free(c);
        return NULL;
    }
    if (!chardevs) {
        chardevs = g_ptr_array_new();
    }
    g_ptr_array_add(chardevs, c);
    return c;
}

Chardev *chardev_add(const char *text, GError **err)
{
    Opts *opts = opts_new();
    bool ok =
        *text == '{' ? opts_parse_json(opts, text, err) : opts_parse(opts, text, "backend", err);
    Chardev *c = ok ? add_from_opts(opts, err) : NULL;
    opts_free(opts);
    return c;
}

bool chardev_remove(Chardev *c, GError **err)
{
    if (chardev_in_use(c)) {
        g_set_error(err, HW_ERROR, 0, "chardev '%s' is in use", c->id);
        return false;
    }
    if (c->kind->close) {
        c->kind->close(c);
    }
    g_ptr_array_remove(chardevs, c);
    chardev_free(c);
    return true;
}

/* "tcp:[HOST]:PORT[,…]" and "telnet:". */
static bool short_tcp(Opts *opts, char *rest, GError **err)
{
    char *comma = strchr(rest, ',');
    if (comma) {
        *comma = 0;
    }
    char *colon = strrchr(rest, ':');
    if (!colon) {
        g_set_error(err, HW_ERROR, 0, "'%s' is not HOST:PORT", rest);
        return false;
    }
    *colon = 0;
    opts_set(opts, "host", rest);
    opts_set(opts, "port", colon + 1);
    return !comma || opts_parse(opts, comma + 1, NULL, err);
}

static bool short_opts(Opts *opts, const char *kind, char *rest, GError **err)
{
    bool telnet = !strcmp(kind, "telnet");
    if (telnet || !strcmp(kind, "tcp")) {
        opts_set(opts, "backend", "socket");
        if (telnet) {
            opts_set(opts, "telnet", "on");
        }
        return short_tcp(opts, rest, err);
    }
    opts_set(opts, "backend", strcmp(kind, "unix") ? kind : "socket");
    return opts_parse(opts, rest, strcmp(kind, "ringbuf") ? "path" : "size", err);
}

Chardev *chardev_add_short(const char *text, const char *id, GError **err)
{
    bool mux = g_str_has_prefix(text, "mon:");
    g_autofree char *copy = g_strdup(mux ? text + 4 : text);
    if (!strcmp(copy, "none")) {
        return NULL;
    }
    if (g_str_has_prefix(copy, "chardev:") || chardev_find(copy)) {
        const char *name = g_str_has_prefix(copy, "chardev:") ? copy + 8 : copy;
        Chardev *c = chardev_find(name);
        if (!c) {
            g_set_error(err, HW_ERROR, 0, "there is no chardev '%s'", name);
        }
        return c;
    }
    Opts *opts = opts_new();
    if (*copy == '/') {
        char *path = g_strconcat("serial:", copy, NULL);
        g_free(copy);
        copy = path;
    }
    size_t head = strcspn(copy, ":,");
    char sep = copy[head];
    copy[head] = 0;
    bool ok = short_opts(opts, copy, sep ? copy + head + 1 : copy + head, err);
    if (ok) {
        opts_set(opts, "id", id);
        if (mux) {
            opts_set(opts, "mux", "on");
        }
    }
    Chardev *c = ok ? add_from_opts(opts, err) : NULL;
    opts_free(opts);
    return c;
}

void chardev_help(FILE *f)
{
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        fprintf(f, "%s - %s\n", kinds[i]->name, kinds[i]->desc);
        for (const OptDef *o = kinds[i]->opts; o && o->name; o++) {
            fprintf(f, "    %-12s %s\n", o->name, o->help);
        }
    }
    fprintf(f, "all kinds:\n");
    for (const OptDef *o = common_opts; o->name; o++) {
        fprintf(f, "    %-12s %s\n", o->name, o->help);
    }
}

void chardev_exit(void)
{
    while (chardevs && chardevs->len) {
        Chardev *c = chardevs->pdata[chardevs->len - 1];
        gint64 end = g_get_monotonic_time() + G_USEC_PER_SEC;
        while (c->nb_fe) {
            char_disconnect(c->fe[0]);
        }
        chardev_flush(c);
        while (c->queue->len && g_get_monotonic_time() < end && c->kind->wait_writable &&
               c->kind->wait_writable(c, 100)) {
            chardev_flush(c);
        }
        chardev_remove(c, NULL);
    }
}

/* ---- as a property of devices ------------------------------------------------------------ */

static void *resolve(const char *id, Device *dev, GError **err)
{
    (void)dev;
    Chardev *c = chardev_find(id);
    if (!c) {
        g_set_error(err, HW_ERROR, 0, "there is no chardev '%s'", id);
    }
    return c;
}

static const char *resolved_name(void *object)
{
    return chardev_id(object);
}

static void __attribute__((constructor)) register_property(void)
{
    static const PropResolver resolver = { resolve, resolved_name, NULL };
    property_set_resolver(PROP_CHARDEV, &resolver);
}
