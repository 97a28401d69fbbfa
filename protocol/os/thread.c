#include "protocol/os/thread.h"

#include "protocol/base/clock.h"

#include <errno.h>
#include <unistd.h>

#define POLL_US 2000

/* Polls instead of pthread_clockjoin_np(), which ThreadSanitizer does not know: it would report everything
 * that the thread has touched. */
int thread_join_until(pthread_t thread, int64_t deadline_ns)
{
	int r;

	if (deadline_ns == INT64_MAX)
		return -pthread_join(thread, NULL);
	while ((r = pthread_tryjoin_np(thread, NULL)) == EBUSY) {
		if (clock_now_ns() >= deadline_ns)
			return -ETIMEDOUT;
		usleep(POLL_US);
	}
	return -r;
}
