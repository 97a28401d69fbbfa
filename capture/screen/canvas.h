#pragma once

#include "capture/screen/picture.h"

#include <stdbool.h>
#include <stdint.h>

/* H.264's limit, well above real screens */
#define CANVAS_SIDE_LIMIT 16384

/* when full, areas are merged */
#define CANVAS_AREAS 24

/** Areas of a screen, possibly overlapping. */
struct areas {
	struct rect area[CANVAS_AREAS];
	int count;
};

/** Add an area; when full, merge it where that adds the fewest pixels. Empty areas are ignored. */
void areas_add(struct areas *areas, const struct rect *area);

/** @return true when a pixel lies in at least one area */
bool areas_contain(const struct areas *areas, int x, int y);

/** @return the sum of the areas, in pixels */
int64_t areas_pixels(const struct areas *areas);

/** Reasons for hiding, a bit mask. */
enum hidden {
	HIDDEN_PLACE = 1,
	HIDDEN_WINDOW = 2,
	HIDDEN_PASSWORD = 4,
	HIDDEN_OWN_PAGE = 8,
};

#define HIDDEN_REASONS 4

/** Masks by owner; the hidden area is their union. */
enum mask {
	MASK_FIXED,   /* areas from the study's settings */
	MASK_WINDOWS, /* window areas */
	MASK_COUNT,
};

/**
 * The last copied screen: its pixels, the same as a picture for the encoder, and the areas changed.
 * Hidden areas have one colour, whatever is copied. Used by one thread.
 */
struct canvas {
	int width, height; /* of the screen */
	int stride;        /* bytes per row of pixels */
	uint8_t *pixels;   /* B G R X, top row first */
	struct picture *picture;
	struct areas changed;          /* cleared by the consumer */
	struct areas mask[MASK_COUNT]; /* set by canvas_set_mask() */
	unsigned windows_hidden;       /* enum hidden, of MASK_WINDOWS; set by the grabber */
	uint8_t *hidden_row;           /* replacement pixels, as wide as the screen */
};

/** @return 0 (black, freed by canvas_destroy()), -EINVAL for an empty size, -E2BIG above
 *  CANVAS_SIDE_LIMIT or SCREEN_LIMIT_PIXELS, or -ENOMEM */
int canvas_create(struct canvas **ret, int width, int height, enum chroma chroma);
void canvas_destroy(struct canvas *canvas);
DEFINE_DESTROY(canvas);

/**
 * Replace one mask. Newly hidden areas are painted over at once and count as changed.
 *
 * @param mask           clipped to the screen
 * @param ret_uncovered  areas no longer hidden by any mask are added; they keep the paint until
 *                       copied again. NULL: the whole screen will be copied
 */
void canvas_set_mask(struct canvas *canvas, enum mask which, const struct areas *mask,
	struct areas *ret_uncovered);

/** @return enum hidden: the current reasons */
unsigned canvas_hidden(const struct canvas *canvas);

/** @return true when any mask hides a pixel */
bool canvas_hides(const struct canvas *canvas, int x, int y);

/**
 * Put a copied part of the screen in place. Only pixels that differ from the present ones are
 * converted and count as changed. Hidden areas are not read.
 *
 * @param rect    its position; clipped to the screen
 * @param pixels  rect->height rows of stride_bytes >= 4 * rect->width, top row first, bytes B G R X
 */
void canvas_put(
	struct canvas *canvas, const struct rect *rect, const uint8_t *pixels, int stride_bytes);
