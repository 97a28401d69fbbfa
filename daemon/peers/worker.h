#pragma once

#include "daemon/peers/jobs.h"
#include "daemon/peers/outlet.h"

/** Thread that serves peers' requests, in the order of jobs.h. */
struct worker;

/**
 * @param ret   set on success; free with worker_destroy()
 * @param name  of the thread, at most 15 bytes; must outlive the worker
 * @param work  does a job, or with NULL continues earlier ones. Returns true to continue at once; otherwise it
 *              is called for the next job, or after worker_wake(). May take over job->message, leaving
 *              NULL. Called on the worker's thread.
 * @return 0, or a negative errno with the reason
 */
int worker_create(struct worker **ret, const char *name, bool (*work)(void *user, struct job *job),
	void *user, struct error *reterr);

/** The thread's request queue. */
struct jobs *worker_jobs(struct worker *worker);

/** jobs_push(); for refused or superseded requests sends a failure to the peer. Takes over @p message. */
void jobs_submit(struct jobs *jobs, const struct outlet *outlet, struct peer *peer,
	Uxrec__ClientMessage *message);

/** Call work(NULL) if the thread is idle. Any thread. */
void worker_wake(struct worker *worker);

/**
 * Drop pending requests and stop the thread.
 *
 * @param deadline_ns  CLOCK_MONOTONIC time to wait until; INT64_MAX: no limit
 * @return 0, or -ETIMEDOUT when the current job takes longer: nothing that it uses may be freed
 */
int worker_stop(struct worker *worker, int64_t deadline_ns);

/** Stops the thread first, without a time limit. */
void worker_destroy(struct worker *worker);
DEFINE_DESTROY(worker);
