#pragma once

#include <stdbool.h>
#include <stdint.h>

/**
 * Maps a device's sample count to CLOCK_MONOTONIC from a server that is polled for it. The first
 * answers may be far off, later ones have outliers; neither reaches the samples' timestamps.
 */
struct ear_anchor {
	bool settled; /* times are invalid until then */
	int64_t lost; /* samples that the device has lost without counting them */
	int64_t begun_ns, position, time_ns;
	unsigned close, off; /* consecutive answers */
};

/**
 * Add an answer; several a second are expected.
 *
 * @param count    sample count of the device
 * @param time_ns  capture time of the sample with that number
 */
void ear_anchor_feed(struct ear_anchor *anchor, int64_t count, int64_t time_ns);

/** Capture time of a sample. @param position  its number plus the lost ones: count + lost */
int64_t ear_anchor_at(const struct ear_anchor *anchor, int64_t position);
