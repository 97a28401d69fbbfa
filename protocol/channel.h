#pragma once

#include "protocol/base/buf.h"
#include "protocol/base/cleanup.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * What one chunk of a session file holds: packets of one modality, so that a modality or a span of
 * it can be erased.
 */
enum modality {
	MODALITY_SESSION, /* clocks, gaps, events of the recording, acts, the study */
	MODALITY_SCREEN,
	MODALITY_INPUT,
	MODALITY_SOUND,
	MODALITY_COUNT,
};

/** @return "session", "screen", "input", "sound"; the value of a channel's metadata key "modality" */
const char *modality_name(enum modality modality);

/** @return the modality of that name, or -1 */
int modality_find(const char *name);

/** @return the modality that a channel's metadata (pairs of MCAP strings) names, or that of the
 * session when it names none of ours */
enum modality modality_of_metadata(struct view pairs);

/** The channels of a session; the value is the id in the file. FORMAT.md describes each. */
enum channel_id {
	CHANNEL_STUDY = 1,
	CHANNEL_EVENTS,
	CHANNEL_CLOCK,
	CHANNEL_GAPS,
	CHANNEL_ACTS,
	CHANNEL_SCREEN_INFO,
	CHANNEL_SCREEN_KEYFRAMES,
	CHANNEL_SCREEN,
	CHANNEL_POINTER,
	CHANNEL_POINTER_SHAPE,
	CHANNEL_INPUT_DEVICES,
	CHANNEL_CONTROLS,
	CHANNEL_KEY_CLASSES,
	CHANNEL_KEYS,
	CHANNEL_SOUND_INFO,
	CHANNEL_SOUND,
	CHANNEL_SOUND_LEVELS,
	CHANNEL_MONITOR_INFO, /* what the machine plays, as the sound */
	CHANNEL_MONITOR,
	CHANNEL_MONITOR_LEVELS,
	CHANNEL_KEY_POLICY,
	CHANNEL_KEY_COUNTS,
	CHANNEL_SHORTCUTS,
	CHANNEL_KEYBOARD_LAYOUT,
	CHANNEL_CLICKED,
	CHANNEL_SCREEN_PATCHES,
	CHANNEL_END, /* one past the last */
};

/* Numbers that are reserved: of camera, lower resolutions, thumbnails and further microphones, as in FORMAT.md. */
#define CHANNEL_RESERVED_BEGIN 27
#define CHANNEL_RESERVED_END   45 /* one past the last: the next free one */
_Static_assert(
	CHANNEL_END <= CHANNEL_RESERVED_BEGIN, "the next free number is CHANNEL_RESERVED_END");

/** What never changes about a channel. */
struct channel_kind {
	const char *topic;
	const char *schema; /* full name of its protobuf message */
	enum modality modality;
	/* Who joins or seeks is given the newest message at or before that time first. */
	bool latched;
};

/** @return the kind, or NULL when @p id is none of enum channel_id */
const struct channel_kind *channel_kind_get(uint16_t id);

/** Whether what a keyframe begins is made of its messages: who loses one waits for the next keyframe. */
static inline bool channel_is_picture(uint16_t id)
{
	return id == CHANNEL_SCREEN || id == CHANNEL_SCREEN_PATCHES;
}

/** @return the longest time that a message of a channel covers, from its own time on; of a moment 1. Of pictures
 *  see session_reader_shown_until(). */
int64_t channel_span_ns(uint16_t id);

/** @return the id, or 0 when no channel has that topic */
uint16_t channel_find(const char *topic);

/**
 * The clock and the counters of one running session, shared by all who make packets for it.
 * Session time is CLOCK_MONOTONIC plus a fixed offset, so that it reads as UTC at the start and no
 * step of the wall clock ever moves it.
 */
struct session_clock {
	int64_t utc_offset_ns;
	_Atomic uint32_t sequence[CHANNEL_END];
};

/** Start a session's clock now. */
void session_clock_init(struct session_clock *clock);

static inline int64_t session_clock_at(const struct session_clock *clock, int64_t monotonic_ns)
{
	return monotonic_ns + clock->utc_offset_ns;
}
