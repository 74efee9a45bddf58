/* SPDX-License-Identifier: MIT */
/* What the files of the device core share. */
#ifndef HW_CORE_DEVICE_INTERNAL_H
#define HW_CORE_DEVICE_INTERNAL_H

#include "hw/device.h"

/* `dev` is the struct that prop->offset is of. */
bool property_parse(Device *dev, const Property *prop, const char *text, GError **err);
char *property_print(const Device *dev, const Property *prop);
void property_free(Device *dev, const Property *prop);
const char *property_kind_name(PropKind kind);
size_t property_number_size(PropKind kind); /* bytes of an unsigned number's field */

/* dev is on it, or not on it any more. */
bool bus_attach(Bus *bus, Device *dev, GError **err);
void bus_detach(Device *dev);

#endif
