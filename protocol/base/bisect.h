#pragma once

#include <stddef.h>

/**
 * Binary search in a sequence whose first items satisfy a condition, and the others do not.
 *
 * @param count      of items
 * @param i          name for the number of an item in @p condition, a `size_t`
 * @param condition  an expression of @p i, evaluated for about log2(count) items
 *
 * @return the number of items that satisfy the condition: the place of the first that does not, or @p count
 */
#define bisect(count, i, condition)                                                                \
	({                                                                                         \
		size_t low_ = 0, high_ = (count);                                                  \
		while (low_ < high_) {                                                             \
			size_t i = low_ + (high_ - low_) / 2;                                      \
			if (condition)                                                             \
				low_ = i + 1;                                                      \
			else                                                                       \
				high_ = i;                                                         \
		}                                                                                  \
		low_;                                                                              \
	})
