#pragma once

/*
 * The clocks. Every time in the program is an int64_t count of nanoseconds of CLOCK_MONOTONIC
 * unless its name says otherwise: `…_session_ns` is that clock plus the session's fixed offset to
 * UTC, `…_wall_ns` is CLOCK_REALTIME as it was read.
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

/** Make a condition variable whose timed waits are until a time of CLOCK_MONOTONIC. */
void clock_init_condition(pthread_cond_t *condition);

/** One reading of three clocks, and how far apart in time the readings may be. */
struct clock_sample {
	int64_t monotonic_ns;
	int64_t boottime_ns;
	int64_t wall_ns;
	int64_t bracket_ns; /* the three readings lie within this many ns of monotonic_ns */
};

/** Read the three clocks between two readings of CLOCK_MONOTONIC; the tightest of five tries. */
struct clock_sample clock_sample_take(void);
