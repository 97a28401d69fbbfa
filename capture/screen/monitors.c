#include "capture/screen/monitors.h"

#include <string.h>

bool monitors_equal(const struct monitors *a, const struct monitors *b)
{
	if (a->count != b->count)
		return false;
	for (int i = 0; i < a->count; i++)
		if (memcmp(&a->monitor[i].area, &b->monitor[i].area, sizeof(struct rect)) != 0 ||
			strcmp(a->monitor[i].name, b->monitor[i].name) != 0)
			return false;
	return true;
}

struct rect rect_intersection(const struct rect *a, const struct rect *b)
{
	int left = a->x > b->x ? a->x : b->x, top = a->y > b->y ? a->y : b->y;
	int right = a->x + a->width < b->x + b->width ? a->x + a->width : b->x + b->width;
	int bottom = a->y + a->height < b->y + b->height ? a->y + a->height : b->y + b->height;

	return (struct rect){left, top, right - left, bottom - top};
}

static bool add(struct pieces *pieces, int left, int top, int right, int bottom)
{
	if (right <= left || bottom <= top)
		return true;
	if (pieces->count == MONITORS_PIECES)
		return false;
	pieces->piece[pieces->count++] = (struct rect){left, top, right - left, bottom - top};
	return true;
}

/* Subtract a hole, leaving the parts above, below, left and right of it. @return false without room */
bool pieces_subtract(struct pieces *pieces, const struct rect *hole)
{
	struct pieces rest = {.count = 0};
	bool fits = true;

	for (int i = 0; i < pieces->count && fits; i++) {
		const struct rect *piece = &pieces->piece[i];
		struct rect common = rect_intersection(piece, hole);
		int right = piece->x + piece->width, bottom = piece->y + piece->height;
		int common_right = common.x + common.width,
		    common_bottom = common.y + common.height;

		if (common.width <= 0 || common.height <= 0) {
			fits = add(&rest, piece->x, piece->y, right, bottom);
			continue;
		}
		fits = add(&rest, piece->x, piece->y, right, common.y) &&
			add(&rest, piece->x, common_bottom, right, bottom) &&
			add(&rest, piece->x, common.y, common.x, common_bottom) &&
			add(&rest, common_right, common.y, right, common_bottom);
	}
	if (fits)
		*pieces = rest;
	return fits;
}

bool monitors_split(const struct monitors *monitors, int width, int height,
	struct pieces *ret_shown, struct pieces *ret_hidden)
{
	const struct pieces all = {{{0, 0, width, height}}, 1};

	*ret_shown = *ret_hidden = all;
	if (monitors->count == 0)
		return false;
	for (int i = 0; i < monitors->count; i++)
		if (!pieces_subtract(ret_hidden, &monitors->monitor[i].area))
			return false;
	for (int i = 0; i < ret_hidden->count; i++)
		if (!pieces_subtract(ret_shown, &ret_hidden->piece[i]))
			return false;
	return ret_shown->count > 0;
}
