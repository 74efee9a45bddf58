/* SPDX-License-Identifier: MIT */
/*
 * -qtest: a test drives devices by their registers. Lines of text, each answered by "OK …" or
 * "FAIL …"; changes of intercepted interrupt lines come in between as "IRQ raise N", "IRQ lower N".
 */
#include "system/qtest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "accel/qtest.h"
#include "chardev/chardev.h"
#include "hw/device.h"
#include "hw/intc/gic.h"
#include "hw/machine.h"
#include "hw/timer.h"

enum { MAX_LINE = 16 << 20, MAX_INPUTS = 1024 + 32 };

static struct {
    CharFrontend fe;
    GString *line, *out;
    FILE *log;
    AddressSpace *memory;
    int64_t opened;
    /* What is intercepted: outputs of one device, or inputs of the interrupt controller. */
    GICDevice *gic;
    void (*gic_set_irq)(GICDevice *gic, int cpu, int irq, int level);
    Device *outputs_of;
    bool level[MAX_INPUTS];
} qtest;

/* ---- answers ---- */

static void log_line(char who, const char *text)
{
    if (qtest.log) {
        double t = (double)(clock_get_ns(CLOCK_HOST_MONO) - qtest.opened) / 1e9;
        fprintf(qtest.log, "[%c +%.6f] %s\n", who, t, text);
        fflush(qtest.log);
    }
}

static void flush_out(void *opaque)
{
    (void)opaque;
    size_t n = char_write(&qtest.fe, qtest.out->str, qtest.out->len);
    g_string_erase(qtest.out, 0, (gssize)n);
}

static void G_GNUC_PRINTF(1, 2) say(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    g_autofree char *text = g_strdup_vprintf(format, ap);
    va_end(ap);
    log_line('S', text);
    g_string_append_printf(qtest.out, "%s\n", text);
    flush_out(NULL);
}

/* ---- arguments ---- */

static bool number(const char *text, uint64_t *val)
{
    char *end;
    errno = 0;
    *val = text ? g_ascii_strtoull(text, &end, 0) : 0;
    return text && *text && !*end && !errno;
}

static int hex_digit(char c)
{
    return g_ascii_xdigit_value(c);
}

/* "0x0123…" of just size bytes; NULL: it is not. */
static uint8_t *bytes_of_hex(const char *text, uint64_t size)
{
    if (!text || !g_str_has_prefix(text, "0x") || strlen(text + 2) != 2 * size) {
        return NULL;
    }
    uint8_t *data = g_malloc(size + 1);
    for (uint64_t i = 0; i < size; i++) {
        int high = hex_digit(text[2 + 2 * i]), low = hex_digit(text[3 + 2 * i]);
        if (high < 0 || low < 0) {
            g_free(data);
            return NULL;
        }
        data[i] = (uint8_t)(high << 4 | low);
    }
    return data;
}

static uint8_t *bytes_of_base64(const char *text, uint64_t size)
{
    gsize len = 0;
    uint8_t *data = text ? g_base64_decode(text, &len) : NULL;
    if (data && len != size) {
        g_clear_pointer(&data, g_free);
    }
    return data;
}

/* A size of memory that one line may move; false: FAIL was said. */
static bool sized(char **word, uint64_t *addr, uint64_t *size)
{
    if (!number(word[1], addr) || !number(word[2], size) || *size == 0 || *size > MAX_LINE / 4) {
        say("FAIL an address and a size from 1 to %d are wanted", MAX_LINE / 4);
        return false;
    }
    return true;
}

/* ---- memory ---- */

/* "readl", "outb", …: log2 of the size by the last letter. */
static int size_of(const char *name)
{
    const char *letters = "bwlq", *at = strchr(letters, name[strlen(name) - 1]);
    return (int)(at - letters);
}

static void do_read_reg(char **word)
{
    uint64_t addr, val = 0;
    if (!number(word[1], &addr)) {
        say("FAIL an address is wanted");
        return;
    }
    address_space_read(qtest.memory, addr, NULL, &val, 1u << size_of(word[0]));
    say("OK 0x%016" PRIx64, val);
}

static void do_write_reg(char **word)
{
    uint64_t addr, val;
    if (!number(word[1], &addr) || !number(word[2], &val)) {
        say("FAIL an address and a value are wanted");
        return;
    }
    address_space_write(qtest.memory, addr, NULL, &val, 1u << size_of(word[0]));
    say("OK");
}

static void do_no_ports(char **word)
{
    say("FAIL %s: this machine has no I/O ports", word[0]);
}

