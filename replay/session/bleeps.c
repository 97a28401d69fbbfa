#include "replay/session/bleeps.h"

#include "protocol/base/bisect.h"
#include "protocol/channel.h"
#include "protocol/limits.h"

#include <errno.h>

static int span_compare(const void *a, const void *b)
{
	const struct bleep_span *x = a, *y = b;

	return x->from_ns < y->from_ns ? -1 : x->from_ns > y->from_ns;
}

/* Merge overlapping and adjacent spans. */
static void unite(struct bleeps *bleeps)
{
	size_t kept = 0;

	if (bleeps->count > 1)
		qsort(bleeps->spans, bleeps->count, sizeof(*bleeps->spans), span_compare);
	for (size_t i = 0; i < bleeps->count; i++) {
		const struct bleep_span span = bleeps->spans[i];

		if (kept == 0 || span.from_ns > bleeps->spans[kept - 1].to_ns)
			bleeps->spans[kept++] = span;
		else if (span.to_ns > bleeps->spans[kept - 1].to_ns)
			bleeps->spans[kept - 1].to_ns = span.to_ns;
	}
	bleeps->count = kept;
}

int bleeps_collect(struct bleeps *ret, const struct session *session)
{
	const struct annotations *log = session->annotations;
	size_t acts = log ? annotations_count(log) : 0;
	struct bleeps bleeps = {calloc(acts + 1, sizeof(*bleeps.spans)), 0};

	if (!bleeps.spans)
		return -ENOMEM;
	if (!log && *session->annotations_error.text)
		bleeps.spans[bleeps.count++] = (struct bleep_span){INT64_MIN, INT64_MAX};
	for (size_t i = 0; i < acts; i++) {
		const Uxrec__Act *act = annotations_get(log, i);

		if (act->body_case == UXREC__ACT__BODY_BLEEP)
			bleeps.spans[bleeps.count++] =
				(struct bleep_span){act->bleep->from_ns, act->bleep->to_ns};
	}
	unite(&bleeps);
	*ret = bleeps;
	return 0;
}

void bleeps_finish(struct bleeps *bleeps)
{
	free(bleeps->spans);
	*bleeps = (struct bleeps){0};
}

bool bleeps_touch(const struct bleeps *bleeps, int64_t from_ns, int64_t to_ns)
{
	size_t ended = bisect(bleeps->count, i, bleeps->spans[i].to_ns <= from_ns);

	return ended < bleeps->count &&
		bleeps->spans[ended].from_ns < (to_ns > from_ns ? to_ns : from_ns + 1);
}

bool bleeps_silence(const struct bleeps *bleeps, const struct reader_message *message)
{
	int64_t span_ns = SESSION_LEVELS_SPAN_NS;

	switch (message->channel->known) {
	case CHANNEL_SOUND_INFO:
	case CHANNEL_MONITOR_INFO: return false;
	case CHANNEL_SOUND:
	case CHANNEL_MONITOR: span_ns = SESSION_SOUND_SPAN_NS + SESSION_SOUND_REACH_NS; break;
	default:
		/* unknown channels of the sound modality are sound */
		if (modality_of_metadata(message->channel->metadata) != MODALITY_SOUND)
			return false;
	}
	return bleeps_touch(bleeps, message->time_ns, message->time_ns + span_ns);
}
