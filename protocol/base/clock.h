#pragma once

/*
 * Clocks. All times are int64_t nanoseconds of CLOCK_MONOTONIC unless the name has another suffix:
 * `…_session_ns` is CLOCK_MONOTONIC plus the session's fixed offset to UTC, `…_wall_ns` is a reading of
 * CLOCK_REALTIME.
 */

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  INT64_C(1000000000)

/** Read one clock in nanoseconds. Never fails for the clocks that Linux always has. */
static inline int64_t clock_read_ns(clockid_t clock)
{
	struct timespec ts = {0};

	clock_gettime(clock, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/** CLOCK_MONOTONIC in nanoseconds. */
static inline int64_t clock_now_ns(void)
{
	return clock_read_ns(CLOCK_MONOTONIC);
}

/** Initialise a condition variable whose timed waits use CLOCK_MONOTONIC. */
void clock_init_condition(pthread_cond_t *condition);

/** Readings of three clocks, with an upper bound on their distance in time. */
struct clock_sample {
	int64_t monotonic_ns;
	int64_t boottime_ns;
	int64_t wall_ns;
	int64_t bracket_ns; /* the three readings lie within this many ns of monotonic_ns */
};

/** Read the three clocks between two readings of CLOCK_MONOTONIC; the tightest of five tries. */
struct clock_sample clock_sample_take(void);
