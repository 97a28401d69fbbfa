#include "daemon/peers/jobs.h"

#include "daemon/access/requests.h"
#include "protocol/base/cleanup.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>

#define PEER_JOBS_LIMIT  64
#define PEER_BYTES_LIMIT (1024 * 1024)
#define SUM_BYTES_LIMIT  (16 * 1024 * 1024)

/* request queue of one peer; exists while non-empty */
struct lane {
	struct lane *next;
	struct peer *peer; /* the jobs hold the references */
	struct job *first, **end;
	unsigned count;
	size_t size_bytes;
};

struct jobs {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct lane *lanes, **end; /* the first lane is served next */
	size_t size_bytes;
	bool closed, woken;
	int event_fd;
};

int jobs_create(struct jobs **ret, bool wake)
{
	_destroy_(jobs) struct jobs *jobs = calloc(1, sizeof(*jobs));

	if (!jobs)
		return -ENOMEM;
	pthread_mutex_init(&jobs->lock, NULL);
	pthread_cond_init(&jobs->changed, NULL);
	jobs->end = &jobs->lanes;
	jobs->event_fd = -1;
	if (wake) {
		jobs->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (jobs->event_fd < 0)
			return -errno;
	}
	*ret = steal_ptr(jobs);
	return 0;
}

void job_free(struct job *job)
{
	if (!job)
		return;
	peer_unref(job->peer);
	if (job->message)
		uxrec__client_message__free_unpacked(job->message, NULL);
	free(job);
}

/* ---- lanes ---- */

static void append_lane(struct jobs *jobs, struct lane *lane)
{
	lane->next = NULL;
	*jobs->end = lane;
	jobs->end = &lane->next;
}

static struct lane *find_lane(struct jobs *jobs, const struct peer *peer)
{
	struct lane *lane = jobs->lanes;

	while (lane && lane->peer != peer)
		lane = lane->next;
	return lane;
}

static struct lane *add_lane(struct jobs *jobs, struct peer *peer)
{
	struct lane *lane = calloc(1, sizeof(*lane));

	if (!lane)
		return NULL;
	lane->peer = peer;
	lane->end = &lane->first;
	append_lane(jobs, lane);
	return lane;
}

static void put_job(struct jobs *jobs, struct lane *lane, struct job *job)
{
	*lane->end = job;
	lane->end = &job->next;
	lane->count++;
	lane->size_bytes += job->size_bytes;
	jobs->size_bytes += job->size_bytes;
}

/* @param link  points to the job to remove */
static struct job *unlink_job(struct jobs *jobs, struct lane *lane, struct job **link)
{
	struct job *job = *link;

	*link = job->next;
	if (!*link)
		lane->end = link;
	job->next = NULL;
	lane->count--;
	lane->size_bytes -= job->size_bytes;
	jobs->size_bytes -= job->size_bytes;
	return job;
}

/* Take the next job of the first lane and move that lane to the end. */
static struct job *pop_next(struct jobs *jobs)
{
	struct lane *lane = jobs->lanes;
	struct job *job = unlink_job(jobs, lane, &lane->first);

	jobs->lanes = lane->next;
	if (!jobs->lanes)
		jobs->end = &jobs->lanes;
	if (lane->first)
		append_lane(jobs, lane);
	else
		free(lane);
	return job;
}

void jobs_destroy(struct jobs *jobs)
{
	if (!jobs)
		return;
	while (jobs->lanes)
		job_free(pop_next(jobs));
	if (jobs->event_fd >= 0)
		close(jobs->event_fd);
	pthread_cond_destroy(&jobs->changed);
	pthread_mutex_destroy(&jobs->lock);
	free(jobs);
}

/* ---- superseded requests ---- */

/* False when out of memory, too. */
static bool same_body(const Uxrec__ClientMessage *a, const Uxrec__ClientMessage *b)
{
	Uxrec__ClientMessage body_a = *a, body_b = *b;
	_autofree_ uint8_t *bytes_a = NULL, *bytes_b = NULL;
	size_t size_bytes;

	body_a.request = body_b.request = 0;
	size_bytes = uxrec__client_message__get_packed_size(&body_a);
	if (size_bytes != uxrec__client_message__get_packed_size(&body_b))
		return false;
	bytes_a = malloc(size_bytes);
	bytes_b = malloc(size_bytes);
	return bytes_a && bytes_b && uxrec__client_message__pack(&body_a, bytes_a) == size_bytes &&
		uxrec__client_message__pack(&body_b, bytes_b) == size_bytes &&
		memcmp(bytes_a, bytes_b, size_bytes) == 0;
}

