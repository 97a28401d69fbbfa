/* Consent as the gate of a reader. */

#include "protocol/file/consent.h"
#include "protocol/limits.h"
#include "protocol/session.pb-c.h"

#include <errno.h>
#include <string.h>

/* needed to interpret the messages of a modality, and independent of the participant's actions */
static bool is_description(const struct reader_channel *channel)
{
	switch (channel->known) {
	case CHANNEL_SCREEN_INFO:
	case CHANNEL_SOUND_INFO:
	case CHANNEL_MONITOR_INFO:
	case CHANNEL_KEY_POLICY:
	case CHANNEL_KEYBOARD_LAYOUT:
	case CHANNEL_INPUT_DEVICES: return true;
	default: return false;
	}
}

static bool depends_on_pictures(uint16_t known)
{
	return channel_is_picture(known) || known == CHANNEL_SCREEN_KEYFRAMES;
}

/* start of a channel's messages in a span */
static int64_t begin_of(const struct consent_gate *gate, const struct reader_channel *channel,
	struct consent_spans spans, size_t i)
{
	return depends_on_pictures(channel->known) && gate->pictures_from_ns
		? gate->pictures_from_ns[i]
		: spans.list[i].from_ns;
}

/* end of the time covered by a message, exclusive */
static int64_t end_of(struct session_reader *reader, const struct reader_message *message)
{
	uint16_t known = message->channel->known;
	int64_t shown_ns, span_ns = channel_span_ns(known);

	if (depends_on_pictures(known))
		return session_reader_shown_until(reader, message, &shown_ns) < 0 ? INT64_MAX
										  : shown_ns + 1;
	if (known == CHANNEL_SOUND || known == CHANNEL_MONITOR)
		span_ns += SESSION_SOUND_REACH_NS;
	return message->time_ns > INT64_MAX - span_ns ? INT64_MAX : message->time_ns + span_ns;
}

static bool is_muted(const struct consent_gate *gate, const struct reader_message *message)
{
	int64_t end_ns;

	if (gate->muted.count == 0 || is_description(message->channel) ||
		consent_modality(message->channel) != MODALITY_SOUND)
		return false;
	end_ns = end_of(gate->reader, message);
	for (size_t i = 0; i < gate->muted.count; i++)
		if (gate->muted.spans[i].from_ns < end_ns &&
			message->time_ns < gate->muted.spans[i].to_ns)
			return true;
	return false;
}

static bool passes(void *user, const struct reader_message *message)
{
	const struct consent_gate *gate = user;
	unsigned modality = consent_modality(message->channel);
	struct consent_spans spans;
	int64_t end_ns = INT64_MIN;

	if (is_muted(gate, message))
		return false;
	if (modality == MODALITY_SESSION || !gate->consent)
		return true;
	spans = consent_spans(gate->consent, modality, gate->use);
	if (is_description(message->channel))
		return spans.count > 0 && message->time_ns < spans.list[spans.count - 1].to_ns;
	for (size_t i = 0; i < spans.count; i++) {
		if (message->time_ns < begin_of(gate, message->channel, spans, i) ||
			message->time_ns >= spans.list[i].to_ns)
			continue;
		if (spans.list[i].to_ns == INT64_MAX)
			return true;
		if (end_ns == INT64_MIN)
			end_ns = end_of(gate->reader, message);
		return end_ns <= spans.list[i].to_ns;
	}
	return false;
}

static int64_t before(void *user, const struct reader_channel *channel, int64_t at_ns)
{
	const struct consent_gate *gate = user;
	unsigned modality = consent_modality(channel);
	struct consent_spans spans;

	if (modality == MODALITY_SESSION || !gate->consent)
		return at_ns;
	spans = consent_spans(gate->consent, modality, gate->use);
	for (size_t i = spans.count; i > 0; i--) {
		int64_t last_ns = spans.list[i - 1].to_ns - (spans.list[i - 1].to_ns != INT64_MAX);

		if (is_description(channel) || begin_of(gate, channel, spans, i - 1) <= at_ns)
			return at_ns < last_ns ? at_ns : last_ns;
	}
	return INT64_MIN;
}

/* ---- withheld spans ---- */

struct each {
	const struct consent_gate *gate;
	unsigned modality;
	int64_t end_ns;
	int (*callback)(void *callback_data, const Uxrec__Gap *gap);
	void *callback_data;
};

static int emit_gap(const struct each *each, int64_t from_ns, int64_t to_ns)
{
	struct consent_text denial =
		consent_denial_reason(each->gate->consent, each->modality, each->gate->use);
	Uxrec__Gap gap = UXREC__GAP__INIT;
	char *topics[CHANNEL_END];

	gap.reason = UXREC__GAP__REASON__REASON_CONSENT;
	gap.from_ns = from_ns;
	gap.to_ns = to_ns >= each->end_ns ? 0 : to_ns; /* 0: to the end */
	gap.detail = denial.text;
	gap.topics = topics;
	for (uint16_t id = 1; id < CHANNEL_END; id++)
		if (channel_kind_get(id)->modality == each->modality)
			topics[gap.n_topics++] = (char *)channel_kind_get(id)->topic;
	return each->callback(each->callback_data, &gap);
}

