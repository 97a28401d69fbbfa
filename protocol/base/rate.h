#pragma once

#include "protocol/base/clock.h"

#include <stdbool.h>

/** Long-term rate and burst of a token bucket, in messages, bytes or any other unit. */
struct rate_limit {
	double per_second, burst;
};

/** A token bucket. Zero-initialised: unused. One thread. */
struct rate {
	double used;
	int64_t time_ns;
};

/** Drain the bucket up to @p now_ns (CLOCK_MONOTONIC). */
static inline void rate_drain(struct rate *rate, const struct rate_limit *limit, int64_t now_ns)
{
	double seconds = (double)(now_ns - rate->time_ns) / (double)NS_PER_S;

	rate->used -= seconds * limit->per_second;
	if (rate->used < 0)
		rate->used = 0;
	rate->time_ns = now_ns;
}

/** Use @p cost. @return false, and nothing is used, when that would exceed the limit */
static inline bool rate_take(
	struct rate *rate, const struct rate_limit *limit, double cost, int64_t now_ns)
{
	rate_drain(rate, limit, now_ns);
	if (rate->used + cost > limit->burst)
		return false;
	rate->used += cost;
	return true;
}