/* True when @p b supersedes @p a: its sender no longer needs the answer to @p a. */
static bool is_replaced_by(const Uxrec__ClientMessage *a, const Uxrec__ClientMessage *b)
{
	if (a->body_case != b->body_case)
		return false;
	/* a player shows one moment */
	if (a->body_case == UXREC__CLIENT_MESSAGE__BODY_READ)
		return a->read->state && b->read->state;
	switch (request_kind(a->body_case)->replaces) {
	case REQUEST_REPLACES_ALL: return true;
	case REQUEST_REPLACES_EQUAL: return same_body(a, b);
	default: return false;
	}
}

static struct job *pop_replaced(
	struct jobs *jobs, struct lane *lane, const Uxrec__ClientMessage *message)
{
	for (struct job **link = &lane->first; *link; link = &(*link)->next)
		if (is_replaced_by((*link)->message, message))
			return unlink_job(jobs, lane, link);
	return NULL;
}

/* ---- entry points of other threads ---- */

static int push_locked(struct jobs *jobs, struct job *job, struct job **ret_replaced)
{
	struct lane *lane = find_lane(jobs, job->peer);

	if (jobs->closed)
		return -EPIPE;
	*ret_replaced = lane ? pop_replaced(jobs, lane, job->message) : NULL;
	if (*ret_replaced) {
		put_job(jobs, lane, job);
		return 0;
	}
	if (lane &&
		(lane->count >= PEER_JOBS_LIMIT ||
			lane->size_bytes + job->size_bytes > PEER_BYTES_LIMIT))
		return -EBUSY;
	if (job->peer->principal.role != UXREC__ROLE__ROLE_MODERATOR &&
		jobs->size_bytes + job->size_bytes > SUM_BYTES_LIMIT)
		return -EBUSY;
	if (!lane)
		lane = add_lane(jobs, job->peer);
	if (!lane)
		return -ENOMEM;
	put_job(jobs, lane, job);
	return 0;
}

int jobs_push(struct jobs *jobs, struct peer *peer, Uxrec__ClientMessage *message,
	struct job **ret_replaced)
{
	struct job *job = calloc(1, sizeof(*job));
	int r;

	*ret_replaced = NULL;
	if (!job)
		return -ENOMEM;
	*job = (struct job){.peer = peer_ref(peer),
		.message = message,
		.size_bytes = protobuf_c_message_get_packed_size(&message->base)};
	pthread_mutex_lock(&jobs->lock);
	r = push_locked(jobs, job, ret_replaced);
	if (r == 0 && jobs->event_fd >= 0)
		eventfd_write(jobs->event_fd, 1);
	pthread_cond_signal(&jobs->changed);
	pthread_mutex_unlock(&jobs->lock);
	if (r < 0) {
		job->message = NULL;
		job_free(job);
	}
	return r;
}

struct job *jobs_pop(struct jobs *jobs, bool wait)
{
	struct job *job = NULL;

	pthread_mutex_lock(&jobs->lock);
	while (wait && !jobs->lanes && !jobs->closed && !jobs->woken)
		pthread_cond_wait(&jobs->changed, &jobs->lock);
	jobs->woken = false;
	if (jobs->lanes && !jobs->closed)
		job = pop_next(jobs);
	if (!jobs->lanes && jobs->event_fd >= 0) {
		eventfd_t ignored;

		eventfd_read(jobs->event_fd, &ignored);
	}
	pthread_mutex_unlock(&jobs->lock);
	return job;
}

void jobs_wake(struct jobs *jobs)
{
	pthread_mutex_lock(&jobs->lock);
	jobs->woken = true;
	pthread_cond_signal(&jobs->changed);
	pthread_mutex_unlock(&jobs->lock);
}

void jobs_close(struct jobs *jobs)
{
	pthread_mutex_lock(&jobs->lock);
	jobs->closed = true;
	pthread_cond_broadcast(&jobs->changed);
	pthread_mutex_unlock(&jobs->lock);
}

bool jobs_closed(struct jobs *jobs)
{
	bool closed;

	pthread_mutex_lock(&jobs->lock);
	closed = jobs->closed;
	pthread_mutex_unlock(&jobs->lock);
	return closed;
}

int jobs_fd(const struct jobs *jobs)
{
	return jobs->event_fd;
}
