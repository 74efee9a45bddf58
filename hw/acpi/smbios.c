/* SPDX-License-Identifier: MIT */
/* SMBIOS tables. DMTF DSP0134, "System Management BIOS Reference Specification" 3.0: chapters 5
 * (entry point), 6 (structures), 7 (types). */
#include <string.h>
#include "hw/acpi/smbios.h"
#include "hw/nvram/fw_cfg.h"

enum { NONE = 0xfffe, H_ARRAY = 0x1000 };

/* A structure is written front to back; its strings are kept until its end. */
typedef struct Smbios {
    GByteArray *out;
    GPtrArray *strings; /* of the open structure */
    guint start;
} Smbios;

static void num(Smbios *s, uint64_t val, unsigned size)
{
    g_byte_array_append(s->out, (const guint8 *)&val, size); /* little endian, as the host */
}

static void begin(Smbios *s, uint8_t type, uint16_t handle)
{
    s->start = s->out->len;
    g_ptr_array_set_size(s->strings, 0);
    num(s, type, 1);
    num(s, 0, 1); /* length */
    num(s, handle, 2);
}

static void text(Smbios *s, const char *value)
{
    g_ptr_array_add(s->strings, (gpointer)value);
    num(s, s->strings->len, 1);
}

static void end(Smbios *s)
{
    s->out->data[s->start + 1] = (uint8_t)(s->out->len - s->start);
    for (guint i = 0; i < s->strings->len; i++) {
        const char *value = s->strings->pdata[i];
        g_byte_array_append(s->out, (const guint8 *)value, (guint)strlen(value) + 1);
    }
    num(s, 0, s->strings->len ? 1 : 2);
}

/* ---- structures -------------------------------------------------------------------------- */

static void add_system(Smbios *s, const Machine *m, const char *product)
{
    /* The first three groups of a UUID are little endian here. */
    static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
    begin(s, 1, 0x100);
    text(s, "Latimer");
    text(s, product);
    text(s, "1");
    num(s, 0, 1); /* no serial number */
    for (unsigned i = 0; i < 16; i++) {
        num(s, m->uuid[order[i]], 1);
    }
    num(s, 6, 1); /* started by its power switch */
    num(s, 0, 2);
    end(s);
}

static void add_chassis(Smbios *s)
{
    begin(s, 3, 0x300);
    text(s, "Latimer");
    num(s, 1, 1); /* of some other kind */
    num(s, 0, 3);
    num(s, 0x02030303, 4); /* states: safe, safe, safe; security: unknown */
    num(s, 0, 4);          /* the maker's */
    num(s, 0, 5);          /* height, cords, contents, name of the kind */
    end(s);
}

static void add_processor(Smbios *s, const Machine *m, unsigned socket)
{
    enum { CENTRAL = 3, FAMILY_2 = 0xfe, ARMV8 = 0x101, ENABLED = 0x41, NO_CACHE = 0xffff };
    unsigned cores = m->smp.clusters * m->smp.cores, threads = cores * m->smp.threads;
    begin(s, 4, (uint16_t)(0x400 + socket));
    text(s, "CPU");
    num(s, CENTRAL, 1);
    num(s, FAMILY_2, 1);
    text(s, "Latimer");
    num(s, 0, 8); /* id */
    text(s, m->cpu_model);
    num(s, 0, 1);    /* voltage */
    num(s, 0, 2);    /* external clock */
    num(s, 2000, 2); /* MHz, at most and now */
    num(s, 2000, 2);
    num(s, ENABLED, 1);
    num(s, 1, 1); /* of some other socket */
    num(s, NO_CACHE, 2);
    num(s, NO_CACHE, 2);
    num(s, NO_CACHE, 2);
    num(s, 0, 3);
    num(s, MIN(cores, 255), 1);
    num(s, MIN(cores, 255), 1);
    num(s, MIN(threads, 255), 1);
    num(s, 2, 2); /* characteristics: unknown */
    num(s, ARMV8, 2);
    num(s, cores, 2);
    num(s, cores, 2);
    num(s, threads, 2);
    end(s);
}

