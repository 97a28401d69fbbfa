#pragma once

/*
 * A Wayland compositor without a screen. Its wlr-screencopy events follow the test's script, valid or not. Runs in a
 * thread of its own.
 */

#include <stdbool.h>
#include <stdint.h>

#define COMPOSITOR_DAMAGES 40

/** Events to send; a width of 0: no reply to a capture request. */
struct compositor_script {
	bool no_shm, no_output, no_screencopy;
	uint32_t version; /* of screencopy */
	uint32_t format, width, height, stride;
	int32_t transform;
	bool bottom_first, fails, ends_connection;
	int64_t age_ns; /* of a frame at its "ready" event */
	uint32_t seed;  /* of the pixels */
	uint32_t damage[COMPOSITOR_DAMAGES][4];
	int damages; /* 0: no change */
};

/** Counts of the requests received. */
struct compositor_counts {
	int frames, copies, copies_with_damage;
};

struct compositor {
	char socket[128];
};

/** Start it; pass its socket's path to wl_display_connect(). */
struct compositor *compositor_start(const struct compositor_script *script);

/** Replace the script; a frame that waits for damage is answered as soon as there is some. Returns after clients have
 *  been notified. */
void compositor_change(struct compositor *compositor, const struct compositor_script *script);

/** Remove the output. */
void compositor_remove_output(struct compositor *compositor);

struct compositor_counts compositor_counts(struct compositor *compositor);

/** Value of a buffer's pixel, as 0x00RRGGBB. */
uint32_t compositor_pixel(uint32_t seed, int x, int y);

void compositor_end(struct compositor *compositor);
