#pragma once

#include <stdbool.h>
#include <stdint.h>

/**
 * How often pictures of a screen are taken: as often as was asked for, and less often when that takes too much of the
 * machine or the machine has too little left, so that the participant does not notice the recorder. One thread.
 */
struct pace {
	int max_fps; /* what was asked for */
	int fps; /* what is taken now: max_fps divided by a power of two, at least PACE_LEAST_FPS or max_fps */

	int64_t window_ns; /* since when is measured; 0: not */
	int64_t cpu_ns, waited_ns;
	int calm; /* windows in a row that the higher rate would have left room in */
};

/* slower than this it is no moving picture any more */
#define PACE_LEAST_FPS 4

void pace_init(struct pace *pace, int max_fps);

/** @return the least time from one picture to the next */
int64_t pace_period_ns(const struct pace *pace);

/** What a thread has had of the processors, and waited for them while others had them. Nanoseconds since it began. */
struct pace_used {
	int64_t cpu_ns, waited_ns;
};

/**
 * Of the calling thread, by CLOCK_THREAD_CPUTIME_ID and the second number of /proc/thread-self/schedstat (Linux,
 * Documentation/scheduler/sched-stats.rst); where a kernel keeps no such numbers it never waits.
 */
struct pace_used pace_used_now(void);

/**
 * A picture has been taken.
 *
 * @param began_ns, ended_ns  CLOCK_MONOTONIC
 * @param before, after       what the thread had used then
 * @return true when the rate has changed with it
 */
bool pace_note(struct pace *pace, int64_t began_ns, int64_t ended_ns, struct pace_used before,
	struct pace_used after);
