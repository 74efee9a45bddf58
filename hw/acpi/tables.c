/* SPDX-License-Identifier: MIT */
/* ACPI tables and the commands for their loader. ACPI Specification 6.3, 5.2. The loader's commands
 * are records of 128 bytes, as firmware of virtual machines reads them from etc/table-loader. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include "hw/acpi/tables.h"
#include "hw/nvram/fw_cfg.h"
#include "util/file.h"

#define TABLES_FILE "etc/acpi/tables"
#define RSDP_FILE   "etc/acpi/rsdp"
#define LOADER_FILE "etc/table-loader"

enum {
    HEADER = 36,
    H_LENGTH = 4,
    H_CHECKSUM = 9,
    RSDP_XSDT = 24,
    RSDP_V1 = 20, /* bytes that the first checksum is of */
    RSDP_SIZE = 36,
    RSDP_CHECKSUM = 8,
    RSDP_CHECKSUM2 = 32,
};

/* ---- commands ---------------------------------------------------------------------------- */

enum { CMD_ALLOCATE = 1, CMD_POINTER = 2, CMD_CHECKSUM = 3, ZONE_HIGH = 1, ZONE_FSEG = 2 };

typedef struct LoaderEntry {
    uint32_t command;
    union {
        struct {
            char file[56];
            uint32_t align;
            uint8_t zone;
        } __attribute__((packed)) allocate;
        struct {
            char dest[56], src[56];
            uint32_t offset;
            uint8_t size;
        } __attribute__((packed)) pointer;
        struct {
            char file[56];
            uint32_t offset, start, length;
        } __attribute__((packed)) checksum;
        uint8_t pad[124];
    };
} __attribute__((packed)) LoaderEntry;

static void command(AcpiTables *t, const LoaderEntry *e)
{
    g_byte_array_append(t->loader, (const guint8 *)e, sizeof(*e));
}

static void allocate(AcpiTables *t, const char *file, uint32_t align, uint8_t zone)
{
    LoaderEntry e = { .command = CMD_ALLOCATE };
    g_strlcpy(e.allocate.file, file, sizeof(e.allocate.file));
    e.allocate.align = align;
    e.allocate.zone = zone;
    command(t, &e);
}

static void pointer(AcpiTables *t, const char *dest, uint32_t at)
{
    LoaderEntry e = { .command = CMD_POINTER };
    g_strlcpy(e.pointer.dest, dest, sizeof(e.pointer.dest));
    g_strlcpy(e.pointer.src, TABLES_FILE, sizeof(e.pointer.src));
    e.pointer.offset = at;
    e.pointer.size = 8;
    command(t, &e);
}

/* The byte at `at`, 0 until then, is to make the sum of all 0. */
static void checksum(AcpiTables *t, const char *file, uint32_t start, uint32_t len, uint32_t at)
{
    LoaderEntry e = { .command = CMD_CHECKSUM };
    g_strlcpy(e.checksum.file, file, sizeof(e.checksum.file));
    e.checksum.offset = at;
    e.checksum.start = start;
    e.checksum.length = len;
    command(t, &e);
}

/* ---- tables ------------------------------------------------------------------------------ */

void acpi_tables_init(AcpiTables *t)
{
    *t = (AcpiTables){
        .blob = g_byte_array_new(),
        .rsdp = g_byte_array_new(),
        .starts = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
        .loader = g_byte_array_new(),
        .oem_id = "LATIMR",
        .oem_table_id = "LATIMER ",
    };
    allocate(t, TABLES_FILE, 64, ZONE_HIGH);
    allocate(t, RSDP_FILE, 16, ZONE_FSEG);
}

void acpi_tables_free(AcpiTables *t)
{
    g_byte_array_unref(t->blob);
    g_byte_array_unref(t->rsdp);
    g_byte_array_unref(t->loader);
    g_array_unref(t->starts);
}

void acpi_bytes(AcpiTables *t, const void *data, size_t len)
{
    g_byte_array_append(t->blob, data, (guint)len);
}

void acpi_num(AcpiTables *t, uint64_t val, unsigned size)
{
    acpi_bytes(t, &val, size); /* little endian, as the host */
}

void acpi_zeros(AcpiTables *t, unsigned n)
{
    while (n--) {
        acpi_num(t, 0, 1);
    }
}

void acpi_gas(AcpiTables *t, hwaddr addr)
{
    enum { SYSTEM_MEMORY = 0, ACCESS_DWORD = 3 };
    acpi_num(t, SYSTEM_MEMORY, 1);
    acpi_num(t, 32, 1);
    acpi_num(t, 0, 1);
    acpi_num(t, ACCESS_DWORD, 1);
    acpi_num(t, addr, 8);
}

