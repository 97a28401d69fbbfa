#pragma once

#include <stdbool.h>
#include <stdint.h>

/**
 * Where a device's count lies on CLOCK_MONOTONIC, when a server is asked for it now and then. What it
 * answers at first may be far off, what it answers later has outliers; both are kept from the samples.
 */
struct ear_anchor {
	bool settled; /* before, no time is worth having */
	int64_t lost; /* samples that the device has lost without counting them */
	int64_t begun_ns, position, time_ns;
	unsigned close, off; /* answers in a row */
};

/**
 * Take in an answer: several a second.
 *
 * @param count    of samples, by the device
 * @param time_ns  when the sample with that number was heard
 */
void ear_anchor_feed(struct ear_anchor *anchor, int64_t count, int64_t time_ns);

/** When a sample was heard. @param position  its number, and all that were lost: count + lost */
int64_t ear_anchor_at(const struct ear_anchor *anchor, int64_t position);
