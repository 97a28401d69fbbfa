#pragma once

#include "tests/harness/screens/glyphs.h"

/* A moving picture with the features of a camera's: soft surfaces, edges, a pan, noise. Made from a seed. */

#define MOTION_WIDTH  640
#define MOTION_HEIGHT 360

struct motion_picture {
	uint64_t seed;
	uint8_t *ground; /* a surface that tiles without seams */
};

void motion_create(struct motion_picture *motion, uint64_t seed);
void motion_free(struct motion_picture *motion);

/** Draw picture `number`, for 30 a second. @param image  of that size */
void motion_draw(const struct motion_picture *motion, struct image *image, int number);
