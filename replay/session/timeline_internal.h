#pragma once

#include "protocol/sound.pb-c.h"
#include "replay/session/timeline.h"

/* Shared by timeline.c (reading a session), timeline_loudness.c and timeline_message.c (message for a page). */

/* The label of a key. @param layout  as in a press */
const char *timeline_label(const struct timeline *timeline, uint8_t layout, uint32_t code);

/* Add a motion of the pointer or of a control. @return 0 or -ENOMEM */
int timeline_add_motion(struct timeline *timeline, int64_t at_ns);

/* Sort the spans, once all are added. */
void timeline_join_motions(struct timeline *timeline);

int timeline_put_motions(const struct timeline *timeline, Uxrec__Timeline *message);

/* Loudness under construction. Zero-initialised is empty. */
struct timeline_loudness {
	struct loudness_bin *bins;
	size_t count; /* for the whole session */
	double power_of[256];
};

/* Add a message of recorded levels. @return 0 or -ENOMEM */
int timeline_add_levels(struct timeline_loudness *loudness, const struct timeline *timeline,
	int64_t at_ns, const Uxrec__SoundLevels *levels);

/* Set the timeline's loudness, silent within bleeps. @return 0 or -ENOMEM */
int timeline_put_loudness(struct timeline *timeline, const struct timeline_loudness *loudness,
	const struct session *session);

void timeline_loudness_finish(struct timeline_loudness *loudness);
