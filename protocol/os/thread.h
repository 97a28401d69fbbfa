#pragma once

#include <pthread.h>
#include <stdint.h>

/**
 * Join a thread, if it ends in time.
 *
 * @param deadline_ns  CLOCK_MONOTONIC time to wait until; INT64_MAX: for ever
 * @return 0, or -ETIMEDOUT: then it is still to be joined
 */
int thread_join_until(pthread_t thread, int64_t deadline_ns);
