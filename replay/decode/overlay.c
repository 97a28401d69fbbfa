#include "replay/decode/overlay.h"

#include "protocol/limits.h"

#include <errno.h>
#include <spng.h>
#include <string.h>

/*
 * A legitimate message covers each part of the screen once or twice. Limits the work of a hostile one with thousands
 * of layers: a PNG file of one colour is a thousandth of its pixels.
 */
#define SCREENS_A_MESSAGE 8

struct overlay {
	int width, height;
	uint32_t *pixels; /* B G R X in memory; X is 255 in patches, otherwise 0 */
	struct overlay_area covered;
	uint8_t *png; /* decode buffer for a patch, R G B A */
	size_t png_capacity_bytes;
	uint64_t faults;
};

int overlay_create(struct overlay **ret, int width, int height)
{
	_destroy_(overlay) struct overlay *overlay = calloc(1, sizeof(*overlay));

	if (!overlay)
		return -ENOMEM;
	overlay->width = width;
	overlay->height = height;
	overlay->pixels = calloc((size_t)width * (size_t)height, sizeof(*overlay->pixels));
	if (!overlay->pixels)
		return -ENOMEM;
	*ret = steal_ptr(overlay);
	return 0;
}

void overlay_destroy(struct overlay *overlay)
{
	if (!overlay)
		return;
	free(overlay->pixels);
	free(overlay->png);
	free(overlay);
}

static uint32_t *row_of(const struct overlay *overlay, const struct overlay_area *area, int row)
{
	return overlay->pixels + (size_t)(area->y + row) * (size_t)overlay->width + area->x;
}

static int64_t pixels_of(const struct overlay_area *area)
{
	return (int64_t)area->width * area->height;
}

void overlay_join(struct overlay_area *area, const struct overlay_area *other)
{
	int right, bottom;

	if (pixels_of(other) == 0)
		return;
	if (pixels_of(area) == 0) {
		*area = *other;
		return;
	}
	right = area->x + area->width;
	bottom = area->y + area->height;
	if (other->x + other->width > right)
		right = other->x + other->width;
	if (other->y + other->height > bottom)
		bottom = other->y + other->height;
	area->x = other->x < area->x ? other->x : area->x;
	area->y = other->y < area->y ? other->y : area->y;
	area->width = right - area->x;
	area->height = bottom - area->y;
}

static bool touches(const struct overlay_area *a, const struct overlay_area *b)
{
	return a->x < b->x + b->width && b->x < a->x + a->width && a->y < b->y + b->height &&
		b->y < a->y + a->height;
}

static void clear(struct overlay *overlay, const struct overlay_area *area)
{
	for (int row = 0; row < area->height; row++)
		memset(row_of(overlay, area, row), 0, (size_t)area->width * sizeof(uint32_t));
}

void overlay_empty(struct overlay *overlay)
{
	clear(overlay, &overlay->covered);
	overlay->covered = (struct overlay_area){0};
}

/* Clip an area to the screen. */
static bool clip(const struct overlay *overlay, const uint32_t area[4], struct overlay_area *ret)
{
	uint32_t room_x = (uint32_t)overlay->width, room_y = (uint32_t)overlay->height;

	if (area[0] >= room_x || area[1] >= room_y || area[2] == 0 || area[3] == 0)
		return false;
	room_x -= area[0];
	room_y -= area[1];
	*ret = (struct overlay_area){(int)area[0], (int)area[1],
		(int)(area[2] < room_x ? area[2] : room_x),
		(int)(area[3] < room_y ? area[3] : room_y)};
	return true;
}

/* ---- patches ---- */

static int make_room(struct overlay *overlay, size_t size_bytes)
{
	uint8_t *png;

	if (size_bytes <= overlay->png_capacity_bytes)
		return 0;
	png = realloc(overlay->png, size_bytes);
	if (!png)
		return -ENOMEM;
	overlay->png = png;
	overlay->png_capacity_bytes = size_bytes;
	return 0;
}

