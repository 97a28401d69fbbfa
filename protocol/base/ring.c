#include "protocol/base/ring.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ITEMS 16

void *ring_with_room(struct ring *ring, void *items, size_t item_bytes)
{
	size_t capacity = FIRST_ITEMS, size_bytes;
	unsigned char *grown;

	assert(items || ring->capacity == 0);
	if (!ring_is_full(ring))
		return items;
	if ((ring->capacity > 0 && __builtin_mul_overflow(ring->capacity, 2, &capacity)) ||
		__builtin_mul_overflow(capacity, item_bytes, &size_bytes))
		return NULL;
	grown = realloc(items, size_bytes);
	if (!grown)
		return NULL;
	/* those before `first` are the newest, and now follow the others */
	memcpy(grown + ring->capacity * item_bytes, grown, ring->first * item_bytes);
	ring->capacity = capacity;
	return grown;
}
