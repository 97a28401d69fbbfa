#pragma once

#include <libdeflate.h>
#include <stddef.h>
#include <stdint.h>

static inline uint32_t png_big_endian(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/** Set valid checksums in the chunks of a broken PNG file: without these decoders skip their content. */
static inline void png_mend_checksums(uint8_t *png, size_t size)
{
	for (size_t at = 8; at + 12 <= size;) {
		uint32_t length = png_big_endian(png + at), sum;

		if (length > size - at - 12)
			return;
		sum = libdeflate_crc32(0, png + at + 4, length + 4);
		for (int i = 0; i < 4; i++)
			png[at + 8 + length + (size_t)i] = (uint8_t)(sum >> (24 - 8 * i));
		at += length + 12;
	}
}
