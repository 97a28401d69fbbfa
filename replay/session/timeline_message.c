#include "replay/session/timeline_internal.h"

#include "protocol/base/array.h"
#include "protocol/base/clock.h"
#include "protocol/message_patch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Presses less than this apart form one run. */
#define RUN_NS NS_PER_S

#define BINS       1000
#define BIN_MIN_MS 250

static bool continues_run(const Uxrec__Timeline__Event *run, const struct timeline_press *press,
	Uxrec__Timeline__Event__Kind kind)
{
	return run && run->kind == kind && kind != UXREC__TIMELINE__EVENT__KIND__KIND_CLICK &&
		press->at_ns - run->end_ns < RUN_NS;
}

static Uxrec__Timeline__Event *new_event(Uxrec__Timeline *message)
{
	Uxrec__Timeline__Event *event = malloc(sizeof(*event));

	if (!event || !array_grow(message->events, message->n_events)) {
		free(event);
		return NULL;
	}
	uxrec__timeline__event__init(event);
	event->by_class = calloc(UXREC__KEY_CLASS__KEY_CLASS_MEDIA + 1, sizeof(*event->by_class));
	message->events[message->n_events++] = event;
	return event;
}

/* Size limit of a run's text. */
#define RUN_TEXT_BYTES 160

/* "hello"; longer labels are separated by spaces: "hello Return" */
static int put_label(Uxrec__Timeline__Event *run, const char *label)
{
	size_t size = strlen(run->text);
	bool is_long = strlen(label) > 4;
	char *text;

	if (size > RUN_TEXT_BYTES)
		return 0;
	if (asprintf(&text, "%s%s%s%s", run->text, is_long && size > 0 ? " " : "", label,
		    is_long ? " " : "") < 0)
		return -ENOMEM;
	if (size > 0)
		free(run->text);
	run->text = text;
	return 0;
}

static int put_notes(const struct timeline *timeline, Uxrec__Timeline *message)
{
	for (size_t i = 0; i < timeline->note_count; i++) {
		Uxrec__Timeline__Event *event = new_event(message);

		if (!event)
			return -ENOMEM;
		event->kind = timeline->notes[i].is_policy
			? UXREC__TIMELINE__EVENT__KIND__KIND_POLICY
			: UXREC__TIMELINE__EVENT__KIND__KIND_SHORTCUT;
		event->at_ns = event->end_ns = timeline->notes[i].at_ns;
		event->x_px = event->y_px = -1;
		event->text = strdup(timeline->notes[i].text);
		if (!event->text)
			return -ENOMEM;
	}
	return 0;
}

/* Empty text keeps the default, which is not freed. */
static int put_text(char **to, const char *text)
{
	char *copy;

	if (!*text)
		return 0;
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	*to = copy;
	return 0;
}

static int put_object(Uxrec__Timeline__Event *event, const Uxrec__ClickedObject *object)
{
	if (put_text(&event->role, object->role) < 0 || put_text(&event->name, object->name) < 0)
		return -ENOMEM;
	return put_text(&event->application, object->application);
}

static int put_events(const struct timeline *timeline, Uxrec__Timeline *message)
{
	static const Uxrec__Timeline__Event__Kind kinds[] = {
		[PRESS_BUTTON] = UXREC__TIMELINE__EVENT__KIND__KIND_CLICK,
		[PRESS_KEY] = UXREC__TIMELINE__EVENT__KIND__KIND_KEYS,
		[PRESS_WHEEL] = UXREC__TIMELINE__EVENT__KIND__KIND_SCROLL,
	};
	Uxrec__Timeline__Event *run = NULL;

	for (size_t i = 0; i < timeline->press_count; i++) {
		const struct timeline_press *press = &timeline->presses[i];

		if (!continues_run(run, press, kinds[press->kind])) {
			run = new_event(message);
			if (!run || !run->by_class)
				return -ENOMEM;
			run->kind = kinds[press->kind];
			run->at_ns = press->at_ns;
			run->x_px = press->x;
			run->y_px = press->y;
			run->button = press->kind == PRESS_BUTTON ? press->which : 0;
			if (press->object &&
				put_object(run, timeline->objects[press->object - 1]) < 0)
				return -ENOMEM;
		}
		run->end_ns = press->at_ns;
		run->count++;
		if (press->kind == PRESS_KEY) {
			run->n_by_class = UXREC__KEY_CLASS__KEY_CLASS_MEDIA + 1;
			run->by_class[press->which]++;
		}
		if (press->code &&
			put_label(run, timeline_label(timeline, press->layout, press->code)) < 0)
			return -ENOMEM;
	}
	return put_notes(timeline, message);
}

