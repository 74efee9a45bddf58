/* SPDX-License-Identifier: MIT */
/*
 * 93C46: a start bit, two bits of operation, six of address, and sixteen of data one way or the
 * other, each at a rising edge of the clock. Falling chip select ends it.
 */
#include "hw/net/eeprom93c46.h"

#include <string.h>

enum { EXTENDED, WRITE, READ, ERASE };       /* operations */
enum { LOCK, WRITE_ALL, ERASE_ALL, UNLOCK }; /* … by the address's top bits */
enum { COMMAND_BITS = 9, WORDS = 64, LAST_BIT = COMMAND_BITS + WORDS * 16 - 1 };

static unsigned operation(const Eeprom93c46 *e)
{
    return e->shift >> 6 & 3;
}

static void fill(Eeprom93c46 *e, uint16_t val)
{
    for (int i = 0; e->unlocked && i < WORDS; i++) {
        e->words[i] = val;
    }
}

static void command(Eeprom93c46 *e)
{
    unsigned addr = e->shift % WORDS;
    switch (operation(e)) {
    case ERASE:
        e->words[addr] = e->unlocked ? 0xffff : e->words[addr];
        break;
    case READ:
        e->out = false; /* a zero in front of the data */
        break;
    case EXTENDED:
        if (addr >> 4 == ERASE_ALL) {
            fill(e, 0xffff);
        } else if (addr >> 4 != WRITE_ALL) {
            e->unlocked = addr >> 4 == UNLOCK;
        }
        break;
    }
}

/* Bit n behind the command. */
static void data(Eeprom93c46 *e, unsigned n, bool in)
{
    unsigned addr = e->shift % WORDS, op = operation(e);
    bool all = op == EXTENDED && addr >> 4 == WRITE_ALL;
    if (op == READ) { /* goes on with the words behind */
        e->out = e->words[(addr + n / 16) % WORDS] >> (15 - n % 16) & 1;
    } else if (n < 16 && e->unlocked && (all || op == WRITE)) {
        for (unsigned i = all ? 0 : addr; i <= (all ? WORDS - 1 : addr); i++) {
            e->words[i] &= (uint16_t) ~(1u << (15 - n));
            e->words[i] |= (uint16_t)(in << (15 - n));
        }
    }
}

void eeprom93c46_lines(Eeprom93c46 *e, bool select, bool clock, bool in)
{
    if (!select || !e->select) {
        e->count = 0;
        e->shift = 0;
        e->out = true; /* never busy */
    }
    if (select && e->select && clock && !e->clock && (e->count || in)) {
        if (e->count < COMMAND_BITS) {
            e->shift = (uint16_t)(e->shift << 1 | in);
            if (++e->count == COMMAND_BITS) {
                command(e);
            }
        } else {
            data(e, e->count - COMMAND_BITS, in);
            e->count = e->count == LAST_BIT ? COMMAND_BITS : e->count + 1;
        }
    }
    e->select = select;
    e->clock = clock;
}
