#pragma once

#include "protocol/base/clock.h"

#include <stdbool.h>

/** What a token bucket allows in the long run, and at once. In messages, bytes or whatever is counted. */
struct rate_limit {
	double per_second, burst;
};

/** One bucket. Zero-initialised: nothing is used. One thread. */
struct rate {
	double used;
	int64_t time_ns;
};

/** Let what was used flow away up to @p now_ns (CLOCK_MONOTONIC). */
static inline void rate_settle(struct rate *rate, const struct rate_limit *limit, int64_t now_ns)
{
	double seconds = (double)(now_ns - rate->time_ns) / (double)NS_PER_S;

	rate->used -= seconds * limit->per_second;
	if (rate->used < 0)
		rate->used = 0;
	rate->time_ns = now_ns;
}

/** Use @p cost. @return false, and nothing is used, when that would be more than is allowed */
static inline bool rate_take(
	struct rate *rate, const struct rate_limit *limit, double cost, int64_t now_ns)
{
	rate_settle(rate, limit, now_ns);
	if (rate->used + cost > limit->burst)
		return false;
	rate->used += cost;
	return true;
}