static int put_pictures(const struct timeline *timeline, Uxrec__Timeline *message)
{
	int64_t before_ns = timeline->begin_ns;

	message->picture_dt_ns =
		calloc(timeline->picture_count + 1, sizeof(*message->picture_dt_ns));
	if (!message->picture_dt_ns)
		return -ENOMEM;
	message->n_picture_dt_ns = timeline->picture_count;
	for (size_t i = 0; i < timeline->picture_count; i++) {
		message->picture_dt_ns[i] = timeline->pictures[i].at_ns - before_ns;
		before_ns = timeline->pictures[i].at_ns;
	}
	return 0;
}

static int put_activity(const struct timeline *timeline, Uxrec__Timeline *message)
{
	int64_t span_ms = (timeline->end_ns - timeline->begin_ns) / NS_PER_MS + 1;
	int64_t bin_ms = span_ms / BINS < BIN_MIN_MS ? BIN_MIN_MS : span_ms / BINS;
	size_t bins = (size_t)(span_ms / bin_ms + 1);

	message->input_events = calloc(bins, sizeof(uint32_t));
	message->screen_bytes = calloc(bins, sizeof(uint32_t));
	if (!message->input_events || !message->screen_bytes)
		return -ENOMEM;
	message->n_input_events = message->n_screen_bytes = bins;
	message->bin_ms = (uint32_t)bin_ms;
	for (size_t i = 0; i < timeline->press_count; i++) {
		int64_t bin =
			(timeline->presses[i].at_ns - timeline->begin_ns) / NS_PER_MS / bin_ms;

		if (bin >= 0 && (size_t)bin < bins)
			message->input_events[bin]++;
	}
	for (size_t i = 0; i < timeline->picture_count; i++) {
		int64_t bin =
			(timeline->pictures[i].at_ns - timeline->begin_ns) / NS_PER_MS / bin_ms;

		if (bin >= 0 && (size_t)bin < bins)
			message->screen_bytes[bin] += timeline->pictures[i].bytes;
	}
	return 0;
}

static int put_gaps(const struct timeline *timeline, Uxrec__Timeline *message)
{
	message->gaps = calloc(timeline->gap_count + 1, sizeof(*message->gaps));
	if (!message->gaps)
		return -ENOMEM;
	for (size_t i = 0; i < timeline->gap_count; i++) {
		message->gaps[i] = (Uxrec__Gap *)message_copy(&timeline->gaps[i]->base);
		if (!message->gaps[i])
			return -ENOMEM;
		message->n_gaps++;
	}
	return 0;
}

static int put_screen_gaps(const struct timeline *timeline, Uxrec__Timeline *message)
{
	const struct screen_gaps *gaps = &timeline->screen_gaps;

	message->screen_gaps = calloc(gaps->count + 1, sizeof(*message->screen_gaps));
	if (!message->screen_gaps)
		return -ENOMEM;
	for (size_t i = 0; i < gaps->count; i++) {
		const struct screen_gap *gap = &gaps->list[i];
		Uxrec__Timeline__ScreenGap *put = malloc(sizeof(*put));

		if (!put)
			return -ENOMEM;
		uxrec__timeline__screen_gap__init(put);
		message->screen_gaps[message->n_screen_gaps++] = put;
		put->from_ns = gap->from_ns;
		put->to_ns = gap->to_ns == INT64_MAX ? timeline->end_ns + 1 : gap->to_ns;
		put->text = strdup(screen_gap_describe(gap, timeline->begin_ns).text);
		if (!put->text)
			return -ENOMEM;
	}
	return 0;
}

static int put_sound(const struct timeline *timeline, Uxrec__Timeline *message)
{
	if (timeline->sound_count == 0)
		return 0;
	message->sound_peak.data = malloc(timeline->sound_count);
	message->sound_rms.data = malloc(timeline->sound_count);
	if (!message->sound_peak.data || !message->sound_rms.data)
		return -ENOMEM;
	message->sound_peak.len = message->sound_rms.len = timeline->sound_count;
	memcpy(message->sound_peak.data, timeline->sound_peak, timeline->sound_count);
	memcpy(message->sound_rms.data, timeline->sound_rms, timeline->sound_count);
	return 0;
}

Uxrec__Timeline *timeline_to_message(const struct timeline *timeline)
{
	Uxrec__Timeline *message = malloc(sizeof(*message));

	if (!message)
		return NULL;
	uxrec__timeline__init(message);
	message->begin_ns = timeline->begin_ns;
	message->end_ns = timeline->end_ns;
	message->has_transcript = timeline->has_transcript;
	if (put_events(timeline, message) < 0 || put_pictures(timeline, message) < 0 ||
		put_activity(timeline, message) < 0 || put_gaps(timeline, message) < 0 ||
		put_screen_gaps(timeline, message) < 0 ||
		timeline_put_motions(timeline, message) < 0 || put_sound(timeline, message) < 0) {
		uxrec__timeline__free_unpacked(message, NULL);
		return NULL;
	}
	return message;
}
