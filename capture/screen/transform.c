#include "capture/screen/transform.h"

#include <stddef.h>
#include <string.h>

/* columns copied together: on a rotated screen each is in a separate row of the buffer */
#define BAND 32

struct transform transform_make(int transform, int buffer_width, int buffer_height)
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

	return (struct transform){
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

struct rect transform_rect(const struct transform *transform, const struct rect *in_buffer)
{
	/* map two opposite corners; the steps are an orthogonal matrix, its inverse is the transpose */
	int ax = in_buffer->x - transform->x, ay = in_buffer->y - transform->y;
	int bx = ax + in_buffer->width - 1, by = ay + in_buffer->height - 1;
	int left = ax * transform->right_x + ay * transform->right_y;
	int top = ax * transform->down_x + ay * transform->down_y;
	int right = bx * transform->right_x + by * transform->right_y;
	int bottom = bx * transform->down_x + by * transform->down_y;

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

static void copy_band(const struct transformed_pixels *from, const struct rect *rect, uint8_t *to)
{
	const struct transform *transform = &from->transform;
	const ptrdiff_t right = transform->right_x * 4 + transform->right_y * from->stride;

	for (int y = rect->y; y < rect->y + rect->height; y++) {
		const uint8_t *pixel = from->pixels +
			(transform->y + rect->x * transform->right_y + y * transform->down_y) *
				from->stride +
			4 *
				(ptrdiff_t)(transform->x + rect->x * transform->right_x +
					y * transform->down_x);
		uint8_t *row = to + 4 * ((ptrdiff_t)y * transform->width + rect->x);

		for (int i = 0; i < rect->width; i++, pixel += right) {
			uint32_t value;

			memcpy(&value, pixel, 4);
			if (from->red_first)
				value = exchange_red(value);
			memcpy(row + 4 * (ptrdiff_t)i, &value, 4);
		}
	}
}

void transform_copy(const struct transformed_pixels *from, const struct rect *rect, uint8_t *to)
{
	struct rect band = *rect;

	for (int done = 0; done < rect->width; done += BAND) {
		band.x = rect->x + done;
		band.width = rect->width - done < BAND ? rect->width - done : BAND;
		copy_band(from, &band, to);
	}
}
