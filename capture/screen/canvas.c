#include "capture/screen/canvas.h"

#include "protocol/limits.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* all four bytes of a hidden pixel: a grey not used by desktops */
#define HIDDEN 0x6e

/* ---- areas ---- */

static int64_t pixels_of(const struct rect *rect)
{
	return (int64_t)rect->width * rect->height;
}

static int min(int a, int b)
{
	return a < b ? a : b;
}

static int max(int a, int b)
{
	return a > b ? a : b;
}

static struct rect bounding_box(const struct rect *a, const struct rect *b)
{
	int x = min(a->x, b->x), y = min(a->y, b->y);

	return (struct rect){x, y, max(a->x + a->width, b->x + b->width) - x,
		max(a->y + a->height, b->y + b->height) - y};
}

/* pixels in the union's bounding box beyond those of the two */
static int64_t waste(const struct rect *a, const struct rect *b)
{
	struct rect both = bounding_box(a, b);

	return pixels_of(&both) - pixels_of(a) - pixels_of(b);
}

/*
 * Merge where that costs at most `most_waste` pixels. With 0: strokes of a text line, rows of a
 * scrolled list.
 */
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
		areas->area[best] = bounding_box(&areas->area[best], area);
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

bool areas_contain(const struct areas *areas, int x, int y)
{
	for (int i = 0; i < areas->count; i++) {
		const struct rect *area = &areas->area[i];

		if (x >= area->x && y >= area->y && x < area->x + area->width &&
			y < area->y + area->height)
			return true;
	}
	return false;
}

int64_t areas_pixels(const struct areas *areas)
{
	int64_t sum = 0;

	for (int i = 0; i < areas->count; i++)
		sum += pixels_of(&areas->area[i]);
	return sum;
}

/* ---- the canvas ---- */

int canvas_create(struct canvas **ret, int width, int height, enum chroma chroma)
{
	_destroy_(canvas) struct canvas *canvas = calloc(1, sizeof(*canvas));

	if (width < 1 || height < 1)
		return -EINVAL;
	if (width > CANVAS_SIDE_LIMIT || height > CANVAS_SIDE_LIMIT ||
		width * height > SCREEN_LIMIT_PIXELS)
		return -E2BIG;
	if (!canvas)
		return -ENOMEM;
	canvas->width = width;
	canvas->height = height;
	canvas->stride = 4 * width;
	canvas->pixels = calloc((size_t)height, (size_t)canvas->stride);
	canvas->hidden_row = malloc((size_t)canvas->stride);
	if (!canvas->pixels || !canvas->hidden_row ||
		picture_create(&canvas->picture, width, height, chroma) < 0)
		return -ENOMEM;
	memset(canvas->hidden_row, HIDDEN, (size_t)canvas->stride);
	*ret = steal_ptr(canvas);
	return 0;
}

void canvas_destroy(struct canvas *canvas)
{
	if (!canvas)
		return;
	picture_destroy(canvas->picture);
	free(canvas->pixels);
	free(canvas->hidden_row);
	free(canvas);
}

/* Source and destination of a copy; both point to the first pixel of the same area. */
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

/* First differing column of a row, at most `limit`. */
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

/* One past the last differing column of a row, at least `limit`. */
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

/*
 * Bounding box of the differing pixels, relative to the area; programs often redraw unchanged
 * pixels.
 */
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

/* Chroma is subsampled: grow the area to even edges. */
static void convert(struct canvas *canvas, const struct rect *area)
{
	int x = area->x & ~1, y = area->y & ~1;
	int right = min((area->x + area->width + 1) & ~1, canvas->width);
	int bottom = min((area->y + area->height + 1) & ~1, canvas->height);

	picture_put(canvas->picture, &(struct rect){x, y, right - x, bottom - y},
		canvas->pixels + (ptrdiff_t)y * canvas->stride + 4 * (ptrdiff_t)x, canvas->stride);
}

static struct rect intersection(const struct rect *a, const struct rect *b)
{
	int x = max(a->x, b->x), y = max(a->y, b->y);

	return (struct rect){x, y, min(a->x + a->width, b->x + b->width) - x,
		min(a->y + a->height, b->y + b->height) - y};
}

static bool is_empty(const struct rect *rect)
{
	return rect->width <= 0 || rect->height <= 0;
}

/* pixels with their position on the screen */
struct copy {
	struct rect rect; /* all of them */
	const uint8_t *pixels;
	int stride;
};

