#pragma once

#include "protocol/base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * A queue of pointers between threads, any number of producers, one consumer.
 *
 * Policy: an item has a weight. A push that would lift the sum above the limit is *rejected* and
 * says so; what that means (a gap, an error to a peer) is the producer's decision. A push with
 * `force` is always taken: for the few small items that may never be lost. Nothing ever blocks but
 * queue_pop(). Order is the order of the pushes.
 */
struct queue;

/**
 * @param ret    set on success; freed by queue_destroy() when no thread uses it any more
 * @param limit  the largest sum of weights
 * @param wake   true: queue_fd() can be polled for reading
 * @return 0, -ENOMEM, or what eventfd(2) gave
 */
int queue_create(struct queue **ret, size_t limit, bool wake);

/** Free the queue. Items still in it are given to @p drop, which may be NULL. */
void queue_destroy(struct queue *queue);

/** Called for each item that queue_destroy() finds. */
void queue_set_drop(struct queue *queue, void (*drop)(void *item));

/** @return 0, -ENOBUFS when the limit is reached, -EPIPE after queue_close(), or -ENOMEM */
int queue_push(struct queue *queue, void *item, size_t weight, bool force);

/**
 * Take the oldest item.
 *
 * @param deadline_ns  CLOCK_MONOTONIC time to wait until; 0: do not wait; INT64_MAX: for ever
 * @return the item, or NULL on time-out, on queue_wake(), or when the queue is closed and empty
 */
void *queue_pop(struct queue *queue, int64_t deadline_ns);

/** Make a waiting queue_pop() return NULL once. */
void queue_wake(struct queue *queue);

/** @return the sum of weights now */
size_t queue_weight(struct queue *queue);

/** No more pushes; what is in the queue can still be popped. */
void queue_close(struct queue *queue);

/** @return true when closed and empty */
bool queue_ended(struct queue *queue);

/** @return an eventfd, readable while there are items; the queue's own. Only with `wake`. */
int queue_fd(const struct queue *queue);

DEFINE_DESTROY(queue);
