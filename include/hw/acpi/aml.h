/* SPDX-License-Identifier: MIT */
/*
 * ACPI Machine Language, written front to back. ACPI Specification 6.3, chapter 20 (AML), 6.4
 * (resource descriptors). What takes a list is opened and closed:
 *
 *     size_t dev = aml_open_device(a, "COM0");
 *     aml_name_string(a, "_HID", "ARMH0011");
 *     aml_close(a, dev);
 */
#ifndef HW_ACPI_AML_H
#define HW_ACPI_AML_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef GByteArray Aml;

/* Operators that take what is written next as their operands. */
enum {
    AML_LOCAL0 = 0x60,
    AML_ARG0 = 0x68, /* … 0x6e */
    AML_STORE = 0x70,
    AML_AND = 0x7b,
    AML_OR = 0x7d,
    AML_NOTIFY = 0x86,
    AML_CREATE_DWORD_FIELD = 0x8a,
    AML_LNOT = 0x92,
    AML_LEQUAL = 0x93,
    AML_ELSE = 0xa1,
    AML_RETURN = 0xa4,
};

void aml_op(Aml *a, uint8_t op);
void aml_ref(Aml *a, const char *name); /* "PWRB", "\\_SB.PCI0", "^X" */
void aml_int(Aml *a, uint64_t val);     /* in the shortest form */
void aml_string(Aml *a, const char *text);
void aml_buffer(Aml *a, const void *data, size_t len);
/* "33DB4D5B-1FF7-401C-9657-7441C03DD766" as ToUUID gives it. */
void aml_uuid(Aml *a, const char *text);
/* A name for what is written next. */
void aml_name(Aml *a, const char *name);
void aml_name_int(Aml *a, const char *name, uint64_t val);
void aml_name_string(Aml *a, const char *name, const char *text);

size_t aml_open_scope(Aml *a, const char *name);
size_t aml_open_device(Aml *a, const char *name);
size_t aml_open_method(Aml *a, const char *name, unsigned args, bool serialized);
size_t aml_open_package(Aml *a, uint8_t elements);
size_t aml_open_if(Aml *a);
size_t aml_open_else(Aml *a);
void aml_close(Aml *a, size_t opened);

/* A SystemMemory region with one field of 32 bits over it. */
void aml_register(Aml *a, const char *region, const char *field, uint64_t addr);

/* Resources, between these two. */
size_t aml_open_resources(Aml *a);
void aml_close_resources(Aml *a, size_t opened);
void aml_memory32(Aml *a, uint32_t base, uint32_t size);
/* A GSI, active high, exclusive. */
void aml_interrupt(Aml *a, uint32_t gsi, bool edge);
/* Address spaces; a bridge's (producer) windows, or its own registers. */
typedef enum AmlSpace { AML_SPACE_MEMORY, AML_SPACE_IO, AML_SPACE_BUS } AmlSpace;
void aml_window(Aml *a, AmlSpace space, bool consumer, uint64_t base, uint64_t size,
                uint64_t translation);

#endif