/* @param part  within both the screen and the copy, not empty */
static void put(struct canvas *canvas, const struct rect *part, const struct copy *copy)
{
	struct layer layer = {
		.from = copy->pixels + (ptrdiff_t)(part->y - copy->rect.y) * copy->stride +
			4 * (ptrdiff_t)(part->x - copy->rect.x),
		.from_stride = copy->stride,
		.to = canvas->pixels + (ptrdiff_t)part->y * canvas->stride + 4 * (ptrdiff_t)part->x,
		.to_stride = canvas->stride,
	};
	struct rect changed = difference(&layer, part->width, part->height);

	if (is_empty(&changed))
		return;
	for (int row = changed.y; row < changed.y + changed.height; row++)
		memcpy(layer.to + (ptrdiff_t)row * layer.to_stride + 4 * (ptrdiff_t)changed.x,
			layer.from + (ptrdiff_t)row * layer.from_stride + 4 * (ptrdiff_t)changed.x,
			(size_t)changed.width * 4);
	changed.x += part->x;
	changed.y += part->y;
	convert(canvas, &changed);
	areas_add(&canvas->changed, &changed);
}

/* ---- hidden areas ---- */

static const struct rect *hidden_at(const struct canvas *canvas, int index)
{
	for (int m = 0; m < MASK_COUNT; index -= canvas->mask[m++].count)
		if (index < canvas->mask[m].count)
			return &canvas->mask[m].area[index];
	return NULL;
}

/* Visit the visible parts of an area, from hidden area number `from` on. */
static void each_visible(const struct canvas *canvas, const struct rect *area, int from,
	void (*visit)(void *user, const struct rect *part), void *user)
{
	const struct rect *hidden;
	struct rect hole, parts[4];
	int right = area->x + area->width, bottom = area->y + area->height;

	if (is_empty(area))
		return;
	while ((hidden = hidden_at(canvas, from++))) {
		hole = intersection(area, hidden);
		if (!is_empty(&hole))
			break;
	}
	if (!hidden) {
		visit(user, area);
		return;
	}
	parts[0] = (struct rect){area->x, area->y, area->width, hole.y - area->y};
	parts[1] = (struct rect){area->x, hole.y, hole.x - area->x, hole.height};
	parts[2] = (struct rect){
		hole.x + hole.width, hole.y, right - hole.x - hole.width, hole.height};
	parts[3] = (struct rect){
		area->x, hole.y + hole.height, area->width, bottom - hole.y - hole.height};
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		each_visible(canvas, &parts[i], from, visit, user);
}

static void add_uncovered(void *user, const struct rect *part)
{
	areas_add(user, part);
}

void canvas_set_mask(struct canvas *canvas, enum mask which, const struct areas *mask,
	struct areas *ret_uncovered)
{
	const struct rect screen = {0, 0, canvas->width, canvas->height};
	const struct areas before = canvas->mask[which];
	const struct copy paint = {screen, canvas->hidden_row, 0};

	canvas->mask[which].count = 0;
	for (int i = 0; i < mask->count; i++) {
		struct rect hidden = intersection(&screen, &mask->area[i]);

		if (is_empty(&hidden))
			continue;
		canvas->mask[which].area[canvas->mask[which].count++] = hidden;
		put(canvas, &hidden, &paint);
	}
	for (int i = 0; ret_uncovered && i < before.count; i++)
		each_visible(canvas, &before.area[i], 0, add_uncovered, ret_uncovered);
}

unsigned canvas_hidden(const struct canvas *canvas)
{
	return canvas->windows_hidden | (canvas->mask[MASK_FIXED].count > 0 ? HIDDEN_PLACE : 0);
}

bool canvas_hides(const struct canvas *canvas, int x, int y)
{
	for (int m = 0; m < MASK_COUNT; m++)
		if (areas_contain(&canvas->mask[m], x, y))
			return true;
	return false;
}

struct putting {
	struct canvas *canvas;
	struct copy copy;
};

static void put_visible(void *user, const struct rect *part)
{
	struct putting *putting = user;

	put(putting->canvas, part, &putting->copy);
}

void canvas_put(
	struct canvas *canvas, const struct rect *rect, const uint8_t *pixels, int stride_bytes)
{
	const struct rect screen = {0, 0, canvas->width, canvas->height};
	struct rect part = intersection(&screen, rect);
	struct putting putting = {canvas, {*rect, pixels, stride_bytes}};

	each_visible(canvas, &part, 0, put_visible, &putting);
}
