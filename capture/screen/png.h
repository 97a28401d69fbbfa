#pragma once

#include "capture/screen/picture.h"
#include "protocol/base/buf.h"

/**
 * Writes parts of a screen as PNG files (PNG specification, third edition), without loss: with a palette
 * where there are at most 256 colours, else in 24 bits. One thread.
 */
struct png;

/** @return 0 (freed by png_destroy()) or -ENOMEM */
int png_create(struct png **ret);
void png_destroy(struct png *png);
DEFINE_DESTROY(png);

/** The CRC-32 of PNG, of bytes that follow those it was before; 0 at first. */
uint32_t png_sum(uint32_t sum, const void *data, size_t size_bytes);

/**
 * Append a file of width × height pixels.
 *
 * @param pixels  height rows of stride_bytes, top row first, bytes B G R X
 * @return its size; 0 without memory, and `out` says so (buf_error())
 */
size_t png_put(struct png *png, struct buf *out, const uint8_t *pixels, int stride_bytes, int width,
	int height);
