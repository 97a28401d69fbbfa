#pragma once

#include <pthread.h>
#include <stdint.h>

/**
 * Join a thread, with a deadline.
 *
 * @param deadline_ns  CLOCK_MONOTONIC; INT64_MAX: no deadline
 * @return 0, or -ETIMEDOUT: then the thread is still to be joined
 */
int thread_join_until(pthread_t thread, int64_t deadline_ns);
