#pragma once

#include <stdint.h>

/** Waits between tries: the first one, doubled from try to try, up to the last one. */
struct backoff {
	int64_t first_ns, last_ns;
};

/** @return the wait after @p waits earlier ones */
static inline int64_t backoff_ns(const struct backoff *backoff, unsigned waits)
{
	int64_t wait_ns = backoff->first_ns;

	for (; waits > 0 && wait_ns < backoff->last_ns; waits--)
		wait_ns *= 2;
	return wait_ns < backoff->last_ns ? wait_ns : backoff->last_ns;
}
