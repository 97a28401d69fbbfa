#include "replay/study_hide.h"

#include <errno.h>
#include <stdbool.h>

/* H.264 goes up to here */
#define SIDE_LIMIT 16384

static bool is_area(const struct yaml_hide *hide)
{
	return hide->x || hide->y || hide->width || hide->height;
}

static int check_area(const struct yaml_hide *hide, unsigned number, struct error *reterr)
{
	if (!hide->x || !hide->y || !hide->width || !hide->height)
		return error_set(reterr, -EINVAL,
			"screen: hide: entry %u: an area has all of x, y, width and height, in pixels",
			number);
	if (*hide->width == 0 || *hide->height == 0)
		return error_set(reterr, -EINVAL,
			"screen: hide: entry %u: an area that is empty hides nothing", number);
	if (*hide->x > SIDE_LIMIT || *hide->y > SIDE_LIMIT || *hide->width > SIDE_LIMIT ||
		*hide->height > SIDE_LIMIT)
		return error_set(reterr, -EINVAL,
			"screen: hide: entry %u: no screen has more than %d pixels a side", number,
			SIDE_LIMIT);
	return 0;
}

int study_hide_check(const struct yaml_hide *hide, unsigned count, struct error *reterr)
{
	unsigned areas = 0;

	for (unsigned i = 0; i < count; i++) {
		bool window = hide[i].window_class || hide[i].window_title;
		int kinds = is_area(&hide[i]) + window + (hide[i].password_fields != 0);
		int r = 0;

		if (kinds != 1)
			return error_set(reterr, -EINVAL,
				"screen: hide: entry %u: it is one of an area (x, y, width, height), a "
				"window (window_class, window_title, or both), password_fields: true",
				i + 1);
		if (is_area(&hide[i]) && ++areas > HIDE_AREAS_LIMIT)
			return error_set(reterr, -EINVAL, "screen: hide: at most %d areas",
				HIDE_AREAS_LIMIT);
		if (is_area(&hide[i]))
			r = check_area(&hide[i], i + 1, reterr);
		if (r < 0)
			return r;
	}
	return 0;
}

void study_hide_fill(Uxrec__Study__Hide *ret, const struct yaml_hide *from)
{
	uxrec__study__hide__init(ret);
	if (is_area(from)) {
		ret->x_px = *from->x;
		ret->y_px = *from->y;
		ret->width_px = *from->width;
		ret->height_px = *from->height;
	}
	if (from->window_class)
		ret->window_class = from->window_class;
	if (from->window_title)
		ret->window_title = from->window_title;
	ret->password_fields = from->password_fields != 0;
}
