/* SPDX-License-Identifier: MIT */
/* What the files of the VHDX driver share. */
#ifndef BLOCK_VHDX_H
#define BLOCK_VHDX_H

#include "block/block.h"

/* CRC-32C; the four bytes at `hole` count as zeroes. */
uint32_t vhdx_crc32c(const uint8_t *p, size_t len, size_t hole);
/* vhdx-log.c: writes out what the log at [off, off + len) of the file holds, for the log's GUID. */
bool vhdx_replay_log(BlockNode *node, int64_t off, uint32_t len, const uint8_t *guid, GError **err);

#endif
