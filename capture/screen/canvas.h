#pragma once

#include "capture/screen/picture.h"

#include <stdbool.h>
#include <stdint.h>

/* H.264 goes up to here, and what a screen has ends well before */
#define CANVAS_SIDE_LIMIT 16384

/* more areas than this are one that has them all */
#define CANVAS_AREAS 24

/** Areas of a screen; they may overlap. */
struct areas {
	struct rect area[CANVAS_AREAS];
	int count;
};

/** Add an area; the two that waste least are joined when there is no room. Empty ones are ignored. */
void areas_add(struct areas *areas, const struct rect *area);

/** @return whether a pixel is in one of them */
bool areas_have(const struct areas *areas, int x, int y);

/** @return the sum of the areas, in pixels */
int64_t areas_pixels(const struct areas *areas);

/** Why something is hidden, as bits. */
enum hidden {
	HIDDEN_PLACE = 1,
	HIDDEN_WINDOW = 2,
	HIDDEN_PASSWORD = 4,
	HIDDEN_OWN_PAGE = 8,
};

#define HIDDEN_REASONS 4

/** Who hides parts of the screen: what is hidden by any of them is hidden. */
enum mask {
	MASK_FIXED,   /* places that the study names */
	MASK_WINDOWS, /* where windows are */
	MASK_COUNT,
};

/**
 * The screen as it was copied last: its pixels, the same as a picture for the encoder, and where they
 * have changed. Where it is hidden it has one colour, whatever is copied. Used by one thread.
 */
struct canvas {
	int width, height; /* of the screen */
	int stride;        /* bytes of a row of pixels */
	uint8_t *pixels;   /* B G R X, top row first */
	struct picture *picture;
	struct areas changed;          /* since whoever looks emptied it */
	struct areas mask[MASK_COUNT]; /* canvas_set_mask() sets them */
	unsigned windows_hidden;       /* enum hidden, of MASK_WINDOWS; set by the grabber */
	uint8_t *hidden_row;           /* what is shown instead, as wide as the screen */
};

/** @return 0 (black, freed by canvas_destroy()), -EINVAL for a size of nothing, -E2BIG above
 *  CANVAS_SIDE_LIMIT or SCREEN_LIMIT_PIXELS, or -ENOMEM */
int canvas_create(struct canvas **ret, int width, int height, enum chroma chroma);
void canvas_destroy(struct canvas *canvas);
DEFINE_DESTROY(canvas);

/**
 * Hide parts of the screen, instead of those that were hidden for this reason. What is newly hidden is painted over
 * at once, and counts as changed.
 *
 * @param mask          what lies outside of the screen is left out
 * @param ret_uncovered  areas that nothing hides any more are added: they show what hid them until they are copied
 *                      again. NULL: all of the screen will be
 */
void canvas_set_mask(struct canvas *canvas, enum mask which, const struct areas *mask,
	struct areas *ret_uncovered);

/** @return enum hidden: why parts of the screen are hidden now */
unsigned canvas_hidden(const struct canvas *canvas);

/** @return whether all masks together hide a pixel */
bool canvas_hides(const struct canvas *canvas, int x, int y);

/**
 * Put a copied part of the screen in its place. Only what differs from what is there is converted, and
 * counts as changed. What is hidden is not even looked at.
 *
 * @param rect    where it lies; what lies outside of the screen is left out
 * @param pixels  rect->height rows of stride_bytes >= 4 * rect->width, top row first, bytes B G R X
 */
void canvas_put(
	struct canvas *canvas, const struct rect *rect, const uint8_t *pixels, int stride_bytes);
