#include "replay/session/info.h"

#include "protocol/base/array.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/input.pb-c.h"
#include "protocol/base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct reading {
	struct session_facts *facts;
	int64_t *copy_delays_ns; /* one per picture */
	size_t delay_count;
	int64_t worst_ns; /* largest error of clocks and devices */
};

static struct channel_facts *facts_of(
	struct session_facts *facts, const struct reader_channel *channel)
{
	for (size_t i = 0; i < facts->channel_count; i++)
		if (facts->channels[i].channel == channel)
			return &facts->channels[i];
	return NULL;
}

static int note_delay(struct reading *reading, int64_t delay_ns)
{
	if (!array_grow(reading->copy_delays_ns, reading->delay_count))
		return -ENOMEM;
	reading->copy_delays_ns[reading->delay_count++] = delay_ns;
	return 0;
}

static int note_gap(struct session_facts *facts, const struct reader_message *message)
{
	if (!array_grow(facts->gaps, facts->gap_count))
		return -ENOMEM;
	facts->gaps[facts->gap_count] =
		uxrec__gap__unpack(NULL, message->data.size_bytes, message->data.data);
	facts->gap_count += facts->gaps[facts->gap_count] != NULL;
	return 0;
}

static void note_error(struct reading *reading, int64_t error_ns)
{
	if (error_ns > reading->worst_ns)
		reading->worst_ns = error_ns;
}

static void note_clock(struct reading *reading, const struct reader_message *message)
{
	Uxrec__ClockSample *sample =
		uxrec__clock_sample__unpack(NULL, message->data.size_bytes, message->data.data);

	if (sample)
		note_error(reading, sample->bracket_ns);
	uxrec__clock_sample__free_unpacked(sample, NULL);
}

/* The newest device with that number that is still present. Numbers restart after a pause. */
static struct device_facts *find_device(
	struct session_facts *facts, const Uxrec__InputDevice *device)
{
	for (size_t i = facts->device_count; i > 0; i--) {
		struct device_facts *known = &facts->devices[i - 1];

		if (known->device->device == device->device && known->to_ns == 0 &&
			strcmp(known->device->name, device->name) == 0)
			return known;
	}
	return NULL;
}

static int add_device(struct session_facts *facts, Uxrec__InputDevice *device, int64_t from_ns)
{
	if (!array_grow(facts->devices, facts->device_count)) {
		uxrec__input_device__free_unpacked(device, NULL);
		return -ENOMEM;
	}
	facts->devices[facts->device_count++] = (struct device_facts){device, from_ns, 0};
	return 0;
}

static int note_device(struct reading *reading, const struct reader_message *message)
{
	Uxrec__InputDevice *device =
		uxrec__input_device__unpack(NULL, message->data.size_bytes, message->data.data);
	struct device_facts *known = device ? find_device(reading->facts, device) : NULL;

	if (!device)
		return 0;
	note_error(reading, device->time_resolution_us * NS_PER_US);
	if (!known && !device->removed)
		return add_device(reading->facts, device, message->time_ns);
	if (known && device->removed)
		known->to_ns = message->time_ns;
	uxrec__input_device__free_unpacked(device, NULL);
	return 0;
}

static bool same_monitor(const Uxrec__Monitor *a, const Uxrec__Monitor *b)
{
	return a->x_px == b->x_px && a->y_px == b->y_px && a->width_px == b->width_px &&
		a->height_px == b->height_px && strcmp(a->name, b->name) == 0;
}

/* Screen messages also repeat for other changes: hidden areas, frame rate. */
static bool looks_the_same(const Uxrec__Screen *a, const Uxrec__Screen *b)
{
	if (a->width_px != b->width_px || a->height_px != b->height_px ||
		a->n_monitors != b->n_monitors || strcmp(a->grabber, b->grabber) != 0)
		return false;
	for (size_t i = 0; i < a->n_monitors; i++)
		if (!same_monitor(a->monitors[i], b->monitors[i]))
			return false;
	return true;
}

static int note_screen(struct session_facts *facts, const struct reader_message *message)
{
	Uxrec__Screen *screen =
		uxrec__screen__unpack(NULL, message->data.size_bytes, message->data.data);

	if (!screen)
		return 0;
	if (facts->screen_count > 0 &&
		looks_the_same(facts->screens[facts->screen_count - 1].screen, screen)) {
		uxrec__screen__free_unpacked(screen, NULL);
		return 0;
	}
	if (!array_grow(facts->screens, facts->screen_count)) {
		uxrec__screen__free_unpacked(screen, NULL);
		return -ENOMEM;
	}
	facts->screens[facts->screen_count++] = (struct screen_facts){screen, message->time_ns};
	return 0;
}

