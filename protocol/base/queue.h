#pragma once

#include "protocol/base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * A queue of pointers between threads, any number of producers, one consumer.
 *
 * Policy: an item has a weight. A push that would lift the sum above the limit is *rejected* with an error;
 * the reaction (a gap, an error to a peer) is the producer's decision. A push with `force` always succeeds:
 * for the few small items that must never be lost. Only queue_pop() blocks. First in, first out.
 */
struct queue;

/**
 * @param ret    set on success; freed by queue_destroy() when no thread uses it any more
 * @param limit  upper bound on the sum of weights
 * @param wake   true: queue_fd() can be polled for reading
 * @return 0, -ENOMEM, or the errno of eventfd(2)
 */
int queue_create(struct queue **ret, size_t limit, bool wake);

/** Free the queue. Pending items are passed to the callback of queue_set_drop(), if set. */
void queue_destroy(struct queue *queue);

/** Set the callback for the items left at queue_destroy(); may be NULL. */
void queue_set_drop(struct queue *queue, void (*drop)(void *item));

/** @return 0, -ENOBUFS when the limit is reached, -EPIPE after queue_close(), or -ENOMEM */
int queue_push(struct queue *queue, void *item, size_t weight, bool force);

/**
 * Take the oldest item.
 *
 * @param deadline_ns  CLOCK_MONOTONIC; 0: do not wait; INT64_MAX: no deadline
 * @return the item, or NULL on timeout, on queue_wake(), or when the queue is closed and empty
 */
void *queue_pop(struct queue *queue, int64_t deadline_ns);

/** Make a waiting queue_pop() return NULL once. */
void queue_wake(struct queue *queue);

/** @return the present sum of weights */
size_t queue_weight(struct queue *queue);

/** Refuse further pushes; pending items can still be popped. */
void queue_close(struct queue *queue);

/** @return true when closed and empty */
bool queue_ended(struct queue *queue);

/** @return an eventfd, readable while there are items; owned by the queue. Only with `wake`. */
int queue_fd(const struct queue *queue);

DEFINE_DESTROY(queue);
