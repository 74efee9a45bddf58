/* SPDX-License-Identifier: MIT */
/* ACPI Machine Language. ACPI Specification 6.3: 20.2 (grammar), 6.4 (resource data types). */
#include <stdio.h>
#include <string.h>
#include "hw/acpi/aml.h"

enum {
    OP_NAME = 0x08,
    OP_BYTE = 0x0a,
    OP_WORD = 0x0b,
    OP_DWORD = 0x0c,
    OP_STRING = 0x0d,
    OP_QWORD = 0x0e,
    OP_SCOPE = 0x10,
    OP_BUFFER = 0x11,
    OP_PACKAGE = 0x12,
    OP_METHOD = 0x14,
    OP_DUAL_NAME = 0x2e,
    OP_MULTI_NAME = 0x2f,
    OP_EXT = 0x5b,
    OP_IF = 0xa0,
    EXT_REGION = 0x80,
    EXT_FIELD = 0x81,
    EXT_DEVICE = 0x82,
    METHOD_SERIALIZED = 8,
    FIELD_DWORD = 3,
    FIELD_WRITE_AS_ZEROS = 2 << 5,
};

static void bytes(Aml *a, const void *data, size_t len)
{
    g_byte_array_append(a, data, (guint)len);
}

static void number(Aml *a, uint64_t val, unsigned size)
{
    bytes(a, &val, size); /* little endian, as the host */
}

void aml_op(Aml *a, uint8_t op)
{
    bytes(a, &op, 1);
}

/* ---- names and values --------------------------------------------------------------------- */

void aml_ref(Aml *a, const char *name)
{
    for (; *name == '\\' || *name == '^'; name++) {
        aml_op(a, (uint8_t)*name);
    }
    g_auto(GStrv) segments = g_strsplit(name, ".", -1);
    guint n = g_strv_length(segments);
    if (n == 0) {
        aml_op(a, 0); /* the root alone */
    } else if (n == 2) {
        aml_op(a, OP_DUAL_NAME);
    } else if (n > 2) {
        aml_op(a, OP_MULTI_NAME);
        aml_op(a, (uint8_t)n);
    }
    for (guint i = 0; i < n; i++) {
        char segment[4] = { '_', '_', '_', '_' };
        memcpy(segment, segments[i], MIN(strlen(segments[i]), 4));
        bytes(a, segment, sizeof(segment));
    }
}

void aml_int(Aml *a, uint64_t val)
{
    if (val <= 1) {
        aml_op(a, (uint8_t)val); /* Zero, One */
    } else if (val <= UINT8_MAX) {
        aml_op(a, OP_BYTE);
        number(a, val, 1);
    } else if (val <= UINT16_MAX) {
        aml_op(a, OP_WORD);
        number(a, val, 2);
    } else if (val <= UINT32_MAX) {
        aml_op(a, OP_DWORD);
        number(a, val, 4);
    } else {
        aml_op(a, OP_QWORD);
        number(a, val, 8);
    }
}

void aml_string(Aml *a, const char *text)
{
    aml_op(a, OP_STRING);
    bytes(a, text, strlen(text) + 1);
}

/* ---- what has a length in front ------------------------------------------------------------ */

/*
 * PkgLength counts itself. One byte: 6 bits. More: their number in the first one's upper bits, and
 * 4, 8, 8, 8 bits of the length.
 */
void aml_close(Aml *a, size_t opened)
{
    size_t content = a->len - opened;
    unsigned extra = 0;
    uint8_t coded[4];
    if (content + 1 >= 1 << 6) {
        for (extra = 1; content + 1 + extra >= (size_t)1 << (4 + 8 * extra); extra++) {
        }
    }
    size_t length = content + 1 + extra;
    coded[0] = (uint8_t)(extra ? extra << 6 | (length & 15) : length);
    for (unsigned i = 1; i <= extra; i++) {
        coded[i] = (uint8_t)(length >> (8 * i - 4));
    }
    g_byte_array_set_size(a, a->len + 1 + extra);
    memmove(a->data + opened + 1 + extra, a->data + opened, content);
    memcpy(a->data + opened, coded, 1 + extra);
}

static size_t open_named(Aml *a, uint8_t op, const char *name)
{
    aml_op(a, op);
    size_t opened = a->len;
    aml_ref(a, name);
    return opened;
}

size_t aml_open_scope(Aml *a, const char *name)
{
    return open_named(a, OP_SCOPE, name);
}

size_t aml_open_device(Aml *a, const char *name)
{
    aml_op(a, OP_EXT);
    return open_named(a, EXT_DEVICE, name);
}

size_t aml_open_method(Aml *a, const char *name, unsigned args, bool serialized)
{
    size_t opened = open_named(a, OP_METHOD, name);
    aml_op(a, (uint8_t)(args | (serialized ? METHOD_SERIALIZED : 0)));
    return opened;
}

