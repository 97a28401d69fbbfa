#pragma once

#include <stddef.h>
#include <stdint.h>

/**
 * The clock of a sound device beside CLOCK_MONOTONIC. A device counts samples; at a few of them the
 * time is known, with jitter. A straight line through these gives the time of every sample: its slope is
 * the drift, by least squares over the means of the last ten minutes' seconds; its height is that of
 * the last seconds. Times are corrected by it, sound is never stretched.
 */
struct sound_clock {
	double rate_hz;
	int64_t first_position, first_ns;
	/* means over a second of sound: x is the sound's own time, y how much later it was, in s */
	struct sound_second {
		double x, y;
	} seconds[600];
	size_t count, next; /* a ring */
	double sum_x, sum_y, begun_x;
	size_t sum_count; /* of the second that is going on */
	double slope, at_x, at_y, error_s;
	unsigned off_feeds; /* in a row, that are far from the line */
	unsigned restarts;
};

/** @param rate_hz  nominal */
void sound_clock_init(struct sound_clock *clock, double rate_hz);

/**
 * Take in that a sample was at a time. When several in a row are off by more than 1.5 ms the line begins
 * anew, with the drift that was known: the device or its server has changed its mind.
 *
 * @param position  of the sample, grows
 * @param time_ns   CLOCK_MONOTONIC
 */
void sound_clock_feed(struct sound_clock *clock, int64_t position, int64_t time_ns);

/** The time of a sample (CLOCK_MONOTONIC), also of one to come. 0 before the first feed. */
int64_t sound_clock_at(const struct sound_clock *clock, int64_t position);

/** How much faster than CLOCK_MONOTONIC the device runs, in millionths; 0 until five seconds are known. */
double sound_clock_drift_ppm(const struct sound_clock *clock);

/** Root mean square of the seconds' deviations from the line, ns. */
int64_t sound_clock_error_ns(const struct sound_clock *clock);