uint32_t acpi_begin(AcpiTables *t, const char *signature, uint8_t revision, bool listed)
{
    while (t->blob->len % 8) {
        acpi_num(t, 0, 1);
    }
    uint32_t table = t->blob->len;
    if (listed) {
        g_array_append_val(t->starts, table);
    }
    acpi_bytes(t, signature, 4);
    acpi_num(t, 0, 4); /* length */
    acpi_num(t, revision, 1);
    acpi_num(t, 0, 1); /* checksum */
    acpi_bytes(t, t->oem_id, 6);
    acpi_bytes(t, t->oem_table_id, 8);
    acpi_num(t, 1, 4);
    acpi_bytes(t, "LTMR", 4);
    acpi_num(t, 1, 4);
    return table;
}

/* The checksum is commanded at the end, after all pointers. */
void acpi_end(AcpiTables *t, uint32_t table)
{
    uint32_t len = t->blob->len - table;
    memcpy(t->blob->data + table + H_LENGTH, &len, sizeof(len));
}

void acpi_pointer(AcpiTables *t, uint32_t at, uint32_t table)
{
    uint64_t offset = table;
    memcpy(t->blob->data + at, &offset, sizeof(offset));
    pointer(t, TABLES_FILE, at);
}

static uint32_t length_of(const AcpiTables *t, uint32_t table)
{
    uint32_t len;
    memcpy(&len, t->blob->data + table + H_LENGTH, sizeof(len));
    return len;
}

static void add_rsdp(AcpiTables *t, uint32_t xsdt)
{
    uint8_t r[RSDP_SIZE] = "RSD PTR ";
    const uint32_t size = RSDP_SIZE;
    uint64_t at = xsdt;
    memcpy(r + 9, t->oem_id, 6);
    r[15] = 2; /* ACPI 2.0 and later */
    memcpy(r + 20, &size, sizeof(size));
    memcpy(r + RSDP_XSDT, &at, sizeof(at));
    g_byte_array_append(t->rsdp, r, sizeof(r));
    pointer(t, RSDP_FILE, RSDP_XSDT);
}

void acpi_finish(AcpiTables *t)
{
    g_autoptr(GArray) listed = g_array_copy(t->starts);
    uint32_t xsdt = acpi_begin(t, "XSDT", 1, true);
    for (guint i = 0; i < listed->len; i++) {
        uint32_t at = t->blob->len;
        acpi_num(t, 0, 8);
        acpi_pointer(t, at, g_array_index(listed, uint32_t, i));
    }
    acpi_end(t, xsdt);
    add_rsdp(t, xsdt);
    for (uint32_t at = 0; at + HEADER <= t->blob->len; at = (at + length_of(t, at) + 7) & ~7u) {
        checksum(t, TABLES_FILE, at, length_of(t, at), at + H_CHECKSUM);
    }
    checksum(t, RSDP_FILE, 0, RSDP_V1, RSDP_CHECKSUM);
    checksum(t, RSDP_FILE, 0, RSDP_SIZE, RSDP_CHECKSUM2);
}

/* ---- where they go ------------------------------------------------------------------------ */

bool acpi_offer(const AcpiTables *t, Device *fw_cfg, GError **err)
{
    const struct {
        const char *name;
        const GByteArray *data;
    } files[] = { { TABLES_FILE, t->blob }, { RSDP_FILE, t->rsdp }, { LOADER_FILE, t->loader } };
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autoptr(GBytes) data = g_bytes_new(files[i].data->data, files[i].data->len);
        if (!fw_cfg_add_file(fw_cfg, files[i].name, data, NULL, NULL, err)) {
            return false;
        }
    }
    return true;
}

/* As the loader would: *at makes the sum of all 0. */
static void sum_up(uint8_t *p, size_t len, size_t at)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        sum = (uint8_t)(sum + p[i]);
    }
    p[at] = (uint8_t)-sum;
}

static bool write_file(const char *folder, const char *name, const void *data, size_t len,
                       GError **err)
{
    g_autofree char *path = g_strdup_printf("%s/%s.dat", folder, name);
    return file_write(path, data, len, err);
}

bool acpi_dump(const AcpiTables *t, const char *folder, GError **err)
{
    uint8_t rsdp[RSDP_SIZE];
    if (mkdir(folder, 0777) && errno != EEXIST) {
        g_set_error(err, HW_ERROR, 0, "%s: %s", folder, g_strerror(errno));
        return false;
    }
    for (uint32_t at = 0; at + HEADER <= t->blob->len; at = (at + length_of(t, at) + 7) & ~7u) {
        uint32_t len = length_of(t, at);
        g_autofree uint8_t *table = g_memdup2(t->blob->data + at, len);
        g_autofree char *signature = g_ascii_strdown((const char *)table, 4);
        sum_up(table, len, H_CHECKSUM);
        if (!write_file(folder, signature, table, len, err)) {
            return false;
        }
    }
    memcpy(rsdp, t->rsdp->data, RSDP_SIZE);
    sum_up(rsdp, RSDP_V1, RSDP_CHECKSUM);
    sum_up(rsdp, RSDP_SIZE, RSDP_CHECKSUM2);
    return write_file(folder, "rsdp", rsdp, RSDP_SIZE, err);
}
