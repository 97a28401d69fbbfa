#pragma once

#include "replay/session/timeline.h"

/* What timeline.c, which reads a session, and timeline_message.c, which tells a page of it, share. */

/* Make room for one item behind the @p count there are. @return the array, or NULL without memory: it is as it was */
void *timeline_grow(void *array, size_t count, size_t *capacity, size_t item_bytes);

#define GROW(array, count, capacity)                                                               \
	({                                                                                         \
		void *grown_ = timeline_grow(array, count, &(capacity), sizeof(*(array)));         \
		if (grown_)                                                                        \
			(array) = grown_;                                                          \
		grown_ != NULL;                                                                    \
	})

/* The name of a key. @param layout  as in a press: that of its time */
const char *timeline_label(const struct timeline *timeline, uint8_t layout, uint32_t code);

/* Something was moved: the pointer, or a control of a device. @return 0 or -ENOMEM */
int timeline_add_motion(struct timeline *timeline, int64_t at_ns);

/* Bring the spans into their order, once all are there. */
void timeline_join_motions(struct timeline *timeline);

int timeline_put_motions(const struct timeline *timeline, Uxrec__Timeline *message);
