#pragma once

#include <stdbool.h>
#include <stdint.h>

/**
 * Maps a device's sample count to CLOCK_MONOTONIC from a server that is polled for it. The first
 * answers may be far off, later ones have outliers; neither reaches the samples' timestamps.
 */
struct pulse_clock {
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
void pulse_clock_feed(struct pulse_clock *clock, int64_t count, int64_t time_ns);

/** Capture time of a sample. @param position  its number plus the lost ones: count + lost */
int64_t pulse_clock_at(const struct pulse_clock *clock, int64_t position);