static void note_policy(struct session_facts *facts, const struct reader_message *message)
{
	Uxrec__KeyPolicy *policy =
		uxrec__key_policy__unpack(NULL, message->data.size_bytes, message->data.data);

	if (policy && facts->password_from_ns)
		facts->password_s += (double)(message->time_ns - facts->password_from_ns) / 1e9;
	facts->password_from_ns = 0;
	if (policy && policy->reason == UXREC__KEY_POLICY__REASON__REASON_PASSWORD) {
		facts->password_count++;
		facts->password_from_ns = message->time_ns;
	}
	uxrec__key_policy__free_unpacked(policy, NULL);
}

static void note_end(struct session_facts *facts, const struct reader_message *message)
{
	Uxrec__SessionEvent *event =
		uxrec__session_event__unpack(NULL, message->data.size_bytes, message->data.data);

	if (event && event->kind == UXREC__SESSION_EVENT__KIND__KIND_STARTED)
		utf8_copy(facts->keys, sizeof(facts->keys), event->keys);
	if (event && event->kind == UXREC__SESSION_EVENT__KIND__KIND_ENDED)
		utf8_copy(facts->end_reason, sizeof(facts->end_reason), event->reason);
	uxrec__session_event__free_unpacked(event, NULL);
}

static int handle_message(struct reading *reading, const struct reader_message *message)
{
	struct channel_facts *channel = facts_of(reading->facts, message->channel);

	if (channel) {
		channel->messages++;
		channel->bytes += message->data.size_bytes;
	}
	switch (message->channel->known) {
	case CHANNEL_SCREEN: return note_delay(reading, message->publish_ns - message->time_ns);
	case CHANNEL_SCREEN_INFO: return note_screen(reading->facts, message);
	case CHANNEL_GAPS: return note_gap(reading->facts, message);
	case CHANNEL_CLOCK: note_clock(reading, message); return 0;
	case CHANNEL_INPUT_DEVICES: return note_device(reading, message);
	case CHANNEL_KEY_POLICY: note_policy(reading->facts, message); return 0;
	case CHANNEL_EVENTS: note_end(reading->facts, message); return 0;
	default: return 0;
	}
}

static int compare_times(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static int read_all(struct reading *reading, const struct session *session)
{
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	int r = session_cursor_create(&cursor, session->reader, INT64_MIN, INT64_MAX, 0);

	while (r >= 0 && (r = session_cursor_next(cursor, &message)) > 0) {
		r = handle_message(reading, &message);
		if (r < 0)
			return r;
	}
	if (r == 0 && reading->delay_count > 0) {
		qsort(reading->copy_delays_ns, reading->delay_count, sizeof(int64_t),
			compare_times);
		note_error(reading, reading->copy_delays_ns[reading->delay_count * 99 / 100]);
	}
	return r;
}

int session_facts_create(struct session_facts **ret, const struct session *session)
{
	_destroy_(session_facts) struct session_facts *facts = calloc(1, sizeof(*facts));
	struct reading reading = {.facts = facts};
	int64_t end_ns = 0;
	int r;

	if (!facts)
		return -ENOMEM;
	while (session_reader_channel(session->reader, facts->channel_count))
		facts->channel_count++;
	facts->channels = calloc(facts->channel_count + 1, sizeof(*facts->channels));
	if (!facts->channels)
		return -ENOMEM;
	for (size_t i = 0; i < facts->channel_count; i++)
		facts->channels[i].channel = session_reader_channel(session->reader, i);
	r = read_all(&reading, session);
	free(reading.copy_delays_ns);
	if (r < 0)
		return r;
	if (session_span(session, &facts->begin_ns, &end_ns))
		facts->duration_s = (double)(end_ns - facts->begin_ns) / 1e9;
	if (facts->password_from_ns && end_ns > facts->password_from_ns)
		facts->password_s += (double)(end_ns - facts->password_from_ns) / 1e9;
	facts->bytes = session_reader_size(session->reader);
	facts->complete = session_is_complete(session);
	facts->sync_error_ms = (double)reading.worst_ns / 1e6;
	facts->damage_count = session_reader_damages(session->reader, &facts->damages);
	*ret = steal_ptr(facts);
	return 0;
}

void session_facts_destroy(struct session_facts *facts)
{
	if (!facts)
		return;
	for (size_t i = 0; i < facts->gap_count; i++)
		uxrec__gap__free_unpacked(facts->gaps[i], NULL);
	for (size_t i = 0; i < facts->device_count; i++)
		uxrec__input_device__free_unpacked(facts->devices[i].device, NULL);
	for (size_t i = 0; i < facts->screen_count; i++)
		uxrec__screen__free_unpacked(facts->screens[i].screen, NULL);
	free(facts->screens);
	free(facts->devices);
	free(facts->gaps);
	free(facts->channels);
	free(facts);
}
