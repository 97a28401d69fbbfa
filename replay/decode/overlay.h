#pragma once

#include "protocol/base/cleanup.h"
#include "protocol/screen.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * What lies over the video of a screen: exact pixels where patches are, nothing elsewhere. What the
 * messages say is hostile: a patch that is no PNG file, or not wholly on the screen, is left out and
 * counted.
 */
struct overlay;

/** A part of the screen, in pixels from its top left corner; of none, width is 0. */
struct overlay_area {
	int x, y, width, height;
};

/** Make an area the smallest one that has both. */
void overlay_join(struct overlay_area *area, const struct overlay_area *other);

/** @return 0 (empty, freed by overlay_destroy()) or -ENOMEM */
int overlay_create(struct overlay **ret, int width, int height);
void overlay_destroy(struct overlay *overlay);
DEFINE_DESTROY(overlay);

/** Take all patches away. */
void overlay_empty(struct overlay *overlay);

/**
 * Clear the areas of a message, then lay its patches.
 *
 * @param ret_laid     where there are new ones
 * @param ret_cleared  whether an area was cleared that may have had some
 * @return 0, or -ENOMEM
 */
int overlay_take(struct overlay *overlay, const Uxrec__ScreenPatches *message,
	struct overlay_area *ret_laid, bool *ret_cleared);

/** All that may have patches. */
struct overlay_area overlay_covered(const struct overlay *overlay);

/**
 * Put the patches of an area over a picture of the overlay's size.
 *
 * @param pixels  B G R X, top row first, rows of 4 * width bytes
 */
void overlay_lay(const struct overlay *overlay, struct overlay_area area, uint8_t *pixels);

/** How many patches and areas were left out so far. */
uint64_t overlay_faults(const struct overlay *overlay);
