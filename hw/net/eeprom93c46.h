/* SPDX-License-Identifier: MIT */
/* The serial EEPROM 93C46 in its organisation of 64 words (Microchip DS21749, Atmel 0172). */
#ifndef HW_NET_EEPROM93C46_H
#define HW_NET_EEPROM93C46_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Eeprom93c46 {
    uint16_t words[64];
    uint16_t shift, count; /* bits that came since the start bit */
    bool select, clock, out, unlocked;
} Eeprom93c46;

/* New levels of chip select, clock and data in; `out` is the level of data out afterwards. */
void eeprom93c46_lines(Eeprom93c46 *e, bool select, bool clock, bool in);

#endif
