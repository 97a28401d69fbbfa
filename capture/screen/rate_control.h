#pragma once

#include <stdbool.h>
#include <stdint.h>

/**
 * Rate control for pictures of a screen: the requested rate, reduced when it takes too much of the machine or the
 * machine has too little left, so that the participant does not notice the recorder. One thread.
 */
struct rate_control {
	int max_fps; /* requested rate */
	int fps; /* current rate: max_fps divided by a power of two, at least RATE_CONTROL_MIN_FPS or max_fps */

	int64_t window_ns; /* start of the window; 0: unset */
	int64_t cpu_ns, waited_ns;
	int calm; /* consecutive windows with room for the higher rate */
};

/* below this there is no impression of motion */
#define RATE_CONTROL_MIN_FPS 4

void rate_control_init(struct rate_control *rate_control, int max_fps);

/** @return the minimum interval between pictures */
int64_t rate_control_period_ns(const struct rate_control *rate_control);

/** A thread's processor time and its wait for a processor used by others. Nanoseconds since it began. */
struct rate_control_usage {
	int64_t cpu_ns, waited_ns;
};

/**
 * Usage of the calling thread, by CLOCK_THREAD_CPUTIME_ID and the second number of /proc/thread-self/schedstat
 * (Linux, Documentation/scheduler/sched-stats.rst); without schedstat the wait is 0.
 */
struct rate_control_usage rate_control_usage_now(void);

/**
 * Note a picture taken.
 *
 * @param began_ns, ended_ns  CLOCK_MONOTONIC
 * @param before, after       the thread's usage at these times
 * @return true when the rate has changed
 */
bool rate_control_update(struct rate_control *rate_control, int64_t began_ns, int64_t ended_ns,
	struct rate_control_usage before, struct rate_control_usage after);
