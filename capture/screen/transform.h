#pragma once

#include "capture/screen/picture.h"

#include <stdbool.h>
#include <stddef.h>

/**
 * Transform (rotation, mirroring) of a screen in a pixel buffer: the screen's pixel (X, Y) is the buffer's (x + X *
 * right_x + Y * down_x, y + X * right_y + Y * down_y).
 */
struct transform {
	int width, height; /* of the screen */
	int x, y;
	int right_x, right_y, down_x, down_y; /* -1, 0 or 1 */
};

/** Source pixels of another process. */
struct transformed_pixels {
	struct transform transform;
	const uint8_t *pixels; /* of the buffer, its logical top row */
	ptrdiff_t stride;      /* bytes; negative when the bottom row comes first */
	bool red_first;        /* bytes R G B X instead of B G R X */
};

/**
 * @param transform  0 to 7, as in wl_output.transform: quarter turns to the left made by the compositor; 4 more:
 *                   after a horizontal mirror
 */
struct transform transform_make(int transform, int buffer_width, int buffer_height);

/** Map a rectangle of the buffer to the screen. */
struct rect transform_rect(const struct transform *transform, const struct rect *in_buffer);

/**
 * Copy a part of the screen upright.
 *
 * @param rect  on the screen, completely within it
 * @param to    of the whole screen, rows of 4 * width bytes, B G R X
 */
void transform_copy(const struct transformed_pixels *from, const struct rect *rect, uint8_t *to);
