/* SPDX-License-Identifier: MIT */
/*
 * ACPI tables in the making: a blob of them, the places in it that hold addresses of others, and
 * what a loader (firmware that knows etc/table-loader) is to do with it. ACPI Specification 6.3,
 * chapter 5.
 */
#ifndef HW_ACPI_TABLES_H
#define HW_ACPI_TABLES_H

#include "hw/device.h"

typedef struct AcpiTables {
    GByteArray *blob; /* all tables but the root pointer, one after the other */
    GByteArray *rsdp;
    GArray *starts; /* uint32_t: offsets of tables in the blob, for the XSDT */
    GByteArray *loader;
    const char *oem_id, *oem_table_id;
} AcpiTables;

void acpi_tables_init(AcpiTables *t);
void acpi_tables_free(AcpiTables *t);
/* A header (5.2.6), completed by acpi_end; the table's offset. listed: by the XSDT. */
uint32_t acpi_begin(AcpiTables *t, const char *signature, uint8_t revision, bool listed);
void acpi_end(AcpiTables *t, uint32_t table);
/* Little-endian fields. */
void acpi_num(AcpiTables *t, uint64_t val, unsigned size);
void acpi_zeros(AcpiTables *t, unsigned n);
void acpi_bytes(AcpiTables *t, const void *data, size_t len);
/* A Generic Address Structure (5.2.3.2) of 32-bit registers in memory. */
void acpi_gas(AcpiTables *t, hwaddr addr);
/* The 8 bytes at `at` of the blob are to hold the address of `table`. */
void acpi_pointer(AcpiTables *t, uint32_t at, uint32_t table);
/* XSDT and root pointer: after all others. */
void acpi_finish(AcpiTables *t);
/* To where firmware finds them. */
bool acpi_offer(const AcpiTables *t, Device *fw_cfg, GError **err);
/* A file for each table in a folder (made if need be), as iasl reads them: "dsdt.dat". Pointers
 * are offsets. */
bool acpi_dump(const AcpiTables *t, const char *folder, GError **err);

#endif
