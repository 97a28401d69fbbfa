#include "protocol/base/queue.h"

#include "protocol/base/clock.h"
#include "protocol/base/ring.h"

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>

struct item {
	void *value;
	size_t weight;
};

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct item *items;
	struct ring ring; /* of the items */
	size_t weight, limit;
	bool closed, woken;
	int event_fd;
	void (*drop)(void *item);
};

int queue_create(struct queue **ret, size_t limit, bool wake)
{
	_destroy_(queue) struct queue *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return -ENOMEM;
	queue->limit = limit;
	pthread_mutex_init(&queue->lock, NULL);
	clock_init_condition(&queue->changed);
	queue->event_fd = -1;
	if (wake) {
		queue->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (queue->event_fd < 0)
			return -errno;
	}
	*ret = steal_ptr(queue);
	return 0;
}

void queue_destroy(struct queue *queue)
{
	if (!queue)
		return;
	for (size_t i = 0; i < queue->ring.count && queue->drop; i++)
		queue->drop(queue->items[ring_at(&queue->ring, i)].value);
	if (queue->event_fd >= 0)
		close(queue->event_fd);
	pthread_cond_destroy(&queue->changed);
	pthread_mutex_destroy(&queue->lock);
	free(queue->items);
	free(queue);
}

void queue_set_drop(struct queue *queue, void (*drop)(void *item))
{
	queue->drop = drop;
}

static int queue_push_locked(struct queue *queue, void *item, size_t weight, bool force)
{
	if (queue->closed)
		return -EPIPE;
	if (!force && (weight > queue->limit || queue->weight > queue->limit - weight))
		return -ENOBUFS;
	if (!ring_grow(&queue->ring, queue->items))
		return -ENOMEM;
	queue->items[ring_push(&queue->ring)] = (struct item){item, weight};
	queue->weight += weight;
	return 0;
}

int queue_push(struct queue *queue, void *item, size_t weight, bool force)
{
	int r;

	pthread_mutex_lock(&queue->lock);
	r = queue_push_locked(queue, item, weight, force);
	if (r == 0 && queue->event_fd >= 0)
		eventfd_write(queue->event_fd, 1);
	pthread_cond_signal(&queue->changed);
	pthread_mutex_unlock(&queue->lock);
	return r;
}

static bool queue_wait(struct queue *queue, int64_t deadline_ns)
{
	struct timespec until = {deadline_ns / NS_PER_S, deadline_ns % NS_PER_S};

	if (deadline_ns == 0)
		return false;
	if (deadline_ns == INT64_MAX)
		return pthread_cond_wait(&queue->changed, &queue->lock) == 0;
	return pthread_cond_timedwait(&queue->changed, &queue->lock, &until) != ETIMEDOUT;
}

void *queue_pop(struct queue *queue, int64_t deadline_ns)
{
	void *value = NULL;

	pthread_mutex_lock(&queue->lock);
	while (queue->ring.count == 0 && !queue->closed && !queue->woken)
		if (!queue_wait(queue, deadline_ns))
			break;
	queue->woken = false;
	if (queue->ring.count > 0) {
		struct item item = queue->items[ring_pop(&queue->ring)];

		queue->weight -= item.weight;
		value = item.value;
	} else if (queue->event_fd >= 0) {
		eventfd_t ignored;

		eventfd_read(queue->event_fd, &ignored);
	}
	pthread_mutex_unlock(&queue->lock);
	return value;
}

void queue_wake(struct queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->woken = true;
	pthread_cond_signal(&queue->changed);
	pthread_mutex_unlock(&queue->lock);
}

size_t queue_weight(struct queue *queue)
{
	size_t weight;

	pthread_mutex_lock(&queue->lock);
	weight = queue->weight;
	pthread_mutex_unlock(&queue->lock);
	return weight;
}

void queue_close(struct queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->closed = true;
	pthread_cond_broadcast(&queue->changed);
	pthread_mutex_unlock(&queue->lock);
}

bool queue_ended(struct queue *queue)
{
	bool ended;

	pthread_mutex_lock(&queue->lock);
	ended = queue->closed && queue->ring.count == 0;
	pthread_mutex_unlock(&queue->lock);
	return ended;
}

int queue_fd(const struct queue *queue)
{
	return queue->event_fd;
}