static void do_read(char **word)
{
    uint64_t addr, size;
    if (!sized(word, &addr, &size)) {
        return;
    }
    g_autofree uint8_t *data = g_malloc(size);
    address_space_read(qtest.memory, addr, NULL, data, size);
    if (!strcmp(word[0], "b64read")) {
        g_autofree char *text = g_base64_encode(data, size);
        say("OK %s", text);
        return;
    }
    g_autoptr(GString) text = g_string_sized_new(2 * size);
    for (uint64_t i = 0; i < size; i++) {
        g_string_append_printf(text, "%02x", data[i]);
    }
    say("OK 0x%s", text->str);
}

static void do_write(char **word)
{
    bool base64 = !strcmp(word[0], "b64write");
    uint64_t addr, size;
    if (!sized(word, &addr, &size)) {
        return;
    }
    g_autofree uint8_t *data =
        base64 ? bytes_of_base64(word[3], size) : bytes_of_hex(word[3], size);
    if (!data) {
        say("FAIL not %" PRIu64 " bytes of %s", size, base64 ? "base64" : "0x and hex digits");
        return;
    }
    address_space_write(qtest.memory, addr, NULL, data, size);
    say("OK");
}

static void do_memset(char **word)
{
    uint64_t addr, size, val;
    if (!sized(word, &addr, &size)) {
        return;
    }
    if (!number(word[3], &val)) {
        say("FAIL a value is wanted");
        return;
    }
    g_autofree uint8_t *data = g_malloc(size);
    memset(data, (int)(val & 0xff), size);
    address_space_write(qtest.memory, addr, NULL, data, size);
    say("OK");
}

static void do_endianness(char **word)
{
    (void)word;
    say("OK little");
}

/* ---- time ---- */

static bool standing_clock(void)
{
    if (accel_current() != &qtest_accel) {
        say("FAIL the clock stands still with -accel qtest only");
        return false;
    }
    return true;
}

static void do_clock_step(char **word)
{
    uint64_t step;
    if (!standing_clock()) {
        return;
    }
    if (word[1] ? !number(word[1], &step) : false) {
        say("FAIL ns are wanted");
        return;
    }
    if (!word[1]) {
        step = (uint64_t)MAX(clock_virtual_deadline(), 0);
    }
    qtest_clock_set(clock_get_ns(CLOCK_VIRTUAL) + (int64_t)MIN(step, (uint64_t)INT64_MAX / 2));
    say("OK %" PRId64, clock_get_ns(CLOCK_VIRTUAL));
}

static void do_clock_set(char **word)
{
    uint64_t to;
    if (!standing_clock()) {
        return;
    }
    if (!number(word[1], &to) || to > INT64_MAX / 2) {
        say("FAIL ns are wanted");
        return;
    }
    qtest_clock_set((int64_t)to);
    say("OK %" PRId64, clock_get_ns(CLOCK_VIRTUAL));
}

/* ---- interrupts ---- */

/* "TYPE" or "TYPE[n]": the machine's own have no ids. */
static Device *find_by_type(const char *name)
{
    size_t len = strcspn(name, "[");
    uint64_t n = name[len] ? g_ascii_strtoull(name + len + 1, NULL, 10) : 0;
    for (guint i = 0; i < sysbus_get()->devices->len; i++) {
        Device *dev = sysbus_get()->devices->pdata[i];
        if (strlen(dev->type->name) == len && !strncmp(dev->type->name, name, len) && n-- == 0) {
            return dev;
        }
    }
    return NULL;
}

/* By id or type; of a path, what is behind its last slash. */
static Device *find_device(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    const char *name = slash ? slash + 1 : path;
    Device *dev = name ? device_find(name) ?: find_by_type(name) : NULL;
    if (!dev) {
        say("FAIL there is no device '%s'", path ?: "");
    }
    return dev;
}

static void report(int n, int level)
{
    if (n >= 0 && n < MAX_INPUTS && qtest.level[n] != (level != 0)) {
        qtest.level[n] = level != 0;
        say("IRQ %s %d", level ? "raise" : "lower", n);
    }
}

static void on_output(void *opaque, int n, int level)
{
    (void)opaque;
    report(n, level);
}

/* Shared inputs are counted from 0, as a machine's lines are; the CPUs' own come behind them. */
static void on_gic_input(GICDevice *gic, int cpu, int irq, int level)
{
    if (irq >= GIC_INTERNAL) {
        report(irq - GIC_INTERNAL, level);
    } else {
        report((int)gic->nb_irqs - GIC_INTERNAL + cpu * GIC_INTERNAL + irq, level);
    }
}

static bool is_gic(const Device *dev)
{
    return dev->type->props == gic_props;
}

static void do_intercept_in(char **word)
{
    Device *dev = find_device(word[1]);
    if (!dev) {
        return;
    }
    if (!is_gic(dev) || qtest.gic || qtest.outputs_of) {
        say(is_gic(dev) ? "FAIL something is intercepted already"
                        : "FAIL not implemented: inputs other than the interrupt controller's");
        return;
    }
    qtest.gic = (GICDevice *)dev;
    qtest.gic_set_irq = qtest.gic->set_irq;
    qtest.gic->set_irq = on_gic_input;
    say("OK");
}

