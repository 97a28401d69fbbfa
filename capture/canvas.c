#include "capture/canvas.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* ---- areas ---- */

static int64_t pixels_of(const struct rect *rect)
{
	return (int64_t)rect->width * rect->height;
}

static int least(int a, int b)
{
	return a < b ? a : b;
}

static int most(int a, int b)
{
	return a > b ? a : b;
}

static struct rect around(const struct rect *a, const struct rect *b)
{
	int x = least(a->x, b->x), y = least(a->y, b->y);

	return (struct rect){x, y, most(a->x + a->width, b->x + b->width) - x,
		most(a->y + a->height, b->y + b->height) - y};
}

/* how many pixels more than the two */
static int64_t waste(const struct rect *a, const struct rect *b)
{
	struct rect both = around(a, b);

	return pixels_of(&both) - pixels_of(a) - pixels_of(b);
}

/* what is joined for nothing is joined: strokes of a line of text, rows of a scrolled list */
static bool join(struct areas *areas, const struct rect *area, int64_t most_waste)
{
	int best = -1;

	for (int i = 0; i < areas->count; i++) {
		int64_t wasted = waste(&areas->area[i], area);

		if (wasted > most_waste)
			continue;
		most_waste = wasted;
		best = i;
	}
	if (best >= 0)
		areas->area[best] = around(&areas->area[best], area);
	return best >= 0;
}

void areas_add(struct areas *areas, const struct rect *area)
{
	if (area->width <= 0 || area->height <= 0)
		return;
	if (join(areas, area, 0))
		return;
	if (areas->count == CANVAS_AREAS)
		join(areas, area, INT64_MAX);
	else
		areas->area[areas->count++] = *area;
}

int64_t areas_pixels(const struct areas *areas)
{
	int64_t sum = 0;

	for (int i = 0; i < areas->count; i++)
		sum += pixels_of(&areas->area[i]);
	return sum;
}

/* ---- the canvas ---- */

int canvas_create(struct canvas **ret, int width, int height)
{
	_destroy_(canvas) struct canvas *canvas = calloc(1, sizeof(*canvas));

	if (width < 1 || height < 1 || width > CANVAS_SIDE_LIMIT || height > CANVAS_SIDE_LIMIT)
		return -EINVAL;
	if (!canvas)
		return -ENOMEM;
	canvas->width = width;
	canvas->height = height;
	canvas->stride = 4 * width;
	canvas->pixels = calloc((size_t)height, (size_t)canvas->stride);
	if (!canvas->pixels || picture_create(&canvas->picture, width, height) < 0)
		return -ENOMEM;
	*ret = steal_ptr(canvas);
	return 0;
}

void canvas_destroy(struct canvas *canvas)
{
	if (!canvas)
		return;
	picture_destroy(canvas->picture);
	free(canvas->pixels);
	free(canvas);
}

/* what is being put: both point to the first pixel of the same area */
struct layer {
	const uint8_t *from;
	int from_stride;
	uint8_t *to;
	int to_stride;
};

static bool row_differs(const struct layer *layer, int row, int from_px, int to_px)
{
	return memcmp(layer->from + (ptrdiff_t)row * layer->from_stride + 4 * from_px,
		       layer->to + (ptrdiff_t)row * layer->to_stride + 4 * from_px,
		       (size_t)(to_px - from_px) * 4) != 0;
}

/* The first column of a row that differs, at most `limit`. */
static int first_difference(const struct layer *layer, int row, int limit)
{
	const uint8_t *a = layer->from + (ptrdiff_t)row * layer->from_stride;
	const uint8_t *b = layer->to + (ptrdiff_t)row * layer->to_stride;
	int column = 0;

	while (column < limit &&
		memcmp(a + 4 * (ptrdiff_t)column, b + 4 * (ptrdiff_t)column, 4) == 0)
		column++;
	return column;
}

/* One past the last column of a row that differs, at least `limit`. */
static int last_difference(const struct layer *layer, int row, int limit, int width)
{
	const uint8_t *a = layer->from + (ptrdiff_t)row * layer->from_stride;
	const uint8_t *b = layer->to + (ptrdiff_t)row * layer->to_stride;
	int column = width;

	while (column > limit &&
		memcmp(a + 4 * (ptrdiff_t)(column - 1), b + 4 * (ptrdiff_t)(column - 1), 4) == 0)
		column--;
	return column;
}

/* What of an area of this size differs, in its own coordinates. Programs draw again what is there. */
static struct rect difference(const struct layer *layer, int width, int height)
{
	int top = 0, bottom = height, left = width, right = 0;

	while (top < bottom && !row_differs(layer, top, 0, width))
		top++;
	while (bottom > top && !row_differs(layer, bottom - 1, 0, width))
		bottom--;
	for (int row = top; row < bottom; row++) {
		if (left > 0 && row_differs(layer, row, 0, left))
			left = first_difference(layer, row, left);
		if (right < width && row_differs(layer, row, right, width))
			right = last_difference(layer, row, right, width);
	}
	return (struct rect){left, top, right - left, bottom - top};
}

/* Chroma has whole samples: an area grows to even borders. */
static void convert(struct canvas *canvas, const struct rect *area)
{
	int x = area->x & ~1, y = area->y & ~1;
	int right = least((area->x + area->width + 1) & ~1, canvas->width);
	int bottom = least((area->y + area->height + 1) & ~1, canvas->height);

	picture_put(canvas->picture, &(struct rect){x, y, right - x, bottom - y},
		canvas->pixels + (ptrdiff_t)y * canvas->stride + 4 * (ptrdiff_t)x, canvas->stride);
}

void canvas_put(
	struct canvas *canvas, const struct rect *rect, const uint8_t *pixels, int stride_bytes)
{
	int x = most(rect->x, 0), y = most(rect->y, 0);
	int width = least(rect->x + rect->width, canvas->width) - x;
	int height = least(rect->y + rect->height, canvas->height) - y;
	struct layer layer = {
		.from = pixels + (ptrdiff_t)(y - rect->y) * stride_bytes +
			4 * (ptrdiff_t)(x - rect->x),
		.from_stride = stride_bytes,
		.to = canvas->pixels + (ptrdiff_t)y * canvas->stride + 4 * (ptrdiff_t)x,
		.to_stride = canvas->stride,
	};
	struct rect changed;

	if (width <= 0 || height <= 0)
		return;
	changed = difference(&layer, width, height);
	if (changed.width <= 0 || changed.height <= 0)
		return;
	for (int row = changed.y; row < changed.y + changed.height; row++)
		memcpy(layer.to + (ptrdiff_t)row * layer.to_stride + 4 * (ptrdiff_t)changed.x,
			layer.from + (ptrdiff_t)row * layer.from_stride + 4 * (ptrdiff_t)changed.x,
			(size_t)changed.width * 4);
	changed.x += x;
	changed.y += y;
	convert(canvas, &changed);
	areas_add(&canvas->changed, &changed);
}
