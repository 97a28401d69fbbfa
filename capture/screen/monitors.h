#pragma once

#include "capture/screen/picture.h"

#include <stdbool.h>

#define MONITORS_LIMIT     16
#define MONITOR_NAME_BYTES 32

/* limit of parts of a screen cut by monitors; above it the whole screen counts as shown */
#define MONITORS_PIECES 24

/** Layout of a screen's monitors; the screen is their bounding box. */
struct monitors {
	struct monitor {
		struct rect area;
		char name[MONITOR_NAME_BYTES]; /* of the output, "HDMI-1"; "": none */
	} monitor[MONITORS_LIMIT];
	int count; /* 0: unknown */
};

bool monitors_equal(const struct monitors *a, const struct monitors *b);

/** Non-overlapping parts. */
struct pieces {
	struct rect piece[MONITORS_PIECES];
	int count;
};

/** Subtract an area. @return false when the parts would exceed the limit: unchanged then */
bool pieces_subtract(struct pieces *pieces, const struct rect *hole);

/**
 * Split a screen into the parts shown by monitors and those shown by none.
 *
 * @return false when unknown, or with too many parts: then the whole screen counts as shown
 */
bool monitors_split(const struct monitors *monitors, int width, int height,
	struct pieces *ret_shown, struct pieces *ret_hidden);

/** @return the intersection; empty when width or height is not positive */
struct rect rect_intersection(const struct rect *a, const struct rect *b);
