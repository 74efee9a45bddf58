/* SPDX-License-Identifier: MIT */
/* Properties: text to fields of a device's struct, and back. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "hw/core/device-internal.h"
#include "util/opts.h"

static const PropResolver *resolvers[PROP_LINK + 1];

void property_set_resolver(PropKind kind, const PropResolver *resolver)
{
    resolvers[kind] = resolver;
}

/* ---- values ------------------------------------------------------------------------------ */

bool property_parse_bool(const char *text, bool *out, GError **err)
{
    if (!parse_bool(text, out)) {
        g_set_error(err, HW_ERROR, 0, "'%s' is neither 'on' nor 'off'", text);
        return false;
    }
    return true;
}

bool parse_u64(const char *text, uint64_t *out, GError **err)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 0);
    if (errno || end == text || *end || strchr(text, '-')) {
        g_set_error(err, HW_ERROR, 0, "'%s' is not a number", text);
        return false;
    }
    return true;
}

static bool parse_i32(const char *text, int32_t *out, GError **err)
{
    char *end;
    errno = 0;
    long n = strtol(text, &end, 0);
    if (errno || end == text || *end || n < INT32_MIN || n > INT32_MAX) {
        g_set_error(err, HW_ERROR, 0, "'%s' is not a number of 32 bits", text);
        return false;
    }
    *out = (int32_t)n;
    return true;
}

static bool parse_mac(const char *text, uint8_t mac[6], GError **err)
{
    char tail;
    if (strlen(text) != 17 || sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%c", &mac[0],
                                     &mac[1], &mac[2], &mac[3], &mac[4], &mac[5], &tail) != 6) {
        g_set_error(err, HW_ERROR, 0, "'%s' is not a MAC address such as 52:54:00:12:34:56", text);
        return false;
    }
    return true;
}

static bool parse_devfn(const char *text, int32_t *out, GError **err)
{
    unsigned slot, fn = 0;
    int end = 0;
    if (!strcmp(text, "-1")) {
        *out = -1;
        return true;
    }
    if (sscanf(text, "%x%n", &slot, &end) == 1 && text[end] == '.') {
        int start = end + 1;
        end = 0;
        end = sscanf(text + start, "%x%n", &fn, &end) == 1 ? start + end : 0;
    }
    if (!end || text[end] || slot > 31 || fn > 7) {
        g_set_error(err, HW_ERROR, 0, "'%s' is not a PCI address (slot or slot.function, hex)",
                    text);
        return false;
    }
    *out = (int32_t)(slot << 3 | fn);
    return true;
}

static bool parse_enum(const Property *prop, const char *text, int *out, GError **err)
{
    g_autoptr(GString) all = g_string_new("");
    for (int i = 0; prop->choices[i]; i++) {
        if (!strcmp(prop->choices[i], text)) {
            *out = i;
            return true;
        }
        g_string_append_printf(all, "%s%s", i ? ", " : "", prop->choices[i]);
    }
    g_set_error(err, HW_ERROR, 0, "'%s' is none of: %s", text, all->str);
    return false;
}

static bool parse_ranged(const Property *prop, const char *text, uint64_t *out, GError **err)
{
    static const uint64_t limits[] = {
        [PROP_U8] = UINT8_MAX,   [PROP_U16] = UINT16_MAX,  [PROP_U32] = UINT32_MAX,
        [PROP_U64] = UINT64_MAX, [PROP_SIZE] = UINT64_MAX,
    };
    bool free_range = !prop->min && !prop->max;
    uint64_t max = free_range ? limits[prop->kind] : prop->max;
    bool ok = prop->kind == PROP_SIZE ? parse_size(text, out, err) : parse_u64(text, out, err);
    if (ok && (*out > max || *out < prop->min)) {
        g_set_error(err, HW_ERROR, 0, "%s is not in %" PRIu64 "…%" PRIu64, text, prop->min, max);
        return false;
    }
    return ok;
}

static bool set_object(Device *dev, const Property *prop, void **field, const char *text,
                       GError **err)
{
    const PropResolver *r = resolvers[prop->kind];
    void *object = NULL;
    if (prop->kind == PROP_LINK) {
        object = device_find(text);
        if (!object) {
            g_set_error(err, HW_ERROR, 0, "there is no device '%s'", text);
        }
    } else if (r) {
        object = r->find(text, dev, err);
    } else {
        g_set_error(err, HW_ERROR, 0, "there is no '%s' on this machine", text);
    }
    if (!object) {
        return false;
    }
    if (*field && r && r->release) {
        r->release(*field, dev);
    }
    *field = object;
    return true;
}

