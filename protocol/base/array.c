#include "protocol/base/array.h"

#include <assert.h>
#include <stdlib.h>

#define FIRST_ITEMS 8

void *array_with_room(void *array, size_t count, size_t item_bytes)
{
	size_t capacity = FIRST_ITEMS, size_bytes;

	assert(array || count == 0);
	if (count > 0 && (count < FIRST_ITEMS || (count & (count - 1)) != 0))
		return array;
	if ((count > 0 && __builtin_mul_overflow(count, 2, &capacity)) ||
		__builtin_mul_overflow(capacity, item_bytes, &size_bytes))
		return NULL;
	return realloc(array, size_bytes);
}
