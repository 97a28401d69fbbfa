#include "tests/harness/screens/motion.h"

#include "tests/harness/helpers.h"

#include <math.h>
#include <stdlib.h>

#define SIDE   512 /* of the ground */
#define BALLS  5
#define RADIUS 46

/* Add random heights at every `cell` pixels, smooth between them, with a weight. */
static void add_octave(float *ground, uint64_t *state, int cell, float weight)
{
	int count = SIDE / cell;
	_autofree_ float *heights = malloc(sizeof(float) * count * count);

	check(heights != NULL);
	for (int i = 0; i < count * count; i++)
		heights[i] = (float)(next_random(state) % 1024) / 1024 - 0.5F;
	for (int y = 0; y < SIDE; y++)
		for (int x = 0; x < SIDE; x++) {
			int row = y / cell, column = x / cell;
			int below = (row + 1) % count * count, right = (column + 1) % count;
			float u = (float)(x % cell) / (float)cell,
			      v = (float)(y % cell) / (float)cell;

			u = u * u * (3 - 2 * u);
			v = v * v * (3 - 2 * v);
			ground[y * SIDE + x] += weight *
				((heights[row * count + column] * (1 - u) +
					 heights[row * count + right] * u) *
						(1 - v) +
					(heights[below + column] * (1 - u) +
						heights[below + right] * u) *
						v);
		}
}

void motion_create(struct motion_picture *motion, uint64_t seed)
{
	_autofree_ float *ground = calloc(SIDE * SIDE, sizeof(float));
	uint64_t state = seed + 7;

	motion->seed = seed;
	motion->ground = malloc(SIDE * SIDE);
	check(ground && motion->ground);
	add_octave(ground, &state, 128, 110);
	add_octave(ground, &state, 32, 60);
	add_octave(ground, &state, 8, 30);
	add_octave(ground, &state, 2, 14);
	for (int i = 0; i < SIDE * SIDE; i++)
		motion->ground[i] = (uint8_t)fminf(235, fmaxf(20, 128 + ground[i]));
}

void motion_free(struct motion_picture *motion)
{
	free(steal_ptr(motion->ground));
}

/* lit from the top left */
static void draw_ball(struct image *image, int ball, double at)
{
	int x0 = (int)(MOTION_WIDTH / 2 + 240 * sin(at * (0.9 + 0.23 * ball) + ball));
	int y0 = (int)(MOTION_HEIGHT / 2 + 120 * cos(at * (0.7 + 0.31 * ball) + 2 * ball));

	for (int y = -RADIUS; y <= RADIUS; y++)
		for (int x = -RADIUS; x <= RADIUS; x++) {
			int light = 200 - (x + y) - (x * x + y * y) / 40;
			uint32_t shade = (uint32_t)(light < 30 ? 30 : light > 250 ? 250 : light);

			if (x * x + y * y > RADIUS * RADIUS || x0 + x < 0 ||
				x0 + x >= MOTION_WIDTH || y0 + y < 0 || y0 + y >= MOTION_HEIGHT)
				continue;
			image->pixels[(y0 + y) * image->width + x0 + x] = shade << 16 |
				shade * (2 + ball % 3) / 5 << 8 | shade * (4 - ball % 4) / 5;
		}
}

void motion_draw(const struct motion_picture *motion, struct image *image, int number)
{
	double at = number / 30.0;
	int pan_x = (int)(number * 2 + 80 * sin(at)), pan_y = (int)(60 * cos(at * 0.7) + 60);
	uint64_t noise, state = motion->seed * 1000003 + (uint64_t)number + 1;

	for (int y = 0; y < MOTION_HEIGHT; y++) {
		const uint8_t *ground = motion->ground + (y + pan_y) % SIDE * SIDE;

		noise = next_random(&state);
		for (int x = 0; x < MOTION_WIDTH; x++) {
			int grain, value;

			if (x % 32 == 0)
				noise = next_random(&state);
			grain = (int)(noise >> (x % 32 * 2) & 3);
			value = ground[(x + pan_x) % SIDE] + grain;
			image->pixels[y * image->width + x] = (uint32_t)value << 16 |
				(uint32_t)(value * 7 / 8 + 8) << 8 |
				(uint32_t)(value * 5 / 8 + grain + 30);
		}
	}
	for (int ball = 0; ball < BALLS; ball++)
		draw_ball(image, ball, at);
}
