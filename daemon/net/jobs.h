#pragma once

#include "daemon/access/principal.h"

#include <stdbool.h>

/**
 * Requests of peers that wait for one thread, in a fair order: each peer has a queue of its own, and the
 * queues take turns. However much one peer asks, the next request of another one waits for at most one
 * request of every peer. Any number of producers, one consumer.
 *
 * Bounds: 64 requests and 1 MiB of each peer; 16 MiB in sum, which do not hold for moderators. What
 * exceeds them is refused with EBUSY. A request whose answer a newer one of the same peer makes
 * worthless (a list, the same question again) is refused with ECANCELED and taken out.
 */
struct jobs;

struct job {
	struct job *next;
	struct peer *peer;
	Uxrec__ClientMessage *message; /* NULL when it was passed on */
	size_t size_bytes;
};

/**
 * @param ret   set on success; freed by jobs_destroy() when no thread uses it any more
 * @param wake  true: jobs_fd() can be polled for reading
 * @return 0, -ENOMEM, or what eventfd(2) gave
 */
int jobs_create(struct jobs **ret, bool wake);

/** Free the queue and everything that waits in it, unanswered. */
void jobs_destroy(struct jobs *jobs);
DEFINE_DESTROY(jobs);

/**
 * Add a request.
 *
 * @param peer          a reference is taken
 * @param message       taken over on success
 * @param ret_replaced  set: the request that this one has replaced, freed by the caller with job_free(), or NULL
 * @return 0, -EBUSY at a bound, -EPIPE after jobs_close(), or -ENOMEM
 */
int jobs_push(struct jobs *jobs, struct peer *peer, Uxrec__ClientMessage *message,
	struct job **ret_replaced);

/**
 * Take the next request.
 *
 * @param wait  until there is one
 * @return it, freed by the caller with job_free(); NULL when there is none, on jobs_wake(), and after jobs_close()
 */
struct job *jobs_pop(struct jobs *jobs, bool wait);
void job_free(struct job *job);

/** Make a waiting jobs_pop() return NULL once. */
void jobs_wake(struct jobs *jobs);

/** Nothing is added or taken any more, also not what waits. */
void jobs_close(struct jobs *jobs);
bool jobs_closed(struct jobs *jobs);

/** @return an eventfd, readable while there are requests; the queue's own. Only with `wake`. */
int jobs_fd(const struct jobs *jobs);