static void do_intercept_out(char **word)
{
    Device *dev = find_device(word[1]);
    if (!dev) {
        return;
    }
    if (dev->bus != sysbus_get() || qtest.gic || qtest.outputs_of) {
        say(qtest.gic || qtest.outputs_of ? "FAIL something is intercepted already"
                                          : "FAIL not implemented: outputs of '%s'",
            word[1]);
        return;
    }
    qtest.outputs_of = dev;
    for (int n = 0; n < SYSBUS_MAX_IRQ; n++) {
        ((SysBusDevice *)dev)->irq[n] = (IRQLine){ on_output, NULL, n };
    }
    say("OK");
}

static void do_set_irq_in(char **word)
{
    uint64_t n, level;
    Device *dev = find_device(word[1]);
    if (!dev) {
        return;
    }
    if (!is_gic(dev) || !word[2] || !number(word[3], &n) || !number(word[4], &level) ||
        n + GIC_INTERNAL >= ((GICDevice *)dev)->nb_irqs) {
        say("FAIL the interrupt controller, a name, an input and a level are wanted");
        return;
    }
    GICDevice *gic = (GICDevice *)dev;
    (gic == qtest.gic ? qtest.gic_set_irq : gic->set_irq)(gic, 0, (int)n + GIC_INTERNAL,
                                                          (int)level);
    say("OK");
}

/* ---- lines ---- */

static const struct {
    const char *name;
    void (*run)(char **word);
} commands[] = {
    { "readb", do_read_reg },
    { "readw", do_read_reg },
    { "readl", do_read_reg },
    { "readq", do_read_reg },
    { "writeb", do_write_reg },
    { "writew", do_write_reg },
    { "writel", do_write_reg },
    { "writeq", do_write_reg },
    { "inb", do_no_ports },
    { "inw", do_no_ports },
    { "inl", do_no_ports },
    { "outb", do_no_ports },
    { "outw", do_no_ports },
    { "outl", do_no_ports },
    { "read", do_read },
    { "b64read", do_read },
    { "write", do_write },
    { "b64write", do_write },
    { "memset", do_memset },
    { "endianness", do_endianness },
    { "clock_step", do_clock_step },
    { "clock_set", do_clock_set },
    { "set_irq_in", do_set_irq_in },
    { "irq_intercept_in", do_intercept_in },
    { "irq_intercept_out", do_intercept_out },
};

static void run_line(const char *line)
{
    enum { MAX_WORDS = 6 };
    g_auto(GStrv) word = g_strsplit(line, " ", MAX_WORDS);
    log_line('R', line);
    for (size_t i = 0; word[0] && i < G_N_ELEMENTS(commands); i++) {
        if (!strcmp(word[0], commands[i].name)) {
            commands[i].run(word);
            return;
        }
    }
    say("FAIL unknown command '%s'", word[0] ?: "");
}

static size_t can_read(void *opaque)
{
    (void)opaque;
    return 65536;
}

static void on_read(void *opaque, const uint8_t *buf, size_t len)
{
    (void)opaque;
    for (size_t i = 0; i < len; i++) {
        if (buf[i] == '\n') {
            run_line(qtest.line->str);
            g_string_truncate(qtest.line, 0);
        } else if (buf[i] != '\r' && qtest.line->len < MAX_LINE) {
            g_string_append_c(qtest.line, (char)buf[i]);
        }
    }
}

static void on_event(void *opaque, CharEvent event)
{
    (void)opaque;
    if (event == CHAR_EVENT_OPENED) {
        qtest.opened = clock_get_ns(CLOCK_HOST_MONO);
        g_string_truncate(qtest.line, 0);
        g_string_truncate(qtest.out, 0);
    }
}

bool qtest_start(AddressSpace *memory, const char *place, const char *log, GError **err)
{
    static const CharUser user = {
        .can_read = can_read, .read = on_read, .event = on_event, .writable = flush_out
    };
    GError *e = NULL;
    Chardev *c;

    if (log && !(qtest.log = fopen(log, "we"))) {
        g_set_error(err, HW_ERROR, 0, "-qtest-log %s: %s", log, g_strerror(errno));
        return false;
    }
    qtest.memory = memory;
    qtest.line = g_string_new(NULL);
    qtest.out = g_string_new(NULL);
    c = chardev_add_short(place, "qtest", &e);
    if (!c && !e) {
        g_set_error(&e, HW_ERROR, 0, "it leads nowhere");
    }
    if (e || !char_connect(&qtest.fe, c, &user, NULL, &e)) {
        g_propagate_prefixed_error(err, e, "-qtest %s: ", place);
        return false;
    }
    return true;
}
