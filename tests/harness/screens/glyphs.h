#pragma once

#include <stdint.h>

/*
 * Text as desktops draw it, anti-aliased, identical on every machine: from glyphs drawn with FreeType
 * (tests/data/fonts), so that no library's version changes a picture.
 */

#define GLYPHS 95 /* ' ' to '~' */

struct font {
	int width, height; /* of a cell, in pixels */
	int advance[GLYPHS];
	uint8_t *alpha; /* the cells, one below the other */
};

/** Pixels B G R X, top row first. */
struct image {
	int width, height;
	uint32_t *pixels;
};

/** @param name  in tests/data/fonts: "mono", "sans" */
void font_load(struct font *font, const char *name);
void font_free(struct font *font);

void image_create(struct image *image, int width, int height);
void image_free(struct image *image);

void image_fill(struct image *image, int x, int y, int width, int height, uint32_t rgb);

/**
 * Draw a text over the image, clipped to it.
 *
 * @param x, y  of its top left corner
 * @return x of the next letter
 */
int image_text(
	struct image *image, const struct font *font, int x, int y, uint32_t rgb, const char *text);
