#pragma once

#include "protocol/base/buf.h"
#include "protocol/base/cleanup.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * Content of one chunk of a session file: packets of a single modality, so that a modality or a
 * span of it can be erased.
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

/**
 * @return the modality named in a channel's metadata (pairs of MCAP strings), or MODALITY_SESSION
 *         when it names none of ours
 */
enum modality modality_of_metadata(struct view pairs);

/** The channels of a session; the value is the id in the file. Described in FORMAT.md. */
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
	CHANNEL_MONITOR_INFO, /* playback of the machine; as the sound */
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

/* Reserved numbers: camera, lower resolutions, thumbnails and further microphones; see
 * FORMAT.md. */
#define CHANNEL_RESERVED_BEGIN 27
#define CHANNEL_RESERVED_END   45 /* one past the last; next free number */
_Static_assert(
	CHANNEL_END <= CHANNEL_RESERVED_BEGIN, "the next free number is CHANNEL_RESERVED_END");

/** Static properties of a channel. */
struct channel_kind {
	const char *topic;
	const char *schema; /* full name of its protobuf message */
	enum modality modality;
	/* A client that joins or seeks first gets the newest message at or before that time. */
	bool latched;
};

/** @return the kind, or NULL when @p id is not in enum channel_id */
const struct channel_kind *channel_kind_get(uint16_t id);

/** True for inter-coded channels: after a loss, skip to the next keyframe. */
static inline bool channel_is_picture(uint16_t id)
{
	return id == CHANNEL_SCREEN || id == CHANNEL_SCREEN_PATCHES;
}

/**
 * @return the longest time covered by a message of a channel, from its own time on; 1 for
 *         instantaneous messages. For pictures use session_reader_shown_until()
 */
int64_t channel_span_ns(uint16_t id);

/** @return the id, or 0 for an unknown topic */
uint16_t channel_find(const char *topic);

/**
 * Clock and sequence counters of one running session, shared by all producers of its packets.
 * Session time is CLOCK_MONOTONIC plus a fixed offset: it reads as UTC at the start and is not
 * affected by steps of the wall clock.
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
