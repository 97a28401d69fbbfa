#include "replay/session/timeline_internal.h"

#include "protocol/base/array.h"
#include "protocol/base/clock.h"

#include <errno.h>
#include <stdlib.h>

/* Motions up to this far apart are joined. */
#define JOIN_NS NS_PER_S

int timeline_add_motion(struct timeline *timeline, int64_t at_ns)
{
	struct timeline_motion *last =
		timeline->motion_count ? &timeline->motions[timeline->motion_count - 1] : NULL;

	/* several devices arrive nearly in the order of time */
	if (last && at_ns >= last->from_ns - JOIN_NS && at_ns <= last->to_ns + JOIN_NS) {
		last->from_ns = at_ns < last->from_ns ? at_ns : last->from_ns;
		last->to_ns = at_ns > last->to_ns ? at_ns : last->to_ns;
		return 0;
	}
	if (!array_grow(timeline->motions, timeline->motion_count))
		return -ENOMEM;
	timeline->motions[timeline->motion_count++] = (struct timeline_motion){at_ns, at_ns};
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct timeline_motion *x = a, *y = b;

	return x->from_ns < y->from_ns ? -1 : x->from_ns > y->from_ns;
}

void timeline_join_motions(struct timeline *timeline)
{
	size_t kept = 0;

	if (timeline->motion_count > 1)
		qsort(timeline->motions, timeline->motion_count, sizeof(*timeline->motions),
			compare);
	for (size_t i = 1; i < timeline->motion_count; i++) {
		struct timeline_motion *last = &timeline->motions[kept];
		const struct timeline_motion *next = &timeline->motions[i];

		if (next->from_ns > last->to_ns + JOIN_NS)
			timeline->motions[++kept] = *next;
		else if (next->to_ns > last->to_ns)
			last->to_ns = next->to_ns;
	}
	timeline->motion_count = timeline->motion_count ? kept + 1 : 0;
}

int timeline_put_motions(const struct timeline *timeline, Uxrec__Timeline *message)
{
	int64_t before_ns = timeline->begin_ns;

	message->motion_dt_ns =
		calloc(2 * timeline->motion_count + 1, sizeof(*message->motion_dt_ns));
	if (!message->motion_dt_ns)
		return -ENOMEM;
	for (size_t i = 0; i < timeline->motion_count; i++) {
		const struct timeline_motion *motion = &timeline->motions[i];

		message->motion_dt_ns[message->n_motion_dt_ns++] = motion->from_ns - before_ns;
		message->motion_dt_ns[message->n_motion_dt_ns++] = motion->to_ns - motion->from_ns;
		before_ns = motion->to_ns;
	}
	return 0;
}
