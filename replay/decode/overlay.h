#pragma once

#include "protocol/base/cleanup.h"
#include "protocol/screen.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * Patches over the video of a screen: exact pixels inside of patches, empty elsewhere. Messages are untrusted: a patch
 * that is not a PNG file, or not entirely on the screen, is skipped and counted.
 */
struct overlay;

/** A part of the screen, in pixels from its top left corner; width is 0 when empty. */
struct overlay_area {
	int x, y, width, height;
};

/** Extend an area to the bounding box of both. */
void overlay_join(struct overlay_area *area, const struct overlay_area *other);

/** @return 0 (empty, freed by overlay_destroy()) or -ENOMEM */
int overlay_create(struct overlay **ret, int width, int height);
void overlay_destroy(struct overlay *overlay);
DEFINE_DESTROY(overlay);

/** Remove all patches. */
void overlay_empty(struct overlay *overlay);

/**
 * Clear the areas of a message, then apply its patches.
 *
 * @param ret_patched     area with new patches
 * @param ret_cleared  set to true when a cleared area may have had patches
 * @return 0, or -ENOMEM
 */
int overlay_apply(struct overlay *overlay, const Uxrec__ScreenPatches *message,
	struct overlay_area *ret_patched, bool *ret_cleared);

/** Bounding box of all patches. */
struct overlay_area overlay_covered(const struct overlay *overlay);

/**
 * Compose the patches of an area over a picture of the overlay's size.
 *
 * @param pixels  B G R X, top row first, rows of 4 * width bytes
 */
void overlay_compose(const struct overlay *overlay, struct overlay_area area, uint8_t *pixels);

/** Number of skipped patches and areas so far. */
uint64_t overlay_faults(const struct overlay *overlay);
