#pragma once

#include "protocol/input.pb-c.h"
#include "protocol/session.pb-c.h"
#include "replay/session/screen_gaps.h"
#include "replay/session/session.h"

/* codes of keyboards are below it */
#define TIMELINE_LABELS 256

/* Layouts of a session that are kept: more differ from each other in no honest one. */
#define TIMELINE_LAYOUTS 64

/* What is on its keys, by code; "" where nothing was recorded. */
struct timeline_layout {
	char labels[TIMELINE_LABELS][32];
};

/**
 * What happened in a session, event by event, in the order of time: the raw material of the event
 * list, the lanes and the metrics. All times are session times.
 */
struct timeline {
	int64_t begin_ns, end_ns;

	struct timeline_press { /* of a button or a key, or one step of a wheel */
		int64_t at_ns;
		enum {
			PRESS_BUTTON,
			PRESS_KEY,
			PRESS_WHEEL,
		} kind;
		uint8_t which; /* button: 1 left, 2 middle, 3 right, 4 and up others; key: KeyClass */
		uint16_t code;  /* key: its Linux code where it was recorded, else 0 */
		uint8_t layout; /* key: index of layouts plus one; 0: no labels */
		int32_t x, y;   /* button: where the pointer was, -1 when not known */
		/* button: what was clicked, index of objects plus one; 0: not known */
		uint32_t object;
	} * presses;
	size_t press_count, press_capacity;

	Uxrec__ClickedObject **objects;
	size_t object_count, object_capacity;

	struct timeline_picture {
		int64_t at_ns;
		uint32_t bytes;
	} * pictures;
	size_t picture_count, picture_capacity;

	struct timeline_note { /* a shortcut, or a change of the policy for keys */
		int64_t at_ns;
		bool is_policy;
		char text[48];
	} * notes;
	size_t note_count, note_capacity;

	struct timeline_layout *layouts; /* all that had labels, each once */
	size_t layout_count, layout_capacity;
	uint8_t layout; /* while it is read: as in a press, the one that holds */

	struct timeline_span { /* keys were not recorded, by the policy; to INT64_MAX: to the end */
		int64_t from_ns, to_ns;
	} * silences;
	size_t silence_count, silence_capacity;

	Uxrec__Gap **gaps;
	size_t gap_count, gap_capacity;
	struct screen_gaps screen_gaps;

	struct timeline_motion { /* the pointer or another control was moved, without a second's rest */
		int64_t from_ns, to_ns;
	} * motions;
	size_t motion_count, motion_capacity;

	/* how loud the microphone was, in steps of SESSION_LEVELS_SPAN_NS from begin_ns on, as bytes of
	 * SoundLevels: 255 where there is nothing or a bleep; NULL: no sound */
	uint8_t *sound_peak, *sound_rms;
	size_t sound_count;

	bool has_transcript;
	bool keys_recorded;   /* false: nothing is known about keys, which is not "none" */
	bool clicks_recorded; /* the same for buttons */
};

/** Read a session. @return 0 (freed by timeline_destroy()) or a negative errno */
int timeline_create(struct timeline **ret, const struct session *session);
void timeline_destroy(struct timeline *timeline);
DEFINE_DESTROY(timeline);

/** How many presses of a kind lie in [from, to). */
uint32_t timeline_count(const struct timeline *timeline, int kind, int64_t from_ns, int64_t to_ns);

/**
 * Whether in some of [from, to) no presses of a kind were recorded: in a gap, or keys where the policy allowed
 * none. Then that none are there does not mean that there were none.
 */
bool timeline_lacks(const struct timeline *timeline, int kind, int64_t from_ns, int64_t to_ns);

/** As a page wants it: presses in runs. @return freed with …free_unpacked(), or NULL */
Uxrec__Timeline *timeline_to_message(const struct timeline *timeline);
