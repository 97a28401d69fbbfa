#pragma once

#include "protocol/input.pb-c.h"
#include "protocol/session.pb-c.h"
#include "replay/session/screen_gaps.h"
#include "replay/session/session.h"

/* exceeds all codes of keyboards */
#define TIMELINE_LABELS 256

/* Limit of distinct layouts in a session, above any legitimate number. */
#define TIMELINE_LAYOUTS 64

/* Key labels by code; "" when not recorded. */
struct timeline_layout {
	char labels[TIMELINE_LABELS][32];
};

/**
 * The events of a session in the order of time: the input of the event list, the lanes and the metrics. All times are
 * session times.
 */
struct timeline {
	int64_t begin_ns, end_ns;

	struct timeline_press { /* a button or key press, or one step of a wheel */
		int64_t at_ns;
		enum {
			PRESS_BUTTON,
			PRESS_KEY,
			PRESS_WHEEL,
		} kind;
		uint8_t which; /* button: 1 left, 2 middle, 3 right, from 4 others; key: KeyClass */
		uint16_t code; /* key: Linux code when recorded, else 0 */
		uint8_t layout; /* key: index of layouts plus one; 0: no labels */
		int32_t x, y;   /* button: pointer position, -1 when unknown */
		/* button: clicked object, index of objects plus one; 0: unknown */
		uint32_t object;
	} * presses;
	size_t press_count;

	Uxrec__ClickedObject **objects;
	size_t object_count;

	struct timeline_picture {
		int64_t at_ns;
		uint32_t bytes;
	} * pictures;
	size_t picture_count;

	struct timeline_note { /* a shortcut, or a change of the key policy */
		int64_t at_ns;
		bool is_policy;
		char text[48];
	} * notes;
	size_t note_count;

	struct timeline_layout *layouts; /* distinct layouts with labels */
	size_t layout_count;
	uint8_t layout; /* current layout while reading, encoded as in a press */

	struct timeline_span { /* keys not recorded, by policy; to INT64_MAX: until the end */
		int64_t from_ns, to_ns;
	} * silences;
	size_t silence_count;

	Uxrec__Gap **gaps;
	size_t gap_count;
	struct screen_gaps screen_gaps;

	struct timeline_motion { /* motion of the pointer or another control, rests below 1 s */
		int64_t from_ns, to_ns;
	} * motions;
	size_t motion_count;

	/*
	 * loudness of the microphone, in steps of SESSION_LEVELS_SPAN_NS from begin_ns on, as bytes of SoundLevels:
	 * 255 for silence or a bleep; NULL: no sound
	 */
	uint8_t *sound_peak, *sound_rms;
	size_t sound_count;

	bool has_transcript;
	bool keys_recorded;   /* false: keys are unknown, as opposed to none */
	bool clicks_recorded; /* likewise for buttons */
};

/** Read a session. @return 0 (freed by timeline_destroy()) or a negative errno */
int timeline_create(struct timeline **ret, const struct session *session);
void timeline_destroy(struct timeline *timeline);
DEFINE_DESTROY(timeline);

/** Count the presses of a kind in [from, to). */
uint32_t timeline_count(const struct timeline *timeline, int kind, int64_t from_ns, int64_t to_ns);

/**
 * True when presses of a kind were not recorded in part of [from, to): in a gap, or keys where the policy forbids
 * them. Then a count of zero does not mean that there were none.
 */
bool timeline_lacks(const struct timeline *timeline, int kind, int64_t from_ns, int64_t to_ns);

/** Convert for a page, with presses grouped in runs. @return freed with …free_unpacked(), or NULL */
Uxrec__Timeline *timeline_to_message(const struct timeline *timeline);
