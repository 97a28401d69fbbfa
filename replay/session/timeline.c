#include "replay/session/timeline_internal.h"

#include "protocol/base/array.h"
#include "protocol/base/bisect.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/input.pb-c.h"
#include "protocol/limits.h"
#include "protocol/message_patch.h"
#include "protocol/name.h"
#include "protocol/screen.pb-c.h"
#include "replay/session/transcript.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * Tolerance between a click read by evdev and its object: the click has the kernel's clock, to the microsecond, the
 * object the X server's, which has whole milliseconds and is a little later.
 */
#define SAME_CLICK_NS (25 * NS_PER_MS)

struct position {
	int64_t at_ns;
	size_t number; /* order of positions at the same time: the newest counts */
	int32_t x, y;
};

struct builder {
	bool keyboard_seen, keys_agreed;
	const char *hidden; /* reason why keys are unknown; NULL: known */
	struct timeline *timeline;
	struct position *positions;
	size_t position_count;
	int64_t *object_ns;   /* click time of each object */
	int64_t unchanged_ns; /* time of the last unchanged refresh */

	struct timeline_loudness loudness;
};

static int add_press(struct timeline *timeline, int64_t at_ns, int kind, int which)
{
	if (!array_grow(timeline->presses, timeline->press_count))
		return -ENOMEM;
	timeline->presses[timeline->press_count++] = (struct timeline_press){
		.at_ns = at_ns, .kind = kind, .which = (uint8_t)which, .x = -1, .y = -1};
	return 0;
}

/* ---- reading ---- */

/* Upper bound on keys that a hand can press in 250 ms. */
#define KEY_COUNT_LIMIT 10000

/* A batch spans at most 250 ms (SESSION_BATCH_SPAN_NS); much longer ones are invalid. */
static bool times_are_sound(size_t count, const uint32_t *dt_us)
{
	uint64_t span_us = 0;

	for (size_t i = 0; i < count; i++)
		span_us += dt_us[i];
	return span_us <= 10 * 1000000;
}

static int handle_controls(
	struct timeline *timeline, int64_t at_ns, const Uxrec__ControlBatch *batch)
{
	size_t count = batch->n_dt_us;
	bool found = false; /* initial states are no user input */
	int r = 0;

	timeline->clicks_recorded = true;
	if (batch->n_control != count || batch->n_value != count ||
		!times_are_sound(count, batch->dt_us))
		return 0;
	for (size_t i = 0; i < count && r == 0; i++) {
		int control = batch->control[i], value = batch->value[i];

		at_ns += batch->dt_us[i] * NS_PER_US;
		if (control == UXREC__CONTROL__CONTROL_FOUND ||
			control == UXREC__CONTROL__CONTROL_FRAME)
			found = control == UXREC__CONTROL__CONTROL_FOUND;
		if (found)
			continue;
		if (control != UXREC__CONTROL__CONTROL_FRAME)
			r = timeline_add_motion(timeline, at_ns);
		if (r < 0)
			return r;
		if (control >= UXREC__CONTROL__CONTROL_BUTTON_LEFT &&
			control <= UXREC__CONTROL__CONTROL_BUTTON_TASK && value == 1) {
			/* X11 numbering: 1 left, 2 middle, 3 right */
			static const uint8_t numbers[] = {1, 3, 2, 4, 5, 6, 7, 8};

			r = add_press(timeline, at_ns, PRESS_BUTTON,
				numbers[control - UXREC__CONTROL__CONTROL_BUTTON_LEFT]);
		} else if (control == UXREC__CONTROL__CONTROL_TOUCH && value == 1) {
			r = add_press(timeline, at_ns, PRESS_BUTTON, 1);
		} else if (control == UXREC__CONTROL__CONTROL_WHEEL ||
			control == UXREC__CONTROL__CONTROL_HWHEEL) {
			r = add_press(timeline, at_ns, PRESS_WHEEL, 0);
		}
	}
	return r;
}

