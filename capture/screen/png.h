#pragma once

#include "capture/screen/picture.h"
#include "protocol/base/buf.h"

/**
 * Lossless writer of PNG files of parts of a screen (PNG specification, third edition): with a palette for at most
 * 256 colours, else in 24 bits. One thread.
 */
struct png;

/** @return 0 (freed by png_destroy()) or -ENOMEM */
int png_create(struct png **ret);
void png_destroy(struct png *png);
DEFINE_DESTROY(png);

/** CRC-32 as in PNG, continued from `sum`; 0 at first. */
uint32_t png_crc32(uint32_t sum, const void *data, size_t size_bytes);

/**
 * Append a file of width × height pixels.
 *
 * @param pixels  height rows of stride_bytes, top row first, bytes B G R X
 * @return its size; 0 when out of memory, with `out` in error (buf_error())
 */
size_t png_put(struct png *png, struct buf *out, const uint8_t *pixels, int stride_bytes, int width,
	int height);
