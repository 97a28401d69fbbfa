#pragma once

#include <stdbool.h>
#include <stddef.h>

/**
 * The places of a ring buffer's items: first in, first out. The items are in an array of the caller's, either of fixed
 * size, which is set as `capacity`, or grown by ring_grow(). Zero-initialised is empty.
 */
struct ring {
	size_t capacity, first, count;
};

/** @return the place of the i-th item, the oldest is number 0; @p i may be the count if there is room */
static inline size_t ring_at(const struct ring *ring, size_t i)
{
	return (ring->first + i) % ring->capacity;
}

static inline bool ring_is_full(const struct ring *ring)
{
	return ring->count >= ring->capacity;
}

/** Add an item, for which there is room. @return its place */
static inline size_t ring_push(struct ring *ring)
{
	return ring_at(ring, ring->count++);
}

/** Remove the oldest item of a ring that is not empty. @return its place */
static inline size_t ring_pop(struct ring *ring)
{
	size_t place = ring->first;

	ring->first = ring_at(ring, 1);
	ring->count--;
	return place;
}

/**
 * Make room for one more item; a full ring doubles its capacity.
 *
 * @param items  pointer to the items, NULL at first, evaluated several times: a variable or field, which is set as
 *               the array moves; freed by the caller
 *
 * @return true, or false without memory: the ring is unchanged
 */
#define ring_grow(ring, items)                                                                     \
	({                                                                                         \
		void *grown_ = ring_with_room((ring), (items), sizeof(*(items)));                  \
		if (grown_)                                                                        \
			(items) = grown_;                                                          \
		grown_ != NULL;                                                                    \
	})

/** For ring_grow(). @return the items with room, which replace @p items, or NULL without memory */
void *ring_with_room(struct ring *ring, void *items, size_t item_bytes);