static int handle_key_classes(
	struct timeline *timeline, int64_t at_ns, const Uxrec__KeyClassBatch *batch)
{
	size_t count = batch->n_dt_us;
	int r = 0;

	timeline->keys_recorded = true;
	if (batch->n_key_class != count || batch->n_action != count ||
		!times_are_sound(count, batch->dt_us))
		return 0;
	for (size_t i = 0; i < count && r == 0; i++) {
		int key_class = batch->key_class[i];

		at_ns += batch->dt_us[i] * NS_PER_US;
		if (batch->action[i] == UXREC__KEY_ACTION__KEY_ACTION_PRESS && key_class > 0 &&
			key_class <= UXREC__KEY_CLASS__KEY_CLASS_MEDIA)
			r = add_press(timeline, at_ns, PRESS_KEY, key_class);
	}
	return r;
}

static int handle_keys(struct timeline *timeline, int64_t at_ns, const Uxrec__KeyBatch *batch)
{
	size_t count = batch->n_dt_us;
	int r = 0;

	timeline->keys_recorded = true;
	if (batch->n_code != count || batch->n_action != count ||
		!times_are_sound(count, batch->dt_us))
		return 0;
	for (size_t i = 0; i < count && r == 0; i++) {
		at_ns += batch->dt_us[i] * NS_PER_US;
		if (batch->action[i] != UXREC__KEY_ACTION__KEY_ACTION_PRESS)
			continue;
		r = add_press(timeline, at_ns, PRESS_KEY, 0);
		if (r < 0)
			break;
		timeline->presses[timeline->press_count - 1].code = (uint16_t)batch->code[i];
		timeline->presses[timeline->press_count - 1].layout = timeline->layout;
	}
	return r;
}

/* ---- labels ---- */

/* Copies valid UTF-8 only, up to the last character that fits. */
static void copy_label(char *to, size_t size_bytes, const char *text)
{
	size_t at = 0;

	while (*text) {
		uint32_t point;
		size_t length = utf8_decode(text, &point);

		if (at + length >= size_bytes)
			break;
		memcpy(to + at, text, length);
		at += length;
		text += length ? length : 1;
	}
	to[at] = '\0';
}

/* Layout of the keys from here on. */
static int handle_layout(struct timeline *timeline, const Uxrec__KeyboardLayout *layout)
{
	struct timeline_layout *taken;
	size_t at = 0;

	timeline->layout = 0;
	if (layout->n_labels == 0 || timeline->layout_count == TIMELINE_LAYOUTS)
		return 0;
	if (!array_grow(timeline->layouts, timeline->layout_count))
		return -ENOMEM;
	taken = &timeline->layouts[timeline->layout_count];
	*taken = (struct timeline_layout){0};
	for (size_t i = 0; i < layout->n_labels; i++)
		if (layout->labels[i]->code < TIMELINE_LABELS)
			copy_label(taken->labels[layout->labels[i]->code], sizeof(*taken->labels),
				layout->labels[i]->text);
	/* layouts repeat as groups are switched */
	while (memcmp(&timeline->layouts[at], taken, sizeof(*taken)) != 0)
		at++;
	if (at == timeline->layout_count)
		timeline->layout_count++;
	timeline->layout = (uint8_t)(at + 1);
	return 0;
}

const char *timeline_label(const struct timeline *timeline, uint8_t layout, uint32_t code)
{
	const char *label =
		layout && code < TIMELINE_LABELS ? timeline->layouts[layout - 1].labels[code] : "";

	return *label ? label : "?";
}

static int add_note(struct timeline *timeline, int64_t at_ns, bool is_policy, const char *text)
{
	struct timeline_note *note;

	if (!array_grow(timeline->notes, timeline->note_count))
		return -ENOMEM;
	note = &timeline->notes[timeline->note_count++];
	*note = (struct timeline_note){.at_ns = at_ns, .is_policy = is_policy};
	utf8_copy(note->text, sizeof(note->text), text);
	return 0;
}

#define SHORTCUT_LETTERS 16 /* in bytes */

