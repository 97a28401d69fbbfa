#include "capture/screen/transform.h"

#include <stddef.h>
#include <string.h>

/* columns copied together: on a rotated screen each is in a separate row of the buffer */
#define BAND 32

struct turn turn_make(int transform, int buffer_width, int buffer_height)
{
	/* right and down steps in the buffer */
	static const int steps[8][4] = {
		{1, 0, 0, 1},
		{0, -1, 1, 0},
		{-1, 0, 0, -1},
		{0, 1, -1, 0},
		{-1, 0, 0, 1},
		{0, 1, 1, 0},
		{1, 0, 0, -1},
		{0, -1, -1, 0},
	};
	const int *step = steps[transform & 7];
	bool aside = step[0] == 0;

	return (struct turn){
		.width = aside ? buffer_height : buffer_width,
		.height = aside ? buffer_width : buffer_height,
		.x = step[0] + step[2] < 0 ? buffer_width - 1 : 0,
		.y = step[1] + step[3] < 0 ? buffer_height - 1 : 0,
		.right_x = step[0],
		.right_y = step[1],
		.down_x = step[2],
		.down_y = step[3],
	};
}

struct rect turn_rect(const struct turn *turn, const struct rect *in_buffer)
{
	/* map two opposite corners; the steps are an orthogonal matrix, its inverse is the transpose */
	int ax = in_buffer->x - turn->x, ay = in_buffer->y - turn->y;
	int bx = ax + in_buffer->width - 1, by = ay + in_buffer->height - 1;
	int left = ax * turn->right_x + ay * turn->right_y;
	int top = ax * turn->down_x + ay * turn->down_y;
	int right = bx * turn->right_x + by * turn->right_y;
	int bottom = bx * turn->down_x + by * turn->down_y;

	return (struct rect){
		.x = left < right ? left : right,
		.y = top < bottom ? top : bottom,
		.width = (left < right ? right - left : left - right) + 1,
		.height = (top < bottom ? bottom - top : top - bottom) + 1,
	};
}

static uint32_t exchange_red(uint32_t pixel)
{
	return (pixel & 0xff00ff00) | (pixel & 0xff) << 16 | (pixel >> 16 & 0xff);
}

static void copy_band(const struct turned_pixels *from, const struct rect *rect, uint8_t *to)
{
	const struct turn *turn = &from->turn;
	const ptrdiff_t right = turn->right_x * 4 + turn->right_y * from->stride;

	for (int y = rect->y; y < rect->y + rect->height; y++) {
		const uint8_t *pixel = from->pixels +
			(turn->y + rect->x * turn->right_y + y * turn->down_y) * from->stride +
			4 * (ptrdiff_t)(turn->x + rect->x * turn->right_x + y * turn->down_x);
		uint8_t *row = to + 4 * ((ptrdiff_t)y * turn->width + rect->x);

		for (int i = 0; i < rect->width; i++, pixel += right) {
			uint32_t value;

			memcpy(&value, pixel, 4);
			if (from->red_first)
				value = exchange_red(value);
			memcpy(row + 4 * (ptrdiff_t)i, &value, 4);
		}
	}
}

void turn_copy(const struct turned_pixels *from, const struct rect *rect, uint8_t *to)
{
	struct rect band = *rect;

	for (int done = 0; done < rect->width; done += BAND) {
		band.x = rect->x + done;
		band.width = rect->width - done < BAND ? rect->width - done : BAND;
		copy_band(from, &band, to);
	}
}