/* @return 0 with the pixels in overlay->png, -EBADMSG for an invalid or misplaced patch, or -ENOMEM */
static int decode(struct overlay *overlay, spng_ctx *png, const Uxrec__ScreenPatch *patch,
	int64_t *budget, struct overlay_area *ret)
{
	struct spng_ihdr header;
	size_t size_bytes;

	/* Patches beyond the screen are refused before their memory is allocated. */
	if (patch->x_px >= (uint32_t)overlay->width || patch->y_px >= (uint32_t)overlay->height ||
		spng_set_image_limits(png, (uint32_t)overlay->width - patch->x_px,
			(uint32_t)overlay->height - patch->y_px) != 0 ||
		spng_set_chunk_limits(png, PATCH_CHUNK_LIMIT_BYTES, PATCH_CHUNK_LIMIT_BYTES) != 0 ||
		spng_set_png_buffer(png, patch->png.data, patch->png.len) != 0 ||
		spng_get_ihdr(png, &header) != 0)
		return -EBADMSG;
	*ret = (struct overlay_area){
		(int)patch->x_px, (int)patch->y_px, (int)header.width, (int)header.height};
	*budget -= pixels_of(ret);
	if (*budget < 0)
		return -EBADMSG;
	size_bytes = (size_t)pixels_of(ret) * 4;
	if (make_room(overlay, size_bytes) < 0)
		return -ENOMEM;
	/* decode to the end: the last chunk's CRC follows the pixels */
	return spng_decode_image(png, overlay->png, size_bytes, SPNG_FMT_RGBA8, 0) == 0 &&
			spng_decode_chunks(png) == 0
		? 0
		: -EBADMSG;
}

static void put(struct overlay *overlay, const struct overlay_area *area)
{
	const uint8_t *from = overlay->png;

	for (int row = 0; row < area->height; row++) {
		uint8_t *to = (uint8_t *)row_of(overlay, area, row);

		for (int column = 0; column < area->width; column++, from += 4, to += 4) {
			to[0] = from[2];
			to[1] = from[1];
			to[2] = from[0];
			to[3] = 255;
		}
	}
}

static int apply_patch(struct overlay *overlay, const Uxrec__ScreenPatch *patch, int64_t *budget,
	struct overlay_area *patched)
{
	spng_ctx *png = spng_ctx_new(0);
	struct overlay_area area;
	int r = png ? decode(overlay, png, patch, budget, &area) : -ENOMEM;

	spng_ctx_free(png);
	if (r == -EBADMSG)
		overlay->faults++;
	if (r < 0)
		return r == -EBADMSG ? 0 : r;
	put(overlay, &area);
	overlay_join(patched, &area);
	overlay_join(&overlay->covered, &area);
	return 0;
}

int overlay_apply(struct overlay *overlay, const Uxrec__ScreenPatches *message,
	struct overlay_area *ret_patched, bool *ret_cleared)
{
	int64_t budget = (int64_t)overlay->width * overlay->height * SCREENS_A_MESSAGE;
	int r = 0;

	*ret_patched = (struct overlay_area){0};
	*ret_cleared = false;
	if (message->n_cleared_px % 4 != 0)
		overlay->faults++;
	for (size_t i = 0; i + 4 <= message->n_cleared_px && budget >= 0; i += 4) {
		struct overlay_area area;

		if (!clip(overlay, &message->cleared_px[i], &area) ||
			!touches(&area, &overlay->covered))
			continue;
		budget -= pixels_of(&area);
		clear(overlay, &area);
		*ret_cleared = true;
	}
	for (size_t i = 0; i < message->n_patches && r == 0; i++)
		r = apply_patch(overlay, message->patches[i], &budget, ret_patched);
	return r;
}

/* ---- composition ---- */

struct overlay_area overlay_covered(const struct overlay *overlay)
{
	return overlay->covered;
}

void overlay_compose(const struct overlay *overlay, struct overlay_area area, uint8_t *pixels)
{
	for (int row = 0; row < area.height; row++) {
		const uint32_t *from = row_of(overlay, &area, row);
		uint32_t *to = (uint32_t *)(void *)pixels + (from - overlay->pixels);

		/* 0 is empty in any byte order */
		for (int column = 0; column < area.width; column++)
			to[column] = from[column] ? from[column] : to[column];
	}
}

uint64_t overlay_faults(const struct overlay *overlay)
{
	return overlay->faults;
}
