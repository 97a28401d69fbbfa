#include "replay/session/timeline_internal.h"

#include "protocol/base/clock.h"
#include "protocol/limits.h"
#include "replay/session/bleeps.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* Loudness of the sound for the lanes of a replay, from the levels that were recorded with it. */

#define LEVEL_STEP_NS (20 * NS_PER_MS)
#define LEVEL_STEPS   (SESSION_LEVELS_SPAN_NS / LEVEL_STEP_NS)
#define LEVEL_NOTHING 255

/* one SESSION_LEVELS_SPAN_NS */
struct loudness_bin {
	double power; /* sum over the steps */
	uint32_t steps;
	uint8_t peak;
};

static int make_room(struct timeline_loudness *loudness, const struct timeline *timeline)
{
	int64_t bins = (timeline->end_ns - timeline->begin_ns) / SESSION_LEVELS_SPAN_NS + 1;

	if (loudness->bins)
		return 0;
	loudness->count = bins > TIMELINE_LEVELS_LIMIT ? TIMELINE_LEVELS_LIMIT : (size_t)bins;
	loudness->bins = calloc(loudness->count, sizeof(*loudness->bins));
	if (!loudness->bins)
		return -ENOMEM;
	for (size_t i = 0; i < loudness->count; i++)
		loudness->bins[i].peak = LEVEL_NOTHING;
	/* Power in half decibels; 255 is silence. */
	for (int i = 0; i < LEVEL_NOTHING; i++)
		loudness->power_of[i] = pow(10, -i / 20.0);
	loudness->power_of[LEVEL_NOTHING] = 0;
	return 0;
}

int timeline_add_levels(struct timeline_loudness *loudness, const struct timeline *timeline,
	int64_t at_ns, const Uxrec__SoundLevels *levels)
{
	int64_t from_ns = at_ns - timeline->begin_ns;
	size_t steps = levels->rms.len;

	/* invalid message */
	if (levels->peak.len != steps || steps > LEVEL_STEPS || from_ns < 0)
		return 0;
	if (make_room(loudness, timeline) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < steps; i++) {
		size_t number =
			(size_t)((from_ns + (int64_t)i * LEVEL_STEP_NS) / SESSION_LEVELS_SPAN_NS);
		struct loudness_bin *bin;

		if (number >= loudness->count)
			break;
		bin = &loudness->bins[number];
		if (levels->peak.data[i] < bin->peak)
			bin->peak = levels->peak.data[i];
		bin->power += loudness->power_of[levels->rms.data[i]];
		bin->steps++;
	}
	return 0;
}

static uint8_t level_of(const struct loudness_bin *bin)
{
	double level;

	if (!(bin->power > 0))
		return LEVEL_NOTHING;
	level = round(-20 * log10(bin->power / bin->steps));
	return level < LEVEL_NOTHING - 1 ? (uint8_t)fmax(level, 0) : LEVEL_NOTHING - 1;
}

int timeline_put_loudness(struct timeline *timeline, const struct timeline_loudness *loudness,
	const struct session *session)
{
	_cleanup_(bleeps_finish) struct bleeps bleeps = {0};

	if (!loudness->bins)
		return 0;
	timeline->sound_peak = malloc(loudness->count);
	timeline->sound_rms = malloc(loudness->count);
	if (!timeline->sound_peak || !timeline->sound_rms || bleeps_collect(&bleeps, session) < 0)
		return -ENOMEM;
	timeline->sound_count = loudness->count;
	for (size_t i = 0; i < timeline->sound_count; i++) {
		int64_t from_ns = timeline->begin_ns + (int64_t)i * SESSION_LEVELS_SPAN_NS;
		bool bleeped = bleeps_touch(&bleeps, from_ns, from_ns + SESSION_LEVELS_SPAN_NS);

		timeline->sound_peak[i] = bleeped ? LEVEL_NOTHING : loudness->bins[i].peak;
		timeline->sound_rms[i] = bleeped ? LEVEL_NOTHING : level_of(&loudness->bins[i]);
	}
	return 0;
}

void timeline_loudness_finish(struct timeline_loudness *loudness)
{
	free(loudness->bins);
	*loudness = (struct timeline_loudness){0};
}