static int handle_shortcuts(
	struct timeline *timeline, int64_t at_ns, const Uxrec__ShortcutBatch *batch)
{
	static const char *const names[] = {"Shift+", "Ctrl+", "Alt+", "Super+"};
	static const unsigned order[] = {3, 1, 2, 0};
	int r = 0;

	if (batch->n_code != batch->n_modifiers || batch->n_code != batch->n_dt_us)
		return 0;
	for (size_t i = 0; i < batch->n_code && r == 0; i++) {
		char text[32 + SHORTCUT_LETTERS] = "";

		for (size_t m = 0; m < ARRAY_SIZE(order); m++)
			if (batch->modifiers[i] >> order[m] & 1)
				strcat(text, names[order[m]]);
		copy_label(text + strlen(text), SHORTCUT_LETTERS + 1,
			timeline_label(timeline, timeline->layout, batch->code[i]));
		r = add_note(timeline, at_ns, false, text);
	}
	return r;
}

#define PASSWORD_NOTE  "password field: keys are not recorded"
#define UNWATCHED_NOTE "focus not known: keys are not recorded"

/* Begin, continue or end the span in which the policy forbids recording keys. */
static int update_silence(struct timeline *timeline, int64_t at_ns, bool none)
{
	struct timeline_span *last =
		timeline->silence_count ? &timeline->silences[timeline->silence_count - 1] : NULL;
	bool is_open = last && last->to_ns == INT64_MAX;

	if (is_open && !none)
		last->to_ns = at_ns;
	if (is_open || !none)
		return 0;
	if (!array_grow(timeline->silences, timeline->silence_count))
		return -ENOMEM;
	timeline->silences[timeline->silence_count++] = (struct timeline_span){at_ns, INT64_MAX};
	return 0;
}

static int handle_key_policy(struct builder *builder, int64_t at_ns, const Uxrec__KeyPolicy *policy)
{
	bool none = policy->level <= UXREC__KEY_POLICY__LEVEL__LEVEL_NONE;
	const char *before = builder->hidden;
	int r = update_silence(builder->timeline, at_ns, none);

	if (r < 0)
		return r;
	switch (policy->reason) {
	case UXREC__KEY_POLICY__REASON__REASON_PASSWORD: builder->hidden = PASSWORD_NOTE; break;
	case UXREC__KEY_POLICY__REASON__REASON_UNWATCHED:
		builder->hidden = none ? UNWATCHED_NOTE : NULL;
		break;
	default: builder->hidden = NULL;
	}
	/* in the first second the first answer may be pending */
	if (before == builder->hidden || at_ns - builder->timeline->begin_ns < NS_PER_S)
		return 0;
	return add_note(builder->timeline, at_ns, true,
		builder->hidden ? builder->hidden : "keys are recorded again");
}

/* The count has neither keys nor exact times: spread evenly. */
static int handle_key_count(struct timeline *timeline, int64_t at_ns, const Uxrec__KeyCount *count)
{
	int r = 0;

	timeline->keys_recorded = true;
	if (count->presses > KEY_COUNT_LIMIT)
		return 0;
	for (uint32_t i = 0; i < count->presses && r == 0; i++)
		r = add_press(timeline, at_ns + (int64_t)i * SESSION_BATCH_SPAN_NS / count->presses,
			PRESS_KEY, 0);
	return r;
}

/* The initial position after start or resume is no motion. */
static bool has_moved(const struct builder *builder)
{
	const struct position *last = &builder->positions[builder->position_count - 1];

	return builder->position_count > 1 && (last->x != last[-1].x || last->y != last[-1].y);
}

static int handle_positions(
	struct builder *builder, int64_t at_ns, const Uxrec__PointerBatch *batch)
{
	size_t count = batch->n_dt_us;

