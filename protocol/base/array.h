#pragma once

#include <stdbool.h>
#include <stddef.h>

/**
 * Make room for one item after the @p count items of an array, whose capacity follows from the count alone: 8 items,
 * doubled whenever the count reaches the capacity.
 *
 * The array starts as NULL with a count of 0, and nothing else allocates it: an array of malloc(), of an unpacked
 * message, or trimmed by realloc() may end at its count.
 *
 * The count may shrink: there is room for at least its capacity at all times, which falls with it. A call at a count of
 * 0, 8, 16, 32 … resizes the memory, and may release room of an earlier, larger count: nothing may be kept after the
 * items in use. A call may be repeated without using its room, and several arrays may share one count.
 *
 * @param array  pointer to items, evaluated several times: a variable or field, which is set as the array moves
 * @param count  items in use; the caller counts the new one
 *
 * @return true, or false without memory: the array is unchanged
 */
#define array_grow(array, count)                                                                   \
	({                                                                                         \
		void *grown_ = array_with_room((array), (count), sizeof(*(array)));                \
		if (grown_)                                                                        \
			(array) = grown_;                                                          \
		grown_ != NULL;                                                                    \
	})

/** For array_grow(). @return the array with room, which replaces @p array, or NULL without memory */
void *array_with_room(void *array, size_t count, size_t item_bytes);