static void add_memory(Smbios *s, const Machine *m, hwaddr start)
{
    enum { SYSTEM_MEMORY = 3, NO_CORRECTION = 3, DIMM = 9, RAM = 7, EXTENDED = 0x7fff };
    uint64_t kib = m->ram_size >> 10, mib = m->ram_size >> 20;
    begin(s, 16, H_ARRAY);
    num(s, 1, 1); /* in some other place */
    num(s, SYSTEM_MEMORY, 1);
    num(s, NO_CORRECTION, 1);
    num(s, MIN(kib, 0x80000000), 4);
    num(s, NONE, 2);
    num(s, 1, 2);
    num(s, kib < 0x80000000 ? 0 : m->ram_size, 8);
    end(s);
    begin(s, 17, 0x1100);
    num(s, H_ARRAY, 2);
    num(s, NONE, 2);
    num(s, 0xffff, 2); /* widths: unknown */
    num(s, 0xffff, 2);
    num(s, mib < EXTENDED ? mib : EXTENDED, 2);
    num(s, DIMM, 1);
    num(s, 0, 1);
    text(s, "DIMM 0");
    num(s, 0, 1);
    num(s, RAM, 1);
    num(s, 2, 2); /* of some other type */
    num(s, 0, 2);
    text(s, "Latimer");
    num(s, 0, 4); /* serial and part numbers, attributes */
    num(s, mib < EXTENDED ? 0 : mib, 4);
    num(s, 0, 8); /* speed and voltages */
    end(s);
    begin(s, 19, 0x1300);
    num(s, UINT32_MAX, 4); /* in the wide fields */
    num(s, UINT32_MAX, 4);
    num(s, H_ARRAY, 2);
    num(s, 1, 1);
    num(s, start, 8);
    num(s, start + m->ram_size - 1, 8);
    end(s);
}

static GByteArray *make_tables(const Machine *m, const char *product, hwaddr ram_start)
{
    Smbios s = { g_byte_array_new(), g_ptr_array_new(), 0 };
    add_system(&s, m, product);
    add_chassis(&s);
    for (unsigned i = 0; i < m->smp.sockets; i++) {
        add_processor(&s, m, i);
    }
    add_memory(&s, m, ram_start);
    begin(&s, 32, 0x2000); /* booted without trouble */
    num(&s, 0, 7);
    end(&s);
    begin(&s, 127, 0x7f00);
    end(&s);
    g_ptr_array_free(s.strings, TRUE);
    return s.out;
}

bool smbios_offer(const Machine *m, const char *product, hwaddr ram_start, Device *fw_cfg,
                  GError **err)
{
    g_autoptr(GByteArray) tables = make_tables(m, product, ram_start);
    struct {
        char anchor[5];
        uint8_t checksum, length, major, minor, docrev, revision, reserved;
        uint32_t max_size;
        uint64_t address; /* the firmware's to fill in */
    } __attribute__((packed)) entry = { .anchor = { '_', 'S', 'M', '3', '_' },
                                        .length = sizeof(entry),
                                        .major = 3,
                                        .revision = 1,
                                        .max_size = tables->len };
    for (size_t i = 0; i < sizeof(entry); i++) {
        entry.checksum = (uint8_t)(entry.checksum - (i == 5 ? 0 : ((uint8_t *)&entry)[i]));
    }
    g_autoptr(GBytes) anchor = g_bytes_new(&entry, sizeof(entry));
    g_autoptr(GBytes) data = g_bytes_new(tables->data, tables->len);
    return fw_cfg_add_file(fw_cfg, "etc/smbios/smbios-anchor", anchor, NULL, NULL, err) &&
           fw_cfg_add_file(fw_cfg, "etc/smbios/smbios-tables", data, NULL, NULL, err);
}
