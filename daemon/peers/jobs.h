#pragma once

#include "daemon/peers/peer.h"

#include <stdbool.h>

/**
 * Queue of peer requests for one thread, with fair scheduling: each peer has its own queue, and the queues take
 * turns. However many requests one peer queues, the next request of another peer waits for at most one request
 * of every peer. Multiple producers, single consumer.
 *
 * Bounds: 64 requests and 1 MiB per peer; 16 MiB in total, not enforced for moderators. Requests beyond them
 * are refused with EBUSY. A request superseded by a newer one of the same peer (a list, or an identical
 * question) is removed and refused with ECANCELED.
 */
struct jobs;

struct job {
	struct job *next;
	struct peer *peer;
	Uxrec__ClientMessage *message; /* NULL once handed on */
	size_t size_bytes;
};

/**
 * @param ret   set on success; free with jobs_destroy() once no thread uses it
 * @param wake  true: jobs_fd() can be polled for reading
 * @return 0, -ENOMEM, or the negative errno of eventfd(2)
 */
int jobs_create(struct jobs **ret, bool wake);

/** Free the queue and all pending requests, unanswered. */
void jobs_destroy(struct jobs *jobs);
DEFINE_DESTROY(jobs);

/**
 * Add a request.
 *
 * @param peer          a reference is taken
 * @param message       ownership passes on success
 * @param ret_replaced  set to the request superseded by this one, owned by the caller (job_free()), or NULL
 * @return 0, -EBUSY at a bound, -EPIPE after jobs_close(), or -ENOMEM
 */
int jobs_push(struct jobs *jobs, struct peer *peer, Uxrec__ClientMessage *message,
	struct job **ret_replaced);

/**
 * Take the next request.
 *
 * @param wait  block until there is one
 * @return the request, owned by the caller (job_free()); NULL when the queue is empty, on jobs_wake(), and
 *         after jobs_close()
 */
struct job *jobs_pop(struct jobs *jobs, bool wait);
void job_free(struct job *job);

/** Make a blocked jobs_pop() return NULL once. */
void jobs_wake(struct jobs *jobs);

/** Close the queue: no more requests are added or taken, pending ones included. */
void jobs_close(struct jobs *jobs);
bool jobs_closed(struct jobs *jobs);

/** @return an eventfd, owned by the queue, readable while requests are pending. Only with `wake`. */
int jobs_fd(const struct jobs *jobs);
