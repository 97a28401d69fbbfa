#pragma once

#include "protocol/base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A rectangle on a screen, in pixels from its top left corner. */
struct rect {
	int x, y, width, height;
};

/** Chroma subsampling. */
enum chroma {
	CHROMA_420, /* one sample per two by two pixels (libyuv's I420) */
	CHROMA_444, /* one sample per pixel (I444) */
	CHROMA_COUNT,
};

/** "420" and "444", by enum chroma; NULL-terminated. */
extern const char *const chroma_names[];

/** @return false for an unknown name */
bool chroma_parse(const char *name, enum chroma *ret);

/**
 * The encoder's persistent input: planar YUV, BT.601 limited range with either chroma. Width and height are even;
 * an odd screen's last column or row is doubled.
 */
struct picture {
	int width, height;
	enum chroma chroma;
	int stride_y, stride_uv; /* bytes; multiples of 32 */
	uint8_t *y, *u, *v;      /* of `memory` */
	uint8_t *memory;
	size_t size_bytes; /* of all three planes */
};

/** @return 0 (black, freed by picture_destroy()) or -ENOMEM */
int picture_create(struct picture **ret, int screen_width, int screen_height, enum chroma chroma);
void picture_destroy(struct picture *picture);
DEFINE_DESTROY(picture);

/**
 * Convert a rectangle of a screen into the picture.
 *
 * @param rect    its position; x and y even; width and height even unless it touches the right or the bottom edge
 *                of the screen
 * @param pixels  rect.height rows of stride_bytes >= 4 * rect.width, top row first, bytes B G R X
 */
void picture_put(
	struct picture *picture, const struct rect *rect, const uint8_t *pixels, int stride_bytes);

/** Pixel format of a screen: little-endian words of `bits` bits. */
struct pixel_layout {
	int bits;
	uint32_t red, green, blue; /* masks */
	/* NULL: already B G R X */
	int (*convert)(const uint8_t *from, int from_stride, uint8_t *to, int to_stride, int width,
		int height);
};

/** @return the layout with these masks, or NULL: unsupported */
const struct pixel_layout *pixel_layout_find(int bits, uint32_t red, uint32_t green, uint32_t blue);

/** Convert rows of width pixels to B G R X. Strides in bytes; the layout must have a conversion. */
void pixel_layout_convert(const struct pixel_layout *layout, const uint8_t *from, int from_stride,
	uint8_t *to, int to_stride, int width, int height);

/** Copy a picture of CHROMA_420 with its chroma planes interleaved: NV12. Strides in bytes. */
void picture_interleave(
	const struct picture *picture, uint8_t *y, int stride_y, uint8_t *uv, int stride_uv);

/**
 * Scale a picture to a width, keeping its aspect ratio, with a box filter.
 *
 * @param ret  set on success; freed by picture_destroy()
 * @return 0 or a negative errno
 */
int picture_scale(struct picture **ret, const struct picture *picture, int width);
