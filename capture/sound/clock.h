#pragma once

#include "protocol/base/ring.h"

#include <stddef.h>
#include <stdint.h>

/**
 * Maps a sound device's sample count to CLOCK_MONOTONIC. Some samples have a known time, with
 * jitter; a straight line through these gives the time of every sample. Its slope is the drift, by
 * least squares over the one-second means of the last ten minutes; its height is that of the last
 * seconds. It corrects timestamps, sound is never stretched.
 */
struct sound_clock {
	double rate_hz;
	int64_t first_position, first_ns;
	/* means over one second of sound: x is nominal time, y the deviation from it (late:
	 * positive), in s */
	struct sound_second {
		double x, y;
	} seconds[600];
	struct ring ring; /* of the seconds */
	double sum_x, sum_y, begun_x;
	size_t sum_count; /* of the current second */
	double slope, at_x, at_y, error_s;
	unsigned off_feeds; /* consecutive feeds that are far from the line */
	unsigned restarts;
};

/** @param rate_hz  nominal */
void sound_clock_init(struct sound_clock *clock, double rate_hz);

/**
 * Add one pair of sample and time. When several consecutive pairs are off by more than 1.5 ms the
 * line restarts with the known drift: the device or its server has jumped.
 *
 * @param position  of the sample, grows
 * @param time_ns   CLOCK_MONOTONIC
 */
void sound_clock_feed(struct sound_clock *clock, int64_t position, int64_t time_ns);

/** The time of a sample (CLOCK_MONOTONIC), future ones included. 0 before the first feed. */
int64_t sound_clock_at(const struct sound_clock *clock, int64_t position);

/** Drift in ppm, positive when the device is faster than CLOCK_MONOTONIC; 0 until five seconds are
 *  known. */
double sound_clock_drift_ppm(const struct sound_clock *clock);

/** Root mean square of the one-second means' deviations from the line, ns. */
int64_t sound_clock_error_ns(const struct sound_clock *clock);