size_t aml_open_package(Aml *a, uint8_t elements)
{
    aml_op(a, OP_PACKAGE);
    size_t opened = a->len;
    aml_op(a, elements);
    return opened;
}

size_t aml_open_if(Aml *a)
{
    aml_op(a, OP_IF);
    return a->len;
}

size_t aml_open_else(Aml *a)
{
    aml_op(a, AML_ELSE);
    return a->len;
}

void aml_buffer(Aml *a, const void *data, size_t len)
{
    aml_op(a, OP_BUFFER);
    size_t opened = a->len;
    aml_int(a, len);
    bytes(a, data, len);
    aml_close(a, opened);
}

void aml_uuid(Aml *a, const char *text)
{
    /* The first three groups are numbers, the rest bytes. */
    static const uint8_t places[16] = { 6, 4, 2, 0, 11, 9, 16, 14, 19, 21, 24, 26, 28, 30, 32, 34 };
    uint8_t uuid[16];
    for (unsigned i = 0; i < 16; i++) {
        sscanf(text + places[i], "%2hhx", &uuid[i]);
    }
    aml_buffer(a, uuid, sizeof(uuid));
}

void aml_name(Aml *a, const char *name)
{
    aml_op(a, OP_NAME);
    aml_ref(a, name);
}

void aml_name_int(Aml *a, const char *name, uint64_t val)
{
    aml_name(a, name);
    aml_int(a, val);
}

void aml_name_string(Aml *a, const char *name, const char *text)
{
    aml_name(a, name);
    aml_string(a, text);
}

void aml_register(Aml *a, const char *region, const char *field, uint64_t addr)
{
    aml_op(a, OP_EXT);
    aml_op(a, EXT_REGION);
    aml_ref(a, region);
    aml_op(a, 0); /* SystemMemory */
    aml_int(a, addr);
    aml_int(a, 4);
    aml_op(a, OP_EXT);
    size_t opened = open_named(a, EXT_FIELD, region);
    aml_op(a, FIELD_DWORD | FIELD_WRITE_AS_ZEROS);
    aml_ref(a, field);
    aml_op(a, 32); /* bits, as a PkgLength of one byte */
    aml_close(a, opened);
}

/* ---- resources --------------------------------------------------------------------------- */

/*
 * A buffer whose size is known at its end: a template of its own, appended when it is closed.
 * Meanwhile its bytes are at the end of `a`.
 */
size_t aml_open_resources(Aml *a)
{
    return a->len;
}

void aml_close_resources(Aml *a, size_t opened)
{
    static const uint8_t end_tag[2] = { 0x79, 0 };
    bytes(a, end_tag, sizeof(end_tag));
    size_t len = a->len - opened;
    g_autofree uint8_t *template = g_memdup2(a->data + opened, len);
    g_byte_array_set_size(a, (guint)opened);
    aml_buffer(a, template, len);
}

void aml_memory32(Aml *a, uint32_t base, uint32_t size)
{
    aml_op(a, 0x86);
    number(a, 9, 2);
    aml_op(a, 1); /* may be written */
    number(a, base, 4);
    number(a, size, 4);
}

void aml_interrupt(Aml *a, uint32_t gsi, bool edge)
{
    aml_op(a, 0x89);
    number(a, 6, 2);
    aml_op(a, (uint8_t)(1 | edge << 1)); /* consumer; active high, exclusive */
    aml_op(a, 1);
    number(a, gsi, 4);
}

void aml_window(Aml *a, AmlSpace space, bool consumer, uint64_t base, uint64_t size,
                uint64_t translation)
{
    static const uint8_t tags[] = { [2] = 0x88, [4] = 0x87, [8] = 0x8a };
    static const uint8_t type_flags[] = {
        [AML_SPACE_MEMORY] = 1, /* may be written; not cacheable */
        [AML_SPACE_IO] = 3,     /* all of it */
        [AML_SPACE_BUS] = 0,
    };
    uint64_t last = base + size - 1;
    unsigned width = space == AML_SPACE_BUS                                        ? 2
                     : last > UINT32_MAX || translation > UINT32_MAX || size >> 32 ? 8
                                                                                   : 4;
    uint8_t io_translated = space == AML_SPACE_IO && translation ? 1 << 4 : 0;
    const uint64_t fields[5] = { 0, base, last, translation, size };
    aml_op(a, tags[width]);
    number(a, 3 + 5 * width, 2);
    aml_op(a, (uint8_t)space);
    aml_op(a, 0x0c | consumer); /* minimum and maximum are fixed */
    aml_op(a, type_flags[space] | io_translated);
    for (unsigned i = 0; i < 5; i++) {
        number(a, fields[i], width);
    }
}
