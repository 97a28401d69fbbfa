#pragma once

#include "daemon/net/jobs.h"
#include "daemon/net/server.h"

/** A thread that does what peers ask, in the order of jobs.h. */
struct worker;

/**
 * @param ret   set on success; freed by worker_destroy()
 * @param name  of the thread, at most 15 bytes; stays
 * @param work  does a job, or with NULL goes on with what earlier ones began. Returns true when it can go on at
 *              once; otherwise it is called for the next job, or after worker_wake(). It may take over job->message,
 *              leaving NULL. In the worker's thread.
 * @return 0, or a negative errno with the reason
 */
int worker_create(struct worker **ret, const char *name, bool (*work)(void *user, struct job *job),
	void *user, struct error *reterr);

/** The queue that the thread takes from. */
struct jobs *worker_jobs(struct worker *worker);

/** jobs_push(), with a failure sent to the peer for what is refused or replaced. Takes over @p message. */
void jobs_ask(
	struct jobs *jobs, struct server *server, struct peer *peer, Uxrec__ClientMessage *message);

/** Call work(NULL), if the thread waits. Any thread. */
void worker_wake(struct worker *worker);

/**
 * Drop what waits and end the thread.
 *
 * @param deadline_ns  CLOCK_MONOTONIC time to wait until; INT64_MAX: for ever
 * @return 0, or -ETIMEDOUT when the job at hand takes longer: nothing that it uses may be freed
 */
int worker_stop(struct worker *worker, int64_t deadline_ns);

/** Also stops it, whatever time that takes. */
void worker_destroy(struct worker *worker);
DEFINE_DESTROY(worker);