	if (batch->n_x_px != count || batch->n_y_px != count ||
		!times_are_sound(count, batch->dt_us))
		return 0;
	for (size_t i = 0; i < count; i++) {
		at_ns += batch->dt_us[i] * NS_PER_US;
		if (!array_grow(builder->positions, builder->position_count))
			return -ENOMEM;
		builder->positions[builder->position_count] = (struct position){
			at_ns, builder->position_count, batch->x_px[i], batch->y_px[i]};
		builder->position_count++;
		if (has_moved(builder) && timeline_add_motion(builder->timeline, at_ns) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int add_gap(struct timeline *timeline, const Uxrec__Gap *gap)
{
	Uxrec__Gap *copy;

	if (!array_grow(timeline->gaps, timeline->gap_count))
		return -ENOMEM;
	copy = (Uxrec__Gap *)message_copy(&gap->base);
	if (!copy)
		return -ENOMEM;
	timeline->gaps[timeline->gap_count++] = copy;
	return 0;
}

static int add_withheld_gap(void *user, const Uxrec__Gap *gap)
{
	return add_gap(user, gap);
}

static int add_object(struct builder *builder, const struct reader_message *message,
	const Uxrec__ClickedObject *object)
{
	struct timeline *timeline = builder->timeline;
	Uxrec__ClickedObject *copy;

	if (!array_grow(timeline->objects, timeline->object_count) ||
		!array_grow(builder->object_ns, timeline->object_count))
		return -ENOMEM;
	copy = (Uxrec__ClickedObject *)message_copy(&object->base);
	if (!copy)
		return -ENOMEM;
	builder->object_ns[timeline->object_count] = message->time_ns;
	timeline->objects[timeline->object_count++] = copy;
	return 0;
}

static int handle_device(struct builder *builder, const Uxrec__InputDevice *device)
{
	builder->timeline->clicks_recorded |= device->pointer || device->touch;
	builder->keyboard_seen |= device->keyboard;
	return 0;
}

static int handle_event(struct builder *builder, const Uxrec__SessionEvent *event)
{
	if (event->kind == UXREC__SESSION_EVENT__KIND__KIND_STARTED)
		for (size_t i = 0; i < event->n_modalities; i++)
			if (strcmp(event->modalities[i], "input") == 0)
				builder->keys_agreed = strcmp(event->keys, "none") != 0;
	return 0;
}

/* ---- pictures ---- */

/* A time at which the screen changed, in the video or in patches; unchanged refreshes do not count. */
static int handle_picture(struct builder *builder, const struct reader_message *message,
	const Uxrec__ScreenPatches *patches)
{
	struct timeline *timeline = builder->timeline;
	size_t count = timeline->picture_count;

	if (patches && patches->unchanged)
		builder->unchanged_ns = message->time_ns;
	if (count > 0 && builder->unchanged_ns == message->time_ns)
		return 0;
	if (count > 0 && timeline->pictures[count - 1].at_ns == message->time_ns) {
		timeline->pictures[count - 1].bytes += (uint32_t)message->data.size_bytes;
		return 0;
	}
	if (!array_grow(timeline->pictures, timeline->picture_count))
		return -ENOMEM;
	timeline->pictures[timeline->picture_count++] =
		(struct timeline_picture){message->time_ns, (uint32_t)message->data.size_bytes};
	return 0;
}

static int handle_message(
	void *user, const struct reader_message *message, const ProtobufCMessage *unpacked)
{
	struct builder *builder = user;
	struct timeline *timeline = builder->timeline;

	switch (message->channel->known) {
	case CHANNEL_EVENTS: return handle_event(builder, (const void *)unpacked);
	case CHANNEL_INPUT_DEVICES: return handle_device(builder, (const void *)unpacked);
	case CHANNEL_CONTROLS:
		return handle_controls(timeline, message->time_ns, (const void *)unpacked);
	case CHANNEL_KEY_CLASSES:
		return handle_key_classes(timeline, message->time_ns, (const void *)unpacked);
	case CHANNEL_KEYS: return handle_keys(timeline, message->time_ns, (const void *)unpacked);
	case CHANNEL_SHORTCUTS:
		return handle_shortcuts(timeline, message->time_ns, (const void *)unpacked);
	case CHANNEL_KEYBOARD_LAYOUT: return handle_layout(timeline, (const void *)unpacked);
	case CHANNEL_KEY_POLICY:
		return handle_key_policy(builder, message->time_ns, (const void *)unpacked);
	case CHANNEL_KEY_COUNTS:
		return handle_key_count(timeline, message->time_ns, (const void *)unpacked);
	case CHANNEL_POINTER:
		return handle_positions(builder, message->time_ns, (const void *)unpacked);
	case CHANNEL_CLICKED: return add_object(builder, message, (const void *)unpacked);
	case CHANNEL_GAPS: return add_gap(timeline, (const void *)unpacked);
	case CHANNEL_SOUND_LEVELS:
		return timeline_add_levels(
			&builder->loudness, timeline, message->time_ns, (const void *)unpacked);
	case CHANNEL_SCREEN: return handle_picture(builder, message, NULL);
	case CHANNEL_SCREEN_PATCHES:
		return handle_picture(builder, message, (const void *)unpacked);
	default: return 0;
	}
}

/* ---- assembly ---- */

static int press_compare(const void *a, const void *b)
{
	const struct timeline_press *x = a, *y = b;

	return x->at_ns < y->at_ns ? -1 : x->at_ns > y->at_ns;
}

static int position_compare(const void *a, const void *b)
{
	const struct position *x = a, *y = b;

	if (x->at_ns != y->at_ns)
		return x->at_ns < y->at_ns ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

/* Batches of two devices overlap by a few milliseconds: sort, then assign each click a position. */
static void place_presses(struct builder *builder)
{
	struct timeline *timeline = builder->timeline;
	size_t next = 0;

	if (timeline->press_count > 1)
		qsort(timeline->presses, timeline->press_count, sizeof(*timeline->presses),
			press_compare);
	if (builder->position_count > 1)
		qsort(builder->positions, builder->position_count, sizeof(*builder->positions),
			position_compare);
	for (size_t i = 0; i < timeline->press_count; i++) {
		struct timeline_press *press = &timeline->presses[i];

		while (next < builder->position_count &&
			builder->positions[next].at_ns <= press->at_ns)
			next++;
		if (press->kind == PRESS_BUTTON && next > 0) {
			press->x = builder->positions[next - 1].x;
			press->y = builder->positions[next - 1].y;
		}
	}
}

/* The press nearest in time without an object. The clicks of a double click are at least 50 ms apart. */
static void place_object(struct timeline *timeline, uint32_t object, int64_t at_ns)
{
	struct timeline_press *nearest = NULL;
	size_t at = bisect(
		timeline->press_count, i, timeline->presses[i].at_ns < at_ns - SAME_CLICK_NS);

	for (; at < timeline->press_count; at++) {
		struct timeline_press *press = &timeline->presses[at];

		if (press->at_ns > at_ns + SAME_CLICK_NS)
			break;
		if (press->kind == PRESS_BUTTON && press->object == 0 &&
			(!nearest || llabs(press->at_ns - at_ns) < llabs(nearest->at_ns - at_ns)))
			nearest = press;
	}
	if (nearest)
		nearest->object = object + 1;
}

static void place_objects(struct builder *builder)
{
	for (size_t i = 0; i < builder->timeline->object_count; i++)
		place_object(builder->timeline, (uint32_t)i, builder->object_ns[i]);
}

int timeline_create(struct timeline **ret, const struct session *session)
{
	_destroy_(timeline) struct timeline *timeline = calloc(1, sizeof(*timeline));
	struct builder builder = {.timeline = timeline};
	int r;

	if (!timeline)
		return -ENOMEM;
	session_span(session, &timeline->begin_ns, &timeline->end_ns);
	r = session_each(session, INT64_MIN, INT64_MAX,
		UINT64_C(1) << CHANNEL_EVENTS | UINT64_C(1) << CHANNEL_INPUT_DEVICES |
			UINT64_C(1) << CHANNEL_CONTROLS | UINT64_C(1) << CHANNEL_KEY_CLASSES |
			UINT64_C(1) << CHANNEL_KEYS | UINT64_C(1) << CHANNEL_KEY_COUNTS |
			UINT64_C(1) << CHANNEL_SHORTCUTS | UINT64_C(1) << CHANNEL_KEY_POLICY |
			UINT64_C(1) << CHANNEL_KEYBOARD_LAYOUT | UINT64_C(1) << CHANNEL_POINTER |
			UINT64_C(1) << CHANNEL_GAPS | UINT64_C(1) << CHANNEL_CLICKED |
			UINT64_C(1) << CHANNEL_SCREEN | UINT64_C(1) << CHANNEL_SCREEN_PATCHES |
			UINT64_C(1) << CHANNEL_SOUND_LEVELS,
		handle_message, &builder);
	if (r == 0 && session->reader)
		r = session_reader_each_withheld(session->reader, add_withheld_gap, timeline);
	/* a count of zero is known only with a keyboard whose keys were read */
	timeline->keys_recorded |= builder.keyboard_seen && builder.keys_agreed;
	if (r == 0) {
		place_presses(&builder);
		place_objects(&builder);
	}
	if (r == 0)
		r = timeline_put_loudness(timeline, &builder.loudness, session);
	timeline_join_motions(timeline);
	if (r == 0 && session->reader)
		r = screen_gaps_collect(&timeline->screen_gaps, session->reader);
	timeline->has_transcript =
		session_allows(session, MODALITY_SOUND) && transcript_exists(session->folder);
	free(builder.positions);
	free(builder.object_ns);
	timeline_loudness_finish(&builder.loudness);
	if (r < 0)
		return r;
	*ret = steal_ptr(timeline);
	return 0;
}

void timeline_destroy(struct timeline *timeline)
{
	if (!timeline)
		return;
	for (size_t i = 0; i < timeline->gap_count; i++)
		uxrec__gap__free_unpacked(timeline->gaps[i], NULL);
	free(timeline->gaps);
	for (size_t i = 0; i < timeline->object_count; i++)
		uxrec__clicked_object__free_unpacked(timeline->objects[i], NULL);
	free(timeline->objects);
	free(timeline->presses);
	free(timeline->notes);
	free(timeline->layouts);
	free(timeline->silences);
	free(timeline->pictures);
	free(timeline->motions);
	screen_gaps_finish(&timeline->screen_gaps);
	free(timeline->sound_peak);
	free(timeline->sound_rms);
	free(timeline);
}

static bool gap_is_of(const Uxrec__Gap *gap, int kind)
{
	const char *topic = kind == PRESS_KEY ? "/input/keys" : "/input/controls";

	for (size_t i = 0; i < gap->n_topics; i++)
		if (strcmp(gap->topics[i], "/input") == 0 ||
			strncmp(gap->topics[i], topic, strlen(topic)) == 0)
			return true;
	return gap->n_topics == 0;
}

bool timeline_lacks(const struct timeline *timeline, int kind, int64_t from_ns, int64_t to_ns)
{
	for (size_t i = 0; kind == PRESS_KEY && i < timeline->silence_count; i++)
		if (timeline->silences[i].from_ns < to_ns && timeline->silences[i].to_ns > from_ns)
			return true;
	for (size_t i = 0; i < timeline->gap_count; i++) {
		const Uxrec__Gap *gap = timeline->gaps[i];

		/* to is 0 when still missing at the end */
		if (gap->from_ns < to_ns && (gap->to_ns == 0 || gap->to_ns > from_ns) &&
			gap_is_of(gap, kind))
			return true;
	}
	return false;
}

uint32_t timeline_count(const struct timeline *timeline, int kind, int64_t from_ns, int64_t to_ns)
{
	uint32_t count = 0;

	for (size_t i = 0; i < timeline->press_count; i++)
		count += (int)timeline->presses[i].kind == kind &&
			timeline->presses[i].at_ns >= from_ns && timeline->presses[i].at_ns < to_ns;
	return count;
}