bool property_parse(Device *dev, const Property *prop, const char *text, GError **err)
{
    void *field = (char *)dev + prop->offset;
    uint64_t n;
    switch (prop->kind) {
    case PROP_BOOL:
        return property_parse_bool(text, field, err);
    case PROP_U8:
    case PROP_U16:
    case PROP_U32:
    case PROP_U64:
    case PROP_SIZE:
        if (!parse_ranged(prop, text, &n, err)) {
            return false;
        }
        memcpy(field, &n, property_number_size(prop->kind)); /* the host is little endian */
        return true;
    case PROP_I32:
        return parse_i32(text, field, err);
    case PROP_STR:
        g_free(*(char **)field);
        *(char **)field = g_strdup(text);
        return true;
    case PROP_MAC:
        return parse_mac(text, field, err);
    case PROP_DEVFN:
        return parse_devfn(text, field, err);
    case PROP_ENUM:
        return parse_enum(prop, text, field, err);
    default:
        return set_object(dev, prop, field, text, err);
    }
}

size_t property_number_size(PropKind kind)
{
    switch (kind) {
    case PROP_U8:
        return 1;
    case PROP_U16:
        return 2;
    case PROP_U32:
        return 4;
    default:
        return 8;
    }
}

char *property_print(const Device *dev, const Property *prop)
{
    const void *field = (const char *)dev + prop->offset;
    const uint8_t *mac = field;
    uint64_t n = 0;
    int32_t i;
    void *object;
    switch (prop->kind) {
    case PROP_BOOL:
        return g_strdup(*(const bool *)field ? "on" : "off");
    case PROP_U8:
    case PROP_U16:
    case PROP_U32:
    case PROP_U64:
    case PROP_SIZE:
        memcpy(&n, field, property_number_size(prop->kind));
        return g_strdup_printf("%" PRIu64, n);
    case PROP_I32:
        return g_strdup_printf("%d", *(const int32_t *)field);
    case PROP_STR:
        return g_strdup(*(char *const *)field ? *(char *const *)field : "");
    case PROP_MAC:
        return g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
                               mac[4], mac[5]);
    case PROP_DEVFN:
        i = *(const int32_t *)field;
        return i < 0 ? g_strdup("-1") : g_strdup_printf("%02x.%x", (unsigned)i >> 3, i & 7);
    case PROP_ENUM:
        return g_strdup(prop->choices[*(const int *)field]);
    case PROP_LINK:
        object = *(void *const *)field;
        return g_strdup(object && ((Device *)object)->id ? ((Device *)object)->id : "");
    default:
        object = *(void *const *)field;
        return g_strdup(object && resolvers[prop->kind] ? resolvers[prop->kind]->name(object) : "");
    }
}

void property_free(Device *dev, const Property *prop)
{
    void **field = (void **)((char *)dev + prop->offset);
    if (prop->kind == PROP_STR) {
        g_clear_pointer(field, g_free);
    } else if (prop->kind <= PROP_LINK && resolvers[prop->kind] && *field) {
        if (resolvers[prop->kind]->release) {
            resolvers[prop->kind]->release(*field, dev);
        }
        *field = NULL;
    }
}

const char *property_kind_name(PropKind kind)
{
    static const char *const names[] = {
        [PROP_BOOL] = "bool",       [PROP_U8] = "uint8",
        [PROP_U16] = "uint16",      [PROP_U32] = "uint32",
        [PROP_U64] = "uint64",      [PROP_I32] = "int32",
        [PROP_SIZE] = "size",       [PROP_STR] = "str",
        [PROP_MAC] = "MAC address", [PROP_DEVFN] = "slot.fn",
        [PROP_ENUM] = "enum",       [PROP_CHARDEV] = "chardev id",
        [PROP_NETDEV] = "netdev",   [PROP_DRIVE] = "drive id",
        [PROP_LINK] = "device id",  [PROP_MEMDEV] = "memory object",
        [PROP_RNG] = "rng object",  [PROP_IOTHREAD] = "iothread object",
    };
    return names[kind];
}
