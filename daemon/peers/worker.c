#include "daemon/peers/worker.h"

#include "protocol/os/thread.h"

#include <errno.h>
#include <string.h>

struct worker {
	struct jobs *jobs;
	const char *name;
	pthread_t thread;
	bool started;
	bool (*work)(void *user, struct job *job);
	void *user;
};

static void *worker_thread(void *user)
{
	struct worker *worker = user;
	bool more = false;

	pthread_setname_np(pthread_self(), worker->name);
	while (!jobs_closed(worker->jobs)) {
		struct job *job = jobs_pop(worker->jobs, !more);

		more = worker->work(worker->user, job);
		job_free(job);
	}
	return NULL;
}

int worker_create(struct worker **ret, const char *name, bool (*work)(void *user, struct job *job),
	void *user, struct error *reterr)
{
	_destroy_(worker) struct worker *worker = calloc(1, sizeof(*worker));
	int r;

	if (!worker)
		return error_set(reterr, -ENOMEM, "out of memory");
	*worker = (struct worker){.name = name, .work = work, .user = user};
	r = jobs_create(&worker->jobs, false);
	if (r < 0)
		return error_set(reterr, r, "out of memory");
	r = pthread_create(&worker->thread, NULL, worker_thread, worker);
	if (r != 0)
		return error_set(reterr, -r, "cannot start a thread: %s", strerror(r));
	worker->started = true;
	*ret = steal_ptr(worker);
	return 0;
}

struct jobs *worker_jobs(struct worker *worker)
{
	return worker->jobs;
}

void jobs_submit(struct jobs *jobs, const struct outlet *outlet, struct peer *peer,
	Uxrec__ClientMessage *message)
{
	struct job *replaced;
	int r = jobs_push(jobs, peer, message, &replaced);

	if (replaced)
		outlet_fail(outlet, peer, replaced->message->request, -ECANCELED,
			"replaced by a newer request");
	job_free(replaced);
	if (r == 0)
		return;
	outlet_fail(outlet, peer, message->request, r,
		"too many requests are waiting: wait for their answers");
	uxrec__client_message__free_unpacked(message, NULL);
}

void worker_wake(struct worker *worker)
{
	jobs_wake(worker->jobs);
}

int worker_stop(struct worker *worker, int64_t deadline_ns)
{
	int r;

	if (!worker || !worker->started)
		return 0;
	jobs_close(worker->jobs);
	r = thread_join_until(worker->thread, deadline_ns);
	if (r == 0)
		worker->started = false;
	return r;
}

void worker_destroy(struct worker *worker)
{
	if (!worker)
		return;
	worker_stop(worker, INT64_MAX);
	jobs_destroy(worker->jobs);
	free(worker);
}
