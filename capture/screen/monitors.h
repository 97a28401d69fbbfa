#pragma once

#include "capture/screen/picture.h"

#include <stdbool.h>

#define MONITORS_LIMIT     16
#define MONITOR_NAME_BYTES 32

/* what monitors cut a screen into; above this all of it counts as shown */
#define MONITORS_PIECES 24

/** What lies where on a screen, which surrounds them all. */
struct monitors {
	struct monitor {
		struct rect area;
		char name[MONITOR_NAME_BYTES]; /* of the output, "HDMI-1"; "" when there is none */
	} monitor[MONITORS_LIMIT];
	int count; /* 0: not known */
};

bool monitors_equal(const struct monitors *a, const struct monitors *b);

/** Parts that do not overlap. */
struct pieces {
	struct rect piece[MONITORS_PIECES];
	int count;
};

/** Take an area out of them. @return false when that makes too many: then they are as they were */
bool pieces_cut(struct pieces *pieces, const struct rect *hole);

/**
 * Which parts of a screen monitors show, and which none shows.
 *
 * @return false when that is not known, or too many parts: then all counts as shown
 */
bool monitors_cut(const struct monitors *monitors, int width, int height, struct pieces *ret_shown,
	struct pieces *ret_hidden);

/** @return what both have; empty when width or height is not positive */
struct rect rect_common(const struct rect *a, const struct rect *b);
