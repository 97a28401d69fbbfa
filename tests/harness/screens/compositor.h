#pragma once

/*
 * A Wayland compositor without a screen, that says of wlr-screencopy what a test wants it to say, true or
 * not. It runs in a thread of its own.
 */

#include <stdbool.h>
#include <stdint.h>

#define COMPOSITOR_DAMAGES 40

/** What it says; a width of 0: nothing when it is asked. */
struct compositor_script {
	bool no_shm, no_output, no_screencopy;
	uint32_t version; /* of screencopy */
	uint32_t format, width, height, stride;
	int32_t transform;
	bool bottom_first, fails, ends_connection;
	int64_t age_ns; /* of a frame when it is ready */
	uint32_t seed;  /* of the pixels */
	uint32_t damage[COMPOSITOR_DAMAGES][4];
	int damages; /* 0: nothing has changed */
};

/** What it was asked for. */
struct compositor_counts {
	int frames, copies, copies_with_damage;
};

struct compositor {
	char socket[128];
};

/** Start it; its socket's path is for wl_display_connect(). */
struct compositor *compositor_start(const struct compositor_script *script);

/** From now on it says this; a frame that waits for damage is answered when there is some. Returns when
 *  clients have been told. */
void compositor_change(struct compositor *compositor, const struct compositor_script *script);

/** Take the output away. */
void compositor_remove_output(struct compositor *compositor);

struct compositor_counts compositor_counts(struct compositor *compositor);

/** What the pixel of a buffer is, as 0x00RRGGBB. */
uint32_t compositor_pixel(uint32_t seed, int x, int y);

void compositor_end(struct compositor *compositor);
