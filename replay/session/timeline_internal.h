#pragma once

#include "replay/session/timeline.h"

/* Shared by timeline.c (reading a session) and timeline_message.c (message for a page). */

/* Make room for one item after @p count items. @return the array, or NULL without memory: it is unchanged */
void *timeline_grow(void *array, size_t count, size_t *capacity, size_t item_bytes);

#define GROW(array, count, capacity)                                                               \
	({                                                                                         \
		void *grown_ = timeline_grow(array, count, &(capacity), sizeof(*(array)));         \
		if (grown_)                                                                        \
			(array) = grown_;                                                          \
		grown_ != NULL;                                                                    \
	})

/* The label of a key. @param layout  as in a press */
const char *timeline_label(const struct timeline *timeline, uint8_t layout, uint32_t code);

/* Add a motion of the pointer or of a control. @return 0 or -ENOMEM */
int timeline_add_motion(struct timeline *timeline, int64_t at_ns);

/* Sort the spans, once all are added. */
void timeline_join_motions(struct timeline *timeline);

int timeline_put_motions(const struct timeline *timeline, Uxrec__Timeline *message);