static int each_of(const struct each *each, int64_t from_ns)
{
	struct consent_spans spans =
		consent_spans(each->gate->consent, each->modality, each->gate->use);
	int r = 0;

	for (size_t i = 0; i < spans.count && r == 0 && from_ns < each->end_ns; i++) {
		if (spans.list[i].from_ns > from_ns)
			r = emit_gap(each, from_ns, spans.list[i].from_ns);
		if (spans.list[i].to_ns > from_ns)
			from_ns = spans.list[i].to_ns;
	}
	return r == 0 && from_ns < each->end_ns ? emit_gap(each, from_ns, each->end_ns) : r;
}

static void set_gate(const struct consent_gate *gate);

static bool is_covered_whole(struct consent_spans spans)
{
	return spans.count == 1 && spans.list[0].from_ns == INT64_MIN &&
		spans.list[0].to_ns == INT64_MAX;
}

/* a modality without messages is not reported as withheld, though its channels are declared */
static bool was_recorded(struct session_reader *reader, unsigned modality)
{
	const struct reader_channel *channel;
	struct reader_message message;

	for (size_t i = 0; reader && (channel = session_reader_channel(reader, i)); i++)
		if (consent_modality(channel) == modality && !is_description(channel) &&
			session_reader_latest(reader, channel, INT64_MAX, &message) > 0)
			return true;
	return false;
}

static int each_gap(void *user, int64_t from_ns, int64_t to_ns,
	int (*callback)(void *callback_data, const Uxrec__Gap *gap), void *callback_data)
{
	const struct consent_gate *gate = user;
	struct each each = {gate, 0, to_ns, callback, callback_data};
	int r = 0;

	for (each.modality = MODALITY_SESSION + 1;
		gate->consent && r == 0 && each.modality < CONSENT_MODALITY_COUNT;
		each.modality++) {
		bool recorded;

		if (is_covered_whole(consent_spans(gate->consent, each.modality, gate->use)))
			continue;
		session_reader_set_gate(gate->reader, NULL);
		recorded = was_recorded(gate->reader, each.modality);
		set_gate(gate);
		if (recorded)
			r = each_of(&each, from_ns);
	}
	return r;
}

/* ---- lifecycle ---- */

/* Find the first keyframe of each span, before the gate is installed. */
static int find_keyframes(struct consent_gate *gate, struct consent_spans spans)
{
	for (size_t i = 0; i < spans.count; i++) {
		_destroy_(session_cursor) struct session_cursor *cursor = NULL;
		struct reader_message message;
		int r;

		gate->pictures_from_ns[i] = spans.list[i].from_ns;
		if (spans.list[i].from_ns == INT64_MIN)
			continue;
		r = session_cursor_create(&cursor, gate->reader, spans.list[i].from_ns,
			spans.list[i].to_ns, UINT64_C(1) << CHANNEL_SCREEN_KEYFRAMES);
		if (r == 0)
			r = session_cursor_next(cursor, &message);
		if (r < 0)
			return r;
		gate->pictures_from_ns[i] = r > 0 ? message.time_ns : INT64_MAX;
	}
	return 0;
}

static bool passes_nothing(void *user, const struct reader_message *message)
{
	(void)user;
	return consent_modality(message->channel) == MODALITY_SESSION;
}

static int64_t before_anything(void *user, const struct reader_channel *channel, int64_t at_ns)
{
	(void)user;
	return consent_modality(channel) == MODALITY_SESSION ? at_ns : INT64_MIN;
}

void consent_gate_close(struct consent_gate *gate, struct session_reader *reader)
{
	consent_gate_finish(gate);
	gate->reader = reader;
	if (reader)
		session_reader_set_gate(
			reader, &(struct reader_gate){passes_nothing, before_anything, NULL, NULL});
}

static void set_gate(const struct consent_gate *gate)
{
	session_reader_set_gate(gate->reader,
		&(struct reader_gate){passes, before, each_gap, (void *)(uintptr_t)gate});
}

int consent_gate_init(struct consent_gate *gate, const struct consent *consent,
	enum consent_use use, struct session_reader *reader)
{
	struct consent_spans spans = {0};
	int r = 0;

	consent_gate_finish(gate);
	gate->consent = consent;
	gate->use = use;
	gate->reader = reader;
	if (consent)
		spans = consent_spans(consent, MODALITY_SCREEN, use);
	if (reader && spans.count > 0) {
		gate->pictures_from_ns = calloc(spans.count, sizeof(*gate->pictures_from_ns));
		r = gate->pictures_from_ns ? find_keyframes(gate, spans) : -ENOMEM;
	}
	if (r < 0)
		consent_gate_close(gate, reader);
	else if (reader)
		set_gate(gate);
	return r;
}

void consent_gate_finish(struct consent_gate *gate)
{
	if (gate->reader)
		session_reader_set_gate(gate->reader, NULL);
	free(gate->pictures_from_ns);
	*gate = (struct consent_gate){.muted = gate->muted};
}
